package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/mapping/expr"
)

// ObjectSpec is an object mapping as the configuration file has it (contract section 3).
type ObjectSpec struct {
	// Enabled is true when left out.
	Enabled *bool `yaml:"enabled" json:"enabled,omitempty"`
	// Actions are create, update and delete; left out means all of them.
	Actions []string `yaml:"actions" json:"actions,omitempty"`
	// Filter lists the scoping filters: of these one must hold.
	Filter []FilterSpec `yaml:"filter" json:"filter,omitempty"`
	// Attributes left out means the default mapping.
	Attributes []AttributeSpec `yaml:"attributes" json:"attributes,omitempty"`
	// Groups says that the mapping is one of groups. It is not part of the file.
	Groups bool `yaml:"-" json:"-"`
}

// AttributeSpec is one attribute mapping in the configuration file.
type AttributeSpec struct {
	Target   string `yaml:"target" json:"target"`
	Source   string `yaml:"source" json:"source,omitempty"`
	Match    int    `yaml:"match" json:"match,omitempty"`
	Default  string `yaml:"default" json:"default,omitempty"`
	Apply    string `yaml:"apply" json:"apply,omitempty"` // always | onCreate
	FlowNull bool   `yaml:"flowNull" json:"flowNull,omitempty"`
}

// FilterSpec is one scoping filter in the configuration file: all its clauses must hold.
type FilterSpec struct {
	Name    string       `yaml:"name" json:"name,omitempty"`
	Clauses []ClauseSpec `yaml:"clauses" json:"clauses"`
}

// ClauseSpec is one clause. Value and Values may both be given; unary operators need none.
type ClauseSpec struct {
	Attribute string   `yaml:"attribute" json:"attribute"`
	Operator  string   `yaml:"operator" json:"operator"`
	Value     string   `yaml:"value" json:"value,omitempty"`
	Values    []string `yaml:"values" json:"values,omitempty"`
}

// Words of the configuration file.
const (
	ApplyAlways   = "always"
	ApplyOnCreate = "onCreate"
	ActionCreate  = "create"
	ActionUpdate  = "update"
	ActionDelete  = "delete"
)

// Problem is a mistake in an ObjectSpec, or with Warning set something that works but is probably
// not meant.
type Problem struct {
	Field   string // the place in the spec, for example attributes[2].source
	Message string // what is wrong and why
	Hint    string // what to do
	Offset  int    // where in the text of the field, in characters; 0 also when the whole field is meant
	Warning bool
}

func (p Problem) String() string {
	s := p.Field + ": " + p.Message
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s
}

// Compile checks an object mapping of the configuration file and makes it ready for evaluation. All
// problems are reported at once; the object is usable unless one of them is no warning.
func Compile(spec ObjectSpec) (Object, []Problem) {
	c := compiler{groups: spec.Groups, object: Object{Enabled: spec.Enabled == nil || *spec.Enabled, Actions: AllActions}}
	c.actions(spec.Actions)
	c.filters(spec.Filter)
	attributes := spec.Attributes
	if len(attributes) == 0 {
		attributes = defaultAttributes(spec.Groups)
	}
	for i, a := range attributes {
		c.attribute(i, a)
	}
	c.matching(attributes)
	c.object.prepare()
	return c.object, c.problems
}

type compiler struct {
	groups   bool
	object   Object
	problems []Problem
}

func (c *compiler) fail(field, hint, format string, args ...any) {
	c.problems = append(c.problems, Problem{Field: field, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (c *compiler) warn(field, hint, format string, args ...any) {
	c.problems = append(c.problems, Problem{Field: field, Message: fmt.Sprintf(format, args...), Hint: hint, Warning: true})
}

func (c *compiler) actions(names []string) {
	if names == nil {
		return
	}
	c.object.Actions = Actions{}
	for i, name := range names {
		switch name {
		case ActionCreate:
			c.object.Actions.Create = true
		case ActionUpdate:
			c.object.Actions.Update = true
		case ActionDelete:
			c.object.Actions.Delete = true
		default:
			c.fail(fmt.Sprintf("actions[%d]", i), didYouMean(name, []string{ActionCreate, ActionUpdate, ActionDelete}), "unknown action %q", name)
		}
	}
}

func (c *compiler) filters(specs []FilterSpec) {
	for i, f := range specs {
		g := FilterGroup{Name: f.Name}
		if len(f.Clauses) == 0 {
			c.warn(fmt.Sprintf("filter[%d].clauses", i), "add a clause, or remove the filter", "a filter without clauses lets everybody pass")
		}
		for j, s := range f.Clauses {
			at := fmt.Sprintf("filter[%d].clauses[%d]", i, j)
			values := s.Values
			if s.Value != "" {
				values = append([]string{s.Value}, values...)
			}
			clause, err := NewClause(s.Attribute, s.Operator, values)
			if e, ok := errors.AsType[*ClauseError](err); ok {
				field := at + "." + e.Part
				if e.Part == "values" && len(s.Values) == 0 {
					field = at + ".value"
				}
				c.fail(field, e.Remedy, "%s", e.Problem)
				continue
			}
			c.attributeName(at+".attribute", s.Attribute)
			if s.Attribute == AppRoleAssignments || s.Attribute == manager || s.Attribute == members {
				c.warn(at+".attribute", "filter on another attribute, or assign the application to a group", "%s cannot be filtered in Entra, and is compared here by its text form, which it may not have", s.Attribute)
			}
			g.Clauses = append(g.Clauses, clause)
		}
		c.object.Filter.Groups = append(c.object.Filter.Groups, g)
	}
}

func (c *compiler) attribute(i int, s AttributeSpec) {
	at := func(field string) string { return "attributes[" + strconv.Itoa(i) + "]." + field }
	a := Attribute{Match: s.Match, Default: s.Default, Flow: FlowAlways, FlowNull: s.FlowNull}
	target := c.target(at("target"), s.Target, &a)
	source := c.source(at("source"), s, &a)
	switch s.Apply {
	case "", ApplyAlways:
	case ApplyOnCreate:
		a.Flow = FlowOnCreate
	default:
		c.fail(at("apply"), didYouMean(s.Apply, []string{ApplyAlways, ApplyOnCreate}), "unknown value %q", s.Apply)
	}
	if s.Match < 0 {
		c.fail(at("match"), "leave it out, or number the matching attributes 1, 2, …", "a matching priority cannot be negative")
	}
	if target && source {
		a.facts = factsOf(&a)
		c.together(at, s, &a)
	}
	if target {
		c.object.Attributes = append(c.object.Attributes, a)
	}
}

func (c *compiler) target(field, text string, a *Attribute) bool {
	if text == "" {
		c.fail(field, pathExample, "it is missing")
		return false
	}
	p, err := ParsePath(text)
	if err != nil {
		e, _ := errors.AsType[*PathError](err)
		c.problems = append(c.problems, Problem{Field: field, Message: e.Problem, Hint: e.Remedy, Offset: e.character()})
		return false
	}
	a.Target, a.Definition = p, DefinitionOf(p)
	if c.groups && p.Key() == "displayname" {
		a.Definition.Required = true
	}
	if a.Definition.Mutability == ReadOnly {
		c.fail(field, "remove the mapping", "the target sets %s itself", p)
		return false
	}
	c.targetName(field, p)
	for j := range c.object.Attributes {
		if c.object.Attributes[j].Target.Same(p) {
			c.fail(field, "remove one of the two", "%s is mapped already", p)
			return false
		}
	}
	return true
}

// targetName warns about names that are probably misspelt. Targets may have attributes of their own,
// so it is no error.
func (c *compiler) targetName(field string, p Path) {
	_, known := spell(p.URN, p.Attribute)
	switch {
	case !known && p.URN == EnterpriseURN:
		c.warn(field, didYouMean(p.Attribute, slices.Sorted(maps.Values(enterpriseNames))), "the enterprise extension has no attribute %q", p.Attribute)
	case !known && p.URN == "":
		if near := nearest(p.Attribute, slices.Sorted(maps.Values(coreNames))); near != "" {
			c.warn(field, "did you mean "+near+"?", "SCIM has no attribute %q", p.Attribute)
		}
	case known && p.Sub != "" && subNames[strings.ToLower(p.Sub)] == "":
		if near := nearest(p.Sub, slices.Sorted(maps.Values(subNames))); near != "" {
			c.warn(field, "did you mean "+near+"?", "%s has no sub-attribute %q", p.Attribute, p.Sub)
		}
	}
}

func (c *compiler) source(field string, s AttributeSpec, a *Attribute) bool {
	if s.Source == "" {
		if s.Default == "" {
			c.fail(field, `write [attribute], "constant" or a function call, or give a default`, "it is missing, so the mapping would do nothing")
		}
		return s.Default != ""
	}
	e, err := expr.Parse(s.Source)
	if err != nil {
		p := Problem{Field: field, Message: err.Error()}
		if x, ok := errors.AsType[*expr.Error](err); ok {
			p.Message, p.Hint, p.Offset = x.Message, x.Hint, max(x.Offset, 0)
		}
		c.problems = append(c.problems, p)
		return false
	}
	a.Source = e
	for _, name := range e.Attributes() {
		c.attributeName(field, name)
	}
	return true
}

// together checks what concerns source, target and the switches of a mapping at once.
func (c *compiler) together(at func(string) string, s AttributeSpec, a *Attribute) {
	if s.Default != "" {
		if _, err := Convert(a.Definition, s.Default); err != nil {
			e, _ := errors.AsType[*Error](err)
			c.fail(at("default"), e.Hint, "it does not fit the target %s: %s", a.Target, e.Message)
		}
	}
	if s.FlowNull {
		c.flowNull(at("flowNull"), a)
	}
	if a.Source == nil {
		if a.Match > 0 {
			c.fail(at("match"), "give the mapping a source", "a mapping without source has no value to match by")
		}
		return
	}
	f := a.facts
	if f.isConstant {
		if _, err := Convert(a.Definition, f.constant); err != nil {
			e, _ := errors.AsType[*Error](err)
			c.fail(at("source"), e.Hint, "the constant does not fit the target %s: %s", a.Target, e.Message)
		}
	}
	switch {
	case a.Target.Key() == members && !f.reference:
		c.fail(at("source"), "write [members]", "members of a group can only be mapped directly")
	case f.isDirect && f.direct == AppRoleAssignments:
		c.warn(at("source"), "write AppRoleAssignmentsComplex([appRoleAssignments]) or SingleAppRoleAssignment([appRoleAssignments])", "assignments of app roles have to be transformed")
	case f.isDirect && (f.direct == manager || f.direct == members) && !f.reference:
		c.warn(at("source"), "map it to an attribute that takes a reference", "%s refers to other objects, and %s holds a plain value", f.direct, a.Target)
	}
	if a.Source.SelectsUnique() {
		if a.Match > 0 {
			c.fail(at("match"), "match by another attribute", "SelectUniqueValue cannot be used on a matching attribute, because it never yields a value that the target has")
		}
		if a.Flow != FlowOnCreate {
			c.fail(at("apply"), "write apply: onCreate", "SelectUniqueValue may only act on create; at the next update the value itself would be taken")
		}
	}
	if a.Source.Random() && a.Flow != FlowOnCreate {
		c.warn(at("apply"), "write apply: onCreate", "the value is another one in every cycle, so every object would be changed each time")
	}
	if a.Match > 0 && f.reference {
		c.fail(at("match"), "match by userName, externalId or another plain attribute", "a reference cannot be matched by")
	}
}

func (c *compiler) flowNull(field string, a *Attribute) {
	switch {
	case a.Match > 0:
		c.fail(field, "remove flowNull", "a matching attribute is never cleared")
	case a.Definition.Required || a.Target.Key() == "active":
		c.fail(field, "remove flowNull", "%s is never cleared", a.Target)
	case a.Definition.MultiValued:
		c.warn(field, "remove flowNull", "a multi-valued attribute cannot be cleared this way")
	}
}

// matching checks the priorities as a whole.
func (c *compiler) matching(specs []AttributeSpec) {
	seen := map[int]bool{}
	any := false
	for i, s := range specs {
		if s.Match <= 0 {
			continue
		}
		if any = true; seen[s.Match] {
			c.warn(fmt.Sprintf("attributes[%d].match", i), "give each its own number", "the matching priority %d is used twice; the first in the file goes first", s.Match)
		}
		seen[s.Match] = true
	}
	if a := c.object.Actions; !any && c.object.Enabled && (a.Create || a.Update) {
		attribute := "userName"
		if c.groups {
			attribute = "displayName"
		}
		c.fail("attributes", "add match: 1 to the attribute that identifies an object, for example "+attribute, "no attribute is matched by, so existing objects of the target could not be found and would be created twice")
	}
}

// userNames and groupNames are the source attributes of section 7 besides the extensionAttributes.
var (
	userNames = []string{
		"objectId", "accountEnabled", IsSoftDeleted, AppRoleAssignments, "city", "companyName", "country", "department",
		"dirSyncEnabled", "displayName", "employeeHireDate", "employeeId", "employeeLeaveDateTime", "employeeOrgData.costCenter",
		"employeeOrgData.division", "employeeType", "facsimileTelephoneNumber", "givenName", "jobTitle", "mail", "mailNickname",
		manager, "mobile", "onPremisesSecurityIdentifier", originalUserPrincipalName, "otherMails", password,
		"physicalDeliveryOfficeName", "postalCode", "preferredLanguage", "proxyAddresses", "state", "streetAddress", "surname",
		"telephoneNumber", "usageLocation", userPrincipalName,
	}
	groupNames = []string{"objectId", "displayName", "description", "mail", "mailNickname", members, "securityEnabled"}
	// graphSpellings are what Microsoft Graph calls them, or offers besides.
	graphSpellings = []string{
		"id", "mobilePhone", businessPhones, "faxNumber", "officeLocation", "userType", "createdDateTime", "onPremisesSyncEnabled",
		"onPremisesSamAccountName", "onPremisesImmutableId", "onPremisesDomainName", "onPremisesDistinguishedName",
		"onPremisesUserPrincipalName", "employeeOrgData", "identities", "imAddresses", "creationType", "externalUserState",
	}
)

// sourceNames are all of them, for finding misspelt ones.
var sourceNames = slices.Concat(userNames, groupNames, graphSpellings)

// attributeName warns about a name that differs from a known one in letter case or by a slip of the
// pen. Any name may exist at some source, so it is no error.
func (c *compiler) attributeName(field, name string) {
	if isExtensionAttribute(name) || strings.HasPrefix(name, "extension_") {
		return
	}
	if name == password {
		c.warn(field, "remove the mapping", "passwords are never read; the value is always empty")
		return
	}
	best := ""
	for _, known := range sourceNames {
		if known == name {
			return
		}
		switch {
		case strings.EqualFold(known, name):
			best = known
		case best == "" && len(name) > 4 && distance(strings.ToLower(known), strings.ToLower(name)) == 1:
			best = known
		}
	}
	if best != "" {
		c.warn(field, "did you mean "+best+"?", "the attribute %q is not one that directories have, and names are case-sensitive", name)
	}
}

// character is the offset of a path error in characters.
func (e *PathError) character() int {
	return len([]rune(e.Path[:min(e.Offset, len(e.Path))]))
}

// must compiles a spec that is written in the program.
func must(spec ObjectSpec) Object {
	o, problems := Compile(spec)
	if len(problems) > 0 {
		panic("built-in mapping: " + cmp.Or(problems[0].String(), "?"))
	}
	return o
}
