package cycle

import (
	"sync"

	"github.com/scimsync/scimsync/engine"
)

// licencePatience is how many creates in one cycle may be refused because no licence is left before the rest
// is not even tried (U43).
const licencePatience = 20

// licences counts creates that were refused for want of a licence, by cycle.
type licences struct {
	mu      sync.Mutex
	refused map[engine.CycleID]int
}

func (l *licences) spent(c engine.CycleID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused == nil {
		l.refused = map[engine.CycleID]int{}
	}
	l.refused[c]++
}

// left returns the answer that a create would get, once it is sure.
func (l *licences) left(c engine.CycleID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused[c] < licencePatience {
		return nil
	}
	return &engine.TargetError{Outcome: engine.OutcomeEscrow, Code: engine.CodeLicenseLimit,
		Detail: "not tried: the target refused the last creates of this cycle because no licence is left"}
}

func (l *licences) forget(c engine.CycleID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.refused, c)
}
