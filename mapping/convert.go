package mapping

import (
	"time"
	"unicode/utf8"

	"github.com/scimsync/scimsync/mapping/expr"
)

// Code is the machine-readable name of what went wrong with one object: a code of the expression
// language or one of the run-time outcomes below (section 11).
type Code = expr.Code

const (
	// CodeMandatoryFieldsMissing: a required attribute has neither value nor default.
	CodeMandatoryFieldsMissing Code = "MandatoryFieldsMissing"
	// CodeSingleValueOnly: several values for an attribute that holds one.
	CodeSingleValueOnly Code = "SchemaPropertyCanOnlyAcceptValue"
)

// Error says why the mapping of one object failed, where, and what to do. The text of Error holds no
// attribute value and may be logged; Message may hold one if the author of the mapping put it
// there with the function Error, and belongs in the provisioning log.
type Error struct {
	Target     Path
	Expression string // "" for a mapping without source
	Code       Code
	Message    string // what is wrong and why
	Hint       string // what to do; may be empty
	Err        error  // of the expression, if it failed
}

func (e *Error) Error() string {
	s := "mapping"
	if !e.Target.IsZero() {
		s += " of " + e.Target.String()
	}
	if e.Err != nil {
		return s + ": " + e.Err.Error()
	}
	s += ": " + e.Message
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s + " [" + string(e.Code) + "]"
}

func (e *Error) Unwrap() error { return e.Err }

// Convert makes a value one of the type of the target attribute (8.1). v is a value as decoded from
// JSON or an [expr.Value]. A value that means nothing for the type ("" for a boolean, an empty list)
// converts to nil. A list of one element stands for the element and an element for a list of one,
// as the attribute needs it. The error is an [*Error] without target and expression.
func Convert(d Definition, v any) (any, error) {
	// Most values are texts for text attributes; they pass without a detour.
	if s, ok := v.(string); ok && !d.MultiValued && (d.Type == String || d.Type == Reference || d.Type == "") {
		if err := d.fits(s); err != nil {
			return nil, err
		}
		return v, nil
	}
	out, err := convert(d, expr.FromJSON(v))
	if err != nil {
		return nil, err
	}
	return out, nil
}

func convert(d Definition, v expr.Value) (any, *Error) {
	if v.IsNull() {
		return nil, nil
	}
	if v.Kind() != expr.KindList && !d.MultiValued {
		return convertOne(d, v)
	}
	items := v.Items()
	if len(items) > 1 && !d.MultiValued && d.Type != "" {
		return nil, &Error{Code: CodeSingleValueOnly,
			Message: "the expression yields several values, and the attribute holds one",
			Hint:    "choose one with Item or combine them with Join"}
	}
	list, err := convertAll(d, items)
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, nil
	case len(list) == 1 && !d.MultiValued:
		return list[0], nil
	}
	return list, nil
}

// convertAll converts the elements of a list. Empty texts are no elements: a target would drop
// them, and the difference would never go away.
func convertAll(d Definition, items []expr.Value) ([]any, *Error) {
	list := make([]any, 0, len(items))
	for _, item := range items {
		one, err := convertOne(d, item)
		if err != nil {
			return nil, err
		}
		if !empty(one) {
			list = append(list, one)
		}
	}
	return list, nil
}

func convertOne(d Definition, v expr.Value) (any, *Error) {
	if v.Kind() == expr.KindComplex {
		return v.JSON(), nil
	}
	switch d.Type {
	case Boolean:
		return convertBoolean(v)
	case Integer:
		return convertInteger(v)
	case DateTime:
		return convertDateTime(v)
	case String, Reference, Binary:
		s, err := v.Text()
		if err != nil {
			return nil, mismatch(v, d.Type, "")
		}
		if err := d.fits(s); err != nil {
			return nil, err
		}
		return s, nil
	default:
		return v.JSON(), nil
	}
}

func convertBoolean(v expr.Value) (any, *Error) {
	if b, ok := v.Bool(); ok {
		return b, nil
	}
	s, err := v.Text()
	if err == nil && s == "" {
		return nil, nil
	}
	if b, ok := asBool(s); ok && err == nil && v.Kind() != expr.KindDateTime {
		return b, nil
	}
	return nil, mismatch(v, Boolean, `yield true, false, 0 or 1, for example with IIF(…, "True", "False")`)
}

func convertInteger(v expr.Value) (any, *Error) {
	if i, ok := v.Int(); ok {
		return i, nil
	}
	if v.Kind() == expr.KindString {
		if s, _ := v.Text(); s == "" {
			return nil, nil
		}
	}
	n, ok := v.AsNumber()
	if i, whole := n.Int(); ok && whole {
		return i, nil
	}
	if f, isNumber := n.Float(); ok && isNumber && f == float64(int64(f)) && f > -1<<53 && f < 1<<53 {
		return int64(f), nil
	}
	return nil, mismatch(v, Integer, "yield digits only, for example with Replace")
}

func convertDateTime(v expr.Value) (any, *Error) {
	date, ok := v.AsDate()
	switch {
	case !ok && v.Kind() == expr.KindString:
		return nil, &Error{Code: expr.CodeDateParse, Message: "the text is not a date", Hint: "read it with FormatDateTime or CDate"}
	case !ok:
		return nil, mismatch(v, DateTime, "read it with FormatDateTime or DateFromNum")
	case date.IsNull():
		return nil, nil
	}
	t, _ := date.Time()
	return t.Format("2006-01-02T15:04:05Z"), nil
}

func mismatch(v expr.Value, t Type, hint string) *Error {
	return &Error{Code: expr.CodeTypeMismatch,
		Message: "a value of the kind " + v.Kind().String() + " does not convert to the type " + string(t) + " of the attribute", Hint: hint}
}

// fits checks the length of a text; it is never cut.
func (d Definition) fits(s string) *Error {
	if d.MaxLength > 0 && len(s) > d.MaxLength && utf8.RuneCountInString(s) > d.MaxLength {
		return &Error{Code: expr.CodeInvalidArgument, Message: "the text is longer than the attribute allows", Hint: "shorten it with Left"}
	}
	return nil
}

// textOf is the text form of a JSON value (expressions.md section 5); complex values and lists have
// none.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case nil, map[string]any:
		return "", false
	}
	s, err := expr.FromJSON(v).Text()
	return s, err == nil
}

// asBool reads the shapes that booleans have at targets: true, "True", 1, "1" (8.2).
func asBool(v any) (b, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		switch {
		case v == "1", len(v) == 4 && equalFold(v, "true"):
			return true, true
		case v == "0", len(v) == 5 && equalFold(v, "false"):
			return false, true
		}
		return false, false
	case nil, map[string]any, []any:
		return false, false
	}
	f, isNumber := expr.FromJSON(v).Float()
	return f == 1, isNumber && (f == 0 || f == 1)
}

// instantLayouts are the shapes of an instant in SCIM (RFC 7643 section 2.3.5) and what servers make of it.
var instantLayouts = [...]string{time.RFC3339Nano, "2006-01-02", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05Z07:00"}

// asInstant reads a date as targets write it.
func asInstant(v any) (time.Time, bool) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, false
	}
	for _, layout := range instantLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	if date, ok := expr.String(s).AsDate(); ok {
		return date.Time()
	}
	return time.Time{}, false
}
