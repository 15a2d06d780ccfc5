package main

import (
	"cmp"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/mapping"
)

func newSchema(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Read and write Entra synchronization schemas",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSchemaImport(c), newSchemaExport(c))
	return cmd
}

// importResult is what `schema import` prints for programs.
type importResult struct {
	File        string               `json:"file"`
	Accepted    bool                 `json:"accepted"`
	Diagnostics []mapping.Diagnostic `json:"diagnostics"`
	Users       *importedObject      `json:"users,omitempty"`
	Groups      *importedObject      `json:"groups,omitempty"`
	Job         string               `json:"job,omitempty"`
	// Differences are what would change for the job; absent without --job.
	Differences *[]difference `json:"differences,omitempty"`
}

// importedObject sums up what a schema maps of one kind of objects.
type importedObject struct {
	Actions  []string `json:"actions"`
	Mappings int      `json:"mappings"`
	Filters  int      `json:"filters"`
	Matching []string `json:"matching"` // targets, first asked first
}

func newSchemaImport(c *console) *cobra.Command {
	job := ""
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Check a synchronization schema and report every part that cannot be honoured",
		Long: `Reads a synchronization schema as Entra exports it (JSON), and reports every finding with its place, reason
and remedy. It changes nothing: a job uses the file with the key "schema: FILE". With --job, shows in what the
schema differs from the mapping of that job. Exit code 2 if the schema is rejected.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return c.importSchema(args[0], job) },
	}
	cmd.Flags().StringVar(&job, "job", "", "compare with the mapping of this `job`")
	return cmd
}

func (c *console) importSchema(file, job string) error {
	var j config.Job
	if job != "" {
		var err error
		if _, j, err = c.named([]string{job}); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return refuse("the schema cannot be read: %w", err)
	}
	s, found := mapping.LoadSchema(data)
	r := importResult{File: file, Accepted: s != nil, Diagnostics: append([]mapping.Diagnostic{}, found...), Job: job}
	if s != nil {
		m := s.Mapping()
		r.Users, r.Groups = imported(&m.Users), imported(&m.Groups)
		if job != "" {
			r.Differences = new(differences(describeMapping(j.Mapping), describeMapping(m)))
		}
	}
	write := writeImport
	if c.json() {
		write = func(w io.Writer, r importResult) error { return writeDocument(w, r) }
	}
	if err := write(c.out, r); err != nil {
		return err
	}
	if !r.Accepted {
		n := 0
		for _, d := range found {
			if d.Severity == mapping.SeverityError {
				n++
			}
		}
		return refuse("%s is rejected because of %s; correct the file, or the schema in Entra and export it again", file, quantity(n, "error"))
	}
	return nil
}

// imported sums up an object mapping, nil if the kind is not mapped.
func imported(o *mapping.Object) *importedObject {
	if !o.Enabled {
		return nil
	}
	n := numbersOf(mapping.Mapping{Users: *o})
	r := &importedObject{Actions: actionNames(o.Actions), Mappings: n.Mappings, Filters: n.Filters, Matching: []string{}}
	for _, p := range paths(*o) {
		r.Matching = append(r.Matching, p.String())
	}
	return r
}

func writeImport(w io.Writer, r importResult) error {
	for _, d := range r.Diagnostics {
		fmt.Fprintf(w, "%s %s at %s\n    %s\n", d.Severity, d.Code, cmp.Or(d.Pointer, "/"), d.Message)
		if d.Hint != "" {
			fmt.Fprintf(w, "    %s\n", d.Hint)
		}
	}
	if len(r.Diagnostics) > 0 {
		fmt.Fprintln(w)
	}
	if !r.Accepted {
		return nil
	}
	fmt.Fprintf(w, "%s would be accepted:\n", r.File)
	for _, kind := range []struct {
		name string
		o    *importedObject
	}{{kindUsers, r.Users}, {kindGroups, r.Groups}} {
		if kind.o == nil {
			fmt.Fprintf(w, "  %s: not mapped\n", kind.name)
			continue
		}
		fmt.Fprintf(w, "  %s: %s; %s, matched by %s; %s\n", kind.name, cmp.Or(enumerate(kind.o.Actions, "and"), "no action is allowed"),
			quantity(kind.o.Mappings, "mapping"), cmp.Or(enumerate(kind.o.Matching, "then"), "nothing"), quantity(kind.o.Filters, "filter"))
	}
	if r.Differences != nil {
		if len(*r.Differences) == 0 {
			fmt.Fprintf(w, "It decides exactly as the mapping of job %s.\n", r.Job)
		} else {
			writeDifferences(w, "It differs from the mapping of job "+r.Job+", so the next cycle would be an initial one that keeps links:", *r.Differences)
		}
	}
	_, err := fmt.Fprintf(w, "Nothing was changed. To use it, write this into the job, in place of mappings:\n  schema: %s\n", r.File)
	return err
}

// writeDifferences prints in what mappings differ, after a sentence that ends in a colon.
func writeDifferences(w io.Writer, sentence string, ds []difference) {
	fmt.Fprintln(w, sentence)
	for _, d := range ds {
		switch {
		case d.Was == "":
			fmt.Fprintf(w, "  + %s: %s\n", d.Key, d.Is)
		case d.Is == "":
			fmt.Fprintf(w, "  - %s: %s\n", d.Key, d.Was)
		default:
			fmt.Fprintf(w, "  ~ %s: %s\n    becomes %s\n", d.Key, d.Was, d.Is)
		}
	}
}

func newSchemaExport(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "export [JOB]",
		Short: "Print the mapping of a job as a synchronization schema",
		Long: `Prints the mappings and filters of a job as an Entra synchronization schema (JSON). For a job that has a schema
file everything that the file holds is printed again, also what has no effect here.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, j, err := c.named(args)
			if err != nil {
				return err
			}
			data, err := exportSchema(j)
			if err != nil {
				return err
			}
			_, err = c.out.Write(data)
			return err
		},
	}
}

// exportSchema writes the mapping of a job, based on its schema file if it has one.
func exportSchema(j config.Job) ([]byte, error) {
	var base *mapping.Schema
	if j.Schema != "" {
		data, err := os.ReadFile(j.Schema)
		if err != nil {
			return nil, err
		}
		if base, _ = mapping.LoadSchema(data); base == nil {
			return nil, fmt.Errorf("%s has changed since the configuration was read and is rejected now; see `scimsync schema import`", j.Schema)
		}
	}
	return mapping.ExportSchema(j.Mapping, base, ""), nil
}
