package graphtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// delta answers one page of a feed.
func (c *call) delta(k kind) answer {
	s := c.s
	if s.settings.B2C {
		return c.fail(400, "Request_UnsupportedQuery", "Delta query is not supported for this type of tenant.")
	}
	p, prob := c.start(k)
	if prob != nil {
		return c.problem(prob)
	}
	if p.Target != 0 {
		if death := s.death(p); death != "" {
			return c.dead(k, death)
		}
	}
	sel, prob := s.dir.props[k].selectFor(k, p.Select, true)
	if prob != nil {
		return c.problem(prob)
	}
	if c.query.get("$deltatoken") == "latest" {
		return c.paged(c.deltaOnly(k, p, sel))
	}
	if !p.Cursor {
		p = c.open(p)
	}
	return c.paged(c.deltaPage(k, p, sel))
}

// start reads the position out of the request: a token, or the options of a first call.
func (c *call) start(k kind) (position, *problem) {
	q := &c.query
	if q.has("$skiptoken") && q.has("$select") {
		return position{}, &problem{400, "Request_BadRequest", "The query option '$select' cannot be used together with '$skiptoken'."}
	}
	if c.s.settings.StrictOptions {
		for _, o := range []string{"$orderby", "$search", "$count"} {
			if q.has(o) {
				return position{}, &problem{400, "Request_UnsupportedQuery", fmt.Sprintf("The query option '%s' is not supported by delta query.", o)}
			}
		}
	}
	if token := q.get("$skiptoken"); q.has("$skiptoken") {
		p, ok := c.s.redeem(token)
		if !ok || !p.Cursor || p.Feed != k.path() {
			return p, &problem{400, "Request_BadRequest", "The skip token is not valid."}
		}
		return p, nil
	}
	if token := q.get("$deltatoken"); token != "" && token != "latest" {
		p, ok := c.s.redeem(token)
		if !ok || p.Cursor || p.Feed != k.path() {
			return p, &problem{400, "Request_BadRequest", "The delta token is not valid."}
		}
		return p, nil
	}
	names := q.list("$select")
	ids, prob := idFilter(q.get("$filter"))
	if prob != nil {
		return position{}, prob
	}
	return position{Feed: k.path(), Select: names, IDs: ids}, nil
}

// idFilter reads the only filter that delta calls know: "id eq 'x' or id eq 'y'", at most 50 ids.
func idFilter(filter string) ([]string, *problem) {
	if strings.TrimSpace(filter) == "" {
		return nil, nil
	}
	bad := func(why string) ([]string, *problem) {
		return nil, &problem{400, "Request_UnsupportedQuery", "Delta query supports only a filter on ids: " + why}
	}
	f, err := parseFilter(filter)
	if err != nil {
		return bad(err.Error())
	}
	var ids []string
	for _, any := range f {
		if len(any) != 1 || any[0].op != "eq" || !strings.EqualFold(any[0].name, "id") {
			return bad("use id eq '…' joined by or.")
		}
		ids = append(ids, strings.ToLower(any[0].value))
	}
	if len(ids) > 50 {
		return bad("at most 50 ids.")
	}
	return ids, nil
}

// open begins a round: from here on the target stays what it is.
func (c *call) open(p position) position {
	s := c.s
	if p.Target != 0 { // a deltaLink: what was reached is the new base
		if s.spent[p.Gen] && s.settings.ReuseLosesChanges {
			p.Lossy = true
		}
		s.spent[p.Gen] = true
		p.Prev, p.Base = p.Base, p.Target
	}
	p.Target = max(p.Base, s.visibleRevision(s.settings.DeltaLag, c))
	p.Cursor, p.Page, p.Number = true, 0, 0
	p.Salt = s.dice.next()
	return p
}

// deltaOnly answers $deltatoken=latest.
func (c *call) deltaOnly(k kind, p position, sel selection) *page {
	p.Target = c.s.visibleRevision(c.s.settings.DeltaLag, c)
	p.Prev, p.Base = p.Target, p.Target
	pg := &page{context: contextOf(c.root, k.path(), sel, false), count: -1}
	pg.delta = c.deltaLink(k, p)
	return pg
}

func (c *call) deltaLink(k kind, p position) string {
	p.Cursor, p.Lossy, p.Again = false, false, false
	p.Salt, p.Page, p.Number = 0, 0, 0
	return c.root + "/" + k.path() + "/delta?$deltatoken=" + c.s.issue(p)
}

func (c *call) deltaPage(k kind, p position, sel selection) *page {
	s := c.s
	r := s.planRound(k, p, sel)
	pg := &page{
		context: contextOf(c.root, k.path(), sel, false), count: -1, pos: p, noise: s.settings.AnnotationNoise,
		build: func(p position) *page { return c.deltaPage(k, p, sel) },
		link: func(p position) string {
			return c.root + "/" + k.path() + "/delta?$skiptoken=" + s.issue(p)
		},
	}
	if p.Page >= r.pages() { // only a plan made anew under other settings is shorter
		pg.delta = c.deltaLink(k, p)
		return pg
	}
	entries := r.entries[r.cuts[p.Page]:r.cuts[p.Page+1]]
	minimal := strings.Contains(strings.ToLower(c.header.Get("Prefer")), "return=minimal")
	if minimal {
		c.reply.Set("Preference-Applied", "return=minimal")
	}
	pg.ends = make([]int, 0, len(entries))
	pg.items = make([]byte, 0, len(entries)*(64+40*len(sel.props)))
	for i := range entries {
		pg.items = s.appendEntry(pg.items, &entries[i], k, p, sel, minimal)
		pg.ends = append(pg.ends, len(pg.items))
	}
	next := p
	next.Page, next.Number, next.Again = p.Page+1, p.Number+1, false
	if next.Page < r.pages() {
		pg.next = pg.link(next)
	} else {
		pg.delta = c.deltaLink(k, p)
	}
	return pg
}

// appendEntry writes one item of a round.
func (s *Server) appendEntry(b []byte, e *entry, k kind, p position, sel selection, minimal bool) []byte {
	base, target := p.Base, p.Target
	if e.replay {
		base, target = p.Prev, p.Base
	}
	id := uuid(e.ghost)
	if e.obj != nil {
		id = e.obj.id
	}
	b = append(b, `{"id":`...)
	b = appendString(b, id)
	switch e.form {
	case asRemoved:
		return append(b, `,"@removed":{"reason":"changed"}}`...)
	case asDeleted:
		return append(b, `,"@removed":{"reason":"deleted"}}`...)
	}
	o := e.obj
	values := target
	if s.settings.MixedVisibility && !e.replay && o.stateAt(s.dir.rev) == live {
		values = s.dir.rev
	}
	for _, def := range sel.props {
		raw, rev := o.valueAt(def, values)
		switch {
		case raw == "", base == 0 && raw == "null":
			continue
		case minimal && base != 0 && rev <= base:
			continue
		case e.parts > 1 && e.part >= 0 && rev > base && int8(mixText(p.Salt, def.name)%uint64(e.parts)) != e.part:
			continue // another part of the split carries this change
		}
		b = append(b, ',')
		b = append(b, def.key...)
		b = append(b, raw...)
	}
	if sel.manager && e.part == 0 {
		b = s.appendManager(b, o, base, target, p.Salt)
	}
	if e.from < e.to {
		b = s.appendMembers(b, e, base, target, p.Salt)
	}
	return append(b, '}')
}

// appendManager writes manager@delta if there is news.
func (s *Server) appendManager(b []byte, o *object, base, target, salt uint64) []byte {
	if !o.managerChanged(base, target) && !o.tellsAll(base) {
		return b
	}
	was, is := o.managerAt(base), o.managerAt(target)
	if is == nil && o.tellsAll(base) { // it may have ended while only the tombstone was told
		for _, m := range o.managers {
			if m.by != nil && m.rev <= target {
				was = m.by
			}
		}
	}
	if is != nil && (is.stateAt(target) == hardDeleted ||
		(base == 0 && s.settings.HideSoftDeletedMembers && is.stateAt(target) == softDeleted)) {
		is = nil
	}
	if base == 0 || was == is || (is != nil && !s.settings.ManagerOldItem) {
		was = nil
	}
	var refs [][]byte
	if is != nil {
		refs = append(refs, appendRef(nil, is, false))
	}
	if was != nil {
		refs = append(refs, appendRef(nil, was, true))
	}
	if len(refs) == 0 {
		return b
	}
	if mixText(salt, o.id)%2 == 0 {
		slices.Reverse(refs)
	}
	b = append(b, `,"manager@delta":[`...)
	for i, r := range refs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r...)
	}
	return append(b, ']')
}

// appendMembers writes the slice of members@delta that the entry carries.
func (s *Server) appendMembers(b []byte, e *entry, base, target, salt uint64) []byte {
	b = append(b, `,"members@delta":[`...)
	first, all := true, e.obj.tellsAll(base)
	add := func(o *object, removed bool) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendRef(b, o, removed)
	}
	for i := e.from; i < e.to; i++ {
		edge := &e.obj.edges[i]
		what := s.memberNews(edge, base, target, all)
		if what == noNews {
			continue
		}
		if s.settings.SplitChanges && base != 0 && edge.changes(base, target) > 1 {
			removedFirst := mixText(salt, edge.member.id)%2 == 0
			add(edge.member, removedFirst)
			add(edge.member, !removedFirst)
			continue
		}
		add(edge.member, what == left)
	}
	return append(b, ']')
}

// dead answers a link that works no more.
func (c *call) dead(k kind, how TokenDeath) answer {
	again := c.root + "/" + k.path() + "/delta?$deltatoken="
	switch how {
	case Gone:
		a := c.fail(http.StatusGone, "resyncRequired", "Resync required. Replace any local items with the server's version.")
		a.header.Set("Location", again)
		return a
	case GoneBare:
		return answer{status: http.StatusGone, header: http.Header{}}
	case Nested:
		return c.failWith(400, "BadRequest", "The request is not valid.",
			map[string]any{"code": "invalidRequest", "innerError": map[string]any{"code": "resyncRequired"}})
	case Page:
		return c.fail(400, "Directory_ExpiredPageToken", "The specified page token value has expired and can no longer be included in your request.")
	case PageUnknown:
		return c.fail(404, "UnknownError", "")
	default:
		return c.fail(400, "syncStateNotFound", "The sync state generation is not found; the delta token is too old.")
	}
}
