package engine

import (
	"time"

	"github.com/scimsync/scimsync/mapping"
)

// Action is what an operation does at the target.
type Action string

const (
	Create  Action = "create"
	Update  Action = "update"
	Disable Action = "disable"
	Enable  Action = "enable"
	Delete  Action = "delete"
	// Skip: evaluated and deliberately not written; it always carries a reason.
	Skip Action = "skip"
	// Nothing: the target already is as it should be.
	Nothing Action = "nothing"
	// Fail: the object cannot be provisioned as things are; it goes to escrow.
	Fail Action = "fail"
	// Staged: a disable or delete that a guard withholds; only in the provisioning log, see [Hold].
	Staged Action = "stagedDelete"
	// Look: the decision needs the target object. The caller reads or searches it, adds what it
	// found to the facts and asks again. An operation that is carried out is never Look.
	Look Action = "look"
)

// Destructive reports whether the action takes something away from a person or removes a group,
// and so counts for the deletion guard (18.2).
func (a Action) Destructive() bool { return a == Disable || a == Delete }

// Rule is the id of the row of the decision tables that an operation follows: U21, G7.
type Rule string

// Reason says in one word why an operation was decided; part of it is the closed list of
// provisioning.md section 22. Reasons explain: no later code branches on them.
type Reason string

const (
	Assigned          Reason = "Assigned"
	NotAssigned       Reason = "NotAssigned"
	MissingRole       Reason = "MissingRole"
	FilteredOut       Reason = "FilteredOut"
	InactiveInSource  Reason = "InactiveInSource"
	DeletedInSource   Reason = "DeletedInSource"
	RecycledInSource  Reason = "RecycledInSource"
	RestoredInSource  Reason = "RestoredInSource"
	BackInScope       Reason = "BackInScope"
	SignInAllowed     Reason = "SignInAllowed"
	AttributesChanged Reason = "AttributesChanged"
	Renamed           Reason = "Renamed"
	Matched           Reason = "Matched"
	ImportSkipped     Reason = "ImportSkipped"
	RedundantExport   Reason = "RedundantExport"
	CreateDisabled    Reason = "CreateDisabled"
	UpdateDisabled    Reason = "UpdateDisabled"
	DeleteDisabled    Reason = "DeleteDisabled"
	SkipOutOfScope    Reason = "SkipOutOfScope"
	NoLongerManaged   Reason = "NoLongerManaged"
	AlreadyAbsent     Reason = "AlreadyAbsent"
	MissingAtTarget   Reason = "MissingAtTarget"
	AwaitingApproval  Reason = "AwaitingApproval"
	Excluded          Reason = "Excluded"
	UnsupportedMember Reason = "UnsupportedMember"
	LockedByOther     Reason = "LockedByOther"
	RejectedByAdmin   Reason = "RejectedByAdministrator"
	MissingInSource   Reason = "MissingInSource" // absent from a full read that looks cut short
	GraceOver         Reason = "GraceOver"       // disabled long enough to be deleted
	ChangedSincePlan  Reason = "ChangedSincePlan"
	MappingDisabled   Reason = "MappingDisabled"
	MappingFailed     Reason = "MappingFailed"
)

// Words of package mapping that the ports use.
type (
	// Path is the place of an attribute in a target object, in the notation of Entra's mappings.
	Path = mapping.Path
	// Value is a value wanted at a path.
	Value = mapping.Value
	// AttributeChange is one difference between what the target has and what it should have.
	AttributeChange = mapping.Change
)

// Operation is what must happen to one object, and why. It is a value: it can be shown, compared,
// approved and carried out.
type Operation struct {
	Action Action
	Rule   Rule
	Reason Reason
	// Detail completes the reason for people: the name of the filter, the code of a failure.
	Detail string
	// Code is the error code of a Fail (outcome vocabulary of the target or Entra's code).
	Code Code
	// Values are the attributes of a create.
	Values []Value
	// Changes are the differences of an update, disable or enable, each with before and after.
	Changes []AttributeChange
	// Then is the state of the link once the operation has succeeded; "" leaves it, [LinkNone]
	// removes it.
	Then LinkState
	// Adopt is the id of the target object that a first match takes over.
	Adopt string
	// MatchedBy is the attribute that found it.
	MatchedBy string
	// Later is when the object is to be decided about again although nothing may have changed by then: the change stays
	// in the queue ([ChangeLater]). Zero: not before it is queued anew.
	Later time.Time
	// DeleteAt and Left take the place of [Link.DeleteAt] and [Link.Left] whenever the link is stored, zero
	// values included: who came back has no date.
	DeleteAt time.Time
	Left     Reason
	// EmptyMembers says of a group that left the scope that all its members are to be removed at the target, whatever the
	// source says (G7, onGroupOutOfScope: empty). The group object itself is not written.
	EmptyMembers bool
}

// Order is the class of an operation in the export order of a phase (5.1): unique values are freed
// before another object claims them. Lower goes first.
type Order int

const (
	OrderDelete Order = iota + 1
	OrderDisable
	OrderRename // updates of linked objects that change a matching value
	OrderUpdate
	OrderMatch // unlinked objects that have to be searched for
	OrderCreate
)
