package expr

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// culture selects the letters whose case depends on the language. Only Turkish and Azerbaijani
// differ in simple case mapping.
type culture uint8

const (
	invariant culture = iota
	turkic
)

// parseCulture reads a name such as tr-TR: 2 or 3 letters, then groups of 1 to 8 letters or digits
// after hyphens. "" is invariant.
func parseCulture(s string) (c culture, ok bool) {
	if s == "" {
		return invariant, true
	}
	language, rest, more := strings.Cut(s, "-")
	if len(language) < 2 || len(language) > 3 || strings.ContainsFunc(language, func(r rune) bool { return !isLetterASCII(r) }) {
		return invariant, false
	}
	for more {
		var part string
		part, rest, more = strings.Cut(rest, "-")
		if part == "" || len(part) > 8 || strings.ContainsFunc(part, func(r rune) bool { return !isLetterASCII(r) && !isDigit(r) }) {
			return invariant, false
		}
	}
	if l := strings.ToLower(language); l == "tr" || l == "az" {
		return turkic, true
	}
	return invariant, true
}

func isLetterASCII(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

const (
	dottedCapitalI = 'İ' // U+0130
	dotlessSmallI  = 'ı' // U+0131
)

// lower is the simple lower-case mapping of 10.41, one code point for one.
func lower(s string, c culture) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == dottedCapitalI && c == turkic:
			return 'i'
		case r == 'I' && c == turkic:
			return dotlessSmallI
		case r == dottedCapitalI:
			return r
		default:
			return unicode.ToLower(r)
		}
	}, s)
}

// upper is the simple upper-case mapping of 10.41.
func upper(s string, c culture) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == dotlessSmallI && c == turkic:
			return 'I'
		case r == 'i' && c == turkic:
			return dottedCapitalI
		case r == dotlessSmallI:
			return r
		default:
			return unicode.ToUpper(r)
		}
	}, s)
}

// title is the title-case form of one letter. Like upper it leaves the dotless i alone.
func title(r rune) rune {
	if r == dotlessSmallI {
		return r
	}
	return unicode.ToTitle(r)
}

// evalToLower and evalToUpper are 10.41.
func evalToLower(ev *evaluation, n *node) (Value, error) { return ev.casing(n, lower) }
func evalToUpper(ev *evaluation, n *node) (Value, error) { return ev.casing(n, upper) }

func (ev *evaluation) casing(n *node, change func(string, culture) string) (Value, error) {
	var args [2]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	c, err := n.culture(1, args[1])
	if err != nil {
		return Value{}, err
	}
	return ev.mapText(n, args[0], func(s string) string { return change(s, c) })
}

// evalPCase is 10.31.
func evalPCase(ev *evaluation, n *node) (Value, error) {
	var args [2]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	separators, err := n.textOrEmpty(1, args[1])
	if err != nil {
		return Value{}, err
	}
	if n.arg(1) != nil {
		return ev.mapText(n, args[0], func(s string) string { return titleAfter(lower(s, invariant), separators) })
	}
	return ev.mapText(n, args[0], func(s string) string { return titleWords(lower(s, invariant)) })
}

// titleAfter raises the first character and each one that follows a separator.
func titleAfter(s, separators string) string {
	raise := true
	return strings.Map(func(r rune) rune {
		raised := r
		if raise {
			raised = title(r)
		}
		raise = strings.ContainsRune(separators, r)
		return raised
	}, s)
}

// titleWords raises each letter that starts a word. A word runs on over everything that continues
// reports; a digit keeps a word going but does not start one.
func titleWords(s string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r):
			if !inWord {
				inWord = true
				return title(r)
			}
		case !continues(r):
			inWord = false
		}
		return r
	}, s)
}

// continues reports what does not end a word: the ASCII apostrophe, marks, numbers, private-use and
// unassigned characters.
func continues(r rune) bool {
	return r == '\'' || unicode.IsMark(r) || unicode.IsNumber(r) || unicode.Is(unicode.Co, r) || unicode.Is(unicode.Cn, r)
}

// evalNormalizeDiacritics is 10.27.
func evalNormalizeDiacritics(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	return ev.mapText(n, v, stripDiacritics)
}

// stripDiacritics decomposes s, removes the nonspacing marks that follow a Latin letter, replaces
// the letters that have no decomposition, and composes the rest again.
func stripDiacritics(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	latin := false
	for _, r := range norm.NFD.String(s) {
		switch {
		case unicode.Is(unicode.Mn, r):
			if latin {
				continue
			}
		case unicode.IsMark(r):
			// Other marks stay and do not end the run of marks behind the letter.
		default:
			latin = unicode.IsLetter(r) && unicode.Is(unicode.Latin, r)
		}
		b.WriteString(plainLetter(r))
	}
	return norm.NFC.String(b.String())
}

func plainLetter(r rune) string {
	switch r {
	case 'ß':
		return "ss"
	case 'ẞ':
		return "SS"
	case 'æ':
		return "ae"
	case 'Æ':
		return "AE"
	case 'œ':
		return "oe"
	case 'Œ':
		return "OE"
	case 'ø':
		return "oe"
	case 'Ø':
		return "OE"
	case 'ł':
		return "l"
	case 'Ł':
		return "L"
	case dotlessSmallI:
		return "i"
	default:
		return string(r)
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
