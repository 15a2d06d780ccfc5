package expr_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/mapping/expr"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestErrorMessages renders mistakes as people see them. Review the golden file when it changes:
// each message must say what, where, why, and what to do.
func TestErrorMessages(t *testing.T) {
	t.Parallel()
	mistakes, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	e := env(map[string]any{
		"mail": "secret@contoso.com", "list": []any{"secret", "other"}, "n": 5, "bad": "secret(",
		"roles": []any{map[string]any{"id": "1", "displayName": "secret"}, map[string]any{"id": "2"}},
	})
	e.Unique = func(string) (bool, error) { return false, nil }
	var got strings.Builder
	count := 0
	for text := range strings.SplitSeq(strings.TrimSuffix(string(mistakes), "\n"), "\n---\n") {
		_, err := eval(text, e)
		mistake, ok := errors.AsType[*expr.Error](err)
		if !ok {
			t.Errorf("%s\n gives %v, want an error", text, err)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s\n quotes an attribute value: %v", text, err)
		}
		fmt.Fprintf(&got, "%s\n%v\n\n", mistake.Caret(text), err)
		count++
	}
	if count < 20 {
		t.Errorf("only %d mistakes", count)
	}
	const golden = "testdata/errors.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("messages changed; run with -update and review (-want +got):\n%s", diff)
	}
}

func TestErrorPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text   string
		code   expr.Code
		offset int
	}{
		{``, expr.CodeSyntax, 0},
		{"  \n ", expr.CodeSyntax, 4},
		{`[mail`, expr.CodeSyntax, 0},
		{`[ma"il]`, expr.CodeSyntax, 0},
		{`[[mail]`, expr.CodeSyntax, 0},
		{` [ ]`, expr.CodeSyntax, 1},
		{`"é" & "x`, expr.CodeSyntax, 6},
		{`"😀" 'x'`, expr.CodeSyntax, 4},
		{`Append([a],`, expr.CodeSyntax, 11},
		{`Append([a], "x"`, expr.CodeSyntax, 15},
		{`Append([a], "x"))`, expr.CodeSyntax, 16},
		{`Append([a] "x")`, expr.CodeSyntax, 11},
		{`("x")`, expr.CodeSyntax, 0},
		{`- 1`, expr.CodeSyntax, 0},
		{`2x`, expr.CodeSyntax, 1},
		{`1.2.3`, expr.CodeSyntax, 3},
		{`1.`, expr.CodeSyntax, 1},
		{`9223372036854775808`, expr.CodeSyntax, 0},
		{`&H`, expr.CodeSyntax, 0},
		{`&H1G`, expr.CodeSyntax, 3},
		{`&H10000000000000000`, expr.CodeSyntax, 0},
		{`[a] &HFF`, expr.CodeSyntax, 5},
		{`[a] = [b] = [c]`, expr.CodeSyntax, 10},
		{`[a] =`, expr.CodeSyntax, 5},
		{`[a] == [b]`, expr.CodeSyntax, 5},
		{`mail`, expr.CodeSyntax, 0},
		{`IIF([a], True, "x")`, expr.CodeSyntax, 9},
		{`InStr("a", "b", vbTextCompare)`, expr.CodeSyntax, 16},
		{`InStr("a", "b", 1, vbTextCompare & "")`, expr.CodeSyntax, 19},
		{`InStr("a", "b", 1, UTF8)`, expr.CodeSyntax, 19},
		{`[a] = b`, expr.CodeSyntax, 6},
		{"[a] & \xff", expr.CodeSyntax, 6},
		{strings.Repeat("a(", 2001), expr.CodeSyntax, 4000},
		{strings.Repeat("x", 10001), expr.CodeTooLong, 10000},
		{"Append(\n  [a],\n  Foo([b]))", expr.CodeUnknownFunction, 17},
		{`append([a], "x")`, expr.CodeUnknownFunction, 0},
		{`Append(Mid([a], 1), "x")`, expr.CodeArity, 7},
		{`Append([a], )`, expr.CodeArity, 12},
		{`Append(, "x")`, expr.CodeArity, 7},
		{`Now( )`, "", 0},
		{`Now(,)`, expr.CodeArity, 0},
		{`FormatDateTime([d], , , "yyyy")`, expr.CodeArity, 22},
		{`ToLower(SelectUniqueValue("a", "b"))`, expr.CodeNesting, 8},
		{`SelectUniqueValue(SelectUniqueValue("a", "b"), "c")`, expr.CodeNesting, 18},
		{`"x" & SelectUniqueValue("a", "b")`, expr.CodeNesting, 6},
		{`Mid([a], 0, 1)`, expr.CodeInvalidArgument, 9},
		{`FormatDateTime([d], , "yyyy", "g g")`, expr.CodeInvalidArgument, 30},
		{`Replace([a], , "(", , "")`, expr.CodeRegex, 15},
		{`Replace([a], , "(?<x>a)", "y", "")`, expr.CodeRegex, 26},
		// From here on the mistake shows while evaluating.
		{`Left([a], [b])`, expr.CodeTypeMismatch, 10},
		{`"x" & [list]`, expr.CodeTypeMismatch, 6},
		{`Coalesce([none], Error("x"))`, expr.CodeCustom, 17},
		{`Item([list], 3)`, expr.CodeIndexOutOfRange, 13},
		{`Guid()`, expr.CodeInvalidArgument, 0},
	} {
		_, err := eval(c.text, &expr.Env{Lookup: func(name string) expr.Value {
			return map[string]expr.Value{
				"a": expr.String("x"), "b": expr.String("y"),
				"list": expr.ListOf(expr.String("x"), expr.String("y")),
			}[name]
		}})
		if c.code == "" {
			if err != nil {
				t.Errorf("%s: %v", c.text, err)
			}
			continue
		}
		e, ok := errors.AsType[*expr.Error](err)
		if !ok || e.Code != c.code || e.Offset != c.offset {
			t.Errorf("%.60s\n got %v (offset %d), want %s at %d", c.text, err, offsetOf(e), c.code, c.offset)
		}
	}
}

func offsetOf(e *expr.Error) int {
	if e == nil {
		return -1
	}
	return e.Offset
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	for wrong, right := range map[string]string{
		"Lowr": "ToLower", "toLower": "ToLower", "Iif": "IIF", "Apend": "Append", "Cstr": "CStr", "switch": "Switch",
		"NormaliseDiacritics": "NormalizeDiacritics", "FormatDate": "FormatDateTime", "AppRoleAssignmentComplex": "AppRoleAssignmentsComplex",
		"IsNotNull": "IsNull", "Substring": "Mid", "Concat": "Join", "if": "IIF",
	} {
		_, err := expr.Parse(wrong + "([a])")
		if err == nil || !strings.Contains(err.Error(), "did you mean "+right) {
			t.Errorf("%s: got %v, want %s suggested", wrong, err, right)
		}
	}
	if _, err := expr.Parse("Xyzzy([a])"); err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("Xyzzy: got %v, want no suggestion", err)
	}
}

func TestCaret(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, want string
		offset     int
	}{
		{"Lowr([a])", "Lowr([a])\n^", 0},
		{"a\n\tFoo()\nb", "\tFoo()\n\t^", 3},
		{"a\r\nb", "b\n^", 3},
		{"日本x", "日本x\n    ^", 2},
		{"e\u0301x", "e\u0301x\n ^", 2},
		{"abc", "abc\n   ^", 3},
		{"abc", "", 4},
		{"abc", "", -1},
		{strings.Repeat("a", 150) + "X" + strings.Repeat("b", 150),
			"… " + strings.Repeat("a", 50) + "X" + strings.Repeat("b", 49) + " …\n" + strings.Repeat(" ", 52) + "^", 150},
	} {
		if got := (&expr.Error{Offset: c.offset}).Caret(c.text); got != c.want {
			t.Errorf("Caret of %q at %d:\n%s\nwant\n%s", c.text, c.offset, got, c.want)
		}
	}
}

// A message composed from attributes reaches the provisioning log, but not a log line.
func TestCustomMessageIsPrivate(t *testing.T) {
	t.Parallel()
	e := env(map[string]any{"upn": "ann@contoso.com"})
	for text, want := range map[string]string{
		`Error("no mail")`:              "no mail",
		`Error("no mail for " & [upn])`: "no mail for ann@contoso.com",
	} {
		_, err := eval(text, e)
		got, ok := errors.AsType[*expr.Error](err)
		if !ok || got.Message != want {
			t.Errorf("%s: got %v, want message %q", text, err, want)
			continue
		}
		if public := !strings.Contains(text, "[upn]"); strings.Contains(err.Error(), want) != public {
			t.Errorf("%s: logged as %q", text, err)
		}
	}
}
