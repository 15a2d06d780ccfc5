package config

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
)

// Block is a part of the file whose keys depend on its type: the source or the target of a job. It
// stays as it is written until whoever knows the type decodes it. It prints as its type only, because
// it holds secrets.
type Block struct {
	// Type is the value of the key type.
	Type string

	doc  *document
	node *node
	path string // for example jobs[0].source
	job  string // of the job it belongs to
	dir  string
}

func (b Block) String() string { return "block of type " + b.Type }

// Format keeps every verb from printing what the block holds.
func (b Block) Format(f fmt.State, _ rune) { io.WriteString(f, b.String()) }

// block keeps n for later. Only its type is looked at.
func (d *decoder) block(n *node, v reflect.Value, path string) {
	if n.kind != object {
		d.wrong(n, path, string(object), "write its keys below it, indented")
		return
	}
	b := Block{doc: d.doc, node: n, path: path, dir: d.dir}
	b.job, _, _ = cutLast(path, ".")
	switch t := n.get("type"); {
	case t == nil:
		d.fail(join(path, "type"), "add the key", "it is missing")
	case t.kind != text:
		d.value(t, reflect.New(reflect.TypeFor[string]()).Elem(), join(path, "type"), field{})
	default:
		b.Type = t.text
	}
	v.Set(reflect.ValueOf(b))
}

// placed gives a block that could not be read the place where it is or should be, so that complaints about it have one.
func (b *Block) placed(d *decoder, path string) {
	if b.doc == nil {
		job, _, _ := cutLast(path, ".")
		*b = Block{doc: d.doc, path: path, job: job, dir: d.dir}
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// Decode fills the struct that into points to, by its yaml tags. A key that it does not have, a value
// of the wrong kind or a malformed duration is a problem; the error is of type [Problems] and has all
// of them. The key type is always allowed. Decode may be called any number of times.
func (b Block) Decode(into any) error {
	return b.decode(into).err()
}

func (b Block) decode(into any) *report {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: a block is decoded into a pointer to a struct, not into a %T", into))
	}
	d := &decoder{report: &report{doc: b.document()}, dir: b.dir, ignore: "type"}
	if b.node != nil {
		d.value(b.node, v.Elem(), b.path, field{})
	}
	return d.report
}

// Shapes are the structs that blocks are decoded into, by the type of the block.
type Shapes struct{ Sources, Targets map[string]any }

// CheckBlocks decodes every source and target, so that mistakes in them are reported together with those
// of the rest of the file. Blocks of a type without shape are left alone. An error is of type [Problems].
func (f *File) CheckBlocks(s Shapes) (Warnings, error) {
	var warnings Warnings
	var problems Problems
	check := func(b Block, shapes map[string]any) {
		if shape, ok := shapes[b.Type]; ok {
			r := b.decode(reflect.New(reflect.TypeOf(shape)).Interface())
			warnings = append(warnings, r.doubts()...)
			problems = append(problems, AsProblems(r.err())...)
		}
	}
	for _, j := range f.Jobs {
		check(j.Source, s.Sources)
		check(j.Target, s.Targets)
	}
	if len(problems) == 0 {
		return warnings, nil
	}
	return warnings, problems
}

// document is that of the block; the zero Block has an empty one.
func (b Block) document() *document {
	if b.doc == nil {
		return &document{}
	}
	return b.doc
}

// Position returns line and column of the value of a key, dotted for keys in keys (auth.token), or of
// what encloses it if the key is not there.
func (b Block) Position(key string) (line, column int) {
	at := b.document().at(b.full(key))
	return at.line, at.column
}

// Problem is a problem with the value of a key. Message is "reason; remedy".
func (b Block) Problem(key, message string) Problem {
	path := b.full(key)
	return b.document().problem(b.document().at(path), path, message)
}

// full is the path of a key. Keys of the job that its connectors complain about, for example
// mappings.users, are found beside the block.
func (b Block) full(key string) string {
	if key == "" {
		return b.path
	}
	if first := steps(key); len(first) > 0 && b.node.get(first[0]) == nil && b.job != "" {
		if _, n := b.document().find(join(b.job, first[0])); n != nil {
			return join(b.job, key)
		}
	}
	return join(b.path, key)
}

// complaint is a line that names a key: "auth.token: missing; set the token".
var complaint = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+|\[\d+\])*): (.+)$`)

// Locate gives the complaints of a connector their places in the file. Err may join several, each of
// the form "key: reason; remedy"; what has another form is put down to the block. Locate(nil) is nil.
func (b Block) Locate(err error) error {
	var out Problems
	for _, p := range AsProblems(err) {
		if p.Line > 0 {
			out = append(out, p)
			continue
		}
		for line := range strings.Lines(p.Message) {
			line = strings.TrimSuffix(line, "\n")
			if m := complaint.FindStringSubmatch(line); m != nil {
				out = append(out, b.Problem(m[1], m[2]))
			} else if line != "" {
				out = append(out, b.Problem("", line))
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return AsProblems(out)
}
