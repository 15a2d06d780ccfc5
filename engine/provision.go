package engine

import (
	"context"
	"time"
)

// Subject is whom or what on-demand provisioning is about: a user by id, userPrincipalName or mail, or a group by id or name.
type Subject struct {
	Kind Kind
	Name string
	// Members are the members of a group to provision with it, by id, userPrincipalName or mail; nil means all
	// members, an empty slice none.
	Members []string
}

// StepType is a step of the pipeline (provisioning.md section 7).
type StepType string

const (
	StepImport     StepType = "import"
	StepScoping    StepType = "scoping"
	StepMatching   StepType = "matching"
	StepProcessing StepType = "processing"
	StepReferences StepType = "referenceResolution"
	StepExport     StepType = "export"
)

// Step is one step of provisioning an object, with its facts.
type Step struct {
	Type   StepType  `json:"type"`
	Name   string    `json:"name"` // event name as Entra shows it: EntryImportAdd
	Status LogStatus `json:"status"`
	// Description says in a sentence what was found.
	Description string `json:"description"`
	// Details are the facts, in the order in which people read them.
	Details []Detail  `json:"details,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// Detail is one fact of a step.
type Detail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Provisioned is the answer to on-demand provisioning of one object.
type Provisioned struct {
	Subject Identity      `json:"subject"` // id is "" when nobody was found
	Kind    Kind          `json:"type"`
	Status  LogStatus     `json:"status"`
	Entry   LogEntry      `json:"entry"` // the log row as it was, or would be, written
	Steps   []Step        `json:"steps"`
	Members []Provisioned `json:"members,omitempty"` // of a group
	DryRun  bool          `json:"dryRun,omitzero"`
	// Explain is why the object is in scope or not: every assignment, group path, role and clause in
	// words, one a line.
	Explain   []string  `json:"explain,omitempty"`
	StartedAt time.Time `json:"startedAt"`
	EndedAt   time.Time `json:"endedAt"`
}

// Inquiries keeps what somebody asked for by name, and the answer, for a day: workflows carry the id alone.
type Inquiries interface {
	PutRequest(ctx context.Context, j JobID, id string, request []byte) error
	// Request returns an error that wraps [ErrNotFound] if there is none; answer is nil until there is one.
	Request(ctx context.Context, j JobID, id string) (request, answer []byte, err error)
	PutAnswer(ctx context.Context, j JobID, id string, answer []byte) error
}
