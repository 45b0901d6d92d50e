package emulator_test

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// schedule submits a shell script with a Frequency.
func (r *raw) schedule(t *testing.T, script, frequency string, namesAndValues ...string) string {
	t.Helper()
	all := append([]string{"Type", "RunShellScript", "CommandContent", script, "Frequency", frequency, "InstanceId.1", firstID}, namesAndValues...)
	answer := r.call(t, "RunCommand", all...)
	answer.wantCode(t, 200, "")
	invokeID, _ := answer.object(t)["InvokeId"].(string)
	return invokeID
}

// The live row of a scheduled command goes to and fro until it is stopped; every run leaves a row in the history.
func TestScheduledCommand(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	// Fails on its second run.
	invokeID := r.schedule(t, "echo run >> runs; wc -l < runs; [ $(wc -l < runs) != 2 ]", "rate(5m)")
	for run := 1; run <= 3; run++ {
		scheduled := b.row(invokeID, firstID, "scheduled", func(r emulator.Row) bool {
			return r.InvocationStatus == emulator.StatusScheduled && r.Repeats == run-1
		})
		if run == 1 && (scheduled.ExitCode != nil || !scheduled.StartTime.IsZero()) {
			t.Errorf("before the first run the row is %+v", scheduled)
		}
		waitForWaiters(t, fake, 1)
		fake.Step(5 * time.Minute)
	}
	last := b.row(invokeID, firstID, "scheduled a fourth time", func(r emulator.Row) bool {
		return r.InvocationStatus == emulator.StatusScheduled && r.Repeats == 3
	})
	if last.ExitCode == nil || *last.ExitCode != 0 || string(last.Output) != "3\n" {
		t.Errorf("between runs the row shows %+v, want what the last run left", last)
	}
	live := r.call(t, list, "InvokeId", invokeID).rows(t)
	if len(live) != 1 || live[0]["InvokeRecordStatus"] != emulator.RecordRunning {
		t.Errorf("live rows %v", live)
	}
	wantHistory(t, r, invokeID)

	r.call(t, "StopInvocation", "InvokeId", invokeID).wantCode(t, 200, "")
	stopped := b.status(invokeID, firstID, emulator.StatusCancelled)
	if stopped.Repeats != 3 || stopped.StopTime.IsZero() {
		t.Errorf("stopped between runs, the row is %+v", stopped)
	}
	if live := r.call(t, list, "InvokeId", invokeID).rows(t); live[0]["InvokeRecordStatus"] != emulator.RecordStopped {
		t.Errorf("live rows %v", live)
	}
}

// wantHistory checks the three runs of TestScheduledCommand, newest first.
func wantHistory(t *testing.T, r *raw, invokeID string) {
	t.Helper()
	history := r.call(t, list, "InvokeId", invokeID, "IncludeHistory", "true", "ContentEncoding", "PlainText").rows(t)
	if len(history) != 3 {
		t.Fatalf("the history is %v, want three rows", history)
	}
	for n, want := range []struct {
		status, output, start string
		exit, repeats         float64
	}{
		{"Success", "3\n", "2026-11-23T12:15:00Z", 0, 3},
		{"Failed", "2\n", "2026-11-23T12:10:00Z", 1, 2},
		{"Success", "1\n", "2026-11-23T12:05:00Z", 0, 1},
	} {
		got := history[n]
		if got["InvocationStatus"] != want.status || got["Output"] != want.output || got["StartTime"] != want.start ||
			got["ExitCode"] != want.exit || got["Repeats"] != want.repeats {
			t.Errorf("row %d of the history is %v, want %+v", n, got, want)
		}
	}
}

func TestScheduledCommandStoppedWhileRunning(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	invokeID := r.schedule(t, "echo x; sleep 1000", "rate(1m)")
	b.status(invokeID, firstID, emulator.StatusScheduled)
	waitForWaiters(t, fake, 1)
	fake.Step(time.Minute)
	if running := b.status(invokeID, firstID, emulator.StatusRunning); len(running.Output) != 0 {
		t.Errorf("a scheduled run shows %q before its end", running.Output)
	}
	r.call(t, "StopInvocation", "InvokeId", invokeID).wantCode(t, 200, "")
	b.status(invokeID, firstID, emulator.StatusTerminated)
	history := r.call(t, list, "InvokeId", invokeID, "IncludeHistory", "true").rows(t)
	if len(history) != 1 || history[0]["InvocationStatus"] != emulator.StatusTerminated {
		t.Errorf("the history is %v, want the interrupted run", history)
	}
}

// An instance that is away misses a run, and takes part in the next.
func TestScheduledCommandOnAStoppedInstance(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	invokeID := r.schedule(t, "true", "rate(1m)")
	b.status(invokeID, firstID, emulator.StatusScheduled)
	waitForWaiters(t, fake, 1)
	if err := b.e.SetInstanceStatus(firstID, emulator.InstanceStopped); err != nil {
		t.Fatal(err)
	}
	fake.Step(time.Minute)
	missed := b.row(invokeID, firstID, "aborted once", func(r emulator.Row) bool { return r.ErrorCode == "InstanceNotRunning" })
	if missed.InvocationStatus != emulator.StatusScheduled || missed.Repeats != 0 {
		t.Errorf("after a missed run the row is %+v", missed)
	}
	if err := b.e.SetInstanceStatus(firstID, emulator.InstanceRunning); err != nil {
		t.Fatal(err)
	}
	waitForWaiters(t, fake, 1)
	fake.Step(time.Minute)
	b.row(invokeID, firstID, "run once", func(r emulator.Row) bool { return r.Repeats == 1 && r.ErrorCode == "" })
}

// A schedule with an end ends as its last run did.
func TestScheduleWithAnEnd(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	once := r.schedule(t, "exit 4", "at(2026-11-23 20:30:00 GMT+8:00)")
	b.status(once, firstID, emulator.StatusScheduled)
	waitForWaiters(t, fake, 1)
	fake.Step(30 * time.Minute)
	row := b.status(once, firstID, emulator.StatusFailed)
	wantEnd(t, row, "Failed", "ExitCodeNonzero", pointer(int64(4)), true)

	wantEnd(t, b.status(r.schedule(t, "true", "at(2026-11-23 12:00:00)"), firstID, emulator.StatusInvalid), "Invalid", "AtExpressionExpired", nil, false)
	wantEnd(t, b.status(r.schedule(t, "true", "0 0 12 * * ? 2025"), firstID, emulator.StatusInvalid), "Invalid", "CronExpressionExpired", nil, false)
	wrong := r.schedule(t, "dir", "rate(1m)", "Type", "RunBatScript")
	wantEnd(t, b.status(wrong, firstID, emulator.StatusInvalid), "Invalid", "CommandNotApplicable", nil, false)
}

// A run that takes longer than its interval skips what it has missed.
func TestScheduledCommandThatIsSlow(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	invokeID := r.schedule(t, "until [ -e go ]; do sleep 0.01; done", "rate(1m)", "Timeout", "3600")
	b.status(invokeID, firstID, emulator.StatusScheduled)
	waitForWaiters(t, fake, 1)
	fake.Step(time.Minute)
	b.status(invokeID, firstID, emulator.StatusRunning)
	fake.Step(5*time.Minute + 30*time.Second)
	touch := r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "touch go", "InstanceId.1", firstID)
	b.status(touch.object(t)["InvokeId"].(string), firstID, emulator.StatusSuccess)
	b.row(invokeID, firstID, "run once", func(r emulator.Row) bool {
		return r.InvocationStatus == emulator.StatusScheduled && r.Repeats == 1
	})
	waitForWaiters(t, fake, 1)
	fake.Step(time.Minute - 1)
	if got := b.e.Rows(invokeID)[0]; got.Repeats != 1 || got.InvocationStatus != emulator.StatusScheduled {
		t.Errorf("before the next interval is over the row is %+v", got)
	}
	fake.Step(1)
	second := b.row(invokeID, firstID, "run twice", func(r emulator.Row) bool { return r.Repeats == 2 })
	if want := noon.Add(7*time.Minute + 30*time.Second); !second.StartTime.Equal(want) {
		t.Errorf("the second run started at %v, want %v", second.StartTime, want)
	}
}

// Demonstrations need not wait a minute.
func TestMinRate(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake, MinRate: 2 * time.Second})
	r := b.raw(fake)
	invokeID := r.schedule(t, "true", "rate(2s)")
	b.status(invokeID, firstID, emulator.StatusScheduled)
	waitForWaiters(t, fake, 1)
	fake.Step(2 * time.Second)
	b.row(invokeID, firstID, "run once", func(r emulator.Row) bool { return r.Repeats == 1 })
	r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "true", "InstanceId.1", firstID, "Frequency", "rate(1s)").
		wantCode(t, 400, "InvalidParam.Frequency")
}
