package cycle

import (
	"context"
	"sync"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// tallyEvery is how often counters that commit with nothing else go to the store. They are read by
// people who watch; a commit of their own for every page and every group would cost more than they are worth.
const tallyEvery = 300 * time.Millisecond

// tally holds counters that are not in the store yet. A crash loses what one process counted in the
// last moments: requests and progress, never what became of an object, which commits with it.
type tally struct {
	mu      sync.Mutex
	pending map[engine.CycleID]engine.Counts
	flushed map[engine.CycleID]time.Time
}

// add adds to the counters of a cycle and returns what is due to be stored, nil if nothing is.
func (t *tally) add(c engine.CycleID, more engine.Counts, now time.Time, flush bool) engine.Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending == nil {
		t.pending, t.flushed = map[engine.CycleID]engine.Counts{}, map[engine.CycleID]time.Time{}
	}
	sum := t.pending[c]
	if sum == nil {
		sum = engine.Counts{}
		t.pending[c] = sum
	}
	for k, n := range more {
		if n != 0 {
			sum[k] += n
		}
	}
	if len(sum) == 0 || !flush && now.Sub(t.flushed[c]) < tallyEvery {
		return nil
	}
	delete(t.pending, c)
	t.flushed[c] = now
	return sum
}

// forget drops what is remembered of a cycle that has ended.
func (t *tally) forget(c engine.CycleID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pending, c)
	delete(t.flushed, c)
}

// count stores the counters of a cycle, the requests made since the last time included.
func (r *Runner) count(ctx context.Context, job *Job, c engine.Cycle, more engine.Counts) error {
	return r.addCounts(ctx, job, c, more, true)
}

// note counts without hurry: the numbers reach the store within tallyEvery, or with the next count.
func (r *Runner) note(ctx context.Context, job *Job, c engine.Cycle, more engine.Counts) error {
	return r.addCounts(ctx, job, c, more, false)
}

func (r *Runner) addCounts(ctx context.Context, job *Job, c engine.Cycle, more engine.Counts, flush bool) error {
	src, dst := job.Source.TakeRequests(), job.Target.TakeRequests()
	sum := engine.Counts{
		engine.RequestsSource: src.Sent,
		engine.RetriesSource:  src.Retries,
		engine.RequestsTarget: dst.Sent,
		engine.RequestsWrites: dst.Writes,
		engine.RetriesTarget:  dst.Retries,
		engine.WaitedMillis:   int((src.Waited + dst.Waited).Milliseconds()),
	}
	for k, n := range more {
		sum[k] += n
	}
	due := r.tally.add(c.ID, sum, time.Now(), flush)
	if due == nil {
		return nil
	}
	return r.Store.Count(ctx, c.Job, c.ID, due)
}
