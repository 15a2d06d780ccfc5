package scim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// number is a JSON number with its digits as they were sent: an id of a server that counts must
// not go through a float (10.2).
type number string

// limits bound what a hostile or broken answer may cost (27.4).
type limits struct {
	depth int // nesting of objects and arrays
	items int // elements of one array
	names int // members of one object
}

var (
	errTooDeep  = errors.New("the JSON text nests too deeply")
	errTooLarge = errors.New("the JSON text has too many elements")
)

// bom is the byte order mark of UTF-8.
const bom = "\xef\xbb\xbf"

// parseJSON reads one JSON text (RFC 8259) into [object], []any, string, bool, [number] and nil.
// Nothing lenient happens here: comments, trailing commas and text behind the value are errors. Only a byte
// order mark is passed over, which RFC 8259 section 8.1 allows.
//
// It exists beside encoding/json because answers come from strangers and there are many of them: it
// keeps the digits of numbers, bounds depth and sizes while it reads, leaves the making of maps to
// those who know what belongs into them, and copies no text but that with escapes.
func parseJSON(body []byte, lim limits) (any, error) {
	var fields [32]field
	var items [16]any
	p := jsonReader{text: strings.TrimPrefix(string(body), bom), lim: lim, fields: fields[:0], items: items[:0]}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at < len(p.text) {
		return nil, p.wrong("text behind the value")
	}
	return v, nil
}

type jsonReader struct {
	text string
	at   int
	lim  limits

	// What the objects and arrays around the current place hold so far, innermost last. Each is
	// copied out when it is complete, so that it takes one allocation of the right size.
	fields []field
	items  []any
}

func (p *jsonReader) wrong(what string) error {
	return fmt.Errorf("not JSON: %s at byte %d", what, p.at)
}

func (p *jsonReader) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonReader) value(depth int) (any, error) {
	if p.at >= len(p.text) {
		return nil, p.wrong("the text ends early")
	}
	switch c := p.text[p.at]; c {
	case '{':
		return p.object(depth + 1)
	case '[':
		return p.array(depth + 1)
	case '"':
		return p.str()
	case 't':
		return true, p.word("true")
	case 'f':
		return false, p.word("false")
	case 'n':
		return nil, p.word("null")
	default:
		return p.number()
	}
}

func (p *jsonReader) word(w string) error {
	if !strings.HasPrefix(p.text[p.at:], w) {
		return p.wrong("an unknown word")
	}
	p.at += len(w)
	return nil
}

func (p *jsonReader) object(depth int) (any, error) {
	if depth > p.lim.depth {
		return nil, errTooDeep
	}
	p.at++
	p.space()
	if p.peek('}') {
		return object{}, nil
	}
	from := len(p.fields)
	for {
		if p.at >= len(p.text) || p.text[p.at] != '"' {
			return nil, p.wrong("a member name was expected")
		}
		name, err := p.str()
		if err != nil {
			return nil, err
		}
		p.space()
		if !p.peek(':') {
			return nil, p.wrong("a colon was expected")
		}
		p.space()
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		p.fields = append(p.fields, field{name, v})
		if len(p.fields)-from > p.lim.names {
			return nil, errTooLarge
		}
		p.space()
		if p.peek('}') {
			o := make(object, len(p.fields)-from)
			copy(o, p.fields[from:])
			p.fields = p.fields[:from]
			return o, nil
		}
		if !p.peek(',') {
			return nil, p.wrong("a comma was expected")
		}
		p.space()
	}
}

func (p *jsonReader) array(depth int) (any, error) {
	if depth > p.lim.depth {
		return nil, errTooDeep
	}
	p.at++
	p.space()
	if p.peek(']') {
		return []any{}, nil
	}
	from := len(p.items)
	for {
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		p.items = append(p.items, v)
		if len(p.items)-from > p.lim.items {
			return nil, errTooLarge
		}
		p.space()
		if p.peek(']') {
			list := make([]any, len(p.items)-from)
			copy(list, p.items[from:])
			p.items = p.items[:from]
			return list, nil
		}
		if !p.peek(',') {
			return nil, p.wrong("a comma was expected")
		}
		p.space()
	}
}

// peek steps over c if it comes next.
func (p *jsonReader) peek(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *jsonReader) number() (any, error) {
	from := p.at
	p.peek('-')
	if !p.peek('0') && p.digits() == 0 {
		return nil, p.wrong("a value was expected")
	}
	if p.peek('.') && p.digits() == 0 {
		return nil, p.wrong("a digit was expected")
	}
	if p.peek('e') || p.peek('E') {
		if !p.peek('+') {
			p.peek('-')
		}
		if p.digits() == 0 {
			return nil, p.wrong("a digit was expected")
		}
	}
	return number(p.text[from:p.at]), nil
}

func (p *jsonReader) digits() int {
	n := 0
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
		n++
	}
	return n
}

// str reads a string. Without escapes it shares memory with the text.
func (p *jsonReader) str() (string, error) {
	p.at++
	from := p.at
	for i := from; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			p.at = i + 1
			return p.text[from:i], nil
		case c == '\\' || c >= utf8.RuneSelf:
			p.at = i
			return p.strSlow(from)
		case c < ' ':
			p.at = i
			return "", p.wrong("a control character in a string")
		}
	}
	return "", p.wrong("a string without end")
}

// strSlow goes on at p.at with escapes and bytes that may not be UTF-8, which become U+FFFD.
func (p *jsonReader) strSlow(from int) (string, error) {
	out := append(make([]byte, 0, p.at-from+32), p.text[from:p.at]...)
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '"':
			p.at++
			return string(out), nil
		case c < ' ':
			return "", p.wrong("a control character in a string")
		case c == '\\':
			var err error
			if out, err = p.escape(out); err != nil {
				return "", err
			}
		case c < utf8.RuneSelf:
			out = append(out, c)
			p.at++
		default:
			r, n := utf8.DecodeRuneInString(p.text[p.at:])
			out = utf8.AppendRune(out, r)
			p.at += n
		}
	}
	return "", p.wrong("a string without end")
}

func (p *jsonReader) escape(out []byte) ([]byte, error) {
	p.at++
	if p.at >= len(p.text) {
		return nil, p.wrong("a string without end")
	}
	c := p.text[p.at]
	p.at++
	switch c {
	case '"', '\\', '/':
		return append(out, c), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'u':
		r, ok := p.hex4()
		if !ok {
			return nil, p.wrong("four hex digits were expected")
		}
		if utf16.IsSurrogate(r) {
			r = p.surrogate(r)
		}
		return utf8.AppendRune(out, r), nil
	}
	return nil, p.wrong("an unknown escape")
}

func (p *jsonReader) hex4() (rune, bool) {
	if len(p.text)-p.at < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(p.text[p.at:p.at+4], 16, 32)
	if err != nil {
		return 0, false
	}
	p.at += 4
	return rune(n), true
}

// surrogate completes a pair; half a pair becomes U+FFFD, and what follows it is read on its own.
func (p *jsonReader) surrogate(first rune) rune {
	back := p.at
	if p.at+1 < len(p.text) && p.text[p.at] == '\\' && p.text[p.at+1] == 'u' {
		p.at += 2
		if second, ok := p.hex4(); ok {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r
			}
		}
		p.at = back
	}
	return utf8.RuneError
}

// object is a JSON object whose members keep their order. Written, a nil value is sent as null.
type object []field

type field struct {
	name  string
	value any
}

// get returns the value of a member, its name in any case; of several the last.
func (o object) get(name string) (any, bool) {
	for i := len(o) - 1; i >= 0; i-- {
		if o[i].name == name || strings.EqualFold(o[i].name, name) {
			return o[i].value, true
		}
	}
	return nil, false
}

// at is get for members that may be missing.
func (o object) at(name string) any {
	v, _ := o.get(name)
	return v
}

// asMap makes maps of an object and all objects in it, to be changed and written back.
func (o object) asMap() map[string]any {
	m := make(map[string]any, len(o))
	for _, f := range o {
		m[f.name] = mapsOf(f.value)
	}
	return m
}

func mapsOf(v any) any {
	switch v := v.(type) {
	case object:
		return v.asMap()
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = mapsOf(e)
		}
		return out
	}
	return v
}
