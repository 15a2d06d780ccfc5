package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// subjects are those of the mails, in order.
func subjects(t *testing.T, mails []taken) []string {
	t.Helper()
	var out []string
	for _, m := range mails {
		h, _ := m.message(t)
		out = append(out, strings.TrimPrefix(decoded(t, h.Get("Subject")), "[scimsync] "))
	}
	return out
}

// posted are the subjects that a webhook got, in order.
func posted(t *testing.T, posts []post) []string {
	t.Helper()
	var out []string
	for _, p := range posts {
		var m message
		if err := json.Unmarshal(p.body, &m); err != nil {
			t.Fatal(err)
		}
		out = append(out, m.Subject)
	}
	return out
}

// TestOnce delivers three notices to a mail server and two webhooks: each has each once and in order, and neither
// another round nor a restart changes that.
func TestOnce(t *testing.T) {
	s, one, two := (&mailServer{}).start(t), newReceiver(t, nil), newReceiver(t, nil)
	w := newWorld(t, openOutbox(t)).mail(s).webhook(one.URL+"/one", two.URL+"/two", two.URL+"/three")
	want := []string{"job webex: a", "job webex: b", "job webex: c"}
	w.put(engine.NoticeQuarantined, "a")
	w.put(engine.NoticeRecovered, "b")
	w.put(engine.NoticeDeletions, "c")
	w.dispatch()
	w.dispatch()
	w.later(time.Hour)
	w.restarted().later(30 * 24 * time.Hour)
	if diff := cmp.Diff(want, subjects(t, s.mails())); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, posted(t, one.got())); diff != "" {
		t.Errorf("first webhook (-want +got):\n%s", diff)
	}
	paths := map[string][]string{}
	for i, p := range two.got() {
		verify(t, p, "s3cret-of-hook")
		paths[p.path] = append(paths[p.path], posted(t, two.got())[i])
	}
	if diff := cmp.Diff(map[string][]string{"POST /two": want, "POST /three": want}, paths); diff != "" {
		t.Errorf("two webhooks of one host (-want +got):\n%s", diff)
	}
}

// TestFailingChannel breaks one channel after the other: the rest has every notice at once and once, the broken
// one gets it when it works again, after pauses that grow.
func TestFailingChannel(t *testing.T) {
	s, bad, good := (&mailServer{}).start(t), newReceiver(t, status(500)), newReceiver(t, nil)
	w := newWorld(t, openOutbox(t)).mail(s).webhook(bad.URL, good.URL)
	w.put(engine.NoticeQuarantined, "a")
	w.dispatch()
	var at []time.Duration // after the first try
	for tries := 1; w.now.Sub(noon) < 20*time.Hour; w.later(time.Minute) {
		if n := len(bad.got()); n > tries {
			tries, at = n, append(at, w.now.Sub(noon))
		}
	}
	var want []time.Duration
	for _, minutes := range []int{1, 3, 7, 15, 31, 63, 127, 255, 511, 871} {
		want = append(want, time.Duration(minutes)*time.Minute)
	}
	if diff := cmp.Diff(want, at); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
	if m, g := len(s.mails()), len(good.got()); m != 1 || g != 1 {
		t.Errorf("%d mails and %d posts at the other webhook, want 1 and 1", m, g)
	}
	bad.set(nil)
	w = w.restarted()
	before := len(bad.got())
	w.later(6 * time.Hour)
	w.later(6 * time.Hour)
	if n := len(bad.got()) - before; n != 1 {
		t.Errorf("%d posts when it works again, want 1", n)
	}
	ids := map[string]bool{}
	for _, p := range bad.got() {
		verify(t, p, "s3cret-of-hook")
		ids[p.header.Get("webhook-id")] = true
	}
	if m, g := len(s.mails()), len(good.got()); m != 1 || g != 1 || len(ids) != 1 {
		t.Errorf("%d mails and %d posts at the other webhook, want 1 and 1; ids %v", m, g, ids)
	}
}

// TestGiveUp: after three days it is enough, and it is said so; but a notice that waited because nothing ran is
// tried some times all the same.
func TestGiveUp(t *testing.T) {
	bad := newReceiver(t, status(500))
	w := newWorld(t, openOutbox(t)).webhook(bad.URL)
	w.put(engine.NoticeQuarantined, "a")
	for w.dispatch(); w.now.Sub(noon) < 10*24*time.Hour; w.later(30 * time.Minute) {
	}
	gave := w.logs.FilterMessage("notice could not be delivered and is given up").All()
	if n := len(bad.got()); n < 15 || n > 30 || len(gave) != 1 {
		t.Fatalf("%d tries, given up %d times", n, len(gave))
	}
	if d, ok := gave[0].ContextMap()["duration"].(time.Duration); !ok || d < 72*time.Hour || d > 79*time.Hour {
		t.Errorf("given up after %v", gave[0].ContextMap()["duration"])
	}

	before := len(bad.got())
	w.put(engine.NoticeQuarantined, "b")
	for w.later(4 * 24 * time.Hour); w.now.Sub(noon) < 20*24*time.Hour; w.later(30 * time.Minute) {
	}
	if n := len(bad.got()) - before; n != fewestTries {
		t.Errorf("%d tries of an old notice, want %d", n, fewestTries)
	}
}

// TestGone: 410 ends the matter for one webhook and one notice.
func TestGone(t *testing.T) {
	gone, good := newReceiver(t, status(410)), newReceiver(t, nil)
	w := newWorld(t, openOutbox(t)).webhook(gone.URL, good.URL)
	w.put(engine.NoticeQuarantined, "a")
	for range 5 {
		w.later(time.Hour)
	}
	if len(gone.got()) != 1 || len(good.got()) != 1 {
		t.Errorf("%d and %d posts, want 1 and 1", len(gone.got()), len(good.got()))
	}
	w.put(engine.NoticeRecovered, "b")
	gone.set(nil)
	w.later(time.Hour)
	if diff := cmp.Diff([]string{"job webex: a", "job webex: b"}, posted(t, gone.got())); diff != "" {
		t.Errorf("posts (-want +got):\n%s", diff)
	}
}

// TestRetryAfter: a webhook that asks for more patience than we would have gets it.
func TestRetryAfter(t *testing.T) {
	busy := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.Header().Set("Retry-After", "1800")
			w.WriteHeader(503)
		}
	})
	w := newWorld(t, openOutbox(t)).webhook(busy.URL)
	w.put(engine.NoticeQuarantined, "a")
	w.dispatch()
	w.later(29 * time.Minute)
	if n := len(busy.got()); n != 1 {
		t.Errorf("%d posts before the time, want 1", n)
	}
	w.later(2 * time.Minute)
	if n := len(busy.got()); n != 2 {
		t.Errorf("%d posts after it, want 2", n)
	}
}

// TestHangingServer: a mail server that accepts connections and says nothing costs its time limit once a round,
// not once a notice, and the webhook has everything.
func TestHangingServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	good := newReceiver(t, nil)
	w := newWorld(t, openOutbox(t)).webhook(good.URL)
	if w.Mail, err = NewMail(MailConfig{Address: l.Addr().String(), From: "scimsync@example.com", TLS: "none", Timeout: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		w.put(engine.NoticeQuarantined, fmt.Sprint(i))
	}
	began := time.Now()
	w.dispatch()
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("a round took %s", d)
	}
	if n := len(good.got()); n != 120 {
		t.Errorf("%d posts, want 120", n)
	}
	s := (&mailServer{}).start(t)
	w.mail(s)
	w.later(time.Minute)
	if m, g := len(s.mails()), len(good.got()); m != 120 || g != 120 {
		t.Errorf("%d mails and %d posts when it works again, want 120 and 120", m, g)
	}
}

// TestCrash ends the process between the delivery and its record: nobody sends while the claim lasts, then one
// copy is sent that has the same ids, and that is all.
func TestCrash(t *testing.T) {
	s, rc := (&mailServer{}).start(t), newReceiver(t, nil)
	box := &unreliable{Notices: openOutbox(t)}
	w := newWorld(t, box).mail(s).webhook(rc.URL)
	w.put(engine.NoticeQuarantined, "a")
	box.fail(errors.New("the process ends here"))
	if err := w.Dispatch(t.Context()); err == nil || !strings.Contains(err.Error(), "the process ends here") {
		t.Fatalf("got %v", err)
	}
	box.fail(nil)
	w = w.restarted()
	w.later(time.Minute)
	if m, p := len(s.mails()), len(rc.got()); m != 1 || p != 1 {
		t.Fatalf("%d mails and %d posts while the claim lasts, want 1 and 1", m, p)
	}
	w.later(claimed)
	w.later(time.Hour)
	w.restarted().later(time.Hour)
	mails, posts := s.mails(), rc.got()
	if len(mails) != 2 || len(posts) != 2 {
		t.Fatalf("%d mails and %d posts, want 2 and 2", len(mails), len(posts))
	}
	if mails[0].raw != mails[1].raw {
		t.Error("the copy of the mail is another mail")
	}
	if a, b := posts[0].header.Get("webhook-id"), posts[1].header.Get("webhook-id"); a != b {
		t.Errorf("ids %s and %s", a, b)
	}
}

// TestShortOutage: the store is away for a moment after a delivery, which is recorded all the same.
func TestShortOutage(t *testing.T) {
	rc := newReceiver(t, nil)
	box := &unreliable{Notices: openOutbox(t)}
	w := newWorld(t, box).webhook(rc.URL)
	w.Stubborn = time.Minute
	w.put(engine.NoticeQuarantined, "a")
	rc.set(func(http.ResponseWriter, *http.Request, int) {
		box.fail(errors.New("away"))
		time.AfterFunc(200*time.Millisecond, func() { box.fail(nil) })
	})
	w.dispatch()
	w.later(time.Hour)
	if n := len(rc.got()); n != 1 {
		t.Errorf("%d posts, want 1", n)
	}
}

// TestErased: a job is erased while its notice is on its way; there is nothing to be recorded any more.
func TestErased(t *testing.T) {
	rc := newReceiver(t, nil)
	st := openStore(t, "")
	w := newWorld(t, st).webhook(rc.URL)
	w.put(engine.NoticeQuarantined, "a")
	rc.set(func(http.ResponseWriter, *http.Request, int) {
		if err := st.EraseJob(t.Context(), "webex"); err != nil {
			t.Error(err)
		}
	})
	w.dispatch()
}

// unreliable is an outbox whose records can be made to fail.
type unreliable struct {
	engine.Notices
	mu  sync.Mutex
	err error
}

func (u *unreliable) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.err = err
}

func (u *unreliable) UpdateNotice(ctx context.Context, n engine.Notice) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return u.err
	}
	return u.Notices.UpdateNotice(ctx, n)
}

// TestTwoDispatchers lets several work on one outbox at the same time, within a process and as workers of one
// PostgreSQL database.
func TestTwoDispatchers(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		box := openOutbox(t)
		twoDispatchers(t, []engine.Notices{box, box, box, box})
	})
	t.Run("postgres", func(t *testing.T) {
		url := enginetest.Postgres(t)
		twoDispatchers(t, []engine.Notices{openStore(t, url), openStore(t, url), openStore(t, url)})
	})
}

func twoDispatchers(t *testing.T, boxes []engine.Notices) {
	s, rc := (&mailServer{}).start(t), newReceiver(t, nil)
	w := newWorld(t, boxes[0]).mail(s).webhook(rc.URL)
	var want []string
	for i := range 60 {
		w.put(engine.NoticeQuarantined, fmt.Sprintf("%02d", i))
		want = append(want, fmt.Sprintf("job webex: %02d", i))
	}
	var wg sync.WaitGroup
	for _, box := range boxes {
		d := w.restarted()
		d.Outbox = box
		wg.Go(func() {
			if err := d.Dispatch(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for what, got := range map[string][]string{"mails": subjects(t, s.mails()), "posts": posted(t, rc.got())} {
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

// TestStopping ends the process while a webhook is slow: what is under way is finished and recorded, the rest waits
// for the next start.
func TestStopping(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	rc := newReceiver(t, func(http.ResponseWriter, *http.Request, int) {
		cancel()
		time.Sleep(200 * time.Millisecond)
	})
	w := newWorld(t, openOutbox(t)).webhook(rc.URL)
	w.put(engine.NoticeQuarantined, "a")
	w.put(engine.NoticeQuarantined, "b")
	if err := w.Dispatch(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"job webex: a"}, posted(t, rc.got())); diff != "" {
		t.Errorf("posts (-want +got):\n%s", diff)
	}
	rc.set(nil)
	w.restarted().dispatch()
	if diff := cmp.Diff([]string{"job webex: a", "job webex: b"}, posted(t, rc.got())); diff != "" {
		t.Errorf("posts (-want +got):\n%s", diff)
	}
}

// TestWhoGetsWhat walks through all settings.
func TestWhoGetsWhat(t *testing.T) {
	s, rc := (&mailServer{}).start(t), newReceiver(t, nil)
	ops := []string{"ops@example.com"}
	for _, c := range []struct {
		who         Recipients
		kind        engine.NoticeKind
		mail, posts int
	}{
		{Recipients{}, engine.NoticeQuarantined, 0, 1},
		{Recipients{Email: ops}, engine.NoticeQuarantined, 0, 1},
		{Recipients{OnFailure: true}, engine.NoticeQuarantined, 0, 1},
		{Recipients{Email: ops, OnFailure: true}, engine.NoticeQuarantined, 1, 1},
		{Recipients{Email: ops, OnFailure: true}, engine.NoticeRecovered, 1, 1},
		{Recipients{Email: ops}, engine.NoticeRecovered, 0, 1},
		{Recipients{Email: ops, OnFailure: true}, engine.NoticeCredential, 1, 1},
		{Recipients{Email: ops}, engine.NoticeCredential, 0, 1},
		{Recipients{Email: ops, OnFailure: true}, engine.NoticeFailures, 0, 0},
		{Recipients{Email: ops, OnFailure: true, Digest: true}, engine.NoticeFailures, 1, 1},
		{Recipients{Email: ops, Digest: true}, engine.NoticeFailures, 0, 1},
	} {
		w := newWorld(t, openOutbox(t)).mail(s).webhook(rc.URL)
		w.Jobs["webex"] = c.who
		m, p := len(s.mails()), len(rc.got())
		w.put(c.kind, "a")
		w.dispatch()
		if m, p := len(s.mails())-m, len(rc.got())-p; m != c.mail || p != c.posts {
			t.Errorf("%+v, %s: %d mails and %d posts, want %d and %d", c.who, c.kind, m, p, c.mail, c.posts)
		}
		// What was for nobody is not sent when somebody is named later.
		w = w.restarted()
		w.Jobs["webex"] = Recipients{Email: ops, OnFailure: true, Digest: true}
		w.later(time.Hour)
		if m, p := len(s.mails())-m, len(rc.got())-p; m != c.mail || p != c.posts {
			t.Errorf("%+v, %s: sent later: %d mails and %d posts, want %d and %d", c.who, c.kind, m, p, c.mail, c.posts)
		}
	}
	total := len(s.mails())
	w := newWorld(t, openOutbox(t)).mail(s).webhook(rc.URL)
	delete(w.Jobs, "webex")
	w.put(engine.NoticeQuarantined, "a")
	w.dispatch()
	if n := len(s.mails()); n != total {
		t.Errorf("a job that is gone sends mail")
	}
}

// TestLogIsClean lets everything fail in every way, with servers that repeat what they were told, and looks for what
// must not be in the log.
func TestLogIsClean(t *testing.T) {
	s := (&mailServer{auth: map[string]string{"me": "other"}, mechs: []string{"PLAIN"}}).start(t)
	rude := newReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
		switch n % 3 {
		case 0:
			http.Error(w, "ops@example.com t0ps3cret private-text", 500)
		case 1:
			w.Header().Set("Location", "http://127.0.0.1:1/private-path?private-query")
			w.WriteHeader(307)
		case 2:
			panic(http.ErrAbortHandler)
		}
	})
	for _, password := range []string{"t0ps3cret", "other"} {
		w := newWorld(t, openOutbox(t)).webhook(rude.URL+"/private-path?private-query", "http://user:t0ps3cret@127.0.0.1:1/private-path")
		m, err := NewMail(MailConfig{Address: s.address, From: "private-from@example.com", TLS: "none", Username: "me", Password: engine.NewSecret(password)})
		if err != nil {
			t.Fatal(err)
		}
		w.Mail = m
		s.set(func(s *mailServer) {
			s.rcpt = func(to string) error { return fmt.Errorf("%s with private-text is unknown", to) }
		})
		n := engine.Notice{Job: "webex", Kind: engine.NoticeQuarantined, Key: "private-key", At: w.now, Subject: "private-subject", Text: "private-text", Facts: map[string]any{"f": "private-fact"}}
		if _, err := w.Outbox.PutNotice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		for w.dispatch(); w.now.Sub(noon) < 4*24*time.Hour; w.later(time.Hour) {
		}
		logs := w.logs.All()
		if len(logs) < 20 {
			t.Fatalf("%d lines in the log", len(logs))
		}
		for _, l := range logs {
			line := fmt.Sprint(l.Level, l.Message, l.ContextMap())
			for _, never := range []string{"private", "example.com", "t0ps3cret", "s3cret-of-hook", "http:"} {
				if strings.Contains(line, never) {
					t.Errorf("%q is in the log: %s", never, line)
				}
			}
			if l.ContextMap()["job"] != "webex" || l.ContextMap()["channel"] == "" {
				t.Errorf("the line does not say what it is about: %s", line)
			}
		}
	}
}
