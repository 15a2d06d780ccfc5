package msgraph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	khttp "github.com/microsoft/kiota-http-go"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

// A call is one question to Graph, however often it has to be sent.
type call struct {
	place      place
	template   string // of the path: for logs and messages
	permission string // what is missing when the answer is 403
	asks       string // the select list, for messages about a rejected question
	url        *url.URL
	body       []byte // of a POST; nil: GET
	relation   bool   // of an object by id: the answer is about another object
	before     int    // attempts that were made already
	manner
}

// A manner is how a question is asked. The zero manner is that of an incremental round.
type manner struct {
	patience time.Duration // how long it may be held up; 0: that of the source
	priority string        // among the questions of the tenant: lowPriority, highPriority or "" (GS-HT-5)
}

const (
	lowPriority  = "low"  // enumerations give way to others
	highPriority = "high" // for a person who waits
)

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	url    *url.URL // that was asked last, after redirects
	token  string   // that it was asked with
}

// maxDamaged is how often the same link is asked for again after a damaged answer.
const maxDamaged = 3

// fetch asks until there is an answer that read accepts, the answer is final, or patience runs out.
// read returns a [*damaged] error for a body that cannot be right.
func (s *Source) fetch(ctx context.Context, c call, read func(*answer) error) error {
	w := s.waiter(c)
	redirects := 0
	for {
		ans, err := s.send(ctx, &c, w.attempt)
		if ans != nil {
			s.reached.Store(true)
		}
		var v verdict
		switch {
		case err != nil:
			v = c.broken(err)
		case ans.status >= 300 && ans.status < 400:
			if c.url, err = redirected(&c, ans); err != nil {
				return err
			}
			if redirects++; redirects > 3 {
				return c.fail(engine.CodeSourcePage, ans.status, nil, "Graph redirects in circles; check the endpoint")
			}
			continue
		default:
			v = c.judge(ans.status, ans.header, ans.body, s.conn.Now())
		}
		if v.ok {
			v = c.check(read(ans))
		}
		if v.ok || v.missing || v.err != nil && !v.again && !v.renew {
			if v.missing {
				return errMissing
			}
			return v.err
		}
		if err := w.wait(ctx, v, ans); err != nil {
			return err
		}
	}
}

// errMissing says that the object of an atObject call does not exist.
var errMissing = errors.New("no such object")

// broken is the verdict on a request without an answer.
func (c *call) broken(err error) verdict {
	var te *wire.TransportError
	var se *engine.SourceError
	switch {
	case errors.As(err, &se):
		return verdict{err: se, again: se.Transient}
	case errors.Is(err, wire.ErrBodyTooLarge):
		return verdict{err: c.fail(engine.CodeSourcePage, 0, nil, "the answer is larger than allowed; this is no page of Microsoft Graph")}
	case errors.As(err, &te) && certificateProblem(te.Err):
		return verdict{err: &engine.SourceError{Code: engine.CodeSourceUnavailable,
			Message: "the endpoint shows a certificate that this machine does not trust; check the proxy and the trusted roots"}}
	case errors.As(err, &te):
		return verdict{again: true, err: &engine.SourceError{Code: engine.CodeSourceUnavailable, Transient: true, Status: te.Status,
			Message: fmt.Sprintf("read %s: %v; check network and proxy, the next cycle goes on from here", c.template, te), Err: te}}
	default:
		return verdict{err: err}
	}
}

// check is the verdict on what a reader said.
func (c *call) check(err error) verdict {
	var d *damaged
	if errors.As(err, &d) {
		return verdict{again: true, class: "damaged", most: maxDamaged, err: &engine.SourceError{Code: engine.CodeSourcePage, Transient: true,
			Message: fmt.Sprintf("read %s: %s, %d times in a row; the page was not used, the next cycle asks again", c.template, d.why, maxDamaged+1)}}
	}
	return verdict{ok: err == nil, err: err}
}

// maxUnreached is how often a directory is asked again that nobody has reached yet, about half a
// minute: a wrong address or a missing network is told at once and does not get better by waiting. One that
// was there before is waited for with all the patience there is.
const maxUnreached = 5

// A waiter counts the attempts of one call and waits between them.
type waiter struct {
	s       *Source
	backoff *wire.Backoff
	attempt int
	renewed bool
	counts  map[string]int
}

func (s *Source) waiter(c call) *waiter {
	patience := c.patience
	if patience == 0 {
		patience = s.cfg.Patience
	}
	return &waiter{s: s, attempt: c.before + 1, counts: map[string]int{},
		backoff: s.conn.Backoff(wire.Policy{Base: 2 * time.Second, Max: 300 * time.Second, Budget: patience})} // GS-TH-4
}

// wait returns nil when the call may be sent again, else what it ends with. ans is nil if there was none.
func (w *waiter) wait(ctx context.Context, v verdict, ans *answer) error {
	w.attempt++
	if v.renew {
		return w.renew(ctx, v, ans)
	}
	status := 0
	if ans != nil {
		status = ans.status
	} else if !w.s.reached.Load() {
		v.class, v.most = "unreached", maxUnreached
	}
	asked := v.asked
	if v.most > 0 {
		n := w.counts[v.class]
		if w.counts[v.class]++; n >= v.most {
			return v.err
		}
		if v.class == "404" {
			asked = lingering(n)
		}
	}
	d, ok := w.backoff.Next(asked)
	d = max(d, v.least)
	if !ok {
		var se *engine.SourceError
		if asked > 0 && errors.As(v.err, &se) { // nobody waits for hours for who did not ask for it
			late := *se
			late.RetryAt = w.s.conn.Now().Add(d)
			return &late
		}
		return v.err
	}
	if v.hold {
		w.s.conn.Pause(w.s.conn.Now().Add(d), status)
		return nil // the next attempt waits with everybody else
	}
	return w.s.conn.Sleep(ctx, d, status)
}

// renew gets another token, once (GS-AU-3).
func (w *waiter) renew(ctx context.Context, v verdict, ans *answer) error {
	if w.renewed {
		return v.err
	}
	w.renewed = true
	done, err := w.s.auth.renew(ctx, ans.token, challenge(ans.header))
	if err != nil {
		return err
	}
	if !done {
		return v.err
	}
	return nil
}

func redirected(c *call, ans *answer) (*url.URL, error) {
	to, err := ans.url.Parse(ans.header.Get("Location"))
	if err != nil || ans.header.Get("Location") == "" || c.body != nil {
		return nil, c.fail(engine.CodeSourcePage, ans.status, nil, "Graph redirects without saying where to; check the endpoint")
	}
	if !wire.SameOrigin(to, ans.url) {
		return nil, foreign()
	}
	return to, nil
}

// send sends a call once, through the SDK's request adapter.
func (s *Source) send(ctx context.Context, c *call, attempt int) (*answer, error) {
	ri := abstractions.NewRequestInformation()
	ri.UrlTemplate = "{+baseurl}/" + c.template // names spans; the URL itself is given whole
	ri.SetUri(*c.url)
	ri.Headers.Add("Accept", "application/json")
	ri.Headers.Add("client-request-id", uuid.NewString())
	ri.Headers.Add("User-Agent", s.cfg.UserAgent)
	if c.priority != "" {
		ri.Headers.Add("x-ms-throttle-priority", c.priority)
	}
	if c.body != nil {
		ri.Method = abstractions.POST
		ri.Content = c.body
		ri.Headers.Add("Content-Type", "application/json")
		ri.Headers.Add("Content-Length", strconv.Itoa(len(c.body))) // else the body goes out chunked
	}
	var rec record
	ctx = context.WithValue(ctx, recordKey{}, &rec)
	ctx = wire.WithCall(ctx, wire.Call{Template: c.template, Attempt: attempt, Read: true})
	body, err := s.adapt(ctx, ri, &rec)
	switch {
	case rec.ans != nil && rec.ans.status >= 200 && rec.ans.status < 300 && err == nil:
		rec.ans.body = body
		return rec.ans, nil
	case rec.ans != nil:
		return rec.ans, nil // the status decides, whatever the adapter made of it
	case rec.err != nil:
		return nil, rec.err
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	var ue *url.Error // its text has the whole link in it
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return nil, err
}

// adapt calls the adapter. It panics on some answers (a malformed challenge, an error body of a
// surprising shape); an answer that was recorded is still good then.
func (s *Source) adapt(ctx context.Context, ri *abstractions.RequestInformation, rec *record) (body []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			if rec.ans == nil {
				panic(p)
			}
			s.log.Warn("the request library failed on an answer", zap.Int("status", rec.ans.status))
			err = errors.New("the request library failed on the answer")
		}
	}()
	v, err := s.adapter.SendPrimitive(ctx, ri, "[]byte", errorMappings())
	body, _ = v.([]byte)
	return body, err
}

// A record keeps the answer to a request beside the adapter, which loses headers and bodies of
// failed ones.
type record struct {
	ans *answer
	err error
}

type recordKey struct{}

// recorder is the only middleware: it records answers, and hides from the adapter what it handles
// badly.
type recorder struct{}

// maxErrorBody is how much of an error body is looked at.
const maxErrorBody = 64 << 10

func (recorder) Intercept(next khttp.Pipeline, index int, req *http.Request) (*http.Response, error) {
	rec, _ := req.Context().Value(recordKey{}).(*record)
	res, err := next.Next(req, index)
	if rec == nil {
		return res, err
	}
	if err != nil {
		rec.err = err
		return nil, err
	}
	body, err := io.ReadAll(res.Body) // from memory: the layer below has read it
	if err = errors.Join(err, res.Body.Close()); err != nil {
		rec.err = err
		return nil, err
	}
	rec.ans = &answer{status: res.StatusCode, header: res.Header.Clone(), body: body, url: req.URL,
		token: strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")}
	res.Header.Del("WWW-Authenticate") // the adapter would answer a challenge by itself
	if res.StatusCode >= 400 && (len(body) > maxErrorBody || wire.CheckDepth(body, 32) != nil || !json.Valid(body)) {
		body = nil
		res.Header.Del("Content-Type")
		res.Header.Del("Content-Length")
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return res, nil
}

// isJSON reports whether an answer says that it is JSON. One that says nothing, or text, may be: that it is
// complete is found when it is read.
func isJSON(h http.Header, body []byte) bool {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if h.Get("Content-Type") == "" || t == "text/plain" {
		return bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
	}
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}
