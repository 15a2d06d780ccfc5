package web

import (
	"slices"
	"testing"

	"github.com/scimsync/scimsync/engine"
)

// The cells of the life-cycle table as far as the API decides about them: what it asks of the backend, and what it shows
// afterwards.
func TestLifeCycle(t *testing.T) {
	b := newBench(t)
	for _, step := range []struct{ path, asked, code, schedule string }{
		{"/pause", "pause webex", "Paused", "Paused"},
		{"/pause", "pause webex", "Paused", "Paused"},
		{"/start", "start webex", "NotRun", "Active"},
		{"/start", "start webex", "NotRun", "Active"},
		{"/quarantine", "quarantine ", "Quarantine", "Active"},
		{"/pause", "pause webex", "Paused", "Paused"},
		{"/start", "start webex", "NotRun", "Active"},
		{"/restart", "restart webex", "NotRun", "Active"},
		{"/restart?start=true", "restart webex start", "NotRun", "Active"},
	} {
		b.want(204, "", "POST", graphRoot+"/jobs/webex"+step.path, "")
		calls := b.back.calls()
		if got := calls[len(calls)-1]; got != step.asked {
			t.Errorf("%s asked for %q, want %q", step.path, got, step.asked)
		}
		if j := b.job(); j.Status.Code != step.code || j.Schedule.State != step.schedule {
			t.Errorf("%s: %s/%s, want %s/%s", step.path, j.Status.Code, j.Schedule.State, step.code, step.schedule)
		}
	}
}

func TestResetScope(t *testing.T) {
	b := newBench(t)
	usual := []Reset{ResetQuarantine, ResetWatermark, ResetEscrows}
	for _, c := range []struct {
		body string
		want []Reset
	}{
		{"", usual},
		{"{}", usual},
		{`{"criteria":{}}`, usual},
		{`{"criteria":null}`, usual},
		{`{"criteria":{"resetScope":""}}`, usual},
		{`{"criteria":{"resetScope":"  "}}`, usual},
		{`{"criteria":{"resetScope":"Watermark, Escrows"}}`, []Reset{ResetWatermark, ResetEscrows}},
		{`{"criteria":{"resetScope":"escrows,WATERMARK , QuarantineState"}}`, []Reset{ResetEscrows, ResetWatermark, ResetQuarantine}},
		{`{"criteria":{"resetScope":"Watermark,Watermark"}}`, []Reset{ResetWatermark}},
		{`{"criteria":{"resetScope":"None, Watermark"}}`, []Reset{ResetWatermark}},
		{`{"criteria":{"resetScope":"ConnectorDataStore"}}`, []Reset{ResetStore}},
		{`{"criteria":{"resetScope":"Full"}}`, []Reset{ResetFull}},
	} {
		b.want(204, "", "POST", "/jobs/webex/restart", c.body)
		if !slices.Equal(b.back.resets, c.want) {
			t.Errorf("%s resets %v, want %v", c.body, b.back.resets, c.want)
		}
	}
	b.want(204, "", "POST", "/jobs/webex/restart", `{"criteria":{"resetScope":"none"}}`)
	if got := b.back.calls(); got[len(got)-1] != "start webex" {
		t.Errorf("None asked for %v", got)
	}
	for _, wrong := range []string{"Links", "Watermark,", ",", "Water mark", "Watermark;Escrows"} {
		b.want(400, "InvalidResetScope", "POST", "/jobs/webex/restart", `{"criteria":{"resetScope":"`+wrong+`"}}`)
	}
}

// ForceDeletes approves what is held, so that it makes sense in that quarantine alone.
func TestForceDeletes(t *testing.T) {
	b := newBench(t)
	const body = `{"criteria":{"resetScope":"Full, ForceDeletes"}}`
	quarantine := func(r engine.QuarantineReason) {
		if _, err := b.store.UpdateControl(t.Context(), "webex", func(c *engine.Control) error { c.Quarantine = &engine.Quarantine{Reason: r}; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	b.want(409, "InvalidJobState", "POST", "/jobs/webex/restart", body)
	quarantine(engine.QuarantineException)
	b.want(409, "InvalidJobState", "POST", "/jobs/webex/restart", body)
	quarantine(engine.QuarantineDeletes)
	b.want(204, "", "POST", "/jobs/webex/restart", body)
	if !slices.Equal(b.back.resets, []Reset{ResetFull, ResetDeletes}) {
		t.Errorf("reset %v", b.back.resets)
	}
}

func TestPlainActions(t *testing.T) {
	b := newBench(t)
	c := b.client()
	if id, err := c.Sync(t.Context(), "webex"); err != nil || id != "c-1" {
		t.Errorf("%s %v", id, err)
	}
	if r := b.want(202, "", "POST", "/jobs/webex/sync", ""); len(r.body) == 0 {
		t.Error("no body")
	}
	p, err := c.Plan(t.Context(), "webex")
	if err != nil || p.Job != "webex" || len(p.Operations) != 1 || p.Operations[0].Rule != "U1" || p.Summary.Users.Created != 1 {
		t.Errorf("%+v %v", p, err)
	}
	b.want(200, "", "GET", "/jobs/webex/plan", "")
	d, err := c.Drift(t.Context(), "webex", true)
	if err != nil || d.Classes[engine.DriftLocal] != 2 || d.Findings == nil {
		t.Errorf("%+v %v", d, err)
	}
	for _, err := range []error{
		c.Start(t.Context(), "webex"), c.Pause(t.Context(), "webex"), c.Stop(t.Context(), "webex"), c.Quarantine(t.Context(), "webex", "why"),
		c.Restart(t.Context(), "webex", []string{"watermark", "escrows"}, true), c.Restart(t.Context(), "webex", nil, false), c.Erase(t.Context(), "webex"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{"sync webex", "sync webex", "plan webex", "plan webex", "repair", "start webex", "pause webex", "stop webex", "quarantine why", "restart webex start", "restart webex", "erase webex"}
	if got := b.back.calls(); !slices.Equal(got, want) {
		t.Errorf("asked for %q, want %q", got, want)
	}
}
