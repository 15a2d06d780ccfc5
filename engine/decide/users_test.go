package decide

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

const (
	noCreate = "create"
	noUpdate = "update"
	noDelete = "delete"
)

func without(action string) *mapping.Actions {
	return &mapping.Actions{Create: action != noCreate, Update: action != noUpdate, Delete: action != noDelete}
}

// want is what a row of the tables says: changes are "path=value", in order.
type want struct {
	action  engine.Action
	then    engine.LinkState
	changes string
	reason  engine.Reason
}

func check(t *testing.T, op engine.Operation, rule engine.Rule, w want) {
	t.Helper()
	if op.Action != w.action || op.Rule != rule || op.Then != w.then {
		t.Errorf("got %s by %s, then %q; want %s by %s, then %q\n%+v", op.Action, op.Rule, op.Then, w.action, rule, w.then, op)
	}
	if got := show(op.Changes); got != w.changes {
		t.Errorf("changes: got %q, want %q", got, w.changes)
	}
	if w.reason != "" && op.Reason != w.reason {
		t.Errorf("reason: got %s, want %s", op.Reason, w.reason)
	}
	if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.ID == op.Rule }) {
		t.Errorf("rule %s is not listed in Rules", op.Rule)
	}
}

func show(changes []engine.AttributeChange) string {
	var parts []string
	for _, c := range changes {
		parts = append(parts, c.Path.String()+"="+sprint(c.New))
	}
	return strings.Join(parts, " ")
}

func sprint(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "true"
		}
		return "false"
	case nil:
		return "nothing"
	default:
		return "?"
	}
}

// TestUsers walks the rows of sections 11.1 to 11.5 that are about users. A row that stands in
// several places of the tables under one cause is named by the row.
func TestUsers(t *testing.T) {
	renamed := mapping.Attributes{"userPrincipalName": "ann.new@example.test"}
	binned := mapping.Attributes{"userPrincipalName": "deadbeefann@example.test"}
	for _, row := range []struct {
		name string
		rule engine.Rule
		s    situation
		want want
	}{
		{"U1 before looking", "U1", situation{}, want{engine.Look, "", "", engine.Assigned}},
		{"U1 no match", "U1", situation{target: Absent}, want{engine.Create, engine.Managed, "", engine.Assigned}},
		{"U2 match, in step", "U2", situation{target: Found}, want{engine.Nothing, engine.Managed, "", engine.RedundantExport}},
		{"U2 match, differs", "U2", situation{target: Found, live: map[string]any{"displayName": "Old"}}, want{engine.Update, engine.Managed, "displayName=Ann Lee", engine.Matched}},
		{"U3 match, inactive", "U3", situation{target: Found, live: map[string]any{"active": false}}, want{engine.Enable, engine.Managed, "active=true", engine.Matched}},
		{"U4 several match", "U4", situation{target: Several}, want{engine.Fail, "", "", ""}},
		{"U5 match is taken", "U5", situation{target: Taken}, want{engine.Fail, "", "", ""}},
		{"U6 blocked, no link", "U6", situation{blocked: true}, want{engine.Skip, "", "", engine.InactiveInSource}},
		{"U6 blocked, no link, account exists", "U6", situation{blocked: true, target: Found}, want{engine.Skip, "", "", engine.InactiveInSource}},
		{"U6 recycled, no link", "U6", situation{state: engine.SoftDeleted}, want{engine.Skip, "", "", engine.RecycledInSource}},
		{"U7 fails the filter", "U7", situation{filtered: true}, want{engine.Skip, "", "", engine.FilteredOut}},
		{"U8 no matching value", "U8", situation{attrs: mapping.Attributes{"userPrincipalName": nil}}, want{engine.Skip, "", "", engine.ImportSkipped}},
		{"U9 mapping fails", "U9", situation{broken: true}, want{engine.Fail, "", "", ""}},
		{"U9b not assigned", "U9b", situation{unassigned: true}, want{engine.Skip, "", "", engine.NotAssigned}},
		{"U9b without the role", "U9b", situation{noRole: true}, want{engine.Skip, "", "", engine.MissingRole}},
		{"gone before it was ever linked", "U22", situation{state: engine.HardDeleted}, want{engine.Skip, "", "", engine.NoLongerManaged}},

		{"U24 UPN renamed", "U24", situation{link: engine.Managed, attrs: renamed}, want{engine.Update, engine.Managed, "userName=ann.new@example.test", engine.Renamed}},
		{"U25 attribute changed", "U25", situation{link: engine.Managed, attrs: mapping.Attributes{"surname": "Berg"}}, want{engine.Update, engine.Managed, "name.familyName=Berg", engine.AttributesChanged}},
		{"U26 nothing mapped changed", "U26", situation{link: engine.Managed, attrs: mapping.Attributes{"jobTitle": "x"}}, want{engine.Nothing, engine.Managed, "", engine.RedundantExport}},
		{"U27 attribute became null", "U26", situation{link: engine.Managed, attrs: mapping.Attributes{"surname": nil}}, want{engine.Nothing, engine.Managed, "", engine.RedundantExport}},
		{"U28 target changed, not looked", "U26", situation{link: engine.Managed}, want{engine.Nothing, engine.Managed, "", ""}},
		{"U28 target changed, in doubt", "U30", situation{link: engine.Managed, doubt: true}, want{engine.Look, "", "", ""}},
		{"U28 target changed, looked", "U25", situation{link: engine.Managed, doubt: true, target: Found, live: map[string]any{"displayName": "Other"}}, want{engine.Update, engine.Managed, "displayName=Ann Lee", ""}},
		{"U28b target blocked, looked", "U25", situation{link: engine.Managed, doubt: true, target: Found, live: map[string]any{"active": false}}, want{engine.Enable, engine.Managed, "active=true", ""}},

		{"U10 unassigned", "U10", situation{link: engine.Managed, unassigned: true}, want{engine.Disable, engine.Released, "active=false", engine.NotAssigned}},
		{"U10 role lost", "U10", situation{link: engine.Managed, noRole: true}, want{engine.Disable, engine.Released, "active=false", engine.MissingRole}},
		{"U10 carries no other difference", "U10", situation{link: engine.Managed, unassigned: true, attrs: mapping.Attributes{"surname": "Berg", "userPrincipalName": "x@example.test"}}, want{engine.Disable, engine.Released, "active=false", ""}},
		{"U10 when a mapping fails", "U10", situation{link: engine.Managed, unassigned: true, broken: true}, want{engine.Disable, engine.Released, "active=false", ""}},
		{"U10 of one who is suspended", "U10", situation{link: engine.Suspended, inactive: true, unassigned: true}, want{engine.Nothing, engine.Released, "", ""}},
		{"U29 filtered out", "U29", situation{link: engine.Managed, filtered: true}, want{engine.Disable, engine.Released, "active=false", engine.FilteredOut}},
		{"U15 blocked", "U15", situation{link: engine.Managed, blocked: true}, want{engine.Disable, engine.Suspended, "active=false", engine.InactiveInSource}},
		{"U15 still blocked", "U15", situation{link: engine.Suspended, inactive: true, blocked: true}, want{engine.Nothing, engine.Suspended, "", ""}},
		{"U17 recycled", "U17", situation{link: engine.Managed, state: engine.SoftDeleted, attrs: binned}, want{engine.Disable, engine.Suspended, "userName=deadbeefann@example.test active=false", engine.RecycledInSource}},
		{"U17 recycled, name not rewritten", "U17", situation{link: engine.Managed, state: engine.SoftDeleted}, want{engine.Disable, engine.Suspended, "active=false", ""}},
		{"U17 recycled, blocked before", "U17", situation{link: engine.Suspended, inactive: true, state: engine.SoftDeleted, attrs: binned}, want{engine.Update, engine.Suspended, "userName=deadbeefann@example.test", ""}},
		{"U17 renameOnSoftDelete never", "U17", situation{link: engine.Managed, state: engine.SoftDeleted, attrs: binned, options: engine.Options{KeepNameOnSoftDelete: true}}, want{engine.Disable, engine.Suspended, "active=false", ""}},
		{"U21 purged, managed", "U21", situation{link: engine.Managed, state: engine.HardDeleted}, want{engine.Delete, engine.LinkNone, "", engine.DeletedInSource}},
		{"U21 purged, suspended", "U21", situation{link: engine.Suspended, recycled: true, state: engine.HardDeleted}, want{engine.Delete, engine.LinkNone, "", ""}},
		{"U22 purged after release", "U22", situation{link: engine.Released, inactive: true, state: engine.HardDeleted, unassigned: true}, want{engine.Skip, engine.LinkNone, "", engine.NoLongerManaged}},
		{"U22b blocked after release", "U22b", situation{link: engine.Released, inactive: true, unassigned: true, blocked: true}, want{engine.Skip, "", "", engine.NoLongerManaged}},
		{"U22b recycled after release", "U22b", situation{link: engine.Released, inactive: true, unassigned: true, state: engine.SoftDeleted, attrs: binned}, want{engine.Skip, "", "", engine.NoLongerManaged}},
		{"U22b blocked after it was left alone", "U22b", situation{link: engine.Released, unassigned: true, blocked: true}, want{engine.Skip, "", "", engine.NoLongerManaged}},
		{"U22b recycled after it was left alone", "U22b", situation{link: engine.Released, unassigned: true, state: engine.SoftDeleted, attrs: binned}, want{engine.Skip, "", "", engine.NoLongerManaged}},
		{"U22b filtered out and blocked after it was left alone", "U22b", situation{link: engine.Released, filtered: true, blocked: true}, want{engine.Skip, "", "", engine.NoLongerManaged}},
		{"U22b disabled, then assigned again and blocked", "U22b", situation{link: engine.Released, inactive: true, blocked: true}, want{engine.Skip, "", "", engine.NoLongerManaged}},
		{"U22b disabled, then assigned again and recycled", "U22b", situation{link: engine.Released, inactive: true, state: engine.SoftDeleted, attrs: binned}, want{engine.Skip, "", "", engine.NoLongerManaged}},
		{"U15 left alone, then assigned again and blocked", "U15", situation{link: engine.Released, blocked: true}, want{engine.Disable, engine.Suspended, "active=false", engine.InactiveInSource}},
		{"U17 left alone, then assigned again and recycled", "U17", situation{link: engine.Released, state: engine.SoftDeleted, attrs: binned}, want{engine.Disable, engine.Suspended, "userName=deadbeefann@example.test active=false", engine.RecycledInSource}},
		{"U22 left alone, then assigned again and purged", "U22", situation{link: engine.Released, state: engine.HardDeleted}, want{engine.Skip, engine.LinkNone, "", engine.NoLongerManaged}},
		{"U22b renamed after release", "U22b", situation{link: engine.Released, inactive: true, unassigned: true, attrs: renamed}, want{engine.Skip, "", "", engine.NoLongerManaged}},

		{"U16 unblocked", "U16", situation{link: engine.Suspended, inactive: true}, want{engine.Enable, engine.Managed, "active=true", engine.SignInAllowed}},
		{"U16 unblocked, changed meanwhile", "U16", situation{link: engine.Suspended, inactive: true, attrs: mapping.Attributes{"surname": "Berg"}}, want{engine.Enable, engine.Managed, "name.familyName=Berg active=true", ""}},
		{"U18 restored", "U18", situation{link: engine.Suspended, recycled: true}, want{engine.Enable, engine.Managed, "userName=ann@example.test active=true", engine.RestoredInSource}},
		{"U19 restored, unassigned", "U19", situation{link: engine.Suspended, recycled: true, unassigned: true}, want{engine.Update, engine.Released, "userName=ann@example.test", engine.RestoredInSource}},
		{"U20 restored, blocked", "U20", situation{link: engine.Suspended, recycled: true, blocked: true}, want{engine.Update, engine.Suspended, "userName=ann@example.test", engine.RestoredInSource}},
		{"U30 back, before looking", "U30", situation{link: engine.Released, inactive: true}, want{engine.Look, "", "", engine.BackInScope}},
		{"U30 back", "U30", situation{link: engine.Released, inactive: true, target: Found, live: map[string]any{"active": false}}, want{engine.Enable, engine.Managed, "active=true", engine.BackInScope}},
		{"U30 back after it was left alone", "U30", situation{link: engine.Released, target: Found}, want{engine.Nothing, engine.Managed, "", ""}},

		{"U33 gone, entitled: match again", "U33", situation{link: engine.Managed, doubt: true, target: Absent}, want{engine.Look, "", "", ""}},
		{"U33 gone, for the second time", "U33", situation{link: engine.Managed, doubt: true, target: Absent, recreated: []time.Duration{day}}, want{engine.Look, "", "", ""}},
		{"U33 gone, for the third time in 7 days", "U33", situation{link: engine.Managed, doubt: true, target: Absent, recreated: []time.Duration{7*day - 1, day}}, want{engine.Fail, "", "", ""}},
		{"U33 gone, for the third time in more", "U33", situation{link: engine.Managed, doubt: true, target: Absent, recreated: []time.Duration{30 * day, 7 * day, day}}, want{engine.Look, "", "", ""}},
		{"U33 gone, parity", "U33", situation{link: engine.Managed, doubt: true, target: Absent, options: engine.Options{MissingIsError: true}}, want{engine.Fail, "", "", ""}},
	} {
		t.Run(row.name, func(t *testing.T) {
			check(t, User(row.s.facts(t)), row.rule, row.want)
		})
	}
}

// TestUserOptions walks the option matrix of section 12, column by column.
func TestUserOptions(t *testing.T) {
	binned := mapping.Attributes{"userPrincipalName": "deadbeefann@example.test"}
	s := engine.Options{SkipOutOfScope: true}
	h := engine.Options{HardDisable: true}
	none := engine.Action("") // the row says nothing happens: Skip or Nothing
	for _, row := range []struct {
		event  string
		s      situation
		column string
		with   func(*situation)
		action engine.Action
		then   engine.LinkState
	}{
		{"entitled, no match", situation{target: Absent}, "¬C", func(x *situation) { x.actions = without(noCreate) }, none, ""},
		{"entitled, no match", situation{target: Absent}, "¬U", func(x *situation) { x.actions = without(noUpdate) }, engine.Create, engine.Managed},
		{"entitled, match", situation{target: Found, live: map[string]any{"displayName": "Old"}}, "¬C", func(x *situation) { x.actions = without(noCreate) }, engine.Update, engine.Managed},
		{"entitled, match", situation{target: Found, live: map[string]any{"displayName": "Old"}}, "¬U", func(x *situation) { x.actions = without(noUpdate) }, none, engine.Managed},
		{"attribute change", situation{link: engine.Managed, attrs: mapping.Attributes{"surname": "Berg"}}, "¬U", func(x *situation) { x.actions = without(noUpdate) }, none, ""},

		{"unassigned", situation{link: engine.Managed, unassigned: true}, "S", func(x *situation) { x.options = s }, none, engine.Released},
		{"unassigned", situation{link: engine.Managed, unassigned: true}, "¬C", func(x *situation) { x.actions = without(noCreate) }, engine.Disable, engine.Released},
		{"unassigned", situation{link: engine.Managed, unassigned: true}, "¬U", func(x *situation) { x.actions = without(noUpdate) }, none, ""},
		{"unassigned", situation{link: engine.Managed, unassigned: true}, "¬X", func(x *situation) { x.actions = without(noDelete) }, engine.Disable, engine.Released},
		{"unassigned", situation{link: engine.Managed, unassigned: true}, "¬M", func(x *situation) { x.plain = true }, none, engine.Released},
		{"unassigned", situation{link: engine.Managed, unassigned: true}, "H", func(x *situation) { x.options = h }, engine.Delete, engine.LinkNone},

		{"filtered out", situation{link: engine.Managed, filtered: true}, "S", func(x *situation) { x.options = s }, none, engine.Released},
		{"unassigned and blocked", situation{link: engine.Managed, unassigned: true, blocked: true}, "S", func(x *situation) { x.options = s }, engine.Disable, engine.Released},
		{"unassigned and blocked", situation{link: engine.Managed, unassigned: true, blocked: true}, "S ¬U", func(x *situation) { x.options, x.actions = s, without(noUpdate) }, none, ""},
		{"unassigned and blocked", situation{link: engine.Managed, unassigned: true, blocked: true}, "S H", func(x *situation) { x.options = engine.Options{SkipOutOfScope: true, HardDisable: true} }, engine.Delete, engine.LinkNone},
		{"without the role and blocked", situation{link: engine.Managed, noRole: true, blocked: true}, "S", func(x *situation) { x.options = s }, engine.Disable, engine.Released},
		{"filtered out and blocked", situation{link: engine.Managed, filtered: true, blocked: true}, "S", func(x *situation) { x.options = s }, engine.Disable, engine.Released},
		{"unassigned and recycled", situation{link: engine.Managed, unassigned: true, state: engine.SoftDeleted, attrs: binned}, "S", func(x *situation) { x.options = s }, engine.Disable, engine.Suspended},
		{"back, but blocked", situation{link: engine.Released, blocked: true}, "S", func(x *situation) { x.options = s }, engine.Disable, engine.Suspended},
		{"back, but recycled", situation{link: engine.Released, state: engine.SoftDeleted, attrs: binned}, "S", func(x *situation) { x.options = s }, engine.Disable, engine.Suspended},
		{"back, but blocked", situation{link: engine.Released, blocked: true}, "¬U", func(x *situation) { x.actions = without(noUpdate) }, none, ""},
		{"back, but blocked", situation{link: engine.Released, blocked: true}, "H", func(x *situation) { x.options = h }, engine.Delete, engine.LinkNone},
		{"back, but blocked", situation{link: engine.Released, blocked: true}, "H ¬X", func(x *situation) { x.options, x.actions = h, without(noDelete) }, none, engine.Released},
		{"filtered out", situation{link: engine.Managed, filtered: true}, "¬U", func(x *situation) { x.actions = without(noUpdate) }, none, ""},
		{"filtered out", situation{link: engine.Managed, filtered: true}, "¬M", func(x *situation) { x.plain = true }, none, engine.Released},
		{"filtered out", situation{link: engine.Managed, filtered: true}, "H", func(x *situation) { x.options = h }, engine.Delete, engine.LinkNone},

		{"blocked", situation{link: engine.Managed, blocked: true}, "S", func(x *situation) { x.options = s }, engine.Disable, engine.Suspended},
		{"blocked", situation{link: engine.Managed, blocked: true}, "skipDisableWhenBlocked", func(x *situation) { x.options.SkipDisableWhenBlocked = true }, none, engine.Suspended},
		{"blocked", situation{link: engine.Managed, blocked: true}, "¬U", func(x *situation) { x.actions = without(noUpdate) }, none, ""},
		{"blocked", situation{link: engine.Managed, blocked: true}, "¬M", func(x *situation) { x.plain = true }, none, engine.Suspended},
		{"blocked", situation{link: engine.Managed, blocked: true}, "H", func(x *situation) { x.options = h }, engine.Delete, engine.LinkNone},

		{"recycled", situation{link: engine.Managed, state: engine.SoftDeleted, attrs: binned}, "S", func(x *situation) { x.options = s }, engine.Disable, engine.Suspended},
		{"recycled", situation{link: engine.Managed, state: engine.SoftDeleted, attrs: binned}, "skipDisableWhenRecycled", func(x *situation) { x.options.SkipDisableWhenRecycled = true }, none, engine.Suspended},
		{"recycled", situation{link: engine.Managed, state: engine.SoftDeleted, attrs: binned}, "¬U", func(x *situation) { x.actions = without(noUpdate) }, none, ""},
		{"recycled", situation{link: engine.Managed, state: engine.SoftDeleted, attrs: binned}, "¬X", func(x *situation) { x.actions = without(noDelete) }, engine.Disable, engine.Suspended},
		{"recycled", situation{link: engine.Managed, state: engine.SoftDeleted, attrs: binned}, "¬M", func(x *situation) { x.plain = true }, none, engine.Suspended},
		{"recycled", situation{link: engine.Managed, state: engine.SoftDeleted, attrs: binned}, "H", func(x *situation) { x.options = h }, engine.Delete, engine.LinkNone},

		{"back in scope", situation{link: engine.Released, inactive: true, target: Found, live: map[string]any{"active": false}}, "S", func(x *situation) { x.options = s }, engine.Enable, engine.Managed},
		{"back in scope", situation{link: engine.Suspended, inactive: true}, "¬U", func(x *situation) { x.actions = without(noUpdate) }, none, ""},
		{"back in scope", situation{link: engine.Suspended}, "¬M", func(x *situation) { x.plain = true }, none, engine.Managed},

		{"purged", situation{link: engine.Managed, state: engine.HardDeleted}, "S", func(x *situation) { x.options = s }, engine.Delete, engine.LinkNone},
		{"purged", situation{link: engine.Managed, state: engine.HardDeleted}, "¬U", func(x *situation) { x.actions = without(noUpdate) }, engine.Delete, engine.LinkNone},
		{"purged", situation{link: engine.Managed, state: engine.HardDeleted}, "¬X", func(x *situation) { x.actions = without(noDelete) }, none, engine.Released},
		{"purged", situation{link: engine.Managed, state: engine.HardDeleted}, "¬M", func(x *situation) { x.plain = true }, engine.Delete, engine.LinkNone},
		{"purged after release", situation{link: engine.Released, state: engine.HardDeleted}, "D", func(*situation) {}, none, engine.LinkNone},
		{"purged after release", situation{link: engine.Released, state: engine.HardDeleted}, "H", func(x *situation) { x.options = h }, none, engine.LinkNone},
	} {
		t.Run(row.event+" "+row.column, func(t *testing.T) {
			x := row.s
			row.with(&x)
			op := User(x.facts(t))
			quiet := op.Action == engine.Skip || op.Action == engine.Nothing
			if row.action == none && !quiet || row.action != none && op.Action != row.action || op.Then != row.then {
				t.Errorf("got %s by %s, then %q; want %q, then %q", op.Action, op.Rule, op.Then, row.action, row.then)
			}
			if quiet && len(op.Changes) > 0 {
				t.Errorf("nothing is to happen, but there are changes: %s", show(op.Changes))
			}
		})
	}
}

// TestRecreated: what is said when something else keeps deleting an account (U33).
func TestRecreated(t *testing.T) {
	op := User(situation{link: engine.Managed, doubt: true, target: Absent, recreated: []time.Duration{2 * day, day}}.facts(t))
	if op.Code != engine.CodeGone || !strings.Contains(op.Detail, "2 times within 7 days: something else deletes it") {
		t.Errorf("%+v", op)
	}
}
