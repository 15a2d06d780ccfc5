package cycle

import (
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// To be replaced by what package decide has.

func presetOf(p engine.QuarantinePreset, inScope int) decide.Preset {
	if p == engine.PresetEntra {
		return decide.Entra
	}
	return decide.Adaptive(inScope)
}

func quarantineOver(q *engine.Quarantine, now time.Time) bool {
	return q.Reason != engine.QuarantineDeletes && now.Sub(q.SeriesBegan) >= 28*24*time.Hour
}

func quarantineDaysLeft(q *engine.Quarantine, now time.Time) (int, bool) { return 0, false }

func enterQuarantine(q *engine.Quarantine, reason engine.QuarantineReason, code engine.Code, message string, now time.Time) *engine.Quarantine {
	n := engine.Quarantine{Reason: reason, Code: code, Message: message, SeriesBegan: now, CurrentBegan: now}
	if q != nil {
		n.SeriesBegan, n.SeriesCount = q.SeriesBegan, q.SeriesCount+1
		if q.Reason == reason {
			n.CurrentBegan = q.CurrentBegan
		}
	}
	if reason != engine.QuarantineDeletes {
		n.NextAttempt = now.Add(6 * time.Hour)
	}
	return &n
}

func allowed(h *engine.Hold, op engine.Operation, changedAt, now time.Time) engine.Verdict {
	if h == nil {
		return engine.Undecided
	}
	return h.Verdict
}

type guardCount struct{ Managed, Approved, Undecided, Held, HeldLimit int }

func holdAll(g engine.DeletionGuard, n guardCount) (limit int, hold bool) {
	limit, ok := decide.Threshold(g, n.Managed)
	return limit, ok && n.Undecided+n.Approved > limit
}
