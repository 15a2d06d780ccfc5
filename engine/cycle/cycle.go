// Package cycle holds the loops with effects: import a page, decide a batch, export a batch.
//
// [Runner.Run] is the whole product on one screen. The workflow SyncCycle takes the same steps one
// by one as activities, on any worker: every step finds in the store what is left to do, so that a step
// that broke off is simply taken again. The package knows the ports of engine, not what stands
// behind them.
package cycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// Job is a job with its connectors.
type Job struct {
	engine.Job
	// Described is the mapping in words; it is kept with the job's state, for people.
	Described string
	// Schema is the schema that the mapping was taken from instead of the configuration, "" for none, see
	// [engine.Control].
	Schema string
	Source engine.Source
	Target engine.Target
}

// Runner carries out the steps of cycles. Its fields are set before it is used.
type Runner struct {
	Store engine.Store
	Jobs  map[engine.JobID]*Job
	Log   *zap.Logger
	Now   func() time.Time
	// Concurrency is the number of objects of one batch that are worked on at once; the target's own
	// limiter decides how many requests are really in flight.
	Concurrency int

	claims    claims    // target objects being linked right now, see match.go
	tally     tally     // numbers on their way to the store, see tally.go
	wishes    wishes    // objects wanted on demand, see wishes.go
	halts     halts     // jobs whose cycle was stopped, see recover.go
	newcomers newcomers // matching values of objects being made, see newcomers.go
	licences  licences  // accounts refused for want of a licence, see licences.go

	// Rebuild makes a job anew with the schema given in place of its mapping, "" for none. Nil: jobs never change.
	Rebuild func(j engine.JobID, schema string) (*Job, error)
	rebuilt rebuilt

	// Record is told every operation and reference that a dry run would carry out, to be saved as a plan.
	Record func(engine.PlannedOp)
	// Careful reads every linked target object before something is written to it: for plans that are saved and
	// applied, which are to notice what changed at the target meanwhile.
	Careful bool
}

// New returns a Runner with the defaults of production.
func New(store engine.Store, jobs map[engine.JobID]*Job, lg *zap.Logger) *Runner {
	return &Runner{Store: store, Jobs: jobs, Log: lg, Now: time.Now, Concurrency: 32}
}

// Beat reports that a step is alive and how many objects it has done. It is called often and must
// be cheap.
type Beat func(done int)

// Run carries out one whole cycle of a job in this process.
func (r *Runner) Run(ctx context.Context, id engine.JobID, cycle engine.CycleID, beat Beat) (engine.Cycle, error) {
	c, err := r.Begin(ctx, id, cycle)
	if err != nil {
		return c, err
	}
	err = func() error {
		if err := r.Import(ctx, c, beat); err != nil {
			return err
		}
		plan, err := r.Decide(ctx, c, beat)
		if err != nil {
			return err
		}
		for _, batch := range plan.Batches {
			if err := r.Export(ctx, c, batch, beat); err != nil {
				return err
			}
		}
		retry, err := r.Deferred(ctx, c)
		if err != nil {
			return err
		}
		for _, batch := range retry {
			if err := r.Export(ctx, c, batch, beat); err != nil {
				return err
			}
		}
		for _, rel := range []engine.Relation{engine.Member, engine.Manager} {
			stretches, err := r.Stretches(ctx, c, rel)
			if err != nil {
				return err
			}
			for _, s := range stretches {
				if err := r.ExportEdges(ctx, c, s, beat); err != nil {
					return err
				}
			}
		}
		return nil
	}()
	return r.End(context.WithoutCancel(ctx), c, err)
}

// Begin opens a cycle of the job. Taken again for the same cycle it goes on with it; one that an earlier process
// left open is closed, and what that had planned and not done is decided anew: the source, the configuration and
// people's verdicts may be others by now. A cycle is an initial one if the job never completed one, or if what decides
// about objects is not what all cycles since the last complete one ran with; then everything is read and evaluated
// anew while links stay (provisioning.md section 5). A [*NotNowError] says that none begins.
func (r *Runner) Begin(ctx context.Context, id engine.JobID, cycle engine.CycleID) (engine.Cycle, error) {
	job, err := r.newest(ctx, id)
	if err != nil {
		return engine.Cycle{}, err
	}
	plan, err := r.mayBegin(ctx, id, cycle)
	if err != nil {
		return engine.Cycle{}, err
	}
	state, err := r.Store.JobState(ctx, id)
	if err != nil {
		return engine.Cycle{}, err
	}
	kind := engine.Incremental
	if !state.InitialDone || ranOtherwise(state, job) {
		kind = engine.Initial
	}
	c, err := r.begin(ctx, engine.Cycle{
		ID: cycle, Job: id, Kind: kind, State: engine.CycleRunning, Phase: engine.PhaseImport, StartedAt: r.Now().UTC(), Plan: plan,
	})
	if err != nil {
		return c, fmt.Errorf("begin cycle: %w", err)
	}
	if err := r.asked(ctx, id); err != nil {
		return c, err
	}
	if err := r.runWith(ctx, job, state, &c); err != nil {
		return c, err
	}
	r.halts.jobs.Delete(id)
	// What a connector counted before this cycle, a connection test for example, is not part of it.
	job.Source.TakeRequests()
	job.Target.TakeRequests()
	r.log(c).Info("cycle begins", zap.String("kind", string(c.Kind)))
	return c, nil
}

// begin opens a cycle, after closing one that somebody else left open.
func (r *Runner) begin(ctx context.Context, fresh engine.Cycle) (engine.Cycle, error) {
	last, err := r.Store.LastCycles(ctx, fresh.Job, 1)
	if err != nil {
		return fresh, err
	}
	if len(last) > 0 && last[0].State == engine.CycleRunning && last[0].ID != fresh.ID {
		if err := r.Abandon(ctx, fresh.Job); err != nil {
			return fresh, err
		}
		last[0].State, last[0].ErrorCode = engine.CycleFailed, CodeInterrupted
	}
	// What the interrupted cycle found out about the target before its first write is as good as it was: what it
	// made since is linked, or marked to be searched for.
	if len(last) > 0 && last[0].ErrorCode == CodeInterrupted && fresh.StartedAt.Sub(last[0].StartedAt) < surveyKept {
		fresh.Survey = last[0].Survey
	}
	c, err := r.Store.BeginCycle(ctx, fresh)
	if err != nil || c.Phase != engine.PhaseImport {
		return c, err
	}
	n, err := r.Store.Requeue(ctx, fresh.Job, batchOwner, r.Now().UTC())
	if err == nil && n > 0 {
		r.log(c).Info("what an earlier cycle planned and did not do is decided anew", zap.Int("count", n))
	}
	return c, err
}

// surveyKept is for how long a survey is believed that an interrupted cycle made.
const surveyKept = time.Hour

// Abandon closes the cycle that a job has open although nobody works on it.
func (r *Runner) Abandon(ctx context.Context, id engine.JobID) error {
	last, err := r.Store.LastCycles(ctx, id, 1)
	if err != nil || len(last) == 0 || last[0].State != engine.CycleRunning {
		return err
	}
	c, err := r.Store.EndCycle(ctx, id, last[0].ID, engine.CycleFailed, CodeInterrupted, interrupted, r.Now().UTC())
	if err == nil {
		r.log(c).Warn("a cycle that nobody worked on was closed")
	}
	return err
}

// CodeInterrupted is the code of a cycle that was closed because the process that ran it ended.
const CodeInterrupted = "interrupted"

const interrupted = "the process that ran it ended; what it had not done by then is decided anew by the next cycle"

// Interrupted is the error of a step that comes so late that what was planned is no plan any more.
func Interrupted() error { return &StopError{Code: CodeInterrupted, Message: interrupted} }

// mayBegin asks the gate, unless the cycle itself is open already.
func (r *Runner) mayBegin(ctx context.Context, id engine.JobID, cycle engine.CycleID) (plan string, err error) {
	last, err := r.Store.LastCycles(ctx, id, 1)
	if err != nil || len(last) > 0 && last[0].State == engine.CycleRunning && last[0].ID == cycle {
		return "", err
	}
	return r.gate(ctx, id)
}

// runWith makes it durable, before the first decision, what the cycle decides by. When the cycle before
// decided otherwise, be it a complete one, one that broke off or the first part of this one, everything is read again.
func (r *Runner) runWith(ctx context.Context, job *Job, state engine.JobState, c *engine.Cycle) error {
	past, now := ran(state), Fingerprint(&job.Job)
	if len(past) > 0 && past[len(past)-1] == now {
		return nil
	}
	if len(past) > 0 {
		if err := r.Store.ForgetWatermarks(ctx, job.ID); err != nil {
			return err
		}
		if err := r.Store.SetKind(ctx, job.ID, c.ID, engine.Initial); err != nil {
			return err
		}
		c.Kind = engine.Initial
	}
	past = append(slices.DeleteFunc(past, func(f string) bool { return f == now }), now)
	state.Fingerprint = strings.Join(past, "\n")
	return r.Store.PutJobState(ctx, job.ID, state)
}

// ran are the fingerprints of the last complete cycle and of those begun since.
func ran(s engine.JobState) []string {
	if s.Fingerprint == "" {
		return nil
	}
	return strings.Split(s.Fingerprint, "\n")
}

// ranOtherwise reports whether objects may have been exported by other rules than those of the job now.
func ranOtherwise(s engine.JobState, job *Job) bool {
	now := Fingerprint(&job.Job)
	return slices.ContainsFunc(ran(s), func(f string) bool { return f != now })
}

// End closes a cycle: with what broke it off, or well. What a cycle learned is kept either way; the
// queue goes on where it stood.
func (r *Runner) End(ctx context.Context, c engine.Cycle, broke error) (engine.Cycle, error) {
	job, err := r.jobOf(c.Job)
	if err != nil {
		return c, err
	}
	if err := r.count(ctx, job, c, nil); err != nil {
		return c, err
	}
	e, err := r.ending(ctx, job, c, broke)
	if err != nil {
		return c, err
	}
	if e.complete && e.whole {
		if err := r.ranThrough(ctx, job); err != nil {
			return c, err
		}
	}
	defer r.tally.forget(c.ID)
	defer r.licences.forget(c.ID)
	defer r.newcomers.forget(c.ID)
	if err := r.countHeld(ctx, c, e.held); err != nil {
		return c, err
	}
	ended, err := r.Store.EndCycle(ctx, c.Job, c.ID, e.state, e.code, e.message, r.Now().UTC())
	if err != nil {
		return c, fmt.Errorf("end cycle: %w", err)
	}
	r.log(c).Info("cycle ended", zap.String("state", string(ended.State)), zap.String("code", ended.ErrorCode),
		zap.Duration("duration", ended.EndedAt.Sub(ended.StartedAt)))
	if e.code == "stopped" || e.code == CodeInterrupted { // it says nothing about the job
		return ended, nil
	}
	return ended, r.conclude(ctx, ended, e)
}

// countHeld counts the changes that guards hold: they were evaluated in this cycle like all others.
func (r *Runner) countHeld(ctx context.Context, c engine.Cycle, h HeldNow) error {
	now, err := r.Store.Cycle(ctx, c.Job, c.ID)
	if err != nil || now.State != engine.CycleRunning {
		return err
	}
	n := engine.Counts{}
	for k, held := range h.Undecided {
		n[k.Counter(engine.BucketHeld)] = held - now.Counts[k.Counter(engine.BucketHeld)]
	}
	for k, rejected := range h.Rejected {
		n[k.Counter(engine.BucketSkipped)] += rejected
	}
	return r.Store.Count(ctx, c.Job, c.ID, n)
}

// ranThrough records that a cycle of the job was complete. A cycle that was begun by a process with other
// rules than this one has was complete by neither.
func (r *Runner) ranThrough(ctx context.Context, job *Job) error {
	state, err := r.Store.JobState(ctx, job.ID)
	if err != nil {
		return err
	}
	past, now := ran(state), Fingerprint(&job.Job)
	if len(past) > 0 && past[len(past)-1] != now {
		return nil
	}
	return r.Store.PutJobState(ctx, job.ID, engine.JobState{Fingerprint: now, Described: job.Described, InitialDone: true})
}

// StopError ends a cycle early: the connection as a whole is broken, or wants a pause. No object is
// to blame.
type StopError struct {
	Code       engine.Code
	Side       string // "source" or "target"; "" when neither is to blame
	Message    string // safe to log
	Quarantine bool   // the job cannot work until somebody mends something
	RetryAt    time.Time
	Err        error
}

func (e *StopError) Error() string {
	if e.Side == "" {
		return e.Message
	}
	return e.Side + ": " + e.Message
}

func (e *StopError) Unwrap() error { return e.Err }

// stopped turns the error of a connector into the StopError it means.
func stopped(err error) error {
	var stop *StopError
	var se *engine.SourceError
	var te *engine.TargetError
	switch {
	case err == nil || errors.As(err, &stop) || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &se):
		return &StopError{Code: se.Code, Side: "source", Message: se.Error(), Quarantine: !se.Transient, RetryAt: se.RetryAt, Err: err}
	case errors.As(err, &te):
		return &StopError{Code: te.Code, Side: "target", Message: targetMessage(te), Quarantine: te.Outcome == engine.OutcomeQuarantine, RetryAt: te.RetryAt, Err: err}
	default:
		return err
	}
}

// targetMessage says what to do about the failures that stop a cycle.
func targetMessage(e *engine.TargetError) string {
	s := e.Error()
	switch e.Code {
	case engine.CodeCredentials:
		s += ": the target refuses the credentials; renew target.auth and run `scimsync check`"
	case engine.CodeForbidden:
		s += ": the credentials are valid but may not do this; give them the rights to read and write users and groups"
	case engine.CodeThrottled:
		s += ": the target asked for a longer pause than a call may wait; the cycle goes on afterwards"
	case engine.CodeBadResponse:
		s += ": this is not how a SCIM interface answers; check target.baseUrl and run `scimsync check`"
	case engine.CodeFilterIgnored, engine.CodeFilterUnsupported:
		s += ": the target does not search by the matching attribute; match on another one, and run `scimsync check`"
	case engine.CodeMembersWiped:
		s += ": the target emptied a group when one member was to be removed, and the others were put back; set target.members.removeStyle to filter"
	case engine.CodeTransport, engine.CodeTimeout:
		if e.Status != 0 && e.Status < 500 {
			return s + ": the target refuses requests of this form; check target.baseUrl, profile and mediaType, then run `scimsync check`"
		}
		s += ": the target does not answer; check target.baseUrl and the network, then run `scimsync check`"
	}
	return s
}

func (r *Runner) log(c engine.Cycle) *zap.Logger {
	return r.Log.With(zap.String("job", string(c.Job)), zap.String("cycle", string(c.ID)))
}
