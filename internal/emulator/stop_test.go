package emulator_test

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// As the page of StopInvocation has it, what has started goes on to its end, and nothing else starts.
func TestStopSparesStarted(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{
		Clock: fake, Settings: emulator.Settings{StopSparesStarted: true},
		Simulations: []emulator.Simulation{{Duration: 30 * time.Second, Output: "out"}},
	})
	r := b.raw(fake)
	must(t, b.e.SetAgent(secondID, emulator.AgentOffline))
	periodic := r.schedule(t, "true", "rate(1m)")
	b.status(periodic, firstID, emulator.StatusScheduled)
	waitForWaiters(t, fake, 1)
	fake.Step(time.Minute)
	b.status(periodic, firstID, emulator.StatusRunning)
	once := r.submit(t, "CommandContent", "true", "InstanceId.1", firstID, "InstanceId.2", secondID)
	b.status(once, firstID, emulator.StatusRunning)

	for _, id := range []string{once, periodic} {
		r.call(t, "StopInvocation", "InvokeId", id).wantCode(t, 200, "")
		if got := b.e.Rows(id)[0]; got.InvocationStatus != emulator.StatusRunning || got.StopTime.IsZero() {
			t.Errorf("what had started is %+v, want it Running with a StopTime", got)
		}
	}
	if got := b.e.Rows(once)[1].InvocationStatus; got != emulator.StatusCancelled {
		t.Errorf("what had not started is %s, want Cancelled", got)
	}
	fake.Step(30 * time.Second)
	for _, id := range []string{once, periodic} {
		wantEnd(t, b.status(id, firstID, emulator.StatusSuccess), "Success", "", pointer(int64(0)), true)
	}
	fake.Step(time.Hour)
	history := r.call(t, list, "InvokeId", periodic, "IncludeHistory", "true").rows(t)
	if got := b.e.Rows(periodic)[0]; len(history) != 1 || got.Repeats != 1 || got.InvocationStatus != emulator.StatusSuccess {
		t.Errorf("an hour after the stop the row is %+v with the history %v, want no further run", got, history)
	}
}

// The Repeats of a history is the ordinal of each run or, by the setting, how many there were.
func TestHistoryTotalRepeats(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake, Simulations: []emulator.Simulation{{}}})
	r := b.raw(fake)
	invokeID := r.schedule(t, "true", "rate(1m)")
	for run := range 3 {
		b.row(invokeID, firstID, "scheduled", func(r emulator.Row) bool {
			return r.InvocationStatus == emulator.StatusScheduled && r.Repeats == run
		})
		if run < 2 {
			waitForWaiters(t, fake, 1)
			fake.Step(time.Minute)
		}
	}
	b.put(emulator.Scripted{ID: "t-told", RepeatMode: emulator.RepeatPeriod, Rows: []emulator.Row{{InstanceID: firstID, Repeats: 9}}})
	must(t, b.e.PutHistory(emulator.Row{InvokeID: "t-told", InstanceID: firstID, InvocationStatus: "Success", Repeats: 4}))
	for total, want := range map[bool][3]float64{false: {2, 1, 4}, true: {2, 2, 4}} {
		b.set(emulator.Settings{HistoryTotalRepeats: total})
		rows := r.call(t, list, "InvokeId", invokeID, "IncludeHistory", "true").rows(t)
		rows = append(rows, r.call(t, list, "InvokeId", "t-told", "IncludeHistory", "true").rows(t)...)
		if len(rows) != 3 {
			t.Fatalf("the histories are %v, want three rows", rows)
		}
		for n, row := range rows {
			if row["Repeats"] != want[n] {
				t.Errorf("historyTotalRepeats %v: Repeats of row %d is %v, want %v", total, n, row["Repeats"], want[n])
			}
		}
	}
}
