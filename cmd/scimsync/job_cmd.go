package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
)

func newJob(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "job",
		Short: "List jobs, and start, pause, restart, sync or stop one",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	r := newRemote(c, cmd)
	cmd.AddCommand(
		newJobList(r), newJobShow(r),
		newJobAct(r, jobAct{"start", "Start or resume a job; lifts a quarantine",
			"started", "cycles start by themselves as soon as `scimsync run` runs", (*web.Client).Start}),
		newJobAct(r, jobAct{"pause", "Pause a job: the running cycle ends, no other starts, everything is kept",
			"paused", "", (*web.Client).Pause}),
		newJobAct(r, jobAct{"stop", "Stop the running cycle after the objects in hand; the next one goes on there",
			"stopped: the running cycle ends after the objects in hand", "", (*web.Client).Stop}),
		newJobRestart(r), newJobSync(r), newDeletions(r),
	)
	return cmd
}

func newJobList(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List all jobs, how they are, and what to do about it",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				jobs, err := a.Jobs(ctx)
				if err != nil {
					return err
				}
				if r.json() {
					return writeDocument(r.out, web.Page[web.SynchronizationJob]{Value: jobs})
				}
				return writeJobs(r.out, a, jobs)
			})
		},
	}
}

func writeJobs(w io.Writer, a *api, jobs []web.SynchronizationJob) error {
	t := newTable(w, "JOB", "STATUS", "EVERY", "LAST CYCLE", "ENDED", "USERS", "GROUPS", "FAILED", "HELD", "TARGET")
	for _, j := range jobs {
		last, at := "", ""
		if e := j.Status.LastExecution; e != nil {
			last = howEnded(j)
			if e.TimeEnded != nil {
				at = when(*e.TimeEnded)
			}
		}
		t.row(j.ID, statusOf(j), every(j.Schedule.Interval), last, at, linked(j, engine.User), linked(j, engine.Group),
			j.Queue[engine.ChangeEscrow]+j.Queue[engine.ChangeExpired]+j.References.Failed, j.Queue[engine.ChangeHeld]+j.References.Held, j.Target.Name)
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, j := range jobs {
		writeAdvice(w, j.ID+": ", advice(a, j))
	}
	return nil
}

// executionWords say how a cycle ended, in few words.
var executionWords = map[engine.CycleState]string{
	engine.CycleSucceeded: "succeeded", engine.CycleFailed: "broke off", engine.CycleEntryErrors: "some objects failed",
	engine.CycleQuarantined: "quarantined", engine.CycleHeld: "held",
}

// graphStates are ours by those of Graph, for a service that tells no more.
var graphStates = map[string]engine.CycleState{"Succeeded": engine.CycleSucceeded, "Failed": engine.CycleFailed, "EntryLevelErrors": engine.CycleEntryErrors}

// howEnded says how the last cycle of a job ended.
func howEnded(j web.SynchronizationJob) string {
	switch e, c := j.Status.LastExecution, j.LastCycle; {
	case e == nil:
		return ""
	case c != nil && c.Cycle == e.ActivityIdentifier:
		return executionWords[c.State]
	default:
		return executionWords[graphStates[e.State]]
	}
}

// statusOf is the status of a job in a few words.
func statusOf(j web.SynchronizationJob) string {
	s := strings.ToLower(j.Status.Code)
	switch {
	case !j.Enabled:
		s = "off"
	case j.Schedule.State == "Disabled":
		s = "disabled"
	case j.Status.Code == "NotRun":
		s = "not run yet"
	case j.Status.Code == "Quarantine" && j.Status.Quarantine != nil && j.Status.Quarantine.Reason == engine.QuarantineDeletes:
		s = "deletions held"
	case j.Status.Code == "Active" && j.References.Held > 0:
		s = "removals held"
	}
	if j.Running != nil {
		s += ", running"
	}
	return s
}

// every is an interval as the configuration writes it: 40m for PT40M.
func every(iso *string) string {
	if iso == nil {
		return ""
	}
	return strings.ToLower(strings.TrimPrefix(*iso, "PT"))
}

// linked is the number of accounts or groups that a job looks after.
func linked(j web.SynchronizationJob, k engine.Kind) int {
	n := 0
	for _, of := range j.Links[k] {
		n += of
	}
	return n
}

// advised is something that is not as it should be, and how to go on.
type advised struct{ what, next string }

func writeAdvice(w io.Writer, before string, all []advised) {
	for _, d := range all {
		fmt.Fprintf(w, "\n%s%s\n", before, clean(d.what))
		if d.next != "" {
			fmt.Fprintf(w, "  %s\n", d.next)
		}
	}
}

// advice says what needs somebody's attention at a job, and the command for it.
func advice(a *api, j web.SynchronizationJob) []advised {
	var out []advised
	say := func(what, next string) { out = append(out, advised{what, next}) }
	q := j.Status.Quarantine
	switch {
	case !j.Enabled:
		say("switched off in the configuration; set enabled: true there and restart the service", "")
	case j.Schedule.State == "Disabled":
		say("disabled after four weeks in quarantine; mend the cause and start it", a.next("job start %s", j.ID))
	case j.Schedule.State == "Paused":
		say("nothing runs by itself while it is paused", a.next("job start %s", j.ID))
	case j.Status.Code == "NotRun" && j.Running == nil:
		say("no cycle was ever completed; look at what one would do, then run it", a.next("plan %s", j.ID)+"\n  "+a.next("job sync %s", j.ID))
	}
	if q != nil && q.Reason != engine.QuarantineDeletes {
		say("in quarantine since "+when(q.CurrentBegan)+quarantineWords(*q), a.next("job start %s", j.ID))
	}
	switch n := j.Queue[engine.ChangeHeld]; {
	case n > 0 && q != nil && q.Reason == engine.QuarantineDeletes && q.Error != nil:
		why, _, _ := strings.Cut(q.Error.Message, ". ") // what to do follows here
		say(why+", until somebody decides about them", a.next("job deletions %s list", j.ID))
	case n > 0:
		say(fmt.Sprintf("disables and deletes are held back (%s) until somebody decides about them, and the next cycle acts on that", quantity(n, "object")), a.next("job deletions %s list", j.ID))
	case q != nil && q.Reason == engine.QuarantineDeletes:
		say("something is held back, or was and has its verdict, on which the next cycle acts", a.next("job deletions %s list", j.ID))
	}
	if r := j.References; r.Held > 0 {
		say(fmt.Sprintf("memberships are held back from being removed (%s of %s) until somebody decides about them: these people keep what the groups give them",
			quantity(r.Held, "removal"), quantity(r.HeldGroups, "group")), a.next("job deletions %s list", j.ID))
	}
	if n := j.Queue[engine.ChangeEscrow] + j.Queue[engine.ChangeExpired]; n+j.References.Failed > 0 {
		say(failureCount(n, j.References.Failed)+" failed", a.next("escrow list %s", j.ID))
	}
	if e := j.Target.Expires; !e.IsZero() && time.Until(e) < 30*24*time.Hour {
		verb := "end"
		if time.Until(e) < 0 {
			verb = "ended"
		}
		say("the credentials of the target "+verb+" at "+when(e)+"; put new ones into the configuration", "")
	}
	return out
}

// failureCount says what failed, in words.
func failureCount(objects, references int) string {
	var parts []string
	if objects > 0 {
		parts = append(parts, quantity(objects, "object"))
	}
	if references > 0 {
		parts = append(parts, quantity(references, "reference"))
	}
	return strings.Join(parts, ", ")
}

// quarantineWords say why a job is in quarantine and when it is tried again.
func quarantineWords(q web.QuarantineInfo) string {
	s := " (" + string(q.Reason)
	if q.Error != nil {
		s += ": " + q.Error.Message
	}
	s += ")"
	if !q.NextAttempt.IsZero() && q.Reason != engine.QuarantineOnDemand {
		s += "; tried again at " + when(q.NextAttempt)
	}
	return s + "; mend the cause, then start it"
}

func newJobShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "show [JOB]",
		Short: "Show one job: what it connects, how it is, what it waits for, and what to do next",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				id, err := a.job(ctx, args)
				if err != nil {
					return err
				}
				return r.showJob(ctx, a, id, func(j web.SynchronizationJob) error { return writeJob(r.out, a, j) })
			})
		},
	}
}

// showJob reads a job and prints it, for people as write does.
func (c *console) showJob(ctx context.Context, a *api, id engine.JobID, write func(web.SynchronizationJob) error) error {
	j, err := a.Job(ctx, id)
	if err != nil {
		return err
	}
	if c.json() {
		return writeDocument(c.out, j)
	}
	return write(j)
}

func writeJob(w io.Writer, a *api, j web.SynchronizationJob) error {
	fmt.Fprintf(w, "job %s: %s\n", j.ID, statusOf(j))
	f := newFacts(w)
	f.add("source", endpoint(j.Source))
	f.add("target", endpoint(j.Target))
	f.add("scope", map[engine.Scope]string{engine.ScopeAssigned: "who is assigned to the application", engine.ScopeAll: "everybody in the directory"}[j.Scope])
	f.add("schedule", schedule(j))
	f.add("users", states(j.Links[engine.User]))
	f.add("groups", states(j.Links[engine.Group]))
	f.add("queue", queue(j.Queue))
	f.add("references", references(j.References))
	for _, s := range j.Settings {
		if s.Name == "QuarantineTooManyDeletesThreshold" && s.Value != "0" {
			f.add("guard", "more than "+s.Value+" disables and deletes of one cycle are held back")
		}
	}
	if c := j.Running; c != nil {
		f.add("running", fmt.Sprintf("%s cycle since %s: %s, %d of %d", c.Kind, when(c.StartedAt), c.Phase, c.Done, c.Total))
	}
	f.add("last cycle", execution(a, j))
	if e := j.Status.LastSuccessfulExecution; e != nil && (j.Status.LastExecution == nil || e.ActivityIdentifier != j.Status.LastExecution.ActivityIdentifier) {
		f.add("last success", when(e.TimeBegan))
	}
	if n := j.Status.SuccessiveFailures; n > 0 {
		f.add("failed cycles", strconv.FormatInt(n, 10)+" in a row")
	}
	if err := f.end(); err != nil {
		return err
	}
	writeAdvice(w, "", advice(a, j))
	return nil
}

func endpoint(e web.Endpoint) string {
	parts := []string{e.Name}
	if e.TenantID != "" {
		parts = append(parts, "tenant "+e.TenantID)
	}
	if e.BaseURL != "" {
		parts = append(parts, e.BaseURL)
	}
	if e.AuthType != "" {
		parts = append(parts, e.AuthType)
	}
	if !e.Expires.IsZero() {
		parts = append(parts, "credentials end "+e.Expires.Format(time.DateOnly))
	}
	return strings.Join(parts, ", ")
}

func schedule(j web.SynchronizationJob) string {
	s := "none until it is started"
	if j.Schedule.Interval != nil {
		s = "every " + every(j.Schedule.Interval)
	}
	if j.Schedule.State != "Active" {
		s += ", " + strings.ToLower(j.Schedule.State)
	}
	return s
}

// states counts links by their state, in words.
func states(n map[engine.LinkState]int) string {
	var parts []string
	for _, s := range []engine.LinkState{engine.Managed, engine.Suspended, engine.Released} {
		if n[s] > 0 || s == engine.Managed {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	return strings.Join(parts, ", ")
}

// queueWords say what queued changes wait for.
var queueWords = map[engine.ChangeState]string{
	engine.ChangeQueued: "to be looked at", engine.ChangeReady: "to be exported", engine.ChangeEscrow: "failed and tried again",
	engine.ChangeHeld: "held back", engine.ChangeLater: "put off to a date", engine.ChangeExpired: "failed and given up",
}

func queue(n map[engine.ChangeState]int) string {
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(n)) {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], queueWords[s]))
		}
	}
	if len(parts) == 0 {
		return "empty"
	}
	return strings.Join(parts, ", ")
}

// references says what waits of memberships and managers, "" if nothing does.
func references(r web.ReferenceCounts) string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{r.Held, "removals held back"}, {r.Rejected, "removals rejected"}, {r.Failed, "failed"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

func execution(a *api, j web.SynchronizationJob) string {
	e := j.Status.LastExecution
	if e == nil {
		return ""
	}
	s := howEnded(j) + ", began " + when(e.TimeBegan) + ": "
	if e.Error != nil && (j.LastCycle == nil || j.LastCycle.State != engine.CycleHeld) { // what is held is told by the advice
		return s + e.Error.Code + ": " + e.Error.Message
	}
	return s + fmt.Sprintf("%d exported, %d failed; %s", e.CountExported, e.CountEscrowedRaw, a.next("logs %s --cycle %s", j.ID, e.ActivityIdentifier))
}

// jobAct is a command that does one thing to a job.
type jobAct struct {
	verb, short string
	done, later string // what is said after it; later only when no service runs
	do          func(*web.Client, context.Context, engine.JobID) error
}

func newJobAct(r *remote, act jobAct) *cobra.Command {
	return &cobra.Command{
		Use:   act.verb + " [JOB]",
		Short: act.short,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				id, err := a.job(ctx, args)
				if err != nil {
					return err
				}
				if err := act.do(a.Client, ctx, id); err != nil {
					return err
				}
				return r.showJob(ctx, a, id, func(j web.SynchronizationJob) error {
					fmt.Fprintf(r.out, "job %s: %s\n", id, act.done)
					if a.local && act.later != "" {
						fmt.Fprintf(r.out, "no service runs here; %s, or now with:\n  %s\n", act.later, a.next("job sync %s", id))
					}
					return nil
				})
			})
		},
	}
}

// resetWords are the words of --reset in those of the API. Links are what everything else hangs on, so that
// nothing else is kept without them.
var resetWords = map[string]string{"watermark": "Watermark", "escrows": "Escrows", "quarantine": "QuarantineState", "links": "Full", "full": "Full"}

func newJobRestart(r *remote) *cobra.Command {
	var resets []string
	var start, yes bool
	cmd := &cobra.Command{
		Use:   "restart [JOB]",
		Short: "Reset a job: its next cycle looks at everybody anew",
		Long: `Resets a job, so that its next cycle is an initial one: it reads the source from the beginning and looks at
every object again. A running cycle is stopped first. Nothing is written to the application before that cycle.

--reset says what is forgotten:
  watermark   how far the source was read
  escrows     failures, and when they are tried again
  quarantine  the quarantine of the job
  links       which source object belongs to which target object, and with it all of the above
  full        everything; the same as links
Without --reset: watermark, escrows and quarantine, as the button of the portal does. Links are kept then.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			scopes, links, err := scopesOf(resets)
			if err != nil {
				return err
			}
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				id, err := a.job(ctx, args)
				if err != nil {
					return err
				}
				if links {
					if err := r.confirmForgetting(ctx, a, id, yes); err != nil {
						return err
					}
				}
				if err := a.Restart(ctx, id, scopes, start); err != nil {
					return err
				}
				return r.showJob(ctx, a, id, func(j web.SynchronizationJob) error {
					fmt.Fprintf(r.out, "job %s: reset; its next cycle looks at everybody anew\n", id)
					switch {
					case j.Schedule.State != "Active":
						fmt.Fprintf(r.out, "it is %s; to go on:\n  %s\n", statusOf(j), a.next("job start %s", id))
					case a.local:
						fmt.Fprintf(r.out, "no service runs here; to run that cycle now:\n  %s\n", a.next("job sync %s", id))
					}
					return nil
				})
			})
		},
	}
	cmd.Flags().StringSliceVar(&resets, "reset", nil, "what is forgotten: a `list` of watermark, escrows, quarantine, links; or full")
	cmd.Flags().BoolVar(&start, "start", false, "also start a paused job")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// scopesOf translates --reset, and says whether links go.
func scopesOf(words []string) (scopes []string, links bool, err error) {
	for _, w := range words {
		s, ok := resetWords[strings.ToLower(strings.TrimSpace(w))]
		if !ok {
			return nil, false, usage("--reset %s: use watermark, escrows, quarantine, links or full, joined by commas", w)
		}
		if links = links || s == "Full"; !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	if links {
		scopes = []string{"Full"}
	}
	return scopes, links, nil
}

// confirmForgetting says what it means to forget links.
func (r *remote) confirmForgetting(ctx context.Context, a *api, id engine.JobID, yes bool) error {
	j, err := a.Job(ctx, id)
	if err != nil {
		return err
	}
	return r.confirm(ctx, yes, fmt.Sprintf(`The links of job %s are forgotten: %s, %s.
The next cycle has to find every account again by its matching attributes. An account that it does not find is created a
second time; one whose owner left in the meantime, or leaves before it is found, is not disabled by this job any more.
Forget them?`, id, quantity(linked(j, engine.User), "user"), quantity(linked(j, engine.Group), "group")),
		"repeat the command with --yes if that is wanted. To keep the links: --reset watermark,escrows,quarantine")
}
