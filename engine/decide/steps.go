package decide

import (
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// Steps are the steps of the pipeline (section 7) that led to a log row, with what is known of each. The row is all there is:
// what was read and found on the way is told by on-demand provisioning, while it happens.
func Steps(e engine.LogEntry) []engine.Step {
	t := &teller{row: e, outside: outside(e)}
	t.imported()
	switch {
	case e.Reason == engine.ImportSkipped: // its scope was of no account (8.3)
	case e.Rule == "G4" || e.Rule == "G5" || e.Rule == "G6":
		t.resolved()
		t.exported()
	default:
		t.scoped()
		if t.outside != "" && !t.linked() {
			break
		}
		if t.matched() && t.processed() {
			t.exported()
		}
	}
	return t.steps
}

// teller tells the steps of one row.
type teller struct {
	row     engine.LogEntry
	outside engine.Reason // why the object is not entitled, "" if it is
	steps   []engine.Step
}

func (t *teller) step(typ engine.StepType, name string, s engine.LogStatus, text string, details ...engine.Detail) {
	known := details[:0]
	for _, d := range details {
		if d.Value != "" {
			known = append(known, d)
		}
	}
	if len(known) == 0 {
		known = nil
	}
	t.steps = append(t.steps, engine.Step{Type: typ, Name: name, Status: s, Description: "The " + string(t.row.Kind) + " " + text, Details: known, At: t.row.At})
}

// linked reports whether the object had a link when it was decided about.
func (t *teller) linked() bool {
	return t.row.Target.ID != "" && t.row.MatchedBy == "" && !t.entering()
}

// entering reports whether the row follows from meeting the target for the first time.
func (t *teller) entering() bool {
	switch t.row.Rule {
	case "U1", "U2", "U3", "U4", "U5", "U6", "U8", "U9b", "G1", "G11", "G12", "G15":
		return true
	case "U33", "G10":
		return false
	default:
		return t.row.Action == engine.Create || t.row.MatchedBy != "" || t.row.Target.ID == ""
	}
}

// outside is why the object of a row is not entitled. A row that says why nothing was done about that has it in its rule.
func outside(e engine.LogEntry) engine.Reason {
	switch e.Reason {
	case engine.NotAssigned, engine.MissingRole, engine.FilteredOut, engine.InactiveInSource, engine.RecycledInSource, engine.DeletedInSource,
		engine.Excluded, engine.MappingDisabled, engine.NoLongerManaged, engine.MissingInSource:
		return e.Reason
	}
	switch e.Rule {
	case "U9b", "U10", "U19", "G7", "G15":
		return engine.NotAssigned
	case "U7", "U29", "G14":
		return engine.FilteredOut
	case "U6", "U15", "U20":
		return engine.InactiveInSource
	case "U17", "G9":
		return engine.RecycledInSource
	case "U21", "U22", "G8":
		return engine.DeletedInSource
	case "U23":
		return engine.MissingInSource
	case "U22b", "G16":
		return engine.NoLongerManaged
	case "G13":
		return engine.MappingDisabled
	default:
		return ""
	}
}

func (t *teller) imported() {
	name, status, text := "EntryImportUpdate", engine.StatusSuccess, "was read from the source."
	switch {
	case t.row.Reason == engine.ImportSkipped:
		name, status, text = "EntryImport", engine.StatusSkipped, "has no value to match by."
	case t.outside == engine.MissingInSource:
		name, status, text = "EntryImport", engine.StatusWarning, "was missing from a complete read of the source that looks cut short."
	case t.outside == engine.DeletedInSource:
		name, text = "EntryImportDelete", "was deleted at the source for good."
	case t.outside == engine.RecycledInSource:
		text = "is in the recycle bin of the source."
	case t.entering():
		name = "EntryImportAdd"
	}
	t.step(engine.StepImport, name, status, text, fact("id", t.row.Source.ID))
}

// scoped tells the factors as far as the verdict shows them: it names the first that failed.
func (t *teller) scoped() {
	var active, assigned, entitled, inFilter string
	text, status := "is in scope.", engine.StatusSkipped
	const yes, no = "true", "false"
	switch t.outside {
	case "":
		status, active, assigned, entitled, inFilter = engine.StatusSuccess, yes, yes, yes, yes
	case engine.DeletedInSource, engine.RecycledInSource:
		text, active = "is not in scope: it is deleted at the source.", no
	case engine.NotAssigned:
		text, assigned, entitled = "is not in scope: it is not assigned to the application.", no, no
	case engine.MissingRole:
		text, assigned, entitled = "is not in scope: no assignment carries a role that counts.", yes, no
	case engine.FilteredOut:
		text, assigned, entitled, inFilter = "is not in scope: it does not pass the scoping filter.", yes, yes, no
	case engine.InactiveInSource:
		text, active = "is not in scope: its sign-in is blocked at the source.", no
		if !strings.HasPrefix(t.row.Detail, outToo) {
			assigned, entitled, inFilter = yes, yes, yes
		}
	case engine.Excluded:
		text = "is left alone: an input or category filter excludes it."
	case engine.MappingDisabled:
		text = "is not in scope: the job does not provision this kind of object."
	case engine.MissingInSource:
		text = "may have left the scope; that is not known."
	default:
		text = "left the scope earlier and is not managed any more."
	}
	filter := ""
	if t.row.Reason == engine.FilteredOut {
		filter = filterOf(t.row.Detail)
	}
	t.step(engine.StepScoping, "EntrySynchronizationScoping", status, text, fact("IsActive", active), fact("Assigned", assigned),
		fact("IsEffectivelyEntitledForProvisioning", entitled), fact("IsInProvisioningScope", inFilter), fact("IsInProvisioningScopeDisplayName", filter))
}

// matched tells how the object of the target was found. The pipeline goes on if it was, or surely is not there.
func (t *teller) matched() (on bool) {
	e := t.row
	step := func(s engine.LogStatus, text string, more ...engine.Detail) bool {
		t.step(engine.StepMatching, "EntryImport", s, text, more...)
		return s != engine.StatusFailure
	}
	target := fact("TargetId", e.Target.ID)
	switch {
	case e.Code == engine.CodeDuplicateTarget:
		return step(engine.StatusFailure, "matches several objects of the target.", append(t.refusal(), fact("MatchedBy", e.MatchedBy))...)
	case e.Code == engine.CodeDuplicateSource:
		return step(engine.StatusFailure, "matches an object of the target that is linked to another source object.", t.refusal()...)
	case e.Action == engine.Look:
		return step(engine.StatusFailure, "could not be looked up at the target.", append(t.refusal(), target)...)
	case e.Action == engine.Fail && e.Code == engine.CodeGone:
		return step(engine.StatusFailure, "is linked to an object that is gone from the target.", append(t.refusal(), target)...)
	case e.Code == engine.CodeRequiredMissing && e.Target.ID == "":
		return step(engine.StatusSuccess, "matches no object of the target.")
	case e.Action == engine.Fail && t.entering(): // it came to nothing before anything was searched for
		return true
	case e.Rule == "U33" || e.Rule == "G10":
		return step(engine.StatusWarning, "was linked to an object that is gone from the target, and was matched anew.", fact("MatchedBy", matchedBy(e)))
	case e.Action == engine.Create || e.MatchedBy == "created" || e.Reason == engine.CreateDisabled:
		return step(engine.StatusSuccess, "matches no object of the target.")
	case t.entering():
		return step(engine.StatusSuccess, "matches one object of the target, which is linked.", fact("MatchedBy", e.MatchedBy), target)
	default:
		return step(engine.StatusSuccess, "is linked to an object of the target.", target)
	}
}

func matchedBy(e engine.LogEntry) string {
	if e.MatchedBy == "created" {
		return ""
	}
	return e.MatchedBy
}

// processed tells what was decided. The pipeline goes on if something is to be written.
func (t *teller) processed() (on bool) {
	e := t.row
	name, status, text := "EntrySynchronizationUpdate", engine.StatusSuccess, "is to be updated."
	why := fact("Reason", string(e.Reason))
	switch e.Action {
	case engine.Create:
		name, text = "EntrySynchronizationAdd", "is to be created."
	case engine.Update:
	case engine.Enable:
		text = "is to be enabled."
	case engine.Disable:
		text = "is to be disabled."
	case engine.Delete:
		name, text = "EntrySynchronizationDelete", "is to be deleted."
	case engine.Fail:
		name, status, text = "EntrySynchronizationError", engine.StatusFailure, "cannot be provisioned."
	case engine.Staged:
		name, status, text = "EntrySynchronizationSkip", engine.StatusSkipped, "waits until somebody approves what is to be done."
	default:
		name, status, text = "EntrySynchronizationSkip", engine.StatusSkipped, "needs no request."
		why.Name = "SkipReason"
	}
	details := []engine.Detail{fact("Action", string(e.Action)), fact("Rule", string(e.Rule)), fact("RuleText", RuleText(e.Rule)), why}
	switch {
	case e.Action == engine.Fail:
		details = append(details, t.refusal()...)
	case e.Status != engine.StatusFailure && e.Status != engine.StatusWarning:
		details = append(details, fact("Detail", e.Detail))
	}
	t.step(engine.StepProcessing, name, status, text, details...)
	return writes(e.Action)
}

// RuleText is a row of the decision tables in words, "" for an id that [Rules] does not have.
func RuleText(id engine.Rule) string {
	for _, r := range Rules() {
		if r.ID == id {
			return r.Text
		}
	}
	return ""
}

// resolved tells of members that have an object at the target, and of those that have none.
func (t *teller) resolved() {
	status, text := engine.StatusSuccess, "has members that have an object at the target."
	wait := ""
	if t.row.Rule == "G5" || t.row.Status == engine.StatusWarning {
		status, text = engine.StatusWarning, "has members that have no object at the target yet."
	}
	if t.row.Status != engine.StatusFailure {
		wait = t.row.Detail
	}
	t.step(engine.StepReferences, "EntryReferenceResolution", status, text, fact("Rule", string(t.row.Rule)), fact("RuleText", RuleText(t.row.Rule)), fact("Detail", wait))
}

// exported tells what was sent to the target and what came of it.
func (t *teller) exported() {
	e := t.row
	if !writes(e.Action) {
		return
	}
	name, done := ExportEvent(e.Action)
	var names []string
	for _, c := range e.Changes {
		if len(names) == 0 || names[len(names)-1] != c.Attribute { // members: one change each
			names = append(names, c.Attribute)
		}
	}
	details := []engine.Detail{fact("TargetId", e.Target.ID), fact("Attributes", strings.Join(names, ", "))}
	text := "was " + done + " at the target."
	switch {
	case e.Status == engine.StatusFailure:
		text = "was not " + done + " at the target, which refused it."
		details = append(details, t.refusal()...)
	case e.Reason == engine.AlreadyAbsent:
		text = "is gone from the target already; the link was removed."
	case e.Status == engine.StatusWarning:
		details = append(details, fact("Warning", e.Detail))
	}
	t.step(engine.StepExport, name, e.Status, text, details...)
}

// refusal is what the target, or a mapping, said.
func (t *teller) refusal() []engine.Detail {
	status := ""
	if t.row.HTTPStatus != 0 {
		status = strconv.Itoa(t.row.HTTPStatus)
	}
	return []engine.Detail{fact("ErrorCode", string(t.row.Code)), fact("HttpStatus", status), fact("ErrorMessage", t.row.Detail)}
}

// writes reports whether an action sends something to the target.
func writes(a engine.Action) bool {
	switch a {
	case engine.Create, engine.Update, engine.Enable, engine.Disable, engine.Delete:
		return true
	default:
		return false
	}
}

func fact(name, value string) engine.Detail { return engine.Detail{Name: name, Value: value} }

// ExportEvent names the event of an operation that was sent to the target, as Entra does, and says in a word what it
// does.
func ExportEvent(a engine.Action) (name, done string) {
	switch a {
	case engine.Create:
		return "EntryExportAdd", "created"
	case engine.Delete:
		return "EntryExportDelete", "deleted"
	case engine.Disable:
		return "EntryExportUpdateSoftDelete", "disabled"
	case engine.Enable:
		return "EntryExportUpdate", "enabled"
	default:
		return "EntryExportUpdate", "updated"
	}
}
