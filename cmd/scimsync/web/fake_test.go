package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/store"
	"github.com/scimsync/scimsync/mapping"
)

const connection = "2C9b1111-2222-4333-8444-555566667777"

// fakeBackend remembers what it was asked, and does what the life-cycle table says to the control of the store.
type fakeBackend struct {
	mu    sync.Mutex
	jobs  []Job
	store engine.Store
	asked []string
	by    []Caller
	now   func() time.Time

	refuse   error // the answer to everything that may be refused
	schema   []byte
	template []byte
	check    map[string]string // credentials that Check was called with
	findings []engine.Finding
	provided func([]engine.Subject, bool) ([]engine.Provisioned, error)
	judged   []engine.Judged
	removed  map[string][]engine.Ref
	resets   []Reset
	secrets  map[string]string
}

func (b *fakeBackend) note(by Caller, what string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked, b.by = append(b.asked, what), append(b.by, by)
	return b.refuse
}

func (b *fakeBackend) calls() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.asked...)
}

func (b *fakeBackend) Jobs() []Job { return b.jobs }

func (b *fakeBackend) control(ctx context.Context, j engine.JobID, change func(*engine.Control)) error {
	_, err := b.store.UpdateControl(ctx, j, func(c *engine.Control) error { change(c); return nil })
	return err
}

func (b *fakeBackend) Start(ctx context.Context, by Caller, j engine.JobID) error {
	return errors.Join(b.note(by, "start "+string(j)), b.control(ctx, j, func(c *engine.Control) { *c = engine.Control{} }))
}

func (b *fakeBackend) Pause(ctx context.Context, by Caller, j engine.JobID) error {
	return errors.Join(b.note(by, "pause "+string(j)), b.control(ctx, j, func(c *engine.Control) { c.Paused = true }))
}

func (b *fakeBackend) Stop(_ context.Context, by Caller, j engine.JobID) error {
	return b.note(by, "stop "+string(j))
}

func (b *fakeBackend) Sync(_ context.Context, by Caller, j engine.JobID) (engine.CycleID, error) {
	return "c-1", b.note(by, "sync "+string(j))
}

func (b *fakeBackend) Restart(_ context.Context, by Caller, j engine.JobID, what []Reset, start bool) error {
	b.resets = what
	s := ""
	if start {
		s = " start"
	}
	return b.note(by, "restart "+string(j)+s)
}

func (b *fakeBackend) Quarantine(ctx context.Context, by Caller, j engine.JobID, comment string) error {
	err := b.control(ctx, j, func(c *engine.Control) {
		c.Quarantine = &engine.Quarantine{Reason: engine.QuarantineOnDemand, SeriesBegan: b.now(), CurrentBegan: b.now(), NextAttempt: b.now()}
	})
	return errors.Join(b.note(by, "quarantine "+comment), err)
}

func (b *fakeBackend) Provision(_ context.Context, by Caller, j engine.JobID, subjects []engine.Subject, dry, explain bool) ([]engine.Provisioned, error) {
	if err := b.note(by, "provision "+string(j)); err != nil {
		return nil, err
	}
	if b.provided != nil {
		return b.provided(subjects, dry)
	}
	var out []engine.Provisioned
	for _, s := range subjects {
		p := engine.Provisioned{
			Subject: engine.Identity{ID: s.Name, Name: "Mira Holt"}, Kind: s.Kind, Status: engine.StatusSuccess, DryRun: dry, StartedAt: b.now(), EndedAt: b.now(),
			Entry: engine.LogEntry{ID: 7, Action: engine.Create, Status: engine.StatusSuccess, Rule: "U1", Source: engine.Identity{ID: s.Name, Name: "Mira Holt"},
				Target: engine.Identity{ID: "t1"}, Kind: s.Kind, Changes: []engine.LoggedChange{{Attribute: "userName", New: "mira@example.test"}, {Attribute: "active", New: true}}},
			Steps: []engine.Step{{Type: engine.StepImport, Name: "EntryImportAdd", Status: engine.StatusSuccess, Description: "was read", Details: []engine.Detail{{Name: "objectId", Value: s.Name}}}},
		}
		if explain {
			p.Explain = []string{"assigned directly"}
		}
		for _, m := range s.Members {
			p.Members = append(p.Members, engine.Provisioned{Subject: engine.Identity{ID: m}, Kind: engine.User, Status: engine.StatusSuccess})
		}
		out = append(out, p)
	}
	return out, nil
}

func (b *fakeBackend) Plan(_ context.Context, by Caller, j engine.JobID) (engine.Cycle, []engine.LogEntry, error) {
	return engine.Cycle{ID: "plan", Job: j, Kind: engine.Initial, State: engine.CycleSucceeded, Counts: engine.Counts{"users.created": 1}},
		[]engine.LogEntry{{Kind: engine.User, Action: engine.Create, Rule: "U1"}, {Kind: engine.User, Action: engine.Nothing}}, b.note(by, "plan "+string(j))
}

func (b *fakeBackend) Check(_ context.Context, by Caller, j engine.JobID, credentials map[string]string) (source, target []engine.Finding, err error) {
	b.check = credentials
	return []engine.Finding{{Name: "token", Level: engine.LevelOK}}, b.findings, b.note(by, "check "+string(j))
}

func (b *fakeBackend) Judge(_ context.Context, by Caller, j engine.JobID, v engine.Verdict, about []engine.Judged, removals map[string][]engine.Ref, comment string) (int, error) {
	b.judged, b.removed = about, removals
	n := len(about)
	for _, m := range removals {
		n += len(m)
	}
	return n, b.note(by, string(v)+" "+comment)
}

func (b *fakeBackend) Retry(ctx context.Context, by Caller, j engine.JobID, refs []engine.Ref) (int, error) {
	n, err := b.store.Retry(ctx, j, refs, b.now())
	return n, errors.Join(err, b.note(by, "retry"))
}

func (b *fakeBackend) Ignore(ctx context.Context, by Caller, j engine.JobID, refs []engine.Ref) (int, error) {
	n, err := b.store.Ignore(ctx, j, refs)
	return n, errors.Join(err, b.note(by, "ignore"))
}

func (b *fakeBackend) AddLink(ctx context.Context, by Caller, j engine.JobID, r engine.Ref, target string) (engine.Link, error) {
	l := engine.Link{Ref: r, TargetID: target, State: engine.Managed}
	return l, errors.Join(b.note(by, "link "+r.ID), b.store.PutLink(ctx, j, l, false))
}

func (b *fakeBackend) RemoveLink(_ context.Context, by Caller, _ engine.JobID, r engine.Ref) error {
	return b.note(by, "unlink "+string(r.Kind)+" "+r.ID)
}

func (b *fakeBackend) Drift(_ context.Context, by Caller, j engine.JobID, repair bool) (engine.Drift, error) {
	what := "drift"
	if repair {
		what = "repair"
	}
	return engine.Drift{Job: j, Classes: map[engine.DriftClass]int{engine.DriftLocal: 2}}, b.note(by, what)
}

func (b *fakeBackend) Schema(context.Context, engine.JobID) (current, template []byte, err error) {
	if b.schema != nil {
		return b.schema, b.template, nil
	}
	return b.template, b.template, nil
}

func (b *fakeBackend) PutSchema(_ context.Context, by Caller, _ engine.JobID, schema []byte) error {
	b.schema = schema
	return b.note(by, "schema")
}

func (b *fakeBackend) Erase(_ context.Context, by Caller, j engine.JobID) error {
	return b.note(by, "erase "+string(j))
}

func (b *fakeBackend) SameSecret(_ engine.JobID, key, value string) bool {
	return b.secrets[key] == value
}

// bench is the API on a server, with its store and backend.
type bench struct {
	t     *testing.T
	api   *API
	back  *fakeBackend
	store engine.Store
	url   string
	mu    sync.Mutex
	at    time.Time
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = b.at.Add(d)
}

var start = time.Date(2031, 3, 4, 10, 0, 0, 0, time.UTC)

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := store.Open(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return benchOn(t, s)
}

func benchOn(t *testing.T, s engine.Store) *bench {
	t.Helper()
	b := &bench{t: t, store: s, at: start}
	b.back = &fakeBackend{store: s, now: b.now, secrets: map[string]string{"SecretToken": "right"}, jobs: []Job{
		{ID: "webex", Connection: connection, Enabled: true, Interval: 40 * time.Minute, Scope: engine.ScopeAssigned, SourceType: "msgraph", SourceName: "Microsoft Graph",
			TenantID: "7d1f0c52-0000-4000-8000-00000000aa01", TargetType: "scim", TargetName: "crm.example.test", BaseURL: "https://crm.example.test/scim/v2", AuthType: "bearer",
			Expires: start.AddDate(1, 0, 0), Email: []string{"ops@example.test"}, OnFailure: true},
		{ID: "other", Connection: "other", Enabled: true, Interval: time.Hour, Scope: engine.ScopeAll, SourceType: "msgraph", SourceName: "Microsoft Graph", TargetType: "scim", TargetName: "b.example.test"},
	}}
	b.back.template = mapping.ExportSchema(mapping.WebexDefault(), nil, "Webex")
	lg := zap.NewNop()
	if testing.Verbose() {
		lg = zaptest.NewLogger(t)
	}
	var tokens []Token
	for _, r := range roles {
		tokens = append(tokens, Token{Name: "the " + string(r), Secret: engine.NewSecret("token-" + string(r)), Role: r})
	}
	b.api = New(b.back, s, Options{Tokens: tokens, Log: lg, Version: "test", Now: b.now})
	b.api.pollEvery, b.api.heartbeat = 5*time.Millisecond, 20*time.Millisecond
	srv := httptest.NewServer(b.api)
	t.Cleanup(func() {
		b.api.Close()
		srv.Close()
	})
	b.url = srv.URL
	return b
}

// answered is an answer with its body.
type answered struct {
	*http.Response
	body []byte
}

// into decodes the body.
func (r answered) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("%s %s: %v in %s", r.Request.Method, r.Request.URL, err, r.body)
	}
}

// do sends a request as somebody. Headers are "Name: value".
func (b *bench) do(role Role, method, path, body string, headers ...string) answered {
	b.t.Helper()
	if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "/healthz") && !strings.HasPrefix(path, "/readyz") {
		path = b.url + root + path
	} else if strings.HasPrefix(path, "/") {
		path = b.url + path
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, path, bytes.NewReader([]byte(body)))
	if err != nil {
		b.t.Fatal(err)
	}
	if role != "" {
		req.Header.Set("Authorization", "Bearer token-"+string(role))
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answered{res, data}
}

// want sends a request as an administrator and checks the status, and the body of an error.
func (b *bench) want(status int, code, method, path, body string, headers ...string) answered {
	b.t.Helper()
	r := b.do(RoleAdmin, method, path, body, headers...)
	b.expect(r, status, code)
	return r
}

func (b *bench) expect(r answered, status int, code string) {
	b.t.Helper()
	if r.StatusCode != status {
		b.t.Fatalf("%s %s: status %d, want %d: %s", r.Request.Method, r.Request.URL, r.StatusCode, status, r.body)
	}
	if r.Header.Get("Request-Id") == "" || r.Header.Get("Client-Request-Id") == "" {
		b.t.Errorf("%s %s: no request ids in %v", r.Request.Method, r.Request.URL, r.Header)
	}
	if status < 400 {
		return
	}
	var e ErrorBody
	r.into(b.t, &e)
	if e.Error.Code != code || e.Error.Message == "" {
		b.t.Errorf("%s %s: code %q, want %q; message %q", r.Request.Method, r.Request.URL, e.Error.Code, code, e.Error.Message)
	}
	if i := e.Error.InnerError; i.RequestID != r.Header.Get("Request-Id") || i.ClientRequestID != r.Header.Get("Client-Request-Id") || i.Date.IsZero() {
		b.t.Errorf("%s %s: innerError %+v does not fit the headers", r.Request.Method, r.Request.URL, i)
	}
	if ct := r.Header.Get("Content-Type"); ct != "application/json" {
		b.t.Errorf("%s %s: content type %q of an error", r.Request.Method, r.Request.URL, ct)
	}
}

func (b *bench) client() *Client {
	return &Client{Base: b.url, Token: engine.NewSecret("token-admin")}
}
