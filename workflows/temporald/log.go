//go:build !noembed

package temporald

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// A serverLogger hands on what the server says at level warn and above.
//
// It is also how the server is kept from ending our process: its Fatal ends the calling goroutine
// and reports what it said.
type serverLogger struct {
	zap    *zap.Logger
	fatal  chan error   // room for one: the first
	closed *atomic.Bool // the server is stopping
}

var (
	_ log.Logger     = (*serverLogger)(nil)
	_ log.WithLogger = (*serverLogger)(nil)
)

func newServerLogger(lg *zap.Logger) *serverLogger {
	// A full disk makes every background loop complain each second: the first few of a kind a
	// minute, and then every hundredth, say as much.
	sampled := zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(c, time.Minute, 5, 100)
	})
	return &serverLogger{
		zap: lg.WithOptions(sampled, zap.WithCaller(false),
			zap.AddStacktrace(zapcore.InvalidLevel)), // stacks of the server's wiring explain nothing
		fatal:  make(chan error, 1),
		closed: new(atomic.Bool),
	}
}

// stopping makes the rest of what is said debug: services that lose each other are no news then.
func (l *serverLogger) stopping() { l.closed.Store(true) }

func (l *serverLogger) Debug(string, ...tag.Tag) {}
func (l *serverLogger) Info(string, ...tag.Tag)  {}

func (l *serverLogger) Warn(msg string, tags ...tag.Tag)   { l.write(zapcore.WarnLevel, msg, tags) }
func (l *serverLogger) Error(msg string, tags ...tag.Tag)  { l.write(zapcore.ErrorLevel, msg, tags) }
func (l *serverLogger) DPanic(msg string, tags ...tag.Tag) { l.write(zapcore.ErrorLevel, msg, tags) }

// Panic panics as the server expects it to: its callers recover and fail the one request.
func (l *serverLogger) Panic(msg string, tags ...tag.Tag) {
	l.write(zapcore.ErrorLevel, msg, tags)
	panic(msg)
}

// Fatal reports the message and ends the goroutine, since callers do not expect it to return.
func (l *serverLogger) Fatal(msg string, tags ...tag.Tag) {
	select {
	case l.fatal <- fatalError(msg, tags):
	default:
	}
	l.write(zapcore.ErrorLevel, msg, tags)
	runtime.Goexit()
}

func (l *serverLogger) With(tags ...tag.Tag) log.Logger {
	c := *l
	c.zap = l.zap.With(fields(tags)...)
	return &c
}

func (l *serverLogger) write(level zapcore.Level, msg string, tags []tag.Tag) {
	if l.closed.Load() {
		level = zapcore.DebugLevel
	}
	if entry := l.zap.Check(level, msg); entry != nil {
		entry.Write(fields(tags)...)
	}
}

func fields(tags []tag.Tag) []zap.Field {
	fs := make([]zap.Field, 0, len(tags))
	for _, t := range tags {
		if z, ok := t.(tag.ZapTag); ok {
			fs = append(fs, z.Field())
		} else {
			fs = append(fs, zap.Any(t.Key(), t.Value()))
		}
	}
	return fs
}

// fatalError keeps the cause, if the server named one.
func fatalError(msg string, tags []tag.Tag) error {
	for _, t := range tags {
		z, ok := t.(tag.ZapTag)
		if !ok || z.Field().Type != zapcore.ErrorType {
			continue
		}
		if err, ok := z.Field().Interface.(error); ok {
			return fmt.Errorf("%s: %w", msg, err)
		}
	}
	return fmt.Errorf("%s", msg)
}
