package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/scimsync/scimsync/engine"
)

// Settle implements [engine.Queue]. A result whose revision was settled before is passed over, so
// that a repeated call neither counts nor logs twice; a result with Rev 0 does not stem from the queue
// and is recorded in any case.
func (s *Store) Settle(ctx context.Context, j engine.JobID, c engine.CycleID, results []engine.Settled) error {
	if len(results) == 0 {
		return nil
	}
	return s.write(ctx, j, "settle changes", func(ctx context.Context, t tx) error {
		for from := 0; from < len(results); {
			n := distinct(results[from:])
			if err := settle(ctx, t, c, results[from:from+n]); err != nil {
				return err
			}
			from += n
		}
		return nil
	})
}

// distinct returns the length of the longest start of results that names no object twice.
func distinct(results []engine.Settled) int {
	seen := make(map[engine.Ref]bool, len(results))
	for i, r := range results {
		if seen[r.Ref] {
			return i
		}
		seen[r.Ref] = true
	}
	return len(results)
}

func settle(ctx context.Context, t tx, c engine.CycleID, results []engine.Settled) error {
	revs, err := revisions(ctx, t, results)
	if err != nil {
		return err
	}
	var b settlement
	counts := engine.Counts{}
	for _, r := range results {
		rev, queued := revs[r.Ref]
		if r.Rev != 0 && (!queued || rev.rev < r.Rev || rev.settled >= r.Rev) {
			continue // recorded by an earlier call
		}
		if err := b.add(t, c, r, queued, rev); err != nil {
			return err
		}
		if r.Bucket != "" {
			counts[r.Kind.Counter(r.Bucket)]++
		}
	}
	if err := b.store(ctx, t, c); err != nil {
		return err
	}
	return addCounts(ctx, t, c, counts)
}

// revision is what the store knows of a change that is settled.
type revision struct {
	rev, settled int64
	linked       bool // its object had a link before
}

func revisions(ctx context.Context, t tx, results []engine.Settled) (map[engine.Ref]revision, error) {
	ids := map[engine.Kind][]string{}
	for _, r := range results {
		ids[r.Kind] = append(ids[r.Kind], r.ID)
	}
	revs := make(map[engine.Ref]revision, len(results))
	for k, ids := range ids {
		err := t.eachIn(ctx, func(r *sql.Rows) error {
			ref := engine.Ref{Kind: k}
			var v revision
			err := r.Scan(&ref.ID, &v.rev, &v.settled, &v.linked)
			revs[ref] = v
			return err
		}, `SELECT c.id, c.rev, c.settled, CASE WHEN l.id IS NULL THEN 0 ELSE 1 END
			FROM changes c LEFT JOIN links l ON l.job = c.job AND l.kind = c.kind AND l.id = c.id
			WHERE c.job = ? AND c.kind = ? AND c.id IN (ids)`, []any{t.job, string(k)}, ids)
		if err != nil {
			return nil, err
		}
	}
	return revs, nil
}

// settlement collects the rows to be written for results, by statement.
type settlement struct {
	unlink, dropped, wake, done []engine.Ref
	links                       linkRows
	log                         []any
	counted                     map[string][]engine.Ref // by bucket: without a new link
	stay                        []engine.Settled        // their changes stay in the queue
	grown                       map[engine.Ref]bool     // those of stay that were queued anew
}

// add takes one result. known is what the queue says of its object, if it is queued.
func (b *settlement) add(t tx, c engine.CycleID, r engine.Settled, queued bool, known revision) (err error) {
	if r.Unlink {
		b.unlink = append(b.unlink, r.Ref)
	}
	switch {
	case r.Link != nil:
		l := *r.Link
		if l.Ref != r.Ref {
			return fmt.Errorf("a result for a %s carries the link of another object", r.Kind)
		}
		if r.Bucket != "" {
			l.LastCycle, l.LastBucket = c, r.Bucket
		}
		if err := b.links.add(t, l); err != nil {
			return err
		}
	case r.Bucket != "" && !r.Unlink:
		if b.counted == nil {
			b.counted = map[string][]engine.Ref{}
		}
		b.counted[r.Bucket] = append(b.counted[r.Bucket], r.Ref)
	}
	if r.Log != nil {
		if b.log, err = appendEntry(b.log, t, c, *r.Log); err != nil {
			return err
		}
	}
	if r.ForgetMembers {
		b.dropped = append(b.dropped, r.Ref)
	}
	// The edges of an object that was not linked sleep: to link it is to wake them.
	if r.Wake || r.Link != nil && !known.linked {
		b.wake = append(b.wake, r.Ref)
	}
	switch grown := known.rev != r.Rev; {
	case !queued || r.Rev == 0:
	case grown || r.Escrow != nil || !r.Later.IsZero():
		b.stay = append(b.stay, r)
		if grown {
			if b.grown == nil {
				b.grown = map[engine.Ref]bool{}
			}
			b.grown[r.Ref] = true
		}
	default:
		b.done = append(b.done, r.Ref)
	}
	return nil
}

func (b *settlement) store(ctx context.Context, t tx, c engine.CycleID) error {
	// Unlinked first: a link may go over to another source object in one call.
	if err := eachKind(ctx, t, "DELETE FROM links WHERE job = ? AND kind = ? AND id IN (ids)", b.unlink); err != nil {
		return err
	}
	if err := forgetEdges(ctx, t, b.unlink); err != nil {
		return err
	}
	if err := b.links.store(ctx, t); err != nil {
		return err
	}
	for bucket, refs := range b.counted {
		err := eachKind(ctx, t, "UPDATE links SET last_cycle = ?, last_bucket = ? WHERE job = ? AND kind = ? AND id IN (ids)", refs, string(c), bucket)
		if err != nil {
			return err
		}
	}
	if err := t.write(ctx, insertLog, b.log); err != nil {
		return err
	}
	if err := forgetMember(ctx, t, b.dropped); err != nil {
		return err
	}
	if err := wakeEdges(ctx, t, b.wake); err != nil {
		return err
	}
	if err := eachKind(ctx, t, "DELETE FROM changes WHERE job = ? AND kind = ? AND id IN (ids)", b.done); err != nil {
		return err
	}
	for _, r := range b.stay {
		if err := keep(ctx, t, r, b.grown[r.Ref]); err != nil {
			return err
		}
	}
	return nil
}

// keep records the outcome of a change that stays in the queue; whoever had reserved it has no more to do with
// it. One in escrow gets a new revision for its next attempt, as does one that is looked at again later. One that
// was queued anew stays due now. If it did not fail it loses the verify-first mark, as what became of its create is
// known, and what guards said, which was about the operation that is done.
func keep(ctx context.Context, t tx, r engine.Settled, grown bool) error {
	const (
		update = "UPDATE changes SET settled = ?, owner = '', owner_until = 0, "
		anew   = "state = ?, rev = CASE WHEN rev < ? THEN ? ELSE rev + 1 END, seq = NULL, due = ?, "
		done   = "verify_first = 0, hold = NULL"
		which  = " WHERE job = ? AND kind = ? AND id = ?"
	)
	switch e := r.Escrow; {
	case e != nil:
		state := engine.ChangeEscrow
		switch {
		case grown:
			state = engine.ChangeQueued
		case e.Expired:
			state = engine.ChangeExpired
		}
		_, err := t.exec(ctx, update+anew+"attempts = ?, first_failure = ?, last_failure = ?, code = ?, status = ?, detail = ?"+which,
			r.Rev, string(state), t.mark, t.mark, micros(e.Due), int64(e.Attempts), micros(e.FirstFailure), micros(e.LastFailure),
			string(e.Code), int64(e.Status), clean(e.Detail), t.job, string(r.Kind), r.ID)
		return err
	case grown:
		_, err := t.exec(ctx, update+done+which, r.Rev, t.job, string(r.Kind), r.ID)
		return err
	default:
		_, err := t.exec(ctx, update+anew+"attempts = NULL, first_failure = 0, last_failure = 0, code = NULL, status = 0, detail = NULL, "+done+which,
			r.Rev, string(engine.ChangeLater), t.mark, t.mark, micros(r.Later), t.job, string(r.Kind), r.ID)
		return err
	}
}

// eachKind runs a statement for refs, kind by kind. Its parameters are before, the job, the kind and the ids.
func eachKind(ctx context.Context, t tx, query string, refs []engine.Ref, before ...any) error {
	for k, ids := range byKind(refs) {
		args := append(before[:len(before):len(before)], t.job, string(k))
		if err := t.execIn(ctx, query, args, ids); err != nil {
			return err
		}
	}
	return nil
}

// relations by the kind that they start from.
var relationOf = map[engine.Kind]engine.Relation{engine.Group: engine.Member, engine.User: engine.Manager}

// asleepOrFailed: edges that lack something, and edges that wait for their next attempt or were given up.
const asleepOrFailed = "UPDATE edges SET waiting = 1, due = 0 WHERE (waiting = 0 AND want <> have OR due > 0) AND "

// wakeEdges puts the edges from and to refs up for export that are not as they should be. Those that start
// from objects which are not linked sleep on.
func wakeEdges(ctx context.Context, t tx, refs []engine.Ref) error {
	for k, ids := range byKind(refs) {
		err := t.execIn(ctx, asleepOrFailed+"job = ? AND rel = ? AND from_id IN (ids)",
			[]any{t.job, string(relationOf[k])}, ids)
		if err != nil {
			return err
		}
		err = t.execIn(ctx, asleepOrFailed+"job = ? AND to_kind = ? AND to_id IN (ids) AND "+originLinked, []any{t.job, string(k)}, ids)
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetEdges forgets what was exported on the edges from and to refs, whose target objects are gone.
// The edges sleep until the refs are linked again.
func forgetEdges(ctx context.Context, t tx, refs []engine.Ref) error {
	for _, statement := range []string{
		"DELETE FROM edges WHERE want = 0 AND ",
		"UPDATE edges SET have = 0, waiting = 0, " + noFailure + " WHERE (have = 1 OR waiting = 1) AND ",
	} {
		for k, ids := range byKind(refs) {
			err := t.execIn(ctx, statement+"job = ? AND rel = ? AND from_id IN (ids)", []any{t.job, string(relationOf[k])}, ids)
			if err != nil {
				return err
			}
			if err := t.execIn(ctx, statement+"job = ? AND to_kind = ? AND to_id IN (ids)", []any{t.job, string(k)}, ids); err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetMember puts the memberships of refs up for export as if they never had been. One that is to be
// removed stays up for removal: the target may have kept it.
func forgetMember(ctx context.Context, t tx, refs []engine.Ref) error {
	return eachKind(ctx, t, `UPDATE edges SET have = 0, waiting = 1 WHERE rel = 'member' AND want = 1 AND have = 1
		AND job = ? AND to_kind = ? AND to_id IN (ids)`, refs)
}
