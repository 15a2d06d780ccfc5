package store_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/enginetest"
	"github.com/scimsync/scimsync/engine/store"
)

// A store of the version before guards is taken over with all that is in it: rows of the log are found by what
// was only part of their document, queued changes and waiting edges go on.
func TestStoreOfVersion2(t *testing.T) {
	dir := t.TempDir()
	t.Run("sqlite", func(t *testing.T) {
		db, err := sql.Open("sqlite", filepath.Join(dir, store.File))
		check(t, err)
		version2(t, db, false, "", dir)
	})
	t.Run("postgres", func(t *testing.T) {
		url := enginetest.Postgres(t)
		db, err := sql.Open("pgx", url)
		check(t, err)
		version2(t, db, true, url, "")
	})
}

func version2(t *testing.T, db *sql.DB, postgres bool, url, dir string) {
	ctx := t.Context()
	check(t, store.MigrateTo(ctx, db, postgres, 2))
	for _, statement := range []string{
		`INSERT INTO log (job, cycle, at, action, status, source_id, target_id, names, entry) VALUES
			('job', 'c', 1, 'create', 'failure', 's1', '', 'anna', '{"rule":"U1","source":"Anna \"\u0000,","kind":"user","code":"conflict","detail":"\u0000 \"kind\":\"group\""}'),
			('job', 'c', 2, 'update', 'success', 's2', 't2', 'b', '{"kind":"group"}'),
			('job', 'c', 3, 'skip', 'skipped', 's3', '', '', '{}')`,
		`INSERT INTO changes (job, kind, id, rev, state) VALUES ('job', 'user', 'u1', 1, 'queued'), ('job', 'user', 'u2', 1, 'held')`,
		`INSERT INTO links (job, kind, id, target_id, state, matched_by, name, disabled, recycled, verify, created_at, updated_at, last_cycle, last_bucket)
			VALUES ('job', 'group', 'g1', 't1', 'managed', '', 'G', 0, 0, 0, 1, 1, '', '')`,
		`INSERT INTO edges (job, rel, from_id, to_kind, to_id, want, have, waiting, generation) VALUES ('job', 'member', 'g1', 'user', 'u1', 1, 0, 1, 1)`,
	} {
		_, err := db.ExecContext(ctx, statement)
		check(t, err)
	}
	check(t, db.Close())
	s := open(t, url, dir)
	ids := func(f engine.LogFilter) (ids []string) {
		list, err := s.Entries(ctx, "job", f)
		check(t, err)
		for _, e := range list {
			ids = append(ids, e.Source.ID)
		}
		return ids
	}
	rows, err := s.Entries(ctx, "job", engine.LogFilter{})
	check(t, err)
	if e := rows[0]; e.Kind != engine.User || e.Code != "conflict" || e.Source.Name != "Anna \"\x00," || e.Detail != "\x00 \"kind\":\"group\"" {
		t.Errorf("row: %+v", e)
	}
	undecided, err := s.Undecided(ctx, "job", engine.User, time.Now(), "", 10)
	check(t, err)
	queue := []string{}
	for _, q := range undecided {
		queue = append(queue, string(q.State)+" "+q.ID)
		if q.Hold != nil || q.Owner != "" {
			t.Errorf("held by nobody: %+v", q)
		}
	}
	waiting, err := s.Waiting(ctx, "job", engine.Ref{Kind: engine.Group, ID: "g1"}, engine.Member, "", 10)
	check(t, err)
	got := []any{ids(engine.LogFilter{}), ids(engine.LogFilter{Kind: engine.User}), ids(engine.LogFilter{Kind: engine.Group}), ids(engine.LogFilter{Code: "conflict"}), queue, waiting}
	want := []any{[]string{"s1", "s2", "s3"}, []string{"s1"}, []string{"s2"}, []string{"s1"}, []string{"queued u1", "held u2"},
		[]engine.Membership{{To: engine.Ref{Kind: engine.User, ID: "u1"}, Want: true}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("taken over (-want +got):\n%s", diff)
	}
}

// A copy holds what is held and knows what failed, but nobody works on it, and no plan is applied to it.
func TestCopyOfGuards(t *testing.T) {
	ctx := t.Context()
	from, to := open(t, "", t.TempDir()), open(t, "", t.TempDir())
	u1, u2, g1 := engine.Ref{Kind: engine.User, ID: "u1"}, engine.Ref{Kind: engine.User, ID: "u2"}, engine.Ref{Kind: engine.Group, ID: "g1"}
	check(t, from.Enqueue(ctx, "job", []engine.Ref{u1}))
	check(t, from.Plan(ctx, "job", []engine.Planned{{Ref: u1, Held: true, Hold: &engine.Hold{Cause: engine.HoldLapsed, Action: engine.Disable}}}))
	check(t, from.PutLink(ctx, "job", engine.Link{Ref: g1, TargetID: "t1", State: engine.Managed, DeleteAt: time.Now(), Recreated: []time.Time{time.Now()}}, false))
	st, err := from.OpenRound(ctx, "job", engine.FeedGroups, false, "")
	check(t, err)
	check(t, from.SavePage(ctx, "job", engine.FeedGroups, engine.PageWrite{Generation: st.Generation, Next: "c", Edges: []engine.Edge{
		{From: g1, Relation: engine.Member, To: u1}, {From: g1, Relation: engine.Member, To: u2}}}))
	failed := engine.EdgesSettled{From: g1, Relation: engine.Member}
	failed.Fail(u1, engine.Escrow{Attempts: 3, Code: engine.CodeConflict})
	check(t, from.SettleEdges(ctx, "job", "", failed))
	if busy, err := from.Lease(ctx, "job", []engine.Ref{u1, u2}, "person", time.Now().Add(time.Hour), time.Now()); err != nil || len(busy) > 0 {
		t.Fatal(busy, err)
	}
	check(t, from.PutPlan(ctx, "job", "p", []engine.PlannedOp{{Ref: u1, Digest: "d"}}))
	check(t, from.CopyJob(ctx, "job", to))

	changes, err := from.Changes(ctx, "job", engine.User, nil, "", 10)
	check(t, err)
	for i := range changes {
		if changes[i].Owner != "person" {
			t.Errorf("reserved by %q", changes[i].Owner)
		}
		changes[i].Owner, changes[i].Until = "", time.Time{}
	}
	copied, err := to.Changes(ctx, "job", engine.User, nil, "", 10)
	check(t, err)
	if diff := cmp.Diff(changes, copied); diff != "" || len(copied) != 2 || copied[0].Hold == nil {
		t.Errorf("changes of the copy (-want +got):\n%s", diff)
	}
	for name, list := range map[string]func(*store.Store) (any, error){
		"failed edges": func(s *store.Store) (any, error) { return s.FailedEdges(ctx, "job", engine.Member, "", 10) },
		"edges":        func(s *store.Store) (any, error) { return s.Waiting(ctx, "job", g1, engine.Member, "", 10) },
		"link":         func(s *store.Store) (any, error) { return s.Link(ctx, "job", g1) },
	} {
		want, err := list(from)
		check(t, err)
		got, err := list(to)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s of the copy (-want +got):\n%s", name, diff)
		}
	}
	if plan, err := to.PlanOf(ctx, "job", "p", []engine.Ref{u1}); err != nil || len(plan) > 0 {
		t.Errorf("plan of the copy: %v %v", plan, err)
	}
}
