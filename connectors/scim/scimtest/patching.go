package scimtest

import (
	"net/http"

	"github.com/elimity-com/scim/errors"
)

// patch carries out a PATCH request as a whole or not at all (RFC 7644 section 3.5.2) and returns
// the rendered resource, nil if the answer is 204.
func (s *Server) patch(k *resourceKind, id string, body []byte, c *call) (map[string]any, *errors.ScimError) {
	ops, err := k.readPatch(body, c.q)
	if err != nil {
		return nil, err
	}
	if n := memberCount(ops); c.q.MemberBatchLimit > 0 && n > c.q.MemberBatchLimit {
		return nil, refuse(http.StatusRequestEntityTooLarge, "", "Too many membership changes in one request.")
	}

	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	e := s.visible(k, id, c.q)
	if e == nil {
		return nil, new(errors.ScimErrorResourceNotFound(id))
	}
	if err := e.precondition(c); err != nil {
		return nil, err
	}
	var before map[string]any
	if c.q.PreImage {
		before = s.render(k, e, c)
	}
	if err := s.applyAll(k, e, ops, c); err != nil {
		return nil, err
	}
	if k.name == "Group" && !c.q.PatchBody {
		return nil, nil
	}
	if before != nil {
		return before, nil
	}
	return s.render(k, e, c), nil
}

func memberCount(ops []operation) int {
	n := 0
	for _, o := range ops {
		if o.target.attr == nil || o.target.attr.name != "members" {
			continue
		}
		if list, ok := o.value.([]any); ok {
			n += len(list)
		} else {
			n++
		}
	}
	return n
}

// applyAll carries out the operations in order. Membership changes are done at once and undone if a
// later operation is refused, so that a change of one member doesn't copy a large group.
func (s *Server) applyAll(k *resourceKind, e *entry, ops []operation, c *call) (err *errors.ScimError) {
	var undo []func()
	defer func() {
		if err == nil {
			return
		}
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}()
	var attrs map[string]any
	for _, o := range ops {
		if o.target.attr != nil && o.target.attr.name == "members" {
			if err := s.applyMembers(e, o, c.q, &undo); err != nil {
				return err
			}
			continue
		}
		if attrs == nil {
			attrs = cloneMap(e.attrs)
		}
		if err := o.apply(attrs, c.q); err != nil {
			return err
		}
	}
	if attrs != nil {
		return s.settleAndStore(k, e, attrs, c)
	}
	e.touch(s.now())
	return nil
}

// applyMembers carries out one operation on members and notes how to take it back.
func (s *Server) applyMembers(g *entry, o operation, q *Quirks, undo *[]func()) *errors.ScimError {
	if o.op == opRemove {
		return s.removeMembers(g, o, q, undo)
	}
	if o.target.where != nil || o.target.sub != nil {
		return refuse(http.StatusBadRequest, errors.ScimTypeMutability, "Members are added and removed; what they hold is immutable.")
	}
	values, _ := o.value.([]any)
	changes, err := s.memberChanges(&g.members, values, q)
	if err != nil {
		return err
	}
	if o.op == opReplace {
		s.wipe(g, undo)
	}
	for _, m := range changes {
		if !g.members.add(m) {
			continue
		}
		s.store.join(g, m.id)
		*undo = append(*undo, func() {
			g.members.remove(m.id)
			s.store.leave(g, m.id)
		})
	}
	return nil
}

func (s *Server) removeMembers(g *entry, o operation, q *Quirks, undo *[]func()) *errors.ScimError {
	if o.target.sub != nil {
		return refuse(http.StatusBadRequest, errors.ScimTypeMutability, "Members are added and removed; what they hold is immutable.")
	}
	if q.IgnoreMemberRemove {
		return nil
	}
	var ids []string
	values, byValue := o.value.([]any)
	switch {
	case o.target.where != nil:
		ids = s.selectMembers(g, o)
		if len(ids) == 0 && (q.Strict || q.NoTargetStrict) {
			return refuse(http.StatusBadRequest, errors.ScimTypeNoTarget, "The value filter of the path selects no member.")
		}
	case byValue && !q.Strict && !q.WipeOnValueArrayRemove:
		for _, v := range values {
			if m, ok := v.(map[string]any); ok {
				ids = append(ids, text(m, "value"))
			}
		}
	default: // RFC 7644 section 3.5.2.2: without a filter all values go, whatever value says
		s.wipe(g, undo)
		return nil
	}
	for _, id := range ids {
		m, ok := g.members.remove(id)
		if !ok {
			continue
		}
		s.store.leave(g, id)
		*undo = append(*undo, func() {
			g.members.add(m)
			s.store.join(g, id)
		})
	}
	return nil
}

// selectMembers answers members[value eq "…"] from the index and other filters by looking at all.
func (s *Server) selectMembers(g *entry, o operation) []string {
	if id, ok := o.target.seed["value"].(string); ok {
		if i, ok := g.members.at[id]; ok && o.target.where(g.members.list[i].fields()) {
			return []string{id}
		}
		return nil
	}
	var ids []string
	for _, m := range g.members.list {
		if m.id != "" && o.target.where(m.fields()) {
			ids = append(ids, m.id)
		}
	}
	return ids
}

func (s *Server) wipe(g *entry, undo *[]func()) {
	old := g.members
	g.members = memberSet{}
	for _, id := range old.ids() {
		s.store.leave(g, id)
	}
	*undo = append(*undo, func() {
		g.members = old
		for _, id := range old.ids() {
			s.store.join(g, id)
		}
	})
}
