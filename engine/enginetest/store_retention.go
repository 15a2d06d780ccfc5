package enginetest

import (
	"fmt"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// pruneAll prunes until nothing is left to be pruned, and returns how much it was.
func (c *storeCase) pruneAll(before engine.Retention, limit int) int {
	c.Helper()
	sum := 0
	for range 100 {
		n := got(c.s.Prune(c.Context(), c.job, before, limit))(c)
		if n == 0 {
			return sum
		}
		sum += n
	}
	c.Fatal("there is always something left to be pruned")
	return 0
}

// day is noon of a day of a test.
func day(n int) time.Time { return now.AddDate(0, 0, n) }

func retentionTests() []storeTest {
	// One row of the log a day, by its name.
	logged := func(c *storeCase, days int, changes ...engine.LoggedChange) {
		var done []engine.Settled
		for i := range days {
			r := user(fmt.Sprint("day", i))
			e := row(engine.Update, r)
			e.At, e.Changes = day(i), changes
			done = append(done, engine.Settled{Ref: r, Log: e})
		}
		c.must(c.s.Settle(c.Context(), c.job, "", done))
	}
	return []storeTest{
		{"nothing is pruned unless it is said", func(c *storeCase) {
			logged(c, 2)
			c.equal("rows", c.pruneAll(engine.Retention{}, 10), 0)
			c.equal("log", len(c.logged(engine.LogFilter{})), 2)
		}},
		{"old rows of the log are removed, in steps", func(c *storeCase) {
			logged(c, 7)
			other := &storeCase{T: c.T, s: c.s, job: "other"}
			logged(other, 7)
			before := engine.Retention{Log: day(5)}
			c.equal("first step", got(c.s.Prune(c.Context(), c.job, before, 2))(c), 2)
			c.equal("the oldest went first", c.logged(engine.LogFilter{Limit: 1}), []string{"update day2"})
			c.equal("the rest", c.pruneAll(before, 2), 3)
			c.equal("log", c.logged(engine.LogFilter{}), []string{"update day5", "update day6"})
			c.equal("another job", len(other.logged(engine.LogFilter{})), 7)
		}},
		{"old values are removed, what changed stays", func(c *storeCase) {
			ctx := c.Context()
			changes := []engine.LoggedChange{{Attribute: "mail", Old: "old", New: "new"}, {Attribute: "active", Old: true, New: []any{"x"}}}
			logged(c, 6, changes...)
			plain := row(engine.Disable, user("plain"))
			plain.At = day(1)
			c.must(c.s.Settle(ctx, c.job, "", []engine.Settled{{Ref: user("plain"), Log: plain}}))
			entries := got(c.s.Entries(ctx, c.job, engine.LogFilter{}))(c)
			for i := range entries {
				if entries[i].At.Before(day(4)) && entries[i].Changes != nil {
					entries[i].Changes = []engine.LoggedChange{{Attribute: "mail"}, {Attribute: "active"}}
				}
			}
			before := engine.Retention{Values: day(4)}
			c.equal("first step", got(c.s.Prune(ctx, c.job, before, 3))(c), 3)
			c.equal("the rest", c.pruneAll(before, 3), 1)
			c.equal("log", got(c.s.Entries(ctx, c.job, engine.LogFilter{}))(c), entries)
			c.equal("two days later", c.pruneAll(engine.Retention{Values: day(6)}, 3), 2)
			for _, e := range got(c.s.Entries(ctx, c.job, engine.LogFilter{}))(c) {
				for _, change := range e.Changes {
					if change.Old != nil || change.New != nil || change.Attribute == "" {
						c.Errorf("%s: %+v", e.Source.ID, change)
					}
				}
			}
			c.control(func(ctl *engine.Control) { ctl.Paused = true })
			c.equal("nothing is done twice", c.pruneAll(engine.Retention{Values: day(6)}, 3), 0)
			c.equal("nothing else was said about the job", got(c.s.Control(ctx, c.job))(c), engine.Control{Paused: true})
		}},
		{"rows of one moment are all emptied", func(c *storeCase) {
			var done []engine.Settled
			for i := range 5 {
				r := user(fmt.Sprint("u", i))
				e := row(engine.Update, r)
				e.At, e.Changes = day(0), []engine.LoggedChange{{Attribute: "mail", New: "new"}}
				done = append(done, engine.Settled{Ref: r, Log: e})
			}
			c.must(c.s.Settle(c.Context(), c.job, "", done))
			c.equal("rows", c.pruneAll(engine.Retention{Values: day(1)}, 2), 5)
			for _, e := range got(c.s.Entries(c.Context(), c.job, engine.LogFilter{}))(c) {
				if e.Changes[0].New != nil {
					c.Errorf("%s has kept its values", e.Source.ID)
				}
			}
		}},
		{"old cycles are removed but for the newest that succeeded", func(c *storeCase) {
			ctx := c.Context()
			for i, state := range []engine.CycleState{engine.CycleSucceeded, engine.CycleFailed, engine.CycleSucceeded, engine.CycleEntryErrors, engine.CycleFailed} {
				id := c.cycle(engine.CycleID(fmt.Sprint("c", i)))
				c.must(c.s.Count(ctx, c.job, id, engine.Counts{usersCreated: 1}))
				got(c.s.EndCycle(ctx, c.job, id, state, "", "", day(i)))(c)
			}
			c.cycle("running")
			ids := func() (list []engine.CycleID) {
				for _, r := range got(c.s.LastCycles(ctx, c.job, 10))(c) {
					list = append(list, r.ID)
				}
				return list
			}
			c.equal("first step", got(c.s.Prune(ctx, c.job, engine.Retention{Cycles: day(4)}, 1))(c), 1)
			c.equal("the oldest went first", ids(), []engine.CycleID{"running", "c4", "c3", "c2", "c1"})
			c.equal("the rest", c.pruneAll(engine.Retention{Cycles: day(4)}, 1), 2)
			c.equal("cycles", ids(), []engine.CycleID{"running", "c4", "c2"})
			c.equal("its counters", c.counts("c2"), engine.Counts{usersCreated: 1})
			c.equal("all but two", c.pruneAll(engine.Retention{Cycles: day(99)}, 10), 1)
			c.equal("cycles", ids(), []engine.CycleID{"running", "c2"})
		}},
		{"old audit rows of the job and of no job are removed", func(c *storeCase) {
			ctx := c.Context()
			for _, job := range []engine.JobID{c.job, "", "other"} {
				for i := range 2 {
					c.must(c.s.PutAudit(ctx, engine.AuditEntry{At: day(i), Job: job, By: "system", Activity: engine.AuditStarted}))
				}
			}
			c.equal("rows", c.pruneAll(engine.Retention{Audit: day(1)}, 1), 2)
			var left []string
			for _, e := range got(c.s.AuditEntries(ctx, engine.AuditFilter{}))(c) {
				left = append(left, fmt.Sprintf("%s %d", e.Job, e.At.Day()-now.Day()))
			}
			c.equal("left", left, []string{"job 1", " 1", "other 0", "other 1"})
		}},
		{"old notices are removed when nothing is left to be sent", func(c *storeCase) {
			ctx := c.Context()
			for i, done := range []bool{true, false, true, true} {
				n := engine.Notice{Job: c.job, Key: fmt.Sprint("n", i), At: day(i), Done: done}
				got(c.s.PutNotice(ctx, n))(c)
			}
			got(c.s.PutNotice(ctx, engine.Notice{Job: "other", Key: "n0", At: day(0), Done: true}))(c)
			c.equal("rows", c.pruneAll(engine.Retention{Notice: day(3)}, 1), 2)
			var again []bool
			for i := range 4 {
				again = append(again, got(c.s.PutNotice(ctx, engine.Notice{Job: c.job, Key: fmt.Sprint("n", i), Done: true}))(c))
			}
			c.equal("no longer there", again, []bool{true, false, true, false})
			c.equal("another job", got(c.s.PutNotice(ctx, engine.Notice{Job: "other", Key: "n0"}))(c), false)
		}},
	}
}
