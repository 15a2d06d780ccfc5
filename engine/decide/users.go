package decide

import (
	"strings"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// User decides about one user. For a linked user the order of the cases is the precedence of the
// causes: hard-deleted, soft-deleted, unassigned, filtered out, blocked, entitled (section 11).
func User(f Facts) engine.Operation {
	if f.Factors.Ignored {
		return skip("U7", engine.Excluded)
	}
	if f.Link == nil {
		return entering(f)
	}
	x := f.Factors
	switch {
	case f.State == engine.HardDeleted:
		return purged(f)
	case f.Link.State == engine.Released && (f.State != engine.Active || !x.InScope() || !x.Enabled):
		return released(f)
	case f.State == engine.SoftDeleted:
		return leaving(f, "U17", engine.RecycledInSource, engine.Suspended, f.Options.SkipDisableWhenRecycled)
	case !x.Assigned:
		return leaving(f, "U10", engine.NotAssigned, engine.Released, f.Options.SkipOutOfScope)
	case !x.RoleOK:
		return leaving(f, "U10", engine.MissingRole, engine.Released, f.Options.SkipOutOfScope)
	case !x.InFilter:
		return leaving(f, "U29", engine.FilteredOut, engine.Released, f.Options.SkipOutOfScope)
	case !x.Enabled:
		return leaving(f, "U15", engine.InactiveInSource, engine.Suspended, f.Options.SkipDisableWhenBlocked)
	default:
		return staying(f)
	}
}

// entering decides about a user without a link: only somebody entitled is ever looked up or
// created, so that accounts outside of the scope are never touched (U6, U7, U9b).
func entering(f Facts) engine.Operation {
	x := f.Factors
	switch {
	case f.State == engine.HardDeleted:
		return skip("U22", engine.NoLongerManaged)
	case f.State == engine.SoftDeleted:
		return skip("U6", engine.RecycledInSource)
	case !x.Assigned:
		return skip("U9b", engine.NotAssigned)
	case !x.RoleOK:
		return skip("U9b", engine.MissingRole)
	case !x.InFilter:
		return detail(skip("U7", engine.FilteredOut), x.Filter)
	case !x.Enabled:
		return skip("U6", engine.InactiveInSource)
	}
	return adopting(f, rules{create: "U1", update: "U2", enable: "U3", several: "U4", taken: "U5", noValue: "U8", required: "U9"})
}

// rules names the rows that users and groups follow when they meet the target for the first time.
type rules struct{ create, update, enable, several, taken, noValue, required engine.Rule }

// adopting decides about an entitled object that has no link: it is matched, or else created.
func adopting(f Facts, r rules) engine.Operation {
	switch {
	case f.MappingError != nil:
		return mappingFailed(f)
	case len(f.Desired.Matching()) == 0:
		return skip(r.noValue, engine.ImportSkipped)
	}
	switch f.Target.State {
	case Several:
		op := fail(r.several, engine.CodeDuplicateTarget, "several target objects match: "+strings.Join(f.Target.Several, ", "))
		op.MatchedBy = f.Target.MatchedBy
		return op
	case Taken:
		return fail(r.taken, engine.CodeDuplicateSource,
			"the matching target object "+f.Target.Resource.ID+" is linked to another source object, "+f.Target.TakenBy)
	case Found:
		return adopt(f, r)
	case Absent:
		if !f.Mapping.Actions.Create {
			return skip(r.create, engine.CreateDisabled)
		}
		values, err := f.Desired.Create()
		if err != nil {
			return fail(r.required, engine.CodeRequiredMissing, err.Error())
		}
		return engine.Operation{Action: engine.Create, Rule: r.create, Reason: engine.Assigned, Values: values, Then: engine.Managed}
	default:
		return engine.Operation{Action: engine.Look, Rule: r.create, Reason: engine.Assigned}
	}
}

// adopt takes over the one match: it is under management from now on (8.11).
func adopt(f Facts, r rules) engine.Operation {
	op := engine.Operation{
		Action: engine.Nothing, Rule: r.update, Reason: engine.RedundantExport, Then: engine.Managed,
		Adopt: f.Target.Resource.ID, MatchedBy: f.Target.MatchedBy,
	}
	if !f.Mapping.Actions.Update {
		op.Action, op.Reason = engine.Skip, engine.UpdateDisabled
		return op
	}
	op.Changes = f.Desired.Update(f.Target.Resource.Read)
	if len(op.Changes) == 0 {
		return op
	}
	op.Action, op.Reason = engine.Update, engine.Matched
	if enables(op.Changes) {
		op.Action, op.Rule = engine.Enable, r.enable
	}
	return op
}

// staying decides about a linked user that is entitled: it is brought up to date, and back if it
// had left.
func staying(f Facts) engine.Operation {
	if f.MappingError != nil {
		return mappingFailed(f)
	}
	back := f.Link.State != engine.Managed
	switch {
	case f.Target.State == Absent: // the linked account is gone (U33)
		return missing(f, "U33", func(f Facts) engine.Operation { return entering(f) })
	case f.Target.State == NotLooked && (f.Doubt || f.Link.Verify || f.Link.State == engine.Released):
		return engine.Operation{Action: engine.Look, Rule: "U30", Reason: engine.BackInScope}
	}
	op := engine.Operation{Action: engine.Nothing, Rule: "U26", Reason: engine.RedundantExport, Then: engine.Managed}
	if !f.Mapping.Actions.Update {
		op.Action, op.Rule, op.Reason, op.Then = engine.Skip, "U25", engine.UpdateDisabled, ""
		return op
	}
	op.Changes = f.Desired.Update(current(f))
	switch {
	case back && f.Link.Recycled:
		op.Rule, op.Reason = "U18", engine.RestoredInSource
	case back && f.Link.State == engine.Suspended:
		op.Rule, op.Reason = "U16", engine.SignInAllowed
	case back:
		op.Rule, op.Reason = "U30", engine.BackInScope
	case renames(f, op.Changes):
		op.Rule, op.Reason = "U24", engine.Renamed
	case len(op.Changes) > 0:
		op.Rule, op.Reason = "U25", engine.AttributesChanged
	}
	switch {
	case len(op.Changes) == 0:
	case enables(op.Changes):
		op.Action = engine.Enable
	default:
		op.Action = engine.Update
	}
	return op
}

// leaving decides about a linked user that is no longer entitled. The export carries only what
// depends on IsSoftDeleted, normally active = false, and never other pending differences (section 9); a
// user in the recycle bin is then renamed as the source renamed it, and back again when it left the
// bin but stays inactive (U17, U19, U20).
func leaving(f Facts, rule engine.Rule, why engine.Reason, then engine.LinkState, leaveAlone bool) engine.Operation {
	op := engine.Operation{Action: engine.Nothing, Rule: rule, Reason: why, Detail: f.Factors.Filter, Then: then}
	switch {
	case leaveAlone:
		op.Action, op.Reason = engine.Skip, engine.SkipOutOfScope
		return op
	case f.Options.HardDisable || f.Mapping.NoSoftDelete:
		return removing(f, rule, why)
	case !f.Mapping.Actions.Update:
		op.Action, op.Reason, op.Then = engine.Skip, engine.UpdateDisabled, ""
		return op
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
			if then == engine.Released {
				op.Rule = "U19"
			}
		}
	}
	return op
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
		op := leaving(f, "U22b", engine.NoLongerManaged, engine.Released, false)
		if op.Action == engine.Update {
			return op
		}
	}
	return skip("U22b", engine.NoLongerManaged)
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

// missing decides about a linked object that the target no longer has: the link is void, and an
// entitled object starts over (U33).
func missing(f Facts, rule engine.Rule, over func(Facts) engine.Operation) engine.Operation {
	if f.Options.MissingIsError {
		return fail(rule, engine.CodeGone, "the linked target object is gone; remove the link or restart the job with links cleared")
	}
	f.Link, f.Target = nil, Target{}
	op := over(f)
	op.Rule = rule
	if op.Action == engine.Skip {
		op.Then = engine.LinkNone
	}
	return op
}

// current reads what the target holds: live if it was looked at, else as last exported. What a
// target never tells (a password) is always compared with what was exported.
func current(f Facts) func(engine.Path) any {
	exported := func(p engine.Path) any { return f.Link.Exported[p.Key()] }
	if f.Target.State != Found {
		return exported
	}
	return func(p engine.Path) any {
		for i := range f.Mapping.Attributes {
			if a := &f.Mapping.Attributes[i]; a.Definition.Mutability == mapping.WriteOnly && a.Target.Same(p) {
				return exported(p)
			}
		}
		return f.Target.Resource.Read(p)
	}
}

func isUserName(p engine.Path) bool { return p.Key() == "username" }

// renames reports whether a change touches a matching attribute (U24, U24b).
func renames(f Facts, changes []engine.AttributeChange) bool {
	for _, c := range changes {
		for i := range f.Mapping.Attributes {
			if a := &f.Mapping.Attributes[i]; a.Match > 0 && a.Target.Key() == c.Path.Key() {
				return true
			}
		}
	}
	return false
}

// enables reports whether the changes make an inactive account active again.
func enables(changes []engine.AttributeChange) bool {
	for _, c := range changes {
		if c.Path.Key() == "active" && c.New == true {
			return true
		}
	}
	return false
}

func skip(r engine.Rule, why engine.Reason) engine.Operation {
	return engine.Operation{Action: engine.Skip, Rule: r, Reason: why}
}

func detail(op engine.Operation, text string) engine.Operation {
	op.Detail = text
	return op
}

func fail(r engine.Rule, c engine.Code, text string) engine.Operation {
	return engine.Operation{Action: engine.Fail, Rule: r, Reason: engine.MappingFailed, Code: c, Detail: text}
}

func mappingFailed(f Facts) engine.Operation {
	return fail("U9", engine.CodeMapping, f.MappingError.Error())
}
