package test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
)

// TestDriftIncomplete has a target whose pages cannot be trusted: nothing is called orphaned, and nobody counts twice.
func TestDriftIncomplete(t *testing.T) {
	for name, quirk := range map[string]func(*scimtest.Quirks){
		"an account on two pages": func(q *scimtest.Quirks) { q.OverlapPages = true },
		"one page for all":        func(q *scimtest.Quirks) { q.StartIndexIgnored = true },
		"no more than two pages":  func(q *scimtest.Quirks) { q.StartIndexLimit = 100 },
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := discover(t)
				w.gone(w.acct(250))
				w.put(w.acct(20), map[string]any{"displayName": "Somebody Else"})
				w.app.Change(quirk)
				d := w.drift(true)
				if d.Incomplete[engine.User] == "" || d.Classes[engine.DriftOrphaned] != 0 {
					t.Errorf("incomplete: %q; classes %v", d.Incomplete[engine.User], d.Classes)
				}
				if n := d.Classes[engine.DriftLocal] + d.Classes[engine.DriftAssigned]; n > 1000 || name == "an account on two pages" && n != 1000 {
					t.Errorf("%d accounts in classes, of 999 and a group", n)
				}
				if d.Attributes != 1 || d.Repaired != 1 {
					t.Errorf("%d attributes differ, %d are repaired", d.Attributes, d.Repaired)
				}
				w.app.SetQuirks(scimtest.Quirks{})
				if n := w.sync().Counts["users.created"]; n != 0 {
					t.Errorf("%d accounts were created", n)
				}
			})
		})
	}
}

// TestDriftSilence has targets that do not tell everything: what they never tell is no difference.
func TestDriftSilence(t *testing.T) {
	for name, quirk := range map[string]func(*scimtest.Quirks){
		"an attribute": func(q *scimtest.Quirks) { q.HideAttributes = []string{"externalId", "displayName"} },
		"members":      func(q *scimtest.Quirks) { q.HideMembers = true },
		"booleans":     func(q *scimtest.Quirks) { q.StringBooleans = true },
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := discover(t)
				w.app.Change(quirk)
				d := w.drift(false)
				if d.Attributes != 0 || d.Memberships != 0 || d.Repaired != 0 {
					t.Errorf("%d attributes, %d members, %d repaired: %v", d.Attributes, d.Memberships, d.Repaired, toldOf(d, engine.DriftAssigned))
				}
				if name == "members" && !strings.Contains(d.Incomplete[engine.Group], "members") {
					t.Errorf("incomplete: %v", d.Incomplete)
				}
				if n := w.app.Requests().Total; n > 25 {
					t.Errorf("to compare took %d requests", n)
				}
				w.put(w.acct(20), map[string]any{"active": false})
				want := []string{"user assigned P0020@example.test of p0020@example.test, linked, active false not true"}
				if diff := cmp.Diff(want, toldOf(w.drift(false), engine.DriftAssigned)); diff != "" {
					t.Errorf("findings (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// again is a target that tells every account twice, and one account that it had not told at first is linked meanwhile.
type again struct {
	engine.Target
	engine.Lister
	engine.MemberLister
	between func()
}

func (a again) List(ctx context.Context, k engine.Kind, yield func(engine.Resource) error) (bool, error) {
	if _, err := a.Lister.List(ctx, k, yield); err != nil {
		return false, err
	}
	a.between()
	return a.Lister.List(ctx, k, yield)
}

// TestDriftTwice has accounts come twice in a listing that is said to be complete, and one linked while it is read.
func TestDriftTwice(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := discover(t)
		w.unlink(w.people[5])
		plain := w.job.Target
		w.job.Target = again{plain, plain.(engine.Lister), plain.(engine.MemberLister), func() {
			if w.linkOf(w.people[5]).State != engine.LinkNone {
				return
			}
			if _, err := w.addLink(w.people[5], w.acct(5).ID); err != nil {
				t.Error(err)
			}
		}}
		d := w.drift(false)
		want := map[engine.DriftClass]int{engine.DriftLocal: 700, engine.DriftAssigned: 301}
		if diff := cmp.Diff(want, d.Classes); diff != "" {
			t.Errorf("classes (-want +got):\n%s", diff)
		}
		if d.Accounts != 700 {
			t.Errorf("%v", toldOf(d, engine.DriftAssigned))
		}
	})
}

// TestDriftTooMany lists no more than there is room for and counts all.
func TestDriftTooMany(t *testing.T) {
	if testing.Short() {
		t.Skip("seeds many accounts")
	}
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true, app: scimtest.Options{Quirks: scimtest.Quirks{PageSize: 1000}}})
		w.sync()
		const n = cycle.MaxDriftFindings + 250
		for i := range n {
			if _, err := w.app.AddUser(map[string]any{"userName": fmt.Sprintf("local%05d", i), "active": true}); err != nil {
				t.Fatal(err)
			}
		}
		d := w.drift(true)
		if len(d.Findings) != cycle.MaxDriftFindings+1 || d.Accounts != n || d.Classes[engine.DriftLocal] != n || d.Repaired != 0 {
			t.Fatalf("%d findings, %d accounts, %v, %d repaired", len(d.Findings), d.Accounts, d.Classes, d.Repaired)
		}
		last := d.Findings[len(d.Findings)-1]
		if last.Target.ID != "" || last.Class != engine.DriftLocal || !strings.HasPrefix(last.Detail, "250 more") {
			t.Errorf("the last finding is %+v", last)
		}
	})
}

// TestDriftBeside compares while a cycle creates, changes, disables and deletes: what the cycle does is no drift.
func TestDriftBeside(t *testing.T) {
	for _, n := range []int64{2, 9, 25, 40, 55} {
		t.Run(fmt.Sprintf("at request %d", n), func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{virtual: true, graph: company(60, 5)})
				var compared, within atomic.Int64
				look := func(at int64) func(int64) {
					first := w.calls.Load()
					return func(call int64) {
						if call != first+at || !within.CompareAndSwap(0, 1) {
							return
						}
						defer within.Store(0)
						d, err := w.runner.Drift(context.WithoutCancel(t.Context()), "test", true, func(int) {})
						if err != nil {
							t.Error(err)
						}
						compared.Add(1)
						if d.Accounts != 0 || d.Attributes != 0 || d.Memberships != 0 || d.Repaired != 0 {
							t.Errorf("cycle %d: %d accounts, %d attributes, %d members, %d repaired: %v", w.cycles, d.Accounts, d.Attributes, d.Memberships, d.Repaired, toldOf(d))
						}
					}
				}
				for round := range 3 {
					f := look(n)
					w.onCall.Store(&f)
					w.cycle()
					w.onCall.Store(nil)
					w.sync()
					w.settled()
					w.inStep()
					w.quiet()
					for id, u := range w.dir.Truth().Users {
						if u.SoftDeleted {
							continue
						}
						w.dir.UpdateUser(id, map[string]any{"displayName": fmt.Sprintf("Round %d %s", round, id[:4])})
					}
					w.dir.PassDay()
				}
				if compared.Load() < 2 {
					t.Errorf("%d times was compared", compared.Load())
				}
			})
		})
	}
}
