package scim

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

// Client is a SCIM 2.0 application as a target. It may be used concurrently.
type Client struct {
	set     settings
	conn    *wire.Conn
	clock   wire.Clock
	auth    authorizer
	log     *zap.Logger
	red     *wire.Redactor
	locks   keyedLocks
	breaker breaker
	tally   tally
	lessons lessons
	filters filterMemory
	members memberMemory
	sight   memberSight
	loops   loopGuard
	scans   scans
	buckets struct{ write, createUser, groupPatch *rate.Limiter }

	disables atomic.Int64 // disables whose answer did not show active, for verify.disable
}

var (
	_ engine.Target       = (*Client)(nil)
	_ engine.Lister       = (*Client)(nil)
	_ engine.MemberLister = (*Client)(nil)
)

// New checks cfg and returns a client. All problems are reported at once, each with its key. It
// sends nothing: a target that is down must fail a cycle, not the start of the process.
//
// hc gives the transport; nil makes one of our own. The logger gets debug lines without values and
// warnings about habits of the server.
func New(cfg Config, hc *http.Client, lg *zap.Logger) (*Client, error) {
	return newClient(cfg, hc, lg, wire.SystemClock{}, nil)
}

func newClient(cfg Config, hc *http.Client, lg *zap.Logger, clock wire.Clock, random func() float64) (*Client, error) {
	set, err := resolve(cfg)
	hc, terr := httpClient(&set, hc)
	if err := errors.Join(err, terr); err != nil {
		return nil, err
	}
	if lg == nil {
		lg = zap.NewNop()
	}
	c := &Client{set: set, clock: clock, log: lg, red: new(wire.Redactor)}
	c.conn = wire.New(wire.Options{
		Client: hc, Log: lg, Concurrency: set.Concurrency, Rate: set.Rate, MaxBody: set.Limits.BodyBytes,
		Timeout: set.Timeout.Total, Clock: clock, Rand: random, OnWait: cfg.OnWait,
		RequestIDs: []string{"X-Request-Id", "Trackingid", "X-Amzn-Requestid", "Cf-Ray"},
	})
	c.auth = newAuthorizer(&set, c.conn, c.red)
	c.breaker.clock, c.tally.clock = clock, clock
	c.lessons.start(set.start)
	c.members.perAdd, c.members.perRemove = set.Members.PerPatch, set.Members.PerPatch
	c.buckets.write = bucket(set.Rates.Write)
	c.buckets.createUser = bucket(set.Rates.CreateUser)
	c.buckets.groupPatch = bucket(set.Rates.GroupPatch)
	for _, n := range set.base.notes {
		lg.Warn("tenant URL: " + n)
	}
	return c, nil
}

func bucket(r Rate) *rate.Limiter {
	if r.PerSecond <= 0 {
		return nil
	}
	burst := r.Burst
	if burst == 0 {
		burst = max(1, int(r.PerSecond))
	}
	return rate.NewLimiter(rate.Limit(r.PerSecond), burst)
}

// TakeRequests implements [engine.Meter]. Requests to a token endpoint are not counted.
func (c *Client) TakeRequests() engine.Requests { return c.conn.TakeRequests() }

// Expires is when the credential ends, for reminders; zero if nobody said.
func (c *Client) Expires() time.Time { return c.set.expires }

// endpoint is the collection of a kind, as path and for log lines.
func endpoint(k engine.Kind) string {
	if k == engine.Group {
		return "/Groups"
	}
	return "/Users"
}

// itemPath is the path of one resource and its template for the log.
func itemPath(k engine.Kind, id string) (path, template string) {
	return endpoint(k) + "/" + segment(id), endpoint(k) + "/{id}"
}
