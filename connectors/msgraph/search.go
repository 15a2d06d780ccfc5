package msgraph

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// A name is one way in which a person may call a user: a filter that asks for it, and what makes sure that
// what comes back is meant.
type name struct {
	filter string
	is     func(item map[string]any) bool
}

// names are the ways to find a user, the surest first.
func names(by string) []name {
	ways := []name{
		{"userPrincipalName eq " + literal(by), func(item map[string]any) bool { return same(principalName(item), by) }},
		{"mail eq " + literal(by), func(item map[string]any) bool { return same(item["mail"], by) }},
	}
	if start := guestStart(by); start != "" {
		ways = append(ways, name{"startswith(userPrincipalName," + literal(start) + ")", func(item map[string]any) bool {
			n := principalName(item)
			return len(n) > len(start) && strings.EqualFold(n[:len(start)], start)
		}})
	}
	return ways
}

// guestStart is how the principal name of a guest begins whose own address is by: what the mapping makes of
// such a name is turned back (GS-EX-2). "" if by is no address.
func guestStart(by string) string {
	at := strings.LastIndexByte(by, '@')
	if at <= 0 || at == len(by)-1 || strings.Contains(by, "#") {
		return ""
	}
	return by[:at] + "_" + by[at+1:] + "#EXT#@"
}

// principalName is the userPrincipalName of an item, in deleted items without the id that is put in front of it there.
func principalName(item map[string]any) string {
	n, _ := item["userPrincipalName"].(string)
	if mark := strings.ReplaceAll(identity(item), "-", ""); len(n) > len(mark) && strings.EqualFold(n[:len(mark)], mark) {
		return n[len(mark):]
	}
	return n
}

func same(v any, by string) bool {
	s, _ := v.(string)
	return strings.EqualFold(s, by)
}

// literal is a text in a $filter.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// query encodes the value of a query option.
func query(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// find looks for an object by id, a user by its names, a group by displayName: live first, then in the recycle bin,
// where groups are found by id only.
func (s *Source) find(ctx context.Context, k engine.Kind, by string) (engine.Object, error) {
	if guid.MatchString(by) {
		found, err := s.lookup(ctx, k, []string{by}, onDemand)
		if err != nil {
			return engine.Object{}, err
		}
		if o := found[0]; o.State != engine.HardDeleted {
			return o, nil
		}
	}
	var ways []name
	switch {
	case by == "", k == engine.User && guid.MatchString(by): // no name of a user has this form
	case k == engine.Group:
		ways = []name{{"displayName eq " + literal(by), func(item map[string]any) bool { return same(item["displayName"], by) }}}
	default:
		ways = names(by)
	}
	for _, way := range ways {
		found, err := s.search(ctx, k, way)
		if err != nil || len(found) > 0 {
			return theOne(by, found, err)
		}
	}
	if len(ways) > 0 && k == engine.User {
		return s.findBinned(ctx, by, ways)
	}
	return engine.Object{}, noSuch(k)
}

// theOne is the object object that was found.
func theOne(by string, found []engine.Object, err error) (engine.Object, error) {
	switch {
	case err != nil:
		return engine.Object{}, err
	case len(found) == 1:
		return found[0], nil
	}
	e := &engine.AmbiguousError{Name: by}
	for _, o := range found {
		e.IDs = append(e.IDs, o.ID)
	}
	return engine.Object{}, e
}

func noSuch(k engine.Kind) error {
	if k == engine.Group {
		return fmt.Errorf("%w: the directory has no group with this id or displayName", engine.ErrNotFound)
	}
	return fmt.Errorf("%w: the directory has no user with this id, userPrincipalName or mail, and none was deleted in the last 30 days", engine.ErrNotFound)
}

// search returns the live objects that are called so, by id.
func (s *Source) search(ctx context.Context, k engine.Kind, way name) ([]engine.Object, error) {
	path, selected := string(k)+"s", "$select="+s.selection(k).plain
	c := call{place: atStart, template: path, permission: s.permission(k), asks: selected, manner: onDemand,
		url: s.at(path, "$filter="+query(way.filter)+"&"+selected)}
	items, err := s.searched(ctx, c, way)
	if err != nil {
		return nil, err
	}
	found := make([]engine.Object, 0, len(items))
	for _, item := range items {
		found = append(found, s.live(k, item))
	}
	return found, nil
}

// searched reads a list and returns the items that are called so, by id, each once.
func (s *Source) searched(ctx context.Context, c call, ways ...name) ([]map[string]any, error) {
	ranks := make([]map[string]map[string]any, len(ways))
	err := s.each(ctx, c, func(item map[string]any) error {
		for i, way := range ways {
			if !way.is(item) {
				continue
			}
			if ranks[i] == nil {
				ranks[i] = map[string]map[string]any{}
			}
			ranks[i][identity(item)] = item
			break
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, found := range ranks {
		if len(found) > 0 {
			return slices.SortedFunc(maps.Values(found), func(a, b map[string]any) int { return cmp.Compare(identity(a), identity(b)) }), nil
		}
	}
	return nil, nil
}

// findBinned looks for a user among the deleted ones. Their names were rewritten, so the list is read whole (R8).
func (s *Source) findBinned(ctx context.Context, by string, ways []name) (engine.Object, error) {
	const path = "directory/deletedItems/microsoft.graph.user"
	c := call{place: atStart, template: path, permission: s.binPermission(engine.User), manner: onDemand,
		url: s.at(path, "$select=id,userPrincipalName,mail,deletedDateTime&$top=999")}
	items, err := s.searched(ctx, c, ways...)
	if err != nil || len(items) == 0 {
		return engine.Object{}, cmp.Or(err, noSuch(engine.User))
	}
	var found []engine.Object
	for _, item := range items {
		found = append(found, engine.Object{Ref: engine.Ref{Kind: engine.User, ID: identity(item)}})
	}
	if len(found) > 1 {
		return theOne(by, found, nil)
	}
	if found, err = s.lookup(ctx, engine.User, []string{found[0].ID}, onDemand); err == nil && found[0].State == engine.HardDeleted {
		err = noSuch(engine.User)
	}
	return theOne(by, found, err)
}
