package scim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimsync/scimsync/engine"
)

func limited(status int, header ...string) step {
	st := refused(status, "", "slow down")
	st.header = map[string]string{}
	for i := 0; i < len(header); i += 2 {
		st.header[header[i]] = header[i+1]
	}
	return st
}

func Test75and78HowLongToWait(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := now.Format(http.TimeFormat)
	for _, c := range []struct {
		name     string
		answer   step
		from, to time.Duration
	}{
		{"seconds", limited(429, "Retry-After", "20"), 20 * time.Second, 22 * time.Second},
		{"fraction", limited(429, "Retry-After", "1.5"), 2 * time.Second, 2200 * time.Millisecond},
		{"date", limited(429, "Retry-After", now.Add(30*time.Second).Format(http.TimeFormat), "Date", date), 30 * time.Second, 33 * time.Second},
		{"epoch", limited(429, "X-RateLimit-Reset", fmt.Sprint(now.Add(40*time.Second).Unix())), 40 * time.Second, 44 * time.Second},
		{"seconds to reset", limited(429, "RateLimit-Reset", "5"), 5 * time.Second, 5500 * time.Millisecond},
		{"nothing", limited(429), 0, time.Second},
		{"rubbish", limited(429, "Retry-After", "soon"), 0, time.Second},
		{"past", limited(429, "Retry-After", now.Add(-time.Hour).Format(http.TimeFormat), "Date", date), 0, time.Second},
		{"503", limited(503, "Retry-After", "7"), 7 * time.Second, 7700 * time.Millisecond},
		{"423", limited(423, "Retry-After", "7"), 7 * time.Second, 7700 * time.Millisecond},
	} {
		cl, f := newFake(t, nil, c.answer, done)
		_, err := upd(t, cl, promote)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := f.sent()
		if d := got[1].at.Sub(got[0].at); d < c.from || d > c.to {
			t.Errorf("%s: waited %s, want %s to %s", c.name, d, c.from, c.to)
		}
		if n := cl.TakeRequests(); n.Sent != 2 || n.Retries != 1 {
			t.Errorf("%s: counted %+v", c.name, n)
		}
	}
}

func Test76TooLongAWaitSuspends(t *testing.T) {
	c, f := newFake(t, nil, limited(429, "Retry-After", "7200"))
	_, err := upd(t, c, promote)
	te := wantError(t, err, engine.OutcomeSuspend, engine.CodeThrottled)
	if d := te.RetryAt.Sub(f.clock.Now()); d < 2*time.Hour {
		t.Errorf("retry in %s, want two hours at least", d)
	}
	// A 429 is no failure of an object: after the last attempt the cycle is suspended.
	c, f = newFake(t, nil)
	f.rest = func(seen) step { return limited(429) }
	_, err = upd(t, c, promote)
	wantError(t, err, engine.OutcomeSuspend, engine.CodeThrottled)
	if spent := f.clock.Now().Sub(f.sent()[0].at); spent > 6*time.Minute {
		t.Errorf("gave up after %s", spent)
	}
	for _, create := range []bool{false, true} {
		c, _ = newFake(t, nil, limited(503, "Retry-After", "7200"))
		if create {
			_, err = c.Create(t.Context(), engine.User, noor(), noorBy)
		} else {
			_, err = c.Get(t.Context(), engine.User, id)
		}
		wantError(t, err, engine.OutcomeSuspend, engine.CodeThrottled)
	}
}

func TestManyCallersUnderAQuotaAllGetTheirTurn(t *testing.T) {
	// Ten requests a second are served, and thirty callers want one each: each is turned away more
	// often than an attempt counter would allow.
	c, f := newFake(t, func(cfg *Config) { cfg.Concurrency = 30 })
	var mu sync.Mutex
	served := map[int64]int{}
	f.rest = func(s seen) step {
		mu.Lock()
		defer mu.Unlock()
		window := f.clock.Now().Unix()
		if served[window]++; served[window] > 3 {
			return limited(429, "Retry-After", "1")
		}
		return done
	}
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			if _, err := c.Update(t.Context(), engine.User, fmt.Sprint(i), []engine.AttributeChange{promote}); err != nil {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

func Test77OneThrottledCallerPausesAll(t *testing.T) {
	c, f := newFake(t, nil, limited(429, "Retry-After", "60"), done, ok(noorJSON))
	first := make(chan error)
	go func() {
		_, err := c.Update(t.Context(), engine.User, "other", []engine.AttributeChange{promote})
		first <- err
	}()
	noError(t, <-first)
	start := f.sent()[0].at
	_, err := c.Get(t.Context(), engine.User, id)
	noError(t, err)
	for _, s := range f.sent()[1:] {
		if d := s.at.Sub(start); d < time.Minute {
			t.Errorf("%s was sent after %s, want it held for a minute", s.line(), d)
		}
	}
}

func TestPauseHoldsCallersThatAreOnTheirWay(t *testing.T) {
	c, f := newFake(t, nil, ok(noorJSON))
	c.conn.Pause(f.clock.Now().Add(90*time.Second), 429)
	start := f.clock.Now()
	_, err := c.Get(t.Context(), engine.User, id)
	noError(t, err)
	if d := f.sent()[0].at.Sub(start); d < 90*time.Second {
		t.Errorf("sent after %s, want 90 s", d)
	}
}

func TestRepeatsWithBackoff(t *testing.T) {
	for _, status := range []int{408, 425, 500, 502, 503, 504, 520, 530} {
		c, f := newFake(t, nil, step{status: status}, step{status: status}, ok(noorJSON))
		_, err := c.Get(t.Context(), engine.User, id)
		noError(t, err)
		if got := f.clock.Slept(); !slices.Equal(got, []time.Duration{500 * time.Millisecond, time.Second}) {
			t.Errorf("%d: slept %v", status, got)
		}
	}
	c, f := newFake(t, nil)
	f.rest = func(seen) step { return step{status: 500} }
	_, err := c.Get(t.Context(), engine.User, id)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeServerError)
	if n := len(f.sent()); n != 5 {
		t.Errorf("%d attempts, want five", n)
	}
}

func TestCircuitBreaker(t *testing.T) {
	c, f := newFake(t, nil)
	f.rest = func(seen) step { return step{status: 502} }
	var err error
	for range 2 { // ten failures in a row
		_, err = c.Get(t.Context(), engine.User, id)
		wantError(t, err, engine.OutcomeEscrow, engine.CodeServerError)
	}
	start := f.clock.Now()
	_, err = c.Get(t.Context(), engine.User, id) // waits out two breaks, then stops asking
	wantError(t, err, engine.OutcomeQuarantine, engine.CodeTransport)
	if d := f.clock.Now().Sub(start); d < 3*time.Minute || d > 4*time.Minute {
		t.Errorf("gave up after %s", d)
	}
	before := len(f.sent())
	_, err = c.Get(t.Context(), engine.User, id)
	wantError(t, err, engine.OutcomeQuarantine, engine.CodeTransport)
	if n := len(f.sent()) - before; n != 0 {
		t.Errorf("%d requests while the circuit is open", n)
	}
	f.clock.Advance(time.Hour)
	f.rest = func(seen) step { return ok(noorJSON) }
	for range 2 {
		_, err = c.Get(t.Context(), engine.User, id)
		noError(t, err)
	}
	if got := f.lines()[before:]; len(got) != 3 || !strings.HasPrefix(got[0], "GET /scim/Users?filter=userName") {
		t.Errorf("got %v, want a harmless search first", got)
	}
}

func TestObjectsThatBreakTheServerDoNotBreakTheConnection(t *testing.T) {
	c, f := newFake(t, nil)
	f.rest = func(s seen) step {
		if s.method == "PATCH" {
			return step{status: 500}
		}
		return none
	}
	for i := range 6 {
		_, err := c.Update(t.Context(), engine.User, fmt.Sprint(i), []engine.AttributeChange{promote})
		wantError(t, err, engine.OutcomeEscrow, engine.CodeServerError)
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	c, f := newFake(t, nil)
	f.srv.Close()
	_, err := c.Create(t.Context(), engine.User, noor(), noorBy)
	te := wantError(t, err, engine.OutcomeQuarantine, engine.CodeTransport) // nobody was ever reached: no object is to blame
	if strings.Contains(te.Error(), "127.0.0.1") {
		t.Errorf("the text for logs is %q", te)
	}
	if n := c.TakeRequests(); n.Sent != 5 { // nothing was sent, so that a create may be repeated, too
		t.Errorf("%d attempts, want five", n.Sent)
	}
}

func TestSystematicFailuresQuarantine(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer step
		call   func(*Client, int) error
		code   engine.Code
	}{
		{"forbidden", refused(403, "", "no"), func(c *Client, i int) error {
			_, err := c.Update(t.Context(), engine.User, fmt.Sprint(i), []engine.AttributeChange{promote})
			return err
		}, engine.CodeForbidden},
		{"filter ignored", ok(list(`{"id":"1","userName":"stranger"}`)), func(c *Client, i int) error {
			_, _, err := c.Find(t.Context(), engine.User, byUserName(fmt.Sprint(i)))
			return err
		}, engine.CodeFilterIgnored},
		{"web pages", ok("<html>"), func(c *Client, i int) error {
			_, err := c.Get(t.Context(), engine.User, fmt.Sprint(i))
			return err
		}, engine.CodeBadResponse},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, f := newFake(t, nil)
			f.rest = func(seen) step { return c.answer }
			for i := range systematicAfter {
				err := c.call(cl, i)
				want := engine.OutcomeEscrow
				if i == systematicAfter-1 {
					want = engine.OutcomeQuarantine
				}
				wantError(t, err, want, c.code)
			}
		})
	}
	// One success between shows that it is about the objects.
	c, f := newFake(t, nil)
	f.rest = func(s seen) step {
		if s.uri == "/scim/Users/5" {
			return done
		}
		return refused(403, "", "no")
	}
	for i := range 30 {
		_, err := c.Update(t.Context(), engine.User, fmt.Sprint(i), []engine.AttributeChange{promote})
		if i != 5 {
			wantError(t, err, engine.OutcomeEscrow, engine.CodeForbidden)
		}
	}
}

func TestNarrowerBuckets(t *testing.T) {
	c, f := newFake(t, func(cfg *Config) { cfg.Rates.CreateUser = Rate{PerSecond: 0.5, Burst: 2} })
	f.rest = func(s seen) step {
		if s.method == "POST" {
			return created(noorJSON)
		}
		return ok(noorJSON)
	}
	start := f.clock.Now()
	for range 4 {
		mustMake(t, c)
	}
	if d := f.clock.Now().Sub(start); d != 4*time.Second {
		t.Errorf("four creates took %s, want two at once and one every two seconds", d)
	}
	for range 10 {
		_, err := c.Get(t.Context(), engine.User, id)
		noError(t, err)
	}
	if d := f.clock.Now().Sub(start); d != 4*time.Second {
		t.Errorf("reads were held, too")
	}
	if n := c.TakeRequests(); n.Waited != 0 {
		t.Errorf("counted %s as asked for by the server", n.Waited)
	}
}

func TestEmptyCostsOneRequest(t *testing.T) {
	for _, c := range []struct {
		answer step
		want   bool
	}{
		{none, true},
		{ok(`{"totalResults":0}`), true},
		{ok(`{"totalResults":"0","Resources":null}`), true},
		{ok(list(noorJSON)), false},
		{ok(`{"totalResults":0,"Resources":[{"id":"1"}]}`), false},
		{ok(`{"totalResults":5,"Resources":[]}`), false},
		{ok(`{"Resources":[]}`), false},
		{ok(`{"totalResults":0,"Resources":[],"nextCursor":"x"}`), false},
		{ok("<html>"), false},
		{ok("[]"), false},
		{refused(404, "", ""), false},
		{refused(403, "", ""), false},
		{step{status: 500}, false},
		{limited(429, "Retry-After", "1"), false},
		{limited(429), false},
		{step{cut: true}, false},
	} {
		cl, _ := newFake(t, nil, c.answer)
		got, err := cl.Empty(t.Context(), engine.User)
		noError(t, err)
		if got != c.want {
			t.Errorf("%d %s: got %t", c.answer.status, c.answer.body, got)
		}
		if n := cl.TakeRequests(); n.Sent != 1 || n.Writes != 0 {
			t.Errorf("%d: cost %+v", c.answer.status, n)
		}
	}
	c, _ := newFake(t, nil, refused(401, "", ""))
	_, err := c.Empty(t.Context(), engine.User)
	wantError(t, err, engine.OutcomeQuarantine, engine.CodeCredentials)
}
