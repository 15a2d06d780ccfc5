package scim

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/scimsync/scimsync/connectors/internal/wire"
)

// httpClient returns the client whose transport the connection uses: the one given, or one of our
// own with the TLS, time-out and address settings of the configuration.
func httpClient(s *settings, hc *http.Client) (*http.Client, error) {
	guarded := s.Net.AllowPrivate != nil && !*s.Net.AllowPrivate
	special := guarded || s.Auth.Cert != "" || s.TLS.CA != "" || s.TLS.InsecureSkipVerify
	if hc != nil && hc.Transport != nil && !special {
		return hc, nil
	}
	most := cmp.Or(max(s.Concurrency, 0), 32)
	t := wire.NewTransport(most)
	if hc != nil && hc.Transport != nil {
		given, ok := hc.Transport.(*http.Transport)
		if !ok {
			return nil, errors.New("tls, net and auth.cert need a plain HTTP transport; leave them out or give none")
		}
		t = given.Clone()
	}
	dialer := &net.Dialer{Timeout: s.Timeout.Connect}
	t.DialContext = dialer.DialContext
	t.TLSHandshakeTimeout = s.Timeout.TLS
	t.ResponseHeaderTimeout = s.Timeout.Header
	t.MaxResponseHeaderBytes = s.Limits.HeaderBytes
	if guarded {
		t.Proxy = nil // a proxy would connect to addresses that we never see
		t.DialContext = guardedDial(dialer, s.Net.AllowHosts)
	}
	conf, err := tlsConfig(s)
	if err != nil {
		return nil, err
	}
	if t.TLSClientConfig != nil { // that of the client given, for example the roots of a test server
		conf.RootCAs = cmp.Or(conf.RootCAs, t.TLSClientConfig.RootCAs)
	}
	t.TLSClientConfig = conf
	return &http.Client{Transport: t}, nil
}

func tlsConfig(s *settings) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.TLS.InsecureSkipVerify}
	if s.TLS.CA != "" {
		pem, err := os.ReadFile(s.TLS.CA)
		if err != nil {
			return nil, nil // resolve has said so
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %s holds no certificate; name a PEM file", s.TLS.CA)
		}
		conf.RootCAs = pool
	}
	if s.Auth.Cert != "" && s.Auth.Key != "" {
		pair, err := tls.LoadX509KeyPair(s.Auth.Cert, s.Auth.Key)
		if err != nil {
			return nil, fmt.Errorf("auth.cert: certificate and key cannot be used: %w; name two PEM files that belong together", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

var errRefusedAddress = errors.New("the address is not public and net.allowPrivate is false")

// guardedDial checks every address at the moment it is dialled, after the name was resolved, so
// that a name which resolves differently the second time gains nothing (27.3).
func guardedDial(d *net.Dialer, allowed []string) func(context.Context, string, string) (net.Conn, error) {
	checked := *d
	checked.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %s", errRefusedAddress, address)
		}
		if !public(at.Addr()) {
			return fmt.Errorf("%w: add the host to net.allowHosts if it is meant", errRefusedAddress)
		}
		if at.Port() != 443 {
			return fmt.Errorf("%w: port %d is not 443; add host:port to net.allowHosts if it is meant", errRefusedAddress, at.Port())
		}
		return nil
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address)
		if slices.Contains(allowed, host) || slices.Contains(allowed, address) {
			return d.DialContext(ctx, network, address)
		}
		return checked.DialContext(ctx, network, address)
	}
}

var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("fec0::/10"),
}

// nat64 prefixes carry an IPv4 address in their last 32 bits.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	return !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}
