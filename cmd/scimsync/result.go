package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// runResult is the answer of `run --once` (contract section 4).
type runResult struct {
	Cycles []cycleResult `json:"cycles"`
}

type cycleResult struct {
	Job         string            `json:"job"`
	Cycle       string            `json:"cycle"`
	Kind        engine.CycleKind  `json:"kind"`
	State       engine.CycleState `json:"state"`
	StartedAt   time.Time         `json:"startedAt"`
	EndedAt     time.Time         `json:"endedAt"`
	Users       userCounts        `json:"users"`
	Groups      groupCounts       `json:"groups"`
	Memberships membershipCounts  `json:"memberships"`
	Requests    requestCounts     `json:"requests"`
	Quarantine  *cycleProblem     `json:"quarantine"`
	Error       *cycleProblem     `json:"error,omitempty"`
}

type userCounts struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Disabled  int `json:"disabled"`
	Enabled   int `json:"enabled"`
	Deleted   int `json:"deleted"`
	Unchanged int `json:"unchanged"`
	Skipped   int `json:"skipped"`
	Failed    int `json:"failed"`
	Held      int `json:"held"`
}

type groupCounts struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Deleted   int `json:"deleted"`
	Unchanged int `json:"unchanged"`
	Skipped   int `json:"skipped"`
	Failed    int `json:"failed"`
	Held      int `json:"held"`
}

type membershipCounts struct {
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Pending int `json:"pending"`
	Failed  int `json:"failed"`
}

type requestCounts struct {
	Source       int `json:"source"`
	Target       int `json:"target"`
	TargetWrites int `json:"targetWrites"`
}

type cycleProblem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func resultOf(c engine.Cycle) cycleResult {
	n := c.Counts
	u, g := engine.User.Counter, engine.Group.Counter
	r := cycleResult{
		Job: string(c.Job), Cycle: string(c.ID), Kind: c.Kind, State: c.State, StartedAt: c.StartedAt, EndedAt: c.EndedAt,
		Users: userCounts{
			Created: n[u(engine.BucketCreated)], Updated: n[u(engine.BucketUpdated)], Disabled: n[u(engine.BucketDisabled)],
			Enabled: n[u(engine.BucketEnabled)], Deleted: n[u(engine.BucketDeleted)], Unchanged: n[u(engine.BucketUnchanged)],
			Skipped: n[u(engine.BucketSkipped)], Failed: n[u(engine.BucketFailed)], Held: n[u(engine.BucketHeld)],
		},
		Groups: groupCounts{
			Created: n[g(engine.BucketCreated)], Updated: n[g(engine.BucketUpdated)] + n[g(engine.BucketEnabled)],
			Deleted: n[g(engine.BucketDeleted)], Unchanged: n[g(engine.BucketUnchanged)],
			Skipped: n[g(engine.BucketSkipped)], Failed: n[g(engine.BucketFailed)], Held: n[g(engine.BucketHeld)],
		},
		Memberships: membershipCounts{
			Added: n[engine.MembershipsAdded], Removed: n[engine.MembershipsRemoved],
			Pending: n[engine.MembershipsPending], Failed: n[engine.MembershipsFailed],
		},
		Requests: requestCounts{Source: n[engine.RequestsSource], Target: n[engine.RequestsTarget], TargetWrites: n[engine.RequestsWrites]},
	}
	switch p := (&cycleProblem{Code: c.ErrorCode, Message: c.Error}); {
	case c.State == engine.CycleQuarantined:
		r.Quarantine = p
	case c.ErrorCode != "" || c.Error != "":
		r.Error = p
	}
	return r
}

// exitOf is the exit code of a run: the gravest of its cycles.
func exitOf(cycles []engine.Cycle) int {
	code := exitDone
	for _, c := range cycles {
		switch c.State {
		case engine.CycleFailed:
			if c.ErrorCode == "internal" || c.ErrorCode == "stopped" {
				code = max(code, exitInternal)
			} else {
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
	out := runResult{Cycles: []cycleResult{}}
	for _, c := range cycles {
		out.Cycles = append(out.Cycles, resultOf(c))
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
func writeCycle(w io.Writer, c cycleResult) error {
	took := c.EndedAt.Sub(c.StartedAt).Round(10 * time.Millisecond)
	fmt.Fprintf(w, "job %s: %s cycle %s in %s\n", c.Job, c.Kind, stateWords[c.State], took)
	return writeCounts(w, c)
}

// writeCounts prints the numbers of a cycle.
func writeCounts(w io.Writer, c cycleResult) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\tcreated\tupdated\tenabled\tdisabled\tdeleted\tunchanged\tskipped\tfailed")
	u, g, m := c.Users, c.Groups, c.Memberships
	fmt.Fprintf(tw, "  users\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", u.Created, u.Updated, u.Enabled, u.Disabled, u.Deleted, u.Unchanged, u.Skipped, u.Failed)
	fmt.Fprintf(tw, "  groups\t%d\t%d\t-\t-\t%d\t%d\t%d\t%d\n", g.Created, g.Updated, g.Deleted, g.Unchanged, g.Skipped, g.Failed)
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "  memberships: %d added, %d removed, %d pending, %d failed\n", m.Added, m.Removed, m.Pending, m.Failed)
	fmt.Fprintf(w, "  requests: %d to the source, %d to the target (%d of them writes)\n", c.Requests.Source, c.Requests.Target, c.Requests.TargetWrites)
	for _, p := range []*cycleProblem{c.Quarantine, c.Error} {
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
