// Package mapping turns a source object into the attributes that a target object should have.
//
// It knows attribute mappings, scoping filters, target paths, the comparison of values and the
// synchronization schema JSON of Entra (mapping.md). It is pure: no I/O, no clock, no randomness; the same
// object gives the same result, so that a plan can be computed twice and compared. A mapping is
// compiled once, when the configuration is loaded, and evaluated for every object.
package mapping

import "github.com/scimsync/scimsync/mapping/expr"

// Mapping is what a job maps: one object mapping for users and one for groups.
type Mapping struct {
	Users  Object
	Groups Object
}

// Object maps one kind of object.
type Object struct {
	// Enabled false leaves the kind out of the job: its objects are neither created nor changed.
	Enabled bool
	Actions Actions
	// Filter decides who is in scope; the empty filter lets everybody pass.
	Filter Filter
	// Attributes in the order of the configuration.
	Attributes []Attribute
	// NoSoftDelete says that the target has no inactive objects (IsSoftDeletionSupported = false).
	NoSoftDelete bool
	// IgnoreUnresolved says that references which cannot be resolved are no failures (EscrowBehavior).
	IgnoreUnresolved bool
	// ExcludeFromReporting leaves the objects out of the counts.
	ExcludeFromReporting bool
}

// Actions are the target object actions (4.3).
type Actions struct{ Create, Update, Delete bool }

// AllActions is the default.
var AllActions = Actions{Create: true, Update: true, Delete: true}

// Attribute is one attribute mapping.
type Attribute struct {
	Target Path
	// Source computes the value; nil is a None mapping (section 1).
	Source *expr.Expr
	// Match is the matching priority; 0: no matching attribute, else lowest first.
	Match int
	// Default is sent on create when the source has no value (3.1); "" is no default.
	Default    string
	Flow       Flow
	FlowAlways bool // flowBehavior FlowAlways: sent with every update, also when equal
	// FlowNull: a null source value clears the target (3.3). It is the conjunction of both gates.
	FlowNull bool
	// ExportMissingReferences sends the source id of a referenced object that has no link, instead
	// of leaving the reference out (7.4).
	ExportMissingReferences bool
	// Definition of the target attribute: from the schema, or built in ([DefinitionOf]).
	Definition Definition

	facts *facts // what is known of Source, see about
}

// Flow says when an attribute is written (flowType, 4.1).
type Flow string

// The zero Flow is FlowAlways.
const (
	FlowAlways         Flow = "Always"
	FlowOnCreate       Flow = "ObjectAddOnly"     // on create only
	FlowMultiValueAdd  Flow = "MultiValueAddOnly" // on update, new elements of multi-valued attributes
	FlowValueAdd       Flow = "ValueAddOnly"      // elements are added, single values replaced, nothing is removed
	FlowAttributeEmpty Flow = "AttributeAddOnly"  // on update only if the target has no value
)

// Value is a value wanted at a path of a target object. Its Value is nil, string, bool, int64, float64, []any or
// map[string]any, converted to the type of the target attribute; a reference is the id of the
// source object until the engine replaces it.
type Value struct {
	Path       Path
	Definition Definition
	Value      any
	// Redact: logs and reports show [RedactedText] in place of the value (function Redact).
	Redact bool
}

// RedactedText stands in logs and reports for values that passed through the function Redact.
const RedactedText = "[Redact]"

// Change is one difference between what a target object has and what it should have. Old nil: the
// target has no value. New nil: the value is cleared.
type Change struct {
	Path       Path
	Definition Definition
	Old, New   any
	// Additive: New are elements to add to a multi-valued attribute; nothing is removed.
	Additive bool
	// Assertive: New replaces the whole multi-valued attribute, elements of others included.
	Assertive bool
	// SoftDelete says that the mapping depends on IsSoftDeleted: the change may be part of a disable.
	SoftDelete bool
	// Redact: logs and reports show [RedactedText] in place of Old and New.
	Redact bool
}
