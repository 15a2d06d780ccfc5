package msgraph

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

func TestEmptyPagesAreFollowed(t *testing.T) { // GS-DL-2
	t.Parallel()
	s := graphtest.Calm()
	s.UserPage, s.EmptyPageRate, s.EmptyLastRate = 5, 0.5, 1
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: &s})
	for i := range 50 {
		w.AddUser(graphtest.User{UserPrincipalName: fmt.Sprintf("u%d@example.test", i)})
	}
	pages, err := follow(t, w.src, engine.FeedUsers, "")
	if err != nil {
		t.Fatal(err)
	}
	empty, users := 0, 0
	for _, p := range pages {
		users += len(p.Objects)
		if len(p.Objects) == 0 {
			empty++
		}
	}
	if users != 50 || empty < 3 || len(pages[len(pages)-1].Objects) != 0 {
		t.Errorf("%d users, %d of %d pages empty", users, empty, len(pages))
	}
}

func TestLinksAreSentByteForByte(t *testing.T) { // GS-DL-1
	t.Parallel()
	odd := []string{
		"/v1.0/users/microsoft.graph.delta()?$skiptoken=a%2Fb%24c+d~e%7ef&X=%c3%a9&&y",
		"/v1.0/users/delta?%24skiptoken=" + strings.Repeat("Zm9v-_.", 2500),
		"/v1.0/users/delta(key='o''x')?$deltatoken=A%2d%2E%7E==",
	}
	src, s := scripted(t, nil)
	s.reply = func(n int, w http.ResponseWriter, r *http.Request) {
		base := strings.TrimSuffix(s.url, "/v1.0")
		switch {
		case n > 1 && r.RequestURI != odd[n-2]:
			t.Errorf("request %d was %s", n, r.RequestURI)
			fallthrough
		case n > len(odd):
			say(w, `{"value":[],"@odata.deltaLink":%q}`, base+"/v1.0/users/delta?$deltatoken=end")
		default:
			say(w, `{"value":[],"@odata.nextLink":%q}`, base+odd[n-1])
		}
	}
	if got := link(t, mustFollow(t, src, engine.FeedUsers, "").Next); got != s.url+"/users/delta?$deltatoken=end" {
		t.Errorf("the watermark holds %s", got)
	}
}

func TestFirstRequestAsksForTheSelection(t *testing.T) { // GS-US-1, GS-GR-1
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	mustFollow(t, w.src, engine.FeedUsers, "")
	mustFollow(t, w.src, engine.FeedGroups, "")
	log := w.Log()
	want := []string{
		"accountEnabled,deletedDateTime,department,displayName,givenName,id,mail,manager,userPrincipalName,userType",
		"deletedDateTime,displayName,groupTypes,id,mailEnabled,mailNickname,members,securityEnabled",
	}
	for i, sel := range want {
		if got := log[i].Options["$select"]; got != sel {
			t.Errorf("request %d selects %s, want %s", i, got, sel)
		}
	}
}

func TestIdleCycleCostsFourRequests(t *testing.T) { // section 16
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm(), Population: graphtest.Population{Users: 100, Groups: 10, Tidy: true}})
	marks := map[engine.Feed]engine.Cursor{}
	cycle := func() {
		for _, f := range []engine.Feed{engine.FeedAssignments, engine.FeedGroups, engine.FeedUsers} {
			marks[f] = mustFollow(t, w.src, f, marks[f]).Next
		}
	}
	cycle()
	w.src.TakeRequests()
	cycle()
	if got := w.src.TakeRequests(); got != (engine.Requests{Sent: 4}) {
		t.Errorf("got %+v", got)
	}
}

func TestHeadersOfEveryRequest(t *testing.T) { // GS-HT-4, GS-HT-5
	t.Parallel()
	s := graphtest.Calm()
	s.UserPage = 5
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: &s, Population: graphtest.Population{Users: 20, Groups: 1, Tidy: true}})
	mark := mustFollow(t, w.src, engine.FeedUsers, "").Next
	full := len(w.Log())
	mustFollow(t, w.src, engine.FeedUsers, mark)
	ids := map[string]bool{}
	for i, r := range w.Log() {
		want := map[string]string{"Accept": "application/json", "User-Agent": "scimsync", "Client-Request-Id": r.Header["Client-Request-Id"]}
		if i < full {
			want["X-Ms-Throttle-Priority"] = "low"
		}
		if diff := cmp.Diff(want, r.Header); diff != "" {
			t.Errorf("request %d (-want +got):\n%s", i, diff)
		}
		ids[r.Header["Client-Request-Id"]] = true
	}
	if len(ids) != len(w.Log()) || ids[""] {
		t.Error("request ids are missing or used twice")
	}
}

func TestDeadLinksExpire(t *testing.T) { // GS-DL-6, GS-RS-1
	t.Parallel()
	for _, c := range []struct {
		mode   graphtest.TokenDeath
		waited time.Duration
	}{
		{graphtest.Age, 0}, {graphtest.Gone, 0}, {graphtest.GoneBare, 0}, {graphtest.Nested, 0},
		{graphtest.Page, 0}, {graphtest.PageUnknown, 5 * time.Minute},
	} {
		t.Run(string(c.mode), func(t *testing.T) {
			t.Parallel()
			s := graphtest.Calm()
			s.UserPage = 5
			w := sandbox(t, graphtest.Options{Seed: 1, Settings: &s, Population: graphtest.Population{Users: 30, Groups: 1, Tidy: true}})
			var at engine.Cursor
			for p, err := range w.src.Pages(t.Context(), engine.FeedUsers, "") {
				if err != nil {
					t.Fatal(err)
				}
				at = p.Next
				if c.mode == graphtest.Page || c.mode == graphtest.PageUnknown {
					break // a link within the round; else the one of its end
				}
			}
			w.KillTokens("users", c.mode)
			before := w.clock.Now()
			pages, err := follow(t, w.src, engine.FeedUsers, at)
			if !errors.Is(err, engine.ErrCursorExpired) || len(pages) > 0 {
				t.Fatalf("got %d pages, %v", len(pages), err)
			}
			if got := w.clock.Now().Sub(before); got < c.waited || got > c.waited+time.Minute {
				t.Errorf("waited %v, want about %v", got, c.waited)
			}
			if _, err := follow(t, w.src, engine.FeedUsers, ""); err != nil {
				t.Errorf("a full read afterwards: %v", err)
			}
		})
	}
}

func TestLinksDieInEveryShape(t *testing.T) { // GS-RS-1: at any depth and status
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		body   string
	}{
		{"410 without a body", 410, ""},
		{"410 of a proxy", 410, "<html>gone</html>"},
		{"404 syncStateNotFound", 404, `{"error":{"code":"syncStateNotFound"}}`},
		{"500 resyncRequired", 500, `{"error":{"code":"generalException","innerError":{"code":"resyncRequired"}}}`},
		{"three levels deep", 400, `{"error":{"code":"a","innererror":{"code":"b","innerError":{"code":"resyncChangesApplyDifferences"}}}}`},
		{"a stored link that is rejected", 400, `{"error":{"code":"Request_UnsupportedQuery"}}`},
	} {
		src, _ := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		at, err := position{Link: src.root.String() + "/users/delta?$deltatoken=x"}.cursor()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := follow(t, src, engine.FeedUsers, at); !errors.Is(err, engine.ErrCursorExpired) {
			t.Errorf("%s: got %v", c.name, err)
		}
		if n := src.TakeRequests().Sent; n != 1 {
			t.Errorf("%s: %d requests", c.name, n)
		}
	}
}

func TestEndlessFeeds(t *testing.T) { // GS-DL-7
	t.Parallel()
	for _, e := range []graphtest.Effect{graphtest.SameLink, graphtest.Loop} {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			s := graphtest.Calm()
			s.UserPage = 5
			w := sandbox(t, graphtest.Options{Seed: 1, Settings: &s, Population: graphtest.Population{Users: 30, Groups: 1, Tidy: true}})
			w.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users", PageFrom: 3}, Effect: e})
			_, err := follow(t, w.src, engine.FeedUsers, "")
			wantCode(t, err, engine.CodeSourceLoop)
		})
	}
	t.Run("links that are always new and pages that are always empty", func(t *testing.T) {
		t.Parallel()
		var s *script
		src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
			say(w, `{"value":[],"@odata.nextLink":"%s/users/delta?$skiptoken=%d"}`, s.url, n)
		})
		_, err := follow(t, src, engine.FeedUsers, "")
		wantCode(t, err, engine.CodeSourceLoop)
	})
}

func TestAbsentNullAndValue(t *testing.T) { // GS-MG-2, GS-HT-1
	t.Parallel()
	var s *script
	src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		say(w, `{"value":[
			{"id":%q,"displayName":"Mira Holt","department":null,"businessPhones":[],"onPremisesExtensionAttributes":{"extensionAttribute1":null,"extensionAttribute2":"x"},
			 "extension_0a_cost":9007199254740993,"employeeOrgData":null,"ratio":0.5,"notSelected":"x","department@odata.type":"#String"},
			{"id":%q,"businessPhones":["+1","+2"]}],
			"@odata.deltaLink":"%s/users/delta?$deltatoken=1"}`, strings.ToUpper(mira), jon, s.url)
	}, func(c *Config) {
		c.Select.Users = []string{"department", "businessPhones", "onPremisesExtensionAttributes", "extension_0a_cost", "employeeOrgData", "ratio"}
	})
	got := mustFollow(t, src, engine.FeedUsers, "").Objects
	want := []engine.Object{
		{Ref: engine.Ref{Kind: engine.User, ID: mira}, State: engine.Active, Partial: true, Attributes: map[string]any{
			"id": mira, "displayName": "Mira Holt", "department": nil, "businessPhones": []any{},
			"onPremisesExtensionAttributes": map[string]any{"extensionAttribute1": nil, "extensionAttribute2": "x"},
			"extension_0a_cost":             int64(9007199254740993), "employeeOrgData": nil, "ratio": 0.5}},
		{Ref: engine.Ref{Kind: engine.User, ID: jon}, State: engine.Active, Partial: true, Attributes: map[string]any{
			"id": jon, "businessPhones": []any{"+1", "+2"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRemovalsByReason(t *testing.T) { // GS-US, GS-GR-7, GS-MG-5
	t.Parallel()
	var s *script
	src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		say(w, `{"value":[
			{"id":"a","@removed":{"reason":"changed"}},{"id":"b","@removed":{"reason":"deleted"}},
			{"id":"c","@removed":{"reason":"astray"}},{"id":"d","@removed":{}},{"id":"e","@removed":null}],
			"@odata.deltaLink":"%s/groups/delta?$deltatoken=1"}`, s.url)
	})
	got := map[string]engine.LifeState{}
	for _, o := range mustFollow(t, src, engine.FeedGroups, "").Objects {
		got[o.ID] = o.State
		if o.State != engine.Active && o.Attributes != nil {
			t.Errorf("a removal has attributes: %+v", o)
		}
	}
	want := map[string]engine.LifeState{"a": engine.SoftDeleted, "b": engine.HardDeleted, "c": engine.SoftDeleted, "d": engine.SoftDeleted, "e": engine.Active}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The order of entries proves nothing: whoever is told to be removed and live, or twice with
// different values, is looked up, and the answer comes last.
func TestContradictionsAreLookedUp(t *testing.T) { // GS-MG-1, GS-MG-4
	t.Parallel()
	live := func(dep string) string {
		return fmt.Sprintf(`{"id":%q,"displayName":"Mira Holt","department":%q}`, mira, dep)
	}
	gone := fmt.Sprintf(`{"id":%q,"@removed":{"reason":"changed"}}`, mira)
	ended := fmt.Sprintf(`{"id":%q,"@removed":{"reason":"deleted"}}`, mira)
	for _, c := range []struct {
		name    string
		entries []string // one a page
		where   string   // what the single reads say: live, bin, gone
		lookups int
		want    engine.LifeState
	}{
		{"removed, then live; it is live", []string{gone, live("x")}, "live", 1, engine.Active},
		{"live, then removed; it is live", []string{live("x"), gone}, "live", 1, engine.Active},
		{"live, then removed; it is in the bin", []string{live("x"), gone}, "bin", 2, engine.SoftDeleted},
		{"removed, then live; it is found nowhere, which takes a second round to be believed", []string{gone, live("x")}, "gone", 3, engine.Active},
		{"gone for good, then live; it is gone", []string{ended, live("x")}, "gone", 3, engine.HardDeleted},
		{"three times with different values", []string{live("x"), live("y"), live("x")}, "live", 1, engine.Active},
		{"three times the same", []string{live("x"), live("x"), live("x")}, "live", 0, engine.Active},
		{"removed twice", []string{gone, gone}, "bin", 0, engine.SoftDeleted},
	} {
		for _, torn := range []bool{false, true} {
			lookups := 0
			var s *script
			src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
				path := strings.TrimPrefix(r.URL.Path, "/v1.0")
				if path != "/users/delta" {
					lookups++
				}
				switch {
				case path == "/users/delta":
					var at int
					if _, err := fmt.Sscanf(r.URL.Query().Get("$skiptoken"), "p%d", &at); err != nil {
						at = 0
					}
					link := fmt.Sprintf(`"@odata.nextLink":"%s/users/delta?$skiptoken=p%d"`, s.url, at+1)
					if at+1 == len(c.entries) {
						link = fmt.Sprintf(`"@odata.deltaLink":"%s/users/delta?$deltatoken=d"`, s.url)
					}
					say(w, `{"value":[%s],%s}`, c.entries[at], link)
				case path == "/users/"+mira && c.where == "live":
					say(w, `%s`, live("truth"))
				case path == "/directory/deletedItems/"+mira && c.where == "bin":
					say(w, `{"@odata.type":"#microsoft.graph.user","id":%q,"userPrincipalName":"5b0emira@example.test"}`, mira)
				default:
					fail(w, 404, "Request_ResourceNotFound")
				}
			}, func(c *Config) { c.Select.Users = []string{"department"} })

			var last engine.Object
			at, err := position{Link: s.url + "/users/delta?$deltatoken=first"}.cursor()
			if err != nil {
				t.Fatal(err)
			}
			for done := false; !done; { // torn: every page is read by a call of its own
				for p, err := range src.Pages(t.Context(), engine.FeedUsers, at) {
					if err != nil {
						t.Fatal(err)
					}
					if len(p.Objects) > 0 {
						last = p.Objects[len(p.Objects)-1]
					}
					if at, done = p.Next, p.Done; torn {
						break
					}
				}
			}
			if last.State != c.want {
				t.Errorf("%s (torn %v): got %s", c.name, torn, last.State)
			}
			if !torn && lookups != c.lookups {
				t.Errorf("%s: %d single reads, want %d", c.name, lookups, c.lookups)
			}
			if c.lookups == 1 && !torn && last.Attributes["department"] != "truth" {
				t.Errorf("%s: the looked-up object did not come last: %+v", c.name, last)
			}
		}
	}
}

func TestForeignLinksGetNoRequest(t *testing.T) { // GS-HT-3
	t.Parallel()
	trap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the trap got %s with %q", r.URL.Path, r.Header.Get("Authorization"))
	}))
	t.Cleanup(trap.Close)
	for _, e := range []graphtest.Effect{graphtest.ForeignLink, graphtest.Redirect} {
		w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
		w.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: e, Host: trap.URL})
		_, err := follow(t, w.src, engine.FeedUsers, "")
		wantCode(t, err, engine.CodeSourceForeignLink)
	}
	for _, next := range []string{trap.URL + "/v1.0/users/delta?$skiptoken=1", "//" + strings.TrimPrefix(trap.URL, "http://") + "/x", "https://graph.microsoft.com/v1.0/users/delta"} {
		src, _ := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) { say(w, `{"value":[],"@odata.nextLink":%q}`, next) })
		_, err := follow(t, src, engine.FeedUsers, "")
		wantCode(t, err, engine.CodeSourceForeignLink)
		at, err := position{Link: next}.cursor()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := follow(t, src, engine.FeedUsers, at); err == nil {
			t.Error("a stored link to another host was followed")
		}
	}
}

func TestRelativeLinksAndRedirectsOnTheSameHost(t *testing.T) {
	t.Parallel()
	s := graphtest.Calm()
	s.UserPage = 5
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: &s, Population: graphtest.Population{Users: 12, Groups: 1, Tidy: true}})
	w.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: graphtest.Redirect, Status: 308, Times: 1})
	w.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: graphtest.RelativeLink})
	p := mustFollow(t, w.src, engine.FeedUsers, "")
	if len(p.Objects) < 12 || !strings.HasPrefix(link(t, p.Next), w.url) {
		t.Errorf("%d users, watermark %s", len(p.Objects), link(t, p.Next))
	}
}

func TestDamagedPagesAreAskedForAgain(t *testing.T) { // GS-HT-2, GS-DL-4
	t.Parallel()
	for _, c := range []struct {
		effect   graphtest.Effect
		n        int
		property string
	}{
		{graphtest.TruncateItem, 3, ""}, {graphtest.TruncateAt, 100, ""}, {graphtest.TruncateAt, 0, ""}, {graphtest.NoLinks, 0, ""}, {graphtest.BothLinks, 0, ""},
		{graphtest.NullItem, 1, ""}, {graphtest.NoID, 1, ""}, {graphtest.WrongType, 0, "value"}, {graphtest.WrongType, 0, "id"},
	} {
		t.Run(fmt.Sprint(c.effect, " ", c.n, c.property), func(t *testing.T) {
			t.Parallel()
			w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm(), Population: graphtest.Population{Users: 12, Groups: 1, Tidy: true}})
			w.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: c.effect, N: c.n, Property: c.property, Times: 3})
			pages, err := follow(t, w.src, engine.FeedUsers, "")
			if err != nil || len(pages[0].Objects) < 12 {
				t.Fatalf("three damaged answers, then a good one: %v", err)
			}
			if got := w.src.TakeRequests(); got.Sent != 4 || got.Retries != 3 {
				t.Errorf("counted %+v", got)
			}
			w.ClearFaults()
			w.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: c.effect, N: c.n, Property: c.property})
			_, err = follow(t, w.src, engine.FeedUsers, "")
			if se := wantCode(t, err, engine.CodeSourcePage); !se.Transient {
				t.Error("a damaged page is held against the job")
			}
			if got := w.src.TakeRequests(); got.Sent != 4 {
				t.Errorf("counted %+v", got)
			}
		})
	}
}

func TestUnusualBodiesAreUnderstood(t *testing.T) {
	t.Parallel()
	for _, e := range []graphtest.Effect{graphtest.UTF8BOM, graphtest.Gzip, graphtest.Chunked, graphtest.Unicode, graphtest.BigNumber, graphtest.ClockSkew, graphtest.DupPage, graphtest.DupIDs} {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm(), Population: graphtest.Population{Users: 12, Groups: 1, Tidy: true}})
			w.AddFault(graphtest.Fault{Match: graphtest.Match{Feed: "users"}, Effect: e, Times: 1})
			if p := mustFollow(t, w.src, engine.FeedUsers, ""); len(p.Objects) < 12 {
				t.Errorf("%d users", len(p.Objects))
			}
		})
	}
	t.Run("deep nesting is refused", func(t *testing.T) {
		t.Parallel()
		src, _ := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
			say(w, `{"value":[{"id":"a","x":%s%s}]}`, strings.Repeat("[", 100_000), strings.Repeat("]", 100_000))
		})
		_, err := follow(t, src, engine.FeedUsers, "")
		wantCode(t, err, engine.CodeSourcePage)
	})
}

func TestSelectionFingerprint(t *testing.T) { // GS-CF-1
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	base := w.src.Selection(engine.FeedUsers)
	for name, c := range map[string]struct {
		change func(*Config)
		same   bool
	}{
		"order":   {func(c *Config) { c.Select.Users = []string{"givenName", "department", "department"} }, true},
		"wider":   {func(c *Config) { c.Select.Users = []string{"givenName", "department", "surname"} }, false},
		"manager": {func(c *Config) { c.Select.Manager = false }, false},
		"groups":  {func(c *Config) { c.Select.Groups = []string{"description"} }, true},
		"tenant":  {func(c *Config) { c.TenantID = "other.example" }, false},
	} {
		if got := w.open(t, c.change).Selection(engine.FeedUsers) == base; got != c.same {
			t.Errorf("%s: the same is %v", name, got)
		}
	}
}

func TestConsumerMayStop(t *testing.T) {
	t.Parallel()
	s := graphtest.Calm()
	s.UserPage = 2
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: &s, Population: graphtest.Population{Users: 12, Groups: 1, Tidy: true}})
	for range w.src.Pages(t.Context(), engine.FeedUsers, "") {
		break
	}
	if got := w.src.TakeRequests().Sent; got != 1 {
		t.Errorf("%d requests for one page", got)
	}
}
