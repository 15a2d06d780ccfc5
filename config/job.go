package config

import (
	"cmp"
	"time"

	"github.com/scimsync/scimsync/mapping"
)

// Job is one pairing of a source and a target.
type Job struct {
	// ID names the job: lower-case letters, digits and hyphens, at most 63.
	ID string `yaml:"id,required"`
	// Enabled is the provisioning status: true is On.
	Enabled bool `yaml:"enabled"`
	// Interval is the time between two cycles, 1m to 24h.
	Interval time.Duration `yaml:"interval"`
	// Scope says who is a candidate: those assigned to the application, or everybody in the directory.
	Scope string `yaml:"scope" enum:"assigned|all"`
	// Source is where people and groups are read. Its keys depend on its type.
	Source Block `yaml:"source,required"`
	// Target is the application to write to. Its keys depend on its type.
	Target Block `yaml:"target,required"`
	// Schema is the path of an Entra synchronization schema JSON, used instead of mappings.
	Schema string `yaml:"schema,path"`
	// Mappings say what is written where. Left out: the default mapping.
	Mappings Mappings `yaml:"mappings"`
	// Deletions says when disabling, deleting and removing waits for approval.
	Deletions Deletions `yaml:"deletions"`
	// Notify says who is told.
	Notify Notify `yaml:"notify"`
	// NestedGroups says what becomes of groups inside of groups. ignore: only direct members count. expand: everybody below
	// an assigned group is assigned, and a direct member at the target. asMembers: the inner group is a member at the
	// target, if it is provisioned itself.
	NestedGroups string `yaml:"nestedGroups" enum:"ignore|expand|asMembers"`
	// OnOutOfScope says what happens to the account of somebody who was unassigned or filtered out.
	OnOutOfScope Leave `yaml:"onOutOfScope"`
	// OnBlocked says what happens to the account of somebody whose sign-in was blocked at the source.
	OnBlocked Leave `yaml:"onBlocked"`
	// OnRecycled says what happens to the account of somebody who was soft-deleted at the source.
	OnRecycled Leave `yaml:"onRecycled"`
	// Quarantine names the numbers of failures that put the job into quarantine. adaptive: they fit small directories too.
	// entra: 5,000 failures and 40 % at least, as Microsoft Entra has it.
	Quarantine string `yaml:"quarantine" enum:"adaptive|entra"`
	// RenameOnSoftDelete says whether an account follows the rename that a soft delete causes at the source.
	RenameOnSoftDelete string `yaml:"renameOnSoftDelete" enum:"follow|never"`
	// OnTargetMissing says what happens when an account that is linked is gone from the target.
	OnTargetMissing string `yaml:"onTargetMissing" enum:"recreate|error"`
	// OnGroupOutOfScope says what happens to a group at the target when it leaves the scope. empty: its members are
	// removed and the group stays.
	OnGroupOutOfScope string `yaml:"onGroupOutOfScope" enum:"delete|empty|leave"`
	// RequireRole ignores assignments with the default access role.
	RequireRole bool `yaml:"requireRole"`
	// Compat changes the defaults of other keys to what another service does. With entra, onTargetMissing is
	// error, deletions.threshold and deletions.emptiedGroup are 0 and quarantine is entra; and when quarantine comes upon an
	// initial cycle, failures are dropped and the job is paused at its end.
	Compat string `yaml:"compat" enum:"|entra"`

	// Mapping is what Schema or Mappings say, ready for use.
	Mapping mapping.Mapping `yaml:"-"`
}

// Mappings are the mappings of a job as they are written.
type Mappings struct {
	// Users says how people become accounts.
	Users *mapping.ObjectSpec `yaml:"users"`
	// Groups says how groups become groups.
	Groups *mapping.ObjectSpec `yaml:"groups"`
}

// Deletions says when disabling, deleting and removing waits for approval.
type Deletions struct {
	// Threshold holds a cycle's disables and deletes for approval when there are more. 0: off. Left out, and percent
	// too: a tenth of the managed objects, at least 5 and at most 500.
	Threshold *int `yaml:"threshold"`
	// Percent is the same limit as a share of the managed objects. With both the smaller one counts. 0: no such limit.
	Percent float64 `yaml:"percent"`
	// Memberships holds a cycle's membership removals for approval when there are more. 0: off.
	Memberships int `yaml:"memberships"`
	// EmptiedGroup holds the removal of all members of a group that has at least that many. 0: off.
	EmptiedGroup *int `yaml:"emptiedGroup"`
	// SkipOutOfScope is an older way to write onOutOfScope: nothing.
	SkipOutOfScope bool `yaml:"skipOutOfScope"`
	// SkipDisableWhenBlocked is an older way to write onBlocked: nothing.
	SkipDisableWhenBlocked bool `yaml:"skipDisableWhenBlocked"`
	// SkipDisableWhenRecycled is an older way to write onRecycled: nothing.
	SkipDisableWhenRecycled bool `yaml:"skipDisableWhenRecycled"`
}

// Notify says who is told about a job.
type Notify struct {
	// Email lists the addresses.
	Email []string `yaml:"email"`
	// OnFailure sends mail when the job goes into quarantine or holds deletions.
	OnFailure bool `yaml:"onFailure"`
	// Digest sends mail after a cycle in which objects failed, with their number and the kinds of errors.
	Digest bool `yaml:"digest"`
}

func (j *Job) setDefaults() {
	*j = Job{
		Enabled:           true,
		Interval:          40 * time.Minute,
		Scope:             "assigned",
		NestedGroups:      "ignore",
		OnGroupOutOfScope: "delete",
		OnOutOfScope:      Leave{Action: LeaveDisable},
		OnBlocked:         Leave{Action: LeaveDisable},
		OnRecycled:        Leave{Action: LeaveDisable},
		// What depends on Compat is in defaults.
	}
}

// defaults fills what depends on other keys.
func (j *Job) defaults() {
	missing, quarantine, emptied := "recreate", "adaptive", 10
	if j.Compat == "entra" {
		missing, quarantine, emptied = "error", "entra", 0
	}
	j.RenameOnSoftDelete = cmp.Or(j.RenameOnSoftDelete, "follow")
	j.OnTargetMissing = cmp.Or(j.OnTargetMissing, missing)
	j.Quarantine = cmp.Or(j.Quarantine, quarantine)
	d := &j.Deletions
	if d.EmptiedGroup == nil {
		d.EmptiedGroup = &emptied
	}
	if d.Threshold == nil && d.Percent == 0 && j.Compat == "entra" {
		d.Threshold = new(0)
	}
}
