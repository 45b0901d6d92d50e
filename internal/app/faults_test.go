package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// manyInstances make three pages.
const manyInstances = 120

// metFault is a fault and what the operator makes of it.
type metFault struct {
	emulator.Fault
	// harmless: the answers still tell the truth, and the run ends while the fault lasts. Otherwise it ends once the
	// fault is over.
	harmless bool
	// rounds is how many questions meet the fault before anything else happens; 0 is 3.
	rounds int
}

// metFaults are all ways in which the emulator can misbehave in an answer of DescribeInvocationResults.
var metFaults = map[string]metFault{
	"a burst of server errors":           {Fault: emulator.Fault{Kind: emulator.FaultError, Code: "ServiceUnavailable"}},
	"an internal error":                  {Fault: emulator.Fault{Kind: emulator.FaultError, Code: "InternalError.Dispatch"}},
	"throttling of the user":             {Fault: emulator.Fault{Kind: emulator.FaultError, Code: "Throttling.User", RetryAfter: time.Second}},
	"throttling of the API":              {Fault: emulator.Fault{Kind: emulator.FaultError, Code: "Throttling.Api", RetryAfter: time.Second}},
	"throttling":                         {Fault: emulator.Fault{Kind: emulator.FaultError, Code: "Throttling", RetryAfter: time.Second}},
	"a nonce used before":                {Fault: emulator.Fault{Kind: emulator.FaultError, Code: "SignatureNonceUsed"}},
	"latency":                            {Fault: emulator.Fault{Kind: emulator.FaultLatency, Delay: 300 * time.Millisecond}, harmless: true},
	"a connection that hangs":            {Fault: emulator.Fault{Kind: emulator.FaultHang}, rounds: 1},
	"a connection that is cut":           {Fault: emulator.Fault{Kind: emulator.FaultCut}},
	"an empty answer with status 200":    {Fault: emulator.Fault{Kind: emulator.FaultEmpty}},
	"a page of HTML from a proxy":        {Fault: emulator.Fault{Kind: emulator.FaultHTML}},
	"truncated JSON":                     {Fault: emulator.Fault{Kind: emulator.FaultTruncated}},
	"a number as Code":                   {Fault: emulator.Fault{Kind: emulator.FaultNumericCode}},
	"a page that vanishes in the middle": {Fault: emulator.Fault{Kind: emulator.FaultLosePage}},
	"a page token that is refused":       {Fault: emulator.Fault{Kind: emulator.FaultError, Code: "InvalidParameter.NextToken", Match: continues}},
	"a server error in the middle":       {Fault: emulator.Fault{Kind: emulator.FaultError, Code: "InternalError", Match: continues}},
	"a connection cut in the middle":     {Fault: emulator.Fault{Kind: emulator.FaultCut, Match: continues}},
	"an empty answer in the middle":      {Fault: emulator.Fault{Kind: emulator.FaultEmpty, Match: continues}},
	"an answer that drips, and is cut":   {Fault: emulator.Fault{Kind: emulator.FaultDrip, Delay: 50 * time.Millisecond}},
	"an answer called HTML":              {Fault: emulator.Fault{Kind: emulator.FaultContentType}, harmless: true},
	"an answer without RequestId":        {Fault: emulator.Fault{Kind: emulator.FaultNoRequestID}},
	"tags as a bare array":               {Fault: emulator.Fault{Kind: emulator.FaultBareTags}, harmless: true},
	"every row twice":                    {Fault: emulator.Fault{Kind: emulator.FaultDuplicateRows}, harmless: true},
	"rows in reverse":                    {Fault: emulator.Fault{Kind: emulator.FaultReversePage}, harmless: true},
	"rows without order":                 {Fault: emulator.Fault{Kind: emulator.FaultShuffle}, harmless: true},
	"elements of a later version":        {Fault: emulator.Fault{Kind: emulator.FaultUnknownElements}, harmless: true},
	"a status nobody knows":              {Fault: emulator.Fault{Kind: emulator.FaultUnknownStatus}},
	"an exit code that is null":          {Fault: emulator.Fault{Kind: emulator.FaultExitCodeNull}, harmless: true},
	"an exit code that is empty":         {Fault: emulator.Fault{Kind: emulator.FaultExitCodeEmpty}, harmless: true},
	"an exit code as text":               {Fault: emulator.Fault{Kind: emulator.FaultExitCodeText}, harmless: true},
	"throttling in the middle of a walk": {Fault: emulator.Fault{Kind: emulator.FaultError, RetryAfter: time.Second, Match: continues}},
}

// continues matches the calls for any page but the first.
func continues(c *emulator.Call) bool { return c.Parameter("NextToken") != "" }

// The operator meets every fault in the middle of a run of 120 instances. Whatever the API answers, no status on the
// way is wrong, nothing panics, nothing is asked in a hot loop, and the run ends as it did end.
func TestTheOperatorMeetsEveryFault(t *testing.T) {
	met := map[emulator.FaultKind]bool{}
	for _, fault := range metFaults {
		met[fault.Kind] = true
	}
	for _, kind := range emulator.FaultKinds() {
		if !met[kind] {
			t.Errorf("the operator never meets the fault %s", kind)
		}
	}
	for name, fault := range metFaults {
		t.Run(name, func(t *testing.T) {
			const id = "t-fault"
			w := newRunningWorld(t)
			rows := make([]emulator.Row, manyInstances)
			for n := range rows {
				rows[n] = running(n + 1)
			}
			w.script(t, id, rows...)
			w.apply(t, "fault", fmt.Sprintf("{regionID: %s, invokeID: %s, polling: {minIntervalSeconds: 1, maxIntervalSeconds: 1}}", region, id))
			whole := w.until(t, "fault", "Running on all instances", func(result *v1alpha1.InvocationResult) bool {
				return result.Status.Summary != nil && result.Status.Summary.Total == manyInstances
			})

			fault.Action = "DescribeInvocationResults"
			began, before := time.Now(), w.calls(id)
			clearFault := w.inject(t, fault.Fault)
			defer clearFault()
			for n := range manyInstances {
				w.update(t, id, n+1, succeed)
			}
			met := before + max(fault.rounds, 1)
			if fault.rounds == 0 {
				met = before + 3
			}
			w.untilCalled(t, id, met)
			if !fault.harmless {
				clearFault()
			}
			last := w.untilReason(t, "fault", v1alpha1.ReasonSucceeded)
			for _, result := range w.recorder.since(last.Name, whole.ResourceVersion) {
				ready := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionReady)
				if ready.Reason != v1alpha1.ReasonRunning && ready.Reason != v1alpha1.ReasonSucceeded {
					t.Errorf("the fault made the status %s: %s", ready.Reason, ready.Message)
				}
				if total := result.Status.Summary.Total; total != manyInstances {
					t.Errorf("the fault made it a run of %d instances", total)
				}
			}
			if *last.Status.Summary != (v1alpha1.InvocationSummary{Total: manyInstances, Succeeded: manyInstances}) {
				t.Errorf("the run ended as %+v", *last.Status.Summary)
			}
			// Three pages a second is what the resource asks for; twice that leaves room for repeated pages.
			if most := 6 * (time.Since(began).Seconds() + 2); float64(w.calls(id)-before) > most {
				t.Errorf("%d calls in %v", w.calls(id)-before, time.Since(began))
			}
		})
	}
}

// A quota that a neighbour has used up delays the news and changes nothing else. While it is used up the operator
// does not go on asking.
func TestAQuotaThatANeighbourUsesUp(t *testing.T) {
	const quota, runs = 12, 3
	w := newRunningWorld(t)
	for n := range runs {
		id := fmt.Sprintf("t-quota%d", n)
		w.script(t, id, running(1))
		w.apply(t, fmt.Sprintf("quota-%d", n), fmt.Sprintf("{regionID: %s, invokeID: %s, polling: {minIntervalSeconds: 1, maxIntervalSeconds: 1}}", region, id))
		w.untilReason(t, fmt.Sprintf("quota-%d", n), v1alpha1.ReasonRunning)
	}
	// The minute turns soon, whenever this test began.
	now := time.Now()
	if err := w.cloud.Advance(now.Truncate(time.Minute).Add(time.Minute + 45*time.Second).Sub(now)); err != nil {
		t.Fatal(err)
	}
	if err := w.cloud.SetQuotas(emulator.Quota{Action: "DescribeInvocationResults", PerMinute: quota}); err != nil {
		t.Fatal(err)
	}
	neighbour := w.ecs(t)
	for refused := false; !refused; {
		_, err := neighbour.DescribeInvocationResults(ecs.CreateDescribeInvocationResultsRequest())
		refused = err != nil
	}
	before := w.cloud.Calls().Total("DescribeInvocationResults")
	for n := range runs {
		w.update(t, fmt.Sprintf("t-quota%d", n), 1, succeed)
	}
	for n := range runs {
		name := fmt.Sprintf("quota-%d", n)
		w.untilReason(t, name, v1alpha1.ReasonSucceeded)
		for _, version := range w.recorder.since(name, "") {
			ready := meta.FindStatusCondition(version.Status.Conditions, v1alpha1.ConditionReady)
			if ready != nil && ready.Reason != v1alpha1.ReasonPending && ready.Reason != v1alpha1.ReasonRunning && ready.Reason != v1alpha1.ReasonSucceeded {
				t.Errorf("the quota made the status %s: %s", ready.Reason, ready.Message)
			}
		}
	}
	// One call finds the quota used up, others may be on their way then; the rest is after the minute has turned.
	if calls := w.cloud.Calls().Total("DescribeInvocationResults") - before; calls > 2*runs+quota {
		t.Errorf("%d calls to learn of %d ends under a quota of %d", calls, runs, quota)
	}
}

// Right after RunCommand the API shows nothing, then the rows one by one: a run is not over when those seen are.
func TestRowsThatAppearOneByOne(t *testing.T) {
	w := newRunningWorld(t)
	w.cloud.SetVisibilityLag(2*time.Second, 3*time.Second)
	id := w.runCommand(t, 3, "exit 0", nil)
	w.apply(t, "lag", fmt.Sprintf("{regionID: %s, invokeID: %s, polling: {minIntervalSeconds: 1, maxIntervalSeconds: 1}}", region, id))
	last := w.untilReason(t, "lag", v1alpha1.ReasonSucceeded)
	if *last.Status.Summary != (v1alpha1.InvocationSummary{Total: 3, Succeeded: 3}) {
		t.Errorf("the run ended as %+v, want three that succeeded", *last.Status.Summary)
	}
	for _, version := range w.recorder.since("lag", "") {
		if meta.IsStatusConditionTrue(version.Status.Conditions, v1alpha1.ConditionCompleted) && version.Status.Summary.Total != 3 {
			t.Errorf("Completed with %d of 3 instances", version.Status.Summary.Total)
		}
	}
}

// A value of InvocationStatus that nobody knows is shown, and is no end.
func TestAStatusNobodyKnows(t *testing.T) {
	w := newRunningWorld(t)
	w.script(t, "t-unknown", running(1))
	w.apply(t, "unknown", fmt.Sprintf("{regionID: %s, invokeID: t-unknown, polling: {minIntervalSeconds: 1, maxIntervalSeconds: 1}}", region))
	w.untilReason(t, "unknown", v1alpha1.ReasonRunning)
	if err := w.cloud.OverrideStatus("t-unknown", instance(1), "Hibernating"); err != nil {
		t.Fatal(err)
	}
	shown := w.until(t, "unknown", "Hibernating", func(result *v1alpha1.InvocationResult) bool {
		return result.Status.Instances[0].Status == "Hibernating"
	})
	if meta.IsStatusConditionTrue(shown.Status.Conditions, v1alpha1.ConditionCompleted) || shown.Status.Summary.Other != 1 {
		t.Errorf("a status nobody knows made it %+v, %+v", shown.Status.Conditions, shown.Status.Summary)
	}
	if err := w.cloud.OverrideStatus("t-unknown", instance(1), ""); err != nil {
		t.Fatal(err)
	}
	w.update(t, "t-unknown", 1, succeed)
	w.untilReason(t, "unknown", v1alpha1.ReasonSucceeded)
}
