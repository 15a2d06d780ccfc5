package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/scimsync/scimsync/engine"
)

func (a *API) registerEscrows() {
	handle(a, operation{id: "list-escrows", place: atJob, method: http.MethodGet, path: "/escrows", summary: "List what failed and waits for a retry", role: RoleViewer, errors: []int{400},
		about: "Users and groups first, then references of them. With group=cause, failures are counted by code and detail instead, the commonest first: EscrowCauses."}, a.listEscrows)
	for _, base := range []string{connectionPath + "/jobs/{job}", root + "/jobs/{job}"} {
		a.answers(a.huma.OpenAPI().Paths[base+"/escrows"].Get, "200", Page[EscrowRow]{}, EscrowCauses{})
	}
	bulk := operation{id: "retry-escrows", place: atShortJob, method: http.MethodPost, path: "/escrows/retry", summary: "Try failed objects again at once", role: RoleOperator, body: IDsRequest{}, bodyAny: true, errors: []int{409},
		about: "Without ids: all of them."}
	handle(a, bulk, a.escrowed(a.backend.Retry))
	bulk.id, bulk.path, bulk.summary = "ignore-escrows", "/escrows/ignore", "Drop failures until their objects change"
	handle(a, bulk, a.escrowed(a.backend.Ignore))
	handle(a, operation{id: "retry-escrow", place: atJob, method: http.MethodPost, path: "/escrows/{escrow}/retry", summary: "Try a failed object again at once", role: RoleOperator, status: 204, errors: []int{409}}, a.oneEscrow(a.backend.Retry))
	handle(a, operation{id: "ignore-escrow", place: atJob, method: http.MethodDelete, path: "/escrows/{escrow}", summary: "Drop a failure until its object changes", role: RoleOperator, status: 204, errors: []int{409}}, a.oneEscrow(a.backend.Ignore))
}

type escrowsInput struct {
	Paging
	Group string `query:"group" enum:"cause" doc:"cause: count by code and detail"`
}

// escrowStates are those of changes that failed.
var escrowStates = []engine.ChangeState{engine.ChangeEscrow, engine.ChangeExpired}

// escrowStage is a part of the list of failures: changes of a kind, or references of a relation.
type escrowStage struct {
	Kind     engine.Kind
	Relation engine.Relation
}

var escrowStages = []escrowStage{{Kind: engine.User}, {Kind: engine.Group}, {Relation: engine.Member}, {Relation: engine.Manager}}

// escrowPosition is where a list of failures goes on.
type escrowPosition struct {
	Stage int    `json:"stage"`
	After string `json:"after"` // id of an object
}

// escrows calls yield for every failure from a position on, until it returns false. Rows of one object follow each other,
// and yield learns where to go on after them.
func (a *API) escrows(ctx context.Context, j engine.JobID, at escrowPosition, batch int, yield func(EscrowRow, escrowPosition) bool) error {
	for stage := at.Stage; stage < len(escrowStages); stage++ {
		after := ""
		if stage == at.Stage {
			after = at.After
		}
		for {
			rows, err := a.escrowBatch(ctx, j, escrowStages[stage], after, batch)
			if err != nil {
				return err
			}
			for _, r := range rows {
				after = r.Source.ID
				if !yield(r, escrowPosition{stage, after}) {
					return nil
				}
			}
			if len(rows) < batch {
				break
			}
		}
	}
	return nil
}

func (a *API) escrowBatch(ctx context.Context, j engine.JobID, s escrowStage, after string, limit int) ([]EscrowRow, error) {
	var out []EscrowRow
	if s.Relation == "" {
		changes, err := a.store.Changes(ctx, j, s.Kind, escrowStates, after, limit)
		for _, q := range changes {
			r := EscrowRow{ID: idOf(q.Ref), Type: q.Kind, Source: engine.Identity{ID: q.ID, Name: nameOf(q)}, Target: targetOf(q), State: q.State}
			if q.Escrow != nil {
				r.fill(*q.Escrow)
			}
			out = append(out, r)
		}
		return out, err
	}
	edges, err := a.store.FailedEdges(ctx, j, s.Relation, after, limit)
	for _, f := range edges {
		r := EscrowRow{ID: idOf(f.From), Type: f.From.Kind, Source: engine.Identity{ID: f.From.ID, Name: f.Name}, State: engine.ChangeEscrow,
			Reference: &EscrowReference{Relation: s.Relation, To: f.To.ID, ToType: f.To.Kind, Remove: !f.Want}}
		if f.Escrow.Expired {
			r.State = engine.ChangeExpired
		}
		r.fill(f.Escrow)
		out = append(out, r)
	}
	return out, err
}

func (r *EscrowRow) fill(e engine.Escrow) {
	r.Code, r.HTTPStatus, r.Detail, r.Attempts = e.Code, e.Status, e.Detail, e.Attempts
	r.FirstFailure, r.LastFailure = e.FirstFailure.UTC(), e.LastFailure.UTC()
	if r.State != engine.ChangeExpired {
		r.Due = e.Due.UTC()
	}
}

func (a *API) listEscrows(ctx context.Context, c *call, in *escrowsInput) (*reply[any], error) {
	if in.Group != "" {
		causes, err := a.causes(ctx, c.job.ID)
		return answerWith[any](causes), err
	}
	var at escrowPosition
	if err := in.resume(&at); err != nil {
		return nil, err
	}
	if at.Stage < 0 {
		at.Stage = 0
	}
	page := Page[EscrowRow]{Context: c.context("synchronization/jobs/escrows"), Value: []EscrowRow{}}
	var full bool
	err := a.escrows(ctx, c.job.ID, at, in.top()+1, func(r EscrowRow, p escrowPosition) bool {
		if full = len(page.Value) >= in.top() && p != at; full { // the failures of one object are not torn apart
			return false
		}
		at = p
		page.Value = append(page.Value, r)
		return true
	})
	if err == nil && full {
		page.Next, err = c.next(at)
	}
	if err == nil {
		err = a.nameEnds(ctx, c.job.ID, page.Value)
	}
	return answerWith[any](page), err
}

// nameEnds adds what the other ends of references are called.
func (a *API) nameEnds(ctx context.Context, j engine.JobID, rows []EscrowRow) error {
	for _, k := range kinds {
		var ids []string
		for _, r := range rows {
			if r.Reference != nil && r.Reference.ToType == k {
				ids = append(ids, r.Reference.To)
			}
		}
		slices.Sort(ids)
		if ids = slices.Compact(ids); len(ids) == 0 {
			continue
		}
		links, err := a.store.LinksOf(ctx, j, k, ids)
		if err != nil {
			return err
		}
		objects, err := a.store.Objects(ctx, j, k, ids)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if f := r.Reference; f != nil && f.ToType == k {
				q := engine.Queued{Object: objects[f.To]}
				if l, linked := links[f.To]; linked {
					q.Link = &l
				}
				f.ToName = nameOf(q)
			}
		}
	}
	return nil
}

// maxCauses is how many causes are told apart.
const maxCauses = 1000

func (a *API) causes(ctx context.Context, j engine.JobID) (EscrowCauses, error) {
	type cause struct {
		code   engine.Code
		status int
		detail string
	}
	index := map[cause]int{}
	out := EscrowCauses{Value: []EscrowCause{}}
	err := a.escrows(ctx, j, escrowPosition{}, scanPage, func(r EscrowRow, _ escrowPosition) bool {
		out.Total++
		key := cause{r.Code, r.HTTPStatus, r.Detail}
		i, ok := index[key]
		if !ok {
			if len(out.Value) == maxCauses {
				out.Other++
				return true
			}
			i = len(out.Value)
			index[key] = i
			out.Value = append(out.Value, EscrowCause{Code: r.Code, HTTPStatus: r.HTTPStatus, Detail: r.Detail, Oldest: r.FirstFailure, Example: r.ID})
		}
		s := &out.Value[i]
		s.Count++
		if r.FirstFailure.Before(s.Oldest) {
			s.Oldest = r.FirstFailure
		}
		if r.State == engine.ChangeExpired {
			s.Expired++
		} else if s.NextDue.IsZero() || r.Due.Before(s.NextDue) {
			s.NextDue = r.Due
		}
		return true
	})
	slices.SortStableFunc(out.Value, func(a, b EscrowCause) int { return cmp.Compare(b.Count, a.Count) })
	return out, err
}

// escrowAction is Retry or Ignore of a [Backend].
type escrowAction func(context.Context, Caller, engine.JobID, []engine.Ref) (int, error)

func (a *API) escrowed(do escrowAction) func(context.Context, *call, *raw) (*reply[CountResult], error) {
	return func(ctx context.Context, c *call, in *raw) (*reply[CountResult], error) {
		var r IDsRequest
		if err := decode(c, in.RawBody, &r); err != nil {
			return nil, err
		}
		if r.IDs != nil && len(r.IDs) == 0 {
			return nil, badRequest("ids is empty. Name some, or leave it out to mean all.")
		}
		var refs []engine.Ref
		for _, id := range r.IDs {
			ref, err := escrowRef(id)
			if err != nil {
				return nil, err
			}
			refs = append(refs, ref)
		}
		n, err := do(ctx, c.by(), c.job.ID, refs)
		return answerWith(CountResult{Count: n}), err
	}
}

func escrowRef(id string) (engine.Ref, error) {
	ref, ok := refOf(id)
	if !ok {
		return ref, badRequest(fmt.Sprintf("%q is not an id of the list of failures, such as user:ID.", clip(id)))
	}
	return ref, nil
}

type escrowInput struct {
	Escrow string `path:"escrow" doc:"type:id as in the list"`
}

func (a *API) oneEscrow(do escrowAction) func(context.Context, *call, *escrowInput) (*struct{}, error) {
	return func(ctx context.Context, c *call, in *escrowInput) (*struct{}, error) {
		ref, err := escrowRef(in.Escrow)
		if err != nil {
			return nil, err
		}
		n, err := do(ctx, c.by(), c.job.ID, []engine.Ref{ref})
		if err == nil && n == 0 {
			return nil, notFound("No failure of this object waits for a retry.")
		}
		return nil, err
	}
}
