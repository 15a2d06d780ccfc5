package enginetest

import (
	"fmt"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// settle settles the undecided change of an object.
func (c *storeCase) settle(r engine.Ref, how engine.Settled) {
	c.Helper()
	how.Ref, how.Rev = r, c.change(r).Rev
	c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{how}))
}

// due returns the ids of users that are undecided at a time.
func (c *storeCase) due(at time.Time) (ids []string) {
	c.Helper()
	for _, q := range got(c.s.Undecided(c.Context(), c.job, engine.User, at, "", 1<<20))(c) {
		ids = append(ids, q.ID)
	}
	return ids
}

// in lists users in states.
func (c *storeCase) in(states ...engine.ChangeState) (ids []string) {
	c.Helper()
	for _, q := range got(c.s.Changes(c.Context(), c.job, engine.User, states, "", 1<<20))(c) {
		ids = append(ids, fmt.Sprintf("%s %s", q.State, q.ID))
	}
	return ids
}

func expired() *engine.Escrow {
	e := escrow(ago)
	e.Expired = true
	return e
}

func escrowTests() []storeTest {
	return []storeTest{
		{"what is done for now is looked at again when it is due", func(c *storeCase) {
			ctx := c.Context()
			c.queue(user("u1"))
			c.must(c.s.NoteSent(ctx, c.job, map[engine.Ref]string{user("u1"): ""}))
			c.settle(user("u1"), engine.Settled{Escrow: escrow(ago)})
			rev := c.change(user("u1")).Rev
			id := c.cycle("c1")
			done := []engine.Settled{{Ref: user("u1"), Rev: rev, Bucket: engine.BucketDisabled, Later: later, Link: linkOf(user("u1"))}}
			for range 2 {
				c.must(c.s.Settle(ctx, c.job, id, done))
				c.equal("counted once", c.counts(id), engine.Counts{"users.disabled": 1})
				c.equal("sizes", got(c.s.QueueSize(ctx, c.job))(c), map[engine.ChangeState]int{engine.ChangeLater: 1})
				c.equal("before", c.due(later.Add(-time.Microsecond)), nil)
				c.equal("due", c.due(later), []string{"u1"})
			}
			q := got(c.s.Changes(ctx, c.job, engine.User, []engine.ChangeState{engine.ChangeLater}, "", 10))(c)[0]
			if q.Escrow != nil || q.VerifyFirst || q.Rev <= rev || q.Link == nil {
				c.Errorf("later: %+v", q)
			}
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1")}))
			c.equal("queued anew: at once", c.due(ago), []string{"u1"})
			c.settle(user("u1"), engine.Settled{})
			c.equal("settled for good", got(c.s.QueueSize(ctx, c.job))(c), nil)
		}},
		{"what is queued anew while it is done for now is evaluated at once", func(c *storeCase) {
			q := c.queue(user("u1"))[user("u1")]
			c.must(c.s.Enqueue(c.Context(), c.job, []engine.Ref{user("u1")}))
			c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{{Ref: q.Ref, Rev: q.Rev, Later: later}}))
			c.equal("due", c.due(ago), []string{"u1"})
		}},
		{"an escrow that expired is not tried again before the source object changes", func(c *storeCase) {
			ctx := c.Context()
			c.queue(user("u1"))
			c.settle(user("u1"), engine.Settled{Escrow: expired()})
			c.equal("sizes", got(c.s.QueueSize(ctx, c.job))(c), map[engine.ChangeState]int{engine.ChangeExpired: 1})
			c.equal("due", c.due(later), nil)
			q := got(c.s.Changes(ctx, c.job, engine.User, []engine.ChangeState{engine.ChangeExpired}, "", 10))(c)[0]
			want := expired()
			want.Detail = "is taken \uFFFD"
			c.equal("escrow", q.Escrow, want)
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("u1")}))
			q = c.change(user("u1"))
			if q.State != engine.ChangeQueued || q.Escrow == nil || q.Escrow.Attempts != 2 || q.Escrow.Expired {
				c.Errorf("queued anew: %+v %+v", q, q.Escrow)
			}
		}},
		{"changes are listed by state", func(c *storeCase) {
			ctx := c.Context()
			c.round(engine.FeedUsers, true, engine.PageWrite{Objects: []engine.Object{active(user("failed"))}, Assignments: []engine.Assignment{assigned("a1", user("failed"))}})
			c.link(user("failed"))
			c.queue(user("failed"), user("expired"), user("later"), user("queued"), user("ready"), group("failed"))
			c.settle(user("failed"), engine.Settled{Escrow: escrow(later)})
			c.settle(user("expired"), engine.Settled{Escrow: expired()})
			c.settle(user("later"), engine.Settled{Later: later})
			c.hold("held")
			c.exporting(engine.Planned{Ref: user("ready"), Order: engine.OrderUpdate})
			for state, want := range map[engine.ChangeState]string{engine.ChangeEscrow: "failed", engine.ChangeExpired: "expired", engine.ChangeLater: "later",
				engine.ChangeQueued: "queued", engine.ChangeReady: "ready", engine.ChangeHeld: "held"} {
				c.equal(string(state), c.in(state), []string{string(state) + " " + want})
			}
			c.equal("two states", c.in(engine.ChangeExpired, engine.ChangeEscrow), []string{"expired expired", "escrow failed"})
			c.equal("any state", len(c.in()), 6)
			q := got(c.s.Changes(ctx, c.job, engine.User, []engine.ChangeState{engine.ChangeEscrow}, "", 10))(c)[0]
			if !q.Known || q.Object.Attributes["displayName"] != "failed" || len(q.Paths) != 1 || q.Link == nil || q.Link.TargetID != "t-failed" {
				c.Errorf("with all that is known: %+v", q)
			}
			var paged []string
			for after := ""; ; {
				page := got(c.s.Changes(ctx, c.job, engine.User, nil, after, 4))(c)
				if len(page) == 0 {
					break
				}
				for _, q := range page {
					paged = append(paged, q.ID)
				}
				after = page[len(page)-1].ID
			}
			c.equal("in pages", paged, []string{"expired", "failed", "held", "later", "queued", "ready"})
			c.equal("another job", len(got(c.s.Changes(ctx, "other", engine.User, nil, "", 10))(c)), 0)
		}},
		{"failures are tried again at once, and stay on record", func(c *storeCase) {
			ctx := c.Context()
			fail := func() {
				c.queue(user("failed"), user("expired"), user("later"), user("queued"))
				c.settle(user("failed"), engine.Settled{Escrow: escrow(later)})
				c.settle(user("expired"), engine.Settled{Escrow: expired()})
				c.settle(user("later"), engine.Settled{Later: later})
			}
			fail()
			c.equal("named", got(c.s.Retry(ctx, c.job, []engine.Ref{user("expired"), user("later"), user("queued"), user("nobody"), group("failed")}, now))(c), 1)
			c.equal("due", c.due(now), []string{"expired", "queued"})
			q := c.change(user("expired"))
			if q.State != engine.ChangeEscrow || q.Escrow == nil || q.Escrow.Attempts != 2 || q.Escrow.Expired || !q.Escrow.Due.Equal(now) {
				c.Errorf("expired: %+v %+v", q, q.Escrow)
			}
			c.equal("none named", got(c.s.Retry(ctx, c.job, []engine.Ref{}, now))(c), 0)
			c.equal("another job", got(c.s.Retry(ctx, "other", nil, now))(c), 0)
			c.equal("not named", c.due(now), []string{"expired", "queued"})
			fail()
			c.equal("all", got(c.s.Retry(ctx, c.job, nil, now))(c), 2)
			c.equal("due", c.due(now), []string{"expired", "failed", "queued"})
		}},
		{"failures are ignored until the source object changes", func(c *storeCase) {
			ctx := c.Context()
			fail := func() {
				c.queue(user("failed"), user("expired"), user("later"), user("queued"))
				c.settle(user("failed"), engine.Settled{Escrow: escrow(ago)})
				c.settle(user("expired"), engine.Settled{Escrow: expired()})
				c.settle(user("later"), engine.Settled{Later: later})
			}
			fail()
			c.equal("named", got(c.s.Ignore(ctx, c.job, []engine.Ref{user("expired"), user("later"), user("queued"), user("nobody"), group("failed")}))(c), 1)
			c.equal("left", c.in(), []string{"escrow failed", "later later", "queued queued"})
			c.equal("none named", got(c.s.Ignore(ctx, c.job, []engine.Ref{}))(c), 0)
			c.equal("another job", got(c.s.Ignore(ctx, "other", nil))(c), 0)
			fail()
			c.equal("all", got(c.s.Ignore(ctx, c.job, nil))(c), 2)
			c.equal("left", c.in(), []string{"later later", "queued queued"})
			if q := c.queue(user("failed"))[user("failed")]; q.Escrow != nil {
				c.Errorf("evaluated again: %+v", q.Escrow)
			}
		}},
		{"a failure that somebody works on is not ignored", func(c *storeCase) {
			ctx := c.Context()
			c.queue(user("busy"), user("left"))
			c.settle(user("busy"), engine.Settled{Escrow: escrow(later)})
			c.settle(user("left"), engine.Settled{Escrow: escrow(later)})
			c.lease("person", later, user("busy"))
			c.lease("gone", ago, user("left"))
			c.equal("ignored", got(c.s.Ignore(ctx, c.job, nil))(c), 1)
			c.equal("left", c.in(), []string{"escrow busy"})
		}},
	}
}

// failed settles edges of group g1 that failed.
func (c *storeCase) failed(e *engine.Escrow, to ...engine.Ref) {
	c.Helper()
	s := engine.EdgesSettled{}
	for _, r := range to {
		s.Fail(r, *e)
	}
	c.export(s)
}

func failedEdgeTests() []storeTest {
	failure := func(due time.Time) *engine.Escrow {
		e := escrow(due)
		e.Detail = "is taken \uFFFD"
		return e
	}
	up := func(c *storeCase) {
		c.link(group("g1"), user("u1"), user("u2"), user("u3"))
		c.edges(member("g1", user("u1")), member("g1", user("u2")))
	}
	return []storeTest{
		{"a failed edge is up again when it is due", func(c *storeCase) {
			ctx := c.Context()
			up(c)
			c.failed(escrow(later), user("u1"))
			c.equal("not due", c.g1(), []string{"+user:u2"})
			c.failed(escrow(later), user("u2"))
			c.equal("none is due", c.g1(), nil)
			c.equal("holders", c.holders(engine.Member), nil)
			c.failed(escrow(ago), user("u1"))
			c.equal("due", got(c.s.Waiting(ctx, c.job, group("g1"), engine.Member, "", 10))(c),
				[]engine.Membership{{To: user("u1"), Want: true, TargetID: "t-u1", State: engine.Managed, Escrow: failure(ago)}})
			c.equal("holders", c.holders(engine.Member), []string{"g1"})
			c.export(engine.EdgesSettled{Added: u1})
			c.equal("added", c.g1(), nil)
			c.equal("failures", len(got(c.s.FailedEdges(ctx, c.job, engine.Member, "", 10))(c)), 1)
		}},
		{"a failure is counted and logged once", func(c *storeCase) {
			ctx := c.Context()
			up(c)
			id := c.cycle("c1")
			s := engine.EdgesSettled{From: group("g1"), Relation: engine.Member, Counts: engine.Counts{engine.MembershipsFailed: 1}, Log: row(engine.Update, group("g1"))}
			s.Fail(user("u1"), *escrow(later))
			for range 2 {
				c.must(c.s.SettleEdges(ctx, c.job, id, s))
				c.equal("counts", c.counts(id), engine.Counts{engine.MembershipsFailed: 1})
				c.equal("log", c.logged(engine.LogFilter{}), []string{"update g1"})
			}
			again := escrow(later)
			again.Attempts++
			s.Fail(user("u1"), *again)
			c.must(c.s.SettleEdges(ctx, c.job, id, s))
			c.equal("failed again", c.counts(id), engine.Counts{engine.MembershipsFailed: 2})
		}},
		{"what succeeds, comes back or sleeps has not failed", func(c *storeCase) {
			ctx := c.Context()
			up(c)
			c.edges(member("g1", user("u4")))
			c.failed(escrow(ago), user("u1"), user("u4"))
			c.export(engine.EdgesSettled{Added: u1, Asleep: []engine.Ref{user("u4")}})
			c.equal("failures", len(got(c.s.FailedEdges(ctx, c.job, engine.Member, "", 10))(c)), 0)
			c.edges(removed(member("g1", user("u1"))))
			c.failed(escrow(later), user("u1"))
			c.equal("its removal failed", c.g1(), []string{"+user:u2"})
			c.edges(member("g1", user("u1")))
			c.equal("wanted again, so due", c.g1(), []string{"+user:u1", "+user:u2"})
			c.failed(escrow(later), user("u1"))
			c.edges(member("g1", user("u1")))
			c.equal("told again: no news", c.g1(), []string{"+user:u2"})
			c.edges(removed(member("g1", user("u1"))))
			c.equal("not wanted any more, so due", c.g1(), []string{"-user:u1", "+user:u2"})
			c.failed(escrow(ago), user("u1"))
			c.export(engine.EdgesSettled{Removed: u1})
			c.equal("removed", c.g1(), []string{"+user:u2"})
			c.equal("failures", len(got(c.s.FailedEdges(ctx, c.job, engine.Member, "", 10))(c)), 0)
		}},
		{"failed edges are listed by the object they start from, whole", func(c *storeCase) {
			ctx := c.Context()
			c.link(group("g1"), group("g2"), user("u1"), user("u2"))
			c.edges(member("g1", user("u1")), member("g1", user("u2")), member("g1", group("u1")), member("g2", user("u1")), manager("u1", "u2"))
			c.export(engine.EdgesSettled{Added: []engine.Ref{user("u2")}})
			c.edges(removed(member("g1", user("u2"))))
			gone := expired()
			gone.Detail = "gone"
			c.failed(escrow(later), user("u1"), user("u2"))
			c.failed(gone, group("u1"))
			s := engine.EdgesSettled{From: group("g2"), Relation: engine.Member}
			s.Fail(user("u1"), *escrow(later))
			c.must(c.s.SettleEdges(ctx, c.job, "", s))
			s = engine.EdgesSettled{From: user("u1"), Relation: engine.Manager}
			s.Fail(user("u2"), *escrow(later))
			c.must(c.s.SettleEdges(ctx, c.job, "", s))

			g1 := []engine.FailedEdge{
				{From: group("g1"), To: group("u1"), Name: "Name of g1", Want: true, Escrow: *gone},
				{From: group("g1"), To: user("u1"), Name: "Name of g1", Want: true, Escrow: *failure(later)},
				{From: group("g1"), To: user("u2"), Name: "Name of g1", Escrow: *failure(later)},
			}
			g2 := engine.FailedEdge{From: group("g2"), To: user("u1"), Name: "Name of g2", Want: true, Escrow: *failure(later)}
			c.equal("all", got(c.s.FailedEdges(ctx, c.job, engine.Member, "", 10))(c), append(g1, g2))
			for limit := 1; limit <= 3; limit++ {
				c.equal(fmt.Sprint("the first ", limit), got(c.s.FailedEdges(ctx, c.job, engine.Member, "", limit))(c), g1)
				c.equal("the rest", got(c.s.FailedEdges(ctx, c.job, engine.Member, "g1", limit))(c), []engine.FailedEdge{g2})
			}
			c.equal("managers", got(c.s.FailedEdges(ctx, c.job, engine.Manager, "", 10))(c),
				[]engine.FailedEdge{{From: user("u1"), To: user("u2"), Name: "Name of u1", Want: true, Escrow: *failure(later)}})
			c.equal("none left", len(got(c.s.FailedEdges(ctx, c.job, engine.Member, "g2", 10))(c)), 0)
			c.equal("another job", len(got(c.s.FailedEdges(ctx, "other", engine.Member, "", 10))(c)), 0)
			c.equal("counted", got(c.s.References(ctx, c.job))(c), engine.References{Failed: 5})
			if _, err := c.s.FailedEdges(ctx, c.job, "friend", "", 10); err == nil {
				c.Error("no error for a relation that does not exist")
			}
		}},
		{"who is linked or enabled brings failed edges up again", func(c *storeCase) {
			up(c)
			c.failed(expired(), user("u1"), user("u2"))
			c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{{Ref: user("u1"), Wake: true}}))
			c.equal("of the member", c.g1(), []string{"+user:u1"})
			c.equal("the failure is on record", got(c.s.FailedEdges(c.Context(), c.job, engine.Member, "", 1))(c)[0].Escrow.Attempts, 2)
			c.failed(escrow(later), user("u1"))
			c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{{Ref: group("g1"), Wake: true}}))
			c.equal("of the group", c.g1(), []string{"+user:u1", "+user:u2"})
		}},
		{"an object that is gone from the target takes failures along", func(c *storeCase) {
			up(c)
			c.failed(escrow(later), user("u1"), user("u2"))
			c.must(c.s.Settle(c.Context(), c.job, "", []engine.Settled{{Ref: user("u1"), Unlink: true}}))
			c.link(user("u1"))
			c.equal("linked again", c.g1(), []string{"+user:u1"})
			c.equal("failures", len(got(c.s.FailedEdges(c.Context(), c.job, engine.Member, "", 10))(c)), 1)
		}},
		{"failed edges are tried again at once with either of their ends", func(c *storeCase) {
			ctx := c.Context()
			up(c)
			c.failed(expired(), user("u1"))
			c.failed(escrow(later), user("u2"))
			c.equal("of another object", got(c.s.Retry(ctx, c.job, []engine.Ref{user("g1"), group("g2")}, ago))(c), 0)
			c.equal("up", c.g1(), nil)
			c.equal("of u2", got(c.s.Retry(ctx, c.job, []engine.Ref{user("u2")}, ago))(c), 1)
			c.equal("up", c.g1(), []string{"+user:u2"})
			c.failed(escrow(later), user("u2"))
			c.equal("of g1, each once", got(c.s.Retry(ctx, c.job, []engine.Ref{group("g1"), user("u1"), user("u2")}, ago))(c), 2)
			c.equal("up", c.g1(), []string{"+user:u1", "+user:u2"})
			list := got(c.s.FailedEdges(ctx, c.job, engine.Member, "", 10))(c)
			c.equal("on record", list[0].Escrow, *failure(ago))
			c.failed(escrow(later), user("u1"), user("u2"))
			c.equal("all", got(c.s.Retry(ctx, c.job, nil, ago))(c), 2)
			c.equal("up", c.g1(), []string{"+user:u1", "+user:u2"})
		}},
		{"failed edges are ignored until they are told again, woken or the job is restarted", func(c *storeCase) {
			ctx := c.Context()
			up(c)
			ignore := func(refs ...engine.Ref) {
				c.Helper()
				c.failed(escrow(later), user("u1"), user("u2"))
				c.equal("ignored", got(c.s.Ignore(ctx, c.job, refs))(c), 2)
				c.equal("failures", len(got(c.s.FailedEdges(ctx, c.job, engine.Member, "", 10))(c)), 0)
				c.equal("up", c.g1(), nil)
				c.equal("nothing to try again", got(c.s.Retry(ctx, c.job, nil, ago))(c), 0)
				c.equal("nothing to ignore", got(c.s.Ignore(ctx, c.job, nil))(c), 0)
			}
			c.failed(escrow(later), user("u1"))
			c.equal("an edge is none of those that it leads to", got(c.s.Ignore(ctx, c.job, u1))(c), 0)
			ignore(group("g1"))
			c.edges(member("g1", user("u1")))
			c.equal("told again", c.g1(), []string{"+user:u1"})
			ignore()
			c.must(c.s.Settle(ctx, c.job, "", []engine.Settled{{Ref: user("u2"), Wake: true}}))
			c.equal("woken", c.g1(), []string{"+user:u2"})
			ignore()
			c.must(c.s.ForgetWatermarks(ctx, c.job))
			c.equal("restarted", got(c.s.Waiting(ctx, c.job, group("g1"), engine.Member, "", 10))(c), []engine.Membership{
				{To: user("u1"), Want: true, TargetID: "t-u1", State: engine.Managed}, {To: user("u2"), Want: true, TargetID: "t-u2", State: engine.Managed}})
		}},
	}
}
