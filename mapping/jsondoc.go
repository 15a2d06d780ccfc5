package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// jsonObject is a JSON object that remembers the order of its members, so that a schema file goes
// out as it came in and people can compare the two. Values are nil, bool, string, json.Number,
// []any and *jsonObject.
type jsonObject struct {
	names  []string
	values map[string]any
}

func newObject() *jsonObject { return &jsonObject{values: map[string]any{}} }

func (o *jsonObject) get(name string) any {
	if o == nil {
		return nil
	}
	return o.values[name]
}

// set replaces a member in its place, or appends it.
func (o *jsonObject) set(name string, v any) *jsonObject {
	if _, ok := o.values[name]; !ok {
		o.names = append(o.names, name)
	}
	o.values[name] = v
	return o
}

func (o *jsonObject) has(name string) bool {
	_, ok := o.values[name]
	return ok
}

// maxDocument limits the nesting of a document; the tree form of an expression nests two levels a call.
const maxDocument = 5000

// decodeDocument reads one JSON value. The error says where the text stops being JSON.
func decodeDocument(data []byte) (any, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !json.Valid(data) {
		var v any
		err := json.Unmarshal(data, &v)
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			line := 1 + bytes.Count(data[:min(int(e.Offset), len(data))], []byte("\n"))
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return decodeValue(d, 0)
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDocument {
		return nil, errors.New("the document nests too deeply")
	}
	t, err := d.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := newObject()
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			o.set(name.(string), v)
		}
		_, err := d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return t, nil
}

// encodeDocument writes v with two blanks a level and without escaping what HTML would want escaped.
func encodeDocument(v any) []byte {
	var b bytes.Buffer
	encodeValue(&b, v, "\n")
	b.WriteByte('\n')
	return b.Bytes()
}

func encodeValue(b *bytes.Buffer, v any, line string) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case json.Number:
		b.WriteString(v.String())
	case string:
		encodeText(b, v)
	case []any:
		if len(v) == 0 {
			b.WriteString("[]")
			return
		}
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(line + "  ")
			encodeValue(b, e, line+"  ")
		}
		b.WriteString(line + "]")
	case *jsonObject:
		if v == nil {
			b.WriteString("null")
			return
		}
		if len(v.names) == 0 {
			b.WriteString("{}")
			return
		}
		b.WriteByte('{')
		for i, name := range v.names {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(line + "  ")
			encodeText(b, name)
			b.WriteString(": ")
			encodeValue(b, v.values[name], line+"  ")
		}
		b.WriteString(line + "}")
	default:
		panic(fmt.Sprintf("mapping: %T in a schema document", v))
	}
}

func encodeText(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	b.Truncate(b.Len() - 1) // the encoder ends with a line feed
}

// cloner copies documents deeply and remembers which object became which.
type cloner map[*jsonObject]*jsonObject

func (c cloner) clone(v any) any {
	switch v := v.(type) {
	case *jsonObject:
		return c.object(v)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = c.clone(e)
		}
		return list
	}
	return v
}

func (c cloner) object(o *jsonObject) *jsonObject {
	if o == nil {
		return nil
	}
	out := newObject()
	for _, name := range o.names {
		out.set(name, c.clone(o.values[name]))
	}
	c[o] = out
	return out
}

// sameDocument compares two values regardless of the order of members.
func sameDocument(a, b any) bool {
	switch a := a.(type) {
	case *jsonObject:
		b, ok := b.(*jsonObject)
		if !ok || len(a.values) != len(b.values) {
			return false
		}
		for name, v := range a.values {
			w, has := b.values[name]
			if !has || !sameDocument(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameDocument)
	}
	switch b.(type) {
	case *jsonObject, []any:
		return false
	}
	return a == b
}

// pointer appends a step to an RFC 6901 pointer.
func pointer(at string, step any) string {
	switch s := step.(type) {
	case int:
		return at + "/" + strconv.Itoa(s)
	case string:
		return at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
	}
	panic(fmt.Sprintf("mapping: %T in a pointer", step))
}
