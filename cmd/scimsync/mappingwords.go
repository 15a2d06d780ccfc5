package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/mapping"
	"github.com/scimsync/scimsync/mapping/expr"
)

// sourceText is the expression of a mapping, "" if it has none.
func sourceText(a mapping.Attribute) string {
	if a.Source == nil {
		return ""
	}
	return a.Source.String()
}

// notSoftDeleted is how applications usually are given the inverse of IsSoftDeleted.
const notSoftDeleted = `Switch([IsSoftDeleted], , "False", "True", "True", "False")`

// sourceWords says in words what a mapping writes, if that is shorter than the expression.
func sourceWords(a mapping.Attribute) string {
	if a.Source == nil {
		return "(the default only)"
	}
	text := a.Source.String()
	if text == notSoftDeleted {
		return "not IsSoftDeleted"
	}
	n := a.Source.Root()
	if s, ok := simpleWords(n); ok {
		return s
	}
	var args []string
	for _, arg := range n.Args() {
		s, ok := simpleWords(arg)
		if !ok {
			return text
		}
		args = append(args, s)
	}
	if n.Kind() != expr.NodeFunction {
		return text
	}
	switch name := n.Name(); {
	case name == "Not" && len(args) == 1:
		return "not " + args[0]
	case name == "ToLower" && len(args) == 1:
		return args[0] + " in lower case"
	case name == "ToUpper" && len(args) == 1:
		return args[0] + " in upper case"
	case name == "Coalesce" && len(args) > 1:
		return strings.Join(args, ", else ")
	case name == "Join" && len(args) > 2:
		return enumerate(args[1:], "and") + " joined by " + args[0]
	}
	return text
}

// simpleWords gives the words of an attribute or a constant.
func simpleWords(n expr.Node) (string, bool) {
	switch n.Kind() {
	case expr.NodeAttribute:
		return n.Name(), true
	case expr.NodeConstant:
		return n.Text(), true
	}
	return "", false
}

func applyOf(a mapping.Attribute) string {
	if a.Flow == mapping.FlowOnCreate {
		return mapping.ApplyOnCreate
	}
	return mapping.ApplyAlways
}

// flowsUsually is when a mapping changes what the target has unless it says otherwise.
const flowsUsually = "when it differs"

// flowWords says when and how a mapping changes what the target has.
func flowWords(a mapping.Attribute) string {
	if a.Flow == mapping.FlowOnCreate {
		return "-"
	}
	words := []string{flowsUsually}
	if a.FlowAlways {
		words[0] = "with every update"
	}
	switch a.Flow {
	case mapping.FlowMultiValueAdd:
		words = append(words, "only adds elements")
	case mapping.FlowValueAdd:
		words = append(words, "removes no elements")
	case mapping.FlowAttributeEmpty:
		words = append(words, "only where the target has no value")
	}
	if a.FlowNull {
		words = append(words, "an empty source clears it")
	}
	if a.ExportMissingReferences {
		words = append(words, "unknown objects by their source id")
	}
	return strings.Join(words, "; ")
}

func actionNames(a mapping.Actions) []string {
	out := []string{}
	if a.Create {
		out = append(out, mapping.ActionCreate)
	}
	if a.Update {
		out = append(out, mapping.ActionUpdate)
	}
	if a.Delete {
		out = append(out, mapping.ActionDelete)
	}
	return out
}

// enumerate writes a, b and c.
func enumerate(words []string, and string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + and + " " + words[last]
}

// scopeWords says who is in scope, and what else is special about a kind of objects.
func scopeWords(scope, kind string, o *mapping.Object) []string {
	who := "assigned " + kind
	if scope == "all" {
		who = "all " + kind
	}
	var lines []string
	list := func(what string, filters []mapping.FilterGroup) {
		if len(filters) == 0 {
			return
		}
		lines = append(lines, what)
		for i, g := range filters {
			line := "  "
			if i > 0 {
				line = "  or "
			}
			if g.Name != "" {
				line += "(" + g.Name + ") "
			}
			lines = append(lines, line+filterWords(g))
		}
	}
	if len(o.Filter.Groups) == 0 {
		lines = append(lines, "In scope: "+who)
	}
	list("In scope: "+who+" whose", o.Filter.Groups)
	list("Left alone, neither provisioned nor deprovisioned, unless", o.Filter.Input)
	list("Left alone, neither provisioned nor deprovisioned, unless", o.Filter.Category)
	return append(lines, special(o)...)
}

// special says what else is unusual about an object mapping.
func special(o *mapping.Object) []string {
	var lines []string
	if o.NoSoftDelete {
		lines = append(lines, "The target has no inactive objects: who leaves is deleted")
	}
	if o.IgnoreUnresolved {
		lines = append(lines, "References that cannot be resolved are no failures")
	}
	if o.ExcludeFromReporting {
		lines = append(lines, "The objects are left out of the counts")
	}
	return lines
}

// filterWords says who passes one filter.
func filterWords(g mapping.FilterGroup) string {
	if len(g.Clauses) == 0 {
		return "anything is (the filter has no clauses)"
	}
	words := make([]string, len(g.Clauses))
	for i, c := range g.Clauses {
		words[i] = clauseWords(c)
	}
	return strings.Join(words, " and ")
}

func clauseWords(c mapping.FilterClause) string {
	values := make([]string, len(c.Values))
	for i, v := range c.Values {
		values[i] = expr.Quote(v) // which leaves the backslashes of patterns alone
	}
	any, none := strings.Join(values, " or "), strings.Join(values, " nor ")
	switch c.Operator {
	case mapping.Equals:
		return c.Attribute + " is " + any
	case mapping.NotEquals:
		if len(values) > 1 {
			return c.Attribute + " is neither " + none
		}
		return c.Attribute + " is not " + none
	case mapping.IsTrue:
		return c.Attribute + " is true"
	case mapping.IsFalse:
		return c.Attribute + " is false"
	case mapping.IsNull:
		return c.Attribute + " is empty"
	case mapping.IsNotNull:
		return c.Attribute + " is not empty"
	case mapping.RegexMatch:
		return c.Attribute + " matches " + any
	case mapping.NotRegexMatch:
		return c.Attribute + " does not match " + any
	case mapping.GreaterThan:
		return c.Attribute + " is greater than " + any
	case mapping.GreaterThanOrEquals:
		return c.Attribute + " is at least " + any
	case mapping.Includes:
		return c.Attribute + " contains " + any
	case mapping.EndsWith:
		return c.Attribute + " ends with " + any
	case mapping.Within:
		return c.Attribute + " is a part of " + any
	case mapping.NotWithin:
		return c.Attribute + " is no part of " + any
	}
	return c.Attribute + " " + string(c.Operator) + " " + any
}

// line is one thing that a mapping says. Key names what it is about; lines of equal keys in two
// descriptions are about the same thing.
type line struct {
	Key  string `json:"key"`
	Text string `json:"text"`
}

// describeMapping lists everything that decides, a line for each kind of objects, mapping and filter.
// Two descriptions have no [differences] exactly if the fingerprints of the mappings are equal, so a
// stored description tells how a mapping differs from the one that ran last. Titles of filters do
// not count.
func describeMapping(m mapping.Mapping) []line {
	return append(describeObject(kindUsers, &m.Users), describeObject(kindGroups, &m.Groups)...)
}

func describeObject(kind string, o *mapping.Object) []line {
	state := "not provisioned"
	if o.Enabled {
		state = "provisioned"
	}
	state += ", actions " + cmp.Or(enumerate(actionNames(o.Actions), "and"), "none")
	lines := []line{{kind, strings.Join(append([]string{state}, special(o)...), ". ")}}
	for _, list := range []struct {
		name   string
		groups []mapping.FilterGroup
	}{{"filter", o.Filter.Groups}, {"input filter", o.Filter.Input}, {"category filter", o.Filter.Category}} {
		for i, g := range list.groups {
			lines = append(lines, line{fmt.Sprintf("%s, %s %d", kind, list.name, i+1), filterWords(g)})
		}
	}
	for _, a := range o.Attributes {
		lines = append(lines, line{kind + ", " + a.Target.String(), attributeWords(a)})
	}
	return lines
}

// attributeWords has the expression as it is, because words may be the same for two of them.
func attributeWords(a mapping.Attribute) string {
	words := []string{cmp.Or(sourceText(a), "no source")}
	if a.Match > 0 {
		words = append(words, "matching "+strconv.Itoa(a.Match))
	}
	if a.Default != "" {
		words = append(words, "default "+strconv.Quote(a.Default))
	}
	if a.Flow == mapping.FlowOnCreate {
		words = append(words, "on create only")
		// Switches that act on update only count for the fingerprint all the same.
		a.Flow = ""
	}
	if flow := flowWords(a); flow != flowsUsually {
		words = append(words, strings.TrimPrefix(flow, flowsUsually+"; "))
	}
	return strings.Join(words, "; ") + " (" + definitionWords(a.Definition) + ")"
}

func definitionWords(d mapping.Definition) string {
	words := []string{cmp.Or(string(d.Type), "any type")}
	if d.MultiValued {
		words = append(words, "multi-valued")
	}
	if !d.CaseExact {
		words = append(words, "ignoring case")
	}
	if d.Required {
		words = append(words, "required")
	}
	if d.Default != "" {
		words = append(words, "by default "+strconv.Quote(d.Default))
	}
	if d.Mutability != mapping.ReadWrite {
		words = append(words, cmp.Or(string(d.Mutability), "of unknown mutability"))
	}
	if d.MaxLength > 0 {
		words = append(words, "at most "+quantity(d.MaxLength, "character"))
	}
	return strings.Join(words, ", ")
}

// difference is one thing in which two mappings differ. Was is "" for what is new and Is for what is
// gone.
type difference struct {
	Key string `json:"key"`
	Was string `json:"was,omitempty"`
	Is  string `json:"is,omitempty"`
}

// differences compares two descriptions of [describeMapping], in the order of the new one; what is
// gone comes last.
func differences(was, is []line) []difference {
	before := map[string]string{}
	for _, l := range was {
		before[l.Key] = l.Text
	}
	out := []difference{}
	now := map[string]bool{}
	for _, l := range is {
		now[l.Key] = true
		if before[l.Key] != l.Text {
			out = append(out, difference{l.Key, before[l.Key], l.Text})
		}
	}
	var kept, left []string
	for _, l := range was {
		if now[l.Key] {
			kept = append(kept, l.Key)
		} else {
			out = append(out, difference{l.Key, l.Text, ""})
		}
	}
	for _, l := range is {
		if _, ok := before[l.Key]; ok {
			left = append(left, l.Key)
		}
	}
	if !slices.Equal(kept, left) {
		for len(kept) > 0 && kept[0] == left[0] {
			kept, left = kept[1:], left[1:]
		}
		for n := len(kept) - 1; n >= 0 && kept[n] == left[n]; n-- {
			kept, left = kept[:n], left[:n]
		}
		out = append(out, difference{"order", strings.Join(kept, " · "), strings.Join(left, " · ")})
	}
	return out
}
