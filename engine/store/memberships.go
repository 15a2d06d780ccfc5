package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// exportable says of a link l that references of its object are written: a released account is
// no longer managed.
const exportable = "l.state IN ('managed', 'suspended')"

// up says of an edge e that it is up for export at a time: it waits, no guard holds it, and it did not fail or is due again.
const up = "e.waiting = 1 AND e.hold IN (0, 2) AND e.due <= ?"

// Holders implements [engine.Memberships].
func (s *Store) Holders(ctx context.Context, j engine.JobID, rel engine.Relation, after string, limit int) ([]engine.Holder, error) {
	k, err := origin(rel)
	if err != nil {
		return nil, err
	}
	var holders []engine.Holder
	err = s.read(ctx, j, "list holders of references", func(ctx context.Context, t tx) error {
		// In two steps, so that the first reads nothing but indexes and stops at the limit.
		var ids []string
		err := t.each(ctx, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, `SELECT e.from_id FROM edges e CROSS JOIN links l
			WHERE e.job = ? AND e.rel = ? AND e.from_id > ? AND `+up+` AND l.job = e.job AND l.kind = ? AND l.id = e.from_id AND `+exportable+`
			GROUP BY e.from_id ORDER BY e.from_id LIMIT ?`, t.job, string(rel), after, t.now, string(k), limit)
		if err != nil {
			return err
		}
		err = t.eachIn(ctx, scanLinks(k, func(l engine.Link) { holders = append(holders, engine.Holder{Ref: l.Ref, Link: l}) }),
			"SELECT "+linkColumns+" FROM links l WHERE l.job = ? AND l.kind = ? AND l.id IN (ids)", []any{t.job, string(k)}, ids)
		slices.SortFunc(holders, func(a, b engine.Holder) int { return strings.Compare(a.ID, b.ID) })
		return err
	})
	return holders, err
}

// Waiting implements [engine.Memberships].
func (s *Store) Waiting(ctx context.Context, j engine.JobID, from engine.Ref, rel engine.Relation, after string, limit int) ([]engine.Membership, error) {
	if err := startsFrom(j, from, rel); err != nil {
		return nil, err
	}
	var list []engine.Membership
	err := s.read(ctx, j, "list waiting references", func(ctx context.Context, t tx) error {
		return t.each(ctx, scanMemberships(&list), membershipsOf+" AND e.to_id > ? AND "+up+" ORDER BY e.to_id, e.to_kind LIMIT ?",
			t.job, string(rel), from.ID, after, t.now, limit+1)
	})
	if len(list) > limit {
		list = wholeIDs(list, limit)
	}
	return list, err
}

func startsFrom(j engine.JobID, from engine.Ref, rel engine.Relation) error {
	if k, err := origin(rel); err != nil || k != from.Kind {
		return fmt.Errorf("store: job %s: no edges of relation %q start from a %s", j, rel, from.Kind)
	}
	return nil
}

// membershipsOf selects edges of one object, for scanMemberships.
const membershipsOf = `SELECT e.to_kind, e.to_id, e.want, e.have, e.due, e.failure, l.target_id, l.state
	FROM edges e LEFT JOIN links l ON l.job = e.job AND l.kind = e.to_kind AND l.id = e.to_id
	WHERE e.job = ? AND e.rel = ? AND e.from_id = ?`

func scanMemberships(list *[]engine.Membership) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var m engine.Membership
		var due int64
		var failure, target, state sql.NullString
		err := r.Scan(&m.To.Kind, &m.To.ID, &m.Want, &m.Have, &due, &failure, &target, &state)
		if err != nil {
			return err
		}
		m.TargetID, m.State = target.String, engine.LinkState(state.String)
		m.Escrow, err = readFailure(failure.String, due)
		*list = append(*list, m)
		return err
	}
}

// wholeIDs cuts a list of limit+1 edges down to limit so that the next page, which begins after an
// id, misses nothing: a user and a group with one id stay together.
func wholeIDs(list []engine.Membership, limit int) []engine.Membership {
	if limit > 1 && list[limit].To.ID == list[limit-1].To.ID {
		return list[:limit-1]
	}
	return list[:limit]
}

// An edge that the source dropped while it was exported is at the target all the same: it comes
// back, to be removed.
var addedEdges = &bulk{
	head: "INSERT INTO edges (job, rel, from_id, to_kind, to_id, want, have, waiting, generation) VALUES ",
	row:  "(?, ?, ?, ?, ?, 0, 1, 1, 0)", width: 5,
	tail: ` ON CONFLICT (job, rel, from_id, to_id, to_kind) DO UPDATE SET have = 1, waiting = CASE WHEN edges.want = 1 THEN 0 ELSE 1 END,
			due = 0, failure = NULL
		WHERE edges.have = 0 OR edges.want = 1 AND edges.waiting = 1`,
}

const (
	// Not "want = 0": with that PostgreSQL would read all edges that leave the object, once for every list of ids.
	droppedEdges  = "DELETE FROM edges WHERE want <> 1 AND " + ofOrigin
	returnedEdges = "UPDATE edges SET have = 0, waiting = 1, due = 0, failure = NULL WHERE have = 1 AND " + ofOrigin
	retriedEdges  = "UPDATE edges SET waiting = 1 WHERE waiting = 0 AND want <> have AND " + ofOrigin
	// Unless the other end was linked meanwhile: nobody would wake the edge again.
	asleepEdges = `UPDATE edges SET waiting = 0, due = 0, failure = NULL WHERE waiting = 1 AND NOT EXISTS (SELECT 1 FROM links l
		WHERE l.job = edges.job AND l.kind = edges.to_kind AND l.id = edges.to_id AND ` + exportable + `) AND ` + ofOrigin
)

// SettleEdges implements [engine.Memberships]. When none of the edges that are settled is still open,
// the call repeats an earlier one and neither counts nor logs.
func (s *Store) SettleEdges(ctx context.Context, j engine.JobID, c engine.CycleID, e engine.EdgesSettled) error {
	if err := startsFrom(j, e.From, e.Relation); err != nil {
		return err
	}
	return s.write(ctx, j, "settle references", func(ctx context.Context, t tx) error {
		changed, err := settleEdges(ctx, t, e)
		if err != nil {
			return err
		}
		if changed == 0 && len(e.Added)+len(e.Removed)+len(e.Asleep)+len(e.Failed) > 0 {
			return nil
		}
		counts := engine.Counts{}
		for k, n := range e.Counts {
			counts[k] = n
		}
		if err := settleHolder(ctx, t, c, e, counts); err != nil {
			return err
		}
		if e.Log != nil {
			row, err := appendEntry(nil, t, c, *e.Log)
			if err != nil {
				return err
			}
			if err := t.write(ctx, insertLog, row); err != nil {
				return err
			}
		}
		return addCounts(ctx, t, c, counts)
	})
}

// settleEdges records what came of the edges and returns how many rows that changed.
func settleEdges(ctx context.Context, t tx, e engine.EdgesSettled) (changed int64, err error) {
	count := func(text string, args []any) error {
		r, err := t.run.ExecContext(ctx, text, args...)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		changed += n
		return err
	}
	var added []any
	for _, r := range newRefSet(e.Added).refs {
		added = append(added, t.job, string(e.Relation), e.From.ID, string(r.Kind), r.ID)
	}
	if err := t.chunks(addedEdges, added, nil, count); err != nil {
		return 0, err
	}
	for _, step := range []struct {
		query string
		refs  []engine.Ref
	}{{droppedEdges, e.Removed}, {returnedEdges, e.Removed}, {asleepEdges, e.Asleep}, {retriedEdges, e.Retry}} {
		for k, ids := range byKind(step.refs) {
			if err := t.list(step.query, bundle{e.Relation, e.From.ID, k}.args(t), ids, nil, count); err != nil {
				return 0, err
			}
		}
	}
	err = failEdges(t, e, count)
	return changed, err
}

// settleHolder stores the link of the holder and counts it as updated, unless this cycle counted it
// already; one that was counted as unchanged moves.
func settleHolder(ctx context.Context, t tx, c engine.CycleID, e engine.EdgesSettled, counts engine.Counts) error {
	if e.Link == nil && !e.CountHolder {
		return nil
	}
	var lastCycle engine.CycleID
	var lastBucket string
	linked, err := t.one(ctx, []any{&lastCycle, &lastBucket}, "SELECT last_cycle, last_bucket FROM links WHERE job = ? AND kind = ? AND id = ?",
		t.job, string(e.From.Kind), e.From.ID)
	if err != nil {
		return err
	}
	counted := lastCycle == c && lastBucket != ""
	if e.CountHolder && (!counted || lastBucket == engine.BucketUnchanged) {
		counts[e.From.Kind.Counter(engine.BucketUpdated)]++
		if counted {
			counts[e.From.Kind.Counter(engine.BucketUnchanged)]--
		}
		lastCycle, lastBucket = c, engine.BucketUpdated
	}
	if e.Link != nil {
		l := *e.Link
		if l.Ref != e.From {
			return fmt.Errorf("the references of a %s carry the link of another object", e.From.Kind)
		}
		if linked || e.CountHolder {
			l.LastCycle, l.LastBucket = lastCycle, lastBucket
		}
		return storeLink(ctx, t, l)
	}
	_, err = t.exec(ctx, "UPDATE links SET last_cycle = ?, last_bucket = ? WHERE job = ? AND kind = ? AND id = ?",
		string(lastCycle), lastBucket, t.job, string(e.From.Kind), e.From.ID)
	return err
}
