package engine

import (
	"errors"
	"fmt"
	"time"
)

// Outcome is what a failed call means for the engine (scim-target.md section 2.2). Success has no
// outcome: the call returns no error.
type Outcome string

const (
	// OutcomeRematch: the stored target id is dead. Forget the link, match again in this cycle.
	OutcomeRematch Outcome = "rematch"
	// OutcomeEscrow: this object failed and is retried on the escrow timetable.
	OutcomeEscrow Outcome = "escrow"
	// OutcomeEscrowRef: a reference failed, the object itself is fine.
	OutcomeEscrowRef Outcome = "escrow_ref"
	// OutcomeSkip: retrying will not help until the source object or the configuration changes.
	OutcomeSkip Outcome = "skip"
	// OutcomeQuarantine: the connection as a whole is broken; stop the cycle.
	OutcomeQuarantine Outcome = "quarantine"
	// OutcomeSuspend: the server asked for a longer pause than one call may wait. Stop the cycle
	// and go on no earlier than RetryAt. Not a failure of any object.
	OutcomeSuspend Outcome = "suspend"
	// OutcomeUnknown: the request may have been applied and reading back could not settle it. The
	// change keeps its verify-first mark and is treated as escrow.
	OutcomeUnknown Outcome = "unknown"
)

// Code says what went wrong (scim-target.md section 2.3; graph-source.md section 18 for sources).
type Code string

const (
	CodeConflict          Code = "conflict"
	CodeDuplicateTarget   Code = "duplicate_target"
	CodeDuplicateSource   Code = "duplicate_source"
	CodeMultipleInRead    Code = "multiple_in_single_read"
	CodeBadResponse       Code = "bad_response"
	CodeGone              Code = "gone"
	CodeThrottled         Code = "throttled"
	CodeServerError       Code = "server_error"
	CodeTimeout           Code = "timeout"
	CodeTransport         Code = "transport"
	CodeCredentials       Code = "credentials"
	CodeForbidden         Code = "forbidden"
	CodeMethodNotAllowed  Code = "method_not_allowed"
	CodeUnprocessable     Code = "unprocessable"
	CodeNotImplemented    Code = "not_implemented"
	CodeRequiredMissing   Code = "required_missing"
	CodeSchemaAttribute   Code = "schema_attribute"
	CodeSingleValueOnly   Code = "single_value_only"
	CodeLicenseLimit      Code = "license_limit"
	CodeInvalidDomain     Code = "invalid_domain"
	CodeFilterUnsupported Code = "filter_unsupported"
	CodeFilterIgnored     Code = "filter_ignored"
	CodePaginationBroken  Code = "pagination_broken"
	CodeNotApplied        Code = "not_applied"
	CodeMembersWiped      Code = "members_wiped"
	CodeMapping           Code = "mapping" // an expression failed or a value does not convert

	CodeTooManyDeletes Code = "TooManyDeletes"  // disables and deletes wait for approval
	CodeRemovalsHeld   Code = "TooManyRemovals" // membership removals wait for approval

	CodeSourceUnauthorized Code = "SourceUnauthorized"
	CodeSourceForbidden    Code = "SourceForbidden"
	CodeSourceLicense      Code = "SourceLicenseRequired"
	CodeSourceQuery        Code = "SourceQueryRejected"
	CodeSourceApplication  Code = "SourceApplicationMissing"
	CodeSourcePage         Code = "SourcePageInvalid"
	CodeSourceForeignLink  Code = "SourceForeignLink"
	CodeSourceLoop         Code = "SourceLoopDetected"
	CodeSourceSuspect      Code = "SourceSnapshotSuspect"
	CodeSourceDelta        Code = "SourceDeltaUnsupported"
	CodeSourceUnavailable  Code = "SourceUnavailable"
)

// TargetError is a failed call to a target. Detail is trimmed and redacted: it may be shown and
// kept in the provisioning log, but names what the server said and so never goes into a process log.
type TargetError struct {
	Outcome  Outcome
	Code     Code
	Status   int    // HTTP status, 0 if there was no answer
	ScimType string // scimType of the error body
	Detail   string
	RetryAt  time.Time // for suspend: not before
	// Applied lists the paths (Path.Key) of an update that the target took before it failed.
	Applied []string
	Err     error
}

// Error is safe to log: it has no text of the server in it.
func (e *TargetError) Error() string {
	s := string(e.Code)
	if e.Status != 0 {
		s += fmt.Sprintf(" (HTTP %d", e.Status)
		if e.ScimType != "" {
			s += " " + e.ScimType
		}
		s += ")"
	}
	return s
}

func (e *TargetError) Unwrap() error { return e.Err }

// SourceError is a failed call to a source. Its message is for people and free of links, tokens
// and personal data.
type SourceError struct {
	Code    Code
	Status  int
	Message string // what, why and what to do
	// Transient: the same call may succeed later; the cycle fails but nothing is wrong with the job.
	Transient bool
	// RetryAt is when the source wants to be asked again; zero if it did not say.
	RetryAt time.Time
	Err     error
}

func (e *SourceError) Error() string {
	if e.Message != "" {
		return string(e.Code) + ": " + e.Message
	}
	return string(e.Code)
}

func (e *SourceError) Unwrap() error { return e.Err }

// ErrCursorExpired says that a source no longer accepts a cursor or watermark. The remedy is a
// round from the kept watermark, then a full read (GS-DL-6, GS-RS-1).
var ErrCursorExpired = errors.New("the source no longer accepts this cursor")

// ErrNotFound says that an object asked for by id does not exist.
var ErrNotFound = errors.New("not found")
