package expr_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"math/big"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/scimsync/scimsync/mapping/expr"
)

// vector is one case of spec section 13.
type vector struct {
	ID         string         `json:"id"`
	Function   string         `json:"function"`
	Expression string         `json:"expression"`
	Source     map[string]any `json:"source"`
	Expected   any            `json:"expected"`
	Error      bool           `json:"error"`
	Matches    string         `json:"matches"`
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/expressions.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	d.DisallowUnknownFields()
	var vs []vector
	if err := d.Decode(&vs); err != nil {
		t.Fatal(err)
	}
	if len(vs) < 380 {
		t.Fatalf("only %d vectors", len(vs))
	}
	return vs
}

// env evaluates against attributes as JSON gives them, at a fixed moment.
func env(attributes map[string]any) *expr.Env {
	return &expr.Env{
		Lookup: func(name string) expr.Value { return expr.FromJSON(attributes[name]) },
		Now:    time.Date(2026, 3, 1, 12, 30, 45, 0, time.UTC),
		Rand:   rand.Reader,
	}
}

func eval(text string, e *expr.Env) (expr.Value, error) {
	x, err := expr.Parse(text)
	if err != nil {
		return expr.Value{}, err
	}
	return x.Eval(e)
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			got, err := eval(v.Expression, env(v.Source))
			switch {
			case v.Error && err == nil:
				t.Fatalf("%s\n got %#v, want an error", v.Expression, got.JSON())
			case v.Error:
				return
			case err != nil:
				t.Fatalf("%s\n %v", v.Expression, err)
			case v.Matches != "":
				s, err := got.Text()
				if err != nil || !regexp.MustCompile(v.Matches).MatchString(s) {
					t.Fatalf("%s\n got %q (%v), want a match of %s", v.Expression, s, err, v.Matches)
				}
			case !agrees(got, v.Expected):
				t.Fatalf("%s\n got %v %#v, want %#v", v.Expression, got, got.JSON(), v.Expected)
			}
		})
	}
}

// agrees compares a result with the expected JSON value by the rules of section 13.
func agrees(got expr.Value, want any) bool {
	switch want := want.(type) {
	case nil:
		return got.IsNull()
	case bool:
		b, ok := got.Bool()
		return ok && b == want
	case json.Number:
		if got.Kind() != expr.KindInteger && got.Kind() != expr.KindDecimal {
			return false
		}
		s, _ := got.Text()
		a, _ := new(big.Rat).SetString(s)
		b, ok := new(big.Rat).SetString(want.String())
		return ok && a.Cmp(b) == 0
	case string:
		if got.Kind() == expr.KindList {
			return false
		}
		s, err := got.Text()
		return err == nil && s == want
	case []any:
		if got.Kind() != expr.KindList || len(got.Items()) != len(want) {
			return false
		}
		for i, item := range got.Items() {
			if !agrees(item, want[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		members, ok := got.JSON().(map[string]any)
		if !ok || len(members) != len(want) {
			return false
		}
		for name, w := range want {
			m, ok := members[name]
			if !ok || !agrees(expr.FromJSON(m), w) {
				return false
			}
		}
		return true
	default:
		return false
	}
}
