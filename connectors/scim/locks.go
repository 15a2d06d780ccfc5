package scim

import (
	"context"
	"sync"

	"github.com/scimsync/scimsync/engine"
)

// keyedLocks serialises writes to one object (21.1). The zero value is ready to use.
type keyedLocks struct {
	mu   sync.Mutex
	held map[string]*keyedLock
}

type keyedLock struct {
	turn  chan struct{}
	users int
}

// lock waits for the key, or for the end of ctx. The function returned gives it back.
func (l *keyedLocks) lock(ctx context.Context, key string) (func(), error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*keyedLock{}
	}
	k := l.held[key]
	if k == nil {
		k = &keyedLock{turn: make(chan struct{}, 1)}
		l.held[key] = k
	}
	k.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		if k.users--; k.users == 0 {
			delete(l.held, key)
		}
		l.mu.Unlock()
	}
	select {
	case k.turn <- struct{}{}:
		return func() { <-k.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ended(ctx)
	}
}

// lockObject serialises writes to one resource, and all group writes if the configuration says so.
func (c *Client) lockObject(ctx context.Context, k engine.Kind, id string) (func(), error) {
	if k == engine.Group && c.set.SerialGroups {
		return c.locks.lock(ctx, "groups")
	}
	return c.locks.lock(ctx, string(k)+"\x00"+id)
}
