package graphtest

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

// window is the span over which the quota of an application in a tenant counts.
const window = 10 * time.Second

// A bucket holds the units that a client has used; it runs empty at the rate of the quota.
type bucket struct {
	used float64
	at   time.Time
}

// price is the cost of a call in resource units: the base of the path, less one for $select and
// for $top below 20, never below one. The parts of a batch are charged on their own.
func (c *call) price() int {
	if c.route == nil {
		return 1
	}
	n := c.route.base
	if c.query.has("$select") {
		n--
	}
	if c.query.has("$expand") {
		n++
	}
	if t := c.query.get("$top"); len(t) == 1 || (len(t) == 2 && t[0] == '1') {
		n--
	}
	return max(n, 1)
}

// quota is how many units a client has in a window; it goes by the size of the tenant.
func (s *Server) quota() float64 {
	n := 8000.0
	switch count := len(s.dir.all[users]); {
	case count < 50:
		n = 3500
	case count <= 500:
		n = 5000
	}
	return n * s.settings.QuotaFactor
}

// charge takes the units of a call. Refused calls are charged as well, so that hammering does not help.
func (c *call) charge() (answer, bool) {
	s := c.s
	s.stats.Units += c.cost
	if s.settings.QuotaFactor <= 0 {
		return answer{}, true
	}
	limit := s.quota()
	b := s.buckets[c.client]
	if b == nil {
		b = &bucket{at: s.dir.now}
		s.buckets[c.client] = b
	}
	rate := limit / window.Seconds()
	b.used = max(0, b.used-rate*s.dir.now.Sub(b.at).Seconds())
	b.at = s.dir.now
	was := b.used / limit
	b.used = min(b.used+float64(c.cost), 2*limit)
	share := b.used / limit
	if share > 0.8 {
		c.reply.Set("x-ms-throttle-limit-percentage", fmt.Sprintf("%.2f", min(share, 1.8)))
	}
	ceiling := 1.0
	if strings.EqualFold(c.header.Get("x-ms-throttle-priority"), "low") {
		ceiling = 0.8
	}
	if share <= ceiling {
		return answer{}, true
	}
	s.stats.Throttled++
	if was > ceiling {
		s.stats.WhileThrottled++
	}
	wait := int(math.Ceil((b.used - ceiling*limit) / rate))
	return c.throttled(max(wait, 1)), false
}

func (c *call) throttled(seconds int) answer {
	a := c.failWith(http.StatusTooManyRequests, "TooManyRequests", "Try later.", map[string]any{"code": "429", "status": "429"})
	if v, ok := c.s.retryAfter(seconds); ok {
		a.header.Set("Retry-After", v)
	}
	a.header.Set("x-ms-throttle-scope", "Tenant_Application/Read/"+c.client+"/"+c.s.tenant)
	a.header.Set("x-ms-throttle-information", "ResourceUnitLimitExceeded")
	return a
}

// retryAfter writes a waiting time in the shape that the settings ask for.
func (s *Server) retryAfter(seconds int) (string, bool) {
	at := s.dir.now.UTC().Add(time.Duration(seconds) * time.Second)
	switch s.settings.RetryAfterShape {
	case RetryZero:
		return "0", true
	case RetryFraction:
		return fmt.Sprintf("%d.5", seconds), true
	case RetryDate:
		return at.Format(http.TimeFormat), true
	case RetryRFC850:
		return at.Format("Monday, 02-Jan-06 15:04:05 GMT"), true
	case RetryAsctime:
		return at.Format(time.ANSIC), true
	case RetryPast:
		return s.dir.now.UTC().Add(-time.Hour).Format(http.TimeFormat), true
	case RetryAbsent:
		return "", false
	case RetryGarbage:
		return "soon", true
	case RetryLong:
		return "3600", true
	}
	return fmt.Sprint(seconds), true
}
