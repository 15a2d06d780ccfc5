package test

import (
	"context"
	"testing"

	"github.com/scimsync/scimsync/engine"
)

// lagging is a source whose single reads come from a replica that is behind its feeds.
type lagging struct {
	engine.Source
	state engine.LifeState         // that it tells of everybody
	live  map[string]engine.Object // what it shows of who is live
	err   error
	asked int
}

func (l *lagging) Lookup(ctx context.Context, k engine.Kind, ids []string) ([]engine.Object, error) {
	l.asked++
	if l.err != nil {
		return nil, l.err
	}
	found, err := l.Source.Lookup(ctx, k, ids)
	for i, o := range found {
		switch l.state {
		case engine.Active:
			found[i] = l.live[o.ID]
		case engine.HardDeleted:
			found[i] = engine.Object{Ref: o.Ref, State: engine.HardDeleted}
		default:
			found[i].State = l.state
		}
	}
	return found, err
}

// TestLaggingReplica deletes somebody and restores them again while single reads tell something else
// than the feed: who left loses access in the same cycle and keeps the account, and comes back.
func TestLaggingReplica(t *testing.T) {
	refused := &engine.SourceError{Code: engine.CodeSourceQuery, Status: 404, Message: "no such path"}
	for name, l := range map[string]lagging{
		"still shown as live": {state: engine.Active},
		"not yet in the bin":  {state: engine.HardDeleted},
		"bin refused":         {err: refused},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setting{})
			c := w.cast()
			w.sync()
			before, sound := w.mustAccount(c.crew[0]), w.job.Source

			o, err := sound.Lookup(t.Context(), engine.User, []string{c.crew[0]})
			if err != nil {
				t.Fatal(err)
			}
			l.Source, l.live = sound, map[string]engine.Object{c.crew[0]: o[0]}
			w.job.Source = &l
			w.dir.SoftDelete(c.crew[0])
			w.sync()
			if l.asked == 0 {
				t.Fatal("nobody asked the replica; this proves nothing")
			}
			if now := w.mustAccount(c.crew[0]); now.Active || now.ID != before.ID {
				t.Fatalf("the account of who was deleted is %+v", now)
			}

			l.state, l.err = engine.SoftDeleted, nil
			w.dir.Restore(c.crew[0])
			w.sync()
			now := w.mustAccount(c.crew[0])
			if !now.Active || now.ID != before.ID || now.UserName != before.UserName {
				t.Errorf("the account of who came back is %+v, it was %+v", now, before)
			}
			w.job.Source = sound
			w.quiet()
		})
	}
}
