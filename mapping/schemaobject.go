package mapping

import (
	"errors"
	"strings"

	"github.com/scimsync/scimsync/mapping/expr"
)

// objectMapping is the work on one object mapping of a schema.
type objectMapping struct {
	*loader
	at         string
	source     *objectDefinition
	target     *objectDefinition
	object     Object
	targets    map[string]bool // keys of the paths mapped so far
	priorities map[int64]bool
	matching   bool
}

func (l *loader) readObjectMapping(s *Schema, r rule, o *jsonObject, at string) {
	sourceName := l.text(o, "sourceObjectName", at)
	if !l.boolean(o, "enabled", at, true) || sourceName == "" {
		return
	}
	m := l.metadata(o, at)
	if strings.EqualFold(m["Disposition"], "Discard") || strings.EqualFold(m["Unsynchronized"], "true") {
		return
	}
	targetName := l.text(o, "targetObjectName", at)
	om := objectMapping{loader: l, at: at, source: r.source.objects[sourceName], target: r.target.objects[targetName],
		targets: map[string]bool{}, priorities: map[int64]bool{}}
	if om.source == nil {
		l.fail(ObjectUnknown, pointer(at, "sourceObjectName"), "", didYouMean(sourceName, names(r.source.objects)), "the source directory defines no object %q", sourceName)
	}
	if om.target == nil {
		l.fail(ObjectUnknown, pointer(at, "targetObjectName"), "", didYouMean(targetName, names(r.target.objects)), "the target directory defines no object %q", targetName)
	}
	if om.source == nil || om.target == nil {
		return
	}
	om.read(o)
	om.object.prepare()
	s.take(l, part{o, om.source.raw, om.target.raw}, at, sourceName, targetName, om.object)
}

// take keeps the first object mapping of users and of groups.
func (s *Schema) take(l *loader, p part, at, sourceName, targetName string, object Object) {
	var where *part
	var to *Object
	switch {
	case strings.EqualFold(sourceName, "User") && strings.HasSuffix(strings.ToLower(targetName), "user"):
		where, to = &s.users, &s.mapping.Users
	case strings.EqualFold(sourceName, "Group") && strings.HasSuffix(strings.ToLower(targetName), "group"):
		where, to = &s.groups, &s.mapping.Groups
	default:
		l.ignore(ObjectIgnored, at, sourceName, "disable it to silence this warning", "only users and groups are provisioned; %s to %s is not run", sourceName, targetName)
		return
	}
	if where.mapping != nil {
		l.ignore(ObjectIgnored, at, sourceName, "combine the two, or use one job for each", "an earlier mapping of %s objects is run, this one is not", sourceName)
		return
	}
	*where, *to = p, object
}

func (m *objectMapping) read(o *jsonObject) {
	metadata := m.metadata(o, m.at)
	m.object = Object{
		Enabled:              true,
		Actions:              m.flowTypes(o),
		NoSoftDelete:         m.target.noSoftDelete,
		IgnoreUnresolved:     metadata["EscrowBehavior"] == "IgnoreLookupReferenceResolutionFailure",
		ExcludeFromReporting: strings.EqualFold(metadata["ExcludeFromReporting"], "true"),
	}
	scope := pointer(m.at, "scope")
	if f := m.loader.object(o, "scope", m.at); f != nil {
		m.object.Filter = Filter{
			Groups:   m.groups(f, "groups", scope),
			Input:    m.groups(f, "inputFilterGroups", scope),
			Category: m.groups(f, "categoryFilterGroups", scope),
		}
	}
	list := pointer(m.at, "attributeMappings")
	m.objects(m.list(o, "attributeMappings", m.at), list, m.attribute)
	if a := m.object.Actions; !m.matching && (a.Create || a.Update) {
		m.fail(MatchingNone, list, "", "give the attribute that identifies an object the matchingPriority 1", "no attribute is matched by, so existing objects of the target could not be found and would be created twice")
	}
	for _, d := range m.target.attributes {
		p, err := ParsePath(d.name)
		if d.Required && !d.anchor && d.Default == "" && err == nil && !m.targets[p.Key()] {
			m.warn(RequiredUnmapped, list, d.name, "map it, or give its definition a default", "the target requires %s, and nothing maps it", d.name)
		}
	}
}

// flowTypes are the target object actions (4.3).
func (m *objectMapping) flowTypes(o *jsonObject) Actions {
	text := m.text(o, "flowTypes", m.at)
	if strings.TrimSpace(text) == "" {
		return AllActions
	}
	var a Actions
	wrong := ""
	for part := range strings.SplitSeq(text, ",") {
		switch strings.ToLower(strings.TrimSpace(part)) {
		case "add":
			a.Create = true
		case "update":
			a.Update = true
		case "delete":
			a.Delete = true
		default:
			wrong = part
		}
	}
	if wrong != "" {
		m.fail(EnumValue, pointer(m.at, "flowTypes"), "", didYouMean(strings.TrimSpace(wrong), []string{"Add", "Update", "Delete"}), "%q is no value of flowTypes", strings.TrimSpace(wrong))
	}
	return a
}

func (m *objectMapping) attribute(o *jsonObject, at string) {
	a := Attribute{
		Flow:                    enum(m.loader, o, "flowType", at, FlowAlways, FlowAlways, FlowOnCreate, FlowMultiValueAdd, FlowValueAdd, FlowAttributeEmpty),
		FlowAlways:              enum(m.loader, o, "flowBehavior", at, flowWhenChanged, flowWhenChanged, flowAlways) == flowAlways,
		ExportMissingReferences: m.boolean(o, "exportMissingReferences", at, false),
	}
	name := m.text(o, "targetAttributeName", at)
	if name == "" {
		m.fail(TargetMissing, pointer(at, "targetAttributeName"), "", "name the target attribute, or remove the mapping", "the mapping has no target attribute")
		return
	}
	definition := m.targetOf(&a, name, at)
	m.defaultOf(&a, definition, o, at)
	m.sourceOf(&a, o, at)
	m.matchOf(&a, o, at)
	m.nullOf(&a, definition, o, at)
	if !a.Target.IsZero() {
		m.object.Attributes = append(m.object.Attributes, a)
	}
}

// flowBehavior as the schema writes it (4.2).
type flowBehavior string

const (
	flowWhenChanged flowBehavior = "FlowWhenChanged"
	flowAlways      flowBehavior = "FlowAlways"
)

// targetOf reads the path and finds its definition, nil if there is none.
func (m *objectMapping) targetOf(a *Attribute, name, at string) *attributeDefinition {
	at = pointer(at, "targetAttributeName")
	p, err := ParsePath(name)
	if err != nil {
		e, _ := errors.AsType[*PathError](err)
		m.fail(TargetSyntax, at, "", e.Remedy, "%q is not a path: %s", name, e.Problem)
		return nil
	}
	a.Target = p
	if m.targets[p.Key()] {
		m.fail(TargetDuplicate, at, "", "remove one of the two", "%s is mapped already", p)
	}
	m.targets[p.Key()] = true
	d := m.target.byKey[p.Key()]
	switch {
	case d == nil:
		m.fail(TargetUnknown, at, "", didYouMean(name, attributeNames(m.target)), "the target object does not define %s", p)
		return nil
	case d.anchor:
		m.fail(TargetAnchor, at, "", "remove the mapping", "%s is the identifier that the target gives an object", p)
	case d.Mutability == ReadOnly:
		m.fail(TargetReadOnly, at, "", "remove the mapping", "the target sets %s itself", p)
	}
	a.Definition = d.Definition
	return d
}

func attributeNames(o *objectDefinition) []string {
	var out []string
	for _, d := range o.attributes {
		out = append(out, d.name)
	}
	return out
}

func (m *objectMapping) defaultOf(a *Attribute, d *attributeDefinition, o *jsonObject, at string) {
	at = pointer(at, "defaultValue")
	a.Default = m.scalar(o.get("defaultValue"), at)
	if d == nil || a.Default == "" {
		return
	}
	if _, err := Convert(d.Definition, a.Default); err != nil {
		e, _ := errors.AsType[*Error](err)
		m.fail(DefaultType, at, "", e.Hint, "the default does not fit %s: %s", a.Target, e.Message)
	}
}

func (m *objectMapping) matchOf(a *Attribute, o *jsonObject, at string) {
	n, _ := m.integer(o, "matchingPriority", at)
	if n <= 0 {
		return
	}
	m.matching = true
	a.Match = int(min(n, 1<<30))
	at = pointer(at, "matchingPriority")
	if m.priorities[n] {
		m.warn(MatchingDuplicate, at, "", "give each matching attribute its own number", "the matching priority %d is used twice; the first in the file goes first", n)
	}
	m.priorities[n] = true
	if a.Source != nil && a.Source.SelectsUnique() {
		m.fail(MatchingUnique, at, "", "match by another attribute", "SelectUniqueValue never yields a value that the target has, so it cannot be matched by")
	}
}

// nullOf combines the two gates of 3.3.
func (m *objectMapping) nullOf(a *Attribute, d *attributeDefinition, o *jsonObject, at string) {
	if !m.boolean(o, "flowNullValues", at, false) {
		return
	}
	if d != nil && d.MultiValued {
		m.warn(NullflowMultivalued, pointer(at, "flowNullValues"), "", "set flowNullValues to false", "a multi-valued attribute cannot be cleared this way")
	}
	a.FlowNull = a.Source != nil
	if a.Source == nil {
		return
	}
	for _, name := range a.Source.Attributes() {
		source := m.source.byName[name]
		a.FlowNull = a.FlowNull && source != nil && source.flowNull
	}
}

// sourceOf reads the source and checks what depends on it.
func (m *objectMapping) sourceOf(a *Attribute, o *jsonObject, at string) {
	src := m.loader.object(o, "source", at)
	if src == nil {
		return
	}
	sourceAt := pointer(at, "source")
	kind, valid := m.sourceType(src, sourceAt)
	a.Source = m.expression(src, kind, valid, sourceAt)
	if a.Source == nil {
		return
	}
	for _, name := range a.Source.Attributes() {
		if m.source.byName[name] == nil {
			m.warn(SourceUnknown, pointer(sourceAt, "expression"), name, didYouMean(name, attributeNames(m.source)), "the source object does not define %q; it will always be empty", name)
		}
	}
	if name, direct := a.Source.Direct(); direct && name == AppRoleAssignments {
		m.warn(RoleDirect, sourceAt, "", "use AppRoleAssignmentsComplex or SingleAppRoleAssignment", "assignments of app roles have to be transformed")
	}
	if a.Source.SelectsUnique() && a.Flow != FlowOnCreate {
		m.fail(UniqueNotAddOnly, pointer(at, "flowType"), "", "set flowType to ObjectAddOnly", "SelectUniqueValue may only act on create; at the next update the value itself would be taken")
	}
	if a.Source.Random() && a.Flow != FlowOnCreate {
		m.warn(RandomAlways, pointer(at, "flowType"), "", "set flowType to ObjectAddOnly", "the value is another one in every cycle, so every object would be changed each time")
	}
	a.Source = m.renamed(a.Source)
}

// renamed replaces the attribute that stands for IsSoftDeleted (10.3) by that name.
func (m *objectMapping) renamed(e *expr.Expr) *expr.Expr {
	if m.source.softDeleted == "" {
		return e
	}
	out, err := expr.Parse(rename(e.Root(), m.source.softDeleted, IsSoftDeleted))
	if err != nil {
		return e
	}
	return out
}

// groups reads one of the three lists of a scope.
func (m *objectMapping) groups(scope *jsonObject, member, at string) []FilterGroup {
	var out []FilterGroup
	m.objects(m.list(scope, member, at), pointer(at, member), func(o *jsonObject, at string) {
		g := FilterGroup{Name: m.text(o, "name", at)}
		m.objects(m.list(o, "clauses", at), pointer(at, "clauses"), func(o *jsonObject, at string) {
			g.Clauses = append(g.Clauses, m.clause(o, at))
		})
		out = append(out, g)
	})
	return out
}

func (m *objectMapping) clause(o *jsonObject, at string) FilterClause {
	name, operator := m.text(o, "sourceOperandName", at), m.text(o, "operatorName", at)
	var values []string
	if operand := m.loader.object(o, "targetOperand", at); operand != nil {
		for i, v := range m.list(operand, "values", pointer(at, "targetOperand")) {
			values = append(values, m.scalar(v, pointer(pointer(at, "targetOperand/values"), i)))
		}
	}
	op, ok := ParseOperator(operator)
	if !ok {
		e, _ := errors.AsType[*ClauseError](unknownOperator(operator))
		m.fail(FilterOperator, pointer(at, "operatorName"), "", e.Remedy, "%s", e.Problem)
		return FilterClause{}
	}
	d := m.source.byName[name]
	if d == nil {
		m.warn(SourceUnknown, pointer(at, "sourceOperandName"), name, didYouMean(name, attributeNames(m.source)), "the source object does not define %q; it counts as empty", name)
		if c, err := NewClause(name, operator, values); err == nil {
			return c
		}
		// Whatever else is wrong with the clause, it never holds.
		return FilterClause{Attribute: name, Operator: op, Values: values, broken: op != IsNull}
	}
	if filterUnsupported(d) {
		m.warn(FilterUnsupportedAttribute, pointer(at, "sourceOperandName"), name, "filter on another attribute", "%s cannot be filtered in Entra; here its text form is compared", name)
	} else if d.MultiValued {
		m.warn(FilterMultivalued, pointer(at, "sourceOperandName"), name, "filter on another attribute", "%s has several values; all of them have to satisfy the clause", name)
	}
	c, err := NewClause(name, operator, values)
	if e, failed := errors.AsType[*ClauseError](err); failed {
		code := FilterOperand
		if e.Pattern {
			code = FilterRegex
		}
		m.fail(code, pointer(at, "targetOperand"), "", e.Remedy, "%s", e.Problem)
		return FilterClause{}
	}
	if name == m.source.softDeleted {
		c.Attribute = IsSoftDeleted
	}
	return c
}

// filterUnsupported lists what the vendor cannot filter (9.1).
func filterUnsupported(d *attributeDefinition) bool {
	switch d.name {
	case AppRoleAssignments, "userType", manager, members:
		return true
	}
	return d.Type == Reference || d.Type == DateTime
}
