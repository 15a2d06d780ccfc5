package graphtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ten is a world of ten users, three to a page.
func ten(t testing.TB, faults ...Fault) (*Server, *client) {
	set := Calm()
	set.UserPage = 3
	s, c := start(t, Options{Seed: 2, Settings: &set})
	for range 10 {
		s.AddUser(User{DisplayName: "Somebody", GivenName: "Some"})
	}
	for _, f := range faults {
		s.AddFault(f)
	}
	return s, c
}

const feed = "/v1.0/users/delta?$select=displayName"

func TestFaultMatching(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		match  Match
		times  int
		status []int // of the pages of one walk, the last one repeated on failure
	}{
		"everything":  {Match{}, 1, []int{503, 200, 200, 200, 200}},
		"feed":        {Match{Feed: "users"}, 2, []int{503, 503, 200, 200, 200, 200}},
		"other feed":  {Match{Feed: "groups"}, 0, []int{200, 200, 200, 200}},
		"page range":  {Match{Feed: "users", PageFrom: 2, PageTo: 3}, 1, []int{200, 503, 200, 200, 200}},
		"nth":         {Match{Path: "/users/delta", Nth: 3}, 0, []int{200, 200, 503, 200, 200}},
		"method":      {Match{Method: "POST"}, 0, []int{200, 200, 200, 200}},
		"path prefix": {Match{Path: "/Users", PageFrom: 4}, 2, []int{200, 200, 200, 503, 503, 200}},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := ten(t, Fault{Match: tt.match, Times: tt.times, Effect: Status})
			var got []int
			url := feed
			for range 20 {
				r := c.get(url)
				got = append(got, r.status)
				if r.status == 200 {
					if url = r.link("nextLink"); url == "" {
						break
					}
				}
			}
			if d := cmp.Diff(tt.status, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestStatusFault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault             Fault
		status            int
		contentType, body string
	}{
		{Fault{Effect: Status}, 503, "application/json", `"code":"serviceNotAvailable"`},
		{Fault{Effect: Status, Status: 500, Body: "html"}, 500, "text/html", "<html>"},
		{Fault{Effect: Status, Status: 504, Body: "empty"}, 504, "", ""},
		{Fault{Effect: Status, Status: 502, Body: "plain"}, 502, "text/plain", "Bad Gateway"},
		{Fault{Effect: Status, Status: 400, Code: "syncStateNotFound"}, 400, "application/json", `"code":"syncStateNotFound"`},
		{Fault{Effect: Status, Status: 200, Body: "<oops>", Header: map[string]string{"Content-Type": "text/html", "Retry-After": "3"}}, 200, "text/html", "<oops>"},
		{Fault{Effect: Redirect, Status: 308, Host: "http://other.test"}, 308, "", ""},
		{Fault{Effect: Redirect}, 307, "", ""},
	} {
		_, c := ten(t, tt.fault)
		r := c.get(feed).want(t, tt.status)
		if ct := r.header.Get("Content-Type"); !strings.HasPrefix(ct, tt.contentType) || (tt.contentType == "") != (ct == "") {
			t.Errorf("%+v: Content-Type %q", tt.fault, ct)
		}
		if !strings.Contains(r.raw, tt.body) || (tt.body == "") != (r.raw == "") {
			t.Errorf("%+v: body %q", tt.fault, r.raw)
		}
		if tt.fault.Effect == Redirect {
			want := map[string]string{"": host, "http://other.test": "http://other.test"}[tt.fault.Host] + strings.ReplaceAll(feed, " ", "%20")
			if got := r.header.Get("Location"); got != want {
				t.Errorf("Location %q, want %q", got, want)
			}
		}
		if v := tt.fault.Header["Retry-After"]; r.header.Get("Retry-After") != v {
			t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
		}
	}
}

func TestLinkFaults(t *testing.T) {
	t.Parallel()
	first := func(e Effect, more ...func(*Fault)) reply {
		f := Fault{Effect: e, Match: Match{PageTo: 1}}
		for _, m := range more {
			m(&f)
		}
		_, c := ten(t, f)
		return c.get(feed).want(t, 200)
	}
	if r := first(NoLinks); r.link("nextLink")+r.link("deltaLink") != "" || len(r.value()) != 3 {
		t.Errorf("noLinks: %s", r.raw)
	}
	if r := first(BothLinks); r.link("nextLink") == "" || r.link("deltaLink") == "" {
		t.Errorf("bothLinks: %s", r.raw)
	}
	if r := first(SameLink); r.link("nextLink") != host+feed {
		t.Errorf("sameLink: %s", r.raw)
	}
	if r := first(ForeignLink); !strings.HasPrefix(r.link("nextLink"), "https://graph.invalid/v1.0/users/delta?") {
		t.Errorf("foreignLink: %s", r.raw)
	}
	if r := first(ForeignLink, func(f *Fault) { f.Host = "http://127.0.0.1:9" }); !strings.HasPrefix(r.link("nextLink"), "http://127.0.0.1:9/v1.0/") {
		t.Errorf("foreignLink: %s", r.raw)
	}
	if r := first(RelativeLink); !strings.HasPrefix(r.link("nextLink"), "/v1.0/users/delta?") {
		t.Errorf("relativeLink: %s", r.raw)
	}
	if r := first(EmptyList); len(r.value()) != 0 || r.link("nextLink") != "" {
		t.Errorf("emptyList: %s", r.raw)
	}

	_, c := ten(t, Fault{Effect: Loop, Match: Match{Feed: "users", PageFrom: 3}})
	seen := map[any]int{}
	url := feed
	for range 12 {
		r := c.get(url).want(t, 200)
		for _, v := range r.value() {
			seen[v["id"]]++
		}
		url = r.link("nextLink")
	}
	if url == "" || len(seen) != 9 {
		t.Errorf("loop: %d ids, next %q", len(seen), url)
	}
}

func TestPageFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		effect     Effect
		url        string
		items, ids int
	}{
		{DupPage, feed, 13, 10},
		{DropPage, feed, 7, 7},
		{DupPage, "/v1.0/users?$top=3&$select=displayName", 13, 10},
		{DropPage, "/v1.0/users?$top=3&$select=displayName", 7, 7},
	} {
		_, c := ten(t, Fault{Effect: tt.effect, Match: Match{PageFrom: 2, PageTo: 2}})
		items, _ := c.drain(tt.url)
		ids := map[any]bool{}
		for _, i := range items {
			ids[i["id"]] = true
		}
		if len(items) != tt.items || len(ids) != tt.ids {
			t.Errorf("%s of %s: %d items, %d ids, want %d and %d", tt.effect, tt.url, len(items), len(ids), tt.items, tt.ids)
		}
	}
	_, c := ten(t, Fault{Effect: Shrink, Percent: 60})
	if items, _ := c.drain(feed); len(items) == 0 || len(items) == 10 {
		t.Errorf("shrink: %d items", len(items))
	}
}

func TestItemFaults(t *testing.T) {
	t.Parallel()
	get := func(f Fault) reply {
		_, c := ten(t, f)
		return c.get(feed).want(t, 200)
	}
	if v := get(Fault{Effect: NullItem, N: 1}).body["value"].([]any); len(v) != 3 || v[1] != nil {
		t.Errorf("nullItem: %v", v)
	}
	if v := get(Fault{Effect: NoID, N: 2}).value(); v[2]["id"] != nil || v[2]["displayName"] == nil || v[1]["id"] == nil {
		t.Errorf("noId: %v", v)
	}
	if v := get(Fault{Effect: DupIDs}).value(); v[0]["id"] != v[1]["id"] {
		t.Errorf("dupIds: %v", v)
	}
	if v := get(Fault{Effect: WrongType}).value(); v[0]["displayName"] != 42.0 {
		t.Errorf("wrongType: %v", v)
	}
	if r := get(Fault{Effect: WrongType, Property: "value"}); r.body["value"].(map[string]any)["list"] == nil {
		t.Errorf("wrongType of value: %s", r.raw)
	}
	if r := get(Fault{Effect: BigNumber}); !strings.Contains(r.raw, "1152921504606846976") {
		t.Errorf("bigNumber: %s", r.raw)
	}
	if v := get(Fault{Effect: LongString}).value(); len(v[0]["displayName"].(string)) != 1<<20 {
		t.Errorf("longString: %d", len(v[0]["displayName"].(string)))
	}
	if r := get(Fault{Effect: Unicode}); !strings.Contains(r.raw, `\ud800`) || r.body == nil {
		t.Errorf("unicode: %s", r.raw)
	}
}

// wire fetches a page over a real connection.
func wire(t *testing.T, f Fault) (*http.Response, []byte, error) {
	s, _ := ten(t, f)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer x")
	res, err := srv.Client().Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

func TestTransportFaults(t *testing.T) {
	t.Parallel()
	t.Run("reset", func(t *testing.T) {
		if _, _, err := wire(t, Fault{Effect: Reset}); err == nil {
			t.Error("before: no error")
		}
		for _, where := range []string{"headers", "body"} {
			if res, _, err := wire(t, Fault{Effect: Reset, Where: where}); res == nil || err == nil {
				t.Errorf("%s: response %v, error %v", where, res != nil, err)
			}
		}
	})
	t.Run("truncate", func(t *testing.T) {
		res, body, err := wire(t, Fault{Effect: TruncateItem, N: 2})
		if err != nil || res.ContentLength != int64(len(body)) {
			t.Fatalf("length %d of %d: %v; HTTP must not notice the cut", res.ContentLength, len(body), err)
		}
		if !bytes.HasSuffix(body, []byte("}")) || json.Valid(body) {
			t.Errorf("not cut between two items: %s", body)
		}
		var whole struct{ Value []any }
		if err := json.Unmarshal(append(body, "]}"...), &whole); err != nil || len(whole.Value) != 2 {
			t.Errorf("%d items before the cut: %v", len(whole.Value), err)
		}
		if _, body, err = wire(t, Fault{Effect: TruncateAt, N: 17}); err != nil || len(body) != 17 {
			t.Errorf("%d bytes: %v", len(body), err)
		}
	})
	t.Run("encodings", func(t *testing.T) {
		if _, body, err := wire(t, Fault{Effect: UTF8BOM}); err != nil || !bytes.HasPrefix(body, []byte("\xef\xbb\xbf{")) {
			t.Errorf("BOM: %v", err)
		}
		if res, body, err := wire(t, Fault{Effect: Gzip}); err != nil || !res.Uncompressed || !json.Valid(body) {
			t.Errorf("gzip: %v", err)
		}
		if res, body, err := wire(t, Fault{Effect: Chunked}); err != nil || res.ContentLength != -1 || !json.Valid(body) {
			t.Errorf("chunked: %v", err)
		}
		if res, body, err := wire(t, Fault{Effect: Drip, Delay: Duration(time.Millisecond)}); err != nil || res.ContentLength != -1 || !json.Valid(body) {
			t.Errorf("drip: %v", err)
		}
		if res, _, err := wire(t, Fault{Effect: ClockSkew}); err != nil || res.Header.Get("Date") != "Fri, 28 Feb 2031 23:50:00 GMT" {
			t.Errorf("clock skew: %v", err)
		}
	})
	t.Run("slow", func(t *testing.T) {
		s, _ := ten(t, Fault{Effect: Slow, Delay: Duration(time.Hour)})
		srv := httptest.NewServer(s)
		defer srv.Close()
		hc := srv.Client()
		hc.Timeout = 50 * time.Millisecond
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+feed, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = hc.Do(req)
		if to, ok := errors.AsType[interface {
			error
			Timeout() bool
		}](err); !ok || !to.Timeout() {
			t.Errorf("got %v, want a time-out", err)
		}
	})
}

func TestFaultsAreChecked(t *testing.T) {
	t.Parallel()
	s, c := ten(t)
	for _, bad := range []Fault{{Effect: "explode"}, {Effect: Status, Status: 99}, {Effect: Reset, Where: "later"}} {
		s.mu.Lock()
		err := s.addFault(bad)
		s.mu.Unlock()
		if err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	s.AddFault(Fault{Effect: Status})
	c.get(feed).want(t, 503)
	s.ClearFaults()
	c.get(feed).want(t, 200)
}
