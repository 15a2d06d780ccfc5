package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// seats is an extension attribute that holds whole numbers.
const seats = "extension_53c9e2c0aa1b4d2f9e7c001122334455_seats"

// filtering is a world that reads all attributes that filters below name.
func filtering(t *testing.T, virtual bool) *world {
	var all []mapping.AttributeSpec
	for _, a := range [][2]string{{"title", "jobTitle"}, {"nickName", "department"}, {"userType", "state"}, {"locale", "employeeId"}, {"timezone", "dirSyncEnabled"}, {"preferredLanguage", seats}} {
		all = append(all, mapping.AttributeSpec{Target: a[0], Source: "[" + a[1] + "]"})
	}
	m := mapped(t, nil, all...)
	// Only to be read: nothing of it is to be written.
	for i := range m.Users.Attributes {
		if i >= 6 {
			m.Users.Attributes[i].Flow = mapping.FlowOnCreate
		}
	}
	w := newWorld(t, setting{mapping: m, virtual: virtual})
	w.dir.DefineExtension(seats)
	return w
}

// person makes somebody who is assigned, with these properties.
func (w *world) person(name string, properties map[string]any) string {
	id := w.dir.AddUser(graphtest.User{UserPrincipalName: fmt.Sprintf("%s.%x@example.test", strings.ReplaceAll(name, " ", "."), name), DisplayName: name, Extra: properties})
	w.dir.Assign(id, graphtest.ZeroRole)
	return id
}

// admits runs a cycle with a filter in place of the one before, and fails the test unless just these people are active.
// Everybody who is not, and was never, has a row that names the filter.
func (w *world) admits(filter []mapping.FilterSpec, want ...string) {
	w.t.Helper()
	n := w.job.Mapping.Users
	m := mapped(w.t.(*testing.T), filter)
	n.Filter = m.Users.Filter
	w.job.Mapping.Users = n
	w.sync()
	var got []string
	for _, r := range w.app.Users() {
		if r.Active {
			got = append(got, r.DisplayName)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("%v admits %q, want %q", filter, got, want)
	}
}

// just is a filter of one clause.
func just(attribute, operator string, values ...string) []mapping.FilterSpec {
	return []mapping.FilterSpec{allOf(attribute+" "+operator, clauseOf(attribute, operator, values...))}
}

func clauseOf(attribute, operator string, values ...string) mapping.ClauseSpec {
	return mapping.ClauseSpec{Attribute: attribute, Operator: operator, Values: values}
}

// allOf is a filter of several clauses.
func allOf(name string, clauses ...mapping.ClauseSpec) mapping.FilterSpec {
	return mapping.FilterSpec{Name: name, Clauses: clauses}
}

func acceptDepartments(t *testing.T) {
	w := filtering(t, true)
	w.person("Sales", map[string]any{"department": "Sales"})
	lower := w.person("sales", map[string]any{"department": "sales"})
	w.person("none", nil)
	w.admits(just("department", "EQUALS", "Sales"), "Sales")
	if r := w.lastRow(lower); r.Status != engine.StatusSkipped || r.Reason != engine.FilteredOut || !strings.Contains(r.Detail, "department EQUALS") {
		t.Errorf("the log says %s %s %q, and not which filter it was", r.Status, r.Reason, r.Detail)
	}
	w.admits(just("department", "NOT EQUALS", "Sales"), "sales")
	w.admits(just("department", "IS NULL"), "none")
	w.admits(just("department", "IS NOT NULL"), "Sales", "sales")
	w.admits(nil, "Sales", "sales", "none")
	// An attribute that changes takes people out and in.
	w.admits(just("department", "EQUALS", "Sales"), "Sales")
	w.dir.UpdateUser(lower, map[string]any{"department": "Sales"})
	w.admits(just("department", "EQUALS", "Sales"), "Sales", "sales")
	w.dir.UpdateUser(lower, map[string]any{"department": nil})
	w.admits(just("department", "EQUALS", "Sales"), "Sales")
	w.noted(lower, engine.StatusSuccess, string(engine.FilteredOut))
	w.quiet()
}

// acceptOperators has, for each operator, values that satisfy it and values that do not, nothing, emptiness and a value of
// another type (15.2).
func acceptOperators(t *testing.T) {
	w := filtering(t, true)
	w.values()
	for _, c := range []struct {
		filter []mapping.FilterSpec
		want   []string
	}{
		{just("department", "EQUALS", "Sales"), []string{"Sales"}},
		{just("department", "NOT EQUALS", "Sales"), []string{"sales", "Saleswide"}},
		{just("department", "INCLUDES", "Sale"), []string{"Sales", "Saleswide"}},
		{just("department", "ENDS_WITH", "es"), []string{"Sales", "sales"}},
		{just("department", "&", "the Sales people"), []string{"Sales"}},
		{just("department", "!&", "the Sales people"), []string{"sales", "Saleswide"}},
		{just("department", "IS NULL"), []string{"blank", "missing", "seats9", "seats10", "seats011", "seatsbad", "synced", "cloud"}},
		{just("department", "IS NOT NULL"), departments},
		{just("department", "IS TRUE"), nil}, // another type
		{just("department", "Greater_Than", "1"), nil},
		{just("dirSyncEnabled", "IS TRUE"), []string{"synced"}},
		{just("dirSyncEnabled", "IS FALSE"), []string{"cloud"}},
		{just("dirSyncEnabled", "IS NOT NULL"), []string{"synced", "cloud"}}, // false is a value
		{just(seats, "EQUALS", "10"), []string{"seats10"}},
		{just(seats, "NOT EQUALS", "10"), []string{"seats9", "seats011", "seatsbad"}},
		{just(seats, "Greater_Than", "9"), []string{"seats10", "seats011"}},
		{just(seats, "Greater_Than_OR_EQUALS", "9"), []string{"seats9", "seats10", "seats011"}},
		{just(seats, "IS NULL"), []string{"Sales", "sales", "Saleswide", "blank", "missing", "synced", "cloud"}},
	} {
		w.admits(c.filter, c.want...)
	}
	w.quiet()
}

// acceptPatterns is the same for regular expressions, which are searched, not anchored.
func acceptPatterns(t *testing.T) {
	w := filtering(t, false)
	w.values()
	for _, c := range []struct {
		filter []mapping.FilterSpec
		want   []string
	}{
		{just("department", "REGEX MATCH", "^S.*s$"), []string{"Sales"}},
		{just("department", "REGEX MATCH", "ales"), departments},
		{just("department", "NOT REGEX MATCH", "^S"), []string{"sales"}},
		{just(seats, "REGEX MATCH", "^1.$"), []string{"seats10"}},
	} {
		w.admits(c.filter, c.want...)
	}
	w.quiet()
}

// departments are those of the people of values who have one.
var departments = []string{"Sales", "sales", "Saleswide"}

// values makes people with values of all types, without any, and with an empty one.
func (w *world) values() {
	for name, p := range map[string]map[string]any{
		"Sales":     {"department": "Sales"},
		"sales":     {"department": "sales"},
		"Saleswide": {"department": "Saleswide"},
		"blank":     {"department": ""},
		"missing":   nil,
		"seats9":    {seats: 9},
		"seats10":   {seats: 10},
		"seats011":  {seats: "011"}, // text that reads as a number
		"seatsbad":  {seats: "many"},
		"synced":    {"onPremisesSyncEnabled": true},
		"cloud":     {"onPremisesSyncEnabled": false},
	} {
		w.person(name, p)
	}
}

// acceptClauses are clauses in one filter and several filters, and the vectors at the end of section 15.
func acceptClauses(t *testing.T) {
	w := filtering(t, false)
	york := map[string]any{"state": "New York", "department": "Engineering", "employeeId": "1234567", "jobTitle": "Engineer"}
	but := func(set map[string]any) map[string]any {
		p := map[string]any{}
		for k, v := range york {
			p[k] = v
		}
		for k, v := range set {
			if p[k] = v; v == nil {
				delete(p, k)
			}
		}
		return p
	}
	w.person("all four", york)
	w.person("lower case", but(map[string]any{"state": "new york"}))
	w.person("no title", but(map[string]any{"jobTitle": nil}))
	w.person("other id", but(map[string]any{"employeeId": "2000000"}))
	w.person("sales", but(map[string]any{"department": "Sales"}))
	four := allOf("engineers of New York", clauseOf("state", "EQUALS", "New York"), clauseOf("department", "EQUALS", "Engineering"),
		clauseOf("employeeId", "REGEX MATCH", "(1[0-9]{6})"), clauseOf("jobTitle", "IS NOT NULL"))
	w.admits([]mapping.FilterSpec{four}, "all four")
	sales := allOf("sales", clauseOf("department", "EQUALS", "Sales"))
	w.admits([]mapping.FilterSpec{four, sales}, "all four", "sales")
	w.admits([]mapping.FilterSpec{sales, allOf("no title", clauseOf("jobTitle", "IS NULL"), clauseOf("employeeId", "IS NOT NULL"))}, "sales", "no title")
	w.admits([]mapping.FilterSpec{allOf("nobody", clauseOf("department", "EQUALS", "Sales"), clauseOf("department", "EQUALS", "Engineering"))})
	w.admits([]mapping.FilterSpec{allOf("either", clauseOf("department", "EQUALS", "Sales", "Engineering"))}, "all four", "lower case", "no title", "other id", "sales")
	// Filters that are refused when they are saved.
	for _, bad := range []mapping.ClauseSpec{clauseOf("department", "IsMemberOf", "x"), clauseOf("department", "LIKE", "x"), clauseOf("department", "REGEX MATCH", "("), clauseOf(seats, "Greater_Than", "many"), clauseOf("department", "EQUALS")} {
		_, problems := mapping.Compile(mapping.ObjectSpec{Filter: []mapping.FilterSpec{allOf("bad", bad)}})
		if !slices.ContainsFunc(problems, func(p mapping.Problem) bool { return !p.Warning }) {
			t.Errorf("%v is accepted: %v", bad, fmt.Sprint(problems))
		}
	}
}
