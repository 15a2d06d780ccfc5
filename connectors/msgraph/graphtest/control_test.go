package graphtest

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestControl(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	c.token = ""
	post := func(path, body string, status int) reply {
		t.Helper()
		return c.do("POST", "/_emu/"+path, body).want(t, status)
	}
	post("mutate", `[{"op":"user.update","id":"`+mira+`","set":{"department":null}},
		{"op":"user.create","id":"11111111-1111-4111-8111-111111111111","set":{"displayName":"Ivo","userPrincipalName":"ivo@example.test"}},
		{"op":"group.create","id":"22222222-2222-4222-8222-222222222222","members":["`+mira+`"],"set":{"displayName":"G"}},
		{"op":"group.addMembers","id":"`+crew+`","members":["`+noor+`"]},
		{"op":"group.removeMembers","id":"`+crew+`","members":["`+mira+`"]},
		{"op":"manager","id":"`+mira+`"},
		{"op":"assign","id":"`+crew+`"},
		{"op":"user.softDelete","id":"`+mira+`"}]`, 200)
	truth := s.Truth()
	if !truth.Users[mira].SoftDeleted || truth.Users[mira].ManagerID != "" || truth.Users[mira].Properties["department"] != nil {
		t.Errorf("%+v", truth.Users[mira])
	}
	if d := cmp.Diff(map[string]TruthEntitlement{noor: {Roles: []string{ZeroRole}, Groups: []string{crew}}}, truth.Entitled); d != "" {
		t.Error(d)
	}
	post("mutate", `[{"op":"restore","id":"`+mira+`"},{"op":"unassign","id":"`+crew+`"},{"op":"hardDelete","id":"`+noor+`"}]`, 200)
	if r := post("mutate", `[{"op":"restore","id":"`+mira+`"}]`, 400); !strings.Contains(r.raw, "change 1 (restore)") {
		t.Error(r.raw)
	}
	post("mutate", `[{"op":"explode"}]`, 400)
	post("mutate", `[{"op":"user.update","oops":1}]`, 400)
	if r := post("clock", `{"advance":"36h"}`, 200); !strings.Contains(r.raw, "2031-03-02T12:00:00Z") {
		t.Error(r.raw)
	}
	post("clock", `{"advance":"-1h"}`, 400)
	if r := post("settings", `{"replayRate":0.5,"deltaTokenTtl":"48h"}`, 200); s.Settings().ReplayRate != 0.5 || s.Settings().UserPage != 200 || !strings.Contains(r.raw, `"48h0m0s"`) {
		t.Error(r.raw)
	}
	post("settings", `{"replayrates":1}`, 400)
	post("faults", `[{"match":{"feed":"users"},"effect":"status","status":503}]`, 200)
	post("faults", `[{"effect":"none"}]`, 400)
	c.token = "x"
	c.get(feed).want(t, 503)
	c.do("DELETE", "/_emu/faults", "").want(t, 200)
	_, link := c.drain(feed)
	post("killTokens", `{"feed":"users","mode":"gone"}`, 200)
	post("killTokens", `{"feed":"users","mode":"softly"}`, 400)
	c.get(link).want(t, 410)
	var log []Request
	if err := json.Unmarshal([]byte(c.get("/_emu/log?since=2").want(t, 200).raw), &log); err != nil || len(log) != 1 || log[0].Status != 410 || log[0].Template != "/users/delta" {
		t.Errorf("log %+v: %v", log, err)
	}
	if strings.Contains(log[0].Options["$deltatoken"], "-") || len(log[0].Options["$deltatoken"]) != 12 || log[0].Token == "" {
		t.Errorf("tokens are in the log: %+v", log[0])
	}
	c.get("/_emu/truth?sp="+s.ServicePrincipalID()).want(t, 200)
	c.get("/_emu/truth?sp="+mira).want(t, 400)
	c.get("/_emu/stats").want(t, 200)
	c.get("/_emu/nothing").want(t, 404)
	post("day", ``, 200)
	before := s.ServicePrincipalID()
	r := post("reset", `{"seed":9,"users":20,"groups":3,"tidy":true}`, 200)
	if len(s.Truth().Groups) != 3 || r.body["servicePrincipalId"] == before || r.body["servicePrincipalId"] != s.ServicePrincipalID() {
		t.Error(r.raw)
	}
	c.get(link).want(t, 400) // tokens of the old world are worthless
	post("reset", `{"users":-1}`, 400)
	post("reset", `{"tenants":[]}`, 400)
	if w := c.get("/_emu/world").want(t, 200); w.body["appId"] != s.AppID() || w.body["groups"] != 3.0 {
		t.Error(w.raw)
	}
}

func TestStatsCountParallelDeltaRequests(t *testing.T) {
	t.Parallel()
	s, c := small(t)
	c.get(feed)
	c.get(feed)
	st := s.Stats()
	if st.MaxParallelDelta["users"] != 1 || st.Requests != 2 || st.Units != 2 {
		t.Errorf("%+v", st)
	}
	if l := s.Log(); len(l) != 2 || l[0].Items != 2 || l[1].String() != "GET /users/delta page 1: 200, 2 items" {
		t.Errorf("%v", l)
	}
	s.ClearLog()
	c.get(feed)
	if l := s.Log(); len(l) != 1 || l[0].Seq != 3 {
		t.Errorf("%v", l)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	s, _ := small(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	res, err := http.Get("http://" + l.Addr().String() + "/_emu/stats")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	stop()
	if err := <-done; err != nil {
		t.Errorf("after the end of its context: %v", err)
	}
}

func TestMisusePanics(t *testing.T) {
	t.Parallel()
	s, _ := small(t)
	for name, f := range map[string]func(){
		"unknown user":   func() { s.UpdateUser("nobody", nil) },
		"wrong kind":     func() { s.UpdateUser(crew, nil) },
		"unknown name":   func() { s.UpdateUser(mira, map[string]any{"nonsense": 1}) },
		"wrong type":     func() { s.UpdateUser(mira, map[string]any{"accountEnabled": "yes"}) },
		"member twice":   func() { s.AddMember(crew, mira) },
		"no member":      func() { s.RemoveMember(crew, noor) },
		"not deleted":    func() { s.Restore(mira) },
		"not assigned":   func() { s.Unassign(mira) },
		"id twice":       func() { s.AddUser(User{ID: mira}) },
		"unknown role":   func() { s.EnableAppRole("none", true) },
		"unknown effect": func() { s.AddFault(Fault{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
