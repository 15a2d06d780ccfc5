package workflows

import (
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"
)

// TestReplay replays histories recorded from earlier builds: a cycle that is under way while the
// binary is replaced must be able to go on. A history that no longer replays needs workflow.GetVersion in
// the code, not a new recording.
func TestReplay(t *testing.T) {
	histories, err := filepath.Glob("testdata/history/*.json")
	if err != nil || len(histories) == 0 {
		t.Fatalf("no histories: %v", err)
	}
	for _, h := range histories {
		t.Run(filepath.Base(h), func(t *testing.T) {
			r := worker.NewWorkflowReplayer()
			r.RegisterWorkflow(SyncCycle)
			if err := r.ReplayWorkflowHistoryFromJSONFile(NewLogger(zap.NewNop()), h); err != nil {
				t.Error(err)
			}
		})
	}
}
