package decide

import (
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// departure is one way of leaving: the row of the tables, why, the state of the link when the account is disabled for
// good or left alone, and what the job wants to happen.
type departure struct {
	rule engine.Rule
	why  engine.Reason
	then engine.LinkState
	does engine.LeaveRule
}

func outOfScope(rule engine.Rule, why engine.Reason, o engine.Options) departure {
	return departure{rule, why, engine.Released, unless(o.SkipOutOfScope, o.OutOfScope)}
}

func blocked(o engine.Options) departure {
	return departure{"U15", engine.InactiveInSource, engine.Suspended, unless(o.SkipDisableWhenBlocked, o.Blocked)}
}

func recycled(o engine.Options) departure {
	return departure{"U17", engine.RecycledInSource, engine.Suspended, unless(o.SkipDisableWhenRecycled, o.Recycled)}
}

// unless gives the older switch precedence: of two wishes the one that takes less away counts.
func unless(alone bool, r engine.LeaveRule) engine.LeaveRule {
	if alone {
		return engine.LeaveRule{Action: engine.LeaveNothing}
	}
	return r
}

// leaving decides about a linked user that is no longer entitled. The export carries only what
// depends on IsSoftDeleted, normally active = false, and never other pending differences (section 9); a
// user in the recycle bin is then renamed as the source renamed it, and back again when it left the
// bin but stays inactive (U17, U19, U20).
//
// Where the job deletes after a grace time the account is disabled first and stays under management, Suspended, with
// the date in [engine.Operation.DeleteAt]. Where it may not be deleted (Delete switched off) it is disabled only: nobody keeps
// access because of a switch that is about deleting.
func leaving(f Facts, d departure) engine.Operation {
	date := d.date(f)
	op := engine.Operation{Action: engine.Nothing, Rule: d.rule, Reason: d.why, Detail: f.Factors.Filter, Then: d.then, Left: d.why}
	switch {
	case d.does.Action == engine.LeaveNothing:
		op.Action, op.Reason = engine.Skip, engine.SkipOutOfScope
		return op
	case f.Options.HardDisable || f.Mapping.NoSoftDelete:
		return removing(f, d.rule, d.why) // there is nothing to wait in
	case d.does.Action == engine.LeaveDelete && f.Mapping.Actions.Delete:
		return detail(removing(f, d.rule, d.why), f.Factors.Filter)
	case !date.IsZero() && date.Equal(f.Link.DeleteAt) && !f.Now.Before(date):
		return detail(removing(f, d.rule, engine.GraceOver), "the cause was "+string(d.why))
	case !f.Mapping.Actions.Update:
		op.Action, op.Reason, op.Then, op.Left = engine.Skip, engine.UpdateDisabled, "", f.Link.Left
		if !f.Link.DeleteAt.IsZero() { // disabled while that was allowed
			op.DeleteAt, op.Later, op.Left = date, date, d.why
		}
		return op
	}
	if !date.IsZero() {
		op.Then = engine.Suspended
		op.DeleteAt, op.Later = date, date
	}
	for _, c := range f.Desired.Update(current(f)) {
		switch {
		case c.SoftDelete:
			op.Action, op.Changes = engine.Disable, append(op.Changes, c)
		case isUserName(c.Path) && c.New != nil && followsName(f):
			op.Changes = append(op.Changes, c)
		}
	}
	if op.Action == engine.Nothing && len(op.Changes) > 0 {
		op.Action = engine.Update
		if f.Link.Recycled && f.State == engine.Active {
			op.Rule, op.Reason = "U20", engine.RestoredInSource
			if causeOf(d.why) == leftScope {
				op.Rule = "U19"
			}
		}
	}
	return op
}

// date is when the account is to be deleted, zero for never. A date once given stands as long as people left for
// the same kind of cause; another cause begins a new grace time. It is never further away than the grace time that is set
// now, so that a shorter one reaches those who wait already.
func (d departure) date(f Facts) time.Time {
	if d.does.Action != engine.LeaveDisableDelete || !f.Mapping.Actions.Delete {
		return time.Time{}
	}
	fresh := f.Now.Add(d.does.Grace)
	if at := f.Link.DeleteAt; !at.IsZero() && at.Before(fresh) && causeOf(f.Link.Left) == causeOf(d.why) {
		return at
	}
	return fresh
}

// waiting keeps what is remembered of somebody whose account waits to be deleted, for an operation that is not about
// leaving.
func waiting(f Facts, op engine.Operation) engine.Operation {
	if f.Link == nil {
		return op
	}
	op.DeleteAt, op.Left = f.Link.DeleteAt, f.Link.Left
	if op.DeleteAt.After(f.Now) {
		op.Later = op.DeleteAt
	}
	return op
}

// cause is the kind of event by which somebody left; each has an option of its own.
type cause int

const (
	leftNot cause = iota
	leftScope
	leftBlocked
	leftRecycled
)

// causeOf sorts what [engine.Link.Left] remembers.
func causeOf(why engine.Reason) cause {
	switch why {
	case "":
		return leftNot
	case engine.InactiveInSource:
		return leftBlocked
	case engine.RecycledInSource:
		return leftRecycled
	default:
		return leftScope
	}
}

// followsName reports whether a change of userName is part of leaving: when the source rewrote the
// name of a recycled user, and when it gave the name back.
func followsName(f Facts) bool {
	return !f.Options.KeepNameOnSoftDelete && (f.State == engine.SoftDeleted || f.Link.Recycled) && softDeletable(f.Mapping)
}

// softDeletable reports whether some mapping depends on IsSoftDeleted; without one, nothing is
// disabled and the rename is dropped too (column ¬M).
func softDeletable(m *mapping.Object) bool {
	for i := range m.Attributes {
		if m.Attributes[i].SoftDelete() {
			return true
		}
	}
	return false
}

// released decides about a user that was let go earlier and is not entitled now: whatever happens
// to it at the source does not concern the target any more (U22b).
func released(f Facts) engine.Operation {
	if f.Link.Recycled && f.State == engine.Active && f.Mapping.Actions.Update {
		// It went through the recycle bin while it was managed: the name goes back (U19).
		op := leaving(f, departure{rule: "U22b", why: engine.NoLongerManaged, then: engine.Released})
		if op.Action == engine.Update {
			op.Left = f.Link.Left
			return op
		}
	}
	op := skip("U22b", engine.NoLongerManaged)
	op.Left = f.Link.Left
	return op
}

// purged decides about a linked user that is gone from the source for good.
func purged(f Facts) engine.Operation {
	if f.Link.State == engine.Released {
		op := skip("U22", engine.NoLongerManaged)
		op.Then = engine.LinkNone
		return op
	}
	return removing(f, "U21", engine.DeletedInSource)
}

// removing deletes the target object if that is allowed.
func removing(f Facts, rule engine.Rule, why engine.Reason) engine.Operation {
	if !f.Mapping.Actions.Delete {
		return engine.Operation{Action: engine.Skip, Rule: rule, Reason: engine.DeleteDisabled, Then: engine.Released}
	}
	return engine.Operation{Action: engine.Delete, Rule: rule, Reason: why, Then: engine.LinkNone}
}
