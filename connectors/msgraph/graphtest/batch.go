package graphtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const maxBatch = 20

type batchPart struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

type batchAnswer struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    any               `json:"body,omitempty"`
}

// batch answers up to 20 requests. Each is checked, charged, failed and logged like any other, and
// the answers come in any order.
func (c *call) batch() answer {
	var body struct {
		Requests []batchPart `json:"requests"`
	}
	if prob := c.decode(&body); prob != nil {
		return c.problem(prob)
	}
	if c.inBatch {
		return c.fail(400, "BadRequest", "A batch cannot hold a batch.")
	}
	if len(body.Requests) == 0 || len(body.Requests) > maxBatch {
		return c.fail(400, "BadRequest", fmt.Sprintf("The number of batch requests must be between 1 and %d.", maxBatch))
	}
	seen := map[string]bool{}
	for _, p := range body.Requests {
		id := strings.ToLower(p.ID)
		switch {
		case id == "" || seen[id]:
			return c.fail(400, "BadRequest", "Every request of a batch needs an id of its own.")
		case p.Method == "" || p.URL == "" || strings.Contains(p.URL, "://"):
			return c.fail(400, "BadRequest", "Every request of a batch needs a method and a URL relative to the version.")
		}
		for _, d := range p.DependsOn {
			if !seen[strings.ToLower(d)] {
				return c.fail(400, "BadRequest", "dependsOn names a request that does not come before.")
			}
		}
		seen[id] = true
	}
	answers := make([]batchAnswer, 0, len(body.Requests))
	failed := map[string]bool{}
	for _, p := range body.Requests {
		a := c.part(p, failed)
		failed[strings.ToLower(p.ID)] = a.Status >= 400
		answers = append(answers, a)
	}
	seeded(c.id, 6).Shuffle(len(answers), func(i, j int) { answers[i], answers[j] = answers[j], answers[i] })
	return c.json(200, map[string]any{"responses": answers})
}

// part answers one request of a batch.
func (c *call) part(p batchPart, failed map[string]bool) batchAnswer {
	for _, d := range p.DependsOn {
		if failed[strings.ToLower(d)] {
			return batchAnswer{ID: p.ID, Status: http.StatusFailedDependency, Headers: map[string]string{"Content-Type": "application/json"},
				Body: map[string]any{"error": map[string]string{"code": "FailedDependency", "message": "A request that this one depends on has failed."}}}
		}
	}
	part := &call{
		s: c.s, method: strings.ToUpper(p.Method), root: c.root, version: c.version, inBatch: true,
		header: http.Header{}, body: p.Body, reply: http.Header{},
	}
	for k, v := range p.Headers {
		part.header.Set(k, v)
	}
	part.header.Set("Authorization", c.header.Get("Authorization"))
	path, query, _ := strings.Cut(p.URL, "?")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	part.self = c.root + path
	part.parse(path, query)
	d := part.handle()
	out := batchAnswer{ID: p.ID, Status: d.status, Headers: map[string]string{}}
	for _, h := range []string{"Content-Type", "Retry-After", "Location", "Cache-Control", "Preference-Applied", "WWW-Authenticate",
		"x-ms-throttle-scope", "x-ms-throttle-information", "x-ms-resource-unit", "request-id"} {
		if v := d.header.Get(h); v != "" {
			out.Headers[h] = v
		}
	}
	switch {
	case len(d.body) == 0:
	case json.Valid(d.body):
		out.Body = json.RawMessage(d.body)
	default: // the service gives what is not JSON in base64
		out.Body = base64.StdEncoding.EncodeToString(d.body)
	}
	return out
}
