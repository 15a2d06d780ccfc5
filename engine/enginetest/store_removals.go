package enginetest

import (
	"fmt"

	"github.com/scimsync/scimsync/engine"
)

// grown makes group g with members u00…, linked and exported.
func (c *storeCase) grown(g string, n int) (members []engine.Ref) {
	c.Helper()
	var edges []engine.Edge
	for i := range n {
		members = append(members, user(fmt.Sprintf("u%02d", i)))
		edges = append(edges, member(g, members[i]))
	}
	c.link(append([]engine.Ref{group(g)}, members...)...)
	c.edges(edges...)
	c.must(c.s.SettleEdges(c.Context(), c.job, "", engine.EdgesSettled{From: group(g), Relation: engine.Member, Added: members}))
	return members
}

// leave removes members from a group at the source.
func (c *storeCase) leave(g string, members ...engine.Ref) {
	c.Helper()
	var edges []engine.Edge
	for _, m := range members {
		edges = append(edges, removed(member(g, m)))
	}
	c.edges(edges...)
}

// guard looks at the removals and expects that so many are held.
func (c *storeCase) guard(g engine.RemovalGuard, held int) {
	c.Helper()
	for range 2 {
		c.equal(fmt.Sprintf("held by %+v", g), got(c.s.HoldRemovals(c.Context(), c.job, g, now))(c), held)
	}
}

// heldRemovals lists "group verdict: members of all that the group has".
func (c *storeCase) heldRemovals() (list []string) {
	c.Helper()
	for _, h := range got(c.s.HeldRemovals(c.Context(), c.job, "", 1<<20))(c) {
		list = append(list, fmt.Sprintf("%s %s: %d of %d", h.Group.ID, h.Verdict, len(h.Members), h.Has))
	}
	return list
}

func removalTests() []storeTest {
	return []storeTest{
		{"more removals than allowed are all held", func(c *storeCase) {
			ctx := c.Context()
			one, two := c.grown("g1", 4), c.grown("g2", 4)
			c.leave("g1", one[:3]...)
			c.leave("g2", two[0])
			c.guard(engine.RemovalGuard{Max: 4}, 0)
			c.equal("holders", c.holders(engine.Member), []string{"g1", "g2"})
			c.guard(engine.RemovalGuard{Max: 3}, 4)
			c.equal("holders", c.holders(engine.Member), nil)
			c.equal("g1", c.g1(), nil)
			c.equal("held", got(c.s.HeldRemovals(ctx, c.job, "", 10))(c), []engine.HeldRemoval{
				{Group: group("g1"), Name: "Name of g1", Members: one[:3], Has: 4}, {Group: group("g2"), Name: "Name of g2", Members: two[:1], Has: 4}})
			c.equal("another job", len(got(c.s.HeldRemovals(ctx, "other", "", 10))(c)), 0)
			c.equal("counted", got(c.s.References(ctx, c.job))(c), engine.References{Held: 4, HeldGroups: 2})
			c.equal("another job", got(c.s.References(ctx, "other"))(c), engine.References{})
			c.edges(member("g1", user("u01")))
			c.equal("back at the source: to be made sure of", c.g1(), []string{"+user:u01"})
			c.guard(engine.RemovalGuard{Max: 3}, 0)
			c.equal("few enough now", c.g1(), []string{"-user:u00", "+user:u01", "-user:u02"})
			c.equal("held", c.heldRemovals(), nil)
		}},
		{"rejected removals are counted apart", func(c *storeCase) {
			ctx := c.Context()
			members := c.grown("g1", 3)
			c.leave("g1", members...)
			c.guard(engine.RemovalGuard{Max: 2}, 3)
			c.equal("judged", got(c.s.JudgeRemovals(ctx, c.job, "g1", members[:1], engine.Rejected))(c), 1)
			c.equal("counted", got(c.s.References(ctx, c.job))(c), engine.References{Held: 2, HeldGroups: 1, Rejected: 1})
			c.equal("judged", got(c.s.JudgeRemovals(ctx, c.job, "g1", members[1:], engine.Approved))(c), 2)
			c.equal("counted", got(c.s.References(ctx, c.job))(c), engine.References{Rejected: 1})
		}},
		{"a large group is not emptied", func(c *storeCase) {
			big, small := c.grown("big", 5), c.grown("small", 4)
			c.grown("part", 6)
			c.leave("big", big...)
			c.leave("small", small...)
			c.leave("part", big...)
			guard := engine.RemovalGuard{Emptied: 5}
			c.guard(guard, 5)
			c.equal("held", c.heldRemovals(), []string{"big : 5 of 5"})
			c.equal("holders", c.holders(engine.Member), []string{"part", "small"})
			c.leave("part", user("u05"))
			c.guard(guard, 11)
			c.equal("held", c.heldRemovals(), []string{"big : 5 of 5", "part : 6 of 6"})
			c.edges(member("big", big[4]))
			c.guard(guard, 6)
			c.equal("somebody stays after all", c.waiting(group("big"), engine.Member), []string{"-user:u00", "-user:u01", "-user:u02", "-user:u03", "+user:u04"})
			c.guard(engine.RemovalGuard{}, 0)
			c.equal("the guard is off", c.heldRemovals(), nil)
		}},
		{"a group whose members are exchanged is not emptied", func(c *storeCase) {
			old := c.grown("g1", 3)
			c.leave("g1", old...)
			c.edges(member("g1", user("new")))
			guard := engine.RemovalGuard{Emptied: 3}
			c.guard(guard, 3)
			c.equal("the new member cannot be added yet", c.g1(), []string{"+user:new"})
			c.link(user("new"))
			c.guard(guard, 0)
			c.equal("all go on", c.g1(), []string{"+user:new", "-user:u00", "-user:u01", "-user:u02"})
			c.failed(escrow(later), user("new"))
			c.guard(guard, 3)
			c.equal("to add it failed", c.g1(), nil)
		}},
		{"only removals that a cycle would make are counted", func(c *storeCase) {
			ctx := c.Context()
			members := c.grown("g1", 4)
			c.grown("released", 4)
			l := linkOf(group("released"))
			l.State = engine.Released
			c.must(c.s.PutLink(ctx, c.job, *l, false))
			c.leave("released", members...)
			c.leave("g1", members...)
			c.edges(manager("u00", "u01"))
			c.must(c.s.SettleEdges(ctx, c.job, "", engine.EdgesSettled{From: user("u00"), Relation: engine.Manager, Added: []engine.Ref{user("u01")}}))
			c.edges(removed(manager("u00", "u01")))
			c.must(c.s.Settle(ctx, c.job, "", []engine.Settled{{Ref: user("u03"), Unlink: true}})) // its membership went with it
			c.failed(escrow(later), user("u02"))
			c.guard(engine.RemovalGuard{Max: 2}, 0)
			c.equal("up", c.g1(), []string{"-user:u00", "-user:u01"})
			c.guard(engine.RemovalGuard{Max: 1}, 2)
			c.equal("held", c.heldRemovals(), []string{"g1 : 2 of 3"})
			c.equal("managers are not held", c.waiting(user("u00"), engine.Manager), []string{"-user:u01"})
		}},
		{"held removals of a group that is no longer written to are held no more", func(c *storeCase) {
			members := c.grown("g1", 3)
			c.leave("g1", members...)
			c.guard(engine.RemovalGuard{Max: 1}, 3)
			l := linkOf(group("g1"))
			l.State = engine.Released
			c.must(c.s.PutLink(c.Context(), c.job, *l, false))
			c.guard(engine.RemovalGuard{Max: 1}, 0)
			c.equal("held", c.heldRemovals(), nil)
		}},
		{"an approval lets removals be exported, a rejection keeps them out", func(c *storeCase) {
			ctx := c.Context()
			members := c.grown("g1", 6)
			c.leave("g1", members...)
			guard := engine.RemovalGuard{Max: 1}
			c.guard(guard, 6)
			for range 2 {
				c.equal("approved", got(c.s.JudgeRemovals(ctx, c.job, "g1", members[:2], engine.Approved))(c), 2)
				c.equal("rejected", got(c.s.JudgeRemovals(ctx, c.job, "g1", members[2:4], engine.Rejected))(c), 2)
			}
			c.equal("up", c.g1(), []string{"-user:u00", "-user:u01"})
			c.equal("listed", got(c.s.HeldRemovals(ctx, c.job, "", 1))(c), []engine.HeldRemoval{
				{Group: group("g1"), Name: "Name of g1", Members: members[4:], Has: 6},
				{Group: group("g1"), Name: "Name of g1", Members: members[2:4], Verdict: engine.Rejected, Has: 6}})
			c.guard(guard, 2)
			c.equal("the guard respects what was said", c.g1(), []string{"-user:u00", "-user:u01"})
			c.failed(escrow(ago), members[0])
			c.equal("an approval outlives a failure", c.g1(), []string{"-user:u00", "-user:u01"})
			c.export(engine.EdgesSettled{Removed: members[:2]})
			c.guard(guard, 2)
			c.equal("listed", c.heldRemovals(), []string{"g1 : 2 of 4", "g1 rejected: 2 of 4"})
			c.guard(engine.RemovalGuard{}, 0)
			c.equal("without a guard a rejection stands", c.heldRemovals(), []string{"g1 rejected: 2 of 4"})
			c.equal("up", c.g1(), []string{"-user:u04", "-user:u05"})
			c.edges(member("g1", members[2]))
			c.leave("g1", members[2])
			c.equal("until the source tells of the edge again", c.g1(), []string{"-user:u02", "-user:u04", "-user:u05"})
			c.equal("another mind", got(c.s.JudgeRemovals(ctx, c.job, "g1", members[3:4], engine.Approved))(c), 1)
			c.equal("up", c.g1(), []string{"-user:u02", "-user:u03", "-user:u04", "-user:u05"})
		}},
		{"somebody whose removal was rejected stays in a group that is not emptied so", func(c *storeCase) {
			members := c.grown("g1", 3)
			c.leave("g1", members...)
			guard := engine.RemovalGuard{Emptied: 3}
			c.guard(guard, 3)
			got(c.s.JudgeRemovals(c.Context(), c.job, "g1", members[:1], engine.Rejected))(c)
			c.guard(guard, 0)
			c.equal("up", c.g1(), []string{"-user:u01", "-user:u02"})
		}},
		{"only what is held can be judged", func(c *storeCase) {
			ctx := c.Context()
			members := c.grown("g1", 3)
			c.leave("g1", members[0])
			c.equal("not held", got(c.s.JudgeRemovals(ctx, c.job, "g1", members, engine.Rejected))(c), 0)
			c.guard(engine.RemovalGuard{Emptied: 1}, 0)
			c.leave("g1", members[1:]...)
			c.guard(engine.RemovalGuard{Emptied: 1}, 3)
			c.equal("another group", got(c.s.JudgeRemovals(ctx, c.job, "g2", members, engine.Rejected))(c), 0)
			c.equal("another job", got(c.s.JudgeRemovals(ctx, "other", "g1", members, engine.Rejected))(c), 0)
			c.equal("nobody", got(c.s.JudgeRemovals(ctx, c.job, "g1", nil, engine.Rejected))(c), 0)
			for _, v := range []engine.Verdict{engine.Undecided, "perhaps"} {
				if n, err := c.s.JudgeRemovals(ctx, c.job, "g1", members, v); err == nil {
					c.Errorf("%d removals were judged %q", n, v)
				}
			}
			c.equal("held", c.heldRemovals(), []string{"g1 : 3 of 3"})
		}},
		{"groups with held removals are listed in pages", func(c *storeCase) {
			ctx := c.Context()
			var members []engine.Ref
			for _, g := range []string{"g3", "g1", "g2"} {
				members = c.grown(g, 2)
				c.leave(g, members...)
			}
			c.guard(engine.RemovalGuard{Max: 1}, 6)
			got(c.s.JudgeRemovals(ctx, c.job, "g2", members[:1], engine.Rejected))(c)
			var seen []string
			for after := ""; ; {
				page := got(c.s.HeldRemovals(ctx, c.job, after, 1))(c)
				if len(page) == 0 {
					break
				}
				for _, h := range page {
					seen = append(seen, fmt.Sprintf("%s %s", h.Group.ID, h.Verdict))
					after = h.Group.ID
				}
			}
			c.equal("groups", seen, []string{"g1 ", "g2 ", "g2 rejected", "g3 "})
		}},
	}
}
