package enginetest

import (
	"fmt"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// owner returns who has reserved an object, as any listing tells.
func (c *storeCase) owner(r engine.Ref) string {
	c.Helper()
	for _, q := range got(c.s.Changes(c.Context(), c.job, r.Kind, nil, "", 1<<20))(c) {
		if q.Ref == r {
			if (q.Owner == "") != q.Until.IsZero() {
				c.Errorf("%v: owner %q until %v", r, q.Owner, q.Until)
			}
			return q.Owner
		}
	}
	return "not queued"
}

// lease reserves objects at time now and expects that they are free.
func (c *storeCase) lease(owner string, until time.Time, refs ...engine.Ref) {
	c.Helper()
	c.equal("busy", got(c.s.Lease(c.Context(), c.job, refs, owner, until, now))(c), nil)
}

func leaseTests() []storeTest {
	soon := now.Add(time.Minute)
	return []storeTest{
		{"objects are reserved, and queued if they are not", func(c *storeCase) {
			ctx := c.Context()
			rev := c.queue(user("u1"))[user("u1")].Rev
			c.lease("a", soon, user("u1"), user("u2"), group("g1"), user("u2"))
			c.equal("queue", c.queued(), []string{"group:g1", "user:u1", "user:u2"})
			q := c.change(user("u1"))
			if q.Owner != "a" || !q.Until.Equal(soon) || q.Rev != rev {
				c.Errorf("u1: %+v", q)
			}
			if q = c.change(group("g1")); q.Owner != "a" || q.Rev == 0 {
				c.Errorf("g1: %+v", q)
			}
			c.equal("another job", got(c.s.QueueSize(ctx, "other"))(c), nil)
			c.equal("nothing", got(c.s.Lease(ctx, c.job, nil, "a", soon, now))(c), nil)
		}},
		{"all or none", func(c *storeCase) {
			ctx := c.Context()
			c.lease("a", soon, user("u2"), group("u2"))
			refs := []engine.Ref{user("u1"), user("u2"), user("u3"), group("u2")}
			c.equal("busy", got(c.s.Lease(ctx, c.job, refs, "b", soon, now))(c), []engine.Ref{group("u2"), user("u2")})
			c.equal("u1 is not reserved, nor queued", c.owner(user("u1")), "not queued")
			c.equal("u2", c.owner(user("u2")), "a")
			c.equal("another job has its own", got(c.s.Lease(ctx, "other", refs, "b", soon, now))(c), nil)
		}},
		{"a reservation ends with its time, and its owner may prolong it", func(c *storeCase) {
			ctx := c.Context()
			c.lease("a", soon, user("u1"))
			c.equal("a moment before", got(c.s.Lease(ctx, c.job, []engine.Ref{user("u1")}, "b", all, soon.Add(-time.Microsecond)))(c), []engine.Ref{user("u1")})
			c.lease("a", soon.Add(time.Minute), user("u1"))
			c.equal("prolonged", got(c.s.Lease(ctx, c.job, []engine.Ref{user("u1")}, "b", all, soon))(c), []engine.Ref{user("u1")})
			c.equal("over", got(c.s.Lease(ctx, c.job, []engine.Ref{user("u1")}, "b", all, soon.Add(time.Minute)))(c), nil)
			c.equal("owner", c.owner(user("u1")), "b")
		}},
		{"whoever reserves is named", func(c *storeCase) {
			if _, err := c.s.Lease(c.Context(), c.job, []engine.Ref{user("u1")}, "", soon, now); err == nil {
				c.Error("no error from Lease")
			}
			if err := c.s.LeaseReady(c.Context(), c.job, engine.User, 1, 10, "", soon, now); err == nil {
				c.Error("no error from LeaseReady")
			}
		}},
		{"a batch reserves what nobody else has", func(c *storeCase) {
			ctx := c.Context()
			var plan []engine.Planned
			for i := range 6 {
				r := user(fmt.Sprint("u", i))
				c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{r}))
				plan = append(plan, engine.Planned{Ref: r, Order: engine.OrderUpdate})
			}
			c.must(c.s.Plan(ctx, c.job, plan))
			got(c.s.Seal(ctx, c.job, engine.User))(c)
			c.lease("person", soon, user("u1"))
			c.lease("gone", now, user("u2"))
			for range 2 { // an activity may be repeated
				c.must(c.s.LeaseReady(ctx, c.job, engine.User, 1, 4, "batch", soon, now))
				var owners []string
				for _, q := range got(c.s.Ready(ctx, c.job, engine.User, 1, 6))(c) {
					owners = append(owners, q.ID+" "+q.Owner)
				}
				c.equal("owners", owners, []string{"u0 batch", "u1 person", "u2 batch", "u3 batch", "u4 ", "u5 "})
			}
			c.equal("a batch is not disturbed", got(c.s.Lease(ctx, c.job, []engine.Ref{user("u3")}, "person", soon, now))(c), []engine.Ref{user("u3")})
			c.must(c.s.LeaseReady(ctx, c.job, engine.Group, 1, 6, "batch", soon, now))
			c.equal("u4", c.owner(user("u4")), "")
		}},
		{"an owner ends its own reservations only", func(c *storeCase) {
			ctx := c.Context()
			c.lease("a", soon, user("u1"), user("u2"), group("g1"))
			c.lease("b", soon, user("u3"))
			c.must(c.s.Release(ctx, c.job, []engine.Ref{user("u1"), user("u3"), user("nobody")}, "a"))
			c.equal("u1", c.owner(user("u1")), "")
			c.equal("u2, not named", c.owner(user("u2")), "a")
			c.equal("u3, of another owner", c.owner(user("u3")), "b")
			c.must(c.s.Release(ctx, c.job, []engine.Ref{}, "a"))
			c.equal("none named", c.owner(user("u2")), "a")
			c.must(c.s.Release(ctx, "other", nil, "a"))
			c.equal("of another job", c.owner(user("u2")), "a")
			c.must(c.s.Release(ctx, c.job, nil, "a"))
			c.equal("all: u2", c.owner(user("u2")), "")
			c.equal("all: g1", c.owner(group("g1")), "")
			c.equal("all but b", c.owner(user("u3")), "b")
			c.equal("they stay queued", c.queued(), []string{"group:g1", "user:u1", "user:u2", "user:u3"})
		}},
		{"a reservation outlives news of the source", func(c *storeCase) {
			c.lease("a", soon, user("u1"))
			rev := c.change(user("u1")).Rev
			c.must(c.s.Enqueue(c.Context(), c.job, []engine.Ref{user("u1")}))
			if q := c.change(user("u1")); q.Owner != "a" || !q.Until.Equal(soon) || q.Rev <= rev {
				c.Errorf("queued anew: %+v", q)
			}
		}},
		{"a change that is settled is reserved no more", func(c *storeCase) {
			ctx := c.Context()
			refs := []engine.Ref{user("done"), user("failed"), user("expired"), user("later"), user("anew"), user("untouched")}
			c.lease("a", all, refs...)
			q := map[engine.Ref]engine.Queued{}
			for _, v := range c.undecided() {
				q[v.Ref] = v
			}
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{user("anew")}))
			gone := escrow(ago)
			gone.Expired = true
			c.must(c.s.Settle(ctx, c.job, "", []engine.Settled{
				{Ref: user("done"), Rev: q[user("done")].Rev}, {Ref: user("failed"), Rev: q[user("failed")].Rev, Escrow: escrow(later)},
				{Ref: user("expired"), Rev: q[user("expired")].Rev, Escrow: gone}, {Ref: user("later"), Rev: q[user("later")].Rev, Later: later},
				{Ref: user("anew"), Rev: q[user("anew")].Rev}, {Ref: user("untouched"), Log: row(engine.Skip, user("untouched"))},
			}))
			for _, r := range refs[1:5] {
				c.equal(r.ID, c.owner(r), "")
			}
			c.equal("done", c.owner(user("done")), "not queued")
			c.equal("what did not stem from the queue", c.owner(user("untouched")), "a")
			c.equal("all are free", got(c.s.Lease(ctx, c.job, refs[:5], "b", all, now))(c), nil)
		}},
		{"what is in escrow, held or ready is reserved as it is", func(c *storeCase) {
			ctx := c.Context()
			c.hold("held")
			failed := c.queue(user("failed"))[user("failed")]
			c.must(c.s.Settle(ctx, c.job, "", []engine.Settled{{Ref: failed.Ref, Rev: failed.Rev, Escrow: escrow(later)}}))
			c.queue(user("ready"))
			c.exporting(engine.Planned{Ref: user("ready"), Order: engine.OrderUpdate})
			c.lease("a", soon, user("held"), user("failed"), user("ready"))
			c.equal("sizes", got(c.s.QueueSize(ctx, c.job))(c),
				map[engine.ChangeState]int{engine.ChangeHeld: 1, engine.ChangeEscrow: 1, engine.ChangeReady: 1})
			c.equal("hold", c.change(user("held")).Hold, holdOf(engine.Disable))
		}},
	}
}
