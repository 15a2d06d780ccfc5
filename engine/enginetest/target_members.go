package enginetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

func crowd(t *testing.T, target engine.Target, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = mustCreate(t, target, fmt.Sprintf("person%03d", i))
	}
	return ids
}

func wantMembers(t *testing.T, w TargetWorld, group string, want []string) {
	t.Helper()
	got, want := slices.Sorted(slices.Values(w.Members(group))), slices.Sorted(slices.Values(want))
	if d := cmp.Diff(want, got); d != "" && len(want)+len(got) > 0 {
		t.Errorf("members (-want +got):\n%s", d)
	}
}

func allWell(t *testing.T, answers map[string]error, err error, want []string) {
	t.Helper()
	if err != nil {
		t.Fatalf("members: %v", detail(err))
	}
	if got := slices.Sorted(maps.Keys(answers)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("answers are about %v, want %v", got, want)
	}
	for id, err := range answers {
		if err != nil {
			t.Errorf("member %s: %v", id, detail(err))
		}
	}
}

func targetChangesMembers(t *testing.T, target engine.Target, w TargetWorld) {
	ids := crowd(t, target, 7)
	group := mustCreateGroup(t, target, "Harbour Pilots")
	answers, err := target.AddMembers(t.Context(), group, ids)
	allWell(t, answers, err, ids)
	wantMembers(t, w, group, ids)
	answers, err = target.RemoveMembers(t.Context(), group, ids[:3])
	allWell(t, answers, err, ids[:3])
	wantMembers(t, w, group, ids[3:])
	answers, err = target.RemoveMembers(t.Context(), group, ids[3:])
	allWell(t, answers, err, ids[3:])
	wantMembers(t, w, group, nil)
}

func targetRepeatsMembers(t *testing.T, target engine.Target, w TargetWorld) {
	ids := crowd(t, target, 4)
	group := mustCreateGroup(t, target, "Harbour Pilots")
	for range 2 {
		answers, err := target.AddMembers(t.Context(), group, ids)
		allWell(t, answers, err, ids)
	}
	for range 2 {
		answers, err := target.RemoveMembers(t.Context(), group, ids[:2])
		allWell(t, answers, err, ids[:2])
	}
	wantMembers(t, w, group, ids[2:])
	answers, err := target.AddMembers(t.Context(), group, nil)
	allWell(t, answers, err, nil)
}

func targetReportsGoneGroup(t *testing.T, target engine.Target, w TargetWorld) {
	ids := crowd(t, target, 2)
	group := mustCreateGroup(t, target, "Harbour Pilots")
	w.Remove(engine.Group, group)
	_, err := target.AddMembers(t.Context(), group, ids)
	wantOutcome(t, err, engine.OutcomeRematch)
	_, err = target.RemoveMembers(t.Context(), group, ids)
	wantOutcome(t, err, engine.OutcomeRematch)
}

func targetReadsMembers(t *testing.T, target engine.Target, w TargetWorld) {
	lister, ok := target.(engine.MemberLister)
	if !ok {
		t.Skip("this target does not read members")
	}
	ids := crowd(t, target, 7)
	group, empty := mustCreateGroup(t, target, "Harbour Pilots"), mustCreateGroup(t, target, "Nobody")
	answers, err := target.AddMembers(t.Context(), group, ids)
	allWell(t, answers, err, ids)
	told := func(group string, want []string) {
		t.Helper()
		var got []string
		complete, err := lister.Members(t.Context(), group, func(id string) error {
			got = append(got, id)
			return nil
		})
		slices.Sort(got)
		if want = slices.Sorted(slices.Values(want)); err != nil || !complete || !slices.Equal(got, want) {
			t.Errorf("members: got %v, complete %t, %v; want %v", got, complete, detail(err), want)
		}
	}
	before := w.Writes()
	told(group, ids)
	told(empty, nil)
	if w.Writes() != before {
		t.Error("reading members wrote")
	}
	answers, err = target.RemoveMembers(t.Context(), group, ids[2:])
	allWell(t, answers, err, ids[2:])
	told(group, ids[:2])
	w.Remove(engine.Group, group)
	_, err = lister.Members(t.Context(), group, func(string) error { return nil })
	wantOutcome(t, err, engine.OutcomeRematch)
}
