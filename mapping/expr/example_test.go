package expr_test

import (
	"fmt"

	"github.com/scimsync/scimsync/mapping/expr"
)

func Example() {
	x, err := expr.Parse(`Join("@", ToLower(NormalizeDiacritics([givenName])), "contoso.com")`)
	if err != nil {
		fmt.Println(err)
		return
	}
	person := map[string]any{"givenName": "Zoë"}
	v, err := x.Eval(&expr.Env{
		Lookup: func(name string) expr.Value { return expr.FromJSON(person[name]) },
	})
	fmt.Println(x.Attributes(), v.JSON(), err)
	// Output: [givenName] zoe@contoso.com <nil>
}

func ExampleError_Caret() {
	const text = `Append([mail], Lowr([department]))`
	_, err := expr.Parse(text)
	if e, ok := err.(*expr.Error); ok {
		fmt.Println(e.Caret(text))
	}
	fmt.Println(err)
	// Output:
	// Append([mail], Lowr([department]))
	//                ^
	// character 16: unknown function "Lowr"; did you mean ToLower? [UnknownFunction]
}
