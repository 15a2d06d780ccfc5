package web

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/engine"
)

var errEnough = errors.New("enough")

// follow reads events until there are enough.
func (b *bench) follow(j engine.JobID, last int64, enough func(Event) bool) error {
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	err := b.client().Follow(ctx, j, last, func(e Event) error {
		if enough(e) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func TestEvents(t *testing.T) {
	b := newBench(t)
	b.logged("webex", engine.LogEntry{Action: engine.Create, Status: engine.StatusSuccess, Source: engine.Identity{ID: "before"}})
	var seen []string
	var last int64
	step := 0
	err := b.follow("webex", 0, func(e Event) bool {
		last = e.ID
		switch e.Type {
		case EventCycle:
			seen = append(seen, "cycle "+string(e.Cycle.State))
		case EventLog:
			seen = append(seen, "log "+e.Log.Source.ID)
		case EventState:
			seen = append(seen, "state "+e.State.Code)
		}
		switch {
		case step == 0 && len(seen) == 2: // how things are
			step++
			b.logged("webex", engine.LogEntry{Action: engine.Delete, Status: engine.StatusSuccess, Source: engine.Identity{ID: "during"}})
			b.logged("other", engine.LogEntry{Action: engine.Delete, Status: engine.StatusSuccess, Source: engine.Identity{ID: "elsewhere"}})
		case step == 1 && e.Type == EventLog:
			step++
			if _, err := b.store.EndCycle(t.Context(), "webex", "cycle-of-webex", engine.CycleSucceeded, "", "", b.now()); err != nil {
				t.Error(err)
			}
		case step == 2 && len(seen) == 5:
			return true
		}
		return false
	})
	// The end of a cycle may fall between the look at the cycle and that at the state.
	slices.Sort(seen[min(3, len(seen)):])
	want := "cycle running, state NotRun, log during, cycle succeeded, state Active"
	if got := strings.Join(seen, ", "); err != nil || got != want {
		t.Errorf("%v: %s\nwant %s", err, got, want)
	}
	// With the id of the last event, a stream goes on where the other one ended.
	b.logged("webex", engine.LogEntry{Action: engine.Delete, Status: engine.StatusSuccess, Source: engine.Identity{ID: "after"}})
	var first *LogRow
	if err := b.follow("webex", last, func(e Event) bool { first = e.Log; return first != nil }); err != nil || first.Source.ID != "after" {
		t.Errorf("%v: %+v", err, first)
	}
}

func TestAllEvents(t *testing.T) {
	b := newBench(t)
	jobs := map[engine.JobID]bool{}
	err := b.follow("", 0, func(e Event) bool {
		if e.State != nil {
			jobs[e.State.Job] = true
			if len(jobs) == 2 {
				b.logged("other", engine.LogEntry{Action: engine.Delete, Status: engine.StatusSuccess})
			}
		}
		return e.Log != nil && e.Log.Job == "other"
	})
	if err != nil || len(jobs) != 2 {
		t.Errorf("%v %v", err, jobs)
	}
}

// A stream says that it is alive, and ends with the service.
func TestStreamEnds(t *testing.T) {
	b := newBench(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", b.url+root+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer token-viewer")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || ct != "text/event-stream" {
		t.Errorf("%d %s", res.StatusCode, ct)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if lines.Text() == ": alive" {
			b.api.Close()
		}
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream did not end in order: %v", err)
	}
}

func TestStreamLimits(t *testing.T) {
	b := newBench(t)
	b.want(400, "Request_BadRequest", "GET", "/events", "", "Last-Event-Id: x")
	b.expect(b.do("", "GET", "/jobs/webex/events", ""), 401, "InvalidAuthenticationToken")
	b.want(404, "Request_ResourceNotFound", "GET", "/jobs/none/events", "")
	for range maxStreams {
		b.api.streams <- struct{}{}
	}
	b.want(503, "ServiceUnavailable", "GET", "/events", "")
}
