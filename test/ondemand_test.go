package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimsync/scimsync/connectors/msgraph"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
	"github.com/scimsync/scimsync/mapping"
)

// provision provisions users now and returns the answers.
func (w *world) provision(names ...string) []engine.Provisioned {
	w.t.Helper()
	return w.provisionAs(false, users(names...)...)
}

func users(names ...string) []engine.Subject {
	var out []engine.Subject
	for _, n := range names {
		out = append(out, engine.Subject{Kind: engine.User, Name: n})
	}
	return out
}

func (w *world) provisionAs(dry bool, subjects ...engine.Subject) []engine.Provisioned {
	w.t.Helper()
	got, err := w.runner.Provision(context.WithoutCancel(w.t.Context()), "test", "mira@example.test", subjects, dry, true)
	if err != nil {
		w.t.Fatalf("provision %v: %v", subjects, err)
	}
	if len(got) != len(subjects) {
		w.t.Fatalf("%d answers for %d subjects", len(got), len(subjects))
	}
	return got
}

// did fails the test unless an answer is as wanted: status, action and reason or code.
func (w *world) did(got engine.Provisioned, status engine.LogStatus, action engine.Action, why string) {
	w.t.Helper()
	if got.Status != status || got.Entry.Action != action || why != "" && why != string(got.Entry.Reason) && why != string(got.Entry.Code) {
		w.t.Fatalf("%s: got %s, %s, %s %s; want %s, %s, %s%s", got.Subject.Name, got.Status, got.Entry.Action, got.Entry.Reason, got.Entry.Code, status, action, why, steps(got))
	}
}

func steps(p engine.Provisioned) (out string) {
	for _, s := range p.Steps {
		out += fmt.Sprintf("\n%s %s %s: %s %v", s.Type, s.Name, s.Status, s.Description, s.Details)
	}
	return out
}

// detail returns the values of a fact of one step.
func detail(p engine.Provisioned, typ engine.StepType, name string) (out []string) {
	for _, s := range p.Steps {
		for _, d := range s.Details {
			if s.Type == typ && d.Name == name {
				out = append(out, d.Value)
			}
		}
	}
	return out
}

func stepNames(p engine.Provisioned) (out []string) {
	for _, s := range p.Steps {
		out = append(out, string(s.Type)+" "+s.Name+" "+string(s.Status))
	}
	return out
}

// assigned makes people who are assigned directly.
func (w *world) assigned(names ...string) []string {
	var ids []string
	for _, n := range names {
		id := w.addUser(n)
		w.dir.Assign(id, graphtest.ZeroRole)
		ids = append(ids, id)
	}
	return ids
}

// TestOnDemandLife takes one person through everything, before and after the first cycle, by every name. Each answer tells
// what the log has, and no cycle finds anything left to do.
func TestOnDemandLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{})
	ann := w.assigned("ann", "bob")[0]
	w.dir.UpdateUser(ann, map[string]any{"mail": "ann.test@mail.example.test"})

	// Neither a pause nor quarantine keeps a person from provisioning somebody.
	control := func(set func(*engine.Control)) {
		t.Helper()
		if _, err := w.store.UpdateControl(t.Context(), "test", func(c *engine.Control) error { set(c); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	control(func(c *engine.Control) {
		c.Paused = true
		c.Quarantine = &engine.Quarantine{Reason: engine.QuarantineException, SeriesBegan: time.Now(), CurrentBegan: time.Now(), NextAttempt: time.Now().Add(time.Hour)}
	})
	got := w.provision("ANN@example.test")[0]
	w.did(got, engine.StatusSuccess, engine.Create, string(engine.Assigned))
	want := []string{"import EntryImportAdd success", "scoping EntrySynchronizationScoping success", "matching EntryImport success", "processing EntrySynchronizationAdd success", "export EntryExportAdd success"}
	if d := cmp.Diff(want, stepNames(got)); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
	account := w.mustAccount(ann)
	if got.Subject.ID != ann || got.Entry.Target.ID != account.ID {
		t.Errorf("the answer is about %s and %s, not %s and %s", got.Subject.ID, got.Entry.Target.ID, ann, account.ID)
	}
	if d := cmp.Diff([]string{"nothing found"}, detail(got, engine.StepMatching, `userName eq "ann@example.test"`)); d != "" {
		t.Errorf("what was searched: %s%s", d, steps(got))
	}
	if d := detail(got, engine.StepScoping, "Assigned"); !slices.Equal(d, []string{"true"}) {
		t.Errorf("Assigned is %q", d)
	}
	if len(got.Explain) == 0 {
		t.Error("no explanation was given")
	}
	rows, err := w.store.Entries(t.Context(), "test", engine.LogFilter{})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d log rows (%v), want 1", len(rows), err)
	}
	if d := cmp.Diff(rows[0], got.Entry, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(time.Second)); d != "" || rows[0].By != "mira@example.test" || rows[0].ID == 0 {
		t.Errorf("the answer is not the log row, which is by %q (-row +answer):\n%s", rows[0].By, d)
	}
	if n := w.queue(); len(n) != 0 {
		t.Errorf("changes are left in the queue: %v", n)
	}

	w.did(w.provision(ann)[0], engine.StatusSkipped, engine.Nothing, string(engine.RedundantExport))
	control(func(c *engine.Control) { *c = engine.Control{} })
	c := w.sync()
	if n := c.Counts[engine.User.Counter(engine.BucketCreated)]; n != 1 {
		t.Errorf("the first cycle created %d, want bob alone", n)
	}
	w.inStep()

	w.dir.UpdateUser(ann, map[string]any{"surname": "Berg"})
	got = w.provision("ann.test@mail.example.test")[0]
	w.did(got, engine.StatusSuccess, engine.Update, string(engine.AttributesChanged))
	if d := detail(got, engine.StepExport, "name.familyName"); !slices.Equal(d, []string{"Test → Berg"}) {
		t.Errorf("modified: %q%s", d, steps(got))
	}
	if d := detail(got, engine.StepMatching, "name.familyName"); !slices.Equal(d, []string{"Test"}) {
		t.Errorf("of the account that matched is told %q%s", d, steps(got))
	}
	w.quiet()

	// What somebody changed at the application is put right, because the account is read.
	if err := w.app.Put(account.ID, map[string]any{"userName": "ann@example.test", "displayName": "Drifted", "active": true, "externalId": ann}); err != nil {
		t.Fatal(err)
	}
	w.did(w.provision(ann)[0], engine.StatusSuccess, engine.Update, "")
	w.inStep()

	for _, round := range []struct {
		what   string
		do     func()
		action engine.Action
		why    engine.Reason
		active bool
	}{
		{"blocked", func() { w.dir.UpdateUser(ann, map[string]any{"accountEnabled": false}) }, engine.Disable, engine.InactiveInSource, false},
		{"still blocked", func() {}, engine.Nothing, engine.InactiveInSource, false},
		{"allowed again", func() { w.dir.UpdateUser(ann, map[string]any{"accountEnabled": true}) }, engine.Enable, engine.SignInAllowed, true},
		{"unassigned", func() { w.dir.Unassign(ann) }, engine.Disable, engine.NotAssigned, false},
		{"assigned again", func() { w.dir.Assign(ann, graphtest.ZeroRole) }, engine.Enable, engine.BackInScope, true},
		{"recycled", func() { w.dir.SoftDelete(ann) }, engine.Disable, engine.RecycledInSource, false},
		{"restored", func() { w.dir.Restore(ann) }, engine.Enable, engine.RestoredInSource, true},
	} {
		round.do()
		got := w.provision(ann)[0]
		if got.Entry.Action != round.action || got.Entry.Reason != round.why {
			t.Errorf("%s: %s, %s%s", round.what, got.Entry.Action, got.Entry.Reason, steps(got))
		}
		if a := w.mustAccount(ann); a.Active != round.active {
			t.Errorf("%s: the account is active: %t", round.what, a.Active)
		}
		w.quiet()
		w.inStep()
	}

	w.dir.HardDelete(ann)
	w.did(w.provision(ann)[0], engine.StatusSuccess, engine.Delete, string(engine.DeletedInSource))
	if a, there := w.account(ann); there {
		t.Errorf("the account is still there: %+v", a)
	}
	w.did(w.provision(ann)[0], engine.StatusFailure, engine.Fail, string(engine.CodeSubjectMissing))
	w.quiet()
}

// TestOnDemandNames: who cannot be told is an answer and no error, and nothing is done to anybody.
func TestOnDemandNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{})
	ids := w.assigned("ann", "bob", "eve")
	for _, id := range ids[:2] {
		w.dir.UpdateUser(id, map[string]any{"mail": "shared@example.test"})
	}
	outsider := w.addUser("outsider")
	got := w.provision("nobody@example.test", "shared@example.test", outsider, "eve@example.test", strings.ToUpper(ids[2]))
	w.did(got[0], engine.StatusFailure, engine.Fail, string(engine.CodeSubjectMissing))
	w.did(got[1], engine.StatusFailure, engine.Fail, string(engine.CodeSubjectAmbiguous))
	if c := detail(got[1], engine.StepImport, "Candidates"); len(c) != 1 || !strings.Contains(c[0], ids[0]) || !strings.Contains(c[0], ids[1]) {
		t.Errorf("the candidates are %q, want %q", c, ids[:2])
	}
	w.did(got[2], engine.StatusSkipped, engine.Skip, string(engine.NotAssigned))
	if slices.ContainsFunc(got[2].Steps, func(s engine.Step) bool { return s.Type == engine.StepMatching }) {
		t.Error("the target was asked about somebody who is out of scope")
	}
	w.did(got[3], engine.StatusSuccess, engine.Create, "")
	w.did(got[4], engine.StatusSuccess, engine.Create, "")
	if users, _ := w.app.Size(); users != 1 {
		t.Errorf("%d accounts, want eve's alone", users)
	}
	o, err := w.store.Objects(t.Context(), "test", engine.User, []string{outsider})
	if err != nil || o[outsider].Attributes != nil {
		t.Errorf("attributes of somebody out of scope are stored: %v, %v", o[outsider].Attributes, err)
	}
	if _, err := w.runner.Provision(t.Context(), "test", "", nil, false, false); err == nil {
		t.Error("a call without subjects was taken")
	}
	if _, err := w.runner.Provision(t.Context(), "test", "", make([]engine.Subject, cycle.MaxSubjects+1), false, false); err == nil {
		t.Error("a call with too many subjects was taken")
	}
}

// TestOnDemandReferences: the manager and the memberships of a person are written with the person, and a group's members
// with the group: those that were chosen, or all.
func TestOnDemandReferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{mapping: withManager(t)})
	c := w.cast()
	w.sync()

	joiner := w.addUser("joiner")
	w.dir.SetManager(joiner, c.crew[0])
	w.dir.AddMember(c.group, joiner)
	got := w.provision("joiner@example.test")[0]
	w.did(got, engine.StatusSuccess, engine.Create, "")
	account := w.mustAccount(joiner)
	if !slices.Contains(w.mustGroup(c.group).Members, account.ID) {
		t.Errorf("the joiner is not in the group%s", steps(got))
	}
	if m := account.Value(managerPath + ".value"); m != w.mustAccount(c.crew[0]).ID {
		t.Errorf("the manager is %v%s", m, steps(got))
	}
	w.quiet()

	// The manager is not assigned, so the person goes without.
	second := w.addUser("second")
	w.dir.SetManager(second, c.outsider)
	w.dir.AddMember(c.group, second)
	got = w.provision(second)[0]
	w.did(got, engine.StatusWarning, engine.Create, "")
	if d := detail(got, engine.StepReferences, "manager "+c.outsider); len(d) != 1 || !strings.HasPrefix(d[0], string(engine.CodeUnresolved)) {
		t.Errorf("of the manager is said %q%s", d, steps(got))
	}
	w.dir.RemoveMember(c.group, c.crew[5])
	w.did(w.provision(c.crew[5])[0], engine.StatusSuccess, engine.Disable, string(engine.NotAssigned))
	if slices.Contains(w.mustGroup(c.group).Members, w.mustAccount(c.crew[5]).ID) {
		t.Error("who left is still a member")
	}
	w.quiet()

	late := w.addUser("late")
	team := w.dir.AddGroup(graphtest.Group{DisplayName: "Team", Members: []string{c.crew[0], c.crew[1], late, c.outsider}})
	w.dir.Assign(team, graphtest.ZeroRole)
	member := func(id string) bool { return slices.Contains(w.mustGroup(team).Members, w.mustAccount(id).ID) }
	got = w.provisionAs(false, engine.Subject{Kind: engine.Group, Name: "team", Members: []string{"crew0@example.test", late, c.crew[2], "who@example.test"}})[0]
	w.did(got, engine.StatusWarning, engine.Create, "")
	var said []string
	for _, m := range got.Members {
		said = append(said, m.Subject.ID+" "+string(m.Status)+" "+string(m.Entry.Code))
	}
	if d := cmp.Diff([]string{c.crew[0] + " success ", late + " warning " + string(engine.CodeUnresolved), c.crew[2] + " skipped ", " failure " + string(engine.CodeSubjectMissing)}, said); d != "" {
		t.Errorf("of the members is said (-want +got):\n%s%s", d, steps(got))
	}
	if !member(c.crew[0]) || member(c.crew[1]) {
		t.Errorf("members are %v, want only the one chosen", w.mustGroup(team).Members)
	}
	w.dir.RemoveMember(team, c.crew[0])
	got = w.provisionAs(false, engine.Subject{Kind: engine.Group, Name: team})[0]
	w.did(got, engine.StatusWarning, engine.Nothing, string(engine.RedundantExport))
	if member(c.crew[0]) || !member(c.crew[1]) || len(got.Members) != 4 {
		t.Errorf("members are %v; told of %d%s", w.mustGroup(team).Members, len(got.Members), steps(got))
	}
	w.sync() // who is assigned by the new group follows
	w.mustAccount(late)
	w.inStep()
	w.quiet()
}

// TestOnDemandRefused: what the target says is told, is in escrow as in a cycle, and leaves it with the next success.
func TestOnDemandRefused(t *testing.T) {
	t.Parallel()
	m := mapping.Default()
	twins, problems := mapping.Compile(mapping.ObjectSpec{Attributes: []mapping.AttributeSpec{
		{Target: "userName", Source: "[userPrincipalName]"},
		{Target: "active", Source: "Not([IsSoftDeleted])"},
		{Target: "displayName", Source: "[displayName]", Match: 1},
		{Target: "externalId", Source: "[objectId]"},
	}})
	for _, p := range problems {
		t.Fatal(p)
	}
	m.Users = twins
	w := newWorld(t, setting{mapping: &m})
	ids := w.assigned("ann", "bob")
	for _, name := range []string{"one@example.test", "two@example.test"} {
		if _, err := w.app.AddUser(map[string]any{"userName": name, "displayName": "ann Test", "active": true}); err != nil {
			t.Fatal(err)
		}
	}
	got := w.provision(ids[0])[0]
	w.did(got, engine.StatusFailure, engine.Fail, string(engine.CodeDuplicateTarget))
	if c := detail(got, engine.StepMatching, "Candidate"); len(c) != 2 {
		t.Errorf("candidates %q%s", c, steps(got))
	}
	if n := w.queue(); n[engine.ChangeEscrow] != 1 {
		t.Errorf("the queue is %v, want one in escrow", n)
	}

	w.fault(scimtest.Fault{Method: "POST", Path: "/Users", Status: 409, ScimType: "uniqueness", Times: 1})
	got = w.provision(ids[1])[0]
	w.happened()
	w.did(got, engine.StatusFailure, engine.Create, string(engine.CodeConflict))
	if s := detail(got, engine.StepExport, "HttpStatus"); !slices.Equal(s, []string{"409"}) || len(detail(got, engine.StepExport, "userName")) != 1 {
		t.Errorf("the answer lacks what the target said or what was tried%s", steps(got))
	}
	if n := w.queue(); n[engine.ChangeEscrow] != 2 {
		t.Errorf("the queue is %v, want two in escrow", n)
	}
	w.did(w.provision(ids[1])[0], engine.StatusSuccess, engine.Create, "")
	if n := w.queue(); n[engine.ChangeEscrow] != 1 {
		t.Errorf("the queue is %v: the success did not clear the escrow", n)
	}

	// Two people match one account: it goes to one of them.
	if _, err := w.app.AddUser(map[string]any{"userName": "shared@example.test", "displayName": "Twin", "active": true}); err != nil {
		t.Fatal(err)
	}
	var twinIDs []string
	for _, name := range []string{"twin1", "twin2"} {
		id := w.dir.AddUser(graphtest.User{UserPrincipalName: name + "@example.test", DisplayName: "Twin"})
		w.dir.Assign(id, graphtest.ZeroRole)
		twinIDs = append(twinIDs, id)
	}
	for _, dry := range []bool{true, false} {
		both := w.provisionAs(dry, users(twinIDs...)...)
		slices.SortFunc(both, func(a, b engine.Provisioned) int { return strings.Compare(string(b.Status), string(a.Status)) })
		w.did(both[0], engine.StatusSuccess, engine.Update, string(engine.Matched))
		if both[1].Status != engine.StatusFailure || both[1].Entry.Code != engine.CodeDuplicateSource {
			t.Errorf("the second twin: %s, %s%s", both[1].Status, both[1].Entry.Code, steps(both[1]))
		}
	}
	if n, _ := w.app.Size(); n != 4 {
		t.Errorf("%d accounts, want 4: one was made, three were there", n)
	}

	w.fault(scimtest.Fault{Status: 401})
	answers, err := w.runner.Provision(t.Context(), "test", "", users(ids[1]), false, false)
	if stop, ok := errors.AsType[*cycle.StopError](err); !ok || stop.Code != engine.CodeCredentials || len(answers) != 0 {
		t.Errorf("credentials that are refused: %v, %d answers", err, len(answers))
	}
}

// TestOnDemandGuard: several leavers at once count, one is done, and what a cycle held may be done one by one.
func TestOnDemandGuard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{options: engine.Options{Deletions: engine.DeletionGuard{Threshold: 1}}})
	ids := w.assigned("ann", "bob", "eve", "joe")
	w.sync()
	for _, id := range ids[:3] {
		w.dir.UpdateUser(id, map[string]any{"accountEnabled": false})
	}
	w.dir.UpdateUser(ids[3], map[string]any{"surname": "Berg"})
	got := w.provision(ids...)
	for i := range 3 {
		w.did(got[i], engine.StatusSkipped, engine.Skip, string(engine.AwaitingApproval))
		if !w.mustAccount(ids[i]).Active {
			t.Errorf("%s was disabled", got[i].Subject.Name)
		}
	}
	w.did(got[3], engine.StatusSuccess, engine.Update, "")
	if c := w.cycle(); c.State != engine.CycleHeld {
		t.Fatalf("the cycle ended %s, want held", c.State)
	}
	asked, err := json.Marshal(cycle.Asked{By: "an operator", Subjects: users(ids[0])})
	if err == nil {
		err = w.store.PutRequest(t.Context(), "test", "r1", asked)
	}
	if err != nil {
		t.Fatal(err)
	}
	refused, err := w.runner.ProvisionRequest(t.Context(), "test", "r1")
	if err != nil {
		t.Fatal(err)
	}
	w.did(refused[0], engine.StatusSkipped, engine.Skip, string(engine.AwaitingApproval))
	if !w.mustAccount(ids[0]).Active {
		t.Error("one who may not approve disabled what was held")
	}
	one := w.provision(ids[0])[0]
	w.did(one, engine.StatusSuccess, engine.Disable, "")
	if a := detail(one, engine.StepProcessing, "Approval"); len(a) != 1 {
		t.Errorf("the answer does not say that the wish was an approval%s", steps(one))
	}
	if w.mustAccount(ids[0]).Active || !w.mustAccount(ids[1]).Active {
		t.Error("the wrong account was disabled")
	}
}

// TestOnDemandNested: where nested groups are expanded, who is below an assigned group is assigned by it, and a member of
// it at the application.
func TestOnDemandNested(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{false, true} {
		w := newWorld(t, setting{options: engine.Options{Nested: engine.NestedExpand}, source: func(c *msgraph.Config) { c.Nested = true }})
		ann, bob := w.addUser("ann"), w.addUser("bob")
		inner := w.dir.AddGroup(graphtest.Group{DisplayName: "Inner", Members: []string{ann}})
		outer := w.dir.AddGroup(graphtest.Group{DisplayName: "Outer", Members: []string{inner}})
		w.dir.Assign(outer, graphtest.ZeroRole)
		if first {
			w.sync()
			w.dir.AddMember(inner, bob)
		}
		who := map[bool]string{false: ann, true: bob}[first]
		got := w.provision(who)[0]
		w.did(got, engine.StatusSuccess, engine.Create, "")
		if d := detail(got, engine.StepScoping, "AssignmentPath"); len(d) != 1 || !strings.Contains(d[0], "Outer") {
			t.Errorf("the paths are %q", d)
		}
		w.provisionAs(false, engine.Subject{Kind: engine.Group, Name: "Outer"})
		if m := w.mustGroup(outer).Members; !slices.Contains(m, w.mustAccount(who).ID) {
			t.Errorf("after a cycle %t: the members of the outer group are %v", first, m)
		}
		if !first {
			w.sync()
		}
		w.quiet()
		w.dir.RemoveMember(inner, who)
		w.did(w.provision(who)[0], engine.StatusSuccess, engine.Disable, string(engine.NotAssigned))
		w.quiet()
	}
}
