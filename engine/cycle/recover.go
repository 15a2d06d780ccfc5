package cycle

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
)

// wantedBy is the value by which an object that is made for q will be found.
func (e *evaluator) wantedBy(q engine.Queued) string {
	by := e.facts(q, nil).Desired.Matching()
	if len(by) == 0 {
		return ""
	}
	value, _ := by[0].Value.(string)
	return value
}

// recover finds the account of somebody for whom a create may have been sent by a process that did not live to record
// it, where deciding as usual would not: the source gave the person another name meanwhile, or took the access away. An
// account that is found is linked, so that it is renamed, or disabled. One that others made is left alone.
func (d *decider) recover(ctx context.Context, q *engine.Queued) error {
	if !q.VerifyFirst || q.Link == nil && q.Sent == "" {
		return nil
	}
	f := d.facts(*q, anyValue)
	entitled := f.State == engine.Active && f.Factors.InScope() && f.Factors.Enabled
	if q.Link != nil {
		if entitled {
			return nil // the export reads the account before it decides
		}
		return d.reenabled(ctx, q, f)
	}
	if entitled && strings.EqualFold(d.wantedBy(*q), q.Sent) {
		return nil // the export searches by that value before it posts anything
	}
	paths := matchingPaths(*f.Mapping)
	if len(paths) == 0 {
		return nil
	}
	by := engine.Value{Path: paths[0], Definition: mapping.DefinitionOf(paths[0]), Value: q.Sent}
	found, _, err := d.job.Target.Find(ctx, q.Kind, []engine.Value{by})
	if err != nil {
		return stopped(err)
	}
	if len(found) != 1 || !ours(f, *q, found[0]) {
		return nil
	}
	links, err := d.Store.LinkedTo(ctx, d.job.ID, q.Kind, []string{found[0].ID})
	if err != nil || len(links) > 0 {
		return err
	}
	now := d.Now().UTC()
	l := engine.Link{Ref: q.Ref, TargetID: found[0].ID, State: engine.Managed, MatchedBy: "created", Name: q.Sent, Verify: true, CreatedAt: now, UpdatedAt: now}
	l.Exported = exported(l, decide.Facts{Mapping: f.Mapping, Target: decide.Target{State: decide.Found, Resource: found[0]}}, engine.Operation{}, nil)
	if err := d.Store.PutLink(ctx, d.job.ID, l, false); err != nil {
		return err
	}
	q.Link = &l
	d.log(d.cycle).Info("an object that a process made and did not live to record was found")
	return nil
}

// reenabled reads the account of somebody whom a process may have enabled without living to record it, and who lost the
// access again since. What is believed of such an account, that it is inactive, would keep it active for ever.
func (d *decider) reenabled(ctx context.Context, q *engine.Queued, f decide.Facts) error {
	if !q.Link.Disabled {
		return nil // believed to be active: what takes the access away does not ask
	}
	res, err := d.job.Target.Get(ctx, q.Kind, q.Link.TargetID)
	if te, ok := errors.AsType[*engine.TargetError](err); ok && te.Outcome == engine.OutcomeRematch {
		return nil
	}
	if err != nil {
		return stopped(err)
	}
	l := *q.Link
	l.Exported = exported(l, decide.Facts{Mapping: f.Mapping, Target: decide.Target{State: decide.Found, Resource: res}}, engine.Operation{}, nil)
	f.Target = decide.Target{State: decide.Found, Resource: res}
	active := slices.ContainsFunc(f.Desired.Update(res.Read), func(c engine.AttributeChange) bool { return c.SoftDelete })
	if active {
		l.State, l.Disabled = engine.Managed, false
	}
	l.Verify = false
	if err := d.Store.PutLink(ctx, d.job.ID, l, false); err != nil {
		return err
	}
	q.Link = &l
	return nil
}

// ours reports whether the job made an object: it carries the id of the source object, or, where no mapping writes
// that, nothing but what we would have written.
func ours(f decide.Facts, q engine.Queued, r engine.Resource) bool {
	for i := range f.Mapping.Attributes {
		a := &f.Mapping.Attributes[i]
		if name, direct := a.Source.Direct(); direct && (strings.EqualFold(name, "objectId") || strings.EqualFold(name, "id")) {
			id, _ := r.Read(a.Target).(string)
			return strings.EqualFold(id, q.ID)
		}
	}
	for _, c := range f.Desired.Update(r.Read) {
		if !c.SoftDelete {
			return false
		}
	}
	return true
}

// halts are the jobs whose running cycle somebody stopped, in this process: the word of Temporal takes a moment to
// arrive.
type halts struct{ jobs sync.Map }

// errHalted ends the steps of a cycle that was stopped.
var errHalted error = &StopError{Code: "stopped", Message: "the cycle was stopped; what it had not done waits for the next one"}

// Halt lets the running cycle of a job end with the objects in hand. The next cycle is not touched.
func (r *Runner) Halt(id engine.JobID) { r.halts.jobs.Store(id, true) }

func (r *Runner) halted(id engine.JobID) bool {
	_, is := r.halts.jobs.Load(id)
	return is
}
