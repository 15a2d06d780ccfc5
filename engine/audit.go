package engine

import (
	"context"
	"time"
)

// AuditEntry is something that a person changed, started or looked at, or that the engine decided about a job
// as a whole (provisioning.md section 23).
type AuditEntry struct {
	ID  int64     `json:"id"`
	At  time.Time `json:"at"`
	Job JobID     `json:"job,omitempty"` // "" for what concerns no single job
	// By is the name of the token that was used, the user of the command line, or "system".
	By string `json:"by"`
	// From is where it came from: an address, or "command line".
	From string `json:"from,omitempty"`
	// Activity is what was done, in the words of Entra where there are some: "Quarantine".
	Activity string `json:"activity"`
	// Before and After are what changed, as JSON texts; secrets are masked by whoever writes them.
	Before  string `json:"before,omitempty"`
	After   string `json:"after,omitempty"`
	Comment string `json:"comment,omitempty"`
	// Failed says that it was tried in vain; Comment says why.
	Failed bool `json:"failed,omitzero"`
}

// Activities of the audit (section 23).
const (
	AuditSettings    = "Update provisioning setting or credentials"
	AuditMappings    = "Update attribute mappings or scope"
	AuditStarted     = "Enable/start provisioning configuration"
	AuditPaused      = "Disable/pause provisioning configuration"
	AuditRestarted   = "Enable/restart provisioning configuration"
	AuditQuarantine  = "Quarantine"
	AuditStopped     = "Stop cycle"
	AuditSynced      = "Start cycle"
	AuditApproved    = "Approve deletions"
	AuditRejected    = "Reject deletions"
	AuditRetried     = "Retry failed objects"
	AuditIgnored     = "Ignore failed objects"
	AuditOnDemand    = "Provision on demand"
	AuditPlanned     = "Plan"
	AuditLinked      = "Add link"
	AuditUnlinked    = "Remove link"
	AuditDrift       = "Compare with target"
	AuditRepaired    = "Repair drift"
	AuditTested      = "Test connection"
	AuditDeleted     = "Delete job"
	AuditExported    = "Export schema"
	AuditCredentials = "Credentials expire"
)

// AuditFilter selects audit rows; zero fields select everything.
type AuditFilter struct {
	Job      JobID
	By       string
	Activity string
	Since    time.Time
	Until    time.Time
	AfterID  int64
	Limit    int // 0: 1,000
}

// Audit remembers who changed or started what. Rows are never changed.
type Audit interface {
	PutAudit(ctx context.Context, e AuditEntry) error
	// AuditEntries lists rows, oldest first.
	AuditEntries(ctx context.Context, f AuditFilter) ([]AuditEntry, error)
}
