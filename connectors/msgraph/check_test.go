package msgraph

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

func errorsOf(found []engine.Finding) (names []string, details string) {
	for _, f := range found {
		if f.Level == engine.LevelError {
			names = append(names, f.Name)
			details += f.Detail + "\n"
		}
	}
	slices.Sort(names)
	return names, details
}

func TestCheckReportsEveryMissingPermission(t *testing.T) { // GS-PM-2
	t.Parallel()
	for token, want := range map[string]struct{ names, says string }{
		"emu-t-all":          {"", ""},
		"emu-t-users+groups": {"read the application", "Application.Read.All"},
		"emu-t-users+apps":   {"read groups", "GroupMember.Read.All"},
		"emu-t-groups+apps":  {"read deleted users,read users", "User.Read.All"},
		"emu-t-none":         {"read deleted users,read groups,read the application,read users", "Application.Read.All"},
		"emu-expired":        {"read deleted users", ""}, // replaced below: a refused token ends the test
	} {
		w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()}, func(c *Config) { c.AccessToken = engine.NewSecret(token) })
		found, err := w.src.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		names, details := errorsOf(found)
		if token == "emu-expired" {
			want.names = "endpoint"
		}
		if strings.Join(names, ",") != want.names || !strings.Contains(details, want.says) {
			t.Errorf("%s: got %v: %s", token, names, details)
		}
		for _, r := range w.Log() {
			if r.Method != "GET" {
				t.Errorf("the test sent %s", r.Method)
			}
		}
	}
}

func TestCheckNamesUnknownAttributes(t *testing.T) { // GS-EX-1
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()}, func(c *Config) { c.Select.Users = []string{"department", "departement", "extension_00_cost"} })
	found, err := w.src.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names, details := errorsOf(found)
	if strings.Join(names, ",") != "changes of users" || !strings.Contains(details, "does not know departement") || strings.Contains(details, "department,") {
		t.Errorf("got %v: %s", names, details)
	}
}

func TestCheckTellsTenantsWithoutChangeTracking(t *testing.T) { // GS-PM-3
	t.Parallel()
	s := graphtest.Calm()
	s.B2C = true
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: &s})
	found, err := w.src.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names, details := errorsOf(found)
	if strings.Join(names, ",") != "changes of groups,changes of users" || !strings.Contains(details, "no change tracking") {
		t.Errorf("got %v: %s", names, details)
	}
}

func TestCheckOfAnUnknownApplication(t *testing.T) {
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()}, func(c *Config) { c.ServicePrincipalID = mira })
	found, err := w.src.Check(t.Context())
	if names, details := errorsOf(found); err != nil || strings.Join(names, ",") != "read the application" || !strings.Contains(details, "servicePrincipalId") {
		t.Errorf("got %v: %s, %v", names, details, err)
	}
}

func TestCheckIsNotHeldUp(t *testing.T) {
	t.Parallel()
	src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "600")
		fail(w, 429, "TooManyRequests")
	})
	found, err := src.Check(t.Context())
	if err != nil || engine.Failed(found) {
		t.Errorf("got %+v, %v", found, err)
	}
	if len(found) < 4 || found[1].Level != engine.LevelWarn || !s.clock.Now().Equal(begin) {
		t.Errorf("got %+v after %v", found, s.clock.Now().Sub(begin))
	}
}

func TestCheckNamesAWrongEndpoint(t *testing.T) {
	t.Parallel()
	src, _ := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	found, err := src.Check(t.Context())
	names, details := errorsOf(found)
	if err != nil || len(names) == 0 || !strings.Contains(details, "no Microsoft Graph root") {
		t.Errorf("got %v: %s, %v", names, details, err)
	}
}
