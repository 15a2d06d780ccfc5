package test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
)

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
