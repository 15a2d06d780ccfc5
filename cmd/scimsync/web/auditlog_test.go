package web

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

// logged writes rows into the provisioning log of a job, by settling changes as an export does.
func (b *bench) logged(j engine.JobID, rows ...engine.LogEntry) {
	b.t.Helper()
	for i, e := range rows {
		if e.Kind == "" {
			e.Kind = engine.User
		}
		if e.At.IsZero() {
			e.At = b.now()
		}
		if e.Source.ID == "" {
			e.Source.ID = fmt.Sprintf("s%d", i)
		}
		ref := engine.Ref{Kind: e.Kind, ID: e.Source.ID}
		ctx := b.t.Context()
		c, err := b.store.BeginCycle(ctx, engine.Cycle{ID: engine.CycleID("cycle-of-" + string(j)), Job: j, State: engine.CycleRunning, StartedAt: b.now()})
		if err != nil {
			b.t.Fatal(err)
		}
		if err := b.store.Settle(ctx, j, c.ID, []engine.Settled{{Ref: ref, Log: &e}}); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) provisioning(query string) (ids []string, p Page[ProvisioningRecord]) {
	b.t.Helper()
	b.pass(time.Second)
	b.want(200, "", "GET", "/auditLogs/provisioning?"+query, "").into(b.t, &p)
	for _, r := range p.Value {
		ids = append(ids, r.SourceIdentity.ID)
	}
	return ids, p
}

func TestProvisioningRecord(t *testing.T) {
	b := newBench(t)
	b.logged("webex", engine.LogEntry{
		Action: engine.Create, Status: engine.StatusFailure, Rule: "U1", Reason: engine.Assigned, Source: engine.Identity{ID: "5b0e", Name: "Mira Holt"}, Code: engine.CodeConflict,
		HTTPStatus: 409, Detail: "userName already taken", Changes: []engine.LoggedChange{{Attribute: "userName", New: "mira@example.test"}, {Attribute: "emails", Old: []any{"a"}}}, Duration: 412 * time.Millisecond, By: "ops",
	})
	_, p := b.provisioning("")
	if len(p.Value) != 1 {
		t.Fatalf("%+v", p)
	}
	r := p.Value[0]
	steps := r.Steps
	r.Steps = nil
	id := r.ID
	want := ProvisioningRecord{
		ID: id, ActivityDateTime: start, TenantID: "7d1f0c52-0000-4000-8000-00000000aa01", JobID: "webex", CycleID: "cycle-of-webex", ChangeID: "k-" + id, Action: "create", DurationMS: 412,
		StatusInfo: StatusInfo{Status: "failure", Error: &ErrorInformation{ErrorCode: "Conflict", Reason: "A value that has to be unique is in use by another object of the target.",
			AdditionalDetails: new("userName already taken"), Category: "nonServiceFailure", RecommendedAction: new("Find the other object by the value in the details, and change or remove it, or match by the attribute that clashes.")}},
		ModifiedProperties: []ModifiedProperty{{"userName", nil, new("mira@example.test")}, {"emails", new(`["a"]`), nil}},
		InitiatedBy:        Initiator{ID: "ops", DisplayName: "ops", InitiatorType: "user"},
		ServicePrincipal:   NamedID{connection, "crm.example.test"},
		SourceSystem:       SystemInfo{"7d1f0c52-0000-4000-8000-00000000aa01", "Microsoft Graph", map[string]string{}},
		TargetSystem:       SystemInfo{"webex", "crm.example.test", map[string]string{}},
		SourceIdentity:     IdentityInfo{"5b0e", "Mira Holt", "User", map[string]string{}},
		TargetIdentity:     IdentityInfo{"", "", "User", map[string]string{}},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	if len(steps) < 3 || steps[0].Type != engine.StepImport || steps[len(steps)-1].Status != engine.StatusFailure {
		t.Errorf("steps %+v", steps)
	}
}

func TestActions(t *testing.T) {
	for _, c := range []struct {
		action engine.Action
		reason engine.Reason
		want   string
	}{
		{engine.Create, "", "create"}, {engine.Update, "", "update"}, {engine.Enable, "", "update"}, {engine.Disable, "", "disable"}, {engine.Delete, "", "delete"},
		{engine.Staged, "", "stagedDelete"}, {engine.Disable, engine.AwaitingApproval, "stagedDelete"}, {engine.Skip, "", "other"}, {engine.Nothing, "", "other"}, {engine.Fail, "", "other"},
	} {
		if got := graphAction(engine.LogEntry{Action: c.action, Reason: c.reason}); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.action, c.reason, got, c.want)
		}
	}
}

func TestProvisioningFilter(t *testing.T) {
	b := newBench(t)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	b.logged("webex",
		engine.LogEntry{At: at(1), Action: engine.Create, Status: engine.StatusSuccess, Source: engine.Identity{ID: "a", Name: "Mira O'Hara"}, Target: engine.Identity{ID: "ta", Name: "mira"}},
		engine.LogEntry{At: at(2), Action: engine.Enable, Status: engine.StatusSuccess, Source: engine.Identity{ID: "b", Name: "mira holt"}, Target: engine.Identity{ID: "tb", Name: "x"}},
		engine.LogEntry{At: at(3), Action: engine.Staged, Status: engine.StatusSkipped, Source: engine.Identity{ID: "c", Name: "Noor and Co"}, Target: engine.Identity{ID: "tc"}},
	)
	b.logged("other", engine.LogEntry{At: at(4), Action: engine.Update, Status: engine.StatusFailure, Code: engine.CodeTimeout, Source: engine.Identity{ID: "d", Name: "Mira"}})
	_, all := b.provisioning("")
	idOfA := all.Value[3].ID
	for _, c := range []struct{ filter, want string }{
		{"", "d c b a"},
		{"jobId eq 'webex'", "c b a"},
		{"jobId eq 'WEBEX'", ""},
		{"jobId ne 'webex'", "d"},
		{"servicePrincipal/id eq '" + connection + "'", "c b a"},
		{"targetSystem/displayName eq 'b.example.test'", "d"},
		{"contains(sourceSystem/displayName,'Graph')", "d c b a"},
		{"cycleId eq 'cycle-of-other'", "d"},
		{"id eq '" + idOfA + "'", "a"},
		{"id eq 'x'", ""},
		{"changeId eq 'k-" + idOfA + "'", "a"},
		{"changeId eq '" + idOfA + "'", ""},
		{"provisioningAction eq 'update'", "d b"},
		{"provisioningAction eq 'stageddelete'", "c"},
		{"provisioningAction eq 'StagedDelete' and jobId eq 'webex'", "c"},
		{"provisioningAction ne 'create'", "d c b"},
		{"provisioningStatusInfo/status eq 'Failure'", "d"},
		{"provisioningStatusInfo/status eq failure", "d"},
		{"sourceIdentity/id eq 'b'", "b"},
		{"sourceIdentity/id eq 'B'", ""},
		{"targetIdentity/id eq 'tc'", "c"},
		{"sourceIdentity/displayName eq 'Mira O''Hara'", "a"},
		{"contains(sourceIdentity/displayName,'Mira')", "d a"},
		{"contains( sourceIdentity/displayName , 'mira' )", "b"},
		{"contains(targetIdentity/displayName,'mira')", "a"},
		{"contains(sourceIdentity/displayName,' and ') and jobId eq 'webex'", "c"},
		{"activityDateTime gt " + at(2).Format(time.RFC3339), "d c"},
		{"activityDateTime ge " + at(2).Format(time.RFC3339), "d c b"},
		{"activityDateTime lt " + at(2).Format(time.RFC3339), "a"},
		{"activityDateTime le '" + at(2).Format(time.RFC3339) + "'", "b a"},
		{"activityDateTime eq 2031-03-04T10:02:00Z", "b"},
		{"activityDateTime ge 2031-03-04T12:02:00+02:00 and activityDateTime lt 2031-03-04T10:04:00Z", "c b"},
		{"activityDateTime gt 2031-03-04", "d c b a"},
		{"ACTIVITYDATETIME GT 2031-03-05 AND jobid EQ 'webex'", ""},
	} {
		for order, reverse := range map[string]bool{"": false, "activityDateTime desc": false, "activityDateTime asc": true, "activityDateTime": true} {
			want := strings.Fields(c.want)
			if reverse {
				slices.Reverse(want)
			}
			if got, _ := b.provisioning(url.Values{"$filter": {c.filter}, "$orderby": {order}}.Encode()); !slices.Equal(got, want) {
				t.Errorf("%s by %q: %v, want %v", c.filter, order, got, want)
			}
		}
	}
	b.pass(time.Minute)
	for _, wrong := range []string{"jobId", "jobId eq", "jobId eq 'x", "jobId like 'x'", "jobId eq 'x' or jobId eq 'y'", "jobId eq 'x' and", "colour eq 'red'", "jobId gt 'x'", "contains(jobId 'x')",
		"contains(jobId,'x'", "contains(provisioningAction,'x')", "contains(activityDateTime,'2')", "activityDateTime gt yesterday", "activityDateTime gt", "(jobId eq 'x')", "jobId eq 'x' 'y'", strings.Repeat("jobId eq 'x' and ", 40) + "jobId eq 'x'",
		"jobId eq '" + strings.Repeat("x", 5000) + "'"} {
		b.pass(time.Second)
		b.want(400, "InvalidFilter", "GET", "/auditLogs/provisioning?"+url.Values{"$filter": {wrong}}.Encode(), "")
	}
	b.want(400, "Request_BadRequest", "GET", "/auditLogs/provisioning?$orderby=jobId", "")
}

// Pages stay what they are while new rows arrive: newest first they are not seen, oldest first they come last.
func TestProvisioningPaging(t *testing.T) {
	for _, order := range []string{"desc", "asc"} {
		b := newBench(t)
		row := func(id string) engine.LogEntry {
			return engine.LogEntry{Action: engine.Create, Status: engine.StatusSuccess, Source: engine.Identity{ID: id}}
		}
		var want []string
		for i := range 10 {
			id := fmt.Sprintf("r%d", i)
			b.logged([]engine.JobID{"webex", "other"}[i%2], row(id))
			want = append(want, id)
		}
		if order == "desc" {
			slices.Reverse(want)
		}
		var got []string
		next := "/auditLogs/provisioning?$top=3&$orderby=activityDateTime%20" + order
		for i := 0; next != ""; i++ {
			var p Page[ProvisioningRecord]
			b.want(200, "", "GET", next, "").into(t, &p)
			for _, r := range p.Value {
				got = append(got, r.SourceIdentity.ID)
			}
			if next = p.Next; next != "" && i < 3 {
				late := fmt.Sprintf("late%d", i)
				b.logged("webex", row(late))
				if order == "asc" {
					want = append(want, late)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", order, got, want)
		}
	}
}

// A filter that leaves nothing of a long log does not read all of it in one request.
func TestScanLimit(t *testing.T) {
	b := newBench(t)
	b.api.store = longLog{b.store}
	var p Page[ProvisioningRecord]
	b.want(200, "", "GET", "/auditLogs/provisioning?$filter=provisioningAction+eq+'create'", "").into(t, &p)
	if len(p.Value) != 0 || p.Next == "" {
		t.Errorf("%d rows, next %q", len(p.Value), p.Next)
	}
}

// longLog is a log without an end.
type longLog struct{ engine.Store }

func (longLog) Entries(_ context.Context, j engine.JobID, f engine.LogFilter) ([]engine.LogEntry, error) {
	var rows []engine.LogEntry
	if f.AfterID == 0 {
		f.AfterID = 1 << 40
	}
	for i := range int64(f.Limit) {
		rows = append(rows, engine.LogEntry{ID: f.AfterID - 1 - i, Job: j, Action: engine.Delete})
	}
	return rows, nil
}

func TestLogs(t *testing.T) {
	b := newBench(t)
	b.logged("webex",
		engine.LogEntry{Action: engine.Create, Status: engine.StatusSuccess, Source: engine.Identity{ID: "a", Name: "Mira"}, MatchedBy: "created", By: "ops"},
		engine.LogEntry{Action: engine.Delete, Status: engine.StatusFailure, Code: engine.CodeTimeout, Source: engine.Identity{ID: "b", Name: "Noor"}, At: start.Add(time.Hour)},
		engine.LogEntry{Action: engine.Create, Status: engine.StatusSuccess, Kind: engine.Group, Source: engine.Identity{ID: "g", Name: "Sales"}, At: start.Add(2 * time.Hour)},
	)
	b.pass(3 * time.Hour)
	ids := func(rows []LogRow) (out []string) {
		for _, r := range rows {
			out = append(out, r.Source.ID)
		}
		return out
	}
	for _, c := range []struct {
		q    LogQuery
		want string
	}{
		{LogQuery{}, "a b g"},
		{LogQuery{Newest: true}, "g b a"},
		{LogQuery{User: "MIR"}, "a"},
		{LogQuery{Action: engine.Create}, "a g"},
		{LogQuery{Status: engine.StatusFailure}, "b"},
		{LogQuery{Since: start.Add(time.Hour)}, "b g"},
		{LogQuery{Cycle: "cycle-of-webex", Limit: 1}, "a"},
		{LogQuery{Cycle: "none"}, ""},
	} {
		rows, err := b.client().Logs(t.Context(), "webex", c.q)
		if err != nil || !slices.Equal(ids(rows), strings.Fields(c.want)) {
			t.Errorf("%+v: %v %v, want %s", c.q, ids(rows), err, c.want)
		}
	}
	all, err := b.client().Logs(t.Context(), "webex", LogQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := b.client().Logs(t.Context(), "webex", LogQuery{After: all[0].ID}); err != nil || !slices.Equal(ids(rest), []string{"b", "g"}) {
		t.Errorf("%v %v", ids(rest), err)
	}
	want := LogRow{ID: all[0].ID, Job: "webex", Time: start, Cycle: "cycle-of-webex", Type: engine.User, Action: engine.Create, Status: engine.StatusSuccess,
		Source: engine.Identity{ID: "a", Name: "Mira"}, By: "ops", MatchedBy: "created"}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Error(diff)
	}
	var p Page[LogRow]
	b.want(200, "", "GET", "/jobs/webex/logs?since=90m&type=group&code=", "").into(t, &p)
	if len(p.Value) != 1 {
		t.Errorf("%+v", p)
	}
	b.want(200, "", "GET", "/jobs/webex/logs?limit=2", "").into(t, &p)
	var last Page[LogRow]
	b.want(200, "", "GET", p.Next, "").into(t, &last)
	if got := ids(last.Value); !slices.Equal(got, []string{"g"}) || last.Next != "" {
		t.Errorf("%v, next %q", got, last.Next)
	}
	b.want(400, "Request_BadRequest", "GET", "/jobs/webex/logs?since=yesterday", "")
}

func TestAudit(t *testing.T) {
	b := newBench(t)
	for i, e := range []engine.AuditEntry{
		{At: start, Job: "webex", By: "ops", Activity: engine.AuditStarted},
		{At: start.Add(time.Hour), Job: "other", By: "ops", Activity: engine.AuditPaused, From: "10.0.0.1"},
		{At: start.Add(2 * time.Hour), By: "system", Activity: engine.AuditCredentials, Comment: "soon"},
	} {
		if err := b.store.PutAudit(t.Context(), e); err != nil {
			t.Fatal(i, err)
		}
	}
	for _, c := range []struct {
		q    AuditQuery
		want int
	}{
		{AuditQuery{}, 3}, {AuditQuery{Job: "WebEx"}, 1}, {AuditQuery{By: "ops"}, 2}, {AuditQuery{Activity: engine.AuditPaused}, 1},
		{AuditQuery{Since: start.Add(time.Minute)}, 2}, {AuditQuery{Until: start.Add(time.Minute)}, 1}, {AuditQuery{Limit: 2}, 2},
	} {
		rows, err := b.client().Audit(t.Context(), c.q)
		if err != nil || len(rows) != c.want {
			t.Errorf("%+v: %d rows, want %d; %v", c.q, len(rows), c.want, err)
		}
	}
	first, err := b.client().Audit(t.Context(), AuditQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := b.client().Audit(t.Context(), AuditQuery{After: first[0].ID}); err != nil || len(rest) != 2 || rest[0].From != "10.0.0.1" {
		t.Errorf("%+v %v", rest, err)
	}
}

// Whatever is read as a filter can be asked of the store and of a record; nothing breaks.
func FuzzFilter(f *testing.F) {
	f.Add("jobId eq 'webex' and contains(sourceIdentity/displayName,'O''Hara') and activityDateTime gt 2031-03-01T08:00:00Z")
	f.Add("provisioningStatusInfo/status ne failure")
	f.Add("contains(")
	f.Fuzz(func(t *testing.T, s string) {
		cs, err := parseFilter(s)
		if err != nil {
			if p, ok := err.(*Problem); !ok || p.Code != "InvalidFilter" || p.Status != 400 {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		r := record(Job{ID: "webex"}, engine.LogEntry{ID: 3, At: start, Action: engine.Create, Status: engine.StatusSuccess})
		var lf engine.LogFilter
		for _, c := range cs {
			c.holds(&r)
			c.narrow(&lf)
		}
		jobsOf([]Job{{ID: "webex"}}, cs)
	})
}
