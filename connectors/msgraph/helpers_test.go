package msgraph

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/scimsync/scimsync/connectors/internal/wire/wiretest"
	"github.com/scimsync/scimsync/engine"
)

var begin = time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC)

const (
	mira  = "5b0e7f4a-1c5e-4b0e-9d55-3f0c2a6d1101"
	jon   = "0c7f1a90-55d2-4f16-8a0c-9b7d7e3f2202"
	crew  = "9e0d4c11-7a33-4f5c-bb10-51e6b2d03303"
	appID = "2c9b1f00-0000-4000-8000-00000000aa01"
)

// A script is a server that is told answer by answer what to say. It stands in where the sandbox
// lacks a fault.
type script struct {
	t     *testing.T
	url   string
	clock *wiretest.Clock
	mu    sync.Mutex
	asked []string // method and request URI, in order
	reply func(n int, w http.ResponseWriter, r *http.Request)
}

// scripted serves reply, which gets the number of the request from 1, and a source on it.
func scripted(t *testing.T, reply func(n int, w http.ResponseWriter, r *http.Request), change ...func(*Config)) (*Source, *script) {
	t.Helper()
	s := &script{t: t, clock: wiretest.NewClock(begin), reply: reply}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.RequestURI)
		n := len(s.asked)
		s.mu.Unlock()
		s.reply(n, w, r)
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL + "/v1.0"
	cfg := Config{AccessToken: engine.NewSecret("scripted-token"), Endpoint: s.url, ServicePrincipalID: appID, Scope: engine.ScopeAssigned}
	for _, f := range change {
		f(&cfg)
	}
	src, err := newSource(cfg, nil, zaptest.NewLogger(t), parts{clock: s.clock, rand: func() float64 { return 0.5 }})
	if err != nil {
		t.Fatal(err)
	}
	return src, s
}

func (s *script) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// say answers 200 with JSON.
func say(w http.ResponseWriter, format string, a ...any) {
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal")
	fmt.Fprintf(w, format, a...)
}

// fail answers an error in Graph's form.
func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"code":%q,"message":"about mira.holt@example.test","innerError":{"request-id":"x"}}}`, code)
}

// follow reads a feed to the end of a round.
func follow(t *testing.T, src *Source, f engine.Feed, from engine.Cursor) ([]engine.Page, error) {
	t.Helper()
	var pages []engine.Page
	for p, err := range src.Pages(t.Context(), f, from) {
		if err != nil {
			if len(p.Objects)+len(p.Edges)+len(p.Assignments) > 0 || p.Next != "" || p.Done {
				t.Errorf("the page beside the error is not empty")
			}
			return pages, err
		}
		pages = append(pages, p)
	}
	if len(pages) == 0 || !pages[len(pages)-1].Done {
		t.Fatalf("%s: the round has no end", f)
	}
	return pages, nil
}

// mustFollow is follow for a round that has to succeed; it returns all pages as one.
func mustFollow(t *testing.T, src *Source, f engine.Feed, from engine.Cursor) engine.Page {
	t.Helper()
	pages, err := follow(t, src, f, from)
	if err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	var all engine.Page
	for _, p := range pages {
		all.Objects = append(all.Objects, p.Objects...)
		all.Edges = append(all.Edges, p.Edges...)
		all.Assignments = append(all.Assignments, p.Assignments...)
		all.Next, all.Done = p.Next, p.Done
	}
	return all
}

// wantCode checks the code of a source error, and that its text gives nothing away.
func wantCode(t *testing.T, err error, code engine.Code) *engine.SourceError {
	t.Helper()
	var se *engine.SourceError
	if !errors.As(err, &se) || se.Code != code {
		t.Fatalf("got %v, want code %s", err, code)
	}
	for _, secret := range []string{"mira.holt", "token=", "-token", "Bearer", "http://"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the message gives %q away: %v", secret, err)
		}
	}
	if !strings.ContainsAny(se.Message, ";,") {
		t.Errorf("the message does not say what to do: %s", se.Message)
	}
	return se
}

func link(t *testing.T, c engine.Cursor) string {
	t.Helper()
	var p position
	if err := json.Unmarshal([]byte(c), &p); err != nil {
		t.Fatal(err)
	}
	return p.Link
}

func readAll(t *testing.T, r *http.Request) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}
