package store

import (
	"context"
	"database/sql"

	"github.com/scimsync/scimsync/engine"
)

// PutAudit implements [engine.Audit]. A time that is not set becomes the present. Rows of all jobs are written one
// after the other, so that none becomes visible behind a reader who goes on after an id.
func (s *Store) PutAudit(ctx context.Context, e engine.AuditEntry) error {
	return s.write(ctx, "", "write audit", func(ctx context.Context, t tx) error {
		at := micros(e.At)
		if at == 0 {
			at = t.now
		}
		_, err := t.exec(ctx, `INSERT INTO audit (job, at, actor, origin, activity, before_value, after_value, comment, failed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, string(e.Job), at, clean(e.By), clean(e.From), clean(e.Activity), clean(e.Before), clean(e.After),
			clean(e.Comment), flag(e.Failed))
		return err
	})
}

// AuditEntries implements [engine.Audit].
func (s *Store) AuditEntries(ctx context.Context, f engine.AuditFilter) ([]engine.AuditEntry, error) {
	query, args := "SELECT id, job, at, actor, origin, activity, before_value, after_value, comment, failed FROM audit WHERE id > ?", []any{f.AfterID}
	where := func(condition string, value any) {
		query += " AND " + condition
		args = append(args, value)
	}
	if f.Job != "" {
		where("job = ?", string(f.Job))
	}
	if f.By != "" {
		where("actor = ?", clean(f.By))
	}
	if f.Activity != "" {
		where("activity = ?", clean(f.Activity))
	}
	if !f.Since.IsZero() {
		where("at >= ?", micros(f.Since))
	}
	if !f.Until.IsZero() {
		where("at < ?", micros(f.Until))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 1000
	}
	var list []engine.AuditEntry
	err := s.read(ctx, f.Job, "read audit", func(ctx context.Context, t tx) error {
		return t.each(ctx, func(r *sql.Rows) error {
			var e engine.AuditEntry
			var at int64
			err := r.Scan(&e.ID, &e.Job, &at, &e.By, &e.From, &e.Activity, &e.Before, &e.After, &e.Comment, &e.Failed)
			e.At = fromMicros(at)
			list = append(list, e)
			return err
		}, query+" ORDER BY id LIMIT ?", append(args, limit)...)
	})
	return list, err
}
