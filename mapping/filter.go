package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// Filter decides which source objects a job deals with (section 9). Within a group all clauses must
// hold; of a list of groups one must. An empty list lets everybody pass.
type Filter struct {
	// Groups are the scoping filter: who fails is out of scope and is deprovisioned.
	Groups []FilterGroup
	// Input and Category: who fails is ignored, neither provisioned nor deprovisioned.
	Input    []FilterGroup
	Category []FilterGroup
}

// FilterGroup is one filter with its title.
type FilterGroup struct {
	Name    string
	Clauses []FilterClause
}

// FilterClause is one comparison of a source attribute. Make it with [NewClause].
type FilterClause struct {
	Attribute string
	Operator  Operator
	Values    []string

	patterns []*regexp2.Regexp // compiled Values of the regex operators
	broken   bool              // never holds
}

// Operator is a comparison of a filter clause, in the spelling of the documentation.
type Operator string

// The operators of section 9.1.
const (
	Equals              Operator = "EQUALS"
	NotEquals           Operator = "NOT EQUALS"
	IsTrue              Operator = "IS TRUE"
	IsFalse             Operator = "IS FALSE"
	IsNull              Operator = "IS NULL"
	IsNotNull           Operator = "IS NOT NULL"
	RegexMatch          Operator = "REGEX MATCH"
	NotRegexMatch       Operator = "NOT REGEX MATCH"
	GreaterThan         Operator = "Greater_Than"
	GreaterThanOrEquals Operator = "Greater_Than_OR_EQUALS"
	Includes            Operator = "INCLUDES"
	EndsWith            Operator = "ENDS_WITH"
	Within              Operator = "&"
	NotWithin           Operator = "!&"
)

// Operators lists all of them.
var Operators = [...]Operator{Equals, NotEquals, IsTrue, IsFalse, IsNull, IsNotNull, RegexMatch, NotRegexMatch,
	GreaterThan, GreaterThanOrEquals, Includes, EndsWith, Within, NotWithin}

// Unary reports whether the operator takes no values.
func (o Operator) Unary() bool {
	return o == IsTrue || o == IsFalse || o == IsNull || o == IsNotNull
}

// ParseOperator reads an operator: letter case does not matter, "_" and blanks are the same.
func ParseOperator(s string) (Operator, bool) {
	want := plainOperator(s)
	for _, o := range Operators {
		if plainOperator(string(o)) == want {
			return o, true
		}
	}
	return "", false
}

func plainOperator(s string) string {
	return strings.ToUpper(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == ' ' }), " "))
}

// ClauseError says what is wrong with a clause. Part is "attribute", "operator" or "values".
type ClauseError struct {
	Part    string
	Problem string
	Remedy  string
	// Pattern says that a regular expression is invalid.
	Pattern bool
}

func (e *ClauseError) Error() string { return e.Part + ": " + e.Problem + "; " + e.Remedy }

// matchTimeout bounds the search of one pattern in one value: patterns of the .NET dialect
// backtrack and can take longer than the sun shines.
const matchTimeout = 250 * time.Millisecond

// NewClause checks and compiles a clause. Values of unary operators are dropped. The error is a
// [*ClauseError].
func NewClause(attribute, operator string, values []string) (FilterClause, error) {
	if strings.TrimSpace(attribute) == "" {
		return FilterClause{}, &ClauseError{Part: "attribute", Problem: "it is missing", Remedy: "name the source attribute to compare, for example department"}
	}
	o, ok := ParseOperator(operator)
	if !ok {
		return FilterClause{}, unknownOperator(operator)
	}
	c := FilterClause{Attribute: attribute, Operator: o}
	if o.Unary() {
		return c, nil
	}
	c.Values = values
	if len(values) == 0 {
		return FilterClause{}, &ClauseError{Part: "values", Problem: "the operator " + string(o) + " compares with a value and none is given", Remedy: "add the value"}
	}
	switch o {
	case GreaterThan, GreaterThanOrEquals:
		if _, ok := wholeNumber(values[0]); !ok {
			return FilterClause{}, &ClauseError{Part: "values", Problem: "the operator " + string(o) + " compares whole numbers and " + strconv.Quote(values[0]) + " is none", Remedy: "write digits only"}
		}
	case RegexMatch, NotRegexMatch:
		for _, v := range values {
			re, err := regexp2.Compile(v, regexp2.None)
			if err != nil {
				return FilterClause{}, &ClauseError{Part: "values", Pattern: true, Problem: "the pattern " + strconv.Quote(v) + " is not valid: " + patternProblem(err), Remedy: `correct it; write \ before a character that stands for itself`}
			}
			re.MatchTimeout = matchTimeout
			c.patterns = append(c.patterns, re)
		}
	}
	return c, nil
}

// patternProblem shortens the messages of the regular-expression compiler, which repeat the pattern.
func patternProblem(err error) string {
	s := err.Error()
	s = strings.TrimPrefix(s, "error parsing regexp: ")
	if before, _, ok := strings.Cut(s, " in `"); ok {
		return before
	}
	return s
}

func unknownOperator(operator string) error {
	if plainOperator(operator) == "ISMEMBEROF" {
		return &ClauseError{Part: "operator", Problem: "IsMemberOf is not supported, a filter sees the attributes of one object only", Remedy: "assign the group to the application instead"}
	}
	names := make([]string, len(Operators))
	for i, o := range Operators {
		names[i] = string(o)
	}
	return &ClauseError{Part: "operator", Problem: "unknown operator " + strconv.Quote(operator), Remedy: didYouMean(operator, names)}
}

// FilterResult is the verdict about one object, with all that led to it.
type FilterResult struct {
	// Pass: the object is in scope. An ignored object does not pass either; look at Ignored first.
	Pass bool
	// Ignored: the object is left alone, neither provisioned nor deprovisioned.
	Ignored bool
	// Groups are the verdicts of all filters, in the order input, category, scoping.
	Groups []GroupResult
	// Err says that a pattern took too long, so that the verdict is open. The object is then
	// ignored: nobody may lose access because of a slow pattern.
	Err error
}

// FilterKind tells what a filter group decides.
type FilterKind string

const (
	FilterScope    FilterKind = "scope"
	FilterInput    FilterKind = "input"
	FilterCategory FilterKind = "category"
)

// GroupResult is the verdict of one filter.
type GroupResult struct {
	Kind    FilterKind
	Name    string
	Pass    bool
	Clauses []ClauseResult
}

// ClauseResult is the verdict of one clause. Actual is the value of the attribute, for people with
// access to the provisioning log. Note says why a comparison could not be made as written.
type ClauseResult struct {
	Attribute string
	Operator  Operator
	Values    []string
	Actual    any
	Pass      bool
	Note      string
}

// Failed names the filters that decided against the object, "" if none did.
func (r FilterResult) Failed() string {
	for _, kind := range []FilterKind{FilterInput, FilterCategory, FilterScope} {
		var names []string
		passed := false
		for i, g := range r.Groups {
			if g.Kind != kind {
				continue
			}
			passed = passed || g.Pass
			name := g.Name
			if name == "" {
				name = fmt.Sprintf("%s filter %d", kind, i+1)
			}
			names = append(names, name)
		}
		if len(names) > 0 && !passed {
			return strings.Join(names, ", ")
		}
	}
	return ""
}

// Evaluate applies the filter to a source object.
func (f Filter) Evaluate(src Attributes) FilterResult {
	r := FilterResult{}
	input := r.list(FilterInput, f.Input, src)
	category := r.list(FilterCategory, f.Category, src)
	groups := r.list(FilterScope, f.Groups, src)
	r.Ignored = !input || !category || r.Err != nil
	r.Pass = groups && !r.Ignored
	return r
}

// Empty reports whether the filter lets everybody pass.
func (f Filter) Empty() bool { return len(f.Groups)+len(f.Input)+len(f.Category) == 0 }

func (r *FilterResult) list(kind FilterKind, groups []FilterGroup, src Attributes) bool {
	pass := len(groups) == 0
	for _, g := range groups {
		gr := GroupResult{Kind: kind, Name: g.Name, Pass: true, Clauses: make([]ClauseResult, 0, len(g.Clauses))}
		for i := range g.Clauses {
			cr, err := g.Clauses[i].evaluate(src)
			if err != nil && r.Err == nil {
				r.Err = fmt.Errorf("filter %q: attribute %s: %w", g.Name, cr.Attribute, err)
			}
			gr.Clauses = append(gr.Clauses, cr)
			gr.Pass = gr.Pass && cr.Pass
		}
		pass = pass || gr.Pass
		r.Groups = append(r.Groups, gr)
	}
	return pass
}

// evaluate applies one clause. An empty attribute fails every clause but IS NULL; of a list, all
// elements must satisfy the clause (9.1).
func (c *FilterClause) evaluate(src Attributes) (ClauseResult, error) {
	v, _ := src.Lookup(c.Attribute)
	r := ClauseResult{Attribute: c.Attribute, Operator: c.Operator, Values: c.Values, Actual: v}
	if c.broken {
		r.Note = "the clause is not valid"
		return r, nil
	}
	items := itemsOf(v)
	if len(items) == 0 {
		r.Pass = c.Operator == IsNull
		if !r.Pass {
			r.Note = "the attribute is empty, which fails every clause but IS NULL"
		}
		return r, nil
	}
	r.Pass = true
	for _, item := range items {
		pass, note, err := c.holds(item)
		if err != nil {
			r.Pass, r.Note = false, "the search for the pattern took too long"
			return r, err
		}
		r.Pass = r.Pass && pass
		if note != "" {
			r.Note = note
		}
	}
	return r, nil
}

// itemsOf takes a list apart; missing and empty values have no items.
func itemsOf(v any) []any {
	list, ok := v.([]any)
	if !ok {
		if empty(v) {
			return nil
		}
		return []any{v}
	}
	items := make([]any, 0, len(list))
	for _, e := range list {
		if !empty(e) {
			items = append(items, e)
		}
	}
	return items
}

// holds compares one value that is not empty.
func (c *FilterClause) holds(v any) (pass bool, note string, err error) {
	switch c.Operator {
	case IsNull:
		return false, "", nil
	case IsNotNull:
		return true, "", nil
	}
	text, ok := textOf(v)
	if !ok {
		return false, "a complex value cannot be compared", nil
	}
	switch c.Operator {
	case IsTrue:
		return equalFold(text, "true"), "", nil
	case IsFalse:
		return equalFold(text, "false"), "", nil
	case Equals:
		return c.any(func(t string) bool { return text == t }), "", nil
	case NotEquals:
		return !c.any(func(t string) bool { return text == t }), "", nil
	case Includes:
		return c.any(func(t string) bool { return strings.Contains(text, t) }), "", nil
	case EndsWith:
		return c.any(func(t string) bool { return strings.HasSuffix(text, t) }), "", nil
	case Within:
		return len(c.Values) > 0 && strings.Contains(c.Values[0], text), "", nil
	case NotWithin:
		return len(c.Values) > 0 && !strings.Contains(c.Values[0], text), "", nil
	case GreaterThan, GreaterThanOrEquals:
		return c.greater(text)
	case RegexMatch, NotRegexMatch:
		found, err := c.search(text)
		return err == nil && found == (c.Operator == RegexMatch), "", err
	}
	return false, "unknown operator", nil
}

func (c *FilterClause) any(f func(string) bool) bool {
	for _, t := range c.Values {
		if f(t) {
			return true
		}
	}
	return false
}

func (c *FilterClause) greater(text string) (bool, string, error) {
	a, ok := wholeNumber(text)
	if !ok {
		return false, "the value is not a whole number", nil
	}
	if len(c.Values) == 0 {
		return false, "", nil
	}
	b, ok := wholeNumber(c.Values[0])
	return ok && (a > b || c.Operator == GreaterThanOrEquals && a == b), "", nil
}

func wholeNumber(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// search looks for any of the patterns anywhere in the text (9.1: unanchored).
func (c *FilterClause) search(text string) (bool, error) {
	for _, re := range c.patterns {
		found, err := re.MatchString(text)
		if err != nil {
			return false, errTooLong
		}
		if found {
			return true, nil
		}
	}
	return false, nil
}

// errTooLong hides the library's message, which repeats pattern and value.
var errTooLong = &ClauseError{Part: "values", Pattern: true, Problem: "the pattern takes too long on a value of this object", Remedy: "avoid nested repetitions such as (a+)+, or anchor the pattern with ^"}

// attributes lists the source attributes that the filter reads, with repetitions.
func (f Filter) attributes() []string {
	var names []string
	for _, list := range [][]FilterGroup{f.Input, f.Category, f.Groups} {
		for _, g := range list {
			for _, c := range g.Clauses {
				names = append(names, c.Attribute)
			}
		}
	}
	return names
}
