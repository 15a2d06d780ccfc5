package cycle

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
)

// fact makes a detail.
func fact(name, value string) engine.Detail { return engine.Detail{Name: name, Value: value} }

// text is a value as a detail shows it.
func text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// imported tells what the source said about the object.
func (d *onDemand) imported(t *task) {
	o := t.queued.Object
	name, what := "EntryImportAdd", "was read from the source."
	switch {
	case o.State == engine.HardDeleted:
		name, what = "EntryImportDelete", "was deleted at the source for good."
	case o.State == engine.SoftDeleted:
		name, what = "EntryImportUpdate", "is in the recycle bin of the source."
	case t.queued.Link != nil:
		name = "EntryImportUpdate"
	}
	status := engine.StatusSuccess
	if t.op.Reason == engine.ImportSkipped {
		name, status, what = "EntryImport", engine.StatusSkipped, "has no value to match by."
	}
	details := []engine.Detail{fact("id", o.ID)}
	secret := secrets(t.exporter.mapping(o.Kind))
	for _, a := range slices.Sorted(maps.Keys(o.Attributes)) {
		if v := o.Attributes[a]; v != nil && a != "id" {
			details = append(details, fact(a, text(shown(v, secret[strings.ToLower(a)]))))
		}
	}
	t.step(d.Now(), engine.StepImport, name, status, "The "+string(o.Kind)+" "+what, details...)
}

// secrets are the source attributes whose values pass through the function Redact, in lower case.
func secrets(m *mapping.Object) map[string]bool {
	out := map[string]bool{}
	for i := range m.Attributes {
		if s := m.Attributes[i].Source; s != nil && s.Uses("Redact") {
			for _, a := range s.Attributes() {
				out[strings.ToLower(a)] = true
			}
		}
	}
	return out
}

// scoped tells every factor of the question whether the object is in scope (provisioning.md 4.2).
func (d *onDemand) scoped(t *task, names map[string]string) {
	x, o := t.facts.Factors, t.queued.Object
	var details []engine.Detail
	yes := strconv.FormatBool
	active := o.State == engine.Active && x.Enabled
	details = append(details, fact("IsActive", yes(active)))
	if d.job.Scope == engine.ScopeAll {
		details = append(details, fact("ScopeSyncAll", yes(true)))
	}
	details = append(details, fact("Assigned", yes(x.Assigned)))
	for _, p := range t.queued.Paths {
		details = append(details, fact("AssignmentPath", path(p, names)))
	}
	details = append(details, fact("IsEffectivelyEntitledForProvisioning", yes(x.Assigned && x.RoleOK)))
	details = append(details, fact("IsInProvisioningScope", yes(x.InFilter)))
	results := map[string]bool{}
	for i, g := range t.filter.Groups {
		title := cmp.Or(g.Name, fmt.Sprintf("%s filter %d", g.Kind, i+1))
		details = append(details, fact("IsInProvisioningScopeDisplayName", title))
		for _, c := range g.Clauses {
			clause := strings.TrimSpace(fmt.Sprintf("%s.%s %s %s", title, c.Attribute, c.Operator, strings.Join(c.Values, ", ")))
			results[clause] = c.Pass
			value := fmt.Sprintf("%s: the value is %s", yes(c.Pass), cmp.Or(strconv.Quote(text(c.Actual)), "empty"))
			if c.Note != "" {
				value += "; " + c.Note
			}
			details = append(details, fact(clause, value))
		}
	}
	if len(results) > 0 {
		details = append(details, fact("ScopeEvaluationResult", text(results)))
	}
	if t.filter.Err != nil {
		details = append(details, fact("ScopeEvaluationError", t.filter.Err.Error()))
	}
	status, what := engine.StatusSuccess, "is in scope."
	why := decide.OutOfScope(o.State, x)
	if why != "" {
		status, what = engine.StatusSkipped, "is not in scope: "+why+"."
	}
	t.step(d.Now(), engine.StepScoping, "EntrySynchronizationScoping", status, "The "+string(o.Kind)+" "+what, details...)
}

// path is one way of being assigned, in words.
func path(p engine.AssignmentPath, names map[string]string) string {
	s := "directly"
	if p.Via != "" {
		s = "through the group " + strings.TrimSpace(names[p.Via]+" ("+p.Via+")")
	}
	switch {
	case p.RoleName != "" || p.RoleValue != "":
		s += ", role " + cmp.Or(p.RoleName, p.RoleValue)
	default:
		s += ", default access"
	}
	if !p.Effective {
		s += ", without effect: the role is gone or switched off"
	}
	return s
}

// groupNames are what the groups are called by which an object is assigned.
func (d *onDemand) groupNames(ctx context.Context, t *task) (map[string]string, error) {
	names := map[string]string{}
	for _, g := range t.in.Groups {
		if n, ok := g.Attributes["displayName"].(string); ok {
			names[g.ID] = n
		}
	}
	var others []string
	for _, p := range t.queued.Paths {
		if p.Via != "" && names[p.Via] == "" {
			others = append(others, p.Via)
		}
	}
	if len(others) == 0 {
		return names, nil
	}
	known, err := d.Store.Objects(ctx, d.job.ID, engine.Group, others)
	for id, o := range known {
		if n, ok := o.Attributes["displayName"].(string); ok {
			names[id] = n
		}
	}
	return names, err
}

// matched tells what was looked for at the target and what was found. Nothing is said of an object that has no link and
// is out of scope: the target is not asked about it.
func (d *onDemand) matched(t *task, e engine.LogEntry) {
	w, q := t.watch, t.queued
	step := func(s engine.LogStatus, what string, details []engine.Detail) {
		t.step(d.Now(), engine.StepMatching, "EntryImport", s, what, details...)
	}
	if q.Link != nil {
		details := []engine.Detail{fact("TargetId", q.Link.TargetID), fact("MatchedBy", q.Link.MatchedBy)}
		switch r := w.read; {
		case r == nil:
			step(engine.StatusSuccess, "The "+string(q.Kind)+" is linked to an object of the target; there was no need to read it.", details)
		case r.err == nil:
			step(engine.StatusSuccess, "The linked object of the target was read.", append(details, d.holds(q.Kind, r.resource)...))
		default:
			s := engine.StatusWarning
			what := "The linked object is gone from the target."
			if te := w.refused; te != nil && te.Outcome != engine.OutcomeRematch {
				s, what = engine.StatusFailure, "The linked object of the target could not be read."
				details = append(details, answer(te)...)
			}
			step(s, what, details)
		}
	}
	if len(w.searches) == 0 {
		return
	}
	s := w.searches[len(w.searches)-1] // what came before looked for a free value
	var details []engine.Detail
	for _, v := range s.by {
		asked := fmt.Sprintf("%s eq %q", v.Path, text(shown(v.Value, v.Redact)))
		hit := len(s.found) > 0 && v.Path.Same(s.matchedBy)
		switch {
		case hit:
			var ids []string
			for _, r := range s.found {
				ids = append(ids, r.ID)
			}
			details = append(details, fact(asked, strings.Join(ids, ", ")))
		case s.err == nil:
			details = append(details, fact(asked, "nothing found"))
		default:
			details = append(details, fact(asked, "not known"))
		}
		if hit { // the later ones were not searched for
			break
		}
	}
	switch n := len(s.found); {
	case s.err != nil:
		step(engine.StatusFailure, "The search at the target failed.", append(details, answer(w.refused)...))
	case n > 1:
		for _, r := range s.found {
			details = append(details, fact("Candidate", r.ID))
			details = append(details, d.holds(q.Kind, r)...)
		}
		step(engine.StatusFailure, fmt.Sprintf("%d objects of the target match. Remove one of them, or match by an attribute that tells them apart.", n), details)
	case n == 1 && e.Code == engine.CodeDuplicateSource:
		step(engine.StatusFailure, "The matching object of the target belongs to another source object.", append(details, fact("TargetId", s.found[0].ID), fact("ErrorMessage", e.Detail)))
	case n == 1:
		step(engine.StatusSuccess, "One object of the target matches and is linked.", append(append(details, fact("TargetId", s.found[0].ID)), d.holds(q.Kind, s.found[0])...))
	case w.existed != "":
		step(engine.StatusSuccess, "No object was found by searching; a create met one that is there.", append(details, fact("TargetId", w.existed)))
	default:
		step(engine.StatusSuccess, "No object of the target matches.", details)
	}
}

// holds are the mapped attributes of a target object.
func (d *onDemand) holds(k engine.Kind, r engine.Resource) []engine.Detail {
	m := &d.job.Mapping.Users
	if k == engine.Group {
		m = &d.job.Mapping.Groups
	}
	var out []engine.Detail
	for i := range m.Attributes {
		a := &m.Attributes[i]
		if v := r.Read(a.Target); v != nil {
			out = append(out, fact(a.Target.String(), text(shown(v, a.Source != nil && a.Source.Uses("Redact")))))
		}
	}
	return out
}

// answer is what the target said about a request that it refused.
func answer(te *engine.TargetError) []engine.Detail {
	if te == nil {
		return nil
	}
	out := []engine.Detail{fact("ErrorCode", string(te.Code))}
	if te.Status != 0 {
		out = append(out, fact("HttpStatus", strconv.Itoa(te.Status)))
	}
	if te.ScimType != "" {
		out = append(out, fact("ScimType", te.ScimType))
	}
	if te.Detail != "" {
		out = append(out, fact("ErrorMessage", te.Detail))
	}
	return out
}

// searchFailed reports whether the object came no farther than the search.
func (t *task) searchFailed(e engine.LogEntry) bool {
	if e.Status != engine.StatusFailure {
		return false
	}
	last := len(t.watch.searches) - 1
	return e.Code == engine.CodeDuplicateSource || e.Code == engine.CodeDuplicateTarget || last >= 0 && t.watch.searches[last].err != nil && t.watch.made == "" ||
		t.watch.read != nil && t.watch.read.err != nil && t.watch.refused != nil && t.watch.refused.Outcome != engine.OutcomeRematch
}

// writes reports whether an action sends something to the target.
func writes(a engine.Action) bool {
	return a == engine.Create || a == engine.Update || a == engine.Enable || a == engine.Disable || a == engine.Delete
}

// processed tells what was decided and why.
func (d *onDemand) processed(t *task, e engine.LogEntry) {
	if t.searchFailed(e) {
		return
	}
	name, status, what := "EntrySynchronizationUpdate", engine.StatusSuccess, "The "+string(e.Kind)+" is to be changed at the target."
	switch {
	case e.Action == engine.Fail:
		name, status, what = "EntrySynchronizationError", engine.StatusFailure, "The "+string(e.Kind)+" cannot be provisioned: "+e.Detail
	case e.Action == engine.Create:
		name, what = "EntrySynchronizationAdd", "The "+string(e.Kind)+" is to be created at the target."
	case e.Action == engine.Delete:
		name, what = "EntrySynchronizationDelete", "The "+string(e.Kind)+" is to be deleted at the target."
	case e.Action == engine.Disable:
		what = "The " + string(e.Kind) + " is to be disabled at the target."
	case e.Action == engine.Enable:
		what = "The " + string(e.Kind) + " is to be enabled at the target."
	case !writes(e.Action):
		name, status, what = "EntrySynchronizationSkip", engine.StatusSkipped, "Nothing is written."
		if e.Reason == engine.RedundantExport {
			what = "The target has everything as it should be; nothing is written."
		}
	}
	details := []engine.Detail{fact("Action", string(e.Action)), fact("Rule", string(e.Rule))}
	if words := decide.RuleText(e.Rule); words != "" {
		details = append(details, fact("RuleText", words))
	}
	switch {
	case e.Action == engine.Fail:
		details = append(details, fact("ErrorCode", string(e.Code)), fact("ErrorMessage", e.Detail))
	case !writes(e.Action):
		details = append(details, fact("SkipReason", string(e.Reason)))
	default:
		details = append(details, fact("Reason", string(e.Reason)))
	}
	if e.Detail != "" && e.Action != engine.Fail && e.Status != engine.StatusFailure {
		details = append(details, fact("Detail", e.Detail))
	}
	if t.approve != "" {
		details = append(details, fact("Approval", t.approve))
	}
	t.step(d.Now(), engine.StepProcessing, name, status, what, details...)
}

// written tells what was sent to the target, or would be, and what it answered.
func (d *onDemand) written(t *task, e engine.LogEntry) {
	if !writes(e.Action) || t.searchFailed(e) {
		return
	}
	name, done := decide.ExportEvent(e.Action)
	var details []engine.Detail
	if e.Target.ID != "" && !Planned(e.Target.ID) {
		details = append(details, fact("TargetId", e.Target.ID))
	}
	for _, c := range e.Changes {
		v := text(c.New)
		if c.Old != nil {
			v = text(c.Old) + " → " + v
		}
		details = append(details, fact(c.Attribute, v))
	}
	what := "The " + string(e.Kind) + " was " + done + " at the target."
	switch {
	case e.Status == engine.StatusFailure:
		what = "The " + string(e.Kind) + " was not " + done + ": the target refused it."
		te := t.watch.refused
		if te == nil || te.Code != e.Code {
			te = &engine.TargetError{Code: e.Code, Status: e.HTTPStatus, Detail: e.Detail}
		}
		details = append(details, answer(te)...)
	case e.Reason == engine.AlreadyAbsent:
		what = "The " + string(e.Kind) + " is gone from the target already; the link was removed."
	case d.dry:
		what = "The " + string(e.Kind) + " would be " + done + " at the target; nothing was sent."
	case e.Status == engine.StatusWarning:
		details = append(details, fact("Warning", e.Detail))
	}
	t.step(d.Now(), engine.StepExport, name, e.Status, what, details...)
}
