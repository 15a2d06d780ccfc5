package store_test

import (
	"context"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/enginetest"
	"github.com/scimsync/scimsync/engine/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLite(t *testing.T) {
	enginetest.TestStore(t, func(t *testing.T) engine.Store {
		s, err := store.Open(t.Context(), "", t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestPostgres(t *testing.T) {
	server := newDatabase(t, enginetest.Postgres(t), "stores")
	var schemas atomic.Int64
	enginetest.TestStore(t, func(t *testing.T) engine.Store {
		s, err := store.Open(t.Context(), newSchema(t, server, fmt.Sprintf("store%d", schemas.Add(1))), "")
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// newDatabase makes a database and returns its address. Its language sorts otherwise than by bytes, which
// a store must not depend on.
func newDatabase(t testing.TB, server, name string) string {
	t.Helper()
	if err := execute(server, "CREATE DATABASE "+name+" TEMPLATE template0 LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"); err != nil {
		// Before PostgreSQL 15, or built without ICU.
		if err := execute(server, "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// newSchema makes an empty schema and returns the address of a database that consists of it.
func newSchema(t testing.TB, database, name string) string {
	t.Helper()
	if err := execute(database, "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

func execute(database, statement string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}
