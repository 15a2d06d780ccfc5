package cycle

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// ending is how a cycle ended, and what follows from it for the job.
type ending struct {
	state         engine.CycleState
	code, message string
	// complete: import, decide and export all went through, whatever single objects did.
	complete bool
	// whole: nothing that the source told had to be disbelieved; only then is the job what its mapping says.
	whole bool
	// quarantine is why the job goes into quarantine or stays in it; "" if it does not.
	quarantine engine.QuarantineReason
	held       HeldNow
	// newRemovals: membership removals were held that had not been before.
	newRemovals bool
	steady      bool
	pruned      bool
	failed      int // objects and references that failed in this cycle
	expired     int // objects that are not retried any more as of this cycle
}

// ending tells how a cycle ended.
func (r *Runner) ending(ctx context.Context, job *Job, c engine.Cycle, broke error) (ending, error) {
	if broke != nil {
		return broken(broke), nil
	}
	now, err := r.Store.Cycle(ctx, c.Job, c.ID)
	if err != nil {
		return ending{}, err
	}
	n := now.Counts
	e := ending{
		state: engine.CycleSucceeded, complete: true, whole: true,
		failed:      n[engine.User.Counter(engine.BucketFailed)] + n[engine.Group.Counter(engine.BucketFailed)] + n[engine.MembershipsFailed],
		expired:     n[engine.ObjectsExpired],
		newRemovals: n[engine.RemovalsHeld] > 0,
	}
	if e.failed > 0 {
		e.state = engine.CycleEntryErrors
	}
	if e.held, err = Held(ctx, r.Store, c.Job); err != nil {
		return e, err
	}
	suspect, err := r.suspect(ctx, job)
	if err != nil {
		return e, err
	}
	if err := r.thresholds(ctx, job, now, &e); err != nil {
		return e, err
	}
	switch {
	case e.quarantine != "":
	case e.held.Undecided[engine.User]+e.held.Undecided[engine.Group] > 0:
		e.state, e.quarantine = engine.CycleHeld, engine.QuarantineDeletes
		e.code, e.message = heldWords(job, e.held)
	case suspect:
		e.state, e.quarantine = engine.CycleQuarantined, engine.QuarantineIngestion
		e.code, e.message = string(engine.CodeSourceSuspect), "the directory left out most of what it had before, so nothing was concluded from what is missing; the next cycle reads it again"
	case e.held.Removals > 0:
		e.state = engine.CycleHeld
		e.code = string(engine.CodeRemovalsHeld)
		e.message = fmt.Sprintf("the membership removals of %s are held; see them with `scimsync job deletions %s list` and decide with approve or reject", count(e.held.Removals, "group"), c.Job)
	}
	if err := r.againstPlan(ctx, now, &e); err != nil {
		return e, err
	}
	// A cycle that keeps to a saved plan leaves the rest undone, and so is no complete one.
	e.whole = !suspect && c.Plan == ""
	if e.state == engine.CycleSucceeded {
		sizes, err := r.Store.QueueSize(ctx, c.Job)
		if err != nil {
			return e, err
		}
		e.steady = sizes[engine.ChangeQueued]+sizes[engine.ChangeReady]+sizes[engine.ChangeEscrow]+sizes[engine.ChangeHeld] == 0
	}
	return e, nil
}

// againstPlan says of a cycle that keeps to a saved plan how much of that was not done.
func (r *Runner) againstPlan(ctx context.Context, c engine.Cycle, e *ending) error {
	if c.Plan == "" || e.quarantine != "" {
		return nil
	}
	size, err := r.Store.PlanSize(ctx, c.Job, c.Plan)
	if err != nil {
		return err
	}
	left := size - c.Counts[engine.PlanDone]
	if left <= 0 {
		return nil
	}
	e.state, e.code = engine.CycleEntryErrors, string(engine.ChangedSincePlan)
	e.message = fmt.Sprintf("%d of the %d operations of the plan were not done because something changed since it was made; what is still to be done waits for a new plan or the next cycle. See `scimsync logs %s --cycle %s`",
		left, size, c.Job, c.ID)
	return nil
}

// broken is the ending of a cycle that was broken off.
func broken(err error) ending {
	e := ending{state: engine.CycleFailed, code: "internal", message: err.Error()}
	stop, ok := errors.AsType[*StopError](err)
	if !ok {
		return e
	}
	e.code, e.message = string(stop.Code), stop.Error()
	if stop.Quarantine {
		e.state, e.quarantine = engine.CycleQuarantined, engine.QuarantineException
	}
	return e
}

// suspect reports whether a full read of this cycle was not believed.
func (r *Runner) suspect(ctx context.Context, job *Job) (bool, error) {
	for _, k := range kinds(job) {
		st, err := r.Store.FeedState(ctx, job.ID, feedOf(k))
		if err != nil || st.Open && st.Suspect {
			return err == nil, err
		}
	}
	return false, nil
}

// thresholds puts the job into quarantine when too many objects fail (17.1). The failures of this cycle and those
// that still wait in escrow count; references apart.
func (r *Runner) thresholds(ctx context.Context, job *Job, c engine.Cycle, e *ending) error {
	sizes, err := r.Store.QueueSize(ctx, c.Job)
	if err != nil {
		return err
	}
	failures := sizes[engine.ChangeEscrow]
	references := c.Counts[engine.MembershipsFailed]
	if e.failed == 0 { // what failed before says nothing about this cycle
		return nil
	}
	successes, inScope := 0, failures
	for _, k := range kinds(job) {
		for _, b := range []string{engine.BucketCreated, engine.BucketUpdated, engine.BucketEnabled, engine.BucketDisabled, engine.BucketDeleted, engine.BucketUnchanged} {
			successes += c.Counts[k.Counter(b)]
		}
		links, err := r.Store.CountLinks(ctx, c.Job, k)
		if err != nil {
			return err
		}
		inScope += links[engine.Managed] + links[engine.Suspended]
	}
	reason, yes := decide.Quarantined(decide.PresetOf(job.Options.Quarantine, inScope), failures, successes, references)
	if !yes {
		return nil
	}
	e.message = fmt.Sprintf("%s and %s failed, %d were done; see the causes with `scimsync escrow list %s`, mend them, and start the job again or wait for the next attempt",
		count(failures, "object"), count(references, "reference"), successes, c.Job)
	e.code = string(reason)
	if c.Kind == engine.Initial && job.Options.PruneEscrows {
		if _, err := r.Store.Ignore(ctx, c.Job, nil); err != nil {
			return err
		}
		e.pruned = true
		e.message += "; their failures were dropped so that the initial cycle could end, and the job was paused"
		return nil
	}
	e.state, e.quarantine = engine.CycleQuarantined, reason
	return nil
}

// heldWords say why deletions are held and what to do.
func heldWords(job *Job, h HeldNow) (code, message string) {
	var what []string
	if n := h.Undecided[engine.User]; n > 0 {
		what = append(what, count(n, "user"))
	}
	if n := h.Undecided[engine.Group]; n > 0 {
		what = append(what, count(n, "group"))
	}
	code = string(engine.CodeTooManyDeletes)
	if h.Causes[engine.HoldMissing]+h.Causes[engine.HoldLapsed] > 0 {
		code = string(engine.CodeSourceSuspect)
	}
	return code, fmt.Sprintf("disables and deletes of %s are held: %s. Nobody lost anything; creates and updates went on. See them with `scimsync job deletions %[3]s list`; if they are right, "+
		"`scimsync job deletions %[3]s approve --comment \"…\"`; if not, mend the cause at the source, and those who are entitled again leave the list", strings.Join(what, " and "), heldCause(h), job.ID)
}

// heldCause says why deletions are held.
func heldCause(h HeldNow) string {
	switch {
	case h.Causes[engine.HoldMissing] > 0:
		return "the directory left out most of what it had before, which looks like an answer cut short"
	case h.Causes[engine.HoldLapsed] > 0:
		return "according to the directory nearly everybody is no longer assigned, which looks like an answer cut short"
	default:
		return fmt.Sprintf("a cycle carries out at most %d without approval", h.Limit)
	}
}
