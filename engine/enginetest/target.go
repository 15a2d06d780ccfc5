package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// TargetWorld is the application behind a target, as its administrator sees and changes it. Values
// are in the canonical spelling of RFC 7643.
type TargetWorld interface {
	// Add makes an object that was not provisioned by us and returns its id.
	Add(k engine.Kind, attributes map[string]any) string
	// Object returns the object as it is now; false if there is none.
	Object(k engine.Kind, id string) (map[string]any, bool)
	// Members returns the ids of the members of a group.
	Members(group string) []string
	// Remove deletes an object behind our back.
	Remove(k engine.Kind, id string)
	// Count returns how many objects there are.
	Count(k engine.Kind) int
	// Writes returns how many writing requests arrived so far.
	Writes() int
}

// LosesAnswers is a world that can apply the next create and never answer it.
type LosesAnswers interface {
	LoseNextCreate()
}

const managerPath = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"

// TestTarget is the suite that every [engine.Target] passes. open makes a target in front of an
// application without users and groups; both live as long as the subtest.
func TestTarget(t *testing.T, open func(t *testing.T) (engine.Target, TargetWorld)) {
	for _, c := range []struct {
		name string
		test func(*testing.T, engine.Target, TargetWorld)
	}{
		{"create", targetCreates},
		{"create/conflict", targetFindsConflicts},
		{"create/lost answer", targetSettlesLostCreates},
		{"find", targetFinds},
		{"find/values that look like syntax", targetFindsOddValues},
		{"get", targetGets},
		{"update", targetUpdates},
		{"update/nothing", targetSendsNothing},
		{"update/clear", targetClears},
		{"update/gone", targetReportsGone},
		{"disable and enable", targetDisables},
		{"rename with disable", targetRenamesWithDisable},
		{"manager", targetSetsManagers},
		{"delete", targetDeletes},
		{"members", targetChangesMembers},
		{"members/again", targetRepeatsMembers},
		{"members/gone", targetReportsGoneGroup},
		{"empty", targetTellsEmpty},
		{"check", targetChecks},
		{"meter", targetMeters},
		{"cancelled", targetStops},
		{"concurrent", targetIsConcurrent},
		{"list", targetLists},
		{"members/read", targetReadsMembers},
	} {
		t.Run(c.name, func(t *testing.T) {
			target, world := open(t)
			c.test(t, target, world)
		})
	}
}

func value(path string, v any) engine.Value {
	p := mapping.MustPath(path)
	return engine.Value{Path: p, Definition: mapping.DefinitionOf(p), Value: v}
}

func change(path string, old, want any) engine.AttributeChange {
	p := mapping.MustPath(path)
	return engine.AttributeChange{Path: p, Definition: mapping.DefinitionOf(p), Old: old, New: want}
}

// person is a user with an attribute of every shape that the default mapping knows.
func person(name string) []engine.Value {
	return []engine.Value{
		value("userName", name+"@fabrikon.example"),
		value("active", true),
		value("displayName", "Person "+name),
		value("title", "Pilot"),
		value(`emails[type eq "work"].value`, name+"@fabrikon.example"),
		value("name.givenName", name),
		value("name.familyName", "Ahlgren"),
		value("externalId", "ext-"+name),
		value("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "Pilotage"),
	}
}

func byName(name string) []engine.Value {
	return []engine.Value{value("userName", name+"@fabrikon.example")}
}

func mustCreate(t *testing.T, target engine.Target, name string) string {
	t.Helper()
	made, err := target.Create(t.Context(), engine.User, person(name), byName(name))
	if err != nil {
		t.Fatalf("create %s: %v", name, detail(err))
	}
	if made.ID == "" || made.Existing {
		t.Fatalf("create %s: got id %q, existing %t", name, made.ID, made.Existing)
	}
	return made.ID
}

func mustCreateGroup(t *testing.T, target engine.Target, name string) string {
	t.Helper()
	by := []engine.Value{value("displayName", name)}
	made, err := target.Create(t.Context(), engine.Group, []engine.Value{value("displayName", name), value("externalId", "g-"+name)}, by)
	if err != nil {
		t.Fatalf("create group %s: %v", name, detail(err))
	}
	return made.ID
}

func mustUpdate(t *testing.T, target engine.Target, k engine.Kind, id string, changes ...engine.AttributeChange) engine.Updated {
	t.Helper()
	got, err := target.Update(t.Context(), k, id, changes)
	if err != nil {
		t.Fatalf("update: %v", detail(err))
	}
	return got
}

// detail adds to an error what the server said, which its text leaves out on purpose.
func detail(err error) string {
	if te, ok := errors.AsType[*engine.TargetError](err); ok {
		return fmt.Sprintf("%v (outcome %s: %s)", err, te.Outcome, te.Detail)
	}
	return fmt.Sprint(err)
}

func wantOutcome(t *testing.T, err error, want engine.Outcome) {
	t.Helper()
	te, ok := errors.AsType[*engine.TargetError](err)
	if !ok || te.Outcome != want {
		t.Fatalf("got error %s, want outcome %s", detail(err), want)
	}
}

func read(t *testing.T, w TargetWorld, k engine.Kind, id, path string) any {
	t.Helper()
	o, ok := w.Object(k, id)
	if !ok {
		t.Fatalf("no %s with id %s", k, id)
	}
	return mapping.MustPath(path).Read(o)
}

func wantRead(t *testing.T, w TargetWorld, k engine.Kind, id, path string, want any) {
	t.Helper()
	p := mapping.MustPath(path)
	if got := read(t, w, k, id, path); !mapping.Equal(mapping.DefinitionOf(p), want, got) {
		t.Errorf("%s of %s: got %v, want %v", path, id, got, want)
	}
}

func targetCreates(t *testing.T, target engine.Target, w TargetWorld) {
	id := mustCreate(t, target, "noor")
	for _, v := range person("noor") {
		wantRead(t, w, engine.User, id, v.Path.String(), v.Value)
	}
	group := mustCreateGroup(t, target, "Harbour Pilots")
	wantRead(t, w, engine.Group, group, "displayName", "Harbour Pilots")
	if got := w.Members(group); len(got) != 0 {
		t.Errorf("a new group has members: %v", got)
	}
	_, err := target.Create(t.Context(), engine.User, []engine.Value{value("displayName", "nameless")}, nil)
	if err == nil || w.Count(engine.User) != 1 {
		t.Errorf("a user without userName: got %v and %d users", err, w.Count(engine.User))
	}
}

func targetFindsConflicts(t *testing.T, target engine.Target, w TargetWorld) {
	old := w.Add(engine.User, map[string]any{"userName": "noor@fabrikon.example", "title": "Captain", "externalId": "other"})
	made, err := target.Create(t.Context(), engine.User, person("noor"), byName("noor"))
	if err != nil {
		t.Fatalf("create of a taken name: %v", detail(err))
	}
	if made.ID != old || !made.Existing || !made.MatchedBy.Same(mapping.MustPath("userName")) {
		t.Errorf("got id %s, existing %t, matched by %s; want the existing %s", made.ID, made.Existing, made.MatchedBy, old)
	}
	wantRead(t, w, engine.User, old, "title", "Captain")

	// Matched by an attribute that differs, the account belongs to somebody else and is not handed over.
	_, err = target.Create(t.Context(), engine.User, person("noor"), []engine.Value{value("externalId", "ext-noor")})
	te, ok := errors.AsType[*engine.TargetError](err)
	if !ok || te.Code != engine.CodeConflict || te.Outcome != engine.OutcomeEscrow {
		t.Errorf("conflict with a stranger: got %s, want a conflict in escrow", detail(err))
	}
}

func targetSettlesLostCreates(t *testing.T, target engine.Target, w TargetWorld) {
	lossy, ok := w.(LosesAnswers)
	if !ok {
		t.Skip("this world answers every create")
	}
	lossy.LoseNextCreate()
	made, err := target.Create(t.Context(), engine.User, person("noor"), byName("noor"))
	if err != nil {
		t.Fatalf("create without an answer: %v", detail(err))
	}
	if w.Count(engine.User) != 1 {
		t.Fatalf("got %d users, want one", w.Count(engine.User))
	}
	wantRead(t, w, engine.User, made.ID, "userName", "noor@fabrikon.example")
}

func targetFinds(t *testing.T, target engine.Target, w TargetWorld) {
	id := mustCreate(t, target, "noor")
	mustCreate(t, target, "noora")
	for _, c := range []struct {
		name string
		by   []engine.Value
		want []string
		path string
	}{
		{"by name", byName("noor"), []string{id}, "userName"},
		{"in another case", []engine.Value{value("userName", "NOOR@fabrikon.example")}, []string{id}, "userName"},
		{"by a typed element", []engine.Value{value(`emails[type eq "work"].value`, "noor@fabrikon.example")}, []string{id}, `emails[type eq "work"].value`},
		{"by the second attribute", append([]engine.Value{value("externalId", "none")}, byName("noor")...), []string{id}, "userName"},
		{"nobody", byName("nobody"), nil, ""},
		{"nothing to search by", []engine.Value{value("userName", "")}, nil, ""},
	} {
		found, by, err := target.Find(t.Context(), engine.User, c.by)
		if err != nil {
			t.Errorf("%s: %v", c.name, detail(err))
			continue
		}
		var ids []string
		for _, r := range found {
			ids = append(ids, r.ID)
		}
		if !slices.Equal(ids, c.want) || by.String() != c.path {
			t.Errorf("%s: got %v by %q, want %v by %q", c.name, ids, by, c.want, c.path)
		}
	}
	group := mustCreateGroup(t, target, "Harbour Pilots")
	found, _, err := target.Find(t.Context(), engine.Group, []engine.Value{value("displayName", "Harbour Pilots")})
	if err != nil || len(found) != 1 || found[0].ID != group {
		t.Errorf("group by name: got %v, %v", found, err)
	}
	if len(found) == 1 && found[0].Attributes["members"] != nil {
		t.Errorf("a found group shows members")
	}
}

func targetFindsOddValues(t *testing.T, target engine.Target, w TargetWorld) {
	for _, odd := range []string{"o+neil", "a&b=c", "50%25", "hash#tag", "o'neil", "zoë-ø", "emoji-😀", "a b", "slash/x", "semi;colon", "br[ack]et"} {
		id := w.Add(engine.User, map[string]any{"userName": odd, "externalId": odd})
		for _, path := range []string{"userName", "externalId"} {
			found, _, err := target.Find(t.Context(), engine.User, []engine.Value{value(path, odd)})
			if err != nil || len(found) != 1 || found[0].ID != id {
				t.Errorf("%s %q: got %d results, %v", path, odd, len(found), detail(err))
			}
		}
	}
}

func targetGets(t *testing.T, target engine.Target, w TargetWorld) {
	id := mustCreate(t, target, "noor")
	r, err := target.Get(t.Context(), engine.User, id)
	if err != nil {
		t.Fatalf("get: %v", detail(err))
	}
	if r.ID != id {
		t.Errorf("got id %q, want %q", r.ID, id)
	}
	for _, v := range person("noor") {
		if got := r.Read(v.Path); !mapping.Equal(v.Definition, v.Value, got) {
			t.Errorf("%s: got %v, want %v", v.Path, got, v.Value)
		}
	}
	_, err = target.Get(t.Context(), engine.User, "no-such-id")
	wantOutcome(t, err, engine.OutcomeRematch)
	w.Remove(engine.User, id)
	_, err = target.Get(t.Context(), engine.User, id)
	wantOutcome(t, err, engine.OutcomeRematch)
}

func targetUpdates(t *testing.T, target engine.Target, w TargetWorld) {
	id := mustCreate(t, target, "noor")
	mustUpdate(t, target, engine.User, id,
		change("title", "Pilot", "Senior pilot"),
		change("displayName", "Person noor", "Noor A."),
		change("name.familyName", "Ahlgren", "Ahlgren-Voss"),
		change("name.middleName", nil, "Ida"),
		change("nickName", nil, "No"),
		change(`emails[type eq "work"].value`, "noor@fabrikon.example", "noor@port.example"),
		change(`phoneNumbers[type eq "mobile"].value`, nil, "+47 900 00 042"),
		change("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "Pilotage", "Towage"),
		change("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber", nil, "10442"),
	)
	for path, want := range map[string]any{
		"title": "Senior pilot", "displayName": "Noor A.", "name.familyName": "Ahlgren-Voss", "name.middleName": "Ida", "name.givenName": "noor",
		"nickName": "No", `emails[type eq "work"].value`: "noor@port.example", `phoneNumbers[type eq "mobile"].value`: "+47 900 00 042",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":     "Towage",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber": "10442",
		"userName": "noor@fabrikon.example", "active": true,
	} {
		wantRead(t, w, engine.User, id, path, want)
	}
	if o, _ := w.Object(engine.User, id); len(o["emails"].([]any)) != 1 {
		t.Errorf("emails: got %v, want one", o["emails"])
	}
	group := mustCreateGroup(t, target, "Harbour Pilots")
	mustUpdate(t, target, engine.Group, group, change("displayName", "Harbour Pilots", "Port Pilots"))
	wantRead(t, w, engine.Group, group, "displayName", "Port Pilots")
}

func targetSendsNothing(t *testing.T, target engine.Target, w TargetWorld) {
	id := mustCreate(t, target, "noor")
	before := w.Writes()
	mustUpdate(t, target, engine.User, id)
	if got := w.Writes() - before; got != 0 {
		t.Errorf("an update without changes wrote %d times", got)
	}
}

func targetClears(t *testing.T, target engine.Target, w TargetWorld) {
	id := mustCreate(t, target, "noor")
	mustUpdate(t, target, engine.User, id, change("title", "Pilot", nil),
		change("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "Pilotage", nil))
	wantRead(t, w, engine.User, id, "title", nil)
	wantRead(t, w, engine.User, id, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", nil)
	wantRead(t, w, engine.User, id, "displayName", "Person noor")

	// What no account can be without is not cleared, and the caller is told so.
	got := mustUpdate(t, target, engine.User, id, change("userName", "noor@fabrikon.example", nil))
	wantRead(t, w, engine.User, id, "userName", "noor@fabrikon.example")
	if got.Now["username"] != "noor@fabrikon.example" {
		t.Errorf("Now: got %v, want the old userName", got.Now)
	}
}

func targetReportsGone(t *testing.T, target engine.Target, w TargetWorld) {
	id := mustCreate(t, target, "noor")
	w.Remove(engine.User, id)
	_, err := target.Update(t.Context(), engine.User, id, []engine.AttributeChange{change("title", "Pilot", "x")})
	wantOutcome(t, err, engine.OutcomeRematch)
	_, err = target.Update(t.Context(), engine.User, id, []engine.AttributeChange{change("active", true, false)})
	wantOutcome(t, err, engine.OutcomeRematch)
}

func targetDisables(t *testing.T, target engine.Target, w TargetWorld) {
	id := mustCreate(t, target, "noor")
	mustUpdate(t, target, engine.User, id, change("title", "Pilot", "Former pilot"), change("active", true, false))
	wantRead(t, w, engine.User, id, "active", false)
	wantRead(t, w, engine.User, id, "title", "Former pilot")
	mustUpdate(t, target, engine.User, id, change("active", false, true))
	wantRead(t, w, engine.User, id, "active", true)
}

func targetRenamesWithDisable(t *testing.T, target engine.Target, w TargetWorld) {
	id := mustCreate(t, target, "noor")
	rename := change("userName", "noor@fabrikon.example", "0a1b-noor@fabrikon.example")
	rename.SoftDelete = true
	mustUpdate(t, target, engine.User, id, rename, change("active", true, false))
	wantRead(t, w, engine.User, id, "active", false)
	wantRead(t, w, engine.User, id, "userName", "0a1b-noor@fabrikon.example")
	mustUpdate(t, target, engine.User, id, change("active", false, true), change("userName", "0a1b-noor@fabrikon.example", "noor@fabrikon.example"))
	wantRead(t, w, engine.User, id, "active", true)
	wantRead(t, w, engine.User, id, "userName", "noor@fabrikon.example")

	// A refused rename does not keep a leaver active, and is no failure.
	w.Add(engine.User, map[string]any{"userName": "taken@fabrikon.example"})
	rename = change("userName", "noor@fabrikon.example", "taken@fabrikon.example")
	rename.SoftDelete = true
	got := mustUpdate(t, target, engine.User, id, rename, change("active", true, false))
	wantRead(t, w, engine.User, id, "active", false)
	wantRead(t, w, engine.User, id, "userName", "noor@fabrikon.example")
	if len(got.Warnings) == 0 || got.Now["username"] != "noor@fabrikon.example" {
		t.Errorf("got warnings %q and now %v, want a warning and the old name", got.Warnings, got.Now)
	}
}

func targetSetsManagers(t *testing.T, target engine.Target, w TargetWorld) {
	id, boss, other := mustCreate(t, target, "noor"), mustCreate(t, target, "ida"), mustCreate(t, target, "liv")
	mustUpdate(t, target, engine.User, id, change(managerPath, nil, boss))
	wantRead(t, w, engine.User, id, managerPath, boss)
	mustUpdate(t, target, engine.User, id, change(managerPath, boss, other), change("title", "Pilot", "Deputy"))
	wantRead(t, w, engine.User, id, managerPath, other)
	wantRead(t, w, engine.User, id, "title", "Deputy")
	mustUpdate(t, target, engine.User, id, change(managerPath, other, nil))
	wantRead(t, w, engine.User, id, managerPath, nil)
}

func targetDeletes(t *testing.T, target engine.Target, w TargetWorld) {
	id, group := mustCreate(t, target, "noor"), mustCreateGroup(t, target, "Harbour Pilots")
	for range 2 { // what is gone already is success
		if err := target.Delete(t.Context(), engine.User, id); err != nil {
			t.Fatalf("delete user: %v", detail(err))
		}
		if err := target.Delete(t.Context(), engine.Group, group); err != nil {
			t.Fatalf("delete group: %v", detail(err))
		}
	}
	if u, g := w.Count(engine.User), w.Count(engine.Group); u != 0 || g != 0 {
		t.Errorf("got %d users and %d groups, want none", u, g)
	}
}

func targetTellsEmpty(t *testing.T, target engine.Target, w TargetWorld) {
	want := func(k engine.Kind, want bool) {
		t.Helper()
		target.TakeRequests()
		got, err := target.Empty(t.Context(), k)
		if err != nil || got != want {
			t.Errorf("empty of %ss: got %t, %v, want %t", k, got, err, want)
		}
		if n := target.TakeRequests().Sent; n > 1 {
			t.Errorf("it took %d requests, want one at most", n)
		}
	}
	want(engine.User, true)
	want(engine.Group, true)
	mustCreate(t, target, "noor")
	want(engine.User, false)
	want(engine.Group, true)
	mustCreateGroup(t, target, "Harbour Pilots")
	want(engine.Group, false)
}

func targetChecks(t *testing.T, target engine.Target, w TargetWorld) {
	mustCreate(t, target, "noor")
	before := w.Writes()
	findings, err := target.Check(t.Context(), map[engine.Kind][]engine.Path{
		engine.User: {mapping.MustPath("userName")}, engine.Group: {mapping.MustPath("displayName")},
	})
	if err != nil || engine.Failed(findings) || len(findings) == 0 {
		t.Errorf("got %v, %v, want findings without an error", findings, err)
	}
	if w.Writes() != before {
		t.Errorf("the connection test wrote")
	}
}

func targetMeters(t *testing.T, target engine.Target, w TargetWorld) {
	target.TakeRequests()
	id := mustCreate(t, target, "noor")
	if got := target.TakeRequests(); got.Sent != 1 || got.Writes != 1 || got.Retries != 0 {
		t.Errorf("a create cost %+v, want one writing request", got)
	}
	if _, err := target.Get(t.Context(), engine.User, id); err != nil {
		t.Fatal(err)
	}
	if got := target.TakeRequests(); got.Sent != 1 || got.Writes != 0 {
		t.Errorf("a read cost %+v, want one request that writes nothing", got)
	}
	if got := target.TakeRequests(); got != (engine.Requests{}) {
		t.Errorf("after taking: got %+v, want nothing", got)
	}
}

func targetStops(t *testing.T, target engine.Target, w TargetWorld) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := target.Create(ctx, engine.User, person("noor"), byName("noor")); !errors.Is(err, context.Canceled) {
		t.Errorf("create: got %v, want the error of the context", err)
	}
	if _, _, err := target.Find(ctx, engine.User, byName("noor")); !errors.Is(err, context.Canceled) {
		t.Errorf("find: got %v, want the error of the context", err)
	}
	if w.Count(engine.User) != 0 {
		t.Errorf("a cancelled create made a user")
	}
}

func targetIsConcurrent(t *testing.T, target engine.Target, w TargetWorld) {
	const n = 24
	group := mustCreateGroup(t, target, "Harbour Pilots")
	shared := mustCreate(t, target, "shared")
	ids := make([]string, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprintf("person%03d", i)
			made, err := target.Create(t.Context(), engine.User, person(name), byName(name))
			if err != nil {
				errs[i] = err
				return
			}
			ids[i] = made.ID
			if _, err := target.AddMembers(t.Context(), group, []string{made.ID}); err != nil {
				errs[i] = err
				return
			}
			_, errs[i] = target.Update(t.Context(), engine.User, shared, []engine.AttributeChange{change("title", "Pilot", fmt.Sprintf("Pilot %d", i))})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("concurrent calls: %v", detail(err))
	}
	wantMembers(t, w, group, ids)
}

func targetLists(t *testing.T, target engine.Target, w TargetWorld) {
	lister, ok := target.(engine.Lister)
	if !ok {
		t.Skip("this target does not list")
	}
	const n = 230
	want := map[string]bool{}
	for i := range n {
		want[w.Add(engine.User, map[string]any{"userName": fmt.Sprintf("u%03d", i)})] = true
	}
	got := map[string]bool{}
	complete, err := lister.List(t.Context(), engine.User, func(r engine.Resource) error {
		if got[r.ID] {
			t.Errorf("%s was listed twice", r.ID)
		}
		got[r.ID] = true
		return nil
	})
	if err != nil || !complete {
		t.Fatalf("list: complete %t, %v", complete, detail(err))
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %d objects, want %d", len(got), len(want))
	}
	stop := errors.New("enough")
	if _, err := lister.List(t.Context(), engine.User, func(engine.Resource) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a stopped listing: got %v, want the error of yield", err)
	}
}
