package test

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// TestKill kills the process, with a signal that it cannot catch, in the middle of an initial cycle
// of 5,000 people, and starts it again: it goes on where it was, nobody exists twice and nobody is missing.
func TestKill(t *testing.T) {
	t.Parallel()
	const people, groups = 5000, 20
	s := newSite(t, graphtest.Options{Seed: 7, Population: graphtest.Population{Users: people, Groups: groups, Tidy: true}},
		// One by one is slow enough to be interrupted at any place.
		scimtest.Options{Quirks: scimtest.Quirks{Latency: 2 * time.Millisecond}}, "    deletions: {threshold: 0}\n")
	for _, at := range []int{people / 5, people / 2} {
		first := s.command("run", "--once", "--output", "json")
		var errw bytes.Buffer
		first.Stderr = &errw
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- first.Wait() }()
		for users := 0; users < at; users, _ = s.app.Size() {
			select {
			case err := <-ended:
				t.Fatalf("ended before it could be killed: %v\n%s", err, tail(errw.String()))
			case <-time.After(5 * time.Millisecond):
			}
		}
		if err := first.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-ended
	}
	half, _ := s.app.Size()
	if half >= people {
		t.Fatalf("all %d accounts were there when the process was killed: the test shows nothing", half)
	}
	r := s.once(0).Cycles[0]
	if r.State != "succeeded" || r.Kind != "initial" {
		t.Errorf("the cycle ended %s, %s", r.State, r.Kind)
	}
	seen := map[string]bool{}
	for _, u := range s.app.Users() {
		if seen[u.ExternalID] {
			t.Errorf("%s exists twice", u.ExternalID)
		}
		seen[u.ExternalID] = true
	}
	if len(seen) != people {
		t.Errorf("%d accounts, want %d", len(seen), people)
	}
	// What the killed ones had recorded is theirs.
	if n := r.Users["created"] + r.Users["unchanged"] + r.Users["updated"]; n < people-half || n > people-half+1000 {
		t.Errorf("the last cycle counts %v; %d accounts were there when it began", r.Users, half)
	}
	posts := s.app.Requests().By["POST /Users"]
	if posts > people+200 {
		t.Errorf("%d creates were sent for %d people: it started over", posts, people)
	}
	if again := s.once(0).Cycles[0]; again.Requests["target"] != 0 {
		t.Errorf("the next cycle sent %d requests to the target", again.Requests["target"])
	}
}
