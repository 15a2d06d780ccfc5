package mapping

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/mapping/expr"
)

func load(t testing.TB, data []byte) *Schema {
	t.Helper()
	s, found := LoadSchema(data)
	if s == nil {
		t.Fatalf("rejected: %v", found)
	}
	return s
}

// What was loaded goes out as it came in, unknown members and their order included.
func TestExportUnchanged(t *testing.T) {
	for _, name := range []string{"webex-default.json", "enterprise-rich.json"} {
		data := readExample(t, name)
		s := load(t, data)
		for how, got := range map[string][]byte{"JSON": s.JSON(), "ExportSchema": ExportSchema(s.Mapping(), s, "")} {
			if diff := cmp.Diff(string(data), string(got)); diff != "" {
				t.Errorf("%s of %s: -want +got\n%s", how, name, diff)
			}
		}
	}
}

func TestExportKeepsWhatItDoesNotKnow(t *testing.T) {
	data := strings.Replace(string(readExample(t, "webex-default.json")), `"targetAttributeName": "displayName"`, `"targetAttributeName": "displayName", "fromTheFuture": [1.50, {"a": null}]`, 1)
	s := load(t, []byte(data))
	m := s.Mapping()
	m.Users.Actions.Delete = false
	m.Users.Attributes = slices.Clone(m.Users.Attributes)
	for i := range m.Users.Attributes {
		if a := &m.Users.Attributes[i]; a.Target.Key() == "displayname" {
			a.Default = "(none)"
		}
	}
	extra, err := expr.Parse(`Join(" ", [surname], , [givenName], [shoeSize])`)
	if err != nil {
		t.Fatal(err)
	}
	nick := MustPath("nickName")
	m.Users.Attributes = append(m.Users.Attributes, Attribute{Target: nick, Source: extra, Definition: DefinitionOf(nick), Flow: FlowOnCreate, FlowNull: true, FlowAlways: true})
	m.Users.Filter.Groups = []FilterGroup{{Name: "sales", Clauses: []FilterClause{clause(t, "department", "greater than", "7")}}}
	out := ExportSchema(m, s, "")
	if !strings.Contains(string(out), "1.50") || !strings.Contains(string(out), `"Add,Update"`) {
		t.Error("an unknown member is gone, or a change is not there")
	}
	again, found := LoadSchema(out)
	if again == nil || len(found) > 0 {
		t.Fatalf("the export does not load: %v", found)
	}
	if got := again.Mapping(); got.Fingerprint() != m.Fingerprint() {
		t.Errorf("the export means something else: %+v", got.Users)
	}
}

// Every built-in mapping makes a schema that loads without findings and decides alike.
func TestExportBuiltIn(t *testing.T) {
	for name, m := range map[string]Mapping{"default": Default(), "webex": WebexDefault(), "generic": GenericDefault(), "users only": {Users: DefaultUsers()}} {
		s, found := LoadSchema(ExportSchema(m, nil, "Webex"))
		if s == nil || len(found) > 0 {
			t.Errorf("%s: %v", name, found)
			continue
		}
		if got := s.Mapping(); got.Fingerprint() != m.Fingerprint() {
			t.Errorf("%s decides otherwise", name)
		}
	}
}

func TestExportDisabled(t *testing.T) {
	s := load(t, readExample(t, "webex-default.json"))
	m := s.Mapping()
	m.Groups.Enabled = false
	again := load(t, ExportSchema(m, s, ""))
	if again.Mapping().Groups.Enabled || !again.Mapping().Users.Enabled {
		t.Error("groups are still mapped")
	}
	m.Groups.Enabled = true
	if got := load(t, ExportSchema(m, again, "")).Mapping(); !got.Groups.Enabled {
		t.Error("groups are not mapped again")
	}
}

// The tree alone says what the text says (10.8).
func TestRebuildFromTree(t *testing.T) {
	texts := []string{
		"[mail]", `"constant"`, `"a \"quoted\" \\ one"`, `"8"`, `""`, `Append([mail], ".x")`, `Prepend("x", [mail])`, `Mid([a], 1, 3)`,
		`Replace([a], "x", , , "y")`, `Replace([a], , "(?<n>b)", "n", "c", , )`, `Replace([a], , "(?<n>b)", "n", , [c], )`, `Replace([a], "x", , , , , "t x")`,
		`Switch([a], , "k", "v")`, `Switch([a], "d", , "v", "k", )`, `Switch([a], "d")`, `Join(",", [a], , [b])`, `Join(, [a], [b])`,
		`FormatDateTime([a], , "yyyy", "dd")`, `FormatDateTime([a], "None", "yyyy", "dd")`, `Split([a], ";")`, `Split([a])`,
		`IIF([a] = "x", "1", [b] & "c" & [d])`, `Coalesce([a], , [b])`, `ToUpper([a], "tr-TR")`, `Left(NormalizeDiacritics([a]), 3)`,
		`PCase([a], " -")`, `Item([otherMails], 1)`, `InStr([a], "b", , vbTextCompare)`, `Word([a], 1, " ")`, `RandomString(8, 4, 0, 2, 2)`, `Guid()`, `[emails[type eq "work"].value]`,
		`DateAdd("d", -10, [x])`, `SelectUniqueValue([a], [b], Append([c], "1"))`, `Redact([a])`, `IgnoreFlowIfNullOrEmpty([a])`, `[a] & [b]`, `[a] <> "x"`,
	}
	l := loader{functions: map[string]expr.FunctionInfo{}}
	for _, f := range expr.Functions() {
		l.functions[f.Name] = f
	}
	for _, text := range texts {
		e, err := expr.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		o := tree(e.Root())
		if data := encodeDocument(o); !json.Valid(data) {
			t.Errorf("%s: the tree is no JSON: %s", text, data)
		}
		withText, err := l.rebuild(o, 1)
		if err != nil || withText != e.String() {
			t.Errorf("%s with texts becomes %s (%v)", text, withText, err)
		}
		strip(o)
		bare, err := l.rebuild(o, 0)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		again, err := expr.Parse(bare)
		if err != nil {
			t.Errorf("%s becomes %s: %v", text, bare, err)
			continue
		}
		if got, want := unquoteNumbers(again.String()), unquoteNumbers(e.String()); got != want {
			t.Errorf("%s becomes %s", want, got)
		}
	}
}

// strip removes the texts from a tree.
func strip(v any) {
	switch v := v.(type) {
	case *jsonObject:
		v.names = slices.DeleteFunc(v.names, func(n string) bool { return n == "expression" })
		delete(v.values, "expression")
		for _, e := range v.values {
			strip(e)
		}
	case []any:
		for _, e := range v {
			strip(e)
		}
	}
}

// unquoteNumbers makes the two spellings of constants in a tree the same: numbers and words are
// texts there. Trailing commas stand for arguments that are left out.
func unquoteNumbers(s string) string {
	for strings.Contains(s, ", )") {
		s = strings.ReplaceAll(s, ", )", ")")
	}
	return strings.ReplaceAll(s, `"`, "")
}

func TestTreeOfConstantsAndParameters(t *testing.T) {
	e, err := expr.Parse(`Item([otherMails], 1)`)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(SourceTree(e), &got); err != nil {
		t.Fatal(err)
	}
	node := func(expression, name, typ string, params ...any) map[string]any {
		return map[string]any{"expression": expression, "name": name, "type": typ, "parameters": append([]any{}, params...)}
	}
	want := node("Item([otherMails], 1)", "Item", "Function",
		map[string]any{"key": "source", "value": node("[otherMails]", "otherMails", "Attribute")},
		map[string]any{"key": "p2", "value": node(`"1"`, "1", "Constant")})
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// The trees of the examples, without their texts, mean what the texts mean.
func TestExampleTrees(t *testing.T) {
	for _, name := range []string{"webex-default.json", "enterprise-rich.json"} {
		s := load(t, readExample(t, name))
		m := s.Mapping()
		l := loader{functions: map[string]expr.FunctionInfo{}}
		for _, f := range expr.Functions() {
			l.functions[f.Name] = f
		}
		list := s.users.mapping.get("attributeMappings").([]any)
		for i, e := range list {
			src, _ := e.(*jsonObject).get("source").(*jsonObject)
			if src == nil {
				continue
			}
			strip(src)
			got, err := l.rebuild(src, 0)
			if err != nil {
				t.Errorf("%s: %v", m.Users.Attributes[i].Target, err)
				continue
			}
			if want := m.Users.Attributes[i].Source.String(); unquoteNumbers(got) != unquoteNumbers(want) {
				t.Errorf("%s: %s, want %s", m.Users.Attributes[i].Target, got, want)
			}
		}
	}
}

// Section 13.
func TestParseExpression(t *testing.T) {
	for _, c := range []struct {
		text      string
		object    Attributes
		parsed    bool
		evaluated bool
		want      []string
		code      string
	}{
		{`Replace([preferredLanguage], "-", , , "_", ,  )`, Attributes{"preferredLanguage": "EN-US"}, true, true, []string{"EN_US"}, ""},
		{`[mail]`, Attributes{}, true, true, []string{}, ""},
		{`IgnoreFlowIfNullOrEmpty([mail])`, Attributes{"mail": ""}, true, true, []string{}, ""},
		{`[mail]`, Attributes{"mail": ""}, true, true, []string{""}, ""},
		{`Split([x], ",")`, Attributes{"x": "a, b"}, true, true, []string{"a", "b"}, ""},
		{`[accountEnabled]`, Attributes{"accountEnabled": true}, true, true, []string{"True"}, ""},
		{`AppRoleAssignmentsComplex([appRoleAssignments])`, Attributes{"appRoleAssignments": []any{map[string]any{"id": "1", "value": "v", "displayName": "d"}}}, true, true,
			[]string{`{"display":"d","primary":false,"type":"WindowsAzureActiveDirectoryRole","value":"v"}`}, ""},
		{`[mail]`, nil, true, false, []string{}, ""},
		{`Append([mail]`, Attributes{}, false, false, []string{}, "Syntax"},
		{`Nope([mail])`, Attributes{}, false, false, []string{}, "UnknownFunction"},
		{`Item([mail], 3)`, Attributes{"mail": "x"}, true, false, []string{}, "IndexOutOfRange"},
		{`Error("sorry " & [mail])`, Attributes{"mail": "x"}, true, false, []string{}, "Custom"},
	} {
		got := ParseExpression(c.text, c.object, nil)
		if got.ParsingSucceeded != c.parsed || got.EvaluationSucceeded != c.evaluated || (len(got.ParsedExpression) > 0) != c.parsed {
			t.Errorf("%s: %+v", c.text, got)
		}
		if diff := cmp.Diff(c.want, got.EvaluationResult); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.text, diff)
		}
		if (got.Error == nil) != (c.code == "") || got.Error != nil && (got.Error.Code != c.code || got.Error.Message == "") {
			t.Errorf("%s: error %+v, want %s", c.text, got.Error, c.code)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
	}
	if got := ParseExpression(`Error("sorry " & [mail])`, Attributes{"mail": "x"}, nil); got.Error.Message != "sorry x" {
		t.Errorf("message %q", got.Error.Message)
	}
	if got := ParseExpression(`Redact([a])`, Attributes{"a": "b"}, nil); !got.Redacted {
		t.Error("the result is not marked as secret")
	}
}

func FuzzLoadSchema(f *testing.F) {
	// The example files are too big to be mutated with profit; these have one of everything.
	f.Add([]byte(`{"directories":[{"id":"66e4a8cc-1b7b-435e-95f8-f06cea133828","name":"A","objects":[{"name":"User","attributes":[{"name":"a"}]}]},{"name":"B","objects":[{"name":"xUser","attributes":[{"name":"userName"}]}]}],"synchronizationRules":[{"sourceDirectoryName":"A","targetDirectoryName":"B","objectMappings":[{"sourceObjectName":"User","targetObjectName":"xUser","attributeMappings":[{"targetAttributeName":"userName","matchingPriority":1,"source":{"type":"Function","name":"Join","parameters":[{"key":"separator","value":{"type":"Constant","name":","}},{"key":"source","value":{"name":"a"}}]}}]}]}]}`))
	f.Add([]byte(`{"directories":[{"name":"microsoft entra id","objects":[{"name":"Group","attributes":[{"name":"g","type":"Boolean","flowNullValues":true}]}]},{"name":"B","objects":[{"name":"Group","metadata":[{"key":"IsSoftDeletionSupported","value":"false"}],"attributes":[{"name":"displayName","required":true,"defaultValue":"x","metadata":[{"key":"MaximumLength","value":"9"}]},{"name":"urn:x:y.z","multivalued":true,"caseExact":true,"mutability":"Immutable"}]}]}],"synchronizationRules":[{"sourceDirectoryName":"microsoft entra id","targetDirectoryName":"B","priority":1,"objectMappings":[{"sourceObjectName":"Group","targetObjectName":"Group","flowTypes":"Add, delete","scope":{"groups":[{"name":"n","clauses":[{"operatorName":"REGEX MATCH","sourceOperandName":"g","targetOperand":{"values":["a"]}}]}],"inputFilterGroups":null},"metadata":[{"key":"EscrowBehavior","value":"\"Default\""}],"attributeMappings":[{"targetAttributeName":"displayName","matchingPriority":1,"flowType":"ValueAddOnly","flowBehavior":"FlowAlways","flowNullValues":true,"source":{"expression":"[g]"}},{"targetAttributeName":"urn:x:y.z","defaultValue":"d","source":{}}]}]}]}`))
	f.Add([]byte(`{"schema":{}}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, found := LoadSchema(data)
		if (s == nil) != Rejected(found) {
			t.Fatalf("schema %v with findings %v", s != nil, found)
		}
		for _, d := range found {
			if d.Message == "" || d.Pointer != "" && d.Pointer[0] != '/' {
				t.Fatalf("bad finding %+v", d)
			}
		}
		if s == nil {
			return
		}
		out := ExportSchema(s.Mapping(), s, "")
		again, found := LoadSchema(out)
		if again == nil {
			t.Fatalf("the export does not load: %v\n%s", found, out)
		}
		if again.Mapping().Fingerprint() != s.Mapping().Fingerprint() {
			t.Fatalf("the export decides otherwise\n%s", out)
		}
	})
}
