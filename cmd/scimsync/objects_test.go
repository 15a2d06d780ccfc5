package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
)

func TestLink(t *testing.T) {
	inUTC(t)
	ada := web.LinkRow{ID: "user:u1", Type: engine.User, Source: engine.Identity{ID: "u1", Name: "ada@example.test"}, Target: engine.Identity{ID: "t1"}, State: engine.Managed,
		MatchedBy: "userName", CreatedAt: day(8, 0), UpdatedAt: day(9, 0)}
	bob := web.LinkRow{ID: "user:u2", Type: engine.User, Source: engine.Identity{ID: "u2", Name: "bob@example.test"}, Target: engine.Identity{ID: "t2"}, State: engine.Released,
		MatchedBy: "created", Disabled: true, Recycled: true, DeleteAt: day(0, 0), Left: engine.RecycledInSource, Verify: true, CreatedAt: day(8, 0), UpdatedAt: day(9, 0)}
	crew := web.LinkRow{ID: "group:g1", Type: engine.Group, Source: engine.Identity{ID: "g1", Name: "Crew"}, Target: engine.Identity{ID: "t3"}, State: engine.Managed, CreatedAt: day(8, 0), UpdatedAt: day(9, 0)}
	whole := ada
	whole.Exported = map[string]any{"username": "ada@example.test", "active": true, "title": nil, "emails": []any{map[string]any{"type": "work", "value": "ada@example.test"}}, "empty": ""}
	s := newFakeService(t, map[string]any{
		"GET /jobs/webex/links": func(r *http.Request) any {
			if r.URL.Query().Get("state") == "suspended" {
				return web.Page[web.LinkRow]{Value: []web.LinkRow{}}
			}
			if r.URL.Query().Get("$skiptoken") == "" { // a page of a rare state may be empty
				return web.Page[web.LinkRow]{Value: []web.LinkRow{}, Next: "http://service/x?%24skiptoken=2"}
			}
			return web.Page[web.LinkRow]{Value: []web.LinkRow{ada, bob, crew}}
		},
		"GET /jobs/large/links": func(r *http.Request) any {
			n, p := 0, web.Page[web.LinkRow]{}
			if at := r.URL.Query().Get("$skiptoken"); at != "" {
				var err error
				if n, err = strconv.Atoi(at); err != nil {
					panic(err)
				}
			}
			for i := range 60 {
				p.Value = append(p.Value, web.LinkRow{ID: fmt.Sprint("user:u", n+i), Type: engine.User, State: engine.Managed})
			}
			if n += 60; n < 180 {
				p.Next = fmt.Sprint("http://service/x?%24skiptoken=", n)
			}
			return p
		},
		"GET /jobs/webex/links/t1":         whole,
		"GET /jobs/webex/links/user:u2":    bob,
		"POST /jobs/webex/links":           crew,
		"DELETE /jobs/webex/links/user:u1": nil,
		"GET /jobs":                        web.Page[web.SynchronizationJob]{Value: []web.SynchronizationJob{aJob("webex")}},
	})
	checkGolden(t, "testdata/operate/link.golden", transcript(t, "",
		forPeople("link", "list", "webex"),
		forPeople("link", "list", "webex", "--state", "suspended"),
		forPeople("link", "list", "webex", "--state", "gone"),
		forPeople("link", "list", "webex", "--type", "people"),
		forPeople("link", "show", "webex", "t1"),
		forPeople("link", "show", "webex", "user:u2"),
		forPeople("link", "show", "webex", "t9"),
		forPeople("link", "show", "webx", "t9"),
		forPeople("link", "add", "webex", "g1", "t3", "--type", "group"),
		forPeople("link", "add", "webex", "g1", "t3", "--type", "people"),
		forPeople("link", "remove", "webex", "t1"),
		forPeople("link", "remove", "webex"),
	))
	want := []string{`POST /jobs/webex/links {"type":"group","source":"g1","target":"t3"}`, "DELETE /jobs/webex/links/user:u1"}
	if got := s.took(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked for %q, want %q", got, want)
	}
	for line, want := range map[string]int{"link list large --output table": 100, "link list large --output table --all": 180, "link list large --output json": 180} {
		code, out, _ := runCommand(t, "", strings.Fields(line)...)
		n := strings.Count(out, "managed")
		if code != exitDone || n != want || strings.Contains(out, "… and more; all of them with: scimsync link list large --all") != (want == 100) {
			t.Errorf("%s: exit %d with %d links, want %d", line, code, n, want)
		}
	}
}

func TestDrift(t *testing.T) {
	inUTC(t)
	d := engine.Drift{
		Job: "webex", StartedAt: day(8, 0), EndedAt: day(8, 1), Accounts: 3, Attributes: 2, Memberships: 1,
		Classes:    map[engine.DriftClass]int{engine.DriftAssigned: 190, engine.DriftOrphaned: 1, engine.DriftLocal: 2, engine.DriftUnentitled: 4, engine.DriftAmbiguous: 1, engine.DriftUnassigned: 1},
		Incomplete: map[engine.Kind]string{engine.Group: "it answered 19 of 20"},
		Findings: []engine.DriftFinding{
			{Kind: engine.User, Class: engine.DriftAssigned, Linked: true, Source: engine.Identity{ID: "u1", Name: "ada@example.test"}, Target: engine.Identity{ID: "t1"}, Changes: []engine.LoggedChange{{Attribute: "title", Old: "Boss", New: nil}, {Attribute: "active", Old: false, New: true}}},
			{Kind: engine.Group, Class: engine.DriftAssigned, Linked: true, Source: engine.Identity{ID: "g1", Name: "Crew"}, Target: engine.Identity{ID: "t3"}, Changes: []engine.LoggedChange{{Attribute: "members", Old: "t8", New: nil}, {Attribute: "members", Old: "t9", New: nil}}, Strangers: []string{"t9"}},
			{Kind: engine.User, Class: engine.DriftOrphaned, Source: engine.Identity{ID: "u2", Name: "bob@example.test"}, Target: engine.Identity{ID: "t2"}, Detail: "the account is gone"},
			{Kind: engine.User, Class: engine.DriftLocal, Target: engine.Identity{ID: "t7", Name: "root"}, Detail: "nobody has this userName"},
		},
	}
	d.Repairable = 3
	strange := engine.Drift{Job: "strange", Memberships: 1, Classes: map[engine.DriftClass]int{engine.DriftAssigned: 2}, Findings: []engine.DriftFinding{
		{Kind: engine.Group, Class: engine.DriftAssigned, Linked: true, Source: engine.Identity{ID: "g1", Name: "Crew"}, Target: engine.Identity{ID: "t3"}, Changes: []engine.LoggedChange{{Attribute: "members", Old: "t9"}}, Strangers: []string{"t9"}},
	}}
	repaired := d
	repaired.Repaired = 3
	s := newFakeService(t, map[string]any{
		"POST /jobs/webex/drift": func(r *http.Request) any {
			if r.ContentLength > 2 { // {"repair":true}
				return repaired
			}
			return d
		},
		"POST /jobs/calm/drift":    engine.Drift{Job: "calm", Classes: map[engine.DriftClass]int{}, Findings: []engine.DriftFinding{}},
		"POST /jobs/strange/drift": strange,
		"POST /jobs/viewed/drift":  &web.Problem{Status: 403, Code: "Authorization_RequestDenied", Message: `Repairing needs the role admin; the token "eve" has the role viewer.`},
	})
	checkGolden(t, "testdata/operate/drift.golden", transcript(t, "",
		forPeople("drift", "webex"), forPeople("drift", "webex", "--repair"), forPeople("drift", "calm"), forPeople("drift", "calm", "--repair"), forPeople("drift", "viewed", "--repair"), forPeople("drift", "strange"), forPeople("drift", "strange", "--repair"),
	))
	if got := s.took(); len(got) != 7 || got[0] != "POST /jobs/webex/drift {}" || got[1] != `POST /jobs/webex/drift {"repair":true}` {
		t.Errorf("asked for %q", got)
	}
}

func TestAudit(t *testing.T) {
	inUTC(t)
	var all []engine.AuditEntry
	for i := range 2500 {
		all = append(all, engine.AuditEntry{ID: int64(i + 1), At: day(0, i/50), Job: "webex", By: "anna", From: "192.0.2.7", Activity: engine.AuditSynced})
	}
	all = append(all,
		engine.AuditEntry{ID: 2501, At: day(10, 0), Job: "webex", By: "anna", From: "192.0.2.7", Activity: engine.AuditPaused, Before: "active", After: "paused"},
		engine.AuditEntry{ID: 2502, At: day(10, 1), Job: "webex", By: "ben", Activity: engine.AuditApproved, After: "31 held changes", Comment: "they left on Friday"},
		engine.AuditEntry{ID: 2503, At: day(10, 2), By: "system", Activity: engine.AuditCredentials, Comment: "in 7 days"},
		engine.AuditEntry{ID: 2504, At: day(10, 3), Job: "webex", By: "ben", Activity: engine.AuditTested, Failed: true, Comment: "the target\nrefused the token"},
	)
	var queries []string
	newFakeService(t, map[string]any{"GET /audit": func(r *http.Request) any {
		q := r.URL.Query()
		after, err := strconv.Atoi("0" + q.Get("after"))
		if err != nil {
			panic(err)
		}
		queries = append(queries, r.URL.RawQuery)
		if q.Get("by") == "nobody" {
			return web.Page[engine.AuditEntry]{}
		}
		return web.Page[engine.AuditEntry]{Value: all[after:min(after+1000, len(all))]}
	}})
	checkGolden(t, "testdata/operate/audit.golden", transcript(t, "",
		forPeople("audit", "--limit", "5"), forPeople("audit", "--by", "nobody"), forPeople("audit", "--activity", "dance"), forPeople("audit", "--since", "yesterday"), forPeople("audit", "--limit", "0"),
	))
	queries = nil
	runCommand(t, "", "audit", "--job", "webex", "--by", "anna", "--activity", "approve", "--since", "2031-03-01T08:00:00Z", "--until", "2031-03-02T08:00:00Z")
	if want := "activity=Approve+deletions&by=anna&job=webex&limit=1000&since=2031-03-01T08%3A00%3A00Z&until=2031-03-02T08%3A00%3A00Z"; len(queries) != 3 || queries[0] != want {
		t.Errorf("asked for %q, want %q and the pages after it", queries, want)
	}
	_, out, _ := runCommand(t, "", "audit", "--limit", "2")
	var got web.Page[engine.AuditEntry]
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(all[len(all)-2:], got.Value); d != "" {
		t.Errorf("the newest come last (-want +got):\n%s", d)
	}
}

// anAnswer is what on-demand provisioning tells of one user.
func anAnswer(name string, dry bool) web.ProvisionedObject {
	return web.ProvisionedObject{
		Subject: engine.Identity{ID: "u1", Name: name}, Type: engine.User, Status: engine.StatusSuccess, DryRun: dry,
		Row: &web.LogRow{Type: engine.User, Action: engine.Create, Status: engine.StatusSuccess, Rule: "U1", Reason: engine.Assigned, Target: engine.Identity{ID: "t1"},
			Changes: []engine.LoggedChange{{Attribute: "userName", New: name}, {Attribute: "active", New: true}}},
		Steps: []engine.Step{
			{Type: engine.StepImport, Status: engine.StatusSuccess, Description: "The user was read from the source.", Details: []engine.Detail{{Name: "id", Value: "u1"}, {Name: "department", Value: "Sales"}}},
			{Type: engine.StepScoping, Status: engine.StatusSuccess, Description: "The user is in scope.", Details: []engine.Detail{{Name: "Assigned", Value: "true"}}},
			{Type: engine.StepMatching, Status: engine.StatusSuccess, Description: "The user matches no object of the target."},
			{Type: engine.StepProcessing, Status: engine.StatusSuccess, Description: "The user is to be created.", Details: []engine.Detail{{Name: "Action", Value: "create"}, {Name: "Rule", Value: "U1"}}},
			{Type: engine.StepExport, Status: engine.StatusSuccess, Description: "The user was created at the target.", Details: []engine.Detail{{Name: "TargetId", Value: "t1"}, {Name: "userName", Value: "(none) → " + name}}},
		},
	}
}

func TestProvision(t *testing.T) {
	inUTC(t)
	done := anAnswer("ada@example.test", false)
	dry := anAnswer("ada@example.test", true)
	dry.Explain = []string{"State: enabled at the source.", `Assignment: through the group "Sales": this counts.`}
	refused := anAnswer("bob@example.test", false)
	refused.Status, refused.Row.Status, refused.Row.Code, refused.Row.HTTPStatus, refused.Row.Detail = engine.StatusFailure, engine.StatusFailure, "conflict", 409, "userName is taken"
	missing := web.ProvisionedObject{Subject: engine.Identity{Name: "nobody"}, Type: engine.User, Status: engine.StatusFailure,
		Row:   &web.LogRow{Type: engine.User, Action: engine.Fail, Status: engine.StatusFailure, Code: engine.CodeSubjectMissing, Detail: "The source has no user that is called so."},
		Steps: []engine.Step{{Type: engine.StepImport, Status: engine.StatusFailure, Description: "The source has no user that is called so."}}}
	skipped := web.ProvisionedObject{Subject: engine.Identity{ID: "u3", Name: "cy@example.test"}, Type: engine.User, Status: engine.StatusSkipped,
		Row: &web.LogRow{Type: engine.User, Action: engine.Skip, Status: engine.StatusSkipped, Reason: engine.AwaitingApproval, Detail: "more would be disabled than the guard allows"}}
	group := web.ProvisionedObject{Subject: engine.Identity{ID: "g1", Name: "Sales"}, Type: engine.Group, Status: engine.StatusWarning,
		Row:   &web.LogRow{Type: engine.Group, Action: engine.Nothing, Status: engine.StatusWarning, Rule: "G2"},
		Steps: []engine.Step{{Type: engine.StepReferences, Status: engine.StatusWarning, Description: "1 of 2 members was added."}},
		Members: []web.ProvisionedObject{
			{Subject: engine.Identity{ID: "u1", Name: "ada@example.test"}, Type: engine.User, Status: engine.StatusSuccess, Steps: []engine.Step{{Type: engine.StepReferences, Status: engine.StatusSuccess, Description: "was added to the group"}}},
			{Subject: engine.Identity{Name: "nobody"}, Type: engine.User, Status: engine.StatusSkipped, Steps: []engine.Step{{Type: engine.StepReferences, Status: engine.StatusSkipped, Description: "is not called so at the source"}}},
		}}
	answers := map[string][]web.ProvisionedObject{"ada": {done}, "dry": {dry}, "several": {done, refused, missing, skipped}, "group": {group}, "missing": {missing}}
	s := newFakeService(t, map[string]any{"GET /jobs": web.Page[web.SynchronizationJob]{Value: []web.SynchronizationJob{aJob("ada")}}})
	for job, a := range answers {
		s.answers["POST /jobs/"+job+"/provision"] = a
	}
	checkGolden(t, "testdata/operate/provision.golden", transcript(t, "",
		forPeople("provision", "ada", "ada@example.test"),
		forPeople("provision", "dry", "ada@example.test", "--dry-run", "--explain"),
		forPeople("provision", "several", "ada", "bob", "nobody", "cy"),
		forPeople("provision", "group", "--group", "Sales", "--member", "ada", "--member", "nobody"),
		forPeople("provision", "missing", "nobody"),
		forPeople("provision", "ada"),
		forPeople("provision", "ada", "--member", "bob"),
		forPeople("provision"),
		forPeople("provision", "nosuch", "ada"),
	))
	want := []string{
		`POST /jobs/ada/provision {"subjects":[{"type":"user","name":"ada@example.test"}]}`,
		`POST /jobs/dry/provision {"subjects":[{"type":"user","name":"ada@example.test"}],"dryRun":true,"explain":true}`,
		`POST /jobs/several/provision {"subjects":[{"type":"user","name":"ada"},{"type":"user","name":"bob"},{"type":"user","name":"nobody"},{"type":"user","name":"cy"}]}`,
		`POST /jobs/group/provision {"subjects":[{"type":"group","name":"Sales","members":["ada","nobody"]}]}`,
		`POST /jobs/missing/provision {"subjects":[{"type":"user","name":"nobody"}]}`,
		`POST /jobs/nosuch/provision {"subjects":[{"type":"user","name":"ada"}]}`,
	}
	if d := cmp.Diff(want, s.took()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestProvisionMany: more users than one call takes go in several, at the pace that the service asks for; what was done
// before an error is told.
func TestProvisionMany(t *testing.T) {
	calls := 0
	s := newFakeService(t, nil)
	s.answers = map[string]any{"POST /jobs/webex/provision": func(*http.Request) any {
		switch calls++; calls {
		case 2:
			return &web.Problem{Status: 429, Code: "TooManyRequests", Message: "Too many.", RetryAfter: time.Second}
		case 4:
			return &web.Problem{Status: 422, Code: "TargetUnreachable", Message: "target: nobody answers"}
		}
		return []web.ProvisionedObject{anAnswer("ada@example.test", false)}
	}}
	args := []string{"provision", "webex"}
	for i := range 120 {
		args = append(args, fmt.Sprint("user", i))
	}
	code, out, errs := runCommand(t, "", args...)
	asked := s.took()
	if len(asked) != 4 || asked[1] != asked[2] || strings.Count(asked[0], "name") != 50 || strings.Count(asked[3], "name") != 20 {
		t.Errorf("asked %d times", len(asked))
	}
	if code != exitConnection || strings.Count(out, `"subject"`) != 2 || !strings.Contains(errs, "nobody answers") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, errs)
	}
}
