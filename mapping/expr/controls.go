package expr

import (
	"strings"

	"github.com/dlclark/regexp2"
)

// Control arguments say how a function works: numbers, intervals, formats, cultures, modes,
// patterns. They are checked before the main argument is looked at (section 6), and literal ones
// already at load, by the methods below. Each gets v as argument i of n.

// text is the text form of a main argument that is not Null.
func (n *node) text(i int, v Value) (string, error) {
	if one, ok := v.scalar(); ok {
		if s, ok := one.text(); ok {
			return s, nil
		}
	}
	return "", n.failArg(i, CodeTypeMismatch, textHint(v), "must have a text form, but is %s", v.describe())
}

// textOrEmpty is text for an argument in which Null counts as "".
func (n *node) textOrEmpty(i int, v Value) (string, error) {
	if v.kind == KindNull {
		return "", nil
	}
	return n.text(i, v)
}

func textHint(v Value) string {
	if v.kind == KindList {
		return "pick one value with Item, or put all into one text with Join"
	}
	return "map another attribute"
}

// integer is a whole number within the bounds of w.
func (n *node) integer(i int, v Value, w want) (int64, error) {
	k, err := n.wholeOf(i, v, number.integer)
	if err != nil {
		return 0, err
	}
	switch {
	case w == wantPosition && k < 1:
		return 0, n.failArg(i, CodeInvalidArgument, "positions count from 1", "must be 1 or more")
	case w == wantCount && k < 0:
		return 0, n.failArg(i, CodeInvalidArgument, "use 0 for none", "must be 0 or more")
	case w == wantIndex && k < 1:
		return 0, n.failArg(i, CodeIndexOutOfRange, "values count from 1", "must be 1 or more")
	}
	return k, nil
}

// amount is a number whose fraction is cut off towards zero.
func (n *node) amount(i int, v Value) (int64, error) { return n.wholeOf(i, v, number.truncate) }

func (n *node) wholeOf(i int, v Value, convert func(number) (int64, Code)) (int64, error) {
	if v.kind == KindNull {
		return 0, n.failArg(i, CodeInvalidArgument, "give a number, for example with Coalesce", "must be a number, but is Null")
	}
	k, _, err := n.numberAs(i, v, convert)
	return k, err
}

// numberOrNull is a whole number or Null.
func (n *node) numberOrNull(i int, v Value) (k int64, null bool, err error) {
	return n.numberAs(i, v, number.integer)
}

func (n *node) numberAs(i int, v Value, convert func(number) (int64, Code)) (k int64, null bool, err error) {
	one, _ := v.scalar()
	if one.kind == KindNull {
		return 0, true, nil
	}
	num, ok := one.number()
	if !ok {
		return 0, false, n.failArg(i, CodeTypeMismatch, "write a number, or map an attribute that holds one", "must be a number, but is %s", n.got(i, v))
	}
	k, code := convert(num)
	switch code {
	case "":
		return k, false, nil
	case CodeTypeMismatch:
		return 0, false, n.failArg(i, code, "use a number without a fraction", "must be a whole number")
	default:
		return 0, false, n.failArg(i, code, "use a smaller number", "does not fit into 64 bits")
	}
}

// truth is a condition.
func (n *node) truth(i int, v Value) (bool, error) {
	one, ok := v.scalar()
	if ok {
		if b, ok := one.truth(); ok {
			return b, nil
		}
	}
	return false, n.failArg(i, CodeTypeMismatch, `compare it, as in [attribute] = "value"`, "must be True or False, but is %s", n.got(i, v))
}

// interval is one of the units of DateAdd and DateDiff.
func (n *node) interval(i int, v Value) (string, error) {
	s, err := n.textOrEmpty(i, v)
	if err != nil {
		return "", err
	}
	switch s {
	case "yyyy", "m", "d", "ww", "h", "n", "s":
		return s, nil
	}
	return "", n.failArg(i, CodeInvalidArgument, "write yyyy (years), m (months), ww (weeks), d (days), h (hours), n (minutes) or s (seconds)",
		"must be an interval, but is %s", n.got(i, v))
}

func (n *node) culture(i int, v Value) (culture, error) {
	s, err := n.textOrEmpty(i, v)
	if err != nil {
		return invariant, err
	}
	c, ok := parseCulture(s)
	if !ok {
		return invariant, n.failArg(i, CodeInvalidArgument, `write a name such as "tr-TR"`, "must be a culture, but is %s", n.got(i, v))
	}
	return c, nil
}

// compareMode reports whether InStr ignores letter case.
func (n *node) compareMode(i int, v Value) (ignoreCase bool, err error) {
	s, err := n.textOrEmpty(i, v)
	if err != nil {
		return false, err
	}
	switch s {
	case "vbBinaryCompare":
		return false, nil
	case "vbTextCompare":
		return true, nil
	}
	one, _ := v.scalar()
	if num, ok := one.number(); ok && num.compare(number{whole: true, i: 0}) == 0 {
		return false, nil
	} else if ok && num.compare(number{whole: true, i: 1}) == 0 {
		return true, nil
	}
	return false, n.failArg(i, CodeInvalidArgument, "write vbBinaryCompare (case-sensitive) or vbTextCompare (any letter case)",
		"must be a way to compare, but is %s", n.got(i, v))
}

func (n *node) encoding(i int, v Value) (string, error) {
	s, err := n.textOrEmpty(i, v)
	if err != nil {
		return "", err
	}
	switch s {
	case "Unicode", "ASCII", "UTF8":
		return s, nil
	}
	return "", n.failArg(i, CodeInvalidArgument, "write Unicode, ASCII or UTF8", "must be an encoding, but is %s", n.got(i, v))
}

// styles is a comma-separated list of names of DateTimeStyles.
func (n *node) styles(i int, v Value) (styles, error) {
	s, err := n.textOrEmpty(i, v)
	if err != nil {
		return styles{}, err
	}
	st, ok := parseStyles(s)
	if !ok {
		return styles{}, n.failArg(i, CodeInvalidArgument, "write for example AllowWhiteSpaces, or leave it out", "must be names of DateTimeStyles, but is %s", n.got(i, v))
	}
	return st, nil
}

// layout is a date format, compiled at load if it is a literal.
func (n *node) layout(i int, v Value) (*layout, error) {
	if arg := n.arg(i); arg != nil {
		if l, ok := arg.prep.(*layout); ok {
			return l, nil
		}
	}
	s, err := n.textOrEmpty(i, v)
	if err != nil {
		return nil, err
	}
	l, problem := parseLayout(s)
	if problem != "" {
		return nil, n.failArg(i, CodeInvalidArgument, `write a format such as "yyyy-MM-dd"`, "is not a date format: %s", problem)
	}
	return l, nil
}

// pattern is a regular expression, compiled at load if it is a literal.
func (n *node) pattern(i int, v Value) (*regexp2.Regexp, error) {
	arg := n.arg(i)
	if arg != nil {
		if re, ok := arg.prep.(*regexp2.Regexp); ok {
			return re, nil
		}
	}
	s, err := n.textOrEmpty(i, v)
	if err != nil {
		return nil, err
	}
	re, problem := compilePattern(s)
	if problem != nil {
		why := problem.code
		if arg != nil && arg.op == opLiteral {
			why = problem.full
		}
		hint := "correct the pattern; .NET regular expressions are understood"
		if strings.ContainsRune(`()[]{}*+?|.^$\`, firstRune(s)) && len([]rune(s)) == 1 {
			hint = `put a backslash before the character to mean it literally, as in "\` + s + `"`
		}
		if arg == nil || arg.op != opLiteral {
			hint = "correct the pattern in the source attribute"
		}
		return nil, n.failArg(i, CodeRegex, hint, "is not a regular expression: %s", why)
	}
	return re, nil
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return -1
}
