package web

import (
	"context"
	"slices"
	"sync"

	"github.com/scimsync/scimsync/engine"
)

// history is what the status of a job tells of its past cycles.
type history struct {
	running    *engine.Cycle
	last       *engine.Cycle // the newest that ended
	successful *engine.Cycle // the newest without any error
	exporting  *engine.Cycle // the newest of those that wrote to the target
	ran        bool          // a cycle came to its end
}

// histories keeps what was found in ended cycles, which never change: without it every look at a job that has had
// nothing to do for months would read all its cycles.
type histories struct {
	mu    sync.Mutex
	known map[engine.JobID]history
}

// exports reports whether a cycle changed anything at the target.
func exports(c engine.Cycle) bool {
	r := CycleResultOf(c)
	return r.Requests.TargetWrites > 0 || r.Users.Created+r.Users.Updated+r.Users.Disabled+r.Users.Enabled+r.Users.Deleted+
		r.Groups.Created+r.Groups.Updated+r.Groups.Deleted+r.Memberships.Added+r.Memberships.Removed > 0
}

// of looks at the newest cycles of a job, further back until all is found, what was known is reached, or none are left.
func (hs *histories) of(ctx context.Context, s engine.Cycles, j engine.JobID) (history, error) {
	hs.mu.Lock()
	old := hs.known[j]
	hs.mu.Unlock()
	var h history
	for limit := 16; ; limit *= 8 {
		cycles, err := s.LastCycles(ctx, j, limit)
		if err != nil {
			return h, err
		}
		h = history{}
		var met bool // cycles from here on were looked at before
		for i := range cycles {
			c := cycles[i]
			if c.State == engine.CycleRunning {
				h.running = &c
				continue
			}
			if old.last != nil && c.ID == old.last.ID {
				met = true
				break
			}
			h.note(c)
		}
		if met {
			h.inherit(old)
		}
		if met || h.exporting != nil || len(cycles) < limit {
			hs.keep(j, h)
			return h, nil
		}
	}
}

// note takes a cycle that ended into account; newer ones come first.
func (h *history) note(c engine.Cycle) {
	if h.last == nil {
		h.last = &c
	}
	switch c.State {
	case engine.CycleSucceeded:
		h.ran = true
		if h.successful == nil {
			h.successful = &c
		}
		if h.exporting == nil && exports(c) {
			h.exporting = &c
		}
	case engine.CycleEntryErrors, engine.CycleHeld:
		h.ran = true
	}
}

// inherit fills in what was known before.
func (h *history) inherit(old history) {
	if h.last == nil {
		h.last = old.last
	}
	if h.successful == nil {
		h.successful = old.successful
	}
	if h.exporting == nil {
		h.exporting = old.exporting
	}
	h.ran = h.ran || old.ran
}

// keep remembers a history without the cycle that runs, which changes.
func (hs *histories) keep(j engine.JobID, h history) {
	h.running = nil
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.known == nil {
		hs.known = map[engine.JobID]history{}
	}
	hs.known[j] = h
}

// cyclesAfter returns the cycles that are older than one, newest first, and whether there are more. The store lists cycles
// from the newest on, so that it is asked for more until enough lie behind the one named.
func cyclesAfter(ctx context.Context, s engine.Cycles, j engine.JobID, after engine.CycleID, n int) (page []engine.Cycle, more bool, err error) {
	for limit := n + 1; ; limit *= 4 {
		all, err := s.LastCycles(ctx, j, limit)
		if err != nil {
			return nil, false, err
		}
		from := 0
		if after != "" {
			from = slices.IndexFunc(all, func(c engine.Cycle) bool { return c.ID == after }) + 1
			if from == 0 && len(all) == limit {
				continue
			}
			if from == 0 { // it was removed meanwhile, and all older ones before it
				return nil, false, nil
			}
		}
		if rest := all[from:]; len(rest) > n || len(all) < limit {
			return rest[:min(n, len(rest))], len(rest) > n, nil
		}
	}
}
