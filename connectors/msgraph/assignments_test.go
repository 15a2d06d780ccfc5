package msgraph

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

func TestAssignmentsAndTheirRoles(t *testing.T) { // GS-AS-1 to GS-AS-5
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	roles := map[string]string{}
	for _, r := range w.AppRoles() {
		roles[r.Value] = r.ID
	}
	user := func(name string) string { return w.AddUser(graphtest.User{UserPrincipalName: name + "@example.test"}) }
	a, b, c, d := user("a"), user("b"), user("c"), user("d")
	g := w.AddGroup(graphtest.Group{DisplayName: "g"})
	w.Assign(a, "")
	w.Assign(b, roles["User"])
	w.Assign(b, roles["Manager"])
	w.Assign(c, roles["Legacy"])
	w.Assign(d, "77777777-0000-4000-8000-000000000001")
	w.Assign(g, roles["User"])
	w.Assign(w.AddServicePrincipal("daemon", nil), roles["User"])

	type line struct {
		Kind                engine.Kind
		ID, RoleValue, Name string
		Effective           bool
	}
	for name, change := range map[string]func(*Config){
		"by servicePrincipalId": func(*Config) {},
		"by appId":              func(c *Config) { c.ServicePrincipalID, c.AppID = "", w.AppID() },
	} {
		got := map[line]int{}
		for _, x := range mustFollow(t, w.open(t, change), engine.FeedAssignments, "").Assignments {
			got[line{x.Principal.Kind, x.Principal.ID, x.RoleValue, x.RoleName, x.Effective}]++
		}
		want := map[line]int{
			{engine.User, a, "", "", true}: 1, {engine.User, b, "User", "User", true}: 1, {engine.User, b, "Manager", "Manager", true}: 1,
			{engine.User, c, "Legacy", "Legacy", false}: 1, {engine.User, d, "", "", false}: 1, {engine.Group, g, "User", "User", true}: 1,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAssignmentsAreReadWhole(t *testing.T) { // GS-AS-7
	t.Parallel()
	s := graphtest.Calm()
	s.EmptyPageRate = 0.5
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: &s})
	for i := range 2500 {
		w.Assign(w.AddUser(graphtest.User{UserPrincipalName: fmt.Sprintf("u%d@example.test", i)}), "")
	}
	pages, err := follow(t, w.src, engine.FeedAssignments, "")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range pages {
		if p.Next != "" {
			t.Error("a list without deltas has a cursor")
		}
		for _, a := range p.Assignments {
			seen[a.ID] = true
		}
	}
	if len(seen) != 2500 || len(pages) != 3 {
		t.Errorf("%d assignments on %d pages", len(seen), len(pages))
	}
	for _, r := range w.Log() {
		if r.Template == "/servicePrincipals/{}/appRoleAssignedTo" && (r.Options["$top"] != "999" || r.Options["$filter"] != "") {
			t.Errorf("asked with %v", r.Options)
		}
	}
}

func TestAssignmentsAreNotReadWithoutNeed(t *testing.T) { // GS-AS-6
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	all := w.open(t, func(c *Config) { c.Scope, c.ServicePrincipalID = engine.ScopeAll, "" })
	if p := mustFollow(t, all, engine.FeedAssignments, ""); len(p.Assignments) != 0 || all.TakeRequests().Sent != 0 {
		t.Error("scope all without roles read assignments")
	}
	roles := w.open(t, func(c *Config) { c.Scope, c.Roles = engine.ScopeAll, true })
	mustFollow(t, roles, engine.FeedAssignments, "")
	if got := roles.TakeRequests().Sent; got != 2 {
		t.Errorf("scope all with roles took %d requests", got)
	}
}

// Nobody is taken for unassigned because an answer was wrong.
func TestWrongAnswersUnassignNobody(t *testing.T) {
	t.Parallel()
	const sp = `{"id":"` + appID + `","appRoles":[],"accountEnabled":true}`
	one := `{"id":"A1","appRoleId":"00000000-0000-0000-0000-000000000000","principalId":"` + mira + `","principalType":"User"}`
	other := strings.Replace(one, mira, jon, 1)
	for _, c := range []struct {
		name    string
		answers func(n int, url string, w http.ResponseWriter)
		code    engine.Code // "" if the read succeeds
		want    int         // assignments
	}{
		{"the application is gone", func(n int, url string, w http.ResponseWriter) { fail(w, 404, "Request_ResourceNotFound") }, engine.CodeSourceApplication, 0},
		{"its assignments are gone", func(n int, url string, w http.ResponseWriter) {
			if n == 1 {
				say(w, sp)
			} else {
				fail(w, 404, "Request_ResourceNotFound")
			}
		}, engine.CodeSourceApplication, 0},
		{"the second page's token has died", func(n int, url string, w http.ResponseWriter) {
			switch n {
			case 1:
				say(w, sp)
			case 2:
				say(w, `{"value":[%s],"@odata.nextLink":"%s/next?$skiptoken=2"}`, one, url)
			default:
				fail(w, 400, "Directory_ExpiredPageToken")
			}
		}, engine.CodeSourceUnavailable, 0},
		{"the list leads back to itself", func(n int, url string, w http.ResponseWriter) {
			if n == 1 {
				say(w, sp)
			} else {
				say(w, `{"value":[%s],"@odata.nextLink":"%s/next?$skiptoken=2"}`, one, url)
			}
		}, engine.CodeSourceLoop, 0},
		{"duplicates are one", func(n int, url string, w http.ResponseWriter) {
			if n == 1 {
				say(w, sp)
			} else {
				say(w, `{"value":[%s,%s]}`, one, one)
			}
		}, "", 1},
		{"contradictions are read again", func(n int, url string, w http.ResponseWriter) {
			switch n {
			case 1:
				say(w, sp)
			case 2:
				say(w, `{"value":[%s,%s]}`, one, other)
			default:
				say(w, `{"value":[%s]}`, one)
			}
		}, "", 1},
		{"contradictions that stay", func(n int, url string, w http.ResponseWriter) {
			if n == 1 {
				say(w, sp)
			} else {
				say(w, `{"value":[%s,%s]}`, one, other)
			}
		}, engine.CodeSourcePage, 0},
		{"a cut list", func(n int, url string, w http.ResponseWriter) {
			if n == 1 {
				say(w, sp)
			} else {
				say(w, `{"value":[%s`, one)
			}
		}, engine.CodeSourcePage, 0},
	} {
		var s *script
		src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) { c.answers(n, s.url, w) })
		pages, err := follow(t, src, engine.FeedAssignments, "")
		if c.code != "" {
			var se *engine.SourceError
			if !errors.As(err, &se) || se.Code != c.code || len(pages) != 0 {
				t.Errorf("%s: got %d pages, %v", c.name, len(pages), err)
			}
			continue
		}
		if err != nil || len(pages[0].Assignments) != c.want {
			t.Errorf("%s: got %v, %v", c.name, pages, err)
		}
	}
}
