package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/scimsync/scimsync/engine"
)

// CredentialsRequest is the body of a connection test in the words of Graph (section 6).
type CredentialsRequest struct {
	ApplicationIdentifier string     `json:"applicationIdentifier,omitempty"`
	TemplateID            string     `json:"templateId,omitempty"`
	UseSavedCredentials   *bool      `json:"useSavedCredentials,omitempty" doc:"test what the configuration has; the default without credentials"`
	Credentials           []KeyValue `json:"credentials,omitempty" doc:"test these instead; they are not stored"`
}

// SecretsRequest is the body of PUT secrets.
type SecretsRequest struct {
	Value []KeyValue `json:"value"`
}

func (a *API) registerCredentials() {
	test := operation{id: "validate-credentials", place: atJob, method: http.MethodPost, path: "/validateCredentials", summary: "Test the connections of a job", role: RoleOperator,
		status: 204, body: CredentialsRequest{}, bodyAny: true, errors: []int{409, 422, 429}, timeout: slow,
		about: "Nothing is written and nothing stored. A failure is 422 with every failed probe in details; with the header Prefer: graph-status it is 400."}
	handle(a, test, a.validate)
	test.id, test.place, test.path = "validate-new-credentials", atConnection, "/jobs/validateCredentials"
	handle(a, test, a.validate)
	handle(a, operation{id: "check-job", place: atShortJob, method: http.MethodPost, path: "/check", summary: "Test the connections of a job and tell all that was found", role: RoleOperator,
		errors: []int{409, 422, 429}, timeout: slow}, a.check)
	handle(a, operation{id: "list-secrets", place: atConnection, method: http.MethodGet, path: "/secrets", summary: "List the keys of secrets, and settings kept with them", role: RoleViewer,
		about: "Secret values are masked."}, a.listSecrets)
	handle(a, operation{id: "count-secrets", place: atConnection, method: http.MethodGet, path: "/secrets/$count", summary: "Count secrets", role: RoleViewer},
		func(_ context.Context, c *call, _ *none) (*bare, error) { return number(len(secrets(c.jobs[0]))), nil })
	handle(a, operation{id: "put-secrets", place: atConnection, method: http.MethodPut, path: "/secrets", summary: "Compare secrets with those in effect", role: RoleAdmin, status: 204,
		body: SecretsRequest{}, errors: []int{409},
		about: "Secrets live in the configuration file and are never stored from here. Values in effect are accepted, others refused with the key of the file to change."}, a.putSecrets)
}

func (a *API) validate(ctx context.Context, c *call, in *raw) (*struct{}, error) {
	var r CredentialsRequest
	if err := decode(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	j := c.job
	if j.ID == "" {
		j = c.jobs[0]
		if r.TemplateID != "" && !isTemplate(r.TemplateID) {
			return nil, problem(http.StatusBadRequest, codeNoTemplate, fmt.Sprintf("There is no template %q. Use %s.", r.TemplateID, templateID))
		}
	}
	saved := len(r.Credentials) == 0
	if r.UseSavedCredentials != nil {
		saved = *r.UseSavedCredentials
	}
	var given map[string]string
	switch {
	case saved:
	case len(r.Credentials) == 0:
		return nil, badRequest("credentials are missing. Send them, or useSavedCredentials: true.")
	default:
		given = map[string]string{}
		for _, kv := range r.Credentials {
			k, ok := secretKey(kv.Key)
			if !ok {
				return nil, unknownSecret(kv.Key)
			}
			given[k.name] = kv.Value
		}
	}
	found, err := a.test(ctx, c, j, given)
	if err != nil {
		return nil, c.graphStatus(err)
	}
	if found.OK {
		return nil, nil
	}
	p := problem(http.StatusUnprocessableEntity, "", "The connection test failed. The details say which probes did, and what to do.")
	for _, f := range slices.Concat(found.Source, found.Target) {
		if f.Level != engine.LevelError {
			continue
		}
		if p.Code == "" {
			p.Code = failureCode(f.Code)
		}
		p.Details = append(p.Details, ProblemDetail{Code: string(f.Code), Message: f.Detail, Target: f.Name})
	}
	return nil, c.graphStatus(p)
}

// failureCode is the code of a failed test after its first failed probe.
func failureCode(c engine.Code) string {
	switch c {
	case "", engine.CodeCredentials, engine.CodeForbidden, engine.CodeSourceUnauthorized, engine.CodeSourceForbidden, engine.CodeSourceLicense, engine.CodeSourceApplication:
		return codeCredentials
	case engine.CodeTransport, engine.CodeTimeout, engine.CodeThrottled, engine.CodeServerError, engine.CodeSourceUnavailable:
		return codeUnreachable
	}
	return codeNotCompliant
}

// graphStatus answers as Graph is believed to, if the caller wants that (section 1).
func (c *call) graphStatus(err error) error {
	if r, ok := err.(*Refusal); ok {
		err = fromRefusal(r)
	}
	if p, ok := err.(*Problem); ok && p.Status == http.StatusUnprocessableEntity && c.prefers("graph-status") {
		p.Status = http.StatusBadRequest
	}
	return err
}

// test runs the connection test, not too often.
func (a *API) test(ctx context.Context, c *call, j Job, given map[string]string) (CheckResult, error) {
	if p := a.credentials.take(string(j.ID), a.now()); p != nil {
		return CheckResult{}, p
	}
	source, target, err := a.backend.Check(ctx, c.by(), j.ID, given)
	if err != nil {
		return CheckResult{}, err
	}
	return CheckResult{
		OK: !engine.Failed(source) && !engine.Failed(target), Source: append([]engine.Finding{}, source...), Target: append([]engine.Finding{}, target...),
	}, nil
}

func (a *API) check(ctx context.Context, c *call, _ *none) (*reply[CheckResult], error) {
	r, err := a.test(ctx, c, c.job, nil)
	return answerWith(r), err
}

func (a *API) listSecrets(_ context.Context, c *call, _ *none) (*reply[Page[KeyValue]], error) {
	return answerWith(Page[KeyValue]{Context: c.context("synchronization/secrets"), Value: secrets(c.jobs[0])}), nil
}

// SecretJudge is what a [Backend] may do beside: tell whether a secret is the one in effect, so that a script that
// puts the secrets that there are is not refused. Key is a name of Graph.
type SecretJudge interface {
	SameSecret(j engine.JobID, key, value string) bool
}

func (a *API) putSecrets(_ context.Context, c *call, in *raw) (*struct{}, error) {
	var r SecretsRequest
	if err := required(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	j := c.jobs[0]
	lenient := c.prefers("handling=lenient")
	var details []ProblemDetail
	for _, kv := range r.Value {
		k, ok := secretKey(kv.Key)
		if !ok {
			if lenient {
				continue
			}
			return nil, unknownSecret(kv.Key)
		}
		same, err := k.inEffect(a, j, kv.Value)
		if err != nil {
			return nil, err
		}
		if !same {
			details = append(details, ProblemDetail{Code: k.name, Target: k.file, Message: "another value is in effect"})
		}
	}
	if len(details) > 0 {
		return nil, conflict(codeJobState, inFile(j, details), details...)
	}
	return nil, nil
}
