package engine

import (
	"time"

	"github.com/scimsync/scimsync/mapping"
)

// Kind is the kind of an object.
type Kind string

const (
	User  Kind = "user"
	Group Kind = "group"
)

// Counter returns the counter of a bucket of this kind: "users.created".
func (k Kind) Counter(bucket string) Counter { return Counter(string(k) + "s." + bucket) }

// Ref names a source object.
type Ref struct {
	Kind Kind
	ID   string // anchor at the source, lower case (GS-MG-6)
}

// LifeState is the state of an object at the source.
type LifeState string

const (
	Active      LifeState = "active"
	SoftDeleted LifeState = "softDeleted" // in the recycle bin, restorable
	HardDeleted LifeState = "hardDeleted" // gone for good
)

// Object is a user or group as the source tells it.
type Object struct {
	Ref
	State LifeState
	// Attributes are what the source said. A key that is present with nil was explicitly null; a
	// missing key means "no news", never "empty" (GS-MG-2). Nil Attributes: only the state is known,
	// for objects that were never in scope.
	Attributes mapping.Attributes
	// Conveys says of a group that its assignment extends to its direct members: it is security
	// enabled (GS-AS-3). It is false for users.
	Conveys bool
	// Partial says that Attributes carry only news and are merged into what is stored. An object
	// that is not partial replaces what is stored.
	Partial bool
}

// Relation is the kind of an edge.
type Relation string

const (
	Member  Relation = "member"  // from a group to a user or group
	Manager Relation = "manager" // from a user to the manager
	// Direct edges are members as the source has them, of jobs that expand nested groups. Their Member
	// edges are derived, see [Feeds.Expand].
	Direct Relation = "direct"
)

// Edge is one reference between two source objects.
type Edge struct {
	From     Ref
	Relation Relation
	To       Ref
	Removed  bool
}

// Assignment grants a principal access to the application.
type Assignment struct {
	ID        string
	Principal Ref
	RoleID    string // the all-zero id is the default access role
	RoleValue string // the role's value claim, "" for default access
	RoleName  string // display name of the role
	// Effective is false when the role does not exist or is disabled: the principal is then not
	// effectively entitled (GS-AS-4).
	Effective bool
}

// AssignmentPath is one way in which an object is assigned.
type AssignmentPath struct {
	Via       string // id of the group, "" for a direct assignment
	RoleID    string
	RoleValue string
	RoleName  string
	Effective bool
}

// Feed is one stream of source data with a watermark of its own.
type Feed string

const (
	FeedAssignments Feed = "assignments"
	FeedGroups      Feed = "groups"
	FeedUsers       Feed = "users"
)

// Cursor is a continuation point of a feed, opaque to everybody but its connector. It may hold a
// complete link of the source with tenant data in it: it is stored, never logged.
type Cursor string

// Page is one page of a feed.
type Page struct {
	Objects     []Object
	Edges       []Edge
	Assignments []Assignment
	// Next continues the round; on the last page it is the watermark from which the next round
	// starts. A feed without deltas has an empty watermark: its next round is a full read again.
	Next Cursor
	// Done marks the last page of the round.
	Done bool
}

// FeedState is what the store remembers of a feed.
type FeedState struct {
	Watermark   Cursor    // where the next round starts; "" before the first complete round
	WatermarkAt time.Time // when it was obtained
	Cursor      Cursor    // where the open round goes on; "" at its start
	Open        bool      // a round is under way
	Full        bool      // the open round is a full read
	Generation  int64     // counts full reads; every object seen is marked with it
	Pages       int       // pages of the open round so far
	// Selection is the fingerprint of the attributes that the round asks for. A watermark is only
	// good for the selection it was obtained with (GS-CF-1).
	Selection string
	// Suspect: the open round lacks too much of what was known to be believed, see [Holds.MarkSuspect].
	Suspect bool
}
