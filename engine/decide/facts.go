package decide

import (
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// Facts are all that a decision depends on.
type Facts struct {
	Kind    engine.Kind
	State   engine.LifeState // at the source; HardDeleted also for an object nobody knows any more
	Factors Factors
	Link    *engine.Link // nil: not linked
	Target  Target

	// Desired are the mapped values, computed with IsSoftDeleted = [Factors.SoftDeleted].
	Desired mapping.Desired
	// MappingError is set when a mapping could not be computed. Nothing is written for such an
	// object, except that a leaver is disabled all the same.
	MappingError error
	Mapping      *mapping.Object
	Options      engine.Options
	// Doubt asks for the live target object before a linked object is changed: the job was restarted
	// or its mapping changed, or an answer of the target contradicted what we believed.
	Doubt bool
	// Now is the time of the decision. Grace times are counted from it, and past it they are over.
	Now time.Time
}

// Factors are the parts of the question whether an object is in scope (section 4.2). Each is
// recorded separately, so that "why not" has an answer.
type Factors struct {
	Assigned bool   // directly or by group, or the job takes all
	RoleOK   bool   // at least one effective assignment carries a role that counts
	InFilter bool   // passes the scoping filter
	Filter   string // the filters that failed, by name
	Ignored  bool   // dropped by an input or category filter: neither provisioned nor deprovisioned
	Enabled  bool   // accountEnabled; always true for groups
}

// InScope reports whether the object is in scope, whatever its state.
func (x Factors) InScope() bool { return x.Assigned && x.RoleOK && x.InFilter }

// SoftDeleted is the computed attribute IsSoftDeleted (section 4.3).
func (x Factors) SoftDeleted(s engine.LifeState) bool {
	return s != engine.Active || !x.InScope() || !x.Enabled
}

// zeroRole is the id of the default access role (GS-AS-4).
const zeroRole = "00000000-0000-0000-0000-000000000000"

// Judge computes the factors of an object.
func Judge(job *engine.Job, o engine.Object, paths []engine.AssignmentPath, filter mapping.FilterResult) Factors {
	x := Factors{
		Assigned: job.Scope == engine.ScopeAll,
		RoleOK:   job.Scope == engine.ScopeAll,
		InFilter: filter.Pass,
		Ignored:  filter.Ignored,
		Enabled:  true,
	}
	if !filter.Pass {
		x.Filter = filter.Failed()
	}
	for _, p := range paths {
		x.Assigned = true
		if p.Effective && (!job.Options.RequireRole || (p.RoleID != "" && p.RoleID != zeroRole)) {
			x.RoleOK = true
		}
	}
	if o.Kind == engine.Group {
		// A group that conveys nothing is not exported either when the scope is by assignment (G15).
		if job.Scope == engine.ScopeAssigned && !o.Conveys {
			x.Assigned = false
		}
		return x
	}
	// Absent means enabled: a source without the attribute has no blocked accounts, and a person
	// must not be locked out because an attribute was not delivered.
	if v, ok := o.Attributes["accountEnabled"]; ok && v == false {
		x.Enabled = false
	}
	return x
}

// TargetState tells what is known of the target object.
type TargetState int

const (
	NotLooked TargetState = iota
	// Absent: nothing matches, or the linked id is dead ([Facts.Link] set).
	Absent
	// Found: the linked object, or exactly one match.
	Found
	// Several match.
	Several
	// Taken: the match is linked to another source object.
	Taken
)

// Target is what looking at the target found.
type Target struct {
	State     TargetState
	Resource  engine.Resource
	MatchedBy string   // the attribute that matched
	Several   []string // ids of the candidates
	TakenBy   string   // source id of the object that holds the match
}
