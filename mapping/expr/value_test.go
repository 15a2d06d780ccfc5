package expr_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/mapping/expr"
)

func TestFromJSON(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 7, 4, 9, 5, 6, 123456789, time.FixedZone("", 3600))
	for name, c := range map[string]struct {
		in   any
		kind expr.Kind
		json any
		text string // "-": no text form
	}{
		"null":            {nil, expr.KindNull, nil, "-"},
		"string":          {"", expr.KindString, "", ""},
		"bool":            {true, expr.KindBoolean, true, "True"},
		"integer":         {json.Number("42"), expr.KindInteger, int64(42), "42"},
		"exponent":        {json.Number("1e3"), expr.KindDecimal, 1000.0, "1000"},
		"fraction":        {json.Number("1.0"), expr.KindDecimal, 1.0, "1"},
		"negative zero":   {json.Number("-0.0"), expr.KindDecimal, math.Copysign(0, -1), "0"},
		"beyond 64 bits":  {json.Number("9223372036854775808"), expr.KindDecimal, 9223372036854775808.0, "9223372036854776000"},
		"beyond float":    {json.Number("1e400"), expr.KindNull, nil, "-"},
		"whole float":     {42.0, expr.KindInteger, int64(42), "42"},
		"float":           {0.1, expr.KindDecimal, 0.1, "0.1"},
		"big float":       {1e300, expr.KindDecimal, 1e300, "1" + strings.Repeat("0", 300)},
		"NaN":             {math.NaN(), expr.KindNull, nil, "-"},
		"int":             {-3, expr.KindInteger, int64(-3), "-3"},
		"uint64":          {uint64(math.MaxUint64), expr.KindDecimal, float64(math.MaxUint64), "18446744073709552000"},
		"time":            {at, expr.KindDateTime, "2024-07-04T08:05:06.1234567Z", "7/4/2024 8:05:06 AM"},
		"time too late":   {time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), expr.KindNull, nil, "-"},
		"time too early":  {time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC), expr.KindNull, nil, "-"},
		"zero time":       {time.Time{}, expr.KindDateTime, "0001-01-01T00:00:00Z", "1/1/0001 12:00:00 AM"},
		"last tick":       {time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), expr.KindDateTime, "9999-12-31T23:59:59.9999999Z", "12/31/9999 11:59:59 PM"},
		"bytes":           {[]byte{1, 2}, expr.KindBinary, "AQI=", "AQI="},
		"empty list":      {[]any{}, expr.KindNull, nil, "-"},
		"nulls":           {[]any{nil, []any{}}, expr.KindNull, nil, "-"},
		"list of one":     {[]string{"a"}, expr.KindList, []any{"a"}, "a"},
		"list":            {[]any{"a", nil, 1.0, []any{true}}, expr.KindList, []any{"a", int64(1), true}, "-"},
		"complex":         {map[string]any{"a": []any{nil, json.Number("1")}, "b": nil}, expr.KindComplex, map[string]any{"a": []any{nil, int64(1)}, "b": nil}, "-"},
		"list of complex": {[]map[string]any{{"a": "b"}}, expr.KindList, []any{map[string]any{"a": "b"}}, "-"},
		"reference":       {expr.Ref("id"), expr.KindReference, "id", "id"},
	} {
		t.Run(name, func(t *testing.T) {
			got := expr.FromJSON(c.in)
			if got.Kind() != c.kind {
				t.Errorf("kind %v, want %v", got.Kind(), c.kind)
			}
			if diff := cmp.Diff(c.json, got.JSON()); diff != "" {
				t.Errorf("JSON (-want +got):\n%s", diff)
			}
			s, err := got.Text()
			if err != nil {
				s = "-"
			}
			if s != c.text {
				t.Errorf("text %q, want %q", s, c.text)
			}
			if back := expr.FromJSON(got.JSON()); c.kind != expr.KindDateTime && c.kind != expr.KindBinary && c.kind != expr.KindReference && !back.Equal(got) {
				t.Errorf("%#v does not survive the way to JSON and back", got.JSON())
			}
		})
	}
}

func TestFromJSONRefusesOtherTypes(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a channel became a value")
		}
	}()
	expr.FromJSON(make(chan int))
}

func TestValueIsACopy(t *testing.T) {
	t.Parallel()
	members := map[string]any{"a": []any{"x"}}
	v := expr.ComplexOf(members)
	members["a"].([]any)[0] = "changed"
	v.JSON().(map[string]any)["a"] = "changed"
	if diff := cmp.Diff(map[string]any{"a": []any{"x"}}, v.JSON()); diff != "" {
		t.Error(diff)
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	complexOf := func(v any) expr.Value { return expr.ComplexOf(map[string]any{"a": v}) }
	classes := [][]expr.Value{ // equal within a class, unequal across
		{{}, expr.NullValue(), expr.ListOf(), expr.ComplexOf(nil)},
		{expr.String("a")},
		{expr.String("A")},
		{expr.String("1")},
		{expr.Ref("a")},
		{expr.Bytes([]byte("a"))},
		{expr.Int(1), expr.Decimal(1)},
		{expr.Int(1<<53 + 1)},
		{expr.Decimal(1 << 53), expr.Int(1 << 53)},
		{expr.Decimal(1 << 60), expr.Int(1 << 60)},
		{expr.Decimal(1e300)},
		{expr.Decimal(0), expr.Decimal(math.Copysign(0, -1)), expr.Int(0)},
		{expr.Bool(true)},
		{expr.Bool(false)},
		{expr.Time(time.Unix(0, 0))},
		{expr.ListOf(expr.String("a")), expr.ListOf(expr.NullValue(), expr.ListOf(expr.String("a")))},
		{expr.ListOf(expr.String("a"), expr.String("b"))},
		{expr.ListOf(expr.String("b"), expr.String("a"))},
		{complexOf(1), complexOf(1.0), complexOf(json.Number("1"))},
		{complexOf("1")},
		{complexOf(nil)},
		{complexOf([]any{"x"})},
		{complexOf(map[string]any{"x": "y"})},
		{expr.ComplexOf(map[string]any{})},
	}
	for i, class := range classes {
		for j, other := range classes {
			for _, a := range class {
				for _, b := range other {
					if got := a.Equal(b); got != (i == j) {
						t.Errorf("%#v equal to %#v: %v", a.JSON(), b.JSON(), got)
					}
					// RemoveDuplicates compares by a key that must mean the same.
					both := env(map[string]any{"l": []any{a, b, "end"}})
					v, err := eval("Count(RemoveDuplicates([l]))", both)
					if err != nil {
						t.Fatal(err)
					}
					if len(a.Items()) == 1 && len(b.Items()) == 1 && a.Items()[0].Equal(b.Items()[0]) != v.Equal(expr.Int(2)) {
						t.Errorf("%#v and %#v: %v values without duplicates", a.JSON(), b.JSON(), v.JSON())
					}
				}
			}
		}
	}
}

// A value that slips into a log line gives nothing away.
func TestValuePrintsNoContent(t *testing.T) {
	t.Parallel()
	v := expr.ListOf(expr.String("ann@contoso.com"), expr.ComplexOf(map[string]any{"x": "ann@contoso.com"}))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, v); strings.Contains(s, "ann") {
			t.Errorf("%s prints %s", verb, s)
		}
		if s := fmt.Sprintf(verb, []any{v.Items()[0]}); strings.Contains(s, "ann") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

func TestConversions(t *testing.T) {
	t.Parallel()
	if n, ok := expr.String(" 12 ").AsNumber(); !ok || !n.Equal(expr.Int(12)) {
		t.Errorf("12: %v %v", n.JSON(), ok)
	}
	if n, ok := expr.String("1.5").AsNumber(); !ok || !n.Equal(expr.Decimal(1.5)) {
		t.Errorf("1.5: %v %v", n.JSON(), ok)
	}
	if _, ok := expr.Bool(true).AsNumber(); ok {
		t.Error("a Boolean is a number")
	}
	if b, ok := expr.ListOf(expr.String("TRUE")).AsBool(); !ok || !b {
		t.Errorf("TRUE: %v %v", b, ok)
	}
	if _, ok := expr.ListOf(expr.String("true"), expr.String("true")).AsBool(); ok {
		t.Error("two values are a Boolean")
	}
	if d, ok := expr.String("2024-07-04+08:00").AsDate(); !ok || d.JSON() != "2024-07-03T16:00:00Z" {
		t.Errorf("date: %v %v", d.JSON(), ok)
	}
	if d, ok := expr.String(" ").AsDate(); !ok || !d.IsNull() {
		t.Errorf("blank: %v %v", d.JSON(), ok)
	}
	if _, ok := expr.String("soon").AsDate(); ok {
		t.Error("soon is a date")
	}
	at := time.Date(2024, 7, 4, 9, 5, 6, 123456700, time.UTC)
	if got, ok := expr.Time(at).Time(); !ok || !got.Equal(at) {
		t.Errorf("time: %v %v", got, ok)
	}
	if _, ok := expr.String("x").Time(); ok {
		t.Error("text has a time")
	}
	for _, v := range []expr.Value{expr.Int(7), expr.Decimal(7), expr.String("7")} {
		i, isInt := v.Int()
		f, isNumber := v.Float()
		if isInt != (v.Kind() == expr.KindInteger) || isInt && i != 7 || isNumber != (v.Kind() != expr.KindString) || isNumber && f != 7 {
			t.Errorf("%v: Int %d %v, Float %v %v", v, i, isInt, f, isNumber)
		}
	}
}
