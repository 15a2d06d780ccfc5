package scimtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	userURN  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

// app is a server with what a test needs around it.
type app struct {
	*Server
	t    testing.TB
	http *httptest.Server
}

func start(t testing.TB, q Quirks) *app {
	t.Helper()
	a := &app{Server: New(Options{Quirks: q, LogBodies: true, Extensions: map[string][]string{
		"urn:ietf:params:scim:schemas:extension:fabrikon:2.0:User": {"berth"},
	}}), t: t}
	a.http = serve(t, a)
	return a
}

func serve(t testing.TB, h http.Handler) *httptest.Server {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

// answered is a response with its body read.
type answered struct {
	*http.Response
	text string
	doc  map[string]any
}

func (a *app) send(method, path, body string) answered {
	a.t.Helper()
	res, err := a.try(method, path, body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res
}

func (a *app) try(method, path, body string) (answered, error) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.http.URL+a.BasePath()+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return answered{}, err
	}
	out := answered{Response: res, text: string(raw)}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	_ = d.Decode(&out.doc) // not every answer is JSON
	return out, nil
}

// want sends a request and checks the status.
func (a *app) want(status int, method, path, body string) answered {
	a.t.Helper()
	res := a.send(method, path, body)
	if res.StatusCode != status {
		a.t.Fatalf("%s %s %s: status %d, want %d: %s", method, path, body, res.StatusCode, status, res.text)
	}
	return res
}

// refused sends a request that must fail with a SCIM error of that type.
func (a *app) refused(status int, scimType, method, path, body string) {
	a.t.Helper()
	res := a.want(status, method, path, body)
	if got, _ := res.doc["scimType"].(string); got != scimType {
		a.t.Errorf("%s %s %s: scimType %q, want %q: %s", method, path, body, got, scimType, res.text)
	}
}

func (a *app) user(attributes string) string {
	a.t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(attributes), &v); err != nil {
		a.t.Fatal(err)
	}
	id, err := a.AddUser(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return id
}

func (a *app) group(name string, members ...string) string {
	a.t.Helper()
	id, err := a.AddGroup(map[string]any{"displayName": name}, members...)
	if err != nil {
		a.t.Fatal(err)
	}
	return id
}

func (a *app) byID(id string) Resource {
	a.t.Helper()
	r, ok := a.ByID(id)
	if !ok {
		a.t.Fatalf("there is no resource %s", id)
	}
	return r
}

func patchBody(ops string) string {
	return `{"schemas":["` + patchOpURN + `"],"Operations":[` + ops + `]}`
}

func found(res answered) []string {
	var out []string
	list, _ := res.doc["Resources"].([]any)
	for _, r := range list {
		m := r.(map[string]any)
		name, ok := m["userName"].(string)
		if !ok {
			name, _ = m["displayName"].(string)
		}
		out = append(out, name)
	}
	return out
}

const noor = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
 "externalId":"noor.ahlgren","userName":"noor.ahlgren@fabrikon.example","active":true,"displayName":"Noor Ahlgren",
 "emails":[{"primary":true,"type":"work","value":"noor.ahlgren@fabrikon.example"}],"meta":{"resourceType":"User"},
 "name":{"familyName":"Ahlgren","givenName":"Noor"},"title":"Harbour pilot","roles":[],
 "urn:ietf:params:scim:schemas:extension:fabrikon:2.0:User":{"berth":"7"},
 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Pilotage","employeeNumber":"10442"}}`

func TestCreateReadReplaceDelete(t *testing.T) {
	a := start(t, Quirks{})
	res := a.want(201, "POST", "/Users", noor)
	id, _ := res.doc["id"].(string)
	location := a.http.URL + "/scim/v2/Users/" + id
	if got := res.Header.Get("Location"); got != location {
		t.Errorf("Location %q, want %q", got, location)
	}
	if got := res.doc["meta"].(map[string]any)["location"]; got != location {
		t.Errorf("meta.location %q, want %q", got, location)
	}
	if got := res.Header.Get("Content-Type"); got != "application/scim+json" {
		t.Errorf("Content-Type %q", got)
	}
	read := a.want(200, "GET", "/Users/"+id, "")
	if diff := cmp.Diff(res.doc, read.doc); diff != "" {
		t.Errorf("the read differs from the create:\n%s", diff)
	}
	list := a.want(200, "GET", "/Users?filter="+url.QueryEscape(`externalId eq "noor.ahlgren"`), "")
	if diff := cmp.Diff([]any{read.doc}, list.doc["Resources"]); diff != "" {
		t.Errorf("the search differs from the read:\n%s", diff)
	}
	if _, ok := read.doc["roles"]; ok {
		t.Error("an empty list is not an attribute")
	}
	got := a.byID(id)
	for path, want := range map[string]any{
		"name.givenName":                  "Noor",
		`emails[type eq "work"].value`:    "noor.ahlgren@fabrikon.example",
		enterpriseURN + ":employeeNumber": "10442",
		"emails.value":                    "noor.ahlgren@fabrikon.example",
		"id":                              id,
		"nickName":                        nil,
		`emails[type eq "home"].value`:    nil,
	} {
		if got.Value(path) != want {
			t.Errorf("Value(%s) = %v, want %v", path, got.Value(path), want)
		}
	}
	if got := read.doc["urn:ietf:params:scim:schemas:extension:fabrikon:2.0:User"]; !cmp.Equal(got, map[string]any{"berth": "7"}) {
		t.Errorf("custom extension: %v", got)
	}
	a.refused(409, "uniqueness", "POST", "/Users", `{"userName":"NOOR.Ahlgren@fabrikon.example"}`)

	put := a.want(200, "PUT", "/Users/"+id, `{"userName":"noor@port.example","active":"False"}`)
	if put.doc["active"] != false || put.doc["title"] != nil || put.doc["userName"] != "noor@port.example" {
		t.Errorf("after PUT: %s", put.text)
	}
	a.want(201, "POST", "/Users", noor) // the old name is free again
	a.refused(409, "uniqueness", "PUT", "/Users/"+id, noor)

	if res := a.want(204, "DELETE", "/Users/"+id, ""); res.text != "" || res.Header.Get("Content-Type") != "" {
		t.Errorf("204 with a body or type: %q", res.text)
	}
	for _, method := range []string{"GET", "DELETE"} {
		a.want(404, method, "/Users/"+id, "")
	}
	a.want(404, "PUT", "/Users/"+id, `{"userName":"x"}`)
	a.want(404, "PATCH", "/Users/"+id, patchBody(`{"op":"replace","path":"title","value":"x"}`))
}

func TestRefusals(t *testing.T) {
	a := start(t, Quirks{})
	for _, tt := range []struct {
		status             int
		scimType           string
		method, path, body string
	}{
		{400, "invalidValue", "POST", "/Users", `{}`},
		{400, "invalidValue", "POST", "/Users", `{"userName":""}`},
		{400, "invalidValue", "POST", "/Users", `{"userName":7}`},
		{400, "invalidSyntax", "POST", "/Users", `{"userName":`},
		{400, "invalidSyntax", "POST", "/Users", `[]`},
		{400, "invalidValue", "POST", "/Groups", `{"members":[]}`},
		{400, "invalidValue", "POST", "/Groups", `{"displayName":"x","members":[{"type":"User"}]}`},
		{405, "", "PUT", "/Users", `{}`},
		{405, "", "DELETE", "/Groups", ``},
		{405, "", "POST", "/Users/1", `{}`},
		{405, "", "POST", "/Schemas", `{}`},
		{404, "", "GET", "/Nothing", ``},
		{404, "", "GET", "/Users/1/2", ``},
		{404, "", "GET", "/v2/Users", ``},
		{501, "", "GET", "/Me", ``},
		{400, "invalidFilter", "GET", "/Users?filter=userName", ``},
		{400, "invalidFilter", "GET", "/Users?filter=nothing+eq+%22x%22", ``},
		{400, "invalidFilter", "GET", "/Users?filter=active+eq+%22maybe%22", ``},
		{400, "invalidValue", "GET", "/Users?count=x", ``},
	} {
		a.refused(tt.status, tt.scimType, tt.method, tt.path, tt.body)
	}
	res, err := http.Get(a.http.URL + "/elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 404 {
		t.Errorf("outside of the base path: %d", res.StatusCode)
	}
}

func TestDiscovery(t *testing.T) {
	a := start(t, Quirks{MaxResults: 7, ETags: true})
	doc := a.want(200, "GET", "/ServiceProviderConfig", "").doc
	want := map[string]any{"supported": true, "maxResults": json.Number("7")}
	if !cmp.Equal(doc["filter"], want) || !cmp.Equal(doc["etag"], map[string]any{"supported": true}) {
		t.Errorf("ServiceProviderConfig: %v", doc)
	}
	if n := len(a.want(200, "GET", "/Schemas", "").doc["Resources"].([]any)); n != 4 {
		t.Errorf("%d schemas", n)
	}
	a.want(200, "GET", "/Schemas/"+url.PathEscape(userURN), "")
	a.want(404, "GET", "/Schemas/x", "")
	if n := len(a.want(200, "GET", "/ResourceTypes", "").doc["Resources"].([]any)); n != 2 {
		t.Errorf("%d resource types", n)
	}
	a.want(200, "GET", "/ResourceTypes/Group", "")
}

func TestBearerToken(t *testing.T) {
	a := start(t, Quirks{RequireToken: "s3cret"})
	res := a.want(401, "GET", "/Users", "")
	if res.doc["status"] != "401" || res.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("401: %v %s", res.Header, res.text)
	}
	for token, want := range map[string]int{"Bearer s3cret": 200, "bearer s3cret": 200, "Bearer other": 401, "Basic s3cret": 401, "s3cret": 401} {
		req := httptest.NewRequest("GET", "/scim/v2/Users", nil)
		req.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, req)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", token, w.Code, want)
		}
	}
	for _, r := range a.Log() {
		if r.Header.Get("Authorization") != "" {
			t.Error("the log holds a token")
		}
	}
}

func TestIDsAndBasePaths(t *testing.T) {
	for base, want := range map[string]string{"": "/scim/v2", "/": "", "/identity/scim/7b1e/v2/": "/identity/scim/7b1e/v2"} {
		s := New(Options{BasePath: base})
		if s.BasePath() != want {
			t.Errorf("base path %q is %q, want %q", base, s.BasePath(), want)
		}
		a := &app{Server: s, t: t, http: serve(t, s)}
		const odd = "a/b c@d%2F"
		a.user(`{"id":"` + odd + `","userName":"noor"}`)
		res := a.want(200, "GET", "/Users/a%2Fb%20c%40d%252F", "")
		if res.doc["id"] != odd {
			t.Errorf("id %v", res.doc["id"])
		}
		location, _ := res.doc["meta"].(map[string]any)["location"].(string)
		a.want(200, "PATCH", strings.TrimPrefix(location, a.http.URL+want), op("replace", "title", `"x"`))
		a.want(204, "DELETE", "/Users/a%2Fb%20c%40d%252F", "")
	}
	var ids [2][]string
	for i := range ids {
		s := New(Options{Seed: 7})
		for _, name := range []string{"a", "b"} {
			id, err := s.AddUser(map[string]any{"userName": name})
			if err != nil {
				t.Fatal(err)
			}
			ids[i] = append(ids[i], id)
		}
	}
	if !cmp.Equal(ids[0], ids[1]) || ids[0][0] == ids[0][1] || len(ids[0][0]) != 36 {
		t.Errorf("ids %v", ids)
	}
}

func TestSeeding(t *testing.T) {
	a := start(t, Quirks{Refused: []string{"title"}})
	a.fault(Fault{Status: 500})
	id := a.user(`{"userName":"noor","title":"seeded past quirks and faults","active":"True","` + enterpriseURN + `":{"manager":"m"}}`)
	if r := a.byID(id); !r.Active || r.Value(enterpriseURN+":manager.value") != "m" {
		t.Errorf("%+v", r)
	}
	for _, bad := range []map[string]any{nil, {"title": "x"}, {"userName": "NOOR"}, {"userName": "x", "id": id}, {"userName": "x", "active": "maybe"}, {"userName": "x", "externalId": 7}, {"userName": "x", enterpriseURN: "x"}} {
		if got, err := a.AddUser(bad); err == nil {
			t.Errorf("%v is accepted as %s", bad, got)
		}
	}
	g := a.group("Pilots", id)
	if err := a.Put(g, map[string]any{"displayName": "Tugs"}); err != nil {
		t.Fatal(err)
	}
	if r := a.byID(g); r.DisplayName != "Tugs" || len(r.Members) != 0 {
		t.Errorf("%+v", r)
	}
	if err := a.Put("nobody", nil); err == nil {
		t.Error("Put to nobody succeeds")
	}
	g2, err := a.AddGroup(map[string]any{"displayName": "Nested"}, g, id)
	if err != nil {
		t.Fatal(err)
	}
	if !a.Delete(id) || a.Delete(id) {
		t.Error("Delete")
	}
	if r := a.byID(g2); !cmp.Equal(r.Members, []string{g}) {
		t.Errorf("a deleted user is still a member: %v", r.Members)
	}
	snap := a.byID(g2)
	snap.Attributes["displayName"] = "changed"
	if r, ok := a.Group("NESTED"); !ok || r.DisplayName != "Nested" {
		t.Error("a snapshot is not a copy")
	}
	checkReverseIndex(t, a.Server)
	a.Clear()
	if users, groups := a.Size(); users+groups != 0 {
		t.Error("Clear")
	}
}
