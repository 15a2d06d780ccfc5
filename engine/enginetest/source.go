package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

// SourceWorld is the directory behind a source under test. It is changed as its administrator would
// change it; what cannot be done fails the test.
type SourceWorld interface {
	// Attribute is the name of a user's text attribute that the source reads and that can be
	// changed and cleared.
	Attribute() string
	// AddUser creates a live user; value is that of Attribute, "" leaves it unset.
	AddUser(name, value string) (id string)
	// SetAttribute changes the attribute of a user, or with nil clears it.
	SetAttribute(user string, value any)
	SoftDelete(id string)
	Restore(id string)
	// HardDelete removes a user for good, whether it was soft-deleted before or not.
	HardDelete(id string)
	// AddGroup creates a group whose assignment extends to its members.
	AddGroup(name string, members ...string) (id string)
	AddMember(group, member string)
	RemoveMember(group, member string)
	// SetManager sets the manager of a user; "" removes it.
	SetManager(user, manager string)
	Assign(principal string)
	Unassign(principal string)
}

// TestSource holds a source to the contract of [engine.Source]. open makes a source on an empty
// directory of its own; it is called once for every subtest.
func TestSource(t *testing.T, open func(t *testing.T) (engine.Source, SourceWorld)) {
	for name, test := range map[string]func(*testing.T, engine.Source, SourceWorld){
		"a full read tells everything":            sourceFullRead,
		"a round without changes changes nothing": sourceIdle,
		"attributes: changed, cleared, untouched": sourceAttributes,
		"life: bin, restored, gone":               sourceLife,
		"members come and go":                     sourceMembers,
		"managers come and go":                    sourceManagers,
		"assignments come and go":                 sourceAssignments,
		"a round resumes at every page":           sourceResume,
		"lookup answers for every id":             sourceLookup,
		"one object as the feeds tell it":         sourceInspects,
		"one object by its names":                 sourceFindsByName,
		"members of one group, as asked for":      sourceInspectsMembers,
		"a cancelled context ends a round":        sourceCancel,
		"an unknown cursor has expired":           sourceExpired,
		"fingerprints of selections":              sourceSelection,
		"requests are taken once":                 sourceMeter,
		"the connection test passes":              sourceCheck,
		"feeds may be read at the same time":      sourceConcurrent,
	} {
		t.Run(name, func(t *testing.T) {
			src, world := open(t)
			test(t, src, world)
		})
	}
}

// sourceFeeds in the order in which a cycle reads them.
var sourceFeeds = []engine.Feed{engine.FeedAssignments, engine.FeedGroups, engine.FeedUsers}

// A sourceShadow merges pages as plainly as the contract allows.
type sourceShadow struct {
	objects     map[engine.Ref]engine.Object
	edges       map[engine.Edge]bool // Removed is never set in a key
	assignments map[string]engine.Assignment
	marks       map[engine.Feed]engine.Cursor
}

func newSourceShadow() *sourceShadow {
	return &sourceShadow{objects: map[engine.Ref]engine.Object{}, edges: map[engine.Edge]bool{},
		assignments: map[string]engine.Assignment{}, marks: map[engine.Feed]engine.Cursor{}}
}

// read follows a feed from its watermark to the end of the round.
func (s *sourceShadow) read(ctx context.Context, src engine.Source, f engine.Feed) error {
	if src.Snapshot(f) {
		s.assignments = map[string]engine.Assignment{} // the only feed that may be one here
		s.marks[f] = ""
	}
	done := false
	for p, err := range src.Pages(ctx, f, s.marks[f]) {
		switch {
		case err != nil:
			return err
		case done:
			return errors.New("a page follows the last one")
		}
		s.merge(p)
		s.marks[f], done = p.Next, p.Done
	}
	if !done {
		return errors.New("the round has no last page")
	}
	return nil
}

func (s *sourceShadow) merge(p engine.Page) {
	for _, o := range p.Objects {
		s.put(o)
	}
	for _, e := range p.Edges {
		gone := e.Removed
		e.Removed = false
		if gone {
			delete(s.edges, e)
		} else {
			s.edges[e] = true
		}
	}
	for _, a := range p.Assignments {
		s.assignments[a.ID] = a
	}
}

func (s *sourceShadow) put(o engine.Object) {
	was, known := s.objects[o.Ref]
	if !known && o.State != engine.Active {
		return // a removal of what was never told says nothing
	}
	if o.Attributes == nil || o.Partial {
		merged := maps.Clone(was.Attributes)
		if merged == nil {
			merged = map[string]any{}
		}
		maps.Copy(merged, o.Attributes)
		o.Attributes = merged
	}
	for k, v := range o.Attributes {
		if v == nil {
			delete(o.Attributes, k)
		}
	}
	o.Partial = false
	s.objects[o.Ref] = o
}

// settled are the objects without the attributes of deleted ones: a source may tell them or not.
func (s *sourceShadow) settled() map[engine.Ref]engine.Object {
	out := maps.Clone(s.objects)
	for r, o := range out {
		if o.State != engine.Active {
			o.Attributes = nil
			out[r] = o
		}
	}
	return out
}

func (s *sourceShadow) catchUp(t *testing.T, src engine.Source) {
	t.Helper()
	for _, f := range sourceFeeds {
		if err := s.read(t.Context(), src, f); err != nil {
			t.Fatalf("read %s: %v", f, err)
		}
	}
}

func (s *sourceShadow) state(k engine.Kind, id string) engine.LifeState {
	return s.objects[engine.Ref{Kind: k, ID: id}].State
}

// names are edges and assignments in words, for comparison.
func (s *sourceShadow) edgeList() []string {
	var out []string
	for e := range s.edges {
		out = append(out, fmt.Sprintf("%s %s→%s %s", e.Relation, e.From.ID, e.To.Kind, e.To.ID))
	}
	slices.Sort(out)
	return out
}

func memberLine(group string, k engine.Kind, id string) string {
	return fmt.Sprintf("%s %s→%s %s", engine.Member, group, k, id)
}

func managerLine(user, id string) string {
	return fmt.Sprintf("%s %s→%s %s", engine.Manager, user, engine.User, id)
}

func (s *sourceShadow) principals() []string {
	var out []string
	for _, a := range s.assignments {
		out = append(out, string(a.Principal.Kind)+" "+a.Principal.ID)
	}
	slices.Sort(out)
	return out
}

func sameLines(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, got, cmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func sourceFullRead(t *testing.T, src engine.Source, w SourceWorld) {
	mira, jon := w.AddUser("mira", "Sales"), w.AddUser("jon", "")
	inner := w.AddGroup("inner", jon)
	crew := w.AddGroup("crew", mira, jon, inner)
	w.SetManager(jon, mira)
	w.Assign(crew)
	w.Assign(jon)

	s := newSourceShadow()
	s.catchUp(t, src)
	for _, r := range []engine.Ref{{Kind: engine.User, ID: mira}, {Kind: engine.User, ID: jon}, {Kind: engine.Group, ID: crew}, {Kind: engine.Group, ID: inner}} {
		if got := s.objects[r]; got.State != engine.Active || got.Attributes == nil {
			t.Errorf("%s: got %+v", r.Kind, got)
		}
		if r.ID != strings.ToLower(r.ID) {
			t.Errorf("id %q is not in lower case", r.ID)
		}
	}
	if got := s.objects[engine.Ref{Kind: engine.User, ID: mira}].Attributes[w.Attribute()]; got != "Sales" {
		t.Errorf("%s is %v", w.Attribute(), got)
	}
	if !s.objects[engine.Ref{Kind: engine.Group, ID: crew}].Conveys {
		t.Error("the assignment of the group does not extend to its members")
	}
	sameLines(t, "edges", s.edgeList(), memberLine(inner, engine.User, jon), memberLine(crew, engine.User, mira), memberLine(crew, engine.User, jon),
		memberLine(crew, engine.Group, inner), managerLine(jon, mira))
	sameLines(t, "assignments", s.principals(), "group "+crew, "user "+jon)
	for _, a := range s.assignments {
		if !a.Effective || a.ID == "" {
			t.Errorf("assignment %+v is not effective", a)
		}
	}
	for _, f := range sourceFeeds {
		if !src.Snapshot(f) && s.marks[f] == "" {
			t.Errorf("feed %s has no watermark", f)
		}
	}
}

func sourceIdle(t *testing.T, src engine.Source, w SourceWorld) {
	mira := w.AddUser("mira", "Sales")
	w.Assign(w.AddGroup("crew", mira))
	s := newSourceShadow()
	s.catchUp(t, src)
	objects, edges, assignments := maps.Clone(s.objects), maps.Clone(s.edges), maps.Clone(s.assignments)
	for range 3 {
		s.catchUp(t, src)
	}
	if diff := cmp.Diff(objects, s.objects) + cmp.Diff(edges, s.edges) + cmp.Diff(assignments, s.assignments); diff != "" {
		t.Errorf("nothing happened, but:\n%s", diff)
	}
}

func sourceAttributes(t *testing.T, src engine.Source, w SourceWorld) {
	a, b, c := w.AddUser("a", "old"), w.AddUser("b", "old"), w.AddUser("c", "old")
	s := newSourceShadow()
	s.catchUp(t, src)
	w.SetAttribute(a, "new")
	w.SetAttribute(b, nil)
	s.catchUp(t, src)
	for id, want := range map[string]any{a: "new", b: nil, c: "old"} {
		if got := s.objects[engine.Ref{Kind: engine.User, ID: id}].Attributes[w.Attribute()]; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func sourceLife(t *testing.T, src engine.Source, w SourceWorld) {
	a, b, c := w.AddUser("a", "x"), w.AddUser("b", "x"), w.AddUser("c", "x")
	s := newSourceShadow()
	s.catchUp(t, src)
	expect := func(when string, want map[string]engine.LifeState) {
		t.Helper()
		s.catchUp(t, src)
		for id, state := range want {
			if got := s.state(engine.User, id); got != state {
				t.Errorf("%s: got %q, want %q", when, got, state)
			}
		}
	}
	w.SoftDelete(a)
	w.HardDelete(b)
	expect("after the deletions", map[string]engine.LifeState{a: engine.SoftDeleted, b: engine.HardDeleted, c: engine.Active})
	w.Restore(a)
	expect("after the restore", map[string]engine.LifeState{a: engine.Active, c: engine.Active})
	w.SoftDelete(a)
	w.Restore(a)
	w.SoftDelete(c)
	expect("after a deletion and restore in one round", map[string]engine.LifeState{a: engine.Active, c: engine.SoftDeleted})
	w.HardDelete(c)
	expect("after the bin was emptied", map[string]engine.LifeState{c: engine.HardDeleted})
}

func sourceMembers(t *testing.T, src engine.Source, w SourceWorld) {
	a, b := w.AddUser("a", ""), w.AddUser("b", "")
	g, h := w.AddGroup("g", a), w.AddGroup("h")
	s := newSourceShadow()
	s.catchUp(t, src)
	w.AddMember(g, b)
	w.RemoveMember(g, a)
	w.AddMember(h, g)
	s.catchUp(t, src)
	sameLines(t, "edges", s.edgeList(), memberLine(g, engine.User, b), memberLine(h, engine.Group, g))
	w.AddMember(g, a)
	w.RemoveMember(g, a)
	w.RemoveMember(g, b)
	w.AddMember(g, b)
	w.RemoveMember(h, g)
	s.catchUp(t, src)
	sameLines(t, "edges after changes that cancel out", s.edgeList(), memberLine(g, engine.User, b))
}

func sourceManagers(t *testing.T, src engine.Source, w SourceWorld) {
	a, b, c := w.AddUser("a", ""), w.AddUser("b", ""), w.AddUser("c", "")
	w.SetManager(a, b)
	s := newSourceShadow()
	s.catchUp(t, src)
	sameLines(t, "at first", s.edgeList(), managerLine(a, b))
	w.SetManager(a, c)
	s.catchUp(t, src)
	sameLines(t, "after the change", s.edgeList(), managerLine(a, c))
	w.SetAttribute(a, "moved")
	s.catchUp(t, src)
	sameLines(t, "after another change", s.edgeList(), managerLine(a, c))
	w.SetManager(a, "")
	s.catchUp(t, src)
	sameLines(t, "after the end", s.edgeList())
}

func sourceAssignments(t *testing.T, src engine.Source, w SourceWorld) {
	a, b := w.AddUser("a", ""), w.AddUser("b", "")
	w.Assign(a)
	s := newSourceShadow()
	s.catchUp(t, src)
	sameLines(t, "at first", s.principals(), "user "+a)
	w.Assign(b)
	w.Unassign(a)
	s.catchUp(t, src)
	sameLines(t, "after the change", s.principals(), "user "+b)
	w.Unassign(b)
	s.catchUp(t, src)
	sameLines(t, "after the end", s.principals())
}

// sourceResume reads every feed page by page, each page with a call of its own, as after a crash.
func sourceResume(t *testing.T, src engine.Source, w SourceWorld) {
	var users []string
	for i := range 40 {
		users = append(users, w.AddUser(fmt.Sprintf("user%02d", i), "x"))
	}
	for i := range 10 {
		w.Assign(w.AddGroup(fmt.Sprintf("group%02d", i), users[i:i+20]...))
	}
	whole, torn := newSourceShadow(), newSourceShadow()
	pieces := func() {
		for _, f := range sourceFeeds {
			if src.Snapshot(f) {
				if err := torn.read(t.Context(), src, f); err != nil {
					t.Fatal(err)
				}
				continue
			}
			for done := false; !done; {
				done = true // unless a page says otherwise
				for p, err := range src.Pages(t.Context(), f, torn.marks[f]) {
					if err != nil {
						t.Fatalf("resume %s: %v", f, err)
					}
					torn.merge(p)
					torn.marks[f], done = p.Next, p.Done
					break
				}
			}
		}
	}
	compare := func(when string) {
		t.Helper()
		if diff := cmp.Diff(whole.settled(), torn.settled()) + cmp.Diff(whole.edges, torn.edges) + cmp.Diff(whole.assignments, torn.assignments); diff != "" {
			t.Errorf("%s: read whole and in pieces differ (-whole +pieces):\n%s", when, diff)
		}
	}
	whole.catchUp(t, src)
	pieces()
	compare("full read")
	for i, u := range users {
		switch i % 4 {
		case 0:
			w.SetAttribute(u, "y")
		case 1:
			w.SoftDelete(u)
		case 2:
			w.SoftDelete(u)
			w.Restore(u)
		}
	}
	whole.catchUp(t, src)
	pieces()
	compare("changes")
}

func sourceLookup(t *testing.T, src engine.Source, w SourceWorld) {
	want := map[string]engine.LifeState{"5b0e7f4a-1c5e-4b0e-9d55-3f0c2a6d1101": engine.HardDeleted} // never was
	for i := range 30 {
		id := w.AddUser(fmt.Sprintf("user%02d", i), "x")
		want[id] = engine.Active
		switch i % 3 {
		case 1:
			w.SoftDelete(id)
			want[id] = engine.SoftDeleted
		case 2:
			w.HardDelete(id)
			want[id] = engine.HardDeleted
		}
	}
	ask := func(ids []string) {
		t.Helper()
		found, err := src.Lookup(t.Context(), engine.User, ids)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]engine.LifeState{}
		for _, o := range found {
			got[o.ID] = o.State
			if o.State == engine.Active && (o.Attributes[w.Attribute()] != "x" || o.Partial) {
				t.Errorf("a live object is not told whole: %+v", o)
			}
			if o.State == engine.SoftDeleted && len(o.Attributes) == 0 {
				t.Error("an object in the bin comes without what the bin tells")
			}
		}
		for _, id := range ids {
			if got[id] != want[id] {
				t.Errorf("got %q, want %q", got[id], want[id])
			}
		}
		if len(got) != len(ids) {
			t.Errorf("%d answers for %d ids", len(got), len(ids))
		}
	}
	all := slices.Sorted(maps.Keys(want))
	ask(all)
	for _, id := range all[:6] {
		ask([]string{id})
	}
	g := w.AddGroup("crew")
	found, err := src.Lookup(t.Context(), engine.Group, []string{g})
	if err != nil || len(found) != 1 || found[0].State != engine.Active || !found[0].Conveys {
		t.Errorf("group: got %+v, %v", found, err)
	}
	if found, err := src.Lookup(t.Context(), engine.User, nil); err != nil || len(found) != 0 {
		t.Errorf("nothing asked: got %v, %v", found, err)
	}
}

func sourceCancel(t *testing.T, src engine.Source, w SourceWorld) {
	w.AddUser("a", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, f := range []engine.Feed{engine.FeedGroups, engine.FeedUsers} {
		n := 0
		for _, err := range src.Pages(ctx, f, "") {
			if n++; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v", f, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: the error came %d times", f, n)
		}
	}
}

func sourceExpired(t *testing.T, src engine.Source, w SourceWorld) {
	for _, f := range sourceFeeds {
		if src.Snapshot(f) {
			continue
		}
		for p, err := range src.Pages(t.Context(), f, "no cursor of this source") {
			if !errors.Is(err, engine.ErrCursorExpired) {
				t.Errorf("%s: got %v", f, err)
			}
			if len(p.Objects) > 0 || p.Next != "" {
				t.Errorf("%s: the page beside the error is not empty", f)
			}
		}
	}
}

func sourceSelection(t *testing.T, src engine.Source, w SourceWorld) {
	for _, f := range sourceFeeds {
		if got := src.Selection(f); got == "" || got != src.Selection(f) {
			t.Errorf("%s: fingerprint %q, then %q", f, got, src.Selection(f))
		}
	}
}

func sourceMeter(t *testing.T, src engine.Source, w SourceWorld) {
	newSourceShadow().catchUp(t, src)
	if got := src.TakeRequests(); got.Writes != 0 {
		t.Errorf("a source wrote: %+v", got)
	}
	if got := src.TakeRequests(); got != (engine.Requests{}) {
		t.Errorf("taken twice: %+v", got)
	}
}

func sourceCheck(t *testing.T, src engine.Source, w SourceWorld) {
	found, err := src.Check(t.Context())
	if err != nil || len(found) == 0 || engine.Failed(found) {
		t.Errorf("got %+v, %v", found, err)
	}
}

func sourceConcurrent(t *testing.T, src engine.Source, w SourceWorld) {
	a := w.AddUser("a", "x")
	w.Assign(w.AddGroup("g", a))
	var wg sync.WaitGroup
	for _, f := range slices.Repeat(sourceFeeds, 4) {
		wg.Go(func() {
			if err := newSourceShadow().read(t.Context(), src, f); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		})
	}
	wg.Wait()
}
