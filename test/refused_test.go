package test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

// after runs a cycle once d of virtual time has passed.
func (w *world) after(d time.Duration) engine.Cycle {
	w.t.Helper()
	time.Sleep(d)
	return w.cycle()
}

// TestRefused has the application refuse one person among many: the others are provisioned, and that
// one is tried in the next cycle, then after six, twelve and twenty-four hours and daily, and at once
// when something changes in the directory.
func TestRefused(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(40, 4), virtual: true})
		bad := w.addUser("bad")
		w.dir.Assign(bad, graphtest.ZeroRole)
		w.fault(scimtest.Fault{Method: "POST", Path: "/Users", BodyContains: "bad@example.test", Status: 400, ScimType: "invalidValue"})
		tries := func() int { return w.app.Requests().By["POST /Users"] }

		c := w.cycle()
		first := time.Now()
		if c.State != engine.CycleEntryErrors || c.Counts["users.created"] != 40 || c.Counts["users.failed"] != 1 {
			t.Fatalf("the first cycle ended %s with %v", c.State, c.Counts)
		}
		if _, there := w.account(bad); there {
			t.Fatal("the application refused the account and has it")
		}
		for _, step := range []struct {
			at   time.Duration // since the first failure
			want int
		}{
			{40 * time.Minute, 1}, // the next cycle tries once
			{80 * time.Minute, 0}, // from here on the ladder
			{5*time.Hour + 50*time.Minute, 0},
			{6*time.Hour + time.Minute, 1},
			{7 * time.Hour, 0},
			{11*time.Hour + 50*time.Minute, 0},
			{12*time.Hour + time.Minute, 1},
			{23*time.Hour + 50*time.Minute, 0},
			{24*time.Hour + time.Minute, 1},
			{25 * time.Hour, 0},
			{48*time.Hour + time.Minute, 1},
			{72*time.Hour + time.Minute, 1},
		} {
			c := w.after(step.at - time.Since(first))
			if got := tries(); got != step.want || w.app.Requests().Writes != got {
				t.Fatalf("%s after the first failure: %d tries, want %d; requests %v", step.at, got, step.want, w.app.Requests().By)
			}
			if state := c.State; step.want == 1 && state != engine.CycleEntryErrors || step.want == 0 && state != engine.CycleSucceeded {
				t.Fatalf("%s after the first failure: the cycle ended %s", step.at, state)
			}
		}
		if n := w.queue(); n[engine.ChangeEscrow] != 1 {
			t.Fatalf("the queue holds %v, want one in escrow", n)
		}

		w.dir.UpdateUser(bad, map[string]any{"userPrincipalName": "good@example.test"})
		c = w.after(time.Minute)
		if c.State != engine.CycleSucceeded || c.Counts["users.created"] != 1 {
			t.Fatalf("after the person was mended in the directory: %s, %v%s", c.State, c.Counts, w.failures(c.ID))
		}
		w.settled()
		w.inStep()
		w.quiet()
	})
}

// TestRefusedChange is the same for a change of somebody who is provisioned already: the old values
// stay, and a change that cures it is exported at once.
func TestRefusedChange(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(20, 3), virtual: true})
		person := w.addUser("ruby")
		w.dir.Assign(person, graphtest.ZeroRole)
		w.sync()
		w.fault(scimtest.Fault{Method: "PATCH", BodyContains: "Poison", Status: 400, ScimType: "invalidValue"})
		w.dir.UpdateUser(person, map[string]any{"surname": "Poison"})
		if c := w.cycle(); c.State != engine.CycleEntryErrors || c.Counts["users.failed"] != 1 {
			t.Fatalf("ended %s with %v", c.State, c.Counts)
		}
		if got := accountOf(w.mustAccount(person)).Family; got != "Test" {
			t.Fatalf("the account says %q", got)
		}
		// Leaving is not held up by a value that the application refuses.
		w.dir.UpdateUser(person, map[string]any{"accountEnabled": false})
		w.sync()
		if w.mustAccount(person).Active {
			t.Fatal("somebody whose sign-in is blocked is still active, because another value was refused")
		}
		w.dir.UpdateUser(person, map[string]any{"accountEnabled": true, "surname": "Cure"})
		w.sync()
		w.settled()
		w.inStep()
		w.quiet()
	})
}

// pausing has the application ask for patience at its n-th request.
func (w *world) pausing(n int, header map[string]string) {
	w.t.Helper()
	w.fault(scimtest.Fault{Nth: n, Status: 429, Header: header})
}

// TestRefusedGroup refuses a group, its removal and one of its members: everything else goes through,
// and what was refused follows when it is not any more.
func TestRefusedGroup(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		c := w.cast()
		second := w.dir.AddGroup(graphtest.Group{DisplayName: "Second", Members: c.crew})
		w.dir.Assign(second, w.dir.AppRoles()[0].ID)
		w.fault(scimtest.Fault{Method: "POST", Path: "/Groups", BodyContains: "Second", Status: 400})
		cycle := w.cycle()
		if cycle.State != engine.CycleEntryErrors || cycle.Counts["groups.failed"] != 1 || cycle.Counts["groups.created"] != 1 || cycle.Counts["users.failed"] != 0 {
			t.Fatalf("ended %s, %v", cycle.State, cycle.Counts)
		}
		w.app.ClearFaults()
		w.after(40 * time.Minute)
		w.settled()
		w.inStep()

		late := w.addUser("late")
		w.dir.AddMember(second, late)
		w.dir.RemoveMember(second, c.crew[0])
		w.fault(scimtest.Fault{Method: "PATCH", Path: "/Groups", BodyContains: `"add"`, Status: 400})
		cycle = w.cycle()
		if cycle.State != engine.CycleEntryErrors || cycle.Counts["memberships.failed"] != 1 || cycle.Counts["memberships.removed"] != 1 {
			t.Fatalf("ended %s, %v", cycle.State, cycle.Counts)
		}
		w.app.ClearFaults()
		w.after(40 * time.Minute)
		w.settled()
		w.inStep()

		w.dir.Unassign(second)
		w.fault(scimtest.Fault{Method: "DELETE", Status: 500})
		cycle = w.cycle()
		if cycle.State != engine.CycleEntryErrors || cycle.Counts["groups.failed"] != 1 || cycle.Counts["users.disabled"] != 1 { // late
			t.Fatalf("ended %s, %v", cycle.State, cycle.Counts)
		}
		w.app.ClearFaults()
		w.after(40 * time.Minute)
		w.settled()
		w.inStep()
		w.quiet()
	})
}

// TestNamesThatMove lets one person take the name that another has just given up, in one cycle.
func TestNamesThatMove(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{graph: company(20, 2), virtual: true, profile: d.profile, dialect: d.flag})
				var chain []string
				for i := range 6 {
					id := w.dir.AddUser(graphtest.User{ // ids against the order in which names have to become free
						ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", i+1), UserPrincipalName: fmt.Sprintf("chain%d@example.test", i),
						DisplayName: "Chain", GivenName: "Chain", Surname: "Link",
					})
					w.dir.Assign(id, graphtest.ZeroRole)
					chain = append(chain, id)
				}
				w.sync()
				// Everybody moves up by one: 0 becomes 1, … and 5 becomes something new.
				for i := len(chain) - 1; i >= 0; i-- {
					w.dir.UpdateUser(chain[i], map[string]any{"userPrincipalName": fmt.Sprintf("chain%d@example.test", i+1)})
				}
				// The name that 0 gave up goes to somebody new.
				heir := w.addUser("heir")
				w.dir.UpdateUser(heir, map[string]any{"userPrincipalName": "chain0@example.test"})
				w.dir.Assign(heir, graphtest.ZeroRole)
				before := map[string]string{}
				for _, id := range chain {
					before[id] = w.mustAccount(id).ID
				}
				for range len(chain) { // each cycle frees at least one more name
					if c := w.cycle(); c.State == engine.CycleSucceeded {
						break
					}
				}
				w.settled()
				w.inStep()
				for _, id := range chain {
					if got := w.mustAccount(id).ID; got != before[id] {
						t.Errorf("%s has another account than before", id)
					}
				}
				w.quiet()
				if w.cycles > 2+1 {
					t.Errorf("the names moved within %d cycles, want one", w.cycles-2)
				}
			})
		})
	}
}

// TestFreedName: who takes over a name that became free in the same cycle gets an account of their own.
func TestFreedName(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(w *world, id string)
	}{
		{"by a rename", func(w *world, id string) {
			w.dir.UpdateUser(id, map[string]any{"userPrincipalName": "elsewhere@example.test"})
		}},
		{"by a soft delete", func(w *world, id string) { w.dir.SoftDelete(id) }},
		{"by a hard delete", func(w *world, id string) { w.dir.HardDelete(id) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{graph: company(20, 2), virtual: true})
				old := w.addUser("taken")
				w.dir.Assign(old, graphtest.ZeroRole)
				w.sync()
				was := w.mustAccount(old).ID
				c.leave(w, old)
				heir := w.dir.AddUser(graphtest.User{ID: "00000000-0000-4000-8000-000000000001", UserPrincipalName: "taken@example.test", DisplayName: "Heir"})
				w.dir.Assign(heir, graphtest.ZeroRole)
				w.sync()
				w.settled()
				w.inStep()
				if got := w.mustAccount(heir).ID; got == was {
					t.Error("the heir of the name got the account of the person who had it before")
				}
				w.quiet()
			})
		})
	}
}

// TestInvisible has a name taken by an account that no search shows: that person fails with the
// reason, and is matched, not created, once the account can be found.
func TestInvisible(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(20, 2), virtual: true, app: scimtest.Options{Quirks: scimtest.Quirks{DisabledInvisibleInSearch: true}}})
		person := w.addUser("ghost")
		w.dir.Assign(person, graphtest.ZeroRole)
		id, err := w.app.AddUser(map[string]any{"userName": "ghost@example.test", "active": false})
		if err != nil {
			t.Fatal(err)
		}
		c := w.cycle()
		if c.State != engine.CycleEntryErrors || c.Counts["users.failed"] != 1 || c.Counts["users.created"] != 20 {
			t.Fatalf("ended %s with %v", c.State, c.Counts)
		}
		rows, err := w.store.Entries(t.Context(), "test", engine.LogFilter{Status: engine.StatusFailure})
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 1 || rows[0].Code != engine.CodeConflict || rows[0].HTTPStatus != http.StatusConflict {
			t.Errorf("the log says %+v, want one conflict", rows)
		}
		w.app.Change(func(q *scimtest.Quirks) { q.DisabledInvisibleInSearch = false })
		if c := w.after(40 * time.Minute); c.State != engine.CycleSucceeded {
			t.Fatalf("once it can be found: %s, %v%s", c.State, c.Counts, w.failures(c.ID))
		}
		if got := w.mustAccount(person); got.ID != id || !got.Active {
			t.Errorf("the account is %s, active %t; want %s to be taken over", got.ID, got.Active, id)
		}
		w.inStep()
		w.quiet()
	})
}

// TestUnauthorized changes the token of the application: the job stops without blaming anybody, and
// goes on when the token is right again.
func TestUnauthorized(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(50, 5), virtual: true})
		w.app.Change(func(q *scimtest.Quirks) { q.RequireToken = "another" })
		for range 3 {
			c := w.cycle()
			if c.State != engine.CycleQuarantined || c.ErrorCode != string(engine.CodeCredentials) || c.Counts["users.failed"] != 0 {
				t.Fatalf("ended %s with code %s, %v", c.State, c.ErrorCode, c.Counts)
			}
			if n := w.app.Requests().Total; n > 10 {
				t.Errorf("%d requests were sent with a token that is refused", n)
			}
		}
		if n := w.queue(); n[engine.ChangeEscrow] != 0 {
			t.Errorf("somebody is in escrow: %v", n)
		}
		w.app.Change(func(q *scimtest.Quirks) { q.RequireToken = "app-token" })
		w.sync()
		w.settled()
		w.inStep()

		// Now in the middle of a cycle.
		for range 3 {
			w.dir.PassDay()
		}
		w.fault(scimtest.Fault{Nth: 4, Status: 401})
		w.fault(scimtest.Fault{Nth: 5, Status: 401})
		w.fault(scimtest.Fault{Nth: 6, Status: 401})
		if c := w.cycle(); c.State != engine.CycleQuarantined {
			t.Fatalf("ended %s, %v", c.State, c.Counts)
		}
		w.app.ClearFaults()
		w.sync()
		w.settled()
		w.inStep()
		w.quiet()
	})
}

// TestDown has the application be away for a cycle: nobody is blamed for it, however few people
// there are, and the next cycle goes on.
func TestDown(t *testing.T) {
	for _, people := range []int{1, 5, 60} {
		t.Run(fmt.Sprintf("%d people", people), func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{graph: company(people, 2), virtual: true})
				away := func(when string) {
					w.targetLines.cut()
					began := time.Now()
					c := w.cycle()
					if c.State != engine.CycleFailed && c.State != engine.CycleQuarantined || c.ErrorCode != string(engine.CodeTransport) {
						t.Errorf("%s: ended %s with code %q, %v", when, c.State, c.ErrorCode, c.Counts)
					}
					if n := w.queue(); n[engine.ChangeEscrow] != 0 {
						t.Errorf("%s: people are in escrow because the application was away: %v%s", when, n, w.failures(c.ID))
					}
					if took := time.Since(began); took > time.Hour {
						t.Errorf("%s: it took %s to give up", when, took)
					}
					w.targetLines.mend()
					time.Sleep(40 * time.Minute)
					w.sync()
					w.settled()
					w.inStep()
					w.quiet()
				}
				away("initial")
				w.dir.PassDay()
				time.Sleep(time.Hour)
				away("incremental")
			})
		})
	}
}
