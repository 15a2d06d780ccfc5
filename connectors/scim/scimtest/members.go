package scimtest

// member is one entry of a group's members.
type member struct {
	id      string
	kind    string // User or Group
	display string
}

// fields are the sub-attributes a value filter can ask for.
func (m member) fields() map[string]any {
	v := map[string]any{"value": m.id, "type": m.kind}
	if m.display != "" {
		v["display"] = m.display
	}
	return v
}

// memberSet keeps the members of one group in the order they came, with lookups and removals that
// don't depend on the size of the group.
type memberSet struct {
	list []member // id "" marks a removed entry
	at   map[string]int
}

func (m *memberSet) has(id string) bool {
	_, ok := m.at[id]
	return ok
}

func (m *memberSet) len() int { return len(m.at) }

// add reports whether the member is new; a known one is left as it is.
func (m *memberSet) add(e member) bool {
	if m.has(e.id) {
		return false
	}
	if m.at == nil {
		m.at = map[string]int{}
	}
	m.at[e.id] = len(m.list)
	m.list = append(m.list, e)
	return true
}

// remove returns the removed entry.
func (m *memberSet) remove(id string) (member, bool) {
	i, ok := m.at[id]
	if !ok {
		return member{}, false
	}
	e := m.list[i]
	m.list[i] = member{}
	delete(m.at, id)
	if len(m.list) > 32 && len(m.at) < len(m.list)/2 {
		m.compact()
	}
	return e, true
}

func (m *memberSet) compact() {
	kept := make([]member, 0, len(m.at))
	for _, e := range m.list {
		if e.id != "" {
			m.at[e.id] = len(kept)
			kept = append(kept, e)
		}
	}
	m.list = kept
}

func (m *memberSet) ids() []string {
	out := make([]string, 0, len(m.at))
	for _, e := range m.list {
		if e.id != "" {
			out = append(out, e.id)
		}
	}
	return out
}

// render returns the members as a resource shows them, limit of them at most; limit 0 means all.
func (m *memberSet) render(base string, limit int) []any {
	n := len(m.at)
	if limit > 0 {
		n = min(n, limit)
	}
	out := make([]any, 0, n)
	for _, e := range m.list {
		if len(out) == n {
			break
		}
		if e.id == "" {
			continue
		}
		v := e.fields()
		v["$ref"] = base + "/" + e.kind + "s/" + e.id
		out = append(out, v)
	}
	return out
}
