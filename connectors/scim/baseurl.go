package scim

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/scimsync/scimsync/connectors/internal/wire"
)

// baseURL is the tenant URL taken apart (section 4).
type baseURL struct {
	scheme, host string
	path         string // escaped, verbatim, without trailing slashes
	query        string // raw parameters that go on every request, "" or "a=b&c"
	dialect062   bool   // aadOptscim062020 asks for the newer PATCH dialect
	notes        []string
}

// endpointNames are what people paste along with the base.
var endpointNames = []string{"Users", "Groups", "ServiceProviderConfig", "ServiceProviderConfigs", "Schemas", "ResourceTypes", "Bulk"}

const (
	flag062020 = "aadoptscim062020"
	flag2017   = "azureadscimpatch2017"
)

// parseBaseURL checks and splits a tenant URL. keepFlags leaves Entra's switches on the wire.
func parseBaseURL(raw string, p Profile, keepFlags bool) (baseURL, error) {
	text := strings.Trim(strings.TrimSpace(raw), "<>\"'`")
	text = strings.TrimSpace(text)
	if text == "" {
		return baseURL{}, fmt.Errorf("baseUrl: missing; set the tenant URL, for example https://scim.example.com/v2")
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return baseURL{}, fmt.Errorf("baseUrl: not a URL; write it with scheme and host, for example https://scim.example.com/v2")
	}
	switch {
	case u.User != nil:
		return baseURL{}, fmt.Errorf("baseUrl: holds a user name or password; remove it and use auth: {type: basic, …}")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return baseURL{}, fmt.Errorf("baseUrl: holds a fragment (#…), which no request can carry; remove it")
	case u.Scheme == "http" && !wire.Loopback(u):
		return baseURL{}, fmt.Errorf("baseUrl: plain http would send the credentials in clear text to %s; use https (http is allowed for loopback addresses only)", u.Host)
	case u.Scheme != "https" && u.Scheme != "http":
		return baseURL{}, fmt.Errorf("baseUrl: scheme %q is not supported; use https", u.Scheme)
	}
	b := baseURL{scheme: u.Scheme, host: u.Host, path: strings.TrimRight(u.EscapedPath(), "/")}
	last := b.path[strings.LastIndexByte(b.path, '/')+1:]
	for _, n := range endpointNames {
		if strings.EqualFold(last, n) {
			return baseURL{}, fmt.Errorf("baseUrl: ends in the endpoint /%s; remove it, the rest is the tenant URL", last)
		}
	}
	b.flags(u.RawQuery, p, keepFlags)
	return b, nil
}

// flags reads Entra's behaviour switches from the query (4.3) and keeps everything else in order.
func (b *baseURL) flags(raw string, p Profile, keep bool) {
	var rest []string
	var on062, on2017, seen bool
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		on := value == "" || strings.EqualFold(value, "true")
		off := strings.EqualFold(value, "false")
		switch n := strings.ToLower(name); {
		case n == flag062020 && (on || off):
			on062, seen = on, true
		case n == flag2017 && (on || off):
			on2017, seen = on, true
		default:
			rest = append(rest, part)
			continue
		}
		if keep {
			rest = append(rest, part)
		}
	}
	b.query = strings.Join(rest, "&")
	if on062 && on2017 {
		b.notes = append(b.notes, "baseUrl carries both aadOptscim062020 and AzureAdScimPatch2017; the latter wins")
	}
	if seen && p == RFC7644 {
		b.notes = append(b.notes, "baseUrl carries a flag for Entra's dialects, which has no effect with profile rfc7644")
	}
	b.dialect062 = on062 && !on2017 && p == Entra
}

// url joins the base with an escaped path like /Users/a%2Fb and the raw parameters of a request (4.2).
func (b *baseURL) url(path, query string) *url.URL {
	switch {
	case b.query == "":
	case query == "":
		query = b.query
	default:
		query = b.query + "&" + query
	}
	full := b.path + path
	u := &url.URL{Scheme: b.scheme, Host: b.host, Path: full, RawQuery: query}
	if strings.IndexByte(full, '%') >= 0 {
		if plain, err := url.PathUnescape(full); err == nil {
			u.Path, u.RawPath = plain, full
		}
	}
	return u
}

// segment escapes an id as one path segment: everything but RFC 3986 unreserved characters. An id
// that is a relative reference by itself ("." and "..") is escaped too.
func segment(id string) string {
	if id == "." || id == ".." {
		return strings.ReplaceAll(id, ".", "%2E")
	}
	return string(appendEscaped(make([]byte, 0, len(id)+8), id, false))
}

// appendEscaped percent-encodes every byte outside A-Z a-z 0-9 - . _ ~ (4.2, 9.4).
func appendEscaped(b []byte, s string, plus bool) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b = append(b, c)
		case c == ' ' && plus:
			b = append(b, '+')
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}
