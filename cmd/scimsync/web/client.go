package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// Client calls the API of a running service by its short form. It follows no redirects to other hosts and repeats
// nothing. Errors of the service are a [*Problem]; others say that it could not be reached.
type Client struct {
	Base  string // of the service: http://127.0.0.1:8080
	Token engine.Secret
	HTTP  *http.Client // nil: the default client
}

// maxAnswer bounds what the client reads of one answer, in bytes: a plan of a large job.
const maxAnswer = 512 << 20

// call sends one request and reads the answer into out, which may be nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	res, err := c.send(ctx, method, path, query, in, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.Base, err)
	}
	if out == nil || len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("the answer of %s to %s %s cannot be read; is it a scimsync service of this version? %w", c.Base, method, path, err)
	}
	return nil
}

// fetch sends one request and returns what the answer holds.
func fetch[T any](ctx context.Context, c *Client, method, path string, query url.Values, in any) (T, error) {
	var out T
	err := c.call(ctx, method, path, query, in, &out)
	return out, err
}

// send sends one request. The answer it returns is a success, with its body open.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, in any, header http.Header) (*http.Response, error) {
	at := strings.TrimSuffix(c.Base, "/") + root + path
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case json.RawMessage:
		body = bytes.NewReader(in)
	default:
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return nil, fmt.Errorf("the address of the service %q: %w", c.Base, err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
	res, err := cmp.Or(c.HTTP, http.DefaultClient).Do(req)
	if err != nil {
		return nil, fmt.Errorf("no answer from the service at %s: %w", c.Base, err)
	}
	if res.StatusCode >= 400 {
		defer res.Body.Close()
		return nil, readProblem(res)
	}
	return res, nil
}

// readProblem reads an error. One that does not come from the API is told by its status.
func readProblem(res *http.Response) *Problem {
	p := &Problem{Status: res.StatusCode, RequestID: res.Header.Get("Request-Id")}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		p.RetryAfter = time.Duration(s) * time.Second
	}
	var b ErrorBody
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || json.Unmarshal(data, &b) != nil || b.Error.Code == "" {
		p.Code, p.Message = http.StatusText(res.StatusCode), fmt.Sprintf("%s answered %s, and not as a scimsync service does; check --server", res.Request.URL.Host, res.Status)
		return p
	}
	p.Code, p.Message, p.Target, p.Details = b.Error.Code, b.Error.Message, b.Error.Target, b.Error.Details
	return p
}

func jobPath(j engine.JobID, rest string) string {
	return "/jobs/" + url.PathEscape(string(j)) + rest
}

// Jobs lists all jobs.
func (c *Client) Jobs(ctx context.Context) ([]SynchronizationJob, error) {
	return every(func(skip string) (Page[SynchronizationJob], error) {
		return fetch[Page[SynchronizationJob]](ctx, c, http.MethodGet, "/jobs", PageQuery{Skip: skip}.values(), nil)
	})
}

// every reads all pages of a short list.
func every[T any](read func(skip string) (Page[T], error)) ([]T, error) {
	var all []T
	for skip := ""; ; {
		p, err := read(skip)
		if err != nil {
			return nil, err
		}
		all = append(all, p.Value...)
		if skip = p.Skip(); skip == "" {
			return all, nil
		}
	}
}

// Skip is the token of the next page, "" on the last one: what [PageQuery] wants.
func (p Page[T]) Skip() string { return skipOf(p.Next) }

// Skip is the token of the next page, "" on the last one.
func (l DeletionList) Skip() string { return skipOf(l.Next) }

func skipOf(next string) string {
	u, err := url.Parse(next)
	if err != nil {
		return ""
	}
	return u.Query().Get("$skiptoken")
}

// Job reads one job with its status.
func (c *Client) Job(ctx context.Context, j engine.JobID) (SynchronizationJob, error) {
	return fetch[SynchronizationJob](ctx, c, http.MethodGet, jobPath(j, ""), nil, nil)
}

// Start starts or resumes a job and lifts a quarantine.
func (c *Client) Start(ctx context.Context, j engine.JobID) error {
	return c.call(ctx, http.MethodPost, jobPath(j, "/start"), nil, nil, nil)
}

// Pause lets the running cycle end and starts no other.
func (c *Client) Pause(ctx context.Context, j engine.JobID) error {
	return c.call(ctx, http.MethodPost, jobPath(j, "/pause"), nil, nil, nil)
}

// Stop cancels the running cycle after the objects in hand.
func (c *Client) Stop(ctx context.Context, j engine.JobID) error {
	return c.call(ctx, http.MethodPost, jobPath(j, "/stop"), nil, nil, nil)
}

// Restart resets a job. scopes are the words of [RestartCriteria]; none means QuarantineState, Watermark and Escrows.
// Links are cleared by Full only. start also starts a paused job.
func (c *Client) Restart(ctx context.Context, j engine.JobID, scopes []string, start bool) error {
	q := url.Values{}
	if start {
		q.Set("start", "true")
	}
	return c.call(ctx, http.MethodPost, jobPath(j, "/restart"), q, RestartRequest{&RestartCriteria{strings.Join(scopes, ",")}}, nil)
}

// Quarantine puts a job into quarantine.
func (c *Client) Quarantine(ctx context.Context, j engine.JobID, reason string) error {
	return c.call(ctx, http.MethodPost, jobPath(j, "/quarantine"), nil, QuarantineRequest{reason}, nil)
}

// Erase forgets all state of a job.
func (c *Client) Erase(ctx context.Context, j engine.JobID) error {
	return c.call(ctx, http.MethodDelete, jobPath(j, ""), nil, nil, nil)
}

// Sync starts a cycle, or joins the running one, without waiting for its end.
func (c *Client) Sync(ctx context.Context, j engine.JobID) (engine.CycleID, error) {
	out, err := fetch[SyncResult](ctx, c, http.MethodPost, jobPath(j, "/sync"), nil, nil)
	return out.Cycle, err
}

// Plan computes what the next cycle would do.
func (c *Client) Plan(ctx context.Context, j engine.JobID) (PlanResult, error) {
	return fetch[PlanResult](ctx, c, http.MethodPost, jobPath(j, "/plan"), nil, nil)
}

// Provision provisions objects now, or says what would be done.
func (c *Client) Provision(ctx context.Context, j engine.JobID, r ProvisionRequest) ([]ProvisionedObject, error) {
	return fetch[[]ProvisionedObject](ctx, c, http.MethodPost, jobPath(j, "/provision"), nil, r)
}

// Check tests the connections of a job. That one fails is no error; the result tells.
func (c *Client) Check(ctx context.Context, j engine.JobID) (CheckResult, error) {
	return fetch[CheckResult](ctx, c, http.MethodPost, jobPath(j, "/check"), nil, nil)
}

// Deletions lists what guards hold back.
func (c *Client) Deletions(ctx context.Context, j engine.JobID, q PageQuery) (DeletionList, error) {
	return c.Covered(ctx, j, "", q)
}

// Covered lists what a snapshot of such a list covers; "" means all. What it covered and is not held any more, or
// otherwise, is a conflict.
func (c *Client) Covered(ctx context.Context, j engine.JobID, snapshot string, q PageQuery) (DeletionList, error) {
	v := q.values()
	set(v, "snapshot", snapshot)
	return fetch[DeletionList](ctx, c, http.MethodGet, jobPath(j, "/deletions"), v, nil)
}

// Approve lets held changes be carried out by the next cycle. It returns how many.
func (c *Client) Approve(ctx context.Context, j engine.JobID, r JudgeRequest) (int, error) {
	return c.judge(ctx, j, "/deletions/approve", r)
}

// Reject keeps held changes from being carried out until their source objects change. It returns how many.
func (c *Client) Reject(ctx context.Context, j engine.JobID, r JudgeRequest) (int, error) {
	return c.judge(ctx, j, "/deletions/reject", r)
}

func (c *Client) judge(ctx context.Context, j engine.JobID, path string, r JudgeRequest) (int, error) {
	out, err := fetch[JudgeResult](ctx, c, http.MethodPost, jobPath(j, path), nil, r)
	return out.Judged, err
}

// Escrows lists what failed and waits for a retry.
func (c *Client) Escrows(ctx context.Context, j engine.JobID, q PageQuery) (Page[EscrowRow], error) {
	return fetch[Page[EscrowRow]](ctx, c, http.MethodGet, jobPath(j, "/escrows"), q.values(), nil)
}

// EscrowCauses groups what failed by cause.
func (c *Client) EscrowCauses(ctx context.Context, j engine.JobID) (EscrowCauses, error) {
	return fetch[EscrowCauses](ctx, c, http.MethodGet, jobPath(j, "/escrows"), url.Values{"group": {"cause"}}, nil)
}

// Retry makes failed objects due at once; nil means all. It returns how many.
func (c *Client) Retry(ctx context.Context, j engine.JobID, ids []string) (int, error) {
	return c.escrowed(ctx, j, "/escrows/retry", ids)
}

// Ignore drops failures until their source objects change; nil means all. It returns how many.
func (c *Client) Ignore(ctx context.Context, j engine.JobID, ids []string) (int, error) {
	return c.escrowed(ctx, j, "/escrows/ignore", ids)
}

func (c *Client) escrowed(ctx context.Context, j engine.JobID, path string, ids []string) (int, error) {
	if ids != nil && len(ids) == 0 {
		return 0, nil // without ids the body would mean all
	}
	out, err := fetch[CountResult](ctx, c, http.MethodPost, jobPath(j, path), nil, IDsRequest{ids})
	return out.Count, err
}

// Links lists links. A page of a rare state may be empty and still have a next one.
func (c *Client) Links(ctx context.Context, j engine.JobID, q LinkQuery) (Page[LinkRow], error) {
	return fetch[Page[LinkRow]](ctx, c, http.MethodGet, jobPath(j, "/links"), q.values(), nil)
}

// Link reads one link by its id, or by the id of its object at the source or, failing that, at the target.
func (c *Client) Link(ctx context.Context, j engine.JobID, id string) (LinkRow, error) {
	return fetch[LinkRow](ctx, c, http.MethodGet, jobPath(j, "/links/"+url.PathEscape(id)), nil, nil)
}

// AddLink links a source to a target object by hand.
func (c *Client) AddLink(ctx context.Context, j engine.JobID, r LinkRequest) (LinkRow, error) {
	return fetch[LinkRow](ctx, c, http.MethodPost, jobPath(j, "/links"), nil, r)
}

// RemoveLink forgets a link, named as in [Client.Link]. Neither object is touched.
func (c *Client) RemoveLink(ctx context.Context, j engine.JobID, id string) error {
	return c.call(ctx, http.MethodDelete, jobPath(j, "/links/"+url.PathEscape(id)), nil, nil, nil)
}

// Drift compares the target with what the job believes; repair queues what differs.
func (c *Client) Drift(ctx context.Context, j engine.JobID, repair bool) (engine.Drift, error) {
	return fetch[engine.Drift](ctx, c, http.MethodPost, jobPath(j, "/drift"), nil, DriftRequest{repair})
}

// Feeds tells how far the source was read.
func (c *Client) Feeds(ctx context.Context, j engine.JobID) ([]FeedRow, error) {
	out, err := fetch[Page[FeedRow]](ctx, c, http.MethodGet, jobPath(j, "/feeds"), nil, nil)
	return out.Value, err
}

// Cycles lists cycles, newest first.
func (c *Client) Cycles(ctx context.Context, j engine.JobID, q PageQuery) (Page[CycleResult], error) {
	return fetch[Page[CycleResult]](ctx, c, http.MethodGet, jobPath(j, "/cycles"), q.values(), nil)
}

// Cycle reads one cycle.
func (c *Client) Cycle(ctx context.Context, j engine.JobID, id engine.CycleID) (CycleResult, error) {
	return fetch[CycleResult](ctx, c, http.MethodGet, jobPath(j, "/cycles/"+url.PathEscape(string(id))), nil, nil)
}

// Logs lists rows of the provisioning log, oldest first unless the query says otherwise. The id of the last row
// goes on after it.
func (c *Client) Logs(ctx context.Context, j engine.JobID, q LogQuery) ([]LogRow, error) {
	out, err := fetch[Page[LogRow]](ctx, c, http.MethodGet, jobPath(j, "/logs"), q.values(), nil)
	return out.Value, err
}

// Audit lists who changed or started what, oldest first. The id of the last row goes on after it.
func (c *Client) Audit(ctx context.Context, q AuditQuery) ([]engine.AuditEntry, error) {
	out, err := fetch[Page[engine.AuditEntry]](ctx, c, http.MethodGet, "/audit", q.values(), nil)
	return out.Value, err
}

// Schema reads the mapping in force as an Entra synchronization schema.
func (c *Client) Schema(ctx context.Context, j engine.JobID) (json.RawMessage, error) {
	return fetch[json.RawMessage](ctx, c, http.MethodGet, jobPath(j, "/schema"), nil, nil)
}

// PutSchema replaces the mapping from the next cycle on.
func (c *Client) PutSchema(ctx context.Context, j engine.JobID, schema json.RawMessage) error {
	return c.call(ctx, http.MethodPut, jobPath(j, "/schema"), nil, schema, nil)
}

// ResetSchema goes back to the mapping of the configuration file.
func (c *Client) ResetSchema(ctx context.Context, j engine.JobID) error {
	return c.call(ctx, http.MethodDelete, jobPath(j, "/schema"), nil, nil, nil)
}
