package test

import (
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

// company is a small tidy population.
func company(users, groups int) graphtest.Options {
	return graphtest.Options{Seed: 5, Population: graphtest.Population{Users: users, Groups: groups, Tidy: true}}
}

// fault plans a fault of the application.
func (w *world) fault(f scimtest.Fault) {
	w.t.Helper()
	if _, err := w.app.AddFault(f); err != nil {
		w.t.Fatal(err)
	}
}

// queue is the number of changes that wait, by state.
func (w *world) queue() map[engine.ChangeState]int {
	w.t.Helper()
	n, err := w.store.QueueSize(w.t.Context(), "test")
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// settled fails the test if anything is left in the queue.
func (w *world) settled() {
	w.t.Helper()
	if n := w.queue(); len(n) > 0 {
		w.t.Fatalf("cycle %d left changes in the queue: %v", w.cycles, n)
	}
}

// quiet runs a cycle that must not send anything to the target.
func (w *world) quiet() engine.Cycle {
	w.t.Helper()
	c := w.sync()
	if n := w.app.Requests(); n.Total != 0 || c.Counts[engine.RequestsTarget] != 0 {
		w.t.Fatalf("cycle %d sent %d requests to the target, counted %d: %v", w.cycles, n.Total, c.Counts[engine.RequestsTarget], n.By)
	}
	return c
}

// TestThrottled has the application refuse 20 requests with 429 and 20 with 503, all through an
// initial cycle: nothing fails, and the waiting can be seen in the counters.
func TestThrottled(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{graph: company(300, 20), virtual: true})
		w.fault(scimtest.Fault{Every: 9, Times: 20, Status: 429, Header: map[string]string{"Retry-After": "30"}})
		w.fault(scimtest.Fault{Every: 8, Times: 10, Status: 503, Header: map[string]string{"Retry-After": "12"}})
		w.fault(scimtest.Fault{Every: 7, Times: 10, Status: 503})
		began := time.Now()
		c := w.sync()
		n := w.app.Requests()
		if n.Status[429] != 20 || n.Status[503] != 20 {
			t.Fatalf("the faults did not happen: %v", n.Status)
		}
		w.settled()
		w.inStep()
		if got := c.Counts[engine.RetriesTarget]; got < 30 {
			t.Errorf("%d repetitions were counted", got)
		}
		waited, took := time.Duration(c.Counts[engine.WaitedMillis])*time.Millisecond, time.Since(began)
		if waited < time.Minute || waited > 2*took {
			t.Errorf("counted %s of waiting, the cycle took %s", waited, took)
		}
		w.quiet()
	})
}
