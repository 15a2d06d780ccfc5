package scim

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// putChanges writes a whole resource (13.7): read, overlay, write back, with everything kept that
// is not ours.
func (c *Client) putChanges(ctx context.Context, k engine.Kind, id string, changes []engine.AttributeChange) (*reply, error) {
	for attempt := 0; ; attempt++ {
		r, err := c.get(ctx, k, id)
		if err != nil {
			return nil, asUpdate(err)
		}
		doc := r.raw.asMap()
		for i := range changes {
			overlay(doc, &changes[i])
		}
		for name := range doc {
			if a, ok := lookup(coreAttributes, name); ok && (a.name == "meta" || a.name == "groups" || a.name == "schemas") {
				if a.name != "schemas" {
					delete(doc, name)
				}
			}
		}
		schemas := schemasOf(doc, k)
		for name := range doc {
			if strings.EqualFold(name, "schemas") {
				delete(doc, name)
			}
		}
		path, template := itemPath(k, id)
		rep, err := c.send(ctx, request{op: opUpdate, kind: k, method: http.MethodPut, path: path, template: template,
			body: appendResource(nil, k, doc, schemas), ifMatch: c.tag(r)})
		f := asFailure(err)
		if f != nil && (f.status == http.StatusPreconditionFailed || f.status == http.StatusPreconditionRequired) && attempt == 0 {
			continue // somebody else wrote meanwhile: read again, once (21)
		}
		return rep, err
	}
}

// asUpdate lets a failed read stand for the update it was part of.
func asUpdate(err error) error {
	if f := asFailure(err); f != nil {
		return &failure{op: opUpdate, status: f.status, header: f.header, said: f.said}
	}
	return err
}

// tag is the version for If-Match, verbatim; "" if tags are not used or none is known.
func (c *Client) tag(r resource) string {
	if !c.set.etag || c.lessons.current().interop || !validHeaderValue(r.version) {
		return ""
	}
	return r.version
}

// schemasOf lists the schemas of a resource that is written back: those it had, and those of the
// extensions it has now.
func schemasOf(doc map[string]any, k engine.Kind) []string {
	var out []string
	for name, v := range doc {
		if !strings.EqualFold(name, "schemas") {
			continue
		}
		l, ok := v.([]any)
		if !ok {
			l = []any{v}
		}
		for _, e := range l {
			if s, ok := e.(string); ok && s != "" {
				out = append(out, s)
			}
		}
	}
	core := userURN
	if k == engine.Group {
		core = groupURN
	}
	if len(out) == 0 {
		out = append(out, core)
	}
	var more []string
	for name, v := range doc {
		if _, ok := v.(map[string]any); ok && isURN(name) &&
			!slices.ContainsFunc(out, func(s string) bool { return strings.EqualFold(s, name) }) {
			more = append(more, name)
		}
	}
	slices.Sort(more)
	return append(out, more...)
}

// overlay writes one change into a resource as the server sent it.
func overlay(doc map[string]any, ch *engine.AttributeChange) {
	p := ch.Path
	if p.URN != "" {
		name := spelled(doc, p.URN)
		ext, ok := doc[name].(map[string]any)
		if !ok {
			if ch.New == nil {
				return
			}
			ext = map[string]any{}
			doc[name] = ext
		}
		doc = ext
	}
	name := spelled(doc, p.Attribute)
	switch {
	case isReference(ch):
		if ch.New == nil {
			delete(doc, name)
		} else {
			doc[name] = map[string]any{"value": ch.New}
		}
	case len(p.Filter) > 0:
		list := overlayElement(asList(doc[name]), ch)
		if len(list) == 0 {
			delete(doc, name)
		} else {
			doc[name] = list
		}
	case p.Sub != "":
		m, ok := doc[name].(map[string]any)
		if !ok {
			if ch.New == nil {
				return
			}
			m = map[string]any{}
			doc[name] = m
		}
		set(m, spelled(m, p.Sub), ch.New)
	case ch.Additive:
		list, _ := ch.New.([]any)
		doc[name] = append(asList(doc[name]), list...)
	default:
		set(doc, name, ch.New)
	}
}

func set(m map[string]any, name string, v any) {
	if v == nil {
		delete(m, name)
	} else {
		m[name] = v
	}
}

// spelled returns the name under which m has a member, in any case, or name itself.
func spelled(m map[string]any, name string) string {
	if _, ok := m[name]; ok {
		return name
	}
	for n := range m {
		if strings.EqualFold(n, name) {
			return n
		}
	}
	return name
}

func asList(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return slices.Clone(v)
	}
	return []any{v}
}

// overlayElement changes the element that the filter of a path selects, the primary one of
// several. If none does, the only element that has no type is meant (a server that keeps no types),
// else a new one is added.
func overlayElement(list []any, ch *engine.AttributeChange) []any {
	p := ch.Path
	at := -1
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok || !selects(p, m) {
			continue
		}
		if at < 0 {
			at = i
		}
		if boolean(m[spelled(m, "primary")]) == true {
			at = i
			break
		}
	}
	if at < 0 && len(list) == 1 {
		if m, ok := list[0].(map[string]any); ok && empty(m[spelled(m, "type")]) {
			at = 0
		}
	}
	sub := p.Sub
	if sub == "" {
		sub = "value"
	}
	if ch.New == nil {
		if at < 0 {
			return list
		}
		if sub == "value" {
			return slices.Delete(list, at, at+1)
		}
		m := cloneObject(list[at])
		delete(m, spelled(m, sub))
		list[at] = m
		return list
	}
	var m map[string]any
	if at >= 0 {
		m = cloneObject(list[at])
	} else {
		m = make(map[string]any, len(p.Filter)+1)
		at = len(list)
		list = append(list, m)
	}
	for _, cl := range p.Filter {
		m[spelled(m, cl.Name)] = cl.Value
	}
	if whole, ok := ch.New.(map[string]any); ok && p.Sub == "" {
		for n, v := range whole {
			m[spelled(m, n)] = v
		}
	} else {
		m[spelled(m, sub)] = ch.New
	}
	list[at] = m
	return list
}

func cloneObject(v any) map[string]any {
	m, _ := v.(map[string]any)
	out := make(map[string]any, len(m)+1)
	for n, e := range m {
		out[n] = e
	}
	return out
}

// selects reports whether an element satisfies the filter of a path.
func selects(p engine.Path, m map[string]any) bool {
	for _, cl := range p.Filter {
		got := m[spelled(m, cl.Name)]
		if want, ok := cl.Value.(bool); ok {
			if is, ok := boolean(got).(bool); !ok && got != nil || is != want {
				return false
			}
			continue
		}
		if !strings.EqualFold(text(got), text(cl.Value)) {
			return false
		}
	}
	return true
}
