package config

import (
	"testing"
)

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

var contractEnv = env(map[string]string{
	"SCIMSYNC_TOKEN": "full", "TEMPORAL_API_KEY": "key", "GRAPH_SECRET": "graph", "WEBEX_TOKEN": "webex",
})

// The example of the product contract, word for word.
func TestContractExample(t *testing.T) {
	f, warnings, err := Load("testdata/contract.yaml", contractEnv)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Log(w)
	}
	t.Logf("%+v", f)
}

func TestTemplate(t *testing.T) {
	for _, app := range []string{"", "webex", "aws-iic"} {
		text, err := Template(TemplateOptions{Source: "msgraph", Target: "scim", App: app})
		if err != nil {
			t.Fatal(err)
		}
		t.Log(text)
		_, w, err := Parse("scimsync.yaml", []byte(text), func(string) (string, bool) { return "x", true })
		t.Log(w, err)
	}
}
