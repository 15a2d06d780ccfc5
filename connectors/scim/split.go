package scim

import (
	"context"
	"net/http"
	"sync"

	"github.com/scimsync/scimsync/engine"
)

// maxSplit is how many further requests one object may cost when its changes are sent apart (13.9).
const maxSplit = 12

// divisible reports whether sending the changes apart may help: something in the request was
// refused, not the request as such.
func (f *failure) divisible() bool {
	switch f.status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge, http.StatusInternalServerError:
		return f.said.scimType != "invalidVers"
	}
	return false
}

// split sends changes apart, so that one bad attribute does not block the others: names and mail
// addresses first, then halves, down to single ones. What failed is reported; the rest is applied.
func (u *updating) split(ctx context.Context, changes []engine.AttributeChange, f *failure) error {
	if f.said.scimType == "mutability" {
		if rest, named := u.withoutNamed(changes, f); named {
			if len(rest) == 0 {
				return nil
			}
			return u.carryOut(ctx, stageRest, rest)
		}
	}
	first, rest := identity(u.k, changes)
	var failed error
	for _, part := range [][]engine.AttributeChange{first, rest} {
		if len(part) == 0 || len(part) == len(changes) {
			continue
		}
		if err := u.half(ctx, part); err != nil {
			failed = worse(failed, err)
			if asFailure(err) == nil {
				return err
			}
		}
	}
	if len(first) > 0 && len(rest) > 0 {
		return failed
	}
	return u.halves(ctx, changes, f)
}

func worse(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// identity separates the changes of what names a person from the rest.
func identity(k engine.Kind, changes []engine.AttributeChange) (first, rest []engine.AttributeChange) {
	for _, ch := range changes {
		if isName(k, ch.Path) || ch.Path.URN == "" && ch.Path.Attribute == "emails" {
			first = append(first, ch)
		} else {
			rest = append(rest, ch)
		}
	}
	return first, rest
}

// half sends a part and divides it further if it is refused.
func (u *updating) half(ctx context.Context, part []engine.AttributeChange) error {
	if u.extra++; u.extra > maxSplit {
		return &failure{op: opUpdate, status: http.StatusBadRequest, said: scimError{detail: "too many of the changes were refused; the rest was not sent"}}
	}
	err := u.apply(ctx, part)
	f := asFailure(err)
	switch {
	case f == nil || !f.divisible():
		return err
	case len(part) == 1:
		return u.single(&part[0], f)
	}
	return u.halves(ctx, part, f)
}

func (u *updating) halves(ctx context.Context, changes []engine.AttributeChange, _ *failure) error {
	mid := len(changes) / 2
	var failed error
	for _, part := range [][]engine.AttributeChange{changes[:mid], changes[mid:]} {
		if err := u.half(ctx, part); err != nil {
			if asFailure(err) == nil {
				return err
			}
			failed = worse(failed, err)
		}
	}
	return failed
}

// single names the one change that the server refuses.
func (u *updating) single(ch *engine.AttributeChange, f *failure) error {
	if f.said.scimType == "mutability" {
		u.c.lessons.noteImmutable(u.k, ch.Path.Key())
		u.immutable(ch, f)
		return nil
	}
	named := *f
	named.said.detail = ch.Path.String() + " was refused: " + f.said.detail
	return &named
}

// withoutNamed takes out the attribute that a mutability error names.
func (u *updating) withoutNamed(changes []engine.AttributeChange, f *failure) ([]engine.AttributeChange, bool) {
	for i := range changes {
		if !f.names(changes[i].Path) {
			continue
		}
		u.c.lessons.noteImmutable(u.k, changes[i].Path.Key())
		u.immutable(&changes[i], f)
		rest := append([]engine.AttributeChange{}, changes[:i]...)
		return append(rest, changes[i+1:]...), true
	}
	return nil, false
}

// loopGuard remembers values that a server stores differently than sent (17.6). After two rounds
// with the same value it is not sent again until something else is wanted.
type loopGuard struct {
	mu   sync.Mutex
	seen map[string]loop
}

type loop struct {
	sent  string
	got   any
	times int
}

const (
	loopAfter = 2
	maxLoops  = 100_000 // objects and attributes remembered; what is beyond is patched again
)

func loopKey(k engine.Kind, id, key string) string { return string(k) + "\x00" + id + "\x00" + key }

func (g *loopGuard) differs(k engine.Kind, id, key string, sent, got any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen == nil {
		g.seen = map[string]loop{}
	}
	name, s := loopKey(k, id, key), string(appendValue(nil, sent))
	l, known := g.seen[name]
	if !known && len(g.seen) >= maxLoops {
		return
	}
	if l.sent != s {
		l = loop{sent: s}
	}
	l.got = got
	l.times++
	g.seen[name] = l
}

func (g *loopGuard) stuck(k engine.Kind, id, key string, want any) (any, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.seen) == 0 {
		return nil, false
	}
	l, known := g.seen[loopKey(k, id, key)]
	if !known || l.times < loopAfter || l.sent != string(appendValue(nil, want)) {
		return nil, false
	}
	return l.got, true
}
