package notify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailServer is a real SMTP server on loopback that keeps what it takes.
type mailServer struct {
	address string
	// What is refused. They are set before the first connection, or under the lock.
	mu     sync.Mutex
	rcpt   func(to string) error
	data   func() error                // instead of taking the mail
	after  func(c net.Conn, mails int) // when a mail was taken, before that is said
	auth   map[string]string           // user and password; nil: anybody may send
	mechs  []string
	tls    *tls.Config // what STARTTLS or TLS use
	direct bool        // TLS from the first byte
	taken  []taken
	conns  int      // connections so far
	used   []string // mechanisms that were signed in with
}

// taken is a mail that the server took.
type taken struct {
	from      string
	to        []string
	protected bool
	raw       string
}

// message parses the mail as whoever reads it would.
func (m taken) message(t *testing.T) (h netmail.Header, body string) {
	t.Helper()
	msg, err := netmail.ReadMessage(strings.NewReader(m.raw))
	if err != nil {
		t.Fatalf("no mail: %v\n%s", err, m.raw)
	}
	if got := msg.Header.Get("Content-Transfer-Encoding"); got != "quoted-printable" {
		t.Fatalf("encoding %q", got)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
	if err != nil {
		t.Fatal(err)
	}
	return msg.Header, strings.ReplaceAll(string(text), "\r\n", "\n")
}

func decoded(t *testing.T, header string) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs the server until the end of the test.
func (s *mailServer) start(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.conns++
		return &mailSession{server: s, conn: c}, nil
	}))
	srv.Domain = "mail.test"
	srv.AllowInsecureAuth = true
	srv.EnableSMTPUTF8 = true
	srv.ErrorLog = quiet{}
	srv.ReadTimeout, srv.WriteTimeout = 10*time.Second, 10*time.Second
	if s.direct {
		l = tls.NewListener(l, s.tls)
	} else {
		srv.TLSConfig = s.tls
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.Serve(l); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Errorf("mail server: %v", err)
		}
	})
	t.Cleanup(func() {
		srv.Close()
		wg.Wait()
	})
	return s
}

func (s *mailServer) mails() []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

// set changes the server while it runs.
func (s *mailServer) set(change func(s *mailServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// mailSession is one connection to a mailServer.
type mailSession struct {
	server *mailServer
	conn   *smtp.Conn
	signed bool
	mail   taken
}

func (m *mailSession) AuthMechanisms() []string {
	m.server.mu.Lock()
	defer m.server.mu.Unlock()
	return m.server.mechs
}

func (m *mailSession) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		m.server.mu.Lock()
		defer m.server.mu.Unlock()
		if want, ok := m.server.auth[user]; !ok || want != password {
			return errors.New("wrong user or password")
		}
		m.signed = true
		m.server.used = append(m.server.used, mech)
		return nil
	}
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// loginServer is the other side of AUTH LOGIN, for which go-sasl has a client only.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

func (m *mailSession) Mail(from string, o *smtp.MailOptions) error {
	if m.server.auth != nil && !m.signed {
		return smtp.ErrAuthRequired
	}
	if o.UTF8 {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 6, 7}, Message: "the next server has no SMTPUTF8"}
	}
	m.mail = taken{from: from}
	_, m.mail.protected = m.conn.TLSConnectionState()
	return nil
}

func (m *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	m.server.mu.Lock()
	defer m.server.mu.Unlock()
	if m.server.rcpt != nil {
		if err := m.server.rcpt(to); err != nil {
			return err
		}
	}
	m.mail.to = append(m.mail.to, to)
	return nil
}

func (m *mailSession) Data(r io.Reader) error {
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(r); err != nil {
		return err
	}
	m.server.mu.Lock()
	defer m.server.mu.Unlock()
	if m.server.data != nil {
		if err := m.server.data(); err != nil {
			return err
		}
	}
	m.mail.raw = raw.String()
	m.server.taken = append(m.server.taken, m.mail)
	if m.server.after != nil {
		m.server.after(m.conn.Conn(), len(m.server.taken))
	}
	return nil
}

func (m *mailSession) Reset()        {}
func (m *mailSession) Logout() error { return nil }

// authority is a throw-away one with a certificate for 127.0.0.1.
func authority(t *testing.T) (*x509.CertPool, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Throw-away"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mail.test"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	parsed := make([]*x509.Certificate, 2)
	for i, c := range []*x509.Certificate{ca, leaf} {
		der, err := x509.CreateCertificate(rand.Reader, c, ca, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		if parsed[i], err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed[0])
	return roots, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{parsed[1].Raw}, PrivateKey: key}}}
}
