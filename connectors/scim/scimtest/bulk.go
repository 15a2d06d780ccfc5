package scimtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/elimity-com/scim/errors"
)

const (
	bulkPath        = "/Bulk"
	bulkRequestURN  = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	bulkResponseURN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
)

// bulkOperation is one entry of a BulkRequest.
type bulkOperation struct {
	Method string
	BulkID string
	Path   string
	Data   json.RawMessage
}

// bulk answers POST /Bulk (RFC 7644 section 3.7), which elimity doesn't know. Operations are carried
// out in their order; each may refer to those before it by bulkId.
func (s *Server) bulk(x *exchange, c *call, a *answer) {
	if x.r.Method != http.MethodPost {
		a.header.Set("Allow", http.MethodPost)
		a.fail(refuse(http.StatusMethodNotAllowed, "", "This endpoint supports POST."))
		return
	}
	var req struct {
		Schemas      []string
		FailOnErrors int
		Operations   []bulkOperation
	}
	if err := json.Unmarshal(x.body, &req); err != nil || len(req.Schemas) != 1 || req.Schemas[0] != bulkRequestURN {
		a.fail(refuse(http.StatusBadRequest, errors.ScimTypeInvalidSyntax, "The body is not a BulkRequest message."))
		return
	}
	if len(req.Operations) > c.q.BulkOps {
		a.fail(refuse(http.StatusRequestEntityTooLarge, "", "More than "+strconv.Itoa(c.q.BulkOps)+" operations."))
		return
	}
	ids := map[string]string{}
	done := []map[string]any{}
	failed := 0
	for _, o := range req.Operations {
		entry, ok := s.bulkOne(x, c, o, ids)
		done = append(done, entry)
		if !ok {
			failed++
		}
		if req.FailOnErrors > 0 && failed >= req.FailOnErrors {
			break
		}
	}
	a.json(http.StatusOK, map[string]any{"schemas": []string{bulkResponseURN}, "Operations": done})
}

// bulkOne carries out one operation and describes how it went.
func (s *Server) bulkOne(x *exchange, c *call, o bulkOperation, ids map[string]string) (map[string]any, bool) {
	method := strings.ToUpper(o.Method)
	entry := map[string]any{"method": method}
	if o.BulkID != "" {
		entry["bulkId"] = o.BulkID
	}
	data := o.Data
	for bulkID, id := range ids {
		quoted, err := json.Marshal("bulkId:" + bulkID)
		if err != nil {
			panic("scimtest: " + err.Error()) // a string always encodes
		}
		data = bytes.ReplaceAll(data, quoted, []byte(strconv.Quote(id)))
		o.Path = strings.Replace(o.Path, "/bulkId:"+bulkID, "/"+url.PathEscape(id), 1)
	}
	sub := newAnswer()
	inner := &call{q: c.q, method: method, base: c.base}
	rt := s.route(s.base + o.Path)
	switch {
	case bytes.Contains(data, []byte(`"bulkId:`)) || strings.Contains(o.Path, "/bulkId:"):
		sub.fail(refuse(http.StatusConflict, "", "A bulkId refers to nothing."))
	case rt.kind == nil || method == http.MethodGet || rt.search || method == http.MethodPost && o.BulkID == "":
		sub.fail(refuse(http.StatusBadRequest, errors.ScimTypeInvalidSyntax, "The operation is not one for bulk requests."))
	default:
		r := (&http.Request{
			Method: method, URL: &url.URL{Path: s.base + o.Path}, Header: http.Header{}, Host: x.r.Host, Body: io.NopCloser(bytes.NewReader(data)),
		}).WithContext(context.WithoutCancel(x.r.Context()))
		one := &exchange{r: r, body: data, route: rt}
		s.dispatch(one, inner, sub)
		s.finish(one, inner, sub)
	}
	entry["status"] = strconv.Itoa(sub.status)
	if sub.status >= 300 {
		entry["response"] = json.RawMessage(sub.body.Bytes())
		return entry, false
	}
	id := rt.id
	if inner.id != "" {
		id = inner.id
		ids[o.BulkID] = id
	}
	entry["location"] = c.base + rt.kind.endpoint + "/" + url.PathEscape(id)
	return entry, true
}
