package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// verdictFlags are what an approval or a rejection is about.
type verdictFlags struct {
	ids               []string
	snapshot, comment string
	yes               bool
}

// Verbs of job deletions.
const (
	verbList    = "list"
	verbApprove = "approve"
	verbReject  = "reject"
)

func newDeletions(r *remote) *cobra.Command {
	var v verdictFlags
	cmd := &cobra.Command{
		Use:   "deletions [JOB] [list|approve|reject]",
		Short: "List, approve or reject the deletions held back by accidental deletion prevention",
		Long: `Lists what the guards of a job hold back: disables and deletes beyond deletions.threshold, and membership
removals that would empty groups. Nothing of it happens until somebody decides.

  list     who it is about, what would happen to them, why, and since when
  approve  lets everything that is listed happen in the next cycle; the approval ends after 72 hours
  reject   keeps the accounts as they are until their source objects change

approve and reject show the list first and are about exactly that: what is held later needs a verdict of its own. With
--id they are about some of it, with --snapshot about what was listed before, and refused if that changed meanwhile.`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			verb, job, err := verbOfArgs(args)
			switch {
			case err != nil:
				return err
			case verb == verbList && (len(v.ids) > 0 || v.snapshot != "" || v.comment != ""):
				return usage("--id, --snapshot and --comment are for approve and reject")
			case len(v.ids) > 0 && v.snapshot != "":
				return usage("--id and --snapshot: give one of them")
			case verb == verbApprove && strings.TrimSpace(v.comment) == "":
				return usage("--comment is missing: say why it is right that these people lose their accounts; it is kept in the audit")
			}
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				id, err := a.job(ctx, job)
				if err != nil {
					return err
				}
				held, err := allHeld(ctx, a, id, v.snapshot)
				if err != nil {
					return err
				}
				if verb == verbList {
					return r.listHeld(a, id, held)
				}
				return r.judgeHeld(ctx, a, id, verb, held, v)
			})
		},
	}
	cmd.Flags().StringArrayVar(&v.ids, "id", nil, "approve or reject only this `id` of the list (repeatable)")
	cmd.Flags().StringVar(&v.snapshot, "snapshot", "", "approve or reject what the list with this `snapshot` had")
	cmd.Flags().StringVar(&v.comment, "comment", "", "`why`, for the audit; needed by approve")
	cmd.Flags().BoolVar(&v.yes, "yes", false, "do not ask")
	return cmd
}

// verbOfArgs tells verb and job apart: the job may come before the verb or after it, and either may be left out.
func verbOfArgs(args []string) (verb string, job []string, err error) {
	isVerb := func(s string) bool { return s == verbList || s == verbApprove || s == verbReject }
	switch {
	case len(args) == 0:
		return verbList, nil, nil
	case len(args) == 1 && isVerb(args[0]):
		return args[0], nil, nil
	case len(args) == 1:
		return verbList, args, nil
	case isVerb(args[1]):
		return args[1], args[:1], nil
	case isVerb(args[0]):
		return args[0], args[1:], nil
	default:
		return "", nil, usage("job deletions %s: use list, approve or reject", args[1])
	}
}

// allHeld reads all pages of what is held back, or of what a snapshot covers of it. The snapshot is that of the first.
func allHeld(ctx context.Context, a *api, id engine.JobID, snapshot string) (web.DeletionList, error) {
	all := web.DeletionList{Value: []web.HeldChange{}}
	for q := (web.PageQuery{Top: 1000}); ; {
		page, err := a.Covered(ctx, id, snapshot, q)
		if err != nil {
			return all, err
		}
		if q.Skip == "" {
			all.Snapshot, all.Waiting = page.Snapshot, page.Waiting
		}
		all.Value = append(all.Value, page.Value...)
		if q.Skip = page.Skip(); q.Skip == "" {
			return all, nil
		}
	}
}

func (c *console) listHeld(a *api, id engine.JobID, held web.DeletionList) error {
	if c.json() {
		return writeDocument(c.out, held)
	}
	if len(held.Value) == 0 {
		_, err := fmt.Fprintf(c.out, "job %s holds nothing back\n", id)
		return err
	}
	if err := writeHeld(c.out, held.Value); err != nil {
		return err
	}
	if held.Snapshot == "" {
		_, err := fmt.Fprintln(c.out, "\nEverything has its verdict.")
		return err
	}
	fmt.Fprintf(c.out, "\nIf that is right, let it happen in the next cycle:\n  %s\n", a.next("job deletions %s approve --snapshot %s --comment 'why'", id, held.Snapshot))
	fmt.Fprintf(c.out, "If it is not, keep the accounts as they are, and look at the source:\n  %s\n", a.next("job deletions %s reject --snapshot %s", id, held.Snapshot))
	_, err := fmt.Fprintln(c.out, "For some of them only: --id ID instead of --snapshot.")
	return err
}

// writeHeld prints what is held back, and why it is.
func writeHeld(w io.Writer, held []web.HeldChange) error {
	judged := slices.ContainsFunc(held, func(h web.HeldChange) bool { return h.Verdict != engine.Undecided })
	head := []string{"WHAT", "WHO", "WHY", "SINCE", "ID"}
	if judged {
		head = slices.Insert(head, 4, "VERDICT")
	}
	t := newTable(w, head...)
	for _, h := range held {
		cells := []any{heldWhat(h), heldWho(h), heldWhy(h), when(h.Since), h.ID}
		if judged {
			cells = slices.Insert(cells, 4, any(verdictWords(h)))
		}
		t.row(cells...)
	}
	if err := t.end(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s.\n%s", heldCount(held), heldCauses(held))
	return err
}

func heldWhat(h web.HeldChange) string {
	if h.Removals > 0 {
		return fmt.Sprintf("remove %d of %s", h.Removals, quantity(h.Has, "member"))
	}
	return string(h.Action)
}

func heldWho(h web.HeldChange) string {
	name := cmp.Or(h.Source.Name, h.Target.Name, h.Source.ID)
	if h.Type == engine.Group {
		return "group " + name
	}
	return name
}

// heldWhy is the first half of a rule: what is the case. What it leads to is in a column of its own.
func heldWhy(h web.HeldChange) string {
	switch text, _, _ := strings.Cut(decide.RuleText(h.Rule), ": "); {
	case h.Removals > 0:
		return "they are not members at the source any more"
	case text != "":
		return text + " (" + string(h.Rule) + ")"
	default:
		return cmp.Or(string(h.Reason), h.Detail)
	}
}

func verdictWords(h web.HeldChange) string {
	if h.Verdict == engine.Undecided {
		return ""
	}
	s := string(h.Verdict)
	if h.By != "" {
		s += " by " + h.By
	}
	if !h.Until.IsZero() {
		s += " until " + when(h.Until)
	}
	return s
}

// heldCount sums up what waits for a verdict: "3 disables, 1 delete, 12 membership removals of 2 groups wait for a verdict".
func heldCount(held []web.HeldChange) string {
	n := map[engine.Action]int{}
	removals, groups := 0, 0
	for _, h := range held {
		switch {
		case h.Verdict != engine.Undecided:
		case h.Removals > 0:
			removals, groups = removals+h.Removals, groups+1
		default:
			n[h.Action]++
		}
	}
	var parts []string
	for _, a := range []engine.Action{engine.Disable, engine.Delete, engine.Update} {
		if n[a] > 0 {
			parts = append(parts, quantity(n[a], string(a)))
		}
	}
	if removals > 0 {
		parts = append(parts, quantity(removals, "membership removal")+" of "+quantity(groups, "group"))
	}
	if len(parts) == 0 {
		return "Nothing waits for a verdict"
	}
	return "Waiting for a verdict: " + strings.Join(parts, ", ")
}

// heldCauses says once of each guard why it holds something back.
func heldCauses(held []web.HeldChange) string {
	texts := map[string]bool{}
	for _, h := range held {
		switch {
		case h.Removals > 0:
			texts["The membership guard: more removals than deletions.memberships allows in one cycle, or groups would be emptied (deletions.emptiedGroup).\n"] = true
		case h.Cause == engine.HoldThreshold:
			texts[fmt.Sprintf("The deletion guard: a cycle would disable or delete more than %d (deletions.threshold).\n", h.Limit)] = true
		case h.Cause == engine.HoldLapsed:
			texts["Nearly everybody lost the assignment at once: that looks like an answer of the source that was cut short.\n"] = true
		case h.Cause == engine.HoldMissing:
			texts["They were missing from a complete read of the source that looks cut short; an approval lets the source be asked about each of them.\n"] = true
		}
	}
	var b strings.Builder
	for _, t := range slices.Sorted(maps.Keys(texts)) {
		b.WriteString(t)
	}
	return b.String()
}

// judgeHeld approves or rejects what is held back.
func (c *console) judgeHeld(ctx context.Context, a *api, id engine.JobID, verb string, held web.DeletionList, v verdictFlags) error {
	about, err := chosenHeld(id, held, v)
	if err != nil {
		return err
	}
	if len(about) == 0 {
		if c.json() {
			return writeDocument(c.out, web.JudgeResult{})
		}
		_, err := fmt.Fprintf(c.out, "job %s holds nothing back that waits for a verdict\n", id)
		return err
	}
	// For programs the list is beside the point, but whoever reads the screen has to see it.
	w := c.out
	if c.json() {
		w = c.err
	}
	if err := writeHeld(w, about); err != nil {
		return err
	}
	if named := len(v.ids) > 0 || v.snapshot != ""; c.keyboard() || !named {
		question := fmt.Sprintf("\nLet this happen to %s (%s) in the next cycle?", quantity(len(about), "object"), id)
		if verb == verbReject {
			question = fmt.Sprintf("\nReject this for %s (%s)?", quantity(len(about), "object"), id)
		}
		if err := c.confirm(ctx, v.yes, question, "name what you mean by --snapshot or --id, or repeat the command with --yes"); err != nil {
			return err
		}
	}
	req := web.JudgeRequest{IDs: v.ids, Comment: cmp.Or(strings.TrimSpace(v.comment), "rejected without a comment")}
	if len(v.ids) == 0 {
		req.Snapshot = cmp.Or(v.snapshot, held.Snapshot)
	}
	judge, done := a.Approve, "approved; the next cycle lets that happen, the approval ends after 72 hours"
	if verb == verbReject {
		judge, done = a.Reject, "rejected; the accounts stay as they are until their source objects change"
	}
	n, err := judge(ctx, id, req)
	if err != nil {
		return err
	}
	if c.json() {
		return writeDocument(c.out, web.JudgeResult{Judged: n})
	}
	fmt.Fprintf(c.out, "\n%s %s\n", quantity(n, "held change"), done)
	if left := changes(about) - n; left > 0 {
		fmt.Fprintf(c.out, "%s of the list left it in the meantime, or had a verdict already; nothing was decided about that\n", quantity(left, "change"))
	}
	if verb == verbApprove && n > 0 && a.local {
		fmt.Fprintf(c.out, "no service runs here; to run that cycle now:\n  %s\n", a.next("job sync %s", id))
	}
	return nil
}

// changes counts what a verdict about a list is about: every object, and every membership removal.
func changes(held []web.HeldChange) int {
	n := 0
	for _, h := range held {
		n += max(1, h.Removals)
	}
	return n
}

// chosenHeld is the part of the list that a verdict is about.
func chosenHeld(id engine.JobID, held web.DeletionList, v verdictFlags) ([]web.HeldChange, error) {
	if len(v.ids) == 0 {
		return slices.DeleteFunc(slices.Clone(held.Value), func(h web.HeldChange) bool { return h.Verdict != engine.Undecided }), nil
	}
	var about []web.HeldChange
	for _, want := range v.ids {
		i := slices.IndexFunc(held.Value, func(h web.HeldChange) bool { return h.ID == want })
		if i < 0 {
			return nil, refuse("--id %s: job %s holds nothing back of this id, or not any more; see: scimsync job deletions %s list", want, id, id)
		}
		about = append(about, held.Value[i])
	}
	return about, nil
}
