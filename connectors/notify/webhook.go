package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

// WebhookConfig is one entry of notifications.webhooks.
type WebhookConfig struct {
	URL string // http or https
	// Secret signs the requests, as it is or, after whsec_, in base64. Empty: they are not signed.
	Secret  engine.Secret
	Timeout time.Duration  // of one request; 0: 10s
	Roots   *x509.CertPool // authorities of its certificate; nil: those of the system
}

// Webhook posts notices to one address.
type Webhook struct {
	url  *url.URL
	id   string
	key  []byte
	http *http.Client
}

// NewWebhook checks cfg. It sends nothing. Errors are of the form "key: reason; remedy".
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("url: it is no web address; write https://host/path") // not shown: it may be a secret
	}
	key := []byte(cfg.Secret.Reveal())
	if coded, is := strings.CutPrefix(cfg.Secret.Reveal(), "whsec_"); is {
		if key, err = base64.StdEncoding.DecodeString(coded); err != nil || len(key) == 0 {
			return nil, errors.New("secret: what follows whsec_ is no base64; copy the secret again")
		}
	}
	return &Webhook{
		url: u,
		// Two webhooks of one host are told apart without keeping the path, which may be a secret.
		id:  "webhook:" + u.Host + "#" + digest(cfg.URL)[:12],
		key: key,
		http: &http.Client{
			Timeout:       cmp.Or(cfg.Timeout, 10*time.Second),
			CheckRedirect: sameOrigin,
			Transport: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				TLSClientConfig:        &tls.Config{RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12},
				TLSHandshakeTimeout:    5 * time.Second,
				MaxResponseHeaderBytes: 16 << 10,
				DisableKeepAlives:      true, // notices are rare
				ForceAttemptHTTP2:      true,
			},
		},
	}, nil
}

// sameOrigin follows a redirect if the notice goes to the same server, unchanged. Other redirects are the answer.
func sameOrigin(req *http.Request, via []*http.Request) error {
	if len(via) > 3 || req.Method != http.MethodPost || !wire.SameOrigin(req.URL, via[0].URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

func (w *Webhook) name() string  { return w.id }
func (w *Webhook) label() string { return w.url.Host }

// message is the body of a webhook.
type message struct {
	ID      string            `json:"id"`
	Type    engine.NoticeKind `json:"type"`
	Job     engine.JobID      `json:"job"`
	Time    time.Time         `json:"time"`
	Subject string            `json:"subject"`
	Text    string            `json:"text"`
	Facts   map[string]any    `json:"facts"`
}

func (w *Webhook) send(ctx context.Context, n engine.Notice) ([]string, error) {
	m := message{ID: identity(n), Type: n.Kind, Job: n.Job, Time: n.At.UTC(), Subject: subject(n), Text: text(n), Facts: n.Facts}
	if m.Facts == nil {
		m.Facts = map[string]any{}
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, &fault{stage: "encode", reason: fmt.Sprintf("the facts are no JSON (%T)", err)}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, &fault{stage: "request", reason: "the address cannot be used"}
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "scimsync")
	req.Header.Set("Webhook-Id", m.ID)
	req.Header.Set("Webhook-Timestamp", at)
	if len(w.key) > 0 {
		req.Header.Set("Webhook-Signature", "v1,"+sign(w.key, m.ID, at, body))
	}
	res, err := w.http.Do(req)
	if err != nil {
		return nil, broken("send", err)
	}
	defer res.Body.Close()
	// The answer is of no interest, but a server that is cut off while it writes may believe that it failed.
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10)
	return w.judge(res)
}

// judge turns an answer into an outcome.
func (w *Webhook) judge(res *http.Response) ([]string, error) {
	f := &fault{stage: "send", status: res.StatusCode, reason: fmt.Sprintf("the server answered %d", res.StatusCode)}
	switch res.StatusCode / 100 {
	case 2:
		return []string{w.id}, nil
	case 3:
		f.reason += ", a redirect that is not followed; write the address that it leads to"
		return nil, f
	}
	switch res.StatusCode {
	case http.StatusGone:
		f.gone = true
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		f.down = true
		f.after, _ = wire.RetryAfter(res.Header, time.Now())
	}
	return nil, f
}

// sign is the signature v1 of Standard Webhooks 1.0.0.
func sign(key []byte, id, at string, body []byte) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s.%s.", id, at)
	h.Write(body)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
