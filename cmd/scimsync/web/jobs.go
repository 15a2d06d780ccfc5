package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// templateID names the one template there is; templateAlias is the word of older scripts for it.
const (
	templateID    = "scim"
	templateAlias = "customappsso"
)

// JobRequest asks for a job to be made. Jobs are made in the configuration file, so that it never is.
type JobRequest struct {
	TemplateID string `json:"templateId"`
}

// JobPatch changes settings of a job. They are those of the configuration file, so that only the values in effect are
// accepted.
type JobPatch struct {
	Schedule *struct {
		Expiration *time.Time `json:"expiration,omitempty"`
		Interval   *string    `json:"interval,omitempty"`
		State      string     `json:"state,omitempty"`
	} `json:"schedule,omitempty"`
	Settings []NameValue `json:"synchronizationJobSettings,omitempty"`
}

// tagged is an answer with an entity tag.
type tagged[T any] struct {
	ETag string `header:"ETag" doc:"for If-Match"`
	Body T
}

// bare is an answer in plain text.
type bare struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func number(n int) *bare {
	return &bare{ContentType: "text/plain; charset=utf-8", Body: []byte(strconv.Itoa(n))}
}

// offset is the position in a list that is short enough to be counted.
type offset struct {
	At int `json:"at"`
}

// cut takes a page out of a short list.
func cut[T any](c *call, all []T, p Paging) (Page[T], error) {
	var at offset
	if err := p.resume(&at); err != nil {
		return Page[T]{}, err
	}
	from := min(max(at.At, 0), len(all))
	to := min(from+p.top(), len(all))
	page := Page[T]{Value: append([]T{}, all[from:to]...)}
	var err error
	if to < len(all) {
		page.Next, err = c.next(offset{to})
	}
	return page, err
}

func (a *API) registerJobs() {
	list := operation{id: "list-jobs", method: http.MethodGet, summary: "List jobs with their status", role: RoleViewer, errors: []int{400}}
	graph := list
	graph.id, graph.place, graph.path = "graph-list-jobs", atConnection, "/jobs"
	list.path = "/jobs"
	handle(a, list, a.listJobs)
	handle(a, graph, a.listJobs)
	count := operation{id: "count-jobs", method: http.MethodGet, path: "/jobs/$count", summary: "Count jobs", role: RoleViewer}
	handle(a, count, a.countJobs)
	count.id, count.place = "graph-count-jobs", atConnection
	handle(a, count, a.countJobs)
	create := operation{id: "create-job", method: http.MethodPost, path: "/jobs", summary: "Make a job", role: RoleAdmin, body: JobRequest{}, errors: []int{409},
		about: "Jobs are made in the configuration file, one for each pair of source and target. Every connection there is has its job already, so that this always answers 409 and names it."}
	handle(a, create, a.createJob)
	create.id, create.place = "graph-create-job", atConnection
	handle(a, create, a.createJob)

	handle(a, operation{id: "show-job", place: atJob, method: http.MethodGet, summary: "Show a job with its status", role: RoleViewer}, a.showJob)
	handle(a, operation{id: "change-job", place: atJob, method: http.MethodPatch, summary: "Change settings of a job", role: RoleAdmin, body: JobPatch{}, errors: []int{409, 412},
		about: "Settings live in the configuration file. Values that are in effect already are accepted; others are refused with the key of the file to change."}, a.changeJob)
	handle(a, operation{id: "erase-job", place: atJob, method: http.MethodDelete, summary: "Forget all that a job knows", role: RoleAdmin, status: 204, errors: []int{409},
		about: "Links, what was read, failures, cycles and the log are gone; accounts at the target are not touched. The job stays in the configuration, paused."}, a.eraseJob)

	handle(a, operation{id: "show-synchronization", place: atConnection, method: http.MethodGet, summary: "Show the synchronization of a connection", role: RoleViewer}, a.showSynchronization)
	handle(a, operation{id: "list-templates", place: atConnection, method: http.MethodGet, path: "/templates", summary: "List templates", role: RoleViewer, errors: []int{400}}, a.listTemplates)
	handle(a, operation{id: "count-templates", place: atConnection, method: http.MethodGet, path: "/templates/$count", summary: "Count templates", role: RoleViewer},
		func(context.Context, *call, *none) (*bare, error) { return number(1), nil })
	handle(a, operation{id: "show-template", place: atConnection, method: http.MethodGet, path: "/templates/{template}", summary: "Show a template", role: RoleViewer}, a.showTemplate)
	handle(a, operation{id: "show-template-schema", place: atConnection, method: http.MethodGet, path: "/templates/{template}/schema", summary: "Read the schema of a template", role: RoleViewer,
		about: "It is the mapping of the configuration file."}, a.showTemplateSchema)
}

// seen are the jobs that a call is about: those of its connection, or all.
func (a *API) seen(c *call) []Job {
	if c.graph {
		return c.jobs
	}
	return a.backend.Jobs()
}

func (a *API) listJobs(ctx context.Context, c *call, in *Paging) (*reply[Page[SynchronizationJob]], error) {
	jobs, err := cut(c, a.seen(c), *in)
	if err != nil {
		return nil, err
	}
	page := Page[SynchronizationJob]{Context: c.context("synchronization/jobs"), Value: []SynchronizationJob{}, Next: jobs.Next}
	for _, j := range jobs.Value {
		v, err := a.describe(ctx, j)
		if err != nil {
			return nil, err
		}
		page.Value = append(page.Value, v)
	}
	return answerWith(page), nil
}

func (a *API) countJobs(_ context.Context, c *call, _ *none) (*bare, error) {
	return number(len(a.seen(c))), nil
}

func (a *API) createJob(_ context.Context, c *call, in *raw) (*reply[SynchronizationJob], error) {
	var r JobRequest
	if err := required(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	if !isTemplate(r.TemplateID) {
		return nil, problem(http.StatusBadRequest, codeNoTemplate, fmt.Sprintf("There is no template %q. Use %s.", r.TemplateID, templateID))
	}
	p := conflict(codeJobExists, "Jobs are made in the configuration file. Add one to its list jobs and start the service again.")
	if c.graph {
		p.Message = fmt.Sprintf("This connection has its job already: %s. Use it; further jobs are added to the list jobs of the configuration file.", c.jobs[0].ID)
		p.Target = "jobs/" + string(c.jobs[0].ID)
	}
	return nil, p
}

func isTemplate(id string) bool { return sameID(id, templateID) || sameID(id, templateAlias) }

func (a *API) showJob(ctx context.Context, c *call, _ *none) (*tagged[SynchronizationJob], error) {
	v, err := a.describe(ctx, c.job)
	if err != nil {
		return nil, err
	}
	v.Context = c.context("synchronization/jobs/$entity")
	return &tagged[SynchronizationJob]{ETag: settingsTag(v), Body: v}, nil
}

// settingsTag changes when a setting of a job does.
func settingsTag(v SynchronizationJob) string {
	data, err := json.Marshal([]any{v.Schedule.Interval, v.Settings})
	if err != nil {
		return ""
	}
	return tagOf(data)
}

// tagOf is the entity tag of a document.
func tagOf(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// matches checks If-Match (RFC 9110 section 13.1.1) against a tag.
func matches(want, have string) error {
	if want == "" || strings.TrimSpace(want) == "*" {
		return nil
	}
	for t := range strings.SplitSeq(want, ",") {
		if strings.TrimSpace(t) == have {
			return nil
		}
	}
	return problem(http.StatusPreconditionFailed, codePrecondition, "It was changed since it was read. Read it again, look at what is new, and repeat the change.")
}

type patchInput struct {
	raw
	IfMatch string `header:"If-Match"`
}

func (a *API) changeJob(ctx context.Context, c *call, in *patchInput) (*tagged[SynchronizationJob], error) {
	var r JobPatch
	if err := required(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	v, err := a.describe(ctx, c.job)
	if err != nil {
		return nil, err
	}
	if err := matches(in.IfMatch, settingsTag(v)); err != nil {
		return nil, err
	}
	details, err := differing(c.job, v, r)
	if err != nil {
		return nil, err
	}
	if len(details) > 0 {
		return nil, conflict(codeJobState, inFile(c.job, details), details...)
	}
	v.Context = c.context("synchronization/jobs/$entity")
	return &tagged[SynchronizationJob]{ETag: settingsTag(v), Body: v}, nil
}

// inFile says that settings are changed in the configuration file, and which.
func inFile(j Job, details []ProblemDetail) string {
	var keys []string
	for _, d := range details {
		keys = append(keys, d.Target)
	}
	return fmt.Sprintf("Settings are not changed here: the configuration file is the truth about them. Change %s of the job %s there, and start the service again.",
		strings.Join(keys, ", "), j.ID)
}

// Limits of the interval of a job.
const (
	minInterval = time.Minute
	maxInterval = 24 * time.Hour
)

// differing lists the settings of a patch that are not in effect, with their keys in the configuration file.
func differing(j Job, now SynchronizationJob, r JobPatch) ([]ProblemDetail, error) {
	var out []ProblemDetail
	if s := r.Schedule; s != nil {
		if s.Interval != nil {
			d, ok := parseISO(*s.Interval)
			if !ok || d < minInterval || d > maxInterval {
				return nil, badRequest(fmt.Sprintf("schedule.interval: %q is no ISO 8601 duration from PT1M to PT24H.", *s.Interval))
			}
			if d != j.Interval {
				out = append(out, ProblemDetail{Code: "Interval", Target: "interval", Message: "in effect is " + isoDuration(j.Interval)})
			}
		}
		if s.State != "" && !sameID(s.State, now.Schedule.State) {
			return nil, badRequest("schedule.state cannot be set. Use the actions start and pause.")
		}
	}
	for _, set := range r.Settings {
		known := false
		for _, have := range now.Settings {
			if !sameID(set.Name, have.Name) {
				continue
			}
			known = true
			if !strings.EqualFold(strings.TrimSpace(set.Value), have.Value) {
				out = append(out, ProblemDetail{Code: have.Name, Target: settingKeys[have.Name], Message: "in effect is " + have.Value})
			}
		}
		if !known {
			return nil, badRequest(fmt.Sprintf("synchronizationJobSettings: there is no setting %q. There are %s and %s.", set.Name, settingThreshold, settingRole))
		}
	}
	return out, nil
}

// settingKeys are the keys of settings in the block of a job in the configuration file.
var settingKeys = map[string]string{settingThreshold: "deletions.threshold", settingRole: "requireRole"}

func (a *API) eraseJob(ctx context.Context, c *call, _ *none) (*struct{}, error) {
	return nil, a.backend.Erase(ctx, c.by(), c.job.ID)
}

// Synchronization is what Graph keeps together for a connection.
type Synchronization struct {
	Context   string     `json:"@odata.context,omitempty"`
	ID        string     `json:"id"`
	Secrets   []KeyValue `json:"secrets" doc:"values that are secret are masked"`
	Jobs      []string   `json:"jobIds"`
	Templates []string   `json:"templateIds"`
}

func (a *API) showSynchronization(_ context.Context, c *call, _ *none) (*reply[Synchronization], error) {
	s := Synchronization{Context: c.context("synchronization/$entity"), ID: c.jobs[0].Connection, Secrets: secrets(c.jobs[0]), Jobs: []string{}, Templates: []string{templateID}}
	for _, j := range c.jobs {
		s.Jobs = append(s.Jobs, string(j.ID))
	}
	return answerWith(s), nil
}

// Template is a synchronizationTemplate.
type Template struct {
	Context       string     `json:"@odata.context,omitempty"`
	ID            string     `json:"id"`
	ApplicationID *string    `json:"applicationId"`
	Default       bool       `json:"default"`
	Description   string     `json:"description"`
	Discoverable  bool       `json:"discoverable"`
	FactoryTag    string     `json:"factoryTag"`
	Metadata      []KeyValue `json:"metadata"`
}

func theTemplate() Template {
	return Template{ID: templateID, Default: true, Description: "Accounts and groups of a SCIM 2.0 application", Discoverable: true, FactoryTag: templateID, Metadata: []KeyValue{}}
}

func (a *API) listTemplates(_ context.Context, c *call, in *Paging) (*reply[Page[Template]], error) {
	p, err := cut(c, []Template{theTemplate()}, *in)
	p.Context = c.context("synchronization/templates")
	return answerWith(p), err
}

type templateInput struct {
	Template string `path:"template" doc:"scim, or its alias customappsso"`
}

func (a *API) showTemplate(_ context.Context, c *call, in *templateInput) (*reply[Template], error) {
	if !isTemplate(in.Template) {
		return nil, noTemplate(in.Template)
	}
	t := theTemplate()
	t.Context = c.context("synchronization/templates/$entity")
	return answerWith(t), nil
}

func noTemplate(id string) error {
	return notFound(fmt.Sprintf("There is no template %q; there is %s.", id, templateID))
}

func (a *API) showTemplateSchema(ctx context.Context, c *call, in *templateInput) (*reply[json.RawMessage], error) {
	if !isTemplate(in.Template) {
		return nil, noTemplate(in.Template)
	}
	_, template, err := a.backend.Schema(ctx, c.jobs[0].ID)
	return answerWith(json.RawMessage(template)), err
}

// refOf reads the id of an object as lists show it: "user:ID". What has no kind before it is not one.
func refOf(id string) (engine.Ref, bool) {
	kind, rest, ok := strings.Cut(id, ":")
	k := engine.Kind(strings.ToLower(kind))
	if !ok || rest == "" || k != engine.User && k != engine.Group {
		return engine.Ref{}, false
	}
	return engine.Ref{Kind: k, ID: rest}, true
}

// idOf is how lists show an object.
func idOf(r engine.Ref) string { return string(r.Kind) + ":" + r.ID }
