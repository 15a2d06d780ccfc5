package decide

import "github.com/scimsync/scimsync/engine"

// Threshold returns how many disables and deletes one cycle of a job with that many managed
// objects may carry out (18.7); ok is false when the guard is off.
func Threshold(g engine.DeletionGuard, managed int) (n int, ok bool) {
	switch {
	case g.Off:
		return 0, false
	case g.Threshold > 0:
		return g.Threshold, true
	default:
		return min(500, max(5, managed/10)), true
	}
}

// Holds reports whether a plan with that many destructive operations must wait for approval. The
// count is taken on the complete plan and it is all or nothing: when it holds, none is carried out
// (18.4, 18.6).
func Holds(g engine.DeletionGuard, managed, destructive int) bool {
	n, ok := Threshold(g, managed)
	return ok && destructive > n
}

// Truncated reports whether a full read looks cut short: it brought less than half of the objects
// that are known (18.8). Tiny directories are exempt: below ten, half is within a day's work.
func Truncated(known, seen int) bool { return known >= 10 && seen*2 < known }

// Emptied reports whether so many of the provisioned objects lost their assignment at once that an
// answer cut short is likelier than a decision: nearly all of them, or most of a large number. Unassigning one
// big group of a small application is an ordinary day's work; how much of that may happen without
// somebody's approval is the deletion guard's business.
func Emptied(provisioned, lost int) bool {
	return provisioned >= 10 && lost*10 >= provisioned*9 || lost > 100 && lost*2 > provisioned
}

// Suspect reports whether too many known objects are missing from a full read to believe it
// (GS-RS-3): more than 5 % and more than 100.
func Suspect(known, missing int) bool { return missing > 100 && missing*20 > known }

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

// Quarantined reports whether failures, successes and reference failures of a cycle (open escrows
// included) put the job into quarantine, and under which reason value of 17.1.
func Quarantined(p Preset, failures, successes, references int) (reason string, yes bool) {
	switch events := failures + successes; {
	case failures+references > p.MaxTotal:
		return "EncounteredTotalEscrowThreshold", true
	case failures > p.MaxFailures:
		return "EncounteredBaseEscrowThreshold", true
	case failures >= p.MinFailures && float64(failures) > p.MaxRate*float64(events):
		return "EncounteredEscrowProportionThreshold", true
	default:
		return "", false
	}
}
