package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/engine"
)

// failures are objects that failed, and a membership.
func failures(n int) []web.EscrowRow {
	rows := []web.EscrowRow{
		{ID: "group:g1", Type: engine.Group, Source: engine.Identity{ID: "g1", Name: "Sales"}, State: engine.ChangeEscrow, Code: "unprocessable", HTTPStatus: 400, Attempts: 1, Due: day(13, 0),
			Reference: &web.EscrowReference{Relation: engine.Member, To: "u7", ToType: engine.User, ToName: "zoe@example.test"}},
		{ID: "group:g1", Type: engine.Group, Source: engine.Identity{ID: "g1", Name: "Sales"}, State: engine.ChangeEscrow, Code: "unprocessable", HTTPStatus: 400, Attempts: 1, Due: day(13, 0),
			Reference: &web.EscrowReference{Relation: engine.Member, To: "u8", ToType: engine.User, Remove: true}},
		{ID: "user:u9", Type: engine.User, Source: engine.Identity{ID: "u9"}, State: engine.ChangeExpired, Code: "forbidden", HTTPStatus: 403, Attempts: 40,
			Reference: &web.EscrowReference{Relation: engine.Manager, To: "u1", ToType: engine.User}},
	}
	for i := range n {
		id := fmt.Sprintf("u%02d", i+1)
		rows = append(rows, web.EscrowRow{ID: "user:" + id, Type: engine.User, Source: engine.Identity{ID: id, Name: id + "@example.test"}, State: engine.ChangeEscrow,
			Code: "conflict", HTTPStatus: 409, Detail: "userName is taken", Attempts: 2, Due: day(13, 30)})
	}
	return rows
}

func TestEscrow(t *testing.T) {
	inUTC(t)
	rows := failures(30)
	s := newFakeService(t, map[string]any{
		"GET /jobs/webex/escrows": func(r *http.Request) any {
			q := r.URL.Query()
			switch {
			case q.Get("group") == "cause":
				return web.EscrowCauses{Total: 33, Other: 2, Value: []web.EscrowCause{
					{Code: "conflict", HTTPStatus: 409, Detail: "userName is\ttaken", Count: 30, Oldest: day(8, 0), NextDue: day(13, 30), Example: "user:u01"},
					{Code: "conflict", HTTPStatus: 409, Detail: "externalId is taken", Count: 2, Oldest: day(9, 0), NextDue: day(13, 0), Expired: 1, Example: "group:g1"},
					{Code: "forbidden", HTTPStatus: 403, Detail: strings.Repeat("administrators are left alone ", 10), Count: 1, Oldest: day(7, 0), Expired: 1, Example: "user:u9"},
				}}
			case q.Get("$skiptoken") == "rest":
				return web.Page[web.EscrowRow]{Value: rows[20:]}
			default:
				return web.Page[web.EscrowRow]{Value: rows[:20], Next: "http://service/x?%24skiptoken=rest"}
			}
		},
		"GET /jobs/calm/escrows": func(r *http.Request) any {
			if r.URL.Query().Get("group") == "cause" {
				return web.EscrowCauses{Value: []web.EscrowCause{}}
			}
			return web.Page[web.EscrowRow]{}
		},
		"POST /jobs/calm/escrows/retry":   web.CountResult{},
		"POST /jobs/calm/escrows/ignore":  web.CountResult{},
		"POST /jobs/webex/escrows/retry":  web.CountResult{Count: 1},
		"POST /jobs/webex/escrows/ignore": web.CountResult{Count: 33},
	})
	checkGolden(t, "testdata/operate/escrow.golden", transcript(t, "",
		forPeople("escrow", "list", "webex"),
		forPeople("escrow", "list", "calm"),
		forPeople("escrow", "retry", "webex", "user:u01", "user:u99"),
		forPeople("escrow", "ignore", "webex", "--all"),
		forPeople("escrow", "retry", "webex"),
		forPeople("escrow", "retry", "webex", "user:u01", "--all"),
		forPeople("escrow", "retry"),
		[]string{"escrow", "retry", "webex", "--all"},
	))
	want := []string{`POST /jobs/webex/escrows/retry {"ids":["user:u01","user:u99"]}`, "POST /jobs/webex/escrows/ignore {}", "POST /jobs/webex/escrows/retry {}"}
	if got := s.took(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked for %q, want %q", got, want)
	}
	for _, line := range []string{"escrow retry calm user:nope --output json", "escrow ignore calm user:nope --output table"} {
		if code, out, errs := runCommand(t, "", strings.Fields(line)...); code != exitUsage || out != "" || !strings.Contains(errs, "no failure of user:nope waits") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", line, code, out, errs)
		}
	}
	for _, line := range []string{"escrow list webex --all --output table", "escrow list webex --output json"} {
		if code, out, _ := runCommand(t, "", strings.Fields(line)...); code != exitDone || !strings.Contains(out, "user:u30") || strings.Contains(out, "and 13 more") {
			t.Errorf("%s does not have all pages: exit %d\n%s", line, code, out)
		}
	}
}
