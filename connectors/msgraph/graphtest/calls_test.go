package graphtest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnswerShapes(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	sp := s.ServicePrincipalID()
	s.Assign(mira, "")
	assignment := ""
	for id := range s.Truth().Assignments {
		assignment = id
	}
	for _, tt := range []struct{ url, want string }{
		{"/v1.0/users/" + mira + "?$select=displayName,department,jobTitle,businessPhones",
			`{"@odata.context":"http://graph.test/v1.0/$metadata#users(id,displayName,department,jobTitle,businessPhones)/$entity","id":"` + mira + `","displayName":"Mira Holt","department":"Sales","jobTitle":null,"businessPhones":[]}`},
		{"/v1.0/users/" + mira + "/manager?$select=displayName",
			`{"@odata.context":"http://graph.test/v1.0/$metadata#directoryObjects(id,displayName)/$entity","@odata.type":"#microsoft.graph.user","id":"` + noor + `","displayName":"Noor"}`},
		{"/v1.0/groups/" + crew + "/members?$select=id",
			`{"@odata.context":"http://graph.test/v1.0/$metadata#directoryObjects(id)","value":[{"@odata.type":"#microsoft.graph.user","id":"` + mira + `"}]}`},
		{"/v1.0/groups?$select=displayName&$count=true",
			`{"@odata.context":"http://graph.test/v1.0/$metadata#groups(id,displayName)","@odata.count":1,"value":[{"id":"` + crew + `","displayName":"Tidal Crew"}]}`},
		{"/v1.0/servicePrincipals/" + sp + "/appRoleAssignedTo?$top=999",
			`{"@odata.context":"http://graph.test/v1.0/$metadata#appRoleAssignments","value":[{"id":"` + assignment + `","deletedDateTime":null,"appRoleId":"` + ZeroRole + `","createdDateTime":"2031-03-01T00:00:00Z","principalDisplayName":"Mira Holt","principalId":"` + mira + `","principalType":"User","resourceDisplayName":"Sandbox App","resourceId":"` + sp + `"}]}`},
		{"/v1.0/users?$filter=startswith(displayName,'mira') and accountEnabled eq true&$select=id",
			`{"@odata.context":"http://graph.test/v1.0/$metadata#users(id)","value":[{"id":"` + mira + `"}]}`},
	} {
		r := c.get(tt.url).want(t, 200)
		if d := cmp.Diff(tt.want, r.raw); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.url, d)
		}
	}
}

func TestHeadersAndErrors(t *testing.T) {
	t.Parallel()
	_, c := small(t)
	r := c.get("/v1.0/users/nobody@example.test", "client-request-id", "my-own").want(t, 404)
	for h, want := range map[string]string{
		"Client-Request-Id": "my-own", "Date": "Sat, 01 Mar 2031 00:00:00 GMT", "X-Ms-Resource-Unit": "1",
		"Content-Type": "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
	} {
		if got := r.header.Get(h); got != want {
			t.Errorf("%s: %q, want %q", h, got, want)
		}
	}
	id := r.header.Get("request-id")
	want := `{"error":{"code":"Request_ResourceNotFound","innerError":{"client-request-id":"my-own","date":"2031-03-01T00:00:00","request-id":"` + id +
		`"},"message":"Resource 'nobody@example.test' does not exist or one of its queried reference-property objects are not present."}}`
	if d := cmp.Diff(want, r.raw); d != "" {
		t.Error(d)
	}
	for _, tt := range []struct {
		method, url string
		status      int
		code        string
	}{
		{"GET", "/users", 400, "BadRequest"},
		{"GET", "/v2.0/users", 400, "BadRequest"},
		{"GET", "/v1.0/nothing", 400, "BadRequest"},
		{"PUT", "/v1.0/users", 405, "Request_BadRequest"},
		{"GET", "/v1.0/directory/deletedItems", 400, "Request_BadRequest"},
		{"GET", "/v1.0/directory/deletedItems/graph.banana", 400, "Request_BadRequest"},
		{"GET", "/v1.0/users?$top=1000", 400, "Request_UnsupportedQuery"},
		{"GET", "/v1.0/users?$top=0", 400, "Request_UnsupportedQuery"},
		{"GET", "/v1.0/users?$search=x", 400, "Request_UnsupportedQuery"},
		{"GET", "/v1.0/users?$filter=displayName ne 'x'", 400, "Request_UnsupportedQuery"},
		{"GET", "/v1.0/users?$skiptoken=abc", 400, "Request_BadRequest"},
		{"GET", "/v1.0/users?$select=%zz", 400, "BadRequest"},
		{"GET", "/v1.0/groups/" + crew + "/members/graph.banana", 400, "BadRequest"},
		{"GET", "/v1.0/users/" + crew, 404, "Request_ResourceNotFound"},
		{"GET", "/v1.0/users/" + noor + "/manager", 404, "Request_ResourceNotFound"},
		{"GET", "/v1.0/servicePrincipals/" + mira + "/appRoleAssignedTo", 404, "Request_ResourceNotFound"},
	} {
		if r := c.do(tt.method, tt.url, ""); r.status != tt.status || r.code() != tt.code {
			t.Errorf("%s %s: %d %s, want %d %s", tt.method, tt.url, r.status, r.raw, tt.status, tt.code)
		}
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	_, c := start(t, Options{Seed: 1, Settings: calm()})
	for token, status := range map[string]int{"": 401, "x": 200, "emu-expired": 401, "emu-revoked": 401, "emu-claims": 401,
		"emu-t1-all": 200, "emu-t1-users": 200, "emu-t1-groups": 403, "emu-t1-none": 403, "sealed.nonsense": 401} {
		c.token = token
		r := c.get("/v1.0/users?$top=1")
		if r.status != status {
			t.Errorf("token %q: %d, want %d: %s", token, r.status, status, r.raw)
		}
		challenge := r.header.Get("WWW-Authenticate")
		if (r.status == 401) != strings.HasPrefix(challenge, `Bearer realm="", authorization_uri="`) {
			t.Errorf("token %q: challenge %q", token, challenge)
		}
		if (token == "emu-claims") != strings.Contains(challenge, `claims="`) {
			t.Errorf("token %q: challenge %q", token, challenge)
		}
	}
	_, c = start(t, Options{Seed: 1, Token: "right"})
	c.token = "wrong"
	if r := c.get("/v1.0/users").want(t, 401); r.code() != "InvalidAuthenticationToken" {
		t.Error(r.raw)
	}
	c.token = "right"
	c.get("/v1.0/users").want(t, 200)
}

// Without permission for a member's type, its id and type are all there is.
func TestMembersOfUnreadableType(t *testing.T) {
	t.Parallel()
	_, c := small(t)
	c.token = "emu-t1-groups"
	r := c.get("/v1.0/groups/"+crew+"/members?$select=displayName").want(t, 200)
	want := []map[string]any{{"@odata.type": "#microsoft.graph.user", "id": mira, "displayName": nil}}
	if d := cmp.Diff(want, r.value()); d != "" {
		t.Error(d)
	}
}

// Upwards, directly and over all levels; a ring of groups has everybody in it above oneself once.
func TestMembershipsOfOneObject(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	outer := s.AddGroup(Group{DisplayName: "Outer", Members: []string{crew, mira}})
	top := s.AddGroup(Group{DisplayName: "Top", Members: []string{outer}})
	s.AddMember(crew, top)
	unified := s.AddGroup(Group{DisplayName: "Unified", Unified: true, Members: []string{mira, noor}})
	ids := func(url string, header ...string) []string {
		t.Helper()
		var out []string
		for _, item := range c.get("/v1.0"+url, header...).want(t, 200).value() {
			if item["@odata.type"] != "#microsoft.graph.group" {
				t.Errorf("%s: %v", url, item)
			}
			out = append(out, item["id"].(string))
		}
		slices.Sort(out)
		return out
	}
	eventual := []string{"ConsistencyLevel", "eventual"}
	for _, tt := range []struct {
		url    string
		header []string
		want   []string
	}{
		{"/users/" + mira + "/memberOf?$select=id&$top=999", nil, []string{crew, outer, unified}},
		{"/users/" + mira + "/memberOf/microsoft.graph.group?$count=true", eventual, []string{crew, outer, unified}},
		{"/users/" + mira + "/memberOf/graph.user?$count=true", eventual, nil},
		{"/users/" + mira + "/transitiveMemberOf", nil, []string{crew, outer, top, unified}},
		{"/groups/" + crew + "/memberOf", nil, []string{outer}},
		{"/groups/" + crew + "/transitiveMemberOf", nil, []string{outer, top}},
		{"/groups/" + crew + "/transitiveMemberOf/graph.group?$count=true", eventual, []string{outer, top}},
		{"/users/" + noor + "/memberOf", nil, []string{unified}},
	} {
		slices.Sort(tt.want)
		if d := cmp.Diff(tt.want, ids(tt.url, tt.header...)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.url, d)
		}
	}
	s.Delete(unified) // to deleted items, where it has its members still
	if got := ids("/users/" + noor + "/memberOf"); len(got) != 0 {
		t.Errorf("a deleted group is listed: %v", got)
	}
	s.SoftDelete(mira)
	for _, tt := range []struct {
		url    string
		status int
		code   string
	}{
		{"/users/" + noor + "/memberOf/microsoft.graph.group", 400, "Request_UnsupportedQuery"},
		{"/users/" + noor + "/transitiveMemberOf/microsoft.graph.group?$count=true", 400, "Request_UnsupportedQuery"},
		{"/users/" + mira + "/memberOf", 404, "Request_ResourceNotFound"},
		{"/users/" + mira + "/transitiveMemberOf", 404, "Request_ResourceNotFound"},
		{"/users/" + mira + "/appRoleAssignments", 404, "Request_ResourceNotFound"},
		{"/users/" + crew + "/memberOf", 404, "Request_ResourceNotFound"},
		{"/groups/" + mira + "/memberOf", 404, "Request_ResourceNotFound"},
	} {
		if r := c.get("/v1.0" + tt.url); r.status != tt.status || r.code() != tt.code {
			t.Errorf("%s: %d %s, want %d %s", tt.url, r.status, r.raw, tt.status, tt.code)
		}
	}
	// What is granted to a principal takes more than what reads the list of an application.
	c.token = "emu-t1-users+groups+apps"
	c.get("/v1.0/users/"+noor+"/appRoleAssignments").want(t, 403)
	c.token = "emu-t1-directory"
	c.get("/v1.0/users/"+noor+"/appRoleAssignments").want(t, 200)
}

func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	s, c := start(t, Options{Seed: 1, Token: "static", ClientID: "app", ClientSecret: "good", TenantID: "t1"})
	ask := func(tenant string, form ...string) reply {
		v := url.Values{}
		for i := 0; i < len(form); i += 2 {
			v.Set(form[i], form[i+1])
		}
		return c.do("POST", "/"+tenant+"/oauth2/v2.0/token", v.Encode())
	}
	good := []string{"grant_type", "client_credentials", "client_id", "app", "client_secret", "good", "scope", "http://graph.test/.default"}
	with := func(k, v string) []string { return append(append([]string{}, good...), k, v) }
	for _, tt := range []struct {
		tenant string
		form   []string
		code   string
	}{
		{"t1", with("client_secret", "bad"), "invalid_client"},
		{"t1", with("client_id", "other"), "unauthorized_client"},
		{"t1", with("scope", "User.Read"), "invalid_scope"},
		{"t1", with("grant_type", "password"), "unsupported_grant_type"},
		{"t2", good, "invalid_request"},
		{"t1", with("client_assertion", "a.b.c"), "invalid_client"},
	} {
		r := ask(tt.tenant, tt.form...)
		if r.body["error"] != tt.code || r.body["error_codes"] == nil || r.body["correlation_id"] == nil || r.status < 400 {
			t.Errorf("%v: %d %s, want %s", tt.form, r.status, r.raw, tt.code)
		}
	}
	ask("t1", with("scope", "http://graph.test/.default openid offline_access profile")...).want(t, 200)
	r := ask("t1", good...).want(t, 200)
	if r.body["expires_in"] != 3599.0 || r.body["token_type"] != "Bearer" {
		t.Errorf("%s", r.raw)
	}
	c.token = r.body["access_token"].(string)
	c.get("/v1.0/users").want(t, 200)
	s.Advance(time.Hour)
	c.get("/v1.0/users").want(t, 401)
}

// Every object appears once in a listing, whatever the page size, and in another order each time.
func TestLists(t *testing.T) {
	t.Parallel()
	s, c := start(t, Options{Seed: 5, Population: Population{Users: 230, Groups: 5}})
	orders := map[string]bool{}
	for _, top := range []int{1, 7, 100, 999, 999} {
		items, delta := c.drain(fmt.Sprintf("/v1.0/users?$top=%d&$select=id", top))
		ids := map[any]bool{}
		for _, i := range items {
			ids[i["id"]] = true
		}
		if len(items) != 230 || len(ids) != 230 || delta != "" {
			t.Errorf("$top=%d: %d items, %d ids, deltaLink %q", top, len(items), len(ids), delta)
		}
		orders[brief(items)] = true
	}
	if len(orders) != 5 {
		t.Errorf("%d orders in 5 walks", len(orders))
	}
	r := c.get("/v1.0/users?$top=10&$select=id,mail&$count=true").want(t, 200)
	if !strings.HasPrefix(r.link("nextLink"), host+"/v1.0/users?") || !strings.Contains(r.link("nextLink"), "select=id%2Cmail") || r.body["@odata.count"] != 230.0 {
		t.Errorf("%s", r.raw)
	}
	next := r.link("nextLink")
	for id := range s.Truth().Users { // a list is read as of its first page
		s.Delete(id)
	}
	items, _ := c.drain(next)
	if len(items) != 230-len(r.value()) {
		t.Errorf("%d items after the first page of %d", len(items), len(r.value()))
	}
	c.get(strings.Replace(next, "/users?", "/groups?", 1)).want(t, 400)
}

func TestDeletedItems(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	unified := s.AddGroup(Group{DisplayName: "Team", Unified: true, Members: []string{mira}})
	c.do("DELETE", "/v1.0/users/"+mira, "").want(t, 204)
	c.do("DELETE", "/v1.0/groups/"+unified, "").want(t, 204)
	c.do("DELETE", "/v1.0/groups/"+crew, "").want(t, 204)

	r := c.get("/v1.0/directory/deletedItems/microsoft.graph.user?$select=id,deletedDateTime,userPrincipalName&$top=999").want(t, 200)
	want := []map[string]any{{"@odata.type": "#microsoft.graph.user", "id": mira, "deletedDateTime": "2031-03-01T00:00:00Z",
		"userPrincipalName": strings.ReplaceAll(mira, "-", "") + "mira.holt@example.test"}}
	if d := cmp.Diff(want, r.value()); d != "" {
		t.Error(d)
	}
	if v := c.get("/v1.0/directory/deletedItems/graph.group?$select=id").value(); len(v) != 1 || v[0]["id"] != unified {
		t.Errorf("deleted groups: %v; a security group is gone at once", v)
	}
	if v := c.get("/v1.0/directory/deletedItems/microsoft.graph.application").value(); len(v) != 0 {
		t.Errorf("applications: %v", v)
	}
	c.get("/v1.0/directory/deletedItems/microsoft.graph.user?$orderby=deletedDateTime asc").want(t, 400)
	c.get("/v1.0/directory/deletedItems/microsoft.graph.user?$orderby=deletedDateTime asc&$count=true", "ConsistencyLevel", "eventual").want(t, 200)
	c.get("/v1.0/users/"+mira).want(t, 404)
	c.get("/v1.0/users/mira.holt@example.test").want(t, 404)
	if r := c.get("/v1.0/directory/deletedItems/"+mira).want(t, 200); r.body["deletedDateTime"] == nil || r.body["@odata.type"] != "#microsoft.graph.user" {
		t.Error(r.raw)
	}

	// While somebody else has the name, it cannot be restored.
	other := s.AddUser(User{UserPrincipalName: "mira.holt@example.test"})
	c.do("POST", "/v1.0/directory/deletedItems/"+mira+"/restore", "").want(t, 400)
	s.HardDelete(other)
	r = c.do("POST", "/v1.0/directory/deletedItems/"+mira+"/microsoft.graph.restore", "").want(t, 200)
	if r.body["userPrincipalName"] != "mira.holt@example.test" {
		t.Error(r.raw)
	}
	if r := c.get("/v1.0/users/mira.holt@example.test?$select=deletedDateTime").want(t, 200); r.body["id"] != mira || r.body["deletedDateTime"] != nil {
		t.Error(r.raw)
	}
	c.get("/v1.0/users/"+mira+"/manager").want(t, 200) // it came back with its manager

	c.do("DELETE", "/v1.0/directory/deletedItems/"+unified, "").want(t, 204)
	c.do("POST", "/v1.0/directory/deletedItems/"+unified+"/restore", "").want(t, 404)
}

func TestAssignments(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	role := s.AppRoles()[0].ID
	sp := s.ServicePrincipalID()
	all := "/v1.0/servicePrincipals/" + sp + "/appRoleAssignedTo"
	count := func(url string, want int) {
		t.Helper()
		items, _ := c.drain(url)
		if len(items) != want {
			t.Errorf("%s: %d assignments, want %d: %s", url, len(items), want, brief(items))
		}
	}
	body := fmt.Sprintf(`{"principalId":%q,"resourceId":%q,"appRoleId":%q}`, crew, sp, role)
	id := c.do("POST", all, body).want(t, 201).body["id"].(string)
	c.do("POST", all, body).want(t, 400)
	c.do("POST", all, strings.Replace(body, role, mira, 1)).want(t, 400) // not a role
	s.Assign(noor, role)
	s.Assign(s.AddServicePrincipal("Robot", nil), role)

	count(all, 2) // without $top=999 service principals are missing
	count(all+"?$top=999", 3)
	count("/v1.0/servicePrincipals(appId='"+s.AppID()+"')/appRoleAssignedTo?$top=999", 3)
	count(all+"?$filter=startswith(principalDisplayName,'Noo')", 1)
	count("/v1.0/groups/"+crew+"/appRoleAssignments?$filter=resourceId eq "+sp, 1)
	count("/v1.0/users/"+mira+"/appRoleAssignments?$filter=resourceId eq '"+sp+"'", 1) // through the group
	count("/v1.0/users/"+mira+"/appRoleAssignments?$filter=resourceId eq "+mira, 0)
	c.get(all+"?$filter=appRoleId eq "+role).want(t, 400)

	set := Calm()
	set.GroupGrantsInAssignments = false
	s.SetSettings(set)
	count("/v1.0/users/"+mira+"/appRoleAssignments", 0)

	// $filter together with $top loses the nextLink.
	for range 5 {
		s.Assign(s.AddUser(User{DisplayName: "Many"}), role)
	}
	count(all+"?$filter=principalDisplayName eq 'many'&$top=2", 2)
	count(all+"?$top=2", 7)

	s.SoftDelete(noor) // hidden, and back with the user
	count(all+"?$top=999", 7)
	s.Restore(noor)
	count(all+"?$top=999", 8)
	c.do("DELETE", all+"/"+id, "").want(t, 204)
	c.do("DELETE", all+"/"+id, "").want(t, 404)
	count(all+"?$top=999", 7)

	found := c.get("/v1.0/servicePrincipals?$filter=appId eq '" + s.AppID() + "'&$select=id,appRoles,accountEnabled").value()
	if len(found) != 1 || found[0]["id"] != sp || len(found[0]["appRoles"].([]any)) != 3 {
		t.Errorf("%v", found)
	}
	s.SoftDelete(sp)
	c.get(all).want(t, 404)
}

func TestWrites(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	c.do("POST", "/v1.0/users", `{"displayName":"x"}`).want(t, 400)
	c.do("POST", "/v1.0/users", `{`).want(t, 400)
	made := c.do("POST", "/v1.0/users", `{"accountEnabled":true,"displayName":"Ida","mailNickname":"ida","userPrincipalName":"ida@example.test","passwordProfile":{"password":"x"},"department":"Sales"}`).want(t, 201)
	ida := made.body["id"].(string)
	if made.header.Get("Location") != host+"/v1.0/users/"+ida {
		t.Errorf("Location %q", made.header.Get("Location"))
	}
	c.do("POST", "/v1.0/users", `{"accountEnabled":true,"displayName":"Ida","mailNickname":"ida","userPrincipalName":"IDA@example.test"}`).want(t, 400)
	_, link := c.drain("/v1.0/users/delta?$select=department,userPrincipalName,manager")
	_, groupLink := c.drain("/v1.0/groups/delta?$select=displayName,members")
	c.do("PATCH", "/v1.0/users/ida@example.test", `{"department":null,"userPrincipalName":"ida.b@example.test"}`).want(t, 204)
	c.do("PATCH", "/v1.0/users/"+ida, `{"accountEnabled":"yes"}`).want(t, 400)
	c.do("PATCH", "/v1.0/users/"+ida, `{"nonsense":1}`).want(t, 400)
	c.do("PATCH", "/v1.0/users/"+ida, `{"id":"1"}`).want(t, 400)
	ref := `{"@odata.id":"https://graph.test/v1.0/users/` + noor + `"}`
	c.do("PUT", "/v1.0/users/"+ida+"/manager/$ref", ref).want(t, 204)
	c.round(link, `{"department":null,"id":"`+ida+`","manager@delta":[{"@odata.type":"#microsoft.graph.user","id":"`+noor+`"}],"userPrincipalName":"ida.b@example.test"}`)
	c.get("/v1.0/users/ida.b@example.test").want(t, 200)
	c.get("/v1.0/users/ida@example.test").want(t, 404)
	c.do("DELETE", "/v1.0/users/"+ida+"/manager/$ref", "").want(t, 204)
	c.do("DELETE", "/v1.0/users/"+ida+"/manager/$ref", "").want(t, 404)

	members := "/v1.0/groups/" + crew + "/members"
	c.do("POST", members+"/$ref", ref).want(t, 204)
	c.do("POST", members+"/$ref", ref).want(t, 400)
	c.do("POST", members+"/$ref", `{"@odata.id":"https://graph.test/v1.0/directoryObjects/none"}`).want(t, 404)
	c.do("DELETE", members+"/"+mira+"/$ref", "").want(t, 204)
	c.do("DELETE", members+"/"+mira+"/$ref", "").want(t, 404)
	items, _ := c.drain(groupLink)
	if len(items) != 1 || len(items[0]["members@delta"].([]any)) != 2 {
		t.Errorf("%s", brief(items))
	}
	g := c.do("POST", "/v1.0/groups", `{"displayName":"G","mailEnabled":false,"mailNickname":"g","securityEnabled":true,"members@odata.bind":["https://graph.test/v1.0/users/`+mira+`"]}`).want(t, 201)
	if n := len(s.Truth().Groups[g.body["id"].(string)].Members); n != 1 {
		t.Errorf("%d members bound", n)
	}
	if got := c.get("/v1.0/groups/" + crew + "/transitiveMembers").value(); len(got) != 1 {
		t.Errorf("transitive members: %v", got)
	}
	s.AddMember(crew, g.body["id"].(string))
	s.AddMember(g.body["id"].(string), crew) // a circle
	if got := c.get("/v1.0/groups/" + crew + "/transitiveMembers").value(); len(got) != 3 {
		t.Errorf("transitive members: %v", got)
	}
	if got := c.get("/v1.0/users/" + mira + "/memberOf?$select=id").value(); len(got) != 1 {
		t.Errorf("memberOf: %v", got)
	}
	if got := c.get("/v1.0/groups/" + crew + "/members/graph.user").value(); len(got) != 1 {
		t.Errorf("cast: %v", got)
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	s.AddFault(Fault{Match: Match{Path: "/users/{}/manager"}, Effect: Status, Status: 429, Header: map[string]string{"Retry-After": "7"}})
	r := c.do("POST", "/v1.0/$batch", `{"requests":[
		{"id":"1","method":"GET","url":"/users/`+mira+`?$select=displayName"},
		{"id":"2","method":"GET","url":"users/`+noor+`x"},
		{"id":"3","method":"GET","url":"/users/`+mira+`/manager"},
		{"id":"4","method":"GET","url":"/users/`+mira+`","dependsOn":["2"]},
		{"id":"5","method":"DELETE","url":"/users/`+noor+`"}]}`).want(t, 200)
	got := map[string]float64{}
	for _, a := range r.body["responses"].([]any) {
		m := a.(map[string]any)
		got[m["id"].(string)] = m["status"].(float64)
		if m["id"] == "3" && m["headers"].(map[string]any)["Retry-After"] != "7" {
			t.Errorf("part 3: %v", m)
		}
		if m["id"] == "1" && m["body"].(map[string]any)["displayName"] != "Mira Holt" {
			t.Errorf("part 1: %v", m)
		}
	}
	if d := cmp.Diff(map[string]float64{"1": 200, "2": 404, "3": 429, "4": 424, "5": 204}, got); d != "" {
		t.Error(d)
	}
	part := `{"id":"%d","method":"GET","url":"/users/x"}`
	var many []string
	for i := range 21 {
		many = append(many, fmt.Sprintf(part, i))
	}
	for _, bad := range []string{
		`{"requests":[]}`, `[]`, `{"requests":[` + strings.Join(many, ",") + `]}`,
		`{"requests":[{"id":"a","method":"GET","url":"/users"},{"id":"A","method":"GET","url":"/users"}]}`,
		`{"requests":[{"id":"a","method":"GET","url":"http://other.test/users"}]}`,
		`{"requests":[{"id":"a","method":"GET","url":"/users","dependsOn":["b"]}]}`,
	} {
		c.do("POST", "/v1.0/$batch", bad).want(t, 400)
	}
	if n := s.Stats().Requests; n != 1+5-1+6 {
		t.Errorf("%d requests counted, want 11: a part that was not sent is none", n)
	}
}

func TestCompressedBody(t *testing.T) {
	t.Parallel()
	_, c := small(t)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(`{"ids":["` + mira + `"]}`)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	if v := c.do("POST", "/v1.0/directoryObjects/getByIds", b.String(), "Content-Encoding", "gzip").want(t, 200).value(); len(v) != 1 {
		t.Errorf("%v", v)
	}
	c.do("POST", "/v1.0/directoryObjects/getByIds", "plain", "Content-Encoding", "gzip").want(t, 400)
}

func TestGetByIDs(t *testing.T) {
	t.Parallel()
	_, c := small(t)
	ids, err := json.Marshal(map[string]any{"ids": []string{mira, crew, noor, "none"}, "types": []string{"user"}})
	if err != nil {
		t.Fatal(err)
	}
	if v := c.do("POST", "/v1.0/directoryObjects/getByIds", string(ids)).want(t, 200).value(); len(v) != 2 || v[0]["@odata.type"] != "#microsoft.graph.user" {
		t.Errorf("%v", v)
	}
	c.do("POST", "/v1.0/directoryObjects/microsoft.graph.getByIds", `{"ids":[]}`).want(t, 400)
}
