package cycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
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
	x.evaluator.doubt = x.evaluator.doubt || c.Plan != ""
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
		if cerr := r.count(context.WithoutCancel(ctx), job, c, engine.Counts{engine.PlanDone: int(x.planned.Swap(0))}); cerr != nil {
			return errors.Join(err, cerr)
		}
		switch {
		case err != nil:
			return errors.Join(stopped(err), x.free(ctx, x.untouched(queued)))
		case len(off) == 0 || !b.Last:
			return nil
		case len(off) == len(queued):
			broken, err := x.breakRing(ctx, off)
			if err != nil {
				return err
			}
			if !broken {
				return x.giveUp(ctx, off)
			}
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

// untouched are the changes that nobody took up. The others stay reserved, so that it is known that a write of
// theirs may have been sent without a record of it.
func (x *exporter) untouched(queued []engine.Queued) []engine.Queued {
	return slices.DeleteFunc(slices.Clone(queued), func(q engine.Queued) bool {
		_, begun := x.begun.Load(q.Ref)
		return begun
	})
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
		x.comeBack(ctx, &o)
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
	// planned counts what was done as the saved plan has it.
	planned atomic.Int64
	counted sync.Map // in planned, by [engine.Ref]: who is put off is looked at again
	// aside are changes of unique values whose objects stepped aside for others, see ring.go.
	aside map[engine.Ref]*engine.AttributeChange
	// begun are the changes that were taken up; a write of theirs may have been sent.
	begun sync.Map
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
	sent := map[engine.Ref]string{}
	for _, q := range queued {
		if q.Link == nil {
			if value := x.wantedBy(q); !q.VerifyFirst || value != q.Sent {
				sent[q.Ref] = value
			}
		}
	}
	return x.Store.NoteSent(ctx, x.job.ID, sent)
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
	hand, done := inHand(ctx)
	defer done()

	var workers sync.WaitGroup
	for range min(x.Concurrency, len(queued)) {
		workers.Go(func() {
			for q := range work {
				if x.wishes.wanted(x.job.ID, q.Ref) {
					if err := x.free(hand, []engine.Queued{q}); err != nil {
						cancel(err)
					}
					continue
				}
				x.begun.Store(q.Ref, true)
				s, err := x.one(hand, q)
				switch {
				case errors.Is(err, errUndecided):
					if err := x.leave(hand, s); err != nil {
						cancel(err)
					}
				case errors.Is(err, errPutOff):
					x.claims.release(x.job.ID, []engine.Settled{s})
					if !x.batch.Last { // it is not come back to in this batch
						if err := x.free(hand, []engine.Queued{q}); err != nil {
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
			if x.halted(x.job.ID) {
				cancel(errHalted)
			}
			if ctx.Err() != nil { // a select takes either case when both are ready
				return
			}
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

// handTime is how long an object that was begun may take once its cycle is to end.
const handTime = time.Second

// inHand returns a context for the objects in hand: it outlives ctx a little, so that what was begun is finished and
// recorded.
func inHand(ctx context.Context) (hand context.Context, done func()) {
	hand, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	var late atomic.Pointer[time.Timer]
	stop := context.AfterFunc(ctx, func() {
		late.Store(time.AfterFunc(handTime, func() { cancel(context.Cause(ctx)) }))
	})
	return hand, func() {
		stop()
		if t := late.Load(); t != nil {
			t.Stop()
		}
		cancel(nil)
	}
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
	return x.note(ctx, x.job, x.cycle, engine.Counts{engine.ObjectsDone: len(results), engine.ObjectsExpired: expired(results)})
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
