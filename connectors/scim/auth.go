package scim

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

// cleanToken removes what people paste around a bearer token (5.1).
func cleanToken(token string) (string, error) {
	token = strings.TrimSpace(token)
	if strings.EqualFold(token, "bearer") {
		token = ""
	}
	if len(token) >= 7 && strings.EqualFold(token[:6], "bearer") && (token[6] == ' ' || token[6] == '\t') {
		token = strings.TrimSpace(token[7:])
	}
	if token == "" {
		return "", errors.New("missing; set the token, for example ${env:SCIM_TOKEN}")
	}
	if !validHeaderValue(token) || strings.ContainsAny(token, " \t") {
		return "", errors.New("holds blanks, line breaks or control characters inside; paste the token alone")
	}
	return token, nil
}

func checkTokenURL(raw string) error {
	if strings.TrimSpace(raw) == "" {
		return errors.New("auth.tokenUrl: missing; set the token endpoint of the application, for example https://login.example.com/oauth2/token")
	}
	u, err := url.Parse(strings.TrimSpace(raw))
	switch {
	case err != nil || u.Host == "":
		return errors.New("auth.tokenUrl: not a URL; write it with scheme and host")
	case u.User != nil || u.Fragment != "":
		return errors.New("auth.tokenUrl: holds credentials or a fragment; remove them")
	case u.Scheme == "http" && !wire.Loopback(u):
		return fmt.Errorf("auth.tokenUrl: plain http would send the client secret in clear text to %s; use https", u.Host)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("auth.tokenUrl: scheme %q is not supported; use https", u.Scheme)
	}
	return nil
}

// An authorizer puts credentials on requests.
type authorizer interface {
	// header returns the name and value of the header that authenticates; an empty name is none.
	header(ctx context.Context) (name, value string, err error)
	// renew drops the credential that a request was refused with, given its header value. It
	// reports whether another one may be had.
	renew(ctx context.Context, value string) bool
}

// fixed is a credential that cannot be renewed.
type fixed struct{ name, value string }

func (f fixed) header(context.Context) (string, string, error) { return f.name, f.value, nil }
func (fixed) renew(context.Context, string) bool               { return false }

// newAuthorizer builds the authorizer for a checked configuration and tells the redactor every secret.
func newAuthorizer(s *settings, conn *wire.Conn, red *wire.Redactor) authorizer {
	a := s.Auth
	for _, secret := range []engine.Secret{a.Token, a.ClientSecret, a.Password, a.Value} {
		red.Add(strings.TrimSpace(secret.Reveal()))
	}
	switch a.Type {
	case "bearer":
		token, _ := cleanToken(a.Token.Reveal())
		red.Add(token)
		return fixed{"Authorization", "Bearer " + token}
	case "basic":
		pair := base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + a.Password.Reveal()))
		red.Add(pair)
		return fixed{"Authorization", "Basic " + pair}
	case "header":
		return fixed{http.CanonicalHeaderKey(a.Name), a.Value.Reveal()}
	case "oauth2":
		return &clientCredentials{auth: a, userAgent: s.userAgent, conn: conn, red: red, turn: make(chan struct{}, 1),
			policy: wire.Policy{Base: s.Retry.Base, Max: s.Retry.Max, Attempts: s.Retry.Attempts, Budget: s.Retry.Budget}, lim: s.limits, timeout: s.Timeout.Total}
	}
	return fixed{} // mtls: the handshake authenticates
}

// clientCredentials is OAuth 2.0 client credentials (RFC 6749 section 4.4; 5.2).
type clientCredentials struct {
	auth      Auth
	userAgent string
	conn      *wire.Conn
	red       *wire.Redactor
	policy    wire.Policy
	lim       limits
	timeout   time.Duration

	// turn is held by the one caller that looks at or renews the token; waiting for it ends with
	// the caller's context.
	turn    chan struct{}
	token   string
	renewAt time.Time
}

const maxTokenBody = 64 << 10

func (c *clientCredentials) header(ctx context.Context) (string, string, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return "", "", ended(ctx)
	}
	if c.token == "" || !c.conn.Now().Before(c.renewAt) {
		if err := c.fetch(ctx); err != nil {
			return "", "", err
		}
	}
	return "Authorization", "Bearer " + c.token, nil
}

func (c *clientCredentials) renew(ctx context.Context, value string) bool {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return false
	}
	if value == "Bearer "+c.token {
		c.token = ""
	}
	return true
}

// fetch gets a token, repeating what may be repeated. Token requests are not counted as requests
// to the target and are not held by its pauses: they may go to another host.
func (c *clientCredentials) fetch(ctx context.Context) error {
	b := c.conn.Backoff(c.policy)
	for {
		status, h, body, err := c.post(ctx)
		if ctx.Err() != nil {
			return ended(ctx)
		}
		if err == nil && status/100 == 2 {
			return c.accept(body)
		}
		if err == nil && status != 429 && status < 500 {
			return c.refused(status, body)
		}
		asked, _ := wire.AskedFor(h, c.conn.Now())
		d, again := b.Next(asked)
		if !again || asked > c.policy.Budget {
			return &engine.TargetError{Outcome: engine.OutcomeQuarantine, Code: engine.CodeTransport, Status: status,
				Detail: c.red.Text("the token endpoint gave no token: "+statusText(status, err), maxDetail), Err: err}
		}
		if err := c.conn.Sleep(ctx, d, status); err != nil {
			return err
		}
	}
}

func statusText(status int, err error) string {
	if err != nil {
		return "no answer"
	}
	return "HTTP " + strconv.Itoa(status)
}

func (c *clientCredentials) post(ctx context.Context) (int, http.Header, []byte, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(c.auth.Scopes) > 0 {
		form.Set("scope", strings.Join(c.auth.Scopes, " "))
	}
	for n, v := range c.auth.Extra {
		form.Set(n, v)
	}
	id, secret := c.auth.ClientID, c.auth.ClientSecret.Reveal()
	in := c.auth.CredentialsIn
	if in == "body" || in == "both" {
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSpace(c.auth.TokenURL), strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	if in != "body" { // both halves are form-encoded before base64 (RFC 6749 section 2.3.1)
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	res, err := c.conn.Base().RoundTrip(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxTokenBody))
	return res.StatusCode, res.Header, body, err
}

func (c *clientCredentials) accept(body []byte) error {
	bad := func(why string) error {
		return &engine.TargetError{Outcome: engine.OutcomeQuarantine, Code: engine.CodeCredentials, Detail: "the token endpoint answered without a usable token: " + why}
	}
	v, err := parseJSON(body, c.lim)
	m, ok := v.(object)
	if err != nil || !ok {
		return bad("not a JSON object; check auth.tokenUrl")
	}
	token, _ := m.at("access_token").(string)
	if kind, ok := m.at("token_type").(string); ok && !strings.EqualFold(kind, "bearer") {
		return bad("its token_type is not bearer")
	}
	if token, err = cleanToken(token); err != nil {
		return bad("access_token is missing or malformed")
	}
	life := 30 * time.Minute
	if s, err := strconv.ParseFloat(scalar(m.at("expires_in")), 64); err == nil && s > 0 && s < 1e9 {
		life = time.Duration(s * float64(time.Second))
	}
	c.red.Add(token)
	c.token = token
	c.renewAt = c.conn.Now().Add(life - min(max(time.Minute, life/10), life/2))
	return nil
}

// refused classes an answer that repeating will not change.
func (c *clientCredentials) refused(status int, body []byte) error {
	e := parseError(body)
	code := engine.CodeTransport
	hint := "check auth.tokenUrl"
	if status == 401 || status == 403 || slices.Contains([]string{"invalid_client", "unauthorized_client", "invalid_scope", "invalid_grant", "invalid_request"}, e.oauth) {
		code, hint = engine.CodeCredentials, "check auth.clientId, auth.clientSecret and auth.scopes"
	}
	return &engine.TargetError{Outcome: engine.OutcomeQuarantine, Code: code, Status: status,
		Detail: c.red.Text("the token endpoint refused: "+e.detail+"; "+hint, maxDetail)}
}
