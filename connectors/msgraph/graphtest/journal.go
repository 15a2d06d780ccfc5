package graphtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Request is a request that the sandbox saw. Parts of a batch are requests too.
type Request struct {
	Seq      int               `json:"seq"` // from 1
	Time     time.Time         `json:"time"`
	Method   string            `json:"method"`
	Template string            `json:"template"` // empty: no such route
	Path     string            `json:"path"`
	Options  map[string]string `json:"options,omitempty"` // tokens are shortened to a hash
	Header   map[string]string `json:"header,omitempty"`  // headers of interest
	Token    string            `json:"token,omitempty"`   // hash of the bearer token; empty: none was sent
	Feed     string            `json:"feed,omitempty"`
	Page     int               `json:"page,omitempty"` // of a round or list, from 1
	Items    int               `json:"items"`
	Batch    bool              `json:"batch,omitempty"` // part of one
	Status   int               `json:"status"`
	Cost     int               `json:"cost"`
	Replica  string            `json:"replica,omitempty"` // slow, or nothing
	Fault    Effect            `json:"fault,omitempty"`
}

// Stats are counters since the start or the last reset.
type Stats struct {
	Requests         int            `json:"requests"`
	Units            int            `json:"units"`
	Throttled        int            `json:"throttled"`      // 429 by quota
	WhileThrottled   int            `json:"whileThrottled"` // those sent although the quota was used up before
	MaxParallelDelta map[string]int `json:"maxParallelDelta"`
}

// requestLog keeps the newest requests.
type requestLog struct {
	limit int
	seq   int
	list  []Request
}

// headersOfInterest are those that a client's behaviour is judged by.
var headersOfInterest = [...]string{"Accept", "Client-Request-Id", "Consistencylevel", "Prefer", "User-Agent", "X-Ms-Throttle-Priority"}

func (s *Server) record(c *call, d delivery) {
	s.stats.Requests++
	l := &s.log
	l.seq++
	r := Request{
		Seq: l.seq, Time: s.dir.now, Method: c.method, Template: c.template(), Path: c.path, Feed: c.feed,
		Items: c.items, Batch: c.inBatch, Status: d.status, Cost: c.cost, Replica: c.replica, Page: 1,
	}
	if c.pos.Cursor {
		r.Page = c.pos.Number + 1
	}
	if d.fault != nil {
		r.Fault = d.fault.Effect
	}
	if len(c.query.values) > 0 {
		r.Options = make(map[string]string, len(c.query.values))
		for k, v := range c.query.values {
			if strings.HasSuffix(k, "token") && len(v) > 12 {
				v = digest(v)
			}
			r.Options[k] = v
		}
	}
	for _, h := range headersOfInterest {
		if v := c.header.Get(h); v != "" {
			if r.Header == nil {
				r.Header = map[string]string{}
			}
			r.Header[h] = v
		}
	}
	if v := c.header.Get("Authorization"); v != "" {
		r.Token = digest(v)
	}
	if len(l.list) >= l.limit {
		l.list = slices.Delete(l.list, 0, max(1, l.limit/4))
	}
	l.list = append(l.list, r)
}

func digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:6])
}

func (s *Server) enter(feed string) {
	if feed != "" {
		s.busy[feed]++
		s.stats.MaxParallelDelta[feed] = max(s.stats.MaxParallelDelta[feed], s.busy[feed])
	}
}

func (s *Server) leave(feed string) {
	if feed != "" && s.busy[feed] > 0 {
		s.busy[feed]--
	}
}

// Log returns the requests seen, oldest first, as far as they are remembered.
func (s *Server) Log() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log.list)
}

// ClearLog forgets the requests seen so far. Their numbers go on.
func (s *Server) ClearLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.list = nil
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.MaxParallelDelta = maps.Clone(st.MaxParallelDelta)
	return st
}

// String is a line such as "GET /users/delta page 2: 200, 200 items".
func (r Request) String() string {
	s := r.Method + " " + r.Template
	if r.Template == "" {
		s = r.Method + " " + r.Path
	}
	if r.Feed != "" {
		s += fmt.Sprintf(" page %d", r.Page)
	}
	return fmt.Sprintf("%s: %d, %d items", s, r.Status, r.Items)
}
