package cycle

import (
	"context"
	"fmt"
	"sync"

	"github.com/scimsync/scimsync/engine"
)

// rebuilt are jobs whose mapping was replaced while the process runs.
type rebuilt struct {
	mu   sync.RWMutex
	jobs map[engine.JobID]*Job
}

func (r *Runner) jobOf(id engine.JobID) (*Job, error) {
	r.rebuilt.mu.RLock()
	job, ok := r.rebuilt.jobs[id]
	r.rebuilt.mu.RUnlock()
	if !ok {
		job, ok = r.Jobs[id]
	}
	if !ok {
		return nil, fmt.Errorf("job %s: not configured on this worker", id)
	}
	return job, nil
}

// newest is the job with the mapping that it is to have now: what somebody saved while a cycle ran takes effect
// with the next one (section 27).
func (r *Runner) newest(ctx context.Context, id engine.JobID) (*Job, error) {
	job, err := r.jobOf(id)
	if err != nil || r.Rebuild == nil {
		return job, err
	}
	control, err := r.Store.Control(ctx, id)
	if err != nil || control.Schema == job.Schema {
		return job, err
	}
	if job, err = r.Rebuild(id, control.Schema); err != nil {
		return nil, fmt.Errorf("job %s: the schema that was saved for it: %w", id, err)
	}
	r.rebuilt.mu.Lock()
	defer r.rebuilt.mu.Unlock()
	if r.rebuilt.jobs == nil {
		r.rebuilt.jobs = map[engine.JobID]*Job{}
	}
	r.rebuilt.jobs[id] = job
	return job, nil
}

// jobIn is the job as the cycle runs it. Another worker may have begun the cycle, with a mapping that this one has
// not seen yet.
func (r *Runner) jobIn(ctx context.Context, c engine.Cycle) (*Job, error) {
	job, err := r.jobOf(c.Job)
	if err != nil || r.Rebuild == nil {
		return job, err
	}
	state, err := r.Store.JobState(ctx, c.Job)
	if err != nil {
		return nil, err
	}
	if past := ran(state); len(past) == 0 || past[len(past)-1] == Fingerprint(&job.Job) {
		return job, nil
	}
	return r.newest(ctx, c.Job)
}
