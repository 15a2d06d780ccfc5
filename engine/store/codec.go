package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// micros is how times are stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// times writes a list of times; none is null.
func times(list []time.Time) any {
	if len(list) == 0 {
		return nil
	}
	b := []byte{'['}
	for i, t := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, micros(t), 10)
	}
	return string(append(b, ']'))
}

// readTimes is the inverse of times.
func readTimes(text string) ([]time.Time, error) {
	var all []int64
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("list of times: %w", err)
	}
	list := make([]time.Time, len(all))
	for i, us := range all {
		list[i] = fromMicros(us)
	}
	return list, nil
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// clean makes text of others fit for both databases: PostgreSQL takes neither NUL nor broken UTF-8.
func clean(s string) string {
	for i := range len(s) {
		if c := s[i]; c == 0 || c >= utf8.RuneSelf {
			return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
		}
	}
	return s
}

// encode writes a document as JSON with sorted keys, so that equal documents are equal texts. Whole
// floats keep a fraction ("3.0"): a decoded number has the type that was encoded.
func encode(doc map[string]any) (string, error) {
	b, err := appendValue(make([]byte, 0, 512), doc)
	return string(b), err
}

func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendString(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case float64:
		return appendFloat(b, v)
	case json.Number:
		return append(b, v...), nil
	case map[string]any:
		return appendObject(b, v)
	case []any:
		return appendArray(b, v)
	case []string:
		return appendArray(b, v)
	default: // what else a source may bring comes back in the generic shape
		j, err := json.Marshal(v)
		if err != nil {
			return b, fmt.Errorf("a value of type %T has no JSON form: %w", v, err)
		}
		return append(b, j...), nil
	}
}

func appendObject(b []byte, doc map[string]any) ([]byte, error) {
	var buf [32]string
	keys := buf[:0]
	for k := range doc {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		var err error
		if b, err = appendValue(b, doc[k]); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendArray[T any](b []byte, list []T) ([]byte, error) {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(b, v); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendFloat(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return b, fmt.Errorf("the number %v has no JSON form", f)
	}
	n := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !bytes.ContainsAny(b[n:], ".e") {
		b = append(b, ".0"...)
	}
	return b, nil
}

const hex = "0123456789abcdef"

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
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
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
