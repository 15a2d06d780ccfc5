package enginetest

import (
	"fmt"

	"github.com/scimsync/scimsync/engine"
)

func referenceTests() []storeTest {
	return []storeTest{
		{"who has edges to an object that are up", func(c *storeCase) {
			ctx := c.Context()
			to := func(rel engine.Relation, r engine.Ref) (ids []string) {
				c.Helper()
				for _, h := range got(c.s.HoldersTo(ctx, c.job, rel, r))(c) {
					if h.Link.TargetID != "t-"+h.ID {
						c.Errorf("%s comes with the link %+v", h.ID, h.Link)
					}
					ids = append(ids, h.ID)
				}
				return ids
			}
			c.link(group("g2"), group("g1"), group("g3"), user("u1"), user("u2"), user("u3"))
			released := linkOf(group("g4"))
			released.State = engine.Released
			c.must(c.s.PutLink(ctx, c.job, *released, false))
			c.edges(member("g1", user("u1")), member("g2", user("u1")), member("g3", user("u2")), member("g4", user("u1")), member("unlinked", user("u1")),
				member("g3", group("u1")), manager("u2", "u1"), manager("u3", "u1"))
			c.equal("groups", to(engine.Member, user("u1")), []string{"g1", "g2"})
			c.equal("a group of the same id", to(engine.Member, group("u1")), []string{"g3"})
			c.equal("managed users", to(engine.Manager, user("u1")), []string{"u2", "u3"})
			c.equal("nobody", to(engine.Manager, user("u9")), nil)
			c.failed(escrow(later), user("u1"))
			c.equal("one failed", to(engine.Member, user("u1")), []string{"g2"})
			if _, err := c.s.HoldersTo(ctx, c.job, "friend", user("u1")); err == nil {
				c.Error("no error for a relation that does not exist")
			}
		}},
		{"edges of an object to some others that are up", func(c *storeCase) {
			ctx := c.Context()
			c.link(group("g1"), user("u1"))
			c.edges(member("g1", user("u1")), member("g1", user("u2")), member("g1", user("u3")), member("g1", group("u1")), member("g2", user("u1")))
			c.failed(escrow(ago), user("u1"))
			c.failed(escrow(later), user("u3"))
			want := escrow(ago)
			want.Detail = "is taken \uFFFD"
			to := []engine.Ref{user("u3"), user("u1"), user("u9"), group("u1"), user("u1")}
			c.equal("waiting", got(c.s.WaitingTo(ctx, c.job, group("g1"), engine.Member, to))(c), []engine.Membership{
				{To: group("u1"), Want: true}, {To: user("u1"), Want: true, TargetID: "t-u1", State: engine.Managed, Escrow: want}})
			c.equal("nobody", len(got(c.s.WaitingTo(ctx, c.job, group("g1"), engine.Member, nil))(c)), 0)
			if _, err := c.s.WaitingTo(ctx, c.job, user("u1"), engine.Member, to); err == nil {
				c.Error("no error for an object that has no members")
			}
		}},
		{"exported members, in pages", func(c *storeCase) {
			ctx := c.Context()
			members := c.grown("g1", 5)
			c.link(group("u02"))
			c.edges(member("g1", group("u02")), member("g1", user("waits")))
			c.export(engine.EdgesSettled{Added: []engine.Ref{group("u02")}})
			c.leave("g1", members[0])
			list := got(c.s.Exported(ctx, c.job, group("g1"), "", 10))(c)
			c.equal("all", len(list), 6)
			c.equal("to be removed, and there still", list[0], engine.Membership{To: members[0], Have: true, TargetID: "t-u00", State: engine.Managed})
			c.equal("a member", list[1], engine.Membership{To: members[1], Want: true, Have: true, TargetID: "t-u01", State: engine.Managed})
			for limit := 2; limit <= 5; limit++ {
				var seen []string
				for after := ""; ; {
					page := got(c.s.Exported(ctx, c.job, group("g1"), after, limit))(c)
					if len(page) == 0 {
						break
					}
					for _, m := range page {
						seen = append(seen, string(m.To.Kind)+":"+m.To.ID)
					}
					after = page[len(page)-1].To.ID
				}
				c.equal(fmt.Sprint("in pages of ", limit), seen, []string{"user:u00", "user:u01", "group:u02", "user:u02", "user:u03", "user:u04"})
			}
			if _, err := c.s.Exported(ctx, c.job, user("u1"), "", 10); err == nil {
				c.Error("no error for an object that has no members")
			}
		}},
		{"what the target lacks is exported again, what nobody asked for is removed", func(c *storeCase) {
			ctx := c.Context()
			members := c.grown("g1", 4)
			c.link(user("stranger"), user("joins"))
			c.edges(member("g1", user("joins")))
			c.leave("g1", members[3])
			for range 2 {
				c.must(c.s.ForgetExported(ctx, c.job, group("g1"), []engine.Ref{members[0], members[3], user("nobody")},
					[]engine.Ref{user("stranger"), user("joins"), members[1], user("stranger")}))
				c.equal("up", c.g1(), []string{"+user:joins", "-user:stranger", "+user:u00", "-user:u03"})
			}
			list := got(c.s.WaitingTo(ctx, c.job, group("g1"), engine.Member, []engine.Ref{members[0], user("stranger"), user("joins")}))(c)
			c.equal("edges", list, []engine.Membership{
				{To: user("joins"), Want: true, TargetID: "t-joins", State: engine.Managed},
				{To: user("stranger"), Have: true, TargetID: "t-stranger", State: engine.Managed},
				{To: members[0], Want: true, TargetID: "t-u00", State: engine.Managed}})
			c.guard(engine.RemovalGuard{Max: 1}, 2)
			c.equal("the guard counts them", c.heldRemovals(), []string{"g1 : 2 of 4"})
			c.guard(engine.RemovalGuard{}, 0)
			c.export(engine.EdgesSettled{Removed: []engine.Ref{user("stranger"), members[3]}, Added: []engine.Ref{members[0], user("joins")}})
			c.equal("done", c.g1(), nil)
			if err := c.s.ForgetExported(ctx, c.job, user("u1"), members, nil); err == nil {
				c.Error("no error for an object that has no members")
			}
		}},
	}
}

func planTests() []storeTest {
	return []storeTest{
		{"a plan is kept until it is dropped", func(c *storeCase) {
			ctx := c.Context()
			refs := []engine.Ref{user("u1"), group("u1"), user("u2"), {Kind: "member", ID: "g1/user/u1"}}
			ops := []engine.PlannedOp{{Ref: user("u1"), Digest: "first"}, {Ref: user("u1"), Digest: "a"}, {Ref: group("u1"), Digest: "b"}, {Ref: refs[3], Digest: "add"}}
			want := map[engine.Ref]string{user("u1"): "a", group("u1"): "b", refs[3]: "add"}
			for range 2 {
				c.must(c.s.PutPlan(ctx, c.job, "p1", ops))
				c.equal("plan", got(c.s.PlanOf(ctx, c.job, "p1", refs))(c), want)
			}
			c.must(c.s.PutPlan(ctx, c.job, "p2", []engine.PlannedOp{{Ref: user("u2"), Digest: "c"}}))
			c.equal("size of a plan", got(c.s.PlanSize(ctx, c.job, "p2"))(c), 1)
			c.equal("another plan", got(c.s.PlanOf(ctx, c.job, "p2", refs))(c), map[engine.Ref]string{user("u2"): "c"})
			c.equal("another job", got(c.s.PlanOf(ctx, "other", "p1", refs))(c), nil)
			c.must(c.s.PutPlan(ctx, c.job, "p1", ops[3:]))
			c.equal("in place of the old one", got(c.s.PlanOf(ctx, c.job, "p1", refs))(c), map[engine.Ref]string{refs[3]: "add"})
			for range 2 {
				c.must(c.s.DropPlan(ctx, c.job, "p1"))
				c.equal("dropped", got(c.s.PlanOf(ctx, c.job, "p1", refs))(c), nil)
			}
			c.equal("the other stays", got(c.s.PlanOf(ctx, c.job, "p2", refs))(c), map[engine.Ref]string{user("u2"): "c"})
		}},
		{"a large plan", func(c *storeCase) {
			ctx := c.Context()
			const n = 5000
			var ops []engine.PlannedOp
			var refs []engine.Ref
			for i := range n {
				r := user(fmt.Sprint("u", i))
				refs = append(refs, r)
				ops = append(ops, engine.PlannedOp{Ref: r, Digest: fmt.Sprint("d", i)})
			}
			c.must(c.s.PutPlan(ctx, c.job, "p", ops))
			found := got(c.s.PlanOf(ctx, c.job, "p", refs))(c)
			c.equal("found", len(found), n)
			for _, op := range ops {
				if found[op.Ref] != op.Digest {
					c.Fatalf("%s has the digest %q", op.ID, found[op.Ref])
				}
			}
		}},
	}
}
