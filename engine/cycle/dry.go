package cycle

import (
	"context"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// plannedID marks the ids of target objects that a plan would create.
const plannedID = "planned:"

// Planned reports whether a target id stands for an object that does not exist yet.
func Planned(targetID string) bool { return strings.HasPrefix(targetID, plannedID) }

// DryTarget is a target that is only read: every write succeeds and does nothing. A cycle on a copy
// of the store with a dry target is a plan: the same loops, nothing changed, and the log says what would have been
// done.
type DryTarget struct{ engine.Target }

var _ engine.Target = DryTarget{}

// Create answers with an object under an id made from its externalId or first matching value, which
// are unique in a plan as at a target.
func (d DryTarget) Create(_ context.Context, k engine.Kind, values, matching []engine.Value) (engine.Created, error) {
	id := plannedID + string(k)
	for _, v := range append(values, matching...) {
		if s, ok := v.Value.(string); ok && (v.Path.Key() == "externalid" || len(id) == len(plannedID)+len(k)) {
			id += ":" + s
		}
	}
	return engine.Created{Resource: engine.Resource{ID: id}}, nil
}

// Update implements [engine.Target].
func (DryTarget) Update(context.Context, engine.Kind, string, []engine.AttributeChange) (engine.Updated, error) {
	return engine.Updated{}, nil
}

// Delete implements [engine.Target].
func (DryTarget) Delete(context.Context, engine.Kind, string) error { return nil }

// AddMembers implements [engine.Target].
func (DryTarget) AddMembers(context.Context, string, []string) (map[string]error, error) {
	return nil, nil
}

// RemoveMembers implements [engine.Target].
func (DryTarget) RemoveMembers(context.Context, string, []string) (map[string]error, error) {
	return nil, nil
}
