package graphtest

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
)

// A position is what a link carries: where the client is in a delta round or a list.
type position struct {
	Feed   string   `json:"f"`           // users, groups, servicePrincipals, or a list's key
	Cursor bool     `json:"c,omitempty"` // a $skiptoken, else a $deltatoken
	Select []string `json:"s,omitempty"`
	IDs    []string `json:"i,omitempty"`
	Prev   uint64   `json:"p,omitempty"` // base of the round before, for replays
	Base   uint64   `json:"b,omitempty"`
	Target uint64   `json:"t"`
	Salt   uint64   `json:"o,omitempty"` // order of the round
	Page   int      `json:"n,omitempty"` // index of the page in the round
	Number int      `json:"m,omitempty"` // pages delivered before; differs from Page after duplicates
	Again  bool     `json:"a,omitempty"` // this page was delivered once already
	Lossy  bool     `json:"l,omitempty"`
	Issued int64    `json:"w"` // virtual, Unix seconds
	Gen    uint64   `json:"g"` // order of issue
	Top    int      `json:"k,omitempty"`
	Pad    string   `json:"z,omitempty"`
}

// minToken is how long a payload is at least, so that tokens are as long as the service's.
const minToken = 300

// A sealer makes tokens that clients cannot read, sort or edit.
type sealer struct {
	aead  cipher.AEAD
	world uint64
}

func newSealer(world uint64) *sealer {
	var key [32]byte
	for i := range 4 {
		binary.BigEndian.PutUint64(key[8*i:], mix(world, 0x5ea1, uint64(i)))
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the block size of GCM
	}
	return &sealer{aead, world}
}

func (s *sealer) close(serial uint64, payload []byte) string {
	buf := make([]byte, 12, 12+len(payload)+16)
	binary.BigEndian.PutUint64(buf, mix(s.world, serial))
	binary.BigEndian.PutUint32(buf[8:], uint32(mix(s.world, serial, 1)))
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(buf, buf, payload, nil))
}

func (s *sealer) open(token string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < 12 || strings.ContainsAny(token, "\r\n") {
		return nil, false
	}
	payload, err := s.aead.Open(nil, raw[:12], raw[12:], nil)
	return payload, err == nil
}

// issue turns a position into a token.
func (s *Server) issue(p position) string {
	p.Issued = s.dir.now.Unix()
	r := s.dice.next()
	p.Gen = s.dice.count*8 + r%7 // rising, with gaps
	p.Pad = ""
	payload, err := json.Marshal(p)
	if err != nil {
		panic(err) // numbers and strings always encode
	}
	if pad := s.settings.TokenPadding + max(0, minToken-len(payload)); pad > 0 {
		p.Pad = strings.Repeat("=", pad)
		if payload, err = json.Marshal(p); err != nil {
			panic(err)
		}
	}
	return s.seal.close(p.Gen, payload)
}

// redeem is the inverse of issue.
func (s *Server) redeem(token string) (position, bool) {
	payload, ok := s.seal.open(token)
	var p position
	return p, ok && json.Unmarshal(payload, &p) == nil
}

// A TokenDeath is a way in which a link stops working.
type TokenDeath string

// The ways. Age, Gone, GoneBare and Nested end deltaLinks, Page and PageUnknown end nextLinks.
const (
	Age         TokenDeath = "age"         // 400 syncStateNotFound
	Gone        TokenDeath = "gone"        // 410 resyncRequired with a Location
	GoneBare    TokenDeath = "goneBare"    // 410, no body
	Nested      TokenDeath = "nested"      // 400, resyncRequired two levels deep
	Page        TokenDeath = "page"        // 400 Directory_ExpiredPageToken
	PageUnknown TokenDeath = "pageUnknown" // 404 UnknownError
)

func (m TokenDeath) valid() bool {
	switch m {
	case Age, Gone, GoneBare, Nested, Page, PageUnknown:
		return true
	}
	return false
}

func (m TokenDeath) cursor() bool { return m == Page || m == PageUnknown }

type killKey struct {
	feed   string
	cursor bool
}

type kill struct {
	gen  uint64
	mode TokenDeath
}

// KillTokens ends all links of a feed ("users", "groups", "servicePrincipals"; "" is all three)
// issued until now, in the given way. Links issued later work.
func (s *Server) KillTokens(feed string, mode TokenDeath) {
	if !mode.valid() {
		panic("graphtest: KillTokens: unknown mode " + string(mode))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killTokens(feed, mode)
}

func (s *Server) killTokens(feed string, mode TokenDeath) {
	feeds := []string{feed}
	if feed == "" {
		feeds = []string{"users", "groups", "servicePrincipals"}
	}
	for _, f := range feeds {
		s.kills[killKey{f, mode.cursor()}] = kill{s.dice.count*8 + 7, mode}
	}
}

// death tells whether and how a link has died.
func (s *Server) death(p position) TokenDeath {
	if k, ok := s.kills[killKey{p.Feed, p.Cursor}]; ok && p.Gen <= k.gen {
		return k.mode
	}
	age := s.dir.now.Unix() - p.Issued
	if !p.Cursor && age > int64((s.settings.DeltaTokenTTL+s.settings.DeltaTokenGrace)/1e9) {
		return Age
	}
	return ""
}
