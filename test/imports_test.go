package test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/scimsync/scimsync/"

// room is a row of the table of who may import whom. Paths are relative to the module; a trailing
// "/..." includes what lies below.
type room struct {
	path  string
	ours  []string // packages of ours that it may import
	never []string // other packages that it must not import; a trailing "/..." includes what lies below
}

var pure = []string{"context", "net", "net/...", "os", "os/...", "io/fs", "database/...", "log", "log/...", "math/rand", "math/rand/...",
	"go.uber.org/zap", "go.uber.org/zap/...", "go.temporal.io/..."}

var temporal = []string{"go.temporal.io/..."}

// rooms is the table of the architecture: first match wins.
var rooms = []room{
	{"mapping/expr", nil, pure},
	{"mapping", []string{"mapping/expr"}, pure},
	{"engine", []string{"mapping"}, temporal},
	{"engine/decide", []string{"engine", "mapping", "mapping/expr"}, pure},
	{"engine/cycle", []string{"engine", "engine/decide", "mapping", "mapping/expr"}, append([]string{"database/..."}, temporal...)},
	{"engine/store", []string{"engine", "mapping"}, temporal},
	{"engine/enginetest", []string{"engine", "mapping"}, temporal},
	{"connectors/msgraph/graphtest", nil, temporal},
	{"connectors/scim/scimtest", nil, temporal},
	{"connectors/...", []string{"engine", "mapping", "connectors/internal/..."}, append([]string{"database/..."}, temporal...)},
	{"config", []string{"mapping", "mapping/expr"}, temporal},
	{"workflows/temporald", nil, nil},
	{"workflows", []string{"engine", "engine/cycle"}, nil},
	{"cmd/...", []string{"..."}, nil},
	{"test", []string{"..."}, nil},
}

// TestImports holds every package to the table, so that a room can be read, tested and replaced on its
// own.
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name != ".." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "data" || name == "graphsdk") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(path, ".."+string(filepath.Separator))))
		seen[pkg] = true
		i := slices.IndexFunc(rooms, func(r room) bool { return within(r.path, pkg) })
		if i < 0 {
			t.Errorf("%s: package %s is no room of the architecture; add it to the table with the reason", path, pkg)
			return nil
		}
		check(t, path, pkg, rooms[i])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"engine", "engine/decide", "mapping/expr", "connectors/msgraph", "workflows", "config"} {
		if !seen[must] {
			t.Errorf("package %s was not looked at: the walk is wrong", must)
		}
	}
}

func check(t *testing.T, path, pkg string, r room) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	for _, imp := range f.Imports {
		name, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		matches := func(pattern string) bool { return within(pattern, name) }
		if ours, is := strings.CutPrefix(name, module); is {
			allowed := slices.ContainsFunc(r.ours, func(p string) bool { return p == "..." || within(p, ours) })
			// A sandbox is for tests and for cmd; only workflows' activity files know the cycle.
			switch {
			case !allowed:
				t.Errorf("%s: %s must not import %s", path, pkg, ours)
			case pkg == "workflows" && ours == "engine/cycle" && filepath.Base(path) != "activities.go":
				t.Errorf("%s: only activities.go of workflows may import %s", path, ours)
			}
			continue
		}
		if slices.ContainsFunc(r.never, matches) {
			t.Errorf("%s: %s must not import %s", path, pkg, name)
		}
	}
}

// within reports whether name is the package of the pattern, or below it if the pattern ends in "/...".
func within(pattern, name string) bool {
	base, below := strings.CutSuffix(pattern, "/...")
	return name == base || below && strings.HasPrefix(name, base+"/")
}
