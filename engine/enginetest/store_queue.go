package enginetest

import (
	"errors"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// wraps checks for a sentinel.
func (c *storeCase) wraps(err, sentinel error) {
	c.Helper()
	if !errors.Is(err, sentinel) {
		c.Errorf("the error is %v, want one that wraps %q", err, sentinel)
	}
}

var failedAt = now.Add(-time.Hour)

func escrow(due time.Time) *engine.Escrow {
	return &engine.Escrow{FirstFailure: failedAt, LastFailure: now, Attempts: 2, Due: due, Code: engine.CodeConflict, Status: 409, Detail: "is taken \xff\x00"}
}

// spans seals and returns what is ready, as "order from-to", and the ids in export order.
func (c *storeCase) seal(k engine.Kind) (spans []engine.Span, ids []string) {
	c.Helper()
	spans = got(c.s.Seal(c.Context(), c.job, k))(c)
	return spans, c.ready(k, 1, 1<<40)
}

func (c *storeCase) ready(k engine.Kind, from, to int64) (ids []string) {
	c.Helper()
	for _, q := range got(c.s.Ready(c.Context(), c.job, k, from, to))(c) {
		ids = append(ids, q.ID)
	}
	return ids
}

func queueTests() []storeTest {
	return []storeTest{
		{"an object is queued once, with a growing revision", func(c *storeCase) {
			ctx := c.Context()
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u2"), user("u1"), group("u1"), user("u1")}))
			c.equal("queue", c.queued(), []string{"group:u1", "user:u1", "user:u2"})
			first := c.change(user("u1"))
			if first.State != engine.ChangeQueued || first.Known || first.Link != nil || first.Escrow != nil || first.VerifyFirst || len(first.Paths) > 0 {
				c.Errorf("a new change of an unknown object: %+v", first)
			}
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1")}))
			if second := c.change(user("u1")); second.Rev <= first.Rev {
				c.Errorf("revision %d did not grow from %d", second.Rev, first.Rev)
			}
			c.equal("sizes", got(c.s.QueueSize(ctx, c.job))(c), map[engine.ChangeState]int{engine.ChangeQueued: 3})
			c.equal("another job", got(c.s.QueueSize(ctx, "other"))(c), nil)
			c.drain()
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1")}))
			if third := c.change(user("u1")); third.Rev <= first.Rev {
				c.Errorf("a revision came back: %d after %d", third.Rev, first.Rev)
			}
		}},
		{"undecided changes are paged by id", func(c *storeCase) {
			ctx := c.Context()
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("b"), user("A"), user("a"), user("B"), user("ä"), user("-")}))
			var ids []string
			for after := ""; ; {
				page := got(c.s.Undecided(ctx, c.job, engine.User, now, after, 4))(c)
				if len(page) == 0 {
					break
				}
				for _, q := range page {
					ids = append(ids, q.ID)
				}
				after = page[len(page)-1].ID
			}
			c.equal("byte order", ids, []string{"-", "A", "B", "a", "b", "ä"})
		}},
		{"everything that is linked, assigned or known", func(c *storeCase) {
			ctx := c.Context()
			recycled := active(user("recycled"))
			recycled.State = engine.SoftDeleted
			c.round(engine.FeedGroups, true, engine.PageWrite{
				Objects:     []engine.Object{conveying("g1"), active(group("mail")), active(user("free")), recycled, active(user("m1"))},
				Edges:       []engine.Edge{member("g1", user("m1")), member("g1", user("m2")), member("mail", user("n1")), member("g1", group("nested"))},
				Assignments: []engine.Assignment{assigned("a1", group("g1")), assigned("a2", group("mail")), assigned("a3", user("direct")), assigned("a4", user("m1"))},
			})
			c.link(user("linked"), user("m1"))
			c.drain()
			c.must(c.s.EnqueueAll(ctx, c.job, false))
			c.equal("assigned", c.queued(), []string{"group:g1", "group:mail", "user:direct", "user:linked", "user:m1", "user:m2"})
			rev := c.change(user("m1")).Rev
			c.must(c.s.EnqueueAll(ctx, c.job, false))
			if again := c.change(user("m1")).Rev; again <= rev {
				c.Errorf("revision %d did not grow from %d", again, rev)
			}
			c.drain()
			c.must(c.s.EnqueueAll(ctx, c.job, true))
			c.equal("all", c.queued(), []string{"group:g1", "group:mail", "user:free", "user:linked", "user:m1"})
			c.equal("another job", got(c.s.QueueSize(ctx, "other"))(c), nil)
		}},
		{"a change comes with object, paths and link", func(c *storeCase) {
			ctx := c.Context()
			c.round(engine.FeedGroups, true, engine.PageWrite{
				Objects: []engine.Object{conveying("g1"), active(user("u1")), active(user("u2")), {Ref: user("u3"), State: engine.SoftDeleted}},
				Edges:   []engine.Edge{member("g1", user("u1")), member("g1", user("u4"))}, Assignments: []engine.Assignment{assigned("a1", group("g1")), assigned("a2", user("u1"))},
			})
			c.link(user("u1"), user("u3"), group("g1"))
			c.drain()
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1"), user("u2"), user("u3"), user("u4"), group("g1")}))
			check := func(what string, list []engine.Queued) {
				c.Helper()
				for _, q := range list {
					stored := got(c.s.Objects(ctx, c.job, q.Kind, []string{q.ID}))(c)
					object, known := stored[q.ID]
					if !known {
						object.Ref = q.Ref
					}
					c.equal(what+": "+q.ID+" known", q.Known, known)
					c.equal(what+": object of "+q.ID, q.Object, object)
					c.equal(what+": paths of "+q.ID, q.Paths, got(c.s.AssignmentPaths(ctx, c.job, q.Kind, []string{q.ID}))(c)[q.ID])
					links := got(c.s.LinksOf(ctx, c.job, q.Kind, []string{q.ID}))(c)
					if l, linked := links[q.ID]; linked {
						c.equal(what+": link of "+q.ID, q.Link, &l)
					} else if q.Link != nil {
						c.Errorf("%s: %s has a link from nowhere", what, q.ID)
					}
				}
			}
			list := c.undecided()
			if len(list) != 5 || len(list[1].Paths) != 2 || list[1].Link == nil || list[1].Object.Attributes == nil || !list[3].Known || list[4].Known {
				c.Fatalf("undecided: %+v", list)
			}
			check("undecided", list)
			c.must(c.s.Plan(ctx, c.job, []engine.Planned{{Ref: user("u1"), Order: engine.OrderUpdate}, {Ref: user("u3"), Order: engine.OrderDelete}, {Ref: user("u4"), Order: engine.OrderCreate}}))
			got(c.s.Seal(ctx, c.job, engine.User))(c)
			list = got(c.s.Ready(ctx, c.job, engine.User, 1, 10))(c)
			if len(list) != 3 || list[0].ID != "u3" || list[0].Seq != 1 || list[0].State != engine.ChangeReady {
				c.Fatalf("ready: %+v", list)
			}
			check("ready", list)
		}},
		{"decisions give the export order", func(c *storeCase) {
			ctx := c.Context()
			ids := []string{"u1", "u2", "u3", "u4", "u5", "u6", "u7"}
			var refs []engine.Ref
			for _, id := range ids {
				refs = append(refs, user(id))
			}
			c.must(c.s.Enqueue(ctx, c.job, append(refs, group("g1"))))
			plan := []engine.Planned{
				{Ref: user("u6"), Order: engine.OrderUpdate}, {Ref: user("u1"), Order: engine.OrderCreate}, {Ref: user("u5"), Order: engine.OrderDelete},
				{Ref: user("u2"), Order: engine.OrderUpdate}, {Ref: user("u3"), Order: engine.OrderDelete, Held: true}, {Ref: group("g1"), Order: engine.OrderCreate},
				{Ref: user("nobody"), Order: engine.OrderCreate},
			}
			c.must(c.s.Plan(ctx, c.job, plan))
			c.must(c.s.Plan(ctx, c.job, plan))
			c.equal("held or not named, still undecided", c.queued(), []string{"user:u3", "user:u4", "user:u7"})
			c.equal("sizes", got(c.s.QueueSize(ctx, c.job))(c), map[engine.ChangeState]int{engine.ChangeQueued: 2, engine.ChangeReady: 5, engine.ChangeHeld: 1})
			c.equal("nothing is numbered before it is sealed", c.ready(engine.User, 1, 100), nil)
			for range 2 {
				spans, order := c.seal(engine.User)
				c.equal("spans", spans, []engine.Span{{Order: engine.OrderDelete, From: 1, To: 1}, {Order: engine.OrderUpdate, From: 2, To: 3}, {Order: engine.OrderCreate, From: 4, To: 4}})
				c.equal("order", order, []string{"u5", "u2", "u6", "u1"})
			}
			c.equal("a part", c.ready(engine.User, 2, 3), []string{"u2", "u6"})
			c.equal("groups have numbers of their own", c.ready(engine.Group, 1, 1), nil)
			spans, order := c.seal(engine.Group)
			c.equal("spans", spans, []engine.Span{{Order: engine.OrderCreate, From: 1, To: 1}})
			c.equal("order", order, []string{"g1"})

			list := got(c.s.Ready(ctx, c.job, engine.User, 1, 2))(c)
			c.must(c.s.Settle(ctx, c.job, "", []engine.Settled{{Ref: list[0].Ref, Rev: list[0].Rev}, {Ref: list[1].Ref, Rev: list[1].Rev}}))
			c.equal("what is settled is gone", c.ready(engine.User, 1, 100), []string{"u6", "u1"})
			spans, order = c.seal(engine.User)
			c.equal("what is left is numbered anew", spans, []engine.Span{{Order: engine.OrderUpdate, From: 1, To: 1}, {Order: engine.OrderCreate, From: 2, To: 2}})
			c.equal("order", order, []string{"u6", "u1"})

			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u3"), user("u6")}))
			c.equal("queued anew, to be decided anew", c.queued(), []string{"user:u3", "user:u4", "user:u6", "user:u7"})
			c.equal("and not exported before", c.ready(engine.User, 1, 100), []string{"u1"})
			spans, _ = c.seal("nothing")
			c.equal("nothing to seal", spans, nil)
		}},
		{"a held change can be let go", func(c *storeCase) {
			ctx := c.Context()
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1")}))
			c.must(c.s.Plan(ctx, c.job, []engine.Planned{{Ref: user("u1"), Order: engine.OrderDelete, Held: true}}))
			_, order := c.seal(engine.User)
			c.equal("not exported", order, nil)
			c.equal("to be decided anew in the next cycle", c.queued(), []string{"user:u1"})
			c.must(c.s.Plan(ctx, c.job, []engine.Planned{{Ref: user("u1"), Order: engine.OrderDelete}}))
			_, order = c.seal(engine.User)
			c.equal("ready", order, []string{"u1"})
		}},
		{"creates are marked before they are sent", func(c *storeCase) {
			ctx := c.Context()
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1"), user("u2")}))
			rev := c.change(user("u1")).Rev
			for range 2 {
				c.must(c.s.NoteSent(ctx, c.job, map[engine.Ref]string{user("u1"): "", user("nobody"): ""}))
			}
			if q := c.change(user("u1")); !q.VerifyFirst || q.Rev != rev {
				c.Errorf("u1: %+v", q)
			}
			if c.change(user("u2")).VerifyFirst {
				c.Error("u2 is marked")
			}
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1")}))
			if !c.change(user("u1")).VerifyFirst {
				c.Error("queueing an object anew lost its mark: it could be created twice")
			}
		}},
		{"what a create can be found by is kept with its mark", func(c *storeCase) {
			ctx := c.Context()
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1"), user("u2")}))
			c.must(c.s.NoteSent(ctx, c.job, map[engine.Ref]string{user("u1"): "Ann@example.test", user("nobody"): "x"}))
			if q := c.change(user("u1")); !q.VerifyFirst || q.Sent != "Ann@example.test" {
				c.Errorf("u1: %+v", q)
			}
			if q := c.change(user("u2")); q.VerifyFirst || q.Sent != "" {
				c.Errorf("u2: %+v", q)
			}
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1")}))
			if q := c.change(user("u1")); !q.VerifyFirst || q.Sent != "Ann@example.test" {
				c.Errorf("queueing an object anew lost what was sent for it: %+v", q)
			}
			c.must(c.s.NoteSent(ctx, c.job, nil))
		}},
		{"what a cycle planned and did not do is decided anew, and doubted where it was begun", func(c *storeCase) {
			ctx := c.Context()
			refs := []engine.Ref{user("u1"), user("u2"), user("u3")}
			for _, r := range refs {
				c.must(c.s.PutLink(ctx, c.job, engine.Link{Ref: r, TargetID: "t-" + r.ID, State: engine.Managed}, true))
				c.must(c.s.Plan(ctx, c.job, []engine.Planned{{Ref: r, Order: engine.OrderUpdate}}))
			}
			c.seal(engine.User)
			c.must(c.s.LeaseReady(ctx, c.job, engine.User, 1, 1, "cycle", now.Add(time.Hour), now))
			c.must(c.s.LeaseReady(ctx, c.job, engine.User, 2, 2, "somebody", now.Add(time.Hour), now))
			if n := got(c.s.Requeue(ctx, c.job, "cycle", now))(c); n != 3 {
				c.Errorf("put back: %d", n)
			}
			c.equal("to be decided", c.queued(), []string{"user:u1", "user:u2", "user:u3"})
			for id, verify := range map[string]bool{"u1": true, "u2": false, "u3": false} {
				if l := got(c.s.Link(ctx, c.job, user(id)))(c); l.Verify != verify {
					c.Errorf("%s: verify is %v", id, l.Verify)
				}
			}
			if q := c.change(user("u2")); q.Owner != "somebody" {
				c.Errorf("a reservation whose time is not over was ended: %+v", q)
			}
			if n := got(c.s.Requeue(ctx, c.job, "cycle", now.Add(2*time.Hour)))(c); n != 0 {
				c.Errorf("put back again: %d", n)
			}
			if l := got(c.s.Link(ctx, c.job, user("u2")))(c); !l.Verify {
				c.Error("whose reservation ran out may have been written to")
			}
		}},
		{"escrow waits for its time", func(c *storeCase) {
			ctx := c.Context()
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1"), user("u2")}))
			c.must(c.s.NoteSent(ctx, c.job, map[engine.Ref]string{user("u1"): ""}))
			due := now.Add(time.Hour)
			q := c.change(user("u1"))
			c.must(c.s.Settle(ctx, c.job, "", []engine.Settled{{Ref: q.Ref, Rev: q.Rev, Escrow: escrow(due)}}))
			at := func(t time.Time) (ids []string) {
				for _, q := range got(c.s.Undecided(ctx, c.job, engine.User, t, "", 10))(c) {
					ids = append(ids, q.ID)
				}
				return ids
			}
			c.equal("before", at(due.Add(-time.Microsecond)), []string{"u2"})
			c.equal("due", at(due), []string{"u1", "u2"})
			c.equal("sizes", got(c.s.QueueSize(ctx, c.job))(c), map[engine.ChangeState]int{engine.ChangeQueued: 1, engine.ChangeEscrow: 1})
			want := escrow(due)
			want.Detail = "is taken \uFFFD"
			in := c.change(user("u1"))
			c.equal("escrow", in.Escrow, want)
			if in.State != engine.ChangeEscrow || !in.VerifyFirst {
				c.Errorf("in escrow: %+v", in)
			}
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1")}))
			c.equal("queued by a change of the source: due now", at(now), []string{"u1", "u2"})
			in = c.change(user("u1"))
			if in.State != engine.ChangeQueued || in.Escrow == nil || in.Escrow.Attempts != 2 || !in.Escrow.FirstFailure.Equal(failedAt) {
				c.Errorf("the failures are remembered: %+v %+v", in, in.Escrow)
			}
			c.must(c.s.Plan(ctx, c.job, []engine.Planned{{Ref: user("u1"), Order: engine.OrderUpdate}}))
			got(c.s.Seal(ctx, c.job, engine.User))(c)
			again := got(c.s.Ready(ctx, c.job, engine.User, 1, 1))(c)[0]
			if again.Escrow == nil || again.Escrow.Attempts != 2 {
				c.Errorf("ready: %+v", again)
			}
		}},
	}
}
