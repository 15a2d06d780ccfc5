package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

// rule is the id of the rule in the schema of the bench.
func (b *bench) rule() string {
	b.t.Helper()
	ids, err := b.api.rules(b.t.Context(), "webex")
	if err != nil || len(ids) == 0 {
		b.t.Fatal(ids, err)
	}
	return ids[0]
}

func (b *bench) onDemandBody(subjects string) string {
	return fmt.Sprintf(`{"parameters":[{"@odata.type":"#x","ruleId":%q,"subjects":[%s]}]}`, b.rule(), subjects)
}

const onDemandPath = graphRoot + "/jobs/webex/provisionOnDemand"

// Both values of the answer are JSON in strings.
func TestProvisionOnDemand(t *testing.T) {
	b := newBench(t)
	var a OnDemandAnswer
	b.want(200, "", "POST", onDemandPath, b.onDemandBody(`{"objectId":"5b0e","objectTypeName":"User"}`)).into(t, &a)
	var key map[string]any
	if err := json.Unmarshal([]byte(a.Key), &key); err != nil {
		t.Fatal(err)
	}
	if want := (map[string]any{"result": "Success", "details": map[string]any{"errorCode": nil, "errorMessage": nil}}); !cmp.Equal(want, key) {
		t.Error(cmp.Diff(want, key))
	}
	var v OnDemandValue
	if err := json.Unmarshal([]byte(a.Value), &v); err != nil {
		t.Fatal(err)
	}
	want := OnDemandValue{
		Action: "create", ChangeID: "k-7", StartTime: start, EndTime: start, ReportableIdentifier: "Mira Holt",
		ModifiedProperties: []ModifiedProperty{{"userName", nil, new("mira@example.test")}, {"active", nil, new("true")}},
		ProvisioningSteps:  []OnDemandStep{{Name: "EntryImportAdd", Type: "Import", Status: "Success", Description: "was read", Details: map[string]string{"objectId": "5b0e"}}},
		StatusInfo:         OnDemandStatus{Status: "Success"},
		SourceIdentity:     Party{ID: "5b0e", Type: "User", DisplayName: "Mira Holt", Details: map[string]string{}},
		SourceSystem:       Party{ID: "7d1f0c52-0000-4000-8000-00000000aa01", DisplayName: "Microsoft Graph", Details: map[string]string{}},
		TargetIdentity:     Party{ID: "t1", Type: "User", Details: map[string]string{}},
		TargetSystem:       Party{ID: "webex", DisplayName: "crm.example.test", Details: map[string]string{}},
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
	r := b.want(200, "", "POST", onDemandPath, b.onDemandBody(`{"objectId":"5b0e","objectTypeName":"user"}`), "Prefer: return=structured")
	var s struct {
		Key   OnDemandResult
		Value OnDemandValue
	}
	r.into(t, &s)
	if diff := cmp.Diff(want, s.Value); diff != "" || s.Key.Result != "Success" || r.Header.Get("Preference-Applied") != "return=structured" {
		t.Error(diff, s.Key, r.Header)
	}
}

func TestProvisionOnDemandFails(t *testing.T) {
	b := newBench(t)
	b.back.provided = func(ss []engine.Subject, _ bool) ([]engine.Provisioned, error) {
		return []engine.Provisioned{
			{Subject: engine.Identity{ID: "a"}, Status: engine.StatusSkipped, Kind: engine.User, Entry: engine.LogEntry{Action: engine.Skip, Status: engine.StatusSkipped, Reason: engine.NotAssigned}},
			{Subject: engine.Identity{ID: "b"}, Status: engine.StatusFailure, Kind: engine.User, Entry: engine.LogEntry{Action: engine.Create, Status: engine.StatusFailure, Code: engine.CodeConflict, Detail: "userName taken"}},
		}[:len(ss)], nil
	}
	var s struct {
		Key   OnDemandResult
		Value OnDemandValue
	}
	b.want(200, "", "POST", onDemandPath, b.onDemandBody(`{"objectId":"a","objectTypeName":"User"}`), "Prefer: return=structured").into(t, &s)
	if s.Key.Result != "Skipped" || *s.Key.Details.ErrorCode != "NotEffectivelyEntitled" || s.Value.Action != "other" {
		t.Errorf("%+v", s)
	}
	var many struct {
		Key   OnDemandResult
		Value []OnDemandValue
	}
	b.want(200, "", "POST", onDemandPath, b.onDemandBody(`{"objectId":"a","objectTypeName":"User"},{"objectId":"b","objectTypeName":"User"}`), "Prefer: return=structured").into(t, &many)
	if many.Key.Result != "Failure" || *many.Key.Details.ErrorMessage != "userName taken" || len(many.Value) != 2 || *many.Value[1].StatusInfo.ErrorCategory != "NonServiceFailure" {
		t.Errorf("%+v", many)
	}
}

func TestProvisionOnDemandLimits(t *testing.T) {
	b := newBench(t)
	user := func(i int) string { return fmt.Sprintf(`{"objectId":"u%d","objectTypeName":"User"}`, i) }
	users := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, user(i))
		}
		return strings.Join(all, ",")
	}
	group := func(n int) string {
		return `{"objectId":"g","objectTypeName":"Group","links":{"members":[` + users(n) + `]}}`
	}
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"ten users", b.onDemandBody(users(10)), 200},
		{"eleven users", b.onDemandBody(users(11)), 400},
		{"five members", b.onDemandBody(group(5)), 200},
		{"six members", b.onDemandBody(group(6)), 400},
		{"two groups", b.onDemandBody(group(1) + "," + group(1)), 400},
		{"a group and a user", b.onDemandBody(group(1) + "," + user(1)), 400},
		{"nobody", b.onDemandBody(""), 400},
		{"no parameters", `{"parameters":[]}`, 400},
		{"no id", b.onDemandBody(`{"objectTypeName":"User"}`), 400},
		{"a device", b.onDemandBody(`{"objectId":"x","objectTypeName":"Device"}`), 400},
		{"another rule", strings.Replace(b.onDemandBody(user(1)), b.rule(), "no-such-rule", 1), 400},
	} {
		b.pass(11 * time.Second)
		code := ""
		if c.status == 400 {
			code = "Request_BadRequest"
		}
		t.Run(c.name, func(t *testing.T) { b.want(c.status, code, "POST", onDemandPath, c.body) })
	}
	b.pass(11 * time.Second)
	for range 5 {
		b.want(200, "", "POST", onDemandPath, b.onDemandBody(user(1)))
		b.pass(time.Second)
	}
	r := b.want(429, "TooManyRequests", "POST", onDemandPath, b.onDemandBody(user(1)))
	if r.Header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
}

func TestDryRun(t *testing.T) {
	b := newBench(t)
	const path = graphRoot + "/jobs/webex/dryRun"
	b.want(404, "Request_ResourceNotFound", "POST", path, `{"sample":3}`)
	for i := range 4 {
		if err := b.store.PutLink(t.Context(), "webex", engine.Link{Ref: engine.Ref{Kind: engine.User, ID: fmt.Sprint("u", i)}, TargetID: fmt.Sprint("t", i), State: engine.Managed}, false); err != nil {
			t.Fatal(err)
		}
	}
	var s struct{ Value []OnDemandValue }
	b.want(200, "", "POST", path, `{"sample":3}`, "Prefer: return=structured").into(t, &s)
	if len(s.Value) != 3 || !s.Value[0].DryRun || s.Value[2].SourceIdentity.ID != "u2" {
		t.Errorf("%+v", s.Value)
	}
	b.want(200, "", "POST", path, `{"subjects":[{"objectId":"x","objectTypeName":"User"}]}`)
	b.want(200, "", "POST", path, b.onDemandBody(`{"objectId":"x","objectTypeName":"User"}`))
	b.want(400, "Request_BadRequest", "POST", path, `{"sample":11}`)
	b.want(400, "Request_BadRequest", "POST", path, `{}`)
}

// What takes long goes on after its request, and can be asked about.
func TestLongOperation(t *testing.T) {
	b := newBench(t)
	b.api.patience = time.Millisecond
	release := make(chan struct{})
	b.back.provided = func([]engine.Subject, bool) ([]engine.Provisioned, error) {
		<-release
		return []engine.Provisioned{{Subject: engine.Identity{ID: "a"}, Kind: engine.User, Status: engine.StatusSuccess}}, nil
	}
	r := b.want(202, "", "POST", onDemandPath, b.onDemandBody(`{"objectId":"a","objectTypeName":"User"}`))
	at := r.Header.Get("Location")
	var v OperationView
	b.want(200, "", "GET", at, "").into(t, &v)
	if v.Status != "running" || v.Result != nil {
		t.Errorf("%+v", v)
	}
	b.want(404, "Request_ResourceNotFound", "GET", strings.Replace(at, "/jobs/webex/", "/jobs/other/", 1), "")
	close(release)
	<-b.api.operations.all[0].done
	b.want(200, "", "GET", at, "").into(t, &v)
	if v.Status != "succeeded" || v.Result == nil || v.Result.Key.Result != "Success" {
		t.Errorf("%+v", v)
	}
	b.pass(2 * time.Hour)
	b.back.provided = func([]engine.Subject, bool) ([]engine.Provisioned, error) {
		return nil, &Refusal{Code: "OperationInProgress", Message: "somebody else has it"}
	}
	b.api.patience = time.Minute
	b.want(409, "OperationInProgress", "POST", onDemandPath, b.onDemandBody(`{"objectId":"a","objectTypeName":"User"}`))
	b.want(404, "Request_ResourceNotFound", "GET", at, "")
	failed := b.api.operations.all[0].id
	b.want(200, "", "GET", "/jobs/webex/operations/"+failed, "").into(t, &v)
	if v.Status != "failed" || v.Error == nil || v.Error.Code != "OperationInProgress" {
		t.Errorf("%+v", v)
	}
}

func TestProvision(t *testing.T) {
	b := newBench(t)
	var asked []engine.Subject
	b.back.provided = func(s []engine.Subject, dry bool) ([]engine.Provisioned, error) {
		asked = s
		return (&fakeBackend{now: b.now}).Provision(t.Context(), Caller{}, "webex", s, dry, true)
	}
	done, err := b.client().Provision(t.Context(), "webex", ProvisionRequest{DryRun: true, Explain: true, Subjects: []SubjectRequest{
		{Name: "mira@example.test"}, {Type: engine.Group, Name: "Sales"}, {Type: engine.Group, Name: "Ops", Members: []string{"m1"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []engine.Subject{{Kind: engine.User, Name: "mira@example.test"}, {Kind: engine.Group, Name: "Sales"}, {Kind: engine.Group, Name: "Ops", Members: []string{"m1"}}}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
	if len(done) != 3 || !done[0].DryRun || done[0].Row == nil || done[0].Row.Rule != "U1" || len(done[0].Row.Changes) != 2 || !slices.Equal(done[0].Explain, []string{"assigned directly"}) ||
		len(done[0].Steps) != 1 || len(done[2].Members) != 1 || done[2].Members[0].Row != nil {
		t.Errorf("%+v", done)
	}
	for _, body := range []string{`{}`, `{"subjects":[{}]}`, `{"subjects":[{"name":" "}]}`, `{"subjects":[{"name":"x","type":"device"}]}`, `{"subjects":[` + strings.Repeat(`{"name":"x"},`, 50) + `{"name":"x"}]}`} {
		b.want(400, "Request_BadRequest", "POST", "/jobs/webex/provision", body)
	}
}
