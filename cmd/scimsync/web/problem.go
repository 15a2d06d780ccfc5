package web

import (
	"net/http"
	"strconv"
	"time"
)

// Codes of errors (synchronization-api.md section 1).
const (
	codeBadRequest     = "Request_BadRequest"
	codeInvalidSchema  = "InvalidSchema"
	codeInvalidReset   = "InvalidResetScope"
	codeInvalidFilter  = "InvalidFilter"
	codeNoTemplate     = "TemplateNotFound"
	codeNoToken        = "InvalidAuthenticationToken"
	codeDenied         = "Authorization_RequestDenied"
	codeNotFound       = "Request_ResourceNotFound"
	codeJobState       = "InvalidJobState"
	codeJobExists      = "JobAlreadyExists"
	codeInProgress     = "OperationInProgress"
	codePrecondition   = "PreconditionFailed"
	codeTooLarge       = "RequestTooLarge"
	codeCredentials    = "CredentialsInvalid"
	codeUnreachable    = "TargetUnreachable"
	codeNotCompliant   = "TargetNotCompliant"
	codeTooMany        = "TooManyRequests"
	codeInternal       = "InternalServerError"
	codeUnavailable    = "ServiceUnavailable"
	codeNotImplemented = "NotImplemented"
	codeMethod         = "Request_MethodNotAllowed"
)

// Problem is an error of the API: what the server answers, and what the [Client] returns.
type Problem struct {
	Status  int // HTTP status
	Code    string
	Message string // what, why and what to do
	Target  string
	Details []ProblemDetail
	// RequestID finds the request in the log of the service.
	RequestID string
	// RetryAfter is set when the server said when to ask again.
	RetryAfter time.Duration

	header http.Header // further headers of the answer
}

// ProblemDetail is one of several things that are wrong.
type ProblemDetail struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Target  string `json:"target,omitempty"`
}

func (p *Problem) Error() string { return p.Message }

// GetStatus and GetHeaders are what huma asks an error for.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the headers that go with the error.
func (p *Problem) GetHeaders() http.Header {
	h := p.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int((p.RetryAfter+time.Second-1)/time.Second))))
	}
	return h
}

// problem makes an error. details are sentences.
func problem(status int, code, message string, details ...ProblemDetail) *Problem {
	return &Problem{Status: status, Code: code, Message: message, Details: details}
}

func badRequest(message string, details ...ProblemDetail) *Problem {
	return problem(http.StatusBadRequest, codeBadRequest, message, details...)
}

func notFound(message string) *Problem {
	return problem(http.StatusNotFound, codeNotFound, message)
}

func conflict(code, message string, details ...ProblemDetail) *Problem {
	return problem(http.StatusConflict, code, message, details...)
}

// ErrorBody is the body of every error (section 1).
type ErrorBody struct {
	Error ErrorContent `json:"error"`
}

// ErrorContent is what an error body says.
type ErrorContent struct {
	Code       string          `json:"code"`
	Message    string          `json:"message"`
	Target     string          `json:"target,omitempty"`
	Details    []ProblemDetail `json:"details,omitempty"`
	InnerError InnerError      `json:"innerError"`
}

// InnerError finds the request in the logs.
type InnerError struct {
	Date            time.Time `json:"date"`
	RequestID       string    `json:"request-id"`
	ClientRequestID string    `json:"client-request-id"`
}
