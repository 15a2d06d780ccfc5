package enginetest

import (
	"fmt"

	"github.com/scimsync/scimsync/engine"
)

func row(action engine.Action, r engine.Ref) *engine.LogEntry {
	return &engine.LogEntry{At: now, Action: action, Status: engine.StatusSuccess, Kind: r.Kind, Source: engine.Identity{ID: r.ID, Name: "Name of " + r.ID}}
}

// logged returns the log as "action source".
func (c *storeCase) logged(f engine.LogFilter) (rows []string) {
	c.Helper()
	for _, e := range got(c.s.Entries(c.Context(), c.job, f))(c) {
		rows = append(rows, fmt.Sprintf("%s %s", e.Action, e.Source.ID))
	}
	return rows
}

// queue queues refs and returns their changes by ref.
func (c *storeCase) queue(refs ...engine.Ref) map[engine.Ref]engine.Queued {
	c.Helper()
	c.must(c.s.Enqueue(c.Context(), c.job, refs))
	m := map[engine.Ref]engine.Queued{}
	for _, q := range c.undecided() {
		m[q.Ref] = q
	}
	return m
}

const (
	usersCreated   = engine.Counter("users.created")
	usersUpdated   = engine.Counter("users.updated")
	usersUnchanged = engine.Counter("users.unchanged")
	usersFailed    = engine.Counter("users.failed")
	usersDeleted   = engine.Counter("users.deleted")
)

func settleTests() []storeTest {
	return []storeTest{
		{"link, log row, counter and queue are stored together, once", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			q := c.queue(user("u1"), user("u2"), user("u3"), group("g1"))
			results := []engine.Settled{
				{Ref: user("u1"), Rev: q[user("u1")].Rev, Bucket: engine.BucketCreated, Link: linkOf(user("u1")), Log: row(engine.Create, user("u1"))},
				{Ref: user("u2"), Rev: q[user("u2")].Rev, Bucket: engine.BucketFailed, Escrow: escrow(all), Log: row(engine.Create, user("u2"))},
				{Ref: group("g1"), Rev: q[group("g1")].Rev, Bucket: engine.BucketSkipped},
			}
			for _, what := range []string{"once", "the second time"} {
				c.must(c.s.Settle(ctx, c.job, id, results))
				c.equal(what+": queue", got(c.s.QueueSize(ctx, c.job))(c), map[engine.ChangeState]int{engine.ChangeQueued: 1, engine.ChangeEscrow: 1})
				c.equal(what+": counts", c.counts(id), engine.Counts{usersCreated: 1, usersFailed: 1, "groups.skipped": 1})
				c.equal(what+": log", c.logged(engine.LogFilter{}), []string{"create u1", "create u2"})
				l := got(c.s.Link(ctx, c.job, user("u1")))(c)
				if l.TargetID != "t-u1" || l.LastCycle != id || l.LastBucket != engine.BucketCreated || l.CreatedAt.IsZero() || l.UpdatedAt.IsZero() {
					c.Errorf("%s: link %+v", what, l)
				}
			}
		}},
		{"an escrow that fails again counts again", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			q := c.queue(user("u1"))[user("u1")]
			for attempt := 1; attempt <= 3; attempt++ {
				c.must(c.s.Plan(ctx, c.job, []engine.Planned{{Ref: q.Ref, Order: engine.OrderCreate}}))
				got(c.s.Seal(ctx, c.job, engine.User))(c)
				ready := got(c.s.Ready(ctx, c.job, engine.User, 1, 1))(c)
				if len(ready) != 1 {
					c.Fatalf("attempt %d: nothing is ready", attempt)
				}
				e := escrow(now)
				e.Attempts = attempt
				r := []engine.Settled{{Ref: q.Ref, Rev: ready[0].Rev, Bucket: engine.BucketFailed, Escrow: e, Log: row(engine.Create, q.Ref)}}
				c.must(c.s.Settle(ctx, c.job, id, r))
				c.must(c.s.Settle(ctx, c.job, id, r))
				c.equal("failed", c.counts(id)[usersFailed], attempt)
				c.equal("attempts", c.change(q.Ref).Escrow.Attempts, attempt)
			}
			c.equal("log", c.logged(engine.LogFilter{}), []string{"create u1", "create u1", "create u1"})
		}},
		{"a change queued anew while it is exported stays", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			q := c.queue(user("u1"), user("u2"))
			c.must(c.s.NoteSent(ctx, c.job, map[engine.Ref]string{user("u1"): "", user("u2"): ""}))
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1"), user("u2")}))
			results := []engine.Settled{
				{Ref: user("u1"), Rev: q[user("u1")].Rev, Bucket: engine.BucketCreated, Link: linkOf(user("u1")), Log: row(engine.Create, user("u1"))},
				{Ref: user("u2"), Rev: q[user("u2")].Rev, Bucket: engine.BucketFailed, Escrow: escrow(all), Log: row(engine.Create, user("u2"))},
			}
			for range 2 {
				c.must(c.s.Settle(ctx, c.job, id, results))
				c.equal("queue", c.queued(), []string{"user:u1", "user:u2"})
				c.equal("counts", c.counts(id), engine.Counts{usersCreated: 1, usersFailed: 1})
				c.equal("log", c.logged(engine.LogFilter{}), []string{"create u1", "create u2"})
			}
			one, two := c.change(user("u1")), c.change(user("u2"))
			if one.State != engine.ChangeQueued || one.Link == nil || one.VerifyFirst || one.Rev <= q[user("u1")].Rev {
				c.Errorf("created meanwhile: %+v", one)
			}
			if two.State != engine.ChangeQueued || two.Escrow == nil || two.Escrow.Attempts != 2 || !two.VerifyFirst {
				c.Errorf("failed meanwhile: %+v", two)
			}
			c.must(c.s.Settle(ctx, c.job, id, []engine.Settled{{Ref: user("u1"), Rev: one.Rev, Bucket: engine.BucketUpdated}, {Ref: user("u2"), Rev: two.Rev, Bucket: engine.BucketCreated}}))
			c.equal("queue", c.queued(), nil)
			c.equal("counts", c.counts(id), engine.Counts{usersCreated: 2, usersFailed: 1, usersUpdated: 1})
		}},
		{"a late repetition does not touch a newer change", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			old := c.queue(user("u1"))[user("u1")]
			result := []engine.Settled{{Ref: old.Ref, Rev: old.Rev, Bucket: engine.BucketUpdated, Log: row(engine.Update, old.Ref)}}
			c.must(c.s.Settle(ctx, c.job, id, result))
			young := c.queue(user("u1"))[user("u1")]
			c.must(c.s.NoteSent(ctx, c.job, map[engine.Ref]string{user("u1"): ""}))
			c.must(c.s.Settle(ctx, c.job, id, result))
			left := c.change(user("u1"))
			if left.Rev != young.Rev {
				c.Errorf("the newer change: %+v", left)
			}
		}},
		{"links are left, changed and removed", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			c.link(user("left"), user("changed"), user("removed"), user("replaced"))
			q := c.queue(user("left"), user("changed"), user("removed"), user("replaced"))
			changed := linkOf(user("changed"))
			changed.State, changed.Exported = engine.Released, map[string]any{"active": false}
			replaced := linkOf(user("replaced"))
			replaced.TargetID = "t-new"
			results := []engine.Settled{
				{Ref: user("left"), Rev: q[user("left")].Rev, Bucket: engine.BucketUnchanged},
				{Ref: user("changed"), Rev: q[user("changed")].Rev, Link: changed},
				{Ref: user("removed"), Rev: q[user("removed")].Rev, Bucket: engine.BucketDeleted, Unlink: true},
				{Ref: user("replaced"), Rev: q[user("replaced")].Rev, Bucket: engine.BucketCreated, Unlink: true, Link: replaced},
			}
			for range 2 {
				c.must(c.s.Settle(ctx, c.job, id, results))
				l := got(c.s.Link(ctx, c.job, user("left")))(c)
				c.equal("left: counted", []string{l.TargetID, string(l.LastCycle), l.LastBucket}, []string{"t-left", "c1", engine.BucketUnchanged})
				l = got(c.s.Link(ctx, c.job, user("changed")))(c)
				c.equal("changed", []any{l.State, l.Exported, l.LastBucket}, []any{engine.Released, map[string]any{"active": false}, ""})
				_, err := c.s.Link(ctx, c.job, user("removed"))
				c.wraps(err, engine.ErrNoLink)
				c.equal("replaced", got(c.s.Link(ctx, c.job, user("replaced")))(c).TargetID, "t-new")
				c.equal("counts", c.counts(id), engine.Counts{usersUnchanged: 1, usersDeleted: 1, usersCreated: 1})
			}
		}},
		{"a taken target object fails the whole call", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			c.link(user("owner"))
			q := c.queue(user("honest"), user("thief"))
			thief := linkOf(user("thief"))
			thief.TargetID = "t-owner"
			results := []engine.Settled{
				{Ref: user("honest"), Rev: q[user("honest")].Rev, Bucket: engine.BucketCreated, Link: linkOf(user("honest")), Log: row(engine.Create, user("honest"))},
				{Ref: user("thief"), Rev: q[user("thief")].Rev, Bucket: engine.BucketCreated, Link: thief, Log: row(engine.Create, user("thief"))},
			}
			for range 2 {
				c.wraps(c.s.Settle(ctx, c.job, id, results), engine.ErrLinkTaken)
				c.equal("queue", c.queued(), []string{"user:honest", "user:thief"})
				c.equal("counts", c.counts(id), nil)
				c.equal("log", c.logged(engine.LogFilter{}), nil)
				_, err := c.s.Link(ctx, c.job, user("honest"))
				c.wraps(err, engine.ErrNoLink)
			}
			c.must(c.s.Settle(ctx, c.job, id, results[:1]))
			c.equal("queue", c.queued(), []string{"user:thief"})
			// A rehire takes the account over: the old link goes in the same call.
			takeover := []engine.Settled{results[1], {Ref: user("owner"), Unlink: true}}
			c.must(c.s.Settle(ctx, c.job, id, takeover))
			c.equal("taken over", got(c.s.LinkedTo(ctx, c.job, engine.User, []string{"t-owner"}))(c)["t-owner"].ID, "thief")
		}},
		{"results for an object, one after the other", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			first, second := linkOf(user("u1")), linkOf(user("u1"))
			second.State = engine.Suspended
			c.must(c.s.Settle(ctx, c.job, id, []engine.Settled{
				{Ref: user("u1"), Bucket: engine.BucketCreated, Link: first}, {Ref: user("u1"), Bucket: engine.BucketDisabled, Link: second}}))
			c.equal("link", got(c.s.Link(ctx, c.job, user("u1")))(c).State, engine.Suspended)
			c.equal("counts", c.counts(id), engine.Counts{usersCreated: 1, "users.disabled": 1})
		}},
		{"a partly applied update keeps what arrived and stays in escrow", func(c *storeCase) {
			ctx := c.Context()
			c.link(user("u1"))
			q := c.queue(user("u1"))[user("u1")]
			l := linkOf(user("u1"))
			l.Exported = map[string]any{"active": false}
			c.must(c.s.Settle(ctx, c.job, "", []engine.Settled{{Ref: q.Ref, Rev: q.Rev, Link: l, Escrow: escrow(now)}}))
			in := c.change(user("u1"))
			if in.State != engine.ChangeEscrow || in.Link == nil || in.Link.Exported["active"] != false {
				c.Errorf("in escrow: %+v", in)
			}
		}},
		{"counting in a cycle that does not exist is an error", func(c *storeCase) {
			q := c.queue(user("u1"))[user("u1")]
			err := c.s.Settle(c.Context(), c.job, "nowhere", []engine.Settled{{Ref: q.Ref, Rev: q.Rev, Bucket: engine.BucketCreated, Link: linkOf(q.Ref)}})
			c.wraps(err, engine.ErrNotFound)
			c.equal("queue", c.queued(), []string{"user:u1"})
			_, err = c.s.Link(c.Context(), c.job, user("u1"))
			c.wraps(err, engine.ErrNoLink)
		}},
	}
}
