package mapping

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const enterprise = EnterpriseURN + ":"

func TestParsePath(t *testing.T) {
	work := []Clause{{Name: "type", Value: "work"}}
	for _, c := range []struct {
		text string
		want Path
		back string // String, if it differs from text
	}{
		{"userName", Path{Attribute: "userName"}, ""},
		{"USERNAME", Path{Attribute: "userName"}, "userName"},
		{"name.givenName", Path{Attribute: "name", Sub: "givenName"}, ""},
		{"Name.GIVENname", Path{Attribute: "name", Sub: "givenName"}, "name.givenName"},
		{`emails[type eq "work"].value`, Path{Attribute: "emails", Filter: work, Sub: "value"}, ""},
		{`emails[type eq "other"].Value`, Path{Attribute: "emails", Filter: []Clause{{Name: "type", Value: "other"}}, Sub: "value"}, `emails[type eq "other"].value`},
		{`EMAILS[ TYPE  EQ "work" ].value`, Path{Attribute: "emails", Filter: work, Sub: "value"}, `emails[type eq "work"].value`},
		{`phoneNumbers[type eq "work" AND primary eq true].value`,
			Path{Attribute: "phoneNumbers", Filter: []Clause{{Name: "type", Value: "work"}, {Name: "primary", Value: true}}, Sub: "value"},
			`phoneNumbers[type eq "work" and primary eq true].value`},
		{`roles[primary eq "True"].value`, Path{Attribute: "roles", Filter: []Clause{{Name: "primary", Value: true, Quoted: "True"}}, Sub: "value"}, ""},
		{`roles[primary eq "yes"].value`, Path{Attribute: "roles", Filter: []Clause{{Name: "primary", Value: "yes"}}, Sub: "value"}, ""},
		{`ims[rank eq -3]`, Path{Attribute: "ims", Filter: []Clause{{Name: "rank", Value: int64(-3)}}}, ""},
		{`emails[type eq "a\"b\\c: ]"].value`, Path{Attribute: "emails", Filter: []Clause{{Name: "type", Value: `a"b\c: ]`}}, Sub: "value"}, ""},
		{enterprise + "department", Path{URN: EnterpriseURN, Attribute: "department"}, ""},
		{strings.ToUpper(enterprise) + "MANAGER.VALUE", Path{URN: EnterpriseURN, Attribute: "manager", Sub: "value"}, enterprise + "manager.value"},
		{EnterpriseURN + ".department", Path{URN: EnterpriseURN, Attribute: "department"}, enterprise + "department"},
		{"urn:ietf:params:scim:schemas:core:2.0:User:name.givenName", Path{Attribute: "name", Sub: "givenName"}, "name.givenName"},
		{"urn:ietf:params:scim:schemas:core:2.0:User.userName", Path{Attribute: "userName"}, "userName"},
		{"urn:ietf:params:scim:schemas:core:2.0:Group:displayName", Path{Attribute: "displayName"}, "displayName"},
		{"urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:CustomAttribute",
			Path{URN: "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User", Attribute: "CustomAttribute"}, ""},
		{"urn:ietf:params:scim:schemas:extension:acme:2.0:Group.tags", Path{URN: "urn:ietf:params:scim:schemas:extension:acme:2.0:Group", Attribute: "tags"},
			"urn:ietf:params:scim:schemas:extension:acme:2.0:Group:tags"},
		{"CustomThing.SubThing", Path{Attribute: "CustomThing", Sub: "SubThing"}, ""},
		{"$x-1_y", Path{Attribute: "$x-1_y"}, ""},
		{"members.$REF", Path{Attribute: "members", Sub: "$ref"}, "members.$ref"},
	} {
		got, err := ParsePath(c.text)
		if err != nil {
			t.Errorf("ParsePath(%q): %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(c.want.plain(), got.plain()); diff != "" {
			t.Errorf("ParsePath(%q): -want +got\n%s", c.text, diff)
		}
		back := c.back
		if back == "" {
			back = c.text
		}
		if got.String() != back {
			t.Errorf("ParsePath(%q).String() = %q, want %q", c.text, got.String(), back)
		}
		if c.want.Key() != got.Key() {
			t.Errorf("key of a parsed path %q differs from that of the same fields %q", got.Key(), c.want.Key())
		}
	}
}

// plain is p as a struct that cmp compares field by field.
func (p Path) plain() any {
	return struct {
		URN, Attribute, Sub string
		Filter              []Clause
	}{p.URN, p.Attribute, p.Sub, p.Filter}
}

func TestParsePathErrors(t *testing.T) {
	for _, c := range []struct {
		text   string
		offset int
		says   string
	}{
		{"", 0, "empty"},
		{"\xff", 0, "UTF-8"},
		{" userName", 0, "expected"},
		{"userName ", 8, "cannot stand here"},
		{"1st", 0, "expected"},
		{"a.b.c", 3, "second"},
		{"a.", 2, "missing"},
		{"a[", 1, "not closed"},
		{`emails[type eq "work"`, 6, "not closed"},
		{`emails[type eq "work`, 15, "not closed"},
		{`emails[type ne "work"].value`, 12, "only operator"},
		{`emails[type eq work].value`, 15, "text in double quotes"},
		{`emails[type eq "a" or type eq "b"].value`, 19, "only \"and\""},
		{`emails[type eq "a"and type eq "b"].value`, 18, "only \"and\""},
		{`emails[type eq "a" and].value`, 22, "no blank"},
		{`emails[type eq"work"].value`, 14, "no blank"},
		{`emails[].value`, 7, "expected"},
		{`emails[type eq "work"][primary eq true]`, 22, "cannot stand here"},
		{`emails[type eq "\d"]`, 15, "escape"},
		{`emails[rank eq 99999999999999999999]`, 15, "64 bits"},
		{`emails[rank eq +1]`, 15, "64 bits"},
		{"foo:bar", 3, "no schema URN"},
		{"urn:department", 0, "incomplete"},
		{EnterpriseURN, len(EnterpriseURN), "whole schema"},
		{"urn:a b:2.0:User:x", 5, "cannot contain"},
		{"größe", 2, "cannot stand here"},
	} {
		p, err := ParsePath(c.text)
		e, ok := err.(*PathError)
		if !ok {
			t.Errorf("ParsePath(%q) = %v, %v; want a PathError", c.text, p, err)
			continue
		}
		if e.Offset != c.offset || !strings.Contains(e.Problem, c.says) || e.Remedy == "" {
			t.Errorf("ParsePath(%q): offset %d, problem %q, remedy %q; want offset %d and a problem with %q",
				c.text, e.Offset, e.Problem, e.Remedy, c.offset, c.says)
		}
	}
}

func TestPathSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"userName", "USERNAME", true},
		{`emails[type eq "work"].value`, `Emails[Type eq "WORK"].Value`, true},
		{`emails[type eq "work" and primary eq true].value`, `emails[primary eq "True" and type eq "work"].value`, true},
		{`x[n eq 5]`, `x[n eq "5"]`, true},
		{enterprise + "department", EnterpriseURN + ".Department", true},
		{"urn:ietf:params:scim:schemas:core:2.0:User:active", "active", true},
		{"department", enterprise + "department", false},
		{`emails[type eq "work"].value`, `emails[type eq "home"].value`, false},
		{`emails[type eq "work"].value`, `emails[type eq "work"]`, false},
		{`x[a eq "b and c eq d"]`, `x[a eq "b" and c eq "d"]`, false},
	} {
		a, b := MustPath(c.a), MustPath(c.b)
		if got := a.Same(b); got != c.same {
			t.Errorf("%s and %s: Same = %v, keys %q and %q", c.a, c.b, got, a.Key(), b.Key())
		}
	}
}

// The key follows the fields of a copy.
func TestKeyOfAChangedPath(t *testing.T) {
	p := MustPath(`emails[type eq "work"].value`)
	for _, c := range []struct {
		change func(*Path)
		want   string
	}{
		{func(p *Path) { p.Sub = "" }, `emails[type eq "work"]`},
		{func(p *Path) { p.Filter = nil }, `emails.value`},
		{func(p *Path) { p.Filter = []Clause{{Name: "type", Value: "home"}} }, `emails[type eq "home"].value`},
		{func(p *Path) { p.URN = "urn:x" }, `urn:x:emails[type eq "work"].value`},
		{func(p *Path) { p.Attribute = "ims" }, `ims[type eq "work"].value`},
	} {
		q := p
		c.change(&q)
		if q.Key() != c.want || p.Key() != `emails[type eq "work"].value` {
			t.Errorf("keys %q and %q, want %q", q.Key(), p.Key(), c.want)
		}
	}
}

func drawPath(t *rapid.T) Path {
	name := rapid.StringMatching(`[a-zA-Z$][a-zA-Z0-9_$-]{0,8}`)
	p := Path{Attribute: rapid.OneOf(name, rapid.SampledFrom([]string{"userName", "emails", "roles", "name", "members"})).Draw(t, "attribute")}
	p.URN = rapid.SampledFrom([]string{"", "", EnterpriseURN, "urn:ietf:params:scim:schemas:extension:acme:2.0:User", "urn:x"}).Draw(t, "urn")
	for range rapid.IntRange(0, 2).Draw(t, "clauses") {
		c := Clause{Name: rapid.OneOf(name, rapid.SampledFrom([]string{"type", "primary"})).Draw(t, "name")}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			c.Value = rapid.String().Draw(t, "text")
		case 1:
			c.Value = rapid.Bool().Draw(t, "bool")
		default:
			c.Value = rapid.Int64().Draw(t, "int")
		}
		p.Filter = append(p.Filter, c)
	}
	if rapid.Bool().Draw(t, "has sub") {
		p.Sub = name.Draw(t, "sub")
	}
	return p
}

// Printing and parsing are inverse up to the spelling of known names, and identity survives it.
func TestPathRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := drawPath(t)
		p, err := ParsePath(drawn.String())
		if err != nil {
			t.Fatalf("%q does not parse: %v", drawn.String(), err)
		}
		if p.Key() != drawn.Key() {
			t.Fatalf("%q became %q: keys %q and %q", drawn.String(), p.String(), drawn.Key(), p.Key())
		}
		again, err := ParsePath(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q prints as %q, then as %q (%v)", drawn.String(), p.String(), again.String(), err)
		}
		key, err := ParsePath(p.Key())
		if err != nil || key.Key() != p.Key() {
			t.Fatalf("the key %q is not the key of itself: %q (%v)", p.Key(), key.Key(), err)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"userName", `emails[type eq "work"].value`, EnterpriseURN + ".x", `a[b eq "\u00e9" and c eq 1].d`, "urn:::", `a["`, `[`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePath(text)
		if err != nil {
			e, ok := err.(*PathError)
			if !ok || e.Offset < 0 || e.Offset > len(text) || e.Problem == "" || e.Remedy == "" {
				t.Fatalf("%q: bad error %#v", text, err)
			}
			return
		}
		again, err := ParsePath(p.String())
		if err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", text, p.String(), err)
		}
		if again.String() != p.String() || again.Key() != p.Key() {
			t.Fatalf("%q prints as %q, then as %q", text, p.String(), again.String())
		}
	})
}

func TestRead(t *testing.T) {
	resource := map[string]any{
		"userName": "ann", "title": "", "active": false,
		"name":   map[string]any{"givenName": "Ann"},
		"emails": []any{map[string]any{"type": "home", "value": "h@x"}, map[string]any{"type": "work", "value": "w1@x"}, map[string]any{"type": "Work", "value": "w2@x", "primary": "true"}},
		"phoneNumbers": []any{
			map[string]any{"type": "work", "value": "1"}, map[string]any{"type": "work", "value": "2"}},
		"ims":       []any{},
		"addresses": map[string]any{"type": "work", "locality": "Bern"},
		"members":   []any{map[string]any{"value": "u1", "$ref": "x"}, "u2"},
		EnterpriseURN: map[string]any{
			"department": "R&D", "manager": map[string]any{"value": "m1", "displayName": "M"}},
	}
	for _, c := range []struct {
		path string
		want any
	}{
		{"userName", "ann"},
		{"title", nil},
		{"active", false},
		{"nickName", nil},
		{"name.givenName", "Ann"},
		{"name.familyName", nil},
		{`emails[type eq "work"].value`, "w2@x"},
		{`emails[type eq "home"].value`, "h@x"},
		{`emails[type eq "home"]`, "h@x"},
		{`emails[type eq "other"].value`, nil},
		{`emails[primary eq true].value`, "w2@x"},
		{`emails[primary eq false].value`, "h@x"},
		{`emails.value`, "w2@x"},
		{`phoneNumbers[type eq "work"].value`, "1"},
		{`addresses[type eq "work"].locality`, "Bern"},
		{"ims", nil},
		{"members", []any{"u1", "u2"}},
		{enterprise + "department", "R&D"},
		{enterprise + "manager", "m1"},
		{enterprise + "manager.displayName", "M"},
		{"urn:ietf:params:scim:schemas:extension:acme:2.0:User:x", nil},
	} {
		if diff := cmp.Diff(c.want, MustPath(c.path).Read(resource)); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.path, diff)
		}
	}
}

func TestBuild(t *testing.T) {
	value := func(path string, v any) Value {
		p := MustPath(path)
		return Value{Path: p, Definition: DefinitionOf(p), Value: v}
	}
	roles := []any{map[string]any{"value": "admin", "primary": false}}
	acme := "urn:ietf:params:scim:schemas:extension:acme:2.0:User"
	for _, c := range []struct {
		name   string
		values []Value
		want   map[string]any
	}{
		{"plain", []Value{value("userName", "ann"), value("name.givenName", "Ann"), value("name.familyName", "Lee"), value("title", nil), value("active", false)},
			map[string]any{"userName": "ann", "name": map[string]any{"givenName": "Ann", "familyName": "Lee"}, "active": false}},
		{"extensions", []Value{value(enterprise+"department", "X"), value(acme+":a.b", int64(1)), value(acme+":tags", []any{"x", "y"})},
			map[string]any{EnterpriseURN: map[string]any{"department": "X"}, acme: map[string]any{"a": map[string]any{"b": int64(1)}, "tags": []any{"x", "y"}}}},
		{"elements in order of their first mapping; work mail is primary",
			[]Value{value(`emails[type eq "other"].value`, "o@x"), value(`emails[type eq "work"].value`, "w@x"), value(`emails[type eq "other"].display`, "O"), value(`emails[type eq "home"].value`, nil)},
			map[string]any{"emails": []any{map[string]any{"type": "other", "value": "o@x", "display": "O"}, map[string]any{"type": "work", "value": "w@x", "primary": true}}}},
		{"another mail claims primary", []Value{value(`emails[type eq "work"].value`, "w@x"), value(`emails[type eq "home"].value`, "h@x"), value(`emails[type eq "home"].primary`, true)},
			map[string]any{"emails": []any{map[string]any{"type": "work", "value": "w@x"}, map[string]any{"type": "home", "value": "h@x", "primary": true}}}},
		{"mapping says not primary", []Value{value(`emails[type eq "work"].value`, "w@x"), value(`emails[type eq "work"].primary`, false)},
			map[string]any{"emails": []any{map[string]any{"type": "work", "value": "w@x", "primary": false}}}},
		{"filter without sub sets value", []Value{value(`phoneNumbers[type eq "fax"]`, "1")},
			map[string]any{"phoneNumbers": []any{map[string]any{"type": "fax", "value": "1"}}}},
		{"primary role has a constant type", []Value{value(`roles[primary eq "True"].type`, "mine"), value(`roles[primary eq "True"].value`, "admin")},
			map[string]any{"roles": []any{map[string]any{"primary": true, "type": RoleType, "value": "admin"}}}},
		{"roles as they are", []Value{value("roles", roles)}, map[string]any{"roles": []any{map[string]any{"value": "admin", "primary": false}}}},
		{"references", []Value{value("members", []any{"u1", "u2"}), value(enterprise+"manager", "m1")},
			map[string]any{"members": []any{map[string]any{"value": "u1"}, map[string]any{"value": "u2"}}, EnterpriseURN: map[string]any{"manager": map[string]any{"value": "m1"}}}},
		{"nothing", nil, map[string]any{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Build(c.values)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	if got := Build([]Value{value("roles", roles)}); got["roles"].([]any)[0].(map[string]any)["value"] != "admin" {
		t.Error("roles are missing")
	} else {
		got["roles"].([]any)[0].(map[string]any)["value"] = "changed"
		if roles[0].(map[string]any)["value"] != "admin" {
			t.Error("the result shares memory with the values")
		}
	}
}

// What is built can be read back at the same paths.
func TestBuildReadRoundTrip(t *testing.T) {
	paths := []string{
		"userName", "active", "title", "name.givenName", "name.familyName", "externalId",
		`emails[type eq "work"].value`, `emails[type eq "work"].display`, `emails[type eq "home"].value`,
		`phoneNumbers[type eq "mobile"].value`, `addresses[type eq "work"].locality`, `addresses[type eq "work"].country`,
		`roles[primary eq "True"].value`, enterprise + "department", enterprise + "manager", "members",
		"urn:ietf:params:scim:schemas:extension:acme:2.0:User:tags", "urn:ietf:params:scim:schemas:extension:acme:2.0:User:a.b",
	}
	rapid.Check(t, func(t *rapid.T) {
		var values []Value
		for _, text := range rapid.SliceOfDistinct(rapid.SampledFrom(paths), rapid.ID[string]).Draw(t, "paths") {
			p := MustPath(text)
			v := Value{Path: p, Definition: DefinitionOf(p)}
			one := rapid.StringMatching(`[a-z]{1,6}`)
			switch {
			case v.Definition.Type == Boolean:
				v.Value = rapid.Bool().Draw(t, text)
			case v.Definition.MultiValued || strings.HasSuffix(text, "tags"):
				var list []any
				for _, s := range rapid.SliceOfNDistinct(one, 1, 4, rapid.ID[string]).Draw(t, text) {
					list = append(list, s)
				}
				v.Value = list
			default:
				v.Value = one.Draw(t, text)
			}
			values = append(values, v)
		}
		resource := Build(values)
		for _, v := range values {
			if diff := cmp.Diff(v.Value, v.Path.Read(resource)); diff != "" {
				t.Fatalf("%s in %v: -put +read\n%s", v.Path, resource, diff)
			}
		}
	})
}

func TestPathInJSON(t *testing.T) {
	type holder struct {
		P Path
		Q Path `json:",omitzero"`
	}
	in := holder{P: MustPath(`emails[type eq "work"].value`)}
	data, err := json.Marshal(in)
	if err != nil || string(data) != `{"P":"emails[type eq \"work\"].value"}` {
		t.Errorf("%s, %v", data, err)
	}
	var out holder
	if err := json.Unmarshal(data, &out); err != nil || !out.P.Same(in.P) || !out.Q.IsZero() {
		t.Errorf("%+v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"P":"a b"}`), &out); err == nil || !strings.Contains(err.Error(), `target path "a b", character 2: ' ' cannot stand here`) {
		t.Errorf("%v", err)
	}
	if err := json.Unmarshal([]byte(`{"Q":""}`), &out); err != nil || !out.Q.IsZero() {
		t.Errorf("%+v, %v", out, err)
	}
}
