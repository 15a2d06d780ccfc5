package web

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

// cycle puts a cycle that ended into the store.
func (b *bench) cycle(id string, state engine.CycleState, counts engine.Counts) {
	b.t.Helper()
	b.pass(time.Minute)
	c := engine.Cycle{ID: engine.CycleID(id), Job: "webex", Kind: engine.Incremental, State: engine.CycleRunning, Phase: engine.PhaseImport, StartedAt: b.now()}
	if _, err := b.store.BeginCycle(b.t.Context(), c); err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.Count(b.t.Context(), "webex", c.ID, counts); err != nil {
		b.t.Fatal(err)
	}
	if state == engine.CycleRunning {
		return
	}
	code, message := "", ""
	if state == engine.CycleFailed || state == engine.CycleQuarantined {
		code, message = "credentials", "the target refuses the credentials"
	}
	if _, err := b.store.EndCycle(b.t.Context(), "webex", c.ID, state, code, message, b.now().Add(10*time.Second)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) job() SynchronizationJob {
	b.t.Helper()
	var j SynchronizationJob
	b.want(200, "", "GET", graphRoot+"/jobs/webex", "").into(b.t, &j)
	return j
}

func identifier(t *TaskExecution) string {
	if t == nil {
		return ""
	}
	return t.ActivityIdentifier
}

func TestStatusOfCycles(t *testing.T) {
	b := newBench(t)
	all := engine.Counts{
		"users.created": 5, "users.updated": 2, "users.failed": 3, "users.skipped": 7, "users.disabled": 1, "users.unchanged": 4, "groups.created": 1,
		engine.MembershipsAdded: 6, engine.MembershipsFailed: 2, engine.ObjectsImported: 30, engine.ObjectsQueued: 16, engine.RequestsWrites: 9,
	}
	if j := b.job(); j.Status.Code != "NotRun" || j.Status.LastExecution != nil {
		t.Errorf("before the first cycle: %+v", j.Status)
	}
	b.cycle("c1", engine.CycleSucceeded, engine.Counts{"users.created": 1})
	b.cycle("c2", engine.CycleSucceeded, engine.Counts{"users.unchanged": 1})
	b.cycle("c3", engine.CycleEntryErrors, all)
	b.cycle("c4", engine.CycleQuarantined, engine.Counts{})
	b.cycle("c5", engine.CycleRunning, engine.Counts{engine.ObjectsImported: 12})
	s := b.job().Status
	if s.Code != "Active" || identifier(s.LastExecution) != "c4" || identifier(s.LastSuccessfulExecution) != "c2" || identifier(s.LastSuccessfulWithExports) != "c1" {
		t.Errorf("%s, last %s, successful %s, with exports %s", s.Code, identifier(s.LastExecution), identifier(s.LastSuccessfulExecution), identifier(s.LastSuccessfulWithExports))
	}
	if want := (&TaskError{Code: "credentials", Message: "the target refuses the credentials", TenantActionable: true}); !cmp.Equal(s.LastExecution.Error, want) {
		t.Error(cmp.Diff(want, s.LastExecution.Error))
	}
	if len(s.Progress) != 1 || s.Progress[0].CompletedUnits != 12 {
		t.Errorf("progress %+v", s.Progress)
	}
	var run Page[TaskExecution]
	b.want(200, "", "GET", graphRoot+"/jobs/webex/cycles", "").into(t, &run)
	i := slices.IndexFunc(run.Value, func(e TaskExecution) bool { return e.ActivityIdentifier == "c3" })
	got := run.Value[i]
	want := TaskExecution{
		ActivityIdentifier: "c3", State: "EntryLevelErrors", TimeBegan: got.TimeBegan, TimeEnded: got.TimeEnded, CountImported: 30, CountImportedDeltas: 16,
		CountImportedReferenceDeltas: 8, CountEntitled: 15, CountEntitledForProvisioning: 15, CountExports: 20, CountExported: 15, CountEscrowed: 3, CountEscrowedRaw: 5,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, e := range run.Value {
		if e.CountEntitledForProvisioning > e.CountEntitled || e.CountExported > e.CountExports || e.CountEscrowed > e.CountEscrowedRaw {
			t.Errorf("the counters do not add up: %+v", e)
		}
	}
}

// What was found in old cycles is remembered, and forgotten when they are.
func TestHistory(t *testing.T) {
	b := newBench(t)
	b.cycle("exporting", engine.CycleSucceeded, engine.Counts{"users.created": 1})
	for i := range 40 {
		b.cycle(fmt.Sprintf("quiet%d", i), engine.CycleSucceeded, engine.Counts{})
	}
	for range 2 {
		if s := b.job().Status; identifier(s.LastSuccessfulWithExports) != "exporting" || identifier(s.LastSuccessfulExecution) != "quiet39" {
			t.Errorf("successful %s, with exports %s", identifier(s.LastSuccessfulExecution), identifier(s.LastSuccessfulWithExports))
		}
		b.cycle("failed", engine.CycleFailed, nil)
	}
	b.cycle("again", engine.CycleSucceeded, engine.Counts{"groups.deleted": 1})
	if s := b.job().Status; identifier(s.LastSuccessfulWithExports) != "again" || identifier(s.LastExecution) != "again" {
		t.Errorf("%+v", s)
	}
	if err := b.store.EraseJob(t.Context(), "webex"); err != nil {
		t.Fatal(err)
	}
	if s := b.job().Status; s.LastExecution != nil || s.LastSuccessfulWithExports != nil || s.Code != "NotRun" {
		t.Errorf("after erasing: %+v", s)
	}
}

func TestState(t *testing.T) {
	q := &engine.Quarantine{Reason: engine.QuarantineException}
	for _, c := range []struct {
		name           string
		enabled, ran   bool
		control        engine.Control
		code, schedule string
	}{
		{"new", true, false, engine.Control{}, "NotRun", "Active"},
		{"healthy", true, true, engine.Control{}, "Active", "Active"},
		{"paused", true, true, engine.Control{Paused: true}, "Paused", "Paused"},
		{"paused in quarantine", true, true, engine.Control{Paused: true, Quarantine: q}, "Paused", "Paused"},
		{"quarantine", true, true, engine.Control{Quarantine: q}, "Quarantine", "Active"},
		{"quarantine of the first cycle", true, false, engine.Control{Quarantine: q}, "Quarantine", "Active"},
		{"after 28 days", true, true, engine.Control{Disabled: true, Quarantine: q}, "Paused", "Disabled"},
		{"switched off", false, true, engine.Control{}, "Paused", "Disabled"},
	} {
		if code, schedule := stateOf(Job{Enabled: c.enabled}, c.control, c.ran); code != c.code || schedule != c.schedule {
			t.Errorf("%s: %s/%s, want %s/%s", c.name, code, schedule, c.code, c.schedule)
		}
	}
}

// The quarantine of a job is shown with all its times.
func TestQuarantineShown(t *testing.T) {
	b := newBench(t)
	_, err := b.store.UpdateControl(t.Context(), "webex", func(c *engine.Control) error {
		c.Failures = 3
		c.Quarantine = &engine.Quarantine{Reason: engine.QuarantineException, Code: engine.CodeTransport, Message: "the target cannot be reached",
			SeriesBegan: start, CurrentBegan: start.Add(time.Hour), NextAttempt: start.Add(7 * time.Hour), SeriesCount: 3}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s := b.job().Status
	want := &QuarantineInfo{CurrentBegan: start.Add(time.Hour), SeriesBegan: start, SeriesCount: 3, NextAttempt: start.Add(7 * time.Hour),
		Reason: "EncounteredQuarantineException", Error: &TaskError{Code: "transport", Message: "the target cannot be reached"}}
	if diff := cmp.Diff(want, s.Quarantine); diff != "" || s.SuccessiveFailures != 3 || s.Code != "Quarantine" {
		t.Errorf("%s %d %s", s.Code, s.SuccessiveFailures, diff)
	}
}

// Of a held cycle Graph's state says that not all was done and ours that it is held; while deletions are held the next attempt
// is when the schedule starts the next cycle.
func TestHeldShown(t *testing.T) {
	b := newBench(t)
	b.cycle("c1", engine.CycleHeld, engine.Counts{"users.held": 9, "users.created": 1})
	_, err := b.store.UpdateControl(t.Context(), "webex", func(c *engine.Control) error {
		c.Quarantine = &engine.Quarantine{Reason: engine.QuarantineDeletes, Code: engine.CodeTooManyDeletes, SeriesBegan: start, CurrentBegan: start}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	j := b.job()
	if j.Status.LastExecution.State != "EntryLevelErrors" || j.LastCycle == nil || j.LastCycle.Cycle != "c1" || j.LastCycle.State != engine.CycleHeld {
		t.Errorf("last execution %+v, last cycle %+v", j.Status.LastExecution, j.LastCycle)
	}
	next := j.Status.Quarantine.NextAttempt
	if wait := next.Sub(b.now()); wait <= 0 || wait > 40*time.Minute || next.Unix()%(40*60) != 0 {
		t.Errorf("at %s the next attempt is %s", b.now(), next)
	}
}

// Removals of members that a guard holds back, and references that failed, are told beside the queue of objects.
func TestReferencesShown(t *testing.T) {
	b := newBench(t)
	b.leaving("h", 3)
	b.leaving("i", 2)
	if _, err := b.store.JudgeRemovals(t.Context(), "webex", "h", []engine.Ref{user("h-m000")}, engine.Rejected); err != nil {
		t.Fatal(err)
	}
	timeout := engine.Escrow{Code: engine.CodeTimeout, FirstFailure: start, Due: start.Add(time.Minute)}
	if err := b.store.SettleEdges(t.Context(), "webex", "c", engine.EdgesSettled{From: group("h"), Relation: engine.Member,
		Failed: map[engine.Ref]engine.Escrow{user("h-m001"): timeout}}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.job().References, (ReferenceCounts{Held: 4, HeldGroups: 2, Rejected: 1, Failed: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Lists are paged by their next links, and end.
func TestPaging(t *testing.T) {
	b := newBench(t)
	for i := range 7 {
		b.cycle(fmt.Sprintf("c%d", i), engine.CycleSucceeded, nil)
	}
	for i := range 5 {
		for _, k := range []engine.Kind{engine.User, engine.Group} {
			id := fmt.Sprintf("%s%d", k, i)
			state := engine.Managed
			if i == 4 {
				state = engine.Released
			}
			if err := b.store.PutLink(t.Context(), "webex", engine.Link{Ref: engine.Ref{Kind: k, ID: id}, TargetID: "t" + id, State: state, Name: "Name " + id}, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	walk := func(path string) (ids []string) {
		for next := path; next != ""; {
			var p Page[map[string]any]
			b.want(200, "", "GET", next, "").into(t, &p)
			if len(p.Value) > 3 {
				t.Errorf("%s: a page of %d", next, len(p.Value))
			}
			for _, v := range p.Value {
				id, ok := v["cycle"].(string)
				if !ok {
					id, _ = v["id"].(string)
				}
				ids = append(ids, id)
			}
			next = p.Next
		}
		return ids
	}
	links := []string{"user:user0", "user:user1", "user:user2", "user:user3", "user:user4", "group:group0", "group:group1", "group:group2", "group:group3", "group:group4"}
	for path, want := range map[string][]string{
		"/jobs?$top=1":                                  {"webex", "other"},
		"/jobs/webex/cycles?$top=3":                     {"c6", "c5", "c4", "c3", "c2", "c1", "c0"},
		"/jobs/webex/cycles?$top=1":                     {"c6", "c5", "c4", "c3", "c2", "c1", "c0"},
		"/jobs/webex/links?$top=1":                      links,
		"/jobs/webex/links?$top=3":                      links,
		"/jobs/webex/links?$top=3&type=group":           links[5:],
		"/jobs/webex/links?$top=1&state=released":       {"user:user4", "group:group4"},
		"/jobs/webex/links?source=USER1":                {"user:user1"},
		"/jobs/webex/links?sourceId=user1&type=group":   nil,
		"/jobs/webex/links?target=tgroup2":              {"group:group2"},
		graphRoot + "/jobs/webex/links?targetId=tuser4": {"user:user4"},
	} {
		if got := walk(path); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// Settings live in the configuration file: those in effect are accepted, others are refused with their key.
func TestChangeJob(t *testing.T) {
	b := newBench(t)
	tag := b.want(200, "", "GET", "/jobs/webex", "").Header.Get("Etag")
	for _, body := range []string{
		`{}`, `{"schedule":{"interval":"PT40M"}}`, `{"schedule":{"interval":"pt0h40m0s","state":"active"}}`, `{"synchronizationJobSettings":[{"name":"quarantinetoomanydeletesthreshold","value":"5"}]}`,
	} {
		b.want(200, "", "PATCH", "/jobs/webex", body, "If-Match: "+tag)
	}
	for body, key := range map[string]string{
		`{"schedule":{"interval":"PT20M"}}`: "interval",
		`{"synchronizationJobSettings":[{"name":"QuarantineTooManyDeletesThreshold","value":"500"}]}`: "deletions.threshold",
		`{"synchronizationJobSettings":[{"name":"RequireRole","value":"true"}]}`:                      "requireRole",
	} {
		var e ErrorBody
		b.want(409, "InvalidJobState", "PATCH", "/jobs/webex", body).into(t, &e)
		if len(e.Error.Details) != 1 || e.Error.Details[0].Target != key {
			t.Errorf("%s: details %+v", body, e.Error.Details)
		}
	}
	for _, body := range []string{`{"schedule":{"interval":"PT30S"}}`, `{"schedule":{"interval":"P2D"}}`, `{"schedule":{"interval":"40m"}}`, `{"schedule":{"state":"Paused"}}`,
		`{"synchronizationJobSettings":[{"name":"Colour","value":"blue"}]}`} {
		b.want(400, "Request_BadRequest", "PATCH", "/jobs/webex", body)
	}
	if calls := b.back.calls(); len(calls) > 0 {
		t.Errorf("the backend was asked for %v", calls)
	}
}

func TestEraseJob(t *testing.T) {
	b := newBench(t)
	b.want(204, "", "DELETE", graphRoot+"/jobs/webex", "")
	if got := b.back.calls(); !slices.Equal(got, []string{"erase webex"}) {
		t.Errorf("asked for %v", got)
	}
	if by := b.back.by[0]; by.Name != "the admin" || by.From != "127.0.0.1" {
		t.Errorf("asked by %+v", by)
	}
}

func TestSynchronization(t *testing.T) {
	b := newBench(t)
	var s Synchronization
	b.want(200, "", "GET", graphRoot, "").into(t, &s)
	if s.ID != connection || !slices.Equal(s.Jobs, []string{"webex"}) {
		t.Errorf("%+v", s)
	}
	var p Page[Template]
	b.want(200, "", "GET", graphRoot+"/templates", "").into(t, &p)
	if len(p.Value) != 1 || p.Value[0].ID != "scim" {
		t.Errorf("%+v", p)
	}
	b.want(200, "", "GET", graphRoot+"/templates/customAppSso/schema", "")
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"PT40M": 40 * time.Minute, "pt1h": time.Hour, "P1D": 24 * time.Hour, "P1DT1H1M1.5S": 25*time.Hour + 61*time.Second + 500*time.Millisecond, "PT0S": 0,
		"P10675199DT2H48M5.4775807S": -1, "": -1, "P": -1, "PT": -1, "P1DT": -1, "40m": -1, "PT-1M": -1, "PT1M1H": -1,
	} {
		got, ok := parseISO(text)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %s %t, want %s", text, got, ok, want)
		}
	}
}

func FuzzDurations(f *testing.F) {
	f.Add("PT40M")
	f.Add("P1DT2H3M4.5S")
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := parseISO(s)
		if !ok {
			return
		}
		if again, ok := parseISO(isoDuration(d)); !ok || again != d && (again-d).Abs() > time.Microsecond {
			t.Errorf("%q is %s, written %s, read %s", s, d, isoDuration(d), again)
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRate(2, 10*time.Second)
		take := func(key string) bool { return r.take(key, time.Now()) == nil }
		if !take("a") {
			t.Error("the first call was refused")
		}
		time.Sleep(4 * time.Second)
		if !take("a") || take("a") || !take("b") {
			t.Error("two calls are possible for each key, the third is not")
		}
		if p := r.take("a", time.Now()); p == nil || p.RetryAfter != 6*time.Second {
			t.Errorf("%+v", p)
		}
		time.Sleep(6 * time.Second)
		if !take("a") || take("a") {
			t.Error("only the first call is over")
		}
	})
}
