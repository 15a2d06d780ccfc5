package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
)

// exitOf is the exit code of a run: the gravest of its cycles.
func exitOf(cycles []engine.Cycle) int {
	code := exitDone
	for _, c := range cycles {
		switch c.State {
		case engine.CycleFailed:
			switch c.ErrorCode {
			case "internal":
				code = max(code, exitInternal)
			case "stopped", cycle.CodeInterrupted: // by somebody; the rest waits for the next one
				code = max(code, exitFailed)
			default:
				code = max(code, exitConnection)
			}
		case engine.CycleQuarantined, engine.CycleHeld:
			code = max(code, exitHeld)
			if c.ErrorCode == string(engine.CodeTransport) || c.ErrorCode == string(engine.CodeTimeout) {
				code = max(code, exitConnection) // nobody is there: nothing was refused
			}
		case engine.CycleEntryErrors:
			code = max(code, exitFailed)
		}
	}
	return code
}

func writeResult(w io.Writer, asJSON bool, cycles []engine.Cycle) error {
	out := web.RunResult{Cycles: []web.CycleResult{}}
	for _, c := range cycles {
		out.Cycles = append(out.Cycles, web.CycleResultOf(c))
	}
	if asJSON {
		return json.NewEncoder(w).Encode(out)
	}
	for _, c := range out.Cycles {
		if err := writeCycle(w, c); err != nil {
			return err
		}
	}
	return nil
}

// writeCycle prints the outcome of one cycle for people.
func writeCycle(w io.Writer, c web.CycleResult) error {
	took := c.EndedAt.Sub(c.StartedAt).Round(10 * time.Millisecond)
	words := stateWords[c.State]
	if c.Error != nil && c.Error.Code == string(engine.ChangedSincePlan) {
		words = "ended, not all of the plan was done"
	}
	fmt.Fprintf(w, "job %s: %s cycle %s in %s\n", c.Job, c.Kind, words, took)
	return writeCounts(w, c)
}

// writeCounts prints the numbers of a cycle.
func writeCounts(w io.Writer, c web.CycleResult) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\tcreated\tupdated\tenabled\tdisabled\tdeleted\tunchanged\tskipped\tfailed")
	u, g, m := c.Users, c.Groups, c.Memberships
	fmt.Fprintf(tw, "  users\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", u.Created, u.Updated, u.Enabled, u.Disabled, u.Deleted, u.Unchanged, u.Skipped, u.Failed)
	fmt.Fprintf(tw, "  groups\t%d\t%d\t-\t-\t%d\t%d\t%d\t%d\n", g.Created, g.Updated, g.Deleted, g.Unchanged, g.Skipped, g.Failed)
	if err := tw.Flush(); err != nil {
		return err
	}
	if u.Held+g.Held > 0 {
		fmt.Fprintf(w, "  held back: %s, %s\n", quantity(u.Held, "user"), quantity(g.Held, "group"))
	}
	fmt.Fprintf(w, "  memberships: %d added, %d removed, %d pending, %d failed\n", m.Added, m.Removed, m.Pending, m.Failed)
	fmt.Fprintf(w, "  requests: %d to the source, %d to the target (%d of them writes)\n", c.Requests.Source, c.Requests.Target, c.Requests.TargetWrites)
	for _, p := range []*web.CycleProblem{c.Quarantine, c.Error} {
		if p != nil {
			fmt.Fprintf(w, "  %s: %s\n", p.Code, p.Message)
		}
	}
	return nil
}

var stateWords = map[engine.CycleState]string{
	engine.CycleRunning:     "still running",
	engine.CycleSucceeded:   "succeeded",
	engine.CycleFailed:      "broke off",
	engine.CycleEntryErrors: "ended, some objects failed and are tried again later",
	engine.CycleQuarantined: "stopped: the job is in quarantine",
	engine.CycleHeld:        "ended, deletions are held back",
}
