package cycle

import (
	"sync"

	"github.com/scimsync/scimsync/engine"
)

// wishes are the objects that somebody wants to provision on demand in this process. An exporter leaves
// an object that it has not begun to whoever waits for it.
type wishes struct {
	mu   sync.Mutex
	held map[wish]int
}

type wish struct {
	job engine.JobID
	ref engine.Ref
}

func (w *wishes) want(j engine.JobID, r engine.Ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held == nil {
		w.held = map[wish]int{}
	}
	w.held[wish{j, r}]++
}

func (w *wishes) unwant(j engine.JobID, r engine.Ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k := (wish{j, r}); w.held[k] > 1 {
		w.held[k]--
	} else {
		delete(w.held, k)
	}
}

func (w *wishes) wanted(j engine.JobID, r engine.Ref) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held[wish{j, r}] > 0
}
