package test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

const managerPath = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"

// withManager is the default mapping and the manager.
func withManager(t *testing.T) *mapping.Mapping {
	t.Helper()
	m := mapping.Default()
	users, problems := mapping.Compile(mapping.ObjectSpec{Attributes: []mapping.AttributeSpec{
		{Target: "userName", Source: "[userPrincipalName]", Match: 1},
		{Target: "active", Source: "Not([IsSoftDeleted])"},
		{Target: "displayName", Source: "[displayName]"},
		{Target: "name.givenName", Source: "[givenName]"},
		{Target: "name.familyName", Source: "[surname]"},
		{Target: "externalId", Source: "[objectId]"},
		{Target: managerPath, Source: "[manager]"},
	}})
	for _, p := range problems {
		t.Fatal(p)
	}
	m.Users = users
	return &m
}

// dialects are the ways of talking that every target scenario is run in.
var dialects = []struct {
	name    string
	profile scim.Profile
	flag    string
}{
	{"entra 2017", scim.Entra, ""},
	{"entra 062020", scim.Entra, "?aadOptscim062020"},
	{"rfc7644", scim.RFC7644, ""},
}

// cast is the people and groups of the scenario. All of crew is in the assigned group; solo is
// assigned directly; outsider is not assigned at all.
type cast struct {
	crew                 []string
	solo, outsider, boss string
	group, other         string
}

func (w *world) cast() cast {
	var c cast
	c.boss = w.addUser("boss")
	for i := range 6 {
		id := w.addUser(fmt.Sprintf("crew%d", i))
		w.dir.SetManager(id, c.boss)
		c.crew = append(c.crew, id)
	}
	c.solo, c.outsider = w.addUser("solo"), w.addUser("outsider")
	c.group = w.dir.AddGroup(graphtest.Group{DisplayName: "Crew", Members: append(slices.Clone(c.crew), c.boss)})
	c.other = w.dir.AddGroup(graphtest.Group{DisplayName: "Other", Members: []string{c.crew[0], c.outsider}})
	role := w.dir.AppRoles()[0].ID
	w.dir.Assign(c.group, role)
	w.dir.Assign(c.solo, graphtest.ZeroRole)
	return c
}

// person is what the application must hold of somebody.
type person struct {
	UserName, Display, Given, Family string
	Active                           bool
	Manager                          string // userName
}

// people returns what the application holds, by externalId.
func (w *world) people() map[string]person {
	names := map[string]string{}
	for _, r := range w.app.Users() {
		names[r.ID] = r.UserName
	}
	out := map[string]person{}
	for _, r := range w.app.Users() {
		p := person{UserName: r.UserName, Display: r.DisplayName, Active: r.Active}
		p.Given, _ = r.Value("name.givenName").(string)
		p.Family, _ = r.Value("name.familyName").(string)
		if id, ok := r.Value(managerPath + ".value").(string); ok {
			p.Manager = names[id]
		}
		out[r.ExternalID] = p
	}
	return out
}

// members returns the userNames of a group's members at the application.
func (w *world) members(group string) []string {
	w.t.Helper()
	var out []string
	for _, id := range w.mustGroup(group).Members {
		r, ok := w.app.ByID(id)
		if !ok {
			w.t.Fatalf("group %s has a member %s that does not exist", group, id)
		}
		out = append(out, r.UserName)
	}
	slices.Sort(out)
	return out
}

// TestDay runs everything that happens to people and groups, one event a cycle, and compares the
// application with what the rules demand, field by field, after each.
func TestDay(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setting{profile: d.profile, dialect: d.flag, mapping: withManager(t)})
			runDay(w)
		})
	}
}

func runDay(w *world) {
	t := w.t
	c := w.cast()
	want := map[string]person{
		c.boss: {UserName: "boss@example.test", Display: "boss Test", Given: "boss", Family: "Test", Active: true},
		c.solo: {UserName: "solo@example.test", Display: "solo Test", Given: "solo", Family: "Test", Active: true},
	}
	for i, id := range c.crew {
		n := fmt.Sprintf("crew%d", i)
		want[id] = person{UserName: n + "@example.test", Display: n + " Test", Given: n, Family: "Test", Active: true, Manager: "boss@example.test"}
	}
	crew := []string{"boss@example.test", "crew0@example.test", "crew1@example.test", "crew2@example.test", "crew3@example.test", "crew4@example.test", "crew5@example.test"}
	change := func(id string, f func(*person)) { p := want[id]; f(&p); want[id] = p }
	step := func(event string, counts engine.Counts) {
		t.Helper()
		got := w.sync()
		if d := cmp.Diff(want, w.people()); d != "" {
			t.Fatalf("%s: accounts (-want +got):\n%s", event, d)
		}
		if counts != nil {
			if d := cmp.Diff(counts, buckets(got.Counts)); d != "" {
				t.Fatalf("%s: counts (-want +got):\n%s", event, d)
			}
		}
		if again := w.sync(); again.Counts[engine.RequestsTarget] != 0 || again.Counts[engine.RequestsSource] > 6 {
			t.Fatalf("%s: a cycle without changes sent %d requests to the target and %d to the source", event,
				again.Counts[engine.RequestsTarget], again.Counts[engine.RequestsSource])
		}
	}
	group := func(event string, want []string) {
		t.Helper()
		if d := cmp.Diff(want, w.members(c.group)); d != "" {
			t.Fatalf("%s: members (-want +got):\n%s", event, d)
		}
	}

	step("initial cycle", engine.Counts{"users.created": 8, "groups.created": 1, "memberships.added": 7})
	group("initial cycle", crew)
	if _, ok := w.account(c.outsider); ok {
		t.Fatal("a user who is not assigned was created")
	}
	if _, ok := w.group(c.other); ok {
		t.Fatal("a group that is not assigned was created")
	}

	joiner := w.addUser("joiner")
	w.dir.AddMember(c.group, joiner)
	want[joiner] = person{UserName: "joiner@example.test", Display: "joiner Test", Given: "joiner", Family: "Test", Active: true}
	step("joiner", engine.Counts{"users.created": 1, "memberships.added": 1})
	crew = append(crew, "joiner@example.test")
	group("joiner", crew)

	w.dir.UpdateUser(c.crew[0], map[string]any{"surname": "Married", "displayName": "crew0 Married"})
	change(c.crew[0], func(p *person) { p.Family, p.Display = "Married", "crew0 Married" })
	step("mover", engine.Counts{"users.updated": 1})

	before := w.mustAccount(c.crew[1])
	w.dir.UpdateUser(c.crew[1], map[string]any{"userPrincipalName": "renamed@example.test"})
	change(c.crew[1], func(p *person) { p.UserName = "renamed@example.test" })
	step("UPN rename", engine.Counts{"users.updated": 1})
	if after := w.mustAccount(c.crew[1]); after.ID != before.ID {
		t.Fatalf("UPN rename: another account, %s instead of %s", after.ID, before.ID)
	}
	crew[2] = "renamed@example.test"

	w.dir.SetManager(c.crew[2], c.crew[1])
	change(c.crew[2], func(p *person) { p.Manager = "renamed@example.test" })
	step("manager change", engine.Counts{"users.updated": 1})

	w.dir.UpdateUser(c.crew[3], map[string]any{"accountEnabled": false})
	change(c.crew[3], func(p *person) { p.Active = false })
	step("sign-in blocked", engine.Counts{"users.disabled": 1})
	w.dir.UpdateUser(c.crew[3], map[string]any{"accountEnabled": true})
	change(c.crew[3], func(p *person) { p.Active = true })
	step("sign-in unblocked", nil)

	w.dir.Unassign(c.solo)
	change(c.solo, func(p *person) { p.Active = false })
	step("unassigned from the application", engine.Counts{"users.disabled": 1})

	w.dir.RemoveMember(c.group, c.crew[4])
	change(c.crew[4], func(p *person) { p.Active = false })
	step("removed from the only assigned group", engine.Counts{"users.disabled": 1, "memberships.removed": 1})
	crew = slices.DeleteFunc(crew, func(s string) bool { return s == "crew4@example.test" })
	slices.Sort(crew)
	group("removed from the group", crew)

	w.dir.SoftDelete(c.crew[5])
	change(c.crew[5], func(p *person) { p.Active, p.UserName = false, w.binned(c.crew[5]) })
	step("soft delete", engine.Counts{"users.disabled": 1})
	w.dir.Restore(c.crew[5])
	change(c.crew[5], func(p *person) { p.Active, p.UserName = true, "crew5@example.test" })
	step("restore", nil)
	group("restore", crew)

	w.dir.SoftDelete(joiner)
	w.dir.HardDelete(joiner)
	delete(want, joiner)
	step("hard delete", engine.Counts{"users.deleted": 1})
	crew = slices.DeleteFunc(crew, func(s string) bool { return s == "joiner@example.test" })
	group("hard delete", crew)

	was := w.mustGroup(c.group)
	w.dir.UpdateGroup(c.group, map[string]any{"displayName": "Port Crew"})
	step("group renamed", engine.Counts{"groups.updated": 1})
	if now := w.mustGroup(c.group); now.DisplayName != "Port Crew" || now.ID != was.ID {
		t.Fatalf("group renamed: got %q with id %s, had id %s", now.DisplayName, now.ID, was.ID)
	}

	fresh := w.addUser("fresh")
	w.dir.AddMember(c.group, fresh)
	w.dir.RemoveMember(c.group, c.crew[0])
	want[fresh] = person{UserName: "fresh@example.test", Display: "fresh Test", Given: "fresh", Family: "Test", Active: true}
	change(c.crew[0], func(p *person) { p.Active = false })
	step("one in, one out", engine.Counts{"users.created": 1, "users.disabled": 1, "memberships.added": 1, "memberships.removed": 1})
	crew = append(slices.DeleteFunc(crew, func(s string) bool { return s == "crew0@example.test" }), "fresh@example.test")
	slices.Sort(crew)
	group("one in, one out", crew)

	w.dir.Unassign(c.group)
	for _, id := range append([]string{c.boss, fresh}, c.crew...) {
		change(id, func(p *person) { p.Active = false })
	}
	step("group unassigned", engine.Counts{"users.disabled": 6, "groups.deleted": 1})
	if _, ok := w.group(c.group); ok {
		t.Fatal("group unassigned: it is still at the application")
	}
	w.dir.Assign(c.group, w.dir.AppRoles()[0].ID)
	for _, id := range []string{c.boss, fresh, c.crew[1], c.crew[2], c.crew[3], c.crew[5]} {
		change(id, func(p *person) { p.Active = true })
	}
	step("group assigned again", nil)
	group("group assigned again", crew)

	w.dir.Delete(c.group)
	for _, id := range append([]string{c.boss, fresh}, c.crew...) {
		change(id, func(p *person) { p.Active = false })
	}
	w.dir.Advance(time.Hour)
	step("group deleted", engine.Counts{"users.disabled": 6, "groups.deleted": 1})
}

// binned is the userPrincipalName that a user has in the recycle bin.
func (w *world) binned(id string) string {
	return fmt.Sprint(w.dir.Truth().Users[id].Properties["userPrincipalName"])
}

// buckets are the counters of a cycle that are about objects, without those that are zero or say
// that nothing happened.
func buckets(c engine.Counts) engine.Counts {
	out := engine.Counts{}
	for _, k := range slices.Sorted(maps.Keys(c)) {
		switch {
		case c[k] == 0:
		case k == "memberships.pending", len(k) > 8 && k[:9] == "requests.":
		default:
			for _, p := range []string{"users.", "groups.", "memberships."} {
				if len(k) > len(p) && string(k[:len(p)]) == p {
					out[k] = c[k]
				}
			}
		}
	}
	return out
}
