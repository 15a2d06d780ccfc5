package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// never is when an edge is due that nobody tries again by himself.
const never = int64(math.MaxInt64)

const (
	// noFailure takes back what guards said about an edge and how it failed: it is about to be another one.
	noFailure = "hold = 0, due = 0, failure = NULL"
	// hasFailed says of an edge that its export failed. Of one that people chose to ignore the failure is empty.
	hasFailed = "failure IS NOT NULL AND failure <> ''"
)

// failureDoc is the failure of an edge.
type failureDoc struct {
	First    int64       `json:"first"` // microseconds
	Last     int64       `json:"last"`  // microseconds
	Due      int64       `json:"due"`   // microseconds; as it was when it failed
	Attempts int         `json:"attempts"`
	Code     engine.Code `json:"code,omitempty"`
	Status   int         `json:"status,omitempty"`
	Detail   string      `json:"detail,omitempty"`
}

// readFailure returns nil for an edge that did not fail.
func readFailure(text string, due int64) (*engine.Escrow, error) {
	if text == "" {
		return nil, nil
	}
	var f failureDoc
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return nil, fmt.Errorf("failure of a reference: %w", err)
	}
	e := &engine.Escrow{
		FirstFailure: fromMicros(f.First), LastFailure: fromMicros(f.Last), Due: fromMicros(due),
		Attempts: f.Attempts, Code: f.Code, Status: f.Status, Detail: f.Detail,
	}
	if due == never {
		e.Due, e.Expired = fromMicros(f.Due), true
	}
	return e, nil
}

// failEdges stores the failures of edges. Many edges of an object fail for one reason: they are written together.
func failEdges(t tx, e engine.EdgesSettled, count func(text string, args []any) error) error {
	type failure struct {
		kind engine.Kind
		doc  string
		due  int64
	}
	groups := map[failure][]string{}
	for ref, f := range e.Failed {
		doc, err := json.Marshal(failureDoc{micros(f.FirstFailure), micros(f.LastFailure), micros(f.Due), f.Attempts, f.Code, f.Status, clean(f.Detail)})
		if err != nil {
			return fmt.Errorf("failure of a reference: %w", err)
		}
		due := micros(f.Due)
		if f.Expired {
			due = never
		}
		key := failure{ref.Kind, string(doc), due}
		groups[key] = append(groups[key], ref.ID)
	}
	for f, ids := range groups {
		before := append([]any{f.doc, f.due, f.doc, f.due}, bundle{e.Relation, e.From.ID, f.kind}.args(t)...)
		err := t.list("UPDATE edges SET waiting = 1, failure = ?, due = ? WHERE (failure IS DISTINCT FROM ? OR due <> ?) AND "+ofOrigin, before, ids, nil, count)
		if err != nil {
			return err
		}
	}
	return nil
}

// statement is a query up to its conditions on which rows, with its parameters.
type statement struct {
	query string
	args  []any
}

// Retry implements [engine.Queue]. The edges of an object are those from and to it.
func (s *Store) Retry(ctx context.Context, j engine.JobID, refs []engine.Ref, now time.Time) (int, error) {
	due := micros(now)
	return s.escrowed(ctx, j, "retry failures", refs, true,
		statement{"UPDATE changes SET state = 'escrow', due = ? WHERE state IN ('escrow', 'expired') AND ", []any{due}},
		// Each counts once, though both of its ends be named.
		statement{"UPDATE edges SET due = ? WHERE due <> ? AND " + hasFailed + " AND ", []any{due, due}})
}

// Ignore implements [engine.Queue]. The edges of an object are those that start from it. Changes that somebody has
// reserved are left to him. An edge that is ignored is not up for export again until the source tells of it, one of
// its ends is woken, or the job is restarted.
func (s *Store) Ignore(ctx context.Context, j engine.JobID, refs []engine.Ref) (int, error) {
	return s.escrowed(ctx, j, "ignore failures", refs, false,
		statement{"DELETE FROM changes WHERE state IN ('escrow', 'expired') AND (owner = '' OR owner_until <= ?) AND ", []any{micros(s.now())}},
		statement{"UPDATE edges SET failure = '', due = ? WHERE " + hasFailed + " AND ", []any{never}})
}

// escrowed runs a statement on failed changes and one on failed edges, of refs (to: also the edges to them) or (nil)
// of all objects, and returns how many rows they changed.
func (s *Store) escrowed(ctx context.Context, j engine.JobID, what string, refs []engine.Ref, to bool, changes, edges statement) (int, error) {
	if refs != nil && len(refs) == 0 {
		return 0, nil
	}
	var total int64
	err := s.write(ctx, j, what, func(ctx context.Context, t tx) error {
		total = 0
		if refs == nil {
			for _, st := range []statement{changes, edges} {
				n, err := t.exec(ctx, st.query+"job = ?", append(slices.Clip(st.args), t.job)...)
				if err != nil {
					return err
				}
				total += n
			}
			return nil
		}
		groups := byKind(refs)
		for _, k := range slices.Sorted(maps.Keys(groups)) {
			run := func(st statement, which string, of string) error {
				n, err := t.countIn(ctx, st.query+which, append(slices.Clip(st.args), t.job, of), groups[k])
				total += n
				return err
			}
			if err := run(changes, "job = ? AND kind = ? AND id IN (ids)", string(k)); err != nil {
				return err
			}
			if err := run(edges, "job = ? AND rel = ? AND from_id IN (ids)", string(relationOf[k])); err != nil {
				return err
			}
			if !to {
				continue
			}
			if err := run(edges, "job = ? AND to_kind = ? AND to_id IN (ids)", string(k)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return int(total), nil
}

// FailedEdges implements [engine.Queue]. The edges of one object are never torn apart: the answer may be longer than
// limit by those of the last object.
func (s *Store) FailedEdges(ctx context.Context, j engine.JobID, rel engine.Relation, after string, limit int) ([]engine.FailedEdge, error) {
	k, err := origin(rel)
	if err != nil {
		return nil, fmt.Errorf("store: job %s: list failed references: %w", j, err)
	}
	var list []engine.FailedEdge
	err = s.read(ctx, j, "list failed references", func(ctx context.Context, t tx) error {
		load := func(where string, args ...any) error {
			return t.each(ctx, func(r *sql.Rows) error {
				f := engine.FailedEdge{From: engine.Ref{Kind: k}}
				var due int64
				var failure string
				var name sql.NullString
				if err := r.Scan(&f.From.ID, &f.To.Kind, &f.To.ID, &f.Want, &due, &failure, &name); err != nil {
					return err
				}
				e, err := readFailure(failure, due)
				if err != nil {
					return err
				}
				f.Name, f.Escrow = name.String, *e
				list = append(list, f)
				return nil
			}, `SELECT e.from_id, e.to_kind, e.to_id, e.want, e.due, e.failure, l.name
				FROM edges e LEFT JOIN links l ON l.job = e.job AND l.kind = ? AND l.id = e.from_id
				WHERE e.job = ? AND e.rel = ? AND `+hasFailed+" AND "+where, append([]any{string(k), t.job, string(rel)}, args...)...)
		}
		if err := load("e.from_id > ? ORDER BY e.from_id, e.to_id, e.to_kind LIMIT ?", after, limit); err != nil || len(list) == 0 || len(list) < limit {
			return err
		}
		last := list[len(list)-1].From.ID
		for len(list) > 0 && list[len(list)-1].From.ID == last {
			list = list[:len(list)-1]
		}
		return load("e.from_id = ? ORDER BY e.to_id, e.to_kind", last)
	})
	return list, err
}
