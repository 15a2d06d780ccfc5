package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/connectors/msgraph"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/cycle"
	"github.com/scimsync/scimsync/engine/store"
	"github.com/scimsync/scimsync/mapping"
	"github.com/scimsync/scimsync/workflows"
	"github.com/scimsync/scimsync/workflows/temporald"
)

// service is a process that works on cycles: the store, the jobs with their connectors, a Temporal
// client (with the embedded server behind it, unless the configuration names another) and a worker.
type service struct {
	file   *config.File
	log    *zap.Logger
	store  *store.Store
	runner *cycle.Runner

	// The Temporal side, see [service.temporal].
	mu      sync.Mutex
	server  *temporald.Server // nil with an external one
	client  client.Client
	worker  worker.Worker
	starter workflows.Starter
	// stopWork tells the steps at work to end.
	stopWork context.CancelFunc
}

// loadConfig reads the configuration file, the blocks of the connectors included, and says what is
// doubtful about it.
func (c *console) loadConfig() (*config.File, error) {
	f, warnings, err := config.Load(c.config, os.LookupEnv)
	if f != nil {
		more, err2 := f.CheckBlocks(shapes())
		warnings, err = append(warnings, more...), errors.Join(err, err2)
		err = errors.Join(err, refusals(f, config.AsProblems(err)))
		if _, err3 := newDispatcher(f, nil, zap.NewNop()); err3 != nil && err == nil {
			return nil, &exitError{exitUsage, fmt.Errorf("%s: %w", c.config, err3)}
		}
	}
	for _, w := range warnings {
		fmt.Fprintln(c.err, w)
	}
	if problems := config.AsProblems(err); len(problems) > 0 {
		return nil, problems
	}
	return f, nil
}

// refusals are what the connectors say against their settings, to be reported together with the mistakes in the
// rest of the file. A value that is known to be wrong looks to a connector as if it were missing, so
// nothing more is said about its place.
func refusals(f *config.File, known config.Problems) config.Problems {
	_, err := buildJobs(f, zap.NewNop())
	return slices.DeleteFunc(config.AsProblems(err), func(p config.Problem) bool {
		return slices.ContainsFunc(known, func(k config.Problem) bool { return k.Line == p.Line && k.Column == p.Column })
	})
}

// shapes are the settings of all kinds of connectors there are.
func shapes() config.Shapes {
	return config.Shapes{
		Sources: map[string]any{"msgraph": msgraph.Config{}},
		Targets: map[string]any{"scim": scim.Config{}},
	}
}

// open builds everything in the order in which it depends on each other. Close what it returns,
// also after an error.
func open(ctx context.Context, f *config.File, lg *zap.Logger) (*service, error) {
	s, err := openStore(ctx, f, lg)
	if err != nil {
		return s, err
	}
	return s, s.connect(ctx)
}

// openStore builds what works without Temporal.
func openStore(ctx context.Context, f *config.File, lg *zap.Logger) (*service, error) {
	s := &service{file: f, log: lg}
	jobs, err := buildJobs(f, lg)
	if err != nil {
		return s, err
	}
	if err := os.MkdirAll(f.DataDir, 0o700); err != nil {
		return s, &exitError{exitConnection, fmt.Errorf("dataDir %s: %w; choose a folder that this user can write to", f.DataDir, err)}
	}
	if s.store, err = store.Open(ctx, f.Store.URL, f.DataDir); err != nil {
		return s, &exitError{exitConnection, err}
	}
	s.runner = cycle.New(s.store, jobs, lg.Named("cycle"))
	s.runner.Rebuild = func(id engine.JobID, schema string) (*cycle.Job, error) { return rebuildJob(f, id, schema, lg) }
	return s, nil
}

// temporal connects and starts the worker unless that was done before: most commands never need it.
func (s *service) temporal(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worker != nil {
		return nil
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	return s.work()
}

// work starts the worker. What an earlier process left open with the embedded server is not gone on with: the source, the
// configuration and people's verdicts may be others by now.
func (s *service) work() error {
	if s.server != nil {
		alone, err := s.store.Alone(context.Background())
		if err != nil {
			return &exitError{exitConnection, err}
		}
		if !alone {
			return &exitError{exitConnection, errors.New("another process runs cycles on this store with a Temporal server of its own; " +
				"let several workers share one with temporal.address, or ask the one that runs with --server")}
		}
		var jobs []string
		for _, j := range s.file.Jobs {
			jobs = append(jobs, j.ID)
		}
		if err := s.starter.Abandon(context.Background(), jobs); err != nil {
			return err
		}
		for _, j := range jobs {
			if err := s.runner.Abandon(context.Background(), engine.JobID(j)); err != nil {
				return err
			}
		}
	}
	if err := s.worker.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	return nil
}

// connect reaches Temporal, and starts the embedded server if the file names none.
func (s *service) connect(ctx context.Context) error {
	t := s.file.Temporal
	o := client.Options{HostPort: t.Address, Namespace: t.Namespace, Logger: workflows.NewLogger(s.log)}
	if t.Address == "" {
		lg := s.log.Named("temporald")
		if s.file.Log.Level != "debug" { // its warnings are about its own works: a tick that was missed while nothing ran
			lg = lg.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))
		}
		var err error
		s.server, err = temporald.Start(ctx, temporald.Options{Dir: filepath.Join(s.file.DataDir, "temporal"), Namespace: t.Namespace, Logger: lg})
		if err != nil {
			return &exitError{exitConnection, err}
		}
		o.HostPort = s.server.Address()
	} else if err := secure(&o, t); err != nil {
		return err
	}
	var err error
	if s.client, err = client.DialContext(ctx, o); err != nil {
		return &exitError{exitConnection, fmt.Errorf("temporal.address %s: %w; check the address, the namespace and the credentials", o.HostPort, err)}
	}
	s.starter = workflows.Starter{Client: s.client, TaskQueue: s.file.Temporal.TaskQueue}
	activities, stop := context.WithCancel(context.Background())
	s.stopWork = stop
	// The SDK would read and hash the whole binary to name it, a quarter of a second of every start.
	b := thisBuild()
	worker.SetBinaryChecksum(b.Version + " " + b.Commit)
	s.worker = worker.New(s.client, s.file.Temporal.TaskQueue, worker.Options{
		WorkerStopTimeout:            5 * time.Second,
		DisableRegistrationAliasing:  true,
		MaxHeartbeatThrottleInterval: time.Second / 2, // a step learns with a heartbeat that it was stopped
		BackgroundActivityContext:    activities,
	})
	workflows.Register(s.worker, &workflows.Activities{Cycles: s.runner})
	return nil
}

// secure adds TLS and the API key to the connection to an external server.
func secure(o *client.Options, t config.Temporal) error {
	if key := t.APIKey.Reveal(); key != "" {
		o.Credentials = client.NewAPIKeyStaticCredentials(key)
	}
	if t.TLS == (config.TLS{}) {
		return nil
	}
	c := &tls.Config{ServerName: t.TLS.ServerName, MinVersion: tls.VersionTLS12}
	if t.TLS.CA != "" {
		pem, err := os.ReadFile(t.TLS.CA)
		if err != nil {
			return fmt.Errorf("temporal.tls.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("temporal.tls.ca: %s holds no PEM certificate", t.TLS.CA)
		}
	}
	if t.TLS.Cert != "" {
		// Read anew for every handshake, so that a rotated certificate is used without a restart.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(t.TLS.Cert, t.TLS.Key)
			return &pair, err
		}
	}
	o.ConnectionOptions.TLS = c
	return nil
}

// close ends everything in the opposite order.
func (s *service) close() error {
	var errs []error
	if s.worker != nil {
		s.stopWork() // steps end with the objects in hand
		s.worker.Stop()
	}
	if s.client != nil {
		s.client.Close()
	}
	if s.server != nil {
		s.server.Stop()
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

// schedules are the schedules that the configuration asks for, but for jobs that somebody paused.
func (s *service) schedules(ctx context.Context) ([]workflows.Schedule, error) {
	var out []workflows.Schedule
	for _, j := range s.file.Jobs {
		c, err := s.store.Control(ctx, engine.JobID(j.ID))
		if err != nil {
			return nil, err
		}
		out = append(out, workflows.Schedule{Job: j.ID, Interval: j.Interval, Paused: !j.Enabled || c.Paused || c.Disabled})
	}
	return out, nil
}

// buildJobs makes the jobs and their connectors, and reports what is wrong with any of them at once.
func buildJobs(f *config.File, lg *zap.Logger) (map[engine.JobID]*cycle.Job, error) {
	jobs := make(map[engine.JobID]*cycle.Job, len(f.Jobs))
	var problems config.Problems
	for _, j := range f.Jobs {
		job, err := buildJob(j, lg)
		if err != nil {
			problems = append(problems, config.AsProblems(err)...)
		}
		jobs[job.ID] = job
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return jobs, nil
}

// buildJob makes one job and its connectors.
func buildJob(j config.Job, lg *zap.Logger) (*cycle.Job, error) {
	job := &cycle.Job{Described: describe(j.Mapping), Job: engine.Job{ID: engine.JobID(j.ID), Scope: engine.Scope(j.Scope), Mapping: j.Mapping, Options: options(j)}}
	var err1, err2 error
	job.Source, err1 = newSource(j, lg.With(zap.String("job", j.ID)))
	job.Target, err2 = newTarget(j, lg.With(zap.String("job", j.ID)))
	return job, errors.Join(err1, err2)
}

// rebuildJob makes a job with a schema that was saved for it in place of the mapping of the file, "" for the latter.
func rebuildJob(f *config.File, id engine.JobID, schema string, lg *zap.Logger) (*cycle.Job, error) {
	i := slices.IndexFunc(f.Jobs, func(j config.Job) bool { return j.ID == string(id) })
	if i < 0 {
		return nil, fmt.Errorf("job %s is not in the configuration", id)
	}
	j := f.Jobs[i]
	if schema != "" {
		m, err := mappingOf([]byte(schema))
		if err != nil {
			return nil, err
		}
		j.Mapping = m
	}
	job, err := buildJob(j, lg)
	if err != nil {
		return nil, err
	}
	job.Schema = schema
	return job, nil
}

// mappingOf reads a synchronization schema. The error names everything that cannot be honoured.
func mappingOf(schema []byte) (mapping.Mapping, error) {
	s, found := mapping.LoadSchema(schema)
	if s != nil {
		return s.Mapping(), nil
	}
	var errs []error
	for _, d := range found {
		if d.Severity == mapping.SeverityError {
			errs = append(errs, fmt.Errorf("%s at %s: %s", d.Code, cmp.Or(d.Pointer, "/"), d.Message))
		}
	}
	return mapping.Mapping{}, errors.Join(errs...)
}

// newSource builds the source of a job: the list of all kinds of source there are.
func newSource(j config.Job, lg *zap.Logger) (engine.Source, error) {
	switch j.Source.Type {
	case "msgraph":
		var cfg msgraph.Config
		wrong := j.Source.Decode(&cfg)
		cfg.Scope = engine.Scope(j.Scope)
		cfg.Select = selection(j)
		cfg.Roles = usesRoles(j)
		cfg.Nested = j.NestedGroups == string(engine.NestedExpand)
		cfg.OnWait = patience(lg, "source")
		src, err := msgraph.New(cfg, nil, lg.Named("msgraph"))
		if err := errors.Join(wrong, j.Source.Locate(err)); err != nil {
			return nil, err
		}
		return src, nil
	default:
		return nil, j.Source.Problem("type", fmt.Sprintf("no source of type %q; use msgraph", j.Source.Type))
	}
}

// newTarget builds the target of a job.
func newTarget(j config.Job, lg *zap.Logger) (engine.Target, error) {
	switch j.Target.Type {
	case "scim":
		var cfg scim.Config
		wrong := j.Target.Decode(&cfg)
		cfg.OnWait = patience(lg, "target")
		dst, err := scim.New(cfg, nil, lg.Named("scim"))
		if err := errors.Join(wrong, j.Target.Locate(err)); err != nil {
			return nil, err
		}
		return dst, nil
	default:
		return nil, j.Target.Problem("type", fmt.Sprintf("no target of type %q; use scim", j.Target.Type))
	}
}

// worthSaying is the shortest wait that the log mentions.
const worthSaying = time.Second

// patience logs that one side asked to wait, or that it is given time to recover.
func patience(lg *zap.Logger, side string) func(time.Duration, int) {
	return func(d time.Duration, status int) {
		if d >= worthSaying {
			lg.Info("waiting before the next request", zap.String("side", side), zap.Duration("duration", d), zap.Int("status", status))
		}
	}
}

// newLogger builds the process log. It goes to stderr: stdout is for results.
func newLogger(l config.Log) *zap.Logger {
	var level zapcore.Level
	if err := level.Set(l.Level); err != nil {
		level = zapcore.InfoLevel // config.Load has checked it
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	enc.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewConsoleEncoder(enc)
	if l.Format == "json" {
		encoder = zapcore.NewJSONEncoder(enc)
	}
	var sink zapcore.WriteSyncer = os.Stderr
	if terminal(os.Stderr) {
		sink = besideProgress{os.Stderr}
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(sink), level))
}

// besideProgress writes log lines to a terminal on which a line of progress may be drawn: it is wiped away
// first, and drawn again below.
type besideProgress struct{ *os.File }

func (b besideProgress) Write(p []byte) (int, error) {
	if _, err := b.File.WriteString("\r\x1b[K"); err != nil {
		return 0, err
	}
	return b.File.Write(p)
}

// chosen returns the jobs named, or all enabled ones.
func chosen(f *config.File, ids []string) ([]config.Job, error) {
	var out []config.Job
	for _, id := range ids {
		i := slices.IndexFunc(f.Jobs, func(j config.Job) bool { return j.ID == id })
		if i < 0 {
			return nil, usage("--job %s: no such job in %s; jobs are: %s", id, f.Path, jobIDs(f))
		}
		out = append(out, f.Jobs[i])
	}
	if len(ids) > 0 {
		return out, nil
	}
	for _, j := range f.Jobs {
		if j.Enabled {
			out = append(out, j)
		}
	}
	return out, nil
}
