package cycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// chosen is a member of a group that was asked for.
type chosen struct {
	asked  string
	ref    engine.Ref
	name   string
	status engine.LogStatus // of the search: "" if it was found
	code   engine.Code
	text   string
}

// find reads the subject from the source.
func (d *onDemand) find(ctx context.Context, t *task) error {
	s := t.subject
	t.in, t.members = engine.Inspection{}, nil
	var members []string
	if s.Kind == engine.Group && s.Members != nil {
		members = []string{}
		for _, name := range s.Members {
			m, err := d.member(ctx, name)
			if err != nil {
				return err
			}
			t.members = append(t.members, m)
			if m.status == "" {
				members = append(members, m.ref.ID)
			}
		}
	}
	in, err := d.source.Inspect(ctx, s.Kind, strings.TrimSpace(s.Name), members)
	if errors.Is(err, engine.ErrNotFound) {
		return d.departed(ctx, t)
	}
	if a, ok := errors.AsType[*engine.AmbiguousError](err); ok {
		d.unknown(t, engine.CodeSubjectAmbiguous, fmt.Sprintf("%d %ss are called so: %s. Name one by its id.", len(a.IDs), s.Kind, strings.Join(a.IDs, ", ")),
			engine.Detail{Name: "Candidates", Value: strings.Join(a.IDs, ", ")})
		return nil
	}
	if err != nil {
		return fmt.Errorf("read a %s from the source: %w", s.Kind, err)
	}
	t.found(in)
	return nil
}

func (t *task) found(in engine.Inspection) {
	t.in = in
	t.answer.Subject = engine.Identity{ID: in.Object.ID, Name: cmp.Or(name(engine.Queued{Ref: in.Object.Ref, Object: engine.Stored{Object: in.Object}}), t.subject.Name)}
}

// departed answers for a subject that the source does not have. Whom the job knows was deleted for good, and the
// account is to follow.
func (d *onDemand) departed(ctx context.Context, t *task) error {
	ref := engine.Ref{Kind: t.subject.Kind, ID: strings.ToLower(strings.TrimSpace(t.subject.Name))}
	link, err := d.Store.Link(ctx, d.job.ID, ref)
	if errors.Is(err, engine.ErrNoLink) {
		d.unknown(t, engine.CodeSubjectMissing, fmt.Sprintf("The source has no %s that is called so, neither among the living nor in the recycle bin. Check the spelling; who was deleted for good is found by id only.", t.subject.Kind))
		return nil
	}
	if err != nil {
		return err
	}
	found, err := d.job.Source.Lookup(ctx, ref.Kind, []string{ref.ID})
	if err != nil {
		return fmt.Errorf("look up a %s that the source does not find: %w", ref.Kind, err)
	}
	i := slices.IndexFunc(found, func(o engine.Object) bool { return o.Ref == ref })
	if i < 0 || found[i].State != engine.HardDeleted {
		d.unknown(t, engine.CodeSubjectMissing, "The source contradicts itself about this object, as it does for a while after a change; try again in some minutes.")
		return nil
	}
	t.found(engine.Inspection{Object: found[i]})
	t.answer.Subject.Name = cmp.Or(link.Name, t.subject.Name)
	return nil
}

// unknown answers for a subject that cannot be told.
func (d *onDemand) unknown(t *task, code engine.Code, text string, details ...engine.Detail) {
	t.step(d.Now(), engine.StepImport, "EntryImport", engine.StatusFailure, text, details...)
	d.finish(t, engine.StatusFailure, engine.LogEntry{
		At: d.Now().UTC(), Job: d.job.ID, Cycle: d.cycle.ID, Kind: t.subject.Kind, Action: engine.Fail, Status: engine.StatusFailure,
		Code: code, Detail: text, By: d.by, Source: t.answer.Subject,
	})
}

// member finds a member that was chosen by name. Nobody of that name, or several, is an answer.
func (d *onDemand) member(ctx context.Context, name string) (chosen, error) {
	c := chosen{asked: name, name: name}
	in, err := d.source.Inspect(ctx, engine.User, strings.TrimSpace(name), nil)
	if errors.Is(err, engine.ErrNotFound) && d.job.Options.Nested == engine.NestedAsMembers {
		in, err = d.source.Inspect(ctx, engine.Group, strings.TrimSpace(name), []string{})
	}
	if errors.Is(err, engine.ErrNotFound) {
		c.status, c.code, c.text = engine.StatusFailure, engine.CodeSubjectMissing, "The source has nobody of this name; check the spelling."
		return c, nil
	}
	if a, ok := errors.AsType[*engine.AmbiguousError](err); ok {
		c.status, c.code, c.text = engine.StatusFailure, engine.CodeSubjectAmbiguous, "Several are called so: "+strings.Join(a.IDs, ", ")+". Name one by the id."
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read a member from the source: %w", err)
	}
	var t task
	t.found(in)
	c.ref, c.name = in.Object.Ref, cmp.Or(t.answer.Subject.Name, name)
	return c, nil
}

// judge stores what was read, puts the change together, and decides as far as that goes without the target.
func (d *onDemand) judge(ctx context.Context, t *task) error {
	j, ref := d.job.ID, t.ref()
	known, err := d.Store.Objects(ctx, j, ref.Kind, []string{ref.ID})
	if err != nil {
		return err
	}
	was, paths := known[ref.ID], d.paths(t.in)
	if t.in.Object.State != engine.Active { // the source no longer tells how they were assigned
		t.in.Object.Conveys = was.Conveys
		before, err := d.Store.AssignmentPaths(ctx, j, ref.Kind, []string{ref.ID})
		if err != nil {
			return err
		}
		paths = before[ref.ID]
	}
	q := engine.Queued{Ref: ref, Known: true, Object: engine.Stored{Object: merged(was.Object, t.in.Object, true), ChangedAt: was.ChangedAt}, Paths: paths}
	if !d.dry {
		if err := d.remember(ctx, t, was.Object, len(paths) > 0); err != nil {
			return err
		}
	}
	if err := d.queue(ctx, &q); err != nil {
		return err
	}
	t.queued, t.link = q, q.Link
	d.equip(t)
	t.facts = t.exporter.facts(q, anyValue)
	t.filter = t.exporter.mapping(q.Kind).Filter.Evaluate(attributesOf(q))
	t.op = t.exporter.evaluator.decide(t.facts)
	names, err := d.groupNames(ctx, t)
	if err != nil {
		return err
	}
	d.imported(t)
	d.scoped(t, names)
	if d.explain {
		t.answer.Explain, err = d.explained(ctx, t, names)
	}
	return err
}

// attributesOf are the attributes that a scoping filter sees.
func attributesOf(q engine.Queued) map[string]any {
	src := make(map[string]any, len(q.Object.Attributes)+2)
	for name, v := range q.Object.Attributes {
		src[name] = v
	}
	src["id"] = q.ID
	if len(q.Paths) > 0 {
		src["appRoleAssignments"] = roles(q.Paths)
	}
	return src
}

// paths are the ways in which an object is assigned, in the order of the store: directly, then by group.
func (d *onDemand) paths(in engine.Inspection) []engine.AssignmentPath {
	of := map[engine.Ref][]engine.Assignment{}
	for _, a := range in.Assignments {
		of[a.Principal] = append(of[a.Principal], a)
	}
	var out []engine.AssignmentPath
	add := func(ref engine.Ref, via string) {
		as := of[ref]
		slices.SortFunc(as, func(a, b engine.Assignment) int { return cmp.Compare(a.ID, b.ID) })
		for _, a := range as {
			out = append(out, engine.AssignmentPath{Via: via, RoleID: a.RoleID, RoleValue: a.RoleValue, RoleName: a.RoleName, Effective: a.Effective})
		}
	}
	add(in.Object.Ref, "")
	if in.Object.Kind != engine.User {
		return out
	}
	groups := slices.SortedFunc(slices.Values(in.Groups), func(a, b engine.Object) int { return cmp.Compare(a.ID, b.ID) })
	groups = slices.CompactFunc(groups, func(a, b engine.Object) bool { return a.ID == b.ID })
	for _, g := range groups {
		if g.State == engine.Active && merged(engine.Object{}, g, true).Conveys && (d.job.Options.Nested == engine.NestedExpand || direct(in, g.ID)) {
			add(g.Ref, g.ID)
		}
	}
	return out
}

// direct reports whether the object is told to be a direct member of a group.
func direct(in engine.Inspection, group string) bool {
	return slices.ContainsFunc(in.Edges, func(e engine.Edge) bool {
		return !e.Removed && e.Relation != engine.Manager && e.From.Kind == engine.Group && e.From.ID == group && e.To == in.Object.Ref
	})
}

// remember stores what was read. Attributes are stored only of an object that concerns the target.
func (d *onDemand) remember(ctx context.Context, t *task, was engine.Object, assigned bool) error {
	concerns := assigned || d.job.Scope == engine.ScopeAll
	if !concerns {
		_, err := d.Store.Link(ctx, d.job.ID, t.ref())
		if err != nil && !errors.Is(err, engine.ErrNoLink) {
			return err
		}
		concerns = err == nil
	}
	put := t.in
	put.Object = merged(was, t.in.Object, concerns)
	put.Groups = make([]engine.Object, len(t.in.Groups))
	for i, g := range t.in.Groups {
		put.Groups[i] = merged(engine.Object{}, g, false)
	}
	put.Edges = edgesOf(d.job.Options.Nested, slices.Clone(t.in.Edges))
	if err := d.dropped(ctx, t, &put); err != nil {
		return err
	}
	if err := d.Store.PutInspection(ctx, d.job.ID, put); err != nil {
		return fmt.Errorf("store what was read: %w", err)
	}
	return nil
}

// dropped adds the members that a group no longer has, when all were asked for: an edge that is not told is only
// known to be gone then.
func (d *onDemand) dropped(ctx context.Context, t *task, put *engine.Inspection) error {
	if t.ref().Kind != engine.Group || t.in.Object.State != engine.Active || t.subject.Members != nil {
		return nil
	}
	rel := engine.Member
	if d.job.Options.Nested == engine.NestedExpand {
		rel = engine.Direct
	}
	told := map[engine.Ref]bool{}
	for _, e := range put.Edges {
		told[e.To] = told[e.To] || !e.Removed
	}
	drop := func(list []engine.Membership) {
		for _, m := range list {
			if !told[m.To] {
				told[m.To] = true
				put.Edges = append(put.Edges, engine.Edge{From: t.ref(), Relation: rel, To: m.To, Removed: true})
			}
		}
	}
	for after := ""; ; {
		list, err := d.Store.Exported(ctx, d.job.ID, t.ref(), after, edgeBatch)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		after = list[len(list)-1].To.ID
		drop(list)
	}
	for after := ""; ; {
		list, err := d.Store.Waiting(ctx, d.job.ID, t.ref(), engine.Member, after, edgeBatch)
		if err != nil || len(list) == 0 {
			return err
		}
		after = list[len(list)-1].To.ID
		drop(slices.DeleteFunc(list, func(m engine.Membership) bool { return !m.Want }))
	}
}

// queue completes a change with what the store knows of it.
func (d *onDemand) queue(ctx context.Context, q *engine.Queued) error {
	c, found, err := d.change(ctx, q.Ref)
	if err != nil {
		return err
	}
	if found {
		q.Seq, q.Rev, q.State, q.VerifyFirst, q.Escrow, q.Hold, q.Link = c.Seq, c.Rev, c.State, c.VerifyFirst, c.Escrow, c.Hold, c.Link
		return nil
	}
	if !d.dry {
		return fmt.Errorf("a %s that was queued is not in the queue any more", q.Kind)
	}
	l, err := d.Store.Link(ctx, d.job.ID, q.Ref)
	switch {
	case errors.Is(err, engine.ErrNoLink):
	case err != nil:
		return err
	default:
		q.Link = &l
	}
	return nil
}

// change reads the queued change of one object.
func (d *onDemand) change(ctx context.Context, ref engine.Ref) (engine.Queued, bool, error) {
	all := []engine.ChangeState{engine.ChangeQueued, engine.ChangeReady, engine.ChangeEscrow, engine.ChangeHeld, engine.ChangeLater, engine.ChangeExpired}
	for after := justBefore(ref.ID); ; {
		list, err := d.Store.Changes(ctx, d.job.ID, ref.Kind, all, after, 1)
		if err != nil || len(list) == 0 || list[0].ID > ref.ID {
			return engine.Queued{}, false, err
		}
		if list[0].ID == ref.ID {
			return list[0], true, nil
		}
		after = list[0].ID
	}
}

// justBefore is a position before an id with hardly any room between them, for lists that go on after a position.
func justBefore(id string) string {
	rs := []rune(id)
	if len(rs) == 0 {
		return ""
	}
	last := rs[len(rs)-1]
	switch last {
	case 0:
		return string(rs[:len(rs)-1])
	case 0xE000: // what comes before are no characters
		last = 0xD800
	}
	return string(rs[:len(rs)-1]) + string(last-1) + "\U0010FFFF"
}
