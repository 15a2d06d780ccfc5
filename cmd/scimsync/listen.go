package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
)

// tokenFile holds the token that was generated, in dataDir.
const tokenFile = "token"

// fullToken is the token with all rights: that of the configuration, or else one that is generated at the first
// start and kept in dataDir. fresh says that it was generated just now.
func fullToken(f *config.File) (token engine.Secret, fresh bool, err error) {
	if f.Server.Token.Reveal() != "" {
		return engine.NewSecret(f.Server.Token.Reveal()), false, nil
	}
	path := filepath.Join(f.DataDir, tokenFile)
	text, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(text))) > 0 {
		return engine.NewSecret(strings.TrimSpace(string(text))), false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return token, false, fmt.Errorf("server.token: %w", err)
	}
	made := rand.Text()
	if err := os.WriteFile(path, []byte(made+"\n"), 0o600); err != nil {
		return token, false, fmt.Errorf("server.token: %w; make dataDir writable, or set server.token", err)
	}
	return engine.NewSecret(made), true, nil
}

// tokens are all tokens that the API accepts.
func tokens(f *config.File, full engine.Secret) []web.Token {
	all := []web.Token{{Name: "admin", Secret: full, Role: web.RoleAdmin}}
	for _, t := range f.Server.Tokens {
		all = append(all, web.Token{Name: t.Name, Secret: engine.NewSecret(t.Token.Reveal()), Role: web.Role(t.Role)})
	}
	return all
}

// handler is the admin API on this process.
func (s *service) handler(serving bool, full engine.Secret) *web.API {
	return web.New(&backend{service: s, serving: serving}, s.store, web.Options{
		Tokens: tokens(s.file, full), Log: s.log.Named("web"), Version: thisBuild().Version, Now: time.Now,
		Ready: func(ctx context.Context) error {
			if _, err := s.client.CheckHealth(ctx, nil); err != nil {
				return fmt.Errorf("temporal is not reachable: %w", err)
			}
			return nil
		},
	})
}

// listen serves the admin API and the health of the process.
func (s *service) listen(c *console) (stop func(), err error) {
	if s.file.Server.Listen == "" {
		return func() {}, nil
	}
	full, fresh, err := fullToken(s.file)
	if err != nil {
		return nil, &exitError{exitConnection, err}
	}
	l, err := net.Listen("tcp", s.file.Server.Listen)
	if err != nil {
		return nil, &exitError{exitConnection, fmt.Errorf("server.listen %s: %w; choose another address, or \"\" to switch it off", s.file.Server.Listen, err)}
	}
	if fresh {
		fmt.Fprintf(c.err, "admin API at http://%s/api/v1 with this token, kept in %s:\n%s\n", l.Addr(), filepath.Join(s.file.DataDir, tokenFile), full.Reveal())
	}
	api := s.handler(true, full)
	srv := &http.Server{Handler: api, ReadHeaderTimeout: 10 * time.Second}
	srv.RegisterOnShutdown(api.Close) // streams of events end with the service
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("http server ended", zap.Error(err))
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			s.log.Warn("http server did not stop in time", zap.Error(err))
		}
	}, nil
}

// inProcess answers requests with a handler instead of a connection.
type inProcess struct{ http.Handler }

// RoundTrip implements [http.RoundTripper].
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RemoteAddr = "command line" // for the audit
	body, w := io.Pipe()
	answer := &pipedAnswer{header: http.Header{}, body: w, ready: make(chan struct{})}
	go func() {
		defer func() { w.CloseWithError(io.EOF) }()
		p.ServeHTTP(answer, r)
		answer.WriteHeader(http.StatusOK)
	}()
	select {
	case <-answer.ready:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{
		StatusCode: answer.status, Status: fmt.Sprintf("%d %s", answer.status, http.StatusText(answer.status)), Header: answer.header,
		Body: body, Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
	}, nil
}

// pipedAnswer hands an answer over as it is written.
type pipedAnswer struct {
	header http.Header
	body   *io.PipeWriter
	status int
	ready  chan struct{}
}

func (a *pipedAnswer) Header() http.Header { return a.header }

func (a *pipedAnswer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		close(a.ready)
	}
}

func (a *pipedAnswer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// Flush implements [http.Flusher]: what is written is there at once.
func (a *pipedAnswer) Flush() {}

// localAPI serves the admin API to this process alone: commands work without a running service. What it opens ends
// with stop.
func localAPI(ctx context.Context, f *config.File, lg *zap.Logger) (_ *web.Client, stop func() error, err error) {
	s, err := openStore(ctx, f, lg)
	if err != nil {
		return nil, s.close, err
	}
	token := engine.NewSecret(rand.Text())
	h := web.New(&backend{service: s}, s.store, web.Options{
		Tokens: []web.Token{{Name: localUser(), Secret: token, Role: web.RoleAdmin}}, Log: lg, Version: thisBuild().Version, Now: time.Now,
		Ready: func(context.Context) error { return nil },
	})
	return &web.Client{Base: "http://" + localHost, Token: token, HTTP: &http.Client{Transport: inProcess{h}}}, s.close, nil
}

// localHost stands for this process in addresses.
const localHost = "scimsync.local"

// localUser names whoever runs the command, for the audit.
func localUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "command line"
}

// forgetEvery is how often what is older than the retention is removed.
const forgetEvery = time.Hour

// forget removes what need not be kept any longer, until ctx ends.
func (s *service) forget(ctx context.Context) {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		for _, j := range s.file.Jobs {
			if err := s.prune(ctx, engine.JobID(j.ID)); err != nil && ctx.Err() == nil {
				s.log.Error("old rows were not removed", zap.String("job", j.ID), zap.Error(err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// prune removes old rows of one job, a few at a time.
func (s *service) prune(ctx context.Context, j engine.JobID) error {
	now := time.Now().UTC()
	before := func(keep time.Duration) time.Time {
		if keep <= 0 {
			return time.Time{}
		}
		return now.Add(-keep)
	}
	r := s.file.Retention
	for {
		n, err := s.store.Prune(ctx, j, engine.Retention{
			Log: before(r.Log), Values: before(r.Values), Cycles: before(r.Cycles), Audit: before(r.Audit), Notice: before(r.Audit),
		}, 1000)
		if err != nil || n == 0 || ctx.Err() != nil {
			return err
		}
	}
}
