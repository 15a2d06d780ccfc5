//go:build !noembed

package temporald

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

// childDir makes this test binary, run again, a process that holds a server on that directory.
const childDir = "TEMPORALD_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child starts a server, leaves a paused schedule and a running workflow in it, says so, and waits
// to be killed. It ends by itself when its parent does.
func child(dir string) error {
	ctx := context.Background()
	s, err := Start(ctx, Options{Dir: dir})
	if err != nil {
		return err
	}
	c, err := client.Dial(clientOptions(s, ""))
	if err != nil {
		return err
	}
	_, err = c.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: "job", Spec: every(40 * time.Minute), Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, Paused: true, Note: "by hand",
		Action: &client.ScheduleWorkflowAction{ID: "cycle", TaskQueue: taskQueue, Workflow: short},
	})
	if err != nil {
		return err
	}
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "w", TaskQueue: taskQueue}, waiting)
	if err != nil {
		return err
	}
	runtime.GC() // s is not needed below: its lock must not go with it
	runtime.GC()
	fmt.Println("running", run.GetRunID())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// TestKill starts the server in another process, which excludes us, kills that with SIGKILL and
// starts on the same file: what was answered is there and works on.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := exec.CommandContext(t.Context(), os.Args[0])
	other.Env = append(os.Environ(), childDir+"="+dir)
	other.Stderr = os.Stderr
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(stdout).ReadString('\n')
	runID, ok := strings.CutPrefix(strings.TrimSpace(said), "running ")
	if err != nil || !ok {
		t.Fatalf("the other process says %q, %v", said, err)
	}

	_, err = Start(t.Context(), Options{Dir: dir})
	if pid := fmt.Sprintf("process %d ", other.Process.Pid); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), pid) {
		t.Errorf("Start beside another process: %v; want ErrLocked and %q", err, pid)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(); err == nil {
		t.Fatal("the other process ended by itself")
	}

	s := startServer(t, Options{Dir: dir})
	c := dial(t, s, "")
	h := c.ScheduleClient().GetHandle(t.Context(), "job")
	d, err := h.Describe(t.Context())
	if err != nil {
		t.Fatalf("schedule: %v", err)
	}
	if st := d.Schedule.State; !st.Paused || st.Note != "by hand" || d.Schedule.Spec.Intervals[0].Every != 40*time.Minute {
		t.Errorf("schedule came back as %+v, %+v", st, d.Schedule.Spec)
	}

	startWorker(t, c)
	if err := c.SignalWorkflow(t.Context(), "w", runID, "go", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.GetWorkflow(t.Context(), "w", runID).Get(t.Context(), nil); err != nil {
		t.Errorf("workflow: %v", err)
	}
	trigger(t, h)
	awaitInfo(t, h, "a triggered run of the schedule", func(i client.ScheduleInfo) bool {
		return i.NumActions == 1 && len(i.RunningWorkflows) == 0
	})
	s.Stop()
	checkFile(t, s.dir.file(dbName))
}
