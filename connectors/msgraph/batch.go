package msgraph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/engine"
)

const (
	batchSize      = 20 // parts of one $batch (GS-BA-1)
	batchesAtATime = 4  // in flight (GS-BA-3)
)

// errNoBatch says that the endpoint has no $batch.
var errNoBatch = errors.New("no $batch here")

// askBatched is askEach through $batch.
func (s *Source) askBatched(ctx context.Context, c call, ids []string, where func(id string) (path, query string), take func(id string, a *answer) error) error {
	var mu sync.Mutex
	alone := func(id string, a *answer) error {
		mu.Lock()
		defer mu.Unlock()
		return take(id, a)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(batchesAtATime)
	for chunk := range slices.Chunk(ids, batchSize) {
		g.Go(func() error { return s.batch(ctx, c, chunk, where, alone) })
	}
	return g.Wait()
}

type batchRequest struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

type batchResponse struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// batch asks up to twenty questions. The status of the whole says nothing about the parts: each is
// judged like a request of its own, and those that failed are sent again after the longest of their
// waits (GS-BA-2).
func (s *Source) batch(ctx context.Context, c call, ids []string, where func(id string) (path, query string), take func(id string, a *answer) error) error {
	w := s.waiter(c)
	for {
		answers, outer, err := s.sendBatch(ctx, c, ids, where, w.attempt)
		if err != nil {
			return err
		}
		var failed []string
		var worst verdict
		for i, id := range ids {
			v := c.judgePart(answers[i], s, func(a *answer) error { return take(id, a) })
			switch {
			case v.ok, v.missing:
				continue
			case !v.again && !v.renew:
				return v.err
			}
			failed = append(failed, id)
			worst = worse(worst, v)
		}
		if len(failed) == 0 {
			return nil
		}
		ids = failed
		if err := w.wait(ctx, worst, outer); err != nil {
			return err
		}
	}
}

// worse joins the verdicts on two parts: a token is renewed first, the longer wait counts, and the
// verdict that allows fewer repetitions decides when to give up.
func worse(a, b verdict) verdict {
	if a.err == nil || b.renew && !a.renew {
		return b
	}
	if a.renew {
		return a
	}
	out := a
	if b.most > 0 && (a.most == 0 || b.most < a.most) {
		out = b
	}
	out.asked, out.least, out.hold = max(a.asked, b.asked), max(a.least, b.least), a.hold || b.hold
	return out
}

// judgePart is the verdict on the answer to one part; take reads a good one.
func (c *call) judgePart(r *batchResponse, s *Source, take func(*answer) error) verdict {
	if r == nil {
		return c.check(&damaged{"the batch left a part unanswered"})
	}
	h := http.Header{}
	for k, v := range r.Headers {
		h.Set(k, v)
	}
	v := c.judge(r.Status, h, r.Body, s.conn.Now())
	if !v.ok {
		return v
	}
	// The parts of a batch are JSON by the form of the whole, whatever their headers say.
	return c.check(take(&answer{status: r.Status, body: r.Body, header: http.Header{"Content-Type": {"application/json"}}, url: s.root}))
}

// sendBatch returns the answers to the parts in the order of ids, nil for those that are missing.
func (s *Source) sendBatch(ctx context.Context, c call, ids []string, where func(id string) (path, query string), attempt int) ([]*batchResponse, *answer, error) {
	var body struct {
		Requests []batchRequest `json:"requests"`
	}
	headers := map[string]string{"Accept": "application/json"}
	if c.priority != "" {
		headers["x-ms-throttle-priority"] = c.priority
	}
	for i, id := range ids {
		path, query := where(id)
		u := "/" + path
		if query != "" {
			u += "?" + query
		}
		body.Requests = append(body.Requests, batchRequest{ID: strconv.Itoa(i + 1), Method: http.MethodGet, URL: u, Headers: headers})
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, nil, err
	}
	var doc struct {
		Responses []*batchResponse `json:"responses"`
	}
	var outer *answer
	whole := call{place: atBatch, template: "$batch", permission: c.permission, url: s.at("$batch", ""), body: raw, manner: c.manner, before: attempt - 1}
	err = s.fetch(ctx, whole, func(a *answer) error {
		outer, doc.Responses = a, nil
		if err := decode(a, &doc); err != nil {
			return err
		}
		if doc.Responses == nil {
			return &damaged{"the batch has no answers"}
		}
		return nil
	})
	var se *engine.SourceError
	if errors.As(err, &se) && slices.Contains([]int{400, 404, 405, 501}, se.Status) {
		return nil, nil, errNoBatch
	}
	if err != nil {
		return nil, nil, err
	}
	answers := make([]*batchResponse, len(ids))
	for _, r := range doc.Responses {
		if r == nil {
			continue
		}
		if n, err := strconv.Atoi(r.ID); err == nil && n >= 1 && n <= len(ids) {
			answers[n-1] = r
		}
	}
	return answers, outer, nil
}
