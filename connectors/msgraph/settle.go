package msgraph

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"

	"github.com/scimsync/scimsync/engine"
)

// settle reads what the round left in doubt and adds the truth to its last page, where it comes
// after everything that was told before.
func (r *round) settle(ctx context.Context, p *engine.Page) error {
	if len(r.doubt) > 0 {
		found, err := r.s.Lookup(ctx, r.kind, slices.Sorted(maps.Keys(r.doubt)))
		if err != nil {
			return err
		}
		p.Objects = append(p.Objects, found...)
	}
	for _, user := range slices.Sorted(maps.Keys(r.several)) {
		if err := r.settleManager(ctx, user, p); err != nil {
			return err
		}
	}
	byGroup := map[string][]string{}
	for _, pair := range r.pairList() {
		byGroup[pair[0]] = append(byGroup[pair[0]], pair[1])
	}
	for _, group := range slices.Sorted(maps.Keys(byGroup)) {
		if err := r.settleMembers(ctx, group, byGroup[group], p); err != nil {
			return err
		}
	}
	return nil
}

// settleManager asks for the manager of a user of whom several were told (R13).
func (r *round) settleManager(ctx context.Context, user string, p *engine.Page) error {
	var now string
	err := r.s.fetch(ctx, call{place: atObject, template: "users/{id}/manager", permission: "User.Read.All",
		url: r.s.at("users/"+url.PathEscape(user)+"/manager", "$select=id")}, func(a *answer) error {
		o, err := readObject(a)
		now = identity(o)
		return err
	})
	if err != nil && !errors.Is(err, errMissing) {
		return err
	}
	from := engine.Ref{Kind: engine.User, ID: user}
	for _, m := range slices.Sorted(maps.Keys(r.manages[user])) {
		if m != now {
			p.Edges = append(p.Edges, engine.Edge{From: from, Relation: engine.Manager, To: engine.Ref{Kind: engine.User, ID: m}, Removed: true})
		}
	}
	if now != "" {
		p.Edges = append(p.Edges, engine.Edge{From: from, Relation: engine.Manager, To: engine.Ref{Kind: engine.User, ID: now}})
	}
	return nil
}

// settleMembers reads the members of a group (R6) and tells of the doubtful ones what is true. A
// group that is gone meanwhile has no members; its own removal comes with its own entry.
func (r *round) settleMembers(ctx context.Context, group string, doubtful []string, p *engine.Page) error {
	members := map[string]engine.Kind{}
	c := call{place: atObject, template: "groups/{id}/members", permission: "GroupMember.Read.All",
		url: r.s.at("groups/"+url.PathEscape(group)+"/members", "$select=id&$top=999")}
	err := r.s.each(ctx, c, func(item map[string]any) error {
		refs, err := references(map[string]any{"": []any{item}}, "")
		if err == nil && refs[0].kind != "" {
			members[refs[0].id] = refs[0].kind
		}
		return err
	})
	if errors.Is(err, errMissing) {
		return nil
	}
	if err != nil {
		return err
	}
	from := engine.Ref{Kind: engine.Group, ID: group}
	for _, id := range doubtful {
		if k, is := members[id]; is {
			p.Edges = append(p.Edges, engine.Edge{From: from, Relation: engine.Member, To: engine.Ref{Kind: k, ID: id}})
			continue
		}
		for _, k := range []engine.Kind{engine.User, engine.Group} {
			p.Edges = append(p.Edges, engine.Edge{From: from, Relation: engine.Member, To: engine.Ref{Kind: k, ID: id}, Removed: true})
		}
	}
	return nil
}

// maxListPages bounds a list: nothing that is read whole has more.
const maxListPages = 20_000

// each reads a list that has no delta to its end, page by page, by the links it gives (GS-RQ-2). A
// damaged page is read again, so item may be called with the same item twice.
func (s *Source) each(ctx context.Context, c call, item func(map[string]any) error) error {
	seen := map[string]bool{}
	for len(seen) < maxListPages {
		var l list
		err := s.fetch(ctx, c, func(a *answer) error {
			var err error
			if l, err = s.readList(a); err != nil {
				return err
			}
			for _, it := range l.items {
				if err := item(it); err != nil {
					return err
				}
			}
			return nil
		})
		if errors.Is(err, engine.ErrCursorExpired) {
			e := c.fail(engine.CodeSourceUnavailable, 0, nil, "the list broke off in the middle; it was not used, the next cycle reads it again")
			e.Transient = true
			return e
		}
		if err != nil {
			return err
		}
		if l.next == "" {
			return nil
		}
		if seen[l.next] {
			break
		}
		seen[l.next] = true
		if c.url, err = url.Parse(l.next); err != nil {
			return c.fail(engine.CodeSourcePage, 200, nil, "the page has a link that is no URL")
		}
		c.place = atLink
	}
	e := c.fail(engine.CodeSourceLoop, 200, nil, "the list does not end")
	e.Transient = true
	return e
}
