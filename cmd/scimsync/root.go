package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/scimsync/scimsync/config"
)

// Exit codes (contract section 2).
const (
	exitDone       = 0
	exitInternal   = 1
	exitUsage      = 2
	exitFailed     = 3
	exitHeld       = 4
	exitConnection = 5
)

// exitError is an error that ends the process with a code of its own. What a command has said
// already need not be said again: then err is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
	config   string
	output   string // table or json
}

// terminal reports whether w is one, so that progress may be drawn over itself.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// json reports whether the output is for a program.
func (c *console) json() bool {
	return c.output == "json" || c.output == "" && !terminal(c.out)
}

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errw io.Writer) int {
	c := &console{in: in, out: out, err: errw}
	root := newRoot(c)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(errw, text)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var e *exitError
	var problems config.Problems
	switch {
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &problems):
		return exitUsage
	case errors.Is(err, errUsage):
		return exitUsage
	default:
		return exitInternal
	}
}

// errUsage marks a command line that cannot be understood.
var errUsage = errors.New("see `scimsync help`")

func usage(format string, args ...any) error {
	return fmt.Errorf("%s; %w", fmt.Sprintf(format, args...), errUsage)
}

func newRoot(c *console) *cobra.Command {
	root := &cobra.Command{
		Use:   "scimsync",
		Short: "Keeps the accounts and groups of an application in step with a directory",
		Long: `scimsync keeps the accounts and groups of an application in step with a directory.

It reads assigned users and groups from Microsoft Graph, applies attribute mappings, and creates,
updates, disables and deletes accounts at a SCIM 2.0 application.

Start with:  scimsync demo
Then:        scimsync init, scimsync check, scimsync run --once, scimsync run

Exit codes: 0 done · 1 internal error · 2 bad usage or invalid configuration · 3 some objects failed
and wait for a retry · 4 the job is in quarantine or deletions are held · 5 a connection failed`,
		SilenceErrors: true,
		SilenceUsage:  true,
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
	}
	root.PersistentFlags().StringVar(&c.config, "config", cmp.Or(os.Getenv("SCIMSYNC_CONFIG"), "scimsync.yaml"), "configuration `file` ($SCIMSYNC_CONFIG)")
	root.PersistentFlags().StringVar(&c.output, "output", "", "table or json (default: table on a terminal, else json)")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if c.output != "" && c.output != "table" && c.output != "json" {
			return usage("--output %s: must be table or json", c.output)
		}
		return nil
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%v", err) })
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "Getting started:"},
		&cobra.Group{ID: "work", Title: "Synchronizing:"},
		&cobra.Group{ID: "operate", Title: "Operating:"},
		&cobra.Group{ID: "rules", Title: "Mappings:"},
		&cobra.Group{ID: "other", Title: "Other:"},
	)
	for _, sub := range []struct {
		group string
		cmd   *cobra.Command
	}{
		{"start", newDemo(c)},
		{"start", newInit(c)},
		{"start", newCheck(c)},
		{"work", newRun(c)},
		{"work", newPlan(c)},
		{"work", newLogs(c)},
		{"operate", newJob(c)},
		{"operate", newProvision(c)},
		{"operate", newEscrow(c)},
		{"operate", newLink(c)},
		{"operate", newDrift(c)},
		{"operate", newAudit(c)},
		{"rules", newMapping(c)},
		{"rules", newSchema(c)},
		{"other", newSandbox(c)},
		{"other", newVersion(c)},
	} {
		sub.cmd.GroupID = sub.group
		root.AddCommand(sub.cmd)
	}
	checkArgs(root)
	return root
}

// checkArgs makes wrong arguments of a command and of all below it errors of usage. A command that only
// holds others shows its help, unless it was given something that is none of them.
func checkArgs(cmd *cobra.Command) {
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	args := cmd.Args
	if args == nil {
		args = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if err := args(cmd, given); err != nil {
			return usage("%v%s", err, meant(cmd, given))
		}
		return nil
	}
	for _, sub := range cmd.Commands() {
		checkArgs(sub)
	}
}

// meant names the commands that look like the one that there is not.
func meant(cmd *cobra.Command, given []string) string {
	if !cmd.HasSubCommands() || len(given) == 0 {
		return ""
	}
	cmd.SuggestionsMinimumDistance = 2
	if names := cmd.SuggestionsFor(given[0]); len(names) > 0 {
		return "; did you mean " + strings.Join(names, " or ") + "?"
	}
	return ""
}
