package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/engine"
)

const graphRoot = "/servicePrincipals/" + connection + "/synchronization"

// Every status of section 1 has the one body, whoever found the fault: the mux, huma, or an operation.
func TestErrors(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		name         string
		status       int
		code         string
		method, path string
		body         string
		headers      []string
		refuse       error
		message      string // part of it
	}{
		{name: "malformed JSON", status: 400, code: "Request_BadRequest", method: "POST", path: "/jobs/webex/restart", body: `{"criteria":`, message: "not JSON"},
		{name: "text after JSON", status: 400, code: "Request_BadRequest", method: "POST", path: "/jobs/webex/restart", body: `{} {}`, message: "not JSON"},
		{name: "wrong type", status: 400, code: "Request_BadRequest", method: "POST", path: "/jobs/webex/restart", body: `{"criteria":"Full"}`, message: "criteria"},
		{name: "array for an object", status: 400, code: "Request_BadRequest", method: "POST", path: "/jobs/webex/restart", body: `[1]`, message: "The body has an array where"},
		{name: "unknown member", status: 400, code: "Request_BadRequest", method: "POST", path: "/jobs/webex/restart", body: `{"criterion":{}}`, message: `"criterion"`},
		{name: "unknown member inside", status: 400, code: "Request_BadRequest", method: "POST", path: "/jobs/webex/restart", body: `{"criteria":{"scope":""}}`, message: `"scope"`},
		{name: "no body", status: 400, code: "Request_BadRequest", method: "POST", path: "/jobs/webex/provision", message: "missing"},
		{name: "null body", status: 400, code: "Request_BadRequest", method: "PUT", path: "/jobs/webex/schema", body: "null", message: "null"},
		{name: "not a number", status: 400, code: "Request_BadRequest", method: "GET", path: "/jobs?$top=many", message: "$top"},
		{name: "too large a page", status: 400, code: "Request_BadRequest", method: "GET", path: "/jobs?$top=1001", message: "1000"},
		{name: "word of no enum", status: 400, code: "Request_BadRequest", method: "GET", path: "/jobs/webex/logs?status=fine", message: "status"},
		{name: "made-up skip token", status: 400, code: "Request_BadRequest", method: "GET", path: "/jobs?$skiptoken=x", message: "$skiptoken"},
		{name: "skip token of another list", status: 400, code: "Request_BadRequest", method: "GET", path: "/jobs?$skiptoken=eyJraW5kIjoidXNlciJ9", message: "$skiptoken"},
		{name: "filter", status: 400, code: "InvalidFilter", method: "GET", path: "/auditLogs/provisioning?$filter=jobId", message: "$filter"},
		{name: "reset scope", status: 400, code: "InvalidResetScope", method: "POST", path: "/jobs/webex/restart", body: `{"criteria":{"resetScope":"Everything"}}`, message: `"Everything"`},
		{name: "template", status: 400, code: "TemplateNotFound", method: "POST", path: graphRoot + "/jobs", body: `{"templateId":"workday"}`, message: "workday"},
		{name: "schema", status: 400, code: "InvalidSchema", method: "PUT", path: "/jobs/webex/schema", body: `{"id":"x"}`},
		{name: "damaged gzip", status: 400, code: "Request_BadRequest", method: "POST", path: "/jobs/webex/restart", body: "{}", headers: []string{"Content-Encoding: gzip"}, message: "gzip"},
		{name: "no such path", status: 404, code: "Request_ResourceNotFound", method: "GET", path: "/nothing"},
		{name: "no such connection", status: 404, code: "Request_ResourceNotFound", method: "GET", path: "/servicePrincipals/x/synchronization/jobs"},
		{name: "no such job", status: 404, code: "Request_ResourceNotFound", method: "GET", path: "/jobs/x"},
		{name: "job of another connection", status: 404, code: "Request_ResourceNotFound", method: "GET", path: graphRoot + "/jobs/other"},
		{name: "no such cycle", status: 404, code: "Request_ResourceNotFound", method: "GET", path: "/jobs/webex/cycles/x"},
		{name: "no such link", status: 404, code: "Request_ResourceNotFound", method: "GET", path: "/jobs/webex/links/x"},
		{name: "no such operation", status: 404, code: "Request_ResourceNotFound", method: "GET", path: "/jobs/webex/operations/x"},
		{name: "no such template", status: 404, code: "Request_ResourceNotFound", method: "GET", path: graphRoot + "/templates/x"},
		{name: "method", status: 405, code: "Request_MethodNotAllowed", method: "DELETE", path: "/jobs", message: "GET"},
		{name: "job exists", status: 409, code: "JobAlreadyExists", method: "POST", path: graphRoot + "/jobs", body: `{"templateId":"SCIM"}`, message: "webex"},
		{name: "job state", status: 409, code: "InvalidJobState", method: "POST", path: "/jobs/webex/start", refuse: &Refusal{Code: "InvalidJobState", Message: "paused", Details: []string{"a"}}, message: "paused"},
		{name: "in progress", status: 409, code: "OperationInProgress", method: "POST", path: "/jobs/webex/sync", refuse: &Refusal{Code: "OperationInProgress", Message: "busy"}},
		{name: "code without a status", status: 409, code: "Odd", method: "POST", path: "/jobs/webex/sync", refuse: &Refusal{Code: "Odd", Message: "odd"}},
		{name: "precondition", status: 412, code: "PreconditionFailed", method: "DELETE", path: "/jobs/webex/schema", headers: []string{`If-Match: "old"`}},
		{name: "precondition of a job", status: 412, code: "PreconditionFailed", method: "PATCH", path: "/jobs/webex", body: "{}", headers: []string{`If-Match: "a", "b"`}},
		{name: "too large", status: 413, code: "RequestTooLarge", method: "POST", path: "/jobs/webex/restart", body: strings.Repeat(" ", maxBody+1)},
		{name: "encoding", status: 415, code: "Request_BadRequest", method: "POST", path: "/jobs/webex/restart", body: "{}", headers: []string{"Content-Encoding: br"}},
		{name: "unreachable", status: 422, code: "TargetUnreachable", method: "POST", path: "/jobs/webex/validateCredentials", refuse: &Refusal{Code: "TargetUnreachable", Message: "away"}},
		{name: "unreachable as Graph", status: 400, code: "TargetUnreachable", method: "POST", path: "/jobs/webex/validateCredentials", refuse: &Refusal{Code: "TargetUnreachable", Message: "away"}, headers: []string{"Prefer: graph-status"}},
		{name: "source fails", status: 422, code: "CredentialsInvalid", method: "POST", path: "/jobs/webex/plan", refuse: fmt.Errorf("read users: %w", &engine.SourceError{Code: engine.CodeSourceUnauthorized, Message: "renew the secret"}), message: "renew the secret"},
		{name: "target fails", status: 422, code: "TargetUnreachable", method: "POST", path: "/jobs/webex/drift", refuse: &engine.TargetError{Code: engine.CodeTimeout, RetryAt: start.AddDate(1, 0, 0)}, message: "timeout"},
		{name: "target is odd", status: 422, code: "TargetNotCompliant", method: "POST", path: "/jobs/webex/drift", refuse: &engine.TargetError{Code: engine.CodeBadResponse, Status: 200}, message: "bad_response"},
		{name: "link taken", status: 409, code: "InvalidJobState", method: "POST", path: "/jobs/webex/links", body: `{"type":"user","source":"a","target":"b"}`, refuse: fmt.Errorf("x: %w", engine.ErrLinkTaken)},
		{name: "several are called so", status: 409, code: "InvalidJobState", method: "POST", path: "/jobs/webex/links", body: `{"type":"user","source":"a","target":"b"}`, refuse: &engine.AmbiguousError{Name: "x", IDs: []string{"one", "two"}}, message: "two"},
		{name: "not found", status: 404, code: "Request_ResourceNotFound", method: "POST", path: "/jobs/webex/start", refuse: fmt.Errorf("job: %w", engine.ErrNotFound)},
		{name: "internal", status: 500, code: "InternalServerError", method: "POST", path: "/jobs/webex/pause", refuse: errors.New("dial tcp: secret detail")},
		{name: "dropped", status: 501, code: "NotImplemented", method: "POST", path: graphRoot + "/acquireAccessToken"},
		{name: "bulk upload", status: 501, code: "NotImplemented", method: "PATCH", path: graphRoot + "/jobs/webex/bulkUpload"},
		{name: "bulk upload value", status: 501, code: "NotImplemented", method: "GET", path: graphRoot + "/jobs/webex/bulkUpload/$value"},
		{name: "application template", status: 501, code: "NotImplemented", method: "GET", path: "/applications/x/synchronization/templates"},
		{name: "connection", status: 501, code: "NotImplemented", method: "PUT", path: "/connections/x"},
		{name: "unavailable", status: 503, code: "ServiceUnavailable", method: "POST", path: "/jobs/webex/stop", refuse: context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.pass(time.Minute)
			b.back.refuse = c.refuse
			r := b.want(c.status, c.code, c.method, c.path, c.body, append(c.headers, "Client-Request-Id: mine-1")...)
			if !strings.Contains(string(r.body), c.message) && !strings.Contains(string(r.body), strings.ReplaceAll(c.message, `"`, `\"`)) {
				t.Errorf("the message does not have %q: %s", c.message, r.body)
			}
			if strings.Contains(string(r.body), "secret detail") {
				t.Errorf("the answer tells what went wrong inside: %s", r.body)
			}
			if id := r.Header.Get("Client-Request-Id"); id != "mine-1" {
				t.Errorf("client-request-id is %q", id)
			}
		})
	}
}

func TestUnauthorized(t *testing.T) {
	b := newBench(t)
	r := b.do("", "GET", "/jobs", "")
	b.expect(r, 401, "InvalidAuthenticationToken")
	if h := r.Header.Get("Www-Authenticate"); h != `Bearer realm="scimsync"` {
		t.Errorf("WWW-Authenticate: %s", h)
	}
	for _, token := range []string{"Bearer wrong", "bearer token-admi", "Basic dG9rZW4=", "Bearer ", "token-admin"} {
		r = b.do("", "GET", "/jobs", "", "Authorization: "+token)
		b.expect(r, 401, "InvalidAuthenticationToken")
	}
	b.expect(b.do("", "GET", "/nothing", ""), 401, "InvalidAuthenticationToken")
	if r = b.do("", "GET", "/jobs", "", "Authorization: bearer token-viewer"); r.StatusCode != 200 {
		t.Errorf("the scheme has no letter case: %d", r.StatusCode)
	}
	if r = b.do("", "GET", "/openapi.json", ""); r.StatusCode != 200 {
		t.Errorf("the description needs no token: %d", r.StatusCode)
	}
}

// A token that was left empty in the configuration must not let in who sends none.
func TestEmptyToken(t *testing.T) {
	k := newKeyring([]Token{{Name: "empty", Role: RoleAdmin}, {Name: "blank", Role: RoleAdmin, Secret: engine.NewSecret("")}})
	if _, ok := k.find(""); ok {
		t.Error("an empty token was accepted")
	}
}

func TestLeniency(t *testing.T) {
	b := newBench(t)
	b.want(204, "", "POST", "/jobs/webex/restart", `{"criterion":1}`, "Prefer: return=minimal; x=y, handling = lenient")
	b.want(204, "", "POST", "/jobs/webex/restart", `{"@odata.type":"#x","criteria":{"@odata.type":"#y","resetScope@odata.type":"String","resetScope":"Escrows"}}`)
	if len(b.back.resets) != 1 || b.back.resets[0] != ResetEscrows {
		t.Errorf("reset %v", b.back.resets)
	}
}

func TestRequestIDs(t *testing.T) {
	b := newBench(t)
	for _, id := range []string{"", "a b", strings.Repeat("x", 200), "é"} {
		r := b.want(200, "", "GET", "/jobs", "", "Client-Request-Id: "+id)
		if r.Header.Get("Client-Request-Id") != r.Header.Get("Request-Id") {
			t.Errorf("%q was echoed as %q", id, r.Header.Get("Client-Request-Id"))
		}
	}
}

// The client libraries of Graph compress what they send.
func TestGzip(t *testing.T) {
	b := newBench(t)
	pack := func(s string) string {
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		if _, err := z.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.String()
	}
	b.want(204, "", "POST", "/jobs/webex/restart", pack(`{"criteria":{"resetScope":"Watermark"}}`), "Content-Encoding: gzip")
	b.want(204, "", "POST", "/jobs/webex/start", "", "Content-Encoding: gzip")
	b.want(413, "RequestTooLarge", "POST", "/jobs/webex/restart", pack(strings.Repeat(" ", 64<<20)), "Content-Encoding: gzip")
}

// A page of another site cannot use what a browser sends along by itself.
func TestCrossOrigin(t *testing.T) {
	b := newBench(t)
	b.want(403, "Authorization_RequestDenied", "POST", "/jobs/webex/start", "", "Sec-Fetch-Site: cross-site")
	b.want(403, "Authorization_RequestDenied", "POST", "/jobs/webex/start", "", "Origin: http://evil.example")
	b.want(204, "", "POST", "/jobs/webex/start", "", "Origin: "+b.url)
	b.want(200, "", "GET", "/jobs", "", "Sec-Fetch-Site: cross-site")
}

func TestPaths(t *testing.T) {
	b := newBench(t)
	for _, p := range []string{
		"/jobs/WEBEX", "/jobs/webex/", "/jobs('webex')", graphRoot + "/jobs/webex", graphRoot + "/jobs('Webex')/", strings.ToLower(graphRoot) + "/jobs/webex",
		"/servicePrincipals('" + connection + "')/synchronization/jobs/webex", "/servicePrincipals/webex/synchronization/jobs/webex", "/jobs(%27webex%27)",
	} {
		p = strings.Replace(p, "serviceprincipals", "servicePrincipals", 1)
		var j SynchronizationJob
		b.want(200, "", "GET", p, "").into(t, &j)
		if j.ID != "webex" {
			t.Errorf("%s gives the job %q", p, j.ID)
		}
	}
	for path, want := range map[string]string{"/jobs/$count": "2", graphRoot + "/jobs/$count": "1", graphRoot + "/templates/$count": "1"} {
		if got := string(b.want(200, "", "GET", path, "").body); got != want {
			t.Errorf("%s: %q, want %s", path, got, want)
		}
	}
}

func TestHealth(t *testing.T) {
	b := newBench(t)
	if r := b.do("", "GET", "/healthz", ""); r.StatusCode != 200 || string(r.body) != "ok\n" {
		t.Errorf("healthz: %d %s", r.StatusCode, r.body)
	}
	if r := b.do("", "GET", "/readyz", ""); r.StatusCode != 200 {
		t.Errorf("readyz: %d %s", r.StatusCode, r.body)
	}
	b.api.ready = func(context.Context) error { return errors.New("temporal at 10.0.0.1 is away") }
	if r := b.do("", "GET", "/readyz", ""); r.StatusCode != 503 || strings.Contains(string(r.body), "10.0.0.1") {
		t.Errorf("readyz: %d %s", r.StatusCode, r.body)
	}
}

// A fault of ours is a 500 in the usual shape, and the next request works.
func TestPanic(t *testing.T) {
	b := newBench(t)
	b.back.provided = func([]engine.Subject, bool) ([]engine.Provisioned, error) { panic("oh") }
	b.want(500, "InternalServerError", "POST", "/jobs/webex/provision", `{"subjects":[{"name":"x"}]}`)
	b.want(500, "InternalServerError", "POST", onDemandPath, b.onDemandBody(`{"objectId":"x","objectTypeName":"User"}`))
	b.want(200, "", "GET", "/jobs", "")
}

func TestRetryAfter(t *testing.T) {
	b := newBench(t)
	b.back.refuse = &Refusal{Code: "TooManyRequests", Message: "later", RetryAfter: 1500 * time.Millisecond}
	r := b.want(http.StatusTooManyRequests, "TooManyRequests", "POST", "/jobs/webex/sync", "")
	if h := r.Header.Get("Retry-After"); h != "2" {
		t.Errorf("Retry-After: %q", h)
	}
}
