package cycle

import (
	"context"
	"slices"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// BatchSize is the number of changes that are decided or exported together.
const BatchSize = 500

// Plan is what a cycle is going to export, cut into batches. Batches of one Stage may be exported
// at the same time; a stage begins when the one before has ended.
type Plan struct {
	Batches     []Batch
	Destructive int // disables and deletes
}

// Batch is a run of ready changes.
type Batch struct {
	Kind     engine.Kind
	Stage    int
	From, To int64
	// Last says that an object which the target refuses for a conflict has failed. Before, it is put
	// off to the end of the phase: the value it wants may be freed by then (5.1).
	Last bool
}

// Decide works off the queue: what needs no export is settled at once, the rest is put in export
// order. It computes the complete plan before anything is exported, because the guards count it.
func (r *Runner) Decide(ctx context.Context, c engine.Cycle, beat Beat) (Plan, error) {
	job, err := r.jobIn(ctx, c)
	if err != nil {
		return Plan{}, err
	}
	state, err := r.Store.JobState(ctx, c.Job)
	if err != nil {
		return Plan{}, err
	}
	if err := r.Store.SetPhase(ctx, c.Job, c.ID, engine.PhaseDecide); err != nil {
		return Plan{}, err
	}
	d := &decider{Runner: r, evaluator: r.evaluator(job, state), cycle: c, beat: beat}
	d.evaluator.doubt = d.evaluator.doubt || c.Plan != ""
	for _, k := range kinds(job) {
		if err := d.all(ctx, k); err != nil {
			return Plan{}, err
		}
	}
	if err := d.guard(ctx); err != nil {
		return Plan{}, err
	}
	plan := Plan{Destructive: len(d.staged)}
	for _, k := range kinds(job) {
		batches, err := r.batches(ctx, c, k, false)
		if err != nil {
			return Plan{}, err
		}
		plan.Batches = append(plan.Batches, batches...)
		if slices.ContainsFunc(batches, func(b Batch) bool { return b.Stage >= stage(k, engine.OrderMatch) }) {
			if err := r.survey(ctx, job, c, k); err != nil {
				return Plan{}, err
			}
		}
	}
	return plan, r.count(ctx, job, c, nil)
}

// Deferred returns what was put off to the end: objects that met a conflict.
func (r *Runner) Deferred(ctx context.Context, c engine.Cycle) ([]Batch, error) {
	job, err := r.jobIn(ctx, c)
	if err != nil {
		return nil, err
	}
	var all []Batch
	for _, k := range kinds(job) {
		batches, err := r.batches(ctx, c, k, true)
		if err != nil {
			return nil, err
		}
		all = append(all, batches...)
	}
	return all, nil
}

// batches cuts the ready changes of a kind, each order class on its own.
func (r *Runner) batches(ctx context.Context, c engine.Cycle, k engine.Kind, last bool) ([]Batch, error) {
	spans, err := r.Store.Seal(ctx, c.Job, k)
	if err != nil {
		return nil, err
	}
	if last {
		spans = together(spans)
	}
	var out []Batch
	for _, s := range spans {
		for from := s.From; from <= s.To; from += BatchSize {
			out = append(out, Batch{Kind: k, Stage: stage(k, s.Order), From: from, To: min(from+BatchSize-1, s.To), Last: last})
		}
	}
	return out, nil
}

// together joins the spans of what takes nothing away: at the end those who wait for each other's values are to be
// tried side by side, whatever class they were in.
func together(spans []engine.Span) []engine.Span {
	var out []engine.Span
	for _, s := range spans {
		if n := len(out); s.Order > engine.OrderDisable && n > 0 && out[n-1].Order > engine.OrderDisable {
			out[n-1].To = s.To
			continue
		}
		out = append(out, s)
	}
	return out
}

// stage orders kinds and classes: all users before all groups.
func stage(k engine.Kind, o engine.Order) int {
	if k == engine.Group {
		return 100 + int(o)
	}
	return int(o)
}

type decider struct {
	*Runner
	*evaluator
	cycle engine.Cycle
	beat  Beat
	done  int
	// staged are the disables and deletes. They are planned when all of them are known.
	staged []staged
	// unseen is the generation of a full read that is not to be believed; objects of the kind at hand that it
	// lacks are held, whatever else is known of them. 0: there is none.
	unseen int64
}

func (d *decider) all(ctx context.Context, k engine.Kind) error {
	if err := d.suspicion(ctx, k); err != nil {
		return err
	}
	for after := ""; ; {
		queued, err := d.Store.Undecided(ctx, d.job.ID, k, d.Now().UTC(), after, BatchSize)
		if err != nil || len(queued) == 0 {
			return err
		}
		if err := d.some(ctx, queued); err != nil {
			return err
		}
		after = queued[len(queued)-1].ID
		d.done += len(queued)
		d.beat(d.done)
	}
}

// plan puts changes into the order of their export.
func (d *decider) plan(ctx context.Context, planned []engine.Planned) error {
	for chunk := range slices.Chunk(planned, BatchSize) {
		if err := d.Store.Plan(ctx, d.job.ID, chunk); err != nil {
			return err
		}
	}
	return d.note(ctx, d.job, d.cycle, engine.Counts{engine.ObjectsQueued: len(planned)})
}

// some decides about a batch.
func (d *decider) some(ctx context.Context, queued []engine.Queued) error {
	var planned []engine.Planned
	var settled []engine.Settled
	for _, q := range queued {
		if q.Owner != "" && q.Owner != batchOwner && d.now.Before(q.Until) {
			continue // somebody provisions it on demand right now
		}
		if err := d.recover(ctx, &q); err != nil {
			return err
		}
		if d.missing(q) {
			d.staged = append(d.staged, d.stage(q, decide.Facts{}, missingOperation))
			continue
		}
		f := d.facts(q, anyValue)
		op := d.evaluator.decide(f)
		switch order := decide.Order(f, op); {
		case decide.Takes(op):
			d.staged = append(d.staged, d.stage(q, f, op))
		case order > 0:
			planned = append(planned, engine.Planned{Ref: q.Ref, Order: order})
		default:
			settled = append(settled, d.unwritten(d.cycle, q, f, op))
		}
	}
	if err := d.dropped(ctx, settled); err != nil {
		return err
	}
	if err := d.Store.Settle(ctx, d.job.ID, d.cycle.ID, settled); err != nil {
		return err
	}
	if n := expired(settled); n > 0 {
		if err := d.note(ctx, d.job, d.cycle, engine.Counts{engine.ObjectsExpired: n}); err != nil {
			return err
		}
	}
	planned, err := d.keepToPlan(ctx, planned)
	if err != nil {
		return err
	}
	return d.plan(ctx, planned)
}

// unwritten settles an operation that sends nothing to the target.
func (r *Runner) unwritten(c engine.Cycle, q engine.Queued, f decide.Facts, op engine.Operation) engine.Settled {
	s := engine.Settled{Ref: q.Ref, Rev: q.Rev}
	switch op.Action {
	case engine.Fail:
		e, _ := decide.Fail(q.Escrow, op.Code, 0, op.Detail, r.Now().UTC())
		s.Bucket, s.Escrow = engine.BucketFailed, &e
	case engine.Skip:
		s.Bucket = engine.BucketSkipped
	default:
		s.Bucket = engine.BucketUnchanged
	}
	r.relink(&s, q, f, op, nil)
	if q.Link == nil && f.State == engine.HardDeleted {
		s.Bucket = "" // nobody is left to be counted, here or there
		return s
	}
	// Who was never in scope and is not now has no place in the log (U9b, U22b).
	if op.Rule != "U9b" && op.Rule != "U22b" {
		s.Log = r.entry(c, q, op)
		lastTry(s.Log, s.Escrow != nil && s.Escrow.Expired)
	}
	return s
}
