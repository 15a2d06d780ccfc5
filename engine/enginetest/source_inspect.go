package enginetest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

func inspectorOf(t *testing.T, src engine.Source) engine.Inspector {
	t.Helper()
	in, ok := src.(engine.Inspector)
	if !ok {
		t.Skip("this source does not read single objects with everything about them")
	}
	return in
}

// told is what a shadow knows about one object in the form of an inspection. Edges that lead to objects that are
// not live are left out: nobody but a feed remembers them.
func (s *sourceShadow) told(r engine.Ref) engine.Inspection {
	in := engine.Inspection{Object: s.objects[r]}
	if in.Object.State != engine.Active {
		return in
	}
	principals := map[engine.Ref]bool{r: true}
	for e := range s.edges {
		mine := e.From == r
		if r.Kind == engine.User && e.Relation == engine.Member && e.To == r {
			if g := s.objects[e.From]; g.State == engine.Active {
				in.Groups = append(in.Groups, g)
				principals[g.Ref], mine = true, true
			}
		}
		if mine && s.objects[e.To].State == engine.Active {
			in.Edges = append(in.Edges, e)
		}
	}
	for _, a := range s.assignments {
		if principals[a.Principal] {
			in.Assignments = append(in.Assignments, a)
		}
	}
	return in
}

// plainly brings an inspection into an order, and what has no value into one form.
func plainly(in engine.Inspection) engine.Inspection {
	bare := func(o engine.Object) engine.Object {
		o.Attributes, o.Partial = maps.Clone(o.Attributes), false
		maps.DeleteFunc(o.Attributes, func(_ string, v any) bool {
			l, list := v.([]any)
			return v == nil || list && len(l) == 0
		})
		if o.State != engine.Active { // a feed may tell them or not
			o.Attributes = nil
		}
		return o
	}
	in.Object = bare(in.Object)
	out := engine.Inspection{Object: in.Object, Edges: append([]engine.Edge(nil), in.Edges...), Assignments: append([]engine.Assignment(nil), in.Assignments...)}
	for _, g := range in.Groups {
		out.Groups = append(out.Groups, bare(g))
	}
	slices.SortFunc(out.Groups, func(a, b engine.Object) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(out.Edges, func(a, b engine.Edge) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	slices.SortFunc(out.Assignments, func(a, b engine.Assignment) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func sameInspection(t *testing.T, what string, got, want engine.Inspection) {
	t.Helper()
	if diff := gocmp.Diff(plainly(want), plainly(got)); diff != "" {
		t.Errorf("%s: one object read singly differs from what the feeds say (-feeds +single):\n%s", what, diff)
	}
}

// everybody compares all that the feeds know.
func (s *sourceShadow) everybody(t *testing.T, when string, src engine.Source) {
	t.Helper()
	in := inspectorOf(t, src)
	s.catchUp(t, src)
	for r, o := range s.objects {
		got, err := in.Inspect(t.Context(), r.Kind, r.ID, nil)
		switch {
		case o.State == engine.HardDeleted:
			if !errors.Is(err, engine.ErrNotFound) {
				t.Errorf("%s: a %s that is gone: got %+v, %v", when, r.Kind, got.Object, err)
			}
		case err != nil:
			t.Errorf("%s: %s: %v", when, r.Kind, err)
		default:
			sameInspection(t, when, got, s.told(r))
		}
	}
}

func sourceInspects(t *testing.T, src engine.Source, w SourceWorld) {
	inspectorOf(t, src)
	mira, jon, noor, ada := w.AddUser("mira", "Sales"), w.AddUser("jon", ""), w.AddUser("noor", "Sales"), w.AddUser("ada", "x")
	inner := w.AddGroup("inner", jon)
	crew := w.AddGroup("crew", mira, jon, inner)
	w.AddGroup("nobody")
	w.SetManager(jon, mira)
	w.SetManager(mira, noor)
	w.Assign(crew)
	w.Assign(jon)
	for i := range 6 {
		w.Assign(w.AddGroup(fmt.Sprintf("more%d", i), noor))
	}
	s := newSourceShadow()
	s.everybody(t, "at first", src)

	w.SetAttribute(mira, "Ops")
	w.SetAttribute(noor, nil)
	w.RemoveMember(crew, jon)
	w.AddMember(inner, noor)
	w.SetManager(mira, "")
	w.Unassign(jon)
	w.Assign(mira)
	w.SoftDelete(ada)
	s.everybody(t, "after changes", src)

	w.Restore(ada)
	w.HardDelete(jon)
	s.everybody(t, "after a restore and a deletion for good", src)

	if _, err := src.(engine.Inspector).Inspect(t.Context(), engine.Group, mira, nil); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("a user's id is no group's: got %v", err)
	}
	for _, name := range []string{"5b0e7f4a-1c5e-4b0e-9d55-3f0c2a6d1101", "no.such@name.invalid", "o'neil", "", "a&b=c#d+e%20f"} {
		for _, k := range []engine.Kind{engine.User, engine.Group} {
			if got, err := src.(engine.Inspector).Inspect(t.Context(), k, name, nil); !errors.Is(err, engine.ErrNotFound) {
				t.Errorf("%s %q: got %+v, %v", k, name, got, err)
			}
		}
	}
}

func sourceFindsByName(t *testing.T, src engine.Source, w SourceWorld) {
	in := inspectorOf(t, src)
	mira := w.AddUser("mira", "Sales")
	w.AddUser("mira2", "Sales")
	crew := w.AddGroup("Crew of o'Neil & sons, 50%", mira)
	w.AddGroup("Crew", mira)
	s := newSourceShadow()
	s.catchUp(t, src)
	upn, _ := s.objects[engine.Ref{Kind: engine.User, ID: mira}].Attributes["userPrincipalName"].(string)
	name, _ := s.objects[engine.Ref{Kind: engine.Group, ID: crew}].Attributes["displayName"].(string)
	if upn == "" || name == "" {
		t.Fatalf("the feeds tell no names: %q, %q", upn, name)
	}
	find := func(k engine.Kind, by, want string, state engine.LifeState) {
		t.Helper()
		got, err := in.Inspect(t.Context(), k, by, nil)
		if err != nil || got.Object.ID != want || got.Object.State != state {
			t.Errorf("%s %q: got %s %s, %v; want %s %s", k, by, got.Object.ID, got.Object.State, err, want, state)
		}
	}
	for _, by := range []string{upn, strings.ToUpper(upn), " " + upn + " ", strings.ToUpper(mira)} {
		find(engine.User, by, mira, engine.Active)
	}
	for _, by := range []string{name, strings.ToLower(name), crew} {
		find(engine.Group, by, crew, engine.Active)
	}
	twin := w.AddGroup(strings.ToUpper(name))
	_, err := in.Inspect(t.Context(), engine.Group, name, nil)
	want := []string{crew, twin}
	slices.Sort(want)
	if two, ok := errors.AsType[*engine.AmbiguousError](err); !ok || two.Name != name || !slices.Equal(two.IDs, want) {
		t.Errorf("two groups of one name: got %v", err)
	}
	w.SoftDelete(mira)
	find(engine.User, upn, mira, engine.SoftDeleted)
	find(engine.User, mira, mira, engine.SoftDeleted)
	again := w.AddUser("mira", "New")
	find(engine.User, upn, again, engine.Active) // who has the name now is meant
	find(engine.User, mira, mira, engine.SoftDeleted)
	w.HardDelete(again)
	find(engine.User, upn, mira, engine.SoftDeleted)
	w.HardDelete(mira)
	if got, err := in.Inspect(t.Context(), engine.User, upn, nil); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("gone for good: got %+v, %v", got, err)
	}
}

func sourceInspectsMembers(t *testing.T, src engine.Source, w SourceWorld) {
	in := inspectorOf(t, src)
	mira, jon, noor := w.AddUser("mira", ""), w.AddUser("jon", ""), w.AddUser("noor", "")
	inner, other := w.AddGroup("inner", noor), w.AddGroup("other")
	crew := w.AddGroup("crew", mira, jon, inner)
	at := func(k engine.Kind, id string, removed bool) string {
		line := memberLine(crew, k, id)
		if removed {
			line = "not " + line
		}
		return line
	}
	nobody := func(id string) []string { return []string{at(engine.User, id, true), at(engine.Group, id, true)} }
	for _, c := range []struct {
		name  string
		asked []string
		want  []string
	}{
		{"all", nil, []string{at(engine.User, mira, false), at(engine.User, jon, false), at(engine.Group, inner, false)}},
		{"none", []string{}, nil},
		{"one", []string{jon}, []string{at(engine.User, jon, false)}},
		{"twice, in another spelling", []string{jon, strings.ToUpper(jon)}, []string{at(engine.User, jon, false)}},
		{"a group", []string{inner}, []string{at(engine.Group, inner, false)}},
		{"not a member, a member of a member", []string{noor}, nobody(noor)},
		{"some of each", []string{mira, other}, append(nobody(other), at(engine.User, mira, false))},
	} {
		got, err := in.Inspect(t.Context(), engine.Group, crew, c.asked)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var lines []string
		for _, e := range got.Edges {
			if e.From.ID != crew || e.Relation != engine.Member {
				t.Errorf("%s: edge %+v", c.name, e)
			}
			lines = append(lines, at(e.To.Kind, e.To.ID, e.Removed))
		}
		slices.Sort(lines)
		sameLines(t, c.name, lines, c.want...)
	}
}
