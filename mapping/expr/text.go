package expr

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// evalAppend is 10.1.
func evalAppend(ev *evaluation, n *node) (Value, error) { return ev.affix(n, 0, 1) }

// evalPrepend is in 11.1.
func evalPrepend(ev *evaluation, n *node) (Value, error) { return ev.affix(n, 1, 0) }

// affix puts two texts together, in the order of the arguments. The main argument maps; a Null
// addition leaves it untouched, whatever its kind.
func (ev *evaluation) affix(n *node, main, addition int) (Value, error) {
	var args [2]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	add, err := n.textOrEmpty(addition, args[addition])
	if err != nil {
		return Value{}, err
	}
	return ev.mapped(n, main, args[main], func(v Value, s string) (Value, error) {
		switch {
		case args[addition].kind == KindNull:
			return v, nil
		case main == 0:
			return ev.build(n, s+add)
		default:
			return ev.build(n, add+s)
		}
	})
}

// evalCStr is 10.10.
func evalCStr(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil || v.kind == KindNull {
		return Value{}, err
	}
	s, err := n.text(0, v)
	if err != nil {
		return Value{}, err
	}
	return ev.build(n, s)
}

// evalIsString is 10.22.
func evalIsString(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	one, ok := v.scalar()
	return Bool(ok && one.kind != KindNull && one.kind != KindComplex), nil
}

// evalInStr is 10.18.
func evalInStr(ev *evaluation, n *node) (Value, error) {
	var args [4]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	start, ignoreCase := int64(1), false
	var err error
	if n.arg(2) != nil {
		if start, err = n.integer(2, args[2], wantPosition); err != nil {
			return Value{}, err
		}
	}
	if n.arg(3) != nil {
		if ignoreCase, err = n.compareMode(3, args[3]); err != nil {
			return Value{}, err
		}
	}
	text, err := n.textOrEmpty(0, args[0])
	if err != nil {
		return Value{}, err
	}
	part, err := n.textOrEmpty(1, args[1])
	if err != nil {
		return Value{}, err
	}
	from := byteOffset(text, start-1)
	if args[1].kind == KindNull || from >= len(text) {
		return Int(0), nil
	}
	rest := text[from:]
	if ignoreCase {
		rest, part = lower(rest, invariant), lower(part, invariant)
	}
	at := strings.Index(rest, part)
	if at < 0 {
		return Int(0), nil
	}
	return Int(start + int64(utf8.RuneCountInString(rest[:at]))), nil
}

// byteOffset is where character number k (from 0) of s begins, or len(s) if s is shorter.
func byteOffset(s string, k int64) int {
	if k >= int64(len(s)) {
		return len(s) // there are not more characters than bytes
	}
	for i := range s {
		if k == 0 {
			return i
		}
		k--
	}
	return len(s)
}

// evalLeft is 10.25.
func evalLeft(ev *evaluation, n *node) (Value, error) {
	var args [2]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	count, err := n.integer(1, args[1], wantInteger)
	if err != nil {
		return Value{}, err
	}
	if args[0].kind == KindNull {
		return String(""), nil
	}
	return ev.mapText(n, args[0], func(s string) string {
		if count < 0 {
			return s
		}
		return s[:byteOffset(s, count)]
	})
}

// evalMid is 10.26.
func evalMid(ev *evaluation, n *node) (Value, error) {
	var args [3]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	start, err := n.integer(1, args[1], wantPosition)
	if err != nil {
		return Value{}, err
	}
	length, err := n.integer(2, args[2], wantCount)
	if err != nil {
		return Value{}, err
	}
	return ev.mapText(n, args[0], func(s string) string {
		s = s[byteOffset(s, start-1):]
		return s[:byteOffset(s, length)]
	})
}

// evalStripSpaces is 10.39.
func evalStripSpaces(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	return ev.mapText(n, v, func(s string) string { return strings.ReplaceAll(s, " ", "") })
}

// evalTrim is in 11.1.
func evalTrim(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	return ev.mapText(n, v, strings.TrimSpace)
}

// evalWord is 10.42.
func evalWord(ev *evaluation, n *node) (Value, error) {
	var args [3]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	number, err := n.integer(1, args[1], wantInteger)
	if err != nil {
		return Value{}, err
	}
	delimiters, err := n.textOrEmpty(2, args[2])
	if err != nil {
		return Value{}, err
	}
	text, err := n.textOrEmpty(0, args[0])
	if err != nil {
		return Value{}, err
	}
	words := strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(delimiters, r) })
	for word := range words {
		if number--; number == 0 {
			return ev.build(n, word)
		}
	}
	return String(""), nil
}

// evalConvertToBase64 is 10.7.
func evalConvertToBase64(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	return ev.mapText(n, v, func(s string) string {
		units := utf16.Encode([]rune(s))
		b := make([]byte, 0, 2*len(units))
		for _, u := range units {
			b = append(b, byte(u), byte(u>>8))
		}
		return base64.StdEncoding.EncodeToString(b)
	})
}

// evalConvertToUTF8Hex is 10.8.
func evalConvertToUTF8Hex(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	return ev.mapText(n, v, func(s string) string {
		const digits = "0123456789ABCDEF"
		b := make([]byte, 0, 2*len(s))
		for i := range len(s) {
			b = append(b, digits[s[i]>>4], digits[s[i]&15])
		}
		return string(b)
	})
}

// evalConvertFromBase64 is in 11.1.
func evalConvertFromBase64(ev *evaluation, n *node) (Value, error) {
	var args [2]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	encoding := "Unicode"
	if n.arg(1) != nil {
		var err error
		if encoding, err = n.encoding(1, args[1]); err != nil {
			return Value{}, err
		}
	}
	return ev.mapped(n, 0, args[0], func(_ Value, s string) (Value, error) {
		// The vendor's platform ignores white space in base64.
		raw, err := base64.StdEncoding.DecodeString(strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(s))
		if err != nil {
			return Value{}, n.failArg(0, CodeInvalidArgument, "map an attribute that holds base64", "is not base64")
		}
		text, ok := decode(raw, encoding)
		if !ok {
			return Value{}, n.failArg(0, CodeInvalidArgument, "name the encoding the text was written in: Unicode, ASCII or UTF8", "does not hold %s text", encoding)
		}
		return ev.build(n, text)
	})
}

// decode reads raw as text of the encoding; ok is false if it is not.
func decode(raw []byte, encoding string) (s string, ok bool) {
	switch encoding {
	case "UTF8":
		return string(raw), utf8.Valid(raw)
	case "ASCII":
		for _, b := range raw {
			if b > unicode.MaxASCII {
				return "", false
			}
		}
		return string(raw), true
	default:
		if len(raw)%2 != 0 {
			return "", false
		}
		var text strings.Builder
		for len(raw) > 0 {
			r := rune(raw[0]) | rune(raw[1])<<8
			raw = raw[2:]
			if utf16.IsSurrogate(r) {
				if len(raw) == 0 {
					return "", false
				}
				r = utf16.DecodeRune(r, rune(raw[0])|rune(raw[1])<<8)
				raw = raw[2:]
				if r == utf8.RuneError {
					return "", false
				}
			}
			text.WriteRune(r)
		}
		return text.String(), true
	}
}
