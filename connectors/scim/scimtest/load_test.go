package scimtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// handle sends a request past the network.
func handle(s *Server, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, "/scim/v2"+path, strings.NewReader(body)))
	return w
}

// Many clients at once: nobody is created twice, no membership is lost, the indexes stay whole.
func TestConcurrentClients(t *testing.T) {
	s := New(Options{})
	group, err := s.AddGroup(map[string]any{"displayName": "all"})
	if err != nil {
		t.Fatal(err)
	}
	const clients, users = 8, 40
	created := make([]int, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for u := range users {
				name := fmt.Sprintf("u%d", u)
				w := handle(s, "POST", "/Users", `{"userName":"`+name+`","active":true}`)
				if w.Code == http.StatusCreated {
					created[c]++
					var doc struct{ ID string }
					if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
						t.Error(err)
					}
					w = handle(s, "PATCH", "/Groups/"+group, op("Add", "members", `[{"value":"`+doc.ID+`"}]`))
					if w.Code != http.StatusNoContent {
						t.Errorf("add: %d %s", w.Code, w.Body)
					}
				} else if w.Code != http.StatusConflict {
					t.Errorf("create: %d %s", w.Code, w.Body)
				}
				handle(s, "GET", "/Groups/"+group, "")
				handle(s, "GET", "/Users?filter="+url.QueryEscape(`userName eq "`+name+`" or title pr`), "")
				if r, ok := s.User(name); ok {
					handle(s, "PATCH", "/Users/"+r.ID, op("Replace", "title", fmt.Sprintf("%q", fmt.Sprint(c))))
					handle(s, "PUT", "/Users/"+r.ID, `{"userName":"`+name+`","nickName":"n"}`)
				}
				s.Change(func(q *Quirks) { q.PageSize = u })
				s.Groups()
				s.Log()
				s.Requests()
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range created {
		sum += n
	}
	g, _ := s.ByID(group)
	if n, _ := s.Size(); sum != users || n != users || len(g.Members) != users {
		t.Errorf("%d answers of 201, %d users, %d members; want %d each", sum, n, len(g.Members), users)
	}
	checkReverseIndex(t, s)
}

// populated returns a server with n users of ordinary size.
func populated(tb testing.TB, n int) *Server {
	tb.Helper()
	s := New(Options{})
	for i := range n {
		_, err := s.AddUser(map[string]any{
			"userName": fmt.Sprintf("user%d@fabrikon.example", i), "externalId": fmt.Sprint(i), "displayName": fmt.Sprintf("User %d", i), "active": true,
			"name":   map[string]any{"givenName": "User", "familyName": fmt.Sprint(i)},
			"emails": []any{map[string]any{"type": "work", "value": fmt.Sprintf("user%d@fabrikon.example", i), "primary": true}},
			"title":  "Pilot", enterpriseURN: map[string]any{"department": "Pilotage", "employeeNumber": fmt.Sprint(i)},
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

func bench(b *testing.B, s *Server, want int, method, path string, body func(i int) string) {
	b.Helper()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if w := handle(s, method, path, body(i)); w.Code != want {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
		i++
	}
}

func BenchmarkPost(b *testing.B) {
	s := New(Options{})
	bench(b, s, 201, "POST", "/Users", func(i int) string {
		return strings.Replace(noor, `"userName":"noor`, fmt.Sprintf(`"userName":"n%d`, i), 1)
	})
}

func BenchmarkPatchTitle(b *testing.B) {
	s := populated(b, 1000)
	r, _ := s.User("user7@fabrikon.example")
	bench(b, s, 200, "PATCH", "/Users/"+r.ID, func(i int) string { return op("Replace", "title", fmt.Sprintf(`"t%d"`, i)) })
}

func BenchmarkPatchTypedEmail(b *testing.B) {
	s := populated(b, 1000)
	r, _ := s.User("user7@fabrikon.example")
	bench(b, s, 200, "PATCH", "/Users/"+r.ID, func(i int) string {
		return op("replace", `emails[type eq \"work\"].value`, fmt.Sprintf(`"t%d"`, i))
	})
}

func BenchmarkAdd100Members(b *testing.B) {
	s := populated(b, 1000)
	g, err := s.AddGroup(map[string]any{"displayName": "g"})
	if err != nil {
		b.Fatal(err)
	}
	var list []string
	for i := range 100 {
		list = append(list, fmt.Sprintf(`{"$ref":null,"value":"u%d"}`, i))
	}
	body := op("Add", "members", "["+strings.Join(list, ",")+"]")
	bench(b, s, 204, "PATCH", "/Groups/"+g, func(int) string { return body })
}

func BenchmarkRemove100MembersByFilter(b *testing.B) {
	s := populated(b, 1000)
	g, err := s.AddGroup(map[string]any{"displayName": "g"})
	if err != nil {
		b.Fatal(err)
	}
	var list []string
	for i := range 100 {
		list = append(list, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"u%d\"]"}`, i))
	}
	body := patchBody(strings.Join(list, ","))
	bench(b, s, 204, "PATCH", "/Groups/"+g, func(int) string { return body })
}

func BenchmarkGet(b *testing.B) {
	s := populated(b, 1000)
	r, _ := s.User("user7@fabrikon.example")
	bench(b, s, 200, "GET", "/Users/"+r.ID, func(int) string { return "" })
}

func BenchmarkSearch(b *testing.B) {
	s := populated(b, 100_000)
	for name, filter := range map[string]string{
		"userName": `userName eq "user7@fabrikon.example"`, "email": `emails[type eq "work"].value eq "user7@fabrikon.example"`,
		"scan": `title eq "nothing"`,
	} {
		b.Run(name, func(b *testing.B) {
			bench(b, s, 200, "GET", filterURL("/Users", filter), func(int) string { return "" })
		})
	}
	b.Run("page", func(b *testing.B) {
		bench(b, s, 200, "GET", "/Users?startIndex=50000&count=100", func(int) string { return "" })
	})
}

// No body may crash the server or be answered with a 5xx, and what is accepted leaves a resource
// that reads back.
func FuzzPatch(f *testing.F) {
	for _, ops := range []string{
		`{"op":"Replace","path":"title","value":"x"}`, `{"op":"Add","path":"emails[type eq \"work\"].value","value":"x"}`,
		`{"op":"remove","path":"members[value eq \"u1\"]"}`, `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"u1"}]}`,
		`{"op":"replace","value":{"name.givenName":"x","active":"True","` + enterpriseURN + `":{"manager":"u2"}}}`,
		`{"op":"add","path":"` + enterpriseURN + `:manager","value":[{"value":"u1"}]}`, `{"op":"add","path":"roles","value":"{\"a\":1}"}`,
		`{"op":"replace","path":"emails[not (primary eq true)]","value":{"value":1}}`, `{"op":"add","path":"x509Certificates","value":[{"value":"AA=="}]}`,
		`{"op":"replace","path":"urn:x:y","value":null}`, `{"op":"add","value":{"members":[[]],"emails":{}}}`,
	} {
		f.Add(patchBody(ops), false, false)
		f.Add(patchBody(ops), true, true)
	}
	f.Fuzz(func(t *testing.T, body string, strict, group bool) {
		s := New(Options{Quirks: Quirks{Strict: strict, PatchBody: true}})
		if _, err := s.AddUser(map[string]any{"id": "u1", "userName": "noor", "emails": []any{map[string]any{"type": "work", "value": "w"}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.AddGroup(map[string]any{"id": "g1", "displayName": "g"}, "u1"); err != nil {
			t.Fatal(err)
		}
		path := "/Users/u1"
		if group {
			path = "/Groups/g1"
		}
		w := handle(s, "PATCH", path, body)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		read := handle(s, "GET", path, "")
		if read.Code != 200 || !json.Valid(read.Body.Bytes()) {
			t.Fatalf("reads back as %d %s", read.Code, read.Body)
		}
		if w.Code == 200 && strings.TrimSpace(w.Body.String()) != "" {
			var a, b map[string]any
			if json.Unmarshal(w.Body.Bytes(), &a) != nil || json.Unmarshal(read.Body.Bytes(), &b) != nil || len(a) != len(b) {
				t.Fatalf("PATCH answers %s, GET %s", w.Body, read.Body)
			}
		}
		checkReverseIndex(t, s)
	})
}

// No filter, path or body of the other requests may either.
func FuzzRequests(f *testing.F) {
	f.Add("GET", "/Users", `filter=emails[type eq "work"].value eq "x" and (title pr or not(active eq true))`, "")
	f.Add("GET", "/Groups", `excludedAttributes=members&filter=members eq "u1"&sortBy=meta.created&count=1`, "")
	f.Add("POST", "/Users", "", noor)
	f.Add("PUT", "/Users/u1", "", noor)
	f.Add("POST", "/Groups", "attributes=displayName", `{"displayName":"x","members":{"value":"u1"}}`)
	f.Add("POST", "/Users/.search", "", `{"schemas":["`+searchURN+`"],"filter":"id pr"}`)
	f.Add("GET", "/Schemas/"+userURN, "startIndex=9", "")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		s := New(Options{})
		if _, err := s.AddUser(map[string]any{"id": "u1", "userName": "noor"}); err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Method: method, URL: &url.URL{Path: "/scim/v2" + path, RawQuery: query}, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
