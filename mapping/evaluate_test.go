package mapping

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/mapping/expr"
)

// one is an object mapping with one attribute mapping, put together by hand as well as prepared.
func one(t *testing.T, target, source string, change func(*Attribute)) *Object {
	t.Helper()
	a := Attribute{Target: MustPath(target)}
	a.Definition = DefinitionOf(a.Target)
	if source != "" {
		e, err := expr.Parse(source)
		if err != nil {
			t.Fatal(err)
		}
		a.Source = e
	}
	if change != nil {
		change(&a)
	}
	o := &Object{Enabled: true, Actions: AllActions, Attributes: []Attribute{a}}
	if len(target)%2 == 0 {
		o.prepare()
	}
	return o
}

const tags = "urn:ietf:params:scim:schemas:extension:acme:2.0:User:tags"

// Sections 2 to 4: what flows on create and on update.
func TestFlow(t *testing.T) {
	type flow struct {
		target, source string
		set            func(*Attribute)
		src            Attributes
		have           any
	}
	multi := func(f Flow) func(*Attribute) {
		return func(a *Attribute) {
			a.Flow, a.Definition = f, Definition{Type: String, MultiValued: true, CaseExact: true}
		}
	}
	with := func(set func(*Attribute)) func(*Attribute) { return set }
	gates := with(func(a *Attribute) { a.FlowNull = true })
	const assertive, additive = "AssertiveAppRoleAssignmentsComplex([appRoleAssignments])", "AppRoleAssignmentsComplex([appRoleAssignments])"
	roles := Attributes{AppRoleAssignments: []any{map[string]any{"id": "1", "value": "admin", "displayName": "Admin"}}}
	admin := map[string]any{"primary": false, "type": RoleType, "display": "Admin", "value": "admin"}
	user := map[string]any{"primary": false, "type": RoleType, "display": "User", "value": "user"}

	nothing := []Change(nil)
	change := func(old, new any) []Change { return []Change{{Old: old, New: new}} }
	for _, c := range []struct {
		name   string
		flow   flow
		create any // nil: nothing is sent
		update []Change
	}{
		{"1 direct", flow{"title", "[jobTitle]", nil, Attributes{"jobTitle": "CEO"}, "CFO"}, "CEO", change("CFO", "CEO")},
		{"1 direct, equal", flow{"title", "[jobTitle]", nil, Attributes{"jobTitle": "CEO"}, "CEO"}, "CEO", nothing},
		{"1 constant", flow{"userType", `"Employee"`, nil, nil, nil}, "Employee", change(nil, "Employee")},
		{"1 constant number", flow{"userType", `7`, nil, nil, nil}, "7", change(nil, "7")},
		{"1 expression", flow{"title", `Append([jobTitle], "!")`, nil, Attributes{"jobTitle": "CEO"}, nil}, "CEO!", change(nil, "CEO!")},
		{"1 none", flow{"timezone", "", with(func(a *Attribute) { a.Default = "UTC" }), nil, nil}, "UTC", change(nil, "UTC")},
		{"1 none, target has a value", flow{"timezone", "", with(func(a *Attribute) { a.Default = "UTC" }), nil, "CET"}, "UTC", nothing},
		{"1 none, create only", flow{"timezone", "", with(func(a *Attribute) { a.Default, a.Flow = "UTC", FlowOnCreate }), nil, nil}, "UTC", nothing},
		{"1 none without default", flow{"timezone", "", nil, nil, nil}, nil, nothing},
		{"2.4 drop marker", flow{"title", "IgnoreFlowIfNullOrEmpty([jobTitle])", with(func(a *Attribute) { a.Default = "D" }), nil, "CEO"}, nil, nothing},
		{"2.6 empty text for a boolean is null", flow{"active", "[x]", with(func(a *Attribute) { a.Default = "true" }), Attributes{"x": ""}, false}, true, nothing},
		{"2.7 empty text is a value", flow{"title", "[jobTitle]", nil, Attributes{"jobTitle": ""}, "CEO"}, "", change("CEO", "")},
		{"3.1 default on create only", flow{"title", "[jobTitle]", with(func(a *Attribute) { a.Default = "D" }), nil, nil}, "D", nothing},
		{"3.1 default of the definition", flow{"title", "[jobTitle]", with(func(a *Attribute) { a.Definition.Required, a.Definition.Default = true, "D" }), nil, nil}, "D", nothing},
		{"3.2 null stays", flow{"title", "[jobTitle]", nil, nil, "CEO"}, nil, nothing},
		{"3.3 both gates", flow{"title", "[jobTitle]", gates, nil, "CEO"}, nil, change("CEO", nil)},
		{"3.3 both gates, empty text", flow{"title", "[jobTitle]", gates, Attributes{"jobTitle": ""}, "CEO"}, nil, change("CEO", nil)},
		{"3.3 empty text and default", flow{"title", "[jobTitle]", with(func(a *Attribute) { a.FlowNull, a.Default = true, "D" }), Attributes{"jobTitle": ""}, nil}, "D", nothing},
		{"3.3 empty text of a function flows", flow{"title", "Trim([jobTitle])", gates, Attributes{"jobTitle": " "}, "CEO"}, "", change("CEO", "")},
		{"3.3 nothing to clear", flow{"title", "[jobTitle]", gates, nil, ""}, nil, nothing},
		{"3.3 multi-valued", flow{tags, "[x]", with(func(a *Attribute) { multi(FlowAlways)(a); a.FlowNull = true }), nil, []any{"a"}}, nil, nothing},
		{"3.3 list in an attribute without definition", flow{tags, "[x]", gates, nil, []any{"a"}}, nil, nothing},
		{"3.3 not a matching attribute", flow{"externalId", "[x]", with(func(a *Attribute) { a.FlowNull, a.Match = true, 2 }), nil, "a"}, nil, nothing},
		{"3.3 not active", flow{"active", "[x]", gates, nil, true}, nil, nothing},
		{"3.3 not through a flow that adds", flow{"title", "[x]", with(func(a *Attribute) { a.FlowNull, a.Flow = true, FlowValueAdd }), nil, "a"}, nil, nothing},
		{"3.3 assertive roles need no gate", flow{"roles", assertive, nil, nil, []any{admin}}, nil, []Change{{Old: []any{admin}, Assertive: true}}},
		{"3.3 assertive roles, none there", flow{"roles", assertive, nil, nil, []any{}}, nil, nothing},
		{"4.1 ObjectAddOnly", flow{"title", "[jobTitle]", with(func(a *Attribute) { a.Flow = FlowOnCreate }), Attributes{"jobTitle": "CEO"}, nil}, "CEO", nothing},
		{"4.1 MultiValueAddOnly", flow{tags, `Split([x], ",")`, multi(FlowMultiValueAdd), Attributes{"x": "a,b,b"}, []any{"c", "a"}},
			[]any{"a", "b", "b"}, []Change{{Old: []any{"c", "a"}, New: []any{"b"}, Additive: true}}},
		{"4.1 MultiValueAddOnly, all there", flow{tags, `Split([x], ",")`, multi(FlowMultiValueAdd), Attributes{"x": "a"}, []any{"c", "a"}}, []any{"a"}, nothing},
		{"4.1 MultiValueAddOnly, single-valued", flow{"title", "[x]", with(func(a *Attribute) { a.Flow = FlowMultiValueAdd }), Attributes{"x": "a"}, nil}, "a", nothing},
		{"4.1 ValueAddOnly, multi-valued", flow{tags, `Split([x], ",")`, multi(FlowValueAdd), Attributes{"x": "a,b"}, []any{"c"}},
			[]any{"a", "b"}, []Change{{Old: []any{"c"}, New: []any{"a", "b"}, Additive: true}}},
		{"4.1 ValueAddOnly, single-valued", flow{"title", "[x]", with(func(a *Attribute) { a.Flow = FlowValueAdd }), Attributes{"x": "a"}, "b"}, "a", change("b", "a")},
		{"4.1 AttributeAddOnly, empty", flow{"title", "[x]", with(func(a *Attribute) { a.Flow = FlowAttributeEmpty }), Attributes{"x": "a"}, ""}, "a", change(nil, "a")},
		{"4.1 AttributeAddOnly, taken", flow{"title", "[x]", with(func(a *Attribute) { a.Flow = FlowAttributeEmpty }), Attributes{"x": "a"}, "b"}, "a", nothing},
		{"4.1 roles are added", flow{"roles", additive, nil, roles, []any{user}}, []any{admin}, []Change{{Old: []any{user}, New: []any{admin}, Additive: true}}},
		{"4.1 roles are not removed", flow{"roles", additive, nil, nil, []any{user}}, nil, nothing},
		{"4.1 assertive roles replace", flow{"roles", assertive, nil, roles, []any{user}}, []any{admin}, []Change{{Old: []any{user}, New: []any{admin}, Assertive: true}}},
		{"4.2 FlowAlways", flow{"title", "[x]", with(func(a *Attribute) { a.FlowAlways = true }), Attributes{"x": "a"}, "a"}, "a", change("a", "a")},
		{"4.2 FlowAlways, additive", flow{tags, "[x]", with(func(a *Attribute) { multi(FlowValueAdd)(a); a.FlowAlways = true }), Attributes{"x": "a"}, []any{"a", "b"}},
			[]any{"a"}, []Change{{Old: []any{"a", "b"}, New: []any{"a"}, Additive: true}}},
		{"4.2 FlowAlways, null", flow{"title", "[x]", with(func(a *Attribute) { a.FlowAlways = true }), nil, "a"}, nil, nothing},
		{"10.4 immutable", flow{"title", "[x]", with(func(a *Attribute) { a.Definition.Mutability = Immutable }), Attributes{"x": "a"}, "b"}, "a", nothing},
		{"6.3 one value, multi-valued target", flow{tags, "[x]", multi(""), Attributes{"x": "a"}, "a"}, []any{"a"}, nothing},
		{"6.3 list of one, single-valued target", flow{"title", "[x]", nil, Attributes{"x": []any{"a"}}, nil}, "a", change(nil, "a")},
		{"7.3 soft delete", flow{"active", activeSwitch, nil, Attributes{IsSoftDeleted: true}, true}, false, []Change{{Old: true, New: false, SoftDelete: true}}},
		{"7.4 manager is a reference", flow{enterprise + "manager", "[manager]", nil, Attributes{"manager": "m"}, "n"}, nil, nothing},
		{"7.4 function of a reference", flow{"title", "Append([manager], \"\")", nil, Attributes{"manager": "m"}, "n"}, "m", change("n", "m")},
		{"8 redacted", flow{"title", "Redact([x])", nil, Attributes{"x": "a"}, "b"}, "a", []Change{{Old: "b", New: "a", Redact: true}}},
		{"8.2 letter case of a user name", flow{"userName", "[x]", nil, Attributes{"x": "Ann@x"}, "ann@X"}, "Ann@x", nothing},
		{"8.2 letter case of a name", flow{"displayName", "[x]", nil, Attributes{"x": "Ann"}, "ann"}, "Ann", change("ann", "Ann")},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := one(t, c.flow.target, c.flow.source, c.flow.set)
			d, err := o.Evaluate(c.flow.src, nil)
			if err != nil {
				t.Fatal(err)
			}
			values, err := d.Create()
			if err != nil {
				t.Fatal(err)
			}
			var create any
			if len(values) == 1 {
				create = values[0].Value
			}
			if diff := cmp.Diff(c.create, create); diff != "" {
				t.Errorf("create: -want +got\n%s", diff)
			}
			for i := range c.update {
				c.update[i].Path, c.update[i].Definition = o.Attributes[0].Target, o.Attributes[0].Definition
			}
			got := d.Update(func(p Path) any {
				if !p.Same(o.Attributes[0].Target) {
					t.Errorf("asked for %s", p)
				}
				return c.flow.have
			})
			if diff := cmp.Diff(c.update, got); diff != "" {
				t.Errorf("update: -want +got\n%s", diff)
			}
		})
	}
}

func TestCreateWithoutRequiredValue(t *testing.T) {
	o := one(t, "userName", "[userPrincipalName]", nil)
	d, err := o.Evaluate(Attributes{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Create()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != CodeMandatoryFieldsMissing || e.Target.Key() != "username" || e.Expression != "[userPrincipalName]" {
		t.Errorf("got %v", err)
	}
	if changes := d.Update(func(Path) any { return "x" }); changes != nil {
		t.Errorf("an update of an object without required value: %v", changes)
	}
}

// An error of one mapping fails the object (2.3), but what the others yielded is there: a leaver is
// disabled all the same.
func TestEvaluationError(t *testing.T) {
	o, problems := Compile(ObjectSpec{Attributes: []AttributeSpec{
		{Target: "userName", Source: "[userPrincipalName]", Match: 1},
		{Target: "title", Source: "Left([jobTitle], [department])"},
		{Target: "active", Source: "Not([IsSoftDeleted])"},
		{Target: "nickName", Source: "Item([jobTitle], 3)", Apply: "onCreate"},
		{Target: "userType", Source: `Error([jobTitle])`},
	}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	d, err := o.Evaluate(Attributes{"userPrincipalName": "ann", "jobTitle": "Boss", "department": "two", IsSoftDeleted: true}, nil)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != expr.CodeTypeMismatch || e.Target.Key() != "title" || e.Expression != "Left([jobTitle], [department])" {
		t.Fatalf("got %v", err)
	}
	for _, value := range []string{"Boss", "two"} {
		if strings.Contains(err.Error(), value) {
			t.Errorf("the error quotes a value: %v", err)
		}
	}
	if m := d.Matching(); len(m) != 1 || m[0].Value != "ann" {
		t.Errorf("matching: %v", m)
	}
	changes := d.Update(func(p Path) any {
		if p.Key() == "active" {
			return true
		}
		return "ann"
	})
	if len(changes) != 1 || !changes[0].SoftDelete || changes[0].New != false {
		t.Errorf("changes: %v", changes)
	}
	if _, err := d.Create(); err == nil || !strings.Contains(err.Error(), "nickName") {
		t.Errorf("a mapping that acts on create fails there: %v", err)
	}
}

// A mapping that acts on create only does not stop an update.
func TestCreateOnlyErrorLeavesUpdatesAlone(t *testing.T) {
	o := one(t, "title", "Item([x], 3)", func(a *Attribute) { a.Flow = FlowOnCreate })
	d, err := o.Evaluate(Attributes{"x": "a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := d.Update(func(Path) any { return nil }); c != nil {
		t.Errorf("changes: %v", c)
	}
	if _, err := d.Create(); err == nil {
		t.Error("create succeeds")
	}
}

func TestMatching(t *testing.T) {
	o, problems := Compile(ObjectSpec{Attributes: []AttributeSpec{
		{Target: "displayName", Source: "[displayName]", Match: 3},
		{Target: "userName", Source: "ToLower([userPrincipalName])", Match: 2},
		{Target: "externalId", Source: "[objectId]", Match: 1},
		{Target: "nickName", Source: "[mailNickname]", Match: 4},
		{Target: "roles", Source: `Split([x], ",")`, Match: 5},
		{Target: "title", Source: "[jobTitle]"},
	}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, c := range []struct {
		src  Attributes
		want []string
	}{
		{Attributes{"objectId": "1", "userPrincipalName": "ANN", "displayName": "Ann", "mailNickname": "", "jobTitle": "x", "x": "a,b"}, []string{"externalId=1", "userName=ann", "displayName=Ann"}},
		{Attributes{"x": "a"}, []string{"roles=a"}},
		{Attributes{}, nil},
	} {
		d, err := o.Evaluate(c.src, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range d.Matching() {
			got = append(got, fmt.Sprintf("%s=%v", v.Path, v.Value))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v: -want +got\n%s", c.src, diff)
		}
	}
}

func TestUniqueValueIsProbedForItsTarget(t *testing.T) {
	o := one(t, "nickName", `SelectUniqueValue([a], [b])`, func(a *Attribute) { a.Flow = FlowOnCreate })
	var asked []string
	d, err := o.EvaluateUnique(Attributes{"a": "ann", "b": "ann2"}, nil, func(p Path, s string) (bool, error) {
		asked = append(asked, p.String()+"="+s)
		return s == "ann2", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	values, err := d.Create()
	if err != nil || len(values) != 1 || values[0].Value != "ann2" {
		t.Errorf("%v, %v", values, err)
	}
	if diff := cmp.Diff([]string{"nickName=ann", "nickName=ann2"}, asked); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestValues(t *testing.T) {
	o, problems := Compile(ObjectSpec{Attributes: []AttributeSpec{
		{Target: "userName", Source: "[userPrincipalName]", Match: 1},
		{Target: "title", Source: "[jobTitle]", Default: "none"},
		{Target: "timezone", Default: "UTC"},
		{Target: "nickName", Source: "[a]", Apply: "onCreate"},
		{Target: enterprise + "manager", Source: "[manager]"},
	}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	d, err := o.Evaluate(Attributes{"userPrincipalName": "ann", "a": "b", "manager": "m"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range d.Values() {
		got = append(got, fmt.Sprintf("%s=%v", v.Path, v.Value))
	}
	if diff := cmp.Diff([]string{"userName=ann", "timezone=UTC"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if refs := o.References(); len(refs) != 1 || refs[0].Target.Attribute != "manager" {
		t.Errorf("references: %v", refs)
	}
	if o.MembersMapped() {
		t.Error("members are mapped")
	}
}

// After an update, nothing is left to update: whatever the mappings, values and the target are.
func TestUpdateSettles(t *testing.T) {
	flows := []Flow{"", FlowAlways, FlowOnCreate, FlowMultiValueAdd, FlowValueAdd, FlowAttributeEmpty}
	sources := []string{"", "[a]", "[b]", `"constant"`, `Split([a], " ")`, "IgnoreFlowIfNullOrEmpty([b])", "Not([IsSoftDeleted])",
		"AssertiveAppRoleAssignmentsComplex([appRoleAssignments])", "AppRoleAssignmentsComplex([appRoleAssignments])"}
	targets := []string{"userName", "active", "title", "name.givenName", `emails[type eq "work"].value`, "roles", tags, "timezone"}
	rapid.Check(t, func(t *rapid.T) {
		var o Object
		for _, target := range rapid.SliceOfNDistinct(rapid.SampledFrom(targets), 1, -1, rapid.ID[string]).Draw(t, "targets") {
			p := MustPath(target)
			a := Attribute{Target: p, Definition: DefinitionOf(p), Flow: rapid.SampledFrom(flows).Draw(t, "flow"),
				FlowNull: rapid.Bool().Draw(t, "null"), Default: rapid.SampledFrom([]string{"", "", "true"}).Draw(t, "default")}
			if target == tags && rapid.Bool().Draw(t, "multi") {
				a.Definition = Definition{Type: String, MultiValued: true}
			}
			if s := rapid.SampledFrom(sources).Draw(t, "source"); s != "" {
				e, err := expr.Parse(s)
				if err != nil {
					t.Fatal(err)
				}
				a.Source = e
			}
			o.Attributes = append(o.Attributes, a)
		}
		o.prepare()
		src := Attributes{"a": drawValue(t), "b": drawValue(t), IsSoftDeleted: rapid.Bool().Draw(t, "soft deleted")}
		if rapid.Bool().Draw(t, "has roles") {
			src[AppRoleAssignments] = []any{"admin", "user"}
		}
		d, err := o.Evaluate(src, nil)
		if err != nil {
			return
		}
		have := map[string]any{}
		for i := range o.Attributes {
			have[o.Attributes[i].Target.Key()] = drawValue(t)
		}
		current := func(p Path) any { return have[p.Key()] }
		for _, c := range d.Update(current) {
			switch {
			case c.Additive:
				have[c.Path.Key()] = append(listOf(c.Old), c.New.([]any)...)
			default:
				have[c.Path.Key()] = c.New
			}
		}
		if left := d.Update(current); len(left) > 0 {
			t.Fatalf("still differs after the update: %+v", left)
		}
	})
}

// What a create sends is what an update finds in place.
func TestCreateThenUpdateIsEmpty(t *testing.T) {
	m := GenericDefault()
	rapid.Check(t, func(t *rapid.T) {
		src := Attributes{"userPrincipalName": "u", IsSoftDeleted: false}
		for _, name := range m.Users.SourceAttributes() {
			if v := drawValue(t); src[name] == nil {
				src[name] = v
			}
		}
		d, err := m.Users.Evaluate(src, nil)
		if err != nil {
			return
		}
		values, err := d.Create()
		if err != nil {
			t.Fatal(err)
		}
		resource := Build(values)
		if left := d.Update(func(p Path) any { return p.Read(resource) }); len(left) > 0 {
			t.Fatalf("%v was created and still differs: %+v", resource, left)
		}
	})
}
