package expr

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/dlclark/regexp2/syntax"
)

// matchTimeout bounds one match. The .NET dialect backtracks, so a pattern can take exponential
// time on a text it almost matches.
const matchTimeout = time.Second

// Arguments of Replace.
const (
	argSource = iota
	argOldValue
	argPattern
	argGroup
	argReplacement
	argAttribute
	argTemplate
	replaceArgs
)

// replaceMode is the row of the table in 10.36 that applies.
type replaceMode uint8

const (
	replaceNone      replaceMode = iota
	replaceText                  // row 1
	replaceTemplate              // row 2
	replacePattern               // row 3
	replaceGroup                 // row 4
	replaceFromOther             // row 5
)

// replaceModeOf looks at which arguments are written, not at their values.
func replaceModeOf(n *node) replaceMode {
	written := func(args ...int) bool {
		return !slices.ContainsFunc(args, func(i int) bool { return n.arg(i) == nil })
	}
	switch {
	case written(argPattern, argGroup, argAttribute):
		return replaceFromOther
	case written(argOldValue, argTemplate):
		return replaceTemplate
	case written(argPattern, argGroup, argReplacement):
		return replaceGroup
	case written(argPattern, argReplacement):
		return replacePattern
	case written(argOldValue, argReplacement):
		return replaceText
	default:
		return replaceNone
	}
}

func checkReplace(n *node) error {
	if replaceModeOf(n) != replaceNone {
		return nil
	}
	return n.fail(CodeArity, "write oldValue and replacementValue; oldValue and template; regexPattern and replacementValue, with or without regexGroupName; "+
		"or regexPattern, regexGroupName and replacementAttributeName", "the written arguments do not go together")
}

// checkGroup finds at load a group name that a literal pattern does not define.
func checkGroup(n *node) error {
	mode := replaceModeOf(n)
	if mode != replaceGroup && mode != replaceFromOther {
		return nil
	}
	re, ok := n.arg(argPattern).prep.(*regexp2.Regexp)
	if name := n.arg(argGroup); ok && name.op == opLiteral {
		_, err := n.group(re, name.val)
		return err
	}
	return nil
}

// evalReplace is 10.36.
func evalReplace(ev *evaluation, n *node) (Value, error) {
	var args [replaceArgs]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	mode := replaceModeOf(n)
	switch mode {
	case replaceText, replaceTemplate:
		return ev.replaceText(n, mode, args)
	}

	re, err := n.pattern(argPattern, args[argPattern])
	if err != nil {
		return Value{}, err
	}
	group := 0
	if mode != replacePattern {
		if group, err = n.group(re, args[argGroup]); err != nil {
			return Value{}, err
		}
	}
	if mode == replaceFromOther {
		return ev.replaceFromOther(n, re, group, args[argSource], args[argAttribute])
	}
	with, err := n.textOrEmpty(argReplacement, args[argReplacement])
	if err != nil {
		return Value{}, err
	}
	var parts []replacementPart
	if mode == replacePattern {
		parts = parseReplacement(re, with)
	}
	return ev.mapped(n, argSource, args[argSource], func(_ Value, s string) (Value, error) {
		if s == "" {
			return String(""), nil
		}
		var edits []edit
		visit := func(m *regexp2.Match) error {
			e, ok := groupEdit(m, group, with)
			if mode == replacePattern {
				if err := ev.spend(n, expandedLength(m, parts)); err != nil {
					return err
				}
				e, ok = edit{from: m.Index, to: m.Index + m.Length, text: expand(m, parts)}, true
			}
			if ok {
				edits = append(edits, e)
			}
			return ev.spend(n, len(e.text))
		}
		if err := n.matches(re, s, visit); err != nil {
			return Value{}, err
		}
		return ev.build(n, apply(s, edits))
	})
}

// replaceText is rows 1 and 2: plain texts.
func (ev *evaluation) replaceText(n *node, mode replaceMode, args [replaceArgs]Value) (Value, error) {
	var texts [replaceArgs]string
	for _, i := range []int{argOldValue, argReplacement, argTemplate} {
		if i == argReplacement && mode == replaceTemplate || i == argTemplate && mode == replaceText {
			continue // written perhaps, but ignored
		}
		var err error
		if texts[i], err = n.textOrEmpty(i, args[i]); err != nil {
			return Value{}, err
		}
	}
	old := texts[argOldValue]
	return ev.mapped(n, argSource, args[argSource], func(_ Value, s string) (Value, error) {
		in, with := s, texts[argReplacement]
		if mode == replaceTemplate {
			in, with = texts[argTemplate], s
		}
		switch {
		case s == "":
			return String(""), nil
		case old == "": // strings.ReplaceAll would put the replacement between all characters
			return ev.build(n, in)
		}
		if err := ev.spend(n, strings.Count(in, old)*len(with)); err != nil {
			return Value{}, err
		}
		return ev.build(n, strings.ReplaceAll(in, old, with))
	})
}

// replaceFromOther is row 5: the source, or what the group finds in another attribute.
func (ev *evaluation) replaceFromOther(n *node, re *regexp2.Regexp, group int, source, other Value) (Value, error) {
	if !source.isEmpty() {
		return source, nil
	}
	if other.kind == KindNull {
		return Value{}, nil
	}
	s, err := n.text(argAttribute, other)
	if err != nil {
		return Value{}, err
	}
	m, err := safely(func() (*regexp2.Match, error) { return re.FindStringMatch(s) })
	if err != nil {
		return Value{}, n.failMatch()
	}
	if m == nil {
		return Value{}, nil
	}
	found := m.GroupByNumber(group).String()
	if found == "" {
		return Value{}, nil
	}
	return ev.build(n, found)
}

// group is the number of the named group; numbers are names too.
func (n *node) group(re *regexp2.Regexp, v Value) (int, error) {
	name, err := n.textOrEmpty(argGroup, v)
	if err != nil {
		return 0, err
	}
	number, ok := groupNumber(re, name)
	if !ok {
		return 0, n.failArg(argGroup, CodeRegex, "name a group that the pattern defines as (?<name>…)", "is not a group of the pattern: %s", n.got(argGroup, v))
	}
	return number, nil
}

func groupNumber(re *regexp2.Regexp, name string) (int, bool) {
	if allDigits(name) && len(name) <= 9 {
		number := 0
		for i := range len(name) {
			number = number*10 + int(name[i]-'0')
		}
		return number, slices.Contains(re.GetGroupNumbers(), number)
	}
	if name == "" {
		return 0, false
	}
	number := re.GroupNumberFromName(name)
	return number, number >= 0
}

// patternProblem says why a pattern does not compile: in full, quoting it, or only by its code.
type patternProblem struct {
	full, code string
}

// compilePattern compiles a .NET regular expression.
func compilePattern(s string) (*regexp2.Regexp, *patternProblem) {
	re, err := safely(func() (*regexp2.Regexp, error) { return regexp2.Compile(s, regexp2.None) })
	if err == nil {
		re.MatchTimeout = matchTimeout
		return re, nil
	}
	problem := &patternProblem{full: strings.TrimPrefix(err.Error(), "error parsing regexp: "), code: "its syntax is wrong"}
	if e, ok := errors.AsType[*syntax.Error](err); ok && len(e.Args) == 0 {
		problem.code = e.Code.String()
	}
	return nil, problem
}

// safely calls into the expression library. It panics on some patterns that .NET refuses, and a
// pattern that somebody typed must not end the process.
func safely[T any](call func() (T, error)) (result T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the pattern is not supported: %v", r)
		}
	}()
	return call()
}

// matches calls visit for each match of re in s. The replace functions of the library are not used
// because they take a match that runs out of time for the end of the text.
func (n *node) matches(re *regexp2.Regexp, s string, visit func(*regexp2.Match) error) error {
	m, err := safely(func() (*regexp2.Match, error) { return re.FindStringMatch(s) })
	for err == nil && m != nil {
		if err := visit(m); err != nil {
			return err
		}
		last := m
		m, err = safely(func() (*regexp2.Match, error) { return re.FindNextMatch(last) })
	}
	if err != nil {
		return n.failMatch()
	}
	return nil
}

func (n *node) failMatch() error {
	return n.failArg(argPattern, CodeRegex, "avoid nested repetitions such as (a+)+", "takes longer than %s on this value", matchTimeout)
}

// edit replaces the characters from..to, counted in code points.
type edit struct {
	from, to int
	text     string
}

// groupEdit replaces what the group matched; ok is false if that is nothing.
func groupEdit(m *regexp2.Match, group int, with string) (e edit, ok bool) {
	g := m.GroupByNumber(group)
	if g == nil || len(g.Captures) == 0 || g.Length == 0 {
		return edit{}, false
	}
	return edit{from: g.Index, to: g.Index + g.Length, text: with}, true
}

// apply carries out edits in the order of their places, leaving out those that overlap an earlier
// one: a group in a lookahead or lookbehind may lie in another match.
func apply(s string, edits []edit) string {
	if len(edits) == 0 {
		return s
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	var b strings.Builder
	runes := []rune(s)
	done := 0
	for _, e := range edits {
		if e.from < done {
			continue
		}
		b.WriteString(string(runes[done:e.from]))
		b.WriteString(e.text)
		done = e.to
	}
	b.WriteString(string(runes[done:]))
	return b.String()
}

// replacementPart is a literal text or, if group is not negative, a reference.
type replacementPart struct {
	text  string
	group int
}

// parseReplacement takes a replacement with references apart: ${name}, ${n}, $n, $& and $$. What
// refers to no group of re stays as it is written.
func parseReplacement(re *regexp2.Regexp, s string) []replacementPart {
	var parts []replacementPart
	literal := func(text string) {
		if last := len(parts) - 1; last >= 0 && parts[last].group < 0 {
			parts[last].text += text
		} else if text != "" {
			parts = append(parts, replacementPart{text: text, group: -1})
		}
	}
	for {
		before, after, found := strings.Cut(s, "$")
		literal(before)
		if !found {
			return parts
		}
		name, size := referenceName(after)
		number, ok := 0, name == "&"
		if !ok && size > 0 {
			number, ok = groupNumber(re, name)
		}
		switch {
		case strings.HasPrefix(after, "$"):
			literal("$")
			size = 1
		case ok:
			parts = append(parts, replacementPart{group: number})
		default:
			literal("$")
			size = 0
		}
		s = after[size:]
	}
}

// referenceName is the name that a reference after $ has, and its length with the braces.
func referenceName(s string) (name string, size int) {
	switch {
	case s == "":
		return "", 0
	case s[0] == '&':
		return "&", 1
	case s[0] == '{':
		if end := strings.IndexByte(s, '}'); end > 1 && s[1:end] != "&" {
			return s[1:end], end + 1
		}
		return "", 0
	default:
		for size < len(s) && isDigit(rune(s[size])) {
			size++
		}
		return s[:size], size
	}
}

// expandedLength is the length of what expand gives, in bytes for texts and code points for groups:
// near enough to refuse a replacement before it is built.
func expandedLength(m *regexp2.Match, parts []replacementPart) int {
	length := 0
	for _, part := range parts {
		length += len(part.text)
		if g := m.GroupByNumber(max(part.group, 0)); part.group >= 0 && g != nil {
			length += g.Length
		}
	}
	return length
}

// expand is the replacement of one match. A group that took no part is "".
func expand(m *regexp2.Match, parts []replacementPart) string {
	var b strings.Builder
	for _, part := range parts {
		switch {
		case part.group < 0:
			b.WriteString(part.text)
		case part.group == 0:
			b.WriteString(m.String())
		default:
			if g := m.GroupByNumber(part.group); g != nil {
				b.WriteString(g.String())
			}
		}
	}
	return b.String()
}
