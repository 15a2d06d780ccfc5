package graphtest

import (
	"encoding/json"
	"slices"
	"strings"
)

// Truth is the state of the directory as it is, without lags and silent cases: what a client should
// know after it has caught up.
type Truth struct {
	Users       map[string]TruthUser       `json:"users"`  // by id, live and soft-deleted
	Groups      map[string]TruthGroup      `json:"groups"` // by id, live and soft-deleted
	Assignments map[string]TruthAssignment `json:"assignments"`
	// Entitled are the live users with at least one assignment that counts, by id: those assigned
	// themselves, and the direct members of assigned, live, security-enabled groups; roles that
	// are disabled or unknown do not count.
	Entitled map[string]TruthEntitlement `json:"entitled"`
	// Lapsed are assignments that entitle nobody, by assignment id, with the reason.
	Lapsed map[string]string `json:"lapsed"`
}

// TruthUser is a user. Properties hold decoded JSON, nulls left out.
type TruthUser struct {
	SoftDeleted bool           `json:"softDeleted,omitempty"`
	Properties  map[string]any `json:"properties"`
	ManagerID   string         `json:"managerId,omitempty"` // live or soft-deleted
}

// TruthGroup is a group with its direct members, soft-deleted ones included: their memberships stay.
type TruthGroup struct {
	SoftDeleted bool              `json:"softDeleted,omitempty"`
	Properties  map[string]any    `json:"properties"`
	Members     map[string]string `json:"members"` // @odata.type by id
}

// TruthAssignment is an assignment to the application, whether it counts or not.
type TruthAssignment struct {
	PrincipalID   string `json:"principalId"`
	PrincipalType string `json:"principalType"`
	AppRoleID     string `json:"appRoleId"`
}

// TruthEntitlement is why a user is entitled.
type TruthEntitlement struct {
	Roles  []string `json:"roles"`            // app role ids, sorted, each once
	Direct bool     `json:"direct"`           // by an assignment of its own
	Groups []string `json:"groups,omitempty"` // by these groups, sorted
}

// Truth returns the state of the directory.
func (s *Server) Truth() Truth {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick()
	return s.truth(s.app)
}

func (s *Server) truth(sp *object) Truth {
	at := s.dir.rev
	t := Truth{
		Users: map[string]TruthUser{}, Groups: map[string]TruthGroup{}, Assignments: map[string]TruthAssignment{},
		Entitled: map[string]TruthEntitlement{}, Lapsed: map[string]string{},
	}
	for _, o := range s.dir.all[users] {
		if st := o.stateAt(at); st == live || st == softDeleted {
			u := TruthUser{SoftDeleted: st == softDeleted, Properties: o.decoded(at)}
			if m := o.managerAt(at); m != nil && m.stateAt(at) != hardDeleted {
				u.ManagerID = m.id
			}
			t.Users[o.id] = u
		}
	}
	for _, o := range s.dir.all[groups] {
		if st := o.stateAt(at); st == live || st == softDeleted {
			g := TruthGroup{SoftDeleted: st == softDeleted, Properties: o.decoded(at), Members: map[string]string{}}
			for i := range o.edges {
				if e := &o.edges[i]; e.holds(at) && e.member.stateAt(at) != hardDeleted {
					g.Members[e.member.id] = e.member.kind.wire()
				}
			}
			t.Groups[o.id] = g
		}
	}
	s.entitle(&t, sp, at)
	return t
}

func (o *object) decoded(at uint64) map[string]any {
	m := map[string]any{}
	for i := range o.props {
		raw, _ := o.valueAt(o.props[i].def, at)
		var v any
		if raw != "" && json.Unmarshal([]byte(raw), &v) == nil && v != nil {
			m[o.props[i].def.name] = v
		}
	}
	return m
}

func (s *Server) entitle(t *Truth, sp *object, at uint64) {
	if sp.stateAt(at) != live {
		return
	}
	grant := func(u *object, role string, by *object) {
		e := t.Entitled[u.id]
		if i, found := slices.BinarySearch(e.Roles, role); !found {
			e.Roles = slices.Insert(e.Roles, i, role)
		}
		if by == nil {
			e.Direct = true
		} else if i, found := slices.BinarySearch(e.Groups, by.id); !found {
			e.Groups = slices.Insert(e.Groups, i, by.id)
		}
		t.Entitled[u.id] = e
	}
	for _, a := range sp.assigned {
		p := a.principal
		if !a.holds(at) || p.stateAt(at) != live {
			continue
		}
		t.Assignments[a.id] = TruthAssignment{p.id, p.kind.word(), a.role}
		if why := s.lapsed(sp, a, at); why != "" {
			t.Lapsed[a.id] = why
			continue
		}
		if p.kind == users {
			grant(p, a.role, nil)
			continue
		}
		p.members(at, func(m *object) {
			if m.kind == users {
				grant(m, a.role, p)
			}
		})
	}
}

// lapsed is why an assignment does not count; "" if it does.
func (s *Server) lapsed(sp *object, a *assignment, at uint64) string {
	if a.principal.kind == servicePrincipals {
		return "service principal"
	}
	if a.role != ZeroRole {
		i := slices.IndexFunc(sp.roles, func(r AppRole) bool { return strings.EqualFold(r.ID, a.role) })
		if i < 0 {
			return "unknown role"
		}
		if sp.roles[i].Disabled {
			return "disabled role"
		}
	}
	if a.principal.kind == groups {
		if raw, _ := a.principal.valueAt(s.dir.props[groups].byName["securityenabled"], at); raw != "true" {
			return "group is not security-enabled"
		}
	}
	return ""
}
