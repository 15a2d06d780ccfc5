package mapping

// Update lists what must change at a target object that holds current (sections 3 and 4), in the
// order of the mappings; nothing to do is nil. References are left out. current is asked once for each
// mapped path at most and answers nil where the target has no value.
func (d Desired) Update(current func(Path) any) []Change {
	var changes []Change
	for i := range d.values {
		a, v := d.at(i)
		if c, flows := a.change(v, current); flows {
			c.Path, c.Definition, c.Redact = a.Target, a.Definition, v.redact
			c.SoftDelete = a.SoftDelete()
			changes = append(changes, c)
		}
	}
	return changes
}

// change decides whether and how one mapping flows on update.
func (a *Attribute) change(v *desired, current func(Path) any) (c Change, flows bool) {
	if a.Flow == FlowOnCreate || a.Definition.Mutability == Immutable || a.Definition.Mutability == ReadOnly {
		return Change{}, false
	}
	switch v.state {
	case stateNone:
		return a.fill(current(a.Target))
	case stateNull:
		return a.clear(current)
	case stateValue:
		return a.flow(v.value, current(a.Target))
	}
	return Change{}, false
}

// fill is a mapping without source: the default is written where the target has nothing.
func (a *Attribute) fill(have any) (Change, bool) {
	if !empty(have) {
		return Change{}, false
	}
	value, err := a.fallback()
	if err != nil || value == nil {
		return Change{}, false // an update is not the moment to ask for required attributes
	}
	return Change{New: value}, true
}

// clear is a mapping whose source has no value. It clears the target only if both gates are open
// (3.3), never an attribute that is matched, required or switches the account, and never through
// a flow that only adds. The assertive role function needs no gate.
func (a *Attribute) clear(current func(Path) any) (Change, bool) {
	if a.about().replaces {
		if have := current(a.Target); !empty(have) {
			return Change{Old: have, Assertive: true}, true
		}
		return Change{}, false
	}
	if !a.FlowNull || a.Definition.MultiValued || a.Match > 0 || a.Definition.Required || a.Target.Key() == "active" ||
		(a.Flow != FlowAlways && a.Flow != "") {
		return Change{}, false
	}
	have := current(a.Target)
	if _, list := have.([]any); list || empty(have) {
		return Change{}, false
	}
	return Change{Old: have}, true
}

// flow is a mapping with a value.
func (a *Attribute) flow(want, have any) (Change, bool) {
	f := a.about()
	_, list := want.([]any)
	multi := list || a.Definition.MultiValued
	switch {
	case a.Flow == FlowAttributeEmpty && !empty(have):
		return Change{}, false
	case a.Flow == FlowMultiValueAdd && !multi:
		return Change{}, false
	case multi && (a.Flow == FlowMultiValueAdd || a.Flow == FlowValueAdd || f.adds):
		return a.add(want, have)
	case a.FlowAlways || !Equal(a.Definition, want, have):
		return Change{Old: clearEmpty(have), New: want, Assertive: f.replaces}, true
	}
	return Change{}, false
}

// add lists the elements that the target lacks.
func (a *Attribute) add(want, have any) (Change, bool) {
	wanted, held := listOf(want), listOf(have)
	news := without(a.Definition, wanted, held)
	if len(news) == 0 {
		if !a.FlowAlways {
			return Change{}, false
		}
		news = wanted
	}
	return Change{Old: clearEmpty(have), New: news, Additive: true}, true
}

func listOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	if empty(v) {
		return nil
	}
	return []any{v}
}

// clearEmpty makes nil of a value that counts as missing, so that Old is nil exactly if the target
// has no value.
func clearEmpty(v any) any {
	if empty(v) {
		return nil
	}
	return v
}
