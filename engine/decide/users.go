package decide

import (
	"fmt"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// User decides about one user. For a linked user the order of the cases is the precedence of the
// causes: hard-deleted, soft-deleted, unassigned, filtered out, blocked, entitled (section 11).
func User(f Facts) engine.Operation {
	if f.Factors.Ignored {
		return waiting(f, skip("U7", engine.Excluded))
	}
	if f.Link == nil {
		return entering(f)
	}
	x := f.Factors
	switch {
	case f.State == engine.HardDeleted:
		return purged(f)
	case letGo(f):
		return released(f)
	case f.State == engine.SoftDeleted:
		return leaving(f, recycled(f))
	case !x.Assigned:
		return leaving(f, outOfScope(f, "U10", engine.NotAssigned))
	case !x.RoleOK:
		return leaving(f, outOfScope(f, "U10", engine.MissingRole))
	case !x.InFilter:
		return leaving(f, outOfScope(f, "U29", engine.FilteredOut))
	case !x.Enabled:
		return leaving(f, blocked(f.Options))
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
		op.Left = f.Link.Left // nothing was enabled; a date for deleting is forgotten all the same
		return op
	}
	op.Changes = f.Desired.Update(current(f))
	switch {
	case back && f.Link.Recycled:
		op.Rule, op.Reason = "U18", engine.RestoredInSource
	case back && f.Link.State == engine.Suspended && causeOf(f.Link.Left) != leftScope:
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

// What keeps two sides from creating and deleting one account for ever (U33): after Recreations within
// RecreationWindow it is a failure, until the window has moved on.
const (
	Recreations      = 2
	RecreationWindow = 7 * 24 * time.Hour
)

// missing decides about a linked object that the target no longer has: the link is void, and an
// entitled object starts over (U33), unless something else keeps deleting it.
func missing(f Facts, rule engine.Rule, over func(Facts) engine.Operation) engine.Operation {
	if f.Options.MissingIsError {
		return fail(rule, engine.CodeGone, "the linked target object is gone; remove the link or restart the job with links cleared")
	}
	recent := 0
	for _, at := range f.Link.Recreated {
		if at.After(f.Now.Add(-RecreationWindow)) {
			recent++
		}
	}
	if recent >= Recreations {
		return fail(rule, engine.CodeGone, fmt.Sprintf("the linked target object is gone again, although it was created anew %d times within 7 days: "+
			"something else deletes it; find out what, or take the object out of scope", recent))
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
