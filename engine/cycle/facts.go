package cycle

import (
	"crypto/rand"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
	"github.com/scimsync/scimsync/mapping/expr"
)

// evaluator turns queued changes of one job into facts and decisions.
type evaluator struct {
	job   *Job
	now   time.Time
	doubt bool
}

// evaluator returns the evaluator of a cycle. When the mapping is not the one that exported last, the stored
// values do not tell what the target holds at newly mapped paths: linked objects are read.
func (r *Runner) evaluator(job *Job, state engine.JobState) *evaluator {
	return &evaluator{job: job, now: r.Now(), doubt: r.Careful || ranOtherwise(state, job)}
}

func (e *evaluator) mapping(k engine.Kind) *mapping.Object {
	if k == engine.Group {
		return &e.job.Mapping.Groups
	}
	return &e.job.Mapping.Users
}

// probe asks whether a value is free at the target, for SelectUniqueValue.
type probe func(at engine.Path, candidate string) (free bool, err error)

// anyValue is the probe of a plan: nothing is written, so every candidate will do.
func anyValue(engine.Path, string) (bool, error) { return true, nil }

// facts gathers what a decision about q depends on, the target object aside. Unique values are looked
// for only for an object without a link: its own value would count as taken.
func (e *evaluator) facts(q engine.Queued, free probe) decide.Facts {
	if q.Link != nil {
		free = nil
	}
	m := e.mapping(q.Kind)
	o := q.Object.Object
	if !q.Known {
		o = engine.Object{Ref: q.Ref, State: engine.HardDeleted}
	}
	src := make(mapping.Attributes, len(o.Attributes)+3)
	for name, v := range o.Attributes {
		src[name] = v
	}
	src["id"] = o.ID
	if len(q.Paths) > 0 {
		src["appRoleAssignments"] = roles(q.Paths)
	}
	x := decide.Judge(&e.job.Job, o, q.Paths, m.Filter.Evaluate(src))
	src["IsSoftDeleted"] = x.SoftDeleted(o.State)
	f := decide.Facts{
		Now: e.now, Kind: q.Kind, State: o.State, Factors: x, Link: q.Link, Mapping: m, Options: e.job.Options,
		Doubt: e.doubt || (q.Link != nil && q.Link.Verify),
	}
	f.Desired, f.MappingError = m.EvaluateUnique(src, &expr.Env{Now: e.now, Rand: rand.Reader}, free)
	return f
}

// decide asks the table of the object's kind.
func (e *evaluator) decide(f decide.Facts) engine.Operation {
	if f.Kind == engine.Group {
		return decide.Group(f)
	}
	return decide.User(f)
}

// roles presents assignments as the source attribute appRoleAssignments (GS-AS-5): direct ones
// first, then by group.
func roles(paths []engine.AssignmentPath) []any {
	out := make([]any, 0, len(paths))
	seen := map[string]bool{}
	for _, p := range paths {
		if !p.Effective || p.RoleID == "" || seen[p.RoleID] {
			continue
		}
		seen[p.RoleID] = true
		out = append(out, map[string]any{"id": p.RoleID, "value": p.RoleValue, "displayName": p.RoleName})
	}
	return out
}

// name is what people call the object, for the provisioning log.
func name(q engine.Queued) string {
	// In the recycle bin people carry a rewritten name that nobody knows them by.
	if q.Link != nil && q.Link.Name != "" && q.Object.State != engine.Active {
		return q.Link.Name
	}
	for _, a := range []string{"userPrincipalName", "displayName"} {
		if s, ok := q.Object.Attributes[a].(string); ok && s != "" && (a != "userPrincipalName" || q.Kind == engine.User) {
			return s
		}
	}
	if q.Link != nil {
		return q.Link.Name
	}
	return ""
}
