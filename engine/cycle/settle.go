package cycle

import (
	"maps"
	"slices"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
)

// relink puts into s what becomes of the link once op is done. now are values, by Path.Key, that
// the target is known to hold in place of those asked for.
func (r *Runner) relink(s *engine.Settled, q engine.Queued, f decide.Facts, op engine.Operation, now map[string]any) {
	switch {
	case op.Then == engine.LinkNone:
		s.Unlink = q.Link != nil
		return
	case op.Then == "" && q.Link == nil:
		return
	case op.Action == engine.Fail:
		return
	}
	var l engine.Link
	if q.Link != nil {
		l = *q.Link
	} else {
		l = engine.Link{Ref: q.Ref, CreatedAt: r.Now().UTC()}
	}
	if op.Then != "" {
		l.State = op.Then
	}
	if op.Adopt != "" {
		l.TargetID, l.MatchedBy = op.Adopt, op.MatchedBy
	}
	l.Verify = false
	l.Exported = exported(l, f, op, now)
	if n := name(q); n != "" {
		l.Name = n
	}
	switch {
	case op.Action == engine.Disable:
		l.Disabled = true
	case op.Then == engine.Managed:
		l.Disabled = false
	}
	l.Recycled = f.State == engine.SoftDeleted && (l.Recycled || op.Action == engine.Disable || op.Action == engine.Update || l.Disabled)
	l.DeleteAt, l.Left = op.DeleteAt, op.Left
	l.UpdatedAt = r.Now().UTC()
	s.Link, s.Later = &l, op.Later
}

// exported is what the target is known to hold at the mapped paths after op.
func exported(l engine.Link, f decide.Facts, op engine.Operation, now map[string]any) map[string]any {
	out := make(map[string]any, len(l.Exported)+len(op.Values)+len(op.Changes))
	maps.Copy(out, l.Exported)
	if f.Target.State == decide.Found {
		for i := range f.Mapping.Attributes {
			a := &f.Mapping.Attributes[i]
			if a.Reference() {
				continue
			}
			if v := f.Target.Resource.Read(a.Target); v != nil {
				out[a.Target.Key()] = v
			} else {
				delete(out, a.Target.Key())
			}
		}
	}
	for _, v := range op.Values {
		if !createOnly(f.Mapping, v.Path) { // never compared again; it may be an initial password
			out[v.Path.Key()] = v.Value
		}
	}
	for _, c := range op.Changes {
		if c.New == nil {
			delete(out, c.Path.Key())
			continue
		}
		out[c.Path.Key()] = c.New
	}
	maps.Copy(out, now)
	return out
}

// createOnly reports whether the mapping at p acts on create only.
func createOnly(m *mapping.Object, p engine.Path) bool {
	return slices.ContainsFunc(m.Attributes, func(a mapping.Attribute) bool {
		return a.Flow == mapping.FlowOnCreate && a.Target.Same(p)
	})
}

// shown is a value as the provisioning log has it.
func shown(v any, redact bool) any {
	if redact && v != nil {
		return mapping.RedactedText
	}
	return v
}

// entry is the log row of an operation that succeeded or was not carried out.
func (r *Runner) entry(c engine.Cycle, q engine.Queued, op engine.Operation) *engine.LogEntry {
	e := &engine.LogEntry{
		At: r.Now().UTC(), Job: c.Job, Cycle: c.ID, Kind: q.Kind, Action: op.Action, Status: engine.StatusSuccess,
		Rule: op.Rule, Reason: op.Reason, Detail: op.Detail, Code: op.Code,
		Source: engine.Identity{ID: q.ID, Name: name(q)}, MatchedBy: op.MatchedBy,
	}
	switch op.Action {
	case engine.Skip, engine.Nothing:
		e.Status = engine.StatusSkipped
	case engine.Fail:
		e.Status = engine.StatusFailure
	}
	if q.Link != nil {
		e.Target = engine.Identity{ID: q.Link.TargetID, Name: q.Link.Name}
	}
	if op.Adopt != "" {
		e.Target.ID = op.Adopt
	}
	for _, v := range op.Values {
		e.Changes = append(e.Changes, engine.LoggedChange{Attribute: v.Path.String(), New: shown(v.Value, v.Redact)})
	}
	for _, ch := range op.Changes {
		e.Changes = append(e.Changes, engine.LoggedChange{Attribute: ch.Path.String(), Old: shown(ch.Old, ch.Redact), New: shown(ch.New, ch.Redact)})
	}
	return e
}

// bucket is the counter of an operation that was carried out.
func bucket(op engine.Operation) string {
	switch op.Action {
	case engine.Create:
		return engine.BucketCreated
	case engine.Update:
		return engine.BucketUpdated
	case engine.Disable:
		return engine.BucketDisabled
	case engine.Enable:
		return engine.BucketEnabled
	case engine.Delete:
		return engine.BucketDeleted
	case engine.Skip:
		return engine.BucketSkipped
	case engine.Fail:
		return engine.BucketFailed
	default:
		return engine.BucketUnchanged
	}
}

// expired counts failures that nobody tries again by himself (16.2).
func expired(results []engine.Settled) int {
	n := 0
	for _, s := range results {
		if s.Escrow != nil && s.Escrow.Expired {
			n++
		}
	}
	return n
}

// lastTry says in a log row that it tells of the last try.
func lastTry(row *engine.LogEntry, expired bool) {
	if expired {
		row.Detail += "; it has failed for 28 days and is not tried again by itself until it changes at the source"
	}
}

// took sets the duration of a log row.
func took(e *engine.LogEntry, d time.Duration) *engine.LogEntry {
	if e != nil {
		e.Duration = d
	}
	return e
}
