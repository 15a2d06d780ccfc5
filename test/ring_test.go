package test

import (
	"fmt"
	"testing"

	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

// TestRingOfNames: people who exchange their user names all get them in the same cycle, although the application lets
// none of them go first. Where it does not even allow a name in between, nobody is left with one.
func TestRingOfNames(t *testing.T) {
	for _, size := range []int{2, 3, 7} {
		for _, profile := range []scim.Profile{scim.RFC7644, scim.Entra} {
			t.Run(fmt.Sprint(size, profile), func(t *testing.T) {
				virtually(t, func(t *testing.T) {
					w, ids := staff(t, 10, setting{profile: profile})
					w.rotate(ids[:size])
					c := w.sync()
					if c.Counts["users.updated"] != size || c.Counts["users.failed"] != 0 {
						t.Errorf("%v", c.Counts)
					}
					w.settled()
					w.inStep()
					w.quiet()
				})
			})
		}
	}
	t.Run("refused", func(t *testing.T) {
		virtually(t, func(t *testing.T) {
			w, ids := staff(t, 5, setting{})
			before := map[string]string{}
			for _, id := range ids {
				before[id] = w.mustAccount(id).UserName
			}
			w.rotate(ids[:2])
			w.fault(scimtest.Fault{Method: "PATCH", BodyContains: ".renamed-", Status: 400})
			if c := w.cycle(); c.State != engine.CycleEntryErrors || c.Counts["users.failed"] != 2 {
				t.Errorf("%s %v", c.State, c.Counts)
			}
			for _, id := range ids {
				if got := w.mustAccount(id).UserName; got != before[id] {
					t.Errorf("%s is called %s", before[id], got)
				}
			}
			w.app.ClearFaults()
			w.sync()
			w.inStep()
			w.quiet()
		})
	})
}

// rotate gives each person the user name of the next one.
func (w *world) rotate(ids []string) {
	truth := w.dir.Truth()
	var names []any
	for i, id := range ids {
		names = append(names, truth.Users[id].Properties["userPrincipalName"])
		w.dir.UpdateUser(id, map[string]any{"userPrincipalName": fmt.Sprintf("nobody%d@example.test", i)})
	}
	for i, id := range ids {
		w.dir.UpdateUser(id, map[string]any{"userPrincipalName": names[(i+1)%len(names)]})
	}
}
