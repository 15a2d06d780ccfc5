package temporald

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"
)

// DefaultNamespace and DefaultRetention stand for the zero values of [Options].
const (
	DefaultNamespace = "default"
	DefaultRetention = 14 * 24 * time.Hour
)

// minRetention is the server's own lower bound (system.namespaceMinRetentionLocal).
const minRetention = time.Hour

var (
	// ErrNotEmbedded is returned by [Start] in a binary built with the tag noembed.
	ErrNotEmbedded = errors.New("this binary was built without the embedded Temporal server (build tag noembed): " +
		"set temporal.address to the host:port of a Temporal server")

	// ErrLocked is wrapped by the error of [Start] when another process, or another server of this
	// process, works on the data directory.
	ErrLocked = errors.New("data directory is in use")
)

// Options say where the embedded server keeps its file and what it serves.
type Options struct {
	// Dir is the data directory; it is made if it is missing. The server keeps temporal.db,
	// temporal.version and temporal.lock in it.
	Dir string

	// Namespace is made if it is missing. Empty: [DefaultNamespace].
	Namespace string

	// Retention is how long closed workflows stay readable; at least one hour. A changed value
	// takes effect at the next start. Zero: [DefaultRetention].
	Retention time.Duration

	// Logger receives what the server has to say. Nil: nothing is logged.
	Logger *zap.Logger

	// FrontendPort is the port on 127.0.0.1 that clients connect to. Zero: any free port.
	FrontendPort int
}

// withDefaults fills in zero values and checks the others, all at once.
func (o Options) withDefaults() (Options, error) {
	o.Namespace = cmp.Or(o.Namespace, DefaultNamespace)
	o.Retention = cmp.Or(o.Retention, DefaultRetention)
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}

	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("data directory: missing; set dataDir"))
	} else if abs, err := filepath.Abs(o.Dir); err != nil {
		errs = append(errs, fmt.Errorf("data directory %s: %w", o.Dir, err))
	} else {
		o.Dir = abs
	}
	if strings.HasPrefix(o.Namespace, "temporal-") {
		errs = append(errs, fmt.Errorf("namespace %q: names that begin with temporal- belong to the server; choose another", o.Namespace))
	}
	if o.Retention < minRetention {
		errs = append(errs, fmt.Errorf("retention %v: too short; the least is %v", o.Retention, minRetention))
	}
	if o.FrontendPort < 0 || o.FrontendPort > 65535 {
		errs = append(errs, fmt.Errorf("frontend port %d: not a port; use 1 to 65535, or 0 for any free one", o.FrontendPort))
	}
	return o, errors.Join(errs...)
}
