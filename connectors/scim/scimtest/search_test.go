package scimtest

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func filterURL(path, filter string) string { return path + "?filter=" + url.QueryEscape(filter) }

func TestFilters(t *testing.T) {
	a := start(t, Quirks{})
	a.user(`{"id":"u1","userName":"Noor.Ahlgren@x.example","externalId":"A-1","displayName":"Noor","title":"Pilot","active":true,
		"name":{"givenName":"Noor","familyName":"Åhlgren"},
		"emails":[{"type":"work","value":"Noor@work.example"},{"type":"home","value":"n@home.example"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Pilotage","employeeNumber":"10442","manager":{"value":"u2"}}}`)
	a.user(`{"id":"u2","userName":"ilmari","externalId":"a-1","displayName":"Ilmari","active":false,"emails":[{"type":"home","value":"noor@work.example","primary":true}]}`)
	a.user(`{"id":"u3","userName":"o\"neil\\dept+1@fabrikon.example","displayName":"é😀 'x'","roles":[{"value":"admin","primary":true}]}`)
	g1 := a.group("Harbour Pilots", "u1", "u2")
	a.group("Tugs", "u2")

	const one, two, three = "Noor.Ahlgren@x.example", "ilmari", `o"neil\dept+1@fabrikon.example`
	for _, tt := range []struct {
		filter string
		want   []string
	}{
		{`userName eq "noor.ahlgren@X.example"`, []string{one}},
		{`USERNAME EQ "ilmari"`, []string{two}},
		{`userName eq "nobody"`, nil},
		{`userName eq "o\"neil\\dept+1@fabrikon.example"`, []string{three}},
		{`displayName eq "é😀 'x'"`, []string{three}},
		{`displayName eq "\u00e9\ud83d\ude00 'x'"`, []string{three}},
		{`externalId eq "A-1"`, []string{one}},
		{`externalId eq "a-1"`, []string{two}},
		{`id eq "u2"`, []string{two}},
		{`id eq "U2"`, nil},
		{`id gt "u1"`, []string{two, three}},
		{`displayName eq "ilmari"`, []string{two}},
		{`emails[type eq "work"].value eq "noor@work.example"`, []string{one}},
		{`emails[type eq "work" and value eq "noor@work.example"]`, []string{one}},
		{`emails.value eq "noor@work.example"`, []string{one, two}},
		{`emails eq "noor@work.example"`, []string{one, two}},
		{`emails[type eq "home" and value eq "noor@work.example" and primary eq true]`, []string{two}},
		{`emails[not (type eq "work")].value co "@home"`, []string{one}},
		{`(emails[type eq "work"].value eq "noor@work.example") or (userName eq "ilmari")`, []string{one, two}},
		{`not (emails[type eq "work"].value pr)`, []string{two, three}},
		{`userName eq "ilmari" or userName eq "ilmari"`, []string{two}},
		{`userName eq "ilmari" and externalId eq "A-1"`, nil},
		{`title pr`, []string{one}},
		{`not (title pr)`, []string{two, three}},
		{`title ne "pilot"`, []string{two, three}},
		{`name.familyName sw "åh"`, []string{one}},
		{`userName co "example"`, []string{one, three}},
		{`userName ew ".EXAMPLE"`, []string{one, three}},
		{`active eq false`, []string{two}},
		{`active eq "False"`, []string{two}},
		{`roles.primary eq true`, []string{three}},
		{`roles[value eq "admin"]`, []string{three}},
		{enterpriseURN + `:employeeNumber eq "10442"`, []string{one}},
		{enterpriseURN + `:manager.value eq "u2"`, []string{one}},
		{enterpriseURN + `:manager eq "U2"`, nil},
		{strings.ToUpper(enterpriseURN) + `:department eq "pilotage" and userName pr`, []string{one}},
		{userURN + `:userName eq "ilmari"`, []string{two}},
		{`meta.created gt "2011-05-13T04:42:34Z"`, []string{one, two, three}},
		{`meta.lastModified lt "2011-05-13T04:42:34Z"`, nil},
		{`title eq null`, []string{two, three}},
		{`title ne null`, []string{one}},
	} {
		if got := found(a.want(200, "GET", filterURL("/Users", tt.filter), "")); !cmp.Equal(got, tt.want, equateEmpty) {
			t.Errorf("%s: %q, want %q", tt.filter, got, tt.want)
		}
	}
	for filter, want := range map[string][]string{
		`displayName eq "harbour pilots"`:         {"Harbour Pilots"},
		`members eq "u2"`:                         {"Harbour Pilots", "Tugs"},
		`members.value eq "u1"`:                   {"Harbour Pilots"},
		`members[value eq "u1"]`:                  {"Harbour Pilots"},
		`members[type eq "Group"]`:                nil,
		`id eq "` + g1 + `" and members eq "u2"`:  {"Harbour Pilots"},
		`id eq "` + g1 + `" and members eq "u99"`: nil,
	} {
		path := filterURL("/Groups", filter) + "&excludedAttributes=members"
		if got := found(a.want(200, "GET", path, "")); !cmp.Equal(got, want, equateEmpty) {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
	for _, filter := range []string{
		`userName`, `userName eq`, `userName eq x`, `userName is "x"`, `eq "x"`, `berth eq "x"`, `name.berth eq "x"`, `name eq "x"`,
		`emails[type eq "work"`, `emails[type eq "work"].value`, `emails[berth eq "x"]`, `title[value eq "x"]`, `userName eq "x`,
		`userName eq "\q"`, `userName eq 7`, `active eq 7`, `active gt true`, `meta.created gt "yesterday"`, `userName.x eq "y"`, `lifted-0 pr`,
		`(userName eq "x"`, strings.Repeat("(", 1000) + `userName pr` + strings.Repeat(")", 1000), `emails[emails[type pr]]`,
	} {
		a.refused(400, "invalidFilter", "GET", filterURL("/Users", filter), "")
	}
}

// An index must never find anything else than looking at every user does.
func TestIndexesFollowChanges(t *testing.T) {
	a := start(t, Quirks{})
	id := a.user(`{"userName":"one","externalId":"e","displayName":"d","emails":[{"type":"work","value":"w"}]}`)
	a.user(`{"userName":"two","externalId":"e","displayName":"D","emails":[{"type":"work","value":"W"}]}`)
	count := func(filter string) int {
		t.Helper()
		return len(found(a.want(200, "GET", filterURL("/Users", filter), "")))
	}
	for filter, want := range map[string]int{`externalId eq "e"`: 2, `displayName eq "d"`: 2, `emails.value eq "w"`: 2} {
		if got := count(filter); got != want {
			t.Errorf("before: %s finds %d, want %d", filter, got, want)
		}
	}
	a.want(200, "PATCH", "/Users/"+id, patchBody(`{"op":"replace","value":{"userName":"uno","externalId":"f","displayName":"g","emails":[{"type":"work","value":"v"}]}}`))
	for filter, want := range map[string]int{
		`userName eq "one"`: 0, `userName eq "uno"`: 1, `externalId eq "e"`: 1, `externalId eq "f"`: 1,
		`displayName eq "d"`: 1, `emails.value eq "w"`: 1, `emails.value eq "v"`: 1,
	} {
		if got := count(filter); got != want {
			t.Errorf("after: %s finds %d, want %d", filter, got, want)
		}
	}
	a.want(204, "DELETE", "/Users/"+id, "")
	if count(`userName eq "uno"`)+count(`externalId eq "f"`)+count(`emails.value eq "v"`) != 0 {
		t.Error("an index finds a deleted user")
	}
}

func TestPaging(t *testing.T) {
	a := start(t, Quirks{PageSize: 3, MaxResults: 4})
	for i := range 10 {
		a.user(fmt.Sprintf(`{"userName":"u%d","title":"%d"}`, i, i%2))
	}
	type page struct {
		start, items, total string
		names               []string
	}
	get := func(query string) page {
		t.Helper()
		res := a.want(200, "GET", "/Users?"+query, "")
		return page{fmt.Sprint(res.doc["startIndex"]), fmt.Sprint(res.doc["itemsPerPage"]), fmt.Sprint(res.doc["totalResults"]), found(res)}
	}
	for query, want := range map[string]page{
		"":                     {"1", "3", "10", []string{"u0", "u1", "u2"}},
		"startIndex=4":         {"4", "3", "10", []string{"u3", "u4", "u5"}},
		"startIndex=9&count=3": {"9", "2", "10", []string{"u8", "u9"}},
		"startIndex=0&count=1": {"1", "1", "10", []string{"u0"}},
		"startIndex=11":        {"11", "0", "10", nil},
		"count=0":              {"1", "0", "10", nil},
		"count=-1":             {"1", "0", "10", nil},
		"count=100":            {"1", "4", "10", []string{"u0", "u1", "u2", "u3"}},
		"filter=title+eq+%221%22&startIndex=2&count=2":               {"2", "2", "5", []string{"u3", "u5"}},
		"sortBy=userName&sortOrder=descending&count=2":               {"1", "2", "10", []string{"u9", "u8"}},
		"sortBy=id&filter=userName+gt+%22u7%22+and+title+eq+%221%22": {"1", "1", "1", []string{"u9"}},
	} {
		if diff := cmp.Diff(want, get(query), cmp.AllowUnexported(page{}), equateEmpty); diff != "" {
			t.Errorf("%q:\n%s", query, diff)
		}
	}
	a.refused(400, "invalidPath", "GET", "/Users?sortBy=berth", "")

	names := func(query string) []string { return get(query).names }
	a.Change(func(q *Quirks) { q.TotalIsPageLength, q.ItemsPerPageLies = true, true })
	if got := get("count=90"); got.total != "4" || got.items != "90" {
		t.Errorf("lying totals: %+v", got)
	}
	a.SetQuirks(Quirks{PageSize: 4, StartIndexIgnored: true})
	if got := names("startIndex=5"); !cmp.Equal(got, []string{"u0", "u1", "u2", "u3"}) {
		t.Errorf("startIndex is not ignored: %v", got)
	}
	a.SetQuirks(Quirks{PageSize: 4, OverlapPages: true})
	if got := names("startIndex=5"); !cmp.Equal(got, []string{"u3", "u4", "u5", "u6"}) {
		t.Errorf("pages don't overlap: %v", got)
	}
	a.SetQuirks(Quirks{PageSize: 4, ShortPages: true})
	if got := append(names("startIndex=1"), names("startIndex=5")...); len(got) != 6 {
		t.Errorf("pages are not short: %v", got)
	}
	a.SetQuirks(Quirks{StartIndexLimit: 5, NoTotal: true, NoResources: true})
	a.refused(400, "invalidValue", "GET", "/Users?startIndex=6", "")
	res := a.want(200, "GET", filterURL("/Users", `userName eq "x"`), "")
	if _, ok := res.doc["totalResults"]; ok || res.doc["Resources"] != nil {
		t.Errorf("totalResults or Resources in %s", res.text)
	}
}

func TestProjection(t *testing.T) {
	a := start(t, Quirks{})
	id := a.user(`{"userName":"noor","title":"Pilot","name":{"givenName":"Noor","familyName":"A"},"emails":[{"type":"work","value":"w"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"P","costCenter":"9"}}`)
	g := a.group("Pilots", id)
	keys := func(path string) []string {
		t.Helper()
		return sortedKeys(a.want(200, "GET", path, "").doc)
	}
	always := []string{"id", "meta", "schemas"}
	with := func(more ...string) []string { return sorted(append(more, always...)) }
	for query, want := range map[string][]string{
		"":                                       with(enterpriseURN, "emails", "name", "title", "userName"),
		"?attributes=userName":                   with("userName"),
		"?attributes=USERNAME,emails.value":      with("userName", "emails"),
		"?attributes=" + enterpriseURN:           with(enterpriseURN),
		"?attributes=berth":                      always,
		"?excludedAttributes=emails,name":        with(enterpriseURN, "title", "userName"),
		"?excludedAttributes=" + enterpriseURN:   with("emails", "name", "title", "userName"),
		"?excludedAttributes=name.familyName,id": with(enterpriseURN, "emails", "name", "title", "userName"),
	} {
		if got := keys("/Users/" + id + query); !cmp.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	doc := a.want(200, "GET", "/Users/"+id+"?attributes=name.givenName,"+enterpriseURN+":department,emails.type,emails.value", "").doc
	if !cmp.Equal(doc["name"], any(map[string]any{"givenName": "Noor"})) || !cmp.Equal(doc[enterpriseURN], any(map[string]any{"department": "P"})) ||
		!cmp.Equal(doc["emails"], any([]any{map[string]any{"type": "work", "value": "w"}})) {
		t.Errorf("sub-attributes: %v", doc)
	}
	doc = a.want(200, "GET", "/Users/"+id+"?excludedAttributes=name.givenName,"+enterpriseURN+":department,emails.type", "").doc
	if !cmp.Equal(doc["name"], any(map[string]any{"familyName": "A"})) || !cmp.Equal(doc[enterpriseURN], any(map[string]any{"costCenter": "9"})) ||
		!cmp.Equal(doc["emails"], any([]any{map[string]any{"value": "w"}})) {
		t.Errorf("excluded sub-attributes: %v", doc)
	}
	for _, path := range []string{"/Groups/" + g + "?excludedAttributes=members", "/Groups/" + g + "?attributes=displayName"} {
		if got := keys(path); !cmp.Equal(got, with("displayName")) {
			t.Errorf("%s: %v", path, got)
		}
	}
	if got := a.want(200, "GET", "/Groups?excludedAttributes=members", ""); strings.Contains(got.text, id) {
		t.Errorf("members in %s", got.text)
	}
	want := []any{map[string]any{"value": id, "type": "User", "$ref": a.http.URL + "/scim/v2/Users/" + id}}
	if got := a.want(200, "GET", "/Groups/"+g, "").doc["members"]; !cmp.Equal(got, any(want)) {
		t.Errorf("members %v", got)
	}
	a.Change(func(q *Quirks) { q.IgnoreExcluded = true })
	if got := keys("/Groups/" + g + "?excludedAttributes=members"); !cmp.Equal(got, with("displayName", "members")) {
		t.Errorf("excludedAttributes are not ignored: %v", got)
	}
}

func TestSearchByPost(t *testing.T) {
	a := start(t, Quirks{})
	a.user(`{"userName":"noor","title":"x"}`)
	a.user(`{"userName":"ilmari"}`)
	res := a.want(200, "POST", "/Users/.search", `{"schemas":["`+searchURN+`"],"filter":"userName pr","attributes":["userName"],"sortBy":"userName","startIndex":1,"count":1}`)
	if !cmp.Equal(found(res), []string{"ilmari"}) || strings.Contains(res.text, "title") {
		t.Errorf("%s", res.text)
	}
	a.refused(400, "invalidSyntax", "POST", "/Users/.search", `{}`)
	if c := a.Requests(); c.Writes != 0 {
		t.Errorf("a search counts as a write: %+v", c)
	}
}

func TestSearchQuirks(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := start(t, Quirks{})
	a.now = func() time.Time { return now }
	a.user(`{"userName":"ops"}`)
	a.user(`{"userName":"ops-test","active":false}`)
	a.user(`{"userName":"Noor"}`)
	all := []string{"ops", "ops-test", "Noor"}
	for _, tt := range []struct {
		name   string
		q      Quirks
		filter string
		want   []string
	}{
		{"none", Quirks{}, `userName eq "ops"`, []string{"ops"}},
		{"IgnoreFilter", Quirks{IgnoreFilter: true}, `userName eq "x"`, all},
		{"IgnoreFilter, nonsense", Quirks{IgnoreFilter: true}, `nonsense`, all},
		{"PrefixFilter", Quirks{PrefixFilter: true}, `userName eq "ops"`, []string{"ops", "ops-test"}},
		{"CaseSensitive", Quirks{CaseSensitive: true}, `userName eq "noor"`, nil},
		{"CaseSensitive, exact", Quirks{CaseSensitive: true}, `userName eq "Noor"`, []string{"Noor"}},
		{"DisabledInvisibleInSearch", Quirks{DisabledInvisibleInSearch: true}, `userName eq "ops-test"`, nil},
		{"GoneOnDisable", Quirks{GoneOnDisable: true}, ``, []string{"ops", "Noor"}},
		{"Filterable", Quirks{Filterable: []string{"userName"}}, `userName eq "ops" and userName pr`, []string{"ops"}},
	} {
		a.SetQuirks(tt.q)
		if got := found(a.want(200, "GET", filterURL("/Users", tt.filter), "")); !cmp.Equal(got, tt.want, equateEmpty) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	a.SetQuirks(Quirks{Filterable: []string{"userName"}})
	a.refused(400, "invalidFilter", "GET", filterURL("/Users", `userName eq "ops" or not (externalId eq "x")`), "")
	a.SetQuirks(Quirks{TypedFilterRefused: true})
	a.refused(400, "invalidFilter", "GET", filterURL("/Users", `emails[type eq "work"].value eq "x"`), "")
	a.SetQuirks(Quirks{Search404: true})
	a.refused(404, "", "GET", filterURL("/Users", `userName eq "nobody"`), "")

	a.SetQuirks(Quirks{VisibleAfter: 5 * time.Second})
	id, _ := a.want(201, "POST", "/Users", `{"userName":"late"}`).doc["id"].(string)
	late := filterURL("/Users", `userName eq "late"`)
	if got := found(a.want(200, "GET", late, "")); got != nil {
		t.Errorf("visible at once: %q", got)
	}
	a.want(200, "GET", "/Users/"+id, "")
	a.refused(409, "uniqueness", "POST", "/Users", `{"userName":"late"}`)
	now = now.Add(5 * time.Second)
	if got := found(a.want(200, "GET", late, "")); len(got) != 1 {
		t.Errorf("never visible: %q", got)
	}
}
