package msgraph

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	abstractions "github.com/microsoft/kiota-abstractions-go"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

// An authenticator puts the access token on requests to the configured host, and on no others. It
// is the SDK's authentication provider; the SDK's own gives requests to hosts that it does not know no
// token and no error, and accepts plain http for a few names only.
type authenticator struct {
	root   *url.URL
	scope  string
	static engine.Secret
	clock  wire.Clock
	open   func() (azcore.TokenCredential, error) // nil with a static token
	file   string                                 // of the certificate

	turn chan struct{} // holds one element while a token is fetched: one refresh in flight (GS-AU-2)

	// Below is guarded by turn.
	cred   azcore.TokenCredential
	opened time.Time // modification time of file when cred was made
	token  string
	until  time.Time
}

func newAuthenticator(cfg Config, cl cloud, root *url.URL, conn *wire.Conn) (*authenticator, error) {
	a := &authenticator{root: root, scope: scopeOf(root), static: cfg.AccessToken, clock: systemClock{conn}, turn: make(chan struct{}, 1)}
	if !cfg.AccessToken.Empty() {
		return a, nil
	}
	if cfg.Certificate != nil {
		a.file = cfg.Certificate.Path
	}
	options := azcore.ClientOptions{
		Cloud:     cl.configuration(),
		Transport: tokenTransport{conn.Base()},
		Retry:     policy.RetryOptions{MaxRetries: -1}, // repeated in client.go, where waits are seen
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}
	a.open = func() (azcore.TokenCredential, error) { return openCredential(cfg, options) }
	cred, err := a.open() // what is wrong with a file or a combination shows at once
	if err != nil {
		return nil, err
	}
	a.cred, a.opened = cred, a.modified()
	return a, nil
}

// systemClock is the clock of the connection, for expiry.
type systemClock struct{ conn *wire.Conn }

func (c systemClock) Now() time.Time { return c.conn.Now() }
func (c systemClock) Sleep(ctx context.Context, d time.Duration) error {
	return c.conn.Sleep(ctx, d, 0)
}

// openCredential makes the credential of the one method that is configured; there is no chain of
// methods (GS-AU-4).
func openCredential(cfg Config, options azcore.ClientOptions) (azcore.TokenCredential, error) {
	switch {
	case !cfg.ClientSecret.Empty():
		cred, err := azidentity.NewClientSecretCredential(cfg.TenantID, cfg.ClientID, cfg.ClientSecret.Reveal(),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
		if err != nil {
			return nil, fmt.Errorf("clientSecret: %w", err)
		}
		return cred, nil
	case cfg.Certificate != nil:
		return openCertificate(cfg, options)
	case cfg.ManagedIdentity != nil:
		o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if id := cfg.ManagedIdentity.ClientID; id != "" {
			o.ID = azidentity.ClientID(id)
		}
		cred, err := azidentity.NewManagedIdentityCredential(o)
		if err != nil {
			return nil, fmt.Errorf("managedIdentity: %w", err)
		}
		return cred, nil
	default:
		cred, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: options, TenantID: cfg.TenantID, ClientID: cfg.ClientID,
			TokenFilePath: cfg.WorkloadIdentity.TokenFile, DisableInstanceDiscovery: true})
		if err != nil {
			return nil, fmt.Errorf("workloadIdentity: %w", err)
		}
		return cred, nil
	}
}

func openCertificate(cfg Config, options azcore.ClientOptions) (azcore.TokenCredential, error) {
	raw, err := os.ReadFile(cfg.Certificate.Path)
	if err != nil {
		return nil, fmt.Errorf("certificate.path: cannot be read; check the path and the rights of this process: %w", err)
	}
	certs, key, err := azidentity.ParseCertificates(raw, []byte(cfg.Certificate.Password.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("certificate.path: no certificate with its private key in PEM or PKCS#12 (or certificate.password is wrong): %w", err)
	}
	cred, err := azidentity.NewClientCertificateCredential(cfg.TenantID, cfg.ClientID, certs, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return cred, nil
}

// AuthenticateRequest implements the SDK's authentication provider.
func (a *authenticator) AuthenticateRequest(ctx context.Context, ri *abstractions.RequestInformation, _ map[string]any) error {
	u, err := ri.GetUri()
	if err != nil {
		return err
	}
	if !wire.SameOrigin(u, a.root) {
		return foreign()
	}
	token, err := a.get(ctx, "", "")
	if err != nil {
		return err
	}
	ri.Headers.Add("Authorization", "Bearer "+token)
	return nil
}

// renew replaces a token that was refused, unless somebody else did already. claims is the decoded
// challenge, "" if there was none (GS-AU-3). It reports false if a token cannot be renewed.
func (a *authenticator) renew(ctx context.Context, refused, claims string) (bool, error) {
	if a.open == nil {
		return false, nil
	}
	_, err := a.get(ctx, refused, claims)
	return true, err
}

// get returns a token that is valid for some time yet and is not the refused one.
func (a *authenticator) get(ctx context.Context, refused, claims string) (string, error) {
	if a.open == nil {
		return a.static.Reveal(), nil
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if a.token != "" && a.token != refused && a.clock.Now().Before(a.until) {
		return a.token, nil
	}
	// A credential keeps tokens of its own, and a certificate that changed is another credential.
	if refused != "" && claims == "" || a.file != "" && !a.modified().Equal(a.opened) {
		opened := a.modified()
		cred, err := a.open()
		if err != nil {
			return "", &engine.SourceError{Code: engine.CodeSourceUnauthorized, Message: err.Error()}
		}
		a.cred, a.opened = cred, opened
	}
	var seen tokenAnswer
	now := a.clock.Now()
	t, err := a.cred.GetToken(context.WithValue(ctx, tokenKey{}, &seen),
		policy.TokenRequestOptions{Scopes: []string{a.scope}, Claims: claims, EnableCAE: true})
	if err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", tokenFailure(seen)
	}
	life := t.ExpiresOn.Sub(now)
	a.token, a.until = t.Token, now.Add(life-min(5*time.Minute, life/5))
	return t.Token, nil
}

func (a *authenticator) modified() time.Time {
	if a.file == "" {
		return time.Time{}
	}
	info, err := os.Stat(a.file)
	if err != nil {
		return a.opened // gone for the moment: go on with what was read
	}
	return info.ModTime()
}

var claimsParameter = regexp.MustCompile(`(?i)\bclaims="([^"]+)"`)

// challenge returns the decoded claims of a WWW-Authenticate header, "" if there are none.
func challenge(h http.Header) string {
	for _, v := range h.Values("WWW-Authenticate") {
		if m := claimsParameter.FindStringSubmatch(v); m != nil {
			text := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(m[1]), "=")
			if raw, err := base64.RawStdEncoding.DecodeString(text); err == nil {
				return string(raw)
			}
		}
	}
	return ""
}

// tokenAnswer is what became of the last request for a token: the error of the identity library
// does not tell a refused secret from a broken network.
type tokenAnswer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

type tokenKey struct{}

// tokenTransport sends requests for tokens: not counted as requests of the source, no redirects.
type tokenTransport struct{ base http.RoundTripper }

// maxTokenBody is plenty for a token and for an error.
const maxTokenBody = 1 << 20

func (t tokenTransport) Do(req *http.Request) (*http.Response, error) {
	seen, _ := req.Context().Value(tokenKey{}).(*tokenAnswer)
	if seen == nil {
		seen = &tokenAnswer{}
	}
	ctx, cancel := context.WithTimeout(req.Context(), 30*time.Second)
	defer cancel()
	res, err := t.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		*seen = tokenAnswer{err: err}
		return nil, err
	}
	defer res.Body.Close()
	body, err := readAtMost(res.Body, maxTokenBody)
	*seen = tokenAnswer{status: res.StatusCode, header: res.Header, body: body, err: err}
	if err != nil {
		return nil, err
	}
	out := (&wire.Answer{Status: res.StatusCode, Header: res.Header, Body: body}).Response(req)
	out.Status = cmp.Or(res.Status, out.Status)
	return out, nil
}
