package workflows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine/cycle"
)

// steps records which activities ran, in the order in which they began.
type recorder struct {
	mu    sync.Mutex
	steps []string
	now   int
	most  int // activities of one kind at the same time
}

func (r *recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, fmt.Sprintf(format, args...))
}

// environment is a workflow run with stand-ins for all activities; batches is what Decide plans.
func environment(t *testing.T, batches []BatchRef) (*testsuite.TestWorkflowEnvironment, *recorder) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(NewLogger(zap.NewNop()))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterWorkflow(SyncCycle)
	var a *Activities
	env.RegisterActivity(a)
	r := &recorder{}
	env.OnActivity(a.Begin, mock.Anything, mock.Anything).Return(func(_ context.Context, ref CycleRef) (CycleRef, error) {
		r.add("begin")
		ref.Kind = "initial"
		return ref, nil
	}).Maybe()
	env.OnActivity(a.Decide, mock.Anything, mock.Anything).Return(func(_ context.Context, ref CycleRef) (PlanResult, error) {
		r.add("decide")
		return PlanResult{Batches: batches}, nil
	}).Maybe()
	env.OnActivity(a.Deferred, mock.Anything, mock.Anything).Return(func(_ context.Context, ref CycleRef) (PlanResult, error) {
		r.add("deferred")
		return PlanResult{Batches: []BatchRef{{Kind: "user", Stage: 1, From: 99, To: 99, Last: true}}}, nil
	}).Maybe()
	env.OnActivity(a.Stretches, mock.Anything, mock.Anything).Return(func(_ context.Context, in EdgesInput) (StretchesResult, error) {
		r.add("stretches %s", in.Relation)
		return StretchesResult{Stretches: []StretchRef{{Relation: in.Relation, UpTo: "z"}}}, nil
	}).Maybe()
	env.OnActivity(a.ExportEdges, mock.Anything, mock.Anything).Return(func(_ context.Context, in StretchRef) error {
		r.add("edges %s", in.Relation)
		return nil
	}).Maybe()
	return env, r
}

// importing lets Import return err.
func importing(env *testsuite.TestWorkflowEnvironment, r *recorder, err error) {
	var a *Activities
	env.OnActivity(a.Import, mock.Anything, mock.Anything).Return(func(context.Context, CycleRef) error {
		r.add("import")
		return err
	})
}

// exporting lets Export take a while of virtual time, and counts how many run at once.
func exporting(env *testsuite.TestWorkflowEnvironment, r *recorder, fail func(BatchRef) error) {
	var a *Activities
	env.OnActivity(a.Export, mock.Anything, mock.Anything).Return(func(_ context.Context, b BatchRef) error {
		r.mu.Lock()
		r.now++
		r.most = max(r.most, r.now)
		r.mu.Unlock()
		defer func() { r.mu.Lock(); r.now--; r.mu.Unlock() }()
		r.add("export stage %d", b.Stage)
		if fail != nil {
			return fail(b)
		}
		return nil
	}).Maybe()
}

// ending records how the cycle was closed.
func ending(env *testsuite.TestWorkflowEnvironment, r *recorder, broke **Broke) {
	var a *Activities
	env.OnActivity(a.End, mock.Anything, mock.Anything).Return(func(_ context.Context, in EndInput) (CycleResult, error) {
		r.add("end")
		*broke = in.Broke
		return CycleResult{Job: in.Ref.Job, Cycle: in.Ref.Cycle, State: "succeeded"}, nil
	}).Once()
}

func TestSyncCycleOrder(t *testing.T) {
	var batches []BatchRef
	for range 10 {
		batches = append(batches, BatchRef{Kind: "user", Stage: 2})
	}
	batches = append(batches, BatchRef{Kind: "user", Stage: 6}, BatchRef{Kind: "group", Stage: 106})
	env, r := environment(t, batches)
	var broke *Broke
	importing(env, r, nil)
	exporting(env, r, nil)
	ending(env, r, &broke)
	env.ExecuteWorkflow(SyncCycle, CycleInput{Job: "webex"})
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	want := append([]string{"begin", "import", "decide"}, slices.Repeat([]string{"export stage 2"}, 10)...)
	want = append(want, "export stage 6", "export stage 106", "deferred", "export stage 1",
		"stretches member", "edges member", "stretches manager", "edges manager", "end")
	if !slices.Equal(r.steps, want) {
		t.Errorf("steps:\n got %v\nwant %v", r.steps, want)
	}
	if broke != nil {
		t.Errorf("the cycle was closed as broken: %+v", broke)
	}
	if r.most > inFlight {
		t.Errorf("%d batches at once, want at most %d", r.most, inFlight)
	}
	var out CycleResult
	if err := env.GetWorkflowResult(&out); err != nil || out.Job != "webex" || out.Cycle == "" {
		t.Errorf("result %+v, %v", out, err)
	}
}

// TestSyncCycleBroken: whatever ends the steps, the cycle is closed with the reason, and nothing that
// follows is done.
func TestSyncCycleBroken(t *testing.T) {
	stop := &cycle.StopError{Code: "credentials", Side: "target", Message: "refused", Quarantine: true}
	for _, c := range []struct {
		name        string
		atImport    error
		atExport    error
		want        Broke
		neverBefore string
	}{
		{"import", step(stop), nil, Broke{Code: "credentials", Side: "target", Message: "refused", Quarantine: true}, "decide"},
		{"export", nil, step(stop), Broke{Code: "credentials", Side: "target", Message: "refused", Quarantine: true}, "deferred"},
		{"defect", temporal.NewNonRetryableApplicationError("x", "defect", nil), nil,
			Broke{Code: "internal", Message: "a step failed again and again; see the log of the worker"}, "decide"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env, r := environment(t, []BatchRef{{Stage: 1}, {Stage: 2}})
			var broke *Broke
			importing(env, r, c.atImport)
			exporting(env, r, func(BatchRef) error { return c.atExport })
			ending(env, r, &broke)
			env.ExecuteWorkflow(SyncCycle, CycleInput{Job: "webex"})
			if err := env.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			if broke == nil || *broke != c.want {
				t.Errorf("closed with %+v, want %+v", broke, c.want)
			}
			if slices.Contains(r.steps, c.neverBefore) {
				t.Errorf("%s ran after the cycle was broken: %v", c.neverBefore, r.steps)
			}
		})
	}
}

// TestSuspended: a target that asks for a pause longer than a call may wait is asked again then, by
// a durable timer, and the cycle goes on.
func TestSuspended(t *testing.T) {
	env, r := environment(t, []BatchRef{{Stage: 1}})
	var broke *Broke
	importing(env, r, nil)
	tries := 0
	exporting(env, r, func(b BatchRef) error {
		if tries++; tries == 1 {
			return step(&cycle.StopError{Code: "throttled", Side: "target", Message: "busy", RetryAt: time.Now().Add(2 * time.Hour)})
		}
		return nil
	})
	ending(env, r, &broke)
	began := env.Now()
	env.ExecuteWorkflow(SyncCycle, CycleInput{Job: "webex"})
	if err := env.GetWorkflowError(); err != nil || broke != nil {
		t.Fatalf("error %v, broke %+v", err, broke)
	}
	if waited := env.Now().Sub(began); waited < 119*time.Minute {
		t.Errorf("waited %s, want about two hours", waited)
	}
}

// TestStopped: a cancelled cycle is closed too.
func TestStopped(t *testing.T) {
	env, r := environment(t, []BatchRef{{Stage: 1}})
	var broke *Broke
	var a *Activities
	env.OnActivity(a.Import, mock.Anything, mock.Anything).After(time.Hour).Return(nil)
	ending(env, r, &broke)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	env.ExecuteWorkflow(SyncCycle, CycleInput{Job: "webex"})
	if broke == nil || broke.Code != "stopped" {
		t.Errorf("closed with %+v, want stopped; steps %v, error %v", broke, r.steps, env.GetWorkflowError())
	}
}

// TestStepErrors: only what a person has to mend, and what cannot be mended in the cycle, ends it at
// once; everything else is left to the retry policy.
func TestStepErrors(t *testing.T) {
	plain := errors.New("database is locked")
	if got := step(plain); !errors.Is(got, plain) {
		t.Errorf("a plain error became %v", got)
	}
	if step(nil) != nil {
		t.Error("no error became one")
	}
	var app *temporal.ApplicationError
	if err := step(fmt.Errorf("wrapped: %w", &cycle.StopError{Code: "x", Message: "m"})); !errors.As(err, &app) || !app.NonRetryable() {
		t.Errorf("a StopError became %v", err)
	}
}
