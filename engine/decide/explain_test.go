package decide

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

func TestExplain(t *testing.T) {
	const crew = "g-crew"
	names := map[string]string{crew: "Port Crew"}
	sales := mapping.FilterResult{Pass: true, Groups: []mapping.GroupResult{{Kind: mapping.FilterScope, Name: "sales", Pass: true, Clauses: []mapping.ClauseResult{
		{Attribute: "department", Operator: mapping.Equals, Values: []string{"Sales"}, Actual: "Sales", Pass: true}}}}}
	failed := mapping.FilterResult{Groups: []mapping.GroupResult{
		{Kind: mapping.FilterScope, Name: "sales", Clauses: []mapping.ClauseResult{
			{Attribute: "department", Operator: mapping.Equals, Values: []string{"Sales"}, Actual: "Legal"},
			{Attribute: "country", Operator: mapping.IsNotNull, Actual: []any{"CH"}, Pass: true}}},
		{Kind: mapping.FilterScope, Clauses: []mapping.ClauseResult{
			{Attribute: "city", Operator: mapping.Equals, Values: []string{"Bern", "Basel"}, Note: "the attribute is empty"}}}}}
	role := engine.AssignmentPath{RoleID: "r-1", RoleName: "User", Effective: true}
	inScope := Factors{Assigned: true, RoleOK: true, InFilter: true, Enabled: true}
	with := func(change func(*Factors)) Factors { x := inScope; change(&x); return x }
	for _, c := range []struct {
		name   string
		f      Facts
		paths  []engine.AssignmentPath
		filter mapping.FilterResult
		want   string
		ways   []Way
	}{
		{"in scope", Facts{Factors: inScope}, []engine.AssignmentPath{role}, sales, `
State: enabled at the source.
Assignment: directly, with the role "User": this counts.
Filter: "sales": passed.
Filter: "sales": department EQUALS "Sales" is true: the value is "Sales".
Conclusion: in scope and entitled; it is provisioned.`, nil},
		{"everybody", Facts{Factors: inScope}, nil, mapping.FilterResult{Pass: true}, `
State: enabled at the source.
Assignment: the job takes everybody in the directory; assignments do not matter.
Filter: none; everybody passes.
Conclusion: in scope and entitled; it is provisioned.`, nil},
		{"not assigned, waiting", Facts{Factors: with(func(x *Factors) { x.Assigned, x.RoleOK = false, false }), Link: &engine.Link{State: engine.Suspended, DeleteAt: moment.Add(time.Hour)}}, nil, mapping.FilterResult{Pass: true}, `
State: enabled at the source.
Assignment: none, neither directly nor through a group.
Filter: none; everybody passes.
Conclusion: not provisioned, because it is not assigned to the application. Its account waits to be deleted at 2031-03-01 09:00 UTC.`, nil},
		{"roles that do not count", Facts{Factors: with(func(x *Factors) { x.RoleOK = false }), Options: engine.Options{RequireRole: true}}, []engine.AssignmentPath{
			{RoleID: zeroRole, Effective: true}, {Via: crew, RoleID: "r-2", RoleValue: "crew.member"}, {Via: "g-9", RoleID: "r-3"}}, mapping.FilterResult{Pass: true}, `
State: enabled at the source.
Assignment: directly, with default access: this does not count, because the job requires a role other than default access.
Assignment: through the group "Port Crew", with the role "crew.member": this does not count, because the role is gone or switched off.
Assignment: through the group "g-9", with the role "r-3": this does not count, because the role is gone or switched off.
Filter: none; everybody passes.
Conclusion: not provisioned, because no assignment carries a role that counts.`, nil},
		{"filtered out", Facts{Factors: with(func(x *Factors) { x.InFilter, x.Filter = false, failed.Failed() }), Link: &engine.Link{State: engine.Released}}, []engine.AssignmentPath{role}, failed, `
State: enabled at the source.
Assignment: directly, with the role "User": this counts.
Filter: "sales": not passed.
Filter: "sales": department EQUALS "Sales" is false: the value is "Legal".
Filter: "sales": country IS NOT NULL is true: the value is ["CH"].
Filter: "scope filter 2": not passed.
Filter: "scope filter 2": city EQUALS "Bern", "Basel" is false: the value is empty (the attribute is empty).
Conclusion: not provisioned, because it does not pass the scoping filter sales, scope filter 2. Its account was released earlier and is not managed any more.`, nil},
		{"blocked", Facts{Factors: with(func(x *Factors) { x.Enabled = false })}, []engine.AssignmentPath{role}, mapping.FilterResult{Pass: true}, `
State: the sign-in is blocked at the source (accountEnabled is false).
Assignment: directly, with the role "User": this counts.
Filter: none; everybody passes.
Conclusion: not provisioned, because its sign-in is blocked at the source.`, nil},
		{"blocked, left alone before", Facts{Factors: with(func(x *Factors) { x.Enabled = false }), Link: &engine.Link{State: engine.Released}}, []engine.AssignmentPath{role}, mapping.FilterResult{Pass: true}, `
State: the sign-in is blocked at the source (accountEnabled is false).
Assignment: directly, with the role "User": this counts.
Filter: none; everybody passes.
Conclusion: not provisioned, because its sign-in is blocked at the source.`, nil},
		{"recycled", Facts{State: engine.SoftDeleted, Factors: inScope}, []engine.AssignmentPath{role}, mapping.FilterResult{Pass: true}, `
State: in the recycle bin of the source (soft-deleted); it can be restored.
Assignment: directly, with the role "User": this counts.
Filter: none; everybody passes.
Conclusion: not provisioned, because it is in the recycle bin of the source.`, nil},
		{"group that conveys nothing", Facts{Kind: engine.Group, Factors: with(func(x *Factors) { x.Assigned = false })}, []engine.AssignmentPath{{RoleID: zeroRole, Effective: true}}, mapping.FilterResult{Pass: true}, `
State: it exists at the source.
Assignment: directly, with default access: this does not count, because the group is not security-enabled.
Filter: none; everybody passes.
Conclusion: not provisioned, because it is not assigned to the application.`, nil},
		{"groups that do not extend to members", Facts{Factors: with(func(x *Factors) { x.Assigned, x.RoleOK = false, false })}, nil, mapping.FilterResult{Pass: true}, `
State: enabled at the source.
Assignment: through the group "Letters", with default access: this does not count, because the group is not security-enabled, and so its assignment is not one of its members.
Assignment: through the group "g-7", which has the group "Crew" as a member, with the role "User": this does not count, because the job takes direct members only (nestedGroups: ignore); nestedGroups: expand takes those of the groups inside as well.
Filter: none; everybody passes.
Conclusion: not provisioned, because it is not assigned to the application.`, []Way{
			{AssignmentPath: engine.AssignmentPath{Via: "g-6", RoleID: zeroRole, Effective: true}, Group: "Letters", Dead: NotSecure},
			{AssignmentPath: engine.AssignmentPath{Via: "g-7", RoleID: "r-1", RoleName: "User", Effective: true}, Between: []string{"Crew"}, Dead: NestedOnly}}},
		{"groups in groups", Facts{Factors: inScope, Options: engine.Options{Nested: engine.NestedExpand}}, nil, mapping.FilterResult{Pass: true}, `
State: enabled at the source.
Assignment: through the group "Port", which has the group "Crew", and that the group "Night" as a member, with default access: this counts.
Filter: none; everybody passes.
Conclusion: in scope and entitled; it is provisioned.`, []Way{
			{AssignmentPath: engine.AssignmentPath{Via: "g-6", RoleID: zeroRole, Effective: true}, Group: "Port", Between: []string{"Crew", "Night"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.f.Kind == "" {
				c.f.Kind = engine.User
			}
			if c.f.State == "" {
				c.f.State = engine.Active
			}
			ways := c.ways
			for _, p := range c.paths {
				ways = append(ways, Way{AssignmentPath: p, Group: names[p.Via]})
			}
			got := strings.Join(Explain(c.f, ways, c.filter), "\n")
			if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
