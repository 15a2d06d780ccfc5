package msgraph

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// few is the number of objects up to which single reads are no dearer than a batch.
const few = 3

// Lookup implements [engine.Source]: a live object is read whole; one in deleted items comes with
// what is told of it there, among it the rewritten principal name; what is in neither place is gone
// (GS-MG-4, GS-RS-2).
func (s *Source) Lookup(ctx context.Context, k engine.Kind, ids []string) ([]engine.Object, error) {
	ids = slices.Clone(ids)
	for i := range ids {
		ids[i] = strings.ToLower(ids[i])
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)

	sel := s.selection(k)
	live, err := s.read(ctx, call{place: atObject, template: string(k) + "s/{id}", permission: s.permission(k)},
		ids, func(id string) (string, string) { return string(k) + "s/" + url.PathEscape(id), "$select=" + sel.plain })
	if err != nil {
		return nil, err
	}
	out := make([]engine.Object, 0, len(ids))
	var missing []string
	for _, id := range ids {
		item, found := live[id]
		if !found {
			missing = append(missing, id)
			continue
		}
		o := engine.Object{Ref: engine.Ref{Kind: k, ID: id}, State: engine.Active, Attributes: sel.attributes(item)}
		o.Conveys = conveys(o)
		out = append(out, o)
	}
	binned, err := s.read(ctx, call{place: atObject, template: "directory/deletedItems/{id}", permission: s.binPermission(k)},
		missing, func(id string) (string, string) { return "directory/deletedItems/" + url.PathEscape(id), "" })
	if err != nil {
		return nil, err
	}
	for _, id := range missing {
		o := engine.Object{Ref: engine.Ref{Kind: k, ID: id}, State: engine.HardDeleted}
		if item, found := binned[id]; found {
			// Deleted items show a part of the properties: the others are no news.
			o.State, o.Partial, o.Attributes = engine.SoftDeleted, true, sel.attributes(item)
		}
		out = append(out, o)
	}
	return out, nil
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
				err = sameObject(o, id)
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
func sameObject(o map[string]any, id string) error {
	if identity(o) != id {
		return &damaged{"the answer is about another object"}
	}
	return nil
}
