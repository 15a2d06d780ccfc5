package engine

import (
	"context"
	"time"
)

// Inspection is all that decides about the scope of one object, as the source tells it now. Of an object that is not
// live only the object is told: its assignments and edges stay as they were known, because a recycled object
// shows none and has them again when it is restored (GS-GR-6).
type Inspection struct {
	Object Object
	// Groups are the groups that a user is a direct member of (the ancestors of nested groups too, when
	// Nested names how they lead to the user), with Conveys set where their assignment extends to members.
	Groups []Object
	// Assignments are those of the object and of Groups, complete.
	Assignments []Assignment
	// Edges are the user's manager and memberships, or the members of a group as far as they were asked for, complete
	// for what was asked. A member that was asked for and is none comes with Removed set, once for each kind when its
	// kind is not known.
	Edges []Edge
}

// Inspector reads single objects with everything about them. On-demand provisioning wants it, cycles do not.
type Inspector interface {
	// Inspect finds an object by id, or a user by userPrincipalName or mail, a group by displayName. No
	// object is an error that wraps [ErrNotFound]; several that match is an [*AmbiguousError]. A recycled
	// user is found by id, and by the names it had. members limits the member edges of a group that are told: nil
	// asks for all of them, an empty slice for none.
	Inspect(ctx context.Context, k Kind, by string, members []string) (Inspection, error)
}

// Ancestry tells of all groups above a user. Explanations want it where nested groups do not count.
type Ancestry interface {
	// Ancestry returns the groups that a live user is in, however deep, with the assignments of these groups, and the
	// edges by which they lead to the user.
	Ancestry(ctx context.Context, user Ref) (Inspection, error)
}

// AmbiguousError says that several objects answer to one name.
type AmbiguousError struct {
	Name string
	IDs  []string
}

func (e *AmbiguousError) Error() string { return "several objects are called so; name one by its id" }

// MemberLister reads the members of a group at the target. Drift wants it, cycles do not.
type MemberLister interface {
	// Members calls yield for the id of every member of a group. complete is false when the target may
	// have told only a part.
	Members(ctx context.Context, group string, yield func(id string) error) (complete bool, err error)
}

// OnDemand is the store's part of provisioning single objects and of comparing with the target.
type OnDemand interface {
	// PutInspection stores what was read of single objects: the object, its groups, the assignments of these principals in
	// place of those known, and the edges: of a user all member edges to it and its manager, of a group those
	// told. It moves no watermark, and queues nothing but the object itself and those others about whom it brought what
	// the next round will not find new any more. Members of a job that has Direct edges are stored as such. An object
	// that is not Active keeps its assignments and edges.
	PutInspection(ctx context.Context, j JobID, in Inspection) error

	// Lease reserves objects for owner until a time and queues those that are not. It reserves all or
	// none: busy lists those reserved by another owner, whose time is not over.
	Lease(ctx context.Context, j JobID, refs []Ref, owner string, until, now time.Time) (busy []Ref, err error)
	// LeaseReady reserves the ready changes of a kind with from ≤ Seq ≤ to for a batch, where nobody else
	// has them. [Queue.Ready] tells the owner of each.
	LeaseReady(ctx context.Context, j JobID, k Kind, from, to int64, owner string, until, now time.Time) error
	// Release ends the reservations of an owner: of the refs, or of all when refs is nil.
	Release(ctx context.Context, j JobID, refs []Ref, owner string) error

	// HoldersTo lists linked objects with edges to an object that are up for export.
	HoldersTo(ctx context.Context, j JobID, rel Relation, to Ref) ([]Holder, error)
	// WaitingTo returns the edges of one object that are up for export and lead to one of the others.
	WaitingTo(ctx context.Context, j JobID, from Ref, rel Relation, to []Ref) ([]Membership, error)
	// Exported returns the target ids of the members that were exported to a group, after a position.
	Exported(ctx context.Context, j JobID, group Ref, after string, limit int) ([]Membership, error)
	// ForgetExported forgets that edges were exported, so that they are again; Unwanted are edges that the
	// target has and nobody asked for, which are to be removed.
	ForgetExported(ctx context.Context, j JobID, group Ref, forget, unwanted []Ref) error
}
