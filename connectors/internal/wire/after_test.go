package wire_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/wire"
)

var noon = time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value, date string
		want              time.Duration
		ok                bool
	}{
		{name: "whole seconds", value: "12", want: 12 * time.Second, ok: true},
		{name: "blanks around", value: " 7 ", want: 7 * time.Second, ok: true},
		{name: "a fraction is rounded up", value: "0.5", want: time.Second, ok: true},
		{name: "a longer fraction", value: "1.001", want: 2 * time.Second, ok: true},
		{name: "IMF-fixdate", value: "Sat, 01 Mar 2031 12:00:30 GMT", want: 30 * time.Second, ok: true},
		{name: "RFC 850", value: "Saturday, 01-Mar-31 12:00:30 GMT", want: 30 * time.Second, ok: true},
		{name: "asctime", value: "Sat Mar  1 12:00:30 2031", want: 30 * time.Second, ok: true},
		{name: "a date by the server's own clock", value: "Sun, 01 Jan 2023 00:00:20 GMT", date: "Sun, 01 Jan 2023 00:00:00 GMT", want: 20 * time.Second, ok: true},
		{name: "an absurd number stays a duration", value: "1e300", want: 366 * 24 * time.Hour, ok: true},
		{name: "zero", value: "0"},
		{name: "negative", value: "-3"},
		{name: "past", value: "Sat, 01 Mar 2031 11:59:59 GMT"},
		{name: "garbage", value: "soon"},
		{name: "not a number", value: "NaN"},
		{name: "absent"},
	} {
		h := http.Header{}
		if c.value != "" {
			h.Set("Retry-After", c.value)
		}
		if c.date != "" {
			h.Set("Date", c.date)
		}
		if got, ok := wire.RetryAfter(h, noon); got != c.want || ok != c.ok {
			t.Errorf("%s: RetryAfter(%q) = %v, %v; want %v, %v", c.name, c.value, got, ok, c.want, c.ok)
		}
	}
}

func TestResetAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, header, value string
		want                time.Duration
		ok                  bool
	}{
		{"seconds from now", "RateLimit-Reset", "30", 30 * time.Second, true},
		{"epoch seconds", "X-RateLimit-Reset", "1930132860", time.Minute, true},
		{"epoch milliseconds", "X-Rate-Limit-Reset", "1930132860000", time.Minute, true},
		{"past", "X-RateLimit-Reset", "1000000001", 0, false},
		{"beyond all clocks", "X-RateLimit-Reset", "1930132860000000", 0, false},
		{"garbage", "RateLimit-Reset", "later", 0, false},
	} {
		h := http.Header{}
		h.Set(c.header, c.value)
		if got, ok := wire.ResetAfter(h, time.Unix(1930132800, 0)); got != c.want || ok != c.ok {
			t.Errorf("%s: got %v, %v; want %v, %v", c.name, got, ok, c.want, c.ok)
		}
	}
	h := http.Header{"Retry-After": {"0"}, "Ratelimit-Reset": {"9"}}
	if got, ok := wire.AskedFor(h, noon); got != 9*time.Second || !ok {
		t.Errorf("AskedFor falls back to the reset header: got %v, %v", got, ok)
	}
}
