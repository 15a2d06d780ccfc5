package workflows

import (
	"testing"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/testsuite"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine/cycle"
)

// TestNotNow: the schedule of a job that is paused, or waits in quarantine, goes on ticking; nothing is begun, and
// nothing closed.
func TestNotNow(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(NewLogger(zap.NewNop()))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterWorkflow(SyncCycle)
	var a *Activities
	env.RegisterActivity(a)
	env.OnActivity(a.Begin, mock.Anything, mock.Anything).Return(CycleRef{Job: "webex", NotNow: "paused"}, nil).Once()
	env.ExecuteWorkflow(SyncCycle, CycleInput{Job: "webex"})
	var out CycleResult
	if err := env.GetWorkflowResult(&out); err != nil || out.NotNow != "paused" || out.Cycle != "" || out.State != "" {
		t.Errorf("result %+v, %v", out, err)
	}
	env.AssertExpectations(t)
}

// TestPlanTravels: every step of a cycle that keeps to a saved plan knows so, also on another worker.
func TestPlanTravels(t *testing.T) {
	ref := CycleRef{Job: "webex", Cycle: "c", Kind: "incremental", Plan: "p"}
	if got := ref.cycle().Plan; got != "p" {
		t.Errorf("the plan of a cycle: %q", got)
	}
	for _, b := range refs(ref, []cycle.Batch{{Stage: 1}, {Stage: 2}}) {
		if got := b.Ref.cycle().Plan; got != "p" {
			t.Errorf("the plan of a batch: %q", got)
		}
	}
}

// TestProvisionNow hands the request on and answers with numbers only.
func TestProvisionNow(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(NewLogger(zap.NewNop()))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterWorkflow(ProvisionNow)
	var a *Activities
	env.RegisterActivity(a)
	env.OnActivity(a.Provision, mock.Anything, ProvisionInput{Job: "webex", Request: "r"}).Return(ProvisionResult{Success: 2, Failure: 1}, nil).Once()
	env.ExecuteWorkflow(ProvisionNow, ProvisionInput{Job: "webex", Request: "r"})
	var out ProvisionResult
	if err := env.GetWorkflowResult(&out); err != nil || out != (ProvisionResult{Success: 2, Failure: 1}) {
		t.Errorf("result %+v, %v", out, err)
	}
}
