package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// progress shows how far a cycle is: objects done of total, rate, time left, retries. On a terminal it
// draws one line over and over; elsewhere it writes a line when the phase changes and every ten
// seconds. It reads the counters that the steps keep in the store, so that it does not matter which
// process works on the cycle.
type progress struct {
	w     io.Writer
	live  bool
	store engine.Cycles
	job   engine.JobID

	phase   engine.Phase
	written time.Time
	samples []sample
	drawn   bool
}

// sample is a point of the curve from which the rate is read.
type sample struct {
	at   time.Time
	done int
}

const (
	redrawEvery = 200 * time.Millisecond
	lineEvery   = 10 * time.Second
	rateWindow  = 5 * time.Second
)

// follow shows the progress of the job until ctx ends.
func (p *progress) follow(ctx context.Context) {
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			p.clear()
			return
		case now := <-tick.C:
			last, err := p.store.LastCycles(ctx, p.job, 1)
			if err != nil || len(last) == 0 || last[0].State != engine.CycleRunning {
				continue // progress is an extra: what is wrong with the store, the cycle itself will say
			}
			p.show(last[0], now)
		}
	}
}

// show writes the state of a running cycle.
func (p *progress) show(c engine.Cycle, now time.Time) {
	line := p.line(c, now)
	switch {
	case p.live:
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		p.drawn = true
	case c.Phase != p.phase || now.Sub(p.written) >= lineEvery:
		fmt.Fprintln(p.w, line)
		p.written = now
	}
	p.phase = c.Phase
}

func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// line is the progress in words.
func (p *progress) line(c engine.Cycle, now time.Time) string {
	n := c.Counts
	s := fmt.Sprintf("%s: %s cycle, ", c.Job, c.Kind)
	switch c.Phase {
	case engine.PhaseImport:
		s += fmt.Sprintf("reading the source, %d objects", n[engine.ObjectsImported])
	case engine.PhaseDecide:
		s += fmt.Sprintf("deciding, %d to export", n[engine.ObjectsQueued])
	case engine.PhaseUsers, engine.PhaseGroups:
		done, total := n[engine.ObjectsDone], max(n[engine.ObjectsQueued], n[engine.ObjectsDone])
		s += fmt.Sprintf("%s, %d of %d objects", c.Phase, done, total)
		if rate := p.rate(now, done); rate > 0 {
			left := time.Duration(float64(total-done)/rate*float64(time.Second)) + time.Second
			s += fmt.Sprintf(", %.0f/s, %s left", rate, left.Truncate(time.Second))
		}
	case engine.PhaseMemberships:
		s += fmt.Sprintf("memberships, %d added, %d removed", n[engine.MembershipsAdded], n[engine.MembershipsRemoved])
	default:
		s += string(c.Phase)
	}
	if r := n[engine.RetriesSource] + n[engine.RetriesTarget]; r > 0 {
		s += fmt.Sprintf(", %d retries", r)
	}
	if w := time.Duration(n[engine.WaitedMillis]) * time.Millisecond; w > 0 {
		s += fmt.Sprintf(", waited %s", w.Round(100*time.Millisecond))
	}
	if f := n[engine.User.Counter(engine.BucketFailed)] + n[engine.Group.Counter(engine.BucketFailed)]; f > 0 {
		s += fmt.Sprintf(", %d failed", f)
	}
	return s
}

// rate is the number of objects done a second, over the last seconds.
func (p *progress) rate(now time.Time, done int) float64 {
	p.samples = append(p.samples, sample{now, done})
	for len(p.samples) > 2 && now.Sub(p.samples[0].at) > rateWindow {
		p.samples = p.samples[1:]
	}
	first := p.samples[0]
	if d := now.Sub(first.at).Seconds(); d > 0 {
		return float64(done-first.done) / d
	}
	return 0
}
