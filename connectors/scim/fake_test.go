package scim

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/scimsync/scimsync/connectors/internal/wire/wiretest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// seen is a request as the fake server received it.
type seen struct {
	method string
	uri    string // path and query, as they were on the wire
	header http.Header
	body   string
	at     time.Time // on the client's clock
}

func (s seen) line() string { return s.method + " " + s.uri }

// step is one answer of the script. Steps are used up in order.
type step struct {
	// want is the beginning of "METHOD /uri" that the request must have; "" takes any.
	want   string
	status int
	header map[string]string
	body   string
	// cut reads the request and closes the connection without an answer.
	cut bool
	// do answers instead, if set.
	do http.HandlerFunc
}

// fake is a scriptable server: one step per request.
type fake struct {
	t     *testing.T
	srv   *httptest.Server
	clock *wiretest.Clock
	log   *observer.ObservedLogs

	mu       sync.Mutex
	steps    []step
	requests []seen
	// rest answers when the script is used up; nil: a test failure.
	rest func(seen) step
}

// newFake starts a server that follows a script, and a client in front of it. Waiting moves the
// client's clock and takes no time.
func newFake(t *testing.T, change func(*Config), steps ...step) (*Client, *fake) {
	t.Helper()
	f := &fake{t: t, steps: steps, clock: wiretest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	f.srv = httptest.NewServer(f)
	t.Cleanup(f.srv.Close)
	cfg := Config{BaseURL: f.srv.URL + "/scim", Auth: Auth{Type: "bearer", Token: engine.NewSecret("s3cret-token")}, Concurrency: 4}
	if change != nil {
		change(&cfg)
	}
	core, log := observer.New(zap.DebugLevel)
	f.log = log
	c, err := newClient(cfg, f.srv.Client(), zap.New(core), f.clock, func() float64 { return 0.5 })
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.steps) > 0 && !t.Failed() {
			t.Errorf("%d answers of the script were not asked for; requests:\n%s", len(f.steps), f.list())
		}
		for _, s := range f.requests { // conformance 4, for every request of every test
			if s.header.Get("User-Agent") == "" || s.header.Get("Cookie") != "" {
				t.Errorf("%s: user agent %q, cookie %q", s.line(), s.header.Get("User-Agent"), s.header.Get("Cookie"))
			}
		}
	})
	return c, f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s := seen{r.Method, r.RequestURI, r.Header.Clone(), string(body), f.clock.Now()}
	f.mu.Lock()
	f.requests = append(f.requests, s)
	var st step
	switch {
	case len(f.steps) > 0:
		st, f.steps = f.steps[0], f.steps[1:]
	case f.rest != nil:
		st = f.rest(s)
	default:
		f.t.Errorf("a request beyond the script: %s %s", s.line(), s.body)
		st = step{status: 599}
	}
	f.mu.Unlock()
	if st.want != "" && !strings.HasPrefix(s.line(), st.want) {
		f.t.Errorf("got request %s, want %s", s.line(), st.want)
	}
	if st.do != nil {
		st.do(w, r)
		return
	}
	if st.cut {
		panic(http.ErrAbortHandler)
	}
	for n, v := range st.header {
		w.Header().Set(n, v)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/scim+json")
	}
	w.WriteHeader(st.status)
	_, _ = io.WriteString(w, st.body)
}

func (f *fake) list() string {
	var b strings.Builder
	for _, s := range f.requests {
		fmt.Fprintf(&b, "  %s %s\n", s.line(), s.body)
	}
	return b.String()
}

// sent returns the requests so far.
func (f *fake) sent() []seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]seen(nil), f.requests...)
}

// lines returns method and URI of the requests so far.
func (f *fake) lines() []string {
	var out []string
	for _, s := range f.sent() {
		out = append(out, s.line())
	}
	return out
}

func list(resources ...string) string {
	return fmt.Sprintf(`{"schemas":["%s"],"totalResults":%d,"Resources":[%s]}`, listURN, len(resources), strings.Join(resources, ","))
}

var none = step{status: 200, body: list()}

func ok(body string) step      { return step{status: 200, body: body} }
func created(body string) step { return step{status: 201, body: body} }

// refused is a SCIM error.
func refused(status int, scimType, detail string) step {
	t := ""
	if scimType != "" {
		t = fmt.Sprintf(`"scimType":%q,`, scimType)
	}
	return step{status: status, body: fmt.Sprintf(`{"schemas":["%s"],"status":"%d",%s"detail":%q}`, errorURN, status, t, detail)}
}

func val(path string, v any) engine.Value {
	p := mapping.MustPath(path)
	return engine.Value{Path: p, Definition: mapping.DefinitionOf(p), Value: v}
}

func chg(path string, old, want any) engine.AttributeChange {
	p := mapping.MustPath(path)
	return engine.AttributeChange{Path: p, Definition: mapping.DefinitionOf(p), Old: old, New: want}
}

const (
	department = enterpriseURN + ":department"
	managerURN = enterpriseURN + ":manager"
	workMail   = `emails[type eq "work"].value`
)

// noor is the person of section 12.1.
func noor() []engine.Value {
	return []engine.Value{
		val("userName", "noor.ahlgren@fabrikon.example"), val("active", true), val("displayName", "Noor Ahlgren"),
		val("title", "Harbour pilot"), val(workMail, "noor.ahlgren@fabrikon.example"),
		val("name.givenName", "Noor"), val("name.familyName", "Ahlgren"), val("externalId", "noor.ahlgren"),
		val(department, "Pilotage"), val(enterpriseURN+":employeeNumber", "10442"),
	}
}

func byUserName(name string) []engine.Value { return []engine.Value{val("userName", name)} }

var noorBy = byUserName("noor.ahlgren@fabrikon.example")

const noorJSON = `{"id":"48c1","userName":"noor.ahlgren@fabrikon.example","externalId":"noor.ahlgren","active":true}`

// wantError checks outcome, code and status of an error.
func wantError(t *testing.T, err error, outcome engine.Outcome, code engine.Code) *engine.TargetError {
	t.Helper()
	te, ok := err.(*engine.TargetError)
	if !ok {
		t.Fatalf("got error %v, want a TargetError %s %s", err, outcome, code)
	}
	if te.Outcome != outcome || te.Code != code {
		t.Fatalf("got %s %s (HTTP %d, %s), want %s %s", te.Outcome, te.Code, te.Status, te.Detail, outcome, code)
	}
	return te
}

func noError(t *testing.T, err error) {
	t.Helper()
	if te, ok := err.(*engine.TargetError); ok {
		t.Fatalf("got %s %s (HTTP %d, %s)", te.Outcome, te.Code, te.Status, te.Detail)
	}
	if err != nil {
		t.Fatal(err)
	}
}
