package test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// TestLogs: what failed, and what the application said, is on the screen after a run, and everything
// that was done can be looked up.
func TestLogs(t *testing.T) {
	t.Parallel()
	s := newSite(t, graphtest.Options{Seed: 5, Population: graphtest.Population{Users: 20, Groups: 3, Tidy: true}}, scimtest.Options{}, "")
	bad := s.dir.AddUser(graphtest.User{UserPrincipalName: "bad.apple@example.test", DisplayName: "Bad Apple"})
	s.dir.Assign(bad, graphtest.ZeroRole)
	if _, err := s.app.AddFault(scimtest.Fault{Method: "POST", Path: "/Users", BodyContains: "bad.apple", Status: 400, ScimType: "invalidValue"}); err != nil {
		t.Fatal(err)
	}
	code, out, errw := s.run("run", "--once", "--output", "table")
	if code != 3 || !strings.Contains(out, "bad.apple@example.test") || !strings.Contains(out, "(U1)") {
		t.Errorf("exit code %d, want 3 and the failure in the result:\n%s\n%s", code, out, tail(errw))
	}
	for _, c := range []struct {
		args []string
		rows int
	}{
		{[]string{"--status", "failure"}, 1},
		{[]string{"--user", bad}, 1},
		{[]string{"--user", "BAD.APPLE"}, 1},
		{[]string{"--action", "create", "--status", "success"}, 23},
		{[]string{"--since", "1h"}, -1},
		{[]string{"--cycle", "no-such-cycle"}, 0},
		{[]string{"--action", "delete"}, 0},
	} {
		code, out, errw := s.run(append([]string{"logs", "job", "--output", "json"}, c.args...)...)
		rows := strings.Count(out, "\n")
		if code != 0 || c.rows >= 0 && rows != c.rows {
			t.Errorf("logs %v: exit code %d with %d rows, want %d\n%s%s", c.args, code, rows, c.rows, out, errw)
		}
		for line := range strings.Lines(out) {
			if !json.Valid([]byte(line)) {
				t.Errorf("logs %v: not JSON: %s", c.args, line)
			}
		}
	}
	for _, args := range [][]string{{"--status", "bad"}, {"--action", "explode"}, {"--since", "yesterday"}} {
		if code, _, errw := s.run(append([]string{"logs", "job"}, args...)...); code != 2 || !strings.Contains(errw, args[0]) {
			t.Errorf("logs %v: exit code %d, want 2 and the reason: %s", args, code, errw)
		}
	}
}
