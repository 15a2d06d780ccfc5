package decide

import (
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// departure is one way of leaving: the row of the tables, why, what the link remembers as the cause, the state of the link when the
// account is disabled for good or left alone, and what the job wants to happen.
type departure struct {
	rule engine.Rule
	why  engine.Reason
	left engine.Reason
	then engine.LinkState
	does engine.LeaveRule
	note string // completes why, for people
}

// outOfScope is the departure of somebody who is unassigned or filtered out. A job that leaves those alone does so because a
// scope may be changed without anybody having left; who is blocked as well did leave, so then the rule about blocked
// people decides (U15). The link is released even so: nobody is deleted for what happens at the source after he was unassigned (U22).
func outOfScope(f Facts, rule engine.Rule, why engine.Reason) departure {
	d := departure{rule, why, why, engine.Released, scopeRule(f.Options), f.Factors.Filter}
	if d.does.Action != engine.LeaveNothing || f.Factors.Enabled {
		return d
	}
	b := blocked(f.Options)
	if b.does.Action == engine.LeaveNothing {
		return d
	}
	b.then, b.note = engine.Released, outToo+" ("+string(why)+")"
	return b
}

// outToo says of somebody who is blocked that this is not all.
const outToo = "it is out of scope as well"

func blocked(o engine.Options) departure {
	return departure{"U15", engine.InactiveInSource, engine.InactiveInSource, engine.Suspended, blockedRule(o), ""}
}

// recycled is the departure of somebody in the recycle bin. Where being there means no more than a disabled account,
// the date from before stands for as long as its cause does.
func recycled(f Facts) departure {
	d := departure{"U17", engine.RecycledInSource, engine.RecycledInSource, engine.Suspended,
		unless(f.Options.SkipDisableWhenRecycled, f.Options.Recycled), f.Factors.Filter}
	if d.does.Action != "" && d.does.Action != engine.LeaveDisable {
		return d
	}
	if was, ok := promised(f); ok && was.Action == engine.LeaveDisableDelete &&
		(causeOf(f.Link.Left) == leftScope && !f.Factors.InScope() || causeOf(f.Link.Left) == leftBlocked && !f.Factors.Enabled) {
		d.does, d.left = was, f.Link.Left
	}
	return d
}

// promised is the rule by which an account waits to be deleted since its owner left the scope or was blocked, as the job has it
// now; ok is false for an account that does not wait, or waits because of the recycle bin.
func promised(f Facts) (r engine.LeaveRule, ok bool) {
	if f.Link.DeleteAt.IsZero() || !f.Mapping.Actions.Delete {
		return r, false
	}
	switch causeOf(f.Link.Left) {
	case leftScope:
		return scopeRule(f.Options), true
	case leftBlocked:
		return blockedRule(f.Options), true
	default:
		return r, false
	}
}

func scopeRule(o engine.Options) engine.LeaveRule { return unless(o.SkipOutOfScope, o.OutOfScope) }

func blockedRule(o engine.Options) engine.LeaveRule {
	return unless(o.SkipDisableWhenBlocked, o.Blocked)
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
	op := engine.Operation{Action: engine.Nothing, Rule: d.rule, Reason: d.why, Detail: d.note, Then: d.then, Left: d.left}
	switch {
	case d.does.Action == engine.LeaveNothing:
		op.Action, op.Reason = engine.Skip, engine.SkipOutOfScope
		return op
	case f.Options.HardDisable || f.Mapping.NoSoftDelete:
		return detail(removing(f, d.rule, d.why), d.note) // there is nothing to wait in
	case d.does.Action == engine.LeaveDelete && f.Mapping.Actions.Delete:
		return detail(removing(f, d.rule, d.why), d.note)
	case !date.IsZero() && date.Equal(f.Link.DeleteAt) && !f.Now.Before(date):
		return detail(removing(f, d.rule, engine.GraceOver), remarks(d.note, theCause(d.left)))
	case !f.Mapping.Actions.Update:
		op.Action, op.Reason, op.Then, op.Left = engine.Skip, engine.UpdateDisabled, "", f.Link.Left
		if !f.Link.DeleteAt.IsZero() { // disabled while that was allowed
			op.DeleteAt, op.Later, op.Left = date, date, d.left
			if !date.IsZero() {
				op.Detail = remarks(op.Detail, deletedAt(date))
			}
		}
		return op
	}
	if !date.IsZero() {
		op.Then = engine.Suspended
		op.DeleteAt, op.Later = date, date
		op.Detail = remarks(op.Detail, deletedAt(date))
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
	if at := f.Link.DeleteAt; !at.IsZero() && at.Before(fresh) && causeOf(f.Link.Left) == causeOf(d.left) {
		return at
	}
	return fresh
}

// toBeDeleted begins what a row says of an account that waits to be deleted.
const toBeDeleted = "to be deleted at "

func deletedAt(date time.Time) string { return toBeDeleted + stamp(date) }

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 UTC") }

// theCause says why the account waited that is deleted now.
func theCause(left engine.Reason) string { return "the cause was " + string(left) }

// remarks puts what there is to say into one detail.
func remarks(all ...string) string {
	said := all[:0:0]
	for _, s := range all {
		if s != "" {
			said = append(said, s)
		}
	}
	return strings.Join(said, "; ")
}

// filterOf is the name of the filter in the detail of somebody who was filtered out.
func filterOf(detail string) string {
	if i := strings.LastIndex(detail, toBeDeleted); i >= 0 {
		detail = strings.TrimSuffix(detail[:i], "; ")
	}
	return detail
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

// letGo reports whether somebody was released earlier and is none of our business now. An account that was left
// active becomes ours again as soon as its owner is in scope, whether blocked or recycled by then or not: the reason for leaving it
// alone, a change of the scope, is gone. One that we disabled stays as it is until its owner is entitled to it.
func letGo(f Facts) bool {
	if f.Link == nil || f.Link.State != engine.Released {
		return false
	}
	gone := f.State != engine.Active || !f.Factors.Enabled
	return f.State == engine.HardDeleted || !f.Factors.InScope() || f.Link.Disabled && gone
}

// released decides about a user for whom [letGo] holds: whatever happens to it at the source does not concern the target any
// more (U22b).
func released(f Facts) engine.Operation {
	if f.Link.Recycled && f.State == engine.Active && f.Mapping.Actions.Update {
		// It went through the recycle bin while it was managed: the name goes back (U19).
		op := leaving(f, departure{rule: "U22b", why: engine.NoLongerManaged, left: engine.NoLongerManaged, then: engine.Released, note: f.Factors.Filter})
		if op.Action == engine.Update {
			op.Left = f.Link.Left
			return op
		}
	}
	op := skip("U22b", engine.NoLongerManaged)
	op.Left = f.Link.Left
	return op
}

// purged decides about a linked user that is gone from the source for good. The date by which an account waits to be deleted
// since its owner left the scope or was blocked is not brought forward by that; if the job has another rule by now it is as though
// the rule had been applied first. Waiting in the recycle bin ends with being purged.
func purged(f Facts) engine.Operation {
	was, waits := promised(f)
	later := waits && was.Action == engine.LeaveDisableDelete
	switch {
	case f.Link.State == engine.Released,
		waits && !later && was.Action != engine.LeaveDelete && causeOf(f.Link.Left) == leftScope: // the rule of today releases
		op := skip("U22", engine.NoLongerManaged)
		op.Then = engine.LinkNone
		return op
	case !later:
		return removing(f, "U21", engine.DeletedInSource)
	}
	left := f.Link.Left
	date := departure{left: left, does: was}.date(f)
	if !f.Now.Before(date) {
		return detail(removing(f, "U21", engine.GraceOver), theCause(left))
	}
	return engine.Operation{
		Action: engine.Nothing, Rule: "U21", Reason: engine.DeletedInSource, Detail: deletedAt(date),
		Then: engine.Suspended, DeleteAt: date, Later: date, Left: left,
	}
}

// removing deletes the target object if that is allowed.
func removing(f Facts, rule engine.Rule, why engine.Reason) engine.Operation {
	if !f.Mapping.Actions.Delete {
		return engine.Operation{Action: engine.Skip, Rule: rule, Reason: engine.DeleteDisabled, Then: engine.Released}
	}
	return engine.Operation{Action: engine.Delete, Rule: rule, Reason: why, Then: engine.LinkNone}
}
