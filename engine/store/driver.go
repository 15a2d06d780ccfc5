package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// connector opens connections to one SQLite file. It takes the place of the driver that modernc.org/sqlite brings, over the
// same translated library: that driver compiles a statement each time it runs and searches all arguments for each
// parameter, a fifth of the time of a whole cycle. Connections of this one keep their statements compiled.
type connector struct {
	file    string
	pragmas []string
	begin   string // how a transaction that writes begins
}

var (
	_ driver.Connector      = (*connector)(nil)
	_ driver.ExecerContext  = (*conn)(nil)
	_ driver.QueryerContext = (*conn)(nil)
	_ driver.ConnBeginTx    = (*conn)(nil)
)

// maxStatements is the number of statements that a connection keeps.
const maxStatements = 256

// sqliteError is an answer of SQLite that is no success.
type sqliteError struct {
	code int // extended result code
	text string
}

func (e *sqliteError) Error() string { return fmt.Sprintf("%s (%d)", e.text, e.code) }

// conn is a connection. Package database/sql lets one goroutine at a time use it.
type conn struct {
	tls   *libc.TLS // what C keeps for a thread
	db    uintptr
	begin string
	stmts map[string]*stmt // by text
}

// Driver implements [driver.Connector].
func (o *connector) Driver() driver.Driver { return o }

// Open implements [driver.Driver]; a connector knows its file.
func (o *connector) Open(string) (driver.Conn, error) { return o.Connect(context.Background()) }

// Connect implements [driver.Connector].
func (o *connector) Connect(ctx context.Context) (driver.Conn, error) {
	c := &conn{tls: libc.NewTLS(), begin: o.begin, stmts: map[string]*stmt{}}
	err := c.open(o.file)
	if err == nil {
		err = c.steady()
	}
	for _, p := range o.pragmas {
		if err == nil {
			_, err = c.ExecContext(ctx, "PRAGMA "+p, nil)
		}
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *conn) open(file string) error {
	name, err := libc.CString(file)
	if err != nil {
		return err
	}
	defer libc.Xfree(c.tls, name)
	// No mutexes: the connection is used by one goroutine at a time.
	const flags = sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_CREATE | sqlite3.SQLITE_OPEN_NOMUTEX | sqlite3.SQLITE_OPEN_EXRESCODE
	var rc int32
	c.db, err = c.out(func(p uintptr) { rc = sqlite3.Xsqlite3_open_v2(c.tls, name, p, flags, 0) })
	return errors.Join(err, c.check(rc))
}

// steady makes the plan of a statement the same for all values, as [steadyPlans] does on PostgreSQL. Without it SQLite
// compiles some of them anew for each value, those with LIMIT among them.
func (c *conn) steady() error {
	args := libc.NewVaList(int32(1), uintptr(0))
	defer libc.Xfree(c.tls, args)
	return c.check(sqlite3.Xsqlite3_db_config(c.tls, c.db, sqlite3.SQLITE_DBCONFIG_ENABLE_QPSG, args))
}

// out calls f with the address of a pointer and returns the pointer that f puts there.
func (c *conn) out(f func(p uintptr)) (uintptr, error) {
	const size = unsafe.Sizeof(uintptr(0))
	p := sqlite3.Xsqlite3_malloc64(c.tls, uint64(size))
	if p == 0 {
		return 0, c.check(sqlite3.SQLITE_NOMEM)
	}
	defer sqlite3.Xsqlite3_free(c.tls, p)
	at := (*uintptr)(unsafe.Pointer(&libc.GoBytes(p, int(size))[0]))
	*at = 0
	f(p)
	return *at, nil
}

// check turns a result code into an error.
func (c *conn) check(rc int32) error {
	switch rc {
	case sqlite3.SQLITE_OK, sqlite3.SQLITE_ROW, sqlite3.SQLITE_DONE:
		return nil
	}
	text := libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc))
	if c.db != 0 {
		if more := libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db)); more != text {
			text += ": " + more
		}
	}
	return &sqliteError{int(rc), text}
}

// Close implements [driver.Conn].
func (c *conn) Close() error {
	c.forget()
	rc := sqlite3.Xsqlite3_close_v2(c.tls, c.db)
	c.db = 0
	err := c.check(rc)
	c.tls.Close()
	return err
}

// forget gives up the statements that are kept. Those that run are given up when they end.
func (c *conn) forget() {
	for _, s := range c.stmts {
		if !s.busy {
			s.free()
		}
	}
	clear(c.stmts)
}

// take returns the statement of a text, which is not used by anybody else until it is given back.
func (c *conn) take(query string) (*stmt, error) {
	kept := c.stmts[query]
	if kept != nil && !kept.busy {
		kept.busy = true
		return kept, nil
	}
	s, err := c.compile(query)
	if err != nil || kept != nil {
		return s, err
	}
	if len(c.stmts) >= maxStatements {
		c.forget()
	}
	c.stmts[query] = s
	return s, nil
}

func (c *conn) compile(query string) (*stmt, error) {
	text, err := libc.CString(query)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	s := &stmt{c: c, query: query, busy: true}
	var rc int32
	rest, err := c.out(func(tail uintptr) {
		s.p, err = c.out(func(p uintptr) {
			rc = sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, text, int32(len(query)+1), sqlite3.SQLITE_PREPARE_PERSISTENT, p, tail)
		})
	})
	if err := errors.Join(err, c.check(rc)); err != nil {
		return nil, err
	}
	if s.p == 0 || strings.TrimSpace(libc.GoString(rest)) != "" {
		s.free()
		return nil, errors.New("a text of SQL is to be one statement")
	}
	s.parameters = int(sqlite3.Xsqlite3_bind_parameter_count(c.tls, s.p))
	return s, nil
}

// watch breaks off what the connection does when ctx ends. The function that it returns ends the watch.
func (c *conn) watch(ctx context.Context) (end func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	broke := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		sqlite3.Xsqlite3_interrupt(c.tls, c.db)
		close(broke)
	})
	return func() {
		if !stop() {
			<-broke // or it would break off what comes next
		}
	}
}

// ExecContext implements [driver.ExecerContext].
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(query)
	if err != nil {
		return nil, err
	}
	defer s.give()
	if err := s.bind(args); err != nil {
		return nil, err
	}
	defer c.watch(ctx)()
	for {
		more, err := s.step(ctx)
		if err != nil {
			return nil, err
		}
		if !more {
			return driver.RowsAffected(sqlite3.Xsqlite3_changes(c.tls, c.db)), nil
		}
	}
}

// QueryContext implements [driver.QueryerContext].
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(query)
	if err != nil {
		return nil, err
	}
	if err := s.bind(args); err != nil {
		s.give()
		return nil, err
	}
	r := &rows{s: s, ctx: ctx, end: c.watch(ctx)}
	// SQLite compiles a statement again, at its first step, when the tables have changed. Then columns may have, too.
	if r.more, err = s.step(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.columns = s.columns()
	return r, nil
}

// Prepare implements [driver.Conn]. All statements are kept; there are no others.
func (c *conn) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("statements are prepared by running them")
}

// Begin implements [driver.Conn].
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx implements [driver.ConnBeginTx].
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	begin := c.begin
	if opts.ReadOnly {
		begin = "BEGIN"
	}
	_, err := c.ExecContext(ctx, begin, nil)
	return c, err
}

// Commit implements [driver.Tx]. What cannot be committed is rolled back: the connection is used again.
func (c *conn) Commit() error {
	_, err := c.ExecContext(context.Background(), "COMMIT", nil)
	if err != nil {
		return errors.Join(err, c.Rollback())
	}
	return nil
}

// Rollback implements [driver.Tx]. Some failures, like that of a full disk, have ended the transaction already.
func (c *conn) Rollback() error {
	if sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) != 0 {
		return nil
	}
	_, err := c.ExecContext(context.Background(), "ROLLBACK", nil)
	return err
}
