package cycle

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// survey finds out, once in a cycle and before its first write, whether the target is empty: then
// nobody has to be searched for. It is remembered with the cycle, because soon after the target holds what
// this very cycle created.
func (r *Runner) survey(ctx context.Context, job *Job, c engine.Cycle, k engine.Kind) error {
	now, err := r.Store.Cycle(ctx, c.Job, c.ID)
	if err != nil {
		return err
	}
	if _, known := now.Survey[k]; known || now.Kind != engine.Initial {
		return nil
	}
	links, err := r.Store.CountLinks(ctx, c.Job, k)
	if err != nil {
		return err
	}
	s := engine.SurveySearch
	if len(links) == 0 {
		empty, err := job.Target.Empty(ctx, k)
		if err != nil {
			return stopped(err)
		}
		if empty {
			s = engine.SurveyEmpty
		}
	}
	return r.Store.SetSurvey(ctx, c.Job, c.ID, k, s)
}

// look adds to the facts what the target has: the linked object, or what matches.
func (x *exporter) look(ctx context.Context, q engine.Queued, f *decide.Facts) error {
	if q.Link != nil {
		res, err := x.job.Target.Get(ctx, q.Kind, q.Link.TargetID)
		if te, ok := errors.AsType[*engine.TargetError](err); ok && te.Outcome == engine.OutcomeRematch {
			f.Target = decide.Target{State: decide.Absent}
			return nil
		}
		if err != nil {
			return err
		}
		f.Target = decide.Target{State: decide.Found, Resource: res}
		return nil
	}
	twin := x.twin(q, f)
	if x.survey == engine.SurveyEmpty && !q.VerifyFirst && !twin {
		f.Target = decide.Target{State: decide.Absent}
		return nil
	}
	found, by, err := x.job.Target.Find(ctx, q.Kind, f.Desired.Matching())
	if err != nil {
		return err
	}
	if len(found) == 0 && twin && !x.batch.Last { // its twin may be about to be made; at the end it is known
		f.Target = decide.Target{State: decide.Taken}
		return nil
	}
	if err := x.found(ctx, q, f, found, by.String()); err != errDecideAgain {
		return err
	}
	return nil
}

// twin reports whether another object of this cycle wants to be found by the same value.
func (x *exporter) twin(q engine.Queued, f *decide.Facts) bool {
	by := f.Desired.Matching()
	if len(by) == 0 || x.batch.Stage == 0 { // single objects are claimed by who provisions them
		return false
	}
	value, ok := by[0].Value.(string)
	return ok && x.newcomers.another(x.cycle.ID, q.Ref, strings.ToLower(value))
}

// found adds matches to the facts. A match that is linked to another source object is taken, also
// when that link is being made this very moment.
func (x *exporter) found(ctx context.Context, q engine.Queued, f *decide.Facts, found []engine.Resource, by string) error {
	f.Link = nil
	switch len(found) {
	case 0:
		f.Target = decide.Target{State: decide.Absent}
		return errDecideAgain
	case 1:
	default:
		f.Target = decide.Target{State: decide.Several, MatchedBy: by}
		for _, r := range found {
			f.Target.Several = append(f.Target.Several, r.ID)
		}
		return errDecideAgain
	}
	res := found[0]
	f.Target = decide.Target{State: decide.Found, Resource: res, MatchedBy: by}
	holder, taken := x.claims.take(x.job.ID, q.Ref, res.ID)
	if !taken {
		links, err := x.Store.LinkedTo(ctx, x.job.ID, q.Kind, []string{res.ID})
		if err != nil {
			return err
		}
		if l, linked := links[res.ID]; linked && l.ID != q.ID {
			holder, taken = l.ID, true
		}
	}
	if taken {
		f.Target.State, f.Target.TakenBy = decide.Taken, holder
	}
	return errDecideAgain
}

// claims remembers which target objects are being linked by changes in flight, so that two source
// objects which match one account do not both change it before the first link is stored.
type claims struct {
	mu   sync.Mutex
	held map[claim]engine.Ref
}

type claim struct {
	job    engine.JobID
	kind   engine.Kind
	target string
}

// take claims a target object for a source object. It returns the holder if somebody else has it.
func (c *claims) take(j engine.JobID, r engine.Ref, target string) (holder string, taken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = map[claim]engine.Ref{}
	}
	k := claim{j, r.Kind, target}
	if h, ok := c.held[k]; ok && h != r {
		return h.ID, true
	}
	c.held[k] = r
	return "", false
}

// release gives up the claims of settled changes: from now on the store knows.
func (c *claims) release(j engine.JobID, settled []engine.Settled) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) == 0 {
		return
	}
	done := map[engine.Ref]bool{}
	for _, s := range settled {
		done[s.Ref] = true
	}
	for k, r := range c.held {
		if k.job == j && done[r] {
			delete(c.held, k)
		}
	}
}
