package msgraph

import (
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
)

// A memory is what a round knows of its earlier pages, in the form in which it goes into a cursor,
// so that a round that was broken off notices contradictions as if it had not been. Ids and contents
// are hashed: they are only compared.
type memory struct {
	Live     []byte      `json:"live,omitempty"`     // 16 bytes each: object, attributes
	Left     []byte      `json:"left,omitempty"`     // 8 bytes each: membership
	Joined   []byte      `json:"joined,omitempty"`   // 8 bytes each: membership
	Managers [][3]string `json:"managers,omitempty"` // user, manager, told
}

// What was told of a manager.
const (
	isManager  = "live"
	wasManager = "ended"
)

// maxMemory is how many entries of a round a cursor remembers. A longer round that is broken off
// goes on without, and takes every removal in its rest for doubtful.
const maxMemory = 4000

// memory returns nil if there is too much to remember.
func (r *round) memory() *memory {
	if len(r.live)+len(r.left)+len(r.joined)+len(r.manages)+len(r.removed) > maxMemory || r.forgot {
		return nil
	}
	m := &memory{Left: packed(r.left), Joined: packed(r.joined)}
	for _, k := range slices.Sorted(maps.Keys(r.live)) {
		m.Live = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(m.Live, k), r.live[k])
	}
	for _, user := range slices.Sorted(maps.Keys(r.manages)) {
		for _, id := range slices.Sorted(maps.Keys(r.manages[user])) {
			for _, told := range []string{isManager, wasManager} {
				if r.manages[user][id].is(told) {
					m.Managers = append(m.Managers, [3]string{user, id, told})
				}
			}
		}
	}
	return m
}

// recall takes over what an earlier part of the round remembered.
func (r *round) recall(m *memory) {
	for b := m.Live; len(b) >= 16; b = b[16:] {
		r.live[binary.LittleEndian.Uint64(b)] = binary.LittleEndian.Uint64(b[8:])
	}
	unpack(m.Left, r.left)
	unpack(m.Joined, r.joined)
	for _, t := range m.Managers {
		r.told(t[0], t[1], t[2])
	}
}

func packed(set map[uint64]bool) []byte {
	var b []byte
	for _, k := range slices.Sorted(maps.Keys(set)) {
		b = binary.LittleEndian.AppendUint64(b, k)
	}
	return b
}

func unpack(b []byte, set map[uint64]bool) {
	for ; len(b) >= 8; b = b[8:] {
		set[binary.LittleEndian.Uint64(b)] = true
	}
}

// hash64 is the same in every process. A collision costs a read too many.
func hash64(parts ...[]byte) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write(p)
		h.Write([]byte{0})
	}
	return h.Sum64()
}

func hashOf(ids ...string) uint64 {
	parts := make([][]byte, len(ids))
	for i, id := range ids {
		parts[i] = []byte(id)
	}
	return hash64(parts...)
}

// toldOf is what was told of a manager in the entries of a round.
type toldOf struct{ live, ended bool }

func (t toldOf) is(what string) bool {
	return what == isManager && t.live || what == wasManager && t.ended
}

func (r *round) told(user, manager, what string) {
	if r.manages[user] == nil {
		r.manages[user] = map[string]toldOf{}
	}
	t := r.manages[user][manager]
	t.live = t.live || what == isManager
	t.ended = t.ended || what == wasManager
	r.manages[user][manager] = t
}
