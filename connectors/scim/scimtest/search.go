package scimtest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elimity-com/scim/errors"
	"github.com/scim2/filter-parser/v2"
)

// query is a search as the URL or a SearchRequest states it (RFC 7644 sections 3.4.2 and 3.4.3).
type query struct {
	filter     string
	sortBy     string
	descending bool
	startIndex string
	count      string
	cursor     *string // nil: the request has none
}

func queryOf(v url.Values) query {
	want := query{
		filter: v.Get("filter"), sortBy: v.Get("sortBy"), descending: v.Get("sortOrder") == "descending",
		startIndex: v.Get("startIndex"), count: v.Get("count"),
	}
	if v.Has("cursor") {
		want.cursor = new(v.Get("cursor"))
	}
	return want
}

// searchByPost answers POST …/.search.
func (s *Server) searchByPost(k *resourceKind, body []byte, c *call, a *answer) {
	var req struct {
		Schemas            []string
		Filter             string
		SortBy             string
		SortOrder          string
		StartIndex, Count  json.Number
		Cursor             *string
		Attributes         []string
		ExcludedAttributes []string
	}
	if err := json.Unmarshal(body, &req); err != nil || !slices.Contains(req.Schemas, searchURN) {
		a.fail(refuse(http.StatusBadRequest, errors.ScimTypeInvalidSyntax, "The body is not a SearchRequest message."))
		return
	}
	c.only, c.excluded = req.Attributes, req.ExcludedAttributes
	if c.q.IgnoreExcluded {
		c.excluded = nil
	}
	s.search(k, query{
		filter: req.Filter, sortBy: req.SortBy, descending: req.SortOrder == "descending",
		startIndex: req.StartIndex.String(), count: req.Count.String(), cursor: req.Cursor,
	}, c, a)
}

// search answers with a ListResponse.
func (s *Server) search(k *resourceKind, want query, c *call, a *answer) {
	q := c.q
	start, err1 := number(want.startIndex, 1)
	count, err2 := number(want.count, defaulted(q.PageSize, defaultPageSize))
	if err1 != nil || err2 != nil {
		a.fail(refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, "startIndex and count must be integers."))
		return
	}
	asked := max(count, 0) // RFC 7644 section 3.4.2.4: negative is 0
	start, count = max(start, 1), min(asked, defaulted(q.MaxResults, defaultMaxResults))
	if q.StartIndexLimit > 0 && start > q.StartIndexLimit {
		a.fail(refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, "startIndex is too big."))
		return
	}
	match, expr, err := k.searchFilter(want.filter, q)
	if err != nil {
		a.fail(err)
		return
	}
	byCursor := want.cursor != nil && (q.Cursor || q.CursorUnasked) || q.CursorUnasked && want.startIndex == ""
	var after cursor
	if byCursor && want.cursor != nil && *want.cursor != "" {
		if after, err = parseCursor(*want.cursor); err != nil {
			a.fail(err)
			return
		}
	}

	s.store.mu.RLock()
	found := s.find(k, expr, match, want.filter, q)
	if want.sortBy != "" {
		found = slices.Clone(found)
		if err := k.sort(found, want.sortBy, want.descending); err != nil {
			s.store.mu.RUnlock()
			a.fail(err)
			return
		}
	}
	page := pageOf(found, start, count, q)
	var next string
	if byCursor {
		page, next = cursorPage(found, after, count, want.sortBy == "")
	}
	resources := make([]any, len(page))
	for i, e := range page {
		resources[i] = s.render(k, e, c)
	}
	s.store.mu.RUnlock()

	if q.Search404 && len(found) == 0 && want.filter != "" {
		a.fail(refuse(http.StatusNotFound, "", "No resource matches the filter."))
		return
	}
	out := map[string]any{
		"schemas": []string{listURN}, "totalResults": len(found), "startIndex": start,
		"itemsPerPage": len(page), "Resources": resources,
	}
	if byCursor {
		delete(out, "startIndex")
		if next != "" {
			out["nextCursor"] = next
		}
	}
	if q.TotalIsPageLength {
		out["totalResults"] = len(page)
	}
	if q.NoTotal {
		delete(out, "totalResults")
	}
	if q.ItemsPerPageLies {
		out["itemsPerPage"] = asked
	}
	if q.NoResources && len(page) == 0 {
		delete(out, "Resources")
	}
	a.json(http.StatusOK, out)
}

func number(s string, absent int) (int, error) {
	if s == "" {
		return absent, nil
	}
	return strconv.Atoi(s)
}

func defaulted(n, absent int) int {
	if n > 0 {
		return n
	}
	return absent
}

// searchFilter compiles a filter; without one both results are nil.
func (k *resourceKind) searchFilter(text string, q *Quirks) (condition[*entry], *expr, *errors.ScimError) {
	if strings.TrimSpace(text) == "" || q.IgnoreFilter {
		return nil, nil, nil
	}
	invalid := func(why string) *errors.ScimError {
		return refuse(http.StatusBadRequest, errors.ScimTypeInvalidFilter, why)
	}
	if q.TypedFilterRefused && strings.Contains(text, "[") {
		return nil, nil, invalid("Value filters are not supported.")
	}
	e, lits, err := k.paths.parseFilter(text)
	if err != nil {
		return nil, nil, invalid(err.Error())
	}
	if len(q.Filterable) > 0 && !k.filterable(e, q.Filterable) {
		return nil, nil, invalid("The filter uses an attribute that can't be searched.")
	}
	match, err := compiler{kind: k, lits: lits, q: q}.resource(e)
	if err != nil {
		return nil, nil, invalid(err.Error())
	}
	return match, bind(e, lits), nil
}

// bind puts literals in the place of their numbers, for those who look at the tree.
func bind(e *expr, lits []string) *expr {
	if e == nil {
		return nil
	}
	c := *e
	c.left, c.right, c.inner = bind(e.left, lits), bind(e.right, lits), bind(e.inner, lits)
	if i, ok := e.value.(literal); ok {
		c.value = lits[i]
	}
	return &c
}

func (k *resourceKind) filterable(e *expr, names []string) bool {
	switch e.kind {
	case and, or:
		return k.filterable(e.left, names) && k.filterable(e.right, names)
	case not:
		return k.filterable(e.left, names)
	default:
		a := k.find(e.path.URI(), e.path.AttributeName)
		if a == nil {
			return false
		}
		return listed(names, a, a.sub(e.path.SubAttributeName()))
	}
}

// find returns what a search finds, in the order of creation. The slice may be the table's own: the
// caller holds the lock and doesn't change it.
func (s *Server) find(k *resourceKind, e *expr, match condition[*entry], text string, q *Quirks) []*entry {
	t := s.store.table(k)
	pool, indexed := t.order, false
	if e != nil {
		if hits, ok := t.candidates(k, e, q); ok {
			pool, indexed = hits, true
		}
	}
	now := s.now()
	if match == nil && !q.DisabledInvisibleInSearch && !q.GoneOnDisable && !s.store.delayed {
		return pool
	}
	var found []*entry
	for _, x := range pool {
		if match != nil && !match(x) || s.unseen(x, now, q) {
			continue
		}
		found = append(found, x)
	}
	if indexed {
		slices.SortFunc(found, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
		found = slices.Compact(found)
	}
	return found
}

// unseen says whether the quirks hide an entry from searches.
func (s *Server) unseen(e *entry, now time.Time, q *Quirks) bool {
	return (q.DisabledInvisibleInSearch || q.GoneOnDisable) && !e.active() || now.Before(e.visibleAt)
}

// candidates returns entries among which all hits are, if an index can tell: of an eq comparison, of
// either side of an and, of both sides of an or.
func (t *table) candidates(k *resourceKind, e *expr, q *Quirks) ([]*entry, bool) {
	switch e.kind {
	case and:
		if hits, ok := t.candidates(k, e.left, q); ok {
			return hits, true
		}
		return t.candidates(k, e.right, q)
	case or:
		left, ok1 := t.candidates(k, e.left, q)
		right, ok2 := t.candidates(k, e.right, q)
		return slices.Concat(left, right), ok1 && ok2
	case some:
		if a := k.find(e.path.URI(), e.path.AttributeName); a != nil && a.name == "emails" {
			if value, ok := conjunct(e.inner, "value"); ok && !q.PrefixFilter {
				return t.by["emails"].find(foldKey("emails", value)), true
			}
		}
	case compare:
		value, ok := e.value.(string)
		a := k.find(e.path.URI(), e.path.AttributeName)
		if !ok || a == nil || e.op != filter.EQ || q.PrefixFilter {
			return nil, false
		}
		sub := e.path.SubAttributeName()
		if a.name == "id" {
			if x := t.byID[value]; x != nil {
				return []*entry{x}, true
			}
			return nil, true
		}
		if x, ok := t.by[a.name]; ok && (sub == "" || a.name == "emails" && strings.EqualFold(sub, "value")) {
			return x.find(foldKey(a.name, value)), true
		}
	}
	return nil, false
}

// conjunct returns the value that every fulfilment of e needs at the sub-attribute.
func conjunct(e *expr, sub string) (string, bool) {
	if e.kind == and {
		if v, ok := conjunct(e.left, sub); ok {
			return v, true
		}
		return conjunct(e.right, sub)
	}
	v, ok := e.value.(string)
	return v, ok && e.kind == compare && e.op == filter.EQ && strings.EqualFold(e.path.AttributeName, sub)
}

// sort orders by a simple attribute; entries without it come last (RFC 7644 section 3.4.2.3).
func (k *resourceKind) sort(found []*entry, by string, descending bool) *errors.ScimError {
	t, err := k.resolve(by, &Quirks{})
	if err != nil || t.attr == nil || t.where != nil {
		return refuse(http.StatusBadRequest, errors.ScimTypeInvalidPath, "sortBy must name an attribute.")
	}
	key := func(e *entry) string {
		for _, v := range elements(read(e, t.attr)) {
			if m, ok := v.(map[string]any); ok && t.sub != nil {
				v = m[t.sub.name]
			}
			if s, ok := v.(string); ok {
				if !t.leaf().exact() {
					s = strings.ToLower(s)
				}
				return s
			}
		}
		return ""
	}
	slices.SortStableFunc(found, func(a, b *entry) int {
		x, y := key(a), key(b)
		switch {
		case x == y:
			return 0
		case x == "":
			return 1
		case y == "":
			return -1
		}
		if descending {
			x, y = y, x
		}
		return strings.Compare(x, y)
	})
	return nil
}

// pageOf cuts a page out of what was found.
func pageOf(found []*entry, start, count int, q *Quirks) []*entry {
	if q.StartIndexIgnored {
		start = 1
	}
	from := start - 1
	if q.OverlapPages && from > 0 {
		from--
	}
	if q.ShortPages && count > 1 && (start-1)/count%2 == 1 {
		count /= 2
	}
	from = min(from, len(found))
	return found[from:min(from+count, len(found))]
}
