package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
	"github.com/scimsync/scimsync/mapping/expr"
)

// trial evaluates one expression, or all mappings of a job, for one object.
type trial struct {
	*console
	expression  string
	user, group string // id of an object of the source
	attributes  string // or a file with attributes, - for the standard input
	kind        string // which mappings, with attributes
}

func newMappingEval(c *console) *cobra.Command {
	t := &trial{console: c}
	cmd := &cobra.Command{
		Use:   "eval [JOB]",
		Short: "Evaluate one expression, or all mappings of a job, for one object",
		Long: `Evaluates an expression for a user of the source or for attributes from a JSON file, and shows the value and
its type, or what is wrong with a caret under the place. Without --expression it evaluates every
mapping of the job as for a new object of the target. It writes nothing.

IsSoftDeleted is false unless the attributes have it. For an object of the source it is what a cycle would
compute if the object is assigned.

Exit code 2 for a wrong expression, 3 if it cannot be evaluated for this object.`,
		Example: `  scimsync mapping eval webex --expression 'ToLower([mail])' --attributes person.json
  scimsync mapping eval webex --user 8c0a6d1e-5d0c-4c5e-9f39-1f6f2f0b6f11`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, j, err := c.named(args)
			if err != nil {
				return err
			}
			if err := t.check(cmd.Flags().Changed("expression")); err != nil {
				return err
			}
			if cmd.Flags().Changed("expression") {
				return t.one(cmd.Context(), j)
			}
			return t.all(cmd.Context(), j)
		},
	}
	cmd.Flags().StringVar(&t.expression, "expression", "", "`expression` to evaluate (default: all mappings of the job)")
	cmd.Flags().StringVar(&t.user, "user", "", "`id` of a user of the source")
	cmd.Flags().StringVar(&t.group, "group", "", "`id` of a group of the source")
	cmd.Flags().StringVar(&t.attributes, "attributes", "", "JSON `file` with the attributes of an object; - reads the standard input")
	cmd.Flags().StringVar(&t.kind, "kind", kindUsers, "with --attributes: mappings of `users|groups`")
	return cmd
}

// check looks at the combination of flags.
func (t *trial) check(expression bool) error {
	given := 0
	for _, s := range []string{t.user, t.group, t.attributes} {
		if s != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return usage("--user, --group and --attributes each name an object; give one of them")
	case given == 0 && !expression:
		return usage("whose attributes? name a user of the source with --user ID, or a JSON file with --attributes FILE")
	case t.kind != kindUsers && t.kind != kindGroups:
		return usage("--kind %s: must be users or groups", t.kind)
	}
	if t.group != "" {
		t.kind = kindGroups
	}
	return nil
}

// evaluated is a value and what people want to know about it.
type evaluated struct {
	Value    any         `json:"value"`
	Type     string      `json:"type"`
	Elements []evaluated `json:"elements,omitempty"` // of a list
}

// mistake is why an expression has no value.
type mistake struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Character is the place in the expression, from 1; 0: none can be named.
	Character int    `json:"character,omitempty"`
	Caret     string `json:"caret,omitempty"` // the line of the expression and a ^ under the place
}

// expressionResult is what `mapping eval --expression` prints for programs.
type expressionResult struct {
	Job        string `json:"job"`
	Expression string `json:"expression"`
	*evaluated
	Dropped  bool     `json:"dropped,omitempty"`  // IgnoreFlowIfNullOrEmpty: the target attribute is left alone
	Redacted bool     `json:"redacted,omitempty"` // logs and reports do not show the value
	Error    *mistake `json:"error,omitempty"`
}

// one evaluates the expression of the command line.
func (t *trial) one(ctx context.Context, j config.Job) error {
	e, err := expr.Parse(t.expression)
	r := expressionResult{Job: j.ID, Expression: t.expression}
	if err != nil {
		return t.fail(r, exitUsage, "the expression is wrong", err)
	}
	reads := e.Attributes()
	if len(reads) > 0 && t.user+t.group+t.attributes == "" {
		return usage("whose [%s]? name a user of the source with --user ID, or a JSON file with --attributes FILE", reads[0])
	}
	// The source is asked for what the expression reads, and not for what the mappings of the job read.
	o := t.object(&j)
	o.Attributes = []mapping.Attribute{{Target: mapping.MustPath("displayName"), Source: e}}
	s, err := t.subject(ctx, j, reads)
	if err != nil {
		return err
	}
	v, err := e.Eval(environment(s.attributes))
	if err != nil {
		return t.fail(r, exitFailed, "the expression has no value for this object", err)
	}
	if e.SelectsUnique() {
		t.note("the target is not asked whether the value is taken; the first candidate is shown")
	}
	r.evaluated, r.Dropped, r.Redacted = evaluatedOf(v), v.Dropped(), v.Secret()
	if t.json() {
		return writeDocument(t.out, r)
	}
	return writeValue(t.out, r)
}

// fail reports a wrong expression or one without value, and ends with the code.
func (t *trial) fail(r expressionResult, code int, what string, err error) error {
	r.Error = mistakeOf(err, t.expression)
	if t.json() {
		if err := writeDocument(t.out, r); err != nil {
			return err
		}
	}
	return &exitError{code, errors.New(what + r.Error.text())}
}

// mistakeOf describes an error of text, which is the expression that was parsed.
func mistakeOf(err error, text string) *mistake {
	if e, ok := errors.AsType[*expr.Error](err); ok {
		return &mistake{string(e.Code), e.Message, e.Hint, max(e.Offset, -1) + 1, e.Caret(text)}
	}
	if e, ok := errors.AsType[*mapping.Error](err); ok {
		return &mistake{Code: string(e.Code), Message: e.Message, Hint: e.Hint}
	}
	return &mistake{Message: err.Error()}
}

// text continues a sentence that says what failed: where, why, what to do.
func (m *mistake) text() string {
	var b strings.Builder
	if m.Character > 0 {
		fmt.Fprintf(&b, " at character %d", m.Character)
	}
	fmt.Fprintf(&b, ": %s [%s]", m.Message, m.Code)
	if line, _, ok := strings.Cut(m.Caret, "\n"); ok && line != "" {
		b.WriteString("\n  " + strings.ReplaceAll(m.Caret, "\n", "\n  "))
	}
	if m.Hint != "" {
		b.WriteString("\n" + m.Hint)
	}
	return b.String()
}

func evaluatedOf(v expr.Value) *evaluated {
	e := &evaluated{Value: v.JSON(), Type: v.Kind().String()}
	if v.Kind() == expr.KindList {
		for _, item := range v.Items() {
			e.Elements = append(e.Elements, *evaluatedOf(item))
		}
	}
	return e
}

func writeValue(w io.Writer, r expressionResult) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "value\t%s\n", shown(r.Value))
	switch {
	case r.Dropped:
		fmt.Fprintln(tw, "type\tNull: the target attribute is left alone, and no default acts")
	case len(r.Elements) > 0:
		fmt.Fprintf(tw, "type\t%s of %d\n", r.Type, len(r.Elements))
	default:
		fmt.Fprintf(tw, "type\t%s\n", r.Type)
	}
	for i, e := range r.Elements {
		fmt.Fprintf(tw, "  %d\t%s\t%s\n", i+1, shown(e.Value), e.Type)
	}
	if r.Redacted {
		fmt.Fprintf(tw, "logs show\t%s\n", mapping.RedactedText)
	}
	return tw.Flush()
}

// shown is a value as JSON, so that an empty text can be seen and no control character gets out.
func shown(v any) string {
	var b bytes.Buffer
	if err := writeDocument(&b, v); err != nil {
		return err.Error() // plain JSON shapes always marshal
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// mappingsResult is what `mapping eval` prints for programs without an expression.
type mappingsResult struct {
	Job  string `json:"job"`
	Kind string `json:"kind"`
	// InScope is about the filters of the job: whether the object is assigned is not looked at.
	InScope  bool            `json:"inScope"`
	Ignored  bool            `json:"ignored,omitempty"`
	Filter   string          `json:"filter,omitempty"` // filters that the object fails
	Mappings []mappingResult `json:"mappings"`
}

type mappingResult struct {
	Target string `json:"target"`
	Source string `json:"source,omitempty"`
	Value  any    `json:"value"`
	Type   string `json:"type"`
	Note   string `json:"note,omitempty"`
	// Default says that the value is the default, which is written when an object is created.
	Default bool     `json:"default,omitempty"`
	Error   *mistake `json:"error,omitempty"`
}

// all evaluates every mapping of the job.
func (t *trial) all(ctx context.Context, j config.Job) error {
	o := t.object(&j)
	s, err := t.subject(ctx, j, o.SourceAttributes())
	if err != nil {
		return err
	}
	r := mappingsResult{Job: j.ID, Kind: t.kind, InScope: s.factors.InFilter && !s.factors.Ignored, Ignored: s.factors.Ignored, Filter: s.factors.Filter, Mappings: []mappingResult{}}
	env := environment(s.attributes)
	failed := 0
	for _, a := range o.Attributes {
		m := evaluateMapping(a, s.attributes, env)
		if m.Error != nil {
			failed++
		}
		r.Mappings = append(r.Mappings, m)
	}
	if t.json() {
		err = writeDocument(t.out, r)
	} else {
		err = t.writeMappings(r, j.Scope, o)
	}
	if err != nil {
		return err
	}
	for _, m := range r.Mappings {
		if m.Error != nil {
			fmt.Fprintf(t.err, "%s: the mapping has no value for this object%s\n", m.Target, m.Error.text())
		}
	}
	if failed > 0 {
		return &exitError{exitFailed, fmt.Errorf("%s failed: nothing would be written for this object", quantity(failed, "mapping"))}
	}
	return nil
}

// evaluateMapping computes one mapping on its own, as for a new object of the target.
func evaluateMapping(a mapping.Attribute, src mapping.Attributes, env *expr.Env) mappingResult {
	m := mappingResult{Target: a.Target.String(), Source: sourceText(a), Type: expr.KindNull.String()}
	if a.Source != nil {
		// Places in errors shall be those of the text that is shown.
		if e, err := expr.Parse(m.Source); err == nil {
			a.Source = e
		}
	}
	if a.Reference() {
		name, _ := a.Source.Direct()
		m.Value, _ = src.Lookup(name)
		m.Type, m.Note = string(mapping.Reference), "written once the object it refers to is linked"
		return m
	}
	bare := a
	bare.Default, bare.Definition.Default, bare.Definition.Required = "", "", false
	v, err := evaluateAlone(bare, src, env)
	if err == nil && v == nil {
		if v, err = evaluateAlone(a, src, env); v != nil {
			m.Default, m.Note = true, "default, on create only"
			if a.Source == nil {
				m.Note = "default"
			}
		}
	}
	if err != nil {
		m.Error = mistakeOf(err, m.Source)
		return m
	}
	if v == nil {
		m.Note = "no value, not written"
		if a.FlowNull {
			m.Note = "no value; an update clears it"
		}
		return m
	}
	m.Value, m.Type = v.Value, typeOf(*v)
	switch {
	case v.Redact:
		m.Note = "logs show " + mapping.RedactedText
	case a.Source != nil && a.Source.SelectsUnique():
		m.Note = "the first candidate; the target is not asked"
	case a.Flow == mapping.FlowOnCreate:
		m.Note = cmp.Or(m.Note, "on create only")
	}
	return m
}

// evaluateAlone gives what the mapping writes on create, nil for nothing.
func evaluateAlone(a mapping.Attribute, src mapping.Attributes, env *expr.Env) (*mapping.Value, error) {
	o := mapping.Object{Enabled: true, Actions: mapping.AllActions, Attributes: []mapping.Attribute{a}}
	d, err := o.Evaluate(src, env)
	if err != nil {
		return nil, err
	}
	values, err := d.Create()
	if err != nil || len(values) == 0 {
		return nil, err
	}
	return &values[0], nil
}

// typeOf is the type of the target attribute, or of the value if that is not known.
func typeOf(v mapping.Value) string {
	kind := func(v any) string { return expr.FromJSON(v).Kind().String() }
	list, many := v.Value.([]any)
	switch {
	case many && v.Definition.Type != "":
		return "List of " + string(v.Definition.Type)
	case many && len(list) > 0:
		return "List of " + kind(list[0])
	}
	if _, complex := v.Value.(map[string]any); complex || v.Definition.Type == "" {
		return kind(v.Value)
	}
	return string(v.Definition.Type)
}

func (t *trial) writeMappings(r mappingsResult, scope string, o *mapping.Object) error {
	what := strings.TrimSuffix(r.Kind, "s")
	switch {
	case r.Ignored:
		fmt.Fprintf(t.out, "job %s leaves this %s alone; failed: %s\n\n", r.Job, what, r.Filter)
	case !r.InScope:
		fmt.Fprintf(t.out, "for job %s this %s is out of scope; failed: %s\n\n", r.Job, what, r.Filter)
	case scope == string(engine.ScopeAll):
		fmt.Fprintf(t.out, "for job %s this %s is in scope\n\n", r.Job, what)
	default:
		fmt.Fprintf(t.out, "for job %s this %s is in scope if assigned\n\n", r.Job, what)
	}
	tw := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TARGET\tVALUE\tTYPE\tNOTE")
	for i, m := range r.Mappings {
		value, note := shown(m.Value), m.Note
		if m.Value == nil {
			value = "-"
		}
		if m.Error != nil {
			note = "error " + m.Error.Code
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", shortTarget(o.Attributes[i].Target), value, m.Type, cmp.Or(note, "-"))
	}
	err := tw.Flush()
	writeLegend(t.out, o)
	return err
}

// object is the object mapping that is tried.
func (t *trial) object(j *config.Job) *mapping.Object {
	if t.kind == kindGroups {
		return &j.Mapping.Groups
	}
	return &j.Mapping.Users
}

// environment is what expressions may know of the world here.
func environment(src mapping.Attributes) *expr.Env {
	return &expr.Env{Now: time.Now(), Rand: rand.Reader, Lookup: func(name string) expr.Value {
		v, _ := src.Lookup(name)
		return expr.FromJSON(v)
	}}
}

// note says on stderr what one might not expect.
func (t *trial) note(format string, args ...any) {
	fmt.Fprintf(t.err, "note: "+format+"\n", args...)
}
