package main

import (
	"cmp"
	"slices"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/connectors/msgraph"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// options translates the switches of a job.
func options(j config.Job) engine.Options {
	o := engine.Options{
		SkipOutOfScope:          j.Deletions.SkipOutOfScope,
		SkipDisableWhenBlocked:  j.Deletions.SkipDisableWhenBlocked,
		SkipDisableWhenRecycled: j.Deletions.SkipDisableWhenRecycled,
		KeepNameOnSoftDelete:    j.RenameOnSoftDelete == "never",
		MissingIsError:          j.OnTargetMissing == "error",
		OutOfScope:              leaveRule(j.OnOutOfScope),
		Blocked:                 leaveRule(j.OnBlocked),
		Recycled:                leaveRule(j.OnRecycled),
		Nested:                  engine.NestedGroups(j.NestedGroups),
		GroupOutOfScope:         engine.GroupAction(j.OnGroupOutOfScope),
		RequireRole:             j.RequireRole,
		Deletions:               engine.DeletionGuard{Percent: j.Deletions.Percent, Removals: engine.RemovalGuard{Max: j.Deletions.Memberships}},
		Quarantine:              engine.QuarantinePreset(j.Quarantine),
		PruneEscrows:            j.Compat == "entra",
	}
	if t := j.Deletions.Threshold; t != nil {
		o.Deletions.Off, o.Deletions.Threshold = *t == 0, *t
	}
	if n := j.Deletions.EmptiedGroup; n != nil {
		o.Deletions.Removals.Emptied = *n
	}
	return o
}

func leaveRule(l config.Leave) engine.LeaveRule {
	return engine.LeaveRule{Action: engine.LeaveAction(l.Action), Grace: l.Grace}
}

// selection is what the source has to read for the mappings and filters of a job.
func selection(j config.Job) msgraph.Select {
	s := msgraph.Select{
		Users:  mapping.GraphSelect(j.Mapping.Users.SourceAttributes()),
		Groups: mapping.GraphSelect(j.Mapping.Groups.SourceAttributes()),
	}
	for _, a := range j.Mapping.Users.References() {
		if name, ok := a.Source.Direct(); ok && name == "manager" {
			s.Manager = true
		}
	}
	return s
}

// usesRoles reports whether a mapping or filter of users reads their app roles.
func usesRoles(j config.Job) bool {
	return slices.Contains(j.Mapping.Users.SourceAttributes(), "appRoleAssignments")
}

// matching are the attributes by which objects are found at the target.
func matching(j *engine.Job) map[engine.Kind][]engine.Path {
	out := map[engine.Kind][]engine.Path{engine.User: paths(j.Mapping.Users)}
	if j.Mapping.Groups.Enabled {
		out[engine.Group] = paths(j.Mapping.Groups)
	}
	return out
}

func paths(m mapping.Object) []engine.Path {
	var by []mapping.Attribute
	for _, a := range m.Attributes {
		if a.Match > 0 {
			by = append(by, a)
		}
	}
	slices.SortStableFunc(by, func(a, b mapping.Attribute) int { return cmp.Compare(a.Match, b.Match) })
	var out []engine.Path
	for _, a := range by {
		out = append(out, a.Target)
	}
	return out
}
