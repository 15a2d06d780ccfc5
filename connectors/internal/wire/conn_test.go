package wire_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/connectors/internal/wire/wiretest"
	"github.com/scimsync/scimsync/engine"
)

func get(t *testing.T, c *wire.Conn, url string, call wire.Call) (*wire.Answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(req, call)
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestConnCountsRequests(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	c := wire.New(wire.Options{})
	for _, m := range []string{"GET", "POST", "PATCH"} {
		req, err := http.NewRequestWithContext(t.Context(), m, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(req, wire.Call{Attempt: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := get(t, c, url, wire.Call{Attempt: 2}); err != nil {
		t.Fatal(err)
	}
	if got, want := c.TakeRequests(), (engine.Requests{Sent: 4, Writes: 2, Retries: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := c.TakeRequests(); got != (engine.Requests{}) {
		t.Errorf("taken twice: %+v", got)
	}
}

func TestConnFollowsNoRedirectAndKeepsNoCookie(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 || r.URL.Path == "/other" {
			t.Errorf("%s with cookies %v", r.URL.Path, r.Cookies())
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
	})
	c := wire.New(wire.Options{})
	for range 2 {
		ans, err := get(t, c, url+"/first", wire.Call{})
		if err != nil || ans.Status != http.StatusTemporaryRedirect {
			t.Fatalf("got %+v, %v", ans, err)
		}
	}
}

func TestConnLimitsBodies(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body := bytes.Repeat([]byte("x"), 2000)
		if r.URL.Path == "/zip" { // small on the wire
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, err := z.Write(body)
			if err := errors.Join(err, z.Close()); err != nil {
				t.Error(err)
			}
			return
		}
		if _, err := w.Write(body[:1000]); err != nil {
			t.Error(err)
		}
	})
	c := wire.New(wire.Options{MaxBody: 1000})
	if ans, err := get(t, c, url+"/fits", wire.Call{}); err != nil || len(ans.Body) != 1000 {
		t.Errorf("a body of exactly the limit: %v", err)
	}
	if _, err := get(t, c, url+"/zip", wire.Call{}); !errors.Is(err, wire.ErrBodyTooLarge) {
		t.Errorf("a bomb: got %v", err)
	}
}

func TestConnTellsWhetherARequestWasSent(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	broken := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cut" {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
			_ = http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler)
	})
	release := make(chan struct{})
	silent := serve(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	t.Cleanup(func() { close(release) })

	for _, tc := range []struct {
		name, url     string
		sent, timeout bool
		status        int
	}{
		{"nobody listens", nobody, false, false, 0},
		{"reset before an answer", broken, true, false, 0},
		{"cut within the body", broken + "/cut", true, false, 200},
		{"no answer in time", silent, true, true, 0},
	} {
		c := wire.New(wire.Options{Timeout: time.Second})
		if tc.timeout {
			c = wire.New(wire.Options{Timeout: 20 * time.Millisecond})
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tc.url, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Do(req, wire.Call{})
		var te *wire.TransportError
		if !errors.As(err, &te) {
			t.Errorf("%s: got %v", tc.name, err)
			continue
		}
		if te.Sent != tc.sent || te.Timeout != tc.timeout || te.Status != tc.status {
			t.Errorf("%s: got sent %v, timeout %v, status %d (%v)", tc.name, te.Sent, te.Timeout, te.Status, te.Err)
		}
	}
}

func TestConnReturnsTheCallersCancellation(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	mine := errors.New("enough")
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel(mine)
		<-r.Context().Done()
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.New(wire.Options{}).Do(req, wire.Call{}); !errors.Is(err, mine) {
		t.Errorf("got %v", err)
	}
}

func TestPauseHoldsEveryCaller(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock(noon)
	var waits []time.Duration
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	c := wire.New(wire.Options{Clock: clock, OnWait: func(d time.Duration, status int) {
		if status != 429 {
			t.Errorf("wait for status %d", status)
		}
		waits = append(waits, d)
	}})
	c.Pause(noon.Add(20*time.Second), 429)
	c.Pause(noon.Add(10*time.Second), 429) // shorter: changes nothing
	c.Pause(noon.Add(25*time.Second), 429)
	if _, err := get(t, c, url, wire.Call{}); err != nil {
		t.Fatal(err)
	}
	if got := clock.Now(); got.Before(noon.Add(25 * time.Second)) {
		t.Errorf("a request was sent at %v, within the pause", got)
	}
	if got := c.TakeRequests().Waited; got != 25*time.Second {
		t.Errorf("counted %v", got)
	}
	if len(waits) != 2 || waits[0] != 20*time.Second || waits[1] != 5*time.Second {
		t.Errorf("observed %v", waits)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(req, wire.Call{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled caller got %v", err)
	}
}

// inFlight drives a connection with many callers and reports how many requests were in flight at most.
func inFlight(t *testing.T, c *wire.Conn, callers, each int, status func() int) int {
	t.Helper()
	var now, most atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		w.WriteHeader(status())
	})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				if _, err := get(t, c, url, wire.Call{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return int(most.Load())
}

func TestConcurrencyStaysWithinItsLimit(t *testing.T) {
	t.Parallel()
	ok := func() int { return 200 }
	if got := inFlight(t, wire.New(wire.Options{Concurrency: 3}), 20, 20, ok); got > 3 {
		t.Errorf("fixed at 3: %d in flight", got)
	}
	if got := inFlight(t, wire.New(wire.Options{Start: 2, MaxConcurrency: 5}), 20, 50, ok); got > 5 {
		t.Errorf("adaptive up to 5: %d in flight", got)
	}
}

func TestRateSpacesRequests(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock(noon)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	c := wire.New(wire.Options{Clock: clock, Rate: 10})
	for range 31 {
		if _, err := get(t, c, url, wire.Call{}); err != nil {
			t.Fatal(err)
		}
	}
	if took := clock.Now().Sub(noon); took < 2*time.Second || took > 2200*time.Millisecond {
		t.Errorf("31 requests at 10 a second, the first 10 at once, took %v", took)
	}
}

func TestLogLineNamesTheTemplateOnly(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("request-id", "r-1")
		_, _ = io.WriteString(w, "mira in the body")
	})
	c := wire.New(wire.Options{Log: zap.New(core), RequestIDs: []string{"request-id"}})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/users/mira?$filter=mira", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer mira")
	req.Header.Set("client-request-id", "c-1")
	if _, err := c.Do(req, wire.Call{Template: "users/{id}", Attempt: 2}); err != nil {
		t.Fatal(err)
	}
	if logs.Len() != 1 {
		t.Fatalf("%d lines", logs.Len())
	}
	enc := zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"})
	buf, err := enc.EncodeEntry(logs.All()[0].Entry, logs.All()[0].Context)
	if err != nil {
		t.Fatal(err)
	}
	line := buf.String()
	for _, want := range []string{`"msg":"request"`, `"method":"GET"`, `"path":"users/{id}"`, `"status":200`, `"attempt":2`, `"request_id":"r-1"`, `"client_request_id":"c-1"`} {
		if !strings.Contains(line, want) {
			t.Errorf("the line lacks %s: %s", want, line)
		}
	}
	if strings.Contains(line, "mira") {
		t.Errorf("the line tells too much: %s", line)
	}
}
