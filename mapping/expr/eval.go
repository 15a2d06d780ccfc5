package expr

import (
	"io"
	"time"
)

// Env is what one evaluation may know of the world. Every field may be left out. An Env is only
// read, so it may serve several evaluations, one after another or, if its functions allow it, at
// once.
type Env struct {
	// Lookup gives the source attribute of that name, Null if the object has none. It sees the
	// complete current object, never only what changed. nil: every attribute is Null.
	Lookup func(name string) Value

	// Now is what the function Now gives, and the year of dates without one.
	Now time.Time

	// Rand feeds Guid and RandomString. Passwords come from it, so outside of tests it must be
	// crypto/rand.Reader. nil: these functions fail with InvalidArgument.
	Rand io.Reader

	// Unique tells whether no other object of the target has the value that SelectUniqueValue
	// tries. Its error ends the evaluation with CodeUnavailable. nil: every value is free.
	Unique func(candidate string) (free bool, err error)

	// DefaultDomain is the domain that the function DefaultDomain gives. "": not configured.
	DefaultDomain string
}

// maxBuilt limits the bytes of text that one evaluation may build. An expression can nest
// replacements so that the text grows without bound; no target takes values of that size.
const maxBuilt = 16 << 20

// evaluation is the state of one run of an expression.
type evaluation struct {
	env    *Env
	built  int  // bytes of text built so far
	secret bool // Redact was evaluated
}

// Eval evaluates e against the object behind env. The error is an [*Error]; what a failed
// evaluation does to the object is the mapper's business. A nil env has no attributes.
func (e *Expr) Eval(env *Env) (Value, error) {
	if env == nil {
		env = &Env{}
	}
	ev := evaluation{env: env}
	v, err := ev.eval(e.root)
	if err != nil {
		return Value{}, err
	}
	if v.kind == KindNull && e.calls("IgnoreFlowIfNullOrEmpty") {
		v.flags |= dropped // anywhere but at the top the marker is only Null
	}
	if ev.secret {
		v.flags |= secret
	}
	return v, nil
}

func (ev *evaluation) eval(n *node) (Value, error) {
	switch n.op {
	case opLiteral, opWord:
		return n.val, nil
	case opAttribute:
		return ev.lookup(n.name), nil
	case opCall:
		return n.fn.eval(ev, n)
	case opConcat:
		return ev.concat(n)
	case opCompare:
		return ev.compare(n)
	default:
		return Value{}, nil
	}
}

func (ev *evaluation) lookup(name string) Value {
	if ev.env.Lookup == nil {
		return Value{}
	}
	v := ev.env.Lookup(name)
	ev.secret = ev.secret || v.Secret()
	v.flags = 0
	return v
}

// arg evaluates argument i, which is Null if it is omitted or not written.
func (ev *evaluation) arg(n *node, i int) (Value, error) {
	if i >= len(n.args) {
		return Value{}, nil
	}
	return ev.eval(n.args[i])
}

// argsInto evaluates the first len(into) arguments from left to right. All of them are evaluated
// before any is looked at (section 8).
func (ev *evaluation) argsInto(n *node, into []Value) error {
	for i := range into {
		v, err := ev.arg(n, i)
		if err != nil {
			return err
		}
		into[i] = v
	}
	return nil
}

// build is a text that a function made. It keeps account of the sizes.
func (ev *evaluation) build(n *node, s string) (Value, error) {
	if err := ev.spend(n, len(s)); err != nil {
		return Value{}, err
	}
	return String(s), nil
}

// spend refuses to build size more bytes if that is too much. Functions whose result is much longer
// than their arguments call it before they build.
func (ev *evaluation) spend(n *node, size int) error {
	if size > maxBuilt-ev.built {
		return n.fail(CodeInvalidArgument, "make the expression build shorter texts", "the texts of this evaluation exceed %d bytes", maxBuilt)
	}
	ev.built += size
	return nil
}

// mapped applies f to v, argument i of n, as section 5.2 has it for a function that maps: Null stays
// Null, a List is taken element by element and its Null results are dropped. f gets each value and
// its text form.
func (ev *evaluation) mapped(n *node, i int, v Value, f func(v Value, s string) (Value, error)) (Value, error) {
	switch v.kind {
	case KindNull:
		return Value{}, nil
	case KindList:
		items := make([]Value, 0, len(v.c.items))
		for _, item := range v.c.items {
			s, err := n.text(i, item)
			if err != nil {
				return Value{}, err
			}
			item, err = f(item, s)
			if err != nil {
				return Value{}, err
			}
			if item.kind != KindNull {
				items = append(items, item)
			}
		}
		return listOwning(items), nil
	default:
		s, err := n.text(i, v)
		if err != nil {
			return Value{}, err
		}
		return f(v, s)
	}
}

// mapText is mapped for functions that make one text of another and cannot fail.
func (ev *evaluation) mapText(n *node, v Value, f func(s string) string) (Value, error) {
	return ev.mapped(n, 0, v, func(_ Value, s string) (Value, error) { return ev.build(n, f(s)) })
}

// concat joins the text forms of all operands (7.1). Null counts as "".
func (ev *evaluation) concat(n *node) (Value, error) {
	texts := make([]string, len(n.args))
	for i := range n.args {
		v, err := ev.arg(n, i)
		if err != nil {
			return Value{}, err
		}
		if texts[i], err = n.textOrEmpty(i, v); err != nil {
			return Value{}, err
		}
	}
	return ev.join(n, texts, "")
}
