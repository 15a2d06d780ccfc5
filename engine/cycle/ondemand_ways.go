package cycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// explained says why the subject is in scope or not.
func (d *onDemand) explained(ctx context.Context, t *task, names map[string]string) ([]string, error) {
	in, err := d.ancestry(ctx, t)
	unread, ok := errors.AsType[*engine.SourceError](err)
	if err != nil && !ok {
		return nil, err
	}
	lines := decide.Explain(t.facts, d.ways(t.queued.Paths, in, names), t.filter)
	if unread != nil {
		lines = append(lines, fmt.Sprintf("Which groups lie above those of the user could not be read: %v.", unread))
	}
	return lines, nil
}

// ancestry is what the source told, with all groups above a user who is assigned by none. An error comes with what was told before.
func (d *onDemand) ancestry(ctx context.Context, t *task) (engine.Inspection, error) {
	in := t.in
	if in.Object.Kind != engine.User || in.Object.State != engine.Active || len(t.queued.Paths) > 0 ||
		d.job.Scope == engine.ScopeAll || d.job.Options.Nested == engine.NestedExpand {
		return in, nil
	}
	source, ok := d.source.(engine.Ancestry)
	if !ok {
		return in, nil
	}
	above, err := source.Ancestry(ctx, in.Object.Ref)
	if err != nil {
		return in, fmt.Errorf("read the groups above a user: %w", err)
	}
	return above, nil
}

// ways are the paths, and after them the assignments of groups that the object is in, though they do not extend to it.
func (d *onDemand) ways(paths []engine.AssignmentPath, in engine.Inspection, names map[string]string) []decide.Way {
	called := func(id string) string {
		i := slices.IndexFunc(in.Groups, func(g engine.Object) bool { return g.ID == id })
		if i < 0 {
			return names[id]
		}
		n, _ := in.Groups[i].Attributes["displayName"].(string)
		return cmp.Or(n, names[id])
	}
	chains := chains(in)
	way := func(p engine.AssignmentPath, dead decide.DeadEnd) decide.Way {
		w := decide.Way{AssignmentPath: p, Group: called(p.Via), Dead: dead}
		for _, id := range chains[p.Via] {
			w.Between = append(w.Between, cmp.Or(called(id), id))
		}
		return w
	}
	var out []decide.Way
	counts := map[string]bool{}
	for _, p := range paths {
		counts[p.Via] = true
		out = append(out, way(p, decide.Extends))
	}
	if in.Object.Kind != engine.User {
		return out
	}
	assignments := slices.SortedFunc(slices.Values(in.Assignments), func(a, b engine.Assignment) int {
		return cmp.Or(cmp.Compare(a.Principal.ID, b.Principal.ID), cmp.Compare(a.ID, b.ID))
	})
	for _, a := range assignments {
		i := slices.IndexFunc(in.Groups, func(g engine.Object) bool { return g.Ref == a.Principal })
		if i < 0 || counts[a.Principal.ID] {
			continue
		}
		dead := decide.NestedOnly
		if !merged(engine.Object{}, in.Groups[i], true).Conveys {
			dead = decide.NotSecure
		}
		out = append(out, way(engine.AssignmentPath{Via: a.Principal.ID, RoleID: a.RoleID, RoleValue: a.RoleValue, RoleName: a.RoleName, Effective: a.Effective}, dead))
	}
	return out
}

// chains are, by group, the groups between it and the object on a shortest way, the outermost first.
func chains(in engine.Inspection) map[string][]string {
	above := map[engine.Ref][]string{}
	for _, e := range in.Edges {
		if !e.Removed && e.Relation != engine.Manager && e.From.Kind == engine.Group {
			above[e.To] = append(above[e.To], e.From.ID)
		}
	}
	out := map[string][]string{}
	wave := above[in.Object.Ref]
	for _, id := range wave {
		out[id] = nil
	}
	for len(wave) > 0 {
		var next []string
		for _, id := range wave {
			for _, outer := range slices.Sorted(slices.Values(above[engine.Ref{Kind: engine.Group, ID: id}])) {
				if _, reached := out[outer]; !reached {
					out[outer] = append([]string{id}, out[id]...)
					next = append(next, outer)
				}
			}
		}
		wave = next
	}
	return out
}
