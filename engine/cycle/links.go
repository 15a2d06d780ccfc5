package cycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/scimsync/scimsync/engine"
)

// ManualMatch is how a link was made that somebody made by hand, in [engine.Link.MatchedBy].
const ManualMatch = "manual"

// ErrBusy says that a cycle or somebody else is working on an object this moment.
var ErrBusy = errors.New("a cycle or a provisioning on demand is working on this object; try again when it has ended")

// AddLink links a source object to a target object by hand (provisioning.md section 29). Both have to exist, and neither may
// be linked: then the error wraps [engine.ErrLinkTaken]. To link a pair that is linked changes nothing. A source
// object that the source does not have is an error that wraps [engine.ErrNotFound], a target object that is not there a
// [*engine.TargetError] with [engine.OutcomeRematch], and [ErrBusy] means that the object is reserved.
//
// Neither side is written. The next cycle reads the account and brings it up to date. A link to somebody who is not in scope is
// [engine.Released]: the account is left alone until its owner comes into scope.
func (r *Runner) AddLink(ctx context.Context, id engine.JobID, ref engine.Ref, targetID string) (link engine.Link, err error) {
	job, err := r.jobOf(id)
	if err != nil {
		return link, err
	}
	ref.ID, targetID = strings.ToLower(strings.TrimSpace(ref.ID)), strings.TrimSpace(targetID)
	if ref.ID == "" || targetID == "" || !slices.Contains(kinds(job), ref.Kind) {
		return link, fmt.Errorf("job %s: link a %s by hand: name a kind that the job provisions, the id of the source object and the id of the target object", id, ref.Kind)
	}
	if l, err := r.unlinkedYet(ctx, id, ref, targetID); err != nil || l != nil {
		return deref(l), err
	}
	q, err := r.sourceOf(ctx, job, ref)
	if err != nil {
		return link, err
	}
	if _, err := job.Target.Get(ctx, ref.Kind, targetID); err != nil {
		return link, fmt.Errorf("read the target object %s: %w", targetID, err)
	}
	release, err := r.reserveOne(ctx, id, ref)
	if err != nil {
		return link, err
	}
	defer func() { err = errors.Join(err, release()) }()
	// A change of this process may be linking the account this moment.
	if holder, claimed := r.claims.take(id, ref, targetID); claimed {
		return link, taken("the target object %s is being linked to %s", targetID, holder)
	}
	defer r.claims.release(id, []engine.Settled{{Ref: ref}})
	if l, err := r.unlinkedYet(ctx, id, ref, targetID); err != nil || l != nil {
		return deref(l), err
	}
	state, err := r.Store.JobState(ctx, id)
	if err != nil {
		return link, err
	}
	now := r.Now().UTC()
	link = engine.Link{Ref: ref, TargetID: targetID, State: engine.Managed, MatchedBy: ManualMatch, Name: name(q), Verify: true, CreatedAt: now, UpdatedAt: now}
	if f := r.evaluator(job, state).facts(q, anyValue); f.State == engine.Active && !f.Factors.InScope() {
		link.State = engine.Released
	}
	if err := r.Store.PutLink(ctx, id, link, true); err != nil {
		return engine.Link{}, fmt.Errorf("link %s to %s: %w", ref.ID, targetID, err)
	}
	return link, nil
}

// takenError says which end of a link is taken: [engine.ErrLinkTaken] in words of its own.
type takenError struct{ text string }

func taken(format string, args ...any) error { return &takenError{fmt.Sprintf(format, args...)} }

func (e *takenError) Error() string { return e.text }
func (e *takenError) Unwrap() error { return engine.ErrLinkTaken }

func deref(l *engine.Link) engine.Link {
	if l == nil {
		return engine.Link{}
	}
	return *l
}

// unlinkedYet refuses ends that are linked elsewhere. The link is that of the very pair, if there is one.
func (r *Runner) unlinkedYet(ctx context.Context, id engine.JobID, ref engine.Ref, targetID string) (*engine.Link, error) {
	l, err := r.Store.Link(ctx, id, ref)
	switch {
	case err == nil && l.TargetID == targetID:
		return &l, nil
	case err == nil:
		return nil, taken("the source object %s is linked to the target object %s; remove that link first", ref.ID, l.TargetID)
	case !errors.Is(err, engine.ErrNoLink):
		return nil, err
	}
	held, err := r.Store.LinkedTo(ctx, id, ref.Kind, []string{targetID})
	if err != nil {
		return nil, err
	}
	if l, linked := held[targetID]; linked {
		return nil, taken("the target object %s is linked to the source object %s; remove that link first", targetID, strings.TrimSpace(l.Name+" ("+l.ID+")"))
	}
	return nil, nil
}

// sourceOf is a source object that has to exist. One that was never in scope is read from the source and stored with its attributes,
// because from now on it matters.
func (r *Runner) sourceOf(ctx context.Context, job *Job, ref engine.Ref) (engine.Queued, error) {
	q := engine.Queued{Ref: ref, Known: true}
	known, err := r.Store.Objects(ctx, job.ID, ref.Kind, []string{ref.ID})
	if err != nil {
		return q, err
	}
	q.Object = known[ref.ID]
	if q.Object.Attributes == nil || q.Object.State != engine.Active {
		found, err := job.Source.Lookup(ctx, ref.Kind, []string{ref.ID})
		if err != nil {
			return q, fmt.Errorf("read the source object %s: %w", ref.ID, stopped(err))
		}
		i := slices.IndexFunc(found, func(o engine.Object) bool { return o.Ref == ref })
		if i < 0 || found[i].State == engine.HardDeleted {
			return q, fmt.Errorf("the source has no %s %s; check the id: %w", ref.Kind, ref.ID, engine.ErrNotFound)
		}
		q.Object.Object = merged(q.Object.Object, found[i], true)
		if err := r.Store.PutObjects(ctx, job.ID, []engine.Object{q.Object.Object}, nil); err != nil {
			return q, err
		}
	}
	paths, err := r.Store.AssignmentPaths(ctx, job.ID, ref.Kind, []string{ref.ID})
	q.Paths = paths[ref.ID]
	return q, err
}

// RemoveLink forgets which target object belongs to a source object, and which references were exported between it and
// others (section 29). Neither object is written. Removing a link that is not there changes nothing. An object that a
// cycle or somebody else is working on is refused with [ErrBusy].
//
// The object is not queued by that: when it changes, or is provisioned on demand, it is matched anew. If what led to a
// wrong pair is not mended by then, the same pair comes back.
func (r *Runner) RemoveLink(ctx context.Context, id engine.JobID, ref engine.Ref) (err error) {
	if _, err := r.jobOf(id); err != nil {
		return err
	}
	ref.ID = strings.ToLower(strings.TrimSpace(ref.ID))
	if _, err := r.Store.Link(ctx, id, ref); errors.Is(err, engine.ErrNoLink) {
		return nil
	} else if err != nil {
		return err
	}
	_, queued, err := r.changeOf(ctx, id, ref)
	if err != nil {
		return err
	}
	if queued { // only then can anybody be working on it; a reservation would queue it
		release, busy := r.reserveOne(ctx, id, ref)
		if busy != nil {
			return busy
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	if err := r.Store.Settle(ctx, id, "", []engine.Settled{{Ref: ref, Unlink: true}}); err != nil {
		return fmt.Errorf("remove the link of %s: %w", ref.ID, err)
	}
	// Who is entitled must not be cut loose: the next cycle matches the object anew, so that it is known who is to be
	// disabled some day.
	return r.Store.Enqueue(ctx, id, []engine.Ref{ref})
}

// changeOf reads the change of an object, in whatever state, if there is one.
func (r *Runner) changeOf(ctx context.Context, id engine.JobID, ref engine.Ref) (engine.Queued, bool, error) {
	all := []engine.ChangeState{engine.ChangeQueued, engine.ChangeReady, engine.ChangeEscrow, engine.ChangeHeld, engine.ChangeLater, engine.ChangeExpired}
	for after := justBefore(ref.ID); ; {
		list, err := r.Store.Changes(ctx, id, ref.Kind, all, after, 1)
		switch {
		case err != nil || len(list) == 0 || list[0].ID > ref.ID:
			return engine.Queued{}, false, err
		case list[0].ID == ref.ID:
			return list[0], true, nil
		}
		after = list[0].ID
	}
}

// reserveOne reserves an object until release is called, or for as long as a reservation lasts. It does not wait.
func (r *Runner) reserveOne(ctx context.Context, id engine.JobID, ref engine.Ref) (release func() error, err error) {
	owner, now := "link:"+uuid.NewString(), r.Now().UTC()
	busy, err := r.Store.Lease(ctx, id, []engine.Ref{ref}, owner, now.Add(leaseFor), now)
	if err != nil {
		return nil, fmt.Errorf("reserve %s: %w", ref.ID, err)
	}
	if len(busy) > 0 {
		return nil, fmt.Errorf("%s %s: %w", ref.Kind, ref.ID, ErrBusy)
	}
	return func() error { return r.Store.Release(context.WithoutCancel(ctx), id, []engine.Ref{ref}, owner) }, nil
}
