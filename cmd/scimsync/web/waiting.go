package web

import (
	"time"

	"github.com/scimsync/scimsync/engine"
)

// DeletionList is a page of what guards hold back. Snapshot stands for everything that was held and undecided when the
// first page was made: an approval that names it covers exactly that.
type DeletionList struct {
	Value    []HeldChange `json:"value"`
	Next     string       `json:"@odata.nextLink,omitempty" doc:"address of the next page; absent on the last"`
	Snapshot string       `json:"snapshot" doc:"names all that was held and undecided at that moment; empty if nothing was"`
	Waiting  int          `json:"waiting" doc:"number of held changes and membership removals without a verdict"`
}

// HeldChange is a held disable or delete, or the held membership removals of one group.
type HeldChange struct {
	ID        string           `json:"id" doc:"names the object and what would be done to it"`
	Type      engine.Kind      `json:"type"`
	Action    engine.Action    `json:"action" doc:"disable or delete; update for membership removals"`
	Source    engine.Identity  `json:"source"`
	Target    engine.Identity  `json:"target"`
	Cause     engine.HoldCause `json:"cause,omitempty"`
	Rule      engine.Rule      `json:"rule,omitempty"`
	Reason    engine.Reason    `json:"reason,omitempty"`
	Detail    string           `json:"detail,omitempty"`
	Limit     int              `json:"limit,omitempty" doc:"disables and deletes that the cycle allowed"`
	Since     time.Time        `json:"since,omitzero"`
	Verdict   engine.Verdict   `json:"verdict,omitempty" enum:"approved,rejected"`
	VerdictAt time.Time        `json:"verdictAt,omitzero"`
	Until     time.Time        `json:"until,omitzero" doc:"when the approval expires"`
	By        string           `json:"by,omitempty"`
	Comment   string           `json:"comment,omitempty"`
	// Members are those that the group would lose, the first hundred; Removals is how many.
	Members  []string `json:"members,omitempty"`
	Removals int      `json:"removals,omitempty"`
	Has      int      `json:"has,omitempty" doc:"members that the group has now"`
}

// JudgeRequest names what an approval or a rejection is about: some ids, a snapshot, or all that is held now.
type JudgeRequest struct {
	IDs      []string `json:"ids,omitempty"`
	Snapshot string   `json:"snapshot,omitempty"`
	All      bool     `json:"all,omitempty"`
	Comment  string   `json:"comment,omitempty" doc:"why; required"`
}

// JudgeResult is how many held changes were judged.
type JudgeResult struct {
	Judged int `json:"judged"`
}

// EscrowRow is an object, or a reference of one, that failed and waits for a retry.
type EscrowRow struct {
	ID           string             `json:"id"`
	Type         engine.Kind        `json:"type"`
	Source       engine.Identity    `json:"source"`
	Target       engine.Identity    `json:"target"`
	Reference    *EscrowReference   `json:"reference,omitempty" doc:"set when only a reference of the object failed"`
	State        engine.ChangeState `json:"state" enum:"escrow,expired" doc:"expired: failed for 28 days, not retried until it changes"`
	Code         engine.Code        `json:"code"`
	HTTPStatus   int                `json:"httpStatus,omitempty"`
	Detail       string             `json:"detail,omitempty"`
	Attempts     int                `json:"attempts"`
	FirstFailure time.Time          `json:"firstFailure"`
	LastFailure  time.Time          `json:"lastFailure"`
	Due          time.Time          `json:"due,omitzero" doc:"when it is tried next"`
}

// EscrowReference is a reference that could not be exported.
type EscrowReference struct {
	Relation engine.Relation `json:"relation" enum:"member,manager"`
	To       string          `json:"to" doc:"source id of the other end"`
	ToType   engine.Kind     `json:"toType"`
	ToName   string          `json:"toName,omitempty" doc:"what that is called, where the job knows"`
	Remove   bool            `json:"remove,omitzero" doc:"it was to be removed, not added"`
}

// EscrowCause sums up failures of one cause.
type EscrowCause struct {
	Code       engine.Code `json:"code"`
	HTTPStatus int         `json:"httpStatus,omitempty"`
	Detail     string      `json:"detail,omitempty"`
	Count      int         `json:"count"`
	Oldest     time.Time   `json:"oldest"`
	NextDue    time.Time   `json:"nextDue,omitzero"`
	Expired    int         `json:"expired,omitzero" doc:"of these, no longer retried"`
	Example    string      `json:"example" doc:"id of one of them"`
}

// EscrowCauses are failures grouped by cause, the commonest first.
type EscrowCauses struct {
	Value []EscrowCause `json:"value"`
	Total int           `json:"total"`
	// Other counts failures of causes beyond the thousand that are told apart.
	Other int `json:"other,omitzero"`
}

// IDsRequest names objects; without ids it means all.
type IDsRequest struct {
	IDs []string `json:"ids,omitempty" doc:"absent: all"`
}

// CountResult is how many objects an operation was about.
type CountResult struct {
	Count int `json:"count"`
}

// LinkRow is the pair of a source and a target object.
type LinkRow struct {
	ID        string           `json:"id"`
	Type      engine.Kind      `json:"type"`
	Source    engine.Identity  `json:"source"`
	Target    engine.Identity  `json:"target"`
	State     engine.LinkState `json:"state" enum:"managed,suspended,released"`
	MatchedBy string           `json:"matchedBy,omitempty"`
	Disabled  bool             `json:"disabled,omitzero" doc:"the account was disabled by us"`
	Recycled  bool             `json:"recycled,omitzero"`
	Verify    bool             `json:"verify,omitzero" doc:"the account is read before the next decision about it"`
	DeleteAt  time.Time        `json:"deleteAt,omitzero" doc:"when the disabled account is to be deleted"`
	Left      engine.Reason    `json:"left,omitempty"`
	CreatedAt time.Time        `json:"createdAt"`
	UpdatedAt time.Time        `json:"updatedAt"`
	// Exported is what the target is known to hold; only told of a single link.
	Exported map[string]any `json:"exported,omitempty"`
}

// LinkRequest asks for a link to be made by hand.
type LinkRequest struct {
	Type   engine.Kind `json:"type" enum:"user,group"`
	Source string      `json:"source" doc:"id at the source"`
	Target string      `json:"target" doc:"id at the target"`
}

// ObjectConnection is a link in the words of Graph (provisioning.md section 29).
type ObjectConnection struct {
	ObjectID       string `json:"objectId"`
	SourceAnchor   string `json:"sourceAnchor"`
	TargetAnchor   string `json:"targetAnchor"`
	DisplayName    string `json:"displayName"`
	ObjectTypeName string `json:"objectTypeName"`
}

// FeedRow tells how far a feed of the source was read. It never holds a link or cursor.
type FeedRow struct {
	Feed        engine.Feed `json:"feed"`
	State       string      `json:"state" enum:"new,idle,reading"`
	WatermarkAt time.Time   `json:"watermarkAt,omitzero"`
	AgeSeconds  int64       `json:"ageSeconds,omitzero" doc:"of the watermark"`
	Generation  int64       `json:"generation" doc:"number of full reads"`
	Full        bool        `json:"full" doc:"the open round is a full read"`
	Pages       int         `json:"pages" doc:"of the open round"`
	Suspect     bool        `json:"suspect,omitzero" doc:"the open round looks cut short"`
}
