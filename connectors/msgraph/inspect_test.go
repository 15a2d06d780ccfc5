package msgraph

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

func nested(c *Config) { c.Nested = true }

func inspect(t *testing.T, src *Source, k engine.Kind, by string, members []string) engine.Inspection {
	t.Helper()
	in, err := src.Inspect(t.Context(), k, by, members)
	if err != nil {
		t.Fatalf("inspect %s: %v", k, err)
	}
	return in
}

// edgesIn are edges in words: who is in whom, and who is managed by whom.
func edgesIn(in engine.Inspection, names map[string]string) []string {
	var out []string
	for _, e := range in.Edges {
		line := fmt.Sprintf("%s %s %s", names[e.From.ID], e.Relation, names[e.To.ID])
		if e.Removed {
			line += " no more"
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func groupsIn(in engine.Inspection, names map[string]string) []string {
	var out []string
	for _, g := range in.Groups {
		name := names[g.ID]
		if g.Conveys {
			name += "*"
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Rings, several ways to one group, and groups that are not security-enabled.
func TestNestedGroupsAreToldWithTheirEdges(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]graphtest.Settings{"calm": *calm(), "as the real service": graphtest.DefaultSettings()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := sandbox(t, graphtest.Options{Seed: 3, Settings: &settings}, nested)
			user := w.AddUser(graphtest.User{UserPrincipalName: "mira@example.test"})
			names := map[string]string{user: "mira"}
			group := func(name string, plain bool, members ...string) string {
				id := w.AddGroup(graphtest.Group{DisplayName: name, NotSecurity: plain, Members: members})
				names[id] = name
				return id
			}
			inner := group("inner", false, user)
			middle := group("middle", true, inner)
			outer := group("outer", false, middle, inner)
			top := group("top", false, outer, user)
			w.AddMember(middle, top) // a ring: middle is in outer is in top is in middle
			group("aside", false)
			w.Server.Assign(outer, "")
			w.Server.Assign(middle, w.AppRoles()[0].ID)

			in := inspect(t, w.src, engine.User, user, nil)
			if diff := cmp.Diff([]string{"inner*", "middle", "outer*", "top*"}, groupsIn(in, names)); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
			want := []string{"inner member mira", "middle member inner", "middle member top", "outer member inner", "outer member middle", "top member mira", "top member outer"}
			if diff := cmp.Diff(want, edgesIn(in, names)); diff != "" {
				t.Errorf("edges (-want +got):\n%s", diff)
			}
			if len(in.Assignments) != 2 {
				t.Errorf("assignments: %+v", in.Assignments)
			}

			in = inspect(t, w.open(t), engine.User, user, nil) // only the first level counts
			if diff := cmp.Diff([]string{"inner*", "top*"}, groupsIn(in, names)); diff != "" {
				t.Errorf("first level: groups (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"inner member mira", "top member mira"}, edgesIn(in, names)); diff != "" {
				t.Errorf("first level: edges (-want +got):\n%s", diff)
			}
			if len(in.Assignments) != 0 {
				t.Errorf("first level: assignments %+v", in.Assignments)
			}
		})
	}
}

// What one inspection costs, and that nobody goes first but a person who waits (GS-HT-5).
func TestInspectionCostsFewRequests(t *testing.T) {
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	var members []string
	for i := range 25 {
		members = append(members, w.AddUser(graphtest.User{UserPrincipalName: fmt.Sprintf("u%d@example.test", i), Mail: fmt.Sprintf("m%d@example.test", i)}))
	}
	mira := members[0]
	w.SetManager(mira, members[1])
	var last string
	for i := range 25 {
		last = w.AddGroup(graphtest.Group{DisplayName: fmt.Sprintf("g%d", i), Members: members})
		w.Server.Assign(last, "")
	}
	flat := w.AddUser(graphtest.User{UserPrincipalName: "flat@example.test"})
	deep := w.open(t, nested)
	for _, c := range []struct {
		name     string
		src      *Source
		kind     engine.Kind
		by       string
		members  []string
		requests int
	}{
		// by id; memberOf; groups in two batches; manager; application; its list
		{"a user in 25 groups", w.src, engine.User, mira, nil, 1 + 1 + 2 + 1 + 1 + 1},
		{"by principal name", w.src, engine.User, "u0@example.test", nil, 7},
		{"by mail", w.src, engine.User, "M0@example.test", nil, 8},
		{"a user in no group", w.src, engine.User, flat, nil, 5},
		{"nested groups, none of them inside another", deep, engine.User, mira, nil, 8},
		{"a group", w.src, engine.Group, last, nil, 1 + 1 + 1 + 1},
		{"a group without its members", w.src, engine.Group, last, []string{}, 3},
		{"a group with some", w.src, engine.Group, last, members[3:8], 4},
	} {
		w.ClearLog()
		in := inspect(t, c.src, c.kind, c.by, c.members)
		if in.Object.State != engine.Active || len(in.Assignments) != map[string]int{flat: 0, last: 1}[c.by] && len(in.Assignments) != 25 {
			t.Errorf("%s: got %+v", c.name, in)
		}
		if got := c.src.TakeRequests(); got.Sent != c.requests || got.Writes != 0 {
			t.Errorf("%s: %+v, want %d requests", c.name, got, c.requests)
		}
		for _, r := range w.Log() {
			if r.Header["X-Ms-Throttle-Priority"] != "high" || r.Header["Consistencylevel"] != "" {
				t.Errorf("%s: %s %s was sent with %v", c.name, r.Method, r.Path, r.Header)
			}
		}
	}
}

// Of an application with more assignments than one page shows, the principals are asked, where that is allowed.
func TestAssignmentsOfALargeApplication(t *testing.T) {
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	mira := w.AddUser(graphtest.User{UserPrincipalName: "mira@example.test"})
	crew := w.AddGroup(graphtest.Group{DisplayName: "crew", Members: []string{mira}})
	other := w.AddServicePrincipal("other", nil)
	w.AssignTo(other, mira, "")
	w.Server.Assign(mira, "")
	w.Server.Assign(crew, w.AppRoles()[1].ID)
	for i := range 1200 {
		w.Server.Assign(w.AddUser(graphtest.User{UserPrincipalName: fmt.Sprintf("u%d@example.test", i)}), "")
	}
	want := inspect(t, w.src, engine.User, mira, nil).Assignments
	if len(want) != 2 || want[0].Principal.ID == want[1].Principal.ID {
		t.Fatalf("got %+v", want)
	}
	singly := 0
	for _, r := range w.Log() {
		if strings.HasSuffix(r.Path, "/appRoleAssignments") {
			singly++
		}
		if r.Page > 1 {
			t.Errorf("page %d of %s was read", r.Page, r.Path)
		}
	}
	if singly != 2 {
		t.Errorf("%d principals were asked", singly)
	}

	// Application.Read.All reads the list, and nothing of principals.
	least := w.open(t, func(c *Config) { c.AccessToken = engine.NewSecret("emu-t1-users+groups+apps") })
	for i, requests := range []int{6 + 1 + 1, 6} { // the refusal, the list again from its start; next time the list at once
		least.TakeRequests()
		got := inspect(t, least, engine.User, mira, nil).Assignments
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("time %d (-asked +listed):\n%s", i+1, diff)
		}
		if n := least.TakeRequests().Sent; n != requests+1 {
			t.Errorf("time %d: %d requests, want %d", i+1, n, requests+1)
		}
	}
}

// A group of several pages, of which few members are asked for.
func TestMembersOfALargeGroup(t *testing.T) {
	t.Parallel()
	settings := graphtest.DefaultSettings()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: &settings})
	var members []string
	for i := range 2100 {
		members = append(members, w.AddUser(graphtest.User{UserPrincipalName: fmt.Sprintf("u%d@example.test", i)}))
	}
	inner, stranger := w.AddGroup(graphtest.Group{DisplayName: "inner"}), w.AddUser(graphtest.User{UserPrincipalName: "stranger@example.test"})
	deleted := w.AddUser(graphtest.User{UserPrincipalName: "deleted@example.test"})
	crew := w.AddGroup(graphtest.Group{DisplayName: "crew", Members: append(slices.Clone(members), inner, w.AddDevice("laptop"), deleted)})
	w.SoftDelete(deleted)

	all := inspect(t, w.src, engine.Group, "crew", nil)
	if len(all.Edges) != 2101 { // neither devices nor people in the recycle bin
		t.Errorf("%d members", len(all.Edges))
	}
	w.ClearLog()
	asked := []string{members[3], members[1044], members[2099], inner, stranger, deleted, "5b0e7f4a-1c5e-4b0e-9d55-3f0c2a6d1101", "u7@example.test"}
	some := inspect(t, w.src, engine.Group, crew, asked)
	got := map[engine.Ref]bool{}
	for _, e := range some.Edges {
		got[e.To] = !e.Removed
	}
	user := func(id string) engine.Ref { return engine.Ref{Kind: engine.User, ID: id} }
	group := func(id string) engine.Ref { return engine.Ref{Kind: engine.Group, ID: id} }
	want := map[engine.Ref]bool{user(members[3]): true, user(members[1044]): true, user(members[2099]): true, user(members[7]): true, group(inner): true}
	for _, id := range []string{stranger, deleted, asked[6]} {
		want[user(id)], want[group(id)] = false, false
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	pages := 0
	for _, r := range w.Log() {
		if strings.HasSuffix(r.Path, "/members") {
			pages++
		}
	}
	if pages > 2 { // an empty page may come first
		t.Errorf("%d pages of members were read", pages)
	}
	if _, err := w.src.Inspect(t.Context(), engine.Group, crew, []string{"nobody@example.test"}); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("an unknown member by name: %v", err)
	}
}

// Guests are found by all of their names, and so are people in the recycle bin.
func TestUsersAreFoundByWhatTheyAreCalled(t *testing.T) {
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	add := func(u graphtest.User) string { return w.AddUser(u) }
	quote := add(graphtest.User{UserPrincipalName: "o'neil+a&b=c@example.test", Mail: "mail'o@example.test"})
	guest := add(graphtest.User{UserPrincipalName: "ann_lee_fabrikam.example#EXT#@contoso.example.test", UserType: "Guest"})
	mailed := add(graphtest.User{UserPrincipalName: "bob_fabrikam.example#EXT#@contoso.example.test", Mail: "bob@fabrikam.example", UserType: "Guest"})
	first := add(graphtest.User{UserPrincipalName: "first@example.test", Mail: "shared@example.test"})
	second := add(graphtest.User{UserPrincipalName: "second@example.test", Mail: "Shared@example.test"})
	named := add(graphtest.User{UserPrincipalName: "both@example.test", Mail: "x@example.test"})
	add(graphtest.User{UserPrincipalName: "other@example.test", Mail: "both@example.test"}) // the principal name goes first
	check := func(state engine.LifeState) {
		t.Helper()
		for by, want := range map[string]string{
			"o'neil+a&b=c@example.test": quote, "MAIL'O@example.test": quote,
			"ann_lee_fabrikam.example#EXT#@contoso.example.test": guest, "ann_lee@fabrikam.example": guest, "Ann_Lee@Fabrikam.example": guest,
			"bob_fabrikam.example#ext#@contoso.example.test": mailed, "bob@fabrikam.example": mailed,
			"both@example.test": named, strings.ToUpper(named): named,
		} {
			in := inspect(t, w.src, engine.User, by, nil)
			if in.Object.ID != want || in.Object.State != state {
				t.Errorf("%q: got %s %s, want %s %s", by, in.Object.ID, in.Object.State, want, state)
			}
			if state == engine.SoftDeleted && (!in.Object.Partial || len(in.Edges)+len(in.Groups)+len(in.Assignments) > 0) {
				t.Errorf("%q in the bin: got %+v", by, in)
			}
		}
		_, err := w.src.Inspect(t.Context(), engine.User, "shared@example.test", nil)
		want := []string{first, second}
		slices.Sort(want)
		if two, ok := errors.AsType[*engine.AmbiguousError](err); !ok || two.Name != "shared@example.test" || !slices.Equal(two.IDs, want) {
			t.Errorf("one mail of two: %v", err)
		}
	}
	check(engine.Active)
	for _, id := range []string{quote, guest, mailed, first, second, named} {
		w.SoftDelete(id)
	}
	w.HardDelete(add(graphtest.User{UserPrincipalName: "gone@example.test"}))
	if o := inspect(t, w.src, engine.User, "both@example.test", nil).Object; o.ID == named {
		t.Error("somebody in the bin goes before who has the mail now")
	}
	w.SoftDelete(inspect(t, w.src, engine.User, "both@example.test", nil).Object.ID)
	check(engine.SoftDeleted)
	_, err := w.src.Inspect(t.Context(), engine.User, "gone@example.test", nil)
	if !errors.Is(err, engine.ErrNotFound) || strings.Contains(err.Error(), "gone@") {
		t.Errorf("gone for good: %v", err)
	}
}

// The id of a deleted group is no user's.
func TestADeletedGroupIsNoUser(t *testing.T) {
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	g := w.AddGroup(graphtest.Group{DisplayName: "crew", Unified: true})
	w.Delete(g)
	if o := inspect(t, w.src, engine.Group, g, nil).Object; o.State != engine.SoftDeleted {
		t.Errorf("got %+v", o)
	}
	if in, err := w.src.Inspect(t.Context(), engine.User, g, nil); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("got %+v, %v", in.Object, err)
	}
	if found, err := w.src.Lookup(t.Context(), engine.User, []string{g}); err != nil || found[0].State != engine.HardDeleted {
		t.Errorf("got %+v, %v", found, err)
	}
}

// Only what the job reads is asked for, with the permissions that this takes.
func TestInspectionAsksForWhatTheJobReads(t *testing.T) {
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	mira := w.AddUser(graphtest.User{UserPrincipalName: "mira@example.test"})
	w.AddGroup(graphtest.Group{DisplayName: "crew", Members: []string{mira}})
	all := func(c *Config) {
		c.Scope, c.ServicePrincipalID, c.Select.Manager = engine.ScopeAll, "", false
		c.AccessToken = engine.NewSecret("emu-t1-users")
	}
	src := w.open(t, all)
	if in := inspect(t, src, engine.User, "mira@example.test", nil); len(in.Groups)+len(in.Edges)+len(in.Assignments) > 0 || src.TakeRequests().Sent != 1 {
		t.Errorf("got %+v", in)
	}
	for token, permission := range map[string]string{"groups+apps": "User.Read.All", "users+apps": "GroupMember.Read.All", "users+groups": "Application.Read.All"} {
		src := w.open(t, func(c *Config) { c.AccessToken = engine.NewSecret("emu-t1-" + token) })
		_, err := src.Inspect(t.Context(), engine.User, mira, nil)
		if se := wantCode(t, err, engine.CodeSourceForbidden); !strings.Contains(se.Message, permission) {
			t.Errorf("%s: %s", token, se.Message)
		}
	}
}

func TestInspectionUnderFaults(t *testing.T) {
	t.Parallel()
	throttled := graphtest.Fault{Effect: graphtest.Status, Status: 429, Times: 2, Header: map[string]string{"Retry-After": "7"}}
	for _, path := range []string{"/users/{}", "/users/{}/memberOf", "/users/{}/transitiveMemberOf", "/groups/{}/memberOf", "/users/{}/manager",
		"/servicePrincipals/{}", "/servicePrincipals/{}/appRoleAssignedTo"} {
		w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()}, nested)
		mira := w.AddUser(graphtest.User{UserPrincipalName: "mira@example.test"})
		inner := w.AddGroup(graphtest.Group{DisplayName: "inner", Members: []string{mira}})
		w.Server.Assign(w.AddGroup(graphtest.Group{DisplayName: "outer", Members: []string{inner}}), "")
		want := inspect(t, w.src, engine.User, mira, nil)
		before := w.clock.Now()
		f := throttled
		f.Match.Path = path
		w.AddFault(f)
		w.src.TakeRequests()
		if diff := cmp.Diff(want, inspect(t, w.src, engine.User, mira, nil)); diff != "" {
			t.Errorf("%s throttled (-before +after):\n%s", path, diff)
		}
		if got := w.src.TakeRequests(); got.Retries != 2 || w.clock.Now().Sub(before) < 14*time.Second || got.Waited < 14*time.Second {
			t.Errorf("%s: %+v in %v", path, got, w.clock.Now().Sub(before))
		}
		w.ClearFaults()
		w.AddFault(graphtest.Fault{Match: graphtest.Match{Path: path}, Effect: graphtest.Status, Status: 404, Code: "Request_ResourceNotFound"})
		got, err := w.src.Inspect(t.Context(), engine.User, mira, nil)
		switch path { // what has gone since the step before
		case "/users/{}":
			if !errors.Is(err, engine.ErrNotFound) {
				t.Errorf("%s gone: %v", path, err)
			}
		case "/users/{}/memberOf", "/users/{}/transitiveMemberOf":
			if se := wantCode(t, err, engine.CodeSourceUnavailable); !se.Transient {
				t.Errorf("%s gone: held against the job", path)
			}
		case "/servicePrincipals/{}", "/servicePrincipals/{}/appRoleAssignedTo":
			wantCode(t, err, engine.CodeSourceApplication)
		default:
			if err != nil || got.Object.ID != mira {
				t.Errorf("%s gone: %+v, %v", path, got, err)
			}
		}
	}
}

// What else can be in a group is neither told by the feed nor by the group.
func TestOnlyUsersAndGroupsAreMembers(t *testing.T) { // GS-GR-5
	t.Parallel()
	types := []string{"user", "group", "device", "orgContact", "servicePrincipal", "application", "administrativeUnit", "somethingNew"}
	var items []string
	for _, typ := range types {
		items = append(items, fmt.Sprintf(`{"@odata.type":"#microsoft.graph.%s","id":"the-%s"}`, typ, strings.ToUpper(typ)))
	}
	list := strings.Join(items, ",")
	var base string
	src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/delta"):
			say(w, `{"value":[{"id":%q,"members@delta":[%s]}],"@odata.deltaLink":"%s/groups/delta?$deltatoken=2"}`, crew, list, base)
		case strings.HasSuffix(r.URL.Path, "/members"):
			say(w, `{"value":[%s]}`, list)
		default:
			say(w, `{"id":%q}`, crew)
		}
	}, func(c *Config) { c.Scope, c.Select.Groups = engine.ScopeAll, []string{"displayName"} })
	base = s.url
	told := func(edges []engine.Edge) []string {
		var out []string
		for _, e := range edges {
			out = append(out, fmt.Sprint(e.To.Kind, " ", e.To.ID, " ", e.Removed))
		}
		slices.Sort(out)
		return out
	}
	want := []string{"group the-group false", "user the-user false"}
	if diff := cmp.Diff(want, told(mustFollow(t, src, engine.FeedGroups, "").Edges)); diff != "" {
		t.Errorf("the feed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, told(inspect(t, src, engine.Group, crew, nil).Edges)); diff != "" {
		t.Errorf("the group (-want +got):\n%s", diff)
	}
}

// A group that vanishes between two requests conveys nothing.
func TestAGroupThatGoesAwayMeanwhile(t *testing.T) {
	t.Parallel()
	src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/memberOf"):
			say(w, `{"value":[{"@odata.type":"#microsoft.graph.group","id":%q},{"@odata.type":"#microsoft.graph.directoryRole","id":"r1"}]}`, strings.ToUpper(crew))
		case strings.HasPrefix(r.URL.Path, "/v1.0/users/"):
			say(w, `{"id":%q}`, mira)
		case strings.HasSuffix(r.URL.Path, "/appRoleAssignedTo"):
			say(w, `{"value":[{"id":"A","appRoleId":%q,"principalType":"Group","principalId":%q}]}`, zeroRole, crew)
		case strings.HasPrefix(r.URL.Path, "/v1.0/servicePrincipals/"):
			say(w, `{"id":%q}`, appID)
		default:
			fail(w, 404, "Request_ResourceNotFound")
		}
	})
	in := inspect(t, src, engine.User, mira, nil)
	if len(in.Groups)+len(in.Edges)+len(in.Assignments) > 0 {
		t.Errorf("got %+v", in)
	}
	if waited := s.clock.Now().Sub(begin); waited < hesitation {
		t.Errorf("it was given %v to show up", waited)
	}
}
