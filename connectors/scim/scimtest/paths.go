package scimtest

import (
	"net/http"
	"strings"

	"github.com/elimity-com/scim/errors"
	"github.com/scim2/filter-parser/v2"
)

// target is what the path of a PATCH operation points at.
type target struct {
	whole string     // URN of an extension named as a whole; attr is nil then
	attr  *attribute // nil for a literal key, see [Quirks.DottedKeysLiteral]
	sub   *attribute // nil: the attribute itself
	where condition[map[string]any]
	seed  map[string]any // what an element must hold that where would select
}

// multi says whether the target sits in, or is, a multi-valued attribute.
func (t target) multi() bool { return t.attr.MultiValued() }

// leaf is the definition that values written to the target must follow.
func (t target) leaf() *attribute {
	if t.sub != nil {
		return t.sub
	}
	return t.attr
}

// resolve finds the target of a path.
func (k *resourceKind) resolve(path string, q *Quirks) (target, *errors.ScimError) {
	invalid := func(why string) *errors.ScimError {
		return refuse(http.StatusBadRequest, errors.ScimTypeInvalidPath, "path "+path+": "+why)
	}
	if urn, ok := k.extension(path); ok {
		return target{whole: urn}, nil
	}
	p, lits, err := k.paths.parsePath(path)
	if err != nil {
		return target{}, invalid("it doesn't follow the grammar of RFC 7644 figure 7.")
	}
	t := target{attr: k.find(p.path.URI(), p.path.AttributeName)}
	if t.attr == nil {
		return target{}, invalid("there is no such attribute.")
	}
	sub := p.sub
	if p.where == nil {
		sub = p.path.SubAttributeName()
	}
	if sub != "" {
		if t.sub = t.attr.sub(sub); t.sub == nil {
			return target{}, invalid("there is no such sub-attribute.")
		}
	}
	if p.where == nil {
		return t, nil
	}
	if q.ValuePathRefused {
		return target{}, invalid("value filters are not supported.")
	}
	if !t.attr.complex() || !t.multi() {
		return target{}, invalid("only elements of a multi-valued attribute can be selected.")
	}
	if q.PrefixFilter { // a habit of searches only
		exact := *q
		exact.PrefixFilter = false
		q = &exact
	}
	c := compiler{kind: k, lits: lits, q: q}
	if t.where, err = c.element(t.attr, p.where); err != nil {
		return target{}, refuse(http.StatusBadRequest, errors.ScimTypeInvalidFilter, "path "+path+": "+err.Error())
	}
	t.seed = map[string]any{}
	c.seed(t.attr, p.where, t.seed)
	return t, nil
}

// seed collects what the eq terms of a value filter demand of an element.
func (c compiler) seed(a *attribute, e *expr, into map[string]any) {
	switch {
	case e.kind == and:
		c.seed(a, e.left, into)
		c.seed(a, e.right, into)
	case e.kind == compare && e.op == filter.EQ:
		sub := a.sub(e.path.AttributeName)
		v := c.value(e)
		if s, ok := v.(string); ok && sub.boolean() {
			v = strings.EqualFold(s, "true")
		}
		if v != nil {
			into[sub.name] = v
		}
	}
}
