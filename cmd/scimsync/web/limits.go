package web

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// rate allows so many calls in any stretch of time, for each key apart.
type rate struct {
	most int
	span time.Duration

	mu   sync.Mutex
	seen map[string][]time.Time
}

func newRate(most int, span time.Duration) *rate {
	return &rate{most: most, span: span, seen: map[string][]time.Time{}}
}

// take counts a call, or says when the next one is possible. Keys are ids of the configuration, so there are few.
func (r *rate) take(key string, now time.Time) *Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.seen[key]
	for len(calls) > 0 && now.Sub(calls[0]) >= r.span {
		calls = calls[1:]
	}
	if len(calls) >= r.most {
		r.seen[key] = calls
		return &Problem{
			Status: http.StatusTooManyRequests, Code: codeTooMany, RetryAfter: r.span - now.Sub(calls[0]),
			Message: fmt.Sprintf("Too many calls: %d are possible in %s. Try again after the time in Retry-After.", r.most, r.span),
		}
	}
	r.seen[key] = append(calls, now)
	return nil
}
