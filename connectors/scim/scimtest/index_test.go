package scimtest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var equateEmpty = cmp.Transformer("emptyIsNil", func(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return s
})

func sorted(s []string) []string {
	return slices.Sorted(slices.Values(s))
}

// checkReverseIndex compares what groups list with what the store believes members belong to.
func checkReverseIndex(t *testing.T, s *Server) {
	t.Helper()
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	want := map[string][]string{}
	for _, g := range s.store.groups.order {
		for _, id := range g.members.ids() {
			want[id] = append(want[id], g.id)
		}
	}
	got := map[string][]string{}
	for id, groups := range s.store.memberOf {
		for _, g := range groups {
			got[id] = append(got[id], g.id)
		}
	}
	for _, m := range []map[string][]string{want, got} {
		for id := range m {
			slices.Sort(m[id])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reverse index of members:\n%s", diff)
	}
}
