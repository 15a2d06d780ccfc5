package decide

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

// TestLadder follows one change through all its tries, each made as soon as it is due (16.2).
func TestLadder(t *testing.T) {
	const hour = time.Hour
	for _, c := range []struct {
		code engine.Code
		want []time.Duration // due after the first failure; zero: the next cycle
	}{
		{engine.CodeConflict, []time.Duration{0, 6 * hour, 12 * hour, 24 * hour, 48 * hour, 72 * hour}},
		{engine.CodeTimeout, []time.Duration{0, 0, 0, 6 * hour, 12 * hour, 24 * hour, 48 * hour}},
		{engine.CodeServerError, []time.Duration{0, 0, 0, 6 * hour, 12 * hour}},
		{engine.CodeForbidden, []time.Duration{6 * hour, 12 * hour, 24 * hour, 48 * hour}},
	} {
		first := time.Date(2031, 3, 1, 8, 0, 0, 0, time.UTC)
		now := first
		var e *engine.Escrow
		var got []time.Duration
		for range c.want {
			next, expired := Fail(e, c.code, 400, "", now)
			if expired {
				t.Fatalf("%s: expired after %s", c.code, now.Sub(first))
			}
			if e = &next; next.Due.Equal(now) {
				got = append(got, 0)
				now = now.Add(time.Minute) // the next cycle
				continue
			}
			got = append(got, next.Due.Sub(first))
			now = next.Due
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: due times (-want +got):\n%s", c.code, d)
		}
	}
}

// TestExpiry: a change that always fails is tried every day until 28 days after its first failure, and not
// after that; what is tried again later begins a new series (16.2, 35.13).
func TestExpiry(t *testing.T) {
	const day = 24 * time.Hour
	first := time.Date(2031, 3, 1, 8, 0, 0, 0, time.UTC)
	e, expired := Fail(nil, engine.CodeConflict, 409, "taken", first)
	now, tries := first.Add(time.Minute), 1
	for !expired {
		if e, expired = Fail(&e, engine.CodeConflict, 409, "taken", now); e.Expired != expired {
			t.Fatalf("expired is %v in the escrow and %v beside it", e.Expired, expired)
		}
		tries++
		if !expired {
			now = e.Due
		}
	}
	if now != first.Add(28*day) || e.FirstFailure != first || tries != e.Attempts {
		t.Errorf("expired %s after the first failure, at try %d of %d; want 28 days", now.Sub(first), tries, e.Attempts)
	}
	if tries != 2+2+28 { // at once, the next cycle, 6 h, 12 h, and every day
		t.Errorf("%d tries", tries)
	}
	later := first.Add(40 * day)
	want := engine.Escrow{FirstFailure: later, LastFailure: later, Attempts: 1, Due: later, Code: engine.CodeConflict, Status: 409, Detail: "taken"}
	for _, marked := range []bool{true, false} { // a store forgets the mark when the change is queued anew
		e.Expired = marked
		again, expired := Fail(&e, engine.CodeConflict, 409, "taken", later)
		if d := cmp.Diff(want, again); d != "" || expired {
			t.Errorf("queued anew after it had expired, marked %v (-want +got):\n%s", marked, d)
		}
	}
}
