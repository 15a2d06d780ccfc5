package enginetest

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Postgres starts a PostgreSQL server of its own for a test and returns the address of an empty database
// in it. The server listens on a socket in a temporary folder, keeps nothing, and ends with the test. On
// a machine without PostgreSQL the test is skipped, or fails if SCIMSYNC_REQUIRE names postgres.
func Postgres(t testing.TB) string {
	t.Helper()
	bin, err := postgresBinaries()
	if err != nil {
		if strings.Contains(os.Getenv("SCIMSYNC_REQUIRE"), "postgres") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir, err := startPostgres(t, bin)
	if err != nil {
		t.Fatalf("start a PostgreSQL server from %s: %v", bin, err)
	}
	q := url.Values{"host": {dir}, "port": {socketPort}}
	return "postgres://scimsync@/postgres?" + q.Encode()
}

// socketPort is part of the name of the socket; no TCP port is opened.
const socketPort = "5432"

// postgresBinaries returns the folder of initdb and postgres: where PATH finds them, else the newest
// of the places where packages put them.
func postgresBinaries() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			return filepath.Dir(p), nil
		}
	}
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/usr/local/opt/postgresql@*/bin/initdb", "/opt/homebrew/opt/postgresql@*/bin/initdb"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		found = append(found, paths...)
	}
	if len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed; to run this test: apt-get install postgresql (or put initdb and postgres into PATH)")
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(versionIn(a), versionIn(b)) })
	return filepath.Dir(newest), nil
}

// versionIn is the number in a path.
func versionIn(path string) int {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, path)
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// startPostgres makes a database cluster and starts its server. It returns the folder of the socket.
func startPostgres(t testing.TB, bin string) (string, error) {
	// Not t.TempDir: another user has to get in, and the name of a socket must be short.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return "", err
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the folder of the PostgreSQL server: %v", err)
		}
	})
	as, err := ordinaryUser(dir)
	if err != nil {
		return "", err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata", data, "--username", "scimsync", "--auth", "trust", "--encoding", "UTF8",
		"--no-locale", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, as
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	// The shell stops the server when its input ends: with the test, also when that is killed.
	server := exec.Command("/bin/sh", "-c", `"$@" & pid=$!; cat >/dev/null; kill -INT $pid; wait $pid`, "sh",
		filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+dir, "-c", "port="+socketPort,
		"-c", "fsync=off", "-c", "max_connections=60")
	server.Dir, server.SysProcAttr = dir, as
	stop, err := server.StdinPipe()
	if err != nil {
		return "", err
	}
	logs, err := server.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := server.Start(); err != nil {
		return "", err
	}
	drained := make(chan struct{})
	t.Cleanup(func() {
		stop.Close()
		<-drained
		if err := server.Wait(); err != nil && !t.Failed() {
			t.Logf("the PostgreSQL server ended with: %v", err)
		}
	})
	return dir, awaitReady(logs, drained)
}

// awaitReady reads the log until the server accepts connections, and goes on to drain it.
func awaitReady(logs io.Reader, drained chan<- struct{}) error {
	var seen bytes.Buffer
	lines := bufio.NewScanner(logs)
	for lines.Scan() {
		seen.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "ready to accept connections") {
			go func() {
				defer close(drained)
				for lines.Scan() {
				}
			}()
			return nil
		}
	}
	close(drained)
	return fmt.Errorf("the server did not start:\n%s", seen.String())
}
