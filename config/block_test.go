package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const blocks = `jobs:
  - id: a
    scope: all
    source:
      type: msgraph
      tenantId: t
      certificate: {path: cert.pem, password: "${env:P}"}
    target:
      type: scim
      baseUrl: https://example.com
      auth:
        type: bearer
        scopes: [one, two]
        extra: {audience: x}
      concurrency: 4
      rate: 1e1
      burst: 2
      timeout: {total: 1m30s}
      checked: false
      expires: 2027-11-01T00:00:00Z
      limits: [1, 2.5, true, x, {a: [b]}]
    mappings:
      users: {enabled: true}
`

func TestDecode(t *testing.T) {
	f, _, err := Parse("/etc/scimsync.yaml", []byte(blocks), anyEnv)
	if err != nil {
		t.Fatal(err)
	}
	var source graphConfig
	if err := f.Jobs[0].Source.Decode(&source); err != nil {
		t.Fatal(err)
	}
	if got := source.Certificate.Path; source.TenantID != "t" || got != "/etc/cert.pem" || source.Certificate.Password.Reveal() != "value of P" {
		t.Errorf("got %+v %+v", source, source.Certificate)
	}
	want := scimConfig{Type: "scim", BaseURL: "https://example.com", Concurrency: 4, Rate: 10, Burst: 2, Checked: new(false),
		Expires: time.Date(2027, 11, 1, 0, 0, 0, 0, time.UTC),
		Limits:  []any{int64(1), 2.5, true, "x", map[string]any{"a": []any{"b"}}}}
	want.Auth.Type, want.Auth.Scopes, want.Auth.Extra = "bearer", []string{"one", "two"}, map[string]string{"audience": "x"}
	want.Timeout.Total = 90 * time.Second
	for range 2 { // a block may be decoded any number of times
		var got scimConfig
		if err := f.Jobs[0].Target.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, compare); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// A block that is shared by an alias is decoded for each job, and problems stand where it is written.
func TestSharedBlock(t *testing.T) {
	f, _, err := Parse("c.yaml", []byte(`jobs:
  - {id: a, source: &s {type: msgraph, tenantId: t, oops: 1}, target: {type: scim}}
  - {id: b, source: {<<: *s, tenantId: u}, target: {type: scim}}
  - {id: c, source: *s, target: {type: scim}}
`), anyEnv)
	if err != nil {
		t.Fatal(err)
	}
	var got graphConfig
	err = f.Jobs[1].Source.Decode(&got)
	if got.TenantID != "u" || err == nil || !strings.HasPrefix(err.Error(), "c.yaml:2:53: jobs[1].source.oops: unknown key") {
		t.Errorf("got %q, %v", got.TenantID, err)
	}
	if err := f.Jobs[2].Source.Decode(&got); got.TenantID != "t" || err == nil {
		t.Errorf("got %q, %v", got.TenantID, err)
	}
}

func TestLocate(t *testing.T) {
	f, _, err := Parse("c.yaml", []byte(blocks), anyEnv)
	if err != nil {
		t.Fatal(err)
	}
	source, target := f.Jobs[0].Source, f.Jobs[0].Target
	for _, c := range []struct {
		name  string
		block Block
		err   error
		want  string
	}{
		{"nothing", target, nil, ""},
		{"a key", target, errors.New("baseUrl: no address; write one"), "c.yaml:10:16: jobs[0].target.baseUrl: no address; write one"},
		{"a dotted key", target, errors.New("timeout.total: too short"), "c.yaml:18:24: jobs[0].target.timeout.total: too short"},
		{"a key that is missing", target, errors.New("auth.token: missing; set it"), "c.yaml:11:7: jobs[0].target.auth.token: missing; set it"},
		{"a list element", target, errors.New("auth.scopes[1]: unknown"), "c.yaml:13:23: jobs[0].target.auth.scopes[1]: unknown"},
		{"a block of keys", source, errors.New("certificate: set together with clientSecret"), "c.yaml:7:7: jobs[0].source.certificate: set together with clientSecret"},
		{"a key of the job", source, errors.New("scope: needs an application"), "c.yaml:3:12: jobs[0].scope: needs an application"},
		{"a block of the job", source, errors.New("mappings.users: unknown attribute"), "c.yaml:23:7: jobs[0].mappings.users: unknown attribute"},
		{"no key", source, errors.New("dial tcp: refused"), "c.yaml:4:5: jobs[0].source: dial tcp: refused"},
		{"joined and wrapped", target, errors.Join(errors.New("rate: too high"), nil, errors.Join(errors.New("baseUrl: missing"))),
			"c.yaml:10:16: jobs[0].target.baseUrl: missing\nc.yaml:16:13: jobs[0].target.rate: too high"},
		{"lines", target, errors.New("rate: too high\nburst: too low"),
			"c.yaml:16:13: jobs[0].target.rate: too high\nc.yaml:17:14: jobs[0].target.burst: too low"},
		{"located already", target, source.Problem("tenantId", "unknown"), "c.yaml:6:17: jobs[0].source.tenantId: unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.block.Locate(c.err)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestPosition(t *testing.T) {
	f, _, err := Parse("c.yaml", []byte(blocks), anyEnv)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][2]int{"": {8, 5}, "type": {9, 13}, "auth": {11, 7}, "auth.type": {12, 15}, "auth.nothing": {11, 7}, "nothing": {8, 5}} {
		if line, column := f.Jobs[0].Target.Position(key); line != want[0] || column != want[1] {
			t.Errorf("Position(%q) = %d, %d, want %v", key, line, column, want)
		}
	}
	if line, _ := (Block{}).Position("x"); line != 1 {
		t.Errorf("the zero block has a place in line %d", line)
	}
}

// What is said against a block that is missing or none has the place of what is wrong.
func TestBlocksThatAreNone(t *testing.T) {
	for file, want := range map[string]string{
		"jobs: [1]": "c.yaml:1:8: jobs[0].target.type: unknown",
		"jobs:\n- id: a\n  source: {type: msgraph}":          "c.yaml:2:3: jobs[0].target.type: unknown",
		"jobs:\n- id: a\n  target: scim\n  source: {a: b}\n": "c.yaml:3:11: jobs[0].target.type: unknown",
	} {
		f, _, err := Parse("c.yaml", []byte(file), anyEnv)
		if err == nil || f == nil {
			t.Fatalf("%q: %v %v", file, f, err)
		}
		if got := f.Jobs[0].Target.Problem("type", "unknown").Error(); got != want {
			t.Errorf("%q: %s, want %s", file, got, want)
		}
	}
}

func TestAsProblems(t *testing.T) {
	a, b := Problem{File: "f", Line: 2, Column: 1, Message: "a"}, Problem{File: "f", Line: 1, Column: 1, Message: "b"}
	for name, c := range map[string]struct {
		err  error
		want Problems
	}{
		"nil":     {nil, nil},
		"one":     {a, Problems{a}},
		"joined":  {errors.Join(a, Problems{b, a}), Problems{b, a}},
		"wrapped": {fmt.Errorf("job: %w", Problems{a}), Problems{a}},
		"other":   {errors.Join(errors.New("x"), b), Problems{{Message: "x"}, b}},
	} {
		if diff := cmp.Diff(c.want, AsProblems(c.err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
