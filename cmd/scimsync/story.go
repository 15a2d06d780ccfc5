package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// writeStory prints provisioning log rows for people: who, what, and why. At most max rows of each
// kind and action are printed; the rest is counted.
func writeStory(w io.Writer, entries []engine.LogEntry, max int) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	shown, left := map[string]int{}, map[string]int{}
	var order []string
	for _, e := range entries {
		verb := verbOf(e)
		key := verb + " " + string(e.Kind)
		if shown[key]++; shown[key] > max {
			if left[key]++; left[key] == 1 {
				order = append(order, key)
			}
			continue
		}
		fmt.Fprintf(tw, "   %s\t%s\t%s\t%s\n", verb, nameOf(e), whatOf(e), whyOf(e))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, key := range order {
		verb, kind, _ := strings.Cut(key, " ")
		fmt.Fprintf(w, "   … and %d more %ss: %s\n", left[key], kind, verb)
	}
	_, err := fmt.Fprintln(w)
	return err
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
		return "group " + name
	}
	return name
}

// whatOf says in a few words what was written.
func whatOf(e engine.LogEntry) string {
	switch {
	case e.Status == engine.StatusFailure:
		return string(e.Code)
	case isMembership(e):
		added, removed := 0, 0
		for _, c := range e.Changes {
			if c.New != nil {
				added++
			} else {
				removed++
			}
		}
		return strings.TrimSpace(count(added, "+") + " " + count(removed, "-"))
	case e.Action == engine.Create:
		return fmt.Sprintf("%d attributes", len(e.Changes))
	}
	var parts []string
	for _, c := range e.Changes {
		parts = append(parts, fmt.Sprintf("%s: %s → %s", c.Attribute, text(c.Old), text(c.New)))
	}
	return strings.Join(parts, ", ")
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
	for _, r := range decide.Rules() {
		if r.ID == e.Rule {
			return fmt.Sprintf("%s (%s)", r.Text, r.ID)
		}
	}
	return string(e.Reason)
}
