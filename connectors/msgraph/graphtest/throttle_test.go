package graphtest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestThrottling(t *testing.T) {
	t.Parallel()
	s, c := start(t, Options{Seed: 1, Settings: calm()})
	set := Calm()
	set.QuotaFactor = 10.0 / 3500
	s.SetSettings(set)
	for i := range 10 {
		r := c.get("/v1.0/users?$select=id&$top=20").want(t, 200)
		if (i >= 8) != (r.header.Get("x-ms-throttle-limit-percentage") != "") {
			t.Errorf("request %d: percentage %q", i+1, r.header.Get("x-ms-throttle-limit-percentage"))
		}
	}
	r := c.get("/v1.0/users?$select=id").want(t, http.StatusTooManyRequests)
	if r.code() != "TooManyRequests" || r.header.Get("Retry-After") != "1" || !strings.HasPrefix(r.header.Get("x-ms-throttle-scope"), "Tenant_Application/Read/") {
		t.Errorf("%v %s", r.header, r.raw)
	}
	s.Advance(time.Second)
	c.get("/v1.0/users?$select=id").want(t, 429) // the refused request was charged too
	s.Advance(3 * time.Second)
	c.get("/v1.0/users?$select=id").want(t, 200)
	c.get("/v1.0/users?$select=id", "x-ms-throttle-priority", "low").want(t, 429)
	if st := s.Stats(); st.Throttled != 3 || st.WhileThrottled != 1 {
		t.Errorf("%+v", st)
	}
	shapes := map[RetryAfterShape]string{RetryZero: "0", RetryFraction: "1.5", RetryDate: "Sat, 01 Mar 2031 00:00:05 GMT",
		RetryRFC850: "Saturday, 01-Mar-31 00:00:05 GMT", RetryAsctime: "Sat Mar  1 00:00:05 2031",
		RetryPast: "Fri, 28 Feb 2031 23:00:04 GMT", RetryAbsent: "", RetryGarbage: "soon", RetryLong: "3600", RetrySeconds: "1"}
	for shape, want := range shapes {
		set.RetryAfterShape = shape
		s.SetSettings(set)
		s.mu.Lock()
		got, _ := s.retryAfter(1)
		s.mu.Unlock()
		if got != want {
			t.Errorf("%s: %q, want %q", shape, got, want)
		}
	}
}

func TestPrices(t *testing.T) {
	t.Parallel()
	_, c := small(t)
	for url, want := range map[string]string{
		"/v1.0/users": "2", "/v1.0/users?$select=id": "1", "/v1.0/users/delta": "1", "/v1.0/groups/" + crew + "/members": "3",
		"/v1.0/groups/" + crew + "/members?$select=id&$top=999": "2", "/v1.0/groups/" + crew + "/members?$top=5": "2",
		"/v1.0/groups/" + crew + "/transitiveMembers": "5", "/v1.0/users/" + mira + "/appRoleAssignments": "2",
	} {
		if got := c.get(url).want(t, 200).header.Get("x-ms-resource-unit"); got != want {
			t.Errorf("%s: %s units, want %s", url, got, want)
		}
	}
}

// The slow replica goes back in time, but a delta feed loses nothing by it.
func TestLags(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	set := Calm().Lagging()
	set.SlowShare = 1
	s.SetSettings(set)
	s.Advance(time.Hour)
	_, link := c.drain("/v1.0/users/delta?$select=displayName")
	s.UpdateUser(mira, map[string]any{"displayName": "New"})
	s.Assign(mira, "")
	assigned := "/v1.0/servicePrincipals/" + s.ServicePrincipalID() + "/appRoleAssignedTo?$top=999"
	name := func() any { return c.get("/v1.0/users/" + mira + "?$select=displayName").body["displayName"] }
	if name() != "Mira Holt" || len(c.get(assigned).value()) != 0 {
		t.Error("the slow replica knows at once")
	}
	link = c.round(link)
	s.Advance(6 * time.Second)
	if name() != "New" || len(c.get(assigned).value()) != 0 {
		t.Error("after 6 s the object is there and the assignment is not")
	}
	s.Advance(20 * time.Second)
	link = c.round(link, `{"displayName":"New","id":"`+mira+`"}`)
	s.Advance(20 * time.Second)
	if len(c.get(assigned).value()) != 1 {
		t.Error("after 46 s the assignment is not there")
	}
	c.round(link)
}
