package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"regexp"
	"syscall"
	"time"
)

// fault is why a channel did not take a notice. Its text may be logged: it has nothing of what servers write, which
// may repeat addresses and contents.
type fault struct {
	stage  string // what was being done
	reason string
	status int           // of SMTP or HTTP; 0: no answer
	down   bool          // every other notice would meet it too
	gone   bool          // this notice is never taken, so it is not tried again
	after  time.Duration // how long the other side asks to wait
}

func (f *fault) Error() string { return f.stage + ": " + f.reason }

// broken makes a fault of an error of the network, of TLS or of an SMTP server.
func broken(stage string, err error) *fault {
	if t, ok := errors.AsType[*textproto.Error](err); ok {
		f := &fault{stage: stage, status: t.Code, down: t.Code == 421, reason: fmt.Sprintf("the server answered %d", t.Code)}
		if code := enhanced.FindString(t.Msg); code != "" {
			f.reason += " " + code
		}
		return f
	}
	return &fault{stage: stage, reason: reasonOf(err), down: true}
}

// enhanced is an enhanced status code at the beginning of an answer (RFC 2034 section 4).
var enhanced = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// reasonOf says what an error is without repeating what it was about.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return "the name of the host is not known; check the address"
		}
		return "the name of the host cannot be looked up"
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificate(e.Err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not speak TLS there; check port and tls"
	}
	if e, ok := errors.AsType[tls.AlertError](err); ok {
		return e.Error()
	}
	if _, ok := errors.AsType[textproto.ProtocolError](err); ok {
		return "the server does not speak the protocol; check port and tls"
	}
	if n, ok := errors.AsType[net.Error](err); errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || ok && n.Timeout() {
		return "no answer in time"
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed) {
		return "stopped"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection was closed"
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e.Error()
	}
	return fmt.Sprintf("broken connection (%T)", err)
}

// certificate says why a certificate is not trusted.
func certificate(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is for another host"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate comes from an unknown authority; add it to those of the system"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "the certificate has expired or is not valid yet"
	}
	return "the certificate is not trusted"
}

// Patience with a channel that fails.
const (
	firstPause   = time.Minute
	longestPause = 6 * time.Hour
	giveUpAfter  = 72 * time.Hour
	// fewestTries keeps a notice that waited for days while no process ran from being given up at the first failure.
	fewestTries = 5
)

// pause is how long a notice waits after so many tries.
func pause(tries int) time.Duration {
	d := firstPause
	for range tries - 1 {
		if d *= 2; d >= longestPause {
			return longestPause
		}
	}
	return d
}
