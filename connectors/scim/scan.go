package scim

import (
	"context"
	"strings"
	"sync"

	"golang.org/x/text/unicode/norm"

	"github.com/scimsync/scimsync/engine"
)

// scans holds what was listed in place of searching (9.7): everything once per cycle.
type scans struct {
	mu    sync.Mutex
	kinds map[engine.Kind]*scanned
}

// scanned is one listing, indexed by the values that were asked for so far.
type scanned struct {
	epoch int
	all   []resource
	by    map[string]map[string][]int // path key, folded value
}

// scan finds objects without filters. An untrustworthy listing means no match and no conclusion.
func (c *Client) scan(ctx context.Context, k engine.Kind, by []engine.Value) ([]resource, engine.Path, error) {
	unlock, err := c.locks.lock(ctx, "scan\x00"+string(k)) // one lists, the others wait
	if err != nil {
		return nil, engine.Path{}, err
	}
	s, err := c.everything(ctx, k)
	unlock()
	if err != nil {
		return nil, engine.Path{}, err
	}
	c.scans.mu.Lock()
	defer c.scans.mu.Unlock()
	for _, v := range by {
		if empty(v.Value) {
			continue
		}
		var found []resource
		for _, i := range s.index(v.Path)[foldText(v.Value)] {
			if got := v.Path.Read(s.all[i].Attributes); text(got) == text(v.Value) || c.sameValue(k, v, got) {
				found = append(found, s.all[i])
			}
		}
		if len(found) > 0 {
			return found, v.Path, nil
		}
	}
	return nil, engine.Path{}, nil
}

// everything lists all objects of a kind, unless that was done in this cycle.
func (c *Client) everything(ctx context.Context, k engine.Kind) (*scanned, error) {
	epoch := c.tally.cycle()
	c.scans.mu.Lock()
	s := c.scans.kinds[k]
	c.scans.mu.Unlock()
	if s != nil && s.epoch == epoch {
		return s, nil
	}
	s = &scanned{epoch: epoch, by: map[string]map[string][]int{}}
	complete, err := c.List(ctx, k, func(r engine.Resource) error {
		s.all = append(s.all, resource{Resource: r})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !complete {
		return nil, c.fail(engine.OutcomeEscrow, engine.CodePaginationBroken, "the listing that stands in for a search is not complete")
	}
	c.scans.mu.Lock()
	defer c.scans.mu.Unlock()
	if c.scans.kinds == nil {
		c.scans.kinds = map[engine.Kind]*scanned{}
	}
	c.scans.kinds[k] = s
	return s, nil
}

// index returns the resources by their value at a path; the caller holds the lock of scans.
func (s *scanned) index(p engine.Path) map[string][]int {
	m := s.by[p.Key()]
	if m == nil {
		m = make(map[string][]int, len(s.all))
		for i := range s.all {
			if v := p.Read(s.all[i].Attributes); v != nil {
				m[foldText(v)] = append(m[foldText(v)], i)
			}
		}
		s.by[p.Key()] = m
	}
	return m
}

func foldText(v any) string { return strings.ToLower(norm.NFC.String(text(v))) }
