package store

import (
	"context"
	"database/sql"

	"github.com/scimsync/scimsync/engine"
)

// PutInspection implements [engine.OnDemand]. It leaves the store as a feed would have that told the same, without being
// part of a round:
//
// An object that is known alive keeps the mark of the round that saw it. A full round under way has seen it, or
// will come to it and then takes what it is told for all there is. An object that is new, or came back to life, gets the
// mark of the round under way, which may have passed the place where it would have been; so does every object while
// the round is suspect, because nothing more comes of that and the object is not missing. Edges get the mark if what
// they start from has it: the round is done with it and would sweep them. The others the round will tell again or rightly
// sweep. Assignments that are new get the mark, those known keep theirs. So a round neither takes away what it came too
// early for nor keeps what it no longer finds.
//
// Of the groups of a user only what decides about the scope is taken, their life and whether they convey. Their
// attributes are left to the feed, which finds them new and evaluates the group.
//
// Once feeds were read, what the inspection brings about others than the object is no news to the next round any more. So
// these others, and only these, are queued as by SavePage: a group that was assigned, its members, new members of
// an inspected group. Before that the first cycle evaluates everybody.
//
// The members of a job that has Direct edges are stored as such, however they are told, and the Member edges of the users
// named are derived. An object that is not Active tells nothing of what it had: its assignments and edges stay.
func (s *Store) PutInspection(ctx context.Context, j engine.JobID, in engine.Inspection) error {
	return s.write(ctx, j, "store what was read of one object", func(ctx context.Context, t tx) error {
		p := inspection{tx: t, in: in, queue: newRefSet([]engine.Ref{in.Object.Ref}), others: newRefSet(nil)}
		if err := p.feeds(ctx); err != nil {
			return err
		}
		regrouped, err := p.objects(ctx)
		if err != nil {
			return err
		}
		reassigned, err := p.assignments(ctx)
		if err != nil {
			return err
		}
		if err := p.edges(ctx); err != nil {
			return err
		}
		if !p.read {
			return t.enqueue(ctx, p.queue.refs)
		}
		if err := enqueueMembers(ctx, t, regrouped, true); err != nil {
			return err
		}
		if err := enqueueMembers(ctx, t, reassigned, false); err != nil {
			return err
		}
		for _, r := range p.others.refs {
			p.queue.add(r)
		}
		return t.enqueue(ctx, p.queue.refs)
	})
}

// inspection is one run of [Store.PutInspection].
type inspection struct {
	tx
	in     engine.Inspection
	rounds map[engine.Feed]engine.FeedState
	read   bool // a feed was read to its end
	queue  *refSet
	others *refSet
}

func (p *inspection) feeds(ctx context.Context) error {
	p.rounds = map[engine.Feed]engine.FeedState{}
	for _, f := range []engine.Feed{engine.FeedAssignments, engine.FeedGroups, engine.FeedUsers} {
		state, _, err := feedState(ctx, p.tx, f)
		if err != nil {
			return err
		}
		p.rounds[f] = state
		p.read = p.read || !state.WatermarkAt.IsZero()
	}
	return nil
}

// generation is the mark of the present round of the feed that tells about objects of a kind.
func (p *inspection) generation(k engine.Kind) int64 { return p.rounds[feedOf(k)].Generation }

// objects stores the object and its groups, and returns the groups whose members may have come into scope or left it.
func (p *inspection) objects(ctx context.Context) (regrouped []string, err error) {
	list := []engine.Object{p.in.Object}
	for _, g := range p.in.Groups {
		if g.Ref != p.in.Object.Ref {
			list = append(list, g)
		}
	}
	stored := map[engine.Ref]engine.Stored{}
	refs := make([]engine.Ref, len(list))
	for i, o := range list {
		refs[i] = o.Ref
	}
	for k, ids := range byKind(refs) {
		if err := eachStored(ctx, p.tx, k, ids, func(o engine.Stored) { stored[o.Ref] = o }); err != nil {
			return nil, err
		}
	}
	for i, o := range list {
		was := stored[o.Ref]
		if i > 0 {
			o.Attributes = was.Attributes
		}
		var mark *int64
		if o.State == engine.Active && (was.State != engine.Active || p.rounds[feedOf(o.Kind)].Suspect) {
			mark = new(p.generation(o.Kind))
		}
		groups, err := putObjects(ctx, p.tx, []engine.Object{o}, mark)
		if err != nil {
			return nil, err
		}
		regrouped = append(regrouped, groups...)
	}
	return regrouped, nil
}

// assignments replaces those of the object and its groups. It returns the groups among the principals of those that
// are new, changed or gone.
func (p *inspection) assignments(ctx context.Context) (reassigned []string, err error) {
	told := map[string]engine.Assignment{}
	for _, a := range p.in.Assignments {
		told[a.ID] = a
	}
	var principals []engine.Ref
	for _, o := range append([]engine.Object{p.in.Object}, p.in.Groups...) {
		if o.State == engine.Active {
			principals = append(principals, o.Ref)
		}
	}
	var gone []string
	lost := newRefSet(nil)
	for k, ids := range byKind(principals) {
		err := p.eachIn(ctx, func(r *sql.Rows) error {
			a := engine.Assignment{Principal: engine.Ref{Kind: k}}
			if err := r.Scan(&a.ID, &a.Principal.ID, &a.RoleID, &a.RoleValue, &a.RoleName, &a.Effective); err != nil {
				return err
			}
			now, still := told[a.ID]
			switch now.RoleValue, now.RoleName = clean(now.RoleValue), clean(now.RoleName); {
			case !still:
				gone = append(gone, a.ID)
				lost.add(a.Principal)
			case now == a: // its mark stays
				delete(told, a.ID)
			}
			return nil
		}, "SELECT id, principal_id, role_id, role_value, role_name, effective FROM assignments WHERE job = ? AND principal_kind = ? AND principal_id IN (ids)",
			[]any{p.job, string(k)}, ids)
		if err != nil {
			return nil, err
		}
	}
	var list []engine.Assignment
	for _, a := range p.in.Assignments {
		if _, fresh := told[a.ID]; fresh {
			list = append(list, a)
		}
	}
	reassigned, err = saveAssignments(ctx, p.tx, list, p.rounds[engine.FeedAssignments].Generation, p.others)
	if err != nil {
		return nil, err
	}
	for _, r := range lost.refs {
		p.others.add(r)
	}
	err = p.execIn(ctx, "DELETE FROM assignments WHERE job = ? AND id IN (ids)", []any{p.job}, gone)
	return append(reassigned, byKind(lost.refs)[engine.Group]...), err
}

// edges stores those told and takes away what an active user no longer has.
func (p *inspection) edges(ctx context.Context) error {
	var one int
	direct, err := p.one(ctx, []any{&one}, "SELECT 1 FROM edges WHERE job = ? AND rel = ? LIMIT 1", p.job, string(engine.Direct))
	if err != nil {
		return err
	}
	seen, err := p.seen(ctx)
	if err != nil {
		return err
	}
	users := newRefSet(nil) // whose derived edges may have changed
	told := map[engine.Edge]bool{}
	byMark := map[int64][]engine.Edge{}
	for _, e := range p.in.Edges {
		if direct && e.Relation == engine.Member {
			e.Relation = engine.Direct
		}
		if e.Relation == engine.Direct && e.To.Kind == engine.User {
			users.add(e.To)
		}
		mark := int64(0)
		if seen[e.From] {
			mark = p.generation(e.From.Kind)
		}
		told[e] = true
		byMark[mark] = append(byMark[mark], e)
	}
	if o := p.in.Object; o.Kind == engine.User && o.State == engine.Active {
		users.add(o.Ref)
		dropped, err := p.dropped(ctx, told)
		if err != nil {
			return err
		}
		byMark[0] = append(byMark[0], dropped...)
	}
	for mark, edges := range byMark {
		if err := saveEdges(ctx, p.tx, edges, mark, p.others); err != nil {
			return err
		}
	}
	return expandUsers(ctx, p.tx, byKind(users.refs)[engine.User], p.others)
}

// seen returns what of that edges start from has the mark of the present round.
func (p *inspection) seen(ctx context.Context) (map[engine.Ref]bool, error) {
	var from []engine.Ref
	for _, e := range p.in.Edges {
		from = append(from, e.From)
	}
	seen := map[engine.Ref]bool{}
	for k, ids := range byKind(from) {
		err := p.eachIn(ctx, func(r *sql.Rows) error {
			ref := engine.Ref{Kind: k}
			err := r.Scan(&ref.ID)
			seen[ref] = true
			return err
		}, "SELECT id FROM objects WHERE job = ? AND kind = ? AND generation = ? AND id IN (ids)", []any{p.job, string(k), p.generation(k)}, ids)
		if err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// dropped returns, as removed, the edges that the user is known to have and that are not told: memberships but the
// derived ones, and the manager.
func (p *inspection) dropped(ctx context.Context, told map[engine.Edge]bool) ([]engine.Edge, error) {
	var dropped []engine.Edge
	u := p.in.Object.Ref
	err := p.each(ctx, func(r *sql.Rows) error {
		var e engine.Edge
		if err := r.Scan(&e.Relation, &e.From.ID, &e.To.Kind, &e.To.ID); err != nil {
			return err
		}
		var err error
		if e.From.Kind, err = origin(e.Relation); err == nil && !told[e] {
			e.Removed = true
			dropped = append(dropped, e)
		}
		return err
	}, `SELECT rel, from_id, to_kind, to_id FROM edges WHERE job = ? AND to_kind = ? AND to_id = ? AND want = 1 AND generation >= 0 AND rel IN (?, ?)
		UNION ALL SELECT rel, from_id, to_kind, to_id FROM edges WHERE job = ? AND rel = ? AND from_id = ? AND want = 1`,
		p.job, string(u.Kind), u.ID, string(engine.Member), string(engine.Direct), p.job, string(engine.Manager), u.ID)
	return dropped, err
}
