package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/store"
)

// noticeFile is a configuration with three credentials, of which one is about to end and one belongs to a job that
// is switched off.
const noticeFile = `
notifications:
  smtp: {address: "127.0.0.1:1", from: scimsync@example.com, tls: none}
  webhooks: [{url: URL, secret: "${env:HOOK}"}]
jobs:
  - id: ends
    source: {type: msgraph, tenantId: t, clientId: c, clientSecret: "${env:HOOK}", appId: a}
    target: {type: scim, baseUrl: "https://scim.example.com", auth: {type: bearer, token: "${env:HOOK}", expires: 2031-03-06}}
    notify: {email: [ops@example.com], onFailure: true}
  - id: off
    enabled: false
    source: {type: msgraph, tenantId: t, clientId: c, clientSecret: "${env:HOOK}", appId: a}
    target: {type: scim, baseUrl: "https://scim.example.com", auth: {type: bearer, token: "${env:HOOK}", expires: 2031-03-06}}
  - id: lasts
    source: {type: msgraph, tenantId: t, clientId: c, clientSecret: "${env:HOOK}", appId: a}
    target: {type: scim, baseUrl: "https://scim.example.com", auth: {type: bearer, token: "${env:HOOK}"}}
`

func noticeConfig(t *testing.T, url, secret string) *config.File {
	t.Helper()
	f, _, err := config.Parse("scimsync.yaml", []byte(strings.Replace(noticeFile, "URL", url, 1)), func(string) (string, bool) { return secret, true })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestNotices runs the loop of a service and then the one delivery of a process that ends: the credential that is about
// to end is told once in all, though the mail server is not there.
func TestNotices(t *testing.T) {
	got := make(chan map[string]any, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Webhook-Signature") == "" {
			t.Errorf("body: %v, signature %q", err, r.Header.Get("Webhook-Signature"))
		}
		got <- body
	}))
	defer hook.Close()
	st, err := store.Open(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s := &service{file: noticeConfig(t, hook.URL, "s3cret"), log: zap.NewNop(), store: st}
	now := time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC)
	for range 3 { // an hour later it is asked again
		s.remind(t.Context(), now)
		now = now.Add(time.Hour)
	}

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.notify(ctx)
	}()
	body := <-got
	cancel()
	<-ended
	if diff := cmp.Diff(map[string]any{"credential": "target", "expires": "2031-03-06", "days": 5.0, "ended": false}, body["facts"]); diff != "" || body["job"] != "ends" || body["type"] != "credential" {
		t.Errorf("told %v\n%s", body, diff)
	}

	if fresh, err := st.PutNotice(t.Context(), engine.Notice{Job: "ends", Kind: engine.NoticeRecovered, Key: "r", Subject: "works again"}); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	s.flushNotices(t.Context())
	if body = <-got; body["type"] != "recovered" {
		t.Errorf("told %v", body)
	}
	select {
	case body = <-got:
		t.Errorf("told twice: %v", body)
	default:
	}
}

// TestNoticeConfig: what the configuration reader cannot know about a webhook is said by key.
func TestNoticeConfig(t *testing.T) {
	_, err := newDispatcher(noticeConfig(t, "https://example.com", "whsec_nothing!"), nil, zap.NewNop())
	if want := "notifications.webhooks[0].secret: what follows whsec_ is no base64; copy the secret again"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
