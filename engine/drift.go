package engine

import "time"

// DriftClass is what an account of the target is to the job (provisioning.md section 28).
type DriftClass string

const (
	DriftLocal      DriftClass = "local"      // no source object matches it
	DriftUnassigned DriftClass = "unassigned" // matches a source object that is not in scope
	DriftAssigned   DriftClass = "assigned"   // matches one that is in scope: linked, or to be linked
	DriftAmbiguous  DriftClass = "ambiguous"  // several match, on either side
	DriftUnentitled DriftClass = "unentitled" // linked, but the source object is not entitled
	DriftOrphaned   DriftClass = "orphaned"   // a link whose account is gone
)

// Drift compares the target with what a job believes, at one moment.
type Drift struct {
	Job       JobID              `json:"job"`
	StartedAt time.Time          `json:"startedAt"`
	EndedAt   time.Time          `json:"endedAt"`
	Classes   map[DriftClass]int `json:"classes"`
	// Accounts, Attributes and Memberships count what differs: accounts that are not what the job made or would leave
	// them, attributes of linked accounts, members of linked groups. Findings has each of them, up to a limit for every kind and
	// class; a last finding of the class, about no account, then says in Detail how many more there are.
	Accounts    int            `json:"accounts"`
	Attributes  int            `json:"attributes"`
	Memberships int            `json:"memberships"`
	Findings    []DriftFinding `json:"findings"`
	// Incomplete says of each kind why the listing of the target cannot be trusted to be complete; then nothing is
	// called orphaned.
	Incomplete map[Kind]string `json:"incomplete,omitempty"`
	// Repaired is how many objects were queued for repair by the next cycle; nothing is written before.
	Repaired int `json:"repaired"`
	// Repairable is how many objects a repair queues, or would have queued: what the job does not manage stays.
	Repairable int `json:"repairable"`
}

// DriftFinding is one account with its class and its differences. Accounts that are assigned and do not differ are
// counted, not listed.
type DriftFinding struct {
	Kind   Kind       `json:"type"`
	Class  DriftClass `json:"class"`
	Source Identity   `json:"source"`
	Target Identity   `json:"target"`
	// Linked tells of an assigned one whether there is a link already.
	Linked bool `json:"linked"`
	// Changes are attributes that the target has changed since they were exported: Old is what it has now, New
	// what was exported; of an account that nobody is entitled to, what the job has to write. Each member is a change
	// of its own, named by target id: missing ones are New, those that nobody asked for are Old.
	Changes []LoggedChange `json:"changes,omitempty"`
	// Strangers are the members among Changes that the job does not manage, by target id: they stay (13.3).
	Strangers []string `json:"strangers,omitempty"`
	Detail    string   `json:"detail,omitempty"`
}
