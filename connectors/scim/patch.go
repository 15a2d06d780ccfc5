package scim

import (
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// patchOp is one operation of a PATCH.
type patchOp struct {
	word  string // add, replace, remove
	path  string // "" for an operation without path
	value any
	bare  bool // remove without value
}

// wirePath is a path as it goes on the wire (section 11).
func wirePath(p engine.Path, sh *shape) string {
	if len(p.Filter) == 0 {
		return p.String()
	}
	var b []byte
	if p.URN != "" {
		b = append(append(b, p.URN...), ':')
	}
	b = append(append(b, p.Attribute...), '[')
	for i, c := range p.Filter {
		if i > 0 {
			b = append(b, " and "...)
		}
		b = append(append(b, c.Name...), " eq "...)
		b = appendLiteral(b, c.Value, c.Quoted, sh.quotedBooleans)
	}
	b = append(b, ']')
	if p.Sub != "" {
		b = append(append(b, '.'), p.Sub...)
	}
	return string(b)
}

func appendLiteral(b []byte, v any, quoted string, keepQuotes bool) []byte {
	switch v := v.(type) {
	case bool:
		if quoted != "" && keepQuotes {
			return appendString(b, quoted)
		}
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case string:
		return appendString(b, v)
	}
	return appendString(b, text(v))
}

// elementKey names the element that a typed path addresses.
func elementKey(p engine.Path) string {
	return engine.Path{URN: p.URN, Attribute: p.Attribute, Filter: p.Filter}.Key()
}

// render turns changes into the operations of one PATCH. It chooses add, replace or remove by what
// the target has: nothing, another value, or a value that is to go (13.1).
func render(changes []engine.AttributeChange, sh *shape, clearStyle string) []patchOp {
	var own, adds, replaces, removes []patchOp
	var added map[string]bool // elements that were added as a whole
	for i := range changes {
		ch := &changes[i]
		switch {
		case isReference(ch):
			own = append(own, referenceOp(ch, sh))
		case ch.New == nil:
			removes = append(removes, clearOp(ch, sh, clearStyle))
		case sh.wholeElement && addsElement(ch, changes):
			key := elementKey(ch.Path)
			if !added[key] {
				if added == nil {
					added = map[string]bool{}
				}
				added[key] = true
				own = append(own, patchOp{word: "add", path: attributePath(ch.Path), value: []any{wholeElement(key, changes, sh)}})
			}
		default:
			op := patchOp{word: "replace", path: wirePath(ch.Path, sh), value: wireValue(ch.New, &ch.Path, sh)}
			_, list := ch.New.([]any)
			// RFC 7644 does not define add through a value filter; the element is there, as a sibling
			// shows, and replacing a part that it lacks adds it (section 3.5.2.3).
			through := sh.wholeElement && len(ch.Path.Filter) > 0
			if ch.Additive || ch.Old == nil && !ch.Assertive && !through && (list || !sh.noAdd) {
				op.word = "add"
			}
			simple := len(ch.Path.Filter) == 0 && !list && !ch.Additive
			switch {
			case !sh.pathless || !simple:
				own = append(own, op)
			case op.word == "add":
				adds = append(adds, op)
			default:
				replaces = append(replaces, op)
			}
		}
	}
	own = append(own, merged(adds)...)
	own = append(own, merged(replaces)...)
	return append(own, removes...)
}

// merged joins operations on simple attributes into one without path, as Entra's newer dialect
// does: keys are attribute paths, dotted and with their URN. One operation keeps its path (13.3).
func merged(ops []patchOp) []patchOp {
	if len(ops) < 2 {
		return ops
	}
	all := make(object, 0, len(ops))
	for _, o := range ops {
		all = append(all, field{o.path, o.value})
	}
	return []patchOp{{word: ops[0].word, value: all}}
}

// addsElement reports whether a change is about a typed element that the target lacks: neither it
// nor a sibling in the same request has a value there. Elements of attributes with parts of equal
// rank (addresses) may exist without this part, so they are only added whole when their value is.
func addsElement(ch *engine.AttributeChange, changes []engine.AttributeChange) bool {
	if len(ch.Path.Filter) == 0 || ch.New == nil {
		return false
	}
	key := elementKey(ch.Path)
	for i := range changes {
		if s := &changes[i]; s.Old != nil && len(s.Path.Filter) > 0 && elementKey(s.Path) == key {
			return false
		}
	}
	return true
}

// wholeElement builds the element from the clauses of its filter and all changes that address it.
func wholeElement(key string, changes []engine.AttributeChange, sh *shape) map[string]any {
	e := map[string]any{}
	for i := range changes {
		ch := &changes[i]
		if len(ch.Path.Filter) == 0 || ch.New == nil || elementKey(ch.Path) != key {
			continue
		}
		for _, cl := range ch.Path.Filter {
			e[cl.Name] = cl.Value
		}
		if m, ok := ch.New.(map[string]any); ok && ch.Path.Sub == "" {
			for n, v := range m {
				e[n] = v
			}
			continue
		}
		sub := ch.Path.Sub
		if sub == "" {
			sub = "value"
		}
		e[sub] = wireValue(ch.New, &ch.Path, sh)
	}
	return e
}

// attributePath is the path of the attribute without filter and sub-attribute.
func attributePath(p engine.Path) string {
	return engine.Path{URN: p.URN, Attribute: p.Attribute}.String()
}

// wireValue is a value in the form the dialect gives it: booleans as text, roles as JSON text.
func wireValue(v any, p *engine.Path, sh *shape) any {
	switch v := v.(type) {
	case bool:
		if sh.textBooleans {
			return titleBool(v)
		}
	case []any:
		if sh.rolesAsText && p.URN == "" && p.Attribute == "roles" {
			out := make([]any, 0, len(v))
			for _, e := range v {
				if m, ok := e.(map[string]any); ok {
					e = map[string]any{"value": string(appendObject(nil, m))}
				}
				out = append(out, e)
			}
			return out
		}
	}
	return v
}

func titleBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// clearOp removes a value in the configured style (13.6). Of a typed element the element goes, not
// just its value.
func clearOp(ch *engine.AttributeChange, sh *shape, style string) patchOp {
	p := ch.Path
	switch {
	case len(p.Filter) == 0:
	case sh.interop && p.Sub == "": // a filter in a path must end in a sub-attribute there (7.6)
		p.Sub = "value"
	case !sh.interop && p.Sub == "value":
		p.Sub = ""
	}
	switch {
	case style == "emptyString" && len(p.Filter) == 0:
		return patchOp{word: "replace", path: wirePath(p, sh), value: ""}
	case style == "null" && len(p.Filter) == 0:
		return patchOp{word: "replace", path: wirePath(p, sh)}
	}
	return patchOp{word: "remove", path: wirePath(p, sh), bare: true}
}

// isReference reports whether a change sets or clears a reference to another object.
func isReference(ch *engine.AttributeChange) bool {
	if ch.Path.Attribute == "manager" && ch.Path.URN == enterpriseURN {
		return true
	}
	return ch.Definition.Type == "Reference" && len(ch.Path.Filter) == 0 && ch.Path.Attribute != "profileUrl"
}

// referenceOp sets or clears the manager (section 15).
func referenceOp(ch *engine.AttributeChange, sh *shape) patchOp {
	path := wirePath(ch.Path, sh)
	if ch.New == nil {
		if sh.managerRemove {
			return patchOp{word: "remove", path: path, bare: true}
		}
		return patchOp{word: "replace", path: path, value: ""}
	}
	op := patchOp{word: "replace", path: path, value: ch.New}
	if sh.managerObject && ch.Path.Sub == "" {
		op.value = map[string]any{"value": ch.New}
	}
	// RFC 7644 section 3.5.2.3: replacing what is not there adds it. Entra distinguishes.
	if ch.Old == nil && !sh.managerRemove && !sh.noAdd {
		op.word = "add"
	}
	return op
}

// appendPatch appends the body of a PATCH.
func appendPatch(b []byte, ops []patchOp, sh *shape) []byte {
	b = append(b, `{"schemas":["`+patchURN+`"],"Operations":[`...)
	for i := range ops {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"op":"`...)
		b = append(b, opWord(ops[i].word, sh)...)
		b = append(b, '"')
		if ops[i].path != "" {
			b = append(b, `,"path":`...)
			b = appendString(b, ops[i].path)
		}
		if !ops[i].bare {
			b = append(b, `,"value":`...)
			b = appendValue(b, ops[i].value)
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

func opWord(w string, sh *shape) string {
	if sh.lowerOps {
		return w
	}
	return strings.ToUpper(w[:1]) + w[1:]
}
