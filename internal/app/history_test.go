package app_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

const (
	scheduleID = "t-schedule"
	// historyKept is spec.historyLimit.
	historyKept = 20
)

// runsOf are the numbers of the earlier runs that a result shows, in its order.
func runsOf(result *v1alpha1.InvocationResult) []int64 {
	var runs []int64
	for _, run := range result.Status.History {
		runs = append(runs, run.Repeats)
	}
	return runs
}

// newest are the numbers of the runs that are to be shown once the last-th has ended.
func newest(last int64) []int64 {
	runs := make([]int64, historyKept)
	for n := range runs {
		runs[n] = last - int64(n)
	}
	return runs
}

// addRun adds the row of a past run.
func (w *world) addRun(t *testing.T, n int) {
	t.Helper()
	row := pastRun(n)
	row.InvokeID = scheduleID
	if err := w.cloud.PutHistory(row); err != nil {
		t.Fatal(err)
	}
}

// live has the live row tell of a run: one that goes on, or one that ended, after which it waits for the next.
func (w *world) live(t *testing.T, n int, status string) {
	t.Helper()
	w.update(t, scheduleID, 1, func(row *emulator.Row) {
		row.InvocationStatus, row.Repeats, row.StartTime = status, n, pastRun(n).StartTime
	})
}

// untilNewest waits until the earlier runs are those up to the last-th.
func (w *world) untilNewest(t *testing.T, last int64) *v1alpha1.InvocationResult {
	t.Helper()
	return w.until(t, "schedule", fmt.Sprintf("showing the runs up to %d", last), func(result *v1alpha1.InvocationResult) bool {
		return slices.Equal(runsOf(result), newest(last))
	})
}

// askAgain forces a reconcile, and returns what the result became.
func (w *world) askAgain(t *testing.T, name, value string) *v1alpha1.InvocationResult {
	t.Helper()
	w.run(t, "annotate", "--overwrite", "ir/"+name, v1alpha1.AnnotationReconcileRequestedAt+"="+value)
	return w.until(t, name, "asked again", func(result *v1alpha1.InvocationResult) bool {
		return result.Status.LastHandledReconcileAt == value
	})
}

// checkHistory holds for every version of the result: the newest runs first, each once, no more than are kept, and the
// run that goes on apart.
func (w *world) checkHistory(t *testing.T) {
	t.Helper()
	for _, version := range w.recorder.since("schedule", "") {
		runs := runsOf(version)
		sorted := slices.IsSortedFunc(runs, func(a, b int64) int { return int(b - a) })
		if !sorted || len(slices.Compact(slices.Clone(runs))) != len(runs) || len(runs) > historyKept {
			t.Errorf("the history has been %v", runs)
		}
		for _, live := range version.Status.Instances {
			if live.Status == emulator.StatusRunning && slices.Contains(runs, live.Repeats) {
				t.Errorf("run %d goes on, and is among the earlier ones: %v", live.Repeats, runs)
			}
		}
		if meta.IsStatusConditionTrue(version.Status.Conditions, v1alpha1.ConditionCompleted) {
			t.Errorf("the schedule goes on, and is Completed: %+v", version.Status.Conditions)
		}
	}
}

// The history of a schedule is the newest runs, each once, in whatever order and how late the API gives them, and stays
// when the API has forgotten them.
func TestTheHistoryOfASchedule(t *testing.T) {
	for name, test := range map[string]struct {
		runs  int
		fault emulator.FaultKind
	}{
		"ten thousand runs": {runs: 10_000},
		"every row twice":   {runs: 500, fault: emulator.FaultDuplicateRows},
		"pages in reverse":  {runs: 500, fault: emulator.FaultReversePage},
		"without order":     {runs: 500, fault: emulator.FaultShuffle},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRunningWorld(t)
			waiting := pastRun(test.runs)
			waiting.InvocationStatus, waiting.Output = emulator.StatusScheduled, nil
			err := w.cloud.PutInvocation(emulator.Scripted{
				ID: scheduleID, RegionID: region, CreatedAt: longAgo, RepeatMode: emulator.RepeatPeriod, Rows: []emulator.Row{waiting},
			})
			if err != nil {
				t.Fatal(err)
			}
			for n := range test.runs {
				w.addRun(t, n+1)
			}
			if test.fault != "" {
				w.inject(t, emulator.Fault{Kind: test.fault})
			}
			last := test.runs
			w.apply(t, "schedule", fmt.Sprintf("{regionID: %s, invokeID: %s, includeHistory: true, historyLimit: %d, polling: {minIntervalSeconds: 1, maxIntervalSeconds: 1}}",
				region, scheduleID, historyKept))
			first := w.untilNewest(t, int64(last))
			if hidden := hiddenRuns(first); hidden == 0 || hidden > test.runs-historyKept || test.runs < 1000 && hidden != test.runs-historyKept {
				t.Errorf("%d earlier runs are said to be left out of %d", hidden, test.runs)
			}

			// The next run goes on: it is no earlier one. Nor does its end make it one before the API says so.
			w.live(t, last+1, emulator.StatusRunning)
			going := w.until(t, "schedule", "running again", func(result *v1alpha1.InvocationResult) bool {
				return result.Status.Instances[0].Status == emulator.StatusRunning
			})
			if diff := cmp.Diff(newest(int64(last)), runsOf(going)); diff != "" {
				t.Errorf("while a run goes on, the earlier ones are (-want +got):\n%s", diff)
			}
			// The rows of the history come late, the newer one first.
			w.addRun(t, last+2)
			w.live(t, last+2, emulator.StatusScheduled)
			w.until(t, "schedule", "showing the newer run", func(result *v1alpha1.InvocationResult) bool {
				return runsOf(result)[0] == int64(last+2)
			})
			w.addRun(t, last+1)
			w.addRun(t, last+3)
			w.live(t, last+3, emulator.StatusScheduled)
			w.untilNewest(t, int64(last+3))

			// The API keeps two runs only; the result all that it had.
			if err := w.cloud.SetRetention(emulator.Retention{MaxRecords: 2}); err != nil {
				t.Fatal(err)
			}
			w.addRun(t, last+4)
			w.live(t, last+4, emulator.StatusScheduled)
			kept := w.untilNewest(t, int64(last+4))
			w.stop()
			if err := w.cloud.ForgetInvocation(scheduleID); err != nil {
				t.Fatal(err)
			}
			w.start(t)
			after := w.askAgain(t, "schedule", "now")
			if diff := cmp.Diff(kept.Status.History, after.Status.History); diff != "" {
				t.Errorf("after a restart, when the API has forgotten them, the earlier runs are (-before +after):\n%s", diff)
			}
			if len(after.Status.Instances) != 1 || after.Status.Instances[0].Repeats != int64(last+4) {
				t.Errorf("the last that was known is %+v", after.Status.Instances)
			}
			w.checkHistory(t)
		})
	}
}
