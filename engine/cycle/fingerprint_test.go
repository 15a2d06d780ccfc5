package cycle

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// TestFingerprint: every option that decides about objects is part of it, those about cycles are not, and with the
// defaults it is what the first version wrote.
func TestFingerprint(t *testing.T) {
	job := &engine.Job{Scope: engine.ScopeAssigned, Mapping: mapping.Default(), Options: engine.Options{GroupOutOfScope: engine.GroupDelete}}
	base := Fingerprint(job)
	if want := "{SkipOutOfScope:false SkipDisableWhenBlocked:false SkipDisableWhenRecycled:false HardDisable:false KeepNameOnSoftDelete:false " +
		"MissingIsError:false GroupOutOfScope:delete RequireRole:false Deletions:{Off:false Threshold:0}}"; !strings.HasSuffix(base, want) {
		t.Errorf("the default is %q", base)
	}
	values := map[reflect.Type]any{
		reflect.TypeFor[bool](): true, reflect.TypeFor[engine.LeaveRule](): engine.LeaveRule{Action: engine.LeaveDisableDelete, Grace: time.Hour},
		reflect.TypeFor[engine.NestedGroups](): engine.NestedExpand, reflect.TypeFor[engine.GroupAction](): engine.GroupEmpty,
		reflect.TypeFor[engine.DeletionGuard](): engine.DeletionGuard{Threshold: 7}, reflect.TypeFor[engine.QuarantinePreset](): engine.PresetEntra,
	}
	about := map[string]bool{"Deletions": true, "Quarantine": true, "PruneEscrows": true} // cycles
	for i := range reflect.TypeFor[engine.Options]().NumField() {
		f := reflect.TypeFor[engine.Options]().Field(i)
		v, known := values[f.Type]
		if !known {
			t.Errorf("%s: no value of type %s to try", f.Name, f.Type)
			continue
		}
		other := *job
		reflect.ValueOf(&other.Options).Elem().Field(i).Set(reflect.ValueOf(v))
		if changed := Fingerprint(&other) != base; changed == about[f.Name] {
			t.Errorf("%s: the fingerprint changed: %v", f.Name, changed)
		}
	}
	job.Options.OutOfScope, job.Options.Nested = engine.LeaveRule{Action: engine.LeaveDisable}, engine.NestedIgnore
	if Fingerprint(job) != base {
		t.Error("a default that is spelled out is another one")
	}
}
