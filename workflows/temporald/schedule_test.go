//go:build !noembed

package temporald

import (
	"context"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// TestSchedules is what the product does with the server: a schedule per job, skip on overlap,
// manual runs by trigger, also while it is paused. The server has nothing to complain about.
func TestSchedules(t *testing.T) {
	t.Parallel()
	core, seen := observer.New(zapcore.WarnLevel)
	s := startServer(t, Options{Dir: t.TempDir(), Logger: zap.New(core)})
	c := dial(t, s, "")
	startWorker(t, c)

	t.Run("group", func(t *testing.T) {
		t.Run("interval", func(t *testing.T) { testInterval(t, c) })
		t.Run("overlap", func(t *testing.T) { testOverlap(t, c) })
		t.Run("paused", func(t *testing.T) { testPaused(t, c) })
	})

	select {
	case err := <-s.Failed():
		t.Errorf("Failed yields %v", err)
	default:
	}
	for _, e := range seen.All() {
		t.Errorf("log: %s %q %v", e.Level, e.Message, e.ContextMap())
	}
}

func newSchedule(t *testing.T, c client.Client, o client.ScheduleOptions) client.ScheduleHandle {
	t.Helper()
	o.Overlap = enumspb.SCHEDULE_OVERLAP_POLICY_SKIP
	h, err := c.ScheduleClient().Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func every(d time.Duration) client.ScheduleSpec {
	return client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: d}}}
}

func trigger(t *testing.T, h client.ScheduleHandle) {
	t.Helper()
	if err := h.Trigger(t.Context(), client.ScheduleTriggerOptions{}); err != nil {
		t.Fatal(err)
	}
}

// awaitInfo waits until what the server knows of the schedule is as wanted.
func awaitInfo(t *testing.T, h client.ScheduleHandle, what string, want func(client.ScheduleInfo) bool) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) (bool, error) {
		d, err := h.Describe(ctx)
		return err == nil && want(d.Info), err
	})
}

func testInterval(t *testing.T, c client.Client) {
	t.Parallel()
	h := newSchedule(t, c, client.ScheduleOptions{
		ID: "interval", Spec: every(time.Second),
		Action: &client.ScheduleWorkflowAction{ID: "interval", TaskQueue: taskQueue, Workflow: short},
	})
	awaitInfo(t, h, "two runs", func(i client.ScheduleInfo) bool { return i.NumActions >= 2 })
	if err := h.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func testOverlap(t *testing.T, c client.Client) {
	t.Parallel()
	h := newSchedule(t, c, client.ScheduleOptions{
		ID: "overlap", Spec: every(24 * time.Hour),
		Action: &client.ScheduleWorkflowAction{ID: "overlap", TaskQueue: taskQueue, Workflow: waiting},
	})
	trigger(t, h)
	var run client.ScheduleWorkflowExecution
	awaitInfo(t, h, "a running workflow", func(i client.ScheduleInfo) bool {
		if len(i.RunningWorkflows) == 1 {
			run = i.RunningWorkflows[0]
		}
		return run.WorkflowID != ""
	})
	trigger(t, h)
	awaitInfo(t, h, "the second trigger skipped", func(i client.ScheduleInfo) bool {
		return i.NumActionsSkippedOverlap == 1 && i.NumActions == 1
	})
	if err := c.SignalWorkflow(t.Context(), run.WorkflowID, "", "go", nil); err != nil {
		t.Fatal(err)
	}
	awaitInfo(t, h, "the first run ended", func(i client.ScheduleInfo) bool { return len(i.RunningWorkflows) == 0 })
	trigger(t, h)
	awaitInfo(t, h, "the third trigger runs", func(i client.ScheduleInfo) bool { return i.NumActions == 2 })
}

func testPaused(t *testing.T, c client.Client) {
	t.Parallel()
	h := newSchedule(t, c, client.ScheduleOptions{
		ID: "paused", Spec: every(time.Second), Paused: true, Note: "by hand",
		Action: &client.ScheduleWorkflowAction{ID: "paused", TaskQueue: taskQueue, Workflow: short},
	})
	trigger(t, h)
	var done client.ScheduleActionResult
	awaitInfo(t, h, "the triggered run", func(i client.ScheduleInfo) bool {
		if len(i.RecentActions) == 1 {
			done = i.RecentActions[0]
		}
		return done.StartWorkflowResult != nil
	})
	if err := c.GetWorkflow(t.Context(), done.StartWorkflowResult.WorkflowID, "").Get(t.Context(), nil); err != nil {
		t.Errorf("triggered run: %v", err)
	}
	d, err := h.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !d.Schedule.State.Paused || d.Schedule.State.Note != "by hand" || d.Info.NumActions != 1 {
		t.Errorf("after the trigger: paused %v, note %q, %d runs; want paused, the note and one run",
			d.Schedule.State.Paused, d.Schedule.State.Note, d.Info.NumActions)
	}
}
