package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
	"github.com/scimsync/scimsync/engine/store"
	"github.com/scimsync/scimsync/mapping"
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
			plans, err := nextCycles(cmd.Context(), f, jobs)
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
			if err := writeCheck(c.out, c.json(), f.Path, results, plans); err != nil {
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

// nextCycle tells whether a job decides as it did when it last ran.
type nextCycle struct {
	Job         string           `json:"job"`
	Kind        engine.CycleKind `json:"kind"`
	Reason      string           `json:"reason"`
	Differences []difference     `json:"differences,omitempty"`
}

// nextCycles compares each job with what its last complete cycle ran with. A job whose state does not
// exist yet never ran; asking does not make one.
func nextCycles(ctx context.Context, f *config.File, jobs map[engine.JobID]*cycle.Job) ([]nextCycle, error) {
	states, err := jobStates(ctx, f)
	if err != nil {
		return nil, err
	}
	var out []nextCycle
	for _, j := range f.Jobs {
		n := nextCycle{Job: j.ID, Kind: engine.Initial, Reason: "the job never completed a cycle"}
		if s, ran := states[engine.JobID(j.ID)]; ran && s.InitialDone {
			var was []line
			if err := json.Unmarshal([]byte(s.Described), &was); err != nil {
				return nil, fmt.Errorf("job %s: the stored description of its mapping is damaged: %w", j.ID, err)
			}
			n.Differences = differences(was, describeMapping(j.Mapping))
			switch {
			case s.Fingerprint == cycle.Fingerprint(&jobs[engine.JobID(j.ID)].Job):
				n.Kind, n.Reason = engine.Incremental, "mappings, filters and options are those of the last cycle"
			case len(n.Differences) > 0:
				n.Reason = "mappings or filters are not those of the last cycle; links are kept"
			default:
				n.Reason = "the scope or an option is not that of the last cycle; links are kept"
			}
		}
		out = append(out, n)
	}
	return out, nil
}

// jobStates reads what the jobs remember, without making a store where there is none.
func jobStates(ctx context.Context, f *config.File) (states map[engine.JobID]engine.JobState, err error) {
	if !hasStore(f) {
		return nil, nil
	}
	s, err := store.Open(ctx, f.Store.URL, f.DataDir)
	if err != nil {
		return nil, &exitError{exitConnection, err}
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	states = map[engine.JobID]engine.JobState{}
	for _, j := range f.Jobs {
		if states[engine.JobID(j.ID)], err = s.JobState(ctx, engine.JobID(j.ID)); err != nil {
			return nil, err
		}
	}
	return states, nil
}

// hasStore reports whether there is a store to be read; opening the embedded one would make it.
func hasStore(f *config.File) bool {
	if f.Store.URL != "" {
		return true
	}
	_, err := os.Stat(filepath.Join(f.DataDir, store.File))
	return !errors.Is(err, fs.ErrNotExist)
}

// describe is the mapping in words, as the store keeps it.
func describe(m mapping.Mapping) string {
	text, err := json.Marshal(describeMapping(m))
	if err != nil {
		panic(err) // texts can always be encoded
	}
	return string(text)
}

func writeCheck(w io.Writer, asJSON bool, file string, results []checkResult, plans []nextCycle) error {
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]any{"file": file, "connections": results, "nextCycles": plans})
	}
	fmt.Fprintf(w, "%s is valid\n", file)
	for _, r := range results {
		fmt.Fprintf(w, "job %s, %s:\n", r.Job, r.Side)
		for _, f := range r.Findings {
			line := fmt.Sprintf("  %-7s  %s", f.Level, f.Name)
			if f.Detail != "" {
				line += ": " + f.Detail
			}
			fmt.Fprintln(w, line)
		}
	}
	for _, n := range plans {
		sentence := fmt.Sprintf("job %s: the next cycle is an %s one: %s", n.Job, n.Kind, n.Reason)
		if len(n.Differences) > 0 {
			sentence += ":"
		}
		writeDifferences(w, sentence, n.Differences)
	}
	return nil
}
