package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
)

// aJob is a healthy job.
func aJob(id string) web.SynchronizationJob {
	return web.SynchronizationJob{
		ID: id, TemplateID: "scim", Enabled: true, Scope: engine.ScopeAssigned, Connection: "2c9b7e10-0000-4000-8000-000000000003",
		Schedule: web.Schedule{Interval: new("PT40M"), State: "Active"},
		Settings: []web.NameValue{{Name: "QuarantineTooManyDeletesThreshold", Value: "20"}, {Name: "RequireRole", Value: "false"}},
		Source:   web.Endpoint{Type: "msgraph", Name: "Microsoft Graph", TenantID: "7d1f0c52-0000-4000-8000-000000000001"},
		Target:   web.Endpoint{Type: "scim", Name: "scim.example.test", BaseURL: "https://scim.example.test/v2", AuthType: "bearer"},
		Links:    map[engine.Kind]map[engine.LinkState]int{engine.User: {engine.Managed: 190, engine.Suspended: 3, engine.Released: 7}, engine.Group: {engine.Managed: 20}},
		Queue:    map[engine.ChangeState]int{},
		Status: web.JobStatus{
			Code: "Active", LastExecution: anExecution("c-9", "Succeeded"), LastSuccessfulExecution: anExecution("c-9", "Succeeded"), Progress: []web.TaskProgress{},
		},
	}
}

func anExecution(cycle, state string) *web.TaskExecution {
	return &web.TaskExecution{ActivityIdentifier: cycle, State: state, CountExported: 12, TimeBegan: day(12, 0), TimeEnded: new(day(12, 4))}
}

// someJobs are jobs in every state that needs other words.
func someJobs() []web.SynchronizationJob {
	jobs := map[string]func(*web.SynchronizationJob){
		"a-well": func(*web.SynchronizationJob) {},
		"b-new":  func(j *web.SynchronizationJob) { j.Status = web.JobStatus{Code: "NotRun"}; j.Links = nil },
		"c-off": func(j *web.SynchronizationJob) {
			j.Enabled, j.Status.Code, j.Schedule.State = false, "Paused", "Disabled"
		},
		"d-paused": func(j *web.SynchronizationJob) { j.Status.Code, j.Schedule.State = "Paused", "Paused" },
		"e-ended":  func(j *web.SynchronizationJob) { j.Status.Code, j.Schedule.State = "Paused", "Disabled" },
		"f-running": func(j *web.SynchronizationJob) {
			j.Running = &web.CycleResult{Job: j.ID, Cycle: "c-10", Kind: engine.Incremental, State: engine.CycleRunning, Phase: engine.PhaseUsers, Done: 30, Total: 200, StartedAt: day(12, 40)}
		},
		"g-failed": func(j *web.SynchronizationJob) {
			j.Queue = map[engine.ChangeState]int{engine.ChangeEscrow: 3, engine.ChangeExpired: 1, engine.ChangeLater: 2}
			j.Status.LastExecution.State, j.Status.LastExecution.CountEscrowedRaw = "EntryLevelErrors", 4
		},
		"h-members": func(j *web.SynchronizationJob) {
			j.Status.LastExecution.State, j.Status.LastExecution.CountEscrowedRaw = "EntryLevelErrors", 1
			j.References = web.ReferenceCounts{Failed: 1}
		},
		"h-removals": func(j *web.SynchronizationJob) {
			j.Status.LastExecution.State, j.Status.LastExecution.Error = "EntryLevelErrors", &web.TaskError{Code: "TooManyRemovals", Message: "the membership removals of 2 groups are held"}
			j.References, j.Queue = web.ReferenceCounts{Held: 12, HeldGroups: 2, Rejected: 3, Failed: 2}, map[engine.ChangeState]int{engine.ChangeEscrow: 1}
			j.LastCycle = &web.CycleResult{Job: j.ID, Cycle: "c-9", State: engine.CycleHeld}
		},
		"i-held": func(j *web.SynchronizationJob) {
			j.Status.Code, j.Queue = "Quarantine", map[engine.ChangeState]int{engine.ChangeHeld: 31}
			j.Status.Quarantine = &web.QuarantineInfo{CurrentBegan: day(12, 4), SeriesBegan: day(12, 4), NextAttempt: day(12, 40), Reason: engine.QuarantineDeletes}
			j.Status.LastExecution.State, j.Status.LastExecution.Error = "EntryLevelErrors", &web.TaskError{Code: "TooManyDeletes", Message: "31 are held"}
			j.LastCycle = &web.CycleResult{Job: j.ID, Cycle: "c-9", State: engine.CycleHeld}
		},
		"j-quarantine": func(j *web.SynchronizationJob) {
			j.Status.Code, j.Status.SuccessiveFailures = "Quarantine", 2
			j.Status.LastExecution = anExecution("c-9", "Failed")
			j.Status.LastExecution.Error = &web.TaskError{Code: "credentials", Message: "the target refused the token"}
			j.LastCycle = &web.CycleResult{Job: j.ID, Cycle: "c-9", State: engine.CycleQuarantined}
			j.Status.LastSuccessfulExecution = anExecution("c-7", "Succeeded")
			j.Status.Quarantine = &web.QuarantineInfo{CurrentBegan: day(12, 4), SeriesBegan: day(12, 4), NextAttempt: day(16, 4), Reason: engine.QuarantineException,
				Error: &web.TaskError{Code: "credentials", Message: "the target refused the token"}}
		},
		"j-verdict": func(j *web.SynchronizationJob) {
			j.Status.Code = "Quarantine"
			j.Status.Quarantine = &web.QuarantineInfo{CurrentBegan: day(12, 4), SeriesBegan: day(12, 4), Reason: engine.QuarantineDeletes}
		},
		"k-expires": func(j *web.SynchronizationJob) { j.Target.Expires = day(0, 0).AddDate(-20, 0, 0) },
	}
	var out []web.SynchronizationJob
	for _, id := range slices.Sorted(maps.Keys(jobs)) {
		j := aJob(id)
		jobs[id](&j)
		out = append(out, j)
	}
	return out
}

func TestJobListAndShow(t *testing.T) {
	inUTC(t)
	jobs := someJobs()
	answers := map[string]any{"GET /jobs": web.Page[web.SynchronizationJob]{Value: jobs}}
	commands := [][]string{forPeople("job", "list")}
	for _, j := range jobs {
		answers["GET /jobs/"+j.ID] = j
		commands = append(commands, forPeople("job", "show", j.ID))
	}
	newFakeService(t, answers)
	commands = append(commands, forPeople("job", "show"), forPeople("job", "show", "a-wll"))
	checkGolden(t, "testdata/operate/jobs.golden", transcript(t, "", commands...))

	code, out, errs := runCommand(t, "", "job", "show", "g-failed")
	var got web.SynchronizationJob
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitDone || errs != "" {
		t.Fatalf("exit %d, stderr %q: %v", code, errs, err)
	}
	if d := cmp.Diff(jobs[6], got); d != "" {
		t.Errorf("for programs a job is that of the API (-want +got):\n%s", d)
	}
}

// TestJobActs: each verb asks for what it says and nothing else.
func TestJobActs(t *testing.T) {
	inUTC(t)
	paused := aJob("webex")
	paused.Status.Code, paused.Schedule.State = "Paused", "Paused"
	s := newFakeService(t, map[string]any{
		"GET /jobs": web.Page[web.SynchronizationJob]{Value: []web.SynchronizationJob{paused}}, "GET /jobs/webex": paused,
		"POST /jobs/webex/start": nil, "POST /jobs/webex/pause": nil, "POST /jobs/webex/restart": nil,
		"POST /jobs/webex/stop": &web.Problem{Status: 409, Code: "InvalidJobState", Message: "no cycle of job webex is running"},
	})
	for line, want := range map[string]struct {
		code       int
		asked, say string
	}{
		"job start webex":         {exitDone, "POST /jobs/webex/start", "job webex: started"},
		"job pause":               {exitDone, "POST /jobs/webex/pause", "job webex: paused"},
		"job stop webex":          {exitUsage, "POST /jobs/webex/stop", "no cycle of job webex is running"},
		"job restart webex":       {exitDone, `POST /jobs/webex/restart {"criteria":{}}`, "scimsync job start webex"},
		"job restart --start":     {exitDone, `POST /jobs/webex/restart?start=true {"criteria":{}}`, "reset"},
		"job restart nosuch":      {exitUsage, "POST /jobs/nosuch/restart {\"criteria\":{}}", `no job "nosuch"; jobs are: webex`},
		"job restart --reset all": {exitUsage, "", "--reset all: use watermark, escrows"},
		"job restart webex --reset watermark,escrows --reset quarantine": {exitDone, `POST /jobs/webex/restart {"criteria":{"resetScope":"Watermark,Escrows,QuarantineState"}}`, "reset"},
		"job restart webex --reset links":                                {exitUsage, "", "200 users, 20 groups"},
		"job restart webex --reset watermark,full":                       {exitUsage, "", "repeat the command with --yes"},
		"job restart webex --reset watermark,links --yes":                {exitDone, `POST /jobs/webex/restart {"criteria":{"resetScope":"Full"}}`, "reset"},
		"job frobnicate": {exitUsage, "", `unknown command "frobnicate"`},
	} {
		code, out, errs := runCommand(t, "", forPeople(strings.Fields(line)...)...)
		if asked := strings.Join(s.took(), "\n"); code != want.code || asked != want.asked || !strings.Contains(out+errs, want.say) {
			t.Errorf("%s: exit %d, asked for %q, want %d and %q\nstdout %q\nstderr %q, want %q", line, code, asked, want.code, want.asked, out, errs, want.say)
		}
	}
}

// aCycle is a cycle that ended in some way.
func aCycle(state engine.CycleState, problem *web.CycleProblem) web.CycleResult {
	c := web.CycleResult{Job: "webex", Cycle: "c-10", Kind: engine.Incremental, State: state, StartedAt: day(12, 40), EndedAt: day(12, 41),
		Users: web.UserCounts{Created: 3, Failed: 1}, Requests: web.RequestCounts{Source: 4, Target: 9, TargetWrites: 5}, Error: problem}
	if state == engine.CycleQuarantined {
		c.Quarantine, c.Error = problem, nil
	}
	return c
}

// TestJobSync follows a cycle that begins late, goes on through an outage of the service, and ends in every way there is:
// the exit code is that of run --once.
func TestJobSync(t *testing.T) {
	inUTC(t)
	for i, c := range []struct {
		state   engine.CycleState
		problem *web.CycleProblem
		code    int
	}{
		{engine.CycleSucceeded, nil, exitDone},
		{engine.CycleEntryErrors, nil, exitFailed},
		{engine.CycleHeld, &web.CycleProblem{Code: "TooManyDeletes", Message: "31 disables are held"}, exitHeld},
		{engine.CycleQuarantined, &web.CycleProblem{Code: "credentials", Message: "the target refused the token"}, exitHeld},
		{engine.CycleQuarantined, &web.CycleProblem{Code: "transport", Message: "nobody answers"}, exitConnection},
		{engine.CycleFailed, &web.CycleProblem{Code: "SourceUnavailable", Message: "Graph does not answer"}, exitConnection},
		{engine.CycleFailed, &web.CycleProblem{Code: "stopped", Message: "the cycle was stopped"}, exitFailed},
	} {
		reads := 0
		if i > 0 {
			reads = 3 // the way is the same for all of them
		}
		done := aCycle(c.state, c.problem)
		newFakeService(t, map[string]any{
			"POST /jobs/webex/sync": web.SyncResult{Cycle: "c-10"}, "GET /jobs/webex": aJob("webex"),
			"GET /jobs/webex/cycles": web.Page[web.CycleResult]{Value: []web.CycleResult{{Cycle: "c-9"}}},
			"GET /jobs/webex/logs":   web.Page[web.LogRow]{Value: []web.LogRow{{Type: engine.User, Action: engine.Create, Status: engine.StatusFailure, Rule: "U1", Code: "conflict", Detail: "userName is taken", Source: engine.Identity{ID: "u1", Name: "ada@example.test"}}}},
			"GET /jobs/webex/cycles/c-10": func(*http.Request) any {
				switch reads++; reads {
				case 1:
					return &web.Problem{Status: 404, Code: "Request_ResourceNotFound", Message: "not yet"}
				case 2:
					return web.CycleResult{Job: "webex", Cycle: "c-10", Kind: engine.Incremental, State: engine.CycleRunning, Phase: engine.PhaseUsers, Done: 2, Total: 4, StartedAt: day(12, 40)}
				case 3:
					return &web.Problem{Status: 503, Code: "ServiceUnavailable", Message: "restarting"}
				default:
					return done
				}
			},
		})
		code, out, errs := runCommand(t, "", forPeople("job", "sync", "webex")...)
		want := []string{"job webex: incremental cycle " + stateWords[c.state], "in 1m0s", "failed    ada@example.test", "conflict userName is taken"}
		if c.problem != nil {
			want = append(want, c.problem.Code+": "+c.problem.Message)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s %v: the output does not have %q:\n%s", c.state, c.problem, w, out)
			}
		}
		if code != c.code || i == 0 && !strings.Contains(errs, "webex: incremental cycle, users, 2 of 4 objects") {
			t.Errorf("%s %v: exit %d, want %d; stderr %q", c.state, c.problem, code, c.code, errs)
		}
		reads = 3
		code, out, _ = runCommand(t, "", "job", "sync", "webex")
		var got web.RunResult
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != c.code {
			t.Fatalf("%s for programs: exit %d: %v", c.state, code, err)
		}
		if d := cmp.Diff(web.RunResult{Cycles: []web.CycleResult{done}}, got); d != "" {
			t.Errorf("for programs the result is that of run --once (-want +got):\n%s", d)
		}
	}
}

// TestJobSyncJoins: the schedule passed the cycle over that was asked for, because another began at that moment.
func TestJobSyncJoins(t *testing.T) {
	lists := 0
	newFakeService(t, map[string]any{
		"POST /jobs/webex/sync": web.SyncResult{Cycle: "c-10"}, "GET /jobs/webex": aJob("webex"),
		"GET /jobs/webex/cycles": func(*http.Request) any {
			c := web.CycleResult{Job: "webex", Cycle: "c-9", State: engine.CycleSucceeded}
			if lists++; lists > 2 {
				c = aCycle(engine.CycleSucceeded, nil)
				c.Cycle = "c-11"
			}
			return web.Page[web.CycleResult]{Value: []web.CycleResult{c}}
		},
		"GET /jobs/webex/logs": web.Page[web.LogRow]{},
	})
	code, out, errs := runCommand(t, "", "job", "sync", "webex")
	if code != exitDone || !strings.Contains(out, `"cycle":"c-11"`) {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, errs)
	}
}

// TestJobSyncAfterAnother: the cycle before has written its result but is not put away, so that it is joined at first.
func TestJobSyncAfterAnother(t *testing.T) {
	starts := 0
	newFakeService(t, map[string]any{
		"POST /jobs/webex/sync": func(*http.Request) any {
			if starts++; starts < 3 {
				return web.SyncResult{Cycle: "c-9"}
			}
			return web.SyncResult{Cycle: "c-10"}
		},
		"GET /jobs/webex/cycles":      web.Page[web.CycleResult]{Value: []web.CycleResult{{Job: "webex", Cycle: "c-9", State: engine.CycleHeld}}},
		"GET /jobs/webex/cycles/c-9":  web.CycleResult{Job: "webex", Cycle: "c-9", State: engine.CycleHeld},
		"GET /jobs/webex/cycles/c-10": aCycle(engine.CycleSucceeded, nil),
	})
	code, out, errs := runCommand(t, "", "job", "sync", "webex")
	if code != exitDone || !strings.Contains(out, `"cycle":"c-10"`) || starts != 3 {
		t.Errorf("exit %d after %d starts, stdout %q, stderr %q", code, starts, out, errs)
	}
}

// TestJobSyncInterrupted: the cycle of a service goes on when nobody follows it any more, and the command says so.
func TestJobSyncInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	newFakeService(t, map[string]any{
		"POST /jobs/webex/sync":  web.SyncResult{Cycle: "c-10"},
		"GET /jobs/webex/cycles": web.Page[web.CycleResult]{},
		"GET /jobs/webex/cycles/c-10": func(*http.Request) any {
			stop()
			return aCycle(engine.CycleRunning, nil)
		},
	})
	var out, errs strings.Builder
	code := execute(ctx, []string{"job", "sync", "webex"}, strings.NewReader(""), &out, &errs)
	if code != exitInternal || out.String() != "" || !strings.Contains(errs.String(), "the cycle goes on") || !strings.Contains(errs.String(), "scimsync job stop webex") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out.String(), errs.String())
	}
}

// TestJobSyncRefused: a job that may not run, at once or when its turn comes, is a job that is held up, not a mistake.
func TestJobSyncRefused(t *testing.T) {
	ended := aJob("webex")
	ended.Status.Code, ended.Schedule.State = "Paused", "Disabled"
	for name, sync := range map[string]any{
		"at once": &web.Problem{Status: 409, Code: "InvalidJobState", Message: "job webex: disabled after four weeks in quarantine; mend the cause and start it: scimsync job start webex"},
		"later":   web.SyncResult{Cycle: "c-10"},
	} {
		newFakeService(t, map[string]any{"POST /jobs/webex/sync": sync, "GET /jobs/webex": ended, "GET /jobs/webex/cycles": web.Page[web.CycleResult]{}})
		code, out, errs := runCommand(t, "", "job", "sync", "webex")
		if code != exitHeld || out != "" || !strings.Contains(errs, "disabled") || !strings.Contains(errs, "scimsync job start webex") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", name, code, out, errs)
		}
	}
}
