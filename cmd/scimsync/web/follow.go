package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// EventType is what an event of the stream tells.
type EventType string

const (
	// EventCycle tells how a cycle stands: [CycleResult]. It comes when a cycle begins, moves on and ends.
	EventCycle EventType = "cycle"
	// EventLog is a new row of the provisioning log: [LogRow].
	EventLog EventType = "log"
	// EventState tells that the state of a job changed: [JobState].
	EventState EventType = "state"
)

// JobState is what an [EventState] tells of a job.
type JobState struct {
	Job        engine.JobID    `json:"job"`
	Code       string          `json:"code" enum:"NotConfigured,NotRun,Active,Paused,Quarantine"`
	Schedule   string          `json:"schedule" enum:"Active,Disabled,Paused"`
	Quarantine *QuarantineInfo `json:"quarantine"`
}

// Event is one event of the stream. Exactly one of the last three is set.
type Event struct {
	ID    int64 // of the newest log row told so far; goes on after it
	Type  EventType
	Cycle *CycleResult
	Log   *LogRow
	State *JobState
}

// Follow calls yield for every event of a job, or of all jobs if j is "", until ctx ends, the connection breaks or
// yield returns an error, which it returns. last is the id of the last event seen; 0 tells of what comes from now on.
// It returns nil only when the service ended the stream.
func (c *Client) Follow(ctx context.Context, j engine.JobID, last int64, yield func(Event) error) error {
	path := "/events"
	if j != "" {
		path = jobPath(j, "/events")
	}
	h := http.Header{"Accept": {"text/event-stream"}}
	if last > 0 {
		h.Set("Last-Event-Id", strconv.FormatInt(last, 10))
	}
	res, err := c.send(ctx, http.MethodGet, path, nil, nil, h)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 16<<20) // a row with many changes
	var e Event
	var data []byte
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if data != nil {
				if err := e.read(data); err != nil {
					return err
				}
				if err := yield(e); err != nil {
					return err
				}
			}
			e, data = Event{ID: e.ID}, nil
		case field == "id":
			if e.ID, err = strconv.ParseInt(value, 10, 64); err != nil {
				return fmt.Errorf("an event of %s has the id %q, which is no number", c.Base, value)
			}
		case field == "event":
			e.Type = EventType(value)
		case field == "data":
			data = append(data, value...)
		}
	}
	if err := lines.Err(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("the stream of events of %s broke off: %w", c.Base, err)
	}
	return ctx.Err()
}

// read decodes the data of an event. One of a type that this version does not know stays empty.
func (e *Event) read(data []byte) error {
	var into any
	switch e.Type {
	case EventCycle:
		e.Cycle = new(CycleResult)
		into = e.Cycle
	case EventLog:
		e.Log = new(LogRow)
		into = e.Log
	case EventState:
		e.State = new(JobState)
		into = e.State
	default:
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("an event of type %s cannot be read: %w", e.Type, err)
	}
	return nil
}
