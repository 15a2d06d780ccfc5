package scimtest

import (
	"cmp"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/errors"
)

// handler is what elimity's server calls for one resource kind.
type handler struct {
	s    *Server
	kind *resourceKind
}

var _ scim.ResourceHandler = handler{}

// Create stores a new resource (RFC 7644 section 3.3).
func (h handler) Create(r *http.Request, attributes scim.ResourceAttributes) (scim.Resource, error) {
	c := callOf(r)
	e, err := h.s.create(h.kind, attributes, c)
	if err != nil {
		c.err = err
		return scim.Resource{}, *err
	}
	c.id = e.id
	h.s.store.mu.RLock()
	defer h.s.store.mu.RUnlock()
	return h.resource(e, c), nil
}

// Get returns one resource.
func (h handler) Get(r *http.Request, id string) (scim.Resource, error) {
	c := callOf(r)
	h.s.store.mu.RLock()
	defer h.s.store.mu.RUnlock()
	e := h.s.visible(h.kind, id, c.q)
	if e == nil {
		return scim.Resource{}, errors.ScimErrorResourceNotFound(id)
	}
	return h.resource(e, c), nil
}

// GetAll is not reached: searches are answered by [Server.search], see the package comment.
func (h handler) GetAll(*http.Request, scim.ListRequestParams) (scim.Page, error) {
	return scim.Page{}, errors.ScimErrorInvalidFilter
}

// Replace is PUT: what the body doesn't mention is gone (RFC 7644 section 3.5.1).
func (h handler) Replace(r *http.Request, id string, attributes scim.ResourceAttributes) (scim.Resource, error) {
	c := callOf(r)
	h.s.store.mu.Lock()
	defer h.s.store.mu.Unlock()
	e := h.s.visible(h.kind, id, c.q)
	if e == nil {
		return scim.Resource{}, errors.ScimErrorResourceNotFound(id)
	}
	if err := e.precondition(c); err != nil {
		c.err = err
		return scim.Resource{}, *err
	}
	if err := h.s.put(h.kind, e, attributes, c); err != nil {
		c.err = err
		return scim.Resource{}, *err
	}
	return h.resource(e, c), nil
}

// Delete removes a resource and its memberships.
func (h handler) Delete(r *http.Request, id string) error {
	c := callOf(r)
	h.s.store.mu.Lock()
	defer h.s.store.mu.Unlock()
	e := h.s.visible(h.kind, id, c.q)
	if e == nil {
		return errors.ScimErrorResourceNotFound(id)
	}
	if err := e.precondition(c); err != nil {
		c.err = err
		return *err
	}
	if h.kind.name == "User" && c.q.SoftDelete {
		h.s.store.held[strings.ToLower(e.text("userName"))] = true
	}
	h.s.store.delete(h.s.store.table(h.kind), e, h.s.now())
	return nil
}

// Patch is not reached: PATCH is answered by [Server.patch], see the package comment.
func (h handler) Patch(*http.Request, string, []scim.PatchOperation) (scim.Resource, error) {
	return scim.Resource{}, errors.ScimErrorInvalidSyntax
}

// resource hands an entry to elimity for rendering. The map is a copy, because elimity adds to it.
func (h handler) resource(e *entry, c *call) scim.Resource {
	res := scim.Resource{
		ID:         e.id,
		Attributes: h.s.attributes(h.kind, e, c),
		Meta:       scim.Meta{Created: &e.created, LastModified: new(e.modified)},
	}
	if c.q.ETags {
		res.Meta.Version = e.etag()
	}
	return res
}

// etag is the weak version tag of RFC 7644 section 3.14.
func (e *entry) etag() string { return `W/"` + strconv.Itoa(e.version) + `"` }

// precondition checks If-Match; 412 if it names another version.
func (e *entry) precondition(c *call) *errors.ScimError {
	if want := c.ifMatch; c.q.ETags && want != "" && want != "*" && want != e.etag() {
		return refuse(http.StatusPreconditionFailed, "", "Failed to update. Resource has changed on the server.")
	}
	return nil
}

// visible returns the entry that a request by id reaches. The caller holds the lock.
func (s *Server) visible(k *resourceKind, id string, q *Quirks) *entry {
	e := s.store.table(k).byID[id]
	if e == nil || q.GoneOnDisable && !e.active() {
		return nil
	}
	return e
}

// create stores a resource and its members.
func (s *Server) create(k *resourceKind, attributes map[string]any, c *call) (*entry, *errors.ScimError) {
	now := s.now()
	members, _ := attributes["members"].([]any)
	delete(attributes, "members")
	k.settle(attributes, nil, c.q)
	if err := k.permitted(attributes, nil, c.q); err != nil {
		return nil, err
	}
	if k.name == "User" && attributes["userName"] == "" {
		return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, "userName must not be empty.")
	}

	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	t := st.table(k)
	if err := st.conflict(t, c.q, nil, attributes); err != nil {
		if old := t.taken("userName", text(attributes, "userName"), nil, c.q.CaseSensitive); k.name == "User" && c.q.UpsertOnCreate && old != nil {
			merged := maps.Clone(old.attrs)
			maps.Copy(merged, attributes)
			t.replace(old, merged)
			old.touch(now)
			c.upserted = true
			return old, nil
		}
		return nil, err
	}
	changes, err := s.memberChanges(nil, members, c.q)
	if err != nil {
		return nil, err
	}
	e := &entry{attrs: attributes, created: now, modified: now, version: 1}
	if c.q.VisibleAfter > 0 {
		e.visibleAt = now.Add(c.q.VisibleAfter)
		st.delayed = true
	}
	e.id, e.seq = st.nextID(c.q.NumericIDs)
	if c.seedID != "" {
		if st.kindOf(c.seedID) != "" {
			return nil, refuse(http.StatusConflict, errors.ScimTypeUniqueness, "id is already taken.")
		}
		e.id = c.seedID
	}
	t.insert(e)
	for _, m := range changes {
		if e.members.add(m) {
			st.join(e, m.id)
		}
	}
	return e, nil
}

// put replaces the attributes and members of e. The caller holds the lock.
func (s *Server) put(k *resourceKind, e *entry, attributes map[string]any, c *call) *errors.ScimError {
	members, _ := attributes["members"].([]any)
	delete(attributes, "members")
	if _, given := attributes["active"]; !given && k.name == "User" && c.q.PutEnables {
		attributes["active"] = true
	}
	if err := k.permitted(attributes, e.attrs, c.q); err != nil {
		return err
	}
	changes, err := s.memberChanges(nil, members, c.q)
	if err != nil {
		return err
	}
	if err := s.settleAndStore(k, e, attributes, c); err != nil {
		return err
	}
	if k.name == "Group" {
		for _, id := range e.members.ids() {
			s.store.leave(e, id)
		}
		e.members = memberSet{}
		for _, m := range changes {
			if e.members.add(m) {
				s.store.join(e, m.id)
			}
		}
	}
	return nil
}

// permitted checks a whole resource against what the quirks refuse; before is nil on create.
func (k *resourceKind) permitted(attrs, before map[string]any, q *Quirks) *errors.ScimError {
	if len(q.Refused) == 0 && len(q.Immutable) == 0 {
		return nil
	}
	for name, v := range attrs {
		a := k.attrs[strings.ToLower(name)]
		switch {
		case a == nil:
		case listed(q.Refused, a, nil):
			return refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, name+" is not accepted.")
		case before != nil && listed(q.Immutable, a, nil) && !reflect.DeepEqual(v, before[name]):
			return refuse(http.StatusBadRequest, errors.ScimTypeMutability, name+" can't be changed.")
		}
	}
	return nil
}

// settleAndStore finishes a change of attributes: habits, uniqueness, indexes. The caller holds the lock.
func (s *Server) settleAndStore(k *resourceKind, e *entry, attrs map[string]any, c *call) *errors.ScimError {
	st, t := s.store, s.store.table(k)
	k.settle(attrs, e.attrs, c.q)
	if required := map[string]string{"User": "userName", "Group": "displayName"}[k.name]; text(attrs, required) == "" {
		return refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, required+" must not be empty.")
	}
	if err := st.conflict(t, c.q, e, attrs); err != nil {
		return err
	}
	now := s.now()
	was := e.active()
	t.replace(e, attrs)
	e.touch(now)
	if k.name != "User" || was == e.active() {
		return nil
	}
	if was && c.q.DropMembershipOnDisable {
		st.dropMemberships(e.id, now)
	}
	if c.q.MaskOnDisable || e.masked != nil {
		s.mask(t, e)
	}
	return nil
}

// mask hides who a disabled user is, and shows it again when the user is enabled.
func (s *Server) mask(t *table, e *entry) {
	attrs := maps.Clone(e.attrs)
	if e.active() {
		maps.Copy(attrs, e.masked)
		e.masked = nil
		t.replace(e, attrs)
		return
	}
	e.masked = map[string]any{"userName": attrs["userName"]}
	attrs["userName"] = "disabled-" + e.id
	if emails, ok := attrs["emails"]; ok {
		e.masked["emails"] = emails
		delete(attrs, "emails")
	}
	t.replace(e, attrs)
}

// memberChanges turns validated member values into entries. An unknown member refuses the whole batch
// if the quirks say so. The caller holds the lock.
func (s *Server) memberChanges(have *memberSet, values []any, q *Quirks) ([]member, *errors.ScimError) {
	out := make([]member, 0, len(values))
	for _, v := range values {
		m, _ := v.(map[string]any)
		id := text(m, "value")
		if id == "" {
			return nil, refuse(http.StatusBadRequest, errors.ScimTypeInvalidValue, "A member needs a value.")
		}
		kind := s.store.kindOf(id)
		if kind == "" && q.RejectUnknownMember != 0 && (have == nil || !have.has(id)) {
			return nil, refuse(q.RejectUnknownMember, "", "There is no resource "+id+" that could be a member.")
		}
		out = append(out, member{id: id, kind: cmp.Or(kind, text(m, "type"), "User"), display: text(m, "display")})
	}
	return out, nil
}

func text(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}
