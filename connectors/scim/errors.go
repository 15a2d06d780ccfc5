package scim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

// operation is the kind of a request: the columns of the table of section 18.
type operation string

const (
	opFind    operation = "find"
	opGet     operation = "get"
	opList    operation = "list"
	opCreate  operation = "create"
	opUpdate  operation = "update"
	opDelete  operation = "delete"
	opMembers operation = "members"
)

func (o operation) reads() bool { return o == opFind || o == opGet || o == opList }

// failure is an answer that is not success, with what its body says. It becomes an
// [engine.TargetError] by [Client.targetError]; repairs look at it before that.
type failure struct {
	op     operation
	status int
	header http.Header
	said   scimError
}

func (f *failure) Error() string { return fmt.Sprintf("%s: HTTP %d", f.op, f.status) }

// conflicts reports whether the server says that a unique value is taken.
func (f *failure) conflicts() bool { return f.said.taken(f.status) }

// asFailure returns the failure in err's tree, or nil. An answer that leaves it open whether a write
// was applied is none.
func asFailure(err error) *failure {
	if _, open := errors.AsType[*unclear](err); open {
		return nil
	}
	f, _ := errors.AsType[*failure](err)
	return f
}

// unclear is a write that may have been applied: it was sent, and no complete answer tells what
// became of it (section 24). status is that of the answer, 0 if there was none.
type unclear struct {
	status int
	err    error
}

func (u *unclear) Error() string { return "the outcome of the request is not known" }
func (u *unclear) Unwrap() error { return u.err }

// fail builds an error that came of no answer of the server.
func (c *Client) fail(o engine.Outcome, code engine.Code, format string, args ...any) *engine.TargetError {
	return &engine.TargetError{Outcome: o, Code: code, Detail: c.red.Text(fmt.Sprintf(format, args...), maxDetail)}
}

// settled turns any error of a request into what leaves the package: a TargetError, or the error of
// a cancelled context.
func (c *Client) settled(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if te, ok := errors.AsType[*engine.TargetError](err); ok {
		return te
	}
	if f := asFailure(err); f != nil {
		return c.targetError(f)
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	if u, ok := errors.AsType[*unclear](err); ok {
		return &engine.TargetError{Outcome: engine.OutcomeUnknown, Code: unclearCode(u), Status: u.status, Err: u.err,
			Detail: "the request was sent, its answer is missing or says nothing; the next cycle looks before it writes"}
	}
	return &engine.TargetError{Outcome: engine.OutcomeEscrow, Code: engine.CodeBadResponse, Detail: c.red.Text(err.Error(), maxDetail), Err: err}
}

// ended is the error of a context that is over, with its cause.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

func unclearCode(u *unclear) engine.Code {
	var te *wire.TransportError
	switch {
	case errors.As(u.err, &te) && te.Timeout, u.status == http.StatusRequestTimeout:
		return engine.CodeTimeout
	case u.status != 0:
		return engine.CodeServerError
	}
	return engine.CodeTransport
}

// verdict is a cell of the table of section 18.
type verdict struct {
	outcome engine.Outcome
	code    engine.Code
}

// targetError classes an answer by section 18. What repairs, searches and repetitions could do has
// been done by then. systematic and first say what the tally knows about calls of this kind.
func (c *Client) targetError(f *failure) *engine.TargetError {
	v := classify(f)
	if c.tally.failed(f.op, v.code) && spreads(f, v.code) {
		v.outcome = engine.OutcomeQuarantine
	}
	return &engine.TargetError{Outcome: v.outcome, Code: v.code, Status: f.status, ScimType: f.said.scimType,
		Detail: c.red.Text(f.said.detail, maxDetail)}
}

// spreads reports whether a failure that hits every call means that the connection is broken.
func spreads(f *failure, code engine.Code) bool {
	switch code {
	case engine.CodeBadResponse, engine.CodeTransport, engine.CodeForbidden, engine.CodeFilterIgnored, engine.CodeMethodNotAllowed:
		return true
	case engine.CodeUnprocessable:
		return f.op == opFind && f.status == http.StatusBadRequest
	}
	return f.op == opCreate && f.status == http.StatusNotFound
}

// classify reads the table of section 18 for one answer, without its "systematic" clauses.
func classify(f *failure) verdict {
	object := engine.OutcomeEscrow
	if f.op == opMembers {
		object = engine.OutcomeEscrowRef
	}
	switch s := f.status; s {
	case 400, 422:
		return f.badRequest(object)
	case 401:
		return verdict{engine.OutcomeQuarantine, engine.CodeCredentials}
	case 402:
		return verdict{object, engine.CodeLicenseLimit}
	case 403:
		if f.op == opCreate && f.licence() {
			return verdict{object, engine.CodeLicenseLimit}
		}
		return verdict{object, engine.CodeForbidden}
	case 404, 410:
		switch f.op {
		case opGet, opUpdate, opMembers:
			return verdict{engine.OutcomeRematch, engine.CodeGone}
		case opFind, opList:
			return verdict{object, engine.CodeBadResponse}
		}
		return verdict{object, engine.CodeGone}
	case 405:
		if f.op == opFind || f.op == opList {
			return verdict{engine.OutcomeQuarantine, engine.CodeMethodNotAllowed}
		}
		return verdict{object, engine.CodeMethodNotAllowed}
	case 406, 415, 411, 417, 426, 431, 505:
		return verdict{engine.OutcomeQuarantine, engine.CodeTransport}
	case 408, 425:
		return verdict{object, engine.CodeTimeout}
	case 409:
		return verdict{object, engine.CodeConflict}
	case 412, 428, 424:
		return verdict{object, engine.CodeNotApplied}
	case 413:
		return verdict{object, engine.CodeUnprocessable}
	case 414:
		if f.op == opFind {
			return verdict{object, engine.CodeFilterUnsupported}
		}
		return verdict{object, engine.CodeUnprocessable}
	case 423, 429:
		return verdict{object, engine.CodeThrottled}
	case 451:
		return verdict{engine.OutcomeSkip, engine.CodeForbidden}
	case 501:
		if f.op == opFind {
			return verdict{object, engine.CodeFilterUnsupported}
		}
		return verdict{object, engine.CodeNotImplemented}
	case 500:
		if f.op == opCreate && f.conflicts() {
			return verdict{object, engine.CodeConflict}
		}
		return verdict{object, engine.CodeServerError}
	default:
		switch {
		case s >= 500 && s <= 599:
			return verdict{object, engine.CodeServerError}
		case s >= 400 && s <= 499:
			return verdict{object, engine.CodeUnprocessable}
		}
		return verdict{object, engine.CodeBadResponse} // redirects, 1xx, and what is no status at all
	}
}

func (f *failure) licence() bool {
	return f.said.says("license", "licence", "seat", "subscription", "quota")
}

// badRequest tells the kinds of 400 and 422 apart.
func (f *failure) badRequest(object engine.Outcome) verdict {
	if f.op == opCreate && f.conflicts() {
		return verdict{object, engine.CodeConflict}
	}
	switch f.said.scimType {
	case "invalidFilter":
		return verdict{object, engine.CodeFilterUnsupported}
	case "tooMany":
		if f.op == opFind {
			return verdict{object, engine.CodeDuplicateTarget}
		}
	case "uniqueness":
		return verdict{object, engine.CodeConflict}
	case "mutability":
		return verdict{object, engine.CodeSchemaAttribute}
	case "invalidPath":
		if f.op == opFind {
			return verdict{object, engine.CodeFilterUnsupported}
		}
		return verdict{object, engine.CodeSchemaAttribute}
	case "noTarget":
		return verdict{object, engine.CodeSchemaAttribute}
	case "invalidVers":
		return verdict{engine.OutcomeQuarantine, engine.CodeBadResponse}
	case "invalidValue":
		if f.op == opFind {
			return verdict{object, engine.CodeFilterUnsupported}
		}
	}
	switch {
	case f.op == opFind && f.status == http.StatusUnprocessableEntity:
		return verdict{object, engine.CodeFilterUnsupported}
	case f.said.says("required", "missing", "mandatory", "must not be empty", "may not be blank"):
		return verdict{object, engine.CodeRequiredMissing}
	case f.said.says("domain"):
		return verdict{object, engine.CodeInvalidDomain}
	case f.op == opCreate && f.licence():
		return verdict{object, engine.CodeLicenseLimit}
	}
	return verdict{object, engine.CodeUnprocessable}
}

// transportError classes a request without an answer, after all repetitions.
func (c *Client) transportError(op operation, err error) error {
	outcome := engine.OutcomeEscrow
	if op == opMembers {
		outcome = engine.OutcomeEscrowRef
	}
	te := &engine.TargetError{Outcome: outcome, Code: engine.CodeTransport, Err: err}
	var broken *wire.TransportError
	switch {
	case insecure(err):
		te.Outcome = engine.OutcomeQuarantine
		te.Detail = "the TLS handshake failed; check the certificate of the target and tls.ca: " + c.red.Text(err.Error(), 300)
		return te
	case errors.As(err, &broken) && broken.Timeout:
		te.Code = engine.CodeTimeout
		te.Detail = "the target did not answer in time"
	case errors.Is(err, wire.ErrBodyTooLarge):
		te.Code = engine.CodeBadResponse
		te.Detail = "the answer is larger than limits.bodyBytes allows"
	case errors.Is(err, errRefusedAddress):
		te.Outcome = engine.OutcomeQuarantine
		te.Detail = c.red.Text(err.Error(), 300)
	default:
		te.Detail = "the target cannot be reached or cut the connection"
	}
	if c.tally.failed(op, te.Code) && te.Code != engine.CodeBadResponse {
		te.Outcome = engine.OutcomeQuarantine
	}
	if broken != nil && !broken.Sent && c.tally.first() { // nothing got through yet: no object is to blame
		te.Outcome = engine.OutcomeQuarantine
	}
	return te
}

// insecure reports whether a connection failed for reasons that repeating will not change.
func insecure(err error) bool {
	var (
		cert  *tls.CertificateVerificationError
		auth  x509.UnknownAuthorityError
		name  x509.HostnameError
		inval x509.CertificateInvalidError
		head  tls.RecordHeaderError
		alert tls.AlertError
	)
	return errors.As(err, &cert) || errors.As(err, &auth) || errors.As(err, &name) || errors.As(err, &inval) ||
		errors.As(err, &head) || errors.As(err, &alert)
}

// suspended says that the server asked for more patience than a call has.
func (c *Client) suspended(f *failure, at time.Time) error {
	return &engine.TargetError{Outcome: engine.OutcomeSuspend, Code: engine.CodeThrottled, Status: f.status,
		ScimType: f.said.scimType, Detail: c.red.Text(f.said.detail, maxDetail), RetryAt: at}
}

// asTooLarge reports whether an answer exceeded the limit for bodies.
func asTooLarge(err error) bool { return errors.Is(err, wire.ErrBodyTooLarge) }
