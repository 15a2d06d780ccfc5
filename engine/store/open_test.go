package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/enginetest"
	"github.com/scimsync/scimsync/engine/store"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	notAFolder := filepath.Join(t.TempDir(), "file")
	write(t, notAFolder, "text")
	notADatabase := t.TempDir()
	write(t, filepath.Join(notADatabase, store.File), strings.Repeat("this is not a database ", 100))
	ofTheFuture := t.TempDir()
	future(t, ofTheFuture)
	for _, row := range []struct {
		name, url, dataDir string
		want               []string // parts of the message
	}{
		{"another kind of address", "mysql://root:s3cret@db/x", "", []string{"store.url", "postgres://user@host/database"}},
		{"a file name", "/var/lib/s3cret.db", "", []string{"store.url", "dataDir"}},
		{"a port that is none", "postgres://scimsync:s3cret@db:port/x", "", []string{"store.url", "not a valid PostgreSQL address", "percent-encoded"}},
		{"a password with a slash", "postgres://scimsync:s3cret/more@db/x", "", []string{"store.url", "percent-encoded"}},
		{"a password with a percent sign", "postgres://scimsync:s3cret%zz@db/x", "", []string{"store.url", "percent-encoded"}},
		{"an unknown setting of TLS", "postgres://scimsync:s3cret@db/x?sslmode=sometimes", "", []string{"store.url"}},
		{"nobody listens", "postgres://scimsync:s3cret@127.0.0.1:1/x", "", []string{"PostgreSQL database x on 127.0.0.1:1 as scimsync", "refused", "check that the server runs"}},
		{"dataDir is a file", "", notAFolder, []string{notAFolder, "not a directory", "local folder that this user may write to"}},
		{"not a database", "", notADatabase, []string{store.File, "not a database"}},
		{"of a newer program", "", ofTheFuture, []string{store.File, "version 9999", "run a newer scimsync"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := store.Open(t.Context(), row.url, row.dataDir)
			if err == nil {
				s.Close()
				t.Fatal("no error")
			}
			for _, part := range row.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// future makes a store that a newer program has migrated.
func future(t *testing.T, dir string) {
	t.Helper()
	s, err := store.Open(t.Context(), "", dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, store.File))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
}

func TestSQLiteFileIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when missing")
	s, err := store.Open(t.Context(), "", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.PutJobState(t.Context(), "job", engine.JobState{Fingerprint: "f"}); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read %s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Of the processes that share a database, one at a time may run cycles by itself.
func TestAlone(t *testing.T) {
	url := enginetest.Postgres(t)
	open := func() *store.Store {
		s, err := store.Open(t.Context(), url, "")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	alone := func(s *store.Store) bool {
		ok, err := s.Alone(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	first, second := open(), open()
	defer func() {
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	}()
	if !alone(first) || alone(second) {
		t.Error("want the first to have the store, and the second not")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if alone(second) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("the second did not get the store when the first was closed")
}

// Several processes may open one store, also a new one, and see what the others wrote.
func TestSeveralProcesses(t *testing.T) {
	dir := t.TempDir()
	t.Run("sqlite", func(t *testing.T) { severalProcesses(t, "", dir) })
	t.Run("postgres", func(t *testing.T) { severalProcesses(t, enginetest.Postgres(t), "") })
}

func severalProcesses(t *testing.T, url, dir string) {
	const processes, rounds = 4, 20
	stores := make([]*store.Store, processes)
	var opening, working errgroup.Group
	for i := range stores {
		opening.Go(func() (err error) {
			stores[i], err = store.Open(t.Context(), url, dir)
			return err
		})
	}
	if err := opening.Wait(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, s := range stores {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	ctx := t.Context()
	cycle, err := stores[0].BeginCycle(ctx, engine.Cycle{ID: "c1", Job: "job", Kind: engine.Initial})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range stores {
		working.Go(func() error {
			for n := range rounds {
				r := engine.Ref{Kind: engine.User, ID: fmt.Sprintf("p%d-%d", i, n)}
				err := errors.Join(
					s.Enqueue(ctx, "job", []engine.Ref{r}),
					s.Count(ctx, "job", cycle.ID, engine.Counts{engine.ObjectsQueued: 1}),
				)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := working.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, s := range stores {
		sizes, err := s.QueueSize(ctx, "job")
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Cycle(ctx, "job", cycle.ID)
		if err != nil {
			t.Fatal(err)
		}
		if n := processes * rounds; sizes[engine.ChangeQueued] != n || c.Counts[engine.ObjectsQueued] != n {
			t.Errorf("process %d sees %v and %v, want %d of both", i, sizes, c.Counts, n)
		}
	}
}

// What was stored is there after the store was closed and opened again.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		s, err := store.Open(t.Context(), "", dir)
		if err != nil {
			t.Fatal(err)
		}
		state, err := s.JobState(t.Context(), "job")
		if want := fmt.Sprint("f", i-1); err != nil || i > 0 && state.Fingerprint != want {
			t.Errorf("opened for time %d: %+v %v, want %s", i, state, err, want)
		}
		if err := s.PutJobState(t.Context(), "job", engine.JobState{Fingerprint: fmt.Sprint("f", i)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCancelledContext(t *testing.T) {
	s, err := store.Open(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ref := []engine.Ref{{Kind: engine.User, ID: "u1"}}
	if err := s.Enqueue(ctx, "job", ref); !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v", err)
	}
	if _, err := s.QueueSize(ctx, "job"); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if err := s.Enqueue(t.Context(), "job", ref); err != nil {
		t.Errorf("the store is unusable after a cancelled call: %v", err)
	}
}
