package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/scimsync/scimsync/engine"
)

func (a *API) registerCycles() {
	handle(a, operation{id: "list-cycles", place: atShortJob, method: http.MethodGet, path: "/cycles", summary: "List cycles, newest first", role: RoleViewer, errors: []int{400}}, listCycles(a, CycleResultOf))
	handle(a, operation{id: "show-cycle", place: atShortJob, method: http.MethodGet, path: "/cycles/{cycle}", summary: "Show one cycle", role: RoleViewer}, showCycle(a, CycleResultOf))
	handle(a, operation{id: "list-cycles", place: atGraphJob, method: http.MethodGet, path: "/cycles", summary: "List cycles as task executions, newest first", role: RoleViewer, errors: []int{400}}, listCycles(a, task))
	handle(a, operation{id: "show-cycle", place: atGraphJob, method: http.MethodGet, path: "/cycles/{cycle}", summary: "Show one cycle as a task execution", role: RoleViewer}, showCycle(a, task))
	handle(a, operation{id: "list-feeds", place: atJob, method: http.MethodGet, path: "/feeds", summary: "Show how far each feed of the source was read", role: RoleViewer}, a.listFeeds)
}

func task(c engine.Cycle) TaskExecution { return *executionOf(&c) }

// cyclePosition is where a list of cycles goes on: after one.
type cyclePosition struct {
	After engine.CycleID `json:"after"`
}

func listCycles[T any](a *API, show func(engine.Cycle) T) func(context.Context, *call, *Paging) (*reply[Page[T]], error) {
	return func(ctx context.Context, c *call, in *Paging) (*reply[Page[T]], error) {
		var at cyclePosition
		if err := in.resume(&at); err != nil {
			return nil, err
		}
		found, more, err := cyclesAfter(ctx, a.store, c.job.ID, at.After, in.top())
		if err != nil {
			return nil, err
		}
		page := Page[T]{Context: c.context("synchronization/jobs/cycles"), Value: []T{}}
		for _, cyc := range found {
			page.Value = append(page.Value, show(cyc))
		}
		if more {
			page.Next, err = c.next(cyclePosition{found[len(found)-1].ID})
		}
		return answerWith(page), err
	}
}

type cycleInput struct {
	Cycle string `path:"cycle"`
}

func showCycle[T any](a *API, show func(engine.Cycle) T) func(context.Context, *call, *cycleInput) (*reply[T], error) {
	return func(ctx context.Context, c *call, in *cycleInput) (*reply[T], error) {
		cyc, err := a.store.Cycle(ctx, c.job.ID, engine.CycleID(in.Cycle))
		if errors.Is(err, engine.ErrNotFound) {
			return nil, notFound("The job has no cycle of this id, or it was removed when its time was over.")
		}
		if err != nil {
			return nil, err
		}
		return answerWith(show(cyc)), nil
	}
}

func (a *API) listFeeds(ctx context.Context, c *call, _ *none) (*reply[Page[FeedRow]], error) {
	page := Page[FeedRow]{Context: c.context("synchronization/jobs/feeds"), Value: []FeedRow{}}
	for _, f := range []engine.Feed{engine.FeedAssignments, engine.FeedGroups, engine.FeedUsers} {
		s, err := a.store.FeedState(ctx, c.job.ID, f)
		if err != nil {
			return nil, err
		}
		r := FeedRow{Feed: f, State: "new", WatermarkAt: s.WatermarkAt.UTC(), Generation: s.Generation, Full: s.Full, Pages: s.Pages, Suspect: s.Suspect}
		if !s.WatermarkAt.IsZero() {
			r.State, r.AgeSeconds = "idle", int64(a.now().Sub(s.WatermarkAt)/time.Second)
		}
		if s.Open {
			r.State = "reading"
		}
		page.Value = append(page.Value, r)
	}
	return answerWith(page), nil
}
