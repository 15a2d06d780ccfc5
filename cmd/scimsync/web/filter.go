package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// condition is one clause of a $filter: field op value, or contains(field,value).
type condition struct {
	field string // in the spelling of fields
	op    string // eq, ne, contains, gt, ge, lt, le
	text  string
	at    time.Time // of activityDateTime
}

// field of a log record that can be filtered by (section 8). text takes its value from a record.
type field struct {
	name string
	text func(r *ProvisioningRecord) string
	enum bool // compared without letter case
}

const timeField = "activityDateTime"

var fields = []field{
	{name: timeField},
	{name: "id", text: func(r *ProvisioningRecord) string { return r.ID }},
	{name: "jobId", text: func(r *ProvisioningRecord) string { return r.JobID }},
	{name: "cycleId", text: func(r *ProvisioningRecord) string { return r.CycleID }},
	{name: "changeId", text: func(r *ProvisioningRecord) string { return r.ChangeID }},
	{name: "provisioningAction", enum: true, text: func(r *ProvisioningRecord) string { return r.Action }},
	{name: "provisioningStatusInfo/status", enum: true, text: func(r *ProvisioningRecord) string { return r.StatusInfo.Status }},
	{name: "sourceIdentity/id", text: func(r *ProvisioningRecord) string { return r.SourceIdentity.ID }},
	{name: "sourceIdentity/displayName", text: func(r *ProvisioningRecord) string { return r.SourceIdentity.DisplayName }},
	{name: "targetIdentity/id", text: func(r *ProvisioningRecord) string { return r.TargetIdentity.ID }},
	{name: "targetIdentity/displayName", text: func(r *ProvisioningRecord) string { return r.TargetIdentity.DisplayName }},
	{name: "sourceSystem/displayName", text: func(r *ProvisioningRecord) string { return r.SourceSystem.DisplayName }},
	{name: "targetSystem/displayName", text: func(r *ProvisioningRecord) string { return r.TargetSystem.DisplayName }},
	{name: "servicePrincipal/id", text: func(r *ProvisioningRecord) string { return r.ServicePrincipal.ID }},
	{name: "servicePrincipal/displayName", text: func(r *ProvisioningRecord) string { return r.ServicePrincipal.DisplayName }},
}

func fieldOf(name string) (field, bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return strings.EqualFold(f.name, name) })
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

// maxFilter bounds a filter, in bytes, and maxClauses the clauses of one.
const (
	maxFilter  = 4096
	maxClauses = 32
)

// parseFilter reads a $filter: clauses joined by "and".
func parseFilter(text string) ([]condition, error) {
	if len(text) > maxFilter {
		return nil, badFilter("it is longer than %d bytes", maxFilter)
	}
	p := filterParser{rest: text}
	if p.blank(); p.rest == "" {
		return nil, nil
	}
	var all []condition
	for {
		c, err := p.clause()
		if err != nil {
			return nil, err
		}
		if all = append(all, c); len(all) > maxClauses {
			return nil, badFilter("it has more than %d clauses", maxClauses)
		}
		p.blank()
		if p.rest == "" {
			return all, nil
		}
		if word := p.word(); !strings.EqualFold(word, "and") {
			return nil, badFilter("%q follows a clause; only and can", clip(word+p.rest))
		}
		p.blank()
	}
}

func badFilter(format string, args ...any) error {
	return problem(http.StatusBadRequest, codeInvalidFilter, "$filter: "+fmt.Sprintf(format, args...)+
		". Join clauses such as jobId eq 'x', contains(sourceIdentity/displayName,'x'), activityDateTime gt 2031-03-01T08:00:00Z by and.",
		ProblemDetail{Code: "Syntax", Message: fmt.Sprintf(format, args...), Target: "$filter"})
}

// clip shortens what is repeated to the caller.
func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

type filterParser struct{ rest string }

func (p *filterParser) blank() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// word takes letters, digits and what names of fields have beside.
func (p *filterParser) word() string {
	i := strings.IndexFunc(p.rest, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_/.$", r))
	})
	if i < 0 {
		i = len(p.rest)
	}
	w := p.rest[:i]
	p.rest = p.rest[i:]
	return w
}

func (p *filterParser) take(s string) bool {
	p.blank()
	rest, ok := strings.CutPrefix(p.rest, s)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *filterParser) clause() (condition, error) {
	p.blank()
	name := p.word()
	if strings.EqualFold(name, "contains") && p.take("(") {
		return p.contains()
	}
	f, ok := fieldOf(name)
	if !ok {
		return condition{}, badFilter("there is no field %q to filter by", clip(name+p.rest))
	}
	p.blank()
	op := strings.ToLower(p.word())
	if !slices.Contains([]string{"eq", "ne", "gt", "ge", "lt", "le"}, op) {
		return condition{}, badFilter("%q after %s is none of eq, ne, gt, ge, lt, le", clip(op+p.rest), f.name)
	}
	if f.name != timeField && op != "eq" && op != "ne" {
		return condition{}, badFilter("%s can be compared by eq, ne and contains only", f.name)
	}
	p.blank()
	c := condition{field: f.name, op: op}
	if f.name == timeField {
		return c, p.moment(&c)
	}
	text, err := p.literal(f.name)
	c.text = text
	return c, err
}

func (p *filterParser) contains() (condition, error) {
	p.blank()
	name := p.word()
	f, ok := fieldOf(name)
	if !ok || f.name == timeField || f.enum {
		return condition{}, badFilter("%q is no field that contains can look into", clip(name))
	}
	if !p.take(",") {
		return condition{}, badFilter("contains(%s has no comma and text after it", f.name)
	}
	p.blank()
	text, err := p.literal(f.name)
	if err != nil {
		return condition{}, err
	}
	if !p.take(")") {
		return condition{}, badFilter("contains(%s,… is not closed", f.name)
	}
	return condition{field: f.name, op: "contains", text: text}, nil
}

// literal reads a text in quotes, where two stand for one, or a bare number or GUID.
func (p *filterParser) literal(of string) (string, error) {
	rest, quoted := strings.CutPrefix(p.rest, "'")
	if !quoted {
		i := strings.IndexAny(p.rest, " \t\r\n,()'")
		if i < 0 {
			i = len(p.rest)
		}
		w := p.rest[:i]
		p.rest = p.rest[i:]
		if w == "" {
			return "", badFilter("%s has no value to compare with", of)
		}
		return w, nil
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(rest, '\'')
		if i < 0 {
			return "", badFilter("the text after %s does not end with a quote", of)
		}
		b.WriteString(rest[:i])
		rest = rest[i+1:]
		if !strings.HasPrefix(rest, "'") {
			p.rest = rest
			return b.String(), nil
		}
		b.WriteByte('\'')
		rest = rest[1:]
	}
}

// moment reads a time, in quotes or not. A date stands for its beginning.
func (p *filterParser) moment(c *condition) error {
	text, err := p.literal(c.field)
	if err != nil {
		return err
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if c.at, err = time.Parse(layout, text); err == nil {
			c.at = c.at.UTC()
			return nil
		}
	}
	return badFilter("%q is no time such as 2031-03-01T08:00:00Z", clip(text))
}

// holds reports whether a record meets the condition. Texts are compared with letter case, words of enums without.
func (c condition) holds(r *ProvisioningRecord) bool {
	if c.field == timeField {
		n := r.ActivityDateTime.Compare(c.at)
		switch c.op {
		case "eq":
			return n == 0
		case "ne":
			return n != 0
		case "gt":
			return n > 0
		case "ge":
			return n >= 0
		case "lt":
			return n < 0
		default:
			return n <= 0
		}
	}
	f, _ := fieldOf(c.field)
	have := f.text(r)
	switch c.op {
	case "contains":
		return strings.Contains(have, c.text)
	case "ne":
		return !equalText(f, have, c.text)
	default:
		return equalText(f, have, c.text)
	}
}

func equalText(f field, a, b string) bool {
	if f.enum {
		return strings.EqualFold(a, b)
	}
	return a == b
}

// narrow lets the store leave out rows that cannot meet the condition. What it cannot express is checked by holds.
func (c condition) narrow(f *engine.LogFilter) {
	if c.field == timeField {
		switch c.op {
		case "gt", "ge", "eq":
			if c.at.After(f.Since) {
				f.Since = c.at.Truncate(time.Microsecond)
			}
		}
		switch c.op {
		case "lt", "le", "eq": // Until is exclusive, and the store counts microseconds
			if to := c.at.Truncate(time.Microsecond).Add(time.Microsecond); f.Until.IsZero() || to.Before(f.Until) {
				f.Until = to
			}
		}
		return
	}
	if c.op == "contains" {
		if strings.HasSuffix(c.field, "Identity/displayName") && f.Subject == "" {
			f.Subject = c.text
		}
		return
	}
	if c.op != "eq" {
		return
	}
	switch c.field {
	case "id":
		f.ID = rowOf(c.text)
	case "changeId":
		rest, ok := strings.CutPrefix(c.text, "k-")
		if f.ID = -1; ok {
			f.ID = rowOf(rest)
		}
	case "cycleId":
		f.Cycle = engine.CycleID(c.text)
	case "provisioningStatusInfo/status":
		f.Status = engine.LogStatus(strings.ToLower(c.text))
	case "sourceIdentity/id":
		f.Source = c.text
	case "targetIdentity/id":
		f.Target = c.text
	case "sourceIdentity/displayName", "targetIdentity/displayName":
		if f.Subject == "" {
			f.Subject = c.text
		}
	}
}

// rowOf is the number of a row, -1 for what is none: no row has it.
func rowOf(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return -1
	}
	return n
}

// jobsOf are the jobs that conditions leave.
func jobsOf(jobs []Job, cs []condition) []Job {
	return slices.DeleteFunc(slices.Clone(jobs), func(j Job) bool {
		r := recordSystems(j)
		return slices.ContainsFunc(cs, func(c condition) bool {
			switch c.field {
			case "jobId", "servicePrincipal/id", "servicePrincipal/displayName", "sourceSystem/displayName", "targetSystem/displayName":
				return !c.holds(&r)
			}
			return false
		})
	})
}
