package expr

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Code is the machine-readable name of a mistake (section 9).
type Code string

// The codes of section 9, and CodeUnavailable of our own.
const (
	CodeSyntax               Code = "Syntax"               // cannot be parsed, or a bare word in a wrong place
	CodeTooLong              Code = "ExpressionTooLong"    // more than MaxLength characters
	CodeUnknownFunction      Code = "UnknownFunction"      // name not known, or known and not supported
	CodeArity                Code = "Arity"                // wrong number or combination of arguments
	CodeNesting              Code = "Nesting"              // SelectUniqueValue not outermost
	CodeTypeMismatch         Code = "TypeMismatch"         // value of a kind that cannot be used here
	CodeInvalidArgument      Code = "InvalidArgument"      // right kind, unusable value
	CodeIndexOutOfRange      Code = "IndexOutOfRange"      // Item index
	CodeDateParse            Code = "DateParse"            // text is not a date, or not in the stated format
	CodeRegex                Code = "Regex"                // bad pattern, unknown group, or a match that took too long
	CodeRoleAmbiguous        Code = "RoleAmbiguous"        // more than one role for SingleAppRoleAssignment
	CodeUniqueValueExhausted Code = "UniqueValueExhausted" // no free value for SelectUniqueValue
	CodeCustom               Code = "Custom"               // raised by Error

	// CodeUnavailable is not a fault of the expression: [Env.Unique] or [Env.Rand] returned an
	// error, which errors.Is and errors.As find behind the [*Error].
	CodeUnavailable Code = "Unavailable"
)

// An Error says what is wrong with an expression or with its evaluation, where, why, and what to do
// about it.
type Error struct {
	Code    Code
	Offset  int    // code points before the place in the text of the expression; -1: no place
	Message string // what is wrong and why; for CodeCustom the text given to Error
	Hint    string // what to do; may be empty

	cause   error
	private bool // Message is composed at run time from attribute values
}

// Error is one line for people, with the place counted from 1. It never holds an attribute value:
// if the author of the mapping composed the message of Error from attributes, it says only that.
// [Error.Message] has the full text, for the provisioning log.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Offset >= 0 {
		b.WriteString("character " + strconv.Itoa(e.Offset+1) + ": ")
	}
	if e.private {
		b.WriteString("the mapping raised an error whose text holds attribute values; the provisioning log shows it")
	} else {
		b.WriteString(e.Message)
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	b.WriteString(" [" + string(e.Code) + "]")
	return b.String()
}

// Unwrap gives the error of [Env.Unique] or [Env.Rand] behind a CodeUnavailable.
func (e *Error) Unwrap() error { return e.cause }

// caretWidth is how many columns of a long line Caret shows.
const caretWidth = 100

// Caret renders the line of text that e is about and below it a ^ under the place. text is the
// expression that was parsed. A long line is cut around the place. Without a place it gives "".
func (e *Error) Caret(text string) string {
	runes := []rune(text)
	if e.Offset < 0 || e.Offset > len(runes) {
		return ""
	}
	from, to := e.Offset, e.Offset
	for from > 0 && runes[from-1] != '\n' {
		from--
	}
	for to < len(runes) && runes[to] != '\n' && runes[to] != '\r' {
		to++
	}
	head, tail := "", ""
	if e.Offset-from > caretWidth*2/3 {
		from, head = e.Offset-caretWidth/2, "… "
	}
	if to-from > caretWidth {
		to, tail = from+caretWidth, " …"
	}
	var below strings.Builder
	for _, r := range head + string(runes[from:e.Offset]) {
		below.WriteString(blankAs(r))
	}
	return head + string(runes[from:to]) + tail + "\n" + below.String() + "^"
}

// blankAs is white space as wide as r is on a terminal.
func blankAs(r rune) string {
	switch {
	case r == '\t':
		return "\t"
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return ""
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return "  "
	default:
		return " "
	}
}

func syntaxError(offset int, hint, format string, a ...any) *Error {
	return &Error{Code: CodeSyntax, Offset: offset, Message: fmt.Sprintf(format, a...), Hint: hint}
}

// fail is an error about n as a whole.
func (n *node) fail(code Code, hint, format string, a ...any) *Error {
	return &Error{Code: code, Offset: n.pos, Message: n.name + ": " + fmt.Sprintf(format, a...), Hint: hint}
}

// failArg is an error about argument i of n. format continues a sentence that names the argument.
func (n *node) failArg(i int, code Code, hint, format string, a ...any) *Error {
	pos, arg := n.pos, n.arg(i)
	if arg != nil {
		pos = arg.pos
	}
	var where string
	if n.op == opCall {
		where = fmt.Sprintf("%s: argument %d (%s) ", n.name, i+1, n.fn.param(i, len(n.args)).Name)
	} else {
		where = fmt.Sprintf("operator %s: operand %d ", n.name, i+1)
	}
	return &Error{Code: code, Offset: pos, Message: where + fmt.Sprintf(format, a...), Hint: hint}
}

// got names what was passed as argument i: the literal as written, otherwise only the kind.
func (n *node) got(i int, v Value) string {
	if arg := n.arg(i); arg != nil && arg.op == opLiteral {
		return arg.source()
	}
	return v.describe()
}
