package cycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// ApprovalLasts is how long an approval of held deletions is good for (18.7).
const ApprovalLasts = 72 * time.Hour

// staged is a disable or delete that was decided and is not planned yet.
type staged struct {
	queued  engine.Queued
	op      engine.Operation
	order   engine.Order
	verdict engine.Verdict
	// cause is the guard that holds it by itself, whatever the count: "" for none.
	cause engine.HoldCause
	// passedOver: somebody gave verdicts and none about it.
	passedOver bool
	// lapsed: it follows from a lost assignment.
	lapsed bool
}

// missingOperation stands for what would follow if an object that a suspect read lacks were really gone.
// It is never carried out: an approval only lets the source be asked about the object.
var missingOperation = engine.Operation{Action: engine.Delete, Rule: "U23", Reason: engine.MissingInSource}

// suspicion learns whether the full read of a kind is one that is not to be believed.
func (d *decider) suspicion(ctx context.Context, k engine.Kind) error {
	d.unseen = 0
	st, err := d.Store.FeedState(ctx, d.job.ID, feedOf(k))
	if err == nil && st.Open && st.Suspect {
		d.unseen = st.Generation
	}
	return err
}

// missing reports whether a linked object was absent from a suspect read. What was approved has been
// asked about by the import: it is seen now, or known to be gone.
func (d *decider) missing(q engine.Queued) bool {
	return d.unseen > 0 && q.Link != nil && q.Known && q.Object.State == engine.Active && q.Object.Generation < d.unseen
}

// stage weighs a destructive operation against what was said about it before.
func (d *decider) stage(q engine.Queued, f decide.Facts, op engine.Operation) staged {
	s := staged{queued: q, op: op, order: decide.Order(f, op)}
	switch {
	case op.Reason == engine.MissingInSource:
		s.cause = engine.HoldMissing
	case f.State == engine.Active && !(f.Factors.Assigned && f.Factors.RoleOK) && op.Reason != engine.GraceOver:
		s.lapsed = true
	}
	s.verdict = decide.Allowed(q.Hold, op, q.Object.ChangedAt, d.now)
	// An approval of what was missing was given before anybody knew what had become of it.
	if h := q.Hold; h != nil && h.Cause == engine.HoldMissing && s.cause == "" && h.Verdict == engine.Approved && d.now.Before(h.Until) {
		s.verdict = engine.Approved
	}
	return s
}

// guard decides which of the staged operations may be carried out. It is all or nothing: the count is taken
// on the complete plan, and when it is too large none of those that nobody approved goes (18.4, 18.6).
// Creates and updates go on.
func (d *decider) guard(ctx context.Context) error {
	if len(d.staged) == 0 {
		return nil
	}
	n := decide.Census{Guard: d.job.Options.Deletions}
	for _, k := range kinds(d.job) {
		links, err := d.Store.CountLinks(ctx, d.job.ID, k)
		if err != nil {
			return err
		}
		known, lapsed := links[engine.Managed]+links[engine.Suspended], 0
		n.Managed += known
		for _, s := range d.staged {
			if s.lapsed && s.queued.Kind == k && s.verdict != engine.Approved {
				lapsed++
			}
		}
		n.Emptied = n.Emptied || decide.Emptied(known, lapsed)
	}
	for _, s := range d.staged {
		switch s.verdict {
		case engine.Approved:
			n.Approved++
		case engine.Rejected:
			if at := s.queued.Hold.VerdictAt; at.After(n.RejectedAt) {
				n.RejectedAt = at
			}
		default:
			n.Undecided++
		}
	}
	for i := range d.staged {
		s := &d.staged[i]
		s.passedOver = n.PassedOver(s.queued.Hold) || n.Approved > 0
		if s.verdict != engine.Undecided || s.cause != "" {
			continue
		}
		cause, hold := n.Holds(s.queued.Hold, s.lapsed)
		if hold && cause == engine.HoldMissing { // it is known now what became of it
			cause = engine.HoldThreshold
		}
		if hold {
			s.cause = cause
		}
	}
	limit, _ := decide.Limit(n.Guard, n.Managed)
	return d.planStaged(ctx, limit)
}

// planStaged records the verdict of the guard: what may go is planned, the rest is held, each with what there
// is to say about it.
func (d *decider) planStaged(ctx context.Context, limit int) error {
	var planned []engine.Planned
	var news []engine.Settled
	held := 0
	for _, s := range d.staged {
		p := engine.Planned{Ref: s.queued.Ref, Order: s.order, Hold: s.queued.Hold}
		switch {
		case s.verdict == engine.Approved && s.cause != engine.HoldMissing:
		case s.verdict == engine.Rejected:
			p.Held = true
		case s.cause != "" && !d.job.Options.Deletions.Off:
			p.Held = true
			held++
			if h := p.Hold; h == nil || h.Action != s.op.Action || h.Verdict != engine.Undecided {
				p.Hold = d.held(s, limit)
				news = append(news, d.stagedRow(s))
			} else if d.Record != nil { // a plan shows all that is held
				news = append(news, d.stagedRow(s))
			}
			if s.passedOver && !p.Hold.PassedOver {
				p.Hold = new(*p.Hold)
				p.Hold.PassedOver = true
			}
		default:
			p.Hold = nil
		}
		planned = append(planned, p)
	}
	for chunk := range slices.Chunk(news, BatchSize) {
		if err := d.Store.Settle(ctx, d.job.ID, d.cycle.ID, chunk); err != nil {
			return err
		}
	}
	if held > 0 {
		d.log(d.cycle).Warn("disables and deletes are held until somebody approves them",
			zap.Int("count", held), zap.Int("limit", limit), zap.Int("new", len(news)))
	}
	// What is held is held whether or not a saved plan knows of it.
	var free, stay []engine.Planned
	for _, p := range planned {
		if p.Held {
			stay = append(stay, p)
		} else {
			free = append(free, p)
		}
	}
	free, err := d.keepToPlan(ctx, free)
	if err != nil {
		return err
	}
	return d.plan(ctx, append(stay, free...))
}

func (d *decider) held(s staged, limit int) *engine.Hold {
	return &engine.Hold{Cause: s.cause, Action: s.op.Action, Rule: s.op.Rule, Reason: s.op.Reason, Detail: s.op.Detail, Limit: limit, Since: d.now.UTC()}
}

// stagedRow is the log row of a change that is held for the first time (18.5). Revision 0: it settles nothing.
func (d *decider) stagedRow(s staged) engine.Settled {
	op := s.op
	op.Action, op.Detail, op.Then = engine.Staged, fmt.Sprintf("%s: %s", s.op.Action, s.op.Reason), ""
	op.Reason = engine.AwaitingApproval
	row := d.entry(d.cycle, s.queued, op)
	row.Status = engine.StatusSkipped
	return engine.Settled{Ref: s.queued.Ref, Log: row}
}

// feedOf is the feed that tells about a kind of object.
func feedOf(k engine.Kind) engine.Feed {
	if k == engine.Group {
		return engine.FeedGroups
	}
	return engine.FeedUsers
}

// HeldNow is what guards hold of a job.
type HeldNow struct {
	// Undecided and Rejected count changes by kind.
	Undecided, Rejected map[engine.Kind]int
	Causes              map[engine.HoldCause]int // of the undecided ones
	Limit               int                      // the limit that was exceeded, 0 if none was
	Since               time.Time                // of the oldest undecided one
	Removals            int                      // groups with undecided membership removals
}

// Any reports whether anything waits for a verdict.
func (h HeldNow) Any() bool {
	return h.Undecided[engine.User]+h.Undecided[engine.Group]+h.Removals > 0
}

// Held counts what guards hold of a job at this moment.
func Held(ctx context.Context, s engine.Store, j engine.JobID) (HeldNow, error) {
	h := HeldNow{Undecided: map[engine.Kind]int{}, Rejected: map[engine.Kind]int{}, Causes: map[engine.HoldCause]int{}}
	for _, k := range []engine.Kind{engine.User, engine.Group} {
		for after := ""; ; {
			held, err := s.Changes(ctx, j, k, []engine.ChangeState{engine.ChangeHeld}, after, BatchSize)
			if err != nil {
				return h, err
			}
			if len(held) == 0 {
				break
			}
			for _, q := range held {
				after = q.ID
				switch {
				case q.Hold == nil || q.Hold.Verdict == engine.Approved: // the next cycle carries it out
				case q.Hold.Verdict == engine.Rejected:
					h.Rejected[k]++
				default:
					h.Undecided[k]++
					h.Causes[q.Hold.Cause]++
					if q.Hold.Cause == engine.HoldThreshold {
						h.Limit = q.Hold.Limit
					}
					if h.Since.IsZero() || q.Hold.Since.Before(h.Since) {
						h.Since = q.Hold.Since
					}
				}
			}
		}
	}
	for after := ""; ; {
		groups, err := s.HeldRemovals(ctx, j, after, BatchSize)
		if err != nil || len(groups) == 0 {
			return h, err
		}
		for _, g := range groups {
			after = g.Group.ID
			if g.Verdict == engine.Undecided {
				h.Removals++
			}
		}
	}
}

// guardRemovals holds membership removals when a cycle would make too many or empty a large group (18.6).
func (r *Runner) guardRemovals(ctx context.Context, job *Job, c engine.Cycle) error {
	g := job.Options.Deletions.Removals
	before, err := r.Store.HeldRemovals(ctx, job.ID, "", 1)
	if err != nil || g == (engine.RemovalGuard{}) && len(before) == 0 {
		return err
	}
	held, err := r.Store.HoldRemovals(ctx, job.ID, g, r.Now().UTC())
	if err != nil || held == 0 {
		return err
	}
	r.log(c).Warn("membership removals are held until somebody approves them", zap.Int("count", held))
	if len(before) > 0 {
		return nil
	}
	return r.note(ctx, job, c, engine.Counts{engine.RemovalsHeld: 1})
}
