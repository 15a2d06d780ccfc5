package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

func (a *API) registerControl() {
	act := func(id, path, summary, about string, do func(context.Context, *call) error) {
		handle(a, operation{id: id, place: atJob, method: http.MethodPost, path: path, summary: summary, about: about, role: RoleOperator, status: 204, errors: []int{409, 422}},
			func(ctx context.Context, c *call, _ *none) (*struct{}, error) { return nil, do(ctx, c) })
	}
	act("start-job", "/start", "Start or resume a job", "Lifts a quarantine. On a job that runs it changes nothing.",
		func(ctx context.Context, c *call) error { return a.backend.Start(ctx, c.by(), c.job.ID) })
	act("pause-job", "/pause", "Pause a job", "The running cycle comes to its end, no further one starts. All state is kept.",
		func(ctx context.Context, c *call) error { return a.backend.Pause(ctx, c.by(), c.job.ID) })
	handle(a, operation{id: "restart-job", place: atJob, method: http.MethodPost, path: "/restart", summary: "Reset a job", role: RoleOperator, status: 204,
		body: RestartRequest{}, bodyAny: true, errors: []int{409},
		about: "Without a resetScope: QuarantineState, Watermark, Escrows. Full also clears the links and needs the role admin. ForceDeletes lets the held deletions run once, needs the role approver, and is possible in the quarantine TooManyDeletes alone."}, a.restart)
	handle(a, operation{id: "quarantine-job", place: atJob, method: http.MethodPost, path: "/quarantine", summary: "Put a job into quarantine", role: RoleOperator, status: 204,
		body: QuarantineRequest{}, bodyAny: true, errors: []int{409}}, a.quarantine)

	handle(a, operation{id: "sync-job", place: atShortJob, method: http.MethodPost, path: "/sync", summary: "Start a cycle now", role: RoleOperator, status: 202, errors: []int{409},
		about: "Joins the running cycle if there is one. It does not wait for the end; events tell of it."}, a.sync)
	handle(a, operation{id: "stop-job", place: atShortJob, method: http.MethodPost, path: "/stop", summary: "Stop the running cycle", role: RoleOperator, status: 204, errors: []int{409},
		about: "It ends after the objects in hand; what is left waits for the next cycle."},
		func(ctx context.Context, c *call, _ *none) (*struct{}, error) {
			return nil, a.backend.Stop(ctx, c.by(), c.job.ID)
		})
	plan := operation{id: "plan-job", place: atShortJob, method: http.MethodPost, path: "/plan", summary: "Show what the next cycle would do", role: RoleOperator,
		errors: []int{409, 422}, timeout: wholeCycles, about: "Reads the source and the target, writes nothing anywhere. It takes as long as a cycle's reading."}
	handle(a, plan, a.plan)
	plan.id, plan.method = "read-plan-job", http.MethodGet
	handle(a, plan, a.plan)
	handle(a, operation{id: "drift-job", place: atShortJob, method: http.MethodPost, path: "/drift", summary: "Compare the target with what a job believes", role: RoleOperator,
		body: DriftRequest{}, bodyAny: true, errors: []int{409, 422}, timeout: wholeCycles,
		about: "With repair, which needs the role admin, what differs is queued for the next cycle; nothing is written before."}, a.drift)
}

type restartInput struct {
	raw
	Start bool `query:"start" doc:"also start a paused job"`
}

// resets are the words of resetScope (section 5).
var resets = []struct {
	word string
	as   Reset // "" for None
}{
	{"None", ""}, {"ConnectorDataStore", ResetStore}, {"Escrows", ResetEscrows}, {"Watermark", ResetWatermark},
	{"QuarantineState", ResetQuarantine}, {"Full", ResetFull}, {"ForceDeletes", ResetDeletes},
}

// parseResets reads a resetScope: a comma list in any order and letter case, with blanks. none says that it was the word
// None, which starts the job.
func parseResets(scope string) (what []Reset, none bool, err error) {
	if strings.TrimSpace(scope) == "" {
		return []Reset{ResetQuarantine, ResetWatermark, ResetEscrows}, false, nil
	}
	for word := range strings.SplitSeq(scope, ",") {
		word = strings.TrimSpace(word)
		known := false
		for _, r := range resets {
			if !strings.EqualFold(word, r.word) {
				continue
			}
			known = true
			switch {
			case r.as == "":
				none = true
			case !slices.Contains(what, r.as):
				what = append(what, r.as)
			}
		}
		if !known {
			return nil, false, problem(http.StatusBadRequest, codeInvalidReset,
				fmt.Sprintf("resetScope: %q is not known. Use a comma list of None, ConnectorDataStore, Escrows, Watermark, QuarantineState, Full, ForceDeletes.", word),
				ProblemDetail{Code: "UnknownValue", Message: "not known", Target: "criteria.resetScope"})
		}
	}
	return what, none && len(what) == 0, nil
}

func (a *API) restart(ctx context.Context, c *call, in *restartInput) (*struct{}, error) {
	var r RestartRequest
	if err := decode(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	scope := ""
	if r.Criteria != nil {
		scope = r.Criteria.ResetScope
	}
	what, none, err := parseResets(scope)
	if err != nil {
		return nil, err
	}
	if none {
		return nil, a.backend.Start(ctx, c.by(), c.job.ID)
	}
	if slices.Contains(what, ResetFull) {
		if err := c.need(RoleAdmin, "Clearing the links"); err != nil {
			return nil, err
		}
	}
	if slices.Contains(what, ResetDeletes) {
		if err := c.need(RoleApprover, "ForceDeletes"); err != nil {
			return nil, err
		}
		control, err := a.store.Control(ctx, c.job.ID)
		if err != nil {
			return nil, err
		}
		if control.Quarantine == nil || control.Quarantine.Reason != engine.QuarantineDeletes {
			return nil, conflict(codeJobState, "ForceDeletes is possible only while the job is in the quarantine TooManyDeletes, because it approves the deletions that are held then.",
				ProblemDetail{Code: "State", Message: "the job is not in the quarantine TooManyDeletes", Target: "status.quarantine.reason"})
		}
	}
	return nil, a.backend.Restart(ctx, c.by(), c.job.ID, what, in.Start)
}

// need refuses what a part of an operation needs another role for.
func (c *call) need(role Role, what string) error {
	if c.token.Role.May(role) {
		return nil
	}
	return problem(http.StatusForbidden, codeDenied, fmt.Sprintf("%s needs the role %s; the token %q has the role %s.", what, role, c.token.Name, c.token.Role))
}

func (a *API) quarantine(ctx context.Context, c *call, in *raw) (*struct{}, error) {
	var r QuarantineRequest
	if err := decode(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	return nil, a.backend.Quarantine(ctx, c.by(), c.job.ID, r.Reason)
}

func (a *API) sync(ctx context.Context, c *call, _ *none) (*reply[SyncResult], error) {
	id, err := a.backend.Sync(ctx, c.by(), c.job.ID)
	return answerWith(SyncResult{Cycle: id}), err
}

func (a *API) plan(ctx context.Context, c *call, _ *none) (*reply[PlanResult], error) {
	cycle, rows, err := a.backend.Plan(ctx, c.by(), c.job.ID)
	if err != nil {
		return nil, err
	}
	p := PlanResult{Job: string(c.job.ID), Operations: []PlannedOperation{}, Summary: CycleResultOf(cycle)}
	for _, e := range rows {
		if e.Action != engine.Nothing {
			p.Operations = append(p.Operations, PlannedOf(e))
		}
	}
	return answerWith(p), nil
}

func (a *API) drift(ctx context.Context, c *call, in *raw) (*reply[engine.Drift], error) {
	var r DriftRequest
	if err := decode(c, in.RawBody, &r); err != nil {
		return nil, err
	}
	if r.Repair {
		if err := c.need(RoleAdmin, "Repairing"); err != nil {
			return nil, err
		}
	}
	d, err := a.backend.Drift(ctx, c.by(), c.job.ID, r.Repair)
	if d.Findings == nil {
		d.Findings = []engine.DriftFinding{}
	}
	return answerWith(d), err
}
