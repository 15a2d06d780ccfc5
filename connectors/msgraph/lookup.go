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
	ids = slices.Clone(ids)
	for i := range ids {
		ids[i] = strings.ToLower(ids[i])
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)

	out, missing, err := s.readLive(ctx, k, ids)
	if err != nil {
		return nil, err
	}
	binned, missing, err := s.readBinned(ctx, k, missing)
	if err != nil {
		return nil, err
	}
	out = append(out, binned...)
	if len(missing) > 0 {
		if err := s.conn.Sleep(ctx, hesitation, http.StatusNotFound); err != nil {
			return nil, err
		}
		late, gone, err := s.readLive(ctx, k, missing)
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
func (s *Source) readLive(ctx context.Context, k engine.Kind, ids []string) (found []engine.Object, missing []string, err error) {
	sel := s.selection(k)
	items, err := s.read(ctx, call{place: atObject, template: string(k) + "s/{id}", permission: s.permission(k)},
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
		o := engine.Object{Ref: engine.Ref{Kind: k, ID: id}, State: engine.Active, Attributes: sel.attributes(item)}
		o.Conveys = conveys(o)
		found = append(found, o)
	}
	return found, missing, nil
}

// readBinned reads deleted items (R10) and returns the ids that are not among them. Deleted items
// show a part of the properties: the others are no news.
func (s *Source) readBinned(ctx context.Context, k engine.Kind, ids []string) (found []engine.Object, missing []string, err error) {
	items, err := s.read(ctx, call{place: atObject, template: "directory/deletedItems/{id}", permission: s.binPermission(k)},
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
		if !is {
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

// read reads single objects; those that do not exist are missing from the answer.
func (s *Source) read(ctx context.Context, c call, ids []string, where func(id string) (path, query string)) (map[string]map[string]any, error) {
	if len(ids) > few && !s.singly.Load() {
		found, err := s.readBatched(ctx, c, ids, where)
		if !errors.Is(err, errNoBatch) {
			return found, err
		}
		s.singly.Store(true)
	}
	found := make(map[string]map[string]any, len(ids))
	for _, id := range ids {
		path, query := where(id)
		c.url = s.at(path, query)
		err := s.fetch(ctx, c, func(a *answer) error {
			o, err := readObject(a)
			if err == nil {
				err = c.sameObject(o, id)
			}
			found[id] = o
			return err
		})
		if errors.Is(err, errMissing) {
			delete(found, id)
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// sameObject finds an answer about another object than the one asked for.
func (c *call) sameObject(o map[string]any, id string) error {
	if !c.relation && identity(o) != id {
		return &damaged{"the answer is about another object"}
	}
	return nil
}
