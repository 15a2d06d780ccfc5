package cycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/engine"
)

// membersAttribute is where members show among the changes of a finding.
const membersAttribute = "members"

// groupsAtOnce is the number of groups whose differences are held at a time.
const groupsAtOnce = 100

// linkedGroup is a group that the job manages.
type linkedGroup struct {
	engine.Ref
	target string
	name   string
}

// memberDrift is how the members of a group differ from those exported.
type memberDrift struct {
	missing   []engine.Membership
	foreign   []string     // target ids
	unwanted  []engine.Ref // of foreign ones that the job manages
	untold    bool         // the target did not tell all members
	strangers []string     // foreign ones that the job does not manage
}

// members compares the members of the groups, and reports what was found out about the groups.
func (a *accounts) members(ctx context.Context) error {
	lister, ok := a.job.Target.(engine.MemberLister)
	if !ok && len(a.groups) > 0 {
		a.incomplete("the target cannot list the members of groups, so they are not compared")
		a.groups = nil
	}
	untold := 0
	for chunk := range slices.Chunk(a.groups, groupsAtOnce) {
		drift := map[string]memberDrift{}
		var mu sync.Mutex
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(min(driftAtOnce, max(a.Concurrency, 1)))
		for _, group := range chunk {
			g.Go(func() error {
				m, err := a.membersOf(gctx, lister, group)
				mu.Lock()
				defer mu.Unlock()
				drift[group.target] = m
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for _, group := range chunk {
			m := drift[group.target]
			if m.untold {
				untold++
			}
			if err := a.memberFinding(ctx, group, m); err != nil {
				return err
			}
		}
		a.progress(len(chunk))
	}
	for _, id := range slices.Sorted(maps.Keys(a.findings)) {
		a.found(a.findings[id])
	}
	if untold > 0 {
		a.incomplete(fmt.Sprintf("the target did not tell all members of %d groups, so these are not compared", untold))
	}
	return nil
}

// membersOf compares one group. What was exported is read once more when something differs, because a cycle may be
// writing members.
func (a *accounts) membersOf(ctx context.Context, lister engine.MemberLister, g linkedGroup) (m memberDrift, err error) {
	exported, err := a.exportedMembers(ctx, g.Ref)
	if err != nil {
		return m, err
	}
	complete, err := lister.Members(ctx, g.target, func(id string) error {
		if _, ours := exported[id]; ours {
			delete(exported, id)
		} else {
			m.foreign = append(m.foreign, id)
		}
		return nil
	})
	if te, ok := errors.AsType[*engine.TargetError](err); ok {
		switch te.Outcome {
		case engine.OutcomeQuarantine, engine.OutcomeSuspend:
			return m, err
		case engine.OutcomeRematch: // gone since it was listed
			return memberDrift{}, nil
		}
		return memberDrift{untold: true}, nil
	}
	if err != nil || !complete {
		return memberDrift{untold: true}, err
	}
	for _, e := range exported {
		if wantedMember(e) {
			m.missing = append(m.missing, e)
		}
	}
	if len(m.missing)+len(m.foreign) == 0 {
		return m, nil
	}
	return m, a.confirmMembers(ctx, g, &m)
}

// wantedMember reports whether an exported member is one that the target has to have: its account is managed, and the source has it still.
// A target may drop the memberships of inactive accounts (U32b).
func wantedMember(m engine.Membership) bool { return m.Want && m.State == engine.Managed }

// exportedMembers are the members that a group was exported with, by target id.
func (a *accounts) exportedMembers(ctx context.Context, group engine.Ref) (map[string]engine.Membership, error) {
	out := map[string]engine.Membership{}
	for after := ""; ; {
		list, err := a.Store.Exported(ctx, a.job.ID, group, after, edgeBatch)
		if err != nil || len(list) == 0 {
			return out, err
		}
		after = list[len(list)-1].To.ID
		for _, m := range list {
			if m.TargetID != "" {
				out[m.TargetID] = m
			}
		}
	}
}

// confirmMembers takes out what a cycle has changed meanwhile or is about to change, and finds out whom the job manages.
func (a *accounts) confirmMembers(ctx context.Context, g linkedGroup, m *memberDrift) error {
	now, err := a.exportedMembers(ctx, g.Ref)
	if err != nil {
		return err
	}
	m.missing = slices.DeleteFunc(m.missing, func(e engine.Membership) bool { return !wantedMember(now[e.TargetID]) })
	m.foreign = slices.DeleteFunc(m.foreign, func(id string) bool { _, ours := now[id]; return ours })
	slices.SortFunc(m.missing, func(x, y engine.Membership) int { return compareRefs(x.To, y.To) })
	slices.Sort(m.foreign)
	var foreign []string
	for chunk := range slices.Chunk(m.foreign, edgeBatch) {
		known, err := a.memberLinks(ctx, chunk)
		if err != nil {
			return err
		}
		var refs []engine.Ref
		for _, l := range known {
			refs = append(refs, l.Ref)
		}
		waiting, err := a.Store.WaitingTo(ctx, a.job.ID, g.Ref, engine.Member, refs)
		if err != nil {
			return err
		}
		awaited := map[engine.Ref]bool{} // the next cycle adds them, and finds them there
		for _, w := range waiting {
			awaited[w.To] = w.Want
		}
		for _, id := range chunk {
			l, ours := known[id]
			switch {
			case ours && awaited[l.Ref]:
				continue
			case ours && l.State != engine.Released:
				m.unwanted = append(m.unwanted, l.Ref)
			default:
				m.strangers = append(m.strangers, id)
			}
			foreign = append(foreign, id)
		}
	}
	m.foreign = foreign
	return nil
}

// memberLinks are the links of those members that the job may write.
func (a *accounts) memberLinks(ctx context.Context, ids []string) (map[string]engine.Link, error) {
	known, err := a.Store.LinkedTo(ctx, a.job.ID, engine.User, ids)
	if err != nil || a.job.Options.Nested != engine.NestedAsMembers {
		return known, err
	}
	groups, err := a.Store.LinkedTo(ctx, a.job.ID, engine.Group, ids)
	if err != nil {
		return nil, err
	}
	maps.Copy(known, groups)
	return known, nil
}

// memberFinding adds what is wrong with the members of a group to what is wrong with the group, and repairs.
func (a *accounts) memberFinding(ctx context.Context, g linkedGroup, m memberDrift) error {
	n := len(m.missing) + len(m.foreign)
	if n == 0 {
		return nil
	}
	a.result.Memberships += n
	f, ok := a.findings[g.target]
	if !ok {
		f = engine.DriftFinding{Kind: g.Kind, Class: engine.DriftAssigned, Linked: true,
			Source: engine.Identity{ID: g.ID, Name: g.name}, Target: engine.Identity{ID: g.target, Name: g.name}}
	}
	var members []engine.LoggedChange
	for _, e := range m.missing[:min(len(m.missing), MaxDriftMembers)] {
		members = append(members, engine.LoggedChange{Attribute: membersAttribute, New: e.TargetID})
	}
	for _, id := range m.foreign[:min(len(m.foreign), MaxDriftMembers-len(members))] {
		members = append(members, engine.LoggedChange{Attribute: membersAttribute, Old: id})
		if _, stranger := slices.BinarySearch(m.strangers, id); stranger {
			f.Strangers = append(f.Strangers, id)
		}
	}
	f.Changes = append(f.Changes, members...)
	say := func(text string) {
		if f.Detail != "" {
			f.Detail += "; "
		}
		f.Detail += text
	}
	say(fmt.Sprintf("%d members are missing and %d are there that the source does not have", len(m.missing), len(m.foreign)))
	if n := len(m.strangers); n > 0 {
		say(fmt.Sprintf("%d of these are accounts that the job does not manage, and stay", n))
	}
	if more := n - len(members); more > 0 {
		say(fmt.Sprintf("%d more are counted and not listed", more))
	}
	a.findings[g.target] = f
	if len(m.missing)+len(m.unwanted) == 0 {
		return nil
	}
	a.repairable[g.Ref] = true
	if !a.repair {
		return nil
	}
	missing := make([]engine.Ref, len(m.missing))
	for i, e := range m.missing {
		missing[i] = e.To
	}
	if err := a.Store.ForgetExported(ctx, a.job.ID, g.Ref, missing, m.unwanted); err != nil {
		return err
	}
	a.repaired[g.Ref] = true
	return nil
}
