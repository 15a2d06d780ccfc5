package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// inFlight is the number of batches of one stage that are exported at the same time, by any worker.
const inFlight = 4

// heartbeat is how long a step may be silent. It is also how long a step waits after the process
// that worked on it was killed, so it is short; steps beat several times a second.
const heartbeat = 10 * time.Second

// lateAfter is how long nobody may have worked on a cycle until what it planned is no plan any more.
const lateAfter = 2 * time.Minute

// brokenStep is the type of the application error with which a step ends a cycle.
const brokenStep = "CycleBroken"

// shortOptions are for steps that only ask the store.
var shortOptions = workflow.ActivityOptions{
	StartToCloseTimeout: 5 * time.Minute,
	RetryPolicy:         &retries,
}

// longOptions are for steps that talk to a source or a target. They may take hours, waiting for a
// throttling server included; their heartbeat tells that they are alive.
var longOptions = workflow.ActivityOptions{
	StartToCloseTimeout: 24 * time.Hour,
	HeartbeatTimeout:    heartbeat,
	RetryPolicy:         &retries,
	// A cycle that is stopped ends when its steps have: what they did until then belongs to it.
	WaitForCancellation: true,
}

// nowLimit is how long provisioning now may take.
const nowLimit = 10 * time.Minute

// nowOptions are for what somebody waits for. A worker that dies is replaced; what one refused is told, not tried
// again.
var nowOptions = workflow.ActivityOptions{
	StartToCloseTimeout: nowLimit,
	HeartbeatTimeout:    heartbeat,
	RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumAttempts: 3},
}

// retries takes a step again that a worker lost or the database refused. Errors of sources and
// targets are no matter for it: connectors repeat what can be repeated, and objects that failed go
// to escrow.
var retries = temporal.RetryPolicy{
	InitialInterval:    time.Second,
	BackoffCoefficient: 2,
	MaximumInterval:    time.Minute,
	MaximumAttempts:    20,
}
