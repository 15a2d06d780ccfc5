package expr

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLength is the longest text of an expression, in code points (section 1).
const MaxLength = 10_000

// maxDepth is how deep calls may nest. A correct expression of MaxLength characters nests less
// deeply, so it only guards the parser against text that is no expression.
const maxDepth = 2000

type opcode uint8

const (
	opLiteral   opcode = iota // a string or a number
	opWord                    // vbTextCompare and the like (2.4)
	opAttribute               // [name]
	opCall                    // name(args)
	opConcat                  // args joined with &
	opCompare                 // two args and a relational operator
	opOmitted                 // nothing between two commas (3.1)
)

// node is one node of the syntax tree. It does not change after Parse.
type node struct {
	op   opcode
	pos  int     // code points before it
	name string  // attribute, function, word or operator
	val  Value   // of literals and words
	args []*node // of calls and operators
	fn   *function
	prep any // what the load-time check compiled from a literal: *pattern, *layout
}

// arg is argument i, or nil if it is omitted or not written.
func (n *node) arg(i int) *node {
	if i >= len(n.args) || n.args[i].op == opOmitted {
		return nil
	}
	return n.args[i]
}

type parser struct {
	src   []rune
	i     int
	depth int
}

// parse builds the tree of text by the grammar of section 3. Names and arguments are not checked.
func parse(text string) (*node, error) {
	if n := utf8.RuneCountInString(text); n > MaxLength {
		return nil, &Error{Code: CodeTooLong, Offset: MaxLength,
			Message: "the expression has " + strconv.Itoa(n) + " characters; at most " + strconv.Itoa(MaxLength) + " are allowed",
			Hint:    "split it over several mappings or shorten it"}
	}
	if !utf8.ValidString(text) {
		valid := 0
		for valid < len(text) {
			r, size := utf8.DecodeRuneInString(text[valid:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			valid += size
		}
		return nil, syntaxError(utf8.RuneCountInString(text[:valid]), "save the text as UTF-8", "the text is not valid UTF-8")
	}
	p := &parser{src: []rune(text)}
	p.space()
	if p.end() {
		return nil, syntaxError(p.i, `write [attribute], "constant" or a function call`, "the expression is empty")
	}
	root, err := p.comparison()
	if err != nil {
		return nil, err
	}
	if !p.end() {
		return nil, p.leftover()
	}
	return root, nil
}

func (p *parser) end() bool { return p.i >= len(p.src) }

// peek is the code point k places ahead, or -1 behind the end.
func (p *parser) peek(k int) rune {
	if p.i+k >= len(p.src) {
		return -1
	}
	return p.src[p.i+k]
}

// space skips white space. unicode.IsSpace is the Unicode property White_Space.
func (p *parser) space() {
	for !p.end() && unicode.IsSpace(p.src[p.i]) {
		p.i++
	}
}

// comparison parses concat [ relop concat ] and the white space behind it.
func (p *parser) comparison() (*node, error) {
	left, err := p.concat()
	if err != nil {
		return nil, err
	}
	at := p.i
	op := p.relop()
	if op == "" {
		return left, nil
	}
	right, err := p.concat()
	if err != nil {
		return nil, err
	}
	again := p.i
	if next := p.relop(); next != "" {
		return nil, syntaxError(again, "combine two comparisons with IIF, as in IIF([a] = [b], [b] = [c], \"False\")",
			"comparisons do not chain: %s follows a complete comparison", next)
	}
	return &node{op: opCompare, pos: at, name: op, args: []*node{left, right}}, nil
}

// relop consumes a relational operator; "" if there is none.
func (p *parser) relop() string {
	for _, op := range []string{"<>", ">=", "<=", "=", ">", "<"} {
		if p.peek(0) == rune(op[0]) && (len(op) == 1 || p.peek(1) == rune(op[1])) {
			p.i += len(op)
			return op
		}
	}
	return ""
}

// concat parses primary { "&" primary }. The operands of a chain become one node, so that a long
// chain is not a deep tree.
func (p *parser) concat() (*node, error) {
	first, err := p.primary()
	if err != nil {
		return nil, err
	}
	var chain *node
	for p.space(); p.peek(0) == '&'; p.space() {
		if chain == nil {
			chain = &node{op: opConcat, pos: p.i, name: "&", args: []*node{first}}
		}
		p.i++
		next, err := p.primary()
		if err != nil {
			return nil, err
		}
		chain.args = append(chain.args, next)
	}
	if chain != nil {
		return chain, nil
	}
	return first, nil
}

func (p *parser) primary() (*node, error) {
	p.space()
	switch r := p.peek(0); {
	case r == '"':
		return p.text()
	case r == '[':
		return p.attribute()
	case r == '&' && (p.peek(1) == 'H' || p.peek(1) == 'h'):
		return p.hexadecimal()
	case isDigit(r), (r == '-' || r == '+') && isDigit(p.peek(1)):
		return p.number()
	case isNameStart(r):
		return p.callOrWord()
	default:
		return nil, p.noValue(r)
	}
}

// noValue explains what stands where a value should.
func (p *parser) noValue(r rune) error {
	const values = `write [attribute], "text", a number or a function call`
	switch {
	case r == -1:
		return syntaxError(p.i, values, "a value is missing at the end")
	case r == '(':
		return syntaxError(p.i, "leave the parentheses out; nest function calls instead", "parentheses cannot group")
	case r == '-' || r == '+':
		return syntaxError(p.i, "write -1, not - 1; there is no subtraction", "the sign %c does not touch a digit", r)
	case strings.ContainsRune("'`‘’‚‛“”„‟«»″", r):
		return syntaxError(p.i, `use the plain double quote "`, "%c does not start a text", r)
	case r == ')' || r == ',' || strings.ContainsRune("=<>&", r):
		return syntaxError(p.i, values, "a value is missing before %c", r)
	default:
		return syntaxError(p.i, values, "%s cannot start a value", strconv.QuoteRune(r))
	}
}

// leftover explains what follows a complete expression.
func (p *parser) leftover() error {
	r := p.peek(0)
	switch {
	case r == ')':
		return syntaxError(p.i, "remove it, or add the call it closes", "a closing parenthesis too many")
	case r == ',':
		return syntaxError(p.i, "a comma separates arguments inside a call only", "unexpected comma after a complete expression")
	case isNameStart(r):
		return syntaxError(p.i, wordHint(p.identifier()), "unexpected word after a complete expression")
	default:
		return syntaxError(p.i, "join texts with &, or remove the rest", "unexpected %s after a complete expression", strconv.QuoteRune(r))
	}
}

// wordHint says what to write in place of a stray word.
func wordHint(word string) string {
	switch strings.ToLower(word) {
	case "and", "or":
		return "there is no AND and no OR; nest IIF instead"
	case "not":
		return "write Not(…)"
	default:
		return "join texts with &, or remove the rest"
	}
}

// text parses a string (2.1).
func (p *parser) text() (*node, error) {
	start := p.i
	p.i++
	var b strings.Builder
	escapedQuote := false
	for !p.end() {
		r := p.src[p.i]
		p.i++
		switch {
		case r == '"':
			return &node{op: opLiteral, pos: start, val: String(b.String())}, nil
		case r == '\\' && (p.peek(0) == '"' || p.peek(0) == '\\'):
			escapedQuote = escapedQuote || p.peek(0) == '"'
			b.WriteRune(p.src[p.i])
			p.i++
		default:
			b.WriteRune(r)
		}
	}
	hint := `add the closing "`
	if escapedQuote {
		hint += `; \" is a quotation mark inside the text, a backslash at its end is written \\`
	}
	return nil, syntaxError(start, hint, "the text that starts here is not closed")
}

// attribute parses [name] (2.2).
func (p *parser) attribute() (*node, error) {
	start := p.i
	p.i++
	quoted := false
	for depth := 1; !p.end(); p.i++ {
		switch r := p.src[p.i]; {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == '[':
			depth++
		case r == ']':
			if depth--; depth > 0 {
				continue
			}
			name := strings.TrimSpace(string(p.src[start+1 : p.i]))
			if name == "" {
				return nil, syntaxError(start, "write the name of a source attribute, as in [mail]", "the attribute has no name")
			}
			p.i++
			return &node{op: opAttribute, pos: start, name: name}, nil
		}
	}
	return nil, syntaxError(start, "add the closing ]", "the attribute that starts here is not closed")
}

// number parses an integer or a decimal (2.3).
func (p *parser) number() (*node, error) {
	start := p.i
	if !isDigit(p.src[p.i]) {
		p.i++
	}
	digits := func() {
		for isDigit(p.peek(0)) {
			p.i++
		}
	}
	digits()
	fraction := p.peek(0) == '.' && isDigit(p.peek(1))
	if fraction {
		p.i++
		digits()
	}
	if err := p.afterNumber(start); err != nil {
		return nil, err
	}
	written := string(p.src[start:p.i])
	n, ok := parseNumber(written)
	if !ok || n.whole == fraction {
		return nil, syntaxError(start, "write it as text if it is an identifier", "the number does not fit into 64 bits")
	}
	val := Int(n.i)
	if !n.whole {
		val = Decimal(n.f)
	}
	return &node{op: opLiteral, pos: start, name: written, val: val}, nil
}

// hexadecimal parses &H and hexadecimal digits (2.3).
func (p *parser) hexadecimal() (*node, error) {
	start := p.i
	p.i += 2
	for isHexDigit(p.peek(0)) {
		p.i++
	}
	written := string(p.src[start:p.i])
	if len(written) == 2 {
		return nil, syntaxError(start, "write for example &H0F", "&H without hexadecimal digits")
	}
	if err := p.afterNumber(start); err != nil {
		return nil, err
	}
	u, err := strconv.ParseUint(written[2:], 16, 64)
	if err != nil {
		return nil, syntaxError(start, "at most 16 hexadecimal digits fit", "the number does not fit into 64 bits")
	}
	return &node{op: opLiteral, pos: start, name: written, val: Int(int64(u))}, nil
}

// afterNumber refuses what must not touch the end of a number that began at start.
func (p *parser) afterNumber(start int) error {
	r := p.peek(0)
	if r == '_' || r == '.' || unicode.IsLetter(r) || unicode.IsDigit(r) {
		return syntaxError(p.i, "put text in double quotes, or separate the two", "%c directly after the number %s", r, string(p.src[start:p.i]))
	}
	return nil
}

func (p *parser) identifier() string {
	start := p.i
	for isNameStart(p.peek(0)) || isDigit(p.peek(0)) {
		p.i++
	}
	return string(p.src[start:p.i])
}

func (p *parser) callOrWord() (*node, error) {
	start := p.i
	name := p.identifier()
	p.space()
	if p.peek(0) != '(' {
		return &node{op: opWord, pos: start, name: name, val: String(name)}, nil
	}
	if p.depth++; p.depth > maxDepth {
		return nil, syntaxError(start, "split it over several mappings", "calls are nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	p.i++
	call := &node{op: opCall, pos: start, name: name}
	return call, p.arguments(call)
}

// arguments parses what stands between the parentheses of call, and the closing one.
func (p *parser) arguments(call *node) error {
	if p.space(); p.peek(0) == ')' {
		p.i++
		return nil
	}
	for {
		p.space()
		arg := &node{op: opOmitted, pos: p.i}
		switch p.peek(0) {
		case -1:
			return p.unclosed(call)
		case ',', ')':
		default:
			var err error
			if arg, err = p.comparison(); err != nil {
				return err
			}
		}
		call.args = append(call.args, arg)
		switch r := p.peek(0); r {
		case ',':
			p.i++
		case ')':
			p.i++
			return nil
		case -1:
			return p.unclosed(call)
		default:
			return syntaxError(p.i, p.gapHint(arg), "%s: a comma or a closing parenthesis is missing before %s", call.name, strconv.QuoteRune(r))
		}
	}
}

// gapHint says what may be meant if something else than a comma follows an argument.
func (p *parser) gapHint(arg *node) string {
	if isNameStart(p.peek(0)) {
		at := p.i
		word := p.identifier()
		p.i = at
		if hint := wordHint(word); hint != wordHint("") {
			return hint
		}
	}
	if arg.op == opLiteral && strings.Contains(arg.val.s, `"`) {
		return `a backslash at the end of a text is written \\, because \" is a quotation mark inside it`
	}
	return "separate arguments with a comma and join texts with &"
}

func (p *parser) unclosed(call *node) error {
	return syntaxError(p.i, "add )", "the call of %s at character %d is not closed", call.name, call.pos+1)
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func isHexDigit(r rune) bool { return isDigit(r) || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F' }

func isNameStart(r rune) bool { return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
