package graphtest

import (
	"slices"
	"strings"
)

// move takes an object to another state.
func (d *directory) move(o *object, to state) {
	o.life = append(o.life, lifeEvent{d.rev, to})
	d.touch(o)
}

func (d *directory) softDelete(o *object) {
	d.move(o, softDeleted)
	o.deletes = d.now.Add(retention)
	d.deleted = append(d.deleted, o)
	d.set(o, d.props[o.kind].byName["deleteddatetime"], quote(stamp(d.now)))
	d.forgetName(o)
}

func (d *directory) restore(o *object) {
	d.move(o, live)
	d.deleted = slices.DeleteFunc(d.deleted, func(x *object) bool { return x == o })
	d.set(o, d.props[o.kind].byName["deleteddatetime"], "null")
	d.learnName(o)
}

// hardDelete ends an object for good. Its memberships end silently unless announce is set.
func (d *directory) hardDelete(o *object, announce bool) {
	d.forgetName(o)
	d.move(o, hardDeleted)
	d.deleted = slices.DeleteFunc(d.deleted, func(x *object) bool { return x == o })
	for _, a := range o.grants {
		d.end(a)
	}
	for _, a := range o.assigned {
		d.end(a)
	}
	if announce {
		for _, g := range d.all[groups] {
			d.unlink(g, o)
		}
	}
}

func (d *directory) end(a *assignment) {
	if a.ended == 0 {
		a.ended = d.rev
	}
}

// expire hard-deletes what has been in deleted items for longer than the retention.
func (d *directory) expire(announce bool) {
	for len(d.deleted) > 0 && !d.deleted[0].deletes.After(d.now) {
		d.begin()
		d.hardDelete(d.deleted[0], announce)
	}
}

func (d *directory) learnName(o *object) {
	switch o.kind {
	case users:
		if n := strings.ToLower(d.text(o, "userPrincipalName", d.rev)); n != "" {
			d.names[n] = o
		}
	case servicePrincipals:
		d.apps[strings.ToLower(d.text(o, "appId", d.rev))] = o
	}
}

func (d *directory) forgetName(o *object) {
	if o.kind != users {
		return
	}
	n := strings.ToLower(d.text(o, "userPrincipalName", d.rev))
	if o.stateAt(d.rev) == softDeleted {
		n = strings.TrimPrefix(n, strings.ReplaceAll(o.id, "-", ""))
	}
	if d.names[n] == o {
		delete(d.names, n)
	}
}
