package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
)

func newJobSync(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "sync [JOB]",
		Short: "Start a cycle now and follow it to its end",
		Long: `Starts a cycle of a job now, or joins the one that is under way, shows its progress on stderr and prints its
result, with the exit code of run --once. A paused job, or one that waits in quarantine, runs this one cycle. With a
running service the cycle goes on there when this command is stopped; without one it runs in this process.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				id, err := a.job(ctx, args)
				if err != nil {
					return err
				}
				c, err := r.sync(ctx, a, id)
				if ctx.Err() != nil {
					return a.left(id)
				}
				if err != nil {
					return err
				}
				return r.writeSynced(ctx, a, c)
			})
		},
	}
}

// left says what becomes of a cycle that nobody follows any more.
func (a *api) left(id engine.JobID) error {
	if a.local {
		return &exitError{exitInternal, errors.New("stopped; what was not done waits for the next cycle")}
	}
	return &exitError{exitInternal, fmt.Errorf("not followed any more; the cycle goes on. To follow it again: %s; to end it: %s", a.next("job sync %s", id), a.next("job stop %s", id))}
}

// sync starts a cycle and follows it.
func (c *console) sync(ctx context.Context, a *api, id engine.JobID) (web.CycleResult, error) {
	f := follower{api: a, job: id}
	if err := f.start(ctx); err != nil {
		return web.CycleResult{}, err
	}
	p := &progress{w: c.err, live: terminal(c.err), job: id}
	defer p.clear()
	return f.follow(ctx, p)
}

// follower waits for the end of a cycle. Short interruptions of the service do not matter to it.
type follower struct {
	*api
	job    engine.JobID
	before string         // the newest cycle before, "" if there was none
	cycle  engine.CycleID // the one that was started or joined
	begun  bool

	imported int       // objects read so far
	looked   time.Time // when that was asked for
}

const (
	// askEvery is how often the service is asked how the cycle stands.
	askEvery = 250 * time.Millisecond
	// beginsWithin is how long a cycle that was started may take to begin: it needs a free worker.
	beginsWithin = 2 * time.Minute
	// outage is how long the service may be away while a cycle is followed.
	outage = 30 * time.Second
)

func (f *follower) follow(ctx context.Context, p *progress) (web.CycleResult, error) {
	started, heard := time.Now(), time.Now()
	for tick := time.NewTicker(askEvery); ; {
		c, err := f.ask(ctx)
		now := time.Now()
		switch {
		case err == nil:
			heard = now
			if f.begun = true; c.State != engine.CycleRunning {
				return c, nil
			}
			p.show(f.running(ctx, c, now), now)
		case ctx.Err() != nil:
			return c, ctx.Err()
		case missing(err) && !f.begun:
			heard = now
			if err := f.begins(ctx, now.Sub(started)); err != nil {
				return c, err
			}
		case !passing(err) || now.Sub(heard) > outage:
			return c, err
		}
		select {
		case <-ctx.Done():
			return c, ctx.Err()
		case <-tick.C:
		}
	}
}

// start starts a cycle. One that has written its result, but is not put away yet, is joined by whoever starts the next:
// then it is asked again.
func (f *follower) start(ctx context.Context) error {
	last, err := f.Cycles(ctx, f.job, web.PageQuery{Top: 1})
	if err != nil {
		return err
	}
	over := false
	if len(last.Value) > 0 {
		f.before, over = last.Value[0].Cycle, last.Value[0].State != engine.CycleRunning
	}
	for begun := time.Now(); ; {
		f.cycle, err = f.Sync(ctx, f.job)
		if p, ok := errors.AsType[*web.Problem](err); ok && p.Code == "InvalidJobState" {
			return &exitError{exitHeld, p}
		}
		if err != nil || !over || string(f.cycle) != f.before || time.Since(begun) > beginsWithin {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askEvery):
		}
	}
}

// ask reads the cycle. One that was started just when another began is passed over by the schedule: the other
// one is followed then.
func (f *follower) ask(ctx context.Context) (web.CycleResult, error) {
	c, err := f.Cycle(ctx, f.job, f.cycle)
	if !missing(err) || f.begun {
		return c, err
	}
	newest, other := f.Cycles(ctx, f.job, web.PageQuery{Top: 1})
	if other != nil || len(newest.Value) == 0 || newest.Value[0].Cycle == f.before {
		return c, err
	}
	f.cycle = engine.CycleID(newest.Value[0].Cycle)
	return newest.Value[0], nil
}

// begins says why a cycle that was started does not begin.
func (f *follower) begins(ctx context.Context, waited time.Duration) error {
	j, err := f.Job(ctx, f.job)
	if err != nil {
		return err
	}
	if j.Schedule.State == "Disabled" {
		return &exitError{exitHeld, fmt.Errorf("job %s: no cycle begins: it is %s; mend the cause and start it: %s", f.job, statusOf(j), f.next("job start %s", f.job))}
	}
	if waited > beginsWithin {
		return &exitError{exitConnection, fmt.Errorf("job %s: no cycle began within %s; look at the log of the service: it needs a free worker and Temporal", f.job, beginsWithin)}
	}
	return nil
}

func missing(err error) bool {
	p, ok := errors.AsType[*web.Problem](err)
	return ok && p.Status == http.StatusNotFound
}

// passing reports whether an error may be over in a moment: the service is being restarted, or busy.
func passing(err error) bool {
	if p, ok := errors.AsType[*web.Problem](err); ok {
		return p.Status == http.StatusTooManyRequests || p.Status >= http.StatusInternalServerError
	}
	_, ok := errors.AsType[*url.Error](err)
	return ok
}

// lookEvery is how often the job is asked for what its cycle has read: that answer is a large one.
const lookEvery = time.Second

// running is the cycle behind an answer, as far as progress shows it.
func (f *follower) running(ctx context.Context, c web.CycleResult, now time.Time) engine.Cycle {
	if c.Phase == engine.PhaseImport && now.Sub(f.looked) > lookEvery {
		f.looked = now
		if j, err := f.Job(ctx, f.job); err == nil && len(j.Status.Progress) > 0 { // progress is an extra
			f.imported = int(j.Status.Progress[0].CompletedUnits)
		}
	}
	n := engine.Counts{
		engine.ObjectsImported: f.imported,
		engine.ObjectsQueued:   c.Total, engine.ObjectsDone: c.Done, engine.MembershipsAdded: c.Memberships.Added, engine.MembershipsRemoved: c.Memberships.Removed,
		engine.User.Counter(engine.BucketFailed): c.Users.Failed, engine.Group.Counter(engine.BucketFailed): c.Groups.Failed,
	}
	return engine.Cycle{ID: engine.CycleID(c.Cycle), Job: engine.JobID(c.Job), Kind: c.Kind, State: c.State, Phase: c.Phase, StartedAt: c.StartedAt, Counts: n}
}

// ended is the cycle behind an answer, as far as the exit code asks for it.
func ended(c web.CycleResult) engine.Cycle {
	out := engine.Cycle{State: c.State}
	for _, p := range []*web.CycleProblem{c.Quarantine, c.Error} {
		if p != nil {
			out.ErrorCode = p.Code
		}
	}
	return out
}

// writeSynced prints the result of a cycle, what failed in it, and how to go on.
func (c *console) writeSynced(ctx context.Context, a *api, done web.CycleResult) error {
	if c.json() {
		if err := writeDocument(c.out, web.RunResult{Cycles: []web.CycleResult{done}}); err != nil {
			return err
		}
	} else if err := c.writeOutcome(ctx, a, done); err != nil {
		return err
	}
	if code := exitOf([]engine.Cycle{ended(done)}); code != exitDone {
		return &exitError{code: code}
	}
	return nil
}

// shownFailures is how many failures of a cycle are shown.
const shownFailures = 10

func (c *console) writeOutcome(ctx context.Context, a *api, done web.CycleResult) error {
	if err := writeCycle(c.out, done); err != nil {
		return err
	}
	id := engine.JobID(done.Job)
	rows, err := a.Logs(ctx, id, web.LogQuery{Cycle: engine.CycleID(done.Cycle), Status: engine.StatusFailure, Limit: shownFailures + 1})
	if err != nil {
		return err
	}
	for i, row := range rows {
		if i == shownFailures {
			fmt.Fprintf(c.out, "  … for all of them: %s\n", a.next("logs %s --status failure --cycle %s", id, done.Cycle))
			break
		}
		fmt.Fprint(c.out, "  ")
		if err := writeEvent(c.out, entryOf(row), "    "); err != nil {
			return err
		}
	}
	j, err := a.Job(ctx, id)
	if err != nil {
		return err
	}
	writeAdvice(c.out, "", advice(a, j))
	return nil
}

// entryOf is the log row behind an answer, as far as it is shown to people.
func entryOf(r web.LogRow) engine.LogEntry {
	return engine.LogEntry{
		ID: r.ID, At: r.Time, Job: r.Job, Cycle: r.Cycle, Kind: r.Type, Action: r.Action, Status: r.Status, Rule: r.Rule, Reason: r.Reason,
		Source: r.Source, Target: r.Target, Code: r.Code, HTTPStatus: r.HTTPStatus, Detail: r.Detail, Changes: r.Changes, By: r.By, MatchedBy: r.MatchedBy,
	}
}
