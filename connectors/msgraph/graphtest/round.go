package graphtest

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// A form is how an object appears in a delta round.
type form uint8

const (
	asLive    form = iota
	asRemoved      // @removed, reason changed: it can be restored
	asDeleted      // @removed, reason deleted
)

// An entry is one item of a round.
type entry struct {
	obj      *object // nil: a tombstone for an id that nobody knows
	form     form
	replay   bool // as of the previous round
	part     int8 // splitChanges: this entry carries the changes number part of parts
	parts    int8
	from, to int32 // slice of obj.edges; from == to: no members@delta
	news     int32 // how many of them are told
	ghost    uint64
}

// A round is the plan of one walk through a feed: all entries, cut into pages. It follows from the
// position alone, so that any page of it can be asked for at any time.
type round struct {
	entries []entry
	cuts    []int32 // page i is entries[cuts[i]:cuts[i+1]]
}

func (r *round) pages() int { return len(r.cuts) - 1 }

type roundKey struct {
	feed               string
	base, target, salt uint64
	lossy              bool
	selected, ids      string
}

// roundCache keeps the plans used last. A plan that fell out is made again.
type roundCache struct {
	keys  []roundKey
	plans map[roundKey]*round
}

const cachedRounds = 24

func (c *roundCache) get(k roundKey, plan func() *round) *round {
	if r := c.plans[k]; r != nil {
		return r
	}
	if c.plans == nil {
		c.plans = map[roundKey]*round{}
	}
	if len(c.keys) >= cachedRounds {
		delete(c.plans, c.keys[0])
		c.keys = c.keys[1:]
	}
	r := plan()
	c.keys = append(c.keys, k)
	c.plans[k] = r
	return r
}

func (p position) key() roundKey {
	return roundKey{p.Feed, p.Base, p.Target, p.Salt, p.Lossy, strings.Join(p.Select, ","), strings.Join(p.IDs, ",")}
}

// planRound lays out the round of a position.
func (s *Server) planRound(k kind, p position, sel selection) *round {
	return s.rounds.get(p.key(), func() *round {
		pl := planner{s: s, k: k, p: p, sel: sel, rng: seeded(s.world, p.Salt, p.Base, p.Target)}
		if len(p.IDs) > 0 {
			pl.only = map[string]bool{}
			for _, id := range p.IDs {
				pl.only[strings.ToLower(id)] = true
			}
		}
		if p.Base == 0 {
			pl.enumerate()
		} else {
			pl.increment()
		}
		pl.rng.Shuffle(len(pl.out), func(i, j int) { pl.out[i], pl.out[j] = pl.out[j], pl.out[i] })
		return pl.cut()
	})
}

type planner struct {
	s    *Server
	k    kind
	p    position
	sel  selection
	rng  *rand.Rand
	only map[string]bool
	out  []entry
}

func (pl *planner) wants(o *object) bool { return pl.only == nil || pl.only[o.id] }

// enumerate plans a first round: everything that lives, and some tombstones.
func (pl *planner) enumerate() {
	all := pl.s.dir.all[pl.k]
	pl.out = make([]entry, 0, len(all))
	for _, o := range all {
		if !pl.wants(o) {
			continue
		}
		switch o.stateAt(pl.p.Target) {
		case live:
			pl.emitLive(o, 0, pl.p.Target, 1)
		case softDeleted:
			if pl.s.settings.FirstRoundTombstones && pl.rng.Float64() < 0.5 {
				pl.out = append(pl.out, entry{obj: o, form: asRemoved})
			}
		case hardDeleted:
			if pl.s.settings.FirstRoundTombstones && pl.rng.Float64() < 0.25 {
				pl.out = append(pl.out, entry{obj: o, form: asDeleted})
			}
		}
	}
	if pl.s.settings.FirstRoundTombstones && pl.only == nil {
		for range len(pl.out) {
			if pl.rng.Float64() < 0.01 {
				pl.out = append(pl.out, entry{form: asDeleted, ghost: pl.rng.Uint64()})
			}
		}
	}
}

// increment plans a later round: what changed, and what is replayed.
func (pl *planner) increment() {
	dir, base, target := pl.s.dir, pl.p.Base, pl.p.Target
	changed := map[*object]bool{}
	for _, o := range dir.changed(pl.k, base, target) {
		changed[o] = true
		if pl.wants(o) && !(pl.p.Lossy && pl.rng.Float64() < 0.4) {
			pl.emitChange(o, base, target)
		}
	}
	if pl.s.settings.ReplayRate <= 0 {
		return
	}
	for _, o := range dir.changed(pl.k, pl.p.Prev, base) {
		if changed[o] || !pl.wants(o) || pl.rng.Float64() >= pl.s.settings.ReplayRate {
			continue
		}
		switch o.stateAt(base) {
		case live:
			if pl.p.Prev == 0 || pl.visible(o, pl.p.Prev, base) {
				n := len(pl.out)
				pl.emitLive(o, pl.p.Prev, base, 1)
				for i := range pl.out[n:] {
					pl.out[n+i].replay = true
				}
			}
		case softDeleted:
			pl.out = append(pl.out, entry{obj: o, form: asRemoved})
		case hardDeleted:
			pl.out = append(pl.out, entry{obj: o, form: asDeleted})
		}
	}
}

// emitChange plans the entries of one object that changed in (base, target].
func (pl *planner) emitChange(o *object, base, target uint64) {
	set := pl.s.settings
	before, after := o.stateAt(base), o.stateAt(target)
	if before == absent && after != live && !set.GhostTombstones {
		return
	}
	split := set.SplitChanges && before != absent
	switch after {
	case hardDeleted:
		if before != hardDeleted {
			pl.out = append(pl.out, entry{obj: o, form: asDeleted})
		}
	case softDeleted:
		if before != softDeleted || o.lifeIn(base, target) {
			pl.out = append(pl.out, entry{obj: o, form: asRemoved})
		}
	case live:
		if before != absent && !pl.visible(o, base, target) {
			return
		}
		parts := 1
		if split {
			parts = 1 + pl.rng.IntN(3)
			if before == live && o.lifeIn(base, target) {
				pl.out = append(pl.out, entry{obj: o, form: asRemoved})
			}
		}
		pl.emitLive(o, base, target, parts)
	}
}

func (o *object) lifeIn(base, target uint64) bool {
	return slices.ContainsFunc(o.life, func(e lifeEvent) bool { return e.rev > base && e.rev <= target })
}

// visible tells whether an object that lives before and after has a change that the selection
// shows. A restore on its own shows only if deletedDateTime is selected or nothing is: the service
// compares selected properties and forgets that a tombstone was sent.
func (pl *planner) visible(o *object, base, target uint64) bool {
	if o.lifeIn(base, target) && (pl.sel.all || pl.sel.deleted || pl.s.settings.RestoreAlwaysVisible) {
		return true
	}
	for _, def := range pl.sel.props {
		if o.changedIn(def, base, target) {
			return true
		}
	}
	if pl.sel.manager && o.managerChanged(base, target) {
		return true
	}
	if pl.sel.members {
		for i := range o.edges {
			if o.edges[i].changes(base, target) > 0 {
				return true
			}
		}
	}
	return false
}

func (o *object) changedIn(def *property, base, target uint64) bool {
	_, rev := o.valueAt(def, target)
	return rev > base
}

func (o *object) managerChanged(base, target uint64) bool {
	return slices.ContainsFunc(o.managers, func(m managed) bool { return m.rev > base && m.rev <= target })
}

// emitLive plans a live object: parts entries for its properties, and as many more as its member
// news needs slices.
func (pl *planner) emitLive(o *object, base, target uint64, parts int) {
	first := len(pl.out)
	for i := range parts {
		pl.out = append(pl.out, entry{obj: o, part: int8(i), parts: int8(parts)})
	}
	if !pl.sel.members || len(o.edges) == 0 {
		return
	}
	all := o.tellsAll(base)
	size := pl.vary(pl.s.settings.MemberSlice)
	next := first // the entry that takes the next slice
	count, from := 0, int32(0)
	flush := func(to int32) {
		if next == len(pl.out) {
			pl.out = append(pl.out, entry{obj: o, part: -1, parts: int8(parts)})
		}
		pl.out[next].from, pl.out[next].to, pl.out[next].news = from, to, int32(count)
		next++
		count, from = 0, to
	}
	for i := range o.edges {
		if pl.s.memberNews(&o.edges[i], base, target, all) == noNews {
			continue
		}
		if count++; count == size {
			flush(int32(i + 1))
		}
	}
	if count > 0 {
		flush(int32(len(o.edges)))
	}
}

// tellsAll says whether all relations are news: an object that was deleted tells them again, ended
// ones included.
func (o *object) tellsAll(base uint64) bool { return o.stateAt(base) == softDeleted }

type news uint8

const (
	noNews news = iota
	joined
	left
)

// memberNews tells what a round says about one membership.
func (s *Server) memberNews(e *edge, base, target uint64, all bool) news {
	if e.changes(base, target) == 0 && (!all || e.since > target) {
		return noNews
	}
	if !e.holds(target) {
		if base == 0 && (!s.settings.FirstRoundTombstones || mixText(s.world, e.member.id)%4 != 0) {
			return noNews
		}
		return left
	}
	switch e.member.stateAt(target) {
	case hardDeleted:
		return noNews
	case softDeleted:
		if base == 0 && s.settings.HideSoftDeletedMembers {
			return noNews
		}
	}
	return joined
}

func (pl *planner) vary(size int) int {
	if v := pl.s.settings.PageVariation; v > 0 {
		size += int(float64(size) * v * (2*pl.rng.Float64() - 1))
	}
	return max(size, 1)
}

// cut divides the entries into pages. Pages of groups are shorter when they carry many members.
func (pl *planner) cut() *round {
	set := pl.s.settings
	r := &round{entries: pl.out, cuts: []int32{0}}
	size := set.UserPage
	if pl.k == groups {
		size = set.GroupPage
	}
	limit, edges := pl.vary(size), 0
	for i := range pl.out {
		start := r.cuts[len(r.cuts)-1]
		e := &pl.out[i]
		full := i-int(start) >= limit || (i > int(start) && edges+int(e.news) > set.MemberSlice*3/2)
		if full {
			r.cuts = append(r.cuts, int32(i))
			if pl.rng.Float64() < set.EmptyPageRate {
				r.cuts = append(r.cuts, int32(i))
			}
			limit, edges = pl.vary(size), 0
		}
		edges += int(e.news)
	}
	r.cuts = append(r.cuts, int32(len(pl.out)))
	if len(pl.out) > 0 && pl.rng.Float64() < set.EmptyLastRate {
		r.cuts = append(r.cuts, int32(len(pl.out)))
	}
	return r
}
