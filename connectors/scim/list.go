package scim

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// maxEmptyPages in a row are read in a cursor listing before it counts as broken (22.3).
const maxEmptyPages = 20

// List implements [engine.Lister] (section 22).
func (c *Client) List(ctx context.Context, k engine.Kind, yield func(engine.Resource) error) (bool, error) {
	l := &listing{c: c, k: k, count: c.set.Page.Size, total: -1, seen: map[string]bool{}, yield: yield}
	complete, err := l.run(ctx)
	if l.stopped != nil {
		return false, l.stopped
	}
	return complete, c.settled(ctx, err)
}

// listing is one enumeration under way.
type listing struct {
	c         *Client
	k         engine.Kind
	count     int // 0: the server does not take count
	seen      map[string]bool
	total     int  // of results, as the last page said that had any; -1: not said
	twice     bool // an id came on more than one page
	moved     bool // the number of results changed: somebody who was not shown may have moved to a page that was
	restarted bool
	yield     func(engine.Resource) error
	stopped   error // what yield returned
}

func (l *listing) run(ctx context.Context) (bool, error) {
	start, cursor, byCursor := 1, "", l.c.set.Page.Mode == "cursor"
	empties := 0
	for pages := 0; ; pages++ {
		if pages >= l.c.set.Page.MaxPages || len(l.seen) > l.c.set.Page.MaxResources {
			return false, l.broken("it has more pages or results than page.maxPages and page.maxResources allow")
		}
		p, again, err := l.page(ctx, start, cursor, byCursor)
		if err != nil {
			return false, err
		}
		if again { // with what l has changed; a cursor is good for the count that it was made with
			cursor, empties = "", 0
			continue
		}
		news, err := l.deliver(p)
		if err != nil {
			return false, err
		}
		r := len(p.resources)
		l.totals(p)
		if p.next != "" && l.c.set.Page.Mode != "index" {
			if p.next == cursor {
				return false, l.broken("it returned the same cursor twice")
			}
			if empties++; r > 0 {
				empties = 0
			}
			if empties > maxEmptyPages {
				return false, l.broken("it returned too many empty pages")
			}
			cursor, byCursor = p.next, true
			continue
		}
		if byCursor || r == 0 {
			return l.whole(), nil
		}
		if news == 0 && pages > 0 {
			return false, l.broken("it returned the same results for another startIndex")
		}
		start += r // never itemsPerPage and never count: both are wrong on some servers
		if p.total >= 0 && start > p.total && r < l.count {
			return l.whole(), nil
		}
	}
}

// totals compares the number of results that pages tell. On a page behind the last some servers say 0.
func (l *listing) totals(p page) {
	if p.total < 0 || p.total == 0 && len(p.resources) == 0 && len(l.seen) > 0 {
		return
	}
	l.moved = l.moved || l.total >= 0 && p.total != l.total
	l.total = p.total
}

// whole reports whether nothing can be missing: only then may absence be concluded from a listing.
func (l *listing) whole() bool {
	return !l.twice && !l.moved && (l.total < 0 || l.total == len(l.seen))
}

func (l *listing) deliver(p page) (news int, err error) {
	for i := range p.resources {
		r := &p.resources[i]
		if r.ID == "" {
			return news, l.c.badAnswer(opList, http.StatusOK, "the list holds a resource without id")
		}
		if l.seen[r.ID] {
			l.twice = true
			continue
		}
		l.seen[r.ID] = true
		news++
		if l.stopped = l.yield(r.Resource); l.stopped != nil {
			return news, l.stopped
		}
	}
	return news, nil
}

func (l *listing) broken(why string) error {
	return l.c.fail(engine.OutcomeEscrow, engine.CodePaginationBroken, "the listing cannot be trusted: %s", why)
}

// page reads one page. again asks to send the question once more: by index from where it stood, by cursor from the start.
func (l *listing) page(ctx context.Context, start int, cursor string, byCursor bool) (p page, again bool, err error) {
	var b []byte
	if l.k == engine.Group {
		b = append(b, "excludedAttributes=members&"...)
	}
	if byCursor {
		b = append(b, "cursor="...)
		b = appendEscaped(b, cursor, false)
	} else {
		b = strconv.AppendInt(append(b, "startIndex="...), int64(start), 10)
	}
	if l.count > 0 {
		b = strconv.AppendInt(append(b, "&count="...), int64(l.count), 10)
	}
	rep, err := l.c.send(ctx, request{op: opList, kind: l.k, method: http.MethodGet, path: endpoint(l.k), template: endpoint(l.k), query: string(b)})
	if f := asFailure(err); f != nil {
		switch {
		case f.said.scimType == "invalidCount" && l.count > 0:
			l.count = 0
			return page{}, true, nil
		case slices.Contains([]string{"invalidCursor", "expiredCursor"}, f.said.scimType) && byCursor:
			if !l.restarted {
				l.restarted = true
				l.c.log.Warn("the target forgot the cursor of a listing; it starts again", zap.String("path", endpoint(l.k)))
				return page{}, true, nil
			}
			return page{}, false, l.broken("its cursor expired again")
		case (f.status == http.StatusRequestEntityTooLarge || f.said.scimType == "tooMany") && l.count > 1:
			l.count /= 2
			return page{}, true, nil
		case f.status == http.StatusBadRequest && start > 1 && !byCursor && l.total >= 0 && start > l.total:
			return page{total: l.total}, false, nil // there is no page behind the last one
		case f.status == http.StatusBadRequest && start > 1 && !byCursor:
			return page{}, false, l.broken("the target refuses a startIndex of " + strconv.Itoa(start))
		}
	}
	if asTooLarge(err) && l.count > 1 {
		l.count /= 2
		return page{}, true, nil
	}
	if err != nil {
		return page{}, false, err
	}
	if p, err = parsePage(rep.body, l.k, l.c.set.limits); err != nil {
		return page{}, false, l.c.badAnswer(opList, rep.status, notJSON(rep.body, err))
	}
	return p, false, nil
}
