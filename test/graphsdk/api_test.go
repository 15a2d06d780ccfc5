package graphsdk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	khttp "github.com/microsoft/kiota-http-go"
	msgraph "github.com/microsoftgraph/msgraph-sdk-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/auditlogs"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/store"
	"github.com/scimsync/scimsync/mapping"
)

const principal = "2c9b1111-2222-4333-8444-555566667777"

// backend does what a service behind the admin API would, as far as the client library asks for it.
type backend struct {
	web.Backend
	store  engine.Store
	schema []byte

	mu    sync.Mutex
	asked []string
}

func (b *backend) note(what string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, what)
	return nil
}

func (b *backend) Jobs() []web.Job {
	return []web.Job{{
		ID: "webex", Connection: principal, Enabled: true, Interval: 40 * time.Minute, Scope: engine.ScopeAssigned, SourceType: "msgraph", SourceName: "Microsoft Graph",
		TenantID: "7d1f0c52-0000-4000-8000-00000000aa01", TargetType: "scim", TargetName: "Harbour CRM", BaseURL: "https://crm.example.test/scim", AuthType: "bearer", Email: []string{"ops@example.test"},
	}}
}

func (b *backend) Start(context.Context, web.Caller, engine.JobID) error { return b.note("start") }

func (b *backend) Pause(ctx context.Context, _ web.Caller, j engine.JobID) error {
	_, err := b.store.UpdateControl(ctx, j, func(c *engine.Control) error { c.Paused = true; return nil })
	return errors.Join(err, b.note("pause"))
}

func (b *backend) Restart(_ context.Context, _ web.Caller, _ engine.JobID, what []web.Reset, _ bool) error {
	for _, r := range what {
		if err := b.note("reset " + string(r)); err != nil {
			return err
		}
	}
	return nil
}

func (b *backend) Check(context.Context, web.Caller, engine.JobID, map[string]string) (source, target []engine.Finding, err error) {
	return nil, []engine.Finding{{Name: "users: search", Level: engine.LevelError, Detail: "the target refuses the credentials", Code: engine.CodeCredentials}}, b.note("check")
}

func (b *backend) Provision(_ context.Context, _ web.Caller, _ engine.JobID, subjects []engine.Subject, _, _ bool) ([]engine.Provisioned, error) {
	var out []engine.Provisioned
	for _, s := range subjects {
		out = append(out, engine.Provisioned{
			Subject: engine.Identity{ID: s.Name, Name: "Mira Holt"}, Kind: s.Kind, Status: engine.StatusSuccess, StartedAt: time.Now(), EndedAt: time.Now(),
			Entry: engine.LogEntry{ID: 7, Action: engine.Create, Status: engine.StatusSuccess, Source: engine.Identity{ID: s.Name, Name: "Mira Holt"}, Kind: s.Kind},
			Steps: []engine.Step{{Type: engine.StepImport, Name: "EntryImportAdd", Status: engine.StatusSuccess}},
		})
	}
	return out, b.note("provision")
}

func (b *backend) Schema(context.Context, engine.JobID) (current, template []byte, err error) {
	return b.schema, b.schema, nil
}

func (b *backend) PutSchema(_ context.Context, _ web.Caller, _ engine.JobID, schema []byte) error {
	b.schema = schema
	return b.note("schema")
}

// bearer authenticates as a script does that got its token from elsewhere.
type bearer string

func (t bearer) AuthenticateRequest(_ context.Context, r *abstractions.RequestInformation, _ map[string]any) error {
	r.Headers.Add("Authorization", "Bearer "+string(t))
	return nil
}

// admin serves the admin API and gives the client library for it, set up as its users do.
func admin(t *testing.T, token string) (*backend, *serviceprincipals.ItemSynchronizationRequestBuilder, *msgraph.GraphServiceClient) {
	t.Helper()
	s, err := store.Open(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{store: s, schema: mapping.ExportSchema(mapping.WebexDefault(), nil, "Harbour CRM")}
	api := web.New(b, s, web.Options{Version: "test", Tokens: []web.Token{{Name: "script", Secret: engine.NewSecret("right"), Role: web.RoleAdmin}}})
	srv := httptest.NewServer(api)
	t.Cleanup(func() {
		api.Close()
		srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	options := msgraph.GetDefaultClientOptions()
	hc := &http.Client{Transport: khttp.NewCustomTransportWithParentTransport(http.DefaultTransport, core.GetDefaultMiddlewaresWithOptions(&options)...)}
	adapter, err := msgraph.NewGraphRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(bearer(token), nil, nil, hc)
	if err != nil {
		t.Fatal(err)
	}
	adapter.SetBaseUrl(srv.URL + "/api/v1")
	c := msgraph.NewGraphServiceClient(adapter)
	return b, c.ServicePrincipals().ByServicePrincipalId(principal).Synchronization(), c
}

// ran puts a cycle with one created user into the store.
func (b *backend) ran(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	at := time.Now().Add(-time.Minute)
	if _, err := b.store.BeginCycle(ctx, engine.Cycle{ID: "c1", Job: "webex", Kind: engine.Initial, State: engine.CycleRunning, StartedAt: at}); err != nil {
		t.Fatal(err)
	}
	row := engine.LogEntry{At: at, Action: engine.Create, Status: engine.StatusFailure, Rule: "U1", Kind: engine.User, Code: engine.CodeConflict, Detail: "userName taken",
		Source: engine.Identity{ID: "5b0e", Name: "Mira Holt"}, Changes: []engine.LoggedChange{{Attribute: "userName", New: "mira@example.test"}}, Duration: 412 * time.Millisecond}
	if err := b.store.Settle(ctx, "webex", "c1", []engine.Settled{{Ref: engine.Ref{Kind: engine.User, ID: "5b0e"}, Log: &row}}); err != nil {
		t.Fatal(err)
	}
	if err := b.store.PutLink(ctx, "webex", engine.Link{Ref: engine.Ref{Kind: engine.User, ID: "5b0f"}, TargetID: "t1", State: engine.Managed}, false); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Count(ctx, "webex", "c1", engine.Counts{"users.created": 3, "users.failed": 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.EndCycle(ctx, "webex", "c1", engine.CycleEntryErrors, "", "", at.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
}

// problem is the error of the library.
func problem(t *testing.T, err error) (status int, code string) {
	t.Helper()
	var e *odataerrors.ODataError
	if !errors.As(err, &e) || e.GetErrorEscaped() == nil {
		t.Fatalf("not an error of Graph: %v", err)
	}
	if inner := e.GetErrorEscaped().GetInnerError(); inner == nil || text(inner.GetRequestId()) == "" {
		t.Errorf("no request id in the error %v", err)
	}
	return e.ResponseStatusCode, text(e.GetErrorEscaped().GetCode())
}

func TestAdminJobs(t *testing.T) {
	t.Parallel()
	b, sync, _ := admin(t, "right")
	ctx := t.Context()
	b.ran(t)
	templates, err := sync.Templates().Get(ctx, nil)
	if err != nil || len(templates.GetValue()) != 1 || text(templates.GetValue()[0].GetId()) != "scim" {
		t.Fatalf("templates: %v %v", templates, err)
	}
	jobs, err := sync.Jobs().Get(ctx, nil)
	if err != nil || len(jobs.GetValue()) != 1 {
		t.Fatalf("jobs: %v %v", jobs, err)
	}
	if n, err := sync.Jobs().Count().Get(ctx, nil); err != nil || *n != 1 {
		t.Errorf("count: %v %v", n, err)
	}
	job, err := sync.Jobs().BySynchronizationJobId("webex").Get(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text(job.GetId()) != "webex" || text(job.GetTemplateId()) != "scim" || job.GetSchedule().GetInterval().String() != "PT40M" || *job.GetSchedule().GetState() != models.ACTIVE_SYNCHRONIZATIONSCHEDULESTATE {
		t.Errorf("job %s of template %s, schedule %v %v", text(job.GetId()), text(job.GetTemplateId()), job.GetSchedule().GetInterval(), job.GetSchedule().GetState())
	}
	st := job.GetStatus()
	last := st.GetLastExecution()
	if *st.GetCode() != models.ACTIVE_SYNCHRONIZATIONSTATUSCODE || *last.GetState() != models.ENTRYLEVELERRORS_SYNCHRONIZATIONTASKEXECUTIONRESULT || *last.GetCountExported() != 3 || *last.GetCountEscrowed() != 1 {
		t.Errorf("status %v, last execution %v with %d exported and %d escrowed", st.GetCode(), last.GetState(), *last.GetCountExported(), *last.GetCountEscrowed())
	}
	if !st.GetSteadyStateFirstAchievedTime().IsZero() || st.GetLastSuccessfulExecution() != nil {
		t.Errorf("steady since %v, successful %v", st.GetSteadyStateFirstAchievedTime(), st.GetLastSuccessfulExecution())
	}
	if n := st.GetSynchronizedEntryCountByType(); len(n) != 2 || text(n[0].GetKey()) != "User to User" || *n[0].GetValue() != 1 {
		t.Errorf("entries %v", n)
	}
	if s := job.GetSynchronizationJobSettings(); len(s) == 0 || text(s[0].GetName()) != "QuarantineTooManyDeletesThreshold" {
		t.Errorf("settings %v", s)
	}
	made := models.NewSynchronizationJob()
	made.SetTemplateId(new("scim"))
	_, err = sync.Jobs().Post(ctx, made, nil)
	if status, code := problem(t, err); status != 409 || code != "JobAlreadyExists" {
		t.Errorf("%d %s", status, code)
	}
	_, err = sync.Jobs().BySynchronizationJobId("none").Get(ctx, nil)
	if status, code := problem(t, err); status != 404 || code != "Request_ResourceNotFound" {
		t.Errorf("%d %s", status, code)
	}
}

func TestAdminActions(t *testing.T) {
	t.Parallel()
	b, sync, _ := admin(t, "right")
	ctx := t.Context()
	job := sync.Jobs().BySynchronizationJobId("webex")
	if err := job.Start().Post(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := job.Pause().Post(ctx, nil); err != nil {
		t.Fatal(err)
	}
	shown, err := job.Get(ctx, nil)
	if err != nil || *shown.GetStatus().GetCode() != models.PAUSED_SYNCHRONIZATIONSTATUSCODE {
		t.Errorf("%v %v", shown, err)
	}
	restart := serviceprincipals.NewItemSynchronizationJobsItemRestartPostRequestBody()
	criteria := models.NewSynchronizationJobRestartCriteria()
	scope := models.SynchronizationJobRestartScope(models.WATERMARK_SYNCHRONIZATIONJOBRESTARTSCOPE | models.ESCROWS_SYNCHRONIZATIONJOBRESTARTSCOPE)
	criteria.SetResetScope(&scope)
	restart.SetCriteria(criteria)
	if err := job.Restart().Post(ctx, restart, nil); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	asked := slices.Clone(b.asked)
	b.mu.Unlock()
	slices.Sort(asked)
	if want := []string{"pause", "reset escrows", "reset watermark", "start"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}

	test := serviceprincipals.NewItemSynchronizationJobsItemValidateCredentialsPostRequestBody()
	test.SetUseSavedCredentials(new(true))
	err = job.ValidateCredentials().Post(ctx, test, nil)
	if status, code := problem(t, err); status != 422 || code != "CredentialsInvalid" {
		t.Errorf("%d %s", status, code)
	}
}

func TestAdminProvisionOnDemand(t *testing.T) {
	t.Parallel()
	_, sync, _ := admin(t, "right")
	subject := models.NewSynchronizationJobSubject()
	subject.SetObjectId(new("5b0e"))
	subject.SetObjectTypeName(new("User"))
	parameters := models.NewSynchronizationJobApplicationParameters()
	parameters.SetRuleId(new("outbound"))
	parameters.SetSubjects([]models.SynchronizationJobSubjectable{subject})
	body := serviceprincipals.NewItemSynchronizationJobsItemProvisionOnDemandPostRequestBody()
	body.SetParameters([]models.SynchronizationJobApplicationParametersable{parameters})
	answer, err := sync.Jobs().BySynchronizationJobId("webex").ProvisionOnDemand().Post(t.Context(), body, nil)
	if err != nil {
		t.Fatal(err)
	}
	var key, value map[string]any
	if err := errors.Join(json.Unmarshal([]byte(text(answer.GetKey())), &key), json.Unmarshal([]byte(text(answer.GetValue())), &value)); err != nil {
		t.Fatalf("%v: %s %s", err, text(answer.GetKey()), text(answer.GetValue()))
	}
	if key["result"] != "Success" || value["action"] != "create" || len(value["provisioningSteps"].([]any)) != 1 {
		t.Errorf("%v %v", key, value)
	}
}

func TestAdminSchema(t *testing.T) {
	t.Parallel()
	b, sync, _ := admin(t, "right")
	ctx := t.Context()
	builder := sync.Jobs().BySynchronizationJobId("webex").Schema()
	schema, err := builder.Get(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	rules := schema.GetSynchronizationRules()
	if len(rules) != 1 || len(rules[0].GetObjectMappings()) != 2 {
		t.Fatalf("rules %v", rules)
	}
	first := rules[0].GetObjectMappings()[0].GetAttributeMappings()[0]
	if text(first.GetTargetAttributeName()) != "userName" || *first.GetMatchingPriority() != 1 || text(first.GetSource().GetExpression()) != "[userPrincipalName]" {
		t.Errorf("first mapping %s", text(first.GetTargetAttributeName()))
	}
	directories, err := builder.Directories().Get(ctx, nil)
	if err != nil || len(directories.GetValue()) != 2 {
		t.Errorf("directories %v %v", directories, err)
	}
	operators, err := builder.FilterOperators().GetAsFilterOperatorsGetResponse(ctx, nil)
	if err != nil || len(operators.GetValue()) < 10 || operators.GetValue()[0].GetArity() == nil {
		t.Errorf("operators %v %v", operators, err)
	}
	functions, err := builder.Functions().GetAsFunctionsGetResponse(ctx, nil)
	if err != nil || len(functions.GetValue()) < 10 {
		t.Errorf("functions %v %v", functions, err)
	}
	parse := serviceprincipals.NewItemSynchronizationJobsItemSchemaParseExpressionPostRequestBody()
	parse.SetExpression(new("ToLower([mail])"))
	parsed, err := builder.ParseExpression().Post(ctx, parse, nil)
	if err != nil || !*parsed.GetParsingSucceeded() || text(parsed.GetParsedExpression().GetName()) != "ToLower" {
		t.Errorf("%v %v", parsed, err)
	}
	// What the library has read and writes again is accepted, and means the same.
	before, _ := mapping.LoadSchema(b.schema)
	if _, err := builder.Patch(ctx, schema, nil); err != nil {
		t.Fatal(err)
	}
	after, found := mapping.LoadSchema(b.schema)
	if after == nil || after.Mapping().Fingerprint() != before.Mapping().Fingerprint() {
		t.Errorf("the schema means something else after a round trip: %v", found)
	}
}

func TestAdminSecrets(t *testing.T) {
	t.Parallel()
	_, sync, _ := admin(t, "right")
	ctx := t.Context()
	// The library has no call to read secrets; they are part of what they belong to.
	all, err := sync.Get(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	var token string
	for _, s := range all.GetSecrets() {
		if s.GetKey() == nil {
			t.Errorf("the library does not know a key with the value %s", text(s.GetValue()))
			continue
		}
		if *s.GetKey() == models.SECRETTOKEN_SYNCHRONIZATIONSECRET {
			token = text(s.GetValue())
		}
	}
	if token != "*" {
		t.Errorf("secret token %q", token)
	}
	body := serviceprincipals.NewItemSynchronizationSecretsPutRequestBody()
	body.SetValue(all.GetSecrets())
	if _, err := sync.Secrets().PutAsSecretsPutResponse(ctx, body, nil); err != nil {
		t.Errorf("putting back what was read: %v", err)
	}
	key := models.SECRETTOKEN_SYNCHRONIZATIONSECRET
	other := models.NewSynchronizationSecretKeyStringValuePair()
	other.SetKey(&key)
	other.SetValue(new("another"))
	body.SetValue([]models.SynchronizationSecretKeyStringValuePairable{other})
	_, err = sync.Secrets().PutAsSecretsPutResponse(ctx, body, nil)
	if status, code := problem(t, err); status != 409 || code != "InvalidJobState" {
		t.Errorf("%d %s", status, code)
	}
}

func TestAdminLog(t *testing.T) {
	t.Parallel()
	b, _, c := admin(t, "right")
	b.ran(t)
	rows, err := c.AuditLogs().Provisioning().Get(t.Context(), &auditlogs.ProvisioningRequestBuilderGetRequestConfiguration{
		QueryParameters: &auditlogs.ProvisioningRequestBuilderGetQueryParameters{Filter: new("jobId eq 'webex' and contains(sourceIdentity/displayName,'Mira')"), Top: new(int32(10)), Orderby: []string{"activityDateTime desc"}},
	})
	if err != nil || len(rows.GetValue()) != 1 {
		t.Fatalf("%v %v", rows, err)
	}
	r := rows.GetValue()[0]
	info := r.GetProvisioningStatusInfo()
	if *r.GetProvisioningAction() != models.CREATE_PROVISIONINGACTION || *info.GetStatus() != models.FAILURE_PROVISIONINGRESULT || text(info.GetErrorInformation().GetErrorCode()) != "Conflict" ||
		*info.GetErrorInformation().GetErrorCategory() != models.NONSERVICEFAILURE_PROVISIONINGSTATUSERRORCATEGORY {
		t.Errorf("%v %v %s", r.GetProvisioningAction(), info.GetStatus(), text(info.GetErrorInformation().GetErrorCode()))
	}
	if p := r.GetModifiedProperties(); len(p) != 1 || text(p[0].GetNewValue()) != "mira@example.test" || p[0].GetOldValue() != nil {
		t.Errorf("modified %v", p)
	}
	if s := r.GetProvisioningSteps(); len(s) < 3 || *s[0].GetProvisioningStepType() != models.IMPORT_PROVISIONINGSTEPTYPE {
		t.Errorf("steps %v", s)
	}
	if text(r.GetSourceIdentity().GetDisplayName()) != "Mira Holt" || text(r.GetServicePrincipal().GetId()) != principal || *r.GetDurationInMilliseconds() != 412 ||
		*r.GetInitiatedBy().GetInitiatorType() != models.SYSTEM_INITIATORTYPE {
		t.Errorf("%s, %s, %d ms, %v", text(r.GetSourceIdentity().GetDisplayName()), text(r.GetServicePrincipal().GetId()), *r.GetDurationInMilliseconds(), r.GetInitiatedBy().GetInitiatorType())
	}
}

func TestAdminToken(t *testing.T) {
	t.Parallel()
	_, sync, _ := admin(t, "wrong")
	_, err := sync.Jobs().Get(t.Context(), nil)
	if status, code := problem(t, err); status != 401 || code != "InvalidAuthenticationToken" {
		t.Errorf("%d %s", status, code)
	}
}
