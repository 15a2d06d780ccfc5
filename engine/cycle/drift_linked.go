package cycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
)

// doubtful is a linked account that differs as the listing tells it. It is read by itself before that is believed: the listing
// may be old by then, or leave attributes out.
type doubtful struct {
	id string
	at uint64 // the attributes that differ, see attributeBit; 0: it is not about attributes
}

// verdict is what a linked account is.
type verdict struct {
	class   engine.DriftClass
	differs bool
	changes []engine.AttributeChange // from what the target has to what was, or is to be, exported
	at      uint64                   // the attributes of changes
	detail  string
	remedy  remedy
	member  bool // a group whose members are to be compared
}

// pair is a linked account with all that is needed to judge it.
type pair struct {
	queued engine.Queued
	res    engine.Resource
}

// flush classes the accounts in the buffer.
func (a *accounts) flush(ctx context.Context) error {
	batch := a.buffer
	a.buffer = nil
	for _, res := range batch {
		a.told |= a.tells(res)
	}
	pairs, rest, err := a.pairs(ctx, batch)
	if err != nil {
		return err
	}
	for _, res := range rest {
		a.unlinked = append(a.unlinked, unlinked{id: res.ID, name: accountName(a.kind, res), hits: a.sources.hits(a.kind, res)})
	}
	for _, p := range pairs {
		v := a.judge(p)
		if v.differs {
			a.doubtful = append(a.doubtful, doubtful{p.res.ID, v.at})
			continue
		}
		a.clean(p, v)
	}
	a.progress(len(batch))
	return nil
}

// clean counts an account that is as it should be.
func (a *accounts) clean(p pair, v verdict) {
	a.result.Classes[v.class]++
	if v.member {
		a.groups = append(a.groups, linkedGroup{p.queued.Ref, p.res.ID, p.queued.Link.Name})
	}
}

// pairs finds the links of accounts and what the store knows of their source objects.
func (a *accounts) pairs(ctx context.Context, batch []engine.Resource) (linked []pair, rest []engine.Resource, err error) {
	if len(batch) == 0 {
		return nil, nil, nil
	}
	ids := make([]string, len(batch))
	for i, res := range batch {
		ids[i] = res.ID
	}
	links, err := a.Store.LinkedTo(ctx, a.job.ID, a.kind, ids)
	if err != nil {
		return nil, nil, err
	}
	of := make([]string, 0, len(links))
	for _, l := range links {
		of = append(of, l.ID)
	}
	facts, err := a.queued(ctx, of)
	if err != nil {
		return nil, nil, err
	}
	for _, res := range batch {
		l, ok := links[res.ID]
		if !ok {
			rest = append(rest, res)
			continue
		}
		q := facts[l.ID]
		q.Link = &l
		linked = append(linked, pair{q, res})
	}
	return linked, rest, nil
}

// queued is what the store knows of source objects, as if they were queued. Those it does not know have an answer too.
func (a *accounts) queued(ctx context.Context, ids []string) (map[string]engine.Queued, error) {
	objects, err := a.Store.Objects(ctx, a.job.ID, a.kind, ids)
	if err != nil {
		return nil, err
	}
	paths, err := a.Store.AssignmentPaths(ctx, a.job.ID, a.kind, ids)
	if err != nil {
		return nil, err
	}
	out := make(map[string]engine.Queued, len(ids))
	for _, id := range ids {
		o, known := objects[id]
		out[id] = engine.Queued{Ref: engine.Ref{Kind: a.kind, ID: id}, Known: known, Object: o, Paths: paths[id]}
	}
	return out, nil
}

// judge says what a linked account is. What the job would do about it is decided by the table that decides in a cycle, on the
// account as it is.
func (a *accounts) judge(p pair) verdict {
	f := a.facts(p.queued, anyValue)
	f.Target = decide.Target{State: decide.Found, Resource: p.res}
	managed := p.queued.Link.State == engine.Managed
	if entitled(f) {
		v := verdict{class: engine.DriftAssigned, member: managed && a.kind == engine.Group && mapped(a.job, engine.Member)}
		if !managed { // it comes back with the next cycle
			return v
		}
		v.changes, v.at = a.drifted(f)
		v.differs = len(v.changes) > 0
		if f.Mapping.Actions.Update {
			v.remedy = remedyVerify
		} else {
			v.detail = "the mapping does not allow updates, so that the job leaves it as it is"
		}
		return v
	}
	v := verdict{class: engine.DriftUnentitled}
	op := a.evaluator.decide(f)
	switch {
	case f.Factors.Ignored: // neither provisioned nor deprovisioned
	case op.Action == engine.Update || op.Action == engine.Disable || op.Action == engine.Delete:
		v.differs, v.changes, v.remedy = true, op.Changes, remedyLeave
		v.detail = fmt.Sprintf("%s: the job has to %s it", op.Reason, op.Action)
		if op.EmptyMembers {
			v.detail = string(op.Reason) + ": the job has to remove its members"
		}
	case p.queued.Link.State == engine.Released && p.queued.Link.Disabled:
		for _, c := range f.Desired.Update(p.res.Read) {
			if c.SoftDelete {
				v.differs, v.changes = true, append(v.changes, c)
				v.detail = "the job disabled it when its owner left, and somebody enabled it since; the job does not manage it any more: disable it at the target"
			}
		}
	}
	return v
}

// entitled reports whether the job wants an active account (provisioning.md 4.2).
func entitled(f decide.Facts) bool {
	return f.State == engine.Active && f.Factors.InScope() && f.Factors.Enabled && !f.Factors.Ignored
}

// drifted lists where the account has something else than was exported, among what a cycle that looked at it would write.
func (a *accounts) drifted(f decide.Facts) (changes []engine.AttributeChange, at uint64) {
	for _, c := range f.Desired.Update(f.Target.Resource.Read) {
		exported, known := f.Link.Exported[c.Path.Key()]
		have := f.Target.Resource.Read(c.Path)
		bit := attributeBit(f.Mapping, c.Path)
		switch {
		case c.Definition.Mutability == mapping.WriteOnly: // never told
		case !known && c.New != nil: // mapped since the last export
		case mapping.Equal(c.Definition, exported, have): // a change at the source that waits
		default:
			c.Old, c.New = have, exported
			changes, at = append(changes, c), at|bit
		}
	}
	return changes, at
}

// attributeBit is the place of a mapped attribute in a set of them. All beyond the 63rd share the last one.
func attributeBit(m *mapping.Object, p engine.Path) uint64 {
	i := slices.IndexFunc(m.Attributes, func(a mapping.Attribute) bool { return a.Target.Same(p) })
	return 1 << min(max(i, 0), 63)
}

// tells is the set of mapped attributes that an account has a value at, among those not known to be told.
func (a *accounts) tells(res engine.Resource) (set uint64) {
	m := a.mapping(a.kind)
	for i := range m.Attributes {
		bit := uint64(1) << min(i, 63)
		if a.told&bit == 0 && !m.Attributes[i].Reference() && res.Read(m.Attributes[i].Target) != nil {
			set |= bit
		}
	}
	return set
}

// confirm reads the accounts that seem to differ and reports those that do.
func (a *accounts) confirm(ctx context.Context) error {
	for chunk := range slices.Chunk(a.doubtful, BatchSize) {
		if err := a.confirmSome(ctx, chunk); err != nil {
			return err
		}
		a.progress(0)
	}
	a.doubtful = nil
	return nil
}

func (a *accounts) confirmSome(ctx context.Context, chunk []doubtful) error {
	var ids []string
	silent := map[string]bool{} // differ in nothing but what the target never tells
	for _, d := range chunk {
		ids = append(ids, d.id)
		silent[d.id] = d.at != 0 && d.at&a.told == 0
	}
	began := a.Now()
	found, gone, err := a.read(ctx, slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return silent[id] }))
	if err != nil {
		return err
	}
	batch := make([]engine.Resource, 0, len(ids))
	for _, id := range ids {
		if gone[id] {
			delete(a.seen, id)
			continue
		}
		if res, ok := found[id]; ok || silent[id] {
			res.ID = id
			batch = append(batch, res)
		}
	}
	busy, err := a.sourcesUnderway(ctx, batch)
	if err != nil {
		return err
	}
	pairs, _, err := a.pairs(ctx, batch)
	if err != nil {
		return err
	}
	var fixes []fix
	var findings []engine.DriftFinding
	for _, p := range pairs {
		v := verdict{class: engine.DriftAssigned, member: a.kind == engine.Group && mapped(a.job, engine.Member)}
		if !silent[p.res.ID] {
			v = a.shownOnly(a.judge(p))
		}
		a.clean(p, v)
		if !v.differs || busy[p.queued.ID] || p.queued.Link.UpdatedAt.After(began) {
			continue
		}
		if v.remedy != remedyNone {
			fixes = append(fixes, fix{ref: p.queued.Ref, target: p.res.ID, remedy: v.remedy, res: p.res})
		}
		findings = append(findings, a.finding(p, v))
	}
	return a.settle(ctx, fixes, findings)
}

// sourcesUnderway are the source ids of linked accounts that somebody is working on. It is asked before the links are read once
// more: what was recorded by then has changed them.
func (a *accounts) sourcesUnderway(ctx context.Context, batch []engine.Resource) (map[string]bool, error) {
	ids := make([]string, len(batch))
	for i, res := range batch {
		ids[i] = res.ID
	}
	links, err := a.Store.LinkedTo(ctx, a.job.ID, a.kind, ids)
	if err != nil {
		return nil, err
	}
	of := make([]string, 0, len(links))
	for _, l := range links {
		of = append(of, l.ID)
	}
	return a.underway(ctx, of)
}

// shownOnly leaves out differences at attributes that the target shows of no account.
func (a *accounts) shownOnly(v verdict) verdict {
	if v.class != engine.DriftAssigned {
		return v
	}
	v.changes = slices.DeleteFunc(v.changes, func(c engine.AttributeChange) bool { return attributeBit(a.mapping(a.kind), c.Path)&a.told == 0 })
	v.differs = len(v.changes) > 0
	return v
}

// finding tells about one linked account.
func (a *accounts) finding(p pair, v verdict) engine.DriftFinding {
	f := engine.DriftFinding{
		Kind: a.kind, Class: v.class, Linked: true, Detail: v.detail,
		Source: engine.Identity{ID: p.queued.ID, Name: name(p.queued)},
		Target: engine.Identity{ID: p.res.ID, Name: accountName(a.kind, p.res)},
	}
	for _, c := range v.changes {
		f.Changes = append(f.Changes, engine.LoggedChange{Attribute: c.Path.String(), Old: shown(c.Old, c.Redact), New: shown(c.New, c.Redact)})
	}
	return f
}

// settle repairs what is to be repaired and reports findings. Those of groups wait for their members.
func (a *accounts) settle(ctx context.Context, fixes []fix, findings []engine.DriftFinding) error {
	busy, err := a.fix(ctx, fixes)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if busy[f.Source.ID] {
			f.Detail = "a cycle is working on it, so that it was not queued; compare again later"
		}
		if f.Kind == engine.Group && f.Class == engine.DriftAssigned && f.Linked {
			a.findings[f.Target.ID] = f
			continue
		}
		a.found(f)
	}
	return nil
}

// orphaned finds links whose account is gone. Absence from the listing is not enough: each is asked for.
func (a *accounts) orphaned(ctx context.Context) error {
	for after := ""; ; {
		links, err := a.Store.Links(ctx, a.job.ID, a.kind, after, BatchSize)
		if err != nil || len(links) == 0 {
			return err
		}
		after = links[len(links)-1].ID
		var absent []string
		for _, l := range links {
			if _, there := a.seen[l.TargetID]; !there && l.State != engine.Released {
				absent = append(absent, l.TargetID)
			}
		}
		_, gone, err := a.read(ctx, absent)
		if err != nil {
			return err
		}
		if err := a.lost(ctx, slices.DeleteFunc(absent, func(id string) bool { return !gone[id] })); err != nil {
			return err
		}
		a.progress(0)
	}
}

// lost reports links whose accounts are gone, unless a cycle has dealt with them meanwhile.
func (a *accounts) lost(ctx context.Context, ids []string) error {
	batch := make([]engine.Resource, len(ids))
	for i, id := range ids {
		batch[i] = engine.Resource{ID: id}
	}
	busy, err := a.sourcesUnderway(ctx, batch)
	if err != nil {
		return err
	}
	pairs, _, err := a.pairs(ctx, batch)
	if err != nil {
		return err
	}
	var fixes []fix
	var findings []engine.DriftFinding
	for _, p := range pairs {
		if busy[p.queued.ID] {
			continue
		}
		a.result.Classes[engine.DriftOrphaned]++
		a.orphans[p.queued.ID] = true
		r, detail := a.burial(p)
		if r != remedyNone {
			fixes = append(fixes, fix{ref: p.queued.Ref, target: p.res.ID, remedy: r})
		}
		findings = append(findings, engine.DriftFinding{
			Kind: a.kind, Class: engine.DriftOrphaned, Linked: true, Detail: detail,
			Source: engine.Identity{ID: p.queued.ID, Name: name(p.queued)},
			Target: engine.Identity{ID: p.res.ID, Name: p.queued.Link.Name},
		})
	}
	return a.settle(ctx, fixes, findings)
}

// burial says what becomes of a link whose account is gone (U33).
func (a *accounts) burial(p pair) (remedy, string) {
	switch {
	case entitled(a.facts(p.queued, anyValue)) && a.job.Options.MissingIsError:
		return remedyUnlink, "the job takes a missing account for a failure; only without its link is it matched or created anew"
	case entitled(a.facts(p.queued, anyValue)):
		return remedyVerify, "it is matched or created anew when it is evaluated"
	case p.queued.Link.Disabled:
		return remedyNone, "it was disabled, and some targets do not show such accounts: the link is kept"
	}
	return remedyUnlink, "nobody is entitled to it, so that nothing is to be made anew"
}
