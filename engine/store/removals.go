package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// What the column hold of an edge says. 0 is nothing, 1 held without a verdict.
const (
	holdApproved = 2
	holdRejected = 3
)

const (
	// A membership e that is to be removed.
	leavingEdge = "e.job = ? AND e.rel = 'member' AND e.want = 0"
	// and that a cycle would remove if nobody objects: it is due, and nobody judged it.
	wouldGo      = leavingEdge + " AND e.have = 1 AND e.waiting = 1 AND e.hold IN (0, 1) AND e.due <= ? AND " + memberLinked
	memberLinked = "EXISTS (SELECT 1 FROM links m WHERE m.job = e.job AND m.kind = e.to_kind AND m.id = e.to_id)"
	groupWritten = "EXISTS (SELECT 1 FROM links l WHERE l.job = e.job AND l.kind = 'group' AND l.id = e.from_id AND " + exportable + ")"
)

// leavers are the removals of one group, and how many of them are held already.
type leavers struct {
	group     string
	all, held int
}

// HoldRemovals implements [engine.Holds].
func (s *Store) HoldRemovals(ctx context.Context, j engine.JobID, g engine.RemovalGuard, now time.Time) (held int, err error) {
	err = s.write(ctx, j, "hold removals of members", func(ctx context.Context, t tx) error {
		held = 0
		groups, total, err := loadLeavers(ctx, t, now)
		if err != nil {
			return err
		}
		tooMany := g.Max > 0 && total > g.Max
		emptied := map[string]bool{}
		if !tooMany && g.Emptied > 0 {
			if emptied, err = loadEmptied(ctx, t, groups, g.Emptied, now); err != nil {
				return err
			}
		}
		var hold, release []string
		for _, l := range groups {
			chosen := tooMany || emptied[l.group]
			if chosen {
				held += l.all
			}
			switch {
			case chosen && l.held < l.all:
				hold = append(hold, l.group)
			case !chosen && l.held > 0:
				release = append(release, l.group)
			}
		}
		if err := t.execIn(ctx, "UPDATE edges AS e SET hold = 1 WHERE "+wouldGo+" AND e.from_id IN (ids)", []any{t.job, micros(now)}, hold); err != nil {
			return err
		}
		if err := t.execIn(ctx, "UPDATE edges AS e SET hold = 0 WHERE "+leavingEdge+" AND e.hold = 1 AND e.from_id IN (ids)", []any{t.job}, release); err != nil {
			return err
		}
		_, err = t.exec(ctx, "UPDATE edges AS e SET hold = 0 WHERE "+leavingEdge+" AND e.hold = 1 AND NOT ("+groupWritten+" AND "+memberLinked+")", t.job)
		return err
	})
	if err != nil {
		return 0, err
	}
	return held, nil
}

// loadLeavers returns the removals that a cycle would make, by group, and how many they are.
func loadLeavers(ctx context.Context, t tx, now time.Time) (groups []leavers, total int, err error) {
	err = t.each(ctx, func(r *sql.Rows) error {
		var l leavers
		err := r.Scan(&l.group, &l.all, &l.held)
		groups = append(groups, l)
		total += l.all
		return err
	}, "SELECT e.from_id, count(*), count(CASE WHEN e.hold = 1 THEN 1 END) FROM edges e WHERE "+wouldGo+" AND "+groupWritten+" GROUP BY e.from_id ORDER BY e.from_id",
		t.job, micros(now))
	return groups, total, err
}

// loadEmptied returns those of the groups that have at least so many members at the target and would keep none of
// them and get no other: nobody stays by the source's or an administrator's word, and nobody who joins can be added now.
func loadEmptied(ctx context.Context, t tx, groups []leavers, atLeast int, now time.Time) (map[string]bool, error) {
	ids := make([]string, len(groups))
	for i, l := range groups {
		ids[i] = l.group
	}
	emptied := map[string]bool{}
	const ofGroup = "e.job = g.job AND e.rel = 'member' AND e.from_id = g.id"
	err := t.eachIn(ctx, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		emptied[id] = true
		return err
	}, `SELECT g.id FROM links g WHERE g.job = ? AND g.kind = 'group' AND g.id IN (ids)
		AND NOT EXISTS (SELECT 1 FROM edges e WHERE `+ofGroup+` AND (e.hold = 3 OR e.want = 1 AND (e.have = 1 OR e.waiting = 1 AND e.due <= ?
			AND EXISTS (SELECT 1 FROM links l WHERE l.job = e.job AND l.kind = e.to_kind AND l.id = e.to_id AND `+exportable+`))))
		AND (SELECT count(*) FROM edges e WHERE `+ofGroup+` AND e.have = 1) >= ?`, []any{t.job}, ids, micros(now), atLeast)
	return emptied, err
}

// HeldRemovals implements [engine.Holds]. Undecided and rejected removals of one group are two entries, in this
// order; the limit is one of groups.
func (s *Store) HeldRemovals(ctx context.Context, j engine.JobID, after string, limit int) ([]engine.HeldRemoval, error) {
	var list []engine.HeldRemoval
	err := s.read(ctx, j, "list held removals of members", func(ctx context.Context, t tx) error {
		const heldEdge = leavingEdge + " AND e.hold IN (1, 3)"
		var ids []string
		err := t.each(ctx, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, "SELECT e.from_id FROM edges e WHERE "+heldEdge+" AND e.from_id > ? GROUP BY e.from_id ORDER BY e.from_id LIMIT ?", t.job, after, limit)
		if err != nil || len(ids) == 0 {
			return err
		}
		at := map[string][]int{} // places in the list by group
		err = t.eachIn(ctx, func(r *sql.Rows) error {
			var group string
			var member engine.Ref
			var hold int
			if err := r.Scan(&group, &member.Kind, &member.ID, &hold); err != nil {
				return err
			}
			v := engine.Undecided
			if hold == holdRejected {
				v = engine.Rejected
			}
			if n := len(list); n == 0 || list[n-1].Group.ID != group || list[n-1].Verdict != v {
				list = append(list, engine.HeldRemoval{Group: engine.Ref{Kind: engine.Group, ID: group}, Verdict: v})
				at[group] = append(at[group], n)
			}
			h := &list[len(list)-1]
			h.Members = append(h.Members, member)
			return nil
		}, "SELECT e.from_id, e.to_kind, e.to_id, e.hold FROM edges e WHERE "+heldEdge+" AND e.from_id IN (ids) ORDER BY e.from_id, e.hold, e.to_id, e.to_kind",
			[]any{t.job}, ids)
		if err != nil {
			return err
		}
		return t.eachIn(ctx, func(r *sql.Rows) error {
			var group string
			var name sql.NullString
			var has int
			err := r.Scan(&group, &name, &has)
			for _, i := range at[group] {
				list[i].Name, list[i].Has = name.String, has
			}
			return err
		}, `SELECT e.from_id, max(l.name), count(*) FROM edges e LEFT JOIN links l ON l.job = e.job AND l.kind = 'group' AND l.id = e.from_id
			WHERE e.job = ? AND e.rel = 'member' AND e.have = 1 AND e.from_id IN (ids) GROUP BY e.from_id`, []any{t.job}, ids)
	})
	return list, err
}

// JudgeRemovals implements [engine.Holds]. As long as a removal has not been exported its verdict can be changed.
func (s *Store) JudgeRemovals(ctx context.Context, j engine.JobID, group string, members []engine.Ref, v engine.Verdict) (int, error) {
	hold := int64(holdRejected)
	switch v {
	case engine.Approved:
		hold = holdApproved
	case engine.Rejected:
	default:
		return 0, noVerdict(j, v)
	}
	var judged int64
	err := s.write(ctx, j, "judge held removals of members", func(ctx context.Context, t tx) error {
		judged = 0
		for k, ids := range byKind(members) {
			n, err := t.countIn(ctx, "UPDATE edges SET hold = ? WHERE want = 0 AND hold <> 0 AND "+ofOrigin,
				append([]any{hold}, bundle{engine.Member, group, k}.args(t)...), ids)
			if err != nil {
				return err
			}
			judged += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return int(judged), nil
}

// References implements [engine.Holds].
func (s *Store) References(ctx context.Context, j engine.JobID) (engine.References, error) {
	var out engine.References
	err := s.read(ctx, j, "count references", func(ctx context.Context, t tx) error {
		out = engine.References{}
		err := t.each(ctx, func(r *sql.Rows) error {
			var hold, edges, groups int
			if err := r.Scan(&hold, &edges, &groups); err != nil {
				return err
			}
			if hold == holdRejected {
				out.Rejected = edges
			} else {
				out.Held, out.HeldGroups = edges, groups
			}
			return nil
		}, "SELECT e.hold, count(*), count(DISTINCT e.from_id) FROM edges e WHERE "+leavingEdge+" AND e.hold IN (1, 3) GROUP BY e.hold", t.job)
		if err != nil {
			return err
		}
		for _, rel := range []engine.Relation{engine.Member, engine.Manager} {
			err := t.each(ctx, func(r *sql.Rows) error {
				var n int
				err := r.Scan(&n)
				out.Failed += n
				return err
			}, "SELECT count(*) FROM edges WHERE job = ? AND rel = ? AND "+hasFailed, t.job, string(rel))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}
