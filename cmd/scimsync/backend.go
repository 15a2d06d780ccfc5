package main

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/connectors/msgraph"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
)

// backend is what the admin API can do. serving says that this process is the service, so that schedules are
// minded and what is decided takes effect by itself; a command that works on its own only records it.
type backend struct {
	*service
	serving bool
}

var _ web.Backend = (*backend)(nil)

// Jobs shows the jobs of the configuration.
func (b *backend) Jobs() []web.Job {
	out := make([]web.Job, 0, len(b.file.Jobs))
	for _, j := range b.file.Jobs {
		job := web.Job{
			ID: engine.JobID(j.ID), Connection: j.ID, Enabled: j.Enabled, Interval: j.Interval, Scope: engine.Scope(j.Scope),
			SourceType: j.Source.Type, TargetType: j.Target.Type, Email: j.Notify.Email, OnFailure: j.Notify.OnFailure, Options: options(j),
		}
		var from msgraph.Config
		var to scim.Config
		// Both were decoded without an error when the configuration was read.
		if err := errors.Join(j.Source.Decode(&from), j.Target.Decode(&to)); err != nil {
			b.log.Warn("the blocks of a job cannot be shown", zap.String("job", j.ID))
		}
		job.SourceName, job.TenantID = "Microsoft Graph", from.TenantID
		job.Connection = cmp.Or(from.ServicePrincipalID, j.ID)
		job.TargetName, job.BaseURL, job.AuthType, job.Expires = to.BaseURL, to.BaseURL, to.Auth.Type, to.TokenExpires()
		if u, err := url.Parse(to.BaseURL); err == nil && u.Host != "" {
			job.TargetName = u.Host
		}
		out = append(out, job)
	}
	return out
}

// configured finds a job in the configuration.
func (b *backend) configured(j engine.JobID) (config.Job, error) {
	i := slices.IndexFunc(b.file.Jobs, func(c config.Job) bool { return c.ID == string(j) })
	if i < 0 {
		return config.Job{}, fmt.Errorf("job %s: %w", j, engine.ErrNotFound)
	}
	return b.file.Jobs[i], nil
}

func refusal(code, format string, args ...any) error {
	return &web.Refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

// note records in the audit what somebody did.
func (b *backend) note(ctx context.Context, by web.Caller, j engine.JobID, activity, before, after, comment string) error {
	return b.store.PutAudit(context.WithoutCancel(ctx), engine.AuditEntry{
		At: time.Now().UTC(), Job: j, By: by.Name, From: by.From, Activity: activity, Before: before, After: after, Comment: comment,
	})
}

// Start implements [web.Backend].
func (b *backend) Start(ctx context.Context, by web.Caller, j engine.JobID) error {
	c, err := b.configured(j)
	if err != nil {
		return err
	}
	if !c.Enabled {
		return refusal("InvalidJobState", "job %s is switched off in the configuration; set enabled: true there and restart the service", j)
	}
	was, err := b.store.Control(ctx, j)
	if err != nil {
		return err
	}
	if err := b.runner.Start(ctx, j); err != nil {
		return err
	}
	if err := b.note(ctx, by, j, engine.AuditStarted, stateOf(was), "active", ""); err != nil {
		return err
	}
	if !b.serving {
		return nil
	}
	if err := b.starter.SetPaused(ctx, c.ID, c.Interval, false); err != nil {
		return err
	}
	if was.Paused || was.Disabled || was.Quarantine != nil {
		return b.starter.Next(ctx, c.ID, c.Interval)
	}
	return nil
}

// stateOf is the state of a job in a word, for the audit.
func stateOf(c engine.Control) string {
	switch {
	case c.Disabled:
		return "disabled"
	case c.Paused:
		return "paused"
	case c.Quarantine != nil:
		return "quarantine: " + string(c.Quarantine.Reason)
	default:
		return "active"
	}
}

// Pause implements [web.Backend].
func (b *backend) Pause(ctx context.Context, by web.Caller, j engine.JobID) error {
	c, err := b.configured(j)
	if err != nil {
		return err
	}
	was, err := b.store.Control(ctx, j)
	if err != nil {
		return err
	}
	if err := b.runner.Pause(ctx, j); err != nil {
		return err
	}
	if err := b.note(ctx, by, j, engine.AuditPaused, stateOf(was), "paused", ""); err != nil {
		return err
	}
	if !b.serving {
		return nil
	}
	return b.starter.SetPaused(ctx, c.ID, c.Interval, true)
}

// Stop implements [web.Backend].
func (b *backend) Stop(ctx context.Context, by web.Caller, j engine.JobID) error {
	if _, err := b.configured(j); err != nil {
		return err
	}
	if !b.serving {
		return refusal("InvalidJobState", "no service runs here; stop the command that runs the cycle with Ctrl-C; what it had not done waits for the next one")
	}
	running, err := b.starter.Stop(ctx, string(j))
	if err != nil {
		return err
	}
	if !running {
		return refusal("InvalidJobState", "no cycle of job %s is running", j)
	}
	b.runner.Halt(j)
	if err := b.note(ctx, by, j, engine.AuditStopped, "", "", ""); err != nil {
		return err
	}
	return b.awaitEnd(ctx, j)
}

// Sync implements [web.Backend].
func (b *backend) Sync(ctx context.Context, by web.Caller, j engine.JobID) (engine.CycleID, error) {
	c, err := b.configured(j)
	if err != nil {
		return "", err
	}
	if err := b.temporal(ctx); err != nil {
		return "", err
	}
	if err := b.runner.Ask(ctx, j, ""); err != nil {
		return "", notNow(err)
	}
	if err := b.note(ctx, by, j, engine.AuditSynced, "", "", ""); err != nil {
		return "", err
	}
	for {
		before, err := b.store.LastCycles(ctx, j, 1)
		if err != nil {
			return "", err
		}
		run, joined, err := b.starter.Trigger(ctx, c.ID, c.Interval)
		switch {
		case err != nil:
			return "", err
		case len(before) > 0 && before[0].State == engine.CycleRunning: // joined, or left open by a crash and going on now
			return before[0].ID, nil
		case !joined:
			return engine.CycleID(run.GetRunID()), nil
		}
		// A run that has begun no cycle yet, or whose cycle has ended: the one is joined, the other waited for.
		if id, err := b.joined(ctx, j, before, run); id != "" || err != nil {
			return id, err
		}
	}
}

// joined returns the cycle that a run begins, "" when it ends without a new one.
func (b *backend) joined(ctx context.Context, j engine.JobID, before []engine.Cycle, run client.WorkflowRun) (engine.CycleID, error) {
	over := make(chan struct{})
	wait, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(over)
		if err := run.Get(wait, nil); err != nil && wait.Err() == nil {
			b.log.Debug("a run that was joined failed", zap.String("job", string(j)), zap.Error(err))
		}
	}()
	for {
		last, err := b.store.LastCycles(ctx, j, 1)
		if err != nil {
			return "", err
		}
		if len(last) > 0 && (len(before) == 0 || last[0].ID != before[0].ID) {
			return last[0].ID, nil
		}
		select {
		case <-over:
			return "", nil
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// notNow turns the reason why no cycle begins into a refusal.
func notNow(err error) error {
	if not, ok := errors.AsType[*cycle.NotNowError](err); ok {
		return refusal("InvalidJobState", "%s", not.Error())
	}
	return err
}

// stopping is how long a restart waits for the running cycle to come to a safe point.
const stopping = time.Minute

// Restart implements [web.Backend].
func (b *backend) Restart(ctx context.Context, by web.Caller, j engine.JobID, what []web.Reset, start bool) error {
	c, err := b.configured(j)
	if err != nil {
		return err
	}
	has := func(r web.Reset) bool { return slices.Contains(what, r) }
	if has(web.ResetDeletes) {
		if err := b.force(ctx, by, j); err != nil {
			return err
		}
	}
	full := has(web.ResetFull)
	reset := cycle.Reset{
		Watermark: full || has(web.ResetWatermark), Escrows: full || has(web.ResetEscrows), Quarantine: full || has(web.ResetQuarantine),
		Known: full || has(web.ResetStore) || has(web.ResetWatermark) && has(web.ResetEscrows), Links: full,
	}
	if reset != (cycle.Reset{}) {
		if err := b.settleCycle(ctx, j); err != nil {
			return err
		}
		if err := b.runner.Restart(ctx, j, reset); err != nil {
			return err
		}
	}
	var words []string
	for _, r := range what {
		words = append(words, string(r))
	}
	if err := b.note(ctx, by, j, engine.AuditRestarted, "", strings.Join(words, ","), ""); err != nil {
		return err
	}
	if start {
		return b.Start(ctx, by, j)
	}
	return b.goOn(ctx, c)
}

// goOn starts a cycle of a job that is not paused, so that what was decided takes effect now.
func (b *backend) goOn(ctx context.Context, c config.Job) error {
	if !b.serving || !c.Enabled {
		return nil
	}
	control, err := b.store.Control(ctx, engine.JobID(c.ID))
	if err != nil || control.Paused || control.Disabled {
		return err
	}
	if err := b.starter.SetPaused(ctx, c.ID, c.Interval, false); err != nil { // it may have been disabled until now
		return err
	}
	return b.starter.Next(ctx, c.ID, c.Interval)
}

// settleCycle stops the running cycle of a job and waits until it has ended.
func (b *backend) settleCycle(ctx context.Context, j engine.JobID) error {
	if b.serving {
		if running, err := b.starter.Stop(ctx, string(j)); err != nil {
			return err
		} else if running {
			b.runner.Halt(j)
		}
	}
	if !b.serving {
		last, err := b.store.LastCycles(ctx, j, 1)
		if err != nil || len(last) == 0 || last[0].State != engine.CycleRunning {
			return err
		}
		return b.closeCycle(ctx, j)
	}
	return b.awaitEnd(ctx, j)
}

// awaitEnd waits until the running cycle of a job, which was stopped, has ended.
func (b *backend) awaitEnd(ctx context.Context, j engine.JobID) error {
	ctx, cancel := context.WithTimeout(ctx, stopping)
	defer cancel()
	for {
		last, err := b.store.LastCycles(ctx, j, 1)
		if err == nil && (len(last) == 0 || last[0].State != engine.CycleRunning) {
			return nil
		}
		select {
		case <-ctx.Done():
			return refusal("OperationInProgress", "the running cycle of job %s did not come to a safe point within %s; try again", j, stopping)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// closeCycle closes a cycle that an earlier process left open. With the embedded Temporal server to ourselves nobody
// else can be working on it.
func (b *backend) closeCycle(ctx context.Context, j engine.JobID) error {
	if b.file.Temporal.Address != "" {
		return refusal("OperationInProgress", "a cycle of job %s is open, perhaps on another worker; ask the service that runs it with --server, or stop it there first", j)
	}
	return b.temporal(ctx) // which refuses while another process has it, and closes what was left open
}

// force approves everything that is held at this moment (ForceDeletes).
func (b *backend) force(ctx context.Context, by web.Caller, j engine.JobID) error {
	control, err := b.store.Control(ctx, j)
	if err != nil {
		return err
	}
	if q := control.Quarantine; q == nil || q.Reason != engine.QuarantineDeletes {
		return refusal("InvalidJobState", "job %s holds no deletions; ForceDeletes lets held ones through and nothing else", j)
	}
	about, err := b.heldNow(ctx, j)
	if err != nil {
		return err
	}
	_, err = b.Judge(ctx, by, j, engine.Approved, about, nil, "ForceDeletes")
	return err
}

// heldNow lists the held changes without a verdict.
func (b *backend) heldNow(ctx context.Context, j engine.JobID) ([]engine.Judged, error) {
	var out []engine.Judged
	for _, k := range []engine.Kind{engine.User, engine.Group} {
		for after := ""; ; {
			held, err := b.store.Changes(ctx, j, k, []engine.ChangeState{engine.ChangeHeld}, after, cycle.BatchSize)
			if err != nil {
				return nil, err
			}
			if len(held) == 0 {
				break
			}
			for _, q := range held {
				after = q.ID
				if q.Hold != nil && q.Hold.Verdict == engine.Undecided {
					out = append(out, engine.Judged{Ref: q.Ref, Action: q.Hold.Action})
				}
			}
		}
	}
	return out, nil
}

// Quarantine implements [web.Backend].
func (b *backend) Quarantine(ctx context.Context, by web.Caller, j engine.JobID, comment string) error {
	if _, err := b.configured(j); err != nil {
		return err
	}
	if err := b.runner.Quarantine(ctx, j, comment); err != nil {
		return err
	}
	return b.note(ctx, by, j, engine.AuditQuarantine, "", string(engine.QuarantineOnDemand), comment)
}

// Provision implements [web.Backend]. As a service it runs as a workflow, on any worker; a command by itself does it in
// its own process.
func (b *backend) Provision(ctx context.Context, by web.Caller, j engine.JobID, subjects []engine.Subject, dryRun, explain bool) ([]engine.Provisioned, error) {
	if _, err := b.configured(j); err != nil {
		return nil, err
	}
	asked, err := json.Marshal(cycle.Asked{By: by.Name, Subjects: subjects, DryRun: dryRun, Explain: explain, MayApprove: by.Approver})
	if err != nil {
		return nil, err
	}
	id := uuid.NewString()
	if err := b.store.PutRequest(ctx, j, id, asked); err != nil {
		return nil, err
	}
	what := quantity(len(subjects), "object")
	if dryRun {
		what += ", dry run"
	}
	if err := b.note(ctx, by, j, engine.AuditOnDemand, "", what, ""); err != nil {
		return nil, err
	}
	if b.serving {
		_, err = b.starter.Provision(ctx, string(j), id)
	} else {
		_, err = b.runner.ProvisionRequest(ctx, j, id)
	}
	if err != nil {
		return nil, err
	}
	_, answer, err := b.store.Request(ctx, j, id)
	if err != nil {
		return nil, err
	}
	var out cycle.Answered
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, fmt.Errorf("the answer to a request on demand: %w", err)
	}
	if s := out.Stopped; s != nil {
		return out.Subjects, refusal("TargetUnreachable", "%s: %s", s.Side, s.Message)
	}
	return out.Subjects, nil
}

// Check implements [web.Backend].
func (b *backend) Check(ctx context.Context, by web.Caller, j engine.JobID, credentials map[string]string) (source, target []engine.Finding, err error) {
	c, err := b.configured(j)
	if err != nil {
		return nil, nil, err
	}
	job, err := buildJob(c, zap.NewNop())
	if err != nil {
		return nil, nil, err
	}
	if len(credentials) > 0 {
		if job.Target, err = targetWith(c, credentials); err != nil {
			return nil, nil, err
		}
	}
	results := checkJob(ctx, job)
	return results[0].Findings, results[1].Findings, b.note(ctx, by, j, engine.AuditTested, "", "", "")
}

// targetWith builds the target of a job with other credentials, by Graph's names of them.
func targetWith(j config.Job, credentials map[string]string) (engine.Target, error) {
	var cfg scim.Config
	if err := j.Target.Decode(&cfg); err != nil {
		return nil, err
	}
	for name, value := range credentials {
		switch name {
		case "BaseAddress":
			cfg.BaseURL = value
		case "SecretToken":
			cfg.Auth = scim.Auth{Type: "bearer", Token: engine.NewSecret(value)}
		}
	}
	dst, err := scim.New(cfg, nil, zap.NewNop())
	if err != nil {
		return nil, refusal("CredentialsInvalid", "%v", err)
	}
	return dst, nil
}

var _ web.SecretJudge = (*backend)(nil)

// SameSecret implements [web.SecretJudge]: it tells whether a secret of the target, by Graph's name, is the one that the
// configuration has, in a time that does not depend on how much of it is right.
func (b *backend) SameSecret(j engine.JobID, key, value string) bool {
	c, err := b.configured(j)
	if err != nil {
		return false
	}
	var cfg scim.Config
	if err := c.Target.Decode(&cfg); err != nil {
		return false
	}
	have := map[string]string{
		"SecretToken": cfg.Auth.Token.Reveal(), "UserName": cfg.Auth.Username, "Password": cfg.Auth.Password.Reveal(),
		"Oauth2ClientId": cfg.Auth.ClientID, "Oauth2ClientSecret": cfg.Auth.ClientSecret.Reveal(), "Oauth2TokenExchangeUri": cfg.Auth.TokenURL,
		"ClientIdentifier": cfg.Auth.ClientID, "ClientSecret": cfg.Auth.ClientSecret.Reveal(),
	}[key]
	return have != "" && subtle.ConstantTimeCompare([]byte(have), []byte(value)) == 1
}
