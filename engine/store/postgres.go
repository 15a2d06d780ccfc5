package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// connections is the size of the pool. One writer per job is busy at a time; the rest read.
const connections = 8

func openPostgres(ctx context.Context, url string) (*Store, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		// The error repeats the address, and a password that does not parse cannot be found in it to be hidden.
		return nil, errors.New("store.url: not a valid PostgreSQL address; write postgres://user@host:5432/database?sslmode=require, " +
			"with special characters of the password percent-encoded, or leave the password to PGPASSWORD or ~/.pgpass")
	}
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(steadyPlans))
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxIdleTime(5 * time.Minute)
	d := &dialect{numbered: true, stepped: true, maxRows: 64}
	if err = db.PingContext(ctx); err == nil {
		err = migrate(ctx, db, d)
	}
	if err != nil {
		err = fmt.Errorf("store: open PostgreSQL database %s on %s:%d as %s: %w; "+
			"check that the server runs, that store.url names it, and that the user may connect and create tables",
			cfg.Database, cfg.Host, cfg.Port, cfg.User, cause(err))
		return nil, errors.Join(err, db.Close())
	}
	return &Store{d: d, writer: db, reader: db, now: time.Now}, nil
}

// Alone claims the store for one process that runs cycles by itself, as with an embedded Temporal server: another such
// process would run the same jobs at the same time. It is held until the store is closed. ok is false when somebody
// else has it. A SQLite file needs no such claim, its folder has one.
func (s *Store) Alone(ctx context.Context) (ok bool, err error) {
	if !s.d.numbered {
		return true, nil
	}
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return false, fmt.Errorf("store: claim: %w", err)
	}
	h := fnv.New64a()
	h.Write([]byte("scimsync runs cycles here"))
	if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", int64(h.Sum64())).Scan(&ok); err != nil || !ok {
		return false, errors.Join(err, conn.Close())
	}
	s.claim = conn
	return true, nil
}

// cause is what the server or the network said, without the account of all addresses that were tried.
func cause(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	return err
}

// steadyPlans makes the plan of a statement the same for all values and all sizes of a table. Ours
// are made for indexes; a plan that was made while a table was small, and kept, would read all of it
// when it is large. migrations/0002_postgres_plans.sql gives the planner its statistics. They are short
// statements, not worth compiling.
func steadyPlans(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off")
	return err
}

// lockKey is the advisory lock of a job. Two jobs with one key wait for each other and nothing worse.
func lockKey(job string) int64 {
	h := fnv.New64a()
	h.Write([]byte("scimsync/" + job))
	return int64(h.Sum64())
}

// lock makes the transaction the only one that writes for its job. SQLite has one writer anyway.
func (d *dialect) lock(ctx context.Context, t tx) error {
	if !d.numbered {
		return nil
	}
	_, err := t.exec(ctx, "SELECT pg_advisory_xact_lock(?)", lockKey(t.job))
	return err
}

// snapshot are the options of a transaction that only reads and sees one state of the database.
func (d *dialect) snapshot() *sql.TxOptions {
	if !d.numbered {
		return &sql.TxOptions{ReadOnly: true}
	}
	return &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
}

func (d *dialect) violates(err error, code string, onSQLite func(error) bool) bool {
	if !d.numbered {
		return onSQLite(err)
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == code
}

// unique reports a violation of a unique index, foreign one of a foreign key.
func (d *dialect) unique(err error) bool  { return d.violates(err, "23505", uniqueSQLite) }
func (d *dialect) foreign(err error) bool { return d.violates(err, "23503", foreignSQLite) }

// repeatable reports that the database broke off a transaction that may succeed when it is run again:
// a serialization failure, a deadlock or a lock that others held too long.
func (d *dialect) repeatable(err error) bool {
	return d.violates(err, "40001", busySQLite) || d.violates(err, "40P01", busySQLite)
}
