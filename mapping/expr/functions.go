package expr

import "slices"

// unlimited is the MaxArgs of a function that takes any number of arguments.
const unlimited = -1

// want says what a control argument must be. Literals are checked against it at load, other values
// when they are evaluated, by the same code.
type want uint8

const (
	wantAny      want = iota // a main argument, or anything
	wantInteger              // whole number
	wantPosition             // whole number from 1
	wantCount                // whole number from 0
	wantIndex                // whole number from 1, else IndexOutOfRange
	wantAmount               // number, cut to a whole one
	wantNumber               // number, or Null
	wantBoolean              // truth value
	wantInterval             // yyyy, m, d, …
	wantCulture              // tr-TR
	wantPattern              // regular expression
	wantLayout               // date format
	wantStyles               // names of .NET's DateTimeStyles
	wantCompare              // vbTextCompare or vbBinaryCompare
	wantEncoding             // Unicode, ASCII or UTF8
)

// A Param describes one argument of a function.
type Param struct {
	Name     string // documented name
	Key      string // its key in the "parameters" of a schema file (spec/mapping.md 10.8)
	Optional bool   // may be left out
	Repeats  bool   // stands for all further arguments

	want want
}

// A FunctionInfo describes one function for documentation, completion and the admin API.
type FunctionInfo struct {
	Name    string
	MinArgs int
	MaxArgs int // -1: no limit
	Params  []Param
	Maps    bool   // applied to each element of a List (section 5.2)
	Doc     string // one line
}

// function is an entry of the table. eval runs it; check, if set, does the load-time checks that
// counting arguments does not cover.
type function struct {
	FunctionInfo
	eval  func(*evaluation, *node) (Value, error)
	check func(*node) error
}

// param describes argument i in a call with count arguments.
func (f *function) param(i, count int) Param {
	if f.Name == "FormatDateTime" && count == 3 && i > 0 {
		i++ // the older form has no dateTimeStyles
	}
	return f.Params[min(i, len(f.Params)-1)]
}

// Functions describes every function, in the order of section 12. The caller owns the result.
func Functions() []FunctionInfo {
	infos := make([]FunctionInfo, len(table))
	for i := range table {
		infos[i] = table[i].FunctionInfo
		infos[i].Params = slices.Clone(infos[i].Params)
	}
	return infos
}

// table is built once and never changed: every parsed call points into it.
var table = functionTable()

func req(name string) Param             { return Param{Name: name, Key: name} }
func opt(name string) Param             { return Param{Name: name, Key: name, Optional: true} }
func (p Param) key(key string) Param    { p.Key = key; return p }
func (p Param) must(w want) Param       { p.want = w; return p }
func (p Param) repeated() Param         { p.Repeats, p.Optional = true, true; return p }
func params(ps ...Param) []Param        { return ps }
func one(name string) []Param           { return params(req(name)) }
func oneKeyed(name, key string) []Param { return params(req(name).key(key)) }

// functionTable is the list of all functions, sections 10 and 11.1 with the bounds of section 12.
func functionTable() []function {
	def := func(name string, least, most int, ps []Param, doc string, eval func(*evaluation, *node) (Value, error)) function {
		return function{FunctionInfo: FunctionInfo{Name: name, MinArgs: least, MaxArgs: most, Params: ps, Doc: doc}, eval: eval}
	}
	maps := func(f function) function { f.Maps = true; return f }
	checked := func(f function, check func(*node) error) function { f.check = check; return f }
	source := one("source")

	return []function{
		maps(def("Append", 2, 2, params(req("source"), req("suffix")),
			"source followed by suffix; Null if source is Null", evalAppend)),
		def("AppRoleAssignments", 1, 1, oneKeyed("appRoleAssignments", "source"),
			"list of the names of the assigned application roles", evalAppRoleAssignments),
		def("AppRoleAssignmentsComplex", 1, 1, oneKeyed("appRoleAssignments", "source"),
			"the assigned application roles as complex values; roles are only added in the target", evalAppRolesComplex),
		def("AssertiveAppRoleAssignmentsComplex", 1, 1, oneKeyed("appRoleAssignments", "source"),
			"the assigned application roles as complex values; they replace all roles in the target", evalAppRolesComplex),
		def("BitAnd", 2, 2, params(req("value1").must(wantNumber), req("value2").must(wantNumber)),
			"bitwise AND of two whole numbers", evalBitAnd),
		def("CBool", 1, 1, one("expression"),
			"the argument as a Boolean; numbers other than zero are True", evalCBool),
		def("CDate", 1, 1, one("expression"),
			"text as a date and time in UTC", evalCDate),
		def("Coalesce", 1, unlimited, params(req("source").repeated()),
			"the first argument that is not Null", evalCoalesce),
		maps(def("ConvertFromBase64", 1, 2, params(req("source"), opt("encoding").must(wantEncoding)),
			"decodes base64; encoding is Unicode (default), ASCII or UTF8", evalConvertFromBase64)),
		maps(def("ConvertToBase64", 1, 1, source,
			"the UTF-16 bytes of a text in base64", evalConvertToBase64)),
		maps(def("ConvertToUTF8Hex", 1, 1, source,
			"the UTF-8 bytes of a text in hexadecimal", evalConvertToUTF8Hex)),
		def("Count", 1, 1, one("attribute"),
			"number of values of an attribute", evalCount),
		def("CStr", 1, 1, one("value"),
			"the text form of a value", evalCStr),
		def("DateAdd", 3, 3, params(req("interval").must(wantInterval), req("value").must(wantAmount), req("dateTime")),
			"a date moved by value units; interval is yyyy, m, d, ww, h, n or s", evalDateAdd),
		def("DateDiff", 3, 3, params(req("interval").must(wantInterval), req("date1"), req("date2")),
			"date2 minus date1 in units of interval (yyyy, m, d, ww, h, n or s)", evalDateDiff),
		def("DateFromNum", 1, 1, one("value"),
			"a Windows file time as a date", evalDateFromNum),
		def("DefaultDomain", 0, 0, nil,
			"the default domain of the source directory", evalDefaultDomain),
		def("Error", 1, 1, one("message"),
			"fails with the message: the object is held back and the message is logged", evalError),
		checked(maps(def("FormatDateTime", 3, 4, params(req("source"), opt("dateTimeStyles").must(wantStyles),
			req("inputFormat").must(wantLayout), req("outputFormat").must(wantLayout)),
			"a date text read with inputFormat and written with outputFormat", evalFormatDateTime)), checkFormatDateTime),
		def("Guid", 0, 0, nil,
			"a new random identifier; map it only during creation", evalGuid),
		def("IgnoreFlowIfNullOrEmpty", 1, 1, one("expression"),
			"the value, or nothing at all if it is Null or empty: the attribute is left out", evalIgnoreFlow),
		def("IIF", 3, 3, params(req("condition").key("one").must(wantBoolean), req("valueIfTrue").key("two"), req("valueIfFalse").key("three")),
			"valueIfTrue if the condition is true, else valueIfFalse", evalIIF),
		def("InStr", 2, 4, params(req("value1"), req("value2"), opt("start").must(wantPosition), opt("compareType").must(wantCompare)),
			"position of value2 in value1, counted from 1; 0 if it is not there", evalInStr),
		def("IsNothing", 1, 1, one("expression"),
			"True if the argument is Null, as IsNull", evalIsNull),
		def("IsNull", 1, 1, oneKeyed("expression", "source"),
			"True if the argument is Null", evalIsNull),
		def("IsNullOrEmpty", 1, 1, oneKeyed("expression", "source"),
			"True if the argument is Null or an empty text", evalIsNullOrEmpty),
		def("IsPresent", 1, 1, oneKeyed("expression", "source"),
			"True if the argument is neither Null nor an empty text", evalIsPresent),
		def("IsString", 1, 1, one("expression"),
			"True if the argument has a text form", evalIsString),
		def("Item", 2, 2, params(req("attribute"), req("index").must(wantIndex)),
			"one value of a multi-valued attribute, counted from 1", evalItem),
		def("Join", 2, unlimited, params(opt("separator"), req("source").repeated()),
			"the values that are not empty, with separator between them", evalJoin),
		maps(def("Left", 2, 2, params(req("string").key("source"), req("numChars").must(wantInteger)),
			"the first numChars characters", evalLeft)),
		maps(def("Mid", 3, 3, params(req("source"), req("start").must(wantPosition), req("length").must(wantCount)),
			"length characters from position start on, counted from 1", evalMid)),
		maps(def("NormalizeDiacritics", 1, 1, source,
			"letters without their diacritics", evalNormalizeDiacritics)),
		def("Not", 1, 1, source,
			"False if the argument is True, else True", evalNot),
		def("Now", 0, 0, nil,
			"the present moment in UTC", evalNow),
		def("NumFromDate", 1, 1, one("value"),
			"a date as a Windows file time", evalNumFromDate),
		maps(def("PCase", 1, 2, params(req("source"), opt("wordSeparators")),
			"the first letter of each word in upper case, the others in lower case", evalPCase)),
		maps(def("Prepend", 2, 2, params(req("prefix"), req("source")),
			"prefix followed by source; Null if source is Null", evalPrepend)),
		checked(def("RandomString", 5, 6, params(req("length").must(wantInteger), req("minimumNumbers").must(wantInteger),
			req("minimumSpecialCharacters").must(wantInteger), req("minimumCapital").must(wantInteger),
			req("minimumLowerCase").must(wantInteger), opt("charactersToAvoid")),
			"a random text, as for a first password; map it only during creation", evalRandomString), checkRandomString),
		def("Redact", 1, 1, one("value"),
			"the value, hidden in logs and reports", evalRedact),
		def("RemoveDuplicates", 1, 1, one("attribute"),
			"the values without repetitions", evalRemoveDuplicates),
		checked(maps(def("Replace", 3, 7, params(req("source"), opt("oldValue").key("Find"),
			opt("regexPattern").key("RegularExpression").must(wantPattern), opt("regexGroupName").key("RegularExpressionGroupName"),
			opt("replacementValue").key("Replacement"), opt("replacementAttributeName").key("ReplacementPropertyName"),
			opt("template").key("Template")),
			"text with parts replaced, plainly or by a regular expression; which arguments are written selects how", evalReplace)), checkReplace),
		def("SelectUniqueValue", 2, unlimited, params(req("uniqueValueRule").repeated()),
			"the first value that is still free in the target; outermost and only during creation", evalSelectUniqueValue),
		def("SingleAppRoleAssignment", 1, 1, oneKeyed("appRoleAssignments", "source"),
			"the name of the one assigned application role; several are an error", evalSingleAppRole),
		def("Split", 1, 2, params(req("source"), opt("delimiter")),
			"the trimmed parts of a text between delimiters (default a comma)", evalSplit),
		maps(def("StripSpaces", 1, 1, source,
			"the text without spaces", evalStripSpaces)),
		checked(def("Switch", 2, unlimited, params(req("source"), opt("defaultValue"), Param{Name: "switchValue", Key: "switchValue", Optional: true, Repeats: true}),
			"the value that follows the first key equal to source, else defaultValue", evalSwitch), checkSwitch),
		maps(def("ToLower", 1, 2, params(req("source"), opt("culture").must(wantCulture)),
			"the text in lower case", evalToLower)),
		maps(def("ToUpper", 1, 2, params(req("source"), opt("culture").must(wantCulture)),
			"the text in upper case", evalToUpper)),
		maps(def("Trim", 1, 1, source,
			"the text without white space around it", evalTrim)),
		def("Word", 3, 3, params(req("string"), req("wordNumber").must(wantInteger), req("delimiters")),
			"one word of a text, counted from 1", evalWord),
	}
}
