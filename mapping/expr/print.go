package expr

import (
	"strings"
	"unicode/utf8"
)

// Quote writes s as a string of the language. Only what must be escaped is escaped, so a regular
// expression stays readable: the backslash of \d is written once.
func Quote(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := range len(s) {
		switch {
		case s[i] == '"':
			b.WriteByte('\\')
		case s[i] == '\\' && (i+1 == len(s) || s[i+1] == '\\' || s[i+1] == '"'):
			// A single backslash would take the next character with it.
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// source is the canonical text of n. If blanks would push it over the limit of Parse, which the
// text it came from kept, it is written without them.
func (n *node) source() string {
	var b strings.Builder
	n.write(&b, " ")
	if s := b.String(); utf8.RuneCountInString(s) <= MaxLength {
		return s
	}
	b.Reset()
	n.write(&b, "")
	return b.String()
}

func (n *node) write(b *strings.Builder, blank string) {
	switch n.op {
	case opLiteral:
		if n.val.kind == KindString {
			b.WriteString(Quote(n.val.s))
		} else {
			b.WriteString(n.name) // as written: hexadecimal stays hexadecimal
		}
	case opWord:
		b.WriteString(n.name)
	case opAttribute:
		b.WriteString("[" + n.name + "]")
	case opCall:
		b.WriteString(n.name + "(")
		for i, arg := range n.args {
			if i > 0 {
				b.WriteString("," + blank)
			}
			arg.write(b, blank)
		}
		b.WriteByte(')')
	case opConcat, opCompare:
		for i, arg := range n.args {
			if i > 0 {
				b.WriteString(blank + n.name + blank)
			}
			arg.write(b, blank)
		}
	case opOmitted:
	}
}
