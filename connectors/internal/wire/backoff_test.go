package wire_test

import (
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/connectors/internal/wire/wiretest"
)

func TestBackoffDoublesWithFullJitter(t *testing.T) {
	t.Parallel()
	for _, r := range []float64{0, 0.5, 0.999} {
		c := wire.New(wire.Options{Clock: wiretest.NewClock(noon), Rand: func() float64 { return r }})
		b := c.Backoff(wire.Policy{Base: 2 * time.Second, Max: 10 * time.Second, Attempts: 6})
		for i, ceiling := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
			if b.Attempt() != i+1 {
				t.Errorf("attempt %d, want %d", b.Attempt(), i+1)
			}
			if got, ok := b.Next(0); !ok || got != time.Duration(r*float64(ceiling)) {
				t.Errorf("jitter %v, wait %d: got %v, %v", r, i+1, got, ok)
			}
		}
		if _, ok := b.Next(0); ok {
			t.Error("a seventh attempt was allowed")
		}
	}
}

func TestBackoffNeverWaitsLessThanAsked(t *testing.T) {
	t.Parallel()
	for _, r := range []float64{0, 0.999} {
		c := wire.New(wire.Options{Rand: func() float64 { return r }})
		got, ok := c.Backoff(wire.Policy{Base: time.Second, Max: time.Minute}).Next(20 * time.Second)
		if !ok || got < 20*time.Second || got > 22*time.Second {
			t.Errorf("jitter %v: got %v, %v", r, got, ok)
		}
	}
}

func TestBackoffKeepsItsBudget(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock(noon)
	c := wire.New(wire.Options{Clock: clock, Rand: func() float64 { return 0 }})
	b := c.Backoff(wire.Policy{Base: time.Second, Max: time.Minute, Budget: time.Minute})
	if _, ok := b.Next(50 * time.Second); !ok {
		t.Error("50 of 60 seconds were refused")
	}
	clock.Advance(50 * time.Second)
	if d, ok := b.Next(20 * time.Second); ok || d != 20*time.Second {
		t.Errorf("beyond the budget: got %v, %v", d, ok)
	}
}
