package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
)

// checkResult is what `check` prints about one connection.
type checkResult struct {
	Job      string           `json:"job"`
	Side     string           `json:"side"` // source or target
	Findings []engine.Finding `json:"findings"`
}

func newCheck(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration and test every connection, writing nothing",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadConfig()
			if err != nil {
				return err
			}
			jobs, err := buildJobs(f, zap.NewNop())
			if err != nil {
				return err
			}
			results, ok := []checkResult{}, true
			for _, j := range f.Jobs {
				for _, r := range checkJob(cmd.Context(), jobs[engine.JobID(j.ID)]) {
					results = append(results, r)
					ok = ok && !engine.Failed(r.Findings)
				}
			}
			if err := writeCheck(c.out, c.json(), f.Path, results); err != nil {
				return err
			}
			if !ok {
				return &exitError{code: exitConnection}
			}
			return nil
		},
	}
}

// checkJob tests both ends of a job.
func checkJob(ctx context.Context, job *cycle.Job) []checkResult {
	src, err1 := job.Source.Check(ctx)
	dst, err2 := job.Target.Check(ctx, matching(&job.Job))
	return []checkResult{
		{string(job.ID), "source", finish(src, err1)},
		{string(job.ID), "target", finish(dst, err2)},
	}
}

// finish adds a test that could not be made to the findings.
func finish(fs []engine.Finding, err error) []engine.Finding {
	if err != nil {
		fs = append(fs, engine.Finding{Name: "connection", Level: engine.LevelError, Detail: err.Error()})
	}
	return fs
}

func writeCheck(w io.Writer, asJSON bool, file string, results []checkResult) error {
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]any{"file": file, "connections": results})
	}
	fmt.Fprintf(w, "%s is valid\n", file)
	for _, r := range results {
		fmt.Fprintf(w, "job %s, %s:\n", r.Job, r.Side)
		for _, f := range r.Findings {
			line := fmt.Sprintf("  %-7s  %s", f.Level, f.Name)
			if f.Detail != "" {
				line += ": " + f.Detail
			}
			if _, err := fmt.Fprintln(w, line); err != nil {
				return err
			}
		}
	}
	return nil
}
