package cycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
)

// edgeBatch is the number of edges of one object that are loaded and exported together; the target
// cuts them further into requests that it accepts.
const edgeBatch = 1000

// Stretch is a run of objects with references to export: all with After < id ≤ UpTo.
type Stretch struct {
	Relation    engine.Relation
	After, UpTo string
}

// Stretches cuts the objects that have references to export into runs that can be worked off at the
// same time.
func (r *Runner) Stretches(ctx context.Context, c engine.Cycle, rel engine.Relation) ([]Stretch, error) {
	job, err := r.jobIn(ctx, c)
	if err != nil {
		return nil, err
	}
	phase := engine.PhaseMemberships
	if rel == engine.Manager {
		phase = engine.PhaseReferences
	}
	if err := r.Store.SetPhase(ctx, c.Job, c.ID, phase); err != nil || !mapped(job, rel) {
		return nil, err
	}
	if rel == engine.Member {
		if err := r.guardRemovals(ctx, job, c); err != nil {
			return nil, err
		}
	}
	var out []Stretch
	for after := ""; ; {
		holders, err := r.Store.Holders(ctx, c.Job, rel, after, BatchSize)
		if err != nil || len(holders) == 0 {
			return out, err
		}
		last := holders[len(holders)-1].ID
		out = append(out, Stretch{Relation: rel, After: after, UpTo: last})
		after = last
	}
}

// mapped reports whether the job writes edges of a relation.
func mapped(job *Job, rel engine.Relation) bool {
	if rel == engine.Member {
		return job.Mapping.Groups.Enabled && job.Mapping.Groups.Actions.Update && job.Mapping.Groups.MembersMapped()
	}
	_, ok := managerMapping(job)
	return ok && job.Mapping.Users.Actions.Update
}

// managerMapping is the attribute that the manager of a user goes to.
func managerMapping(job *Job) (mapping.Attribute, bool) {
	for _, a := range job.Mapping.Users.References() {
		if name, ok := a.Source.Direct(); ok && name == "manager" {
			return a, true
		}
	}
	return mapping.Attribute{}, false
}

// ExportEdges writes the memberships or managers of one stretch: removals before additions, many
// objects at once, one request at a time for each. What cannot be written because the other end is
// not linked yet sleeps until it is.
func (r *Runner) ExportEdges(ctx context.Context, c engine.Cycle, s Stretch, beat Beat) error {
	job, err := r.jobIn(ctx, c)
	if err != nil {
		return err
	}
	work := r.members
	if s.Relation == engine.Manager {
		work = r.manager
	}
	done := 0
	for after := s.After; after < s.UpTo; {
		holders, err := r.Store.Holders(ctx, c.Job, s.Relation, after, BatchSize)
		if err != nil {
			return err
		}
		if len(holders) == 0 {
			break
		}
		after = holders[len(holders)-1].ID
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(r.Concurrency)
		for _, h := range holders {
			if h.ID > s.UpTo || r.halted(c.Job) {
				break
			}
			g.Go(func() error { return work(gctx, job, c, h) })
		}
		if err := g.Wait(); err != nil {
			return stopped(err)
		}
		if r.halted(c.Job) {
			return errHalted
		}
		done += len(holders)
		beat(done)
	}
	return r.count(ctx, job, c, nil)
}

// members exports the memberships of one group that wait.
func (r *Runner) members(ctx context.Context, job *Job, c engine.Cycle, h engine.Holder) error {
	for after := ""; ; {
		waiting, err := r.Store.Waiting(ctx, job.ID, h.Ref, engine.Member, after, edgeBatch)
		if err != nil || len(waiting) == 0 {
			return err
		}
		after = waiting[len(waiting)-1].To.ID
		last := len(waiting) < edgeBatch-1 // a user and a group with one id stay together: a full batch may be one short
		if waiting, err = r.plannedEdges(ctx, job, c, h.Ref, engine.Member, waiting); err != nil {
			return err
		}
		if gone, err := r.someMembers(ctx, job, c, h, waiting); err != nil || gone {
			return err
		}
		if err := r.note(ctx, job, c, nil); err != nil || last {
			return err
		}
	}
}

// someMembers exports one batch of edges of a group. gone reports that the group is missing at the
// target: its object is evaluated again, which makes it anew with all its members.
func (r *Runner) someMembers(ctx context.Context, job *Job, c engine.Cycle, h engine.Holder, waiting []engine.Membership) (gone bool, err error) {
	began := r.Now()
	s := engine.EdgesSettled{From: h.Ref, Relation: engine.Member, Counts: engine.Counts{}}
	add, remove := map[string]engine.Ref{}, map[string]engine.Ref{}
	before := map[engine.Ref]*engine.Escrow{}
	for _, m := range waiting {
		before[m.To] = m.Escrow
		switch {
		case !m.Want && m.TargetID == "": // the account is gone, and the membership with it
			s.Removed = append(s.Removed, m.To)
		case !m.Want:
			remove[m.TargetID] = m.To
		case m.TargetID == "" || m.State == engine.Released: // nobody to add (13.3)
			s.Asleep = append(s.Asleep, m.To)
			s.Counts[engine.MembershipsPending]++
		default:
			add[m.TargetID] = m.To
		}
	}
	failed := map[engine.Ref]*engine.TargetError{}
	for _, part := range []struct {
		ids  map[string]engine.Ref
		send func(context.Context, string, []string) (map[string]error, error)
		done *[]engine.Ref
		n    engine.Counter
	}{
		{remove, job.Target.RemoveMembers, &s.Removed, engine.MembershipsRemoved},
		{add, job.Target.AddMembers, &s.Added, engine.MembershipsAdded},
	} {
		if len(part.ids) == 0 {
			continue
		}
		answers, err := part.send(ctx, h.Link.TargetID, slices.Sorted(maps.Keys(part.ids)))
		if te, ok := errors.AsType[*engine.TargetError](err); ok && te.Outcome == engine.OutcomeRematch {
			return true, r.doubt(ctx, job, h)
		}
		if err != nil {
			return false, fmt.Errorf("members of a group: %w", err)
		}
		for id, ref := range part.ids {
			te, bad := errors.AsType[*engine.TargetError](answers[id])
			if !bad {
				*part.done = append(*part.done, ref)
				s.Counts[part.n]++
				continue
			}
			s.Counts[engine.MembershipsFailed]++
			failed[ref] = te
			if te.Outcome == engine.OutcomeRematch { // the account is gone: once it is there again the edge wakes
				s.Retry = append(s.Retry, ref)
				if err := r.doubtOf(ctx, job, ref); err != nil {
					return false, err
				}
				continue
			}
			r.failEdge(&s, ref, before[ref], te)
		}
	}
	s.Log = r.membersEntry(c, h, &s, failed)
	s.Log = took(s.Log, r.Now().Sub(began))
	return false, r.Store.SettleEdges(ctx, job.ID, c.ID, s)
}

// failEdge puts a reference that the target refused into escrow.
func (r *Runner) failEdge(s *engine.EdgesSettled, to engine.Ref, before *engine.Escrow, te *engine.TargetError) {
	e, expired := decide.Fail(before, te.Code, te.Status, te.Detail, r.Now().UTC())
	s.Fail(to, e)
	if expired {
		s.Counts[engine.ObjectsExpired]++
	}
}

// membersEntry is the log row of a membership export: members are named by their source ids.
func (r *Runner) membersEntry(c engine.Cycle, h engine.Holder, s *engine.EdgesSettled, failed map[engine.Ref]*engine.TargetError) *engine.LogEntry {
	e := &engine.LogEntry{
		At: r.Now().UTC(), Job: c.Job, Cycle: c.ID, Kind: h.Kind, Action: engine.Update, Status: engine.StatusSuccess, Rule: "G4",
		Reason: engine.AttributesChanged,
		Source: engine.Identity{ID: h.ID, Name: h.Link.Name}, Target: engine.Identity{ID: h.Link.TargetID, Name: h.Link.Name},
	}
	for _, m := range s.Added {
		e.Changes = append(e.Changes, engine.LoggedChange{Attribute: "members", New: m.ID})
	}
	for _, m := range s.Removed {
		e.Changes = append(e.Changes, engine.LoggedChange{Attribute: "members", Old: m.ID})
	}
	switch {
	case len(s.Added) == 0 && len(s.Removed) > 0:
		e.Rule = "G6"
	case len(s.Asleep) > 0 && len(s.Added) == 0:
		e.Action, e.Status, e.Rule = engine.Skip, engine.StatusWarning, "G5"
	}
	if n := len(s.Asleep); n > 0 {
		e.Detail = fmt.Sprintf("%d members wait until they are provisioned", n)
	}
	if len(failed) > 0 {
		e.Status = engine.StatusFailure
		for _, te := range failed {
			e.Code, e.HTTPStatus, e.Detail = te.Code, te.Status, fmt.Sprintf("%d members refused: %s", len(failed), te.Detail)
			break
		}
		lastTry(e, s.Counts[engine.ObjectsExpired] > 0)
		r.log(c).Warn("memberships failed and are tried again in the next cycle", zap.Int("count", len(failed)), zap.String("code", string(e.Code)))
	}
	return e
}

// manager exports the manager of one user.
func (r *Runner) manager(ctx context.Context, job *Job, c engine.Cycle, h engine.Holder) error {
	waiting, err := r.Store.Waiting(ctx, job.ID, h.Ref, engine.Manager, "", edgeBatch)
	if err != nil {
		return err
	}
	if waiting, err = r.plannedEdges(ctx, job, c, h.Ref, engine.Manager, waiting); err != nil {
		return err
	}
	return r.setManager(ctx, job, c, h, waiting)
}

// setManager exports the manager of one user from the edges that wait.
func (r *Runner) setManager(ctx context.Context, job *Job, c engine.Cycle, h engine.Holder, waiting []engine.Membership) error {
	if len(waiting) == 0 {
		return nil
	}
	began := r.Now()
	a, _ := managerMapping(job)
	s := engine.EdgesSettled{From: h.Ref, Relation: engine.Manager, Counts: engine.Counts{}}
	change := engine.AttributeChange{Path: a.Target, Definition: a.Definition}
	for _, m := range waiting {
		switch {
		case !m.Want:
			change.Old = cmpOr(m.TargetID, change.Old)
			s.Removed = append(s.Removed, m.To)
		case m.TargetID == "" || m.State == engine.Released: // not provisioned (yet): the user goes without
			s.Asleep = append(s.Asleep, m.To)
		default:
			change.New = m.TargetID
			s.Added = append(s.Added, m.To)
		}
	}
	// A manager that was only taken away is cleared at the target only where the mapping says so (13.4).
	if change.New == nil && (len(s.Removed) == 0 || !a.FlowNull || len(s.Asleep) > 0) {
		return r.Store.SettleEdges(ctx, job.ID, c.ID, s)
	}
	_, err := job.Target.Update(ctx, engine.User, h.Link.TargetID, []engine.AttributeChange{change})
	te, bad := errors.AsType[*engine.TargetError](err)
	switch {
	case bad && (te.Outcome == engine.OutcomeQuarantine || te.Outcome == engine.OutcomeSuspend):
		return err
	case bad && te.Outcome == engine.OutcomeRematch:
		return r.doubt(ctx, job, h)
	case bad:
		tried := append(s.Added, s.Removed...)
		s.Added, s.Removed = nil, nil
		for _, m := range waiting {
			if slices.Contains(tried, m.To) {
				r.failEdge(&s, m.To, m.Escrow, te)
			}
		}
		s.Counts[engine.MembershipsFailed]++
	case err != nil:
		return err
	default:
		s.CountHolder = true
	}
	s.Log = &engine.LogEntry{
		At: r.Now().UTC(), Job: c.Job, Cycle: c.ID, Kind: engine.User, Action: engine.Update, Status: engine.StatusSuccess,
		Rule: "U25", Reason: engine.AttributesChanged, Duration: r.Now().Sub(began),
		Source:  engine.Identity{ID: h.ID, Name: h.Link.Name},
		Target:  engine.Identity{ID: h.Link.TargetID, Name: h.Link.Name},
		Changes: []engine.LoggedChange{{Attribute: a.Target.String(), Old: change.Old, New: change.New}},
	}
	if bad {
		s.Log.Status, s.Log.Code, s.Log.HTTPStatus, s.Log.Detail = engine.StatusFailure, te.Code, te.Status, te.Detail
		lastTry(s.Log, s.Counts[engine.ObjectsExpired] > 0)
	}
	return r.Store.SettleEdges(ctx, job.ID, c.ID, s)
}

// doubt queues an object whose target object seems to be gone: the next cycle reads it before it
// believes anything about it.
func (r *Runner) doubt(ctx context.Context, job *Job, h engine.Holder) error {
	h.Link.Verify = true
	return r.Store.PutLink(ctx, job.ID, h.Link, true)
}

func (r *Runner) doubtOf(ctx context.Context, job *Job, ref engine.Ref) error {
	l, err := r.Store.Link(ctx, job.ID, ref)
	if errors.Is(err, engine.ErrNoLink) {
		return nil
	}
	if err != nil {
		return err
	}
	l.Verify = true
	return r.Store.PutLink(ctx, job.ID, l, true)
}

// cmpOr returns s if it is set, else what there was.
func cmpOr(s string, was any) any {
	if s != "" {
		return s
	}
	return was
}
