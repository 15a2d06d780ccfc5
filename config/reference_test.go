package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestReferences(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"secret": "from a file\n", "crlf": "from a file\r\n", "lines": "one\ntwo\n\n", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := references{dir: dir, getenv: env(map[string]string{"A": "1", "EMPTY": "", "REF": "${env:A}"})}
	for _, c := range []struct {
		text, want string
		outside    bool
		wrong      string
	}{
		{text: "", want: ""},
		{text: "plain $ { } $$ text", want: "plain $ { } $$ text"},
		{text: "${env:A}", want: "1", outside: true},
		{text: "a${env:A}b${env:A}", want: "a1b1", outside: true},
		{text: "${env:EMPTY}", want: "", outside: true},
		{text: "${env:REF}", want: "${env:A}", outside: true}, // what comes from outside is not looked into
		{text: "$${env:A}", want: "${env:A}"},
		{text: "$$${env:A}", want: "$${env:A}"},
		{text: "$${${env:A}}", want: "${1}", outside: true},
		{text: "${file:secret}", want: "from a file", outside: true},
		{text: "${file:crlf}", want: "from a file", outside: true},
		{text: "${file:lines}", want: "one\ntwo\n", outside: true},
		{text: "${file:empty}", want: "", outside: true},
		{text: "${file:" + filepath.Join(dir, "secret") + "}", want: "from a file", outside: true},
		{text: "a${env:B}b", outside: true, wrong: "the environment variable B is not set"},
		{text: "${env:B}${env:C}", outside: true, wrong: "the environment variable B is not set"},
		{text: "${file:none}", outside: true, wrong: filepath.Join(dir, "none")},
		{text: "${env:}", outside: true, wrong: "no reference"},
		{text: "${ENV:A}", outside: true, wrong: "no reference"},
		{text: "${}", outside: true, wrong: "no reference"},
		{text: "${env:A", outside: true, wrong: "does not end"},
	} {
		got, outside, wrong := r.replace(c.text)
		switch {
		case c.wrong != "" && (wrong == nil || !strings.Contains(wrong.reason, c.wrong)):
			t.Errorf("%q: got mistake %v, want %q", c.text, wrong, c.wrong)
		case c.wrong == "" && (wrong != nil || got != c.want):
			t.Errorf("%q: got %q, %v, want %q", c.text, got, wrong, c.want)
		case outside != c.outside:
			t.Errorf("%q: from outside is %v, want %v", c.text, outside, c.outside)
		}
	}
}

// Any text can be written down: with $${ in place of ${ it means itself.
func TestEveryTextCanBeWritten(t *testing.T) {
	r := references{getenv: env(nil)}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("${}:env a"))).Draw(t, "text")
		got, outside, wrong := r.replace(strings.ReplaceAll(text, "${", "$${"))
		if got != text || outside || wrong != nil {
			t.Fatalf("%q became %q, %v, %v", text, got, outside, wrong)
		}
	})
}
