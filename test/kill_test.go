package test

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// killWhen starts a cycle and kills the process, with a signal that it cannot catch, as soon as the
// moment has come.
func (s *site) killWhen(what string, moment func() bool) {
	s.t.Helper()
	cmd := s.command("run", "--once", "--output", "json")
	var errw bytes.Buffer
	cmd.Stderr = &errw
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for !moment() {
		select {
		case err := <-ended:
			s.t.Fatalf("%s: ended before it could be killed: %v\n%s", what, err, tail(errw.String()))
		case <-time.After(2 * time.Millisecond):
		}
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	<-ended
}

// whole fails the test if somebody is missing, twice there or not as the directory says, and then if
// another cycle finds anything to do.
func (s *site) whole() {
	s.t.Helper()
	s.once(0)
	s.inStep()
	s.quiet()
}

// TestKillEveryPhase kills the process while it reads the directory, while it makes groups, while it
// writes memberships, and in a later cycle of changes. [TestKill] does it among the users.
func TestKillEveryPhase(t *testing.T) {
	t.Parallel()
	set := graphtest.DefaultSettings()
	set.UserPage, set.GroupPage, set.MemberSlice = 20, 8, 20
	o := graphtest.Options{Seed: 9, Settings: &set, Population: graphtest.Population{Users: 300, Groups: 60, Memberships: 1500, Tidy: true}}
	s := newSite(t, o, scimtest.Options{Quirks: scimtest.Quirks{Latency: 5 * time.Millisecond, MemberBatchLimit: 10}}, "    deletions: {threshold: 0}\n")
	s.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Path: "/users/delta"}, Effect: graphtest.Slow, Delay: graphtest.Duration(20 * time.Millisecond)})

	pages := func(feed string) (n int) {
		for _, r := range s.dir.Log() {
			if r.Feed == feed {
				n++
			}
		}
		return n
	}
	s.killWhen("reading users", func() bool { return pages("users") >= 6 })
	if users, _ := s.app.Size(); users > 0 {
		t.Fatalf("%d users were exported before the directory was read: the test shows nothing", users)
	}
	read := pages("users")
	s.killWhen("making groups", func() bool { _, groups := s.app.Size(); return groups >= 3 })
	if again := pages("users") - read; again > 300/20+8 {
		t.Errorf("after the first kill %d pages of users were read: the round started over", again)
	}
	s.killWhen("writing memberships", func() bool { return s.app.Requests().By["PATCH /Groups/{id}"] >= 10 })
	if n := s.app.Requests().By["POST /Users"]; n > 300+60 {
		t.Errorf("%d creates were sent for 300 people", n)
	}
	s.whole()

	for range 10 {
		s.dir.PassDay()
	}
	patches := s.app.Requests().By["PATCH /Users/{id}"]
	s.killWhen("changes", func() bool { return s.app.Requests().By["PATCH /Users/{id}"] >= patches+4 })
	s.whole()
}
