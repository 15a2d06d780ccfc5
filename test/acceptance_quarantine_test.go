package test

import (
	"fmt"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

// refused is a world of ten people whose application has just begun to refuse the credentials, in quarantine for it.
func refused(t *testing.T) (w *world, ids []string, q *engine.Quarantine) {
	w, ids = staff(t, 10, setting{})
	w.app.Change(func(q *scimtest.Quirks) { q.RequireToken = "another" })
	w.dir.UpdateUser(ids[0], map[string]any{"surname": "Berg"})
	c, late := w.scheduled()
	if late != nil {
		t.Fatal(late)
	}
	q = w.control().Quarantine
	if c.State != engine.CycleQuarantined || c.ErrorCode != string(engine.CodeCredentials) || q == nil || q.Reason != engine.QuarantineException || q.Code != engine.CodeCredentials {
		t.Fatalf("ended %s %s, quarantine %+v", c.State, c.ErrorCode, q)
	}
	if n := w.queue(); n[engine.ChangeEscrow] > 0 {
		t.Fatalf("somebody is blamed: %v", n)
	}
	w.told(engine.NoticeQuarantined, 1)
	return w, ids, q
}

// told fails the test unless people were told so often of a thing.
func (w *world) told(k engine.NoticeKind, want int) {
	w.t.Helper()
	if n := w.notices()[k]; len(n) != want {
		w.t.Fatalf("cycle %d: told of %s %d times, want %d: %+v", w.cycles, k, len(n), want, n)
	}
}

// rests fails the test unless no cycle begins and neither side is asked anything.
func (w *world) rests(want engine.JobStatus) {
	w.t.Helper()
	before := w.calls.Load()
	_, late := w.scheduled()
	if late == nil || late.State != want {
		w.t.Fatalf("a cycle began, or not for being %s: %v", want, late)
	}
	if n := w.calls.Load() - before; n > 0 || len(w.dir.Log()) > 0 {
		w.t.Fatalf("%d requests to the application, %d to the directory, and no cycle", n, len(w.dir.Log()))
	}
}

// acceptQuarantineEnds follows the ladder of a job that nobody mends to its end.
func acceptQuarantineEnds(t *testing.T) {
	w, ids, q := refused(t)
	rungs := []time.Duration{6 * time.Hour, 12 * time.Hour}
	for d := day; d < 28*day; d += day {
		rungs = append(rungs, d)
	}
	for i, at := range rungs {
		if now := w.control().Quarantine; !now.NextAttempt.Equal(q.SeriesBegan.Add(at)) || now.SeriesCount != i {
			t.Fatalf("the next attempt is %s after the first failure, want %s; kept %d times", now.NextAttempt.Sub(q.SeriesBegan), at, now.SeriesCount)
		}
		until(q.SeriesBegan, at-time.Minute)
		w.rests(engine.StatusQuarantine)
		until(q.SeriesBegan, at+time.Second)
		c, late := w.scheduled()
		if late != nil || c.State != engine.CycleQuarantined {
			t.Fatalf("after %s: %s, %v", at, c.State, late)
		}
		// A probe is one question, and as long as it is refused nobody reads the directory.
		if n := w.app.Requests(); n.Total != 1 || n.Writes != 0 || len(w.dir.Log()) != 0 {
			t.Fatalf("after %s: %v, %d requests to the directory", at, n.By, len(w.dir.Log()))
		}
		left := 0
		for _, d := range []time.Duration{21 * day, 25 * day, 27 * day} {
			if at >= d {
				left++
			}
		}
		w.told(engine.NoticeDisabling, left)
	}
	until(q.SeriesBegan, 28*day-time.Minute)
	w.rests(engine.StatusQuarantine)
	until(q.SeriesBegan, 28*day)
	w.rests(engine.StatusDisabled)
	for range 3 {
		time.Sleep(day)
		w.rests(engine.StatusDisabled)
	}
	w.told(engine.NoticeQuarantined, 1)
	w.told(engine.NoticeDisabling, 3)
	w.told(engine.NoticeDisabled, 1)
	if !w.control().Disabled {
		t.Error("the job is not disabled")
	}
	if err := w.runner.Ask(t.Context(), "test", ""); err == nil {
		t.Error("a job that is disabled can be asked for a cycle")
	}
	w.app.Change(func(q *scimtest.Quirks) { q.RequireToken = "" })
	if err := w.runner.Start(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	c, late := w.scheduled()
	if late != nil || c.State != engine.CycleSucceeded || c.Kind != engine.Incremental {
		t.Fatalf("started: %s %s, %v", c.Kind, c.State, late)
	}
	if accountOf(w.mustAccount(ids[0])).Family != "Berg" {
		t.Error("what had changed before was not made up for")
	}
	w.inStep()
}

func acceptQuarantineLifted(t *testing.T) {
	w, _, q := refused(t)
	until(q.SeriesBegan, 6*time.Hour)
	if c, late := w.scheduled(); late != nil || c.State != engine.CycleQuarantined {
		t.Fatalf("the second attempt: %s, %v", c.State, late)
	}
	w.app.Change(func(q *scimtest.Quirks) { q.RequireToken = "" })
	w.rests(engine.StatusQuarantine) // not before its time
	until(q.SeriesBegan, 12*time.Hour)
	c, late := w.scheduled()
	if late != nil || c.State != engine.CycleSucceeded || c.Counts["users.updated"] != 1 {
		t.Fatalf("the third attempt: %s, %v, %v", c.State, c.Counts, late)
	}
	if w.control().Quarantine != nil {
		t.Errorf("still in quarantine: %+v", w.control().Quarantine)
	}
	w.told(engine.NoticeQuarantined, 1)
	w.told(engine.NoticeRecovered, 1)
	w.inStep()
	w.quiet()

	// A new series begins from the start.
	w.app.Change(func(q *scimtest.Quirks) { q.RequireToken = "third" })
	w.dir.PassDay()
	for _, r := range w.app.Users() {
		w.dir.UpdateUser(r.ExternalID, map[string]any{"surname": "Other"})
		break
	}
	if c, _ := w.scheduled(); c.State != engine.CycleQuarantined {
		t.Fatalf("ended %s", c.State)
	}
	if again := w.control().Quarantine; again.SeriesCount != 0 || again.NextAttempt.Sub(again.SeriesBegan) != 6*time.Hour {
		t.Errorf("the second quarantine: %+v", again)
	}
	w.told(engine.NoticeQuarantined, 2)
}

// acceptQuarantineReason: first the credentials, then too many failures. Each reason is told once.
func acceptQuarantineReason(t *testing.T) {
	w, ids := staff(t, 40, setting{})
	w.app.Change(func(q *scimtest.Quirks) { q.RequireToken = "another" })
	for i, id := range ids {
		w.dir.UpdateUser(id, map[string]any{"surname": []string{"Good", "Poison"}[i%2]})
	}
	w.scheduled()
	began := w.control().Quarantine.SeriesBegan
	w.app.Change(func(q *scimtest.Quirks) { q.RequireToken = "" })
	w.fault(scimtest.Fault{Method: "PATCH", BodyContains: "Poison", Status: 400, ScimType: "invalidValue"})
	until(began, 6*time.Hour)
	c, late := w.scheduled()
	q := w.control().Quarantine
	if late != nil || c.State != engine.CycleQuarantined || c.Counts["users.failed"] != 20 || c.Counts["users.updated"] != 20 || q == nil || q.Reason != engine.QuarantineProportion {
		t.Fatalf("ended %s, %v, quarantine %+v, %v", c.State, c.Counts, q, late)
	}
	if !q.SeriesBegan.Equal(began) || q.CurrentBegan.Equal(began) || q.SeriesCount != 1 {
		t.Errorf("another reason in the same series: %+v", q)
	}
	w.told(engine.NoticeQuarantined, 2)
	for _, at := range []time.Duration{12 * time.Hour, day} {
		until(began, at)
		if c, late := w.scheduled(); late != nil || c.State != engine.CycleQuarantined {
			t.Fatalf("after %s: %s, %v", at, c.State, late)
		}
	}
	w.told(engine.NoticeQuarantined, 2)
	w.app.ClearFaults()
	if _, err := w.store.Retry(t.Context(), "test", nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	until(began, 2*day)
	if c, late := w.scheduled(); late != nil || c.State != engine.CycleSucceeded {
		t.Fatalf("mended: %s, %v", c.State, late)
	}
	w.told(engine.NoticeRecovered, 1)
	w.inStep()
}

// acceptProportion has as many creates fail as 17.1 needs, or one less.
func acceptProportion(t *testing.T) {
	for _, c := range []struct {
		failing int
		preset  engine.QuarantinePreset
		want    engine.CycleState
	}{
		{20, engine.PresetAdaptive, engine.CycleQuarantined},
		{20, "", engine.CycleQuarantined},
		{19, engine.PresetAdaptive, engine.CycleEntryErrors}, // the floor
		{20, engine.PresetEntra, engine.CycleEntryErrors},
	} {
		w := bubble(t, setting{options: engine.Options{Quarantine: c.preset}})
		for i := range 40 {
			w.assigned(fmt.Sprintf("%s%02d", map[bool]string{true: "bad", false: "good"}[i < c.failing], i))
		}
		w.fault(scimtest.Fault{Method: "POST", Path: "/Users", BodyContains: `"bad`, Status: 400, ScimType: "invalidValue"})
		got := w.cycle()
		if got.State != c.want || got.Counts["users.failed"] != c.failing || got.Counts["users.created"] != 40-c.failing {
			t.Errorf("%d of 40 with %q: %s %s, %v", c.failing, c.preset, got.State, got.ErrorCode, got.Counts)
		}
		q := w.control().Quarantine
		if (q != nil) != (c.want == engine.CycleQuarantined) || q != nil && q.Reason != engine.QuarantineProportion {
			t.Errorf("%d of 40 with %q: %+v", c.failing, c.preset, q)
		}
	}
	// 20 of 60 are not more than 40 %.
	w := bubble(t, setting{})
	for i := range 60 {
		w.assigned(fmt.Sprintf("%s%02d", map[bool]string{true: "bad", false: "good"}[i < 20], i))
	}
	w.fault(scimtest.Fault{Method: "POST", Path: "/Users", BodyContains: `"bad`, Status: 400, ScimType: "invalidValue"})
	if got := w.cycle(); got.State != engine.CycleEntryErrors || w.control().Quarantine != nil {
		t.Errorf("20 of 60: %s, %+v", got.State, w.control().Quarantine)
	}
	// Whoever is refused everything is refused as a whole.
	w = bubble(t, setting{})
	for i := range 40 {
		w.assigned(fmt.Sprintf("p%02d", i))
	}
	w.fault(scimtest.Fault{Method: "POST", Path: "/Users", Status: 403})
	if got := w.cycle(); got.State != engine.CycleQuarantined || got.ErrorCode != string(engine.CodeForbidden) || w.control().Quarantine.Reason != engine.QuarantineException {
		t.Errorf("403 on everything: %s %s, %+v", got.State, got.ErrorCode, w.control().Quarantine)
	}
	if n := w.app.Requests().By[postUser]; n > 10+w.runner.Concurrency {
		t.Errorf("403 on everything was asked for %d times", n)
	}
}

// acceptCredentials: a token that is refused ends the cycle at once, and a new one is tried at once when somebody wants it.
func acceptCredentials(t *testing.T) {
	w, _, q := refused(t)
	if n := w.app.Requests(); n.Total > 3 || n.Status[401] != n.Total {
		t.Errorf("with a token that is refused %v were sent", n.By)
	}
	time.Sleep(time.Hour)
	w.app.Change(func(q *scimtest.Quirks) { q.RequireToken = "app-token" })
	if c := w.cycle(); c.State != engine.CycleSucceeded { // `scimsync job sync`
		t.Fatalf("ended %s", c.State)
	}
	if now := w.control().Quarantine; now != nil || time.Since(q.SeriesBegan) > 2*time.Hour {
		t.Errorf("quarantine %+v", now)
	}
	w.told(engine.NoticeRecovered, 1)
	w.inStep()
}
