package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
)

// fakeService answers as a service would, with what a test wants to see printed.
type fakeService struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]any
	asked   []string
}

// fakeToken is the token that the fake service knows.
const fakeToken = "token-of-the-test"

// newFakeService serves answers by method and path below /api/v1: "GET /jobs". An answer is a value, a problem, a
// function of the request that returns either, or nil for 204. Commands find it through the environment.
func newFakeService(t *testing.T, answers map[string]any) *fakeService {
	t.Helper()
	s := &fakeService{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	t.Setenv(serverEnv, s.URL)
	t.Setenv(tokenEnv, fakeToken)
	return s
}

func (s *fakeService) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err) // the request comes from this process
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/v1")
	line := strings.TrimSpace(r.Method + " " + path + "?" + r.URL.RawQuery)
	line = strings.TrimSpace(strings.TrimSuffix(line, "?") + " " + string(body))
	s.mu.Lock()
	s.asked = append(s.asked, line)
	answer, known := s.answers[r.Method+" "+path]
	s.mu.Unlock()
	if f, ok := answer.(func(*http.Request) any); ok {
		answer = f(r)
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer "+fakeToken:
		answer = &web.Problem{Status: 401, Code: "InvalidAuthenticationToken", Message: "The token is not known."}
	case !known:
		answer = &web.Problem{Status: 404, Code: "Request_ResourceNotFound", Message: "There is nothing of this name."}
	}
	p, failed := answer.(*web.Problem)
	if failed {
		for k, v := range p.GetHeaders() {
			w.Header()[k] = v
		}
		answer = web.ErrorBody{Error: web.ErrorContent{Code: p.Code, Message: p.Message, Details: p.Details}}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Request-Id", "req-1")
	switch {
	case failed:
		w.WriteHeader(p.Status)
	case answer == nil:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err) // answers of tests can be encoded
	}
}

// took returns what was asked for since it was last called, without what only reads.
func (s *fakeService) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, a := range s.asked {
		if !strings.HasPrefix(a, "GET ") {
			out = append(out, a)
		}
	}
	s.asked = nil
	return out
}

// inUTC makes times look the same on every machine.
func inUTC(t *testing.T) {
	t.Helper()
	was := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = was })
}

// forPeople is a command line with the output for people.
func forPeople(args ...string) []string { return append([]string{"--output", "table"}, args...) }

// day is a moment of a day in the tests.
func day(hour, minute int) time.Time { return time.Date(2031, 3, 1, hour, minute, 0, 0, time.UTC) }
