package engine

import "context"

// Resource is an object of the target as the target tells it, in the canonical spelling of RFC 7643:
// names in their right case, extension attributes below their URN, ids as text. Members are never
// part of it.
type Resource struct {
	ID         string
	Attributes map[string]any
}

// Read returns the value at p, nil if there is none.
func (r Resource) Read(p Path) any { return p.Read(r.Attributes) }

// A Target is one application. Calls may be made concurrently, also for the same object: writes to
// one object are serialised inside. Every failed call returns a [*TargetError]; a cancelled context
// returns its own error and may leave a write unsettled. Throttling, Retry-After, retries that
// cannot do harm and the shape of requests are the target's business; what it could not settle is
// the caller's.
type Target interface {
	Meter

	// Find searches objects by each of the values in turn, in their order, and stops at the first that yields any
	// verified match (scim-target.md 9). It returns all verified matches of that value and the
	// path that found them. No match at all is no error.
	Find(ctx context.Context, k Kind, by []Value) (found []Resource, matchedBy Path, err error)

	// Get reads an object without its members. A missing object is a TargetError with
	// [OutcomeRematch].
	Get(ctx context.Context, k Kind, id string) (Resource, error)

	// Create makes an object from values; references and members are not among them. After an
	// answer that leaves it open whether the object was made, it searches by the matching values
	// before it posts again, and gives up with [OutcomeUnknown] when that does not settle it. A
	// conflict is answered by searching: exactly one object found by a matching value is returned
	// with Existing set, and not changed.
	Create(ctx context.Context, k Kind, values []Value, matching []Value) (Created, error)

	// Update applies changes to an object, in as many requests as the target needs: a change that
	// disables goes alone and first. It reads nothing unless it has to. The result lists what the
	// target is known to hold now where that differs from what was asked. A refused rename of a
	// disabled account is reported in Warnings and is no error.
	Update(ctx context.Context, k Kind, id string, changes []AttributeChange) (Updated, error)

	// Delete removes an object. An object that is already gone is success.
	Delete(ctx context.Context, k Kind, id string) error

	// AddMembers and RemoveMembers change the members of a group, by target ids, in batches that
	// the target accepts. The answer has one error per member that failed, nil for one that is as
	// it should be now; adding a present member and removing an absent one succeed. The error is
	// for the group as a whole: [OutcomeRematch] when it is gone.
	AddMembers(ctx context.Context, group string, members []string) (map[string]error, error)
	RemoveMembers(ctx context.Context, group string, members []string) (map[string]error, error)

	// Empty reports whether the target surely holds no object of the kind. When in doubt it says
	// false. It costs at most one request.
	Empty(ctx context.Context, k Kind) (bool, error)

	// Check is the connection test (scim-target.md section 8) for the matching attributes of the
	// kinds given. It writes nothing.
	Check(ctx context.Context, matching map[Kind][]Path) ([]Finding, error)
}

// Created is the answer to a create.
type Created struct {
	Resource
	// Existing says that the object was there before: a conflict or an idempotent server led to it.
	Existing  bool
	MatchedBy Path // for Existing: the attribute that found it
}

// Updated is the answer to an update.
type Updated struct {
	// Now holds values, by Path.Key, that the target is known to hold after the update and that
	// differ from those asked for.
	Now map[string]any
	// Warnings are for the provisioning log.
	Warnings []string
}

// Lister enumerates the objects of a target. Discovery and drift want it, cycles do not.
type Lister interface {
	// List calls yield for every object of the kind. complete reports whether the listing may be
	// trusted to lack nothing (scim-target.md 22.1); an incomplete one never justifies a removal.
	List(ctx context.Context, k Kind, yield func(Resource) error) (complete bool, err error)
}
