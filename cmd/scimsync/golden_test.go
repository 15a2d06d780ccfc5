package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// checkGolden compares got with a file of testdata, which -update writes.
func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s: (-file +got; go test -update writes the file)\n%s", filepath.Base(file), d)
	}
}

// runCommand runs one command line as a program would, without a terminal.
func runCommand(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = execute(t.Context(), args, strings.NewReader(in), &o, &e)
	return code, o.String(), e.String()
}

// transcript runs commands and writes down all that they print.
func transcript(t *testing.T, in string, commands ...[]string) string {
	t.Helper()
	var b strings.Builder
	for _, args := range commands {
		b.WriteString("$ scimsync")
		for _, a := range args {
			if a == "" || strings.ContainsAny(a, " \n\"[]|") {
				a = "'" + a + "'"
			}
			b.WriteString(" " + a)
		}
		code, out, errs := runCommand(t, in, args...)
		b.WriteString("\n" + out)
		if errs != "" {
			b.WriteString("--- stderr\n" + errs)
		}
		fmt.Fprintf(&b, "--- exit %d\n\n", code)
	}
	return b.String()
}
