package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
	"github.com/scimsync/scimsync/engine/store"
)

func newPlan(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "plan [JOB]",
		Short: "Show everything the next cycle would do, and do nothing",
		Long: `Reads the source and decides as the next cycle would, on a copy of what the job knows, with the application
only read. Prints every operation with its rule and reason, and every attribute with old and new value. Nothing is
written anywhere and nothing is remembered.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, j, err := c.named(args)
			if err != nil {
				return err
			}
			result, entries, err := plan(cmd.Context(), f, j)
			if err != nil {
				return err
			}
			if err := writePlan(c.out, c.json(), result, entries); err != nil {
				return err
			}
			if code := exitOf([]engine.Cycle{{State: result.Summary.State, ErrorCode: problemCode(result.Summary)}}); code != exitDone {
				return &exitError{code: code}
			}
			return nil
		},
	}
}

// problemCode is the code of what broke a cycle off, "" if nothing did.
func problemCode(r web.CycleResult) string {
	if r.Error != nil {
		return r.Error.Code
	}
	return ""
}

// plan runs a whole cycle on a copy of the job's state, against a target that is only read.
func plan(ctx context.Context, f *config.File, j config.Job) (_ web.PlanResult, _ []engine.LogEntry, err error) {
	jobs, err := buildJobs(f, zap.NewNop())
	if err != nil {
		return web.PlanResult{}, nil, err
	}
	dir, err := os.MkdirTemp("", "scimsync-plan-")
	if err != nil {
		return web.PlanResult{}, nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	scratch, err := scratchOf(ctx, f, engine.JobID(j.ID), dir)
	if err != nil {
		return web.PlanResult{}, nil, err
	}
	defer func() { err = errors.Join(err, scratch.Close()) }()

	job := jobs[engine.JobID(j.ID)]
	job.Target = cycle.DryTarget{Target: job.Target}
	runner := cycle.New(scratch, map[engine.JobID]*cycle.Job{job.ID: job}, zap.NewNop())
	done, err := runner.Run(ctx, job.ID, "plan", func(int) {})
	if err != nil {
		return web.PlanResult{}, nil, err
	}
	out := web.PlanResult{Job: j.ID, Operations: []web.PlannedOperation{}, Summary: web.CycleResultOf(done)}
	var all []engine.LogEntry
	for after := int64(0); ; {
		entries, err := scratch.Entries(ctx, job.ID, engine.LogFilter{Cycle: done.ID, AfterID: after})
		if err != nil || len(entries) == 0 {
			return out, all, err
		}
		for _, e := range entries {
			after = e.ID
			if e.Action == engine.Nothing {
				continue
			}
			if cycle.Planned(e.Target.ID) {
				e.Target.ID = ""
			}
			for i := range e.Changes { // a manager who has no account yet
				if id, ok := e.Changes[i].New.(string); ok && cycle.Planned(id) {
					e.Changes[i].New = nil
				}
			}
			all = append(all, e)
			out.Operations = append(out.Operations, web.PlannedOf(e))
		}
	}
}

// scratchOf is a copy of what a job knows. A job that never ran knows nothing; asking for a plan does
// not make a store for it.
func scratchOf(ctx context.Context, f *config.File, job engine.JobID, dir string) (*store.Store, error) {
	scratch, err := store.Open(ctx, "", dir)
	if err != nil {
		return nil, err
	}
	if !hasStore(f) {
		return scratch, nil
	}
	real, err := store.Open(ctx, f.Store.URL, f.DataDir)
	if err != nil {
		return nil, errors.Join(&exitError{exitConnection, err}, scratch.Close())
	}
	if err := errors.Join(real.CopyJob(ctx, job, scratch), real.Close()); err != nil {
		return nil, errors.Join(err, scratch.Close())
	}
	return scratch, nil
}

func writePlan(w io.Writer, asJSON bool, r web.PlanResult, entries []engine.LogEntry) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	for _, e := range entries {
		if err := writeEvent(w, e, "          "); err != nil {
			return err
		}
	}
	s := r.Summary
	fmt.Fprintf(w, "\nThis is what the next %s cycle would do. Nothing was changed.\n", s.Kind)
	return writeCounts(w, s)
}
