package scim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/connectors/internal/wire/wiretest"
	"github.com/scimsync/scimsync/engine"
)

func bearer(base string) Config {
	return Config{BaseURL: base, Auth: Auth{Type: "bearer", Token: engine.NewSecret("token")}}
}

// TestConfigProblems holds every message to a golden file, so that a reviewer reads what people read.
func TestConfigProblems(t *testing.T) {
	with := func(change func(*Config)) Config {
		c := bearer("https://scim.example.net/v2")
		change(&c)
		return c
	}
	auth := func(a Auth) Config { return with(func(c *Config) { c.Auth = a }) }
	var b strings.Builder
	for _, c := range []struct {
		name string
		cfg  Config
	}{
		{"nothing", Config{}},
		{"base URL without scheme", bearer("scim.example.net/v2")},
		{"base URL with a user", bearer("https://me:pass@scim.example.net/v2")},
		{"base URL with a fragment", bearer("https://scim.example.net/v2#users")},
		{"plain http", bearer("http://scim.example.net/v2")},
		{"another scheme", bearer("ftp://scim.example.net/v2")},
		{"an endpoint", bearer("https://scim.example.net/v2/Users/")},
		{"an endpoint in another case", bearer("https://scim.example.net/v2/serviceproviderconfig")},
		{"unknown words", with(func(c *Config) {
			c.Type, c.Profile, c.App, c.Repair, c.ETag, c.QuerySpace = "ldap", "okta", "webx", "yes", "on", "comma"
			c.Page.Mode, c.Members.RemoveStyle, c.Members.Readable = "offset", "all", "maybe"
			c.User.UpdateMethod, c.User.ClearStyle, c.User.ActiveEncoding = "post", "zero", "int"
			c.Match.CreateConflict, c.Verify.Disable, c.Capabilities.ManagerStyle = "adopt", "sometimes", "list"
		})},
		{"negative numbers", with(func(c *Config) {
			c.Concurrency, c.Rate, c.Retry.Attempts, c.Page.Size, c.Members.PerPatch = -1, -1, -1, -1, -1
			c.Timeout.Total, c.Retry.MaxWait, c.Settle, c.Limits.BodyBytes, c.Rates.Write.Burst = -1, -1, -1, -1, -1
		})},
		{"control characters", with(func(c *Config) { c.UserAgent, c.MediaType = "a\r\nX: y", "a\nb" })},
		{"files that are not there", with(func(c *Config) { c.TLS.CA = "/nowhere/ca.pem"; c.Auth.Cert = "/nowhere/c.pem" })},
		{"no auth", auth(Auth{})},
		{"unknown auth", auth(Auth{Type: "digest"})},
		{"bearer without token", auth(Auth{Type: "bearer"})},
		{"bearer with only the word", auth(Auth{Type: "bearer", Token: engine.NewSecret("Bearer ")})},
		{"bearer with a line break", auth(Auth{Type: "bearer", Token: engine.NewSecret("abc\ndef")})},
		{"oauth2 with nothing", auth(Auth{Type: "oauth2"})},
		{"oauth2 over http", auth(Auth{Type: "oauth2", ClientID: "i", ClientSecret: engine.NewSecret("s"), TokenURL: "http://login.example.net/t", CredentialsIn: "query"})},
		{"basic with nothing", auth(Auth{Type: "basic"})},
		{"basic with a colon", auth(Auth{Type: "basic", Username: "a:b", Password: engine.NewSecret("p")})},
		{"mtls with nothing", auth(Auth{Type: "mtls"})},
		{"header with nothing", auth(Auth{Type: "header"})},
		{"header of the protocol", auth(Auth{Type: "header", Name: "authorization", Value: engine.NewSecret("a\nb")})},
		{"expiry", auth(Auth{Type: "bearer", Token: engine.NewSecret("t0ken"), Expires: "next year"})},
	} {
		_, err := New(c.cfg, nil, nil)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		fmt.Fprintf(&b, "# %s\n%v\n\n", c.name, err)
	}
	path := filepath.Join("testdata", "config-problems.golden")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("messages differ (-want +got):\n%s", d)
	}
}

func TestConfigAccepted(t *testing.T) {
	for _, base := range []string{
		"https://scim.example.net/scim", "https://scim.example.net/scim/", "https://api.example.net/identity/scim/7b1e6c1e-0000-4000-8000-00000000c0de/v2",
		"https://api.example.net/v2?region=eu", "https://api.example.net/v2/?region=eu&aadOptscim062020", "https://api.example.net",
		` <https://api.example.net/v2> `, `"https://api.example.net/v2"`, "http://127.0.0.1:9000/scim", "http://localhost/scim", "http://[::1]:1/x",
	} {
		if _, err := New(bearer(base), nil, nil); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

func TestConfigFromYAML(t *testing.T) {
	text := `
type: scim
baseUrl: https://scim.example.net/v2
profile: entra
app: aws-iic
auth: {type: bearer, token: abcdef, expires: 2027-11-01}
concurrency: 3
rate: 12.5
rates: {createUser: {perSecond: 3, burst: 20}}
timeout: {total: 30s}
retry: {maxWait: 10m}
members: {perPatch: 50}
verify: {disable: always}
net: {allowPrivate: false, allowHosts: [scim.example.net]}
capabilities: {filterPaths: false}
`
	var cfg Config
	if err := yaml.NewDecoder(strings.NewReader(text), yaml.Strict()).Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	c, err := New(cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := c.set
	if s.Auth.Token.Reveal() != "abcdef" || s.Concurrency != 3 || s.Rate != 12.5 || s.Rates.CreateUser.Burst != 20 || s.Timeout.Total != 30*time.Second ||
		s.Retry.MaxWait != 10*time.Minute || s.Verify.Disable != "always" || s.start.filterPaths {
		t.Errorf("got %+v", s.Config)
	}
	if s.Members.PerPatch != 50 || s.Members.Readable != "no" || s.Page.Size != 50 || !s.base.dialect062 || s.start.pathless {
		t.Errorf("the preset fills what is empty and nothing else: %+v", s.Config)
	}
	if got := c.Expires().Format(time.DateOnly); got != "2027-11-01" {
		t.Errorf("expires %s", got)
	}
	for text, want := range map[string]time.Time{"2027-11-01": time.Date(2027, 11, 1, 0, 0, 0, 0, time.UTC), "": {}, "soon": {}, "2027-13-01": {}} {
		if got := (Config{Auth: Auth{Expires: text}}).TokenExpires(); !got.Equal(want) {
			t.Errorf("the token of %q ends %s, want %s", text, got, want)
		}
	}
	out, err := yaml.Marshal(cfg)
	if err != nil || bytes.Contains(out, []byte("abcdef")) {
		t.Errorf("written back: %v\n%s", err, out)
	}
}

func TestEveryPresetIsValid(t *testing.T) {
	for _, name := range Apps() {
		cfg := bearer("https://scim.example.net/v2")
		cfg.App = name
		if _, err := New(cfg, nil, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := bearer("https://scim.example.net/v2?AzureAdScimPatch2017")
	cfg.App = "aws-iic"
	if c, err := New(cfg, nil, nil); err != nil || c.set.base.dialect062 {
		t.Errorf("a flag in the URL loses against the preset: %v", err)
	}
}

func TestFixedCredentials(t *testing.T) {
	for _, c := range []struct {
		auth        Auth
		name, value string
	}{
		{Auth{Type: "basic", Username: "håkon", Password: engine.NewSecret("pä:ss")}, "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("håkon:pä:ss"))},
		{Auth{Type: "header", Name: "x-api-key", Value: engine.NewSecret("k3y-value")}, "X-Api-Key", "k3y-value"},
	} {
		cl, f := newFake(t, func(cfg *Config) { cfg.Auth = c.auth }, ok(noorJSON), refused(401, "", "no"))
		_, err := cl.Get(t.Context(), engine.User, id)
		noError(t, err)
		if got := f.sent()[0].header.Get(c.name); got != c.value {
			t.Errorf("%s: got %q, want %q", c.auth.Type, got, c.value)
		}
		_, err = cl.Get(t.Context(), engine.User, id) // cannot be renewed
		wantError(t, err, engine.OutcomeQuarantine, engine.CodeCredentials)
	}
}

// tokens is an OAuth token endpoint.
type tokens struct {
	srv    *httptest.Server
	n      atomic.Int64
	mu     sync.Mutex
	answer func(n int64, r *http.Request) (int, string)
	forms  []url.Values
	basic  []string
}

func newTokens(t *testing.T, answer func(n int64, r *http.Request) (int, string)) *tokens {
	tk := &tokens{answer: answer}
	tk.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		tk.mu.Lock()
		tk.forms = append(tk.forms, r.PostForm)
		user, pass, _ := r.BasicAuth()
		tk.basic = append(tk.basic, user+"|"+pass)
		tk.mu.Unlock()
		status, body := tk.answer(tk.n.Add(1), r)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(tk.srv.Close)
	return tk
}

func issue(n int64, _ *http.Request) (int, string) {
	return 200, fmt.Sprintf(`{"access_token":"issued-%d","token_type":"Bearer","expires_in":"3600"}`, n)
}

func (tk *tokens) auth(cfg *Config) {
	cfg.Auth = Auth{Type: "oauth2", TokenURL: tk.srv.URL + "/token", ClientID: "id&1", ClientSecret: engine.NewSecret("s3cret=1"), Scopes: []string{"a", "b"}, Extra: map[string]string{"audience": "x"}}
}

func Test12OAuth(t *testing.T) {
	tk := newTokens(t, issue)
	c, f := newFake(t, tk.auth, refused(401, "", "expired"), ok(noorJSON), ok(noorJSON))
	for range 2 {
		_, err := c.Get(t.Context(), engine.User, id)
		noError(t, err)
	}
	var used []string
	for _, s := range f.sent() {
		used = append(used, s.header.Get("Authorization"))
	}
	if d := cmp.Diff([]string{"Bearer issued-1", "Bearer issued-2", "Bearer issued-2"}, used); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if n := c.TakeRequests(); n.Sent != 3 {
		t.Errorf("%d requests, want three: the token endpoint is not the target", n.Sent)
	}
	if form := tk.forms[0]; form.Get("grant_type") != "client_credentials" || form.Get("scope") != "a b" || form.Get("audience") != "x" || form.Has("client_secret") ||
		tk.basic[0] != "id%261|s3cret%3D1" {
		t.Errorf("form %v, basic %q", form, tk.basic[0])
	}
	// A second refusal is final.
	c, _ = newFake(t, tk.auth, refused(401, "", ""), refused(401, "", ""))
	_, err := c.Get(t.Context(), engine.User, id)
	wantError(t, err, engine.OutcomeQuarantine, engine.CodeCredentials)
	// The token is renewed before it ends.
	c, f = newFake(t, tk.auth, ok(noorJSON), ok(noorJSON))
	before := tk.n.Load()
	for range 2 {
		_, err := c.Get(t.Context(), engine.User, id)
		noError(t, err)
		f.clock.Advance(55 * time.Minute)
	}
	if n := tk.n.Load() - before; n != 2 {
		t.Errorf("%d tokens, want two", n)
	}
}

func TestOneRenewalAtATime(t *testing.T) {
	tk := newTokens(t, issue)
	c, f := newFake(t, tk.auth)
	f.rest = func(s seen) step {
		if s.header.Get("Authorization") == "Bearer issued-1" {
			return refused(401, "", "expired")
		}
		return ok(noorJSON)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.Get(t.Context(), engine.User, id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := tk.n.Load(); n != 2 {
		t.Errorf("%d tokens were fetched, want two", n)
	}
}

func TestTokenEndpointFailures(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		code   engine.Code
		n      int64
	}{
		{400, `{"error":"invalid_client","error_description":"s3cret=1 is wrong"}`, engine.CodeCredentials, 1},
		{401, ``, engine.CodeCredentials, 1},
		{404, `no`, engine.CodeTransport, 1},
		{500, `no`, engine.CodeTransport, 5},
		{200, `<html>`, engine.CodeCredentials, 1},
		{200, `{"access_token":""}`, engine.CodeCredentials, 1},
		{200, `{"access_token":"abcd","token_type":"mac"}`, engine.CodeCredentials, 1},
	} {
		tk := newTokens(t, func(int64, *http.Request) (int, string) { return c.status, c.body })
		cl, f := newFake(t, tk.auth)
		_, err := cl.Get(t.Context(), engine.User, id)
		te := wantError(t, err, engine.OutcomeQuarantine, c.code)
		if strings.Contains(te.Detail, "s3cret") {
			t.Errorf("the secret is in %q", te.Detail)
		}
		if len(f.sent()) != 0 || tk.n.Load() != c.n {
			t.Errorf("%d %s: %d requests for a token, %d to the target", c.status, c.body, tk.n.Load(), len(f.sent()))
		}
	}
	for in, want := range map[string]string{"body": "id&1|s3cret=1||", "both": "id&1|s3cret=1|id%261|s3cret%3D1", "header": "||id%261|s3cret%3D1"} {
		tk := newTokens(t, issue)
		c, _ := newFake(t, func(cfg *Config) { tk.auth(cfg); cfg.Auth.CredentialsIn = in }, ok(noorJSON))
		_, err := c.Get(t.Context(), engine.User, id)
		noError(t, err)
		got := tk.forms[0].Get("client_id") + "|" + tk.forms[0].Get("client_secret") + "|" + strings.Replace(tk.basic[0], "|", "|", 1)
		if got = strings.TrimSuffix(got, ""); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func Test87PrivateAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false,
		"224.0.0.1": false, "240.0.0.1": false, "::1": false, "::": false, "fe80::1": false, "fc00::1": false, "ff02::1": false,
		"::ffff:10.0.0.1": false, "::ffff:93.184.216.34": true, "64:ff9b::a00:1": false, "64:ff9b::5db8:d822": true,
	} {
		if got := public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: public %t, want %t", addr, got, want)
		}
	}
	// Refused when it is dialled, whatever the name resolved to before, and without a retry storm.
	private := func(cfg *Config) { cfg.Net.AllowPrivate = new(false) }
	c, f := newFake(t, private)
	_, err := c.Get(t.Context(), engine.User, id)
	te := wantError(t, err, engine.OutcomeQuarantine, engine.CodeTransport)
	if !strings.Contains(te.Detail, "net.allowPrivate") || c.TakeRequests().Sent != 1 {
		t.Errorf("got %q", te.Detail)
	}
	c, _ = newFake(t, func(cfg *Config) {
		private(cfg)
		u, _ := url.Parse(cfg.BaseURL)
		cfg.Net.AllowHosts = []string{u.Host}
	}, ok(noorJSON))
	_, err = c.Get(t.Context(), engine.User, id)
	noError(t, err)
	if len(f.sent()) != 0 {
		t.Errorf("a refused address was asked")
	}
}

func TestPortsOtherThan443AreRefusedWithPublicAddresses(t *testing.T) {
	dial := guardedDial(&net.Dialer{Timeout: time.Second}, nil)
	_, err := dial(t.Context(), "tcp", "127.0.0.1:443")
	if !errors.Is(err, errRefusedAddress) {
		t.Errorf("got %v", err)
	}
}

func Test90Certificates(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, noorJSON) }))
	srv.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	t.Cleanup(srv.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	get := func(base string, change func(*Config)) (engine.Requests, error) {
		cfg := bearer(base)
		change(&cfg)
		c, err := newClient(cfg, nil, nil, wiretest.NewClock(time.Now()), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Get(t.Context(), engine.User, id)
		return c.TakeRequests(), err
	}
	for name, c := range map[string]struct {
		base   string
		change func(*Config)
	}{
		"unknown root": {srv.URL, func(*Config) {}},
		"wrong name":   {strings.Replace(srv.URL, "127.0.0.1", "localhost", 1), func(cfg *Config) { cfg.TLS.CA = ca }},
	} {
		n, err := get(c.base, c.change)
		te := wantError(t, err, engine.OutcomeQuarantine, engine.CodeTransport)
		if n.Sent != 1 || !strings.Contains(te.Detail, "certificate") {
			t.Errorf("%s: %d requests, %q", name, n.Sent, te.Detail)
		}
	}
	for name, change := range map[string]func(*Config){
		"own root": func(cfg *Config) { cfg.TLS.CA = ca },
		"lab":      func(cfg *Config) { cfg.TLS.InsecureSkipVerify = true },
	} {
		if _, err := get(srv.URL, change); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClientCertificate(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "scimsync"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, keyFile := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var shown string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			shown = r.TLS.PeerCertificates[0].Subject.CommonName + r.Header.Get("Authorization")
		}
		fmt.Fprint(w, noorJSON)
	}))
	srv.StartTLS()
	t.Cleanup(srv.Close)
	srv.TLS.ClientAuth = 1 // request a certificate
	cfg := Config{BaseURL: srv.URL, Auth: Auth{Type: "mtls", Cert: cert, Key: keyFile}}
	c, err := New(cfg, srv.Client(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), engine.User, id)
	noError(t, err)
	if shown != "scimsync" {
		t.Errorf("the server saw %q, want the certificate and no other credential", shown)
	}
	cfg.Auth.Key = cert
	if _, err := New(cfg, nil, nil); err == nil || !strings.Contains(err.Error(), "auth.cert") {
		t.Errorf("a certificate without its key: %v", err)
	}
}
