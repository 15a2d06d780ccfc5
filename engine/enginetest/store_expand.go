package enginetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/scimsync/scimsync/engine"
)

func direct(g string, to engine.Ref) engine.Edge {
	return engine.Edge{From: group(g), Relation: engine.Direct, To: to}
}

// expand expands nested groups, twice: the second time there is nothing to do. It returns how many edges came or went.
func (c *storeCase) expand(all bool) int {
	c.Helper()
	n := got(c.s.Expand(c.Context(), c.job, all))(c)
	queue := c.revisions()
	c.equal("expanded again", got(c.s.Expand(c.Context(), c.job, all))(c), 0)
	c.equal("queue when expanded again", c.revisions(), queue)
	return n
}

func (c *storeCase) revisions() map[engine.Ref]int64 {
	c.Helper()
	revs := map[engine.Ref]int64{}
	for _, q := range c.undecided() {
		revs[q.Ref] = q.Rev
	}
	return revs
}

// members returns what waits at a group whose edges are awake.
func (c *storeCase) members(g string) []string {
	c.Helper()
	return c.waiting(group(g), engine.Member)
}

// via returns the groups by which users are assigned.
func (c *storeCase) via(ids ...string) map[string][]string {
	c.Helper()
	via := map[string][]string{}
	for id, paths := range got(c.s.AssignmentPaths(c.Context(), c.job, engine.User, ids))(c) {
		for _, p := range paths {
			via[id] = append(via[id], p.Via)
		}
	}
	return via
}

// nested makes top > mid > low with a user each, of which top is assigned and linked, and a side group with a user.
func nested(c *storeCase) {
	c.round(engine.FeedAssignments, true, engine.PageWrite{Assignments: []engine.Assignment{assigned("a1", group("top"))}})
	c.round(engine.FeedGroups, true, engine.PageWrite{
		Objects: []engine.Object{conveying("top"), conveying("mid"), conveying("low"), conveying("side")},
		Edges: []engine.Edge{direct("top", user("u1")), direct("top", group("mid")), direct("mid", user("u2")), direct("mid", group("low")),
			direct("low", user("u3")), direct("side", user("u4"))},
	})
	c.link(group("top"))
	c.drain()
}

func expandTests() []storeTest {
	return []storeTest{
		{"a group has the users of all groups below it", func(c *storeCase) {
			nested(c)
			c.equal("came", c.expand(false), 3)
			c.equal("members", c.members("top"), []string{"+user:u1", "+user:u2", "+user:u3"})
			c.equal("queue", c.queued(), []string{"user:u1", "user:u2", "user:u3"})
			c.equal("assigned", c.via("u1", "u2", "u3", "u4"), map[string][]string{"u1": {"top"}, "u2": {"top"}, "u3": {"top"}})
			c.equal("direct edges are not exported", c.waiting(group("top"), engine.Direct), nil)
			c.link(group("mid"), group("low"), user("u1"))
			c.equal("nor woken", c.waiting(group("mid"), engine.Direct), nil)
		}},
		{"groups that are neither assigned nor linked have members if all are asked for", func(c *storeCase) {
			nested(c)
			c.expand(false)
			c.drain()
			c.equal("came", c.expand(true), 4)
			c.link(group("mid"), group("low"), group("side"))
			for g, want := range map[string][]string{"mid": {"+user:u2", "+user:u3"}, "low": {"+user:u3"}, "side": {"+user:u4"}} {
				c.equal(g, c.members(g), want)
			}
			c.equal("nobody's scope changed", c.queued(), nil)
		}},
		{"a linked group that lost its assignment keeps its members", func(c *storeCase) {
			nested(c)
			c.expand(false)
			c.round(engine.FeedAssignments, true, engine.PageWrite{})
			c.drain()
			c.equal("moved", c.expand(false), 0)
			c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{{Ref: group("top"), Unlink: true}}))
			c.equal("moved once it is gone", c.expand(false), 3)
			c.equal("queue", c.queued(), nil)
		}},
		{"rings are no matter, and nobody is a member twice", func(c *storeCase) {
			nested(c)
			c.edges(direct("low", group("top")), direct("low", group("low")), direct("top", user("u3")), direct("top", group("low")))
			c.round(engine.FeedAssignments, true, engine.PageWrite{Assignments: []engine.Assignment{assigned("a1", group("top")), assigned("a2", group("low"))}})
			c.link(group("low"))
			c.equal("came", c.expand(false), 6)
			for _, g := range []string{"top", "low"} {
				c.equal(g, c.members(g), []string{"+user:u1", "+user:u2", "+user:u3"})
			}
		}},
		{"only what is new or gone is written", func(c *storeCase) {
			nested(c)
			c.expand(false)
			c.link(user("u1"), user("u2"), user("u3"))
			c.must(c.s.SettleEdges(c.Context(), c.job, "", engine.EdgesSettled{From: group("top"), Relation: engine.Member,
				Added: []engine.Ref{user("u1"), user("u2"), user("u3")}}))
			c.drain()
			c.edges(direct("low", user("u5")), removed(direct("mid", user("u2"))), removed(direct("side", user("u4"))))
			c.equal("moved", c.expand(false), 2)
			c.equal("members", c.members("top"), []string{"-user:u2", "+user:u5"})
			c.equal("queue", c.queued(), []string{"user:u2", "user:u5"})
			c.drain()
			c.edges(direct("low", user("u2")))
			c.equal("moved", c.expand(false), 1)
			c.equal("back by another way", c.members("top"), []string{"+user:u2", "+user:u5"})
			c.equal("queue", c.queued(), []string{"user:u2"})
		}},
		{"an edge that was never exported is forgotten", func(c *storeCase) {
			nested(c)
			c.expand(false)
			c.edges(removed(direct("top", group("mid"))))
			c.equal("moved", c.expand(false), 2)
			c.equal("members", c.members("top"), []string{"+user:u1"})
			c.equal("assigned", c.via("u1", "u2", "u3"), map[string][]string{"u1": {"top"}})
		}},
		{"a member by two ways leaves when both are gone", func(c *storeCase) {
			nested(c)
			c.edges(direct("top", user("u3")))
			c.expand(false)
			c.edges(removed(direct("low", user("u3"))))
			c.equal("one gone", c.expand(false), 0)
			c.edges(removed(direct("top", user("u3"))))
			c.equal("both gone", c.expand(false), 1)
			c.equal("members", c.members("top"), []string{"+user:u1", "+user:u2"})
		}},
		{"only an active group passes its members on", func(c *storeCase) {
			nested(c)
			c.expand(false)
			c.drain()
			binned := conveying("mid")
			binned.State = engine.SoftDeleted
			c.round(engine.FeedGroups, false, engine.PageWrite{Objects: []engine.Object{binned}})
			c.equal("recycled", c.expand(false), 2)
			c.equal("members", c.members("top"), []string{"+user:u1"})
			c.equal("queue", c.queued(), []string{"user:u2", "user:u3"})
			c.round(engine.FeedGroups, false, engine.PageWrite{Objects: []engine.Object{conveying("mid")}})
			c.equal("restored", c.expand(false), 2)
			binned = conveying("top")
			binned.State = engine.SoftDeleted
			c.round(engine.FeedGroups, false, engine.PageWrite{Objects: []engine.Object{binned}})
			c.equal("a linked group in the bin keeps its members", c.expand(false), 0)
			c.edges(direct("top", group("unknown")), direct("unknown", user("u9")))
			c.equal("a group that nothing is known of", c.expand(false), 0)
		}},
		{"a full round of groups drops direct edges it no longer has, and no derived ones", func(c *storeCase) {
			nested(c)
			c.expand(false)
			c.drain()
			c.round(engine.FeedGroups, true, engine.PageWrite{
				Objects: []engine.Object{conveying("top"), conveying("mid")},
				Edges:   []engine.Edge{direct("top", user("u1")), direct("top", group("mid")), direct("mid", group("low"))},
			})
			c.equal("derived ones wait for the expansion", c.members("top"), []string{"+user:u1", "+user:u2", "+user:u3"})
			c.equal("queue", c.queued(), nil)
			c.equal("moved; low was not seen", c.expand(false), 1)
			c.equal("members", c.members("top"), []string{"+user:u1", "+user:u3"})
			c.equal("queue", c.queued(), []string{"user:u2"})
			c.round(engine.FeedGroups, true, engine.PageWrite{Objects: []engine.Object{conveying("top"), conveying("mid")}})
			c.expand(false)
			c.equal("without any members", c.members("top"), nil)
			c.equal("queue", c.queued(), []string{"user:u1", "user:u2", "user:u3"})
		}},
		{"a job begins to expand nested groups", func(c *storeCase) {
			c.round(engine.FeedAssignments, true, engine.PageWrite{Assignments: []engine.Assignment{assigned("a1", group("g1"))}})
			c.round(engine.FeedGroups, true, engine.PageWrite{Objects: []engine.Object{conveying("g1"), conveying("g2"), conveying("g3")},
				Edges: []engine.Edge{member("g1", user("u1")), member("g1", user("u2")), member("g1", group("g2")), member("g3", user("u3"))}})
			c.link(group("g1"), group("g3"), user("u1"), user("u2"))
			c.export(engine.EdgesSettled{Added: []engine.Ref{user("u1"), user("u2")}})
			c.drain()
			g := c.open(engine.FeedGroups, true).Generation
			c.save(engine.FeedGroups, engine.PageWrite{Generation: g, Objects: []engine.Object{conveying("g1"), conveying("g2")},
				Edges: []engine.Edge{direct("g1", user("u1")), direct("g1", group("g2")), direct("g2", user("u4"))}})
			c.equal("nothing goes while not all is known", c.expand(false), 1)
			c.equal("g1", c.g1(), []string{"+group:g2", "+user:u4"})
			c.must(c.s.CloseRound(c.Context(), c.job, engine.FeedGroups, "w"))
			c.equal("moved", c.expand(false), 2)
			c.equal("g1: u1 is where it was, u2 and g2 are no members", c.g1(), []string{"-user:u2", "+user:u4"})
			c.equal("queue", c.queued(), []string{"user:u2", "user:u4"})
			c.equal("g3 was not seen", c.members("g3"), []string{"+user:u3"})
		}},
		{"a job no longer expands nested groups", func(c *storeCase) {
			nested(c)
			c.expand(false)
			c.link(user("u1"), user("u3"))
			c.must(c.s.SettleEdges(c.Context(), c.job, "", engine.EdgesSettled{From: group("top"), Relation: engine.Member, Added: []engine.Ref{user("u1"), user("u3")}}))
			c.drain()
			c.round(engine.FeedGroups, true, engine.PageWrite{Objects: []engine.Object{conveying("top"), conveying("mid"), conveying("low")},
				Edges: []engine.Edge{member("top", user("u1")), member("mid", user("u2")), member("low", user("u3"))}})
			c.equal("members", c.members("top"), []string{"-user:u3"})
			c.equal("queue", c.queued(), []string{"user:u2", "user:u3"})
			c.link(group("mid"), group("low"))
			c.equal("what is a member of mid", c.members("mid"), []string{"+user:u2"})
			c.equal("what is a member of low", c.members("low"), []string{"+user:u3"})
			c.edges(removed(member("mid", user("u2"))))
			c.equal("no direct edge is left to bring it back", c.members("mid"), nil)
		}},
		{"members converge", func(c *storeCase) { expansions(c.T, c.s) }},
		{"a hundred thousand edges take seconds", func(c *storeCase) {
			if testing.Short() {
				c.Skip("stores a hundred thousand edges")
			}
			const users, tops, leaves = 100_000, 10, 1000 // each leaf has 100 users and is below every top
			c.round(engine.FeedAssignments, true, engine.PageWrite{Assignments: []engine.Assignment{assigned("a", group("top0"))}})
			g := c.open(engine.FeedGroups, true).Generation
			w := engine.PageWrite{Generation: g}
			for i := range tops {
				w.Objects = append(w.Objects, conveying(fmt.Sprint("top", i)))
			}
			for i := range leaves {
				leaf := fmt.Sprint("leaf", i)
				w.Objects = append(w.Objects, conveying(leaf))
				w.Edges = append(w.Edges, direct(fmt.Sprint("top", i%tops), group(leaf)), direct(fmt.Sprint("top", 0), group(leaf)))
			}
			c.save(engine.FeedGroups, w)
			for from := 0; from < users; from += 1000 {
				w := engine.PageWrite{Generation: g, Next: engine.Cursor(fmt.Sprint(from))}
				for i := from; i < from+1000; i++ {
					w.Edges = append(w.Edges, direct(fmt.Sprint("leaf", i%leaves), user(fmt.Sprintf("u%06d", i))))
				}
				c.save(engine.FeedGroups, w)
			}
			c.must(c.s.CloseRound(c.Context(), c.job, engine.FeedGroups, "w"))
			for _, step := range []struct {
				what string
				do   func()
				want int
			}{
				{"all are new", func() {}, users},
				{"nothing changed", func() {}, 0},
				{"one left", func() { c.edges(removed(direct("leaf7", user("u000007")))) }, 1},
				{"a hundred left", func() { c.edges(removed(direct("top0", group("leaf9")))) }, 100},
			} {
				step.do()
				began := time.Now()
				c.equal(step.what, got(c.s.Expand(c.Context(), c.job, false))(c), step.want)
				took := time.Since(began)
				c.Logf("%s: %v", step.what, took)
				if took > 20*time.Second { // a machine under load; quadratic work takes hours
					c.Errorf("%s: %v", step.what, took)
				}
			}
			c.equal("queue: all of them, and the group that was assigned", len(c.queued()), users+1)
			if !slices.Equal(c.via("u000007", "u000008")["u000008"], []string{"top0"}) {
				c.Error("u000008 is not assigned")
			}
		}},
	}
}
