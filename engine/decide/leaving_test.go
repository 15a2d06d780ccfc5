package decide

import (
	"testing"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// TestLeavingOptions walks onOutOfScope, onBlocked and onRecycled of section 12. wait is the date of the link
// afterwards, after the moment of the decision; zero means that nothing is to be deleted.
func TestLeavingOptions(t *testing.T) {
	after := func(g time.Duration) engine.LeaveRule {
		return engine.LeaveRule{Action: engine.LeaveDisableDelete, Grace: g}
	}
	does := func(a engine.LeaveAction) engine.LeaveRule { return engine.LeaveRule{Action: a} }
	scope := func(r engine.LeaveRule) engine.Options { return engine.Options{OutOfScope: r} }
	block := func(r engine.LeaveRule) engine.Options { return engine.Options{Blocked: r} }
	bin := func(r engine.LeaveRule) engine.Options { return engine.Options{Recycled: r} }
	binned := mapping.Attributes{"userPrincipalName": "deadbeefann@example.test"}
	hard := func(o engine.Options) engine.Options { o.HardDisable = true; return o }
	type outcome struct {
		action  engine.Action
		then    engine.LinkState
		changes string
		reason  engine.Reason
		wait    time.Duration
		left    engine.Reason
	}
	const off = "active=false"
	waits := situation{link: engine.Suspended, inactive: true, unassigned: true, deleteIn: 10 * day, left: engine.NotAssigned}
	with := func(s situation, change func(*situation)) situation { change(&s); return s }
	for _, row := range []struct {
		name string
		rule engine.Rule
		s    situation
		want outcome
	}{
		{"U10 disable by name", "U10", situation{link: engine.Managed, unassigned: true, options: scope(does(engine.LeaveDisable))}, outcome{engine.Disable, engine.Released, off, engine.NotAssigned, 0, engine.NotAssigned}},
		{"U10 nothing", "U10", situation{link: engine.Managed, unassigned: true, options: scope(does(engine.LeaveNothing))}, outcome{engine.Skip, engine.Released, "", engine.SkipOutOfScope, 0, engine.NotAssigned}},
		{"U29 nothing", "U29", situation{link: engine.Managed, filtered: true, options: scope(does(engine.LeaveNothing))}, outcome{engine.Skip, engine.Released, "", engine.SkipOutOfScope, 0, engine.FilteredOut}},
		{"U15 nothing", "U15", situation{link: engine.Managed, blocked: true, options: block(does(engine.LeaveNothing))}, outcome{engine.Skip, engine.Suspended, "", engine.SkipOutOfScope, 0, engine.InactiveInSource}},
		{"U17 nothing", "U17", situation{link: engine.Managed, state: engine.SoftDeleted, attrs: binned, options: bin(does(engine.LeaveNothing))}, outcome{engine.Skip, engine.Suspended, "", engine.SkipOutOfScope, 0, engine.RecycledInSource}},
		{"U10 S and delete", "U10", situation{link: engine.Managed, unassigned: true, options: engine.Options{SkipOutOfScope: true, OutOfScope: does(engine.LeaveDelete)}}, outcome{engine.Skip, engine.Released, "", engine.SkipOutOfScope, 0, engine.NotAssigned}},

		{"U10 delete", "U10", situation{link: engine.Managed, unassigned: true, options: scope(does(engine.LeaveDelete))}, outcome{engine.Delete, engine.LinkNone, "", engine.NotAssigned, 0, ""}},
		{"U10 role lost, delete", "U10", situation{link: engine.Managed, noRole: true, options: scope(does(engine.LeaveDelete))}, outcome{engine.Delete, engine.LinkNone, "", engine.MissingRole, 0, ""}},
		{"U15 delete", "U15", situation{link: engine.Managed, blocked: true, options: block(does(engine.LeaveDelete))}, outcome{engine.Delete, engine.LinkNone, "", engine.InactiveInSource, 0, ""}},
		{"U17 delete", "U17", situation{link: engine.Managed, state: engine.SoftDeleted, attrs: binned, options: bin(does(engine.LeaveDelete))}, outcome{engine.Delete, engine.LinkNone, "", engine.RecycledInSource, 0, ""}},
		{"U10 delete ¬X: disabled all the same", "U10", situation{link: engine.Managed, unassigned: true, actions: without(noDelete), options: scope(does(engine.LeaveDelete))}, outcome{engine.Disable, engine.Released, off, engine.NotAssigned, 0, engine.NotAssigned}},
		{"U10 delete ¬U", "U10", situation{link: engine.Managed, unassigned: true, actions: without(noUpdate), options: scope(does(engine.LeaveDelete))}, outcome{engine.Delete, engine.LinkNone, "", engine.NotAssigned, 0, ""}},
		{"U10 delete is not about those who are blocked", "U15", situation{link: engine.Managed, blocked: true, options: scope(does(engine.LeaveDelete))}, outcome{engine.Disable, engine.Suspended, off, engine.InactiveInSource, 0, engine.InactiveInSource}},
		{"U22b delete, released before", "U22b", situation{link: engine.Released, inactive: true, unassigned: true, left: engine.NotAssigned, options: scope(does(engine.LeaveDelete))}, outcome{engine.Skip, "", "", engine.NoLongerManaged, 0, engine.NotAssigned}},

		{"U10 30 days: disable now", "U10", situation{link: engine.Managed, unassigned: true, options: scope(after(30 * day))}, outcome{engine.Disable, engine.Suspended, off, engine.NotAssigned, 30 * day, engine.NotAssigned}},
		{"U29 30 days: disable now", "U29", situation{link: engine.Managed, filtered: true, options: scope(after(30 * day))}, outcome{engine.Disable, engine.Suspended, off, engine.FilteredOut, 30 * day, engine.FilteredOut}},
		{"U15 30 days: disable now", "U15", situation{link: engine.Managed, blocked: true, options: block(after(30 * day))}, outcome{engine.Disable, engine.Suspended, off, engine.InactiveInSource, 30 * day, engine.InactiveInSource}},
		{"U17 30 days: disable now", "U17", situation{link: engine.Managed, state: engine.SoftDeleted, attrs: binned, options: bin(after(30 * day))}, outcome{engine.Disable, engine.Suspended, "userName=deadbeefann@example.test active=false", engine.RecycledInSource, 30 * day, engine.RecycledInSource}},
		{"U10 the date is not reached", "U10", with(waits, func(s *situation) { s.options = scope(after(30 * day)) }), outcome{engine.Nothing, engine.Suspended, "", engine.NotAssigned, 10 * day, engine.NotAssigned}},
		{"U10 the date is reached", "U10", with(waits, func(s *situation) { s.options, s.deleteIn = scope(after(30*day)), -1 }), outcome{engine.Delete, engine.LinkNone, "", engine.GraceOver, 0, ""}},
		{"U15 the date is reached", "U15", situation{link: engine.Suspended, inactive: true, blocked: true, deleteIn: -day, left: engine.InactiveInSource, options: block(after(30 * day))}, outcome{engine.Delete, engine.LinkNone, "", engine.GraceOver, 0, ""}},
		{"U17 the date is reached", "U17", situation{link: engine.Suspended, recycled: true, state: engine.SoftDeleted, attrs: binned, deleteIn: -day, left: engine.RecycledInSource, options: bin(after(30 * day))}, outcome{engine.Delete, engine.LinkNone, "", engine.GraceOver, 0, ""}},
		{"U10 the date is reached ¬X", "U10", with(waits, func(s *situation) { s.options, s.deleteIn, s.actions = scope(after(30*day)), -1, without(noDelete) }), outcome{engine.Nothing, engine.Released, "", engine.NotAssigned, 0, engine.NotAssigned}},
		{"U10 30 days ¬X: disable for good", "U10", situation{link: engine.Managed, unassigned: true, actions: without(noDelete), options: scope(after(30 * day))}, outcome{engine.Disable, engine.Released, off, engine.NotAssigned, 0, engine.NotAssigned}},
		{"U10 30 days ¬U: nothing is disabled, nothing deleted", "U10", situation{link: engine.Managed, unassigned: true, actions: without(noUpdate), options: scope(after(30 * day))}, outcome{engine.Skip, "", "", engine.UpdateDisabled, 0, ""}},
		{"U10 disabled before, then ¬U", "U10", with(waits, func(s *situation) { s.options, s.actions = scope(after(30*day)), without(noUpdate) }), outcome{engine.Skip, "", "", engine.UpdateDisabled, 10 * day, engine.NotAssigned}},
		{"U10 disabled before, then ¬U, the date is reached", "U10", with(waits, func(s *situation) { s.options, s.actions, s.deleteIn = scope(after(30*day)), without(noUpdate), -1 }), outcome{engine.Delete, engine.LinkNone, "", engine.GraceOver, 0, ""}},
		{"U10 30 days ¬M: nothing to disable", "U10", situation{link: engine.Managed, unassigned: true, plain: true, options: scope(after(30 * day))}, outcome{engine.Nothing, engine.Suspended, "", engine.NotAssigned, 30 * day, engine.NotAssigned}},
		{"U10 30 days H: nothing to wait in", "U10", situation{link: engine.Managed, unassigned: true, options: hard(scope(after(30 * day)))}, outcome{engine.Delete, engine.LinkNone, "", engine.NotAssigned, 0, ""}},
		{"U21 purged while it waits: the date stands", "U21", with(waits, func(s *situation) { s.options, s.state = scope(after(30*day)), engine.HardDeleted }), outcome{engine.Nothing, engine.Suspended, "", engine.DeletedInSource, 10 * day, engine.NotAssigned}},
		{"U21 purged while it waits, the date is reached", "U21", with(waits, func(s *situation) { s.options, s.state, s.deleteIn = scope(after(30*day)), engine.HardDeleted, -1 }), outcome{engine.Delete, engine.LinkNone, "", engine.GraceOver, 0, ""}},
		{"U21 purged while it waits ¬X", "U21", with(waits, func(s *situation) {
			s.options, s.state, s.actions = scope(after(30*day)), engine.HardDeleted, without(noDelete)
		}), outcome{engine.Skip, engine.Released, "", engine.DeleteDisabled, 0, ""}},
		{"U21 purged while it waits ¬U", "U21", with(waits, func(s *situation) {
			s.options, s.state, s.actions = scope(after(30*day)), engine.HardDeleted, without(noUpdate)
		}), outcome{engine.Nothing, engine.Suspended, "", engine.DeletedInSource, 10 * day, engine.NotAssigned}},
		{"U21 purged while it waits, the grace time is shorter now", "U21", with(waits, func(s *situation) { s.options, s.state = scope(after(3*day)), engine.HardDeleted }), outcome{engine.Nothing, engine.Suspended, "", engine.DeletedInSource, 3 * day, engine.NotAssigned}},
		{"U21 purged while it waits, the option is delete now", "U21", with(waits, func(s *situation) { s.options, s.state = scope(does(engine.LeaveDelete)), engine.HardDeleted }), outcome{engine.Delete, engine.LinkNone, "", engine.DeletedInSource, 0, ""}},
		{"U22 purged while it waits, the option is disable now", "U22", with(waits, func(s *situation) { s.state = engine.HardDeleted }), outcome{engine.Skip, engine.LinkNone, "", engine.NoLongerManaged, 0, ""}},
		{"U22 purged while it waits, S now", "U22", with(waits, func(s *situation) { s.options, s.state = engine.Options{SkipOutOfScope: true}, engine.HardDeleted }), outcome{engine.Skip, engine.LinkNone, "", engine.NoLongerManaged, 0, ""}},
		{"U21 purged while it waits, blocked", "U21", situation{link: engine.Suspended, inactive: true, state: engine.HardDeleted, deleteIn: day, left: engine.InactiveInSource, options: block(after(30 * day))}, outcome{engine.Nothing, engine.Suspended, "", engine.DeletedInSource, day, engine.InactiveInSource}},
		{"U21 purged while it waits, blocked, the option is disable now", "U21", situation{link: engine.Suspended, inactive: true, state: engine.HardDeleted, deleteIn: day, left: engine.InactiveInSource}, outcome{engine.Delete, engine.LinkNone, "", engine.DeletedInSource, 0, ""}},
		{"U21 purged while it waits, recycled", "U21", situation{link: engine.Suspended, recycled: true, state: engine.HardDeleted, deleteIn: day, left: engine.RecycledInSource, options: bin(after(30 * day))}, outcome{engine.Delete, engine.LinkNone, "", engine.DeletedInSource, 0, ""}},
		{"U21 purged, never seen to leave", "U21", situation{link: engine.Managed, state: engine.HardDeleted, options: scope(after(30 * day))}, outcome{engine.Delete, engine.LinkNone, "", engine.DeletedInSource, 0, ""}},

		{"U17 recycled while it waits: the date stands", "U17", with(waits, func(s *situation) { s.options, s.state, s.attrs = scope(after(30*day)), engine.SoftDeleted, binned }), outcome{engine.Update, engine.Suspended, "userName=deadbeefann@example.test", engine.RecycledInSource, 10 * day, engine.NotAssigned}},
		{"U17 recycled while it waits, the date is reached", "U17", with(waits, func(s *situation) {
			s.options, s.state, s.recycled, s.attrs, s.deleteIn = scope(after(30*day)), engine.SoftDeleted, true, binned, -1
		}), outcome{engine.Delete, engine.LinkNone, "", engine.GraceOver, 0, ""}},
		{"U17 recycled while it waits, blocked", "U17", situation{link: engine.Suspended, inactive: true, blocked: true, state: engine.SoftDeleted, deleteIn: day, left: engine.InactiveInSource, options: block(after(30 * day))}, outcome{engine.Nothing, engine.Suspended, "", engine.RecycledInSource, day, engine.InactiveInSource}},
		{"U17 recycled while it waits, assigned again", "U17", with(waits, func(s *situation) { s.options, s.state, s.unassigned = scope(after(30*day)), engine.SoftDeleted, false }), outcome{engine.Nothing, engine.Suspended, "", engine.RecycledInSource, 0, engine.RecycledInSource}},
		{"U17 recycled while it waits, a grace time of its own", "U17", with(waits, func(s *situation) {
			s.options, s.state = engine.Options{OutOfScope: after(30 * day), Recycled: after(20 * day)}, engine.SoftDeleted
		}), outcome{engine.Nothing, engine.Suspended, "", engine.RecycledInSource, 20 * day, engine.RecycledInSource}},
		{"U17 recycled while it waits ¬X", "U17", with(waits, func(s *situation) {
			s.options, s.state, s.actions = scope(after(30*day)), engine.SoftDeleted, without(noDelete)
		}), outcome{engine.Nothing, engine.Suspended, "", engine.RecycledInSource, 0, engine.RecycledInSource}},

		{"U15 and unassigned: nothing is not about those who are blocked", "U15", situation{link: engine.Managed, unassigned: true, blocked: true, options: scope(does(engine.LeaveNothing))}, outcome{engine.Disable, engine.Released, off, engine.InactiveInSource, 0, engine.InactiveInSource}},
		{"U15 and unassigned, nothing and delete", "U15", situation{link: engine.Managed, unassigned: true, blocked: true, options: engine.Options{SkipOutOfScope: true, Blocked: does(engine.LeaveDelete)}}, outcome{engine.Delete, engine.LinkNone, "", engine.InactiveInSource, 0, ""}},
		{"U15 and unassigned, nothing and 30 days", "U15", situation{link: engine.Managed, unassigned: true, blocked: true, options: engine.Options{SkipOutOfScope: true, Blocked: after(30 * day)}}, outcome{engine.Disable, engine.Suspended, off, engine.InactiveInSource, 30 * day, engine.InactiveInSource}},
		{"U15 waits, then unassigned, nothing: the date stands", "U15", situation{link: engine.Suspended, inactive: true, unassigned: true, blocked: true, deleteIn: day, left: engine.InactiveInSource, options: engine.Options{SkipOutOfScope: true, Blocked: after(30 * day)}}, outcome{engine.Nothing, engine.Suspended, "", engine.InactiveInSource, day, engine.InactiveInSource}},
		{"U10 and blocked, nothing for both", "U10", situation{link: engine.Managed, unassigned: true, blocked: true, options: engine.Options{SkipOutOfScope: true, SkipDisableWhenBlocked: true}}, outcome{engine.Skip, engine.Released, "", engine.SkipOutOfScope, 0, engine.NotAssigned}},
		{"U10 and blocked, not nothing", "U10", situation{link: engine.Managed, unassigned: true, blocked: true, options: block(does(engine.LeaveDelete))}, outcome{engine.Disable, engine.Released, off, engine.NotAssigned, 0, engine.NotAssigned}},
		{"U15 left alone, then assigned again and blocked, 30 days", "U15", situation{link: engine.Released, blocked: true, left: engine.NotAssigned, options: engine.Options{SkipOutOfScope: true, Blocked: after(30 * day)}}, outcome{engine.Disable, engine.Suspended, off, engine.InactiveInSource, 30 * day, engine.InactiveInSource}},
		{"U15 left alone, then assigned again and blocked, nothing", "U15", situation{link: engine.Released, blocked: true, left: engine.NotAssigned, options: engine.Options{SkipOutOfScope: true, Blocked: does(engine.LeaveNothing)}}, outcome{engine.Skip, engine.Suspended, "", engine.SkipOutOfScope, 0, engine.InactiveInSource}},

		{"U30 back in time", "U30", with(waits, func(s *situation) { s.options, s.unassigned = scope(after(30*day)), false }), outcome{engine.Enable, engine.Managed, "active=true", engine.BackInScope, 0, ""}},
		{"U30 back past the date, before anybody looked", "U30", with(waits, func(s *situation) { s.options, s.unassigned, s.deleteIn = scope(after(30*day)), false, -day }), outcome{engine.Enable, engine.Managed, "active=true", engine.BackInScope, 0, ""}},
		{"U16 unblocked in time", "U16", situation{link: engine.Suspended, inactive: true, deleteIn: day, left: engine.InactiveInSource, options: block(after(30 * day))}, outcome{engine.Enable, engine.Managed, "active=true", engine.SignInAllowed, 0, ""}},
		{"U18 restored in time", "U18", situation{link: engine.Suspended, recycled: true, deleteIn: day, left: engine.RecycledInSource, options: bin(after(30 * day))}, outcome{engine.Enable, engine.Managed, "userName=ann@example.test active=true", engine.RestoredInSource, 0, ""}},

		{"U10 the option is nothing now", "U10", with(waits, func(s *situation) { s.options = scope(does(engine.LeaveNothing)) }), outcome{engine.Skip, engine.Released, "", engine.SkipOutOfScope, 0, engine.NotAssigned}},
		{"U10 the option is disable now", "U10", waits, outcome{engine.Nothing, engine.Released, "", engine.NotAssigned, 0, engine.NotAssigned}},
		{"U10 the option is delete now", "U10", with(waits, func(s *situation) { s.options = scope(does(engine.LeaveDelete)) }), outcome{engine.Delete, engine.LinkNone, "", engine.NotAssigned, 0, ""}},
		{"U10 the grace time is shorter now", "U10", with(waits, func(s *situation) { s.options = scope(after(3 * day)) }), outcome{engine.Nothing, engine.Suspended, "", engine.NotAssigned, 3 * day, engine.NotAssigned}},
		{"U15 a grace time for those who are blocked already", "U15", situation{link: engine.Suspended, inactive: true, blocked: true, left: engine.InactiveInSource, options: block(after(3 * day))}, outcome{engine.Nothing, engine.Suspended, "", engine.InactiveInSource, 3 * day, engine.InactiveInSource}},

		{"U29 filtered out while unassigned counts on", "U29", with(waits, func(s *situation) { s.options, s.unassigned, s.filtered = scope(after(30*day)), false, true }), outcome{engine.Nothing, engine.Suspended, "", engine.FilteredOut, 10 * day, engine.FilteredOut}},
		{"U15 another cause begins anew", "U15", with(waits, func(s *situation) {
			s.unassigned, s.blocked = false, true
			s.options = engine.Options{OutOfScope: after(30 * day), Blocked: after(20 * day)}
		}), outcome{engine.Nothing, engine.Suspended, "", engine.InactiveInSource, 20 * day, engine.InactiveInSource}},
		{"U15 another cause, past the date of the first", "U15", with(waits, func(s *situation) {
			s.unassigned, s.blocked, s.deleteIn = false, true, -day
			s.options = engine.Options{OutOfScope: after(30 * day), Blocked: after(20 * day)}
		}), outcome{engine.Nothing, engine.Suspended, "", engine.InactiveInSource, 20 * day, engine.InactiveInSource}},
		{"U19 restored, unassigned", "U19", situation{link: engine.Suspended, recycled: true, unassigned: true, deleteIn: day, left: engine.RecycledInSource, options: engine.Options{Recycled: after(day), OutOfScope: after(30 * day)}}, outcome{engine.Update, engine.Suspended, "userName=ann@example.test", engine.RestoredInSource, 30 * day, engine.NotAssigned}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := row.s.facts(t)
			op := User(f)
			check(t, op, row.rule, want{row.want.action, row.want.then, row.want.changes, row.want.reason})
			var date time.Time
			if row.want.wait != 0 {
				date = moment.Add(row.want.wait)
			}
			if !op.DeleteAt.Equal(date) || !op.Later.Equal(date) || op.Left != row.want.left {
				t.Errorf("deleted at %s, looked at at %s, for %q; want %s for %q", op.DeleteAt, op.Later, op.Left, date, row.want.left)
			}
		})
	}
}

// An object that is ignored for a while keeps its date: nothing is done to it, and nothing is forgotten.
func TestIgnoredWhileWaiting(t *testing.T) {
	f := situation{link: engine.Suspended, inactive: true, unassigned: true, deleteIn: day, left: engine.NotAssigned}.facts(t)
	f.Factors.Ignored = true
	op := User(f)
	if op.Action != engine.Skip || op.Reason != engine.Excluded || !op.DeleteAt.Equal(f.Link.DeleteAt) || !op.Later.Equal(f.Link.DeleteAt) || op.Left != engine.NotAssigned {
		t.Errorf("%+v", op)
	}
}

// TestGrace follows one person who is never back through the whole grace time.
func TestGrace(t *testing.T) {
	f := situation{link: engine.Managed, unassigned: true, options: engine.Options{OutOfScope: engine.LeaveRule{Action: engine.LeaveDisableDelete, Grace: 30 * day}}}.facts(t)
	var done []engine.Action
	for at := moment; at.Before(moment.Add(40 * day)); at = at.Add(8 * time.Hour) {
		f.Now = at
		op := User(f)
		if op.Action != engine.Nothing {
			done = append(done, op.Action)
		}
		if op.Action == engine.Delete {
			if want := moment.Add(30 * day); !at.Equal(want) {
				t.Errorf("deleted at %s, want %s", at, want)
			}
			break
		}
		link, _ := apply(f, op)
		f.Link = link
	}
	if len(done) != 2 || done[0] != engine.Disable || done[1] != engine.Delete {
		t.Errorf("what was done: %v, want one disable and one delete", done)
	}
}

// TestLeavingDetails: a row says by when the account is to be deleted, and what else is known.
func TestLeavingDetails(t *testing.T) {
	grace := engine.LeaveRule{Action: engine.LeaveDisableDelete, Grace: 30 * day}
	scope := engine.Options{OutOfScope: grace}
	for _, row := range []struct {
		name string
		s    situation
		want string
	}{
		{"disabled for good", situation{link: engine.Managed, unassigned: true}, ""},
		{"disabled, to be deleted", situation{link: engine.Managed, unassigned: true, options: scope}, "to be deleted at 2031-03-31 08:00 UTC"},
		{"filtered out, to be deleted", situation{link: engine.Managed, filtered: true, options: scope}, "sales; to be deleted at 2031-03-31 08:00 UTC"},
		{"waits", situation{link: engine.Suspended, inactive: true, unassigned: true, deleteIn: day, left: engine.NotAssigned, options: scope}, "to be deleted at 2031-03-02 08:00 UTC"},
		{"waits, ¬U", situation{link: engine.Suspended, inactive: true, unassigned: true, deleteIn: day, left: engine.NotAssigned, options: scope, actions: without(noUpdate)}, "to be deleted at 2031-03-02 08:00 UTC"},
		{"waits, the option is disable now, ¬U", situation{link: engine.Suspended, inactive: true, unassigned: true, deleteIn: day, left: engine.NotAssigned, actions: without(noUpdate)}, ""},
		{"waits, purged", situation{link: engine.Suspended, inactive: true, state: engine.HardDeleted, deleteIn: day, left: engine.NotAssigned, options: scope}, "to be deleted at 2031-03-02 08:00 UTC"},
		{"purged, the date is reached", situation{link: engine.Suspended, inactive: true, state: engine.HardDeleted, deleteIn: -day, left: engine.NotAssigned, options: scope}, "the cause was NotAssigned"},
		{"recycled, the date is reached", situation{link: engine.Suspended, inactive: true, unassigned: true, state: engine.SoftDeleted, deleteIn: -day, left: engine.NotAssigned, options: scope}, "the cause was NotAssigned"},
		{"filtered out, the date is reached", situation{link: engine.Suspended, inactive: true, filtered: true, deleteIn: -day, left: engine.FilteredOut, options: scope}, "sales; the cause was FilteredOut"},
		{"unassigned and blocked, nothing", situation{link: engine.Managed, unassigned: true, blocked: true, options: engine.Options{SkipOutOfScope: true}}, "it is out of scope as well (NotAssigned)"},
		{"unassigned and blocked, nothing and 30 days", situation{link: engine.Managed, unassigned: true, blocked: true, options: engine.Options{SkipOutOfScope: true, Blocked: grace}},
			"it is out of scope as well (NotAssigned); to be deleted at 2031-03-31 08:00 UTC"},
	} {
		if got := User(row.s.facts(t)).Detail; got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// TestPurgedWaits follows one person who is unassigned, deleted and purged within the grace time.
func TestPurgedWaits(t *testing.T) {
	f := situation{link: engine.Managed, unassigned: true, options: engine.Options{OutOfScope: engine.LeaveRule{Action: engine.LeaveDisableDelete, Grace: 30 * day}}}.facts(t)
	for at := moment; ; at = at.Add(8 * time.Hour) {
		f.Now = at
		switch days := at.Sub(moment) / day; {
		case days >= 10:
			f.State = engine.HardDeleted
		case days >= 5:
			f.State = engine.SoftDeleted
		}
		op := User(f)
		if op.Action == engine.Delete {
			if want := moment.Add(30 * day); !at.Equal(want) || op.Reason != engine.GraceOver {
				t.Errorf("deleted at %s for %s, want %s", at, op.Reason, want)
			}
			return
		}
		if f.Link, _ = apply(f, op); f.Link == nil || at.After(moment.Add(40*day)) {
			t.Fatalf("at %s: %s by %s", at, op.Action, op.Rule)
		}
	}
}
