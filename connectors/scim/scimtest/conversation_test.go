package scimtest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The requests Entra sends in the life of one person and one group, in both of its dialects and as
// RFC 7644 has them.
func TestConversations(t *testing.T) {
	for _, tt := range []struct {
		name                                              string
		q                                                 Quirks
		update, disable, enable, boss, unboss, join, part string
	}{
		{
			name:    "entra 2017",
			update:  `{"op":"Replace","path":"title","value":"Senior"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"n@port.example"},{"op":"Add","path":"name.middleName","value":"Ida"},{"op":"Replace","path":"` + enterpriseURN + `:department","value":"Towage"}`,
			disable: `{"op":"Replace","path":"active","value":"False"}`, enable: `{"op":"Replace","path":"active","value":"True"}`,
			boss: `{"op":"Add","path":"` + enterpriseURN + `:manager","value":"boss"}`, unboss: `{"op":"Replace","path":"` + enterpriseURN + `:manager","value":""}`,
			join: `{"op":"Add","path":"members","value":[{"$ref":null,"value":"boss"},{"$ref":null,"value":"ID"}]}`,
			part: `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"boss"}]}`,
		},
		{
			name:    "entra 062020",
			update:  `{"op":"replace","path":"emails[type eq \"work\"].value","value":"n@port.example"},{"op":"add","path":"name.middleName","value":"Ida"},{"op":"replace","value":{"title":"Senior","` + enterpriseURN + `:department":"Towage"}}`,
			disable: `{"op":"replace","path":"active","value":false}`, enable: `{"op":"replace","path":"active","value":true}`,
			boss: `{"op":"add","path":"` + enterpriseURN + `:manager","value":"boss"}`, unboss: `{"op":"replace","path":"` + enterpriseURN + `:manager","value":""}`,
			join: `{"op":"add","path":"members","value":[{"$ref":null,"value":"boss"},{"$ref":null,"value":"ID"}]}`,
			part: `{"op":"remove","path":"members[value eq \"boss\"]"}`,
		},
		{
			name: "rfc7644", q: Quirks{Strict: true},
			update:  `{"op":"replace","path":"title","value":"Senior"},{"op":"replace","path":"emails[type eq \"work\"].value","value":"n@port.example"},{"op":"add","path":"name.middleName","value":"Ida"},{"op":"replace","path":"` + enterpriseURN + `:department","value":"Towage"}`,
			disable: `{"op":"replace","path":"active","value":false}`, enable: `{"op":"replace","path":"active","value":true}`,
			boss: `{"op":"replace","path":"` + enterpriseURN + `:manager","value":{"value":"boss"}}`, unboss: `{"op":"remove","path":"` + enterpriseURN + `:manager"}`,
			join: `{"op":"add","path":"members","value":[{"value":"boss"},{"value":"ID"}]}`,
			part: `{"op":"remove","path":"members[value eq \"boss\"]"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, tt.q)
			a.user(`{"id":"boss","userName":"boss"}`)
			search := filterURL("/Users", `userName eq "noor.ahlgren@fabrikon.example"`)
			if got := found(a.want(200, "GET", search, "")); got != nil {
				t.Fatalf("found %q", got)
			}
			id, _ := a.want(201, "POST", "/Users", noor).doc["id"].(string)
			if got := found(a.want(200, "GET", search, "")); len(got) != 1 {
				t.Fatalf("found %q", got)
			}
			user := func(ops string) Resource {
				t.Helper()
				a.want(200, "PATCH", "/Users/"+id, patchBody(ops))
				return a.byID(id)
			}
			r := user(tt.update)
			got := []any{r.Value("title"), r.Value(`emails[type eq "work"].value`), r.Value("name.middleName"), r.Value("name.givenName"), r.Value(enterpriseURN + ":department")}
			if want := []any{"Senior", "n@port.example", "Ida", "Noor", "Towage"}; !cmp.Equal(got, want) {
				t.Errorf("update: %v, want %v", got, want)
			}
			if r := user(tt.boss); r.Value(enterpriseURN+":manager.value") != "boss" {
				t.Errorf("manager: %v", r.Attributes)
			}
			if r := user(tt.unboss); r.Value(enterpriseURN+":manager") != nil {
				t.Errorf("manager is kept: %v", r.Attributes)
			}
			if r := user(tt.disable); r.Active {
				t.Error("not disabled")
			}
			if r := user(tt.enable); !r.Active {
				t.Error("not enabled")
			}

			g, _ := a.want(201, "POST", "/Groups", `{"schemas":["`+groupURN+`","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
				"externalId":"5c0a-grp","displayName":"Harbour Pilots","meta":{"resourceType":"Group"}}`).doc["id"].(string)
			group := func(ops string) []string {
				t.Helper()
				a.want(204, "PATCH", "/Groups/"+g, strings.ReplaceAll(patchBody(ops), `"ID"`, `"`+id+`"`))
				return a.byID(g).Members
			}
			if got := group(tt.join); !cmp.Equal(got, []string{"boss", id}) {
				t.Errorf("members %v", got)
			}
			if got := group(tt.part); !cmp.Equal(got, []string{id}) {
				t.Errorf("members %v", got)
			}
			a.want(204, "DELETE", "/Users/"+id, "")
			if got := a.byID(g).Members; len(got) != 0 {
				t.Errorf("members after the delete %v", got)
			}
			a.want(204, "DELETE", "/Groups/"+g, "")
		})
	}
}
