package wire

import (
	"bytes"
	"errors"
	"io"
)

func newBody(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

// ErrTooDeep says that a JSON text nests deeper than allowed.
var ErrTooDeep = errors.New("the JSON text nests too deeply")

// CheckDepth returns [ErrTooDeep] if objects and arrays in a JSON text nest deeper than limit. It
// does not check anything else: run it before a decoder that recurses.
func CheckDepth(b []byte, limit int) error {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return ErrTooDeep
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
