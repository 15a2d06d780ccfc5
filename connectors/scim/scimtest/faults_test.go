package scimtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (a *app) fault(f Fault) {
	a.t.Helper()
	if _, err := a.AddFault(f); err != nil {
		a.t.Fatal(err)
	}
}

func (a *app) statuses(n int, method, path string) []int {
	a.t.Helper()
	var out []int
	for range n {
		out = append(out, a.send(method, path, "").StatusCode)
	}
	return out
}

func TestFaultsChoose(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    Fault
		want []int
	}{
		{"all", Fault{Status: 500}, []int{500, 500, 500, 500}},
		{"nth", Fault{Status: 500, Nth: 2}, []int{200, 500, 200, 200}},
		{"every", Fault{Status: 500, Every: 2}, []int{200, 500, 200, 500}},
		{"times", Fault{Status: 500, Times: 2}, []int{500, 500, 200, 200}},
		{"every, times", Fault{Status: 500, Every: 2, Times: 1}, []int{200, 500, 200, 200}},
		{"method", Fault{Status: 500, Method: "POST"}, []int{200, 200, 200, 200}},
		{"prefix", Fault{Status: 500, Path: "/Users"}, []int{500, 500, 500, 500}},
		{"other prefix", Fault{Status: 500, Path: "/Groups"}, []int{200, 200, 200, 200}},
		{"expression", Fault{Status: 500, Path: "^/(Users|Groups)$"}, []int{500, 500, 500, 500}},
		{"query", Fault{Status: 500, Query: `filter=userName eq "x"`}, []int{500, 500, 500, 500}},
		{"other query", Fault{Status: 500, Query: "externalId"}, []int{200, 200, 200, 200}},
		{"body", Fault{Status: 500, BodyContains: "x"}, []int{200, 200, 200, 200}},
	} {
		a := start(t, Quirks{})
		a.fault(tt.f)
		if got := a.statuses(4, "GET", filterURL("/Users", `userName eq "x"`)); !cmp.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	a := start(t, Quirks{})
	if _, err := a.AddFault(Fault{Path: "^("}); err == nil {
		t.Error("a broken expression is accepted")
	}
}

func TestFirstFaultWins(t *testing.T) {
	a := start(t, Quirks{})
	a.fault(Fault{Status: 503, Times: 1, Header: map[string]string{"Retry-After": "7"}})
	a.fault(Fault{Status: 429, Times: 1, ScimType: "tooMany"})
	res := a.want(503, "GET", "/Users", "")
	if res.Header.Get("Retry-After") != "7" || res.doc["status"] != "503" {
		t.Errorf("%v %s", res.Header, res.text)
	}
	a.refused(429, "tooMany", "GET", "/Users", "")
	a.want(200, "GET", "/Users", "")
	states := a.Faults()
	if len(states) != 2 || states[0].Hits != 1 || states[0].Seen != 1 || states[1].Seen != 1 {
		t.Errorf("%+v", states)
	}
	if !a.RemoveFault(states[0].ID) || a.RemoveFault(states[0].ID) || len(a.Faults()) != 1 {
		t.Error("RemoveFault")
	}
	a.ClearFaults()
	if len(a.Faults()) != 0 {
		t.Error("ClearFaults")
	}
}

func TestFaultsAct(t *testing.T) {
	for _, tt := range []struct {
		name    string
		f       Fault
		cut     bool
		status  int
		applied bool
		text    string
	}{
		{"status", Fault{Status: 500}, false, 500, false, "Planned fault"},
		{"applied, then 504", Fault{Status: 504, Apply: true}, false, 504, true, "Planned fault"},
		{"body", Fault{Status: 400, Body: "<html>"}, false, 400, false, "<html>"},
		{"body of a success", Fault{Body: "{}", Apply: true}, false, 201, true, "{}"},
		{"empty success", Fault{Status: 200}, false, 200, false, ""},
		{"cut before", Fault{CutBefore: true}, true, 0, false, ""},
		{"cut after", Fault{CutAfterApply: true}, true, 0, true, ""},
		{"delay only", Fault{Delay: time.Millisecond}, false, 201, true, `"userName":"noor"`},
		{"header only", Fault{Header: map[string]string{"X-Request-Id": "7"}}, false, 201, true, `"userName":"noor"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, Quirks{})
			a.fault(tt.f)
			res, err := a.try("POST", "/Users", `{"userName":"noor"}`)
			if (err != nil) != tt.cut {
				t.Fatalf("error %v", err)
			}
			if !tt.cut && (res.StatusCode != tt.status || !strings.Contains(res.text, tt.text)) {
				t.Errorf("%d %s", res.StatusCode, res.text)
			}
			if _, ok := a.User("noor"); ok != tt.applied {
				t.Errorf("applied: %v", ok)
			}
			for name, value := range tt.f.Header {
				if res.Header.Get(name) != value {
					t.Errorf("header %s is %q", name, res.Header.Get(name))
				}
			}
		})
	}
}

func TestCountsAndLog(t *testing.T) {
	a := start(t, Quirks{})
	id := a.user(`{"userName":"noor"}`)
	a.want(200, "GET", "/Users/"+id+"?attributes=userName", "")
	a.want(200, "GET", "/Users", "")
	a.want(201, "POST", "/Groups", `{"displayName":"g"}`)
	a.want(200, "PATCH", "/Users/"+id, op("add", "title", `"x"`))
	a.want(404, "GET", "/Nothing/else", "")
	got := a.Requests()
	want := Counts{
		Total: 5, Writes: 2, Bytes: int64(len(`{"displayName":"g"}`) + len(op("add", "title", `"x"`))),
		By:     map[string]int{"GET /Users/{id}": 1, "GET /Users": 1, "POST /Groups": 1, "PATCH /Users/{id}": 1, "GET other": 1},
		Status: map[int]int{200: 3, 201: 1, 404: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	log := a.Log()
	if len(log) != 5 || log[0].Query != "attributes=userName" || log[3].Method != "PATCH" || log[3].Path != "/Users/"+id ||
		log[2].RequestBody != `{"displayName":"g"}` || log[2].Header.Get("Content-Type") == "" || !strings.Contains(log[2].ResponseBody, `"displayName":"g"`) {
		t.Errorf("%+v", log)
	}
	a.ResetCounts()
	if c := a.Requests(); c.Total != 0 || len(a.Log()) != 0 {
		t.Errorf("after the reset: %+v", c)
	}

	small := New(Options{LogSize: 3})
	b := &app{Server: small, t: t, http: serve(t, small)}
	for range 8 {
		b.want(200, "GET", "/Users", "")
	}
	var seqs []uint64
	for _, r := range small.Log() {
		seqs = append(seqs, r.Seq)
		if r.Header != nil || r.ResponseBody != "" {
			t.Error("bodies are kept unasked")
		}
	}
	if !cmp.Equal(seqs, []uint64{6, 7, 8}) {
		t.Errorf("the ring holds %v", seqs)
	}
}

func TestControlOverHTTP(t *testing.T) {
	a := start(t, Quirks{RequireToken: "s3cret"})
	ask := func(status int, method, path, body string, into any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, a.http.URL+"/_app/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != status {
			t.Fatalf("%s %s: %d, want %d: %s", method, path, res.StatusCode, status, raw)
		}
		if bytes.Contains(raw, []byte("s3cret")) {
			t.Errorf("%s %s shows the token", method, path)
		}
		if into != nil {
			if err := json.Unmarshal(raw, into); err != nil {
				t.Fatalf("%s %s: %v: %s", method, path, err, raw)
			}
		}
	}
	var made struct{ ID string }
	ask(201, "POST", "users", `{"userName":"noor","title":"Pilot"}`, &made)
	user := made.ID
	ask(201, "POST", "groups", `{"displayName":"Pilots","members":[{"value":"`+user+`"}]}`, &made)
	ask(400, "POST", "users", `{"title":"x"}`, nil)
	ask(400, "POST", "users", `[`, nil)
	var state struct {
		Users, Groups int
		UserList      []Resource
		GroupList     []Resource
	}
	ask(200, "GET", "state?full=true", "", &state)
	if state.Users != 1 || state.Groups != 1 || state.UserList[0].UserName != "noor" || !cmp.Equal(state.GroupList[0].Members, []string{user}) {
		t.Errorf("%+v", state)
	}
	ask(204, "PUT", "resources/"+user, `{"userName":"noor","title":"Captain"}`, nil)
	ask(400, "PUT", "resources/"+user, `{"title":"x"}`, nil)
	ask(400, "PUT", "resources/nobody", `{}`, nil)
	var r Resource
	ask(200, "GET", "resources/"+user, "", &r)
	if r.Attributes["title"] != "Captain" {
		t.Errorf("%+v", r)
	}
	ask(404, "GET", "resources/nobody", "", nil)

	var q map[string]any
	ask(200, "PATCH", "quirks", `{"pageSize":7,"slowCreate":"250ms","immutable":["title"]}`, &q)
	ask(200, "PATCH", "quirks", `{"strict":true}`, &q)
	if want := (Quirks{RequireToken: "s3cret", PageSize: 7, SlowCreate: 250 * time.Millisecond, Immutable: []string{"title"}, Strict: true}); !cmp.Equal(a.Quirks(), want) {
		t.Errorf("%+v", a.Quirks())
	}
	if want := map[string]any{"pageSize": 7.0, "slowCreate": "250ms", "immutable": []any{"title"}, "strict": true}; !cmp.Equal(q, want) {
		t.Errorf("quirks on the wire: %v", q)
	}
	ask(200, "PUT", "quirks", `{"pageSize":8}`, nil)
	if want := (Quirks{RequireToken: "s3cret", PageSize: 8}); !cmp.Equal(a.Quirks(), want) {
		t.Errorf("%+v", a.Quirks())
	}
	ask(400, "PATCH", "quirks", `{"pagesiz":8}`, nil)
	ask(400, "PATCH", "quirks", `{"latency":"soon"}`, nil)

	ask(201, "POST", "faults", `{"method":"GET","path":"/Users","status":503,"times":1,"delay":"1ms","header":{"Retry-After":"1"}}`, nil)
	ask(400, "POST", "faults", `{"path":"^("}`, nil)
	ask(400, "POST", "faults", `{"delay":"x"}`, nil)
	a.want(503, "GET", "/Users", "")
	var faults []map[string]any
	ask(200, "GET", "faults", "", &faults)
	if want := []map[string]any{{"id": 1.0, "seen": 1.0, "hits": 1.0, "method": "GET", "path": "/Users", "status": 503.0, "times": 1.0, "delay": "1ms",
		"header": map[string]any{"Retry-After": "1"}}}; !cmp.Equal(faults, want) {
		t.Errorf("%v", faults)
	}
	ask(204, "DELETE", "faults/1", "", nil)
	ask(404, "DELETE", "faults/1", "", nil)
	ask(204, "DELETE", "faults", "", nil)

	var c Counts
	ask(200, "GET", "stats", "", &c)
	if c.Total != 1 || c.By["GET /Users"] != 1 {
		t.Errorf("control requests are counted too: %+v", c)
	}
	var log []Request
	ask(200, "GET", "log", "", &log)
	if len(log) != 1 || log[0].Status != 503 {
		t.Errorf("%+v", log)
	}
	ask(204, "DELETE", "stats", "", nil)
	ask(204, "DELETE", "resources/"+user, "", nil)
	ask(404, "DELETE", "resources/"+user, "", nil)
	ask(204, "DELETE", "state", "", nil)
	if users, groups := a.Size(); users != 0 || groups != 0 {
		t.Error("not empty")
	}
	ask(404, "GET", "nothing", "", nil)
}
