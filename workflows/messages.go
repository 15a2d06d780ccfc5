package workflows

// CycleInput starts a cycle.
type CycleInput struct {
	Job string
}

// CycleResult tells how a cycle ended; its numbers are in the store.
type CycleResult struct {
	Job   string
	Cycle string
	State string
	// NotNow says why no cycle began: the job is paused, or in quarantine until the next attempt. Then Cycle is "".
	NotNow string
}

// CycleRef names the cycle that a step belongs to.
type CycleRef struct {
	Job   string
	Cycle string
	Kind  string
	Plan  string // id of the saved plan that the cycle keeps to
	// NotNow says that no cycle began, and why.
	NotNow string
}

// BatchRef is a run of queued changes to export.
type BatchRef struct {
	Ref   CycleRef
	Kind  string
	Stage int
	From  int64
	To    int64
	Last  bool
}

// PlanResult is what there is to export.
type PlanResult struct {
	Batches     []BatchRef
	Destructive int
}

// EdgesInput asks for the objects with references to export.
type EdgesInput struct {
	Ref      CycleRef
	Relation string
}

// StretchRef is a run of objects whose references are exported. After and UpTo are object ids of the
// source.
type StretchRef struct {
	Ref      CycleRef
	Relation string
	After    string
	UpTo     string
}

// StretchesResult lists runs.
type StretchesResult struct {
	Stretches []StretchRef
}

// EndInput closes a cycle; Broke is nil if it went through.
type EndInput struct {
	Ref   CycleRef
	Broke *Broke
}

// Broke says what ended a cycle early. Its message is free of personal data.
type Broke struct {
	Code       string
	Side       string
	Message    string
	Quarantine bool
}

// ProvisionInput asks for objects to be provisioned now. What was asked, and the answer, are in the store under
// the id of the request.
type ProvisionInput struct {
	Job     string
	Request string
}

// ProvisionResult counts the answers by status.
type ProvisionResult struct {
	Success, Warning, Skipped, Failure int
}
