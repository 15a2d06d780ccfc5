package cycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
)

// MaxSubjects is the number of objects that one call provisions on demand (provisioning.md section 20).
const MaxSubjects = 50

// onDemandAtOnce is the number of subjects of one call that are worked on at once.
const onDemandAtOnce = 8

// Provision provisions single objects now: each is read from the source, judged, matched and written by the same
// code as in a cycle, and every step is reported with its facts (provisioning.md section 20). It works before the job
// ever ran, while it runs, paused and quarantined; it moves no watermark and counts in no cycle. by is who asked for it.
// explain adds why each object is in scope or not. A dry run answers the same and writes nothing anywhere.
//
// What went wrong with one subject is told in its answer. The error is for what concerns all: a [*StopError] when a
// connection is broken. The answers beside it are those of the subjects that were done by then.
func (r *Runner) Provision(ctx context.Context, id engine.JobID, by string, subjects []engine.Subject, dryRun, explain bool) ([]engine.Provisioned, error) {
	return r.provision(ctx, id, Asked{By: by, Subjects: subjects, DryRun: dryRun, Explain: explain, MayApprove: true})
}

func (r *Runner) provision(ctx context.Context, id engine.JobID, in Asked) ([]engine.Provisioned, error) {
	subjects := in.Subjects
	job, err := r.jobOf(id)
	if err != nil {
		return nil, err
	}
	if n := len(subjects); n == 0 || n > MaxSubjects {
		return nil, fmt.Errorf("job %s: %d objects to provision; name between 1 and %d in one call", id, n, MaxSubjects)
	}
	source, ok := job.Source.(engine.Inspector)
	if !ok {
		return nil, fmt.Errorf("job %s: its source cannot be asked about single objects; run a cycle instead", id)
	}
	state, err := r.Store.JobState(ctx, id)
	if err != nil {
		return nil, err
	}
	run := uuid.NewString()
	d := &onDemand{
		Runner: r, job: job, source: source, state: state, by: in.By, dry: in.DryRun, explain: in.Explain, mayApprove: in.MayApprove,
		cycle: engine.Cycle{ID: engine.CycleID("ondemand-" + run), Job: id, Kind: engine.Incremental},
		owner: "ondemand:" + run,
	}
	d.tasks = make([]*task, len(subjects))
	for i, s := range subjects {
		d.tasks[i] = d.task(s)
	}
	err = stopped(d.run(ctx))
	answers := make([]engine.Provisioned, 0, len(subjects))
	for _, t := range d.tasks {
		if t.same != nil {
			t.answer, t.done = t.same.answer, t.same.done
		}
		if t.done {
			answers = append(answers, t.answer)
		}
	}
	return answers, err
}

// onDemand is one call of [Runner.Provision].
type onDemand struct {
	*Runner
	job          *Job
	source       engine.Inspector
	state        engine.JobState
	cycle        engine.Cycle
	by           string
	dry, explain bool
	mayApprove   bool
	owner        string // of the reservations
	leases       leases
	planned      claims    // what a dry run would link
	edgesDone    edgesDone // what a dry run would write of memberships
	tasks        []*task
}

// task is one subject on its way.
type task struct {
	subject engine.Subject
	answer  engine.Provisioned
	done    bool  // there is an answer
	out     bool  // the object went through the export
	same    *task // another subject that turned out to be the same object

	in      engine.Inspection
	members []chosen // members of a group that were asked for by name
	queued  engine.Queued
	filter  mapping.FilterResult
	facts   decide.Facts
	op      engine.Operation // as decided before the target was looked at
	approve string           // says that a person's wish outweighs a held change

	runner   *Runner // works on this object alone
	watch    *watch
	exporter *exporter
	kept     *kept
	link     *engine.Link // as it is after the export
}

func (d *onDemand) task(s engine.Subject) *task {
	return &task{subject: s, answer: engine.Provisioned{
		Subject: engine.Identity{Name: s.Name}, Kind: s.Kind, DryRun: d.dry, StartedAt: d.Now().UTC(),
	}}
}

func (t *task) ref() engine.Ref { return t.in.Object.Ref }

// run takes all subjects through the steps. Everything is decided before anything is written, because the deletion
// guard counts; users are written before groups, and references after both.
func (d *onDemand) run(ctx context.Context) (err error) {
	if err := d.each(ctx, d.tasks, d.find); err != nil {
		return err
	}
	d.same()
	ctx, release := d.hold(ctx)
	defer func() { err = errors.Join(err, release()) }()
	if err := d.reserve(ctx); err != nil {
		return err
	}
	if err := d.each(ctx, d.open(""), d.judge); err != nil {
		return err
	}
	if err := d.guard(ctx); err != nil {
		return err
	}
	for _, k := range []engine.Kind{engine.User, engine.Group} {
		if err := d.each(ctx, d.open(k), d.export); err != nil {
			return err
		}
	}
	for _, k := range []engine.Kind{engine.User, engine.Group} {
		if err := d.each(ctx, d.exported(k), d.references); err != nil {
			return err
		}
	}
	return nil
}

// exported are the tasks of a kind whose objects went through the export.
func (d *onDemand) exported(k engine.Kind) []*task {
	return slices.DeleteFunc(slices.Clone(d.tasks), func(t *task) bool { return !t.out || t.in.Object.Kind != k })
}

// open are the tasks of a kind that are not done, of all kinds if it is "".
func (d *onDemand) open(k engine.Kind) []*task {
	return slices.DeleteFunc(slices.Clone(d.tasks), func(t *task) bool {
		return t.done || t.same != nil || k != "" && t.in.Object.Kind != k
	})
}

func (d *onDemand) each(ctx context.Context, tasks []*task, work func(context.Context, *task) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(onDemandAtOnce)
	for _, t := range tasks {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return work(ctx, t)
		})
	}
	return g.Wait()
}

// same finds subjects that name one object in two ways: it is provisioned once.
func (d *onDemand) same() {
	first := map[engine.Ref]*task{}
	for _, t := range d.open("") {
		if f, again := first[t.ref()]; again {
			t.same = f
			continue
		}
		first[t.ref()] = t
	}
}

// finish completes an answer.
func (d *onDemand) finish(t *task, s engine.LogStatus, e engine.LogEntry) {
	t.answer.Status, t.answer.Entry, t.answer.EndedAt, t.done = s, e, d.Now().UTC(), true
}

// refuse answers that nothing is done to an object, and why.
func (d *onDemand) refuse(t *task, why engine.Reason, text string) {
	op := engine.Operation{Action: engine.Skip, Rule: t.op.Rule, Reason: why, Detail: text}
	q := t.queued
	q.Ref, q.Object.Object = t.ref(), t.in.Object
	e := d.entry(d.cycle, q, op)
	e.By = d.by
	t.step(d.Now(), engine.StepProcessing, "EntrySynchronizationSkip", engine.StatusSkipped, text, engine.Detail{Name: "SkipReason", Value: string(why)})
	d.finish(t, engine.StatusSkipped, *e)
}

// guard refuses disables and deletes of several objects that are more than one cycle may carry out. Who names one
// object, knowing whom, approves by that what a guard held.
func (d *onDemand) guard(ctx context.Context) error {
	var destructive []*task
	for _, t := range d.open("") {
		if decide.Takes(t.op) {
			destructive = append(destructive, t)
		}
	}
	if len(destructive) > 1 {
		managed := 0
		for _, k := range kinds(d.job) {
			links, err := d.Store.CountLinks(ctx, d.job.ID, k)
			if err != nil {
				return err
			}
			managed += links[engine.Managed] + links[engine.Suspended]
		}
		if decide.Holds(d.job.Options.Deletions, managed, len(destructive)) {
			for _, t := range destructive {
				d.refuse(t, engine.AwaitingApproval, fmt.Sprintf("%d of the objects named would be disabled or deleted, which is more than the deletion guard of the job allows at once, so nothing was done to them. Name fewer, or let a cycle hold them and approve that.", len(destructive)))
			}
			return nil
		}
	}
	for _, t := range destructive {
		h, now := t.queued.Hold, d.Now()
		switch verdict := decide.Allowed(h, t.op, t.queued.Object.ChangedAt, now); {
		case h == nil || verdict == engine.Approved:
		case !d.mayApprove:
			d.refuse(t, engine.AwaitingApproval, "A guard holds the "+string(h.Action)+". Whoever may approve deletions decides about it; provisioning the object does not.")
		case verdict == engine.Rejected && len(destructive) > 1:
			d.refuse(t, engine.RejectedByAdmin, "An administrator rejected the "+string(h.Action)+"; provision the object alone if it is to be carried out all the same.")
		case verdict == engine.Rejected:
			t.approve = "An administrator had rejected this " + string(h.Action) + "; it is carried out because this object was asked for by name."
		case h.Verdict == engine.Undecided:
			t.approve = "The deletion guard held this " + string(h.Action) + "; to ask for this object by name approves it."
		}
	}
	return nil
}

// step appends a step to the answer.
func (t *task) step(at time.Time, typ engine.StepType, name string, s engine.LogStatus, text string, details ...engine.Detail) {
	t.answer.Steps = append(t.answer.Steps, engine.Step{Type: typ, Name: name, Status: s, Description: text, Details: details, At: at.UTC()})
}
