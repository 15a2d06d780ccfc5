package mapping

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/mapping/expr"
)

// Section 8.1.
func TestConvert(t *testing.T) {
	multi := Definition{Type: String, MultiValued: true}
	for _, c := range []struct {
		d    Definition
		in   any
		want any
		code Code
	}{
		{Definition{Type: String}, "x", "x", ""},
		{Definition{Type: String}, "", "", ""}, // an empty text is a value (2.7)
		{Definition{Type: String}, nil, nil, ""},
		{Definition{Type: String}, true, "True", ""},
		{Definition{Type: String}, int64(7), "7", ""},
		{Definition{Type: String}, float64(7), "7", ""},
		{Definition{Type: String}, 1.5, "1.5", ""},
		{Definition{Type: String}, map[string]any{"a": "b"}, map[string]any{"a": "b"}, ""},
		{Definition{Type: String}, []any{"one"}, "one", ""},
		{Definition{Type: String}, []any{nil, "one", nil}, "one", ""},
		{Definition{Type: String}, []any{}, nil, ""},
		{Definition{Type: String}, []any{"a", "b"}, nil, CodeSingleValueOnly},
		{Definition{Type: String, MaxLength: 3}, "äöü", "äöü", ""},
		{Definition{Type: String, MaxLength: 3}, "äöüx", nil, expr.CodeInvalidArgument},
		{Definition{Type: Boolean}, true, true, ""},
		{Definition{Type: Boolean}, "TRUE", true, ""},
		{Definition{Type: Boolean}, "False", false, ""},
		{Definition{Type: Boolean}, float64(1), true, ""},
		{Definition{Type: Boolean}, "0", false, ""},
		{Definition{Type: Boolean}, "", nil, ""},
		{Definition{Type: Boolean}, "maybe", nil, expr.CodeTypeMismatch},
		{Definition{Type: Boolean}, float64(2), nil, expr.CodeTypeMismatch},
		{Definition{Type: Boolean}, 1.5, nil, expr.CodeTypeMismatch},
		{Definition{Type: Integer}, "42", int64(42), ""},
		{Definition{Type: Integer}, float64(42), int64(42), ""},
		{Definition{Type: Integer}, "-7", int64(-7), ""},
		{Definition{Type: Integer}, "", nil, ""},
		{Definition{Type: Integer}, "42.0", int64(42), ""},
		{Definition{Type: Integer}, "42.5", nil, expr.CodeTypeMismatch},
		{Definition{Type: Integer}, "many", nil, expr.CodeTypeMismatch},
		{Definition{Type: Integer}, true, nil, expr.CodeTypeMismatch},
		{Definition{Type: DateTime}, "2020-03-16-07:00", "2020-03-16T07:00:00Z", ""},
		{Definition{Type: DateTime}, "2020-03-16T12:00:00.25+02:00", "2020-03-16T10:00:00Z", ""},
		{Definition{Type: DateTime}, "  ", nil, ""},
		{Definition{Type: DateTime}, "soon", nil, expr.CodeDateParse},
		{Definition{Type: DateTime}, int64(20200316), nil, expr.CodeTypeMismatch},
		{Definition{Type: Reference}, "id-1", "id-1", ""},
		{Definition{Type: Binary}, "YWJj", "YWJj", ""},
		{multi, "x", []any{"x"}, ""},
		{multi, []any{"x", nil, "", "y"}, []any{"x", "y"}, ""},
		{multi, "", nil, ""},
		{multi, []any{true, int64(1)}, []any{"True", "1"}, ""},
		{multi, []any{map[string]any{"value": "a"}}, []any{map[string]any{"value": "a"}}, ""},
		{Definition{Type: Integer, MultiValued: true}, []any{"1", "x"}, nil, expr.CodeTypeMismatch},
		// nothing is known about the attribute
		{Definition{}, true, true, ""},
		{Definition{}, float64(3), int64(3), ""},
		{Definition{}, []any{"a", "b"}, []any{"a", "b"}, ""},
		{Definition{}, []any{"a"}, "a", ""},
	} {
		got, err := Convert(c.d, c.in)
		name := fmt.Sprintf("%s %#v", c.d.Type, c.in)
		if c.code != "" {
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != c.code || e.Message == "" {
				t.Errorf("%s: %v, want %s", name, err, c.code)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// Errors of conversion are logged, so they never quote the value.
func TestConvertErrorsKeepValuesPrivate(t *testing.T) {
	const secret = "xyzzy-secret"
	for _, typ := range []Type{Boolean, Integer, DateTime} {
		_, err := Convert(Definition{Type: typ}, secret)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", typ, err)
		}
	}
	if _, err := Convert(Definition{Type: String, MaxLength: 2}, secret); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("length: %v", err)
	}
}

// Section 8.2 and scim-target.md 17.
func TestEqual(t *testing.T) {
	folded, exact := Definition{Type: String}, Definition{Type: String, CaseExact: true}
	boolean, integer, date := Definition{Type: Boolean}, Definition{Type: Integer}, Definition{Type: DateTime}
	set := Definition{Type: String, MultiValued: true, CaseExact: true}
	role := func(v string) map[string]any { return map[string]any{"value": v, "type": "T", "primary": false} }
	long := func(n int, from int) []any {
		var out []any
		for i := range n {
			out = append(out, fmt.Sprintf("v%d", (i+from)%n))
		}
		return out
	}
	for _, c := range []struct {
		name       string
		d          Definition
		want, have any
		equal      bool
	}{
		{"case folded", folded, "Ann", "aNN", true},
		{"case exact", exact, "Ann", "aNN", false},
		{"folded beyond ASCII", folded, "JÜRGEN", "jürgen", true},
		{"no trimming", folded, "Ann", "Ann ", false},
		{"composed and decomposed", exact, "Jürgen", "Ju\u0308rgen", true},
		{"nothing and empty", exact, nil, "", true},
		{"nothing and empty list", exact, nil, []any{}, true},
		{"something and nothing", exact, "x", nil, false},
		{"false is something", boolean, false, nil, false},
		{"bool text", boolean, true, "True", true},
		{"bool number", boolean, false, float64(0), true},
		{"bool digit", boolean, true, "1", true},
		{"bools differ", boolean, true, "false", false},
		{"bool and nonsense", boolean, true, "yes", false},
		{"number text", integer, int64(1), "1", true},
		{"number zeros", integer, int64(1), "01", true},
		{"numbers differ", integer, int64(1), float64(2), false},
		{"text of a number", exact, "42", float64(42), true},
		{"text with zeros is no number", exact, "0042", float64(42), false},
		{"text of a boolean", exact, "True", true, true},
		{"untyped boolean", Definition{CaseExact: true}, true, "true", true},
		{"untyped number", Definition{CaseExact: true}, int64(3), float64(3), true},
		{"instant with zone", date, "2020-03-16T07:00:00Z", "2020-03-16T08:00:00+01:00", true},
		{"instant with fraction", date, "2020-03-16T07:00:00Z", "2020-03-16T07:00:00.000Z", true},
		{"date only", date, "2020-03-16T00:00:00Z", "2020-03-16", true},
		{"dates differ", date, "2020-03-16T07:00:00Z", "2020-03-17T07:00:00Z", false},
		{"no date", date, "2020-03-16T07:00:00Z", "soon", false},
		{"binary", Definition{Type: Binary}, "YWI=", "YWI=", true},
		{"binary differs", Definition{Type: Binary}, "YWI=", "YWM=", false},
		{"reference", Definition{Type: Reference}, "id-1", map[string]any{"value": "id-1", "displayName": "X"}, true},
		{"reference address", Definition{Type: Reference}, "id-1", "https://x/Users/id-1", true},
		{"reference differs", Definition{Type: Reference}, "id-1", "id-2", false},
		{"set order", set, []any{"a", "b"}, []any{"b", "a"}, true},
		{"set repetition", set, []any{"a", "b"}, []any{"b", "a", "b"}, true},
		{"set lacks", set, []any{"a", "b"}, []any{"a"}, false},
		{"set has more", set, []any{"a"}, []any{"a", "b"}, false},
		{"set and single", set, []any{"a"}, "a", true},
		{"long set", set, long(40, 0), long(40, 7), true},
		{"long set differs", set, long(40, 0), append(long(39, 0), "w"), false},
		{"complex members of others", set, []any{role("a")}, []any{map[string]any{"value": "a", "type": "t", "primary": "False", "$ref": "x"}}, true},
		{"complex without primary", set, []any{role("a")}, []any{map[string]any{"value": "a", "type": "T"}}, true},
		{"complex value differs", set, []any{role("a")}, []any{role("b")}, false},
		{"complex has more", set, []any{role("a")}, []any{role("a"), role("b")}, false},
		{"element that is its value", set, []any{"a"}, []any{map[string]any{"value": "a"}}, true},
		{"complex against text", exact, map[string]any{"value": "a"}, "b", false},
	} {
		if got := Equal(c.d, c.want, c.have); got != c.equal {
			t.Errorf("%s: Equal(%v, %v) = %v", c.name, c.want, c.have, got)
		}
	}
}

// What converts equals itself, and what was converted converts to itself.
func TestConvertIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Definition{
			Type:        rapid.SampledFrom([]Type{"", String, Boolean, Integer, DateTime, Reference, Binary}).Draw(t, "type"),
			MultiValued: rapid.Bool().Draw(t, "multi"), CaseExact: rapid.Bool().Draw(t, "exact"),
		}
		v, err := Convert(d, drawValue(t))
		if err != nil {
			return
		}
		again, err := Convert(d, v)
		if err != nil {
			t.Fatalf("%v does not convert again: %v", v, err)
		}
		if diff := cmp.Diff(v, again); diff != "" {
			t.Fatalf("conversion is not stable: %s", diff)
		}
		if !Equal(d, v, again) {
			t.Fatalf("%v does not equal itself", v)
		}
	})
}

func drawValue(t *rapid.T) any {
	one := rapid.OneOf(
		rapid.Just(any(nil)), rapid.Just(any("")), rapid.Just(any(true)), rapid.Just(any("False")), rapid.Just(any("2020-03-16T07:00:00Z")),
		rapid.Map(rapid.Int64Range(-9, 99), func(i int64) any { return i }),
		rapid.Map(rapid.StringMatching(`[a-zA-Z0-9 ]{0,4}`), func(s string) any { return s }),
	)
	if rapid.Bool().Draw(t, "list") {
		return rapid.SliceOfN(one, 0, 4).Draw(t, "values")
	}
	return one.Draw(t, "value")
}

func TestDefinitionOf(t *testing.T) {
	for _, c := range []struct {
		path string
		want Definition
	}{
		{"userName", Definition{Type: String, Required: true, Mutability: ReadWrite}},
		{"externalId", Definition{Type: String, CaseExact: true, Mutability: ReadWrite}},
		{"id", Definition{Type: String, CaseExact: true, Mutability: ReadOnly}},
		{"meta.created", Definition{Type: String, CaseExact: true, Mutability: ReadOnly}},
		{"groups", Definition{Type: String, CaseExact: true, MultiValued: true, Mutability: ReadOnly}},
		{"active", Definition{Type: Boolean, Mutability: ReadWrite}},
		{"displayName", Definition{Type: String, CaseExact: true, Mutability: ReadWrite}},
		{"name.familyName", Definition{Type: String, CaseExact: true, Mutability: ReadWrite}},
		{"locale", Definition{Type: String, Mutability: ReadWrite}},
		{"password", Definition{Type: String, CaseExact: true, Mutability: WriteOnly}},
		{`emails[type eq "work"].value`, Definition{Type: String, Mutability: ReadWrite}},
		{`emails[type eq "work"]`, Definition{Type: String, Mutability: ReadWrite}},
		{`emails[type eq "work"].primary`, Definition{Type: Boolean, Mutability: ReadWrite}},
		{`emails[type eq "work"].display`, Definition{Type: String, CaseExact: true, Mutability: ReadWrite}},
		{`phoneNumbers[type eq "work"].value`, Definition{Type: String, CaseExact: true, Mutability: ReadWrite}},
		{`phoneNumbers[primary eq true].type`, Definition{Type: String, Mutability: ReadWrite}},
		{`x509Certificates.value`, Definition{Type: Binary, CaseExact: true, Mutability: ReadWrite}},
		{"roles", Definition{Type: String, CaseExact: true, MultiValued: true, Mutability: ReadWrite}},
		{"members", Definition{Type: Reference, CaseExact: true, MultiValued: true, Mutability: ReadWrite}},
		{enterprise + "manager", Definition{Type: Reference, CaseExact: true, Mutability: ReadWrite}},
		{enterprise + "department", Definition{Type: String, CaseExact: true, Mutability: ReadWrite}},
		{enterprise + "shoeSize", Definition{CaseExact: true, Mutability: ReadWrite}},
		{"shoeSize", Definition{CaseExact: true, Mutability: ReadWrite}},
		{"urn:x:2.0:User:shoeSize", Definition{CaseExact: true, Mutability: ReadWrite}},
	} {
		if diff := cmp.Diff(c.want, DefinitionOf(MustPath(c.path))); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.path, diff)
		}
	}
}
