package decide

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// draw makes any situation that the tables can be asked about.
func draw(t *rapid.T) situation {
	name := rapid.SampledFrom([]string{"Ann Lee", "ann lee", "Åsa", "", "O\"Neil"})
	s := situation{
		state:      rapid.SampledFrom([]engine.LifeState{engine.Active, engine.SoftDeleted, engine.HardDeleted}).Draw(t, "state"),
		unassigned: rapid.Bool().Draw(t, "unassigned"),
		noRole:     rapid.Bool().Draw(t, "noRole"),
		filtered:   rapid.Bool().Draw(t, "filtered"),
		blocked:    rapid.Bool().Draw(t, "blocked"),
		plain:      rapid.Bool().Draw(t, "plain"),
		link:       rapid.SampledFrom([]engine.LinkState{"", engine.Managed, engine.Suspended, engine.Released}).Draw(t, "link"),
		target:     rapid.SampledFrom([]TargetState{NotLooked, Absent, Found, Several, Taken}).Draw(t, "target"),
		doubt:      rapid.Bool().Draw(t, "doubt"),
		attrs: mapping.Attributes{
			"displayName": name.Draw(t, "displayName"), "surname": name.Draw(t, "surname"),
			"userPrincipalName": rapid.SampledFrom([]any{"ann@example.test", "new@example.test", nil}).Draw(t, "upn"),
		},
		live: map[string]any{"displayName": name.Draw(t, "liveName"), "active": rapid.Bool().Draw(t, "liveActive")},
		options: engine.Options{
			SkipOutOfScope: rapid.Bool().Draw(t, "S"), HardDisable: rapid.Bool().Draw(t, "H"), MissingIsError: rapid.Bool().Draw(t, "parity"),
			KeepNameOnSoftDelete: rapid.Bool().Draw(t, "keepName"), SkipDisableWhenBlocked: rapid.Bool().Draw(t, "skipBlocked"),
		},
		actions: &mapping.Actions{
			Create: rapid.Bool().Draw(t, "create"), Update: rapid.Bool().Draw(t, "update"), Delete: rapid.Bool().Draw(t, "delete"),
		},
	}
	if s.link != "" {
		s.inactive, s.recycled = rapid.Bool().Draw(t, "inactive"), rapid.Bool().Draw(t, "recycled")
		if s.link == engine.Managed {
			s.inactive, s.recycled = false, false
		}
		if s.target == Several || s.target == Taken {
			s.target = Found // a linked object is read by its id
		}
	}
	return s
}

// apply is what the target and the link look like after an operation.
func apply(f Facts, op engine.Operation) (*engine.Link, bool) {
	if op.Then == engine.LinkNone || op.Action == engine.Delete {
		return nil, true
	}
	if f.Link == nil && op.Then == "" {
		return nil, false
	}
	l := engine.Link{TargetID: "t-1", Exported: map[string]any{}}
	if f.Link != nil {
		l = *f.Link
		l.Exported = maps.Clone(f.Link.Exported)
	}
	if f.Target.State == Found {
		for _, a := range f.Mapping.Attributes {
			delete(l.Exported, a.Target.Key())
			if v := f.Target.Resource.Read(a.Target); v != nil {
				l.Exported[a.Target.Key()] = v
			}
		}
	}
	for _, v := range op.Values {
		l.Exported[v.Path.Key()] = v.Value
	}
	for _, c := range op.Changes {
		l.Exported[c.Path.Key()] = c.New
	}
	if op.Then != "" {
		l.State = op.Then
	}
	l.Disabled = op.Action == engine.Disable || l.Disabled && op.Then != engine.Managed
	l.Recycled = f.State == engine.SoftDeleted && (l.Disabled || l.Recycled)
	return &l, true
}

// TestSecondDecision: once an operation was carried out, deciding again finds nothing to write.
func TestSecondDecision(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := draw(rt).facts(t)
		op := User(f)
		if op.Action == engine.Look || op.Action == engine.Fail {
			return
		}
		link, linked := apply(f, op)
		if !linked && op.Action != engine.Skip {
			rt.Fatalf("%s by %s leaves no link and says nothing of it", op.Action, op.Rule)
		}
		if op.Action == engine.Delete {
			return
		}
		f.Link, f.Target, f.Doubt = link, Target{}, false
		if link == nil && op.Action == engine.Skip {
			f.Target.State = Absent
		}
		again := User(f)
		switch again.Action {
		case engine.Nothing, engine.Skip:
		case engine.Look: // a released account is read when it comes back
			if link == nil || link.State != engine.Released || f.State != engine.Active {
				rt.Fatalf("%s by %s, then %s by %s", op.Action, op.Rule, again.Action, again.Rule)
			}
		default:
			rt.Fatalf("%s by %s (%s), then again %s by %s (%s)", op.Action, op.Rule, show(op.Changes), again.Action, again.Rule, show(again.Changes))
		}
	})
}

// TestNobodyIsHarmed: who is entitled is never disabled or deleted; who has no link is never
// changed without a match; and a released account is never deleted.
func TestNobodyIsHarmed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := draw(rt).facts(t)
		op := User(f)
		entitled := f.State == engine.Active && f.Factors.InScope() && f.Factors.Enabled
		if op.Action.Destructive() && entitled {
			rt.Fatalf("an entitled user: %s by %s", op.Action, op.Rule)
		}
		if f.Link == nil && !entitled && op.Action != engine.Skip {
			rt.Fatalf("a user without a link who is not entitled: %s by %s", op.Action, op.Rule)
		}
		if f.Link != nil && f.Link.State == engine.Released && op.Action.Destructive() {
			rt.Fatalf("a released user: %s by %s", op.Action, op.Rule)
		}
		if op.Action == engine.Disable && op.Then == engine.Managed {
			rt.Fatalf("disabled and yet managed, by %s", op.Rule)
		}
	})
}
