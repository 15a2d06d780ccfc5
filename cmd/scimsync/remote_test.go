package main

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
)

// TestProblems: what a service answers ends a command with the right code, says what to do, and shows no token.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer any
		code   int
		says   []string
	}{
		{"another token", &web.Problem{Status: 401, Code: "InvalidAuthenticationToken", Message: "The token is not known."}, exitConnection, []string{"does not know the token of $SCIMSYNC_TOKEN", "--token"}},
		{"another role", &web.Problem{Status: 403, Code: "Authorization_RequestDenied", Message: `This needs the role operator; the token "eve" has the role viewer.`}, exitConnection, []string{"needs the role operator", `"eve"`, "$SCIMSYNC_TOKEN"}},
		{"not now", &web.Problem{Status: 409, Code: "OperationInProgress", Message: "a cycle is open", Details: []web.ProblemDetail{{Message: "let it end"}, {Target: "criteria", Message: "not now"}}}, exitUsage, []string{"a cycle is open\n  let it end\n  criteria: not now"}},
		{"bad request", &web.Problem{Status: 400, Code: "Request_BadRequest", Message: "ids: nonsense"}, exitUsage, []string{"ids: nonsense"}},
		{"too often", &web.Problem{Status: 429, Code: "TooManyRequests", Message: "Too many.", RetryAfter: 90e9}, exitConnection, []string{"Too many. It can be asked again in 1m30s."}},
		{"target away", &web.Problem{Status: 422, Code: "TargetUnreachable", Message: "target: nobody answers"}, exitConnection, []string{"nobody answers"}},
		{"broken", &web.Problem{Status: 500, Code: "InternalServerError", Message: "Something went wrong."}, exitInternal, []string{"request req-1"}},
	} {
		newFakeService(t, map[string]any{"POST /jobs/webex/pause": c.answer, "GET /jobs": web.Page[web.SynchronizationJob]{}})
		code, out, errs := runCommand(t, "", "job", "pause", "webex")
		if code != c.code || out != "" || strings.Contains(errs, fakeToken) {
			t.Errorf("%s: exit %d, want %d; stdout %q, stderr %q", c.name, code, c.code, out, errs)
		}
		for _, s := range c.says {
			if !strings.Contains(errs, s) {
				t.Errorf("%s: stderr %q does not say %q", c.name, errs, s)
			}
		}
	}
}

// TestServerFlag: what --server names is checked before anything is sent, and gets the token of the command line or the
// environment and no other.
func TestServerFlag(t *testing.T) {
	foreign := httptest.NewServer(http.NotFoundHandler())
	defer foreign.Close()
	s := newFakeService(t, map[string]any{"GET /jobs": web.Page[web.SynchronizationJob]{}})
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct {
		name, server, token, env string
		code                     int
		says                     string
	}{
		{"flags", s.URL, fakeToken, "wrong", exitDone, ""},
		{"environment", "", "", fakeToken, exitDone, ""},
		{"with a path", s.URL + "/api/v1/", fakeToken, "", exitDone, ""},
		{"no token", s.URL, "", "", exitUsage, "--server needs a token"},
		{"no address", "127.0.0.1:8080", fakeToken, "", exitUsage, "not an address such as"},
		{"another scheme", "ftp://127.0.0.1", fakeToken, "", exitUsage, "not an address such as"},
		{"nobody there", gone.URL, fakeToken, "", exitConnection, "check that the service runs"},
		{"something else there", foreign.URL, fakeToken, "", exitConnection, "not as a scimsync service does"},
	} {
		t.Setenv(tokenEnv, c.env)
		args := []string{"job", "list", "--config", filepath.Join(t.TempDir(), "none.yaml")}
		if c.server != "" {
			args = append(args, "--server", c.server)
		}
		if c.token != "" {
			args = append(args, "--token", c.token)
		}
		code, _, errs := runCommand(t, "", args...)
		if code != c.code || !strings.Contains(errs, c.says) || c.says == "" && errs != "" {
			t.Errorf("%s: exit %d, want %d; stderr %q, want %q", c.name, code, c.code, errs, c.says)
		}
	}
}

// TestPlainHTTP: a token that would go over a network unencrypted is warned about.
func TestPlainHTTP(t *testing.T) {
	for server, warned := range map[string]bool{"http://scimsync.example.test:8080": true, "https://scimsync.example.test": false, "http://127.0.0.1:1": false, "http://[::1]:1": false, "http://localhost:1": false} {
		var errs strings.Builder
		r := &remote{console: &console{err: &errs}, token: "t"}
		if _, err := r.named(server); err != nil || strings.Contains(errs.String(), "unencrypted") != warned {
			t.Errorf("%s: %v, %q", server, err, errs.String())
		}
	}
}

// TestServing finds the service of a configuration, and only that.
func TestServing(t *testing.T) {
	answers := func(status int, text string) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/healthz" || r.Header.Get("Authorization") != "" {
				t.Errorf("asked for %s with %q", r.URL.Path, r.Header.Get("Authorization"))
			}
			w.WriteHeader(status)
			if _, err := w.Write([]byte(text)); err != nil {
				t.Error(err)
			}
		}))
		t.Cleanup(srv.Close)
		return srv.Listener.Addr().String()
	}
	healthy := answers(200, "ok\n")
	_, port, err := net.SplitHostPort(healthy)
	if err != nil {
		t.Fatal(err)
	}
	for listen, want := range map[string]string{
		healthy: "http://" + healthy, ":" + port: "http://127.0.0.1:" + port, "0.0.0.0:" + port: "http://127.0.0.1:" + port,
		"": "", "127.0.0.1:0": "", "127.0.0.1:1": "", "nonsense": "",
		answers(503, "ok"): "", answers(200, "<html>welcome"): "",
	} {
		if got := serving(t.Context(), listen); got != want {
			t.Errorf("%q: %q, want %q", listen, got, want)
		}
	}
}

// TestTokenOfService: a service that runs with a token which this user cannot find is not sent another one, and none is
// made for it.
func TestTokenOfService(t *testing.T) {
	s := newFakeService(t, map[string]any{"GET /jobs": web.Page[web.SynchronizationJob]{}})
	healthy := http.NewServeMux()
	healthy.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write([]byte("ok\n")); err != nil {
			t.Error(err)
		}
	})
	healthy.Handle("/", s.Config.Handler)
	front := httptest.NewServer(healthy)
	defer front.Close()
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv(serverEnv, "")
	t.Setenv(tokenEnv, "")
	write := func(more string) {
		text := "dataDir: data\nserver: {listen: \"" + front.Listener.Addr().String() + "\"" + more + "}\n" + oneJob("http://127.0.0.1:1", "2c9b7e10-0000-4000-8000-000000000003", "http://127.0.0.1:1/scim")
		if err := os.WriteFile("scimsync.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SANDBOX_TOKEN", "sandbox")
	write("")
	code, _, errs := runCommand(t, "", "job", "list")
	if _, err := os.Stat(filepath.Join("data", tokenFile)); code != exitUsage || !strings.Contains(errs, "its token is not known here") || err == nil {
		t.Errorf("exit %d, stderr %q; token file: %v", code, errs, err)
	}
	if err := os.Mkdir("data", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("data", tokenFile), []byte(fakeToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := runCommand(t, "", "job", "list"); code != exitDone || errs != "" {
		t.Errorf("with the generated token: exit %d, stderr %q", code, errs)
	}
	t.Setenv("OTHER", "of-another-service")
	write(", token: \"${env:OTHER}\"")
	if code, _, errs := runCommand(t, "", "job", "list"); code != exitConnection || !strings.Contains(errs, "the token of server.token of scimsync.yaml") {
		t.Errorf("with another token: exit %d, stderr %q", code, errs)
	}
	if code, _, errs := runCommand(t, "", "job", "list", "--token", fakeToken); code != exitDone || errs != "" {
		t.Errorf("with --token: exit %d, stderr %q", code, errs)
	}
}

// TestTableText: what comes from elsewhere cannot move the cursor, colour the screen or forge a row.
func TestTableText(t *testing.T) {
	var b strings.Builder
	tab := newTable(&b, "A", "B")
	tab.row("x\x1b[2J\ty\nz", "", "\u202eabc")
	if err := tab.end(); err != nil || b.String() != "A            B\nx [2J y z    -  abc\n" && strings.ContainsAny(b.String(), "\x1b\t\u202e") {
		t.Errorf("%v: %q", err, b.String())
	}
	if n := strings.Count(b.String(), "\n"); n != 2 {
		t.Errorf("%d lines: %q", n, b.String())
	}
	for in, want := range map[string]string{"": "''", "a b": "'a b'", "it's": `'it'\''s'`, "user:1-2@x.y": "user:1-2@x.y", "$(rm)": "'$(rm)'"} {
		if got := quoted(in); got != want {
			t.Errorf("quoted %q: %s, want %s", in, got, want)
		}
	}
}

// TestExplainLeaves: errors that have their words and code already stay as they are.
func TestExplainLeaves(t *testing.T) {
	a := &api{}
	for _, err := range []error{nil, usage("x"), &exitError{exitHeld, errors.New("held")}, &exitError{code: exitFailed}} {
		if got := a.explain(t.Context(), err); !errors.Is(got, err) && got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
}

// oneJob is the configuration of a job between two sandboxes.
func oneJob(source, servicePrincipal, target string) string {
	return `
jobs:
  - id: app
    source: {type: msgraph, endpoint: "` + source + `/v1.0", accessToken: "${env:SANDBOX_TOKEN}", servicePrincipalId: ` + servicePrincipal + `}
    target: {type: scim, baseUrl: "` + target + `", profile: rfc7644, auth: {type: bearer, token: "${env:SANDBOX_TOKEN}"}}
    deletions: {threshold: 2}
`
}

// decodeInto reads the output of a command for programs.
func decodeInto[T any](t *testing.T, text string) (out T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return out
}
