package decide

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

// constants are the values of all constants of a type in a file of package engine.
func constants(t *testing.T, file, typ string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../"+file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typ {
			s, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
		return true
	})
	if len(out) < 20 {
		t.Fatalf("only %d constants of %s in %s", len(out), typ, file)
	}
	return out
}

// Every code and every reason has a meaning, and every failure something that can be done about it.
func TestErrorInfoIsComplete(t *testing.T) {
	for _, c := range constants(t, "outcome.go", "Code") {
		m, ok := codes[engine.Code(c)]
		if !ok || m.entra == "" || m.reason == "" || m.action == "" || m.category == CategorySuccess {
			t.Errorf("code %s: %+v", c, m)
		}
	}
	for _, r := range constants(t, "operation.go", "Reason") {
		if m, ok := skips[engine.Reason(r)]; !ok || m.entra == "" || m.reason == "" {
			t.Errorf("reason %s: %+v", r, m)
		}
	}
	for _, m := range codes {
		if strings.Contains(m.entra, "_") {
			t.Errorf("%s is no word of a log", m.entra)
		}
	}
}

func TestErrorInfo(t *testing.T) {
	type want struct {
		code     string
		category Category
		details  string
	}
	for _, c := range []struct {
		name string
		row  engine.LogEntry
		want want
	}{
		{"done", engine.LogEntry{Action: engine.Create, Status: engine.StatusSuccess, Reason: engine.Assigned}, want{"", CategorySuccess, ""}},
		{"22 the first four: not assigned", engine.LogEntry{Action: engine.Skip, Status: engine.StatusSkipped, Reason: engine.NotAssigned}, want{"NotEffectivelyEntitled", CategorySuccess, ""}},
		{"22 missing role", engine.LogEntry{Action: engine.Skip, Status: engine.StatusSkipped, Reason: engine.MissingRole}, want{"NotEffectivelyEntitled", CategorySuccess, ""}},
		{"22 filtered out", engine.LogEntry{Action: engine.Skip, Status: engine.StatusSkipped, Reason: engine.FilteredOut, Detail: "sales"}, want{"NotEffectivelyEntitled", CategorySuccess, "sales"}},
		{"22 blocked", engine.LogEntry{Action: engine.Skip, Status: engine.StatusSkipped, Reason: engine.InactiveInSource}, want{"NotEffectivelyEntitled", CategorySuccess, ""}},
		{"16.3 no matching value", engine.LogEntry{Action: engine.Skip, Status: engine.StatusSkipped, Reason: engine.ImportSkipped}, want{"ImportSkipped", CategoryNonService, ""}},
		{"16.3 redundant", engine.LogEntry{Action: engine.Nothing, Status: engine.StatusSkipped, Reason: engine.RedundantExport}, want{"RedundantExport", CategorySuccess, ""}},
		{"16.3 nothing to do", engine.LogEntry{Action: engine.Skip, Status: engine.StatusSkipped, Reason: engine.NoLongerManaged}, want{"EntrySynchronizationSkipped", CategorySuccess, ""}},
		{"18.5 held", engine.LogEntry{Action: engine.Staged, Status: engine.StatusSkipped, Reason: engine.AwaitingApproval}, want{"EntrySynchronizationSkipped", CategoryNonService, ""}},
		{"U35 conflict", engine.LogEntry{Action: engine.Create, Status: engine.StatusFailure, Code: engine.CodeConflict, HTTPStatus: 409, Detail: "taken"}, want{"Conflict", CategoryNonService, "taken"}},
		{"U33 parity", engine.LogEntry{Action: engine.Fail, Status: engine.StatusFailure, Code: engine.CodeGone}, want{"InvalidAnchor", CategoryNonService, ""}},
		{"U40 timeout", engine.LogEntry{Action: engine.Update, Status: engine.StatusFailure, Code: engine.CodeTimeout}, want{"Timeout", CategoryFailure, ""}},
		{"G5 unresolved", engine.LogEntry{Action: engine.Skip, Status: engine.StatusWarning, Rule: "G5", Reason: engine.AttributesChanged}, want{"UnableToResolveReferenceAttributeValue", CategoryNonService, ""}},
		{"U17 rename refused", engine.LogEntry{Action: engine.Disable, Status: engine.StatusWarning, Detail: "no"}, want{"", CategorySuccess, "no"}},
		{"an unknown code", engine.LogEntry{Action: engine.Update, Status: engine.StatusFailure, Code: "new"}, want{"new", CategoryFailure, ""}},
		{"an unknown reason", engine.LogEntry{Action: engine.Skip, Status: engine.StatusSkipped, Reason: "New"}, want{"EntrySynchronizationSkipped", CategorySuccess, ""}},
	} {
		got := ErrorInfo(c.row)
		if d := cmp.Diff(c.want, want{got.ErrorCode, got.Category, got.Details}, cmp.AllowUnexported(want{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
		if got.Category != CategorySuccess && (got.Reason == "" || got.RecommendedAction == "") {
			t.Errorf("%s: nothing is said about it: %+v", c.name, got)
		}
	}
}
