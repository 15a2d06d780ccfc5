package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
)

// planFile is a saved plan: what would be done, for people, and what that allows, for the program.
type planFile struct {
	Format string    `json:"format"`
	MadeAt time.Time `json:"madeAt"`
	// Rules is the fingerprint of mapping, scope and options by which it was made.
	Rules   string         `json:"rules"`
	Plan    web.PlanResult `json:"plan"`
	Allowed []allowedOp    `json:"allowed"`
}

// planFormat names the kind of file and its version.
const planFormat = "scimsync plan 1"

// allowedOp is an operation or a reference that the plan allows.
type allowedOp struct {
	Type   engine.Kind `json:"type"`
	ID     string      `json:"id"`
	Digest string      `json:"digest"`
}

// save writes the plan so that only its owner can read it: it has names and values in it.
func (p planned) save(path string) error {
	f := planFile{Format: planFormat, MadeAt: time.Now().UTC(), Rules: p.fingerprint, Plan: p.result(), Allowed: []allowedOp{}}
	for _, op := range p.allowed {
		f.Allowed = append(f.Allowed, allowedOp{op.Kind, op.ID, op.Digest})
	}
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".scimsync-plan-")
	if err != nil {
		return refuse("--save %s: %w; name a file in a folder that you can write to", path, err)
	}
	defer os.Remove(tmp.Name()) // gone already if all went well
	if _, err := tmp.Write(data); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// loadPlan reads a saved plan and the job that it is for.
func loadPlan(f *config.File, path string) (planFile, config.Job, error) {
	var p planFile
	data, err := os.ReadFile(path)
	if err != nil {
		return p, config.Job{}, refuse("--plan: %w", err)
	}
	if err := json.Unmarshal(data, &p); err != nil || p.Format != planFormat {
		return p, config.Job{}, refuse("--plan %s: this is no plan that this version saved; make one with `scimsync plan JOB --save FILE`", path)
	}
	picked, err := chosen(f, []string{p.Plan.Job})
	if err != nil {
		return p, config.Job{}, refuse("--plan %s: it is for job %s, which the configuration does not have", path, p.Plan.Job)
	}
	return p, picked[0], nil
}

// apply runs one cycle that does what the plan has and nothing else.
func (s *service) apply(ctx context.Context, c *console, p planFile, j config.Job) (engine.Cycle, error) {
	id := engine.JobID(j.ID)
	control, err := s.store.Control(ctx, id)
	if err != nil {
		return engine.Cycle{}, err
	}
	job, err := rebuildJob(s.file, id, control.Schema, s.log)
	if err != nil {
		return engine.Cycle{}, err
	}
	if cycle.Fingerprint(&job.Job) != p.Rules {
		return engine.Cycle{}, refuse("the mapping, the scope or the options of job %s changed since the plan was made; make a new one", j.ID)
	}
	last, err := s.store.LastCycles(ctx, id, 1)
	if err != nil {
		return engine.Cycle{}, err
	}
	if len(last) > 0 && last[0].State == engine.CycleRunning {
		return engine.Cycle{}, refuse("a cycle of job %s is running or was left open; let it end first (scimsync run --once --job %s), then make a new plan", j.ID, j.ID)
	}
	ops := make([]engine.PlannedOp, len(p.Allowed))
	for i, a := range p.Allowed {
		ops[i] = engine.PlannedOp{Ref: engine.Ref{Kind: a.Type, ID: a.ID}, Digest: a.Digest}
	}
	plan := uuid.NewString()
	if err := s.store.PutPlan(ctx, id, plan, ops); err != nil {
		return engine.Cycle{}, err
	}
	if err := s.runner.Ask(ctx, id, plan); err != nil {
		return engine.Cycle{}, err
	}
	done, err := s.sync(ctx, c, j)
	if err != nil {
		return done, err
	}
	if left := done.Counts[engine.PlanLeft]; left > 0 {
		fmt.Fprintf(c.err, "%s came up since the plan was made; the next cycle looks at it\n", quantity(left, "change"))
	}
	return done, s.store.DropPlan(ctx, id, plan)
}
