package test

import (
	"context"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// loud is the default mapping with displayName in capitals.
func loud(t *testing.T) mapping.Mapping {
	t.Helper()
	m := mapping.Default()
	users, problems := mapping.Compile(mapping.ObjectSpec{Attributes: []mapping.AttributeSpec{
		{Target: "userName", Source: "[userPrincipalName]", Match: 1},
		{Target: "active", Source: "Not([IsSoftDeleted])"},
		{Target: "displayName", Source: "ToUpper([displayName])"},
		{Target: "name.givenName", Source: "[givenName]"},
		{Target: "name.familyName", Source: "[surname]"},
		{Target: "externalId", Source: "[objectId]"},
	}})
	for _, p := range problems {
		t.Fatal(p)
	}
	m.Users = users
	return m
}

// allLoud fails the test if somebody is still written in the old way.
func (w *world) allLoud() {
	w.t.Helper()
	quiet := 0
	for _, r := range w.app.Users() {
		if r.Active && r.DisplayName != strings.ToUpper(r.DisplayName) {
			quiet++
		}
	}
	if quiet > 0 {
		w.t.Errorf("cycle %d: %d of %d accounts have values of the mapping that was given up", w.cycles, quiet, len(w.app.Users()))
	}
	w.quiet()
}

// TestMappingChangedBetween changes the mapping where a cycle with the old one did not get to its
// end: what that one had written by then is brought up to date all the same.
func TestMappingChangedBetween(t *testing.T) {
	t.Run("a first cycle that broke off", func(t *testing.T) {
		virtually(t, func(t *testing.T) {
			w := newWorld(t, setting{graph: company(80, 5), virtual: true})
			w.fault(scimtest.Fault{Method: "POST", Nth: 30, Status: 401})
			w.fault(scimtest.Fault{Method: "POST", Nth: 31, Status: 401})
			for n := 32; n < 80; n++ {
				w.fault(scimtest.Fault{Method: "POST", Nth: n, Status: 401})
			}
			if c := w.cycle(); c.State != engine.CycleQuarantined || c.Counts["users.created"] == 0 {
				t.Fatalf("ended %s, %v", c.State, c.Counts)
			}
			w.app.ClearFaults()
			w.job.Mapping = loud(t)
			w.sync()
			w.allLoud()
		})
	})
	t.Run("a later cycle that broke off", func(t *testing.T) {
		virtually(t, func(t *testing.T) {
			w := newWorld(t, setting{graph: company(80, 5), virtual: true})
			w.sync()
			w.job.Mapping = loud(t)
			w.fault(scimtest.Fault{Method: "PATCH", Every: 1, Status: 401})
			if c := w.cycle(); c.State != engine.CycleQuarantined {
				t.Fatalf("ended %s, %v", c.State, c.Counts)
			}
			w.app.ClearFaults()
			w.sync()
			w.allLoud()
		})
	})
	t.Run("and back again", func(t *testing.T) {
		virtually(t, func(t *testing.T) {
			w := newWorld(t, setting{graph: company(80, 5), virtual: true})
			old := w.job.Mapping
			w.sync()
			w.job.Mapping = loud(t)
			w.fault(scimtest.Fault{Method: "PATCH", Every: 1, Times: 1, Status: 500})
			w.fault(scimtest.Fault{Method: "PATCH", Nth: 30, Status: 401})
			for n := 31; n < 70; n++ {
				w.fault(scimtest.Fault{Method: "PATCH", Nth: n, Status: 401})
			}
			if c := w.cycle(); c.State != engine.CycleQuarantined {
				t.Fatalf("ended %s, %v", c.State, c.Counts)
			}
			w.app.ClearFaults()
			w.job.Mapping = old
			w.sync()
			w.inStep()
			w.quiet()
		})
	})
	for _, initial := range []bool{true, false} {
		name := "a later cycle that the process died in"
		if initial {
			name = "a first cycle that the process died in"
		}
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{graph: company(80, 5), virtual: true})
				if !initial {
					w.sync()
					w.dir.PassDay()
				}
				w.die()
				w.job.Mapping = loud(t)
				w.sync()
				w.allLoud()
			})
		})
	}
}

// die takes the steps of a cycle up to the first batch, as a process does that is killed then.
func (w *world) die() {
	w.t.Helper()
	ctx, beat := context.WithoutCancel(w.t.Context()), func(int) {}
	c, err := w.runner.Begin(ctx, "test", "killed")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.runner.Import(ctx, c, beat); err != nil {
		w.t.Fatal(err)
	}
	plan, err := w.runner.Decide(ctx, c, beat)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.runner.Export(ctx, c, plan.Batches[0], beat); err != nil {
		w.t.Fatal(err)
	}
}
