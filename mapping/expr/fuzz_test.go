package expr_test

import (
	"encoding/json"
	"testing"

	"github.com/scimsync/scimsync/mapping/expr"
)

func jsonText(v expr.Value) string {
	b, err := json.Marshal(v.JSON())
	if err != nil {
		return ""
	}
	return string(b)
}

// FuzzParse: any text parses or gives a complete error, and what parses prints as text that parses
// to the same.
func FuzzParse(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.Expression)
	}
	f.Fuzz(func(t *testing.T, text string) {
		x, err := expr.Parse(text)
		if err != nil {
			requireError(t, text, err)
			return
		}
		samePrinted(t, x)
	})
}

// FuzzEval: any expression over any JSON object gives a well-formed value or a complete error.
func FuzzEval(f *testing.F) {
	for _, v := range readVectors(f) {
		source, err := json.Marshal(v.Source)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(v.Expression, string(source))
	}
	f.Fuzz(func(t *testing.T, text, source string) {
		x, err := expr.Parse(text)
		if err != nil {
			requireError(t, text, err)
			return
		}
		var attributes map[string]any
		if json.Unmarshal([]byte(source), &attributes) != nil {
			attributes = map[string]any{"x": source}
		}
		e := drawnEnv()
		e.Lookup = func(name string) expr.Value {
			if v, ok := attributes[name]; ok {
				return expr.FromJSON(v)
			}
			return expr.FromJSON(attributes["x"])
		}
		v, err := x.Eval(e)
		if err != nil {
			requireError(t, text, err)
			return
		}
		wellFormed(t, text, v)
	})
}
