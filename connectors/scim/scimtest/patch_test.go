package scimtest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// one user, patched; what is there afterwards.
func TestPatchUser(t *testing.T) {
	const before = `{"userName":"noor","title":"Pilot","active":true,"name":{"givenName":"Noor","familyName":"Ahlgren"},
		"emails":[{"type":"work","value":"n@work.example","primary":true},{"type":"home","value":"n@home.example"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Pilotage","manager":{"value":"m1"}}}`
	dept := enterpriseURN + ":department"
	manager := enterpriseURN + ":manager"
	strict, entra := Quirks{Strict: true}, Quirks{}
	type values map[string]any
	for _, tt := range []struct {
		name string
		q    Quirks
		ops  string
		want values
	}{
		{"rfc replace", strict, `{"op":"replace","path":"title","value":"Senior pilot"}`, values{"title": "Senior pilot"}},
		{"rfc path in any case", strict, `{"op":"replace","path":"TITLE","value":"x"}`, values{"title": "x"}},
		{"rfc add sub-attribute", strict, `{"op":"add","path":"name.middleName","value":"Ida"}`, values{"name.middleName": "Ida", "name.givenName": "Noor"}},
		{"rfc merge complex", strict, `{"op":"replace","path":"name","value":{"familyName":"Voss"}}`, values{"name.familyName": "Voss", "name.givenName": "Noor"}},
		{"rfc value filter", strict, `{"op":"replace","path":"emails[type eq \"work\"].value","value":"v@work.example"}`,
			values{`emails[type eq "work"].value`: "v@work.example", `emails[type eq "home"].value`: "n@home.example", `emails[type eq "work"].primary`: true}},
		{"rfc filter with and, or, not", strict, `{"op":"replace","path":"emails[(type eq \"work\" or type eq \"x\") and value co \"@\" and not (primary eq false)].display","value":"d"}`,
			values{`emails[type eq "work"].display`: "d", `emails[type eq "home"].display`: nil}},
		{"rfc add whole element", strict, `{"op":"add","path":"phoneNumbers","value":[{"type":"mobile","value":"+47 900"}]}`, values{`phoneNumbers[type eq "mobile"].value`: "+47 900"}},
		{"rfc add element moves primary", strict, `{"op":"add","path":"emails","value":[{"type":"other","value":"o","primary":true}]}`,
			values{`emails[type eq "other"].primary`: true, `emails[type eq "work"].primary`: false}},
		{"rfc add element twice", strict, `{"op":"add","path":"emails","value":[{"type":"home","value":"n@home.example","display":"h"}]}`, values{`emails[type eq "home"].display`: "h"}},
		{"rfc remove element", strict, `{"op":"remove","path":"emails[type eq \"work\"]"}`, values{`emails[type eq "work"].value`: nil, "emails.value": "n@home.example"}},
		{"rfc remove all", strict, `{"op":"remove","path":"emails"}`, values{"emails": nil}},
		{"rfc remove simple", strict, `{"op":"remove","path":"title"}`, values{"title": nil}},
		{"rfc remove absent", strict, `{"op":"remove","path":"nickName"}`, values{"nickName": nil}},
		{"rfc manager object", strict, `{"op":"replace","path":"` + manager + `","value":{"value":"m2"}}`, values{manager + ".value": "m2", dept: "Pilotage"}},
		{"rfc remove manager", strict, `{"op":"remove","path":"` + manager + `"}`, values{manager: nil, dept: "Pilotage"}},
		{"rfc path-less", strict, `{"op":"replace","value":{"title":"x","name":{"givenName":"N"},"` + enterpriseURN + `":{"department":"Towage"}}}`,
			values{"title": "x", "name.givenName": "N", "name.familyName": "Ahlgren", dept: "Towage", manager + ".value": "m1"}},
		{"rfc path-less extension key", strict, `{"op":"add","value":{"` + dept + `":"Towage","id":"ignored","schemas":[]}}`, values{dept: "Towage"}},
		{"rfc whole extension", strict, `{"op":"replace","path":"` + enterpriseURN + `","value":{"costCenter":"9"}}`, values{enterpriseURN + ":costCenter": "9", dept: "Pilotage"}},
		{"rfc remove extension", strict, `{"op":"remove","path":"` + enterpriseURN + `"}`, values{dept: nil, manager: nil}},
		{"rfc boolean", strict, `{"op":"replace","path":"active","value":false}`, values{"active": false}},
		{"rfc externalId", strict, `{"op":"add","path":"externalId","value":"e9"}`, values{"externalId": "e9"}},
		{"rfc core urn", strict, `{"op":"replace","path":"` + userURN + `:title","value":"x"}`, values{"title": "x"}},

		{"entra capitals", entra, `{"op":"Replace","path":"title","value":"x"},{"op":"Add","path":"name.middleName","value":"Ida"}`, values{"title": "x", "name.middleName": "Ida"}},
		{"entra active text", entra, `{"op":"Replace","path":"active","value":"False"}`, values{"active": false}},
		{"entra add active", entra, `{"op":"Add","path":"active","value":"True"}`, values{"active": true}},
		{"entra manager text", entra, `{"op":"Add","path":"` + manager + `","value":"m2"}`, values{manager + ".value": "m2"}},
		{"entra manager cleared", entra, `{"op":"Replace","path":"` + manager + `","value":""}`, values{manager: nil}},
		{"entra manager list", entra, `{"op":"Add","path":"manager","value":[{"$ref":"x","value":"m2"}]}`, nil}, // no core attribute: see below
		{"entra dotted keys", entra, `{"op":"replace","value":{"name.familyName":"Voss","` + dept + `":"Towage","emails[type eq \"work\"].value":"w"}}`,
			values{"name.familyName": "Voss", dept: "Towage", `emails[type eq "work"].value`: "w"}},
		{"entra adds a missing element", entra, `{"op":"Add","path":"phoneNumbers[type eq \"work\"].value","value":"123"}`, values{`phoneNumbers[type eq "work"].value`: "123"}},
		{"entra boolean literal in a filter", entra, `{"op":"Add","path":"roles[primary eq \"True\"].value","value":"admin"}`, values{"roles.value": "admin", "roles.primary": true}},
		{"entra address parts", entra, `{"op":"Add","path":"addresses[type eq \"work\"].locality","value":"Bergen"},{"op":"Add","path":"addresses[type eq \"work\"].country","value":"NO"}`,
			values{`addresses[type eq "work"].locality`: "Bergen", `addresses[type eq "work"].country`: "NO"}},
		{"null clears", entra, `{"op":"replace","path":"title","value":null}`, values{"title": nil}},
		{"remove with a value", entra, `{"op":"Remove","path":"title","value":"Pilot"}`, values{"title": nil}},
		{"remove through a filter that selects nothing", entra, `{"op":"remove","path":"emails[type eq \"x\"]"}`, values{"emails.value": "n@work.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, tt.q)
			id := a.user(before)
			if tt.want == nil {
				a.refused(400, "invalidPath", "PATCH", "/Users/"+id, patchBody(tt.ops))
				return
			}
			res := a.want(200, "PATCH", "/Users/"+id, patchBody(tt.ops))
			got := a.byID(id)
			for path, want := range tt.want {
				if !cmp.Equal(got.Value(path), want) {
					t.Errorf("%s = %v, want %v", path, got.Value(path), want)
				}
			}
			if read := a.want(200, "GET", "/Users/"+id, ""); !cmp.Equal(read.doc, res.doc) {
				t.Errorf("PATCH answers another resource than GET:\n%s", cmp.Diff(read.doc, res.doc))
			}
		})
	}
}

func TestPatchRefused(t *testing.T) {
	strict, entra := Quirks{Strict: true}, Quirks{}
	for _, tt := range []struct {
		name     string
		q        Quirks
		scimType string
		ops      string
	}{
		{"strict capitals", strict, "invalidSyntax", `{"op":"Replace","path":"title","value":"x"}`},
		{"strict text boolean", strict, "invalidValue", `{"op":"replace","path":"active","value":"False"}`},
		{"strict manager text", strict, "invalidValue", `{"op":"add","path":"` + enterpriseURN + `:manager","value":"m"}`},
		{"strict dotted key", strict, "invalidPath", `{"op":"replace","value":{"name.familyName":"x"}}`},
		{"strict replace selects nothing", strict, "noTarget", `{"op":"replace","path":"phoneNumbers[type eq \"work\"].value","value":"1"}`},
		{"strict add selects nothing", strict, "noTarget", `{"op":"add","path":"phoneNumbers[type eq \"work\"].value","value":"1"}`},
		{"strict remove selects nothing", strict, "noTarget", `{"op":"remove","path":"emails[type eq \"work\"]"}`},
		{"strict null", strict, "invalidValue", `{"op":"replace","path":"title","value":null}`},
		{"quirk noTarget", Quirks{NoTargetStrict: true}, "noTarget", `{"op":"Add","path":"phoneNumbers[type eq \"work\"].value","value":"1"}`},
		{"unknown op", entra, "invalidSyntax", `{"op":"move","path":"title"}`},
		{"unknown attribute", entra, "invalidPath", `{"op":"replace","path":"berth","value":"x"}`},
		{"unknown sub-attribute", entra, "invalidPath", `{"op":"replace","path":"name.berth","value":"x"}`},
		{"unknown schema", entra, "invalidPath", `{"op":"replace","path":"urn:x:y:berth","value":"x"}`},
		{"broken path", entra, "invalidPath", `{"op":"replace","path":"emails[type eq \"work\"","value":"x"}`},
		{"broken filter", entra, "invalidPath", `{"op":"replace","path":"emails[type is \"work\"].value","value":"x"}`},
		{"filter on a simple attribute", entra, "invalidPath", `{"op":"replace","path":"title[value eq \"x\"]","value":"x"}`},
		{"filter on unknown sub-attribute", entra, "invalidFilter", `{"op":"replace","path":"emails[berth eq \"x\"].value","value":"x"}`},
		{"readOnly", entra, "mutability", `{"op":"replace","path":"id","value":"x"}`},
		{"readOnly sub-attribute", entra, "mutability", `{"op":"replace","path":"` + enterpriseURN + `:manager.displayName","value":"x"}`},
		{"required", entra, "mutability", `{"op":"remove","path":"userName"}`},
		{"required, cleared", entra, "mutability", `{"op":"Replace","path":"userName","value":""}`},
		{"wrong type", entra, "invalidValue", `{"op":"replace","path":"title","value":{"x":1}}`},
		{"remove without path", entra, "noTarget", `{"op":"remove"}`},
		{"path-less text", entra, "invalidValue", `{"op":"replace","value":"x"}`},
		{"taken name", entra, "uniqueness", `{"op":"replace","path":"userName","value":"OTHER"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, tt.q)
			a.user(`{"userName":"other"}`)
			id := a.user(`{"userName":"noor","title":"Pilot"}`)
			status := 400
			if tt.scimType == "uniqueness" {
				status = 409
			}
			// the first operation alone would succeed; a PATCH is applied as a whole or not at all
			a.refused(status, tt.scimType, "PATCH", "/Users/"+id, patchBody(`{"op":"replace","path":"nickName","value":"n"},`+tt.ops))
			if got := a.byID(id); got.Value("nickName") != nil || got.Version != 1 {
				t.Errorf("half applied: %v", got.Attributes)
			}
		})
	}
	a := start(t, entra)
	id := a.user(`{"userName":"noor"}`)
	for _, body := range []string{``, `[]`, `{}`, `{"schemas":["x"],"Operations":[{"op":"add","path":"title","value":"x"}]}`, patchBody(``), patchBody(`7`)} {
		a.refused(400, "invalidSyntax", "PATCH", "/Users/"+id, body)
	}
}

func TestPatchMembers(t *testing.T) {
	rfc, entra := Quirks{Strict: true}, Quirks{}
	one := func(i int) string { return fmt.Sprintf(`{"$ref":null,"value":"u%d"}`, i) }
	for _, tt := range []struct {
		name string
		q    Quirks
		ops  string
		want []string
	}{
		{"rfc add", rfc, `{"op":"add","path":"members","value":[{"value":"u3"},{"value":"u1"}]}`, []string{"u1", "u2", "u3"}},
		{"rfc add one", rfc, `{"op":"add","path":"members","value":{"value":"u3"}}`, []string{"u1", "u2", "u3"}},
		{"rfc remove one", rfc, `{"op":"remove","path":"members[value eq \"u1\"]"}`, []string{"u2"}},
		{"rfc remove by type", rfc, `{"op":"remove","path":"members[type eq \"User\"]"}`, nil},
		{"rfc remove is all", rfc, `{"op":"remove","path":"members","value":[{"value":"u1"}]}`, nil},
		{"rfc replace", rfc, `{"op":"replace","path":"members","value":[{"value":"u4"}]}`, []string{"u4"}},
		{"rfc path-less", rfc, `{"op":"replace","value":{"members":[{"value":"u4"}],"displayName":"x"}}`, []string{"u4"}},
		{"entra add", entra, `{"op":"Add","path":"members","value":[` + one(3) + `,` + one(4) + `]}`, []string{"u1", "u2", "u3", "u4"}},
		{"entra remove", entra, `{"op":"Remove","path":"members","value":[` + one(1) + `]}`, []string{"u2"}},
		{"entra remove absent", entra, `{"op":"Remove","path":"members","value":[` + one(9) + `]}`, []string{"u1", "u2"}},
		{"entra remove by filter, absent", entra, `{"op":"remove","path":"members[value eq \"u9\"]"}`, []string{"u1", "u2"}},
		{"bare remove", entra, `{"op":"remove","path":"members"}`, nil},
		{"replace by nothing", entra, `{"op":"replace","path":"members","value":[]}`, nil},
		{"in order", entra, `{"op":"add","path":"members","value":[{"value":"u3"}]},{"op":"remove","path":"members[value eq \"u3\"]"}`, []string{"u1", "u2"}},
		{"wipe", Quirks{WipeOnValueArrayRemove: true}, `{"op":"Remove","path":"members","value":[` + one(1) + `]}`, nil},
		{"kept", Quirks{IgnoreMemberRemove: true}, `{"op":"Remove","path":"members","value":[` + one(1) + `]}`, []string{"u1", "u2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, tt.q)
			for i := 1; i < 5; i++ {
				a.user(fmt.Sprintf(`{"userName":"user%d","id":"u%d"}`, i, i))
			}
			id := a.group("Pilots", "u1", "u2")
			if res := a.want(204, "PATCH", "/Groups/"+id, patchBody(tt.ops)); res.text != "" {
				t.Errorf("204 with %s", res.text)
			}
			if got := a.byID(id).Members; !cmp.Equal(got, tt.want, equateEmpty) {
				t.Errorf("members %v, want %v", got, tt.want)
			}
			checkReverseIndex(t, a.Server)
			// a refusal later in the request takes everything back
			was := a.byID(id)
			a.want(400, "PATCH", "/Groups/"+id, patchBody(tt.ops+
				`,{"op":"add","path":"members","value":[{"value":"u4"}]},{"op":"replace","path":"members","value":[{"value":"u3"}]},{"op":"add","path":"members","value":[{"type":"User"}]}`))
			now := a.byID(id)
			if !cmp.Equal(sorted(now.Members), sorted(was.Members), equateEmpty) || now.Version != was.Version {
				t.Errorf("members after a refusal %v, want %v", now.Members, was.Members)
			}
			checkReverseIndex(t, a.Server)
		})
	}
	t.Run("noTarget", func(t *testing.T) {
		a := start(t, rfc)
		id := a.group("Pilots")
		a.refused(400, "noTarget", "PATCH", "/Groups/"+id, patchBody(`{"op":"remove","path":"members[value eq \"u9\"]"}`))
		a.refused(400, "mutability", "PATCH", "/Groups/"+id, patchBody(`{"op":"replace","path":"members[value eq \"u9\"].display","value":"x"}`))
	})
}
