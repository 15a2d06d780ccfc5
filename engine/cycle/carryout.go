package cycle

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
)

// one carries one change out: decide, look where the decision needs it, write, and decide again
// where the target's answer contradicts what was believed.
func (x *exporter) one(ctx context.Context, q engine.Queued) (engine.Settled, error) {
	began := x.Now()
	f := x.facts(q, func(at engine.Path, candidate string) (bool, error) {
		found, _, err := x.job.Target.Find(ctx, q.Kind, []engine.Value{{Path: at, Definition: mapping.DefinitionOf(at), Value: candidate}})
		return len(found) == 0, err
	})
	again, replaced := false, false
	lost := q.Link
	for {
		if ctx.Err() != nil {
			return engine.Settled{}, context.Cause(ctx)
		}
		if f.Link != nil && f.Target.State == decide.Absent { // the link is void, see decide.missing
			q.Link, replaced = nil, true
		}
		op := x.evaluator.decide(f)
		if op.Action == engine.Look {
			if err := x.look(ctx, q, &f); err != nil {
				return x.failed(q, f, op, err, began)
			}
			continue
		}
		if s, err := x.permitted(q, op); err != nil {
			return s, err
		}
		s, err := x.carryOut(ctx, q, &f, op)
		if err == nil {
			s.Log = took(s.Log, x.Now().Sub(began))
			s.Unlink = s.Unlink || replaced
			if replaced && op.Action == engine.Create && s.Link != nil && lost != nil {
				s.Link.Recreated = append(slices.Clone(lost.Recreated), began.UTC())
			}
			return s, nil
		}
		switch {
		case errors.Is(err, errDecideAgain):
			continue
		case errors.Is(err, errPutOff):
			return s, err
		}
		var te *engine.TargetError
		if !errors.As(err, &te) {
			return engine.Settled{}, err
		}
		switch decide.Answer(op, te, x.job.Options, again) {
		case decide.Over: // the linked object is gone: forget it here, the link goes when this is settled
			f.Target = decide.Target{State: decide.Absent}
			q.Link, replaced = nil, true
		case decide.Reread:
			f.Doubt, f.Target = true, decide.Target{}
		case decide.Gone:
			return x.gone(q, f, op, began), nil
		default:
			return x.failed(q, f, op, err, began)
		}
		again = true
	}
}

// errUndecided leaves a change to the next cycle, which decides about it anew.
var errUndecided = errors.New("to be decided anew")

// permitted refuses what must not be carried out now: what takes something away without having been counted
// by the guard, because it looked harmless when the cycle was planned, and what a saved plan does not have.
func (x *exporter) permitted(q engine.Queued, op engine.Operation) (engine.Settled, error) {
	if decide.Takes(op) && x.batch.Stage > stage(q.Kind, engine.OrderDisable) {
		return engine.Settled{Ref: q.Ref}, errUndecided
	}
	return x.asPlanned(q, op)
}

// errDecideAgain says that carrying an operation out brought new facts.
var errDecideAgain = errors.New("new facts")

// carryOut sends an operation to the target and says what is to be stored.
func (x *exporter) carryOut(ctx context.Context, q engine.Queued, f *decide.Facts, op engine.Operation) (engine.Settled, error) {
	s := engine.Settled{Ref: q.Ref, Rev: q.Rev, Bucket: bucket(op)}
	var now map[string]any
	var warnings []string
	switch op.Action {
	case engine.Create:
		if err := x.licences.left(x.cycle.ID); err != nil {
			return s, err
		}
		made, err := x.job.Target.Create(ctx, q.Kind, op.Values, f.Desired.Matching())
		if err != nil {
			return s, err
		}
		if made.Existing { // a conflict led to an account that a search did not show, or it is our own
			return s, x.found(ctx, q, f, []engine.Resource{made.Resource}, made.MatchedBy.String())
		}
		op.Adopt, op.MatchedBy = made.ID, "created"
		s.Wake = true
	case engine.Update, engine.Disable, engine.Enable:
		if op.EmptyMembers {
			if err := x.empty(ctx, q); err != nil {
				return s, err
			}
			break
		}
		updated, err := x.job.Target.Update(ctx, q.Kind, target(q, op), op.Changes)
		if err != nil {
			return s, err
		}
		now, warnings = updated.Now, updated.Warnings
	case engine.Delete:
		if err := x.job.Target.Delete(ctx, q.Kind, q.Link.TargetID); err != nil {
			return s, err
		}
	case engine.Fail:
		s = x.unwritten(x.cycle, q, *f, op)
		if f.Target.State == decide.Taken { // the holder may be on its way out
			return s, errPutOff
		}
		return s, nil
	}
	if op.Adopt != "" || op.Action == engine.Enable {
		s.Wake = true
	}
	s.ForgetMembers = op.Action == engine.Enable && q.Link != nil
	x.relink(&s, q, *f, op, now)
	s.Log = x.entry(x.cycle, q, op)
	if op.Action == engine.Create && q.Kind == engine.User && q.Object.Attributes.HomelessGuest() {
		warnings = append(warnings, "the user name is that of a guest and holds no address at home; it was used as it is. Map another attribute, such as mail, if it feeds the name of the account")
	}
	if len(warnings) > 0 {
		s.Log.Status, s.Log.Detail = engine.StatusWarning, warnings[0]
	}
	return s, nil
}

// empty removes all members of a group that the target is known to have (onGroupOutOfScope: empty). Should the group
// come back, they are added again.
func (x *exporter) empty(ctx context.Context, q engine.Queued) error {
	for after := ""; ; {
		members, err := x.Store.Exported(ctx, x.job.ID, q.Ref, after, edgeBatch)
		if err != nil || len(members) == 0 {
			return err
		}
		var ids []string
		var gone []engine.Ref
		for _, m := range members {
			after = m.To.ID
			if m.TargetID != "" {
				ids = append(ids, m.TargetID)
			}
			gone = append(gone, m.To)
		}
		answers, err := x.job.Target.RemoveMembers(ctx, q.Link.TargetID, ids)
		if err != nil {
			return err
		}
		for _, err := range answers {
			if err != nil {
				return err
			}
		}
		if err := x.Store.ForgetExported(ctx, x.job.ID, q.Ref, gone, nil); err != nil {
			return err
		}
	}
}

// target is the id of the target object that an operation is about.
func target(q engine.Queued, op engine.Operation) string {
	if op.Adopt != "" {
		return op.Adopt
	}
	return q.Link.TargetID
}

// gone settles an object that should have been disabled or deleted and is not there any more.
func (x *exporter) gone(q engine.Queued, f decide.Facts, op engine.Operation, began time.Time) engine.Settled {
	op.Reason, op.Then = engine.AlreadyAbsent, engine.LinkNone
	s := engine.Settled{Ref: q.Ref, Rev: q.Rev, Bucket: bucket(op), Unlink: true}
	s.Log = took(x.entry(x.cycle, q, op), x.Now().Sub(began))
	return s
}

// failed settles a change that the target refused: in escrow, or put off while another change may
// still free the value it wants. What stops the cycle is returned as an error.
func (x *exporter) failed(q engine.Queued, f decide.Facts, op engine.Operation, err error, began time.Time) (engine.Settled, error) {
	var te *engine.TargetError
	if !errors.As(err, &te) || te.Outcome == engine.OutcomeQuarantine || te.Outcome == engine.OutcomeSuspend {
		return engine.Settled{}, err
	}
	now := x.Now().UTC()
	e, _ := decide.Fail(q.Escrow, te.Code, te.Status, te.Detail, now)
	if te.Code == engine.CodeLicenseLimit {
		x.licences.spent(x.cycle.ID)
	}
	s := engine.Settled{Ref: q.Ref, Rev: q.Rev, Bucket: engine.BucketFailed, Escrow: &e}
	if len(te.Applied) > 0 && q.Link != nil { // some of the changes arrived: remember them
		part := op
		part.Changes, part.Then = applied(op.Changes, te.Applied), ""
		x.relink(&s, q, f, part, nil)
	}
	s.Log = took(x.entry(x.cycle, q, op), now.Sub(began))
	s.Log.Status, s.Log.Code, s.Log.HTTPStatus, s.Log.Detail = engine.StatusFailure, te.Code, te.Status, te.Detail
	lastTry(s.Log, e.Expired)
	if te.Code == engine.CodeConflict {
		return s, errPutOff
	}
	x.report(s)
	return s, nil
}

// report logs that an object failed.
func (x *exporter) report(s engine.Settled) {
	x.log(x.cycle).Warn("an object failed and waits for a retry", zap.String("object_type", string(s.Kind)), zap.String("rule", string(s.Log.Rule)),
		zap.String("code", string(s.Escrow.Code)), zap.Int("status", s.Escrow.Status), zap.Int("attempt", s.Escrow.Attempts), zap.Time("due", s.Escrow.Due))
}

func applied(changes []engine.AttributeChange, keys []string) []engine.AttributeChange {
	var out []engine.AttributeChange
	for _, c := range changes {
		for _, k := range keys {
			if c.Path.Key() == k {
				out = append(out, c)
			}
		}
	}
	return out
}
