package expr

import "slices"

// An Expr is a parsed and checked expression. It is immutable and safe for concurrent use.
type Expr struct {
	root       *node
	attributes []string
}

// Parse parses text and does all load-time checks (sections 2 to 4). Literal control arguments such
// as numbers, intervals, date formats and regular expressions are checked and compiled here. The
// error is an [*Error].
func Parse(text string) (*Expr, error) {
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	if err := check(root); err != nil {
		return nil, err
	}
	e := &Expr{root: root}
	_ = root.walk(func(n *node) error { // collects only, never fails
		if n.op == opAttribute && !slices.Contains(e.attributes, n.name) {
			e.attributes = append(e.attributes, n.name)
		}
		return nil
	})
	return e, nil
}

// String is the canonical text: one blank after a comma and around an operator, only the necessary
// escapes. Parsing it gives an equivalent expression, and its String is the same text.
func (e *Expr) String() string { return e.root.source() }

// Attributes are the names of the source attributes that e reads, in order of appearance, each once.
func (e *Expr) Attributes() []string { return slices.Clone(e.attributes) }

// Direct gives the name if e is a lone [name].
func (e *Expr) Direct() (name string, ok bool) {
	if e.root.op != opAttribute {
		return "", false
	}
	return e.root.name, true
}

// Constant gives the text if e is a lone string or number.
func (e *Expr) Constant() (text string, ok bool) {
	if e.root.op != opLiteral {
		return "", false
	}
	return e.root.val.text()
}

// Call gives the name of the outermost function if e is a call.
func (e *Expr) Call() (name string, ok bool) {
	if e.root.op != opCall {
		return "", false
	}
	return e.root.name, true
}

func (e *Expr) calls(name string) bool { return e.root.op == opCall && e.root.name == name }

// Uses reports whether e calls the function anywhere.
func (e *Expr) Uses(function string) bool {
	found := false
	_ = e.root.walk(func(n *node) error { // looks only, never fails
		found = found || n.op == opCall && n.name == function
		return nil
	})
	return found
}

// SelectsUnique reports whether the outermost function is SelectUniqueValue: the mapping needs
// [Env.Unique] and may act only during creation.
func (e *Expr) SelectsUnique() bool { return e.calls("SelectUniqueValue") }

// AddsRoles reports whether the outermost function is AppRoleAssignmentsComplex: on update, roles are
// added and never removed (10.2).
func (e *Expr) AddsRoles() bool { return e.calls("AppRoleAssignmentsComplex") }

// ReplacesRoles reports whether the outermost function is AssertiveAppRoleAssignmentsComplex: the
// whole attribute is replaced, and a Null clears it (10.2).
func (e *Expr) ReplacesRoles() bool { return e.calls("AssertiveAppRoleAssignmentsComplex") }

// Random reports whether e uses Guid or RandomString, so that every evaluation gives another value.
func (e *Expr) Random() bool { return e.Uses("Guid") || e.Uses("RandomString") }

// Redacts reports whether e uses Redact. Whether a value is secret is told by [Value.Secret].
func (e *Expr) Redacts() bool { return e.Uses("Redact") }
