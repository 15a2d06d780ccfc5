package mapping

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func clause(t *testing.T, attribute, operator string, values ...string) FilterClause {
	t.Helper()
	c, err := NewClause(attribute, operator, values)
	if err != nil {
		t.Fatalf("%s %s %q: %v", attribute, operator, values, err)
	}
	return c
}

// Section 9.1, and for every operator the rule about empty attributes.
func TestOperators(t *testing.T) {
	for _, c := range []struct {
		operator string
		values   []string
		yes, no  []any
	}{
		{"EQUALS", []string{"Sales", "R&D"}, []any{"Sales", "R&D", []any{"Sales", "R&D"}}, []any{"sales", "Sales ", []any{"Sales", "HR"}}},
		{"equals", []string{"7"}, []any{"7", float64(7), int64(7)}, []any{"07"}},
		{"EQUALS", []string{"True"}, []any{true, "True"}, []any{false, "true"}},
		{"NOT EQUALS", []string{"Sales", "R&D"}, []any{"sales", "HR", []any{"HR", "IT"}}, []any{"Sales", "R&D", []any{"HR", "Sales"}}},
		{"not_equals", []string{"Sales"}, []any{"HR"}, []any{"Sales"}},
		{"IS TRUE", nil, []any{true, "True", "tRUE"}, []any{false, "False", "1", float64(1)}},
		{"Is_True", []string{"ignored"}, []any{true}, []any{false}},
		{"IS FALSE", nil, []any{false, "FALSE"}, []any{true, "0"}},
		{"IS NULL", nil, []any{nil, "", []any{}, []any{nil}}, []any{"x", false, []any{"x"}, map[string]any{"a": "b"}}},
		{"IS NOT NULL", nil, []any{"x", false, []any{"x"}, map[string]any{"a": "b"}}, nil},
		{"REGEX MATCH", []string{"(1[0-9]{6})"}, []any{"1234567", "x1234567y", float64(1234567)}, []any{"2000000", "123"}},
		{"REGEX MATCH", []string{"^a$", "^b$"}, []any{"a", "b"}, []any{"A", "ab"}},
		{"REGEX MATCH", []string{`^CAS_([^{]*)\{`}, []any{"CAS_x{1}"}, []any{"XCAS_x{"}},
		{"REGEX MATCH", []string{`^(?!svc).*(?<=x)$`}, []any{"ax"}, []any{"svcx", "a"}},
		{"NOT REGEX MATCH", []string{"^svc[-_]"}, []any{"ann", "Svc-x"}, []any{"svc-x", []any{"ann", "svc_x"}}},
		{"Greater_Than", []string{"10"}, []any{"11", float64(11), int64(100)}, []any{"10", "9", "-11", "many", "10.5", true}},
		{"GREATER THAN OR EQUALS", []string{"-5"}, []any{"-5", "0"}, []any{"-6"}},
		{"Greater_Than_OR_EQUALS", []string{"10"}, []any{"10"}, []any{"9"}},
		{"INCLUDES", []string{"ale", "x"}, []any{"Sales", "xx"}, []any{"ALE", "HR"}},
		{"ENDS_WITH", []string{"@contoso.com"}, []any{"a@contoso.com"}, []any{"a@Contoso.com", "a@contoso.com.org"}},
		{"ends with", []string{"s"}, []any{"Sales"}, []any{"S"}},
		{"&", []string{"512,514"}, []any{"512", "514", float64(51)}, []any{"513"}},
		{"!&", []string{"512,514"}, []any{"513", "x"}, []any{"512"}},
	} {
		cl := clause(t, "x", c.operator, c.values...)
		for _, v := range c.yes {
			if r, err := cl.evaluate(Attributes{"x": v}); !r.Pass || err != nil {
				t.Errorf("%#v %s %q is false (%s)", v, c.operator, c.values, r.Note)
			}
		}
		for _, v := range c.no {
			if r, err := cl.evaluate(Attributes{"x": v}); r.Pass || err != nil {
				t.Errorf("%#v %s %q is true", v, c.operator, c.values)
			}
		}
		for _, v := range []any{nil, "", []any{}} {
			if r, _ := cl.evaluate(Attributes{"x": v}); r.Pass != (cl.Operator == IsNull) {
				t.Errorf("an empty attribute %#v makes %s %v", v, c.operator, r.Pass)
			}
		}
		if r, _ := cl.evaluate(nil); r.Pass != (cl.Operator == IsNull) {
			t.Errorf("a missing attribute makes %s %v", c.operator, r.Pass)
		}
		if cl.Operator != IsNull && cl.Operator != IsNotNull {
			if r, _ := cl.evaluate(Attributes{"x": map[string]any{"a": "b"}}); r.Pass || r.Note == "" {
				t.Errorf("a complex value makes %s %v (%q)", c.operator, r.Pass, r.Note)
			}
		}
	}
}

func TestOperatorSpellings(t *testing.T) {
	for _, o := range Operators {
		for _, s := range []string{string(o), strings.ToLower(string(o)), strings.ReplaceAll(string(o), " ", "_"), " " + strings.ReplaceAll(string(o), "_", "  ")} {
			if got, ok := ParseOperator(s); !ok || got != o {
				t.Errorf("%q is %q, want %q", s, got, o)
			}
		}
	}
	for _, s := range []string{"", "SOUNDS LIKE", "IsMemberOf", "NOTEQUALS", "!"} {
		if got, ok := ParseOperator(s); ok {
			t.Errorf("%q is %q", s, got)
		}
	}
}

// The test vectors of provisioning.md 15.3.
func TestFilterVectors(t *testing.T) {
	f := Filter{Groups: []FilterGroup{{Name: "engineers", Clauses: []FilterClause{
		clause(t, "state", "EQUALS", "New York"), clause(t, "department", "EQUALS", "Engineering"),
		clause(t, "employeeId", "REGEX MATCH", "(1[0-9]{6})"), clause(t, "jobTitle", "IS NOT NULL"),
	}}}}
	base := Attributes{"state": "New York", "department": "Engineering", "employeeId": "1234567", "jobTitle": "Dev"}
	if r := f.Evaluate(base); !r.Pass || r.Ignored || r.Failed() != "" {
		t.Errorf("all four hold: %+v", r)
	}
	for name, v := range map[string]any{"state": "new york", "jobTitle": nil, "employeeId": "2000000", "department": "Sales"} {
		a := Attributes{}
		for k, old := range base {
			a[k] = old
		}
		a[name] = v
		r := f.Evaluate(a)
		if r.Pass || r.Ignored || r.Failed() != "engineers" {
			t.Errorf("%s = %v: %+v", name, v, r)
		}
		for _, c := range r.Groups[0].Clauses {
			if c.Pass == (c.Attribute == name) {
				t.Errorf("%s = %v: clause %s is %v", name, v, c.Attribute, c.Pass)
			}
		}
	}
}

func TestFilterLists(t *testing.T) {
	group := func(name string, clauses ...FilterClause) FilterGroup {
		return FilterGroup{Name: name, Clauses: clauses}
	}
	yes, no := clause(t, "x", "EQUALS", "1"), clause(t, "x", "EQUALS", "2")
	src := Attributes{"x": "1"}
	for _, c := range []struct {
		name          string
		f             Filter
		pass, ignored bool
		failed        string
	}{
		{"empty", Filter{}, true, false, ""},
		{"group without clauses", Filter{Groups: []FilterGroup{group("g")}}, true, false, ""},
		{"one of two", Filter{Groups: []FilterGroup{group("a", no), group("b", yes)}}, true, false, ""},
		{"none of two", Filter{Groups: []FilterGroup{group("a", no), group("b", yes, no)}}, false, false, "a, b"},
		{"without title", Filter{Groups: []FilterGroup{group("", no)}}, false, false, "scope filter 1"},
		{"input fails", Filter{Input: []FilterGroup{group("in", no)}, Groups: []FilterGroup{group("a", yes)}}, false, true, "in"},
		{"category fails", Filter{Category: []FilterGroup{group("cat", no)}}, false, true, "cat"},
		{"all pass", Filter{Input: []FilterGroup{group("in", yes)}, Category: []FilterGroup{group("cat", yes)}, Groups: []FilterGroup{group("a", yes)}}, true, false, ""},
	} {
		r := c.f.Evaluate(src)
		if r.Pass != c.pass || r.Ignored != c.ignored || r.Failed() != c.failed || r.Err != nil {
			t.Errorf("%s: %+v, failed %q", c.name, r, r.Failed())
		}
	}
}

// A filter sees a guest under the name that mappings see (9.1, 7.5).
func TestFilterSeesHomeNames(t *testing.T) {
	f := Filter{Groups: []FilterGroup{{Clauses: []FilterClause{clause(t, "userPrincipalName", "ENDS_WITH", "@fabrikam.com")}}}}
	if r := f.Evaluate(Attributes{"userPrincipalName": "ann_fabrikam.com#EXT#@contoso.com"}); !r.Pass {
		t.Errorf("%+v", r)
	}
}

// A pattern that takes too long leaves the verdict open; nobody loses access by it.
func TestSlowPattern(t *testing.T) {
	for _, operator := range []string{"REGEX MATCH", "NOT REGEX MATCH"} {
		c := clause(t, "x", operator, `^(([a-z])+.)+[A-Z]([a-z])+$`)
		for _, re := range c.patterns {
			re.MatchTimeout = time.Millisecond
		}
		value := strings.Repeat("a", 60)
		r := Filter{Groups: []FilterGroup{{Name: "slow", Clauses: []FilterClause{c}}}}.Evaluate(Attributes{"x": value})
		if r.Err == nil || !r.Ignored || r.Pass || strings.Contains(r.Err.Error(), value) {
			t.Errorf("%s: %+v", operator, r)
		}
	}
}

func TestClauseResult(t *testing.T) {
	f := Filter{Groups: []FilterGroup{{Name: "g", Clauses: []FilterClause{clause(t, "n", "Greater_Than", "5")}}}}
	got := f.Evaluate(Attributes{"n": "many"})
	want := FilterResult{Groups: []GroupResult{{Kind: FilterScope, Name: "g", Clauses: []ClauseResult{
		{Attribute: "n", Operator: GreaterThan, Values: []string{"5"}, Actual: "many", Note: "the value is not a whole number"}}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
