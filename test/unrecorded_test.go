package test

import (
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

// TestUnrecordedCreate: a process made an account and did not live to record it. Before the next cycle the source gives the
// person another name, or takes the access away: the account is not forgotten, and there is no second one. Accounts that
// others made are left alone.
func TestUnrecordedCreate(t *testing.T) {
	for name, c := range map[string]struct {
		foreign bool
		then    func(w *world, id string)
		active  bool
		name    string
		count   int
	}{
		"nothing happened": {then: func(*world, string) {}, active: true, name: "ann@example.test", count: 1},
		"renamed": {then: func(w *world, id string) {
			w.dir.UpdateUser(id, map[string]any{"userPrincipalName": "ann.new@example.test"})
		}, active: true, name: "ann.new@example.test", count: 1},
		"blocked":    {then: func(w *world, id string) { w.dir.UpdateUser(id, map[string]any{"accountEnabled": false}) }, name: "ann@example.test", count: 1},
		"unassigned": {then: func(w *world, id string) { w.dir.Unassign(id) }, name: "ann@example.test", count: 1},
		"purged":     {then: func(w *world, id string) { w.dir.Delete(id); w.dir.HardDelete(id) }},
		"another's, and blocked": {foreign: true, then: func(w *world, id string) { w.dir.UpdateUser(id, map[string]any{"accountEnabled": false}) },
			active: true, name: "ann@example.test", count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{virtual: true})
				w.sync()
				id := w.addUser("ann")
				w.dir.Assign(id, w.dir.AppRoles()[0].ID)
				ref := engine.Ref{Kind: engine.User, ID: id}
				ctx := t.Context()
				if c, err := w.runner.Begin(ctx, "test", "killed"); err != nil || w.runner.Import(ctx, c, func(int) {}) != nil {
					t.Fatalf("%+v %v", c, err)
				}
				if err := w.store.NoteSent(ctx, "test", map[engine.Ref]string{ref: "ann@example.test"}); err != nil {
					t.Fatal(err)
				}
				account := map[string]any{"userName": "ann@example.test", "externalId": id, "displayName": "ann Test", "active": true}
				if c.foreign {
					account["externalId"] = "somebody"
				}
				made, err := w.app.AddUser(account)
				if err != nil {
					t.Fatal(err)
				}
				c.then(w, id)
				w.sync()
				if n := len(w.app.Users()); n != c.count {
					t.Fatalf("%d accounts", n)
				}
				if r, is := w.app.ByID(made); is && (r.Active != c.active || r.UserName != c.name) || is != (c.count > 0) {
					t.Errorf("the account is %+v", r)
				}
				w.settled()
				w.quiet()
			})
		})
	}
}

// TestUnrecordedEnable: a process enabled somebody's account again and did not live to record it, and the person leaves before
// the next cycle. The account is not left active because it is believed to be disabled.
func TestUnrecordedEnable(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		id := w.assigned("ann")[0]
		w.sync()
		w.dir.UpdateUser(id, map[string]any{"accountEnabled": false})
		w.sync()
		ref := engine.Ref{Kind: engine.User, ID: id}
		ctx := t.Context()
		if a := w.mustAccount(id); a.Active {
			t.Fatalf("the account is %+v", a)
		}
		w.dir.UpdateUser(id, map[string]any{"accountEnabled": true})
		if c, err := w.runner.Begin(ctx, "test", "killed"); err != nil || w.runner.Import(ctx, c, func(int) {}) != nil {
			t.Fatalf("%+v %v", c, err)
		}
		if _, err := w.store.Lease(ctx, "test", []engine.Ref{ref}, "cycle:killed", time.Now().Add(time.Minute), time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := w.app.Put(w.mustAccount(id).ID, map[string]any{"userName": "ann@example.test", "externalId": id, "displayName": "ann Test", "active": true}); err != nil {
			t.Fatal(err)
		}
		w.dir.Unassign(id)
		w.dir.UpdateUser(id, map[string]any{"accountEnabled": false})
		time.Sleep(40 * time.Minute)
		w.sync()
		if a := w.mustAccount(id); a.Active {
			t.Errorf("the account is %+v", a)
		}
		w.settled()
		w.quiet()
	})
}

// TestUnrecordedGroup is the same for a group that was made: it is renamed, and not made twice.
func TestUnrecordedGroup(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		w.sync()
		id := w.dir.AddGroup(graphtest.Group{DisplayName: "Crew"})
		w.dir.Assign(id, w.dir.AppRoles()[0].ID)
		ref := engine.Ref{Kind: engine.Group, ID: id}
		ctx := t.Context()
		if c, err := w.runner.Begin(ctx, "test", "killed"); err != nil || w.runner.Import(ctx, c, func(int) {}) != nil {
			t.Fatalf("%+v %v", c, err)
		}
		if err := w.store.NoteSent(ctx, "test", map[engine.Ref]string{ref: "Crew"}); err != nil {
			t.Fatal(err)
		}
		made, err := w.app.AddGroup(map[string]any{"displayName": "Crew", "externalId": id})
		if err != nil {
			t.Fatal(err)
		}
		w.dir.UpdateGroup(id, map[string]any{"displayName": "Crew of the ship"})
		w.sync()
		if groups := w.app.Groups(); len(groups) != 1 || groups[0].ID != made || groups[0].DisplayName != "Crew of the ship" {
			t.Errorf("the groups are %+v", groups)
		}
		w.settled()
		w.quiet()
	})
}
