package mapping

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// PathError says why a text is not a target path. Offset is where, in bytes from the start.
type PathError struct {
	Path    string
	Offset  int
	Problem string // what is wrong and why
	Remedy  string // what to write instead
}

func (e *PathError) Error() string {
	return fmt.Sprintf("target path %q, character %d: %s; %s",
		e.Path, utf8.RuneCountInString(e.Path[:min(e.Offset, len(e.Path))])+1, e.Problem, e.Remedy)
}

const pathExample = `write it like userName, name.givenName, emails[type eq "work"].value or urn:…:2.0:User:department`

// ParsePath reads a target path (section 6.1). The URN of the core schemas is dropped, the old form
// with a dot before an extension attribute is read as a colon, and names that RFC 7643 knows get
// its spelling. The error is a [*PathError].
func ParsePath(text string) (Path, error) {
	s := pathScanner{text: text}
	p, err := s.path()
	if err != nil {
		return Path{}, err
	}
	p.remember()
	return p, nil
}

// MustPath is ParsePath for paths that are written in the program; it panics on a wrong one.
func MustPath(text string) Path {
	p, err := ParsePath(text)
	if err != nil {
		panic(err)
	}
	return p
}

type pathScanner struct {
	text string
	pos  int
}

func (s *pathScanner) fail(at int, remedy, format string, args ...any) error {
	return &PathError{Path: s.text, Offset: at, Problem: fmt.Sprintf(format, args...), Remedy: remedy}
}

func (s *pathScanner) path() (Path, error) {
	switch {
	case s.text == "":
		return Path{}, s.fail(0, pathExample, "it is empty")
	case !utf8.ValidString(s.text):
		return Path{}, s.fail(0, "save the file as UTF-8", "it is not valid UTF-8")
	}
	var p Path
	if err := s.urn(&p); err != nil {
		return Path{}, err
	}
	if err := s.attribute(&p); err != nil {
		return Path{}, err
	}
	return p, nil
}

// urn reads the part up to the last colon that stands outside brackets and quotes.
func (s *pathScanner) urn(p *Path) error {
	colon := s.lastColon()
	if colon < 0 {
		return nil
	}
	if len(s.text) < 4 || !strings.EqualFold(s.text[:4], "urn:") {
		return s.fail(colon, `begin with "urn:" if an extension attribute is meant`, "a colon stands in a name that has no schema URN before it")
	}
	for _, whole := range []string{EnterpriseURN, CoreUserURN, CoreGroupURN} {
		if strings.EqualFold(s.text, whole) {
			return s.fail(len(s.text), "add a colon and the attribute, for example "+whole+":"+"department", "it names a whole schema and no attribute of it")
		}
	}
	urn, rest := s.text[:colon], s.text[colon+1:]
	s.pos = colon + 1
	// The service once wrote a dot before an extension attribute.
	for _, kind := range []string{"User.", "Group."} {
		if len(rest) >= len(kind) && strings.EqualFold(rest[:len(kind)], kind) {
			urn = s.text[:colon+len(kind)]
			s.pos += len(kind)
			break
		}
	}
	if len(urn) <= len("urn:") {
		return s.fail(0, pathExample, "the schema URN is incomplete")
	}
	for i, r := range urn {
		if r <= ' ' || r == '"' || r == '[' || r == ']' || r == 0x7f || r > 0x7f {
			return s.fail(i, "copy the URN from the target's schema", "a schema URN cannot contain %q", r)
		}
	}
	switch {
	case len(urn) >= len(corePrefix) && strings.EqualFold(urn[:len(corePrefix)], corePrefix):
	case strings.EqualFold(urn, EnterpriseURN):
		p.URN = EnterpriseURN
	default:
		p.URN = urn
	}
	return nil
}

func (s *pathScanner) lastColon() int {
	last, depth, quoted := -1, 0, false
	for i := 0; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ':' && depth <= 0:
			last = i
		}
	}
	return last
}

func (s *pathScanner) attribute(p *Path) error {
	name, err := s.name("an attribute name")
	if err != nil {
		return err
	}
	var known bool
	p.Attribute, known = spell(p.URN, name)
	if s.peek() == '[' {
		if err := s.filter(p, known); err != nil {
			return err
		}
	}
	if s.peek() == '.' {
		s.pos++
		if p.Sub, err = s.name("a sub-attribute"); err != nil {
			return err
		}
		if known {
			p.Sub = spellSub(p.Sub)
		}
	}
	if s.pos < len(s.text) {
		switch s.peek() {
		case '.':
			return s.fail(s.pos, "name one sub-attribute only", "a second \".\" follows; SCIM knows one level of sub-attributes")
		case '[':
			return s.fail(s.pos, "put the filter between the attribute and its sub-attribute, once", "a filter cannot stand here")
		}
		r, _ := utf8.DecodeRuneInString(s.text[s.pos:])
		return s.fail(s.pos, pathExample, "%q cannot stand here", r)
	}
	return nil
}

func (s *pathScanner) filter(p *Path, known bool) error {
	open := s.pos
	s.pos++
	for {
		s.blanks()
		c, err := s.clause(open, known)
		if err != nil {
			return err
		}
		p.Filter = append(p.Filter, c)
		gap := s.blanks()
		if s.peek() == ']' {
			s.pos++
			return nil
		}
		if s.pos >= len(s.text) {
			return s.unclosed(open)
		}
		at := s.pos
		word := s.word()
		if !strings.EqualFold(word, "and") || gap == 0 {
			return s.fail(at, `join clauses with " and ", or close the filter with "]"`, "only \"and\" or \"]\" may follow a clause of a filter")
		}
		if s.blanks() == 0 {
			return s.fail(s.pos, `write " and " with a blank on both sides`, "there is no blank after \"and\"")
		}
	}
}

func (s *pathScanner) unclosed(open int) error {
	return s.fail(open, `add "]" after the last value`, "the filter that begins here is not closed")
}

func (s *pathScanner) clause(open int, known bool) (Clause, error) {
	if s.pos >= len(s.text) {
		return Clause{}, s.unclosed(open)
	}
	name, err := s.name("the name of a sub-attribute")
	if err != nil {
		return Clause{}, err
	}
	if known {
		name = spellSub(name)
	}
	gap := s.blanks()
	if s.pos >= len(s.text) {
		return Clause{}, s.unclosed(open)
	}
	at := s.pos
	if op := s.word(); !strings.EqualFold(op, "eq") || gap == 0 {
		return Clause{}, s.fail(at, `write it like type eq "work"`, "the only operator in a target path is \"eq\", with a blank on both sides")
	}
	if s.blanks() == 0 {
		return Clause{}, s.fail(s.pos, `write it like type eq "work"`, "there is no blank after \"eq\"")
	}
	c := Clause{Name: name}
	if err := s.value(&c, open); err != nil {
		return Clause{}, err
	}
	return c, nil
}

// value reads a quoted string, true, false or an integer. For "primary", which is a boolean, the
// texts "True" and "true" mean the boolean.
func (s *pathScanner) value(c *Clause, open int) error {
	at := s.pos
	switch {
	case at >= len(s.text):
		return s.unclosed(open)
	case s.peek() == '"':
		text, err := s.quoted()
		if err != nil {
			return err
		}
		c.Value = text
		if strings.EqualFold(c.Name, "primary") && (strings.EqualFold(text, "true") || strings.EqualFold(text, "false")) {
			c.Value, c.Quoted = strings.EqualFold(text, "true"), text
		}
		return nil
	}
	word := s.word()
	switch {
	case strings.EqualFold(word, "true"):
		c.Value = true
	case strings.EqualFold(word, "false"):
		c.Value = false
	default:
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil || word[0] == '+' {
			return s.fail(at, `put texts in double quotes: type eq "work"`, "a value must be a text in double quotes, true, false or a whole number of at most 64 bits")
		}
		c.Value = n
	}
	return nil
}

func (s *pathScanner) quoted() (string, error) {
	start := s.pos
	for i := start + 1; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '"':
			s.pos = i + 1
			var text string
			if err := json.Unmarshal([]byte(s.text[start:s.pos]), &text); err != nil {
				return "", s.fail(start, `write \\ for a backslash and \" for a quotation mark`, "the text has an escape that JSON does not know, or a control character")
			}
			return text, nil
		}
	}
	return "", s.fail(start, "add a double quote after the value", "the text that begins here is not closed")
}

func (s *pathScanner) name(what string) (string, error) {
	start := s.pos
	for s.pos < len(s.text) && nameByte(s.text[s.pos], s.pos == start) {
		s.pos++
	}
	if s.pos > start {
		return s.text[start:s.pos], nil
	}
	if s.pos >= len(s.text) {
		return "", s.fail(start, pathExample, "%s is missing at the end", what)
	}
	r, _ := utf8.DecodeRuneInString(s.text[start:])
	return "", s.fail(start, "a name begins with a letter or \"$\" and goes on with letters, digits, \"_\", \"-\" and \"$\"", "%s is expected instead of %q", what, r)
}

func nameByte(c byte, first bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '$':
		return true
	case c >= '0' && c <= '9', c == '_', c == '-':
		return !first
	}
	return false
}

// word reads up to a blank or a bracket.
func (s *pathScanner) word() string {
	start := s.pos
	for s.pos < len(s.text) && !strings.ContainsRune(" \t[]\"", rune(s.text[s.pos])) {
		s.pos++
	}
	return s.text[start:s.pos]
}

func (s *pathScanner) blanks() int {
	start := s.pos
	for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
	return s.pos - start
}

func (s *pathScanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}
