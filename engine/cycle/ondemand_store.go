package cycle

import (
	"context"
	"sync"

	"github.com/scimsync/scimsync/engine"
)

// kept is the store of one object that is provisioned on demand. It counts in no cycle and names in each log row who
// asked for it; a dry one only reads. It remembers what was settled, for the answer.
type kept struct {
	engine.Store
	by  string
	dry bool

	mu    sync.Mutex
	edges []engine.EdgesSettled
}

// Settle implements [engine.Queue].
func (k *kept) Settle(ctx context.Context, j engine.JobID, c engine.CycleID, results []engine.Settled) error {
	mine := make([]engine.Settled, len(results))
	for i, s := range results {
		s.Bucket = ""
		if s.Log != nil {
			s.Log.By = k.by
		}
		mine[i] = s
	}
	if k.dry {
		return nil
	}
	return k.Store.Settle(ctx, j, c, mine)
}

// SettleEdges implements [engine.Memberships].
func (k *kept) SettleEdges(ctx context.Context, j engine.JobID, c engine.CycleID, s engine.EdgesSettled) error {
	s.Counts, s.CountHolder = nil, false
	if s.Log != nil {
		s.Log.By = k.by
	}
	k.mu.Lock()
	k.edges = append(k.edges, s)
	k.mu.Unlock()
	if k.dry {
		return nil
	}
	return k.Store.SettleEdges(ctx, j, c, s)
}

// settled takes what was settled of references since the last call.
func (k *kept) settled() []engine.EdgesSettled {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.edges
	k.edges = nil
	return s
}

// ForgetExported implements [engine.OnDemand].
func (k *kept) ForgetExported(ctx context.Context, j engine.JobID, group engine.Ref, forget, unwanted []engine.Ref) error {
	if k.dry {
		return nil
	}
	return k.Store.ForgetExported(ctx, j, group, forget, unwanted)
}

// Count implements [engine.Cycles]: there is no cycle to count in.
func (k *kept) Count(context.Context, engine.JobID, engine.CycleID, engine.Counts) error { return nil }

// NoteSent implements [engine.Queue].
func (k *kept) NoteSent(ctx context.Context, j engine.JobID, sent map[engine.Ref]string) error {
	if k.dry {
		return nil
	}
	return k.Store.NoteSent(ctx, j, sent)
}

// PutLink implements [engine.Links]. It is called for objects whose target object seems to be gone.
func (k *kept) PutLink(ctx context.Context, j engine.JobID, l engine.Link, enqueue bool) error {
	if k.dry {
		return nil
	}
	return k.Store.PutLink(ctx, j, l, enqueue)
}
