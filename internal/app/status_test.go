package app_test

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// checkStatus holds for every status ever written: what kstatus and kubectl wait rely on.
func checkStatus(t *testing.T, result *v1alpha1.InvocationResult) {
	t.Helper()
	status := &result.Status
	if status.ObservedGeneration == -1 {
		if verdict := judge(t, result); len(status.Conditions) > 0 || verdict != kstatus.InProgressStatus {
			t.Errorf("%s was never observed, is judged %s, and has the conditions %+v", result.Name, verdict, status.Conditions)
		}
		return
	}
	is := func(condition string) metav1.ConditionStatus {
		found := meta.FindStatusCondition(status.Conditions, condition)
		if found == nil {
			return ""
		}
		if found.ObservedGeneration != status.ObservedGeneration {
			t.Errorf("%s: %s is of generation %d, the status of %d", result.Name, condition, found.ObservedGeneration, status.ObservedGeneration)
		}
		if found.Message == "" {
			t.Errorf("%s: %s has no message", result.Name, condition)
		}
		return found.Status
	}
	for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionCompleted, v1alpha1.ConditionSucceeded} {
		if is(condition) == "" {
			t.Errorf("%s: there is no %s condition", result.Name, condition)
		}
	}
	for _, condition := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionSuspended} {
		if present := is(condition); present != "" && present != metav1.ConditionTrue {
			t.Errorf("%s: %s is %s; it exists only while True", result.Name, condition, present)
		}
	}
	ready := is(v1alpha1.ConditionReady) == metav1.ConditionTrue
	explained := is(v1alpha1.ConditionReconciling) != "" || is(v1alpha1.ConditionStalled) != "" || is(v1alpha1.ConditionSuspended) != ""
	if !ready && !explained {
		t.Errorf("%s is not Ready, and nothing says whether that passes: %+v", result.Name, status.Conditions)
	}
	checkJudgement(t, result)
}

// checkJudgement holds for every status: a success has an exit code of 0, and no judge calls a result current before it
// is, nor lets anybody wait after the end.
func checkJudgement(t *testing.T, result *v1alpha1.InvocationResult) {
	t.Helper()
	verdict := judge(t, result)
	ready := meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionReady)
	ended := meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionCompleted)
	suspended := meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionSuspended)
	succeeded := meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionSucceeded)
	seen := result.Status.ObservedGeneration == result.Generation
	if code := result.Status.ExitCode; ended && succeeded && (code == nil || *code != 0 || len(result.Status.Instances) == 0) {
		t.Errorf("%s succeeded with exit code %v and %d instances", result.Name, code, len(result.Status.Instances))
	}
	if verdict == kstatus.CurrentStatus && (!ready || !seen) {
		t.Errorf("%s is judged current: %+v", result.Name, result.Status.Conditions)
	}
	if verdict == kstatus.InProgressStatus && ended && seen && !suspended {
		t.Errorf("%s has ended and is judged in progress: %+v", result.Name, result.Status.Conditions)
	}
}

// checkTruth holds for every status: a command is said to have ended when it has, on every instance asked about, and to
// have succeeded when it did. Of a run that the cloud has forgotten there is no telling.
func checkTruth(t *testing.T, cloud *emulator.Emulator, result *v1alpha1.InvocationResult) {
	t.Helper()
	completed := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionCompleted)
	if completed == nil {
		return
	}
	if !slices.Contains([]string{v1alpha1.ReasonSucceeded, v1alpha1.ReasonCommandFailed, v1alpha1.ReasonStopped}, completed.Reason) {
		return
	}
	truth := map[cloudassistant.Outcome]int{}
	rows := 0
	for _, row := range cloud.Rows(result.Status.InvokeID) {
		if result.Spec.InstanceID == "" || row.InstanceID == result.Spec.InstanceID {
			truth[cloudassistant.InvocationStatus(row.InvocationStatus).Outcome()]++
			rows++
		}
	}
	if rows == 0 {
		return
	}
	failed, stopped := truth[cloudassistant.OutcomeFailed] > 0, truth[cloudassistant.OutcomeStopped] > 0
	ended := truth[cloudassistant.OutcomeFailed]+truth[cloudassistant.OutcomeStopped]+truth[cloudassistant.OutcomeSucceeded] == rows
	want := v1alpha1.ReasonSucceeded
	switch {
	case failed:
		want = v1alpha1.ReasonCommandFailed
	case stopped:
		want = v1alpha1.ReasonStopped
	}
	if !ended || completed.Reason != want {
		t.Errorf("%s is %s, but the outcomes of %s are %v", result.Name, completed.Reason, result.Status.InvokeID, truth)
	}
}

// checkChange holds from one version of a result to the next: a transition time moves on a transition only, and
// whoever waits for a scheduled run is not sent back to waiting, unless spec changes or an answer is overdue.
func checkChange(t *testing.T, before, after *v1alpha1.InvocationResult) {
	t.Helper()
	for _, condition := range after.Status.Conditions {
		earlier := meta.FindStatusCondition(before.Status.Conditions, condition.Type)
		if earlier != nil && earlier.Status == condition.Status && !earlier.LastTransitionTime.Equal(&condition.LastTransitionTime) {
			t.Errorf("%s: the transition time of %s moved without a transition: %+v, then %+v", after.Name, condition.Type, *earlier, condition)
		}
		if earlier != nil && condition.LastTransitionTime.Before(&earlier.LastTransitionTime) {
			t.Errorf("%s: the transition time of %s went back: %+v, then %+v", after.Name, condition.Type, *earlier, condition)
		}
	}
	overdue := standing(after) == v1alpha1.ReasonThrottled || standing(after) == v1alpha1.ReasonAPIUnavailable
	if standing(before) == v1alpha1.ReasonScheduled && before.Status.ObservedGeneration == after.Status.ObservedGeneration &&
		after.Status.ObservedGeneration == after.Generation && !overdue && judge(t, after) == kstatus.InProgressStatus {
		t.Errorf("%s is scheduled, and judged in progress again: %+v", after.Name, after.Status.Conditions)
	}
}
