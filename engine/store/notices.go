package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// PutNotice implements [engine.Notices]. A time that is not set becomes the present.
func (s *Store) PutNotice(ctx context.Context, n engine.Notice) (fresh bool, err error) {
	err = s.write(ctx, n.Job, "store notice", func(ctx context.Context, t tx) error {
		var facts any
		if n.Facts != nil {
			text, err := encode(n.Facts)
			if err != nil {
				return fmt.Errorf("facts: %w", err)
			}
			facts = text
		}
		delivered, err := channels(n)
		if err != nil {
			return err
		}
		at := micros(n.At)
		if at == 0 {
			at = t.now
		}
		rows, err := t.exec(ctx, `INSERT INTO notices (job, name, kind, at, subject, body, facts, attempts, due, done, delivered)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job, name) DO NOTHING`,
			t.job, clean(n.Key), string(n.Kind), at, clean(n.Subject), clean(n.Text), facts, int64(n.Attempts), micros(n.Due), flag(n.Done), delivered)
		fresh = rows > 0
		return err
	})
	return fresh && err == nil, err
}

// channels writes the names of those that have a notice.
func channels(n engine.Notice) (string, error) {
	if n.Delivered == nil {
		return "[]", nil
	}
	b, err := json.Marshal(n.Delivered)
	if err != nil {
		return "", fmt.Errorf("channels: %w", err)
	}
	return clean(string(b)), nil
}

// DueNotices implements [engine.Notices].
func (s *Store) DueNotices(ctx context.Context, now time.Time, limit int) ([]engine.Notice, error) {
	var list []engine.Notice
	err := s.read(ctx, "", "list due notices", func(ctx context.Context, t tx) error {
		return t.each(ctx, func(r *sql.Rows) error {
			var n engine.Notice
			var at, due int64
			var facts sql.NullString
			var delivered string
			if err := r.Scan(&n.ID, &n.Job, &n.Key, &n.Kind, &at, &n.Subject, &n.Text, &facts, &n.Attempts, &due, &delivered); err != nil {
				return err
			}
			n.At, n.Due = fromMicros(at), fromMicros(due)
			if facts.Valid {
				var err error
				if n.Facts, err = decode(facts.String); err != nil {
					return fmt.Errorf("facts of notice %d: %w", n.ID, err)
				}
			}
			if err := json.Unmarshal([]byte(delivered), &n.Delivered); err != nil {
				return fmt.Errorf("channels of notice %d: %w", n.ID, err)
			}
			list = append(list, n)
			return nil
		}, `SELECT id, job, name, kind, at, subject, body, facts, attempts, due, delivered FROM notices
			WHERE done = 0 AND due <= ? ORDER BY at, id LIMIT ?`, micros(now), limit)
	})
	return list, err
}

// ClaimNotice implements [engine.Notices].
func (s *Store) ClaimNotice(ctx context.Context, n engine.Notice, until time.Time) (bool, error) {
	var rows int64
	err := s.write(ctx, n.Job, "claim notice", func(ctx context.Context, t tx) (err error) {
		rows, err = t.exec(ctx, "UPDATE notices SET attempts = attempts + 1, due = ? WHERE id = ? AND job = ? AND done = 0 AND attempts = ?",
			micros(until), n.ID, t.job, int64(n.Attempts))
		return err
	})
	return rows > 0 && err == nil, err
}

// UpdateNotice implements [engine.Notices]. A notice that is no longer there is an error that wraps
// [engine.ErrNotFound].
func (s *Store) UpdateNotice(ctx context.Context, n engine.Notice) error {
	return s.write(ctx, n.Job, "update notice", func(ctx context.Context, t tx) error {
		delivered, err := channels(n)
		if err != nil {
			return err
		}
		rows, err := t.exec(ctx, "UPDATE notices SET attempts = ?, due = ?, done = ?, delivered = ? WHERE id = ? AND job = ?",
			int64(n.Attempts), micros(n.Due), flag(n.Done), delivered, n.ID, t.job)
		if err == nil && rows == 0 {
			return fmt.Errorf("notice %d: %w", n.ID, engine.ErrNotFound)
		}
		return err
	})
}
