package app_test

import (
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

const minute = time.Minute

// longAgo is before any grace for young runs.
var longAgo = time.Now().Add(-time.Hour).Truncate(time.Second)

// script puts a run into the cloud that no process stands behind.
func (w *world) script(t *testing.T, id string, rows ...emulator.Row) {
	t.Helper()
	if err := w.cloud.PutInvocation(emulator.Scripted{ID: id, RegionID: region, CreatedAt: longAgo, Rows: rows}); err != nil {
		t.Fatal(err)
	}
}

func running(n int) emulator.Row {
	return emulator.Row{InstanceID: instance(n), InvocationStatus: "Running", StartTime: longAgo}
}

func succeed(row *emulator.Row) {
	zero := int64(0)
	row.InvocationStatus, row.ExitCode, row.FinishedTime, row.Repeats = "Success", &zero, row.StartTime.Add(minute), 1
	row.Output = []byte("done\n")
}

// update changes rows of a scripted run.
func (w *world) update(t *testing.T, id string, n int, change func(*emulator.Row)) {
	t.Helper()
	if err := w.cloud.UpdateRow(id, instance(n), change); err != nil {
		t.Fatal(err)
	}
}

func (w *world) inject(t *testing.T, fault emulator.Fault) (clearFault func()) {
	t.Helper()
	clearFault, err := w.cloud.Inject(fault)
	if err != nil {
		t.Fatal(err)
	}
	return clearFault
}

// untilCalled waits until results were asked for with an invoke ID n times.
func (w *world) untilCalled(t *testing.T, id string, n int) {
	t.Helper()
	reached := make(chan struct{})
	clearFault := w.inject(t, emulator.Fault{
		Kind: emulator.FaultLatency, InvokeID: id,
		// Counted before the answer, so that the caller acts while the last one is on its way.
		Match: func(*emulator.Call) bool {
			if w.calls(id) >= n {
				select {
				case <-reached:
				default:
					close(reached)
				}
			}
			return true
		},
	})
	defer clearFault()
	select {
	case <-reached:
	case <-time.After(patience):
		t.Fatalf("%s was not asked for %d times within %v", id, n, patience)
	}
}
