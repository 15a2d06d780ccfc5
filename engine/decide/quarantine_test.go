package decide

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

// TestQuarantine has the vectors of section 17.1.
func TestQuarantine(t *testing.T) {
	for _, c := range []struct {
		name    string
		f, s, r int
		want    engine.QuarantineReason
	}{
		{"below 5,000, whatever the rate", 4_000, 0, 0, ""},
		{"5,000 are evaluated", 5_000, 0, 0, engine.QuarantineProportion},
		{"85.7 %", 30_000, 5_000, 0, engine.QuarantineProportion},
		{"16.7 %", 20_000, 100_000, 0, ""},
		{"more than 40,000", 45_000, 1_000_000, 0, engine.QuarantineBase},
		{"61,000 with references", 40_000, 1_000_000, 21_000, engine.QuarantineTotal},
		{"28.6 % and not more than 40,000", 40_000, 100_000, 0, ""},
		{"35.22 failed references are not in the rate", 4_999, 0, 50_000, ""},
		{"40 % is not more than 40 %", 6_000, 9_000, 0, ""},
	} {
		if reason, yes := Quarantined(Entra, c.f, c.s, c.r); reason != c.want || yes != (c.want != "") {
			t.Errorf("%s: got %q %v, want %q", c.name, reason, yes, c.want)
		}
	}
	for _, c := range []struct {
		name    engine.QuarantinePreset
		inScope int
		floor   int
	}{
		{"", 0, 20}, {"", 200, 20}, {engine.PresetAdaptive, 1_000, 100}, {engine.PresetAdaptive, 100_000, 5_000}, {engine.PresetEntra, 200, 5_000},
	} {
		want := Entra
		want.MinFailures = c.floor
		if got := PresetOf(c.name, c.inScope); got != want {
			t.Errorf("PresetOf(%q, %d) = %+v, want %+v", c.name, c.inScope, got, want)
		}
	}
}

// TestQuarantineLadder follows a job whose every attempt fails, each made as soon as it is due: 6 h, 12 h, 24 h
// after the first failure, then every day, and after 28 days it is disabled (17.2, 35.14).
func TestQuarantineLadder(t *testing.T) {
	const hour = time.Hour
	began := time.Date(2031, 3, 1, 8, 0, 0, 0, time.UTC)
	now := began
	var q *engine.Quarantine
	var attempts []time.Duration
	var reminders []int
	for !Over28Days(q, now) {
		if !Due(q, now) {
			t.Fatalf("not due at its own next attempt, %s", now)
		}
		q = Enter(q, engine.QuarantineException, engine.CodeCredentials, "the token was refused", now)
		if days, ok := DaysLeft(q, now); ok {
			reminders = append(reminders, days)
		}
		if Due(q, q.NextAttempt.Add(-1)) {
			t.Fatalf("due before its next attempt, %s", q.NextAttempt)
		}
		now = q.NextAttempt
		attempts = append(attempts, now.Sub(began))
	}
	want := []time.Duration{6 * hour, 12 * hour}
	for day := range 28 {
		want = append(want, time.Duration(day+1)*24*hour)
	}
	if d := cmp.Diff(want, attempts); d != "" {
		t.Errorf("attempts after the beginning (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]int{7, 7, 7, 7, 3, 3, 1}, reminders); d != "" { // each is told once: the key of the notice
		t.Errorf("reminders (-want +got):\n%s", d)
	}
	if !q.SeriesBegan.Equal(began) || !q.CurrentBegan.Equal(began) || q.SeriesCount != len(attempts)-1 {
		t.Errorf("the series is %+v", q)
	}
	if !Due(nil, now) || Over28Days(nil, now) {
		t.Error("a healthy job has to wait")
	}
	if _, ok := DaysLeft(q, now); ok {
		t.Error("reminded although it is over")
	}
}

// TestQuarantineReasons: what a change of the reason begins anew, and what it does not.
func TestQuarantineReasons(t *testing.T) {
	const hour = time.Hour
	began := time.Date(2031, 3, 1, 8, 0, 0, 0, time.UTC)
	later := began.Add(7 * hour)
	failing := engine.Quarantine{Reason: engine.QuarantineException, SeriesBegan: began, CurrentBegan: began, SeriesCount: 2, NextAttempt: began.Add(6 * hour)}
	held := engine.Quarantine{Reason: engine.QuarantineDeletes, SeriesBegan: began, CurrentBegan: began, SeriesCount: 2}
	for _, c := range []struct {
		name   string
		before *engine.Quarantine
		reason engine.QuarantineReason
		want   engine.Quarantine
	}{
		{"healthy", nil, engine.QuarantineException, engine.Quarantine{SeriesBegan: later, CurrentBegan: later, NextAttempt: later.Add(6 * hour)}},
		{"healthy, deletions are held", nil, engine.QuarantineDeletes, engine.Quarantine{SeriesBegan: later, CurrentBegan: later}},
		{"the same again", &failing, engine.QuarantineException, engine.Quarantine{SeriesBegan: began, CurrentBegan: began, SeriesCount: 3, NextAttempt: began.Add(12 * hour)}},
		{"another failure", &failing, engine.QuarantineProportion, engine.Quarantine{SeriesBegan: began, CurrentBegan: later, SeriesCount: 3, NextAttempt: began.Add(12 * hour)}},
		{"it works again and deletions are held", &failing, engine.QuarantineDeletes, engine.Quarantine{SeriesBegan: later, CurrentBegan: later}},
		{"deletions are held still", &held, engine.QuarantineDeletes, engine.Quarantine{SeriesBegan: began, CurrentBegan: began, SeriesCount: 3}},
		{"deletions are held and then it fails", &held, engine.QuarantineException, engine.Quarantine{SeriesBegan: later, CurrentBegan: later, NextAttempt: later.Add(6 * hour)}},
		{"by hand", nil, engine.QuarantineOnDemand, engine.Quarantine{SeriesBegan: later, CurrentBegan: later, NextAttempt: later.Add(6 * hour)}},
	} {
		c.want.Reason, c.want.Code, c.want.Message = c.reason, engine.CodeTransport, "m"
		if d := cmp.Diff(&c.want, Enter(c.before, c.reason, engine.CodeTransport, "m", later)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
	if held.SeriesCount != 2 || failing.SeriesCount != 2 {
		t.Error("the quarantine that was given has changed")
	}
	if old := held.SeriesBegan.Add(60 * 24 * hour); Over28Days(&held, old) || !Due(&held, old) {
		t.Error("a job is disabled because deletions wait for approval")
	}
}
