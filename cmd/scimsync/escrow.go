package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

func newEscrow(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "escrow",
		Short: "List the objects that failed and wait for a retry; retry or ignore them",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	r := newRemote(c, cmd)
	cmd.AddCommand(
		newEscrowList(r),
		newEscrowAct(r, escrowAct{"retry", "Try failed objects again in the next cycle, whenever they were due", "tried again in the next cycle", (*web.Client).Retry}),
		newEscrowAct(r, escrowAct{"ignore", "Drop failures: the objects are left alone until they change at the source", "left alone until they change at the source", (*web.Client).Ignore}),
	)
	return cmd
}

// shownEscrows is how many objects are listed unless all are asked for.
const shownEscrows = 20

func newEscrowList(r *remote) *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:   "list [JOB]",
		Short: "List what failed: by cause first, then by object",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				id, err := a.job(ctx, args)
				if err != nil {
					return err
				}
				most := shownEscrows
				if all || r.json() {
					most = 0
				}
				rows, err := failedObjects(ctx, a, id, most)
				if err != nil {
					return err
				}
				if r.json() {
					return writeDocument(r.out, web.Page[web.EscrowRow]{Value: rows})
				}
				causes, err := a.EscrowCauses(ctx, id)
				if err != nil {
					return err
				}
				return writeEscrows(r.out, a, id, causes, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "list all objects, not only the first 20")
	return cmd
}

// failedObjects reads the list of failures; most of 0 reads all of it.
func failedObjects(ctx context.Context, a *api, id engine.JobID, most int) ([]web.EscrowRow, error) {
	rows := []web.EscrowRow{}
	for q := (web.PageQuery{Top: cmp.Or(most, 1000)}); ; {
		page, err := a.Escrows(ctx, id, q)
		if err != nil {
			return nil, err
		}
		rows = append(rows, page.Value...)
		if q.Skip = page.Skip(); q.Skip == "" || most > 0 && len(rows) >= most {
			return rows, nil
		}
	}
}

func writeEscrows(w io.Writer, a *api, id engine.JobID, causes web.EscrowCauses, rows []web.EscrowRow) error {
	if causes.Total == 0 {
		_, err := fmt.Fprintf(w, "job %s: nothing failed\n", id)
		return err
	}
	t := newTable(w, "FAILED", "CAUSE", "WHAT WAS SAID", "SINCE", "TRIED AGAIN")
	for _, c := range causes.Value {
		t.row(c.Count, causeOf(c.Code, c.HTTPStatus), short(clean(c.Detail), 80), when(c.Oldest), causeDue(c))
	}
	if err := t.end(); err != nil {
		return err
	}
	if causes.Other > 0 {
		fmt.Fprintf(w, "… and %d of further causes\n", causes.Other)
	}
	writeRemedies(w, causes)
	fmt.Fprintln(w)
	if err := writeFailed(w, rows); err != nil {
		return err
	}
	if left := causes.Total - len(rows); left > 0 {
		fmt.Fprintf(w, "… and %d more; all of them with: %s\n", left, a.next("escrow list %s --all", id))
	}
	fmt.Fprintf(w, "\nWhen the cause is mended, try them again at once:\n  %s\n  %s\n", a.next("escrow retry %s --all", id), a.next("job sync %s", id))
	_, err := fmt.Fprintf(w, "Or leave some alone until they change at the source:\n  %s\n", a.next("escrow ignore %s ID...", id))
	return err
}

func causeOf(code engine.Code, status int) string {
	if status == 0 {
		return string(code)
	}
	return fmt.Sprintf("%s (HTTP %d)", code, status)
}

func causeDue(c web.EscrowCause) string {
	switch {
	case c.Expired == c.Count:
		return "never: failed for 28 days"
	case c.Expired > 0:
		return fmt.Sprintf("%s (%d never)", when(c.NextDue), c.Expired)
	default:
		return when(c.NextDue)
	}
}

// writeRemedies says of each code once what it means and what to do.
func writeRemedies(w io.Writer, causes web.EscrowCauses) {
	var said []engine.Code
	for _, c := range causes.Value {
		i := decide.ErrorInfo(engine.LogEntry{Code: c.Code, Status: engine.StatusFailure})
		if slices.Contains(said, c.Code) || i.Reason == "" {
			continue
		}
		if said = append(said, c.Code); len(said) == 1 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %s\n", c.Code, strings.TrimSpace(i.Reason+" "+i.RecommendedAction))
	}
}

func writeFailed(w io.Writer, rows []web.EscrowRow) error {
	t := newTable(w, "WHO", "CAUSE", "ATTEMPTS", "TRIED AGAIN", "ID")
	for _, r := range rows {
		due := when(r.Due)
		if r.State == engine.ChangeExpired {
			due = "never"
		}
		t.row(failedWho(r), r.Code, r.Attempts, due, r.ID)
	}
	return t.end()
}

// failedWho names what failed: an object, or one reference of it.
func failedWho(r web.EscrowRow) string {
	name := cmp.Or(r.Source.Name, r.Target.Name, r.Source.ID)
	if r.Type == engine.Group {
		name = "group " + name
	}
	if f := r.Reference; f != nil {
		verb := "set"
		switch {
		case f.Remove:
			verb = "remove"
		case f.Relation == engine.Member:
			verb = "add"
		}
		return fmt.Sprintf("%s: %s %s %s", name, verb, f.Relation, cmp.Or(f.ToName, f.To))
	}
	return name
}

// escrowAct does something about failures.
type escrowAct struct {
	verb, short, done string
	do                func(*web.Client, context.Context, engine.JobID, []string) (int, error)
}

func newEscrowAct(r *remote, act escrowAct) *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:   act.verb + " JOB (ID... | --all)",
		Short: act.short,
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids := args[1:]
			switch {
			case len(ids) > 0 && all:
				return usage("escrow %s: give ids or --all, not both", act.verb)
			case len(ids) == 0 && !all:
				return usage("escrow %s: which? give ids of the list (scimsync escrow list %s), or --all", act.verb, args[0])
			case all:
				ids = nil
			}
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				id, err := a.job(ctx, args)
				if err != nil {
					return err
				}
				n, err := act.do(a.Client, ctx, id, ids)
				if err != nil {
					return err
				}
				if n == 0 && len(ids) > 0 {
					return refuse("escrow %s: no failure of %s waits; the ids are in: scimsync escrow list %s", act.verb, strings.Join(ids, ", "), id)
				}
				if r.json() {
					return writeDocument(r.out, web.CountResult{Count: n})
				}
				fmt.Fprintf(r.out, "job %s: %s %s\n", id, quantity(n, "failure"), act.done)
				if left := len(ids) - n; left > 0 {
					fmt.Fprintf(r.out, "the list has no failure of %s\n", quantity(left, "other id"))
				}
				if n > 0 && act.verb == "retry" {
					fmt.Fprintf(r.out, "to run that cycle now:\n  %s\n", a.next("job sync %s", id))
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all failures of the job")
	return cmd
}
