package store_test

import (
	"testing"

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
