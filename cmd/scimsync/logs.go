package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/store"
)

// pollEvery is how often --follow looks for new rows.
const pollEvery = time.Second

func newLogs(c *console) *cobra.Command {
	var filter engine.LogFilter
	var user, action, status, since, cycle string
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs [JOB]",
		Short: "Show the provisioning log: what was done to whom, and why",
		Long: `Shows the provisioning log of a job, oldest first: one row for each operation on an object in a cycle, with
the rule it followed, what was changed and, for a failure, what the application said. With --output json, one JSON
object a line. It reads the state of the job directly; the service may run meanwhile.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			filter.Subject, filter.Action, filter.Status, filter.Cycle = user, engine.Action(action), engine.LogStatus(status), engine.CycleID(cycle)
			if err := checkFilter(&filter, since, time.Now()); err != nil {
				return err
			}
			f, j, err := c.named(args)
			if err != nil {
				return err
			}
			if !hasStore(f) {
				_, err := fmt.Fprintf(c.err, "job %s has no log: nothing ever ran with dataDir %s\n", j.ID, f.DataDir)
				return err
			}
			s, err := store.Open(cmd.Context(), f.Store.URL, f.DataDir)
			if err != nil {
				return &exitError{exitConnection, err}
			}
			defer func() {
				if cerr := s.Close(); err == nil {
					err = cerr
				}
			}()
			return c.writeLog(cmd.Context(), s, engine.JobID(j.ID), filter, follow)
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "only rows about this person or group: `id` or part of a name, on either side")
	cmd.Flags().StringVar(&action, "action", "", "only create, update, disable, enable, delete, skip, nothing or stagedDelete")
	cmd.Flags().StringVar(&status, "status", "", "only success, failure, skipped or warning")
	cmd.Flags().StringVar(&since, "since", "", "only rows from then on: a `duration` back (24h) or a time (2031-03-01T08:00:00Z)")
	cmd.Flags().StringVar(&cycle, "cycle", "", "only rows of this cycle")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on showing rows as they come")
	return cmd
}

// checkFilter refuses words that no row can have, and reads since.
func checkFilter(f *engine.LogFilter, since string, now time.Time) error {
	actions := []engine.Action{"", engine.Create, engine.Update, engine.Disable, engine.Enable, engine.Delete, engine.Skip, engine.Nothing, engine.Staged}
	if !slices.Contains(actions, f.Action) {
		return usage("--action %s: use create, update, disable, enable, delete, skip, nothing or stagedDelete", f.Action)
	}
	states := []engine.LogStatus{"", engine.StatusSuccess, engine.StatusFailure, engine.StatusSkipped, engine.StatusWarning}
	if !slices.Contains(states, f.Status) {
		return usage("--status %s: use success, failure, skipped or warning", f.Status)
	}
	at, err := moment("since", since, now)
	if err != nil {
		return err
	}
	f.Since = at
	return nil
}

// writeLog prints rows page by page, and with follow goes on until ctx ends.
func (c *console) writeLog(ctx context.Context, log engine.Log, j engine.JobID, f engine.LogFilter, follow bool) error {
	for {
		rows, err := log.Entries(ctx, j, f)
		if err != nil {
			if follow && ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, e := range rows {
			f.AfterID = e.ID
			if err := c.writeRow(e); err != nil {
				return err
			}
		}
		switch {
		case len(rows) > 0:
		case !follow:
			return nil
		default:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pollEvery):
			}
		}
	}
}

func (c *console) writeRow(e engine.LogEntry) error {
	if c.json() {
		return json.NewEncoder(c.out).Encode(web.LogRowOf(e))
	}
	if _, err := fmt.Fprintf(c.out, "%s  ", e.At.Local().Format(time.DateTime)); err != nil {
		return err
	}
	return writeEvent(c.out, e, "                     ")
}

// writeFailures prints what failed in a cycle, the first few, and where the rest is to be found.
func writeFailures(ctx context.Context, w io.Writer, log engine.Log, c engine.Cycle) error {
	const most = 10
	rows, err := log.Entries(ctx, c.Job, engine.LogFilter{Cycle: c.ID, Status: engine.StatusFailure, Limit: most + 1})
	if err != nil || len(rows) == 0 {
		return err
	}
	for i, e := range rows {
		if i == most {
			_, err := fmt.Fprintf(w, "  … for all of them: scimsync logs %s --status failure --cycle %s\n", c.Job, c.ID)
			return err
		}
		fmt.Fprint(w, "  ")
		if err := writeEvent(w, e, "    "); err != nil {
			return err
		}
	}
	return nil
}
