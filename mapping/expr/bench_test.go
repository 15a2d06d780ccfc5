package expr_test

import (
	"testing"

	"github.com/scimsync/scimsync/mapping/expr"
)

func BenchmarkDefaultUserMapping(b *testing.B) {
	for _, active := range []string{
		`Not([IsSoftDeleted])`,
		`Switch([IsSoftDeleted], , "False", "True", "True", "False")`,
	} {
		b.Run(active[:3], func(b *testing.B) {
			var mapping []*expr.Expr
			for _, text := range []string{`[userPrincipalName]`, active, `[displayName]`, `[givenName]`, `[surname]`, `[objectId]`} {
				mapping = append(mapping, mustParse(b, text))
			}
			e := env(map[string]any{
				"userPrincipalName": "john.doe@contoso.com", "IsSoftDeleted": false, "displayName": "John Doe",
				"givenName": "John", "surname": "Doe", "objectId": "00aa00aa-bb11-cc22-dd33-44ee44ee44ee",
			})
			b.ReportAllocs()
			for b.Loop() {
				for _, x := range mapping {
					if _, err := x.Eval(e); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkEval(b *testing.B) {
	for name, text := range map[string]string{
		"unique mail": `SelectUniqueValue(Join("@", NormalizeDiacritics(StripSpaces(Join(".", [first], [last]))), "contoso.com"), "x")`,
		"regex":       `Replace([mobile], , "[()\s-]+", , "", , )`,
		"dates":       `Switch([Active], , "1", IIF(DateDiff("d", Now(), CDate([hired])) > 5, "False", "True"), "0", "False")`,
		"format":      `FormatDateTime([hired], , "yyyy-MM-dd", "dd/MM/yyyy")`,
		"roles":       `AssertiveAppRoleAssignmentsComplex([appRoleAssignments])`,
	} {
		b.Run(name, func(b *testing.B) {
			x := mustParse(b, text)
			e := env(map[string]any{
				"first": "José María", "last": "Núñez", "mobile": "+1 (999) 888-7777", "Active": "1", "hired": "2021-08-24",
				"appRoleAssignments": []any{map[string]any{"id": "1", "value": "admin", "displayName": "Administrator"}},
			})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Eval(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		mustParse(b, `Switch([Active], , "1", IIF(DateDiff("d", Now(), CDate([hired])) > 5, "False", "True"), "0", "False")`)
	}
}

func mustParse(t testing.TB, text string) *expr.Expr {
	t.Helper()
	x, err := expr.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return x
}
