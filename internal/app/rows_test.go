package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// rowID is the run of the result called row.
const rowID = "t-row"

// observe applies the result called row, with a polling of its own.
func (w *world) observe(t *testing.T, invokeID, polling string) {
	t.Helper()
	w.apply(t, "row", fmt.Sprintf("{regionID: %s, invokeID: %s, polling: {%s}}", region, invokeID, polling))
}

func (w *world) refuse(t *testing.T, code string) {
	t.Helper()
	w.inject(t, emulator.Fault{
		Kind: emulator.FaultError, Action: "DescribeInvocationResults", Code: code, RetryAfter: time.Second,
	})
}

func reachPending(t *testing.T, w *world) {
	t.Helper()
	w.refuse(t, "ServiceUnavailable")
	w.script(t, rowID, running(1))
	w.observe(t, rowID, quick)
}

func reachRunning(t *testing.T, w *world) {
	t.Helper()
	w.script(t, rowID, running(1), running(2))
	w.observe(t, rowID, quick)
	w.untilReason(t, "row", v1alpha1.ReasonRunning)
}

func reachSucceeded(t *testing.T, w *world) {
	t.Helper()
	reachRunning(t, w)
	endRow(t, w)
}

func reachCommandFailed(t *testing.T, w *world) {
	t.Helper()
	reachRunning(t, w)
	w.update(t, rowID, 1, succeed)
	w.update(t, rowID, 2, func(row *emulator.Row) {
		succeed(row)
		three := int64(3)
		row.InvocationStatus, row.ExitCode, row.ErrorCode = "Failed", &three, "ExitCodeNonzero"
	})
}

func reachStopped(t *testing.T, w *world) {
	t.Helper()
	id := w.runCommand(t, 1, "sleep 3600", func(request *ecs.RunCommandRequest) { request.Timeout = requests.NewInteger(7200) })
	w.observe(t, id, quick)
	w.untilReason(t, "row", v1alpha1.ReasonRunning)
	w.pass(t, minute) // It is no young run any more.
	stop := ecs.CreateStopInvocationRequest()
	stop.InvokeId = id
	if _, err := w.ecs(t).StopInvocation(stop); err != nil {
		t.Fatal(err)
	}
}

func reachScheduled(t *testing.T, w *world) {
	t.Helper()
	w.schedule(t)
	w.observe(t, rowID, quick)
}

func reachAwaitingRecords(t *testing.T, w *world) {
	t.Helper()
	w.observe(t, rowID, quick)
}

func reachNoRecords(t *testing.T, w *world) {
	t.Helper()
	reachAwaitingRecords(t, w)
	w.untilReason(t, "row", v1alpha1.ReasonAwaitingRecords)
	w.pass(t, 3*minute)
	w.still(t, "row", v1alpha1.ReasonAwaitingRecords)
	w.pass(t, 2*minute)
}

func reachRecordsExpired(t *testing.T, w *world) {
	t.Helper()
	reachRunning(t, w)
	if err := w.cloud.ForgetInvocation(rowID); err != nil {
		t.Fatal(err)
	}
	w.still(t, "row", v1alpha1.ReasonRunning)
	w.pass(t, 3*minute)
	w.still(t, "row", v1alpha1.ReasonRunning)
	w.pass(t, 2*minute)
}

func reachAmbiguousMatch(t *testing.T, w *world) {
	t.Helper()
	for _, id := range []string{rowID, "t-other"} {
		run := emulator.Scripted{
			ID: id, RegionID: region, CreatedAt: longAgo,
			Tags: []emulator.Tag{{Key: "deploy", Value: "1"}}, Rows: []emulator.Row{running(1)},
		}
		if err := w.cloud.PutInvocation(run); err != nil {
			t.Fatal(err)
		}
	}
	w.apply(t, "row", fmt.Sprintf("{regionID: %s, match: {tags: [{key: deploy, value: '1'}]}, polling: {%s}}", region, quick))
}

func reachAccessDenied(t *testing.T, w *world) {
	t.Helper()
	reachRunning(t, w)
	w.refuse(t, "Forbidden.RAM")
}

func reachInvalidQuery(t *testing.T, w *world) {
	t.Helper()
	w.script(t, rowID, running(1))
	w.refuse(t, "InvalidRegionId.NotFound")
	w.observe(t, rowID, quick)
}

func reachTimedOut(t *testing.T, w *world) {
	t.Helper()
	w.script(t, rowID, running(1), running(2))
	w.observe(t, rowID, quick+", timeoutSeconds: 3600")
	w.untilReason(t, "row", v1alpha1.ReasonRunning)
	w.pass(t, hour-2*minute)
	w.still(t, "row", v1alpha1.ReasonRunning)
	w.pass(t, 2*minute)
}

func reachSuspended(t *testing.T, w *world) {
	t.Helper()
	reachRunning(t, w)
	w.suspend(t, "row", true)
}

func reachThrottled(t *testing.T, w *world) {
	t.Helper()
	reachOverdue(t, w, "Throttling.User")
}

func reachAPIUnavailable(t *testing.T, w *world) {
	t.Helper()
	reachOverdue(t, w, "ServiceUnavailable")
}

// reachOverdue is a minute short of two minutes without the answer that is due, and then beyond.
func reachOverdue(t *testing.T, w *world, code string) {
	t.Helper()
	reachRunning(t, w)
	w.refuse(t, code)
	w.still(t, "row", v1alpha1.ReasonRunning)
	w.pass(t, minute)
	w.still(t, "row", v1alpha1.ReasonRunning)
	w.pass(t, minute+2*time.Second)
}

// The ways out of the rows. Time passes until even a question that has little hope of news is asked again.

const nowAndThen = 35 * minute

// settle waits for an answer that is begun from now on: one that is on its way would put off the next.
func settle(t *testing.T, w *world) {
	t.Helper()
	result := w.until(t, "row", "there", func(*v1alpha1.InvocationResult) bool { return true })
	w.still(t, "row", standing(result))
}

func clearFaults(t *testing.T, w *world) {
	t.Helper()
	w.cloud.ClearFaults()
	w.pass(t, nowAndThen)
}

func endRow(t *testing.T, w *world) {
	t.Helper()
	settle(t, w)
	for n := range w.cloud.Rows(rowID) {
		w.update(t, rowID, n+1, succeed)
	}
	w.pass(t, nowAndThen)
}

func appear(t *testing.T, w *world) {
	t.Helper()
	settle(t, w)
	w.script(t, rowID, running(1))
	w.pass(t, nowAndThen)
}

func expireOther(t *testing.T, w *world) {
	t.Helper()
	settle(t, w)
	if err := w.cloud.ForgetInvocation("t-other"); err != nil {
		t.Fatal(err)
	}
	w.pass(t, nowAndThen)
}

func resume(t *testing.T, w *world) {
	t.Helper()
	w.suspend(t, "row", false)
}

// An answer is overdue after three planned rounds, where these take longer than two minutes.
func TestThreePlannedRounds(t *testing.T) {
	w := newClockWorld(t)
	w.start(t)
	w.script(t, rowID, running(1))
	w.observe(t, rowID, "minIntervalSeconds: 300, maxIntervalSeconds: 300")
	w.untilReason(t, "row", v1alpha1.ReasonRunning)
	w.refuse(t, "ServiceUnavailable")
	// One round until it is due, three until it is overdue.
	w.pass(t, 18*minute)
	w.still(t, "row", v1alpha1.ReasonRunning)
	w.pass(t, 2*minute)
	conditionsTable[v1alpha1.ReasonAPIUnavailable].check(t, w, v1alpha1.ReasonAPIUnavailable)
}

// Credentials that are refused take nothing back: neither that a command goes on, nor that the question is invalid.
func TestARefusalTakesNoEndBack(t *testing.T) {
	w := newClockWorld(t)
	w.start(t)
	reachInvalidQuery(t, w)
	conditionsTable[v1alpha1.ReasonInvalidQuery].check(t, w, v1alpha1.ReasonInvalidQuery)
	w.cloud.ClearFaults()
	w.refuse(t, "Forbidden.RAM")
	w.pass(t, nowAndThen)
	refused := conditionsTable[v1alpha1.ReasonAccessDenied]
	refused.over, refused.completed = v1alpha1.ReasonInvalidQuery, yes
	refused.check(t, w, v1alpha1.ReasonAccessDenied)
	w.outlive(t, v1alpha1.ReasonAccessDenied)
	clearFaults(t, w)
	conditionsTable[v1alpha1.ReasonRunning].check(t, w, v1alpha1.ReasonRunning)
}
