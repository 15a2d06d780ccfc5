package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/scimsync/scimsync/engine"
)

// SavePage implements [engine.Feeds]. A page of a round that is closed, or that was begun anew
// since, is refused: its cursor would lead a newer round astray.
func (s *Store) SavePage(ctx context.Context, j engine.JobID, f engine.Feed, p engine.PageWrite) error {
	return s.write(ctx, j, "save page of feed "+string(f), func(ctx context.Context, t tx) error {
		// The page counts once, also when it is saved again.
		n, err := t.exec(ctx, `UPDATE feeds SET pages = pages + CASE WHEN cursor = ? AND cursor <> '' THEN 0 ELSE 1 END, cursor = ?
			WHERE job = ? AND feed = ? AND is_open = 1 AND generation = ?`,
			string(p.Next), string(p.Next), t.job, string(f), p.Generation)
		if err != nil {
			return err
		}
		if n == 0 {
			return errNoRound
		}
		// Groups first: whom an edge or an assignment concerns depends on them.
		queue := newRefSet(p.Queue)
		regrouped, err := putObjects(ctx, t, p.Objects, &p.Generation)
		if err != nil {
			return err
		}
		if err := markSeen(ctx, t, p.Seen, p.Generation); err != nil {
			return err
		}
		if err := saveEdges(ctx, t, p.Edges, p.Generation, queue); err != nil {
			return err
		}
		reassigned, err := saveAssignments(ctx, t, p.Assignments, p.Generation, queue)
		if err != nil {
			return err
		}
		if err := enqueueMembers(ctx, t, regrouped, true); err != nil {
			return err
		}
		if err := enqueueMembers(ctx, t, reassigned, false); err != nil {
			return err
		}
		return t.enqueue(ctx, queue.refs)
	})
}

// refSet is a list of refs without repetitions.
type refSet struct {
	refs []engine.Ref
	has  map[engine.Ref]bool
}

func newRefSet(refs []engine.Ref) *refSet {
	s := &refSet{has: make(map[engine.Ref]bool, len(refs))}
	for _, r := range refs {
		s.add(r)
	}
	return s
}

func (s *refSet) add(r engine.Ref) {
	if !s.has[r] {
		s.has[r] = true
		s.refs = append(s.refs, r)
	}
}

// byKind groups the ids of refs, without repetitions.
func byKind(refs []engine.Ref) map[engine.Kind][]string {
	m := map[engine.Kind][]string{}
	for _, r := range newRefSet(refs).refs {
		m[r.Kind] = append(m[r.Kind], r.ID)
	}
	return m
}

// enqueueMembers queues the users that are direct members of groups now, if need be only of those
// groups that have an assignment.
func enqueueMembers(ctx context.Context, t tx, groups []string, assignedOnly bool) error {
	query := "SELECT DISTINCT to_kind, to_id FROM edges WHERE job = ? AND rel = 'member' AND to_kind = 'user' AND want = 1 AND from_id IN (ids)"
	if assignedOnly {
		query += " AND EXISTS (SELECT 1 FROM assignments a WHERE a.job = edges.job AND a.principal_kind = 'group' AND a.principal_id = edges.from_id)"
	}
	return t.execIn(ctx, enqueueHead+query+enqueueTail, []any{t.job, t.mark, t.job}, groups)
}

func markSeen(ctx context.Context, t tx, refs []engine.Ref, generation int64) error {
	for k, ids := range byKind(refs) {
		err := t.execIn(ctx, "UPDATE objects SET generation = ? WHERE job = ? AND kind = ? AND id IN (ids) AND generation <> ?",
			[]any{generation, t.job, string(k)}, ids, generation)
		if err != nil {
			return err
		}
	}
	return nil
}

// origin returns the kind of object that a relation starts from.
func origin(rel engine.Relation) (engine.Kind, error) {
	switch rel {
	case engine.Member, engine.Direct:
		return engine.Group, nil
	case engine.Manager:
		return engine.User, nil
	}
	return "", fmt.Errorf("there is no relation %q", rel)
}

// New edges wait to be exported if what they start from is linked. Else they sleep: linking it wakes them.
// A directory has many groups that no job exports, and their edges are none of a cycle's business. Direct
// edges sleep forever: only what is derived from them is exported.
var awakeEdges, sleepingEdges = insertEdges("1"), insertEdges("0")

func insertEdges(waiting string) *bulk {
	return &bulk{
		head: "INSERT INTO edges (job, rel, from_id, to_kind, to_id, want, have, waiting, generation) VALUES ",
		row:  "(?, ?, ?, ?, ?, 1, 0, " + waiting + ", ?)", width: 6, tail: edgeTold,
	}
}

// edgeTold is what becomes of an edge that is known and told again. What was said about its removal and how that
// failed is over; so is having ignored its failure.
const edgeTold = ` ON CONFLICT (job, rel, from_id, to_id, to_kind) DO UPDATE SET generation = excluded.generation, want = 1,
	waiting = CASE WHEN edges.want = 0 THEN excluded.waiting ELSE edges.waiting END, hold = 0,
	due = CASE WHEN edges.want = 0 OR edges.failure = '' THEN 0 ELSE edges.due END,
	failure = CASE WHEN edges.want = 0 OR edges.failure = '' THEN NULL ELSE edges.failure END
	WHERE edges.want = 0 OR edges.generation <> excluded.generation OR edges.failure = ''`

// Edges are named by where they start and the list of where they lead, which both databases find in the
// primary key; lists of pairs SQLite does not.
const (
	ofOrigin    = "job = ? AND rel = ? AND from_id = ? AND to_kind = ? AND to_id IN (ids)"
	wantedEdges = "SELECT to_id FROM edges WHERE want = 1 AND " + ofOrigin
	unwantEdges = unwant + ofOrigin
	deleteEdges = deleteRest + ofOrigin
)

// An edge that the source dropped is to be removed from the target if it was exported, or may have been:
// where both ends are linked, a request may have been sent by a process that did not live to record
// it. Removing what is not there does no harm. The rest was never exported and is forgotten.
const (
	unwant = `UPDATE edges SET want = 0, have = 1, waiting = 1, ` + noFailure + ` WHERE want = 1 AND (have = 1 OR ` + originLinked + `
		AND EXISTS (SELECT 1 FROM links l WHERE l.job = edges.job AND l.kind = edges.to_kind AND l.id = edges.to_id)) AND `
	deleteRest = "DELETE FROM edges WHERE want = 1 AND have = 0 AND "

	originLinked = `EXISTS (SELECT 1 FROM links l WHERE l.job = edges.job AND l.id = edges.from_id
		AND l.kind = CASE edges.rel WHEN 'member' THEN 'group' WHEN 'manager' THEN 'user' END)`
)

// bundle is the edges of one relation from one object to objects of one kind.
type bundle struct {
	rel    engine.Relation
	from   string
	toKind engine.Kind
}

func (b bundle) args(t tx) []any { return []any{t.job, string(b.rel), b.from, string(b.toKind)} }

// saveEdges stores edges and queues the users whose membership of an assigned group changed. Of an
// edge that occurs several times the last occurrence counts.
func saveEdges(ctx context.Context, t tx, edges []engine.Edge, generation int64, queue *refSet) error {
	if len(edges) == 0 {
		return nil
	}
	type key struct {
		rel      engine.Relation
		from, to engine.Ref
	}
	last := make(map[key]int, len(edges))
	var origins []engine.Ref
	for i, e := range edges {
		k, err := origin(e.Relation)
		if err != nil {
			return err
		}
		if e.From.Kind != k {
			return fmt.Errorf("an edge of relation %s starts from a %s, not from a %q", e.Relation, k, e.From.Kind)
		}
		last[key{e.Relation, e.From, e.To}] = i
		origins = append(origins, e.From)
	}
	from := byKind(origins)
	assigned, err := idSet(ctx, t, "SELECT DISTINCT principal_id FROM assignments WHERE job = ? AND principal_kind = ? AND principal_id IN (ids)",
		engine.Group, from[engine.Group])
	if err != nil {
		return err
	}
	linked := map[engine.Kind]map[string]bool{}
	for k, ids := range from {
		if linked[k], err = idSet(ctx, t, "SELECT id FROM links WHERE job = ? AND kind = ? AND id IN (ids)", k, ids); err != nil {
			return err
		}
	}
	var awake, asleep []any
	watched, remove := map[bundle][]string{}, map[bundle][]string{}
	managers := map[string]engine.Ref{} // by the user who has them
	for i, e := range edges {
		if last[key{e.Relation, e.From, e.To}] != i {
			continue
		}
		b := bundle{e.Relation, e.From.ID, e.To.Kind}
		if e.Removed {
			remove[b] = append(remove[b], e.To.ID)
		} else {
			add := &asleep
			if linked[e.From.Kind][e.From.ID] && e.Relation != engine.Direct {
				add = &awake
			}
			*add = append(*add, t.job, string(e.Relation), e.From.ID, string(e.To.Kind), e.To.ID, generation)
			if e.Relation == engine.Manager {
				managers[e.From.ID] = e.To
			}
		}
		if e.Relation == engine.Member && e.To.Kind == engine.User && assigned[e.From.ID] {
			watched[b] = append(watched[b], e.To.ID)
		}
	}
	for b, ids := range watched {
		if err := queueMoved(ctx, t, b, ids, remove[b], queue); err != nil {
			return err
		}
	}
	if err := t.write(ctx, awakeEdges, awake); err != nil {
		return err
	}
	if err := t.write(ctx, sleepingEdges, asleep); err != nil {
		return err
	}
	if err := supersede(ctx, t, managers, remove); err != nil {
		return err
	}
	for b, ids := range remove {
		if err := t.execIn(ctx, unwantEdges, b.args(t), ids); err != nil {
			return err
		}
		if err := t.execIn(ctx, deleteEdges, b.args(t), ids); err != nil {
			return err
		}
	}
	return nil
}

// supersede adds to remove the managers that users had before: nobody has two, and a source need not
// say that the old one ended (GS-MN-1).
func supersede(ctx context.Context, t tx, managers map[string]engine.Ref, remove map[bundle][]string) error {
	if len(managers) == 0 {
		return nil
	}
	return t.eachIn(ctx, func(r *sql.Rows) error {
		var from, kind, to string
		if err := r.Scan(&from, &kind, &to); err != nil {
			return err
		}
		if now := managers[from]; now.ID != to {
			b := bundle{engine.Manager, from, engine.Kind(kind)}
			remove[b] = append(remove[b], to)
		}
		return nil
	}, "SELECT from_id, to_kind, to_id FROM edges WHERE want = 1 AND job = ? AND rel = ? AND from_id IN (ids)",
		[]any{t.job, string(engine.Manager)}, slices.Sorted(maps.Keys(managers)))
}

// queueMoved queues those of the users who are no members of the group yet and join, or are members
// and leave.
func queueMoved(ctx context.Context, t tx, b bundle, ids, leaving []string, queue *refSet) error {
	leaves := make(map[string]bool, len(leaving))
	for _, id := range leaving {
		leaves[id] = true
	}
	members := make(map[string]bool, len(ids))
	err := t.eachIn(ctx, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		members[id] = true
		return err
	}, wantedEdges, b.args(t), ids)
	for _, id := range ids {
		if members[id] == leaves[id] {
			queue.add(engine.Ref{Kind: engine.User, ID: id})
		}
	}
	return err
}

// idSet returns those of the ids of a kind that a query finds.
func idSet(ctx context.Context, t tx, query string, k engine.Kind, ids []string) (map[string]bool, error) {
	found := map[string]bool{}
	err := t.eachIn(ctx, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		found[id] = true
		return err
	}, query, []any{t.job, string(k)}, ids)
	return found, err
}

var insertAssignments = &bulk{
	head: "INSERT INTO assignments (job, id, principal_kind, principal_id, role_id, role_value, role_name, effective, generation) VALUES ",
	row:  "(?, ?, ?, ?, ?, ?, ?, ?, ?)", width: 9,
	tail: ` ON CONFLICT (job, id) DO UPDATE SET principal_kind = excluded.principal_kind, principal_id = excluded.principal_id,
		role_id = excluded.role_id, role_value = excluded.role_value, role_name = excluded.role_name,
		effective = excluded.effective, generation = excluded.generation`,
}

// saveAssignments stores assignments and queues the principals of those that are new or changed. It
// returns the groups among them.
func saveAssignments(ctx context.Context, t tx, list []engine.Assignment, generation int64, queue *refSet) ([]string, error) {
	type known struct {
		engine.Assignment
		generation int64
	}
	fresh := make(map[string]engine.Assignment, len(list)) // the last of an id counts
	ids := make([]string, 0, len(list))
	for _, a := range list {
		if _, again := fresh[a.ID]; !again {
			ids = append(ids, a.ID)
		}
		fresh[a.ID] = a
	}
	stored := make(map[string]known, len(ids))
	err := t.eachIn(ctx, func(r *sql.Rows) error {
		var k known
		err := r.Scan(&k.ID, &k.Principal.Kind, &k.Principal.ID, &k.RoleID, &k.RoleValue, &k.RoleName, &k.Effective, &k.generation)
		stored[k.ID] = k
		return err
	}, `SELECT id, principal_kind, principal_id, role_id, role_value, role_name, effective, generation
		FROM assignments WHERE job = ? AND id IN (ids)`, []any{t.job}, ids)
	if err != nil {
		return nil, err
	}
	var args []any
	changed := newRefSet(nil)
	for _, id := range ids {
		a := fresh[id]
		a.RoleValue, a.RoleName = clean(a.RoleValue), clean(a.RoleName)
		old, found := stored[id]
		if found && old.Assignment == a && old.generation == generation {
			continue
		}
		if !found || old.Assignment != a {
			changed.add(a.Principal)
		}
		if found && old.Principal != a.Principal {
			changed.add(old.Principal)
		}
		args = append(args, t.job, a.ID, string(a.Principal.Kind), a.Principal.ID, a.RoleID, a.RoleValue, a.RoleName, flag(a.Effective), generation)
	}
	for _, r := range changed.refs {
		queue.add(r)
	}
	return byKind(changed.refs)[engine.Group], t.write(ctx, insertAssignments, args)
}
