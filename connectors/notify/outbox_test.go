package notify

import (
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/store"
)

// openOutbox returns that of a store that is empty.
func openOutbox(t *testing.T) engine.Notices {
	t.Helper()
	return openStore(t, "")
}

// openStore opens a database, or makes one in a folder of the test.
func openStore(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// world is a dispatcher with a clock, a log that is kept, and one job.
type world struct {
	*Dispatcher
	t    *testing.T
	now  time.Time
	logs *observer.ObservedLogs
}

var noon = time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, box engine.Notices) *world {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	w := &world{t: t, now: noon, logs: logs}
	w.Dispatcher = &Dispatcher{
		Outbox: box, Log: zap.New(core), Now: func() time.Time { return w.now }, Stubborn: time.Millisecond,
		Jobs: map[engine.JobID]Recipients{"webex": {Email: []string{"ops@example.com"}, OnFailure: true}},
	}
	return w
}

// restarted is the dispatcher of a process that starts anew.
func (w *world) restarted() *world {
	again := newWorld(w.t, w.Outbox)
	again.now, again.Mail, again.Webhooks, again.Jobs = w.now, w.Mail, w.Webhooks, w.Jobs
	return again
}

func (w *world) mail(s *mailServer) *world {
	w.t.Helper()
	m, err := NewMail(MailConfig{Address: s.address, From: "scimsync@example.com", TLS: "none"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Mail = m
	return w
}

func (w *world) webhook(urls ...string) *world {
	w.t.Helper()
	for _, u := range urls {
		hook, err := NewWebhook(WebhookConfig{URL: u, Secret: engine.NewSecret("s3cret-of-hook")})
		if err != nil {
			w.t.Fatal(err)
		}
		w.Webhooks = append(w.Webhooks, hook)
	}
	return w
}

func (w *world) put(kind engine.NoticeKind, key string) {
	w.t.Helper()
	n := engine.Notice{
		Job: "webex", Kind: kind, Key: key, At: w.now, Due: w.now, Subject: "job webex: " + key, Text: "Something happened: " + key + ".\n",
		Facts: map[string]any{"key": key},
	}
	if fresh, err := w.Outbox.PutNotice(w.t.Context(), n); err != nil || !fresh {
		w.t.Fatalf("notice %s: fresh %v, %v", key, fresh, err)
	}
}

func (w *world) dispatch() {
	w.t.Helper()
	if err := w.Dispatch(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// later lets time pass and dispatches.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	w.dispatch()
}
