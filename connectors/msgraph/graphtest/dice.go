package graphtest

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// dice are the source of everything that looks like chance: each throw depends on the seed and on
// how many there were before.
type dice struct {
	seed  uint64
	count uint64
}

func (d *dice) next() uint64 {
	d.count++
	return mix(d.seed, d.count)
}

// mix is a hash of its arguments (splitmix64), the same on every machine.
func mix(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h ^= p
		h += 0x9e3779b97f4a7c15
		h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9
		h = (h ^ (h >> 27)) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// mixText is mix over a string (FNV-1a).
func mixText(seed uint64, s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(seed, h)
}

// chance turns a hash into a number in [0, 1).
func chance(h uint64) float64 { return float64(h>>11) / (1 << 53) }

func seeded(parts ...uint64) *rand.Rand {
	h := mix(parts...)
	return rand.New(rand.NewPCG(h, mix(h)))
}

// uuid is a version 4 look-alike made from a hash.
func uuid(h uint64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], h)
	binary.BigEndian.PutUint64(b[8:], mix(h, 1))
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// looseID looks like the id of an app role assignment: 43 characters of base64url.
func looseID(h uint64) string {
	var b [32]byte
	for i := range 4 {
		h = mix(h, uint64(i))
		binary.BigEndian.PutUint64(b[8*i:], h)
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}
