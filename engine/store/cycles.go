package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimsync/scimsync/engine"
)

const cycleColumns = "id, job, kind, state, phase, started_at, ended_at, survey, error, error_code, plan"

// cycles reads the cycles that a query returns, with their counters.
func cycles(ctx context.Context, t tx, where string, args ...any) ([]engine.Cycle, error) {
	var list []engine.Cycle
	err := t.each(ctx, func(r *sql.Rows) error {
		var c engine.Cycle
		var started, ended int64
		var survey string
		if err := r.Scan(&c.ID, &c.Job, &c.Kind, &c.State, &c.Phase, &started, &ended, &survey, &c.Error, &c.ErrorCode, &c.Plan); err != nil {
			return err
		}
		c.StartedAt, c.EndedAt, c.Counts = fromMicros(started), fromMicros(ended), engine.Counts{}
		list = append(list, c)
		return json.Unmarshal([]byte(survey), &list[len(list)-1].Survey)
	}, "SELECT "+cycleColumns+" FROM cycles WHERE "+where, args...)
	if err != nil || len(list) == 0 {
		return list, err
	}
	ids := make([]string, len(list))
	at := make(map[engine.CycleID]int, len(list))
	for i, c := range list {
		ids[i], at[c.ID] = string(c.ID), i
	}
	return list, t.eachIn(ctx, func(r *sql.Rows) error {
		var id engine.CycleID
		var counter engine.Counter
		var n int
		err := r.Scan(&id, &counter, &n)
		list[at[id]].Counts[counter] = n
		return err
	}, "SELECT cycle, counter, n FROM cycle_counts WHERE job = ? AND cycle IN (ids)", []any{t.job}, ids)
}

// cycle reads one cycle.
func cycle(ctx context.Context, t tx, id engine.CycleID) (engine.Cycle, error) {
	list, err := cycles(ctx, t, "job = ? AND id = ?", t.job, string(id))
	if err != nil {
		return engine.Cycle{}, err
	}
	if len(list) == 0 {
		return engine.Cycle{}, noCycle(id)
	}
	return list[0], nil
}

func noCycle(id engine.CycleID) error { return fmt.Errorf("cycle %q: %w", id, engine.ErrNotFound) }

// BeginCycle implements [engine.Cycles]. When no cycle is open and one with the id of fresh was closed
// before, that one is returned as it is.
func (s *Store) BeginCycle(ctx context.Context, fresh engine.Cycle) (engine.Cycle, error) {
	var open engine.Cycle
	err := s.write(ctx, fresh.Job, "begin cycle", func(ctx context.Context, t tx) error {
		list, err := cycles(ctx, t, "job = ? AND state = 'running'", t.job)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			open = list[0]
			return nil
		}
		started := micros(fresh.StartedAt)
		if started == 0 {
			started = t.now
		}
		survey, err := json.Marshal(fresh.Survey)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `INSERT INTO cycles (job, id, serial, kind, state, phase, started_at, survey, plan) VALUES (?, ?, ?, ?, 'running', ?, ?, ?, ?)
			ON CONFLICT (job, id) DO NOTHING`,
			t.job, string(fresh.ID), t.mark, string(fresh.Kind), string(fresh.Phase), started, string(survey), fresh.Plan)
		if err != nil {
			return err
		}
		if n > 0 {
			if err := addCounts(ctx, t, fresh.ID, fresh.Counts); err != nil {
				return err
			}
		}
		open, err = cycle(ctx, t, fresh.ID)
		return err
	})
	return open, err
}

// Cycle implements [engine.Cycles].
func (s *Store) Cycle(ctx context.Context, j engine.JobID, id engine.CycleID) (engine.Cycle, error) {
	var c engine.Cycle
	err := s.read(ctx, j, "read cycle", func(ctx context.Context, t tx) (err error) {
		c, err = cycle(ctx, t, id)
		return err
	})
	return c, err
}

// LastCycles implements [engine.Cycles].
func (s *Store) LastCycles(ctx context.Context, j engine.JobID, limit int) ([]engine.Cycle, error) {
	var list []engine.Cycle
	err := s.read(ctx, j, "list cycles", func(ctx context.Context, t tx) (err error) {
		list, err = cycles(ctx, t, "job = ? ORDER BY serial DESC LIMIT ?", t.job, limit)
		return err
	})
	return list, err
}

// SetPhase implements [engine.Cycles].
func (s *Store) SetPhase(ctx context.Context, j engine.JobID, id engine.CycleID, p engine.Phase) error {
	return s.setCycle(ctx, j, id, "phase", string(p))
}

// SetSurvey implements [engine.Cycles].
func (s *Store) SetSurvey(ctx context.Context, j engine.JobID, id engine.CycleID, k engine.Kind, v engine.Survey) error {
	return s.write(ctx, j, "set survey of cycle", func(ctx context.Context, t tx) error {
		c, err := cycle(ctx, t, id)
		if err != nil {
			return err
		}
		surveys := map[engine.Kind]engine.Survey{k: v}
		for other, found := range c.Survey {
			if other != k {
				surveys[other] = found
			}
		}
		text, err := json.Marshal(surveys)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, "UPDATE cycles SET survey = ? WHERE job = ? AND id = ?", string(text), t.job, string(id))
		return err
	})
}

// SetKind implements [engine.Cycles].
func (s *Store) SetKind(ctx context.Context, j engine.JobID, id engine.CycleID, k engine.CycleKind) error {
	return s.setCycle(ctx, j, id, "kind", string(k))
}

func (s *Store) setCycle(ctx context.Context, j engine.JobID, id engine.CycleID, column, value string) error {
	return s.write(ctx, j, "set "+column+" of cycle", func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, "UPDATE cycles SET "+column+" = ? WHERE job = ? AND id = ?", value, t.job, string(id))
		if err == nil && n == 0 {
			return noCycle(id)
		}
		return err
	})
}

// Count implements [engine.Cycles].
func (s *Store) Count(ctx context.Context, j engine.JobID, id engine.CycleID, c engine.Counts) error {
	if len(c) == 0 {
		return nil
	}
	return s.write(ctx, j, "count", func(ctx context.Context, t tx) error { return addCounts(ctx, t, id, c) })
}

var insertCounts = &bulk{
	head: "INSERT INTO cycle_counts (job, cycle, counter, n) VALUES ", row: "(?, ?, ?, ?)", width: 4,
	tail: " ON CONFLICT (job, cycle, counter) DO UPDATE SET n = cycle_counts.n + excluded.n",
}

// addCounts adds to the counters of a cycle. Work outside of any cycle ("") is not counted.
func addCounts(ctx context.Context, t tx, id engine.CycleID, c engine.Counts) error {
	if id == "" {
		return nil
	}
	args := make([]any, 0, 4*len(c))
	for _, counter := range slices.Sorted(maps.Keys(c)) {
		if c[counter] != 0 {
			args = append(args, t.job, string(id), string(counter), int64(c[counter]))
		}
	}
	err := t.write(ctx, insertCounts, args)
	if err != nil && t.d.foreign(err) {
		return noCycle(id)
	}
	return err
}

// EndCycle implements [engine.Cycles].
func (s *Store) EndCycle(ctx context.Context, j engine.JobID, id engine.CycleID, state engine.CycleState, code, message string, at time.Time) (engine.Cycle, error) {
	var c engine.Cycle
	err := s.write(ctx, j, "end cycle", func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, `UPDATE cycles SET state = ?, error_code = ?, error = ?, ended_at = ? WHERE job = ? AND id = ? AND state = 'running'`,
			string(state), code, clean(message), micros(at), t.job, string(id))
		if err != nil {
			return err
		}
		c, err = cycle(ctx, t, id)
		return err
	})
	return c, err
}

// JobState implements [engine.Cycles].
func (s *Store) JobState(ctx context.Context, j engine.JobID) (engine.JobState, error) {
	var state engine.JobState
	err := s.read(ctx, j, "read state of job", func(ctx context.Context, t tx) error {
		_, err := t.one(ctx, []any{&state.Fingerprint, &state.InitialDone, &state.Described}, "SELECT fingerprint, initial_done, described FROM job_state WHERE job = ?", t.job)
		return err
	})
	return state, err
}

// PutJobState implements [engine.Cycles].
func (s *Store) PutJobState(ctx context.Context, j engine.JobID, state engine.JobState) error {
	return s.write(ctx, j, "store state of job", func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, `INSERT INTO job_state (job, fingerprint, initial_done, described) VALUES (?, ?, ?, ?)
			ON CONFLICT (job) DO UPDATE SET fingerprint = excluded.fingerprint, initial_done = excluded.initial_done, described = excluded.described`,
			t.job, state.Fingerprint, flag(state.InitialDone), state.Described)
		return err
	})
}
