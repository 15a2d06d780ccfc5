package decide

import (
	"testing"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
	"github.com/scimsync/scimsync/mapping/expr"
)

// group is a group in the words of the tables: the zero value is assigned, security enabled and not
// linked.
type group struct {
	state      engine.LifeState
	unassigned bool
	noSecurity bool
	filtered   bool
	disabled   bool // the group mapping
	alone      bool // members are not mapped
	name       string
	link       engine.LinkState
	target     TargetState
	liveName   string
	doubt      bool
	options    engine.Options
	actions    *mapping.Actions
}

func (g group) facts(t *testing.T) Facts {
	t.Helper()
	m, problems := mapping.Compile(mapping.ObjectSpec{
		Groups: true,
		Attributes: []mapping.AttributeSpec{
			{Target: "displayName", Source: "[displayName]", Match: 1}, {Target: "externalId", Source: "[objectId]"}, {Target: "members", Source: "[members]"},
		},
		Filter: []mapping.FilterSpec{{Name: "no tests", Clauses: []mapping.ClauseSpec{{Attribute: "displayName", Operator: "NOT EQUALS", Value: "Test"}}}},
	})
	for _, p := range problems {
		t.Fatalf("compile the mapping: %v", p)
	}
	m.Enabled = !g.disabled
	if g.alone {
		m.Attributes = m.Attributes[:2]
	}
	if g.actions != nil {
		m.Actions = *g.actions
	}
	src := mapping.Attributes{"id": "g-1", "displayName": "Crew"}
	if g.name != "" {
		src["displayName"] = g.name
	}
	if g.name == "-" {
		delete(src, "displayName")
	}
	o := engine.Object{Ref: engine.Ref{Kind: engine.Group, ID: "g-1"}, State: engine.Active, Attributes: src, Conveys: !g.noSecurity}
	if g.state != "" {
		o.State = g.state
	}
	var paths []engine.AssignmentPath
	if !g.unassigned {
		paths = []engine.AssignmentPath{{RoleID: "r", Effective: true}}
	}
	filter := m.Filter.Evaluate(src)
	if g.filtered {
		filter = m.Filter.Evaluate(mapping.Attributes{"displayName": "Test"})
	}
	f := Facts{
		Kind: engine.Group, State: o.State, Mapping: &m, Options: g.options, Doubt: g.doubt, Now: moment,
		Factors: Judge(&engine.Job{Scope: engine.ScopeAssigned}, o, paths, filter),
	}
	if g.name == "-" { // the filter is not what this row is about
		f.Factors.InFilter = true
	}
	f.Desired, f.MappingError = m.Evaluate(src, &expr.Env{})
	if g.link != "" {
		f.Link = &engine.Link{Ref: o.Ref, TargetID: "t-1", State: g.link, Exported: map[string]any{"displayname": "Crew", "externalid": "g-1"}}
	}
	live := map[string]any{"displayName": "Crew", "externalId": "g-1"}
	if g.liveName != "" {
		live["displayName"] = g.liveName
	}
	f.Target = Target{State: g.target, Resource: engine.Resource{ID: "t-1", Attributes: live}, MatchedBy: "displayName", TakenBy: "g-2"}
	return f
}

// TestGroups walks section 11.6 and the group row of section 12.
func TestGroups(t *testing.T) {
	leave := engine.Options{GroupOutOfScope: engine.GroupLeave}
	empty := engine.Options{GroupOutOfScope: engine.GroupEmpty}
	for _, row := range []struct {
		name string
		rule engine.Rule
		g    group
		want want
	}{
		{"G1 before looking", "G1", group{}, want{engine.Look, "", "", ""}},
		{"G1 no match", "G1", group{target: Absent}, want{engine.Create, engine.Managed, "", ""}},
		{"G1 ¬C", "G1", group{target: Absent, actions: without(noCreate)}, want{engine.Skip, "", "", engine.CreateDisabled}},
		{"G2 match in step", "G2", group{target: Found}, want{engine.Nothing, engine.Managed, "", ""}},
		{"G2 match differs", "G2", group{target: Found, liveName: "CREW 2"}, want{engine.Update, engine.Managed, "displayName=Crew", ""}},
		{"G3 renamed", "G3", group{link: engine.Managed, name: "Port Crew"}, want{engine.Update, engine.Managed, "displayName=Port Crew", engine.Renamed}},
		{"G3 ¬U", "G2", group{link: engine.Managed, name: "Port Crew", actions: without(noUpdate)}, want{engine.Skip, "", "", engine.UpdateDisabled}},
		{"nothing changed", "G2", group{link: engine.Managed}, want{engine.Nothing, engine.Managed, "", ""}},
		{"G7 unassigned", "G7", group{link: engine.Managed, unassigned: true}, want{engine.Delete, engine.LinkNone, "", engine.NotAssigned}},
		{"G7 left alone", "G7", group{link: engine.Managed, unassigned: true, options: leave}, want{engine.Skip, engine.Released, "", ""}},
		{"G7 emptied", "G7", group{link: engine.Managed, unassigned: true, name: "Port Crew", options: empty}, want{engine.Update, engine.Released, "", engine.NotAssigned}},
		{"G7 emptied ¬U", "G7", group{link: engine.Managed, unassigned: true, options: empty, actions: without(noUpdate)}, want{engine.Skip, engine.Released, "", engine.UpdateDisabled}},
		{"G7 emptied ¬X", "G7", group{link: engine.Managed, unassigned: true, options: empty, actions: without(noDelete)}, want{engine.Update, engine.Released, "", engine.NotAssigned}},
		{"G7 emptied, members are not mapped", "G7", group{link: engine.Managed, unassigned: true, options: empty, alone: true}, want{engine.Skip, engine.Released, "", engine.SkipOutOfScope}},
		{"G8 purged, others are emptied", "G8", group{link: engine.Managed, state: engine.HardDeleted, options: empty}, want{engine.Delete, engine.LinkNone, "", engine.DeletedInSource}},
		{"G9 recycled, emptied", "G9", group{link: engine.Managed, state: engine.SoftDeleted, options: empty}, want{engine.Update, engine.Released, "", engine.RecycledInSource}},
		{"G14 filtered, emptied", "G14", group{link: engine.Managed, filtered: true, options: empty}, want{engine.Update, engine.Released, "", engine.FilteredOut}},
		{"G16 emptied before", "G16", group{link: engine.Released, unassigned: true, options: empty}, want{engine.Skip, "", "", engine.NoLongerManaged}},
		{"G7 S", "G7", group{link: engine.Managed, unassigned: true, options: engine.Options{SkipOutOfScope: true}}, want{engine.Skip, engine.Released, "", ""}},
		{"G8 purged", "G8", group{link: engine.Managed, state: engine.HardDeleted}, want{engine.Delete, engine.LinkNone, "", ""}},
		{"G9 recycled", "G9", group{link: engine.Managed, state: engine.SoftDeleted}, want{engine.Delete, engine.LinkNone, "", ""}},
		{"G10 gone at the target", "G10", group{link: engine.Managed, doubt: true, target: Absent}, want{engine.Look, "", "", ""}},
		{"G11 no name", "G11", group{name: "-"}, want{engine.Skip, "", "", engine.ImportSkipped}},
		{"G12 two with one name", "G12", group{target: Taken}, want{engine.Fail, "", "", ""}},
		{"G13 mapping disabled", "G13", group{disabled: true}, want{engine.Skip, "", "", engine.MappingDisabled}},
		{"G14 filtered, no link", "G14", group{filtered: true}, want{engine.Skip, "", "", engine.FilteredOut}},
		{"G14 filtered, linked", "G14", group{filtered: true, link: engine.Managed}, want{engine.Delete, engine.LinkNone, "", ""}},
		{"G15 not security enabled", "G15", group{noSecurity: true}, want{engine.Skip, "", "", engine.NotAssigned}},
		{"G15 not security enabled any more", "G7", group{noSecurity: true, link: engine.Managed}, want{engine.Delete, engine.LinkNone, "", ""}},
		{"G16 ¬X unassigned", "G16", group{link: engine.Managed, unassigned: true, actions: without(noDelete)}, want{engine.Skip, engine.Released, "", engine.DeleteDisabled}},
		{"G16 ¬X purged", "G16", group{link: engine.Managed, state: engine.HardDeleted, actions: without(noDelete)}, want{engine.Skip, engine.Released, "", engine.DeleteDisabled}},
		{"G16 released, purged", "G16", group{link: engine.Released, state: engine.HardDeleted}, want{engine.Skip, engine.LinkNone, "", engine.NoLongerManaged}},
		{"back in scope, before looking", "G2", group{link: engine.Released}, want{engine.Look, "", "", ""}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := row.g.facts(t)
			op := Group(f)
			check(t, op, row.rule, row.want)
			empties := row.want.action == engine.Update && row.want.then == engine.Released
			if op.EmptyMembers != empties || Takes(op) != (empties || op.Action == engine.Delete) || empties && Order(f, op) != engine.OrderDisable {
				t.Errorf("emptied: %v, counts for the guard: %v, order %d", op.EmptyMembers, Takes(op), Order(f, op))
			}
		})
	}
}
