package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// provisionAtOnce is how many objects one call of the API takes.
const provisionAtOnce = 50

func newProvision(c *console) *cobra.Command {
	var group string
	var members []string
	var req web.ProvisionRequest
	cmd := &cobra.Command{
		Use:   "provision JOB SUBJECT...",
		Short: "Provision some users or a group now, and see every step",
		Long: `Takes users (by id, user principal name or mail) or a group (--group, by id or name) through the steps of a cycle
now: import, scope, match, action. Shows what was found at each step, what was written, and why.

A group comes with all its members, or with those named by --member only. Who is disabled or deleted by that, though a
guard holds it back, is so because somebody asked for this one object by name.`,
		Example: `  scimsync provision webex ada@example.com --dry-run --explain
  scimsync provision webex --group "Sales" --member ada@example.com`,
		Args: cobra.MinimumNArgs(1),
	}
	r := newRemote(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(members) > 0 && group == "" {
			return usage("--member needs --group: the group whose members they are")
		}
		req.Subjects = nil
		for _, name := range args[1:] {
			req.Subjects = append(req.Subjects, web.SubjectRequest{Type: engine.User, Name: name})
		}
		if group != "" {
			req.Subjects = append(req.Subjects, web.SubjectRequest{Type: engine.Group, Name: group, Members: members})
		}
		if len(req.Subjects) == 0 {
			return usage("provision %s: whom? give users by id, user principal name or mail, or a group by --group", args[0])
		}
		return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
			id, err := a.job(ctx, args)
			if err != nil {
				return err
			}
			done, err := provisionAll(ctx, a, id, req)
			if werr := r.writeProvisioned(a, id, done, err != nil); err != nil || werr != nil {
				return errors.Join(err, werr)
			}
			if slices.ContainsFunc(done, failedOnDemand) {
				return &exitError{code: exitFailed}
			}
			return nil
		})
	}
	cmd.Flags().StringVar(&group, "group", "", "provision this group: its `id or name`")
	cmd.Flags().StringArrayVar(&members, "member", nil, "with --group: only this member, by `id`, user principal name or mail (repeatable)")
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "show what would be done, and write nothing")
	cmd.Flags().BoolVar(&req.Explain, "explain", false, "also tell why each is in scope or not")
	return cmd
}

// provisionAll provisions all subjects, as many with one call as that takes. After an error it returns what was done
// before.
func provisionAll(ctx context.Context, a *api, id engine.JobID, req web.ProvisionRequest) ([]web.ProvisionedObject, error) {
	all := []web.ProvisionedObject{}
	for part := range slices.Chunk(req.Subjects, provisionAtOnce) {
		done, err := provisionSome(ctx, a, id, web.ProvisionRequest{Subjects: part, DryRun: req.DryRun, Explain: req.Explain})
		if err != nil {
			return all, err
		}
		all = append(all, done...)
	}
	return all, nil
}

// patient is how long a command waits when the service asks for it.
const patient = 30 * time.Second

// provisionSome makes one call, again if the service asks to wait a moment.
func provisionSome(ctx context.Context, a *api, id engine.JobID, req web.ProvisionRequest) ([]web.ProvisionedObject, error) {
	for {
		done, err := a.Provision(ctx, id, req)
		p, ok := errors.AsType[*web.Problem](err)
		if !ok || p.Status != http.StatusTooManyRequests || p.RetryAfter <= 0 || p.RetryAfter > patient {
			return done, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(p.RetryAfter):
		}
	}
}

func failedOnDemand(p web.ProvisionedObject) bool {
	return p.Status == engine.StatusFailure || slices.ContainsFunc(p.Members, failedOnDemand)
}

// writeProvisioned prints the answers. After an error it prints nothing where there is nothing.
func (c *console) writeProvisioned(a *api, id engine.JobID, done []web.ProvisionedObject, broken bool) error {
	if broken && len(done) == 0 {
		return nil
	}
	if c.json() {
		return writeDocument(c.out, done)
	}
	dry := false
	for i, p := range done {
		if i > 0 {
			fmt.Fprintln(c.out)
		}
		if dry = p.DryRun; dry && i == 0 {
			fmt.Fprint(c.out, "Dry run: this is what would be done. Nothing was written.\n\n")
		}
		if err := writeProvisionedObject(c.out, p); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(done, func(p web.ProvisionedObject) bool { return failedOnDemand(p) && !p.DryRun && p.Subject.ID != "" }) {
		fmt.Fprintf(c.out, "\nWhat failed is tried again by cycles; see:\n  %s\n", a.next("escrow list %s", id))
	}
	return nil
}

// stepWords are the steps for people. Entra's blade has the four of them.
var stepWords = map[engine.StepType]string{
	engine.StepImport: "Import", engine.StepScoping: "Scope", engine.StepMatching: "Match", engine.StepProcessing: "Action",
	engine.StepExport: "Action", engine.StepReferences: "References",
}

var statusMarks = map[engine.LogStatus]string{
	engine.StatusSuccess: "ok", engine.StatusFailure: "FAILED", engine.StatusSkipped: "skipped", engine.StatusWarning: "warning",
}

func writeProvisionedObject(w io.Writer, p web.ProvisionedObject) error {
	fmt.Fprintln(w, subjectText(p))
	t := newTable(w)
	last := ""
	for _, s := range p.Steps {
		word := stepWords[s.Type]
		if word == last {
			word = "" // deciding and writing are one step for people
		} else {
			last = word
		}
		fmt.Fprintf(t.tw, "  %s\t%s\t%s\n", word, statusMarks[s.Status], clean(s.Description))
		for _, line := range factLines(s) {
			fmt.Fprintf(t.tw, "\t\t%s\n", line)
		}
	}
	if p.Row != nil {
		for i, c := range p.Row.Changes {
			word := ""
			if i == 0 {
				word = "Attributes"
			}
			fmt.Fprintf(t.tw, "  %s\t\t%s: %s → %s\n", word, clean(c.Attribute), short(valueText(c.Old), 60), short(valueText(c.New), 60))
		}
	}
	for i, line := range p.Explain {
		word := ""
		if i == 0 {
			word = "Why"
		}
		fmt.Fprintf(t.tw, "  %s\t\t%s\n", word, clean(line))
	}
	mark := ""
	if p.Status == engine.StatusFailure || p.Status == engine.StatusWarning {
		mark = statusMarks[p.Status]
	}
	fmt.Fprintf(t.tw, "  Result\t%s\t%s\n", mark, clean(resultText(p)))
	if err := t.end(); err != nil {
		return err
	}
	return writeMembers(w, p.Members)
}

// factWidth is how long a line of facts may get.
const factWidth = 100

// factLines are the facts of a step, several on a line. What the result and the attributes tell anyway is left out.
func factLines(s engine.Step) []string {
	var lines []string
	for _, d := range s.Details {
		if s.Type == engine.StepProcessing && slices.Contains([]string{"Action", "Rule", "RuleText", "Reason", "SkipReason"}, d.Name) ||
			s.Type == engine.StepExport && strings.Contains(d.Value, " → ") || d.Value == "" {
			continue
		}
		fact := clean(d.Name) + ": " + short(clean(d.Value), factWidth)
		if n := len(lines) - 1; n >= 0 && len([]rune(lines[n]))+len([]rune(fact))+2 <= factWidth {
			lines[n] += ", " + fact
		} else {
			lines = append(lines, fact)
		}
	}
	return lines
}

func subjectText(p web.ProvisionedObject) string {
	s := string(p.Type) + " " + clean(cmp.Or(p.Subject.Name, p.Subject.ID))
	if p.Subject.ID != "" && p.Subject.ID != p.Subject.Name {
		s += " (" + clean(p.Subject.ID) + ")"
	}
	return s
}

// resultText says what came of it, and by which rule or for which reason.
func resultText(p web.ProvisionedObject) string {
	r := p.Row
	switch {
	case r == nil:
		return statusMarks[p.Status]
	case p.Status == engine.StatusFailure:
		return failureText(p)
	}
	verb := verbOf(entryOf(*r))
	if p.DryRun && r.Action != engine.Skip && r.Action != engine.Nothing {
		verb = "would be " + verb
	}
	if text := decide.RuleText(r.Rule); text != "" {
		return verb + ": " + text + " (" + string(r.Rule) + ")"
	}
	return strings.TrimSuffix(verb+": "+cmp.Or(r.Detail, string(r.Reason)), ": ")
}

// failureText says what went wrong and what to do. What a step said already is not said again.
func failureText(p web.ProvisionedObject) string {
	text := causeOf(p.Row.Code, p.Row.HTTPStatus)
	said := slices.ContainsFunc(p.Steps, func(s engine.Step) bool { return s.Description == p.Row.Detail })
	if !said && p.Row.Detail != "" {
		text += ": " + strings.TrimSuffix(p.Row.Detail, ".")
	}
	if p.Row.Code == engine.CodeSubjectMissing || p.Row.Code == engine.CodeSubjectAmbiguous {
		return text
	}
	i := decide.ErrorInfo(entryOf(*p.Row))
	return strings.TrimSpace(text + ". " + i.Reason + " " + i.RecommendedAction)
}

// writeMembers prints what became of the members of a group, a line each.
func writeMembers(w io.Writer, members []web.ProvisionedObject) error {
	if len(members) == 0 {
		return nil
	}
	fmt.Fprintln(w, "  Members")
	t := newTable(w)
	for _, m := range members {
		text := resultText(m)
		for _, s := range m.Steps {
			if s.Type == engine.StepReferences {
				text = s.Description
			}
		}
		fmt.Fprintf(t.tw, "    %s\t%s\t%s\n", clean(cmp.Or(m.Subject.Name, m.Subject.ID)), statusMarks[m.Status], clean(text))
	}
	return t.end()
}
