package enginetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// TestStore holds a Store to the comments of [engine.Store]. open returns a new, empty store each
// time; the suite closes it.
func TestStore(t *testing.T, open func(t *testing.T) engine.Store) {
	groups := []struct {
		name  string
		tests []storeTest
	}{
		{"Feeds", feedTests()},
		{"Scope", scopeTests()},
		{"Objects", objectTests()},
		{"Queue", queueTests()},
		{"Settle", settleTests()},
		{"Holds", holdTests()},
		{"Reservations", leaseTests()},
		{"Escrow", escrowTests()},
		{"Links", linkTests()},
		{"Memberships", membershipTests()},
		{"FailedEdges", failedEdgeTests()},
		{"Removals", removalTests()},
		{"References", referenceTests()},
		{"Plans", planTests()},
		{"Cycles", cycleTests()},
		{"Log", logTests()},
		{"Control", controlTests()},
		{"Retention", retentionTests()},
		{"Audit", auditTests()},
		{"Notices", noticeTests()},
		{"Suspect", suspectTests()},
		{"Inspection", inspectionTests()},
		{"Expand", expandTests()},
		{"Load", loadTests()},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, test := range g.tests {
				t.Run(test.name, func(t *testing.T) {
					s := open(t)
					t.Cleanup(func() {
						if err := s.Close(); err != nil {
							t.Errorf("close: %v", err)
						}
					})
					test.run(&storeCase{T: t, s: s, job: "job"})
				})
			}
		})
	}
}

// storeTest is one promise of the contract.
type storeTest struct {
	name string
	run  func(c *storeCase)
}

// storeCase is a store under test, with the calls that most tests make.
type storeCase struct {
	*testing.T
	s   engine.Store
	job engine.JobID
}

// must ends the test at an error.
func (c *storeCase) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// got ends the test at an error and passes a value on.
func got[V any](v V, err error) func(c *storeCase) V {
	return func(c *storeCase) V {
		c.Helper()
		c.must(err)
		return v
	}
}

// equal compares without regard to nil and empty; want nil is any empty value.
func (c *storeCase) equal(what string, got, want any) {
	c.Helper()
	if want == nil {
		want = reflect.Zero(reflect.TypeOf(got)).Interface()
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		c.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func user(id string) engine.Ref  { return engine.Ref{Kind: engine.User, ID: id} }
func group(id string) engine.Ref { return engine.Ref{Kind: engine.Group, ID: id} }

// active is a living object with attributes.
func active(r engine.Ref) engine.Object {
	return engine.Object{Ref: r, State: engine.Active, Attributes: mapping.Attributes{"displayName": r.ID}}
}

// conveying is a living security group.
func conveying(id string) engine.Object {
	o := active(group(id))
	o.Conveys = true
	return o
}

func member(g string, of engine.Ref) engine.Edge {
	return engine.Edge{From: group(g), Relation: engine.Member, To: of}
}

func manager(u, of string) engine.Edge {
	return engine.Edge{From: user(u), Relation: engine.Manager, To: user(of)}
}

func removed(e engine.Edge) engine.Edge {
	e.Removed = true
	return e
}

func assigned(id string, to engine.Ref) engine.Assignment {
	return engine.Assignment{ID: id, Principal: to, RoleID: "role", RoleValue: "value", RoleName: "Role", Effective: true}
}

// open opens a round of a feed.
func (c *storeCase) open(f engine.Feed, full bool) engine.FeedState {
	c.Helper()
	return got(c.s.OpenRound(c.Context(), c.job, f, full, "selection"))(c)
}

// save saves a page of the open round.
func (c *storeCase) save(f engine.Feed, p engine.PageWrite) {
	c.Helper()
	c.must(c.s.SavePage(c.Context(), c.job, f, p))
}

// round reads a feed to its end: one page.
func (c *storeCase) round(f engine.Feed, full bool, p engine.PageWrite) {
	c.Helper()
	p.Generation = c.open(f, full).Generation
	c.save(f, p)
	c.must(c.s.CloseRound(c.Context(), c.job, f, "watermark"))
}

// all is a time after every due time of a test.
var all = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// undecided returns all undecided changes of both kinds.
func (c *storeCase) undecided() []engine.Queued {
	c.Helper()
	var list []engine.Queued
	for _, k := range []engine.Kind{engine.Group, engine.User} {
		list = append(list, got(c.s.Undecided(c.Context(), c.job, k, all, "", 1<<20))(c)...)
	}
	return list
}

// queued returns "group:id" and "user:id" for all undecided changes.
func (c *storeCase) queued() []string {
	c.Helper()
	var names []string
	for _, q := range c.undecided() {
		names = append(names, string(q.Kind)+":"+q.ID)
	}
	return names
}

// change returns the undecided change of an object.
func (c *storeCase) change(r engine.Ref) engine.Queued {
	c.Helper()
	for _, q := range c.undecided() {
		if q.Ref == r {
			return q
		}
	}
	c.Fatalf("%v is not queued", r)
	return engine.Queued{}
}

// drain empties the queue.
func (c *storeCase) drain() {
	c.Helper()
	var done []engine.Settled
	for _, q := range c.undecided() {
		done = append(done, engine.Settled{Ref: q.Ref, Rev: q.Rev})
	}
	c.must(c.s.Settle(c.Context(), c.job, "", done))
	if left := c.queued(); len(left) > 0 {
		c.Fatalf("still queued: %v", left)
	}
}

// link links objects to the target ids "t-" + id and wakes their edges.
func (c *storeCase) link(refs ...engine.Ref) {
	c.Helper()
	var done []engine.Settled
	for _, r := range refs {
		done = append(done, engine.Settled{Ref: r, Link: linkOf(r), Wake: true})
	}
	c.must(c.s.Settle(c.Context(), c.job, "", done))
}

func linkOf(r engine.Ref) *engine.Link {
	return &engine.Link{Ref: r, TargetID: "t-" + r.ID, State: engine.Managed, MatchedBy: "created", Name: "Name of " + r.ID}
}

// cycle begins a cycle and returns its id.
func (c *storeCase) cycle(id engine.CycleID) engine.CycleID {
	c.Helper()
	fresh := engine.Cycle{ID: id, Job: c.job, Kind: engine.Incremental, State: engine.CycleRunning, Phase: engine.PhaseImport, StartedAt: now}
	return got(c.s.BeginCycle(c.Context(), fresh))(c).ID
}

// counts returns the counters of a cycle.
func (c *storeCase) counts(id engine.CycleID) engine.Counts {
	c.Helper()
	return got(c.s.Cycle(c.Context(), c.job, id))(c).Counts
}

// waiting returns the edges of an object that wait, as "+user:id" (to be added) or "-user:id".
func (c *storeCase) waiting(from engine.Ref, rel engine.Relation) []string {
	c.Helper()
	var list []string
	for _, m := range got(c.s.Waiting(c.Context(), c.job, from, rel, "", 1<<20))(c) {
		sign := "-"
		if m.Want {
			sign = "+"
		}
		list = append(list, fmt.Sprintf("%s%s:%s", sign, m.To.Kind, m.To.ID))
	}
	return list
}

// holders returns the ids of the objects with edges to export.
func (c *storeCase) holders(rel engine.Relation) []string {
	c.Helper()
	var ids []string
	for _, h := range got(c.s.Holders(c.Context(), c.job, rel, "", 1<<20))(c) {
		ids = append(ids, h.ID)
	}
	return ids
}

// now is a time that both databases keep exactly.
var now = time.Date(2026, 3, 1, 12, 30, 15, 123456000, time.UTC)
