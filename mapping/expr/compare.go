package expr

import "strings"

// compare evaluates a relational operator by the steps of section 7.2.
func (ev *evaluation) compare(n *node) (Value, error) {
	var sides [2]Value
	if err := ev.argsInto(n, sides[:]); err != nil {
		return Value{}, err
	}
	for i, v := range sides {
		one, ok := v.scalar()
		if !ok || one.kind == KindComplex {
			return Value{}, n.failArg(i, CodeTypeMismatch, "compare one value, for example Item([attribute], 1)", "is %s, which cannot be compared", v.describe())
		}
		sides[i] = one
	}
	left, right := sides[0], sides[1]
	switch {
	case n.fails(0, left) || n.fails(1, right):
		return Bool(false), nil
	case left.isNumber() || right.isNumber():
		a, aOK := left.number()
		b, bOK := right.number()
		if !aOK || !bOK {
			return n.unequal("a number and a value that is none have no order")
		}
		return n.verdict(a.compare(b)), nil
	case left.kind == KindDateTime || right.kind == KindDateTime:
		return n.compareDates(left, right)
	case left.kind == KindBoolean || right.kind == KindBoolean:
		return n.compareBooleans(left, right)
	default:
		return n.compareTexts(left, right), nil
	}
}

// fails reports an operand that makes every operator False: Null, and "" unless it is written as a
// literal.
func (n *node) fails(i int, v Value) bool {
	switch v.kind {
	case KindNull:
		return true
	case KindString, KindReference, KindBinary:
		return v.s == "" && n.args[i].op != opLiteral
	default:
		return false
	}
}

func (n *node) compareDates(left, right Value) (Value, error) {
	var ticks [2]int64
	for i, v := range [2]Value{left, right} {
		t, null, code := v.date()
		if code != "" {
			return Value{}, n.failArg(i, code, "compare a date with a date; see CDate", "is not a date")
		}
		if null { // blank text is no instant, so it differs from every one: CDate([x]) <> "" asks for a value
			return n.unequal("a date and a blank text have no order")
		}
		ticks[i] = t
	}
	return n.verdict(compareOrdered(ticks[0], ticks[1])), nil
}

func (n *node) compareBooleans(left, right Value) (Value, error) {
	const ordered = "Booleans have no order"
	a, aOK := asBoolean(left)
	b, bOK := asBoolean(right)
	if !aOK || !bOK || n.name != "=" && n.name != "<>" {
		return n.unequal(ordered)
	}
	return Bool((a == b) == (n.name == "=")), nil
}

func asBoolean(v Value) (b, ok bool) {
	if v.kind == KindBoolean {
		return v.n != 0, true
	}
	s, _ := v.text()
	return parseBool(s)
}

// compareTexts compares = and <> code point by code point, and orders numerically if both texts are
// numbers. The byte order of UTF-8 is the order of the code points.
func (n *node) compareTexts(left, right Value) Value {
	a, _ := left.text()
	b, _ := right.text()
	if n.name != "=" && n.name != "<>" {
		x, xOK := parseNumber(a)
		y, yOK := parseNumber(b)
		if xOK && yOK {
			return n.verdict(x.compare(y))
		}
	}
	return n.verdict(strings.Compare(a, b))
}

// unequal is the result for operands that can be neither equal nor ordered.
func (n *node) unequal(why string) (Value, error) {
	switch n.name {
	case "=":
		return Bool(false), nil
	case "<>":
		return Bool(true), nil
	default:
		return Value{}, n.fail(CodeTypeMismatch, "compare with = or <>, or convert one side", "%s", why)
	}
}

// verdict turns the order of the operands into the result of the operator.
func (n *node) verdict(order int) Value {
	switch n.name {
	case "=":
		return Bool(order == 0)
	case "<>":
		return Bool(order != 0)
	case ">":
		return Bool(order > 0)
	case ">=":
		return Bool(order >= 0)
	case "<":
		return Bool(order < 0)
	default:
		return Bool(order <= 0)
	}
}
