package decide

import (
	"time"

	"github.com/scimsync/scimsync/engine"
)

// Preset is a set of numbers for [Quarantined].
type Preset struct {
	MinFailures int     // below this number of failures nothing happens
	MaxRate     float64 // share of failed events above which the job is quarantined
	MaxFailures int     // absolute limit, references not counted
	MaxTotal    int     // absolute limit, references counted
}

// Entra are Microsoft's published numbers (17.1).
var Entra = Preset{MinFailures: 5000, MaxRate: 0.40, MaxFailures: 40000, MaxTotal: 60000}

// Adaptive is Entra with a floor that also fires in small tenants.
func Adaptive(inScope int) Preset {
	p := Entra
	p.MinFailures = min(5000, max(20, inScope/10))
	return p
}

// PresetOf returns the numbers of a preset by its name for a job with that many objects in scope; "" is adaptive.
func PresetOf(name engine.QuarantinePreset, inScope int) Preset {
	if name == engine.PresetEntra {
		return Entra
	}
	return Adaptive(inScope)
}

// Quarantined reports whether failures, successes and reference failures of a cycle (open escrows
// included) put the job into quarantine, and under which reason value of 17.1.
func Quarantined(p Preset, failures, successes, references int) (reason engine.QuarantineReason, yes bool) {
	switch events := failures + successes; {
	case failures+references > p.MaxTotal:
		return engine.QuarantineTotal, true
	case failures > p.MaxFailures:
		return engine.QuarantineBase, true
	case failures >= p.MinFailures && float64(failures) > p.MaxRate*float64(events):
		return engine.QuarantineProportion, true
	default:
		return "", false
	}
}

// Enter returns the quarantine of a job that has to go into it, or stays in it, at now; q is the present one, nil for a
// healthy job. q is not changed.
//
// A series lasts from the first imposition until it is lifted; [engine.Quarantine.SeriesCount] counts how often it
// was kept. Deletions that wait for approval let the job work, so a failure after them, or they after a failure, are the end of one
// series and the start of another.
func Enter(q *engine.Quarantine, reason engine.QuarantineReason, code engine.Code, message string, now time.Time) *engine.Quarantine {
	after := &engine.Quarantine{Reason: reason, Code: code, Message: message, SeriesBegan: now, CurrentBegan: now}
	if q != nil && (q.Reason == engine.QuarantineDeletes) == (reason == engine.QuarantineDeletes) {
		after.SeriesBegan, after.SeriesCount = q.SeriesBegan, q.SeriesCount+1
		if q.Reason == reason {
			after.CurrentBegan = q.CurrentBegan
		}
	}
	if reason != engine.QuarantineDeletes { // which needs no waiting: the rest of the work goes on
		after.NextAttempt = rung(after.SeriesBegan, now)
	}
	return after
}

// Due reports whether a cycle may be tried: the job is not in quarantine, or its next attempt has come.
func Due(q *engine.Quarantine, now time.Time) bool { return q == nil || !now.Before(q.NextAttempt) }

// Over28Days reports whether a job has been in quarantine for so long that it is disabled (17.2). Deletions that wait
// for approval never have that effect: joiners and other leavers would suffer for what nobody decided.
func Over28Days(q *engine.Quarantine, now time.Time) bool {
	return q != nil && q.Reason != engine.QuarantineDeletes && now.Sub(q.SeriesBegan) >= Expiry
}

// DaysLeft tells when people are to be reminded that a job is going to be disabled: it is so in 7, 3 or 1 days, or
// less. ok is false when it is too early for that, too late, or never.
func DaysLeft(q *engine.Quarantine, now time.Time) (days int, ok bool) {
	if q == nil || q.Reason == engine.QuarantineDeletes || Over28Days(q, now) {
		return 0, false
	}
	left := q.SeriesBegan.Add(Expiry).Sub(now)
	for _, days := range []int{1, 3, 7} {
		if left <= time.Duration(days)*24*time.Hour {
			return days, true
		}
	}
	return 0, false
}
