package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCannotStart takes away one by one what the service needs: it ends with the code for it, says what and
// what to do, and never panics.
func TestCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const job = `
jobs:
  - id: one
    source: {type: msgraph, accessToken: "${env:SCIMSYNC_TEST_TOKEN}", endpoint: "http://127.0.0.1:1/v1.0", servicePrincipalId: 2c9b7e10-0000-4000-8000-000000000003}
    target: {type: scim, baseUrl: "http://127.0.0.1:1/scim", auth: {type: bearer, token: "${env:SCIMSYNC_TEST_TOKEN}"}}
`
	t.Setenv("SCIMSYNC_TEST_TOKEN", "secret-of-the-test")
	for name, c := range map[string]struct{ config, want, remedy string }{
		"no store":        {"store: {url: \"postgres://u@127.0.0.1:1/db\"}", "store.url", "check that the server runs"},
		"no folder":       {"dataDir: file/below", "dataDir", "choose a folder"},
		"no temporal":     {"temporal: {address: \"127.0.0.1:1\"}", "temporal.address 127.0.0.1:1", "check the address"},
		"address is used": {"server: {listen: \"" + taken.Addr().String() + "\"}", "server.listen " + taken.Addr().String(), "choose another address"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "scimsync.yaml")
			for path, text := range map[string]string{file: c.config + job, filepath.Join(dir, "file"): "no folder"} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, out, errs := runCommand(t, "", "run", "--config", file)
			if code != exitConnection || out != "" {
				t.Errorf("exit %d, stdout %q", code, out)
			}
			if !strings.Contains(errs, c.want) || !strings.Contains(errs, c.remedy) || strings.Contains(errs, "secret-of-the-test") {
				t.Errorf("stderr %q does not name %s with a remedy", errs, c.want)
			}
		})
	}
}
