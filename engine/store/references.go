package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// HoldersTo implements [engine.OnDemand].
func (s *Store) HoldersTo(ctx context.Context, j engine.JobID, rel engine.Relation, to engine.Ref) ([]engine.Holder, error) {
	k, err := origin(rel)
	if err != nil {
		return nil, fmt.Errorf("store: job %s: list holders of references to an object: %w", j, err)
	}
	var holders []engine.Holder
	err = s.read(ctx, j, "list holders of references to an object", func(ctx context.Context, t tx) error {
		return t.each(ctx, scanLinks(k, func(l engine.Link) { holders = append(holders, engine.Holder{Ref: l.Ref, Link: l}) }),
			"SELECT "+linkColumns+` FROM edges e CROSS JOIN links l WHERE e.job = ? AND e.to_kind = ? AND e.to_id = ? AND e.rel = ? AND `+up+`
			AND l.job = e.job AND l.kind = ? AND l.id = e.from_id AND `+exportable+" ORDER BY l.id",
			t.job, string(to.Kind), to.ID, string(rel), t.now, string(k))
	})
	return holders, err
}

// WaitingTo implements [engine.OnDemand].
func (s *Store) WaitingTo(ctx context.Context, j engine.JobID, from engine.Ref, rel engine.Relation, to []engine.Ref) ([]engine.Membership, error) {
	if err := startsFrom(j, from, rel); err != nil {
		return nil, err
	}
	var list []engine.Membership
	err := s.read(ctx, j, "list waiting references to objects", func(ctx context.Context, t tx) error {
		groups := byKind(to)
		for _, k := range slices.Sorted(maps.Keys(groups)) {
			err := t.eachIn(ctx, scanMemberships(&list), membershipsOf+" AND e.to_kind = ? AND e.to_id IN (ids) AND "+up,
				[]any{t.job, string(rel), from.ID, string(k)}, groups[k], t.now)
			if err != nil {
				return err
			}
		}
		slices.SortFunc(list, func(a, b engine.Membership) int {
			if c := strings.Compare(a.To.ID, b.To.ID); c != 0 {
				return c
			}
			return strings.Compare(string(a.To.Kind), string(b.To.Kind))
		})
		return nil
	})
	return list, err
}

// Exported implements [engine.OnDemand]. Members that are to be removed are at the target still.
func (s *Store) Exported(ctx context.Context, j engine.JobID, group engine.Ref, after string, limit int) ([]engine.Membership, error) {
	if err := startsFrom(j, group, engine.Member); err != nil {
		return nil, err
	}
	var list []engine.Membership
	err := s.read(ctx, j, "list exported members", func(ctx context.Context, t tx) error {
		return t.each(ctx, scanMemberships(&list), membershipsOf+" AND e.to_id > ? AND e.have = 1 ORDER BY e.to_id, e.to_kind LIMIT ?",
			t.job, string(engine.Member), group.ID, after, limit+1)
	})
	if len(list) > limit {
		list = wholeIDs(list, limit)
	}
	return list, err
}

// An edge that the source has after all is none to be removed.
var unwantedEdges = &bulk{
	head: "INSERT INTO edges (job, rel, from_id, to_kind, to_id, want, have, waiting, generation) VALUES ",
	row:  "(?, ?, ?, ?, ?, 0, 1, 1, 0)", width: 5,
	tail: " ON CONFLICT (job, rel, from_id, to_id, to_kind) DO UPDATE SET waiting = 1 WHERE edges.want = 0 AND edges.waiting = 0",
}

// ForgetExported implements [engine.OnDemand]. An edge that is to be removed stays up for removal: to remove what is
// not there does no harm.
func (s *Store) ForgetExported(ctx context.Context, j engine.JobID, group engine.Ref, forget, unwanted []engine.Ref) error {
	if err := startsFrom(j, group, engine.Member); err != nil {
		return err
	}
	return s.write(ctx, j, "forget exported members", func(ctx context.Context, t tx) error {
		for k, ids := range byKind(forget) {
			err := t.execIn(ctx, "UPDATE edges SET have = 0, waiting = 1, due = 0 WHERE want = 1 AND have = 1 AND "+ofOrigin,
				bundle{engine.Member, group.ID, k}.args(t), ids)
			if err != nil {
				return err
			}
		}
		var rows []any
		for _, r := range newRefSet(unwanted).refs {
			rows = append(rows, t.job, string(engine.Member), group.ID, string(r.Kind), r.ID)
		}
		return t.write(ctx, unwantedEdges, rows)
	})
}
