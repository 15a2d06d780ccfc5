package msgraph

import (
	"cmp"
	"context"
	"iter"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	khttp "github.com/microsoft/kiota-http-go"
	kjson "github.com/microsoft/kiota-serialization-json-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

// A Source reads one tenant. It may be used concurrently.
type Source struct {
	cfg     Config
	root    *url.URL // version included, without a slash at the end
	conn    *wire.Conn
	adapter *core.GraphRequestAdapterBase
	auth    *authenticator
	log     *zap.Logger

	users, groups selection
	singly        atomic.Bool // $batch is not offered here
	listOnly      atomic.Bool // principals may not be asked for their assignments singly
	reached       atomic.Bool // the directory has answered before
}

var (
	_ engine.Source    = (*Source)(nil)
	_ engine.Inspector = (*Source)(nil)
)

// New checks cfg and returns a source. It sends nothing: a directory that is down must fail a
// cycle, not the start of the process. hc gives transport and timeout; nil takes those of the shared
// HTTP layer.
func New(cfg Config, hc *http.Client, lg *zap.Logger) (*Source, error) {
	return newSource(cfg, hc, lg, parts{})
}

// parts are what tests replace.
type parts struct {
	clock     wire.Clock
	rand      func() float64
	authority string
	maxBody   int64
}

func newSource(cfg Config, hc *http.Client, lg *zap.Logger, p parts) (*Source, error) {
	if cfg.Scope == "" {
		cfg.Scope = engine.ScopeAssigned
	}
	root, cl, err := cfg.check()
	if err != nil {
		return nil, err
	}
	cl.authority = cmp.Or(p.authority, cl.authority)
	cfg.Patience = cmp.Or(cfg.Patience, 15*time.Minute)
	cfg.UserAgent = cmp.Or(cfg.UserAgent, "scimsync")
	if lg == nil {
		lg = zap.NewNop()
	}
	s := &Source{cfg: cfg, root: root, log: lg}
	s.conn = wire.New(wire.Options{
		Client: hc, Log: lg, Start: 4, MaxConcurrency: 16, OnWait: cfg.OnWait, RequestIDs: []string{"request-id"},
		MaxBody: cmp.Or(p.maxBody, 32<<20), Clock: p.clock, Rand: p.rand,
	})
	if s.auth, err = newAuthenticator(cfg, cl, root, s.conn); err != nil {
		return nil, err
	}
	var refs []string
	if cfg.Select.Manager {
		refs = []string{"manager"}
	}
	s.users = newSelection(alwaysUsers, cfg.Select.Users, refs...)
	s.groups = newSelection(alwaysGroups, cfg.Select.Groups, "members")

	// The list of middleware is explicit: an empty one would be filled up with the library's own,
	// in an order that changes from process to process, retries included.
	client := &http.Client{
		Transport:     khttp.NewCustomTransportWithParentTransport(s.conn, recorder{}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.adapter, err = core.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		s.auth, core.GraphClientOptions{}, kjson.NewJsonParseNodeFactory(), kjson.NewJsonSerializationWriterFactory(), client)
	if err != nil {
		return nil, err
	}
	s.adapter.SetBaseUrl(root.String())
	return s, nil
}

// TakeRequests implements [engine.Meter]. Requests for tokens are not among them.
func (s *Source) TakeRequests() engine.Requests { return s.conn.TakeRequests() }

// Pages implements [engine.Source].
func (s *Source) Pages(ctx context.Context, f engine.Feed, from engine.Cursor) iter.Seq2[engine.Page, error] {
	return func(yield func(engine.Page, error) bool) {
		var err error
		switch f {
		case engine.FeedUsers:
			err = s.delta(ctx, engine.User, from, yield)
		case engine.FeedGroups:
			err = s.delta(ctx, engine.Group, from, yield)
		case engine.FeedAssignments:
			err = s.assignments(ctx, yield)
		default:
			err = &engine.SourceError{Code: engine.CodeSourceQuery, Message: "Microsoft Graph has no feed " + string(f)}
		}
		if err != nil {
			yield(engine.Page{}, err)
		}
	}
}

// at returns the URL of a path below the root, with a query that is already encoded.
func (s *Source) at(path, query string) *url.URL {
	u := s.root.JoinPath(path)
	u.RawQuery = query
	return u
}
