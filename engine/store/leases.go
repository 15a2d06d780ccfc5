package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// errNoOwner says that a reservation names nobody: nobody could end it.
var errNoOwner = errors.New("the owner of a reservation is missing")

var leaseChanges = &bulk{
	head: "INSERT INTO changes (job, kind, id, rev, owner, owner_until) VALUES ",
	row:  "(?, ?, ?, ?, ?, ?)", width: 6,
	tail: " ON CONFLICT (job, kind, id) DO UPDATE SET owner = excluded.owner, owner_until = excluded.owner_until",
}

// Lease implements [engine.OnDemand]. An owner that reserves again prolongs; what is queued keeps its state.
func (s *Store) Lease(ctx context.Context, j engine.JobID, refs []engine.Ref, owner string, until, now time.Time) (busy []engine.Ref, err error) {
	if owner == "" {
		return nil, fmt.Errorf("store: job %s: reserve objects: %w", j, errNoOwner)
	}
	if len(refs) == 0 {
		return nil, nil
	}
	err = s.write(ctx, j, "reserve objects", func(ctx context.Context, t tx) error {
		busy = nil
		groups := byKind(refs)
		for _, k := range slices.Sorted(maps.Keys(groups)) {
			err := t.eachIn(ctx, func(r *sql.Rows) error {
				ref := engine.Ref{Kind: k}
				err := r.Scan(&ref.ID)
				busy = append(busy, ref)
				return err
			}, "SELECT id FROM changes WHERE job = ? AND kind = ? AND id IN (ids) AND owner <> '' AND owner <> ? AND owner_until > ? ORDER BY id",
				[]any{t.job, string(k)}, groups[k], owner, micros(now))
			if err != nil {
				return err
			}
		}
		if len(busy) > 0 {
			return nil
		}
		var rows []any
		for _, r := range newRefSet(refs).refs {
			rows = append(rows, t.job, string(r.Kind), r.ID, t.mark, owner, micros(until))
		}
		return t.write(ctx, leaseChanges, rows)
	})
	if err != nil {
		return nil, err
	}
	return busy, nil
}

// LeaseReady implements [engine.OnDemand].
func (s *Store) LeaseReady(ctx context.Context, j engine.JobID, k engine.Kind, from, to int64, owner string, until, now time.Time) error {
	if owner == "" {
		return fmt.Errorf("store: job %s: reserve ready changes: %w", j, errNoOwner)
	}
	return s.write(ctx, j, "reserve ready changes", func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, `UPDATE changes SET owner = ?, owner_until = ?
			WHERE job = ? AND kind = ? AND state = 'ready' AND seq >= ? AND seq <= ? AND (owner = '' OR owner = ? OR owner_until <= ?)`,
			owner, micros(until), t.job, string(k), from, to, owner, micros(now))
		return err
	})
}

// Release implements [engine.OnDemand]. What is reserved by somebody else is left alone.
func (s *Store) Release(ctx context.Context, j engine.JobID, refs []engine.Ref, owner string) error {
	if owner == "" || refs != nil && len(refs) == 0 {
		return nil
	}
	return s.write(ctx, j, "end reservations", func(ctx context.Context, t tx) error {
		const release = "UPDATE changes SET owner = '', owner_until = 0 WHERE job = ? AND "
		if refs == nil {
			_, err := t.exec(ctx, release+"owner = ?", t.job, owner)
			return err
		}
		groups := byKind(refs)
		for _, k := range slices.Sorted(maps.Keys(groups)) {
			if err := t.execIn(ctx, release+"kind = ? AND id IN (ids) AND owner = ?", []any{t.job, string(k)}, groups[k], owner); err != nil {
				return err
			}
		}
		return nil
	})
}
