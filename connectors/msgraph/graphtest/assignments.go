package graphtest

import (
	"strings"
)

// appendAssignment writes an appRoleAssignment.
func (s *Server) appendAssignment(b []byte, a *assignment, at uint64) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, a.id...)
	b = append(b, `","deletedDateTime":null,"appRoleId":`...)
	b = appendString(b, a.role)
	b = append(b, `,"createdDateTime":"`...)
	b = append(b, a.created...)
	b = append(b, `","principalDisplayName":`...)
	b = appendString(b, s.dir.text(a.principal, "displayName", at))
	b = append(b, `,"principalId":`...)
	b = appendString(b, a.principal.id)
	b = append(b, `,"principalType":"`...)
	b = append(b, a.principal.kind.word()...)
	b = append(b, `","resourceDisplayName":`...)
	b = appendString(b, s.dir.text(a.resource, "displayName", at))
	b = append(b, `,"resourceId":`...)
	b = appendString(b, a.resource.id)
	return append(b, '}')
}

// assignedTo lists who is assigned to an application, with the listing's known faults.
func (c *call) assignedTo() answer {
	s := c.s
	w, prob := c.walk(s.settings.AssignmentLag)
	if prob != nil {
		return c.problem(prob)
	}
	at := w.pos.Target
	sp := s.lookup(servicePrincipals, c.args[0], at)
	if sp == nil || sp.stateAt(at) != live {
		return c.missing(c.args[0])
	}
	filter, prob := c.assignmentFilter("principaldisplayname")
	if prob != nil {
		return c.problem(prob)
	}
	var list []*assignment
	for _, a := range sp.assigned {
		switch {
		case !a.holds(at) || a.principal.stateAt(at) != live || !filter(a, at):
		case a.principal.kind == servicePrincipals && s.settings.DefaultPageOmitsSome && w.top != maxTop:
		default:
			list = append(list, a)
		}
	}
	if rate := s.settings.IncompleteRate; rate > 0 && chance(mix(w.pos.Salt, 11)) < rate {
		list = list[:len(list)-int(float64(len(list))*(0.01+0.39*chance(mix(w.pos.Salt, 12))))]
	}
	context := c.root + "/$metadata#appRoleAssignments"
	a := c.answer(w, context, len(list), func(b []byte, i int) []byte { return s.appendAssignment(b, list[i], at) })
	if s.settings.FilterTopDropsNextLink && c.query.has("$filter") && c.query.has("$top") {
		a.page.next = ""
	}
	return a
}

// assignmentFilter knows the properties that the listing can be filtered by.
func (c *call) assignmentFilter(known string) (func(*assignment, uint64) bool, *problem) {
	text := c.query.get("$filter")
	if strings.TrimSpace(text) == "" {
		return func(*assignment, uint64) bool { return true }, nil
	}
	f, err := parseFilter(text)
	if err != nil || len(f) != 1 || len(f[0]) != 1 || !strings.EqualFold(f[0][0].name, known) {
		return nil, &problem{400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause: only '" + known + "' can be filtered by here."}
	}
	cond := f[0][0]
	return func(a *assignment, at uint64) bool {
		have := a.resource.id
		if known == "principaldisplayname" {
			have = c.s.dir.text(a.principal, "displayName", at)
		}
		if cond.op == "startswith" {
			return len(have) >= len(cond.value) && strings.EqualFold(have[:len(cond.value)], cond.value)
		}
		return strings.EqualFold(have, cond.value)
	}, nil
}

// grantsOf lists what a user or group is assigned to. For a user this includes the grants of the
// groups that it is a direct member of, as documented; their principalId is the group's.
func (c *call) grantsOf(k kind) answer {
	s := c.s
	w, prob := c.walk(s.settings.AssignmentLag)
	if prob != nil {
		return c.problem(prob)
	}
	at := w.pos.Target
	o := s.lookup(k, c.args[0], at)
	if o == nil || o.stateAt(at) != live {
		return c.missing(c.args[0])
	}
	filter, prob := c.assignmentFilter("resourceid")
	if prob != nil {
		return c.problem(prob)
	}
	var list []*assignment
	add := func(p *object) {
		for _, a := range p.grants {
			if a.holds(at) && a.resource.stateAt(at) == live && filter(a, at) {
				list = append(list, a)
			}
		}
	}
	add(o)
	if k == users && s.settings.GroupGrantsInAssignments {
		for _, g := range s.dir.all[groups] {
			if len(g.grants) == 0 || g.stateAt(at) != live {
				continue
			}
			if e := g.edgeTo(o); e != nil && e.holds(at) {
				add(g)
			}
		}
	}
	context := c.root + "/$metadata#appRoleAssignments"
	return c.answer(w, context, len(list), func(b []byte, i int) []byte { return s.appendAssignment(b, list[i], at) })
}

func (c *call) createAssignment() answer {
	sp := c.object(servicePrincipals, c.s.dir.rev)
	if sp == nil {
		return c.missing(c.args[0])
	}
	var body struct {
		PrincipalID string `json:"principalId"`
		ResourceID  string `json:"resourceId"`
		AppRoleID   string `json:"appRoleId"`
	}
	if prob := c.decode(&body); prob != nil {
		return c.problem(prob)
	}
	if body.PrincipalID == "" || body.AppRoleID == "" || !strings.EqualFold(body.ResourceID, sp.id) {
		return c.fail(400, "Request_BadRequest", "principalId, resourceId and appRoleId are required, and resourceId must be the service principal of the path.")
	}
	known := body.AppRoleID == ZeroRole
	for _, r := range sp.roles {
		known = known || strings.EqualFold(r.ID, body.AppRoleID)
	}
	if !known {
		return c.fail(400, "Request_BadRequest", "Permission being assigned was not found on application.")
	}
	var a *assignment
	prob := c.edit(func() (err error) {
		a, err = c.s.assign(sp.id, body.PrincipalID, body.AppRoleID)
		return err
	})
	if prob != nil {
		return c.problem(&problem{400, "Request_BadRequest", "Permission being assigned already exists on the object, or the principal is not there: " + prob.message + "."})
	}
	b := append([]byte(`{"@odata.context":`), quote(c.root+"/$metadata#appRoleAssignments/$entity")...)
	b = append(b, ',')
	b = append(b, c.s.appendAssignment(nil, a, c.s.dir.rev)[1:]...)
	return answer{status: 201, header: map[string][]string{}, body: b}
}

func (c *call) deleteAssignment() answer {
	sp := c.object(servicePrincipals, c.s.dir.rev)
	if sp == nil {
		return c.missing(c.args[0])
	}
	for _, a := range sp.assigned {
		if a.id == c.args[1] && a.ended == 0 {
			c.s.dir.begin()
			c.s.dir.end(a)
			return c.none()
		}
	}
	return c.missing(c.args[1])
}
