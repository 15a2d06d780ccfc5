package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// Limits of provisioning on demand (section 7).
const (
	maxSubjects = 10
	maxMembers  = 5
)

// OnDemandRequest is the body of provisionOnDemand in the words of Graph.
type OnDemandRequest struct {
	Parameters []OnDemandParameters `json:"parameters"`
}

// OnDemandParameters names a rule of the schema and the objects to run it for.
type OnDemandParameters struct {
	RuleID   string            `json:"ruleId"`
	Subjects []OnDemandSubject `json:"subjects"`
}

// OnDemandSubject is a synchronizationJobSubject.
type OnDemandSubject struct {
	ObjectID       string         `json:"objectId"`
	ObjectTypeName string         `json:"objectTypeName" doc:"User or Group"`
	Links          *OnDemandLinks `json:"links,omitempty"`
}

// OnDemandLinks are the references to provision with an object. The manager of a user is provisioned always.
type OnDemandLinks struct {
	Members []OnDemandSubject `json:"members,omitempty"`
	Manager []OnDemandSubject `json:"manager,omitempty"`
	Owners  []OnDemandSubject `json:"owners,omitempty"`
}

// DryRunRequest asks what provisioning would do: to the objects named, or to the first that are linked.
type DryRunRequest struct {
	Parameters []OnDemandParameters `json:"parameters,omitempty"`
	Subjects   []OnDemandSubject    `json:"subjects,omitempty"`
	Sample     int                  `json:"sample,omitempty" doc:"so many linked users, at most 10"`
}

func (a *API) registerOnDemand() {
	handle(a, operation{id: "provision-on-demand", place: atJob, method: http.MethodPost, path: "/provisionOnDemand", summary: "Provision some objects now", role: RoleOperator,
		body: OnDemandRequest{}, errors: []int{400, 409, 429}, timeout: -1,
		about: "One group with at most 5 members, or at most 10 users. The answer is a pair of JSON texts as in Graph; with the header Prefer: return=structured it is JSON throughout. After 30 seconds the answer is 202 with the address of the operation in Location."}, a.provisionOnDemand)
	handle(a, operation{id: "dry-run", place: atJob, method: http.MethodPost, path: "/dryRun", summary: "Show what provisioning some objects would do", role: RoleOperator,
		body: DryRunRequest{}, errors: []int{400, 409, 429}, timeout: -1, about: "The answer is that of provisionOnDemand. Nothing is written."}, a.dryRun)
	for _, base := range []string{connectionPath + "/jobs/{job}", root + "/jobs/{job}"} {
		for _, path := range []string{"/provisionOnDemand", "/dryRun"} {
			o := a.huma.OpenAPI().Paths[base+path].Post
			a.answers(o, "200", OnDemandAnswer{}, StructuredAnswer{})
			a.answers(o, "202", OperationView{})
		}
	}
	handle(a, operation{id: "show-operation", place: atJob, method: http.MethodGet, path: "/operations/{operation}", summary: "Show an operation that outlived its request", role: RoleOperator}, a.showOperation)
	handle(a, operation{id: "provision", place: atShortJob, method: http.MethodPost, path: "/provision", summary: "Provision some objects now", role: RoleOperator,
		body: ProvisionRequest{}, errors: []int{400, 409, 429}, timeout: slow,
		about: "Users by id, userPrincipalName or mail, groups by id or name; at most 50 objects."}, a.provision)
}

func (a *API) provisionOnDemand(ctx context.Context, c *call, in *raw) (*onDemandReply, error) {
	var r OnDemandRequest
	if err := required(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	subjects, err := a.subjects(ctx, c.job, r.Parameters)
	if err != nil {
		return nil, err
	}
	return a.runOnDemand(ctx, c, subjects, false)
}

func (a *API) dryRun(ctx context.Context, c *call, in *raw) (*onDemandReply, error) {
	var r DryRunRequest
	if err := required(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	var subjects []engine.Subject
	var err error
	switch {
	case r.Sample < 0 || r.Sample > maxSubjects:
		return nil, badRequest(fmt.Sprintf("sample: must be from 1 to %d.", maxSubjects))
	case r.Sample > 0:
		links, err := a.store.Links(ctx, c.job.ID, engine.User, "", r.Sample)
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			subjects = append(subjects, engine.Subject{Kind: engine.User, Name: l.ID})
		}
		if len(subjects) == 0 {
			return nil, notFound("No user is linked yet, so that there is no sample. Name the subjects.")
		}
	case len(r.Parameters) > 0:
		subjects, err = a.subjects(ctx, c.job, r.Parameters)
	default:
		subjects, err = limited(r.Subjects)
	}
	if err != nil {
		return nil, err
	}
	return a.runOnDemand(ctx, c, subjects, true)
}

// subjects checks the rules and the number of the objects asked for.
func (a *API) subjects(ctx context.Context, j Job, ps []OnDemandParameters) ([]engine.Subject, error) {
	known, err := a.rules(ctx, j.ID)
	if err != nil {
		return nil, err
	}
	var all []OnDemandSubject
	for _, p := range ps {
		if !slices.ContainsFunc(known, func(id string) bool { return sameID(id, p.RuleID) }) {
			return nil, badRequest(fmt.Sprintf("ruleId: the schema of the job has no rule %q. It has %s.", p.RuleID, strings.Join(known, ", ")),
				ProblemDetail{Code: "UnknownRule", Message: "not in the schema", Target: "parameters.ruleId"})
		}
		all = append(all, p.Subjects...)
	}
	return limited(all)
}

// limited translates subjects within the limits of section 7.
func limited(in []OnDemandSubject) ([]engine.Subject, error) {
	if len(in) == 0 {
		return nil, badRequest("subjects are missing. Name a user, or a group with its members.")
	}
	var out []engine.Subject
	for _, s := range in {
		k, err := kindOf(s.ObjectTypeName)
		if err != nil {
			return nil, err
		}
		if s.ObjectID == "" {
			return nil, badRequest("A subject has no objectId.")
		}
		subject := engine.Subject{Kind: k, Name: s.ObjectID}
		if k == engine.Group {
			subject.Members = []string{}
			if s.Links != nil {
				for _, m := range s.Links.Members {
					subject.Members = append(subject.Members, m.ObjectID)
				}
			}
			if len(in) > 1 {
				return nil, badRequest("Only one group can be provisioned by one call, and nothing else with it.")
			}
			if len(subject.Members) > maxMembers {
				return nil, badRequest(fmt.Sprintf("links.members: %d members; at most %d can be provisioned with a group by one call.", len(subject.Members), maxMembers))
			}
		}
		out = append(out, subject)
	}
	if len(out) > maxSubjects {
		return nil, badRequest(fmt.Sprintf("%d subjects; at most %d users can be provisioned by one call.", len(out), maxSubjects))
	}
	return out, nil
}

func kindOf(name string) (engine.Kind, error) {
	switch k := engine.Kind(strings.ToLower(name)); k {
	case engine.User, engine.Group:
		return k, nil
	}
	return "", badRequest(fmt.Sprintf("objectTypeName: %q is neither User nor Group.", name))
}

// rules are the ids of the rules in the schema of a job.
func (a *API) rules(ctx context.Context, j engine.JobID) ([]string, error) {
	current, _, err := a.backend.Schema(ctx, j)
	if err != nil {
		return nil, err
	}
	var s struct {
		Rules []struct {
			ID string `json:"id"`
		} `json:"synchronizationRules"`
	}
	if err := json.Unmarshal(current, &s); err != nil {
		return nil, fmt.Errorf("schema of job %s: %w", j, err)
	}
	var ids []string
	for _, r := range s.Rules {
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// onDemandReply is the answer of provisionOnDemand: two texts, or JSON throughout.
type onDemandReply struct {
	Status   int
	Location string `header:"Location" doc:"of the operation, with 202"`
	Applied  string `header:"Preference-Applied"`
	Body     any
}

// OnDemandAnswer is a stringKeyStringValuePair whose values are JSON texts.
type OnDemandAnswer struct {
	Context string `json:"@odata.context,omitempty"`
	Key     string `json:"key" doc:"the result, as JSON in a string"`
	Value   string `json:"value" doc:"what was done, as JSON in a string"`
}

// StructuredAnswer is the same as JSON.
type StructuredAnswer struct {
	Key   OnDemandResult `json:"key"`
	Value any            `json:"value"`
}

// runOnDemand provisions objects and waits for it a while.
func (a *API) runOnDemand(ctx context.Context, c *call, subjects []engine.Subject, dry bool) (*onDemandReply, error) {
	if p := a.onDemand.take(string(c.job.ID), a.now()); p != nil {
		return nil, p
	}
	op, err := a.operations.begin(a, c.job.ID, func(ctx context.Context) ([]engine.Provisioned, error) {
		return a.backend.Provision(ctx, c.by(), c.job.ID, subjects, dry, false)
	})
	if err != nil {
		return nil, err
	}
	wait := time.NewTimer(a.patience)
	defer wait.Stop()
	select {
	case <-op.done:
	case <-wait.C:
		return &onDemandReply{Status: http.StatusAccepted, Location: c.operationAt(op), Body: op.view(c)}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if op.err != nil {
		return nil, op.err
	}
	if c.prefers("return=structured") {
		return &onDemandReply{Status: http.StatusOK, Applied: "return=structured", Body: structured(c.job, op.result)}, nil
	}
	s := structured(c.job, op.result)
	k, err := json.Marshal(s.Key)
	if err != nil {
		return nil, err
	}
	v, err := json.Marshal(s.Value)
	if err != nil {
		return nil, err
	}
	return &onDemandReply{Status: http.StatusOK, Body: OnDemandAnswer{Context: c.context("microsoft.graph.stringKeyStringValuePair"), Key: string(k), Value: string(v)}}, nil
}

const maxProvision = 50

func (a *API) provision(ctx context.Context, c *call, in *raw) (*reply[[]ProvisionedObject], error) {
	var r ProvisionRequest
	if err := required(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	if len(r.Subjects) == 0 || len(r.Subjects) > maxProvision {
		return nil, badRequest(fmt.Sprintf("subjects: %d; name from 1 to %d users or groups.", len(r.Subjects), maxProvision))
	}
	var subjects []engine.Subject
	for _, s := range r.Subjects {
		k := s.Type
		if k == "" {
			k = engine.User
		}
		if k != engine.User && k != engine.Group {
			return nil, badRequest(fmt.Sprintf("type: %q is neither user nor group.", s.Type))
		}
		if strings.TrimSpace(s.Name) == "" {
			return nil, badRequest("A subject has no name. Give the id, userPrincipalName or mail of a user, or the id or name of a group.")
		}
		subjects = append(subjects, engine.Subject{Kind: k, Name: s.Name, Members: s.Members})
	}
	if p := a.onDemand.take(string(c.job.ID), a.now()); p != nil {
		return nil, p
	}
	done, err := a.backend.Provision(ctx, c.by(), c.job.ID, subjects, r.DryRun, r.Explain)
	if err != nil {
		return nil, err
	}
	out := []ProvisionedObject{}
	for _, p := range done {
		out = append(out, ProvisionedOf(p))
	}
	return answerWith(out), nil
}
