package test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// there makes an account that is at the application before anybody is provisioned.
func (w *world) there(userName string, active bool) scimtest.Resource {
	w.t.Helper()
	id, err := w.app.AddUser(map[string]any{"userName": userName, "displayName": "Before", "active": active})
	if err != nil {
		w.t.Fatal(err)
	}
	r, _ := w.app.ByID(id)
	return r
}

func acceptEntering(t *testing.T) {
	w := bubble(t, setting{})
	ids := w.assigned("fresh", "active", "inactive")
	active, inactive := w.there("active@example.test", true), w.there("inactive@example.test", false)
	c := w.sync()
	if d := cmp.Diff(engine.Counts{"users.created": 1, "users.updated": 1, "users.enabled": 1}, buckets(c.Counts)); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
	w.wrote(map[string]int{postUser: 1, patchUser: 3}) // who was inactive is enabled by a request of its own
	if a, b := w.mustAccount(ids[1]), w.mustAccount(ids[2]); a.ID != active.ID || b.ID != inactive.ID {
		t.Errorf("the accounts are %s and %s, not those that were there", a.ID, b.ID)
	}
	for i, rule := range []engine.Rule{"U1", "U2", "U3"} {
		if r := w.lastRow(ids[i]); r.Rule != rule || r.Status != engine.StatusSuccess {
			t.Errorf("person %d: the log says %s %s", i, r.Rule, r.Status)
		}
	}
	w.inStep()
	w.quiet()
}

func acceptBlockedStranger(t *testing.T) {
	w := bubble(t, setting{})
	id := w.assigned("blocked")[0]
	w.dir.UpdateUser(id, map[string]any{"accountEnabled": false})
	was := w.there("blocked@example.test", true)
	for range 2 {
		w.sync()
		w.wrote(map[string]int{})
		w.noted(id, engine.StatusSkipped, string(engine.InactiveInSource))
		w.dir.UpdateUser(id, map[string]any{"surname": "Other"})
	}
	if now, _ := w.app.ByID(was.ID); !now.Active || now.DisplayName != "Before" {
		t.Errorf("the account is %+v now", now)
	}
	w.linked(id, engine.LinkNone)
}

func acceptTwoPaths(t *testing.T) {
	w := bubble(t, setting{app: withBodies})
	id := w.assigned("ann")[0]
	group := w.dir.AddGroup(graphtest.Group{DisplayName: "Crew", Members: append(w.assigned("bob"), id)})
	w.dir.Assign(group, graphtest.ZeroRole)
	w.sync()
	w.dir.Unassign(id)
	w.quiet()
	w.dir.RemoveMember(group, id)
	w.sync()
	w.wrote(map[string]int{patchUser: 1, patchGroup: 1})
	if b := w.bodies("PATCH", "/Users/{id}"); !strings.Contains(b[0], "active") {
		t.Errorf("sent %s", b[0])
	}
	if w.mustAccount(id).Active {
		t.Error("the account is active")
	}
	w.linked(id, engine.Released)
	w.quiet()
}

func acceptPurged(t *testing.T) {
	w := bubble(t, setting{})
	ids := w.assigned("unassigned", "recycled", "both")
	w.sync()

	w.dir.Unassign(ids[0])
	w.sync()
	w.wrote(map[string]int{patchUser: 1})
	w.dir.HardDelete(ids[0])
	w.quiet() // U22: no longer managed, so not even deleted
	if r := w.mustAccount(ids[0]); r.Active {
		t.Error("who was unassigned is active")
	}
	w.linked(ids[0], engine.LinkNone)

	w.dir.SoftDelete(ids[1])
	w.sync()
	w.wrote(map[string]int{patchUser: 2})
	w.dir.HardDelete(ids[1])
	w.sync()
	w.wrote(map[string]int{deleteUser: 1})

	w.dir.HardDelete(ids[2]) // U23: the soft delete was never seen
	w.sync()
	w.wrote(map[string]int{deleteUser: 1})
	w.quiet()
}

func acceptRecycled(t *testing.T) {
	w := bubble(t, setting{app: withBodies})
	ids := w.assigned("ann", "bob")
	w.sync()
	w.dir.SoftDelete(ids[0])
	w.sync()
	if b := w.bodies("PATCH", "/Users/{id}"); len(b) != 2 || !strings.Contains(b[0], "active") || strings.Contains(b[0], "userName") || !strings.Contains(b[1], w.binned(ids[0])) {
		t.Fatalf("sent %q, want the disable first and alone, then the name", b)
	}
	r := w.lastRow(ids[0])
	if names := attributesOf(r); r.Action != engine.Disable || names["userName"] != "ann@example.test → "+w.binned(ids[0]) {
		t.Errorf("the log tells of %s %v, want old and rewritten name", r.Action, names)
	}

	w.dir.SoftDelete(ids[1])
	w.fault(scimtest.Fault{Method: "PATCH", BodyContains: w.binned(ids[1]), Status: 400, ScimType: "invalidValue"})
	c := w.cycle()
	w.happened()
	w.noted(ids[1], engine.StatusWarning, "")
	if a := w.mustAccount(ids[1]); a.Active || a.UserName != "bob@example.test" {
		t.Errorf("the account is %s, active %t", a.UserName, a.Active)
	}
	if c.State != engine.CycleSucceeded || c.Counts["users.disabled"] != 1 {
		t.Errorf("a refused rename ends the cycle %s, %v", c.State, c.Counts)
	}
}

// attributesOf are the changes of a log row, "old → new" by attribute.
func attributesOf(r engine.LogEntry) map[string]string {
	out := map[string]string{}
	for _, c := range r.Changes {
		out[c.Attribute] = strings.TrimSpace(text(c.Old) + " → " + text(c.New))
	}
	return out
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func acceptThirtyDays(t *testing.T) {
	w := bubble(t, setting{})
	ids := w.assigned("back", "gone")
	w.sync()
	first := map[string]string{}
	for _, id := range ids {
		first[id] = w.mustAccount(id).ID
		w.dir.SoftDelete(id)
	}
	for d := range 29 {
		w.sync()
		if n := w.app.Requests().By[deleteUser]; n > 0 {
			t.Fatalf("deleted on day %d", d)
		}
		time.Sleep(day)
		w.dir.Advance(day)
	}
	w.dir.Restore(ids[0])
	w.sync()
	if a := w.mustAccount(ids[0]); a.ID != first[ids[0]] || !a.Active || a.UserName != "back@example.test" {
		t.Errorf("restored: %s, %s, active %t", a.ID, a.UserName, a.Active)
	}
	time.Sleep(2 * day)
	w.dir.Advance(2 * day)
	w.sync()
	w.wrote(map[string]int{deleteUser: 1})
	if _, there := w.account(ids[1]); there {
		t.Error("who was purged has an account")
	}
	heir := w.assigned("gone")[0]
	w.sync()
	w.wrote(map[string]int{postUser: 1})
	if a := w.mustAccount(heir); a.ID == first[ids[1]] {
		t.Error("the heir of the name has the account of the one before")
	}
	w.inStep()
	w.quiet()
}

// acceptRestored: whoever comes back from the bin gets the name back first. Without it the account stays inactive (U18b), and
// so it does for somebody who is not entitled any more (U19, U20).
func acceptRestored(t *testing.T) {
	w := bubble(t, setting{app: withBodies})
	ids := w.assigned("ann", "unassigned", "blocked", "taken")
	w.sync()
	for _, id := range ids {
		w.dir.SoftDelete(id)
	}
	w.sync()
	w.dir.Unassign(ids[1])
	w.sync()
	for _, id := range ids {
		w.dir.Restore(id)
	}
	w.dir.UpdateUser(ids[2], map[string]any{"accountEnabled": false})
	squatter := w.there("taken@example.test", true)
	c := w.cycle()
	if c.State != engine.CycleEntryErrors || c.Counts["users.failed"] != 1 {
		t.Errorf("ended %s, %v%s", c.State, c.Counts, w.failures(c.ID))
	}
	for i, want := range []struct {
		name, rule string
		active     bool
		link       engine.LinkState
	}{
		{"ann@example.test", "U18", true, engine.Managed},
		{"unassigned@example.test", "U19", false, engine.Released},
		{"blocked@example.test", "U20", false, engine.Suspended},
	} {
		if a := w.mustAccount(ids[i]); a.UserName != want.name || a.Active != want.active {
			t.Errorf("%s: %s, active %t", want.rule, a.UserName, a.Active)
		}
		if r := w.lastRow(ids[i]); string(r.Rule) != want.rule {
			t.Errorf("%s: the log says %s", want.rule, r.Rule)
		}
		w.linked(ids[i], want.link)
	}
	if a := w.mustAccount(ids[3]); a.Active {
		t.Errorf("U18b: the name is taken, and the account is active as %s", a.UserName)
	}
	w.noted(ids[3], engine.StatusFailure, string(engine.CodeConflict))
	w.linked(ids[3], engine.Suspended)
	w.gone(squatter)
	w.after(40 * time.Minute)
	if a := w.mustAccount(ids[3]); !a.Active || a.UserName != "taken@example.test" {
		t.Errorf("once the name is free: %s, active %t", a.UserName, a.Active)
	}
	w.inStep()
	w.quiet()
}

func acceptRename(t *testing.T) {
	w := bubble(t, setting{})
	id := w.assigned("ann")[0]
	w.sync()
	was := w.mustAccount(id)
	w.dir.UpdateUser(id, map[string]any{"userPrincipalName": "berg@example.test"})
	w.sync()
	if d := cmp.Diff(map[string]int{patchUser: 1}, w.app.Requests().By); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
	if now := w.mustAccount(id); now.ID != was.ID || now.UserName != "berg@example.test" {
		t.Errorf("the account is %s, %s", now.ID, now.UserName)
	}
	if r := w.lastRow(id); r.Rule != "U24" {
		t.Errorf("the log says %s", r.Rule)
	}
	w.quiet()
}

func acceptSkipOutOfScope(t *testing.T) {
	w := bubble(t, setting{options: engine.Options{SkipOutOfScope: true}})
	id := w.assigned("ann")[0]
	w.sync()
	was := w.mustAccount(id)
	w.dir.Unassign(id)
	w.sync()
	w.wrote(map[string]int{})
	w.noted(id, engine.StatusSkipped, string(engine.SkipOutOfScope))
	w.linked(id, engine.Released)
	w.dir.UpdateUser(id, map[string]any{"surname": "Berg"})
	w.quiet()
	w.dir.Assign(id, graphtest.ZeroRole)
	w.sync()
	n := w.app.Requests().By
	if n["GET /Users"] != 0 || n[postUser] != 0 || n[patchUser] != 1 {
		t.Errorf("assigned again: %v, want an update without a search", n)
	}
	if now := w.mustAccount(id); now.ID != was.ID || accountOf(now).Family != "Berg" {
		t.Errorf("the account is %+v", now)
	}
	w.linked(id, engine.Managed)
	w.quiet()
}

func acceptActions(t *testing.T) {
	only := func(a mapping.Actions) *mapping.Mapping {
		m := mapping.Default()
		m.Users.Actions = a
		return &m
	}
	w := bubble(t, setting{})
	ids := w.assigned("ann", "bob", "eve")
	w.sync()
	w.job.Mapping = *only(mapping.Actions{Create: true, Delete: true})
	w.sync()
	w.dir.UpdateUser(ids[0], map[string]any{"accountEnabled": false})
	w.quiet()
	w.noted(ids[0], engine.StatusSkipped, string(engine.UpdateDisabled))

	w.job.Mapping = *only(mapping.Actions{Create: true, Update: true})
	w.sync() // the disable follows
	if w.mustAccount(ids[0]).Active {
		t.Error("who is blocked is active although updates are on again")
	}
	w.dir.HardDelete(ids[1])
	w.quiet()
	w.noted(ids[1], engine.StatusSkipped, string(engine.DeleteDisabled))

	w.job.Mapping = *only(mapping.Actions{Update: true, Delete: true})
	w.sync()
	fresh := w.assigned("fresh", "known")
	w.there("known@example.test", true)
	w.sync()
	w.wrote(map[string]int{patchUser: 1})
	w.noted(fresh[0], engine.StatusSkipped, string(engine.CreateDisabled))
	if a := w.mustAccount(fresh[1]); a.DisplayName != "known Test" {
		t.Errorf("the match says %q", a.DisplayName)
	}
}

func acceptGone(t *testing.T) {
	for _, parity := range []bool{false, true} {
		w := bubble(t, setting{options: engine.Options{MissingIsError: parity}})
		id := w.assigned("ann", "bob")[0]
		w.sync()
		was := w.mustAccount(id)
		w.gone(was)
		w.dir.UpdateUser(id, map[string]any{"surname": "Berg"})
		c := w.cycle()
		n := w.app.Requests().By
		if parity {
			if n[postUser] != 0 || c.State != engine.CycleEntryErrors {
				t.Errorf("parity: %s, %v", c.State, n)
			}
			w.noted(id, engine.StatusFailure, string(engine.CodeGone))
			w.linked(id, engine.Managed)
			continue
		}
		if n["GET /Users"] == 0 || n[postUser] != 1 || c.State != engine.CycleSucceeded {
			t.Errorf("%s, %v: want a search and a create", c.State, n)
		}
		if now := w.mustAccount(id); now.ID == was.ID || accountOf(now).Family != "Berg" {
			t.Errorf("the account is %+v", now)
		}
		w.quiet()
	}
}

func acceptGuests(t *testing.T) {
	w := bubble(t, setting{})
	for raw, want := range map[string]string{
		"bob_fabrikam.com#EXT#@contoso.onmicrosoft.com":         "bob@fabrikam.com",
		"a_b_fabrikam.com#EXT#@contoso.onmicrosoft.com":         "a_b@fabrikam.com",
		"eve_fabrikam.com#ext#@contoso.onmicrosoft.com":         "eve@fabrikam.com",
		"nounderscore#EXT#@contoso.onmicrosoft.com":             "nounderscore#EXT#@contoso.onmicrosoft.com",
		"first.last_sub.fabrikam.com#EXT#@contoso.example.test": "first.last@sub.fabrikam.com",
	} {
		id := w.dir.AddUser(graphtest.User{UserPrincipalName: raw, DisplayName: "Guest", UserType: "Guest"})
		w.dir.Assign(id, graphtest.ZeroRole)
		old := w.there("taken-"+want, true) // somebody else
		w.sync()
		if got := w.mustAccount(id); got.UserName != want || got.ID == old.ID {
			t.Errorf("%s is %s, want %s", raw, got.UserName, want)
		}
		status := engine.StatusSuccess
		if raw == want { // there is no address at home in it
			status = engine.StatusWarning
		}
		if row := w.lastRow(id); row.Status != status {
			t.Errorf("%s: the row is of status %s: %s", raw, row.Status, row.Detail)
		}
	}
	known := w.there("match@fabrikam.com", true) // matched by the address, too
	id := w.dir.AddUser(graphtest.User{UserPrincipalName: "match_fabrikam.com#EXT#@contoso.onmicrosoft.com", DisplayName: "Guest"})
	w.dir.Assign(id, graphtest.ZeroRole)
	w.sync()
	if got := w.mustAccount(id); got.ID != known.ID {
		t.Error("a guest was not matched by the own address")
	}
	w.quiet()
}

func acceptAmbiguous(t *testing.T) {
	m := mapping.Default()
	byName, problems := mapping.Compile(mapping.ObjectSpec{Attributes: []mapping.AttributeSpec{
		{Target: "userName", Source: "[userPrincipalName]"},
		{Target: "active", Source: "Not([IsSoftDeleted])"},
		{Target: "displayName", Source: "[displayName]", Match: 1},
		{Target: "externalId", Source: "[objectId]"},
	}})
	for _, p := range problems {
		t.Fatal(p)
	}
	m.Users = byName
	w := bubble(t, setting{mapping: &m})
	add := func(name, display string) string {
		id := w.dir.AddUser(graphtest.User{UserPrincipalName: name + "@example.test", DisplayName: display})
		w.dir.Assign(id, graphtest.ZeroRole)
		return id
	}
	at := func(name, display string) scimtest.Resource {
		id, err := w.app.AddUser(map[string]any{"userName": name, "displayName": display, "active": true})
		if err != nil {
			t.Fatal(err)
		}
		r, _ := w.app.ByID(id)
		return r
	}
	ann := add("ann", "Ann")
	one, two := at("one", "Ann"), at("two", "Ann")
	first := add("first", "Twin")
	shared := at("shared", "Twin")
	if c := w.cycle(); c.State != engine.CycleEntryErrors || c.Counts["users.failed"] != 1 {
		t.Fatalf("ended %s, %v", c.State, c.Counts)
	}
	w.noted(ann, engine.StatusFailure, string(engine.CodeDuplicateTarget))
	for _, was := range []scimtest.Resource{one, two} {
		if now, _ := w.app.ByID(was.ID); now.Version != was.Version || now.ExternalID != "" {
			t.Errorf("one of two matches was changed: %+v", now)
		}
	}
	if got := w.mustAccount(first); got.ID != shared.ID {
		t.Fatal("the one match was not taken over")
	}
	second := add("second", "Twin")
	w.cycle()
	w.noted(second, engine.StatusFailure, string(engine.CodeDuplicateSource))
	if got := w.mustAccount(first); got.ID != shared.ID || got.UserName != "first@example.test" {
		t.Errorf("the account of the first twin is %+v", got)
	}
	w.linked(second, engine.LinkNone)
}

func acceptFilterIgnored(t *testing.T) {
	w := bubble(t, setting{app: scimtest.Options{Quirks: scimtest.Quirks{IgnoreFilter: true}}})
	var strangers []scimtest.Resource
	for _, name := range []string{"x1", "x2", "x3"} {
		strangers = append(strangers, w.there(name+"@example.test", true))
	}
	ids := w.assigned("ann", "bob")
	for range 3 {
		w.after(40 * time.Minute)
	}
	for _, was := range strangers {
		if now, ok := w.app.ByID(was.ID); !ok || now.Version != was.Version || now.ExternalID != "" {
			t.Errorf("%s was taken for somebody else: %+v", was.UserName, now)
		}
	}
	for _, id := range ids {
		if l := w.linkOf(id); l.State != engine.LinkNone && l.MatchedBy != "created" {
			t.Errorf("linked: %+v", l)
		}
	}
	w.app.Change(func(q *scimtest.Quirks) { q.IgnoreFilter = false })
	w.after(6 * time.Hour)
	w.inStep()
}
