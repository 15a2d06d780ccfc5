package msgraph

import (
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/scimsync/scimsync/connectors/internal/wire/wiretest"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/enginetest"
)

// A world is a sandbox directory on a loopback port with a source on it.
type world struct {
	*graphtest.Server
	url   string
	clock *wiretest.Clock
	src   *Source
}

// sandbox serves a directory. The source's clock stands still but for the waits that it makes,
// which cost no time.
func sandbox(t *testing.T, o graphtest.Options, change ...func(*Config)) *world {
	t.Helper()
	w := &world{Server: graphtest.New(o), clock: wiretest.NewClock(time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC))}
	srv := httptest.NewServer(w.Server)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	w.src = w.open(t, change...)
	return w
}

// open makes another source on the same directory.
func (w *world) open(t *testing.T, change ...func(*Config)) *Source {
	t.Helper()
	cfg := Config{
		AccessToken: engine.NewSecret("sandbox-token"), Endpoint: w.url + "/v1.0", ServicePrincipalID: w.ServicePrincipalID(),
		Scope: engine.ScopeAssigned, Select: Select{Users: []string{"department", "givenName"}, Manager: true},
	}
	for _, f := range change {
		f(&cfg)
	}
	src, err := newSource(cfg, nil, zaptest.NewLogger(t), parts{clock: w.clock, rand: func() float64 { return 0.5 }})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func calm() *graphtest.Settings {
	s := graphtest.Calm()
	return &s
}

// suite adapts the sandbox to the suite of all sources.
type suite struct{ *graphtest.Server }

func (s suite) Attribute() string { return "department" }
func (s suite) AddUser(name, value string) string {
	return s.Server.AddUser(graphtest.User{UserPrincipalName: name + "@example.test", DisplayName: name, Department: value})
}
func (s suite) SetAttribute(user string, value any) {
	s.UpdateUser(user, map[string]any{"department": value})
}
func (s suite) AddGroup(name string, members ...string) string {
	return s.Server.AddGroup(graphtest.Group{DisplayName: name, Members: members})
}
func (s suite) Assign(principal string) { s.Server.Assign(principal, "") }

func TestSourceSuite(t *testing.T) {
	t.Parallel()
	small := graphtest.DefaultSettings()
	small.UserPage, small.GroupPage, small.MemberSlice = 7, 3, 5
	split := small
	split.SplitChanges, split.ReplayRate, split.EmptyPageRate, split.AnnotationNoise = true, 0.5, 0.3, true
	padded := *calm()
	padded.TokenPadding = 4096
	for name, settings := range map[string]graphtest.Settings{"calm": *calm(), "as the real service": small, "split and replayed": split, "long tokens": padded} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enginetest.TestSource(t, func(t *testing.T) (engine.Source, enginetest.SourceWorld) {
				w := sandbox(t, graphtest.Options{Seed: 7, Settings: &settings})
				return w.src, suite{w.Server}
			})
		})
	}
}
