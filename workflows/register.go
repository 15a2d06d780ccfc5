package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"
)

// Register makes a worker able to run everything of this package.
func Register(w worker.Registry, a *Activities) {
	w.RegisterWorkflow(SyncCycle)
	w.RegisterWorkflow(ProvisionNow)
	w.RegisterActivity(a)
}

// Logger lets Temporal's SDK log through zap.
type Logger struct{ *zap.SugaredLogger }

// NewLogger names the logger and drops what the SDK says below the level of the process.
func NewLogger(lg *zap.Logger) Logger {
	return Logger{lg.Named("temporal").WithOptions(zap.AddCallerSkip(1)).Sugar()}
}

func (l Logger) Debug(msg string, kv ...any) { l.Debugw(msg, kv...) }
func (l Logger) Info(msg string, kv ...any)  { l.Debugw(msg, kv...) } // the SDK's "info" is our debug
func (l Logger) Warn(msg string, kv ...any)  { l.Warnw(msg, kv...) }

func (l Logger) Error(msg string, kv ...any) {
	if msg == "Activity error." { // an ordinary failure of one side: the cycle tells it in its own words
		l.Debugw(msg, kv...)
		return
	}
	l.Errorw(msg, kv...)
}
