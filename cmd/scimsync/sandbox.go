package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

func newSandbox(c *console) *cobra.Command {
	var listen, token string
	var seed uint64
	var users, groups int
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a sandbox directory (graph) or application (scim) to try things against",
	}
	graph := &cobra.Command{
		Use:   "graph",
		Short: "A directory that speaks Microsoft Graph, with made-up people",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := populated(users, 0, groups, 0); err != nil {
				return err
			}
			s := graphtest.New(graphtest.Options{
				Seed: seed, Token: token, Population: graphtest.Population{Users: users, Groups: groups, Tidy: true},
			})
			return c.serveSandbox(cmd.Context(), listen, s, func(base string) string {
				return fmt.Sprintf("Microsoft Graph sandbox: %d users, %d groups\n  source.endpoint:           %s/v1.0\n"+
					"  source.accessToken:        %s\n  source.servicePrincipalId: %s\n  control API:               %s/_emu/\n",
					users, groups, base, orAny(token), s.ServicePrincipalID(), base)
			})
		},
	}
	scim := &cobra.Command{
		Use:   "scim",
		Short: "An application that speaks SCIM 2.0, empty at the start",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := scimtest.New(scimtest.Options{Seed: seed, Quirks: scimtest.Quirks{RequireToken: token}})
			return c.serveSandbox(cmd.Context(), listen, s, func(base string) string {
				return fmt.Sprintf("SCIM sandbox\n  target.baseUrl:    %s%s\n  target.auth.token: %s\n  control API:       %s/_app/\n",
					base, s.BasePath(), orAny(token), base)
			})
		},
	}
	for _, sub := range []*cobra.Command{graph, scim} {
		sub.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "`address` to listen on")
		sub.Flags().StringVar(&token, "token", "", "the only bearer `token` that is accepted (default: any)")
		sub.Flags().Uint64Var(&seed, "seed", 1, "makes ids and people reproducible")
		cmd.AddCommand(sub)
	}
	graph.Flags().IntVar(&users, "users", 200, "number of people")
	graph.Flags().IntVar(&groups, "groups", 20, "number of groups")
	return cmd
}

// Most people and groups that a sandbox has: it keeps them in memory.
const (
	maxSandboxUsers  = 1_000_000
	maxSandboxGroups = 100_000
)

// populated checks the flags --users and --groups, of which there have to be some.
func populated(users, leastUsers, groups, leastGroups int) error {
	switch {
	case users < leastUsers || users > maxSandboxUsers:
		return usage("--users %d: must be from %d to %d", users, leastUsers, maxSandboxUsers)
	case groups < leastGroups || groups > maxSandboxGroups:
		return usage("--groups %d: must be from %d to %d", groups, leastGroups, maxSandboxGroups)
	}
	return nil
}

func orAny(token string) string {
	if token == "" {
		return "any text"
	}
	return "the one given by --token"
}

// serveSandbox answers requests until ctx ends.
func (c *console) serveSandbox(ctx context.Context, listen string, h http.Handler, about func(base string) string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return usage("--listen %s: %v", listen, err)
	}
	if _, err := fmt.Fprint(c.out, about("http://"+l.Addr().String())); err != nil {
		return err
	}
	return serveHTTP(ctx, l, h)
}

// serveHTTP serves h on l until ctx ends.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
