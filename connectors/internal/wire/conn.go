package wire

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// Options describe a connection. The zero value is a working one.
type Options struct {
	// Client gives the transport and, when set, the timeout of requests; its cookie jar and redirect
	// policy are not used. nil: a transport of our own with connections enough for the concurrency.
	Client *http.Client
	// Log gets one debug line per request; nil: nothing.
	Log *zap.Logger
	// Concurrency is how many requests may be in flight; 0: adaptive.
	Concurrency int
	// Start and MaxConcurrency bound the adaptive concurrency; 0: 6 and 32.
	Start, MaxConcurrency int
	// Rate is a limit in requests per second; 0: none.
	Rate float64
	// MaxBody is how many bytes an answer may have after decompression; 0: 16 MiB.
	MaxBody int64
	// Timeout bounds one request from sending to the last byte of the answer, not the wait for its
	// turn; 0: that of Client, else 60 s.
	Timeout time.Duration
	// RequestIDs are the names of response headers that identify a request at the other side.
	RequestIDs []string
	// OnWait is told of every wait the other side asked for or that a backoff imposes, with the
	// status that caused it (0: no answer). It may be called concurrently.
	OnWait func(d time.Duration, status int)
	// Clock is replaced by tests.
	Clock Clock
	// Rand gives uniform numbers in [0, 1) for jitter; nil: math/rand.
	Rand func() float64
}

// A Conn is one connection: all requests of one connector to one host. It may be used concurrently.
type Conn struct {
	base    http.RoundTripper
	log     *zap.Logger
	timeout time.Duration
	maxBody int64
	ids     []string
	onWait  func(time.Duration, int)
	clock   Clock
	rand    func() float64
	limit   *limiter

	mu     sync.Mutex
	counts engine.Requests
}

// New returns a connection. It sends nothing.
func New(o Options) *Conn {
	most := o.Concurrency
	if most <= 0 {
		most = cmp.Or(max(o.MaxConcurrency, 0), 32)
	}
	c := &Conn{
		log:     o.Log,
		timeout: o.Timeout,
		maxBody: cmp.Or(o.MaxBody, 16<<20),
		ids:     o.RequestIDs,
		onWait:  o.OnWait,
		clock:   o.Clock,
		rand:    o.Rand,
	}
	if o.Client != nil {
		c.base = o.Client.Transport
		c.timeout = cmp.Or(c.timeout, o.Client.Timeout)
		if c.base == nil {
			c.base = http.DefaultTransport
		}
	} else {
		c.base = NewTransport(most)
	}
	c.timeout = cmp.Or(c.timeout, 60*time.Second)
	if c.log == nil {
		c.log = zap.NewNop()
	}
	if c.clock == nil {
		c.clock = SystemClock{}
	}
	if c.rand == nil {
		c.rand = randFloat
	}
	c.limit = newLimiter(c.clock, o.Concurrency, cmp.Or(o.Start, 6), most, o.Rate)
	return c
}

// NewTransport returns a transport that keeps as many idle connections to a host as requests can
// be in flight, so that none is dialled twice.
func NewTransport(concurrency int) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 45 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConns:          2 * concurrency,
		MaxIdleConnsPerHost:   concurrency,
		ForceAttemptHTTP2:     true,
	}
}

// Base is the transport below, for requests that belong to another host and are not counted: token
// endpoints.
func (c *Conn) Base() http.RoundTripper { return c.base }

// Now is the time of the connection's clock.
func (c *Conn) Now() time.Time { return c.clock.Now() }

// Call says about a request what its URL must not tell the log.
type Call struct {
	// Template is the path with names in place of ids: users/{id}.
	Template string
	// Attempt counts from 1; a higher one is counted as a repetition. 0 is 1.
	Attempt int
	// Read says that the request changes nothing although its method could.
	Read bool
}

type callKey struct{}

// WithCall attaches call to requests that go through [Conn.RoundTrip].
func WithCall(ctx context.Context, call Call) context.Context {
	return context.WithValue(ctx, callKey{}, call)
}

// Answer is what came back, whatever its status.
type Answer struct {
	Status   int
	Header   http.Header
	Body     []byte
	Duration time.Duration
}

// TransportError is a request without a complete answer.
type TransportError struct {
	// Sent is false if it is certain that no byte of the request was written: it may be sent again
	// whatever it asked for.
	Sent bool
	// Timeout: the answer did not come in time.
	Timeout bool
	// Status is that of an answer whose body could not be read; 0 if there was none.
	Status int
	Err    error
}

func (e *TransportError) Error() string {
	switch {
	case e.Timeout:
		return "no answer in time"
	case !e.Sent:
		return "cannot connect: " + cause(e.Err)
	default:
		return "the connection broke: " + cause(e.Err)
	}
}

func (e *TransportError) Unwrap() error { return e.Err }

// cause leaves out what net/http puts before an error: the URL, which may hold tenant data.
func cause(err error) string {
	if err == nil {
		return "unknown cause"
	}
	return err.Error()
}

// ErrBodyTooLarge says that an answer exceeded [Options.MaxBody].
var ErrBodyTooLarge = errors.New("the answer is larger than allowed")

// errTimeout is the cause of a request's own deadline, to tell it from that of the caller.
var errTimeout = errors.New("request timed out")

// Do sends req and reads the answer. It waits for its turn first. The error is that of ctx if the
// caller's context ended, [ErrBodyTooLarge] with an answer that lacks its body, or a [*TransportError].
func (c *Conn) Do(req *http.Request, call Call) (*Answer, error) {
	caller := req.Context()
	if err := c.limit.acquire(caller); err != nil {
		return nil, err
	}
	c.count(req, call)
	start := c.clock.Now()
	ans, err := c.exchange(req)
	took := c.clock.Now().Sub(start)
	status := 0
	if ans != nil {
		ans.Duration, status = took, ans.Status
	}
	c.limit.release(start, took, status)
	c.line(req, call, ans, took, err)
	if err != nil && caller.Err() != nil {
		return nil, context.Cause(caller)
	}
	return ans, err
}

// exchange is one request and its whole answer.
func (c *Conn) exchange(req *http.Request) (*Answer, error) {
	ctx, cancel := context.WithTimeoutCause(req.Context(), c.timeout, errTimeout)
	defer cancel()
	var sent bool
	var mu sync.Mutex // the transport may still be writing when it returns
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() {
		mu.Lock()
		sent = true
		mu.Unlock()
	}})
	broken := func(status int, err error) error {
		mu.Lock()
		defer mu.Unlock()
		var ne net.Error
		late := errors.Is(context.Cause(ctx), errTimeout) || errors.As(err, &ne) && ne.Timeout()
		return &TransportError{Sent: sent || status != 0, Timeout: late, Status: status, Err: err}
	}
	res, err := c.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, broken(0, err)
	}
	defer res.Body.Close()
	body, err := c.read(res)
	if errors.Is(err, ErrBodyTooLarge) {
		return &Answer{Status: res.StatusCode, Header: res.Header}, err
	}
	if err != nil {
		return nil, broken(res.StatusCode, err)
	}
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

func (c *Conn) read(res *http.Response) ([]byte, error) {
	if res.ContentLength > c.maxBody {
		return nil, ErrBodyTooLarge
	}
	if n := res.ContentLength; n >= 0 {
		body := make([]byte, n)
		_, err := io.ReadFull(res.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, c.maxBody+1))
	if err == nil && int64(len(body)) > c.maxBody {
		return nil, ErrBodyTooLarge
	}
	return body, err
}

// RoundTrip makes a Conn a transport for libraries that bring their own client. The body of the
// answer is already read. What [Conn.Do] needs to know comes from [WithCall].
func (c *Conn) RoundTrip(req *http.Request) (*http.Response, error) {
	call, _ := req.Context().Value(callKey{}).(Call)
	ans, err := c.Do(req, call)
	if err != nil {
		return nil, err
	}
	return ans.Response(req), nil
}

// Response is the answer in the form of net/http.
func (a *Answer) Response(req *http.Request) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(a.Status) + " " + http.StatusText(a.Status), StatusCode: a.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.Header, Body: newBody(a.Body), ContentLength: int64(len(a.Body)), Request: req,
	}
}

func (c *Conn) count(req *http.Request, call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Sent++
	if !call.Read && req.Method != http.MethodGet && req.Method != http.MethodHead && req.Method != http.MethodOptions {
		c.counts.Writes++
	}
	if call.Attempt > 1 {
		c.counts.Retries++
	}
}

// TakeRequests implements [engine.Meter].
func (c *Conn) TakeRequests() engine.Requests {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counts
	c.counts = engine.Requests{}
	return n
}

func (c *Conn) line(req *http.Request, call Call, ans *Answer, took time.Duration, err error) {
	entry := c.log.Check(zap.DebugLevel, "request")
	if entry == nil {
		return
	}
	fields := make([]zap.Field, 0, 8)
	fields = append(fields, zap.String("method", req.Method), zap.String("path", call.Template),
		zap.Duration("duration", took), zap.Int("attempt", max(call.Attempt, 1)))
	if id := req.Header.Get("client-request-id"); id != "" {
		fields = append(fields, zap.String("client_request_id", id))
	}
	if ans != nil {
		fields = append(fields, zap.Int("status", ans.Status), zap.Int("bytes", len(ans.Body)))
		for _, name := range c.ids {
			if id := ans.Header.Get(name); id != "" {
				fields = append(fields, zap.String("request_id", Clip(id, 64)))
				break
			}
		}
	}
	var te *TransportError
	switch {
	case errors.As(err, &te):
		fields = append(fields, zap.Bool("sent", te.Sent), zap.Bool("timeout", te.Timeout))
	case err != nil:
		fields = append(fields, zap.Bool("cancelled", req.Context().Err() != nil))
	}
	entry.Write(fields...)
}

// Pause holds every caller of the connection until a time, because the other side asked for it
// with the given status. A pause is only ever prolonged. Requests in flight are not touched.
func (c *Conn) Pause(until time.Time, status int) {
	if d := c.limit.pause(until); d > 0 {
		c.waited(d, status)
	}
}

// Sleep waits for d, or until ctx ends and then returns its cause. The status is what made us wait.
func (c *Conn) Sleep(ctx context.Context, d time.Duration, status int) error {
	if d > 0 {
		c.waited(d, status)
	}
	return c.clock.Sleep(ctx, d)
}

func (c *Conn) waited(d time.Duration, status int) {
	c.mu.Lock()
	c.counts.Waited += d
	c.mu.Unlock()
	if c.onWait != nil {
		c.onWait(d, status)
	}
}
