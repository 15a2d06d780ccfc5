package scim

import (
	"context"
	"net/http"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// Delete implements [engine.Target] (14.4). A server that does not delete people gets them
// disabled instead.
func (c *Client) Delete(ctx context.Context, k engine.Kind, id string) error {
	if id == "" {
		return nil
	}
	unlock, err := c.lockObject(ctx, k, id)
	if err != nil {
		return err
	}
	defer unlock()
	path, template := itemPath(k, id)
	_, err = c.send(ctx, request{op: opDelete, kind: k, method: http.MethodDelete, path: path, template: template})
	f := asFailure(err)
	if f == nil {
		return c.settled(ctx, err)
	}
	switch f.status {
	case http.StatusNotFound, http.StatusGone:
		return nil
	case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusConflict:
		if k == engine.User {
			return c.disableInstead(ctx, id, f)
		}
	}
	return c.settled(ctx, err)
}

// disableInstead disables a user that the server does not delete. A conflict means that it may be
// deleted later: the deletion stays to be done.
func (c *Client) disableInstead(ctx context.Context, id string, f *failure) error {
	p := mapping.Path{Attribute: "active"}
	u := &updating{c: c, k: engine.User, id: id, disables: true}
	off := []engine.AttributeChange{{Path: p, Definition: mapping.DefinitionOf(p), Old: true, New: false}}
	if err := u.setActive(ctx, off); err != nil {
		if g := asFailure(err); g != nil && (g.status == http.StatusNotFound || g.status == http.StatusGone) {
			return nil
		}
		return c.settled(ctx, f) // the refusal of the delete is what matters
	}
	if f.status == http.StatusConflict {
		te := c.targetError(f)
		te.Detail = c.red.Text("the target refuses to delete the account, which was disabled instead: "+f.said.detail, maxDetail)
		return te
	}
	c.log.Warn("the target does not delete accounts; one was disabled instead", zap.Int("status", f.status))
	return nil
}
