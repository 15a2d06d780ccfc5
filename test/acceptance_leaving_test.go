package test

import (
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

func acceptBlockedDeleted(t *testing.T) {
	w := bubble(t, setting{options: engine.Options{Blocked: engine.LeaveRule{Action: engine.LeaveDelete}, Recycled: engine.LeaveRule{Action: engine.LeaveNothing}}})
	ids := w.assigned("blocked", "unassigned", "recycled")
	w.sync()
	was := w.mustAccount(ids[0]).ID
	w.dir.UpdateUser(ids[0], map[string]any{"accountEnabled": false})
	w.dir.Unassign(ids[1])
	w.dir.SoftDelete(ids[2])
	c := w.sync()
	if c.Counts["users.deleted"] != 1 || c.Counts["users.disabled"] != 1 || c.Counts["users.skipped"] != 1 {
		t.Errorf("%v", c.Counts)
	}
	w.wrote(map[string]int{deleteUser: 1, patchUser: 1})
	if _, there := w.account(ids[0]); there {
		t.Error("who is blocked has an account")
	}
	if w.mustAccount(ids[1]).Active || !w.mustAccount(ids[2]).Active {
		t.Error("each way of leaving has its own option")
	}
	w.quiet()
	w.dir.UpdateUser(ids[0], map[string]any{"accountEnabled": true})
	w.sync()
	if w.mustAccount(ids[0]).ID == was {
		t.Error("who came back has the deleted account")
	}
	w.quiet()
}

// acceptGrace: disabled at once, deleted when 30 days are over, and never when they came back in between.
func acceptGrace(t *testing.T) {
	rule := engine.LeaveRule{Action: engine.LeaveDisableDelete, Grace: 30 * day}
	w := bubble(t, setting{options: engine.Options{OutOfScope: rule, Blocked: rule, Recycled: rule}})
	names := []string{"unassigned", "blocked", "recycled", "back", "twice", "purged", "stays"}
	ids := map[string]string{}
	for i, id := range w.assigned(names...) {
		ids[names[i]] = id
	}
	w.sync()
	first := w.ownAccounts()
	block := func(name string, blocked bool) {
		w.dir.UpdateUser(ids[name], map[string]any{"accountEnabled": !blocked})
	}
	w.dir.Unassign(ids["unassigned"])
	w.dir.SoftDelete(ids["recycled"])
	w.dir.SoftDelete(ids["purged"])
	for _, name := range []string{"blocked", "back", "twice"} {
		block(name, true)
	}
	left := time.Now()
	if c := w.sync(); c.Counts["users.disabled"] != 6 || c.Counts["users.deleted"] != 0 {
		t.Fatalf("%v", c.Counts)
	}
	if n := len(w.inactive()); n != 6 {
		t.Fatalf("%d are inactive", n)
	}
	w.linked(ids["unassigned"], engine.Suspended) // still ours, because there is something left to be done
	w.quiet()

	until(left, 10*day)
	block("back", false)
	block("twice", false)
	w.dir.HardDelete(ids["purged"])
	if c := w.sync(); c.Counts["users.enabled"] != 2 || c.Counts["users.deleted"] != 1 {
		t.Fatalf("ten days later: %v", c.Counts)
	}
	until(left, 20*day)
	block("twice", true) // a grace time of its own
	w.sync()
	until(left, 30*day-time.Minute)
	w.quiet()
	until(left, 30*day+time.Hour)
	c := w.sync()
	if c.Counts["users.deleted"] != 3 {
		t.Fatalf("30 days later: %v", c.Counts)
	}
	w.wrote(map[string]int{deleteUser: 3})
	for _, name := range []string{"unassigned", "blocked", "recycled"} {
		if _, there := w.account(ids[name]); there {
			t.Errorf("%s has an account", name)
		}
		if r := w.lastRow(ids[name]); r.Action != engine.Delete || r.Reason != engine.GraceOver {
			t.Errorf("%s: the log says %s %s", name, r.Action, r.Reason)
		}
	}
	until(left, 49*day)
	w.quiet()
	until(left, 50*day+2*time.Hour)
	if c := w.sync(); c.Counts["users.deleted"] != 1 {
		t.Fatalf("50 days later: %v", c.Counts)
	}
	if _, there := w.account(ids["twice"]); there {
		t.Error("who left again has an account")
	}
	time.Sleep(60 * day)
	w.quiet()
	for _, name := range []string{"back", "stays"} {
		if a := w.mustAccount(ids[name]); a.ID != first[ids[name]] || !a.Active {
			t.Errorf("%s: %+v", name, a)
		}
	}
	// The account is gone; who comes back gets a new one.
	w.dir.Assign(ids["unassigned"], graphtest.ZeroRole)
	w.sync()
	if w.mustAccount(ids["unassigned"]).ID == first[ids["unassigned"]] {
		t.Error("the deleted account came back")
	}
}

// acceptBin: a purge that no feed ever told is found out within a day.
func acceptBin(t *testing.T) {
	w := bubble(t, setting{})
	ids := w.assigned("purged", "binned", "back", "stays")
	w.sync()
	for _, id := range ids[:3] {
		w.dir.SoftDelete(id)
	}
	w.after(time.Hour)
	w.linked(ids[0], engine.Suspended)
	purged := time.Now()
	w.dir.HardDelete(ids[0])
	w.dir.Restore(ids[2])
	w.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: graphtest.Shrink, Percent: 100}) // nothing is told of it
	w.quiet()
	w.dir.ClearFaults()
	for range 5 { // the bin was looked at in the first cycle, an hour before
		time.Sleep(4 * time.Hour)
		w.quiet()
	}
	until(purged, 23*time.Hour+time.Minute)
	if c := w.sync(); c.Counts["users.deleted"] != 1 || c.Counts["users.enabled"] != 1 {
		t.Fatalf("a day after the first look: %v", c.Counts)
	}
	if _, there := w.account(ids[0]); there {
		t.Error("who was purged has an account")
	}
	if a := w.mustAccount(ids[1]); a.Active {
		t.Error("who is in the bin is active")
	}
	if a := w.mustAccount(ids[2]); !a.Active {
		t.Error("who is back is inactive")
	}
	w.inStep()
	w.quiet()
}
