package test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimsync/scimsync/connectors/msgraph"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// team makes a group that is assigned.
func (w *world) team(name string, members ...string) string {
	id := w.dir.AddGroup(graphtest.Group{DisplayName: name, Members: members})
	w.dir.Assign(id, graphtest.ZeroRole)
	return id
}

// has fails the test unless just these people are members of a group at the application, each once.
func (w *world) has(group string, ids ...string) {
	w.t.Helper()
	var want []string
	for _, id := range ids {
		want = append(want, w.mustAccount(id).ID)
	}
	got := slices.Clone(w.mustGroup(group).Members)
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		w.t.Fatalf("cycle %d: members (-want +got):\n%s", w.cycles, d)
	}
}

func acceptLateMember(t *testing.T) {
	w := bubble(t, setting{app: withBodies})
	ann := w.addUser("ann")
	blocked := w.addUser("blocked")
	w.dir.UpdateUser(blocked, map[string]any{"accountEnabled": false})
	crew := w.team("Crew", ann, blocked)
	c := w.sync()
	var order []string
	for _, r := range w.app.Log() {
		if r.Method != "GET" {
			order = append(order, r.Method+" "+r.Template)
		}
	}
	if d := cmp.Diff([]string{postUser, postGroup, patchGroup}, order); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
	if b := w.bodies("POST", "/Groups"); strings.Contains(b[0], "members") {
		t.Errorf("the group was created with members: %s", b[0])
	}
	w.has(crew, ann)
	if c.Counts["memberships.pending"] != 1 {
		t.Errorf("%v", c.Counts)
	}
	if r := w.lastRow(crew); !strings.Contains(r.Detail, "1 members wait") {
		t.Errorf("the log says %s %s %q", r.Rule, r.Status, r.Detail)
	}
	w.quiet()

	// A group of nobody who is there: the row is a warning (G5).
	empty := w.team("Empty", blocked)
	w.sync()
	if r := w.lastRow(empty); r.Rule != "G5" || r.Status != engine.StatusWarning {
		t.Errorf("the log says %s %s %q", r.Rule, r.Status, r.Detail)
	}
	w.dir.UpdateUser(blocked, map[string]any{"accountEnabled": true})
	w.sync() // no restart
	w.has(crew, ann, blocked)
	w.has(empty, blocked)
	w.wrote(map[string]int{postUser: 1, patchGroup: 2})
	w.inStep()
	w.quiet()
}

// nested is a directory with groups inside groups: outer (assigned) has inner and a person of both; inner has ring, ring has inner.
type nested struct {
	*world
	ann, bob, eve, joe string
	outer, inner, ring string
}

func nest(t *testing.T, n engine.NestedGroups) nested {
	w := nested{world: bubble(t, setting{options: engine.Options{Nested: n}, source: func(c *msgraph.Config) { c.Nested = n != "" && n != engine.NestedIgnore }})}
	w.ann, w.bob, w.eve, w.joe = w.addUser("ann"), w.addUser("bob"), w.addUser("eve"), w.addUser("joe")
	w.ring = w.dir.AddGroup(graphtest.Group{DisplayName: "Ring", Members: []string{w.eve, w.bob}})
	w.inner = w.dir.AddGroup(graphtest.Group{DisplayName: "Inner", Members: []string{w.bob, w.ring}})
	w.dir.AddMember(w.ring, w.inner)
	w.outer = w.team("Outer", w.ann, w.inner)
	return w
}

func acceptNestedIgnored(t *testing.T) {
	w := nest(t, engine.NestedIgnore)
	w.sync()
	w.wrote(map[string]int{postUser: 1, postGroup: 1, patchGroup: 1})
	w.has(w.outer, w.ann)
	w.inStep()
	w.quiet()
}

func acceptNestedExpanded(t *testing.T) {
	w := nest(t, engine.NestedExpand)
	c := w.sync()
	w.wrote(map[string]int{postUser: 3, postGroup: 1, patchGroup: 1}) // nobody twice, however many ways lead to them
	if c.Counts["memberships.added"] != 3 {
		t.Errorf("%v", c.Counts)
	}
	w.has(w.outer, w.ann, w.bob, w.eve)
	w.quiet()

	w.dir.AddMember(w.ring, w.joe) // two levels down
	w.sync()
	w.has(w.outer, w.ann, w.bob, w.eve, w.joe)
	w.dir.RemoveMember(w.inner, w.bob) // still in the ring
	w.quiet()
	w.dir.RemoveMember(w.ring, w.bob)
	w.sync()
	w.has(w.outer, w.ann, w.eve, w.joe)
	if w.mustAccount(w.bob).Active {
		t.Error("who left the inner groups is active")
	}
	w.dir.RemoveMember(w.outer, w.inner) // and all that is below
	w.sync()
	w.has(w.outer, w.ann)
	for _, id := range []string{w.eve, w.joe} {
		if w.mustAccount(id).Active {
			t.Error("somebody of a group that is no longer inside is active")
		}
	}
	w.quiet()
	w.dir.AddMember(w.outer, w.ring)
	w.sync()
	w.has(w.outer, w.ann, w.eve, w.joe)
	// The inner group is assigned as well: everybody of both, each group with its own.
	w.dir.Assign(w.ring, graphtest.ZeroRole)
	w.sync()
	w.has(w.ring, w.eve, w.joe)
	w.has(w.outer, w.ann, w.eve, w.joe)
	w.quiet()
}

func acceptNestedMembers(t *testing.T) {
	w := nest(t, engine.NestedAsMembers)
	w.sync()
	w.has(w.outer, w.ann) // the inner group is not provisioned, its people are not assigned
	w.quiet()
	w.dir.Assign(w.inner, graphtest.ZeroRole)
	w.sync()
	w.has(w.inner, w.bob)
	inner := w.mustGroup(w.inner).ID
	if m := w.mustGroup(w.outer).Members; len(m) != 2 || !slices.Contains(m, inner) {
		t.Errorf("the outer group has %v, want ann and %s", m, inner)
	}
	w.quiet()
	w.dir.RemoveMember(w.outer, w.inner)
	w.sync()
	w.has(w.outer, w.ann)
	w.quiet()
}

func acceptManager(t *testing.T) {
	w := bubble(t, setting{mapping: withManager(t)})
	boss := w.addUser("boss")
	ids := w.assigned("ann", "bob")
	for _, id := range ids {
		w.dir.SetManager(id, boss)
	}
	w.sync()
	for _, id := range ids {
		if p := w.people()[id]; p.Manager != "" || !p.Active {
			t.Errorf("%+v", p)
		}
	}
	w.settled()
	w.quiet()
	w.dir.Assign(boss, graphtest.ZeroRole)
	w.sync()
	w.wrote(map[string]int{postUser: 1, patchUser: 2})
	for _, id := range ids {
		if p := w.people()[id]; p.Manager != "boss@example.test" {
			t.Errorf("%+v", p)
		}
	}
	w.quiet()

	// References that fail are no failures of people: 40 of 41 are not too many.
	m := bubble(t, setting{mapping: withManager(t)})
	chief := m.assigned("chief")[0]
	for i := range 40 {
		m.dir.SetManager(m.assigned("p" + strings.Repeat("x", i))[0], chief)
	}
	m.fault(scimtest.Fault{Method: "PATCH", Path: "/Users", BodyContains: "manager", Status: 400})
	c := m.cycle()
	m.happened()
	if c.State != engine.CycleEntryErrors || c.Counts["users.failed"] != 0 || c.Counts["users.created"] != 41 || m.control().Quarantine != nil {
		t.Errorf("ended %s %s, %v", c.State, c.ErrorCode, c.Counts)
	}
	m.app.ClearFaults()
	m.after(40 * time.Minute)
	for id, p := range m.people() {
		if id != chief && p.Manager != "chief@example.test" {
			t.Fatalf("%+v", p)
		}
	}
}

// acceptGroupsLeaving: what becomes of a group that leaves the scope (G7), and of its members when it comes back.
func acceptGroupsLeaving(t *testing.T) {
	for _, action := range []engine.GroupAction{"", engine.GroupDelete, engine.GroupEmpty, engine.GroupLeave} {
		w := bubble(t, setting{options: engine.Options{GroupOutOfScope: action}})
		ids := w.assigned("ann", "bob", "eve")
		crew := w.team("Crew", ids...)
		w.sync()
		was := w.mustGroup(crew)
		w.dir.Unassign(crew)
		c := w.sync()
		now, there := w.group(crew)
		switch action {
		case engine.GroupEmpty:
			if !there || now.ID != was.ID || len(now.Members) != 0 {
				t.Errorf("empty: %+v", now)
			}
			w.wrote(map[string]int{patchGroup: 1})
		case engine.GroupLeave:
			if !there || len(now.Members) != 3 {
				t.Errorf("leave: %+v", now)
			}
			w.wrote(map[string]int{})
			w.noted(crew, engine.StatusSkipped, string(engine.SkipOutOfScope))
		default:
			if there || c.Counts["groups.deleted"] != 1 {
				t.Errorf("%s: %+v, %v", action, now, c.Counts)
			}
			w.wrote(map[string]int{deleteGroup: 1})
		}
		if len(w.inactive()) > 0 {
			t.Errorf("%s: people assigned on their own were disabled", action)
		}
		w.quiet()
		w.dir.RemoveMember(crew, ids[0]) // nobody's business while it is out of scope
		w.quiet()
		w.dir.Assign(crew, graphtest.ZeroRole)
		w.sync()
		now = w.mustGroup(crew)
		if action == engine.GroupEmpty || action == engine.GroupLeave {
			if now.ID != was.ID {
				t.Errorf("%s: another group came back", action)
			}
		}
		w.has(crew, ids[1:]...)
		w.inStep()
		w.quiet()
	}
}

// judgeRemovals gives a verdict about all that is held of a group.
func (w *world) judgeRemovals(v engine.Verdict, group string) {
	w.t.Helper()
	held, err := w.store.HeldRemovals(w.t.Context(), "test", "", 100)
	if err != nil {
		w.t.Fatal(err)
	}
	about := map[string][]engine.Ref{}
	for _, h := range held {
		if h.Group.ID == group {
			about[group] = h.Members
		}
	}
	if n, err := w.runner.Judge(context.WithoutCancel(w.t.Context()), "test", v, nil, about, "tester", "because"); err != nil || n != len(about[group]) {
		w.t.Fatalf("judged %d: %v", n, err)
	}
}

// removing lists how many removals are held, by group.
func (w *world) removing() map[string]int {
	w.t.Helper()
	held, err := w.store.HeldRemovals(w.t.Context(), "test", "", 100)
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]int{}
	for _, h := range held {
		if h.Verdict == engine.Undecided {
			out[h.Group.ID] = len(h.Members)
		}
	}
	return out
}

func acceptRemovals(t *testing.T) {
	w := bubble(t, setting{options: engine.Options{Deletions: engine.DeletionGuard{Threshold: 1000, Removals: engine.RemovalGuard{Max: 3}}}})
	ids := w.assigned("a", "b", "c", "d", "e", "f")
	one, two, three := w.team("One", ids...), w.team("Two", ids...), w.team("Three", ids...)
	w.sync()
	for _, id := range ids[:3] { // as many as are allowed
		w.dir.RemoveMember(three, id)
	}
	if c := w.sync(); c.Counts["memberships.removed"] != 3 {
		t.Fatalf("%v", c.Counts)
	}
	w.dir.RemoveMember(one, ids[0])
	w.dir.RemoveMember(one, ids[1])
	w.dir.RemoveMember(two, ids[0])
	w.dir.RemoveMember(two, ids[1])
	w.dir.AddMember(three, ids[0])
	c := w.cycle()
	if c.State != engine.CycleHeld || c.ErrorCode != string(engine.CodeRemovalsHeld) || c.Counts["memberships.removed"] != 0 || c.Counts["memberships.added"] != 1 {
		t.Fatalf("ended %s %s, %v", c.State, c.ErrorCode, c.Counts)
	}
	if d := cmp.Diff(map[string]int{one: 2, two: 2}, w.removing()); d != "" {
		t.Fatalf("held (-want +got):\n%s", d)
	}
	w.has(one, ids...)
	w.told(engine.NoticeRemovals, 1)
	for range 3 {
		if c := w.cycle(); c.State != engine.CycleHeld || w.app.Requests().Writes != 0 {
			t.Fatalf("again: %s, %v", c.State, c.Counts)
		}
	}
	w.told(engine.NoticeRemovals, 1)
	if w.control().Quarantine != nil {
		t.Errorf("memberships put the job into quarantine: %+v", w.control().Quarantine)
	}

	w.judgeRemovals(engine.Approved, one)
	w.judgeRemovals(engine.Rejected, two)
	if c := w.sync(); c.Counts["memberships.removed"] != 2 {
		t.Fatalf("judged: %v", c.Counts)
	}
	w.has(one, ids[2:]...)
	w.has(two, ids...)
	for range 2 {
		time.Sleep(5 * day)
		w.quiet()
	}
	// The source tells of an edge again: it is in, and out for good.
	w.dir.AddMember(two, ids[0])
	w.sync()
	w.dir.RemoveMember(two, ids[0])
	if c := w.sync(); c.Counts["memberships.removed"] != 1 {
		t.Fatalf("told again: %v", c.Counts)
	}
	w.has(two, ids[1:]...)

	// What is held and no longer too much is released by itself.
	for _, id := range ids[2:6] {
		w.dir.RemoveMember(one, id)
	}
	if c := w.cycle(); c.State != engine.CycleHeld {
		t.Fatalf("ended %s, %v", c.State, c.Counts)
	}
	w.dir.AddMember(one, ids[2])
	w.sync()
	w.has(one, ids[2])
	w.quiet()
}

func acceptEmptied(t *testing.T) {
	w := bubble(t, setting{options: engine.Options{Deletions: engine.DeletionGuard{Threshold: 1000, Removals: engine.RemovalGuard{Emptied: 10}}}})
	var ids []string
	for _, c := range "abcdefghijkl" {
		ids = append(ids, w.assigned(string(c))...)
	}
	large, small := w.team("Large", ids[:10]...), w.team("Small", ids[:9]...)
	w.sync()
	for _, id := range ids[:10] {
		w.dir.RemoveMember(large, id)
	}
	for _, id := range ids[:9] {
		w.dir.RemoveMember(small, id)
	}
	c := w.cycle()
	if c.State != engine.CycleHeld || c.Counts["memberships.removed"] != 9 {
		t.Fatalf("ended %s, %v", c.State, c.Counts)
	}
	w.has(large, ids[:10]...)
	w.has(small)
	w.dir.AddMember(large, ids[0]) // one stays: it is no longer emptied
	w.sync()
	w.has(large, ids[0])
	w.quiet()
}

// acceptFailingMember: the application refuses one member. The others of the batch are written, and that one is tried again
// on the ladder.
func acceptFailingMember(t *testing.T) {
	w := bubble(t, setting{})
	ids := w.assigned("a", "b", "c", "d", "e")
	w.sync()
	bad := w.mustAccount(ids[2]).ID
	fault := scimtest.Fault{Method: "PATCH", Path: "/Groups", BodyContains: bad, Status: 400, Body: `{"detail":"` + "that member is odd" + `"}`}
	w.fault(fault)
	crew := w.team("Crew", ids...)
	c := w.cycle()
	if c.State != engine.CycleEntryErrors || c.Counts["memberships.added"] != 4 || c.Counts["memberships.failed"] != 1 || c.Counts["groups.failed"] != 0 {
		t.Fatalf("ended %s, %v", c.State, c.Counts)
	}
	others := slices.Concat(ids[:2], ids[3:])
	w.has(crew, others...)
	failed := func() engine.FailedEdge {
		t.Helper()
		list, err := w.store.FailedEdges(t.Context(), "test", engine.Member, "", 10)
		if err != nil || len(list) != 1 || list[0].To.ID != ids[2] || !list[0].Want {
			t.Fatalf("failed are %+v, %v", list, err)
		}
		return list[0]
	}
	first := failed().Escrow
	if !strings.Contains(first.Detail, "that member is odd") || first.Status != 400 {
		t.Errorf("the escrow is %+v, and does not tell what the application said", first)
	}
	for _, s := range []struct {
		at   time.Duration
		want bool
	}{{40 * time.Minute, true}, {80 * time.Minute, false}, {5 * time.Hour, false}, {6*time.Hour + time.Minute, true}, {11 * time.Hour, false}, {12*time.Hour + time.Minute, true}, {day + time.Minute, true}, {day + 2*time.Hour, false}} {
		until(first.FirstFailure, s.at)
		w.cycle()
		if got := w.app.Requests().By[patchGroup] > 0; got != s.want {
			t.Fatalf("after %s: tried %t, %+v", s.at, got, failed().Escrow)
		}
	}
	until(first.FirstFailure, decide.Expiry+time.Hour)
	w.cycle()
	if e := failed().Escrow; !e.Expired {
		t.Errorf("after 28 days: %+v", e)
	}
	w.told(engine.NoticeExpired, 1)
	time.Sleep(2 * day)
	w.quiet()
	w.app.ClearFaults()
	if n, err := w.store.Retry(t.Context(), "test", []engine.Ref{{Kind: engine.Group, ID: crew}}, time.Now()); err != nil || n != 1 {
		t.Fatalf("retried %d, %v", n, err)
	}
	w.sync()
	w.has(crew, ids...)
	w.inStep()
	w.quiet()
}
