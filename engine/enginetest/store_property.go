package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/engine"
)

// convergence: whatever happens to memberships at the source, to accounts at the target and to the
// process that exports them, whatever guards hold, people say and the target refuses, in the end the target has
// exactly the members that it should have. This is the promise that the rules for single edges exist for.
func convergence(t *testing.T, s engine.Store) {
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		w := &memberWorld{T: t, ctx: context.Background(), s: s, job: engine.JobID(fmt.Sprint("job-", runs)),
			source: map[engine.Edge]bool{}, linked: map[engine.Ref]string{}, target: map[string]map[string]bool{}}
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			w.step(i)
		}
		w.settleArguments()
		for range 3 { // a cycle may find work that the one before made
			w.export(false)
		}
		w.compare()
	})
}

// memberWorld is a source, a target and the store between them, for the memberships of two groups.
type memberWorld struct {
	*rapid.T
	ctx    context.Context
	s      engine.Store
	job    engine.JobID
	source map[engine.Edge]bool
	linked map[engine.Ref]string      // source object to target id
	target map[string]map[string]bool // members by group, as target ids
	made   int                        // target objects made so far
}

func (w *memberWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

var (
	worldGroups = []engine.Ref{{Kind: engine.Group, ID: "g1"}, {Kind: engine.Group, ID: "g2"}}
	worldUsers  = []engine.Ref{{Kind: engine.User, ID: "u1"}, {Kind: engine.User, ID: "u2"}, {Kind: engine.User, ID: "u3"}, {Kind: engine.Group, ID: "g2"}}
)

// step lets one thing happen.
func (w *memberWorld) step(i int) {
	e := engine.Edge{From: rapid.SampledFrom(worldGroups).Draw(w.T, fmt.Sprint(i, " from")), Relation: engine.Member,
		To: rapid.SampledFrom(worldUsers).Draw(w.T, fmt.Sprint(i, " to"))}
	object := rapid.SampledFrom([]engine.Ref{e.From, e.To}).Draw(w.T, fmt.Sprint(i, " object"))
	switch rapid.SampledFrom([]string{"join", "join", "leave", "read all", "make", "make", "lose", "replace", "enable", "export", "crash", "refuse", "guard", "judge", "ignore", "intrude"}).Draw(w.T, fmt.Sprint(i, " what")) {
	case "join":
		w.source[e] = true
		w.page(false, e)
	case "leave":
		delete(w.source, e)
		e.Removed = true
		w.page(false, e)
	case "read all": // as if the source had said nothing of its last change
		if rapid.Bool().Draw(w.T, fmt.Sprint(i, " unsaid")) {
			delete(w.source, e)
		}
		edges := slices.SortedFunc(maps.Keys(w.source), func(a, b engine.Edge) int {
			return cmp.Or(strings.Compare(a.From.ID, b.From.ID), strings.Compare(a.To.ID, b.To.ID))
		})
		w.page(true, edges...)
	case "make":
		w.link(object, false)
	case "lose": // deleted at the target, with all of its memberships
		if _, linked := w.linked[object]; linked {
			w.forget(object)
			w.must(w.s.Settle(w.ctx, w.job, "", []engine.Settled{{Ref: object, Unlink: true}}))
		}
	case "replace": // found to be gone, and made anew
		if _, linked := w.linked[object]; linked {
			w.forget(object)
			w.link(object, true)
		}
	case "enable": // the target dropped the memberships of an inactive account
		if id, linked := w.linked[e.To]; linked {
			for _, members := range w.target {
				delete(members, id)
			}
			w.must(w.s.Settle(w.ctx, w.job, "", []engine.Settled{{Ref: e.To, Wake: true, ForgetMembers: true}}))
		}
	case "export":
		w.export(false)
	case "crash":
		w.export(true)
	case "refuse": // for now, or for good
		w.refuse(e, rapid.Bool().Draw(w.T, fmt.Sprint(i, " for good")))
	case "guard":
		_, err := w.s.HoldRemovals(w.ctx, w.job, engine.RemovalGuard{Max: rapid.IntRange(0, 1).Draw(w.T, fmt.Sprint(i, " max")), Emptied: 2}, ago)
		w.must(err)
	case "judge":
		v := rapid.SampledFrom([]engine.Verdict{engine.Approved, engine.Rejected}).Draw(w.T, fmt.Sprint(i, " verdict"))
		_, err := w.s.JudgeRemovals(w.ctx, w.job, e.From.ID, []engine.Ref{e.To}, v)
		w.must(err)
	case "ignore":
		_, err := w.s.Ignore(w.ctx, w.job, []engine.Ref{e.From})
		w.must(err)
	case "intrude": // somebody changes the members at the target, and a comparison finds it
		w.intrude(e)
	}
}

// refuse lets the target refuse an edge if it is up for export.
func (w *memberWorld) refuse(e engine.Edge, forGood bool) {
	waiting, err := w.s.WaitingTo(w.ctx, w.job, e.From, engine.Member, []engine.Ref{e.To})
	w.must(err)
	if len(waiting) == 0 || w.linked[e.From] == "" || w.linked[e.To] == "" {
		return
	}
	s := engine.EdgesSettled{From: e.From, Relation: engine.Member}
	s.Fail(e.To, engine.Escrow{Attempts: 1, Due: later, Expired: forGood})
	w.must(w.s.SettleEdges(w.ctx, w.job, "", s))
}

// intrude turns a membership at the target into its opposite.
func (w *memberWorld) intrude(e engine.Edge) {
	g, u := w.linked[e.From], w.linked[e.To]
	if g == "" || u == "" {
		return
	}
	var forget, unwanted []engine.Ref
	if w.target[g][u] {
		delete(w.target[g], u)
		forget = append(forget, e.To)
	} else {
		w.target[g][u] = true
		unwanted = append(unwanted, e.To)
	}
	w.must(w.s.ForgetExported(w.ctx, w.job, e.From, forget, unwanted))
}

// settleArguments gives up every guard, rejection and failure.
func (w *memberWorld) settleArguments() {
	_, err := w.s.HoldRemovals(w.ctx, w.job, engine.RemovalGuard{}, ago)
	w.must(err)
	held, err := w.s.HeldRemovals(w.ctx, w.job, "", 100)
	w.must(err)
	for _, h := range held {
		_, err := w.s.JudgeRemovals(w.ctx, w.job, h.Group.ID, h.Members, engine.Approved)
		w.must(err)
	}
	_, err = w.s.Retry(w.ctx, w.job, nil, ago)
	w.must(err)
	w.must(w.s.ForgetWatermarks(w.ctx, w.job))
}

// page stores a page of edges, as a round of its own.
func (w *memberWorld) page(full bool, edges ...engine.Edge) {
	st, err := w.s.OpenRound(w.ctx, w.job, engine.FeedGroups, full, "")
	w.must(err)
	p := engine.PageWrite{Generation: st.Generation, Edges: edges}
	for _, g := range worldGroups {
		p.Objects = append(p.Objects, conveying(g.ID))
	}
	w.must(w.s.SavePage(w.ctx, w.job, engine.FeedGroups, p))
	w.must(w.s.SavePage(w.ctx, w.job, engine.FeedGroups, p))
	w.must(w.s.CloseRound(w.ctx, w.job, engine.FeedGroups, "watermark"))
}

// link makes a target object for a source object that has none.
func (w *memberWorld) link(r engine.Ref, replace bool) {
	if _, linked := w.linked[r]; linked {
		return
	}
	w.made++
	id := fmt.Sprint("t", w.made)
	w.linked[r] = id
	if r.Kind == engine.Group {
		w.target[id] = map[string]bool{}
	}
	l := &engine.Link{Ref: r, TargetID: id, State: engine.Managed}
	w.must(w.s.Settle(w.ctx, w.job, "", []engine.Settled{{Ref: r, Link: l, Unlink: replace, Wake: true}}))
}

// forget removes the target object of a source object.
func (w *memberWorld) forget(r engine.Ref) {
	id := w.linked[r]
	delete(w.linked, r)
	delete(w.target, id)
	for _, members := range w.target {
		delete(members, id)
	}
}

// export does what a cycle does with the memberships that wait; one that crashes writes to the target
// and records nothing.
func (w *memberWorld) export(crash bool) {
	holders, err := w.s.Holders(w.ctx, w.job, engine.Member, "", 100)
	w.must(err)
	for _, h := range holders {
		waiting, err := w.s.Waiting(w.ctx, w.job, h.Ref, engine.Member, "", 100)
		w.must(err)
		done := engine.EdgesSettled{From: h.Ref, Relation: engine.Member}
		members := w.target[h.Link.TargetID]
		for _, m := range waiting {
			switch {
			case !m.Want:
				delete(members, m.TargetID)
				done.Removed = append(done.Removed, m.To)
			case m.TargetID == "":
				done.Asleep = append(done.Asleep, m.To)
			default:
				members[m.TargetID] = true
				done.Added = append(done.Added, m.To)
			}
		}
		if crash {
			return
		}
		w.must(w.s.SettleEdges(w.ctx, w.job, "", done))
		w.must(w.s.SettleEdges(w.ctx, w.job, "", done))
	}
}

// compare holds the target against what the source says, as far as both ends are linked.
func (w *memberWorld) compare() {
	want := map[string]map[string]bool{}
	for r, id := range w.linked {
		if r.Kind == engine.Group {
			want[id] = map[string]bool{}
		}
	}
	for e := range w.source {
		g, u := w.linked[e.From], w.linked[e.To]
		if g != "" && u != "" {
			want[g][u] = true
		}
	}
	if diff := gocmp.Diff(want, w.target); diff != "" {
		w.Fatalf("members at the target (-want +got):\n%s", diff)
	}
	holders, err := w.s.Holders(w.ctx, w.job, engine.Member, "", 100)
	w.must(err)
	if len(holders) > 0 {
		w.Fatalf("after three cycles without news there is work left for %v", holders)
	}
}
