package config

import "time"

// What can happen to the account of somebody who left.
const (
	LeaveDisable       = "disable"
	LeaveDelete        = "delete"
	LeaveNothing       = "nothing"
	LeaveDisableDelete = "disableThenDeleteAfter"
)

// Leave says what happens to an account. It is written as one word, or with its keys where a time belongs to it:
// {action: disableThenDeleteAfter, grace: 30d}.
type Leave struct {
	// Action is what happens: disable, delete, nothing, or disable now and delete when the grace time is over.
	Action string `yaml:"action,required" enum:"disable|delete|nothing|disableThenDeleteAfter"`
	// Grace is how long an account is disabled before it is deleted. Only for disableThenDeleteAfter, which needs it.
	Grace time.Duration `yaml:"grace"`
}

// shorthand is a struct that may be given as one word, the value of its first key.
type shorthand interface{ shorthand() }

func (*Leave) shorthand() {}

// checkLeaving looks at what happens to those who leave, and at whether the older switches say the same.
func (j *Job) checkLeaving(d *decoder, path string) {
	for _, c := range []struct {
		key   string
		leave Leave
		old   string
		alone bool
	}{
		{"onOutOfScope", j.OnOutOfScope, "skipOutOfScope", j.Deletions.SkipOutOfScope},
		{"onBlocked", j.OnBlocked, "skipDisableWhenBlocked", j.Deletions.SkipDisableWhenBlocked},
		{"onRecycled", j.OnRecycled, "skipDisableWhenRecycled", j.Deletions.SkipDisableWhenRecycled},
	} {
		at := join(path, c.key)
		if d.failed(at) {
			continue
		}
		_, grace := d.doc.find(join(at, "grace"))
		switch {
		case c.leave.Action == LeaveDisableDelete && c.leave.Grace == 0 && grace != nil:
			d.fail(join(at, "grace"), "write a time such as 30d, or action: delete", "after no time at all the account would be deleted at once")
		case c.leave.Action == LeaveDisableDelete && c.leave.Grace == 0:
			d.fail(at, "write {action: disableThenDeleteAfter, grace: 30d}", "it does not say after which time to delete")
		case c.leave.Action != LeaveDisableDelete && c.leave.Grace != 0:
			d.fail(join(at, "grace"), "remove it, or write action: disableThenDeleteAfter", "%s knows no grace time", c.leave.Action)
		}
		if _, n := d.doc.find(at); n != nil && c.alone && c.leave.Action != LeaveNothing {
			d.fail(at, "keep "+c.key+" and remove deletions."+c.old+", or write nothing",
				"it says %s, and deletions.%s says to leave these accounts alone", c.leave.Action, c.old)
		}
	}
}
