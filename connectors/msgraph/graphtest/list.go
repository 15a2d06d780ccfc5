package graphtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const defaultTop, maxTop = 100, 999

// A walk is a position in a list. The list is read as of one revision from its first page to its
// last, in an order of its own.
type walk struct {
	pos position
	top int
}

// walk reads $top and $skiptoken.
func (c *call) walk(lag Duration) (walk, *problem) {
	w := walk{top: defaultTop}
	if v := c.query.get("$top"); c.query.has("$top") {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxTop {
			return w, &problem{400, "Request_UnsupportedQuery", fmt.Sprintf("Invalid page size specified: '%.20s'. Must be between 1 and 999 inclusive.", v)}
		}
		w.top = n
	}
	key := strings.ToLower(c.path)
	if c.query.has("$skiptoken") {
		p, ok := c.s.redeem(c.query.get("$skiptoken"))
		if !ok || p.Feed != key {
			return w, &problem{400, "Request_BadRequest", "The skip token is not valid."}
		}
		w.pos = p
		return w, nil
	}
	w.pos = position{Feed: key, Cursor: true, Target: c.s.visibleRevision(lag, c), Salt: c.s.dice.next()}
	return w, nil
}

// answer gives the page at the walk's position of a list with n items.
func (c *call) answer(w walk, context string, n int, item func(b []byte, i int) []byte) answer {
	order := seeded(w.pos.Salt).Perm(n)
	return c.paged(c.listPage(w, context, order, item))
}

func (c *call) listPage(w walk, context string, order []int, item func(b []byte, i int) []byte) *page {
	p := w.pos
	pg := &page{
		context: context, count: -1, pos: p, noise: c.s.settings.AnnotationNoise,
		build: func(p position) *page { return c.listPage(walk{p, w.top}, context, order, item) },
		link: func(p position) string {
			return c.root + c.rawPath + "?" + c.query.encode(c.s.issue(p))
		},
	}
	if strings.EqualFold(c.query.get("$count"), "true") {
		pg.count = len(order)
	}
	next := p
	next.Number++
	if !p.Again && len(order) > w.top && chance(mix(p.Salt, uint64(p.Page))) < c.s.settings.EmptyPageRate {
		next.Again = true
		pg.next = pg.link(next)
		return pg
	}
	from := min(p.Page, len(order))
	to := min(from+w.top, len(order))
	for _, i := range order[from:to] {
		pg.items = item(pg.items, i)
		pg.ends = append(pg.ends, len(pg.items))
	}
	if to < len(order) {
		next.Page, next.Again = to, false
		pg.next = pg.link(next)
	}
	return pg
}

// list answers a collection of one kind.
func (c *call) list(k kind) answer {
	s := c.s
	sel, prob := s.dir.props[k].selectFor(k, c.query.list("$select"), false)
	if prob != nil {
		return c.problem(prob)
	}
	match, prob := c.filter(k)
	if prob != nil {
		return c.problem(prob)
	}
	w, prob := c.walk(s.settings.ObjectLag)
	if prob != nil {
		return c.problem(prob)
	}
	at := w.pos.Target
	var objs []*object
	for _, o := range s.dir.all[k] {
		if o.stateAt(at) == live && match(o, at) {
			objs = append(objs, o)
		}
	}
	return c.answer(w, contextOf(c.root, k.path(), sel, false), len(objs), func(b []byte, i int) []byte {
		return s.appendObject(b, objs[i], sel, at, false)
	})
}

// deletedItems lists deleted objects of the type in the path, or reads one by its id.
func (c *call) deletedItems() answer {
	s := c.s
	cast := strings.ToLower(c.args[0])
	if !strings.HasPrefix(cast, "graph.") {
		return c.readDeleted()
	}
	k, ok := map[string]kind{"graph.user": users, "graph.group": groups, "graph.serviceprincipal": servicePrincipals, "graph.device": devices}[cast]
	none := cast == "graph.application" // applications are not modelled: none was ever deleted
	if none {
		k = servicePrincipals
	} else if !ok {
		return c.fail(400, "Request_BadRequest", "The type cast in the path is not known.")
	}
	if need := readGrant(k); c.grant&need != need {
		return c.fail(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
	}
	sc := s.dir.props[k]
	sel, prob := sc.selectFor(k, c.query.list("$select"), false)
	if prob != nil {
		return c.problem(prob)
	}
	if sel.all && !slices.Contains(sel.props, sc.byName["deleteddatetime"]) {
		sel.props = append([]*property{sc.byName["deleteddatetime"]}, sel.props...)
	}
	if c.query.has("$orderby") && !strings.EqualFold(c.header.Get("ConsistencyLevel"), "eventual") {
		return c.fail(400, "Request_UnsupportedQuery", "Sorting deleted items needs the header ConsistencyLevel: eventual and $count=true.")
	}
	match, prob := c.filter(k)
	if prob != nil {
		return c.problem(prob)
	}
	w, prob := c.walk(s.settings.DeletedLag)
	if prob != nil {
		return c.problem(prob)
	}
	at := w.pos.Target
	var objs []*object
	for _, o := range s.dir.all[k] {
		if !none && o.stateAt(at) == softDeleted && match(o, at) {
			objs = append(objs, o)
		}
	}
	context := contextOf(c.root, "directoryObjects", sel, false)
	item := func(b []byte, i int) []byte { return s.appendObject(b, objs[i], sel, at, true) }
	if c.query.has("$orderby") {
		s.sortByDeletion(objs, at, c.query.get("$orderby"))
		order := make([]int, len(objs))
		for i := range order {
			order[i] = i
		}
		return c.paged(c.listPage(w, context, order, item))
	}
	return c.answer(w, context, len(objs), item)
}

func (s *Server) sortByDeletion(objs []*object, at uint64, by string) {
	slices.SortStableFunc(objs, func(a, b *object) int {
		return strings.Compare(s.dir.text(a, "deletedDateTime", at), s.dir.text(b, "deletedDateTime", at))
	})
	if strings.HasSuffix(strings.ToLower(by), " desc") {
		slices.Reverse(objs)
	}
}

// members answers a group's direct members, all or of one type.
func (c *call) members() answer {
	return c.memberList(func(g *object, at uint64) []*object {
		var out []*object
		g.members(at, func(o *object) {
			// The v1.0 listing is documented to leave out service principals.
			if o.kind != servicePrincipals || c.version == "beta" {
				out = append(out, o)
			}
		})
		return out
	})
}

// transitiveMembers answers everybody below a group, nested groups included, each once.
func (c *call) transitiveMembers() answer {
	return c.memberList(func(g *object, at uint64) []*object {
		seen := map[*object]bool{g: true}
		var out []*object
		for queue := []*object{g}; len(queue) > 0; queue = queue[1:] {
			queue[0].members(at, func(o *object) {
				if seen[o] {
					return
				}
				seen[o] = true
				out = append(out, o)
				if o.kind == groups {
					queue = append(queue, o)
				}
			})
		}
		return out
	})
}

// memberOf answers the groups that a user or group is a direct member of.
func (c *call) memberOf(k kind) answer {
	return c.upward(k, c.s.parents)
}

// transitiveMemberOf answers all groups that a user or group is below of, each once.
func (c *call) transitiveMemberOf(k kind) answer {
	return c.upward(k, func(o *object, at uint64) []*object {
		seen := map[*object]bool{o: true}
		var out []*object
		for queue := []*object{o}; len(queue) > 0; queue = queue[1:] {
			for _, g := range c.s.parents(queue[0], at) {
				if !seen[g] {
					seen[g] = true
					out, queue = append(out, g), append(queue, g)
				}
			}
		}
		return out
	})
}

// upward refuses a cast without the advanced query parameters, which it is documented to need.
func (c *call) upward(k kind, of func(o *object, at uint64) []*object) answer {
	if len(c.args) > 1 && (!strings.EqualFold(c.header.Get("ConsistencyLevel"), "eventual") || !strings.EqualFold(c.query.get("$count"), "true")) {
		return c.fail(400, "Request_UnsupportedQuery", "A cast of memberships needs the header ConsistencyLevel: eventual and $count=true.")
	}
	return c.related(k, of)
}

// parents are the live groups that list an object as a member.
func (s *Server) parents(o *object, at uint64) []*object {
	var out []*object
	for _, g := range s.dir.all[groups] {
		if e := g.edgeTo(o); e != nil && e.holds(at) && g.stateAt(at) == live {
			out = append(out, g)
		}
	}
	return out
}

func (c *call) memberList(of func(g *object, at uint64) []*object) answer {
	return c.related(groups, of)
}

// related answers a list of objects of mixed types that hang on one object.
func (c *call) related(k kind, of func(o *object, at uint64) []*object) answer {
	s := c.s
	w, prob := c.walk(s.settings.MemberLag)
	if prob != nil {
		return c.problem(prob)
	}
	at := w.pos.Target
	g := s.lookup(k, c.args[0], at)
	if g == nil || g.stateAt(at) != live {
		return c.missing(c.args[0])
	}
	only := kinds
	if len(c.args) > 1 {
		var ok bool
		only, ok = map[string]kind{"graph.user": users, "graph.group": groups, "graph.serviceprincipal": servicePrincipals,
			"graph.device": devices}[strings.ToLower(c.args[1])]
		if !ok {
			return c.fail(400, "BadRequest", "Resource not found for the segment '"+c.args[1]+"'.")
		}
	}
	sels, prob := c.selectMixed()
	if prob != nil {
		return c.problem(prob)
	}
	match, prob := c.filter(users)
	if prob != nil {
		return c.problem(prob)
	}
	var objs []*object
	for _, o := range of(g, at) {
		if (only == kinds || o.kind == only) && match(o, at) {
			objs = append(objs, o)
		}
	}
	return c.answer(w, contextOf(c.root, "directoryObjects", sels[users], false), len(objs), func(b []byte, i int) []byte {
		o := objs[i]
		if need := readGrant(o.kind); c.grant&need != need {
			return appendBare(b, o, sels[o.kind])
		}
		return s.appendObject(b, o, sels[o.kind], at, true)
	})
}

// selectMixed is $select over objects of several types: each shows what its type has.
func (c *call) selectMixed() ([kinds]selection, *problem) {
	names := c.query.list("$select")
	var sels [kinds]selection
	known := map[string]bool{"id": true}
	for k := range kinds {
		var mine []string
		for _, n := range names {
			if def := c.s.dir.props[k].byName[strings.ToLower(n)]; def != nil {
				known[strings.ToLower(n)] = true
				mine = append(mine, n)
			}
		}
		if len(names) > 0 && len(mine) == 0 {
			mine = []string{"id"}
		}
		sel, prob := c.s.dir.props[k].selectFor(k, mine, false)
		if prob != nil {
			return sels, prob
		}
		sels[k] = sel
	}
	for _, n := range names {
		if !known[strings.ToLower(n)] {
			return sels, &problem{400, "Request_BadRequest", fmt.Sprintf("Could not find a property named '%s' on type 'microsoft.graph.directoryObject'.", n)}
		}
	}
	return sels, nil
}

func readGrant(k kind) grant {
	switch k {
	case users:
		return readUsers
	case groups:
		return readGroups
	case servicePrincipals:
		return readApps
	}
	return 0
}
