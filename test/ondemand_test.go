package test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
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

// known is all that the store tells of the job and the application holds.
type known struct {
	Queue   map[engine.ChangeState]int
	Rows    []engine.LogEntry
	Links   []engine.Link
	Objects map[string]engine.Stored
	Paths   map[string][]engine.AssignmentPath
	Cycles  []engine.Cycle
	Feeds   []engine.FeedState
	State   engine.JobState
	Holders []engine.Holder
	Users   []scimtest.Resource
	Groups  []scimtest.Resource
}

func (w *world) known(users, groups []string) known {
	w.t.Helper()
	ctx := w.t.Context()
	k := known{Queue: w.queue(), Objects: map[string]engine.Stored{}, Paths: map[string][]engine.AssignmentPath{}, Users: w.app.Users(), Groups: w.app.Groups()}
	var errs []error
	keep := func(err error) { errs = append(errs, err) }
	var err error
	k.Rows, err = w.store.Entries(ctx, "test", engine.LogFilter{})
	keep(err)
	for kind, ids := range map[engine.Kind][]string{engine.User: users, engine.Group: groups} {
		links, err := w.store.Links(ctx, "test", kind, "", 1000)
		keep(err)
		k.Links = append(k.Links, links...)
		objects, err := w.store.Objects(ctx, "test", kind, ids)
		keep(err)
		paths, err := w.store.AssignmentPaths(ctx, "test", kind, ids)
		keep(err)
		for id, o := range objects {
			k.Objects[id], k.Paths[id] = o, paths[id]
		}
	}
	slices.SortFunc(k.Links, func(a, b engine.Link) int { return strings.Compare(a.ID, b.ID) })
	k.Cycles, err = w.store.LastCycles(ctx, "test", 100)
	keep(err)
	for _, f := range []engine.Feed{engine.FeedAssignments, engine.FeedGroups, engine.FeedUsers} {
		st, err := w.store.FeedState(ctx, "test", f)
		keep(err)
		k.Feeds = append(k.Feeds, st)
	}
	k.State, err = w.store.JobState(ctx, "test")
	keep(err)
	for _, rel := range []engine.Relation{engine.Member, engine.Manager} {
		h, err := w.store.Holders(ctx, "test", rel, "", 1000)
		keep(err)
		k.Holders = append(k.Holders, h...)
	}
	if err := errors.Join(errs...); err != nil {
		w.t.Fatal(err)
	}
	return k
}

// dryly is an answer without what must differ between a dry run and a real one.
func dryly(ps []engine.Provisioned) []engine.Provisioned {
	out := slices.Clone(ps)
	for i := range out {
		p := &out[i]
		p.DryRun, p.StartedAt, p.EndedAt, p.Entry.ID, p.Entry.At, p.Entry.Duration, p.Entry.Cycle, p.Entry.Detail = false, time.Time{}, time.Time{}, 0, time.Time{}, 0, "", ""
		if cycle.Planned(p.Entry.Target.ID) || p.Entry.Action == engine.Create {
			p.Entry.Target.ID = ""
		}
		p.Steps = slices.Clone(p.Steps)
		for j := range p.Steps {
			s := &p.Steps[j]
			s.At, s.Description = time.Time{}, ""
			s.Details = slices.DeleteFunc(slices.Clone(s.Details), func(d engine.Detail) bool {
				return s.Type == engine.StepExport && d.Name == "TargetId"
			})
			for k := range s.Details {
				s.Details[k].Value = strings.ReplaceAll(s.Details[k].Value, "would be ", "")
			}
		}
		p.Members = dryly(p.Members)
		for j := range p.Members {
			p.Members[j].Entry.Target.ID = ""
		}
	}
	return out
}

// TestOnDemandDry: a dry run changes nothing here or there, and says what the run after it does: creates, updates,
// leavers, memberships that come and go, managers, a group that is new.
func TestOnDemandDry(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{false, true} {
		t.Run(fmt.Sprintf("after a cycle %t", first), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setting{mapping: withManager(t)})
			c := w.cast()
			other := w.dir.AddGroup(graphtest.Group{DisplayName: "Second", Members: []string{c.crew[0], c.crew[1]}})
			w.dir.Assign(other, graphtest.ZeroRole)
			if first {
				w.sync()
			}
			w.dir.UpdateUser(c.crew[0], map[string]any{"surname": "Berg"})
			w.dir.RemoveMember(other, c.crew[0])
			w.dir.AddMember(other, c.crew[2])
			w.dir.UpdateUser(c.crew[3], map[string]any{"accountEnabled": false})
			w.dir.Unassign(c.solo)
			w.dir.SetManager(c.crew[4], c.crew[5])
			joiner := w.addUser("joiner")
			w.dir.AddMember(c.group, joiner)
			fresh := w.dir.AddGroup(graphtest.Group{DisplayName: "Fresh", Members: []string{joiner, c.outsider, c.crew[1]}})
			w.dir.Assign(fresh, graphtest.ZeroRole)
			people, groups := append(slices.Clone(c.crew), c.solo, c.boss, c.outsider, joiner), []string{c.group, c.other, other, fresh}
			subjects := append(users(c.crew...), users(c.solo, joiner, c.boss)...)
			subjects = append(subjects, engine.Subject{Kind: engine.Group, Name: fresh}, engine.Subject{Kind: engine.Group, Name: "Second", Members: []string{c.crew[0], "crew2@example.test"}})

			before := w.known(people, groups)
			w.app.ResetCounts()
			planned := w.provisionAs(true, subjects...)
			if d := cmp.Diff(before, w.known(people, groups), cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("a dry run left traces (-before +after):\n%s", d)
			}
			if n := w.app.Requests(); n.Writes != 0 {
				t.Fatalf("a dry run wrote to the application: %v", n.By)
			}
			for i, p := range planned {
				if !p.DryRun {
					t.Errorf("subject %d does not say that it was a dry run", i)
				}
			}
			done := w.provisionAs(false, subjects...)
			if d := cmp.Diff(dryly(planned), dryly(done), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("a dry run and the run after it differ (-dry +real):\n%s", d)
			}
			w.sync()
			w.inStep()
		})
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
	one := w.provision(ids[0])[0]
	w.did(one, engine.StatusSuccess, engine.Disable, "")
	if a := detail(one, engine.StepProcessing, "Approval"); len(a) != 1 {
		t.Errorf("the answer does not say that the wish was an approval%s", steps(one))
	}
	if w.mustAccount(ids[0]).Active || !w.mustAccount(ids[1]).Active {
		t.Error("the wrong account was disabled")
	}
}

// TestOnDemandBeside provisions a person while a cycle exports: one that it has not come to, and the very one that it is
// writing. Nobody is written twice, and nobody waits long.
func TestOnDemandBeside(t *testing.T) {
	t.Parallel()
	const people = 40
	for _, at := range []string{"not begun", "being written"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setting{})
			var names []string
			for i := range people {
				names = append(names, fmt.Sprintf("p%02d", i))
			}
			ids := w.assigned(names...)
			slices.Sort(ids)
			w.stranger("stranger@example.test") // so that everybody is searched for
			w.runner.Concurrency = 1
			who := ids[people-1] // in the order of the export the last one
			if at == "being written" {
				who = ids[0]
			}
			var got engine.Provisioned
			var took time.Duration
			var asked, done sync.WaitGroup
			asked.Add(1)
			told := sync.OnceFunc(asked.Done)
			posts := 0
			begin := sync.OnceFunc(func() {
				began := time.Now()
				done.Go(func() {
					answers, err := w.runner.Provision(context.WithoutCancel(t.Context()), "test", "", users(who), false, false)
					if err != nil || len(answers) != 1 {
						t.Errorf("%d answers: %v", len(answers), err)
						return
					}
					got, took = answers[0], time.Since(began)
				})
				asked.Wait()
				time.Sleep(300 * time.Millisecond) // it stands in line now
			})
			ask := func(r *http.Request) {
				if strings.Contains(r.URL.Path+r.URL.RawQuery, who) {
					told()
				}
			}
			call := func(int64) {
				if posts++; posts == 3 { // is it empty, is there the first one, and the create
					w.onAsk.Store(&ask)
					begin()
				}
			}
			w.onCall.Store(&call)
			w.cycle()
			done.Wait()
			if took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			want := engine.Create
			if at == "being written" {
				want = engine.Nothing
			}
			if got.Entry.Action != want {
				t.Errorf("got %s, want %s%s", got.Entry.Action, want, steps(got))
			}
			if n := w.app.Requests().By["POST /Users"]; n != people {
				t.Errorf("%d creates for %d people", n, people)
			}
			w.sync()
			w.settled()
			w.inStep()
		})
	}
}

// TestOnDemandLost: whoever asked goes away while the answer to the create is on its way. Nobody is made twice, and the
// object is free again at once.
func TestOnDemandLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{})
	ann := w.assigned("ann")[0]
	w.fault(scimtest.Fault{Method: "POST", Delay: time.Second, Times: 1})
	ctx, cancel := context.WithCancel(t.Context())
	call := func(int64) {
		if users, _ := w.app.Size(); users == 0 {
			time.AfterFunc(300*time.Millisecond, cancel)
		}
	}
	w.onCall.Store(&call)
	if answers, err := w.runner.Provision(ctx, "test", "", users(ann), false, false); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, %v", answers, err)
	}
	w.happened()
	w.onCall.Store(nil)
	began := time.Now()
	got := w.provision(ann)[0]
	if got.Entry.Action != engine.Nothing {
		t.Errorf("the account was not found again%s", steps(got))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the object was still reserved: it took %s", took)
	}
	if users, _ := w.app.Size(); users != 1 {
		t.Errorf("%d accounts", users)
	}
	w.sync()
	w.inStep()
}

// TestOnDemandLocked: an object that somebody else works on is waited for, but not for ever, and is free when the call ends.
func TestOnDemandLocked(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		ann := w.assigned("ann", "bob")[0]
		other := []engine.Ref{{Kind: engine.User, ID: ann}}
		if _, err := w.store.Lease(t.Context(), "test", other, "cycle:elsewhere", time.Now().Add(time.Hour), time.Now()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		got := w.provision(ann, "bob@example.test")
		w.did(got[0], engine.StatusSkipped, engine.Skip, string(engine.LockedByOther))
		w.did(got[1], engine.StatusSuccess, engine.Create, "")
		if took := time.Since(began); took < 20*time.Second || took > 30*time.Second {
			t.Errorf("it took %s", took)
		}
		time.AfterFunc(3*time.Second, func() {
			if err := w.store.Release(context.WithoutCancel(t.Context()), "test", other, "cycle:elsewhere"); err != nil {
				t.Error(err)
			}
		})
		began = time.Now()
		w.did(w.provision(ann)[0], engine.StatusSuccess, engine.Create, "")
		if took := time.Since(began); took < 3*time.Second || took > 5*time.Second {
			t.Errorf("after a release by the other it took %s", took)
		}
		w.sync()
		w.inStep()
	})
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
