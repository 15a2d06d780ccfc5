package graphtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	mira = "5b0e7f4a-1c5e-4b0e-9d55-3f0c2a6d1101"
	noor = "0c7f1a90-55d2-4f16-8a0c-9b7d7e3f2202"
	crew = "9e0d4c11-7a33-4f5c-bb10-51e6b2d03303"
)

// small is a world with two users and a group, without chance.
func small(t testing.TB) (*Server, *client) {
	s, c := start(t, Options{Seed: 7, Settings: calm()})
	s.AddUser(User{ID: noor, UserPrincipalName: "noor@example.test", DisplayName: "Noor"})
	s.AddUser(User{ID: mira, UserPrincipalName: "mira.holt@example.test", DisplayName: "Mira Holt", Department: "Sales", ManagerID: noor})
	s.AddGroup(Group{ID: crew, DisplayName: "Tidal Crew", Members: []string{mira}})
	return s, c
}

// round asserts the items of one walk, in any order, and returns the deltaLink.
func (c *client) round(url string, want ...string) string {
	c.t.Helper()
	items, delta := c.drain(url)
	got := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(brief(items)), "\n") {
		got[line] = true
	}
	delete(got, "")
	expect := map[string]bool{}
	for _, w := range want {
		expect[w] = true
	}
	if d := cmp.Diff(expect, got); d != "" {
		c.t.Fatalf("items of %.60s (-want +got):\n%s", url, d)
	}
	if delta == "" {
		c.t.Fatal("no deltaLink at the end of the round")
	}
	return delta
}

func TestUsersFeed(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	link := c.round("/v1.0/users/delta?$select=department,displayName,manager",
		`{"displayName":"Noor","id":"`+noor+`"}`,
		`{"department":"Sales","displayName":"Mira Holt","id":"`+mira+`","manager@delta":[{"@odata.type":"#microsoft.graph.user","id":"`+noor+`"}]}`)

	before := link
	if link = c.round(link); link == before {
		t.Error("a poll without changes must give another deltaLink")
	}

	s.UpdateUser(mira, map[string]any{"department": nil, "jobTitle": "Captain"})
	link = c.round(link, `{"department":null,"displayName":"Mira Holt","id":"`+mira+`"}`)

	s.UpdateUser(mira, map[string]any{"jobTitle": "Sailor"}) // not selected
	link = c.round(link)

	third := s.AddUser(User{DisplayName: "Third"})
	s.SetManager(mira, third)
	items, link := c.drain(link)
	if len(items) != 2 {
		t.Fatalf("items: %s", brief(items))
	}
	for _, i := range items {
		if i["id"] == mira && len(i["manager@delta"].([]any)) != 2 {
			t.Errorf("a manager change must name both: %v", i)
		}
	}
	s.SetManager(mira, "")
	link = c.round(link, `{"department":null,"displayName":"Mira Holt","id":"`+mira+`","manager@delta":[{"@odata.type":"#microsoft.graph.user","@removed":{"reason":"deleted"},"id":"`+third+`"}]}`)

	s.SoftDelete(mira)
	link = c.round(link, `{"@removed":{"reason":"changed"},"id":"`+mira+`"}`)
	s.HardDelete(mira)
	link = c.round(link, `{"@removed":{"reason":"deleted"},"id":"`+mira+`"}`)
	c.round(link)
}

// A restore is seen only by those who select deletedDateTime, or nothing.
func TestRestoreVisibility(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query   string
		always  bool
		visible bool
	}{
		{"?$select=displayName", false, false},
		{"?$select=displayName", true, true},
		{"?$select=displayName,deletedDateTime", false, true},
		{"", false, true},
	} {
		s, c := small(t)
		set := Calm()
		set.RestoreAlwaysVisible = tt.always
		s.SetSettings(set)
		_, link := c.drain("/v1.0/users/delta" + tt.query)
		s.SoftDelete(mira)
		link = c.round(link, `{"@removed":{"reason":"changed"},"id":"`+mira+`"}`)
		s.Restore(mira)
		items, _ := c.drain(link)
		if got := len(items) == 1; got != tt.visible {
			t.Errorf("select %q, always %v: visible %v, want %v: %s", tt.query, tt.always, got, tt.visible, brief(items))
		}
		if tt.visible && strings.Contains(brief(items), "@removed") {
			t.Errorf("a restored user is live: %s", brief(items))
		}
	}
}

func TestThirtyDaysAfterSoftDelete(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	_, link := c.drain("/v1.0/users/delta?$select=displayName")
	s.SoftDelete(mira)
	_, link = c.drain(link)
	s.Advance(29 * 24 * time.Hour)
	set := Calm()
	set.DeltaTokenGrace = Duration(1000 * 24 * time.Hour)
	s.SetSettings(set)
	link = c.round(link)
	s.Advance(24 * time.Hour)
	c.round(link, `{"@removed":{"reason":"deleted"},"id":"`+mira+`"}`)
	c.get("/v1.0/directory/deletedItems/"+mira).want(t, 404)
}

func TestGroupsFeed(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	ref := func(id string) string { return `{"@odata.type":"#microsoft.graph.user","id":"` + id + `"}` }
	gone := func(id string) string {
		return `{"@odata.type":"#microsoft.graph.user","@removed":{"reason":"deleted"},"id":"` + id + `"}`
	}
	group := func(members string) string {
		if members != "" {
			members = `,"members@delta":[` + members + `]`
		}
		return `{"displayName":"Tidal Crew","id":"` + crew + `"` + members + `}`
	}
	link := c.round("/v1.0/groups/delta?$select=displayName,members", group(ref(mira)))

	s.AddMember(crew, noor)
	s.RemoveMember(crew, mira)
	link = c.round(link, group(gone(mira)+","+ref(noor)))

	s.UpdateGroup(crew, map[string]any{"description": "not selected"})
	link = c.round(link)

	// The end of a member's life is not told to its groups.
	s.SoftDelete(noor)
	link = c.round(link)
	if m := c.get("/v1.0/groups/" + crew + "/members?$select=id").value(); len(m) != 0 {
		t.Errorf("members lists a soft-deleted user: %v", m)
	}
	s.Restore(noor)
	link = c.round(link)
	if m := c.get("/v1.0/groups/" + crew + "/members?$select=id").value(); len(m) != 1 {
		t.Errorf("a restored user is no member any more: %v", m)
	}
	s.HardDelete(noor)
	link = c.round(link)

	s.UpdateGroup(crew, map[string]any{"displayName": "Tidal Crew 2"})
	link = c.round(link, `{"displayName":"Tidal Crew 2","id":"`+crew+`"}`)

	s.Delete(crew) // a security group: gone at once
	c.round(link, `{"@removed":{"reason":"deleted"},"id":"`+crew+`"}`)
}

func TestHardDeleteCanEmitRemoval(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	set := Calm()
	set.HardDeleteEmitsRemoval = true
	s.SetSettings(set)
	_, link := c.drain("/v1.0/groups/delta?$select=members")
	s.HardDelete(mira)
	c.round(link, `{"id":"`+crew+`","members@delta":[{"@odata.type":"#microsoft.graph.user","@removed":{"reason":"deleted"},"id":"`+mira+`"}]}`)
}

// A group of 9,993 members comes in about 20 slices, with other groups in between.
func TestLargeGroupComesInSlices(t *testing.T) {
	t.Parallel()
	s, c := start(t, Options{Seed: 3, Population: Population{Users: 9993}})
	var all []string
	for id := range s.Truth().Users {
		all = append(all, id)
	}
	big := s.AddGroup(Group{DisplayName: "Everybody", Members: all})
	for i := range 40 {
		s.AddGroup(Group{DisplayName: fmt.Sprint("Other ", i), Members: all[i*10 : i*10+5]})
	}
	items, _ := c.drain("/v1.0/groups/delta?$select=displayName,members")
	seen := map[string]bool{}
	slices, between := 0, 0
	for _, i := range items {
		if i["id"] != big {
			if slices > 0 {
				between++
			}
			continue
		}
		slices++
		if i["displayName"] != "Everybody" {
			t.Errorf("slice without the group's properties: %v", i["displayName"])
		}
		for _, m := range i["members@delta"].([]any) {
			seen[m.(map[string]any)["id"].(string)] = true
		}
	}
	if slices < 14 || slices > 30 || between == 0 {
		t.Errorf("%d slices with %d groups in between, want about 20 with some", slices, between)
	}
	if len(seen) != 9993 {
		t.Errorf("%d members, want 9993", len(seen))
	}
}

func TestLatest(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	r := c.get("/v1.0/users/delta?$deltatoken=latest&$select=displayName").want(t, 200)
	if len(r.value()) != 0 || r.link("deltaLink") == "" {
		t.Fatalf("latest: %s", r.raw)
	}
	link := c.round(r.link("deltaLink"))
	s.UpdateUser(noor, map[string]any{"displayName": "Noor B"})
	c.round(link, `{"displayName":"Noor B","id":"`+noor+`"}`)
}

func TestFilteredFeed(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	link := c.round("/v1.0/groups/delta?$select=displayName&$filter=id eq '"+crew+"' or id eq '"+strings.Repeat("0", 8)+"-0000-4000-8000-000000000000'",
		`{"displayName":"Tidal Crew","id":"`+crew+`"}`)
	s.AddGroup(Group{DisplayName: "Outside"})
	c.round(link)

	var ids []string
	for range 51 {
		ids = append(ids, "id eq '"+mira+"'")
	}
	for _, f := range []string{strings.Join(ids, " or "), "displayName eq 'x'", "id eq 'a' and id eq 'b'", "id ne 'a'"} {
		if r := c.get("/v1.0/users/delta?$filter="+f).want(t, 400); r.code() != "Request_UnsupportedQuery" {
			t.Errorf("filter %.40q: %s", f, r.raw)
		}
	}
}

func TestMinimalForm(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	_, link := c.drain("/v1.0/users/delta?$select=department,displayName")
	s.UpdateUser(mira, map[string]any{"department": "Support"})
	r := c.get(link, "Prefer", "return=minimal")
	if r.header.Get("Preference-Applied") != "return=minimal" {
		t.Errorf("no Preference-Applied: %v", r.header)
	}
	if d := cmp.Diff([]map[string]any{{"id": mira, "department": "Support"}}, r.value()); d != "" {
		t.Error(d)
	}
}

func TestGhosts(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		s, c := small(t)
		set := Calm()
		set.GhostTombstones = on
		s.SetSettings(set)
		_, link := c.drain("/v1.0/users/delta")
		s.HardDelete(s.AddUser(User{}))
		items, _ := c.drain(link)
		if (len(items) == 1) != on {
			t.Errorf("ghost tombstones %v: %s", on, brief(items))
		}
	}
}

func TestTargetIsFixedWhenTheRoundStarts(t *testing.T) {
	t.Parallel()
	for _, mixed := range []bool{false, true} {
		set := Calm()
		set.UserPage, set.MixedVisibility = 1, mixed
		s, c := start(t, Options{Seed: 1, Settings: &set})
		for i := range 3 {
			s.AddUser(User{DisplayName: fmt.Sprint("old ", i)})
		}
		r := c.get("/v1.0/users/delta?$select=displayName").want(t, 200)
		for id := range s.Truth().Users {
			s.UpdateUser(id, map[string]any{"displayName": "new"})
		}
		late := s.AddUser(User{DisplayName: "late"})
		items, link := c.drain(r.link("nextLink"))
		for _, i := range items {
			if (i["displayName"] == "new") != mixed {
				t.Errorf("mixed %v: a later page shows %v", mixed, i["displayName"])
			}
			if i["id"] == late {
				t.Error("an object created in the meantime belongs to the next round")
			}
		}
		if items, _ = c.drain(link); len(items) != 4 {
			t.Errorf("mixed %v: next round has %d items, want 4", mixed, len(items))
		}
	}
}

func TestReplays(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	set := Calm()
	set.ReplayRate = 1
	s.SetSettings(set)
	_, link := c.drain("/v1.0/users/delta?$select=displayName")
	s.UpdateUser(noor, map[string]any{"displayName": "Noor B"})
	_, link = c.drain(link)
	c.round(link, `{"displayName":"Noor B","id":"`+noor+`"}`)
}

func TestReusedLinkLosesChanges(t *testing.T) {
	t.Parallel()
	s, c := start(t, Options{Seed: 1, Settings: calm()})
	_, link := c.drain("/v1.0/users/delta?$select=displayName")
	for range 100 {
		s.AddUser(User{})
	}
	first, _ := c.drain(link)
	again, _ := c.drain(link)
	if len(first) != 100 || len(again) != 100 {
		t.Fatalf("%d and %d items, want 100 twice", len(first), len(again))
	}
	set := Calm()
	set.ReuseLosesChanges = true
	s.SetSettings(set)
	if lossy, _ := c.drain(link); len(lossy) == 100 || len(lossy) == 0 {
		t.Errorf("%d items, want some missing", len(lossy))
	}
}

func TestTokenDeaths(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode         TokenDeath
		status       int
		code         string
		location     bool
		onCursor     bool
		bodyContains string
	}{
		{Age, 400, "syncStateNotFound", false, false, ""},
		{Gone, 410, "resyncRequired", true, false, ""},
		{GoneBare, 410, "", false, false, ""},
		{Nested, 400, "BadRequest", false, false, `"innerError":{"code":"resyncRequired"}`},
		{Page, 400, "Directory_ExpiredPageToken", false, true, ""},
		{PageUnknown, 404, "UnknownError", false, true, `"message":""`},
	} {
		t.Run(string(tt.mode), func(t *testing.T) {
			set := Calm()
			set.UserPage = 1
			s, c := start(t, Options{Seed: 1, Settings: &set})
			s.AddUser(User{})
			s.AddUser(User{})
			_, delta := c.drain("/v1.0/users/delta?$select=displayName")
			next := c.get("/v1.0/users/delta?$select=displayName").link("nextLink")
			s.KillTokens("users", tt.mode)
			dead, alive := delta, next
			if tt.onCursor {
				dead, alive = next, delta
			}
			c.get(alive).want(t, 200)
			r := c.get(dead).want(t, tt.status)
			if r.code() != tt.code || (r.header.Get("Location") != "") != tt.location || !strings.Contains(r.raw, tt.bodyContains) {
				t.Errorf("code %q, location %q, body %s", r.code(), r.header.Get("Location"), r.raw)
			}
			if tt.location {
				c.drain(r.header.Get("Location"))
			}
			_, fresh := c.drain("/v1.0/users/delta")
			c.get(fresh).want(t, 200)
		})
	}
}

func TestOldLink(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	_, link := c.drain("/v1.0/users/delta")
	s.Advance(7 * 24 * time.Hour)
	c.get(link).want(t, 200)
	s.Advance(time.Minute)
	if r := c.get(link).want(t, 400); r.code() != "syncStateNotFound" {
		t.Errorf("%s", r.raw)
	}
	set := Calm()
	set.DeltaTokenGrace = Duration(7 * 24 * time.Hour)
	s.SetSettings(set)
	c.get(link).want(t, 200)
}

// A token breaks when one character of it changes.
func TestTokensAreOpaque(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	_, link := c.drain("/v1.0/users/delta?$select=displayName")
	prefix, token, _ := strings.Cut(link, "=")
	if len(token) < 300 || len(token) > 700 {
		t.Errorf("token of %d characters, want 300 to 700", len(token))
	}
	for i := range token {
		other := "A"
		if token[i] == 'A' {
			other = "B"
		}
		r := c.get(prefix + "=" + token[:i] + other + token[i+1:])
		if r.status != 400 {
			t.Fatalf("character %d changed: %d %s", i, r.status, r.raw)
		}
	}
	c.get(strings.Replace(link, "users", "groups", 1)).want(t, 400)
	set := Calm()
	set.TokenPadding = 4096
	s.SetSettings(set)
	if _, link = c.drain(link); len(link) < 4096 {
		t.Errorf("link of %d characters despite padding", len(link))
	}
	c.round(link)
}

func TestSelectErrors(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	for _, tt := range []struct {
		url    string
		status int
		code   string
	}{
		{"/v1.0/users/delta?$select=nonsense", 400, "Request_BadRequest"},
		{"/v1.0/users/delta?$select=skills", 501, "NotImplemented"},
		{"/v1.0/users/delta?$select=extension_abc_team", 400, "Request_BadRequest"},
		{"/v1.0/users/delta?$select=members", 400, "Request_BadRequest"},
		{"/v1.0/users/delta?$select=id&$skiptoken=x", 400, "Request_BadRequest"},
		{"/v1.0/users?$select=nonsense", 400, "Request_BadRequest"},
		{"/v1.0/users/" + mira + "?$select=nonsense", 400, "Request_BadRequest"},
	} {
		if r := c.get(tt.url).want(t, tt.status); r.code() != tt.code {
			t.Errorf("%s: %s", tt.url, r.raw)
		}
	}
	if r := c.get("/v1.0/users/delta?$select=nonsense"); !strings.Contains(r.raw, "nonsense") {
		t.Errorf("the error does not name the property: %s", r.raw)
	}
	s.UpdateUser(mira, map[string]any{"extension_abc_team": "Blue"})
	c.round("/v1.0/users/delta?$select=extension_abc_team&$filter=id eq '"+mira+"'", `{"extension_abc_team":"Blue","id":"`+mira+`"}`)
	c.get("/v1.0/users/delta?$top=5&$expand=manager&$orderby=displayName").want(t, 200) // ignored
	set := Calm()
	set.StrictOptions = true
	s.SetSettings(set)
	c.get("/v1.0/users/delta?$orderby=displayName").want(t, 400)
	set = Calm()
	set.B2C = true
	s.SetSettings(set)
	c.get("/v1.0/users/delta?$deltatoken=latest").want(t, 400)
}

func TestSpellings(t *testing.T) {
	t.Parallel()
	_, c := small(t)
	for _, url := range []string{
		"/v1.0/users/delta", "/beta/users/delta", "/v1.0/users/delta()", "/v1.0/users/microsoft.graph.delta", "/v1.0/users/microsoft.graph.delta()",
		"/V1.0/Users/Delta?$SELECT=displayname", "/v1.0/users/delta()?%24select=displayName", "/v1.0/users/delta?$deltaToken=latest",
		"/v1.0/users/graph.delta", "/v1.0/servicePrincipals/delta()?$select=appRoles", "/v1.0/directory/deleteditems/microsoft.graph.user", "/v1.0/directory/deletedItems/graph.group",
		"/v1.0/users('" + mira + "')", "/v1.0/users/MIRA.holt@example.test", "/v1.0/users/" + strings.ToUpper(mira),
		"/v1.0/groups/" + crew + "/members/graph.user", "/v1.0/groups/" + crew + "/members/microsoft.graph.user?$select=id",
	} {
		if r := c.get(url); r.status != 200 {
			t.Errorf("%s: %d %s", url, r.status, r.raw)
		}
	}
}
