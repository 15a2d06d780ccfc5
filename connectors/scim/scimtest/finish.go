package scimtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"strings"

	"github.com/elimity-com/scim/errors"
)

// fail answers with a SCIM error.
func (a *answer) fail(err *errors.ScimError) {
	a.err = err
	a.json(err.Status, err)
}

// finish gives an answer the shape the quirks want.
func (s *Server) finish(x *exchange, c *call, a *answer) {
	q := c.q
	ok := a.status/100 == 2
	create := x.r.Method == http.MethodPost && !x.route.search && x.route.kind != nil
	update := x.r.Method == http.MethodPatch || x.r.Method == http.MethodPut
	if a.err != nil && a.err.ScimType == errors.ScimTypeUniqueness {
		a.conflict(q)
	}
	if ok && a.body.Len() > 0 && x.route.kind != nil && q.distorting() {
		a.distort(x.route.kind, q, create)
	}
	switch {
	case ok && create && c.upserted:
		a.status = http.StatusOK
	case ok && create:
		if q.CreateStatus != 0 {
			a.status = q.CreateStatus
		}
		if q.EmptyBodyOnCreate {
			a.body.Reset()
		}
	case ok && update && q.UpdateStatus != 0:
		a.status = q.UpdateStatus
		if a.status == http.StatusAccepted {
			a.body.Reset()
		}
	}
	switch {
	case a.status >= 400 && q.HTMLErrors:
		a.html()
	case a.body.Len() == 0:
		a.header.Del("Content-Type")
	case q.PlainContentType:
		a.header.Set("Content-Type", "application/json")
	}
}

// conflict disguises a uniqueness refusal.
func (a *answer) conflict(q *Quirks) {
	detail := *a.err
	switch {
	case q.ConflictStatus >= 500:
		detail = *refuse(q.ConflictStatus, "", "ERROR: duplicate key value violates unique constraint")
	case q.ConflictStatus != 0:
		detail.Status = q.ConflictStatus
	}
	a.body.Reset()
	a.json(detail.Status, detail)
	if q.ConflictBare {
		a.body.Reset()
	}
}

func (a *answer) html() {
	a.header.Set("Content-Type", "text/html; charset=utf-8")
	title := html.EscapeString(fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)))
	a.body.Reset()
	fmt.Fprintf(&a.body, "<!DOCTYPE html>\n<html><head><title>%s</title></head><body><h1>%s</h1></body></html>\n", title, title)
}

// distorting says whether resources have to be rewritten at all.
func (q *Quirks) distorting() bool {
	return q.NumericIDs || q.NoIDInBody || q.StringBooleans || q.LowerKeys || q.FlatExtension || len(q.HideAttributes) > 0
}

// distort rewrites the resources of an answer.
func (a *answer) distort(k *resourceKind, q *Quirks, create bool) {
	d := json.NewDecoder(bytes.NewReader(a.body.Bytes()))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		panic("scimtest: " + err.Error()) // it was encoded by us or by elimity
	}
	if list, ok := doc["Resources"].([]any); ok {
		for i, r := range list {
			list[i] = distorted(k, r.(map[string]any), q)
		}
	} else {
		doc = distorted(k, doc, q)
		if create && q.NoIDInBody {
			delete(doc, "id")
		}
	}
	a.body.Reset()
	a.json(a.status, doc)
}

func distorted(k *resourceKind, r map[string]any, q *Quirks) map[string]any {
	if id, ok := r["id"].(string); ok && q.NumericIDs && json.Valid([]byte(id)) {
		r["id"] = json.Number(id)
	}
	for _, name := range q.HideAttributes {
		dropPath(k, r, name)
	}
	if ext, ok := r[enterpriseURN].(map[string]any); ok && q.FlatExtension {
		delete(r, enterpriseURN)
		maps.Copy(r, ext)
	}
	if q.StringBooleans {
		r = rewrite(r, nil, textBoolean).(map[string]any)
	}
	if q.LowerKeys {
		r = rewrite(r, strings.ToLower, nil).(map[string]any)
	}
	return r
}

func textBoolean(v any) any {
	switch v {
	case true:
		return "True"
	case false:
		return "False"
	default:
		return v
	}
}

// rewrite maps the keys and simple values of a JSON value; nil leaves them as they are.
func rewrite(v any, key func(string) string, simple func(any) any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			if key != nil {
				k = key(k)
			}
			out[k] = rewrite(x, key, simple)
		}
		return out
	case []any:
		for i, x := range v {
			v[i] = rewrite(x, key, simple)
		}
		return v
	default:
		if simple != nil {
			return simple(v)
		}
		return v
	}
}
