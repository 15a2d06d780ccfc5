package scimtest

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/elimity-com/scim/errors"
)

// entry is a stored resource. attrs is replaced as a whole and never changed once it is stored, so
// it may be read after the lock is gone. members belongs to the lock.
type entry struct {
	seq       uint64
	id        string
	attrs     map[string]any
	members   memberSet
	created   time.Time
	modified  time.Time
	version   int
	visibleAt time.Time // in searches
	masked    map[string]any
}

func (e *entry) text(name string) string {
	s, _ := e.attrs[name].(string)
	return s
}

// active reports the state shown; absent means active, as most applications read it.
func (e *entry) active() bool {
	b, ok := e.attrs["active"].(bool)
	return !ok || b
}

// index finds entries by a key. Several entries may share one, even all of them, as displayName or
// an employeeNumber can; adding and dropping costs the same then.
type index struct {
	one  map[string]*entry
	more map[string]map[*entry]struct{} // those beside the one
}

func newIndex() index {
	return index{one: map[string]*entry{}, more: map[string]map[*entry]struct{}{}}
}

// find returns the entries of a key in the order of their creation.
func (x index) find(key string) []*entry {
	e, ok := x.one[key]
	if !ok {
		return nil
	}
	hits := append(make([]*entry, 0, 1+len(x.more[key])), e)
	for m := range x.more[key] {
		hits = append(hits, m)
	}
	slices.SortFunc(hits, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
	return hits
}

func (x index) add(key string, e *entry) {
	first, ok := x.one[key]
	switch {
	case !ok:
		x.one[key] = e
	case first != e:
		if x.more[key] == nil {
			x.more[key] = map[*entry]struct{}{}
		}
		x.more[key][e] = struct{}{}
	}
}

func (x index) drop(key string, e *entry) {
	more := x.more[key]
	delete(more, e)
	if x.one[key] == e {
		delete(x.one, key)
		for m := range more {
			x.one[key] = m
			delete(more, m)
			break
		}
	}
	if len(more) == 0 {
		delete(x.more, key)
	}
}

// table holds the resources of one kind in the order of their creation.
type table struct {
	kind  *resourceKind
	order []*entry
	byID  map[string]*entry
	by    map[string]index // "userName", "externalId", "displayName", "emails", "employeeNumber"
}

func newTable(k *resourceKind) *table {
	t := &table{kind: k, byID: map[string]*entry{}, by: map[string]index{}}
	names := []string{"externalId", "displayName"}
	if k.name == "User" {
		names = append(names, "userName", "emails", "employeeNumber")
	}
	for _, n := range names {
		t.by[n] = newIndex()
	}
	return t
}

// keys calls f for every index key of attrs.
func (t *table) keys(attrs map[string]any, f func(x index, key string)) {
	text := func(name string, v any) {
		if s, ok := v.(string); ok && s != "" {
			f(t.by[name], foldKey(name, s))
		}
	}
	text("externalId", attrs["externalId"])
	text("displayName", attrs["displayName"])
	if t.kind.name != "User" {
		return
	}
	text("userName", attrs["userName"])
	if ext, ok := attrs[enterpriseURN].(map[string]any); ok {
		text("employeeNumber", ext["employeeNumber"])
	}
	emails, _ := attrs["emails"].([]any)
	for _, m := range emails {
		if mail, ok := m.(map[string]any); ok {
			text("emails", mail["value"])
		}
	}
}

// foldKey is the form of a value under which an index keeps it.
func foldKey(name, value string) string {
	if name == "externalId" {
		return value
	}
	return strings.ToLower(value)
}

func (t *table) insert(e *entry) {
	t.byID[e.id] = e
	t.order = append(t.order, e)
	t.keys(e.attrs, func(x index, key string) { x.add(key, e) })
}

func (t *table) replace(e *entry, attrs map[string]any) {
	t.keys(e.attrs, func(x index, key string) { x.drop(key, e) })
	e.attrs = attrs
	t.keys(e.attrs, func(x index, key string) { x.add(key, e) })
}

func (t *table) delete(e *entry) {
	t.keys(e.attrs, func(x index, key string) { x.drop(key, e) })
	delete(t.byID, e.id)
	if i := sort.Search(len(t.order), func(i int) bool { return t.order[i].seq >= e.seq }); i < len(t.order) && t.order[i] == e {
		t.order = slices.Delete(t.order, i, i+1)
	}
}

// store is everything the application remembers.
type store struct {
	mu       sync.RWMutex
	users    *table
	groups   *table
	memberOf map[string][]*entry // user or group id to the groups that list it
	held     map[string]bool     // lower-case userNames of softly deleted users
	delayed  bool                // some resource is not yet visible in searches
	seed     uint64
	seq      uint64
}

func newStore(users, groups *resourceKind, seed uint64) *store {
	return &store{
		users: newTable(users), groups: newTable(groups), seed: seed,
		memberOf: map[string][]*entry{}, held: map[string]bool{},
	}
}

func (st *store) table(k *resourceKind) *table {
	if k.name == "User" {
		return st.users
	}
	return st.groups
}

// kindOf tells whether an id is that of a user or a group; "" if neither.
func (st *store) kindOf(id string) string {
	if st.users.byID[id] != nil {
		return "User"
	}
	if st.groups.byID[id] != nil {
		return "Group"
	}
	return ""
}

// firstNumericID makes sure that a client that reads ids as floating point loses the last digit.
const firstNumericID = 1<<53 + 1

func (st *store) nextID(numeric bool) (string, uint64) {
	st.seq++
	if numeric {
		return strconv.FormatUint(firstNumericID+2*(st.seq-1), 10), st.seq
	}
	a, b := mix(st.seed, 2*st.seq), mix(st.seed, 2*st.seq+1)
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", uint32(a>>32), uint16(a>>16), a&0xfff, 0x8000|(b>>48)&0x3fff, b&0xffffffffffff), st.seq
}

// mix is splitmix64: distinct inputs of one seed give distinct, scattered outputs.
func mix(seed, n uint64) uint64 {
	z := seed*0xd1342543de82ef95 + n*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// conflict checks the uniqueness rules for attrs; self is the entry being changed, or nil.
func (st *store) conflict(t *table, q *Quirks, self *entry, attrs map[string]any) *errors.ScimError {
	if t.kind.name == "User" {
		name, _ := attrs["userName"].(string)
		if t.taken("userName", name, self, q.CaseSensitive) != nil || st.held[strings.ToLower(name)] {
			return refuse(409, errors.ScimTypeUniqueness, "userName is already taken by another user.")
		}
	} else if name, _ := attrs["displayName"].(string); q.UniqueGroupNames && t.taken("displayName", name, self, q.CaseSensitive) != nil {
		return refuse(409, errors.ScimTypeUniqueness, "displayName is already taken by another group.")
	}
	if ext, _ := attrs["externalId"].(string); q.UniqueExternalID && ext != "" && t.taken("externalId", ext, self, true) != nil {
		return refuse(409, errors.ScimTypeUniqueness, "externalId is already taken by another resource.")
	}
	return nil
}

// taken returns an entry other than self that holds the value.
func (t *table) taken(name, value string, self *entry, exact bool) *entry {
	for _, e := range t.by[name].find(foldKey(name, value)) {
		if e != self && (!exact || e.text(name) == value) {
			return e
		}
	}
	return nil
}

// join and leave keep the reverse index of memberships.
func (st *store) join(g *entry, id string) { st.memberOf[id] = append(st.memberOf[id], g) }

func (st *store) leave(g *entry, id string) {
	groups := st.memberOf[id]
	if i := slices.Index(groups, g); i >= 0 {
		groups = slices.Delete(groups, i, i+1)
	}
	if len(groups) == 0 {
		delete(st.memberOf, id)
		return
	}
	st.memberOf[id] = groups
}

// dropMemberships takes an id out of every group.
func (st *store) dropMemberships(id string, now time.Time) {
	for _, g := range st.memberOf[id] {
		g.members.remove(id)
		g.touch(now)
	}
	delete(st.memberOf, id)
}

func (e *entry) touch(now time.Time) {
	e.modified = now
	e.version++
}

// delete removes an entry, its memberships and, for a group, its hold on members.
func (st *store) delete(t *table, e *entry, now time.Time) {
	st.dropMemberships(e.id, now)
	for _, id := range e.members.ids() {
		st.leave(e, id)
	}
	t.delete(e)
}
