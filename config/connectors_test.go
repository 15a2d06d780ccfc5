package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/connectors/msgraph"
)

func anyEnv(string) (string, bool) { return "from-outside", true }

// The blocks of the contract and of the template fit the connectors' own structs.
func TestBlocksOfConnectors(t *testing.T) {
	contract, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	template, err := config.Template(config.TemplateOptions{App: "webex"})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"contract": string(contract), "template": template} {
		f, warnings, err := config.Parse("scimsync.yaml", []byte(text), anyEnv)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		more, err := f.CheckBlocks(shapes)
		if err != nil || len(warnings)+len(more) > 0 {
			t.Errorf("%s: %v %v\n%v", name, warnings, more, err)
		}
		var source msgraph.Config
		if err := f.Jobs[0].Source.Decode(&source); err != nil || source.ClientSecret.Reveal() != "from-outside" {
			t.Errorf("%s: the client secret did not arrive: %v", name, err)
		}
	}
}

// A secret is known by its type, whichever package defines it.
func TestSecretsOfConnectors(t *testing.T) {
	f, _, err := config.Parse("scimsync.yaml", []byte(`jobs:
  - id: a
    source: {type: msgraph, accessToken: hunter2}
    target: {type: scim, auth: {type: oauth2, clientSecret: hunter2}}
`), anyEnv)
	if err != nil {
		t.Fatal(err)
	}
	warnings, err := f.CheckBlocks(shapes)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"scimsync.yaml:3:42: warning: jobs[0].source.accessToken: ", "scimsync.yaml:4:61: warning: jobs[0].target.auth.clientSecret: "}
	if len(warnings) != len(want) {
		t.Fatalf("got %v", warnings)
	}
	for i, w := range warnings {
		if !strings.HasPrefix(w.String(), want[i]) || strings.Contains(w.String(), "hunter2") {
			t.Errorf("got %s, want %s…", w, want[i])
		}
	}
}
