package decide

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

func TestThreshold(t *testing.T) {
	for _, c := range []struct {
		guard       engine.DeletionGuard
		managed     int
		destructive int
		holds       bool
	}{
		{engine.DeletionGuard{Threshold: 3}, 100, 3, false}, // 18.4: three pass
		{engine.DeletionGuard{Threshold: 3}, 100, 4, true},  // four trip
		{engine.DeletionGuard{}, 0, 5, false},               // 18.7: at least 5
		{engine.DeletionGuard{}, 0, 6, true},
		{engine.DeletionGuard{}, 200, 20, false}, // 10 %
		{engine.DeletionGuard{}, 200, 21, true},
		{engine.DeletionGuard{}, 100_000, 500, false}, // at most 500
		{engine.DeletionGuard{}, 100_000, 501, true},
		{engine.DeletionGuard{Off: true}, 10, 10, false},
	} {
		if got := Holds(c.guard, c.managed, c.destructive); got != c.holds {
			t.Errorf("Holds(%+v, %d managed, %d destructive) = %v, want %v", c.guard, c.managed, c.destructive, got, c.holds)
		}
	}
}

func TestSuspectReads(t *testing.T) {
	for _, c := range []struct {
		known, seen        int
		truncated, suspect bool
	}{
		{0, 0, false, false},
		{9, 0, false, false}, // tiny
		{10, 5, false, false},
		{10, 4, true, false},
		{5000, 0, true, true},
		{5000, 4800, false, false}, // 4 %
		{5000, 4700, false, true},  // 6 % and more than 100
		{1000, 940, false, false},  // 6 %, but only 60
	} {
		if got := Truncated(c.known, c.seen); got != c.truncated {
			t.Errorf("Truncated(%d, %d) = %v, want %v", c.known, c.seen, got, c.truncated)
		}
		if got := Suspect(c.known, c.known-c.seen); got != c.suspect {
			t.Errorf("Suspect(%d, %d) = %v, want %v", c.known, c.known-c.seen, got, c.suspect)
		}
	}
}

func TestEmptied(t *testing.T) {
	for _, c := range []struct {
		provisioned, lost int
		want              bool
	}{
		{9, 9, false}, // tiny
		{10, 10, true},
		{60, 50, false}, // one big group, and somebody is left
		{60, 54, true},
		{200, 100, false},
		{200, 101, true},
		{5000, 2000, false},
		{5000, 2501, true},
		{0, 0, false},
	} {
		if got := Emptied(c.provisioned, c.lost); got != c.want {
			t.Errorf("Emptied(%d, %d) = %v, want %v", c.provisioned, c.lost, got, c.want)
		}
	}
}

// TestQuarantine has the vectors of section 17.1.
func TestQuarantine(t *testing.T) {
	for _, c := range []struct {
		name    string
		f, s, r int
		want    string
	}{
		{"below 5,000, whatever the rate", 4_000, 0, 0, ""},
		{"5,000 are evaluated", 5_000, 0, 0, "EncounteredEscrowProportionThreshold"},
		{"85.7 %", 30_000, 5_000, 0, "EncounteredEscrowProportionThreshold"},
		{"16.7 %", 20_000, 100_000, 0, ""},
		{"more than 40,000", 45_000, 1_000_000, 0, "EncounteredBaseEscrowThreshold"},
		{"61,000 with references", 40_000, 1_000_000, 21_000, "EncounteredTotalEscrowThreshold"},
		{"28.6 % and not more than 40,000", 40_000, 100_000, 0, ""},
	} {
		if reason, yes := Quarantined(Entra, c.f, c.s, c.r); reason != c.want || yes != (c.want != "") {
			t.Errorf("%s: got %q %v, want %q", c.name, reason, yes, c.want)
		}
	}
	for _, c := range []struct{ inScope, floor int }{{0, 20}, {200, 20}, {1_000, 100}, {100_000, 5_000}} {
		if got := Adaptive(c.inScope).MinFailures; got != c.floor {
			t.Errorf("Adaptive(%d).MinFailures = %d, want %d", c.inScope, got, c.floor)
		}
	}
}

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
	first := time.Date(2031, 3, 1, 8, 0, 0, 0, time.UTC)
	if _, expired := Fail(&engine.Escrow{FirstFailure: first, Attempts: 30}, engine.CodeConflict, 409, "", first.Add(Expiry)); !expired {
		t.Error("a change is still retried after 28 days")
	}
}

func TestAnswer(t *testing.T) {
	gone := &engine.TargetError{Outcome: engine.OutcomeRematch, Status: 404}
	update := engine.Operation{Action: engine.Update, Then: engine.Managed}
	for _, c := range []struct {
		name  string
		op    engine.Operation
		err   *engine.TargetError
		opts  engine.Options
		again bool
		want  Next
	}{
		{"U33 entitled and gone", update, gone, engine.Options{}, false, Over},
		{"U33 entitled and gone, twice", update, gone, engine.Options{}, true, Escrow},
		{"U33 in parity", update, gone, engine.Options{MissingIsError: true}, false, Escrow},
		{"U33 not entitled and gone", engine.Operation{Action: engine.Disable, Then: engine.Released}, gone, engine.Options{}, false, Gone},
		{"U17 rename of a recycled account that is gone", engine.Operation{Action: engine.Update, Then: engine.Suspended}, gone, engine.Options{}, false, Gone},
		{"U34 delete of what is gone", engine.Operation{Action: engine.Delete, Then: engine.LinkNone}, gone, engine.Options{}, false, Gone},
		{"U36 conflict", update, &engine.TargetError{Outcome: engine.OutcomeEscrow, Code: engine.CodeConflict, Status: 409}, engine.Options{}, false, Escrow},
		{"U37 refused", update, &engine.TargetError{Outcome: engine.OutcomeEscrow, Status: 400}, engine.Options{}, false, Escrow},
		{"stale tag", update, &engine.TargetError{Outcome: engine.OutcomeEscrow, Status: 412}, engine.Options{}, false, Reread},
		{"stale tag, twice", update, &engine.TargetError{Outcome: engine.OutcomeEscrow, Status: 412}, engine.Options{}, true, Escrow},
		{"U39 credentials", update, &engine.TargetError{Outcome: engine.OutcomeQuarantine, Status: 401}, engine.Options{}, false, Stop},
		{"U40 long pause", update, &engine.TargetError{Outcome: engine.OutcomeSuspend, Status: 429}, engine.Options{}, false, Stop},
		{"no use", update, &engine.TargetError{Outcome: engine.OutcomeSkip, Status: 451}, engine.Options{}, false, Drop},
	} {
		if got := Answer(c.op, c.err, c.opts, c.again); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}
