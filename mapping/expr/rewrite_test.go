package expr_test

import "testing"

func TestReplace(t *testing.T) {
	t.Parallel()
	runCases(t, `{"x": "banana", "e": "", "two": ["ab", "ba"], "p": "(", "g": "n", "tel": "+91 8887779999", "big": "aXbXc"}`, `
		Replace([x], "a", , , [none]) => "bnn"
		Replace([x], [none], , , "b") => "banana"
		Replace([x], "", , , "b") => "banana"
		Replace([e], "", , , "b") => ""
		Replace([none], "a", , , "b") => null
		Replace([two], "a", , , "x") => ["xb", "bx"]
		Replace([x], "<n>", , , , , "<n>-<n>") => "banana-banana"
		Replace([two], "<n>", , , , , "<n>!") => ["ab!", "ba!"]
		Replace([e], "<n>", , , , , "<n>!") => ""
		Replace([x], "", , , , , "t") => "t"
		Replace([x], "n", , , , , [none]) => ""
		Replace([x], "n", "(", , , , "n!") => "banana!"
		Replace([x], , "(?<f>a)n", , "$1") => "baaa"
		Replace([x], , "(?<f>a)n", , "${f}${1}$&$$${g}$9$") => "baaan$${g}$9$aaan$${g}$9$a"
		Replace([x], , "(?<f>z)?n", , "<${f}>") => "ba<>a<>a"
		Replace([x], , "(z)?n", , "$0$10") => "ban$10an$10a"
		Replace([x], , "A", , "x") => "banana"
		Replace([x], , "(?i)A", , "x") => "bxnxnx"
		Replace([x], , "^b", , "") => "anana"
		Replace([x], , "(?<=n)a", , "x") => "banxnx"
		Replace([x], , "(.)\1", , "x") => "banana"
		Replace([x], , "b*", , "x") => "xxaxnxaxnxax"
		Replace([two], , "a", , "") => ["b", "b"]
		Replace([e], , "^", , "x") => ""
		Replace([none], , "[", , "x") => !Regex
		Replace([x], , [p], , "x") => !Regex
		Replace([x], , [none], , "x") => "xbxaxnxaxnxax"
		Replace([x], , "(?<n>n)a", "n", "$&") => "ba$&a$&a"
		Replace([x], , "(?<n>n)a", [g], "m") => "bamama"
		Replace([x], , "(?<n>n)a", "1", "m") => "bamama"
		Replace([x], , "(?<n>n)a", "0", "m") => "bamm"
		Replace([x], , "(?<n>z?)a", "n", "m") => "banana"
		Replace([x], , "(?<n>z)?a", "n", "m") => "banana"
		Replace([x], , "a(?=(?<n>n))", "n", "m") => "bamama"
		Replace([x], , "(?<n>n)a", "m", "m") => !Regex
		Replace([x], , "(?<n>n)a", [none], "m") => !Regex
		Replace([none], , "(?<n>n)a", "m", "m") => !Regex
		Replace([x], , "(?<n>n)a", "m", , [tel]) => !Regex
		Replace([two], , "(?<n>n)a", "n", , [tel]) => ["ab", "ba"]
		Replace([none], , "(?<n>\d{10})", "n", , [tel]) => "8887779999"
		Replace([none], , "(?<n>\d{11})", "n", , [tel]) => null
		Replace([none], , "(?<n>x?)", "n", , [tel]) => null
		Replace([none], , "(?<n>x)", "n", , [none]) => null
		Replace([none], , "(?<n>x)", "n", , [two]) => !TypeMismatch
		Replace([x], "a", , , "b", , , ) => !Arity
		Replace([x], "a", ) => !Arity
		Replace([x], , "a", "g") => !Arity
		Replace([x], , , , "g") => !Arity
		Replace(, "a", , , "g") => !Arity
		Replace([big], "X", "\d", , "-") => "aXbXc"
		Replace([x], , "\p{Lu}[", , "-") => !Regex`)
}

func TestFormatDateTime(t *testing.T) {
	t.Parallel()
	runCases(t, `{"d": "2024-07-04", "two": ["2024-07-04", "2024-07-05"], "bad": "x", "blank": " ", "full": "2009-06-15T13:45:30.6175425Z"}`, `
		FormatDateTime([two], "yyyy-MM-dd", "d.M.yy") => ["4.7.24", "5.7.24"]
		FormatDateTime([blank], "None", "yyyy-MM-dd", "d") => null
		FormatDateTime([none], "Sideways", "yyyy-MM-dd", "d") => !InvalidArgument
		FormatDateTime([none], , "", "d") => !InvalidArgument
		FormatDateTime([none], , [none], "d") => !InvalidArgument
		FormatDateTime([none], , "x", "d") => !InvalidArgument
		FormatDateTime([none], , "gg y", "d") => !InvalidArgument
		FormatDateTime([none], , "ffffffff s", "d") => !InvalidArgument
		FormatDateTime([none], , "yyyy 'x", "d") => !InvalidArgument
		FormatDateTime([none], , "yyyy\", "d") => !Syntax
		FormatDateTime([none], , "yyyy\\", "d") => !InvalidArgument
		FormatDateTime([d], , "yyyy-MM-dd") => !Arity
		FormatDateTime([d], "yyyy-MM-dd", ) => !Arity
		FormatDateTime([d], "datetimestyles.none, AllowWhiteSpaces", "yyyy-MM-dd", "d") => "07/04/2024"
		FormatDateTime(" 2024 ", "AllowLeadingWhite", "yyyy", "yyyy") => !DateParse
		FormatDateTime(" 2024", "AllowLeadingWhite", "yyyy", "yyyy") => "2024"
		FormatDateTime(" 2024", "None", " yyyy", "yyyy") => "2024"
		FormatDateTime(" 2024", , " yyyy", "yyyy") => "2024"
		FormatDateTime("2024x", , "yyyy", "yyyy") => !DateParse
		FormatDateTime("2024", , "yyyyMM", "yyyy") => !DateParse
		FormatDateTime([full], , "o", "D") => "Monday, 15 June 2009"
		FormatDateTime([full], , "o", "t") => "13:45"
		FormatDateTime([full], , "o", "T") => "13:45:30"
		FormatDateTime([full], , "o", "g") => "06/15/2009 13:45"
		FormatDateTime([full], , "o", "G") => "06/15/2009 13:45:30"
		FormatDateTime([full], , "o", "s") => "2009-06-15T13:45:30"
		FormatDateTime([full], , "o", "u") => "2009-06-15 13:45:30Z"
		FormatDateTime([full], , "O", "r") => "Mon, 15 Jun 2009 13:45:30 GMT"
		FormatDateTime([full], , "o", "O") => "2009-06-15T13:45:30.6175425Z"
		FormatDateTime([full], , "o", "h:m:s t|hh:mm tt") => "1:45:30 P|01:45 PM"
		FormatDateTime([full], , "o", "%h") => "1"
		FormatDateTime([full], , "o", "z|zz|zzz|K") => "+0|+00|+00:00|Z"
		FormatDateTime([full], , "o", "y|yy|yyy|yyyy|yyyyy") => "9|09|2009|2009|02009"
		FormatDateTime([full], , "o", "s.f s.fff s.F") => "30.6 30.617 30.6"
		FormatDateTime("2009-06-15T13:45:30.0000000", , "o", "s.F|s.FFF'x'|s'.'F") => "30|30x|30."
		FormatDateTime("2009-06-15T13:45:30.1200000", , "o", "s.FFFFFFF") => "30.12"
		FormatDateTime("30.12", , "s.FFFFFFF", "s.ff") => "30.12"
		FormatDateTime("30", , "s.FFFFFFF", "s.ff") => "30.00"
		FormatDateTime([full], , "o", "d 'of' MMMM \d\\ \"q\"") => "15 of June d q"
		FormatDateTime([full], , "o", "ddd d MMM") => "Mon 15 Jun"
		FormatDateTime("thu 4 JUL 2024", , "ddd d MMM yyyy", "s") => "2024-07-04T00:00:00"
		FormatDateTime("monday 4 july 2024", , "dddd d MMMM yyyy", "s") => "2024-07-04T00:00:00"
		FormatDateTime("xyz 4", , "ddd d", "s") => !DateParse
		FormatDateTime("49 50", , "yy", "yyyy") => !DateParse
		FormatDateTime("49", , "yy", "yyyy") => "2049"
		FormatDateTime("50", , "yy", "yyyy") => "1950"
		FormatDateTime("5", , "%y", "yyyy") => "2005"
		FormatDateTime("5", , "yy", "yyyy") => !DateParse
		FormatDateTime("123", , "yyy", "yyyy") => "0123"
		FormatDateTime("02024", , "yyyyy", "yyyy") => "2024"
		FormatDateTime("10000", , "yyyyy", "yyyy") => !DateParse
		FormatDateTime("12 AM", , "h tt", "HH") => "00"
		FormatDateTime("12 pm", , "h tt", "HH") => "12"
		FormatDateTime("13 PM", , "h tt", "HH") => !DateParse
		FormatDateTime("0 AM", , "h tt", "HH") => !DateParse
		FormatDateTime("5p", , "ht", "HH") => "17"
		FormatDateTime("7", , "%h", "HH") => "07"
		FormatDateTime("17 PM", , "H tt", "HH") => "17"
		FormatDateTime("17 AM", , "H tt", "HH") => !DateParse
		FormatDateTime("24", , "HH", "HH") => !DateParse
		FormatDateTime("2", , "%M", "s") => "2026-02-01T00:00:00"
		FormatDateTime("30.02.2024", , "dd.MM.yyyy", "s") => !DateParse
		FormatDateTime("2024 2024", , "yyyy yyyy", "yyyy") => "2024"
		FormatDateTime("2024 2025", , "yyyy yyyy", "yyyy") => !DateParse
		FormatDateTime("2024-07-04+1", , "yyyy-MM-ddz", "s") => "2024-07-03T23:00:00"
		FormatDateTime("2024-07-04-01", , "yyyy-MM-ddzz", "s") => "2024-07-04T01:00:00"
		FormatDateTime("2024-07-04+0130", , "yyyy-MM-ddzzz", "s") => "2024-07-03T22:30:00"
		FormatDateTime("2024-07-04+01:30", , "yyyy-MM-ddK", "s") => "2024-07-03T22:30:00"
		FormatDateTime("2024-07-04", , "yyyy-MM-ddK", "s") => "2024-07-04T00:00:00"
		FormatDateTime("2024-07-04+15", , "yyyy-MM-ddzz", "s") => !DateParse
		FormatDateTime("0001-01-01+01", , "yyyy-MM-ddzz", "s") => !DateParse
		FormatDateTime("2024-07-04Z+01", , "yyyy-MM-ddZzz", "s") => !DateParse
		FormatDateTime([d], [two], "yyyy", "s") => !TypeMismatch
		FormatDateTime(Now(), , "M/d/yyyy h:mm:ss tt", "yyyyMMdd") => "20260301"
		FormatDateTime(20240704, , "yyyyMMdd", "d.M.yyyy") => "4.7.2024"`)
}

func TestRoles(t *testing.T) {
	t.Parallel()
	runCases(t, `{
		"noId": [{"displayName": "A", "value": "a"}, {"displayName": "A", "value": "a"}],
		"sameId": [{"id": "AB", "displayName": "A"}, {"id": "ab", "displayName": "A"}],
		"two": [{"id": "1", "displayName": "A"}, {"id": "2", "value": "b"}],
		"bare": {"id": "1", "displayName": null, "value": ""},
		"nothing": [{}, "", {"id": null}],
		"wrong": [1], "deep": [{"id": {"x": 1}}], "text": "Reader"}`, `
		SingleAppRoleAssignment([noId]) => "A"
		SingleAppRoleAssignment([sameId]) => "A"
		SingleAppRoleAssignment([two]) => !RoleAmbiguous
		SingleAppRoleAssignment([bare]) => "1"
		SingleAppRoleAssignment([nothing]) => null
		SingleAppRoleAssignment([wrong]) => !TypeMismatch
		SingleAppRoleAssignment([deep]) => !TypeMismatch
		SingleAppRoleAssignment([text]) => "Reader"
		AppRoleAssignments([two]) => ["A", "b"]
		AppRoleAssignments([none]) => null
		AppRoleAssignmentsComplex([bare]) => [{"primary": false, "type": "WindowsAzureActiveDirectoryRole", "display": "1", "value": "1"}]
		AssertiveAppRoleAssignmentsComplex([two]) => [{"primary": false, "type": "WindowsAzureActiveDirectoryRole", "display": "A", "value": "A"}, {"primary": false, "type": "WindowsAzureActiveDirectoryRole", "display": "b", "value": "b"}]`)
}
