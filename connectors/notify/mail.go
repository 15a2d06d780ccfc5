package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/scimsync/scimsync/engine"
)

// MailConfig is the block notifications.smtp.
type MailConfig struct {
	Address  string // host:port
	Username string // empty: no sign-in
	Password engine.Secret
	From     string
	TLS      string        // none | starttls | tls; "": starttls. A server that does not offer it gets no mail
	Timeout  time.Duration // until the server has the whole mail; 0: 20s
	// Settle is how long the server may take then, to look into the mail; 0: 1m. RFC 5321 section 4.5.3.2.6 asks for
	// patience here, because whoever gives up too soon sends twice.
	Settle time.Duration
	Roots  *x509.CertPool // authorities of its certificate; nil: those of the system
}

// Mail sends notices by SMTP (RFC 5321).
type Mail struct {
	cfg  MailConfig
	host string
	from *netmail.Address
}

// NewMail checks cfg. It sends nothing. Errors are of the form "key: reason; remedy".
func NewMail(cfg MailConfig) (*Mail, error) {
	var errs []error
	host, port, err := net.SplitHostPort(cfg.Address)
	if err != nil || host == "" || port == "" {
		errs = append(errs, errors.New("address: it is no address; write host:port, for example mail.example.com:587"))
	}
	from, err := netmail.ParseAddress(cfg.From)
	if err != nil {
		errs = append(errs, errors.New("from: it is no mail address; write scimsync@example.com"))
	}
	if cfg.TLS = cmp.Or(cfg.TLS, "starttls"); !slices.Contains([]string{"none", "starttls", "tls"}, cfg.TLS) {
		errs = append(errs, fmt.Errorf("tls: %q is unknown; use none, starttls or tls", cfg.TLS))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	cfg.Timeout, cfg.Settle = cmp.Or(cfg.Timeout, 20*time.Second), cmp.Or(cfg.Settle, time.Minute)
	return &Mail{cfg: cfg, host: host, from: from}, nil
}

// letter is the channel to the recipients of one job.
type letter struct {
	mail *Mail
	to   []string
}

func (l *letter) name() string  { return "mail" }
func (l *letter) label() string { return "mail" }

// addressee is what Delivered says when one of several recipients has it and others do not yet.
func addressee(a *netmail.Address) string { return "mail:" + a.Address }

// send writes one mail to all recipients. A server may take it for some and refuse others: these get it later, and
// the others do not get it again.
func (l *letter) send(ctx context.Context, n engine.Notice) ([]string, error) {
	var all, left []*netmail.Address
	for i, s := range l.to {
		a, err := netmail.ParseAddress(s)
		if err != nil {
			return nil, &fault{stage: "recipients", reason: fmt.Sprintf("number %d of notify.email is no mail address", i+1)}
		}
		if slices.ContainsFunc(all, func(b *netmail.Address) bool { return strings.EqualFold(a.Address, b.Address) }) {
			continue
		}
		all = append(all, a)
		if !slices.Contains(n.Delivered, addressee(a)) {
			left = append(left, a)
		}
	}
	if len(left) == 0 { // those who refused it are no longer named
		return []string{l.name()}, nil
	}
	took, err := l.mail.transmit(ctx, l.mail.compose(n, all), left)
	if err == nil {
		return []string{l.name()}, nil
	}
	var got []string
	for _, a := range took {
		got = append(got, addressee(a))
	}
	return got, err
}

// compose writes the mail. The same notice always makes the same mail.
func (m *Mail) compose(n engine.Notice, to []*netmail.Address) *mail.Msg {
	domain := m.from.Address[strings.LastIndexByte(m.from.Address, '@')+1:]
	if beyondASCII(m.from) {
		domain = "scimsync" // the id is an opaque text; only ASCII is safe everywhere
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithCharset(mail.CharsetUTF8), mail.WithEncoding(mail.EncodingQP))
	msg.FromMailAddress(m.from)
	msg.ToMailAddress(to...)
	msg.SetDateWithValue(n.At.UTC())
	msg.SetMessageIDWithValue(identity(n) + "@" + domain)
	msg.Subject("[scimsync] " + strings.ReplaceAll(subject(n), "=?", "= ?")) // "=?" begins an encoded word (RFC 2047)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")                     // RFC 3834 section 5: nobody answers automatically
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")                      // what Exchange looks at instead
	msg.SetGenHeader("X-Scimsync-Job", string(n.Job))                        // for the filters of whoever gets many
	msg.SetGenHeader("X-Scimsync-Notice", string(n.Kind))
	msg.SetBodyString(mail.TypeTextPlain, body(n))
	return msg
}

// transmit hands msg to the server for the recipients given and returns those for whom it took it, which is all of
// them unless there is an error.
func (m *Mail) transmit(ctx context.Context, msg *mail.Msg, to []*netmail.Address) ([]*netmail.Address, error) {
	began := time.Now()
	c, conn, err := m.open(ctx)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	// Asked for, SMTPUTF8 has to be offered by every server on the way; only addresses beyond ASCII need it.
	c.SkipSMTPUTF8(!slices.ContainsFunc(append(to[:len(to):len(to)], m.from), beyondASCII))
	if err := c.Mail(envelope(m.from)); err != nil {
		f := broken("sender", err)
		f.down = true
		return nil, f
	}
	var taken []*netmail.Address
	var no error
	refused := 0
	for _, a := range to {
		err := c.Rcpt(envelope(a))
		if err == nil {
			taken = append(taken, a)
			continue
		}
		f := broken("recipients", err)
		if f.status == 0 {
			return nil, f
		}
		refused++
		f.reason = fmt.Sprintf("%d of %d refused: %s", refused, len(to), f.reason)
		no = f
	}
	if len(taken) == 0 {
		m.quit(c)
		return nil, no
	}
	w, err := c.Data()
	if err != nil {
		return nil, broken("data", err)
	}
	if _, err := msg.WriteTo(w); err != nil {
		return nil, broken("data", err) // without its end the server drops it (RFC 5321 section 4.1.1.4)
	}
	if err := conn.SetDeadline(time.Now().Add(m.cfg.Settle)); err != nil {
		return nil, broken("data", err)
	}
	if err := w.Close(); err != nil {
		return nil, broken(fmt.Sprintf("end of the mail, after %s", time.Since(began).Round(time.Second)), err)
	}
	m.quit(c) // it is delivered, whatever happens now
	return taken, no
}

// quit takes leave. The server need not answer: what it took it has.
func (m *Mail) quit(c *smtp.Client) {
	if c.UpdateDeadline(time.Second) == nil {
		_ = c.Quit()
	}
}

// open connects, protects the connection and signs in.
func (m *Mail) open(ctx context.Context) (*smtp.Client, net.Conn, error) {
	until := time.Now().Add(m.cfg.Timeout)
	conn, err := (&net.Dialer{Deadline: until}).DialContext(ctx, "tcp", m.cfg.Address)
	if err != nil {
		return nil, nil, broken("connect", err)
	}
	raw := conn
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	c, f := m.greet(conn, until)
	stop()
	if f != nil {
		conn.Close()
		f.down = true // every mail begins like this
		return nil, nil, f
	}
	return c, conn, nil
}

// greet does what comes before the first mail.
func (m *Mail) greet(conn net.Conn, until time.Time) (*smtp.Client, *fault) {
	if err := conn.SetDeadline(until); err != nil {
		return nil, broken("connect", err)
	}
	protect := &tls.Config{ServerName: m.host, RootCAs: m.cfg.Roots, MinVersion: tls.VersionTLS12}
	if m.cfg.TLS == "tls" {
		tc := tls.Client(conn, protect)
		if err := tc.Handshake(); err != nil {
			return nil, broken("TLS", err)
		}
		conn = tc
	}
	c, err := smtp.NewClient(conn, m.host)
	if err != nil {
		return nil, broken("greeting", err)
	}
	self, err := os.Hostname()
	if err != nil || self == "" {
		self = "localhost"
	}
	if err := c.Hello(self); err != nil {
		return nil, broken("greeting", err)
	}
	if m.cfg.TLS == "starttls" {
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return nil, &fault{stage: "STARTTLS", reason: "the server does not offer it; set notifications.smtp.tls to tls, or to none in a network that is trusted"}
		}
		if err := c.StartTLS(protect); err != nil {
			return nil, broken("STARTTLS", err)
		}
	}
	if m.cfg.Username == "" {
		return c, nil
	}
	how, f := m.signIn(c)
	if f != nil {
		return nil, f
	}
	if err := c.Auth(how); err != nil {
		return nil, broken("sign-in", err)
	}
	return c, nil
}

// signIn chooses how: what does not show the password to the server first, then what everybody has. Over a
// connection that others may read the password itself is not sent.
func (m *Mail) signIn(c *smtp.Client) (smtp.Auth, *fault) {
	offered, list := c.Extension("AUTH")
	if !offered {
		return nil, &fault{stage: "sign-in", reason: "the server offers none; remove username and password, or check port and tls"}
	}
	mechanisms := strings.Fields(strings.ToUpper(list))
	can := func(name string) bool { return slices.Contains(mechanisms, name) }
	user, password := m.cfg.Username, m.cfg.Password.Reveal()
	private := m.cfg.TLS != "none" || loopback(m.host)
	switch {
	case can("SCRAM-SHA-256"):
		return smtp.ScramSHA256Auth(user, password), nil
	case private && can("PLAIN"):
		return smtp.PlainAuth("", user, password, m.host, true), nil
	case private && can("LOGIN"):
		return smtp.LoginAuth(user, password, m.host, true), nil
	case can("SCRAM-SHA-1"):
		return smtp.ScramSHA1Auth(user, password), nil
	case can("CRAM-MD5"):
		return smtp.CRAMMD5Auth(user, password), nil
	case !private:
		return nil, &fault{stage: "sign-in", reason: "the server wants the password in the clear; set notifications.smtp.tls to starttls or tls"}
	}
	return nil, &fault{stage: "sign-in", reason: "the server offers none of SCRAM-SHA-256, PLAIN, LOGIN, SCRAM-SHA-1 and CRAM-MD5"}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

// envelope is an address as SMTP writes it: without a name, in angle brackets.
func envelope(a *netmail.Address) string { return (&netmail.Address{Address: a.Address}).String() }

func beyondASCII(a *netmail.Address) bool {
	return strings.ContainsFunc(a.Address, func(c rune) bool { return c > unicode.MaxASCII })
}
