package cycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
)

// flushSize and flushEvery bound how much finished work a crash can lose: it is done again, safely,
// but costs requests.
const (
	flushSize  = 100
	flushEvery = 250 * time.Millisecond
)

// errPutOff leaves a change where it is: another change may still free the value or the account that
// it wants. It is tried again at the end.
var errPutOff = errors.New("put off")

// putOff is a change that was put off, and what is to be stored if nothing frees what it wants.
type putOff struct {
	queued engine.Queued
	failed engine.Settled
}

// Export works off one batch of the plan: each object on its own, many at once, throttled by the
// target. It may run more than once: what is settled is gone from the queue, and a create that was
// marked "verify first" searches before it posts again.
func (r *Runner) Export(ctx context.Context, c engine.Cycle, b Batch, beat Beat) error {
	job, err := r.jobIn(ctx, c)
	if err != nil {
		return err
	}
	state, err := r.Store.JobState(ctx, c.Job)
	if err != nil {
		return err
	}
	if err := r.Store.SetPhase(ctx, c.Job, c.ID, phaseOf(b.Kind)); err != nil {
		return err
	}
	x := &exporter{Runner: r, evaluator: r.evaluator(job, state), cycle: c, batch: b}
	queued, err := x.take(ctx)
	if err != nil || len(queued) == 0 {
		return err
	}
	now, err := r.Store.Cycle(ctx, c.Job, c.ID)
	if err != nil {
		return err
	}
	x.survey = now.Survey[b.Kind]
	if err := x.mark(ctx, queued); err != nil {
		return err
	}
	for {
		off, err := x.run(ctx, queued, beat)
		if cerr := r.count(context.WithoutCancel(ctx), job, c, nil); cerr != nil {
			return errors.Join(err, cerr)
		}
		switch {
		case err != nil:
			return errors.Join(stopped(err), x.free(ctx, queued))
		case len(off) == 0 || !b.Last:
			return nil
		case len(off) == len(queued):
			return x.giveUp(ctx, off)
		}
		// Somebody got through, and may have freed what another one waits for: a chain of names
		// moves up link by link.
		queued = queuedOf(off)
	}
}

func queuedOf(off []putOff) []engine.Queued {
	out := make([]engine.Queued, len(off))
	for i, o := range off {
		out[i] = o.queued
	}
	return out
}

// free ends the reservation of what was not done, for whoever provisions it on demand.
func (x *exporter) free(ctx context.Context, queued []engine.Queued) error {
	return x.Store.Release(context.WithoutCancel(ctx), x.job.ID, refsOf(queued), batchOwner)
}

func refsOf(queued []engine.Queued) []engine.Ref {
	refs := make([]engine.Ref, len(queued))
	for i, q := range queued {
		refs[i] = q.Ref
	}
	return refs
}

// giveUp settles what was put off as failed.
func (x *exporter) giveUp(ctx context.Context, off []putOff) error {
	failed := make([]engine.Settled, 0, len(off))
	for _, o := range off {
		x.report(o.failed)
		failed = append(failed, o.failed)
	}
	return x.settle(ctx, failed)
}

func phaseOf(k engine.Kind) engine.Phase {
	if k == engine.Group {
		return engine.PhaseGroups
	}
	return engine.PhaseUsers
}

type exporter struct {
	*Runner
	*evaluator
	cycle  engine.Cycle
	batch  Batch
	survey engine.Survey
	leased time.Time             // when the batch was last reserved
	plan   map[engine.Ref]string // of a saved plan: the digests of what may be done; nil without one
}

// batchLease is how long a batch is reserved, and renewAfter how soon the reservation is renewed: whoever
// dies keeps nobody out for longer.
const (
	batchLease = 2 * time.Minute
	renewAfter = 30 * time.Second
)

// batchOwner reserves the changes of batches. A job has one cycle at a time, so that a step taken again, and
// the cycle after one that died, have them at once.
const batchOwner = "cycle"

// take reserves the batch and returns its changes, but for those that somebody provisions on demand.
func (x *exporter) take(ctx context.Context) ([]engine.Queued, error) {
	if err := x.reserve(ctx); err != nil {
		return nil, err
	}
	queued, err := x.Store.Ready(ctx, x.job.ID, x.batch.Kind, x.batch.From, x.batch.To)
	if err != nil {
		return nil, err
	}
	now := x.Now()
	queued = slices.DeleteFunc(queued, func(q engine.Queued) bool { return q.Owner != batchOwner && now.Before(q.Until) })
	return queued, x.loadPlan(ctx, queued)
}

func (x *exporter) reserve(ctx context.Context) error {
	x.leased = x.Now()
	return x.Store.LeaseReady(ctx, x.job.ID, x.batch.Kind, x.batch.From, x.batch.To, batchOwner, x.leased.Add(batchLease), x.leased)
}

// mark makes it durable that creates may be sent from now on. The marks of this batch are not
// heeded now, only those that were there before: a crash left them.
func (x *exporter) mark(ctx context.Context, queued []engine.Queued) error {
	var refs []engine.Ref
	for _, q := range queued {
		if q.Link == nil && !q.VerifyFirst {
			refs = append(refs, q.Ref)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	return x.Store.MarkVerifyFirst(ctx, x.job.ID, refs)
}

// run exports the changes concurrently and settles them in small groups as they finish. The first
// error that stops the cycle stops the rest; what is finished by then is settled all the same. It
// returns what was put off.
func (x *exporter) run(ctx context.Context, queued []engine.Queued, beat Beat) ([]putOff, error) {
	work := make(chan engine.Queued)
	finished := make(chan engine.Settled)
	var mu sync.Mutex
	var off []putOff
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	var workers sync.WaitGroup
	for range min(x.Concurrency, len(queued)) {
		workers.Go(func() {
			for q := range work {
				if x.wishes.wanted(x.job.ID, q.Ref) {
					if err := x.free(ctx, []engine.Queued{q}); err != nil {
						cancel(err)
					}
					continue
				}
				s, err := x.one(ctx, q)
				switch {
				case errors.Is(err, errUndecided):
					if err := x.leave(ctx, s); err != nil {
						cancel(err)
					}
				case errors.Is(err, errPutOff):
					x.claims.release(x.job.ID, []engine.Settled{s})
					if !x.batch.Last { // it is not come back to in this batch
						if err := x.free(ctx, []engine.Queued{q}); err != nil {
							cancel(err)
						}
					}
					mu.Lock()
					off = append(off, putOff{q, s})
					mu.Unlock()
				case err != nil:
					cancel(err)
				default:
					finished <- s
				}
			}
		})
	}
	go func() {
		defer close(finished)
		defer workers.Wait()
		defer close(work)
		for _, q := range queued {
			select {
			case work <- q:
			case <-ctx.Done():
				return
			}
		}
	}()
	err := x.collect(context.WithoutCancel(ctx), finished, beat)
	if err != nil {
		cancel(err)
		for range finished { // let the workers end
		}
	}
	return off, errors.Join(err, context.Cause(ctx))
}

// leave puts a change back to be decided by the next cycle, with the row that says why if there is one.
func (x *exporter) leave(ctx context.Context, s engine.Settled) error {
	if err := x.Store.Enqueue(ctx, x.job.ID, []engine.Ref{s.Ref}); err != nil || s.Log == nil {
		return err
	}
	if err := x.Store.Settle(ctx, x.job.ID, x.cycle.ID, []engine.Settled{{Ref: s.Ref, Log: s.Log}}); err != nil {
		return err
	}
	return x.note(ctx, x.job, x.cycle, engine.Counts{engine.PlanRefused: 1})
}

// collect settles finished changes in groups.
func (x *exporter) collect(ctx context.Context, finished <-chan engine.Settled, beat Beat) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var pending []engine.Settled
	done := 0
	flush := func() error {
		if err := x.settle(ctx, pending); err != nil {
			return err
		}
		done += len(pending)
		pending = pending[:0]
		beat(done)
		return nil
	}
	for {
		select {
		case s, more := <-finished:
			if !more {
				return flush()
			}
			if pending = append(pending, s); len(pending) < flushSize {
				continue
			}
		case <-tick.C:
			// Also without results: a batch that waits for a throttling target is alive.
			if x.Now().Sub(x.leased) > renewAfter {
				if err := x.reserve(ctx); err != nil {
					return err
				}
			}
		}
		if err := flush(); err != nil {
			return err
		}
	}
}

// settle stores results together; if two source objects came out with one target object, each is
// settled on its own, and the one that came too late fails.
func (x *exporter) settle(ctx context.Context, results []engine.Settled) error {
	defer x.claims.release(x.job.ID, results)
	err := x.Store.Settle(ctx, x.job.ID, x.cycle.ID, results)
	if errors.Is(err, engine.ErrLinkTaken) {
		for i := range results {
			if err = x.settleAlone(ctx, results[i]); err != nil {
				return err
			}
		}
	}
	if err != nil {
		return fmt.Errorf("store what was exported: %w", err)
	}
	expired := 0
	for _, s := range results {
		if s.Escrow != nil && s.Escrow.Expired {
			expired++
		}
	}
	return x.note(ctx, x.job, x.cycle, engine.Counts{engine.ObjectsDone: len(results), engine.ObjectsExpired: expired})
}

func (x *exporter) settleAlone(ctx context.Context, s engine.Settled) error {
	err := x.Store.Settle(ctx, x.job.ID, x.cycle.ID, []engine.Settled{s})
	if !errors.Is(err, engine.ErrLinkTaken) {
		return err
	}
	e, _ := decide.Fail(nil, engine.CodeDuplicateSource, 0, "the target object is linked to another source object", x.Now().UTC())
	failed := engine.Settled{Ref: s.Ref, Rev: s.Rev, Bucket: engine.BucketFailed, Escrow: &e, Log: s.Log}
	if failed.Log != nil {
		failed.Log.Status, failed.Log.Code, failed.Log.Detail = engine.StatusFailure, e.Code, e.Detail
	}
	return x.Store.Settle(ctx, x.job.ID, x.cycle.ID, []engine.Settled{failed})
}

// one carries one change out: decide, look where the decision needs it, write, and decide again
// where the target's answer contradicts what was believed.
func (x *exporter) one(ctx context.Context, q engine.Queued) (engine.Settled, error) {
	began := x.Now()
	f := x.facts(q, func(at engine.Path, candidate string) (bool, error) {
		found, _, err := x.job.Target.Find(ctx, q.Kind, []engine.Value{{Path: at, Definition: mapping.DefinitionOf(at), Value: candidate}})
		return len(found) == 0, err
	})
	again, replaced := false, false
	lost := q.Link
	for {
		if ctx.Err() != nil {
			return engine.Settled{}, context.Cause(ctx)
		}
		if f.Link != nil && f.Target.State == decide.Absent { // the link is void, see decide.missing
			q.Link, replaced = nil, true
		}
		op := x.evaluator.decide(f)
		if op.Action == engine.Look {
			if err := x.look(ctx, q, &f); err != nil {
				return x.failed(q, f, op, err, began)
			}
			continue
		}
		if s, err := x.permitted(q, op); err != nil {
			return s, err
		}
		s, err := x.carryOut(ctx, q, &f, op)
		if err == nil {
			s.Log = took(s.Log, x.Now().Sub(began))
			s.Unlink = s.Unlink || replaced
			if replaced && op.Action == engine.Create && s.Link != nil && lost != nil {
				s.Link.Recreated = append(slices.Clone(lost.Recreated), began.UTC())
			}
			return s, nil
		}
		switch {
		case errors.Is(err, errDecideAgain):
			continue
		case errors.Is(err, errPutOff):
			return s, err
		}
		var te *engine.TargetError
		if !errors.As(err, &te) {
			return engine.Settled{}, err
		}
		switch decide.Answer(op, te, x.job.Options, again) {
		case decide.Over: // the linked object is gone: forget it here, the link goes when this is settled
			f.Target = decide.Target{State: decide.Absent}
			q.Link, replaced = nil, true
		case decide.Reread:
			f.Doubt, f.Target = true, decide.Target{}
		case decide.Gone:
			return x.gone(q, f, op, began), nil
		default:
			return x.failed(q, f, op, err, began)
		}
		again = true
	}
}

// errUndecided leaves a change to the next cycle, which decides about it anew.
var errUndecided = errors.New("to be decided anew")

// permitted refuses what must not be carried out now: what takes something away without having been counted
// by the guard, because it looked harmless when the cycle was planned, and what a saved plan does not have.
func (x *exporter) permitted(q engine.Queued, op engine.Operation) (engine.Settled, error) {
	if decide.Takes(op) && x.batch.Stage > stage(q.Kind, engine.OrderDisable) {
		return engine.Settled{Ref: q.Ref}, errUndecided
	}
	return x.asPlanned(q, op)
}

// errDecideAgain says that carrying an operation out brought new facts.
var errDecideAgain = errors.New("new facts")

// carryOut sends an operation to the target and says what is to be stored.
func (x *exporter) carryOut(ctx context.Context, q engine.Queued, f *decide.Facts, op engine.Operation) (engine.Settled, error) {
	s := engine.Settled{Ref: q.Ref, Rev: q.Rev, Bucket: bucket(op)}
	var now map[string]any
	var warnings []string
	switch op.Action {
	case engine.Create:
		if err := x.licences.left(x.cycle.ID); err != nil {
			return s, err
		}
		made, err := x.job.Target.Create(ctx, q.Kind, op.Values, f.Desired.Matching())
		if err != nil {
			return s, err
		}
		if made.Existing { // a conflict led to an account that a search did not show, or it is our own
			return s, x.found(ctx, q, f, []engine.Resource{made.Resource}, made.MatchedBy.String())
		}
		op.Adopt, op.MatchedBy = made.ID, "created"
		s.Wake = true
	case engine.Update, engine.Disable, engine.Enable:
		if op.EmptyMembers {
			if err := x.empty(ctx, q); err != nil {
				return s, err
			}
			break
		}
		updated, err := x.job.Target.Update(ctx, q.Kind, target(q, op), op.Changes)
		if err != nil {
			return s, err
		}
		now, warnings = updated.Now, updated.Warnings
	case engine.Delete:
		if err := x.job.Target.Delete(ctx, q.Kind, q.Link.TargetID); err != nil {
			return s, err
		}
	case engine.Fail:
		s = x.unwritten(x.cycle, q, *f, op)
		if f.Target.State == decide.Taken { // the holder may be on its way out
			return s, errPutOff
		}
		return s, nil
	}
	if op.Adopt != "" || op.Action == engine.Enable {
		s.Wake = true
	}
	s.ForgetMembers = op.Action == engine.Enable && q.Link != nil
	x.relink(&s, q, *f, op, now)
	s.Log = x.entry(x.cycle, q, op)
	if len(warnings) > 0 {
		s.Log.Status, s.Log.Detail = engine.StatusWarning, warnings[0]
	}
	return s, nil
}

// empty removes all members of a group that the target is known to have (onGroupOutOfScope: empty). Should the group
// come back, they are added again.
func (x *exporter) empty(ctx context.Context, q engine.Queued) error {
	for after := ""; ; {
		members, err := x.Store.Exported(ctx, x.job.ID, q.Ref, after, edgeBatch)
		if err != nil || len(members) == 0 {
			return err
		}
		var ids []string
		var gone []engine.Ref
		for _, m := range members {
			after = m.To.ID
			if m.TargetID != "" {
				ids = append(ids, m.TargetID)
			}
			gone = append(gone, m.To)
		}
		answers, err := x.job.Target.RemoveMembers(ctx, q.Link.TargetID, ids)
		if err != nil {
			return err
		}
		for _, err := range answers {
			if err != nil {
				return err
			}
		}
		if err := x.Store.ForgetExported(ctx, x.job.ID, q.Ref, gone, nil); err != nil {
			return err
		}
	}
}

// target is the id of the target object that an operation is about.
func target(q engine.Queued, op engine.Operation) string {
	if op.Adopt != "" {
		return op.Adopt
	}
	return q.Link.TargetID
}

// gone settles an object that should have been disabled or deleted and is not there any more.
func (x *exporter) gone(q engine.Queued, f decide.Facts, op engine.Operation, began time.Time) engine.Settled {
	op.Reason, op.Then = engine.AlreadyAbsent, engine.LinkNone
	s := engine.Settled{Ref: q.Ref, Rev: q.Rev, Bucket: bucket(op), Unlink: true}
	s.Log = took(x.entry(x.cycle, q, op), x.Now().Sub(began))
	return s
}

// failed settles a change that the target refused: in escrow, or put off while another change may
// still free the value it wants. What stops the cycle is returned as an error.
func (x *exporter) failed(q engine.Queued, f decide.Facts, op engine.Operation, err error, began time.Time) (engine.Settled, error) {
	var te *engine.TargetError
	if !errors.As(err, &te) || te.Outcome == engine.OutcomeQuarantine || te.Outcome == engine.OutcomeSuspend {
		return engine.Settled{}, err
	}
	now := x.Now().UTC()
	e, _ := decide.Fail(q.Escrow, te.Code, te.Status, te.Detail, now)
	if te.Code == engine.CodeLicenseLimit {
		x.licences.spent(x.cycle.ID)
	}
	s := engine.Settled{Ref: q.Ref, Rev: q.Rev, Bucket: engine.BucketFailed, Escrow: &e}
	if len(te.Applied) > 0 && q.Link != nil { // some of the changes arrived: remember them
		part := op
		part.Changes, part.Then = applied(op.Changes, te.Applied), ""
		x.relink(&s, q, f, part, nil)
	}
	s.Log = took(x.entry(x.cycle, q, op), now.Sub(began))
	s.Log.Status, s.Log.Code, s.Log.HTTPStatus, s.Log.Detail = engine.StatusFailure, te.Code, te.Status, te.Detail
	if te.Code == engine.CodeConflict {
		return s, errPutOff
	}
	x.report(s)
	return s, nil
}

// report logs that an object failed.
func (x *exporter) report(s engine.Settled) {
	x.log(x.cycle).Warn("an object failed and waits for a retry", zap.String("object_type", string(s.Kind)), zap.String("rule", string(s.Log.Rule)),
		zap.String("code", string(s.Escrow.Code)), zap.Int("status", s.Escrow.Status), zap.Int("attempt", s.Escrow.Attempts), zap.Time("due", s.Escrow.Due))
}

func applied(changes []engine.AttributeChange, keys []string) []engine.AttributeChange {
	var out []engine.AttributeChange
	for _, c := range changes {
		for _, k := range keys {
			if c.Path.Key() == k {
				out = append(out, c)
			}
		}
	}
	return out
}
