package graphtest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options decide everything a [Server] does, together with the requests it gets.
type Options struct {
	Seed  uint64
	Token string // the bearer token that is accepted; empty: any

	// Client credentials that the token endpoint accepts; empty: any.
	ClientID, ClientSecret string
	TenantID               string // empty: made from the seed

	Now    time.Time // where the virtual clock starts; zero: 2031-03-01T00:00:00Z
	Factor float64   // virtual seconds for one real second; 0: the clock moves by Advance only

	Settings *Settings // nil: [DefaultSettings]

	AppName  string    // display name of the application; empty: "Sandbox App"
	AppRoles []AppRole // its roles; nil: User, Manager and a disabled Legacy

	Population Population // zero: an empty directory but for the application
	LogLimit   int        // requests remembered; 0: 20,000
}

// Server is a directory that speaks Microsoft Graph under /v1.0 and /beta, and its control API
// under /_emu. Its methods change the directory as an administrator of the tenant would, and may
// be called at any time. Those that name an object panic if the call makes no sense (no such
// object, wrong kind, deleted): a test that scripts the impossible is wrong. [Server.Mutate]
// returns an error instead.
type Server struct {
	mu       sync.Mutex
	opts     Options
	settings Settings
	dir      *directory
	seal     *sealer
	dice     dice
	life     clock
	app      *object // the application's service principal
	tenant   string
	world    uint64 // counts resets; part of every seed
	resets   uint64

	rounds  roundCache
	kills   map[killKey]kill
	spent   map[uint64]bool // deltaLinks used, by serial
	reads   map[string]uint64
	faults  []*fault
	buckets map[string]*bucket

	log   requestLog
	stats Stats
	busy  map[string]int // delta requests in flight by feed
	names *generator
}

// New makes a directory. It opens no port: serve it with net/http, httptest or [Server.Serve].
func New(o Options) *Server {
	if o.Now.IsZero() {
		o.Now = time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.LogLimit == 0 {
		o.LogLimit = 20_000
	}
	s := &Server{opts: o}
	s.settings = DefaultSettings()
	if o.Settings != nil {
		s.settings = *o.Settings
	}
	s.settings.fill()
	s.reset()
	return s
}

// reset makes a new world from the options. Tokens of the old one are worthless.
func (s *Server) reset() {
	o := s.opts
	s.resets++
	s.world = mix(o.Seed, s.resets)
	s.dice = dice{seed: s.world}
	s.dir = newDirectory(o.Now.UTC())
	s.life = clock{start: o.Now.UTC(), factor: o.Factor, since: time.Now()}
	s.seal = newSealer(s.world)
	s.tenant = o.TenantID
	if s.tenant == "" {
		s.tenant = uuid(mix(o.Seed, 0x7e4a47))
	}
	s.rounds = roundCache{}
	s.kills = map[killKey]kill{}
	s.spent = map[uint64]bool{}
	s.reads = map[string]uint64{}
	s.buckets = map[string]*bucket{}
	s.faults = nil
	s.log = requestLog{limit: o.LogLimit}
	s.stats = Stats{MaxParallelDelta: map[string]int{}}
	s.busy = map[string]int{}
	s.names = newGenerator(o.Seed, o.Population.Tidy)

	s.dir.begin()
	s.app = s.addApp(o.AppName, o.AppRoles)
	if o.Population.Users > 0 || o.Population.Groups > 0 {
		s.populate(o.Population)
	}
}

// Serve answers requests on l until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() { srv.Close() })
	defer stopped()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// A clock is the virtual time. With a factor it runs along with the real one.
type clock struct {
	start  time.Time
	factor float64
	since  time.Time // real time of start
}

func (c *clock) now() time.Time {
	if c.factor == 0 {
		return c.start
	}
	return c.start.Add(time.Duration(float64(time.Since(c.since)) * c.factor))
}

func (c *clock) advance(d time.Duration) {
	c.start, c.since = c.now().Add(d), time.Now()
}

func (c *clock) run(factor float64) {
	c.start, c.since = c.now(), time.Now()
	c.factor = factor
}

// tick moves the directory's time to the clock's, and lets old deletions become final.
func (s *Server) tick() {
	if t := s.life.now(); t.After(s.dir.now) {
		s.dir.now = t
	}
	s.dir.expire(s.settings.HardDeleteEmitsRemoval)
}

// Now is the virtual time.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick()
	return s.dir.now
}

// Advance moves the virtual clock. Objects deleted 30 days ago become hard-deleted.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life.advance(d)
	s.tick()
}

// Settings returns the switches as they are.
func (s *Server) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// SetSettings replaces the switches. Rounds under way keep the order they have.
func (s *Server) SetSettings(set Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set.fill()
	s.settings = set
}

// TenantID is the id of the tenant.
func (s *Server) TenantID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tenant
}
