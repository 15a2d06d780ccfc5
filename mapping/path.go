package mapping

import (
	"strconv"
	"strings"
)

// Path is the place of an attribute in a target object (section 6.1): an optional schema URN, an
// attribute, an optional value filter and an optional sub-attribute. Names are in the spelling of
// RFC 7643 where it knows them.
type Path struct {
	URN       string
	Attribute string
	Filter    []Clause // joined by "and"
	Sub       string
}

// Clause is one comparison of a value filter; the only operator is eq.
type Clause struct {
	Name  string
	Value any // string, bool or int64
	// Quoted tells that a boolean stood in quotes in the configuration ("True"), which one wire
	// dialect keeps (scim-target.md section 11).
	Quoted string
}

// String returns the path as mappings write it.
func (p Path) String() string {
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
					b.WriteString(strconv.Quote(c.Quoted))
				} else {
					b.WriteString(strconv.FormatBool(v))
				}
			case int64:
				b.WriteString(strconv.FormatInt(v, 10))
			case string:
				b.WriteString(strconv.Quote(v))
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
