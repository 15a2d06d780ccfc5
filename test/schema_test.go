package test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// TestExportedSchema runs a job on a schema as it was exported from Entra, without mappings of its
// own: two kinds of filter, expressions, a typed e-mail, enterprise and custom extension attributes,
// roles, a manager, a default, and a generated value that is sent on create only.
func TestExportedSchema(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile("../mapping/testdata/schema-examples/enterprise-rich.json")
	if err != nil {
		t.Fatal(err)
	}
	const acme = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"
	s := newSite(t, graphtest.Options{}, scimtest.Options{LogBodies: true}, "    schema: enterprise.json\n    deletions: {threshold: 0}\n")
	if err := os.WriteFile(s.folder+"/enterprise.json", schema, 0o600); err != nil {
		t.Fatal(err)
	}
	s.dir.DefineExtension("extension_53c9e2c0aa1b4d2f9e7c001122334455_nickname")
	role := s.dir.AppRoles()[0].ID
	add := func(u graphtest.User) string {
		id := s.dir.AddUser(u)
		s.dir.Assign(id, role)
		return id
	}
	boss := add(graphtest.User{
		UserPrincipalName: "Boss@Example.test", MailNickname: "boss", DisplayName: "The Boss", GivenName: "The", Surname: "Boss",
		Department: "Board", Country: "France", Extra: map[string]any{"employeeType": "Executive"},
	})
	ann := add(graphtest.User{
		UserPrincipalName: "Ann@Example.test", MailNickname: "ann", DisplayName: "Ann Lee", GivenName: "Ann", Surname: "Lee", JobTitle: "Pilot", Mail: "ann.lee@example.test",
		Department: "Harbour", Country: "Germany", City: "Kiel", EmployeeID: "10442", PreferredLanguage: "de-DE", ManagerID: boss,
		Extra: map[string]any{
			"employeeType": "Contractor", "businessPhones": []any{"+49 431 / 55-66"},
			"onPremisesExtensionAttributes":                       map[string]any{"extensionAttribute1": "VIP"},
			"extension_53c9e2c0aa1b4d2f9e7c001122334455_nickname": "Annie",
		},
	})
	filtered := add(graphtest.User{UserPrincipalName: "out@example.test", MailNickname: "out", DisplayName: "Out", GivenName: "O", Surname: "Ut", Department: "Harbour", Country: "Norway"})

	first := s.once(0).Cycles[0]
	if got := map[string]int{"created": first.Users["created"], "skipped": first.Users["skipped"]}; got["created"] != 2 || got["skipped"] != 1 {
		t.Errorf("counts %v, want 2 created and 1 skipped", first.Users)
	}
	got, ok := byExternalID(s.app.Users(), ann)
	if !ok {
		t.Fatal("Ann has no account")
	}
	if _, ok := byExternalID(s.app.Users(), filtered); ok {
		t.Error("a user who fails the filter has an account")
	}
	bossAccount, _ := byExternalID(s.app.Users(), boss)
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	want := map[string]any{
		"userName": "ann@example.test", "displayName": "Ann Lee", "title": "Pilot", "userType": "Employee", "preferredLanguage": "de_DE",
		"timezone": "Europe/Berlin", "name.formatted": "Ann Lee", `emails[type eq "work"].value`: "ann.lee@example.test",
		`phoneNumbers[type eq "work"].value`: "+494315566", `addresses[type eq "work"].country`: "DE", `addresses[type eq "work"].locality`: "Kiel",
		enterprise + ":employeeNumber": "10442", enterprise + ":department": "Harbour", enterprise + ":manager.value": bossAccount.ID,
	}
	have := map[string]any{}
	for path := range want {
		have[path] = got.Value(path)
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("Ann's account (-want +got):\n%s", d)
	}
	// The sandbox does not know the extension and drops it: what counts is what was sent.
	ext, _ := s.sent("POST", `"externalId":"`+ann+`"`)[acme].(map[string]any)
	pin, _ := ext["initialPin"].(string)
	delete(ext, "initialPin")
	if d := cmp.Diff(map[string]any{"seatLevel": 0.0, "vip": true, "nickname": "Annie"}, ext); d != "" || !regexp.MustCompile(`^\S{8,}$`).MatchString(pin) {
		t.Errorf("extension as sent, initialPin %q (-want +got):\n%s", pin, d)
	}
	if again := s.once(0).Cycles[0]; again.Requests["target"] != 0 {
		t.Errorf("a second cycle sent %d requests to the target", again.Requests["target"])
	}

	s.dir.UpdateUser(ann, map[string]any{"country": "Norway"})
	if r := s.once(0).Cycles[0]; r.Users["disabled"] != 1 {
		t.Errorf("filtered out: counts %v, want 1 disabled", r.Users)
	}
}

// sent returns the body of a request that the application got, found by its method and a part of it.
func (s *site) sent(method, part string) map[string]any {
	s.t.Helper()
	for _, r := range s.app.Log() {
		if r.Method == method && strings.Contains(r.RequestBody, part) {
			var body map[string]any
			if err := json.Unmarshal([]byte(r.RequestBody), &body); err != nil {
				s.t.Fatal(err)
			}
			return body
		}
	}
	s.t.Fatalf("no %s request with %s", method, part)
	return nil
}

// TestMappingChange: a changed mapping makes the next cycle an initial one that keeps links, and
// brings existing accounts in step.
func TestMappingChange(t *testing.T) {
	t.Parallel()
	s := newSite(t, graphtest.Options{Seed: 3, Population: graphtest.Population{Users: 30, Groups: 4, Tidy: true}}, scimtest.Options{}, "    deletions: {threshold: 0}\n")
	s.once(0)
	before := map[string]string{}
	for _, u := range s.app.Users() {
		before[u.ExternalID] = u.ID
	}
	s.write(s.config + `    mappings:
      users:
        attributes:
          - {target: userName, source: "[userPrincipalName]", match: 1}
          - {target: active, source: 'Not([IsSoftDeleted])'}
          - {target: displayName, source: 'Join(", ", [surname], [givenName])'}
          - {target: externalId, source: "[objectId]"}
          - {target: title, source: "[jobTitle]"}
      groups:
        attributes:
          - {target: displayName, source: "[displayName]", match: 1}
          - {target: externalId, source: "[objectId]"}
          - {target: members, source: "[members]"}
`)
	r := s.once(0).Cycles[0]
	if r.Kind != "initial" || r.Users["updated"] != 30 || r.Users["created"] != 0 {
		t.Errorf("%s cycle with %v, want an initial one with 30 updated", r.Kind, r.Users)
	}
	for _, u := range s.app.Users() {
		if before[u.ExternalID] != u.ID {
			t.Errorf("%s has another account", u.ExternalID)
		}
		family, given := u.Value("name.familyName"), u.Value("name.givenName")
		if want := family.(string) + ", " + given.(string); u.DisplayName != want {
			t.Errorf("displayName %q, want %q", u.DisplayName, want)
		}
		if u.Value("title") == nil {
			t.Errorf("%s has no title", u.ExternalID)
		}
	}
	if again := s.once(0).Cycles[0]; again.Kind != "incremental" || again.Requests["target"] != 0 {
		t.Errorf("the cycle after it: %s, %d requests to the target", again.Kind, again.Requests["target"])
	}
}
