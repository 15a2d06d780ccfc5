package web

import (
	"encoding/json"
	"strings"
	"testing"
)

// document is what of the OpenAPI document the tests read.
type apiDocument struct {
	OpenAPI string                                    `json:"openapi"`
	Paths   map[string]map[string]documentedOperation `json:"paths"`
}

type documentedOperation struct {
	OperationID string                     `json:"operationId"`
	Summary     string                     `json:"summary"`
	Description string                     `json:"description"`
	Role        Role                       `json:"x-role"`
	Security    []map[string][]string      `json:"security"`
	Responses   map[string]json.RawMessage `json:"responses"`
	Parameters  []struct {
		Name string `json:"name"`
		In   string `json:"in"`
	} `json:"parameters"`
}

func readDocument(t *testing.T, b *bench) apiDocument {
	t.Helper()
	var d apiDocument
	b.want(200, "", "GET", "/openapi.json", "").into(t, &d)
	return d
}

// filled puts ids into the placeholders of a path.
func filled(path string) string {
	path = strings.TrimPrefix(path, root)
	for name, value := range map[string]string{"connection": connection, "job": "webex", "template": "scim"} {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	for strings.Contains(path, "{") {
		i, j := strings.Index(path, "{"), strings.Index(path, "}")
		path = path[:i] + "x" + path[j+1:]
	}
	return path
}

// Every operation says what it is, which role it needs and how it fails.
func TestDocument(t *testing.T) {
	b := newBench(t)
	d := readDocument(t, b)
	if d.OpenAPI != "3.1.0" {
		t.Errorf("openapi %q", d.OpenAPI)
	}
	ids := map[string]bool{}
	n := 0
	for path, methods := range d.Paths {
		for method, op := range methods {
			n++
			name := method + " " + path
			if ids[op.OperationID] || op.OperationID == "" {
				t.Errorf("%s: operationId %q is empty or not unique", name, op.OperationID)
			}
			ids[op.OperationID] = true
			if op.Summary == "" || op.Role.rank() == 0 || !strings.Contains(op.Description, string(op.Role)) || len(op.Security) == 0 {
				t.Errorf("%s: summary %q, role %q, description %q, security %v", name, op.Summary, op.Role, op.Description, op.Security)
			}
			for _, status := range []string{"401", "403", "500"} {
				if !strings.Contains(string(op.Responses[status]), "ErrorBody") {
					t.Errorf("%s: status %s is not documented: %s", name, status, op.Responses[status])
				}
			}
			for segment := range strings.SplitSeq(path, "/") {
				if !strings.HasPrefix(segment, "{") {
					continue
				}
				found := 0
				for _, p := range op.Parameters {
					if p.In == "path" && "{"+p.Name+"}" == segment {
						found++
					}
				}
				if found != 1 {
					t.Errorf("%s: parameter %s is documented %d times", name, segment, found)
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d operations", n)
	}
	text := string(b.want(200, "", "GET", "/openapi.json", "").body)
	for _, not := range []string{"ErrorModel", "$schema\"", "problem+json"} {
		if strings.Contains(text, not) {
			t.Errorf("the document has %s in it", not)
		}
	}
}

// Every operation is open to its role and those above, and closed to those below.
func TestRoles(t *testing.T) {
	b := newBench(t)
	for path, methods := range readDocument(t, b).Paths {
		for method, op := range methods {
			for _, role := range roles {
				if strings.HasSuffix(path, "/events") && role.May(op.Role) {
					continue // does not end; tested with events
				}
				b.pass(11e9)
				r := b.do(role, strings.ToUpper(method), filled(path), "{}")
				if role.May(op.Role) == (r.StatusCode == 403) || r.StatusCode == 401 || r.StatusCode == 405 || r.StatusCode == 500 {
					t.Errorf("%s %s as %s, which needs %s: %d %s", method, path, role, op.Role, r.StatusCode, r.body)
				}
				if r.StatusCode == 403 {
					b.expect(r, 403, "Authorization_RequestDenied")
					if !strings.Contains(string(r.body), string(op.Role)) {
						t.Errorf("%s %s: the refusal does not name the role: %s", method, path, r.body)
					}
				}
			}
		}
	}
}

// The roles of the operations that matter are fixed here, so that nobody loosens one by accident.
func TestRoleOfOperations(t *testing.T) {
	want := map[string]Role{
		"list-jobs": RoleViewer, "list-log": RoleViewer, "list-provisioning-log": RoleViewer, "list-audit": RoleViewer, "stream-events": RoleViewer, "list-secrets": RoleViewer,
		"start-job": RoleOperator, "pause-job": RoleOperator, "sync-job": RoleOperator, "stop-job": RoleOperator, "restart-job": RoleOperator, "provision": RoleOperator,
		"provision-on-demand": RoleOperator, "retry-escrows": RoleOperator, "ignore-escrows": RoleOperator, "plan-job": RoleOperator, "check-job": RoleOperator, "drift-job": RoleOperator,
		"approve-deletions": RoleApprover, "reject-deletions": RoleApprover, "graph-approve-staged-deletes": RoleApprover,
		"put-schema": RoleAdmin, "patch-schema": RoleAdmin, "reset-schema": RoleAdmin, "erase-job": RoleAdmin, "add-link": RoleAdmin, "remove-link": RoleAdmin,
		"remove-object-connection": RoleAdmin, "put-secrets": RoleAdmin, "change-job": RoleAdmin,
	}
	for _, methods := range readDocument(t, newBench(t)).Paths {
		for _, op := range methods {
			if w, ok := want[op.OperationID]; ok {
				if delete(want, op.OperationID); op.Role != w {
					t.Errorf("%s needs %s, want %s", op.OperationID, op.Role, w)
				}
			}
		}
	}
	for id := range want {
		t.Errorf("there is no operation %s", id)
	}
}

// Parts of operations that need more than the operation itself.
func TestPartialRoles(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		path, body string
		role       Role
		status     int
	}{
		{"/jobs/webex/restart", `{"criteria":{"resetScope":"Full"}}`, RoleApprover, 403},
		{"/jobs/webex/restart", `{"criteria":{"resetScope":"Full"}}`, RoleAdmin, 204},
		{"/jobs/webex/restart", `{"criteria":{"resetScope":"Watermark"}}`, RoleOperator, 204},
		{"/jobs/webex/restart", `{"criteria":{"resetScope":"ForceDeletes"}}`, RoleOperator, 403},
		{"/jobs/webex/restart", `{"criteria":{"resetScope":"ForceDeletes"}}`, RoleApprover, 409},
		{"/jobs/webex/drift", `{"repair":true}`, RoleApprover, 403},
		{"/jobs/webex/drift", `{"repair":true}`, RoleAdmin, 200},
		{"/jobs/webex/drift", ``, RoleOperator, 200},
	} {
		if r := b.do(c.role, "POST", c.path, c.body); r.StatusCode != c.status {
			t.Errorf("%s %s as %s: %d, want %d: %s", c.path, c.body, c.role, r.StatusCode, c.status, r.body)
		}
	}
}
