package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// ProvisioningRecord is a provisioningObjectSummary (section 8).
type ProvisioningRecord struct {
	ID                 string             `json:"id"`
	ActivityDateTime   time.Time          `json:"activityDateTime"`
	TenantID           string             `json:"tenantId"`
	JobID              string             `json:"jobId"`
	CycleID            string             `json:"cycleId"`
	ChangeID           string             `json:"changeId"`
	Action             string             `json:"provisioningAction" enum:"other,create,delete,disable,update,stagedDelete,unknownFutureValue"`
	DurationMS         int32              `json:"durationInMilliseconds"`
	StatusInfo         StatusInfo         `json:"provisioningStatusInfo"`
	Steps              []ProvisioningStep `json:"provisioningSteps"`
	ModifiedProperties []ModifiedProperty `json:"modifiedProperties"`
	InitiatedBy        Initiator          `json:"initiatedBy"`
	ServicePrincipal   NamedID            `json:"servicePrincipal"`
	SourceSystem       SystemInfo         `json:"sourceSystem"`
	TargetSystem       SystemInfo         `json:"targetSystem"`
	SourceIdentity     IdentityInfo       `json:"sourceIdentity"`
	TargetIdentity     IdentityInfo       `json:"targetIdentity"`
}

// StatusInfo is a provisioningStatusInfo.
type StatusInfo struct {
	Status string            `json:"status" enum:"success,failure,skipped,warning,unknownFutureValue"`
	Error  *ErrorInformation `json:"errorInformation"`
}

// ErrorInformation is a provisioningErrorInfo.
type ErrorInformation struct {
	ErrorCode         string  `json:"errorCode"`
	Reason            string  `json:"reason"`
	AdditionalDetails *string `json:"additionalDetails"`
	Category          string  `json:"errorCategory" enum:"failure,nonServiceFailure,success,unknownFutureValue"`
	RecommendedAction *string `json:"recommendedAction"`
}

// ProvisioningStep is one step of what was done.
type ProvisioningStep struct {
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Type        engine.StepType   `json:"provisioningStepType" enum:"import,scoping,matching,processing,referenceResolution,export,unknownFutureValue"`
	Status      engine.LogStatus  `json:"status" enum:"success,failure,skipped,warning,unknownFutureValue"`
	Details     map[string]string `json:"details"`
}

// Initiator is who started something.
type Initiator struct {
	ID            string `json:"id"`
	DisplayName   string `json:"displayName"`
	InitiatorType string `json:"initiatorType" enum:"user,application,system,unknownFutureValue"`
}

// NamedID is a thing with its name.
type NamedID struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
}

// SystemInfo is a source or a target.
type SystemInfo struct {
	ID          string            `json:"id"`
	DisplayName string            `json:"displayName"`
	Details     map[string]string `json:"details"`
}

// IdentityInfo is an object on one side.
type IdentityInfo struct {
	ID           string            `json:"id"`
	DisplayName  string            `json:"displayName"`
	IdentityType string            `json:"identityType"`
	Details      map[string]string `json:"details"`
}

// recordSystems is the part of a record that all of a job have alike.
func recordSystems(j Job) ProvisioningRecord {
	return ProvisioningRecord{
		TenantID: j.TenantID, JobID: string(j.ID), ServicePrincipal: NamedID{j.Connection, j.TargetName},
		SourceSystem: SystemInfo{ID: j.TenantID, DisplayName: j.SourceName, Details: map[string]string{}},
		TargetSystem: SystemInfo{ID: string(j.ID), DisplayName: j.TargetName, Details: map[string]string{}},
	}
}

// record shows a log row. Steps are left out until a row is known to be wanted.
func record(j Job, e engine.LogEntry) ProvisioningRecord {
	r := recordSystems(j)
	r.ID, r.ActivityDateTime, r.CycleID, r.ChangeID = strconv.FormatInt(e.ID, 10), e.At.UTC(), string(e.Cycle), changeID(e.ID)
	r.Action, r.DurationMS = graphAction(e), int32(min(e.Duration.Milliseconds(), 1<<31-1))
	r.StatusInfo.Status = string(e.Status)
	r.SourceIdentity = IdentityInfo{e.Source.ID, e.Source.Name, graphKind(e.Kind), map[string]string{}}
	r.TargetIdentity = IdentityInfo{e.Target.ID, e.Target.Name, graphKind(e.Kind), map[string]string{}}
	r.InitiatedBy = Initiator{DisplayName: "Provisioning engine", InitiatorType: "system"}
	if e.By != "" {
		r.InitiatedBy = Initiator{ID: e.By, DisplayName: e.By, InitiatorType: "user"}
	}
	return r
}

// complete adds what costs something to work out.
func (r *ProvisioningRecord) complete(e engine.LogEntry) {
	r.ModifiedProperties = modified(e.Changes)
	if e.Status != engine.StatusSuccess {
		i := decide.ErrorInfo(e)
		r.StatusInfo.Error = &ErrorInformation{i.ErrorCode, i.Reason, orNull(i.Details), string(i.Category), orNull(i.RecommendedAction)}
	}
	r.Steps = []ProvisioningStep{}
	for _, s := range decide.Steps(e) {
		r.Steps = append(r.Steps, ProvisioningStep{s.Name, s.Description, s.Type, s.Status, facts(s.Details)})
	}
}

func (a *API) registerLogs() {
	handle(a, operation{id: "list-provisioning-log", method: http.MethodGet, path: "/auditLogs/provisioning", summary: "Read the provisioning log as Graph shows it", role: RoleViewer, errors: []int{400, 429},
		about: "$filter joins clauses by and: eq, ne and contains on texts (with letter case), gt, ge, lt, le on activityDateTime. A page may be short, or even empty, and still have a next one."}, a.listProvisioning)
	handle(a, operation{id: "list-log", place: atShortJob, method: http.MethodGet, path: "/logs", summary: "Read the provisioning log of a job", role: RoleViewer, errors: []int{400},
		about: "Oldest first, unless newest is set. To go on, pass the id of the last row as after."}, a.listLog)
	handle(a, operation{id: "list-audit", method: http.MethodGet, path: "/audit", summary: "Read who changed or started what", role: RoleViewer, errors: []int{400},
		about: "Oldest first. To go on, pass the id of the last row as after."}, a.listAudit)
}

type provisioningInput struct {
	Paging
	Filter string `query:"$filter"`
	Order  string `query:"$orderby" doc:"activityDateTime, asc or desc; default desc"`
}

// logPosition is where a page of the log goes on: after a row, in one direction.
type logPosition struct {
	ID  int64 `json:"id"`
	Asc bool  `json:"asc,omitempty"`
}

// maxScanned bounds the rows that one request looks at, whatever its filter leaves of them.
const maxScanned = 20000

func (a *API) listProvisioning(ctx context.Context, c *call, in *provisioningInput) (*reply[Page[ProvisioningRecord]], error) {
	if p := a.audits.take(c.token.Name, a.now()); p != nil {
		return nil, p
	}
	conditions, err := parseFilter(in.Filter)
	if err != nil {
		return nil, err
	}
	asc, err := ascending(in.Order)
	if err != nil {
		return nil, err
	}
	at := logPosition{Asc: asc}
	if err := in.resume(&at); err != nil {
		return nil, err
	}
	asc = at.Asc
	filter := engine.LogFilter{Newest: !asc, AfterID: at.ID}
	for _, cond := range conditions {
		cond.narrow(&filter)
	}
	page := Page[ProvisioningRecord]{Context: c.context("auditLogs/provisioning"), Value: []ProvisioningRecord{}}
	merge := merging{store: a.store, filter: filter}
	for _, j := range jobsOf(a.backend.Jobs(), conditions) {
		merge.streams = append(merge.streams, logStream{job: j})
	}
	for scanned := 0; ; scanned++ {
		e, j, ok, err := merge.take(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			return answerWith(page), nil
		}
		if len(page.Value) == in.top() || scanned == maxScanned {
			page.Next, err = c.next(at)
			return answerWith(page), err
		}
		at.ID = e.ID
		r := record(j, e)
		if !slices.ContainsFunc(conditions, func(c condition) bool { return !c.holds(&r) }) {
			r.complete(e)
			page.Value = append(page.Value, r)
		}
	}
}

func ascending(order string) (bool, error) {
	words := strings.Fields(order)
	switch {
	case len(words) == 0:
		return false, nil
	case len(words) <= 2 && strings.EqualFold(words[0], timeField):
		if len(words) == 1 || strings.EqualFold(words[1], "asc") {
			return true, nil
		}
		if strings.EqualFold(words[1], "desc") {
			return false, nil
		}
	}
	return false, badRequest("$orderby: the log can be ordered by activityDateTime, asc or desc, alone.", ProblemDetail{Code: "OrderBy", Message: "not possible", Target: "$orderby"})
}

// merging reads the logs of several jobs as one. Rows have one numbering, in the order in which they were written.
type merging struct {
	store   engine.Log
	filter  engine.LogFilter
	streams []logStream
}

type logStream struct {
	job  Job
	rows []engine.LogEntry
	last int64 // id of the last row read
	read int   // rows read so far
	done bool
}

// chunk is how many rows are read at first; later reads take more.
const (
	firstChunk = 100
	laterChunk = 1000
)

// take returns the next row of all streams.
func (m *merging) take(ctx context.Context) (engine.LogEntry, Job, bool, error) {
	best := -1
	for i := range m.streams {
		s := &m.streams[i]
		if err := m.fill(ctx, s); err != nil {
			return engine.LogEntry{}, Job{}, false, err
		}
		if len(s.rows) == 0 {
			continue
		}
		if best < 0 || (s.rows[0].ID < m.streams[best].rows[0].ID) != m.filter.Newest {
			best = i
		}
	}
	if best < 0 {
		return engine.LogEntry{}, Job{}, false, nil
	}
	s := &m.streams[best]
	e := s.rows[0]
	s.rows = s.rows[1:]
	return e, s.job, true, nil
}

func (m *merging) fill(ctx context.Context, s *logStream) error {
	if len(s.rows) > 0 || s.done {
		return nil
	}
	f := m.filter
	f.Limit = firstChunk
	if s.read > 0 {
		f.AfterID, f.Limit = s.last, laterChunk
	}
	rows, err := m.store.Entries(ctx, s.job.ID, f)
	if err != nil {
		return err
	}
	if s.done = len(rows) < f.Limit; len(rows) > 0 {
		s.rows, s.last, s.read = rows, rows[len(rows)-1].ID, s.read+len(rows)
	}
	return nil
}

type logInput struct {
	User   string `query:"user" doc:"id or part of a name, on either side"`
	Action string `query:"action" enum:"create,update,disable,enable,delete,skip,nothing,stagedDelete"`
	Status string `query:"status" enum:"success,failure,skipped,warning"`
	Since  string `query:"since" doc:"a time (2031-03-01T08:00:00Z), or a duration back (24h)"`
	Until  string `query:"until" doc:"a time, or a duration back; rows before it"`
	Cycle  string `query:"cycle"`
	Type   string `query:"type" enum:"user,group"`
	Code   string `query:"code"`
	After  int64  `query:"after" minimum:"0" doc:"id of a row; rows written after it, or with newest before it"`
	Newest bool   `query:"newest" doc:"newest first"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" doc:"default 100"`
}

func (a *API) listLog(ctx context.Context, c *call, in *logInput) (*reply[Page[LogRow]], error) {
	f := engine.LogFilter{
		Subject: in.User, Action: engine.Action(in.Action), Status: engine.LogStatus(in.Status), Cycle: engine.CycleID(in.Cycle), Kind: engine.Kind(in.Type),
		Code: engine.Code(in.Code), AfterID: in.After, Newest: in.Newest, Limit: Paging{Top: in.Limit}.top(),
	}
	var err error
	if f.Since, err = a.moment("since", in.Since); err != nil {
		return nil, err
	}
	if f.Until, err = a.moment("until", in.Until); err != nil {
		return nil, err
	}
	rows, err := a.store.Entries(ctx, c.job.ID, f)
	if err != nil {
		return nil, err
	}
	page := Page[LogRow]{Value: []LogRow{}}
	for _, e := range rows {
		page.Value = append(page.Value, LogRowOf(e))
	}
	if len(rows) == f.Limit {
		page.Next = c.after(rows[len(rows)-1].ID)
	}
	return answerWith(page), nil
}

// after is the address of the page after a row.
func (c *call) after(id int64) string {
	u := *c.url
	u.Scheme, u.Host = c.scheme, c.host
	q := u.Query()
	q.Set("after", strconv.FormatInt(id, 10))
	u.RawQuery = q.Encode()
	return u.String()
}

// moment reads a time, or a duration back from now.
func (a *API) moment(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return a.now().Add(-d).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, badRequest(name+": "+strconv.Quote(clip(text))+" is neither a time such as 2031-03-01T08:00:00Z nor a duration such as 24h.",
			ProblemDetail{Code: "Time", Message: "not a time", Target: name})
	}
	return t.UTC(), nil
}

type auditInput struct {
	Job      string `query:"job"`
	By       string `query:"by" doc:"name of a token or user"`
	Activity string `query:"activity"`
	Since    string `query:"since"`
	Until    string `query:"until"`
	After    int64  `query:"after" minimum:"0"`
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" doc:"default 100"`
}

func (a *API) listAudit(ctx context.Context, c *call, in *auditInput) (*reply[Page[engine.AuditEntry]], error) {
	f := engine.AuditFilter{Job: engine.JobID(in.Job), By: in.By, Activity: in.Activity, AfterID: in.After, Limit: Paging{Top: in.Limit}.top()}
	if j, ok := a.job(in.Job); ok {
		f.Job = j.ID
	}
	var err error
	if f.Since, err = a.moment("since", in.Since); err != nil {
		return nil, err
	}
	if f.Until, err = a.moment("until", in.Until); err != nil {
		return nil, err
	}
	rows, err := a.store.AuditEntries(ctx, f)
	if err != nil {
		return nil, err
	}
	page := Page[engine.AuditEntry]{Value: append([]engine.AuditEntry{}, rows...)}
	if len(rows) == f.Limit {
		page.Next = c.after(rows[len(rows)-1].ID)
	}
	return answerWith(page), nil
}
