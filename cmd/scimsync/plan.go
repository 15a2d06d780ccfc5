package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
	"github.com/scimsync/scimsync/engine/store"
)

func newPlan(c *console) *cobra.Command {
	save, schema := "", ""
	cmd := &cobra.Command{
		Use:   "plan [JOB]",
		Short: "Show everything the next cycle would do, and do nothing",
		Long: `Reads the source and decides as the next cycle would, on a copy of what the job knows, with the application
only read. Prints every operation with its rule and reason, and every attribute with old and new value. Nothing is
written anywhere and nothing is remembered. With --save the plan goes into a file as well; run --once --plan FILE then
carries out exactly that and refuses what has changed since. With --schema it shows what a mapping that is not in use yet
would do to everybody.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, j, err := c.named(args)
			if err != nil {
				return err
			}
			var text []byte
			if schema != "" {
				if save != "" {
					return usage("--schema is to look at a mapping that is not in use; --save needs the one that is")
				}
				if text, err = os.ReadFile(schema); err != nil {
					return refuse("--schema: %w", err)
				}
				if _, err := mappingOf(text); err != nil {
					return refuse("--schema %s is rejected; see all findings with `scimsync schema import %s`: %w", schema, schema, err)
				}
			}
			p, err := plan(cmd.Context(), f, j, string(text), save != "")
			if err != nil {
				return err
			}
			if save != "" {
				if err := p.save(save); err != nil {
					return err
				}
			}
			if err := writePlan(c.out, c.json(), p.result(), p.entries); err != nil {
				return err
			}
			if save != "" {
				fmt.Fprintf(c.err, "saved as %s; carry out exactly this with: scimsync run --once --plan %s\n", save, save)
			}
			if code := exitOf([]engine.Cycle{p.cycle}); code != exitDone {
				return &exitError{code: code}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&schema, "schema", "", "with the mapping of this Entra synchronization schema `file` instead of the job's")
	cmd.Flags().StringVar(&save, "save", "", "write the plan into this `file` too, for run --once --plan")
	return cmd
}

// planned is what a dry run found out.
type planned struct {
	cycle       engine.Cycle
	entries     []engine.LogEntry
	fingerprint string
	allowed     []engine.PlannedOp
}

func (p planned) result() web.PlanResult {
	out := web.PlanResult{Job: string(p.cycle.Job), Operations: []web.PlannedOperation{}, Summary: web.CycleResultOf(p.cycle)}
	for _, e := range p.entries {
		out.Operations = append(out.Operations, web.PlannedOf(e))
	}
	return out
}

// plan makes the plan of a job, with a schema in place of its mapping if one is given; careful, it also reads what the
// target has of each object. A job that never ran knows nothing; asking for a plan does not make a store for it.
func plan(ctx context.Context, f *config.File, j config.Job, schema string, careful bool) (p planned, err error) {
	var real *store.Store
	if hasStore(f) {
		if real, err = store.Open(ctx, f.Store.URL, f.DataDir); err != nil {
			return p, &exitError{exitConnection, err}
		}
		defer func() { err = errors.Join(err, real.Close()) }()
		control, err := real.Control(ctx, engine.JobID(j.ID))
		if err != nil {
			return p, err
		}
		schema = cmp.Or(schema, control.Schema)
	}
	job, err := rebuildJob(f, engine.JobID(j.ID), schema, zap.NewNop())
	if err != nil {
		return p, err
	}
	return dryRun(ctx, real, job, careful)
}

// dryRun runs a whole cycle on a copy of the job's state, against a target that is only read. real is nil for a job
// that never ran.
func dryRun(ctx context.Context, real *store.Store, job *cycle.Job, careful bool) (p planned, err error) {
	dir, err := os.MkdirTemp("", "scimsync-plan-")
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	scratch, err := store.Open(ctx, "", dir)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, scratch.Close()) }()
	if real != nil {
		if err := real.CopyJob(ctx, job.ID, scratch); err != nil {
			return p, err
		}
	}
	// What would come is of interest whether or not the job may run now.
	_, err = scratch.UpdateControl(ctx, job.ID, func(c *engine.Control) error {
		*c = engine.Control{BinAt: c.BinAt, Schema: c.Schema}
		return nil
	})
	if err != nil {
		return p, err
	}
	job.Target = cycle.DryTarget{Target: job.Target}
	runner := cycle.New(scratch, map[engine.JobID]*cycle.Job{job.ID: job}, zap.NewNop())
	runner.Careful = careful
	p.fingerprint = cycle.Fingerprint(&job.Job)
	var mu sync.Mutex
	runner.Record = func(op engine.PlannedOp) {
		mu.Lock()
		defer mu.Unlock()
		p.allowed = append(p.allowed, op)
	}
	if p.cycle, err = runner.Run(ctx, job.ID, "plan", func(int) {}); err != nil {
		return p, err
	}
	for after := int64(0); ; {
		rows, err := scratch.Entries(ctx, job.ID, engine.LogFilter{Cycle: p.cycle.ID, AfterID: after})
		if err != nil || len(rows) == 0 {
			return p, err
		}
		for _, e := range rows {
			after = e.ID
			if e.Action != engine.Nothing {
				p.entries = append(p.entries, withoutPlanned(e))
			}
		}
	}
}

// withoutPlanned leaves out ids of target objects that do not exist yet.
func withoutPlanned(e engine.LogEntry) engine.LogEntry {
	if cycle.Planned(e.Target.ID) {
		e.Target.ID = ""
	}
	for i := range e.Changes { // a manager who has no account yet
		if id, ok := e.Changes[i].New.(string); ok && cycle.Planned(id) {
			e.Changes[i].New = nil
		}
	}
	return e
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
