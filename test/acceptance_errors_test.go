package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// haunted is a world in which the name of one person is taken by an account that no search shows.
func haunted(t *testing.T) (w *world, id string) {
	w = bubble(t, setting{app: scimtest.Options{Quirks: scimtest.Quirks{DisabledInvisibleInSearch: true}}})
	w.assigned("ann", "bob")
	id = w.assigned("ghost")[0]
	w.there("ghost@example.test", false)
	return w, id
}

// acceptConflict follows the ladder of one failing object for four weeks.
func acceptConflict(t *testing.T) {
	w, id := haunted(t)
	c := w.cycle()
	if c.State != engine.CycleEntryErrors || c.Counts["users.failed"] != 1 || c.Counts["users.created"] != 2 {
		t.Fatalf("ended %s, %v", c.State, c.Counts)
	}
	w.noted(id, engine.StatusFailure, string(engine.CodeConflict))
	first := w.failing()[id].Escrow
	if first == nil || first.Attempts != 1 || first.Code != engine.CodeConflict || first.Status != 409 {
		t.Fatalf("the escrow is %+v", first)
	}
	var tried []time.Duration
	last := first.LastFailure
	for at := 2 * time.Hour; at <= 30*day; at += 2 * time.Hour {
		if at > 2*day && at%day != 0 && at%day != 2*time.Hour { // the ladder has daily rungs from here on
			continue
		}
		until(first.FirstFailure, at+time.Minute)
		c, late := w.scheduled()
		if late != nil {
			t.Fatal(late)
		}
		e := w.failing()[id].Escrow
		if posts := w.app.Requests().By[postUser]; e.LastFailure.After(last) != (posts > 0) || (c.Counts["users.failed"] == 1) != (posts > 0) {
			t.Fatalf("after %s: %d posts, %v, %+v", at, posts, c.Counts, e)
		}
		if e.LastFailure.After(last) {
			tried, last = append(tried, at), e.LastFailure
		}
		if !e.FirstFailure.Equal(first.FirstFailure) || e.Attempts != len(tried)+1 {
			t.Fatalf("after %s: %+v, %d attempts", at, e, len(tried)+1)
		}
	}
	want := []time.Duration{2 * time.Hour, 6 * time.Hour, 12 * time.Hour} // the first of them is the next cycle
	for d := day; d <= 28*day; d += day {
		want = append(want, d)
	}
	if fmt.Sprint(tried) != fmt.Sprint(want) {
		t.Fatalf("tried after %v, want %v", tried, want)
	}
	q := w.failing()[id]
	if q.State != engine.ChangeExpired || !q.Escrow.Expired || w.queue()[engine.ChangeExpired] != 1 {
		t.Errorf("the change is %s, %+v", q.State, q.Escrow)
	}
	if n := w.notices()[engine.NoticeExpired]; len(n) != 1 {
		t.Errorf("told of the end %d times: %+v", len(n), n)
	}
	if r := w.lastRow(id); r.Status != engine.StatusFailure || !strings.Contains(r.Detail, "28 days") {
		t.Errorf("the last row says %s %q, and not that it was the last try", r.Status, r.Detail)
	}
	if w.control().Quarantine != nil || w.control().Disabled {
		t.Error("one object that fails puts the job out of work")
	}

	// Its source changes: tried at once, as if it had never failed.
	w.dir.UpdateUser(id, map[string]any{"surname": "Berg"})
	if c, _ := w.scheduled(); c.Counts["users.failed"] != 1 {
		t.Fatalf("changed: %v", c.Counts)
	}
	if e := w.failing()[id].Escrow; e.Attempts != 1 || e.Expired || time.Since(e.FirstFailure) > time.Hour {
		t.Errorf("changed: %+v", e)
	}
	w.dir.UpdateUser(id, map[string]any{"userPrincipalName": "spirit@example.test"})
	w.sync()
	w.settled()
	w.inStep()
	w.quiet()
}

// acceptByHand: retried at once, and not at all any more, because somebody wants it.
func acceptByHand(t *testing.T) {
	w, id := haunted(t)
	w.cycle()
	w.after(40 * time.Minute) // the second try; from now on the ladder
	tried := func(what string, want bool) {
		t.Helper()
		w.after(40 * time.Minute)
		if got := w.app.Requests().By[postUser] > 0; got != want {
			t.Fatalf("%s: tried %t", what, got)
		}
	}
	tried("on the ladder", false)
	n, err := w.store.Retry(t.Context(), "test", nil, time.Now())
	if err != nil || n != 1 {
		t.Fatalf("retried %d, %v", n, err)
	}
	tried("retried", true)
	if e := w.failing()[id].Escrow; e.Attempts != 3 {
		t.Errorf("after a retry: %+v", e)
	}
	tried("after it", false)
	if n, err = w.store.Retry(t.Context(), "test", []engine.Ref{personRef(id)}, time.Now()); err != nil || n != 1 {
		t.Fatalf("retried %d, %v", n, err)
	}
	tried("retried alone", true)
	if n, err = w.store.Ignore(t.Context(), "test", []engine.Ref{personRef(id)}); err != nil || n != 1 {
		t.Fatalf("ignored %d, %v", n, err)
	}
	w.settled()
	for range 3 {
		time.Sleep(3 * day)
		w.quiet()
	}
	w.dir.UpdateUser(id, map[string]any{"surname": "Berg"})
	tried("changed at the source", true)
}

// acceptExpiry: a value that cannot be computed fails before anything is sent. It ends like all other failures.
func acceptExpiry(t *testing.T) {
	w := bubble(t, setting{mapping: mapped(t, nil, mapping.AttributeSpec{Target: "title", Source: "Mid([jobTitle], 1, [employeeId])"})})
	id := w.assigned("ann")[0]
	w.dir.UpdateUser(id, map[string]any{"jobTitle": "Pilot", "employeeId": "many"})
	if c := w.cycle(); c.State != engine.CycleEntryErrors {
		t.Fatalf("ended %s, %v: the value can be computed", c.State, c.Counts)
	}
	for range 30 {
		time.Sleep(day + time.Minute)
		w.cycle()
	}
	if n := w.queue(); n[engine.ChangeExpired] != 1 {
		t.Fatalf("the queue is %v", n)
	}
	if n := w.notices()[engine.NoticeExpired]; len(n) != 1 {
		t.Errorf("told of the end %d times", len(n))
	}
}

// acceptPoisoned: one of a thousand is refused. Everybody else is provisioned, and in the groups.
func acceptPoisoned(t *testing.T) {
	w := bubble(t, setting{graph: company(999, 12)})
	bad := w.assigned("poison")[0]
	const said = "surname contains a character that this application does not know"
	w.fault(scimtest.Fault{Method: "POST", Path: "/Users", BodyContains: "poison@example.test", Status: 400,
		Body: `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"invalidValue","detail":"` + said + `"}`})
	c := w.cycle()
	failed := time.Now()
	if c.State != engine.CycleEntryErrors || c.Counts["users.created"] != 999 || c.Counts["users.failed"] != 1 || c.Counts["memberships.failed"] != 0 {
		t.Fatalf("ended %s, %v", c.State, c.Counts)
	}
	truth := w.dir.Truth()
	delete(truth.Entitled, bad)
	if d := mismatch(truth, w.app); d != "" {
		t.Fatalf("the others (-want +got):\n%s", d)
	}
	q := w.failing()[bad]
	if w.queue()[engine.ChangeEscrow] != 1 || q.Escrow == nil || q.Escrow.Status != 400 || !strings.Contains(q.Escrow.Detail, said) {
		t.Fatalf("the escrow is %+v, and does not tell what the application said", q.Escrow)
	}
	if r := w.lastRow(bad); !strings.Contains(r.Detail, said) {
		t.Errorf("the log says %q", r.Detail)
	}
	if n := w.notices()[engine.NoticeFailures]; len(n) != 1 || strings.Contains(n[0].Text, "poison") {
		t.Errorf("told: %+v", n)
	}
	w.after(40 * time.Minute)
	for _, at := range []time.Duration{80 * time.Minute, 3 * time.Hour, 5*time.Hour + 50*time.Minute} {
		until(failed, at)
		w.quiet()
	}
	w.dir.UpdateUser(bad, map[string]any{"surname": "Still"}) // at once, whatever the ladder says
	w.after(time.Minute)
	w.wrote(map[string]int{postUser: 1})
	w.app.ClearFaults()
	w.dir.UpdateUser(bad, map[string]any{"surname": "Sound"})
	w.sync()
	w.settled()
	w.inStep()
	w.quiet()
}

// acceptGoneAgain: something else deletes the account of one person again and again. It is made anew twice in a week, not a third time.
func acceptGoneAgain(t *testing.T) {
	w := bubble(t, setting{})
	id := w.assigned("ann", "bob")[0]
	w.sync()
	lose := func(n int) engine.Cycle {
		t.Helper()
		r, there := w.account(id)
		if !there {
			t.Fatalf("round %d: no account", n)
		}
		w.gone(r)
		w.dir.UpdateUser(id, map[string]any{"surname": fmt.Sprint("Round ", n)})
		return w.after(day)
	}
	for n := range 2 {
		if c := lose(n); c.State != engine.CycleSucceeded || c.Counts["users.created"] != 1 {
			t.Fatalf("round %d: %s, %v", n, c.State, c.Counts)
		}
	}
	if c := lose(3); c.State != engine.CycleEntryErrors || c.Counts["users.failed"] != 1 || w.app.Requests().By[postUser] != 0 {
		t.Fatalf("the third time: %s, %v, %v", c.State, c.Counts, w.app.Requests().By)
	}
	w.noted(id, engine.StatusFailure, string(engine.CodeGone))
	if r := w.lastRow(id); !strings.Contains(r.Detail, "something else deletes it") {
		t.Errorf("the log says %q", r.Detail)
	}
	if _, there := w.account(id); there {
		t.Error("there is an account")
	}
	time.Sleep(7 * day) // the window has moved on
	w.after(day)
	w.settled()
	w.inStep()
}

// acceptLicences: once it is sure that no licence is left the rest is not even tried.
func acceptLicences(t *testing.T) {
	for _, parallel := range []int{1, 32} {
		w := bubble(t, setting{graph: company(30, 0), options: engine.Options{Quarantine: engine.PresetEntra}})
		w.runner.Concurrency = parallel
		w.sync()
		var late []string
		for i := range 80 {
			late = append(late, w.assigned(fmt.Sprintf("late%02d", i))...)
		}
		old := w.app.Users()[0].ExternalID
		w.dir.UpdateUser(old, map[string]any{"surname": "Updated"})
		w.fault(scimtest.Fault{Method: "POST", Path: "/Users", Status: 403, Body: `{"detail":"no license left"}`})
		c := w.cycle()
		posts := w.app.Requests().By[postUser]
		if c.State != engine.CycleEntryErrors || c.Counts["users.failed"] != 80 || c.Counts["users.updated"] != 1 {
			t.Errorf("ended %s with %s, %v", c.State, c.ErrorCode, c.Counts)
		}
		if posts < 20 || posts > 19+parallel {
			t.Errorf("%d at once: %d creates were tried, want it to end with 20 and what was under way", parallel, posts)
		}
		rows := w.rows(engine.LogFilter{Cycle: c.ID, Code: engine.CodeLicenseLimit, Limit: 1000})
		if len(rows) != 80 {
			t.Errorf("%d rows say that no licence is left", len(rows))
		}
		w.app.ClearFaults()
		for _, id := range late { // licences were bought
			w.dir.UpdateUser(id, map[string]any{"surname": "Licensed"})
		}
		w.sync()
		w.settled()
		w.inStep()
	}
}

func acceptThrottled(t *testing.T) {
	w := bubble(t, setting{})
	w.assigned("ann", "bob", "eve")
	w.fault(scimtest.Fault{Method: "POST", Path: "/Users", Times: 1, Status: 429, Header: map[string]string{"Retry-After": "3"}})
	began := time.Now()
	c := w.sync()
	w.happened()
	if d := time.Since(began); d < 3*time.Second || d > 30*time.Second {
		t.Errorf("the cycle took %s", d)
	}
	if c.Counts["users.created"] != 3 || c.Counts["users.failed"] != 0 || c.Counts[engine.WaitedMillis] < 3000 {
		t.Errorf("%v", c.Counts)
	}
	w.settled()
	w.inStep()
}

// acceptNewMapping: a new mapping makes all failures due at once, and who leaves before there ever was an account needs none.
func acceptNewMapping(t *testing.T) {
	w, id := haunted(t)
	w.cycle()
	w.after(40 * time.Minute)
	first := w.failing()[id].Escrow
	w.after(40 * time.Minute) // on the ladder: not tried
	if e := w.failing()[id].Escrow; e.Attempts != 2 {
		t.Fatalf("%+v", e)
	}
	w.job.Mapping = loud(t)
	w.cycle()
	if e := w.failing()[id].Escrow; e == nil || e.Attempts != 3 || !e.FirstFailure.Equal(first.FirstFailure) {
		t.Fatalf("after another mapping: %+v", e)
	}
	w.dir.Unassign(id)
	w.sync()
	w.settled()
	w.wrote(map[string]int{})
	w.quiet()
}

// acceptPruned: what Entra does when so many objects of an initial cycle fail.
func acceptPruned(t *testing.T) {
	w := bubble(t, setting{options: engine.Options{PruneEscrows: true}})
	for i := range 40 {
		w.assigned(fmt.Sprintf("%s%02d", []string{"bad", "good"}[i%2], i))
	}
	w.fault(scimtest.Fault{Method: "POST", Path: "/Users", BodyContains: `"bad`, Status: 400, ScimType: "invalidValue"})
	c, late := w.scheduled()
	if late != nil || c.State != engine.CycleEntryErrors || c.Counts["users.failed"] != 20 {
		t.Fatalf("ended %s, %v, %v", c.State, c.Counts, late)
	}
	w.settled()
	if now := w.control(); !now.Pruned || !now.Paused || now.Quarantine != nil {
		t.Fatalf("%+v", now)
	}
	time.Sleep(time.Hour)
	w.rests(engine.StatusPaused)
	if err := w.runner.Start(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if c, late := w.scheduled(); late != nil || c.State != engine.CycleSucceeded || c.Kind != engine.Incremental || w.app.Requests().Writes != 0 {
		t.Fatalf("started: %s %s, %v, %v", c.Kind, c.State, c.Counts, late)
	}
}
