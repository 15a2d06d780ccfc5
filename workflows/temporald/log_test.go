//go:build !noembed

package temporald

import (
	"errors"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestLoggerLevels(t *testing.T) {
	t.Parallel()
	core, seen := observer.New(zapcore.DebugLevel)
	l := newServerLogger(zap.New(core))
	tagged := log.With(l, tag.NewStringTag("service", "history"))

	tagged.Debug("d")
	tagged.Info("i")
	tagged.Warn("w", tag.NewInt("n", 1))
	tagged.Error("e")
	l.stopping()
	tagged.Error("late")

	type line struct {
		Level zapcore.Level
		Msg   string
		Tags  map[string]any
	}
	var got []line
	for _, e := range seen.All() {
		got = append(got, line{e.Level, e.Message, e.ContextMap()})
	}
	want := []line{
		{zapcore.WarnLevel, "w", map[string]any{"service": "history", "n": int64(1)}},
		{zapcore.ErrorLevel, "e", map[string]any{"service": "history"}},
		{zapcore.DebugLevel, "late", map[string]any{"service": "history"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFatalEndsTheGoroutineOnly also shows that the cause keeps its identity: listening again on
// other ports depends on it.
func TestFatalEndsTheGoroutineOnly(t *testing.T) {
	t.Parallel()
	s := &Server{out: newServerLogger(zap.NewNop())}
	returned := false
	err := s.guard(func() error {
		log.With(s.out, tag.NewStringTag("service", "history")).Fatal("no listener", tag.Error(syscall.EADDRINUSE))
		returned = true
		return nil
	})
	if returned {
		t.Error("Fatal returned to its caller")
	}
	if !errors.Is(err, syscall.EADDRINUSE) || err.Error() != "no listener: "+syscall.EADDRINUSE.Error() {
		t.Errorf("guard = %v; want the message and the cause", err)
	}

	done := make(chan struct{})
	go func() {
		defer close(done)
		s.out.Fatal("first")
	}()
	<-done
	go func() { s.out.Fatal("second") }()
	if err := <-s.Failed(); err == nil || err.Error() != "first" {
		t.Errorf("Failed yields %v; want the first", err)
	}
}
