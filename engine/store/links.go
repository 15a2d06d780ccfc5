package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/scimsync/scimsync/engine"
)

const linkColumns = `l.id, l.target_id, l.state, l.matched_by, l.name, l.disabled, l.recycled, l.verify, l.exported,
	l.created_at, l.updated_at, l.last_cycle, l.last_bucket, l.delete_at, l.left_reason, l.recreated`

// linkRow is a row of links, or of nulls where an outer join found none.
type linkRow struct {
	id, target, state, matched, name, exported, cycle, bucket, left, recreated sql.NullString
	disabled, recycled, verify                                                 sql.NullBool
	created, updated, deleteAt                                                 sql.NullInt64
}

func (l *linkRow) dest() []any {
	return []any{&l.id, &l.target, &l.state, &l.matched, &l.name, &l.disabled, &l.recycled, &l.verify, &l.exported,
		&l.created, &l.updated, &l.cycle, &l.bucket, &l.deleteAt, &l.left, &l.recreated}
}

func (l *linkRow) link(k engine.Kind) (engine.Link, error) {
	link := engine.Link{
		Ref: engine.Ref{Kind: k, ID: l.id.String}, TargetID: l.target.String, State: engine.LinkState(l.state.String),
		MatchedBy: l.matched.String, Name: l.name.String,
		Disabled: l.disabled.Bool, Recycled: l.recycled.Bool, Verify: l.verify.Bool,
		CreatedAt: fromMicros(l.created.Int64), UpdatedAt: fromMicros(l.updated.Int64),
		LastCycle: engine.CycleID(l.cycle.String), LastBucket: l.bucket.String,
		DeleteAt: fromMicros(l.deleteAt.Int64), Left: engine.Reason(l.left.String),
	}
	var err error
	if l.recreated.Valid {
		if link.Recreated, err = readTimes(l.recreated.String); err != nil {
			return link, err
		}
	}
	if l.exported.Valid {
		link.Exported, err = decode(l.exported.String)
	}
	return link, err
}

// Few links have a date on which their account is to be deleted, or were made anew: the others are written without,
// because the SQLite driver takes time for every parameter.
var putPlainLinks, putDatedLinks = putLinks("0, '', NULL", 15), putLinks("?, ?, ?", 18)

func putLinks(dates string, width int) *bulk {
	return &bulk{
		head: `INSERT INTO links (job, kind, id, target_id, state, matched_by, name, disabled, recycled, verify, exported,
			created_at, updated_at, last_cycle, last_bucket, delete_at, left_reason, recreated) VALUES `,
		row: "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, " + dates + ")", width: width,
		tail: ` ON CONFLICT (job, kind, id) DO UPDATE SET target_id = excluded.target_id, state = excluded.state,
			matched_by = excluded.matched_by, name = excluded.name, disabled = excluded.disabled, recycled = excluded.recycled,
			verify = excluded.verify, exported = excluded.exported, created_at = excluded.created_at, updated_at = excluded.updated_at,
			last_cycle = excluded.last_cycle, last_bucket = excluded.last_bucket,
			delete_at = excluded.delete_at, left_reason = excluded.left_reason, recreated = excluded.recreated`,
	}
}

// linkRows are links to be written.
type linkRows struct{ plain, dated []any }

// add appends the row of a link. Times that are not set become the present.
func (rows *linkRows) add(t tx, l engine.Link) error {
	var exported any
	if l.Exported != nil {
		text, err := encode(l.Exported)
		if err != nil {
			return fmt.Errorf("exported values of a %s: %w", l.Kind, err)
		}
		exported = text
	}
	created, updated := micros(l.CreatedAt), micros(l.UpdatedAt)
	if created == 0 {
		created = t.now
	}
	if updated == 0 {
		updated = t.now
	}
	dated := !l.DeleteAt.IsZero() || l.Left != "" || len(l.Recreated) > 0
	to := &rows.plain
	if dated {
		to = &rows.dated
	}
	*to = append(*to, t.job, string(l.Kind), l.ID, l.TargetID, string(l.State), l.MatchedBy, clean(l.Name),
		flag(l.Disabled), flag(l.Recycled), flag(l.Verify), exported, created, updated, string(l.LastCycle), l.LastBucket)
	if dated {
		*to = append(*to, micros(l.DeleteAt), string(l.Left), times(l.Recreated))
	}
	return nil
}

// store writes the rows.
func (rows *linkRows) store(ctx context.Context, t tx) error {
	err := t.write(ctx, putPlainLinks, rows.plain)
	if err == nil {
		err = t.write(ctx, putDatedLinks, rows.dated)
	}
	if err != nil && t.d.unique(err) {
		return engine.ErrLinkTaken
	}
	return err
}

// storeLink writes one link.
func storeLink(ctx context.Context, t tx, l engine.Link) error {
	var rows linkRows
	if err := rows.add(t, l); err != nil {
		return err
	}
	return rows.store(ctx, t)
}

// links reads the links that a query returns, all of one kind.
func links(ctx context.Context, t tx, k engine.Kind, query string, args ...any) ([]engine.Link, error) {
	var list []engine.Link
	err := t.each(ctx, scanLinks(k, func(l engine.Link) { list = append(list, l) }),
		"SELECT "+linkColumns+" FROM links l "+query, args...)
	return list, err
}

func scanLinks(k engine.Kind, yield func(engine.Link)) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var row linkRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		l, err := row.link(k)
		yield(l)
		return err
	}
}

// Link implements [engine.Links].
func (s *Store) Link(ctx context.Context, j engine.JobID, r engine.Ref) (engine.Link, error) {
	var link engine.Link
	err := s.read(ctx, j, "read link", func(ctx context.Context, t tx) error {
		list, err := links(ctx, t, r.Kind, "WHERE l.job = ? AND l.kind = ? AND l.id = ?", t.job, string(r.Kind), r.ID)
		if err == nil && len(list) == 0 {
			return fmt.Errorf("%s: %w", r.Kind, engine.ErrNoLink)
		}
		if err == nil {
			link = list[0]
		}
		return err
	})
	return link, err
}

// LinkedTo implements [engine.Links].
func (s *Store) LinkedTo(ctx context.Context, j engine.JobID, k engine.Kind, targetIDs []string) (map[string]engine.Link, error) {
	found := map[string]engine.Link{}
	err := s.read(ctx, j, "read links of target objects", func(ctx context.Context, t tx) error {
		return t.eachIn(ctx, scanLinks(k, func(l engine.Link) { found[l.TargetID] = l }),
			"SELECT "+linkColumns+" FROM links l WHERE l.job = ? AND l.kind = ? AND l.target_id IN (ids)", []any{t.job, string(k)}, targetIDs)
	})
	return found, err
}

// LinksOf implements [engine.Links].
func (s *Store) LinksOf(ctx context.Context, j engine.JobID, k engine.Kind, ids []string) (map[string]engine.Link, error) {
	found := map[string]engine.Link{}
	err := s.read(ctx, j, "read links of source objects", func(ctx context.Context, t tx) error {
		return t.eachIn(ctx, scanLinks(k, func(l engine.Link) { found[l.ID] = l }),
			"SELECT "+linkColumns+" FROM links l WHERE l.job = ? AND l.kind = ? AND l.id IN (ids)", []any{t.job, string(k)}, ids)
	})
	return found, err
}

// PutLink implements [engine.Links]. A link that is new, or leads to another target object than before,
// wakes the edges from and to its object.
func (s *Store) PutLink(ctx context.Context, j engine.JobID, l engine.Link, enqueue bool) error {
	return s.write(ctx, j, "store link", func(ctx context.Context, t tx) error {
		if l.State == engine.LinkNone {
			return errors.New("a link of state none is not stored; settle the object with Unlink instead")
		}
		var target string
		linked, err := t.one(ctx, []any{&target}, "SELECT target_id FROM links WHERE job = ? AND kind = ? AND id = ?", t.job, string(l.Kind), l.ID)
		if err != nil {
			return err
		}
		if linked && target != l.TargetID {
			if err := forgetEdges(ctx, t, []engine.Ref{l.Ref}); err != nil {
				return err
			}
		}
		if err := storeLink(ctx, t, l); err != nil {
			return err
		}
		if !linked || target != l.TargetID {
			if err := wakeEdges(ctx, t, []engine.Ref{l.Ref}); err != nil {
				return err
			}
		}
		if !enqueue {
			return nil
		}
		return t.enqueue(ctx, []engine.Ref{l.Ref})
	})
}

// Links implements [engine.Links].
func (s *Store) Links(ctx context.Context, j engine.JobID, k engine.Kind, after string, limit int) ([]engine.Link, error) {
	var list []engine.Link
	err := s.read(ctx, j, "list links", func(ctx context.Context, t tx) (err error) {
		list, err = links(ctx, t, k, "WHERE l.job = ? AND l.kind = ? AND l.id > ? ORDER BY l.id LIMIT ?", t.job, string(k), after, limit)
		return err
	})
	return list, err
}

// CountLinks implements [engine.Links].
func (s *Store) CountLinks(ctx context.Context, j engine.JobID, k engine.Kind) (map[engine.LinkState]int, error) {
	counts := map[engine.LinkState]int{}
	err := s.read(ctx, j, "count links", func(ctx context.Context, t tx) error {
		return t.each(ctx, func(r *sql.Rows) error {
			var state engine.LinkState
			var n int
			err := r.Scan(&state, &n)
			counts[state] = n
			return err
		}, "SELECT state, count(*) FROM links WHERE job = ? AND kind = ? GROUP BY state", t.job, string(k))
	})
	return counts, err
}
