package mapping

// Severity of a [Diagnostic].
type Severity string

const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// DiagnosticCode is the machine-readable name of a finding about a schema file (section 11).
type DiagnosticCode string

// The codes of section 11, and two of our own for [Schema.Ignored].
const (
	SchemaShape       DiagnosticCode = "SCHEMA_SHAPE"
	NoOutboundRule    DiagnosticCode = "NO_OUTBOUND_RULE"
	DirectoryUnknown  DiagnosticCode = "DIRECTORY_UNKNOWN"
	ObjectUnknown     DiagnosticCode = "OBJECT_UNKNOWN"
	EnumValue         DiagnosticCode = "ENUM_VALUE"
	TargetMissing     DiagnosticCode = "TARGET_MISSING"
	TargetSyntax      DiagnosticCode = "TARGET_SYNTAX"
	TargetUnknown     DiagnosticCode = "TARGET_UNKNOWN"
	TargetDuplicate   DiagnosticCode = "TARGET_DUPLICATE"
	TargetAnchor      DiagnosticCode = "TARGET_ANCHOR"
	TargetReadOnly    DiagnosticCode = "TARGET_READONLY"
	ExpressionInvalid DiagnosticCode = "EXPRESSION"
	DefaultType       DiagnosticCode = "DEFAULT_TYPE"
	MatchingNone      DiagnosticCode = "MATCHING_NONE"
	MatchingUnique    DiagnosticCode = "MATCHING_UNIQUE"
	UniqueNotAddOnly  DiagnosticCode = "UNIQUE_NOT_ADDONLY"
	FilterOperator    DiagnosticCode = "FILTER_OPERATOR"
	FilterOperand     DiagnosticCode = "FILTER_OPERAND"
	FilterRegex       DiagnosticCode = "FILTER_REGEX"

	RuleIgnored                DiagnosticCode = "RULE_IGNORED"
	SourceUnknown              DiagnosticCode = "SOURCE_UNKNOWN"
	TreeMismatch               DiagnosticCode = "TREE_MISMATCH"
	RandomAlways               DiagnosticCode = "RANDOM_ALWAYS"
	RoleDirect                 DiagnosticCode = "ROLE_DIRECT"
	MatchingDuplicate          DiagnosticCode = "MATCHING_DUPLICATE"
	NullflowMultivalued        DiagnosticCode = "NULLFLOW_MULTIVALUED"
	RequiredUnmapped           DiagnosticCode = "REQUIRED_UNMAPPED"
	FilterUnsupportedAttribute DiagnosticCode = "FILTER_UNSUPPORTED_ATTRIBUTE"
	FilterMultivalued          DiagnosticCode = "FILTER_MULTIVALUED"

	// ObjectIgnored: an enabled object mapping is not run, because it maps neither users nor groups,
	// or because another one of its kind comes first.
	ObjectIgnored DiagnosticCode = "OBJECT_IGNORED"
	// PartIgnored: a member has no effect here.
	PartIgnored DiagnosticCode = "PART_IGNORED"
)

// Diagnostic is a finding about a schema file.
type Diagnostic struct {
	Severity Severity       `json:"severity"`
	Code     DiagnosticCode `json:"code"`
	Pointer  string         `json:"pointer"`          // RFC 6901, into the file
	Detail   string         `json:"detail,omitempty"` // the name or the code that the finding is about
	Message  string         `json:"message,omitempty"`
	Hint     string         `json:"hint,omitempty"`
}

// String is the finding for people: place, reason, remedy.
func (d Diagnostic) String() string {
	at := d.Pointer
	if at == "" {
		at = "/"
	}
	s := string(d.Severity) + " " + string(d.Code) + " at " + at + ": " + d.Message
	if d.Hint != "" {
		s += "; " + d.Hint
	}
	return s
}

// Rejected reports whether the findings keep a schema from being loaded.
func Rejected(ds []Diagnostic) bool {
	for _, d := range ds {
		if d.Severity == SeverityError {
			return true
		}
	}
	return false
}
