package enginetest

import (
	"fmt"

	"github.com/scimsync/scimsync/engine"
)

// edges saves edges with a round of changes.
func (c *storeCase) edges(edges ...engine.Edge) {
	c.Helper()
	c.round(engine.FeedGroups, false, engine.PageWrite{Edges: edges})
}

// export settles edges of group g1.
func (c *storeCase) export(s engine.EdgesSettled) {
	c.Helper()
	s.From, s.Relation = group("g1"), engine.Member
	for range 2 { // an activity may be repeated
		c.must(c.s.SettleEdges(c.Context(), c.job, "", s))
	}
}

// g1 returns what waits at group g1.
func (c *storeCase) g1() []string {
	c.Helper()
	return c.waiting(group("g1"), engine.Member)
}

var u1 = []engine.Ref{{Kind: engine.User, ID: "u1"}}

func membershipTests() []storeTest {
	return []storeTest{
		{"a new manager takes the place of the old one", func(c *storeCase) {
			c.link(user("u1"))
			to := func(id string) engine.Edge {
				return engine.Edge{From: user("u1"), Relation: engine.Manager, To: user(id)}
			}
			c.edges(to("m1"))
			c.equal("first", c.waiting(user("u1"), engine.Manager), []string{"+user:m1"})
			c.edges(to("m2"))
			c.equal("never exported", c.waiting(user("u1"), engine.Manager), []string{"+user:m2"})
			c.must(c.s.SettleEdges(c.Context(), c.job, "", engine.EdgesSettled{From: user("u1"), Relation: engine.Manager, Added: []engine.Ref{user("m2")}}))
			c.edges(to("m3"))
			c.equal("exported", c.waiting(user("u1"), engine.Manager), []string{"-user:m2", "+user:m3"})
			c.edges(to("m3"))
			c.equal("told again", c.waiting(user("u1"), engine.Manager), []string{"-user:m2", "+user:m3"})
		}},
		{"an edge is exported and settled", func(c *storeCase) {
			c.link(group("g1"))
			c.edges(member("g1", user("u1")), member("g1", user("u2")), member("g1", group("g2")))
			c.equal("new", c.g1(), []string{"+group:g2", "+user:u1", "+user:u2"})
			c.export(engine.EdgesSettled{Added: []engine.Ref{user("u1"), group("g2")}})
			c.equal("one left", c.g1(), []string{"+user:u2"})
			c.edges(member("g1", user("u1")))
			c.equal("told again", c.g1(), []string{"+user:u2"})
			c.edges(removed(member("g1", user("u1"))), removed(member("g1", user("u2"))), removed(member("g1", user("u9"))))
			c.equal("the exported one is to be removed, the other is forgotten", c.g1(), []string{"-user:u1"})
			c.export(engine.EdgesSettled{Removed: u1})
			c.equal("removed", c.g1(), nil)
			c.edges(member("g1", user("u1")))
			c.equal("back", c.g1(), []string{"+user:u1"})
		}},
		{"an edge that came back before its removal was exported", func(c *storeCase) {
			c.link(group("g1"))
			c.edges(member("g1", user("u1")))
			c.export(engine.EdgesSettled{Added: u1})
			c.edges(removed(member("g1", user("u1"))))
			c.edges(member("g1", user("u1")))
			list := got(c.s.Waiting(c.Context(), c.job, group("g1"), engine.Member, "", 10))(c)
			c.equal("wanted, exported, to be made sure of", list, []engine.Membership{{To: user("u1"), Want: true, Have: true}})
			c.export(engine.EdgesSettled{Added: u1})
			c.equal("settled", c.g1(), nil)
		}},
		{"an edge that was dropped while it was added", func(c *storeCase) {
			c.link(group("g1"))
			c.edges(member("g1", user("u1")))
			c.edges(removed(member("g1", user("u1")))) // meanwhile the request was on its way
			c.export(engine.EdgesSettled{Added: u1})
			c.equal("to be removed", c.g1(), []string{"-user:u1"})
		}},
		{"an edge that was dropped and may have been exported by a process that died", func(c *storeCase) {
			c.link(group("g1"), user("u1"))
			c.edges(member("g1", user("u1")), member("g1", user("u2")))
			c.edges(removed(member("g1", user("u1"))), removed(member("g1", user("u2"))))
			c.equal("both ends linked: to be removed; u2 cannot be at the target", c.g1(), []string{"-user:u1"})
			c.export(engine.EdgesSettled{Removed: u1})
			c.equal("removed", c.g1(), nil)
		}},
		{"an edge that came back while it was removed", func(c *storeCase) {
			c.link(group("g1"))
			c.edges(member("g1", user("u1")))
			c.export(engine.EdgesSettled{Added: u1})
			c.edges(removed(member("g1", user("u1"))))
			c.edges(member("g1", user("u1")))
			c.export(engine.EdgesSettled{Removed: u1})
			c.equal("to be added", c.g1(), []string{"+user:u1"})
		}},
		{"an edge sleeps until its member is linked", func(c *storeCase) {
			c.edges(member("g1", user("u1")), member("g1", user("u2")))
			c.link(group("g1"))
			c.export(engine.EdgesSettled{Asleep: []engine.Ref{user("u1"), user("u2")}})
			c.equal("asleep", c.g1(), nil)
			c.equal("holders", c.holders(engine.Member), nil)
			c.link(user("u1"))
			c.equal("awake", c.g1(), []string{"+user:u1"})
			c.equal("holders", c.holders(engine.Member), []string{"g1"})
			c.export(engine.EdgesSettled{Asleep: u1})
			c.equal("linked, so nobody would wake it", c.g1(), []string{"+user:u1"})
			c.export(engine.EdgesSettled{Added: u1})
			c.edges(member("g1", user("u2")))
			c.equal("told again, still asleep", c.g1(), nil)
		}},
		{"edges of an object that is not linked are no business of a cycle", func(c *storeCase) {
			c.link(user("u1"))
			c.edges(member("g1", user("u1")), member("g1", user("u2")))
			c.equal("holders", c.holders(engine.Member), nil)
			// Whoever links it wakes its edges, whether he says so or not.
			c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{{Ref: group("g1"), Link: linkOf(group("g1"))}}))
			c.equal("holders", c.holders(engine.Member), []string{"g1"})
			c.equal("edges", c.g1(), []string{"+user:u1", "+user:u2"})
		}},
		{"an edge fails and stays up", func(c *storeCase) {
			c.link(group("g1"))
			c.edges(member("g1", user("u1")))
			c.export(engine.EdgesSettled{Retry: u1})
			c.equal("up", c.g1(), []string{"+user:u1"})
		}},
		{"a woken object puts up what the target lacks", func(c *storeCase) {
			ctx := c.Context()
			c.link(group("g2"), user("u3"))
			c.edges(member("g1", user("u1")), member("g1", user("u2")), member("g2", user("u1")), manager("u1", "boss"), manager("u3", "u1"))
			c.export(engine.EdgesSettled{Added: u1, Asleep: []engine.Ref{user("u2")}})
			asleep := func(from engine.Ref, rel engine.Relation, to engine.Ref) {
				c.must(c.s.SettleEdges(ctx, c.job, "", engine.EdgesSettled{From: from, Relation: rel, Asleep: []engine.Ref{to}}))
			}
			asleep(group("g2"), engine.Member, user("u1"))
			asleep(user("u1"), engine.Manager, user("boss"))
			asleep(user("u3"), engine.Manager, user("u1"))
			c.link(user("u1"))
			c.equal("g1 has it", c.g1(), nil)
			c.equal("g2 lacks it", c.waiting(group("g2"), engine.Member), []string{"+user:u1"})
			c.equal("its manager", c.waiting(user("u1"), engine.Manager), []string{"+user:boss"})
			c.equal("whom it manages", c.waiting(user("u3"), engine.Manager), []string{"+user:u1"})
			c.link(group("g1"))
			c.equal("g1 was linked", c.g1(), []string{"+user:u2"})
		}},
		{"an enabled member may have been dropped by the target", func(c *storeCase) {
			c.edges(member("g1", user("u1")), member("g1", user("u2")), manager("u3", "u1"))
			c.link(group("g1"), user("u1"), user("u3"))
			c.export(engine.EdgesSettled{Added: []engine.Ref{user("u1"), user("u2")}})
			c.must(c.s.SettleEdges(c.Context(), c.job, "", engine.EdgesSettled{From: user("u3"), Relation: engine.Manager, Added: u1}))
			c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{{Ref: user("u1"), Wake: true, ForgetMembers: true}}))
			list := got(c.s.Waiting(c.Context(), c.job, group("g1"), engine.Member, "", 10))(c)
			c.equal("to be added again", list, []engine.Membership{{To: user("u1"), Want: true, TargetID: "t-u1", State: engine.Managed}})
			c.equal("its other references stay", c.waiting(user("u3"), engine.Manager), nil)
			c.export(engine.EdgesSettled{Added: u1})
			c.edges(removed(member("g1", user("u1"))))
			c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{{Ref: user("u1"), ForgetMembers: true}}))
			c.equal("a removal is never forgotten", c.g1(), []string{"-user:u1"})
		}},
		{"an object that is gone from the target takes its edges along", func(c *storeCase) {
			c.edges(member("g1", user("u1")), member("g1", user("u2")), member("g2", user("u1")), manager("u1", "boss"), manager("u3", "u1"))
			refs := []engine.Ref{group("g1"), group("g2"), user("u1"), user("u2"), user("u3"), user("boss")}
			c.link(refs...)
			c.export(engine.EdgesSettled{Added: []engine.Ref{user("u1"), user("u2")}})
			added := func(from engine.Ref, rel engine.Relation, to engine.Ref) {
				c.must(c.s.SettleEdges(c.Context(), c.job, "", engine.EdgesSettled{From: from, Relation: rel, Added: []engine.Ref{to}}))
			}
			added(group("g2"), engine.Member, user("u1"))
			added(user("u1"), engine.Manager, user("boss"))
			added(user("u3"), engine.Manager, user("u1"))
			c.edges(removed(member("g2", user("u1"))))
			c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{{Ref: user("u1"), Unlink: true}}))
			c.equal("g1: asleep", c.g1(), nil)
			c.equal("g2: nothing left to remove", c.waiting(group("g2"), engine.Member), nil)
			c.link(user("u1"))
			c.equal("g1: linked again", c.g1(), []string{"+user:u1"})
			c.equal("its manager", c.waiting(user("u1"), engine.Manager), []string{"+user:boss"})
			c.equal("whom it manages", c.waiting(user("u3"), engine.Manager), []string{"+user:u1"})
			anew := linkOf(group("g1"))
			anew.TargetID = "t-anew"
			c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{{Ref: group("g1"), Unlink: true, Link: anew, Wake: true}}))
			c.equal("g1 was made anew: all of its members", c.g1(), []string{"+user:u1", "+user:u2"})
		}},
		{"only what is linked and managed is written to", func(c *storeCase) {
			ctx := c.Context()
			for i, state := range []engine.LinkState{engine.Managed, engine.Suspended, engine.Released, ""} {
				id := fmt.Sprint("u", i)
				c.edges(manager(id, "boss"))
				if state == "" {
					continue
				}
				l := linkOf(user(id))
				l.State = state
				c.must(c.s.PutLink(ctx, c.job, *l, false))
			}
			c.link(user("idle"), user("boss"))
			holders := got(c.s.Holders(ctx, c.job, engine.Manager, "", 10))(c)
			if len(holders) != 2 || holders[0].ID != "u0" || holders[1].ID != "u1" {
				c.Fatalf("holders: %+v", holders)
			}
			c.equal("link", holders[1].Link, got(c.s.Link(ctx, c.job, user("u1")))(c))
			c.equal("first", len(got(c.s.Holders(ctx, c.job, engine.Manager, "", 1))(c)), 1)
			c.equal("second", got(c.s.Holders(ctx, c.job, engine.Manager, "u0", 1))(c)[0].ID, "u1")
			c.equal("none left", len(got(c.s.Holders(ctx, c.job, engine.Manager, "u1", 1))(c)), 0)
			c.equal("members", c.holders(engine.Member), nil)
		}},
		{"waiting edges come with the link of the other end, in pages", func(c *storeCase) {
			c.link(group("g1"))
			ctx := c.Context()
			c.edges(member("g1", user("a")), member("g1", user("b")), member("g1", group("b")), member("g1", user("c")))
			released := linkOf(user("a"))
			released.State = engine.Released
			c.must(c.s.PutLink(ctx, c.job, *released, false))
			c.link(group("b"))
			page := got(c.s.Waiting(ctx, c.job, group("g1"), engine.Member, "", 10))(c)
			c.equal("all", page, []engine.Membership{
				{To: user("a"), Want: true, TargetID: "t-a", State: engine.Released}, {To: group("b"), Want: true, TargetID: "t-b", State: engine.Managed},
				{To: user("b"), Want: true}, {To: user("c"), Want: true},
			})
			for limit := 2; limit <= 4; limit++ { // a user and a group of one id may not be torn apart
				var seen []string
				for after := ""; ; {
					page := got(c.s.Waiting(ctx, c.job, group("g1"), engine.Member, after, limit))(c)
					if len(page) == 0 {
						break
					}
					if len(page) > limit {
						c.Errorf("%d edges, more than the limit %d", len(page), limit)
					}
					for _, m := range page {
						seen = append(seen, string(m.To.Kind)+":"+m.To.ID)
					}
					after = page[len(page)-1].To.ID
				}
				c.equal(fmt.Sprint("in pages of ", limit), seen, []string{"user:a", "group:b", "user:b", "user:c"})
			}
		}},
		{"settled edges are counted and logged once", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			c.edges(member("g1", user("u1")), member("g1", user("u2")))
			c.link(group("g1"))
			l := linkOf(group("g1"))
			l.Name = "renamed"
			s := engine.EdgesSettled{From: group("g1"), Relation: engine.Member, Added: u1, Retry: []engine.Ref{user("u2")}, CountHolder: true, Link: l,
				Counts: engine.Counts{engine.MembershipsAdded: 1, engine.MembershipsFailed: 1}, Log: row(engine.Update, group("g1"))}
			for _, what := range []string{"once", "the second time"} {
				c.must(c.s.SettleEdges(ctx, c.job, id, s))
				c.equal(what, c.counts(id), engine.Counts{engine.MembershipsAdded: 1, engine.MembershipsFailed: 1, "groups.updated": 1})
				c.equal(what, c.logged(engine.LogFilter{}), []string{"update g1"})
				c.equal(what, got(c.s.Link(ctx, c.job, group("g1")))(c).Name, "renamed")
			}
			c.equal("the caller's counts", s.Counts, engine.Counts{engine.MembershipsAdded: 1, engine.MembershipsFailed: 1})
			s.Added, s.Retry, s.Link, s.Log, s.Counts = []engine.Ref{user("u2")}, nil, nil, nil, engine.Counts{engine.MembershipsAdded: 1}
			c.must(c.s.SettleEdges(ctx, c.job, id, s))
			c.equal("the holder counts once in a cycle", c.counts(id), engine.Counts{engine.MembershipsAdded: 2, engine.MembershipsFailed: 1, "groups.updated": 1})
		}},
		{"a holder counts in one bucket", func(c *storeCase) {
			ctx := c.Context()
			buckets := []string{engine.BucketUnchanged, engine.BucketCreated, engine.BucketUpdated, ""}
			for i, bucket := range buckets {
				g := fmt.Sprint("g", i)
				c.edges(member(g, user("u1")))
				c.link(group(g))
				id := c.cycle(engine.CycleID(fmt.Sprint("c", i)))
				if bucket != "" {
					c.must(c.s.Settle(ctx, c.job, id, []engine.Settled{{Ref: group(g), Bucket: bucket}}))
				}
				c.must(c.s.SettleEdges(ctx, c.job, id, engine.EdgesSettled{From: group(g), Relation: engine.Member, Added: u1, CountHolder: true}))
				want := engine.Counts{"groups.updated": 1}
				if bucket == engine.BucketCreated {
					want = engine.Counts{"groups.created": 1}
				}
				counts := c.counts(id)
				if counts["groups.unchanged"] == 0 {
					delete(counts, "groups.unchanged")
				}
				c.equal("counted before as "+bucket, counts, want)
				got(c.s.EndCycle(ctx, c.job, id, engine.CycleSucceeded, "", "", now))(c)
			}
		}},
		{"edges of the wrong kind are refused", func(c *storeCase) {
			ctx := c.Context()
			if _, err := c.s.Holders(ctx, c.job, "friend", "", 1); err == nil {
				c.Error("no error from Holders")
			}
			if _, err := c.s.Waiting(ctx, c.job, user("u1"), engine.Member, "", 1); err == nil {
				c.Error("no error from Waiting")
			}
			if err := c.s.SettleEdges(ctx, c.job, "", engine.EdgesSettled{From: group("g1"), Relation: engine.Manager}); err == nil {
				c.Error("no error from SettleEdges")
			}
		}},
	}
}
