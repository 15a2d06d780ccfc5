package enginetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/engine"
)

// expansions: whatever happens to groups, to what is inside of them and to who is assigned, after an expansion a user
// is assigned by exactly the groups that lead to the user, and everybody for whom that changed is queued.
func expansions(t *testing.T, s engine.Store) {
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		w := &nestedWorld{T: t, ctx: context.Background(), s: s, job: engine.JobID(fmt.Sprint("nested-", runs)),
			direct: map[engine.Edge]bool{}, binned: map[string]bool{}, assigned: map[string]bool{}}
		w.groups(false)
		for i := range rapid.IntRange(1, 25).Draw(t, "steps") {
			w.step(i)
		}
		w.compare()
	})
}

// nestedWorld is a source of nested groups and the store that expands them.
type nestedWorld struct {
	*rapid.T
	ctx      context.Context
	s        engine.Store
	job      engine.JobID
	direct   map[engine.Edge]bool
	binned   map[string]bool
	assigned map[string]bool
	before   map[string][]string // by whom users were assigned at the last comparison
}

var (
	nestedGroups = []string{"a", "b", "c", "d", "e"}
	nestedUsers  = []string{"u1", "u2", "u3"}
)

func (w *nestedWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *nestedWorld) step(i int) {
	draw := func(what string, from []string) string {
		return rapid.SampledFrom(from).Draw(w.T, fmt.Sprint(i, " ", what))
	}
	g := draw("group", nestedGroups)
	to := group(draw("inner", nestedGroups))
	if rapid.Bool().Draw(w.T, fmt.Sprint(i, " user")) {
		to = user(draw("member", nestedUsers))
	}
	e := direct(g, to)
	switch draw("what", []string{"join", "join", "join", "leave", "bin", "assign", "read all", "look", "compare"}) {
	case "join":
		w.direct[e] = true
		w.groups(false, e)
	case "leave":
		delete(w.direct, e)
		w.groups(false, removed(e))
	case "bin":
		w.binned[g] = !w.binned[g]
		w.groups(false)
	case "assign":
		w.assigned[g] = !w.assigned[g]
		st, err := w.s.OpenRound(w.ctx, w.job, engine.FeedAssignments, true, "")
		w.must(err)
		p := engine.PageWrite{Generation: st.Generation}
		for _, g := range nestedGroups {
			if w.assigned[g] {
				p.Assignments = append(p.Assignments, assigned("to "+g, group(g)))
			}
		}
		w.must(w.s.SavePage(w.ctx, w.job, engine.FeedAssignments, p))
		w.must(w.s.CloseRound(w.ctx, w.job, engine.FeedAssignments, "w"))
	case "read all": // as if the source had said nothing of its last change
		delete(w.direct, e)
		w.groups(true, slices.Collect(maps.Keys(w.direct))...)
	case "look": // at one user, who joined or left meanwhile
		e = direct(g, user(draw("member", nestedUsers)))
		w.direct[e] = !w.direct[e]
		in := engine.Inspection{Object: active(e.To)}
		for e, is := range w.direct {
			if !is {
				delete(w.direct, e)
			} else if e.To == in.Object.Ref {
				in.Edges = append(in.Edges, e)
			}
		}
		w.must(w.s.PutInspection(w.ctx, w.job, in))
	case "compare":
		w.compare()
	}
}

// groups reads all groups and some edges.
func (w *nestedWorld) groups(full bool, edges ...engine.Edge) {
	st, err := w.s.OpenRound(w.ctx, w.job, engine.FeedGroups, full, "")
	w.must(err)
	p := engine.PageWrite{Generation: st.Generation, Edges: edges}
	for _, g := range nestedGroups {
		o := conveying(g)
		if w.binned[g] {
			o.State = engine.SoftDeleted
		}
		p.Objects = append(p.Objects, o)
	}
	w.must(w.s.SavePage(w.ctx, w.job, engine.FeedGroups, p))
	w.must(w.s.CloseRound(w.ctx, w.job, engine.FeedGroups, "w"))
}

// reach adds the users below a group.
func (w *nestedWorld) reach(g string, users, seen map[string]bool) {
	seen[g] = true
	for e := range w.direct {
		switch {
		case e.From.ID != g:
		case e.To.Kind == engine.User:
			users[e.To.ID] = true
		case !seen[e.To.ID] && !w.binned[e.To.ID]:
			w.reach(e.To.ID, users, seen)
		}
	}
}

// compare expands and holds the store against what the source says.
func (w *nestedWorld) compare() {
	for i := range 2 {
		n, err := w.s.Expand(w.ctx, w.job, false)
		w.must(err)
		if i > 0 && n > 0 {
			w.Fatalf("expanded again, and %d edges came or went", n)
		}
	}
	want := map[string][]string{}
	for _, g := range nestedGroups {
		if !w.assigned[g] || w.binned[g] {
			continue
		}
		users := map[string]bool{}
		w.reach(g, users, map[string]bool{})
		for u := range users {
			want[u] = append(want[u], g)
		}
	}
	paths, err := w.s.AssignmentPaths(w.ctx, w.job, engine.User, nestedUsers)
	w.must(err)
	have := map[string][]string{}
	for u, list := range paths {
		for _, p := range list {
			have[u] = append(have[u], p.Via)
		}
	}
	if diff := gocmp.Diff(want, have, cmpopts.EquateEmpty()); diff != "" {
		w.Fatalf("by whom users are assigned (-want +got):\n%s", diff)
	}
	queued, err := w.s.Undecided(w.ctx, w.job, engine.User, all, "", 100)
	w.must(err)
	done := make([]engine.Settled, len(queued))
	has := map[string]bool{}
	for i, q := range queued {
		has[q.ID] = true
		done[i] = engine.Settled{Ref: q.Ref, Rev: q.Rev}
	}
	for _, u := range nestedUsers {
		if !has[u] && !slices.Equal(w.before[u], have[u]) {
			w.Fatalf("%s was assigned by %v and is by %v, and is not queued", u, w.before[u], have[u])
		}
	}
	w.must(w.s.Settle(w.ctx, w.job, "", done))
	w.before = have
}
