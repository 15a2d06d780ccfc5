package expr

import "iter"

// NodeKind says what a [Node] stands for.
type NodeKind uint8

const (
	NodeConstant  NodeKind = iota // a string, a number or an enumeration word
	NodeAttribute                 // a source attribute
	NodeFunction                  // a call
	NodeOperator                  // & or a comparison
	NodeOmitted                   // an argument left out between commas
)

// A Node is a read-only view of one node of the syntax tree, for writing the tree form of a schema
// (spec/mapping.md 10.8) and for explaining an expression.
type Node struct {
	n *node
}

// Root is the outermost node.
func (e *Expr) Root() Node { return Node{e.root} }

// Kind says what the node stands for.
func (d Node) Kind() NodeKind {
	switch d.n.op {
	case opAttribute:
		return NodeAttribute
	case opCall:
		return NodeFunction
	case opConcat, opCompare:
		return NodeOperator
	case opOmitted:
		return NodeOmitted
	default:
		return NodeConstant
	}
}

// Name is the attribute, the function, the operator, or the unescaped text of a constant; a number
// gives its decimal digits, as the tree form stores numbers.
func (d Node) Name() string {
	if d.n.op == opLiteral {
		s, _ := d.n.val.text()
		return s
	}
	return d.n.name
}

// Value is the value of a constant, Null for other nodes.
func (d Node) Value() Value { return d.n.val }

// Args are the arguments of a function in order, omitted ones included, or the operands of an
// operator. A chain a & b & c is one operator with three operands.
func (d Node) Args() iter.Seq2[int, Node] {
	return func(yield func(int, Node) bool) {
		for i, arg := range d.n.args {
			if !yield(i, Node{arg}) {
				return
			}
		}
	}
}

// Len is the number of arguments or operands.
func (d Node) Len() int { return len(d.n.args) }

// Param describes argument i of a function; ok is false if the node is no function or has no such
// argument.
func (d Node) Param(i int) (p Param, ok bool) {
	if d.n.op != opCall || i < 0 || i >= len(d.n.args) {
		return Param{}, false
	}
	return d.n.fn.param(i, len(d.n.args)), true
}

// Text is the canonical text of the node, "" for an omitted argument.
func (d Node) Text() string { return d.n.source() }

// Offset is the place of the node in the parsed text, in code points.
func (d Node) Offset() int { return d.n.pos }
