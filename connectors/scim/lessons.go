package scim

import (
	"sync"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// lessons is what was learned about the server while writing (26.3). A repair that worked for two
// different objects becomes the shape that is tried first; when the server changes its mind, the
// opposite repair is learned the same way.
type lessons struct {
	mu        sync.RWMutex
	shape     shape
	proofs    map[string]string // name of a repair to the first object it worked for
	immutable map[string]bool   // kind and path that a server refuses to change
}

func (l *lessons) start(s shape) { l.shape = s }

func (l *lessons) current() shape {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.shape
}

func (l *lessons) media() media { return l.current().media }

// learnMedia remembers repair R8 at once: nothing about it depends on the object.
func (l *lessons) learnMedia(m media) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shape.media = max(l.shape.media, m)
}

// proved notes that a repair led to success for an object.
func (c *Client) proved(r repair, object string) {
	l := &c.lessons
	l.mu.Lock()
	defer l.mu.Unlock()
	if !r.learnable {
		return
	}
	learned := l.shape
	r.apply(&learned)
	first, known := l.proofs[r.name]
	switch {
	case learned == l.shape: // somebody else was faster
	case !known:
		if l.proofs == nil {
			l.proofs = map[string]string{}
		}
		l.proofs[r.name] = object
	case first != object:
		l.shape = learned
		delete(l.proofs, r.name)
		c.log.Info("learned the shape of requests that this target accepts", zap.String("repair", r.name))
	}
}

func (l *lessons) noteImmutable(k engine.Kind, key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.immutable == nil {
		l.immutable = map[string]bool{}
	}
	l.immutable[string(k)+" "+key] = true
}

func (l *lessons) isImmutable(k engine.Kind, key string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.immutable != nil && l.immutable[string(k)+" "+key]
}
