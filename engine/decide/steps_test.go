package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/engine"
)

// brief shows steps as "type name status", one a line, with the details asked for.
func brief(steps []engine.Step, details ...string) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%s %s %s", s.Type, s.Name, s.Status)
		for _, d := range s.Details {
			if slices.Contains(details, d.Name) {
				fmt.Fprintf(&b, " %s=%s", d.Name, d.Value)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestSteps(t *testing.T) {
	ann, target := engine.Identity{ID: "id-ann", Name: "ann@example.test"}, engine.Identity{ID: "t-1"}
	row := func(rule engine.Rule, a engine.Action, s engine.LogStatus, why engine.Reason, more ...func(*engine.LogEntry)) engine.LogEntry {
		e := engine.LogEntry{Kind: engine.User, Rule: rule, Action: a, Status: s, Reason: why, Source: ann, At: moment}
		if rule[0] == 'G' {
			e.Kind = engine.Group
		}
		for _, m := range more {
			m(&e)
		}
		return e
	}
	linked := func(e *engine.LogEntry) { e.Target = target }
	by := func(m string) func(*engine.LogEntry) {
		return func(e *engine.LogEntry) { e.MatchedBy, e.Target = m, target }
	}
	failed := func(c engine.Code, status int, detail string) func(*engine.LogEntry) {
		return func(e *engine.LogEntry) { e.Code, e.HTTPStatus, e.Detail = c, status, detail }
	}
	says := func(s string) func(*engine.LogEntry) { return func(e *engine.LogEntry) { e.Detail = s } }
	changes := func(names ...string) func(*engine.LogEntry) {
		return func(e *engine.LogEntry) {
			for _, n := range names {
				e.Changes = append(e.Changes, engine.LoggedChange{Attribute: n, New: "x"})
			}
		}
	}
	const ok, no, skip, warn = engine.StatusSuccess, engine.StatusFailure, engine.StatusSkipped, engine.StatusWarning
	for _, c := range []struct {
		name string
		row  engine.LogEntry
		want string
	}{
		{"U1 created", row("U1", engine.Create, ok, engine.Assigned, by("created"), changes("userName", "active")), `
import EntryImportAdd success
scoping EntrySynchronizationScoping success Assigned=true
matching EntryImport success
processing EntrySynchronizationAdd success Rule=U1
export EntryExportAdd success TargetId=t-1 Attributes=userName, active`},
		{"U35 refused for a conflict", row("U1", engine.Create, no, engine.Assigned, failed(engine.CodeConflict, 409, "taken")), `
import EntryImportAdd success
scoping EntrySynchronizationScoping success Assigned=true
matching EntryImport success
processing EntrySynchronizationAdd success Rule=U1
export EntryExportAdd failure ErrorCode=conflict HttpStatus=409 ErrorMessage=taken`},
		{"U2 matched", row("U2", engine.Update, ok, engine.Matched, by("userName"), changes("displayName")), `
import EntryImportAdd success
scoping EntrySynchronizationScoping success Assigned=true
matching EntryImport success MatchedBy=userName TargetId=t-1
processing EntrySynchronizationUpdate success Rule=U2
export EntryExportUpdate success TargetId=t-1 Attributes=displayName`},
		{"U4 several match", row("U4", engine.Fail, no, engine.MappingFailed, failed(engine.CodeDuplicateTarget, 0, "t-1, t-2")), `
import EntryImportAdd success
scoping EntrySynchronizationScoping success Assigned=true
matching EntryImport failure ErrorCode=duplicate_target ErrorMessage=t-1, t-2`},
		{"U5 taken, found out when it was stored", row("U1", engine.Create, no, engine.Assigned, failed(engine.CodeDuplicateSource, 0, "taken")), `
import EntryImportAdd success
scoping EntrySynchronizationScoping success Assigned=true
matching EntryImport failure ErrorCode=duplicate_source ErrorMessage=taken`},
		{"U6 blocked, no link", row("U6", engine.Skip, skip, engine.InactiveInSource), `
import EntryImportAdd success
scoping EntrySynchronizationScoping skipped IsActive=false Assigned=true`},
		{"U7 fails the filter", row("U7", engine.Skip, skip, engine.FilteredOut, says("sales")), `
import EntryImportAdd success
scoping EntrySynchronizationScoping skipped Assigned=true IsInProvisioningScopeDisplayName=sales`},
		{"U8 no matching value", row("U8", engine.Skip, skip, engine.ImportSkipped), `
import EntryImport skipped`},
		{"U9 a mapping fails", row("U9", engine.Fail, no, engine.MappingFailed, failed(engine.CodeMapping, 0, "Left")), `
import EntryImportAdd success
scoping EntrySynchronizationScoping success Assigned=true
processing EntrySynchronizationError failure Rule=U9 ErrorCode=mapping ErrorMessage=Left`},
		{"U9 a required attribute is empty", row("U9", engine.Fail, no, engine.MappingFailed, failed(engine.CodeRequiredMissing, 0, "userName")), `
import EntryImportAdd success
scoping EntrySynchronizationScoping success Assigned=true
matching EntryImport success
processing EntrySynchronizationError failure Rule=U9 ErrorCode=required_missing ErrorMessage=userName`},
		{"U9b not assigned", row("U9b", engine.Skip, skip, engine.NotAssigned), `
import EntryImportAdd success
scoping EntrySynchronizationScoping skipped Assigned=false`},
		{"the search failed", row("U1", engine.Look, no, engine.Assigned, failed(engine.CodeServerError, 500, "oops")), `
import EntryImportAdd success
scoping EntrySynchronizationScoping success Assigned=true
matching EntryImport failure ErrorCode=server_error HttpStatus=500 ErrorMessage=oops`},
		{"U26 redundant", row("U26", engine.Nothing, skip, engine.RedundantExport, linked), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping success Assigned=true
matching EntryImport success TargetId=t-1
processing EntrySynchronizationSkip skipped Rule=U26 SkipReason=RedundantExport`},
		{"U10 disabled", row("U10", engine.Disable, ok, engine.NotAssigned, linked, changes("active")), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping skipped Assigned=false
matching EntryImport success TargetId=t-1
processing EntrySynchronizationUpdate success Rule=U10
export EntryExportUpdateSoftDelete success TargetId=t-1 Attributes=active`},
		{"U10 held", row("U10", engine.Staged, skip, engine.AwaitingApproval, linked, says("disable: NotAssigned")), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping skipped Assigned=false
matching EntryImport success TargetId=t-1
processing EntrySynchronizationSkip skipped Rule=U10`},
		{"U23 missing, held", row("U23", engine.Staged, skip, engine.AwaitingApproval, linked), `
import EntryImport warning
scoping EntrySynchronizationScoping skipped
matching EntryImport success TargetId=t-1
processing EntrySynchronizationSkip skipped Rule=U23`},
		{"U29 disabled, to be deleted", row("U29", engine.Disable, ok, engine.FilteredOut, linked, changes("active"), says("sales; to be deleted at 2031-03-31 08:00 UTC")), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping skipped Assigned=true IsInProvisioningScopeDisplayName=sales
matching EntryImport success TargetId=t-1
processing EntrySynchronizationUpdate success Rule=U29
export EntryExportUpdateSoftDelete success TargetId=t-1 Attributes=active`},
		{"U15 blocked", row("U15", engine.Disable, ok, engine.InactiveInSource, linked, changes("active"), says("to be deleted at 2031-03-31 08:00 UTC")), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping skipped IsActive=false Assigned=true
matching EntryImport success TargetId=t-1
processing EntrySynchronizationUpdate success Rule=U15
export EntryExportUpdateSoftDelete success TargetId=t-1 Attributes=active`},
		{"U15 blocked and unassigned", row("U15", engine.Disable, ok, engine.InactiveInSource, linked, changes("active"), says("it is out of scope as well (NotAssigned)")), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping skipped IsActive=false
matching EntryImport success TargetId=t-1
processing EntrySynchronizationUpdate success Rule=U15
export EntryExportUpdateSoftDelete success TargetId=t-1 Attributes=active`},
		{"U10 S", row("U10", engine.Skip, skip, engine.SkipOutOfScope, linked), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping skipped Assigned=false
matching EntryImport success TargetId=t-1
processing EntrySynchronizationSkip skipped Rule=U10 SkipReason=SkipOutOfScope`},
		{"U17 the rename was refused", row("U17", engine.Disable, warn, engine.RecycledInSource, linked, changes("active", "userName"), says("no rename")), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping skipped IsActive=false
matching EntryImport success TargetId=t-1
processing EntrySynchronizationUpdate success Rule=U17
export EntryExportUpdateSoftDelete warning TargetId=t-1 Attributes=active, userName Warning=no rename`},
		{"U21 purged", row("U21", engine.Delete, ok, engine.DeletedInSource, linked), `
import EntryImportDelete success
scoping EntrySynchronizationScoping skipped IsActive=false
matching EntryImport success TargetId=t-1
processing EntrySynchronizationDelete success Rule=U21
export EntryExportDelete success TargetId=t-1`},
		{"U10 the grace time is over", row("U10", engine.Delete, ok, engine.GraceOver, linked), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping skipped Assigned=false
matching EntryImport success TargetId=t-1
processing EntrySynchronizationDelete success Rule=U10
export EntryExportDelete success TargetId=t-1`},
		{"U16 unblocked", row("U16", engine.Enable, ok, engine.SignInAllowed, linked, changes("active")), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping success Assigned=true
matching EntryImport success TargetId=t-1
processing EntrySynchronizationUpdate success Rule=U16
export EntryExportUpdate success TargetId=t-1 Attributes=active`},
		{"U33 gone and created anew", row("U33", engine.Create, ok, engine.Assigned, by("created")), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping success Assigned=true
matching EntryImport warning
processing EntrySynchronizationAdd success Rule=U33
export EntryExportAdd success TargetId=t-1`},
		{"U33 gone once too often", row("U33", engine.Fail, no, engine.MappingFailed, linked, failed(engine.CodeGone, 0, "again")), `
import EntryImportUpdate success
scoping EntrySynchronizationScoping success Assigned=true
matching EntryImport failure ErrorCode=gone ErrorMessage=again TargetId=t-1`},
		{"G4 members added", row("G4", engine.Update, ok, engine.AttributesChanged, linked, changes("members", "members")), `
import EntryImportUpdate success
referenceResolution EntryReferenceResolution success Rule=G4
export EntryExportUpdate success TargetId=t-1 Attributes=members`},
		{"G5 nobody to add", row("G5", engine.Skip, warn, engine.AttributesChanged, linked, says("2 members wait")), `
import EntryImportUpdate success
referenceResolution EntryReferenceResolution warning Rule=G5`},
		{"G13 groups are switched off", row("G13", engine.Skip, skip, engine.MappingDisabled), `
import EntryImportAdd success
scoping EntrySynchronizationScoping skipped`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := brief(Steps(c.row), "Assigned", "IsActive", "IsInProvisioningScopeDisplayName", "MatchedBy", "TargetId", "Rule", "SkipReason",
				"Attributes", "ErrorCode", "HttpStatus", "ErrorMessage", "Warning")
			got = strings.NewReplacer(" IsActive=true", "").Replace(got)
			if want := strings.TrimPrefix(c.want, "\n") + "\n"; got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// TestStepsOfAnyRow: whatever is decided, its steps come in the order of the pipeline, the export is there exactly
// when something is written, nothing follows a failure, and every step says what it found.
func TestStepsOfAnyRow(t *testing.T) {
	order := []engine.StepType{engine.StepImport, engine.StepScoping, engine.StepMatching, engine.StepProcessing, engine.StepReferences, engine.StepExport}
	rapid.Check(t, func(rt *rapid.T) {
		f := draw(rt).facts(t)
		op := User(f)
		e := engine.LogEntry{Kind: engine.User, Action: op.Action, Rule: op.Rule, Reason: op.Reason, Detail: op.Detail, Code: op.Code,
			Status: engine.StatusSuccess, Source: engine.Identity{ID: "id-ann"}, MatchedBy: op.MatchedBy, At: moment}
		if f.Link != nil {
			e.Target.ID = f.Link.TargetID
		}
		switch op.Action {
		case engine.Skip, engine.Nothing:
			e.Status = engine.StatusSkipped
		case engine.Fail, engine.Look: // a row has Look only where looking failed
			e.Status, e.Code = engine.StatusFailure, cmp.Or(e.Code, engine.CodeTimeout)
		case engine.Create:
			e.MatchedBy, e.Target.ID = "created", "t-1"
		}
		steps, last := Steps(e), -1
		for i, s := range steps {
			at := slices.Index(order, s.Type)
			if at <= last || s.Name == "" || s.Description == "" || !s.At.Equal(moment) {
				rt.Fatalf("step %d of %s by %s: %+v", i, e.Action, e.Rule, s)
			}
			last = at
			if s.Status == engine.StatusFailure && i < len(steps)-1 {
				rt.Fatalf("steps after a failure: %s", brief(steps))
			}
		}
		if steps[0].Type != engine.StepImport || (last == len(order)-1) != writes(op.Action) {
			rt.Fatalf("%s by %s: %s", e.Action, e.Rule, brief(steps))
		}
		if e.Status == engine.StatusFailure && steps[len(steps)-1].Status != engine.StatusFailure {
			rt.Fatalf("%s by %s failed, and no step did: %s", e.Action, e.Rule, brief(steps))
		}
	})
}
