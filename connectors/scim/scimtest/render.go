package scimtest

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// attributes returns what a request may see of an entry, in a map of its own. What is left out by
// attributes and excludedAttributes (RFC 7644 section 3.9) is never rendered. The caller holds the lock.
func (s *Server) attributes(k *resourceKind, e *entry, c *call) map[string]any {
	var out map[string]any
	if len(c.only) == 0 {
		out = make(map[string]any, len(e.attrs)+4)
		maps.Copy(out, e.attrs)
	} else {
		out = selectAttributes(k, e.attrs, c.only)
	}
	for _, name := range c.excluded {
		dropPath(k, out, name)
	}
	if k.name == "Group" && e.members.len() > 0 && !c.q.HideMembers && c.wants("members") {
		out["members"] = e.members.render(c.base, c.q.MemberReadLimit)
	}
	if k.name == "User" && c.q.ShowGroups && c.wants("groups") {
		if groups := s.groupsOf(e, c); len(groups) > 0 {
			out["groups"] = groups
		}
	}
	return out
}

// wants says whether a whole attribute belongs into the answer.
func (c *call) wants(name string) bool {
	is := func(n string) bool {
		n = n[strings.LastIndexByte(n, ':')+1:]
		head, _, _ := strings.Cut(n, ".")
		return strings.EqualFold(head, name)
	}
	return (len(c.only) == 0 || slices.ContainsFunc(c.only, is)) && !slices.ContainsFunc(c.excluded, is)
}

func (s *Server) groupsOf(e *entry, c *call) []any {
	var out []any
	for _, g := range s.store.memberOf[e.id] {
		out = append(out, map[string]any{
			"value": g.id, "display": g.text("displayName"), "type": "direct", "$ref": c.base + "/Groups/" + g.id,
		})
	}
	return out
}

// selectAttributes copies the named attributes and sub-attributes.
func selectAttributes(k *resourceKind, attrs map[string]any, paths []string) map[string]any {
	out := map[string]any{}
	for _, path := range paths {
		if urn, ok := k.extension(path); ok {
			if v, ok := attrs[urn]; ok {
				out[urn] = v
			}
			continue
		}
		p, _, err := k.paths.parsePath(path)
		if err != nil {
			continue // an unknown name selects nothing
		}
		a := k.find(p.path.URI(), p.path.AttributeName)
		if a == nil {
			continue
		}
		from, to := attrs, out
		if a.urn != "" {
			from, _ = attrs[a.urn].(map[string]any)
			if to, _ = out[a.urn].(map[string]any); to == nil {
				to = map[string]any{}
			}
		}
		v, ok := from[a.name]
		if !ok {
			continue
		}
		if sub := a.sub(p.path.SubAttributeName()); sub != nil {
			v = pick(v, sub.name, to[a.name])
		}
		to[a.name] = v
		if a.urn != "" {
			out[a.urn] = to
		}
	}
	return out
}

// pick reduces an object, or each object of a list, to one sub-attribute and what is picked already.
func pick(v any, name string, picked any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		if before, ok := picked.(map[string]any); ok {
			maps.Copy(out, before)
		}
		if x, ok := v[name]; ok {
			out[name] = x
		}
		return out
	case []any:
		before, _ := picked.([]any)
		out := make([]any, len(v))
		for i, x := range v {
			var b any
			if i < len(before) {
				b = before[i]
			}
			out[i] = pick(x, name, b)
		}
		return out
	default:
		return v
	}
}

// dropPath takes one attribute or sub-attribute out of attrs, whose nested values are shared.
func dropPath(k *resourceKind, attrs map[string]any, path string) {
	if urn, ok := k.extension(path); ok {
		delete(attrs, urn)
		return
	}
	p, _, err := k.paths.parsePath(path)
	if err != nil {
		return
	}
	a := k.find(p.path.URI(), p.path.AttributeName)
	if a == nil {
		return
	}
	holder := attrs
	if a.urn != "" {
		ext, ok := attrs[a.urn].(map[string]any)
		if !ok {
			return
		}
		holder = maps.Clone(ext)
		attrs[a.urn] = holder
	}
	sub := a.sub(p.path.SubAttributeName())
	switch v := holder[a.name].(type) {
	case map[string]any:
		if sub != nil {
			v = maps.Clone(v)
			delete(v, sub.name)
			holder[a.name] = v
			return
		}
	case []any:
		if sub != nil {
			v = clone(v).([]any)
			for _, x := range v {
				if m, ok := x.(map[string]any); ok {
					delete(m, sub.name)
				}
			}
			holder[a.name] = v
			return
		}
	}
	delete(holder, a.name)
}

// render returns the whole resource as elimity would, with an absolute location. The caller holds
// the lock.
func (s *Server) render(k *resourceKind, e *entry, c *call) map[string]any {
	out := s.attributes(k, e, c)
	out["id"] = e.id
	out["schemas"] = k.schemas
	meta := map[string]any{
		"resourceType": k.name,
		"created":      e.created.Format(time.RFC3339),
		"lastModified": e.modified.Format(time.RFC3339),
		"location":     c.base + k.endpoint + "/" + url.PathEscape(e.id),
	}
	if c.q.ETags {
		meta["version"] = e.etag()
	}
	out["meta"] = meta
	return out
}

// resource answers with a rendered resource; nil is 204.
func (a *answer) resource(v map[string]any, c *call) {
	if v == nil {
		a.WriteHeader(204)
		return
	}
	if meta, ok := v["meta"].(map[string]any); ok && c.q.ETags {
		version, _ := meta["version"].(string)
		a.header.Set("Etag", version)
	}
	a.json(200, v)
}

func (a *answer) json(status int, v any) {
	e := json.NewEncoder(&a.body)
	e.SetEscapeHTML(false)
	a.status = status
	if err := e.Encode(v); err != nil {
		panic("scimtest: " + err.Error()) // all values came out of JSON
	}
}
