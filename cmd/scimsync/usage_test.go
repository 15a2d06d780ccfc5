package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrongUsage gives command lines that cannot be understood: each says why, what to do, and ends with
// the code for it.
func TestWrongUsage(t *testing.T) {
	for line, want := range map[string]string{
		"chek":                                `unknown command "chek" for "scimsync"; did you mean check?`,
		"nothing like it":                     `unknown command "nothing" for "scimsync"; see`,
		"sandbox grap":                        `unknown command "grap" for "scimsync sandbox"; did you mean graph?`,
		"version 2":                           `unknown command "2" for "scimsync version"; see`,
		"run --twice":                         "unknown flag: --twice; see",
		"init --app webx":                     "--app webx: no such preset; use one of aws-iic, ",
		"sandbox graph --users -5":            "--users -5: must be from 0 to 1000000; see",
		"sandbox graph --users 1000001":       "--users 1000001: must be from 0 to 1000000; see",
		"sandbox graph --users 3 --groups -1": "--groups -1: must be from 0 to 100000; see",
		"sandbox graph --groups 100001":       "--groups 100001: must be from 0 to 100000; see",
		"sandbox graph --users x":             `invalid argument "x" for "--users"`,
		"sandbox scim --seed -1":              `invalid argument "-1" for "--seed"`,
		"demo --users 9":                      "--users 9: must be from 10 to 1000000; see",
		"demo --groups 2":                     "--groups 2: must be from 3 to 100000; see",
		"check --output xml":                  "--output xml: must be table or json; see",
	} {
		code, out, errs := runCommand(t, "", strings.Fields(line)...)
		if code != exitUsage || out != "" || !strings.HasPrefix(errs, want) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want it to begin with %q", line, code, out, errs, want)
		}
	}
	for _, line := range []string{"", "sandbox", "help run"} {
		if code, out, errs := runCommand(t, "", strings.Fields(line)...); code != exitDone || !strings.Contains(out, "Usage:") || errs != "" {
			t.Errorf("%q shows no help: exit %d, stdout %q, stderr %q", line, code, out, errs)
		}
	}
}

// TestMistakesAllAtOnce writes one file with every kind of mistake: each is reported at its place, whether
// the file, the mapping or a connector finds it, and nothing is said twice.
func TestMistakesAllAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte(`servr: {}
jobs:
  - id: one
    interval: 40x
    source:
      type: msgraph
      clientSecret: ${env:SCIMSYNC_TEST_UNSET}
      tenantId: 7d1f0c52-0000-4000-8000-000000000001
      clientId: 0d9e2c1a-0000-4000-8000-000000000002
      servicePrincipalId: 2c9b7e10-0000-4000-8000-000000000003
      endpoint: no address
    target:
      type: scim
      baseUrl: ftp://scim.example.com
      auth: {type: bearer}
      concurrency: many
  - id: one
    source: {type: msgraph, accessToken: "${env:SCIMSYNC_TEST_UNSET}", servicePrincipalId: 2c9b7e10-0000-4000-8000-000000000003}
    target: {type: scim, baseUrl: "https://scim.example.com", auth: {type: bearer, token: "${env:SCIMSYNC_TEST_UNSET}"}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runCommand(t, "", "check", "--config", file)
	if code != exitUsage || out != "" {
		t.Errorf("exit %d, stdout %q", code, out)
	}
	want := []string{
		"1:1: servr: unknown key; did you mean server?",
		"4:15: jobs[0].interval:",
		"7:21: jobs[0].source.clientSecret: the environment variable SCIMSYNC_TEST_UNSET is not set",
		"11:17: jobs[0].source.endpoint:",
		"14:16: jobs[0].target.baseUrl:",
		"15:7: jobs[0].target.auth.token: missing",
		"16:20: jobs[0].target.concurrency:",
		"17:9: jobs[1].id:",
		"18:42: jobs[1].source.accessToken: the environment variable",
		"19:91: jobs[1].target.auth.token: the environment variable",
	}
	lines := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
	if len(lines) != len(want) {
		t.Errorf("%d lines, want %d:\n%s", len(lines), len(want), errs)
	}
	for i := range min(len(lines), len(want)) {
		if !strings.HasPrefix(lines[i], file+":"+want[i]) || !strings.Contains(lines[i], "; ") {
			t.Errorf("line %d is %s, want %s with reason and remedy", i+1, lines[i], want[i])
		}
	}
}
