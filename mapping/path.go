package mapping

import (
	"slices"
	"strconv"
	"strings"
)

// Path is the place of an attribute in a target object (section 6.1): an optional schema URN, an
// attribute, an optional value filter and an optional sub-attribute. Names are in the spelling of
// RFC 7643 where it knows them. Make one with [ParsePath]; a path put together from its fields
// works too, and so does one whose fields were changed, but it computes its key on every call.
type Path struct {
	URN       string
	Attribute string
	Filter    []Clause // joined by "and"
	Sub       string

	parsed *parsedPath
}

// parsedPath is a path as it was parsed, with its key. A path is a value whose fields people change;
// the key is theirs only as long as they are the ones it was made from.
type parsedPath struct {
	urn, attribute, sub string
	filter              []Clause
	key                 string
}

func (p *Path) remember() { p.parsed = &parsedPath{p.URN, p.Attribute, p.Sub, p.Filter, p.makeKey()} }

func (c *parsedPath) is(p *Path) bool {
	return c.attribute == p.Attribute && c.sub == p.Sub && c.urn == p.URN && len(c.filter) == len(p.Filter) &&
		(len(c.filter) == 0 || &c.filter[0] == &p.Filter[0])
}

// Clause is one comparison of a value filter; the only operator is eq.
type Clause struct {
	Name  string
	Value any // string, bool or int64
	// Quoted tells that a boolean stood in quotes in the configuration ("True"), which one wire
	// dialect keeps (scim-target.md section 11).
	Quoted string
}

// Key is the identity of a path: two paths are the same exactly if their keys are equal (6.1). It
// is a path itself, in lower case, with the clauses of the filter in order and all values quoted.
func (p Path) Key() string {
	if p.parsed != nil && p.parsed.is(&p) {
		return p.parsed.key
	}
	return p.makeKey()
}

func (p Path) makeKey() string {
	var b strings.Builder
	if p.URN != "" {
		b.WriteString(strings.ToLower(p.URN))
		b.WriteByte(':')
	}
	b.WriteString(strings.ToLower(p.Attribute))
	if len(p.Filter) > 0 {
		clauses := make([]string, len(p.Filter))
		for i, c := range p.Filter {
			var q strings.Builder
			q.WriteString(strings.ToLower(c.Name))
			q.WriteString(" eq ")
			writeQuoted(&q, strings.ToLower(c.text()))
			clauses[i] = q.String()
		}
		slices.Sort(clauses)
		b.WriteByte('[')
		b.WriteString(strings.Join(slices.Compact(clauses), " and "))
		b.WriteByte(']')
	}
	if p.Sub != "" {
		b.WriteByte('.')
		b.WriteString(strings.ToLower(p.Sub))
	}
	return b.String()
}

// text is the value of the clause without quotes.
func (c Clause) text() string {
	switch v := c.Value.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case string:
		return v
	}
	return ""
}

// Same reports whether two paths name the same place.
func (p Path) Same(q Path) bool { return p.Key() == q.Key() }

// Equal is Same under the name that test libraries look for.
func (p Path) Equal(q Path) bool { return p.Same(q) }

// IsZero reports whether the path names nothing.
func (p Path) IsZero() bool { return p.Attribute == "" }

// String returns the path as mappings write it. [ParsePath] reads it back.
func (p Path) String() string {
	if p.URN == "" && len(p.Filter) == 0 && p.Sub == "" {
		return p.Attribute
	}
	var b strings.Builder
	if p.URN != "" {
		b.WriteString(p.URN)
		b.WriteByte(':')
	}
	b.WriteString(p.Attribute)
	if len(p.Filter) > 0 {
		b.WriteByte('[')
		for i, c := range p.Filter {
			if i > 0 {
				b.WriteString(" and ")
			}
			b.WriteString(c.Name)
			b.WriteString(" eq ")
			switch v := c.Value.(type) {
			case bool:
				if c.Quoted != "" {
					writeQuoted(&b, c.Quoted)
				} else {
					b.WriteString(strconv.FormatBool(v))
				}
			case int64:
				b.WriteString(strconv.FormatInt(v, 10))
			case string:
				writeQuoted(&b, v)
			}
		}
		b.WriteByte(']')
	}
	if p.Sub != "" {
		b.WriteByte('.')
		b.WriteString(p.Sub)
	}
	return b.String()
}

// writeQuoted writes a JSON string, which is what a filter of RFC 7644 section 3.4.2.2 takes. Only
// what must be escaped is.
func writeQuoted(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20:
			b.WriteString(`\u00`)
			b.WriteByte("0123456789abcdef"[r>>4])
			b.WriteByte("0123456789abcdef"[r&15])
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// MarshalText writes a path as mappings do, so that it can stand in JSON.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what [Path.MarshalText] wrote; an empty text is the zero path.
func (p *Path) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Path{}
		return nil
	}
	q, err := ParsePath(string(text))
	if err != nil {
		return err
	}
	*p = q
	return nil
}

// Read finds the value at p in a SCIM resource: extension attributes in the object named by their
// URN, the element that the filter chooses (the first that is primary, else the first), then the
// sub-attribute. A filter without sub-attribute means the element's "value". Nothing, "" and an
// empty list are nil. A reference (manager, members) is read as the id or ids it holds, whichever
// shape the target gave it. Resources are expected in canonical spelling; other letter case is found too.
func (p Path) Read(resource map[string]any) any {
	if p.URN != "" {
		resource, _ = member(resource, p.URN).(map[string]any)
	}
	v := member(resource, p.Attribute)
	if v == nil {
		return nil
	}
	sub := p.Sub
	if len(p.Filter) > 0 || sub != "" {
		if len(p.Filter) > 0 && sub == "" {
			sub = "value"
		}
		element := p.choose(v)
		if element == nil {
			return nil
		}
		v = member(element, sub)
	} else if p.reference() {
		v = referenced(v)
	}
	if empty(v) {
		return nil
	}
	return v
}

// choose returns the object that a filter and a sub-attribute apply to.
func (p Path) choose(v any) map[string]any {
	var first map[string]any
	switch v := v.(type) {
	case map[string]any:
		if p.selects(v) {
			return v
		}
	case []any:
		for _, e := range v {
			m, ok := e.(map[string]any)
			if !ok || !p.selects(m) {
				continue
			}
			if primary, _ := asBool(member(m, "primary")); primary {
				return m
			}
			if first == nil {
				first = m
			}
		}
	}
	return first
}

// selects reports whether an element satisfies the filter. Letter case does not matter, as it does
// not for the identity of paths.
func (p Path) selects(element map[string]any) bool {
	for _, c := range p.Filter {
		v := member(element, c.Name)
		switch want := c.Value.(type) {
		case bool:
			// RFC 7643 section 2.4: an element without "primary" is not primary.
			if got, ok := asBool(v); got != want || !ok && v != nil {
				return false
			}
		default:
			if got, ok := textOf(v); !ok || !strings.EqualFold(got, c.text()) {
				return false
			}
		}
	}
	return true
}

// reference reports whether the path is one of the references of RFC 7643.
func (p Path) reference() bool {
	return p.Sub == "" && (p.URN == "" && p.Attribute == "members" || p.URN == EnterpriseURN && p.Attribute == "manager")
}

// referenced reduces the shapes that references have on the wire to ids.
func referenced(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return member(v, "value")
	case []any:
		ids := make([]any, 0, len(v))
		for _, e := range v {
			if id := referenced(e); !empty(id) {
				ids = append(ids, id)
			}
		}
		return ids
	}
	return v
}

// member finds a member of an object, in its own spelling first.
func member(m map[string]any, name string) any {
	if v, ok := m[name]; ok {
		return v
	}
	for k, v := range m {
		if len(k) == len(name) && strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

// empty reports whether a value counts as missing (8.2).
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
