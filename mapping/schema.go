package mapping

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/mapping/expr"
)

// Schema is a synchronization schema as Entra exports it (section 10). It keeps everything that the
// file holds, also what has no effect here.
type Schema struct {
	document *jsonObject
	root     *jsonObject // the schema itself: document, or its member "schema" in an exported template
	mapping  Mapping
	users    part // where Mapping came from
	groups   part
	ignored  []Diagnostic
	outbound *jsonObject // the first rule that is run
	from, to *jsonObject // its directories
}

// part are the pieces of a document that one object mapping consists of; zero if there is none.
type part struct {
	mapping *jsonObject // the object mapping
	source  *jsonObject // definition of the source object
	target  *jsonObject // definition of the target object
}

// Mapping is what the schema makes a job do. A kind of objects that it does not map is disabled.
func (s *Schema) Mapping() Mapping { return s.mapping }

// Ignored lists the parts of the schema that have no effect here though they mean something to Entra.
// They are no findings of section 11: the schema loads, and keeps them.
func (s *Schema) Ignored() []Diagnostic { return s.ignored }

// JSON is the schema with everything that it came with, members in their order.
func (s *Schema) JSON() []byte { return encodeDocument(s.document) }

// SourceDirectoryID is the id of the cloud directory in every exported schema.
const SourceDirectoryID = "66e4a8cc-1b7b-435e-95f8-f06cea133828"

// sourceDirectoryNames are the names that the cloud directory had.
var sourceDirectoryNames = []string{"Microsoft Entra ID", "Azure Active Directory"}

// LoadSchema reads a synchronization schema. All findings are reported together; if one of them is
// an error the schema is nil and whatever was in force before stays so (10.9).
func LoadSchema(data []byte) (*Schema, []Diagnostic) {
	l := loader{functions: map[string]expr.FunctionInfo{}}
	for _, f := range expr.Functions() {
		l.functions[f.Name] = f
	}
	s := l.load(data)
	if Rejected(l.found) {
		return nil, l.found
	}
	s.ignored = l.ignored
	return s, l.found
}

type loader struct {
	found       []Diagnostic
	ignored     []Diagnostic
	directories map[string]*directory
	functions   map[string]expr.FunctionInfo
}

type directory struct {
	raw     *jsonObject
	source  bool
	objects map[string]*objectDefinition
}

type objectDefinition struct {
	raw          *jsonObject
	attributes   []*attributeDefinition
	byName       map[string]*attributeDefinition // as written, for the source
	byKey        map[string]*attributeDefinition // by path, for the target
	noSoftDelete bool
	softDeleted  string // attribute that stands for IsSoftDeleted, if it has another name
}

type attributeDefinition struct {
	Definition
	name     string
	anchor   bool
	flowNull bool
}

func (l *loader) fail(code DiagnosticCode, at, detail, hint, format string, args ...any) {
	l.found = append(l.found, Diagnostic{SeverityError, code, at, detail, fmt.Sprintf(format, args...), hint})
}

func (l *loader) warn(code DiagnosticCode, at, detail, hint, format string, args ...any) {
	l.found = append(l.found, Diagnostic{SeverityWarning, code, at, detail, fmt.Sprintf(format, args...), hint})
}

// ignore notes a part without effect.
func (l *loader) ignore(code DiagnosticCode, at, detail, hint, format string, args ...any) {
	l.ignored = append(l.ignored, Diagnostic{SeverityWarning, code, at, detail, fmt.Sprintf(format, args...), hint})
}

const exportHint = "export the schema again and load the file unchanged"

func (l *loader) shape(at, format string, args ...any) {
	l.fail(SchemaShape, at, "", exportHint, format, args...)
}

func (l *loader) load(data []byte) *Schema {
	v, err := decodeDocument(data)
	if err != nil {
		l.shape("", "the file is not JSON: %v", err)
		return nil
	}
	document, ok := v.(*jsonObject)
	if !ok {
		l.shape("", "the file does not hold a JSON object")
		return nil
	}
	s, at := &Schema{document: document, root: document}, ""
	if _, has := document.values["synchronizationRules"]; !has {
		if template, ok := document.get("schema").(*jsonObject); ok {
			s.root, at = template, "/schema"
		}
	}
	dirs, okDirs := l.required(s.root, "directories", at)
	rules, okRules := l.required(s.root, "synchronizationRules", at)
	l.readDirectories(dirs, at+"/directories")
	if okDirs && okRules {
		l.readRules(s, rules, at+"/synchronizationRules")
	}
	return s
}

// required reads an array that must be there.
func (l *loader) required(o *jsonObject, name, at string) ([]any, bool) {
	list, ok := o.get(name).([]any)
	if !ok {
		l.shape(pointer(at, name), "the array %q is missing", name)
	}
	return list, ok
}

// The readers below take a member that may be missing or null. Another type than the expected one is
// reported and read as missing.

func (l *loader) list(o *jsonObject, name, at string) []any {
	switch v := o.get(name).(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	l.shape(pointer(at, name), "%q is not an array", name)
	return nil
}

func (l *loader) object(o *jsonObject, name, at string) *jsonObject {
	switch v := o.get(name).(type) {
	case nil:
		return nil
	case *jsonObject:
		return v
	}
	l.shape(pointer(at, name), "%q is not an object", name)
	return nil
}

// objects calls f for each element of an array that is an object.
func (l *loader) objects(list []any, at string, f func(o *jsonObject, at string)) {
	for i, e := range list {
		if o, ok := e.(*jsonObject); ok {
			f(o, pointer(at, i))
			continue
		}
		l.shape(pointer(at, i), "the element is not an object")
	}
}

func (l *loader) text(o *jsonObject, name, at string) string {
	switch v := o.get(name).(type) {
	case nil:
		return ""
	case string:
		return v
	}
	l.shape(pointer(at, name), "%q is not a text", name)
	return ""
}

// scalar reads a default value or an operand, which people write as numbers and booleans too.
func (l *loader) scalar(v any, at string) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	}
	l.shape(at, "the value is not a text")
	return ""
}

func (l *loader) boolean(o *jsonObject, name, at string, otherwise bool) bool {
	switch v := o.get(name).(type) {
	case nil:
		return otherwise
	case bool:
		return v
	}
	l.shape(pointer(at, name), "%q is neither true nor false", name)
	return otherwise
}

func (l *loader) integer(o *jsonObject, name, at string) (n int64, ok bool) {
	switch v := o.get(name).(type) {
	case nil:
		return 0, false
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, true
		}
	}
	l.shape(pointer(at, name), "%q is not a whole number", name)
	return 0, false
}

// metadata reads a list of keys and values; the values of object mappings are JSON texts.
func (l *loader) metadata(o *jsonObject, at string) map[string]string {
	m := map[string]string{}
	for _, e := range l.list(o, "metadata", at) {
		entry, ok := e.(*jsonObject)
		if !ok {
			continue
		}
		key, _ := entry.get("key").(string)
		value := ""
		switch v := entry.get("value").(type) {
		case string:
			value = v
			var inner string
			if json.Unmarshal([]byte(v), &inner) == nil {
				value = inner
			}
		case bool:
			value = strconv.FormatBool(v)
		case json.Number:
			value = v.String()
		}
		m[key] = value
	}
	return m
}

// enum reads an enumeration text in any letter case; "" stands for the default.
func enum[T ~string](l *loader, o *jsonObject, name, at string, otherwise T, values ...T) T {
	text := l.text(o, name, at)
	if text == "" {
		return otherwise
	}
	names := make([]string, len(values))
	for i, v := range values {
		if strings.EqualFold(text, string(v)) {
			return v
		}
		names[i] = string(v)
	}
	l.fail(EnumValue, pointer(at, name), "", didYouMean(text, names), "%q is no value of %s", text, name)
	return otherwise
}

func (l *loader) readDirectories(list []any, at string) {
	l.directories = map[string]*directory{}
	l.objects(list, at, func(o *jsonObject, at string) {
		name := l.text(o, "name", at)
		d := &directory{raw: o, objects: map[string]*objectDefinition{}}
		d.source = strings.EqualFold(l.text(o, "id", at), SourceDirectoryID) ||
			slices.ContainsFunc(sourceDirectoryNames, func(s string) bool { return strings.EqualFold(s, name) })
		l.objects(l.list(o, "objects", at), pointer(at, "objects"), func(o *jsonObject, at string) {
			d.objects[l.text(o, "name", at)] = l.readObject(o, at)
		})
		l.directories[name] = d
	})
}

func (l *loader) readObject(o *jsonObject, at string) *objectDefinition {
	d := &objectDefinition{raw: o, byName: map[string]*attributeDefinition{}, byKey: map[string]*attributeDefinition{}}
	m := l.metadata(o, at)
	d.noSoftDelete = strings.EqualFold(m["IsSoftDeletionSupported"], "false")
	if name := m["PropertyNameSoftDeleted"]; name != IsSoftDeleted {
		d.softDeleted = name
	}
	if name := m["PropertyNameAccountEnabled"]; name != "" && name != "accountEnabled" {
		l.ignore(PartIgnored, pointer(at, "metadata"), name, "name the attribute accountEnabled at the source", "PropertyNameAccountEnabled has no effect: sign-in is read from accountEnabled")
	}
	l.objects(l.list(o, "attributes", at), pointer(at, "attributes"), func(o *jsonObject, at string) {
		a := l.readAttribute(o, at)
		d.attributes = append(d.attributes, a)
		d.byName[a.name] = a
		if p, err := ParsePath(a.name); err == nil {
			if d.byKey[p.Key()] == nil {
				d.byKey[p.Key()] = a
			}
		}
	})
	return d
}

func (l *loader) readAttribute(o *jsonObject, at string) *attributeDefinition {
	a := &attributeDefinition{name: l.text(o, "name", at)}
	a.Type = enum(l, o, "type", at, String, String, Integer, Reference, Binary, Boolean, DateTime)
	a.Mutability = enum(l, o, "mutability", at, ReadWrite, ReadWrite, ReadOnly, Immutable, WriteOnly)
	a.MultiValued = l.boolean(o, "multivalued", at, false)
	a.CaseExact = l.boolean(o, "caseExact", at, false)
	a.Required = l.boolean(o, "required", at, false)
	a.Default = l.scalar(o.get("defaultValue"), pointer(at, "defaultValue"))
	a.anchor = l.boolean(o, "anchor", at, false)
	a.flowNull = l.boolean(o, "flowNullValues", at, false)
	if n, err := strconv.Atoi(l.metadata(o, at)["MaximumLength"]); err == nil && n > 0 {
		a.MaxLength = n
	}
	return a
}

// rule is an outbound rule in the order in which rules run.
type rule struct {
	object   *jsonObject
	at       string
	priority int64
	source   *directory
	target   *directory
}

func (l *loader) readRules(s *Schema, list []any, at string) {
	var rules []rule
	unknown := false
	l.objects(list, at, func(o *jsonObject, at string) {
		r, failed := l.readRule(o, at)
		unknown = unknown || failed
		if r != nil {
			rules = append(rules, *r)
		}
	})
	if len(rules) == 0 && !unknown {
		l.fail(NoOutboundRule, at, "", "export the schema of an application that Entra provisions to",
			"no rule leads from the cloud directory to a target, so there is nothing to do")
	}
	slices.SortStableFunc(rules, func(a, b rule) int { return cmp.Compare(a.priority, b.priority) })
	if len(rules) > 0 {
		s.outbound, s.from, s.to = rules[0].object, rules[0].source.raw, rules[0].target.raw
	}
	for _, r := range rules {
		l.objects(l.list(r.object, "objectMappings", r.at), pointer(r.at, "objectMappings"), func(o *jsonObject, at string) {
			l.readObjectMapping(s, r, o, at)
		})
	}
}

// readRule returns nil for a rule that is not run; failed tells that it names an unknown directory.
func (l *loader) readRule(o *jsonObject, at string) (r *rule, failed bool) {
	find := func(member string) *directory {
		name := l.text(o, member, at)
		d := l.directories[name]
		if d == nil {
			failed = true
			l.fail(DirectoryUnknown, pointer(at, member), "", didYouMean(name, names(l.directories)), "no directory of this file is called %q", name)
		}
		return d
	}
	r = &rule{object: o, at: at, source: find("sourceDirectoryName"), target: find("targetDirectoryName")}
	if failed {
		return nil, true
	}
	if !r.source.source {
		l.warn(RuleIgnored, at, "", "nothing needs to be done", "the rule does not start at the cloud directory; imports into it are not run")
		return nil, false
	}
	l.ignoreContainers(o, at)
	var ok bool
	if r.priority, ok = l.integer(o, "priority", at); !ok {
		r.priority = 1 << 62
	}
	return r, false
}

// ignoreContainers notes filters by container and group, which belong to other kinds of sources.
func (l *loader) ignoreContainers(o *jsonObject, at string) {
	for _, f := range [][2]string{{"containerFilter", "includedContainers"}, {"groupFilter", "includedGroups"}} {
		filter, _ := o.get(f[0]).(*jsonObject)
		if list, _ := filter.get(f[1]).([]any); len(list) > 0 {
			l.ignore(PartIgnored, pointer(at, f[0]), "", "use a scoping filter or assignments", "%s has no effect", f[0])
		}
	}
}
