package scim

import (
	"context"
	"errors"
	"net/http"

	"github.com/scimsync/scimsync/engine"
)

// Empty implements [engine.Target]: one page of one entry. It is sure only of a list that says that
// it has no results and shows none; everything that is not a broken connection means "not sure".
func (c *Client) Empty(ctx context.Context, k engine.Kind) (bool, error) {
	query := "startIndex=1&count=1"
	if k == engine.Group {
		query = "excludedAttributes=members&" + query
	}
	rep, err := c.send(ctx, request{op: opList, kind: k, method: http.MethodGet, path: endpoint(k), template: endpoint(k), query: query, once: true})
	if f := asFailure(err); f != nil && f.status != http.StatusUnauthorized {
		return false, nil
	}
	if te, ok := errors.AsType[*engine.TargetError](err); ok && te.Outcome == engine.OutcomeEscrow {
		return false, nil
	}
	if err != nil {
		return false, c.settled(ctx, err)
	}
	p, err := parsePage(rep.body, k, c.set.limits)
	return err == nil && p.total == 0 && len(p.resources) == 0 && p.next == "", nil
}
