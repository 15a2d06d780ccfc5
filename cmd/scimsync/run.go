package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
)

func newRun(c *console) *cobra.Command {
	var once bool
	var jobs []string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the service; with --once, one cycle of every enabled job",
		Long: `Runs the service: cycles by schedule, with embedded Temporal and SQLite unless the configuration names
others. With --once, runs one cycle of every enabled job (or of those named by --job), shows progress on
stderr, prints the result on stdout and exits; no running service is needed.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if len(jobs) > 0 && !once {
				return usage("--job needs --once; the service runs every enabled job")
			}
			f, err := c.loadConfig()
			if err != nil {
				return err
			}
			picked, err := chosen(f, jobs)
			if err != nil {
				return err
			}
			lg := newLogger(f.Log)
			s, err := open(cmd.Context(), f, lg)
			defer func() { err = errors.Join(err, s.close()) }()
			if err != nil {
				return err
			}
			if !once {
				return s.serve(cmd.Context())
			}
			cycles, err := s.once(cmd.Context(), c, picked)
			if err != nil {
				return err
			}
			if err := writeResult(c.out, c.json(), cycles); err != nil {
				return err
			}
			for _, cyc := range cycles {
				if c.json() {
					break
				}
				if err := writeFailures(cmd.Context(), c.out, s.store, cyc); err != nil {
					return err
				}
			}
			if code := exitOf(cycles); code != exitDone {
				return &exitError{code: code}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "one cycle of every enabled job, then exit")
	cmd.Flags().StringArrayVar(&jobs, "job", nil, "with --once: only this `job` (repeatable)")
	return cmd
}

// once runs one cycle of each job, one after the other.
func (s *service) once(ctx context.Context, c *console, jobs []config.Job) ([]engine.Cycle, error) {
	if err := s.worker.Start(); err != nil {
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	var out []engine.Cycle
	for _, j := range jobs {
		done, err := s.sync(ctx, c, j)
		if err != nil {
			return out, err
		}
		out = append(out, done)
	}
	return out, nil
}

// sync runs one cycle of a job, or follows the one that is under way, and shows its progress.
func (s *service) sync(ctx context.Context, c *console, j config.Job) (engine.Cycle, error) {
	watch, stop := context.WithCancel(ctx)
	shown := make(chan struct{})
	p := &progress{w: c.err, live: terminal(c.err), store: s.store, job: engine.JobID(j.ID)}
	go func() {
		defer close(shown)
		p.follow(watch)
	}()
	res, err := s.starter.Sync(ctx, j.ID, j.Interval)
	stop()
	<-shown
	if ctx.Err() != nil {
		return engine.Cycle{}, &exitError{exitInternal, errors.New("stopped; the next run goes on where this one was")}
	}
	if err != nil {
		return engine.Cycle{}, err
	}
	return s.store.Cycle(ctx, engine.JobID(j.ID), engine.CycleID(res.Cycle))
}

// serve runs until ctx ends.
func (s *service) serve(ctx context.Context) error {
	stopHTTP, err := s.listen()
	if err != nil {
		return err
	}
	defer stopHTTP()
	if err := s.worker.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	if err := s.starter.Reconcile(ctx, s.schedules()); err != nil {
		return err
	}
	at := s.file.Temporal.Address
	var failed <-chan error
	if s.server != nil {
		at, failed = s.server.Address(), s.server.Failed()
	}
	s.log.Info("running", zap.Int("jobs", len(s.file.Jobs)), zap.Bool("embedded_temporal", s.server != nil), zap.String("temporal", at))
	select {
	case <-ctx.Done():
		s.log.Info("stopping; cycles go on where they are at the next start")
		return nil
	case err := <-failed:
		return fmt.Errorf("the embedded Temporal server ended: %w", err)
	}
}

// listen serves the health of the process.
func (s *service) listen() (stop func(), err error) {
	if s.file.Server.Listen == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", s.file.Server.Listen)
	if err != nil {
		return nil, &exitError{exitConnection, fmt.Errorf("server.listen %s: %w; choose another address, or \"\" to switch it off", s.file.Server.Listen, err)}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.client.CheckHealth(r.Context(), nil); err != nil {
			http.Error(w, "temporal is not reachable", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
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

func jobIDs(f *config.File) string {
	var ids []string
	for _, j := range f.Jobs {
		ids = append(ids, j.ID)
	}
	return strings.Join(ids, ", ")
}
