package msgraph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// onDemand is how questions are asked that a person waits for.
var onDemand = manner{priority: highPriority}

// maxAsked is the number of principals or members about whom single questions are asked where the
// alternative is a list of several pages: five batches.
const maxAsked = 100

// Inspect implements [engine.Inspector]. It reads what the feeds tell about one object, from the places that
// need no permission beyond those of the feeds. Of an object that is not live nothing but itself is told: a recycled
// user shows no memberships, and has them again when it is restored (GS-GR-6).
//
// members names members by id; a userPrincipalName or mail is looked up. One that is not a member comes as an
// edge with Removed set.
func (s *Source) Inspect(ctx context.Context, k engine.Kind, by string, members []string) (engine.Inspection, error) {
	o, err := s.find(ctx, k, strings.TrimSpace(by))
	if err != nil {
		return engine.Inspection{}, err
	}
	in := engine.Inspection{Object: o}
	switch {
	case o.State != engine.Active:
		return in, nil
	case k == engine.Group:
		in.Edges, err = s.membersAsked(ctx, o.Ref, members)
	default:
		err = s.relations(ctx, &in)
	}
	if err != nil {
		return engine.Inspection{}, err
	}
	if s.cfg.assignments() {
		principals := []engine.Ref{o.Ref}
		for _, g := range in.Groups {
			principals = append(principals, g.Ref)
		}
		if in.Assignments, err = s.assignmentsOf(ctx, principals); err != nil {
			return engine.Inspection{}, err
		}
	}
	return in, nil
}

// relations adds the groups and the manager of a user.
func (s *Source) relations(ctx context.Context, in *engine.Inspection) error {
	user := in.Object.Ref
	if s.cfg.groups() {
		if err := s.groupsAbove(ctx, in, s.cfg.Nested); err != nil {
			return err
		}
	}
	if !s.cfg.Select.Manager {
		return nil
	}
	c := call{place: atObject, template: "users/{id}/manager", permission: "User.Read.All", relation: true, manner: onDemand}
	found, err := s.read(ctx, c, []string{user.ID}, func(id string) (string, string) { return "users/" + url.PathEscape(id) + "/manager", "$select=id" })
	if err != nil {
		return err
	}
	if by := identity(found[user.ID]); by != "" {
		in.Edges = append(in.Edges, engine.Edge{From: user, Relation: engine.Manager, To: engine.Ref{Kind: engine.User, ID: by}})
	}
	return nil
}

// groupsAbove adds the groups that a user is a member of, directly or (nested) however deep, and the edges to it.
func (s *Source) groupsAbove(ctx context.Context, in *engine.Inspection, nested bool) error {
	user := in.Object.Ref
	parents, err := s.parents(ctx, user)
	if err != nil {
		return err
	}
	all := parents
	var nesting []engine.Edge
	if nested {
		if all, nesting, err = s.ancestors(ctx, user, parents); err != nil {
			return err
		}
	}
	if in.Groups, err = s.groupsNow(ctx, all); err != nil {
		return err
	}
	there := map[string]bool{} // a group that went away meanwhile conveys nothing
	for _, g := range in.Groups {
		there[g.ID] = true
	}
	for _, id := range parents {
		nesting = append(nesting, engine.Edge{From: engine.Ref{Kind: engine.Group, ID: id}, Relation: engine.Member, To: user})
	}
	in.Edges = slices.DeleteFunc(nesting, func(e engine.Edge) bool {
		return !there[e.From.ID] || e.To.Kind == engine.Group && !there[e.To.ID]
	})
	slices.SortFunc(in.Edges, func(a, b engine.Edge) int {
		return cmp.Or(cmp.Compare(a.From.ID, b.From.ID), cmp.Compare(a.To.Kind, b.To.Kind), cmp.Compare(a.To.ID, b.To.ID))
	})
	return nil
}

// Ancestry implements [engine.Ancestry].
func (s *Source) Ancestry(ctx context.Context, user engine.Ref) (engine.Inspection, error) {
	in := engine.Inspection{Object: engine.Object{Ref: user, State: engine.Active}}
	if !s.cfg.groups() || !s.cfg.assignments() {
		return in, nil
	}
	if err := s.groupsAbove(ctx, &in, true); err != nil || len(in.Groups) == 0 {
		return in, err
	}
	var principals []engine.Ref
	for _, g := range in.Groups {
		principals = append(principals, g.Ref)
	}
	var err error
	in.Assignments, err = s.assignmentsOf(ctx, principals)
	return in, err
}

// groupPermission is what reading memberships needs.
const groupPermission = "GroupMember.Read.All"

// parents are the ids of the groups that an object is a direct member of, sorted. They are asked for without a
// cast to groups: a cast is answered from an index that is behind (advanced queries of directory objects).
func (s *Source) parents(ctx context.Context, of engine.Ref) ([]string, error) {
	return s.upward(ctx, of, "memberOf")
}

func (s *Source) upward(ctx context.Context, of engine.Ref, relation string) ([]string, error) {
	path := string(of.Kind) + "s/"
	c := call{place: atObject, template: path + "{id}/" + relation, permission: groupPermission, manner: onDemand,
		url: s.at(path+url.PathEscape(of.ID)+"/"+relation, "$select=id&$top=999")}
	var items []map[string]any
	err := s.each(ctx, c, func(item map[string]any) error {
		items = append(items, item)
		return nil
	})
	if errors.Is(err, errMissing) {
		return nil, c.wentAway()
	}
	return groupIDs(items), err
}

// groupIDs are the ids of the groups among items of several types, sorted, each once. One without a type may be a
// group: that is found when it is read.
func groupIDs(items []map[string]any) []string {
	var ids []string
	for _, item := range items {
		if typed(item, engine.Group) {
			ids = append(ids, identity(item))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// wentAway says that an object was there a moment ago.
func (c *call) wentAway() error {
	e := c.fail(engine.CodeSourceUnavailable, http.StatusNotFound, nil, "the object went away while it was read, or a replica does not have it yet; ask again")
	e.Transient = true
	return e
}

// ancestors are the ids of all groups that a user is below of, and the edges between those groups. Where they
// are the parents themselves, how these are nested makes no difference to the user and is not read.
func (s *Source) ancestors(ctx context.Context, user engine.Ref, parents []string) ([]string, []engine.Edge, error) {
	all, err := s.upward(ctx, user, "transitiveMemberOf")
	if err != nil {
		return nil, nil, err
	}
	all = slices.Concat(all, parents)
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) == len(parents) {
		return all, nil, nil
	}
	c := call{place: atObject, template: "groups/{id}/memberOf", permission: groupPermission, manner: onDemand}
	above, err := s.readLists(ctx, c, all, func(id string) (string, string) {
		return "groups/" + url.PathEscape(id) + "/memberOf", "$select=id&$top=999"
	})
	if err != nil {
		return nil, nil, err
	}
	var edges []engine.Edge
	for _, id := range all {
		for _, outer := range groupIDs(above[id]) {
			edges = append(edges, engine.Edge{From: engine.Ref{Kind: engine.Group, ID: outer}, Relation: engine.Member, To: engine.Ref{Kind: engine.Group, ID: id}})
		}
	}
	return all, edges, nil
}

// groupsNow reads groups whole. Those that are not found a moment later either are left out. Their attributes are
// not taken from a list of memberships, which shows null where a permission is missing (GS-PM-1).
func (s *Source) groupsNow(ctx context.Context, ids []string) ([]engine.Object, error) {
	found, missing, err := s.readLive(ctx, engine.Group, ids, onDemand)
	if err != nil || len(missing) == 0 {
		return found, err
	}
	if err := s.conn.Sleep(ctx, hesitation, http.StatusNotFound); err != nil {
		return nil, err
	}
	late, _, err := s.readLive(ctx, engine.Group, missing, onDemand)
	found = append(found, late...)
	slices.SortFunc(found, func(a, b engine.Object) int { return cmp.Compare(a.ID, b.ID) })
	return found, err
}

// assignmentsOf reads the assignments of principals, sorted by id. The list of the application is asked for
// first: it is what the feed reads, and mostly one page. Where it is longer, each principal is asked, unless they are many or
// that is not allowed: it takes Directory.Read.All, which the feeds do without.
func (s *Source) assignmentsOf(ctx context.Context, principals []engine.Ref) ([]engine.Assignment, error) {
	app, err := s.application(ctx, onDemand)
	if err != nil {
		return nil, err
	}
	singly, cut := len(principals) <= maxAsked && !s.listOnly.Load(), false
	all, err := s.assigned(ctx, app, onDemand, func() bool {
		cut = singly
		return !singly
	})
	if err == nil && cut {
		all, err = s.granted(ctx, app, principals)
		if se, ok := errors.AsType[*engine.SourceError](err); ok && se.Code == engine.CodeSourceForbidden {
			s.listOnly.Store(true)
			all, err = s.assigned(ctx, app, onDemand, nil)
		}
	}
	return slices.DeleteFunc(all, func(a engine.Assignment) bool { return !slices.Contains(principals, a.Principal) }), err
}

// granted asks each principal for its assignments to the application (R11). A user's answer has those of its
// groups in it as well.
func (s *Source) granted(ctx context.Context, app application, principals []engine.Ref) ([]engine.Assignment, error) {
	kinds := map[string]engine.Kind{}
	var ids []string
	for _, p := range principals {
		kinds[p.ID] = p.Kind
		ids = append(ids, p.ID)
	}
	c := call{place: atObject, template: "{principal}/appRoleAssignments", permission: "Directory.Read.All", manner: onDemand}
	found, err := s.readLists(ctx, c, ids, func(id string) (string, string) {
		return string(kinds[id]) + "s/" + url.PathEscape(id) + "/appRoleAssignments", "$filter=" + query("resourceId eq "+app.id)
	})
	if err != nil {
		return nil, err
	}
	byID := map[string]engine.Assignment{}
	for _, items := range found {
		for _, item := range items {
			if to, _ := item["resourceId"].(string); !strings.EqualFold(to, app.id) {
				continue
			}
			if a, ok := app.assignment(item); ok {
				byID[a.ID] = a
			}
		}
	}
	all := make([]engine.Assignment, 0, len(byID))
	for _, a := range byID {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b engine.Assignment) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// membersAsked reads the members of a group, all or those asked for. Of a large group of which few members are
// asked for, these are asked which groups they are in.
func (s *Source) membersAsked(ctx context.Context, group engine.Ref, asked []string) ([]engine.Edge, error) {
	if asked != nil && len(asked) == 0 {
		return nil, nil
	}
	ids, err := s.memberIDs(ctx, asked)
	if err != nil {
		return nil, err
	}
	listed, whole := map[engine.Ref]bool{}, true
	c := call{place: atObject, template: "groups/{id}/members", permission: groupPermission, manner: onDemand,
		url: s.at("groups/"+url.PathEscape(group.ID)+"/members", "$select=id&$top=999")}
	err = s.pages(ctx, c, func() bool {
		whole = asked == nil || len(ids) > maxAsked
		return whole
	}, func(item map[string]any) error {
		id, k, err := asMember(item)
		if k != "" {
			listed[engine.Ref{Kind: k, ID: id}] = true
		}
		return err
	})
	switch {
	case errors.Is(err, errMissing):
		return nil, c.wentAway()
	case err != nil:
		return nil, err
	case asked == nil:
		for r := range listed {
			ids = append(ids, r.ID)
		}
		slices.Sort(ids)
	case !whole:
		if err := s.inGroup(ctx, group.ID, ids, listed); err != nil {
			return nil, err
		}
	}
	var edges []engine.Edge
	for _, id := range ids {
		edges = append(edges, memberEdges(group, id, listed)...)
	}
	return edges, nil
}

// memberEdges tells whether an id is that of a member. What it belongs to is not known of one that is not.
func memberEdges(group engine.Ref, id string, listed map[engine.Ref]bool) []engine.Edge {
	var gone []engine.Edge
	for _, k := range []engine.Kind{engine.User, engine.Group} {
		e := engine.Edge{From: group, Relation: engine.Member, To: engine.Ref{Kind: k, ID: id}}
		if listed[e.To] {
			return []engine.Edge{e}
		}
		e.Removed = true
		gone = append(gone, e)
	}
	return gone
}

// memberIDs are the ids of members that may be named otherwise, sorted, each once.
func (s *Source) memberIDs(ctx context.Context, names []string) ([]string, error) {
	var ids []string
	for _, name := range names {
		name = strings.TrimSpace(name)
		if !guid.MatchString(name) {
			o, err := s.find(ctx, engine.User, name)
			if err != nil {
				return nil, fmt.Errorf("one of the members asked for: %w", err)
			}
			name = o.ID
		}
		ids = append(ids, strings.ToLower(name))
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// inGroup adds to listed those of the ids, users or groups, that are direct members of a group.
func (s *Source) inGroup(ctx context.Context, group string, ids []string, listed map[engine.Ref]bool) error {
	for _, k := range []engine.Kind{engine.User, engine.Group} {
		c := call{place: atObject, template: string(k) + "s/{id}/memberOf", permission: groupPermission, manner: onDemand}
		found, err := s.readLists(ctx, c, ids, func(id string) (string, string) {
			return string(k) + "s/" + url.PathEscape(id) + "/memberOf", "$select=id&$top=999"
		})
		if err != nil {
			return err
		}
		var others []string
		for _, id := range ids {
			items, is := found[id]
			switch {
			case !is:
				others = append(others, id)
			case slices.Contains(groupIDs(items), group):
				listed[engine.Ref{Kind: k, ID: id}] = true
			}
		}
		ids = others
	}
	return nil
}
