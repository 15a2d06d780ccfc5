package scimtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"slices"
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

// discovery serves ServiceProviderConfig, Schemas and ResourceTypes by elimity, corrected where its
// document doesn't say what this server does.
func (s *Server) discovery(x *exchange, c *call, a *answer) {
	const config = "/ServiceProviderConfig"
	if c.q.PluralConfig && x.route.template == config {
		a.fail(refuse(http.StatusNotFound, "", "Specified endpoint does not exist."))
		return
	}
	if c.q.PluralConfig && x.route.path == config+"s" {
		x.route.path, x.route.template = config, config
	}
	if x.route.template == "other" && x.route.path != "/Me" {
		a.fail(refuse(http.StatusNotFound, "", "Specified endpoint does not exist."))
		return
	}
	if x.route.template != "other" && x.r.Method != http.MethodGet {
		a.header.Set("Allow", http.MethodGet)
		a.fail(refuse(http.StatusMethodNotAllowed, "", "This endpoint supports GET."))
		return
	}
	s.elimityOnce(x, c, a, x.body)
	if x.route.path != config || a.status != http.StatusOK {
		return
	}
	var doc map[string]any
	if err := json.Unmarshal(a.body.Bytes(), &doc); err != nil {
		panic("scimtest: " + err.Error()) // it was encoded by elimity
	}
	q := c.q
	doc["patch"] = map[string]any{"supported": q.PatchStatus == 0}
	doc["filter"] = map[string]any{"supported": true, "maxResults": defaulted(q.MaxResults, defaultMaxResults)}
	doc["bulk"] = map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0}
	doc["sort"] = map[string]any{"supported": true}
	doc["etag"] = map[string]any{"supported": q.ETags}
	doc["meta"] = map[string]any{"resourceType": "ServiceProviderConfig", "location": c.base + config}
	if doc["documentationUri"] == "" {
		delete(doc, "documentationUri")
	}
	a.body.Reset()
	a.json(http.StatusOK, doc)
}

// normalised rewrites a body of POST or PUT into the form the schema wants; false if nothing changes.
func (k *resourceKind) normalised(body []byte, q *Quirks) ([]byte, bool) {
	v, err := decodeValue(body)
	doc, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, false
	}
	changed := map[string]any{}
	for key, x := range doc {
		changed[key] = k.normalValue(key, x, q)
		if changed[key] == "" {
			delete(changed, key) // Entra clears with empty text
		}
	}
	out, err := json.Marshal(changed)
	return out, err == nil && !slices.Equal(out, body)
}

func (k *resourceKind) normalValue(key string, v any, q *Quirks) any {
	if _, text := v.(string); text && strings.EqualFold(key, "active") && q.ActiveStringRefused {
		return v
	}
	if urn, ok := k.extension(key); ok {
		ext, ok := v.(map[string]any)
		if !ok {
			return v
		}
		out := map[string]any{}
		for name, x := range ext {
			out[name] = x
			if a := k.find(urn, name); a != nil {
				out[name] = coerce(a, x, a.MultiValued())
			}
		}
		return out
	}
	if a := k.find("", key); a != nil {
		return coerce(a, v, a.MultiValued())
	}
	return v
}
