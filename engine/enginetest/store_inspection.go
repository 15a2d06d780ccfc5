package enginetest

import (
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

func suspectTests() []storeTest {
	return []storeTest{
		{"a suspect round queues what it lacks and never ends", func(c *storeCase) {
			ctx := c.Context()
			binned := engine.Object{Ref: user("binned"), State: engine.SoftDeleted}
			c.round(engine.FeedUsers, true, engine.PageWrite{Objects: []engine.Object{active(user("u1")), active(user("u2")), active(user("u3")), binned}})
			c.link(user("u1"), user("u2"), user("binned"), group("g1"))
			g := c.open(engine.FeedUsers, true).Generation
			c.save(engine.FeedUsers, engine.PageWrite{Generation: g, Seen: []engine.Ref{user("u1")}, Next: "last"})
			c.equal("before", got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c).Suspect, false)
			c.must(c.s.MarkSuspect(ctx, c.job, engine.FeedUsers))
			c.equal("linked, active and unseen", c.queued(), []string{"user:u2"})
			revs := c.revisions()
			c.must(c.s.MarkSuspect(ctx, c.job, engine.FeedUsers))
			c.equal("marked again", c.revisions(), revs)
			st := got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c)
			if !st.Suspect || !st.Open || !st.Full || st.Generation != g || st.Cursor != "last" || st.Watermark != "watermark" {
				c.Errorf("state: %+v", st)
			}
			if err := c.s.CloseRound(ctx, c.job, engine.FeedUsers, "new"); err == nil {
				c.Error("the round was closed")
			}
			c.equal("state", got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c), st)
			// What is confirmed one by one is saved to the round all the same.
			c.save(engine.FeedUsers, engine.PageWrite{Generation: g, Seen: []engine.Ref{user("u2")}, Next: "last"})
			c.equal("u2", got(c.s.Objects(ctx, c.job, engine.User, []string{"u2"}))(c)["u2"].Generation, g)
		}},
		{"the mark is gone with the next round", func(c *storeCase) {
			ctx := c.Context()
			for _, again := range []func(){
				func() { c.open(engine.FeedGroups, true) },
				func() { c.must(c.s.ForgetWatermarks(ctx, c.job)); c.open(engine.FeedGroups, true) },
			} {
				c.open(engine.FeedGroups, true)
				c.must(c.s.MarkSuspect(ctx, c.job, engine.FeedGroups))
				again()
				if st := got(c.s.FeedState(ctx, c.job, engine.FeedGroups))(c); st.Suspect || !st.Open {
					c.Errorf("state: %+v", st)
				}
				c.must(c.s.CloseRound(ctx, c.job, engine.FeedGroups, "w"))
			}
		}},
		{"only an open full round is suspect", func(c *storeCase) {
			ctx := c.Context()
			if err := c.s.MarkSuspect(ctx, c.job, engine.FeedUsers); err == nil {
				c.Error("no error though the feed was never read")
			}
			c.round(engine.FeedUsers, true, engine.PageWrite{})
			if err := c.s.MarkSuspect(ctx, c.job, engine.FeedUsers); err == nil {
				c.Error("no error though the round is closed")
			}
			c.open(engine.FeedUsers, false)
			if err := c.s.MarkSuspect(ctx, c.job, engine.FeedUsers); err == nil {
				c.Error("no error though the round reads changes only")
			}
			c.equal("suspect", got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c).Suspect, false)
			c.link(user("u1"))
			c.open(engine.FeedAssignments, true)
			c.must(c.s.MarkSuspect(ctx, c.job, engine.FeedAssignments))
			c.equal("assignments are no objects", c.queued(), nil)
		}},
	}
}

// inspect stores an inspection.
func (c *storeCase) inspect(in engine.Inspection) {
	c.Helper()
	c.must(c.s.PutInspection(c.Context(), c.job, in))
}

// knownJob is a job that was read: the assigned groups g1 and g2 that convey, with u1 in both and u2 in the first,
// and boss as manager of u1. All are linked and all edges exported.
func knownJob(c *storeCase) {
	c.round(engine.FeedAssignments, true, engine.PageWrite{Assignments: []engine.Assignment{assigned("a1", group("g1")), assigned("a2", group("g2")), assigned("a3", user("u1"))}})
	c.round(engine.FeedGroups, true, engine.PageWrite{Objects: []engine.Object{conveying("g1"), conveying("g2")},
		Edges: []engine.Edge{member("g1", user("u1")), member("g1", user("u2")), member("g2", user("u1"))}})
	c.round(engine.FeedUsers, true, engine.PageWrite{Objects: []engine.Object{active(user("u1")), active(user("u2")), active(user("boss"))},
		Edges: []engine.Edge{manager("u1", "boss")}})
	c.link(group("g1"), group("g2"), user("u1"), user("u2"), user("boss"))
	settle := func(from engine.Ref, rel engine.Relation, to ...engine.Ref) {
		c.must(c.s.SettleEdges(c.Context(), c.job, "", engine.EdgesSettled{From: from, Relation: rel, Added: to}))
	}
	settle(group("g1"), engine.Member, user("u1"), user("u2"))
	settle(group("g2"), engine.Member, user("u1"))
	settle(user("u1"), engine.Manager, user("boss"))
	c.drain()
}

// wholeU1 is the inspection of u1 of knownJob, as it is known.
func wholeU1() engine.Inspection {
	return engine.Inspection{Object: active(user("u1")), Groups: []engine.Object{conveying("g1"), conveying("g2")},
		Assignments: []engine.Assignment{assigned("a1", group("g1")), assigned("a2", group("g2")), assigned("a3", user("u1"))},
		Edges:       []engine.Edge{member("g1", user("u1")), member("g2", user("u1")), manager("u1", "boss")}}
}

func inspectionTests() []storeTest {
	return []storeTest{
		{"what was read of one object is stored before anything else is known", func(c *storeCase) {
			c.inspect(wholeU1())
			c.equal("queue", c.queued(), []string{"user:u1"})
			q := c.change(user("u1"))
			c.equal("object", q.Object.Object, active(user("u1")))
			c.equal("assigned", c.via("u1"), map[string][]string{"u1": {"", "g1", "g2"}})
			c.link(group("g1"), user("u1"))
			c.equal("member", c.g1(), []string{"+user:u1"})
			c.equal("manager", c.waiting(user("u1"), engine.Manager), []string{"+user:boss"})
			for _, f := range []engine.Feed{engine.FeedUsers, engine.FeedGroups, engine.FeedAssignments} {
				c.equal(string(f), got(c.s.FeedState(c.Context(), c.job, f))(c), engine.FeedState{})
			}
		}},
		{"what is known already changes nothing but that the object is evaluated", func(c *storeCase) {
			knownJob(c)
			see := func() []any {
				ctx := c.Context()
				return []any{got(c.s.Objects(ctx, c.job, engine.User, []string{"u1", "u2"}))(c), got(c.s.Objects(ctx, c.job, engine.Group, []string{"g1", "g2"}))(c),
					c.via("u1", "u2"), c.holders(engine.Member), c.holders(engine.Manager),
					got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c), got(c.s.FeedState(ctx, c.job, engine.FeedGroups))(c), got(c.s.FeedState(ctx, c.job, engine.FeedAssignments))(c)}
			}
			before := see()
			for range 2 {
				c.inspect(wholeU1())
				c.equal("stored", see(), before)
				c.equal("queue", c.queued(), []string{"user:u1"})
			}
		}},
		{"memberships and a manager that are not told any more are removed", func(c *storeCase) {
			knownJob(c)
			in := wholeU1()
			in.Groups, in.Edges = in.Groups[:1], in.Edges[:1]
			c.inspect(in)
			c.equal("g1", c.g1(), nil)
			c.equal("g2", c.members("g2"), []string{"-user:u1"})
			c.equal("manager", c.waiting(user("u1"), engine.Manager), []string{"-user:boss"})
			c.equal("assigned", c.via("u1", "u2"), map[string][]string{"u1": {"", "g1"}, "u2": {"g1"}})
			c.equal("queue", c.queued(), []string{"user:u1"})
		}},
		{"another manager takes the place of the old one", func(c *storeCase) {
			knownJob(c)
			in := wholeU1()
			in.Edges[2] = manager("u1", "u2")
			c.inspect(in)
			c.equal("manager", c.waiting(user("u1"), engine.Manager), []string{"-user:boss", "+user:u2"})
		}},
		{"assignments of the object and its groups are replaced", func(c *storeCase) {
			knownJob(c)
			in := wholeU1()
			role := assigned("a3", user("u1"))
			role.RoleID, role.RoleName = "other", "Other"
			in.Assignments = []engine.Assignment{assigned("a1", group("g1")), role, assigned("a4", user("u1"))}
			c.inspect(in)
			paths := got(c.s.AssignmentPaths(c.Context(), c.job, engine.User, []string{"u1", "u2"}))(c)
			c.equal("assigned", c.via("u1", "u2"), map[string][]string{"u1": {"", "", "g1"}, "u2": {"g1"}})
			c.equal("role", paths["u1"][0].RoleName, "Other")
			c.equal("who is concerned by the end of an assignment", c.queued(), []string{"group:g2", "user:u1"})
		}},
		{"who else is concerned by what the next round will find known is evaluated", func(c *storeCase) {
			knownJob(c)
			c.round(engine.FeedGroups, false, engine.PageWrite{Objects: []engine.Object{conveying("g3"), active(group("g1"))}, Edges: []engine.Edge{member("g3", user("x1"))}})
			c.drain()
			in := wholeU1()
			in.Groups = append(in.Groups, conveying("g3"))
			in.Edges = append(in.Edges, member("g3", user("u1")))
			in.Assignments = append(in.Assignments, assigned("a9", group("g3")))
			c.inspect(in) // g3 was assigned, and g1 conveys again
			c.equal("queue", c.queued(), []string{"group:g3", "user:u1", "user:u2", "user:x1"})
		}},
		{"attributes of groups are left to their feed", func(c *storeCase) {
			knownJob(c)
			in := wholeU1()
			in.Groups[0].Attributes = mapping.Attributes{"displayName": "renamed"}
			in.Groups = append(in.Groups, conveying("g9"))
			in.Edges = append(in.Edges, member("g9", user("u1")))
			in.Assignments = append(in.Assignments, assigned("a9", group("g9")))
			c.inspect(in)
			groups := got(c.s.Objects(c.Context(), c.job, engine.Group, []string{"g1", "g9"}))(c)
			c.equal("known", groups["g1"].Object, conveying("g1"))
			bare := conveying("g9")
			bare.Attributes = nil
			c.equal("new", groups["g9"].Object, bare)
			c.equal("assigned", c.via("u1"), map[string][]string{"u1": {"", "g1", "g2", "g9"}})
		}},
		{"members of a group are stored as far as they are told", func(c *storeCase) {
			knownJob(c)
			g1 := conveying("g1")
			g1.Attributes = mapping.Attributes{"displayName": "renamed"}
			c.inspect(engine.Inspection{Object: g1, Assignments: []engine.Assignment{assigned("a1", group("g1"))},
				Edges: []engine.Edge{member("g1", user("u3")), removed(member("g1", user("u2")))}})
			c.equal("members", c.g1(), []string{"-user:u2", "+user:u3"})
			c.equal("object", got(c.s.Objects(c.Context(), c.job, engine.Group, []string{"g1"}))(c)["g1"].Object, g1)
			c.equal("queue: with those whose scope changed", c.queued(), []string{"group:g1", "user:u2", "user:u3"})
		}},
		{"an object in the recycle bin tells nothing of what it had", func(c *storeCase) {
			knownJob(c)
			o := active(user("u1"))
			o.State = engine.SoftDeleted
			c.inspect(engine.Inspection{Object: o})
			c.equal("state", got(c.s.Objects(c.Context(), c.job, engine.User, []string{"u1"}))(c)["u1"].State, engine.SoftDeleted)
			c.equal("assigned", c.via("u1"), map[string][]string{"u1": {"", "g1", "g2"}})
			c.equal("members", c.holders(engine.Member), nil)
			c.equal("manager", c.holders(engine.Manager), nil)
			c.equal("queue", c.queued(), []string{"user:u1"})
		}},
		{"a full round of objects under way is not disturbed", func(c *storeCase) {
			ctx := c.Context()
			knownJob(c)
			g := c.open(engine.FeedUsers, true).Generation
			c.save(engine.FeedUsers, engine.PageWrite{Generation: g, Seen: []engine.Ref{user("u1")}, Edges: []engine.Edge{manager("u1", "boss")}})
			before := got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c)
			c.inspect(wholeU1())
			c.inspect(engine.Inspection{Object: active(user("u2"))})
			c.inspect(engine.Inspection{Object: active(user("fresh"))})
			c.equal("round", got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c), before)
			c.equal("seen are seen, new ones are not missed, the others are up to the round", got(c.s.Unseen(ctx, c.job, engine.User, g, "", 10))(c), []string{"boss", "u2"})
			c.must(c.s.CloseRound(ctx, c.job, engine.FeedUsers, "w"))
			c.equal("manager", c.waiting(user("u1"), engine.Manager), nil)
			g = c.open(engine.FeedUsers, true).Generation
			c.equal("the next round misses all of them", got(c.s.Unseen(ctx, c.job, engine.User, g, "", 10))(c), []string{"boss", "fresh", "u1", "u2"})
		}},
		{"an object that came back is not missed by the round under way", func(c *storeCase) {
			knownJob(c)
			binned := active(user("u2"))
			binned.State = engine.SoftDeleted
			c.round(engine.FeedUsers, false, engine.PageWrite{Objects: []engine.Object{binned}})
			g := c.open(engine.FeedUsers, true).Generation
			c.inspect(engine.Inspection{Object: active(user("u2"))})
			c.equal("unseen", got(c.s.Unseen(c.Context(), c.job, engine.User, g, "", 10))(c), []string{"boss", "u1"})
		}},
		{"an object that a suspect round lacks is not missing when it was read", func(c *storeCase) {
			knownJob(c)
			g := c.open(engine.FeedUsers, true).Generation
			c.must(c.s.MarkSuspect(c.Context(), c.job, engine.FeedUsers))
			c.inspect(wholeU1())
			c.equal("unseen", got(c.s.Unseen(c.Context(), c.job, engine.User, g, "", 10))(c), []string{"boss", "u2"})
		}},
		{"a full round of groups under way neither sweeps what came after it nor keeps what it no longer finds", func(c *storeCase) {
			knownJob(c)
			c.round(engine.FeedGroups, false, engine.PageWrite{Objects: []engine.Object{conveying("g3")}})
			g := c.open(engine.FeedGroups, true).Generation
			c.save(engine.FeedGroups, engine.PageWrite{Generation: g, Seen: []engine.Ref{group("g1")}, Edges: []engine.Edge{member("g1", user("u1"))}})
			in := engine.Inspection{Object: active(user("u3")), Edges: []engine.Edge{member("g1", user("u3")), member("g2", user("u3")), member("g3", user("u3"))}}
			c.inspect(in)
			c.save(engine.FeedGroups, engine.PageWrite{Generation: g, Seen: []engine.Ref{group("g2")}, Edges: []engine.Edge{member("g2", user("u1"))}})
			c.link(group("g3"))
			c.must(c.s.CloseRound(c.Context(), c.job, engine.FeedGroups, "w"))
			c.equal("the round was done with g1", c.g1(), []string{"-user:u2", "+user:u3"})
			c.equal("the round came to g2 afterwards", c.members("g2"), nil)
			c.equal("the round did not contain g3", c.members("g3"), []string{"+user:u3"})
			c.round(engine.FeedGroups, true, engine.PageWrite{Objects: []engine.Object{conveying("g1")}, Edges: []engine.Edge{member("g1", user("u1"))}})
			c.equal("the next round sweeps", c.g1(), []string{"-user:u2"})
		}},
		{"what was told before by the round under way stays told", func(c *storeCase) {
			knownJob(c)
			g := c.open(engine.FeedGroups, true).Generation
			c.save(engine.FeedGroups, engine.PageWrite{Generation: g, Seen: []engine.Ref{group("g1"), group("g2")},
				Edges: []engine.Edge{member("g1", user("u1")), member("g1", user("u2")), member("g2", user("u1"))}})
			in := wholeU1()
			in.Groups = nil // whoever keeps to what concerns the object alone
			c.inspect(in)
			c.must(c.s.CloseRound(c.Context(), c.job, engine.FeedGroups, "w"))
			c.equal("members", c.holders(engine.Member), nil)
			c.equal("assigned", c.via("u1", "u2"), map[string][]string{"u1": {"", "g1", "g2"}, "u2": {"g1"}})
		}},
		{"a full round of assignments under way does not sweep new ones", func(c *storeCase) {
			knownJob(c)
			g := c.open(engine.FeedAssignments, true).Generation
			c.save(engine.FeedAssignments, engine.PageWrite{Generation: g, Assignments: []engine.Assignment{assigned("a1", group("g1"))}})
			in := wholeU1()
			in.Assignments = append(in.Assignments, assigned("a9", user("u1")))
			c.inspect(in)
			c.must(c.s.CloseRound(c.Context(), c.job, engine.FeedAssignments, "w"))
			c.equal("a9 is new; a2 and a3 the round did not find", c.via("u1"), map[string][]string{"u1": {"", "g1"}})
			c.round(engine.FeedAssignments, true, engine.PageWrite{Assignments: []engine.Assignment{assigned("a1", group("g1"))}})
			c.equal("the next round sweeps", c.via("u1"), map[string][]string{"u1": {"g1"}})
		}},
		{"members of a job that expands nested groups are derived", func(c *storeCase) {
			nested(c)
			c.expand(false)
			c.drain()
			in := engine.Inspection{Object: active(user("u9")), Groups: []engine.Object{conveying("low"), conveying("mid"), conveying("top")},
				Assignments: []engine.Assignment{assigned("a1", group("top"))},
				Edges:       []engine.Edge{direct("low", user("u9")), direct("mid", group("low")), direct("top", group("mid"))}}
			c.inspect(in)
			c.equal("assigned", c.via("u9"), map[string][]string{"u9": {"top"}})
			c.equal("members", c.members("top"), []string{"+user:u1", "+user:u2", "+user:u3", "+user:u9"})
			c.equal("queue", c.queued(), []string{"user:u9"})
			c.equal("moved", c.expand(false), 0)
			in.Edges = []engine.Edge{member("side", user("u9"))} // as a source tells it
			c.inspect(in)
			c.equal("left", c.via("u9"), nil)
			c.equal("members", c.members("top"), []string{"+user:u1", "+user:u2", "+user:u3"})
			c.equal("moved", c.expand(true), 5)
			c.link(group("side"))
			c.equal("members of the other group", c.members("side"), []string{"+user:u4", "+user:u9"})
			in.Edges = nil
			c.inspect(in)
			c.equal("in no group", c.members("side"), []string{"+user:u4"})
		}},
		{"members of an inspected group are derived for those above", func(c *storeCase) {
			nested(c)
			c.expand(false)
			c.drain()
			c.inspect(engine.Inspection{Object: conveying("low"), Edges: []engine.Edge{member("low", user("u9")), removed(member("low", user("u3")))}})
			c.equal("members", c.members("top"), []string{"+user:u1", "+user:u2", "+user:u9"})
			c.equal("queue", c.queued(), []string{"group:low", "user:u3", "user:u9"})
			c.equal("moved", c.expand(false), 0)
		}},
	}
}
