package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// Prune implements [engine.Controls]. Each kind is a transaction of its own.
func (s *Store) Prune(ctx context.Context, j engine.JobID, before engine.Retention, limit int) (int, error) {
	removed := 0
	for _, step := range []struct {
		what   string
		before time.Time
		prune  func(ctx context.Context, t tx, before int64, limit int) (int64, error)
	}{
		{"log", before.Log, pruneLog},
		{"values in the log", before.Values, pruneValues},
		{"cycles", before.Cycles, pruneCycles},
		{"audit", before.Audit, pruneAudit},
		{"notices", before.Notice, pruneNotices},
	} {
		if step.before.IsZero() {
			continue
		}
		var n int64
		err := s.write(ctx, j, "prune "+step.what, func(ctx context.Context, t tx) (err error) {
			n, err = step.prune(ctx, t, micros(step.before), limit)
			return err
		})
		if err != nil {
			return removed, err
		}
		removed += int(n)
	}
	return removed, nil
}

func pruneLog(ctx context.Context, t tx, before int64, limit int) (int64, error) {
	return t.exec(ctx, "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE job = ? AND at < ? ORDER BY at, id LIMIT ?)", t.job, before, limit)
}

// pruneValues empties the values of rows of the log. The rows are many and the values of each are to be removed
// once: how far this went is remembered. A row that is written later with a time before that keeps its values
// until the row itself is removed; rows are written when they happen, and kept for weeks.
func pruneValues(ctx context.Context, t tx, before int64, limit int) (int64, error) {
	var at, id int64
	if _, err := t.one(ctx, []any{&at, &id}, "SELECT emptied_at, emptied_id FROM job_control WHERE job = ?", t.job); err != nil {
		return 0, err
	}
	if at >= before {
		return 0, nil
	}
	type row struct {
		id   int64
		text string
	}
	var rows []row
	err := t.each(ctx, func(r *sql.Rows) error {
		var v row
		err := r.Scan(&v.id, &at, &v.text)
		id = v.id
		rows = append(rows, v)
		return err
	}, `SELECT id, at, entry FROM log WHERE job = ? AND at >= ? AND at < ? AND (at > ? OR id > ?) AND entry LIKE '%"changes":[%'
		ORDER BY at, id LIMIT ?`, t.job, at, before, at, id, limit)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		text, err := withoutValues(r.text)
		if err != nil {
			return 0, fmt.Errorf("log row %d: %w", r.id, err)
		}
		if _, err := t.exec(ctx, "UPDATE log SET entry = ? WHERE id = ?", text, r.id); err != nil {
			return 0, err
		}
	}
	if len(rows) < limit { // nothing is left before
		at, id = before, 0
	}
	_, err = t.exec(ctx, `INSERT INTO job_control (job, emptied_at, emptied_id) VALUES (?, ?, ?)
		ON CONFLICT (job) DO UPDATE SET emptied_at = excluded.emptied_at, emptied_id = excluded.emptied_id`, t.job, at, id)
	return int64(len(rows)), err
}

// withoutValues returns the document of a log row without old and new values.
func withoutValues(text string) (string, error) {
	var doc entryDoc
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&doc); err != nil {
		return "", err
	}
	for i := range doc.Changes {
		doc.Changes[i].Old, doc.Changes[i].New = nil, nil
	}
	b, err := json.Marshal(doc)
	return string(b), err
}

// pruneCycles removes ended cycles with their counters; the newest that succeeded tells when all was well last.
func pruneCycles(ctx context.Context, t tx, before int64, limit int) (int64, error) {
	return t.exec(ctx, `DELETE FROM cycles WHERE job = ? AND id IN (
		SELECT id FROM cycles WHERE job = ? AND state <> 'running' AND ended_at < ? AND serial <> coalesce(
			(SELECT max(serial) FROM cycles WHERE job = ? AND state = 'succeeded'), -1)
		ORDER BY serial LIMIT ?)`, t.job, t.job, before, t.job, limit)
}

// pruneAudit removes rows of the job and those of no job.
func pruneAudit(ctx context.Context, t tx, before int64, limit int) (int64, error) {
	return t.exec(ctx, `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE job IN (?, '') AND at < ? ORDER BY at, id LIMIT ?)`,
		t.job, before, limit)
}

// pruneNotices removes notices that nothing is left to be sent of. What they told of may be told again.
func pruneNotices(ctx context.Context, t tx, before int64, limit int) (int64, error) {
	return t.exec(ctx, `DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE job = ? AND done = 1 AND at < ? ORDER BY at, id LIMIT ?)`,
		t.job, before, limit)
}
