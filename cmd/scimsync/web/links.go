package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

func (a *API) registerLinks() {
	handle(a, operation{id: "list-links", place: atJob, method: http.MethodGet, path: "/links", summary: "List links", role: RoleViewer, errors: []int{400},
		about: "source (or sourceId) and target (or targetId) are exact ids. A page of a rare state may be short, or even empty, and still have a next one."}, a.listLinks)
	handle(a, operation{id: "show-link", place: atJob, method: http.MethodGet, path: "/links/{link}", summary: "Show one link", role: RoleViewer,
		about: "By its id, or by the id of its object at the source or, failing that, at the target."}, a.showLink)
	handle(a, operation{id: "remove-link", place: atJob, method: http.MethodDelete, path: "/links/{link}", summary: "Forget a link", role: RoleAdmin, status: 204, errors: []int{409},
		about: "Neither object is touched. If what led to the link has not changed, the next cycle makes it again."}, a.removeLink)
	handle(a, operation{id: "add-link", place: atShortJob, method: http.MethodPost, path: "/links", summary: "Link two objects by hand", role: RoleAdmin, status: 201,
		body: LinkRequest{}, errors: []int{409, 422}, timeout: slow}, a.addLink)
	handle(a, operation{id: "show-object-connection", place: atJob, method: http.MethodGet, path: "/objectConnections/{object}", summary: "Show the pair that an object belongs to", role: RoleViewer,
		about: "Also as objectConnections('ID'). The id is tried at the source first, then at the target."}, a.showConnection)
	handle(a, operation{id: "remove-object-connection", place: atJob, method: http.MethodDelete, path: "/objectConnections/{object}", summary: "Forget the pair that an object belongs to", role: RoleAdmin, status: 204,
		errors: []int{409}, about: "Succeeds also when there is none. The job need not be paused: the object is reserved meanwhile."}, a.removeConnection)
}

type linksInput struct {
	Paging
	Type     string `query:"type" enum:"user,group"`
	State    string `query:"state" enum:"managed,suspended,released"`
	Source   string `query:"source"`
	SourceID string `query:"sourceId"`
	Target   string `query:"target"`
	TargetID string `query:"targetId"`
}

// position is where a list goes on that has users before groups, each by id.
type position struct {
	Kind  engine.Kind `json:"kind"`
	After string      `json:"after"`
}

var kinds = []engine.Kind{engine.User, engine.Group}

// from are the kinds from a position on, the first one after its id.
func (p position) from(only string) []position {
	var out []position
	for _, k := range kinds {
		switch {
		case only != "" && string(k) != only:
		case p.Kind == "" || p.Kind == k && len(out) == 0:
			out = append(out, position{k, p.After})
		case p.Kind == engine.User && k == engine.Group:
			out = append(out, position{Kind: k})
		}
	}
	return out
}

func linkRow(l engine.Link) LinkRow {
	return LinkRow{
		ID: idOf(l.Ref), Type: l.Kind, Source: engine.Identity{ID: l.ID, Name: l.Name}, Target: engine.Identity{ID: l.TargetID}, State: l.State,
		MatchedBy: l.MatchedBy, Disabled: l.Disabled, Recycled: l.Recycled, Verify: l.Verify, DeleteAt: l.DeleteAt, Left: l.Left,
		CreatedAt: l.CreatedAt.UTC(), UpdatedAt: l.UpdatedAt.UTC(),
	}
}

func (a *API) listLinks(ctx context.Context, c *call, in *linksInput) (*reply[Page[LinkRow]], error) {
	page := Page[LinkRow]{Context: c.context("synchronization/jobs/links"), Value: []LinkRow{}}
	source, target := strings.ToLower(in.Source+in.SourceID), in.Target+in.TargetID
	if source != "" || target != "" {
		found, err := a.linksNamed(ctx, c.job.ID, source, target)
		for _, l := range found {
			if (in.Type == "" || in.Type == string(l.Kind)) && (in.State == "" || in.State == string(l.State)) {
				page.Value = append(page.Value, linkRow(l))
			}
		}
		return answerWith(page), err
	}
	var at position
	if err := in.resume(&at); err != nil {
		return nil, err
	}
	scanned, batch := 0, in.top()+1
	if in.State != "" {
		batch = maxTop // most of them may be of another state
	}
	for _, p := range at.from(in.Type) {
		for {
			links, err := a.store.Links(ctx, c.job.ID, p.Kind, p.After, batch)
			if err != nil {
				return nil, err
			}
			for _, l := range links {
				if len(page.Value) == in.top() || scanned >= maxScanned {
					page.Next, err = c.next(p)
					return answerWith(page), err
				}
				p.After = l.ID
				scanned++
				if in.State == "" || in.State == string(l.State) {
					page.Value = append(page.Value, linkRow(l))
				}
			}
			if len(links) < batch {
				break
			}
		}
	}
	return answerWith(page), nil
}

// linksNamed finds links by exact ids on either side, or both.
func (a *API) linksNamed(ctx context.Context, j engine.JobID, source, target string) ([]engine.Link, error) {
	var out []engine.Link
	for _, k := range kinds {
		var found map[string]engine.Link
		var err error
		if source != "" {
			found, err = a.store.LinksOf(ctx, j, k, []string{source})
		} else {
			found, err = a.store.LinkedTo(ctx, j, k, []string{target})
		}
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			if target == "" || l.TargetID == target {
				out = append(out, l)
			}
		}
	}
	return out, nil
}

// link finds one link by its id in lists, or by the id of an object, at the source first.
func (a *API) link(ctx context.Context, j engine.JobID, id string) (engine.Link, error) {
	if ref, ok := refOf(id); ok {
		l, err := a.store.LinksOf(ctx, j, ref.Kind, []string{ref.ID})
		if err != nil {
			return engine.Link{}, err
		}
		if l, ok := l[ref.ID]; ok {
			return l, nil
		}
	}
	for _, side := range []struct{ source, target string }{{source: strings.ToLower(id)}, {target: id}} {
		found, err := a.linksNamed(ctx, j, side.source, side.target)
		if err != nil {
			return engine.Link{}, err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return engine.Link{}, notFound("No object of this id is linked, neither at the source nor at the target.")
}

type linkInput struct {
	Link string `path:"link" doc:"type:id as in the list, or an id at the source or the target"`
}

func (a *API) showLink(ctx context.Context, c *call, in *linkInput) (*reply[LinkRow], error) {
	l, err := a.link(ctx, c.job.ID, in.Link)
	if err != nil {
		return nil, err
	}
	r := linkRow(l)
	r.Exported = l.Exported
	return answerWith(r), nil
}

func (a *API) removeLink(ctx context.Context, c *call, in *linkInput) (*struct{}, error) {
	l, err := a.link(ctx, c.job.ID, in.Link)
	if err != nil {
		return nil, err
	}
	return nil, a.backend.RemoveLink(ctx, c.by(), c.job.ID, l.Ref)
}

func (a *API) addLink(ctx context.Context, c *call, in *raw) (*reply[LinkRow], error) {
	var r LinkRequest
	if err := required(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	k, err := kindOf(string(r.Type))
	if err != nil {
		return nil, badRequest("type: must be user or group.")
	}
	if r.Source == "" || r.Target == "" {
		return nil, badRequest("source and target: both ids are needed.")
	}
	l, err := a.backend.AddLink(ctx, c.by(), c.job.ID, engine.Ref{Kind: k, ID: strings.ToLower(r.Source)}, r.Target)
	if err != nil {
		return nil, err
	}
	return answerWith(linkRow(l)), nil
}

type connectionInput struct {
	Object string `path:"object" doc:"id of an object at the source or the target"`
}

func (a *API) showConnection(ctx context.Context, c *call, in *connectionInput) (*reply[ObjectConnection], error) {
	l, err := a.link(ctx, c.job.ID, in.Object)
	if err != nil {
		return nil, err
	}
	return answerWith(ObjectConnection{ObjectID: in.Object, SourceAnchor: l.ID, TargetAnchor: l.TargetID, DisplayName: l.Name, ObjectTypeName: graphKind(l.Kind)}), nil
}

func (a *API) removeConnection(ctx context.Context, c *call, in *connectionInput) (*struct{}, error) {
	l, err := a.link(ctx, c.job.ID, in.Object)
	if p, ok := err.(*Problem); ok && p.Status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, a.backend.RemoveLink(ctx, c.by(), c.job.ID, l.Ref)
}
