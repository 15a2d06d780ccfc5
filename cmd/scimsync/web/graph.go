package web

import (
	"time"

	"github.com/scimsync/scimsync/engine"
)

// Page is one page of a list, in the shape of OData. Next is the address of the page after it, "" on the last one.
type Page[T any] struct {
	Context string `json:"@odata.context,omitempty"`
	Value   []T    `json:"value"`
	Next    string `json:"@odata.nextLink,omitempty" doc:"address of the next page; absent on the last"`
}

// SynchronizationJob is a job as Microsoft Graph shows it (synchronization-api.md section 3), and below that what
// only we tell. Clients of Graph pass over the latter.
type SynchronizationJob struct {
	Context    string      `json:"@odata.context,omitempty"`
	ID         string      `json:"id"`
	TemplateID string      `json:"templateId"`
	Schedule   Schedule    `json:"schedule"`
	Status     JobStatus   `json:"status"`
	Settings   []NameValue `json:"synchronizationJobSettings"`

	Connection string                                   `json:"connection" doc:"id of the service principal at the source, or the job's id"`
	Enabled    bool                                     `json:"enabled" doc:"switched on in the configuration file"`
	Scope      engine.Scope                             `json:"scope" enum:"assigned,all"`
	Source     Endpoint                                 `json:"source"`
	Target     Endpoint                                 `json:"target"`
	Links      map[engine.Kind]map[engine.LinkState]int `json:"links" doc:"number of links by kind of object and state"`
	Queue      map[engine.ChangeState]int               `json:"queue" doc:"number of queued changes by state: queued, ready, escrow, held, later, expired"`
	References ReferenceCounts                          `json:"references" doc:"what waits of memberships and managers, which the queue does not count"`
	Running    *CycleResult                             `json:"running,omitempty" doc:"the cycle that is under way"`
	LastCycle  *CycleResult                             `json:"lastCycle,omitempty" doc:"the newest cycle that ended; status.lastExecution tells of it in the words of Graph, which has none for held and quarantined"`
}

// ReferenceCounts are numbers of references that wait for somebody.
type ReferenceCounts struct {
	Held       int `json:"held" doc:"membership removals that a guard holds back, without a verdict"`
	HeldGroups int `json:"heldGroups" doc:"groups that these are of"`
	Rejected   int `json:"rejected" doc:"membership removals that were rejected"`
	Failed     int `json:"failed" doc:"memberships and managers that failed, those given up included"`
}

// Endpoint is one side of a job.
type Endpoint struct {
	Type     string    `json:"type"`
	Name     string    `json:"name"`
	TenantID string    `json:"tenantId,omitempty"`
	BaseURL  string    `json:"baseUrl,omitempty"`
	AuthType string    `json:"authenticationType,omitempty"`
	Expires  time.Time `json:"expires,omitzero" doc:"when the credentials end"`
}

// NameValue is a setting. Values are texts even where they are numbers.
type NameValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// KeyValue is a secret or a setting that Graph keeps among the secrets.
type KeyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Schedule says when cycles start.
type Schedule struct {
	Expiration *time.Time `json:"expiration"`
	Interval   *string    `json:"interval" doc:"ISO 8601 duration; null for a job that was never started"`
	State      string     `json:"state" enum:"Active,Disabled,Paused"`
}

// JobStatus is a synchronizationStatus.
type JobStatus struct {
	Code                         string          `json:"code" enum:"NotConfigured,NotRun,Active,Paused,Quarantine"`
	SuccessiveFailures           int64           `json:"countSuccessiveCompleteFailures"`
	EscrowsPruned                bool            `json:"escrowsPruned"`
	LastExecution                *TaskExecution  `json:"lastExecution"`
	LastSuccessfulExecution      *TaskExecution  `json:"lastSuccessfulExecution"`
	LastSuccessfulWithExports    *TaskExecution  `json:"lastSuccessfulExecutionWithExports"`
	Progress                     []TaskProgress  `json:"progress"`
	Quarantine                   *QuarantineInfo `json:"quarantine"`
	SteadyStateFirstAchieved     time.Time       `json:"steadyStateFirstAchievedTime" doc:"0001-01-01T00:00:00Z means never"`
	SteadyStateLastAchieved      time.Time       `json:"steadyStateLastAchievedTime"`
	SynchronizedEntryCountByType []EntryCount    `json:"synchronizedEntryCountByType"`
	TroubleshootingURL           *string         `json:"troubleshootingUrl"`
}

// EntryCount is the number of objects of one kind that the job knows an account for.
type EntryCount struct {
	Key   string `json:"key"`
	Value int64  `json:"value"`
}

// TaskProgress tells how far a running cycle is.
type TaskProgress struct {
	CompletedUnits int32     `json:"completedUnits"`
	TotalUnits     int32     `json:"totalUnits"`
	Units          string    `json:"units"`
	ObservedAt     time.Time `json:"progressObservationDateTime"`
}

// TaskExecution is a cycle that ended, as Graph counts.
type TaskExecution struct {
	ActivityIdentifier           string     `json:"activityIdentifier" doc:"id of the cycle"`
	CountEntitled                int64      `json:"countEntitled"`
	CountEntitledForProvisioning int64      `json:"countEntitledForProvisioning"`
	CountEscrowed                int64      `json:"countEscrowed"`
	CountEscrowedRaw             int64      `json:"countEscrowedRaw"`
	CountExported                int64      `json:"countExported"`
	CountExports                 int64      `json:"countExports"`
	CountImported                int64      `json:"countImported"`
	CountImportedDeltas          int64      `json:"countImportedDeltas"`
	CountImportedReferenceDeltas int64      `json:"countImportedReferenceDeltas"`
	State                        string     `json:"state" enum:"Succeeded,Failed,EntryLevelErrors"`
	Error                        *TaskError `json:"error"`
	TimeBegan                    time.Time  `json:"timeBegan"`
	TimeEnded                    *time.Time `json:"timeEnded"`
}

// TaskError is a synchronizationError.
type TaskError struct {
	Code             string `json:"code"`
	Message          string `json:"message"`
	TenantActionable bool   `json:"tenantActionable" doc:"whether the customer can mend it"`
}

// QuarantineInfo is a synchronizationQuarantine.
type QuarantineInfo struct {
	CurrentBegan time.Time               `json:"currentBegan"`
	SeriesBegan  time.Time               `json:"seriesBegan"`
	SeriesCount  int64                   `json:"seriesCount"`
	NextAttempt  time.Time               `json:"nextAttempt"`
	Reason       engine.QuarantineReason `json:"reason"`
	Error        *TaskError              `json:"error"`
}
