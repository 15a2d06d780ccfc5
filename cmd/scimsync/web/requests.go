package web

import (
	"net/url"
	"strconv"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// RestartRequest is the body of a restart (section 5).
type RestartRequest struct {
	Criteria *RestartCriteria `json:"criteria,omitempty"`
}

// RestartCriteria says what a restart clears.
type RestartCriteria struct {
	ResetScope string `json:"resetScope,omitempty" doc:"comma list of None, ConnectorDataStore, Escrows, Watermark, QuarantineState, Full, ForceDeletes; empty: QuarantineState, Watermark, Escrows"`
}

// QuarantineRequest is the body of an operator's quarantine.
type QuarantineRequest struct {
	Reason string `json:"reason,omitempty" doc:"why, for the audit"`
}

// ProvisionRequest asks for objects to be provisioned now.
type ProvisionRequest struct {
	Subjects []SubjectRequest `json:"subjects"`
	DryRun   bool             `json:"dryRun,omitempty"`
	Explain  bool             `json:"explain,omitempty" doc:"also tell why each is in scope or not"`
}

// SubjectRequest names a user by id, userPrincipalName or mail, or a group by id or name.
type SubjectRequest struct {
	Type    engine.Kind `json:"type,omitempty" enum:"user,group" doc:"default user"`
	Name    string      `json:"name"`
	Members []string    `json:"members,omitempty" doc:"of a group; absent: all"`
}

// DriftRequest asks for a comparison with the target.
type DriftRequest struct {
	Repair bool `json:"repair,omitempty" doc:"queue what differs for repair by the next cycle"`
}

// SyncResult names the cycle that was started or joined.
type SyncResult struct {
	Cycle engine.CycleID `json:"cycle"`
}

// PageQuery asks for a page of a list.
type PageQuery struct {
	Top  int    // rows of a page; 0: 100
	Skip string // the token of the page before, from its next link
}

func (q PageQuery) values() url.Values {
	v := url.Values{}
	if q.Top > 0 {
		v.Set("$top", strconv.Itoa(q.Top))
	}
	set(v, "$skiptoken", q.Skip)
	return v
}

// LinkQuery selects links; zero fields select everything.
type LinkQuery struct {
	PageQuery
	Type           engine.Kind
	State          engine.LinkState
	Source, Target string // exact ids
}

func (q LinkQuery) values() url.Values {
	v := q.PageQuery.values()
	set(v, "type", string(q.Type))
	set(v, "state", string(q.State))
	set(v, "source", q.Source)
	set(v, "target", q.Target)
	return v
}

// LogQuery selects rows of the provisioning log; zero fields select everything.
type LogQuery struct {
	User   string // id or part of a name, on either side
	Action engine.Action
	Status engine.LogStatus
	Since  time.Time
	Cycle  engine.CycleID
	After  int64 // rows written after this one
	Newest bool  // newest first; After then means before
	Limit  int
}

func (q LogQuery) values() url.Values {
	v := url.Values{}
	set(v, "user", q.User)
	set(v, "action", string(q.Action))
	set(v, "status", string(q.Status))
	set(v, "cycle", string(q.Cycle))
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if q.After > 0 {
		v.Set("after", strconv.FormatInt(q.After, 10))
	}
	if q.Newest {
		v.Set("newest", "true")
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// AuditQuery selects audit rows; zero fields select everything.
type AuditQuery struct {
	Job          engine.JobID
	By, Activity string
	Since, Until time.Time
	After        int64
	Limit        int
}

func (q AuditQuery) values() url.Values {
	v := url.Values{}
	set(v, "job", string(q.Job))
	set(v, "by", q.By)
	set(v, "activity", q.Activity)
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		v.Set("until", q.Until.UTC().Format(time.RFC3339Nano))
	}
	if q.After > 0 {
		v.Set("after", strconv.FormatInt(q.After, 10))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

func set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}
