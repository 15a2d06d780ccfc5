package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// Role is what a token may do. Each role may do all that those before it may.
type Role string

const (
	// RoleViewer reads everything, the provisioning log with its names and values included.
	RoleViewer Role = "viewer"
	// RoleOperator runs jobs: start, pause, sync, stop, restart, provision, retry, plan, check.
	RoleOperator Role = "operator"
	// RoleApprover also decides about held deletions.
	RoleApprover Role = "approver"
	// RoleAdmin also changes what a job knows and how it maps: links, schema, drift repair, erasing.
	RoleAdmin Role = "admin"
)

// roles are all roles, the least first.
var roles = [...]Role{RoleViewer, RoleOperator, RoleApprover, RoleAdmin}

// rank orders roles; unknown ones may nothing.
func (r Role) rank() int {
	for i, x := range roles {
		if x == r {
			return i + 1
		}
	}
	return 0
}

// May reports whether the role includes what another one may do.
func (r Role) May(need Role) bool { return r.rank() >= need.rank() && r.rank() > 0 }

// Token lets somebody in.
type Token struct {
	Name   string // for the audit
	Secret engine.Secret
	Role   Role
}

// keyring finds tokens by their secrets without telling by its timing how much of a guess was right.
type keyring []struct {
	Token
	sum [sha256.Size]byte
}

func newKeyring(tokens []Token) keyring {
	var k keyring
	for _, t := range tokens {
		if t.Secret.Empty() {
			continue // an empty secret would let everybody in
		}
		k = append(k, struct {
			Token
			sum [sha256.Size]byte
		}{t, sha256.Sum256([]byte(t.Secret.Reveal()))})
	}
	return k
}

// find looks at every token, whichever it is.
func (k keyring) find(secret string) (Token, bool) {
	sum := sha256.Sum256([]byte(secret))
	at := -1
	for i := range k {
		if subtle.ConstantTimeCompare(k[i].sum[:], sum[:]) == 1 {
			at = i
		}
	}
	if at < 0 {
		return Token{}, false
	}
	return k[at].Token, true
}

// authenticate finds out who sends a request.
func (a *API) authenticate(r *http.Request) (Token, *Problem) {
	const realm = `Bearer realm="scimsync"`
	scheme, secret, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	secret = strings.TrimSpace(secret)
	if !ok || !strings.EqualFold(scheme, "Bearer") || secret == "" {
		p := problem(http.StatusUnauthorized, codeNoToken, "No token was sent. Send the header Authorization: Bearer TOKEN with a token of server.token or server.tokens in the configuration file.")
		p.header = http.Header{"Www-Authenticate": {realm}}
		return Token{}, p
	}
	t, ok := a.keys.find(secret)
	if !ok {
		p := problem(http.StatusUnauthorized, codeNoToken, "The token is not known. Use one of server.token or server.tokens in the configuration file of the running service.")
		p.header = http.Header{"Www-Authenticate": {realm + `, error="invalid_token"`}}
		return Token{}, p
	}
	return t, nil
}

// from is the address that a request comes from, without its port.
func from(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
