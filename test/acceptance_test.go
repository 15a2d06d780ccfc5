package test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
	"github.com/scimsync/scimsync/engine/store"
	"github.com/scimsync/scimsync/mapping"
)

// TestAcceptance are the acceptance tests of provisioning.md section 35 by their numbers, with the vectors of sections
// 15 and 17.1 and the options of section 12 that belong to them. Numbers that are not here have tests of their own: 15 and
// 16 in guard_test.go, 27 in ondemand_test.go, 29 in faults_test.go and kill_test.go, 34 in drift_test.go, 35 in links_test.go.
func TestAcceptance(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"35.1 create, match active, match inactive", acceptEntering},
		{"35.2 blocked and assigned, with an active account there", acceptBlockedStranger},
		{"35.3 two paths of assignment", acceptTwoPaths},
		{"35.4 unassigned or recycled, then purged", acceptPurged},
		{"35.5 disabled before renamed, and a refused rename", acceptRecycled},
		{"35.6 restored on day 29, purged on day 30", acceptThirtyDays},
		{"11.4 restored otherwise than they left", acceptRestored},
		{"35.7 a rename is one request", acceptRename},
		{"35.8 filters by department", acceptDepartments},
		{"35.9 every operator but patterns", acceptOperators},
		{"35.10 accounts that leave the scope are skipped", acceptSkipOutOfScope},
		{"35.11 actions switched off", acceptActions},
		{"35.12 an account that is gone", acceptGone},
		{"35.13 conflict, ladder and expiry", acceptConflict},
		{"35.13 retried and ignored by hand", acceptByHand},
		{"35.13 what fails before anything is sent expires too", acceptExpiry},
		{"16.2 failures and a new mapping, failures nobody needs", acceptNewMapping},
		{"35.14 quarantine, ladder and end", acceptQuarantineEnds},
		{"35.14 quarantine lifted", acceptQuarantineLifted},
		{"35.14 another reason", acceptQuarantineReason},
		{"35.14 half of forty fail", acceptProportion},
		{"17.1 failures pruned", acceptPruned},
		{"35.17 restart with an empty scope", acceptRestart},
		{"35.17 restart without links", acceptRestartFull},
		{"35.17 other scopes of a restart", acceptRestartScopes},
		{"35.18 a lost watermark", acceptLostWatermark},
		{"35.19 replayed and repeated entries", acceptReplays},
		{"35.20 groups first, members when they are there", acceptLateMember},
		{"35.21 nested groups ignored", acceptNestedIgnored},
		{"35.21 nested groups expanded", acceptNestedExpanded},
		{"35.21 nested groups as members", acceptNestedMembers},
		{"35.22 a manager who comes later", acceptManager},
		{"35.23 guests", acceptGuests},
		{"35.24 ambiguous matches", acceptAmbiguous},
		{"35.24 a target that ignores filters", acceptFilterIgnored},
		{"35.25 a mapping saved during a cycle", acceptSavedMapping},
		{"35.26 a pause during a cycle", acceptPause},
		{"35.28 a throttled request waits", acceptThrottled},
		{"35.30 everybody, then those assigned", acceptNarrower},
		{"35.31 empty at the source", acceptNull},
		{"35.32 refused credentials", acceptCredentials},
		{"35.33 exported and imported", acceptExported},
		{"12 delete who is blocked", acceptBlockedDeleted},
		{"12 delete after a grace time", acceptGrace},
		{"12 groups that leave the scope", acceptGroupsLeaving},
		{"11.3 the recycle bin once a day", acceptBin},
		{"16.2 one poisoned object among a thousand", acceptPoisoned},
		{"16.2 one member that fails", acceptFailingMember},
		{"18.6 too many removals", acceptRemovals},
		{"18.6 an emptied group", acceptEmptied},
		{"U33 gone again and again", acceptGoneAgain},
		{"U43 no licence left", acceptLicences},
	} {
		t.Run(c.name, func(t *testing.T) { virtually(t, c.run) })
	}
	// Regular expressions are searched against a clock of their own, which a bubble of virtual time would wait for.
	for name, run := range map[string]func(*testing.T){
		"35.9 patterns":                        acceptPatterns,
		"35.9 clauses and filters, section 15": acceptClauses,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); run(t) })
	}
}

// bubble is a world of virtual time.
func bubble(t *testing.T, s setting) *world {
	t.Helper()
	s.virtual = true
	return newWorld(t, s)
}

// scheduled starts a cycle as the schedule does: nobody asked for it. notNow is the answer when none may begin.
func (w *world) scheduled() (c engine.Cycle, notNow *cycle.NotNowError) {
	w.t.Helper()
	w.cycles++
	w.app.ResetCounts()
	w.dir.ClearLog()
	c, err := w.runner.Run(context.WithoutCancel(w.t.Context()), "test", engine.CycleID(fmt.Sprintf("cycle-%d", w.cycles)), func(int) {})
	if err != nil && !errors.As(err, &notNow) {
		w.t.Fatalf("cycle %d: %v", w.cycles, err)
	}
	return c, notNow
}

// until lets time pass up to d after the moment.
func until(moment time.Time, d time.Duration) { time.Sleep(time.Until(moment.Add(d))) }

// wrote fails the test unless the last cycle sent just these requests that change something, by method and place.
func (w *world) wrote(want map[string]int) {
	w.t.Helper()
	got := map[string]int{}
	for what, n := range w.app.Requests().By {
		if !strings.HasPrefix(what, "GET ") {
			got[what] = n
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Fatalf("cycle %d wrote %v, want %v", w.cycles, got, want)
	}
}

const (
	postUser, patchUser, deleteUser    = "POST /Users", "PATCH /Users/{id}", "DELETE /Users/{id}"
	postGroup, patchGroup, deleteGroup = "POST /Groups", "PATCH /Groups/{id}", "DELETE /Groups/{id}"
)

// bodies are the requests of a method that the application was sent in the last cycle, oldest first. The world needs
// [scimtest.Options.LogBodies].
func (w *world) bodies(method, template string) []string {
	var out []string
	for _, r := range w.app.Log() {
		if r.Method == method && r.Template == template {
			out = append(out, r.RequestBody)
		}
	}
	return out
}

var withBodies = scimtest.Options{LogBodies: true, LogSize: 10_000}

// rows are log rows of a person or group, oldest first.
func (w *world) rows(f engine.LogFilter) []engine.LogEntry {
	w.t.Helper()
	rows, err := w.store.Entries(w.t.Context(), "test", f)
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// lastRow is the newest log row about a person or group.
func (w *world) lastRow(id string) engine.LogEntry {
	w.t.Helper()
	rows := w.rows(engine.LogFilter{Source: id})
	if len(rows) == 0 {
		w.t.Fatalf("the log has no row about %s", id)
	}
	return rows[len(rows)-1]
}

// noted fails the test unless the newest row about an object has this status and this reason or code.
func (w *world) noted(id string, status engine.LogStatus, why string) {
	w.t.Helper()
	if r := w.lastRow(id); r.Status != status || why != "" && why != string(r.Reason) && why != string(r.Code) {
		w.t.Fatalf("cycle %d: the log says %s %s %s, %s: %q; want %s, %s", w.cycles, r.Action, r.Status, r.Reason, r.Code, r.Detail, status, why)
	}
}

// linked fails the test unless a person has a link in this state.
func (w *world) linked(id string, want engine.LinkState) {
	w.t.Helper()
	if l := w.linkOf(id); l.State != want {
		w.t.Fatalf("cycle %d: the link is %+v, want it %s", w.cycles, l, want)
	}
}

// failing lists the changes of people that failed, by id, those that expired included.
func (w *world) failing() map[string]engine.Queued {
	w.t.Helper()
	out := map[string]engine.Queued{}
	list, err := w.store.Changes(w.t.Context(), "test", engine.User, []engine.ChangeState{engine.ChangeEscrow, engine.ChangeExpired}, "", 10_000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, q := range list {
		out[q.ID] = q
	}
	return out
}

func (w *world) control() engine.Control {
	w.t.Helper()
	c, err := w.store.Control(w.t.Context(), "test")
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// reset restarts the job.
func (w *world) reset(what cycle.Reset) {
	w.t.Helper()
	if err := w.runner.Restart(w.t.Context(), "test", what); err != nil {
		w.t.Fatal(err)
	}
}

// planned is what a cycle of the job would do now: a cycle on a copy of what is known, with an application that is only
// read. Nothing of it is kept.
func (w *world) planned(job *cycle.Job) (engine.Cycle, []engine.LogEntry) {
	w.t.Helper()
	ctx := w.t.Context()
	scratch, err := store.Open(ctx, "", w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := scratch.Close(); err != nil {
			w.t.Error(err)
		}
	}()
	if err := w.store.(*store.Store).CopyJob(ctx, job.ID, scratch); err != nil {
		w.t.Fatal(err)
	}
	dry := *job
	dry.Target = cycle.DryTarget{Target: job.Target}
	w.app.ResetCounts()
	c, err := cycle.New(scratch, map[engine.JobID]*cycle.Job{job.ID: &dry}, zap.NewNop()).Run(ctx, job.ID, "plan", func(int) {})
	if err != nil {
		w.t.Fatalf("plan: %v", err)
	}
	if n := w.app.Requests(); n.Writes != 0 {
		w.t.Fatalf("a plan wrote: %v", n.By)
	}
	rows, err := scratch.Entries(ctx, job.ID, engine.LogFilter{Limit: 10_000})
	if err != nil {
		w.t.Fatal(err)
	}
	return c, rows
}

// mapped is the default mapping of groups with the attributes given for people, and filters if there are any.
func mapped(t *testing.T, filters []mapping.FilterSpec, attributes ...mapping.AttributeSpec) *mapping.Mapping {
	t.Helper()
	m := mapping.Default()
	users, problems := mapping.Compile(mapping.ObjectSpec{Filter: filters, Attributes: append([]mapping.AttributeSpec{
		{Target: "userName", Source: "[userPrincipalName]", Match: 1},
		{Target: "active", Source: "Not([IsSoftDeleted])"},
		{Target: "displayName", Source: "[displayName]"},
		{Target: "name.givenName", Source: "[givenName]"},
		{Target: "name.familyName", Source: "[surname]"},
		{Target: "externalId", Source: "[objectId]"},
	}, attributes...)})
	for _, p := range problems {
		if !p.Warning {
			t.Fatal(p)
		}
	}
	m.Users = users
	return &m
}

const day = 24 * time.Hour
