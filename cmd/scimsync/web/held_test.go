package web

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

// hold puts a held change into the queue.
func (b *bench) hold(r engine.Ref, action engine.Action) {
	b.t.Helper()
	b.holdWith(r, engine.Hold{Cause: engine.HoldThreshold, Action: action, Rule: "U10", Reason: engine.NotAssigned, Limit: 5, Since: b.now()})
}

func (b *bench) holdWith(r engine.Ref, h engine.Hold) {
	b.t.Helper()
	ctx := b.t.Context()
	if err := b.store.PutObjects(ctx, "webex", []engine.Object{{Ref: r, State: engine.Active, Attributes: map[string]any{"displayName": "Name of " + r.ID}}}, []engine.Ref{r}); err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.Plan(ctx, "webex", []engine.Planned{{Ref: r, Order: engine.OrderDisable, Held: true, Hold: &h}}); err != nil {
		b.t.Fatal(err)
	}
}

func user(id string) engine.Ref  { return engine.Ref{Kind: engine.User, ID: id} }
func group(id string) engine.Ref { return engine.Ref{Kind: engine.Group, ID: id} }

// leaving gives a linked group members that were exported and are to be removed, and has the guard hold them.
func (b *bench) leaving(id string, members int) {
	b.t.Helper()
	ctx := b.t.Context()
	check := func(err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatal(err)
		}
	}
	check(b.store.PutLink(ctx, "webex", engine.Link{Ref: group(id), TargetID: "t" + id, State: engine.Managed, Name: "Group " + id}, false))
	var edges []engine.Edge
	var refs []engine.Ref
	for i := range members {
		m := user(fmt.Sprintf("%s-m%03d", id, i))
		check(b.store.PutLink(ctx, "webex", engine.Link{Ref: m, TargetID: "t" + m.ID, State: engine.Managed}, false))
		edges, refs = append(edges, engine.Edge{From: group(id), Relation: engine.Member, To: m}), append(refs, m)
	}
	save := func() {
		b.t.Helper()
		f, err := b.store.OpenRound(ctx, "webex", engine.FeedGroups, false, "")
		check(err)
		check(b.store.SavePage(ctx, "webex", engine.FeedGroups, engine.PageWrite{Generation: f.Generation, Edges: edges}))
	}
	save()
	_, err := b.store.BeginCycle(ctx, engine.Cycle{ID: "c", Job: "webex", State: engine.CycleRunning, StartedAt: b.now()})
	check(err)
	check(b.store.SettleEdges(ctx, "webex", "c", engine.EdgesSettled{From: group(id), Relation: engine.Member, Added: refs}))
	for i := range edges {
		edges[i].Removed = true
	}
	save()
	held, err := b.store.HoldRemovals(ctx, "webex", engine.RemovalGuard{Emptied: 1}, b.now())
	check(err)
	if held < members {
		b.t.Fatalf("%d of %d removals are held", held, members)
	}
}

func TestDeletions(t *testing.T) {
	b := newBench(t)
	none, err := b.client().Deletions(t.Context(), "webex", PageQuery{})
	if err != nil || none.Snapshot != "" || none.Waiting != 0 || none.Value == nil {
		t.Errorf("%+v %v", none, err)
	}
	b.hold(user("a"), engine.Disable)
	b.hold(user("b"), engine.Delete)
	b.hold(group("g"), engine.Delete)
	b.leaving("h", 120)
	b.leaving("i", 2)
	var all []HeldChange
	var snapshots []string
	for skip := ""; ; {
		l, err := b.client().Deletions(t.Context(), "webex", PageQuery{Top: 2, Skip: skip})
		if err != nil {
			t.Fatal(err)
		}
		if l.Waiting != 125 || len(l.Value) > 2 {
			t.Errorf("%d waiting, page of %d", l.Waiting, len(l.Value))
		}
		all, snapshots = append(all, l.Value...), append(snapshots, l.Snapshot)
		if skip = l.Skip(); skip == "" {
			break
		}
	}
	if len(slices.Compact(snapshots)) != 1 || len(snapshots) != 3 {
		t.Errorf("snapshots of the pages: %v", snapshots)
	}
	var ids []string
	for _, h := range all {
		ids = append(ids, h.ID)
	}
	if len(ids) != 5 || !slices.Equal(ids[:3], []string{"disable:user:a", "delete:user:b", "delete:group:g"}) || !strings.HasSuffix(ids[3], ":h") || !strings.HasSuffix(ids[4], ":i") {
		t.Fatalf("ids %v", ids)
	}
	want := HeldChange{ID: "disable:user:a", Type: engine.User, Action: engine.Disable, Source: engine.Identity{ID: "a", Name: "Name of a"}, Cause: engine.HoldThreshold, Rule: "U10",
		Reason: engine.NotAssigned, Limit: 5, Since: start}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Error(diff)
	}
	if h := all[3]; h.Removals != 120 || len(h.Members) != 100 || h.Members[0] != "user:h-m000" || h.Has != 120 || h.Source.Name != "Group h" {
		t.Errorf("%+v", h)
	}
}

func TestJudge(t *testing.T) {
	b := newBench(t)
	b.hold(user("a"), engine.Disable)
	b.hold(group("g"), engine.Delete)
	b.leaving("h", 2)
	c := b.client()
	list := func() DeletionList {
		t.Helper()
		l, err := c.Deletions(t.Context(), "webex", PageQuery{})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := list()
	everything := []engine.Judged{{Ref: user("a"), Action: engine.Disable}, {Ref: group("g"), Action: engine.Delete}}
	members := map[string][]engine.Ref{"h": {user("h-m000"), user("h-m001")}}

	n, err := c.Approve(t.Context(), "webex", JudgeRequest{Snapshot: l.Snapshot, Comment: "they left"})
	if err != nil || n != 4 || !cmp.Equal(b.back.judged, everything) || !cmp.Equal(b.back.removed, members) {
		t.Errorf("%d %v: %v %v", n, err, b.back.judged, b.back.removed)
	}
	if n, err = c.Reject(t.Context(), "webex", JudgeRequest{All: true, Comment: "no"}); err != nil || n != 4 {
		t.Errorf("%d %v", n, err)
	}
	if n, err = c.Reject(t.Context(), "webex", JudgeRequest{IDs: []string{l.Value[0].ID}, Comment: "no"}); err != nil || n != 1 || !cmp.Equal(b.back.judged, everything[:1]) || b.back.removed != nil {
		t.Errorf("%d %v: %v %v", n, err, b.back.judged, b.back.removed)
	}
	if n, err = c.Approve(t.Context(), "webex", JudgeRequest{IDs: []string{l.Value[2].ID}, Comment: "no"}); err != nil || n != 2 || !cmp.Equal(b.back.removed, members) {
		t.Errorf("%d %v: %v", n, err, b.back.removed)
	}
	if got := b.back.calls(); !slices.Equal(got, []string{"approved they left", "rejected no", "rejected no", "approved no"}) {
		t.Errorf("asked for %q", got)
	}

	// What comes to be held later is not part of a snapshot, and does not spoil it.
	b.pass(time.Minute)
	b.hold(user("later"), engine.Disable)
	if n, err = c.Approve(t.Context(), "webex", JudgeRequest{Snapshot: l.Snapshot, Comment: "x"}); err != nil || n != 4 {
		t.Errorf("%d %v", n, err)
	}
	// The list of a snapshot is what it covers, on any number of pages.
	var covered []string
	for q := (PageQuery{Top: 1}); ; {
		p, err := c.Covered(t.Context(), "webex", l.Snapshot, q)
		if err != nil || p.Snapshot != l.Snapshot || p.Waiting != 4 || len(p.Value) > 1 {
			t.Fatalf("%+v %v", p, err)
		}
		for _, h := range p.Value {
			covered = append(covered, h.ID)
		}
		if q.Skip = p.Skip(); q.Skip == "" {
			break
		}
	}
	if want := []string{l.Value[0].ID, l.Value[1].ID, l.Value[2].ID}; !slices.Equal(covered, want) {
		t.Errorf("the snapshot covers %q, want %q", covered, want)
	}
	if l2 := list(); l2.Waiting != 5 || l2.Snapshot == l.Snapshot {
		t.Errorf("%+v", l2)
	}
	// But what is to be done now otherwise than it was seen does.
	b.holdWith(user("a"), engine.Hold{Action: engine.Delete, Since: start})
	b.want(409, "InvalidJobState", "POST", "/jobs/webex/deletions/approve", `{"snapshot":"`+l.Snapshot+`","comment":"x"}`)
	b.want(409, "InvalidJobState", "GET", "/jobs/webex/deletions?snapshot="+l.Snapshot, "")
	// So do other members.
	b.leaving("h", 3)
	b.want(409, "InvalidJobState", "POST", "/jobs/webex/deletions/approve", `{"ids":["`+l.Value[2].ID+`"],"comment":"x"}`)

	for _, body := range []string{`{}`, `{"comment":"x"}`, `{"all":true}`, `{"all":true,"comment":"  "}`, `{"all":true,"ids":["disable:user:a"],"comment":"x"}`, `{"ids":["user:a"],"comment":"x"}`,
		`{"ids":["create:user:a"],"comment":"x"}`, `{"ids":["x"],"comment":"x"}`, `{"snapshot":"e30","comment":"x"}`, `{"snapshot":"?","comment":"x"}`} {
		b.want(400, "Request_BadRequest", "POST", "/jobs/webex/deletions/approve", body)
	}
}

// The Graph-shaped form names changes in the same way, and wants no comment.
func TestStagedDeletes(t *testing.T) {
	b := newBench(t)
	b.hold(user("a"), engine.Disable)
	var l DeletionList
	b.want(200, "", "GET", graphRoot+"/jobs/webex/stagedDeletes", "").into(t, &l)
	var n JudgeResult
	b.want(200, "", "POST", graphRoot+"/jobs/webex/stagedDeletes/approve", `{"ids":["`+l.Value[0].ID+`"]}`).into(t, &n)
	if n.Judged != 1 {
		t.Errorf("%+v", n)
	}
	b.want(200, "", "POST", graphRoot+"/jobs/webex/stagedDeletes/reject", `{"ids":["`+l.Value[0].ID+`"]}`)
}

// A real verdict is seen in the list, and the change is not part of later snapshots.
func TestVerdictShown(t *testing.T) {
	b := newBench(t)
	b.hold(user("a"), engine.Disable)
	if _, err := b.store.Judge(t.Context(), "webex", []engine.Judged{{Ref: user("a"), Action: engine.Disable}}, engine.Approved, start, start.Add(72*time.Hour), "ops", "fine"); err != nil {
		t.Fatal(err)
	}
	l, err := b.client().Deletions(t.Context(), "webex", PageQuery{})
	if err != nil || len(l.Value) != 1 || l.Waiting != 0 || l.Snapshot != "" {
		t.Fatalf("%+v %v", l, err)
	}
	if h := l.Value[0]; h.Verdict != engine.Approved || h.By != "ops" || h.Comment != "fine" || !h.Until.Equal(start.Add(72*time.Hour)) {
		t.Errorf("%+v", h)
	}
}
