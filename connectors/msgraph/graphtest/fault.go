package graphtest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Effect is what a fault does to an answer.
type Effect string

// The effects. Those on pages leave other answers alone.
const (
	Status       Effect = "status"       // Status, Header and Body instead of the answer
	Redirect     Effect = "redirect"     // Status 307 or 308 to Host (empty: to the same place on this host)
	Reset        Effect = "reset"        // close the connection: Where before (the default), headers or body
	TruncateAt   Effect = "truncate"     // cut the body after N bytes, with a Content-Length that fits
	TruncateItem Effect = "truncateItem" // cut a page exactly after N items, with a Content-Length that fits
	Slow         Effect = "slow"         // wait Delay before the headers
	Drip         Effect = "drip"         // send the body in pieces with Delay between them

	NoLinks      Effect = "noLinks"      // a page without any link
	BothLinks    Effect = "bothLinks"    // a page with both
	SameLink     Effect = "sameLink"     // the nextLink is the URL of the request
	Loop         Effect = "loop"         // the nextLink leads back to the first page
	ForeignLink  Effect = "foreignLink"  // links name Host
	RelativeLink Effect = "relativeLink" // links have no scheme and host
	DupPage      Effect = "dupPage"      // the page is delivered twice
	DropPage     Effect = "dropPage"     // the page is skipped: the one after it comes in its place
	EmptyList    Effect = "emptyList"    // no items and no nextLink
	Shrink       Effect = "shrink"       // Percent of the items are missing

	NullItem   Effect = "nullItem"   // item N is null
	NoID       Effect = "noId"       // item N has no id
	DupIDs     Effect = "dupIds"     // the item after item N has the same id
	WrongType  Effect = "wrongType"  // Property of item N changes its JSON type; "value" is the list itself
	BigNumber  Effect = "bigNumber"  // item N has a number of 2^60
	LongString Effect = "longString" // Property of item N is a string of 1 MiB, and there is a deep nesting
	Unicode    Effect = "unicode"    // Property of item N is hard to handle

	UTF8BOM   Effect = "utf8bom"   // the body begins with a byte order mark
	Gzip      Effect = "gzip"      // the body is compressed
	Chunked   Effect = "chunked"   // the body has no Content-Length
	ClockSkew Effect = "clockSkew" // Date is off by ten minutes
)

// Fault is a rule of the fault plan: which requests it hits, and what happens to them.
type Fault struct {
	Match  Match  `json:"match"`
	Times  int    `json:"times,omitempty"` // how often it acts; 0: always
	Effect Effect `json:"effect"`

	Status   int               `json:"status,omitempty"`   // Status: 0 is 503; Redirect: 0 is 307
	Header   map[string]string `json:"header,omitempty"`   // added to the answer, whatever the effect
	Body     string            `json:"body,omitempty"`     // Status: json (the default), html, plain, empty, or the body itself
	Code     string            `json:"code,omitempty"`     // Status with json: the error code
	N        int               `json:"n,omitempty"`        // bytes, items or index of an item
	Where    string            `json:"where,omitempty"`    // Reset
	Delay    Duration          `json:"delay,omitempty"`    // real time
	Host     string            `json:"host,omitempty"`     // scheme://host[:port] of a foreign link or redirect; empty: https://graph.invalid
	Property string            `json:"property,omitempty"` // of a damaged item; empty: displayName
	Percent  float64           `json:"percent,omitempty"`  // Shrink: from 0 to 100
}

// Match selects requests. Empty fields match all.
type Match struct {
	Method string `json:"method,omitempty"`
	// Path is the template of a route as the log shows it, without case ("/users/{}/manager",
	// "/{}/oauth2/v2.0/token", "/$batch"), or a beginning of the path after the version.
	Path     string  `json:"path,omitempty"`
	Feed     string  `json:"feed,omitempty"` // users, groups or servicePrincipals: delta calls
	PageFrom int     `json:"pageFrom,omitempty"`
	PageTo   int     `json:"pageTo,omitempty"`  // pages of a round or list, from 1, inclusive
	Nth      int     `json:"nth,omitempty"`     // only the n-th request that matches the rest
	Percent  float64 `json:"percent,omitempty"` // of the requests, chosen by the seed
}

type fault struct {
	Fault
	matched, acted int
}

// AddFault appends a rule to the fault plan. The first rule that matches a request acts.
func (s *Server) AddFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.addFault(f); err != nil {
		panic("graphtest: AddFault: " + err.Error())
	}
}

// ClearFaults empties the fault plan.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Server) addFault(f Fault) error {
	switch f.Effect {
	case Status, Redirect, Reset, TruncateAt, TruncateItem, Slow, Drip, NoLinks, BothLinks, SameLink, Loop, ForeignLink, RelativeLink,
		DupPage, DropPage, EmptyList, Shrink, NullItem, NoID, DupIDs, WrongType, BigNumber, LongString, Unicode,
		UTF8BOM, Gzip, Chunked, ClockSkew:
	default:
		return fmt.Errorf("unknown effect %q", f.Effect)
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("status %d: must be from 200 to 599", f.Status)
	}
	if f.Where != "" && f.Where != "before" && f.Where != "headers" && f.Where != "body" {
		return fmt.Errorf("where %q: must be before, headers or body", f.Where)
	}
	s.faults = append(s.faults, &fault{Fault: f})
	return nil
}

// matchFault finds the rule for a request and counts it.
func (s *Server) matchFault(c *call) *fault {
	for _, f := range s.faults {
		if f.Times > 0 && f.acted >= f.Times || !f.Match.fits(c) {
			continue
		}
		f.matched++
		if f.Match.Nth > 0 && f.matched != f.Match.Nth {
			continue
		}
		if p := f.Match.Percent; p > 0 && chance(mix(c.id, 7)) >= p/100 {
			continue
		}
		f.acted++
		return f
	}
	return nil
}

func (m *Match) fits(c *call) bool {
	page := 1
	if c.pos.Cursor {
		page = c.pos.Number + 1
	}
	switch {
	case m.Method != "" && !strings.EqualFold(m.Method, c.method):
	case m.Path != "" && !strings.EqualFold(m.Path, c.template()) && !hasPrefixFold(c.path, m.Path):
	case m.Feed != "" && !strings.EqualFold(m.Feed, c.feed):
	case m.PageFrom > 0 && page < m.PageFrom:
	case m.PageTo > 0 && page > m.PageTo:
	default:
		return true
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) &&
		(len(s) == len(prefix) || s[len(prefix)] == '/' || strings.HasSuffix(prefix, "/"))
}

func (c *call) template() string {
	if c.route == nil {
		return ""
	}
	return c.route.template
}

// replaces tells whether the request never gets to the directory.
func (f *fault) replaces() bool { return f.Effect == Status || f.Effect == Redirect }

func (f *fault) answer(c *call) answer {
	if f.Effect == Redirect {
		a := answer{status: cmp.Or(f.Status, http.StatusTemporaryRedirect), header: http.Header{}}
		to := f.Host
		if to == "" {
			u, err := url.Parse(c.root)
			if err == nil {
				to = u.Scheme + "://" + u.Host
			}
		}
		a.header.Set("Location", to+strings.TrimPrefix(c.self, originOf(c.self)))
		return a
	}
	status := cmp.Or(f.Status, http.StatusServiceUnavailable)
	a := answer{status: status, header: http.Header{}}
	switch f.Body {
	case "", "json":
		a = c.failWith(status, cmp.Or(f.Code, codeFor(status)), "A fault of the plan.", nil)
		if status == http.StatusTooManyRequests {
			a.header.Set("x-ms-throttle-information", "ResourceUnitLimitExceeded")
		}
	case "html":
		a.body = fmt.Appendf(nil, "<!DOCTYPE html><html><head><title>%d %s</title></head><body><h2>Our services aren't available right now</h2></body></html>\r\n", status, http.StatusText(status))
		a.header.Set("Content-Type", "text/html")
	case "plain":
		a.body = []byte(http.StatusText(status))
		a.header.Set("Content-Type", "text/plain")
	case "empty":
	default:
		a.body = []byte(f.Body)
	}
	return a
}

func originOf(u string) string {
	if i := strings.Index(u, "://"); i >= 0 {
		if j := strings.IndexByte(u[i+3:], '/'); j >= 0 {
			return u[:i+3+j]
		}
	}
	return ""
}

func codeFor(status int) string {
	switch status {
	case 400:
		return "BadRequest"
	case 401:
		return "InvalidAuthenticationToken"
	case 403:
		return "Authorization_RequestDenied"
	case 404:
		return "Request_ResourceNotFound"
	case 410:
		return "resyncRequired"
	case 429:
		return "TooManyRequests"
	case 500:
		return "InternalServerError"
	case 501:
		return "NotImplemented"
	case 503:
		return "serviceNotAvailable"
	}
	return "UnknownError"
}

// foreign is where links and redirects to another host lead.
func (f *fault) foreign() string { return cmp.Or(f.Host, "https://graph.invalid") }

// skew is how far Date is off under ClockSkew.
const skew = -10 * time.Minute
