//go:build !noembed

package temporald

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("", 3600))

// TestClaim goes through what can be found in a data directory. Files hold their own names, so that
// a mix-up shows.
func TestClaim(t *testing.T) {
	t.Parallel()
	const aside = "temporal-20261121T110000Z"
	for _, tc := range []struct {
		name  string
		found []string
		stamp string
		fresh bool
		left  map[string]string // content by name, without the lock
	}{
		{"nothing", nil, "", true, map[string]string{}},
		{"same version", []string{"temporal.db", "temporal.db-wal"}, "1.2.3", false,
			map[string]string{"temporal.db": "temporal.db", "temporal.db-wal": "temporal.db-wal", "temporal.version": "1.2.3\n"}},
		{"other version", []string{"temporal.db", "temporal.db-wal", "temporal.db-shm"}, "1.2.2", true,
			map[string]string{aside + ".db": "temporal.db", aside + ".db-shm": "temporal.db-shm", aside + ".db-wal": "temporal.db-wal"}},
		{"no stamp", []string{"temporal.db"}, "", true, map[string]string{aside + ".db": "temporal.db"}},
		{"stamp without database", nil, "1.2.3", true, map[string]string{}},
		{"journal without database", []string{"temporal.db-wal"}, "1.2.3", true,
			map[string]string{aside + ".db-wal": "temporal.db-wal"}},
		{"name taken", []string{"temporal.db", aside + ".db"}, "1.2.2", true,
			map[string]string{aside + "-2.db": "temporal.db", aside + ".db": aside + ".db"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, name := range tc.found {
				write(t, filepath.Join(dir, name), name)
			}
			if tc.stamp != "" {
				write(t, filepath.Join(dir, stampName), tc.stamp+"\n")
			}
			d, err := openDataDir(dir, zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			defer d.close()
			fresh, err := d.claim("1.2.3", noon)
			if err != nil || fresh != tc.fresh {
				t.Errorf("claim = %v, %v; want %v", fresh, err, tc.fresh)
			}
			if diff := cmp.Diff(tc.left, contents(t, dir)); diff != "" {
				t.Errorf("left in the directory (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStampIsRead(t *testing.T) {
	t.Parallel()
	d, err := openDataDir(t.TempDir(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if err := errors.Join(d.create(), d.stamp("1.2.3")); err != nil {
		t.Fatal(err)
	}
	if fresh, err := d.claim("1.2.3", noon); fresh || err != nil {
		t.Errorf("claim after stamp = %v, %v; want the file to be taken as it is", fresh, err)
	}
}

func TestLockExcludes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "on", "demand")
	first, err := openDataDir(dir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	_, err = openDataDir(dir, zap.NewNop())
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "`scimsync job sync JOB`") {
		t.Fatalf("second lock: %v; want ErrLocked, and a way to go on", err)
	}
	for _, want := range []string{filepath.Join(dir, "temporal.lock"), fmt.Sprintf("process %d ", os.Getpid()), "dataDir"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	again, err := openDataDir(dir, zap.NewNop())
	if err != nil {
		t.Fatalf("lock after it was given back: %v", err)
	}
	again.close()
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// contents reads the files of dir, without the lock.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, e := range entries {
		if e.Name() == lockName {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}
