package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
)

// heldPages is a list of held changes of every cause, on two pages.
func heldPages(r *http.Request) any {
	switch r.URL.Query().Get("snapshot") {
	case "older":
		return web.DeletionList{Snapshot: "older", Waiting: 15, Value: []web.HeldChange{
			{ID: "members:0a1b2c:g2", Type: engine.Group, Action: engine.Update, Source: engine.Identity{ID: "g2", Name: "Support"}, Removals: 15, Has: 15},
		}}
	case "outdated":
		return &web.Problem{Status: 409, Code: "InvalidJobState", Message: "What is held is not the same any more: it was 5 changes, and now is 4 of those or others."}
	}
	if r.URL.Query().Get("$skiptoken") == "2" {
		return web.DeletionList{Snapshot: "of-another-moment", Waiting: 99, Value: []web.HeldChange{
			{ID: "delete:group:g1", Type: engine.Group, Action: engine.Delete, Source: engine.Identity{ID: "g1", Name: "Sales"}, Cause: engine.HoldMissing, Rule: "G17", Reason: engine.MissingInSource, Since: day(12, 0)},
			{ID: "members:0a1b2c:g2", Type: engine.Group, Action: engine.Update, Source: engine.Identity{ID: "g2", Name: "Support"}, Removals: 12, Has: 12, Members: []string{"user:u1"}},
			{ID: "members:0a1b2d:g3", Type: engine.Group, Action: engine.Update, Source: engine.Identity{ID: "g3", Name: "Legal"}, Removals: 1, Has: 30, Verdict: engine.Rejected},
		}}
	}
	return web.DeletionList{Snapshot: "snap-1", Waiting: 15, Next: "http://service/api/v1/jobs/webex/deletions?%24skiptoken=2", Value: []web.HeldChange{
		{ID: "disable:user:u1", Type: engine.User, Action: engine.Disable, Source: engine.Identity{ID: "u1", Name: "ada@example.test"}, Cause: engine.HoldThreshold, Rule: "U10", Reason: engine.NotAssigned, Limit: 20, Since: day(11, 0)},
		{ID: "delete:user:u2", Type: engine.User, Action: engine.Delete, Source: engine.Identity{ID: "u2"}, Target: engine.Identity{Name: "bob \x1b[31m\u202eexample"}, Cause: engine.HoldThreshold, Rule: "U21", Limit: 20, Since: day(11, 0)},
		{ID: "disable:user:u3", Type: engine.User, Action: engine.Disable, Source: engine.Identity{ID: "u3", Name: "cy@example.test"}, Cause: engine.HoldLapsed, Rule: "U10", Limit: 20, Since: day(11, 0), Verdict: engine.Approved, By: "anna", Until: day(11, 30).AddDate(0, 0, 3)},
	}}
}

func TestDeletions(t *testing.T) {
	inUTC(t)
	s := newFakeService(t, map[string]any{
		"GET /jobs":                          web.Page[web.SynchronizationJob]{Value: []web.SynchronizationJob{aJob("webex")}},
		"GET /jobs/webex/deletions":          heldPages,
		"GET /jobs/calm/deletions":           web.DeletionList{Value: []web.HeldChange{}},
		"POST /jobs/webex/deletions/approve": web.JudgeResult{Judged: 15},
		"POST /jobs/webex/deletions/reject":  web.JudgeResult{Judged: 1},
	})
	checkGolden(t, "testdata/operate/deletions.golden", transcript(t, "",
		forPeople("job", "deletions", "webex", "list"),
		forPeople("job", "deletions", "calm"),
		forPeople("job", "deletions", "calm", "approve", "--comment", "they left"),
		forPeople("job", "deletions", "webex", "approve"),
		forPeople("job", "deletions", "webex", "approve", "--comment", "they left"),
		forPeople("job", "deletions", "webex", "approve", "--comment", "they left", "--yes"),
		forPeople("job", "deletions", "webex", "approve", "--comment", "they left", "--snapshot", "older"),
		forPeople("job", "deletions", "webex", "approve", "--comment", "they left", "--snapshot", "outdated"),
		forPeople("job", "deletions", "webex", "reject", "--id", "disable:user:u1"),
		forPeople("job", "deletions", "webex", "reject", "--id", "members:0a1b2c:g2"),
		forPeople("job", "deletions", "webex", "reject", "--id", "disable:user:u9"),
		forPeople("job", "deletions", "webex", "frobnicate"),
	))
	s.took()

	for line, want := range map[string]string{
		"job deletions list webex": "",
		"job deletions list":       "",
		"job deletions":            "",
		"job deletions approve webex --yes --comment left":                                        `approve {"snapshot":"snap-1","comment":"left"}`,
		"job deletions webex approve --snapshot older --comment left":                             `approve {"snapshot":"older","comment":"left"}`,
		"job deletions approve --id disable:user:u1 --id members:0a1b2c:g2 --comment left":        `approve {"ids":["disable:user:u1","members:0a1b2c:g2"],"comment":"left"}`,
		"job deletions webex reject --yes":                                                        `reject {"snapshot":"snap-1","comment":"rejected without a comment"}`,
		"job deletions webex reject --snapshot snap-1 --comment wrong":                            `reject {"snapshot":"snap-1","comment":"wrong"}`,
		"job deletions webex approve --comment left":                                              "refused",
		"job deletions webex reject":                                                              "refused",
		"job deletions webex approve --yes":                                                       "refused",
		"job deletions webex approve --comment left --yes --id disable:user:u1 --snapshot snap-1": "refused",
		"job deletions webex list --id disable:user:u1":                                           "refused",
	} {
		code, out, errs := runCommand(t, "", strings.Fields(line)...)
		asked := strings.TrimPrefix(strings.Join(s.took(), "\n"), "POST /jobs/webex/deletions/")
		if want == "refused" {
			if code != exitUsage || asked != "" || out != "" || errs == "" {
				t.Errorf("%s: exit %d, asked for %q, stdout %q, stderr %q; want it refused", line, code, asked, out, errs)
			}
			continue
		}
		if code != exitDone || asked != want {
			t.Errorf("%s: exit %d, asked for %q, want %q; stderr %q", line, code, asked, want, errs)
		}
	}

	_, out, _ := runCommand(t, "", "job", "deletions", "webex")
	var got web.DeletionList
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, h := range got.Value {
		ids = append(ids, h.ID)
	}
	want := []string{"disable:user:u1", "delete:user:u2", "disable:user:u3", "delete:group:g1", "members:0a1b2c:g2", "members:0a1b2d:g3"}
	if d := cmp.Diff(want, ids); d != "" || got.Snapshot != "snap-1" || got.Waiting != 15 || got.Next != "" {
		t.Errorf("all pages are one list with the snapshot of the first: %+v (-want +got):\n%s", got, d)
	}
}

// TestAsk: only a yes is a yes.
func TestAsk(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, " yes \r\n": true, "": false, "\n": false, "n\n": false, "yesterday\n": false, "y": true} {
		var out strings.Builder
		err := ask(t.Context(), strings.NewReader(answer), &out, "Sure?")
		if (err == nil) != want || out.String() != "Sure? [y/N] " || err != nil && exitCode(err) != exitUsage {
			t.Errorf("%q: %v, asked %q", answer, err, out.String())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent, w := io.Pipe() // somebody who never answers
	defer w.Close()
	if err := ask(ctx, silent, io.Discard, "Sure?"); err == nil {
		t.Error("an interrupted question was taken for a yes")
	}
}
