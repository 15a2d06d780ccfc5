package decide

import (
	"testing"

	"github.com/scimsync/scimsync/engine"
)

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
