package graphtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A kind is a class of directory objects.
type kind uint8

const (
	users kind = iota
	groups
	servicePrincipals
	devices
	kinds // how many there are
)

// wire is the type as @odata.type spells it, path the collection's name in URLs.
func (k kind) wire() string {
	return [...]string{"#microsoft.graph.user", "#microsoft.graph.group", "#microsoft.graph.servicePrincipal", "#microsoft.graph.device"}[k]
}

func (k kind) path() string {
	return [...]string{"users", "groups", "servicePrincipals", "devices"}[k]
}

func (k kind) word() string {
	return [...]string{"User", "Group", "ServicePrincipal", "Device"}[k]
}

// A state is where an object stands in its life.
type state uint8

const (
	absent      state = iota // not created yet
	live                     // in the directory
	softDeleted              // in deleted items, restorable for 30 days
	hardDeleted              // gone
)

func (s state) String() string {
	return [...]string{"absent", "live", "softDeleted", "hardDeleted"}[s]
}

// retention is how long a soft-deleted object can be restored.
const retention = 30 * 24 * time.Hour

// A directory is the whole state of the tenant. Every fact carries the revision at which it came
// true, and what was true before is kept, so that a read can be answered as of any revision: a
// delta round sees one point of time however long it takes, and a slow replica is a read of an
// older revision.
type directory struct {
	rev   uint64 // the newest revision; 0 is the empty directory
	now   time.Time
	marks []mark // when each revision came, rising

	objects map[string]*object // by id, lower case
	names   map[string]*object // users by userPrincipalName, lower case
	apps    map[string]*object // service principals by appId, lower case
	all     [kinds][]*object   // in order of creation
	log     [kinds][]touch     // what changed, rising by revision
	deleted []*object          // soft-deleted, oldest first

	props [kinds]schema
}

type mark struct {
	rev uint64
	at  time.Time
}

type touch struct {
	rev uint64
	obj *object
}

// An object is a user, group, service principal or device.
type object struct {
	id      string
	kind    kind
	born    uint64
	touched uint64 // newest revision in the log for this object
	deletes time.Time
	props   []prop
	life    []lifeEvent // after the creation, rising

	edges []edge            // a group's members; only ever appended to
	index map[*object]int32 // into edges

	managers []managed // a user's managers, rising

	grants   []*assignment // held by this principal
	assigned []*assignment // to this service principal
	roles    []AppRole     // of this service principal
}

type lifeEvent struct {
	rev uint64
	to  state
}

// A prop is the value of one property, as JSON, with the values it had before.
type prop struct {
	def *property
	ver version
}

type version struct {
	rev uint64
	raw string
	old *version
}

// An edge is a membership. It begins at since; each flip ends or resumes it.
type edge struct {
	member *object
	since  uint64
	flips  []uint64
}

type managed struct {
	rev uint64
	by  *object // nil: none
}

// An assignment grants an app role of a service principal to a principal.
type assignment struct {
	id        string
	role      string
	principal *object
	resource  *object
	created   string // RFC 3339
	born      uint64
	ended     uint64 // 0: still there
}

func newDirectory(now time.Time) *directory {
	d := &directory{
		now:     now,
		objects: map[string]*object{},
		names:   map[string]*object{},
		apps:    map[string]*object{},
	}
	for k := range kinds {
		d.props[k] = newSchema(k)
	}
	return d
}

// begin opens the next revision. All changes up to the next begin belong to it.
func (d *directory) begin() {
	d.rev++
	if n := len(d.marks); n > 0 && d.marks[n-1].at.Equal(d.now) {
		d.marks[n-1].rev = d.rev
		return
	}
	d.marks = append(d.marks, mark{d.rev, d.now})
}

// revisionAt is the newest revision that was there at t.
func (d *directory) revisionAt(t time.Time) uint64 {
	i, found := slices.BinarySearchFunc(d.marks, t, func(m mark, t time.Time) int { return m.at.Compare(t) })
	if found {
		return d.marks[i].rev
	}
	if i == 0 {
		return 0
	}
	return d.marks[i-1].rev
}

func (d *directory) touch(o *object) {
	if o.touched == d.rev {
		return
	}
	o.touched = d.rev
	d.log[o.kind] = append(d.log[o.kind], touch{d.rev, o})
}

// changed lists the objects of a kind with a change in (base, target], each once.
func (d *directory) changed(k kind, base, target uint64) []*object {
	log := d.log[k]
	from, _ := slices.BinarySearchFunc(log, base+1, func(t touch, r uint64) int {
		if t.rev < r {
			return -1
		}
		return 1
	})
	seen := map[*object]bool{}
	var out []*object
	for _, t := range log[from:] {
		if t.rev > target {
			break
		}
		if !seen[t.obj] {
			seen[t.obj] = true
			out = append(out, t.obj)
		}
	}
	return out
}

func (d *directory) add(k kind, id string) (*object, error) {
	id = strings.ToLower(id)
	if d.objects[id] != nil {
		return nil, fmt.Errorf("an object with id %q exists already", id)
	}
	o := &object{id: id, kind: k, born: d.rev}
	d.objects[id] = o
	d.all[k] = append(d.all[k], o)
	d.touch(o)
	return o, nil
}

// find returns the object of a kind, in whatever state, by its id.
func (d *directory) find(k kind, id string) (*object, error) {
	o := d.objects[strings.ToLower(id)]
	if o == nil || o.kind != k {
		return nil, fmt.Errorf("no %s with id %q", strings.ToLower(k.word()), id)
	}
	return o, nil
}

// findLive is find for an object that has to be in the directory now.
func (d *directory) findLive(k kind, id string) (*object, error) {
	o, err := d.find(k, id)
	if err != nil {
		return nil, err
	}
	if s := o.stateAt(d.rev); s != live {
		return nil, fmt.Errorf("%s %q is %s", strings.ToLower(k.word()), id, s)
	}
	return o, nil
}

func (o *object) stateAt(at uint64) state {
	if o.born > at {
		return absent
	}
	s := live
	for _, e := range o.life {
		if e.rev > at {
			break
		}
		s = e.to
	}
	return s
}

func (o *object) find(def *property) *prop {
	for i := range o.props {
		if o.props[i].def == def {
			return &o.props[i]
		}
	}
	return nil
}

// valueAt is the JSON of a property at a revision, and the revision it dates from; "" if it was
// never set. A soft-deleted user's principal name carries the id without dashes in front, so that
// the name is free for somebody else.
func (o *object) valueAt(def *property, at uint64) (raw string, rev uint64) {
	p := o.find(def)
	if p == nil {
		return "", 0
	}
	for v := &p.ver; v != nil; v = v.old {
		if v.rev <= at {
			if def.name == "userPrincipalName" && o.stateAt(at) == softDeleted && len(v.raw) > 2 {
				return `"` + strings.ReplaceAll(o.id, "-", "") + v.raw[1:], v.rev
			}
			return v.raw, v.rev
		}
	}
	return "", 0
}

// text is a string property as of a revision; "" if it has none.
func (d *directory) text(o *object, name string, at uint64) string {
	raw, _ := o.valueAt(d.props[o.kind].byName[strings.ToLower(name)], at)
	return unquote(raw)
}

// unquote is the text of a JSON string; "" if it is none.
func unquote(raw string) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var s string
	if json.Unmarshal([]byte(raw), &s) != nil {
		return ""
	}
	return s
}

// set changes one property to a JSON value. Setting it to what it is changes nothing, and so does
// clearing what was never set.
func (d *directory) set(o *object, def *property, raw string) {
	p := o.find(def)
	switch {
	case p == nil && (raw == "null" || raw == "[]"):
		return
	case p == nil:
		o.props = append(o.props, prop{def, version{rev: d.rev, raw: raw}})
	case p.ver.raw == raw:
		return
	case p.ver.rev == d.rev:
		p.ver.raw = raw
	default:
		old := p.ver
		p.ver = version{d.rev, raw, &old}
	}
	d.touch(o)
}

func (o *object) edgeTo(member *object) *edge {
	i, ok := o.index[member]
	if !ok {
		return nil
	}
	return &o.edges[i]
}

// holds tells whether the membership stood at a revision.
func (e *edge) holds(at uint64) bool {
	if e.since > at {
		return false
	}
	on := true
	for _, f := range e.flips {
		if f > at {
			break
		}
		on = !on
	}
	return on
}

// changes counts how often the membership began or ended in (base, target].
func (e *edge) changes(base, target uint64) int {
	n := 0
	if e.since > base && e.since <= target {
		n++
	}
	for _, f := range e.flips {
		if f > base && f <= target {
			n++
		}
	}
	return n
}

func (d *directory) link(g, member *object) bool {
	if e := g.edgeTo(member); e != nil {
		if e.holds(d.rev) {
			return false
		}
		e.flips = append(e.flips, d.rev)
	} else {
		if g.index == nil {
			g.index = map[*object]int32{}
		}
		g.index[member] = int32(len(g.edges))
		g.edges = append(g.edges, edge{member: member, since: d.rev})
	}
	d.touch(g)
	return true
}

func (d *directory) unlink(g, member *object) bool {
	e := g.edgeTo(member)
	if e == nil || !e.holds(d.rev) {
		return false
	}
	e.flips = append(e.flips, d.rev)
	d.touch(g)
	return true
}

// members yields who is listed as a member: memberships of deleted objects stay, but are hidden.
func (o *object) members(at uint64, yield func(*object)) {
	for i := range o.edges {
		if e := &o.edges[i]; e.holds(at) && e.member.stateAt(at) == live {
			yield(e.member)
		}
	}
}

func (o *object) managerAt(at uint64) *object {
	var by *object
	for _, m := range o.managers {
		if m.rev > at {
			break
		}
		by = m.by
	}
	return by
}

func (d *directory) setManager(o, by *object) {
	if o.managerAt(d.rev) == by {
		return
	}
	if n := len(o.managers); n > 0 && o.managers[n-1].rev == d.rev {
		o.managers[n-1].by = by
	} else {
		o.managers = append(o.managers, managed{d.rev, by})
	}
	d.touch(o)
}

func (a *assignment) holds(at uint64) bool {
	return a.born <= at && (a.ended == 0 || a.ended > at)
}

// stamp writes a time as the service does: UTC, whole seconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// quote writes a string as JSON, without escaping what only HTML minds.
func quote(s string) string {
	if plain(s) {
		return `"` + s + `"`
	}
	return string(mustJSON(s))
}
