package engine

import (
	"context"
	"io"
	"time"
)

// A Store remembers what a job knows. It decides nothing. Every method is one transaction; a method
// that only reads sees a consistent state. Times are UTC. No method loads a whole table: lists take
// a position to go on after and a limit. It may be used concurrently and by several processes (where
// the database allows it).
type Store interface {
	Feeds
	Objects
	Queue
	Links
	Memberships
	Cycles
	Log
	Controls
	Holds
	Audit
	Notices
	OnDemand
	Inquiries
	Plans
	io.Closer
}

// Feeds remembers how far each feed of a job was read.
type Feeds interface {
	// FeedState returns the zero state for a feed that was never read.
	FeedState(ctx context.Context, j JobID, f Feed) (FeedState, error)

	// OpenRound begins a round, or begins it anew: the cursor is forgotten. A full one gets the
	// next generation and the selection given. The watermark is kept until the round is complete.
	OpenRound(ctx context.Context, j JobID, f Feed, full bool, selection string) (FeedState, error)

	// SavePage stores one page in one transaction: objects, edges and assignments as given, the
	// queue entries, and the cursor. It answers with the objects whose scope may have changed by
	// it: principals of new, changed or removed assignments, and members whose edge from an assigned
	// group was added or removed; these are queued as well, together with the current members of a
	// group whose own assignment (or its Conveys) changed. Saving a page again changes nothing.
	SavePage(ctx context.Context, j JobID, f Feed, p PageWrite) error

	// Unseen lists objects of the kind of a full round that are not marked with its generation and
	// are still Active, or SoftDeleted and linked, by id, after a position.
	Unseen(ctx context.Context, j JobID, k Kind, generation int64, after string, limit int) ([]string, error)

	// CountObjects counts the Active objects of a kind that carry attributes, and how many of them
	// are marked with the generation.
	CountObjects(ctx context.Context, j JobID, k Kind, generation int64) (known, seen int, err error)

	// CloseRound ends a round: edges and assignments that a full round no longer contained are removed
	// (edges only of groups seen in it), their principals and members are queued as in SavePage, and
	// the watermark takes the place of the old one, all in one transaction.
	CloseRound(ctx context.Context, j JobID, f Feed, watermark Cursor) error

	// Expand derives the Member edges of assigned and of linked groups (all: of every Active group too) from the Direct edges: a
	// group has the users of all groups below it, however deep, each once; rings are no matter. It does what
	// SavePage does with Member edges that come and go, users whose scope may have changed are queued included. It returns
	// how many edges came or went.
	Expand(ctx context.Context, j JobID, all bool) (int, error)

	// ForgetWatermarks makes the next round of every feed a full read. Links, queue and edges stay.
	ForgetWatermarks(ctx context.Context, j JobID) error
}

// PageWrite is a page as it goes into the store.
type PageWrite struct {
	Generation  int64
	Objects     []Object // complete: already merged with what was stored
	Seen        []Ref    // objects that are only marked as seen: nothing about them changed
	Edges       []Edge
	Assignments []Assignment
	Queue       []Ref // objects to evaluate
	Next        Cursor
}

// Stored is a source object as the store knows it.
type Stored struct {
	Object
	Generation int64
	ChangedAt  time.Time
}

// Objects reads what is known of source objects.
type Objects interface {
	// Objects returns those of the ids that are known, by id.
	Objects(ctx context.Context, j JobID, k Kind, ids []string) (map[string]Stored, error)
	// ListObjects lists all known objects of a kind by id, after a position. Those that were never in scope are among
	// them, without attributes.
	ListObjects(ctx context.Context, j JobID, k Kind, after string, limit int) ([]Stored, error)

	// PutObjects stores objects outside of a feed (from a Lookup) and queues the refs given.
	PutObjects(ctx context.Context, j JobID, objects []Object, queue []Ref) error

	// AssignmentPaths returns how each of the ids is assigned: directly, and for users through
	// Active groups that convey. Ids without any path are missing from the answer.
	AssignmentPaths(ctx context.Context, j JobID, k Kind, ids []string) (map[string][]AssignmentPath, error)

	// Bare lists queued objects of the kind that are Active and assigned (or, when all is set,
	// just Active) but whose attributes are not stored, by id, after a position.
	Bare(ctx context.Context, j JobID, k Kind, all bool, after string, limit int) ([]string, error)
}

// ChangeState is the state of a queued change.
type ChangeState string

const (
	ChangeQueued ChangeState = "queued" // to be decided
	ChangeReady  ChangeState = "ready"  // decided, to be exported
	ChangeEscrow ChangeState = "escrow" // failed, waits for Due
	ChangeHeld   ChangeState = "held"   // withheld by the deletion guard
	// ChangeLater: done for now, looked at again when it is due (a delete after a grace time).
	ChangeLater ChangeState = "later"
	// ChangeExpired: failed for 28 days; not retried until the source object changes.
	ChangeExpired ChangeState = "expired"
)

// Queued is one change of the queue with all that is needed to decide about it.
type Queued struct {
	Ref
	Seq   int64 // position in the export order, given by Plan
	Rev   int64 // grows whenever the object is queued anew
	State ChangeState
	// VerifyFirst: a create may have been sent without its answer having been recorded. The target
	// is searched before anything is posted (architecture section 4).
	VerifyFirst bool
	// Sent is the value by which an object made by that create can be found, "" if it is not known: the source may
	// have another one by now.
	Sent   string
	Escrow *Escrow // nil if it has not failed
	Hold   *Hold   // nil if no guard ever held it; it stays until the change is settled
	// Owner has reserved the change until Until, see [OnDemand].
	Owner string
	Until time.Time

	Known  bool // the object is in the store; else only its id is known
	Object Stored
	Paths  []AssignmentPath
	Link   *Link // nil if there is none
}

// Escrow is the stored failure of a change (provisioning.md 16.2).
type Escrow struct {
	FirstFailure time.Time
	LastFailure  time.Time
	Attempts     int
	Due          time.Time
	Code         Code
	Status       int
	Detail       string // redacted excerpt of the answer; for people with access to the log
	// Expired ends the retries (16.2): the change becomes [ChangeExpired].
	Expired bool
}

// Queue is the durable queue of changes: at most one per object.
type Queue interface {
	// Enqueue queues objects to be evaluated. What is queued already stays, with a new Rev, due now.
	Enqueue(ctx context.Context, j JobID, refs []Ref) error

	// EnqueueAll queues every object that is linked or (all: known and Active; else: assigned).
	EnqueueAll(ctx context.Context, j JobID, all bool) error

	// Undecided returns changes of a kind in state queued or held, and those in escrow or later that are
	// due, ordered by id, after a position.
	Undecided(ctx context.Context, j JobID, k Kind, now time.Time, after string, limit int) ([]Queued, error)

	// Plan records decisions: the order class of changes to be exported, or that they are held. Within
	// a class the order is by id. The changes not named stay as they are.
	Plan(ctx context.Context, j JobID, decisions []Planned) error

	// Seal numbers the ready changes of a kind 1…n in export order and returns the upper bound of
	// each order class present, ascending. Sealing again numbers what is left.
	Seal(ctx context.Context, j JobID, k Kind) ([]Span, error)

	// Ready returns the ready changes of a kind with from ≤ Seq ≤ to that are still to be exported, in order.
	Ready(ctx context.Context, j JobID, k Kind, from, to int64) ([]Queued, error)

	// NoteSent gives changes VerifyFirst and [Queued.Sent] before their create is sent. It is durable when it returns.
	NoteSent(ctx context.Context, j JobID, sent map[Ref]string) error

	// Settle records what came of changes: for each one the link, the log row, the wake-up of
	// references, the counters and the removal from the queue (or its escrow) are stored together.
	// A change whose Rev has grown meanwhile stays queued. A link whose target is already linked to
	// another source object fails the whole call with [ErrLinkTaken]; the caller asks [Links.LinkedTo] first.
	Settle(ctx context.Context, j JobID, c CycleID, results []Settled) error

	// Requeue puts ready changes back to be decided: what an earlier cycle planned and did not do is no plan any more.
	// Where owner, or anybody whose time is over, still has a change reserved, a write may have been sent without a
	// record of it: those changes get VerifyFirst and the links of their objects Verify, and the reservations end. It
	// returns how many were put back.
	Requeue(ctx context.Context, j JobID, owner string, now time.Time) (int, error)

	// QueueSize counts the changes of a job by state.
	QueueSize(ctx context.Context, j JobID) (map[ChangeState]int, error)

	// Changes lists changes of a kind in any of the states, by id, after a position.
	Changes(ctx context.Context, j JobID, k Kind, states []ChangeState, after string, limit int) ([]Queued, error)

	// Retry makes changes in escrow due at once, and expired ones again; edges too that failed. refs nil means all of
	// them. Their failures stay on record. It returns how many.
	Retry(ctx context.Context, j JobID, refs []Ref, now time.Time) (int, error)

	// Ignore drops changes in escrow and expired ones from the queue, and failures of edges of those objects: they
	// are evaluated again when their source object changes or the job is restarted. refs nil means all of them.
	Ignore(ctx context.Context, j JobID, refs []Ref) (int, error)

	// FailedEdges lists edges whose export failed, by the object they start from, after a position.
	FailedEdges(ctx context.Context, j JobID, rel Relation, after string, limit int) ([]FailedEdge, error)
}

// Planned is the decision about one change.
type Planned struct {
	Ref
	Order Order
	Held  bool
	// Hold is kept with the change, whether held now or released by its verdict; nil forgets what was kept.
	Hold *Hold
}

// FailedEdge is a reference that could not be exported.
type FailedEdge struct {
	From, To Ref
	Name     string // of what it starts from, as last exported
	Want     bool   // it was to be added; else to be removed
	Escrow   Escrow
}

// Span is a run of ready changes of one order class: From ≤ Seq ≤ To.
type Span struct {
	Order    Order
	From, To int64
}

// Settled is what came of one change.
type Settled struct {
	Ref
	Rev    int64
	Bucket string // counts 1 in this bucket of its kind; "" counts nowhere
	// Link is the link afterwards; nil leaves it as it is. Unlink removes the link there was, before
	// Link (if any) is stored: then the target object was replaced by another.
	Link   *Link
	Unlink bool
	// Wake puts the edges from and to this object up for export again where the target lacks them:
	// it was linked, created anew or enabled. Unlink forgets what was exported on all edges from and
	// to it, because the target object that held them is gone.
	Wake bool
	// ForgetMembers forgets that the object was exported as a member (edges of relation Member to
	// it): a target may have dropped the memberships of an account that was inactive (U32b).
	ForgetMembers bool
	Escrow        *Escrow // set: the change stays, in escrow
	// Later: the change stays and is looked at again then; zero otherwise.
	Later time.Time
	Log   *LogEntry // nil writes no row
}

// Links remembers which target object belongs to which source object.
type Links interface {
	// Link returns an error that wraps [ErrNoLink] if there is none.
	Link(ctx context.Context, j JobID, r Ref) (Link, error)
	// LinkedTo returns the links of those target ids that are linked, by target id.
	LinkedTo(ctx context.Context, j JobID, k Kind, targetIDs []string) (map[string]Link, error)
	// LinksOf returns the links of those source ids that are linked, by source id.
	LinksOf(ctx context.Context, j JobID, k Kind, ids []string) (map[string]Link, error)
	// Links lists links by source id, after a position.
	Links(ctx context.Context, j JobID, k Kind, after string, limit int) ([]Link, error)
	// PutLink stores a link outside of an export; enqueue also queues its object to be evaluated.
	PutLink(ctx context.Context, j JobID, l Link, enqueue bool) error
	// CountLinks counts the links of a kind by state.
	CountLinks(ctx context.Context, j JobID, k Kind) (map[LinkState]int, error)
}

// Membership is one edge that waits to be exported: a member of a group or the manager of a user.
type Membership struct {
	To       Ref
	Escrow   *Escrow // nil if it has not failed
	Want     bool    // the source has the edge
	Have     bool    // it was exported
	TargetID string  // of the linked target object of To, "" if it is not linked
	State    LinkState
}

// Holder is an object with edges to export.
type Holder struct {
	Ref
	Link Link
}

// Memberships remembers which edges were exported and which wait. An edge whose member is not
// linked yet sleeps until it is; Settle with Wake wakes it.
type Memberships interface {
	// Holders lists linked objects (of the kind that the relation starts from) that have edges to
	// export, by id, after a position. Edges that are held, or failed and are not due, are not to be exported: neither
	// this nor Waiting tells of them.
	Holders(ctx context.Context, j JobID, rel Relation, after string, limit int) ([]Holder, error)
	// Waiting returns the edges of one object that wait, by the other end's id, after a position.
	Waiting(ctx context.Context, j JobID, from Ref, rel Relation, after string, limit int) ([]Membership, error)
	// SettleEdges records what came of edges of one object, with counters and log row.
	SettleEdges(ctx context.Context, j JobID, c CycleID, s EdgesSettled) error
}

// EdgesSettled is what came of some edges of one object.
type EdgesSettled struct {
	From     Ref
	Relation Relation
	Added    []Ref // now at the target
	Removed  []Ref // no longer at the target
	Asleep   []Ref // cannot be exported until the other end is linked
	Retry    []Ref // failed, of no fault of their own; stay up for the next cycle
	// Failed are up again when their escrow is due. Added, Removed and Asleep forget an earlier failure.
	Failed map[Ref]Escrow
	Counts Counts
	// CountHolder counts the holder as updated unless this cycle counted it already (as unchanged:
	// it moves from there to updated).
	CountHolder bool
	Link        *Link // the holder's link afterwards, nil to leave it
	Log         *LogEntry
}

// Fail puts an edge into escrow.
func (s *EdgesSettled) Fail(to Ref, e Escrow) {
	if s.Failed == nil {
		s.Failed = map[Ref]Escrow{}
	}
	s.Failed[to] = e
}

// Cycles remembers the passes of a job.
type Cycles interface {
	// BeginCycle opens a cycle, or returns the one that is still open, so that a cycle survives the
	// process that began it. fresh is used only when none is open.
	BeginCycle(ctx context.Context, fresh Cycle) (Cycle, error)
	// Cycle returns an error that wraps [ErrNotFound] if there is none.
	Cycle(ctx context.Context, j JobID, id CycleID) (Cycle, error)
	// LastCycles returns the newest cycles, newest first.
	LastCycles(ctx context.Context, j JobID, limit int) ([]Cycle, error)
	SetPhase(ctx context.Context, j JobID, id CycleID, p Phase) error
	SetSurvey(ctx context.Context, j JobID, id CycleID, k Kind, s Survey) error
	SetKind(ctx context.Context, j JobID, id CycleID, k CycleKind) error
	// Count adds to the counters of a cycle.
	Count(ctx context.Context, j JobID, id CycleID, c Counts) error
	// EndCycle closes a cycle. Ending it again changes nothing.
	EndCycle(ctx context.Context, j JobID, id CycleID, s CycleState, code, message string, at time.Time) (Cycle, error)
	// JobState returns what a job remembers between cycles; the zero JobState for a new one.
	JobState(ctx context.Context, j JobID) (JobState, error)
	PutJobState(ctx context.Context, j JobID, s JobState) error
}

// JobState is what a job remembers between cycles.
type JobState struct {
	// Fingerprint of mapping, filters and scope that the last complete cycle ran with, and after it, each on
	// a line of its own, those of cycles begun since. A change makes the next cycle an initial one that
	// keeps links (provisioning.md section 5).
	Fingerprint string
	// Described is that mapping in words, as the caller gave it, so that a change of it can be shown
	// before it takes effect. It is not interpreted.
	Described string
	// InitialDone says that an initial cycle was completed.
	InitialDone bool
}

// PlannedOp is one operation of a saved plan. Only its digest is kept: what was planned stays with
// whoever saved the plan.
type PlannedOp struct {
	Ref
	Digest string
}

// Plans remembers what a saved plan allows while a cycle applies it.
type Plans interface {
	// PutPlan stores a plan in place of one of the same id.
	PutPlan(ctx context.Context, j JobID, plan string, ops []PlannedOp) error
	// PlanOf returns the digests of those refs that the plan has.
	PlanOf(ctx context.Context, j JobID, plan string, refs []Ref) (map[Ref]string, error)
	// PlanSize returns how many operations a plan has.
	PlanSize(ctx context.Context, j JobID, plan string) (int, error)
	DropPlan(ctx context.Context, j JobID, plan string) error
}
