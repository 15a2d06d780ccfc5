package enginetest

import (
	"fmt"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// ago and later are before and after any time at which a test runs.
var (
	ago   = time.Date(2020, 1, 2, 3, 4, 5, 678901000, time.UTC)
	later = all
)

func holdOf(action engine.Action) *engine.Hold {
	return &engine.Hold{Cause: engine.HoldThreshold, Action: action, Rule: "U10", Reason: engine.NotAssigned, Detail: "why\x00 <ä>", Limit: 5, Since: ago}
}

// hold queues users and holds them for a disable.
func (c *storeCase) hold(ids ...string) {
	c.Helper()
	var refs []engine.Ref
	var plan []engine.Planned
	for _, id := range ids {
		refs = append(refs, user(id))
		plan = append(plan, engine.Planned{Ref: user(id), Order: engine.OrderDisable, Held: true, Hold: holdOf(engine.Disable)})
	}
	c.must(c.s.Enqueue(c.Context(), c.job, refs))
	c.must(c.s.Plan(c.Context(), c.job, plan))
}

// export makes the undecided change of an object ready and returns it as an exporter reads it.
func (c *storeCase) exporting(p engine.Planned) engine.Queued {
	c.Helper()
	c.must(c.s.Plan(c.Context(), c.job, []engine.Planned{p}))
	got(c.s.Seal(c.Context(), c.job, p.Kind))(c)
	for _, q := range got(c.s.Ready(c.Context(), c.job, p.Kind, 1, 1<<40))(c) {
		if q.Ref == p.Ref {
			return q
		}
	}
	c.Fatalf("%v is not ready", p.Ref)
	return engine.Queued{}
}

func holdTests() []storeTest {
	return []storeTest{
		{"what a guard says is kept with the change until it is settled", func(c *storeCase) {
			ctx := c.Context()
			c.hold("u1")
			q := c.change(user("u1"))
			c.equal("state", q.State, engine.ChangeHeld)
			c.equal("hold", q.Hold, holdOf(engine.Disable))
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1")}))
			q = c.change(user("u1"))
			c.equal("queued anew: state", q.State, engine.ChangeQueued)
			c.equal("queued anew: hold", q.Hold, holdOf(engine.Disable))
			let := holdOf(engine.Disable)
			let.Verdict, let.VerdictAt, let.Until, let.By, let.Comment = engine.Approved, ago, later, "admin", "as discussed"
			q = c.exporting(engine.Planned{Ref: user("u1"), Order: engine.OrderDisable, Hold: let})
			c.equal("let go: hold", q.Hold, let)
			c.must(c.s.Settle(ctx, c.job, "", []engine.Settled{{Ref: q.Ref, Rev: q.Rev, Escrow: escrow(ago)}}))
			q = c.change(user("u1"))
			c.equal("failed: hold", q.Hold, let)
			c.must(c.s.Settle(ctx, c.job, "", []engine.Settled{{Ref: q.Ref, Rev: q.Rev}}))
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1")}))
			if q = c.change(user("u1")); q.Hold != nil {
				c.Errorf("settled, and still held: %+v", q.Hold)
			}
		}},
		{"a plan without a hold forgets what was kept", func(c *storeCase) {
			c.hold("u1", "u2")
			c.must(c.s.Plan(c.Context(), c.job, []engine.Planned{{Ref: user("u1"), Order: engine.OrderDisable, Held: true}}))
			if q := c.change(user("u1")); q.State != engine.ChangeHeld || q.Hold != nil {
				c.Errorf("u1: %+v", q)
			}
			c.equal("u2", c.change(user("u2")).Hold, holdOf(engine.Disable))
		}},
		{"a change that is done but queued anew, or looked at later, is no longer held", func(c *storeCase) {
			ctx := c.Context()
			c.hold("u1", "u2")
			one := c.exporting(engine.Planned{Ref: user("u1"), Order: engine.OrderDisable, Hold: holdOf(engine.Disable)})
			two := c.exporting(engine.Planned{Ref: user("u2"), Order: engine.OrderDisable, Hold: holdOf(engine.Disable)})
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1")}))
			c.must(c.s.Settle(ctx, c.job, "", []engine.Settled{{Ref: one.Ref, Rev: one.Rev}, {Ref: two.Ref, Rev: two.Rev, Later: ago}}))
			for _, id := range []string{"u1", "u2"} {
				if q := c.change(user(id)); q.Hold != nil {
					c.Errorf("%s: %+v", id, q.Hold)
				}
			}
		}},
		{"a log row about a held change leaves it as it is", func(c *storeCase) {
			c.hold("u1")
			before := c.change(user("u1"))
			c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{{Ref: user("u1"), Log: row(engine.Staged, user("u1"))}}))
			c.equal("change", c.change(user("u1")), before)
			c.equal("log", c.logged(engine.LogFilter{}), []string{"stagedDelete u1"})
		}},
		{"thousands are held in a moment", func(c *storeCase) {
			ctx := c.Context()
			const n = 3000
			var refs []engine.Ref
			var plan []engine.Planned
			for i := range n {
				r := user(fmt.Sprintf("u%04d", i))
				h := holdOf(engine.Disable)
				h.Detail = r.ID
				refs = append(refs, r)
				plan = append(plan, engine.Planned{Ref: r, Order: engine.OrderDisable, Held: true, Hold: h})
			}
			c.must(c.s.Enqueue(ctx, c.job, refs))
			began := time.Now()
			c.must(c.s.Plan(ctx, c.job, plan))
			if took := time.Since(began); took > n/1000*time.Second {
				c.Errorf("%d changes were held in %v", n, took)
			}
			c.equal("sizes", got(c.s.QueueSize(ctx, c.job))(c), map[engine.ChangeState]int{engine.ChangeHeld: n})
			for _, q := range c.undecided() {
				if q.Hold == nil || q.Hold.Detail != q.ID {
					c.Fatalf("%s is held with %+v", q.ID, q.Hold)
				}
			}
		}},
		{"a verdict is kept with the hold, and bound to its action", func(c *storeCase) {
			ctx := c.Context()
			c.hold("u1", "u2", "u3", "u4")
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u3"), user("free")}))
			c.exporting(engine.Planned{Ref: user("u4"), Order: engine.OrderDisable, Hold: holdOf(engine.Disable)})
			about := []engine.Judged{
				{Ref: user("u1"), Action: engine.Disable},
				{Ref: user("u2"), Action: engine.Delete}, // it was listed with another action
				{Ref: user("u3"), Action: engine.Disable},
				{Ref: user("u4"), Action: engine.Disable}, // under way already
				{Ref: user("free"), Action: engine.Disable},
				{Ref: user("nobody"), Action: engine.Disable},
				{Ref: group("u1"), Action: engine.Disable},
			}
			want := holdOf(engine.Disable)
			want.Verdict, want.VerdictAt, want.Until, want.By, want.Comment = engine.Approved, now, later, "admin", "they left"
			for range 2 {
				c.equal("judged", got(c.s.Judge(ctx, c.job, about, engine.Approved, now, later, "admin", "they left"))(c), 2)
				c.equal("u1", c.change(user("u1")).Hold, want)
				c.equal("u2", c.change(user("u2")).Hold, holdOf(engine.Disable))
				c.equal("u3, queued anew meanwhile", c.change(user("u3")).Hold, want)
			}
			c.equal("u1 stays held until it is decided anew", c.change(user("u1")).State, engine.ChangeHeld)
			c.equal("u3 stays queued", c.change(user("u3")).State, engine.ChangeQueued)
			c.equal("another job", got(c.s.Judge(ctx, "other", about, engine.Approved, now, later, "admin", ""))(c), 0)
			c.equal("nobody", got(c.s.Judge(ctx, c.job, nil, engine.Approved, now, later, "admin", ""))(c), 0)
		}},
		{"a rejection has no end, and takes the place of an approval", func(c *storeCase) {
			ctx := c.Context()
			c.hold("u1")
			about := []engine.Judged{{Ref: user("u1"), Action: engine.Disable}}
			got(c.s.Judge(ctx, c.job, about, engine.Approved, ago, later, "one", ""))(c)
			got(c.s.Judge(ctx, c.job, about, engine.Rejected, now, later, "two", "no"))(c)
			want := holdOf(engine.Disable)
			want.Verdict, want.VerdictAt, want.By, want.Comment = engine.Rejected, now, "two", "no"
			c.equal("hold", c.change(user("u1")).Hold, want)
		}},
		{"only a verdict can be given", func(c *storeCase) {
			c.hold("u1")
			for _, v := range []engine.Verdict{engine.Undecided, "perhaps"} {
				if n, err := c.s.Judge(c.Context(), c.job, []engine.Judged{{Ref: user("u1"), Action: engine.Disable}}, v, now, later, "", ""); err == nil {
					c.Errorf("%d changes were judged %q", n, v)
				}
			}
			c.equal("hold", c.change(user("u1")).Hold, holdOf(engine.Disable))
		}},
	}
}
