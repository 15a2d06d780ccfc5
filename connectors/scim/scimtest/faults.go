package scimtest

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elimity-com/scim/errors"
)

// Fault is a planned failure. It applies to requests that fit Method, Path, Query and BodyContains;
// of those, Nth, Every and Times choose. What happens is a delay, then a cut connection or an answer.
// A fault that only delays, or only sets headers, lets the application answer.
type Fault struct {
	// Method is the HTTP method; empty: all.
	Method string `json:"method,omitempty"`
	// Path is a prefix of the path below the base path, for example "/Users"; or, if it begins with
	// "^", a regular expression for it. Empty: all.
	Path string `json:"path,omitempty"`
	// Query is text the decoded query must contain, for example "userName eq".
	Query string `json:"query,omitempty"`
	// BodyContains is text the request body must contain.
	BodyContains string `json:"bodyContains,omitempty"`

	// Nth applies the fault to the n-th fitting request only, counted from 1. 0: to all.
	Nth int `json:"nth,omitempty"`
	// Every applies the fault to every n-th fitting request. 0: to all.
	Every int `json:"every,omitempty"`
	// Times is how often the fault applies before it is used up. 0: without end.
	Times int `json:"times,omitempty"`

	// Delay is waited before the answer, and after the request was applied if it is.
	Delay time.Duration `json:"delay,omitempty"`
	// CutBefore closes the connection without applying the request.
	CutBefore bool `json:"cutBefore,omitempty"`
	// CutAfterApply applies the request and closes the connection without an answer.
	CutAfterApply bool `json:"cutAfterApply,omitempty"`
	// Apply applies the request although Status answers it: an ambiguous failure.
	Apply bool `json:"apply,omitempty"`
	// Status is the status of the answer. 0: that of the application.
	Status int `json:"status,omitempty"`
	// Header is added to the answer.
	Header map[string]string `json:"header,omitempty"`
	// Body replaces the body. With a Status of 400 or more and no Body, a SCIM error is made.
	Body string `json:"body,omitempty"`
	// ScimType goes into a SCIM error made for Status.
	ScimType string `json:"scimType,omitempty"`
}

// answers says whether the fault makes an answer of its own.
func (f *Fault) answers() bool {
	return f.Status != 0 || f.Body != "" || f.CutBefore || f.CutAfterApply
}

// FaultState is a fault with what became of it.
type FaultState struct {
	ID int `json:"id"`
	Fault
	Seen int `json:"seen"` // requests it fits
	Hits int `json:"hits"` // requests it was applied to
}

type plannedFault struct {
	FaultState
	path *regexp.Regexp
}

// faultPlan keeps the faults in the order they were added; the first that applies wins.
type faultPlan struct {
	mu   sync.Mutex
	last int
	list []*plannedFault
}

// AddFault plans a fault and returns its id. The error says what is wrong with its Path.
func (s *Server) AddFault(f Fault) (int, error) {
	p := &plannedFault{FaultState: FaultState{Fault: f}}
	if strings.HasPrefix(f.Path, "^") {
		re, err := regexp.Compile(f.Path)
		if err != nil {
			return 0, fmt.Errorf("fault path: %w", err)
		}
		p.path = re
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.last++
	p.ID = s.faults.last
	s.faults.list = append(s.faults.list, p)
	return p.ID, nil
}

// Faults returns the planned faults with their counts, used up ones too.
func (s *Server) Faults() []FaultState {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	out := make([]FaultState, len(s.faults.list))
	for i, p := range s.faults.list {
		out[i] = p.FaultState
	}
	return out
}

// RemoveFault forgets a fault; it reports whether there was one of that id.
func (s *Server) RemoveFault(id int) bool {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	n := len(s.faults.list)
	s.faults.list = slices.DeleteFunc(s.faults.list, func(p *plannedFault) bool { return p.ID == id })
	return len(s.faults.list) < n
}

// ClearFaults forgets all faults.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
}

// match counts a request and returns the fault that applies to it, or nil.
func (p *faultPlan) match(x *exchange) *Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.list {
		if !f.fits(x) || f.Times > 0 && f.Hits >= f.Times {
			continue
		}
		f.Seen++
		if f.Nth > 0 && f.Seen != f.Nth || f.Every > 0 && f.Seen%f.Every != 0 {
			continue
		}
		f.Hits++
		return new(f.Fault)
	}
	return nil
}

func (p *plannedFault) fits(x *exchange) bool {
	if p.Method != "" && !strings.EqualFold(p.Method, x.r.Method) {
		return false
	}
	if p.path != nil && !p.path.MatchString(x.route.path) || p.path == nil && !strings.HasPrefix(x.route.path, p.Path) {
		return false
	}
	if p.BodyContains != "" && !strings.Contains(string(x.body), p.BodyContains) {
		return false
	}
	if p.Query == "" {
		return true
	}
	for name, values := range x.r.URL.Query() {
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(name+"="+v, p.Query) }) {
			return true
		}
	}
	return false
}

// overwrite puts the fault's answer in the place of the application's.
func (f *Fault) overwrite(a *answer) {
	if f.Status != 0 || f.Body != "" {
		a.body.Reset()
		a.header.Del("Location")
		a.status = cmp.Or(f.Status, a.status, http.StatusOK)
		switch {
		case f.Body != "":
			a.header.Set("Content-Type", "application/scim+json")
			a.body.WriteString(f.Body)
		case f.Status >= 400:
			a.header.Set("Content-Type", "application/scim+json")
			a.planned(f)
		default:
			a.header.Del("Content-Type")
		}
	}
	for name, value := range f.Header {
		a.header.Set(name, value)
	}
}

// planned makes the SCIM error of a fault that has a status and no body.
func (a *answer) planned(f *Fault) {
	a.json(f.Status, refuse(f.Status, errors.ScimType(f.ScimType), "Planned fault."))
}
