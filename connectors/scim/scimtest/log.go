package scimtest

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Request is one logged request.
type Request struct {
	Seq      uint64        `json:"seq"` // counts all requests from 1 on
	Time     time.Time     `json:"time"`
	Method   string        `json:"method"`
	Template string        `json:"template"` // "/Users/{id}"; "other" for what is no endpoint
	Path     string        `json:"path"`     // below the base path, as it came
	Query    string        `json:"query"`    // as it came
	Status   int           `json:"status"`   // 0: the connection was cut
	Duration time.Duration `json:"duration"` // nanoseconds

	// With Options.LogBodies only:
	Header       http.Header `json:"header,omitempty"` // without Authorization
	RequestBody  string      `json:"requestBody,omitempty"`
	ResponseBody string      `json:"responseBody,omitempty"`
}

// Counts sums up the requests since the start or the last [Server.ResetCounts].
type Counts struct {
	Total  int            `json:"total"`
	Writes int            `json:"writes"` // POST but .search, PUT, PATCH, DELETE
	Cut    int            `json:"cut"`    // connections cut by a fault or quirk
	By     map[string]int `json:"by"`     // "POST /Users": by method and template
	Status map[int]int    `json:"status"`
	Bytes  int64          `json:"bytes"` // of request bodies
}

// requestLog keeps the newest requests in a ring, and the counts.
type requestLog struct {
	mu     sync.Mutex
	size   int
	bodies bool
	seq    uint64
	ring   []Request
	counts Counts
}

func (l *requestLog) add(x *exchange, a *answer, cut bool, start time.Time, took time.Duration) {
	e := Request{
		Time: start, Method: x.r.Method, Template: x.route.template, Path: x.route.path,
		Query: x.r.URL.RawQuery, Status: a.status, Duration: took,
	}
	if cut {
		e.Status = 0
	}
	if l.bodies {
		e.Header = x.r.Header.Clone()
		e.Header.Del("Authorization")
		e.RequestBody, e.ResponseBody = string(x.body), a.body.String()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	e.Seq = l.seq
	if l.size > 0 {
		if len(l.ring) < l.size {
			l.ring = append(l.ring, e)
		} else {
			l.ring[(l.seq-1)%uint64(l.size)] = e
		}
	}
	l.counts.add(x, e)
}

func (c *Counts) add(x *exchange, e Request) {
	if c.By == nil {
		c.By, c.Status = map[string]int{}, map[int]int{}
	}
	c.Total++
	c.Bytes += int64(len(x.body))
	c.By[e.Method+" "+e.Template]++
	c.Status[e.Status]++
	if e.Status == 0 {
		c.Cut++
	}
	switch e.Method {
	case http.MethodPost:
		if !x.route.search {
			c.Writes++
		}
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		c.Writes++
	}
}

// Requests returns the counts.
func (s *Server) Requests() Counts {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	c := s.log.counts
	c.By, c.Status = maps.Clone(c.By), maps.Clone(c.Status)
	return c
}

// Log returns the newest requests, oldest first.
func (s *Server) Log() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	out := slices.Clone(s.log.ring)
	slices.SortFunc(out, func(a, b Request) int { return cmp.Compare(a.Seq, b.Seq) })
	return out
}

// ResetCounts sets the counts to zero and empties the log.
func (s *Server) ResetCounts() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.counts = Counts{}
	s.log.seq, s.log.ring = 0, nil
}

// limiter counts the requests of the current second.
type limiter struct {
	mu     sync.Mutex
	second int64
	used   int
}

// take reports whether another request may be served in this second; if not, after is the number of
// seconds to wait.
func (l *limiter) take(now time.Time, perSecond int) (after string, ok bool) {
	if perSecond <= 0 {
		return "", true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if second := now.Unix(); second != l.second {
		l.second, l.used = second, 0
	}
	if l.used >= perSecond {
		return strconv.Itoa(1), false
	}
	l.used++
	return "", true
}
