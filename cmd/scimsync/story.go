package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// writeStory prints provisioning log rows for people: who, why, and what was written. At most max rows
// of each kind and action are printed; the rest is counted. What needed no request is only counted.
//
// Rows are written by many hands at once, so they are put in an order of their own: the same day is
// always told in the same words.
func writeStory(w io.Writer, entries []engine.LogEntry, max int) error {
	entries = slices.SortedStableFunc(slices.Values(entries), inOrder)
	shown, left := map[string]int{}, map[string]int{}
	var order []string
	quiet := 0
	for _, e := range entries {
		if e.Action == engine.Nothing {
			quiet++
			continue
		}
		verb := verbOf(e)
		key := verb + " " + string(e.Kind)
		if shown[key]++; shown[key] > max {
			if left[key]++; left[key] == 1 {
				order = append(order, key)
			}
			continue
		}
		fmt.Fprint(w, "   ")
		if err := writeEvent(w, e, "             "); err != nil {
			return err
		}
	}
	for _, key := range order {
		verb, kind, _ := strings.Cut(key, " ")
		fmt.Fprintf(w, "   %-8s  … and %d more %ss\n", verb, left[key], kind)
	}
	if quiet > 0 {
		fmt.Fprintf(w, "   %d more were looked at and needed no request\n", quiet)
	}
	_, err := fmt.Fprintln(w)
	return err
}

// inOrder compares rows: people before groups before members, who leaves before who comes, then by name.
func inOrder(a, b engine.LogEntry) int {
	rank := func(e engine.LogEntry) int {
		return slices.Index([]string{"deleted", "disabled", "enabled", "updated", "created", "members", "held", "skipped", "failed", "unchanged"}, verbOf(e))
	}
	part := func(e engine.LogEntry) int {
		switch {
		case isMembership(e):
			return 2
		case e.Kind == engine.Group:
			return 1
		default:
			return 0
		}
	}
	return cmp.Or(cmp.Compare(part(a), part(b)), cmp.Compare(rank(a), rank(b)), cmp.Compare(nameOf(a), nameOf(b)))
}

// writeEvent prints one row: who and why on the first line, what was written on the lines after it.
func writeEvent(w io.Writer, e engine.LogEntry, indent string) error {
	if _, err := fmt.Fprintf(w, "%-9s %s: %s\n", verbOf(e), nameOf(e), whyOf(e)); err != nil {
		return err
	}
	for _, what := range whatOf(e) {
		if _, err := fmt.Fprintf(w, "%s%s\n", indent, what); err != nil {
			return err
		}
	}
	return nil
}

func verbOf(e engine.LogEntry) string {
	switch {
	case e.Status == engine.StatusFailure:
		return "failed"
	case isMembership(e):
		return "members"
	}
	switch e.Action {
	case engine.Create:
		return "created"
	case engine.Update:
		return "updated"
	case engine.Disable:
		return "disabled"
	case engine.Enable:
		return "enabled"
	case engine.Delete:
		return "deleted"
	case engine.Skip:
		return "skipped"
	case engine.Staged:
		return "held"
	default:
		return "unchanged"
	}
}

func isMembership(e engine.LogEntry) bool { return e.Rule == "G4" || e.Rule == "G5" || e.Rule == "G6" }

func nameOf(e engine.LogEntry) string {
	name := e.Source.Name
	if name == "" {
		name = e.Target.Name
	}
	if name == "" {
		name = e.Source.ID
	}
	if e.Kind == engine.Group {
		name = "group " + name
	}
	if n := members(e); isMembership(e) && n != "" {
		name += ", " + n
	}
	return name
}

// members sums up a membership row: "+3 -1".
func members(e engine.LogEntry) string {
	added, removed := 0, 0
	for _, c := range e.Changes {
		if c.New != nil {
			added++
		} else {
			removed++
		}
	}
	return strings.TrimSpace(count(added, "+") + " " + count(removed, "-"))
}

// whatOf says in a few words what was written, a line each.
func whatOf(e engine.LogEntry) []string {
	switch {
	case e.Status == engine.StatusFailure:
		return []string{strings.TrimSpace(string(e.Code) + " " + e.Detail)}
	case isMembership(e) && e.Detail != "":
		return []string{e.Detail}
	case isMembership(e):
		return nil
	case e.Action == engine.Create:
		return nil
	}
	var lines []string
	for _, c := range e.Changes {
		lines = append(lines, fmt.Sprintf("%s: %s → %s", c.Attribute, text(c.Old), text(c.New)))
	}
	if e.Status == engine.StatusWarning {
		lines = append(lines, "warning: "+e.Detail)
	}
	return lines
}

func count(n int, sign string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s%d", sign, n)
}

func text(v any) string {
	if v == nil {
		return "(none)"
	}
	return fmt.Sprint(v)
}

// whyOf gives the rule in words, with its id.
func whyOf(e engine.LogEntry) string {
	if e.Reason == engine.ChangedSincePlan && e.Detail != "" {
		return e.Detail
	}
	for _, r := range decide.Rules() {
		if r.ID == e.Rule {
			return fmt.Sprintf("%s (%s)", r.Text, r.ID)
		}
	}
	return string(e.Reason)
}
