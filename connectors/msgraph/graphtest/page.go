package graphtest

import (
	"strconv"
	"strings"
)

// A page is an answer with a value list, kept in parts so that faults can damage it with precision.
type page struct {
	context string
	count   int // of the whole list; -1: not asked for
	items   []byte
	ends    []int // where each item ends in items
	next    string
	delta   string
	noise   bool

	pos   position // what was asked for
	link  func(position) string
	build func(position) *page // the page at another position of the same walk
}

func (p *page) item(i int) []byte {
	start := 0
	if i > 0 {
		start = p.ends[i-1]
	}
	return p.items[start:p.ends[i]]
}

// replace puts another text in the place of an item.
func (p *page) replace(i int, text []byte) {
	var items []byte
	var ends []int
	for j := range p.ends {
		if j == i {
			items = append(items, text...)
		} else {
			items = append(items, p.item(j)...)
		}
		ends = append(ends, len(items))
	}
	p.items, p.ends = items, ends
}

// render writes the page as JSON. cut is where the n-th item ends in it.
func (p *page) render() (body []byte, cut func(n int) int) {
	b := make([]byte, 0, len(p.items)+len(p.ends)+len(p.next)+len(p.delta)+len(p.context)+96)
	b = append(b, `{"@odata.context":`...)
	b = appendString(b, p.context)
	if p.noise {
		b = append(b, `,"@odata.nothing":{"of":["value",null]}`...)
	}
	if p.count >= 0 {
		b = append(b, `,"@odata.count":`...)
		b = strconv.AppendInt(b, int64(p.count), 10)
	}
	// Links come before the items, as the service has them: a body that is cut keeps its link.
	for _, l := range [2][2]string{{`,"@odata.nextLink":`, p.next}, {`,"@odata.deltaLink":`, p.delta}} {
		if l[1] != "" {
			b = append(b, l[0]...)
			b = appendString(b, l[1])
		}
	}
	b = append(b, `,"value":[`...)
	at := make([]int, 0, len(p.ends)+1)
	at = append(at, len(b))
	for i := range p.ends {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, p.item(i)...)
		at = append(at, len(b))
	}
	b = append(b, "]}"...)
	return b, func(n int) int { return at[min(max(n, 0), len(at)-1)] }
}

// appendString is strconv.AppendQuote for JSON.
func appendString(b []byte, s string) []byte {
	if !plain(s) {
		return append(b, mustJSON(s)...)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// plain tells whether a string is its own JSON: printable ASCII, the usual case.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}

// appendRef writes an item of members@delta or manager@delta.
func appendRef(b []byte, o *object, removed bool) []byte {
	b = append(b, `{"@odata.type":"`...)
	b = append(b, o.kind.wire()...)
	b = append(b, `","id":"`...)
	b = append(b, o.id...)
	b = append(b, '"')
	if removed {
		b = append(b, `,"@removed":{"reason":"deleted"}`...)
	}
	return append(b, '}')
}

// appendObject writes an object for a read: what it has not got is null, or an empty list.
func (s *Server) appendObject(b []byte, o *object, sel selection, at uint64, typed bool) []byte {
	b = append(b, '{')
	if typed {
		b = append(b, `"@odata.type":"`...)
		b = append(b, o.kind.wire()...)
		b = append(b, `",`...)
	}
	if s.settings.AnnotationNoise {
		b = append(b, `"@odata.etag":"W/\"sandbox\"",`...)
	}
	b = append(b, `"id":`...)
	b = appendString(b, o.id)
	for _, def := range sel.props {
		b = append(b, ',')
		b = append(b, def.key...)
		raw, _ := o.valueAt(def, at)
		if raw == "" {
			raw = def.empty()
		}
		b = append(b, raw...)
	}
	return append(b, '}')
}

// appendBare writes an object of a type that the caller may not read.
func appendBare(b []byte, o *object, sel selection) []byte {
	b = append(b, `{"@odata.type":"`...)
	b = append(b, o.kind.wire()...)
	b = append(b, `","id":`...)
	b = appendString(b, o.id)
	for _, def := range sel.props {
		b = append(b, ',')
		b = append(b, def.key...)
		b = append(b, "null"...)
	}
	return append(b, '}')
}

func (p *property) empty() string {
	if p.typ == texts || p.typ == complexList {
		return "[]"
	}
	return "null"
}

// contextOf is the @odata.context of a list or an object.
func contextOf(root, set string, sel selection, single bool) string {
	var b strings.Builder
	b.WriteString(root)
	b.WriteString("/$metadata#")
	b.WriteString(set)
	if !sel.all {
		b.WriteString("(id")
		for _, def := range sel.props {
			b.WriteByte(',')
			b.WriteString(def.name)
		}
		if sel.members {
			b.WriteString(",members")
		}
		if sel.manager {
			b.WriteString(",manager")
		}
		b.WriteByte(')')
	}
	if single {
		b.WriteString("/$entity")
	}
	return b.String()
}
