package cycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// export carries out what is to be done to the object, with the exporter of a cycle.
func (d *onDemand) export(ctx context.Context, t *task) error {
	ref := t.ref()
	mine := []engine.Settled{{Ref: ref}}
	if !d.dry {
		defer d.Runner.claims.release(d.job.ID, mine)
	}
	if decide.Order(t.facts, t.op) > 0 {
		// An answer that is lost now must not lead to a second account.
		if err := t.exporter.mark(ctx, []engine.Queued{t.queued}); err != nil {
			return err
		}
	}
	s, err := t.exporter.one(ctx, t.queued)
	switch {
	case errors.Is(err, errPutOff): // nobody else is under way who could free what it wants
		t.exporter.report(s)
	case err != nil:
		return err
	}
	refused := s.Escrow != nil
	ctx = context.WithoutCancel(ctx) // what was done is recorded
	if err := t.exporter.settle(ctx, []engine.Settled{s}); err != nil {
		return err
	}
	e := engine.LogEntry{At: d.Now().UTC(), Job: d.job.ID, Cycle: d.cycle.ID, Kind: ref.Kind, Source: t.answer.Subject, Action: t.op.Action, By: d.by, Status: engine.StatusSkipped}
	if s.Log != nil {
		e = *s.Log
	}
	if e.ID, err = d.recorded(ctx, t, s); err != nil {
		return err
	}
	switch {
	case s.Link != nil && (refused || e.Status != engine.StatusFailure): // else somebody else was linked first
		t.link = s.Link
	case s.Unlink:
		t.link = nil
	}
	d.settledNow(ref)
	d.matched(t, e)
	d.processed(t, e)
	d.written(t, e)
	d.finish(t, e.Status, e)
	t.out = true
	return nil
}

// recorded returns the id of the log row. A cycle that decided about the object meanwhile may have settled the change
// before us; then what we did is recorded all the same, and the next cycle evaluates the object again.
func (d *onDemand) recorded(ctx context.Context, t *task, s engine.Settled) (int64, error) {
	if d.dry || s.Log == nil {
		return 0, nil
	}
	row := func() (int64, error) {
		rows, err := d.Store.Entries(ctx, d.job.ID, engine.LogFilter{Cycle: d.cycle.ID, Kind: s.Kind, Source: s.ID, Newest: true, Limit: 1})
		if err != nil || len(rows) == 0 {
			return 0, err
		}
		return rows[0].ID, nil
	}
	id, err := row()
	if err != nil || id != 0 {
		return id, err
	}
	s.Rev = 0
	if err := t.kept.Settle(ctx, d.job.ID, d.cycle.ID, []engine.Settled{s}); err != nil {
		return 0, fmt.Errorf("record what was provisioned: %w", err)
	}
	if err := d.Store.Enqueue(ctx, d.job.ID, []engine.Ref{s.Ref}); err != nil {
		return 0, err
	}
	return row()
}
