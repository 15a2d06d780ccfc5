package cycle

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// What follows is told by the store once what was read is in it. A dry run stores nothing, so it compares what was read
// with what was exported itself.

// managerWanted are the manager edges that would wait: what the source tells, compared with what the account has.
func (d *onDemand) managerWanted(ctx context.Context, t *task) ([]engine.Membership, error) {
	if t.in.Object.State != engine.Active { // it is not told
		return d.Store.Waiting(ctx, d.job.ID, t.ref(), engine.Manager, "", edgeBatch)
	}
	a, _ := managerMapping(d.job)
	account, err := d.live(ctx, t)
	if err != nil {
		return nil, err
	}
	old := text(account.Read(a.Target))
	var out []engine.Membership
	to, told := managerTold(t.in)
	if told {
		l, err := d.linkOf(ctx, to)
		if err != nil {
			return nil, err
		}
		if exportable(l) && l.TargetID == old {
			return nil, nil
		}
		m := engine.Membership{To: to, Want: true}
		if l != nil {
			m.TargetID, m.State = l.TargetID, l.State
		}
		out = append(out, m)
	}
	if old != "" {
		links, err := d.Store.LinkedTo(ctx, d.job.ID, engine.User, []string{old})
		if err != nil {
			return nil, err
		}
		if l, ours := links[old]; ours && l.Ref != to {
			out = append(out, engine.Membership{To: l.Ref, Have: true, TargetID: old, State: l.State})
		}
	}
	return out, nil
}

// live is the account as it was found, or else as it is now; nothing of one that would be made.
func (d *onDemand) live(ctx context.Context, t *task) (engine.Resource, error) {
	id := t.link.TargetID
	if r := t.watch.read; r != nil && r.id == id && r.err == nil {
		return r.resource, nil
	}
	for _, s := range t.watch.searches {
		for _, r := range s.found {
			if r.ID == id {
				return r, nil
			}
		}
	}
	if Planned(id) {
		return engine.Resource{}, nil
	}
	res, err := d.job.Target.Get(ctx, t.ref().Kind, id)
	if te, ok := errors.AsType[*engine.TargetError](err); ok && te.Outcome != engine.OutcomeQuarantine && te.Outcome != engine.OutcomeSuspend {
		return engine.Resource{}, nil // what is not known is as good as not there: a real run would try
	}
	return res, err
}

// edgesDone are memberships that a dry run would have written for another subject of the call.
type edgesDone struct {
	mu   sync.Mutex
	want map[[2]engine.Ref]bool // by group and member: whether it would be there
}

func (e *edgesDone) put(s engine.EdgesSettled) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.want == nil {
		e.want = map[[2]engine.Ref]bool{}
	}
	for _, r := range s.Added {
		e.want[[2]engine.Ref{s.From, r}] = true
	}
	for _, r := range s.Removed {
		e.want[[2]engine.Ref{s.From, r}] = false
	}
}

// of adds to have what is done to the members of a group.
func (e *edgesDone) of(group engine.Ref, have map[engine.Ref]bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for k, there := range e.want {
		switch {
		case k[0] != group:
		case there:
			have[k[1]] = true
		default:
			delete(have, k[1])
		}
	}
}

// exportedTo reports whether the target has the user as a member of a group, as far as is known.
func (d *onDemand) exportedTo(ctx context.Context, group, member engine.Ref) (bool, error) {
	list, err := d.Store.Exported(ctx, d.job.ID, group, justBefore(member.ID), 2)
	return slices.ContainsFunc(list, func(m engine.Membership) bool { return m.To == member }), err
}

// groupsWanted are the linked groups at which a membership of the user would be written.
func (d *onDemand) groupsWanted(ctx context.Context, t *task, waiting map[string][]engine.Membership) ([]engine.Holder, map[string][]engine.Membership, error) {
	member := map[string]bool{}
	for _, e := range t.in.Edges {
		if e.Relation == engine.Member && e.To == t.ref() && !e.Removed {
			member[e.From.ID] = true
		}
	}
	if d.job.Options.Nested == engine.NestedExpand { // of every group above as well
		for _, g := range t.in.Groups {
			member[g.ID] = member[g.ID] || g.State == engine.Active
		}
	}
	// A new account, and one that comes back, is a member of nothing (U32b).
	fresh := t.queued.Link == nil || t.queued.Link.TargetID != t.link.TargetID || t.answer.Entry.Action == engine.Enable
	var holders []engine.Holder
	look := func(l engine.Link) error {
		if !exportable(&l) {
			return nil
		}
		exported, err := d.exportedTo(ctx, l.Ref, t.ref())
		if err != nil {
			return err
		}
		want := member[l.ID]
		if t.in.Object.State != engine.Active {
			want = exported // they are not told
		}
		if exported = exported && !fresh; want == exported {
			return nil
		}
		holders = append(holders, engine.Holder{Ref: l.Ref, Link: l})
		waiting[l.ID] = []engine.Membership{{To: t.ref(), Want: want, Have: exported, TargetID: t.link.TargetID, State: t.link.State}}
		return nil
	}
	seen := map[string]bool{}
	for _, other := range d.tasks { // groups that this dry run would link
		if other.out && other.ref().Kind == engine.Group {
			seen[other.ref().ID] = true
			if other.link != nil {
				if err := look(*other.link); err != nil {
					return nil, nil, err
				}
			}
		}
	}
	for after := ""; ; {
		links, err := d.Store.Links(ctx, d.job.ID, engine.Group, after, BatchSize)
		if err != nil || len(links) == 0 {
			return holders, waiting, err
		}
		after = links[len(links)-1].ID
		for _, l := range links {
			if seen[l.ID] {
				continue
			}
			if err := look(l); err != nil {
				return nil, nil, err
			}
		}
	}
}

// membersWanted are the memberships of a group that would be written: of all its members, or of those chosen.
func (d *onDemand) membersWanted(ctx context.Context, t *task, told map[engine.Ref]bool, chosen []engine.Ref, all bool) ([]engine.Membership, error) {
	have := map[engine.Ref]bool{}
	if t.queued.Link != nil && t.queued.Link.TargetID == t.link.TargetID && t.facts.Target.State != decide.Absent {
		for after := ""; ; {
			list, err := d.Store.Exported(ctx, d.job.ID, t.ref(), after, edgeBatch)
			if err != nil {
				return nil, err
			}
			if len(list) == 0 {
				break
			}
			after = list[len(list)-1].To.ID
			for _, m := range list {
				have[m.To] = true
			}
		}
	}
	d.edgesDone.of(t.ref(), have)
	wanted := map[engine.Ref]bool{} // whether it is to be there
	for r := range told {
		if !have[r] {
			wanted[r] = true
		}
	}
	for r := range have {
		if !told[r] && (all && d.job.Options.Nested != engine.NestedExpand || slices.Contains(chosen, r)) {
			wanted[r] = false
		}
	}
	refs := make([]engine.Ref, 0, len(wanted))
	for r := range wanted {
		if all || slices.Contains(chosen, r) {
			refs = append(refs, r)
		}
	}
	slices.SortFunc(refs, compareRefs)
	out := make([]engine.Membership, 0, len(refs))
	for _, r := range refs {
		m := engine.Membership{To: r, Want: wanted[r], Have: have[r]}
		l, err := d.linkOf(ctx, r)
		if err != nil {
			return nil, err
		}
		if l != nil {
			m.TargetID, m.State = l.TargetID, l.State
		}
		out = append(out, m)
	}
	return out, nil
}
