package store

import (
	"context"
	"errors"
	"time"

	"github.com/scimsync/scimsync/engine"
)

var errPending = errors.New("not there yet")

func (s *Store) Control(ctx context.Context, j engine.JobID) (engine.Control, error) {
	return engine.Control{}, errPending
}
func (s *Store) UpdateControl(ctx context.Context, j engine.JobID, change func(*engine.Control) error) (engine.Control, error) {
	return engine.Control{}, errPending
}
func (s *Store) DoubtLinks(ctx context.Context, j engine.JobID) error         { return errPending }
func (s *Store) ForgetLinks(ctx context.Context, j engine.JobID) (int, error) { return 0, errPending }
func (s *Store) EraseJob(ctx context.Context, j engine.JobID) error           { return errPending }
func (s *Store) Prune(ctx context.Context, j engine.JobID, before engine.Retention, limit int) (int, error) {
	return 0, errPending
}
func (s *Store) Judge(ctx context.Context, j engine.JobID, about []engine.Judged, v engine.Verdict, at, until time.Time, by, comment string) (int, error) {
	return 0, errPending
}
func (s *Store) MarkSuspect(ctx context.Context, j engine.JobID, f engine.Feed) error {
	return errPending
}
func (s *Store) HoldRemovals(ctx context.Context, j engine.JobID, g engine.RemovalGuard, now time.Time) (held int, err error) {
	return 0, errPending
}
func (s *Store) HeldRemovals(ctx context.Context, j engine.JobID, after string, limit int) ([]engine.HeldRemoval, error) {
	return nil, errPending
}
func (s *Store) JudgeRemovals(ctx context.Context, j engine.JobID, group string, members []engine.Ref, v engine.Verdict) (int, error) {
	return 0, errPending
}
func (s *Store) PutAudit(ctx context.Context, e engine.AuditEntry) error { return errPending }
func (s *Store) AuditEntries(ctx context.Context, f engine.AuditFilter) ([]engine.AuditEntry, error) {
	return nil, errPending
}
func (s *Store) PutNotice(ctx context.Context, n engine.Notice) (fresh bool, err error) {
	return false, errPending
}
func (s *Store) DueNotices(ctx context.Context, now time.Time, limit int) ([]engine.Notice, error) {
	return nil, errPending
}
func (s *Store) ClaimNotice(ctx context.Context, n engine.Notice, until time.Time) (bool, error) {
	return false, errPending
}
func (s *Store) UpdateNotice(ctx context.Context, n engine.Notice) error { return errPending }
func (s *Store) PutInspection(ctx context.Context, j engine.JobID, in engine.Inspection) error {
	return errPending
}
func (s *Store) Lease(ctx context.Context, j engine.JobID, refs []engine.Ref, owner string, until, now time.Time) (busy []engine.Ref, err error) {
	return nil, errPending
}
func (s *Store) LeaseReady(ctx context.Context, j engine.JobID, k engine.Kind, from, to int64, owner string, until, now time.Time) error {
	return errPending
}
func (s *Store) Release(ctx context.Context, j engine.JobID, refs []engine.Ref, owner string) error {
	return errPending
}
func (s *Store) HoldersTo(ctx context.Context, j engine.JobID, rel engine.Relation, to engine.Ref) ([]engine.Holder, error) {
	return nil, errPending
}
func (s *Store) WaitingTo(ctx context.Context, j engine.JobID, from engine.Ref, rel engine.Relation, to []engine.Ref) ([]engine.Membership, error) {
	return nil, errPending
}
func (s *Store) Exported(ctx context.Context, j engine.JobID, group engine.Ref, after string, limit int) ([]engine.Membership, error) {
	return nil, errPending
}
func (s *Store) ForgetExported(ctx context.Context, j engine.JobID, group engine.Ref, forget, unwanted []engine.Ref) error {
	return errPending
}
func (s *Store) Changes(ctx context.Context, j engine.JobID, k engine.Kind, states []engine.ChangeState, after string, limit int) ([]engine.Queued, error) {
	return nil, errPending
}
func (s *Store) Retry(ctx context.Context, j engine.JobID, refs []engine.Ref, now time.Time) (int, error) {
	return 0, errPending
}
func (s *Store) Ignore(ctx context.Context, j engine.JobID, refs []engine.Ref) (int, error) {
	return 0, errPending
}
func (s *Store) FailedEdges(ctx context.Context, j engine.JobID, rel engine.Relation, after string, limit int) ([]engine.FailedEdge, error) {
	return nil, errPending
}
func (s *Store) Expand(ctx context.Context, j engine.JobID, all bool) (int, error) {
	return 0, errPending
}
func (s *Store) PutPlan(ctx context.Context, j engine.JobID, plan string, ops []engine.PlannedOp) error {
	return errPending
}
func (s *Store) PlanOf(ctx context.Context, j engine.JobID, plan string, refs []engine.Ref) (map[engine.Ref]string, error) {
	return nil, errPending
}
func (s *Store) DropPlan(ctx context.Context, j engine.JobID, plan string) error { return errPending }
