package test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

// TestLeftAlone: an option that leaves accounts alone or gives them time harms nobody and lets nobody keep access.
func TestLeftAlone(t *testing.T) {
	t.Run("left alone, then blocked or recycled while in scope", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := bubble(t, setting{options: engine.Options{SkipOutOfScope: true}})
			ids := w.assigned("blocked", "recycled", "both", "later")
			w.sync()
			for _, i := range []int{0, 1, 3} {
				w.dir.Unassign(ids[i])
			}
			w.dir.Unassign(ids[2])
			w.dir.UpdateUser(ids[2], map[string]any{"accountEnabled": false})
			w.sync()
			w.linked(ids[0], engine.Released)
			w.linked(ids[2], engine.Released)
			if w.mustAccount(ids[2]).Active || !w.mustAccount(ids[0]).Active {
				t.Error("who was blocked and unassigned at once keeps access, or who was only unassigned lost it")
			}
			w.quiet()
			w.dir.UpdateUser(ids[3], map[string]any{"accountEnabled": false})
			w.quiet()
			w.dir.Assign(ids[0], graphtest.ZeroRole)
			crew := w.dir.AddGroup(graphtest.Group{DisplayName: "Crew", Members: []string{ids[1]}})
			w.dir.Assign(crew, graphtest.ZeroRole)
			w.dir.UpdateUser(ids[0], map[string]any{"accountEnabled": false})
			w.dir.SoftDelete(ids[1])
			w.sync()
			for _, i := range []int{0, 1} {
				if w.mustAccount(ids[i]).Active {
					t.Errorf("person %d keeps access", i)
				}
				w.linked(ids[i], engine.Suspended)
			}
			w.quiet()
			w.dir.HardDelete(ids[2])
			w.quiet()
			if _, there := w.account(ids[2]); !there {
				t.Error("the account of somebody who was released was deleted")
			}
		})
	})
	t.Run("a grace time outlives the source object", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := bubble(t, setting{options: engine.Options{OutOfScope: engine.LeaveRule{Action: engine.LeaveDisableDelete, Grace: 30 * day}}})
			ids := w.assigned("purged", "binned", "restart")
			w.sync()
			for _, id := range ids {
				w.dir.Unassign(id)
			}
			left := time.Now()
			w.sync()
			until(left, 5*day)
			w.dir.HardDelete(ids[0])
			w.dir.SoftDelete(ids[1])
			w.sync()
			until(left, 6*day)
			w.dir.HardDelete(ids[1])
			w.dir.HardDelete(ids[2])
			w.sync()
			until(left, 30*day-time.Minute)
			w.quiet()
			for _, id := range ids {
				if _, there := w.account(id); !there {
					t.Errorf("the account of %s is gone before its time", id)
				}
			}
			until(left, 30*day+time.Hour)
			c := w.sync()
			if c.Counts["users.deleted"] != 3 {
				t.Errorf("%v", c.Counts)
			}
			w.quiet()
		})
	})
}
