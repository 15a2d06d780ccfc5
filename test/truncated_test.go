package test

import (
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

// suspicious runs a cycle that must not believe what the directory says: nobody loses anything at the
// application, what would follow is held, and the error names cause and remedy.
func (w *world) suspicious() {
	w.t.Helper()
	before := w.belongings()
	c := w.cycle()
	if c.State != engine.CycleHeld || c.ErrorCode != string(engine.CodeSourceSuspect) {
		w.t.Fatalf("cycle %d ended %s with code %q: %s; counts %v", w.cycles, c.State, c.ErrorCode, c.Error, c.Counts)
	}
	if !strings.Contains(c.Error, "scimsync job deletions test approve") {
		w.t.Errorf("the message names no remedy: %s", c.Error)
	}
	w.unharmed(before)
}

// TestNobodyListed has a full read return nobody, or too few, again and again.
func TestNobodyListed(t *testing.T) {
	for name, f := range map[string]graphtest.Fault{
		"no users":        {Match: graphtest.Match{Feed: "users"}, Effect: graphtest.Shrink, Percent: 100},
		"a third":         {Match: graphtest.Match{Feed: "users"}, Effect: graphtest.Shrink, Percent: 66},
		"no groups":       {Match: graphtest.Match{Feed: "groups"}, Effect: graphtest.Shrink, Percent: 100},
		"no assignments":  {Match: graphtest.Match{Path: "/servicePrincipals/{}/appRoleAssignedTo"}, Effect: graphtest.EmptyList},
		"few assignments": {Match: graphtest.Match{Path: "/servicePrincipals/{}/appRoleAssignedTo"}, Effect: graphtest.Shrink, Percent: 90},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{graph: company(200, 12), virtual: true})
				w.sync()
				w.dir.AddFault(f)
				w.dir.KillTokens("", graphtest.Gone)
				for range 3 {
					w.suspicious()
				}
				w.recovers()
			})
		})
	}
}

// TestNobodyListedOfThousands is the same for 5,000 people.
func TestNobodyListedOfThousands(t *testing.T) {
	if testing.Short() {
		t.Skip("5,000 people take seconds; run without -short")
	}
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(5000, 30), virtual: true})
		w.sync()
		w.dir.KillTokens("", graphtest.Gone)
		w.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: graphtest.Shrink, Percent: 100})
		w.suspicious()
		w.recovers()
	})
}

// TestEmptyAssignments has the list of assignments come back empty in a cycle of changes, which would mean
// that everybody is to lose access.
func TestEmptyAssignments(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(60, 6), virtual: true})
		w.sync()
		w.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Path: "/servicePrincipals/{}/appRoleAssignedTo"}, Effect: graphtest.EmptyList})
		for range 3 {
			w.dir.PassDay()
			w.suspicious()
		}
		w.recovers()
	})
}

// TestEverybodyLeaves is no fault: who really wants to empty the application says so, and can.
func TestEverybodyLeaves(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(60, 6), virtual: true})
		w.sync()
		for _, a := range w.dir.Truth().Assignments {
			w.dir.Unassign(a.PrincipalID)
		}
		w.suspicious()
		w.suspicious()
		w.job.Options.Deletions = engine.DeletionGuard{Off: true} // deletions.threshold: 0
		w.sync()
		w.settled()
		w.inStep()
		if b := w.belongings(); len(b.people)+len(b.groups) > 0 {
			t.Errorf("%d accounts are active and %d groups there", len(b.people), len(b.groups))
		}
		w.quiet()
	})
}

// TestApplicationGone: without the application nobody is assigned, and nobody is treated so.
func TestApplicationGone(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(40, 4), virtual: true})
		w.sync()
		before := w.belongings()
		w.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Path: "/servicePrincipals/{}"}, Effect: graphtest.Status, Status: 404})
		c := w.cycle()
		if c.State != engine.CycleQuarantined || c.ErrorCode != string(engine.CodeSourceApplication) {
			t.Errorf("ended %s with %s", c.State, c.ErrorCode)
		}
		w.unharmed(before)
		w.recovers()
	})
}
