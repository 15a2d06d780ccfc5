package msgraph

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

func TestLookupCostsFewRequests(t *testing.T) { // GS-BA-1
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	var ids []string
	for i := range 50 {
		ids = append(ids, w.AddUser(graphtest.User{UserPrincipalName: fmt.Sprintf("u%d@example.test", i)}))
	}
	for _, c := range []struct{ ids, requests int }{{1, 1}, {3, 3}, {4, 1}, {20, 1}, {21, 2}, {50, 3}} {
		found, err := w.src.Lookup(t.Context(), engine.User, ids[:c.ids])
		if err != nil || len(found) != c.ids {
			t.Fatalf("%d objects, %v", len(found), err)
		}
		if got := w.src.TakeRequests(); got.Sent != c.requests || got.Writes != 0 {
			t.Errorf("%d objects: %+v, want %d requests", c.ids, got, c.requests)
		}
	}
	if _, err := w.src.Lookup(t.Context(), engine.User, append(ids[:2:2], strings.ToUpper(ids[0]))); err != nil || w.src.TakeRequests().Sent != 2 {
		t.Errorf("an id in other spelling was asked for again (%v)", err)
	}
}

func TestLookupTellsTheBinsName(t *testing.T) { // GS-US-5
	t.Parallel()
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: calm()})
	id := w.AddUser(graphtest.User{UserPrincipalName: "mira.holt@example.test", Department: "Sales"})
	w.SoftDelete(id)
	found, err := w.src.Lookup(t.Context(), engine.User, []string{id})
	if err != nil {
		t.Fatal(err)
	}
	o := found[0]
	name, _ := o.Attributes["userPrincipalName"].(string)
	if o.State != engine.SoftDeleted || !o.Partial || name == "mira.holt@example.test" || !strings.HasSuffix(name, "mira.holt@example.test") {
		t.Errorf("got %+v", o)
	}
	w.Restore(id)
	if found, err = w.src.Lookup(t.Context(), engine.User, []string{id}); err != nil || found[0].State != engine.Active || found[0].Attributes["department"] != "Sales" {
		t.Errorf("after the restore: %+v, %v", found, err)
	}
}

// parts answers a batch part by part.
func answerBatch(t *testing.T, w http.ResponseWriter, r *http.Request, part func(url string) (status int, header, body string)) {
	t.Helper()
	var doc struct {
		Requests []batchRequest `json:"requests"`
	}
	if err := json.Unmarshal([]byte(readAll(t, r)), &doc); err != nil {
		t.Error(err)
	}
	if n := len(doc.Requests); n == 0 || n > batchSize {
		t.Errorf("%d parts", n)
	}
	if r.ContentLength <= 0 {
		t.Error("the batch was sent without a length")
	}
	var out []string
	for _, p := range doc.Requests {
		if strings.Contains(p.URL, "v1.0") || !strings.HasPrefix(p.URL, "/") {
			t.Errorf("part URL %s", p.URL)
		}
		if status, header, body := part(p.URL); status != 0 {
			out = append([]string{fmt.Sprintf(`{"id":%q,"status":%d,"headers":{%s},"body":%s}`, p.ID, status, header, body)}, out...)
		}
	}
	say(w, `{"responses":[%s]}`, strings.Join(out, ","))
}

func four(base string) []string { return []string{base + "1", base + "2", base + "3", base + "4"} }

func idOf(url string) string {
	path, _, _ := strings.Cut(url, "?")
	return path[strings.LastIndexByte(path, '/')+1:]
}

func TestBatchPartsAreJudgedSingly(t *testing.T) { // GS-BA-2
	t.Parallel()
	const notFound = `{"error":{"code":"Request_ResourceNotFound","message":"x"}}`
	live := func(url string) (int, string, string) {
		return 200, "", fmt.Sprintf(`{"id":%q,"displayName":"x"}`, idOf(url))
	}
	for _, c := range []struct {
		name   string
		first  func(url string) (int, string, string) // what the part of x1 is answered at first
		code   engine.Code                            // "" if the lookup succeeds
		waited time.Duration
		again  int // parts in the second batch
	}{
		{"throttled", func(string) (int, string, string) {
			return 429, `"Retry-After":"30"`, `{"error":{"code":"TooManyRequests"}}`
		}, "", 30 * time.Second, 1},
		{"unavailable", func(string) (int, string, string) { return 503, ``, `"PGh0bWw+"` }, "", time.Second, 1},
		{"unanswered", func(string) (int, string, string) { return 0, "", "" }, "", time.Second, 1},
		{"about another object", func(string) (int, string, string) { return 200, "", `{"id":"y"}` }, "", time.Second, 1},
		{"a 404 of something else", func(string) (int, string, string) { return 404, "", `{"error":{"code":"UnknownError"}}` }, "", time.Second, 1},
		{"forbidden", func(string) (int, string, string) { return 403, "", `{"error":{"code":"Authorization_RequestDenied"}}` }, engine.CodeSourceForbidden, 0, 0},
	} {
		batches, again := 0, 0
		src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
			batches++
			answerBatch(t, w, r, func(url string) (int, string, string) {
				if batches == 2 {
					again++
				}
				if batches == 1 && idOf(url) == "x1" {
					return c.first(url)
				}
				return live(url)
			})
		})
		found, err := src.Lookup(t.Context(), engine.User, four("x"))
		if c.code != "" {
			wantCode(t, err, c.code)
			continue
		}
		if err != nil || len(found) != 4 || found[0].State != engine.Active {
			t.Errorf("%s: got %v, %v", c.name, found, err)
		}
		if again != c.again {
			t.Errorf("%s: %d parts were sent again", c.name, again)
		}
		if got := s.clock.Now().Sub(begin); got < c.waited || got > c.waited*11/10+time.Second {
			t.Errorf("%s: waited %v", c.name, got)
		}
		if got := src.TakeRequests(); got.Sent != 2 || got.Retries != 1 {
			t.Errorf("%s: counted %+v", c.name, got)
		}
	}
	src, _ := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		answerBatch(t, w, r, func(string) (int, string, string) { return 404, "", notFound })
	})
	found, err := src.Lookup(t.Context(), engine.Group, four("g"))
	if err != nil || len(found) != 4 || found[3].State != engine.HardDeleted {
		t.Errorf("gone: got %v, %v", found, err)
	}
}

func TestWithoutBatchObjectsAreReadSingly(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 404, 405, 501} {
		src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1.0/$batch" {
				fail(w, status, "BadRequest")
				return
			}
			say(w, `{"id":%q}`, idOf(r.URL.Path))
		})
		for range 2 {
			if found, err := src.Lookup(t.Context(), engine.User, four("x")); err != nil || len(found) != 4 {
				t.Fatalf("%d: got %v, %v", status, found, err)
			}
		}
		batches := 0
		for _, r := range s.requests() {
			if strings.Contains(r, "$batch") {
				batches++
			}
		}
		if batches != 1 {
			t.Errorf("%d: $batch was tried %d times", status, batches)
		}
	}
}

// A directory without a recycle bin is found out in seconds, and is no error that passes.
func TestNoRecycleBin(t *testing.T) {
	t.Parallel()
	src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "deletedItems") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(404)
		fmt.Fprint(w, "\xef\xbb\xbf"+`{"error":{"code":"Request_ResourceNotFound","message":"x"}}`)
	})
	_, err := src.Lookup(t.Context(), engine.User, []string{mira})
	if se := wantCode(t, err, engine.CodeSourceUnavailable); se.Transient || se.Status != 404 {
		t.Errorf("got %+v", se)
	}
	if waited := s.clock.Now().Sub(begin); waited > time.Minute {
		t.Errorf("waited %v", waited)
	}
}

// A server may forget to say that its JSON is JSON.
func TestJSONWithoutMediaType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mediaType, body string
		good            bool
	}{
		{"text/plain; charset=utf-8", `{"id":"x1"}`, true},
		{"", ` {"id":"x1"}`, true},
		{"application/json", "\xef\xbb\xbf" + `{"id":"x1"}`, true},
		{"text/html", `{"id":"x1"}`, false},
		{"text/plain", `<html>`, false},
		{"text/plain", `{"id":"x1"`, false},
	} {
		src, _ := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = []string{c.mediaType}
			fmt.Fprint(w, c.body)
		})
		found, err := src.Lookup(t.Context(), engine.User, []string{"x1"})
		if c.good != (err == nil && len(found) == 1) {
			t.Errorf("%q %q: got %v, %v", c.mediaType, c.body, found, err)
		}
	}
}

// A 404 that is not Graph's says nothing about the object.
func TestA404OfAProxyDeletesNobody(t *testing.T) {
	t.Parallel()
	src, _ := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	_, err := src.Lookup(t.Context(), engine.User, []string{mira})
	if se := wantCode(t, err, engine.CodeSourceUnavailable); !se.Transient {
		t.Error("held against the job")
	}
}
