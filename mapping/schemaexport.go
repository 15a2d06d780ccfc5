package mapping

import (
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/mapping/expr"
)

// ExportSchema writes a mapping as a synchronization schema that [LoadSchema] and Entra read. With a
// base, the schema that the mapping was loaded from or replaces, everything that the mapping does not
// change stays as it was, members unknown here included. Without one a complete schema is made;
// target is the name of its target directory.
//
// A schema has no attribute without a type: what the target does not define is written as String.
func ExportSchema(m Mapping, base *Schema, target string) []byte {
	if base == nil {
		base = blankSchema(target)
	}
	c := cloner{}
	document := c.object(base.document)
	x := exporter{rule: c[base.outbound], from: c[base.from], to: c[base.to]}
	move := func(p part) part { return part{c[p.mapping], c[p.source], c[p.target]} }
	x.object(&m.Users, &base.mapping.Users, move(base.users), false)
	x.object(&m.Groups, &base.mapping.Groups, move(base.groups), true)
	return encodeDocument(document)
}

type exporter struct {
	rule     *jsonObject
	from, to *jsonObject // directories
}

func (x *exporter) object(o, was *Object, p part, groups bool) {
	if p.mapping == nil {
		if !o.Enabled {
			return
		}
		p = x.add(groups)
		was = &Object{Enabled: true, Actions: AllActions}
	}
	if o.Enabled != was.Enabled {
		p.mapping.set("enabled", o.Enabled)
	}
	if !o.Enabled {
		return // the rest stays as it was, for the day when it is switched on again
	}
	if o.Actions != was.Actions {
		p.mapping.set("flowTypes", o.Actions.flowTypes())
	}
	if scope := scopeDocument(o.Filter); !sameDocument(scope, scopeDocument(was.Filter)) {
		p.mapping.set("scope", scope)
	}
	if o.NoSoftDelete != was.NoSoftDelete {
		setMetadata(p.target, "IsSoftDeletionSupported", strconv.FormatBool(!o.NoSoftDelete))
	}
	if o.IgnoreUnresolved != was.IgnoreUnresolved {
		behavior := `"Default"`
		if o.IgnoreUnresolved {
			behavior = `"IgnoreLookupReferenceResolutionFailure"`
		}
		setMetadata(p.mapping, "EscrowBehavior", behavior)
	}
	if o.ExcludeFromReporting != was.ExcludeFromReporting {
		setMetadata(p.mapping, "ExcludeFromReporting", strconv.FormatBool(o.ExcludeFromReporting))
	}
	x.attributes(o, was, p)
}

// add makes an object mapping, and the definitions it needs, for a kind that the schema lacks.
func (x *exporter) add(groups bool) part {
	source, target, name := "User", EnterpriseURN, "Users"
	if groups {
		source, target, name = "Group", CoreGroupURN, "Groups"
	}
	from, _ := x.from.get("name").(string)
	p := part{source: definedObject(x.from, source), target: definedObject(x.to, target)}
	p.mapping = newObject().
		set("enabled", true).set("flowTypes", AllActions.flowTypes()).set("name", "Provision "+from+" "+name).
		set("scope", nil).set("sourceObjectName", source).set("targetObjectName", target).
		set("attributeMappings", []any{}).set("metadata", []any{})
	list, _ := x.rule.get("objectMappings").([]any)
	x.rule.set("objectMappings", append(list, p.mapping))
	return p
}

// definedObject finds an object definition of a directory, or makes one.
func definedObject(directory *jsonObject, name string) *jsonObject {
	list, _ := directory.get("objects").([]any)
	for _, e := range list {
		if o, ok := e.(*jsonObject); ok && o.get("name") == name {
			return o
		}
	}
	o := newObject().set("name", name).set("supportedApis", []any{}).set("metadata", []any{}).set("attributes", []any{})
	directory.set("objects", append(list, o))
	return o
}

func (a Actions) flowTypes() string {
	var names []string
	if a.Create {
		names = append(names, "Add")
	}
	if a.Update {
		names = append(names, "Update")
	}
	if a.Delete {
		names = append(names, "Delete")
	}
	return strings.Join(names, ",")
}

func setMetadata(o *jsonObject, key, value string) {
	list, _ := o.get("metadata").([]any)
	for _, e := range list {
		if m, ok := e.(*jsonObject); ok && m.get("key") == key {
			m.set("value", value)
			return
		}
	}
	o.set("metadata", append(list, newObject().set("key", key).set("value", value)))
}

// attributes writes the attribute mappings. One that decides as before keeps its text.
func (x *exporter) attributes(o, was *Object, p part) {
	before := map[string]*Attribute{}
	for i := range was.Attributes {
		before[was.Attributes[i].Target.Key()] = &was.Attributes[i]
	}
	raw := map[string]*jsonObject{}
	list, _ := p.mapping.get("attributeMappings").([]any)
	for _, e := range list {
		m, _ := e.(*jsonObject)
		name, _ := m.get("targetAttributeName").(string)
		if path, err := ParsePath(name); err == nil {
			raw[path.Key()] = m
		}
	}
	out := make([]any, 0, len(o.Attributes))
	for i := range o.Attributes {
		a := &o.Attributes[i]
		key := a.Target.Key()
		m := raw[key]
		if old := before[key]; old == nil || m == nil || old.describe() != a.describe() {
			if m == nil {
				m = newObject()
			}
			writeAttribute(m, a)
		}
		x.define(p, a)
		out = append(out, m)
	}
	p.mapping.set("attributeMappings", out)
}

func writeAttribute(m *jsonObject, a *Attribute) {
	m.set("defaultValue", nil)
	if a.Default != "" {
		m.set("defaultValue", a.Default)
	}
	behavior, flow := flowWhenChanged, a.Flow
	if a.FlowAlways {
		behavior = flowAlways
	}
	if flow == "" {
		flow = FlowAlways
	}
	m.set("exportMissingReferences", a.ExportMissingReferences)
	m.set("flowBehavior", string(behavior))
	m.set("flowType", string(flow))
	m.set("matchingPriority", a.Match)
	m.set("targetAttributeName", a.Target.String())
	if a.FlowNull || m.has("flowNullValues") {
		m.set("flowNullValues", a.FlowNull)
	}
	m.set("source", nil)
	if a.Source != nil {
		m.set("source", tree(a.Source.Root()))
	}
}

// define adds what a mapping names and the definitions lack, and opens the gate of the source
// attributes whose empty values flow.
func (x *exporter) define(p part, a *Attribute) {
	if findPath(p.target, a.Target) == nil {
		appendAttribute(p.target, attributeDocument(a.Target.String(), a.Definition))
	}
	if a.Source == nil {
		return
	}
	for _, name := range a.Source.Attributes() {
		d := findAttribute(p.source, func(n string) bool { return n == name })
		if d == nil {
			d = attributeDocument(name, Definition{Type: String})
			appendAttribute(p.source, d)
		}
		if a.FlowNull {
			d.set("flowNullValues", true)
		}
	}
}

func findPath(object *jsonObject, p Path) *jsonObject {
	return findAttribute(object, func(name string) bool {
		q, err := ParsePath(name)
		return err == nil && q.Same(p)
	})
}

func findAttribute(object *jsonObject, is func(name string) bool) *jsonObject {
	list, _ := object.get("attributes").([]any)
	for _, e := range list {
		o, _ := e.(*jsonObject)
		if name, _ := o.get("name").(string); is(name) {
			return o
		}
	}
	return nil
}

func appendAttribute(object, a *jsonObject) {
	list, _ := object.get("attributes").([]any)
	object.set("attributes", append(list, a))
}

// attributeDocument writes an attribute definition with the members that exports have.
func attributeDocument(name string, d Definition) *jsonObject {
	t, mutability := d.Type, d.Mutability
	if t == "" {
		t = String
	}
	if mutability == "" {
		mutability = ReadWrite
	}
	o := newObject().set("anchor", false).set("caseExact", d.CaseExact).set("defaultValue", nil).
		set("flowNullValues", false).set("multivalued", d.MultiValued).set("mutability", string(mutability)).
		set("name", name).set("required", d.Required).set("type", string(t)).
		set("apiExpressions", []any{}).set("metadata", []any{}).set("referencedObjects", []any{})
	if d.Default != "" {
		o.set("defaultValue", d.Default)
	}
	if d.MaxLength > 0 {
		setMetadata(o, "MaximumLength", strconv.Itoa(d.MaxLength))
	}
	return o
}

// scopeDocument writes a filter; nil for one that lets everybody pass.
func scopeDocument(f Filter) any {
	if f.Empty() {
		return nil
	}
	groups := func(list []FilterGroup) []any {
		out := []any{}
		for _, g := range list {
			clauses := []any{}
			for _, c := range g.Clauses {
				values := []any{}
				for _, v := range c.Values {
					values = append(values, v)
				}
				clauses = append(clauses, newObject().set("operatorName", string(c.Operator)).
					set("sourceOperandName", c.Attribute).set("targetOperand", newObject().set("values", values)))
			}
			out = append(out, newObject().set("name", g.Name).set("clauses", clauses))
		}
		return out
	}
	return newObject().set("groups", groups(f.Groups)).set("inputFilterGroups", groups(f.Input)).
		set("categoryFilterGroups", groups(f.Category))
}

// blankSchema is a schema that maps nothing yet: the cloud directory with the attributes of section
// 7, a target directory, and a rule from one to the other.
func blankSchema(target string) *Schema {
	if target == "" {
		target = "SCIM"
	}
	object := func(name string, soft bool, attributes ...any) *jsonObject {
		o := newObject().set("name", name).set("supportedApis", []any{}).set("metadata", []any{}).set("attributes", attributes)
		setMetadata(o, "IsSoftDeletionSupported", strconv.FormatBool(soft))
		return o
	}
	id := func(name string, m Mutability) *jsonObject {
		return attributeDocument(name, Definition{CaseExact: true, Required: m == ReadOnly, Mutability: m}).set("anchor", true)
	}
	user, group := []any{id("objectId", ReadWrite)}, []any{id("objectId", ReadWrite)}
	for _, name := range userNames[1:] {
		user = append(user, attributeDocument(name, sourceDefinitions[name]))
	}
	for i := range 15 {
		user = append(user, attributeDocument(extensionAttribute+strconv.Itoa(i+1), Definition{}))
	}
	for _, name := range groupNames[1:] {
		group = append(group, attributeDocument(name, sourceDefinitions[name]))
	}
	from := newObject().set("id", SourceDirectoryID).set("name", sourceDirectoryNames[0]).set("readOnly", true).
		set("objects", []any{object("User", true, user...), object("Group", false, group...)})
	to := newObject().set("id", "scim").set("name", target).set("readOnly", false).
		set("objects", []any{object(EnterpriseURN, true, id("id", ReadOnly)), object(CoreGroupURN, true, id("id", ReadOnly))})
	outbound := newObject().set("editable", true).set("id", "outbound").set("name", "USERGROUP_OUTBOUND_USERGROUP").
		set("priority", 1).set("sourceDirectoryName", sourceDirectoryNames[0]).set("targetDirectoryName", target).
		set("metadata", []any{}).set("objectMappings", []any{})
	document := newObject().set("id", "scimsync").set("version", "1").
		set("synchronizationRules", []any{outbound}).set("directories", []any{from, to})
	return &Schema{document: document, root: document, outbound: outbound, from: from, to: to}
}

// sourceDefinitions are the source attributes of section 7 that are no plain texts.
var sourceDefinitions = map[string]Definition{
	"accountEnabled": {Type: Boolean, Required: true}, IsSoftDeleted: {Type: Boolean, Required: true},
	"dirSyncEnabled": {Type: Boolean}, "securityEnabled": {Type: Boolean},
	"employeeHireDate": {Type: DateTime}, "employeeLeaveDateTime": {Type: DateTime},
	AppRoleAssignments: {Type: Reference}, manager: {Type: Reference}, members: {Type: Reference, MultiValued: true},
	"otherMails": {Type: String, MultiValued: true}, "proxyAddresses": {Type: String, MultiValued: true},
	"displayName": {Type: String, Required: true},
}

// SourceTree is the tree form of an expression (10.8) as JSON.
func SourceTree(e *expr.Expr) []byte { return encodeDocument(tree(e.Root())) }
