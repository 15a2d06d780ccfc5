package test

import (
	"slices"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

// gone deletes an account or group at the application behind our back.
func (w *world) gone(r scimtest.Resource) {
	w.t.Helper()
	if !w.app.Delete(r.ID) {
		w.t.Fatalf("%s is not there", r.ID)
	}
}

// groupsOf are the displayNames of the groups that an account is a member of.
func (w *world) groupsOf(account string) []string {
	var out []string
	for _, g := range w.app.Groups() {
		if slices.Contains(g.Members, account) {
			out = append(out, g.DisplayName)
		}
	}
	slices.Sort(out)
	return out
}

// TestMissingAccount deletes accounts at the application: who is entitled gets a new one at the next
// change, with all memberships; who leaves needs none.
func TestMissingAccount(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{virtual: true, mapping: withManager(t), profile: d.profile, dialect: d.flag})
				c := w.cast()
				second := w.dir.AddGroup(graphtest.Group{DisplayName: "Second", Members: c.crew[:3]})
				w.dir.Assign(second, w.dir.AppRoles()[0].ID)
				w.sync()

				old := w.mustAccount(c.crew[0])
				w.gone(old)
				w.dir.UpdateUser(c.crew[0], map[string]any{"surname": "Again"})
				cycle := w.sync()
				now := w.mustAccount(c.crew[0])
				if now.ID == old.ID || !now.Active {
					t.Fatalf("the account is %+v", now)
				}
				if got := w.groupsOf(now.ID); !slices.Equal(got, []string{"Crew", "Second"}) {
					t.Errorf("the new account is in %v", got)
				}
				if got := w.people()[c.crew[0]].Manager; got != "boss@example.test" {
					t.Errorf("the manager of the new account is %q", got)
				}
				if n := cycle.Counts["users.created"]; n != 1 {
					t.Errorf("%d users counted as created", n)
				}
				w.inStep()
				w.quiet()

				// A manager is made anew: those who report to them point to the new account.
				w.gone(w.mustAccount(c.boss))
				w.dir.UpdateUser(c.boss, map[string]any{"surname": "Again"})
				w.sync()
				w.settled()
				w.inStep()
				if got := w.people()[c.crew[1]].Manager; got != "boss@example.test" {
					t.Errorf("the manager of the others is %q", got)
				}
				w.quiet()

				// Only the membership changes: the application refuses a member that it does not have.
				w.app.Change(func(q *scimtest.Quirks) { q.RejectUnknownMember = 400 })
				w.gone(w.mustAccount(c.crew[5]))
				w.dir.AddMember(second, c.crew[5])
				w.cycle()
				w.sync()
				w.settled()
				w.inStep()
				w.quiet()

				// Leavers whose account is gone already.
				for i, leave := range []func(string){w.dir.SoftDelete, w.dir.HardDelete,
					func(id string) { w.dir.UpdateUser(id, map[string]any{"accountEnabled": false}) }} {
					w.gone(w.mustAccount(c.crew[2+i]))
					leave(c.crew[2+i])
				}
				w.sync()
				w.settled()
				w.inStep()
				for _, id := range c.crew[2:5] {
					if _, there := w.account(id); there {
						t.Errorf("an account was made for %s, who left", id)
					}
				}
				w.quiet()
			})
		})
	}
}

// TestMissingGroup deletes groups at the application: they come back, with everybody in them.
func TestMissingGroup(t *testing.T) {
	for name, change := range map[string]func(w *world, c cast){
		"renamed":        func(w *world, c cast) { w.dir.UpdateGroup(c.group, map[string]any{"displayName": "Port Crew"}) },
		"member added":   func(w *world, c cast) { w.dir.AddMember(c.group, c.solo) },
		"member removed": func(w *world, c cast) { w.dir.RemoveMember(c.group, c.crew[0]) },
		"both": func(w *world, c cast) {
			w.dir.RemoveMember(c.group, c.crew[0])
			w.dir.AddMember(c.group, c.solo)
			w.dir.UpdateGroup(c.group, map[string]any{"displayName": "Port Crew"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{virtual: true})
				c := w.cast()
				w.sync()
				old := w.mustGroup(c.group)
				w.gone(old)
				change(w, c)
				w.cycle()
				if _, back := w.group(c.group); !back {
					w.after(40 * time.Minute) // a missing group may show when its members are written, after all objects
				}
				if now := w.mustGroup(c.group); now.ID == old.ID {
					t.Error("the group has its old id")
				}
				w.settled()
				w.inStep()
				w.quiet()
			})
		})
	}
}

// TestEverythingMissing empties the application and starts over: the job notices at the next full
// evaluation, and nobody is forgotten.
func TestEverythingMissing(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(80, 6), virtual: true})
		w.sync()
		w.app.Clear()
		w.job.Mapping.Groups.Actions.Delete = false // any change of what decides makes the next cycle an initial one
		c := w.sync()
		if c.Kind != engine.Initial {
			t.Fatalf("the cycle is %s", c.Kind)
		}
		w.settled()
		w.inStep()
		w.quiet()
	})
}
