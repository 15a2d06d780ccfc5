package test

import (
	"slices"
	"testing"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
)

// TestGroupInGroup assigns a group and one inside it: both are provisioned with their own people, and
// neither becomes a member of the other, however they came together. Nobody waits for it.
func TestGroupInGroup(t *testing.T) {
	w := newWorld(t, setting{})
	c := w.cast()
	inner := w.dir.AddGroup(graphtest.Group{DisplayName: "Inner", Members: []string{c.solo}})
	w.dir.AddMember(c.group, inner)
	first := w.sync()
	people := w.mustGroup(c.group).Members
	if len(people) != len(c.crew)+1 {
		t.Fatalf("the group has %d members, want %d", len(people), len(c.crew)+1)
	}
	if n := first.Counts["memberships.pending"]; n != 0 {
		t.Errorf("%d memberships are pending", n)
	}

	w.dir.Assign(inner, w.dir.AppRoles()[0].ID)
	w.sync()
	if got := w.mustGroup(c.group).Members; !slices.Equal(got, people) {
		t.Errorf("members are %v once the inner group is there, were %v", got, people)
	}
	if got, solo := w.mustGroup(inner).Members, w.mustAccount(c.solo).ID; !slices.Equal(got, []string{solo}) {
		t.Errorf("the inner group has %v, want %s", got, solo)
	}
	w.quiet()
	w.dir.RemoveMember(c.group, inner)
	w.quiet()
}
