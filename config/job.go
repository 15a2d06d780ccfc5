package config

import (
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
	// Deletions says when accounts are disabled and deleted, and when that waits for approval.
	Deletions Deletions `yaml:"deletions"`
	// Notify says who is told.
	Notify Notify `yaml:"notify"`
	// RenameOnSoftDelete says whether an account follows the rename that a soft delete causes at the source.
	RenameOnSoftDelete string `yaml:"renameOnSoftDelete" enum:"follow|never"`
	// OnTargetMissing says what happens when an account that is linked is gone from the target.
	OnTargetMissing string `yaml:"onTargetMissing" enum:"recreate|error"`
	// OnGroupOutOfScope says what happens to a group at the target when it leaves the scope.
	OnGroupOutOfScope string `yaml:"onGroupOutOfScope" enum:"delete|leave"`
	// RequireRole ignores assignments with the default access role.
	RequireRole bool `yaml:"requireRole"`
	// Compat changes the defaults of other keys to what another service does. With entra, onTargetMissing is
	// error and deletions.threshold is 0.
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

// Deletions says when accounts are disabled and deleted.
type Deletions struct {
	// Threshold holds a cycle's disables and deletes for approval when there are more. 0: off. Left out:
	// a tenth of the managed objects, at least 5 and at most 500.
	Threshold *int `yaml:"threshold"`
	// SkipOutOfScope leaves accounts alone whose owner was unassigned or filtered out.
	SkipOutOfScope bool `yaml:"skipOutOfScope"`
	// SkipDisableWhenBlocked leaves accounts alone whose owner's sign-in was blocked at the source.
	SkipDisableWhenBlocked bool `yaml:"skipDisableWhenBlocked"`
	// SkipDisableWhenRecycled leaves accounts alone whose owner was soft-deleted at the source.
	SkipDisableWhenRecycled bool `yaml:"skipDisableWhenRecycled"`
}

// Notify says who is told about a job.
type Notify struct {
	// Email lists the addresses.
	Email []string `yaml:"email"`
	// OnFailure sends mail when the job goes into quarantine or holds deletions.
	OnFailure bool `yaml:"onFailure"`
}

func (j *Job) setDefaults() {
	*j = Job{
		Enabled:           true,
		Interval:          40 * time.Minute,
		Scope:             "assigned",
		OnGroupOutOfScope: "delete",
		// OnTargetMissing and RenameOnSoftDelete depend on Compat; see defaults.
	}
}

// defaults fills what depends on other keys.
func (j *Job) defaults() {
	if j.RenameOnSoftDelete == "" {
		j.RenameOnSoftDelete = "follow"
	}
	if j.OnTargetMissing == "" {
		j.OnTargetMissing = "recreate"
		if j.Compat == "entra" {
			j.OnTargetMissing = "error"
		}
	}
	if j.Deletions.Threshold == nil && j.Compat == "entra" {
		j.Deletions.Threshold = new(0)
	}
}
