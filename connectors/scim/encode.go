package scim

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/scimsync/scimsync/engine"
)

// appendString appends s as a JSON string. Only what JSON demands is escaped: "<", "&", "/" and
// letters beyond ASCII stay as they are (6.3, 9.4). Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), "\uFFFD"...)
				start = i + n
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendValue appends v as JSON. Members of objects come in ascending order of their names, so that
// recordings are comparable; members that are nil are left out (6.3).
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case number:
		return append(b, v...)
	case []string:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, e)
		}
		return append(b, ']')
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, e)
		}
		return append(b, ']')
	case map[string]any:
		return appendObject(b, v)
	case object:
		b = append(b, '{')
		for i, m := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, m.name), ':')
			b = appendValue(b, m.value)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

func appendObject(b []byte, m map[string]any) []byte {
	var room [24]string
	names := room[:0]
	for n, v := range m {
		if v != nil {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, n := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, n), ':')
		b = appendValue(b, m[n])
	}
	return append(b, '}')
}

// appendResource appends a resource in the fixed order of members: schemas, externalId, the name,
// active, the other core members, extensions by URN (6.3).
func appendResource(b []byte, k engine.Kind, doc map[string]any, schemas []string) []byte {
	var room [32]string
	names := room[:0]
	for n, v := range doc {
		if v != nil && n != "schemas" {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(x, y string) int {
		if rx, ry := rank(k, x), rank(k, y); rx != ry {
			return rx - ry
		}
		return strings.Compare(x, y)
	})
	b = append(b, `{"schemas":`...)
	b = appendValue(b, schemas)
	for _, n := range names {
		b = append(b, ',')
		b = append(appendString(b, n), ':')
		b = appendValue(b, doc[n])
	}
	return append(b, '}')
}

func rank(k engine.Kind, name string) int {
	switch {
	case name == "externalId":
		return 1
	case k == engine.User && name == "userName", k == engine.Group && name == "displayName":
		return 2
	case name == "active":
		return 3
	case isURN(name):
		return 5
	}
	return 4
}

func isURN(name string) bool {
	return len(name) > 4 && strings.EqualFold(name[:4], "urn:")
}
