package decide

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/engine"
)

// TestLimit: how many one cycle may take away, and that exactly as many pass.
func TestLimit(t *testing.T) {
	for _, c := range []struct {
		name    string
		guard   engine.DeletionGuard
		managed int
		limit   int
	}{
		{"18.4 threshold", engine.DeletionGuard{Threshold: 3}, 100, 3},
		{"18.4 threshold, whatever is managed", engine.DeletionGuard{Threshold: 3}, 1, 3},
		{"18.7 at least 5", engine.DeletionGuard{}, 0, 5},
		{"18.7 10 %", engine.DeletionGuard{}, 209, 20},
		{"18.7 at most 500", engine.DeletionGuard{}, 100_000, 500},
		{"share", engine.DeletionGuard{Percent: 2.5}, 1_000, 25},
		{"share, parts of an object", engine.DeletionGuard{Percent: 10}, 39, 3},
		{"share, of which nothing is whole", engine.DeletionGuard{Percent: 10}, 9, 0},
		{"share that floats below a whole number", engine.DeletionGuard{Percent: 0.29}, 10_000, 29},
		{"both, the number is smaller", engine.DeletionGuard{Threshold: 3, Percent: 10}, 100, 3},
		{"both, the share is smaller", engine.DeletionGuard{Threshold: 30, Percent: 10}, 100, 10},
	} {
		if got, ok := Limit(c.guard, c.managed); got != c.limit || !ok {
			t.Errorf("%s: Limit(%+v, %d managed) = %d, %v, want %d", c.name, c.guard, c.managed, got, ok, c.limit)
		}
		for more, hold := range []bool{false, true} {
			if got := Holds(c.guard, c.managed, c.limit+more); got != hold {
				t.Errorf("%s: %d are held: %v, want %v", c.name, c.limit+more, got, hold)
			}
		}
	}
	if n, ok := Limit(engine.DeletionGuard{Off: true, Threshold: 3}, 100); ok {
		t.Errorf("the guard is off and allows %d", n)
	}
}

// TestCensus follows changes from cycle to cycle. Every row is one undecided change in one cycle.
func TestCensus(t *testing.T) {
	three := engine.DeletionGuard{Threshold: 3}
	threshold := &engine.Hold{Cause: engine.HoldThreshold, Action: engine.Disable, Limit: 3}
	expired := &engine.Hold{Cause: engine.HoldThreshold, Action: engine.Disable, Limit: 3, Verdict: engine.Approved}
	passed := &engine.Hold{Cause: engine.HoldThreshold, Action: engine.Disable, Limit: 3, PassedOver: true}
	lapse := &engine.Hold{Cause: engine.HoldLapsed, Action: engine.Disable, Limit: 3}
	missing := &engine.Hold{Cause: engine.HoldMissing, Action: engine.Delete, Limit: 3}
	for _, c := range []struct {
		name   string
		c      Census
		before *engine.Hold
		lapsed bool
		want   engine.HoldCause
	}{
		{"35.15 three pass", Census{Guard: three, Undecided: 3}, nil, true, ""},
		{"35.15 four are held", Census{Guard: three, Undecided: 4}, nil, true, engine.HoldThreshold},
		{"35.16 four are approved, a fifth appears", Census{Guard: three, Approved: 4, Undecided: 1}, nil, false, engine.HoldThreshold},
		{"35.16 the fifth, afterwards", Census{Guard: three, Undecided: 1}, passed, false, engine.HoldThreshold},
		{"one of four is approved, three are left", Census{Guard: three, Approved: 1, Undecided: 3}, threshold, false, engine.HoldThreshold},
		{"one of four is rejected, three are left", Census{Guard: three, RejectedAt: time.Unix(1, 0), Undecided: 3}, threshold, false, engine.HoldThreshold},
		{"one of four is entitled again", Census{Guard: three, Undecided: 3}, threshold, false, ""},
		{"the approval expired", Census{Guard: three, Undecided: 1}, expired, false, engine.HoldThreshold},
		{"a newcomer beside what is held, within the limit", Census{Guard: three, Undecided: 3}, nil, false, ""},
		{"a newcomer beside what is held, above it", Census{Guard: three, Undecided: 4}, nil, false, engine.HoldThreshold},
		{"the limit is raised, but not enough", Census{Guard: engine.DeletionGuard{Threshold: 4}, Undecided: 5}, threshold, false, engine.HoldThreshold},
		{"the limit is raised to what there is", Census{Guard: engine.DeletionGuard{Threshold: 5}, Undecided: 5}, threshold, false, ""},
		{"the limit is raised to what was passed over", Census{Guard: engine.DeletionGuard{Threshold: 5}, Undecided: 5}, passed, false, ""},
		{"the limit is lowered", Census{Guard: engine.DeletionGuard{Threshold: 2}, Undecided: 1}, passed, false, engine.HoldThreshold},
		{"off", Census{Guard: engine.DeletionGuard{Off: true}, Undecided: 400, Emptied: true}, threshold, true, ""},

		{"18.8 nearly everybody, far below the threshold", Census{Guard: engine.DeletionGuard{Threshold: 500}, Undecided: 50, Emptied: true}, nil, true, engine.HoldLapsed},
		{"18.8 nearly everybody, but this one was blocked", Census{Guard: engine.DeletionGuard{Threshold: 500}, Undecided: 50, Emptied: true}, nil, false, ""},
		{"18.8 most are back, this one is not", Census{Guard: three, Undecided: 1}, lapse, true, ""},
		{"18.8 half of them are back", Census{Guard: three, Undecided: 25}, lapse, true, engine.HoldThreshold},
		{"18.8 off", Census{Guard: engine.DeletionGuard{Off: true}, Undecided: 50}, lapse, true, ""},
		{"18.8 missing from a suspect read, known to be gone now", Census{Guard: three, Undecided: 1}, missing, false, ""},
	} {
		if got, hold := c.c.Holds(c.before, c.lapsed); got != c.want || hold != (c.want != "") {
			t.Errorf("%s: held by %q, %v, want %q", c.name, got, hold, c.want)
		}
	}
}

// TestCensusLaws: more to take away never frees anything, what is held is never freed by a verdict about something else,
// and what is new is never treated better for having been held before.
func TestCensusLaws(t *testing.T) {
	small := rapid.IntRange(0, 30)
	rapid.Check(t, func(rt *rapid.T) {
		c := Census{
			Guard:   engine.DeletionGuard{Threshold: small.Draw(rt, "threshold"), Percent: float64(small.Draw(rt, "percent"))},
			Managed: small.Draw(rt, "managed"), Undecided: 1 + small.Draw(rt, "undecided"), Approved: small.Draw(rt, "approved"),
			Emptied: rapid.Bool().Draw(rt, "emptied"),
		}
		lapsed := rapid.Bool().Draw(rt, "lapsed")
		var before *engine.Hold
		if rapid.Bool().Draw(rt, "before") {
			causes := []engine.HoldCause{engine.HoldThreshold, engine.HoldLapsed, engine.HoldMissing}
			before = &engine.Hold{Cause: rapid.SampledFrom(causes).Draw(rt, "cause"), Limit: small.Draw(rt, "limit")}
		}
		_, hold := c.Holds(before, lapsed)
		if _, fresh := c.Holds(nil, lapsed); fresh && !hold {
			rt.Fatalf("%+v holds a newcomer and not what was held before: %+v", c, before)
		}
		if !hold {
			return
		}
		more := c
		more.Undecided++
		if _, still := more.Holds(before, lapsed); !still {
			rt.Fatalf("%+v holds, one more does not", c)
		}
		judged := c
		judged.Undecided, judged.Approved = c.Undecided-1, c.Approved+1
		if _, still := judged.Holds(before, lapsed); !still {
			rt.Fatalf("%+v holds; when another one is approved it does not", c)
		}
	})
}

// TestAllowed: a verdict is good for the action it was given for, and not for ever (18.7, 18.8).
func TestAllowed(t *testing.T) {
	at := time.Date(2031, 3, 1, 8, 0, 0, 0, time.UTC)
	const hour = time.Hour
	approved := &engine.Hold{Action: engine.Disable, Verdict: engine.Approved, VerdictAt: at, Until: at.Add(72 * hour)}
	rejected := &engine.Hold{Action: engine.Disable, Verdict: engine.Rejected, VerdictAt: at}
	for _, c := range []struct {
		name    string
		hold    *engine.Hold
		action  engine.Action
		changed time.Duration // of the source object, after the verdict
		after   time.Duration // now, after the verdict
		want    engine.Verdict
	}{
		{"never held", nil, engine.Disable, -hour, 0, engine.Undecided},
		{"nobody said anything", &engine.Hold{Action: engine.Disable}, engine.Disable, -hour, 0, engine.Undecided},
		{"approved", approved, engine.Disable, -hour, hour, engine.Approved},
		{"approved, the object changed, the action did not", approved, engine.Disable, hour, 2 * hour, engine.Approved},
		{"approved to disable, not to delete", approved, engine.Delete, -hour, hour, engine.Undecided},
		{"approved, the last moment", approved, engine.Disable, -hour, 72*hour - 1, engine.Approved},
		{"approved 72 h ago", approved, engine.Disable, -hour, 72 * hour, engine.Undecided},
		{"rejected", rejected, engine.Disable, -hour, 1000 * hour, engine.Rejected},
		{"rejected, changed at that very moment", rejected, engine.Disable, 0, hour, engine.Rejected},
		{"rejected, the object changed", rejected, engine.Disable, hour, 2 * hour, engine.Undecided},
		{"rejected to disable, now to be deleted", rejected, engine.Delete, -hour, hour, engine.Undecided},
	} {
		if got := Allowed(c.hold, engine.Operation{Action: c.action}, at.Add(c.changed), at.Add(c.after)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
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
