package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/scimsync/scimsync/engine"
)

// SyncCycle runs one cycle of a job: import, decide, export. However it goes, the cycle is closed, so
// that its record tells what happened; the queue and the links stay for the next one.
func SyncCycle(ctx workflow.Context, in CycleInput) (CycleResult, error) {
	var a *Activities // names activities; a workflow never dereferences it
	short, long := workflow.WithActivityOptions(ctx, shortOptions), workflow.WithActivityOptions(ctx, longOptions)

	ref := CycleRef{Job: in.Job, Cycle: workflow.GetInfo(ctx).WorkflowExecution.RunID}
	if err := workflow.ExecuteActivity(short, a.Begin, ref).Get(ctx, &ref); err != nil {
		return CycleResult{}, err
	}
	if ref.NotNow != "" {
		return CycleResult{Job: in.Job, NotNow: ref.NotNow}, nil
	}
	broke, err := broken(steps(ctx, long, ref))
	if err != nil {
		return CycleResult{}, err
	}
	var out CycleResult
	// A cancelled cycle is closed too.
	closing, _ := workflow.NewDisconnectedContext(short)
	err = workflow.ExecuteActivity(closing, a.End, EndInput{Ref: ref, Broke: broke}).Get(closing, &out)
	return out, err
}

// steps takes the steps of a cycle in their order: users before groups before memberships and
// managers.
func steps(ctx, long workflow.Context, ref CycleRef) error {
	var a *Activities
	if err := workflow.ExecuteActivity(long, a.Import, ref).Get(ctx, nil); err != nil {
		return err
	}
	var plan, deferred PlanResult
	if err := workflow.ExecuteActivity(long, a.Decide, ref).Get(ctx, &plan); err != nil {
		return err
	}
	if err := exportAll(long, plan.Batches); err != nil {
		return err
	}
	if err := workflow.ExecuteActivity(long, a.Deferred, ref).Get(ctx, &deferred); err != nil {
		return err
	}
	if err := exportAll(long, deferred.Batches); err != nil {
		return err
	}
	for _, rel := range []engine.Relation{engine.Member, engine.Manager} {
		var found StretchesResult
		if err := workflow.ExecuteActivity(long, a.Stretches, EdgesInput{Ref: ref, Relation: string(rel)}).Get(ctx, &found); err != nil {
			return err
		}
		err := inParallel(long, len(found.Stretches), func(ctx workflow.Context, i int) workflow.Future {
			return workflow.ExecuteActivity(ctx, a.ExportEdges, found.Stretches[i])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// exportAll exports batches: those of a stage side by side, stage after stage.
func exportAll(ctx workflow.Context, batches []BatchRef) error {
	var a *Activities
	for len(batches) > 0 {
		n := 1
		for n < len(batches) && batches[n].Stage == batches[0].Stage {
			n++
		}
		stage := batches[:n]
		batches = batches[n:]
		err := inParallel(ctx, n, func(ctx workflow.Context, i int) workflow.Future {
			return workflow.ExecuteActivity(ctx, a.Export, stage[i])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inParallel runs n activities, a few at a time, and returns the first error once all that were
// started have ended.
func inParallel(ctx workflow.Context, n int, start func(workflow.Context, int) workflow.Future) error {
	room := workflow.NewSemaphore(ctx, inFlight)
	all := workflow.NewWaitGroup(ctx)
	var first error
	for i := 0; i < n && first == nil; i++ {
		if err := room.Acquire(ctx, 1); err != nil {
			return err
		}
		if first != nil {
			break
		}
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer all.Done()
			defer room.Release(1)
			if err := start(ctx, i).Get(ctx, nil); err != nil && first == nil {
				first = err
			}
		})
	}
	all.Wait(ctx)
	return first
}

// broken tells what ended the steps early. An error that is not about the cycle fails the workflow,
// except a cancellation.
func broken(err error) (*Broke, error) {
	var app *temporal.ApplicationError
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &app) && app.Type() == brokenStep:
		var b Broke
		if err := app.Details(&b); err != nil {
			return nil, err
		}
		return &b, nil
	case temporal.IsCanceledError(err):
		return &Broke{Code: "stopped", Message: "the cycle was stopped; what it had not done waits for the next one"}, nil
	default:
		return &Broke{Code: "internal", Message: "a step failed again and again; see the log of the worker"}, nil
	}
}
