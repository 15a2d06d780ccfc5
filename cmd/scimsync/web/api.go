package web

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// root is where the API lives.
const root = "/api/v1"

// Options are the settings of the API.
type Options struct {
	Tokens  []Token
	Log     *zap.Logger // nil: nothing is logged
	Version string
	// Ready tells whether the service can work; nil: it always can.
	Ready func(context.Context) error
	// Now is the clock; nil: that of the machine.
	Now func() time.Time
}

// API is the admin API. It is an [http.Handler] for everything below /api/v1/, and for /healthz and /readyz.
type API struct {
	backend Backend
	store   engine.Store
	log     *zap.Logger
	now     func() time.Time
	ready   func(context.Context) error
	keys    keyring
	guard   *http.CrossOriginProtection

	mux  *http.ServeMux
	huma huma.API

	onDemand, credentials, audits *rate
	histories                     histories
	operations                    operations

	pollEvery, heartbeat, patience time.Duration // of events and of on-demand provisioning
	streams                        chan struct{} // one place for each stream of events

	ending context.Context // ends with Close
	end    context.CancelFunc
	work   sync.WaitGroup
}

// New builds the API. Call [API.Close] when the server shuts down: streams of events and long operations end with it.
func New(b Backend, s engine.Store, o Options) *API {
	a := &API{
		backend: b, store: s, log: o.Log, now: o.Now, ready: o.Ready, keys: newKeyring(o.Tokens),
		guard: http.NewCrossOriginProtection(), mux: http.NewServeMux(),
		onDemand: newRate(5, 10*time.Second), credentials: newRate(5, 10*time.Second), audits: newRate(20, 10*time.Second),
		pollEvery: time.Second, heartbeat: 15 * time.Second, patience: 30 * time.Second,
		streams: make(chan struct{}, maxStreams),
	}
	if a.log == nil {
		a.log = zap.NewNop()
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.ending, a.end = context.WithCancel(context.Background())
	a.mux.HandleFunc("GET /healthz", a.serveHealth)
	a.mux.HandleFunc("GET /readyz", a.serveReady)
	a.huma = humago.New(a.mux, a.config(o.Version))
	a.register()
	a.finishDocument()
	return a
}

// Close ends streams of events and waits for operations that outlived their request. [http.Server.Shutdown] waits for
// streams, so that Close comes first: [http.Server.RegisterOnShutdown] is the place to call it.
func (a *API) Close() {
	a.end()
	a.work.Wait()
}

// register lists every operation there is.
func (a *API) register() {
	a.registerJobs()
	a.registerControl()
	a.registerCredentials()
	a.registerOnDemand()
	a.registerSchema()
	a.registerLogs()
	a.registerWaiting()
	a.registerLinks()
	a.registerCycles()
	a.registerEvents()
	a.registerDropped()
}

func (a *API) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := fmt.Fprintln(w, "ok")
	a.gone(err)
}

func (a *API) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if a.ready != nil {
		if err := a.ready(ctx); err != nil {
			a.log.Warn("not ready", zap.Error(err))
			w.WriteHeader(http.StatusServiceUnavailable)
			_, err := fmt.Fprintln(w, "not ready; the log of the service says why")
			a.gone(err)
			return
		}
	}
	_, err := fmt.Fprintln(w, "ready")
	a.gone(err)
}

// gone notes that an answer could not be written: the other side has left.
func (a *API) gone(err error) {
	if err != nil {
		a.log.Debug("answer not written", zap.Error(err))
	}
}

// job finds a job of the configuration by its id, whatever its letter case.
func (a *API) job(id string) (Job, bool) {
	for _, j := range a.backend.Jobs() {
		if sameID(string(j.ID), id) {
			return j, true
		}
	}
	return Job{}, false
}

// connected are the jobs of a connection, named by the id of its service principal or of one of its jobs.
func (a *API) connected(id string) []Job {
	var out []Job
	for _, j := range a.backend.Jobs() {
		if sameID(j.Connection, id) || sameID(string(j.ID), id) {
			out = append(out, j)
		}
	}
	return out
}
