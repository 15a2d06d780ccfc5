package main

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
	"github.com/scimsync/scimsync/mapping"
)

// Plan implements [web.Backend].
func (b *backend) Plan(ctx context.Context, by web.Caller, j engine.JobID) (engine.Cycle, []engine.LogEntry, error) {
	if _, err := b.configured(j); err != nil {
		return engine.Cycle{}, nil, err
	}
	control, err := b.store.Control(ctx, j)
	if err != nil {
		return engine.Cycle{}, nil, err
	}
	job, err := rebuildJob(b.file, j, control.Schema, zap.NewNop())
	if err != nil {
		return engine.Cycle{}, nil, err
	}
	p, err := dryRun(ctx, b.store, job, false)
	if err != nil {
		return engine.Cycle{}, nil, err
	}
	return p.cycle, p.entries, b.note(ctx, by, j, engine.AuditPlanned, "", quantity(len(p.entries), "operation"), "")
}

// Judge implements [web.Backend]. What is approved is carried out by the next cycle, which a service starts at once.
func (b *backend) Judge(ctx context.Context, by web.Caller, j engine.JobID, v engine.Verdict, about []engine.Judged, removals map[string][]engine.Ref, comment string) (int, error) {
	c, err := b.configured(j)
	if err != nil {
		return 0, err
	}
	n, err := b.runner.Judge(ctx, j, v, about, removals, by.Name, comment)
	if err != nil {
		return n, err
	}
	activity := engine.AuditApproved
	if v == engine.Rejected {
		activity = engine.AuditRejected
	}
	if err := b.note(ctx, by, j, activity, "", quantity(n, "held change"), comment); err != nil || n == 0 {
		return n, err
	}
	return n, b.goOn(ctx, c)
}

// Retry implements [web.Backend].
func (b *backend) Retry(ctx context.Context, by web.Caller, j engine.JobID, refs []engine.Ref) (int, error) {
	n, err := b.store.Retry(ctx, j, refs, b.runner.Now().UTC())
	if err != nil {
		return n, err
	}
	return n, b.note(ctx, by, j, engine.AuditRetried, "", quantity(n, "failure"), "")
}

// Ignore implements [web.Backend].
func (b *backend) Ignore(ctx context.Context, by web.Caller, j engine.JobID, refs []engine.Ref) (int, error) {
	n, err := b.store.Ignore(ctx, j, refs)
	if err != nil {
		return n, err
	}
	return n, b.note(ctx, by, j, engine.AuditIgnored, "", quantity(n, "failure"), "")
}

// AddLink implements [web.Backend].
func (b *backend) AddLink(ctx context.Context, by web.Caller, j engine.JobID, r engine.Ref, targetID string) (engine.Link, error) {
	l, err := b.runner.AddLink(ctx, j, r, targetID)
	if err != nil {
		return l, linkRefusal(err)
	}
	return l, b.note(ctx, by, j, engine.AuditLinked, "", fmt.Sprintf("%s %s to %s", r.Kind, r.ID, targetID), "")
}

// RemoveLink implements [web.Backend].
func (b *backend) RemoveLink(ctx context.Context, by web.Caller, j engine.JobID, r engine.Ref) error {
	if err := b.runner.RemoveLink(ctx, j, r); err != nil {
		return linkRefusal(err)
	}
	return b.note(ctx, by, j, engine.AuditUnlinked, fmt.Sprintf("%s %s", r.Kind, r.ID), "", "")
}

// linkRefusal turns what speaks against a link, or against comparing with the target, into a refusal.
func linkRefusal(err error) error {
	if te, ok := errors.AsType[*engine.TargetError](err); ok && te.Outcome == engine.OutcomeRematch {
		return refusal("Request_ResourceNotFound", "the target has no such object: %v", err)
	}
	switch {
	case errors.Is(err, engine.ErrLinkTaken), errors.Is(err, cycle.ErrCannotList):
		return refusal("InvalidJobState", "%v", err)
	case errors.Is(err, engine.ErrNotFound):
		return refusal("Request_ResourceNotFound", "%v", err)
	case errors.Is(err, cycle.ErrBusy):
		return refusal("OperationInProgress", "%v", err)
	}
	if stop, ok := errors.AsType[*cycle.StopError](err); ok {
		return refusal("TargetUnreachable", "%v", stop)
	}
	return err
}

// Drift implements [web.Backend].
func (b *backend) Drift(ctx context.Context, by web.Caller, j engine.JobID, repair bool) (engine.Drift, error) {
	c, err := b.configured(j)
	if err != nil {
		return engine.Drift{}, err
	}
	d, err := b.runner.Drift(ctx, j, repair, func(int) {})
	if err != nil {
		return d, linkRefusal(err)
	}
	if !repair {
		return d, b.note(ctx, by, j, engine.AuditDrift, "", quantity(len(d.Findings), "finding"), "")
	}
	if err := b.note(ctx, by, j, engine.AuditRepaired, "", quantity(d.Repaired, "object"), ""); err != nil || d.Repaired == 0 {
		return d, err
	}
	return d, b.goOn(ctx, c)
}

// Schema implements [web.Backend].
func (b *backend) Schema(ctx context.Context, j engine.JobID) (current, template []byte, err error) {
	c, err := b.configured(j)
	if err != nil {
		return nil, nil, err
	}
	if template, err = exportSchema(c); err != nil {
		return nil, nil, err
	}
	control, err := b.store.Control(ctx, j)
	if err != nil || control.Schema == "" {
		return template, template, err
	}
	return []byte(control.Schema), template, nil
}

// PutSchema implements [web.Backend]. A running cycle ends with the schema it began with.
func (b *backend) PutSchema(ctx context.Context, by web.Caller, j engine.JobID, schema []byte) error {
	if _, err := b.configured(j); err != nil {
		return err
	}
	if schema != nil {
		if _, found := mapping.LoadSchema(schema); found != nil {
			var wrong []string
			for _, d := range found {
				if d.Severity == mapping.SeverityError {
					wrong = append(wrong, d.Pointer+": "+d.Message)
				}
			}
			if len(wrong) > 0 {
				return &web.Refusal{Code: "InvalidSchema", Message: "the schema is rejected because of " + quantity(len(wrong), "error"), Details: wrong}
			}
		}
	}
	// What does not fit the connectors of the job must not be found out by the next cycle.
	if _, err := rebuildJob(b.file, j, string(schema), zap.NewNop()); err != nil {
		return refusal("InvalidSchema", "the schema does not fit the job: %v", err)
	}
	var before string
	_, err := b.store.UpdateControl(ctx, j, func(c *engine.Control) error {
		before, c.Schema = c.Schema, string(schema)
		return nil
	})
	if err != nil {
		return err
	}
	return b.note(ctx, by, j, engine.AuditMappings, before, string(schema), "")
}

// Erase implements [web.Backend].
func (b *backend) Erase(ctx context.Context, by web.Caller, j engine.JobID) error {
	c, err := b.configured(j)
	if err != nil {
		return err
	}
	if err := b.runner.Pause(ctx, j); err != nil {
		return err
	}
	if b.serving {
		if err := b.starter.SetPaused(ctx, c.ID, c.Interval, true); err != nil {
			return err
		}
	}
	if err := b.settleCycle(ctx, j); err != nil {
		return err
	}
	if err := b.store.EraseJob(ctx, j); err != nil {
		return err
	}
	if err := b.runner.Pause(ctx, j); err != nil { // its state went with the rest
		return err
	}
	return b.note(ctx, by, j, engine.AuditDeleted, "", "", "")
}
