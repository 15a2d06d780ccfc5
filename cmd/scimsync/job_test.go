package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
)

// TestOptions: what a configuration file says reaches the engine.
func TestOptions(t *testing.T) {
	disable := engine.LeaveRule{Action: engine.LeaveDisable}
	usual := engine.Options{
		OutOfScope: disable, Blocked: disable, Recycled: disable, Nested: engine.NestedIgnore, GroupOutOfScope: engine.GroupDelete,
		Deletions: engine.DeletionGuard{Removals: engine.RemovalGuard{Emptied: 10}}, Quarantine: engine.PresetAdaptive,
	}
	for _, c := range []struct {
		name, keys string
		want       func(*engine.Options)
	}{
		{"nothing", ``, func(*engine.Options) {}},
		{"leaving", `, onOutOfScope: delete, onBlocked: nothing, onRecycled: {action: disableThenDeleteAfter, grace: 30d}, onGroupOutOfScope: empty`, func(o *engine.Options) {
			o.OutOfScope, o.Blocked = engine.LeaveRule{Action: engine.LeaveDelete}, engine.LeaveRule{Action: engine.LeaveNothing}
			o.Recycled = engine.LeaveRule{Action: engine.LeaveDisableDelete, Grace: 720 * time.Hour}
			o.GroupOutOfScope = engine.GroupEmpty
		}},
		{"older words", `, deletions: {skipOutOfScope: true, skipDisableWhenBlocked: true, skipDisableWhenRecycled: true}`, func(o *engine.Options) {
			o.SkipOutOfScope, o.SkipDisableWhenBlocked, o.SkipDisableWhenRecycled = true, true, true
		}},
		{"guards", `, deletions: {threshold: 50, percent: 2.5, memberships: 1000, emptiedGroup: 25}`, func(o *engine.Options) {
			o.Deletions = engine.DeletionGuard{Threshold: 50, Percent: 2.5, Removals: engine.RemovalGuard{Max: 1000, Emptied: 25}}
		}},
		{"guard off", `, deletions: {threshold: 0}`, func(o *engine.Options) { o.Deletions.Off = true }},
		{"others", `, nestedGroups: expand, quarantine: entra, requireRole: true, renameOnSoftDelete: never, onTargetMissing: error`, func(o *engine.Options) {
			o.Nested, o.Quarantine, o.RequireRole, o.KeepNameOnSoftDelete, o.MissingIsError = engine.NestedExpand, engine.PresetEntra, true, true, true
		}},
		{"parity", `, compat: entra`, func(o *engine.Options) {
			o.Deletions = engine.DeletionGuard{Off: true}
			o.Quarantine, o.PruneEscrows, o.MissingIsError = engine.PresetEntra, true, true
		}},
	} {
		text := "jobs: [{id: a, source: {type: msgraph}, target: {type: scim}" + c.keys + "}]"
		f, _, err := config.Parse("scimsync.yaml", []byte(text), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		want := usual
		c.want(&want)
		if d := cmp.Diff(want, options(f.Jobs[0])); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}
