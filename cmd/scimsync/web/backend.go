package web

import (
	"context"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// Job is what the API shows of the configuration of a job. Secrets are not part of it.
type Job struct {
	ID         engine.JobID
	Connection string // id of the service principal at the source, by which the API of Graph names the job; the job's id if there is none
	Enabled    bool   // switched on in the configuration file
	Interval   time.Duration
	Scope      engine.Scope
	SourceType string
	SourceName string // for people: "Microsoft Graph"
	TenantID   string
	TargetType string
	TargetName string // for people: the host of the target
	BaseURL    string
	AuthType   string    // of the target's credentials
	Expires    time.Time // when they end; zero if not known
	Email      []string  // who is told
	OnFailure  bool
	Options    engine.Options
}

// Reset is what a restart clears, in the words of Graph (synchronization-api.md section 5), lower case.
type Reset string

const (
	ResetWatermark  Reset = "watermark"
	ResetEscrows    Reset = "escrows"
	ResetQuarantine Reset = "quarantinestate"
	ResetStore      Reset = "connectordatastore"
	ResetFull       Reset = "full" // all of the above, and the links
	ResetDeletes    Reset = "forcedeletes"
)

// Caller is who asks, for the audit.
type Caller struct {
	Name string // of the token
	From string // address
	// Approver says that the caller may decide about held deletions.
	Approver bool
}

// Backend is the service behind the API: what is more than reading the store. Its methods check that what is
// asked makes sense in the state of the job, audit it, and return a [*Refusal] when it does not.
type Backend interface {
	Jobs() []Job

	Start(ctx context.Context, by Caller, j engine.JobID) error
	Pause(ctx context.Context, by Caller, j engine.JobID) error
	// Stop cancels the running cycle after the objects in hand; what is left waits for the next one.
	Stop(ctx context.Context, by Caller, j engine.JobID) error
	// Sync starts a cycle, or joins the running one, without waiting for its end.
	Sync(ctx context.Context, by Caller, j engine.JobID) (engine.CycleID, error)
	Restart(ctx context.Context, by Caller, j engine.JobID, what []Reset, start bool) error
	Quarantine(ctx context.Context, by Caller, j engine.JobID, comment string) error

	Provision(ctx context.Context, by Caller, j engine.JobID, subjects []engine.Subject, dryRun, explain bool) ([]engine.Provisioned, error)
	// Plan is what the next cycle would do: its record and its log rows.
	Plan(ctx context.Context, by Caller, j engine.JobID) (engine.Cycle, []engine.LogEntry, error)
	// Check tests the connections, with the saved credentials of the target or those given (by Graph's names of secrets).
	Check(ctx context.Context, by Caller, j engine.JobID, credentials map[string]string) (source, target []engine.Finding, err error)

	// Judge approves or rejects held deletions; members are of held membership removals, by group id.
	Judge(ctx context.Context, by Caller, j engine.JobID, v engine.Verdict, about []engine.Judged, removals map[string][]engine.Ref, comment string) (int, error)
	Retry(ctx context.Context, by Caller, j engine.JobID, refs []engine.Ref) (int, error)
	Ignore(ctx context.Context, by Caller, j engine.JobID, refs []engine.Ref) (int, error)

	AddLink(ctx context.Context, by Caller, j engine.JobID, r engine.Ref, targetID string) (engine.Link, error)
	RemoveLink(ctx context.Context, by Caller, j engine.JobID, r engine.Ref) error
	Drift(ctx context.Context, by Caller, j engine.JobID, repair bool) (engine.Drift, error)

	// Schema is the mapping in force as an Entra synchronization schema; template is the one of the configuration file.
	Schema(ctx context.Context, j engine.JobID) (current, template []byte, err error)
	// PutSchema replaces the mapping from the next cycle on; nil goes back to the configuration file.
	PutSchema(ctx context.Context, by Caller, j engine.JobID, schema []byte) error
	// Erase forgets all state of a job and leaves it paused.
	Erase(ctx context.Context, by Caller, j engine.JobID) error
}

// Refusal says why something cannot be done now, with the code of synchronization-api.md section 1:
// InvalidJobState, OperationInProgress, CredentialsInvalid, …
type Refusal struct {
	Code    string
	Message string // what, why and what to do
	Details []string
	// RetryAfter is set for TooManyRequests.
	RetryAfter time.Duration
}

func (e *Refusal) Error() string { return e.Message }
