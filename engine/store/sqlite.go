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
	d := &dialect{maxRows: 1}
	s := &Store{d: d, now: time.Now}
	if err := migrateSQLite(ctx, file, d); err != nil {
		return nil, problem(err)
	}
	s.writer = sql.OpenDB(&connector{file: file, pragmas: pragmas(8 << 10), begin: "BEGIN IMMEDIATE"})
	s.writer.SetMaxOpenConns(1)
	s.reader = sql.OpenDB(&connector{file: file, pragmas: append(pragmas(2<<10), "query_only(1)"), begin: "BEGIN"})
	s.reader.SetMaxOpenConns(readers)
	s.reader.SetMaxIdleConns(readers)
	return s, nil
}

// migrateSQLite brings the file up to date. It repeats a migration that another process was faster with: there is no lock
// to take before the file has tables. The stock driver takes the scripts and dates of migrations.
func migrateSQLite(ctx context.Context, file string, d *dialect) (err error) {
	q := url.Values{"_pragma": pragmas(8 << 10), "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: file, RawQuery: q.Encode()}).String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
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

// pragmas are the settings of a connection: cacheKiB of page cache and no memory mapping, as a worker has to live with
// little memory; FULL, so that a commit survives a loss of power. The ids of a directory are random: a page of an import
// touches as many pages of the file as it has objects. A write-ahead log of 64 MiB (16,384 pages) between checkpoints keeps
// down how often each is written to the file.
func pragmas(cacheKiB int) []string {
	return []string{
		"busy_timeout(30000)",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(1)",
		fmt.Sprintf("cache_size(-%d)", cacheKiB),
		"mmap_size(0)",
		"wal_autocheckpoint(16384)",
		"journal_size_limit(67108864)",
	}
}

// unique reports whether an error is a violation of a unique index.
func uniqueSQLite(err error) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

func foreignSQLite(err error) bool { return sqliteCode(err) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY }
func busySQLite(err error) bool    { return sqliteCode(err)&0xff == sqlite3.SQLITE_BUSY }

// sqliteCode is the result code in an error, 0 if it is no answer of SQLite.
func sqliteCode(err error) int {
	if e, ok := errors.AsType[*sqliteError](err); ok {
		return e.code
	}
	return 0
}
