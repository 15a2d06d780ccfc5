package notify

import (
	"context"
	"errors"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

var held = engine.Notice{
	ID: 1, Job: "webex", Kind: engine.NoticeDeletions, Key: "deletions:1", At: noon,
	Subject: "job webex holds 12 deletions for approval — Müller & Söhne",
	Text:    "12 accounts would be disabled, more than the 5 that are allowed.\n\nWho it is about:   scimsync job deletions webex list\n",
}

// TestMail sends one notice over each kind of connection: exactly one mail arrives, complete and readable.
func TestMail(t *testing.T) {
	roots, cert := authority(t)
	for _, c := range []struct {
		name   string
		server *mailServer
		cfg    MailConfig
		used   []string
	}{
		{"none", &mailServer{}, MailConfig{TLS: "none"}, nil},
		{"none, signed in on loopback", &mailServer{auth: map[string]string{"me": "pässword"}, mechs: []string{"PLAIN"}}, MailConfig{TLS: "none", Username: "me", Password: engine.NewSecret("pässword")}, []string{"PLAIN"}},
		{"starttls", &mailServer{tls: cert}, MailConfig{TLS: "starttls", Roots: roots}, nil},
		{"starttls is the default", &mailServer{tls: cert}, MailConfig{Roots: roots}, nil},
		{"starttls, PLAIN", &mailServer{tls: cert, auth: map[string]string{"me": "secret"}, mechs: []string{"LOGIN", "PLAIN"}}, MailConfig{Roots: roots, Username: "me", Password: engine.NewSecret("secret")}, []string{"PLAIN"}},
		{"starttls, LOGIN", &mailServer{tls: cert, auth: map[string]string{"me": "secret"}, mechs: []string{"LOGIN"}}, MailConfig{Roots: roots, Username: "me", Password: engine.NewSecret("secret")}, []string{"LOGIN"}},
		{"tls, PLAIN", &mailServer{tls: cert, direct: true, auth: map[string]string{"me": "secret"}, mechs: []string{"PLAIN"}}, MailConfig{TLS: "tls", Roots: roots, Username: "me", Password: engine.NewSecret("secret")}, []string{"PLAIN"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.server.start(t)
			c.cfg.Address, c.cfg.From = s.address, "Scimsync <scimsync@example.com>"
			m, err := NewMail(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			to := []string{"ops@example.com", "Jörg Ä <joerg@example.org>", "OPS@example.com"}
			took, err := (&letter{m, to}).send(t.Context(), held)
			if err != nil || !slices.Equal(took, []string{"mail"}) {
				t.Fatalf("took %q, %v", took, err)
			}
			mails := s.mails()
			if len(mails) != 1 {
				t.Fatalf("%d mails, want 1", len(mails))
			}
			got := mails[0]
			if got.from != "scimsync@example.com" || !slices.Equal(got.to, []string{"ops@example.com", "joerg@example.org"}) {
				t.Errorf("envelope %s to %s", got.from, got.to)
			}
			if want := c.cfg.TLS != "none"; got.protected != want {
				t.Errorf("protected %v, want %v", got.protected, want)
			}
			if diff := cmp.Diff(c.used, s.used); diff != "" {
				t.Errorf("sign-in (-want +got):\n%s", diff)
			}
			checkMail(t, got)
		})
	}
}

func checkMail(t *testing.T, m taken) {
	t.Helper()
	h, body := m.message(t)
	want := map[string]string{
		"From":                     `"Scimsync" <scimsync@example.com>`,
		"Subject":                  "[scimsync] job webex holds 12 deletions for approval — Müller & Söhne",
		"Date":                     "Sat, 01 Mar 2031 12:00:00 +0000",
		"Message-Id":               "<" + identity(held) + "@example.com>",
		"Auto-Submitted":           "auto-generated",
		"X-Auto-Response-Suppress": "All",
		"X-Scimsync-Job":           "webex",
		"X-Scimsync-Notice":        "deletions",
		"Content-Type":             "text/plain; charset=UTF-8",
		"Mime-Version":             "1.0",
	}
	for name, value := range want {
		if got := decoded(t, h.Get(name)); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	for name, values := range h {
		if len(values) != 1 {
			t.Errorf("%s is there %d times", name, len(values))
		}
		if _, known := want[name]; !known && name != "To" && name != "Content-Transfer-Encoding" {
			t.Errorf("unexpected header %s: %q", name, values)
		}
	}
	to, err := h.AddressList("To")
	if err != nil || len(to) != 2 || to[0].Address != "ops@example.com" || to[1].Name != "Jörg Ä" {
		t.Errorf("To %v, %v", to, err)
	}
	if diff := cmp.Diff(`12 accounts would be disabled, more than the 5 that are allowed.

Who it is about:   scimsync job deletions webex list

Where scimsync runs:

    scimsync job deletions webex approve --comment "…"   carries them out
    scimsync job deletions webex reject --comment "…"    keeps everything as it is

-- 
scimsync, job webex, 2031-03-01 12:00:00 UTC
You get this because notify.email of the job has your address in the configuration file;
notify.onFailure: false switches the mails of this job off.
`, body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

// TestMailUnsafe asks for connections that would be less safe than was asked for: nothing is sent, and the
// password is not told.
func TestMailUnsafe(t *testing.T) {
	roots, cert := authority(t)
	others, _ := authority(t)
	secret := engine.NewSecret("hunter2")
	for _, c := range []struct {
		name   string
		server *mailServer
		cfg    MailConfig
		host   string // that the server is taken for
		want   string
	}{
		{"no STARTTLS there", &mailServer{}, MailConfig{TLS: "starttls"}, "", "STARTTLS: the server does not offer it"},
		{"no TLS there", &mailServer{}, MailConfig{TLS: "tls"}, "", "TLS: the server does not speak TLS there; check port and tls"},
		{"unknown authority", &mailServer{tls: cert}, MailConfig{TLS: "starttls", Roots: others}, "", "STARTTLS: the certificate comes from an unknown authority"},
		{"unknown authority, tls", &mailServer{tls: cert, direct: true}, MailConfig{TLS: "tls", Roots: others}, "", "TLS: the certificate comes from an unknown authority"},
		{"certificate of another host", &mailServer{tls: cert}, MailConfig{TLS: "starttls", Roots: roots}, "mail.example.com", "STARTTLS: the certificate is for another host"},
		{"password in the clear", &mailServer{auth: map[string]string{"me": "hunter2"}, mechs: []string{"PLAIN", "LOGIN"}}, MailConfig{TLS: "none", Username: "me", Password: secret}, "mail.example.com", "sign-in: the server wants the password in the clear"},
		{"wrong password", &mailServer{auth: map[string]string{"me": "other"}, mechs: []string{"PLAIN"}}, MailConfig{TLS: "none", Username: "me", Password: secret}, "", "sign-in: the server answered 454"},
		{"no sign-in there", &mailServer{}, MailConfig{TLS: "none", Username: "me", Password: secret}, "", "sign-in: the server offers none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.server.start(t)
			c.cfg.Address, c.cfg.From = s.address, "scimsync@example.com"
			m, err := NewMail(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if c.host != "" {
				m.host = c.host
			}
			took, err := (&letter{m, []string{"ops@example.com"}}).send(t.Context(), held)
			f, ok := errors.AsType[*fault](err)
			if !ok || !strings.HasPrefix(f.Error(), c.want) || !f.down || len(took) > 0 {
				t.Errorf("took %q, error %v; want %q", took, err, c.want)
			}
			if n := len(s.mails()); n > 0 || len(s.used) > 0 {
				t.Errorf("%d mails were sent, signed in with %q", n, s.used)
			}
		})
	}
}

// TestInjection puts line ends and other tricks into everything that comes from elsewhere: nothing becomes a
// header, a recipient or a command.
func TestInjection(t *testing.T) {
	s := (&mailServer{}).start(t)
	w := newWorld(t, openOutbox(t)).mail(s)
	for _, evil := range []string{"a\r\nBcc: thief@example.net", "a\nBcc: thief@example.net\n\nbody", "a\rBcc: thief@example.net", "a\u2028Bcc: x", "a\x00b\x1b[31m", "=?utf-8?q?a=0D=0ABcc:_thief?=", strings.Repeat("long ", 100), "\xff\xfe"} {
		n := held
		n.Job, n.Key, n.Subject, n.Text = engine.JobID("x"+evil), evil, evil, "first\r\n.\r\nQUIT\r\n"+evil
		took, err := (&letter{w.Mail, []string{"ops@example.com"}}).send(t.Context(), n)
		if err != nil || len(took) != 1 {
			t.Fatalf("%q: took %q, %v", evil, took, err)
		}
		mails := s.mails()
		got := mails[len(mails)-1]
		h, body := got.message(t)
		if h.Get("Bcc") != "" || !slices.Equal(got.to, []string{"ops@example.com"}) {
			t.Errorf("%q: Bcc %q, recipients %q", evil, h.Get("Bcc"), got.to)
		}
		if subject := decoded(t, decoded(t, h.Get("Subject"))); strings.ContainsAny(decoded(t, h.Get("Subject")), "\r\n\x00\x1b") || len([]rune(subject)) > longestSubject+len("[scimsync] ") {
			t.Errorf("%q: subject %q", evil, subject)
		}
		if !strings.HasPrefix(body, "First\n.\nQUIT\n") || strings.ContainsAny(body, "\r\x00\x1b") {
			t.Errorf("%q: body %q", evil, body)
		}
	}
	if got, want := len(s.mails()), 8; got != want {
		t.Errorf("%d mails, want %d", got, want)
	}
}

// TestSomeRecipients has a server refuse one of two: the other gets the mail at once and only once, and the
// refused one when it is taken at last, the same mail.
func TestSomeRecipients(t *testing.T) {
	s := (&mailServer{}).start(t)
	s.rcpt = func(to string) error {
		if to == "gone@example.com" {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user gone@example.com here"}
		}
		return nil
	}
	w := newWorld(t, openOutbox(t)).mail(s)
	w.Jobs["webex"] = Recipients{Email: []string{"gone@example.com", "ops@example.com"}, OnFailure: true}
	w.put(engine.NoticeQuarantined, "q")
	w.dispatch()
	w.later(time.Minute)
	w.later(10 * time.Minute)
	if got := s.mails(); len(got) != 1 || !slices.Equal(got[0].to, []string{"ops@example.com"}) {
		t.Fatalf("mails %+v", got)
	}
	if got := w.logs.FilterMessage("notice not delivered, to be tried again").All(); len(got) != 3 || got[0].ContextMap()["error"] != "recipients: 1 of 2 refused: the server answered 550 5.1.1" {
		t.Errorf("log %v", got)
	}
	s.set(func(s *mailServer) { s.rcpt = nil })
	w.later(time.Hour)
	w.later(time.Hour)
	got := s.mails()
	if len(got) != 2 || !slices.Equal(got[1].to, []string{"gone@example.com"}) {
		t.Fatalf("mails %+v", got)
	}
	if got[0].raw != got[1].raw {
		t.Errorf("the second mail is another one:\n%s\n%s", got[0].raw, got[1].raw)
	}
}

// TestRecipientRemoved: whoever refused the mail is taken out of the configuration, which ends the matter.
func TestRecipientRemoved(t *testing.T) {
	s := (&mailServer{}).start(t)
	s.rcpt = func(to string) error {
		if to == "gone@example.com" {
			return smtp.ErrAuthRequired
		}
		return nil
	}
	w := newWorld(t, openOutbox(t)).mail(s)
	w.Jobs["webex"] = Recipients{Email: []string{"gone@example.com", "ops@example.com"}, OnFailure: true}
	w.put(engine.NoticeQuarantined, "q")
	w.dispatch()
	w = w.restarted()
	w.Jobs["webex"] = Recipients{Email: []string{"ops@example.com"}, OnFailure: true}
	w.later(time.Hour)
	due, err := w.Outbox.DueNotices(t.Context(), w.now.Add(1000*time.Hour), 10)
	if got := s.mails(); len(got) != 1 || s.conns != 1 || err != nil || len(due) > 0 {
		t.Errorf("%d mails in %d connections, left %v, %v", len(got), s.conns, due, err)
	}
}

// TestAfterTheDot breaks the connection around the end of the mail. What the server said it took is not
// sent again, though it broke then; of what it did not say, a copy is sent that has the same id.
func TestAfterTheDot(t *testing.T) {
	t.Run("said", func(t *testing.T) {
		s := (&mailServer{}).start(t)
		s.after = func(c net.Conn, _ int) {
			time.AfterFunc(50*time.Millisecond, func() { c.Close() })
		}
		w := newWorld(t, openOutbox(t)).mail(s)
		w.put(engine.NoticeQuarantined, "q")
		w.dispatch()
		w.later(time.Hour)
		if got := len(s.mails()); got != 1 {
			t.Errorf("%d mails, want 1", got)
		}
	})
	t.Run("not said", func(t *testing.T) {
		s := (&mailServer{}).start(t)
		s.after = func(c net.Conn, mails int) {
			if mails == 1 {
				c.Close()
			}
		}
		w := newWorld(t, openOutbox(t)).mail(s)
		w.put(engine.NoticeQuarantined, "q")
		w.dispatch()
		w.later(time.Hour)
		w.later(time.Hour)
		got := s.mails()
		if len(got) != 2 {
			t.Fatalf("%d mails, want 2: the first was not acknowledged", len(got))
		}
		first, _ := got[0].message(t)
		second, _ := got[1].message(t)
		if id := first.Get("Message-Id"); id == "" || id != second.Get("Message-Id") {
			t.Errorf("ids %q and %q", id, second.Get("Message-Id"))
		}
	})
	t.Run("refused", func(t *testing.T) {
		s := (&mailServer{}).start(t)
		s.data = func() error { return &smtp.SMTPError{Code: 451, Message: "later"} }
		w := newWorld(t, openOutbox(t)).mail(s)
		w.put(engine.NoticeQuarantined, "q")
		w.dispatch()
		s.set(func(s *mailServer) { s.data = nil })
		w.later(time.Hour)
		w.later(time.Hour)
		if got := len(s.mails()); got != 1 {
			t.Errorf("%d mails, want 1", got)
		}
	})
}

// TestMailPatience meets a server that takes connections and says nothing, and one that thinks about a mail
// for longer than it may take to send it.
func TestMailPatience(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m, err := NewMail(MailConfig{Address: l.Addr().String(), From: "scimsync@example.com", TLS: "none", Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = (&letter{m, []string{"ops@example.com"}}).send(t.Context(), held)
	if err == nil || err.Error() != "greeting: no answer in time" || time.Since(began) > 5*time.Second {
		t.Errorf("silent server: %v after %s", err, time.Since(began))
	}
	ctx, cancel := context.WithCancel(t.Context())
	m.cfg.Timeout = time.Minute
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err = (&letter{m, []string{"ops@example.com"}}).send(ctx, held); err == nil || err.Error() != "greeting: stopped" {
		t.Errorf("cancelled: %v", err)
	}

	s := (&mailServer{}).start(t)
	s.after = func(net.Conn, int) { time.Sleep(400 * time.Millisecond) }
	m.cfg.Address, m.cfg.Timeout = s.address, 200*time.Millisecond
	if took, err := (&letter{m, []string{"ops@example.com"}}).send(t.Context(), held); err != nil || len(took) != 1 {
		t.Errorf("slow server: took %q, %v", took, err)
	}
}

func TestMailConfig(t *testing.T) {
	_, err := NewMail(MailConfig{Address: "mail", From: "nobody", TLS: "ssl", Password: engine.NewSecret("hunter2")})
	want := "address: it is no address; write host:port, for example mail.example.com:587\n" +
		"from: it is no mail address; write scimsync@example.com\n" +
		`tls: "ssl" is unknown; use none, starttls or tls`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestBeyondASCII: only an address that needs SMTPUTF8 asks for it, which the test server refuses.
func TestBeyondASCII(t *testing.T) {
	s := (&mailServer{}).start(t)
	w := newWorld(t, openOutbox(t)).mail(s)
	if _, err := (&letter{w.Mail, []string{"jörg@example.com"}}).send(t.Context(), held); err == nil || err.Error() != "sender: the server answered 550 5.6.7" {
		t.Errorf("got %v", err)
	}
	w.Mail.from = &netmail.Address{Address: "scimsync@bücher.example"}
	if id := w.Mail.compose(held, nil).GetMessageID(); id != "<"+identity(held)+"@scimsync>" {
		t.Errorf("id %s", id)
	}
}

// A mail begins like a sentence, and names each command once.
func TestBodyIsNoEcho(t *testing.T) {
	n := engine.Notice{Job: "webex", Kind: engine.NoticeDeletions, At: noon,
		Text: "éva and 11 others are held; see `scimsync job deletions webex list`, then `scimsync job deletions webex approve --comment \"…\"`."}
	got := body(n)
	if !strings.HasPrefix(got, "Éva and 11 others") {
		t.Errorf("it begins %.20q", got)
	}
	for line, want := range map[string]int{"deletions webex list": 1, "deletions webex approve": 1, "deletions webex reject": 1} {
		if n := strings.Count(got, line); n != want {
			t.Errorf("%q is there %d times:\n%s", line, n, got)
		}
	}
	for text, want := range map[string]string{"": "There is news", "scimsync check tells": "scimsync check tells", "  12 failed": "12 failed"} {
		if got := body(engine.Notice{Job: "webex", Text: text}); !strings.HasPrefix(got, want) {
			t.Errorf("%q begins %.30q", text, got)
		}
	}
}
