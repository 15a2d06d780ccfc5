package mapping

import (
	"encoding/json"
	"errors"

	"github.com/scimsync/scimsync/mapping/expr"
)

// ExpressionTest is the answer to an expression test (section 13). Its JSON is that of Graph's
// parseExpressionResponse.
type ExpressionTest struct {
	ParsingSucceeded    bool             `json:"parsingSucceeded"`
	EvaluationSucceeded bool             `json:"evaluationSucceeded"`
	ParsedExpression    json.RawMessage  `json:"parsedExpression,omitempty"` // tree form (10.8)
	EvaluationResult    []string         `json:"evaluationResult"`
	Error               *ExpressionError `json:"error,omitempty"`
	// Redacted: the result passed through Redact and must not be kept.
	Redacted bool `json:"-"`
}

// ExpressionError is why an expression test failed.
type ExpressionError struct {
	Code    string `json:"code"`
	Message string `json:"message"`          // what, where, why and what to do
	Offset  int    `json:"offset,omitempty"` // characters before the place, -1: no place
}

// ParseExpression parses an expression and, if there is a test object, evaluates it. The result is a
// list of texts: empty for null and for the drop marker, one entry for each element of a list;
// complex elements are compact JSON. The clock and so on come from env; its Lookup is not used.
func ParseExpression(text string, object Attributes, env *expr.Env) ExpressionTest {
	t := ExpressionTest{EvaluationResult: []string{}}
	e, err := expr.Parse(text)
	if err != nil {
		t.Error = expressionError(err)
		return t
	}
	t.ParsingSucceeded = true
	t.ParsedExpression = SourceTree(e)
	if object == nil {
		return t
	}
	own := expr.Env{}
	if env != nil {
		own = *env
	}
	own.Lookup = func(name string) expr.Value {
		v, _ := object.Lookup(name)
		return expr.FromJSON(v)
	}
	v, err := e.Eval(&own)
	if err != nil {
		t.Error = expressionError(err)
		return t
	}
	t.EvaluationSucceeded, t.Redacted = true, v.Secret()
	for _, item := range v.Items() {
		t.EvaluationResult = append(t.EvaluationResult, itemText(item))
	}
	return t
}

func itemText(v expr.Value) string {
	if s, err := v.Text(); err == nil {
		return s
	}
	data, err := json.Marshal(v.JSON())
	if err != nil {
		return "" // plain JSON shapes always marshal
	}
	return string(data)
}

func expressionError(err error) *ExpressionError {
	out := &ExpressionError{Message: err.Error(), Offset: -1}
	if e, ok := errors.AsType[*expr.Error](err); ok {
		out.Code, out.Offset = string(e.Code), e.Offset
		if e.Code == expr.CodeCustom {
			out.Message = e.Message // the author of the expression asked for exactly this text
		}
	}
	return out
}
