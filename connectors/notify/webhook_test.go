package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

// receiver is the program at the other end of a webhook.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	posts  []post
	answer func(w http.ResponseWriter, r *http.Request, n int) // n counts from 1; nil: 204
}

type post struct {
	header http.Header
	path   string
	body   []byte
}

func newReceiver(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *receiver {
	t.Helper()
	rc := &receiver{answer: answer}
	rc.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		rc.mu.Lock()
		rc.posts = append(rc.posts, post{r.Header.Clone(), r.Method + " " + r.URL.String(), body})
		n, answer := len(rc.posts), rc.answer
		rc.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, r, n)
	}))
	t.Cleanup(rc.Close)
	return rc
}

func (rc *receiver) got() []post {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return slices.Clone(rc.posts)
}

func (rc *receiver) set(answer func(w http.ResponseWriter, r *http.Request, n int)) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.answer = answer
}

func status(code int) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(code) }
}

// verify does what the documentation tells a receiver to do, with nothing of the sender's.
func verify(t *testing.T, p post, secret string) {
	t.Helper()
	key := []byte(secret)
	if strings.HasPrefix(secret, "whsec_") {
		var err error
		if key, err = base64.StdEncoding.DecodeString(secret[len("whsec_"):]); err != nil {
			t.Fatal(err)
		}
	}
	id, at := p.header.Get("webhook-id"), p.header.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "." + string(p.body)))
	got, is := strings.CutPrefix(p.header.Get("webhook-signature"), "v1,")
	sum, err := base64.StdEncoding.DecodeString(got)
	if !is || err != nil || !hmac.Equal(sum, mac.Sum(nil)) {
		t.Errorf("signature %q does not verify", p.header.Get("webhook-signature"))
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if age := time.Since(time.Unix(seconds, 0)); err != nil || age > time.Minute || age < -time.Minute {
		t.Errorf("timestamp %q", at)
	}
	var body struct{ ID string }
	if err := json.Unmarshal(p.body, &body); err != nil || id == "" || body.ID != id {
		t.Errorf("id %q in the header, %q in the body (%v)", id, body.ID, err)
	}
}

// TestStandardWebhooks compares a signature with one that was computed by hand (openssl).
func TestStandardWebhooks(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestWebhook(t *testing.T) {
	for _, secret := range []string{"a secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""} {
		rc := newReceiver(t, nil)
		hook, err := NewWebhook(WebhookConfig{URL: rc.URL + "/in?channel=7", Secret: engine.NewSecret(secret)})
		if err != nil {
			t.Fatal(err)
		}
		n := held
		n.At = time.Date(2031, 3, 1, 13, 0, 0, 0, time.FixedZone("CET", 3600))
		n.Facts = map[string]any{"users": 12, "limit": 5}
		took, err := hook.send(t.Context(), n)
		if err != nil || !slices.Equal(took, []string{hook.id}) {
			t.Fatalf("took %q, %v", took, err)
		}
		got := rc.got()
		if len(got) != 1 || got[0].path != "POST /in?channel=7" || got[0].header.Get("Content-Type") != "application/json" {
			t.Fatalf("got %+v", got)
		}
		if secret == "" {
			if s := got[0].header.Get("webhook-signature"); s != "" {
				t.Errorf("signed with %q, without a secret", s)
			}
		} else {
			verify(t, got[0], secret)
		}
		var body map[string]any
		if err := json.Unmarshal(got[0].body, &body); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{
			"id": identity(n), "type": "deletions", "job": "webex", "time": "2031-03-01T12:00:00Z", "subject": held.Subject,
			"text": strings.TrimSpace(held.Text), "facts": map[string]any{"users": 12.0, "limit": 5.0},
		}, body); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
	}
}

// TestAnswers gives every kind of answer to a notice.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		code       int
		retryAfter string
		want       string // "": taken
		down, gone bool
		after      time.Duration
	}{
		{code: 200}, {code: 202}, {code: 299},
		{code: 301, want: "send: the server answered 301, a redirect that is not followed; write the address that it leads to"},
		{code: 400, want: "send: the server answered 400"},
		{code: 404, want: "send: the server answered 404"},
		{code: 410, want: "send: the server answered 410", gone: true},
		{code: 429, retryAfter: "120", want: "send: the server answered 429", down: true, after: 2 * time.Minute},
		{code: 500, want: "send: the server answered 500"},
		{code: 503, want: "send: the server answered 503", down: true},
	} {
		rc := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			if c.retryAfter != "" {
				w.Header().Set("Retry-After", c.retryAfter)
			}
			w.WriteHeader(c.code)
		})
		hook, err := NewWebhook(WebhookConfig{URL: rc.URL})
		if err != nil {
			t.Fatal(err)
		}
		took, err := hook.send(t.Context(), held)
		if c.want == "" {
			if err != nil || len(took) != 1 {
				t.Errorf("%d: took %q, %v", c.code, took, err)
			}
			continue
		}
		f, ok := errors.AsType[*fault](err)
		if !ok || f.Error() != c.want || f.status != c.code || f.down != c.down || f.gone != c.gone || f.after != c.after || len(took) > 0 {
			t.Errorf("%d: took %q, %+v", c.code, took, err)
		}
	}
}

// TestRedirects: a notice goes where the configuration sends it, and to no other host.
func TestRedirects(t *testing.T) {
	stranger := newReceiver(t, nil)
	for _, c := range []struct {
		name, to string
		code     int
		posts    int
		ok       bool
	}{
		{"other host", stranger.URL + "/in", 307, 1, false},
		{"other host, permanently", stranger.URL + "/in", 308, 1, false},
		{"other name of the host", "", 307, 1, false},
		{"same host", "/there", 307, 2, true},
		{"same host, permanently", "/there", 308, 2, true},
		{"same host, as GET", "/there", 302, 1, false},
		{"same host, as GET by 303", "/there", 303, 1, false},
		{"in a ring", "/in", 307, 4, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			rc := newReceiver(t, nil)
			if c.to == "" {
				c.to = strings.Replace(rc.URL, "127.0.0.1", "localhost", 1) + "/there"
			}
			rc.set(func(w http.ResponseWriter, r *http.Request, _ int) {
				if r.URL.Path == "/in" {
					w.Header().Set("Location", c.to)
					w.WriteHeader(c.code)
				}
			})
			hook, err := NewWebhook(WebhookConfig{URL: rc.URL + "/in", Secret: engine.NewSecret("a secret")})
			if err != nil {
				t.Fatal(err)
			}
			_, err = hook.send(t.Context(), held)
			if (err == nil) != c.ok {
				t.Errorf("error %v", err)
			}
			got := rc.got()
			if len(got) != c.posts {
				t.Errorf("%d requests, want %d", len(got), c.posts)
			}
			if c.ok {
				verify(t, got[len(got)-1], "a secret")
			}
		})
	}
	if got := stranger.got(); len(got) > 0 {
		t.Errorf("the other host got %d requests", len(got))
	}
}

// TestWebhookPatience meets receivers that do not answer, answer without end, or are not there.
func TestWebhookPatience(t *testing.T) {
	release := make(chan struct{})
	slow := newReceiver(t, func(_ http.ResponseWriter, r *http.Request, _ int) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	endless := newReceiver(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	gone := newReceiver(t, nil)
	gone.Close()
	for _, c := range []struct{ url, want string }{
		{slow.URL, "send: no answer in time"},
		{endless.URL, ""},
		{gone.URL, "send: connection refused"},
	} {
		hook, err := NewWebhook(WebhookConfig{URL: c.url + "/in?token=hidden", Timeout: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = hook.send(t.Context(), held)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%s: %v, want %q", c.url, err, c.want)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %s", c.url, took)
		}
	}
}

// TestWebhookTLS: a certificate is checked.
func TestWebhookTLS(t *testing.T) {
	roots, cert := authority(t)
	rc := &receiver{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		rc.mu.Lock()
		rc.posts = append(rc.posts, post{})
		rc.mu.Unlock()
	}))
	srv.TLS = cert
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	hook, err := NewWebhook(WebhookConfig{URL: srv.URL, Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hook.send(t.Context(), held); err != nil {
		t.Error(err)
	}
	others, _ := authority(t)
	if hook, err = NewWebhook(WebhookConfig{URL: srv.URL, Roots: others}); err != nil {
		t.Fatal(err)
	}
	if _, err := hook.send(t.Context(), held); err == nil || !strings.HasPrefix(err.Error(), "send: the certificate comes from an unknown authority") {
		t.Errorf("got %v", err)
	}
	if got := rc.got(); len(got) != 1 {
		t.Errorf("%d requests, want 1", len(got))
	}
}

func TestWebhookConfig(t *testing.T) {
	for _, c := range []struct{ url, secret, want string }{
		{"ftp://example.com/token", "", "url: it is no web address; write https://host/path"},
		{"https://", "", "url: it is no web address; write https://host/path"},
		{"https://example.com", "whsec_???", "secret: what follows whsec_ is no base64; copy the secret again"},
		{"https://example.com", "whsec_", "secret: what follows whsec_ is no base64; copy the secret again"},
	} {
		if _, err := NewWebhook(WebhookConfig{URL: c.url, Secret: engine.NewSecret(c.secret)}); err == nil || err.Error() != c.want {
			t.Errorf("%s, %s: %v, want %s", c.url, c.secret, err, c.want)
		}
	}
	one, err := NewWebhook(WebhookConfig{URL: "https://hooks.example.com/T000/secret-one"})
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewWebhook(WebhookConfig{URL: "https://hooks.example.com/T000/secret-two"})
	if err != nil {
		t.Fatal(err)
	}
	if u, err := url.Parse("https://" + strings.TrimPrefix(one.name(), "webhook:")); err != nil || u.Host != "hooks.example.com" || strings.Contains(one.name(), "secret") || one.name() == two.name() {
		t.Errorf("names %q and %q", one.name(), two.name())
	}
}
