package engine

import (
	"context"
	"time"
)

// Verdict is what an administrator said about a held change.
type Verdict string

const (
	Undecided Verdict = ""
	Approved  Verdict = "approved"
	Rejected  Verdict = "rejected"
)

// HoldCause is the guard that holds a change.
type HoldCause string

const (
	// HoldThreshold: a cycle would disable or delete more than the job allows (18.4).
	HoldThreshold HoldCause = "threshold"
	// HoldLapsed: nearly everybody lost the assignment at once, which looks like an answer cut short.
	HoldLapsed HoldCause = "lapsed"
	// HoldMissing: the object was missing from a full read that looks cut short (18.8). What became
	// of it is not known; an approval lets the source be asked about it.
	HoldMissing HoldCause = "missing"
)

// Hold is kept with a change that a guard withholds. A verdict is bound to the action it was given for.
type Hold struct {
	Cause  HoldCause `json:"cause"`
	Action Action    `json:"action"`
	Rule   Rule      `json:"rule,omitempty"`
	Reason Reason    `json:"reason,omitempty"`
	Detail string    `json:"detail,omitempty"`
	// Limit is the number of disables and deletes that the cycle allowed when it was first held.
	Limit int       `json:"limit"`
	Since time.Time `json:"since"`
	// PassedOver: verdicts were given about others that were held with it, and none about it.
	PassedOver bool `json:"passedOver,omitzero"`

	Verdict   Verdict   `json:"verdict,omitempty"`
	VerdictAt time.Time `json:"verdictAt,omitzero"`
	// Until is when an approval expires (18.7: 72 h); zero for a rejection, which holds until the source
	// object changes.
	Until   time.Time `json:"until,omitzero"`
	By      string    `json:"by,omitempty"`
	Comment string    `json:"comment,omitempty"`
}

// Judged is a verdict about one held change, as it was listed.
type Judged struct {
	Ref
	Action Action
}

// Holds are the guards' part of the queue.
type Holds interface {
	// Judge gives a verdict about held changes whose Hold has the action named; others are passed over. It
	// returns how many were judged.
	Judge(ctx context.Context, j JobID, about []Judged, v Verdict, at, until time.Time, by, comment string) (int, error)

	// MarkSuspect marks the open full round of a feed as not to be believed, and queues the linked Active
	// objects that it did not contain. The mark is gone with the next OpenRound.
	MarkSuspect(ctx context.Context, j JobID, f Feed) error

	// HoldRemovals looks at all membership removals that are up for export: edges of linked groups to
	// linked members that were exported and are not wanted any more. Those under an approval or a rejection
	// are left out. When there are more than g.Max of them all are held; and those of each group
	// that would lose all of at least g.Emptied members are held. Removals held before that no longer come under
	// either rule are released. It returns how many are held and undecided now.
	HoldRemovals(ctx context.Context, j JobID, g RemovalGuard, now time.Time) (held int, err error)
	// HeldRemovals lists groups with held removals by id, after a position; rejected ones too.
	HeldRemovals(ctx context.Context, j JobID, after string, limit int) ([]HeldRemoval, error)
	// JudgeRemovals gives a verdict about the removals of a group to the members named. An approval lets
	// them be exported; a rejection keeps them out of every cycle until the source tells of the edge again.
	JudgeRemovals(ctx context.Context, j JobID, group string, members []Ref, v Verdict) (int, error)

	// References counts the edges of a job that wait for somebody.
	References(ctx context.Context, j JobID) (References, error)
}

// References are numbers of edges that do not wait in the queue of objects.
type References struct {
	// Held are membership removals that a guard holds back and nobody judged, HeldGroups the groups they are of.
	Held, HeldGroups int
	// Rejected are removals that an administrator rejected.
	Rejected int
	// Failed are memberships and managers whose export failed, those that are not tried any more included.
	Failed int
}

// RemovalGuard is the guard of memberships (18.6). Zero switches a rule off.
type RemovalGuard struct {
	Max     int // removals that one cycle may make
	Emptied int // a group with at least that many members is not emptied
}

// HeldRemoval are the held removals of one group.
type HeldRemoval struct {
	Group   Ref
	Name    string // of the group, as last exported
	Members []Ref
	Verdict Verdict
	Has     int // members that the group has at the target, those held included
}
