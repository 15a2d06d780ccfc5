package scimtest

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
)

// Server is the sandbox application. It is safe for concurrent use.
type Server struct {
	base    string // path in front of the endpoints, without a slash at its end
	now     func() time.Time
	users   *resourceKind
	groups  *resourceKind
	store   *store
	elimity scim.Server
	quirks  atomic.Pointer[Quirks]
	faults  faultPlan
	log     requestLog
	limit   limiter
	control http.Handler
}

var _ http.Handler = (*Server)(nil)

// New returns a server without users and groups. It panics if Options.Extensions has a name no
// attribute may have.
func New(o Options) *Server {
	extensions := extensionSchemas(o.Extensions)
	s := &Server{
		base:   "/" + strings.Trim(cmp.Or(o.BasePath, defaultBasePath), "/"),
		now:    o.Now,
		users:  newKind("User", "/Users", schema.CoreUserSchema(), extensions...),
		groups: newKind("Group", "/Groups", schema.CoreGroupSchema()),
	}
	s.base = strings.TrimSuffix(s.base, "/")
	if s.now == nil {
		s.now = time.Now
	}
	s.store = newStore(s.users, s.groups, o.Seed)
	s.log.size, s.log.bodies = cmp.Or(o.LogSize, defaultLogSize), o.LogBodies
	s.quirks.Store(&o.Quirks)
	s.control = s.controlHandler()
	var err error
	if s.elimity, err = newElimity(s.users, s.groups, s); err != nil {
		panic("scimtest: " + err.Error()) // only missing arguments are refused, and none is
	}
	return s
}

// BasePath is the path in front of the endpoints, without a slash at its end: a client's base URL is
// the server's address followed by it.
func (s *Server) BasePath() string { return s.base }

// call is what one request carries through elimity to our handlers, and back.
type call struct {
	q        *Quirks
	method   string
	base     string // absolute URL in front of the endpoints
	ifMatch  string
	only     []string // attributes
	excluded []string // excludedAttributes
	seedID   string   // an id asked for by [Server.AddUser]

	id       string            // of the created resource
	upserted bool              // it was there before
	err      *errors.ScimError // what a handler refused with
}

type callKey struct{}

func callOf(r *http.Request) *call { return r.Context().Value(callKey{}).(*call) }

// answer collects what will be sent, so that quirks and faults may change it.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
	err    *errors.ScimError // what the body says, if we refused
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = cmp.Or(a.status, status) }

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// ServeHTTP answers SCIM requests under the base path and control requests under /_app/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		s.control.ServeHTTP(w, r)
		return
	}
	start := s.now()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes+1))
	x := &exchange{r: r, body: body, route: s.route(r.URL.EscapedPath())}
	a := newAnswer()
	cut := false
	switch {
	case err != nil:
		cut = true // the client went away
	case len(body) > maxBodyBytes:
		a.fail(refuse(http.StatusRequestEntityTooLarge, "", "The body is larger than "+strconv.Itoa(maxBodyBytes)+" bytes."))
	default:
		cut = s.answerWithFaults(x, a)
	}
	s.log.add(x, a, cut, start, s.now().Sub(start))
	if cut {
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	if a.body.Len() > 0 && bodyAllowed(a.status) {
		_, _ = w.Write(a.body.Bytes()) // a client that went away is its own affair
	}
}

func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified && status >= 200
}

// exchange is one request with what was found out about it.
type exchange struct {
	r     *http.Request
	body  []byte
	route route
}

// route is where a request goes.
type route struct {
	path     string // below the base path, escaped
	template string // with {id}; for counts and the log
	kind     *resourceKind
	id       string
	search   bool // POST …/.search
	outside  bool // not below the base path
}

func (s *Server) route(escaped string) route {
	rest, ok := strings.CutPrefix(escaped, s.base)
	if !ok || rest != "" && rest[0] != '/' {
		return route{path: escaped, template: "other", outside: true}
	}
	rt := route{path: rest, template: "other"}
	for _, k := range []*resourceKind{s.users, s.groups} {
		tail, ok := strings.CutPrefix(rest, k.endpoint)
		switch {
		case !ok || tail != "" && tail[0] != '/':
		case tail == "":
			rt.kind, rt.template = k, k.endpoint
		case tail == "/.search":
			rt.kind, rt.template, rt.search = k, k.endpoint+"/.search", true
		default:
			id, err := url.PathUnescape(tail[1:])
			if err == nil && id != "" && !strings.Contains(tail[1:], "/") {
				rt.kind, rt.template, rt.id = k, k.endpoint+"/{id}", id
			}
		}
	}
	if rt.kind == nil {
		for _, p := range []string{"/ServiceProviderConfig", "/Schemas", "/ResourceTypes", bulkPath} {
			if rest == p || strings.HasPrefix(rest, p+"/") {
				rt.template = p
			}
		}
	}
	return rt
}

// answerWithFaults answers a request unless a planned fault does; it reports whether the connection
// is to be cut instead of answering.
func (s *Server) answerWithFaults(x *exchange, a *answer) (cut bool) {
	f := s.faults.match(x)
	if f == nil {
		s.serve(x, a)
		q := s.quirks.Load()
		created := x.r.Method == http.MethodPost && a.status/100 == 2 && !x.route.search
		if created {
			wait(x.r.Context(), q.SlowCreate)
		}
		wait(x.r.Context(), q.Latency)
		return created && q.CutCreate
	}
	if f.Apply || f.CutAfterApply || !f.answers() {
		s.serve(x, a)
	}
	wait(x.r.Context(), f.Delay)
	if f.CutBefore || f.CutAfterApply {
		return true
	}
	f.overwrite(a)
	return false
}

// wait sleeps unless the client goes away.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// serve answers a request as the quirks of this moment want it.
func (s *Server) serve(x *exchange, a *answer) {
	q := s.quirks.Load()
	c := s.newCall(x.r, q)
	a.header.Set("Content-Type", "application/scim+json")
	if err := s.admit(x, q, a); err != nil {
		a.fail(err)
	} else {
		s.dispatch(x, c, a)
	}
	s.finish(x, c, a)
}

func (s *Server) newCall(r *http.Request, q *Quirks) *call {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	c := &call{q: q, method: r.Method, base: scheme + "://" + r.Host + s.base, ifMatch: r.Header.Get("If-Match")}
	if r.URL.RawQuery != "" {
		query := r.URL.Query()
		c.only, c.excluded = names(query.Get("attributes")), names(query.Get("excludedAttributes"))
	}
	if q.IgnoreExcluded {
		c.excluded = nil
	}
	return c
}

// names splits a list of attribute names (RFC 7644 section 3.9).
func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// admit checks what comes before the resource is looked at.
func (s *Server) admit(x *exchange, q *Quirks, a *answer) *errors.ScimError {
	r, rt := x.r, x.route
	if q.RequireToken != "" {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || token != q.RequireToken {
			a.header.Set("WWW-Authenticate", `Bearer realm="scim"`)
			return refuse(http.StatusUnauthorized, "", "Authorization failure. The authorization header is invalid or missing.")
		}
	}
	if after, ok := s.limit.take(s.now(), q.RateLimit); !ok {
		if q.RetryAfter != "-" {
			a.header.Set("Retry-After", cmp.Or(q.RetryAfter, after))
		}
		return refuse(http.StatusTooManyRequests, "", "Too many requests.")
	}
	refused := map[string]int{
		http.MethodPatch: q.PatchStatus, http.MethodPut: q.PutStatus, http.MethodDelete: q.DeleteStatus,
	}[r.Method]
	if rt.kind == s.groups {
		if r.Method == http.MethodPatch {
			refused = cmp.Or(q.GroupPatchStatus, refused)
		}
		refused = cmp.Or(q.GroupsStatus, refused)
	}
	if rt.kind == nil && rt.template != "other" && rt.template != bulkPath {
		refused = cmp.Or(q.DiscoveryStatus, refused)
	}
	if refused != 0 {
		return refuse(refused, "", "The service provider does not support this request.")
	}
	if q.MediaTypeStatus != 0 && len(x.body) > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return refuse(q.MediaTypeStatus, "", "Only application/json is supported.")
	}
	return nil
}

// dispatch hands a request to elimity's server or, for PATCH and searches, to ours.
func (s *Server) dispatch(x *exchange, c *call, a *answer) {
	rt := x.route
	switch {
	case rt.outside:
		a.fail(refuse(http.StatusNotFound, "", "Specified endpoint does not exist."))
	case rt.path == bulkPath && c.q.BulkOps > 0:
		s.bulk(x, c, a)
	case rt.kind == nil:
		s.discovery(x, c, a)
	case rt.search && x.r.Method == http.MethodPost:
		s.searchByPost(rt.kind, x.body, c, a)
	case rt.id == "" && !rt.search && x.r.Method == http.MethodGet:
		s.search(rt.kind, queryOf(x.r.URL.Query()), c, a)
	case rt.id == "" && !rt.search && x.r.Method == http.MethodPost:
		s.viaElimity(x, c, a)
	case rt.id != "" && x.r.Method == http.MethodPatch:
		resource, err := s.patch(rt.kind, rt.id, x.body, c)
		if err != nil {
			a.fail(err)
			return
		}
		a.resource(resource, c)
	case rt.id != "" && (x.r.Method == http.MethodGet || x.r.Method == http.MethodPut || x.r.Method == http.MethodDelete):
		s.viaElimity(x, c, a)
	default:
		allowed := "GET, POST"
		if rt.id != "" {
			allowed = "GET, PUT, PATCH, DELETE"
		}
		a.header.Set("Allow", allowed)
		a.fail(refuse(http.StatusMethodNotAllowed, "", "This endpoint supports "+allowed+"."))
	}
}

// viaElimity lets the library serve a request. A body it refuses is tried again in the form the
// schema wants, unless the quirks are strict: Entra's text booleans are not JSON booleans to elimity.
func (s *Server) viaElimity(x *exchange, c *call, a *answer) {
	s.elimityOnce(x, c, a, x.body)
	if a.status == http.StatusBadRequest && !c.q.Strict && len(x.body) > 0 && x.route.kind != nil {
		if body, ok := x.route.kind.normalised(x.body, c.q); ok {
			retry := newAnswer()
			retry.header.Set("Content-Type", a.header.Get("Content-Type"))
			s.elimityOnce(x, c, retry, body)
			*a = *retry
		}
	}
	if c.id != "" && !c.upserted && !c.q.NoLocation {
		a.header.Set("Location", c.base+x.route.kind.endpoint+"/"+url.PathEscape(c.id))
	}
}

func (s *Server) elimityOnce(x *exchange, c *call, a *answer, body []byte) {
	ctx := context.WithValue(x.r.Context(), callKey{}, c)
	path, err := url.PathUnescape(x.route.path)
	if err != nil {
		path = x.route.path
	}
	if x.route.kind != nil {
		path = x.route.kind.endpoint
		if x.route.id != "" {
			path += "/" + url.PathEscape(x.route.id) // elimity unescapes the decoded path
		}
	}
	r := (&http.Request{
		Method: x.r.Method, URL: &url.URL{Path: path, RawQuery: x.r.URL.RawQuery}, Header: x.r.Header,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Host: x.r.Host,
	}).WithContext(ctx)
	s.elimity.ServeHTTP(a, r)
	if c.err != nil { // elimity knows few statuses and turns the others into 500
		a.status = 0
		a.body.Reset()
		a.fail(c.err)
	}
	if x.route.kind == nil || a.status/100 != 2 {
		return
	}
	// meta.location is a relative path in elimity's answers; RFC 7643 section 3.1 wants the URI. No
	// string value can hold these bytes, as its quotes would be escaped.
	const key = `"location":"`
	relative := []byte(key + x.route.kind.endpoint[1:] + "/")
	if before, after, ok := bytes.Cut(a.body.Bytes(), relative); ok {
		var fixed bytes.Buffer
		fixed.Grow(a.body.Len() + len(c.base) + 1)
		fixed.Write(before)
		fixed.WriteString(key + c.base + x.route.kind.endpoint + "/")
		fixed.Write(after)
		a.body = fixed
	}
}
