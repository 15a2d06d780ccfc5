package scim

import (
	"context"
	"sync"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

const (
	breakAfter  = 10          // results in a row that say the server is not there
	firstBreak  = time.Minute // how long nothing is sent then
	longBreak   = 15 * time.Minute
	patientUpTo = 2 * time.Minute // a longer break is not waited for: the connection is broken
)

// breaker stops sending to a server that is not there (20.4). Callers wait out the first breaks,
// after each of which one of them asks whether the server is back; when it is not, again and again,
// calls fail at once and the cycle stops, until a break is over.
type breaker struct {
	clock wire.Clock

	mu      sync.Mutex
	failed  int           // in a row
	length  time.Duration // of the break; 0: closed
	until   time.Time
	probing chan struct{} // closed when the one who tries has its answer
}

// pass returns when a request may be sent. Each pass is followed by one result. probe asks the caller
// to find out first whether the server is back, with a request that cannot fail for its own sake.
func (b *breaker) pass(ctx context.Context) (probe bool, err error) {
	for {
		b.mu.Lock()
		if b.length == 0 {
			b.mu.Unlock()
			return false, nil
		}
		left := b.until.Sub(b.clock.Now())
		if left > 0 && b.length > patientUpTo {
			b.mu.Unlock()
			return false, &engine.TargetError{Outcome: engine.OutcomeQuarantine, Code: engine.CodeTransport,
				Detail: "the target has not answered for some time; nothing is sent to it for a while"}
		}
		other := b.probing
		if left <= 0 && other == nil {
			b.probing = make(chan struct{})
			b.mu.Unlock()
			return true, nil
		}
		b.mu.Unlock()
		if left > 0 {
			if err := b.clock.Sleep(ctx, left); err != nil {
				return false, err
			}
			continue
		}
		select {
		case <-other:
		case <-ctx.Done():
			return false, ended(ctx)
		}
	}
}

// result tells what came of a request; cancelled ones tell nothing.
func (b *breaker) result(alive, cancelled bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	probe := b.probing
	switch {
	case cancelled:
	case alive:
		b.failed, b.length = 0, 0
	case b.length == 0:
		if b.failed++; b.failed >= breakAfter {
			b.open(firstBreak)
		}
	case probe != nil:
		b.open(min(2*b.length, longBreak))
	}
	if probe != nil {
		b.probing = nil
		close(probe)
	}
}

func (b *breaker) open(d time.Duration) {
	b.length = d
	b.until = b.clock.Now().Add(d)
}
