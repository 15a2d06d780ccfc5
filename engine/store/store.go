package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scimsync/scimsync/engine"
)

var _ engine.Store = (*Store)(nil)

// Store is an open store.
type Store struct {
	d      *dialect
	writer *sql.DB
	reader *sql.DB // the same as writer on PostgreSQL
	now    func() time.Time
	marked atomic.Int64
	claim  *sql.Conn // see Alone
}

// Open connects to the store at url and brings its tables up to date. An empty url is the SQLite file
// state.db in dataDir, which is made when it is missing; a url that begins with postgres:// or postgresql://
// is a PostgreSQL database.
func Open(ctx context.Context, url, dataDir string) (*Store, error) {
	switch {
	case url == "":
		return openSQLite(ctx, dataDir)
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		return openPostgres(ctx, url)
	default:
		return nil, errors.New("store.url: not an address of a store; leave it empty for SQLite in dataDir, or write postgres://user@host/database")
	}
}

// Close waits for running transactions and closes the database.
func (s *Store) Close() error {
	if s.claim != nil {
		if err := s.claim.Close(); err != nil {
			return errors.Join(err, s.writer.Close())
		}
	}
	if s.reader == s.writer {
		return s.writer.Close()
	}
	// The writer goes last: the connection closed last folds the write-ahead log into the file.
	return errors.Join(s.reader.Close(), s.writer.Close())
}

// mark returns a number that grows with every call, also from one run of the program to the next.
func (s *Store) mark() int64 {
	for {
		last := s.marked.Load()
		next := max(s.now().UnixNano(), last+1)
		if s.marked.CompareAndSwap(last, next) {
			return next
		}
	}
}

// maxAttempts is how often a write transaction is tried that the database itself broke off.
const maxAttempts = 5

// write runs do as the only writer of the job, in one transaction. What do keeps outside of the
// transaction it must set anew each time it is called.
func (s *Store) write(ctx context.Context, j engine.JobID, what string, do func(context.Context, tx) error) error {
	var err error
	for range maxAttempts {
		if err = s.attempt(ctx, j, do); err == nil || !s.d.repeatable(err) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return during(j, what, err)
	}
	return nil
}

// during says of an error what it kept from being done.
func during(j engine.JobID, what string, err error) error {
	if j == "" {
		return fmt.Errorf("store: %s: %w", what, err)
	}
	return fmt.Errorf("store: job %s: %s: %w", j, what, err)
}

func (s *Store) attempt(ctx context.Context, j engine.JobID, do func(context.Context, tx) error) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// A transaction is short and not broken off in the middle: waiting for its turn ends with ctx,
	// running does not.
	ctx = context.WithoutCancel(ctx)
	sqlTx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer sqlTx.Rollback() // after a commit it does nothing
	t := tx{run: sqlTx, d: s.d, job: string(j), now: micros(s.now()), mark: s.mark()}
	if err := s.d.lock(ctx, t); err != nil {
		return err
	}
	if err := do(ctx, t); err != nil {
		return err
	}
	return sqlTx.Commit()
}

// read runs do on one consistent state of the database.
func (s *Store) read(ctx context.Context, j engine.JobID, what string, do func(context.Context, tx) error) error {
	err := func() error {
		sqlTx, err := s.reader.BeginTx(ctx, s.d.snapshot())
		if err != nil {
			return err
		}
		defer sqlTx.Rollback()
		if err := do(ctx, tx{run: sqlTx, d: s.d, job: string(j), now: micros(s.now())}); err != nil {
			return err
		}
		return sqlTx.Commit()
	}()
	if err != nil {
		return during(j, what, err)
	}
	return nil
}
