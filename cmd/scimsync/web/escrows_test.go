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

// fail puts a failure of an object into the queue.
func (b *bench) fail(r engine.Ref, e engine.Escrow) {
	b.t.Helper()
	ctx := b.t.Context()
	e.LastFailure, e.Attempts = e.FirstFailure, 1
	if err := b.store.Enqueue(ctx, "webex", []engine.Ref{r}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.store.BeginCycle(ctx, engine.Cycle{ID: "c", Job: "webex", State: engine.CycleRunning, StartedAt: b.now()}); err != nil {
		b.t.Fatal(err)
	}
	queued, err := b.store.Undecided(ctx, "webex", r.Kind, b.now(), strings.TrimRight(r.ID, r.ID[len(r.ID)-1:]), 1)
	if err != nil || len(queued) == 0 || queued[0].Ref != r {
		b.t.Fatalf("%v is not queued: %v %v", r, queued, err)
	}
	if err := b.store.Settle(ctx, "webex", "c", []engine.Settled{{Ref: r, Rev: queued[0].Rev, Escrow: &e}}); err != nil {
		b.t.Fatal(err)
	}
}

func TestEscrows(t *testing.T) {
	b := newBench(t)
	conflict := engine.Escrow{Code: engine.CodeConflict, Status: 409, Detail: "taken", FirstFailure: start.Add(-time.Hour), Due: start.Add(time.Hour)}
	timeout := engine.Escrow{Code: engine.CodeTimeout, FirstFailure: start.Add(-2 * time.Hour), Due: start.Add(time.Minute)}
	expired := conflict
	expired.FirstFailure, expired.Expired = start.Add(-800*time.Hour), true
	b.fail(user("a"), conflict)
	b.fail(user("b"), timeout)
	b.fail(user("c"), expired)
	b.fail(group("g"), conflict)
	b.leaving("h", 3)
	if err := b.store.SettleEdges(t.Context(), "webex", "c", engine.EdgesSettled{From: group("h"), Relation: engine.Member,
		Failed: map[engine.Ref]engine.Escrow{user("h-m000"): timeout, user("h-m001"): timeout}}); err != nil {
		t.Fatal(err)
	}
	if err := b.store.PutLink(t.Context(), "webex", engine.Link{Ref: user("h-m000"), TargetID: "th-m000", State: engine.Managed, Name: "Mira"}, false); err != nil {
		t.Fatal(err)
	}
	c := b.client()
	for _, top := range []int{0, 1, 2, 3} {
		var rows []EscrowRow
		for skip := ""; ; {
			p, err := c.Escrows(t.Context(), "webex", PageQuery{Top: top, Skip: skip})
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, p.Value...)
			if skip = p.Skip(); skip == "" {
				break
			}
		}
		var got []string
		for _, r := range rows {
			s := r.ID + " " + string(r.State)
			if r.Reference != nil {
				s += " to " + r.Reference.To + " " + r.Reference.ToName
			}
			got = append(got, s)
		}
		want := []string{"user:a escrow", "user:b escrow", "user:c expired", "group:g escrow", "group:h escrow to h-m000 Mira", "group:h escrow to h-m001 "}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("$top=%d: %s", top, diff)
		}
	}
	p, err := c.Escrows(t.Context(), "webex", PageQuery{})
	if err != nil {
		t.Fatal(err)
	}
	want := EscrowRow{ID: "user:a", Type: engine.User, Source: engine.Identity{ID: "a"}, State: engine.ChangeEscrow, Code: engine.CodeConflict, HTTPStatus: 409, Detail: "taken", Attempts: 1,
		FirstFailure: start.Add(-time.Hour), LastFailure: start.Add(-time.Hour), Due: start.Add(time.Hour)}
	if diff := cmp.Diff(want, p.Value[0]); diff != "" {
		t.Error(diff)
	}
	if !p.Value[2].Due.IsZero() || p.Value[4].Reference.Relation != engine.Member || !p.Value[4].Reference.Remove || p.Value[4].Source.Name != "Group h" {
		t.Errorf("%+v", p.Value)
	}
	causes, err := c.EscrowCauses(t.Context(), "webex")
	wantCauses := EscrowCauses{Total: 6, Value: []EscrowCause{
		{Code: engine.CodeConflict, HTTPStatus: 409, Detail: "taken", Count: 3, Oldest: start.Add(-800 * time.Hour), NextDue: start.Add(time.Hour), Expired: 1, Example: "user:a"},
		{Code: engine.CodeTimeout, Count: 3, Oldest: start.Add(-2 * time.Hour), NextDue: start.Add(time.Minute), Example: "user:b"},
	}}
	if diff := cmp.Diff(wantCauses, causes); diff != "" || err != nil {
		t.Error(diff, err)
	}

	// Acting on failures changes the queue.
	if n, err := c.Retry(t.Context(), "webex", []string{"user:a", "group:h"}); err != nil || n != 3 {
		t.Errorf("%d %v", n, err)
	}
	if n, err := c.Ignore(t.Context(), "webex", []string{"user:b"}); err != nil || n != 1 {
		t.Errorf("%d %v", n, err)
	}
	if n, err := c.Ignore(t.Context(), "webex", []string{}); err != nil || n != 0 {
		t.Errorf("nobody was named, yet %d, %v", n, err)
	}
	b.want(204, "", "POST", graphRoot+"/jobs/webex/escrows/user:c/retry", "")
	b.want(204, "", "DELETE", graphRoot+"/jobs/webex/escrows/user%3Ac", "")
	b.want(404, "Request_ResourceNotFound", "DELETE", graphRoot+"/jobs/webex/escrows/user:c", "")
	b.want(400, "Request_BadRequest", "DELETE", graphRoot+"/jobs/webex/escrows/c", "")
	for _, body := range []string{`{"ids":[]}`, `{"ids":["a"]}`, `{"ids":["device:a"]}`, `{"ids":"a"}`} {
		b.want(400, "Request_BadRequest", "POST", "/jobs/webex/escrows/ignore", body)
	}
	if n, err := c.Ignore(t.Context(), "webex", nil); err != nil || n != 4 {
		t.Errorf("%d %v", n, err)
	}
	if causes, err = c.EscrowCauses(t.Context(), "webex"); err != nil || causes.Total != 0 || causes.Value == nil {
		t.Errorf("%+v %v", causes, err)
	}
}

// More causes than are told apart are still counted.
func TestManyCauses(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	var refs []engine.Ref
	for i := range maxCauses + 5 {
		refs = append(refs, user(fmt.Sprintf("u%05d", i)))
	}
	if err := b.store.Enqueue(ctx, "webex", refs); err != nil {
		t.Fatal(err)
	}
	queued, err := b.store.Undecided(ctx, "webex", engine.User, start, "", len(refs))
	if err != nil {
		t.Fatal(err)
	}
	var failed []engine.Settled
	for i, q := range queued {
		failed = append(failed, engine.Settled{Ref: q.Ref, Rev: q.Rev,
			Escrow: &engine.Escrow{Code: engine.CodeUnprocessable, Detail: fmt.Sprint("detail ", i), FirstFailure: start, LastFailure: start, Due: start.Add(time.Hour)}})
	}
	if err := b.store.Settle(ctx, "webex", "", failed); err != nil {
		t.Fatal(err)
	}
	causes, err := b.client().EscrowCauses(ctx, "webex")
	if err != nil || len(causes.Value) != maxCauses || causes.Other != 5 || causes.Total != maxCauses+5 {
		t.Errorf("%d causes, %d others, %d in all; %v", len(causes.Value), causes.Other, causes.Total, err)
	}
}

func TestLinks(t *testing.T) {
	b := newBench(t)
	c := b.client()
	l, err := c.AddLink(t.Context(), "webex", LinkRequest{Type: engine.User, Source: "5B0E/x", Target: "T1"})
	if err != nil || l.ID != "user:5b0e/x" || l.Target.ID != "T1" {
		t.Fatalf("%+v %v", l, err)
	}
	if err := b.store.PutLink(t.Context(), "webex", engine.Link{Ref: group("g"), TargetID: "5b0e/x", State: engine.Released, Name: "Sales", MatchedBy: "displayName", Left: engine.NotAssigned,
		Exported: map[string]any{"displayName": "Sales"}}, false); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"user:5b0e/x": "user:5b0e/x", "5b0e/x": "user:5b0e/x", "5B0E/X": "user:5b0e/x", "T1": "user:5b0e/x", "group:g": "group:g", "g": "group:g"} {
		if l, err := c.Link(t.Context(), "webex", id); err != nil || l.ID != want {
			t.Errorf("%s: %+v %v", id, l, err)
		}
	}
	if l, err := c.Link(t.Context(), "webex", "g"); err != nil || l.Exported["displayName"] != "Sales" || l.Left != engine.NotAssigned || l.State != engine.Released {
		t.Errorf("%+v %v", l, err)
	}
	p, err := c.Links(t.Context(), "webex", LinkQuery{Target: "5b0e/x"})
	if err != nil || len(p.Value) != 1 || p.Value[0].ID != "group:g" || p.Value[0].Exported != nil {
		t.Errorf("%+v %v", p, err)
	}
	if err := c.RemoveLink(t.Context(), "webex", "T1"); err != nil {
		t.Error(err)
	}
	var o ObjectConnection
	b.want(200, "", "GET", graphRoot+"/jobs/webex/objectConnections('g')", "").into(t, &o)
	if want := (ObjectConnection{ObjectID: "g", SourceAnchor: "g", TargetAnchor: "5b0e/x", DisplayName: "Sales", ObjectTypeName: "Group"}); o != want {
		t.Errorf("%+v", o)
	}
	b.want(404, "Request_ResourceNotFound", "GET", graphRoot+"/jobs/webex/objectConnections('nobody')", "")
	b.want(204, "", "DELETE", "/jobs/webex/objectConnections('g')", "")
	b.want(204, "", "DELETE", "/jobs/webex/objectConnections('nobody')", "")
	if got := b.back.calls(); !slices.Equal(got, []string{"link 5b0e/x", "unlink user 5b0e/x", "unlink group g"}) {
		t.Errorf("asked for %q", got)
	}
	for _, body := range []string{`{"type":"device","source":"a","target":"b"}`, `{"type":"user","target":"b"}`, `{"type":"user","source":"a"}`} {
		b.want(400, "Request_BadRequest", "POST", "/jobs/webex/links", body)
	}
	if r := b.want(201, "", "POST", "/jobs/webex/links", `{"type":"user","source":"n","target":"m"}`); !strings.Contains(string(r.body), `"user:n"`) {
		t.Errorf("%s", r.body)
	}
}

// Feeds are shown without their cursors, which may hold links with tenant data.
func TestFeeds(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	if _, err := b.store.OpenRound(ctx, "webex", engine.FeedUsers, true, "sel"); err != nil {
		t.Fatal(err)
	}
	if err := b.store.SavePage(ctx, "webex", engine.FeedUsers, engine.PageWrite{Generation: 1, Next: "https://graph.example/secret-token"}); err != nil {
		t.Fatal(err)
	}
	r := b.want(200, "", "GET", graphRoot+"/jobs/webex/feeds", "")
	if strings.Contains(string(r.body), "secret-token") {
		t.Errorf("%s", r.body)
	}
	feeds, err := b.client().Feeds(ctx, "webex")
	if err != nil || len(feeds) != 3 || feeds[2].State != "reading" || !feeds[2].Full || feeds[2].Pages != 1 || feeds[0].State != "new" {
		t.Errorf("%+v %v", feeds, err)
	}
	if err := b.store.CloseRound(ctx, "webex", engine.FeedUsers, "https://graph.example/delta"); err != nil {
		t.Fatal(err)
	}
	if feeds, err = b.client().Feeds(ctx, "webex"); err != nil || feeds[2].State != "idle" || feeds[2].WatermarkAt.IsZero() {
		t.Errorf("%+v %v", feeds, err)
	}
}
