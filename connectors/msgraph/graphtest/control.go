package graphtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Change is one step of a change script.
type Change struct {
	// Op is user.create, user.update, user.delete, group.create, group.update, group.delete,
	// group.addMembers, group.removeMembers, manager, softDelete, hardDelete, restore, assign or
	// unassign; user.softDelete and the like are taken for softDelete and the like.
	Op      string         `json:"op"`
	ID      string         `json:"id,omitempty"` // the object; for assign and unassign the principal
	Set     map[string]any `json:"set,omitempty"`
	Members []string       `json:"members,omitempty"`
	Manager string         `json:"manager,omitempty"` // empty: none
	Role    string         `json:"role,omitempty"`    // empty: the zero role; for unassign all
}

// Mutate runs a change script as one revision: a delta round sees all of it or nothing. It stops
// at the first change that makes no sense and says which; those before it have happened.
func (s *Server) Mutate(changes ...Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mutate(changes)
}

func (s *Server) mutate(changes []Change) error {
	s.tick()
	s.dir.begin()
	for i, c := range changes {
		if err := s.apply(c); err != nil {
			return fmt.Errorf("change %d (%s): %w", i+1, c.Op, err)
		}
	}
	return nil
}

func (s *Server) apply(c Change) error {
	op := c.Op
	if kind, rest, ok := strings.Cut(op, "."); ok && (kind == "user" || kind == "group") &&
		slices.Contains([]string{"softDelete", "hardDelete", "restore"}, rest) {
		op = rest
	}
	switch op {
	case "user.create":
		return s.create(users, c, func() (string, error) { return s.addUser(User{ID: c.ID, ManagerID: c.Manager}) })
	case "group.create":
		return s.create(groups, c, func() (string, error) { return s.addGroup(Group{ID: c.ID, Members: c.Members}) })
	case "user.update":
		return s.update(users, c.ID, c.Set)
	case "group.update":
		return s.update(groups, c.ID, c.Set)
	case "user.delete", "group.delete":
		return s.remove(c.ID)
	case "group.addMembers":
		return each(c.Members, func(m string) error { return s.addMember(c.ID, m) })
	case "group.removeMembers":
		return each(c.Members, func(m string) error { return s.removeMember(c.ID, m) })
	case "manager":
		return s.setManager(c.ID, c.Manager)
	case "softDelete":
		return s.softDelete(c.ID)
	case "hardDelete":
		return s.hardDelete(c.ID)
	case "restore":
		return s.restore(c.ID)
	case "assign":
		_, err := s.assign(s.app.id, c.ID, c.Role)
		return err
	case "unassign":
		return s.unassign(s.app.id, c.ID, c.Role)
	}
	return errors.New("unknown operation")
}

func (s *Server) create(k kind, c Change, add func() (string, error)) error {
	for name, v := range c.Set { // first, so that nothing is created on an error
		if _, _, err := s.dir.props[k].encode(name, v); err != nil {
			return err
		}
	}
	id, err := add()
	if err != nil {
		return err
	}
	return s.update(k, id, c.Set)
}

func each(ids []string, f func(string) error) error {
	for _, id := range ids {
		if err := f(id); err != nil {
			return err
		}
	}
	return nil
}

// control answers the calls under /_emu. They are for whoever runs the sandbox and ask for no token.
func (s *Server) control(w http.ResponseWriter, r *http.Request, body []byte) {
	status, out := s.obey(r, body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(out) // an error means that the client is gone
}

func (s *Server) obey(r *http.Request, body []byte) (status int, out []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick()
	v, err := s.command(r, body)
	status = http.StatusOK
	switch {
	case errors.Is(err, errNoCommand):
		status = http.StatusNotFound
	case err != nil:
		status = http.StatusBadRequest
	}
	if err != nil {
		v = map[string]string{"error": err.Error()}
	}
	out, err = json.Marshal(v)
	if err != nil {
		panic(err) // maps and plain structs always encode
	}
	return status, append(out, '\n')
}

var errNoCommand = errors.New("no such control call; see the package's documentation")

func (s *Server) command(r *http.Request, body []byte) (any, error) {
	ok := map[string]bool{"ok": true}
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, "/_emu/") {
	case "POST reset":
		return s.commandReset(body)
	case "POST clock":
		var in struct {
			Advance Duration `json:"advance"`
			Factor  *float64 `json:"factor"`
		}
		if err := strict(body, &in); err != nil {
			return nil, err
		}
		if in.Advance < 0 {
			return nil, errors.New("advance: the clock cannot go back")
		}
		s.life.advance(time.Duration(in.Advance))
		if in.Factor != nil {
			s.life.run(*in.Factor)
		}
		s.tick()
		return map[string]any{"now": s.dir.now}, nil
	case "POST mutate":
		var in []Change
		if err := strict(body, &in); err != nil {
			return nil, err
		}
		return ok, s.mutate(in)
	case "POST faults":
		var in []Fault
		if err := strict(body, &in); err != nil {
			return nil, err
		}
		for _, f := range in {
			if err := s.addFault(f); err != nil {
				return nil, err
			}
		}
		return ok, nil
	case "POST day":
		return s.passDay(), nil
	case "DELETE faults":
		s.faults = nil
		return ok, nil
	case "GET settings":
		return s.settings, nil
	case "POST settings":
		set := s.settings // what is not named stays
		if err := strict(body, &set); err != nil {
			return nil, err
		}
		set.fill()
		s.settings = set
		return set, nil
	case "POST killTokens":
		var in struct {
			Feed string     `json:"feed"`
			Mode TokenDeath `json:"mode"`
		}
		if err := strict(body, &in); err != nil {
			return nil, err
		}
		if !in.Mode.valid() {
			return nil, fmt.Errorf("mode %q: must be age, gone, goneBare, nested, page or pageUnknown", in.Mode)
		}
		s.killTokens(in.Feed, in.Mode)
		return ok, nil
	case "GET truth":
		sp := s.app
		if id := r.URL.Query().Get("sp"); id != "" {
			var err error
			if sp, err = s.dir.find(servicePrincipals, id); err != nil {
				return nil, err
			}
		}
		return s.truth(sp), nil
	case "GET log":
		since, err := strconv.Atoi("0" + r.URL.Query().Get("since"))
		if err != nil {
			return nil, errors.New("since: must be the number of a request")
		}
		i, _ := slices.BinarySearchFunc(s.log.list, since+1, func(r Request, n int) int { return r.Seq - n })
		return slices.Clone(s.log.list[i:]), nil
	case "GET stats":
		return s.stats, nil
	case "GET world":
		return map[string]any{"tenantId": s.tenant, "servicePrincipalId": s.app.id, "appId": s.dir.text(s.app, "appId", s.dir.rev),
			"appRoles": s.app.roles, "now": s.dir.now, "users": len(s.dir.all[users]), "groups": len(s.dir.all[groups])}, nil
	}
	return nil, errNoCommand
}

func (s *Server) commandReset(body []byte) (any, error) {
	var in struct {
		Seed        *uint64 `json:"seed"`
		Users       int     `json:"users"`
		Groups      int     `json:"groups"`
		Memberships int     `json:"memberships"`
		Tidy        bool    `json:"tidy"`
		B2C         bool    `json:"b2c"`
	}
	if err := strict(body, &in); err != nil {
		return nil, err
	}
	if in.Users < 0 || in.Groups < 0 || in.Memberships < 0 || in.Users > 5_000_000 || in.Groups > 1_000_000 || in.Memberships > 20_000_000 {
		return nil, errors.New("users, groups, memberships: out of range")
	}
	if in.Seed != nil {
		s.opts.Seed = *in.Seed
	}
	s.opts.Population = Population{Users: in.Users, Groups: in.Groups, Memberships: in.Memberships, Tidy: in.Tidy}
	s.settings.B2C = in.B2C
	s.reset()
	return map[string]any{"tenantId": s.tenant, "servicePrincipalId": s.app.id, "appId": s.dir.text(s.app, "appId", s.dir.rev)}, nil
}

// strict decodes a control call; a misspelt name is an error.
func strict(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
