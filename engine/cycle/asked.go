package cycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/scimsync/scimsync/engine"
)

// Asked is what somebody wants to be provisioned on demand, as it is kept in the store.
type Asked struct {
	By       string           `json:"by"`
	Subjects []engine.Subject `json:"subjects"`
	DryRun   bool             `json:"dryRun"`
	Explain  bool             `json:"explain"`
	// MayApprove says that to ask for a single object approves what a guard holds of it.
	MayApprove bool `json:"mayApprove"`
}

// Answered is the answer to it. Stopped is set when a connection as a whole was broken.
type Answered struct {
	Subjects []engine.Provisioned `json:"subjects"`
	Stopped  *Stopped             `json:"stopped,omitempty"`
}

// Stopped tells of a [StopError].
type Stopped struct {
	Code    engine.Code `json:"code"`
	Side    string      `json:"side"`
	Message string      `json:"message"`
}

// ProvisionRequest carries out what was asked under id and stores the answer. A request that was answered
// is not carried out again.
func (r *Runner) ProvisionRequest(ctx context.Context, j engine.JobID, id string) ([]engine.Provisioned, error) {
	asked, answered, err := r.Store.Request(ctx, j, id)
	if err != nil {
		return nil, err
	}
	var out Answered
	if answered != nil {
		return out.Subjects, json.Unmarshal(answered, &out)
	}
	var in Asked
	if err := json.Unmarshal(asked, &in); err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	out.Subjects, err = r.provision(ctx, j, in)
	if stop, ok := errors.AsType[*StopError](err); ok {
		out.Stopped, err = &Stopped{stop.Code, stop.Side, stop.Message}, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("answer to request %s: %w", id, err)
	}
	return out.Subjects, r.Store.PutAnswer(context.WithoutCancel(ctx), j, id, text)
}
