package workflows

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
)

// Activities are the steps of a cycle. Fields are set before the worker starts.
type Activities struct {
	Cycles *cycle.Runner
}

// Begin opens the cycle, or returns the one that was left open.
func (a *Activities) Begin(ctx context.Context, ref CycleRef) (CycleRef, error) {
	c, err := a.Cycles.Begin(ctx, engine.JobID(ref.Job), engine.CycleID(ref.Cycle))
	if not, ok := errors.AsType[*cycle.NotNowError](err); ok {
		return CycleRef{Job: ref.Job, NotNow: not.Message}, nil
	}
	if err != nil {
		return ref, step(err)
	}
	return CycleRef{Job: ref.Job, Cycle: string(c.ID), Kind: string(c.Kind), Plan: c.Plan}, nil
}

// Import reads the source.
func (a *Activities) Import(ctx context.Context, ref CycleRef) error {
	beat, stop := beating(ctx)
	defer stop()
	return step(a.Cycles.Import(ctx, ref.cycle(), beat))
}

// Decide plans what is to be exported.
func (a *Activities) Decide(ctx context.Context, ref CycleRef) (PlanResult, error) {
	beat, stop := beating(ctx)
	defer stop()
	plan, err := a.Cycles.Decide(ctx, ref.cycle(), beat)
	return PlanResult{Batches: refs(ref, plan.Batches), Destructive: plan.Destructive}, step(err)
}

// Deferred returns what was put off to the end of the object phases.
func (a *Activities) Deferred(ctx context.Context, ref CycleRef) (PlanResult, error) {
	_, stop := beating(ctx)
	defer stop()
	batches, err := a.Cycles.Deferred(ctx, ref.cycle())
	return PlanResult{Batches: refs(ref, batches)}, step(err)
}

// Export works off one batch. It may run more than once: what is settled is skipped.
func (a *Activities) Export(ctx context.Context, in BatchRef) error {
	if late(ctx) {
		return step(cycle.Interrupted())
	}
	beat, stop := beating(ctx)
	defer stop()
	b := cycle.Batch{Kind: engine.Kind(in.Kind), Stage: in.Stage, From: in.From, To: in.To, Last: in.Last}
	return paused(ctx, a.Cycles.Export(ctx, in.Ref.cycle(), b, beat))
}

// Stretches returns the objects with references to export.
func (a *Activities) Stretches(ctx context.Context, in EdgesInput) (StretchesResult, error) {
	_, stop := beating(ctx)
	defer stop()
	ss, err := a.Cycles.Stretches(ctx, in.Ref.cycle(), engine.Relation(in.Relation))
	var out StretchesResult
	for _, s := range ss {
		out.Stretches = append(out.Stretches, StretchRef{Ref: in.Ref, Relation: in.Relation, After: s.After, UpTo: s.UpTo})
	}
	return out, step(err)
}

// ExportEdges writes the references of one run of objects.
func (a *Activities) ExportEdges(ctx context.Context, in StretchRef) error {
	if late(ctx) {
		return step(cycle.Interrupted())
	}
	beat, stop := beating(ctx)
	defer stop()
	s := cycle.Stretch{Relation: engine.Relation(in.Relation), After: in.After, UpTo: in.UpTo}
	return paused(ctx, a.Cycles.ExportEdges(ctx, in.Ref.cycle(), s, beat))
}

// End closes the cycle.
func (a *Activities) End(ctx context.Context, in EndInput) (CycleResult, error) {
	var broke error
	if b := in.Broke; b != nil {
		broke = &cycle.StopError{Code: engine.Code(b.Code), Side: b.Side, Message: b.Message, Quarantine: b.Quarantine}
	}
	c, err := a.Cycles.End(ctx, in.Ref.cycle(), broke)
	return CycleResult{Job: in.Ref.Job, Cycle: in.Ref.Cycle, State: string(c.State)}, step(err)
}

// Provision provisions single objects now.
func (a *Activities) Provision(ctx context.Context, in ProvisionInput) (ProvisionResult, error) {
	_, stop := beating(ctx)
	defer stop()
	answers, err := a.Cycles.ProvisionRequest(ctx, engine.JobID(in.Job), in.Request)
	var out ProvisionResult
	for _, p := range answers {
		switch p.Status {
		case engine.StatusSuccess:
			out.Success++
		case engine.StatusWarning:
			out.Warning++
		case engine.StatusSkipped:
			out.Skipped++
		default:
			out.Failure++
		}
	}
	return out, step(err)
}

func (r CycleRef) cycle() engine.Cycle {
	return engine.Cycle{ID: engine.CycleID(r.Cycle), Job: engine.JobID(r.Job), Kind: engine.CycleKind(r.Kind), Plan: r.Plan}
}

func refs(ref CycleRef, batches []cycle.Batch) []BatchRef {
	out := make([]BatchRef, 0, len(batches))
	for _, b := range batches {
		out = append(out, BatchRef{Ref: ref, Kind: string(b.Kind), Stage: b.Stage, From: b.From, To: b.To, Last: b.Last})
	}
	return out
}

// beating heartbeats on its own as long as the step runs, because a connector may wait for minutes
// inside one call. The number of finished objects goes along.
func beating(ctx context.Context) (beat cycle.Beat, stop func()) {
	var done atomic.Int64
	quit := make(chan struct{})
	go func() {
		tick := time.NewTicker(heartbeat / 20)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				activity.RecordHeartbeat(ctx, sign{Done: done.Load(), At: time.Now()})
			case <-quit:
				return
			}
		}
	}()
	return func(n int) { done.Store(int64(n)) }, func() { close(quit) }
}

// sign is what a heartbeat says: how many objects are done, and when somebody was at work.
type sign struct {
	Done int64
	At   time.Time
}

// late reports whether nobody has been at work on the cycle for so long that what it planned must not be carried out
// any more: the step waited for a worker, or the one that had it died and none took over.
func late(ctx context.Context) bool {
	info := activity.GetInfo(ctx)
	last := info.ScheduledTime
	if info.Attempt > 1 {
		last = info.StartedTime // nothing is known of the attempt before
		var s sign
		if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &s) == nil {
			last = s.At
		}
	}
	return !last.IsZero() && time.Since(last) > lateAfter
}

// paused is step for work that goes on where it stood when the other side wants to be left alone for a while: that
// while is nobody's delay.
func paused(ctx context.Context, err error) error {
	if stop, ok := errors.AsType[*cycle.StopError](err); ok && !stop.RetryAt.IsZero() {
		activity.RecordHeartbeat(ctx, sign{At: stop.RetryAt})
	}
	return step(err)
}

// step turns what a step returned into what Temporal shall do: an error that ends the cycle is not
// tried again, except when the other side asked to be left alone until some time; everything else is a
// matter of the retry policy.
func step(err error) error {
	stop, ok := errors.AsType[*cycle.StopError](err)
	if !ok {
		return err
	}
	b := Broke{Code: string(stop.Code), Side: stop.Side, Message: stop.Message, Quarantine: stop.Quarantine}
	o := temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{b}}
	if wait := time.Until(stop.RetryAt); wait > 0 && !stop.Quarantine {
		o.NonRetryable, o.NextRetryDelay = false, wait
	}
	return temporal.NewApplicationErrorWithOptions(stop.Error(), brokenStep, o)
}
