package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/connectors/notify"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/engine"
)

// When people are told. Cycles put their notices into the outbox; a few seconds more are no loss.
const (
	noticesEvery     = 10 * time.Second
	credentialsEvery = time.Hour
	flushLimit       = 10 * time.Second // and 5 more for what is being sent then
)

// newDispatcher builds what delivers the notices in box, by the blocks notifications and jobs[].notify.
func newDispatcher(f *config.File, box engine.Notices, lg *zap.Logger) (*notify.Dispatcher, error) {
	d := &notify.Dispatcher{Outbox: box, Jobs: map[engine.JobID]notify.Recipients{}, Log: lg}
	var errs []error
	if c := f.Notifications.SMTP; c != nil {
		m, err := notify.NewMail(notify.MailConfig{
			Address: c.Address, Username: c.Username, Password: engine.NewSecret(c.Password.Reveal()), From: c.From, TLS: c.TLS,
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("notifications.smtp: %w", err))
		}
		d.Mail = m
	}
	for i, c := range f.Notifications.Webhooks {
		w, err := notify.NewWebhook(notify.WebhookConfig{URL: c.URL, Secret: engine.NewSecret(c.Secret.Reveal())})
		if err != nil {
			errs = append(errs, fmt.Errorf("notifications.webhooks[%d].%w", i, err))
			continue
		}
		d.Webhooks = append(d.Webhooks, w)
	}
	for _, j := range f.Jobs {
		d.Jobs[engine.JobID(j.ID)] = notify.Recipients{Email: j.Notify.Email, OnFailure: j.Notify.OnFailure, Digest: j.Notify.Digest}
	}
	return d, errors.Join(errs...)
}

// notify delivers notices until ctx ends: those of cycles soon after they are written, those about credentials by
// the hour. It returns when nothing is being sent any more; the store must stay open until then.
func (s *service) notify(ctx context.Context) {
	d, err := newDispatcher(s.file, s.store, s.log.Named("notify"))
	if err != nil {
		s.log.Error("nobody is told of anything", zap.Error(err))
		return
	}
	often, hourly := time.NewTicker(noticesEvery), time.NewTicker(credentialsEvery)
	defer often.Stop()
	defer hourly.Stop()
	s.remind(ctx, time.Now())
	for failing := false; ; {
		switch err := d.Dispatch(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil && !failing: // said once, not every ten seconds
			failing = true
			d.Log.Warn("notices cannot be delivered for now", zap.Error(err))
		case err == nil && failing:
			failing = false
			d.Log.Info("notices are delivered again")
		}
		select {
		case <-ctx.Done():
			return
		case <-hourly.C:
			s.remind(ctx, time.Now())
		case <-often.C:
		}
	}
}

// flushNotices delivers what there is once, for a process that ends then. What takes too long is left for the next
// run.
func (s *service) flushNotices(ctx context.Context) {
	d, err := newDispatcher(s.file, s.store, s.log.Named("notify"))
	if err != nil {
		s.log.Error("nobody is told of anything", zap.Error(err))
		return
	}
	s.remind(ctx, time.Now())
	ctx, cancel := context.WithTimeout(ctx, flushLimit)
	defer cancel()
	if err := d.Dispatch(ctx); err != nil {
		d.Log.Warn("not all notices could be delivered; the next run goes on with them", zap.Error(err))
	}
}

// remind puts notices about credentials that end into the outbox. A job that is switched off needs none.
func (s *service) remind(ctx context.Context, now time.Time) {
	for _, j := range s.file.Jobs {
		if !j.Enabled {
			continue
		}
		expires, err := targetExpires(j)
		if err == nil {
			if n, due := notify.Credentials(j.ID, "target", expires, now); due {
				_, err = s.store.PutNotice(ctx, n)
			}
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("nobody is told whether a credential ends", zap.String("job", j.ID), zap.Error(err))
		}
	}
}

// targetExpires is the day on which the credential of a job's target ends, zero if the configuration does not say.
func targetExpires(j config.Job) (time.Time, error) {
	var c scim.Config
	if j.Target.Type != "scim" {
		return time.Time{}, nil
	}
	if err := j.Target.Decode(&c); err != nil || c.Auth.Expires == "" {
		return time.Time{}, err
	}
	at, err := time.Parse(time.DateOnly, c.Auth.Expires)
	if err != nil {
		return time.Time{}, fmt.Errorf("target.auth.expires: %q is not a date; write it as 2027-11-01", c.Auth.Expires)
	}
	return at, nil
}
