package cycle

import (
	"context"
	"errors"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// watch is the target of one object that is provisioned on demand: it remembers what was searched, found and refused,
// so that the answer can tell. Requests are not taken out of the numbers of a cycle that runs meanwhile.
type watch struct {
	engine.Target
	// claim reserves a target object that is about to be linked, or says who is linking it.
	claim func(ctx context.Context, target string) error

	searches []search
	read     *reading
	refused  *engine.TargetError // the last answer that was an error
	made     string              // id of what was created
	existed  string              // id of what a create met
}

// search is one search at the target.
type search struct {
	by        []engine.Value
	found     []engine.Resource
	matchedBy engine.Path
	err       error
}

// reading is a target object that was read by id.
type reading struct {
	id       string
	resource engine.Resource
	err      error
}

var _ engine.Target = (*watch)(nil)

// TakeRequests implements [engine.Meter].
func (*watch) TakeRequests() engine.Requests { return engine.Requests{} }

func (w *watch) note(err error) error {
	if te, ok := errors.AsType[*engine.TargetError](err); ok {
		w.refused = te
	}
	return err
}

// Find implements [engine.Target].
func (w *watch) Find(ctx context.Context, k engine.Kind, by []engine.Value) ([]engine.Resource, engine.Path, error) {
	found, path, err := w.Target.Find(ctx, k, by)
	w.searches = append(w.searches, search{by, found, path, err})
	if err == nil && len(found) == 1 {
		err = w.claim(ctx, found[0].ID)
	}
	return found, path, w.note(err)
}

// Get implements [engine.Target].
func (w *watch) Get(ctx context.Context, k engine.Kind, id string) (engine.Resource, error) {
	res, err := w.Target.Get(ctx, k, id)
	w.read = &reading{id, res, err}
	return res, w.note(err)
}

// Create implements [engine.Target].
func (w *watch) Create(ctx context.Context, k engine.Kind, values, matching []engine.Value) (engine.Created, error) {
	made, err := w.Target.Create(ctx, k, values, matching)
	if err == nil {
		w.made = made.ID
		if made.Existing {
			w.made, w.existed = "", made.ID
		}
		err = w.claim(ctx, made.ID)
	}
	return made, w.note(err)
}

// Update implements [engine.Target].
func (w *watch) Update(ctx context.Context, k engine.Kind, id string, changes []engine.AttributeChange) (engine.Updated, error) {
	updated, err := w.Target.Update(ctx, k, id, changes)
	return updated, w.note(err)
}

// Delete implements [engine.Target].
func (w *watch) Delete(ctx context.Context, k engine.Kind, id string) error {
	return w.note(w.Target.Delete(ctx, k, id))
}

// unmetered is a source whose requests are not taken out of the numbers of a cycle that runs meanwhile.
type unmetered struct{ engine.Source }

// TakeRequests implements [engine.Meter].
func (unmetered) TakeRequests() engine.Requests { return engine.Requests{} }

const (
	claimWait = 5 * time.Second
	claimPoll = 50 * time.Millisecond
)

// claimFor returns how an object reserves the target object that it is going to be linked to. Another change of this
// process that is linking the same one is waited for: then its link is stored, and the ordinary rules tell.
func (d *onDemand) claimFor(ref engine.Ref) func(context.Context, string) error {
	held, wait := &d.Runner.claims, claimWait
	if d.dry {
		held, wait = &d.planned, 0
	}
	return func(ctx context.Context, target string) error {
		for until := time.Now().Add(wait); ; {
			holder, taken := held.take(d.job.ID, ref, target)
			if !taken {
				return nil
			}
			if !time.Now().Before(until) {
				return &engine.TargetError{Outcome: engine.OutcomeEscrow, Code: engine.CodeDuplicateSource,
					Detail: "the matching target object " + target + " is being linked to another source object, " + holder}
			}
			select {
			case <-time.After(claimPoll):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

// equip gives an object a runner, an exporter, a target and a store of its own, which are those of the job seen
// through [watch] and [kept].
func (d *onDemand) equip(t *task) {
	target := d.job.Target
	if d.dry {
		target = DryTarget{target}
	}
	t.watch = &watch{Target: target, claim: d.claimFor(t.ref())}
	t.kept = &kept{Store: d.Store, by: d.by, dry: d.dry}
	job := *d.job
	job.Source, job.Target = unmetered{d.job.Source}, t.watch
	t.runner = New(t.kept, map[engine.JobID]*Job{d.job.ID: &job}, d.Log)
	t.runner.Now, t.runner.Concurrency = d.Now, d.Concurrency
	e := t.runner.evaluator(&job, d.state)
	e.doubt = true // the live object is read: it may have been changed at the target
	t.exporter = &exporter{Runner: t.runner, evaluator: e, cycle: d.cycle}
}
