package main

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

// sandboxes are a directory and an application with a configuration between them, in a folder of their own.
type sandboxes struct {
	*testing.T
	directory *graphtest.Server
	app       *scimtest.Server
}

// newSandboxes makes them. listen is the address of the service.
func newSandboxes(t *testing.T, listen string) *sandboxes {
	t.Helper()
	s := &sandboxes{t, graphtest.New(graphtest.Options{Seed: 7, Population: graphtest.Population{Users: 20, Groups: 4, Tidy: true}}), scimtest.New(scimtest.Options{Seed: 7})}
	source, target := httptest.NewServer(s.directory), httptest.NewServer(s.app)
	t.Cleanup(source.Close)
	t.Cleanup(target.Close)
	t.Chdir(t.TempDir())
	for name, value := range map[string]string{"SANDBOX_TOKEN": "sandbox", serverEnv: "", tokenEnv: "", "SCIMSYNC_CONFIG": "", "VIEWER_TOKEN": "only-looks"} {
		t.Setenv(name, value)
	}
	text := "dataDir: data\nserver: {listen: \"" + listen + "\", tokens: [{name: eve, token: \"${env:VIEWER_TOKEN}\", role: viewer}]}\n" +
		oneJob(source.URL, s.directory.ServicePrincipalID(), target.URL+s.app.BasePath())
	if err := os.WriteFile("scimsync.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a command line and expects its exit code.
func (s *sandboxes) run(want int, args ...string) (out, errs string) {
	s.Helper()
	code, out, errs := runCommand(s.T, "", args...)
	if code != want {
		s.Fatalf("%s: exit %d, want %d\nstdout %s\nstderr %s", strings.Join(args, " "), code, want, out, errs)
	}
	return out, errs
}

// operate walks through a job's life by commands alone: it is the same with a service and without one.
func (s *sandboxes) operate() {
	job := func() web.SynchronizationJob {
		out, _ := s.run(exitDone, "job", "show")
		return decodeInto[web.SynchronizationJob](s.T, out)
	}
	// What is decided starts a cycle of a service, and a wish joins the one that is under way: the one that is looked at
	// began after the wish.
	sync := func(want int) web.CycleResult {
		for asked := time.Now(); ; {
			code, out, errs := runCommand(s.T, "", "job", "sync", "app")
			r := decodeInto[web.RunResult](s.T, out)
			if len(r.Cycles) != 1 {
				s.Fatalf("%d cycles: %s\n%s", len(r.Cycles), out, errs)
			}
			if r.Cycles[0].StartedAt.Before(asked) {
				continue
			}
			if code != want {
				s.Fatalf("job sync: exit %d, want %d: %s\n%s", code, want, out, errs)
			}
			return r.Cycles[0]
		}
	}

	// Somebody is looked at before anything runs: nothing is written. The job was paused before there was a service, which
	// would run it at once.
	truth := s.directory.Truth()
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(truth.Entitled)) {
		if _, ok := truth.Users[id]; ok {
			ids = append(ids, id)
		}
	}
	out, _ := s.run(exitDone, "provision", "app", ids[0], "--dry-run", "--explain")
	dry := decodeInto[[]web.ProvisionedObject](s.T, out)
	if users, _ := s.app.Size(); len(dry) != 1 || dry[0].Row == nil || dry[0].Row.Action != engine.Create || len(dry[0].Explain) == 0 || users != 0 {
		s.Fatalf("dry run: %+v, %d accounts", dry, users)
	}

	first := sync(exitDone)
	s.run(exitDone, "job", "start", "app")
	users, groups := s.app.Size()
	if first.Kind != engine.Initial || first.Users.Created != len(ids) || users != len(ids) || groups != first.Groups.Created {
		s.Fatalf("initial cycle: %+v; %d entitled, %d accounts, %d groups", first, len(ids), users, groups)
	}
	if j := job(); j.Status.Code != "Active" || j.Links[engine.User][engine.Managed] != len(ids) {
		s.Errorf("after the initial cycle: %+v", j)
	}

	// Three leave: more than the guard lets through.
	for _, id := range ids[:3] {
		s.directory.SoftDelete(id)
	}
	if held := sync(exitHeld); held.Users.Held != 3 || held.State != engine.CycleHeld {
		s.Errorf("held: %+v", held)
	}
	out, _ = s.run(exitDone, "job", "deletions", "app", "list")
	list := decodeInto[web.DeletionList](s.T, out)
	if len(list.Value) != 3 || list.Waiting != 3 {
		s.Fatalf("held: %s", out)
	}
	s.run(exitDone, "job", "deletions", "app", "reject", "--id", list.Value[0].ID, "--comment", "a mistake of the directory")
	s.run(exitUsage, "job", "deletions", "app", "approve", "--snapshot", list.Snapshot, "--comment", "they left") // it is not the same any more
	out, _ = s.run(exitDone, "job", "deletions", "approve", "app", "--yes", "--comment", "they left")
	if n := decodeInto[web.JudgeResult](s.T, out); n.Judged != 2 {
		s.Errorf("approved %d, want 2", n.Judged)
	}
	if c := sync(exitDone); c.Users.Skipped > 1 {
		s.Errorf("after the verdicts: %+v", c)
	}
	if n := s.active(); n != len(ids)-2 {
		s.Errorf("%d active accounts, want %d", n, len(ids)-2)
	}

	// An account is changed and another removed behind our back.
	victim := s.link(ids[4])
	s.app.Delete(victim)
	out, _ = s.run(exitDone, "drift", "app")
	if d := decodeInto[engine.Drift](s.T, out); d.Classes[engine.DriftOrphaned] != 1 || d.Repaired != 0 {
		s.Errorf("drift: %+v", d)
	}
	out, _ = s.run(exitDone, "drift", "app", "--repair")
	if d := decodeInto[engine.Drift](s.T, out); d.Repaired == 0 {
		s.Errorf("repair: %+v", d)
	}
	sync(exitDone)
	if again := s.link(ids[4]); again == victim {
		s.Error("the account that was gone was not made again")
	}

	// Links by hand.
	target := s.link(ids[5])
	s.run(exitDone, "link", "remove", "app", target)
	s.run(exitUsage, "link", "show", "app", target)
	s.run(exitDone, "link", "add", "app", ids[5], target)
	if got := s.link(ids[5]); got != target {
		s.Errorf("linked to %s, want %s", got, target)
	}

	s.failing(ids[6])

	s.run(exitDone, "job", "pause", "app")
	if j := job(); j.Status.Code != "Paused" {
		s.Errorf("paused: %+v", j.Status)
	}
	s.run(exitDone, "job", "start", "app")
	s.run(exitUsage, "job", "restart", "app", "--reset", "full")
	if j := job(); j.Links[engine.User][engine.Managed] == 0 {
		s.Error("a restart that was not confirmed forgot the links")
	}
	s.run(exitDone, "job", "restart", "app", "--reset", "full", "--yes")
	if c := sync(exitDone); c.Users.Created != 0 {
		s.Errorf("after a full restart everybody is found again: %+v", c)
	}
	out, _ = s.run(exitDone, "audit", "--activity", "approve")
	if a := decodeInto[web.Page[engine.AuditEntry]](s.T, out); len(a.Value) != 1 || a.Value[0].Comment != "they left" || a.Value[0].By == "" {
		s.Errorf("audit: %s", out)
	}
}

// failing lets the application refuse somebody, and retries.
func (s *sandboxes) failing(id string) {
	for range 2 { // what was decided before may have started a cycle of its own
		s.run(exitDone, "job", "sync", "app")
	}
	if _, err := s.app.AddFault(scimtest.Fault{Method: "PATCH", Path: "/Users", Times: 2, Status: 400, ScimType: "invalidValue"}); err != nil {
		s.Fatal(err)
	}
	if err := s.directory.Mutate(graphtest.Change{Op: "user.update", ID: id, Set: map[string]any{"displayName": "Another Name"}}); err != nil {
		s.Fatal(err)
	}
	out, _ := s.run(exitFailed, "provision", "app", id)
	if p := decodeInto[[]web.ProvisionedObject](s.T, out); p[0].Status != engine.StatusFailure {
		s.Errorf("refused: %s", out)
	}
	out, _ = s.run(exitDone, "escrow", "list", "app")
	rows := decodeInto[web.Page[web.EscrowRow]](s.T, out).Value
	if len(rows) != 1 || rows[0].Source.ID != id {
		s.Fatalf("failures: %s", out)
	}
	out, _ = s.run(exitDone, "escrow", "retry", "app", rows[0].ID)
	if n := decodeInto[web.CountResult](s.T, out); n.Count != 1 {
		s.Errorf("retried %d", n.Count)
	}
	out, _ = s.run(exitFailed, "job", "sync", "app", "--output", "table")
	if !strings.Contains(out, "failed    ") || !strings.Contains(out, "scimsync escrow list app") {
		s.Errorf("the failure is not told:\n%s", out)
	}
	out, _ = s.run(exitDone, "provision", "app", id)
	if p := decodeInto[[]web.ProvisionedObject](s.T, out); p[0].Row.Action != engine.Update || p[0].Status != engine.StatusSuccess {
		s.Errorf("at the third time: %s", out)
	}
}

// link is the target id of somebody.
func (s *sandboxes) link(id string) string {
	s.Helper()
	out, _ := s.run(exitDone, "link", "show", "app", id)
	return decodeInto[web.LinkRow](s.T, out).Target.ID
}

// active counts the accounts that are active.
func (s *sandboxes) active() int {
	n := 0
	for _, u := range s.app.Users() {
		if u.Attributes["active"] == true {
			n++
		}
	}
	return n
}

// TestOperateAlone: no service runs; every command works on the store itself, and sync runs the cycle in its process.
func TestOperateAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the embedded Temporal server for every cycle")
	}
	s := newSandboxes(t, "")
	s.run(exitDone, "job", "pause", "app")
	s.operate()
	if _, errs := s.run(exitUsage, "job", "stop", "app"); !strings.Contains(errs, "no service runs here") {
		t.Errorf("stderr %q", errs)
	}
	if out, _ := s.run(exitDone, "job", "start", "app", "--output", "table"); !strings.Contains(out, "no service runs here") {
		t.Errorf("stdout %q", out)
	}
}

// TestOperateService: the same with a running service, which the commands find by the configuration.
func TestOperateService(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the embedded Temporal server")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s := newSandboxes(t, listen)
	s.run(exitDone, "job", "pause", "app")
	ctx, stop := context.WithCancel(t.Context())
	var log bytes.Buffer
	ended := make(chan int, 1)
	go func() { ended <- execute(ctx, []string{"run"}, strings.NewReader(""), &log, &log) }()
	defer func() {
		stop()
		if code := <-ended; code != exitDone {
			t.Errorf("the service ended with %d: %s", code, log.String())
		}
	}()
	for n := 0; serving(t.Context(), listen) == ""; n++ {
		if n == 300 {
			t.Fatal("the service does not answer")
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.operate()
	if _, errs := s.run(exitConnection, "job", "pause", "app", "--token", "only-looks"); !strings.Contains(errs, "needs the role operator") || !strings.Contains(errs, "--token") {
		t.Errorf("stderr %q", errs)
	}
	if _, errs := s.run(exitConnection, "job", "list", "--token", "unknown"); !strings.Contains(errs, "does not know the token of --token") {
		t.Errorf("stderr %q", errs)
	}
	if out, _ := s.run(exitDone, "job", "list", "--server", "http://"+listen, "--token", "only-looks", "--config", "none.yaml"); !strings.Contains(out, `"id":"app"`) {
		t.Errorf("stdout %q", out)
	}
}
