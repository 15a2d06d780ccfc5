package msgraph

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// few is the number of objects up to which single reads are no dearer than a batch.
const few = 3

// hesitation is how long an object that was found nowhere is given to show up: it may have been
// restored between the two reads, or one of them was answered by a replica that is behind.
const hesitation = 2 * time.Second

// Lookup implements [engine.Source]: a live object is read whole; one in deleted items comes with
// what is told of it there, among it the rewritten principal name; what is in neither place, and not
// live a moment later either, is gone (GS-MG-4, GS-RS-2).
func (s *Source) Lookup(ctx context.Context, k engine.Kind, ids []string) ([]engine.Object, error) {
	return s.lookup(ctx, k, ids, manner{})
}

func (s *Source) lookup(ctx context.Context, k engine.Kind, ids []string, m manner) ([]engine.Object, error) {
	ids = slices.Clone(ids)
	for i := range ids {
		ids[i] = strings.ToLower(ids[i])
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)

	out, missing, err := s.readLive(ctx, k, ids, m)
	if err != nil {
		return nil, err
	}
	binned, missing, err := s.readBinned(ctx, k, missing, m)
	if err != nil {
		return nil, err
	}
	out = append(out, binned...)
	if len(missing) > 0 {
		if err := s.conn.Sleep(ctx, hesitation, http.StatusNotFound); err != nil {
			return nil, err
		}
		late, gone, err := s.readLive(ctx, k, missing, m)
		if err != nil {
			return nil, err
		}
		out = append(out, late...)
		for _, id := range gone {
			out = append(out, engine.Object{Ref: engine.Ref{Kind: k, ID: id}, State: engine.HardDeleted})
		}
	}
	return out, nil
}

// readLive reads objects of the directory (R7) and returns the ids that are not there.
func (s *Source) readLive(ctx context.Context, k engine.Kind, ids []string, m manner) (found []engine.Object, missing []string, err error) {
	sel := s.selection(k)
	items, err := s.read(ctx, call{place: atObject, template: string(k) + "s/{id}", permission: s.permission(k), manner: m},
		ids, func(id string) (string, string) { return string(k) + "s/" + url.PathEscape(id), "$select=" + sel.plain })
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		item, is := items[id]
		if !is {
			missing = append(missing, id)
			continue
		}
		found = append(found, s.live(k, item))
	}
	return found, missing, nil
}

// live is an object of the directory that was read whole.
func (s *Source) live(k engine.Kind, item map[string]any) engine.Object {
	o := engine.Object{Ref: engine.Ref{Kind: k, ID: identity(item)}, State: engine.Active, Attributes: s.selection(k).attributes(item)}
	o.Conveys = conveys(o)
	return o
}

// readBinned reads deleted items (R10) and returns the ids that are not among them. Deleted items
// show a part of the properties: the others are no news.
func (s *Source) readBinned(ctx context.Context, k engine.Kind, ids []string, m manner) (found []engine.Object, missing []string, err error) {
	items, err := s.read(ctx, call{place: atObject, template: "directory/deletedItems/{id}", permission: s.binPermission(k), manner: m},
		ids, func(id string) (string, string) { return "directory/deletedItems/" + url.PathEscape(id), "" })
	if se, ok := errors.AsType[*engine.SourceError](err); ok && se.Status == http.StatusNotFound && se.Transient {
		// Not a matter of these objects, and waiting does not help: there is no recycle bin to look into.
		refused := *se
		refused.Transient = false
		refused.Message = "read directory/deletedItems: the endpoint does not say who was deleted; check that it is a Microsoft Graph root (HTTP 404)"
		return nil, nil, &refused
	}
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		item, is := items[id]
		if !is || !typed(item, k) { // ids of every type are answered here
			missing = append(missing, id)
			continue
		}
		found = append(found, engine.Object{Ref: engine.Ref{Kind: k, ID: id}, State: engine.SoftDeleted, Partial: true,
			Attributes: s.selection(k).attributes(item)})
	}
	return found, missing, nil
}

func (s *Source) permission(k engine.Kind) string {
	if k == engine.Group {
		return "GroupMember.Read.All (Group.Read.All for attributes beyond the basic ones)"
	}
	return "User.Read.All"
}

func (s *Source) binPermission(k engine.Kind) string {
	if k == engine.Group {
		return "Group.Read.All"
	}
	return "User.Read.All"
}

// typed reports whether an item is of a kind, or does not say of which type it is.
func typed(item map[string]any, k engine.Kind) bool {
	typ, _ := item["@odata.type"].(string)
	return typ == "" || strings.EqualFold(strings.TrimPrefix(typ, "#"), "microsoft.graph."+string(k))
}

// read reads single objects; those that do not exist are missing from the answer.
func (s *Source) read(ctx context.Context, c call, ids []string, where func(id string) (path, query string)) (map[string]map[string]any, error) {
	found := make(map[string]map[string]any, len(ids))
	err := s.askEach(ctx, c, ids, where, func(id string, a *answer) error {
		o, err := readObject(a)
		if err == nil {
			err = c.sameObject(o, id)
		}
		if err == nil {
			found[id] = o
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// readLists reads one list for each of the ids to its end; ids of objects that do not exist are missing
// from the answer.
func (s *Source) readLists(ctx context.Context, c call, ids []string, where func(id string) (path, query string)) (map[string][]map[string]any, error) {
	first := make(map[string]list, len(ids))
	err := s.askEach(ctx, c, ids, where, func(id string, a *answer) error {
		l, err := s.readList(a)
		if err == nil {
			first[id] = l
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	found := make(map[string][]map[string]any, len(first))
	for id, l := range first {
		found[id] = l.items
		if l.next == "" {
			continue
		}
		rest := c
		rest.place = atLink
		if rest.url, err = url.Parse(l.next); err != nil {
			return nil, c.fail(engine.CodeSourcePage, http.StatusOK, nil, "the page has a link that is no URL, and was not used")
		}
		err := s.each(ctx, rest, func(item map[string]any) error {
			found[id] = append(found[id], item)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// askEach puts one question about each of the ids, in batches where they are many. take reads an answer; its
// calls do not overlap. Ids of objects that do not exist are passed over.
func (s *Source) askEach(ctx context.Context, c call, ids []string, where func(id string) (path, query string), take func(id string, a *answer) error) error {
	if len(ids) > few && !s.singly.Load() {
		err := s.askBatched(ctx, c, ids, where, take)
		if !errors.Is(err, errNoBatch) {
			return err
		}
		s.singly.Store(true)
	}
	for _, id := range ids {
		path, query := where(id)
		c.url = s.at(path, query)
		err := s.fetch(ctx, c, func(a *answer) error { return take(id, a) })
		if err != nil && !errors.Is(err, errMissing) {
			return err
		}
	}
	return nil
}

// sameObject finds an answer about another object than the one asked for.
func (c *call) sameObject(o map[string]any, id string) error {
	if !c.relation && identity(o) != id {
		return &damaged{"the answer is about another object"}
	}
	return nil
}
