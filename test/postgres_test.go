package test

import (
	"testing"

	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/engine/enginetest"
)

// TestDayOnPostgreSQL is the day on the other store.
func TestDayOnPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a PostgreSQL server, which takes seconds; run without -short")
	}
	t.Parallel()
	w := newWorld(t, setting{store: enginetest.Postgres(t), profile: scim.Entra, mapping: withManager(t)})
	runDay(w)
	w.settled()
	w.inStep()
}

// TestThousandsOnPostgreSQL is an initial cycle and some days of 1,000 people on it.
func TestThousandsOnPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a PostgreSQL server, which takes seconds; run without -short")
	}
	t.Parallel()
	w := newWorld(t, setting{store: enginetest.Postgres(t), graph: company(1000, 40)})
	w.sync()
	w.inStep()
	for range 3 {
		w.dir.PassDay()
		w.sync()
		w.settled()
		w.inStep()
	}
	w.quiet()
}
