package wire

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longest keeps absurd waits within what a time.Duration can hold.
const longest = 366 * 24 * time.Hour

// RetryAfter reads the Retry-After header (RFC 9110 section 10.2.3): whole seconds, a fraction
// (rounded up to a second), or a date in any of the three forms of HTTP. A date is measured from the
// Date header of the same answer, if it has one, so that a clock that differs from ours does no
// harm; else from now. It reports false if the header is missing, zero, in the past or unreadable.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		return seconds(s)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return positive(at.Sub(now))
}

// ResetAfter reads the headers by which servers without Retry-After tell when a quota is filled
// again: a value below 10^9 is seconds from now, above it seconds since 1970, above 10^12
// milliseconds since 1970 (scim-target.md 20.2).
func ResetAfter(h http.Header, now time.Time) (time.Duration, bool) {
	for _, name := range []string{"RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset"} {
		s, err := strconv.ParseFloat(strings.TrimSpace(h.Get(name)), 64)
		switch {
		case err != nil:
			continue
		case s >= 1e15: // no server means this
			continue
		case s >= 1e12:
			return positive(time.UnixMilli(int64(s)).Sub(now))
		case s >= 1e9:
			return positive(time.Unix(int64(s), 0).Sub(now))
		default:
			return seconds(s)
		}
	}
	return 0, false
}

// AskedFor is how long an answer asks to wait: by Retry-After, else by a reset header.
func AskedFor(h http.Header, now time.Time) (time.Duration, bool) {
	if d, ok := RetryAfter(h, now); ok {
		return d, true
	}
	return ResetAfter(h, now)
}

func seconds(s float64) (time.Duration, bool) {
	if !(s > 0) || math.IsInf(s, 0) { // also not a number
		return 0, false
	}
	if s > longest.Seconds() {
		return longest, true
	}
	return time.Duration(math.Ceil(s)) * time.Second, true
}

func positive(d time.Duration) (time.Duration, bool) {
	if d <= 0 {
		return 0, false
	}
	return min(d, longest), true
}
