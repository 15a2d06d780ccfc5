package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// File is the name of the SQLite file in dataDir.
const File = "state.db"

// readers is the number of SQLite connections that read beside the writer. Each has a cache of its own.
const readers = 3

func openSQLite(ctx context.Context, dataDir string) (*Store, error) {
	file := filepath.Join(dataDir, File)
	problem := func(err error) error {
		return fmt.Errorf("store: open SQLite file %s: %w; dataDir has to be a local folder that this user may write to", file, err)
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, problem(err)
	}
	// Made here, because SQLite would let others read it. Its side files get the mode of this one.
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, problem(err)
	}
	if err := f.Close(); err != nil {
		return nil, problem(err)
	}
	d := &dialect{maxRows: 16}
	s := &Store{d: d, now: time.Now}
	// The writer waits longest, as other processes (a command beside the service) write in turn.
	if s.writer, err = sql.Open("sqlite", sqliteURL(file, 8<<10, "_txlock", "immediate")); err != nil {
		return nil, problem(err)
	}
	s.writer.SetMaxOpenConns(1)
	if err := migrateSQLite(ctx, s.writer, d); err != nil {
		return nil, errors.Join(problem(err), s.writer.Close())
	}
	if s.reader, err = sql.Open("sqlite", sqliteURL(file, 2<<10, "_pragma", "query_only(1)")); err != nil {
		return nil, errors.Join(problem(err), s.writer.Close())
	}
	s.reader.SetMaxOpenConns(readers)
	s.reader.SetMaxIdleConns(readers)
	return s, nil
}

// migrateSQLite repeats a migration that another process was faster with: there is no lock
// to take before the file has tables.
func migrateSQLite(ctx context.Context, db *sql.DB, d *dialect) error {
	var err error
	for range maxAttempts {
		if err = migrate(ctx, db, d); err == nil || ctx.Err() != nil {
			return err
		}
		var broken *sqlite.Error
		if !errors.As(err, &broken) || broken.Code() != sqlite3.SQLITE_ERROR && broken.Code()&0xff != sqlite3.SQLITE_BUSY {
			return err
		}
	}
	return err
}

// sqliteURL names a file with the settings of a connection: cacheKiB of page cache and no memory
// mapping, as a worker has to live with little memory; FULL, so that a commit survives a loss of power.
// The ids of a directory are random: a page of an import touches as many pages of the file as it has
// objects. Small pages and a write-ahead log of 32 MiB between checkpoints keep down what that writes.
func sqliteURL(file string, cacheKiB int, more ...string) string {
	q := url.Values{"_pragma": {
		"busy_timeout(30000)",
		"page_size(2048)", // of a new file; before the journal mode
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(1)",
		fmt.Sprintf("cache_size(-%d)", cacheKiB),
		"mmap_size(0)",
		"wal_autocheckpoint(16384)",

		"journal_size_limit(67108864)",
	}}
	for i := 0; i < len(more); i += 2 {
		q.Add(more[i], more[i+1])
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: file, RawQuery: q.Encode()}).String()
}

// unique reports whether an error is a violation of a unique index.
func uniqueSQLite(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

func foreignSQLite(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}

func busySQLite(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_BUSY
}
