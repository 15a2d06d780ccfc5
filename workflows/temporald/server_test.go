//go:build !noembed

package temporald

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	_ "modernc.org/sqlite" // a second look at the file, past the server
)

// patience is how long the tests wait for what should take a second.
const patience = 30 * time.Second

const taskQueue = "q"

// waiting ends when it gets the signal "go".
func waiting(ctx workflow.Context) error {
	workflow.GetSignalChannel(ctx, "go").Receive(ctx, nil)
	return nil
}

// short ends at once.
func short(workflow.Context) error { return nil }

// startServer starts a server that is stopped at the end of the test, unless the test does.
func startServer(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// clientOptions keep the client quiet: without a logger it writes to stdout.
func clientOptions(s *Server, namespace string) client.Options {
	return client.Options{
		HostPort:  s.Address(),
		Namespace: namespace,
		Logger:    sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	}
}

func dial(t *testing.T, s *Server, namespace string) client.Client {
	t.Helper()
	c, err := client.Dial(clientOptions(s, namespace))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func startWorker(t *testing.T, c client.Client) {
	t.Helper()
	w := worker.New(c, taskQueue, worker.Options{})
	w.RegisterWorkflow(waiting)
	w.RegisterWorkflow(short)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := ask(ctx)
		if ok && err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %v (last error: %v)", what, patience, err)
		case <-tick.C:
		}
	}
}

// TestRestart uses a directory whose name means something in a SQLite URI, and a namespace of our
// own, at once after Start.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a b?mode=ro#c%41")
	s := startServer(t, Options{Dir: dir, Namespace: "acme", Retention: 48 * time.Hour})
	c := dial(t, s, "acme")
	started, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w", TaskQueue: taskQueue}, waiting)
	if err != nil {
		t.Fatal(err)
	}
	checkPragmas(t, s)
	c.Close()
	s.Stop()
	s.Stop() // again: nothing happens
	checkFile(t, filepath.Join(dir, dbName))

	s = startServer(t, Options{Dir: dir, Namespace: "acme", Retention: 72 * time.Hour})
	c = dial(t, s, "acme")
	startWorker(t, c)
	if err := c.SignalWorkflow(t.Context(), "w", started.GetRunID(), "go", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.GetWorkflow(t.Context(), "w", started.GetRunID()).Get(t.Context(), nil); err != nil {
		t.Errorf("workflow of the earlier server: %v", err)
	}
	if got := retention(t, s, "acme"); got != 72*time.Hour {
		t.Errorf("retention is %v after a start with 72h", got)
	}
}

func retention(t *testing.T, s *Server, namespace string) time.Duration {
	t.Helper()
	nc, err := client.NewNamespaceClient(clientOptions(s, namespace))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	got, err := nc.Describe(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	return got.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()
}

// checkPragmas asks the server's own connection, which shows results to constraints only.
func checkPragmas(t *testing.T, s *Server) {
	t.Helper()
	admin, err := openAdmin(s.db)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for _, q := range []string{
		"CREATE TEMP TABLE settings (synchronous CHECK (synchronous = 2), journal CHECK (journal = 'wal'))",
		"INSERT INTO settings SELECT synchronous, journal_mode FROM pragma_synchronous, pragma_journal_mode",
		"DROP TABLE settings",
	} {
		if err := admin.Exec(q); err != nil {
			t.Errorf("connection settings: %v", err)
		}
	}
}

// checkFile looks at the file of a stopped server.
func checkFile(t *testing.T, name string) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v; want it for its owner only", name, info.Mode())
	}
	if wal, err := os.Stat(name + "-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && wal.Size() > 0 {
		t.Errorf("journal not merged: %v, %v", wal, err)
	}
	db, err := sql.Open("sqlite", sqliteURI(name))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var result string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Errorf("integrity check: %q, %v", result, err)
	}
}

func sqliteURI(name string) string {
	return "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(name)
}

// TestOtherVersion starts on a file of another server version: it is kept under another name and a
// new one serves, although the process still has the old one open.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, Options{Dir: dir})
	c := dial(t, s, "")
	opts := client.ScheduleOptions{
		ID:     "job",
		Spec:   client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: time.Hour}}},
		Action: &client.ScheduleWorkflowAction{ID: "w", TaskQueue: taskQueue, Workflow: short},
	}
	if _, err := c.ScheduleClient().Create(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	c.Close()
	s.Stop()
	write(t, filepath.Join(dir, stampName), "1.0.0\n")

	core, seen := observer.New(zapcore.WarnLevel)
	s = startServer(t, Options{Dir: dir, Logger: zap.New(core)})
	c = dial(t, s, "")
	_, err := c.ScheduleClient().GetHandle(t.Context(), "job").Describe(t.Context())
	if _, gone := errors.AsType[*serviceerror.NotFound](err); !gone {
		t.Errorf("schedule of the old file: %v; want not found", err)
	}
	if _, err := c.ScheduleClient().Create(t.Context(), opts); err != nil {
		t.Errorf("schedule in the new file: %v", err)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "temporal-*.db"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("old file: %v, %v; want one", kept, err)
	}
	checkFile(t, kept[0])
	stamp, err := os.ReadFile(filepath.Join(dir, stampName))
	if err != nil || strings.TrimSpace(string(stamp)) != Version() {
		t.Errorf("stamp is %q, %v; want %s", stamp, err, Version())
	}
	said := seen.FilterField(zap.String("moved_to", filepath.Base(kept[0]))).All()
	if len(said) != 1 {
		t.Errorf("log says %v; want one warning with the name of the old file", seen.All())
	}
}

// TestFrontendPort asks for a port that is taken, and again when it is free.
func TestFrontendPort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := net.Listen("tcp4", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port

	_, err = Start(t.Context(), Options{Dir: dir, FrontendPort: port})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), fmt.Sprintf("port %d ", port)) {
		t.Errorf("Start on a taken port: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, Options{Dir: dir, FrontendPort: port})
	if want := fmt.Sprintf("127.0.0.1:%d", port); s.Address() != want {
		t.Errorf("Address = %s, want %s", s.Address(), want)
	}
}

// TestPortTakenMeanwhile builds the services on a port that somebody took after it was found free:
// for the server a reason to end the process, for us one to look for others.
func TestPortTakenMeanwhile(t *testing.T) {
	t.Parallel()
	o, err := Options{Dir: t.TempDir()}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := openDataDir(o.Dir, o.Logger)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.close()
	db, err := prepare(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	ports, err := freePorts(0)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", hostPort(ports.matching))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	s := newServer(dir, db, o.Logger)
	if err := s.build(ports); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("build on a taken port: %v; want EADDRINUSE", err)
	}
	if err := s.listen(0); err != nil {
		t.Errorf("on other ports, after that: %v", err)
	}
}

func TestStartCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "d")
	if _, err := Start(ctx, Options{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start with a cancelled context: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it left the directory behind: %v", err)
	}
}

// TestDamagedFile does not throw away what it cannot read; it says what to do and gives the
// directory back.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, dbName)
	write(t, name, strings.Repeat("not a database\n", 100))
	write(t, filepath.Join(dir, stampName), Version()+"\n")
	for range 2 {
		_, err := Start(t.Context(), Options{Dir: dir})
		if err == nil || errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("Start = %v; want an error that names the file and the remedy", err)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	startServer(t, Options{Dir: dir})
}
