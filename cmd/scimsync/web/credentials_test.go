package web

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/engine"
)

func TestValidateCredentials(t *testing.T) {
	b := newBench(t)
	validate := func(status int, code, body string, headers ...string) answered {
		t.Helper()
		b.pass(11 * time.Second)
		return b.want(status, code, "POST", graphRoot+"/jobs/webex/validateCredentials", body, headers...)
	}
	validate(204, "", `{"useSavedCredentials":true}`)
	validate(204, "", "")
	if b.back.check != nil {
		t.Errorf("saved credentials were replaced by %v", b.back.check)
	}
	validate(204, "", `{"credentials":[{"key":"baseaddress","value":"https://x.example"},{"key":"SecretToken","value":"s"}]}`)
	if want := map[string]string{"BaseAddress": "https://x.example", "SecretToken": "s"}; !maps.Equal(b.back.check, want) {
		t.Errorf("credentials %v, want %v", b.back.check, want)
	}
	validate(400, "Request_BadRequest", `{"credentials":[{"key":"AppKey","value":"x"}]}`)
	validate(400, "Request_BadRequest", `{"useSavedCredentials":false}`)
	validate(400, "Request_BadRequest", `{useSavedCredentials:true}`)
	b.pass(11 * time.Second)
	b.want(204, "", "POST", graphRoot+"/jobs/validateCredentials", `{"applicationIdentifier":"x","templateId":"scim","useSavedCredentials":true}`)
	b.want(400, "TemplateNotFound", "POST", graphRoot+"/jobs/validateCredentials", `{"templateId":"x"}`)

	for code, want := range map[engine.Code]string{"": "CredentialsInvalid", engine.CodeCredentials: "CredentialsInvalid", engine.CodeTransport: "TargetUnreachable", engine.CodeBadResponse: "TargetNotCompliant"} {
		b.back.findings = []engine.Finding{{Name: "a", Level: engine.LevelOK}, {Name: "b", Level: engine.LevelError, Detail: "broken", Code: code}, {Name: "c", Level: engine.LevelError, Detail: "as well", Code: engine.CodeTimeout}}
		var e ErrorBody
		validate(422, want, `{}`).into(t, &e)
		if len(e.Error.Details) != 2 || e.Error.Details[0] != (ProblemDetail{Code: string(code), Message: "broken", Target: "b"}) {
			t.Errorf("details %+v", e.Error.Details)
		}
		validate(400, want, `{}`, "Prefer: graph-status")
	}
	b.pass(11 * time.Second)
	r, err := b.client().Check(t.Context(), "webex")
	if err != nil || r.OK || len(r.Source) != 1 || len(r.Target) != 3 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestValidateRate(t *testing.T) {
	b := newBench(t)
	for range 5 {
		b.want(204, "", "POST", graphRoot+"/jobs/webex/validateCredentials", "")
	}
	r := b.want(429, "TooManyRequests", "POST", "/jobs/webex/check", "")
	if r.Header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
	b.want(200, "", "POST", "/jobs/other/check", "")
	b.pass(10 * time.Second)
	b.want(200, "", "POST", "/jobs/webex/check", "")
}

// Reading secrets never shows one, and putting them back as they were read changes nothing.
func TestSecrets(t *testing.T) {
	b := newBench(t)
	r := b.want(200, "", "GET", graphRoot+"/secrets", "")
	var p Page[KeyValue]
	r.into(t, &p)
	got := map[string]string{}
	for _, kv := range p.Value {
		got[kv.Key] = kv.Value
	}
	want := map[string]string{
		"BaseAddress": "https://crm.example.test/scim/v2", "AuthenticationType": "bearer", "SecretToken": "*", "TokenExpiration": "2032-03-04T10:00:00Z", "SyncAll": "false",
		"SkipOutOfScopeDeletions": "false", "SyncNotificationSettings": `{"Enabled":true,"DeleteThresholdEnabled":true,"Recipients":"ops@example.test"}`,
	}
	if !maps.Equal(got, want) {
		t.Errorf("secrets %v\nwant %v", got, want)
	}
	b.want(204, "", "PUT", graphRoot+"/secrets", string(r.body))
	if string(b.want(200, "", "GET", graphRoot+"/secrets/$count", "").body) != "7" {
		t.Error("another number of secrets")
	}
}

func TestPutSecrets(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ key, value, file string }{ // file "": accepted
		{"SecretToken", "right", ""},
		{"secrettoken", "*", ""},
		{"SecretToken", "wrong", "target.auth.token"},
		{"SecretToken", "", "target.auth.token"},
		{"Password", "", ""},
		{"Password", "x", "target.auth.password"},
		{"Password", "*", "target.auth.password"},
		{"BaseAddress", "https://crm.example.test/scim/v2/", ""},
		{"BaseAddress", "https://evil.example", "target.baseUrl"},
		{"SyncAll", "False", ""},
		{"SyncAll", "true", "scope"},
		{"SkipOutOfScopeDeletions", "0", ""},
		{"SkipOutOfScopeDeletions", "1", "deletions.skipOutOfScope"},
		{"HardDeletesEnabled", "false", ""},
		{"UpdateKeyOnSoftDelete", "true", ""},
		{"AuthenticationType", "Bearer", ""},
		{"TokenExpiration", "2032-03-04T11:00:00+01:00", ""},
		{"TokenExpiration", "2033-03-04T11:00:00Z", "target.auth.expires"},
		{"SyncNotificationSettings", `{"Enabled":true,"Unknown":1}`, ""},
		{"SyncNotificationSettings", `{"Enabled":false}`, "notify and deletions.threshold"},
		{"SyncNotificationSettings", `{"DeleteThresholdValue":10}`, "notify and deletions.threshold"},
	} {
		body := `{"value":[{"key":"` + c.key + `","value":"` + strings.ReplaceAll(c.value, `"`, `\"`) + `"}]}`
		if c.file == "" {
			b.want(204, "", "PUT", graphRoot+"/secrets", body)
			continue
		}
		var e ErrorBody
		r := b.want(409, "InvalidJobState", "PUT", graphRoot+"/secrets", body)
		r.into(t, &e)
		if len(e.Error.Details) != 1 || e.Error.Details[0].Target != c.file || !strings.Contains(e.Error.Message, c.file) {
			t.Errorf("%s: %+v", body, e.Error)
		}
		if len(c.value) > 4 && strings.Contains(string(r.body), c.value) {
			t.Errorf("the refusal repeats the value: %s", r.body)
		}
	}
	b.want(400, "Request_BadRequest", "PUT", graphRoot+"/secrets", `{"value":[{"key":"SyncAll","value":"perhaps"}]}`)
	b.want(400, "Request_BadRequest", "PUT", graphRoot+"/secrets", `{"value":[{"key":"Sandbox","value":"x"}]}`)
	b.want(204, "", "PUT", graphRoot+"/secrets", `{"value":[{"key":"Sandbox","value":"x"}]}`, "Prefer: handling=lenient")
}

// A backend that cannot compare secrets refuses all but the mask.
func TestSecretsWithoutJudge(t *testing.T) {
	b := newBench(t)
	b.api.backend = struct{ Backend }{b.back}
	b.want(409, "InvalidJobState", "PUT", graphRoot+"/secrets", `{"value":[{"key":"SecretToken","value":"right"}]}`)
	b.want(204, "", "PUT", graphRoot+"/secrets", `{"value":[{"key":"SecretToken","value":"*"}]}`)
}

func TestClientProblem(t *testing.T) {
	b := newBench(t)
	b.back.refuse = &Refusal{Code: "TooManyRequests", Message: "not so fast", Details: []string{"one", "two"}, RetryAfter: 3 * time.Second}
	err := b.client().Start(t.Context(), "webex")
	p, ok := errors.AsType[*Problem](err)
	if !ok || p.Status != 429 || p.Code != "TooManyRequests" || p.Message != "not so fast" || len(p.Details) != 2 || p.RetryAfter != 3*time.Second || p.RequestID == "" {
		t.Errorf("%+v", err)
	}
	c := &Client{Base: b.url + "/elsewhere", Token: engine.NewSecret("token-admin")}
	if _, err := c.Jobs(t.Context()); err == nil {
		t.Error("a wrong address gave no error")
	}
	c = &Client{Base: "http://127.0.0.1:1", Token: engine.NewSecret("token-admin")}
	if _, err := c.Jobs(t.Context()); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:1") {
		t.Errorf("%v", err)
	}
}
