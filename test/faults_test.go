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

// happened fails the test if a planned fault did not happen: it would show nothing.
func (w *world) happened() {
	w.t.Helper()
	for _, f := range w.app.Faults() {
		if f.Hits == 0 {
			w.t.Fatalf("the fault did not happen: %+v", f.Fault)
		}
	}
}

// stranger adds an account that nobody in the directory has anything to do with.
func (w *world) stranger(userName string) scimtest.Resource {
	w.t.Helper()
	id, err := w.app.AddUser(map[string]any{"userName": userName, "displayName": "Stranger", "active": true})
	if err != nil {
		w.t.Fatal(err)
	}
	r, _ := w.app.ByID(id)
	return r
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

// TestLostAnswers breaks the answers to creates in every way in which they can be broken: nobody exists
// twice, nobody is missing, and nobody is in escrow.
func TestLostAnswers(t *testing.T) {
	for name, f := range map[string]scimtest.Fault{
		"cut after it was applied":       {Method: "POST", Every: 4, Times: 30, CutAfterApply: true},
		"cut before it was applied":      {Method: "POST", Every: 4, Times: 30, CutBefore: true},
		"no answer in time":              {Method: "POST", Every: 10, Times: 10, Delay: 10 * time.Minute},
		"500 although it was applied":    {Method: "POST", Every: 4, Times: 30, Status: 500, Apply: true},
		"500":                            {Method: "POST", Every: 4, Times: 30, Status: 500},
		"500 as a web page":              {Method: "POST", Every: 4, Times: 30, Status: 500, Body: "<html><body>sorry</body></html>"},
		"502 although it was applied":    {Method: "POST", Every: 4, Times: 30, Status: 502, Apply: true},
		"an answer that is cut short":    {Method: "POST", Every: 4, Times: 30, Apply: true, Status: 201, Body: `{"schemas":["urn:ietf`},
		"success without a body":         {Method: "POST", Every: 4, Times: 30, Apply: true, Status: 201},
		"a search that fails afterwards": {Method: "GET", Path: "/Users", Every: 3, Times: 10, Status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{graph: company(120, 8), virtual: true})
				w.stranger("somebody.else@example.test") // so that everybody has to be searched for
				w.fault(f)
				c := w.sync()
				w.happened()
				if got := c.Counts[engine.User.Counter(engine.BucketCreated)]; got != 120 {
					t.Errorf("%d users created, want 120", got)
				}
				w.settled()
				w.inStep()
				w.quiet()
			})
		})
	}
}

// TestLostUpdates does the same to the requests that change people and groups.
func TestLostUpdates(t *testing.T) {
	for name, f := range map[string]scimtest.Fault{
		"cut after it was applied":  {Method: "PATCH", Every: 3, Times: 20, CutAfterApply: true},
		"cut before it was applied": {Method: "PATCH", Every: 3, Times: 20, CutBefore: true},
		"no answer in time":         {Method: "PATCH", Every: 6, Times: 5, Delay: 10 * time.Minute},
		"500":                       {Method: "PATCH", Path: "/Users", Every: 3, Times: 20, Status: 500},
		"503":                       {Method: "PATCH", Every: 3, Times: 20, Status: 503},
		"504 after it was applied":  {Method: "PATCH", Every: 3, Times: 20, Status: 504, Apply: true},
		"412":                       {Method: "PATCH", Path: "/Users", Every: 3, Times: 20, Status: 412},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{graph: company(60, 6), virtual: true})
				w.sync()
				w.fault(f)
				for range 3 {
					w.dir.PassDay()
				}
				w.sync()
				w.happened()
				w.settled()
				w.inStep()
				w.quiet()
			})
		})
	}
}
