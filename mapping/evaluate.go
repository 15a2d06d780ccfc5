package mapping

import (
	"cmp"
	"errors"
	"slices"

	"github.com/scimsync/scimsync/mapping/expr"
)

// facts is what an evaluation needs to know about the source of a mapping; finding it out once
// keeps the work per object small.
type facts struct {
	source     *expr.Expr // the source that the facts are about
	direct     string     // attribute of a direct mapping
	isDirect   bool
	constant   any // value of a constant mapping
	isConstant bool
	softDelete bool // reads IsSoftDeleted
	adds       bool // outermost AppRoleAssignmentsComplex
	replaces   bool // outermost AssertiveAppRoleAssignmentsComplex
	reference  bool // direct reference to a Reference target
}

// about returns the facts of the attribute's source. An attribute that was put together by hand has
// none prepared; they are found out on every call then.
func (a *Attribute) about() *facts {
	if a.facts != nil && a.facts.source == a.Source {
		return a.facts
	}
	return factsOf(a)
}

func factsOf(a *Attribute) *facts {
	f := &facts{source: a.Source}
	if a.Source == nil {
		return f
	}
	f.direct, f.isDirect = a.Source.Direct()
	if _, ok := a.Source.Constant(); ok {
		f.isConstant, f.constant = true, a.Source.Root().Value().JSON()
	}
	f.softDelete = slices.Contains(a.Source.Attributes(), IsSoftDeleted)
	f.adds, f.replaces = a.Source.AddsRoles(), a.Source.ReplacesRoles()
	f.reference = a.Definition.Type == Reference && f.isDirect && (f.direct == manager || f.direct == members)
	return f
}

// prepare finds out the facts of all attributes, once.
func (o *Object) prepare() {
	for i := range o.Attributes {
		o.Attributes[i].facts = factsOf(&o.Attributes[i])
	}
}

// SoftDelete reports whether the mapping depends on IsSoftDeleted, so that it is part of a disable.
func (a *Attribute) SoftDelete() bool { return a.about().softDelete }

// Reference reports whether the mapping writes a reference (manager, members): its value is the id
// of another object and is exported after that object.
func (a *Attribute) Reference() bool { return a.about().reference }

type state uint8

const (
	stateNull      state = iota // the source has no value
	stateValue                  // value is wanted
	stateDropped                // IgnoreFlowIfNullOrEmpty: leave the attribute alone
	stateNone                   // a mapping without source
	stateReference              // written elsewhere
	stateFailed                 // could not be computed
)

type desired struct {
	value  any
	state  state
	redact bool
	err    *Error // of a mapping that acts on create only
}

// Desired are the values that the mappings of one object yield. It is computed by
// [Object.Evaluate] and does not change.
type Desired struct {
	object *Object
	values []desired // one for each attribute of object
}

// Evaluate computes all mappings for a source object (section 2). src has IsSoftDeleted and
// appRoleAssignments among its attributes. env brings the clock, randomness and so on; its Lookup is
// replaced by that of src.
//
// An error, always an [*Error], fails the whole object: nothing may be written for it. The
// result beside it holds what the other mappings yielded, for a leaver that has to be disabled all the
// same and for people who look for the mistake. Mappings that act on create only fail in
// [Desired.Create], because they must not stop an update.
func (o *Object) Evaluate(src Attributes, env *expr.Env) (Desired, error) {
	return o.EvaluateUnique(src, env, nil)
}

// EvaluateUnique is Evaluate with the probe of SelectUniqueValue, which has to know which attribute
// of the target a candidate is meant for. With a nil probe env.Unique is used.
func (o *Object) EvaluateUnique(src Attributes, env *expr.Env, free func(target Path, candidate string) (bool, error)) (Desired, error) {
	ev := evaluation{src: src, env: env, free: free}
	d := Desired{object: o, values: make([]desired, len(o.Attributes))}
	var first *Error
	for i := range o.Attributes {
		a := &o.Attributes[i]
		v, err := ev.attribute(a)
		if err != nil {
			err.Target = a.Target
			if a.Source != nil {
				err.Expression = a.Source.String()
			}
			v = desired{state: stateFailed}
			if a.Flow == FlowOnCreate && a.Match == 0 {
				v.err = err
			} else {
				first = cmp.Or(first, err)
			}
		}
		d.values[i] = v
	}
	if first != nil {
		return d, first
	}
	return d, nil
}

// evaluation is the work on one object.
type evaluation struct {
	src  Attributes
	env  *expr.Env
	free func(Path, string) (bool, error)
	own  *expr.Env // env with the lookup of src; made when the first function is evaluated
}

func (ev *evaluation) attribute(a *Attribute) (desired, *Error) {
	f := a.about()
	var raw any
	switch {
	case a.Source == nil:
		return desired{state: stateNone}, nil
	case f.reference:
		return desired{state: stateReference}, nil
	case f.isDirect:
		raw, _ = ev.src.Lookup(f.direct)
		if a.FlowNull && raw == "" { // 3.3: an empty text of such a mapping counts as null
			return desired{}, nil
		}
	case f.isConstant:
		raw = f.constant
	default:
		return ev.expression(a)
	}
	v, err := Convert(a.Definition, raw)
	return result(v, false, err)
}

func (ev *evaluation) expression(a *Attribute) (desired, *Error) {
	if ev.own == nil {
		own := expr.Env{}
		if ev.env != nil {
			own = *ev.env
		}
		own.Lookup = func(name string) expr.Value {
			v, _ := ev.src.Lookup(name)
			return expr.FromJSON(v)
		}
		ev.own = &own
	}
	env := ev.own
	if ev.free != nil && a.Source.SelectsUnique() {
		own := *env
		own.Unique = func(candidate string) (bool, error) { return ev.free(a.Target, candidate) }
		env = &own
	}
	v, err := a.Source.Eval(env)
	if err != nil {
		e := &Error{Err: err, Message: err.Error()}
		if x, ok := errors.AsType[*expr.Error](err); ok {
			e.Code, e.Message, e.Hint = x.Code, x.Message, x.Hint
		}
		return desired{}, e
	}
	if v.Dropped() {
		return desired{state: stateDropped}, nil
	}
	out, convErr := convert(a.Definition, v)
	if convErr != nil {
		return desired{}, convErr
	}
	return result(out, v.Secret(), nil)
}

func result(v any, redact bool, err error) (desired, *Error) {
	if err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			e = &Error{Code: expr.CodeTypeMismatch, Message: err.Error()}
		}
		return desired{}, e
	}
	if v == nil {
		return desired{redact: redact}, nil
	}
	return desired{value: v, state: stateValue, redact: redact}, nil
}

// at returns attribute i and what was computed for it.
func (d Desired) at(i int) (*Attribute, *desired) { return &d.object.Attributes[i], &d.values[i] }

func (a *Attribute) wanted(v any, redact bool) Value {
	return Value{Path: a.Target, Definition: a.Definition, Value: v, Redact: redact}
}

// Matching are the values by which an object without link is searched, in the order of their
// priority (section 5). Empty values are left out.
func (d Desired) Matching() []Value {
	var order []int
	for i := range d.values {
		a, v := d.at(i)
		if a.Match <= 0 || v.state != stateValue || empty(v.value) {
			continue
		}
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(x, y int) int {
		return cmp.Compare(d.object.Attributes[x].Match, d.object.Attributes[y].Match)
	})
	out := make([]Value, 0, len(order))
	for _, i := range order {
		a, v := d.at(i)
		value := v.value
		if list, ok := value.([]any); ok && len(list) == 1 {
			value = list[0]
		}
		switch value.(type) {
		case []any, map[string]any:
			continue // no filter can ask for it
		}
		out = append(out, a.wanted(value, v.redact))
	}
	return out
}

// Create are the values of a new target object, in the order of the mappings, without references:
// what the source has, else the default (3.1). The error, an [*Error], is MandatoryFieldsMissing when
// a required attribute has neither, or that of a mapping that acts on create only.
func (d Desired) Create() ([]Value, error) {
	out := make([]Value, 0, len(d.values))
	for i := range d.values {
		a, v := d.at(i)
		switch v.state {
		case stateValue:
			out = append(out, a.wanted(v.value, v.redact))
		case stateNull, stateNone:
			value, err := a.fallback()
			if err != nil {
				return nil, err
			}
			if value != nil {
				out = append(out, a.wanted(value, v.redact))
			}
		case stateFailed:
			if v.err != nil {
				return nil, v.err
			}
		}
	}
	return out, nil
}

// fallback is the default value of a mapping, else that of a required attribute; nil if there is
// none.
func (a *Attribute) fallback() (any, error) {
	text := a.Default
	if text == "" && a.Definition.Required {
		text = a.Definition.Default
	}
	if text == "" {
		if a.Definition.Required {
			return nil, &Error{Target: a.Target, Expression: a.expression(), Code: CodeMandatoryFieldsMissing,
				Message: "the target requires the attribute, and the source object has no value for it",
				Hint:    "fill the attribute at the source, or give the mapping a default"}
		}
		return nil, nil
	}
	v, err := Convert(a.Definition, text)
	if err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return nil, err
		}
		e.Target, e.Message = a.Target, "the default does not fit: "+e.Message
		return nil, e
	}
	return v, nil
}

func (a *Attribute) expression() string {
	if a.Source == nil {
		return ""
	}
	return a.Source.String()
}

// Values are what a target object is believed to hold once it agrees with the mappings: every
// value that is not null, and the defaults of mappings without source. Left out are references and
// mappings that act on create only: they are never compared again.
func (d Desired) Values() []Value {
	out := make([]Value, 0, len(d.values))
	for i := range d.values {
		a, v := d.at(i)
		if a.Flow == FlowOnCreate || a.Definition.Mutability == Immutable {
			continue
		}
		switch v.state {
		case stateValue:
			out = append(out, a.wanted(v.value, v.redact))
		case stateNone:
			if value, err := a.fallback(); err == nil && value != nil {
				out = append(out, a.wanted(value, v.redact))
			}
		}
	}
	return out
}
