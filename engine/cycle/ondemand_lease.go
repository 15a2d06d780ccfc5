package cycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/scimsync/scimsync/engine"
)

const (
	leaseFor   = time.Minute // of one reservation; a crash blocks an object no longer
	leaseRenew = 20 * time.Second
	leaseWait  = 25 * time.Second // for objects that somebody else has, all together
	leasePoll  = 100 * time.Millisecond
)

// errLeaseLost stops work on objects that somebody else may write by now.
var errLeaseLost = errors.New("the reservation of an object was lost; the process or the database stood still for longer than a minute")

// leases are the objects that a call has reserved and waits for.
type leases struct {
	mu     sync.Mutex
	held   []engine.Ref // to be renewed
	wanted []engine.Ref
}

// hold keeps what will be reserved until release is called, also when ctx is over by then.
func (d *onDemand) hold(ctx context.Context) (held context.Context, release func() error) {
	if d.dry {
		return ctx, func() error { return nil }
	}
	held, lost := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		tick := time.NewTicker(leaseRenew)
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			if err := d.renew(held); err != nil && held.Err() == nil {
				lost(err)
			}
		}
	})
	return held, func() error {
		lost(nil)
		renewing.Wait()
		d.leases.mu.Lock()
		defer d.leases.mu.Unlock()
		for _, ref := range d.leases.wanted {
			d.wishes.unwant(d.job.ID, ref)
		}
		if len(d.leases.wanted) == 0 {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseRenew)
		defer cancel()
		if err := d.Store.Release(ctx, d.job.ID, nil, d.owner); err != nil {
			return fmt.Errorf("release what was reserved: %w", err)
		}
		return nil
	}
}

func (d *onDemand) renew(ctx context.Context) error {
	d.leases.mu.Lock()
	refs := slices.Clone(d.leases.held)
	d.leases.mu.Unlock()
	if len(refs) == 0 {
		return nil
	}
	now := d.Now().UTC()
	busy, err := d.Store.Lease(ctx, d.job.ID, refs, d.owner, now.Add(leaseFor), now)
	if err == nil && len(busy) > 0 {
		err = errLeaseLost
	}
	return err
}

// reserve reserves the objects for this call, one after the other in one order, so that two calls never wait for each
// other. An exporter of this process leaves an object to us that it has not begun; a batch elsewhere has to end.
func (d *onDemand) reserve(ctx context.Context) error {
	if d.dry {
		return nil
	}
	open := d.open("")
	slices.SortFunc(open, func(a, b *task) int { return compareRefs(a.ref(), b.ref()) })
	until := time.Now().Add(leaseWait)
	for _, t := range open {
		d.leases.mu.Lock()
		d.leases.wanted = append(d.leases.wanted, t.ref())
		d.leases.mu.Unlock()
		d.wishes.want(d.job.ID, t.ref())
		waited, ok, err := d.lease(ctx, t.ref(), until)
		switch {
		case err != nil:
			return err
		case !ok:
			d.refuse(t, engine.LockedByOther, fmt.Sprintf("A running cycle works on this object and did not end with it within %s; try again.", leaseWait))
		case waited: // what was read may be old by now
			was := t.ref()
			if err := d.find(ctx, t); err != nil {
				return err
			}
			if !t.done && t.ref() != was {
				d.refuse(t, engine.LockedByOther, "The name went over to another object while a running cycle was waited for; try again, or name the object by its id.")
			}
		}
	}
	return nil
}

// settledNow ends the renewal for an object whose change is settled: to reserve it again would queue it.
func (d *onDemand) settledNow(ref engine.Ref) {
	d.leases.mu.Lock()
	defer d.leases.mu.Unlock()
	d.leases.held = slices.DeleteFunc(d.leases.held, func(r engine.Ref) bool { return r == ref })
}

func compareRefs(a, b engine.Ref) int {
	return slices.Compare([]string{string(a.Kind), a.ID}, []string{string(b.Kind), b.ID})
}

// lease reserves an object, waiting for whoever has it.
func (d *onDemand) lease(ctx context.Context, ref engine.Ref, until time.Time) (waited, ok bool, err error) {
	poll := time.NewTicker(leasePoll)
	defer poll.Stop()
	for {
		now := d.Now().UTC()
		busy, err := d.Store.Lease(ctx, d.job.ID, []engine.Ref{ref}, d.owner, now.Add(leaseFor), now)
		if err != nil {
			return waited, false, fmt.Errorf("reserve an object: %w", err)
		}
		if len(busy) == 0 {
			d.leases.mu.Lock()
			d.leases.held = append(d.leases.held, ref)
			d.leases.mu.Unlock()
			return waited, true, nil
		}
		if !time.Now().Before(until) {
			return waited, false, nil
		}
		waited = true
		select {
		case <-poll.C:
		case <-ctx.Done():
			return waited, false, context.Cause(ctx)
		}
	}
}
