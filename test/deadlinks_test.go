package test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

// TestDeadLinks has the links of a feed die in all the ways there are, between two cycles in which
// much happened: some were purged for good, some are in the recycle bin, most are alive.
func TestDeadLinks(t *testing.T) {
	for _, mode := range []graphtest.TokenDeath{graphtest.Gone, graphtest.GoneBare, graphtest.Age, graphtest.Nested} {
		for _, feed := range []string{"users", "groups", ""} {
			t.Run(string(mode)+"/"+feed, func(t *testing.T) {
				virtually(t, func(t *testing.T) {
					w := newWorld(t, setting{graph: manyPages(company(80, 8)), virtual: true})
					purgedLater, stays := w.addUser("purged.later"), w.addUser("stays")
					purged, binned, left := w.addUser("purged"), w.addUser("binned"), w.addUser("left")
					for _, id := range []string{purged, purgedLater, binned, left, stays} {
						w.dir.Assign(id, graphtest.ZeroRole)
					}
					w.sync()
					w.dir.SoftDelete(purgedLater)
					w.dir.Unassign(left)
					w.sync()

					w.dir.HardDelete(purged)
					w.dir.HardDelete(purgedLater)
					w.dir.HardDelete(left)
					w.dir.SoftDelete(binned)
					fresh := w.addUser("fresh")
					w.dir.Assign(fresh, graphtest.ZeroRole)
					w.dir.UpdateUser(stays, map[string]any{"surname": "Changed"})
					w.dir.KillTokens(feed, mode)
					before := w.belongings()
					c := w.sync()
					if c.Kind != engine.Initial {
						t.Errorf("a cycle that read everything anew is counted as %s", c.Kind)
					}
					w.unharmed(before)
					w.settled()
					w.inStep()
					for id, want := range map[string]string{purged: "gone", purgedLater: "gone", binned: "inactive", left: "inactive", stays: "active", fresh: "active"} {
						if got := or(w.fates()[id], "gone"); got != want {
							t.Errorf("the account of %v is %s, want %s", w.dir.Truth().Users[id].Properties["userPrincipalName"], got, want)
						}
					}
					w.quiet()
				})
			})
		}
	}
}

// TestDeadPages has the links between the pages of a round die while it is read, in a full read and in a round of changes.
func TestDeadPages(t *testing.T) {
	for _, mode := range []graphtest.TokenDeath{graphtest.Page, graphtest.PageUnknown} {
		for _, feed := range []string{"users", "groups"} {
			t.Run(string(mode)+"/"+feed, func(t *testing.T) {
				virtually(t, func(t *testing.T) {
					w := newWorld(t, setting{graph: manyPages(company(60, 8)), virtual: true})
					var asked atomic.Int64
					kill := func(r *http.Request) { // before the third page, all links so far die
						if strings.HasSuffix(r.URL.Path, "/"+feed+"/delta") && asked.Add(1) == 3 {
							w.dir.KillTokens(feed, mode)
						}
					}
					w.onAsk.Store(&kill)
					w.sync()
					if asked.Load() < 6 {
						t.Fatalf("%d pages were asked for: the links did not die", asked.Load())
					}
					w.settled()
					w.inStep()
					for range 12 {
						w.dir.PassDay()
					}
					before := w.belongings()
					asked.Store(1) // a round of changes has fewer pages
					w.sync()
					w.unharmed(before)
					w.settled()
					w.inStep()
					w.quiet()
				})
			})
		}
	}
}

// TestMissingButAlive has a full read leave out some people and groups who are there all the same.
func TestMissingButAlive(t *testing.T) {
	for _, feed := range []string{"users", "groups"} {
		t.Run(feed, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				o := manyPages(company(80, 20))
				o.Settings.MemberSlice = 500 // a group is one item: it is left out whole or not at all
				w := newWorld(t, setting{graph: o, virtual: true})
				w.sync()
				w.dir.KillTokens("", graphtest.Gone)
				w.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: feed}, Effect: graphtest.Shrink, Percent: 15})
				before := w.belongings()
				w.sync()
				w.unharmed(before)
				w.settled()
				w.inStep()
				w.recovers()
			})
		})
	}
}

// TestLongPause has one side ask for a longer pause than a request may wait: the cycle ends without
// blaming anybody, and the next one goes on.
func TestLongPause(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(40, 4), virtual: true})
		pause := map[string]string{"Retry-After": "7200"}
		check := func(what string, c engine.Cycle) {
			t.Helper()
			if c.State != engine.CycleFailed || c.ErrorCode == "internal" || c.Counts["users.failed"] != 0 {
				t.Errorf("%s: ended %s with %s %s, %v", what, c.State, c.ErrorCode, c.Error, c.Counts)
			}
			if n := w.queue(); n[engine.ChangeEscrow] > 0 {
				t.Errorf("%s: somebody is in escrow: %v", what, n)
			}
		}
		w.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Times: 1, Effect: graphtest.Status, Status: 429, Header: pause})
		check("the directory", w.cycle())
		time.Sleep(3 * time.Hour)
		w.pausing(20, pause)
		check("the application", w.cycle())
		time.Sleep(3 * time.Hour)
		w.sync()
		w.settled()
		w.inStep()
		w.quiet()
	})
}
