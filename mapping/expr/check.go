package expr

import (
	"slices"
	"strconv"
	"strings"
)

// check does the load-time checks of section 4 in their order, so that the first mistake reported
// is the same whatever the shape of the tree. It binds calls to functions and compiles literals.
func check(root *node) error {
	for _, pass := range []func(*node) error{
		bind,
		checkArity,
		func(n *node) error { return checkNesting(n, root) },
		checkWord,
		checkLiterals,
	} {
		if err := root.walk(pass); err != nil {
			return err
		}
	}
	return nil
}

// walk calls visit for n and everything below it, in the order of the text, until an error.
func (n *node) walk(visit func(*node) error) error {
	if err := visit(n); err != nil {
		return err
	}
	for _, arg := range n.args {
		if err := arg.walk(visit); err != nil {
			return err
		}
	}
	return nil
}

func bind(n *node) error {
	if n.op != opCall {
		return nil
	}
	for i := range table {
		if table[i].Name == n.name {
			n.fn = &table[i]
			return nil
		}
	}
	return &Error{Code: CodeUnknownFunction, Offset: n.pos, Message: unknownMessage(n.name), Hint: unknownHint(n.name)}
}

func unknownMessage(name string) string {
	if slices.Contains([]string{"DNComponent", "CRef", "StringFromSid", "Contains"}, name) {
		return "function " + Quote(name) + " is not supported"
	}
	return "unknown function " + Quote(name)
}

// unknownHint suggests what was meant.
func unknownHint(name string) string {
	switch strings.ToLower(name) {
	case "contains":
		return "use InStr(text, part) > 0"
	case "dncomponent", "cref", "stringfromsid":
		return "it exists for on-premises directories only; map another attribute"
	case "and", "or":
		return "there is no AND and no OR; nest IIF instead"
	case "if":
		return "did you mean IIF?"
	case "concat", "concatenate":
		return "did you mean Join, Append or the operator &?"
	case "substring", "substr", "right":
		return "did you mean Mid?"
	case "lcase", "lower":
		return "did you mean ToLower?"
	case "ucase", "upper":
		return "did you mean ToUpper?"
	}
	best, score := "", 0.6 // below it the names have little in common
	for _, f := range table {
		if s := similarity(strings.ToLower(name), strings.ToLower(f.Name)); s > score {
			best, score = f.Name, s
		}
	}
	if best == "" {
		return "no function has a similar name; names are case-sensitive"
	}
	if strings.EqualFold(best, name) {
		return "did you mean " + best + "? Names are case-sensitive"
	}
	return "did you mean " + best + "?"
}

// similarity is twice the length of the longest common subsequence over the length of both. Unlike
// an edit distance it finds ToLower behind Lowr.
func similarity(a, b string) float64 {
	row := make([]int, len(b)+1)
	for i := range len(a) {
		diagonal := 0
		for j := range len(b) {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return 2 * float64(row[len(b)]) / float64(len(a)+len(b))
}

func checkArity(n *node) error {
	if n.op != opCall {
		return nil
	}
	f, count := n.fn, len(n.args)
	if count < f.MinArgs || f.MaxArgs != unlimited && count > f.MaxArgs {
		return n.fail(CodeArity, f.usage(), "takes %s, but has %s", f.bounds(), arguments(count))
	}
	for i := range n.args {
		if p := f.param(i, count); !p.Optional && n.arg(i) == nil {
			return &Error{Code: CodeArity, Offset: n.args[i].pos, Hint: f.usage(),
				Message: n.name + ": argument " + strconv.Itoa(i+1) + " (" + p.Name + ") is required, but left out"}
		}
	}
	if f.check != nil {
		return f.check(n)
	}
	return nil
}

// bounds says how many arguments f takes.
func (f *function) bounds() string {
	switch {
	case f.MaxArgs == unlimited:
		return "at least " + arguments(f.MinArgs)
	case f.MinArgs == f.MaxArgs:
		return arguments(f.MinArgs)
	default:
		return strconv.Itoa(f.MinArgs) + " to " + arguments(f.MaxArgs)
	}
}

func arguments(n int) string {
	switch n {
	case 0:
		return "no arguments"
	case 1:
		return "1 argument"
	default:
		return strconv.Itoa(n) + " arguments"
	}
}

// usage shows how f is written.
func (f *function) usage() string {
	var b strings.Builder
	b.WriteString("write " + f.Name + "(")
	for i, p := range f.Params {
		if i > 0 {
			b.WriteString(", ")
		}
		switch {
		case f.Name == "Switch" && p.Repeats:
			b.WriteString("key1, value1, …")
		case p.Repeats:
			b.WriteString(p.Name + ", …")
		case p.Optional:
			b.WriteString("[" + p.Name + "]")
		default:
			b.WriteString(p.Name)
		}
	}
	b.WriteString(")")
	return b.String()
}

func checkNesting(n, root *node) error {
	if n.op == opCall && n.name == "SelectUniqueValue" && n != root {
		return n.fail(CodeNesting, "move the functions around it into each of its arguments", "may only be the outermost function")
	}
	return nil
}

// checkWord refuses bare words in the operands of n, and n itself if it is one. Words in their
// allowed places have been accepted with their call.
func checkWord(n *node) error {
	for i, arg := range n.args {
		if arg.op != opWord {
			continue
		}
		allowed := wordsFor(n, i)
		if slices.Contains(allowed, arg.name) {
			arg.prep = wordAccepted{}
			continue
		}
		return wordError(arg, allowed)
	}
	if _, ok := n.prep.(wordAccepted); n.op == opWord && !ok {
		return wordError(n, nil)
	}
	return nil
}

// wordAccepted marks a bare word in a place where section 2.4 allows it.
type wordAccepted struct{}

func wordsFor(n *node, i int) []string {
	switch {
	case n.op == opCall && n.name == "InStr" && i == 3:
		return []string{"vbTextCompare", "vbBinaryCompare"}
	case n.op == opCall && n.name == "ConvertFromBase64" && i == 1:
		return []string{"Unicode", "ASCII", "UTF8"}
	default:
		return nil
	}
}

func wordError(word *node, allowed []string) error {
	for _, a := range allowed {
		if strings.EqualFold(a, word.name) {
			return syntaxError(word.pos, "did you mean "+a+"?", "unknown word %s", word.name)
		}
	}
	if len(allowed) > 0 {
		return syntaxError(word.pos, "write "+strings.Join(allowed, " or "), "unknown word %s", word.name)
	}
	hint := "write [" + word.name + "] for an attribute, " + Quote(word.name) + " for text"
	switch strings.ToLower(word.name) {
	case "true", "false":
		hint = "write " + Quote(strings.ToUpper(word.name[:1])+strings.ToLower(word.name[1:])) + " with quotes"
	case "null", "nothing", "empty":
		hint = `leave the argument out for Null, write "" for empty text`
	case "and", "or":
		hint = "there is no AND and no OR; nest IIF instead"
	}
	return syntaxError(word.pos, hint, "the bare word %s is not a value", word.name)
}

// checkLiterals applies to literal control arguments what the evaluation would apply to their
// values, and keeps compiled patterns and formats.
func checkLiterals(n *node) error {
	if n.op != opCall {
		return nil
	}
	for i := range n.args {
		arg := n.arg(i)
		if arg == nil || arg.op != opLiteral && arg.op != opWord || ignored(n, i) {
			continue
		}
		prep, err := n.literal(i, arg.val)
		if err != nil {
			return err
		}
		arg.prep = prep
	}
	if n.name == "Replace" {
		return checkGroup(n)
	}
	return nil
}

// ignored reports a pattern that is written but plays no part in its Replace.
func ignored(n *node, i int) bool {
	return n.name == "Replace" && i == argPattern && replaceModeOf(n) == replaceTemplate
}

// literal checks v as control argument i of n; prep is its compiled form if it has one.
func (n *node) literal(i int, v Value) (prep any, err error) {
	switch w := n.fn.param(i, len(n.args)).want; w {
	case wantInteger, wantPosition, wantCount, wantIndex:
		_, err = n.integer(i, v, w)
	case wantAmount:
		_, err = n.amount(i, v)
	case wantNumber:
		_, _, err = n.numberOrNull(i, v)
	case wantBoolean:
		_, err = n.truth(i, v)
	case wantInterval:
		_, err = n.interval(i, v)
	case wantCulture:
		_, err = n.culture(i, v)
	case wantCompare:
		_, err = n.compareMode(i, v)
	case wantEncoding:
		_, err = n.encoding(i, v)
	case wantStyles:
		prep, err = n.styles(i, v)
	case wantPattern:
		prep, err = n.pattern(i, v)
	case wantLayout:
		prep, err = n.layout(i, v)
	}
	if err != nil {
		return nil, err // a typed nil in prep would count as compiled
	}
	return prep, nil
}

func checkSwitch(n *node) error {
	if len(n.args)%2 != 0 {
		return n.fail(CodeArity, n.fn.usage(), "keys and values come in pairs after source and defaultValue, but there are %s", arguments(len(n.args)))
	}
	return nil
}
