package wire

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A limiter lets the requests of one connection through: not while paused, not more than limit at
// once, not more than the rate. An adaptive limit grows by one per round trip of the whole window
// while latency is good, and is halved when the other side says that it is overloaded.
type limiter struct {
	clock    Clock
	rate     *rate.Limiter // nil: none
	adaptive bool
	most     float64

	mu      sync.Mutex
	limit   float64
	inUse   int
	waiting []chan struct{} // in order of arrival; closed when a slot was handed over
	until   time.Time       // paused
	halved  time.Time       // requests started before were already answered for
	floor   time.Duration   // about the best latency seen
}

func newLimiter(clock Clock, fixed, start, most int, perSecond float64) *limiter {
	l := &limiter{clock: clock, most: float64(most), limit: float64(min(start, most)), adaptive: fixed <= 0}
	if fixed > 0 {
		l.limit = float64(fixed)
	}
	if perSecond > 0 {
		l.rate = rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))
	}
	return l
}

// acquire returns when a request may be sent; each acquire is followed by one release.
func (l *limiter) acquire(ctx context.Context) error {
	if err := l.slot(ctx); err != nil {
		return err
	}
	if err := l.calm(ctx); err != nil {
		l.free()
		return err
	}
	return nil
}

func (l *limiter) slot(ctx context.Context) error {
	l.mu.Lock()
	if err := ctx.Err(); err != nil {
		l.mu.Unlock()
		return context.Cause(ctx)
	}
	if l.inUse < int(l.limit) && len(l.waiting) == 0 {
		l.inUse++
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	for i, w := range l.waiting {
		if w == turn {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			l.mu.Unlock()
			return context.Cause(ctx)
		}
	}
	l.mu.Unlock()
	l.free() // the slot was handed over just now
	return context.Cause(ctx)
}

// calm waits for the end of a pause, which may be prolonged meanwhile, and for the rate.
func (l *limiter) calm(ctx context.Context) error {
	if l.rate != nil {
		now := l.clock.Now()
		if err := l.sleep(ctx, l.rate.ReserveN(now, 1).DelayFrom(now)); err != nil {
			return err
		}
	}
	for {
		l.mu.Lock()
		d := l.until.Sub(l.clock.Now())
		l.mu.Unlock()
		if d <= 0 {
			return nil
		}
		if err := l.sleep(ctx, d); err != nil {
			return err
		}
	}
}

func (l *limiter) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	return l.clock.Sleep(ctx, d)
}

// pause returns by how much the pause was prolonged.
func (l *limiter) pause(until time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := l.clock.Now()
	if l.until.After(from) {
		from = l.until
	}
	if !until.After(from) {
		return 0
	}
	l.until = until
	return until.Sub(from)
}

func (l *limiter) free() {
	l.mu.Lock()
	l.inUse--
	l.admit()
	l.mu.Unlock()
}

// admit hands free slots to those who wait; the caller holds mu.
func (l *limiter) admit() {
	for len(l.waiting) > 0 && l.inUse < int(l.limit) {
		l.inUse++
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
	}
}

// release gives the slot back and learns from the answer; status 0 is no answer.
func (l *limiter) release(start time.Time, took time.Duration, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.adaptive {
		l.learn(start, took, status)
	}
	l.inUse--
	l.admit()
}

// slack is latency that says nothing: a scheduler's whim, a loopback queue.
const slack = 25 * time.Millisecond

func (l *limiter) learn(start time.Time, took time.Duration, status int) {
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		// All requests in flight tell of the same overload: only the first of them counts.
		if !start.Before(l.halved) {
			l.limit = max(1, l.limit/2)
			l.halved = l.clock.Now()
		}
	case status == 0 || status >= 500:
	default:
		if l.floor == 0 || took < l.floor {
			l.floor = took
		} else {
			l.floor += (took - l.floor) / 1024 // forget slowly that it once was faster
		}
		if took <= 2*l.floor+slack && 2*l.inUse >= int(l.limit) {
			l.limit = min(l.most, l.limit+1/l.limit)
		}
	}
}
