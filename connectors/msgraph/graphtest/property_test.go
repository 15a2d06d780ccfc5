package graphtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A merger is the simplest client: it believes every entry in the order of arrival. What the
// service leaves open within a round it asks for, as the documents advise.
type merger struct {
	c     *client
	feed  string
	url   string // of the next page; empty: start
	query string

	objects map[string]*merged
	seen    map[string]int // in this round: 1 live, 2 removed, 3 both
	edges   map[[2]string]int
	rounds  int
}

type merged struct {
	deleted bool
	props   map[string]any
	manager string
	members map[string]bool
}

func newMerger(c *client, feed, query string) *merger {
	m := &merger{c: c, feed: feed, query: query, objects: map[string]*merged{}}
	m.begin()
	return m
}

func (m *merger) begin() { m.seen, m.edges = map[string]int{}, map[[2]string]int{} }

// page merges one page.
func (m *merger) page(t *rapid.T) (last bool) {
	url := m.url
	if url == "" {
		url = "/v1.0/" + m.feed + "/delta?" + m.query
	}
	r := m.c.get(url)
	if r.status != 200 {
		t.Fatalf("%s: %d %s", url, r.status, r.raw)
	}
	for _, item := range r.value() {
		m.merge(t, item)
	}
	if next := r.link("nextLink"); next != "" {
		m.url = next
		return false
	}
	if m.url = r.link("deltaLink"); m.url == "" {
		t.Fatalf("page without links: %s", r.raw)
	}
	m.confirm()
	m.begin()
	m.rounds++
	return true
}

func (m *merger) merge(t *rapid.T, item map[string]any) {
	id, _ := item["id"].(string)
	if id == "" {
		t.Fatalf("item without id: %v", item)
	}
	o := m.objects[id]
	if rem, ok := item["@removed"].(map[string]any); ok {
		m.seen[id] |= 2
		switch {
		case rem["reason"] == "deleted":
			delete(m.objects, id)
		case o == nil:
			m.objects[id] = &merged{deleted: true, props: map[string]any{}, members: map[string]bool{}}
		default:
			o.deleted = true
		}
		return
	}
	m.seen[id] |= 1
	if o == nil {
		o = &merged{props: map[string]any{}, members: map[string]bool{}}
		m.objects[id] = o
	}
	o.deleted = false
	for k, v := range item {
		switch {
		case k == "id":
		case k == "manager@delta":
			o.mergeManager(v.([]any))
		case k == "members@delta":
			for _, ref := range v.([]any) {
				m.mergeMember(id, o, ref.(map[string]any))
			}
		case v == nil:
			delete(o.props, k)
		default:
			o.props[k] = v
		}
	}
}

func (o *merged) mergeManager(refs []any) {
	live := ""
	for _, r := range refs {
		ref := r.(map[string]any)
		if ref["@removed"] == nil {
			live = ref["id"].(string)
		}
	}
	o.manager = live
}

func (m *merger) mergeMember(group string, o *merged, ref map[string]any) {
	id := ref["id"].(string)
	if ref["@removed"] != nil {
		m.edges[[2]string{group, id}] |= 2
		delete(o.members, id)
		return
	}
	m.edges[[2]string{group, id}] |= 1
	o.members[id] = true
}

// confirm asks for what a round said in two ways.
func (m *merger) confirm() {
	if slices.Max(append(slices.Collect(maps.Values(m.seen)), 0)) < 3 && slices.Max(append(slices.Collect(maps.Values(m.edges)), 0)) < 3 {
		return
	}
	truth := m.c.s.Truth()
	for id, how := range m.seen {
		o := m.objects[id]
		if how != 3 || o == nil {
			continue
		}
		u, isUser := truth.Users[id]
		g, isGroup := truth.Groups[id]
		if !isUser && !isGroup {
			delete(m.objects, id)
			continue
		}
		o.deleted = u.SoftDeleted || g.SoftDeleted
	}
	for e, how := range m.edges {
		if o := m.objects[e[0]]; how == 3 && o != nil {
			delete(o.members, e[1])
			if truth.Groups[e[0]].Members[e[1]] != "" {
				o.members[e[1]] = true
			}
		}
	}
}

// A script changes the directory at random, without asking for the impossible.
type script struct {
	t *rapid.T
	s *Server
}

func (x script) pick(what string, ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	slices.Sort(ids)
	return rapid.SampledFrom(ids).Draw(x.t, what)
}

func (x script) step() {
	truth := x.s.Truth()
	var liveUsers, deleted, liveGroups []string
	for id, u := range truth.Users {
		if u.SoftDeleted {
			deleted = append(deleted, id)
		} else {
			liveUsers = append(liveUsers, id)
		}
	}
	for id, g := range truth.Groups {
		if g.SoftDeleted {
			deleted = append(deleted, id)
		} else {
			liveGroups = append(liveGroups, id)
		}
	}
	u, g, d := x.pick("user", liveUsers), x.pick("group", liveGroups), x.pick("deleted", deleted)
	word := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(x.t, "word")
	switch op := rapid.IntRange(0, 12).Draw(x.t, "op"); {
	case op == 0:
		x.s.AddUser(User{DisplayName: word, Department: word})
	case op == 1:
		x.s.AddGroup(Group{DisplayName: word, Unified: word != "a", Members: slices.DeleteFunc([]string{u}, func(s string) bool { return s == "" })})
	case op == 2 && u != "":
		x.s.UpdateUser(u, map[string]any{"department": word})
	case op == 3 && u != "":
		x.s.UpdateUser(u, map[string]any{"department": nil, "jobTitle": word})
	case op == 4 && u != "":
		x.s.SetManager(u, x.pick("manager", liveUsers))
	case op == 5 && u != "":
		x.s.SetManager(u, "")
	case op == 6 && u != "":
		x.s.Delete(u)
	case op == 7 && d != "":
		x.s.Restore(d)
	case op == 8 && u != "" && word == "a":
		x.s.HardDelete(u)
	case op == 8 && d != "":
		x.s.HardDelete(d)
	case op == 9 && g != "":
		x.s.Delete(g)
	case op == 10 && g != "":
		x.s.UpdateGroup(g, map[string]any{"displayName": word})
	case op == 11 && g != "":
		if member := x.pick("member", slices.Collect(maps.Keys(truth.Groups[g].Members))); member != "" && word != "a" {
			x.s.RemoveMember(g, member)
		} else if u != "" && truth.Groups[g].Members[u] == "" {
			x.s.AddMember(g, u)
		}
	case op == 12:
		x.s.Advance(time.Duration(rapid.IntRange(1, 12*24).Draw(x.t, "hours")) * time.Hour)
	}
}

func drawSettings(t *rapid.T) Settings {
	flip := func(name string) bool { return rapid.Bool().Draw(t, name) }
	s := Calm()
	s.UserPage, s.GroupPage, s.MemberSlice = rapid.IntRange(1, 5).Draw(t, "userPage"), rapid.IntRange(1, 5).Draw(t, "groupPage"), rapid.IntRange(1, 4).Draw(t, "slice")
	s.PageVariation = 0.3
	s.EmptyPageRate, s.EmptyLastRate = 0.2, 0.5
	s.FirstRoundTombstones, s.GhostTombstones = flip("tombstones"), flip("ghosts")
	s.SplitChanges, s.MixedVisibility = flip("split"), flip("mixed")
	s.HardDeleteEmitsRemoval, s.ManagerOldItem = flip("emitRemoval"), flip("managerOld")
	s.RestoreAlwaysVisible, s.SecurityGroupSoftDelete = flip("restoreVisible"), flip("securitySoft")
	s.AnnotationNoise = flip("noise")
	if flip("replays") {
		s.ReplayRate = 0.5
	}
	if flip("lags") {
		s = s.Lagging()
	}
	s.DeltaTokenGrace = Duration(1000 * 24 * time.Hour)
	return s
}

// Initial and all later rounds, merged by the simplest client, equal the truth, but for the silent
// cases that the package documents.
func TestRoundsMergeToTheTruth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set := drawSettings(t)
		withDeleted := rapid.Bool().Draw(t, "deletedDateTime selected")
		s := New(Options{Seed: rapid.Uint64().Draw(t, "seed"), Settings: &set})
		x := script{t, s}
		for range rapid.IntRange(0, 15).Draw(t, "changes before") {
			x.step()
		}
		more := ""
		if withDeleted {
			more = ",deletedDateTime"
		}
		c := &client{s: s, t: testingTB{t: t}, token: "x"}
		us := newMerger(c, "users", "$select=displayName,department,manager"+more)
		gs := newMerger(c, "groups", "$select=displayName,members"+more)
		for range rapid.IntRange(0, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "who") {
			case 0:
				us.page(t)
			case 1:
				gs.page(t)
			default:
				x.step()
			}
		}
		s.Advance(time.Hour) // every replica has caught up
		for _, m := range []*merger{us, gs} {
			for want := m.rounds + 3; m.rounds < want; {
				m.page(t)
			}
		}
		compareUsers(t, s.Truth(), us, withDeleted || set.RestoreAlwaysVisible)
		compareGroups(t, s.Truth(), gs, withDeleted || set.RestoreAlwaysVisible, set.HardDeleteEmitsRemoval)
	})
}

func chosen(props map[string]any, names ...string) map[string]any {
	out := map[string]any{}
	for _, n := range names {
		if v, ok := props[n]; ok {
			out[n] = v
		}
	}
	return out
}

func compareUsers(t *rapid.T, truth Truth, m *merger, restores bool) {
	for id, want := range truth.Users {
		got := m.objects[id]
		switch {
		case want.SoftDeleted:
			if got != nil && !got.deleted {
				t.Fatalf("user %s is deleted, the client has it live", id)
			}
		case !restores && (got == nil || got.deleted): // a silent restore
		case got == nil || got.deleted:
			t.Fatalf("user %s is live, the client has %+v", id, got)
		default:
			if d := cmp.Diff(chosen(want.Properties, "displayName", "department"), chosen(got.props, "displayName", "department")); d != "" {
				t.Fatalf("user %s: %s", id, d)
			}
			if !restores {
				continue // with a silent restore go the relations that were not known before
			}
			if _, alive := truth.Users[got.manager]; got.manager != want.ManagerID && (alive || want.ManagerID != "") {
				t.Fatalf("user %s: manager %q, want %q", id, got.manager, want.ManagerID)
			}
		}
	}
	noStrangers(t, m, maps.Collect(func(yield func(string, bool) bool) {
		for id := range truth.Users {
			if !yield(id, true) {
				return
			}
		}
	}))
}

func compareGroups(t *rapid.T, truth Truth, m *merger, restores, emitsRemoval bool) {
	known := map[string]bool{}
	for id, want := range truth.Groups {
		known[id] = true
		got := m.objects[id]
		switch {
		case want.SoftDeleted:
			if got != nil && !got.deleted {
				t.Fatalf("group %s is deleted, the client has it live", id)
			}
		case !restores && (got == nil || got.deleted):
		case got == nil || got.deleted:
			t.Fatalf("group %s is live, the client has %+v", id, got)
		default:
			if got.props["displayName"] != want.Properties["displayName"] {
				t.Fatalf("group %s: %v, want %v", id, got.props, want.Properties)
			}
			if !restores {
				continue
			}
			for member := range got.members {
				if _, exists := truth.Users[member]; !exists && !emitsRemoval {
					delete(got.members, member) // hard-deleted: no round says so
				}
			}
			want := slices.Sorted(maps.Keys(want.Members))
			if d := cmp.Diff(want, slices.Sorted(maps.Keys(got.members))); d != "" {
				t.Fatalf("members of %s (-want +got): %s", id, d)
			}
		}
	}
	noStrangers(t, m, known)
}

// noStrangers checks that the client has nothing that is hard-deleted.
func noStrangers(t *rapid.T, m *merger, known map[string]bool) {
	for id, o := range m.objects {
		if !known[id] {
			t.Fatalf("%s: the client has %s (deleted %v), which is gone", m.feed, id, o.deleted)
		}
	}
}

// testingTB lets the client report to rapid.
type testingTB struct {
	testing.TB
	t *rapid.T
}

func (b testingTB) Helper()                   {}
func (b testingTB) Fatal(a ...any)            { b.t.Fatal(a...) }
func (b testingTB) Fatalf(f string, a ...any) { b.t.Fatalf(f, a...) }
func (b testingTB) Logf(f string, a ...any)   { b.t.Logf(f, a...) }

// Same inputs, same bytes.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	walk := func() string {
		s, c := start(t, Options{Seed: 42, Population: Population{Users: 300, Groups: 20}})
		var b strings.Builder
		url := "/v1.0/users/delta?$select=displayName,manager"
		for range 12 {
			r := c.get(url).want(t, 200)
			fmt.Fprintln(&b, r.header, r.raw)
			if url = r.link("nextLink"); url == "" {
				url = r.link("deltaLink")
				fmt.Fprintln(&b, s.PassDay())
			}
		}
		fmt.Fprintln(&b, c.get("/v1.0/groups").raw, c.get("/v1.0/nothing").raw)
		return b.String()
	}
	if d := cmp.Diff(walk(), walk()); d != "" {
		t.Error(d)
	}
}
