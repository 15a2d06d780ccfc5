package msgraph

import (
	"strings"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// A round is one pass of a delta feed. It turns entries into facts and remembers what it takes to
// notice that entries contradict each other: their order of arrival is not promised to be that of
// the events (GS-MG-1). What is in doubt is read singly before the last page goes out.
type round struct {
	s      *Source
	kind   engine.Kind
	full   bool
	forgot bool // what earlier pages told is not known any more

	removed map[string]bool              // objects told to be removed
	gone    map[string]bool              // of these, told to be gone for good
	live    map[uint64]uint64            // hash of an object told to be live → digest of its attributes
	left    map[uint64]bool              // memberships told to have ended
	joined  map[uint64]bool              // memberships told to exist
	manages map[string]map[string]toldOf // managers told of users, in incremental rounds

	now   doubtSet // of this round
	again doubtSet // of the round before

	pages    int
	contents map[uint64]bool   // of pages that were not empty
	links    map[uint64]uint64 // link → content
	repeats  int

	ignored, unknown int // members of other types; removals for unknown reasons
}

// maxJoined bounds the memory for memberships. Beyond it every ended membership counts as doubtful.
const maxJoined = 1 << 20

func newRound(s *Source, k engine.Kind, full bool, at position) *round {
	r := &round{
		s: s, kind: k, full: full, forgot: at.Open && at.Memory == nil,
		removed: map[string]bool{}, gone: map[string]bool{}, live: map[uint64]uint64{}, left: map[uint64]bool{}, joined: map[uint64]bool{},
		manages: map[string]map[string]toldOf{}, now: newDoubtSet(at.Now), again: newDoubtSet(at.Again),
		contents: map[uint64]bool{}, links: map[uint64]uint64{},
	}
	for _, id := range at.Removed {
		r.removed[id] = true
	}
	for _, id := range at.Gone {
		r.gone[id] = true
	}
	if at.Memory != nil {
		r.recall(at.Memory)
	}
	return r
}

func (r *round) path() string { return string(r.kind) + "s/delta" }

// check finds pages of a delta feed that cannot be right: each has exactly one link (GS-DL-2, 4),
// and annotations have the documented shapes.
func (r *round) check(l list) error {
	if (l.next == "") == (l.delta == "") {
		return &damaged{"the page has not exactly one of nextLink and deltaLink"}
	}
	for _, item := range l.items {
		for _, name := range []string{"members@delta", "manager@delta"} {
			if _, err := references(item, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// guard stops a feed that never ends (GS-DL-7): the same link with the same content, content that
// comes again and again, or far more pages than what they told accounts for.
func (r *round) guard(link string, l list) error {
	r.pages++
	content, key := hash64(l.raw), hashOf(link)
	before, again := r.links[key]
	r.links[key] = content
	if len(l.items) > 0 {
		if r.contents[content] {
			r.repeats++
		}
		r.contents[content] = true
	}
	told := len(r.live) + len(r.removed) + (len(r.joined)+len(r.left))/10
	if again && before == content || r.repeats > 100 || r.pages > 4*told+1000 {
		return &engine.SourceError{Code: engine.CodeSourceLoop, Transient: true,
			Message: "the feed " + r.path() + " does not end: it gives the same pages again and again; nothing is wrong with the job, the next cycle starts again"}
	}
	return nil
}

// page turns the entries of a page into objects and edges, in their order.
func (r *round) page(l list) (engine.Page, error) {
	p := engine.Page{Objects: make([]engine.Object, 0, len(l.items))}
	for _, item := range l.items {
		if err := r.entry(item, &p); err != nil {
			return engine.Page{}, err
		}
	}
	return p, nil
}

// entry is one item: a removal, or news about a live object (GS-MG-2).
func (r *round) entry(item map[string]any, p *engine.Page) error {
	ref := engine.Ref{Kind: r.kind, ID: identity(item)}
	if tomb, ok := item["@removed"]; ok && tomb != nil {
		r.sawRemoved(ref.ID)
		o := engine.Object{Ref: ref, State: r.fate(tomb), Partial: true}
		if o.State == engine.HardDeleted {
			r.gone[ref.ID] = true
		}
		p.Objects = append(p.Objects, o)
		return nil
	}
	o := engine.Object{Ref: ref, State: engine.Active, Partial: true, Attributes: r.s.selection(r.kind).attributes(item)}
	o.Conveys = conveys(o)
	r.sawLive(o)
	p.Objects = append(p.Objects, o)
	if r.kind == engine.Group {
		return r.members(ref, item, p)
	}
	return r.manager(ref, item, p)
}

// conveys is the flag of an object that says so; of a partial group without it nothing is known,
// and the engine goes by the attribute.
func conveys(o engine.Object) bool {
	return o.Kind == engine.Group && o.State == engine.Active && o.Attributes["securityEnabled"] == true
}

// fate is the state that a removal leaves: "changed" is the recycle bin, "deleted" is for good
// (GS-GR-7: the reason counts, not the type of the object).
func (r *round) fate(tomb any) engine.LifeState {
	m, _ := tomb.(map[string]any)
	reason, _ := m["reason"].(string)
	switch reason {
	case "deleted":
		return engine.HardDeleted
	case "changed":
	default:
		r.unknown++ // as changed, which can be undone (GS-MG-5)
	}
	return engine.SoftDeleted
}

func (r *round) sawRemoved(id string) {
	if _, live := r.live[hashOf(id)]; live || r.forgot {
		r.now.objects[id] = true
	}
	r.removed[id] = true
}

// sawLive notices objects that were removed as well (GS-MG-4), and objects told twice with
// different values: one of them is old, and only a read tells which.
func (r *round) sawLive(o engine.Object) {
	if r.removed[o.ID] {
		r.now.objects[o.ID] = true
	}
	key := hashOf(o.ID)
	was, again := r.live[key]
	if len(o.Attributes) <= 1 { // the id alone: a slice of members
		if !again {
			r.live[key] = 0
		}
		return
	}
	now := digest(o.Attributes)
	if again && was != 0 && was != now {
		r.now.objects[o.ID] = true
	}
	r.live[key] = now
}

// A reference is one item of members@delta or manager@delta.
type reference struct {
	id      string
	kind    engine.Kind // "" for other types
	untyped bool
	removed bool
}

// references reads an annotation. Its absence is no news (GS-GR-4, GS-MN-2).
func references(item map[string]any, name string) ([]reference, error) {
	v, ok := item[name]
	if !ok || v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, &damaged{"the page has a " + name + " that is no list"}
	}
	refs := make([]reference, 0, len(list))
	for _, e := range list {
		m, _ := e.(map[string]any)
		ref := reference{id: identity(m), removed: m["@removed"] != nil}
		if ref.id == "" {
			return nil, &damaged{"the page has a " + name + " with an item without an id"}
		}
		typ, _ := m["@odata.type"].(string)
		switch strings.ToLower(strings.TrimPrefix(typ, "#")) {
		case "microsoft.graph.user":
			ref.kind = engine.User
		case "microsoft.graph.group":
			ref.kind = engine.Group
		case "":
			ref.kind, ref.untyped = engine.User, true
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// members adds edges; a slice of members never replaces the list (GS-GR-3).
func (r *round) members(g engine.Ref, item map[string]any, p *engine.Page) error {
	refs, err := references(item, "members@delta")
	if err != nil {
		return err
	}
	for _, m := range refs {
		if m.kind == "" {
			r.ignored++ // devices, service principals: not provisioned
			continue
		}
		r.sawMember(g.ID, m)
		p.Edges = append(p.Edges, engine.Edge{From: g, Relation: engine.Member, To: engine.Ref{Kind: m.kind, ID: m.id}, Removed: m.removed})
		if m.untyped && m.removed { // whichever it was, it is no member any more
			p.Edges = append(p.Edges, engine.Edge{From: g, Relation: engine.Member, To: engine.Ref{Kind: engine.Group, ID: m.id}, Removed: true})
		}
	}
	return nil
}

// sawMember notices memberships that were told to have ended and to exist in one round (GS-GR-8).
func (r *round) sawMember(group string, m reference) {
	key := hashOf(group, m.id)
	if m.removed {
		if r.joined[key] || r.forgot || len(r.joined) >= maxJoined {
			r.now.members[[2]string{group, m.id}] = true
		}
		r.left[key] = true
		return
	}
	if r.left[key] {
		r.now.members[[2]string{group, m.id}] = true
	}
	if len(r.joined) < maxJoined {
		r.joined[key] = true
	}
}

// manager adds the edge to the manager. An item without @removed is the manager, one with it was;
// both may come in one entry (GS-MN-1).
func (r *round) manager(u engine.Ref, item map[string]any, p *engine.Page) error {
	refs, err := references(item, "manager@delta")
	if err != nil {
		return err
	}
	live := map[string]bool{}
	for _, m := range refs {
		if !m.removed {
			live[m.id] = true
		}
	}
	r.sawManagers(u.ID, refs, live)
	for _, m := range refs {
		if m.removed && live[m.id] {
			continue
		}
		// A manager is a user; other types (organizational contacts) stay unresolved references.
		p.Edges = append(p.Edges, engine.Edge{From: u, Relation: engine.Manager, To: engine.Ref{Kind: engine.User, ID: m.id}, Removed: m.removed})
	}
	return nil
}

// sawManagers notices users of whom more than one manager was told, or one as ended and not. A full
// round, which tells the manager of everybody, remembers none.
func (r *round) sawManagers(user string, refs []reference, live map[string]bool) {
	if r.full && len(live) <= 1 {
		return
	}
	for _, m := range refs {
		switch {
		case !m.removed:
			r.told(user, m.id, isManager)
		case !live[m.id]:
			r.told(user, m.id, wasManager)
		}
	}
	n, both := 0, false
	for _, t := range r.manages[user] {
		if t.live {
			n++
		}
		both = both || t.live && t.ended
	}
	if n > 1 || both || r.forgot && len(refs) > 0 {
		for m := range r.manages[user] {
			r.now.managers[[2]string{user, m}] = true
		}
	}
}

// report tells what was left out of the round.
func (r *round) report() {
	if r.ignored > 0 || r.unknown > 0 {
		r.s.log.Debug("left out of a feed", zap.String("object_type", string(r.kind)),
			zap.Int("members_of_other_types", r.ignored), zap.Int("unknown_reasons", r.unknown))
	}
}
