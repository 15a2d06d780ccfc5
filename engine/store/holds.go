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

// writeHold writes what guards and people said about a change.
func writeHold(h engine.Hold) (string, error) {
	h.Since, h.VerdictAt, h.Until = h.Since.UTC(), h.VerdictAt.UTC(), h.Until.UTC()
	text, err := json.Marshal(h)
	if err != nil {
		return "", fmt.Errorf("hold of a change: %w", err)
	}
	return string(text), nil
}

func readHold(text string) (engine.Hold, error) {
	var h engine.Hold
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return h, fmt.Errorf("hold of a change: %w", err)
	}
	return h, nil
}

// The documents of two changes are seldom equal, so rows are written from a list and not for a list of ids.
var (
	planHolds = &bulk{
		head: "UPDATE changes SET state = v.column4, class = v.column5, seq = NULL, hold = v.column6 FROM (VALUES ",
		row:  "(CAST(? AS text), CAST(? AS text), CAST(? AS text), CAST(? AS text), CAST(? AS integer), CAST(? AS text))", width: 6,
		tail: ") AS v WHERE changes.job = v.column1 AND changes.kind = v.column2 AND changes.id = v.column3",
	}
	putHolds = &bulk{
		head: "UPDATE changes SET hold = v.column4 FROM (VALUES ",
		row:  "(CAST(? AS text), CAST(? AS text), CAST(? AS text), CAST(? AS text))", width: 4,
		tail: ") AS v WHERE changes.job = v.column1 AND changes.kind = v.column2 AND changes.id = v.column3",
	}
)

// planGuarded is Plan for changes that a guard has something to say about.
func planGuarded(ctx context.Context, t tx, decisions []engine.Planned) error {
	args := make([]any, 0, len(decisions)*planHolds.width)
	for _, p := range decisions {
		text, err := writeHold(*p.Hold)
		if err != nil {
			return err
		}
		args = append(args, t.job, string(p.Kind), p.ID, string(planned(p.Held)), int64(p.Order), text)
	}
	return t.write(ctx, planHolds, args)
}

// Judge implements [engine.Holds]. A change that was held and has been queued anew since can be judged too: the
// verdict counts if the same is decided again. Until is kept for approvals only.
func (s *Store) Judge(ctx context.Context, j engine.JobID, about []engine.Judged, v engine.Verdict, at, until time.Time, by, comment string) (int, error) {
	if v != engine.Approved && v != engine.Rejected {
		return 0, noVerdict(j, v)
	}
	if v == engine.Rejected {
		until = time.Time{}
	}
	actions := make(map[engine.Ref]engine.Action, len(about))
	for _, a := range about {
		actions[a.Ref] = a.Action
	}
	judged := 0
	err := s.write(ctx, j, "judge held changes", func(ctx context.Context, t tx) error {
		var rows []any
		groups := byKind(slices.Collect(maps.Keys(actions)))
		for _, k := range slices.Sorted(maps.Keys(groups)) {
			err := t.eachIn(ctx, func(r *sql.Rows) error {
				ref := engine.Ref{Kind: k}
				var text string
				if err := r.Scan(&ref.ID, &text); err != nil {
					return err
				}
				h, err := readHold(text)
				if err != nil || h.Action != actions[ref] {
					return err
				}
				h.Verdict, h.VerdictAt, h.Until, h.By, h.Comment = v, at, until, by, comment
				if text, err = writeHold(h); err != nil {
					return err
				}
				rows = append(rows, t.job, string(k), ref.ID, text)
				return nil
			}, "SELECT id, hold FROM changes WHERE job = ? AND kind = ? AND id IN (ids) AND state IN ('held', 'queued') AND hold IS NOT NULL",
				[]any{t.job, string(k)}, groups[k])
			if err != nil {
				return err
			}
		}
		judged = len(rows) / putHolds.width
		return t.write(ctx, putHolds, rows)
	})
	if err != nil {
		return 0, err
	}
	return judged, nil
}

func noVerdict(j engine.JobID, v engine.Verdict) error {
	return fmt.Errorf("store: job %s: %q is no verdict; say %s or %s", j, v, engine.Approved, engine.Rejected)
}
