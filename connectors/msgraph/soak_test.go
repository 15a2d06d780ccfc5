package msgraph

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

// A shadow is what a careful reader of the feeds knows, merged by the rules of the engine's
// contract and nothing else.
type shadow struct {
	users, groups map[string]engine.Object
	members       map[[2]string]bool
	managers      map[[2]string]bool
	marks         map[engine.Feed]engine.Cursor
	open          map[engine.Feed]engine.Cursor // of a round that was broken off
	full          map[engine.Feed]map[string]bool
}

func newShadow() *shadow {
	return &shadow{users: map[string]engine.Object{}, groups: map[string]engine.Object{}, members: map[[2]string]bool{}, managers: map[[2]string]bool{},
		marks: map[engine.Feed]engine.Cursor{}, open: map[engine.Feed]engine.Cursor{}, full: map[engine.Feed]map[string]bool{}}
}

func (s *shadow) objects(k engine.Kind) map[string]engine.Object {
	if k == engine.Group {
		return s.groups
	}
	return s.users
}

// read goes on with a feed. With a probability it breaks off after a page, as a crash would.
func (s *shadow) read(t *testing.T, src *Source, f engine.Feed, r *rand.Rand, crash float64) error {
	from := s.open[f]
	if from == "" {
		from = s.marks[f]
	}
	if from == "" {
		s.full[f] = map[string]bool{}
	}
	for p, err := range src.Pages(t.Context(), f, from) {
		if err != nil {
			return err
		}
		for _, o := range p.Objects {
			s.put(o, s.full[f])
		}
		for _, e := range p.Edges {
			if e.Relation == engine.Manager {
				s.manager(e, p.Edges)
			} else if e.Removed {
				delete(s.members, [2]string{e.From.ID, e.To.ID})
			} else {
				s.members[[2]string{e.From.ID, e.To.ID}] = true
			}
		}
		s.open[f] = p.Next
		if p.Done {
			s.marks[f], s.open[f], s.full[f] = p.Next, "", nil
			return nil
		}
		if r.Float64() < crash {
			return nil
		}
	}
	return errors.New("no last page")
}

// manager merges an edge to a manager, of whom there is one: a live one replaces all others, and
// where only an end is told there is none. The end of another may have been told, or swallowed, while
// the user was deleted.
func (s *shadow) manager(e engine.Edge, page []engine.Edge) {
	live := slices.ContainsFunc(page, func(o engine.Edge) bool { return o.Relation == engine.Manager && o.From == e.From && !o.Removed })
	maps.DeleteFunc(s.managers, func(m [2]string, _ bool) bool {
		return m[0] == e.From.ID && (!e.Removed || !live || m[1] == e.To.ID)
	})
	if !e.Removed {
		s.managers[[2]string{e.From.ID, e.To.ID}] = true
	}
}

func (s *shadow) put(o engine.Object, first map[string]bool) {
	set := s.objects(o.Kind)
	was, known := set[o.ID]
	if !known && o.State != engine.Active {
		return
	}
	merged := map[string]any{}
	if o.Partial && (first == nil || first[o.ID]) || o.Attributes == nil {
		maps.Copy(merged, was.Attributes)
	}
	if first != nil {
		first[o.ID] = true
	}
	for k, v := range o.Attributes {
		if merged[k] = v; v == nil {
			delete(merged, k)
		}
	}
	o.Attributes = merged
	set[o.ID] = o
}

// known is the shadow in the form of the sandbox's truth.
func (s *shadow) known(k engine.Kind, names []string) map[string]map[string]any {
	out := map[string]map[string]any{}
	for id, o := range s.objects(k) {
		switch o.State {
		case engine.HardDeleted:
		case engine.SoftDeleted:
			out[id] = map[string]any{"softDeleted": true}
		default:
			out[id] = only(o.Attributes, names)
		}
	}
	return out
}

func only(m map[string]any, names []string) map[string]any {
	out := map[string]any{}
	for _, n := range names {
		if v, ok := m[n]; ok {
			out[n] = v
		}
	}
	return out
}

func (s *shadow) compare(t *testing.T, truth graphtest.Truth) {
	t.Helper()
	users, groups := map[string]map[string]any{}, map[string]map[string]any{}
	members, managers := map[[2]string]bool{}, map[[2]string]bool{}
	userNames := []string{"displayName", "department", "givenName", "accountEnabled", "userPrincipalName"}
	groupNames := []string{"displayName", "securityEnabled"}
	for id, u := range truth.Users {
		if u.SoftDeleted {
			if _, told := s.users[id]; told { // who was deleted before the first round is not told
				users[id] = map[string]any{"softDeleted": true}
			}
			continue
		}
		users[id] = only(u.Properties, userNames)
		if m, live := truth.Users[u.ManagerID]; live && !m.SoftDeleted {
			managers[[2]string{id, u.ManagerID}] = true
		}
	}
	for id, g := range truth.Groups {
		if g.SoftDeleted {
			if _, told := s.groups[id]; told {
				groups[id] = map[string]any{"softDeleted": true}
			}
			continue
		}
		groups[id] = only(g.Properties, groupNames)
		for m, typ := range g.Members {
			if typ == "#microsoft.graph.user" || typ == "#microsoft.graph.group" {
				members[[2]string{id, m}] = true
			}
		}
	}
	// Edges count while both ends are live: the feeds are silent about the members of the deleted.
	gotMembers, gotManagers := map[[2]string]bool{}, map[[2]string]bool{}
	alive := func(id string) bool { return s.users[id].State == engine.Active || s.groups[id].State == engine.Active }
	for e := range s.members {
		if alive(e[0]) && alive(e[1]) {
			gotMembers[e] = true
		}
	}
	for e := range members {
		if !alive(e[1]) {
			delete(members, e)
		}
	}
	for e := range s.managers {
		if alive(e[0]) && alive(e[1]) {
			gotManagers[e] = true
		}
	}
	if diff := cmp.Diff(users, s.known(engine.User, userNames)); diff != "" {
		t.Errorf("users (-truth +known):\n%.3000s", diff)
	}
	if diff := cmp.Diff(groups, s.known(engine.Group, groupNames)); diff != "" {
		t.Errorf("groups (-truth +known):\n%.3000s", diff)
	}
	if diff := cmp.Diff(members, gotMembers); diff != "" {
		t.Errorf("members (-truth +known):\n%.3000s", diff)
	}
	if diff := cmp.Diff(managers, gotManagers); diff != "" {
		t.Errorf("managers (-truth +known):\n%.3000s", diff)
	}
}

// churn changes the directory at random.
func churn(w *world, r *rand.Rand, n int) {
	for range n {
		truth := w.Truth()
		users, groups := slices.Sorted(maps.Keys(truth.Users)), slices.Sorted(maps.Keys(truth.Groups))
		u, v, g := users[r.IntN(len(users))], users[r.IntN(len(users))], groups[r.IntN(len(groups))]
		c := graphtest.Change{ID: u}
		switch r.IntN(12) {
		case 0, 1, 2:
			c.Op, c.Set = "user.update", map[string]any{[]string{"displayName", "department", "givenName"}[r.IntN(3)]: fmt.Sprint("v", r.IntN(1000))}
		case 3:
			c.Op, c.Set = "user.update", map[string]any{"department": nil, "accountEnabled": r.IntN(2) == 0}
		case 4:
			c.Op = "softDelete"
		case 5, 6:
			c.Op = "restore"
		case 7:
			if c.Op = "hardDelete"; r.IntN(3) > 0 {
				c.Op = "restore"
			}
		case 8:
			c.Op, c.ID, c.Members = "group.addMembers", g, []string{u}
		case 9:
			c.Op, c.ID, c.Members = "group.removeMembers", g, []string{u}
		case 10:
			c.Op, c.Manager = "manager", v
		case 11:
			c.Op, c.ID, c.Set = "group.update", g, map[string]any{"displayName": fmt.Sprint("g", r.IntN(1000))}
		}
		// A change that makes no sense (restoring who is not deleted) is refused, which is as good.
		_ = w.Mutate(c)
	}
}

// TestSoak lets a directory with all bad habits change at random while its feeds are read, broken
// off and resumed. When it comes to rest, two rounds later everything is known.
func TestSoak(t *testing.T) {
	t.Parallel()
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	habits := graphtest.DefaultSettings()
	habits.UserPage, habits.GroupPage, habits.MemberSlice = 9, 4, 6
	habits.ReplayRate, habits.SplitChanges, habits.AnnotationNoise = 0.3, true, true
	mixed := habits
	mixed.MixedVisibility, mixed.SplitChanges = true, false
	slow := habits.Lagging()
	for name, settings := range map[string]graphtest.Settings{"habits": habits, "values of later": mixed, "slow replicas": slow} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, 1))
				w := sandbox(t, graphtest.Options{Seed: seed, Settings: &settings, Population: graphtest.Population{Users: 60, Groups: 12}})
				s := newShadow()
				feeds := []engine.Feed{engine.FeedGroups, engine.FeedUsers}
				for i := range rounds {
					churn(w, r, 15)
					w.Advance(time.Minute + time.Duration(r.IntN(30))*time.Second) // the shortest interval
					churn(w, r, 5)
					for _, f := range feeds {
						if err := s.read(t, w.src, f, r, 0.2); err != nil {
							t.Fatalf("round %d, %s: %v", i, f, err)
						}
					}
				}
				for range 3 { // the first may end a round that was broken off, or see an old replica
					w.Advance(5 * time.Minute)
					for _, f := range feeds {
						if err := s.read(t, w.src, f, r, 0); err != nil {
							t.Fatal(err)
						}
					}
				}
				s.compare(t, w.Truth())
			})
		}
	}
}
