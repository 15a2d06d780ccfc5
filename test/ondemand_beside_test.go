package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
)

// TestOnDemandBeside provisions a person while a cycle exports: one that it has not come to, and the very one that it is
// writing. Nobody is written twice, and nobody waits long.
func TestOnDemandBeside(t *testing.T) {
	t.Parallel()
	const people = 40
	for _, at := range []string{"not begun", "being written"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setting{})
			var names []string
			for i := range people {
				names = append(names, fmt.Sprintf("p%02d", i))
			}
			ids := w.assigned(names...)
			slices.Sort(ids)
			w.stranger("stranger@example.test") // so that everybody is searched for
			w.runner.Concurrency = 1
			who := ids[people-1] // in the order of the export the last one
			if at == "being written" {
				who = ids[0]
			}
			var got engine.Provisioned
			var took time.Duration
			var asked, done sync.WaitGroup
			asked.Add(1)
			told := sync.OnceFunc(asked.Done)
			posts := 0
			begin := sync.OnceFunc(func() {
				began := time.Now()
				done.Go(func() {
					answers, err := w.runner.Provision(context.WithoutCancel(t.Context()), "test", "", users(who), false, false)
					if err != nil || len(answers) != 1 {
						t.Errorf("%d answers: %v", len(answers), err)
						return
					}
					got, took = answers[0], time.Since(began)
				})
				asked.Wait()
				time.Sleep(300 * time.Millisecond) // it stands in line now
			})
			ask := func(r *http.Request) {
				if strings.Contains(r.URL.Path+r.URL.RawQuery, who) {
					told()
				}
			}
			call := func(int64) {
				if posts++; posts == 3 { // is it empty, is there the first one, and the create
					w.onAsk.Store(&ask)
					begin()
				}
			}
			w.onCall.Store(&call)
			w.cycle()
			done.Wait()
			if took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			want := engine.Create
			if at == "being written" {
				want = engine.Nothing
			}
			if got.Entry.Action != want {
				t.Errorf("got %s, want %s%s", got.Entry.Action, want, steps(got))
			}
			if n := w.app.Requests().By["POST /Users"]; n != people {
				t.Errorf("%d creates for %d people", n, people)
			}
			w.sync()
			w.settled()
			w.inStep()
		})
	}
}

// TestOnDemandLost: whoever asked goes away while the answer to the create is on its way. Nobody is made twice, and the
// object is free again at once.
func TestOnDemandLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{})
	ann := w.assigned("ann")[0]
	w.fault(scimtest.Fault{Method: "POST", Delay: time.Second, Times: 1})
	ctx, cancel := context.WithCancel(t.Context())
	call := func(int64) {
		if users, _ := w.app.Size(); users == 0 {
			time.AfterFunc(300*time.Millisecond, cancel)
		}
	}
	w.onCall.Store(&call)
	if answers, err := w.runner.Provision(ctx, "test", "", users(ann), false, false); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, %v", answers, err)
	}
	w.happened()
	w.onCall.Store(nil)
	began := time.Now()
	got := w.provision(ann)[0]
	if got.Entry.Action != engine.Nothing {
		t.Errorf("the account was not found again%s", steps(got))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the object was still reserved: it took %s", took)
	}
	if users, _ := w.app.Size(); users != 1 {
		t.Errorf("%d accounts", users)
	}
	w.sync()
	w.inStep()
}

// TestOnDemandLocked: an object that somebody else works on is waited for, but not for ever, and is free when the call ends.
func TestOnDemandLocked(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		ann := w.assigned("ann", "bob")[0]
		other := []engine.Ref{{Kind: engine.User, ID: ann}}
		if _, err := w.store.Lease(t.Context(), "test", other, "cycle:elsewhere", time.Now().Add(time.Hour), time.Now()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		got := w.provision(ann, "bob@example.test")
		w.did(got[0], engine.StatusSkipped, engine.Skip, string(engine.LockedByOther))
		w.did(got[1], engine.StatusSuccess, engine.Create, "")
		if took := time.Since(began); took < 20*time.Second || took > 30*time.Second {
			t.Errorf("it took %s", took)
		}
		time.AfterFunc(3*time.Second, func() {
			if err := w.store.Release(context.WithoutCancel(t.Context()), "test", other, "cycle:elsewhere"); err != nil {
				t.Error(err)
			}
		})
		began = time.Now()
		w.did(w.provision(ann)[0], engine.StatusSuccess, engine.Create, "")
		if took := time.Since(began); took < 3*time.Second || took > 5*time.Second {
			t.Errorf("after a release by the other it took %s", took)
		}
		w.sync()
		w.inStep()
	})
}

// meddler settles a change, as a cycle that decided about it meanwhile would, just before it is exported.
type meddler struct {
	engine.Store
	meddle func(context.Context, engine.Ref)
}

func (m *meddler) NoteSent(ctx context.Context, j engine.JobID, sent map[engine.Ref]string) error {
	if err := m.Store.NoteSent(ctx, j, sent); err != nil {
		return err
	}
	for r := range sent {
		m.meddle(ctx, r)
	}
	return nil
}

// TestOnDemandRecorded: what was done is on record although a cycle took the change out of the queue meanwhile.
func TestOnDemandRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{})
	ann := w.assigned("ann")[0]
	meddled := 0
	w.runner.Store = &meddler{Store: w.store, meddle: func(ctx context.Context, ref engine.Ref) {
		list, err := w.store.Changes(ctx, "test", ref.Kind, []engine.ChangeState{engine.ChangeQueued}, "", 10)
		if err != nil || len(list) != 1 || list[0].Ref != ref {
			t.Errorf("the change is not in the queue: %v, %v", list, err)
			return
		}
		meddled++
		if err := w.store.Settle(ctx, "test", "", []engine.Settled{{Ref: ref, Rev: list[0].Rev}}); err != nil {
			t.Error(err)
		}
	}}
	got := w.provision(ann)[0]
	w.did(got, engine.StatusSuccess, engine.Create, "")
	if meddled != 1 || got.Entry.ID == 0 {
		t.Errorf("meddled %d times; the row is %d", meddled, got.Entry.ID)
	}
	l, err := w.store.Link(t.Context(), "test", engine.Ref{Kind: engine.User, ID: ann})
	if err != nil || l.TargetID != w.mustAccount(ann).ID {
		t.Errorf("the link is %+v, %v", l, err)
	}
	w.runner.Store = w.store
	w.sync()
	w.settled()
	w.quiet()
}

// TestOnDemandRequest: what was asked and the answer go through the store, whole, and a request that was answered is not
// carried out again.
func TestOnDemandRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{})
	ann := w.assigned("ann")[0]
	asked, err := json.Marshal(cycle.Asked{By: "mira", Subjects: users(ann, "nobody@example.test"), Explain: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.PutRequest(t.Context(), "test", "r1", asked); err != nil {
		t.Fatal(err)
	}
	first, err := w.runner.ProvisionRequest(t.Context(), "test", "r1")
	if err != nil {
		t.Fatal(err)
	}
	w.app.ResetCounts()
	again, err := w.runner.ProvisionRequest(t.Context(), "test", "r1")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, again, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the answer changed on its way through the store (-first +again):\n%s", d)
	}
	if n := w.app.Requests(); n.Total != 0 || len(again) != 2 || again[0].Entry.Action != engine.Create {
		t.Errorf("%d requests, %d answers: %+v", n.Total, len(again), again)
	}
}
