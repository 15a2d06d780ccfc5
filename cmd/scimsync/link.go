package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
)

func newLink(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "link",
		Short: "Show and mend which source object is linked to which target object",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	r := newRemote(c, cmd)
	cmd.AddCommand(newLinkList(r), newLinkShow(r), newLinkAdd(r), newLinkRemove(r))
	return cmd
}

// shownLinks is how many links are listed unless all are asked for.
const shownLinks = 100

func newLinkList(r *remote) *cobra.Command {
	var kind, state string
	var q web.LinkQuery
	all := false
	cmd := &cobra.Command{
		Use:   "list [JOB]",
		Short: "List links",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Type, q.State = engine.Kind(kind), engine.LinkState(state)
			if !slices.Contains([]engine.Kind{"", engine.User, engine.Group}, q.Type) {
				return usage("--type %s: use user or group", kind)
			}
			if !slices.Contains([]engine.LinkState{"", engine.Managed, engine.Suspended, engine.Released}, q.State) {
				return usage("--state %s: use managed, suspended or released", state)
			}
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				id, err := a.job(ctx, args)
				if err != nil {
					return err
				}
				most := shownLinks
				if all || r.json() {
					most = 0
				}
				rows, more, err := linkRows(ctx, a, id, q, most)
				if err != nil {
					return err
				}
				if r.json() {
					return writeDocument(r.out, web.Page[web.LinkRow]{Value: rows})
				}
				return writeLinks(r.out, a, id, rows, more)
			})
		},
	}
	cmd.Flags().StringVar(&kind, "type", "", "only user or group")
	cmd.Flags().StringVar(&state, "state", "", "only managed, suspended or released")
	cmd.Flags().StringVar(&q.Source, "source", "", "only of the source object with this `id`")
	cmd.Flags().StringVar(&q.Target, "target", "", "only of the target object with this `id`")
	cmd.Flags().BoolVar(&all, "all", false, "list all of them, not only the first 100")
	return cmd
}

// linkRows reads links; most of 0 reads all. more says that there are others.
func linkRows(ctx context.Context, a *api, id engine.JobID, q web.LinkQuery, most int) (rows []web.LinkRow, more bool, err error) {
	rows, q.Top = []web.LinkRow{}, 1000
	for {
		page, err := a.Links(ctx, id, q)
		if err != nil {
			return nil, false, err
		}
		rows = append(rows, page.Value...)
		if most > 0 && len(rows) > most {
			return rows[:most], true, nil
		}
		if q.Skip = page.Skip(); q.Skip == "" {
			return rows, false, nil
		}
	}
}

func writeLinks(w io.Writer, a *api, id engine.JobID, rows []web.LinkRow, more bool) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintf(w, "job %s: no such link\n", id)
		return err
	}
	t := newTable(w, "TYPE", "NAME", "STATE", "FOUND BY", "SOURCE", "TARGET")
	for _, l := range rows {
		t.row(l.Type, l.Source.Name, linkState(l), l.MatchedBy, l.Source.ID, l.Target.ID)
	}
	if err := t.end(); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(w, "… and more; all of them with: %s\n", a.next("link list %s --all", id))
	}
	return nil
}

// linkState is the state of a link in a few words.
func linkState(l web.LinkRow) string {
	s := string(l.State)
	if l.Disabled {
		s += ", account disabled"
	}
	if l.Recycled {
		s += ", in the recycle bin"
	}
	if !l.DeleteAt.IsZero() {
		s += ", to be deleted " + when(l.DeleteAt)
	}
	return s
}

func newLinkShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "show JOB ID",
		Short: "Show one link and what was last exported: by the id of the object at the source or the target",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				id, err := a.job(ctx, args)
				if err != nil {
					return err
				}
				l, err := a.Link(ctx, id, args[1])
				if err != nil {
					return err
				}
				if r.json() {
					return writeDocument(r.out, l)
				}
				return writeLink(r.out, a, id, l)
			})
		},
	}
}

func writeLink(w io.Writer, a *api, id engine.JobID, l web.LinkRow) error {
	fmt.Fprintf(w, "%s %s: %s\n", l.Type, clean(l.Source.Name), linkState(l))
	f := newFacts(w)
	f.add("source", l.Source.ID)
	f.add("target", l.Target.ID)
	f.add("found by", l.MatchedBy)
	f.add("left because", string(l.Left))
	f.add("linked since", when(l.CreatedAt))
	f.add("last written", when(l.UpdatedAt))
	if l.Verify {
		f.add("in doubt", "the account is read before the next decision about it")
	}
	if err := f.end(); err != nil {
		return err
	}
	if len(l.Exported) > 0 {
		fmt.Fprintln(w, "\nlast exported:")
		f = newFacts(w)
		for _, path := range slices.Sorted(maps.Keys(l.Exported)) {
			f.add(path, valueText(l.Exported[path]))
		}
		if err := f.end(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\nwhat was done to it: %s\n", a.next("logs %s --user %s", id, l.Source.ID))
	return err
}

// valueText is the value of an attribute for people.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "(none)"
	case string:
		if v == "" {
			return `""`
		}
		return clean(v)
	case bool:
		return strconv.FormatBool(v)
	default:
		data, err := json.Marshal(v)
		if err != nil {
			return clean(fmt.Sprint(v))
		}
		return clean(string(data))
	}
}

func newLinkAdd(r *remote) *cobra.Command {
	kind := ""
	cmd := &cobra.Command{
		Use:   "add JOB SOURCE-ID TARGET-ID",
		Short: "Link a source object to a target object by hand",
		Long: `Links a source object to a target object that matching does not find, or finds wrongly. Neither is changed now;
the next cycle treats the account as that of the source object. Both have to exist, and neither may be linked already.`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if kind != string(engine.User) && kind != string(engine.Group) {
				return usage("--type %s: use user or group", kind)
			}
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				id, err := a.job(ctx, args)
				if err != nil {
					return err
				}
				l, err := a.AddLink(ctx, id, web.LinkRequest{Type: engine.Kind(kind), Source: args[1], Target: args[2]})
				if err != nil {
					return err
				}
				if r.json() {
					return writeDocument(r.out, l)
				}
				fmt.Fprintf(r.out, "linked: %s %s is %s at the target\nto see what follows from that, and to let it happen:\n  %s\n  %s\n", l.Type, args[1], args[2],
					a.next("provision %s %s --dry-run", id, onDemandName(l)), a.next("provision %s %s", id, onDemandName(l)))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&kind, "type", string(engine.User), "user or group")
	return cmd
}

// onDemandName is how provision names the object of a link.
func onDemandName(l web.LinkRow) string {
	if l.Type == engine.Group {
		return "--group " + quoted(l.Source.ID)
	}
	return quoted(l.Source.ID)
}

func newLinkRemove(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "remove JOB ID",
		Short: "Forget a link: by the id of the object at the source or the target; neither object is touched",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.call(cmd.Context(), func(ctx context.Context, a *api) error {
				id, err := a.job(ctx, args)
				if err != nil {
					return err
				}
				l, err := a.Link(ctx, id, args[1])
				if err != nil {
					return err
				}
				if err := a.RemoveLink(ctx, id, l.ID); err != nil {
					return err
				}
				if r.json() {
					l.Exported = nil
					return writeDocument(r.out, l)
				}
				fmt.Fprintf(r.out, "forgotten: %s %s was %s at the target; neither was touched\n", l.Type, l.Source.ID, l.Target.ID)
				fmt.Fprintln(r.out, "If what led to the link has not changed, the next cycle makes it again.")
				return nil
			})
		},
	}
}
