package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/scimsync/scimsync/engine"
)

// derived is the generation of a Member edge that was derived from Direct edges; no round has it. While Expand
// runs, those that came and those that go have generations of that transaction, below and above zero.
const derived int64 = -1

// closure names the members of groups: pairs of a group (root) and a user below it (id). Everybody below an
// assigned group is its member. So it is for a linked group that lost its assignment: it leaves the scope as a whole,
// with the members it has. A group in between passes its members on only while it is active. UNION ends rings.
// Its parameters are those of closureArgs. Relations are parameters because PostgreSQL takes a literal that
// its statistics do not know for one that is hardly ever found, and reads all edges again for each group.
func closure(all bool) string {
	roots := `SELECT principal_id AS id FROM assignments WHERE job = ? AND principal_kind = 'group'
			UNION SELECT id FROM links WHERE job = ? AND kind = 'group'`
	if all {
		roots += ` UNION SELECT id FROM objects WHERE job = ? AND kind = 'group' AND state = 'active'`
	}
	return `WITH RECURSIVE reach (root, id) AS (
			SELECT r.id, r.id FROM (` + roots + `) r
			UNION
			SELECT r.root, e.to_id FROM reach r CROSS JOIN edges e CROSS JOIN objects g
				WHERE e.job = ? AND e.rel = ? AND e.from_id = r.id AND e.to_kind = 'group' AND e.want = 1
				AND g.job = e.job AND g.kind = 'group' AND g.id = e.to_id AND g.state = 'active'
		), members (root, id) AS (
			SELECT r.root, e.to_id FROM reach r CROSS JOIN edges e
				WHERE e.job = ? AND e.rel = ? AND e.from_id = r.id AND e.to_kind = 'user' AND e.want = 1
		) `
}

func closureArgs(t tx, all bool) []any {
	args := []any{t.job, t.job}
	if all {
		args = append(args, t.job)
	}
	return append(args, t.job, string(engine.Direct), t.job, string(engine.Direct))
}

// wanted selects Member edges of the store, as pairs like those of closure. Its parameters are the job and the relation.
const wanted = "SELECT from_id, to_id FROM edges WHERE job = ? AND rel = ? AND to_kind = 'user' AND want = 1"

// toldMember finds a Member edge that was told and not derived. Its parameters are those of wanted.
const toldMember = "SELECT 1 FROM edges WHERE job = ? AND rel = ? AND want = 1 AND generation >= 0 LIMIT 1"

// marked sets the generation of the Member edges that a query finds. Its parameters are the generation, those of the
// query, the job and the relation.
func marked(query string) string {
	return `UPDATE edges SET generation = ? FROM (` + query + `) m
		WHERE edges.job = ? AND edges.rel = ? AND edges.from_id = m.from_id AND edges.to_id = m.to_id AND edges.to_kind = 'user'`
}

// Expand implements [engine.Feeds]. Member edges that were told and not derived, from before the job expanded nested
// groups, are adopted if they are derived now, and go if their group was part of the last full round; while a full
// round of groups is open they stay, because not all Direct edges are known. Where nothing changed nothing is written.
func (s *Store) Expand(ctx context.Context, j engine.JobID, all bool) (int, error) {
	var due bool
	var moved int64
	// To compare all edges takes a while, in which nobody else is to wait for his turn to write.
	err := s.read(ctx, j, "compare nested groups", func(ctx context.Context, t tx) (err error) {
		due, err = (&expansion{tx: t, all: all}).due(ctx)
		return err
	})
	if err != nil || !due {
		return 0, err
	}
	err = s.write(ctx, j, "expand nested groups", func(ctx context.Context, t tx) error {
		e := expansion{tx: t, all: all}
		if err := e.adopt(ctx); err != nil {
			return err
		}
		came, err := e.add(ctx)
		if err != nil {
			return err
		}
		gone, err := e.leave(ctx)
		if err != nil {
			return err
		}
		moved = came + gone
		if moved == 0 {
			return nil
		}
		return e.settle(ctx, gone > 0)
	})
	return int(moved), err
}

// expansion is one run of [Store.Expand].
type expansion struct {
	tx
	all  bool
	told bool // some Member edges are not derived
}

func (e *expansion) came() int64 { return -e.mark }
func (e *expansion) goes() int64 { return e.mark }

// due reports whether an expansion may find something to do.
func (e *expansion) due(ctx context.Context) (bool, error) {
	args := append(closureArgs(e.tx, e.all), e.job, string(engine.Member))
	for _, q := range []struct {
		query string
		args  []any
	}{
		{toldMember, args[len(args)-2:]},
		{closure(e.all) + "SELECT 1 FROM (" + wanted + " AND generation < 0 EXCEPT SELECT root, id FROM members) m LIMIT 1", args},
		{closure(e.all) + "SELECT 1 FROM (SELECT root, id FROM members EXCEPT " + wanted + " AND generation < 0) m LIMIT 1", args},
	} {
		var one int
		if due, err := e.one(ctx, []any{&one}, q.query, q.args...); err != nil || due {
			return due, err
		}
	}
	return false, nil
}

// adopt makes Member edges that were told the derived ones that they are.
func (e *expansion) adopt(ctx context.Context) (err error) {
	var one int
	e.told, err = e.one(ctx, []any{&one}, toldMember, e.job, string(engine.Member))
	if err != nil || !e.told {
		return err
	}
	args := append(closureArgs(e.tx, e.all), derived, e.job, string(engine.Member), e.job, string(engine.Member))
	_, err = e.exec(ctx, closure(e.all)+marked(wanted+" AND generation >= 0 INTERSECT SELECT root, id FROM members"), args...)
	return err
}

// add stores the Member edges that are new.
func (e *expansion) add(ctx context.Context) (int64, error) {
	args := append(closureArgs(e.tx, e.all), e.job, string(engine.Member), e.job, e.came(), e.job, string(engine.Member))
	return e.exec(ctx, closure(e.all)+`INSERT INTO edges (job, rel, from_id, to_kind, to_id, want, have, waiting, generation)
		SELECT CAST(? AS text), CAST(? AS text), m.root, 'user', m.id, 1, 0,
			CASE WHEN EXISTS (SELECT 1 FROM links l WHERE l.job = ? AND l.kind = 'group' AND l.id = m.root) THEN 1 ELSE 0 END, CAST(? AS bigint)
		FROM (SELECT root, id FROM members EXCEPT `+wanted+`) m WHERE true`+edgeTold, args...)
}

// leave marks the Member edges that are to go.
func (e *expansion) leave(ctx context.Context) (int64, error) {
	args := append(closureArgs(e.tx, e.all), e.goes(), e.job, string(engine.Member), e.job, string(engine.Member))
	gone, err := e.exec(ctx, closure(e.all)+marked(wanted+" AND generation < 0 EXCEPT SELECT root, id FROM members"), args...)
	if err != nil || !e.told {
		return gone, err
	}
	feed, _, err := feedState(ctx, e.tx, engine.FeedGroups)
	if err != nil || feed.Open && feed.Full {
		return gone, err
	}
	told, err := e.exec(ctx, `UPDATE edges SET generation = ? WHERE job = ? AND rel = ? AND want = 1 AND generation >= 0 AND generation <> ? AND EXISTS
		(SELECT 1 FROM objects o WHERE o.job = edges.job AND o.kind = 'group' AND o.id = edges.from_id AND o.generation = ?)`,
		e.goes(), e.job, string(engine.Member), e.goes(), feed.Generation)
	return gone + told, err
}

// settle queues the users whose scope may have changed, as a page does, and takes away the edges that go.
func (e *expansion) settle(ctx context.Context, gone bool) error {
	err := e.enqueueSelect(ctx, `SELECT DISTINCT e.to_kind, e.to_id FROM assignments a CROSS JOIN edges e
		WHERE a.job = ? AND a.principal_kind = 'group' AND e.job = a.job AND e.rel = ? AND e.from_id = a.principal_id
		AND e.to_kind = 'user' AND e.want = 1 AND e.generation IN (?, ?)`, e.job, string(engine.Member), e.came(), e.goes())
	if err != nil || !gone {
		return err
	}
	const leaving = "job = ? AND rel = ? AND generation = ?"
	for _, statement := range []string{unwant + leaving, deleteRest + leaving} {
		if _, err := e.exec(ctx, statement, e.job, string(engine.Member), e.goes()); err != nil {
			return err
		}
	}
	return nil
}

// expandUsers derives the Member edges to single users, as Expand does for all, and queues whom it does. A group that is neither
// assigned nor linked gets new members from the next Expand.
func expandUsers(ctx context.Context, t tx, users []string, queue *refSet) error {
	type pair struct{ group, user string }
	above, known := map[pair]bool{}, map[pair]bool{}
	into := func(set map[pair]bool) func(*sql.Rows) error {
		return func(r *sql.Rows) error {
			var p pair
			err := r.Scan(&p.group, &p.user)
			set[p] = true
			return err
		}
	}
	err := t.eachIn(ctx, into(above), `WITH RECURSIVE above (id, member) AS (
			SELECT e.from_id, e.to_id FROM edges e WHERE e.job = ? AND e.rel = ? AND e.to_kind = 'user' AND e.want = 1 AND e.to_id IN (ids)
			UNION
			SELECT e.from_id, a.member FROM above a CROSS JOIN edges e CROSS JOIN objects g
				WHERE e.job = ? AND e.rel = ? AND e.to_id = a.id AND e.to_kind = 'group' AND e.want = 1
				AND g.job = e.job AND g.kind = 'group' AND g.id = a.id AND g.state = 'active'
		) SELECT id, member FROM above`, []any{t.job, string(engine.Direct)}, users, t.job, string(engine.Direct))
	if err != nil {
		return err
	}
	err = t.eachIn(ctx, into(known), wanted+" AND generation < 0 AND to_id IN (ids)", []any{t.job, string(engine.Member)}, users)
	if err != nil {
		return err
	}
	groups := map[string]bool{}
	for p := range above {
		groups[p.group] = true
	}
	roots := map[string]bool{}
	for _, query := range []string{
		"SELECT DISTINCT principal_id FROM assignments WHERE job = ? AND principal_kind = ? AND principal_id IN (ids)",
		"SELECT id FROM links WHERE job = ? AND kind = ? AND id IN (ids)",
	} {
		found, err := idSet(ctx, t, query, engine.Group, slices.Sorted(maps.Keys(groups)))
		if err != nil {
			return err
		}
		maps.Copy(roots, found)
	}
	var edges []engine.Edge
	edge := func(p pair, removed bool) {
		edges = append(edges, engine.Edge{From: engine.Ref{Kind: engine.Group, ID: p.group}, Relation: engine.Member,
			To: engine.Ref{Kind: engine.User, ID: p.user}, Removed: removed})
	}
	for p := range above {
		if roots[p.group] && !known[p] {
			edge(p, false)
		}
	}
	for p := range known {
		if !above[p] {
			edge(p, true)
		}
	}
	if err := saveEdges(ctx, t, edges, derived, queue); err != nil {
		return fmt.Errorf("derived members: %w", err)
	}
	return nil
}
