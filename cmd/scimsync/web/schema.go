package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/mapping"
	"github.com/scimsync/scimsync/mapping/expr"
)

func (a *API) registerSchema() {
	const path = "/schema"
	handle(a, operation{id: "show-schema", place: atJob, method: http.MethodGet, path: path, summary: "Read the mapping as a synchronization schema", role: RoleViewer}, a.showSchema)
	put := operation{id: "put-schema", place: atJob, method: http.MethodPut, path: path, summary: "Replace the mapping by a synchronization schema", role: RoleAdmin, status: 204,
		body: json.RawMessage{}, limit: maxSchema, errors: []int{409, 412},
		about: "A part that is left out is gone. The running cycle ends with the old mapping, the next one is an initial one. Links stay."}
	handle(a, put, a.putSchema)
	handle(a, operation{id: "patch-schema", place: atJob, method: http.MethodPatch, path: path, summary: "Replace top-level parts of the synchronization schema", role: RoleAdmin,
		body: json.RawMessage{}, limit: maxSchema, errors: []int{409, 412}, about: "The parts given are replaced whole, the others stay."}, a.patchSchema)
	handle(a, operation{id: "reset-schema", place: atJob, method: http.MethodDelete, path: path, summary: "Go back to the mapping of the configuration file", role: RoleAdmin, status: 204,
		errors: []int{409, 412}}, a.resetSchema)
	handle(a, operation{id: "list-directories", place: atJob, method: http.MethodGet, path: path + "/directories", summary: "List the directories of the schema with their attributes", role: RoleViewer, errors: []int{400}}, a.listDirectories)
	handle(a, operation{id: "count-directories", place: atJob, method: http.MethodGet, path: path + "/directories/$count", summary: "Count the directories of the schema", role: RoleViewer}, a.countDirectories)
	handle(a, operation{id: "show-directory", place: atJob, method: http.MethodGet, path: path + "/directories/{directory}", summary: "Show one directory of the schema", role: RoleViewer}, a.showDirectory)
	handle(a, operation{id: "list-filter-operators", place: atJob, method: http.MethodGet, path: path + "/filterOperators", summary: "List the operators of scoping filters", role: RoleViewer}, a.listOperators)
	handle(a, operation{id: "list-functions", place: atJob, method: http.MethodGet, path: path + "/functions", summary: "List the functions of expressions", role: RoleViewer}, a.listFunctions)
	handle(a, operation{id: "parse-expression", place: atJob, method: http.MethodPost, path: path + "/parseExpression", summary: "Parse an expression, and evaluate it for a test object", role: RoleViewer, body: ExpressionRequest{}}, a.parseExpression)
}

func (a *API) showSchema(ctx context.Context, c *call, _ *none) (*tagged[json.RawMessage], error) {
	current, _, err := a.backend.Schema(ctx, c.job.ID)
	return &tagged[json.RawMessage]{ETag: tagOf(current), Body: current}, err
}

// unchanged checks that the schema is still the one that the caller has seen.
func (a *API) unchanged(ctx context.Context, c *call, ifMatch string) (current []byte, err error) {
	if current, _, err = a.backend.Schema(ctx, c.job.ID); err != nil {
		return nil, err
	}
	return current, matches(ifMatch, tagOf(current))
}

func (a *API) putSchema(ctx context.Context, c *call, in *patchInput) (*struct{}, error) {
	if _, err := a.unchanged(ctx, c, in.IfMatch); err != nil {
		return nil, err
	}
	schema, err := schemaParts(c, in.RawBody)
	if err != nil {
		return nil, err
	}
	return nil, a.replaceSchema(ctx, c, schema)
}

// object checks that a body is a JSON object.
func object(body []byte) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if len(body) == 0 {
		return nil, noBody()
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, badJSON(err)
	}
	if m == nil {
		return nil, badRequest("The body is null. Send a synchronization schema; DELETE goes back to the mapping of the configuration file.")
	}
	return m, nil
}

// schemaMembers are those of a synchronizationSchema. What stands in them is kept as it is, members that mean nothing here
// included; at the top such a member is most likely a mistake.
var schemaMembers = []string{"id", "version", "provisioningTaskIdentifier", "synchronizationRules", "directories"}

// wholeSchema is the schema of a document, which is one or an exported template that holds one.
func wholeSchema(document map[string]json.RawMessage) map[string]json.RawMessage {
	if document["directories"] != nil || document["synchronizationRules"] != nil {
		return document
	}
	var inner map[string]json.RawMessage
	if err := json.Unmarshal(document["schema"], &inner); err != nil || inner == nil {
		return document // what is wrong with it is told of the document
	}
	return inner
}

// schemaParts reads the members of a schema by the rules of section 1: annotations stay, other members that are not known
// are an error, or dropped where the caller asked for leniency.
func schemaParts(c *call, body []byte) (map[string]json.RawMessage, error) {
	parts, err := object(body)
	if err != nil {
		return nil, err
	}
	parts = wholeSchema(parts)
	p := problem(http.StatusBadRequest, codeInvalidSchema, "The body has members that a synchronization schema does not have. Remove them, or send the header Prefer: handling=lenient.")
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if strings.Contains(name, "@odata.") || slices.Contains(schemaMembers, name) {
			continue
		}
		delete(parts, name)
		p.Details = append(p.Details, ProblemDetail{Code: "UnknownMember", Message: "not known", Target: "/" + clip(name)})
	}
	if len(p.Details) > 0 && !c.prefers("handling=lenient") {
		return nil, p
	}
	return parts, nil
}

// replaceSchema checks a schema and puts it in place. Findings that reject it are told all at once.
func (a *API) replaceSchema(ctx context.Context, c *call, members map[string]json.RawMessage) error {
	data, err := json.Marshal(members)
	if err != nil {
		return err
	}
	if _, found := mapping.LoadSchema(data); mapping.Rejected(found) {
		p := problem(http.StatusBadRequest, codeInvalidSchema, "The schema is rejected. The details say what is wrong with it, and where.")
		for _, d := range found {
			if d.Severity != mapping.SeverityError {
				continue
			}
			message := d.Message
			if d.Hint != "" {
				message += "; " + d.Hint
			}
			p.Details = append(p.Details, ProblemDetail{Code: string(d.Code), Message: message, Target: d.Pointer})
		}
		return p
	}
	return a.backend.PutSchema(ctx, c.by(), c.job.ID, data)
}

func (a *API) patchSchema(ctx context.Context, c *call, in *patchInput) (*tagged[json.RawMessage], error) {
	current, err := a.unchanged(ctx, c, in.IfMatch)
	if err != nil {
		return nil, err
	}
	parts, err := schemaParts(c, in.RawBody)
	if err != nil {
		return nil, err
	}
	merged, err := object(current)
	if err != nil {
		return nil, fmt.Errorf("schema of job %s: %w", c.job.ID, err)
	}
	merged = wholeSchema(merged)
	maps.Copy(merged, parts)
	if err := a.replaceSchema(ctx, c, merged); err != nil {
		return nil, err
	}
	return a.showSchema(ctx, c, nil)
}

type resetInput struct {
	IfMatch string `header:"If-Match"`
}

func (a *API) resetSchema(ctx context.Context, c *call, in *resetInput) (*struct{}, error) {
	if _, err := a.unchanged(ctx, c, in.IfMatch); err != nil {
		return nil, err
	}
	return nil, a.backend.PutSchema(ctx, c.by(), c.job.ID, nil)
}

// directories are the directory definitions of the schema of a job, as they are in it.
func (a *API) directories(ctx context.Context, c *call) ([]json.RawMessage, error) {
	current, _, err := a.backend.Schema(ctx, c.job.ID)
	if err != nil {
		return nil, err
	}
	var s struct {
		Directories []json.RawMessage `json:"directories"`
	}
	if err := json.Unmarshal(current, &s); err != nil {
		return nil, fmt.Errorf("schema of job %s: %w", c.job.ID, err)
	}
	return s.Directories, nil
}

func (a *API) listDirectories(ctx context.Context, c *call, in *Paging) (*reply[Page[json.RawMessage]], error) {
	all, err := a.directories(ctx, c)
	if err != nil {
		return nil, err
	}
	p, err := cut(c, all, *in)
	p.Context = c.context("schema/directories")
	return answerWith(p), err
}

func (a *API) countDirectories(ctx context.Context, c *call, _ *none) (*bare, error) {
	all, err := a.directories(ctx, c)
	return number(len(all)), err
}

type directoryInput struct {
	Directory string `path:"directory" doc:"id or name"`
}

func (a *API) showDirectory(ctx context.Context, c *call, in *directoryInput) (*reply[json.RawMessage], error) {
	all, err := a.directories(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		var of NamedDirectory
		if err := json.Unmarshal(d, &of); err != nil {
			return nil, fmt.Errorf("schema of job %s: %w", c.job.ID, err)
		}
		if sameID(of.ID, in.Directory) || sameID(of.Name, in.Directory) {
			return answerWith(d), nil
		}
	}
	return nil, notFound("The schema of the job has no directory of this id.")
}

// NamedDirectory is how a directory definition is named.
type NamedDirectory struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// FilterOperator is a filterOperatorSchema.
type FilterOperator struct {
	ID         string   `json:"id"`
	Arity      string   `json:"arity" enum:"Unary,Binary"`
	Comparison string   `json:"multivaluedComparisonType" enum:"All,Any"`
	Types      []string `json:"supportedAttributeTypes"`
}

func (a *API) listOperators(_ context.Context, c *call, _ *none) (*reply[Page[FilterOperator]], error) {
	p := Page[FilterOperator]{Context: c.context("schema/filterOperators"), Value: []FilterOperator{}}
	for _, o := range mapping.Operators {
		f := FilterOperator{ID: string(o), Arity: "Binary", Comparison: "All", Types: []string{"String", "Integer", "Boolean"}}
		if o.Unary() {
			f.Arity = "Unary"
		}
		switch o {
		case mapping.IsTrue, mapping.IsFalse:
			f.Types = []string{"Boolean", "String"}
		case mapping.GreaterThan, mapping.GreaterThanOrEquals:
			f.Types = []string{"Integer", "String"}
		}
		p.Value = append(p.Value, f)
	}
	return answerWith(p), nil
}

// Function is an attributeMappingFunctionSchema.
type Function struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Description string              `json:"description"`
	Parameters  []FunctionParameter `json:"parameters"`
}

// FunctionParameter is one argument of a function.
type FunctionParameter struct {
	Name     string `json:"name"`
	Required bool   `json:"required"`
	Many     bool   `json:"allowMultipleOccurrences"`
	Type     string `json:"type"`
}

func (a *API) listFunctions(_ context.Context, c *call, _ *none) (*reply[Page[Function]], error) {
	p := Page[Function]{Context: c.context("schema/functions"), Value: []Function{}}
	for _, f := range expr.Functions() {
		v := Function{ID: f.Name, Name: f.Name, Description: f.Doc, Parameters: []FunctionParameter{}}
		for _, arg := range f.Params {
			v.Parameters = append(v.Parameters, FunctionParameter{Name: arg.Name, Required: !arg.Optional, Many: arg.Repeats, Type: "String"})
		}
		p.Value = append(p.Value, v)
	}
	return answerWith(p), nil
}

// ExpressionRequest is the body of parseExpression.
type ExpressionRequest struct {
	Expression string           `json:"expression"`
	Object     *ExpressionInput `json:"testInputObject,omitempty"`
	Attribute  json.RawMessage  `json:"targetAttributeDefinition,omitempty"`
}

// ExpressionInput is an expressionInputObject: the attributes to evaluate for.
type ExpressionInput struct {
	Definition json.RawMessage      `json:"definition,omitempty"`
	Properties []ExpressionProperty `json:"properties"`
}

// ExpressionProperty is one attribute with its value.
type ExpressionProperty struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

func (a *API) parseExpression(_ context.Context, c *call, in *raw) (*reply[mapping.ExpressionTest], error) {
	var r ExpressionRequest
	if err := required(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	if r.Expression == "" {
		return nil, badRequest("expression is missing.", ProblemDetail{Code: "Missing", Message: "missing", Target: "expression"})
	}
	var attributes mapping.Attributes
	if r.Object != nil {
		attributes = mapping.Attributes{}
		for _, p := range r.Object.Properties {
			attributes[p.Key] = p.Value
		}
	}
	return answerWith(mapping.ParseExpression(r.Expression, attributes, &expr.Env{Now: a.now(), Rand: rand.Reader})), nil
}
