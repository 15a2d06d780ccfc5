package decide

import (
	"github.com/scimsync/scimsync/engine"
)

// Next is what follows a failed call to the target.
type Next int

const (
	// Escrow: the object failed; others go on.
	Escrow Next = iota
	// Over: the linked object is gone and the source object is entitled: drop the link and decide
	// again with what a search finds (U33).
	Over
	// Gone: the object should have been disabled or deleted and is not there: done, drop the link (U33, U34).
	Gone
	// Reread: what we believed of the target is wrong: read it and decide once more (409 and 412 on
	// a change, U36).
	Reread
	// Stop: the connection is broken or wants a pause: stop the cycle, nothing of this is the
	// object's fault (U39).
	Stop
	// Drop: trying again will not help until the object or the configuration changes.
	Drop
)

// Answer says what follows when carrying out op failed with e. again is true when this object was
// already decided over in this cycle: a second surprise is a failure.
func Answer(op engine.Operation, e *engine.TargetError, o engine.Options, again bool) Next {
	switch e.Outcome {
	case engine.OutcomeQuarantine, engine.OutcomeSuspend:
		return Stop
	case engine.OutcomeSkip:
		return Drop
	case engine.OutcomeRematch:
		switch {
		case op.Action == engine.Disable || op.Action == engine.Delete || op.Then == engine.Released || op.Then == engine.Suspended:
			return Gone
		case o.MissingIsError || again:
			return Escrow
		default:
			return Over
		}
	}
	if e.Status == 412 && !again {
		return Reread
	}
	return Escrow
}
