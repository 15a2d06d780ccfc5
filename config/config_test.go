package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/scimsync/scimsync/mapping"
)

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

// anyEnv sets every variable.
func anyEnv(name string) (string, bool) { return "value of " + name, true }

// compare looks at everything but what is compiled or kept for later.
var compare = cmp.Options{
	cmpopts.IgnoreFields(Job{}, "Mapping", "Mappings", "Source", "Target"),
	cmp.Comparer(func(a, b Secret) bool { return a.Reveal() == b.Reveal() }),
}

func mustParse(t *testing.T, text string) *File {
	t.Helper()
	f, warnings, err := Parse("scimsync.yaml", []byte(text), anyEnv)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Fatalf("warnings: %v", warnings)
	}
	return f
}

// The example of the product contract, word for word.
func TestContractExample(t *testing.T) {
	got, warnings, err := Load("testdata/contract.yaml", env(map[string]string{
		"SCIMSYNC_TOKEN": "full", "TEMPORAL_API_KEY": "key", "GRAPH_SECRET": "graph", "WEBEX_TOKEN": "webex",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	want := &File{
		DataDir:   "testdata/data",
		Path:      "testdata/contract.yaml",
		Server:    Server{Listen: "127.0.0.1:8080", Token: NewSecret("full"), Tokens: []Token{}},
		Temporal:  Temporal{Namespace: "default", TaskQueue: "scimsync", APIKey: NewSecret("key")},
		Log:       Log{Level: "info", Format: "console"},
		Retention: Retention{Log: 9600 * time.Hour, Values: 9600 * time.Hour, Cycles: 9600 * time.Hour, Audit: 9600 * time.Hour},
		Notifications: Notifications{
			SMTP:     &SMTP{Address: "127.0.0.1:1025", From: "scimsync@example.com", TLS: "none"},
			Webhooks: []Webhook{},
		},
		Jobs: []Job{{
			ID: "webex", Enabled: true, Interval: 40 * time.Minute, Scope: "assigned",
			Deletions:    Deletions{Threshold: new(500), EmptiedGroup: new(10)},
			Notify:       Notify{Email: []string{"ops@example.com"}, OnFailure: true},
			NestedGroups: "ignore", OnOutOfScope: disable, OnBlocked: disable, OnRecycled: disable, Quarantine: "adaptive",
			RenameOnSoftDelete: "follow", OnTargetMissing: "recreate", OnGroupOutOfScope: "delete",
		}},
	}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	j := got.Jobs[0]
	if j.Source.Type != "msgraph" || j.Target.Type != "scim" {
		t.Errorf("types of source and target: %q, %q", j.Source.Type, j.Target.Type)
	}
	if n := len(j.Mapping.Users.Attributes); n != 6 {
		t.Errorf("%d attributes of users, want 6", n)
	}
	if n := len(j.Mapping.Groups.Attributes); n != 3 {
		t.Errorf("%d attributes of groups, want 3", n)
	}
	if n := len(j.Mapping.Users.Filter.Groups); n != 1 {
		t.Errorf("%d filters of users, want 1", n)
	}
}

var disable = Leave{Action: LeaveDisable}

const minimal = `jobs: [{id: a, source: {type: msgraph}, target: {type: scim}}]`

func TestDefaults(t *testing.T) {
	got := mustParse(t, minimal)
	want := &File{
		DataDir:   "data",
		Path:      "scimsync.yaml",
		Server:    Server{Listen: "127.0.0.1:8080"},
		Temporal:  Temporal{Namespace: "default", TaskQueue: "scimsync"},
		Log:       Log{Level: "info", Format: "console"},
		Retention: Retention{Log: 9600 * time.Hour, Values: 9600 * time.Hour, Cycles: 9600 * time.Hour, Audit: 9600 * time.Hour},
		Jobs: []Job{{
			ID: "a", Enabled: true, Interval: 40 * time.Minute, Scope: "assigned",
			Deletions:    Deletions{EmptiedGroup: new(10)},
			NestedGroups: "ignore", OnOutOfScope: disable, OnBlocked: disable, OnRecycled: disable, Quarantine: "adaptive",
			RenameOnSoftDelete: "follow", OnTargetMissing: "recreate", OnGroupOutOfScope: "delete",
		}},
	}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, want := got.Jobs[0].Mapping.Fingerprint(), mapping.Default().Fingerprint(); got != want {
		t.Errorf("the mapping is not the default")
	}
}

func TestJobOptions(t *testing.T) {
	for _, c := range []struct {
		name, keys string
		want       func(*Job)
	}{
		{"all", `enabled: false, interval: 24h, scope: all, requireRole: true, renameOnSoftDelete: never, onTargetMissing: error, onGroupOutOfScope: leave`, func(j *Job) {
			j.Enabled, j.Interval, j.Scope, j.RequireRole = false, 24*time.Hour, "all", true
			j.RenameOnSoftDelete, j.OnTargetMissing, j.OnGroupOutOfScope = "never", "error", "leave"
		}},
		{"deletions", `deletions: {threshold: 0, skipOutOfScope: true, skipDisableWhenBlocked: true, skipDisableWhenRecycled: true}`, func(j *Job) {
			j.Deletions = Deletions{Threshold: new(0), EmptiedGroup: new(10), SkipOutOfScope: true, SkipDisableWhenBlocked: true, SkipDisableWhenRecycled: true}
		}},
		{"guards", `deletions: {threshold: 50, percent: 2.5, memberships: 1000, emptiedGroup: 25}`, func(j *Job) {
			j.Deletions = Deletions{Threshold: new(50), Percent: 2.5, Memberships: 1000, EmptiedGroup: new(25)}
		}},
		{"guards off", `deletions: {threshold: 0, emptiedGroup: 0}`, func(j *Job) {
			j.Deletions = Deletions{Threshold: new(0), EmptiedGroup: new(0)}
		}},
		{"leaving", `onOutOfScope: delete, onBlocked: nothing, onRecycled: {action: disableThenDeleteAfter, grace: 30d}, onGroupOutOfScope: empty`, func(j *Job) {
			j.OnOutOfScope, j.OnBlocked = Leave{Action: LeaveDelete}, Leave{Action: LeaveNothing}
			j.OnRecycled, j.OnGroupOutOfScope = Leave{LeaveDisableDelete, 720 * time.Hour}, "empty"
		}},
		{"leaving, grace in hours and from outside", `onOutOfScope: {action: disableThenDeleteAfter, grace: 1d12h}, onBlocked: {action: "${env:ACTION}", grace: "${env:SEVEN}d"}`, func(j *Job) {
			j.OnOutOfScope, j.OnBlocked = Leave{LeaveDisableDelete, 36 * time.Hour}, Leave{LeaveDisableDelete, 168 * time.Hour}
		}},
		{"leaving, said twice", `onOutOfScope: nothing, deletions: {skipOutOfScope: true}`, func(j *Job) {
			j.OnOutOfScope, j.Deletions.SkipOutOfScope = Leave{Action: LeaveNothing}, true
		}},
		{"nested groups, quarantine, digest", `nestedGroups: asMembers, quarantine: entra, notify: {digest: true}`, func(j *Job) {
			j.NestedGroups, j.Quarantine, j.Notify.Digest = "asMembers", "entra", true
		}},
		{"parity", `compat: entra`, func(j *Job) {
			j.Compat, j.OnTargetMissing, j.Quarantine = "entra", "error", "entra"
			j.Deletions = Deletions{Threshold: new(0), EmptiedGroup: new(0)}
		}},
		{"parity with other wishes", `compat: entra, onTargetMissing: recreate, quarantine: adaptive, deletions: {threshold: 7, emptiedGroup: 3}`, func(j *Job) {
			j.Compat, j.Deletions = "entra", Deletions{Threshold: new(7), EmptiedGroup: new(3)}
		}},
		{"parity with a share", `compat: entra, deletions: {percent: 5}`, func(j *Job) {
			j.Compat, j.OnTargetMissing, j.Quarantine = "entra", "error", "entra"
			j.Deletions = Deletions{Percent: 5, EmptiedGroup: new(0)}
		}},
		{"merge key and alias", `<<: {scope: all, interval: 1m}, interval: 2m`, func(j *Job) {
			j.Scope, j.Interval = "all", 2*time.Minute
		}},
		{"values from variables", `enabled: "${env:FALSE}", deletions: {threshold: "${env:SEVEN}"}, interval: "${env:MINUTES}m"`, func(j *Job) {
			j.Enabled, j.Deletions.Threshold, j.Interval = false, new(7), 90*time.Minute
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "jobs: [{id: a, source: {type: msgraph}, target: {type: scim}, " + c.keys + "}]"
			f, _, err := Parse("scimsync.yaml", []byte(text), env(map[string]string{"FALSE": "false", "SEVEN": "7", "MINUTES": "90", "ACTION": "disableThenDeleteAfter"}))
			if err != nil {
				t.Fatal(err)
			}
			want := mustParse(t, minimal).Jobs
			c.want(&want[0])
			if diff := cmp.Diff(want, f.Jobs, compare); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRetention(t *testing.T) {
	got := mustParse(t, "retention: {log: 0s, values: 30d, audit: 13h}\n"+minimal).Retention
	if want := (Retention{Log: 0, Values: 720 * time.Hour, Cycles: 9600 * time.Hour, Audit: 13 * time.Hour}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The default mapping depends on the application, and a part that is left out keeps its default.
func TestMapping(t *testing.T) {
	webex := mapping.WebexDefault()
	for _, c := range []struct {
		name, keys string
		want       mapping.Mapping
	}{
		{"default", `target: {type: scim}`, mapping.Default()},
		{"webex", `target: {type: scim, app: webex}`, webex},
		{"empty schema", `target: {type: scim, app: webex}, schema: ""`, webex},
		{"switches only", `target: {type: scim, app: webex}, mappings: {users: {actions: [create]}}`, mapping.Mapping{
			Users: func() mapping.Object { o := webex.Users; o.Actions = mapping.Actions{Create: true}; return o }(), Groups: webex.Groups,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := mustParse(t, "jobs: [{id: a, source: {type: msgraph}, "+c.keys+"}]")
			if f.Jobs[0].Mapping.Fingerprint() != c.want.Fingerprint() {
				t.Errorf("got %+v", f.Jobs[0].Mapping)
			}
		})
	}
}

func TestSchema(t *testing.T) {
	text := "jobs: [{id: a, source: {type: msgraph}, target: {type: scim}, schema: schema.json}]"
	f, _, err := Parse("testdata/scimsync.yaml", []byte(text), anyEnv)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := mapping.LoadSchema(data)
	if f.Jobs[0].Mapping.Fingerprint() != s.Mapping().Fingerprint() {
		t.Errorf("the mapping is not that of the schema")
	}
}

func TestMissingFile(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string][]string{
		filepath.Join(dir, "none.yaml"): {"none.yaml: there is no such file", "looked for " + dir, "scimsync init"},
		dir:                             {dir + ": the file cannot be read: is a directory"},
	} {
		f, _, err := Load(path, anyEnv)
		if f != nil || len(AsProblems(err)) != 1 {
			t.Fatalf("Load(%s) = %v, %v", path, f, err)
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("Load(%s): %q lacks %q", path, err, part)
			}
		}
	}
}

// Paths in the file start at its folder, wherever the process was started.
func TestRelativePaths(t *testing.T) {
	text := `
dataDir: state
temporal: {tls: {cert: /etc/client.pem, key: client.key, ca: ../ca.pem}}
` + minimal
	f, _, err := Parse("/etc/scimsync/scimsync.yaml", []byte(text), anyEnv)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{f.DataDir, f.Temporal.TLS.Cert, f.Temporal.TLS.Key, f.Temporal.TLS.CA}
	want := []string{"/etc/scimsync/state", "/etc/client.pem", "/etc/scimsync/client.key", "/etc/ca.pem"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A file that repeats itself without end must be refused, not expanded.
func TestBombs(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 20 {
		a, b := string(rune('a'+i)), string(rune('b'+i))
		bomb += b + "0: &" + b + "0 [" + strings.Repeat("*"+a+"0, ", 10) + "]\n"
	}
	for name, text := range map[string]string{
		"aliases": bomb,
		"depth":   strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
		"size":    "# " + strings.Repeat("x", maxBytes),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Parse("scimsync.yaml", []byte(text), anyEnv)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if want := "than"; !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "beyond") {
				t.Errorf("got %s", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"testdata/contract.yaml", "template.yaml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	a, err := txtar.ParseFile("testdata/wrong.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range a.Files {
		if strings.HasSuffix(file.Name, ".yaml") {
			f.Add(file.Data)
		}
	}
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, data []byte) {
		getenv := env(map[string]string{"SECRET": "s"})
		file, _, err := Parse("scimsync.yaml", data, getenv)
		if err == nil && (file == nil || len(file.Jobs) == 0) {
			t.Fatal("no error and no jobs")
		}
		if file != nil {
			file.CheckBlocks(testShapes) // must not panic either
		}
	})
}
