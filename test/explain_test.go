package test

import (
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/msgraph"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

// TestExplainGroups: who is in an assigned group and not in scope learns which group that is and why it does not count, and
// who is assigned through groups in groups, by way of which.
func TestExplainGroups(t *testing.T) {
	for _, c := range []struct {
		name   string
		nested engine.NestedGroups
		want   []string
	}{
		{"ignore", engine.NestedIgnore, []string{
			`through the group "Outer", which has the group "Middle", and that the group "Inner" as a member, with default access: this does not count, because the job takes direct members only (nestedGroups: ignore)`,
			`through the group "Letters", with default access: this does not count, because the group is not security-enabled`,
		}},
		{"expand", engine.NestedExpand, []string{
			`through the group "Outer", which has the group "Middle", and that the group "Inner" as a member, with default access: this counts.`,
			`through the group "Letters", with default access: this does not count, because the group is not security-enabled`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setting{options: engine.Options{Nested: c.nested}, source: func(cfg *msgraph.Config) { cfg.Nested = c.nested == engine.NestedExpand }})
			ann, bob := w.addUser("ann"), w.addUser("bob")
			inner := w.dir.AddGroup(graphtest.Group{DisplayName: "Inner", Members: []string{ann}})
			middle := w.dir.AddGroup(graphtest.Group{DisplayName: "Middle", Members: []string{inner}})
			outer := w.dir.AddGroup(graphtest.Group{DisplayName: "Outer", Members: []string{middle}})
			letters := w.dir.AddGroup(graphtest.Group{DisplayName: "Letters", NotSecurity: true, Members: []string{ann}})
			w.dir.AddGroup(graphtest.Group{DisplayName: "Aside", Members: []string{ann, bob}})
			w.dir.Assign(outer, graphtest.ZeroRole)
			w.dir.Assign(letters, graphtest.ZeroRole)
			got := w.provisionAs(true, users(ann, bob)...)
			lines := strings.Join(got[0].Explain, "\n")
			for _, want := range c.want {
				if !strings.Contains(lines, want) {
					t.Errorf("it does not say %q:\n%s", want, lines)
				}
			}
			if n := strings.Count(lines, "Assignment:"); n != len(c.want) {
				t.Errorf("%d assignments, want %d:\n%s", n, len(c.want), lines)
			}
			if !slices.Contains(got[1].Explain, "Assignment: none, neither directly nor through a group.") {
				t.Errorf("who is in no assigned group: %q", got[1].Explain)
			}
		})
	}
}
