package cycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// remedy is what is done about a difference.
type remedy int

const (
	remedyNone remedy = iota
	// remedyVerify: the next cycle reads the account before it decides.
	remedyVerify
	// remedyLeave: the next cycle takes the account away. It does not look at it for that, so it has to know what the account holds.
	remedyLeave
	// remedyUnlink: the link goes.
	remedyUnlink
	// remedyQueue: the next cycle evaluates the object, and that is enough.
	remedyQueue
)

// fix is the repair of one object.
type fix struct {
	ref    engine.Ref
	target string // what the link has to lead to still
	remedy remedy
	res    engine.Resource // for remedyLeave
}

// fix repairs objects, if that is wanted. busy are the ids of those that somebody else is working on.
func (a *accounts) fix(ctx context.Context, fixes []fix) (busy map[string]bool, err error) {
	busy = map[string]bool{}
	for _, f := range fixes {
		a.repairable[f.ref] = true
	}
	if !a.repair {
		return busy, nil
	}
	for chunk := range slices.Chunk(fixes, flushSize) {
		if err := a.fixSome(ctx, chunk, busy); err != nil {
			return nil, err
		}
	}
	return busy, nil
}

// fixSome repairs some objects under a reservation, so that no exporter stores a link that it read before.
func (a *accounts) fixSome(ctx context.Context, fixes []fix, busy map[string]bool) (err error) {
	refs := make([]engine.Ref, len(fixes))
	for i, f := range fixes {
		refs[i] = f.ref
	}
	for {
		now := a.Now().UTC()
		taken, err := a.Store.Lease(ctx, a.job.ID, refs, a.owner, now.Add(leaseFor), now)
		if err != nil {
			return fmt.Errorf("reserve what is to be repaired: %w", err)
		}
		if len(taken) == 0 {
			break
		}
		for _, r := range taken {
			busy[r.ID] = true
		}
		refs = slices.DeleteFunc(refs, func(r engine.Ref) bool { return busy[r.ID] })
	}
	if len(refs) == 0 {
		return nil
	}
	defer func() {
		err = errors.Join(err, a.Store.Release(context.WithoutCancel(ctx), a.job.ID, refs, a.owner))
	}()
	ids := make([]string, len(refs))
	for i, r := range refs {
		ids[i] = r.ID
	}
	links, err := a.Store.LinksOf(ctx, a.job.ID, a.kind, ids)
	if err != nil {
		return err
	}
	var results []engine.Settled
	for _, f := range fixes {
		l, linked := links[f.ref.ID]
		if busy[f.ref.ID] || f.remedy != remedyQueue && (!linked || l.TargetID != f.target) {
			continue
		}
		a.repaired[f.ref] = true
		switch f.remedy {
		case remedyUnlink:
			results = append(results, engine.Settled{Ref: f.ref, Unlink: true})
		case remedyLeave:
			l.Exported = held(l.Exported, a.mapping(a.kind), f.res)
			fallthrough
		case remedyVerify:
			l.Verify = true
			results = append(results, engine.Settled{Ref: f.ref, Link: &l})
		}
	}
	if err := a.Store.Settle(ctx, a.job.ID, "", results); err != nil {
		return fmt.Errorf("store what is to be repaired: %w", err)
	}
	return a.Store.Enqueue(ctx, a.job.ID, refs)
}

// held is what an account holds at the mapped paths: what it shows, and of what it never shows what was exported.
func held(exported map[string]any, m *mapping.Object, res engine.Resource) map[string]any {
	out := make(map[string]any, len(exported))
	maps.Copy(out, exported)
	for i := range m.Attributes {
		a := &m.Attributes[i]
		if a.Reference() || a.Definition.Mutability == mapping.WriteOnly {
			continue
		}
		if v := res.Read(a.Target); v != nil {
			out[a.Target.Key()] = v
		} else {
			delete(out, a.Target.Key())
		}
	}
	return out
}

// underway are those of the source objects that somebody is working on: what the target has of them was not recorded yet.
func (a *accounts) underway(ctx context.Context, ids []string) (map[string]bool, error) {
	out := map[string]bool{}
	if len(ids) == 0 {
		return out, nil
	}
	waiting, err := a.Store.QueueSize(ctx, a.job.ID)
	if err != nil || len(waiting) == 0 {
		return out, err
	}
	for _, id := range ids {
		q, queued, err := a.changeOf(ctx, a.job.ID, engine.Ref{Kind: a.kind, ID: id})
		if err != nil {
			return nil, err
		}
		if queued && q.Owner != "" && a.Now().Before(q.Until) {
			out[id] = true
		}
	}
	return out, nil
}
