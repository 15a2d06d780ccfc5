package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds that no honest file reaches. They keep aliases of aliases from growing without end.
const (
	maxBytes = 1 << 20
	maxDepth = 50
	maxNodes = 200_000
)

// kind is what a YAML value is.
type kind string

const (
	text    kind = "text"
	number  kind = "a number"
	boolean kind = "true or false"
	nothing kind = "nothing"
	list    kind = "a list"
	object  kind = "a block of keys"
)

type position struct{ line, column int }

// node is a value of the file: anchors, aliases and merge keys are resolved, references replaced.
type node struct {
	kind    kind
	text    string // of scalars
	number  any    // int64, uint64 or float64
	at      position
	entries []entry // of an object, in the order of the file
	items   []*node // of a list
	// outside: the text has parts that are not written in the file (${env:NAME}, ${file:PATH}).
	outside bool
	quoted  bool
	// broken: a reference or an alias in it leads nowhere, which has been reported.
	broken bool
	// letters is where the first letter of text stands if the text is written as it is, on one line.
	letters position
	size    int // nodes in the tree
}

type entry struct {
	key   string
	at    position
	value *node
}

func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// document is a parsed file.
type document struct {
	name string
	root *node // nil: the file is empty
}

func (d *document) problem(at position, path, message string) Problem {
	return Problem{File: d.name, Line: at.line, Column: at.column, Path: path, Message: message}
}

// at returns the place of the value at path or of the innermost thing around it that exists. Values
// that span lines stand where their key stands.
func (d *document) at(path string) position {
	p, _ := d.find(path)
	return p
}

// find returns the place of path as at does, and the value if there is one.
func (d *document) find(path string) (position, *node) {
	place, n := position{1, 1}, d.root
	if n == nil {
		return place, nil
	}
	for _, step := range steps(path) {
		var next *node
		if i, err := strconv.Atoi(step); err == nil && n.kind == list {
			if i < len(n.items) {
				next = n.items[i]
				place = next.at
			}
		} else {
			for _, e := range n.entries {
				if e.key == step {
					next, place = e.value, e.at
					if next.kind != object && next.kind != list && next.kind != nothing {
						place = next.at
					}
					break
				}
			}
		}
		if next == nil {
			return place, nil
		}
		n = next
	}
	return place, n
}

// steps splits jobs[0].auth.token into jobs, 0, auth, token.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// builder turns the parser's tree into ours.
type builder struct {
	*report
	refs    references
	anchors map[string]*node
	nodes   int
	broken  bool
}

// parse reads a YAML text. Whatever it finds wrong goes to the report; the document is as much as
// could be read.
func parse(name string, data []byte, refs references) *report {
	r := &report{doc: &document{name: name}}
	if len(data) > maxBytes {
		r.failAt(position{1, 1}, "", "split it up", "the file has %d bytes, more than the %d that a configuration may have", len(data), maxBytes)
		return r
	}
	f, err := parseYAML(data)
	if err != nil {
		r.syntax(err, data)
		return r
	}
	b := &builder{report: r, refs: refs, anchors: map[string]*node{}}
	for _, doc := range f.Docs {
		switch {
		case doc.Body == nil:
		case doc.Body.Type() == ast.DirectiveType: // %YAML 1.2
		case r.doc.root == nil:
			r.doc.root = b.node(doc.Body, "", 0)
		default:
			r.failAt(placeOf(doc.Body.GetToken()), "", "keep one", "a second YAML document starts here")
		}
	}
	return r
}

// parseYAML calls the parser, and makes an error of a panic: its grammar has many corners, and people
// must not see a stack trace for a slip of the pen.
func parseYAML(data []byte) (f *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the parser cannot make sense of it")
		}
	}()
	return parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
}

// syntax brings an error of the parser into our form.
func (r *report) syntax(err error, data []byte) {
	at, reason := position{1, 1}, err.Error()
	if e, ok := errors.AsType[yaml.Error](err); ok {
		reason = e.GetMessage()
		if t := e.GetToken(); t != nil {
			at = placeOf(t)
		}
	}
	line := ""
	if lines := strings.Split(string(data), "\n"); at.line <= len(lines) {
		line = lines[at.line-1]
	}
	reason, remedy := inOurWords(reason, line)
	r.failAt(at, "", remedy, "%s", reason)
}

// inOurWords gives reason and remedy for what the parser says about a line.
func inOurWords(reason, line string) (string, string) {
	says := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(reason, p) })
	}
	brackets := false
	if i := strings.Index(line, "${"); i >= 0 {
		brackets = strings.ContainsAny(line[:i], "{[")
	}
	switch {
	case says("tab character", "'\t'"), strings.HasPrefix(strings.TrimLeft(line, " "), "\t"):
		return "the line is indented with a tab", "indent with spaces"
	case brackets:
		return "the reference ends the braces around it", `inside { } and [ ] put references in quotes: "${env:NAME}"`
	case says("end character"):
		return "the quotes are not closed", `close them; inside "…" a quotation mark is written \", inside '…' an apostrophe is written ''`
	case says("must be specified", "end token", "flow map content"):
		return "a { or [ is not closed, or a comma is missing", "close it, and put quotes around texts with brackets or commas, for example '[mail]'"
	case says("'[' character", "'{' character"):
		return "a ] or } closes nothing", "remove it, or put the text in quotes"
	case says("reserved character", "cannot start any token"):
		return "a text cannot start with this character", "put the text in quotes"
	case says("mapping value is not allowed"):
		return `a second ": " in the line`, "put a text that has a colon and a space in quotes"
	default:
		return "no valid YAML: " + reason, "compare the indentation and the quotes with the lines around it"
	}
}

func placeOf(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// node converts a value. It never returns nil.
func (b *builder) node(n ast.Node, path string, depth int) *node {
	out := &node{kind: nothing, size: 1}
	if n == nil {
		return out
	}
	out.at = placeOf(n.GetToken())
	if b.nodes++; b.broken || depth > maxDepth || b.nodes > maxNodes {
		if !b.broken {
			b.failAt(out.at, path, "write it more simply", "the file is nested or repeated beyond what a configuration needs")
		}
		b.broken = true
		return out
	}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		b.text(out, n.Value, n.Token, path)
	case *ast.LiteralNode:
		b.text(out, n.Value.Value, nil, path)
	case *ast.BoolNode:
		out.kind, out.text = boolean, strconv.FormatBool(n.Value)
	case *ast.IntegerNode:
		out.kind, out.text, out.number = number, n.Token.Value, n.Value
	case *ast.FloatNode:
		out.kind, out.text, out.number = number, n.Token.Value, n.Value
	case *ast.InfinityNode:
		out.kind, out.text, out.number = number, n.Token.Value, n.Value
	case *ast.NanNode:
		out.kind, out.text, out.number = number, n.Token.Value, n.GetValue()
	case *ast.SequenceNode:
		out.kind = list
		for i, v := range n.Values {
			item := b.node(v, index(path, i), depth+1)
			out.items = append(out.items, item)
			out.size += item.size
		}
	case ast.MapNode:
		b.object(out, n, path, depth)
	case *ast.AnchorNode:
		v := b.node(n.Value, path, depth+1)
		b.anchors[n.Name.GetToken().Value] = v
		return v
	case *ast.AliasNode:
		return b.alias(out, n, path)
	case *ast.TagNode:
		v := b.node(n.Value, path, depth+1)
		if n.Start.Value != "!!str" || v.kind == list || v.kind == object {
			b.failAt(out.at, path, "remove it", "the tag %s has no meaning here", n.Start.Value)
			return v
		}
		v.kind = text
		return v
	default:
		b.failAt(out.at, path, "write plain keys and values", "YAML of the kind %q has no meaning here", n.Type().YAMLName())
	}
	return out
}

func (b *builder) alias(out *node, n *ast.AliasNode, path string) *node {
	name := n.Value.GetToken().Value
	v, ok := b.anchors[name]
	if !ok {
		b.failAt(out.at, path, "write &"+name+" before the value to repeat", "the alias *%s repeats nothing", name)
		out.broken = true
		return out
	}
	b.nodes += v.size
	return v
}

// text takes a string and replaces the references in it. t is its token if it is not a block of lines.
func (b *builder) text(out *node, s string, t *token.Token, path string) {
	out.kind, out.text = text, s
	if t != nil {
		out.quoted = t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType
		out.letters = letters(t, out.at)
	}
	replaced, outside, err := b.refs.replace(s)
	if err != nil {
		b.failAt(out.at, path, err.remedy, "%s", err.reason)
		out.broken = true
	}
	if replaced != s {
		out.text, out.letters = replaced, position{}
	}
	out.outside = outside
}

// letters is where the first letter of a text stands, or no place if the letters in the file are others
// than those of the text.
func letters(t *token.Token, at position) position {
	written := strings.TrimSpace(t.Origin)
	switch {
	case strings.Contains(written, "\n"),
		t.Type == token.DoubleQuoteType && strings.Contains(written, `\`),
		t.Type == token.SingleQuoteType && strings.Contains(strings.Trim(written, "'"), "''"):
		return position{}
	case t.Type == token.DoubleQuoteType, t.Type == token.SingleQuoteType:
		at.column++
	}
	return at
}

func (b *builder) object(out *node, m ast.MapNode, path string, depth int) {
	out.kind = object
	var merged []*node
	seen := map[string]position{}
	for it := m.MapRange(); it.Next(); {
		k := it.Key()
		at := placeOf(k.GetToken())
		if len(out.entries) == 0 && len(merged) == 0 {
			out.at = at
		}
		if k.IsMergeKey() {
			merged = append(merged, b.node(it.Value(), path, depth+1))
			continue
		}
		scalar, ok := k.(ast.ScalarNode)
		if !ok {
			b.failAt(at, path, "write a plain word", "this is no name of a key")
			continue
		}
		key := fmt.Sprint(scalar.GetValue())
		v := b.node(it.Value(), join(path, key), depth+1)
		out.size += v.size
		if first, ok := seen[key]; ok {
			b.failAt(at, join(path, key), "keep one of the two", "given a second time, first in line %d", first.line)
			continue
		}
		seen[key] = at
		if v.at == (position{}) {
			v.at = at
		}
		out.entries = append(out.entries, entry{key, at, v})
	}
	for _, from := range merged {
		b.merge(out, from, seen, path)
	}
}

// merge adds the entries of a merge key (<<) that the object does not have itself.
func (b *builder) merge(out, from *node, seen map[string]position, path string) {
	switch from.kind {
	case object:
		for _, e := range from.entries {
			if _, own := seen[e.key]; !own {
				seen[e.key] = e.at
				out.entries = append(out.entries, e)
				out.size += e.value.size
			}
		}
	case list:
		for _, item := range from.items {
			b.merge(out, item, seen, path)
		}
	default:
		b.failAt(from.at, join(path, "<<"), "write <<: *name of a block of keys", "only a block of keys can be merged")
	}
}
