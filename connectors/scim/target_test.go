package scim

import (
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/scimsync/scimsync/connectors/internal/wire/wiretest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/enginetest"
)

// sandbox is the sandbox application as the suite's world.
type sandbox struct {
	*scimtest.Server
	t *testing.T
}

func (s *sandbox) Add(k engine.Kind, attributes map[string]any) string {
	add := s.AddUser
	if k == engine.Group {
		add = func(a map[string]any) (string, error) { return s.AddGroup(a) }
	}
	id, err := add(attributes)
	if err != nil {
		s.t.Fatalf("sandbox: %v", err)
	}
	return id
}

func (s *sandbox) Object(_ engine.Kind, id string) (map[string]any, bool) {
	r, ok := s.ByID(id)
	return r.Attributes, ok
}

func (s *sandbox) Members(group string) []string {
	r, _ := s.ByID(group)
	return r.Members
}

func (s *sandbox) Remove(_ engine.Kind, id string) { s.Server.Delete(id) }

func (s *sandbox) Count(k engine.Kind) int {
	users, groups := s.Size()
	if k == engine.Group {
		return groups
	}
	return users
}

func (s *sandbox) Writes() int { return s.Requests().Writes }

func (s *sandbox) LoseNextCreate() {
	if _, err := s.AddFault(scimtest.Fault{Method: "POST", CutAfterApply: true, Times: 1}); err != nil {
		s.t.Fatalf("sandbox: %v", err)
	}
}

// dialects are the wire profiles, by what the configuration says.
var dialects = []struct {
	name    string
	profile Profile
	query   string
}{
	{"entra 2017", Entra, ""},
	{"entra 062020", Entra, "?aadOptscim062020"},
	{"rfc7644", RFC7644, ""},
}

// openSandbox starts a sandbox and a client in front of it. Waiting takes no time.
func openSandbox(t *testing.T, o scimtest.Options, query string, change func(*Config)) (*Client, *sandbox) {
	t.Helper()
	app := scimtest.New(o)
	srv := httptest.NewServer(app)
	t.Cleanup(srv.Close)
	cfg := Config{BaseURL: srv.URL + app.BasePath() + query, Auth: Auth{Type: "bearer", Token: engine.NewSecret("sandbox-token")}}
	if change != nil {
		change(&cfg)
	}
	c, err := newClient(cfg, srv.Client(), zaptest.NewLogger(t), wiretest.NewClock(time.Now()), nil)
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	return c, &sandbox{app, t}
}

func TestTarget(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			enginetest.TestTarget(t, func(t *testing.T) (engine.Target, enginetest.TargetWorld) {
				c, w := openSandbox(t, scimtest.Options{Seed: 1, Quirks: scimtest.Quirks{RequireToken: "sandbox-token", Strict: d.profile == RFC7644}},
					d.query, func(cfg *Config) { cfg.Profile = d.profile })
				return c, w
			})
		})
	}
}
