package scim

import (
	"sync"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

const (
	// systematicAfter failures of one kind with one code and no success between mean that the
	// connection is broken, not the objects (2.3).
	systematicAfter = 10
	// betweenCycles is how long a connection is idle between cycles at least. The connector does
	// not know cycles; what it counts "in this cycle" starts anew after such a pause.
	betweenCycles = time.Minute
)

// tally counts failures per kind of call.
type tally struct {
	clock wire.Clock

	mu   sync.Mutex
	last time.Time
	n    int  // cycles so far
	any  bool // some call succeeded
	runs map[operation]*run
}

type run struct {
	code engine.Code
	n    int
	ok   bool // a call of this kind succeeded

	answers int // in the success range
	bad     int // of these, the ones that could not be used
}

func (t *tally) of(op operation) *run {
	now := t.clock.Now()
	if t.runs == nil || now.Sub(t.last) > betweenCycles {
		t.runs, t.any = map[operation]*run{}, false
		t.n++
	}
	t.last = now
	r := t.runs[op]
	if r == nil {
		r = &run{}
		t.runs[op] = r
	}
	return r
}

// succeeded notes an answer in the success range.
func (t *tally) succeeded(op operation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.of(op)
	r.ok, r.n, t.any = true, 0, true
	r.answers++
}

// failed notes a failure and reports whether it is systematic.
func (t *tally) failed(op operation, code engine.Code) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.of(op)
	if r.code != code {
		r.code, r.n = code, 0
	}
	r.n++
	return r.n >= systematicAfter && !r.ok
}

// cycle numbers the stretches of work between idle times.
func (t *tally) cycle() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(opFind)
	return t.n
}

// first reports whether no call has succeeded yet.
func (t *tally) first() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(opFind)
	return !t.any
}

// unusable notes an answer in the success range that could not be used, which send has noted as a
// success, and reports whether that is systematic.
func (t *tally) unusable(op operation) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.of(op)
	r.bad++
	return r.bad >= systematicAfter && r.bad == r.answers
}
