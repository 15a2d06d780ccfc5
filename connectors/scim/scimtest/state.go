package scimtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
)

// Resource is a snapshot of a stored user or group. It is the caller's own.
type Resource struct {
	ID          string         `json:"id"`
	ExternalID  string         `json:"externalId"`
	UserName    string         `json:"userName,omitempty"` // as it is shown now: masked if the quirks mask
	DisplayName string         `json:"displayName"`
	Active      bool           `json:"active"` // true as well if the attribute is absent
	Attributes  map[string]any `json:"attributes"`
	Members     []string       `json:"members,omitempty"` // ids, in the order they were added
	Created     time.Time      `json:"created"`
	Modified    time.Time      `json:"modified"`
	Version     int            `json:"version"`
}

// Value returns the first value at a path such as "name.givenName", "emails[type eq \"work\"].value"
// or "urn:…:User:department"; nil if there is none.
func (r Resource) Value(path string) any {
	t, err := plainUser().resolve(path, &Quirks{})
	if err != nil || t.attr == nil {
		return nil
	}
	for _, v := range elements(read(&entry{id: r.ID, attrs: r.Attributes}, t.attr)) {
		m, isObject := v.(map[string]any)
		if t.where != nil && !t.where(m) {
			continue
		}
		if t.sub != nil && isObject {
			return m[t.sub.name]
		}
		return v
	}
	return nil
}

// plainUser knows the attributes [Resource.Value] can name.
var plainUser = sync.OnceValue(func() *resourceKind {
	return newKind("User", "/Users", schema.CoreUserSchema(), extensionSchemas(nil)...)
})

func snapshot(e *entry) Resource {
	return Resource{
		ID: e.id, ExternalID: e.text("externalId"), UserName: e.text("userName"), DisplayName: e.text("displayName"),
		Active: e.active(), Attributes: cloneMap(e.attrs), Members: e.members.ids(),
		Created: e.created, Modified: e.modified, Version: e.version,
	}
}

// Users returns all users in the order of their creation.
func (s *Server) Users() []Resource { return s.all(s.users) }

// Groups returns all groups in the order of their creation.
func (s *Server) Groups() []Resource { return s.all(s.groups) }

func (s *Server) all(k *resourceKind) []Resource {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	order := s.store.table(k).order
	out := make([]Resource, len(order))
	for i, e := range order {
		out[i] = snapshot(e)
	}
	return out
}

// Size returns the numbers of users and groups.
func (s *Server) Size() (users, groups int) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	return len(s.store.users.order), len(s.store.groups.order)
}

// User returns the user of that userName, compared without regard to case.
func (s *Server) User(userName string) (Resource, bool) { return s.by(s.users, "userName", userName) }

// Group returns the first group of that displayName, compared without regard to case.
func (s *Server) Group(displayName string) (Resource, bool) {
	return s.by(s.groups, "displayName", displayName)
}

func (s *Server) by(k *resourceKind, name, value string) (Resource, bool) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	if hits := s.store.table(k).by[name].find(foldKey(name, value)); len(hits) > 0 {
		return snapshot(hits[0]), true
	}
	return Resource{}, false
}

// ByID returns the user or group of that id.
func (s *Server) ByID(id string) (Resource, bool) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	for _, t := range []*table{s.store.users, s.store.groups} {
		if e := t.byID[id]; e != nil {
			return snapshot(e), true
		}
	}
	return Resource{}, false
}

// AddUser stores a user as a POST with these attributes would, past quirks and faults, and returns
// its id. An attribute "id" chooses the id.
func (s *Server) AddUser(attributes map[string]any) (string, error) {
	return s.seed(s.users, attributes)
}

// AddGroup stores a group with members, which are ids of users or groups, and returns its id.
func (s *Server) AddGroup(attributes map[string]any, members ...string) (string, error) {
	attributes = maps.Clone(attributes)
	list, _ := clone(attributes["members"]).([]any)
	for _, id := range members {
		list = append(list, map[string]any{"value": id})
	}
	if len(list) > 0 {
		attributes["members"] = list
	}
	return s.seed(s.groups, attributes)
}

func (s *Server) seed(k *resourceKind, attributes map[string]any) (string, error) {
	valid, err := k.validate(attributes)
	if err == nil {
		var e *entry
		id, _ := attributes["id"].(string)
		if e, err = s.create(k, valid, &call{q: &Quirks{}, seedID: id}); err == nil {
			return e.id, nil
		}
	}
	return "", fmt.Errorf("seed a %s: %w", k.name, *err)
}

// Put replaces the attributes of a user or group, and the members of a group, as a PUT would. It
// stands for an administrator who changes things in the application itself.
func (s *Server) Put(id string, attributes map[string]any) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, k := range []*resourceKind{s.users, s.groups} {
		e := s.store.table(k).byID[id]
		if e == nil {
			continue
		}
		valid, err := k.validate(attributes)
		if err == nil {
			err = s.put(k, e, valid, &call{q: &Quirks{}})
		}
		if err != nil {
			return fmt.Errorf("put %s %s: %w", k.name, id, *err)
		}
		return nil
	}
	return fmt.Errorf("put %s: %w", id, errors.ScimErrorResourceNotFound(id))
}

// Delete removes a user or group; it reports whether there was one.
func (s *Server) Delete(id string) bool {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, t := range []*table{s.store.users, s.store.groups} {
		if e := t.byID[id]; e != nil {
			s.store.delete(t, e, s.now())
			return true
		}
	}
	return false
}

// Clear removes all users and groups. Ids go on where they were.
func (s *Server) Clear() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	st := s.store
	st.users, st.groups = newTable(s.users), newTable(s.groups)
	st.memberOf, st.held = map[string][]*entry{}, map[string]bool{}
}

// Quirks returns the present quirks.
func (s *Server) Quirks() Quirks { return *s.quirks.Load() }

// SetQuirks replaces all quirks.
func (s *Server) SetQuirks(q Quirks) { s.quirks.Store(&q) }

// Change changes some quirks and leaves the others. If another change comes in between, change is
// called again, on the newer quirks.
func (s *Server) Change(change func(*Quirks)) {
	for {
		old := s.quirks.Load()
		q := *old
		change(&q)
		if s.quirks.CompareAndSwap(old, &q) {
			return
		}
	}
}

// validate checks attributes against the schemas as elimity does for a POST, and returns a copy.
func (k *resourceKind) validate(attributes map[string]any) (map[string]any, *errors.ScimError) {
	in := map[string]any{}
	for name, v := range attributes {
		in[name] = k.normalValue(name, clone(v), &Quirks{})
	}
	out, err := k.core.Validate(in)
	if err != nil {
		return nil, copyError(err)
	}
	if v, ok := in["externalId"]; ok {
		s, isText := v.(string)
		if !isText {
			return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, "externalId must be a string.")
		}
		out["externalId"] = s
	}
	for _, e := range k.extensions {
		v, ok := in[e.ID]
		if !ok {
			continue
		}
		ext, err := e.Validate(v)
		if err != nil {
			return nil, copyError(err)
		}
		out[e.ID] = ext
	}
	return out, nil
}

// Templates returns the sorted keys of By, for readable output.
func (c Counts) Templates() []string { return slices.Sorted(maps.Keys(c.By)) }
