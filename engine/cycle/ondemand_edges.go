package cycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/scimsync/scimsync/engine"
)

// references writes what leads from and to the object: the manager and the memberships of a user, the members of a
// group.
func (d *onDemand) references(ctx context.Context, t *task) error {
	defer func() { t.answer.EndedAt = d.Now().UTC() }()
	if !d.dry && t.answer.Status != engine.StatusFailure {
		// References of it that the target refused before are tried again too.
		if _, err := d.Store.Retry(ctx, d.job.ID, []engine.Ref{t.ref()}, d.Now().UTC()); err != nil {
			return err
		}
	}
	if t.ref().Kind == engine.Group {
		return d.groupMembers(ctx, t)
	}
	if t.link == nil || Planned(t.link.TargetID) && !d.dry {
		return nil
	}
	out := &outcome{}
	if err := d.managerOf(ctx, t, out); err != nil {
		return err
	}
	if err := d.membershipsOf(ctx, t, out); err != nil {
		return err
	}
	d.referred(t, out, "The references of the user")
	return nil
}

// exportable reports whether references of an object are written: it is linked and not released.
func exportable(l *engine.Link) bool { return l != nil && l.State != engine.Released }

// outcome sums up what came of references.
type outcome struct {
	details []engine.Detail
	written int
	asleep  int
	failed  int
}

// referred adds the step about references to the answer, and what follows for the whole.
func (d *onDemand) referred(t *task, o *outcome, what string) {
	if len(o.details) == 0 {
		return
	}
	status, end := engine.StatusSuccess, " are as they should be."
	switch {
	case o.failed > 0:
		status, end = engine.StatusFailure, fmt.Sprintf(" could not all be written: %d failed and are tried again.", o.failed)
	case o.asleep > 0:
		status, end = engine.StatusWarning, fmt.Sprintf(" could not all be written: %d lead to somebody who is not provisioned. Provision them; the reference follows by itself.", o.asleep)
	case o.written > 0 && d.dry:
		end = " would be written; nothing was sent."
	case o.written > 0:
		end = " were written."
	}
	t.step(d.Now(), engine.StepReferences, "EntryReferenceResolution", status, what+end, o.details...)
	switch {
	case status != engine.StatusSuccess && t.answer.Status != engine.StatusFailure:
		t.answer.Status = engine.StatusWarning
	case o.written > 0 && t.answer.Status == engine.StatusSkipped:
		t.answer.Status = engine.StatusSuccess
	}
}

// managerOf writes the manager of a user.
func (d *onDemand) managerOf(ctx context.Context, t *task, out *outcome) error {
	job := t.runner.Jobs[d.job.ID]
	if !mapped(job, engine.Manager) || !exportable(t.link) {
		return nil
	}
	var waiting []engine.Membership
	var err error
	if d.dry {
		waiting, err = d.managerWanted(ctx, t)
	} else {
		waiting, err = d.Store.Waiting(ctx, d.job.ID, t.ref(), engine.Manager, "", edgeBatch)
	}
	if err != nil {
		return err
	}
	if err := t.runner.setManager(ctx, job, d.cycle, engine.Holder{Ref: t.ref(), Link: *t.link}, waiting); err != nil {
		return err
	}
	said := false
	for _, s := range t.kept.settled() {
		said = d.edgesTold(s, out, func(r engine.Ref) string { return "manager " + r.ID }, func(engine.Ref) string { return "" }) || said
	}
	to, has := managerTold(t.in)
	if said || !has {
		return nil
	}
	l, err := d.linkOf(ctx, to)
	switch {
	case err != nil:
		return err
	case !exportable(l):
		out.asleep++
		out.details = append(out.details, fact("manager "+to.ID, unresolved))
	default:
		out.details = append(out.details, fact("manager "+to.ID, "is set already"))
	}
	return nil
}

const unresolved = string(engine.CodeUnresolved) + ": not provisioned yet; provision this one, and the reference is written by itself"

func managerTold(in engine.Inspection) (engine.Ref, bool) {
	for _, e := range in.Edges {
		if e.Relation == engine.Manager && !e.Removed {
			return e.To, true
		}
	}
	return engine.Ref{}, false
}

// edgesTold adds to out what was settled. It reports whether there was anything.
func (d *onDemand) edgesTold(s engine.EdgesSettled, out *outcome, label, name func(engine.Ref) string) bool {
	say := func(refs []engine.Ref, what string, n *int) {
		for _, r := range refs {
			*n++
			out.details = append(out.details, fact(label(r)+name(r), what))
		}
	}
	added, removed := "added", "removed"
	if d.dry {
		added, removed = "would be added", "would be removed"
	}
	say(s.Added, added, &out.written)
	gone := &out.written
	if s.Relation == engine.Manager && s.Log == nil { // the mapping does not clear it (13.4)
		removed, gone = "is not the manager any more; the account keeps this one until there is another", new(int)
	}
	say(s.Removed, removed, gone)
	say(s.Asleep, unresolved, &out.asleep)
	say(s.Retry, "the account is gone from the target; it is evaluated again by the next cycle", &out.failed)
	for _, r := range sortedRefs(s.Failed) {
		e := s.Failed[r]
		say([]engine.Ref{r}, fmt.Sprintf("refused: %s (HTTP %d) %s", e.Code, e.Status, e.Detail), &out.failed)
	}
	return len(s.Added)+len(s.Removed)+len(s.Asleep)+len(s.Retry)+len(s.Failed) > 0
}

func sortedRefs(m map[engine.Ref]engine.Escrow) []engine.Ref {
	out := make([]engine.Ref, 0, len(m))
	for r := range m {
		out = append(out, r)
	}
	slices.SortFunc(out, compareRefs)
	return out
}

// linkOf is the link of an object, as a dry run would have made it if it is among its subjects.
func (d *onDemand) linkOf(ctx context.Context, ref engine.Ref) (*engine.Link, error) {
	for _, t := range d.tasks {
		if d.dry && t.out && t.ref() == ref {
			return t.link, nil
		}
	}
	l, err := d.Store.Link(ctx, d.job.ID, ref)
	if errors.Is(err, engine.ErrNoLink) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &l, nil
}

// membershipsOf writes the memberships of a user in the groups that are provisioned.
func (d *onDemand) membershipsOf(ctx context.Context, t *task, out *outcome) error {
	job := t.runner.Jobs[d.job.ID]
	if !mapped(job, engine.Member) {
		return nil
	}
	holders, waiting, err := d.groupsOf(ctx, t)
	if err != nil {
		return err
	}
	slices.SortFunc(holders, func(a, b engine.Holder) int { return cmp.Compare(a.ID, b.ID) })
	for _, h := range holders {
		label := func(engine.Ref) string { return "member of " + cmp.Or(h.Link.Name, h.ID) }
		gone, err := t.runner.someMembers(ctx, job, d.cycle, h, waiting[h.ID])
		if err != nil {
			return err
		}
		if gone {
			out.failed++
			out.details = append(out.details, fact(label(t.ref()), "the group is gone from the target; the next cycle makes it anew"))
		}
		for _, s := range t.kept.settled() {
			d.edgesDone.put(s)
			d.edgesTold(s, out, label, func(engine.Ref) string { return "" })
		}
	}
	return nil
}

// groupsOf are the linked groups at which a membership of the user is to be written, and what.
func (d *onDemand) groupsOf(ctx context.Context, t *task) ([]engine.Holder, map[string][]engine.Membership, error) {
	waiting := map[string][]engine.Membership{}
	if d.dry {
		return d.groupsWanted(ctx, t, waiting)
	}
	holders, err := d.Store.HoldersTo(ctx, d.job.ID, engine.Member, t.ref())
	if err != nil {
		return nil, nil, err
	}
	for _, h := range holders {
		if waiting[h.ID], err = d.Store.WaitingTo(ctx, d.job.ID, h.Ref, engine.Member, []engine.Ref{t.ref()}); err != nil {
			return nil, nil, err
		}
	}
	return slices.DeleteFunc(holders, func(h engine.Holder) bool { return len(waiting[h.ID]) == 0 }), waiting, nil
}

// groupMembers writes the memberships of a group: those of the members that were chosen, or all.
func (d *onDemand) groupMembers(ctx context.Context, t *task) error {
	job := t.runner.Jobs[d.job.ID]
	if t.subject.Members != nil && len(t.subject.Members) == 0 {
		return nil
	}
	m := &membership{onDemand: d, task: t, all: t.subject.Members == nil, said: map[engine.Ref]said{}}
	switch {
	case !mapped(job, engine.Member):
		m.why = "the job does not write members"
	case !exportable(t.link):
		m.why = "the group is not provisioned"
	default:
		if err := m.write(ctx, job); err != nil {
			return err
		}
	}
	return m.tell(ctx)
}
