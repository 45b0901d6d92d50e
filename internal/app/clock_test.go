package app_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
	// quick asks every second.
	quick = "minIntervalSeconds: 1, maxIntervalSeconds: 1"
)

// newClockWorld makes a world with one clock for the operator, which does not run yet, and the cloud: pass moves both.
func newClockWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.options.Clock = w.cloud.Clock()
	return w
}

// pass lets time pass at once, for the operator and for the cloud.
func (w *world) pass(t *testing.T, d time.Duration) {
	t.Helper()
	if err := w.cloud.Advance(d); err != nil {
		t.Fatal(err)
	}
}

// merge patches a result as an admin does.
func (w *world) merge(t *testing.T, name, patch string) {
	t.Helper()
	result := &v1alpha1.InvocationResult{}
	result.Namespace, result.Name = w.namespace, name
	if err := w.client.Patch(t.Context(), result, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

func (w *world) suspend(t *testing.T, name string, suspend bool) {
	t.Helper()
	w.merge(t, name, fmt.Sprintf(`{"spec":{"suspend":%v}}`, suspend))
}

// still says that a result stands where it did, by an answer that was begun from now on, or by the failure to get it.
func (w *world) still(t *testing.T, name, reason string) *v1alpha1.InvocationResult {
	t.Helper()
	request := w.cloud.Clock().Now().Format(time.RFC3339Nano)
	w.merge(t, name, fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationReconcileRequestedAt, request))
	result := w.until(t, name, "asked about anew", func(result *v1alpha1.InvocationResult) bool {
		return result.Status.LastHandledReconcileAt == request
	})
	if now := standing(result); now != reason {
		t.Fatalf("%s is %s, want it %s still: %+v", name, now, reason, result.Status.Conditions)
	}
	return result
}

// standing is the reason by which a result stands in its row of the table of conditions; empty before it was observed.
func standing(result *v1alpha1.InvocationResult) string {
	if c := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionReconciling); c != nil {
		switch c.Reason {
		case v1alpha1.ReasonThrottled, v1alpha1.ReasonAPIUnavailable:
			return c.Reason
		}
	}
	if ready := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return ""
}

// untilStanding waits until the result called row stands in a row of the table of conditions.
func (w *world) untilStanding(t *testing.T, reason string) *v1alpha1.InvocationResult {
	t.Helper()
	return w.until(t, "row", reason, func(result *v1alpha1.InvocationResult) bool { return standing(result) == reason })
}

// A deadline comes when the time that was not spent suspended is over, however long the suspension was.
func TestTheDeadlineDoesNotCountSuspendedTime(t *testing.T) {
	w := newClockWorld(t)
	w.start(t)
	w.script(t, "t-late", running(1))
	w.apply(t, "late", fmt.Sprintf("{regionID: %s, invokeID: t-late, polling: {%s, timeoutSeconds: 3600}}", region, quick))
	w.untilReason(t, "late", v1alpha1.ReasonRunning)
	w.pass(t, hour/2)
	w.still(t, "late", v1alpha1.ReasonRunning)

	w.suspend(t, "late", true)
	w.untilReason(t, "late", v1alpha1.ReasonSuspended)
	w.pass(t, 2*day)
	w.suspend(t, "late", false)
	w.untilReason(t, "late", v1alpha1.ReasonRunning)
	w.still(t, "late", v1alpha1.ReasonRunning)
	w.pass(t, hour/2-2*minute)
	w.still(t, "late", v1alpha1.ReasonRunning)
	w.pass(t, 2*minute+2*time.Second)
	w.untilReason(t, "late", v1alpha1.ReasonTimedOut)
	for _, version := range w.recorder.since("late", "") {
		ended := meta.IsStatusConditionTrue(version.Status.Conditions, v1alpha1.ConditionCompleted)
		if standing(version) == v1alpha1.ReasonSuspended && ended {
			t.Errorf("the suspension let it end: %+v", version.Status.Conditions)
		}
	}
}

// So does the time for records to appear.
func TestTheGraceTimeDoesNotCountSuspendedTime(t *testing.T) {
	w := newClockWorld(t)
	w.start(t)
	w.apply(t, "absent", fmt.Sprintf("{regionID: %s, invokeID: t-absent, polling: {%s}}", region, quick))
	w.untilReason(t, "absent", v1alpha1.ReasonAwaitingRecords)
	w.pass(t, 3*minute)
	w.still(t, "absent", v1alpha1.ReasonAwaitingRecords)
	w.suspend(t, "absent", true)
	w.untilReason(t, "absent", v1alpha1.ReasonSuspended)
	w.pass(t, hour)
	w.suspend(t, "absent", false)
	w.untilReason(t, "absent", v1alpha1.ReasonAwaitingRecords)
	w.still(t, "absent", v1alpha1.ReasonAwaitingRecords)
	w.pass(t, 2*minute+2*time.Second)
	w.untilReason(t, "absent", v1alpha1.ReasonNoRecords)
}

// Days of a time to live pass as seconds do, the operator's default for those without their own, across a restart.
func TestATimeToLiveOfDays(t *testing.T) {
	w := newClockWorld(t)
	w.options.DefaultTTL = 30 * day
	w.start(t)
	row := running(1)
	succeed(&row)
	w.script(t, "t-mortal", row)
	for name, ttl := range map[string]string{
		"week": ", ttlSecondsAfterFinished: 604800", "default": "", "quarter": ", ttlSecondsAfterFinished: 7776000",
	} {
		w.apply(t, name, fmt.Sprintf("{regionID: %s, invokeID: t-mortal%s}", region, ttl))
		w.untilReason(t, name, v1alpha1.ReasonSucceeded)
	}
	w.pass(t, 7*day-hour)
	w.still(t, "week", v1alpha1.ReasonSucceeded)
	w.pass(t, hour)
	w.run(t, "wait", "ir/week", "--for=delete", "--timeout=90s")

	w.stop()
	w.pass(t, 22*day)
	w.start(t)
	w.still(t, "default", v1alpha1.ReasonSucceeded)
	w.pass(t, day)
	w.run(t, "wait", "ir/default", "--for=delete", "--timeout=90s")
	// Meanwhile the API has forgotten the run, and the result has not.
	w.still(t, "quarter", v1alpha1.ReasonSucceeded)
}

// What is held is not deleted, nor is it when it goes on: a result that timed out has its whole time to live from then.
func TestATimeToLiveDoesNotCountSuspendedTime(t *testing.T) {
	w := newClockWorld(t)
	w.start(t)
	w.script(t, "t-held", running(1))
	const spec = "{regionID: %s, invokeID: t-held, ttlSecondsAfterFinished: 86400, polling: {%s, timeoutSeconds: 3600}}"
	w.apply(t, "held", fmt.Sprintf(spec, region, quick))
	w.untilReason(t, "held", v1alpha1.ReasonRunning)
	w.pass(t, hour)
	w.untilReason(t, "held", v1alpha1.ReasonTimedOut)
	w.suspend(t, "held", true)
	w.untilReason(t, "held", v1alpha1.ReasonSuspended)
	w.pass(t, 3*day)
	w.suspend(t, "held", false)
	w.untilReason(t, "held", v1alpha1.ReasonTimedOut)
	w.still(t, "held", v1alpha1.ReasonTimedOut)
	w.pass(t, day-hour)
	w.still(t, "held", v1alpha1.ReasonTimedOut)
	w.pass(t, hour)
	w.run(t, "wait", "ir/held", "--for=delete", "--timeout=90s")
}
