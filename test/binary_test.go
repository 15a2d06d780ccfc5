package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// binary builds the command once for all tests of this package that run it as users do. It is the only thing here
// that links the embedded Temporal server.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "scimsync-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "scimsync")
	out, err := exec.Command("go", "build", "-o", path, "github.com/scimsync/scimsync/cmd/scimsync").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"rapid.checks":  "20", // each is a whole life of a directory; more of them: -rapid.checks=1000
		"test.parallel": "8",  // most tests of the command wait, for a process to start or for a heartbeat
	} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	flag.Parse()
	code := m.Run()
	if built.Load() {
		if path, err := binary(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

// built says that some test asked for the binary; TestMain must not build it only to remove it.
var built atomic.Bool

// site is a sandbox directory and application in this process, and a configuration in a folder of
// its own for the command to work on.
type site struct {
	t      testing.TB
	dir    *graphtest.Server
	app    *scimtest.Server
	folder string
	config string
	path   string
}

const (
	graphToken = "graph-token-5bd1c3"
	appToken   = "app-token-91fe07"
)

// newSite makes a site; more is added to the job in the configuration.
func newSite(t testing.TB, graph graphtest.Options, app scimtest.Options, more string) *site {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs the command, which takes a while; run without -short")
	}
	built.Store(true)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	graph.Token = graphToken
	app.Quirks.RequireToken = appToken
	s := &site{t: t, dir: graphtest.New(graph), app: scimtest.New(app), folder: t.TempDir(), path: path}
	source, target := httptest.NewServer(s.dir), httptest.NewServer(s.app)
	t.Cleanup(source.Close)
	t.Cleanup(target.Close)
	s.config = fmt.Sprintf(`
dataDir: ./data
server: {listen: ""}
log: {level: debug, format: json}
jobs:
  - id: job
    source:
      type: msgraph
      endpoint: %s/v1.0
      accessToken: ${env:GRAPH_TOKEN}
      servicePrincipalId: %s
    target:
      type: scim
      baseUrl: %s%s
      auth: {type: bearer, token: "${env:APP_TOKEN}"}
%s`, source.URL, s.dir.ServicePrincipalID(), target.URL, s.app.BasePath(), more)
	s.write(s.config)
	return s
}

func (s *site) write(config string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, "scimsync.yaml"), []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// command prepares a call of the binary.
func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.WithoutCancel(s.t.Context()), s.path, args...)
	cmd.Dir = s.folder
	cmd.Env = append(os.Environ(), "GRAPH_TOKEN="+graphToken, "APP_TOKEN="+appToken)
	return cmd
}

// run calls the binary and returns its exit code and what it wrote.
func (s *site) run(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	cmd := s.command(args...)
	var out, errw bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errw
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errw.String()
}

// result is what `run --once --output json` prints (contract section 4).
type result struct {
	Cycles []struct {
		Job         string         `json:"job"`
		Kind        string         `json:"kind"`
		State       string         `json:"state"`
		Users       map[string]int `json:"users"`
		Groups      map[string]int `json:"groups"`
		Memberships map[string]int `json:"memberships"`
		Requests    map[string]int `json:"requests"`
		Error       *struct{ Code, Message string }
		Quarantine  *struct{ Code, Message string }
	} `json:"cycles"`
}

// once runs one cycle that must end with the exit code given.
func (s *site) once(want int) result {
	s.t.Helper()
	code, out, errw := s.run("run", "--once", "--output", "json")
	if code != want {
		s.t.Fatalf("run --once: exit code %d, want %d\nstdout: %s\nstderr: %s", code, want, out, tail(errw))
	}
	return s.parse(out)
}

func (s *site) parse(out string) result {
	s.t.Helper()
	var r result
	d := json.NewDecoder(strings.NewReader(out))
	if err := d.Decode(&r); err != nil || d.More() || len(r.Cycles) != 1 {
		s.t.Fatalf("run --once: stdout is not one JSON object with one cycle (%v):\n%s", err, out)
	}
	return r
}

func tail(s string) string {
	const most = 4000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}
