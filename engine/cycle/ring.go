package cycle

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// breakRing helps people who exchange a unique value, such as two who swap their user names: each waits for the other
// to give it up, and none can be first. One of them steps aside, to a name in between, and gets its own when the others
// have moved. It reports whether somebody stepped aside, which each does once.
func (x *exporter) breakRing(ctx context.Context, off []putOff) (bool, error) {
	held := map[string]int{} // value that an account has, to the change of its owner
	wants := make([]*engine.AttributeChange, len(off))
	for i, o := range off {
		if o.queued.Link == nil || x.aside[o.queued.Ref] != nil {
			continue
		}
		if c := x.renaming(o); c != nil {
			wants[i], held[folded(c.Old)] = c, i
		}
	}
	for i, c := range wants {
		if c == nil || !ring(wants, held, i) {
			continue
		}
		return true, x.stepAside(ctx, off[i].queued, c)
	}
	return false, nil
}

// renaming is the change of the first matching value among those that were refused, nil if there is none.
func (x *exporter) renaming(o putOff) *engine.AttributeChange {
	if o.failed.Log == nil {
		return nil
	}
	m := x.mapping(o.queued.Kind)
	for _, c := range o.failed.Log.Changes {
		for i := range m.Attributes {
			a := &m.Attributes[i]
			if a.Match > 0 && a.Target.String() == c.Attribute && folded(c.Old) != "" && folded(c.New) != "" && folded(c.Old) != folded(c.New) {
				return &engine.AttributeChange{Path: a.Target, Definition: a.Definition, Old: c.Old, New: c.New}
			}
		}
	}
	return nil
}

func folded(v any) string {
	s, _ := v.(string)
	return strings.ToLower(s)
}

// ring reports whether whoever has what start wants wants something that leads back to start.
func ring(wants []*engine.AttributeChange, held map[string]int, start int) bool {
	at := start
	for range wants {
		next, ok := held[folded(wants[at].New)]
		if !ok {
			return false
		}
		if next == start {
			return true
		}
		at = next
	}
	return false
}

// stepAside gives an account a name in between. That its name is in doubt is stored before, so that a crash
// leaves nobody with it: the next cycle reads the account.
func (x *exporter) stepAside(ctx context.Context, q engine.Queued, c *engine.AttributeChange) error {
	l := *q.Link
	l.Verify = true
	if err := x.Store.PutLink(ctx, x.job.ID, l, false); err != nil {
		return err
	}
	if x.aside == nil {
		x.aside = map[engine.Ref]*engine.AttributeChange{}
	}
	x.aside[q.Ref] = c
	between := *c
	between.New = inBetween(c.Old.(string))
	if _, err := x.job.Target.Update(ctx, q.Kind, l.TargetID, []engine.AttributeChange{between}); err != nil {
		x.log(x.cycle).Debug("an object in a ring of names could not step aside", zap.String("object_type", string(q.Kind)))
		return nil // the ring stays, and its members fail with what the target says to each
	}
	x.log(x.cycle).Info("a ring of names was broken: one object has a name in between until the others have moved", zap.String("object_type", string(q.Kind)))
	return nil
}

// inBetween is a name that nobody has. What comes after the @ stays: targets may insist on their domains.
func inBetween(name string) string {
	local, domain, mail := strings.Cut(name, "@")
	s := local + ".renamed-" + uuid.NewString()[:8]
	if mail {
		s += "@" + domain
	}
	return s
}

// comeBack gives an account that stepped aside in vain the name that it had.
func (x *exporter) comeBack(ctx context.Context, o *putOff) {
	c := x.aside[o.queued.Ref]
	if c == nil {
		return
	}
	back := *c
	back.New = c.Old
	if _, err := x.job.Target.Update(ctx, o.queued.Kind, o.queued.Link.TargetID, []engine.AttributeChange{back}); err != nil {
		o.failed.Log.Detail += "; it was renamed in between, to let others have its name, and could not be renamed back; the next try reads it first"
	}
}
