package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// requeue is what queueing does to a change that is queued already, in whatever state: it is to be
// decided anew, with a revision that outlives the outcome of the old one. Its failures are kept, and what guards
// said about it, and who has reserved it.
const requeue = ` ON CONFLICT (job, kind, id) DO UPDATE SET state = 'queued', seq = NULL,
	rev = CASE WHEN excluded.rev > changes.rev THEN excluded.rev ELSE changes.rev + 1 END`

const (
	enqueueHead = "INSERT INTO changes (job, kind, id, rev) SELECT CAST(? AS text), q.*, CAST(? AS bigint) FROM ("
	enqueueTail = ") q WHERE true" + requeue
)

var insertChanges = &bulk{
	head: "INSERT INTO changes (job, kind, id, rev) VALUES ",
	row:  "(?, ?, ?, ?)", width: 4, tail: requeue,
}

// enqueue queues refs, each of which occurs once.
func (t tx) enqueue(ctx context.Context, refs []engine.Ref) error {
	args := make([]any, 0, 4*len(refs))
	for _, r := range refs {
		args = append(args, t.job, string(r.Kind), r.ID, t.mark)
	}
	return t.write(ctx, insertChanges, args)
}

// enqueueSelect queues what a query returns: different pairs of kind and id.
func (t tx) enqueueSelect(ctx context.Context, query string, args ...any) error {
	_, err := t.exec(ctx, enqueueHead+query+enqueueTail, append([]any{t.job, t.mark}, args...)...)
	return err
}

// Enqueue implements [engine.Queue].
func (s *Store) Enqueue(ctx context.Context, j engine.JobID, refs []engine.Ref) error {
	if len(refs) == 0 {
		return nil
	}
	return s.write(ctx, j, "queue objects", func(ctx context.Context, t tx) error {
		return t.enqueue(ctx, newRefSet(refs).refs)
	})
}

// EnqueueAll implements [engine.Queue].
func (s *Store) EnqueueAll(ctx context.Context, j engine.JobID, all bool) error {
	return s.write(ctx, j, "queue all objects", func(ctx context.Context, t tx) error {
		if all {
			return t.enqueueSelect(ctx, `SELECT kind, id FROM links WHERE job = ?
				UNION SELECT kind, id FROM objects WHERE job = ? AND state = 'active'`, t.job, t.job)
		}
		return t.enqueueSelect(ctx, `SELECT kind, id FROM links WHERE job = ?
			UNION SELECT principal_kind, principal_id FROM assignments WHERE job = ?
			UNION SELECT e.to_kind, e.to_id FROM assignments a CROSS JOIN objects g CROSS JOIN edges e
				WHERE e.job = ? AND e.to_kind = 'user' AND `+viaGroup, t.job, t.job, t.job)
	})
}

// Undecided implements [engine.Queue].
func (s *Store) Undecided(ctx context.Context, j engine.JobID, k engine.Kind, now time.Time, after string, limit int) ([]engine.Queued, error) {
	var list []engine.Queued
	err := s.read(ctx, j, "read undecided changes", func(ctx context.Context, t tx) (err error) {
		const due = "c.job = ? AND c.kind = ? AND c.id > ? AND (c.state IN ('queued', 'held') OR c.state IN ('escrow', 'later') AND c.due <= ?)"
		args := []any{t.job, string(k), after, micros(now)}
		if list, err = loadChanges(ctx, t, k, due+" ORDER BY c.id LIMIT ?", append(args, limit)...); err != nil || len(list) == 0 {
			return err
		}
		return loadPaths(ctx, t, k, list, due+" AND c.id <= ?", append(args[:4:4], list[len(list)-1].ID)...)
	})
	return list, err
}

// Ready implements [engine.Queue].
func (s *Store) Ready(ctx context.Context, j engine.JobID, k engine.Kind, from, to int64) ([]engine.Queued, error) {
	var list []engine.Queued
	err := s.read(ctx, j, "read ready changes", func(ctx context.Context, t tx) (err error) {
		const ready = "c.job = ? AND c.kind = ? AND c.state = 'ready' AND c.seq >= ? AND c.seq <= ?"
		args := []any{t.job, string(k), from, to}
		if list, err = loadChanges(ctx, t, k, ready+" ORDER BY c.seq", args...); err != nil || len(list) == 0 {
			return err
		}
		return loadPaths(ctx, t, k, list, ready, args...)
	})
	return list, err
}

// Changes implements [engine.Queue]. No states means any.
func (s *Store) Changes(ctx context.Context, j engine.JobID, k engine.Kind, states []engine.ChangeState, after string, limit int) ([]engine.Queued, error) {
	where := "c.job = ? AND c.kind = ? AND c.id > ?"
	args := []any{string(j), string(k), after}
	if len(states) > 0 {
		where += " AND c.state IN (?" + strings.Repeat(", ?", len(states)-1) + ")"
		for _, state := range states {
			args = append(args, string(state))
		}
	}
	var list []engine.Queued
	err := s.read(ctx, j, "list changes", func(ctx context.Context, t tx) (err error) {
		list, err = loadChanges(ctx, t, k, where+" ORDER BY c.id LIMIT ?", append(slices.Clip(args), limit)...)
		if err != nil || len(list) == 0 {
			return err
		}
		return loadPaths(ctx, t, k, list, where+" AND c.id <= ?", append(slices.Clip(args), list[len(list)-1].ID)...)
	})
	return list, err
}

const changeColumns = `c.id, c.seq, c.rev, c.state, c.verify_first, c.attempts, c.first_failure, c.last_failure, c.due, c.code, c.status, c.detail,
	c.hold, c.owner, c.owner_until, c.sent`

// loadChanges reads changes with their objects and links.
func loadChanges(ctx context.Context, t tx, k engine.Kind, where string, args ...any) ([]engine.Queued, error) {
	var list []engine.Queued
	err := t.each(ctx, func(r *sql.Rows) error {
		q := engine.Queued{Ref: engine.Ref{Kind: k}}
		var e engine.Escrow
		var seq, attempts sql.NullInt64
		var first, last, due, until int64
		var code, detail, hold sql.NullString
		var o objectRow
		var l linkRow
		dest := []any{&q.ID, &seq, &q.Rev, &q.State, &q.VerifyFirst, &attempts, &first, &last, &due, &code, &e.Status, &detail,
			&hold, &q.Owner, &until, &q.Sent}
		if err := r.Scan(append(append(dest, o.dest()...), l.dest()...)...); err != nil {
			return err
		}
		q.Seq, q.Until = seq.Int64, fromMicros(until)
		if hold.Valid {
			h, err := readHold(hold.String)
			if err != nil {
				return err
			}
			q.Hold = &h
		}
		if attempts.Valid {
			e.Attempts = int(attempts.Int64)
			e.Code, e.Detail = engine.Code(code.String), detail.String
			e.FirstFailure, e.LastFailure, e.Due = fromMicros(first), fromMicros(last), fromMicros(due)
			e.Expired = q.State == engine.ChangeExpired
			q.Escrow = &e
		}
		q.Object.Ref = q.Ref
		if o.generation.Valid {
			q.Known = true
			var err error
			if q.Object, err = o.stored(q.Ref); err != nil {
				return err
			}
		}
		if l.id.Valid {
			link, err := l.link(k)
			if err != nil {
				return err
			}
			q.Link = &link
		}
		list = append(list, q)
		return nil
	}, "SELECT "+changeColumns+", "+objectColumns+", "+linkColumns+` FROM changes c
		LEFT JOIN objects o ON o.job = c.job AND o.kind = c.kind AND o.id = c.id
		LEFT JOIN links l ON l.job = c.job AND l.kind = c.kind AND l.id = c.id WHERE `+where, args...)
	return list, err
}

// loadPaths adds the assignment paths to the changes of list, which where selects again.
func loadPaths(ctx context.Context, t tx, k engine.Kind, list []engine.Queued, where string, args ...any) error {
	paths := map[string][]engine.AssignmentPath{}
	scan := scanPaths(paths)
	err := t.each(ctx, scan, `SELECT c.id, '', a.role_id, a.role_value, a.role_name, a.effective FROM changes c CROSS JOIN assignments a
		WHERE `+where+` AND a.job = c.job AND a.principal_kind = c.kind AND a.principal_id = c.id ORDER BY c.id, a.id`, args...)
	if err == nil && k == engine.User {
		err = t.each(ctx, scan, `SELECT c.id, e.from_id, a.role_id, a.role_value, a.role_name, a.effective
			FROM changes c CROSS JOIN edges e CROSS JOIN assignments a CROSS JOIN objects g
			WHERE `+where+` AND e.job = c.job AND e.to_kind = 'user' AND e.to_id = c.id AND `+viaGroup+` ORDER BY c.id, e.from_id, a.id`, args...)
	}
	for i := range list {
		list[i].Paths = paths[list[i].ID]
	}
	return err
}

// Plan implements [engine.Queue].
func (s *Store) Plan(ctx context.Context, j engine.JobID, decisions []engine.Planned) error {
	if len(decisions) == 0 {
		return nil
	}
	type verdict struct {
		kind  engine.Kind
		held  bool
		order engine.Order
	}
	groups := map[verdict][]string{}
	var guarded []engine.Planned
	for _, p := range decisions {
		if p.Hold != nil {
			guarded = append(guarded, p)
			continue
		}
		v := verdict{p.Kind, p.Held, p.Order}
		groups[v] = append(groups[v], p.ID)
	}
	return s.write(ctx, j, "record decisions", func(ctx context.Context, t tx) error {
		for v, ids := range groups {
			err := t.execIn(ctx, "UPDATE changes SET state = ?, class = ?, seq = NULL, hold = NULL WHERE job = ? AND kind = ? AND id IN (ids)",
				[]any{string(planned(v.held)), int64(v.order), t.job, string(v.kind)}, ids)
			if err != nil {
				return err
			}
		}
		return planGuarded(ctx, t, guarded)
	})
}

// planned is the state of a change that was decided.
func planned(held bool) engine.ChangeState {
	if held {
		return engine.ChangeHeld
	}
	return engine.ChangeReady
}

// Seal implements [engine.Queue].
func (s *Store) Seal(ctx context.Context, j engine.JobID, k engine.Kind) ([]engine.Span, error) {
	var spans []engine.Span
	err := s.write(ctx, j, "number ready changes", func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, `UPDATE changes SET seq = s.n
			FROM (SELECT id, row_number() OVER (ORDER BY class, id) AS n FROM changes WHERE job = ? AND kind = ? AND state = 'ready') AS s
			WHERE changes.job = ? AND changes.kind = ? AND changes.id = s.id`, t.job, string(k), t.job, string(k))
		if err != nil {
			return err
		}
		spans = nil
		return t.each(ctx, func(r *sql.Rows) error {
			var s engine.Span
			err := r.Scan(&s.Order, &s.From, &s.To)
			spans = append(spans, s)
			return err
		}, `SELECT class, min(seq), max(seq) FROM changes WHERE job = ? AND kind = ? AND state = 'ready' AND seq IS NOT NULL
			GROUP BY class ORDER BY class`, t.job, string(k))
	})
	return spans, err
}

// Requeue implements [engine.Queue].
func (s *Store) Requeue(ctx context.Context, j engine.JobID, owner string, now time.Time) (int, error) {
	var n int64
	err := s.write(ctx, j, "put planned changes back", func(ctx context.Context, t tx) error {
		var begun []engine.Ref
		err := t.each(ctx, func(r *sql.Rows) error {
			var ref engine.Ref
			err := r.Scan(&ref.Kind, &ref.ID)
			begun = append(begun, ref)
			return err
		}, "SELECT kind, id FROM changes WHERE job = ? AND owner <> '' AND (owner = ? OR owner_until <= ?)", t.job, owner, micros(now))
		if err != nil {
			return err
		}
		if err := eachKind(ctx, t, "UPDATE links SET verify = 1 WHERE job = ? AND kind = ? AND id IN (ids) AND verify = 0", begun); err != nil {
			return err
		}
		if err := eachKind(ctx, t, "UPDATE changes SET owner = '', owner_until = 0, verify_first = 1 WHERE job = ? AND kind = ? AND id IN (ids)", begun); err != nil {
			return err
		}
		n, err = t.exec(ctx, "UPDATE changes SET state = 'queued', seq = NULL WHERE job = ? AND state = 'ready'", t.job)
		return err
	})
	return int(n), err
}

var noteSent = &bulk{
	head: "WITH v (job, kind, id, sent) AS (VALUES ", row: "(?, ?, ?, ?)", width: 4,
	tail: `) UPDATE changes SET verify_first = 1, sent = v.sent FROM v
		WHERE changes.job = v.job AND changes.kind = v.kind AND changes.id = v.id`,
}

// NoteSent implements [engine.Queue].
func (s *Store) NoteSent(ctx context.Context, j engine.JobID, sent map[engine.Ref]string) error {
	if len(sent) == 0 {
		return nil
	}
	return s.write(ctx, j, "note creates", func(ctx context.Context, t tx) error {
		rows := make([]any, 0, len(sent)*noteSent.width)
		for r, value := range sent {
			rows = append(rows, t.job, string(r.Kind), r.ID, clean(value))
		}
		return t.write(ctx, noteSent, rows)
	})
}

// QueueSize implements [engine.Queue].
func (s *Store) QueueSize(ctx context.Context, j engine.JobID) (map[engine.ChangeState]int, error) {
	sizes := map[engine.ChangeState]int{}
	err := s.read(ctx, j, "count changes", func(ctx context.Context, t tx) error {
		return t.each(ctx, func(r *sql.Rows) error {
			var state engine.ChangeState
			var n int
			err := r.Scan(&state, &n)
			sizes[state] = n
			return err
		}, "SELECT state, count(*) FROM changes WHERE job = ? GROUP BY state", t.job)
	})
	return sizes, err
}
