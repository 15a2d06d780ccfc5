package scim

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/time/rate"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

// request is one request in terms of the protocol.
type request struct {
	op       operation
	kind     engine.Kind
	method   string
	path     string // escaped, below the base: /Users/a%2Fb
	template string // the same with names for ids, for the log
	query    string // raw
	body     []byte
	ifMatch  string
	// once: the answer decides, whatever it is; nothing is repeated but for a new token.
	once bool
	open bool // without credentials
}

// reply is an answer in the success range.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send carries a request out: with credentials, within the limits, repeated where section 18 says
// that repeating does no harm. The error is a [*failure] for an answer that is no success, an
// [*unclear] for a write of which nobody knows whether it was applied, a [*engine.TargetError] for
// a connection that is broken or suspended, or the error of ctx.
func (c *Client) send(ctx context.Context, rq request) (*reply, error) {
	p := c.patience()
	var renewed, redirected bool
	var form media
	var to *url.URL
	for {
		if err := c.admit(ctx, &rq); err != nil {
			return nil, err
		}
		name, credential, err := c.auth.header(ctx)
		if err != nil {
			c.breaker.result(false, true)
			return nil, err
		}
		if rq.open {
			name = ""
		}
		used := max(form, c.lessons.media())
		req := c.httpRequest(ctx, &rq, to, name, credential, used)
		ans, err := c.conn.Do(req, wire.Call{Template: rq.template, Attempt: p.attempt(), Read: rq.op.reads()})
		if asTooLarge(err) && !rq.op.reads() && ans.Status/100 == 2 {
			c.breaker.result(true, false)
			c.tally.succeeded(rq.op)
			return &reply{status: ans.Status, header: ans.Header}, nil
		}
		if err != nil {
			again, err := c.broken(ctx, &rq, p, err)
			if again && err == nil {
				continue
			}
			return answered(&rq, err)
		}
		c.breaker.result(ans.Status < 500, false)
		if ans.Status/100 == 2 {
			f := hiddenError(&rq, ans)
			if f == nil {
				c.tally.succeeded(rq.op)
				if form > mediaOfProfile {
					c.lessons.learnMedia(used)
				}
				return &reply{ans.Status, ans.Header, ans.Body}, nil
			}
			return nil, f
		}
		f := &failure{op: rq.op, status: ans.Status, header: ans.Header, said: parseError(ans.Body)}
		switch s := ans.Status; {
		case s == 401 && !renewed && !rq.open && c.auth.renew(ctx, credential):
			renewed = true
			continue
		case (s == 307 || s == 308) && !redirected:
			if to = c.sameOrigin(req.URL, ans.Header.Get("Location")); to != nil {
				redirected = true
				continue
			}
			return nil, c.redirected(f)
		case s >= 300 && s < 400 && s != 304:
			return nil, c.redirected(f)
		case (s == 415 && rq.body != nil || s == 406) && used < mediaJSON: // repair R8, in every profile: without it nothing works
			form = mediaJSON
			if s == 415 && used < mediaBare && c.set.bareTyp != c.set.contentTyp {
				form = mediaBare
			}
			continue
		}
		again, err := c.repeat(ctx, &rq, p, f)
		if err != nil {
			return nil, err
		}
		if !again {
			return nil, f
		}
	}
}

// admit waits for the breaker and the narrower buckets.
func (c *Client) admit(ctx context.Context, rq *request) error {
	for _, b := range [...]struct {
		limit *rate.Limiter
		holds bool
	}{
		{c.buckets.write, !rq.op.reads()},
		{c.buckets.createUser, rq.op == opCreate && rq.kind == engine.User},
		{c.buckets.groupPatch, rq.method == http.MethodPatch && rq.kind == engine.Group},
	} {
		if b.limit == nil || !b.holds {
			continue
		}
		now := c.clock.Now()
		if d := b.limit.ReserveN(now, 1).DelayFrom(now); d > 0 {
			if err := c.clock.Sleep(ctx, d); err != nil {
				return err
			}
		}
	}
	for {
		probe, err := c.breaker.pass(ctx)
		if err != nil || !probe {
			return err
		}
		c.probe(ctx)
	}
}

// probe asks a server that failed ten times in a row for a user that cannot exist: the failures may
// have been about the objects.
func (c *Client) probe(ctx context.Context) {
	name, credential, err := c.auth.header(ctx)
	if err != nil {
		c.breaker.result(false, true)
		return
	}
	sh := c.lessons.current()
	nobody := filterText(engine.Path{Attribute: "userName"}, uuid(), formDotted, &sh)
	rq := request{op: opFind, method: http.MethodGet, path: "/Users", template: "/Users", query: c.findQuery(engine.User, nobody)}
	ans, err := c.conn.Do(c.httpRequest(ctx, &rq, nil, name, credential, sh.media), wire.Call{Template: rq.template, Read: true})
	c.breaker.result(err == nil && ans.Status < 500, ctx.Err() != nil)
}

// Values of headers that are the same on every request are shared.
var (
	acceptSCIM = []string{"application/scim+json, application/json;q=0.8"}
	acceptJSON = []string{"application/json"}
)

func (c *Client) httpRequest(ctx context.Context, rq *request, to *url.URL, name, credential string, form media) *http.Request {
	values := [4]string{c.set.userAgent, requestID(), credential, c.set.contentTyp}
	h := make(http.Header, 6)
	h["Accept"] = acceptSCIM
	h["User-Agent"] = values[0:1:1]
	h["X-Request-Id"] = values[1:2:2]
	if name != "" {
		h[name] = values[2:3:3]
	}
	if rq.body != nil {
		h["Content-Type"] = values[3:4:4]
	}
	if form == mediaBare && rq.body != nil {
		h["Content-Type"] = []string{c.set.bareTyp}
	}
	if form == mediaJSON {
		h["Accept"] = acceptJSON
		if rq.body != nil {
			h["Content-Type"] = acceptJSON
		}
	}
	if rq.ifMatch != "" {
		h["If-Match"] = []string{rq.ifMatch}
	}
	if to == nil {
		to = c.set.base.url(rq.path, rq.query)
	}
	req := &http.Request{Method: rq.method, URL: to, Host: to.Host, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if rq.body != nil {
		body := rq.body
		req.ContentLength = int64(len(body))
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	return req.WithContext(ctx)
}

// requestID is a fresh correlation id for every attempt (6.1). It needs to be unlikely, not secret.
func requestID() string {
	var b [16]byte
	x, y := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		b[i], b[8+i] = byte(x>>(8*i)), byte(y>>(8*i))
	}
	return hex.EncodeToString(b[:])
}

// sameOrigin returns the target of a redirect if it may be followed: same scheme, host and port.
func (c *Client) sameOrigin(from *url.URL, location string) *url.URL {
	if location == "" {
		return nil
	}
	to, err := from.Parse(location)
	if err != nil || !wire.SameOrigin(from, to) {
		return nil
	}
	to.Fragment = ""
	return to
}

// redirected explains a redirect that is not followed: credentials go to no other origin (27.2).
func (c *Client) redirected(f *failure) error {
	where := "an unreadable address"
	if u, err := url.Parse(f.header.Get("Location")); err == nil {
		where = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	te := c.fail(engine.OutcomeEscrow, engine.CodeBadResponse,
		"the server redirects to %s, which is not followed; set baseUrl to the final address", where)
	te.Status = f.status
	if c.tally.first() || c.tally.failed(f.op, te.Code) {
		te.Outcome = engine.OutcomeQuarantine
	}
	return te
}

// hiddenError finds an error that travels with a success status (19).
func hiddenError(rq *request, ans *wire.Answer) *failure {
	if ans.Status == http.StatusMultiStatus {
		return &failure{op: rq.op, status: ans.Status, header: ans.Header}
	}
	if len(ans.Body) > 8<<10 || !bytes.Contains(ans.Body, []byte(errorURN)) {
		return nil
	}
	said := parseError(ans.Body)
	if !said.scim || said.status < 400 || said.status > 599 {
		return nil
	}
	return &failure{op: rq.op, status: said.status, header: ans.Header, said: said}
}

// answered makes a success of a delete whose answer was cut short or too large.
func answered(rq *request, err error) (*reply, error) {
	te, ok := errors.AsType[*wire.TransportError](err)
	if ok && rq.op == opDelete && te.Status/100 == 2 {
		return &reply{status: te.Status}, nil
	}
	return nil, err
}

// broken decides about a request without an answer (18.4): true sends it again.
func (c *Client) broken(ctx context.Context, rq *request, p *patience, err error) (bool, error) {
	if ctx.Err() != nil {
		c.breaker.result(false, true)
		return false, err
	}
	var te *wire.TransportError
	if !errors.As(err, &te) { // the body was too large
		c.breaker.result(true, false)
		return false, c.transportError(rq.op, err)
	}
	c.breaker.result(false, false)
	lost := te.Sent || te.Status != 0
	switch {
	case insecure(err) || errors.Is(err, errRefusedAddress):
		return false, c.transportError(rq.op, err)
	case rq.op == opDelete && te.Status/100 == 2:
		return false, err
	case lost && rq.op == opCreate:
		return false, &unclear{status: te.Status, err: err}
	case rq.once:
		return false, c.transportError(rq.op, err)
	}
	d, again := p.next(0, 0)
	if again {
		return true, c.conn.Sleep(ctx, d, 0)
	}
	if lost && !rq.op.reads() && rq.op != opDelete {
		return false, &unclear{status: te.Status, err: err}
	}
	return false, c.transportError(rq.op, err)
}

// repeat decides about an answer that is no success: true sends the request again, after the wait
// that the server asked for or a backoff.
func (c *Client) repeat(ctx context.Context, rq *request, p *patience, f *failure) (bool, error) {
	s := f.status
	asked, polite := time.Duration(0), false
	if s == 429 || s == 503 || s == 423 {
		asked, polite = wire.AskedFor(f.header, c.conn.Now())
	}
	switch {
	case rq.once:
		if polite && asked <= c.set.Retry.MaxWait {
			c.conn.Pause(c.conn.Now().Add(asked), s)
		}
		return false, nil
	case s == 429 || polite:
		d, again := p.next(s, asked)
		at := c.conn.Now().Add(d)
		if !again {
			if s == 423 {
				return false, nil
			}
			return false, c.suspended(f, at)
		}
		if polite {
			c.conn.Pause(at, s) // all callers of the connection wait, this one too
			return true, nil
		}
		return true, c.conn.Sleep(ctx, d, s)
	case !transient(s):
		return false, nil
	case rq.op == opCreate:
		if s == 500 && f.conflicts() {
			return false, nil
		}
		return false, &unclear{status: s, err: f}
	case rq.op == opMembers && s == 500:
		return false, nil // one unknown member is often answered so: the batch is halved
	}
	d, again := p.next(s, 0)
	if !again {
		if s == 503 {
			return false, c.suspended(f, c.conn.Now().Add(max(d, c.set.Retry.Max)))
		}
		return false, nil
	}
	return true, c.conn.Sleep(ctx, d, s)
}

// transient reports whether the same request may succeed later.
func transient(status int) bool {
	switch status {
	case 408, 423, 425, 500, 502, 503, 504, 530:
		return true
	}
	return status >= 520 && status <= 524
}

// patience counts the attempts of one call (20.3). Waits that the server asked for are bounded by
// their length, not by their number: under a quota many callers are turned away many times, and
// each of them gets its turn.
type patience struct {
	c        *Client
	b        *wire.Backoff
	start    time.Time
	asked    time.Duration
	failures int
}

func (c *Client) patience() *patience { return &patience{c: c} }

func (p *patience) attempt() int {
	if p.b == nil {
		return 1
	}
	return p.b.Attempt()
}

// next returns how long to wait and whether to send again at all.
func (p *patience) next(status int, asked time.Duration) (time.Duration, bool) {
	set := &p.c.set
	if p.b == nil {
		p.b = p.c.conn.Backoff(wire.Policy{Base: set.Retry.Base, Max: set.Retry.Max})
		p.start = p.c.conn.Now()
	}
	d, _ := p.b.Next(asked)
	if asked > 0 {
		p.asked += asked
		return d, asked <= set.Retry.MaxWait && p.asked <= 4*set.Retry.MaxWait
	}
	if status != http.StatusTooManyRequests {
		p.failures++
	}
	spent := p.c.conn.Now().Sub(p.start) - p.asked
	return d, p.failures < set.Retry.Attempts && spent+d <= set.Retry.Budget
}

// html explains an answer that should have been JSON.
func notJSON(body []byte, err error) string {
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '<' {
		return textError(trimmed).detail
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return "the answer has no body"
	}
	return fmt.Sprintf("the answer cannot be read: %v", err)
}
