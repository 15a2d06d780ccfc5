package decide

import (
	"time"

	"github.com/scimsync/scimsync/engine"
)

// Class sorts failures by how soon another try makes sense (16.2).
type Class int

const (
	Transient  Class = iota // 429, 502, 503, 504, timeouts, resets
	Fault                   // 500, answers that make no sense
	Data                    // 400, 409, 413, 422, missing values, duplicates
	Permission              // 403 on that object
)

// ClassOf sorts a failure by its code.
func ClassOf(c engine.Code) Class {
	switch c {
	case engine.CodeThrottled, engine.CodeTimeout, engine.CodeTransport:
		return Transient
	case engine.CodeServerError, engine.CodeBadResponse:
		return Fault
	case engine.CodeForbidden:
		return Permission
	default:
		return Data
	}
}

// Expiry is how long a failed change is retried, and how long a job in quarantine is.
const Expiry = 28 * 24 * time.Hour

// Fail returns the escrow of a change, or of a membership or another reference, that failed once more at now; before is
// its escrow until now, nil if this is the first failure. Due is the time itself when the change is to be tried in the
// next cycle: transient failures and faults three times, data failures once; then the ladder of first
// failure + 6 h, + 12 h, + 24 h and every 24 h from there on. After 28 days it is expired and not retried
// any more. What is tried again after that, because its source object changed or somebody asked for it, begins anew.
func Fail(before *engine.Escrow, c engine.Code, status int, detail string, now time.Time) (after engine.Escrow, expired bool) {
	after = engine.Escrow{FirstFailure: now, LastFailure: now, Attempts: 1, Code: c, Status: status, Detail: detail}
	// What had expired says so also by its times: the mark is gone once the change is queued anew.
	if before != nil && !before.Expired && before.LastFailure.Sub(before.FirstFailure) < Expiry {
		after.FirstFailure, after.Attempts = before.FirstFailure, before.Attempts+1
	}
	soon := 1
	switch ClassOf(c) {
	case Transient, Fault:
		soon = 3
	case Permission:
		soon = 0
	}
	after.Due = now
	if after.Attempts > soon {
		after.Due = rung(after.FirstFailure, now)
	}
	after.Expired = now.Sub(after.FirstFailure) >= Expiry
	return after, after.Expired
}

// rung returns the first step of the ladder of first + 6 h, + 12 h, + 24 h and every 24 h from there on after now.
func rung(first, now time.Time) time.Time {
	for _, d := range []time.Duration{6 * time.Hour, 12 * time.Hour, 24 * time.Hour} {
		if t := first.Add(d); t.After(now) {
			return t
		}
	}
	days := now.Sub(first)/(24*time.Hour) + 1
	return first.Add(days * 24 * time.Hour)
}
