package test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

// secret marks everything that must stay between the directory and the application: it is part of
// every name, address and attribute value in these tests, in whatever case.
const secret = "qzxjwv"

// secretUser is a person all of whose attributes are marked.
func secretUser(i int) graphtest.User {
	v := func(kind string) string { return fmt.Sprintf("%s-%s-%d", secret, kind, i) }
	return graphtest.User{
		UserPrincipalName: v("upn") + "@example.test", DisplayName: v("display"), GivenName: v("given"), Surname: v("family"), Mail: v("mail") + "@example.test",
		MailNickname: v("nick"), JobTitle: v("title"), Department: v("department"), EmployeeID: v("number"), OfficeLocation: v("office"),
		City: v("city"), MobilePhone: v("phone"),
	}
}

// moreMappings sends more attributes, one of them through an expression.
const moreMappings = `    mappings:
      users:
        attributes:
          - {target: userName, source: "[userPrincipalName]", match: 1}
          - {target: active, source: 'Not([IsSoftDeleted])'}
          - {target: displayName, source: "[displayName]"}
          - {target: name.givenName, source: "[givenName]"}
          - {target: name.familyName, source: "[surname]"}
          - {target: externalId, source: "[objectId]"}
          - {target: title, source: 'Join(" ", [jobTitle], [city])'}
          - {target: 'emails[type eq "work"].value', source: "[mail]"}
          - {target: 'phoneNumbers[type eq "mobile"].value', source: "[mobilePhone]"}
          - {target: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department', source: "[department]"}
          - {target: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber', source: "[employeeId]"}
          - {target: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager', source: "[manager]"}
`

// TestPrivacy goes through cycles with all kinds of trouble, with the process log at its most talkative. Neither
// it nor anything that Temporal keeps holds a token, a link of the directory, a name, an address or any other value of an
// attribute; nor does the result, except that for people it names who failed and what the application said.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	set := graphtest.DefaultSettings()
	set.UserPage, set.GroupPage, set.MemberSlice = 10, 2, 5
	s := newSite(t, graphtest.Options{Seed: 2, Settings: &set}, scimtest.Options{Quirks: scimtest.Quirks{MemberBatchLimit: 20}}, moreMappings+"    deletions: {threshold: 50}\n")
	var people []string
	for i := range 40 {
		u := secretUser(i)
		if i > 0 {
			u.ManagerID = people[0]
		}
		people = append(people, s.dir.AddUser(u))
	}
	group := s.dir.AddGroup(graphtest.Group{DisplayName: secret + "-crew", Description: secret + "-about", Members: people[:35]})
	s.dir.Assign(group, s.dir.AppRoles()[0].ID)
	for _, id := range people[35:] {
		s.dir.Assign(id, graphtest.ZeroRole)
	}
	fault := func(f scimtest.Fault) {
		t.Helper()
		if _, err := s.app.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	// Errors in which the application tells back what it was sent.
	echo := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"invalidValue","detail":"%s-upn-7@example.test is not acceptable, token %s"}`, secret, appToken)
	fault(scimtest.Fault{Method: "POST", BodyContains: "-upn-7@", Status: 400, Body: echo})
	fault(scimtest.Fault{Method: "POST", BodyContains: "-upn-8@", Status: 409, ScimType: "uniqueness", Body: strings.ReplaceAll(echo, "400", "409")})
	fault(scimtest.Fault{Method: "POST", BodyContains: "-upn-9@", Status: 500, Apply: true, Body: "<html>" + secret + "-upn-9@example.test</html>", Times: 1})
	fault(scimtest.Fault{Method: "POST", BodyContains: "-upn-10@", CutAfterApply: true, Times: 1})
	fault(scimtest.Fault{Method: "POST", Path: "/Users", Nth: 12, Status: 429, Header: map[string]string{"Retry-After": "1"}})
	s.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users", PageFrom: 2}, Times: 1, Effect: graphtest.Status, Status: 503, Header: map[string]string{"Retry-After": "1"}})
	s.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users", PageFrom: 3}, Times: 1, Effect: graphtest.TruncateItem, N: 2})
	s.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "groups", PageFrom: 1}, Times: 1, Effect: graphtest.ForeignLink, Host: "http://" + secret + ".invalid"})

	var told bytes.Buffer // all that was printed
	cycle := func(want int, output string) {
		t.Helper()
		code, out, errw := s.run("run", "--once", "--output", output)
		told.WriteString(errw)
		if output == "json" || code != 3 {
			told.WriteString(out)
		}
		if code != want {
			t.Fatalf("exit code %d, want %d\n%s\n%s", code, want, out, tail(errw))
		}
	}
	cycle(4, "json") // the foreign link
	cycle(3, "json")
	cycle(3, "table")
	for i, id := range people[:10] {
		switch i % 5 {
		case 0:
			s.dir.UpdateUser(id, map[string]any{"surname": secret + "-married", "userPrincipalName": fmt.Sprintf("%s-new-%d@example.test", secret, i)})
		case 1:
			s.dir.SoftDelete(id)
		case 2:
			s.dir.UpdateUser(id, map[string]any{"accountEnabled": false})
		case 3:
			s.dir.RemoveMember(group, id)
		case 4:
			s.dir.HardDelete(id)
		}
	}
	s.dir.UpdateGroup(group, map[string]any{"displayName": secret + "-port"})
	fault(scimtest.Fault{Method: "PATCH", BodyContains: secret + "-married", Status: 400, Body: echo})
	s.dir.KillTokens("users", graphtest.Gone)
	cycle(3, "json")
	cycle(3, "table")
	s.app.ClearFaults()
	for _, id := range people[20:30] {
		s.dir.UpdateUser(id, map[string]any{"city": secret + "-elsewhere"})
	}
	cycle(0, "table")
	s.app.Change(func(q *scimtest.Quirks) { q.RequireToken = "another" })
	s.dir.UpdateUser(people[20], map[string]any{"surname": secret + "-again"})
	cycle(4, "json")

	if !strings.Contains(told.String(), `"path":"Users"`) && !strings.Contains(told.String(), `"path":"/Users"`) {
		t.Errorf("the log shows no requests, so that it proves nothing:\n%s", tail(told.String()))
	}
	s.silent("what the command printed", told.Bytes())
	s.history("SyncCycle")

	// On demand people are named by whoever asks; that stays in the store too.
	s.app.Change(func(q *scimtest.Quirks) { q.RequireToken = appToken })
	c := s.serving()
	answer, err := c.Provision(t.Context(), "job", web.ProvisionRequest{Explain: true, Subjects: []web.SubjectRequest{
		{Name: secret + "-upn-25@example.test"}, {Name: secret + "-nobody@example.test"}, {Type: engine.Group, Name: secret + "-port"},
	}})
	if err != nil || len(answer) != 3 || answer[0].Status == engine.StatusFailure || answer[1].Status != engine.StatusFailure {
		t.Fatalf("%+v, %v", answer, err)
	}
	s.silent("what the service logged", s.read(serviceLog))
	s.history("ProvisionNow")
}

// history searches everything that Temporal keeps; workflow is one that must be found there.
func (s *site) history(workflow string) {
	s.t.Helper()
	var read int64
	found := false
	err := filepath.WalkDir(filepath.Join(s.folder, "data", "temporal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read += int64(len(data))
		found = found || bytes.Contains(data, []byte(workflow))
		s.silent(path, data)
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if !found {
		s.t.Errorf("no file of Temporal names the workflow %s in %d bytes, so that the search proves nothing", workflow, read)
	}
}

// silent fails the test if data holds anything that must stay secret.
func (s *site) silent(what string, data []byte) {
	s.t.Helper()
	lower := bytes.ToLower(data)
	for kind, word := range map[string]string{
		"a name, an address or a value": secret, "the directory's token": graphToken, "the application's token": appToken,
		"a link of the directory": "deltatoken=", "a link of the directory, further on": "skiptoken=", "an authorization header": "bearer ",
	} {
		if i := bytes.Index(lower, []byte(word)); i >= 0 {
			s.t.Errorf("%s: holds %s: …%q…", what, kind, data[max(0, i-200):min(len(data), i+100)])
		}
	}
}
