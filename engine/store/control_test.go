package store_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/enginetest"
	"github.com/scimsync/scimsync/engine/store"
)

// Processes that change the control of a job, tell of one thing and claim it do not lose what the others did.
func TestSeveralProcessesControlOneJob(t *testing.T) {
	dir := t.TempDir()
	t.Run("sqlite", func(t *testing.T) { controlTogether(t, "", dir) })
	t.Run("postgres", func(t *testing.T) { controlTogether(t, enginetest.Postgres(t), "") })
}

func controlTogether(t *testing.T, url, dir string) {
	const processes, rounds = 4, 15
	ctx := t.Context()
	stores := make([]*store.Store, processes)
	for i := range stores {
		var err error
		if stores[i], err = store.Open(ctx, url, dir); err != nil {
			t.Fatal(err)
		}
		defer stores[i].Close()
	}
	var fresh, claimed [processes]int
	var g errgroup.Group
	for i, s := range stores {
		g.Go(func() error {
			for n := range rounds {
				_, err := s.UpdateControl(ctx, "job", func(c *engine.Control) error {
					c.Failures++
					return nil
				})
				if err != nil {
					return err
				}
				is, err := s.PutNotice(ctx, engine.Notice{Job: "job", Key: fmt.Sprint(n)})
				if err != nil {
					return err
				}
				if is {
					fresh[i]++
				}
				due, err := s.DueNotices(ctx, time.Now(), rounds)
				if err != nil {
					return err
				}
				for _, notice := range due {
					ok, err := s.ClaimNotice(ctx, notice, time.Now().Add(time.Hour))
					if err != nil {
						return err
					}
					if ok {
						claimed[i]++
					}
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	sum := func(list [processes]int) (n int) {
		for _, v := range list {
			n += v
		}
		return n
	}
	c, err := stores[0].Control(ctx, "job")
	if err != nil || c.Failures != processes*rounds || sum(fresh) != rounds || sum(claimed) != rounds {
		t.Errorf("%d changes, %d fresh notices, %d claimed, %v; want %d, %d and %d", c.Failures, sum(fresh), sum(claimed), err, processes*rounds, rounds, rounds)
	}
}

// Every table with rows of a job is emptied by EraseJob, but the audit.
func TestEraseJobKnowsAllTables(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), "", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := sql.Open("sqlite", filepath.Join(dir, store.File))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'job' AND m.name <> 'audit' ORDER BY m.name")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tables, slices.Sorted(slices.Values(store.Owned))); diff != "" {
		t.Errorf("tables with a job, and those that EraseJob empties (-want +got):\n%s", diff)
	}
}

// A copy knows what the job knew, also on another database: what it is to do, how far it read and what was
// said about it. What it did is not copied.
func TestCopyJob(t *testing.T) {
	ctx := t.Context()
	sqlite := func() *store.Store { return open(t, "", t.TempDir()) }
	for name, from := range map[string]*store.Store{"sqlite": sqlite(), "postgres": open(t, enginetest.Postgres(t), "")} {
		t.Run("from "+name, func(t *testing.T) {
			u, g := engine.Ref{Kind: engine.User, ID: "u1"}, engine.Ref{Kind: engine.Group, ID: "g1"}
			st, err := from.OpenRound(ctx, "job", engine.FeedGroups, true, "selection")
			check(t, err)
			check(t, from.SavePage(ctx, "job", engine.FeedGroups, engine.PageWrite{Generation: st.Generation, Next: "cursor", Queue: []engine.Ref{u},
				Objects:     []engine.Object{{Ref: u, State: engine.Active, Attributes: map[string]any{"mail": "u@example.com"}}, {Ref: g, State: engine.Active, Conveys: true}},
				Edges:       []engine.Edge{{From: g, Relation: engine.Direct, To: u}},
				Assignments: []engine.Assignment{{ID: "a1", Principal: g, Effective: true}}}))
			_, err = from.Expand(ctx, "job", false)
			check(t, err)
			check(t, from.MarkSuspect(ctx, "job", engine.FeedGroups))
			check(t, from.PutLink(ctx, "job", engine.Link{Ref: g, TargetID: "t1", State: engine.Managed}, false))
			_, err = from.UpdateControl(ctx, "job", func(c *engine.Control) error {
				c.Paused, c.Quarantine = true, &engine.Quarantine{Reason: engine.QuarantineTotal}
				return nil
			})
			check(t, err)
			check(t, from.PutJobState(ctx, "job", engine.JobState{Fingerprint: "f"}))
			check(t, from.PutAudit(ctx, engine.AuditEntry{Job: "job"}))

			to := sqlite()
			check(t, from.CopyJob(ctx, "job", to))
			see := func(s *store.Store) []any {
				control, err := s.Control(ctx, "job")
				check(t, err)
				feed, err := s.FeedState(ctx, "job", engine.FeedGroups)
				check(t, err)
				queued, err := s.Undecided(ctx, "job", engine.User, time.Now(), "", 10)
				check(t, err)
				waiting, err := s.Waiting(ctx, "job", g, engine.Member, "", 10)
				check(t, err)
				state, err := s.JobState(ctx, "job")
				check(t, err)
				moved, err := s.Expand(ctx, "job", false)
				check(t, err)
				return []any{control, feed, queued, waiting, state, moved}
			}
			want := see(from)
			if len(want[2].([]engine.Queued)) != 1 || len(want[3].([]engine.Membership)) != 1 || !want[0].(engine.Control).Paused || !want[1].(engine.FeedState).Suspect {
				t.Fatalf("the test stored nothing: %+v", want)
			}
			if diff := cmp.Diff(want, see(to)); diff != "" {
				t.Errorf("the copy (-want +got):\n%s", diff)
			}
			if list, err := to.AuditEntries(ctx, engine.AuditFilter{}); err != nil || len(list) > 0 {
				t.Errorf("audit of the copy: %v, %v", list, err)
			}
		})
	}
}

func open(t *testing.T, url, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, dir)
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
