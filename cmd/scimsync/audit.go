package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
)

// activities are short words for what the audit has, in the order of its list.
var activities = map[string]string{
	"start": engine.AuditStarted, "pause": engine.AuditPaused, "restart": engine.AuditRestarted, "stop": engine.AuditStopped, "sync": engine.AuditSynced,
	"quarantine": engine.AuditQuarantine, "approve": engine.AuditApproved, "reject": engine.AuditRejected, "retry": engine.AuditRetried, "ignore": engine.AuditIgnored,
	"provision": engine.AuditOnDemand, "plan": engine.AuditPlanned, "link": engine.AuditLinked, "unlink": engine.AuditUnlinked, "drift": engine.AuditDrift,
	"repair": engine.AuditRepaired, "check": engine.AuditTested, "erase": engine.AuditDeleted, "export": engine.AuditExported, "mapping": engine.AuditMappings,
	"settings": engine.AuditSettings, "expiry": engine.AuditCredentials,
}

func newAudit(c *console) *cobra.Command {
	var job, activity, since, until string
	var q web.AuditQuery
	limit := 0
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show who changed or started what",
		Long: `Shows what people and programs did to jobs, and what the service decided about a job as a whole: who, when, from
where, what it was before and after. The newest comes last. --activity takes the words of the list, or one of
` + strings.Join(slices.Sorted(maps.Keys(activities)), ", ") + ".",
	}
	r := newRemote(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		now := time.Now()
		if q.Since, err = moment("since", since, now); err != nil {
			return err
		}
		if q.Until, err = moment("until", until, now); err != nil {
			return err
		}
		if q.Activity, err = activityOf(activity); err != nil {
			return err
		}
		if limit < 1 {
			return usage("--limit %d: must be 1 or more", limit)
		}
		q.Job = engine.JobID(job)
		return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
			rows, older, err := newestAudit(ctx, a, q, limit)
			if err != nil {
				return err
			}
			if r.json() {
				return writeDocument(r.out, web.Page[engine.AuditEntry]{Value: rows})
			}
			return writeAudit(r.out, rows, older)
		})
	}
	cmd.Flags().StringVar(&job, "job", "", "only about this `job`")
	cmd.Flags().StringVar(&q.By, "by", "", "only what this `name` of a token or user did")
	cmd.Flags().StringVar(&activity, "activity", "", "only this `activity`, for example approve")
	cmd.Flags().StringVar(&since, "since", "", "only from then on: a `duration` back (24h) or a time (2031-03-01T08:00:00Z)")
	cmd.Flags().StringVar(&until, "until", "", "only before: a `duration` back or a time")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most this many, the newest")
	return cmd
}

func activityOf(word string) (string, error) {
	if word == "" {
		return "", nil
	}
	if a, ok := activities[strings.ToLower(word)]; ok {
		return a, nil
	}
	for _, a := range activities {
		if strings.EqualFold(a, word) {
			return a, nil
		}
	}
	return "", usage("--activity %s: use one of %s", word, strings.Join(slices.Sorted(maps.Keys(activities)), ", "))
}

// newestAudit reads the newest rows. The API lists the oldest first, so that all of them pass by. older says that there
// are others.
func newestAudit(ctx context.Context, a *api, q web.AuditQuery, most int) (rows []engine.AuditEntry, older bool, err error) {
	rows, q.Limit = []engine.AuditEntry{}, 1000
	for {
		page, err := a.Audit(ctx, q)
		if err != nil {
			return nil, false, err
		}
		rows = append(rows, page...)
		if extra := len(rows) - most; extra > 0 {
			rows, older = slices.Delete(rows, 0, extra), true
		}
		if len(page) < q.Limit {
			return rows, older, nil
		}
		q.After = page[len(page)-1].ID
	}
}

func writeAudit(w io.Writer, rows []engine.AuditEntry, older bool) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, "nothing of the kind was done")
		return err
	}
	if older {
		fmt.Fprintln(w, "There are older ones; more of them with --limit or --since.")
	}
	t := newTable(w, "WHEN", "WHO", "JOB", "WHAT", "DETAILS")
	for _, e := range rows {
		t.row(e.At.Local().Format(time.DateTime), auditWho(e), e.Job, auditWhat(e), auditDetails(e))
	}
	return t.end()
}

func auditWho(e engine.AuditEntry) string {
	if e.From == "" {
		return e.By
	}
	return e.By + " (" + e.From + ")"
}

func auditWhat(e engine.AuditEntry) string {
	if e.Failed {
		return e.Activity + " (failed)"
	}
	return e.Activity
}

// auditDetails are before, after and comment, as far as there are some.
func auditDetails(e engine.AuditEntry) string {
	var parts []string
	switch before, after := short(clean(e.Before), 60), short(clean(e.After), 60); {
	case before != "" && after != "":
		parts = append(parts, before+" → "+after)
	case before+after != "":
		parts = append(parts, before+after)
	}
	if e.Comment != "" {
		parts = append(parts, short(clean(e.Comment), 120))
	}
	return strings.Join(parts, ": ")
}

// moment reads a flag that is a duration back from now, or a time.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, usage("--%s %s: neither a duration such as 24h nor a time such as 2031-03-01T08:00:00Z", flag, text)
	}
	return at, nil
}
