package test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// matchingTwice is the default mapping, with people matched by userName and then by externalId.
func matchingTwice(t *testing.T) *mapping.Mapping {
	t.Helper()
	m := mapping.Default()
	users, problems := mapping.Compile(mapping.ObjectSpec{Attributes: []mapping.AttributeSpec{
		{Target: "userName", Source: "ToLower([userPrincipalName])", Match: 1},
		{Target: "active", Source: "Not([IsSoftDeleted])"},
		{Target: "displayName", Source: "[displayName]"},
		{Target: "name.givenName", Source: "[givenName]"},
		{Target: "name.familyName", Source: "[surname]"},
		{Target: "title", Source: "[jobTitle]"},
		{Target: "externalId", Source: "[objectId]", Match: 2},
	}})
	for _, p := range problems {
		t.Fatal(p)
	}
	m.Users = users
	return &m
}

// drift compares, and fails the test if that writes anything.
func (w *world) drift(repair bool) engine.Drift {
	w.t.Helper()
	w.app.ResetCounts()
	d, err := w.runner.Drift(w.t.Context(), "test", repair, func(int) {})
	if err != nil {
		w.t.Fatal(err)
	}
	if n := w.app.Requests(); n.Writes != 0 {
		w.t.Fatalf("to compare sent %d writes: %v", n.Writes, n.By)
	}
	return d
}

// told is a finding in one line: kind, class, names and differences.
func told(f engine.DriftFinding) string {
	s := fmt.Sprintf("%s %s %s", f.Kind, f.Class, f.Target.Name)
	if f.Source.ID != "" {
		s += " of " + f.Source.Name
	}
	if f.Linked {
		s += ", linked"
	}
	for _, c := range f.Changes {
		s += fmt.Sprintf(", %s %v not %v", c.Attribute, c.Old, c.New)
	}
	return s
}

func toldOf(d engine.Drift, classes ...engine.DriftClass) []string {
	var out []string
	for _, f := range d.Findings {
		if len(classes) == 0 || slices.Contains(classes, f.Class) {
			out = append(out, told(f))
		}
	}
	return out
}

// put changes attributes of an account or group at the application, as an administrator there would.
func (w *world) put(r scimtest.Resource, set map[string]any) {
	w.t.Helper()
	attributes := maps.Clone(r.Attributes)
	maps.Copy(attributes, set)
	if r.UserName == "" && set["members"] == nil {
		var members []any
		for _, id := range r.Members {
			members = append(members, map[string]any{"value": id})
		}
		attributes["members"] = members
	}
	if err := w.app.Put(r.ID, attributes); err != nil {
		w.t.Fatal(err)
	}
}

// unlink makes the job forget links without having their objects matched anew, as if they had never been made.
func (w *world) unlink(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		err := w.store.Settle(w.t.Context(), "test", "", []engine.Settled{{Ref: engine.Ref{Kind: engine.User, ID: id}, Unlink: true}})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// discovered is an application that had 1,000 accounts before a job came that manages 300 of them, and what happened
// since: acceptance test 34 of provisioning.md.
type discovered struct {
	*world
	people []string // source ids, in the order of the names
	group  string
}

func discover(t *testing.T) *discovered {
	w := &discovered{world: newWorld(t, setting{virtual: true, mapping: matchingTwice(t), app: scimtest.Options{Quirks: scimtest.Quirks{PageSize: 70, MaxResults: 70}}})}
	for i := range 1000 {
		if _, err := w.app.AddUser(map[string]any{"userName": fmt.Sprintf("P%04d@example.test", i), "displayName": "Seeded", "active": true}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		id := w.addUser(fmt.Sprintf("p%04d", i))
		w.dir.Assign(id, graphtest.ZeroRole)
		w.people = append(w.people, id)
	}
	w.group = w.dir.AddGroup(graphtest.Group{DisplayName: "Team", Members: w.people[100:110]})
	w.dir.Assign(w.group, graphtest.ZeroRole)
	w.sync()
	w.inStep()
	return w
}

// acct is the account of the person of a number.
func (w *discovered) acct(n int) scimtest.Resource {
	w.t.Helper()
	r, ok := w.app.User(fmt.Sprintf("p%04d@example.test", n))
	if !ok {
		w.t.Fatalf("account %d is gone", n)
	}
	return r
}

// TestDriftNone: what a job has just written differs in nothing.
func TestDriftNone(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := discover(t)
		d := w.drift(false)
		if n := w.app.Requests().By["GET /Users"]; n < 14 {
			t.Errorf("%d pages were read", n)
		}
		if n := w.app.Requests().Total; n > 20 {
			t.Errorf("to compare what is in order took %d requests", n)
		}
		want := map[engine.DriftClass]int{engine.DriftLocal: 700, engine.DriftAssigned: 301}
		if diff := cmp.Diff(want, d.Classes); diff != "" {
			t.Errorf("classes (-want +got):\n%s", diff)
		}
		if d.Attributes != 0 || d.Memberships != 0 || d.Accounts != 700 || len(d.Findings) != 700 || len(d.Incomplete) != 0 {
			t.Errorf("%d accounts, %d attributes, %d members, %d findings, incomplete %v", d.Accounts, d.Attributes, d.Memberships, len(d.Findings), d.Incomplete)
		}
		if f := d.Findings[0]; f.Class != engine.DriftLocal || f.Source.ID != "" || f.Linked || f.Target.Name != "P0300@example.test" && len(f.Target.ID) == 0 {
			t.Errorf("a local account is told as %+v", f)
		}
		if d.StartedAt.IsZero() || d.EndedAt.Before(d.StartedAt) {
			t.Errorf("from %s to %s", d.StartedAt, d.EndedAt)
		}
		w.quiet()
	})
}

// upset brings about every class and every kind of difference.
func (w *discovered) upset() {
	w.t.Helper()
	// Changed by people at the application. Another case of userName is no difference, a title that the directory has not is
	// none of the job's business.
	w.put(w.acct(20), map[string]any{"displayName": "Somebody Else"})
	w.put(w.acct(21), map[string]any{"active": false})
	w.put(w.acct(22), map[string]any{"userName": "P0022@EXAMPLE.test", "title": "Admiral"})
	// Accounts that are gone, one of which somebody made anew.
	w.gone(w.acct(30))
	w.gone(w.acct(31))
	if _, err := w.app.AddUser(map[string]any{"userName": "p0031@example.test", "active": true}); err != nil {
		w.t.Fatal(err)
	}
	// Who left: one as it should be, one enabled again by hand, one blocked and enabled again, one gone.
	for _, n := range []int{40, 41, 42} {
		w.dir.Unassign(w.people[n])
	}
	w.dir.UpdateUser(w.people[43], map[string]any{"accountEnabled": false})
	w.dir.UpdateUser(w.people[44], map[string]any{"accountEnabled": false})
	w.sync()
	w.put(w.acct(41), map[string]any{"active": true})
	w.gone(w.acct(42))
	w.put(w.acct(43), map[string]any{"active": true})
	// Not linked: out of scope, in scope, in scope and blocked.
	w.unlink(w.people[50], w.people[51], w.people[52])
	w.dir.Unassign(w.people[50])
	w.dir.UpdateUser(w.people[52], map[string]any{"accountEnabled": false})
	w.sync()
	w.unlink(w.people[51])
	// Two accounts for one person, one account for two, and a second account of somebody linked.
	w.unlink(w.people[60], w.people[62], w.people[63])
	w.put(w.acct(900), map[string]any{"externalId": w.people[60]})
	w.put(w.acct(62), map[string]any{"externalId": w.people[63]})
	w.gone(w.acct(63))
	w.put(w.acct(901), map[string]any{"externalId": w.people[64]})
	w.unlink(w.people[66])
	w.gone(w.acct(66))
	w.put(w.acct(903), map[string]any{"externalId": w.people[66]})
	w.put(w.acct(904), map[string]any{"externalId": w.people[66]})
	// Members: one taken out, one put in that the job manages, one that it does not.
	team := w.mustGroup(w.group)
	members := []any{map[string]any{"value": w.acct(70).ID}, map[string]any{"value": w.acct(902).ID}}
	for _, id := range team.Members {
		if id != w.acct(101).ID {
			members = append(members, map[string]any{"value": id})
		}
	}
	w.put(team, map[string]any{"members": members})
}

// TestDrift tells every class and difference, repairs what is to be repaired, and finds nothing of it after a cycle.
func TestDrift(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := discover(t)
		w.upset()
		want := []string{
			"user ambiguous P0062@example.test",
			"user ambiguous P0900@example.test of p0060@example.test",
			"user ambiguous P0901@example.test of p0064@example.test",
			"user ambiguous P0903@example.test of p0066@example.test",
			"user ambiguous P0904@example.test of p0066@example.test",
			"user assigned P0020@example.test of p0020@example.test, linked, displayName Somebody Else not p0020 Test",
			"user assigned P0021@example.test of p0021@example.test, linked, active false not true",
			"user assigned p0031@example.test of p0031@example.test",
			"user assigned P0051@example.test of p0051@example.test",
			"user assigned P0052@example.test of p0052@example.test",
			"user assigned P0060@example.test of p0060@example.test",
			"user orphaned p0030@example.test of p0030@example.test, linked",
			"user orphaned p0031@example.test of p0031@example.test, linked",
			"user unassigned P0050@example.test of p0050@example.test",
			"user unentitled P0041@example.test of p0041@example.test, linked, active true not false",
			"user unentitled P0043@example.test of p0043@example.test, linked, active true not false",
			fmt.Sprintf("group assigned Team of Team, linked, members <nil> not %s, members %s not <nil>, members %s not <nil>", w.acct(101).ID,
				min(w.acct(70).ID, w.acct(902).ID), max(w.acct(70).ID, w.acct(902).ID)),
		}
		rest := []engine.DriftClass{engine.DriftAssigned, engine.DriftUnassigned, engine.DriftAmbiguous, engine.DriftUnentitled, engine.DriftOrphaned}
		for range 2 { // to look changes nothing
			d := w.drift(false)
			got := toldOf(d, rest...)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("findings (-want +got):\n%s", diff)
			}
			// What is not of another class is assigned, and so is the group.
			classes := map[engine.DriftClass]int{
				engine.DriftLocal: 696, engine.DriftAmbiguous: 5, engine.DriftUnassigned: 1, engine.DriftOrphaned: 2, engine.DriftUnentitled: 4,
				engine.DriftAssigned: len(w.app.Users()) - 696 - 5 - 1 - 4 + 1,
			}
			if diff := cmp.Diff(classes, d.Classes); diff != "" {
				t.Errorf("classes (-want +got):\n%s", diff)
			}
			if d.Attributes != 2 || d.Memberships != 3 || d.Accounts != 696+5+4+1+2+2 || d.Repaired != 0 || d.Repairable != 8 {
				t.Errorf("%d accounts, %d attributes, %d members, %d repaired, %d to repair", d.Accounts, d.Attributes, d.Memberships, d.Repaired, d.Repairable)
			}
			for _, f := range d.Findings {
				if f.Kind == engine.Group && !slices.Equal(f.Strangers, []string{w.acct(902).ID}) {
					t.Errorf("members that are not the job's: %q", f.Strangers)
				}
			}
		}
		w.quiet()

		before := map[string]scimtest.Resource{}
		for _, n := range []int{41, 42 + 700, 50, 52, 62, 900, 901, 902} {
			before[w.acct(n).ID] = w.acct(n)
		}
		d := w.drift(true)
		// 20, 21, 30, 31, 43, 51, 60 and the group.
		if d.Repaired != 8 {
			t.Errorf("%d objects were queued", d.Repaired)
		}
		c := w.sync()
		w.settled()
		if n := c.Counts["users.created"]; n != 1 {
			t.Errorf("%d accounts were created", n)
		}
		for id, was := range before {
			now, _ := w.app.ByID(id)
			if diff := cmp.Diff(was, now); diff != "" {
				t.Errorf("%s was touched:\n%s", was.UserName, diff)
			}
		}
		if r := w.acct(20); r.DisplayName != "p0020 Test" {
			t.Errorf("account 20 is called %s", r.DisplayName)
		}
		if !w.acct(21).Active || w.acct(43).Active {
			t.Errorf("account 21 is active: %t, 43: %t", w.acct(21).Active, w.acct(43).Active)
		}
		left := []string{
			"user ambiguous P0062@example.test",
			"user ambiguous P0900@example.test of p0060@example.test",
			"user ambiguous P0901@example.test of p0064@example.test",
			"user ambiguous P0903@example.test of p0066@example.test",
			"user ambiguous P0904@example.test of p0066@example.test",
			"user assigned P0052@example.test of p0052@example.test",
			"user unassigned P0050@example.test of p0050@example.test",
			"user unentitled P0041@example.test of p0041@example.test, linked, active true not false",
			fmt.Sprintf("group assigned Team of Team, linked, members %s not <nil>", w.acct(902).ID),
		}
		d = w.drift(true)
		got := toldOf(d, rest...)
		slices.Sort(got)
		slices.Sort(left)
		if diff := cmp.Diff(left, got); diff != "" {
			t.Errorf("findings after the repair (-want +got):\n%s", diff)
		}
		if d.Repaired != 0 || d.Repairable != 0 || d.Attributes != 0 || d.Classes[engine.DriftOrphaned] != 0 {
			t.Errorf("%d queued, %d attributes, %v", d.Repaired, d.Attributes, d.Classes)
		}
		w.quiet()
	})
}

// TestDriftMembers: who waits to be added or removed, and who is inactive, is no difference in the members of a group.
func TestDriftMembers(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := discover(t)
		w.dir.UpdateUser(w.people[100], map[string]any{"accountEnabled": false})
		w.sync()
		// The next cycle has read the source, and written nothing yet.
		w.dir.AddMember(w.group, w.people[70])
		w.dir.RemoveMember(w.group, w.people[102])
		ctx := context.WithoutCancel(t.Context())
		c, err := w.runner.Begin(ctx, "test", "open")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.runner.Import(ctx, c, func(int) {}); err != nil {
			t.Fatal(err)
		}
		team := w.mustGroup(w.group)
		members := []any{map[string]any{"value": w.acct(70).ID}}
		for _, id := range team.Members {
			if id != w.acct(100).ID && id != w.acct(102).ID {
				members = append(members, map[string]any{"value": id})
			}
		}
		w.put(team, map[string]any{"members": members})
		d := w.drift(true)
		if d.Memberships != 0 || d.Repaired != 0 {
			t.Errorf("%d members differ: %v", d.Memberships, toldOf(d, engine.DriftAssigned))
		}
		w.sync()
		w.settled()
		w.inStep()
		w.quiet()
	})
}

// TestDriftRemapped maps another attribute: that it was not exported yet is no drift.
func TestDriftRemapped(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := discover(t)
		w.put(w.acct(7), map[string]any{"nickName": "Seven"})
		users, problems := mapping.Compile(mapping.ObjectSpec{Attributes: []mapping.AttributeSpec{
			{Target: "userName", Source: "[userPrincipalName]", Match: 1},
			{Target: "active", Source: "Not([IsSoftDeleted])"},
			{Target: "displayName", Source: "ToUpper([displayName])"},
			{Target: "nickName", Source: "[givenName]"},
		}})
		for _, p := range problems {
			t.Fatal(p)
		}
		w.job.Mapping.Users = users
		if d := w.drift(true); d.Attributes != 0 || d.Repaired != 0 {
			t.Errorf("%v", toldOf(d, engine.DriftAssigned))
		}
	})
}

// TestDriftGroups: groups that are gone come back with everybody in them, those that nobody is entitled to go, through the guard.
func TestDriftGroups(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := discover(t)
		second := w.dir.AddGroup(graphtest.Group{DisplayName: "Second", Members: w.people[:5]})
		w.dir.Assign(second, graphtest.ZeroRole)
		w.sync()
		w.gone(w.mustGroup(w.group))
		w.put(w.mustGroup(second), map[string]any{"displayName": "Renamed"})
		local, err := w.app.AddGroup(map[string]any{"displayName": "Of the house"})
		if err != nil {
			t.Fatal(err)
		}
		d := w.drift(true)
		var got []string
		for _, f := range d.Findings {
			if f.Kind == engine.Group {
				got = append(got, told(f))
			}
		}
		if diff := cmp.Diff([]string{"group assigned Renamed of Second, linked, displayName Renamed not Second", "group local Of the house",
			"group orphaned Team of Team, linked"}, got); diff != "" {
			t.Errorf("findings (-want +got):\n%s", diff)
		}
		w.sync()
		w.settled()
		w.inStep()
		if _, there := w.app.ByID(local); !there {
			t.Error("a group of the application is gone")
		}
		if d := w.drift(false); d.Classes[engine.DriftOrphaned] != 0 || d.Attributes != 0 || d.Memberships != 0 {
			t.Errorf("after the repair: %v", d)
		}
		w.quiet()
	})
}
