package expr_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/mapping/expr"
)

func TestShape(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, canonical        string
		direct, constant, call string
		attributes             []string
	}{
		{text: ` [ mail ] `, canonical: `[mail]`, direct: "mail", attributes: []string{"mail"}},
		{text: `[emails[type eq "work]"].value]`, canonical: `[emails[type eq "work]"].value]`, direct: `emails[type eq "work]"].value`, attributes: []string{`emails[type eq "work]"].value`}},
		{text: `"a\\\"b\d"`, canonical: `"a\\\"b\d"`, constant: `a\"b\d`},
		{text: `"a\\d"`, canonical: `"a\d"`, constant: `a\d`},
		{text: `"a\\\\d\\"`, canonical: `"a\\\d\\"`, constant: `a\\d\`},
		{text: `&hfF`, canonical: `&hfF`, constant: "255"},
		{text: `-1.50`, canonical: `-1.50`, constant: "-1.5"},
		{text: "Switch([b],,\"1\",[a]&[b],,)", canonical: `Switch([b], , "1", [a] & [b], , )`, call: "Switch", attributes: []string{"b", "a"}},
		{text: `[a]<>-1`, canonical: `[a] <> -1`, attributes: []string{"a"}},
		{text: `InStr( "a" ,"b",, vbTextCompare )`, canonical: `InStr("a", "b", , vbTextCompare)`, call: "InStr"},
		{text: `Now ( )`, canonical: `Now()`, call: "Now"},
		{text: `[a]& &H0F`, canonical: `[a] & &H0F`, attributes: []string{"a"}},
	} {
		x, err := expr.Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		direct, isDirect := x.Direct()
		constant, isConstant := x.Constant()
		call, isCall := x.Call()
		if x.String() != c.canonical || direct != c.direct || constant != c.constant || call != c.call {
			t.Errorf("%s\n got %s, direct %q, constant %q, call %q", c.text, x, direct, constant, call)
		}
		if isDirect != (c.direct != "") || isConstant != (c.constant != "") || isCall != (c.call != "") {
			t.Errorf("%s: direct %v, constant %v, call %v", c.text, isDirect, isConstant, isCall)
		}
		if diff := cmp.Diff(c.attributes, x.Attributes()); diff != "" {
			t.Errorf("%s: attributes (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	type flags struct{ Unique, Adds, Replaces, Random, Redacts bool }
	for text, want := range map[string]flags{
		`SelectUniqueValue(Guid(), "b")`:                         {Unique: true, Random: true},
		`AppRoleAssignmentsComplex([a])`:                         {Adds: true},
		`AssertiveAppRoleAssignmentsComplex([a])`:                {Replaces: true},
		`Coalesce([a], AppRoleAssignmentsComplex([a]))`:          {},
		`Redact(RandomString(6,3,0,0,3))`:                        {Random: true, Redacts: true},
		`IIF([a] = "1", "x" & Redact([a]), Switch([b], "Guid"))`: {Redacts: true},
	} {
		x := mustParse(t, text)
		got := flags{x.SelectsUnique(), x.AddsRoles(), x.ReplacesRoles(), x.Random(), x.Redacts()}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	e := env(map[string]any{"e": "", "s": "x"})
	for _, c := range []struct {
		text            string
		dropped, secret bool
	}{
		{`IgnoreFlowIfNullOrEmpty([e])`, true, false},
		{`IgnoreFlowIfNullOrEmpty([none])`, true, false},
		{`IgnoreFlowIfNullOrEmpty([s])`, false, false},
		{`IgnoreFlowIfNullOrEmpty(IgnoreFlowIfNullOrEmpty([e]))`, true, false},
		{`Coalesce(IgnoreFlowIfNullOrEmpty([e]))`, false, false},
		{`IIF("1", IgnoreFlowIfNullOrEmpty([e]), "x")`, false, false},
		{`Coalesce([none])`, false, false},
		{`Redact([s])`, false, true},
		{`Redact([none])`, false, true},
		{`ToLower("x" & Redact([s]))`, false, true},
		{`IIF("0", Redact([s]), [s])`, false, false},
		{`IgnoreFlowIfNullOrEmpty(Redact([e]))`, true, true},
		{`[s]`, false, false},
	} {
		v, err := eval(c.text, e)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if v.Dropped() != c.dropped || v.Secret() != c.secret {
			t.Errorf("%s: dropped %v, secret %v, want %v, %v", c.text, v.Dropped(), v.Secret(), c.dropped, c.secret)
		}
		if c.dropped && !v.IsNull() {
			t.Errorf("%s: a dropped value is %#v", c.text, v.JSON())
		}
	}
}

func TestSelectUniqueValue(t *testing.T) {
	t.Parallel()
	taken := map[string]bool{"a": true, "b": true}
	var asked []string
	e := env(map[string]any{"e": "", "l": []any{"c"}})
	e.Unique = func(candidate string) (bool, error) {
		asked = append(asked, candidate)
		return !taken[candidate], nil
	}
	v, err := eval(`SelectUniqueValue("a", [none], [e], "b", [l], Error("too far"))`, e)
	if err != nil || !v.Equal(expr.String("c")) {
		t.Errorf("got %#v, %v", v.JSON(), err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if _, err := eval(`SelectUniqueValue("a", "b")`, e); codeOf(err) != expr.CodeUniqueValueExhausted {
		t.Errorf("all taken: %v", err)
	}
	down := errors.New("target is down")
	e.Unique = func(string) (bool, error) { return false, down }
	if _, err := eval(`SelectUniqueValue("a", "b")`, e); codeOf(err) != expr.CodeUnavailable || !errors.Is(err, down) {
		t.Errorf("target down: %v", err)
	}
}

func codeOf(err error) expr.Code {
	if e, ok := errors.AsType[*expr.Error](err); ok {
		return e.Code
	}
	return ""
}

func TestRandomness(t *testing.T) {
	t.Parallel()
	const text = `Guid() & RandomString(40, 5, 6, 7, 8, "0O1l")`
	draw := func(seed byte) string {
		e := env(nil)
		e.Rand = &sequence{next: seed}
		v, err := eval(text, e)
		if err != nil {
			t.Fatal(err)
		}
		s, err := v.Text()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if a, b := draw(1), draw(1); a != b {
		t.Errorf("the same source gives %s and %s", a, b)
	}
	for seed := range byte(50) {
		s := draw(seed)
		guid, password := s[:36], s[36:]
		if guid[14] != '4' || !strings.ContainsRune("89ab", rune(guid[19])) {
			t.Errorf("%s is no version 4 identifier", guid)
		}
		count := func(class string) (n int) {
			for _, r := range password {
				if strings.ContainsRune(class, r) {
					n++
				}
			}
			return n
		}
		if len(password) != 40 || count("23456789") < 5 || count("-!\"#$%&()*,./:;?@[]^_`{|}~+<=>") < 6 ||
			count("ABCDEFGHIJKLMNPQRSTUVWXYZ") < 7 || count("abcdefghijkmnopqrstuvwxyz") < 8 || count("0O1l") > 0 {
			t.Errorf("bad password %s", password)
		}
	}
	e := env(nil)
	e.Rand = bytes.NewReader(nil)
	if _, err := eval(`Guid()`, e); codeOf(err) != expr.CodeUnavailable || !errors.Is(err, io.EOF) {
		t.Errorf("dry source: %v", err)
	}
	e.Rand = nil
	if _, err := eval(`RandomString(6,3,0,0,3)`, e); codeOf(err) != expr.CodeInvalidArgument {
		t.Errorf("no source: %v", err)
	}
}

// sequence is a reproducible source of bytes.
type sequence struct{ next byte }

func (s *sequence) Read(b []byte) (int, error) {
	for i := range b {
		s.next = s.next*5 + 113
		b[i] = s.next>>3 ^ byte(i)
	}
	return len(b), nil
}

func TestClockAndDomain(t *testing.T) {
	t.Parallel()
	e := env(nil)
	e.Now = time.Date(2030, 1, 2, 15, 4, 5, 0, time.FixedZone("", -3600))
	e.DefaultDomain = "contoso.com"
	v, err := eval(`Now() & "@" & DefaultDomain()`, e)
	if s, _ := v.Text(); err != nil || s != "1/2/2030 4:04:05 PM@contoso.com" {
		t.Errorf("got %q, %v", s, err)
	}
	var nobody *expr.Env
	if v, err := mustParse(t, `Coalesce([a], "x")`).Eval(nobody); err != nil || !v.Equal(expr.String("x")) {
		t.Errorf("without an environment: %v, %v", v.JSON(), err)
	}
}

// Blanks that the canonical text adds must not make it too long to be parsed again.
func TestLongestExpressionPrints(t *testing.T) {
	t.Parallel()
	text := `Join("",` + strings.Repeat("1,", 4995) + "1)"
	if len(text) != 10_000 {
		t.Fatalf("%d characters", len(text))
	}
	x := mustParse(t, text)
	if x.String() != text {
		t.Errorf("printed as %.40s…", x)
	}
	if shorter := mustParse(t, `Join("",1,1)`).String(); shorter != `Join("", 1, 1)` {
		t.Errorf("printed as %s", shorter)
	}
}

// Deep and long expressions fail or work, but never end the process.
func TestLimits(t *testing.T) {
	t.Parallel()
	e := env(map[string]any{"a": strings.Repeat("a", 1000), "l": strings.Repeat("x,", 1000)})
	deep := strings.Repeat("Not(", 1998) + "[a]" + strings.Repeat(")", 1998)
	if v, err := eval(deep, e); err != nil || !v.Equal(expr.Bool(false)) {
		t.Errorf("nested 1998 deep: %#v, %v", v.JSON(), err)
	}
	chain := strings.Repeat(`1&`, 4999) + "1"
	if v, err := eval(chain, e); err != nil || !v.Equal(expr.String(strings.Repeat("1", 5000))) {
		t.Errorf("chain of 5000: %v", err)
	}
	grow := func(text, step string, times int) string {
		for range times {
			text = strings.ReplaceAll(step, "_", text)
		}
		return text
	}
	for _, text := range []string{
		grow("[a]", `Replace(_, "a", , , [a])`, 9),
		grow("[a]", `Replace(_, , "a", , "$&$&$&$&$&$&$&$&$&$&")`, 9),
		grow("[a]", `Replace(_, , "(?<g>a)", "g", [a])`, 9),
		grow("[a]", `Replace("aa", "a", , , , , _)`, 3) + "&" + grow("[a]", `ConvertToUTF8Hex(_)`, 40),
		`Append(Split([l]), ` + grow("[a]", `ConvertToBase64(_)`, 6) + `)`,
		`Join(` + grow("[a]", `ConvertToUTF8Hex(_)`, 9) + `, Split([l]))`,
	} {
		if _, err := eval(text, e); codeOf(err) != expr.CodeInvalidArgument {
			t.Errorf("%.60s…: got %v, want the limit of the text built", text, err)
		}
	}
}

// A pattern that backtracks without end is an error of its object and not a hanging cycle.
func TestPatternTimesOut(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for the time limit of a match")
	}
	e := env(map[string]any{"x": strings.Repeat("a", 60) + "!", "late": "b" + strings.Repeat("a", 60) + "!"})
	for _, text := range []string{
		`Replace([x], , "(a+)+$", , "")`,
		`Replace([late], , "b|(a+)+$", , "")`, // the first match succeeds
		`Replace([none], , "(?<g>(a+)+)$", "g", , [x])`,
	} {
		if _, err := eval(text, e); codeOf(err) != expr.CodeRegex {
			t.Errorf("%s: got %v, want Regex", text, err)
		}
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	x := mustParse(t, `Switch([a], , "k" & 1 & &H10, FormatDateTime([d], "yyyy", "s"))`)
	var got []string
	var walk func(depth int, d expr.Node)
	walk = func(depth int, d expr.Node) {
		kind := []string{"constant", "attribute", "function", "operator", "omitted"}[d.Kind()]
		got = append(got, strings.Repeat(".", depth)+kind+" "+d.Name()+" "+d.Text())
		for i, arg := range d.Args() {
			if p, ok := d.Param(i); ok {
				got = append(got, strings.Repeat(".", depth+1)+p.Key)
			}
			walk(depth+1, arg)
		}
	}
	walk(0, x.Root())
	want := []string{
		`function Switch Switch([a], , "k" & 1 & &H10, FormatDateTime([d], "yyyy", "s"))`,
		".source", ".attribute a [a]",
		".defaultValue", ".omitted  ",
		".switchValue", `.operator & "k" & 1 & &H10`, `..constant k "k"`, "..constant 1 1", "..constant 16 &H10",
		".switchValue", `.function FormatDateTime FormatDateTime([d], "yyyy", "s")`,
		"..source", "..attribute d [d]", "..inputFormat", `..constant yyyy "yyyy"`, "..outputFormat", `..constant s "s"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	if x.Root().Len() != 4 || x.Root().Offset() != 0 {
		t.Errorf("root: %d arguments at %d", x.Root().Len(), x.Root().Offset())
	}
}

// Sources are untyped lists of what a directory may hold; an expression that is evaluated by many
// goroutines at once must not care.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	x := mustParse(t, `Replace(ToUpper([a]), , "(?<g>B+)", "g", "x") & FormatDateTime("2024", , "yyyy", "yy")`)
	done := make(chan error)
	for range 8 {
		go func() {
			for range 200 {
				v, err := x.Eval(env(map[string]any{"a": "abc"}))
				if err == nil && !v.Equal(expr.String("AxC24")) {
					err = errors.New("wrong result")
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
