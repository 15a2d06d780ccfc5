package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// Control implements [engine.Controls].
func (s *Store) Control(ctx context.Context, j engine.JobID) (engine.Control, error) {
	var c engine.Control
	err := s.read(ctx, j, "read control", func(ctx context.Context, t tx) (err error) {
		c, _, err = control(ctx, t)
		return err
	})
	return c, err
}

// control reads the control of a job, and as what it is stored.
func control(ctx context.Context, t tx) (c engine.Control, stored string, err error) {
	if _, err := t.one(ctx, []any{&stored}, "SELECT doc FROM job_control WHERE job = ?", t.job); err != nil || stored == "" {
		return c, stored, err
	}
	if err := json.Unmarshal([]byte(stored), &c); err != nil {
		return c, stored, fmt.Errorf("the stored control is damaged: %w", err)
	}
	return c, stored, nil
}

// UpdateControl implements [engine.Controls]. What change leaves as it was is not written.
func (s *Store) UpdateControl(ctx context.Context, j engine.JobID, change func(*engine.Control) error) (engine.Control, error) {
	var c engine.Control
	err := s.write(ctx, j, "change control", func(ctx context.Context, t tx) error {
		// The caller's document is not handed out: it may share memory with what change was given.
		changing, stored, err := control(ctx, t)
		if err != nil {
			return err
		}
		if err := change(&changing); err != nil {
			return err
		}
		inUTC(&changing)
		changing.Schema = clean(changing.Schema)
		doc, err := json.Marshal(changing)
		if err != nil {
			return fmt.Errorf("control: %w", err)
		}
		c = engine.Control{}
		if err := json.Unmarshal(doc, &c); err != nil {
			return fmt.Errorf("control: %w", err)
		}
		if string(doc) == stored {
			return nil
		}
		_, err = t.exec(ctx, "INSERT INTO job_control (job, doc) VALUES (?, ?) ON CONFLICT (job) DO UPDATE SET doc = excluded.doc",
			t.job, string(doc))
		return err
	})
	if err != nil {
		return engine.Control{}, err
	}
	return c, nil
}

// inUTC makes the times of c those that are stored.
func inUTC(c *engine.Control) {
	times := []*time.Time{&c.AskedAt, &c.SteadyFirst, &c.SteadyLast, &c.BinAt}
	if c.Quarantine != nil {
		c.Quarantine = new(*c.Quarantine)
		times = append(times, &c.Quarantine.SeriesBegan, &c.Quarantine.CurrentBegan, &c.Quarantine.NextAttempt)
		c.Quarantine.Message = clean(c.Quarantine.Message)
	}
	for _, t := range times {
		*t = t.UTC()
	}
}

// DoubtLinks implements [engine.Controls].
func (s *Store) DoubtLinks(ctx context.Context, j engine.JobID) error {
	return s.write(ctx, j, "doubt links", func(ctx context.Context, t tx) error {
		if _, err := t.exec(ctx, "UPDATE links SET verify = 1 WHERE job = ? AND verify = 0", t.job); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "UPDATE edges SET waiting = 1 WHERE job = ? AND have = 1 AND want = 1 AND waiting = 0", t.job); err != nil {
			return err
		}
		return t.enqueueSelect(ctx, "SELECT kind, id FROM links WHERE job = ?", t.job)
	})
}

// ForgetLinks implements [engine.Controls]. Nothing is queued. The edges sleep until their objects are linked
// again, as if they had never been exported.
func (s *Store) ForgetLinks(ctx context.Context, j engine.JobID) (int, error) {
	var links int64
	err := s.write(ctx, j, "forget links", func(ctx context.Context, t tx) (err error) {
		if links, err = t.exec(ctx, "DELETE FROM links WHERE job = ?", t.job); err != nil {
			return err
		}
		if _, err = t.exec(ctx, "DELETE FROM edges WHERE job = ? AND want = 0", t.job); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE edges SET have = 0, waiting = 0, hold = 0, due = 0, failure = NULL
			WHERE job = ? AND (have = 1 OR waiting = 1 OR hold <> 0 OR due <> 0 OR failure IS NOT NULL)`, t.job)
		return err
	})
	return int(links), err
}

// owned are all tables with rows of a job but the audit, which outlives it.
var owned = append([]string{"cycle_counts", "cycles", "log", "plans", "requests", "notices"}, copied...)

// eraseRows is the number of rows of the log that one transaction removes.
const eraseRows = 5000

// EraseJob implements [engine.Controls]. The log may be of any size, so it goes first, in pieces that let others
// write in between; the rest goes in one transaction. A call that was broken off is to be repeated.
func (s *Store) EraseJob(ctx context.Context, j engine.JobID) error {
	for {
		var n int64
		err := s.write(ctx, j, "erase log", func(ctx context.Context, t tx) (err error) {
			n, err = t.exec(ctx, "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE job = ? ORDER BY at LIMIT ?)", t.job, eraseRows)
			return err
		})
		if err != nil {
			return err
		}
		if n < eraseRows {
			break
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("store: job %s: erase log: %w", j, err)
		}
	}
	return s.write(ctx, j, "erase job", func(ctx context.Context, t tx) error {
		for _, table := range owned {
			if _, err := t.exec(ctx, "DELETE FROM "+table+" WHERE job = ?", t.job); err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
		}
		return nil
	})
}
