package decide

import (
	"maps"
	"testing"
	"time"

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
			OutOfScope: drawRule(t, "outOfScope"), Blocked: drawRule(t, "blocked"), Recycled: drawRule(t, "recycled"),
		},
		actions: &mapping.Actions{
			Create: rapid.Bool().Draw(t, "create"), Update: rapid.Bool().Draw(t, "update"), Delete: rapid.Bool().Draw(t, "delete"),
		},
	}
	if s.link != "" {
		s.inactive, s.recycled = rapid.Bool().Draw(t, "inactive"), rapid.Bool().Draw(t, "recycled")
		if s.link == engine.Managed {
			s.inactive, s.recycled = false, false
		} else {
			s.left = rapid.SampledFrom([]engine.Reason{"", engine.NotAssigned, engine.FilteredOut, engine.InactiveInSource, engine.RecycledInSource}).Draw(t, "left")
		}
		if s.link == engine.Suspended && s.left != "" {
			s.deleteIn = rapid.SampledFrom([]time.Duration{0, -time.Hour, time.Hour, 100 * day}).Draw(t, "deleteIn")
		}
		if s.target == Several || s.target == Taken {
			s.target = Found // a linked object is read by its id
		}
	}
	return s
}

const day = 24 * time.Hour

func drawRule(t *rapid.T, label string) engine.LeaveRule {
	r := engine.LeaveRule{Action: rapid.SampledFrom([]engine.LeaveAction{
		"", engine.LeaveDisable, engine.LeaveDelete, engine.LeaveNothing, engine.LeaveDisableDelete,
	}).Draw(t, label)}
	if r.Action == engine.LeaveDisableDelete {
		r.Grace = rapid.SampledFrom([]time.Duration{time.Hour, 30 * day}).Draw(t, label+"Grace")
	}
	return r
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
	l.DeleteAt, l.Left = op.DeleteAt, op.Left
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
// changed without a match; and a released account is neither disabled nor deleted, unless it was left active and its owner
// is in scope again.
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
		if f.Link != nil && f.Link.State == engine.Released && op.Action.Destructive() &&
			(f.State == engine.HardDeleted || f.Link.Disabled || !f.Factors.InScope()) {
			rt.Fatalf("a released user: %s by %s", op.Action, op.Rule)
		}
		if op.Action == engine.Disable && op.Then == engine.Managed {
			rt.Fatalf("disabled and yet managed, by %s", op.Rule)
		}
	})
}

// TestNobodyKeepsAccess: what the job says about leaving the scope decides about nobody who is in scope. Who is, and is
// blocked or recycled, leaves as though nothing had been before, also when his account was left alone once. And who is
// blocked loses as much when he left the scope as well and the job leaves those alone who do.
func TestNobodyKeepsAccess(t *testing.T) {
	type gist struct {
		action  engine.Action
		rule    engine.Rule
		changes string
		date    time.Time
	}
	decide := func(s situation) gist {
		op := User(s.facts(t))
		return gist{op.Action, op.Rule, show(op.Changes), op.DeleteAt}
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := draw(rt)
		s.inactive, s.recycled, s.left, s.deleteIn = false, false, "", 0
		s.unassigned, s.noRole, s.filtered = false, false, false
		s.link, s.blocked = engine.Managed, true
		if s.state == engine.HardDeleted {
			s.state = engine.Active
		}
		want := decide(s)
		s.link, s.left = engine.Released, engine.NotAssigned
		s.options.SkipOutOfScope, s.options.OutOfScope = rapid.Bool().Draw(rt, "S now"), drawRule(rt, "outOfScope now")
		if got := decide(s); got != want {
			rt.Fatalf("left alone, and in scope again: %+v, want %+v as without that", got, want)
		}
		if s.state != engine.Active || s.options.SkipDisableWhenBlocked || s.options.Blocked.Action == engine.LeaveNothing {
			return
		}
		s.link, s.left, s.options.SkipOutOfScope = engine.Managed, "", true
		switch rapid.IntRange(0, 2).Draw(rt, "out of scope") {
		case 0:
			s.unassigned = true
		case 1:
			s.noRole = true
		default:
			s.filtered, s.attrs["department"] = true, "Legal"
		}
		if got := decide(s); got != want {
			rt.Fatalf("blocked and out of scope: %+v, want %+v as when only blocked", got, want)
		}
	})
}

// TestPurgeKeepsDates: that the source forgets somebody brings no date forward that he got when he left the scope or was blocked,
// and nobody is deleted whom the job released.
func TestPurgeKeepsDates(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := draw(rt)
		s.link, s.state, s.target = engine.Suspended, engine.HardDeleted, NotLooked
		s.inactive, s.recycled = true, rapid.Bool().Draw(rt, "in the bin before")
		s.left = rapid.SampledFrom([]engine.Reason{engine.NotAssigned, engine.MissingRole, engine.FilteredOut, engine.InactiveInSource}).Draw(rt, "cause")
		s.deleteIn = rapid.SampledFrom([]time.Duration{-time.Hour, time.Hour, 10 * day}).Draw(rt, "date")
		s.options.SkipOutOfScope, s.options.SkipDisableWhenBlocked = false, false
		grace := engine.LeaveRule{Action: engine.LeaveDisableDelete, Grace: 30 * day}
		s.options.OutOfScope, s.options.Blocked = grace, grace
		f := s.facts(t)
		op := User(f)
		switch due := s.deleteIn < 0; {
		case !f.Mapping.Actions.Delete:
			if op.Action != engine.Skip {
				rt.Fatalf("deleting is switched off: %s by %s", op.Action, op.Rule)
			}
		case due && (op.Action != engine.Delete || op.Reason != engine.GraceOver):
			rt.Fatalf("the date has come: %s by %s for %s", op.Action, op.Rule, op.Reason)
		case !due && (op.Action != engine.Nothing || !op.DeleteAt.Equal(f.Link.DeleteAt) || !op.Later.Equal(f.Link.DeleteAt) || op.Left != s.left || op.Then != engine.Suspended):
			rt.Fatalf("the date has not come: %+v", op)
		}
	})
}

// TestDates: only somebody who is not entitled has a date for deleting, it is never further away than the option that decides says,
// the object is looked at again when it has come, and what was promised is not deleted before.
func TestDates(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := draw(rt).facts(t)
		op := User(f)
		if op.Action == engine.Look || op.Action == engine.Fail {
			return
		}
		entitled := f.State == engine.Active && f.Factors.InScope() && f.Factors.Enabled
		if entitled && !op.DeleteAt.IsZero() {
			rt.Fatalf("an entitled user is to be deleted at %s, by %s", op.DeleteAt, op.Rule)
		}
		if !op.DeleteAt.Equal(op.Later) && op.DeleteAt.After(f.Now) {
			rt.Fatalf("to be deleted at %s, looked at again at %s", op.DeleteAt, op.Later)
		}
		if longest := f.Now.Add(30 * day); op.DeleteAt.After(longest) {
			rt.Fatalf("to be deleted at %s, beyond every grace time", op.DeleteAt)
		}
		if !op.DeleteAt.IsZero() && op.Left == "" {
			rt.Fatalf("%s by %s is to be deleted for no cause", op.Action, op.Rule)
		}
		if op.Reason == engine.GraceOver && (f.Link.DeleteAt.IsZero() || f.Link.DeleteAt.After(f.Now)) {
			rt.Fatalf("deleted before its time, %s: %s", f.Link.DeleteAt, op.Rule)
		}
		if op.Action == engine.Delete && !f.Mapping.Actions.Delete {
			rt.Fatalf("deleted by %s although deleting is switched off", op.Rule)
		}
	})
}
