package test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
	"github.com/scimsync/scimsync/mapping"
)

// emptyScope is what a restart with an empty scope forgets.
var emptyScope = cycle.Reset{Watermark: true, Escrows: true, Quarantine: true, Known: true}

// ownAccounts are the ids of accounts by the ids of their people.
func (w *world) ownAccounts() map[string]string {
	out := map[string]string{}
	for _, r := range w.app.Users() {
		if r.ExternalID != "" {
			out[r.ExternalID] = r.ID
		}
	}
	return out
}

func acceptRestart(t *testing.T) {
	w := bubble(t, setting{graph: company(30, 4)})
	bad := w.assigned("bad")[0]
	w.fault(scimtest.Fault{Method: "POST", Path: "/Users", BodyContains: "bad@example.test", Status: 400})
	w.cycle()
	w.after(40 * time.Minute) // the second try; from now on the ladder
	before := w.ownAccounts()
	if err := w.runner.Quarantine(t.Context(), "test", "to be looked at"); err != nil {
		t.Fatal(err)
	}
	var drifted string
	for id := range before {
		if id != bad {
			w.put(w.mustAccount(id), map[string]any{"displayName": "Changed there"})
			drifted = id
			break
		}
	}
	groups := w.app.Groups()
	lost := groups[slices.IndexFunc(groups, func(r scimtest.Resource) bool { return len(r.Members) > 1 })]
	w.put(lost, map[string]any{"members": []any{map[string]any{"value": lost.Members[0]}}})
	w.sync() // asked for; an ordinary cycle does not notice
	if w.mustAccount(drifted).DisplayName != "Changed there" {
		t.Fatal("an ordinary cycle read an account that nothing happened to")
	}
	w.reset(emptyScope)
	if n := w.queue(); n[engine.ChangeEscrow] != 0 || w.control().Quarantine != nil {
		t.Errorf("after the restart: %v, %+v", n, w.control().Quarantine)
	}
	w.app.ClearFaults()
	c, late := w.scheduled()
	if late != nil || c.Kind != engine.Initial || c.State != engine.CycleSucceeded {
		t.Fatalf("%s %s, %v", c.Kind, c.State, late)
	}
	// The one that failed is made, everybody is read, what was changed there is put right, and members that got lost
	// there are members again.
	w.wrote(map[string]int{postUser: 1, patchUser: 1, patchGroup: len(groups)})
	if now := w.mustGroup(lost.ExternalID); len(now.Members) < len(lost.Members) {
		t.Errorf("the group has %d of %d members", len(now.Members), len(lost.Members))
	}
	if n := w.app.Requests().By["GET /Users/{id}"]; n < 30 {
		t.Errorf("%d accounts were read", n)
	}
	for id, account := range w.ownAccounts() {
		if before[id] != account && id != bad {
			t.Errorf("%s has another account", id)
		}
	}
	w.settled()
	w.inStep()
	w.quiet()
}

func acceptRestartFull(t *testing.T) {
	w := bubble(t, setting{graph: company(30, 4)})
	left := w.assigned("left")[0]
	w.sync()
	before := w.ownAccounts()
	w.dir.Unassign(left)
	w.reset(cycle.Reset{Watermark: true, Escrows: true, Quarantine: true, Known: true, Links: true})
	w.linked(left, engine.LinkNone)
	c := w.sync()
	if n := w.app.Requests().By; n[postUser] != 0 || n[postGroup] != 0 || n["GET /Users"] < 30 || n["GET /Groups"] < 4 {
		t.Errorf("sent %v, want a search for each and no create", n)
	}
	if c.Kind != engine.Initial {
		t.Errorf("the cycle is %s", c.Kind)
	}
	if d := cmp.Diff(before, w.ownAccounts()); d != "" {
		t.Errorf("accounts (-before +after):\n%s", d)
	}
	if !w.mustAccount(left).Active { // section 19: the engine no longer knows who lost the scope meanwhile
		t.Error("somebody without a link was disabled")
	}
	w.dir.Assign(left, graphtest.ZeroRole)
	w.sync()
	w.settled()
	w.inStep()
	w.quiet()
}

// acceptRestartScopes takes the other words of section 19 one by one.
func acceptRestartScopes(t *testing.T) {
	w := bubble(t, setting{graph: company(20, 3)})
	bad := w.assigned("bad")[0]
	w.fault(scimtest.Fault{Method: "POST", Path: "/Users", BodyContains: "bad@example.test", Status: 400})
	w.cycle()
	w.after(40 * time.Minute)
	feeds := func() (empty bool) {
		st, err := w.store.FeedState(t.Context(), "test", engine.FeedUsers)
		if err != nil {
			t.Fatal(err)
		}
		return st.Watermark == ""
	}
	for _, c := range []struct {
		name              string
		what              cycle.Reset
		watermark, escrow bool // afterwards
		kind              engine.CycleKind
	}{
		{"Watermark", cycle.Reset{Watermark: true}, false, true, engine.Initial},
		{"QuarantineState", cycle.Reset{Quarantine: true}, true, true, engine.Incremental},
		{"Escrows", cycle.Reset{Escrows: true}, true, false, engine.Incremental},
	} {
		if err := w.runner.Quarantine(t.Context(), "test", c.name); err != nil {
			t.Fatal(err)
		}
		w.reset(c.what)
		if got := w.control().Quarantine == nil; got != c.what.Quarantine {
			t.Errorf("%s: quarantine lifted %t", c.name, got)
		}
		if got := w.queue()[engine.ChangeEscrow] == 1; got != c.escrow && c.name != "Watermark" {
			t.Errorf("%s: an escrow %t", c.name, got)
		}
		if got := !feeds(); got != c.watermark {
			t.Errorf("%s: a watermark %t", c.name, got)
		}
		if links, err := w.store.CountLinks(t.Context(), "test", engine.User); err != nil || links[engine.Managed] != 20 {
			t.Errorf("%s: links %v, %v", c.name, links, err)
		}
		if got := w.cycle(); got.Kind != c.kind {
			t.Errorf("%s: the next cycle is %s", c.name, got.Kind)
		}
		if n := w.app.Requests().By; n[postGroup]+n[patchUser]+n[patchGroup] != 0 {
			t.Errorf("%s: sent %v", c.name, n)
		}
	}
	if _, there := w.account(bad); there {
		t.Error("the fault did not happen")
	}
}

// acceptLostWatermark is the plain case of what deadlinks_test.go has in all its forms.
func acceptLostWatermark(t *testing.T) {
	w := bubble(t, setting{graph: company(20, 3)})
	purged := w.assigned("purged")[0]
	w.sync()
	w.dir.HardDelete(purged)
	w.dir.KillTokens("", graphtest.Gone)
	c := w.sync()
	if c.Kind != engine.Initial {
		t.Errorf("the cycle is %s", c.Kind)
	}
	w.wrote(map[string]int{deleteUser: 1})
	w.inStep()
	w.quiet()
}

// acceptReplays: entries that come again, in pieces, in pages that come twice, change nothing.
func acceptReplays(t *testing.T) {
	o := manyPages(company(40, 6))
	o.Settings.ReplayRate, o.Settings.SplitChanges, o.Settings.EmptyPageRate = 1, true, 0.3
	w := bubble(t, setting{graph: o})
	w.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: graphtest.DupPage, Times: 2})
	w.sync()
	w.inStep()
	ids := slices.Sorted(func(yield func(string) bool) {
		for id := range w.dir.Truth().Entitled {
			if !yield(id) {
				return
			}
		}
	})
	w.dir.UpdateUser(ids[0], map[string]any{"surname": "Berg", "displayName": "Ann Berg", "givenName": "Ann"})
	w.dir.UpdateUser(ids[1], map[string]any{"surname": "Once"})
	w.dir.UpdateUser(ids[1], map[string]any{"surname": "Twice"})
	w.sync()
	if n := w.app.Requests(); n.Total != 2 || n.By[patchUser] != 2 {
		t.Errorf("two people changed: %v", n.By)
	}
	for range 3 {
		w.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: graphtest.DupPage, Times: 1})
		w.quiet()
	}
	w.inStep()
}

// acceptSavedMapping saves another mapping, and takes it back, while cycles run.
func acceptSavedMapping(t *testing.T) {
	w := bubble(t, setting{graph: company(60, 4)})
	w.runner.Rebuild = func(_ engine.JobID, schema string) (*cycle.Job, error) {
		job := *w.job
		job.Schema, job.Mapping = schema, mapping.Default()
		if schema != "" {
			job.Mapping = loud(t)
		}
		return &job, nil
	}
	save := func(schema string) func(int64) {
		var once atomic.Bool
		return func(int64) {
			if once.Swap(true) {
				return
			}
			_, err := w.store.UpdateControl(context.WithoutCancel(t.Context()), "test", func(c *engine.Control) error { c.Schema = schema; return nil })
			if err != nil {
				t.Error(err)
			}
		}
	}
	f := save("loud")
	w.onCall.Store(&f)
	w.sync() // to its end with the mapping that it began with
	w.onCall.Store(nil)
	for _, r := range w.app.Users() {
		if r.DisplayName == strings.ToUpper(r.DisplayName) {
			t.Fatalf("%q is written by a mapping that was saved during the cycle", r.DisplayName)
		}
	}
	f = save("")
	w.onCall.Store(&f)
	c := w.sync()
	w.onCall.Store(nil)
	if c.Kind != engine.Initial || c.Counts["users.updated"] != 60 || c.Counts["users.created"] != 0 {
		t.Fatalf("the cycle after it is %s, %v", c.Kind, c.Counts)
	}
	c = w.sync()
	if c.Kind != engine.Initial || c.Counts["users.updated"] != 60 {
		t.Fatalf("the cycle after the mapping was taken back is %s, %v", c.Kind, c.Counts)
	}
	w.inStep()
	if c := w.quiet(); c.Kind != engine.Incremental {
		t.Errorf("and then %s", c.Kind)
	}
}

func acceptPause(t *testing.T) {
	w := bubble(t, setting{graph: company(60, 4)})
	var once atomic.Bool
	pause := func(int64) {
		if !once.Swap(true) {
			if err := w.runner.Pause(context.WithoutCancel(t.Context()), "test"); err != nil {
				t.Error(err)
			}
		}
	}
	w.onCall.Store(&pause)
	c, late := w.scheduled()
	w.onCall.Store(nil)
	if late != nil || c.State != engine.CycleSucceeded || c.Counts["users.created"] != 60 {
		t.Fatalf("the running cycle: %s, %v, %v", c.State, c.Counts, late)
	}
	w.inStep()
	id := w.assigned("late")[0]
	for range 3 {
		time.Sleep(40 * time.Minute)
		w.rests(engine.StatusPaused)
	}
	if err := w.runner.Start(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	c, late = w.scheduled()
	if late != nil || c.Kind != engine.Incremental || c.Counts["users.created"] != 1 {
		t.Fatalf("started: %s %s, %v, %v", c.Kind, c.State, c.Counts, late)
	}
	w.mustAccount(id)
	w.inStep()
}

// acceptNarrower takes a job of 1,000 people from everybody to those who are assigned: ten.
func acceptNarrower(t *testing.T) {
	var from msgraph.Config
	w := bubble(t, setting{scope: engine.ScopeAll, options: engine.Options{Deletions: engine.DeletionGuard{Percent: 10}}, source: func(c *msgraph.Config) { from = *c }})
	var ids []string
	for i := range 1000 {
		ids = append(ids, w.addUser(fmt.Sprintf("p%04d", i)))
	}
	for _, id := range ids[:10] {
		w.dir.Assign(id, graphtest.ZeroRole)
	}
	if c := w.sync(); c.Counts["users.created"] != 1000 {
		t.Fatalf("%v", c.Counts)
	}
	w.quiet()

	from.Scope = engine.ScopeAssigned
	transport := &http.Transport{DialContext: w.sourceLines.dial}
	defer transport.CloseIdleConnections()
	src, err := msgraph.New(from, &http.Client{Transport: transport}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	w.job.Scope, w.job.Source = engine.ScopeAssigned, src
	wide := w.job.Options
	w.job.Options.Deletions = engine.DeletionGuard{Off: true}
	if c, _ := w.planned(w.job); c.Counts["users.disabled"] != 990 || c.Kind != engine.Initial {
		t.Errorf("a plan says %s, %v", c.Kind, c.Counts)
	}
	w.job.Options = wide
	c, rows := w.planned(w.job)
	staged := 0
	for _, r := range rows {
		if r.Action == engine.Staged && r.Rule == "U10" {
			staged++
		}
	}
	if c.State != engine.CycleHeld || c.Counts["users.held"] != 990 || staged != 990 {
		t.Errorf("a plan with the guard says %s, %v, %d rows", c.State, c.Counts, staged)
	}
	c = w.cycle()
	if c.State != engine.CycleHeld || c.Counts["users.held"] != 990 || c.Counts["users.disabled"] != 0 || c.Kind != engine.Initial {
		t.Fatalf("the cycle: %s %s, %v", c.Kind, c.State, c.Counts)
	}
	w.wrote(map[string]int{})
	if len(w.inactive()) > 0 {
		t.Fatal("somebody was disabled")
	}
	w.told(engine.NoticeDeletions, 1)
	w.judge(engine.Approved)
	if c := w.sync(); c.Counts["users.disabled"] != 990 {
		t.Fatalf("approved: %v", c.Counts)
	}
	w.inStep()
	w.quiet()
}

// acceptExported: the schema of a job in another job makes the same plan.
func acceptExported(t *testing.T) {
	filter := []mapping.FilterSpec{allOf("harbour", clauseOf("department", "EQUALS", "Harbour")), allOf("titled", clauseOf("jobTitle", "IS NOT NULL"))}
	m := mapped(t, filter,
		mapping.AttributeSpec{Target: "title", Source: `Switch([jobTitle], "none", "Pilot", "pilot")`, Default: "none"},
		mapping.AttributeSpec{Target: managerPath, Source: "[manager]"},
		mapping.AttributeSpec{Target: `emails[type eq "work"].value`, Source: `Join("", ToLower([mailNickname]), "@mail.example.test")`, Apply: "onCreate"})
	w := bubble(t, setting{mapping: m})
	boss := w.person("boss", map[string]any{"department": "Harbour", "mailNickname": "Boss"})
	for i := range 40 {
		id := w.person(fmt.Sprintf("p%02d", i), map[string]any{"department": []string{"Harbour", "Board"}[i%2], "mailNickname": fmt.Sprintf("N%d", i)})
		if i%3 == 0 {
			w.dir.UpdateUser(id, map[string]any{"jobTitle": "Pilot"})
		}
		w.dir.SetManager(id, boss)
	}
	schema := mapping.ExportSchema(*m, nil, "scim")
	copied := *w.job
	copied.ID, copied.Mapping = "copy", *imported(t, string(schema))
	plan := func(job *cycle.Job) []string {
		c, rows := w.planned(job)
		if c.State != engine.CycleSucceeded {
			t.Fatalf("the plan of %s: %s %s", job.ID, c.State, c.Error)
		}
		var out []string
		for _, r := range rows {
			out = append(out, fmt.Sprint(r.Kind, r.Source, r.Action, r.Rule, r.Reason, r.Detail, r.Changes))
		}
		slices.Sort(out)
		return out
	}
	first := plan(w.job)
	if d := cmp.Diff(first, plan(&copied)); d != "" || len(first) < 20 {
		t.Fatalf("%d operations; the plan of the copy (-job +copy):\n%s", len(first), d)
	}
	if cycle.Fingerprint(&w.job.Job) != cycle.Fingerprint(&copied.Job) {
		t.Error("the copy decides otherwise")
	}
	// And where the job stands, too: what it knows is taken over by the other mapping without a request.
	w.sync()
	w.job.Mapping = copied.Mapping
	w.quiet()
}
