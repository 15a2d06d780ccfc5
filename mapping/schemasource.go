package mapping

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/mapping/expr"
)

// sourceType is the type of a node of the tree form (10.8).
type sourceType string

const (
	typeAttribute sourceType = "Attribute"
	typeConstant  sourceType = "Constant"
	typeFunction  sourceType = "Function"
)

// keyedFunctions are those whose parameters are found by key when an expression is rebuilt from its
// tree; for every other function their order counts (10.8).
var keyedFunctions = map[string]bool{
	"Append": true, "Prepend": true, "Mid": true, "Replace": true, "Switch": true, "Join": true, "FormatDateTime": true,
	"Split": true, "IIF": true, "Coalesce": true, "Not": true, "Trim": true, "StripSpaces": true, "NormalizeDiacritics": true,
	"IsNull": true, "IsNullOrEmpty": true, "IsPresent": true, "SingleAppRoleAssignment": true, "AppRoleAssignmentsComplex": true,
	"AssertiveAppRoleAssignmentsComplex": true, "Left": true, "ToLower": true, "ToUpper": true, "PCase": true,
}

// treeOperators are operators, which our trees show as functions named after them.
var treeOperators = map[string]bool{"&": true, "=": true, "<>": true, ">": true, ">=": true, "<": true, "<=": true}

func (l *loader) sourceType(src *jsonObject, at string) (t sourceType, valid bool) {
	before := len(l.found)
	t = enum(l, src, "type", at, typeAttribute, typeAttribute, typeConstant, typeFunction)
	return t, len(l.found) == before
}

// expression reads a source: its text if it has one, else the text rebuilt from the tree; nil for a
// mapping without source and after an error.
func (l *loader) expression(src *jsonObject, kind sourceType, validType bool, at string) *expr.Expr {
	text, name := l.text(src, "expression", at), l.text(src, "name", at)
	if text == "" && name == "" {
		return nil
	}
	written := text != ""
	if !written {
		var err error
		if text, err = l.rebuild(src, 0); err != nil {
			l.badExpression(at, err)
			return nil
		}
	}
	e, err := expr.Parse(text)
	if err != nil {
		l.badExpression(at, err)
		return nil
	}
	if written && validType {
		l.compareTree(src, kind, name, e, at)
	}
	return e
}

func (l *loader) badExpression(at string, err error) {
	d := Diagnostic{Severity: SeverityError, Code: ExpressionInvalid, Pointer: pointer(at, "expression"), Message: err.Error()}
	if e, ok := errors.AsType[*expr.Error](err); ok {
		d.Detail, d.Hint = string(e.Code), e.Hint
		d.Message = "the expression is wrong"
		if e.Offset >= 0 {
			d.Message += " at character " + strconv.Itoa(e.Offset+1)
		}
		d.Message += ": " + e.Message
	}
	l.found = append(l.found, d)
}

// compareTree warns when the text and the root of the tree disagree. Operators are left out: how a
// tree shows them is not documented.
func (l *loader) compareTree(src *jsonObject, kind sourceType, name string, e *expr.Expr, at string) {
	root := e.Root()
	if root.Kind() == expr.NodeOperator {
		return
	}
	_, hasType := src.get("type").(string)
	_, hasName := src.get("name").(string)
	want := map[expr.NodeKind]sourceType{expr.NodeAttribute: typeAttribute, expr.NodeConstant: typeConstant, expr.NodeFunction: typeFunction}[root.Kind()]
	if hasType && kind != want || hasName && name != root.Name() {
		l.warn(TreeMismatch, at, "", "save the mapping again in the editor that wrote the file", "the text of the expression and its tree differ; the text is used")
	}
}

// rebuild writes a source as text (10.8). Every level prefers its own text.
func (l *loader) rebuild(src *jsonObject, depth int) (string, error) {
	text, _ := src.get("expression").(string)
	name, _ := src.get("name").(string)
	kind, _ := src.get("type").(string)
	switch {
	case text != "" && depth > 0:
		e, err := expr.Parse(text)
		if err != nil {
			return "", err
		}
		return e.String(), nil
	case strings.EqualFold(kind, string(typeConstant)):
		return expr.Quote(name), nil
	case strings.EqualFold(kind, string(typeFunction)):
		return l.rebuildCall(src, name, depth)
	}
	out := "[" + name + "]"
	if e, err := expr.Parse(out); err != nil {
		return "", err
	} else if direct, _ := e.Direct(); direct != strings.TrimSpace(name) {
		return "", &expr.Error{Code: expr.CodeSyntax, Offset: -1, Message: "the tree names an attribute that cannot be written as an expression"}
	}
	return out, nil
}

// parameter is one entry of "parameters": its key in lower case, and the text of its value, "" if it
// has none.
type parameter struct{ key, text string }

func (l *loader) rebuildCall(src *jsonObject, name string, depth int) (string, error) {
	list, _ := src.get("parameters").([]any)
	params := make([]parameter, 0, len(list))
	size := 0
	for _, e := range list {
		o, _ := e.(*jsonObject)
		key, _ := o.get("key").(string)
		p := parameter{key: strings.ToLower(key)}
		if value, ok := o.get("value").(*jsonObject); ok {
			text, err := l.rebuild(value, depth+1)
			if err != nil {
				return "", err
			}
			p.text = text
		}
		if size += len(p.text); size > 4*expr.MaxLength {
			return "", &expr.Error{Code: expr.CodeTooLong, Offset: -1, Message: "the expression that the tree stands for is too long", Hint: "split it over several mappings"}
		}
		params = append(params, p)
	}
	args := make([]string, len(params))
	for i, p := range params {
		args[i] = p.text
	}
	if treeOperators[name] {
		return strings.Join(args, " "+name+" "), nil
	}
	if placed, ok := l.place(name, params); ok {
		args = placed
	}
	return name + "(" + strings.Join(args, ", ") + ")", nil
}

// place orders parameters by their keys; ok is false if the order of the tree counts: the function is
// not listed, or a key is unknown or repeated where it cannot be.
func (l *loader) place(function string, params []parameter) (args []string, ok bool) {
	if !keyedFunctions[function] {
		return nil, false
	}
	slots := map[int]string{}
	next, last := 0, -1 // the next place in the repeating part, and the last place taken
	for _, p := range params {
		parameters := l.functions[function].Params
		at := slices.IndexFunc(parameters, func(known expr.Param) bool { return strings.ToLower(known.Key) == p.key })
		if at < 0 {
			return nil, false
		}
		if parameters[at].Repeats {
			at += next
			next++
		}
		if _, taken := slots[at]; taken {
			return nil, false
		}
		slots[at] = p.text
		last = max(last, at)
	}
	for i := range last + 1 {
		args = append(args, slots[i])
	}
	return args, true
}

// tree writes an expression in the tree form, with the text at every level (10.8).
func tree(n expr.Node) *jsonObject {
	o := newObject()
	set := func(text, name string, t sourceType, params []any) *jsonObject {
		return o.set("expression", text).set("name", name).set("type", string(t)).set("parameters", params)
	}
	switch n.Kind() {
	case expr.NodeAttribute:
		return set(n.Text(), n.Name(), typeAttribute, []any{})
	case expr.NodeFunction:
		return set(n.Text(), n.Name(), typeFunction, treeParameters(n))
	case expr.NodeOperator:
		return set(n.Text(), n.Name(), typeFunction, treeOperands(n))
	}
	if n.Value().Kind() != expr.KindString {
		return set(expr.Quote(n.Name()), n.Name(), typeConstant, []any{}) // numbers appear as texts
	}
	return set(n.Text(), n.Name(), typeConstant, []any{})
}

// treeParameters names parameters as exported schemas do: by their documented key where 10.8 lists
// one, else source, p2, p3 and so on. An omitted argument is left out if its key tells the place of
// those behind it, else it has no value.
func treeParameters(n expr.Node) []any {
	out := []any{}
	keyed := keyedFunctions[n.Name()]
	for i, arg := range n.Args() {
		p, _ := n.Param(i)
		key := p.Key
		if !keyed {
			key = "source"
			if i > 0 {
				key = "p" + strconv.Itoa(i+1)
			}
		}
		o := newObject().set("key", key)
		switch {
		case arg.Kind() != expr.NodeOmitted:
			out = append(out, o.set("value", tree(arg)))
		case !keyed || p.Repeats:
			out = append(out, o.set("value", nil))
		}
	}
	return out
}

func treeOperands(n expr.Node) []any {
	out := []any{}
	for i, arg := range n.Args() {
		key := "left"
		if i > 0 {
			key = "right"
		}
		out = append(out, newObject().set("key", key).set("value", tree(arg)))
	}
	return out
}

// rename writes an expression with one attribute under another name.
func rename(n expr.Node, from, to string) string {
	switch n.Kind() {
	case expr.NodeAttribute:
		if n.Name() == from {
			return "[" + to + "]"
		}
	case expr.NodeFunction, expr.NodeOperator:
		var args []string
		for _, arg := range n.Args() {
			args = append(args, rename(arg, from, to))
		}
		if n.Kind() == expr.NodeOperator {
			return strings.Join(args, " "+n.Name()+" ")
		}
		return n.Name() + "(" + strings.Join(args, ", ") + ")"
	}
	return n.Text()
}

func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
