package mapping

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/scimsync/scimsync/mapping/expr"
)

// Equal reports whether a target that holds have has what want asks for, so that no update has to
// be sent (8.2 and scim-target.md section 17). Missing, "" and an empty list are equal. Lists are
// sets. Booleans and numbers may be texts at the target, instants are compared as such, references
// by their id. Members of a complex value that want does not mention are ignored.
//
// Texts are compared in Unicode NFC, against 8.2 and with scim-target.md 17.2: a server that
// normalises what it stores would otherwise be patched for ever.
func Equal(d Definition, want, have any) bool {
	if a, ok := want.(string); ok {
		if b, ok := have.(string); ok && a == b {
			return true
		}
	}
	if empty(want) || empty(have) {
		return empty(want) && empty(have)
	}
	a, aList := want.([]any)
	b, bList := have.([]any)
	if !aList && !bList {
		return equalOne(d, want, have)
	}
	if !aList {
		a = []any{want}
	}
	if !bList {
		b = []any{have}
	}
	return len(without(d, a, b)) == 0 && len(missing(d, b, a)) == 0
}

// without lists the elements of want that have lacks, each once.
func without(d Definition, want, have []any) []any {
	return difference(want, have, func(w, h any) bool { return equalOne(d, w, h) }, d)
}

// missing lists the elements of have that want lacks.
func missing(d Definition, have, want []any) []any {
	return difference(have, want, func(h, w any) bool { return equalOne(d, w, h) }, d)
}

// smallSet is the size up to which comparing every pair is cheaper than hashing.
const smallSet = 16

func difference(a, b []any, same func(a, b any) bool, d Definition) []any {
	known := texts(d, b)
	var out []any
	for _, x := range a {
		if empty(x) {
			continue
		}
		if s, ok := x.(string); ok && known != nil {
			if known[canonical(d, s)] {
				continue
			}
		} else if contains(b, func(y any) bool { return same(x, y) }) {
			continue
		}
		if !contains(out, func(y any) bool { return same(x, y) }) {
			out = append(out, x)
		}
	}
	return out
}

// texts is the set of a long list of texts, nil for every other list.
func texts(d Definition, list []any) map[string]bool {
	if len(list) <= smallSet || d.Type != String && d.Type != Reference && d.Type != "" {
		return nil
	}
	set := make(map[string]bool, len(list))
	for _, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil
		}
		set[canonical(d, s)] = true
	}
	return set
}

// canonical maps texts that are equal under d to the same text.
func canonical(d Definition, s string) string {
	switch {
	case d.Type == Reference:
		return lastSegment(s)
	case d.CaseExact:
		return norm.NFC.String(s)
	}
	return strings.ToLower(norm.NFC.String(s))
}

func contains(list []any, f func(any) bool) bool {
	for _, e := range list {
		if f(e) {
			return true
		}
	}
	return false
}

// equalOne compares two values that are no lists.
func equalOne(d Definition, want, have any) bool {
	wantMap, isMap := want.(map[string]any)
	haveMap, isAlso := have.(map[string]any)
	switch {
	case isMap && isAlso:
		return equalComplex(d, wantMap, haveMap)
	case isMap || isAlso:
		// An element that is only its value, or a reference in its object form.
		if isMap {
			want = member(wantMap, "value")
		} else {
			have = member(haveMap, "value")
		}
		if empty(want) || empty(have) {
			return false
		}
	}
	switch d.Type {
	case Boolean:
		a, okA := asBool(want)
		b, okB := asBool(have)
		if okA && okB {
			return a == b
		}
	case Integer:
		if same, ok := equalNumbers(want, have); ok {
			return same
		}
	case DateTime:
		a, okA := asInstant(want)
		b, okB := asInstant(have)
		if okA && okB {
			return a.Equal(b)
		}
	case Binary:
		return equalBinary(want, have)
	case Reference:
		a, okA := textOf(want)
		b, okB := textOf(have)
		return okA && okB && (a == b || lastSegment(a) == lastSegment(b))
	}
	return equalTexts(d, want, have)
}

// equalTexts compares by text form. A value that is no text on one side (a server that returns 42
// for "42" or true for "True") is compared with its own text form.
func equalTexts(d Definition, want, have any) bool {
	a, okA := want.(string)
	b, okB := have.(string)
	if okA && okB {
		return equalStrings(d.CaseExact, a, b)
	}
	if !okA && !okB {
		if x, ok := want.(bool); ok {
			y, ok := have.(bool)
			return ok && x == y
		}
		same, ok := equalNumbers(want, have)
		return ok && same
	}
	other, text := want, b
	if okA {
		other, text = have, a
	}
	switch v := other.(type) {
	case bool:
		return equalFold(text, strconv.FormatBool(v))
	case map[string]any, []any:
		return false
	}
	s, ok := textOf(other)
	return ok && s == text
}

func equalStrings(exact bool, a, b string) bool {
	if a == b || !exact && equalFold(a, b) {
		return true
	}
	if ascii(a) && ascii(b) {
		return false
	}
	a, b = norm.NFC.String(a), norm.NFC.String(b)
	return a == b || !exact && equalFold(a, b)
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// equalNumbers compares numerically; ok is false unless both are numbers or texts of numbers.
func equalNumbers(want, have any) (same, ok bool) {
	a, okA := number(want)
	b, okB := number(have)
	return okA && okB && a.Equal(b), okA && okB
}

func number(v any) (expr.Value, bool) {
	switch v.(type) {
	case bool, map[string]any, []any, nil:
		return expr.Value{}, false
	}
	return expr.FromJSON(v).AsNumber()
}

func equalBinary(want, have any) bool {
	a, okA := want.(string)
	b, okB := have.(string)
	if !okA || !okB {
		return false
	}
	if a == b {
		return true
	}
	x, errX := base64.StdEncoding.DecodeString(a)
	y, errY := base64.StdEncoding.DecodeString(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// lastSegment is the id in a reference that is an address.
func lastSegment(ref string) string {
	if !strings.Contains(ref, "/") {
		return ref
	}
	return ref[strings.LastIndexByte(ref, '/')+1:]
}

// equalComplex compares the members that want has. A missing "primary" is false (RFC 7643 2.4).
func equalComplex(d Definition, want, have map[string]any) bool {
	for name, w := range want {
		h := member(have, name)
		sub := Definition{CaseExact: true}
		switch {
		case equalFold(name, "primary"):
			sub.Type = Boolean
			if h == nil {
				h = false
			}
		case equalFold(name, "type"):
			sub.CaseExact = false
		case equalFold(name, "value"):
			sub.CaseExact = d.CaseExact
		}
		if !Equal(sub, w, h) {
			return false
		}
	}
	return true
}
