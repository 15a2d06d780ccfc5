package config

import (
	"encoding"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write golden files anew")

// graphConfig and scimConfig have the shapes that settings of connectors have.
type graphConfig struct {
	TenantID     string `yaml:"tenantId"`
	ClientID     string `yaml:"clientId"`
	ClientSecret Secret `yaml:"clientSecret"`
	Certificate  *struct {
		Path     string `yaml:"path,path"`
		Password Secret `yaml:"password"`
	} `yaml:"certificate"`
	OnWait func()        `yaml:"-"`
	Wait   time.Duration `yaml:"-"`
}

type scimConfig struct {
	Type    string `yaml:"type"`
	BaseURL string `yaml:"baseUrl"`
	Auth    struct {
		Type   string            `yaml:"type"`
		Token  Secret            `yaml:"token"`
		Scopes []string          `yaml:"scopes"`
		Extra  map[string]string `yaml:"extra"`
	} `yaml:"auth"`
	Concurrency int     `yaml:"concurrency"`
	Rate        float64 `yaml:"rate"`
	Burst       uint8   `yaml:"burst"`
	Timeout     struct {
		Connect time.Duration `yaml:"connect"`
		Total   time.Duration `yaml:"total"`
	} `yaml:"timeout"`
	Checked *bool     `yaml:"checked"`
	Expires time.Time `yaml:"expires"`
	Limits  []any     `yaml:"limits"`
}

var testShapes = Shapes{
	Sources: map[string]any{"msgraph": graphConfig{}},
	Targets: map[string]any{"scim": scimConfig{}},
}

var _ encoding.TextUnmarshaler = (*Secret)(nil)

// secretWord is what no message may contain.
const secretWord = "hunter"

var wrongEnv = env(map[string]string{"SECRET": secretWord + "42"})

// messages are what the commands print about a file.
func messages(name string, data []byte) string {
	f, warnings, err := Parse(name, data, wrongEnv)
	problems := AsProblems(err)
	if f != nil {
		more, err := f.CheckBlocks(testShapes)
		warnings = append(warnings, more...)
		problems = append(problems, AsProblems(err)...)
	}
	var b strings.Builder
	for _, w := range warnings {
		fmt.Fprintln(&b, w)
	}
	if len(problems) > 0 {
		fmt.Fprintln(&b, AsProblems(problems))
	}
	return b.String()
}

func TestWrongFiles(t *testing.T) {
	const golden = "testdata/wrong.txtar"
	a, err := txtar.ParseFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range a.Files {
		want[f.Name] = string(f.Data)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	out := &txtar.Archive{Comment: a.Comment}
	count := 0
	for _, f := range a.Files {
		name, is := strings.CutSuffix(f.Name, ".yaml")
		if !is {
			continue
		}
		count++
		got := messages(filepath.Join("testdata", f.Name), f.Data)
		got = strings.ReplaceAll(got, here, "HERE")
		out.Files = append(out.Files, f, txtar.File{Name: name + ".txt", Data: []byte(got + "\n")})
		if strings.Contains(got, secretWord) {
			t.Errorf("%s: a message shows a secret:\n%s", f.Name, got)
		}
		if got == "" {
			t.Errorf("%s: nothing is wrong with it", f.Name)
		}
		for line := range strings.Lines(got) {
			if !strings.HasPrefix(line, "testdata/"+f.Name+":") {
				t.Errorf("%s: a message without its place: %s", f.Name, line)
			}
		}
		if diff := cmp.Diff(want[name+".txt"], got+"\n"); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", f.Name, diff)
		}
	}
	if count < 30 {
		t.Errorf("only %d wrong files", count)
	}
	if *update {
		if err := os.WriteFile(golden, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
