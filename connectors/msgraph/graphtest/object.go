package graphtest

import (
	"encoding/json"
	"fmt"
	"strings"
)

// lookup finds an object by what a path may name it with: the id, a user's principal name, a
// service principal's appId.
func (s *Server) lookup(k kind, key string, at uint64) *object {
	low := strings.ToLower(key)
	if app, ok := strings.CutPrefix(low, "appid="); ok && k == servicePrincipals {
		return s.dir.apps[app]
	}
	if name, ok := strings.CutPrefix(low, "userprincipalname="); ok && k == users {
		return s.dir.names[name]
	}
	if o := s.dir.objects[low]; o != nil && o.kind == k {
		return o
	}
	if k == users {
		return s.dir.names[low]
	}
	return nil
}

// object finds the live object that the first part of the path names.
func (c *call) object(k kind, at uint64) *object {
	if o := c.s.lookup(k, c.args[0], at); o != nil && o.stateAt(at) == live {
		return o
	}
	return nil
}

func (c *call) read(k kind) answer {
	at := c.s.visibleRevision(c.s.settings.ObjectLag, c)
	sel, prob := c.s.dir.props[k].selectFor(k, c.query.list("$select"), false)
	if prob != nil {
		return c.problem(prob)
	}
	o := c.object(k, at)
	if o == nil {
		return c.missing(c.args[0])
	}
	return c.entity(200, o, sel, at)
}

func (c *call) readManager() answer {
	at := c.s.visibleRevision(c.s.settings.ObjectLag, c)
	sel, prob := c.s.dir.props[users].selectFor(users, c.query.list("$select"), false)
	if prob != nil {
		return c.problem(prob)
	}
	o := c.object(users, at)
	if o == nil {
		return c.missing(c.args[0])
	}
	by := o.managerAt(at)
	if by == nil || by.stateAt(at) != live {
		return c.missing("manager")
	}
	b := append([]byte(`{"@odata.context":`), quote(contextOf(c.root, "directoryObjects", sel, true))...)
	b = append(b, ',')
	b = append(b, c.s.appendObject(nil, by, sel, at, true)[1:]...)
	return answer{status: 200, header: map[string][]string{}, body: b}
}

// edit runs a write; what makes no sense is the client's mistake.
func (c *call) edit(f func() error) *problem {
	c.s.dir.begin()
	if err := f(); err != nil {
		return &problem{400, "Request_BadRequest", err.Error()}
	}
	return nil
}

// properties splits a body into properties and annotations.
func (c *call) properties(k kind) (set, notes map[string]any, prob *problem) {
	set, notes = map[string]any{}, map[string]any{}
	var body map[string]any
	if prob := c.decode(&body); prob != nil {
		return nil, nil, prob
	}
	for name, v := range body {
		switch {
		case strings.Contains(name, "@"):
			notes[name] = v
		case name == "passwordProfile":
			// accepted and forgotten: it can never be read
		default:
			if _, _, err := c.s.dir.props[k].encode(name, v); err != nil {
				return nil, nil, &problem{400, "Request_BadRequest", "Invalid property: " + err.Error() + "."}
			}
			set[name] = v
		}
	}
	return set, notes, nil
}

// need checks that a body has the properties that a creation cannot do without.
func need(set map[string]any, names ...string) *problem {
	for _, n := range names {
		if v, ok := set[n]; !ok || v == nil || v == "" {
			return &problem{400, "Request_BadRequest", fmt.Sprintf("A value is required for property '%s' of resource.", n)}
		}
	}
	return nil
}

func (c *call) createUser() answer {
	set, _, prob := c.properties(users)
	if prob == nil {
		prob = need(set, "accountEnabled", "displayName", "mailNickname", "userPrincipalName")
	}
	if prob != nil {
		return c.problem(prob)
	}
	if prob := c.nameFree(nil, set); prob != nil {
		return c.problem(prob)
	}
	var id string
	prob = c.edit(func() (err error) {
		name, _ := set["userPrincipalName"].(string)
		if id, err = c.s.addUser(User{UserPrincipalName: name}); err != nil {
			return err
		}
		return c.s.update(users, id, set)
	})
	return c.created(users, id, prob)
}

func (c *call) created(k kind, id string, prob *problem) answer {
	if prob != nil {
		return c.problem(prob)
	}
	sel, _ := c.s.dir.props[k].selectFor(k, nil, false)
	o := c.s.dir.objects[id]
	a := c.entity(201, o, sel, c.s.dir.rev)
	a.header.Set("Location", c.root+"/"+k.path()+"/"+id)
	return a
}

func (c *call) nameFree(me *object, set map[string]any) *problem {
	name, ok := set["userPrincipalName"].(string)
	if !ok {
		return nil
	}
	if !strings.Contains(name, "@") {
		return &problem{400, "Request_BadRequest", "The domain portion of the userPrincipalName property is invalid."}
	}
	if o := c.s.dir.names[strings.ToLower(name)]; o != nil && o != me {
		return &problem{400, "Request_BadRequest", "Another object with the same value for property userPrincipalName already exists."}
	}
	return nil
}

func (c *call) createGroup() answer {
	set, notes, prob := c.properties(groups)
	if prob == nil {
		prob = need(set, "displayName", "mailEnabled", "mailNickname", "securityEnabled")
	}
	if prob != nil {
		return c.problem(prob)
	}
	members, prob := c.bound(notes)
	if prob != nil {
		return c.problem(prob)
	}
	var id string
	prob = c.edit(func() (err error) {
		if id, err = c.s.addGroup(Group{Members: members}); err != nil {
			return err
		}
		return c.s.update(groups, id, set)
	})
	return c.created(groups, id, prob)
}

// bound reads members@odata.bind: at most 20 live objects.
func (c *call) bound(notes map[string]any) ([]string, *problem) {
	list, _ := notes["members@odata.bind"].([]any)
	if len(list) > 20 {
		return nil, &problem{400, "Request_BadRequest", "At most 20 references can be bound in one request."}
	}
	var ids []string
	for _, v := range list {
		link, _ := v.(string)
		o := c.s.refTarget(link)
		if o == nil {
			return nil, &problem{400, "Request_BadRequest", "Invalid object identifier in members@odata.bind."}
		}
		ids = append(ids, o.id)
	}
	return ids, nil
}

func (c *call) patch(k kind) answer {
	o := c.object(k, c.s.dir.rev)
	if o == nil {
		return c.missing(c.args[0])
	}
	set, notes, prob := c.properties(k)
	if prob == nil && k == users {
		prob = c.nameFree(o, set)
	}
	if prob != nil {
		return c.problem(prob)
	}
	members, prob := c.bound(notes)
	if prob == nil {
		for _, id := range members {
			if e := o.edgeTo(c.s.dir.objects[id]); e != nil && e.holds(c.s.dir.rev) {
				prob = alreadyMember
			}
		}
	}
	if prob == nil {
		prob = c.edit(func() error {
			for _, id := range members {
				if err := c.s.addMember(o.id, id); err != nil {
					return err
				}
			}
			return c.s.setAll(o, set)
		})
	}
	if prob != nil {
		return c.problem(prob)
	}
	return c.none()
}

func (c *call) delete(k kind) answer {
	o := c.object(k, c.s.dir.rev)
	if o == nil {
		return c.missing(c.args[0])
	}
	if prob := c.edit(func() error { return c.s.remove(o.id) }); prob != nil {
		return c.problem(prob)
	}
	return c.none()
}

// refTarget is the live object that an @odata.id names.
func (s *Server) refTarget(link string) *object {
	segs := splitPath(link[strings.LastIndexByte(link, ':')+1:])
	if o := s.dir.objects[strings.ToLower(lastSegment(segs))]; o != nil && o.stateAt(s.dir.rev) == live {
		return o
	}
	return nil
}

// ref reads the body {"@odata.id": "…"}.
func (c *call) ref() (*object, *problem) {
	var body map[string]any
	if prob := c.decode(&body); prob != nil {
		return nil, prob
	}
	link, _ := body["@odata.id"].(string)
	if link == "" {
		return nil, &problem{400, "Request_BadRequest", "The body must name the object in '@odata.id'."}
	}
	o := c.s.refTarget(link)
	if o == nil {
		return nil, &problem{404, "Request_ResourceNotFound", fmt.Sprintf("Resource '%s' does not exist or one of its queried reference-property objects are not present.", lastSegment(splitPath(link)))}
	}
	return o, nil
}

func (c *call) putManager() answer {
	o := c.object(users, c.s.dir.rev)
	if o == nil {
		return c.missing(c.args[0])
	}
	by, prob := c.ref()
	if prob == nil {
		prob = c.edit(func() error { return c.s.setManager(o.id, by.id) })
	}
	if prob != nil {
		return c.problem(prob)
	}
	return c.none()
}

func (c *call) deleteManager() answer {
	o := c.object(users, c.s.dir.rev)
	if o == nil || o.managerAt(c.s.dir.rev) == nil {
		return c.missing("manager")
	}
	if prob := c.edit(func() error { return c.s.setManager(o.id, "") }); prob != nil {
		return c.problem(prob)
	}
	return c.none()
}

var alreadyMember = &problem{400, "Request_BadRequest",
	"One or more added object references already exist for the following modified properties: 'members'."}

func (c *call) addMemberRef() answer {
	g := c.object(groups, c.s.dir.rev)
	if g == nil {
		return c.missing(c.args[0])
	}
	m, prob := c.ref()
	if prob == nil {
		if e := g.edgeTo(m); e != nil && e.holds(c.s.dir.rev) {
			prob = alreadyMember
		}
	}
	if prob == nil {
		prob = c.edit(func() error { return c.s.addMember(g.id, m.id) })
	}
	if prob != nil {
		return c.problem(prob)
	}
	return c.none()
}

func (c *call) removeMemberRef() answer {
	g := c.object(groups, c.s.dir.rev)
	if g == nil {
		return c.missing(c.args[0])
	}
	m := c.s.dir.objects[strings.ToLower(c.args[1])]
	if m == nil || g.edgeTo(m) == nil || !g.edgeTo(m).holds(c.s.dir.rev) {
		return c.missing(c.args[1])
	}
	if prob := c.edit(func() error { return c.s.removeMember(g.id, m.id) }); prob != nil {
		return c.problem(prob)
	}
	return c.none()
}

func (c *call) readDeleted() answer {
	at := c.s.visibleRevision(c.s.settings.DeletedLag, c)
	o := c.s.dir.objects[strings.ToLower(c.args[0])]
	if o == nil || o.stateAt(at) != softDeleted {
		return c.missing(c.args[0])
	}
	if need := readGrant(o.kind); c.grant&need != need {
		return c.fail(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
	}
	sc := c.s.dir.props[o.kind]
	sel, prob := sc.selectFor(o.kind, c.query.list("$select"), false)
	if prob != nil {
		return c.problem(prob)
	}
	if sel.all {
		sel.props = append([]*property{sc.byName["deleteddatetime"]}, sel.props...)
	}
	b := append([]byte(`{"@odata.context":`), quote(contextOf(c.root, "directoryObjects", sel, true))...)
	b = append(b, ',')
	b = append(b, c.s.appendObject(nil, o, sel, at, true)[1:]...)
	return answer{status: 200, header: map[string][]string{}, body: b}
}

func (c *call) deletedNow() *object {
	if o := c.s.dir.objects[strings.ToLower(c.args[0])]; o != nil && o.stateAt(c.s.dir.rev) == softDeleted {
		return o
	}
	return nil
}

func (c *call) purge() answer {
	o := c.deletedNow()
	if o == nil {
		return c.missing(c.args[0])
	}
	if prob := c.edit(func() error { return c.s.hardDelete(o.id) }); prob != nil {
		return c.problem(prob)
	}
	return c.none()
}

func (c *call) restoreDeleted() answer {
	o := c.deletedNow()
	if o == nil {
		return c.missing(c.args[0])
	}
	if o.kind == users {
		name := strings.TrimPrefix(c.s.dir.text(o, "userPrincipalName", c.s.dir.rev), strings.ReplaceAll(o.id, "-", ""))
		if prob := c.nameFree(o, map[string]any{"userPrincipalName": name}); prob != nil {
			return c.problem(prob)
		}
	}
	if prob := c.edit(func() error { return c.s.restore(o.id) }); prob != nil {
		return c.problem(prob)
	}
	sel, _ := c.s.dir.props[o.kind].selectFor(o.kind, nil, false)
	b := append([]byte(`{"@odata.context":`), quote(contextOf(c.root, "directoryObjects", sel, true))...)
	b = append(b, ',')
	b = append(b, c.s.appendObject(nil, o, sel, c.s.dir.rev, true)[1:]...)
	return answer{status: 200, header: map[string][]string{}, body: b}
}

// getByIDs answers the live objects among up to 1,000 ids; the others are silently absent.
func (c *call) getByIDs() answer {
	var body struct {
		IDs   []string `json:"ids"`
		Types []string `json:"types"`
	}
	if prob := c.decode(&body); prob != nil {
		return c.problem(prob)
	}
	if len(body.IDs) == 0 || len(body.IDs) > 1000 {
		return c.fail(400, "Request_BadRequest", "The number of ids must be between 1 and 1000.")
	}
	at := c.s.visibleRevision(c.s.settings.ObjectLag, c)
	sels, prob := c.selectMixed()
	if prob != nil {
		return c.problem(prob)
	}
	pg := &page{context: contextOf(c.root, "directoryObjects", sels[users], false), count: -1}
	seen := map[string]bool{}
	for _, id := range body.IDs {
		o := c.s.dir.objects[strings.ToLower(id)]
		if o == nil || seen[o.id] || o.stateAt(at) != live || !listed(body.Types, o.kind) {
			continue
		}
		seen[o.id] = true
		pg.items = c.s.appendObject(pg.items, o, sels[o.kind], at, true)
		pg.ends = append(pg.ends, len(pg.items))
	}
	return c.paged(pg)
}

func listed(types []string, k kind) bool {
	if len(types) == 0 {
		return true
	}
	for _, t := range types {
		if strings.EqualFold(t, k.word()) || strings.EqualFold(t, "directoryObject") {
			return true
		}
	}
	return false
}

func (c *call) organization() answer {
	type domain struct {
		Name      string `json:"name"`
		IsDefault bool   `json:"isDefault"`
		IsInitial bool   `json:"isInitial"`
		Type      string `json:"type"`
	}
	b, err := json.Marshal(map[string]any{
		"id":              c.s.tenant,
		"displayName":     "Sandbox Tenant",
		"tenantType":      map[bool]string{true: "CIAM", false: "AAD"}[c.s.settings.B2C],
		"verifiedDomains": []domain{{c.s.domain(), true, true, "Managed"}},
	})
	if err != nil {
		panic(err) // plain values
	}
	return c.paged(&page{context: c.root + "/$metadata#organization", count: -1, items: b, ends: []int{len(b)}})
}
