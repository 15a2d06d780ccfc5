package engine

import (
	"context"
	"time"
)

// Control is what decides whether a job runs: what people asked for, and how its last cycles went. The
// configuration file says whether a job is switched on at all; that is not part of it.
type Control struct {
	// Paused by an administrator: no cycle starts by itself, everything is kept.
	Paused bool `json:"paused,omitzero"`
	// Disabled after 28 days of quarantine (17.2): nothing starts until somebody starts or restarts the job.
	Disabled bool `json:"disabled,omitzero"`
	// AskedAt is when somebody asked for a cycle that is not to wait for [Quarantine.NextAttempt]; the next
	// cycle clears it.
	AskedAt time.Time `json:"askedAt,omitzero"`
	// Plan is the saved plan that the next cycle keeps to, "" for none; that cycle clears it.
	Plan string `json:"plan,omitempty"`
	// Schema is an Entra synchronization schema that replaces the mapping of the configuration file; "" for none.
	Schema string `json:"schema,omitempty"`
	// Quarantine is nil for a healthy job.
	Quarantine *Quarantine `json:"quarantine,omitempty"`
	// Failures are the cycles in a row that failed as a whole.
	Failures int `json:"failures,omitzero"`
	// FailingSince is when the first of them ended.
	FailingSince time.Time `json:"failingSince,omitzero"`
	// Steady says when the job first and last had nothing left to do.
	SteadyFirst time.Time `json:"steadyFirst,omitzero"`
	SteadyLast  time.Time `json:"steadyLast,omitzero"`
	// Pruned says that failures were dropped so that an initial cycle could end (escrowsPruned).
	Pruned bool `json:"pruned,omitzero"`
	// BinAt is when the links of recycled objects were last looked up at the source (section 11.3).
	BinAt time.Time `json:"binAt,omitzero"`
}

// QuarantineReason is why a job is in quarantine, in the words of Microsoft Graph (17.1).
type QuarantineReason string

const (
	QuarantineException  QuarantineReason = "EncounteredQuarantineException"
	QuarantineProportion QuarantineReason = "EncounteredEscrowProportionThreshold"
	QuarantineBase       QuarantineReason = "EncounteredBaseEscrowThreshold"
	QuarantineTotal      QuarantineReason = "EncounteredTotalEscrowThreshold"
	QuarantineDeletes    QuarantineReason = "TooManyDeletes"
	QuarantineOnDemand   QuarantineReason = "QuarantinedOnDemand"
	QuarantineIngestion  QuarantineReason = "IngestionInterrupted"
	QuarantineUnknown    QuarantineReason = "Unknown"
)

// Quarantine is a job-level failure. Deletions that wait for approval are one too, but work goes on.
type Quarantine struct {
	Reason QuarantineReason `json:"reason"`
	// Code and Message are those of what happened; free of secrets and personal data.
	Code    Code   `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// SeriesBegan is when the job went into quarantine, CurrentBegan when it did for the present reason.
	SeriesBegan  time.Time `json:"seriesBegan"`
	CurrentBegan time.Time `json:"currentBegan"`
	// SeriesCount is how often it was looked at again and kept.
	SeriesCount int `json:"seriesCount"`
	// NextAttempt is when a cycle may run again, beginning with a probe. Cycles before are passed over.
	NextAttempt time.Time `json:"nextAttempt"`
}

// Controls remembers the Control of jobs.
type Controls interface {
	// Control returns the zero Control for a job that nothing was ever said about.
	Control(ctx context.Context, j JobID) (Control, error)
	// UpdateControl changes it in one transaction and returns what was stored. change may be called more
	// than once; its error leaves everything as it was and is returned.
	UpdateControl(ctx context.Context, j JobID, change func(*Control) error) (Control, error)
	// DoubtLinks sets Verify on every link of a job, so that the target is read before the next decision
	// about each, and queues their objects; memberships and managers that were exported are up for export again, because
	// members cannot be read everywhere.
	DoubtLinks(ctx context.Context, j JobID) error
	// ForgetLinks removes every link of a job, and what was exported on edges. It returns how many links there were.
	ForgetLinks(ctx context.Context, j JobID) (int, error)
	// EraseJob forgets all a job knows, its cycles and its log included. The audit stays.
	EraseJob(ctx context.Context, j JobID) error
	// Prune removes what is older than the keep times, at most limit rows of each kind in one
	// transaction, and returns how many. Call it again until it returns 0.
	Prune(ctx context.Context, j JobID, before Retention, limit int) (int, error)
}

// Retention are moments: what is older is removed. A zero moment removes nothing.
type Retention struct {
	Log    time.Time // rows of the provisioning log
	Values time.Time // old and new values in rows of the provisioning log; the rows stay
	Cycles time.Time // ended cycles; the newest successful one always stays
	Audit  time.Time // audit rows of the job, and those of no job
	Notice time.Time // notices that were delivered or given up
}

// JobStatus is the state of a job in the words of Microsoft Graph (2.2).
type JobStatus string

const (
	StatusNotConfigured JobStatus = "NotConfigured"
	StatusNotRun        JobStatus = "NotRun" // its first cycle was not completed
	StatusActive        JobStatus = "Active"
	StatusPaused        JobStatus = "Paused"
	StatusQuarantine    JobStatus = "Quarantine"
	StatusDisabled      JobStatus = "Disabled" // after 28 days of quarantine; Graph calls it Paused with a schedule that is Disabled
)
