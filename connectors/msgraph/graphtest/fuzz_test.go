package graphtest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var large = regexp.MustCompile(`[0-9]{3}|e[0-9]`)

// Whatever a client sends: no panic, and no 5xx without a fault rule but the documented 501.
func FuzzRequests(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/v1.0/users/delta?$select=displayName,manager", ""},
		{"GET", "/v1.0/users/delta()?%24select=id&$filter=id eq 'a' or id eq 'b'", ""},
		{"GET", "/beta/groups/microsoft.graph.delta?$deltatoken=latest", ""},
		{"GET", "/v1.0/users/delta?$skiptoken=AAAA", ""},
		{"GET", "/v1.0/users?$filter=startswith(displayName,'x''y') and accountEnabled eq true&$top=5&$count=true", ""},
		{"GET", "/v1.0/users('" + mira + "')/manager", ""},
		{"GET", "/v1.0/servicePrincipals(appId='')/appRoleAssignedTo?$top=999", ""},
		{"GET", "/v1.0/groups/" + crew + "/members/graph.user?$select=skills", ""},
		{"GET", "/v1.0/directory/deletedItems/microsoft.graph.application?$select=nonsense", ""},
		{"POST", "/v1.0/directory/deletedItems/" + mira + "/restore", ""},
		{"POST", "/v1.0/$batch", `{"requests":[{"id":"1","method":"GET","url":"/users"},{"id":"2","method":"POST","url":"/$batch","body":{}}]}`},
		{"POST", "/v1.0/users", `{"accountEnabled":true,"displayName":"a","mailNickname":"b","userPrincipalName":"c@d","businessPhones":null,"id":null}`},
		{"PATCH", "/v1.0/groups/" + crew, `{"members@odata.bind":[1,"x","https://y/v1.0/users/` + noor + `"]}`},
		{"PUT", "/v1.0/users/" + mira + "/manager/$ref", `{"@odata.id":":"}`},
		{"POST", "/v1.0/servicePrincipals/x/appRoleAssignedTo", `{"principalId":1}`},
		{"POST", "/v1.0/directoryObjects/getByIds", `{"ids":["` + mira + `"],"types":null}`},
		{"POST", "/t/oauth2/v2.0/token", "grant_type=client_credentials&client_id=a&scope=x/.default&client_assertion=a.e30.c"},
		{"POST", "/_emu/reset", `{"users":3,"groups":2}`},
		{"POST", "/_emu/mutate", `[{"op":"user.create","set":{"displayName":null}},{"op":"assign"}]`},
		{"POST", "/_emu/settings", `{"userPage":-1,"pageVariation":2,"memberSlice":1}`},
		{"GET", "/_emu/log?since=-1", ""},
		{"DELETE", "/v1.0/users/" + mira, ""},
		{"GET", "/v1.0/users/%2e%2e/%00(''')", ""},
		{"GET", "//v1.0//", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.ParseRequestURI(strings.ReplaceAll(target, " ", "%20"))
		if err != nil || method == "" || strings.ContainsAny(method, " \t\r\n/") {
			t.Skip()
		}
		if strings.HasPrefix(u.Path, "/_emu/reset") && large.MatchString(body) {
			t.Skip() // a large population takes its time
		}
		req := &http.Request{Method: method, URL: u, Host: "graph.test", Header: http.Header{"Authorization": {"Bearer x"}},
			Body: http.NoBody, RequestURI: u.RequestURI()}
		if body != "" {
			req = httptest.NewRequest("POST", "http://graph.test/", strings.NewReader(body))
			req.Method, req.URL, req.RequestURI = method, u, u.RequestURI()
			req.Header.Set("Authorization", "Bearer x")
		}
		s, _ := small(t)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Errorf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		// Whatever happened, the sandbox still works.
		w = httptest.NewRecorder()
		req = httptest.NewRequest("GET", "http://graph.test/v1.0/users/delta", nil)
		req.Header.Set("Authorization", "Bearer x")
		s.ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Errorf("after %s %s: %d", method, target, w.Code)
		}
	})
}
