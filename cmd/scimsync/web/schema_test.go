package web

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/mapping"
)

const schemaPath = graphRoot + "/jobs/webex/schema"

func TestSchema(t *testing.T) {
	b := newBench(t)
	r := b.want(200, "", "GET", schemaPath, "")
	if s, found := mapping.LoadSchema(r.body); s == nil {
		t.Fatalf("the schema does not load: %v", found)
	}
	tag := r.Header.Get("Etag")
	var doc map[string]any
	r.into(t, &doc)
	doc["id"] = "mine"
	mine, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	b.want(204, "", "PUT", schemaPath, string(mine), "If-Match: "+tag)
	b.want(412, "PreconditionFailed", "PUT", schemaPath, string(mine), "If-Match: "+tag)
	b.want(200, "", "GET", schemaPath, "").into(t, &doc)
	if doc["id"] != "mine" {
		t.Errorf("id %v", doc["id"])
	}
	// A part that is given is replaced whole, the others stay.
	r = b.want(200, "", "PATCH", schemaPath, `{"id":"yours"}`)
	var patched map[string]any
	r.into(t, &patched)
	if patched["id"] != "yours" || len(patched["synchronizationRules"].([]any)) == 0 {
		t.Errorf("patched: %s", r.body)
	}
	b.want(400, "InvalidSchema", "PATCH", schemaPath, `{"synchronizationRules":[]}`)
	b.want(204, "", "DELETE", schemaPath, "", "If-Match: *")
	b.want(200, "", "GET", schemaPath, "").into(t, &doc)
	if doc["id"] == "yours" {
		t.Error("the schema was not reset")
	}
	if got := b.back.calls(); !slices.Equal(got, []string{"schema", "schema", "schema"}) {
		t.Errorf("asked for %v", got)
	}
}

// A member that no schema has is most likely a mistake; what is below is not ours to judge.
func TestUnknownSchemaMembers(t *testing.T) {
	b := newBench(t)
	var doc map[string]json.RawMessage
	b.want(200, "", "GET", schemaPath, "").into(t, &doc)
	plain, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	doc["@odata.context"], doc["bogus"], doc["Version"] = json.RawMessage(`"x"`), json.RawMessage(`1`), json.RawMessage(`"2"`)
	odd, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	for method, body := range map[string]string{"PATCH": `{"bogus":1,"Version":"2"}`, "PUT": string(odd)} {
		var e ErrorBody
		b.want(400, "InvalidSchema", method, schemaPath, body).into(t, &e)
		want := []ProblemDetail{{Code: "UnknownMember", Message: "not known", Target: "/Version"}, {Code: "UnknownMember", Message: "not known", Target: "/bogus"}}
		if !slices.Equal(e.Error.Details, want) {
			t.Errorf("%s: %+v", method, e.Error)
		}
	}
	if calls := b.back.calls(); len(calls) > 0 {
		t.Fatalf("the schema was put in place: %q", calls)
	}
	b.want(200, "", "PATCH", schemaPath, `{"bogus":1,"id":"mine"}`, "Prefer: handling=lenient")
	b.want(204, "", "PUT", schemaPath, `{"id":"t","factoryTag":"scim","schema":`+string(plain)+`}`)
	b.want(204, "", "PUT", schemaPath, string(odd), "Prefer: handling=lenient")
	var now map[string]json.RawMessage
	b.want(200, "", "GET", schemaPath, "").into(t, &now)
	if now["bogus"] != nil || now["Version"] != nil || now["directories"] == nil || now["@odata.context"] == nil {
		t.Errorf("the schema has the members %v", slices.Sorted(maps.Keys(now)))
	}
}

// All that is wrong with a schema is told at once, each with its place.
func TestInvalidSchema(t *testing.T) {
	b := newBench(t)
	r := b.want(200, "", "GET", schemaPath, "")
	var e ErrorBody
	broken := strings.ReplaceAll(string(r.body), "Switch", "Switsh")
	if broken == string(r.body) {
		t.Fatal("the mapping has no function Switch")
	}
	b.want(400, "InvalidSchema", "PUT", schemaPath, broken).into(t, &e)
	if len(e.Error.Details) == 0 || !strings.HasPrefix(e.Error.Details[0].Target, "/synchronizationRules/0/objectMappings/") {
		t.Errorf("%+v", e.Error)
	}
	if len(b.back.calls()) > 0 {
		t.Error("the schema was put in place")
	}
}

func TestDirectories(t *testing.T) {
	b := newBench(t)
	var p Page[NamedDirectory]
	b.want(200, "", "GET", schemaPath+"/directories", "").into(t, &p)
	if len(p.Value) != 2 {
		t.Fatalf("%+v", p)
	}
	for _, d := range p.Value {
		var one NamedDirectory
		b.want(200, "", "GET", schemaPath+"/directories/"+strings.ToUpper(d.ID), "").into(t, &one)
		if one != d {
			t.Errorf("%+v, want %+v", one, d)
		}
	}
	b.want(404, "Request_ResourceNotFound", "GET", schemaPath+"/directories/x", "")
	b.want(501, "NotImplemented", "POST", schemaPath+"/directories/"+p.Value[0].ID+"/discover", "")
	if got := string(b.want(200, "", "GET", schemaPath+"/directories/$count", "").body); got != "2" {
		t.Errorf("count %s", got)
	}
}

func TestCatalogues(t *testing.T) {
	b := newBench(t)
	var ops Page[FilterOperator]
	b.want(200, "", "GET", schemaPath+"/filterOperators()", "").into(t, &ops)
	if len(ops.Value) != len(mapping.Operators) || !slices.ContainsFunc(ops.Value, func(o FilterOperator) bool { return o.ID == "IS NULL" && o.Arity == "Unary" }) {
		t.Errorf("%+v", ops)
	}
	var fs Page[Function]
	b.want(200, "", "GET", schemaPath+"/functions", "").into(t, &fs)
	b.want(200, "", "GET", schemaPath+"/microsoft.graph.functions()", "")
	i := slices.IndexFunc(fs.Value, func(f Function) bool { return f.Name == "Join" })
	if i < 0 || len(fs.Value[i].Parameters) < 2 || !fs.Value[i].Parameters[len(fs.Value[i].Parameters)-1].Many {
		t.Errorf("%+v", fs.Value)
	}
}

func TestParseExpression(t *testing.T) {
	b := newBench(t)
	const path = schemaPath + "/parseExpression"
	for _, c := range []struct {
		body              string
		parsed, evaluated bool
		result            []string
	}{
		{`{"expression":"Join(\" \", [givenName], [surname])","testInputObject":{"properties":[{"key":"givenName","value":"Mira"},{"key":"surname","value":"Holt"}]}}`, true, true, []string{"Mira Holt"}},
		{`{"expression":"[mail]","testInputObject":{"definition":null,"properties":[{"@odata.type":"#x","key":"mail","value":null}]},"targetAttributeDefinition":{"name":"x"}}`, true, true, []string{}},
		{`{"expression":"ToLower([mail])"}`, true, false, []string{}},
		{`{"expression":"Lowr([mail])"}`, false, false, []string{}},
	} {
		var got mapping.ExpressionTest
		b.want(200, "", "POST", path, c.body).into(t, &got)
		if got.ParsingSucceeded != c.parsed || got.EvaluationSucceeded != c.evaluated || !slices.Equal(got.EvaluationResult, c.result) || !c.parsed && got.Error == nil {
			t.Errorf("%s: %+v", c.body, got)
		}
	}
	b.want(400, "Request_BadRequest", "POST", path, `{"expression":""}`)
}
