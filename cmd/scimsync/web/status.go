package web

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// Codes of a job's status, and states of its schedule (section 3).
const (
	statusNotRun     = "NotRun"
	statusActive     = "Active"
	statusPaused     = "Paused"
	statusQuarantine = "Quarantine"

	scheduleActive   = "Active"
	schedulePaused   = "Paused"
	scheduleDisabled = "Disabled"
)

// stateOf is the status code and the state of the schedule. What keeps a job from running goes before how its last
// cycles went.
func stateOf(j Job, c engine.Control, ran bool) (code, schedule string) {
	switch {
	case !j.Enabled, c.Disabled:
		return statusPaused, scheduleDisabled
	case c.Paused:
		return statusPaused, schedulePaused
	case c.Quarantine != nil:
		return statusQuarantine, scheduleActive
	case !ran:
		return statusNotRun, scheduleActive
	default:
		return statusActive, scheduleActive
	}
}

// describe is a job with its status.
func (a *API) describe(ctx context.Context, j Job) (SynchronizationJob, error) {
	v := SynchronizationJob{
		ID: string(j.ID), TemplateID: templateID, Settings: []NameValue{},
		Connection: j.Connection, Enabled: j.Enabled, Scope: j.Scope,
		Source: Endpoint{Type: j.SourceType, Name: j.SourceName, TenantID: j.TenantID},
		Target: Endpoint{Type: j.TargetType, Name: j.TargetName, BaseURL: j.BaseURL, AuthType: j.AuthType, Expires: j.Expires},
		Links:  map[engine.Kind]map[engine.LinkState]int{},
	}
	control, err := a.store.Control(ctx, j.ID)
	if err != nil {
		return v, err
	}
	h, err := a.histories.of(ctx, a.store, j.ID)
	if err != nil {
		return v, err
	}
	if v.Queue, err = a.store.QueueSize(ctx, j.ID); err != nil {
		return v, err
	}
	refs, err := a.store.References(ctx, j.ID)
	if err != nil {
		return v, err
	}
	v.References = ReferenceCounts(refs)
	managed := 0
	for _, k := range []engine.Kind{engine.User, engine.Group} {
		if v.Links[k], err = a.store.CountLinks(ctx, j.ID, k); err != nil {
			return v, err
		}
		n := 0
		for _, of := range v.Links[k] {
			n += of
		}
		managed += v.Links[k][engine.Managed]
		v.Status.SynchronizedEntryCountByType = append(v.Status.SynchronizedEntryCountByType, EntryCount{entryKeys[k], int64(n)})
	}
	v.Settings = settings(j, managed)
	v.Status.Code, v.Schedule.State = stateOf(j, control, h.ran)
	if h.ran || h.running != nil || v.Schedule.State == scheduleActive {
		v.Schedule.Interval = new(isoDuration(j.Interval))
	}
	v.Status.SuccessiveFailures, v.Status.EscrowsPruned = int64(control.Failures), control.Pruned
	v.Status.LastExecution = executionOf(h.last)
	v.Status.LastSuccessfulExecution, v.Status.LastSuccessfulWithExports = executionOf(h.successful), executionOf(h.exporting)
	v.Status.Quarantine = quarantineOf(control.Quarantine, scheduled(j, a.now()))
	v.Status.SteadyStateFirstAchieved, v.Status.SteadyStateLastAchieved = control.SteadyFirst.UTC(), control.SteadyLast.UTC()
	v.Status.Progress = []TaskProgress{}
	if h.last != nil {
		v.LastCycle = new(CycleResultOf(*h.last))
	}
	if h.running != nil {
		v.Running = new(CycleResultOf(*h.running))
		v.Status.Progress = append(v.Status.Progress, progressOf(*h.running, a.now()))
	}
	return v, nil
}

// entryKeys are the keys of synchronizedEntryCountByType.
var entryKeys = map[engine.Kind]string{engine.User: "User to User", engine.Group: "Group to Group"}

// Names of settings that Graph keeps with a job.
const (
	settingThreshold = "QuarantineTooManyDeletesThreshold"
	settingRole      = "RequireRole"
)

// settings are those of the configuration that Graph has a name for. The threshold is the one in effect: it depends on
// the number of managed objects where the configuration names none.
func settings(j Job, managed int) []NameValue {
	n, on := decide.Limit(j.Options.Deletions, managed)
	if !on {
		n = 0
	}
	return []NameValue{{settingThreshold, strconv.Itoa(n)}, {settingRole, strconv.FormatBool(j.Options.RequireRole)}}
}

// progressOf counts objects: pages of the source are not known in advance.
func progressOf(c engine.Cycle, now time.Time) TaskProgress {
	done, total := c.Counts[engine.ObjectsDone], c.Counts[engine.ObjectsQueued]
	if c.Phase == engine.PhaseImport {
		done, total = c.Counts[engine.ObjectsImported], 0
	}
	return TaskProgress{
		CompletedUnits: int32(min(done, math.MaxInt32)), TotalUnits: int32(min(max(total, done), math.MaxInt32)), Units: "objects",
		ObservedAt: now.UTC(),
	}
}

// quarantineOf shows a quarantine. next is when the schedule starts a cycle: that is the next attempt of a quarantine that
// names none of its own, because work goes on while deletions are held.
func quarantineOf(q *engine.Quarantine, next time.Time) *QuarantineInfo {
	if q == nil {
		return nil
	}
	if !q.NextAttempt.IsZero() {
		next = q.NextAttempt
	}
	return &QuarantineInfo{
		CurrentBegan: q.CurrentBegan.UTC(), SeriesBegan: q.SeriesBegan.UTC(), SeriesCount: int64(q.SeriesCount),
		NextAttempt: next.UTC(), Reason: q.Reason, Error: taskError(string(q.Code), q.Message),
	}
}

// scheduled is when the schedule of a job starts its next cycle: whole intervals since the epoch, as Temporal counts them.
func scheduled(j Job, now time.Time) time.Time {
	every := int64(j.Interval / time.Second)
	if every <= 0 {
		return time.Time{}
	}
	return time.Unix((now.Unix()/every+1)*every, 0).UTC()
}

// transient are the codes of failures that pass by themselves, so that nobody can mend them on our side.
var transient = []engine.Code{engine.CodeThrottled, engine.CodeServerError, engine.CodeTimeout, engine.CodeTransport, engine.CodeSourceUnavailable}

func taskError(code, message string) *TaskError {
	if code == "" && message == "" {
		return nil
	}
	actionable := code != "internal" && code != "stopped" && !slices.Contains(transient, engine.Code(code))
	return &TaskError{Code: code, Message: message, TenantActionable: actionable}
}

// executionOf counts a cycle as Graph does. Our counters are buckets: an object that was assigned but not in the
// scoping filter is among the skipped, so the two numbers of entitled objects are the same.
func executionOf(c *engine.Cycle) *TaskExecution {
	if c == nil {
		return nil
	}
	r := CycleResultOf(*c)
	u, g, m := r.Users, r.Groups, r.Memberships
	failed := u.Failed + g.Failed
	exported := u.Created + u.Updated + u.Disabled + u.Enabled + u.Deleted + g.Created + g.Updated + g.Deleted + m.Added + m.Removed
	entitled := u.Created + u.Updated + u.Enabled + u.Unchanged + g.Created + g.Updated + g.Unchanged + failed
	t := &TaskExecution{
		ActivityIdentifier: string(c.ID), TimeBegan: c.StartedAt.UTC(),
		CountEntitled: int64(entitled), CountEntitledForProvisioning: int64(entitled),
		CountEscrowed: int64(failed), CountEscrowedRaw: int64(failed + m.Failed),
		CountExported: int64(exported), CountExports: int64(exported + failed + m.Failed),
		CountImported: int64(c.Counts[engine.ObjectsImported]), CountImportedDeltas: int64(c.Counts[engine.ObjectsQueued]),
		CountImportedReferenceDeltas: int64(m.Added + m.Removed + m.Pending + m.Failed),
		Error:                        taskError(c.ErrorCode, c.Error),
	}
	if !c.EndedAt.IsZero() {
		t.TimeEnded = new(c.EndedAt.UTC())
	}
	switch c.State {
	case engine.CycleFailed, engine.CycleQuarantined:
		t.State = "Failed"
	case engine.CycleEntryErrors, engine.CycleHeld: // not all was done; what is held has no word of its own in Graph
		t.State = "EntryLevelErrors"
	default:
		t.State = "Succeeded"
	}
	return t
}
