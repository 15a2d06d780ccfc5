package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/scimsync/scimsync/engine"
)

var insertPlan = &bulk{
	head: "INSERT INTO plans (job, plan, kind, id, digest) VALUES ",
	row:  "(?, ?, ?, ?, ?)", width: 5,
}

// PutPlan implements [engine.Plans]. Of an object that occurs several times the last operation counts.
func (s *Store) PutPlan(ctx context.Context, j engine.JobID, plan string, ops []engine.PlannedOp) error {
	digests := make(map[engine.Ref]string, len(ops))
	for _, op := range ops {
		digests[op.Ref] = op.Digest
	}
	return s.write(ctx, j, "store plan", func(ctx context.Context, t tx) error {
		if err := dropPlan(ctx, t, plan); err != nil {
			return err
		}
		rows := make([]any, 0, len(digests)*insertPlan.width)
		for r, digest := range digests {
			rows = append(rows, t.job, plan, string(r.Kind), r.ID, digest)
		}
		return t.write(ctx, insertPlan, rows)
	})
}

// PlanOf implements [engine.Plans].
func (s *Store) PlanOf(ctx context.Context, j engine.JobID, plan string, refs []engine.Ref) (map[engine.Ref]string, error) {
	digests := make(map[engine.Ref]string, len(refs))
	err := s.read(ctx, j, "read plan", func(ctx context.Context, t tx) error {
		groups := byKind(refs)
		for _, k := range slices.Sorted(maps.Keys(groups)) {
			err := t.eachIn(ctx, func(r *sql.Rows) error {
				ref := engine.Ref{Kind: k}
				var digest string
				err := r.Scan(&ref.ID, &digest)
				digests[ref] = digest
				return err
			}, "SELECT id, digest FROM plans WHERE job = ? AND plan = ? AND kind = ? AND id IN (ids)", []any{t.job, plan, string(k)}, groups[k])
			if err != nil {
				return err
			}
		}
		return nil
	})
	return digests, err
}

// PlanSize implements [engine.Plans].
func (s *Store) PlanSize(ctx context.Context, j engine.JobID, plan string) (n int, err error) {
	err = s.read(ctx, j, "count plan", func(ctx context.Context, t tx) error {
		_, err := t.one(ctx, []any{&n}, "SELECT count(*) FROM plans WHERE job = ? AND plan = ?", t.job, plan)
		return err
	})
	return n, err
}

// DropPlan implements [engine.Plans]. A plan that is not there is dropped already.
func (s *Store) DropPlan(ctx context.Context, j engine.JobID, plan string) error {
	return s.write(ctx, j, "drop plan", func(ctx context.Context, t tx) error { return dropPlan(ctx, t, plan) })
}

func dropPlan(ctx context.Context, t tx, plan string) error {
	_, err := t.exec(ctx, "DELETE FROM plans WHERE job = ? AND plan = ?", t.job, plan)
	return err
}
