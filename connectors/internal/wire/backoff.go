package wire

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Policy says how patient a call is.
type Policy struct {
	Base     time.Duration // ceiling of the first wait; it doubles from wait to wait
	Max      time.Duration // ceiling of all waits that nobody asked for
	Attempts int           // how often a request is sent at most; 0: as long as the budget lasts
	Budget   time.Duration // time from the first attempt to the end of the last wait; 0: no limit
}

// A Backoff counts the attempts of one call. It is not safe for concurrent use.
type Backoff struct {
	p     Policy
	exp   *backoff.ExponentialBackOff
	clock Clock
	rand  func() float64
	start time.Time
	sent  int
}

// Backoff starts counting the attempts of one call.
func (c *Conn) Backoff(p Policy) *Backoff {
	exp := backoff.NewExponentialBackOff(backoff.WithInitialInterval(p.Base), backoff.WithMaxInterval(p.Max),
		backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0), backoff.WithMaxElapsedTime(0))
	return &Backoff{p: p, exp: exp, clock: c.clock, rand: c.rand, start: c.clock.Now(), sent: 1}
}

// Attempt is the number of the attempt under way, from 1; see [Call.Attempt].
func (b *Backoff) Attempt() int { return b.sent }

// Next returns how long to wait before the next attempt: if the other side asked for a time, that
// long and up to a tenth more, never less; else a random time up to a ceiling that doubles (full
// jitter). It reports false if there may be no further attempt; the wait is then the one that
// would have been needed.
func (b *Backoff) Next(asked time.Duration) (time.Duration, bool) {
	ceiling := b.exp.NextBackOff()
	d := time.Duration(b.rand() * float64(ceiling))
	if asked > 0 {
		d = asked + time.Duration(b.rand()*float64(asked)/10)
	}
	if b.p.Attempts > 0 && b.sent >= b.p.Attempts {
		return d, false
	}
	if b.p.Budget > 0 && b.clock.Now().Add(d).Sub(b.start) > b.p.Budget {
		return d, false
	}
	b.sent++
	return d, true
}
