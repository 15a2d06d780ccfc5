//go:build !noembed

package temporald

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"

	otelsdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/resolver"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Embedded says whether this binary holds the server.
const Embedded = true

const (
	// portAttempts bounds how often other ports are tried when one was taken between our look and
	// the server's listening.
	portAttempts = 5
	// readyTimeout is generous: a quiet machine needs half a second, an overloaded one three.
	readyTimeout = time.Minute
)

// A Server is a running embedded server.
type Server struct {
	dir     *dataDir
	db      *config.SQL
	running *temporal.ServerFx
	address string
	log     *zap.Logger
	out     *serverLogger
	stop    sync.Once
	stopped chan struct{}
}

// Version is the version of the linked server, as the stamp file has it.
func Version() string { return headers.ServerVersion }

// Start starts the server and returns when the namespace can be used. Cancelling ctx gives up a
// start; it does not stop a server that has started.
//
// After an error nothing is left running and the data directory is free again, save after a fatal
// error in the middle of starting the services: what had started stays until the process ends,
// and keeps the lock.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start embedded Temporal server: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := openDataDir(o.Dir, o.Logger.Named("temporald"))
	if err != nil {
		return nil, err
	}
	db, err := prepare(dir, o)
	if err != nil {
		return nil, errors.Join(err, dir.close())
	}
	s := newServer(dir, db, o.Logger)
	if err := s.listen(o.FrontendPort); err != nil {
		return nil, errors.Join(err, dir.close())
	}
	go s.keep()
	if err := s.run(); err != nil {
		return nil, err
	}
	if err := s.ready(ctx, o); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func newServer(dir *dataDir, db *config.SQL, lg *zap.Logger) *Server {
	return &Server{
		dir: dir, db: db, log: dir.log,
		out:     newServerLogger(lg.Named("temporal")),
		stopped: make(chan struct{}),
	}
}

// Address is where clients connect to, as "127.0.0.1:port".
func (s *Server) Address() string { return s.address }

// Failed yields at most one error: the server met a condition that it holds to be fatal. It may
// half work on; the process should stop it and end, and say so.
func (s *Server) Failed() <-chan error { return s.out.fatal }

// Stop stops the services one after the other and gives the data directory back. Stop the workers
// first: their open polls are cut off only after a second. Further calls wait for the first.
func (s *Server) Stop() {
	s.stop.Do(func() {
		defer close(s.stopped)
		s.out.stopping()
		if err := s.running.Stop(); err != nil {
			s.log.Warn("embedded temporal server did not stop cleanly", zap.Error(err))
		}
		if err := s.checkpoint(); err != nil {
			s.log.Warn("journal not merged into the embedded temporal database; it stays beside it", zap.Error(err))
		}
		if err := s.dir.close(); err != nil {
			s.log.Warn("data directory not unlocked", zap.Error(err))
		}
	})
}

// prepare leaves a complete database with the namespace in the directory and says how to open it.
func prepare(dir *dataDir, o Options) (*config.SQL, error) {
	now := time.Now()
	fresh, err := dir.claim(Version(), now)
	if err != nil {
		return nil, err
	}
	db := sqlConfig(dir.file(dbName), now)
	if fresh {
		if err := dir.create(); err != nil {
			return nil, err
		}
		if err := makeSchema(db); err != nil {
			return nil, fmt.Errorf("make database %s: %w", dir.file(dbName), err)
		}
	}
	ns, err := sqliteschema.NewNamespaceConfig(clusterName, o.Namespace, false, nil)
	if err != nil {
		return nil, fmt.Errorf("make namespace %s: %w", o.Namespace, err)
	}
	ns.Detail.Config.Retention = durationpb.New(o.Retention)
	if err := sqliteschema.CreateNamespaces(db, ns); err != nil {
		return nil, fmt.Errorf("look for namespace %s in %s: %w; if the file is damaged, remove it: a new one is made, "+
			"schedules are set up again and workflows that were running are forgotten", o.Namespace, dir.file(dbName), err)
	}
	if fresh {
		return db, dir.stamp(Version())
	}
	return db, nil
}

// makeSchema does in one transaction what sqliteschema.SetupSchema does in a hundred, each with
// its own flush to the disk.
func makeSchema(db *config.SQL) (err error) {
	admin, err := openAdmin(db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	if err := admin.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := sqliteschema.SetupSchemaOnDB(admin); err != nil {
		return errors.Join(err, admin.Exec("ROLLBACK"))
	}
	return admin.Exec("COMMIT")
}

// checkpoint merges the journal into the file, so that a copy of temporal.db alone is complete.
func (s *Server) checkpoint() (err error) {
	admin, err := openAdmin(s.db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	return admin.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
}

// openAdmin borrows the one connection to the database.
func openAdmin(db *config.SQL) (sqlplugin.AdminDB, error) {
	return sql.NewSQLAdminDB(sqlplugin.DbKindUnknown, db, resolver.NewNoopResolver(),
		log.NewNoopLogger(), metrics.NoopMetricsHandler)
}

// listen builds the services, which opens their listeners. No service runs yet.
func (s *Server) listen(frontend int) error {
	for attempt := 1; ; attempt++ {
		ports, err := freePorts(frontend)
		if err != nil {
			return err
		}
		s.address = hostPort(ports.frontend)
		err = s.build(ports)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) || attempt == portAttempts {
			return err
		}
	}
}

func (s *Server) build(ports portSet) error {
	// Replaced, so that OTEL_* variables meant for our process cannot make the server export
	// traces, or refuse to start because it does not know the exporter.
	module := fx.Options(temporal.TopLevelModule, fx.Replace([]otelsdktrace.SpanExporter{}))
	return s.guard(func() (err error) {
		s.running, err = temporal.NewServerFx(module,
			temporal.WithConfig(serverConfig(s.db, ports)),
			temporal.ForServices(temporal.DefaultServices),
			temporal.WithStaticHosts(ports.hosts()),
			temporal.WithLogger(s.out),
			temporal.WithDynamicConfigClient(dynamicConfig()),
			temporal.WithCustomMetricsHandler(metrics.NoopMetricsHandler),
			temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
			temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper {
				return authorization.NewNoopClaimMapper()
			}),
		)
		return err
	})
}

// keep holds the lock file until Stop, also when the caller drops s: the collector would close the
// file, and the lock would go while the services work on.
func (s *Server) keep() {
	<-s.stopped
	runtime.KeepAlive(s.dir.lock)
}

// run starts the services.
func (s *Server) run() error {
	return s.guard(func() error { return s.running.Start() })
}

// guard runs f where Fatal may end the goroutine, and returns what Fatal said before any error that
// came of it. It recovers, because wrappers of the server (sync.OnceValue) turn the ending into a panic.
func (s *Server) guard(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("the server ended the call without a reason")
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("the server panicked: %v", r)
			}
			done <- err
		}()
		err = f()
	}()
	err := <-done
	select {
	case fatal := <-s.out.fatal:
		return fatal
	default:
		return err
	}
}

// ready waits until the frontend knows the namespace, and brings the namespace's retention up to
// what is wanted.
func (s *Server) ready(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout,
		fmt.Errorf("the frontend at %s did not get ready within %v", s.address, readyTimeout))
	defer cancel()

	c, err := client.NewNamespaceClient(client.Options{
		HostPort: s.address,
		Logger:   sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", s.address, err)
	}
	defer c.Close()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := c.Describe(ctx, o.Namespace)
		if err == nil {
			return retain(ctx, c, o, got.GetConfig())
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case fatal := <-s.out.fatal:
			return fatal
		case <-tick.C:
		}
	}
}

// retain changes the retention of a namespace that was made with another.
func retain(ctx context.Context, c client.NamespaceClient, o Options, have *namespace.NamespaceConfig) error {
	if have.GetWorkflowExecutionRetentionTtl().AsDuration() == o.Retention {
		return nil
	}
	err := c.Update(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: o.Namespace,
		Config:    &namespace.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(o.Retention)},
	})
	if err != nil {
		return fmt.Errorf("set retention of namespace %s to %v: %w", o.Namespace, o.Retention, err)
	}
	return nil
}

// freePorts finds four ports on the loopback address that nobody listens on, by listening on all of
// them at once. The server has no way to take over a listener, so they are closed again.
func freePorts(frontend int) (_ portSet, err error) {
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			err = errors.Join(err, l.Close())
		}
	}()
	ports := make([]int, 4)
	for i, want := range []int{frontend, 0, 0, 0} {
		l, err := net.Listen("tcp4", hostPort(want))
		if errors.Is(err, syscall.EADDRINUSE) && want != 0 {
			return portSet{}, fmt.Errorf("port %d on %s is taken by another program; choose another port, or 0 for any free one: %w",
				want, loopback, err)
		}
		if err != nil {
			return portSet{}, fmt.Errorf("find a free port on %s: %w", loopback, err)
		}
		listeners = append(listeners, l)
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return portSet{frontend: ports[0], history: ports[1], matching: ports[2], worker: ports[3]}, nil
}
