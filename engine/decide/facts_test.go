package decide

import (
	"maps"
	"testing"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
	"github.com/scimsync/scimsync/mapping/expr"
)

// situation is a source object, what is known of its target object, and the settings of the job, in
// the words of the tables. The zero value is Ann: active, assigned, passing the filter, without a
// link, in a job with default settings.
type situation struct {
	state      engine.LifeState // "": active
	unassigned bool
	noRole     bool // assigned, but with the default access role, while the job requires one
	filtered   bool // fails the filter
	blocked    bool // accountEnabled false
	attrs      mapping.Attributes

	link     engine.LinkState // "": not linked
	exported map[string]any   // over what an active Ann would have
	inactive bool             // we disabled the account
	recycled bool             // we disabled it because she was soft-deleted

	target  TargetState
	live    map[string]any // the live object, over Ann's
	doubt   bool
	options engine.Options
	actions *mapping.Actions
	plain   bool // no mapping depends on IsSoftDeleted (column ¬M)
	broken  bool // an expression fails

	deleteIn  time.Duration   // the account waits to be deleted at moment + deleteIn; 0: it does not
	left      engine.Reason   // why it was disabled
	recreated []time.Duration // it was created anew at moment - recreated
}

// moment is when situations are decided about.
var moment = time.Date(2031, 3, 1, 8, 0, 0, 0, time.UTC)

// ann is how Ann looks at a target that is in step.
var ann = map[string]any{
	"userName": "ann@example.test", "active": true, "displayName": "Ann Lee",
	"name": map[string]any{"givenName": "Ann", "familyName": "Lee"}, "externalId": "id-ann",
}

func (s situation) facts(t *testing.T) Facts {
	t.Helper()
	m := usersMapping(t, s)
	src := mapping.Attributes{
		"id": "id-ann", "userPrincipalName": "ann@example.test", "displayName": "Ann Lee", "givenName": "Ann", "surname": "Lee",
		"accountEnabled": !s.blocked, "department": "Sales",
	}
	if s.filtered {
		src["department"] = "Legal"
	}
	maps.Copy(src, s.attrs)
	o := engine.Object{Ref: engine.Ref{Kind: engine.User, ID: "id-ann"}, State: engine.Active, Attributes: src}
	if s.state != "" {
		o.State = s.state
	}
	var paths []engine.AssignmentPath
	if !s.unassigned {
		paths = []engine.AssignmentPath{{RoleID: "r-1", Effective: true}}
	}
	if s.noRole {
		paths, s.options.RequireRole = []engine.AssignmentPath{{RoleID: zeroRole, Effective: true}}, true
	}
	job := &engine.Job{Scope: engine.ScopeAssigned, Options: s.options}
	x := Judge(job, o, paths, m.Filter.Evaluate(src))
	src["IsSoftDeleted"] = x.SoftDeleted(o.State)
	f := Facts{Kind: engine.User, State: o.State, Factors: x, Mapping: m, Options: s.options, Doubt: s.doubt, Now: moment}
	f.Desired, f.MappingError = m.Evaluate(src, &expr.Env{})
	if s.link != "" {
		f.Link = &engine.Link{
			Ref: o.Ref, TargetID: "t-1", State: s.link, Disabled: s.inactive || s.recycled, Recycled: s.recycled,
			Exported: exportedAs(m, s), Left: s.left,
		}
		if s.deleteIn != 0 {
			f.Link.DeleteAt = moment.Add(s.deleteIn)
		}
		for _, ago := range s.recreated {
			f.Link.Recreated = append(f.Link.Recreated, moment.Add(-ago))
		}
	}
	live := maps.Clone(ann)
	maps.Copy(live, s.live)
	f.Target = Target{State: s.target, Resource: engine.Resource{ID: "t-1", Attributes: live}, MatchedBy: "userName", TakenBy: "id-other", Several: []string{"t-1", "t-2"}}
	return f
}

func usersMapping(t *testing.T, s situation) *mapping.Object {
	t.Helper()
	attributes := []mapping.AttributeSpec{
		{Target: "userName", Source: "[userPrincipalName]", Match: 1},
		{Target: "displayName", Source: "[displayName]"},
		{Target: "name.givenName", Source: "[givenName]"},
		{Target: "name.familyName", Source: "[surname]"},
		{Target: "externalId", Source: "[objectId]"},
	}
	if !s.plain {
		attributes = append(attributes, mapping.AttributeSpec{Target: "active", Source: "Not([IsSoftDeleted])"})
	}
	if s.broken {
		attributes = append(attributes, mapping.AttributeSpec{Target: "title", Source: `Left([displayName], [surname])`})
	}
	m, problems := mapping.Compile(mapping.ObjectSpec{
		Attributes: attributes,
		Filter:     []mapping.FilterSpec{{Name: "sales", Clauses: []mapping.ClauseSpec{{Attribute: "department", Operator: "EQUALS", Value: "Sales"}}}},
	})
	for _, p := range problems {
		t.Fatalf("compile the mapping: %v", p)
	}
	if s.actions != nil {
		m.Actions = *s.actions
	}
	return &m
}

// exportedAs is what a link remembers.
func exportedAs(m *mapping.Object, s situation) map[string]any {
	have := maps.Clone(ann)
	if s.inactive || s.recycled {
		have["active"] = false
	}
	if s.recycled {
		have["userName"] = "deadbeefann@example.test"
	}
	maps.Copy(have, s.exported)
	out := map[string]any{}
	for _, a := range m.Attributes {
		if v := a.Target.Read(have); v != nil {
			out[a.Target.Key()] = v
		}
	}
	return out
}
