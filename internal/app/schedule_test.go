package app_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// schedule puts a scheduled command into the cloud that has not run yet.
func (w *world) schedule(t *testing.T) {
	t.Helper()
	command := emulator.Scripted{
		ID: rowID, RegionID: region, CreatedAt: longAgo, RepeatMode: emulator.RepeatPeriod,
		Rows: []emulator.Row{{InstanceID: instance(1), InvocationStatus: emulator.StatusScheduled}},
	}
	if err := w.cloud.PutInvocation(command); err != nil {
		t.Fatal(err)
	}
}

// turn begins the nth run, or ends it with an exit code, and waits until the result called row shows that. The row keeps
// the exit code of the run before until a run ends, as the API's does.
func (w *world) turn(t *testing.T, n int, status string, exitCode int64) *v1alpha1.InvocationResult {
	t.Helper()
	now := w.cloud.Clock().Now()
	w.update(t, rowID, 1, func(row *emulator.Row) {
		row.InvocationStatus = status
		if status == emulator.StatusRunning {
			row.Repeats, row.StartTime, row.FinishedTime = n, now, time.Time{}
			return
		}
		row.ExitCode, row.FinishedTime = &exitCode, now
	})
	w.pass(t, minute/2)
	return w.until(t, "row", fmt.Sprintf("%s in run %d", status, n), func(result *v1alpha1.InvocationResult) bool {
		shown := result.Status.Instances[0]
		return shown.Status == status && int(shown.Repeats) == n
	})
}

// Whoever waits for a scheduled command to be in place is never sent back to waiting, and sees no transition at all,
// between and during fifty runs.
func TestFiftyRunsOfASchedule(t *testing.T) {
	const runs = 50
	w := newClockWorld(t)
	w.start(t)
	reachScheduled(t, w)
	first := w.untilReason(t, "row", v1alpha1.ReasonScheduled)
	w.turn(t, 1, emulator.StatusRunning, 0)
	whole := w.turn(t, 1, emulator.StatusScheduled, 0)
	last := whole
	for n := 2; n <= runs; n++ {
		w.turn(t, n, emulator.StatusRunning, 0)
		last = w.turn(t, n, emulator.StatusScheduled, 0)
	}
	versions := w.recorder.between(t, whole, last)
	if len(versions) != 2*(runs-1) {
		t.Errorf("%d runs were told in %d versions, want one for each begin and each end", runs-1, len(versions))
	}
	for _, version := range versions {
		if verdict := judge(t, version); verdict != kstatus.CurrentStatus || standing(version) != v1alpha1.ReasonScheduled {
			t.Errorf("between the runs it is %s and judged %s", standing(version), verdict)
		}
		for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionCompleted, v1alpha1.ConditionSucceeded} {
			now := meta.FindStatusCondition(version.Status.Conditions, condition)
			before := meta.FindStatusCondition(whole.Status.Conditions, condition)
			if *now != *before {
				t.Errorf("%s changed from %+v to %+v", condition, *before, *now)
			}
		}
	}
	ready := meta.FindStatusCondition(first.Status.Conditions, v1alpha1.ConditionReady)
	if again := meta.FindStatusCondition(whole.Status.Conditions, v1alpha1.ConditionReady); !again.LastTransitionTime.Equal(&ready.LastTransitionTime) {
		t.Errorf("Ready changed from %+v to %+v when the first run ended", *ready, *again)
	}
}

// A failed run is an event and Succeeded False, not a loss of Ready. What lies over a schedule leaves Completed and
// Succeeded as they were.
func TestAFailedRunOfASchedule(t *testing.T) {
	w := newClockWorld(t)
	w.start(t)
	reachScheduled(t, w)
	scheduled := conditionsTable[v1alpha1.ReasonScheduled]
	expect := func(when, reason, want string, verdict kstatus.Status) {
		t.Helper()
		result := w.untilStanding(t, reason)
		got := ""
		for _, c := range result.Status.Conditions {
			got += fmt.Sprintf("%s=%s/%s ", c.Type, c.Status, c.Reason)
		}
		if got != want {
			t.Errorf("%s the conditions are %s, want %s", when, got, want)
		}
		if judged := judge(t, result); judged != verdict {
			t.Errorf("%s it is judged %s, want %s", when, judged, verdict)
		}
	}
	scheduled.check(t, w, v1alpha1.ReasonScheduled)
	w.turn(t, 1, emulator.StatusRunning, 0)
	scheduled.check(t, w, v1alpha1.ReasonScheduled)

	const bad = "Completed=False/Scheduled Succeeded=False/CommandFailed "
	w.turn(t, 1, emulator.StatusScheduled, 7)
	expect("after a failed run", v1alpha1.ReasonScheduled, "Ready=True/Scheduled "+bad, current)
	if event := w.untilEvent(t, "RunFailed", instance(1)+" exit 7"); event.Type != warning {
		t.Errorf("a failed run is told by a %s event", event.Type)
	}
	w.turn(t, 2, emulator.StatusRunning, 0)
	expect("during the next run", v1alpha1.ReasonScheduled, "Ready=True/Scheduled "+bad, current)

	w.refuse(t, "Forbidden.RAM")
	w.pass(t, minute)
	expect("while refused", v1alpha1.ReasonAccessDenied, "Ready=False/AccessDenied "+bad+"Stalled=True/AccessDenied ", failed)
	clearFaults(t, w)
	expect("refused no more", v1alpha1.ReasonScheduled, "Ready=True/Scheduled "+bad, current)
	w.suspend(t, "row", true)
	expect("while suspended", v1alpha1.ReasonSuspended, "Ready=False/Suspended "+bad+"Suspended=True/Suspended ", inProgress)
	w.pass(t, 3*day)
	w.suspend(t, "row", false)
	expect("resumed", v1alpha1.ReasonScheduled, "Ready=True/Scheduled "+bad, current)
	w.refuse(t, "ServiceUnavailable")
	w.still(t, "row", v1alpha1.ReasonScheduled)
	w.pass(t, 3*minute)
	expect("while away", v1alpha1.ReasonAPIUnavailable, "Ready=True/Scheduled "+bad+"Reconciling=True/APIUnavailable ", inProgress)
	clearFaults(t, w)
	expect("back again", v1alpha1.ReasonScheduled, "Ready=True/Scheduled "+bad, current)

	w.turn(t, 2, emulator.StatusScheduled, 0)
	expect("after a good run", v1alpha1.ReasonScheduled, "Ready=True/Scheduled Completed=False/Scheduled Succeeded=True/Succeeded ", current)
}
