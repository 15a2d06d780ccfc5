package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/engine"
)

func newDrift(c *console) *cobra.Command {
	var repair, all bool
	cmd := &cobra.Command{
		Use:   "drift [JOB]",
		Short: "Compare the target's accounts with what the job believes",
		Long: `Reads all accounts and groups of the target and says what each is to the job, and what was changed at the target
since it was exported. Nothing is written. With --repair what differs is queued, and the next cycle writes it as it
should be; accounts that are nobody's are never touched.`,
		Args: cobra.MaximumNArgs(1),
	}
	r := newRemote(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
			id, err := a.job(ctx, args)
			if err != nil {
				return err
			}
			d, err := a.Drift(ctx, id, repair)
			if err != nil {
				return err
			}
			if r.json() {
				return writeDocument(r.out, d)
			}
			most := shownFindings
			if all {
				most = len(d.Findings)
			}
			return writeDrift(r.out, a, id, d, repair, most)
		})
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "queue what differs for the next cycle")
	cmd.Flags().BoolVar(&all, "all", false, "list all findings, not only the first 50")
	return cmd
}

// shownFindings is how many findings are listed unless all are asked for.
const shownFindings = 50

// driftClasses are the classes in the order of what needs attention, with what each means.
var driftClasses = []struct {
	class engine.DriftClass
	means string
}{
	{engine.DriftAssigned, "belong to somebody in scope"},
	{engine.DriftUnentitled, "linked, but their owners are not entitled to one; those disabled already are as they should be"},
	{engine.DriftOrphaned, "links whose account is gone from the target"},
	{engine.DriftUnassigned, "belong to somebody who is not in scope, and are not managed"},
	{engine.DriftAmbiguous, "match several objects, on either side"},
	{engine.DriftLocal, "match nobody at the source"},
}

func writeDrift(w io.Writer, a *api, id engine.JobID, d engine.Drift, repair bool, most int) error {
	t := newTable(w, "ACCOUNTS", "CLASS", "WHAT IT MEANS")
	for _, c := range driftClasses {
		if n := d.Classes[c.class]; n > 0 || c.class == engine.DriftAssigned {
			t.row(n, c.class, c.means)
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(d.Incomplete)) {
		fmt.Fprintf(w, "\nThe target may not have listed all %ss: %s. So no link of them is called orphaned.\n", k, clean(d.Incomplete[k]))
	}
	fmt.Fprintln(w)
	if err := writeFindings(w, a, id, d.Findings, most); err != nil {
		return err
	}
	differs := d.Accounts + d.Attributes + d.Memberships
	switch {
	case differs == 0:
		fmt.Fprintln(w, "The target is as the job believes.")
	default:
		fmt.Fprintf(w, "Differences: %s, %s, %s\n", quantity(d.Accounts, "account"), quantity(d.Attributes, "attribute"), quantity(d.Memberships, "membership"))
	}
	switch {
	case repair && d.Repaired > 0:
		fmt.Fprintf(w, "%s queued; the next cycle puts them right:\n  %s\n", quantity(d.Repaired, "object"), a.next("job sync %s", id))
	case d.Repairable == 0 && differs > 0:
		fmt.Fprintln(w, "No cycle puts any of that right: what the job does not manage stays, and a repair changes nothing about it.")
	case repair:
		fmt.Fprintln(w, "There is nothing that a cycle could put right.")
	case differs > 0:
		fmt.Fprintf(w, "To put right what the job manages, with its next cycle:\n  %s\n", a.next("drift %s --repair", id))
	}
	if d.Classes[engine.DriftAmbiguous]+d.Classes[engine.DriftLocal] > 0 {
		fmt.Fprintf(w, "An account that belongs to somebody, though matching does not find it:\n  %s\n", a.next("link add %s SOURCE-ID TARGET-ID", id))
	}
	return nil
}

func writeFindings(w io.Writer, a *api, id engine.JobID, findings []engine.DriftFinding, most int) error {
	if len(findings) == 0 {
		return nil
	}
	t := newTable(w, "CLASS", "TYPE", "NAME", "TARGET", "DIFFERENCE")
	for _, f := range findings[:min(most, len(findings))] {
		name := cmp.Or(f.Source.Name, f.Target.Name, f.Source.ID)
		if len(f.Changes) == 0 {
			t.row(f.Class, f.Kind, name, f.Target.ID, short(clean(f.Detail), 80))
		}
		for i, c := range f.Changes {
			what := fmt.Sprintf("%s: has %s, should have %s", c.Attribute, short(valueText(c.Old), 60), short(valueText(c.New), 60))
			switch id, member := c.Old.(string); {
			case member && slices.Contains(f.Strangers, id):
				what = fmt.Sprintf("%s: has %s, which is not the job's and stays", c.Attribute, short(id, 60))
			case c.New == nil && c.Attribute == "members":
				what = fmt.Sprintf("%s: has %s, should not have it", c.Attribute, short(valueText(c.Old), 60))
			}
			if i == 0 {
				t.row(f.Class, f.Kind, name, f.Target.ID, what)
			} else {
				fmt.Fprintf(t.tw, "\t\t\t\t%s\n", clean(what))
			}
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	if left := len(findings) - most; left > 0 {
		fmt.Fprintf(w, "… and %d more; all of them with: %s\n", left, a.next("drift %s --all", id))
	}
	_, err := fmt.Fprintln(w)
	return err
}
