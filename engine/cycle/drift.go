package cycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/engine"
)

// MaxDriftFindings is how many findings of one kind and class a comparison lists. The rest is counted; the last finding
// then names nobody and says in Detail how many there are. MaxDriftMembers is the same for the members of one group.
const (
	MaxDriftFindings = 10_000
	MaxDriftMembers  = 1_000
)

// Drift compares all accounts and groups of the target with what the job believes (provisioning.md section 28). It writes
// nothing to the target, and may run while a cycle does: what differs is read once more by itself before it is believed.
//
// Linked accounts are compared at the mapped paths with what was exported. What the job would not write is no
// difference: an attribute whose source has no value, a list that it only adds to. Neither is an attribute that
// the target shows of no account at all. Unlinked accounts are matched, as a cycle would, by all matching attributes
// with the values that the mapping yields for each source object that the store knows with its attributes: those that were in scope
// at some time. What a source object matches by an earlier attribute counts, and one that is in scope counts before one that is
// not. Managers are not compared.
//
// Accounts of people who left and were let go ([engine.Released]) are counted as unentitled, and listed only
// when somebody switched them on again; the job does nothing about them. That they are gone is no finding.
//
// repair queues what the next cycle can set right. Accounts that were changed, or are gone, are read by that cycle, and
// matched or created anew; those that nobody is entitled to are disabled, as far as the deletion guard lets it; matching accounts are
// linked. Members are added and removed as the source has them. Links of people who left, whose account is gone, are
// removed at once. Local, unassigned and ambiguous accounts and members that the job does not manage are never touched.
// What a cycle is working on this moment is left for another time, and no finding.
//
// The error is a [*StopError] when the target is broken as a whole, [ErrCannotList] when it has no listing.
func (r *Runner) Drift(ctx context.Context, id engine.JobID, repair bool, beat Beat) (engine.Drift, error) {
	job, err := r.jobOf(id)
	if err != nil {
		return engine.Drift{}, err
	}
	lister, ok := job.Target.(engine.Lister)
	if !ok {
		return engine.Drift{}, fmt.Errorf("job %s: %w", id, ErrCannotList)
	}
	state, err := r.Store.JobState(ctx, id)
	if err != nil {
		return engine.Drift{}, err
	}
	d := &comparison{
		Runner: r, evaluator: r.evaluator(job, state), lister: lister, repair: repair, beat: beat, owner: "drift:" + uuid.NewString(),
		listed: map[listing]int{}, repaired: map[engine.Ref]bool{}, repairable: map[engine.Ref]bool{},
		result: engine.Drift{
			Job: id, StartedAt: r.Now().UTC(), Classes: map[engine.DriftClass]int{}, Incomplete: map[engine.Kind]string{}, Findings: []engine.DriftFinding{},
		},
	}
	for _, k := range kinds(job) {
		if err := d.compare(ctx, k); err != nil {
			return engine.Drift{}, fmt.Errorf("compare the %ss of job %s with its target: %w", k, id, stopped(err))
		}
	}
	return d.finish(ctx)
}

// ErrCannotList says that a target has no way to list its accounts.
var ErrCannotList = errors.New("the target cannot list its accounts, so there is nothing to compare with")

// comparison is one run of [Runner.Drift].
type comparison struct {
	*Runner
	*evaluator
	lister   engine.Lister
	repair   bool
	beat     Beat
	done     int
	owner    string // of reservations
	listed   map[listing]int
	repaired map[engine.Ref]bool
	// repairable are those that a repair is for, whether it was asked for or not.
	repairable map[engine.Ref]bool
	result     engine.Drift
}

// listing is what findings are counted by.
type listing struct {
	kind  engine.Kind
	class engine.DriftClass
}

// accounts are the accounts or groups of the target while they are compared. Of each no more than ids, keys and
// sizes is kept.
type accounts struct {
	*comparison
	kind     engine.Kind
	sources  *sources
	told     uint64              // mapped attributes that some account has a value at, see attributeBit
	seen     map[string]struct{} // ids listed
	buffer   []engine.Resource
	doubtful []doubtful
	unlinked []unlinked
	groups   []linkedGroup                  // whose members are to be compared
	findings map[string]engine.DriftFinding // of groups, by target id, until their members are compared
	orphans  map[string]bool                // source ids
}

// compare compares everything of one kind.
func (d *comparison) compare(ctx context.Context, k engine.Kind) error {
	a := &accounts{comparison: d, kind: k, seen: map[string]struct{}{}, findings: map[string]engine.DriftFinding{}, orphans: map[string]bool{}}
	var err error
	if a.sources, err = d.index(ctx, k); err != nil {
		return err
	}
	complete, err := a.list(ctx)
	if err != nil {
		return err
	}
	if err := a.confirm(ctx); err != nil {
		return err
	}
	if complete {
		if err := a.orphaned(ctx); err != nil {
			return err
		}
	}
	if err := a.resolve(ctx); err != nil {
		return err
	}
	return a.members(ctx)
}

// list reads all there is at the target. A listing that breaks off after a part is as good as one that is not complete.
func (a *accounts) list(ctx context.Context) (complete bool, err error) {
	var own error // of ours, not of the target
	complete, err = a.lister.List(ctx, a.kind, func(res engine.Resource) error {
		if _, again := a.seen[res.ID]; again {
			return nil
		}
		a.seen[res.ID] = struct{}{}
		if a.buffer = append(a.buffer, res); len(a.buffer) == BatchSize {
			own = a.flush(ctx)
		}
		return own
	})
	switch te, ok := errors.AsType[*engine.TargetError](err); {
	case own != nil:
		return false, own
	case ok && te.Outcome == engine.OutcomeEscrow && len(a.seen) > 0:
		a.incomplete(cmp.Or(te.Detail, te.Error()))
		return false, a.flush(ctx)
	case err != nil:
		return false, err
	case !complete:
		a.incomplete("the target did not tell all of them, or told of one twice, as happens when pages shift while they are read")
	}
	return complete, a.flush(ctx)
}

// incomplete notes why the listing of a kind cannot be trusted.
func (a *accounts) incomplete(why string) {
	if before := a.result.Incomplete[a.kind]; before != "" {
		why = before + "; " + why
	}
	a.result.Incomplete[a.kind] = why
}

// progress reports that n more objects were looked at.
func (d *comparison) progress(n int) {
	d.done += n
	d.beat(d.done)
}

// found adds a finding and counts what differs. The class is counted by whoever classed the account.
func (d *comparison) found(f engine.DriftFinding) {
	if f.Class != engine.DriftAssigned || !f.Linked {
		d.result.Accounts++
	} else {
		for _, c := range f.Changes {
			if c.Attribute != membersAttribute {
				d.result.Attributes++
			}
		}
	}
	l := listing{f.Kind, f.Class}
	if d.listed[l]++; d.listed[l] <= MaxDriftFindings {
		d.result.Findings = append(d.result.Findings, f)
	}
}

// finish names the source objects, puts the findings in order and says what was left out.
func (d *comparison) finish(ctx context.Context) (engine.Drift, error) {
	if err := d.names(ctx); err != nil {
		return engine.Drift{}, err
	}
	slices.SortStableFunc(d.result.Findings, func(a, b engine.DriftFinding) int {
		return cmp.Or(-cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Source.ID, b.Source.ID), cmp.Compare(a.Target.ID, b.Target.ID))
	})
	for _, l := range slices.SortedFunc(maps.Keys(d.listed), func(a, b listing) int {
		return cmp.Or(-cmp.Compare(a.kind, b.kind), cmp.Compare(a.class, b.class))
	}) {
		if more := d.listed[l] - MaxDriftFindings; more > 0 {
			d.result.Findings = append(d.result.Findings, engine.DriftFinding{Kind: l.kind, Class: l.class, Detail: fmt.Sprintf("%d more are counted and not listed", more)})
		}
	}
	d.result.Repaired, d.result.Repairable = len(d.repaired), len(d.repairable)
	d.result.EndedAt = d.Now().UTC()
	return d.result, nil
}

// names completes the names of source objects that no link has the name of.
func (d *comparison) names(ctx context.Context) error {
	nameless := map[engine.Kind][]string{}
	for _, f := range d.result.Findings {
		if f.Source.ID != "" && f.Source.Name == "" {
			nameless[f.Kind] = append(nameless[f.Kind], f.Source.ID)
		}
	}
	called := map[engine.Ref]string{}
	for k, ids := range nameless {
		for chunk := range slices.Chunk(ids, BatchSize) {
			objects, err := d.Store.Objects(ctx, d.job.ID, k, chunk)
			if err != nil {
				return err
			}
			for _, o := range objects {
				called[o.Ref] = name(engine.Queued{Ref: o.Ref, Object: o})
			}
		}
	}
	for i := range d.result.Findings {
		if f := &d.result.Findings[i]; f.Source.Name == "" {
			f.Source.Name = called[engine.Ref{Kind: f.Kind, ID: f.Source.ID}]
		}
	}
	return nil
}

// driftAtOnce is the number of reads of single objects that are under way at once.
const driftAtOnce = 8

// read reads target objects by id, at once as many as is polite. gone are those that the target does not have; of those in
// neither answer the target would not tell, which is no reason to give up the others.
func (a *accounts) read(ctx context.Context, ids []string) (found map[string]engine.Resource, gone map[string]bool, err error) {
	type answer struct {
		res engine.Resource
		err error
	}
	answers := make([]answer, len(ids))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(min(driftAtOnce, max(a.Concurrency, 1)))
	for i, id := range ids {
		g.Go(func() error {
			res, err := a.job.Target.Get(gctx, a.kind, id)
			answers[i] = answer{res, err}
			if te, ok := errors.AsType[*engine.TargetError](err); ok && te.Outcome != engine.OutcomeQuarantine && te.Outcome != engine.OutcomeSuspend {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	found, gone = map[string]engine.Resource{}, map[string]bool{}
	silent := 0
	for i, id := range ids {
		te, bad := errors.AsType[*engine.TargetError](answers[i].err)
		switch {
		case !bad:
			found[id] = answers[i].res
		case te.Outcome == engine.OutcomeRematch:
			gone[id] = true
		default:
			silent++
		}
	}
	if silent > 0 {
		a.incomplete(fmt.Sprintf("%d of them could not be read by id, and are not compared", silent))
	}
	return found, gone, nil
}
