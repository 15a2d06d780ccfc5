package engine

import (
	"time"

	"github.com/scimsync/scimsync/mapping"
)

// JobID names a job: [a-z0-9-]{1,63}.
type JobID string

// Scope says who is a candidate for provisioning.
type Scope string

const (
	// ScopeAssigned limits a job to users and groups assigned to the application, and to the
	// direct members of assigned security groups (GS-AS-2).
	ScopeAssigned Scope = "assigned"
	// ScopeAll makes every user and group of the directory a candidate.
	ScopeAll Scope = "all"
)

// Job is one pairing of a source and a target: what decides about its objects. Credentials,
// addresses and the schedule are not part of it; they belong to the connectors and to workflows.
type Job struct {
	ID      JobID
	Scope   Scope
	Mapping mapping.Mapping
	Options Options
}

// Options are the switches of the option matrix (provisioning.md section 12). The zero value is
// the default of every one of them.
type Options struct {
	// SkipOutOfScope leaves accounts alone that are unassigned or filtered out (column S).
	SkipOutOfScope bool
	// SkipDisableWhenBlocked leaves accounts alone whose sign-in was blocked at the source.
	SkipDisableWhenBlocked bool
	// SkipDisableWhenRecycled leaves accounts alone that were soft-deleted at the source.
	SkipDisableWhenRecycled bool
	// HardDisable says that the target has no inactive accounts: leaving means DELETE (column H).
	HardDisable bool
	// KeepNameOnSoftDelete drops the rename that follows a soft delete (renameOnSoftDelete: never).
	KeepNameOnSoftDelete bool
	// MissingIsError makes a linked object that is gone from the target a failure instead of a
	// reason to create it again (onTargetMissing: error, compat: entra).
	MissingIsError bool
	// OutOfScope, Blocked and Recycled say what happens to the account of somebody who was unassigned or
	// filtered out, whose sign-in was blocked, who was soft-deleted at the source (section 12). The zero
	// value disables. SkipOutOfScope, SkipDisableWhenBlocked and SkipDisableWhenRecycled are older words for LeaveNothing.
	OutOfScope, Blocked, Recycled LeaveRule
	// Nested says what becomes of groups inside groups (13.2); "" means ignore.
	Nested NestedGroups
	// GroupOutOfScope says what happens to a group that left the scope; "" means delete (G7).
	GroupOutOfScope GroupAction
	// RequireRole ignores assignments with the default access role (GS-AS-4).
	RequireRole bool
	// Deletions is the guard against accidental deletion (section 18).
	Deletions DeletionGuard
	// Quarantine is how failures of objects put the whole job into quarantine.
	Quarantine QuarantinePreset
	// PruneEscrows does in an initial cycle what Entra does when so many objects fail: their failures are dropped and the
	// job is paused at its end (escrowsPruned).
	PruneEscrows bool
}

// LeaveAction is what happens to an account whose owner left.
type LeaveAction string

const (
	LeaveDisable       LeaveAction = "disable" // also ""
	LeaveDelete        LeaveAction = "delete"
	LeaveNothing       LeaveAction = "nothing"
	LeaveDisableDelete LeaveAction = "disableThenDeleteAfter" // disable now, delete when Grace is over
)

// LeaveRule is a LeaveAction with its grace time.
type LeaveRule struct {
	Action LeaveAction
	Grace  time.Duration
}

// NestedGroups is what becomes of groups inside of groups.
type NestedGroups string

const (
	NestedIgnore    NestedGroups = "ignore"    // only the first level counts, as in Entra
	NestedExpand    NestedGroups = "expand"    // everybody below is assigned, and a direct member at the target
	NestedAsMembers NestedGroups = "asMembers" // the inner group is a member at the target, when it is provisioned itself
)

// GroupAction is what happens to the group object at the target when the group leaves the scope.
type GroupAction string

const (
	GroupDelete GroupAction = "delete"
	GroupLeave  GroupAction = "leave"
	GroupEmpty  GroupAction = "empty" // its members are removed, the group stays
)

// DeletionGuard is accidental deletion prevention. The zero value asks for the default threshold.
type DeletionGuard struct {
	// Off switches the guard off.
	Off bool
	// Threshold is the number of disables and deletes that one cycle may carry out. With neither it nor
	// Percent set it is min(500, max(5, 10 % of the managed objects)) (18.7).
	Threshold int
	// Percent is the share of the managed objects that one cycle may disable and delete; 0 sets no such limit. With
	// both set the smaller limit counts.
	Percent float64
	// Removals is the guard of memberships.
	Removals RemovalGuard
}

// QuarantinePreset names the numbers by which failures put a job into quarantine (17.1).
type QuarantinePreset string

const (
	PresetAdaptive QuarantinePreset = "adaptive" // also ""
	PresetEntra    QuarantinePreset = "entra"
)

// CycleID names one cycle.
type CycleID string

// CycleKind tells whether every object was evaluated or only those that changed.
type CycleKind string

const (
	Initial     CycleKind = "initial"
	Incremental CycleKind = "incremental"
)

// CycleState is how a cycle stands or how it ended.
type CycleState string

const (
	CycleRunning     CycleState = "running"
	CycleSucceeded   CycleState = "succeeded"
	CycleFailed      CycleState = "failed"      // the cycle itself broke off; see Error
	CycleEntryErrors CycleState = "entryErrors" // it ended, some objects failed and are in escrow
	CycleQuarantined CycleState = "quarantined" // the connection as a whole is broken
	CycleHeld        CycleState = "held"        // deletions wait for approval
)

// Phase is where a running cycle is. Phases follow each other in this order.
type Phase string

const (
	PhaseImport      Phase = "import"
	PhaseDecide      Phase = "decide"
	PhaseUsers       Phase = "users"
	PhaseGroups      Phase = "groups"
	PhaseMemberships Phase = "memberships"
	PhaseReferences  Phase = "references"
	PhaseDone        Phase = "done"
)

// Cycle is the record of one pass of a job.
type Cycle struct {
	ID        CycleID
	Job       JobID
	Kind      CycleKind
	State     CycleState
	Phase     Phase
	StartedAt time.Time
	EndedAt   time.Time // zero while it runs
	// Survey is what was found out about the target before the first write, by kind.
	Survey    map[Kind]Survey
	Counts    Counts
	Error     string // for people; free of secrets and personal data
	ErrorCode string
	// Plan is the saved plan that the cycle keeps to, "" for none.
	Plan string
}

// Survey says how unlinked objects are matched in this cycle. It is found once, before the first
// write, and kept with the cycle, so that a resumed cycle does not mistake its own accounts for
// somebody else's.
type Survey string

const (
	SurveyEmpty  Survey = "empty"  // the target held no object of the kind: nothing can match
	SurveySearch Survey = "search" // each unlinked object is searched for; also when no survey was made
)

// Counter names one number of a cycle, for example "users.created".
type Counter string

// Counts are the numbers of a cycle. Each source object that was evaluated counts in exactly one
// bucket of its kind (contract section 4).
type Counts map[Counter]int

// Buckets of users and groups, prefixed by [Kind.Counter].
const (
	BucketCreated   = "created"
	BucketUpdated   = "updated"
	BucketDisabled  = "disabled"
	BucketEnabled   = "enabled"
	BucketDeleted   = "deleted"
	BucketUnchanged = "unchanged"
	BucketSkipped   = "skipped"
	BucketFailed    = "failed"
	BucketHeld      = "held" // waits for approval
)

// Counters that belong to no kind.
const (
	MembershipsAdded   Counter = "memberships.added"
	MembershipsRemoved Counter = "memberships.removed"
	MembershipsPending Counter = "memberships.pending"
	MembershipsFailed  Counter = "memberships.failed"
	RequestsSource     Counter = "requests.source"
	RequestsTarget     Counter = "requests.target"
	RequestsWrites     Counter = "requests.targetWrites"
	RetriesSource      Counter = "retries.source"
	RetriesTarget      Counter = "retries.target"
	WaitedMillis       Counter = "waited.milliseconds"
	ObjectsImported    Counter = "import.objects"
	ObjectsQueued      Counter = "queue.objects"
	ObjectsDone        Counter = "queue.done"
	ObjectsExpired     Counter = "escrow.expired"      // failed for 28 days; not retried any more
	RemovalsHeld       Counter = "memberships.newHeld" // groups whose removals were held and had not been before
	PlanRefused        Counter = "plan.refused"        // of a saved plan: what would be done now is not what was planned
	PlanDone           Counter = "plan.done"           // done as planned
	PlanLeft           Counter = "plan.left"           // not part of the saved plan
)

// Requests are what a connector sent since it was last asked, see [Meter].
type Requests struct {
	Sent    int           // requests on the wire, retries included
	Writes  int           // of these, requests that could change the target
	Retries int           // of these, repetitions
	Waited  time.Duration // time spent waiting because the other side asked for it
}

// Meter counts the requests of a connector. TakeRequests returns what was counted since the call
// before and starts again at zero; concurrent callers never see the same request twice.
type Meter interface{ TakeRequests() Requests }
