package scimtest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/scim2/filter-parser/v2"
)

// condition tells whether a value, element or resource fulfils a filter.
type condition[T any] func(T) bool

// compiler turns parsed filters into conditions for one resource kind and the literals of one request.
type compiler struct {
	kind *resourceKind
	lits []string
	q    *Quirks
}

// resource compiles the filter of a search. An attribute the kind doesn't have is an error.
func (c compiler) resource(e *expr) (condition[*entry], error) {
	switch e.kind {
	case and, or:
		left, err := c.resource(e.left)
		if err != nil {
			return nil, err
		}
		right, err := c.resource(e.right)
		if err != nil {
			return nil, err
		}
		if e.kind == and {
			return func(x *entry) bool { return left(x) && right(x) }, nil
		}
		return func(x *entry) bool { return left(x) || right(x) }, nil
	case not:
		left, err := c.resource(e.left)
		if err != nil {
			return nil, err
		}
		return func(x *entry) bool { return !left(x) }, nil
	case some:
		return c.some(e)
	default:
		return c.compare(e)
	}
}

// some compiles attr[...]: one element must fulfil the whole condition.
func (c compiler) some(e *expr) (condition[*entry], error) {
	a := c.kind.find(e.path.URI(), e.path.AttributeName)
	if a == nil || !a.complex() || e.path.SubAttribute != nil {
		return nil, fmt.Errorf("%w: %s has no elements to select from", errSyntax, e.path)
	}
	where, err := c.element(a, e.inner)
	if err != nil {
		return nil, err
	}
	return func(x *entry) bool {
		for _, v := range elements(read(x, a)) {
			if m, ok := v.(map[string]any); ok && where(m) {
				return true
			}
		}
		return false
	}, nil
}

// compare compiles a comparison. A multi-valued attribute fulfils it if one of its values does,
// except ne, which is the opposite of eq.
func (c compiler) compare(e *expr) (condition[*entry], error) {
	a := c.kind.find(e.path.URI(), e.path.AttributeName)
	if a == nil {
		return nil, fmt.Errorf("%w: there is no attribute %s", errSyntax, e.path)
	}
	leaf := a
	if a.complex() {
		leaf = a.sub("value") // RFC 7643 section 2.4: the default sub-attribute
		if name := e.path.SubAttributeName(); name != "" {
			leaf = a.sub(name)
		}
		if leaf == nil && e.op != filter.PR {
			return nil, fmt.Errorf("%w: %s can't be compared", errSyntax, e.path)
		}
	} else if e.path.SubAttribute != nil {
		return nil, fmt.Errorf("%w: there is no attribute %s", errSyntax, e.path)
	}
	if e.op == filter.PR {
		return func(x *entry) bool { return anyValue(read(x, a), a, leaf, present) }, nil
	}
	if id, ok := c.value(e).(string); ok && a.name == "members" && leaf.name == "value" && e.op == filter.EQ {
		return func(x *entry) bool { return x.members.has(id) }, nil
	}
	test, err := c.test(leaf, e)
	if err != nil {
		return nil, err
	}
	return func(x *entry) bool { return anyValue(read(x, a), a, leaf, test) != (e.op == filter.NE) }, nil
}

// element compiles a value filter: conditions on the sub-attributes of one element.
func (c compiler) element(a *attribute, e *expr) (condition[map[string]any], error) {
	switch e.kind {
	case and, or:
		left, err := c.element(a, e.left)
		if err != nil {
			return nil, err
		}
		right, err := c.element(a, e.right)
		if err != nil {
			return nil, err
		}
		if e.kind == and {
			return func(m map[string]any) bool { return left(m) && right(m) }, nil
		}
		return func(m map[string]any) bool { return left(m) || right(m) }, nil
	case not:
		left, err := c.element(a, e.left)
		if err != nil {
			return nil, err
		}
		return func(m map[string]any) bool { return !left(m) }, nil
	case some:
		return nil, fmt.Errorf("%w: brackets inside brackets", errSyntax)
	}
	sub := a.sub(e.path.AttributeName)
	if sub == nil || e.path.SubAttribute != nil {
		return nil, fmt.Errorf("%w: %s has no %s", errSyntax, a.name, e.path)
	}
	if e.op == filter.PR {
		return func(m map[string]any) bool { return present(m[sub.name]) }, nil
	}
	test, err := c.test(sub, e)
	if err != nil {
		return nil, err
	}
	return func(m map[string]any) bool { return test(m[sub.name]) != (e.op == filter.NE) }, nil
}

// value is the right side of a comparison.
func (c compiler) value(e *expr) any {
	if i, ok := e.value.(literal); ok {
		return c.lits[i]
	}
	return e.value
}

// test compiles the comparison of one simple value; ne is compiled as eq.
func (c compiler) test(a *attribute, e *expr) (condition[any], error) {
	want := c.value(e)
	op := e.op
	switch {
	case op == filter.NE:
		op = filter.EQ
	case op == filter.EQ && c.q.PrefixFilter:
		op = filter.SW
	}
	if want == nil {
		return func(v any) bool { return !present(v) }, nil
	}
	switch a.AttributeType() {
	case "boolean":
		b, ok := want.(bool)
		if s, isText := want.(string); isText && !c.q.Strict { // roles[primary eq "True"] as Entra writes it
			parsed, err := strconv.ParseBool(strings.ToLower(s))
			b, ok = parsed, err == nil
		}
		if !ok || op != filter.EQ {
			return nil, fmt.Errorf("%w: %s is a boolean", errSyntax, a.name)
		}
		return func(v any) bool { return v == b }, nil
	case "dateTime":
		s, _ := want.(string)
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return nil, fmt.Errorf("%w: %s is compared with a dateTime", errSyntax, a.name)
		}
		return func(v any) bool {
			s, _ := v.(string)
			have, err := time.Parse(time.RFC3339Nano, s)
			return err == nil && ordered(have.Compare(t), op)
		}, nil
	case "integer", "decimal":
		n, ok := want.(json.Number)
		f, err := n.Float64()
		if !ok || err != nil {
			return nil, fmt.Errorf("%w: %s is compared with a number", errSyntax, a.name)
		}
		return func(v any) bool {
			have, err := strconv.ParseFloat(fmt.Sprint(v), 64)
			return err == nil && (have < f && ordered(-1, op) || have == f && ordered(0, op) || have > f && ordered(1, op))
		}, nil
	}
	return c.testString(a, op, want)
}

func (c compiler) testString(a *attribute, op filter.CompareOperator, want any) (condition[any], error) {
	s, ok := want.(string)
	if !ok {
		return nil, fmt.Errorf("%w: %s is compared with a string", errSyntax, a.name)
	}
	fold := !a.exact() && !c.q.CaseSensitive
	if fold {
		s = strings.ToLower(s)
	}
	var compare func(have string) bool
	switch op {
	case filter.CO:
		compare = func(have string) bool { return strings.Contains(have, s) }
	case filter.SW:
		compare = func(have string) bool { return strings.HasPrefix(have, s) }
	case filter.EW:
		compare = func(have string) bool { return strings.HasSuffix(have, s) }
	default:
		compare = func(have string) bool { return ordered(strings.Compare(have, s), op) }
	}
	return func(v any) bool {
		have, ok := v.(string)
		if fold {
			have = strings.ToLower(have)
		}
		return ok && compare(have)
	}, nil
}

// ordered reads the result of a three-way comparison.
func ordered(cmp int, op filter.CompareOperator) bool {
	switch op {
	case filter.EQ:
		return cmp == 0
	case filter.GT:
		return cmp > 0
	case filter.GE:
		return cmp >= 0
	case filter.LT:
		return cmp < 0
	case filter.LE:
		return cmp <= 0
	default:
		return false
	}
}

// present is the pr operator: something that is not empty.
func present(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	default:
		return true
	}
}

// read returns the stored value of an attribute.
func read(x *entry, a *attribute) any {
	switch {
	case a.urn != "":
		ext, _ := x.attrs[a.urn].(map[string]any)
		return ext[a.name]
	case a.name == "id":
		return x.id
	case a.name == "members":
		return x.members.render("", 0)
	case a.name == "meta":
		return map[string]any{
			"created":      x.created.UTC().Format(time.RFC3339Nano),
			"lastModified": x.modified.UTC().Format(time.RFC3339Nano),
			"version":      x.etag(),
		}
	default:
		return x.attrs[a.name]
	}
}

// elements returns the values of a multi-valued attribute, and a single one as a list.
func elements(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// anyValue tests the values at leaf, which is a itself or one of its sub-attributes.
func anyValue(v any, a, leaf *attribute, test condition[any]) bool {
	all := elements(v)
	if len(all) == 0 {
		return test(nil)
	}
	for _, x := range all {
		if m, ok := x.(map[string]any); ok && a.complex() && leaf != nil {
			x = m[leaf.name]
		}
		if test(x) {
			return true
		}
	}
	return false
}
