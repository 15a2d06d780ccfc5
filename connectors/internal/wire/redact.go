package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// A Redactor takes secrets out of text that comes from outside before it is shown or kept. It knows
// them by value; tokens that were obtained later are added. The zero Redactor is ready to use.
type Redactor struct {
	mu      sync.RWMutex
	secrets []string // in every spelling, longest first
}

// shortest keeps a one-letter password from blotting out all text.
const shortest = 4

// Add makes a secret known, also as it looks in URLs and in basic authentication.
func (r *Redactor) Add(secret string) {
	if len(secret) < shortest {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
		if !slices.Contains(r.secrets, s) {
			r.secrets = append(r.secrets, s)
		}
	}
	slices.SortStableFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
}

// bearer is what looks like a credential whatever its value: an authorization scheme with its
// credentials, a JSON web token, a secret in a form or query.
var bearer = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}|\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?|\b(client_secret|client_assertion|access_token|refresh_token|password|api_?key)(["']?\s*[=:]\s*["']?)[^\s&"',;}]+`)

// Text returns s without secrets and control characters, on one line and at most limit characters long.
func (r *Redactor) Text(s string, limit int) string {
	r.mu.RLock()
	for _, secret := range r.secrets {
		s = strings.ReplaceAll(s, secret, "[redacted]")
	}
	r.mu.RUnlock()
	s = bearer.ReplaceAllString(s, "$1$3$4[redacted]")
	s = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, s)
	return Clip(strings.Join(strings.Fields(s), " "), limit)
}

// Clip shortens s to at most limit characters, marking the cut.
func Clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n == limit-1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// Hash names a value in a log without telling it: the first eight hex digits of its SHA-256.
func Hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'`)

// Filter returns a filter expression with its string values replaced by their hashes.
func Filter(f string) string {
	return quoted.ReplaceAllStringFunc(f, func(v string) string { return v[:1] + "#" + Hash(v[1:len(v)-1]) + v[:1] })
}
