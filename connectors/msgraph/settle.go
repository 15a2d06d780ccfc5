package msgraph

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"net/url"
	"slices"

	"github.com/scimsync/scimsync/engine"
)

// A doubtSet collects doubts, each once.
type doubtSet struct {
	objects           map[string]bool
	members, managers map[[2]string]bool
}

func newDoubtSet(d doubts) doubtSet {
	s := doubtSet{objects: map[string]bool{}, members: map[[2]string]bool{}, managers: map[[2]string]bool{}}
	s.add(d)
	return s
}

func (s doubtSet) add(d doubts) {
	for _, id := range d.Objects {
		s.objects[id] = true
	}
	for _, p := range d.Members {
		s.members[p] = true
	}
	for _, p := range d.Managers {
		s.managers[p] = true
	}
}

func (s doubtSet) list() doubts {
	return doubts{Objects: slices.Sorted(maps.Keys(s.objects)), Members: sortedPairs(s.members), Managers: sortedPairs(s.managers)}
}

func sortedPairs(m map[[2]string]bool) [][2]string {
	return slices.SortedFunc(maps.Keys(m), func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
}

// byFirst groups sorted pairs by their first element.
func byFirst(pairs [][2]string) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for len(pairs) > 0 {
			first, n := pairs[0][0], 0
			var seconds []string
			for ; n < len(pairs) && pairs[n][0] == first; n++ {
				seconds = append(seconds, pairs[n][1])
			}
			if !yield(first, seconds) {
				return
			}
			pairs = pairs[n:]
		}
	}
}

// due are the doubts to settle in this round, and those for the next: what is in doubt now is asked
// in both, because the answer may come from a replica that is behind the feed. What was in doubt
// before is asked when the feed had nothing new to tell about it, whose word would be newer.
func (r *round) due() (now, later doubts) {
	all, next := newDoubtSet(r.now.list()), newDoubtSet(r.now.list())
	for id := range r.again.objects {
		_, live := r.live[hashOf(id)]
		choose(live || r.removed[id], next.objects, all.objects)[id] = true
	}
	for p := range r.again.members {
		key := hashOf(p[0], p[1])
		choose(r.left[key] || r.joined[key], next.members, all.members)[p] = true
	}
	for p := range r.again.managers {
		choose(r.manages[p[0]] != nil, next.managers, all.managers)[p] = true
	}
	return all.list(), next.list()
}

func choose[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// settle reads what is in doubt and adds the truth to the last page, where it comes after
// everything that was told before. It returns what the next round has to ask again.
func (r *round) settle(ctx context.Context, p *engine.Page) (doubts, error) {
	d, later := r.due()
	return later, r.ask(ctx, d, p)
}

func (r *round) ask(ctx context.Context, d doubts, p *engine.Page) error {
	if len(d.Objects) > 0 {
		found, err := r.s.Lookup(ctx, r.kind, d.Objects)
		if err != nil {
			return err
		}
		for _, o := range found {
			// That somebody is gone for good cannot be undone at the target. It has to be told by the
			// feed as well, or still hold when it is asked again in the next round.
			if o.State != engine.HardDeleted || r.gone[o.ID] || r.again.objects[o.ID] {
				p.Objects = append(p.Objects, o)
			}
		}
	}
	if err := r.settleManagers(ctx, d.Managers, p); err != nil {
		return err
	}
	for group, members := range byFirst(d.Members) {
		if err := r.settleMembers(ctx, group, members, p); err != nil {
			return err
		}
	}
	return nil
}

// settleManagers asks for the managers of users of whom several were told (R13).
func (r *round) settleManagers(ctx context.Context, doubtful [][2]string, p *engine.Page) error {
	var users []string
	for user := range byFirst(doubtful) {
		users = append(users, user)
	}
	found, err := r.s.read(ctx, call{place: atObject, template: "users/{id}/manager", permission: "User.Read.All", relation: true}, users,
		func(id string) (string, string) { return "users/" + url.PathEscape(id) + "/manager", "$select=id" })
	if err != nil {
		return err
	}
	for user, told := range byFirst(doubtful) {
		from, now := engine.Ref{Kind: engine.User, ID: user}, identity(found[user])
		for _, m := range told {
			if m != now {
				p.Edges = append(p.Edges, engine.Edge{From: from, Relation: engine.Manager, To: engine.Ref{Kind: engine.User, ID: m}, Removed: true})
			}
		}
		if now != "" {
			p.Edges = append(p.Edges, engine.Edge{From: from, Relation: engine.Manager, To: engine.Ref{Kind: engine.User, ID: now}})
		}
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
		id, k, err := asMember(item)
		if k != "" {
			members[id] = k
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

// asMember reads one item of a list of members; of types that are not provisioned the kind is "".
func asMember(item map[string]any) (string, engine.Kind, error) {
	refs, err := references(map[string]any{"": []any{item}}, "")
	if err != nil {
		return "", "", err
	}
	return refs[0].id, refs[0].kind, nil
}

// maxListPages bounds a list: nothing that is read whole has more.
const maxListPages = 20_000

// each reads a list that has no delta to its end, page by page, by the links it gives (GS-RQ-2). A
// damaged page is read again, so item may be called with the same item twice.
func (s *Source) each(ctx context.Context, c call, item func(map[string]any) error) error {
	return s.pages(ctx, c, nil, item)
}

// pages is each for a list that need not be read whole: more, if it is set, is asked before another page is read.
func (s *Source) pages(ctx context.Context, c call, more func() bool, item func(map[string]any) error) error {
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
		if l.next == "" || more != nil && !more() {
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
