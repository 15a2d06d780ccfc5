package test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// inStep is [world.inStep] for a site.
func (s *site) inStep() {
	s.t.Helper()
	if d := mismatch(s.dir.Truth(), s.app); d != "" {
		s.t.Fatalf("the application is not in step (-want +got):\n%s", d)
	}
}

// quiet runs a cycle that must not send anything to the target.
func (s *site) quiet() {
	s.t.Helper()
	if r := s.once(0).Cycles[0]; r.Requests["target"] != 0 {
		s.t.Errorf("a cycle in which nothing changed sent %d requests to the target", r.Requests["target"])
	}
}

// TestWaitingShows has the application ask for patience: the command waits, ends well, and its log
// says what it waited for.
func TestWaitingShows(t *testing.T) {
	t.Parallel()
	s := newSite(t, company(150, 8), scimtest.Options{}, "")
	for _, f := range []scimtest.Fault{
		{Every: 9, Times: 4, Status: 429, Header: map[string]string{"Retry-After": "1"}},
		{Every: 8, Times: 4, Status: 503, Header: map[string]string{"Retry-After": "1"}},
	} {
		if _, err := s.app.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errw := s.run("run", "--once", "--output", "json")
	r := s.parse(out).Cycles[0]
	if code != 0 || r.State != "succeeded" || r.Users["created"] != 150 || r.Users["failed"] != 0 {
		t.Fatalf("exit code %d, %+v\n%s", code, r, tail(errw))
	}
	if n := s.app.Requests().Status; n[429] != 4 || n[503] != 4 {
		t.Fatalf("the faults did not happen: %v", n)
	}
	waits := map[float64]int{} // by status
	for line := range strings.Lines(errw) {
		var l map[string]any
		if json.Unmarshal([]byte(line), &l) == nil && l["side"] == "target" && l["duration"] != nil {
			status, _ := l["status"].(float64)
			waits[status]++
		}
	}
	if waits[429] == 0 || waits[503] == 0 {
		t.Errorf("the log speaks of these waits: %v\n%s", waits, tail(errw))
	}
	s.inStep()
	s.quiet()
}

// TestExitCodes breaks a job in the ways that have an exit code of their own, and lets it recover from each.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	s := newSite(t, company(12, 3), scimtest.Options{}, "")
	bad := s.dir.AddUser(graphtest.User{UserPrincipalName: "bad@example.test", DisplayName: "Bad"})
	s.dir.Assign(bad, graphtest.ZeroRole)

	// Nobody listens where the application should be.
	closed := httptest.NewServer(s.app)
	closed.Close()
	right := s.config
	_, rest, _ := strings.Cut(right[strings.Index(right, "baseUrl: "):], "\n")
	s.write(right[:strings.Index(right, "baseUrl: ")] + "baseUrl: " + closed.URL + s.app.BasePath() + "\n" + rest)
	down := s.once(5).Cycles[0]
	if down.State == "succeeded" || down.Quarantine == nil || !strings.Contains(down.Quarantine.Message, "baseUrl") {
		t.Errorf("with the application away: %+v", down)
	}
	s.write(right)

	// It refuses the token.
	s.app.Change(func(q *scimtest.Quirks) { q.RequireToken = "another" })
	refused := s.once(4).Cycles[0]
	if refused.State != "quarantined" || refused.Quarantine == nil || refused.Quarantine.Code != "credentials" || !strings.Contains(refused.Quarantine.Message, "target.auth") {
		t.Errorf("with a wrong token: %+v, %+v", refused, refused.Quarantine)
	}
	s.app.Change(func(q *scimtest.Quirks) { q.RequireToken = appToken })

	// It refuses one of many.
	if _, err := s.app.AddFault(scimtest.Fault{Method: "POST", BodyContains: "bad@example.test", Status: 400}); err != nil {
		t.Fatal(err)
	}
	some := s.once(3).Cycles[0]
	if some.State != "entryErrors" || some.Users["created"] != 12 || some.Users["failed"] != 1 {
		t.Errorf("with one refused: %+v", some)
	}
	s.app.ClearFaults()
	if r := s.once(0).Cycles[0]; r.Users["created"] != 1 {
		t.Errorf("when nothing is refused any more: %+v", r)
	}
	s.inStep()

	// The directory refuses the token, then sends pages that are cut short.
	s.dir.PassDay()
	s.dir.AddFault(graphtest.Fault{Effect: graphtest.Status, Status: 401})
	if r := s.once(4).Cycles[0]; r.Quarantine == nil || r.Quarantine.Code != "SourceUnauthorized" {
		t.Errorf("with a token that the directory refuses: %+v", r)
	}
	s.dir.ClearFaults()
	s.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: graphtest.TruncateAt, N: 100})
	if r := s.once(5).Cycles[0]; r.State != "failed" || r.Error == nil || r.Error.Code != "SourcePageInvalid" {
		t.Errorf("with a directory whose pages are cut short: %+v", r)
	}
	s.dir.ClearFaults()
	s.once(0)
	s.inStep()
	s.quiet()
}
