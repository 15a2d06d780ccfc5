package test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

func TestAcceptanceHarmed(t *testing.T) {
	t.Run("A3", func(t *testing.T) {
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
				t.Error("both")
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
					t.Errorf("%d active", i)
				}
				w.linked(ids[i], engine.Suspended)
				t.Log(w.lastRow(ids[i]).Rule)
			}
			w.quiet()
			w.dir.HardDelete(ids[2])
			w.quiet()
			if _, there := w.account(ids[2]); !there {
				t.Error("deleted")
			}
		})
	})
	t.Run("A4", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := bubble(t, setting{options: engine.Options{OutOfScope: engine.LeaveRule{Action: engine.LeaveDisableDelete, Grace: 30 * day}}})
			ids := w.assigned("purged", "binned", "restart")
			w.sync()
			for _, id := range ids {
				w.dir.Unassign(id)
			}
			left := time.Now()
			w.sync()
			t.Log(w.lastRow(ids[0]).Detail)
			until(left, 5*day)
			w.dir.HardDelete(ids[0])
			w.dir.SoftDelete(ids[1])
			w.sync()
			t.Log(w.lastRow(ids[0]).Rule, w.lastRow(ids[0]).Detail)
			t.Log(w.lastRow(ids[1]).Rule, w.lastRow(ids[1]).Detail)
			until(left, 6*day)
			w.dir.HardDelete(ids[1])
			w.dir.HardDelete(ids[2])
			w.sync()
			until(left, 30*day-time.Minute)
			w.quiet()
			for _, id := range ids {
				if _, there := w.account(id); !there {
					t.Error("gone early")
				}
			}
			until(left, 30*day+time.Hour)
			c := w.sync()
			if c.Counts["users.deleted"] != 3 {
				t.Errorf("%v", c.Counts)
			}
			t.Log(w.lastRow(ids[0]).Rule, w.lastRow(ids[0]).Reason, w.lastRow(ids[0]).Detail)
			w.quiet()
		})
	})
}
