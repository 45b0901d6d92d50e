package emulator_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// onFirstWrite does something before it takes what is written first.
type onFirstWrite struct {
	bytes.Buffer
	do func()
}

func (w *onFirstWrite) Write(p []byte) (int, error) {
	if w.do != nil {
		w.do()
		w.do = nil
	}
	return w.Buffer.Write(p)
}

// A save holds nobody up: calls come in between its records, and what they change is in the state as it is when its
// record is written. Such a state is as good as any.
func TestCallsGoOnWhileTheStateIsSaved(t *testing.T) {
	b := newBench(t, emulator.Options{})
	row := []emulator.Row{{InstanceID: "i-1", InvocationStatus: emulator.StatusScheduled}}
	for _, id := range []string{"t-1", "t-2", "t-3"} {
		b.put(emulator.Scripted{ID: id, RepeatMode: emulator.RepeatPeriod, Rows: row})
	}
	state := &onFirstWrite{do: func() {
		must(t, b.e.OverrideStatus("t-2", "i-1", "Strange"))
		must(t, b.e.PutHistory(emulator.Row{InvokeID: "t-2", InstanceID: "i-1", InvocationStatus: emulator.StatusSuccess}))
		must(t, b.e.ForgetInvocation("t-3"))
		b.put(emulator.Scripted{ID: "t-4", Rows: row})
	}}
	must(t, b.e.SaveState(state))
	if text := state.String(); !strings.Contains(text, `"Strange"`) || strings.Contains(text, `"t-4"`) {
		t.Errorf("the state is %s, want what changed before its record and not what came after its list", text)
	}

	loaded := newBench(t, emulator.Options{})
	must(t, loaded.e.LoadState(&state.Buffer))
	// New records come after the latest of the state.
	loaded.put(emulator.Scripted{ID: "t-5", Rows: row})
	must(t, loaded.e.CheckIndexes())
	if rows := loaded.raw(nil).call(t, list).rows(t); len(rows) == 0 || rows[0]["InvokeId"] != "t-5" {
		t.Errorf("the rows are %v, want the newest first", rows)
	}
	if rows := loaded.raw(nil).call(t, list, "InvokeId", "t-2", "IncludeHistory", "true").rows(t); len(rows) != 1 {
		t.Errorf("the history is %v, want the run that ended during the save", rows)
	}
}

// How long a call waits at worst while 100,000 results of 200 bytes are saved, and what the save takes.
func BenchmarkSaveOf100000(b *testing.B) {
	e, err := emulator.New(emulator.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	for n := range 10_000 {
		rows := make([]emulator.Row, 10)
		for i := range rows {
			rows[i] = emulator.Row{InstanceID: fmt.Sprintf("i-%d", i), InvocationStatus: emulator.StatusSuccess, Output: make([]byte, 200)}
		}
		if err := e.PutInvocation(emulator.Scripted{ID: fmt.Sprintf("t-%d", n), Rows: rows}); err != nil {
			b.Fatal(err)
		}
	}
	var longest time.Duration
	for b.Loop() {
		saved := make(chan error, 1)
		go func() { saved <- e.SaveState(io.Discard) }()
		for err = errors.ErrUnsupported; errors.Is(err, errors.ErrUnsupported); {
			started := time.Now()
			e.Rows("t-1")
			longest = max(longest, time.Since(started))
			select {
			case err = <-saved:
			default:
			}
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "ms-held")
}
