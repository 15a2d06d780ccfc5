package mapping

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/mapping/expr"
)

func compiled(t *testing.T, spec ObjectSpec) Object {
	t.Helper()
	o, problems := Compile(spec)
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	return o
}

// The defaults of the contract and of section 12 hold what their tables say.
func TestDefaults(t *testing.T) {
	targets := func(o Object) map[string]string {
		m := map[string]string{}
		for _, a := range o.Attributes {
			m[a.Target.String()] = a.Source.String()
			if a.Match > 0 {
				m[a.Target.String()] += " match"
			}
		}
		return m
	}
	users := map[string]string{
		"userName": "[userPrincipalName] match", "active": "Not([IsSoftDeleted])", "displayName": "[displayName]",
		"name.givenName": "[givenName]", "name.familyName": "[surname]", "externalId": "[objectId]",
	}
	groups := map[string]string{"displayName": "[displayName] match", "externalId": "[objectId]", "members": "[members]"}
	if diff := cmp.Diff(users, targets(DefaultUsers())); diff != "" {
		t.Errorf("users: -want +got\n%s", diff)
	}
	if diff := cmp.Diff(groups, targets(DefaultGroups())); diff != "" {
		t.Errorf("groups: -want +got\n%s", diff)
	}
	users["active"] = `Switch([IsSoftDeleted], , "False", "True", "True", "False")`
	if diff := cmp.Diff(users, targets(WebexDefault().Users)); diff != "" {
		t.Errorf("webex: -want +got\n%s", diff)
	}
	generic := GenericDefault()
	if got := targets(generic.Users); len(got) != 22 || got[`addresses[type eq "work"].region`] != "[state]" || got["externalId"] != "[mailNickname]" {
		t.Errorf("generic: %v", got)
	}
	for _, m := range []Mapping{Default(), WebexDefault(), generic} {
		for _, o := range []Object{m.Users, m.Groups} {
			if !o.Enabled || o.Actions != AllActions || !o.Filter.Empty() || o.NoSoftDelete {
				t.Errorf("%+v", o)
			}
		}
		if !m.Groups.MembersMapped() || m.Users.MembersMapped() || len(m.Groups.References()) != 0 {
			t.Error("members belong to groups")
		}
		if !m.Groups.Attributes[0].Definition.Required || !m.Users.Attributes[0].Definition.Required {
			t.Error("userName and the displayName of groups are required")
		}
	}
	if refs := generic.Users.References(); len(refs) != 1 || refs[0].Target.Key() != MustPath(enterprise+"manager").Key() {
		t.Errorf("generic references: %v", refs)
	}
	if got := compiled(t, ObjectSpec{Groups: true}); len(got.Attributes) != 3 {
		t.Errorf("a mapping without attributes is the default one: %+v", got)
	}
}

func TestSourceAttributes(t *testing.T) {
	o := compiled(t, ObjectSpec{
		Filter: []FilterSpec{{Name: "f", Clauses: []ClauseSpec{{Attribute: "department", Operator: "EQUALS", Value: "Sales"}, {Attribute: "country", Operator: "IS NOT NULL"}}}},
		Attributes: []AttributeSpec{
			{Target: "userName", Source: "Coalesce([mail], [userPrincipalName])", Match: 1},
			{Target: "title", Source: "[department]"},
			{Target: "timezone", Default: "UTC"},
		},
	})
	if diff := cmp.Diff([]string{"country", "department", "mail", "userPrincipalName"}, o.SourceAttributes()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestCompileOptions(t *testing.T) {
	off := false
	o := compiled(t, ObjectSpec{Enabled: &off, Actions: []string{"create", "delete"}, Attributes: []AttributeSpec{
		{Target: "userName", Source: "[mail]", Match: 1, Apply: "onCreate"},
		{Target: "title", Source: "[jobTitle]", FlowNull: true, Apply: "always"},
	}})
	if o.Enabled || o.Actions != (Actions{Create: true, Delete: true}) || o.Attributes[0].Flow != FlowOnCreate || !o.Attributes[1].FlowNull || o.Attributes[1].Flow != FlowAlways {
		t.Errorf("%+v", o)
	}
	// no actions at all need no matching attribute
	compiled(t, ObjectSpec{Actions: []string{}, Attributes: []AttributeSpec{{Target: "title", Source: "[jobTitle]"}}})
}

// The fingerprint changes with everything that decides, and with nothing else.
func TestFingerprint(t *testing.T) {
	spec := func(change func(*ObjectSpec)) Mapping {
		s := ObjectSpec{
			Filter:     []FilterSpec{{Name: "f", Clauses: []ClauseSpec{{Attribute: "department", Operator: "EQUALS", Value: "Sales"}}}},
			Attributes: slices.Concat(defaultAttributes(false), []AttributeSpec{{Target: "title", Source: "[jobTitle]", Default: "x"}}),
		}
		if change != nil {
			change(&s)
		}
		o, _ := Compile(s)
		return Mapping{Users: o, Groups: DefaultGroups()}
	}
	base := spec(nil).Fingerprint()
	if len(base) != 32 {
		t.Errorf("fingerprint %q", base)
	}
	off := false
	for name, change := range map[string]func(*ObjectSpec){
		"enabled": func(s *ObjectSpec) { s.Enabled = &off },
		"actions": func(s *ObjectSpec) { s.Actions = []string{"create"} },
		"value":   func(s *ObjectSpec) { s.Filter[0].Clauses[0].Value = "HR" },
		"op":      func(s *ObjectSpec) { s.Filter[0].Clauses[0].Operator = "NOT EQUALS" },
		"group":   func(s *ObjectSpec) { s.Filter = append(s.Filter, s.Filter[0]) },
		"target":  func(s *ObjectSpec) { s.Attributes[6].Target = "nickName" },
		"source":  func(s *ObjectSpec) { s.Attributes[6].Source = "[department]" },
		"default": func(s *ObjectSpec) { s.Attributes[6].Default = "y" },
		"apply":   func(s *ObjectSpec) { s.Attributes[6].Apply = "onCreate" },
		"null":    func(s *ObjectSpec) { s.Attributes[6].FlowNull = true },
		"match":   func(s *ObjectSpec) { s.Attributes[6].Match = 2 },
		"less":    func(s *ObjectSpec) { s.Attributes = s.Attributes[:6] },
	} {
		if got := spec(change).Fingerprint(); got == base {
			t.Errorf("%s does not change the fingerprint", name)
		}
	}
	for name, change := range map[string]func(*ObjectSpec){
		"title of the filter": func(s *ObjectSpec) { s.Filter[0].Name = "g" },
		"blanks":              func(s *ObjectSpec) { s.Attributes[1].Source = " Not( [IsSoftDeleted] ) " },
		"spelling":            func(s *ObjectSpec) { s.Attributes[0].Target = "USERNAME" },
		"explicit defaults": func(s *ObjectSpec) {
			s.Actions, s.Attributes[0].Apply = []string{"delete", "update", "create"}, "always"
		},
	} {
		if got := spec(change).Fingerprint(); got != base {
			t.Errorf("%s changes the fingerprint", name)
		}
	}
	if Default().Fingerprint() == (Mapping{Users: DefaultGroups(), Groups: DefaultUsers()}).Fingerprint() {
		t.Error("users and groups are interchangeable")
	}
}

// A mapping put together by hand behaves like a compiled one.
func TestAttributesByHand(t *testing.T) {
	e, err := expr.Parse("Not([IsSoftDeleted])")
	if err != nil {
		t.Fatal(err)
	}
	a := Attribute{Target: MustPath("active"), Source: e, Definition: DefinitionOf(MustPath("active"))}
	if !a.SoftDelete() || a.Reference() {
		t.Error("the mapping depends on IsSoftDeleted")
	}
	other, err := expr.Parse("[manager]")
	if err != nil {
		t.Fatal(err)
	}
	o := Object{Attributes: []Attribute{a}}
	o.prepare()
	o.Attributes[0].Source, o.Attributes[0].Definition = other, Definition{Type: Reference}
	if o.Attributes[0].SoftDelete() || !o.Attributes[0].Reference() {
		t.Error("a changed source is not noticed")
	}
	var none Attribute
	if none.SoftDelete() || none.Reference() {
		t.Error("a mapping without source")
	}
	if len((Desired{}).Update(nil)) != 0 || len((Desired{}).Matching()) != 0 {
		t.Error("the zero Desired wants something")
	}
}
