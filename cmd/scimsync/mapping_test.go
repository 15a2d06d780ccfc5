package main

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/mapping"
	"github.com/scimsync/scimsync/mapping/expr"
)

const schemaExamples = "../../mapping/testdata/schema-examples"

// mappingFolder makes a folder with the configuration of testdata/mapping and the example schemas the
// current one. It returns the path of testdata.
func mappingFolder(t *testing.T) (testdata string) {
	t.Helper()
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, from := range []string{"testdata/mapping/*.yaml", "testdata/mapping/*.json", "testdata/schema/*.json", schemaExamples + "/*.json"} {
		files, err := filepath.Glob(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(dir)
	t.Setenv("TOKEN", "sandbox")
	t.Setenv("SCIMSYNC_CONFIG", "")
	return testdata
}

func TestMappingCommands(t *testing.T) {
	testdata := mappingFolder(t)
	table := []string{"--output", "table"}
	for name, commands := range map[string][][]string{
		"show": {
			append(table, "mapping", "show", "webex"),
			append(table, "mapping", "show", "sales"),
			append(table, "mapping", "show", "--config", "rich.yaml"),
			append(table, "mapping", "show", "rich", "--config", "rich.yaml", "--kind", "groups"),
			{"mapping", "show", "sales"},
			{"mapping", "show", "webex", "--kind", "groups"},
			{"mapping", "show", "webex", "--kind", "people"},
			{"mapping", "show"},
			{"mapping", "show", "webx"},
			{"mapping", "show", "webex", "sales"},
			{"mapping", "shwo"},
		},
		"defaults": {
			{"mapping", "defaults"},
			{"mapping", "defaults", "--app", "webex"},
			append(table, "mapping", "defaults", "--app", "generic"),
			{"mapping", "defaults", "--output", "json"},
			{"mapping", "defaults", "--app", "slack"},
		},
		"validate": {
			append(table, "mapping", "validate"),
			append(table, "mapping", "validate", "sales"),
			{"mapping", "validate"},
			{"mapping", "validate", "nobody"},
			{"mapping", "validate", "--config", "wrong.yaml"},
		},
		"eval": {
			append(table, "mapping", "eval", "sales", "--attributes", "ada.json"),
			{"mapping", "eval", "sales", "--attributes", "ada.json"},
			append(table, "mapping", "eval", "sales", "--attributes", "bob.json"),
			append(table, "mapping", "eval", "webex", "--attributes", "crew.json", "--kind", "groups"),
			append(table, "mapping", "eval", "sales", "--expression", "ToUpper([surname])", "--attributes", "ada.json"),
			append(table, "mapping", "eval", "sales", "--expression", "Split([extensionAttribute1], \",\")", "--attributes", "ada.json"),
			{"mapping", "eval", "sales", "--expression", "Split([extensionAttribute1], \",\")", "--attributes", "ada.json"},
			{"mapping", "eval", "sales", "--expression", "[employeeNumber]", "--attributes", "ada.json"},
			{"mapping", "eval", "sales", "--expression", "[employeeOrgData.costCenter] & \"!\"", "--attributes", "ada.json"},
			append(table, "mapping", "eval", "sales", "--expression", "[jobTitle]", "--attributes", "ada.json"),
			append(table, "mapping", "eval", "sales", "--expression", "IgnoreFlowIfNullOrEmpty([jobTitle])", "--attributes", "ada.json"),
			append(table, "mapping", "eval", "sales", "--expression", "Redact([surname])", "--attributes", "ada.json"),
			append(table, "mapping", "eval", "sales", "--expression", "Not([IsSoftDeleted])", "--attributes", "-"),
			append(table, "mapping", "eval", "sales", "--expression", "SelectUniqueValue([givenName], [surname])", "--attributes", "ada.json"),
			append(table, "mapping", "eval", "sales", "--expression", `Join("-", "a", "b")`),
			// What is wrong with an expression, and with an object.
			append(table, "mapping", "eval", "sales", "--expression", "ToUpper(Lowr([mail]))", "--attributes", "ada.json"),
			{"mapping", "eval", "sales", "--expression", "ToUpper(Lowr([mail]))", "--attributes", "ada.json"},
			append(table, "mapping", "eval", "sales", "--expression", "", "--attributes", "ada.json"),
			append(table, "mapping", "eval", "sales", "--expression", "Join(\",\",\n  Item([proxyAddresses], 9)", "--attributes", "ada.json"),
			append(table, "mapping", "eval", "sales", "--expression", "Item([proxyAddresses], 9)", "--attributes", "ada.json"),
			{"mapping", "eval", "sales", "--expression", "Item([proxyAddresses], 9)", "--attributes", "ada.json"},
			append(table, "mapping", "eval", "sales", "--expression", "Error(\"no \" & [surname])", "--attributes", "ada.json"),
			// What is wrong with the command line.
			{"mapping", "eval", "sales"},
			{"mapping", "eval", "sales", "--expression", "[mail]"},
			{"mapping", "eval", "sales", "--attributes", "ada.json", "--user", "x"},
			{"mapping", "eval", "sales", "--attributes", "ada.json", "--kind", "people"},
			{"mapping", "eval", "sales", "--attributes", "list.json"},
			{"mapping", "eval", "sales", "--attributes", "cut.json"},
			{"mapping", "eval", "sales", "--attributes", "two.json"},
			{"mapping", "eval", "sales", "--attributes", "none.json"},
			{"mapping", "eval", "sales", "--user", "ada@example.com"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			checkGolden(t, filepath.Join(testdata, "mapping", name+".golden"), transcript(t, `{"IsSoftDeleted": true}`, commands...))
		})
	}
}

// What `mapping defaults` prints can be pasted under the key mappings, and is then the default.
func TestDefaultsCanBePasted(t *testing.T) {
	for app, want := range map[string]mapping.Mapping{"": mapping.Default(), "webex": mapping.WebexDefault(), "generic": mapping.GenericDefault()} {
		code, out, errs := runCommand(t, "", "mapping", "defaults", "--app", app)
		if code != 0 || errs != "" {
			t.Fatalf("app %q: exit %d, stderr %s", app, code, errs)
		}
		text := `jobs:
  - id: pasted
    source: {type: msgraph}
    target: {type: scim}
    mappings:
` + out
		f, warnings, err := config.Parse("pasted.yaml", []byte(text), os.LookupEnv)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("app %q: %v %v\n%s", app, err, warnings, text)
		}
		if got := f.Jobs[0].Mapping; got.Fingerprint() != want.Fingerprint() {
			t.Errorf("app %q: %v", app, differences(describeMapping(want), describeMapping(got)))
		}
	}
}

// sandboxJob serves a directory and writes a configuration with a job that reads it.
func sandboxJob(t *testing.T, directory *graphtest.Server) {
	t.Helper()
	mappingFolder(t)
	srv := httptest.NewServer(directory)
	t.Cleanup(srv.Close)
	text, err := os.ReadFile("scimsync.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := strings.ReplaceAll(string(text), "http://127.0.0.1:1/v1.0", srv.URL+"/v1.0")
	if err := os.WriteFile("scimsync.yaml", []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEvalOfAUserOfTheSource(t *testing.T) {
	directory := graphtest.New(graphtest.Options{Seed: 1, Token: "sandbox"})
	boss := directory.AddUser(graphtest.User{UserPrincipalName: "boss@example.com"})
	active := directory.AddUser(graphtest.User{UserPrincipalName: "Ada@example.com", GivenName: "Ada", Surname: "Byron", Department: "Sales", EmployeeID: "42", ManagerID: boss})
	blocked := directory.AddUser(graphtest.User{UserPrincipalName: "bob@example.com", Department: "Sales", Disabled: true})
	binned := directory.AddUser(graphtest.User{UserPrincipalName: "cyd@example.com", Department: "Sales"})
	directory.SoftDelete(binned)
	crew := directory.AddGroup(graphtest.Group{DisplayName: "Crew"})
	sandboxJob(t, directory)

	eval := func(args ...string) (int, map[string]any, string) {
		t.Helper()
		code, out, errs := runCommand(t, "", append([]string{"mapping", "eval", "--output", "json"}, args...)...)
		result := map[string]any{}
		if out != "" {
			if err := json.Unmarshal([]byte(out), &result); err != nil {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
		}
		return code, result, errs
	}
	value := func(r map[string]any, target string) any {
		t.Helper()
		for _, m := range r["mappings"].([]any) {
			if m := m.(map[string]any); m["target"] == target {
				return m["value"]
			}
		}
		t.Fatalf("no mapping of %s in %v", target, r)
		return nil
	}

	for _, c := range []struct {
		id      string
		active  bool
		inScope bool
	}{{active, true, true}, {strings.ToUpper(active), true, true}, {blocked, false, false}} {
		code, r, errs := eval("sales", "--user", c.id)
		if code != exitDone || value(r, "active") != c.active || r["inScope"] != c.inScope {
			t.Errorf("user %s: exit %d, %v\n%s", c.id, code, r, errs)
		}
	}
	// The source tells of a user only what is asked for: the expression, and not only the mappings, says that.
	code, r, errs := eval("webex", "--user", active, "--expression", `[employeeId] & "/" & [userPrincipalName]`)
	if code != exitDone || r["value"] != "42/Ada@example.com" || r["type"] != "String" {
		t.Errorf("exit %d, %v\n%s", code, r, errs)
	}
	// In the recycle bin: still there, and soft-deleted.
	code, r, errs = eval("webex", "--user", binned, "--expression", "[IsSoftDeleted]")
	if code != exitDone || r["value"] != true {
		t.Errorf("exit %d, %v\n%s", code, r, errs)
	}
	code, r, errs = eval("webex", "--group", crew)
	if code != exitDone || value(r, "displayName") != "Crew" || !strings.Contains(errs, "members is empty here") {
		t.Errorf("exit %d, %v\n%s", code, r, errs)
	}
	// What is not read for a single user is said.
	code, _, errs = eval("webex", "--user", active, "--expression", "[manager]")
	if code != exitDone || !strings.Contains(errs, "manager is empty here: it is not read for a single user") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	code, r, errs = eval("webex", "--user", "00000000-0000-4000-8000-00000000dead")
	if code != exitUsage || len(r) > 0 || !strings.Contains(errs, "the source of job webex has no user with this id") {
		t.Errorf("exit %d, %v\n%s", code, r, errs)
	}
	t.Setenv("TOKEN", "another")
	code, r, errs = eval("webex", "--user", active)
	if code != exitConnection || len(r) > 0 || !strings.Contains(errs, "read user "+active+" from the source of job webex: ") || strings.Contains(errs, "another") {
		t.Errorf("exit %d, %v\n%s", code, r, errs)
	}
}

// drawMapping draws from few parts, so that two mappings are often equal.
func drawMapping(t *rapid.T, name string) mapping.Mapping {
	return mapping.Mapping{Users: drawObject(t, name+" users"), Groups: drawObject(t, name+" groups")}
}

func drawObject(t *rapid.T, name string) mapping.Object {
	rare := func(what string) bool { return rapid.IntRange(0, 9).Draw(t, name+" "+what) == 0 }
	pick := func(what string, from ...string) string {
		if !rare(what) {
			return from[0]
		}
		return rapid.SampledFrom(from).Draw(t, name+" "+what)
	}
	o := mapping.Object{Enabled: !rare("off"), Actions: mapping.AllActions, NoSoftDelete: rare("soft"), IgnoreUnresolved: rare("unresolved"), ExcludeFromReporting: rare("exclude")}
	o.Actions.Delete = !rare("delete")
	clause := func(operator, value string) mapping.FilterClause {
		if strings.HasPrefix(operator, string(mapping.GreaterThan)) {
			value = "1"
		}
		c, err := mapping.NewClause(pick("operand", "department", "city"), operator, []string{value})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, list := range []*[]mapping.FilterGroup{&o.Filter.Groups, &o.Filter.Input, &o.Filter.Category} {
		for rare("filter") {
			g := mapping.FilterGroup{Name: pick("title", "a", "b")}
			for rapid.Bool().Draw(t, name+" clause") {
				operators := make([]string, len(mapping.Operators))
				for i, op := range mapping.Operators {
					operators[i] = string(op)
				}
				g.Clauses = append(g.Clauses, clause(pick("operator", operators...), pick("value", "1", "2", `1" or "2`)))
			}
			*list = append(*list, g)
		}
	}
	targets := []string{"userName", "displayName", "active"}
	if rare("order") {
		targets = rapid.Permutation(targets).Draw(t, name+" targets")
	}
	for _, target := range targets {
		if rare("without") {
			continue
		}
		a := mapping.Attribute{
			Target: mapping.MustPath(target), Default: pick("default", "", "x", "y"), Flow: mapping.Flow(pick("flow", "", string(mapping.FlowAlways), string(mapping.FlowOnCreate), string(mapping.FlowValueAdd), string(mapping.FlowMultiValueAdd), string(mapping.FlowAttributeEmpty))),
			FlowAlways: rare("flowAlways"), FlowNull: rare("flowNull"), ExportMissingReferences: rare("missing"),
		}
		if rare("match") {
			a.Match = 1
		}
		if text := pick("source", "[a]", "", `"a"`, "Not([IsSoftDeleted])", notSoftDeleted, "[not IsSoftDeleted]"); text != "" {
			e, err := expr.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			a.Source = e
		}
		a.Definition = mapping.Definition{Type: mapping.Type(pick("type", "String", "", "Boolean")), MultiValued: rare("multi"), CaseExact: !rare("case"), Required: rare("required"),
			Default: pick("by default", "", "x"), Mutability: mapping.Mutability(pick("mutability", "ReadWrite", "", "Immutable"))}
		if rare("length") {
			a.Definition.MaxLength = 8
		}
		o.Attributes = append(o.Attributes, a)
	}
	return o
}

// replacePart makes o differ in one thing at most.
func replacePart(t *rapid.T, o *mapping.Object, other mapping.Object) {
	changes := []func(){
		func() {},
		func() { o.Enabled = other.Enabled },
		func() { o.Actions = other.Actions },
		func() { o.Filter = other.Filter },
		func() { o.NoSoftDelete = other.NoSoftDelete },
		func() { slices.Reverse(o.Attributes) },
	}
	if len(o.Attributes) > 0 && len(other.Attributes) > 0 {
		a, b := &o.Attributes[0], &other.Attributes[0]
		changes = append(changes,
			func() { a.Source = b.Source },
			func() { a.Match = b.Match },
			func() { a.Default = b.Default },
			func() { a.Flow = b.Flow },
			func() { a.FlowAlways = b.FlowAlways },
			func() { a.FlowNull = b.FlowNull },
			func() { a.ExportMissingReferences = b.ExportMissingReferences },
			func() { a.Definition = b.Definition },
			func() { o.Attributes = o.Attributes[1:] },
		)
	}
	rapid.SampledFrom(changes).Draw(t, "change")()
}

// Whatever makes the next cycle an initial one is named beforehand, and nothing else.
func TestDifferencesAgreeWithFingerprints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawMapping(t, "a"), drawMapping(t, "b")
		if o, p := &a.Users, &b.Users; rapid.Bool().Draw(t, "nearly equal") {
			other := *p
			*p, b.Groups = *o, a.Groups
			p.Attributes = slices.Clone(o.Attributes)
			replacePart(t, p, other)
		}
		found := differences(describeMapping(a), describeMapping(b))
		if (len(found) == 0) != (a.Fingerprint() == b.Fingerprint()) {
			t.Fatalf("fingerprints %s and %s, differences %v\n%v\n%v", a.Fingerprint(), b.Fingerprint(), found, describeMapping(a), describeMapping(b))
		}
		if again := differences(describeMapping(a), describeMapping(a)); len(again) > 0 {
			t.Fatalf("a mapping differs from itself: %v", again)
		}
	})
}

// Two expressions may mean the same in words; they are two all the same.
func TestWordsHideNoDifference(t *testing.T) {
	app := mapping.WebexDefault()
	want := []difference{{"users, active", "Not([IsSoftDeleted]) (Boolean, ignoring case)", notSoftDeleted + " (Boolean, ignoring case)"}}
	if d := cmp.Diff(want, differences(describeMapping(mapping.Default()), describeMapping(app))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	for _, m := range []mapping.Mapping{mapping.Default(), app} {
		if words := sourceWords(m.Users.Attributes[1]); words != "not IsSoftDeleted" {
			t.Errorf("active is %q in words", words)
		}
	}
}

func TestDifferences(t *testing.T) {
	was := []line{{"users", "on"}, {"users, a", "1"}, {"users, b", "2"}, {"users, c", "3"}, {"users, d", "4"}}
	is := []line{{"users", "on"}, {"users, a", "1"}, {"users, c", "3"}, {"users, b", "5"}, {"users, e", "6"}}
	want := []difference{
		{"users, b", "2", "5"},
		{"users, e", "", "6"},
		{"users, d", "4", ""},
		{"order", "users, b · users, c", "users, c · users, b"},
	}
	if d := cmp.Diff(want, differences(was, is)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
