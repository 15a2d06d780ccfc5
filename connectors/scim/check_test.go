package scim

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

func paths(list ...string) []engine.Path {
	var out []engine.Path
	for _, p := range list {
		out = append(out, mapping.MustPath(p))
	}
	return out
}

var userName = map[engine.Kind][]engine.Path{engine.User: paths("userName")}

// levels renders findings as "level name".
func levels(fs []engine.Finding) []string {
	var out []string
	for _, f := range fs {
		out = append(out, string(f.Level)+" "+f.Name)
	}
	return out
}

func TestCheckSequence(t *testing.T) {
	c, f := newFake(t, nil, none, none, ok(list(noorJSON)), ok(list(noorJSON)), ok(list(noorJSON)), none,
		ok(`{"patch":{"supported":true},"filter":{"supported":true,"maxResults":200},"bulk":{"supported":false}}`), ok(list(`{}`, `{}`)), ok(list(`{}`)))
	got, err := c.Check(t.Context(), map[engine.Kind][]engine.Path{engine.User: paths("userName", "externalId"), engine.Group: paths("displayName")})
	noError(t, err)
	want := []string{"ok users: search by userName", "ok users: search by externalId", "ok users: list", "ok users: find one by userName",
		"ok users: find one by externalId", "ok groups: search by displayName", "info discovery"}
	if d := cmp.Diff(want, levels(got)); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	for _, s := range f.sent() {
		if s.method != "GET" {
			t.Errorf("the test wrote: %s", s.line())
		}
	}
	if uri := f.sent()[5].uri; !strings.HasPrefix(uri, "/scim/Groups?excludedAttributes=members&filter=displayName%20eq%20%22") {
		t.Errorf("groups were searched by %s", uri)
	}
}

func Test06to11Verdicts(t *testing.T) {
	stranger := `{"id":"1","userName":"stranger"}`
	for _, c := range []struct {
		name   string
		answer step
		failed bool
		says   string
	}{
		{"06 empty list", none, false, ""},
		{"07 no resources, total 0", ok(`{"totalResults":0}`), false, ""},
		{"08 everybody", ok(list(stranger, stranger)), true, "ignores the filter"},
		{"one resource", ok(stranger), true, "not what SCIM prescribes"},
		{"09 404", refused(404, "", "nothing"), true, "match.query404IsEmpty"},
		{"filter refused", refused(400, "invalidFilter", "no"), true, "match by another one"},
		{"501", refused(501, "", "no"), true, "match by another one"},
		{"401", refused(401, "", "no"), true, "renew them in target.auth"},
		{"403", refused(403, "", "no"), true, "give them the right"},
		{"10 redirect", step{status: 302, header: map[string]string{"Location": "https://login.example.net/x"}}, true, "https://login.example.net/x"},
		{"11 web page", ok("<html><title>Sign in</title>"), true, "Sign in"},
		{"429", limited(429, "Retry-After", "7200"), true, "try again later"},
	} {
		cl, f := newFake(t, nil, c.answer)
		f.rest = func(s seen) step {
			if strings.Contains(s.uri, "startIndex") {
				return none
			}
			return refused(404, "", "")
		}
		got, err := cl.Check(t.Context(), userName)
		noError(t, err)
		if engine.Failed(got) != c.failed {
			t.Errorf("%s: got %v", c.name, got)
		}
		if c.failed && !strings.Contains(fmt.Sprint(got), c.says) {
			t.Errorf("%s: got %v, want it to say %q", c.name, got, c.says)
		}
	}
	c, f := newFake(t, nil)
	f.rest = func(seen) step { return step{status: 500} }
	got, err := c.Check(t.Context(), userName)
	noError(t, err)
	if !engine.Failed(got) || len(f.sent()) != 5 {
		t.Errorf("got %v after %d requests", got, len(f.sent()))
	}
}

func Test82to85Discovery(t *testing.T) {
	c, _ := newFake(t, nil, // 82: bulk has no maxOperations, and patch is malformed
		ok(`{"schemas":["x"],"Patch":{"supported":"yes"},"filter":{"supported":"true","maxResults":"200"},"bulk":{"supported":true},"pagination":{"cursor":true}}`),
		step{status: 500}, ok(`{"Resources":[]}`))
	d, err := c.Discover(t.Context())
	noError(t, err)
	want := Discovered{Config: true, Patch: true, Filter: true, Bulk: true, Cursor: true, MaxResults: 200,
		Defaults: []string{"patch.supported", "sort.supported", "etag.supported"}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// 83: nothing is published, and the connector works.
	c, f := newFake(t, nil)
	f.rest = func(s seen) step {
		switch {
		case strings.Contains(s.uri, "Users"):
			return created(noorJSON)
		case strings.Contains(s.uri, "Schemas"):
			return step{status: 500}
		}
		return refused(404, "", "")
	}
	d, err = c.Discover(t.Context())
	noError(t, err)
	if !d.Patch || !d.Filter || d.Config {
		t.Errorf("got %+v", d)
	}
	mustMake(t, c)
	// 84: patch.supported is false; PATCH is tried all the same.
	c, _ = newFake(t, nil, ok(`{"patch":{"supported":false}}`), none, none, done)
	_, err = c.Discover(t.Context())
	noError(t, err)
	_, err = c.AddMembers(t.Context(), "g1", []string{"u1"})
	noError(t, err)
	// 85: the plural path; and discovery that is open and refuses credentials.
	c, f = newFake(t, nil, refused(404, "", ""), ok(`{"patch":{"supported":true}}`), refused(401, "", ""), ok(list(`{}`)), refused(403, "", ""), ok("[{},{}]"))
	d, err = c.Discover(t.Context())
	noError(t, err)
	if !d.Config || d.Types != 1 || d.Schemas != 2 {
		t.Errorf("got %+v", d)
	}
	got := f.sent()
	if got[1].uri != "/scim/ServiceProviderConfigs" || got[2].header.Get("Authorization") == "" || got[3].header.Get("Authorization") != "" {
		t.Errorf("got %s", f.list())
	}
}

func Test96and97InteropProfile(t *testing.T) {
	for _, flag := range []string{`true`, `"true"`, `1`} {
		c, f := newFake(t, func(cfg *Config) { cfg.BaseURL += "?aadOptscim062020" },
			ok(`{"interopProfileConformant":`+flag+`,"patch":{"supported":true}}`), none, none,
			created(noorJSON), done, refused(405, "", "no"))
		_, err := c.Discover(t.Context())
		noError(t, err)
		mustMake(t, c)
		_, err = upd(t, c, promote, chg("nickName", "a", "b"))
		noError(t, err)
		_, err = upd(t, c, chg(workMail, "a", nil))
		wantError(t, err, engine.OutcomeEscrow, engine.CodeMethodNotAllowed)
		got := f.sent()
		if strings.Contains(got[3].body, `"meta"`) || !strings.Contains(got[3].body, `"schemas":["`+userURN+`","`+enterpriseURN+`"]`) {
			t.Errorf("%s: create: %s", flag, got[3].body)
		}
		if b := bodies(f); b[4] != `PATCH [{"op":"replace","path":"title","value":"Captain"},{"op":"replace","path":"nickName","value":"b"}]` ||
			b[5] != `PATCH [{"op":"remove","path":"emails[type eq \"work\"].value"}]` {
			t.Errorf("%s: got %v", flag, b[4:])
		}
	}
}

func collect(t *testing.T, c *Client) (ids []string, complete bool, err error) {
	t.Helper()
	complete, err = c.List(t.Context(), engine.User, func(r engine.Resource) error {
		ids = append(ids, r.ID)
		return nil
	})
	return ids, complete, err
}

func users(from, to int) []string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprintf(`{"id":"%d"}`, i))
	}
	return out
}

func pageOf(total, from, to int, more string) step {
	return ok(fmt.Sprintf(`{"schemas":["%s"],"totalResults":%d,"Resources":[%s]%s}`, listURN, total, strings.Join(users(from, to), ","), more))
}

func small(cfg *Config) { cfg.Page.Size = 3 }

func Test67to72IndexPaging(t *testing.T) {
	for _, c := range []struct {
		name     string
		steps    []step
		n        int
		complete bool
		code     engine.Code
		starts   []string
	}{
		{"plain", []step{pageOf(5, 1, 3, ""), pageOf(5, 4, 5, "")}, 5, true, "", []string{"1", "4"}},
		{"67 itemsPerPage lies", []step{pageOf(5, 1, 3, `,"itemsPerPage":100`), pageOf(5, 4, 5, `,"itemsPerPage":100`)}, 5, true, "", []string{"1", "4"}},
		{"68 total is the length of the page", []step{pageOf(3, 1, 3, ""), pageOf(2, 4, 5, "")}, 5, false, "", []string{"1", "4"}},
		{"69 short page in the middle", []step{pageOf(5, 1, 2, ""), pageOf(5, 3, 5, ""), pageOf(5, 1, 0, "")}, 5, true, "", []string{"1", "3", "6"}},
		{"70 overlap", []step{pageOf(5, 1, 3, ""), pageOf(5, 3, 5, ""), pageOf(5, 1, 0, "")}, 5, false, "", []string{"1", "4", "7"}},
		{"71 startIndex ignored", []step{pageOf(9, 1, 3, ""), pageOf(9, 1, 3, "")}, 3, false, engine.CodePaginationBroken, []string{"1", "4"}},
		{"72 no total", []step{ok(`{"Resources":[{"id":"1"},{"id":"2"},{"id":"3"}]}`), ok(`{"Resources":[{"id":"4"}]}`), ok(`{"Resources":[]}`)}, 4, true, "", []string{"1", "4", "5"}},
		{"fewer than announced", []step{pageOf(9, 1, 2, ""), pageOf(9, 1, 0, "")}, 2, false, "", []string{"1", "3"}},
		{"a limit on startIndex", []step{pageOf(9, 1, 3, ""), refused(400, "invalidValue", "start index too big")}, 3, false, engine.CodePaginationBroken, []string{"1", "4"}},
		{"nobody", []step{none}, 0, true, "", []string{"1"}},
		{"somebody left meanwhile", []step{pageOf(7, 1, 3, ""), pageOf(6, 4, 6, ""), pageOf(6, 1, 0, "")}, 6, false, "", []string{"1", "4", "7"}},
		{"somebody came meanwhile", []step{pageOf(5, 1, 3, ""), pageOf(6, 4, 6, ""), pageOf(6, 1, 0, "")}, 6, false, "", []string{"1", "4", "7"}},
		{"no results behind the last page", []step{pageOf(3, 1, 3, ""), pageOf(0, 1, 0, "")}, 3, true, "", []string{"1", "4"}},
		{"no page behind the last one", []step{pageOf(3, 1, 3, ""), refused(400, "invalidValue", "out of range")}, 3, true, "", []string{"1", "4"}},
	} {
		cl, f := newFake(t, small, c.steps...)
		ids, complete, err := collect(t, cl)
		if c.code != "" {
			wantError(t, err, engine.OutcomeEscrow, c.code)
		} else {
			noError(t, err)
		}
		if len(ids) != c.n || complete != c.complete {
			t.Errorf("%s: got %v, complete %t; want %d, %t", c.name, ids, complete, c.n, c.complete)
		}
		var starts []string
		for _, s := range f.sent() {
			u, _ := url.Parse(s.uri)
			starts = append(starts, u.Query().Get("startIndex"))
			if u.Query().Get("count") != "3" {
				t.Errorf("%s: count changed: %s", c.name, s.uri)
			}
		}
		if !slices.Equal(starts, c.starts) {
			t.Errorf("%s: pages from %v, want %v", c.name, starts, c.starts)
		}
	}
}

func Test73and74CursorPaging(t *testing.T) {
	byCursor := func(cfg *Config) { cfg.Page.Size, cfg.Page.Mode = 3, "cursor" }
	next := func(c string) string { return `,"nextCursor":"` + c + `"` }
	noTotal := func(from, to int, more string) step {
		return ok(fmt.Sprintf(`{"Resources":[%s]%s}`, strings.Join(users(from, to), ","), more))
	}
	for _, c := range []struct {
		name     string
		change   func(*Config)
		steps    []step
		n        int
		complete bool
		code     engine.Code
		uris     []string
	}{
		{"73 to the end", byCursor, []step{noTotal(1, 3, next("a/b")), noTotal(1, 0, next("c")), noTotal(4, 4, "")}, 4, true, "",
			[]string{"cursor=&count=3", "cursor=a%2Fb&count=3", "cursor=c&count=3"}},
		{"73 the same cursor twice", byCursor, []step{noTotal(1, 3, next("a")), noTotal(4, 5, next("a"))}, 5, false, engine.CodePaginationBroken, nil},
		{"73 expired once", byCursor, []step{noTotal(1, 3, next("a")), refused(400, "expiredCursor", ""), noTotal(1, 3, next("b")), noTotal(4, 5, "")}, 5, false, "", nil},
		{"73 expired twice", byCursor, []step{noTotal(1, 3, next("a")), refused(400, "expiredCursor", ""), noTotal(1, 3, next("b")), refused(400, "invalidCursor", "")}, 3, false, engine.CodePaginationBroken, nil},
		{"74 the server switches", small, []step{pageOf(5, 1, 3, next("x")), pageOf(5, 4, 5, "")}, 5, true, "", []string{"startIndex=1&count=3", "cursor=x&count=3"}},
		{"73 fewer than announced", byCursor, []step{pageOf(9, 1, 3, next("a")), pageOf(9, 4, 5, "")}, 5, false, "", nil},
		{"count is not taken", byCursor, []step{refused(400, "invalidCount", ""), noTotal(1, 2, "")}, 2, true, "", []string{"cursor=&count=3", "cursor="}},
	} {
		cl, f := newFake(t, c.change, c.steps...)
		ids, complete, err := collect(t, cl)
		if c.code != "" {
			wantError(t, err, engine.OutcomeEscrow, c.code)
		} else {
			noError(t, err)
		}
		if len(ids) != c.n || complete != c.complete {
			t.Errorf("%s: got %v, complete %t; want %d, %t", c.name, ids, complete, c.n, c.complete)
		}
		for i, want := range c.uris {
			if got := f.sent()[i].uri; got != "/scim/Users?"+want {
				t.Errorf("%s: request %d is %s, want %s", c.name, i, got, want)
			}
		}
	}
}

// A page that is too large is asked for again, smaller, where the listing stands.
func TestLargePagesAreAskedForInPieces(t *testing.T) {
	big := ok(fmt.Sprintf(`{"totalResults":6,"Resources":[{"id":"3","displayName":%q}]}`, strings.Repeat("x", 4096)))
	cl, f := newFake(t, func(cfg *Config) { cfg.Page.Size, cfg.Limits.BodyBytes = 4, 2048 },
		pageOf(10, 1, 4, ""), big, refused(413, "tooMany", "too many"), pageOf(10, 5, 5, ""), pageOf(10, 6, 6, ""), pageOf(10, 7, 7, ""),
		pageOf(10, 8, 8, ""), pageOf(10, 9, 9, ""), pageOf(10, 10, 10, ""), pageOf(10, 1, 0, ""))
	ids, complete, err := collect(t, cl)
	noError(t, err)
	if len(ids) != 10 || !complete {
		t.Errorf("got %v, complete %t", ids, complete)
	}
	for i, want := range []string{"startIndex=1&count=4", "startIndex=5&count=4", "startIndex=5&count=2", "startIndex=5&count=1", "startIndex=6&count=1"} {
		if got := f.sent()[i].uri; got != "/scim/Users?"+want {
			t.Errorf("request %d is %s, want %s", i, got, want)
		}
	}
}

// Who leaves while the pages are read moves somebody else to a page that was read already. Nobody is then told to be
// gone who was only not shown.
func TestListingWhileAccountsComeAndGo(t *testing.T) {
	const n = 1234
	for name, o := range map[string]struct {
		quirks scimtest.Quirks
		mode   string
		change func(w *sandbox, ids []string) // when the first page was read
		told   int                            // of those there at first
		whole  bool
	}{
		"nothing happens":           {told: n, whole: true},
		"nothing happens, cursor":   {quirks: scimtest.Quirks{Cursor: true}, mode: "cursor", told: n, whole: true},
		"nothing happens, switched": {quirks: scimtest.Quirks{CursorUnasked: true}, told: n, whole: true},
		"an overlap":                {quirks: scimtest.Quirks{OverlapPages: true}, told: n},
		"somebody leaves":           {change: func(w *sandbox, ids []string) { w.Remove(engine.User, ids[4]) }, told: n - 1},
		"somebody leaves, cursor": {quirks: scimtest.Quirks{Cursor: true}, mode: "cursor",
			change: func(w *sandbox, ids []string) { w.Remove(engine.User, ids[4]) }, told: n},
		"somebody comes": {change: func(w *sandbox, _ []string) { w.Add(engine.User, map[string]any{"userName": "late"}) }, told: n},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, w := openSandbox(t, scimtest.Options{Quirks: o.quirks}, "", func(cfg *Config) { cfg.Page.Mode = o.mode })
			var ids []string
			at := map[string]bool{}
			for i := range n {
				id := w.Add(engine.User, map[string]any{"userName": fmt.Sprint("u", i)})
				ids, at[id] = append(ids, id), true
			}
			told := map[string]bool{}
			complete, err := c.List(t.Context(), engine.User, func(r engine.Resource) error {
				if told[r.ID] {
					t.Errorf("%s was told twice", r.ID)
				}
				if told[r.ID] = true; len(told) == 1 && o.change != nil {
					o.change(w, ids)
				}
				return nil
			})
			noError(t, err)
			old := 0
			for id := range told {
				if at[id] {
					old++
				}
			}
			if old != o.told || complete != o.whole {
				t.Errorf("%d of %d were told, complete %t; want %d, %t", old, n, complete, o.told, o.whole)
			}
		})
	}
}

// TestSandboxListings pages through a real application with each of the habits of listings.
func TestSandboxListings(t *testing.T) {
	for name, q := range map[string]scimtest.Quirks{
		"plain": {}, "caps": {MaxResults: 7}, "short pages": {ShortPages: true}, "overlap": {OverlapPages: true}, "no total": {NoTotal: true},
		"total is page length": {TotalIsPageLength: true}, "itemsPerPage lies": {ItemsPerPageLies: true}, "lower case": {LowerKeys: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, w := openSandbox(t, scimtest.Options{Quirks: q}, "", func(cfg *Config) { cfg.Page.Size = 20 })
			const n = 93
			for i := range n {
				w.Add(engine.User, map[string]any{"userName": fmt.Sprint("u", i)})
			}
			ids, _, err := collect(t, c)
			noError(t, err)
			if len(ids) != n {
				t.Errorf("got %d, want %d", len(ids), n)
			}
		})
	}
	c, w := openSandbox(t, scimtest.Options{Quirks: scimtest.Quirks{StartIndexIgnored: true}}, "", func(cfg *Config) { cfg.Page.Size = 5 })
	for i := range 12 {
		w.Add(engine.User, map[string]any{"userName": fmt.Sprint("u", i)})
	}
	_, _, err := collect(t, c)
	wantError(t, err, engine.OutcomeEscrow, engine.CodePaginationBroken)
}

func TestCheckIsNotHeldUpByRetries(t *testing.T) {
	c, f := newFake(t, nil)
	f.srv.Close()
	start := f.clock.Now()
	got, err := c.Check(t.Context(), map[engine.Kind][]engine.Path{engine.User: paths("userName", "externalId"), engine.Group: paths("displayName")})
	noError(t, err)
	if !engine.Failed(got) || len(got) != 1 {
		t.Errorf("got %v, want one finding that the target cannot be reached", got)
	}
	if d := f.clock.Now().Sub(start); d > time.Minute {
		t.Errorf("it took %s", d)
	}
}
