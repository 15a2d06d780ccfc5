package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by release builds: -ldflags "-X main.version=v1.2.3".
var version = ""

// build describes the binary.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

func thisBuild() build {
	b := build{Version: version, Commit: "unknown", Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "(devel)" {
			b.Version = cmp.Or(b.Version, v)
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				b.Commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				b.Commit += " (modified)"
			}
		}
	}
	b.Version = cmp.Or(b.Version, "dev")
	return b
}

func newVersion(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if c.json() {
				return json.NewEncoder(c.out).Encode(b)
			}
			_, err := fmt.Fprintf(c.out, "scimsync %s\ncommit   %s\n%s\n", b.Version, b.Commit, b.Go)
			return err
		},
	}
}
