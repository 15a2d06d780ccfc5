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
	server := enginetest.Postgres(t)
	var databases atomic.Int64
	enginetest.TestStore(t, func(t *testing.T) engine.Store {
		s, err := store.Open(t.Context(), newDatabase(t, server, fmt.Sprintf("store%d", databases.Add(1))), "")
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
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0 LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
	if err != nil { // before PostgreSQL 15, or built without ICU
		_, err = conn.Exec(ctx, "CREATE DATABASE "+name)
	}
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}
