package mapping

import (
	"testing"

	"github.com/scimsync/scimsync/mapping/expr"
)

var benchUser = Attributes{
	"id": "8b3e7f10-0d1c-4a1e-9c57-5a4b3c2d1e0f", "userPrincipalName": "ada.lovelace@contoso.com", "displayName": "Ada Lovelace",
	"givenName": "Ada", "surname": "Lovelace", "accountEnabled": true, "mail": "ada@contoso.com", "department": "R&D",
	"jobTitle": "Analyst", "city": "Berlin", "businessPhones": []any{"+49 30 1"}, IsSoftDeleted: false,
}

// The work per object of a cycle in which nothing changed.
func BenchmarkEvaluateAndUpdate(b *testing.B) {
	for name, o := range map[string]Object{"default": DefaultUsers(), "generic": GenericDefault().Users} {
		b.Run(name, func(b *testing.B) {
			env := &expr.Env{}
			d, err := o.Evaluate(benchUser, env)
			if err != nil {
				b.Fatal(err)
			}
			held := map[string]any{}
			for _, v := range d.Values() {
				held[v.Path.Key()] = v.Value
			}
			current := func(p Path) any { return held[p.Key()] }
			b.ReportAllocs()
			for b.Loop() {
				d, err := o.Evaluate(benchUser, env)
				if err != nil {
					b.Fatal(err)
				}
				if c := d.Update(current); c != nil {
					b.Fatal(c)
				}
			}
		})
	}
}

func BenchmarkFilter(b *testing.B) {
	c, err := NewClause("department", "REGEX MATCH", []string{"^(R&D|Sales)$"})
	if err != nil {
		b.Fatal(err)
	}
	f := Filter{Groups: []FilterGroup{{Name: "g", Clauses: []FilterClause{c}}}}
	b.ReportAllocs()
	for b.Loop() {
		if r := f.Evaluate(benchUser); !r.Pass {
			b.Fatal(r)
		}
	}
}

func BenchmarkReadAndBuild(b *testing.B) {
	o := GenericDefault().Users
	d, err := o.Evaluate(benchUser, nil)
	if err != nil {
		b.Fatal(err)
	}
	values, err := d.Create()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		resource := Build(values)
		for _, v := range values {
			if v.Path.Read(resource) == nil {
				b.Fatal(v.Path)
			}
		}
	}
}
