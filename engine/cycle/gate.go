package cycle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
)

// NotNowError says that no cycle begins: the job is paused, disabled, or in quarantine until NextAttempt.
// Nothing is wrong with that; who wants a cycle all the same asks for it with [Runner.Ask].
type NotNowError struct {
	Job         engine.JobID
	State       engine.JobStatus
	NextAttempt time.Time
	Message     string // what, why and what to do
}

func (e *NotNowError) Error() string { return fmt.Sprintf("job %s: %s", e.Job, e.Message) }

// Ask makes the next cycle begin although the job is paused or waits in quarantine: somebody wants it now. With
// a plan it keeps to that. A job that was disabled has to be started first.
func (r *Runner) Ask(ctx context.Context, id engine.JobID, plan string) error {
	now := r.Now().UTC()
	c, err := r.Store.UpdateControl(ctx, id, func(c *engine.Control) error {
		c.AskedAt, c.Plan = now, plan
		return nil
	})
	if err == nil && c.Disabled {
		return disabled(id)
	}
	return err
}

func disabled(id engine.JobID) error {
	return &NotNowError{Job: id, State: engine.StatusDisabled,
		Message: fmt.Sprintf("disabled after four weeks in quarantine; mend the cause and start it: scimsync job start %s", id)}
}

// gate lets a cycle begin, and returns the saved plan that it is to keep to, or says why not. It is also where a job that was in quarantine for 28 days is
// disabled (17.2).
func (r *Runner) gate(ctx context.Context, id engine.JobID) (plan string, err error) {
	now := r.Now().UTC()
	c, err := r.Store.Control(ctx, id)
	if err != nil {
		return "", err
	}
	if q := c.Quarantine; q != nil && !c.Disabled {
		if err := r.countdown(ctx, id, q, now); err != nil {
			return "", err
		}
		if decide.Over28Days(q, now) {
			return "", r.disable(ctx, id)
		}
	}
	asked := !c.AskedAt.IsZero()
	switch q := c.Quarantine; {
	case c.Disabled:
		return "", disabled(id)
	case asked:
	case c.Paused:
		return "", &NotNowError{Job: id, State: engine.StatusPaused, Message: fmt.Sprintf("paused; go on with: scimsync job start %s", id)}
	case q != nil && q.Reason == engine.QuarantineOnDemand:
		return "", &NotNowError{Job: id, State: engine.StatusQuarantine,
			Message: fmt.Sprintf("put into quarantine by an administrator; go on with: scimsync job start %s", id)}
	case !decide.Due(q, now):
		return "", &NotNowError{Job: id, State: engine.StatusQuarantine, NextAttempt: q.NextAttempt,
			Message: fmt.Sprintf("in quarantine (%s: %s); the next attempt is at %s, or at once with: scimsync job sync %s",
				q.Reason, q.Message, q.NextAttempt.Format(time.RFC3339), id)}
	}
	return c.Plan, nil
}

// asked forgets that somebody asked for the cycle that has begun.
func (r *Runner) asked(ctx context.Context, id engine.JobID) error {
	c, err := r.Store.Control(ctx, id)
	if err != nil || c.AskedAt.IsZero() && c.Plan == "" {
		return err
	}
	_, err = r.Store.UpdateControl(ctx, id, func(c *engine.Control) error {
		c.AskedAt, c.Plan = time.Time{}, ""
		return nil
	})
	return err
}

// disable ends the attempts of a job that nobody mended for 28 days.
func (r *Runner) disable(ctx context.Context, id engine.JobID) error {
	c, err := r.Store.UpdateControl(ctx, id, func(c *engine.Control) error {
		c.Disabled = true
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.audit(ctx, id, engine.AuditPaused, "disabled after 28 days in quarantine"); err != nil {
		return err
	}
	if c.Quarantine != nil {
		if err := r.tell(ctx, disabledNotice(id, c.Quarantine)); err != nil {
			return err
		}
	}
	return disabled(id)
}

// countdown tells people when few days are left.
func (r *Runner) countdown(ctx context.Context, id engine.JobID, q *engine.Quarantine, now time.Time) error {
	days, ok := decide.DaysLeft(q, now)
	if !ok {
		return nil
	}
	return r.tell(ctx, disablingNotice(id, q, days))
}

// probe asks the target one harmless question before a cycle of a job in quarantine (17.2): while it still
// refuses, the source need not be read. What is held for approval needs no probe.
func (r *Runner) probe(ctx context.Context, job *Job, c engine.Cycle) error {
	control, err := r.Store.Control(ctx, job.ID)
	if err != nil || control.Quarantine == nil || control.Quarantine.Reason == engine.QuarantineDeletes {
		return err
	}
	by := matchingPaths(job.Mapping.Users)
	if len(by) == 0 {
		return nil
	}
	r.log(c).Info("the job is in quarantine; trying the target first", zap.String("reason", string(control.Quarantine.Reason)))
	nobody := "scimsync-probe-" + uuid.NewString()
	_, _, err = job.Target.Find(ctx, engine.User, []engine.Value{{Path: by[0], Definition: mapping.DefinitionOf(by[0]), Value: nobody}})
	return stopped(err)
}

// matchingPaths are the attributes by which objects of a mapping are found, first ones first.
func matchingPaths(m mapping.Object) []engine.Path {
	var out []engine.Path
	for rank := 1; len(out) == 0 && rank <= len(m.Attributes); rank++ {
		for _, a := range m.Attributes {
			if a.Match == rank {
				out = append(out, a.Target)
			}
		}
	}
	return out
}

// tellFailures is the number of cycles in a row that break off, of causes that may pass, until people are told: nobody
// is provisioned and no leaver loses access meanwhile.
const tellFailures = 3

// conclude changes the state of the job after a cycle that ended so: into quarantine, out of it, or to the
// next attempt. It tells people what they have to know, once.
func (r *Runner) conclude(ctx context.Context, c engine.Cycle, v ending) error {
	now := r.Now().UTC()
	var before engine.Control
	after, err := r.Store.UpdateControl(ctx, c.Job, func(ctl *engine.Control) error {
		before = *ctl
		if ctl.Quarantine != nil {
			before.Quarantine = new(*ctl.Quarantine)
		}
		switch {
		case v.quarantine != "":
			ctl.Quarantine = decide.Enter(ctl.Quarantine, v.quarantine, engine.Code(v.code), v.message, now)
		case v.complete:
			ctl.Quarantine = nil
		}
		if v.complete {
			ctl.Failures, ctl.FailingSince = 0, time.Time{}
		} else {
			ctl.Failures++
			if ctl.FailingSince.IsZero() {
				ctl.FailingSince = now
			}
		}
		if v.steady {
			if ctl.SteadyFirst.IsZero() {
				ctl.SteadyFirst = now
			}
			ctl.SteadyLast = now
		}
		if v.pruned {
			ctl.Pruned, ctl.Paused = true, true
		} else if v.complete {
			ctl.Pruned = false
		}
		return nil
	})
	if err != nil {
		return err
	}
	was, is := before.Quarantine, after.Quarantine
	switch {
	case is == nil && was == nil:
	case is == nil:
		if err := r.audit(ctx, c.Job, engine.AuditQuarantine, "lifted: the cycle went through"); err != nil {
			return err
		}
		if err := r.tell(ctx, recoveredNotice(c.Job, was)); err != nil {
			return err
		}
	case was == nil || was.Reason != is.Reason:
		if err := r.audit(ctx, c.Job, engine.AuditQuarantine, fmt.Sprintf("imposed: %s: %s", is.Reason, is.Message)); err != nil {
			return err
		}
		if err := r.tell(ctx, quarantineNotice(c.Job, is, v.held)); err != nil {
			return err
		}
	}
	switch {
	case is == nil && after.Failures == tellFailures:
		if err := r.tell(ctx, failingNotice(c, after)); err != nil {
			return err
		}
	case was == nil && v.complete && before.Failures >= tellFailures:
		if err := r.tell(ctx, worksNotice(c.Job, before)); err != nil {
			return err
		}
	}
	if n := v.expired; n > 0 {
		if err := r.tell(ctx, expiredNotice(c, n)); err != nil {
			return err
		}
	}
	if v.held.Removals > 0 && (was == nil && is != nil || v.newRemovals) {
		if err := r.tell(ctx, removalsNotice(c, v.held.Removals)); err != nil {
			return err
		}
	}
	if v.failed > 0 {
		return r.tell(ctx, failuresNotice(c, v.failed))
	}
	return nil
}

// tell puts a notice into the outbox.
func (r *Runner) tell(ctx context.Context, n engine.Notice) error {
	n.At = r.Now().UTC()
	n.Due = n.At
	_, err := r.Store.PutNotice(ctx, n)
	return err
}

// audit records what the engine itself decided about a job.
func (r *Runner) audit(ctx context.Context, id engine.JobID, activity, comment string) error {
	return r.Store.PutAudit(ctx, engine.AuditEntry{At: r.Now().UTC(), Job: id, By: "system", Activity: activity, Comment: strings.TrimSpace(comment)})
}
