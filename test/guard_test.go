package test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

// held lists the changes that a guard holds, by kind and id, with their verdict.
func (w *world) held() map[engine.Ref]engine.Hold {
	w.t.Helper()
	out := map[engine.Ref]engine.Hold{}
	for _, k := range []engine.Kind{engine.User, engine.Group} {
		list, err := w.store.Changes(w.t.Context(), "test", k, []engine.ChangeState{engine.ChangeHeld}, "", 100_000)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, q := range list {
			out[q.Ref] = *q.Hold
		}
	}
	return out
}

// judge gives a verdict about held changes: of the ids, or of all when there are none.
func (w *world) judge(v engine.Verdict, ids ...string) {
	w.t.Helper()
	var about []engine.Judged
	for r, h := range w.held() {
		if len(ids) == 0 || slices.Contains(ids, r.ID) {
			about = append(about, engine.Judged{Ref: r, Action: h.Action})
		}
	}
	n, err := w.runner.Judge(context.WithoutCancel(w.t.Context()), "test", v, about, nil, "tester", "because")
	if err != nil || n != len(about) {
		w.t.Fatalf("judged %d of %d: %v", n, len(about), err)
	}
}

// notices lists what people were told, by kind.
func (w *world) notices() map[engine.NoticeKind][]engine.Notice {
	w.t.Helper()
	all, err := w.store.DueNotices(w.t.Context(), time.Now().Add(24*time.Hour), 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[engine.NoticeKind][]engine.Notice{}
	for _, n := range all {
		out[n.Kind] = append(out[n.Kind], n)
	}
	return out
}

// inactive are the people whose accounts are inactive, by source id.
func (w *world) inactive() map[string]bool {
	out := map[string]bool{}
	for _, r := range w.app.Users() {
		if !r.Active {
			out[r.ExternalID] = true
		}
	}
	return out
}

// staff is a world with n people assigned one by one, and their ids.
func staff(t *testing.T, n int, s setting) (*world, []string) {
	s.virtual = true
	w := newWorld(t, s)
	var ids []string
	for i := range n {
		id := w.addUser(fmt.Sprintf("p%04d", i))
		w.dir.Assign(id, w.dir.AppRoles()[0].ID)
		ids = append(ids, id)
	}
	w.sync()
	return w, ids
}

// TestThreshold is acceptance test 15: three disables pass, four are all held while creates go on, and are
// carried out once they are approved.
func TestThreshold(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w, ids := staff(t, 30, setting{options: engine.Options{Deletions: engine.DeletionGuard{Threshold: 3}}})
		for _, id := range ids[:3] {
			w.dir.Unassign(id)
		}
		if c := w.sync(); c.Counts["users.disabled"] != 3 {
			t.Fatalf("three: %v", c.Counts)
		}
		for _, id := range ids[3:7] {
			w.dir.UpdateUser(id, map[string]any{"accountEnabled": false})
		}
		fresh := w.addUser("fresh")
		w.dir.Assign(fresh, w.dir.AppRoles()[0].ID)
		c := w.cycle()
		if c.State != engine.CycleHeld || c.Counts["users.held"] != 4 || c.Counts["users.disabled"] != 0 || c.Counts["users.created"] != 1 {
			t.Fatalf("four: %s %v", c.State, c.Counts)
		}
		rows, err := w.store.Entries(t.Context(), "test", engine.LogFilter{Cycle: c.ID, Action: engine.Staged})
		if err != nil || len(rows) != 4 {
			t.Fatalf("%d rows of staged deletions, %v", len(rows), err)
		}
		control, err := w.store.Control(t.Context(), "test")
		if err != nil || control.Quarantine == nil || control.Quarantine.Reason != engine.QuarantineDeletes || !control.Quarantine.NextAttempt.IsZero() {
			t.Fatalf("control: %+v, %v", control, err)
		}
		// Undecided, they are counted again by each cycle, logged and told once.
		for range 3 {
			if c := w.cycle(); c.State != engine.CycleHeld || c.Counts["users.held"] != 4 || w.app.Requests().Writes != 0 {
				t.Fatalf("again: %s %v", c.State, c.Counts)
			}
		}
		if rows, err = w.store.Entries(t.Context(), "test", engine.LogFilter{Action: engine.Staged}); err != nil || len(rows) != 4 {
			t.Fatalf("%d rows of staged deletions, %v", len(rows), err)
		}
		if n := w.notices()[engine.NoticeDeletions]; len(n) != 1 || !strings.Contains(n[0].Text, "scimsync job deletions test approve") {
			t.Fatalf("told: %+v", n)
		}
		w.judge(engine.Approved)
		if c := w.sync(); c.Counts["users.disabled"] != 4 {
			t.Fatalf("approved: %v", c.Counts)
		}
		if control, err = w.store.Control(t.Context(), "test"); err != nil || control.Quarantine != nil {
			t.Fatalf("control: %+v, %v", control, err)
		}
		if n := w.notices()[engine.NoticeRecovered]; len(n) != 1 {
			t.Errorf("told: %+v", n)
		}
		w.quiet()
	})
}

// TestSnapshot is acceptance test 16: an approval covers what was listed; who comes up after it stays held.
func TestSnapshot(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w, ids := staff(t, 30, setting{options: engine.Options{Deletions: engine.DeletionGuard{Threshold: 3}}})
		for _, id := range ids[:4] {
			w.dir.Unassign(id)
		}
		w.cycle()
		w.judge(engine.Approved)
		w.dir.Unassign(ids[4])
		if c := w.cycle(); c.State != engine.CycleHeld || c.Counts["users.disabled"] != 4 || c.Counts["users.held"] != 1 {
			t.Fatalf("%s %v", c.State, c.Counts)
		}
		if c := w.cycle(); c.State != engine.CycleHeld || c.Counts["users.held"] != 1 {
			t.Fatalf("the fifth, later: %s %v", c.State, c.Counts)
		}
		w.judge(engine.Approved, ids[4])
		if c := w.sync(); c.Counts["users.disabled"] != 1 {
			t.Fatalf("the fifth, approved: %v", c.Counts)
		}
	})
}

// TestApprovalExpires: three days later it is good for nothing, and for nothing but what it was given for.
func TestApprovalExpires(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w, ids := staff(t, 30, setting{options: engine.Options{Deletions: engine.DeletionGuard{Threshold: 1}}})
		w.dir.Unassign(ids[0])
		w.dir.Unassign(ids[1])
		w.cycle()
		w.judge(engine.Approved)
		time.Sleep(73 * time.Hour)
		if c := w.cycle(); c.State != engine.CycleHeld || c.Counts["users.held"] != 2 {
			t.Fatalf("expired: %s %v", c.State, c.Counts)
		}
		w.judge(engine.Approved)
		w.dir.Delete(ids[0]) // what was to be disabled is to be deleted now
		w.dir.HardDelete(ids[0])
		if c := w.cycle(); c.State != engine.CycleHeld || c.Counts["users.held"] != 1 || c.Counts["users.disabled"] != 1 || c.Counts["users.deleted"] != 0 {
			t.Fatalf("another action: %s %v", c.State, c.Counts)
		}
	})
}

// TestRejected: nobody is harmed, until the source object changes.
func TestRejected(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w, ids := staff(t, 30, setting{options: engine.Options{Deletions: engine.DeletionGuard{Threshold: 3}}})
		for _, id := range ids[:5] {
			w.dir.UpdateUser(id, map[string]any{"accountEnabled": false})
		}
		w.cycle()
		w.judge(engine.Rejected)
		for range 3 {
			if c := w.sync(); c.Counts["users.disabled"] != 0 || c.Counts["users.skipped"] != 5 {
				t.Fatalf("rejected: %v", c.Counts)
			}
			time.Sleep(100 * time.Hour)
		}
		if got := w.inactive(); len(got) > 0 {
			t.Fatalf("inactive: %v", got)
		}
		w.dir.UpdateUser(ids[0], map[string]any{"displayName": "somebody else"})
		if c := w.cycle(); c.State != engine.CycleHeld || c.Counts["users.held"] != 1 || c.Counts["users.skipped"] != 4 {
			t.Fatalf("changed since: %s %v", c.State, c.Counts)
		}
		w.judge(engine.Approved, ids[0])
		w.dir.UpdateUser(ids[1], map[string]any{"accountEnabled": true})
		if c := w.sync(); c.Counts["users.disabled"] != 1 || c.Counts["users.skipped"] != 3 || len(w.held()) != 3 {
			t.Fatalf("entitled again: %v, %d held", c.Counts, len(w.held()))
		}
	})
}

// TestUndone: who is entitled again leaves the list without a word, and what is left is an ordinary day's work.
func TestUndone(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w, ids := staff(t, 40, setting{options: engine.Options{Deletions: engine.DeletionGuard{Percent: 10}}})
		for _, id := range ids[:10] {
			w.dir.Unassign(id)
		}
		if c := w.cycle(); c.State != engine.CycleHeld || c.Counts["users.held"] != 10 {
			t.Fatalf("%s %v", c.State, c.Counts)
		}
		for _, id := range ids[:8] {
			w.dir.Assign(id, w.dir.AppRoles()[0].ID)
		}
		if c := w.sync(); c.Counts["users.disabled"] != 2 || len(w.held()) != 0 {
			t.Fatalf("%v", c.Counts)
		}
	})
}

// TestEmptySource has a source that suddenly answers with nobody for 5,000 provisioned people: nobody is
// disabled, everybody is on the list with reason and remedy, and what is approved, and only that, happens.
func TestEmptySource(t *testing.T) {
	if testing.Short() {
		t.Skip("5,000 people take seconds; run without -short")
	}
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(5000, 30), virtual: true, options: engine.Options{Deletions: engine.DeletionGuard{Percent: 10}}})
		w.sync()
		w.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Path: "/servicePrincipals/{}/appRoleAssignedTo"}, Effect: graphtest.EmptyList})
		before := w.belongings()
		for range 3 {
			c := w.cycle()
			if c.State != engine.CycleHeld || c.ErrorCode != string(engine.CodeSourceSuspect) || c.Counts["users.held"] < 5000 {
				t.Fatalf("%s %s %v", c.State, c.ErrorCode, c.Counts)
			}
		}
		w.unharmed(before)
		if got := w.inactive(); len(got) > 0 {
			t.Fatalf("%d are inactive", len(got))
		}
		if n := w.notices(); len(n[engine.NoticeDeletions]) != 1 || len(n[engine.NoticeQuarantined]) != 0 {
			t.Fatalf("told: %v", n)
		}
		var some []string
		for r := range w.held() {
			if r.Kind == engine.User && len(some) < 7 {
				some = append(some, r.ID)
			}
		}
		w.judge(engine.Approved, some...)
		if c := w.cycle(); c.State != engine.CycleHeld || c.Counts["users.disabled"] != 7 {
			t.Fatalf("seven were approved: %s %v", c.State, c.Counts)
		}
		got := w.inactive()
		if len(got) != 7 || slices.ContainsFunc(some, func(id string) bool { return !got[id] }) {
			t.Fatalf("approved were %v, inactive are %v", some, slices.Sorted(maps.Keys(got)))
		}
		w.judge(engine.Rejected)
		if c := w.cycle(); c.Counts["users.disabled"] != 0 || len(w.inactive()) != 7 {
			t.Fatalf("rejected: %s %v", c.State, c.Counts)
		}
		w.recovers()
		if len(w.held()) > 0 {
			t.Errorf("%d are held", len(w.held()))
		}
	})
}

// TestMissingApproved: what a suspect read lacks is asked about once it is approved, and only what the source says of
// each one is believed.
func TestMissingApproved(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(100, 5), virtual: true})
		w.sync()
		w.dir.KillTokens("", graphtest.Gone)
		w.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: graphtest.Shrink, Percent: 100})
		w.suspicious()
		people := slices.Sorted(maps.Keys(w.dir.Truth().Entitled))
		gone, there := people[0], people[1]
		w.dir.Delete(gone)
		w.dir.HardDelete(gone)
		w.suspicious()
		w.judge(engine.Approved, gone, there)
		c := w.cycle()
		if c.State != engine.CycleHeld || c.Counts["users.deleted"] != 1 || c.Counts["users.disabled"] != 0 {
			t.Fatalf("%s %v", c.State, c.Counts)
		}
		if _, is := w.account(gone); is {
			t.Error("the account of somebody who is gone is there")
		}
		if a := w.mustAccount(there); !a.Active {
			t.Error("somebody who is there was disabled")
		}
		w.recovers()
	})
}
