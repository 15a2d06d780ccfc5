package msgraph

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/scimsync/scimsync/connectors/internal/wire/wiretest"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

const testTenant = "7d1f0c52-0000-4000-8000-00000000aa01"

// A tenantServer is a sandbox with its token endpoint over TLS, as the identity library wants it.
type tenantServer struct {
	*graphtest.Server
	srv    *httptest.Server
	tokens atomic.Int64
	before func(w http.ResponseWriter, r *http.Request) bool // answers instead when it returns true
}

func newTenant(t *testing.T) *tenantServer {
	t.Helper()
	ts := &tenantServer{Server: graphtest.New(graphtest.Options{Seed: 1, Settings: calm(), TenantID: testTenant, ClientID: appID, ClientSecret: "right", Now: time.Now()})}
	ts.srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			ts.tokens.Add(1)
			justDefault(t, r)
		}
		if ts.before != nil && ts.before(w, r) {
			return
		}
		ts.Server.ServeHTTP(w, r)
	}))
	ts.srv.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	ts.srv.StartTLS()
	t.Cleanup(ts.srv.Close)
	return ts
}

// justDefault takes the scopes out of a token request that the identity library adds to every one
// (openid and the like): the real service ignores them here, the sandbox refuses them.
func justDefault(t *testing.T, r *http.Request) {
	t.Helper()
	form, err := url.ParseQuery(readAll(t, r))
	if err != nil {
		t.Error(err)
	}
	for _, scope := range strings.Fields(form.Get("scope")) {
		if strings.HasSuffix(scope, "/.default") {
			form.Set("scope", scope)
		}
	}
	body := form.Encode()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
}

func (ts *tenantServer) open(t *testing.T, change func(*Config)) (*Source, *wiretest.Clock) {
	t.Helper()
	cfg := Config{TenantID: testTenant, ClientID: appID, Endpoint: ts.srv.URL + "/v1.0", Scope: engine.ScopeAll}
	change(&cfg)
	clock := wiretest.NewClock(time.Now())
	src, err := newSource(cfg, ts.srv.Client(), zaptest.NewLogger(t), parts{clock: clock, authority: ts.srv.URL + "/", rand: func() float64 { return 0.5 }})
	if err != nil {
		t.Fatal(err)
	}
	return src, clock
}

func secret(s string) func(*Config) {
	return func(c *Config) { c.ClientSecret = engine.NewSecret(s) }
}

func TestClientSecretSignsIn(t *testing.T) { // GS-AU-2
	t.Parallel()
	ts := newTenant(t)
	src, clock := ts.open(t, secret("right"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := src.Lookup(t.Context(), engine.User, []string{mira}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := ts.tokens.Load(); got != 1 {
		t.Errorf("%d tokens for eight callers", got)
	}
	if got := src.TakeRequests().Sent; got != 24 {
		t.Errorf("counted %d requests: those for tokens are not the source's", got)
	}
	clock.Advance(50 * time.Minute)
	mustFollow(t, src, engine.FeedUsers, "")
	if got := ts.tokens.Load(); got != 1 {
		t.Errorf("%d tokens within the life of one", got)
	}
}

func TestRefusedTokenIsReplacedOnce(t *testing.T) { // GS-AU-3
	t.Parallel()
	claims := base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"nbf":{"essential":true,"value":"1"}}}`))
	for _, c := range []struct {
		name      string
		status    int
		challenge string
		refusals  int64
		ok        bool
	}{
		{"without a challenge", 401, `Bearer realm=""`, 1, true},
		{"with claims", 401, `Bearer realm="", error="insufficient_claims", claims="` + claims + `"`, 1, true},
		{"with malformed claims", 401, `Bearer claims=nonsense, claims="%%%"`, 1, true},
		{"again and again", 401, `Bearer realm=""`, 1000, false},
		{"insufficient claims as 403", 403, `Bearer claims="` + claims + `"`, 1, true},
	} {
		ts := newTenant(t)
		var asked atomic.Int64
		var sentClaims atomic.Bool
		ts.before = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/token") {
				body := readAll(t, r)
				if strings.Contains(body, "claims=") && strings.Contains(body, "nbf") {
					sentClaims.Store(true)
				}
				r.Body = http.NoBody
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3599,"access_token":"token-%d"}`, ts.tokens.Load())
				return true
			}
			if strings.HasSuffix(r.URL.Path, "/users/delta") && asked.Add(1) <= c.refusals {
				w.Header().Set("WWW-Authenticate", c.challenge)
				fail(w, c.status, map[int]string{401: "InvalidAuthenticationToken", 403: "insufficient_claims"}[c.status])
				return true
			}
			return false
		}
		src, _ := ts.open(t, secret("right"))
		// The sandbox knows none of these tokens; what counts is the second request.
		ts.Server = graphtest.New(graphtest.Options{Seed: 1, Settings: calm()})
		_, err := follow(t, src, engine.FeedUsers, "")
		if c.ok && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.ok {
			wantCode(t, err, engine.CodeSourceUnauthorized)
		}
		if got := ts.tokens.Load(); got != 2 || asked.Load() != 2 {
			t.Errorf("%s: %d tokens, %d requests", c.name, got, asked.Load())
		}
		if want := strings.Contains(c.challenge, claims); sentClaims.Load() != want {
			t.Errorf("%s: claims were sent: %v", c.name, sentClaims.Load())
		}
	}
}

func TestStaticTokenIsNotRenewed(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"emu-expired", "emu-revoked", "emu-claims"} {
		w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()}, func(c *Config) { c.AccessToken = engine.NewSecret(token) })
		_, err := follow(t, w.src, engine.FeedUsers, "")
		wantCode(t, err, engine.CodeSourceUnauthorized)
		if got := w.src.TakeRequests().Sent; got != 1 {
			t.Errorf("%s: %d requests", token, got)
		}
	}
}

func TestTokenFailuresAreClassed(t *testing.T) { // GS-AU-6
	t.Parallel()
	for _, c := range []struct {
		status    int
		body      string
		transient bool
		says      string
	}{
		{401, `{"error":"invalid_client","error_codes":[7000215],"error_description":"mira.holt"}`, false, "secret is wrong"},
		{401, `{"error":"invalid_client","error_codes":[7000222]}`, false, "expired"},
		{401, `{"error":"invalid_client","error_codes":[700027]}`, false, "certificate"},
		{400, `{"error":"unauthorized_client","error_codes":[700016]}`, false, "clientId"},
		{400, `{"error":"invalid_request","error_codes":[90002]}`, false, "tenantId"},
		{400, `{"error":"invalid_scope","error_codes":[70011]}`, false, "cloud"},
		{400, `{"error":"invalid_resource","error_codes":[500011]}`, false, "cloud"},
		{400, `{"error":"something_new"}`, false, "HTTP 400"},
		{400, `{"error":"temporarily_unavailable"}`, true, "busy"},
		{429, ``, true, "busy"},
		{503, `<html>`, true, "busy"},
	} {
		ts := newTenant(t)
		ts.before = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/token") {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
			return true
		}
		src, _ := ts.open(t, func(cfg *Config) { cfg.ClientSecret, cfg.Patience = engine.NewSecret("any"), 10*time.Second })
		_, err := follow(t, src, engine.FeedUsers, "")
		want := engine.CodeSourceUnauthorized
		if c.transient {
			want = engine.CodeSourceUnavailable
		}
		se := wantCode(t, err, want)
		if se.Transient != c.transient || !strings.Contains(se.Message, c.says) || strings.Contains(se.Message, "mira") {
			t.Errorf("%d %s: got %+v", c.status, c.body, se)
		}
		if c.transient && ts.tokens.Load() < 2 {
			t.Errorf("%d %s: asked once only", c.status, c.body)
		}
		if got := src.TakeRequests().Sent; got != 0 {
			t.Errorf("%d requests without a token", got)
		}
	}
}

func TestTokenServiceUnreachable(t *testing.T) {
	t.Parallel()
	ts := newTenant(t)
	src, _ := ts.open(t, func(cfg *Config) { cfg.ClientSecret, cfg.Patience = engine.NewSecret("any"), 10*time.Second })
	ts.srv.Close()
	_, err := follow(t, src, engine.FeedUsers, "")
	if se := wantCode(t, err, engine.CodeSourceUnavailable); !se.Transient {
		t.Errorf("got %+v", se)
	}
	found, err := src.Check(t.Context())
	if err != nil || !engine.Failed(found) || found[0].Name != "sign-in" {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestWorkloadIdentityReadsItsFileForEveryToken(t *testing.T) {
	t.Parallel()
	ts := newTenant(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("first-assertion"), 0o600); err != nil {
		t.Fatal(err)
	}
	var seen []string
	ts.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/token") {
			return false
		}
		for _, a := range []string{"first-assertion", "second-assertion"} {
			if strings.Contains(readAllOnce(t, r), a) {
				seen = append(seen, a)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3599,"access_token":"any-%d"}`, ts.tokens.Load())
		return true
	}
	src, clock := ts.open(t, func(c *Config) { c.WorkloadIdentity = &WorkloadIdentity{TokenFile: file} })
	ts.Server = graphtest.New(graphtest.Options{Seed: 1, Settings: calm()})
	mustFollow(t, src, engine.FeedUsers, "")
	if err := os.WriteFile(file, []byte("second-assertion"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The library reads the file anew after five minutes of its own clock; a refused token makes a
	// new credential at once.
	if _, err := src.auth.renew(t.Context(), "any-1", ""); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)
	mustFollow(t, src, engine.FeedUsers, "")
	if fmt.Sprint(seen) != "[first-assertion second-assertion]" {
		t.Errorf("assertions sent: %v", seen)
	}
}

func readAllOnce(t *testing.T, r *http.Request) string {
	t.Helper()
	if r.Form == nil {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
	}
	return r.Form.Encode()
}

func writeCertificate(t *testing.T, file, name string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	out := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCertificateSignsInAndIsReloaded(t *testing.T) {
	t.Parallel()
	ts := newTenant(t)
	file := filepath.Join(t.TempDir(), "cert.pem")
	writeCertificate(t, file, "first")
	src, clock := ts.open(t, func(c *Config) { c.Certificate = &Certificate{Path: file} })
	mustFollow(t, src, engine.FeedUsers, "")
	first := src.auth.cred
	writeCertificate(t, file, "second")
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(file, later, later); err != nil {
		t.Fatal(err)
	}
	clock.Advance(2 * time.Hour)
	if _, err := src.auth.get(t.Context(), "", ""); err != nil {
		t.Fatal(err)
	}
	if src.auth.cred == first {
		t.Error("the new certificate was not read")
	}
	if got := ts.tokens.Load(); got != 2 {
		t.Errorf("%d tokens", got)
	}
}

func TestCertificateProblemsShowAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nonsense := filepath.Join(dir, "nonsense.pem")
	if err := os.WriteFile(nonsense, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyOnly := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(keyOnly, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(dir, "missing.pem"), nonsense, keyOnly} {
		_, err := New(Config{TenantID: testTenant, ClientID: appID, Certificate: &Certificate{Path: file}, Scope: engine.ScopeAll}, nil, nil)
		if err == nil || !strings.HasPrefix(err.Error(), "certificate.path: ") {
			t.Errorf("%s: got %v", filepath.Base(file), err)
		}
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	const text = `{"access_token":{"nbf":{"essential":true,"value":"1?>"}}}`
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		h := http.Header{"Www-Authenticate": {`Basic realm="x"`, `Bearer realm="", claims="` + enc.EncodeToString([]byte(text)) + `", error="insufficient_claims"`}}
		if got := challenge(h); got != text {
			t.Errorf("got %q", got)
		}
	}
	for _, v := range []string{"", "Bearer", `Bearer claims=`, `Bearer claims=x`, `Bearer claims="***"`} {
		if got := challenge(http.Header{"Www-Authenticate": {v}}); got != "" {
			t.Errorf("%s: got %q", v, got)
		}
	}
}

func TestTokenGoesToTheConfiguredHostOnly(t *testing.T) {
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	other := *w.src.root
	other.Host = "127.0.0.1:1"
	var se *engine.SourceError
	_, err := w.src.send(t.Context(), &call{template: "x", url: &other}, 1)
	if !errors.As(err, &se) || se.Code != engine.CodeSourceForeignLink {
		t.Errorf("got %v", err)
	}
	if got := w.src.TakeRequests().Sent; got != 0 {
		t.Errorf("%d requests", got)
	}
}
