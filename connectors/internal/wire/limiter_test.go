package wire

import (
	"net/http"
	"testing"
	"time"
)

// The adaptive limit is checked from inside: from outside it shows only as a race.
func TestLimiterLearns(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC)
	l := newLimiter(fixedClock{now: &now}, 0, 4, 16, 0)
	round := func(took time.Duration, status int) {
		l.mu.Lock()
		l.inUse = int(l.limit)
		l.mu.Unlock()
		n := l.inUse
		start := now
		now = now.Add(took)
		for range n {
			l.release(start, took, status)
		}
	}
	for range 100 {
		round(50*time.Millisecond, http.StatusOK)
	}
	if l.limit != 16 {
		t.Errorf("after a hundred good rounds: %v", l.limit)
	}
	round(50*time.Millisecond, http.StatusTooManyRequests)
	if l.limit != 8 {
		t.Errorf("sixteen answers of one overload: %v, want 8", l.limit)
	}
	round(50*time.Millisecond, http.StatusServiceUnavailable)
	if l.limit != 4 {
		t.Errorf("after another overload: %v, want 4", l.limit)
	}
	before := l.limit
	round(5*time.Second, http.StatusOK)
	if l.limit != before {
		t.Errorf("it grew although answers were slow: %v", l.limit)
	}
	for range 20 {
		round(time.Millisecond, http.StatusTooManyRequests)
	}
	if l.limit != 1 {
		t.Errorf("it never stops: %v", l.limit)
	}
}

type fixedClock struct {
	SystemClock
	now *time.Time
}

func (c fixedClock) Now() time.Time { return *c.now }
