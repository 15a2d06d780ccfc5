package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// maxIDs is the length of a list of ids in one statement. The SQLite driver needs time that grows
// with the square of the number of parameters, so statements stay moderate.
const maxIDs = 64

// dialect is what differs between the two databases.
type dialect struct {
	// numbered: parameters are written $1, $2.
	numbered bool
	// stepped: statements of a few sizes only, because the server prepares and keeps each text. The
	// SQLite driver compiles every statement anew, so that any size is as good as another.
	stepped bool
	// maxRows is the number of rows that one statement writes. SQLite keeps what a statement changes to
	// be able to undo it, and begins a temporary file for that after 64 KiB.
	maxRows int

	texts sync.Map // text as written here → text for the database
}

// bind returns the query with the parameters spelled as the database wants them. Our queries have
// no question mark in a literal.
func (d *dialect) bind(query string) string {
	if !d.numbered {
		return query
	}
	if t, ok := d.texts.Load(query); ok {
		return t.(string)
	}
	var b strings.Builder
	n := 0
	for i := range len(query) {
		if query[i] != '?' {
			b.WriteByte(query[i])
			continue
		}
		n++
		fmt.Fprintf(&b, "$%d", n)
	}
	d.texts.Store(query, b.String())
	return b.String()
}

// step returns how many of n rows the next statement takes.
func (d *dialect) step(n int) int {
	if n >= d.maxRows {
		return d.maxRows
	}
	if !d.stepped {
		return n
	}
	size := 1
	for size*4 <= n {
		size *= 4
	}
	return size
}

// pad returns the length of an IN list for n values.
func (d *dialect) pad(n int) int {
	if !d.stepped {
		return n
	}
	size := 1
	for size < n {
		size *= 4
	}
	return size
}

// A runner is a connection or a transaction.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// tx is an open transaction. Its methods are the only place that runs SQL.
type tx struct {
	run runner
	d   *dialect
	job string
	now int64 // microseconds
	// mark grows from transaction to transaction; it is the revision of what is queued by this one.
	mark int64
}

// exec runs a statement and returns the number of rows it changed.
func (t tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := t.run.ExecContext(ctx, t.d.bind(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// each calls scan for every row of a query.
func (t tx) each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	return t.scan(ctx, scan, t.d.bind(query), args)
}

// scan is each for a text that is spelled for the database already.
func (t tx) scan(ctx context.Context, scan func(*sql.Rows) error, text string, args []any) error {
	rows, err := t.run.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one scans the first row of a query into dest and reports whether there was one.
func (t tx) one(ctx context.Context, dest []any, query string, args ...any) (bool, error) {
	found := false
	err := t.each(ctx, func(r *sql.Rows) error {
		found = true
		return r.Scan(dest...)
	}, query, args...)
	return found, err
}

// bulk is a statement on many rows: head, then row repeated and separated by commas, then tail.
type bulk struct {
	head, row, tail string
	width           int // parameters of a row
}

// write runs a bulk statement for all rows in args, in as few statements as is sensible. The
// arguments before are those of the head.
func (t tx) write(ctx context.Context, b *bulk, args []any, before ...any) error {
	return t.chunks(b, args, before, func(text string, args []any) error {
		_, err := t.run.ExecContext(ctx, text, args...)
		return err
	})
}

// chunks calls do with the text and the arguments of each statement.
func (t tx) chunks(b *bulk, args, before []any, do func(text string, args []any) error) error {
	for len(args) > 0 {
		n := t.d.step(len(args) / b.width)
		chunk := args[:n*b.width]
		if len(before) > 0 {
			chunk = slices.Concat(before, chunk)
		}
		if err := do(t.d.rows(b, n), chunk); err != nil {
			return err
		}
		args = args[n*b.width:]
	}
	return nil
}

type rowsKey struct {
	b *bulk
	n int
}

// rows returns the text of a bulk statement for n rows.
func (d *dialect) rows(b *bulk, n int) string {
	key := rowsKey{b, n}
	if t, ok := d.texts.Load(key); ok {
		return t.(string)
	}
	text := d.bind(b.head + strings.Repeat(b.row+", ", n-1) + b.row + b.tail)
	d.texts.Store(key, text)
	return text
}

type listKey struct {
	query string
	n     int
}

// list runs do once for every chunk of ids, with the query in which "(ids)" is replaced by a list of
// parameters and with the arguments: before, the chunk, after.
func (t tx) list(query string, before []any, ids []string, after []any, do func(query string, args []any) error) error {
	for len(ids) > 0 {
		n := min(len(ids), maxIDs)
		padded := t.d.pad(n)
		key := listKey{query, padded}
		text, ok := t.d.texts.Load(key)
		if !ok {
			text = t.d.bind(strings.Replace(query, "(ids)", "("+strings.Repeat("?, ", padded-1)+"?)", 1))
			t.d.texts.Store(key, text)
		}
		args := make([]any, 0, len(before)+padded+len(after))
		args = append(args, before...)
		for i := range padded {
			args = append(args, ids[min(i, n-1)])
		}
		args = append(args, after...)
		if err := do(text.(string), args); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// execIn runs a statement on a list of ids.
func (t tx) execIn(ctx context.Context, query string, before []any, ids []string, after ...any) error {
	return t.list(query, before, ids, after, func(text string, args []any) error {
		_, err := t.run.ExecContext(ctx, text, args...)
		return err
	})
}

// countIn is execIn that returns the number of rows that were changed.
func (t tx) countIn(ctx context.Context, query string, before []any, ids []string, after ...any) (n int64, err error) {
	err = t.list(query, before, ids, after, func(text string, args []any) error {
		r, err := t.run.ExecContext(ctx, text, args...)
		if err != nil {
			return err
		}
		changed, err := r.RowsAffected()
		n += changed
		return err
	})
	return n, err
}

// eachIn calls scan for every row of a query on a list of ids.
func (t tx) eachIn(ctx context.Context, scan func(*sql.Rows) error, query string, before []any, ids []string, after ...any) error {
	return t.list(query, before, ids, after, func(text string, args []any) error {
		return t.scan(ctx, scan, text, args)
	})
}
