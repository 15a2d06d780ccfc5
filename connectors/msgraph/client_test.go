package msgraph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/scimsync/scimsync/connectors/internal/wire/wiretest"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

// emptyRound is a server whose first answers are given and that then ends the round.
func emptyRound(t *testing.T, answers int, answer func(w http.ResponseWriter), change ...func(*Config)) (*Source, *script) {
	var s *script
	src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n <= answers {
			answer(w)
			return
		}
		say(w, `{"value":[],"@odata.deltaLink":"%s/users/delta?$deltatoken=1"}`, s.url)
	}, change...)
	return src, s
}

func TestThrottling(t *testing.T) { // GS-TH-3, GS-TH-4
	t.Parallel()
	at := begin.Add(90 * time.Second)
	for _, c := range []struct {
		name, value string
		least, most time.Duration
	}{
		{"whole seconds", "12", 12 * time.Second, 14 * time.Second},
		{"a fraction", "1.5", 2 * time.Second, 3 * time.Second},
		{"date, RFC 1123", at.Format(http.TimeFormat), 90 * time.Second, 100 * time.Second},
		{"date, RFC 850", at.Format("Monday, 02-Jan-06 15:04:05 GMT"), 90 * time.Second, 100 * time.Second},
		{"date, asctime", at.Format(time.ANSIC), 90 * time.Second, 100 * time.Second},
		{"none", "", time.Second, 2 * time.Second}, // half of the first ceiling, by the test's dice
		{"zero", "0", time.Second, 2 * time.Second},
		{"past", begin.Add(-time.Hour).Format(http.TimeFormat), time.Second, 2 * time.Second},
		{"garbage", "soon", time.Second, 2 * time.Second},
	} {
		for _, status := range []int{429, 503} {
			var heard []int
			src, s := emptyRound(t, 1, func(w http.ResponseWriter) {
				if c.value != "" {
					w.Header().Set("Retry-After", c.value)
				}
				w.Header().Set("Date", begin.Format(http.TimeFormat))
				fail(w, status, "TooManyRequests")
			}, func(c *Config) {
				c.OnWait = func(d time.Duration, status int) { heard = append(heard, status) }
			})
			mustFollow(t, src, engine.FeedUsers, "")
			if got := s.clock.Now().Sub(begin); got < c.least || got > c.most {
				t.Errorf("%s (%d): waited %v", c.name, status, got)
			}
			n := src.TakeRequests()
			if n.Sent != 2 || n.Retries != 1 || n.Waited < c.least || n.Writes != 0 {
				t.Errorf("%s (%d): counted %+v", c.name, status, n)
			}
			if len(heard) != 1 || heard[0] != status {
				t.Errorf("%s: heard of waits for %v", c.name, heard)
			}
		}
	}
}

func TestBackoffGrows(t *testing.T) {
	t.Parallel()
	src, s := emptyRound(t, 8, func(w http.ResponseWriter) { fail(w, 502, "UnknownError") })
	mustFollow(t, src, engine.FeedUsers, "")
	want := []time.Duration{1, 2, 4, 8, 16, 32, 64, 128} // half of 2, 4, 8 … seconds
	for i, d := range s.clock.Slept() {
		if d != want[i]*time.Second {
			t.Errorf("wait %d was %v", i+1, d)
		}
	}
}

func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, after string
		requests    int
	}{
		{"asked to wait longer than allowed", "3600", 1},
		{"asked again and again", "300", 3},
	} {
		src, s := emptyRound(t, 1000, func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", c.after)
			w.Header().Set("Date", begin.Format(http.TimeFormat))
			fail(w, 429, "TooManyRequests")
		})
		_, err := follow(t, src, engine.FeedUsers, "")
		se := wantCode(t, err, engine.CodeSourceUnavailable)
		if !se.Transient || se.Status != 429 || !se.RetryAt.After(s.clock.Now()) {
			t.Errorf("%s: got %+v at %v", c.name, se, s.clock.Now())
		}
		if got := len(s.requests()); got != c.requests {
			t.Errorf("%s: %d requests", c.name, got)
		}
		if waited := s.clock.Now().Sub(begin); waited > 15*time.Minute {
			t.Errorf("%s: waited %v", c.name, waited)
		}
	}
}

func TestInternalErrorsAreAskedForFiveTimesMore(t *testing.T) {
	t.Parallel()
	src, s := emptyRound(t, 1000, func(w http.ResponseWriter) { fail(w, 500, "InternalServerError") })
	_, err := follow(t, src, engine.FeedUsers, "")
	if se := wantCode(t, err, engine.CodeSourceUnavailable); !se.Transient {
		t.Error("held against the job")
	}
	if got := len(s.requests()); got != 6 {
		t.Errorf("%d requests", got)
	}
}

func TestBrokenConnectionsAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"before", "headers", "body"} {
		w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm(), Population: graphtest.Population{Users: 12, Groups: 1, Tidy: true}})
		w.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: graphtest.Reset, Where: where, Times: 2})
		if p := mustFollow(t, w.src, engine.FeedUsers, ""); len(p.Objects) < 12 {
			t.Errorf("%s: %d users", where, len(p.Objects))
		}
	}
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	clock := wiretest.NewClock(begin)
	src, err := newSource(Config{AccessToken: engine.NewSecret("a-token"), Endpoint: srv.URL, Scope: engine.ScopeAll}, nil, nil,
		parts{clock: clock, rand: func() float64 { return 0.5 }})
	if err != nil {
		t.Fatal(err)
	}
	_, err = follow(t, src, engine.FeedUsers, "")
	if se := wantCode(t, err, engine.CodeSourceUnavailable); !se.Transient || se.Status != 0 {
		t.Errorf("nobody listens: %+v", se)
	}
	// Who was never reached is not waited for with the patience of an outage, nor asked for by Temporal.
	se, _ := errors.AsType[*engine.SourceError](err)
	if waited := clock.Now().Sub(begin); waited > 2*time.Minute || !se.RetryAt.IsZero() {
		t.Errorf("nobody listens: waited %v, to be tried again at %v", waited, se.RetryAt)
	}
}

func TestUntrustedCertificateIsNoOutage(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	srv.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	t.Cleanup(srv.Close)
	src, err := newSource(Config{AccessToken: engine.NewSecret("a-token"), Endpoint: srv.URL, Scope: engine.ScopeAll}, nil, nil, parts{clock: wiretest.NewClock(begin)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = follow(t, src, engine.FeedUsers, "")
	if se := wantCode(t, err, engine.CodeSourceUnavailable); se.Transient {
		t.Error("an untrusted certificate passes by itself")
	}
}

// Every row of the table of section 18 that ends a call at once.
func TestFinalAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		code   string
		want   engine.Code
	}{
		{400, "Request_UnsupportedQuery", engine.CodeSourceQuery},
		{400, "Request_BadRequest", engine.CodeSourceQuery},
		{401, "InvalidAuthenticationToken", engine.CodeSourceUnauthorized},
		{402, "", engine.CodeSourceLicense},
		{403, "Authorization_RequestDenied", engine.CodeSourceForbidden},
		{403, "insufficient_claims", engine.CodeSourceUnauthorized},
		{404, "ResourceNotFound", engine.CodeSourceQuery},
		{405, "BadRequest", engine.CodeSourceQuery},
		{501, "NotImplemented", engine.CodeSourceQuery},
	} {
		src, s := emptyRound(t, 1000, func(w http.ResponseWriter) { fail(w, c.status, c.code) })
		_, err := follow(t, src, engine.FeedUsers, "")
		se := wantCode(t, err, c.want)
		if se.Status != c.status || se.Transient {
			t.Errorf("%d %s: got %+v", c.status, c.code, se)
		}
		if got := len(s.requests()); got != 1 {
			t.Errorf("%d %s: %d requests", c.status, c.code, got)
		}
		if c.code != "" && !strings.Contains(se.Message, c.code) {
			t.Errorf("the message lacks Graph's code: %s", se.Message)
		}
	}
}

func TestForbiddenNamesThePermission(t *testing.T) {
	t.Parallel()
	for f, want := range map[engine.Feed]string{engine.FeedUsers: "User.Read.All", engine.FeedGroups: "GroupMember.Read.All", engine.FeedAssignments: "Application.Read.All"} {
		src, _ := emptyRound(t, 1000, func(w http.ResponseWriter) { fail(w, 403, "Authorization_RequestDenied") })
		_, err := follow(t, src, f, "")
		if se := wantCode(t, err, engine.CodeSourceForbidden); !strings.Contains(se.Message, want) {
			t.Errorf("%s: %s", f, se.Message)
		}
	}
}

// The request library panics on some of these, or loses their status.
func TestErrorBodiesOfAllShapes(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{}`, `{"error":{}}`, `{"error":null}`, `{"error":"text"}`, `{"error":[]}`, `[]`, `null`, `"x"`, `{"error":{"code":5,"message":null}}`,
		`{"error":{"code":"A","innerError":[]}}`, `<html>503</html>`, `{"error":`, strings.Repeat("[", 1_000_000), strings.Repeat("x", 200_000)} {
		for _, contentType := range []string{"application/json", "text/html", ""} {
			for _, status := range []int{403, 503} {
				src, _ := emptyRound(t, 1, func(w http.ResponseWriter) {
					w.Header().Set("WWW-Authenticate", `Bearer claims=nonsense, claims`)
					w.Header()["Content-Type"] = []string{contentType}
					w.WriteHeader(status)
					_, _ = io.WriteString(w, body)
				})
				_, err := follow(t, src, engine.FeedUsers, "")
				if status == 503 && err != nil {
					t.Errorf("503 with %.20q (%s): %v", body, contentType, err)
				}
				if status == 403 {
					wantCode(t, err, engine.CodeSourceForbidden)
				}
			}
		}
	}
}

func TestCancellationEndsAWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	src, _ := emptyRound(t, 1000, func(w http.ResponseWriter) {
		cancel(enough)
		w.Header().Set("Retry-After", "10")
		fail(w, 429, "TooManyRequests")
	})
	for _, err := range src.Pages(ctx, engine.FeedUsers, "") {
		if !errors.Is(err, enough) {
			t.Errorf("got %v", err)
		}
	}
}

func TestLogsTellNothingOfPeople(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	w := sandbox(t, graphtest.Options{Seed: 1, Population: graphtest.Population{Users: 40, Groups: 5}})
	src, err := newSource(Config{AccessToken: engine.NewSecret("very-secret-token"), Endpoint: w.url + "/v1.0", ServicePrincipalID: w.ServicePrincipalID()},
		nil, zap.New(core), parts{clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	marks := map[engine.Feed]engine.Cursor{}
	for _, f := range []engine.Feed{engine.FeedAssignments, engine.FeedGroups, engine.FeedUsers} {
		marks[f] = mustFollow(t, src, f, "").Next
	}
	var ids []string
	truth := w.Truth()
	for id := range truth.Users {
		ids = append(ids, id)
	}
	if _, err := src.Lookup(t.Context(), engine.User, ids); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	enc := zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"})
	var all strings.Builder
	for _, l := range logs.All() {
		b, err := enc.EncodeEntry(l.Entry, l.Context)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b.Bytes())
	}
	text := all.String()
	if !strings.Contains(text, `"path":"users/delta"`) || !strings.Contains(text, `"path":"$batch"`) || !strings.Contains(text, `"request_id"`) {
		t.Error("the log lacks what support asks for")
	}
	for _, bad := range []string{"token", "secret", "select", "http", "@", w.ServicePrincipalID()} {
		if strings.Contains(text, bad) {
			t.Errorf("the log tells %q: %s", bad, around(text, bad))
		}
	}
	for id, u := range truth.Users {
		for _, bad := range []string{id, fmt.Sprint(u.Properties["userPrincipalName"]), fmt.Sprint(u.Properties["displayName"])} {
			if strings.Contains(text, bad) {
				t.Errorf("the log tells %q", bad)
			}
		}
	}
}

func around(text, part string) string {
	i := strings.Index(text, part)
	return text[max(0, i-100):min(len(text), i+100)]
}
