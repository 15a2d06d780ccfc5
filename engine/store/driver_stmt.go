package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// stmt is a compiled statement of a connection.
type stmt struct {
	c          *conn
	query      string
	p          uintptr
	parameters int
	busy       bool // somebody runs it
	// texts are the parameters that are texts, one after the other, where SQLite reads them.
	texts uintptr
	room  int // bytes of texts
}

// maxRoom is the size of parameters, in bytes, up to which their memory is kept for the next run.
const maxRoom = 16 << 10

// static says that a parameter stays where it is until the statement has run: SQLITE_STATIC.
const static = 0

// give ends the use of a statement.
func (s *stmt) give() {
	sqlite3.Xsqlite3_reset(s.c.tls, s.p) // says again what step said
	s.busy = false
	if s.c.stmts[s.query] != s {
		s.free()
		return
	}
	if s.room > maxRoom {
		s.forgetTexts()
	}
}

func (s *stmt) free() {
	s.forgetTexts()
	sqlite3.Xsqlite3_finalize(s.c.tls, s.p) // says again what step said
}

func (s *stmt) forgetTexts() {
	sqlite3.Xsqlite3_free(s.c.tls, s.texts)
	s.texts, s.room = 0, 0
}

// bind sets the parameters.
func (s *stmt) bind(args []driver.NamedValue) error {
	if len(args) != s.parameters {
		return fmt.Errorf("%d values for the %d parameters of a statement", len(args), s.parameters)
	}
	size := 1 // a pointer that is null would bind null
	for _, a := range args {
		switch v := a.Value.(type) {
		case string:
			size += len(v)
		case []byte:
			size += len(v)
		}
	}
	if size > s.room {
		s.forgetTexts()
		size += size / 4
		if s.texts = sqlite3.Xsqlite3_malloc64(s.c.tls, uint64(size)); s.texts == 0 {
			return s.c.check(sqlite3.SQLITE_NOMEM)
		}
		s.room = size
	}
	texts, tls := libc.GoBytes(s.texts, s.room), s.c.tls
	at := 0
	for i, a := range args {
		var rc int32
		n, here := int32(i+1), s.texts+uintptr(at)
		switch v := a.Value.(type) {
		case nil:
			rc = sqlite3.Xsqlite3_bind_null(tls, s.p, n)
		case int64:
			rc = sqlite3.Xsqlite3_bind_int64(tls, s.p, n, v)
		case float64:
			rc = sqlite3.Xsqlite3_bind_double(tls, s.p, n, v)
		case bool:
			rc = sqlite3.Xsqlite3_bind_int64(tls, s.p, n, flag(v))
		case string:
			at += copy(texts[at:], v)
			rc = sqlite3.Xsqlite3_bind_text(tls, s.p, n, here, int32(len(v)), static)
		case []byte:
			at += copy(texts[at:], v)
			rc = sqlite3.Xsqlite3_bind_blob(tls, s.p, n, here, int32(len(v)), static)
		default:
			return fmt.Errorf("parameter %d is a %T, which is not stored", n, v)
		}
		if err := s.c.check(rc); err != nil {
			return err
		}
	}
	return nil
}

// step goes to the next row and reports whether there is one.
func (s *stmt) step(ctx context.Context) (bool, error) {
	rc := sqlite3.Xsqlite3_step(s.c.tls, s.p)
	if rc == sqlite3.SQLITE_INTERRUPT && ctx.Err() != nil {
		return false, ctx.Err()
	}
	return rc == sqlite3.SQLITE_ROW, s.c.check(rc)
}

func (s *stmt) columns() []string {
	names := make([]string, sqlite3.Xsqlite3_column_count(s.c.tls, s.p))
	for i := range names {
		names[i] = libc.GoString(sqlite3.Xsqlite3_column_name(s.c.tls, s.p, int32(i)))
	}
	return names
}

// value is a column of the present row.
func (s *stmt) value(column int32) driver.Value {
	tls := s.c.tls
	switch sqlite3.Xsqlite3_column_type(tls, s.p, column) {
	case sqlite3.SQLITE_INTEGER:
		return sqlite3.Xsqlite3_column_int64(tls, s.p, column)
	case sqlite3.SQLITE_FLOAT:
		return sqlite3.Xsqlite3_column_double(tls, s.p, column)
	case sqlite3.SQLITE_TEXT:
		text := sqlite3.Xsqlite3_column_text(tls, s.p, column)
		return string(libc.GoBytes(text, int(sqlite3.Xsqlite3_column_bytes(tls, s.p, column))))
	case sqlite3.SQLITE_BLOB:
		blob := sqlite3.Xsqlite3_column_blob(tls, s.p, column)
		return append([]byte{}, libc.GoBytes(blob, int(sqlite3.Xsqlite3_column_bytes(tls, s.p, column)))...)
	default:
		return nil
	}
}

// rows are the rows of a query.
type rows struct {
	s       *stmt
	ctx     context.Context
	end     func() // ends the watch over ctx
	columns []string
	more    bool // the statement stands on a row that Next has not returned yet
}

// Columns implements [driver.Rows].
func (r *rows) Columns() []string { return r.columns }

// Next implements [driver.Rows].
func (r *rows) Next(dest []driver.Value) (err error) {
	if !r.more {
		return io.EOF
	}
	for i := range dest {
		dest[i] = r.s.value(int32(i))
	}
	r.more, err = r.s.step(r.ctx)
	return err
}

// Close implements [driver.Rows].
func (r *rows) Close() error {
	if r.s != nil {
		r.end()
		r.s.give()
		r.s = nil
	}
	return nil
}
