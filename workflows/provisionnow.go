package workflows

import (
	"go.temporal.io/sdk/workflow"
)

// ProvisionNow provisions single objects at once, beside whatever cycle runs: they are reserved in the
// store, so that the two never write the same object together. What is asked and answered stays in the store.
func ProvisionNow(ctx workflow.Context, in ProvisionInput) (ProvisionResult, error) {
	var a *Activities
	ctx = workflow.WithActivityOptions(ctx, nowOptions)
	var out ProvisionResult
	err := workflow.ExecuteActivity(ctx, a.Provision, in).Get(ctx, &out)
	return out, err
}
