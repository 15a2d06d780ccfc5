package cycle

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// Reset says what a restart forgets (provisioning.md section 19).
type Reset struct {
	Watermark  bool // the next cycle is an initial one
	Escrows    bool // failures, and with them their retries
	Quarantine bool
	// Known: the source is read and every account is compared anew; links are kept.
	Known bool
	// Links: everybody is matched anew. Who lost the scope meanwhile is not disabled any more.
	Links bool
}

// Restart forgets what a job knows. It is not to run while a cycle does.
func (r *Runner) Restart(ctx context.Context, id engine.JobID, what Reset) error {
	job, err := r.jobOf(id)
	if err != nil {
		return err
	}
	if what.Escrows {
		if _, err := r.Store.Ignore(ctx, id, nil); err != nil {
			return err
		}
	}
	if what.Links {
		if _, err := r.Store.ForgetLinks(ctx, id); err != nil {
			return err
		}
	}
	if what.Known && !what.Links {
		if err := r.Store.DoubtLinks(ctx, id); err != nil {
			return err
		}
	}
	if what.Watermark || what.Known || what.Links {
		if err := r.Store.ForgetWatermarks(ctx, id); err != nil {
			return err
		}
		if err := r.Store.EnqueueAll(ctx, id, job.Scope == engine.ScopeAll); err != nil {
			return err
		}
		state, err := r.Store.JobState(ctx, id)
		if err != nil {
			return err
		}
		state.InitialDone = false
		if err := r.Store.PutJobState(ctx, id, state); err != nil {
			return err
		}
	}
	_, err = r.Store.UpdateControl(ctx, id, func(c *engine.Control) error {
		if what.Quarantine {
			c.Quarantine, c.Disabled, c.Failures = nil, false, 0
		}
		if what.Escrows {
			c.Pruned = false
		}
		return nil
	})
	return err
}

// Start lets a job run again: whatever paused or disabled it, or kept it in quarantine, is over. Deletions that wait
// for approval go on waiting. When it was failing objects that led to the quarantine, they are tried again at once:
// whoever starts the job has mended the cause.
func (r *Runner) Start(ctx context.Context, id engine.JobID) error {
	was, err := r.Store.Control(ctx, id)
	if err != nil {
		return err
	}
	if q := was.Quarantine; q != nil && slices.Contains(byFailures, q.Reason) {
		if _, err := r.Store.Retry(ctx, id, nil, r.Now().UTC()); err != nil {
			return err
		}
	}
	_, err = r.Store.UpdateControl(ctx, id, func(c *engine.Control) error {
		c.Paused, c.Disabled, c.Failures, c.Pruned = false, false, 0, false
		if c.Quarantine != nil && c.Quarantine.Reason != engine.QuarantineDeletes {
			c.Quarantine = nil
		}
		return nil
	})
	return err
}

// byFailures are the reasons of a quarantine that failing objects lead to.
var byFailures = []engine.QuarantineReason{engine.QuarantineProportion, engine.QuarantineBase, engine.QuarantineTotal}

// Pause keeps a job from starting cycles by itself. A running one goes on to its end.
func (r *Runner) Pause(ctx context.Context, id engine.JobID) error {
	_, err := r.Store.UpdateControl(ctx, id, func(c *engine.Control) error {
		c.Paused = true
		return nil
	})
	return err
}

// Quarantine puts a job into quarantine because an administrator wants it: no cycle runs until somebody starts it.
func (r *Runner) Quarantine(ctx context.Context, id engine.JobID, comment string) error {
	now := r.Now().UTC()
	_, err := r.Store.UpdateControl(ctx, id, func(c *engine.Control) error {
		c.Quarantine = &engine.Quarantine{Reason: engine.QuarantineOnDemand, Message: comment, SeriesBegan: now, CurrentBegan: now, NextAttempt: now.Add(28 * 24 * time.Hour)}
		return nil
	})
	return err
}

// Judge gives a verdict about held deletions and, by group id, held membership removals. An approval is good for
// [ApprovalLasts] and for what is listed, nothing else. It returns how many were judged, each removal counted.
func (r *Runner) Judge(ctx context.Context, id engine.JobID, v engine.Verdict, about []engine.Judged, removals map[string][]engine.Ref, by, comment string) (int, error) {
	now := r.Now().UTC()
	var until time.Time
	if v == engine.Approved {
		until = now.Add(ApprovalLasts)
	}
	n := 0
	for chunk := range slices.Chunk(about, BatchSize) {
		judged, err := r.Store.Judge(ctx, id, chunk, v, now, until, by, comment)
		n += judged
		if err != nil {
			return n, err
		}
	}
	for _, group := range slices.Sorted(maps.Keys(removals)) {
		judged, err := r.Store.JudgeRemovals(ctx, id, group, removals[group], v)
		n += judged
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
