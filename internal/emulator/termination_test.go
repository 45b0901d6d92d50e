package emulator_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// withChild runs a script that starts a child, waits, and prints the child's process ID.
func (b *bench) withChild(mode string) (invokeID string, child int) {
	b.Helper()
	invokeID = b.run("sleep 1000 & echo $!; wait", func(r *ecs.RunCommandRequest) { r.TerminationMode = mode })
	running := b.row(invokeID, firstID, "printing", func(r emulator.Row) bool { return strings.HasSuffix(string(r.Output), "\n") })
	child, err := strconv.Atoi(strings.TrimSpace(string(running.Output)))
	if err != nil {
		b.Fatal(err)
	}
	return invokeID, child
}

// ends waits until a process is no more.
func (b *bench) ends(pid int) {
	b.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for alive(pid) {
		select {
		case <-look.C:
		case <-deadline.C:
			b.Fatalf("process %d is alive", pid)
		}
	}
}

// TerminationMode says what a stop leaves behind; the row ends all the same, and nothing outlives the instance's power.
func TestTerminationMode(t *testing.T) {
	lose := map[string]func(*bench) error{
		"reboot":  func(b *bench) error { return b.reboot() },
		"stop":    func(b *bench) error { return b.stop(firstID) },
		"release": func(b *bench) error { return b.e.RemoveInstance(firstID) },
		"close":   func(b *bench) error { return b.e.Close() },
	}
	for name, lose := range lose {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, emulator.Options{})
			r := b.raw(nil)
			stop := func(invokeID string) {
				t.Helper()
				r.call(t, "StopInvocation", "InvokeId", invokeID).wantCode(t, 200, "")
				wantEnd(t, b.status(invokeID, firstID, emulator.StatusTerminated), "Terminated", "ExecutionInterrupted", nil, true)
			}
			tree, child := b.withChild("ProcessTree")
			stop(tree)
			if alive(child) {
				t.Errorf("ProcessTree left process %d", child)
			}
			alone, child := b.withChild("Process")
			stop(alone)
			if !alive(child) {
				t.Errorf("Process ended the child %d too", child)
			}
			must(t, lose(b))
			b.ends(child)
		})
	}
}
