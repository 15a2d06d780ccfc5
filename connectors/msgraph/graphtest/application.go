package graphtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// addApp creates a service principal with its roles.
func (s *Server) addApp(name string, roles []AppRole) *object {
	if roles == nil {
		roles = []AppRole{{Value: "User"}, {Value: "Manager"}, {Value: "Legacy", Disabled: true}}
	}
	o, err := s.dir.add(servicePrincipals, s.freshID())
	if err != nil {
		panic(fmt.Sprintf("graphtest: %v", err)) // a fresh id is free
	}
	name = cmp.Or(name, "Sandbox App")
	s.strings(o, "displayName", name, "appDisplayName", name, "appId", s.freshID(), "servicePrincipalType", "Application")
	p := s.dir.props[servicePrincipals]
	s.dir.set(o, p.byName["accountenabled"], "true")
	s.dir.set(o, p.byName["approleassignmentrequired"], "true")
	s.dir.learnName(o)
	for _, r := range roles {
		s.addRole(o, r)
	}
	return o
}

func (s *Server) addRole(sp *object, r AppRole) string {
	r.ID = strings.ToLower(cmp.Or(r.ID, s.freshID()))
	r.DisplayName = cmp.Or(r.DisplayName, r.Value)
	sp.roles = append(sp.roles, r)
	s.setRoles(sp)
	return r.ID
}

func (s *Server) setRoles(sp *object) {
	type wireRole struct {
		ID                 string   `json:"id"`
		AllowedMemberTypes []string `json:"allowedMemberTypes"`
		Description        string   `json:"description"`
		DisplayName        string   `json:"displayName"`
		IsEnabled          bool     `json:"isEnabled"`
		Origin             string   `json:"origin"`
		Value              *string  `json:"value"`
	}
	list := []wireRole{}
	for _, r := range sp.roles {
		w := wireRole{r.ID, []string{"User"}, r.DisplayName, r.DisplayName, !r.Disabled, "Application", &r.Value}
		if r.Value == "" {
			w.Value = nil
		}
		list = append(list, w)
	}
	raw, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings and booleans always encode
	}
	s.dir.set(sp, s.dir.props[servicePrincipals].byName["approles"], string(raw))
}

// ServicePrincipalID is the object id of the application whose assignments define the scope.
func (s *Server) ServicePrincipalID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.app.id
}

// AppID is the application's client id, the same everywhere.
func (s *Server) AppID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dir.text(s.app, "appId", s.dir.rev)
}

// AppRoles are the application's roles.
func (s *Server) AppRoles() []AppRole {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.app.roles)
}

// AddServicePrincipal creates another application and returns its object id.
func (s *Server) AddServicePrincipal(displayName string, roles []AppRole) (id string) {
	s.change("AddServicePrincipal", func() error {
		id = s.addApp(displayName, roles).id
		return nil
	})
	return id
}

// AddAppRole adds a role to the application and returns its id.
func (s *Server) AddAppRole(r AppRole) (id string) {
	s.change("AddAppRole", func() error {
		id = s.addRole(s.app, r)
		return nil
	})
	return id
}

// EnableAppRole switches a role of the application on or off.
func (s *Server) EnableAppRole(roleID string, on bool) {
	s.change("EnableAppRole", func() error {
		i := slices.IndexFunc(s.app.roles, func(r AppRole) bool { return strings.EqualFold(r.ID, roleID) })
		if i < 0 {
			return fmt.Errorf("no app role with id %q", roleID)
		}
		s.app.roles[i].Disabled = !on
		s.setRoles(s.app)
		return nil
	})
}

// Assign assigns a live user, group or service principal to the application and returns the id of
// the assignment. An empty role is [ZeroRole]; roles the application does not have are accepted.
func (s *Server) Assign(principalID, roleID string) string {
	return s.AssignTo(s.ServicePrincipalID(), principalID, roleID)
}

// AssignTo is Assign for another application.
func (s *Server) AssignTo(servicePrincipalID, principalID, roleID string) (id string) {
	s.change("Assign", func() error {
		a, err := s.assign(servicePrincipalID, principalID, roleID)
		if err == nil {
			id = a.id
		}
		return err
	})
	return id
}

func (s *Server) assign(resourceID, principalID, roleID string) (*assignment, error) {
	sp, err := s.dir.findLive(servicePrincipals, resourceID)
	if err != nil {
		return nil, err
	}
	p := s.dir.objects[strings.ToLower(principalID)]
	if p == nil || p.kind == devices || p.stateAt(s.dir.rev) != live {
		return nil, fmt.Errorf("no live user, group or service principal with id %q", principalID)
	}
	role := strings.ToLower(cmp.Or(roleID, ZeroRole))
	for _, a := range p.grants {
		if a.resource == sp && a.role == role && a.holds(s.dir.rev) {
			return nil, fmt.Errorf("%q has this role already", principalID)
		}
	}
	a := &assignment{
		id: looseID(s.dice.next()), role: role, principal: p, resource: sp,
		created: stamp(s.dir.now), born: s.dir.rev,
	}
	p.grants = append(p.grants, a)
	sp.assigned = append(sp.assigned, a)
	return a, nil
}

// Unassign ends all assignments of a principal to the application.
func (s *Server) Unassign(principalID string) {
	s.change("Unassign", func() error { return s.unassign(s.app.id, principalID, "") })
}

// UnassignRole ends the assignment of one role; an empty role is [ZeroRole].
func (s *Server) UnassignRole(principalID, roleID string) {
	s.change("UnassignRole", func() error { return s.unassign(s.app.id, principalID, cmp.Or(roleID, ZeroRole)) })
}

// unassign ends the assignments of a principal to a service principal, of one role or, with an empty one, of all.
func (s *Server) unassign(resourceID, principalID, roleID string) error {
	p := s.dir.objects[strings.ToLower(principalID)]
	if p == nil {
		return fmt.Errorf("no object with id %q", principalID)
	}
	n := 0
	for _, a := range p.grants {
		if strings.EqualFold(a.resource.id, resourceID) && a.ended == 0 && (roleID == "" || strings.EqualFold(a.role, roleID)) {
			s.dir.end(a)
			n++
		}
	}
	if n == 0 {
		return fmt.Errorf("%q has no such assignment", principalID)
	}
	return nil
}
