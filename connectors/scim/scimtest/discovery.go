package scimtest

import (
	"encoding/json"
	"net/http"
)

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
	if x.route.template == bulkPath || x.route.template == "other" && x.route.path != "/Me" {
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
	doc["bulk"] = map[string]any{"supported": q.BulkOps > 0, "maxOperations": q.BulkOps, "maxPayloadSize": maxBodyBytes}
	if q.Cursor || q.CursorUnasked {
		method := "index"
		if q.CursorUnasked {
			method = "cursor"
		}
		doc["pagination"] = map[string]any{
			"cursor": true, "index": true, "defaultPaginationMethod": method,
			"defaultPageSize": defaulted(q.PageSize, defaultPageSize), "maxPageSize": defaulted(q.MaxResults, defaultMaxResults),
		}
	}
	doc["sort"] = map[string]any{"supported": true}
	doc["etag"] = map[string]any{"supported": q.ETags}
	doc["meta"] = map[string]any{"resourceType": "ServiceProviderConfig", "location": c.base + config}
	if doc["documentationUri"] == "" {
		delete(doc, "documentationUri")
	}
	a.body.Reset()
	a.json(http.StatusOK, doc)
}
