package test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/engine"
)

// drawn is a testing.TB for one run of a property: what fails it, fails the run, so that it is
// shrunk and shown.
type drawn struct {
	testing.TB
	rt *rapid.T
}

func (d drawn) Helper()                      {}
func (d drawn) Fatal(args ...any)            { d.rt.Fatal(args...) }
func (d drawn) Fatalf(f string, args ...any) { d.rt.Fatalf(f, args...) }
func (d drawn) Error(args ...any)            { d.rt.Error(args...) }
func (d drawn) Errorf(f string, args ...any) { d.rt.Errorf(f, args...) }
func (d drawn) Log(args ...any)              { d.rt.Log(args...) }
func (d drawn) Logf(f string, args ...any)   { d.rt.Logf(f, args...) }
func (d drawn) FailNow()                     { d.rt.FailNow() }
func (d drawn) Fail()                        { d.rt.Fail() }
func (d drawn) Failed() bool                 { return d.rt.Failed() }

// A script makes a random life of a small directory.
type script struct {
	*rapid.T
	w      *world
	people []string // all that ever were
	groups []string
	names  int
}

// a fresh name that nobody has or had.
func (s *script) name() string {
	s.names++
	return fmt.Sprintf("n%d", s.names)
}

// some picks one of the ids; "" if there is none.
func (s *script) some(what string, ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return rapid.SampledFrom(ids).Draw(s.T, what)
}

func (s *script) live(truth graphtest.Truth, binned bool) []string {
	return slices.DeleteFunc(slices.Clone(s.people), func(id string) bool {
		u, ok := truth.Users[id]
		return !ok || u.SoftDeleted != binned
	})
}

// event changes the directory in one way that makes sense. It says what it did.
func (s *script) event() string {
	truth := s.w.dir.Truth()
	live, binned := s.live(truth, false), s.live(truth, true)
	groups := slices.DeleteFunc(slices.Clone(s.groups), func(id string) bool { _, ok := truth.Groups[id]; return !ok })
	assigned := map[string]bool{}
	for _, a := range truth.Assignments {
		assigned[a.PrincipalID] = true
	}
	dir := s.w.dir
	kind := rapid.SampledFrom([]string{"join", "join", "join", "found", "change", "rename", "block", "block", "bin", "restore", "purge", "assign", "assign", "unassign",
		"member", "member", "member", "part", "part", "call", "manager", "disband", "insecure"}).Draw(s.T, "event")
	user, group := "", ""
	switch kind {
	case "join":
		user = s.w.addUser(s.name())
		s.people = append(s.people, user)
	case "found":
		group = dir.AddGroup(graphtest.Group{DisplayName: s.name()})
		s.groups = append(s.groups, group)
	case "change":
		if user = s.some("user", live); user != "" {
			dir.UpdateUser(user, map[string]any{"surname": s.name()})
		}
	case "rename":
		if user = s.some("user", live); user != "" {
			dir.UpdateUser(user, map[string]any{"userPrincipalName": s.name() + "@example.test"})
		}
	case "block":
		if user = s.some("user", live); user != "" {
			dir.UpdateUser(user, map[string]any{"accountEnabled": truth.Users[user].Properties["accountEnabled"] == false})
		}
	case "bin":
		if user = s.some("user", live); user != "" {
			dir.SoftDelete(user)
		}
	case "restore":
		if user = s.some("user", binned); user != "" {
			dir.Restore(user)
		}
	case "purge":
		if user = s.some("user", append(live, binned...)); user != "" {
			dir.HardDelete(user)
		}
	case "assign":
		if user = s.some("principal", append(live, append(groups, groups...)...)); user != "" && !assigned[user] {
			dir.Assign(user, graphtest.ZeroRole)
		}
	case "unassign":
		if user = s.some("principal", slices.Sorted(maps.Keys(assigned))); user != "" {
			dir.Unassign(user)
		}
	case "member":
		user, group = s.some("user", live), s.some("group", groups)
		if user != "" && group != "" && truth.Groups[group].Members[user] == "" {
			dir.AddMember(group, user)
		}
	case "part":
		if group = s.some("group", groups); group != "" {
			if user = s.some("user", slices.Sorted(maps.Keys(truth.Groups[group].Members))); user != "" {
				dir.RemoveMember(group, user)
			}
		}
	case "call":
		if group = s.some("group", groups); group != "" {
			dir.UpdateGroup(group, map[string]any{"displayName": s.name()})
		}
	case "manager":
		if user = s.some("user", live); user != "" {
			dir.SetManager(user, s.some("manager", live))
		}
	case "disband":
		if group = s.some("group", groups); group != "" {
			dir.Delete(group)
		}
	case "insecure":
		if group = s.some("group", groups); group != "" {
			dir.UpdateGroup(group, map[string]any{"securityEnabled": truth.Groups[group].Properties["securityEnabled"] == false})
		}
	}
	return fmt.Sprint(kind, " ", user, " ", group)
}

// standing is how a person stands with the application, by the tables of the rules: it is all that
// they make of the past.
type standing string

const (
	managed   standing = "managed"
	suspended standing = "suspended" // blocked or in the recycle bin: inactive, still ours
	released  standing = "released"  // no longer assigned: inactive, and left alone from then on
	left      standing = "left"      // purged after release: inactive, nobody's
)

// next is what a cycle makes of a person's standing ("" is none).
func next(was standing, id string, truth graphtest.Truth) standing {
	u, known := truth.Users[id]
	_, assigned := truth.Entitled[id]
	enabled := u.Properties["accountEnabled"] != false
	switch {
	case was == left:
		return left
	case !known && was == released:
		return left
	case !known:
		return ""
	case assigned && enabled && !u.SoftDeleted:
		return managed
	case was == "" || was == released:
		return was
	case u.SoftDeleted:
		return suspended
	case !assigned:
		return released
	default:
		return suspended
	}
}

// follow compares the application with the standing of everybody, beyond what inStep sees.
func (s *script) follow(standings map[string]standing) {
	truth := s.w.dir.Truth()
	fates := s.w.fates()
	for _, id := range s.people {
		standings[id] = next(standings[id], id, truth)
		want := map[standing]string{managed: "active", "": ""}[standings[id]]
		if standings[id] != managed && standings[id] != "" {
			want = "inactive"
		}
		if got := fates[id]; got != want {
			s.Fatalf("the account of %s is %q, want %q: %s", id, got, want, standings[id])
		}
	}
	accounts := map[string]string{}
	for _, r := range s.w.app.Users() {
		accounts[r.ID] = r.ExternalID
	}
	people := s.w.people()
	for id, st := range standings {
		boss := truth.Users[id].ManagerID
		if st != managed || boss == "" || standings[boss] != managed && standings[boss] != suspended {
			continue
		}
		if r, _ := s.w.account(boss); people[id].Manager != r.UserName {
			s.Fatalf("the manager of %s is %q, want %q", id, people[id].Manager, r.UserName)
		}
	}
	for _, g := range s.w.app.Groups() {
		has := map[string]bool{}
		for _, m := range g.Members {
			has[accounts[m]] = true
		}
		for id, st := range standings {
			_, is := truth.Groups[g.ExternalID].Members[id]
			switch {
			case st == suspended && is && !has[id] || st == suspended && !is && has[id], st == released && !is && has[id]:
				s.Fatalf("group %s and %s, who is %s: a member there %t, here %t", g.ExternalID, id, st, is, has[id])
			}
		}
	}
}

// breakOff runs a cycle that is ended from outside in the middle of its n-th request to the application.
func (w *world) breakOff(n int64) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	last := w.calls.Load() + n
	stop := func(n int64) {
		if n == last {
			cancel()
		}
	}
	w.onCall.Store(&stop)
	defer w.onCall.Store(nil)
	w.cycles++
	if _, err := w.runner.Run(ctx, "test", engine.CycleID(fmt.Sprintf("cycle-%d", w.cycles)), func(int) {}); err != nil {
		w.t.Fatalf("cycle %d: %v", w.cycles, err)
	}
}

// TestAnyLife lets random things happen in a directory with bad habits, and breaks off cycles. After each cycle that
// went through the application is as the rules demand, and another cycle has nothing to do.
func TestAnyLife(t *testing.T) {
	t.Parallel()
	m := withManager(t)
	rapid.Check(t, func(rt *rapid.T) {
		set := graphtest.DefaultSettings()
		set.UserPage, set.GroupPage, set.MemberSlice = rapid.IntRange(1, 6).Draw(rt, "users a page"), rapid.IntRange(1, 4).Draw(rt, "groups a page"), rapid.IntRange(1, 3).Draw(rt, "members a slice")
		set.SplitChanges, set.MixedVisibility = rapid.Bool().Draw(rt, "split changes"), rapid.Bool().Draw(rt, "mixed visibility")
		set.ReplayRate = rapid.SampledFrom([]float64{0, 0.3}).Draw(rt, "replays")
		set.HardDeleteEmitsRemoval, set.HideSoftDeletedMembers = rapid.Bool().Draw(rt, "removals of purged members"), rapid.Bool().Draw(rt, "hidden members")
		d := rapid.SampledFrom(dialects).Draw(rt, "dialect")
		tb := drawn{t, rt}
		w := newWorld(tb, setting{graph: graphtest.Options{Seed: rapid.Uint64Range(0, 99).Draw(rt, "seed"), Settings: &set}, mapping: m,
			profile: scim.Profile(d.profile), dialect: d.flag, options: engine.Options{Deletions: engine.DeletionGuard{Off: true}}})
		s := &script{T: rt, w: w}
		standings := map[string]standing{}
		for range rapid.IntRange(1, 8).Draw(rt, "cycles") {
			for range rapid.IntRange(0, 12).Draw(rt, "events") {
				rt.Log(s.event())
			}
			if mode := rapid.SampledFrom([]graphtest.TokenDeath{"", "", "", graphtest.Gone, graphtest.Nested}).Draw(rt, "links die"); mode != "" {
				w.dir.KillTokens(rapid.SampledFrom([]string{"users", "groups", ""}).Draw(rt, "feed"), mode)
			}
			if n := rapid.SampledFrom([]int64{0, 0, 0, 1, 2, 3, 5, 8, 13}).Draw(rt, "break off after requests"); n > 0 {
				w.breakOff(n)
			}
			w.sync()
			rt.Log("cycle", w.cycles)
			w.settled()
			w.inStep()
			s.follow(standings)
			w.quiet()
		}
	})
}

// TestPageOrder reads one directory in pages of very different sizes and orders: the applications
// come out equal. Ids differ, because links take theirs from the same dice: names are compared.
func TestPageOrder(t *testing.T) {
	t.Parallel()
	type holdings struct {
		People map[string]person
		Groups map[string][]string
	}
	var first *holdings
	for i, pages := range [][3]int{{200, 100, 500}, {1, 1, 1}, {7, 3, 2}, {50, 1, 40}} {
		set := graphtest.DefaultSettings()
		set.UserPage, set.GroupPage, set.MemberSlice = pages[0], pages[1], pages[2]
		set.SplitChanges, set.EmptyPageRate = i%2 == 1, 0.1*float64(i)
		// A population with the disorder of real ones.
		w := newWorld(t, setting{graph: graphtest.Options{Seed: 21, Settings: &set, Population: graphtest.Population{Users: 90, Groups: 12}}, mapping: withManager(t)})
		for range 4 {
			w.cycle()
			w.dir.PassDay()
		}
		w.cycle()
		got := &holdings{map[string]person{}, map[string][]string{}}
		names := map[string]string{}
		for _, r := range w.app.Users() {
			names[r.ID] = r.UserName
			if !strings.HasPrefix(r.UserName, strings.ReplaceAll(r.ExternalID, "-", "")) { // the bin puts the id in front of the name
				got.People[r.UserName] = w.people()[r.ExternalID]
			}
		}
		for _, g := range w.app.Groups() {
			for _, m := range g.Members {
				got.Groups[g.DisplayName] = append(got.Groups[g.DisplayName], names[m])
			}
			slices.Sort(got.Groups[g.DisplayName])
		}
		if first == nil {
			first = got
		}
		if d := cmp.Diff(first, got); d != "" {
			t.Errorf("pages of %v: the application differs (-first +this):\n%s", pages, d)
		}
	}
}
