package graphtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// User is a user to be created. Empty fields are properties that were never set.
type User struct {
	ID                string // empty: made from the seed
	UserPrincipalName string // empty: made from the id
	DisplayName       string
	GivenName         string
	Surname           string
	Mail              string
	MailNickname      string
	JobTitle          string
	Department        string
	CompanyName       string
	EmployeeID        string
	OfficeLocation    string
	City              string
	Country           string
	MobilePhone       string
	PreferredLanguage string
	UserType          string // empty: Member
	Disabled          bool
	ManagerID         string
	// Extra are further properties in Graph's spelling, extensions included.
	Extra map[string]any
}

// Group is a group to be created: a security group unless a field says otherwise.
type Group struct {
	ID           string // empty: made from the seed
	DisplayName  string
	Description  string
	MailNickname string
	Mail         string
	MailEnabled  bool
	NotSecurity  bool     // securityEnabled is false
	Unified      bool     // a Microsoft 365 group, which is mail enabled and goes to deleted items
	Dynamic      bool     // DynamicMembership; its rule is not evaluated
	Members      []string // ids of users, groups, devices or service principals
	Extra        map[string]any
}

// AppRole is a role of an application.
type AppRole struct {
	ID          string // empty: made from the seed
	Value       string // the claim value
	DisplayName string // empty: the value
	Disabled    bool
}

// ZeroRole is the app role of an assignment without a specific role.
const ZeroRole = "00000000-0000-0000-0000-000000000000"

// change runs one change as a revision of its own, and panics if it makes no sense.
func (s *Server) change(what string, f func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick()
	s.dir.begin()
	if err := f(); err != nil {
		panic(fmt.Sprintf("graphtest: %s: %v", what, err))
	}
}

func (s *Server) freshID() string { return uuid(s.dice.next()) }

// AddUser creates a user and returns its id.
func (s *Server) AddUser(u User) (id string) {
	s.change("AddUser", func() (err error) {
		id, err = s.addUser(u)
		return err
	})
	return id
}

func (s *Server) addUser(u User) (string, error) {
	if u.ID == "" {
		u.ID = s.freshID()
	}
	if u.UserPrincipalName == "" {
		u.UserPrincipalName = "user-" + u.ID[:min(8, len(u.ID))] + "@" + s.domain()
	}
	if u.UserType == "" {
		u.UserType = "Member"
	}
	o, err := s.dir.add(users, u.ID)
	if err != nil {
		return "", err
	}
	s.strings(o,
		"userPrincipalName", u.UserPrincipalName, "displayName", u.DisplayName, "givenName", u.GivenName,
		"surname", u.Surname, "mail", u.Mail, "mailNickname", u.MailNickname, "jobTitle", u.JobTitle,
		"department", u.Department, "companyName", u.CompanyName, "employeeId", u.EmployeeID,
		"officeLocation", u.OfficeLocation, "city", u.City, "country", u.Country, "mobilePhone", u.MobilePhone,
		"preferredLanguage", u.PreferredLanguage, "userType", u.UserType)
	p := s.dir.props[users]
	s.dir.set(o, p.byName["accountenabled"], map[bool]string{true: "false", false: "true"}[u.Disabled])
	s.dir.set(o, p.byName["createddatetime"], quote(stamp(s.dir.now)))
	if err := s.setAll(o, u.Extra); err != nil {
		return "", err
	}
	s.dir.learnName(o)
	if u.ManagerID != "" {
		by, err := s.dir.findLive(users, u.ManagerID)
		if err != nil {
			return "", fmt.Errorf("manager: %w", err)
		}
		s.dir.setManager(o, by)
	}
	return o.id, nil
}

// strings sets string properties, given as names and values in turn; empty ones are left out.
func (s *Server) strings(o *object, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			s.dir.set(o, s.dir.props[o.kind].byName[strings.ToLower(pairs[i])], quote(pairs[i+1]))
		}
	}
}

// setAll changes properties; the principal name's index follows. Nothing is changed on an error.
func (s *Server) setAll(o *object, set map[string]any) error {
	type pair struct {
		def *property
		raw string
	}
	var pairs []pair
	for _, name := range slices.Sorted(maps.Keys(set)) {
		def, raw, err := s.dir.props[o.kind].encode(name, set[name])
		if err != nil {
			return err
		}
		pairs = append(pairs, pair{def, raw})
	}
	s.dir.forgetName(o)
	for _, p := range pairs {
		s.dir.set(o, p.def, p.raw)
	}
	s.dir.learnName(o)
	return nil
}

// UpdateUser sets properties of a live user by their Graph names; nil clears one.
func (s *Server) UpdateUser(id string, set map[string]any) {
	s.change("UpdateUser", func() error { return s.update(users, id, set) })
}

// UpdateGroup sets properties of a live group by their Graph names; nil clears one.
func (s *Server) UpdateGroup(id string, set map[string]any) {
	s.change("UpdateGroup", func() error { return s.update(groups, id, set) })
}

// UpdateServicePrincipal sets properties of a live service principal by their Graph names.
func (s *Server) UpdateServicePrincipal(id string, set map[string]any) {
	s.change("UpdateServicePrincipal", func() error { return s.update(servicePrincipals, id, set) })
}

func (s *Server) update(k kind, id string, set map[string]any) error {
	o, err := s.dir.findLive(k, id)
	if err != nil {
		return err
	}
	return s.setAll(o, set)
}

// DefineExtension makes the names known as properties of users and groups, as registering an
// extension in the tenant does. Setting an extension property does the same.
func (s *Server) DefineExtension(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range []kind{users, groups} {
		for _, n := range names {
			if sc := s.dir.props[k]; sc.byName[strings.ToLower(n)] == nil {
				sc.define(n, anything)
			}
		}
	}
}

// SetManager sets a user's manager; an empty managerID removes it.
func (s *Server) SetManager(id, managerID string) {
	s.change("SetManager", func() error { return s.setManager(id, managerID) })
}

func (s *Server) setManager(id, managerID string) error {
	o, err := s.dir.findLive(users, id)
	if err != nil {
		return err
	}
	var by *object
	if managerID != "" {
		if by, err = s.dir.findLive(users, managerID); err != nil {
			return fmt.Errorf("manager: %w", err)
		}
	}
	s.dir.setManager(o, by)
	return nil
}

// Delete deletes a live object as the service does: users, Microsoft 365 groups and service
// principals go to deleted items, other groups and devices are gone at once.
func (s *Server) Delete(id string) { s.change("Delete", func() error { return s.remove(id) }) }

func (s *Server) remove(id string) error {
	if o := s.dir.objects[strings.ToLower(id)]; o != nil && !s.keepsDeleted(o) {
		return s.hardDelete(id)
	}
	return s.softDelete(id)
}

// keepsDeleted tells whether a deleted object can be restored.
func (s *Server) keepsDeleted(o *object) bool {
	switch o.kind {
	case groups:
		raw, _ := o.valueAt(s.dir.props[groups].byName["grouptypes"], s.dir.rev)
		return s.settings.SecurityGroupSoftDelete || strings.Contains(raw, `"Unified"`)
	case devices:
		return false
	}
	return true
}

// SoftDelete moves a live object of any kind to deleted items.
func (s *Server) SoftDelete(id string) {
	s.change("SoftDelete", func() error { return s.softDelete(id) })
}

func (s *Server) softDelete(id string) error {
	o := s.dir.objects[strings.ToLower(id)]
	if o == nil || o.stateAt(s.dir.rev) != live {
		return fmt.Errorf("no live object with id %q", id)
	}
	s.dir.softDelete(o)
	return nil
}

// HardDelete removes an object for good, live or soft-deleted.
func (s *Server) HardDelete(id string) {
	s.change("HardDelete", func() error { return s.hardDelete(id) })
}

func (s *Server) hardDelete(id string) error {
	o := s.dir.objects[strings.ToLower(id)]
	if o == nil || o.stateAt(s.dir.rev) == hardDeleted {
		return fmt.Errorf("no object with id %q", id)
	}
	s.dir.hardDelete(o, s.settings.HardDeleteEmitsRemoval)
	return nil
}

// Restore brings a soft-deleted object back, with its memberships and its manager.
func (s *Server) Restore(id string) { s.change("Restore", func() error { return s.restore(id) }) }

func (s *Server) restore(id string) error {
	o := s.dir.objects[strings.ToLower(id)]
	if o == nil || o.stateAt(s.dir.rev) != softDeleted {
		return fmt.Errorf("no soft-deleted object with id %q", id)
	}
	s.dir.restore(o)
	return nil
}

// AddGroup creates a group with its members and returns its id.
func (s *Server) AddGroup(g Group) (id string) {
	s.change("AddGroup", func() (err error) {
		id, err = s.addGroup(g)
		return err
	})
	return id
}

func (s *Server) addGroup(g Group) (string, error) {
	if g.ID == "" {
		g.ID = s.freshID()
	}
	if g.MailNickname == "" {
		g.MailNickname = "group-" + g.ID[:min(8, len(g.ID))]
	}
	o, err := s.dir.add(groups, g.ID)
	if err != nil {
		return "", err
	}
	s.strings(o, "displayName", g.DisplayName, "description", g.Description, "mailNickname", g.MailNickname, "mail", g.Mail)
	var types []string
	if g.Unified {
		types = append(types, "Unified")
	}
	if g.Dynamic {
		types = append(types, "DynamicMembership")
	}
	first := map[string]any{
		"securityEnabled": !g.NotSecurity,
		"mailEnabled":     g.MailEnabled || g.Unified,
		"createdDateTime": s.dir.now,
	}
	if types != nil {
		first["groupTypes"] = types
	}
	if err := s.setAll(o, first); err != nil {
		return "", err
	}
	if err := s.setAll(o, g.Extra); err != nil {
		return "", err
	}
	for _, m := range g.Members {
		if err := s.addMember(o.id, m); err != nil {
			return "", err
		}
	}
	return o.id, nil
}

// AddDevice creates a device, which can be a member of a group, and returns its id.
func (s *Server) AddDevice(displayName string) (id string) {
	s.change("AddDevice", func() error {
		o, err := s.dir.add(devices, s.freshID())
		if err != nil {
			return err
		}
		id = o.id
		s.strings(o, "displayName", displayName, "deviceId", s.freshID(), "operatingSystem", "Windows")
		return nil
	})
	return id
}

// AddMember adds a live object to a group. It panics if it is a member already.
func (s *Server) AddMember(groupID, memberID string) {
	s.change("AddMember", func() error { return s.addMember(groupID, memberID) })
}

func (s *Server) addMember(groupID, memberID string) error {
	g, err := s.dir.findLive(groups, groupID)
	if err != nil {
		return err
	}
	m := s.dir.objects[strings.ToLower(memberID)]
	if m == nil || m.stateAt(s.dir.rev) != live {
		return fmt.Errorf("member: no live object with id %q", memberID)
	}
	if !s.dir.link(g, m) {
		return fmt.Errorf("%q is a member of %q already", memberID, groupID)
	}
	return nil
}

// RemoveMember ends a membership. The member may be soft-deleted.
func (s *Server) RemoveMember(groupID, memberID string) {
	s.change("RemoveMember", func() error { return s.removeMember(groupID, memberID) })
}

func (s *Server) removeMember(groupID, memberID string) error {
	g, err := s.dir.findLive(groups, groupID)
	if err != nil {
		return err
	}
	m := s.dir.objects[strings.ToLower(memberID)]
	if m == nil || !s.dir.unlink(g, m) {
		return fmt.Errorf("%q is not a member of %q", memberID, groupID)
	}
	return nil
}
