package mapping

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type doc = map[string]any

// schemaDocument is a small schema: one directory each, users with a few attributes, one mapping.
type schemaDocument struct {
	root, rule, mapping doc
	source, target      doc // object definitions
}

func newDocument() *schemaDocument {
	d := &schemaDocument{}
	attribute := func(name string, more doc) any {
		o := doc{"name": name}
		maps.Copy(o, more)
		return o
	}
	d.source = doc{"name": "User", "attributes": []any{
		attribute("objectId", doc{"anchor": true}), attribute("mail", doc{"flowNullValues": true}), attribute("department", nil),
		attribute("gone", doc{"type": "boolean"}), attribute("IsSoftDeleted", doc{"type": "BOOLEAN"})}}
	d.target = doc{"name": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": []any{
		attribute("id", doc{"anchor": true, "required": true, "mutability": "ReadOnly"}), attribute("userName", doc{"required": true}),
		attribute("active", doc{"type": "Boolean"}), attribute("title", doc{"metadata": []any{doc{"key": "MaximumLength", "value": "5"}}}),
		attribute("nickName", doc{"mutability": "immutable"})}}
	d.mapping = doc{"sourceObjectName": "User", "targetObjectName": d.target["name"], "attributeMappings": []any{
		doc{"targetAttributeName": "userName", "matchingPriority": 1, "source": doc{"expression": "[mail]"}}}}
	d.rule = doc{"sourceDirectoryName": "cloud", "targetDirectoryName": "app", "objectMappings": []any{d.mapping}}
	d.root = doc{
		"directories": []any{
			doc{"id": "66E4A8CC-1B7B-435E-95F8-F06CEA133828", "name": "cloud", "objects": []any{d.source}},
			doc{"name": "app", "objects": []any{d.target}}},
		"synchronizationRules": []any{d.rule}}
	return d
}

// map adds an attribute mapping.
func (d *schemaDocument) add(target string, more doc) {
	o := doc{"targetAttributeName": target}
	maps.Copy(o, more)
	d.mapping["attributeMappings"] = append(d.mapping["attributeMappings"].([]any), o)
}

func (d *schemaDocument) load(t *testing.T) (*Schema, []finding) {
	t.Helper()
	data, err := json.Marshal(d.root)
	if err != nil {
		t.Fatal(err)
	}
	s, found := LoadSchema(data)
	return s, findings(found)
}

func (d *schemaDocument) expect(t *testing.T, want ...finding) Mapping {
	t.Helper()
	s, got := d.load(t)
	if diff := cmp.Diff(sorted(append([]finding{}, want...)), got); diff != "" {
		t.Errorf("findings: -want +got\n%s", diff)
	}
	if s == nil {
		return Mapping{}
	}
	return s.Mapping()
}

const atMapping = "/synchronizationRules/0/objectMappings/0"

func warning(code DiagnosticCode, pointer, detail string) finding {
	return finding{"warning", string(code), pointer, detail}
}

func mistake(code DiagnosticCode, pointer string) finding {
	return finding{"error", string(code), pointer, ""}
}

func TestSchemaDefaults(t *testing.T) {
	m := newDocument().expect(t)
	u := m.Users
	if !u.Enabled || u.Actions != AllActions || u.NoSoftDelete || !u.Filter.Empty() || m.Groups.Enabled {
		t.Errorf("%+v", m)
	}
	a := u.Attributes[0]
	if a.Flow != FlowAlways || a.FlowAlways || a.FlowNull || a.Match != 1 || a.Definition != (Definition{Type: String, Required: true, Mutability: ReadWrite}) {
		t.Errorf("%+v", a)
	}
}

func TestSchemaIsTakenOutOfATemplate(t *testing.T) {
	d := newDocument()
	d.add("nope", nil)
	d.root = doc{"id": "t", "schema": d.root}
	d.expect(t, mistake(TargetUnknown, "/schema"+atMapping+"/attributeMappings/1/targetAttributeName"))
}

func TestSchemaByteOrderMark(t *testing.T) {
	if s, found := LoadSchema(append([]byte("\xef\xbb\xbf"), readExample(t, "webex-default.json")...)); s == nil {
		t.Error(found)
	}
}

func TestSkippedObjectMappings(t *testing.T) {
	for name, change := range map[string]doc{
		"disabled":       {"enabled": false},
		"no source name": {"sourceObjectName": ""},
		"discarded":      {"metadata": []any{doc{"key": "Disposition", "value": `"Discard"`}}},
		"unsynchronized": {"metadata": []any{doc{"key": "Unsynchronized", "value": "true"}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDocument()
			d.add("nope", nil)
			maps.Copy(d.mapping, change)
			if m := d.expect(t); m.Users.Enabled {
				t.Error("the mapping is run")
			}
		})
	}
}

func TestObjectMappingMetadata(t *testing.T) {
	d := newDocument()
	d.mapping["metadata"] = []any{
		doc{"key": "EscrowBehavior", "value": `"IgnoreLookupReferenceResolutionFailure"`}, doc{"key": "ExcludeFromReporting", "value": "true"},
		doc{"key": "Disposition", "value": `"Normal"`}}
	d.target["metadata"] = []any{doc{"key": "IsSoftDeletionSupported", "value": "false"}}
	u := d.expect(t).Users
	if !u.IgnoreUnresolved || !u.ExcludeFromReporting || !u.NoSoftDelete {
		t.Errorf("%+v", u)
	}
}

func TestRulesRunByPriority(t *testing.T) {
	d := newDocument()
	second := doc{"sourceDirectoryName": "cloud", "targetDirectoryName": "app", "priority": 1, "objectMappings": []any{
		doc{"sourceObjectName": "User", "targetObjectName": d.target["name"], "flowTypes": " update ", "attributeMappings": []any{
			doc{"targetAttributeName": "userName", "matchingPriority": 1, "source": doc{"expression": "[department]"}}}}}}
	d.root["synchronizationRules"] = []any{d.rule, second}
	s, found := d.load(t)
	if diff := cmp.Diff([]finding{warning(ObjectIgnored, atMapping, "User")}, append(found, findings(s.Ignored())...)); diff != "" {
		t.Errorf("findings: -want +got\n%s", diff)
	}
	u := s.Mapping().Users
	if u.Actions != (Actions{Update: true}) || u.Attributes[0].Source.String() != "[department]" {
		t.Errorf("the rule with the lower number runs: %+v", u)
	}
}

func TestEnumerationsInAnyLetterCase(t *testing.T) {
	d := newDocument()
	d.mapping["flowTypes"] = "ADD , update"
	d.add("title", doc{"flowType": "objectaddonly", "flowBehavior": "FLOWALWAYS", "source": doc{"type": "FUNCTION", "name": "Trim", "expression": "Trim([mail])"}})
	u := d.expect(t).Users
	if u.Actions != (Actions{Create: true, Update: true}) || u.Attributes[1].Flow != FlowOnCreate || !u.Attributes[1].FlowAlways || u.Attributes[1].Definition.MaxLength != 5 {
		t.Errorf("%+v", u)
	}
}

// Section 3.3: both gates, on every source attribute.
func TestNullFlowGates(t *testing.T) {
	for expression, open := range map[string]bool{
		"[mail]": true, "[department]": false, "Trim([mail])": true, "Coalesce([mail], [department])": false,
	} {
		d := newDocument()
		d.add("title", doc{"flowNullValues": true, "source": doc{"expression": expression}})
		if got := d.expect(t).Users.Attributes[1].FlowNull; got != open {
			t.Errorf("%s: %v", expression, got)
		}
	}
	d := newDocument()
	d.add("title", doc{"source": doc{"expression": "[mail]"}})
	if d.expect(t).Users.Attributes[1].FlowNull {
		t.Error("the mapping did not ask for it")
	}
}

func TestNoneMappings(t *testing.T) {
	for name, source := range map[string]any{"null": nil, "empty": doc{}, "typed": doc{"type": "Attribute", "name": "", "expression": ""}} {
		d := newDocument()
		d.add("title", doc{"source": source, "defaultValue": "x"})
		if a := d.expect(t).Users.Attributes[1]; a.Source != nil || a.Default != "x" {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestSoftDeletedUnderAnotherName(t *testing.T) {
	d := newDocument()
	d.source["metadata"] = []any{doc{"key": "PropertyNameSoftDeleted", "value": "gone"}}
	d.add("active", doc{"source": doc{"expression": `IIF([gone] = "True", "False", "True" & "")`}})
	d.mapping["scope"] = doc{"groups": []any{doc{"clauses": []any{doc{"operatorName": "IS FALSE", "sourceOperandName": "gone"}}}}}
	u := d.expect(t).Users
	if a := &u.Attributes[1]; !a.SoftDelete() || a.Source.String() != `IIF([IsSoftDeleted] = "True", "False", "True" & "")` {
		t.Errorf("%s", a.Source)
	}
	if got := u.Filter.Groups[0].Clauses[0].Attribute; got != IsSoftDeleted {
		t.Errorf("the filter reads %s", got)
	}
}

// Section 11: what one finding says about the others.
func TestFindingsOfOneMapping(t *testing.T) {
	at := atMapping + "/attributeMappings/1"
	for _, c := range []struct {
		name string
		set  func(d *schemaDocument)
		want []finding
	}{
		{"a missing target hides all but the flow", func(d *schemaDocument) {
			d.add("", doc{"flowType": "x", "flowBehavior": "y", "matchingPriority": 1, "source": doc{"type": "z", "expression": "("}})
		}, []finding{mistake(TargetMissing, at+"/targetAttributeName"), mistake(EnumValue, at+"/flowType"), mistake(EnumValue, at+"/flowBehavior")}},
		{"a path that is none hides the other target checks", func(d *schemaDocument) {
			d.add("a b", doc{"defaultValue": "x", "source": doc{"expression": "[nope]"}})
		}, []finding{mistake(TargetSyntax, at+"/targetAttributeName"), warning(SourceUnknown, at+"/source/expression", "nope")}},
		{"a source type that is none does not hide the text", func(d *schemaDocument) {
			d.add("title", doc{"source": doc{"type": "x", "name": "y", "expression": "[mail"}})
		}, []finding{mistake(EnumValue, at+"/source/type"), {"error", "EXPRESSION", at + "/source/expression", "Syntax"}}},
		{"a source type that is none hides the tree", func(d *schemaDocument) {
			d.add("title", doc{"source": doc{"type": "x", "name": "y", "expression": "[mail]"}})
		}, []finding{mistake(EnumValue, at+"/source/type")}},
		{"a broken tree", func(d *schemaDocument) {
			d.add("title", doc{"source": doc{"type": "Function", "name": "Nope", "parameters": []any{}}})
		}, []finding{{"error", "EXPRESSION", at + "/source/expression", "UnknownFunction"}}},
		{"a broken text inside a tree", func(d *schemaDocument) {
			d.add("title", doc{"source": doc{"type": "Function", "name": "Trim", "parameters": []any{doc{"key": "source", "value": doc{"expression": `"a", "b"`}}}}})
		}, []finding{{"error", "EXPRESSION", at + "/source/expression", "Syntax"}}},
		{"each unknown name once", func(d *schemaDocument) {
			d.add("title", doc{"source": doc{"expression": "Coalesce([nope], [no], [nope], [mail])"}})
		}, []finding{warning(SourceUnknown, at+"/source/expression", "nope"), warning(SourceUnknown, at+"/source/expression", "no")}},
		{"the anchor is not also read-only", func(d *schemaDocument) { d.add("ID", nil) }, []finding{mistake(TargetAnchor, at+"/targetAttributeName")}},
		{"an unknown target twice", func(d *schemaDocument) {
			d.add("x", nil)
			d.add("X", nil)
		}, []finding{mistake(TargetUnknown, at+"/targetAttributeName"), mistake(TargetUnknown, atMapping+"/attributeMappings/2/targetAttributeName"),
			mistake(TargetDuplicate, atMapping+"/attributeMappings/2/targetAttributeName")}},
		{"too long a default", func(d *schemaDocument) { d.add("title", doc{"defaultValue": "123456"}) }, []finding{mistake(DefaultType, at+"/defaultValue")}},
		{"a clause on an unknown attribute says only that", func(d *schemaDocument) {
			d.mapping["scope"] = doc{"groups": []any{doc{"clauses": []any{doc{"operatorName": "REGEX MATCH", "sourceOperandName": "nope", "targetOperand": doc{"values": []any{"("}}}}}}}
		}, []finding{warning(SourceUnknown, atMapping+"/scope/groups/0/clauses/0/sourceOperandName", "nope")}},
		{"an unknown operator hides the rest of the clause", func(d *schemaDocument) {
			d.mapping["scope"] = doc{"groups": []any{doc{"clauses": []any{doc{"operatorName": "x", "sourceOperandName": "nope"}}}}}
		}, []finding{mistake(FilterOperator, atMapping+"/scope/groups/0/clauses/0/operatorName")}},
		{"unknown objects hide the rest", func(d *schemaDocument) {
			d.mapping["sourceObjectName"], d.mapping["targetObjectName"], d.mapping["flowTypes"] = "X", "Y", "Z"
		}, []finding{mistake(ObjectUnknown, atMapping+"/sourceObjectName"), mistake(ObjectUnknown, atMapping+"/targetObjectName")}},
		{"unknown directories hide the rest", func(d *schemaDocument) {
			d.rule["sourceDirectoryName"], d.rule["targetDirectoryName"], d.mapping["flowTypes"] = "X", "Y", "Z"
		}, []finding{mistake(DirectoryUnknown, "/synchronizationRules/0/sourceDirectoryName"), mistake(DirectoryUnknown, "/synchronizationRules/0/targetDirectoryName")}},
		{"elements of the wrong shape", func(d *schemaDocument) {
			d.mapping["attributeMappings"] = append(d.mapping["attributeMappings"].([]any), "x", 7)
		}, []finding{mistake(SchemaShape, at), mistake(SchemaShape, atMapping+"/attributeMappings/2")}},
		{"deleting alone needs no matching", func(d *schemaDocument) {
			d.mapping["flowTypes"] = "Delete"
			d.mapping["attributeMappings"].([]any)[0].(doc)["matchingPriority"] = 0
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDocument()
			c.set(d)
			d.expect(t, c.want...)
		})
	}
}

// A clause that is only warned about still never lets anybody through by mistake.
func TestBrokenClauseNeverHolds(t *testing.T) {
	for _, operator := range []string{"REGEX MATCH", "NOT REGEX MATCH", "Greater_Than", "EQUALS"} {
		d := newDocument()
		d.mapping["scope"] = doc{"groups": []any{doc{"clauses": []any{doc{"operatorName": operator, "sourceOperandName": "nope"}}}}}
		u := d.expect(t, warning(SourceUnknown, atMapping+"/scope/groups/0/clauses/0/sourceOperandName", "nope")).Users
		if r := u.Filter.Evaluate(Attributes{"nope": "7"}); r.Pass {
			t.Errorf("%s: %+v", operator, r)
		}
	}
}

func TestParametersByKeyAndPosition(t *testing.T) {
	constant := func(s string) doc { return doc{"type": "Constant", "name": s} }
	mail := doc{"name": "mail"}
	param := func(key string, v any) any { return doc{"key": key, "value": v} }
	for _, c := range []struct {
		function string
		params   []any
		want     string
	}{
		{"Append", []any{param("SUFFIX", constant("x")), param("source", mail)}, `Append([mail], "x")`},
		{"Replace", []any{param("Replacement", constant("b")), param("source", mail), param("find", constant(`a"\`))}, `Replace([mail], "a\"\\", , , "b")`},
		{"Switch", []any{param("switchValue", constant("k")), param("source", mail), param("switchValue", constant("v"))}, `Switch([mail], , "k", "v")`},
		{"Join", []any{param("source", mail), param("separator", constant(",")), param("source", nil), param("source", mail)}, `Join(",", [mail], , [mail])`},
		{"Append", []any{param("first", mail), param("second", constant("x"))}, `Append([mail], "x")`},    // unknown keys
		{"Append", []any{param("source", mail), param("source", constant("x"))}, `Append([mail], "x")`},   // repeated key
		{"Item", []any{param("index", mail), param("attribute", constant("1"))}, `Item([mail], "1")`},     // not listed
		{"Left", []any{param("numChars", constant("8")), param("source", mail)}, `Left([mail], "8")`},     // numbers are texts
		{"Trim", []any{param("source", doc{"expression": "ToLower( [mail] )"})}, `Trim(ToLower([mail]))`}, // own text at a level
		{"&", []any{param("left", mail), param("right", constant("x"))}, `[mail] & "x"`},                  // as our own trees
		{"FormatDateTime", []any{param("source", mail), param("inputFormat", constant("yyyy")), param("outputFormat", constant("MM"))}, `FormatDateTime([mail], , "yyyy", "MM")`},
	} {
		d := newDocument()
		d.add("title", doc{"source": doc{"type": "Function", "name": c.function, "parameters": c.params}})
		m := d.expect(t)
		if len(m.Users.Attributes) < 2 {
			continue
		}
		if got := m.Users.Attributes[1].Source.String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.function, got, c.want)
		}
	}
}
