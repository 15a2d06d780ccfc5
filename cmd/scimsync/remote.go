package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
)

// Environment variables that stand for --server and --token.
const (
	serverEnv = "SCIMSYNC_SERVER"
	tokenEnv  = "SCIMSYNC_TOKEN"
)

// remote is how a command reaches the admin API: that of the service named by --server, else that of the running
// service of the configuration, else the same API served by this process to itself. So a command does the same with
// and without a running service.
type remote struct {
	*console
	server, token string // flags
}

// newRemote gives cmd, and all commands below it, the flags of a command that talks to a service.
func newRemote(c *console, cmd *cobra.Command) *remote {
	r := &remote{console: c}
	cmd.PersistentFlags().StringVar(&r.server, "server", "", "`URL` of a running service ($"+serverEnv+"; default: server.listen of the configuration if it answers, else this process)")
	cmd.PersistentFlags().StringVar(&r.token, "token", "", "`token` for the service ($"+tokenEnv+"; default: the one of the configuration)")
	return r
}

// api is an admin API that was reached.
type api struct {
	*web.Client
	local     bool   // this process answers: no service runs, or it has no address
	from      string // where the token comes from, for people
	asked     engine.JobID
	configure string // what to put behind scimsync in commands that are shown: " --config other.yaml", or the server
}

// call reaches the API and lets do use it. Errors of the API are put into words for people, with the exit code.
func (r *remote) call(ctx context.Context, do func(context.Context, *api) error) (err error) {
	a, stop, err := r.reach(ctx)
	if stop != nil {
		defer func() {
			if e := stop(); e != nil {
				err = errors.Join(err, e)
			}
		}()
	}
	if err != nil {
		return err
	}
	return a.explain(ctx, do(ctx, a))
}

// reach finds the API. stop, which may be nil, ends what was opened for it.
func (r *remote) reach(ctx context.Context) (a *api, stop func() error, err error) {
	if server := cmp.Or(r.server, os.Getenv(serverEnv)); server != "" {
		a, err := r.named(server)
		return a, nil, err
	}
	f, err := r.loadConfig()
	if err != nil {
		return nil, nil, err
	}
	configure := ""
	if r.config != "scimsync.yaml" && r.config != os.Getenv("SCIMSYNC_CONFIG") {
		configure = " --config " + quoted(r.config)
	}
	if base := serving(ctx, f.Server.Listen); base != "" {
		token, from, err := r.tokenFor(f, base)
		if err != nil {
			return nil, nil, err
		}
		return &api{Client: &web.Client{Base: base, Token: token}, from: from, configure: configure}, nil, nil
	}
	// What goes wrong with jobs is told by the answers; the log of a service would only say it again.
	l := f.Log
	if l.Level != "debug" {
		l.Level = "error"
	}
	c, stop, err := localAPI(ctx, f, newLogger(l))
	return &api{Client: c, local: true, configure: configure}, stop, err
}

// named is the service that the command line names. No token of the configuration is sent to it.
func (r *remote) named(server string) (*api, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, usage("--server %s: not an address such as http://127.0.0.1:8080", server)
	}
	token, from := r.given()
	if token == "" {
		return nil, usage("--server needs a token: give --token, or set $%s", tokenEnv)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		fmt.Fprintf(r.err, "warning: --server %s: the token and all answers go over the network unencrypted; use https\n", server)
	}
	a := &api{Client: &web.Client{Base: strings.TrimSuffix(strings.TrimSuffix(server, "/"), "/api/v1"), Token: engine.NewSecret(token)}, from: from}
	if r.server != "" {
		a.configure = " --server " + quoted(r.server)
	}
	return a, nil
}

// given is the token of the command line or the environment.
func (r *remote) given() (token, from string) {
	if r.token != "" {
		return r.token, "--token"
	}
	return os.Getenv(tokenEnv), "$" + tokenEnv
}

// tokenFor is the token for the running service of the configuration.
func (r *remote) tokenFor(f *config.File, base string) (token engine.Secret, from string, err error) {
	if token, from := r.given(); token != "" {
		return engine.NewSecret(token), from, nil
	}
	path := filepath.Join(f.DataDir, tokenFile)
	from = path
	if f.Server.Token.Reveal() != "" {
		from = "server.token of " + f.Path
	} else if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		// One made now would not be known to the service that runs already.
		return token, "", refuse("a service answers at %s, but its token is not known here: server.token is not set in %s, and there is no %s; give --token, or set $%s", base, f.Path, path, tokenEnv)
	}
	token, _, err = fullToken(f)
	return token, from, err
}

// probing is how long a running service has to answer.
const probing = time.Second

// serving is the address under which the service of a configuration answers, "" if it does not.
func serving(ctx context.Context, listen string) (base string) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return "" // off, or at an address that only the service itself knows
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	base = "http://" + net.JoinHostPort(host, port)
	ctx, cancel := context.WithTimeout(ctx, probing)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/healthz", nil)
	if err != nil {
		return ""
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 16))
	if err != nil || res.StatusCode != http.StatusOK || strings.TrimSpace(string(text)) != "ok" {
		return "" // somebody else's
	}
	return base
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// job is the job that the command line names, or the only one there is.
func (a *api) job(ctx context.Context, args []string) (engine.JobID, error) {
	if len(args) > 0 {
		a.asked = engine.JobID(args[0])
		return a.asked, nil
	}
	jobs, err := a.Jobs(ctx)
	if err != nil {
		return "", err
	}
	if len(jobs) != 1 {
		return "", usage("which job? there are: %s", idsOf(jobs))
	}
	return engine.JobID(jobs[0].ID), nil
}

func idsOf(jobs []web.SynchronizationJob) string {
	var ids []string
	for _, j := range jobs {
		ids = append(ids, j.ID)
	}
	return strings.Join(ids, ", ")
}

// next is a command line to go on with.
func (a *api) next(format string, args ...any) string {
	return "scimsync " + fmt.Sprintf(format, args...) + a.configure
}

// strange says that the job of the command line does not exist, nil if it does: an answer that there is nothing of
// some name may be about the job itself.
func (a *api) strange(ctx context.Context) error {
	if a.asked == "" {
		return nil
	}
	jobs, err := a.Jobs(ctx)
	if err != nil || slices.ContainsFunc(jobs, func(j web.SynchronizationJob) bool { return strings.EqualFold(j.ID, string(a.asked)) }) {
		return nil // what was answered stands
	}
	return usage("no job %q; jobs are: %s", a.asked, idsOf(jobs))
}

// explain puts an error of the API into words for people, with its exit code. Others stay as they are.
func (a *api) explain(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*exitError](err); ok || err == nil {
		return err
	}
	if ctx.Err() != nil {
		return &exitError{exitInternal, errors.New("stopped")}
	}
	if p, ok := errors.AsType[*web.Problem](err); ok {
		if p.Status == http.StatusNotFound {
			if err := a.strange(ctx); err != nil {
				return err
			}
		}
		return a.problem(p)
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return &exitError{exitConnection, fmt.Errorf("%w; check that the service runs, and the address", err)}
	}
	return err
}

func (a *api) problem(p *web.Problem) error {
	text, code := p.Message, exitUsage
	for _, d := range p.Details {
		if d.Message != "" && d.Target != "" {
			text += fmt.Sprintf("\n  %s: %s", d.Target, d.Message)
		} else if d.Message != "" {
			text += "\n  " + d.Message
		}
	}
	switch {
	case p.Code == http.StatusText(p.Status): // not from a scimsync service
		code = exitConnection
	case p.Status == http.StatusUnauthorized:
		code, text = exitConnection, fmt.Sprintf("the service at %s does not know the token of %s; give the one it was started with: --token, $%s, or server.token", a.Base, a.from, tokenEnv)
	case p.Status == http.StatusForbidden:
		code = exitConnection
		text += fmt.Sprintf("\nThe token came from %s; give another with --token or $%s.", a.from, tokenEnv)
	case p.Status == http.StatusTooManyRequests, p.Status == http.StatusServiceUnavailable, p.Code == "CredentialsInvalid", p.Code == "TargetUnreachable":
		code = exitConnection
		if p.RetryAfter > 0 {
			text += fmt.Sprintf(" It can be asked again in %s.", p.RetryAfter)
		}
	case p.Status >= http.StatusInternalServerError:
		code = exitInternal
		if !a.local && p.RequestID != "" {
			text += fmt.Sprintf(" In the log of the service it is the request %s.", p.RequestID)
		}
	}
	return &exitError{code, errors.New(text)}
}

// keyboard is the terminal that answers to questions, if there is one.
func (c *console) keyboard() bool {
	f, ok := c.in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks before something that cannot be taken back. yes answers in advance; where nobody can be asked, otherwise
// says what to give.
func (c *console) confirm(ctx context.Context, yes bool, question, otherwise string) error {
	switch {
	case yes:
		return nil
	case !c.keyboard():
		return refuse("%s\nNothing was done: there is no terminal to ask on; %s", question, otherwise)
	}
	return ask(ctx, c.in, c.err, question)
}

// ask puts a question, and returns an error unless the answer is yes.
func ask(ctx context.Context, in io.Reader, out io.Writer, question string) error {
	fmt.Fprintf(out, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // a read from a terminal cannot be broken off
		line, _ := bufio.NewReader(in).ReadString('\n') // an end without an answer is no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case a := <-answer:
		if a == "y" || a == "yes" {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(out)
	}
	return refuse("not confirmed; nothing was done")
}
