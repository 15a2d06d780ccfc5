package workflows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// Schedule is what the configuration says about when a job runs.
type Schedule struct {
	Job      string
	Interval time.Duration
	Paused   bool // no cycle starts by itself; it can still be triggered
}

// Starter starts cycles and keeps the schedules. All cycles start through the schedule of their
// job, so that its overlap rule holds for manual runs too: one cycle of a job at a time. The task queue
// is the installation: several may share a namespace, with jobs of the same id, and none touches the
// schedules of another.
type Starter struct {
	Client    client.Client
	TaskQueue string
}

// scheduleID begins with what all schedules of this installation begin with. No id of a job has a
// colon in it.
func (s Starter) scheduleID(job string) string { return s.TaskQueue + ":job:" + job }

// Reconcile makes Temporal's schedules what the configuration says: missing ones are created (and, unless paused, run at once), changed ones
// updated, and those of jobs that are gone removed. Schedules that are not ours are left alone.
func (s Starter) Reconcile(ctx context.Context, want []Schedule) error {
	for _, w := range want {
		if err := s.ensure(ctx, w); err != nil {
			return fmt.Errorf("schedule of job %s: %w", w.Job, err)
		}
	}
	list, err := s.Client.ScheduleClient().List(ctx, client.ScheduleListOptions{})
	if err != nil {
		return fmt.Errorf("list schedules: %w", err)
	}
	for list.HasNext() {
		e, err := list.Next()
		if err != nil {
			return fmt.Errorf("list schedules: %w", err)
		}
		job, ours := strings.CutPrefix(e.ID, s.scheduleID(""))
		if !ours || strings.Contains(job, ":") || slices.ContainsFunc(want, func(w Schedule) bool { return w.Job == job }) {
			continue
		}
		if err := s.Client.ScheduleClient().GetHandle(ctx, e.ID).Delete(ctx); err != nil && !gone(err) {
			return fmt.Errorf("remove the schedule of job %s: %w", job, err)
		}
	}
	return nil
}

// create makes a schedule unless there is one.
func (s Starter) create(ctx context.Context, w Schedule) (created bool, err error) {
	_, err = s.Client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:   s.scheduleID(w.Job),
		Spec: spec(w),
		Action: &client.ScheduleWorkflowAction{
			ID: s.TaskQueue + ":cycle:" + w.Job, Workflow: SyncCycle, Args: []any{CycleInput{Job: w.Job}}, TaskQueue: s.TaskQueue,
		},
		Overlap:            enums.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow:      time.Minute,
		Paused:             w.Paused,
		TriggerImmediately: !w.Paused,
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return false, nil
	}
	return err == nil, err
}

func spec(w Schedule) client.ScheduleSpec {
	return client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: w.Interval}}}
}

// ensure creates or updates one schedule.
func (s Starter) ensure(ctx context.Context, w Schedule) error {
	if created, err := s.create(ctx, w); created || err != nil {
		return err
	}
	return s.Client.ScheduleClient().GetHandle(ctx, s.scheduleID(w.Job)).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			d := in.Description.Schedule
			every := spec(w)
			d.Spec = &every
			if a, ok := d.Action.(*client.ScheduleWorkflowAction); ok {
				a.TaskQueue = s.TaskQueue
			}
			if d.State == nil {
				d.State = &client.ScheduleState{}
			}
			d.State.Paused = w.Paused
			return &client.ScheduleUpdate{Schedule: &d}, nil
		},
	})
}

// Sync starts a cycle of a job now, or joins the one that is running, and waits for its end. A job
// without a schedule gets a paused one: nothing will start by itself.
func (s Starter) Sync(ctx context.Context, job string, interval time.Duration) (CycleResult, error) {
	run, _, err := s.Trigger(ctx, job, interval)
	if err != nil {
		return CycleResult{}, err
	}
	var out CycleResult
	err = run.Get(ctx, &out)
	return out, err
}

// Trigger starts a cycle of a job now, or joins the run that is open, and does not wait for its end. The cycle of a run
// that was joined may have ended already.
func (s Starter) Trigger(ctx context.Context, job string, interval time.Duration) (run client.WorkflowRun, joined bool, err error) {
	if _, err := s.create(ctx, Schedule{Job: job, Interval: interval, Paused: true}); err != nil {
		return nil, false, fmt.Errorf("schedule of job %s: %w", job, err)
	}
	h := s.Client.ScheduleClient().GetHandle(ctx, s.scheduleID(job))
	before, err := h.Describe(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("schedule of job %s: %w", job, err)
	}
	if open := before.Info.RunningWorkflows; len(open) > 0 {
		return s.Client.GetWorkflow(ctx, open[0].WorkflowID, ""), true, nil
	}
	if err := h.Trigger(ctx, client.ScheduleTriggerOptions{}); err != nil {
		return nil, false, fmt.Errorf("start a cycle of job %s: %w", job, err)
	}
	if run, err = s.started(ctx, h, before.Info.NumActions); err != nil {
		return nil, false, fmt.Errorf("start a cycle of job %s: %w", job, err)
	}
	return run, false, nil
}

// Next starts a cycle of a job now or, while one runs, as soon as that has ended: what was decided meanwhile is not to wait
// for the schedule.
func (s Starter) Next(ctx context.Context, job string, interval time.Duration) error {
	if _, err := s.create(ctx, Schedule{Job: job, Interval: interval, Paused: true}); err != nil {
		return fmt.Errorf("schedule of job %s: %w", job, err)
	}
	err := s.Client.ScheduleClient().GetHandle(ctx, s.scheduleID(job)).Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enums.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE})
	if err != nil {
		return fmt.Errorf("start a cycle of job %s: %w", job, err)
	}
	return nil
}

// Abandon ends the runs of cycles that nobody works on, because the process that did has ended: they would go on with
// what was planned then. It is for a server that no other process uses.
func (s Starter) Abandon(ctx context.Context, jobs []string) error {
	for _, job := range jobs {
		d, err := s.Client.ScheduleClient().GetHandle(ctx, s.scheduleID(job)).Describe(ctx)
		if gone(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("schedule of job %s: %w", job, err)
		}
		for _, w := range d.Info.RunningWorkflows {
			if err := s.Client.TerminateWorkflow(ctx, w.WorkflowID, "", "the process that ran it ended"); err != nil && !gone(err) {
				return fmt.Errorf("end the run of job %s that was left open: %w", job, err)
			}
		}
	}
	return nil
}

// Stop cancels the running cycle of a job; the objects in hand are finished. running is false if there was none.
func (s Starter) Stop(ctx context.Context, job string) (running bool, err error) {
	d, err := s.Client.ScheduleClient().GetHandle(ctx, s.scheduleID(job)).Describe(ctx)
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("schedule of job %s: %w", job, err)
	}
	for _, w := range d.Info.RunningWorkflows {
		if err := s.Client.CancelWorkflow(ctx, w.WorkflowID, ""); err != nil && !gone(err) {
			return true, fmt.Errorf("stop the cycle of job %s: %w", job, err)
		}
		running = true
	}
	return running, nil
}

// SetPaused switches the schedule of a job off or on. A running cycle goes on.
func (s Starter) SetPaused(ctx context.Context, job string, interval time.Duration, paused bool) error {
	return s.ensure(ctx, Schedule{Job: job, Interval: interval, Paused: paused})
}

// Provision runs ProvisionNow for a request in the store and waits for its end.
func (s Starter) Provision(ctx context.Context, job, request string) (ProvisionResult, error) {
	run, err := s.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: s.TaskQueue + ":provision:" + job + ":" + request, TaskQueue: s.TaskQueue,
		WorkflowExecutionTimeout: nowLimit, // nobody waits any longer, and it is not to happen some day
	}, ProvisionNow, ProvisionInput{Job: job, Request: request})
	if err != nil {
		return ProvisionResult{}, fmt.Errorf("provision on demand: %w", err)
	}
	var out ProvisionResult
	err = run.Get(ctx, &out)
	return out, err
}

// started waits until a triggered run has begun.
func (s Starter) started(ctx context.Context, h client.ScheduleHandle, before int) (client.WorkflowRun, error) {
	for {
		d, err := h.Describe(ctx)
		if err != nil {
			return nil, err
		}
		if n := len(d.Info.RecentActions); n > 0 && d.Info.NumActions > before {
			if w := d.Info.RecentActions[n-1].StartWorkflowResult; w != nil {
				return s.Client.GetWorkflow(ctx, w.WorkflowID, w.FirstExecutionRunID), nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func gone(err error) bool {
	var nf *serviceerror.NotFound
	return errors.As(err, &nf)
}
