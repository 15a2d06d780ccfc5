package msgraph

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

// A position is what a cursor of a delta feed holds: the link to go on with, and what a round that
// is resumed must not have forgotten. It is stored as JSON.
type position struct {
	Link string `json:"link"` // byte for byte as Graph gave it
	Open bool   `json:"open,omitempty"`
	Full bool   `json:"full,omitempty"`
	// Removed are objects that the round told to be removed so far, Gone those for good.
	Removed []string `json:"removed,omitempty"`
	Gone    []string `json:"gone,omitempty"`
	// Memory is nil if the round was too long to be remembered.
	Memory *memory `json:"memory,omitempty"`
	// Now is what the round left in doubt so far, Again what the round before did: a single read may
	// be answered by a replica that is behind the feed, so that it is asked once more a round later.
	Now   doubts `json:"now,omitzero"`
	Again doubts `json:"again,omitzero"`
}

// doubts are what entries of a round contradict each other about.
type doubts struct {
	Objects  []string    `json:"objects,omitempty"`
	Members  [][2]string `json:"members,omitempty"`  // group, member
	Managers [][2]string `json:"managers,omitempty"` // user, a manager that was told
}

// maxRemembered bounds what goes into a cursor. Contradictions beyond it are settled by order of
// arrival if the round is also broken off.
const maxRemembered = 2000

func (p position) cursor() (engine.Cursor, error) {
	p.Removed, p.Gone = p.Removed[:min(len(p.Removed), maxRemembered)], p.Gone[:min(len(p.Gone), maxRemembered)]
	for _, d := range []*doubts{&p.Now, &p.Again} {
		d.Objects = d.Objects[:min(len(d.Objects), maxRemembered)]
		d.Members = d.Members[:min(len(d.Members), maxRemembered)]
		d.Managers = d.Managers[:min(len(d.Managers), maxRemembered)]
	}
	b, err := json.Marshal(p)
	return engine.Cursor(b), err
}

// delta reads one round of a feed of users or groups.
func (s *Source) delta(ctx context.Context, k engine.Kind, from engine.Cursor, yield func(engine.Page, error) bool) error {
	var at position
	if from != "" {
		if err := json.Unmarshal([]byte(from), &at); err != nil || at.Link == "" {
			return fmt.Errorf("%w (it was not made by this version)", engine.ErrCursorExpired)
		}
	}
	r := newRound(s, k, from == "" || at.Full, at)
	link := at.Link
	for {
		l, err := s.deltaPage(ctx, r, link)
		if err != nil {
			return err
		}
		page, err := r.page(l)
		if err != nil {
			return err
		}
		next := position{Link: l.next, Open: true, Full: r.full, Now: r.now.list(), Again: r.again.list()}
		if l.delta == "" {
			next.Removed, next.Gone, next.Memory = slices.Sorted(maps.Keys(r.removed)), slices.Sorted(maps.Keys(r.gone)), r.memory()
		} else {
			later, err := r.settle(ctx, &page)
			if err != nil {
				return err
			}
			next, page.Done = position{Link: l.delta, Again: later}, true
		}
		if page.Next, err = next.cursor(); err != nil {
			return err
		}
		s.log.Debug("page of a feed", zap.String("object_type", string(k)), zap.Int("page", r.pages), zap.Int("count", len(l.items)),
			zap.Int("edges", len(page.Edges)), zap.Bool("full", r.full), zap.Bool("last", page.Done))
		if !yield(page, nil) || page.Done {
			r.report()
			return nil
		}
		link = l.next
	}
}

// deltaPage gets the page behind a link, or with "" the first of a full read.
func (s *Source) deltaPage(ctx context.Context, r *round, link string) (list, error) {
	c := call{place: atLink, template: r.path(), permission: "User.Read.All"}
	if r.full {
		c.priority = lowPriority
	}
	if r.kind == engine.Group {
		c.permission = "GroupMember.Read.All (or Group.Read.All)"
	}
	if link == "" {
		c.place, c.asks = atStart, "$select="+s.selection(r.kind).delta
		c.url = s.at(c.template, c.asks)
	} else {
		u, err := url.Parse(link)
		if err != nil {
			return list{}, fmt.Errorf("%w (it is no URL)", engine.ErrCursorExpired)
		}
		if !wire.SameOrigin(u, s.root) {
			return list{}, foreign()
		}
		c.url = u
	}
	var l list
	err := s.fetch(ctx, c, func(a *answer) error {
		var err error
		l, err = s.readList(a)
		if err == nil {
			err = r.check(l)
		}
		return err
	})
	if err != nil {
		return list{}, err
	}
	return l, r.guard(link, l)
}
