package mapping

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/mapping/expr"
)

const examples = "testdata/schema-examples"

func readExample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(examples, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decodeExample(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(readExample(t, name), into); err != nil {
		t.Fatal(err)
	}
}

// finding is a diagnostic as the expectations have it.
type finding struct{ Severity, Code, Pointer, Detail string }

func findings(ds []Diagnostic) []finding {
	out := []finding{}
	for _, d := range ds {
		out = append(out, finding{string(d.Severity), string(d.Code), d.Pointer, d.Detail})
	}
	return sorted(out)
}

func sorted(fs []finding) []finding {
	slices.SortFunc(fs, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Detail, b.Detail))
	})
	return fs
}

func TestExampleDiagnostics(t *testing.T) {
	var expected map[string]struct {
		Accepted    bool
		Diagnostics []finding
	}
	decodeExample(t, "expected/diagnostics.json", &expected)
	if len(expected) != 3 {
		t.Fatalf("%d files are expected", len(expected))
	}
	for name, want := range expected {
		t.Run(name, func(t *testing.T) {
			s, got := LoadSchema(readExample(t, name))
			if (s != nil) != want.Accepted {
				t.Errorf("accepted: %v", s != nil)
			}
			if diff := gocmp.Diff(append([]finding{}, sorted(want.Diagnostics)...), findings(got)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			for _, d := range got {
				if d.Message == "" || d.Hint == "" && d.Code != ExpressionInvalid {
					t.Errorf("%s says neither why nor what to do", d)
				}
			}
		})
	}
}

// mappingCase is one entry of cases.json (section 14).
type mappingCase struct {
	ID, Schema, Object, Op string
	Source                 Attributes
	Current                map[string]any
	Scope                  string
	Matching               [][2]any
	Attributes             map[string]any
	Changes                map[string]any
	Matches                map[string]string
	Error                  string
}

func TestExampleCases(t *testing.T) {
	var cases []mappingCase
	decodeExample(t, "expected/cases.json", &cases)
	if len(cases) < 25 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.ID, c.run)
	}
}

func (c mappingCase) run(t *testing.T) {
	s, found := LoadSchema(readExample(t, c.Schema))
	if s == nil {
		t.Fatal(found)
	}
	o := s.Mapping().Users
	if c.Object == "Group" {
		o = s.Mapping().Groups
	}
	env := &expr.Env{Now: time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC), Rand: bytes.NewReader(bytes.Repeat([]byte{7, 99, 200, 31, 5}, 1000))}
	d, err := o.Evaluate(c.Source, env)

	var matching [][2]any
	for _, v := range d.Matching() {
		matching = append(matching, [2]any{v.Path.String(), v.Value})
	}
	if len(c.Matching)+len(matching) > 0 {
		if diff := gocmp.Diff(c.Matching, matching); diff != "" {
			t.Errorf("matching: -want +got\n%s", diff)
		}
	}
	r := o.Filter.Evaluate(c.Source)
	scope := "out"
	switch {
	case r.Ignored:
		scope = "ignored"
	case r.Pass:
		scope = "in"
	}
	if scope != c.Scope {
		t.Errorf("scope %s, want %s: %+v", scope, c.Scope, r)
	}
	var values []Value
	if err == nil {
		values, err = d.Create()
	}
	if c.Error != "" {
		if e, ok := errors.AsType[*Error](err); !ok || string(e.Code) != c.Error {
			t.Errorf("error %v, want %s", err, c.Error)
		}
		return
	}
	if err != nil && c.Op != "scope" {
		t.Fatal(err)
	}
	switch c.Op {
	case "create":
		c.checkCreate(t, &o, append(values, references(t, &o, c.Source)...))
	case "update":
		c.checkUpdate(t, &o, d)
	}
}

// references are the values of references, which the engine writes apart.
func references(t *testing.T, o *Object, src Attributes) []Value {
	t.Helper()
	var out []Value
	for i := range o.Attributes {
		a := &o.Attributes[i]
		if !a.Reference() {
			continue
		}
		raw, _ := src.Lookup(a.about().direct)
		v, err := Convert(a.Definition, raw)
		if err != nil {
			t.Fatal(err)
		}
		if v != nil {
			out = append(out, Value{Path: a.Target, Definition: a.Definition, Value: v})
		}
	}
	return out
}

// plainJSON is v as encoding/json decodes it.
func plainJSON(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (c mappingCase) checkCreate(t *testing.T, o *Object, values []Value) {
	got := map[string]any{}
	for _, v := range values {
		name := v.Path.String()
		if pattern, ok := c.Matches[name]; ok {
			if s, _ := v.Value.(string); !regexp.MustCompile(pattern).MatchString(s) {
				t.Errorf("%s does not match %s", name, pattern)
			}
			if !v.Redact {
				t.Errorf("%s is not redacted", name)
			}
			continue
		}
		got[name] = plainJSON(t, v.Value)
	}
	if diff := gocmp.Diff(c.Attributes, got); diff != "" {
		t.Errorf("attributes: -want +got\n%s", diff)
	}
}

func (c mappingCase) checkUpdate(t *testing.T, o *Object, d Desired) {
	current := map[string]any{}
	for name, v := range c.Current {
		current[MustPath(name).Key()] = v
	}
	got := map[string]any{}
	for _, change := range d.Update(func(p Path) any { return current[p.Key()] }) {
		v := change.New
		if change.Additive { // cases list the resulting value
			v = append(slices.Clone(listOf(change.Old)), change.New.([]any)...)
		}
		got[change.Path.String()] = plainJSON(t, v)
	}
	for _, v := range references(t, o, c.Source) {
		if !Equal(v.Definition, v.Value, current[v.Path.Key()]) {
			got[v.Path.String()] = plainJSON(t, v.Value)
		}
	}
	if diff := gocmp.Diff(c.Changes, got); diff != "" {
		t.Errorf("changes: -want +got\n%s", diff)
	}
}
