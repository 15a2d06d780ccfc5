package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"time"

	"go.uber.org/zap"
)

// call is what is known of one request beside its parameters.
type call struct {
	id, clientID string // request-id, client-request-id
	token        Token
	from         string
	url          *url.URL // as it was sent
	host, scheme string
	graph        bool // it came by the Graph-shaped path
	job          Job  // of operations of one job
	jobs         []Job
	prefer       []string
	started      time.Time
}

type callKey struct{}

// by is who asks, for the audit.
func (c *call) by() Caller {
	return Caller{Name: c.token.Name, From: c.from, Approver: c.token.Role.May(RoleApprover)}
}

// prefers reports whether the header Prefer has a preference (RFC 7240).
func (c *call) prefers(what string) bool {
	for _, p := range c.prefer {
		if strings.EqualFold(p, what) {
			return true
		}
	}
	return false
}

// maxID bounds a client-request-id that is sent back.
const maxID = 128

var plainID = regexp.MustCompile(`^[A-Za-z0-9._:{}-]+$`)

func newCall(r *http.Request, now time.Time) *call {
	c := &call{id: newID(), from: from(r), url: r.URL, host: r.Host, scheme: "http", started: now}
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		c.scheme = "https"
	}
	if c.clientID = r.Header.Get("Client-Request-Id"); len(c.clientID) > maxID || !plainID.MatchString(c.clientID) {
		c.clientID = c.id
	}
	for _, h := range r.Header.Values("Prefer") {
		for p := range strings.SplitSeq(h, ",") {
			name, _, _ := strings.Cut(p, ";")
			c.prefer = append(c.prefer, strings.Join(strings.Fields(strings.ReplaceAll(name, "=", " ")), "="))
		}
	}
	return c
}

// newID is a random UUID (RFC 9562 version 4), as Graph names requests.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// answer remembers the status of an answer.
type answer struct {
	http.ResponseWriter
	status int
}

func (w *answer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets [http.ResponseController] through.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		a.mux.ServeHTTP(rw, r)
		return
	}
	c, w := newCall(r, a.now()), &answer{ResponseWriter: rw}
	h := w.Header()
	h.Set("Request-Id", c.id)
	h.Set("Client-Request-Id", c.clientID)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	defer func() {
		if x := recover(); x != nil {
			if x == http.ErrAbortHandler {
				panic(x)
			}
			a.log.Error("request broke off", zap.String("request_id", c.id), zap.String("method", r.Method), zap.String("panic", broken(x)), zap.Stack("stack"))
			if w.status == 0 {
				a.refuse(w, c, internal())
			}
		}
	}()
	if p := a.route(w, r, c); p != nil {
		a.refuse(w, c, p)
	}
	a.log.Debug("request", zap.String("request_id", c.id), zap.String("method", r.Method), zap.String("route", r.Pattern),
		zap.Int("status", w.status), zap.Duration("duration", a.now().Sub(c.started)))
}

// broken says what a panic was about as far as it surely names nobody.
func broken(x any) string {
	if err, ok := x.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", x)
}

func internal() *Problem {
	return problem(http.StatusInternalServerError, codeInternal, "Something went wrong inside of the service. Its log says what, under the request-id of this answer.")
}

// route lets a request through to its operation, or says why not.
func (a *API) route(w *answer, r *http.Request, c *call) *Problem {
	if err := a.guard.Check(r); err != nil {
		return problem(http.StatusForbidden, codeDenied, "The request came from a page of another site, and would change something. Send it from a program, or from a page of this server.")
	}
	if r.URL.Path != document {
		t, p := a.authenticate(r)
		if p != nil {
			return p
		}
		c.token = t
	}
	if r.Body != nil && r.ContentLength != 0 { // net/http lifts the deadline when it has seen the end of the body
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			a.log.Debug("read deadline not set", zap.Error(err))
		}
	}
	if p := decompress(r); p != nil {
		return p
	}
	u := normal(r.URL)
	r2 := r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	r2.URL = u
	h, pattern := a.mux.Handler(r2)
	if pattern == "" {
		return unmatched(h, r2)
	}
	a.mux.ServeHTTP(w, r2)
	r.Pattern = r2.Pattern
	return nil
}

// bodyTime is how long a body may take to arrive.
const bodyTime = 30 * time.Second

// unmatched says why the mux has no operation for a request.
func unmatched(h http.Handler, r *http.Request) *Problem {
	probe := &nowhere{header: http.Header{}}
	h.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		allow := probe.header.Get("Allow")
		p := problem(http.StatusMethodNotAllowed, codeMethod, fmt.Sprintf("%s is not possible here; use %s.", r.Method, allow))
		p.header = http.Header{"Allow": {allow}}
		return p
	}
	return notFound("There is nothing at this path. " + document + " describes all there is.")
}

// nowhere takes an answer that is not sent.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(status int)      { n.status = status }

// function is a path segment in the notation of OData functions and keys: jobs('webex'), filterOperators().
var function = regexp.MustCompile(`^(?:microsoft\.graph\.)?([A-Za-z]+)\((?:'(.*)')?\)$`)

// normal brings a path into the form that operations are registered by: without a trailing slash, with keys in
// parentheses as segments of their own, and without empty parentheses.
func normal(u *url.URL) *url.URL {
	n := *u
	path := strings.TrimRight(u.EscapedPath(), "/")
	var segments []string
	for s := range strings.SplitSeq(path, "/") {
		plain, err := url.PathUnescape(s)
		if m := function.FindStringSubmatch(plain); err == nil && m != nil {
			segments = append(segments, m[1])
			if !strings.HasSuffix(plain, "()") {
				segments = append(segments, url.PathEscape(strings.ReplaceAll(m[2], "''", "'")))
			}
			continue
		}
		segments = append(segments, s)
	}
	n.RawPath = strings.Join(segments, "/")
	plain, err := url.PathUnescape(n.RawPath)
	if err != nil {
		return u
	}
	n.Path = plain
	return &n
}

// maxUnpacked bounds a compressed body once it is unpacked, in bytes; operations have their own limits below it.
const maxUnpacked = maxSchema + 1

// decompress unpacks a gzip body, which is what the client libraries of Graph send.
func decompress(r *http.Request) *Problem {
	switch enc := strings.ToLower(r.Header.Get("Content-Encoding")); enc {
	case "", "identity":
		return nil
	case "gzip":
	default:
		p := problem(http.StatusUnsupportedMediaType, codeBadRequest, "The body has a Content-Encoding that is not known here; send it as gzip or uncompressed.")
		p.header = http.Header{"Accept-Encoding": {"gzip"}}
		return p
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		if errors.Is(err, io.EOF) {
			r.Body = http.NoBody
			return nil
		}
		return badRequest("The body is not gzip, though Content-Encoding says so.")
	}
	data, err := io.ReadAll(io.LimitReader(z, maxUnpacked))
	if err != nil {
		return badRequest("The gzip body is damaged.")
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	r.Header.Del("Content-Encoding")
	return nil
}

// refuse writes an error.
func (a *API) refuse(w http.ResponseWriter, c *call, p *Problem) {
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.Status)
	a.gone(json.NewEncoder(w).Encode(a.body(c, p)))
}

// body is an error with what finds its request again.
func (a *API) body(c *call, p *Problem) ErrorBody {
	return ErrorBody{ErrorContent{
		Code: p.Code, Message: p.Message, Target: p.Target, Details: p.Details,
		InnerError: InnerError{Date: a.now().UTC().Truncate(time.Second), RequestID: c.id, ClientRequestID: c.clientID},
	}}
}
