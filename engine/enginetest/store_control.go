package enginetest

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/engine"
)

// control changes the control of the job.
func (c *storeCase) control(change func(*engine.Control)) engine.Control {
	c.Helper()
	return got(c.s.UpdateControl(c.Context(), c.job, func(ctl *engine.Control) error {
		change(ctl)
		return nil
	}))(c)
}

// refused is an error of a caller.
type refused struct{ why string }

func (r *refused) Error() string { return r.why }

func controlTests() []storeTest {
	whole := engine.Control{
		Paused: true, Disabled: true, AskedAt: now, Schema: `{"id": "Zoë"}`, Failures: 3, SteadyFirst: now.Add(time.Hour), SteadyLast: now.Add(2 * time.Hour),
		Pruned: true, BinAt: now.Add(3 * time.Hour),
		Quarantine: &engine.Quarantine{Reason: engine.QuarantineDeletes, Code: engine.CodeConflict, Message: "what happened", SeriesBegan: now,
			CurrentBegan: now.Add(time.Minute), SeriesCount: 4, NextAttempt: now.Add(time.Hour)},
	}
	return []storeTest{
		{"nothing was said about a new job", func(c *storeCase) {
			c.equal("control", got(c.s.Control(c.Context(), c.job))(c), engine.Control{})
		}},
		{"a control keeps all of its fields, times in UTC", func(c *storeCase) {
			local := whole
			local.AskedAt, local.BinAt = now.In(time.FixedZone("there", 3600)), whole.BinAt.In(time.FixedZone("there", 3600))
			q := *whole.Quarantine
			q.NextAttempt = q.NextAttempt.In(time.FixedZone("there", -3600))
			local.Quarantine = &q
			c.equal("returned", c.control(func(ctl *engine.Control) { *ctl = local }), whole)
			stored := got(c.s.Control(c.Context(), c.job))(c)
			c.equal("stored", stored, whole)
			for _, at := range []time.Time{stored.AskedAt, stored.BinAt, stored.Quarantine.NextAttempt} {
				if at.Location() != time.UTC {
					c.Errorf("%v is not in UTC", at)
				}
			}
			c.equal("another job", got(c.s.Control(c.Context(), "other"))(c), engine.Control{})
			c.equal("healed", c.control(func(ctl *engine.Control) { ctl.Quarantine = nil }).Quarantine, (*engine.Quarantine)(nil))
			c.equal("stored", got(c.s.Control(c.Context(), c.job))(c).Quarantine, (*engine.Quarantine)(nil))
		}},
		{"what was returned is the caller's own", func(c *storeCase) {
			q := &engine.Quarantine{SeriesCount: 1}
			stored := c.control(func(ctl *engine.Control) { ctl.Quarantine = q })
			q.SeriesCount = 2
			c.equal("returned", stored.Quarantine.SeriesCount, 1)
			c.equal("stored", got(c.s.Control(c.Context(), c.job))(c).Quarantine.SeriesCount, 1)
		}},
		{"a change that is refused leaves everything as it was", func(c *storeCase) {
			ctx := c.Context()
			c.control(func(ctl *engine.Control) { *ctl = whole })
			sentinel := errors.New("no")
			_, err := c.s.UpdateControl(ctx, c.job, func(ctl *engine.Control) error {
				ctl.Paused, ctl.Quarantine.SeriesCount = false, 99
				return sentinel
			})
			c.wraps(err, sentinel)
			_, err = c.s.UpdateControl(ctx, c.job, func(ctl *engine.Control) error { return &refused{"because"} })
			if r, ok := errors.AsType[*refused](err); !ok || r.why != "because" {
				c.Errorf("error %v does not tell what the change said", err)
			}
			c.equal("stored", got(c.s.Control(ctx, c.job))(c), whole)
		}},
		{"changes at the same time all count", func(c *storeCase) {
			var g errgroup.Group
			for range 4 {
				g.Go(func() error {
					for range 10 {
						_, err := c.s.UpdateControl(c.Context(), c.job, func(ctl *engine.Control) error {
							ctl.Failures++
							return nil
						})
						if err != nil {
							return err
						}
					}
					return nil
				})
			}
			c.must(g.Wait())
			c.equal("failures", got(c.s.Control(c.Context(), c.job))(c).Failures, 40)
		}},
		{"doubted links are verified and their objects evaluated", func(c *storeCase) {
			ctx := c.Context()
			c.link(user("u1"), group("g1"))
			released := linkOf(user("u2"))
			released.State = engine.Released
			c.must(c.s.PutLink(ctx, c.job, *released, false))
			other := linkOf(user("u1"))
			c.must(c.s.PutLink(ctx, "other", *other, false))
			for range 2 {
				c.must(c.s.DoubtLinks(ctx, c.job))
				c.equal("queue", c.queued(), []string{"group:g1", "user:u1", "user:u2"})
			}
			for _, r := range []engine.Ref{user("u1"), user("u2"), group("g1")} {
				if !got(c.s.Link(ctx, c.job, r))(c).Verify {
					c.Errorf("the link of %v is not to be verified", r)
				}
			}
			if got(c.s.Link(ctx, "other", user("u1")))(c).Verify {
				c.Error("the link of another job is to be verified")
			}
		}},
		{"forgotten links take what was exported along", func(c *storeCase) {
			ctx := c.Context()
			c.link(group("g1"), user("u1"), user("u2"), user("boss"))
			c.must(c.s.PutLink(ctx, "other", *linkOf(user("u1")), false))
			c.edges(member("g1", user("u1")), member("g1", user("u2")), member("g1", user("u3")), manager("u1", "boss"))
			c.export(engine.EdgesSettled{Added: []engine.Ref{user("u1"), user("u2")}})
			c.edges(removed(member("g1", user("u2"))))
			for i, want := range []int{4, 0} {
				c.equal(fmt.Sprint("links the ", i, " time"), got(c.s.ForgetLinks(ctx, c.job))(c), want)
				c.equal("links", got(c.s.CountLinks(ctx, c.job, engine.User))(c), nil)
				c.equal("members", c.g1(), nil)
				c.equal("managers", c.waiting(user("u1"), engine.Manager), nil)
			}
			c.equal("nothing is queued", c.queued(), nil)
			got(c.s.Link(ctx, "other", user("u1")))(c)
			c.link(group("g1"), user("u1"), user("u2"), user("boss"))
			c.equal("members, linked again", c.g1(), []string{"+user:u1", "+user:u3"})
			c.equal("managers, linked again", c.waiting(user("u1"), engine.Manager), []string{"+user:boss"})
		}},
		{"an erased job knows nothing", func(c *storeCase) {
			ctx := c.Context()
			for _, job := range []engine.JobID{c.job, "other"} {
				d := &storeCase{T: c.T, s: c.s, job: job}
				d.round(engine.FeedAssignments, true, engine.PageWrite{Assignments: []engine.Assignment{assigned("a1", user("u1"))}})
				d.round(engine.FeedUsers, true, engine.PageWrite{Objects: []engine.Object{active(user("u1"))}, Edges: []engine.Edge{manager("u1", "boss")}})
				d.link(user("u1"), user("boss"))
				d.must(c.s.Settle(ctx, job, d.cycle("c1"), []engine.Settled{{Ref: user("u1"), Bucket: engine.BucketCreated, Log: row(engine.Create, user("u1"))}}))
				d.must(c.s.PutJobState(ctx, job, engine.JobState{Fingerprint: "f"}))
				d.control(func(ctl *engine.Control) { ctl.Paused = true })
				d.must(c.s.PutPlan(ctx, job, "p1", []engine.PlannedOp{{Ref: user("u1"), Digest: "d"}}))
				got(c.s.PutNotice(ctx, engine.Notice{Job: job, Key: "k"}))(d)
				d.must(c.s.PutAudit(ctx, engine.AuditEntry{Job: job, Activity: engine.AuditPaused}))
			}
			knows := func(job engine.JobID) []any {
				d := &storeCase{T: c.T, s: c.s, job: job}
				var notices []string
				for _, n := range got(c.s.DueNotices(ctx, all, 10))(d) {
					if n.Job == job {
						notices = append(notices, n.Key)
					}
				}
				return []any{len(got(c.s.Entries(ctx, job, engine.LogFilter{}))(d)), len(got(c.s.LastCycles(ctx, job, 10))(d)), got(c.s.JobState(ctx, job))(d),
					got(c.s.Control(ctx, job))(d), len(got(c.s.PlanOf(ctx, job, "p1", u1))(d)), len(notices), len(d.queued()),
					len(got(c.s.Objects(ctx, job, engine.User, []string{"u1"}))(d)), len(got(c.s.AssignmentPaths(ctx, job, engine.User, []string{"u1"}))(d)),
					got(c.s.FeedState(ctx, job, engine.FeedUsers))(d), len(d.waiting(user("u1"), engine.Manager)), len(got(c.s.CountLinks(ctx, job, engine.User))(d))}
			}
			before := knows("other")
			nothing := []any{0, 0, engine.JobState{}, engine.Control{}, 0, 0, 0, 0, 0, engine.FeedState{}, 0, 0}
			for i := range before {
				if fmt.Sprint(before[i]) == fmt.Sprint(nothing[i]) {
					c.Fatalf("value %d: the test stored nothing", i)
				}
			}
			for range 2 {
				c.must(c.s.EraseJob(ctx, c.job))
				c.equal("erased", knows(c.job), nothing)
			}
			c.equal("another job", knows("other"), before)
			c.equal("audit", len(got(c.s.AuditEntries(ctx, engine.AuditFilter{Job: c.job}))(c)), 1)
			c.equal("what was told may be told again", got(c.s.PutNotice(ctx, engine.Notice{Job: c.job, Key: "k"}))(c), true)
		}},
	}
}
