package scim

import (
	"context"
	"net/http"

	"github.com/scimsync/scimsync/engine"
)

// Get implements [engine.Target] (section 10).
func (c *Client) Get(ctx context.Context, k engine.Kind, id string) (engine.Resource, error) {
	r, err := c.get(ctx, k, id)
	return r.Resource, c.settled(ctx, err)
}

// get reads a resource without its members.
func (c *Client) get(ctx context.Context, k engine.Kind, id string) (resource, error) {
	query := ""
	if k == engine.Group {
		query = "excludedAttributes=members"
	}
	r, err := c.read(ctx, k, id, query)
	if te := asTooLarge(err); te && k == engine.Group {
		// The server ignored excludedAttributes, and the members are more than we take.
		return c.read(ctx, k, id, "attributes=id,externalId,displayName")
	}
	return r, err
}

func (c *Client) read(ctx context.Context, k engine.Kind, id, query string) (resource, error) {
	if id == "" {
		return resource{}, c.fail(engine.OutcomeRematch, engine.CodeGone, "no id is known")
	}
	path, template := itemPath(k, id)
	rep, err := c.send(ctx, request{op: opGet, kind: k, method: http.MethodGet, path: path, template: template, query: query})
	if err != nil {
		return resource{}, err
	}
	if rep.status == http.StatusAccepted || rep.status == http.StatusNoContent {
		return resource{}, c.badAnswer(opGet, rep.status, "the answer has no resource")
	}
	v, err := parseJSON(rep.body, c.set.limits)
	if err != nil {
		return resource{}, c.badAnswer(opGet, rep.status, notJSON(rep.body, err))
	}
	m, ok := v.(object)
	if !ok {
		return resource{}, c.badAnswer(opGet, rep.status, errNotObject.Error())
	}
	r := canonical(m, k)
	if r.ID == "" {
		p, err := parsePage(rep.body, k, c.set.limits)
		switch {
		case err != nil:
			return resource{}, c.badAnswer(opGet, rep.status, "the resource has no id")
		case len(p.resources) > 1:
			te := c.fail(engine.OutcomeEscrow, engine.CodeMultipleInRead, "a read by id returned a list of several resources")
			te.Status = rep.status
			return resource{}, te
		case len(p.resources) == 0:
			return resource{}, &failure{op: opGet, status: http.StatusNotFound, header: rep.header}
		}
		c.log.Warn("a read by id was answered with a list of one resource")
		r = p.resources[0]
	}
	if r.ID != id {
		return resource{}, c.badAnswer(opGet, rep.status, "the resource has another id than the one asked for")
	}
	if tag := rep.header.Get("ETag"); tag != "" {
		r.version = tag
	}
	return r, nil
}
