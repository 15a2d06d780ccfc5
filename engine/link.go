package engine

import (
	"errors"
	"time"
)

// LinkState says how a link is managed (provisioning.md section 8).
type LinkState string

const (
	// LinkNone removes a link; it is never stored.
	LinkNone LinkState = "none"
	// Managed: entitled, the target account is active.
	Managed LinkState = "managed"
	// Suspended: still assigned, but blocked or recycled at the source; the account is inactive.
	Suspended LinkState = "suspended"
	// Released: unassigned or filtered out. The account was disabled (or left alone under
	// SkipOutOfScope) and is no longer managed: not even a hard delete at the source deletes it.
	Released LinkState = "released"
)

// Link is the durable pair of a source and a target object. Once it exists the target is addressed
// by id and not searched.
type Link struct {
	Ref
	TargetID  string
	State     LinkState
	MatchedBy string // "created", or the attribute that matched
	// Name is the display name at the time of the last export, for people.
	Name string
	// Disabled says that the account was disabled by us and not enabled since.
	Disabled bool
	// Recycled says that the source object was soft-deleted when the account was disabled.
	Recycled bool
	// Exported are the values that the target is known to hold at the mapped paths, by Path.Key.
	// They make an update one PATCH without a read.
	Exported map[string]any
	// Verify asks for a read of the target before the next decision about this object: its state
	// there is in doubt.
	Verify bool
	// DeleteAt is when an account that was disabled is to be deleted; zero for never. [Link.Left] says why it was
	// disabled.
	DeleteAt time.Time
	Left     Reason
	// Recreated are the moments, newest last, at which the account was created anew because it was gone
	// from the target (U33).
	Recreated []time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
	// LastCycle and LastBucket tell in which bucket the object was last counted, so that a
	// reference written later in the same cycle does not count the object twice.
	LastCycle  CycleID
	LastBucket string
}

// ErrNoLink says that a source object has no link.
var ErrNoLink = errors.New("no link")

// ErrLinkTaken says that a target object is already linked to another source object.
var ErrLinkTaken = errors.New("target object is linked to another source object")
