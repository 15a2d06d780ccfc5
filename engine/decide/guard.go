package decide

import (
	"time"

	"github.com/scimsync/scimsync/engine"
)

// Limit returns how many disables and deletes one cycle of a job with that many managed objects may
// carry out; ok is false when the guard is off. With a number and a share set the smaller limit counts; with
// neither it is min(500, max(5, 10 %)) (18.7).
func Limit(g engine.DeletionGuard, managed int) (n int, ok bool) {
	// The product of a share and a count may come out a hair below a whole number.
	share := int(float64(managed)*g.Percent/100 + 1e-9)
	switch {
	case g.Off:
		return 0, false
	case g.Threshold > 0 && g.Percent > 0:
		return min(g.Threshold, share), true
	case g.Threshold > 0:
		return g.Threshold, true
	case g.Percent > 0:
		return share, true
	default:
		return min(500, max(5, managed/10)), true
	}
}

// Takes reports whether an operation counts for the guard: it disables or deletes, or empties a group (18.2).
func Takes(op engine.Operation) bool { return op.Action.Destructive() || op.EmptyMembers }

// Allowed is the verdict that stands about a held change when op is decided for it now. An approval is good for the
// action it was given for and until it expires; a rejection for that action and until the source object changes, which it
// last did at changedAt. Nil, or a verdict that stands no more, is [engine.Undecided].
func Allowed(h *engine.Hold, op engine.Operation, changedAt, now time.Time) engine.Verdict {
	switch {
	case h == nil || h.Action != op.Action:
		return engine.Undecided
	case h.Verdict == engine.Approved && now.Before(h.Until):
		return engine.Approved
	case h.Verdict == engine.Rejected && !changedAt.After(h.VerdictAt):
		return engine.Rejected
	default:
		return engine.Undecided
	}
}

// Holds reports whether so many operations are more than one call or cycle may carry out without approval.
func Holds(g engine.DeletionGuard, managed, destructive int) bool {
	n, ok := Limit(g, managed)
	return ok && destructive > n
}

// Census counts what one cycle would take away ([Takes]), over all kinds. It is taken on the complete plan, before any
// of it is exported (18.4, 18.6).
type Census struct {
	Guard   engine.DeletionGuard
	Managed int // objects that are managed, for [Limit]
	// Undecided are changes without a verdict that stands ([Allowed]), those held by earlier cycles included.
	Undecided int
	// Approved are changes that this cycle carries out on an approval. They leave less room for others: an approved
	// list cannot be joined by somebody nobody looked at.
	Approved int
	// RejectedAt is when a rejection that stands was last given. Rejected changes count nowhere, but show that the list they
	// were on was looked at.
	RejectedAt time.Time
	// Emptied says that nearly everybody lost the assignment at once, see [Emptied].
	Emptied bool
}

// Exceeded reports whether the counts are above the limit. Exactly as many as the limit pass.
func (c Census) Exceeded() bool { return Holds(c.Guard, c.Managed, c.Undecided+c.Approved) }

// Holds says whether an undecided change is held, and by which guard. before is what is known of it: nil for a change that
// comes up for the first time. lapsed says that it follows from a lost assignment.
//
// It is all or nothing: none of them is carried out when there are too many. They are counted anew in every cycle, so that
// the real leavers of a day on which the source answered badly are not kept waiting once the others are entitled again
// (18.8). But what somebody looked at and did not approve, by approving or rejecting others of the list, is held until
// there is a verdict about it, it is entitled again, the guard is switched off, or the limit is raised to what there is.
func (c Census) Holds(before *engine.Hold, lapsed bool) (engine.HoldCause, bool) {
	n, ok := Limit(c.Guard, c.Managed)
	switch {
	case !ok:
		return "", false
	case lapsed && c.Emptied:
		return engine.HoldLapsed, true
	case c.Exceeded():
		return engine.HoldThreshold, true
	case before != nil && n <= before.Limit && c.PassedOver(before):
		return before.Cause, true
	default:
		return "", false
	}
}

// PassedOver reports whether somebody gave verdicts on a list with the change on it and none about it, or one that
// stands no more.
func (c Census) PassedOver(before *engine.Hold) bool {
	return before != nil && (before.PassedOver || before.Verdict != engine.Undecided || c.Approved > 0 || c.RejectedAt.After(before.Since))
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
