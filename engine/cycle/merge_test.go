package cycle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

func userObject(s engine.LifeState, partial bool, a mapping.Attributes) engine.Object {
	return engine.Object{Ref: engine.Ref{Kind: engine.User, ID: "u1"}, State: s, Partial: partial, Attributes: a}
}

// TestMerged has the rules of GS-MG-2: a value is stored, null clears, and what is absent is no news.
func TestMerged(t *testing.T) {
	stored := userObject(engine.Active, false, mapping.Attributes{"displayName": "Ann", "department": "Sales"})
	bare := userObject(engine.Active, false, nil)
	for _, c := range []struct {
		name      string
		was, news engine.Object
		keep      bool
		want      mapping.Attributes
	}{
		{"news of a known object", stored, userObject(engine.Active, true, mapping.Attributes{"department": "Legal"}), true,
			mapping.Attributes{"displayName": "Ann", "department": "Legal"}},
		{"null clears", stored, userObject(engine.Active, true, mapping.Attributes{"department": nil}), true, mapping.Attributes{"displayName": "Ann"}},
		{"a tombstone keeps attributes", stored, userObject(engine.SoftDeleted, true, nil), true, stored.Attributes},
		{"gone for good drops them", stored, userObject(engine.HardDeleted, true, nil), true, nil},
		{"out of the scope drops them", stored, userObject(engine.Active, true, mapping.Attributes{"department": "Legal"}), false, nil},
		{"news of an object stored without attributes is not all there is", bare, userObject(engine.Active, true, mapping.Attributes{"department": "Legal"}), true, nil},
		{"news of a new object", engine.Object{}, userObject(engine.Active, true, mapping.Attributes{"department": "Legal", "mail": nil}), true, mapping.Attributes{"department": "Legal"}},
		{"a whole object replaces", stored, userObject(engine.Active, false, mapping.Attributes{"department": "Legal"}), true, mapping.Attributes{"department": "Legal"}},
	} {
		if d := cmp.Diff(c.want, merged(c.was, c.news, c.keep).Attributes); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// TestConveys: a group passes its assignment on while it is security enabled; an entry that does not
// say so is no news.
func TestConveys(t *testing.T) {
	was := engine.Object{Ref: engine.Ref{Kind: engine.Group, ID: "g1"}, State: engine.Active, Conveys: true}
	for _, c := range []struct {
		name string
		news engine.Object
		want bool
	}{
		{"no news", engine.Object{Partial: true, Attributes: mapping.Attributes{"displayName": "x"}}, true},
		{"switched off", engine.Object{Partial: true, Attributes: mapping.Attributes{"securityEnabled": false}}, false},
		{"whole object that says it itself", engine.Object{Conveys: true}, true},
		{"whole object that does not", engine.Object{}, false},
	} {
		c.news.Ref, c.news.State = was.Ref, engine.Active
		if got := merged(was, c.news, true).Conveys; got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// TestReplay: an entry that says nothing new is not evaluated again (GS-MG-3).
func TestReplay(t *testing.T) {
	a := userObject(engine.Active, false, mapping.Attributes{"displayName": "Ann", "otherMails": []any{"a", "b"}, "org": map[string]any{"division": "x"}})
	same := userObject(engine.Active, false, mapping.Attributes{"displayName": "Ann", "otherMails": []any{"b", "a"}, "org": map[string]any{"division": "x"}})
	if !equal(a, same) {
		t.Error("the order of a list of texts made a difference")
	}
	for name, b := range map[string]engine.Object{
		"value":  userObject(engine.Active, false, mapping.Attributes{"displayName": "ann", "otherMails": []any{"a", "b"}, "org": map[string]any{"division": "x"}}),
		"member": userObject(engine.Active, false, mapping.Attributes{"displayName": "Ann", "otherMails": []any{"a", "c"}, "org": map[string]any{"division": "x"}}),
		"state":  userObject(engine.SoftDeleted, false, a.Attributes),
		"bare":   userObject(engine.Active, false, nil),
	} {
		if equal(a, b) {
			t.Errorf("%s: the change was not seen", name)
		}
	}
}

// TestTally: counters add up whatever is flushed when, and what is flushed is not counted again.
func TestTally(t *testing.T) {
	var tl tally
	sum := engine.Counts{}
	add := func(c engine.Counts) {
		for k, n := range c {
			sum[k] += n
		}
	}
	now := time.Date(2031, 3, 1, 8, 0, 0, 0, time.UTC)
	for i := range 100 {
		add(tl.add("c1", engine.Counts{engine.ObjectsDone: 1}, now.Add(time.Duration(i)*tallyEvery/10), i == 99))
	}
	if sum[engine.ObjectsDone] != 100 {
		t.Errorf("counted %d of 100", sum[engine.ObjectsDone])
	}
	if due := tl.add("c1", nil, now.Add(tallyEvery*1000), true); due != nil {
		t.Errorf("counted again: %v", due)
	}
}
