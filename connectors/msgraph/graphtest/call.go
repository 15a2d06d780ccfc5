package graphtest

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A call is one request on its way through the sandbox. The parts of a batch are calls too.
type call struct {
	s       *Server
	method  string
	root    string // scheme, host and version: what links begin with
	version string
	path    string // after the version, decoded
	rawPath string // the same as it came
	segs    []string
	query   options
	header  http.Header
	body    []byte
	self    string // the request's own URL
	inBatch bool

	route *route
	args  []string
	grant grant
	pos   position // of the token that came with it, if it did

	reply   http.Header // set on the answer
	id      uint64      // decides what looks like chance
	cost    int
	replica string
	items   int
	feed    string
	client  string
}

// An answer is what goes back. A page is rendered late, so that faults can work on it.
type answer struct {
	status int
	header http.Header
	body   []byte
	page   *page
}

// A problem is an error of the service.
type problem struct {
	status        int
	code, message string
}

const maxBody = 4 << 20

// ServeHTTP answers Graph requests under /v1.0 and /beta, the token endpoint under
// /{tenant}/oauth2/v2.0/token, and the control API under /_emu.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/_emu/") {
		s.control(w, r, body)
		return
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	host := scheme + "://" + r.Host
	c := &call{s: s, method: r.Method, header: r.Header, body: body, self: host + r.URL.RequestURI(), reply: http.Header{}}
	rest := r.URL.EscapedPath()
	for _, v := range []string{"v1.0", "beta"} {
		if len(rest) > len(v)+1 && strings.EqualFold(rest[1:len(v)+1], v) && rest[len(v)+1] == '/' {
			c.version, rest = v, rest[len(v)+1:]
			break
		}
	}
	c.root = host + "/" + c.version
	if c.version == "" {
		c.root = host
	}

	s.mu.Lock()
	s.tick()
	c.parse(rest, r.URL.RawQuery)
	d := c.handle()
	s.enter(c.feed)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.leave(c.feed)
		s.mu.Unlock()
	}()
	d.send(w, r)
}

// readBody reads the body, which client libraries like to compress.
func readBody(r *http.Request) ([]byte, error) {
	in := io.Reader(r.Body)
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		in = z
	}
	return io.ReadAll(io.LimitReader(in, maxBody+1))
}

// parse reads path and options; a request without a route has none afterwards.
func (c *call) parse(path, rawQuery string) {
	c.id = c.s.dice.next()
	c.query = parseOptions(rawQuery)
	c.segs = splitPath(path)
	c.rawPath = path
	c.path = "/" + strings.Join(c.segs, "/")
	c.route, c.args = findRoute(c.method, c.version, c.segs)
	if c.route != nil {
		c.feed = c.route.feed
	}
	for _, o := range []string{"$skiptoken", "$deltatoken"} {
		if p, ok := c.s.redeem(c.query.get(o)); ok {
			c.pos = p
		}
	}
}

// handle decides the answer: fault plan, access, quota, then the route.
func (c *call) handle() delivery {
	s := c.s
	c.cost = c.price()
	rule := s.matchFault(c)
	d := delivery{}
	var a answer
	if rule != nil && rule.replaces() {
		a = rule.answer(c)
	} else {
		a = c.serve()
	}
	if rule != nil {
		d.fault = rule
		if a.page != nil {
			rule.damage(c, a.page)
		}
	}
	d.status, d.header, d.body = a.status, a.header, a.body
	if d.header == nil {
		d.header = http.Header{}
	}
	if a.page != nil {
		c.items = len(a.page.ends)
		d.body, d.cut = a.page.render()
	}
	c.headers(d.header, len(d.body) > 0)
	if rule != nil {
		rule.disturb(c, &d)
	}
	s.record(c, d)
	return d
}

// serve answers without regard to faults.
func (c *call) serve() answer {
	if c.route == nil {
		return c.unrouted()
	}
	if c.route.need == open {
		return c.route.do(c)
	}
	if a, ok := c.admit(); !ok {
		return a
	}
	if a, ok := c.charge(); !ok {
		return a
	}
	if c.query.err != nil {
		return c.fail(400, "BadRequest", "The query string is malformed.")
	}
	if c.grant&c.route.need != c.route.need {
		return c.fail(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
	}
	if len(c.body) > maxBody {
		return c.fail(413, "RequestEntityTooLarge", "The request body is too large.")
	}
	if len(c.route.options) > 0 || c.method == http.MethodGet {
		if bad := c.query.beyond(c.route.options); bad != "" {
			return c.fail(400, "Request_UnsupportedQuery", fmt.Sprintf("The query option '%s' is not supported here.", bad))
		}
	}
	return c.route.do(c)
}

func (c *call) unrouted() answer {
	if c.version == "" {
		return c.fail(400, "BadRequest", "Invalid version.")
	}
	if a, ok := c.admit(); !ok {
		return a
	}
	if methods := methodsFor(c.version, c.segs); len(methods) > 0 {
		a := c.fail(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
		a.header.Set("Allow", strings.Join(methods, ", "))
		return a
	}
	if len(c.segs) >= 2 && strings.EqualFold(c.segs[0], "directory") && strings.EqualFold(c.segs[1], "deletedItems") {
		return c.fail(400, "Request_BadRequest", "The directory object type must be given as a cast.")
	}
	return c.fail(400, "BadRequest", "Resource not found for the segment '"+lastSegment(c.segs)+"'.")
}

func lastSegment(segs []string) string {
	if len(segs) == 0 {
		return ""
	}
	return segs[len(segs)-1]
}

// headers are on every answer of the Graph.
func (c *call) headers(h http.Header, body bool) {
	for k, v := range c.reply {
		h[k] = v
	}
	set := func(k, v string) {
		if h.Get(k) == "" {
			h.Set(k, v)
		}
	}
	set("request-id", uuid(mix(c.id, 1)))
	if id := c.header.Get("client-request-id"); id != "" {
		set("client-request-id", id)
	} else {
		set("client-request-id", uuid(mix(c.id, 2)))
	}
	set("Date", c.s.dir.now.UTC().Format(http.TimeFormat))
	if c.version != "" {
		set("x-ms-resource-unit", strconv.Itoa(c.cost))
		set("Cache-Control", "no-cache")
		set("OData-Version", "4.0")
	}
	if body {
		set("Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
	}
}

// fail is an error in the service's form.
func (c *call) fail(status int, code, message string) answer {
	return c.failWith(status, code, message, nil)
}

func (c *call) problem(p *problem) answer { return c.fail(p.status, p.code, p.message) }

func (c *call) failWith(status int, code, message string, inner map[string]any) answer {
	in := map[string]any{
		"date":              c.s.dir.now.UTC().Format("2006-01-02T15:04:05"),
		"request-id":        uuid(mix(c.id, 1)),
		"client-request-id": uuid(mix(c.id, 2)),
	}
	if id := c.header.Get("client-request-id"); id != "" {
		in["client-request-id"] = id
	}
	for k, v := range inner {
		in[k] = v
	}
	return c.json(status, map[string]any{"error": map[string]any{"code": code, "message": message, "innerError": in}})
}

// missing is the answer for an object that is not there.
func (c *call) missing(id string) answer {
	return c.fail(404, "Request_ResourceNotFound",
		fmt.Sprintf("Resource '%s' does not exist or one of its queried reference-property objects are not present.", id))
}

func (c *call) json(status int, v any) answer {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("graphtest: encode an answer: %v", err)) // answers are made of plain values
	}
	return answer{status: status, header: http.Header{}, body: b}
}

func (c *call) paged(p *page) answer {
	return answer{status: http.StatusOK, header: http.Header{}, page: p}
}

func (c *call) none() answer { return answer{status: http.StatusNoContent, header: http.Header{}} }

// entity answers a single object.
func (c *call) entity(status int, o *object, sel selection, at uint64) answer {
	b := append([]byte(`{"@odata.context":`), quote(contextOf(c.root, o.kind.path(), sel, true))...)
	b = append(b, ',')
	b = append(b, c.s.appendObject(nil, o, sel, at, false)[1:]...)
	return answer{status: status, header: http.Header{}, body: b}
}

// decode reads a JSON body into v.
func (c *call) decode(v any) *problem {
	if err := json.Unmarshal(c.body, v); err != nil {
		return &problem{400, "BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."}
	}
	return nil
}

// visibleRevision is the newest revision that this request may see: on the slow replica things
// arrive late.
func (s *Server) visibleRevision(lag Duration, c *call) uint64 {
	if s.settings.SlowShare <= 0 || lag <= 0 || chance(mix(c.id, 3)) >= s.settings.SlowShare {
		return s.dir.rev
	}
	c.replica = "slow"
	return max(1, s.dir.revisionAt(s.dir.now.Add(-time.Duration(lag))))
}

// options are the query options, by lower-case name.
type options struct {
	values map[string]string
	order  []string // as they came
	err    error
}

func parseOptions(raw string) options {
	o := options{values: map[string]string{}}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(k)
		if err != nil {
			o.err = err
			continue
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			o.err = err
			continue
		}
		name = strings.ToLower(name)
		if _, twice := o.values[name]; twice {
			o.err = fmt.Errorf("option %s comes twice", name)
			continue
		}
		o.values[name] = value
		o.order = append(o.order, name)
	}
	return o
}

func (o *options) has(name string) bool   { _, ok := o.values[name]; return ok }
func (o *options) get(name string) string { return o.values[name] }

// list splits a comma-separated option.
func (o *options) list(name string) []string {
	var out []string
	for v := range strings.SplitSeq(o.values[name], ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

// beyond names the first option that is not in the known ones.
func (o *options) beyond(known string) string {
	for _, name := range o.order {
		if !strings.Contains(" "+known+" ", " "+name+" ") {
			return name
		}
	}
	return ""
}

// encode writes the options again, with a skip token.
func (o *options) encode(skip string) string {
	var b strings.Builder
	for _, name := range o.order {
		if name != "$skiptoken" {
			b.WriteString(name + "=" + url.QueryEscape(o.values[name]) + "&")
		}
	}
	return b.String() + "$skiptoken=" + skip
}
