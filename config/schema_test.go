package config_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/connectors/msgraph"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/mapping"
)

//go:generate go test -run TestSchemaFile -update .

// The generator of schema.json. It lives in a test, because only a test of this package may know the
// connectors: config itself never does. Shapes come from the Go types, descriptions from the comments on
// their fields.

const module = "github.com/scimsync/scimsync"

var shapes = config.Shapes{
	Sources: map[string]any{"msgraph": msgraph.Config{}},
	Targets: map[string]any{"scim": scim.Config{}},
}

// said are the descriptions of keys whose types have none beside the field.
var said = map[string]string{
	"AttributeSpec.target":   "Attribute of the target, for example userName, name.givenName or emails[type eq \"work\"].value.",
	"AttributeSpec.source":   "Expression that gives the value: [attribute], \"constant\" or a function call such as ToLower([mail]).",
	"AttributeSpec.match":    "Existing objects are found by the attributes with a number, lowest first.",
	"AttributeSpec.default":  "Value for a new object if the source has none.",
	"AttributeSpec.apply":    "always: with every change. onCreate: only when the object is made.",
	"AttributeSpec.flowNull": "true: if the source has no value, that of the target is cleared.",
	"FilterSpec.name":        "Name of the filter in logs.",
	"FilterSpec.clauses":     "All of them must hold.",
	"ClauseSpec.attribute":   "Attribute of the source, without brackets.",
	"ClauseSpec.operator":    "For example EQUALS, NOT EQUALS, IS NULL, IS NOT NULL, IS TRUE, REGEX MATCH or INCLUDES.",
	"ClauseSpec.value":       "What the operator compares with.",
	"ClauseSpec.values":      "Several values to compare with.",
}

// schema is a JSON Schema (draft 7, which editors know best).
type schema = map[string]any

// reference lets a value that is not text be given by ${env:NAME} or ${file:PATH}.
var reference = schema{"type": "string", "pattern": `\$\{(env|file):`}

const durationPattern = `^([0-9]+d|([0-9]+d)?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+)$|\$\{(env|file):`

type generator struct {
	t        *testing.T
	comments map[string]map[string]string // package path and type name → field name → comment
}

func generate(t *testing.T) []byte {
	g := &generator{t: t, comments: map[string]map[string]string{}}
	f, j := config.Defaults()
	root := g.object(reflect.ValueOf(f))
	jobs := root["properties"].(schema)["jobs"].(schema)
	jobs["minItems"] = 1
	jobs["items"] = g.object(reflect.ValueOf(j))
	job := jobs["items"].(schema)["properties"].(schema)
	job["id"].(schema)["pattern"] = `^[a-z0-9-]{1,63}$|\$\{(env|file):`
	job["source"] = g.block(job["source"].(schema), config.SourceTypes(), shapes.Sources)
	job["target"] = g.block(job["target"].(schema), config.TargetTypes(), shapes.Targets)
	for _, kind := range []string{"users", "groups"} {
		attributes := job["mappings"].(schema)["properties"].(schema)[kind].(schema)["properties"].(schema)["attributes"].(schema)
		attributes["items"].(schema)["required"] = []string{"target"}
		attributes["items"].(schema)["properties"].(schema)["apply"].(schema)["enum"] = []string{mapping.ApplyAlways, mapping.ApplyOnCreate}
	}
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "Configuration of scimsync"

	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// block is a part whose keys depend on its type.
func (g *generator) block(s schema, types []string, shapes map[string]any) schema {
	s["type"] = "object"
	s["required"] = []string{"type"}
	s["properties"] = schema{"type": schema{"enum": types, "description": "Which keys there are depends on it."}}
	var cases []schema
	for _, name := range types {
		shape, ok := shapes[name]
		if !ok {
			continue
		}
		then := g.object(reflect.ValueOf(shape))
		then["properties"].(schema)["type"] = schema{}
		cases = append(cases, schema{"if": schema{"properties": schema{"type": schema{"const": name}}}, "then": then})
	}
	s["allOf"] = cases
	return s
}

func (g *generator) object(v reflect.Value) schema {
	t := v.Type()
	properties := schema{}
	var required []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		p := g.value(v.Field(i))
		if enum := f.Tag.Get("enum"); enum != "" {
			p = schema{"anyOf": []schema{{"enum": strings.Split(enum, "|")}, reference}}
		}
		if d := g.comment(t, f, name); d != "" {
			p["description"] = d
		}
		if by := reflect.Indirect(v.Field(i)); by.IsValid() && (!by.IsZero() || v.Field(i).Kind() == reflect.Pointer) {
			switch x := by.Interface().(type) {
			case string, bool, int:
				p["default"] = x
			case time.Duration:
				p["default"] = config.InDays(x)
			case config.Leave:
				p["default"] = x.Action
			}
		}
		if slices.Contains(strings.Split(options, ","), "required") {
			required = append(required, name)
		}
		properties[name] = p
	}
	s := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		s["required"] = required
	}
	return s
}

func (g *generator) value(v reflect.Value) schema {
	t := v.Type()
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return schema{"type": "string", "pattern": durationPattern}
	case t == reflect.TypeFor[config.Block]():
		return schema{}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return schema{"type": "string"}
	}
	if config.Short(t) {
		word := schema{"anyOf": []schema{{"enum": strings.Split(t.Field(0).Tag.Get("enum"), "|")}, reference}}
		return schema{"anyOf": []schema{word, g.object(reflect.Zero(t))}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.value(reflect.New(t.Elem()).Elem())
	case reflect.Struct:
		return g.object(v)
	case reflect.Slice:
		return schema{"type": "array", "items": g.value(reflect.New(t.Elem()).Elem())}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": g.value(reflect.New(t.Elem()).Elem())}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"anyOf": []schema{{"type": "boolean"}, reference}}
	case reflect.Int, reflect.Int64:
		return schema{"anyOf": []schema{{"type": "integer"}, reference}}
	case reflect.Float64:
		return schema{"anyOf": []schema{{"type": "number"}, reference}}
	default:
		g.t.Fatalf("no schema for the type %s", t)
		return nil
	}
}

// comment is what the source says about a field, with the key in place of the field's name.
func (g *generator) comment(t reflect.Type, f reflect.StructField, key string) string {
	if t.Name() == "" || !strings.HasPrefix(t.PkgPath(), module+"/") {
		return ""
	}
	if g.comments[t.PkgPath()+"."+t.Name()] == nil {
		g.read(t.PkgPath())
	}
	if text, ok := said[t.Name()+"."+key]; ok {
		return text
	}
	text := g.comments[t.PkgPath()+"."+t.Name()][f.Name]
	if rest, ok := strings.CutPrefix(text, f.Name+" "); ok {
		text = key + " " + rest
	}
	if t.Field(f.Index[0]).Type.Name() == "Secret" {
		text = strings.TrimSpace(text + " A secret: write ${env:NAME} or ${file:PATH}.")
	}
	return text
}

// read collects the comments on fields of a package.
func (g *generator) read(pkg string) {
	files, err := filepath.Glob(filepath.Join("..", strings.TrimPrefix(pkg, module+"/"), "*.go"))
	if err != nil || len(files) == 0 {
		g.t.Fatalf("no source of %s: %v", pkg, err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			g.t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			s, ok := spec.Type.(*ast.StructType)
			if !ok {
				return false
			}
			fields := map[string]string{}
			for _, field := range s.Fields.List {
				text := field.Doc.Text()
				if text == "" {
					text = field.Comment.Text()
				}
				for _, name := range field.Names {
					fields[name.Name] = strings.Join(strings.Fields(text), " ")
				}
			}
			g.comments[pkg+"."+spec.Name.Name] = fields
			return false
		})
	}
}

// schema.json is what the Go types say.
func TestSchemaFile(t *testing.T) {
	const golden = "schema.json"
	got := generate(t)
	if *config.Update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("schema.json is stale; run go generate ./config")
	}
}

// Every key of the file itself is described.
func TestSchemaDescribesKeys(t *testing.T) {
	var s schema
	if err := json.Unmarshal(generate(t), &s); err != nil {
		t.Fatal(err)
	}
	var walk func(s schema, path string)
	walk = func(s schema, path string) {
		if items, ok := s["items"].(schema); ok {
			walk(items, path+"[]")
		}
		properties, _ := s["properties"].(schema)
		for key, p := range properties {
			p := p.(schema)
			if p["description"] == nil {
				t.Errorf("%s.%s has no description", path, key)
			}
			walk(p, path+"."+key)
		}
	}
	walk(s, "")
}

// An editor accepts what Load accepts, and finds the common mistakes.
func TestSchemaAccepts(t *testing.T) {
	var s schema
	if err := json.Unmarshal(generate(t), &s); err != nil {
		t.Fatal(err)
	}
	contract, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	template, err := config.Template(config.TemplateOptions{App: "webex"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, wrong string }{
		{"contract", string(contract), ""},
		{"template", template, ""},
		{"references", "jobs: [{id: a, enabled: '${env:X}', interval: '${env:X}', scope: '${env:X}', source: {type: ldap, x: 1}, target: {type: scim, rate: '${env:X}'}}]", ""},
		{"no jobs", "log: {level: info}", ": jobs is missing"},
		{"empty jobs", "jobs: []", ".jobs: too short"},
		{"unknown key", "jobs: [{id: a, source: {type: ldap}, target: {type: scim}}]\nlogs: {}", ": unknown key logs"},
		{"unknown key of a connector", "jobs: [{id: a, source: {type: msgraph, tenant: x}, target: {type: scim}}]", ".jobs.0.source: unknown key tenant"},
		{"unknown type", "jobs: [{id: a, source: {type: graph}, target: {type: scim}}]", ".jobs.0.source.type: unknown value graph"},
		{"wrong type", "jobs: [{id: a, enabled: 'yes', source: {type: ldap}, target: {type: scim}}]", ".jobs.0.enabled: fits none"},
		{"wrong word", "jobs: [{id: a, scope: some, source: {type: ldap}, target: {type: scim}}]", ".jobs.0.scope: fits none"},
		{"leaving", "jobs: [{id: a, onBlocked: nothing, onRecycled: '${env:X}', onOutOfScope: {action: disableThenDeleteAfter, grace: 30d}, source: {type: ldap}, target: {type: scim}}]", ""},
		{"leaving, wrong word", "jobs: [{id: a, onBlocked: leave, source: {type: ldap}, target: {type: scim}}]", ".jobs.0.onBlocked: fits none"},
		{"leaving, wrong key", "jobs: [{id: a, onBlocked: {action: disable, days: 3}, source: {type: ldap}, target: {type: scim}}]", ".jobs.0.onBlocked: fits none"},
		{"days", "retention: {log: 1d12h, values: 24h}\njobs: [{id: a, source: {type: ldap}, target: {type: scim}}]", ""},
		{"wrong duration", "jobs: [{id: a, interval: 40, source: {type: ldap}, target: {type: scim}}]", ".jobs.0.interval: no string"},
		{"no unit", "jobs: [{id: a, interval: '40', source: {type: ldap}, target: {type: scim}}]", ".jobs.0.interval: malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v any
			if err := yaml.Unmarshal([]byte(c.text), &v); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(validate(s, v, ""), "\n"); got != c.wrong {
				t.Errorf("got %q, want %q", got, c.wrong)
			}
		})
	}
}

// validate knows the keywords that the generator writes.
func validate(s schema, v any, path string) (wrong []string) {
	fail := func(format string, args ...any) { wrong = append(wrong, path+": "+fmt.Sprintf(format, args...)) }
	if kind, ok := s["type"]; ok && !isA(v, kind.(string)) {
		fail("no %s", kind)
		return wrong
	}
	if enum, ok := s["enum"]; ok && !slices.Contains(enum.([]any), v) {
		fail("unknown value %v", v)
	}
	if want, ok := s["const"]; ok && want != v {
		fail("not %v", want)
	}
	if text, ok := v.(string); ok && s["pattern"] != nil && !regexp.MustCompile(s["pattern"].(string)).MatchString(text) {
		fail("malformed")
	}
	if choices, ok := s["anyOf"]; ok && !slices.ContainsFunc(choices.([]any), func(one any) bool { return validate(one.(schema), v, path) == nil }) {
		fail("fits none")
	}
	all, _ := s["allOf"].([]any)
	for _, one := range all {
		if c := one.(schema); validate(c["if"].(schema), v, path) == nil {
			wrong = append(wrong, validate(c["then"].(schema), v, path)...)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		properties, _ := s["properties"].(schema)
		required, _ := s["required"].([]any)
		for _, key := range required {
			if _, ok := v[key.(string)]; !ok {
				fail("%s is missing", key)
			}
		}
		for key, x := range v {
			if p, ok := properties[key]; ok {
				wrong = append(wrong, validate(p.(schema), x, path+"."+key)...)
			} else if s["additionalProperties"] == false {
				fail("unknown key %s", key)
			}
		}
	case []any:
		if least, ok := s["minItems"].(float64); ok && float64(len(v)) < least {
			fail("too short")
		}
		for i, x := range v {
			wrong = append(wrong, validate(s["items"].(schema), x, path+"."+strconv.Itoa(i))...)
		}
	}
	return wrong
}

func isA(v any, kind string) bool {
	switch v.(type) {
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case uint64, int64:
		return kind == "integer" || kind == "number"
	case float64:
		return kind == "number"
	case []any:
		return kind == "array"
	default:
		return kind == "object"
	}
}
