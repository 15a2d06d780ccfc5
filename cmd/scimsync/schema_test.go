package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSchemaCommands(t *testing.T) {
	testdata := mappingFolder(t)
	for name, commands := range map[string][][]string{
		"import": {
			{"--output", "table", "schema", "import", "webex-default.json", "--job", "webex"},
			{"--output", "table", "schema", "import", "enterprise-rich.json", "--job", "sales"},
			{"--output", "table", "schema", "import", "with-errors.json"},
			{"schema", "import", "enterprise-rich.json"},
			{"schema", "import", "enterprise-rich.json", "--config", "rich.yaml", "--job", "rich"},
			{"schema", "import", "missing.json"},
			{"schema", "import", "list.json"},
			{"schema", "import", "enterprise-rich.json", "--job", "nobody"},
			{"schema", "import"},
			{"schema", "export", "nobody"},
			{"schema", "exprot"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			checkGolden(t, filepath.Join(testdata, "schema", name+".golden"), transcript(t, "", commands...))
		})
	}
}

func TestRejectedSchema(t *testing.T) {
	mappingFolder(t)
	code, out, errs := runCommand(t, "", "schema", "import", "with-errors.json", "--job", "webex")
	var r importResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if code != exitUsage || r.Accepted || r.Users != nil || r.Differences != nil || !strings.Contains(errs, "with-errors.json is rejected because of 24 errors") {
		t.Errorf("exit %d, %+v\n%s", code, r, errs)
	}
	for _, d := range r.Diagnostics {
		if d.Code == "" || d.Message == "" || d.Hint == "" || d.Severity == "" {
			t.Errorf("a finding needs place, reason and remedy: %+v", d)
		}
	}
}

// A job with a schema file gives back everything that the file holds.
func TestExportKeepsTheSchemaFile(t *testing.T) {
	mappingFolder(t)
	code, out, errs := runCommand(t, "", "schema", "export", "--config", "rich.yaml")
	if code != exitDone || strings.Contains(errs, "error") {
		t.Fatalf("exit %d\n%s", code, errs)
	}
	file, err := os.ReadFile("enterprise-rich.json")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(parsed(t, file), parsed(t, []byte(out))); d != "" {
		t.Errorf("(-file +exported)\n%s", d)
	}
}

func parsed(t *testing.T, data []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return v
}

// The export of every job is a schema that is accepted, and decides as the job does.
func TestExportAndImportAreInverse(t *testing.T) {
	mappingFolder(t)
	for job, file := range map[string]string{"webex": "scimsync.yaml", "sales": "scimsync.yaml", "rich": "rich.yaml"} {
		code, out, errs := runCommand(t, "", "schema", "export", job, "--config", file)
		if code != exitDone {
			t.Fatalf("export %s: exit %d\n%s", job, code, errs)
		}
		if err := os.WriteFile("exported.json", []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs = runCommand(t, "", "schema", "import", "exported.json", "--job", job, "--config", file)
		var r struct {
			Accepted    bool
			Differences []difference
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("import %s: exit %d, %v\n%s", job, code, err, errs)
		}
		if code != exitDone || !r.Accepted {
			t.Errorf("import %s: exit %d\n%s", job, code, out)
		}
		for _, d := range r.Differences {
			// A schema has no attribute without a type, and lacks what is not provisioned.
			if job == "sales" && strings.HasPrefix(d.Key, kindGroups) {
				continue
			}
			if strings.ReplaceAll(d.Was, "any type", "String") != d.Is {
				t.Errorf("job %s, %s: was %s, is %s", job, d.Key, d.Was, d.Is)
			}
		}
	}
}
