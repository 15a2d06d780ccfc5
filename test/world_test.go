package test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/connectors/msgraph"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
	"github.com/scimsync/scimsync/engine/store"
	"github.com/scimsync/scimsync/mapping"
)

// world is a sandbox directory, a sandbox application and one job between them, over HTTP. Cycles run in this
// process without Temporal; package workflows and the commands are tested with it.
type world struct {
	t      testing.TB
	dir    *graphtest.Server
	app    *scimtest.Server
	store  engine.Store
	runner *cycle.Runner
	job    *cycle.Job
	cycles int

	sourceLines, targetLines *lines // of a virtual world

	calls  atomic.Int64                        // requests to the application
	onCall atomic.Pointer[func(n int64)]       // told of each before it is answered
	onAsk  atomic.Pointer[func(*http.Request)] // the same for requests to the directory
}

// asked is the directory, seen from outside.
func (w *world) asked(rw http.ResponseWriter, r *http.Request) {
	if f := w.onAsk.Load(); f != nil {
		(*f)(r)
	}
	w.dir.ServeHTTP(rw, r)
}

// called is the application, seen from outside.
func (w *world) called(rw http.ResponseWriter, r *http.Request) {
	n := w.calls.Add(1)
	if f := w.onCall.Load(); f != nil {
		(*f)(n)
	}
	w.app.ServeHTTP(rw, r)
}

// setting changes a world before it is built.
type setting struct {
	graph   graphtest.Options
	app     scimtest.Options
	profile scim.Profile
	dialect string // "?aadOptscim062020" for the newer dialect of the Entra profile
	scope   engine.Scope
	mapping *mapping.Mapping
	options engine.Options
	log     *zap.Logger
	store   string // of PostgreSQL; "" is SQLite in a folder of its own
	virtual bool   // in memory, for a bubble of virtual time

	source func(*msgraph.Config) // changes settings of the connectors
	target func(*scim.Config)
}

func newWorld(t testing.TB, s setting) *world {
	t.Helper()
	w := &world{t: t, dir: graphtest.New(s.graph), app: scimtest.New(s.app)}
	var source, target string
	var toSource, toTarget *http.Client
	source, toSource, w.sourceLines = serve(t, http.HandlerFunc(w.asked), s.virtual)
	target, toTarget, w.targetLines = serve(t, http.HandlerFunc(w.called), s.virtual)

	m := mapping.Default()
	if s.mapping != nil {
		m = *s.mapping
	}
	if s.options.Deletions == (engine.DeletionGuard{}) { // guards have tests of their own
		s.options.Deletions.Threshold = 1000
	}
	job := engine.Job{ID: "test", Scope: cmp.Or(s.scope, engine.ScopeAssigned), Mapping: m, Options: s.options}
	lg := cmp.Or(s.log, zap.NewNop())
	from := msgraph.Config{
		Endpoint: source + "/v1.0", AccessToken: engine.NewSecret("graph-token"), ServicePrincipalID: w.dir.ServicePrincipalID(), Scope: job.Scope,
		Select: msgraph.Select{Users: mapping.GraphSelect(m.Users.SourceAttributes()), Groups: mapping.GraphSelect(m.Groups.SourceAttributes()), Manager: len(m.Users.References()) > 0},
	}
	to := scim.Config{
		BaseURL: target + w.app.BasePath() + s.dialect, Profile: cmp.Or(s.profile, scim.RFC7644),
		Auth: scim.Auth{Type: "bearer", Token: engine.NewSecret("app-token")},
	}
	if s.source != nil {
		s.source(&from)
	}
	if s.target != nil {
		s.target(&to)
	}
	src, err := msgraph.New(from, toSource, lg)
	if err != nil {
		t.Fatal(err)
	}
	dst, err := scim.New(to, toTarget, lg)
	if err != nil {
		t.Fatal(err)
	}
	if w.store, err = store.Open(t.Context(), s.store, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	w.job = &cycle.Job{Job: job, Source: src, Target: dst}
	w.runner = cycle.New(w.store, map[engine.JobID]*cycle.Job{"test": w.job}, lg)
	return w
}

// cycle runs one cycle and returns its record, whatever came of it.
func (w *world) cycle() engine.Cycle {
	w.t.Helper()
	w.cycles++
	w.app.ResetCounts()
	// As run --once does: a job in quarantine is tried at once.
	if err := w.runner.Ask(w.t.Context(), "test", ""); err != nil {
		w.t.Fatal(err)
	}
	c, err := w.runner.Run(context.WithoutCancel(w.t.Context()), "test", engine.CycleID(fmt.Sprintf("cycle-%d", w.cycles)), func(int) {})
	if err != nil {
		w.t.Fatalf("cycle %d: %v", w.cycles, err)
	}
	return c
}

// sync runs one cycle that must succeed.
func (w *world) sync() engine.Cycle {
	w.t.Helper()
	c := w.cycle()
	if c.State != engine.CycleSucceeded {
		w.t.Fatalf("cycle %d ended %s: %s %s; counts %v%s", w.cycles, c.State, c.ErrorCode, c.Error, c.Counts, w.failures(c.ID))
	}
	return c
}

// failures lists the log rows of objects that failed.
func (w *world) failures(id engine.CycleID) (out string) {
	rows, err := w.store.Entries(w.t.Context(), "test", engine.LogFilter{Cycle: id, Status: engine.StatusFailure})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rows {
		out += fmt.Sprintf("\n%s %s %s: %s %d %s", r.Kind, r.Source.Name, r.Rule, r.Code, r.HTTPStatus, r.Detail)
	}
	return out
}

// addUser makes a person in the directory and returns the id.
func (w *world) addUser(name string) string {
	return w.dir.AddUser(graphtest.User{
		UserPrincipalName: name + "@example.test", DisplayName: name + " Test", GivenName: name, Surname: "Test",
	})
}

// account returns the account of a directory object at the application, found by externalId.
func (w *world) account(id string) (scimtest.Resource, bool) {
	return byExternalID(w.app.Users(), id)
}

func (w *world) group(id string) (scimtest.Resource, bool) {
	return byExternalID(w.app.Groups(), id)
}

func byExternalID(rs []scimtest.Resource, id string) (scimtest.Resource, bool) {
	i := slices.IndexFunc(rs, func(r scimtest.Resource) bool { return r.ExternalID == id })
	if i < 0 {
		return scimtest.Resource{}, false
	}
	return rs[i], true
}

// mustAccount is account for one that must be there.
func (w *world) mustAccount(id string) scimtest.Resource {
	w.t.Helper()
	r, ok := w.account(id)
	if !ok {
		w.t.Fatalf("no account with externalId %s", id)
	}
	return r
}

func (w *world) mustGroup(id string) scimtest.Resource {
	w.t.Helper()
	r, ok := w.group(id)
	if !ok {
		w.t.Fatalf("no group with externalId %s", id)
	}
	return r
}

// BenchmarkSteps is an initial cycle of 2,000 users without Temporal and in one process, to be profiled:
//
//	go test ./test -run xxx -bench Steps -cpuprofile cpu.out
func BenchmarkSteps(b *testing.B) {
	for b.Loop() {
		w := newWorld(b, setting{graph: graphtest.Options{Seed: 11, Population: graphtest.Population{Users: 2000, Groups: 100, Memberships: 4000, Tidy: true}}})
		w.sync()
	}
}
