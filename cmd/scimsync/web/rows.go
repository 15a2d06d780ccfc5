package web

import (
	"time"

	"github.com/scimsync/scimsync/engine"
)

// LogRow is one line of the provisioning log for programs.
type LogRow struct {
	ID         int64                 `json:"id"`
	Job        engine.JobID          `json:"job,omitempty"`
	Time       time.Time             `json:"time"`
	Cycle      engine.CycleID        `json:"cycle"`
	Type       engine.Kind           `json:"type"`
	Action     engine.Action         `json:"action"`
	Status     engine.LogStatus      `json:"status"`
	Rule       engine.Rule           `json:"rule"`
	Reason     engine.Reason         `json:"reason"`
	Source     engine.Identity       `json:"source"`
	Target     engine.Identity       `json:"target"`
	Code       engine.Code           `json:"code,omitempty"`
	HTTPStatus int                   `json:"httpStatus,omitempty"`
	Detail     string                `json:"detail,omitempty"`
	Changes    []engine.LoggedChange `json:"changes,omitempty"`
	DurationMS int64                 `json:"durationMs"`
	By         string                `json:"by,omitempty" doc:"who started it; absent for the engine"`
	MatchedBy  string                `json:"matchedBy,omitempty" doc:"the attribute that found the account, or created"`
}

// LogRowOf shows a row of the provisioning log.
func LogRowOf(e engine.LogEntry) LogRow {
	return LogRow{
		ID: e.ID, Job: e.Job, Time: e.At.UTC(), Cycle: e.Cycle, Type: e.Kind, Action: e.Action, Status: e.Status, Rule: e.Rule,
		Reason: e.Reason, Source: e.Source, Target: e.Target, Code: e.Code, HTTPStatus: e.HTTPStatus, Detail: e.Detail,
		Changes: e.Changes, DurationMS: e.Duration.Milliseconds(), By: e.By, MatchedBy: e.MatchedBy,
	}
}

// RunResult is the answer of `run --once` (contract section 4).
type RunResult struct {
	Cycles []CycleResult `json:"cycles"`
}

// CycleResult is a cycle with its numbers (contract section 4). Phase and the progress are those of a running one.
type CycleResult struct {
	Job         string            `json:"job"`
	Cycle       string            `json:"cycle"`
	Kind        engine.CycleKind  `json:"kind"`
	State       engine.CycleState `json:"state"`
	Phase       engine.Phase      `json:"phase,omitempty"`
	Done        int               `json:"done,omitempty" doc:"changes worked off, of a running cycle"`
	Total       int               `json:"total,omitempty" doc:"changes there are, of a running cycle"`
	StartedAt   time.Time         `json:"startedAt"`
	EndedAt     time.Time         `json:"endedAt"`
	Users       UserCounts        `json:"users"`
	Groups      GroupCounts       `json:"groups"`
	Memberships MembershipCounts  `json:"memberships"`
	Requests    RequestCounts     `json:"requests"`
	Quarantine  *CycleProblem     `json:"quarantine"`
	Error       *CycleProblem     `json:"error,omitempty"`
}

// UserCounts are the buckets of users: each user that was evaluated counts in exactly one.
type UserCounts struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Disabled  int `json:"disabled"`
	Enabled   int `json:"enabled"`
	Deleted   int `json:"deleted"`
	Unchanged int `json:"unchanged"`
	Skipped   int `json:"skipped"`
	Failed    int `json:"failed"`
	Held      int `json:"held"`
}

// GroupCounts are the buckets of groups.
type GroupCounts struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Deleted   int `json:"deleted"`
	Unchanged int `json:"unchanged"`
	Skipped   int `json:"skipped"`
	Failed    int `json:"failed"`
	Held      int `json:"held"`
}

// MembershipCounts are the numbers of references.
type MembershipCounts struct {
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Pending int `json:"pending"`
	Failed  int `json:"failed"`
}

// RequestCounts are the requests of a cycle on the wire.
type RequestCounts struct {
	Source       int `json:"source"`
	Target       int `json:"target"`
	TargetWrites int `json:"targetWrites"`
}

// CycleProblem is what broke a cycle off, or why its job is in quarantine.
type CycleProblem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// CycleResultOf shows a cycle.
func CycleResultOf(c engine.Cycle) CycleResult {
	n := c.Counts
	u, g := engine.User.Counter, engine.Group.Counter
	r := CycleResult{
		Job: string(c.Job), Cycle: string(c.ID), Kind: c.Kind, State: c.State, StartedAt: c.StartedAt, EndedAt: c.EndedAt,
		Users: UserCounts{
			Created: n[u(engine.BucketCreated)], Updated: n[u(engine.BucketUpdated)], Disabled: n[u(engine.BucketDisabled)],
			Enabled: n[u(engine.BucketEnabled)], Deleted: n[u(engine.BucketDeleted)], Unchanged: n[u(engine.BucketUnchanged)],
			Skipped: n[u(engine.BucketSkipped)], Failed: n[u(engine.BucketFailed)], Held: n[u(engine.BucketHeld)],
		},
		Groups: GroupCounts{
			Created: n[g(engine.BucketCreated)], Updated: n[g(engine.BucketUpdated)] + n[g(engine.BucketEnabled)],
			Deleted: n[g(engine.BucketDeleted)], Unchanged: n[g(engine.BucketUnchanged)],
			Skipped: n[g(engine.BucketSkipped)], Failed: n[g(engine.BucketFailed)], Held: n[g(engine.BucketHeld)],
		},
		Memberships: MembershipCounts{
			Added: n[engine.MembershipsAdded], Removed: n[engine.MembershipsRemoved],
			Pending: n[engine.MembershipsPending], Failed: n[engine.MembershipsFailed],
		},
		Requests: RequestCounts{Source: n[engine.RequestsSource], Target: n[engine.RequestsTarget], TargetWrites: n[engine.RequestsWrites]},
	}
	if c.State == engine.CycleRunning {
		r.Phase, r.Done, r.Total = c.Phase, n[engine.ObjectsDone], n[engine.ObjectsQueued]
	}
	switch p := (&CycleProblem{Code: c.ErrorCode, Message: c.Error}); {
	case c.State == engine.CycleQuarantined || c.State == engine.CycleHeld:
		r.Quarantine = p
	case c.ErrorCode != "" || c.Error != "":
		r.Error = p
	}
	return r
}

// PlanResult is the answer of `plan` (contract section 3).
type PlanResult struct {
	Job        string             `json:"job"`
	Operations []PlannedOperation `json:"operations"`
	Summary    CycleResult        `json:"summary"`
}

// PlannedOperation is what the next cycle would do to one object.
type PlannedOperation struct {
	Type    engine.Kind           `json:"type"`
	Action  engine.Action         `json:"action"`
	Source  engine.Identity       `json:"source"`
	Target  engine.Identity       `json:"target"`
	Reason  engine.Reason         `json:"reason"`
	Rule    engine.Rule           `json:"rule"`
	Detail  string                `json:"detail,omitempty"`
	Changes []engine.LoggedChange `json:"changes"`
}

// PlannedOf shows a log row of a plan.
func PlannedOf(e engine.LogEntry) PlannedOperation {
	return PlannedOperation{
		Type: e.Kind, Action: e.Action, Source: e.Source, Target: e.Target, Reason: e.Reason, Rule: e.Rule, Detail: e.Detail,
		Changes: append([]engine.LoggedChange{}, e.Changes...),
	}
}

// ProvisionedObject is the answer to on-demand provisioning of one object: [engine.Provisioned] with the log row that was,
// or would be, written.
type ProvisionedObject struct {
	Subject   engine.Identity     `json:"subject" doc:"its id is empty when nobody was found"`
	Type      engine.Kind         `json:"type"`
	Status    engine.LogStatus    `json:"status"`
	Row       *LogRow             `json:"row,omitempty" doc:"the log row as it was, or in a dry run would be, written"`
	Steps     []engine.Step       `json:"steps"`
	Members   []ProvisionedObject `json:"members,omitempty"`
	DryRun    bool                `json:"dryRun,omitzero"`
	Explain   []string            `json:"explain,omitempty" doc:"why it is in scope or not, one fact a line"`
	StartedAt time.Time           `json:"startedAt"`
	EndedAt   time.Time           `json:"endedAt"`
}

// ProvisionedOf shows the answer to on-demand provisioning.
func ProvisionedOf(p engine.Provisioned) ProvisionedObject {
	o := ProvisionedObject{
		Subject: p.Subject, Type: p.Kind, Status: p.Status, Steps: append([]engine.Step{}, p.Steps...), DryRun: p.DryRun, Explain: p.Explain,
		StartedAt: p.StartedAt.UTC(), EndedAt: p.EndedAt.UTC(),
	}
	if p.Entry.Action != "" {
		o.Row = new(LogRowOf(p.Entry))
	}
	for _, m := range p.Members {
		o.Members = append(o.Members, ProvisionedOf(m))
	}
	return o
}

// CheckResult is the answer to a connection test.
type CheckResult struct {
	OK     bool             `json:"ok"`
	Source []engine.Finding `json:"source"`
	Target []engine.Finding `json:"target"`
}
