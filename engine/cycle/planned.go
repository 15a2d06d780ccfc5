package cycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/scimsync/scimsync/engine"
)

// A saved plan allows exactly the operations it has. Each is known by a digest of what is done, so that a
// cycle that applies it can tell whether it would still do the same; what is done to whom stays in the file
// of whoever saved the plan.

// digest is the fingerprint of an operation: what is written, and what was there before. Values that are kept
// out of the log are left out: some are made anew each time.
func digest(op engine.Operation) (string, error) {
	type value struct {
		Path     string
		Old, New any
	}
	doc := struct {
		Action engine.Action
		Then   engine.LinkState
		Values []value
	}{Action: op.Action, Then: op.Then}
	for _, v := range op.Values {
		if !v.Redact {
			doc.Values = append(doc.Values, value{Path: v.Path.Key(), New: v.Value})
		}
	}
	for _, c := range op.Changes {
		if !c.Redact {
			doc.Values = append(doc.Values, value{c.Path.Key(), c.Old, c.New})
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return "", fmt.Errorf("digest of an operation: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}

// edgeRef names a reference in a plan.
func edgeRef(rel engine.Relation, from, to engine.Ref) engine.Ref {
	return engine.Ref{Kind: engine.Kind(rel), ID: from.ID + "/" + string(to.Kind) + "/" + to.ID}
}

// edgeDigest is what is done to a reference.
func edgeDigest(want bool) string {
	if want {
		return "add"
	}
	return "remove"
}

// loadPlan reads what the saved plan of the cycle, if there is one, allows for the changes.
func (x *exporter) loadPlan(ctx context.Context, queued []engine.Queued) error {
	if x.cycle.Plan == "" {
		return nil
	}
	var err error
	x.plan, err = x.Store.PlanOf(ctx, x.job.ID, x.cycle.Plan, refsOf(queued))
	return err
}

// asPlanned records an operation of a dry run, and refuses one that the saved plan does not have: the source, the
// target or the configuration changed since.
func (x *exporter) asPlanned(q engine.Queued, op engine.Operation) (engine.Settled, error) {
	s := engine.Settled{Ref: q.Ref}
	if x.Record == nil && x.cycle.Plan == "" || op.Action == engine.Fail {
		return s, nil
	}
	d, err := digest(x.asBefore(q, op))
	if err != nil {
		return s, err
	}
	if x.Record != nil {
		x.Record(engine.PlannedOp{Ref: q.Ref, Digest: d})
	}
	if x.cycle.Plan == "" {
		return s, nil
	}
	if x.plan[q.Ref] == d {
		if _, again := x.counted.LoadOrStore(q.Ref, true); !again {
			x.planned.Add(1)
		}
		return s, nil
	}
	op.Detail = fmt.Sprintf("planned otherwise; now it would be %s (%s)", op.Action, op.Reason)
	op.Action, op.Reason, op.Values = engine.Skip, engine.ChangedSincePlan, nil
	s.Log = x.entry(x.cycle, q, op)
	return s, errUndecided
}

// asBefore is an operation without the name in between that its object may have in this cycle: a plan knows the name
// that the object had before it stepped aside.
func (x *exporter) asBefore(q engine.Queued, op engine.Operation) engine.Operation {
	aside := x.aside[q.Ref]
	if aside == nil {
		return op
	}
	op.Changes = slices.Clone(op.Changes)
	for i, c := range op.Changes {
		if c.Path.Key() == aside.Path.Key() {
			op.Changes[i].Old = aside.Old
		}
	}
	return op
}

// keepToPlan leaves out what the saved plan does not have: it stays queued for the next cycle.
func (d *decider) keepToPlan(ctx context.Context, planned []engine.Planned) ([]engine.Planned, error) {
	if d.cycle.Plan == "" || len(planned) == 0 {
		return planned, nil
	}
	refs := make([]engine.Ref, len(planned))
	for i, p := range planned {
		refs[i] = p.Ref
	}
	have, err := d.Store.PlanOf(ctx, d.job.ID, d.cycle.Plan, refs)
	if err != nil {
		return nil, err
	}
	kept := planned[:0]
	for _, p := range planned {
		if _, ok := have[p.Ref]; ok {
			kept = append(kept, p)
		}
	}
	return kept, d.note(ctx, d.job, d.cycle, engine.Counts{engine.PlanLeft: len(refs) - len(kept)})
}

// dropped refuses what the saved plan wants to be done to objects that need nothing now, or must not have it: what
// was planned does not happen, and somebody has to hear of it.
func (d *decider) dropped(ctx context.Context, settled []engine.Settled) error {
	if d.cycle.Plan == "" || len(settled) == 0 {
		return nil
	}
	refs := make([]engine.Ref, len(settled))
	for i, s := range settled {
		refs[i] = s.Ref
	}
	have, err := d.Store.PlanOf(ctx, d.job.ID, d.cycle.Plan, refs)
	if err != nil || len(have) == 0 {
		return err
	}
	n := 0
	for i := range settled {
		s := &settled[i]
		if _, planned := have[s.Ref]; !planned || s.Log == nil {
			continue
		}
		row := *s.Log
		row.Detail = fmt.Sprintf("planned otherwise; now it is %s (%s)", row.Action, row.Reason)
		row.Action, row.Status, row.Reason = engine.Skip, engine.StatusSkipped, engine.ChangedSincePlan
		s.Log = &row
		n++
	}
	return d.note(ctx, d.job, d.cycle, engine.Counts{engine.PlanRefused: n})
}

// plannedEdges leaves out references that the saved plan does not have, and records those of a dry run.
func (r *Runner) plannedEdges(ctx context.Context, job *Job, c engine.Cycle, from engine.Ref, rel engine.Relation, waiting []engine.Membership) ([]engine.Membership, error) {
	if r.Record != nil {
		for _, m := range waiting {
			r.Record(engine.PlannedOp{Ref: edgeRef(rel, from, m.To), Digest: edgeDigest(m.Want)})
		}
	}
	if c.Plan == "" {
		return waiting, nil
	}
	refs := make([]engine.Ref, len(waiting))
	for i, m := range waiting {
		refs[i] = edgeRef(rel, from, m.To)
	}
	have, err := r.Store.PlanOf(ctx, job.ID, c.Plan, refs)
	if err != nil {
		return nil, err
	}
	kept := waiting[:0]
	for i, m := range waiting {
		if have[refs[i]] == edgeDigest(m.Want) {
			kept = append(kept, m)
		}
	}
	return kept, r.note(ctx, job, c, engine.Counts{engine.PlanLeft: len(refs) - len(kept), engine.PlanDone: len(kept)})
}
