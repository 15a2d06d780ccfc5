package decide

import "github.com/scimsync/scimsync/engine"

// Group decides about one group object. Its members are no part of the decision: they are edges,
// exported after all objects (13.3).
func Group(f Facts) engine.Operation {
	switch {
	case !f.Mapping.Enabled:
		return skip("G13", engine.MappingDisabled)
	case f.Factors.Ignored:
		return skip("G14", engine.Excluded)
	case f.Link == nil:
		return enteringGroup(f)
	}
	x := f.Factors
	switch {
	case f.Link.State == engine.Released && (f.State != engine.Active || !x.InScope()):
		op := skip("G16", engine.NoLongerManaged)
		if f.State == engine.HardDeleted {
			op.Then = engine.LinkNone
		}
		return op
	case f.State == engine.HardDeleted:
		return removingGroup(f, "G8", engine.DeletedInSource)
	case f.State == engine.SoftDeleted:
		return groupOutOfScope(f, "G9", engine.RecycledInSource)
	case !x.Assigned:
		return groupOutOfScope(f, "G7", engine.NotAssigned)
	case !x.RoleOK:
		return groupOutOfScope(f, "G7", engine.MissingRole)
	case !x.InFilter:
		return detail(groupOutOfScope(f, "G14", engine.FilteredOut), x.Filter)
	default:
		return stayingGroup(f)
	}
}

func enteringGroup(f Facts) engine.Operation {
	x := f.Factors
	switch {
	case f.State != engine.Active:
		return skip("G9", engine.NoLongerManaged)
	case !x.Assigned:
		return skip("G15", engine.NotAssigned)
	case !x.RoleOK:
		return skip("G15", engine.MissingRole)
	case !x.InFilter:
		return detail(skip("G14", engine.FilteredOut), x.Filter)
	}
	return adopting(f, rules{create: "G1", update: "G2", enable: "G2", several: "G2", taken: "G12", noValue: "G11", required: "G11"})
}

func stayingGroup(f Facts) engine.Operation {
	switch {
	case f.MappingError != nil:
		return mappingFailed(f)
	case f.Target.State == Absent:
		return missing(f, "G10", enteringGroup)
	case f.Target.State == NotLooked && (f.Doubt || f.Link.Verify || f.Link.State == engine.Released):
		return engine.Operation{Action: engine.Look, Rule: "G2", Reason: engine.BackInScope}
	}
	op := engine.Operation{Action: engine.Nothing, Rule: "G2", Reason: engine.RedundantExport, Then: engine.Managed}
	if !f.Mapping.Actions.Update {
		op.Action, op.Reason, op.Then = engine.Skip, engine.UpdateDisabled, ""
		return op
	}
	if op.Changes = f.Desired.Update(current(f)); len(op.Changes) == 0 {
		return op
	}
	op.Action, op.Reason = engine.Update, engine.AttributesChanged
	if renames(f, op.Changes) {
		op.Rule, op.Reason = "G3", engine.Renamed
	}
	return op
}

// groupOutOfScope: groups have no disabled state, so leaving the scope means DELETE unless the job
// says otherwise (G7).
func groupOutOfScope(f Facts, rule engine.Rule, why engine.Reason) engine.Operation {
	switch {
	case f.Options.SkipOutOfScope || f.Options.GroupOutOfScope == engine.GroupLeave:
		return leftAlone(rule, engine.SkipOutOfScope)
	case f.Options.GroupOutOfScope == engine.GroupEmpty && !f.Mapping.Actions.Update:
		return leftAlone(rule, engine.UpdateDisabled)
	case f.Options.GroupOutOfScope == engine.GroupEmpty && !f.Mapping.MembersMapped():
		return leftAlone(rule, engine.SkipOutOfScope) // its members are none of our business
	case f.Options.GroupOutOfScope == engine.GroupEmpty:
		return engine.Operation{Action: engine.Update, Rule: rule, Reason: why, Then: engine.Released, EmptyMembers: true}
	default:
		return removingGroup(f, rule, why)
	}
}

func leftAlone(rule engine.Rule, why engine.Reason) engine.Operation {
	return engine.Operation{Action: engine.Skip, Rule: rule, Reason: why, Then: engine.Released}
}

func removingGroup(f Facts, rule engine.Rule, why engine.Reason) engine.Operation {
	op := removing(f, rule, why)
	if op.Action == engine.Skip {
		op.Rule = "G16"
	}
	return op
}
