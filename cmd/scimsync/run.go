package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
)

func newRun(c *console) *cobra.Command {
	var once bool
	var jobs []string
	var planned string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the service; with --once, one cycle of every enabled job",
		Long: `Runs the service: cycles by schedule and the admin API, with embedded Temporal and SQLite unless the configuration
names others. With --once, runs one cycle of every enabled job (or of those named by --job), shows progress on
stderr, prints the result on stdout and exits; no running service is needed. With --plan, carries out exactly the plan
that was saved with plan --save, and refuses what has changed since.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			switch {
			case len(jobs) > 0 && !once:
				return usage("--job needs --once; the service runs every enabled job")
			case planned != "" && !once:
				return usage("--plan needs --once")
			case planned != "" && len(jobs) > 0:
				return usage("--plan names its job itself; leave --job out")
			}
			f, err := c.loadConfig()
			if err != nil {
				return err
			}
			var p planFile
			picked, err := chosen(f, jobs)
			if err == nil && planned != "" {
				picked = make([]config.Job, 1)
				p, picked[0], err = loadPlan(f, planned)
			}
			if err != nil {
				return err
			}
			s, err := open(cmd.Context(), f, newLogger(f.Log))
			defer func() { err = errors.Join(err, s.close()) }()
			if err != nil {
				return err
			}
			if !once {
				return s.serve(cmd.Context(), c)
			}
			run := s.asked
			if len(jobs) == 0 {
				run = s.unlessPaused
			}
			if planned != "" {
				run = func(ctx context.Context, c *console, j config.Job) (engine.Cycle, error) {
					return s.apply(ctx, c, p, j)
				}
			}
			return s.once(cmd.Context(), c, picked, run)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "one cycle of every enabled job, then exit")
	cmd.Flags().StringArrayVar(&jobs, "job", nil, "with --once: only this `job` (repeatable)")
	cmd.Flags().StringVar(&planned, "plan", "", "with --once: carry out the plan saved in this `file`, and nothing else")
	return cmd
}

// once runs one cycle of each job, one after the other, and prints what came of them.
func (s *service) once(ctx context.Context, c *console, jobs []config.Job, run func(context.Context, *console, config.Job) (engine.Cycle, error)) error {
	if err := s.work(); err != nil {
		return err
	}
	cycles, code := []engine.Cycle{}, exitDone
	for _, j := range jobs {
		done, err := run(ctx, c, j)
		if not, ok := errors.AsType[*cycle.NotNowError](err); ok {
			fmt.Fprintln(c.err, not)
			if not.State != engine.StatusPaused { // who paused it knows
				code = exitHeld
			}
			continue
		}
		if err != nil {
			return err
		}
		cycles = append(cycles, done)
	}
	defer s.flushNotices(ctx)
	if err := writeResult(c.out, c.json(), cycles); err != nil {
		return err
	}
	for _, cyc := range cycles {
		if c.json() {
			break
		}
		if err := writeFailures(ctx, c.out, s.store, cyc); err != nil {
			return err
		}
	}
	if code = max(code, exitOf(cycles)); code != exitDone {
		return &exitError{code: code}
	}
	return nil
}

// asked runs one cycle of a job because somebody wants it now, also when it is paused or waits in quarantine.
func (s *service) asked(ctx context.Context, c *console, j config.Job) (engine.Cycle, error) {
	if err := s.runner.Ask(ctx, engine.JobID(j.ID), ""); err != nil {
		return engine.Cycle{}, err
	}
	return s.sync(ctx, c, j)
}

// unlessPaused is asked for a job that nobody named: one that somebody paused is passed over.
func (s *service) unlessPaused(ctx context.Context, c *console, j config.Job) (engine.Cycle, error) {
	control, err := s.store.Control(ctx, engine.JobID(j.ID))
	if err != nil {
		return engine.Cycle{}, err
	}
	if control.Paused {
		return engine.Cycle{}, &cycle.NotNowError{Job: engine.JobID(j.ID), State: engine.StatusPaused,
			Message: fmt.Sprintf("paused; go on with `scimsync job start %s`, or run this one cycle with --job %s", j.ID, j.ID)}
	}
	return s.asked(ctx, c, j)
}

// takeUp starts a cycle of each job whose last one was cut short by the end of its process: leavers are not to wait for
// the schedule.
func (s *service) takeUp(ctx context.Context) error {
	b := &backend{service: s, serving: true}
	for _, j := range s.file.Jobs {
		last, err := s.store.LastCycles(ctx, engine.JobID(j.ID), 1)
		if err != nil {
			return err
		}
		if len(last) == 0 || last[0].ErrorCode != cycle.CodeInterrupted {
			continue
		}
		if err := b.goOn(ctx, j); err != nil {
			return err
		}
	}
	return nil
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
		return engine.Cycle{}, &exitError{exitInternal, errors.New("stopped; what was not done waits for the next cycle")}
	}
	if err != nil {
		return engine.Cycle{}, err
	}
	if res.NotNow != "" {
		return engine.Cycle{}, &cycle.NotNowError{Job: engine.JobID(j.ID), Message: res.NotNow}
	}
	return s.store.Cycle(ctx, engine.JobID(j.ID), engine.CycleID(res.Cycle))
}

// serve runs until ctx ends.
func (s *service) serve(ctx context.Context, c *console) error {
	stopHTTP, err := s.listen(c)
	if err != nil {
		return err
	}
	defer stopHTTP()
	if err := s.work(); err != nil {
		return err
	}
	schedules, err := s.schedules(ctx)
	if err != nil {
		return err
	}
	if err := s.starter.Reconcile(ctx, schedules); err != nil {
		return err
	}
	if err := s.takeUp(ctx); err != nil {
		return err
	}
	var loops sync.WaitGroup
	defer loops.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loops.Go(func() { s.notify(ctx) })
	loops.Go(func() { s.forget(ctx) })
	at := s.file.Temporal.Address
	var failed <-chan error
	if s.server != nil {
		at, failed = s.server.Address(), s.server.Failed()
	}
	s.log.Info("running", zap.Int("jobs", len(s.file.Jobs)), zap.Bool("embedded_temporal", s.server != nil), zap.String("temporal", at))
	select {
	case <-ctx.Done():
		s.log.Info("stopping; what a cycle had not done waits for the next one")
		return nil
	case err := <-failed:
		return fmt.Errorf("the embedded Temporal server ended: %w", err)
	}
}

func jobIDs(f *config.File) string {
	var ids []string
	for _, j := range f.Jobs {
		ids = append(ids, j.ID)
	}
	return strings.Join(ids, ", ")
}
