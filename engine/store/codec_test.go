package store

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What is stored comes back as it was, with the types it had.
func TestDocumentsRoundTrip(t *testing.T) {
	value := rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(
			rapid.Just[any](nil),
			rapid.Bool().AsAny(),
			rapid.String().AsAny(),
			rapid.Int64().AsAny(),
			rapid.Float64().Filter(func(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) && f != 0 }).AsAny(),
			rapid.Just[any]([]any{"a", int64(1), nil}),
			rapid.Just[any](map[string]any{"nested": []any{map[string]any{"x": 1.0}}}),
		)
	})
	rapid.Check(t, func(t *rapid.T) {
		doc := rapid.MapOf(rapid.String(), value).Draw(t, "doc")
		text, err := encode(doc)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("not JSON: %s", text)
		}
		back, err := decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(doc, back); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", text, diff)
		}
		if again, err := encode(back); err != nil || again != text {
			t.Fatalf("encoded again: %s (%v), want %s", again, err, text)
		}
	})
}

func TestEncode(t *testing.T) {
	for _, row := range []struct {
		name string
		doc  map[string]any
		want string
	}{
		{"keys are sorted", map[string]any{"b": 1, "a": 2}, `{"a":2,"b":1}`},
		{"nil", nil, `{}`},
		{"whole float", map[string]any{"f": 3.0, "e": 1e30}, `{"e":1e+30,"f":3.0}`},
		{"list of texts", map[string]any{"l": []string{"x", "y"}}, `{"l":["x","y"]}`},
		{"control characters", map[string]any{"s": "\x00\x1f\n\t\"\\"}, `{"s":"\u0000\u001f\n\u0009\"\\"}`},
		{"broken UTF-8", map[string]any{"s": "a\xffb"}, `{"s":"a` + "\uFFFD" + `b"}`},
		{"another type", map[string]any{"t": time.Unix(0, 0).UTC()}, `{"t":"1970-01-01T00:00:00Z"}`},
		{"number as text", map[string]any{"n": json.Number("12345678901234567890")}, `{"n":12345678901234567890}`},
	} {
		if got, err := encode(row.doc); err != nil || got != row.want {
			t.Errorf("%s: %s (%v), want %s", row.name, got, err, row.want)
		}
	}
	for _, bad := range []any{math.NaN(), math.Inf(1), func() {}} {
		if text, err := encode(map[string]any{"v": bad}); err == nil {
			t.Errorf("encoded %v as %s", bad, text)
		}
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	for _, text := range []string{"", "{", "[]", `"text"`, "null", `{"a":}`, `{"a":1`, `{"a":1}}`, `{"a":01}`, `{"a":1.}`, `{"a":+1}`, `{"a":1e}`, `{"a":.5}`,
		`{"a":-}`, `{"a" 1}`, `{a:1}`, `{"a":tru}`, `{"a":"x}`, `{"a":"\x"}`, `{"a":[1,]}`, `{"a":[1}`, `{"a":1,}`, "{\"a\":\"\n\"}", strings.Repeat(`{"a":`, 5000)} {
		if doc, err := decode(text); err == nil {
			t.Errorf("decoded %.40q as %v", text, doc)
		}
	}
}

// decode takes what encoding/json takes and nothing else.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,-2.5e3,true,null,"\u00e4\n"],"b":{"c":" "}}`, ` { "a" : 0 } `, `{"a":1}x`, `{"a":"\ud800"}`, `{"a":99999999999999999999}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decode(text)
		var want any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		wantErr := d.Decode(&want)
		object, isObject := want.(map[string]any)
		if wantErr == nil && (!isObject || !json.Valid([]byte(text))) {
			wantErr = errSyntax
		}
		if strings.ToValidUTF8(text, "") != text || strings.Count(text, "[")+strings.Count(text, "{") > maxDepth {
			return // encode writes neither
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("decode(%q): %v, encoding/json: %v", text, err, wantErr)
		}
		if err != nil {
			return
		}
		for k, v := range object {
			object[k] = plain(v)
		}
		if diff := cmp.Diff(object, got); diff != "" {
			t.Fatalf("decode(%q) (-want +got):\n%s", text, diff)
		}
	})
}
