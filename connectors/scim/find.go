package scim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/text/unicode/norm"

	"github.com/scimsync/scimsync/engine"
)

// filterMemory is what searches have shown about the server's filters.
type filterMemory struct {
	mu      sync.Mutex
	forms   map[string]int  // path key to the form of filter that was accepted for it
	proven  map[string]bool // kind and path key: the server really filters on it
	escapes map[byte]bool   // characters whose escaped form was understood
}

// filterForms of a typed path, in the order in which they are tried (9.3).
const (
	formDotted  = iota // emails[type eq "work"].value eq "x"
	formInside         // emails[type eq "work" and value eq "x"]
	formUntyped        // emails.value eq "x"
	formBare           // emails eq "x"
	formCount
)

// filterText is the filter that searches for a value at a path.
func filterText(p engine.Path, v any, form int, sh *shape) string {
	var b []byte
	sub := p.Sub
	if len(p.Filter) == 0 {
		b = append(b, p.String()...)
		b = append(b, " eq "...)
		return string(appendLiteral(b, v, "", false))
	}
	if sub == "" {
		sub = "value"
	}
	switch form {
	case formDotted:
		q := p
		q.Sub = sub
		b = append(b, wirePath(q, sh)...)
	case formInside:
		q := p
		q.Sub = ""
		path := wirePath(q, sh)
		b = append(b, path[:len(path)-1]...)
		b = append(append(b, " and "...), sub...)
		b = append(b, " eq "...)
		return string(append(appendLiteral(b, v, "", false), ']'))
	case formUntyped:
		b = append(append(append(b, attributePath(p)...), '.'), sub...)
	default:
		b = append(b, attributePath(p)...)
	}
	b = append(b, " eq "...)
	return string(appendLiteral(b, v, "", false))
}

// findQuery is the raw query of a search. Parameters and their order are those of Entra (9.3).
func (c *Client) findQuery(k engine.Kind, filter string) string {
	b := make([]byte, 0, 64+2*len(filter))
	if k == engine.Group {
		b = append(b, "excludedAttributes=members&"...)
	}
	b = append(b, "filter="...)
	b = appendEscaped(b, filter, c.set.QuerySpace == "plus")
	if c.set.Profile == RFC7644 {
		b = append(b, "&count=3"...) // enough to see duplicates
	}
	return string(b)
}

// Find implements [engine.Target] (section 9).
func (c *Client) Find(ctx context.Context, k engine.Kind, by []engine.Value) ([]engine.Resource, engine.Path, error) {
	found, path, err := c.find(ctx, k, by)
	out := make([]engine.Resource, 0, len(found))
	for _, r := range found {
		out = append(out, r.Resource)
	}
	if len(out) == 0 {
		out = nil
	}
	return out, path, c.settled(ctx, err)
}

// find searches by each value in turn. An attribute that could not be searched, or whose empty
// answer cannot be trusted, spoils the conclusion "absent" unless a later attribute finds the object.
func (c *Client) find(ctx context.Context, k engine.Kind, by []engine.Value) ([]resource, engine.Path, error) {
	var doubt error
	for _, v := range by {
		if v.Value == nil || v.Value == "" {
			continue
		}
		found, err := c.search(ctx, k, v)
		switch {
		case err != nil && !unsupported(err):
			return nil, engine.Path{}, err
		case err != nil:
			if doubt == nil {
				doubt = err
			}
		case len(found) > 0:
			return found, v.Path, nil
		}
	}
	if f, ok := errors.AsType[*engine.TargetError](doubt); ok && f.Code == engine.CodeFilterUnsupported {
		if c.set.Match.ScanFallback {
			return c.scan(ctx, k, by)
		}
		// The name of a group may well have quotes in it, and groups are few enough to look at all of them. A
		// listing that cannot be trusted leaves the doubt.
		if k == engine.Group && slices.ContainsFunc(by, c.untrusted) {
			if found, path, err := c.scan(ctx, k, by); err == nil || ctx.Err() != nil {
				return found, path, err
			}
		}
	}
	return nil, engine.Path{}, doubt
}

// unsupported reports whether an error means that this attribute cannot be searched, while another
// one may.
func unsupported(err error) bool {
	te, ok := errors.AsType[*engine.TargetError](err)
	return ok && te.Code == engine.CodeFilterUnsupported && te.Outcome == engine.OutcomeEscrow
}

// search looks for one value in the forms of filter that the server may accept, and verifies what
// comes back.
func (c *Client) search(ctx context.Context, k engine.Kind, v engine.Value) ([]resource, error) {
	key := v.Path.Key()
	form, last := c.filters.form(key), formBare
	if len(v.Path.Filter) == 0 {
		last = formDotted
	} else if form < formUntyped && c.set.Match.WithoutTypedPath {
		form = formUntyped
	}
	sh := c.lessons.current()
	for {
		p, err := c.query(ctx, k, c.findQuery(k, filterText(v.Path, v.Value, form, &sh)))
		f := asFailure(err)
		if f != nil && f.refusesFilter() {
			if form < last {
				form++
				continue
			}
			te := c.targetError(f)
			te.Outcome, te.Code = engine.OutcomeEscrow, engine.CodeFilterUnsupported
			return nil, te
		}
		if err != nil {
			return nil, err
		}
		if form > 0 {
			c.filters.accepted(key, form)
		}
		return c.verify(k, v, p)
	}
}

// refusesFilter reports whether an answer is about the form of the filter.
func (f *failure) refusesFilter() bool {
	switch f.status {
	case http.StatusBadRequest:
		switch f.said.scimType {
		case "invalidFilter", "invalidPath", "invalidValue", "invalidSyntax":
			return true
		case "":
			return f.said.says("filter", "unsupported", "not supported", "attribute")
		}
	case http.StatusNotImplemented, http.StatusUnprocessableEntity, http.StatusRequestURITooLong:
		return true
	}
	return false
}

// query sends a search and reads the list.
func (c *Client) query(ctx context.Context, k engine.Kind, query string) (page, error) {
	first := c.tally.first()
	rep, err := c.send(ctx, request{op: opFind, kind: k, method: http.MethodGet, path: endpoint(k), template: endpoint(k), query: query})
	if f := asFailure(err); f != nil {
		switch f.status {
		case http.StatusNotFound, http.StatusGone:
			if c.set.Match.Query404IsEmpty && f.said.scim {
				return page{total: 0}, nil
			}
			return page{}, c.queryFault(f, first, "the search was answered with 404 instead of an empty list; check baseUrl, and match.query404IsEmpty if the target answers so on purpose: ")
		case http.StatusForbidden:
			if first {
				te := c.targetError(f)
				te.Outcome = engine.OutcomeQuarantine
				return page{}, te
			}
		}
		return page{}, err
	}
	if err != nil {
		return page{}, err
	}
	if rep.status == http.StatusNoContent {
		c.log.Warn("a search was answered without a list; it counts as empty", zap.String("path", endpoint(k)))
		return page{total: 0}, nil
	}
	p, err := parsePage(rep.body, k, c.set.limits)
	switch {
	case err != nil:
		return page{}, c.badAnswer(opFind, rep.status, notJSON(rep.body, err))
	case p.total > 0 && len(p.resources) == 0:
		return page{}, c.badAnswer(opFind, rep.status, "the list says that it has results and holds none")
	}
	return p, nil
}

func (c *Client) queryFault(f *failure, first bool, explain string) error {
	te := c.targetError(f)
	te.Code = engine.CodeBadResponse
	te.Detail = c.red.Text(explain+f.said.detail, maxDetail)
	if first {
		te.Outcome = engine.OutcomeQuarantine
	}
	return te
}

// badAnswer is an answer in the success range that cannot be used.
func (c *Client) badAnswer(op operation, status int, why string) error {
	te := c.fail(engine.OutcomeEscrow, engine.CodeBadResponse, "%s", why)
	te.Status = status
	if c.tally.unusable(op) {
		te.Outcome = engine.OutcomeQuarantine
	}
	return te
}

// verify compares what came back with what was asked for, because servers ignore filters, search by
// prefix, or search case-insensitively (9.5).
func (c *Client) verify(k engine.Kind, v engine.Value, p page) ([]resource, error) {
	key := string(k) + " " + v.Path.Key()
	var exact, same, silent []resource
	for _, r := range p.resources {
		got := matchedValue(r, v.Path)
		switch {
		case r.ID == "":
			return nil, c.badAnswer(opFind, http.StatusOK, "the list holds a resource without id")
		case got == nil:
			silent = append(silent, r)
		case text(got) == text(v.Value):
			exact = append(exact, r)
		case c.sameValue(k, v, got):
			same = append(same, r)
		}
	}
	all := append(exact, same...)
	switch {
	case len(p.resources) == 0:
		if c.untrusted(v) {
			return nil, c.fail(engine.OutcomeEscrow, engine.CodeFilterUnsupported,
				"the search for a value with quotes, backslashes or control characters came back empty, which some servers answer when they cannot read it; nothing is created on the strength of that")
		}
		c.filters.prove(key, nil)
		return nil, nil
	case len(all) == 1:
		if len(p.resources) > 1 {
			c.log.Warn("a search returned more than what was asked for; the target may search by prefix", zap.String("attribute", v.Path.Key()))
		}
		c.filters.prove(key, v.Value)
		return all, nil
	case len(exact) == 1:
		c.log.Warn("several resources match but for the case of letters; the exact one is taken", zap.String("attribute", v.Path.Key()))
		return exact, nil
	case len(all) > 1:
		return all, nil
	case len(silent) == len(p.resources) && len(silent) == 1 && p.total == 1 && c.filters.isProven(key):
		return silent, nil
	}
	te := c.fail(engine.OutcomeEscrow, engine.CodeFilterIgnored,
		"the search returned resources that do not match; the target seems to ignore the filter on %s", v.Path.String())
	if c.tally.unusable(opFind) {
		te.Outcome = engine.OutcomeQuarantine
	}
	return nil, te
}

// matchedValue reads the attribute that was searched for. A typed element is also recognised on a
// server that keeps no types.
func matchedValue(r resource, p engine.Path) any {
	if v := p.Read(r.Attributes); v != nil || len(p.Filter) == 0 {
		return v
	}
	plain := p
	plain.Filter = nil
	if plain.Sub == "" {
		plain.Sub = "value"
	}
	return engine.Path{URN: plain.URN, Attribute: plain.Attribute, Sub: plain.Sub}.Read(r.Attributes)
}

// sameValue answers "is this the object I asked for?" (17.2): names of accounts and groups and mail
// addresses without regard to case, ids exactly.
func (c *Client) sameValue(k engine.Kind, v engine.Value, got any) bool {
	a, b := norm.NFC.String(text(v.Value)), norm.NFC.String(text(got))
	if a == b {
		return true
	}
	if c.set.Match.CaseExact {
		return false
	}
	p := v.Path
	fold := p.URN == "" && (p.Attribute == "userName" && k == engine.User || p.Attribute == "displayName" && k == engine.Group ||
		p.Attribute == "emails" && (p.Sub == "value" || p.Sub == ""))
	if !fold && v.Definition.Type != "" && !v.Definition.CaseExact {
		fold = p.Attribute != "id" && p.Attribute != "externalId"
	}
	return fold && strings.EqualFold(a, b)
}

// special lists the characters of a value that filter parsers stumble over (9.4).
func special(v any) []byte {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	var out []byte
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' || c < ' ' {
			out = append(out, c)
		}
	}
	return out
}

// untrusted reports whether an empty answer for a value says nothing: it holds characters whose
// escaped form the server was never seen to understand.
func (c *Client) untrusted(v engine.Value) bool {
	c.filters.mu.Lock()
	defer c.filters.mu.Unlock()
	for _, ch := range special(v.Value) {
		if !c.filters.escapes[ch] {
			return true
		}
	}
	return false
}

func (m *filterMemory) form(key string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.forms[key]
}

func (m *filterMemory) accepted(key string, form int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forms == nil {
		m.forms = map[string]int{}
	}
	m.forms[key] = form
}

// prove notes that the server filters on an attribute: it returned nothing, or just the value asked for.
func (m *filterMemory) prove(key string, found any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.proven == nil {
		m.proven, m.escapes = map[string]bool{}, map[byte]bool{}
	}
	m.proven[key] = true
	for _, ch := range special(found) {
		m.escapes[ch] = true
	}
}

func (m *filterMemory) isProven(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.proven[key]
}
