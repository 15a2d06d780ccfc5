package cycle

import (
	"fmt"

	"github.com/scimsync/scimsync/engine"
)

// Fingerprint covers everything that decides about objects: a change of it makes the next cycle an
// initial one. Guards and quarantine decide about cycles, not about objects.
//
// The first part is as the first version wrote it, and what came later is only named where it is not the default: a new
// version must not make everybody be read and compared anew.
func Fingerprint(job *engine.Job) string {
	o := job.Options
	s := fmt.Sprintf("%s %s {SkipOutOfScope:%t SkipDisableWhenBlocked:%t SkipDisableWhenRecycled:%t HardDisable:%t KeepNameOnSoftDelete:%t "+
		"MissingIsError:%t GroupOutOfScope:%s RequireRole:%t Deletions:{Off:false Threshold:0}}", job.Scope, job.Mapping.Fingerprint(),
		o.SkipOutOfScope, o.SkipDisableWhenBlocked, o.SkipDisableWhenRecycled, o.HardDisable, o.KeepNameOnSoftDelete,
		o.MissingIsError, o.GroupOutOfScope, o.RequireRole)
	for _, r := range []struct {
		name string
		rule engine.LeaveRule
	}{{"outOfScope", o.OutOfScope}, {"blocked", o.Blocked}, {"recycled", o.Recycled}} {
		if r.rule.Action != "" && r.rule.Action != engine.LeaveDisable {
			s += fmt.Sprintf(" %s:%s/%s", r.name, r.rule.Action, r.rule.Grace)
		}
	}
	if o.Nested != "" && o.Nested != engine.NestedIgnore {
		s += " nested:" + string(o.Nested)
	}
	return s
}
