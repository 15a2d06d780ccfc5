package scimtest

import (
	"encoding/json"
	"slices"
	"strings"
)

// normalised rewrites a body of POST or PUT into the form the schema wants; false if nothing changes.
func (k *resourceKind) normalised(body []byte, q *Quirks) ([]byte, bool) {
	v, err := decodeValue(body)
	doc, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, false
	}
	changed := map[string]any{}
	for key, x := range doc {
		changed[key] = k.normalValue(key, x, q)
		if changed[key] == "" {
			delete(changed, key) // Entra clears with empty text
		}
	}
	out, err := json.Marshal(changed)
	return out, err == nil && !slices.Equal(out, body)
}

func (k *resourceKind) normalValue(key string, v any, q *Quirks) any {
	if _, text := v.(string); text && strings.EqualFold(key, "active") && q.ActiveStringRefused {
		return v
	}
	if urn, ok := k.extension(key); ok {
		ext, ok := v.(map[string]any)
		if !ok {
			return v
		}
		out := map[string]any{}
		for name, x := range ext {
			out[name] = x
			if a := k.find(urn, name); a != nil {
				out[name] = coerce(a, x, a.MultiValued())
			}
		}
		return out
	}
	if a := k.find("", key); a != nil {
		return coerce(a, v, a.MultiValued())
	}
	return v
}
