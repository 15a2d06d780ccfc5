package scim

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// Discovered is what the server publishes about itself (section 7). Every field is a hint: the
// connection test and experience count for more.
type Discovered struct {
	// Config tells whether /ServiceProviderConfig could be read at all; if not, the rest are the
	// defaults of 7.3.
	Config         bool
	Patch, Filter  bool
	Bulk, ETag     bool
	Sort, Cursor   bool
	MaxResults     int // of a page; 0: not said
	Interop        bool
	Types, Schemas int // how many of each are published
	// Defaults names the fields that were missing or malformed and so have their default.
	Defaults []string
}

// Discover reads the discovery documents. Nothing in it can fail the connection: what cannot be
// read counts as absent (7.2). The context's error is the only one. It is asked by people and by
// the connection test, never on behalf of an object.
func (c *Client) Discover(ctx context.Context) (Discovered, error) {
	d := Discovered{Patch: true, Filter: true}
	doc := c.document(ctx, "/ServiceProviderConfig")
	if doc == nil {
		doc = c.document(ctx, "/ServiceProviderConfigs") // the spelling of SCIM 1.1, still documented
	}
	if m, ok := doc.(object); ok {
		if l, ok := m.at("Resources").([]any); ok && len(l) > 0 {
			if inner, ok := l[0].(object); ok {
				m = inner
			}
		}
		d.read(m)
	}
	d.Types = count(c.document(ctx, "/ResourceTypes"))
	d.Schemas = count(c.document(ctx, "/Schemas"))
	if ctx.Err() != nil {
		return d, ended(ctx)
	}
	if len(d.Defaults) > 0 {
		c.log.Debug("discovery left fields open, which have their defaults", zap.Strings("fields", d.Defaults))
	}
	c.heed(&d)
	return d, nil
}

// heed lets what was discovered decide where nothing better is known.
func (c *Client) heed(d *Discovered) {
	l := &c.lessons
	l.mu.Lock()
	defer l.mu.Unlock()
	if !d.Interop {
		return
	}
	// The interoperability profile asks for a path in every operation, lower case and booleans (7.6).
	// What the configuration says about any of these still wins.
	l.shape.interop, l.shape.pathless = true, false
	if c.set.Capabilities.LowerCaseOps == nil {
		l.shape.lowerOps = true
	}
	if c.set.User.ActiveEncoding == "profile" {
		l.shape.textBooleans = false
	}
}

// document reads one discovery document, with credentials and, where they are refused, without:
// some servers publish discovery openly and only so.
func (c *Client) document(ctx context.Context, path string) any {
	rq := request{op: opGet, method: http.MethodGet, path: path, template: path, once: true}
	rep, err := c.send(ctx, rq)
	if f := asFailure(err); f != nil && (f.status == http.StatusUnauthorized || f.status == http.StatusForbidden) {
		rq.open = true
		rep, err = c.send(ctx, rq)
	}
	if err != nil {
		return nil
	}
	v, err := parseJSON(rep.body, c.set.limits)
	if err != nil {
		return nil
	}
	return v
}

// read takes the fields over one by one: a missing or malformed one falls back alone.
func (d *Discovered) read(m object) {
	d.Config = true
	supported := func(name string, def bool) bool {
		o, _ := m.at(name).(object)
		v, ok := boolean(o.at("supported")).(bool)
		if !ok {
			d.Defaults = append(d.Defaults, name+".supported")
			return def
		}
		return v
	}
	d.Patch, d.Filter = supported("patch", true), supported("filter", true)
	d.Bulk, d.Sort, d.ETag = supported("bulk", false), supported("sort", false), supported("etag", false)
	if o, ok := m.at("filter").(object); ok {
		d.MaxResults, _ = strconv.Atoi(scalar(o.at("maxResults")))
	}
	if o, ok := m.at("pagination").(object); ok {
		d.Cursor = boolean(o.at("cursor")) == true
	}
	d.Interop = boolean(m.at("interopProfileConformant")) == true
}

// count tells how many entries a list of types or schemas has, bare or in a ListResponse.
func count(v any) int {
	switch v := v.(type) {
	case []any:
		return len(v)
	case object:
		l, _ := v.at("Resources").([]any)
		return len(l)
	}
	return 0
}

// finding tells people what was discovered.
func (d *Discovered) finding() engine.Finding {
	f := engine.Finding{Name: "discovery", Level: engine.LevelInfo}
	if !d.Config {
		f.Detail = "the target publishes no /ServiceProviderConfig; the usual abilities are assumed"
		return f
	}
	var can []string
	for _, a := range []struct {
		has  bool
		name string
	}{{d.Patch, "patch"}, {d.Filter, "filter"}, {d.Bulk, "bulk"}, {d.ETag, "etag"}, {d.Sort, "sort"}, {d.Cursor, "cursor paging"}, {d.Interop, "interoperability profile"}} {
		if a.has {
			can = append(can, a.name)
		}
	}
	f.Detail = "the target says that it supports " + strings.Join(can, ", ")
	return f
}
