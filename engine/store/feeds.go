package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/scimsync/scimsync/engine"
)

// FeedState implements [engine.Feeds].
func (s *Store) FeedState(ctx context.Context, j engine.JobID, f engine.Feed) (engine.FeedState, error) {
	var state engine.FeedState
	err := s.read(ctx, j, "read feed "+string(f), func(ctx context.Context, t tx) (err error) {
		state, _, err = feedState(ctx, t, f)
		return err
	})
	return state, err
}

func feedState(ctx context.Context, t tx, f engine.Feed) (state engine.FeedState, found bool, err error) {
	var at int64
	found, err = t.one(ctx, []any{&state.Watermark, &at, &state.Cursor, &state.Open, &state.Full, &state.Generation, &state.Pages, &state.Selection, &state.Suspect},
		"SELECT watermark, watermark_at, cursor, is_open, full_read, generation, pages, selection, suspect FROM feeds WHERE job = ? AND feed = ?",
		t.job, string(f))
	state.WatermarkAt = fromMicros(at)
	return state, found, err
}

// OpenRound implements [engine.Feeds].
func (s *Store) OpenRound(ctx context.Context, j engine.JobID, f engine.Feed, full bool, selection string) (engine.FeedState, error) {
	var state engine.FeedState
	err := s.write(ctx, j, "open round of feed "+string(f), func(ctx context.Context, t tx) (err error) {
		if state, _, err = feedState(ctx, t, f); err != nil {
			return err
		}
		state.Open, state.Full, state.Cursor, state.Pages, state.Suspect = true, full, "", 0, false
		if full {
			state.Generation++
			state.Selection = selection
		}
		_, err = t.exec(ctx, `INSERT INTO feeds (job, feed, is_open, full_read, generation, selection) VALUES (?, ?, 1, ?, ?, ?)
			ON CONFLICT (job, feed) DO UPDATE SET is_open = 1, full_read = excluded.full_read, generation = excluded.generation,
				selection = excluded.selection, cursor = '', pages = 0, suspect = 0`,
			t.job, string(f), flag(full), state.Generation, state.Selection)
		return err
	})
	return state, err
}

// Unseen implements [engine.Feeds].
func (s *Store) Unseen(ctx context.Context, j engine.JobID, k engine.Kind, generation int64, after string, limit int) ([]string, error) {
	return s.ids(ctx, j, "list unseen objects", `SELECT id FROM objects
		WHERE job = ? AND kind = ? AND id > ? AND generation <> ? AND (state = 'active' OR state = 'softDeleted' AND EXISTS
			(SELECT 1 FROM links l WHERE l.job = objects.job AND l.kind = objects.kind AND l.id = objects.id)) ORDER BY id LIMIT ?`,
		string(j), string(k), after, generation, limit)
}

// ids answers with the single text column of a query.
func (s *Store) ids(ctx context.Context, j engine.JobID, what, query string, args ...any) ([]string, error) {
	var ids []string
	err := s.read(ctx, j, what, func(ctx context.Context, t tx) error {
		return t.each(ctx, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, query, args...)
	})
	return ids, err
}

// CountObjects implements [engine.Feeds].
func (s *Store) CountObjects(ctx context.Context, j engine.JobID, k engine.Kind, generation int64) (known, seen int, err error) {
	err = s.read(ctx, j, "count objects", func(ctx context.Context, t tx) error {
		_, err := t.one(ctx, []any{&known, &seen}, `SELECT count(*), count(CASE WHEN generation = ? THEN 1 END) FROM objects
			WHERE job = ? AND kind = ? AND state = 'active' AND attrs IS NOT NULL`, generation, t.job, string(k))
		return err
	})
	return known, seen, err
}

// errNoRound says that a page or a watermark came for a round that is not open.
var errNoRound = errors.New("no round of this feed is open, or a newer one was begun; read the feed's state and go on from there")

// errSuspect says that a round is not to be believed, so that no watermark comes of it.
var errSuspect = errors.New("the round is marked as not to be believed, so it does not end and its watermark is not kept; begin the round anew")

// MarkSuspect implements [engine.Holds]. Marking a round again changes nothing.
func (s *Store) MarkSuspect(ctx context.Context, j engine.JobID, f engine.Feed) error {
	return s.write(ctx, j, "mark feed "+string(f)+" as suspect", func(ctx context.Context, t tx) error {
		state, _, err := feedState(ctx, t, f)
		if err != nil || state.Open && state.Suspect {
			return err
		}
		if !state.Open || !state.Full {
			return errNoRound
		}
		if _, err := t.exec(ctx, "UPDATE feeds SET suspect = 1 WHERE job = ? AND feed = ?", t.job, string(f)); err != nil {
			return err
		}
		k, tells := kindOf(f)
		if !tells {
			return nil
		}
		return t.enqueueSelect(ctx, `SELECT o.kind, o.id FROM links l CROSS JOIN objects o
			WHERE l.job = ? AND l.kind = ? AND o.job = l.job AND o.kind = l.kind AND o.id = l.id AND o.state = 'active' AND o.generation <> ?`,
			t.job, string(k), state.Generation)
	})
}

// kindOf returns the kind of object that a feed tells about; assignments tell about none.
func kindOf(f engine.Feed) (k engine.Kind, tells bool) {
	switch f {
	case engine.FeedUsers:
		return engine.User, true
	case engine.FeedGroups:
		return engine.Group, true
	}
	return "", false
}

// feedOf is the feed that tells about a kind of object.
func feedOf(k engine.Kind) engine.Feed {
	if k == engine.Group {
		return engine.FeedGroups
	}
	return engine.FeedUsers
}

// CloseRound implements [engine.Feeds]. Closing a closed round again with the same watermark changes
// nothing. A suspect round is not closed.
func (s *Store) CloseRound(ctx context.Context, j engine.JobID, f engine.Feed, watermark engine.Cursor) error {
	return s.write(ctx, j, "close round of feed "+string(f), func(ctx context.Context, t tx) error {
		state, _, err := feedState(ctx, t, f)
		if err != nil {
			return err
		}
		if !state.Open {
			if state.Watermark == watermark && state.Generation > 0 {
				return nil
			}
			return errNoRound
		}
		if state.Suspect {
			return errSuspect
		}
		if state.Full {
			if err := sweep(ctx, t, f, state.Generation); err != nil {
				return err
			}
		}
		_, err = t.exec(ctx, `UPDATE feeds SET watermark = ?, watermark_at = ?, cursor = '', is_open = 0 WHERE job = ? AND feed = ?`,
			string(watermark), t.now, t.job, string(f))
		return err
	})
}

// sweep removes what a full round no longer contained.
func sweep(ctx context.Context, t tx, f engine.Feed, generation int64) error {
	switch f {
	case engine.FeedGroups:
		return sweepMembers(ctx, t, generation)
	case engine.FeedUsers:
		return sweepEdges(ctx, t, engine.Manager, engine.User, generation)
	case engine.FeedAssignments:
		return sweepAssignments(ctx, t, generation)
	}
	return fmt.Errorf("there is no feed %q", f)
}

// sweepMembers removes the members of groups. A job has its members as Direct edges, from which its Member
// edges are derived, or as Member edges alone: what it has is what this round told. After a round of Direct
// edges the derived ones are the business of Expand. After any other the Direct and derived edges of a job that
// expanded nested groups before go with the rest: the change of that option asks for a full read. A round that told
// of no members at all may be of either sort: nothing is left to derive edges of the groups that it contained from.
func sweepMembers(ctx context.Context, t tx, generation int64) error {
	if err := sweepEdges(ctx, t, engine.Direct, engine.Group, generation); err != nil {
		return err
	}
	var one int
	direct, err := t.one(ctx, []any{&one}, "SELECT 1 FROM edges WHERE job = ? AND rel = ? AND want = 1 AND generation = ? LIMIT 1",
		t.job, string(engine.Direct), generation)
	if err != nil || direct {
		return err
	}
	return sweepEdges(ctx, t, engine.Member, engine.Group, generation)
}

// sweepEdges removes the edges that objects seen in this generation no longer have. The users that
// belonged to an assigned group are queued.
func sweepEdges(ctx context.Context, t tx, rel engine.Relation, from engine.Kind, generation int64) error {
	const gone = `job = ? AND rel = ? AND want = 1 AND generation <> ? AND EXISTS
		(SELECT 1 FROM objects o WHERE o.job = edges.job AND o.kind = ? AND o.id = edges.from_id AND o.generation = ?)`
	args := []any{t.job, string(rel), generation, string(from), generation}
	if rel == engine.Member {
		err := t.enqueueSelect(ctx, `SELECT DISTINCT to_kind, to_id FROM edges WHERE to_kind = 'user' AND `+gone+`
			AND from_id IN (SELECT principal_id FROM assignments WHERE job = ? AND principal_kind = 'group')`, append(args, t.job)...)
		if err != nil {
			return err
		}
	}
	if _, err := t.exec(ctx, unwant+gone, args...); err != nil {
		return err
	}
	_, err := t.exec(ctx, deleteRest+gone, args...)
	return err
}

// sweepAssignments removes the assignments not seen in this generation and queues who held them.
func sweepAssignments(ctx context.Context, t tx, generation int64) error {
	err := t.enqueueSelect(ctx, `SELECT DISTINCT principal_kind, principal_id FROM assignments WHERE job = ? AND generation <> ?`,
		t.job, generation)
	if err != nil {
		return err
	}
	err = t.enqueueSelect(ctx, `SELECT DISTINCT to_kind, to_id FROM edges WHERE job = ? AND rel = 'member' AND to_kind = 'user' AND want = 1
		AND from_id IN (SELECT principal_id FROM assignments WHERE job = ? AND principal_kind = 'group' AND generation <> ?)`,
		t.job, t.job, generation)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "DELETE FROM assignments WHERE job = ? AND generation <> ?", t.job, generation)
	return err
}

// ForgetWatermarks implements [engine.Feeds]. Open rounds are given up, because closing one would
// bring a watermark back.
func (s *Store) ForgetWatermarks(ctx context.Context, j engine.JobID) error {
	return s.write(ctx, j, "forget watermarks", func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, "UPDATE feeds SET watermark = '', watermark_at = 0, cursor = '', is_open = 0, suspect = 0 WHERE job = ?", t.job)
		if err != nil {
			return err
		}
		// A restart tries what people chose to ignore, too.
		_, err = t.exec(ctx, "UPDATE edges SET due = 0, failure = NULL WHERE job = ? AND failure IS NOT NULL AND failure = ''", t.job)
		return err
	})
}
