package test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

// TestInterrupted stops a cycle that disables most people after a few of them, in every way there is. Then the
// directory is mended, or the guard tightened, or the job paused: what the dead process had planned does not happen.
func TestInterrupted(t *testing.T) {
	for name, stop := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "told to stop": syscall.SIGINT} {
		for _, then := range []string{"assigned again", "guard", "paused", "restarted"} {
			t.Run(name+", "+then, func(t *testing.T) {
				t.Parallel()
				interrupted(t, stop, then)
			})
		}
	}
}

func interrupted(t *testing.T, stop syscall.Signal, then string) {
	s := newSite(t, graphtest.Options{Seed: 9}, scimtest.Options{}, "    deletions: {threshold: 0}\n")
	s.config = strings.Replace(s.config, "auth: {type: bearer", "concurrency: 2\n      auth: {type: bearer", 1)
	s.write(s.config)
	var people []string
	for i := range 40 {
		id := s.dir.AddUser(graphtest.User{UserPrincipalName: fmt.Sprintf("p%02d@example.test", i), DisplayName: "P"})
		s.dir.Assign(id, graphtest.ZeroRole)
		people = append(people, id)
	}
	s.once(0)
	for _, id := range people[:30] {
		s.dir.Unassign(id)
	}
	s.app.Change(func(q *scimtest.Quirks) { q.Latency = 300 * time.Millisecond })
	s.app.ResetCounts()
	cmd := s.command("run", "--once")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for s.inactive() < 4 {
		select {
		case err := <-ended:
			t.Fatalf("ended before it could be stopped: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := cmd.Process.Signal(stop); err != nil {
		t.Fatal(err)
	}
	<-ended
	s.app.Change(func(q *scimtest.Quirks) { q.Latency = 0 })
	done := s.inactive()
	if done > 12 {
		t.Errorf("%d were disabled when it ended, after it was stopped at 4 with 2 requests at a time", done)
	}
	switch then {
	case "assigned again":
		for _, id := range people[:30] {
			s.dir.Assign(id, graphtest.ZeroRole)
		}
		s.once(0)
		if n := s.inactive(); n != 0 {
			t.Errorf("%d are inactive although everybody is assigned", n)
		}
	case "guard":
		s.write(strings.Replace(s.config, "threshold: 0", "threshold: 3", 1))
		r := s.once(4).Cycles[0]
		if n := s.inactive(); n != done || r.State != "held" || r.Users["held"] < 30-done {
			t.Errorf("%d are inactive, %d before; %+v", n, done, r)
		}
	case "paused":
		if code, out, errs := s.run("job", "pause", "job"); code != 0 {
			t.Fatalf("pause: %d %s %s", code, out, errs)
		}
		if code, out, errs := s.run("run", "--once"); code != 0 || !strings.Contains(errs, "scimsync job start job") {
			t.Errorf("run --once ended with %d: %s %s", code, out, errs)
		}
		if n := s.inactive(); n != done {
			t.Errorf("%d are inactive, %d before", n, done)
		}
	case "restarted":
		for _, id := range people[:30] {
			s.dir.Assign(id, graphtest.ZeroRole)
		}
		if code, out, errs := s.run("job", "restart", "job"); code != 0 {
			t.Fatalf("restart: %d %s %s", code, out, errs)
		}
		s.once(0)
		if n := s.inactive(); n != 0 {
			t.Errorf("%d are inactive although everybody is assigned", n)
		}
	}
}

// inactive counts the accounts that are not active.
func (s *site) inactive() int {
	n := 0
	for _, r := range s.app.Users() {
		if !r.Active {
			n++
		}
	}
	return n
}

// TestServiceKilled kills a service in the middle of a cycle. The next one takes the work up at once, and does not wait for the
// schedule.
func TestServiceKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, company(150, 8), scimtest.Options{Quirks: scimtest.Quirks{Latency: 60 * time.Millisecond}}, "    deletions: {threshold: 0}\n    interval: 24h\n")
	cmd := s.command("run")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for users := 0; users < 30; users, _ = s.app.Size() {
		time.Sleep(5 * time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // which says that it was killed
	s.app.Change(func(q *scimtest.Quirks) { q.Latency = 0 })
	c := s.serving()
	first := newest(t, c, "job", "")
	p, err := c.Cycles(t.Context(), "job", web.PageQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for len(p.Value) < 2 { // the first that is seen may be the one that was cut short
		time.Sleep(50 * time.Millisecond)
		if p, err = c.Cycles(t.Context(), "job", web.PageQuery{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := ended(t, c, "job", engine.CycleID(p.Value[0].Cycle)); got.State != engine.CycleSucceeded {
		t.Errorf("the cycle after it: %+v; seen first: %+v", got, first)
	}
	s.inStep()
}
