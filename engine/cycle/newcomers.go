package cycle

import (
	"hash/maphash"
	"sync"

	"github.com/scimsync/scimsync/engine"
)

// newcomers remembers for which matching values a cycle makes target objects, so that two source objects with
// one name do not both find nothing and both get an object (G12). Hashes will do: a collision costs a search.
type newcomers struct {
	mu   sync.Mutex
	seed maphash.Seed
	by   map[engine.CycleID]map[uint64]uint64 // of the value, to that of who came first
}

// another reports whether a different object came with that value before, and else notes that this one does.
func (n *newcomers) another(c engine.CycleID, r engine.Ref, value string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.by == nil {
		n.by, n.seed = map[engine.CycleID]map[uint64]uint64{}, maphash.MakeSeed()
	}
	seen := n.by[c]
	if seen == nil {
		seen = map[uint64]uint64{}
		n.by[c] = seen
	}
	v, who := maphash.String(n.seed, string(r.Kind)+" "+value), maphash.String(n.seed, r.ID)
	first, known := seen[v]
	if !known {
		seen[v] = who
	}
	return known && first != who
}

func (n *newcomers) forget(c engine.CycleID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.by, c)
}
