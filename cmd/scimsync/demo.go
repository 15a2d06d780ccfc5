package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

// demo is the main job on an embedded default: a sandbox directory, a sandbox application, and one
// job between them, all in this process and all over HTTP.
type demo struct {
	*console
	users, groups int
	seed          uint64
	once          bool
}

func newDemo(c *console) *cobra.Command {
	d := &demo{console: c}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: a sandbox directory, a sandbox application and a job between them",
		Long: `Starts a sandbox directory that speaks Microsoft Graph, a sandbox application that speaks SCIM, an
embedded Temporal server and a state store, with one job between them. It runs the initial cycle, lets
a day pass in the directory, runs an incremental cycle, and tells what was done and why. Nothing needs
to be configured and nothing outside of this machine is contacted.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := populated(d.users, 10, d.groups, 3); err != nil { // the day of the demo needs some
				return err
			}
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&d.users, "users", 200, "number of people in the sandbox directory")
	cmd.Flags().IntVar(&d.groups, "groups", 20, "number of groups in the sandbox directory")
	cmd.Flags().Uint64Var(&d.seed, "seed", 1, "makes the sandbox reproducible")
	cmd.Flags().BoolVar(&d.once, "once", false, "exit after the second cycle")
	return cmd
}

func (d *demo) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "scimsync-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	directory := graphtest.New(graphtest.Options{Seed: d.seed, Population: graphtest.Population{Users: d.users, Groups: d.groups, Tidy: true}})
	app := scimtest.New(scimtest.Options{Seed: d.seed})
	sandboxes, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	source, err := serveLoopback(sandboxes, directory)
	if err != nil {
		return err
	}
	target, err := serveLoopback(sandboxes, app)
	if err != nil {
		return err
	}
	f, _, err := config.Parse("demo.yaml", []byte(demoConfig(dir, source, directory.ServicePrincipalID(), target+app.BasePath())), os.LookupEnv)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "sandbox directory    %s/v1.0  (Microsoft Graph, %d users, %d groups)\n", source, d.users, d.groups)
	fmt.Fprintf(d.out, "sandbox application  %s%s  (SCIM 2.0, empty)\n", target, app.BasePath())

	s, err := open(ctx, f, zap.NewNop())
	defer func() { err = errors.Join(err, s.close()) }()
	if err != nil {
		return err
	}
	if err := s.work(); err != nil {
		return err
	}
	return d.story(ctx, s, f.Jobs[0], directory, app)
}

// story runs the two cycles and tells about them.
func (d *demo) story(ctx context.Context, s *service, job config.Job, directory *graphtest.Server, app *scimtest.Server) error {
	fmt.Fprintf(d.out, "\n1. The initial cycle: everybody assigned to the application gets an account.\n\n")
	if err := d.cycle(ctx, s, job, 3); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n2. A day passes in the directory:\n\n")
	happened := directory.PassDay()
	for i, h := range append(happened, purge(directory, happened)) {
		if i == 30 {
			fmt.Fprintln(d.out, "   - and more of the same")
			break
		}
		fmt.Fprintf(d.out, "   - %s\n", h.Text)
	}
	fmt.Fprintf(d.out, "\n3. The incremental cycle: only what changed is read and written.\n\n")
	if err := d.cycle(ctx, s, job, 60); err != nil {
		return err
	}
	users, groups := app.Size()
	fmt.Fprintf(d.out, "\nThe application now has %d accounts and %d groups.\n", users, groups)
	if d.once {
		return nil
	}
	stop, err := s.listen(d.console)
	if err != nil {
		return err
	}
	defer stop()
	schedules, err := s.schedules(ctx)
	if err != nil {
		return err
	}
	if err := s.starter.Reconcile(ctx, schedules); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "The job goes on every %s. Change the directory through its control API and watch; stop with Ctrl-C.\n", job.Interval)
	<-ctx.Done()
	return nil
}

// purge deletes somebody for good to whom nothing else happened today: the one event that an ordinary
// day of the sandbox does not have.
func purge(directory *graphtest.Server, happened []graphtest.Happening) graphtest.Happening {
	t := directory.Truth()
	for _, id := range slices.Sorted(maps.Keys(t.Entitled)) {
		if slices.ContainsFunc(happened, func(h graphtest.Happening) bool { return h.ID == id }) {
			continue
		}
		directory.SoftDelete(id)
		directory.HardDelete(id)
		return graphtest.Happening{Kind: "purge", ID: id, Text: fmt.Sprint(t.Users[id].Properties["displayName"], " was deleted for good")}
	}
	return graphtest.Happening{Text: "nobody was deleted for good"}
}

// cycle runs one cycle and prints what it did, the first rows of each action.
func (d *demo) cycle(ctx context.Context, s *service, job config.Job, rows int) error {
	c, err := s.sync(ctx, d.console, job)
	if err != nil {
		return err
	}
	entries, err := s.store.Entries(ctx, engine.JobID(job.ID), engine.LogFilter{Cycle: c.ID, Limit: 100_000})
	if err != nil {
		return err
	}
	if err := writeStory(d.out, entries, rows); err != nil {
		return err
	}
	if err := writeCycle(d.out, web.CycleResultOf(c)); err != nil {
		return err
	}
	if c.State != engine.CycleSucceeded {
		return &exitError{code: exitOf([]engine.Cycle{c})}
	}
	return nil
}

// demoConfig is the configuration of the demo, in the form that users write.
func demoConfig(dir, source, servicePrincipal, target string) string {
	return fmt.Sprintf(`
dataDir: %q
server: {listen: "127.0.0.1:0"}
jobs:
  - id: demo
    interval: 40m
    source:
      type: msgraph
      endpoint: %s/v1.0
      accessToken: sandbox
      servicePrincipalId: %s
    target:
      type: scim
      baseUrl: %s
      profile: rfc7644
      auth: {type: bearer, token: sandbox}
    deletions: {threshold: 0}
`, dir, source, servicePrincipal, target)
}

// serveLoopback serves h on a free loopback port until ctx ends and returns its address.
func serveLoopback(ctx context.Context, h http.Handler) (base string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { srv.Close() })
	go srv.Serve(l) // ends with an error that only says that it was closed
	return "http://" + l.Addr().String(), nil
}
