package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// attributes writes the attributes of an object; nil ones are null.
func attributes(o engine.Object) (any, error) {
	if o.Attributes == nil {
		return nil, nil
	}
	text, err := encode(o.Attributes)
	if err != nil {
		return nil, fmt.Errorf("attributes of a %s: %w", o.Kind, err)
	}
	return text, nil
}

const putObjectsHead = "INSERT INTO objects (job, kind, id, state, attrs, conveys, generation, changed_at) VALUES "

// changed is true for a row that an upsert would give other contents.
const changed = "objects.state <> excluded.state OR objects.conveys <> excluded.conveys OR objects.attrs IS DISTINCT FROM excluded.attrs"

var (
	// A page marks every object with its generation.
	putPageObjects = &bulk{
		head: putObjectsHead, row: "(?, ?, ?, ?, ?, ?, ?, ?)", width: 8,
		tail: ` ON CONFLICT (job, kind, id) DO UPDATE SET state = excluded.state, attrs = excluded.attrs, conveys = excluded.conveys,
			generation = excluded.generation,
			changed_at = CASE WHEN ` + changed + ` THEN excluded.changed_at ELSE objects.changed_at END
			WHERE objects.generation <> excluded.generation OR ` + changed,
	}
	// A lookup is no part of a round and leaves the mark alone.
	putLookedUp = &bulk{
		head: putObjectsHead, row: "(?, ?, ?, ?, ?, ?, 0, ?)", width: 7,
		tail: ` ON CONFLICT (job, kind, id) DO UPDATE SET state = excluded.state, attrs = excluded.attrs, conveys = excluded.conveys,
			changed_at = excluded.changed_at WHERE ` + changed,
	}
)

// putObjects stores objects; of an object that occurs several times the last occurrence counts. It
// returns the groups whose members may have come into scope or left it: their Conveys changed, or
// they came to life or ceased to live.
func putObjects(ctx context.Context, t tx, objects []engine.Object, generation *int64) (regrouped []string, err error) {
	last := make(map[engine.Ref]int, len(objects))
	var groups []string
	for i, o := range objects {
		if _, again := last[o.Ref]; !again && o.Kind == engine.Group {
			groups = append(groups, o.ID)
		}
		last[o.Ref] = i
	}
	conveyed := make(map[string]bool, len(groups))
	err = t.eachIn(ctx, func(r *sql.Rows) error {
		var id string
		var conveys bool
		err := r.Scan(&id, &conveys)
		conveyed[id] = conveys
		return err
	}, `SELECT id, CASE WHEN state = 'active' THEN conveys ELSE 0 END FROM objects WHERE job = ? AND kind = 'group' AND id IN (ids)`,
		[]any{t.job}, groups)
	if err != nil {
		return nil, err
	}
	statement := putPageObjects
	if generation == nil {
		statement = putLookedUp
	}
	args := make([]any, 0, len(last)*statement.width)
	for i, o := range objects {
		if last[o.Ref] != i {
			continue
		}
		if o.Kind == engine.Group && conveyed[o.ID] != (o.Conveys && o.State == engine.Active) {
			regrouped = append(regrouped, o.ID)
		}
		attrs, err := attributes(o)
		if err != nil {
			return nil, err
		}
		args = append(args, t.job, string(o.Kind), o.ID, string(o.State), attrs, flag(o.Conveys))
		if generation != nil {
			args = append(args, *generation)
		}
		args = append(args, t.now)
	}
	return regrouped, t.write(ctx, statement, args)
}

// PutObjects implements [engine.Objects]. Members of groups that convey differently now are queued
// as in SavePage.
func (s *Store) PutObjects(ctx context.Context, j engine.JobID, objects []engine.Object, queue []engine.Ref) error {
	if len(objects)+len(queue) == 0 {
		return nil
	}
	return s.write(ctx, j, "store objects", func(ctx context.Context, t tx) error {
		regrouped, err := putObjects(ctx, t, objects, nil)
		if err != nil {
			return err
		}
		if err := enqueueMembers(ctx, t, regrouped, true); err != nil {
			return err
		}
		return t.enqueue(ctx, newRefSet(queue).refs)
	})
}

// Objects implements [engine.Objects].
func (s *Store) Objects(ctx context.Context, j engine.JobID, k engine.Kind, ids []string) (map[string]engine.Stored, error) {
	found := make(map[string]engine.Stored, len(ids))
	err := s.read(ctx, j, "read objects", func(ctx context.Context, t tx) error {
		return eachStored(ctx, t, k, ids, func(o engine.Stored) { found[o.ID] = o })
	})
	return found, err
}

// ListObjects implements [engine.Objects].
func (s *Store) ListObjects(ctx context.Context, j engine.JobID, k engine.Kind, after string, limit int) ([]engine.Stored, error) {
	var list []engine.Stored
	err := s.read(ctx, j, "list objects", func(ctx context.Context, t tx) error {
		return t.each(ctx, scanStored(k, func(o engine.Stored) { list = append(list, o) }),
			"SELECT o.id, "+objectColumns+" FROM objects o WHERE o.job = ? AND o.kind = ? AND o.id > ? ORDER BY o.id LIMIT ?",
			t.job, string(k), after, limit)
	})
	return list, err
}

// eachStored reads those of the ids of a kind that are known.
func eachStored(ctx context.Context, t tx, k engine.Kind, ids []string, yield func(engine.Stored)) error {
	return t.eachIn(ctx, scanStored(k, yield),
		"SELECT o.id, "+objectColumns+" FROM objects o WHERE o.job = ? AND o.kind = ? AND o.id IN (ids)", []any{t.job, string(k)}, ids)
}

func scanStored(k engine.Kind, yield func(engine.Stored)) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		ref, row := engine.Ref{Kind: k}, objectRow{}
		if err := r.Scan(append([]any{&ref.ID}, row.dest()...)...); err != nil {
			return err
		}
		o, err := row.stored(ref)
		yield(o)
		return err
	}
}

const objectColumns = "o.state, o.attrs, o.conveys, o.generation, o.changed_at"

// objectRow is a row of objects, or of nulls where an outer join found none.
type objectRow struct {
	state, attrs        sql.NullString
	conveys             sql.NullBool
	generation, changed sql.NullInt64
}

func (o *objectRow) dest() []any {
	return []any{&o.state, &o.attrs, &o.conveys, &o.generation, &o.changed}
}

func (o *objectRow) stored(ref engine.Ref) (engine.Stored, error) {
	s := engine.Stored{Generation: o.generation.Int64, ChangedAt: fromMicros(o.changed.Int64)}
	s.Ref = ref
	s.State = engine.LifeState(o.state.String)
	s.Conveys = o.conveys.Bool
	if !o.attrs.Valid {
		return s, nil
	}
	doc, err := decode(o.attrs.String)
	s.Attributes = mapping.Attributes(doc)
	return s, err
}

// AssignmentPaths implements [engine.Objects]. Direct paths come first, then those through groups by
// the group's id.
func (s *Store) AssignmentPaths(ctx context.Context, j engine.JobID, k engine.Kind, ids []string) (map[string][]engine.AssignmentPath, error) {
	paths := map[string][]engine.AssignmentPath{}
	scan := scanPaths(paths)
	err := s.read(ctx, j, "read assignment paths", func(ctx context.Context, t tx) error {
		err := t.eachIn(ctx, scan, `SELECT a.principal_id, '', a.role_id, a.role_value, a.role_name, a.effective FROM assignments a
			WHERE a.job = ? AND a.principal_kind = ? AND a.principal_id IN (ids) ORDER BY a.principal_id, a.id`, []any{t.job, string(k)}, ids)
		if err != nil || k != engine.User {
			return err
		}
		return t.eachIn(ctx, scan, `SELECT e.to_id, e.from_id, a.role_id, a.role_value, a.role_name, a.effective
			FROM edges e CROSS JOIN assignments a CROSS JOIN objects g
			WHERE e.job = ? AND e.to_kind = 'user' AND e.to_id IN (ids) AND `+viaGroup+` ORDER BY e.to_id, e.from_id, a.id`, []any{t.job}, ids)
	})
	return paths, err
}

// viaGroup joins the wanted membership e with the assignments a of its group g, if that conveys.
// The tables stand in CROSS JOINs in this order, which SQLite keeps to: few groups are assigned.
const viaGroup = `e.rel = 'member' AND e.want = 1
	AND a.job = e.job AND a.principal_kind = 'group' AND a.principal_id = e.from_id
	AND g.job = e.job AND g.kind = 'group' AND g.id = e.from_id AND g.state = 'active' AND g.conveys = 1`

func scanPaths(paths map[string][]engine.AssignmentPath) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var id string
		var p engine.AssignmentPath
		err := r.Scan(&id, &p.Via, &p.RoleID, &p.RoleValue, &p.RoleName, &p.Effective)
		paths[id] = append(paths[id], p)
		return err
	}
}

// Bare implements [engine.Objects].
func (s *Store) Bare(ctx context.Context, j engine.JobID, k engine.Kind, all bool, after string, limit int) ([]string, error) {
	query := `SELECT c.id FROM changes c CROSS JOIN objects o
		WHERE c.job = ? AND c.kind = ? AND c.id > ? AND o.job = c.job AND o.kind = c.kind AND o.id = c.id
		AND o.state = 'active' AND o.attrs IS NULL`
	if !all {
		query += ` AND (EXISTS (SELECT 1 FROM assignments a WHERE a.job = c.job AND a.principal_kind = c.kind AND a.principal_id = c.id)
			OR c.kind = 'user' AND EXISTS (SELECT 1 FROM edges e CROSS JOIN assignments a CROSS JOIN objects g
				WHERE e.job = c.job AND e.to_kind = 'user' AND e.to_id = c.id AND ` + viaGroup + `))`
	}
	return s.ids(ctx, j, "list bare objects", query+" ORDER BY c.id LIMIT ?", string(j), string(k), after, limit)
}
