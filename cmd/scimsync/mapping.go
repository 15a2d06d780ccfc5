package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/mapping"
)

func newMapping(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mapping",
		Short: "Show, check and try attribute mappings and scoping filters",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMappingShow(c), newMappingDefaults(c), newMappingValidate(c), newMappingEval(c))
	return cmd
}

// named loads the configuration and finds the job that the command line names. Without a name it is
// the only job that the file has.
func (c *console) named(args []string) (*config.File, config.Job, error) {
	f, err := c.loadConfig()
	if err != nil {
		return nil, config.Job{}, err
	}
	if len(args) == 0 {
		if len(f.Jobs) == 1 {
			return f, f.Jobs[0], nil
		}
		return nil, config.Job{}, usage("which job? %s has %s", f.Path, jobIDs(f))
	}
	i := slices.IndexFunc(f.Jobs, func(j config.Job) bool { return j.ID == args[0] })
	if i < 0 {
		return nil, config.Job{}, usage("no job %q in %s; jobs are: %s", args[0], f.Path, jobIDs(f))
	}
	return f, f.Jobs[i], nil
}

// refuse ends the command because of something that it was given, other than its flags.
func refuse(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// writeDocument prints v for programs. Expressions keep their & and <.
func writeDocument(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Kinds of objects as the configuration names them.
const (
	kindUsers  = "users"
	kindGroups = "groups"
)

// mappingView is what `mapping show` prints for programs.
type mappingView struct {
	Job    string      `json:"job"`
	Schema string      `json:"schema,omitempty"` // the file that the mapping comes from
	Users  *objectView `json:"users,omitempty"`
	Groups *objectView `json:"groups,omitempty"`
}

type objectView struct {
	Enabled              bool            `json:"enabled"`
	Actions              []string        `json:"actions"`
	Attributes           []attributeView `json:"attributes"`
	Filter               filterView      `json:"filter"`
	NoSoftDelete         bool            `json:"noSoftDelete,omitempty"`
	IgnoreUnresolved     bool            `json:"ignoreUnresolved,omitempty"`
	ExcludeFromReporting bool            `json:"excludeFromReporting,omitempty"`
}

type attributeView struct {
	Target     string       `json:"target"`
	Source     string       `json:"source,omitempty"`
	Words      string       `json:"words"`
	Match      int          `json:"match,omitempty"`
	Apply      string       `json:"apply"`
	Default    string       `json:"default,omitempty"`
	Flow       mapping.Flow `json:"flow"`
	FlowAlways bool         `json:"flowAlways,omitempty"`
	FlowNull   bool         `json:"flowNull,omitempty"`
	Type       mapping.Type `json:"type,omitempty"`
	Required   bool         `json:"required,omitempty"`
}

// filterView are the three lists of filters; within a list one filter must hold.
type filterView struct {
	Scope    []groupView `json:"scope"`
	Input    []groupView `json:"input,omitempty"`
	Category []groupView `json:"category,omitempty"`
}

type groupView struct {
	Name    string       `json:"name,omitempty"`
	Words   string       `json:"words"`
	Clauses []clauseView `json:"clauses"`
}

type clauseView struct {
	Attribute string           `json:"attribute"`
	Operator  mapping.Operator `json:"operator"`
	Values    []string         `json:"values,omitempty"`
}

func newMappingShow(c *console) *cobra.Command {
	kind := ""
	cmd := &cobra.Command{
		Use:   "show [JOB]",
		Short: "Show what a job writes where, and who is in scope",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if kind != "" && kind != kindUsers && kind != kindGroups {
				return usage("--kind %s: must be users or groups", kind)
			}
			_, j, err := c.named(args)
			if err != nil {
				return err
			}
			if c.json() {
				return writeDocument(c.out, viewOf(j, kind))
			}
			return writeMapping(c.out, j, kind)
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "only `users|groups`")
	return cmd
}

func viewOf(j config.Job, kind string) mappingView {
	v := mappingView{Job: j.ID, Schema: j.Schema}
	if kind != kindGroups {
		v.Users = viewObject(&j.Mapping.Users)
	}
	if kind != kindUsers {
		v.Groups = viewObject(&j.Mapping.Groups)
	}
	return v
}

func viewObject(o *mapping.Object) *objectView {
	v := &objectView{
		Enabled: o.Enabled, Actions: actionNames(o.Actions), Attributes: []attributeView{},
		Filter:       filterView{Scope: viewGroups(o.Filter.Groups), Input: viewGroups(o.Filter.Input), Category: viewGroups(o.Filter.Category)},
		NoSoftDelete: o.NoSoftDelete, IgnoreUnresolved: o.IgnoreUnresolved, ExcludeFromReporting: o.ExcludeFromReporting,
	}
	for _, a := range o.Attributes {
		v.Attributes = append(v.Attributes, attributeView{
			Target: a.Target.String(), Source: sourceText(a), Words: sourceWords(a), Match: a.Match, Apply: applyOf(a), Default: a.Default,
			Flow: cmp.Or(a.Flow, mapping.FlowAlways), FlowAlways: a.FlowAlways, FlowNull: a.FlowNull,
			Type: a.Definition.Type, Required: a.Definition.Required,
		})
	}
	return v
}

func viewGroups(list []mapping.FilterGroup) []groupView {
	out := []groupView{}
	for _, g := range list {
		v := groupView{Name: g.Name, Words: filterWords(g), Clauses: []clauseView{}}
		for _, c := range g.Clauses {
			v.Clauses = append(v.Clauses, clauseView{c.Attribute, c.Operator, c.Values})
		}
		out = append(out, v)
	}
	return out
}

// writeMapping prints the mapping of a job for people.
func writeMapping(w io.Writer, j config.Job, kind string) error {
	for i, o := range []*mapping.Object{&j.Mapping.Users, &j.Mapping.Groups} {
		name := []string{kindUsers, kindGroups}[i]
		if kind != "" && kind != name {
			continue
		}
		if err := writeObject(w, j, name, o); err != nil {
			return err
		}
	}
	return nil
}

func writeObject(w io.Writer, j config.Job, kind string, o *mapping.Object) error {
	if !o.Enabled {
		_, err := fmt.Fprintf(w, "job %s, %s: not provisioned\n\n", j.ID, kind)
		return err
	}
	fmt.Fprintf(w, "job %s, %s: %s\n\n", j.ID, kind, cmp.Or(enumerate(actionNames(o.Actions), "and"), "no action is allowed"))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TARGET\tSOURCE\tMATCH\tAPPLY\tDEFAULT\tFLOW")
	for _, a := range o.Attributes {
		match, byDefault := "-", "-"
		if a.Match > 0 {
			match = strconv.Itoa(a.Match)
		}
		if a.Default != "" {
			byDefault = strconv.Quote(a.Default)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", shortTarget(a.Target), sourceWords(a), match, applyOf(a), byDefault, flowWords(a))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	writeLegend(w, o)
	_, err := fmt.Fprintf(w, "\n%s\n\n", strings.Join(scopeWords(j.Scope, kind, o), "\n"))
	return err
}

// enterprise stands in tables for the URN of the enterprise extension, which is wider than most of
// what it names.
const enterprise = "enterprise:"

func shortTarget(p mapping.Path) string {
	if rest, ok := strings.CutPrefix(p.String(), mapping.EnterpriseURN+":"); ok {
		return enterprise + rest
	}
	return p.String()
}

// writeLegend explains the targets that shortTarget shortened.
func writeLegend(w io.Writer, o *mapping.Object) {
	if slices.ContainsFunc(o.Attributes, func(a mapping.Attribute) bool { return a.Target.URN == mapping.EnterpriseURN }) {
		fmt.Fprintf(w, "%s stands for %s:\n", enterprise, mapping.EnterpriseURN)
	}
}

// apps are the applications that have a default mapping of their own.
var apps = []string{"webex", "generic"}

// defaultMapping is the mapping of an application, or the one that a job without mappings has.
func defaultMapping(app string) (mapping.Mapping, error) {
	switch app {
	case "":
		return mapping.Default(), nil
	case "webex":
		return mapping.WebexDefault(), nil
	case "generic":
		return mapping.GenericDefault(), nil
	}
	return mapping.Mapping{}, usage("--app %s: no such default mapping; use %s", app, enumerate(apps, "or"))
}

func newMappingDefaults(c *console) *cobra.Command {
	app := ""
	cmd := &cobra.Command{
		Use:   "defaults",
		Short: "Print a default mapping, ready for the configuration file",
		Long: `Prints a default mapping as YAML that stands under "mappings:" of a job. A job without mappings has the one
that is printed without --app, and with "app: webex" in its target the one of webex. With --output json it
is printed as JSON.`,
		RunE: func(*cobra.Command, []string) error {
			m, err := defaultMapping(app)
			if err != nil {
				return err
			}
			u, g := specOf(&m.Users), specOf(&m.Groups)
			// The text is made to be pasted, from a file or pipe as well, so only a word makes it JSON.
			if c.output == "json" {
				return writeDocument(c.out, map[string]mapping.ObjectSpec{kindUsers: u, kindGroups: g})
			}
			_, err = io.WriteString(c.out, specYAML(kindUsers, u)+specYAML(kindGroups, g))
			return err
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "mapping of an `application`: "+enumerate(apps, "or"))
	return cmd
}

// specOf writes an object mapping of ours, which has no filter, in the form of the configuration file.
func specOf(o *mapping.Object) mapping.ObjectSpec {
	s := mapping.ObjectSpec{Enabled: &o.Enabled, Actions: actionNames(o.Actions)}
	for _, a := range o.Attributes {
		one := mapping.AttributeSpec{Target: a.Target.String(), Source: sourceText(a), Match: a.Match, Default: a.Default, FlowNull: a.FlowNull}
		if a.Flow == mapping.FlowOnCreate {
			one.Apply = mapping.ApplyOnCreate
		}
		s.Attributes = append(s.Attributes, one)
	}
	return s
}

// specYAML writes an object mapping a mapping a line, indented as it stands in a configuration file
// that looks like the one of `scimsync init`.
func specYAML(kind string, s mapping.ObjectSpec) string {
	var b strings.Builder
	fmt.Fprintf(&b, "      %s:\n        enabled: %t\n        actions: [%s]\n        attributes:\n", kind, *s.Enabled, strings.Join(s.Actions, ", "))
	for _, a := range s.Attributes {
		keys := []string{"target: " + yamlText(a.Target)}
		if a.Source != "" {
			keys = append(keys, "source: "+yamlText(a.Source))
		}
		if a.Match > 0 {
			keys = append(keys, "match: "+strconv.Itoa(a.Match))
		}
		if a.Default != "" {
			keys = append(keys, "default: "+yamlText(a.Default))
		}
		if a.Apply != "" {
			keys = append(keys, "apply: "+a.Apply)
		}
		if a.FlowNull {
			keys = append(keys, "flowNull: true")
		}
		fmt.Fprintf(&b, "          - {%s}\n", strings.Join(keys, ", "))
	}
	return b.String()
}

// plainYAML are texts that need no quotes in a flow mapping and are nothing but texts.
var plainYAML = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(?:[.:][A-Za-z0-9]+)*$`)

func yamlText(s string) string {
	switch lower := strings.ToLower(s); {
	case plainYAML.MatchString(s) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, lower):
		return s
	case !strings.ContainsAny(s, `"\`):
		return `"` + s + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// validation is what `mapping validate` prints for programs.
type validation struct {
	File  string         `json:"file"`
	Valid bool           `json:"valid"`
	Jobs  []jobMappings  `json:"jobs"`
	Total mappingNumbers `json:"total"`
}

type jobMappings struct {
	Job string `json:"job"`
	mappingNumbers
}

type mappingNumbers struct {
	Mappings int `json:"mappings"`
	Filters  int `json:"filters"`
}

func newMappingValidate(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [JOB]",
		Short: "Check the mappings and filters of all jobs, or of one",
		Long: `Checks the configuration file with the mappings and filters of all jobs and prints every mistake and every
doubt with its place, on stderr. It contacts nobody.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := c.loadConfig()
			if err != nil {
				return err
			}
			v := validation{File: f.Path, Valid: true, Jobs: []jobMappings{}}
			for _, j := range f.Jobs {
				if len(args) > 0 && j.ID != args[0] {
					continue
				}
				n := numbersOf(j.Mapping)
				v.Jobs = append(v.Jobs, jobMappings{j.ID, n})
				v.Total.Mappings += n.Mappings
				v.Total.Filters += n.Filters
			}
			if len(v.Jobs) == 0 {
				return usage("no job %q in %s; jobs are: %s", args[0], f.Path, jobIDs(f))
			}
			if c.json() {
				return writeDocument(c.out, v)
			}
			for _, j := range v.Jobs {
				fmt.Fprintf(c.out, "job %s: %s, %s\n", j.Job, quantity(j.Mappings, "mapping"), quantity(j.Filters, "filter"))
			}
			are := "are"
			if v.Total.Mappings == 1 {
				are = "is"
			}
			_, err = fmt.Fprintf(c.out, "%s %s valid\n", quantity(v.Total.Mappings, "mapping"), are)
			return err
		},
	}
}

// numbersOf counts what is in force: a kind that is switched off does not count.
func numbersOf(m mapping.Mapping) mappingNumbers {
	var n mappingNumbers
	for _, o := range []mapping.Object{m.Users, m.Groups} {
		if o.Enabled {
			n.Mappings += len(o.Attributes)
			n.Filters += len(o.Filter.Groups) + len(o.Filter.Input) + len(o.Filter.Category)
		}
	}
	return n
}

func quantity(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
