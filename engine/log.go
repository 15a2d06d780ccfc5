package engine

import (
	"context"
	"time"
)

// LogStatus is the status of a provisioning log row.
type LogStatus string

const (
	StatusSuccess LogStatus = "success"
	StatusFailure LogStatus = "failure"
	StatusSkipped LogStatus = "skipped"
	StatusWarning LogStatus = "warning"
)

// LogEntry is one row of the provisioning log: one object operation in one cycle. It is immutable, and
// holds names and values: it is read under access rules and never written to the process log.
type LogEntry struct {
	ID         int64
	At         time.Time
	Job        JobID
	Cycle      CycleID
	Action     Action
	Status     LogStatus
	Rule       Rule
	Reason     Reason
	Source     Identity
	Target     Identity
	Kind       Kind
	Code       Code
	HTTPStatus int
	Detail     string
	Changes    []LoggedChange
	Duration   time.Duration
	// By is who started it: "" for the engine, else a person or token (on demand).
	By string
	// MatchedBy is the attribute by which the target object was found, "created", or "" when no match was made.
	MatchedBy string
}

// Identity names an object in the log.
type Identity struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// LoggedChange is one modified property. Members are named by their source ids.
type LoggedChange struct {
	Attribute string `json:"attribute"`
	Old       any    `json:"old"`
	New       any    `json:"new"`
}

// LogFilter selects rows; zero fields select everything.
type LogFilter struct {
	Cycle   CycleID
	Action  Action
	Status  LogStatus
	Subject string // source id, target id or a part of either name
	Since   time.Time
	Until   time.Time
	Kind    Kind
	Code    Code
	ID      int64  // this very row
	Source  string // exact id at the source
	Target  string // exact id at the target
	AfterID int64  // rows written after this one
	// Newest lists the newest rows first; AfterID then means rows written before it.
	Newest bool
	Limit  int // 0: 1,000
}

// Log reads the provisioning log, oldest first.
type Log interface {
	Entries(ctx context.Context, j JobID, f LogFilter) ([]LogEntry, error)
}
