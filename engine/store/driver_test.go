package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sqlite3 "modernc.org/sqlite/lib"
)

// openDriver opens a SQLite file with the driver of this package and one connection.
func openDriver(t *testing.T, file string) *sql.DB {
	t.Helper()
	db := sql.OpenDB(&connector{file: file, pragmas: pragmas(1 << 10), begin: "BEGIN IMMEDIATE"})
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func mustExec(t *testing.T, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func TestDriverValues(t *testing.T) {
	db := openDriver(t, filepath.Join(t.TempDir(), "x.db"))
	mustExec(t, db, "CREATE TABLE x (n integer PRIMARY KEY, v)")
	long := strings.Repeat("ä long text ", 10_000)
	values := []any{nil, int64(0), int64(math.MinInt64), int64(math.MaxInt64), 1.5, math.Inf(1), "", "text", "a\x00b", "\xff", long, []byte{}, []byte{0, 1}, "short again"}
	for i, v := range values {
		mustExec(t, db, "INSERT INTO x (n, v) VALUES (?, ?)", i, v)
	}
	mustExec(t, db, "INSERT INTO x (n, v) VALUES (?, ?)", len(values), true)
	var got []any
	rows, err := db.Query("SELECT v FROM x WHERE n >= ? AND n < ? ORDER BY n", 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var v any
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append(values, int64(1)), got); diff != "" {
		t.Errorf("what was stored comes back otherwise (-want +got):\n%s", diff)
	}
}

func TestDriverRefuses(t *testing.T) {
	db := openDriver(t, filepath.Join(t.TempDir(), "x.db"))
	mustExec(t, db, "CREATE TABLE x (n integer PRIMARY KEY) ")
	mustExec(t, db, "INSERT INTO x VALUES (?);\n", 1)
	for _, row := range []struct {
		name, query string
		args        []any
		want        string
		code        int
	}{
		{"no SQL", "SELEKT", nil, "syntax error", sqlite3.SQLITE_ERROR},
		{"two statements", "SELECT 1; SELECT 2", nil, "one statement", 0},
		{"none", " ", nil, "one statement", 0},
		{"an argument too few", "INSERT INTO x VALUES (?)", nil, "0 values for the 1 parameters", 0},
		{"an argument too many", "INSERT INTO x VALUES (?)", []any{2, 3}, "2 values for the 1 parameters", 0},
		{"a time", "INSERT INTO x VALUES (?)", []any{time.Now()}, "time.Time", 0},
		{"a repeated key", "INSERT INTO x VALUES (?)", []any{1}, "UNIQUE constraint failed: x.n", sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY},
	} {
		for range 2 { // the second time with a statement that is kept
			_, err := db.Exec(row.query, row.args...)
			if err == nil || !strings.Contains(err.Error(), row.want) || sqliteCode(err) != row.code {
				t.Errorf("%s: exec: code %d, %v", row.name, sqliteCode(err), err)
			}
			rows, err := db.Query(row.query, row.args...)
			if err == nil || !strings.Contains(err.Error(), row.want) || sqliteCode(err) != row.code {
				t.Errorf("%s: query: code %d, %v", row.name, sqliteCode(err), err)
			}
			if err == nil {
				rows.Close()
			}
		}
	}
	var n int
	if err := db.QueryRow("SELECT count(*) FROM x").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v; want the one that was not refused", n, err)
	}
}

// A statement that is used while it is kept for somebody else is a second one.
func TestDriverNests(t *testing.T) {
	db := openDriver(t, filepath.Join(t.TempDir(), "x.db"))
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	mustExec(t, tx, "CREATE TABLE x (n integer PRIMARY KEY)")
	mustExec(t, tx, "INSERT INTO x VALUES (1), (2), (3)")
	pairs := 0
	query := func(each func()) {
		rows, err := tx.Query("SELECT n FROM x WHERE n < ?", 10)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			each()
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	query(func() { query(func() { pairs++ }) })
	if pairs != 9 {
		t.Errorf("%d pairs, want 9", pairs)
	}
}

// More statements than are kept, some of them in use while the others are given up.
func TestDriverForgetsStatements(t *testing.T) {
	db := openDriver(t, filepath.Join(t.TempDir(), "x.db"))
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	rows, err := tx.Query("WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) SELECT n FROM c", 3*maxStatements)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	sum := 0
	for rows.Next() {
		var n, again int
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRow(fmt.Sprintf("SELECT ? + %d", n), 0).Scan(&again); err != nil {
			t.Fatal(err)
		}
		sum += again
	}
	if n := 3 * maxStatements; rows.Err() != nil || sum != n*(n+1)/2 {
		t.Errorf("sum %d, %v", sum, rows.Err())
	}
}

func TestDriverBreaksOff(t *testing.T) {
	const endless = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
	db := openDriver(t, filepath.Join(t.TempDir(), "x.db"))
	mustExec(t, db, "CREATE TABLE x (n integer)")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var n int
	if err := db.QueryRowContext(ctx, endless+"SELECT count(*) FROM c").Scan(&n); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("query: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(ctx, "INSERT INTO x "+endless+"SELECT n FROM c"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("exec: %v", err)
	}
	if err := db.QueryRow("SELECT count(*) FROM x").Scan(&n); err != nil || n != 0 {
		t.Errorf("afterwards: %d rows, %v", n, err)
	}
}

// A transaction that cannot be committed is over, and its connection of use.
func TestDriverCommitFails(t *testing.T) {
	db := openDriver(t, filepath.Join(t.TempDir(), "x.db"))
	mustExec(t, db, "CREATE TABLE a (n integer PRIMARY KEY)")
	mustExec(t, db, "CREATE TABLE b (n integer REFERENCES a (n) DEFERRABLE INITIALLY DEFERRED)")
	for range 2 {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, tx, "INSERT INTO b VALUES (?)", 1)
		if err := tx.Commit(); !foreignSQLite(err) {
			t.Errorf("commit: %v", err)
		}
	}
	mustExec(t, db, "INSERT INTO a VALUES (?)", 1)
	mustExec(t, db, "INSERT INTO b VALUES (?)", 1)
	var n int
	if err := db.QueryRow("SELECT count(*) FROM b").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v, want 1", n, err)
	}
}

// Statements that are kept see what another process makes of the tables.
func TestDriverTablesChange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.db")
	db, other := openDriver(t, file), openDriver(t, file)
	mustExec(t, db, "CREATE TABLE x (n integer)")
	mustExec(t, db, "INSERT INTO x VALUES (1)")
	columns := func() []string {
		rows, err := db.Query("SELECT * FROM x")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		values, dest := make([]any, len(names)), make([]any, len(names))
		for i := range dest {
			dest[i] = &values[i]
		}
		if !rows.Next() {
			t.Fatalf("no row: %v", rows.Err())
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			names[i] += fmt.Sprintf("=%v", v)
		}
		return names
	}
	before := columns()
	mustExec(t, other, "ALTER TABLE x ADD COLUMN more text NOT NULL DEFAULT 'new'")
	if diff := cmp.Diff([][]string{{"n=1"}, {"n=1", "more=new"}}, [][]string{before, columns()}); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}
