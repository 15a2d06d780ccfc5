package scim

import (
	"context"
	"math/bits"
	"net/http"
	"sync"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// Sizes from which the length of a list of members may be where the server cuts it (16.7).
const (
	smallestCap = 20 // as the length of several groups
	smallestOdd = 50 // as a round number
)

// maxMembers of one group are read.
const maxMembers = 2_000_000

// memberSight is what reads of groups have shown about how far members can be believed (16.7).
type memberSight struct {
	mu    sync.Mutex
	shown bool
	most  int             // members of the largest group that was shown
	at    map[string]bool // groups that were shown with that many
}

// Members implements [engine.MemberLister]. The list is complete when nothing speaks against it: members were
// seen on this connection at all, every entry could be read, and its length is not where servers are known to
// cut. members.readable "no" in the configuration asks for nothing and is never complete; "yes" vouches that an empty list
// means nobody. A group that is gone is an error with [engine.OutcomeRematch].
func (c *Client) Members(ctx context.Context, group string, yield func(id string) error) (bool, error) {
	if c.set.Members.Readable == "no" {
		return false, nil
	}
	m, err := c.readMembers(ctx, group)
	if err != nil {
		return false, c.settled(ctx, err)
	}
	for _, id := range m.ids {
		if err := yield(id); err != nil {
			return false, err
		}
	}
	return c.believed(group, m), nil
}

// believed reports whether a list of members lacks nothing.
func (c *Client) believed(group string, m memberList) bool {
	s, n := &c.sight, len(m.ids)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case n > s.most:
		s.most, s.at = n, map[string]bool{group: true}
	case n == s.most && n > 0:
		s.at[group] = true
	}
	s.shown = s.shown || n > 0
	switch {
	case m.odd:
		return false
	case n == 0:
		return c.set.Members.Readable == "yes" || s.shown && c.members.state() != removalUnreadable
	case n < s.most: // a larger group was shown whole or cut, so this one was not cut
		return true
	}
	round := n >= smallestOdd && (n%50 == 0 || bits.OnesCount(uint(n)) == 1)
	return !round && (n < smallestCap || len(s.at) == 1)
}

// memberList is what one answer tells about the members of a group.
type memberList struct {
	ids   []string // each once
	shown bool     // there is a members attribute
	odd   bool     // with entries that name nobody
}

// readMembers reads a group for its members. What the server cannot do is asked for in another way: without
// selecting attributes, or with the ids alone.
func (c *Client) readMembers(ctx context.Context, group string) (memberList, error) {
	if group == "" {
		return memberList{}, c.fail(engine.OutcomeRematch, engine.CodeGone, "no id is known")
	}
	m, err := c.askMembers(ctx, group, "attributes=members")
	if f := asFailure(err); f != nil && (f.status == http.StatusBadRequest || f.status == http.StatusNotImplemented) {
		return c.askMembers(ctx, group, "")
	}
	if asTooLarge(err) {
		m, err = c.askMembers(ctx, group, "attributes=members.value")
	}
	if asTooLarge(err) {
		c.log.Warn("a group has more members than one answer may hold; they are not compared", zap.Int64("bytes", c.set.Limits.BodyBytes))
		return memberList{odd: true}, nil
	}
	return m, err
}

func (c *Client) askMembers(ctx context.Context, group, query string) (memberList, error) {
	path, template := itemPath(engine.Group, group)
	rep, err := c.send(ctx, request{op: opGet, kind: engine.Group, method: http.MethodGet, path: path, template: template, query: query})
	if err != nil {
		return memberList{}, err
	}
	if rep.status == http.StatusAccepted || rep.status == http.StatusNoContent {
		return memberList{}, c.badAnswer(opGet, rep.status, "the answer has no resource")
	}
	lim := c.set.limits
	lim.items = maxMembers
	v, err := parseJSON(rep.body, lim)
	if err != nil {
		return memberList{}, c.badAnswer(opGet, rep.status, notJSON(rep.body, err))
	}
	doc, ok := v.(object)
	if !ok {
		return memberList{}, c.badAnswer(opGet, rep.status, errNotObject.Error())
	}
	if l, ok := doc.at("Resources").([]any); ok && len(l) == 1 { // a list of the one group
		if o, ok := l[0].(object); ok {
			doc = o
		}
	}
	if idText(doc.at("id")) != group {
		return memberList{}, c.badAnswer(opGet, rep.status, "the resource has another id than the one asked for")
	}
	return membersOf(doc), nil
}

// membersOf reads the members of a group: objects with a value or just a $ref, or bare ids.
func membersOf(doc object) memberList {
	v, shown := doc.get("members")
	m := memberList{shown: shown}
	seen := map[string]bool{}
	for _, e := range asList(v) {
		id := idText(e)
		if o, ok := e.(object); ok {
			if id = idText(o.at("value")); id == "" {
				id = lastSegment(scalar(o.at("$ref")))
			}
		}
		switch {
		case id == "":
			m.odd = true
		case !seen[id]:
			seen[id] = true
			m.ids = append(m.ids, id)
		}
	}
	return m
}
