package mapping

import "maps"

// RoleType is the type of every role element that is addressed as primary (6.2).
const RoleType = "WindowsAzureActiveDirectoryRole"

// Build makes the body of a SCIM resource out of the values at its paths (6.2), without schemas, id
// and meta: which schemas are announced and how references are written differs between wire
// profiles. Extension attributes stand in an object under their URN. Elements of multi-valued
// attributes come in the order of their first value. Nil values are left out. The result shares
// nothing with values.
func Build(values []Value) map[string]any {
	b := builder{resource: map[string]any{}, elements: map[string]map[string]any{}}
	for _, v := range values {
		if v.Value != nil {
			b.put(v)
		}
	}
	b.finish()
	return b.resource
}

type builder struct {
	resource map[string]any
	elements map[string]map[string]any // by the key of the path without its sub-attribute
	order    []element
}

type element struct {
	container map[string]any
	path      Path
	object    map[string]any
}

func (b *builder) put(v Value) {
	p := v.Path
	container := b.resource
	if p.URN != "" {
		container = object(container, p.URN)
	}
	switch {
	case len(p.Filter) > 0 || p.Sub != "" && p.URN == "" && multiValued[p.Attribute]:
		b.putElement(container, v)
	case p.Sub != "":
		object(container, p.Attribute)[p.Sub] = clone(v.Value)
	default:
		put(container, p, clone(v.Value), v.Definition)
	}
}

// putElement sets a member of the element that the filter addresses; it is made at its first value.
func (b *builder) putElement(container map[string]any, v Value) {
	p := v.Path
	sub := p.Sub
	if sub == "" {
		sub = "value"
	}
	whole := Path{URN: p.URN, Attribute: p.Attribute, Filter: p.Filter}
	e, ok := b.elements[whole.Key()]
	if !ok {
		e = map[string]any{}
		for _, c := range p.Filter {
			e[c.Name] = c.Value
		}
		if primaryRole(p) {
			e["type"] = RoleType
		}
		b.elements[whole.Key()] = e
		b.order = append(b.order, element{container, whole, e})
	}
	if sub == "type" && primaryRole(p) {
		return // the constant wins (6.2)
	}
	if m, isMap := v.Value.(map[string]any); isMap && p.Sub == "" {
		maps.Copy(e, clone(m).(map[string]any))
		return
	}
	e[sub] = clone(v.Value)
}

// finish appends the elements to their attributes and marks the work address as primary unless
// another element claims that or a mapping says otherwise.
func (b *builder) finish() {
	for _, e := range b.order {
		list, _ := e.container[e.path.Attribute].([]any)
		e.container[e.path.Attribute] = append(list, e.object)
	}
	emails, _ := b.resource["emails"].([]any)
	var work map[string]any
	for _, e := range emails {
		m, ok := e.(map[string]any)
		if !ok {
			continue
		}
		if primary, _ := asBool(m["primary"]); primary {
			return
		}
		if t, _ := m["type"].(string); work == nil && equalFold(t, "work") {
			work = m
		}
	}
	if _, mapped := work["primary"]; work != nil && !mapped {
		work["primary"] = true
	}
}

// put sets an attribute as a whole. References get their object form; parts of a complex attribute
// that were set before are kept.
func put(container map[string]any, p Path, v any, d Definition) {
	if p.reference() || d.Type == Reference && d.MultiValued {
		v = refer(v)
	}
	switch v := v.(type) {
	case map[string]any:
		maps.Copy(object(container, p.Attribute), v)
		return
	case []any:
		list, _ := container[p.Attribute].([]any)
		container[p.Attribute] = append(list, v...)
		return
	}
	if p.URN == "" && multiValued[p.Attribute] {
		list, _ := container[p.Attribute].([]any)
		container[p.Attribute] = append(list, v)
		return
	}
	container[p.Attribute] = v
}

func refer(v any) any {
	switch v := v.(type) {
	case string:
		return map[string]any{"value": v}
	case []any:
		for i := range v {
			v[i] = refer(v[i])
		}
	}
	return v
}

// object returns the object at a member, making it if there is none.
func object(m map[string]any, name string) map[string]any {
	if o, ok := m[name].(map[string]any); ok {
		return o
	}
	o := map[string]any{}
	m[name] = o
	return o
}

// primaryRole reports whether the path addresses roles[primary eq "True"].
func primaryRole(p Path) bool {
	if p.URN != "" || p.Attribute != "roles" || len(p.Filter) != 1 {
		return false
	}
	primary, _ := p.Filter[0].Value.(bool)
	return primary && p.Filter[0].Name == "primary"
}

// clone copies a JSON value deeply.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = clone(e)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = clone(e)
		}
		return list
	}
	return v
}
