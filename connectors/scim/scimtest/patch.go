package scimtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/elimity-com/scim/errors"
)

// operation is one change of a PATCH request, its op in lower case, its path resolved.
type operation struct {
	op     string // add, replace, remove
	target target
	value  any
	key    string // a dotted key stored as it is
}

const (
	opAdd     = "add"
	opReplace = "replace"
	opRemove  = "remove"
)

// readPatch parses and validates a PATCH body (RFC 7644 section 3.5.2). Path-less operations are
// taken apart into one operation an attribute.
func (k *resourceKind) readPatch(body []byte, q *Quirks) ([]operation, *errors.ScimError) {
	var req struct {
		Schemas    []string
		Operations []struct {
			Op    string
			Path  *string
			Value json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidSyntax, "The body is not a PatchOp message.")
	}
	if len(req.Schemas) != 1 || !strings.EqualFold(req.Schemas[0], patchOpURN) {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidSyntax, "schemas must be "+patchOpURN+".")
	}
	if len(req.Operations) == 0 {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidSyntax, "Operations is missing or empty.")
	}
	if q.OneOperation && len(req.Operations) > 1 {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidSyntax, "Only one operation a request is supported.")
	}
	var out []operation
	for _, o := range req.Operations {
		op := strings.ToLower(o.Op)
		if op != opAdd && op != opReplace && op != opRemove {
			return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidSyntax, "op must be one of add, replace, remove.")
		}
		if op != o.Op && (q.Strict || q.OpCaseStrict) {
			return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidSyntax, "op "+o.Op+" is not a valid choice; it is written in lower case.")
		}
		value, err := decodeValue(o.Value)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidSyntax, "value is not JSON.")
		}
		var ops []operation
		var scimErr *errors.ScimError
		if o.Path == nil || *o.Path == "" {
			ops, scimErr = k.pathless(op, value, q)
		} else {
			ops, scimErr = k.pathful(op, *o.Path, value, q)
		}
		if scimErr != nil {
			return nil, scimErr
		}
		out = append(out, ops...)
	}
	return out, nil
}

// decodeValue keeps numbers as they are written.
func decodeValue(raw []byte) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// pathless takes a value without path apart. Keys may be attribute names, extension URNs with an
// object, and, outside of strict mode, whole paths as Entra's dialect of 2020 writes them.
func (k *resourceKind) pathless(op string, value any, q *Quirks) ([]operation, *errors.ScimError) {
	if op == opRemove {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeNoTarget, "remove needs a path.")
	}
	if q.PathlessRefused {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidPath, "Operations without path are not supported.")
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, "An operation without path needs an object as value.")
	}
	var out []operation
	for _, key := range sortedKeys(object) {
		switch strings.ToLower(key) {
		case "id", "schemas", "meta":
			continue // readOnly; section 3.5.2 lets clients send the resource back as they got it
		}
		urn, isExtension := k.extension(key)
		dotted := !isExtension && strings.ContainsAny(strings.TrimPrefix(key, urnOf(key)), ".[")
		switch {
		case dotted && q.DottedKeysLiteral:
			out = append(out, operation{op: op, key: key, value: object[key]})
			continue
		case dotted && q.Strict:
			return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidPath, "key "+key+" is a path, not an attribute name.")
		case isExtension:
			ops, err := k.extensionOps(op, urn, object[key], q)
			if err != nil {
				return nil, err
			}
			out = append(out, ops...)
			continue
		}
		ops, err := k.pathful(op, key, object[key], q)
		if err != nil {
			return nil, err
		}
		out = append(out, ops...)
	}
	return out, nil
}

// urnOf returns the URN in front of an attribute name, with its colon.
func urnOf(key string) string { return key[:strings.LastIndexByte(key, ':')+1] }

func (k *resourceKind) extensionOps(op, urn string, value any, q *Quirks) ([]operation, *errors.ScimError) {
	if op == opRemove || value == nil {
		return []operation{{op: opRemove, target: target{whole: urn}}}, nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, urn+" needs an object as value.")
	}
	var out []operation
	for _, name := range sortedKeys(object) {
		ops, err := k.pathful(op, urn+":"+name, object[name], q)
		if err != nil {
			return nil, err
		}
		out = append(out, ops...)
	}
	return out, nil
}

// pathful resolves a path and validates the value against the schema.
func (k *resourceKind) pathful(op, path string, value any, q *Quirks) ([]operation, *errors.ScimError) {
	t, err := k.resolve(path, q)
	if err != nil {
		return nil, err
	}
	if t.whole != "" {
		return k.extensionOps(op, t.whole, value, q)
	}
	if t.attr.readOnly() || t.sub != nil && t.sub.readOnly() {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeMutability, path+" is readOnly.")
	}
	if listed(q.Immutable, t.attr, t.sub) {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeMutability, path+" can't be changed.")
	}
	if listed(q.Refused, t.attr, t.sub) {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, path+" is not accepted.")
	}
	if err := quirksOfValue(op, t, value, q); err != nil {
		return nil, err
	}
	o := operation{op: op, target: t, value: value}
	if !q.Strict {
		o = o.lenient()
	}
	if o.op == opRemove && (o.value == nil || t.attr.name != "members") {
		o.value = nil // the value of a remove means nothing, RFC 7644 section 3.5.2.2
		return []operation{o}, nil
	}
	if o.value == nil {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, path+" needs a value.")
	}
	if o.value, err = validValue(t, o.value); err != nil {
		err.Detail = path + ": " + err.Detail
		return nil, err
	}
	return []operation{o}, nil
}

// quirksOfValue refuses the forms of values the quirks don't like.
func quirksOfValue(op string, t target, value any, q *Quirks) *errors.ScimError {
	_, text := value.(string)
	invalid := func(detail string) *errors.ScimError {
		return refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, detail)
	}
	switch {
	case t.attr.name == "active" && op == opAdd && q.AddActiveRefused:
		return refuse(http.StatusBadRequest, errors.ScimTypeInvalidSyntax, "add is not a valid choice for active.")
	case t.attr.name == "active" && text && q.ActiveStringRefused:
		return invalid("active must be a boolean.")
	case t.attr.name == "active" && !text && op != opRemove && q.ActiveBoolRefused:
		return invalid("active must be a string.")
	case t.attr.name == "manager" && t.sub == nil && text && q.ManagerStringRefused:
		return invalid("manager must be an object.")
	case t.attr.name == "manager" && t.sub == nil && !text && op != opRemove && q.ManagerObjectRefused:
		return invalid("manager must be a string.")
	case t.attr.name == "members" && op == opRemove && t.where != nil && q.RemoveByFilterRefused:
		return refuse(http.StatusBadRequest, errors.ScimTypeInvalidPath, "members can't be removed through a filter.")
	case t.attr.name == "members" && op == opRemove && t.where == nil && q.RemoveByValueRefused:
		return invalid("members can only be removed through a filter.")
	}
	return nil
}

// lenient reads the forms Entra and other clients send beside the RFC.
func (o operation) lenient() operation {
	leaf := o.target.leaf()
	if o.op != opRemove {
		// null and "" clear an attribute; an empty list clears a replaced one
		list, isList := o.value.([]any)
		if o.value == nil || o.value == "" || isList && len(list) == 0 && o.op == opReplace {
			o.op, o.value = opRemove, nil
			return o
		}
	}
	o.value = coerce(leaf, o.value, leaf.MultiValued() && o.target.where == nil)
	return o
}

// coerce turns text into booleans and bare values into elements where the schema wants those.
func coerce(a *attribute, v any, multi bool) any {
	if list, ok := v.([]any); ok {
		if !multi {
			if len(list) == 1 {
				return coerce(a, list[0], false) // a manager in a list of one
			}
			return v
		}
		out := make([]any, len(list))
		for i, x := range list {
			out[i] = coerce(a, x, false)
		}
		return out
	}
	switch {
	case a.boolean():
		if s, ok := v.(string); ok {
			switch strings.ToLower(s) {
			case "true", "1":
				return true
			case "false", "0":
				return false
			}
		}
	case a.complex():
		switch x := v.(type) {
		case string:
			if a.sub("value") != nil {
				return map[string]any{"value": x}
			}
		case map[string]any:
			out := make(map[string]any, len(x))
			for key, y := range x {
				if sub := a.sub(key); sub != nil {
					y = coerce(sub, y, sub.MultiValued())
				}
				out[key] = y
			}
			return out
		}
	}
	return v
}

// validValue checks a value against the schema and returns its clean form: a list for multi-valued
// targets without filter, else a single value.
func validValue(t target, value any) (any, *errors.ScimError) {
	leaf := t.leaf()
	if !leaf.MultiValued() || t.where != nil {
		v, err := leaf.ValidateSingular(value)
		return v, copyError(err)
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	out := make([]any, 0, len(list))
	for _, x := range list {
		v, err := leaf.ValidateSingular(x)
		if err != nil {
			return nil, copyError(err)
		}
		out = append(out, v)
	}
	return out, nil
}

// copyError guards elimity's errors, which are shared variables, against our additions.
func copyError(err *errors.ScimError) *errors.ScimError {
	if err == nil {
		return nil
	}
	c := *err
	return &c
}

// listed says whether names mention the attribute, its sub-attribute as "name.sub", or either with
// the URN of its extension in front.
func listed(names []string, a, sub *attribute) bool {
	for _, n := range names {
		if a.urn != "" {
			n = strings.TrimPrefix(n, a.urn+":")
		}
		if strings.EqualFold(n, a.name) || sub != nil && strings.EqualFold(n, a.name+"."+sub.name) {
			return true
		}
	}
	return false
}
