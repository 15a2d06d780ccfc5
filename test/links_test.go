package test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
)

func personRef(id string) engine.Ref { return engine.Ref{Kind: engine.User, ID: id} }

// linkOf is the link of somebody, with state none if there is none.
func (w *world) linkOf(id string) engine.Link {
	w.t.Helper()
	l, err := w.store.Link(w.t.Context(), "test", personRef(id))
	if errors.Is(err, engine.ErrNoLink) {
		return engine.Link{State: engine.LinkNone}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *world) addLink(id, target string) (engine.Link, error) {
	return w.runner.AddLink(w.t.Context(), "test", personRef(id), target)
}

func (w *world) removeLink(id string) error {
	return w.runner.RemoveLink(w.t.Context(), "test", personRef(id))
}

// TestLinkByHand links somebody to an account of another name: it is taken over by the next cycle, and nobody gets a second one.
func TestLinkByHand(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		c := w.cast()
		before := w.stranger("maiden.name@example.test")
		w.app.ResetCounts()
		l, err := w.addLink(c.solo, before.ID)
		if err != nil {
			t.Fatal(err)
		}
		if n := w.app.Requests(); n.Writes != 0 {
			t.Errorf("to link wrote to the application: %v", n.By)
		}
		// The job never ran: nobody knows yet that solo is assigned.
		if l.TargetID != before.ID || l.State != engine.Released || l.MatchedBy != cycle.ManualMatch || !l.Verify || l.Name != "solo@example.test" {
			t.Errorf("the link is %+v", l)
		}
		if w.queue()[engine.ChangeQueued] != 1 {
			t.Errorf("queued: %v", w.queue())
		}
		w.sync()
		w.settled()
		w.inStep()
		if now := w.mustAccount(c.solo); now.ID != before.ID || now.UserName != "solo@example.test" || !now.Active {
			t.Errorf("the account is %+v", now)
		}
		if l := w.linkOf(c.solo); l.State != engine.Managed || l.Verify || l.MatchedBy != cycle.ManualMatch {
			t.Errorf("after the cycle the link is %+v", l)
		}
		w.quiet()

		// Once the scope is known the link is managed at once.
		if err := w.removeLink(c.crew[1]); err != nil {
			t.Fatal(err)
		}
		other := w.stranger("other.name@example.test")
		l, err = w.addLink(" "+c.crew[1]+" ", other.ID)
		if err != nil || l.State != engine.Managed {
			t.Fatalf("%+v %v", l, err)
		}
		again, err := w.addLink(c.crew[1], other.ID)
		if diff := cmp.Diff(w.linkOf(c.crew[1]), again); diff != "" || err != nil {
			t.Errorf("to link a linked pair: %v\n%s", err, diff)
		}
	})
}

// TestLinkOutOfScope links somebody who is not assigned: the account is left alone until they are.
func TestLinkOutOfScope(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		c := w.cast()
		w.sync()
		before := w.stranger("outsider.mail@example.test")
		if _, err := w.addLink(c.outsider, before.ID); err != nil {
			t.Fatal(err)
		}
		w.sync()
		w.settled()
		now, _ := w.app.ByID(before.ID)
		if diff := cmp.Diff(before, now); diff != "" {
			t.Errorf("the account was touched:\n%s", diff)
		}
		w.dir.Assign(c.outsider, graphtest.ZeroRole)
		w.sync()
		w.settled()
		w.inStep()
		if now := w.mustAccount(c.outsider); now.ID != before.ID {
			t.Error("the account that was linked is not the one that is used")
		}
		w.quiet()
	})
}

// TestLinkRefused names what speaks against a link, each an error of its own, and changes nothing.
func TestLinkRefused(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		c := w.cast()
		w.sync()
		free := w.stranger("free@example.test")
		taken := w.mustAccount(c.crew[0])
		purged := w.addUser("purged")
		w.dir.HardDelete(purged)
		for _, row := range []struct {
			name           string
			source, target string
			want           func(error) bool
		}{
			{"the source object is linked", c.crew[1], free.ID, says("the source object " + c.crew[1] + " is linked to the target object " + w.mustAccount(c.crew[1]).ID + "; remove that link first")},
			{"the target object is linked", c.outsider, taken.ID, says("the target object " + taken.ID + " is linked to the source object " + w.linkOf(c.crew[0]).Name + " (" + c.crew[0] + "); remove that link first")},
			{"nobody has the source id", "7a1cbd2c-0000-4000-8000-000000000000", free.ID, is(engine.ErrNotFound)},
			{"deleted for good", purged, free.ID, is(engine.ErrNotFound)},
			{"nobody has the target id", c.outsider, "no-such-id", func(err error) bool {
				te, ok := errors.AsType[*engine.TargetError](err)
				return ok && te.Outcome == engine.OutcomeRematch
			}},
			{"no target id", c.outsider, " ", func(err error) bool { return err != nil }},
			{"no source id", "", free.ID, func(err error) bool { return err != nil }},
		} {
			before := w.linkOf(row.source)
			if l, err := w.addLink(row.source, row.target); !row.want(err) || l.TargetID != "" {
				t.Errorf("%s: %+v, error %v", row.name, l, err)
			}
			if diff := cmp.Diff(before, w.linkOf(row.source)); diff != "" {
				t.Errorf("%s: the link changed:\n%s", row.name, diff)
			}
		}
		w.settled()
		w.quiet()
	})
}

// says wants an error about a link that is taken, of exactly these words.
func says(want string) func(error) bool {
	return func(err error) bool { return errors.Is(err, engine.ErrLinkTaken) && err.Error() == want }
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

// TestUnlink removes a link: neither side is touched, and on demand the pair is matched anew (acceptance test 35 of
// provisioning.md).
func TestUnlink(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		c := w.cast()
		w.sync()
		before := w.mustAccount(c.crew[0])
		w.app.ResetCounts()
		for range 2 { // it is idempotent
			if err := w.removeLink(c.crew[0]); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.app.Requests(); n.Total != 0 {
			t.Errorf("to unlink sent %v", n.By)
		}
		if l := w.linkOf(c.crew[0]); l.State != engine.LinkNone {
			t.Errorf("the link is %+v", l)
		}
		if now := w.mustAccount(c.crew[0]); !cmp.Equal(before, now) {
			t.Errorf("the account was touched:\n%s", cmp.Diff(before, now))
		}
		answers, err := w.runner.Provision(context.WithoutCancel(t.Context()), "test", "", []engine.Subject{{Kind: engine.User, Name: c.crew[0]}}, false, false)
		if err != nil || len(answers) != 1 || answers[0].Status == engine.StatusFailure {
			t.Fatalf("%+v %v", answers, err)
		}
		if l := w.linkOf(c.crew[0]); l.TargetID != before.ID || l.MatchedBy != "userName" {
			t.Errorf("on demand the link is %+v", l)
		}
		w.sync()
		w.inStep()
		w.quiet()
	})
}

// TestUnlinkedLeaver: whose link was removed is not cut loose; the next cycle finds the account again, and the one after
// that disables it.
func TestUnlinkedLeaver(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		c := w.cast()
		w.sync()
		if err := w.removeLink(c.solo); err != nil {
			t.Fatal(err)
		}
		w.sync()
		if l := w.linkOf(c.solo); l.State != engine.Managed || l.MatchedBy != "userName" {
			t.Fatalf("the link is %+v", l)
		}
		w.dir.Unassign(c.solo)
		w.sync()
		if w.mustAccount(c.solo).Active {
			t.Error("a leaver whose link was removed once keeps access")
		}
	})
}

// TestLinkWhileExporting: while a cycle works on an object its link is neither removed nor made.
func TestLinkWhileExporting(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		c := w.cast()
		w.sync()
		w.dir.UpdateUser(c.crew[0], map[string]any{"displayName": "Changed"})
		fresh := w.addUser("fresh")
		w.dir.Assign(fresh, graphtest.ZeroRole)
		free := w.stranger("free@example.test")
		var add, remove error
		calls := 0
		f := func(int64) {
			switch calls++; calls {
			case 1: // the change of crew[0]
				remove = w.removeLink(c.crew[0])
			case 2: // the search for an account of fresh
				w.onCall.Store(nil)
				_, add = w.addLink(fresh, free.ID)
			}
		}
		w.onCall.Store(&f)
		w.sync()
		if !errors.Is(remove, cycle.ErrBusy) || !errors.Is(add, cycle.ErrBusy) {
			t.Errorf("remove: %v; add: %v", remove, add)
		}
		w.settled()
		w.inStep()
		if err := w.removeLink(c.crew[0]); err != nil {
			t.Errorf("after the cycle: %v", err)
		}
		w.sync() // which matches it anew
		w.quiet()
	})
}

// TestUnlinkQueued removes the link of somebody whose change waits: it is evaluated anew, and the account that was to be disabled
// is not.
func TestUnlinkQueued(t *testing.T) {
	virtually(t, func(t *testing.T) {
		w := newWorld(t, setting{virtual: true})
		c := w.cast()
		w.sync()
		w.fault(scimtest.Fault{Method: "PATCH", Every: 1, Status: 400})
		w.dir.Unassign(c.solo)
		w.cycle()
		w.happened()
		if w.queue()[engine.ChangeEscrow] != 1 {
			t.Fatalf("the queue is %v", w.queue())
		}
		w.app.ClearFaults()
		if err := w.removeLink(c.solo); err != nil {
			t.Fatal(err)
		}
		if n := w.queue(); n[engine.ChangeEscrow]+n[engine.ChangeQueued] != 1 {
			t.Errorf("the queue is %v", n)
		}
		if _, err := w.store.Retry(t.Context(), "test", nil, w.runner.Now()); err != nil {
			t.Fatal(err)
		}
		w.sync()
		w.settled()
		if !w.mustAccount(c.solo).Active {
			t.Error("an account that the job does not know any more was disabled")
		}
	})
}
