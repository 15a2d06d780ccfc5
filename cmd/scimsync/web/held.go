package web

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// scanPage is how many rows of the store are looked at in one go where all of them have to be.
const scanPage = 1000

// shownMembers is how many members of a held removal are listed.
const shownMembers = 100

// removals is the kind of list position that comes after users and groups.
const removals engine.Kind = "removals"

func (a *API) registerWaiting() {
	list := operation{id: "list-deletions", place: atShortJob, method: http.MethodGet, path: "/deletions", summary: "List what guards hold back", role: RoleViewer, errors: []int{400},
		about: "Disables and deletes first, then membership removals by group. The snapshot names everything without a verdict, on all pages. With a snapshot the list is what that one covers, and refused like a verdict about it when that is not the same any more."}
	list.errors = append(list.errors, http.StatusConflict)
	handle(a, list, a.listHeld)
	approve := operation{id: "approve-deletions", place: atShortJob, method: http.MethodPost, path: "/deletions/approve", summary: "Let held changes be carried out", role: RoleApprover,
		body: JudgeRequest{}, errors: []int{409},
		about: "Name ids, a snapshot, or all. An approval covers exactly the changes named, as they were listed, and expires after 72 hours. A snapshot whose changes are not the same any more is refused."}
	reject := approve
	reject.id, reject.path, reject.summary = "reject-deletions", "/deletions/reject", "Keep held changes from being carried out"
	reject.about = "It holds until the source object changes. Name ids, a snapshot, or all."
	handle(a, approve, a.judge(engine.Approved, true))
	handle(a, reject, a.judge(engine.Rejected, true))
	list.id, list.place, list.path = "list-staged-deletes", atGraphJob, "/stagedDeletes"
	approve.id, approve.place, approve.path = "approve-staged-deletes", atGraphJob, "/stagedDeletes/approve"
	reject.id, reject.place, reject.path = "reject-staged-deletes", atGraphJob, "/stagedDeletes/reject"
	handle(a, list, a.listHeld)
	handle(a, approve, a.judge(engine.Approved, false))
	handle(a, reject, a.judge(engine.Rejected, false))
	a.registerEscrows()
}

// heldPosition is where the list of held changes goes on. It carries what the first page found out about all of them.
type heldPosition struct {
	position
	Snapshot string `json:"snapshot,omitempty"`
	Waiting  int    `json:"waiting,omitempty"`
}

// heldInput are the parameters of the list.
type heldInput struct {
	Paging
	Snapshot string `query:"snapshot" doc:"only what this snapshot of an earlier list covers"`
}

// covered returns what the rows of a list must be like: whether they are in the snapshot asked for, or all.
func (a *API) covered(ctx context.Context, j engine.JobID, in *heldInput, at *heldPosition) (func(engine.Verdict, time.Time) bool, error) {
	if in.Snapshot == "" {
		if in.Skip == "" {
			s, err := a.snapshot(ctx, j, a.now().UTC())
			if err != nil {
				return nil, err
			}
			at.Snapshot, at.Waiting = s.text(), s.N
		}
		return func(engine.Verdict, time.Time) bool { return true }, nil
	}
	s, err := a.sameStill(ctx, j, in.Snapshot)
	if err != nil {
		return nil, err
	}
	at.Snapshot, at.Waiting = in.Snapshot, s.N
	return func(v engine.Verdict, since time.Time) bool { return v == engine.Undecided && !since.After(s.At) }, nil
}

func (a *API) listHeld(ctx context.Context, c *call, in *heldInput) (*reply[DeletionList], error) {
	var at heldPosition
	if err := in.resume(&at); err != nil {
		return nil, err
	}
	covers, err := a.covered(ctx, c.job.ID, in, &at)
	if err != nil {
		return nil, err
	}
	out := DeletionList{Value: []HeldChange{}, Snapshot: at.Snapshot, Waiting: at.Waiting}
	full := func(p position) (bool, error) {
		if len(out.Value) < in.top() {
			return false, nil
		}
		at.position = p
		var err error
		out.Next, err = c.next(at)
		return true, err
	}
	if at.Kind != removals {
		for _, p := range at.from("") {
			for more := true; more; {
				rows, err := a.store.Changes(ctx, c.job.ID, p.Kind, []engine.ChangeState{engine.ChangeHeld}, p.After, in.top()+1)
				if err != nil {
					return nil, err
				}
				more = len(rows) > in.top()
				for _, q := range rows {
					h := cmp.Or(q.Hold, new(engine.Hold))
					if !covers(h.Verdict, h.Since) {
						p.After = q.ID
						continue
					}
					if stop, err := full(p); stop {
						return answerWith(out), err
					}
					p.After = q.ID
					out.Value = append(out.Value, heldChange(q))
				}
			}
		}
		at.position = position{Kind: removals}
	}
	for p, more := at.position, true; more; {
		groups, err := a.store.HeldRemovals(ctx, c.job.ID, p.After, in.top()+1)
		if err != nil {
			return nil, err
		}
		more = len(groups) > in.top()
		for _, g := range groups {
			if !covers(g.Verdict, time.Time{}) {
				p.After = g.Group.ID
				continue
			}
			if g.Group.ID != p.After { // the entries of one group are not torn apart
				if stop, err := full(p); stop {
					return answerWith(out), err
				}
			}
			p.After = g.Group.ID
			out.Value = append(out.Value, heldRemoval(g))
		}
	}
	return answerWith(out), nil
}

// nameOf is the name of a source object for people.
func nameOf(q engine.Queued) string {
	if q.Link != nil && q.Link.Name != "" {
		return q.Link.Name
	}
	for _, n := range []string{"displayName", "userPrincipalName"} {
		if s, ok := q.Object.Attributes[n].(string); ok && s != "" {
			return s
		}
	}
	return ""
}

func targetOf(q engine.Queued) engine.Identity {
	if q.Link == nil {
		return engine.Identity{}
	}
	return engine.Identity{ID: q.Link.TargetID, Name: q.Link.Name}
}

func heldChange(q engine.Queued) HeldChange {
	h := HeldChange{Type: q.Kind, Source: engine.Identity{ID: q.ID, Name: nameOf(q)}, Target: targetOf(q)}
	if d := q.Hold; d != nil {
		h.ID = heldID(q.Ref, d.Action)
		h.Action, h.Cause, h.Rule, h.Reason, h.Detail, h.Limit, h.Since = d.Action, d.Cause, d.Rule, d.Reason, d.Detail, d.Limit, d.Since.UTC()
		h.Verdict, h.VerdictAt, h.Until, h.By, h.Comment = d.Verdict, d.VerdictAt, d.Until, d.By, d.Comment
	}
	return h
}

func heldRemoval(g engine.HeldRemoval) HeldChange {
	h := HeldChange{
		ID: removalID(g), Type: engine.Group, Action: engine.Update, Source: engine.Identity{ID: g.Group.ID, Name: g.Name},
		Verdict: g.Verdict, Removals: len(g.Members), Has: g.Has, Members: []string{},
	}
	for _, m := range g.Members[:min(shownMembers, len(g.Members))] {
		h.Members = append(h.Members, idOf(m))
	}
	return h
}

// heldID names a held change together with what would be done, so that a verdict by id is bound to that.
func heldID(r engine.Ref, a engine.Action) string { return string(a) + ":" + idOf(r) }

// removalID names the held removals of a group together with a digest of who would be removed.
func removalID(g engine.HeldRemoval) string {
	h := sha256.New()
	for _, m := range g.Members {
		addTo(h, idOf(m))
	}
	return "members:" + hex.EncodeToString(h.Sum(nil)[:6]) + ":" + g.Group.ID
}

func addTo(h hash.Hash, parts ...string) {
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
}

// heldSnapshot stands for all that was held and undecided at a moment.
type heldSnapshot struct {
	At  time.Time `json:"at"`
	N   int       `json:"n"`
	Sum string    `json:"sum"`
}

func (s heldSnapshot) text() string {
	if s.N == 0 {
		return ""
	}
	data, err := json.Marshal(s)
	if err != nil {
		return "" // a time, a number and a text always marshal
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func parseSnapshot(text string) (heldSnapshot, error) {
	var s heldSnapshot
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil || s.N == 0 {
		return s, badRequest("snapshot: not one of a list of deletions. List them and send the snapshot as it is.")
	}
	return s, nil
}

// undecided calls change for every held change without a verdict that was held by a moment, and removal for the
// membership removals without one, in a fixed order.
func (a *API) undecided(ctx context.Context, j engine.JobID, by time.Time, change func(engine.Queued), removal func(engine.HeldRemoval)) error {
	for _, k := range kinds {
		for after, more := "", true; more; {
			rows, err := a.store.Changes(ctx, j, k, []engine.ChangeState{engine.ChangeHeld}, after, scanPage)
			if err != nil {
				return err
			}
			more = len(rows) == scanPage
			for _, q := range rows {
				after = q.ID
				if q.Hold != nil && q.Hold.Verdict == engine.Undecided && !q.Hold.Since.After(by) {
					change(q)
				}
			}
		}
	}
	for after, more := "", true; more; {
		groups, err := a.store.HeldRemovals(ctx, j, after, scanPage)
		if err != nil {
			return err
		}
		more = false
		for _, g := range groups {
			more, after = true, g.Group.ID
			if g.Verdict == engine.Undecided {
				removal(g)
			}
		}
	}
	return nil
}

func (a *API) snapshot(ctx context.Context, j engine.JobID, at time.Time) (heldSnapshot, error) {
	s := heldSnapshot{At: at}
	h := sha256.New()
	err := a.undecided(ctx, j, at, func(q engine.Queued) {
		s.N++
		addTo(h, heldID(q.Ref, q.Hold.Action))
	}, func(g engine.HeldRemoval) {
		s.N += len(g.Members)
		addTo(h, removalID(g))
	})
	s.Sum = hex.EncodeToString(h.Sum(nil)[:16])
	return s, err
}

// verdict is what a request judges.
type verdict struct {
	about    []engine.Judged
	removals map[string][]engine.Ref
}

func (v *verdict) change(q engine.Queued) {
	v.about = append(v.about, engine.Judged{Ref: q.Ref, Action: q.Hold.Action})
}

func (v *verdict) removal(g engine.HeldRemoval) {
	if v.removals == nil {
		v.removals = map[string][]engine.Ref{}
	}
	v.removals[g.Group.ID] = append(v.removals[g.Group.ID], g.Members...)
}

func (a *API) judge(what engine.Verdict, comment bool) func(context.Context, *call, *raw) (*reply[JudgeResult], error) {
	return func(ctx context.Context, c *call, in *raw) (*reply[JudgeResult], error) {
		var r JudgeRequest
		if err := required(c, in.RawBody, &r); err != nil {
			return nil, err
		}
		r.Comment = strings.TrimSpace(r.Comment)
		if comment && r.Comment == "" {
			return nil, badRequest("comment is missing. Say why; it is kept in the audit.", ProblemDetail{Code: "Missing", Message: "missing", Target: "comment"})
		}
		v, err := a.chosen(ctx, c.job.ID, r)
		if err != nil {
			return nil, err
		}
		if len(v.about) == 0 && len(v.removals) == 0 {
			return answerWith(JudgeResult{}), nil
		}
		n, err := a.backend.Judge(ctx, c.by(), c.job.ID, what, v.about, v.removals, r.Comment)
		return answerWith(JudgeResult{Judged: n}), err
	}
}

// chosen finds what a request names.
func (a *API) chosen(ctx context.Context, j engine.JobID, r JudgeRequest) (v verdict, err error) {
	named := 0
	for _, is := range []bool{len(r.IDs) > 0, r.Snapshot != "", r.All} {
		if is {
			named++
		}
	}
	if named != 1 {
		return v, badRequest("Name what this is about by exactly one of ids, snapshot and all.")
	}
	switch {
	case r.All:
		err = a.undecided(ctx, j, a.now().UTC(), v.change, v.removal)
		return v, err
	case r.Snapshot != "":
		s, err := a.sameStill(ctx, j, r.Snapshot)
		if err != nil {
			return v, err
		}
		err = a.undecided(ctx, j, s.At, v.change, v.removal)
		return v, err
	}
	err = a.byID(ctx, j, r.IDs, &v)
	return v, err
}

// sameStill reads a snapshot, and refuses it when what it covers is not as it was.
func (a *API) sameStill(ctx context.Context, j engine.JobID, text string) (heldSnapshot, error) {
	want, err := parseSnapshot(text)
	if err != nil {
		return want, err
	}
	have, err := a.snapshot(ctx, j, want.At)
	if err == nil && (have.Sum != want.Sum || have.N != want.N) {
		err = conflict(codeJobState, fmt.Sprintf("What is held is not the same any more: it was %d changes, and now is %d of those or others. List the deletions again, and look at them.", want.N, have.N),
			ProblemDetail{Code: "Snapshot", Message: "out of date", Target: "snapshot"})
	}
	return want, err
}

// byID reads ids as lists show them.
func (a *API) byID(ctx context.Context, j engine.JobID, ids []string, v *verdict) error {
	groups := map[string]string{} // id of a removal by its group
	for _, id := range ids {
		first, rest, _ := strings.Cut(id, ":")
		if first == "members" {
			_, group, _ := strings.Cut(rest, ":")
			groups[group] = id
			continue
		}
		ref, ok := refOf(rest)
		if action := engine.Action(first); !ok || action != engine.Disable && action != engine.Delete && action != engine.Update {
			return badRequest(fmt.Sprintf("ids: %q is not an id of a held change. Send those of the list as they are.", clip(id)))
		} else {
			v.about = append(v.about, engine.Judged{Ref: ref, Action: action})
		}
	}
	if len(groups) == 0 {
		return nil
	}
	found := map[string]bool{}
	for after, more := "", true; more; {
		page, err := a.store.HeldRemovals(ctx, j, after, scanPage)
		if err != nil {
			return err
		}
		more = false
		for _, g := range page {
			more, after = true, g.Group.ID
			if groups[g.Group.ID] == removalID(g) {
				found[g.Group.ID] = true
				v.removal(g)
			}
		}
	}
	for g, id := range groups {
		if !found[g] {
			return conflict(codeJobState, fmt.Sprintf("The membership removals %s are not held any more as they were listed. List the deletions again.", clip(id)))
		}
	}
	return nil
}
