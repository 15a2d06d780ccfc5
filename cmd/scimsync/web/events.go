package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// maxStreams bounds the streams of events that are open at a time: each looks at the store every second.
const maxStreams = 64

func (a *API) registerEvents() {
	op := operation{id: "stream-events", method: http.MethodGet, path: "/events", summary: "Follow all jobs as server-sent events", role: RoleViewer, errors: []int{400}, timeout: -1,
		about: "Events are cycle (how a cycle stands), log (a row of the provisioning log) and state (of a job). Comments keep the connection alive. The id of an event is that of the newest log row told; Last-Event-ID goes on after it, else the stream begins with what comes from now on."}
	handle(a, op, a.stream)
	op.id, op.place, op.summary = "stream-job-events", atShortJob, "Follow a job as server-sent events"
	handle(a, op, a.stream)
	for _, path := range []string{root + "/events", root + "/jobs/{job}/events"} {
		a.huma.OpenAPI().Paths[path].Get.Responses["200"] = &huma.Response{
			Description: "a stream that ends with the service", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
		}
	}
}

type eventsInput struct {
	Last  string `header:"Last-Event-Id" doc:"id of the last event seen"`
	After string `query:"after" doc:"the same, for clients that cannot set headers"`
}

// follower remembers what a stream has told.
type follower struct {
	a      *API
	ctx    context.Context
	w      http.ResponseWriter
	flush  *http.ResponseController
	jobs   []Job
	last   int64 // newest log row told
	cycles map[engine.JobID]string
	states map[engine.JobID]string
	wrote  time.Time
}

func (a *API) stream(ctx context.Context, c *call, in *eventsInput) (*huma.StreamResponse, error) {
	f := &follower{a: a, jobs: a.backend.Jobs(), cycles: map[engine.JobID]string{}, states: map[engine.JobID]string{}}
	if c.job.ID != "" {
		f.jobs = []Job{c.job}
	}
	resume := in.Last
	if resume == "" {
		resume = in.After
	}
	if resume == "" {
		for _, j := range f.jobs {
			newest, err := a.store.Entries(ctx, j.ID, engine.LogFilter{Newest: true, Limit: 1})
			if err != nil {
				return nil, err
			}
			if len(newest) > 0 {
				f.last = max(f.last, newest[0].ID)
			}
		}
	} else {
		n, err := strconv.ParseInt(resume, 10, 64)
		if err != nil || n < 0 {
			return nil, badRequest("Last-Event-ID: not an id of an event of this stream.")
		}
		f.last = n
	}
	select {
	case a.streams <- struct{}{}:
	default:
		return nil, &Problem{Status: http.StatusServiceUnavailable, Code: codeUnavailable, RetryAfter: 30 * time.Second,
			Message: fmt.Sprintf("%d streams of events are open already. Close one, or try again later.", maxStreams)}
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer func() { <-a.streams }()
		f.ctx = h.Context()
		_, f.w = humago.Unwrap(h)
		f.run()
	}}, nil
}

// run tells what happens until the other side leaves or the API is closed.
func (f *follower) run() {
	h := f.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy in between must not collect events
	f.flush = http.NewResponseController(f.w)
	f.w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	defer context.AfterFunc(f.a.ending, cancel)()
	f.ctx = ctx
	if err := f.send(": events of scimsync\nretry: 3000\n\n"); err != nil {
		return
	}
	tick := time.NewTicker(f.a.pollEvery)
	defer tick.Stop()
	for {
		if err := f.look(); err != nil {
			if ctx.Err() == nil && !errors.Is(err, errLeft) {
				f.a.log.Warn("stream of events ended", zap.Error(err))
			}
			return
		}
		if time.Since(f.wrote) >= f.a.heartbeat {
			if err := f.send(": alive\n\n"); err != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// errLeft says that the other side has left.
var errLeft = errors.New("the reader of events has left")

// writeTime is how long a reader may take to accept what is written to it.
const writeTime = 30 * time.Second

func (f *follower) send(text string) error {
	// A writer that knows no deadlines has none to extend.
	if err := f.flush.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errLeft
	}
	if _, err := f.w.Write([]byte(text)); err != nil {
		return errLeft
	}
	if err := f.flush.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errLeft
	}
	f.wrote = time.Now()
	return nil
}

func (f *follower) event(t EventType, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.send(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", f.last, t, data))
}

// look tells what changed since it was called before: the log first, so that a cycle's end comes after its rows.
func (f *follower) look() error {
	if err := f.rows(); err != nil {
		return err
	}
	for _, j := range f.jobs {
		if err := f.cycle(j); err != nil {
			return err
		}
		if err := f.state(j); err != nil {
			return err
		}
	}
	return nil
}

// rowsAtOnce bounds the rows told in one go, so that states are told in between.
const rowsAtOnce = 5000

func (f *follower) rows() error {
	m := merging{store: f.a.store, filter: engine.LogFilter{AfterID: f.last}}
	for _, j := range f.jobs {
		m.streams = append(m.streams, logStream{job: j})
	}
	for range rowsAtOnce {
		e, _, ok, err := m.take(f.ctx)
		if err != nil || !ok {
			return err
		}
		f.last = e.ID
		if err := f.event(EventLog, LogRowOf(e)); err != nil {
			return err
		}
	}
	return nil
}

// cycle tells of the newest cycle of a job if it moved on.
func (f *follower) cycle(j Job) error {
	newest, err := f.a.store.LastCycles(f.ctx, j.ID, 1)
	if err != nil || len(newest) == 0 {
		return err
	}
	r := CycleResultOf(newest[0])
	data, err := json.Marshal(r)
	if err != nil || f.cycles[j.ID] == string(data) {
		return err
	}
	f.cycles[j.ID] = string(data)
	return f.event(EventCycle, r)
}

// state tells of the state of a job if it changed.
func (f *follower) state(j Job) error {
	control, err := f.a.store.Control(f.ctx, j.ID)
	if err != nil {
		return err
	}
	h, err := f.a.histories.of(f.ctx, f.a.store, j.ID)
	if err != nil {
		return err
	}
	s := JobState{Job: j.ID, Quarantine: quarantineOf(control.Quarantine, scheduled(j, f.a.now()))}
	s.Code, s.Schedule = stateOf(j, control, h.ran)
	data, err := json.Marshal(s)
	if err != nil || f.states[j.ID] == string(data) {
		return err
	}
	f.states[j.ID] = string(data)
	return f.event(EventState, s)
}
