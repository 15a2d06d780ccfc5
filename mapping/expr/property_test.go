package expr_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/mapping/expr"
)

// anyText draws texts in which the escapes, brackets and blanks of the language are frequent.
func anyText() *rapid.Generator[string] {
	return rapid.StringOf(rapid.OneOf(
		rapid.SampledFrom([]rune(`\"\"[]{}(),&$ aAiİßé日😀0129-:.TZ`+"\t\n")),
		rapid.Rune(),
	))
}

// anyExpression draws the text of an expression, mostly a correct one.
func anyExpression(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		blank := rapid.SampledFrom([]string{"", "", " ", "\n\t"})
		leaves := 5
		kind := rapid.IntRange(0, leaves+3).Draw(t, "kind")
		if depth == 0 {
			kind %= leaves
		}
		switch kind {
		case 0:
			return expr.Quote(anyText().Draw(t, "text"))
		case 1:
			return rapid.SampledFrom([]string{"0", "1", "-1", "+3", "2.50", "9223372036854775807", "&H1f", "&HFFFFFFFFFFFFFFFF"}).Draw(t, "number")
		case 2:
			return `"` + strings.ReplaceAll(anyText().Draw(t, "raw"), `"`, "") + `x"` // escapes as they fall
		case 3, 4:
			return "[" + blank.Draw(t, "blank") + rapid.SampledFrom([]string{"s", "n", "l", "c", "date", "none", `emails[type eq "a]"].value`}).Draw(t, "name") + "]"
		case 5:
			return anyExpression(depth-1).Draw(t, "left") + blank.Draw(t, "blank") + "&" + blank.Draw(t, "blank") + anyExpression(depth-1).Draw(t, "right")
		case 6:
			op := rapid.SampledFrom([]string{"=", "<>", "<", "<=", ">", ">="}).Draw(t, "op")
			return anyExpression(0).Draw(t, "left") + op + anyExpression(0).Draw(t, "right")
		default:
			return anyCall(t, depth, blank)
		}
	})
}

func anyCall(t *rapid.T, depth int, blank *rapid.Generator[string]) string {
	f := rapid.SampledFrom(expr.Functions()).Draw(t, "function")
	most := f.MaxArgs
	if most < 0 {
		most = f.MinArgs + 4
	}
	count := rapid.IntRange(f.MinArgs, most).Draw(t, "count")
	if f.Name == "Switch" {
		count &^= 1
	}
	args := make([]string, count)
	for i := range args {
		omitted := f.Params[min(i, len(f.Params)-1)].Optional && rapid.IntRange(0, 3).Draw(t, "omitted") == 0
		if !omitted {
			args[i] = anyExpression(depth-1).Draw(t, "arg")
		}
		args[i] = blank.Draw(t, "blank") + args[i] + blank.Draw(t, "blank")
	}
	return f.Name + "(" + strings.Join(args, ",") + ")"
}

// Parse and print are inverse: what is printed parses to an expression that prints and evaluates
// the same, and is not longer than Parse accepts.
func TestParsePrintInverse(t *testing.T) {
	t.Parallel()
	parsed := 0
	rapid.Check(t, func(t *rapid.T) {
		text := anyExpression(3).Draw(t, "expression")
		x, err := expr.Parse(text)
		if err != nil {
			requireError(t, text, err)
			return
		}
		parsed++
		samePrinted(t, x)
	})
	if parsed == 0 {
		t.Error("no expression was correct")
	}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func requireError(t fataler, text string, err error) *expr.Error {
	t.Helper()
	e, ok := errors.AsType[*expr.Error](err)
	if !ok {
		t.Fatalf("%q: error of type %T: %v", text, err, err)
	}
	if e.Code == "" || e.Message == "" && e.Code != expr.CodeCustom || e.Offset < 0 || e.Offset > len([]rune(text)) || !strings.Contains(e.Caret(text), "^") {
		t.Fatalf("%q: incomplete error %#v", text, e)
	}
	return e
}

func samePrinted(t fataler, x *expr.Expr) {
	t.Helper()
	printed := x.String()
	y, err := expr.Parse(printed)
	if err != nil {
		t.Fatalf("printed as %q, which does not parse: %v", printed, err)
	}
	if y.String() != printed {
		t.Fatalf("printed as %q and then as %q", printed, y.String())
	}
	if a, b := describe(x), describe(y); a != b {
		t.Fatalf("%q evaluates to %s, printed to %s", printed, a, b)
	}
}

// describe evaluates x reproducibly.
func describe(x *expr.Expr) string {
	v, err := x.Eval(drawnEnv())
	if err != nil {
		return "error " + string(codeOf(err))
	}
	return v.Kind().String() + " " + jsonText(v)
}

func drawnEnv() *expr.Env {
	e := env(map[string]any{
		"s": "José, María de la Ó", "n": 42, "l": []any{"a", "", "2024-07-04", true, 1.5}, "c": map[string]any{"id": "1", "value": "v"},
		"date": "2024-07-04T09:05:06+02:00", `emails[type eq "a]"].value`: "x@y.z",
	})
	e.Now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e.Rand = &sequence{}
	taken := 0
	e.Unique = func(string) (bool, error) { taken++; return taken > 2, nil }
	return e
}

// Evaluation never panics, and what it gives is a value that keeps the promises of its kind.
func TestEvalNeverPanics(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := anyExpression(3).Draw(t, "expression")
		x, err := expr.Parse(text)
		if err != nil {
			requireError(t, text, err)
			return
		}
		values := map[string]any{
			"s": anyText().Draw(t, "s"), "n": rapid.Float64().Draw(t, "n"), "date": rapid.Int64().Draw(t, "date"),
			"l": rapid.SliceOfN(anyText(), 0, 4).Draw(t, "l"), "c": map[string]any{"id": anyText().Draw(t, "id")},
		}
		e := drawnEnv()
		e.Lookup = func(name string) expr.Value { return expr.FromJSON(values[name]) }
		e.Now = time.Unix(rapid.Int64().Draw(t, "now"), 0)
		v, err := x.Eval(e)
		if err != nil {
			requireError(t, text, err)
			return
		}
		wellFormed(t, text, v)
	})
}

func wellFormed(t fataler, text string, v expr.Value) {
	t.Helper()
	if v.Dropped() && !v.IsNull() {
		t.Fatalf("%q: dropped %v", text, v)
	}
	if v.Kind() == expr.KindList {
		if len(v.Items()) == 0 {
			t.Fatalf("%q: empty list", text)
		}
		for _, item := range v.Items() {
			if item.IsNull() || item.Kind() == expr.KindList {
				t.Fatalf("%q: list with %v", text, item)
			}
		}
	}
	if !v.Equal(v) || jsonText(v) == "" {
		t.Fatalf("%q: %v is not equal to itself or has no JSON", text, v)
	}
}

// Reading a date with the format it was written with gives the date, to the resolution of the format.
func TestWriteReadDates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds"), int64(rapid.IntRange(0, 9999999).Draw(t, "ticks"))*100)
		e := env(nil)
		e.Now = at
		for _, format := range []string{"o", "yyyy-MM-ddTHH:mm:ss.FFFFFFFK", "dddd d MMMM yyyy h:m:s.fffffff tt zzz", `\yyyyy'/'M"-"d H'h'm.s.fffffff`} {
			written, err := mustParseIn(t, `FormatDateTime(`+expr.Quote(at.UTC().Format("2006-01-02T15:04:05.0000000Z"))+`, , "o", `+expr.Quote(format)+`)`).Eval(e)
			if err != nil {
				t.Fatalf("write %s: %v", format, err)
			}
			s, _ := written.Text()
			read, err := mustParseIn(t, `CDate(FormatDateTime(`+expr.Quote(s)+`, , `+expr.Quote(format)+`, "o"))`).Eval(e)
			if got, _ := read.Time(); err != nil || !got.Equal(at) {
				t.Fatalf("format %s writes %q, which reads as %v (%v), want %v", format, s, got, err, at.UTC())
			}
		}
	})
}

func mustParseIn(t fataler, text string) *expr.Expr {
	t.Helper()
	x, err := expr.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return x
}
