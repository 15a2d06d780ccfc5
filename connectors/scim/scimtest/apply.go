package scimtest

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/elimity-com/scim/errors"
)

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// clone copies a JSON value; what is stored is never changed in place.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneMap(v)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = clone(x)
		}
		return out
	default:
		return v
	}
}

func cloneMap(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = clone(v)
	}
	return out
}

// apply carries out one operation on attrs, which the caller owns. Members are not its business.
func (o operation) apply(attrs map[string]any, q *Quirks) *errors.ScimError {
	if o.key != "" {
		attrs[o.key] = o.value
		return nil
	}
	if o.target.whole != "" {
		delete(attrs, o.target.whole)
		return nil
	}
	holder := attrs
	if urn := o.target.attr.urn; urn != "" {
		ext, _ := attrs[urn].(map[string]any)
		if ext == nil {
			ext = map[string]any{}
		}
		holder = ext
		defer func() {
			if len(ext) == 0 {
				delete(attrs, urn)
			} else {
				attrs[urn] = ext
			}
		}()
	}
	if o.target.multi() {
		return o.applyMulti(holder, q)
	}
	return o.applySingle(holder)
}

func (o operation) applySingle(holder map[string]any) *errors.ScimError {
	name := o.target.attr.name
	if o.target.sub == nil && !o.target.attr.complex() {
		if o.op == opRemove {
			if o.target.attr.Required() {
				return refuse(http.StatusBadRequest, errors.ScimTypeMutability, name+" is required and can't be removed.")
			}
			delete(holder, name)
			return nil
		}
		holder[name] = o.value
		return nil
	}
	object, _ := holder[name].(map[string]any)
	if object == nil {
		object = map[string]any{}
	}
	switch {
	case o.op == opRemove && o.target.sub == nil:
		object = nil
	case o.op == opRemove:
		delete(object, o.target.sub.name)
	case o.target.sub != nil:
		object[o.target.sub.name] = o.value
	default: // RFC 7644 section 3.5.2.3: the sub-attributes in value are added or replaced
		given, _ := o.value.(map[string]any)
		maps.Copy(object, given)
	}
	if len(object) == 0 {
		delete(holder, name)
		return nil
	}
	holder[name] = object
	return nil
}

func (o operation) applyMulti(holder map[string]any, q *Quirks) *errors.ScimError {
	name := o.target.attr.name
	list, _ := holder[name].([]any)
	var err *errors.ScimError
	switch {
	case o.target.where != nil || o.target.sub != nil:
		list, err = o.applyElements(list, q)
	case o.op == opRemove:
		list = nil
	case o.op == opReplace:
		list = onePrimary(o.value.([]any), nil)
	default:
		list = addElements(list, o.value.([]any))
	}
	if err != nil {
		return err
	}
	if len(list) == 0 {
		delete(holder, name)
		return nil
	}
	holder[name] = list
	return nil
}

// applyElements changes the elements a value filter selects, or all of them if there is none.
func (o operation) applyElements(list []any, q *Quirks) ([]any, *errors.ScimError) {
	var out []any
	hit := false
	for _, x := range list {
		m, ok := x.(map[string]any)
		if !ok || o.target.where != nil && !o.target.where(m) {
			out = append(out, x)
			continue
		}
		hit = true
		switch {
		case o.op == opRemove && o.target.sub == nil:
			continue
		case o.op == opRemove:
			delete(m, o.target.sub.name)
			if m["value"] == nil && o.target.sub.name == "value" || len(m) == 0 {
				continue // what is left of an element without its value is only its label
			}
		case o.target.sub != nil:
			m[o.target.sub.name] = o.value
		default:
			given, _ := o.value.(map[string]any)
			if o.op == opReplace {
				clear(m)
			}
			maps.Copy(m, given)
		}
		out = append(out, m)
	}
	if hit {
		return out, nil
	}
	if o.op == opRemove && !q.Strict && !q.NoTargetStrict {
		return out, nil
	}
	if o.op == opRemove || q.Strict || q.NoTargetStrict {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeNoTarget, "The value filter of the path selects no element of "+o.target.attr.name+".")
	}
	fresh := maps.Clone(o.target.seed)
	if fresh == nil {
		fresh = map[string]any{}
	}
	if o.target.sub != nil {
		fresh[o.target.sub.name] = o.value
	} else if given, ok := o.value.(map[string]any); ok {
		maps.Copy(fresh, given)
	}
	return addElements(out, []any{fresh}), nil
}

// addElements appends what is not there yet. An element with the same value and type as an old one
// takes its place (RFC 7644 section 3.5.2.1: no duplicates).
func addElements(list, more []any) []any {
	for _, x := range more {
		i := slices.IndexFunc(list, func(y any) bool { return sameElement(x, y) })
		if i < 0 {
			list = append(list, x)
			continue
		}
		list[i] = x
	}
	return onePrimary(list, more)
}

func sameElement(a, b any) bool {
	x, ok1 := a.(map[string]any)
	y, ok2 := b.(map[string]any)
	if !ok1 || !ok2 {
		return reflect.DeepEqual(a, b)
	}
	if x["value"] == nil && y["value"] == nil {
		return reflect.DeepEqual(a, b)
	}
	return x["value"] == y["value"] && x["type"] == y["type"]
}

// onePrimary leaves primary with the newest element that claims it.
func onePrimary(list, more []any) []any {
	last := -1
	for i, x := range list {
		m, ok := x.(map[string]any)
		if !ok || m["primary"] != true {
			continue
		}
		if last < 0 || len(more) == 0 || slices.ContainsFunc(more, func(y any) bool { return sameElement(x, y) }) {
			last = i
		}
	}
	for i, x := range list {
		if m, ok := x.(map[string]any); ok && i != last && m["primary"] == true {
			m["primary"] = false
		}
	}
	return list
}

// settle brings attributes into the form in which the application keeps them: drops what is empty,
// lists for multi-valued attributes, and the habits that concern storage. before is nil on create.
func (k *resourceKind) settle(attrs, before map[string]any, q *Quirks) {
	for name, v := range attrs {
		switch v := v.(type) {
		case nil:
			delete(attrs, name)
		case map[string]any:
			if a := k.attrs[strings.ToLower(name)]; a != nil && a.MultiValued() {
				attrs[name] = []any{v} // elimity lets a single element pass as it is
			} else if len(v) == 0 {
				delete(attrs, name)
			}
		case []any:
			if len(v) == 0 {
				delete(attrs, name)
			}
		}
	}
	if len(q.Dropped) > 0 {
		k.drop(attrs, before, q)
	}
	delete(attrs, "password") // writeOnly, never returned
	if q.IgnoreActive && before != nil {
		restore(attrs, before, "active")
	}
	if list, ok := attrs["emails"].([]any); ok && q.SingleEmail && len(list) > 1 {
		attrs["emails"] = list[len(list)-1:]
	}
	if list, ok := attrs["phoneNumbers"].([]any); ok && q.RewritePhones {
		rewritten := clone(list).([]any)
		for _, x := range rewritten {
			if m, ok := x.(map[string]any); ok {
				m["value"] = digits(m["value"])
			}
		}
		attrs["phoneNumbers"] = rewritten
	}
}

// drop undoes the changes of attributes the application doesn't keep.
func (k *resourceKind) drop(attrs, before map[string]any, q *Quirks) {
	for _, name := range sortedKeys(attrs) {
		if a := k.attrs[strings.ToLower(name)]; a != nil && listed(q.Dropped, a, nil) {
			restore(attrs, before, name)
		}
	}
	ext, _ := attrs[enterpriseURN].(map[string]any)
	old, _ := before[enterpriseURN].(map[string]any)
	for name := range ext {
		if a := k.find(enterpriseURN, name); a != nil && listed(q.Dropped, a, nil) {
			restore(ext, old, name)
		}
	}
}

func restore(attrs, before map[string]any, name string) {
	if old, ok := before[name]; ok {
		attrs[name] = old
		return
	}
	delete(attrs, name)
}

func digits(v any) any {
	s, ok := v.(string)
	if !ok {
		return v
	}
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
