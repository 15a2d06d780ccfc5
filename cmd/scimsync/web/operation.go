package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// place is where in the tree of paths an operation lives.
type place int

const (
	atRoot       place = iota // below /api/v1
	atConnection              // below …/servicePrincipals/{connection}/synchronization
	atJob                     // of a job, by both its paths
	atGraphJob                // of a job, by the Graph-shaped path alone
	atShortJob                // of a job, by /jobs/{job} alone
)

const (
	connectionPath = root + "/servicePrincipals/{connection}/synchronization"
	document       = root + "/openapi.json"
)

// Limits of bodies, in bytes, and of the time that an operation may take.
const (
	maxBody     = 1 << 20
	maxSchema   = 16 << 20
	quick       = 30 * time.Second
	slow        = 2 * time.Minute  // needs connections
	wholeCycles = 30 * time.Minute // reads the whole source or target
)

// operation describes one operation of the API.
type operation struct {
	id      string
	place   place
	method  string
	path    string // below its place
	summary string
	about   string
	role    Role
	status  int   // of success; 0: 200, or 204 without a body
	errors  []int // besides 401, 403, 500 and what its place brings
	body    any   // a value of the type that the body has; nil for none
	bodyAny bool  // the body may be left out
	limit   int64 // of the body, in bytes; 0: maxBody
	timeout time.Duration
}

// raw is the body of a request before it is decoded. Decoding is ours, because the rules about unknown members are
// those of section 1.
type raw struct {
	RawBody []byte `contentType:"application/json"`
}

// none is the input of operations without parameters.
type none struct{}

// reply is an answer with a body.
type reply[T any] struct{ Body T }

func answerWith[T any](v T) *reply[T] { return &reply[T]{Body: v} }

// config is that of huma: JSON alone, no documentation page, errors in our shape.
func (a *API) config(version string) huma.Config {
	c := huma.DefaultConfig("scimsync admin API", version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil // they add links to schemas to every answer
	c.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	c.Transformers = []huma.Transformer{a.shape}
	c.Info.Description = "Jobs that keep the accounts of an application in step with a directory. The paths below /servicePrincipals follow the synchronization API of Microsoft Graph; those below /jobs are a short form of them, with more beside."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "a token of server.token or server.tokens in the configuration file"},
	}
	return c
}

// handle registers an operation at each of its paths.
func handle[I, O any](a *API, op operation, fn func(ctx context.Context, c *call, in *I) (*O, error)) {
	job := &huma.Param{Name: "job", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}, Description: "id of the job, in any letter case"}
	connection := &huma.Param{Name: "connection", In: "path", Required: true, Schema: &huma.Schema{Type: "string"},
		Description: "id of the service principal at the source, or of a job, in any letter case"}
	switch op.place {
	case atRoot:
		handleAt(a, op, op.id, root, nil, fn)
	case atConnection:
		handleAt(a, op, op.id, connectionPath, []*huma.Param{connection}, fn)
	case atJob, atGraphJob:
		handleAt(a, op, "graph-"+op.id, connectionPath+"/jobs/{job}", []*huma.Param{connection, job}, fn)
	}
	if op.place == atJob || op.place == atShortJob {
		handleAt(a, op, op.id, root+"/jobs/{job}", []*huma.Param{job}, fn)
	}
}

func handleAt[I, O any](a *API, op operation, id, base string, params []*huma.Param, fn func(context.Context, *call, *I) (*O, error)) {
	h := huma.Operation{
		OperationID: id, Method: op.method, Path: base + op.path, Summary: op.summary,
		Description:   strings.TrimSpace(op.about + "\n\nNeeds the role " + string(op.role) + "."),
		DefaultStatus: op.status, Parameters: params, MaxBodyBytes: max(op.limit, maxBody),
		SkipValidateBody: true, // decode does that
		Security:         []map[string][]string{{"bearer": {}}},
		Responses:        a.failures(op),
		Extensions:       map[string]any{"x-role": string(op.role)},
		Middlewares: huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
			a.admit(ctx, op, next)
		}},
	}
	huma.Register(a.huma, h, func(ctx context.Context, in *I) (*O, error) {
		out, err := fn(ctx, ctx.Value(callKey{}).(*call), in)
		if err != nil {
			return nil, a.explain(ctx, err)
		}
		return out, nil
	})
	a.describeBody(h, op)
}

// admit checks the role, finds the job and sets the time limit, before anything of the body is read.
func (a *API) admit(ctx huma.Context, op operation, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	c := r.Context().Value(callKey{}).(*call)
	if !c.token.Role.May(op.role) {
		a.refuse(w, c, problem(http.StatusForbidden, codeDenied,
			fmt.Sprintf("This needs the role %s; the token %q has the role %s. Use a token with the role %[1]s or a higher one.", op.role, c.token.Name, c.token.Role)))
		return
	}
	if p := a.locate(r, c); p != nil {
		a.refuse(w, c, p)
		return
	}
	limit := op.timeout
	if limit == 0 {
		limit = quick
	}
	if limit > 0 {
		bounded, cancel := context.WithTimeout(ctx.Context(), limit)
		defer cancel()
		ctx = huma.WithContext(ctx, bounded)
	}
	next(&humaCall{humaContext: ctx, call: c})
}

// locate finds the connection and the job that the path names.
func (a *API) locate(r *http.Request, c *call) *Problem {
	connection, job := r.PathValue("connection"), r.PathValue("job")
	if connection != "" {
		c.graph = true
		if c.jobs = a.connected(connection); len(c.jobs) == 0 {
			return notFound("There is no connection of this id. GET " + root + "/jobs lists the jobs with the ids of their connections.")
		}
	}
	if job == "" {
		return nil
	}
	j, ok := a.job(job)
	if ok && c.graph {
		ok = containsJob(c.jobs, j.ID)
	}
	if !ok {
		return notFound("There is no job of this id here. GET " + root + "/jobs lists the jobs there are.")
	}
	c.job = j
	return nil
}

func containsJob(jobs []Job, id engine.JobID) bool {
	for _, j := range jobs {
		if j.ID == id {
			return true
		}
	}
	return false
}

func sameID(a, b string) bool { return strings.EqualFold(a, b) }

// humaContext is embedded under a name that does not hide its method Context.
type humaContext = huma.Context

// humaCall is a huma context that knows its call, and may answer with another status than huma chose.
type humaCall struct {
	humaContext
	call   *call
	status int // 0: huma's
}

// Unwrap leads huma's adapter to the request.
func (h *humaCall) Unwrap() huma.Context { return h.humaContext }

// SetStatus writes the status of the answer.
func (h *humaCall) SetStatus(status int) {
	if h.status != 0 {
		status = h.status
	}
	h.humaContext.SetStatus(status)
}

// shape turns errors into the body of section 1, whichever part of huma made them.
func (a *API) shape(ctx huma.Context, _ string, v any) (any, error) {
	h, ok := ctx.(*humaCall)
	if !ok {
		return v, nil
	}
	switch e := v.(type) {
	case *Problem:
		return a.body(h.call, e), nil
	case *huma.ErrorModel:
		p := fromHuma(e)
		h.status = p.Status
		h.SetHeader("Content-Type", "application/json")
		return a.body(h.call, p), nil
	}
	return v, nil
}

// fromHuma translates what huma found wrong with a request before it came to its operation.
func fromHuma(e *huma.ErrorModel) *Problem {
	var details []ProblemDetail
	for _, d := range e.Errors {
		details = append(details, ProblemDetail{Message: d.Message, Target: d.Location})
	}
	if e.Detail == "request body is required" {
		return noBody()
	}
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		return problem(e.Status, codeTooLarge, "The body is too large: "+e.Detail+".")
	case http.StatusRequestTimeout:
		return problem(e.Status, codeBadRequest, "The body did not arrive in time.")
	case http.StatusInternalServerError:
		return badRequest("The body could not be read to its end.")
	}
	message := "The request cannot be understood: " + e.Detail + "."
	if len(details) == 1 {
		message = fmt.Sprintf("The request cannot be understood: %s: %s.", details[0].Target, details[0].Message)
	}
	return badRequest(message, details...)
}

// explain turns an error of an operation into one for the outside. What nobody outside can do anything about is
// logged, and told without its reasons.
func (a *API) explain(ctx context.Context, err error) error {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return fromRefusal(r)
	}
	c := ctx.Value(callKey{}).(*call)
	if p := fromEngine(err, a.now()); p != nil {
		return p
	}
	a.log.Error("operation failed", zap.String("request_id", c.id), zap.String("job", string(c.job.ID)), zap.Error(err))
	return internal()
}

// fromEngine translates errors that say something about the request or about the other sides; nil for others.
func fromEngine(err error, now time.Time) *Problem {
	if e, ok := errors.AsType[*engine.AmbiguousError](err); ok {
		p := conflict(codeJobState, e.Error()+".")
		for _, id := range e.IDs {
			p.Details = append(p.Details, ProblemDetail{Code: "Candidate", Message: id})
		}
		return p
	}
	if e, ok := errors.AsType[*engine.SourceError](err); ok {
		p := problem(http.StatusUnprocessableEntity, failureCode(e.Code), "The source failed: "+e.Error()+".", ProblemDetail{Code: string(e.Code), Message: e.Error(), Target: "source"})
		p.RetryAfter = until(e.RetryAt, now)
		return p
	}
	if e, ok := errors.AsType[*engine.TargetError](err); ok {
		p := problem(http.StatusUnprocessableEntity, failureCode(e.Code), "The target failed: "+e.Error()+".", ProblemDetail{Code: string(e.Code), Message: e.Detail, Target: "target"})
		p.RetryAfter = until(e.RetryAt, now)
		return p
	}
	switch {
	case errors.Is(err, engine.ErrNotFound), errors.Is(err, engine.ErrNoLink):
		return notFound("What the request names does not exist.")
	case errors.Is(err, engine.ErrLinkTaken):
		return conflict(codeJobState, "The object of the target is linked to another source object already. Remove that link first.")
	case errors.Is(err, context.DeadlineExceeded):
		return &Problem{Status: http.StatusServiceUnavailable, Code: codeUnavailable, RetryAfter: 10 * time.Second,
			Message: "This took longer than a request may take. Try again later, or ask for less."}
	case errors.Is(err, context.Canceled):
		return &Problem{Status: http.StatusServiceUnavailable, Code: codeUnavailable, Message: "The request was given up."}
	}
	return nil
}

// until is how long it is until a time, 0 if that is over or unknown.
func until(at, now time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return max(0, at.Sub(now))
}

// statuses of the codes that a [Refusal] may have.
var statuses = map[string]int{
	codeBadRequest: 400, codeInvalidSchema: 400, codeInvalidReset: 400, codeInvalidFilter: 400, codeNoTemplate: 400, "InvalidExpression": 400,
	codeNotFound: 404, codeDenied: 403, codeJobState: 409, codeJobExists: 409, codeInProgress: 409, codePrecondition: 412, codeTooLarge: 413,
	codeCredentials: 422, codeUnreachable: 422, codeNotCompliant: 422, codeTooMany: 429, codeInternal: 500, codeNotImplemented: 501, codeUnavailable: 503,
}

func fromRefusal(r *Refusal) *Problem {
	status, ok := statuses[r.Code]
	if !ok {
		status = http.StatusConflict
	}
	p := problem(status, r.Code, r.Message)
	p.RetryAfter = r.RetryAfter
	for _, d := range r.Details {
		p.Details = append(p.Details, ProblemDetail{Message: d})
	}
	return p
}

// failures are the errors that an operation documents.
func (a *API) failures(op operation) map[string]*huma.Response {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[ErrorBody](), true, "")
	out := map[string]*huma.Response{}
	all := append([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError, http.StatusServiceUnavailable}, op.errors...)
	if op.place != atRoot {
		all = append(all, http.StatusNotFound)
	}
	if op.body != nil {
		all = append(all, http.StatusBadRequest, http.StatusRequestEntityTooLarge)
	}
	for _, status := range all {
		out[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status),
			Content:     map[string]*huma.MediaType{"application/json": {Schema: schema}},
		}
	}
	return out
}

// describeBody documents what huma does not see: the body, by the type it is decoded into, and parts of the path that
// the operation does not look at.
func (a *API) describeBody(h huma.Operation, op operation) {
	item := a.huma.OpenAPI().Paths[h.Path]
	o := map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
		http.MethodPatch: item.Patch, http.MethodDelete: item.Delete}[h.Method]
	for segment := range strings.SplitSeq(h.Path, "/") {
		name := strings.Trim(segment, "{}")
		known := slices.ContainsFunc(o.Parameters, func(p *huma.Param) bool { return p.In == "path" && p.Name == name })
		if strings.HasPrefix(segment, "{") && !known {
			o.Parameters = append(o.Parameters, &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
		}
	}
	if op.body == nil {
		return
	}
	o.RequestBody = &huma.RequestBody{
		Required: !op.bodyAny,
		Content: map[string]*huma.MediaType{"application/json": {
			Schema: a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(op.body), true, h.OperationID),
		}},
	}
}

// answers documents that the success of an operation has one of several bodies.
func (a *API) answers(o *huma.Operation, status string, bodies ...any) {
	schema := &huma.Schema{}
	for _, b := range bodies {
		schema.OneOf = append(schema.OneOf, a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(b), true, ""))
	}
	if len(schema.OneOf) == 1 {
		schema = schema.OneOf[0]
	}
	if o.Responses[status] == nil {
		n, _ := strconv.Atoi(status)
		o.Responses[status] = &huma.Response{Description: http.StatusText(n)}
	}
	o.Responses[status].Content = map[string]*huma.MediaType{"application/json": {Schema: schema}}
}

// finishDocument serves the description of all operations registered.
func (a *API) finishDocument() {
	doc := a.huma.OpenAPI()
	for _, name := range []string{"ErrorModel", "ErrorDetail"} { // huma's own, which no answer has
		delete(doc.Components.Schemas.Map(), name)
	}
	text, err := doc.MarshalJSON()
	if err != nil {
		panic(err) // it is made of our own types, and tested
	}
	a.mux.HandleFunc("GET "+document, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, err := w.Write(text)
		a.gone(err)
	})
}
