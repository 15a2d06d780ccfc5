package expr_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/mapping/expr"
)

// sample is the object of the cases below. none is absent.
const sample = `{
	"s": "text", "e": "", "blank": " ", "n": 42, "z": 0, "d": 1.5, "whole": 2.0, "t": true, "f": false,
	"one": ["x"], "oneEmpty": [""], "two": ["a", "b"], "nulls": [null, "a", null], "empty": [], "c": {"a": 1},
	"cs": [{"a": 1}, {"a": 1}], "nested": [["a"], "b"], "big": 9007199254740993, "num": "12", "hex": " &HfF ",
	"date": "2024-02-29", "bad": "x-y", "acct": "ÅÄÖ😀", "two words": "x"
}`

// TestFunctions goes through what the text of the spec says and the vectors leave out. A result that
// begins with ! is the code of an error; others are JSON.
func TestFunctions(t *testing.T) {
	t.Parallel()
	for section, cases := range map[string]string{
		"5.1 source values": `
			[nulls] => ["a"]
			[empty] => null
			[nested] => ["a", "b"]
			[c] => {"a": 1}
			[d] => 1.5
			[two words] => "x"
			CStr([whole]) => "2"
			CStr([d]) => "1.5"
			CStr([big]) => "9007199254740993"`,
		"5.2 lists": `
			Left([two], 1) => ["a", "b"]
			Left([one], 9) => ["x"]
			CStr([one]) => "x"
			CStr([two]) => !TypeMismatch
			Word([two], 1, ",") => !TypeMismatch
			Left([s], [two]) => !TypeMismatch
			Append([cs], "x") => !TypeMismatch
			[one] & "y" => "xy"
			[two] & "y" => !TypeMismatch
			IIF([one] = "x", "a", "b") => "a"
			IIF([two] = "x", "a", "b") => !TypeMismatch
			IIF([c] = "x", "a", "b") => !TypeMismatch
			Not([two]) => !TypeMismatch
			Not([c]) => true`,
		"6 numbers": `
			BitAnd([hex], 255) => 255
			BitAnd(" 12 ", 255) => 12
			BitAnd("-1", 255) => 255
			BitAnd("&HFFFFFFFFFFFFFFFF", 3) => 3
			BitAnd("&H10000000000000000", 3) => !TypeMismatch
			BitAnd("1.0", 3) => 1
			BitAnd([d], 3) => !TypeMismatch
			BitAnd(".5", 3) => !TypeMismatch
			BitAnd("5.", 3) => !TypeMismatch
			BitAnd("--5", 3) => !TypeMismatch
			BitAnd("1e3", 3) => !TypeMismatch
			BitAnd("", 3) => !TypeMismatch
			BitAnd([t], 3) => !TypeMismatch
			BitAnd([none], "abc") => !TypeMismatch
			BitAnd(3, [none]) => null
			BitAnd("99999999999999999999", 3) => !InvalidArgument
			Left([s], [none]) => !InvalidArgument
			Left([none], "two") => !TypeMismatch
			Left([s], 1.5) => !TypeMismatch
			Left([s], 2.0) => "te"
			Left([s], [t]) => !TypeMismatch
			Left([s], "&H2") => "te"`,
		"6 booleans": `
			CBool([blank]) => !TypeMismatch
			CBool([e]) => false
			CBool("tRuE") => true
			CBool("0.0") => false
			CBool("&H1") => true
			CBool([d]) => true
			CBool([z]) => false
			CBool([c]) => !TypeMismatch
			CBool([two]) => !TypeMismatch
			CBool(Now()) => !TypeMismatch
			IIF([none], "a", "b") => "b"
			IIF(1, "a", "b") => "a"`,
		"7.1 concatenation": `
			[n] & [t] => "42True"
			[none] & [none] => ""
			"a" & 1 & -1.50 & [e] => "a1-1.5"
			Now() & "" => "3/1/2026 12:30:45 PM"`,
		"7.2 comparison": `
			[none] <> "x" => false
			[e] <> "x" => false
			"" = "" => true
			"" <> "x" => true
			("" & "") = "" => !Syntax
			[e] = "" => false
			[s] <> "" => true
			[oneEmpty] <> "x" => false
			[n] = "42.0" => true
			[n] = " 42 " => true
			[n] = "x" => false
			[n] <> "x" => true
			[n] < "x" => !TypeMismatch
			[n] = [t] => false
			[big] > 9007199254740992.0 => true
			[big] = 9007199254740992.0 => false
			[d] > 1 => true
			[d] < 2 => true
			-1 < 0.5 => true
			CDate([date]) = "2024-02-29T00:00:00Z" => true
			CDate([date]) < "3/1/2024" => true
			CDate([date]) = "tomorrow" => !DateParse
			CDate([date]) = [t] => !TypeMismatch
			CDate([date]) = " " => false
			CDate([date]) <> "" => true
			CDate([date]) > "" => !TypeMismatch
			CDate([date]) = 5 => false
			CDate([date]) <> 5 => true
			CDate([date]) > 5 => !TypeMismatch
			[t] = "TRUE" => true
			[t] <> "false" => true
			[t] = "1" => false
			[t] <> "1" => true
			[t] < [f] => !TypeMismatch
			[t] = [t] => true
			"7" = "07" => false
			"7" >= "07" => true
			"10" > "9" => true
			"a" < "B" => false
			"😀" > "ﬀ" => true
			"x" = "X" => false`,
		"8 laziness": `
			IIF([t], "a", Error("no")) => "a"
			Switch("a", Error("no"), "a", "1", Error("no"), Error("no")) => "1"
			Coalesce([e], Error("no")) => ""
			SelectUniqueValue("a", Error("no")) => "a"
			Join("", "a", Error("no")) => !Custom
			Left(Error("no"), [none]) => !Custom
			IIF(Error("no"), "a", "b") => !Custom`,
		"10.1 Append, Prepend": `
			Append([n], [none]) => 42
			Append([two], [none]) => ["a", "b"]
			Append([e], "x") => "x"
			Append([s], [two]) => !TypeMismatch
			Append([c], [none]) => !TypeMismatch
			Prepend([none], [n]) => 42
			Prepend("x", [two]) => ["xa", "xb"]
			Prepend("x", [e]) => "x"`,
		"10.5 CDate": `
			CDate("2024/2/9 7:5") => "2/9/2024 7:05:00 AM"
			CDate(" 2024-02-29T12:00:00.1234567z ") => "2/29/2024 12:00:00 PM"
			CDate("2024-02-29t12:00:00.12345678Z") => !DateParse
			CDate("2024-02-29 12:00:00 am") => "2/29/2024 12:00:00 AM"
			CDate("2024-02-29 12:00PM") => "2/29/2024 12:00:00 PM"
			CDate("2024-02-29 13:00 PM") => !DateParse
			CDate("2024-02-29 0:00 AM") => !DateParse
			CDate("2024-02-29 24:00") => !DateParse
			CDate("2024-02-29 23:60") => !DateParse
			CDate("2024-02-29 23:59:60") => !DateParse
			CDate("2024-02-29T") => !DateParse
			CDate("2024-02-29 +14:00") => "2/28/2024 10:00:00 AM"
			CDate("2024-02-29+14:01") => !DateParse
			CDate("2024-02-29+0530") => "2/28/2024 6:30:00 PM"
			CDate("2024-02-29+05") => "2/28/2024 7:00:00 PM"
			CDate("2024-02-29+5") => !DateParse
			CDate("2024-02-29+05:") => !DateParse
			CDate("2024-02/29") => !DateParse
			CDate("24-02-29") => !DateParse
			CDate("2/29/24") => !DateParse
			CDate("13/1/2024") => !DateParse
			CDate("0000-01-01") => !DateParse
			CDate("0001-01-01+01:00") => !DateParse
			CDate("9999-12-31T23:59:59-01:00") => !DateParse
			CDate("Thu, 04 Jul 2024 21:05:06 GMT") => "7/4/2024 9:05:06 PM"
			CDate("thu, 04 Jul 2024 21:05:06 GMT") => !DateParse
			CDate("Thu, 4 Jul 2024 21:05:06 GMT") => !DateParse
			CDate("20220704") => !DateParse
			CDate([n]) => !TypeMismatch
			CDate([t]) => !TypeMismatch
			CDate([blank]) => null
			CDate([two]) => !TypeMismatch
			CDate("2024-02-29 12:00:00Zx") => !DateParse`,
		"10.6 Coalesce": `
			Coalesce(, [none], [two]) => ["a", "b"]
			Coalesce([none], ) => null`,
		"10.7 base64 and hex": `
			ConvertToBase64("😀") => "PdgA3g=="
			ConvertFromBase64("PdgA3g==") => "😀"
			ConvertFromBase64("PdgA") => !InvalidArgument
			ConvertFromBase64("Pdg=") => !InvalidArgument
			ConvertFromBase64("ANw=") => !InvalidArgument
			ConvertFromBase64("w6k=", UTF8) => "é"
			ConvertFromBase64("w6k=", ASCII) => !InvalidArgument
			ConvertFromBase64("w6k=", "Unicode") => "꧃"
			ConvertFromBase64("/w==", UTF8) => !InvalidArgument
			ConvertFromBase64("w6k=", "utf8") => !InvalidArgument
			ConvertFromBase64("w6k=", [none]) => !InvalidArgument
			ConvertFromBase64([none], [none]) => !InvalidArgument
			ConvertFromBase64([none]) => null
			ConvertToUTF8Hex([two]) => ["61", "62"]`,
		"10.9 Count, CStr, IsString": `
			Count([e]) => 1
			Count([c]) => 1
			Count([nulls]) => 1
			CStr([c]) => !TypeMismatch
			IsString([one]) => true
			IsString([cs]) => false
			IsString([c]) => false
			IsString(Now()) => true
			IsString([t]) => true`,
		"10.11 DateAdd": `
			DateAdd("d", 1.9, [date]) => "3/1/2024 12:00:00 AM"
			DateAdd("d", "-1.9", [date]) => "2/28/2024 12:00:00 AM"
			DateAdd("m", 12, [date]) => "2/28/2025 12:00:00 AM"
			DateAdd("m", -1, "2024-03-31T10:11:12Z") => "2/29/2024 10:11:12 AM"
			DateAdd("m", -2, "2024-01-31") => "11/30/2023 12:00:00 AM"
			DateAdd("yyyy", 7975, [date]) => "2/28/9999 12:00:00 AM"
			DateAdd("yyyy", 7976, [date]) => !InvalidArgument
			DateAdd("yyyy", -2024, [date]) => !InvalidArgument
			DateAdd("d", 9223372036854775807, [date]) => !InvalidArgument
			DateAdd("d", "99999999999999999999", [date]) => !InvalidArgument
			DateAdd("s", -9223372036854775808, [date]) => !InvalidArgument
			DateAdd("D", 1, [date]) => !InvalidArgument
			DateAdd([none], 1, [date]) => !InvalidArgument
			DateAdd("d", [none], [date]) => !InvalidArgument
			DateAdd("d", [none], [none]) => !InvalidArgument
			DateAdd("d", 1, [none]) => null
			DateAdd("d", 1, [bad]) => !DateParse
			DateAdd("d", 1, [n]) => !TypeMismatch`,
		"10.12 DateDiff": `
			DateDiff("ww", "2024-02-24", "2024-02-25") => 1
			DateDiff("ww", "2024-02-25", "2024-03-02T23:59:59") => 0
			DateDiff("d", "2024-02-02", "2024-02-01T00:00:01") => 0
			DateDiff("h", "2024-02-02", "2024-02-01") => -24
			DateDiff("s", "2024-02-01T00:00:00.9", "2024-02-01T00:00:02") => 1
			DateDiff("d", [date], [none]) => null
			DateDiff("x", [none], [none]) => !InvalidArgument`,
		"10.13 file times": `
			DateFromNum([z]) => null
			DateFromNum(9223372036854775807) => null
			DateFromNum(-1) => !InvalidArgument
			DateFromNum(2650467743999999999) => "12/31/9999 11:59:59 PM"
			DateFromNum(2650467744000000000) => !InvalidArgument
			DateFromNum("") => !TypeMismatch
			DateFromNum(1.5) => !TypeMismatch
			NumFromDate(DateFromNum(129699324000000001)) => "129699324000000001"
			NumFromDate([blank]) => null
			NumFromDate([n]) => !TypeMismatch`,
		"10.16 IgnoreFlowIfNullOrEmpty": `
			IgnoreFlowIfNullOrEmpty([oneEmpty]) => null
			IgnoreFlowIfNullOrEmpty([blank]) => " "
			IgnoreFlowIfNullOrEmpty([f]) => false
			Coalesce(IgnoreFlowIfNullOrEmpty([e]), "x") => "x"
			"a" & IgnoreFlowIfNullOrEmpty([none]) => "a"`,
		"10.17 IIF": `
			IIF([t], [two], "x") => ["a", "b"]
			IIF(, "a", "b") => !Arity
			IIF([none] = "x", "a", [none]) => null`,
		"10.18 InStr": `
			InStr([acct], "😀") => 4
			InStr([acct], "😀", 5) => 0
			InStr([acct], "😀", 4) => 4
			InStr([acct], "", 4) => 4
			InStr([acct], "", 5) => 0
			InStr([acct], "") => 1
			InStr([acct], [none]) => 0
			InStr([e], "") => 0
			InStr([none], "", [bad]) => !TypeMismatch
			InStr([none], "", 0) => !InvalidArgument
			InStr("abc", "b", [none]) => !InvalidArgument
			InStr("abc", "B", , vbTextCompare) => 2
			InStr("abc", "B", , "vbTextCompare") => 2
			InStr("abc", "B", , 1) => 2
			InStr("abc", "B", , "1") => 2
			InStr("abc", "B", 1, 0) => 0
			InStr("abc", "B", 1, 2) => !InvalidArgument
			InStr("abc", "B", 1, [none]) => !InvalidArgument
			InStr("abc", "B", 1, [t]) => !InvalidArgument
			InStr("ÅÄÖ", "äö", 1, vbTextCompare) => 2
			InStr([n], 2) => 2
			InStr("abc", "b", 9223372036854775807) => 0
			InStr([two], "b") => !TypeMismatch`,
		"10.19 Is…": `
			IsNull([c]) => false
			IsNull([nulls]) => false
			IsNullOrEmpty([oneEmpty]) => true
			IsNullOrEmpty([two]) => false
			IsNullOrEmpty([f]) => false
			IsPresent([oneEmpty]) => false
			IsPresent([z]) => true
			IsNothing([e]) => false`,
		"10.23 Item": `
			Item([two], "2") => "b"
			Item([two], 0) => !IndexOutOfRange
			Item([none], 0) => !IndexOutOfRange
			Item([none], 7) => null
			Item([two], 3) => !IndexOutOfRange
			Item([n], 1) => 42
			Item([n], 2) => !IndexOutOfRange
			Item([cs], 2) => {"a": 1}
			Item([two], [none]) => !InvalidArgument`,
		"10.24 Join": `
			Join(, "a", "b") => "ab"
			Join([none], "a", "b") => "ab"
			Join("-", [oneEmpty], [blank], [two], [n]) => " -a-b-42"
			Join("-", [c]) => !TypeMismatch
			Join("-", [cs]) => !TypeMismatch
			Join("-") => !Arity
			Join("-", ) => ""
			Join([two], "a") => !TypeMismatch
			Join([one], "a", "b") => "axb"`,
		"10.25 Left, Mid": `
			Left([acct], 4) => "ÅÄÖ😀"
			Left([acct], 3) => "ÅÄÖ"
			Left([n], 1) => "4"
			Left([none], -1) => ""
			Left([s], 9223372036854775807) => "text"
			Left([s], -9223372036854775808) => "text"
			Left([c], 1) => !TypeMismatch
			Mid([acct], 4, 1) => "😀"
			Mid([acct], 5, 1) => ""
			Mid([acct], 2, 9223372036854775807) => "ÄÖ😀"
			Mid([acct], 9223372036854775807, 1) => ""
			Mid([two], 1, 1) => ["a", "b"]
			Mid([none], 0, 1) => !InvalidArgument
			Mid([none], 1, -1) => !InvalidArgument
			Mid([e], 1, 1) => ""
			Mid([s], , 1) => !Arity`,
		"10.27 NormalizeDiacritics": `
			NormalizeDiacritics("đðþħŧ") => "đðþħŧ"
			NormalizeDiacritics("Ελλάς й") => "Ελλάς й"
			NormalizeDiacritics("각") => "각"
			NormalizeDiacritics("ẞ Œ Æ Ø Ł") => "SS OE AE OE L"
			NormalizeDiacritics([two]) => ["a", "b"]
			NormalizeDiacritics("1̈") => "1̈"
			NormalizeDiacritics("Å") => "A"
			NormalizeDiacritics([e]) => ""`,
		"10.28 Not": `
			Not("tRUE") => false
			Not([one]) => true
			Not([e]) => true
			Not(1) => true
			Not(Not([t])) => true`,
		"10.31 PCase": `
			PCase("3rd floor b2b o’brien it's") => "3Rd Floor B2b O’Brien It's"
			PCase("ABC DEF", "") => "Abc def"
			PCase("ABC DEF", [none]) => "Abc def"
			PCase("aBC dEF", "b ") => "AbC Def"
			PCase("ǆ ßa ıI İ") => "ǅ ßa ıi İ"
			PCase([two]) => ["A", "B"]
			PCase("a_b a-b a.b a+b") => "A_B A-B A.B A+B"
			PCase(" x", "-") => " x"`,
		"10.32 RandomString": `
			RandomString(0,0,0,0,0) => !InvalidArgument
			RandomString([none],0,0,0,0) => !InvalidArgument
			RandomString(5,-1,0,0,0) => !InvalidArgument
			RandomString(5,0,0,0,9223372036854775807) => !InvalidArgument
			RandomString(5,9223372036854775807,9223372036854775807,0,0) => !InvalidArgument
			RandomString(5,1,0,0,0,"0123456789") => !InvalidArgument
			RandomString(5,0,0,0,1,"abcdefghijklmnopqrstuvwxyz") => !InvalidArgument
			RandomString([n],0,0,0,1,"bcdefghijklmnopqrstuvwxyz") => "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			RandomString(3,0,0,0,0,"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZbcdefghijklmnopqrstuvwxyz") => "aaa"
			RandomString(5,0,0,0) => !Arity`,
		"10.34 RemoveDuplicates": `
			RemoveDuplicates([cs]) => [{"a": 1}]
			RemoveDuplicates([n]) => 42
			RemoveDuplicates([two]) => ["a", "b"]`,
		"10.35 SelectUniqueValue": `
			SelectUniqueValue([e], [none], [n]) => 42
			SelectUniqueValue([e], [none]) => !UniqueValueExhausted
			SelectUniqueValue([two], "x") => !TypeMismatch
			SelectUniqueValue(, "x") => "x"
			SelectUniqueValue([one], "y") => "x"`,
		"10.38 Split": `
			Split(" a , b ,, ") => ["a", "b"]
			Split("a,b", ) => ["a", "b"]
			Split(" a,b ", "") => ["a,b"]
			Split(" a,b ", [none]) => ["a,b"]
			Split("a<>b<c", "<>") => ["a", "b<c"]
			Split([blank]) => null
			Split(",,") => null
			Split([two]) => !TypeMismatch
			Split([n], "4") => ["2"]`,
		"10.39 StripSpaces, Trim": `
			StripSpaces([two]) => ["a", "b"]
			StripSpaces([blank]) => ""
			StripSpaces([n]) => "42"
			Trim([blank]) => ""`,
		"10.40 Switch": `
			Switch([t], "d", "true", "no", "True", "yes") => "yes"
			Switch([none], "d", , "empty") => "empty"
			Switch([s], "d", [none], "empty", "text", [two]) => ["a", "b"]
			Switch([s], [two]) => ["a", "b"]
			Switch([s], ) => null
			Switch([n], "d", 42, "yes") => "yes"
			Switch([one], "d", "x", "yes") => "yes"
			Switch([two], "d", "x", "yes") => !TypeMismatch
			Switch([c], "d", "x", "yes") => !TypeMismatch
			Switch([s], "d", [two], "yes") => !TypeMismatch
			Switch([s], "d", "text", ) => null
			Switch([s]) => !Arity
			Switch(, "d") => !Arity`,
		"10.41 ToLower, ToUpper": `
			ToLower("İI") => "İi"
			ToUpper("ıi") => "ıI"
			ToLower("İI", "az") => "iı"
			ToUpper("ıi", "TR") => "Iİ"
			ToUpper("i", "tr-Latn-TR") => "İ"
			ToUpper("i", "trk") => "I"
			ToUpper("i", "") => "I"
			ToUpper("i", [none]) => "I"
			ToUpper("i", "t") => !InvalidArgument
			ToUpper("i", "tr-") => !InvalidArgument
			ToUpper("i", "tr_TR") => !InvalidArgument
			ToUpper("i", "en-123456789") => !InvalidArgument
			ToUpper([none], "!!") => !InvalidArgument
			ToUpper("ŉ ǆ") => "ŉ Ǆ"`,
		"10.42 Word": `
			Word("  a  b ", 2, " ") => "b"
			Word("a b", -1, " ") => ""
			Word("a b", 1, "") => "a b"
			Word("a b", 1, [none]) => "a b"
			Word("a b", 2, "") => ""
			Word([none], "x", " ") => !TypeMismatch
			Word("a b", 1) => !Arity
			Word("", 1, "") => ""`,
		"11.1 further": `
			DefaultDomain() => !InvalidArgument
			Error([s]) => !Custom
			Error([two]) => !TypeMismatch`,
	} {
		t.Run(strings.Fields(section)[0], func(t *testing.T) {
			t.Parallel()
			runCases(t, sample, cases)
		})
	}
}

// runCases runs lines of the form expression => result.
func runCases(t *testing.T, source, cases string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(source))
	d.UseNumber()
	var attributes map[string]any
	if err := d.Decode(&attributes); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(cases) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		at := strings.LastIndex(line, " => ")
		if at < 0 {
			t.Fatalf("no result in %q", line)
		}
		text, want := line[:at], line[at+4:]
		got, err := eval(text, env(attributes))
		if code, isError := strings.CutPrefix(want, "!"); isError {
			if e, ok := errors.AsType[*expr.Error](err); !ok || string(e.Code) != code {
				t.Errorf("%s\n got %#v, error %v, want %s", text, got.JSON(), err, code)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s\n got error %v, want %s", text, err, want)
			continue
		}
		d := json.NewDecoder(strings.NewReader(want))
		d.UseNumber()
		var expected any
		if err := d.Decode(&expected); err != nil {
			t.Fatalf("result of %q: %v", line, err)
		}
		if !agrees(got, expected) {
			t.Errorf("%s\n got %v %#v, want %s", text, got, got.JSON(), want)
		}
	}
}

// The bounds of section 12, so that the table and the spec cannot drift apart.
func TestFunctionsListsSection12(t *testing.T) {
	t.Parallel()
	want := map[string][2]int{
		"Append": {2, 2}, "AppRoleAssignments": {1, 1}, "AppRoleAssignmentsComplex": {1, 1}, "AssertiveAppRoleAssignmentsComplex": {1, 1},
		"BitAnd": {2, 2}, "CBool": {1, 1}, "CDate": {1, 1}, "Coalesce": {1, -1}, "ConvertFromBase64": {1, 2}, "ConvertToBase64": {1, 1},
		"ConvertToUTF8Hex": {1, 1}, "Count": {1, 1}, "CStr": {1, 1}, "DateAdd": {3, 3}, "DateDiff": {3, 3}, "DateFromNum": {1, 1},
		"DefaultDomain": {0, 0}, "Error": {1, 1}, "FormatDateTime": {3, 4}, "Guid": {0, 0}, "IgnoreFlowIfNullOrEmpty": {1, 1}, "IIF": {3, 3},
		"InStr": {2, 4}, "IsNothing": {1, 1}, "IsNull": {1, 1}, "IsNullOrEmpty": {1, 1}, "IsPresent": {1, 1}, "IsString": {1, 1}, "Item": {2, 2},
		"Join": {2, -1}, "Left": {2, 2}, "Mid": {3, 3}, "NormalizeDiacritics": {1, 1}, "Not": {1, 1}, "Now": {0, 0}, "NumFromDate": {1, 1},
		"PCase": {1, 2}, "Prepend": {2, 2}, "RandomString": {5, 6}, "Redact": {1, 1}, "RemoveDuplicates": {1, 1}, "Replace": {3, 7},
		"SelectUniqueValue": {2, -1}, "SingleAppRoleAssignment": {1, 1}, "Split": {1, 2}, "StripSpaces": {1, 1}, "Switch": {2, -1},
		"ToLower": {1, 2}, "ToUpper": {1, 2}, "Trim": {1, 1}, "Word": {3, 3},
	}
	got := map[string][2]int{}
	for _, f := range expr.Functions() {
		got[f.Name] = [2]int{f.MinArgs, f.MaxArgs}
		if f.Doc == "" || f.MaxArgs != 0 && len(f.Params) == 0 {
			t.Errorf("%s has no description", f.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// An error in any argument ends the evaluation of every function that evaluates it.
func TestArgumentErrorsPassThrough(t *testing.T) {
	t.Parallel()
	valid := map[string][]string{ // arguments that a function accepts, where "1" does not do
		"DateAdd": {`"d"`, "1", "Now()"}, "DateDiff": {`"d"`, "Now()", "Now()"}, "CDate": {"Now()"}, "NumFromDate": {"Now()"},
		"FormatDateTime": {`"2024"`, `"None"`, `"yyyy"`, `"yyyy"`}, "ConvertFromBase64": {`"MQA="`, "UTF8"}, "ToLower": {`"a"`, `"tr"`},
		"ToUpper": {`"a"`, `"tr"`}, "RandomString": {"9", "1", "1", "1", "1", `"x"`}, "Replace": {`"a"`, "", `"(?<g>a)"`, `"g"`, `"b"`, "", ""},
		"SelectUniqueValue": {`"a"`, `"b"`},
	}
	lazy := map[string]bool{"IIF": true, "Switch": true, "Coalesce": true, "SelectUniqueValue": true}
	for _, f := range expr.Functions() {
		args := valid[f.Name]
		for len(args) < max(f.MinArgs, len(f.Params)) {
			args = append(args, "1")
		}
		if f.Name == "Switch" {
			args = args[:2]
		}
		if _, err := eval(f.Name+"("+strings.Join(args, ", ")+")", env(nil)); err != nil && f.Name != "Error" && f.Name != "DefaultDomain" && len(f.Params) > 0 && !strings.Contains(f.Name, "Role") {
			t.Errorf("%s%v: %v", f.Name, args, err)
		}
		for i := range args {
			if args[i] == "" || i > 0 && lazy[f.Name] {
				continue
			}
			failing := slices.Clone(args)
			failing[i] = `Error("boom")`
			text := f.Name + "(" + strings.Join(failing, ", ") + ")"
			if _, err := eval(text, env(nil)); codeOf(err) != expr.CodeCustom {
				t.Errorf("%s: got %v, want the error of argument %d", text, err, i+1)
			}
		}
	}
}
