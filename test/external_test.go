package test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// TestExternalTemporal runs cycles on a Temporal server that is not our own: that of another process.
func TestExternalTemporal(t *testing.T) {
	t.Parallel()
	host := newSite(t, company(1, 1), scimtest.Options{}, "    enabled: false\n")
	server := host.command("run")
	stderr, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	address := ""
	lines := bufio.NewScanner(stderr)
	for address == "" && lines.Scan() {
		var l struct{ Msg, Temporal string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "running" {
			address = l.Temporal
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	t.Cleanup(func() {
		if err := server.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		<-drained
		if err := server.Wait(); err != nil {
			t.Errorf("the service did not end well: %v", err)
		}
	})
	if address == "" {
		t.Fatal("the service ended without saying where its Temporal server is")
	}

	s := newSite(t, company(40, 5), scimtest.Options{}, "")
	s.write(strings.Replace(s.config, "\njobs:", "\ntemporal: {address: \""+address+"\", taskQueue: outside}\njobs:", 1))
	s.once(0)
	s.inStep()
	s.dir.PassDay()
	s.once(0)
	s.inStep()
	s.quiet()
	if _, err := os.Stat(filepath.Join(s.folder, "data", "temporal")); err == nil {
		t.Error("an embedded server was set up beside the external one")
	}

	s.write(strings.Replace(s.config, "\njobs:", "\ntemporal: {address: \"127.0.0.1:1\"}\njobs:", 1))
	if code, _, errw := s.run("run", "--once"); code != 5 || !strings.Contains(errw, "temporal.address") {
		t.Errorf("with a server that is not there: exit code %d\n%s", code, tail(errw))
	}
}
