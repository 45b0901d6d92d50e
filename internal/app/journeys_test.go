package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// readmeStep is the step that the README offers to paste, with the name of the result put in.
func readmeStep(t *testing.T, name string) string {
	t.Helper()
	step := snippet(t, "pipeline-step")
	if !strings.Contains(step, "patch-web") {
		t.Fatalf("the README's pipeline step does not name patch-web:\n%s", step)
	}
	return strings.ReplaceAll(step, "patch-web", name)
}

func TestACommandOfWhichOneInstanceFails(t *testing.T) {
	w := newRunningWorld(t)
	id := w.runCommand(t, 3, `echo "out of {{ACS::InstanceId}}"; case {{ACS::InstanceId}} in *2) exit 3;; esac`, nil)
	w.apply(t, "upgrade", fmt.Sprintf("{regionID: %s, invokeID: %s}", region, id))

	w.run(t, "wait", "invocationresult/upgrade", "--for=condition=Completed", "--timeout=90s")
	w.run(t, "wait", "ir/upgrade", "--for=condition=Succeeded=False", "--timeout=5s")
	result := w.untilReason(t, "upgrade", v1alpha1.ReasonCommandFailed)
	status := result.Status

	if status.ExitCode == nil || *status.ExitCode != 3 {
		t.Errorf("status.exitCode is %v, want 3", status.ExitCode)
	}
	if want := (v1alpha1.InvocationSummary{Total: 3, Succeeded: 2, Failed: 1}); *status.Summary != want {
		t.Errorf("status.summary is %+v, want %+v", *status.Summary, want)
	}
	var order []string
	for _, entry := range status.Instances {
		order = append(order, entry.InstanceID)
		if want := "out of " + entry.InstanceID + "\n"; entry.Output == nil || entry.Output.Text != want {
			t.Errorf("the output of %s is %+v, want %q", entry.InstanceID, entry.Output, want)
		}
	}
	if got, want := strings.Join(order, " "), instance(2)+" "+instance(1)+" "+instance(3); got != want {
		t.Errorf("the instances are in the order %s, want the failed one first: %s", got, want)
	}
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	if want := "1 of 3 instances failed: " + instance(2) + " exit 3 (ExitCodeNonzero)"; !strings.HasPrefix(ready.Message, want) {
		t.Errorf("the Ready message is %q, want it to begin with %q", ready.Message, want)
	}

	table := w.run(t, "get", "invocationresults")
	_, row, _ := strings.Cut(table, "\n")
	if row = strings.Join(strings.Fields(row), " "); !strings.HasPrefix(row, "upgrade "+id+" CommandFailed 2 3 3 ") {
		t.Errorf("kubectl get invocationresults printed:\n%s", table)
	}
	if described := w.run(t, "describe", "ir", "upgrade"); !strings.Contains(described, "CommandFailed") || !strings.Contains(described, ready.Message) {
		t.Errorf("kubectl describe tells no event of the failure:\n%s", described)
	}
	step := w.kubectl.Shell(t.Context(), readmeStep(t, "upgrade"))
	if step.ExitCode != 3 || !strings.Contains(step.Stdout, ready.Message) {
		t.Errorf("the README's pipeline step exits with %d and prints %q; want 3, the run's exit code, and the message: %s", step.ExitCode, step.Stdout, step.Stderr)
	}
}

func TestACommandThatSucceeds(t *testing.T) {
	w := newRunningWorld(t)
	id := w.runCommand(t, 2, "true", nil)
	w.apply(t, "fine", fmt.Sprintf("{regionID: %s, invokeID: %s}", region, id))
	for _, condition := range []string{"Completed", "Succeeded", "Ready"} {
		w.run(t, "wait", "ir/fine", "--for=condition="+condition, "--timeout=90s")
	}
	if code := w.run(t, "get", "ir", "fine", "-o", "jsonpath={.status.exitCode}"); code != "0" {
		t.Errorf("status.exitCode is %q, want 0", code)
	}
	if step := w.kubectl.Shell(t.Context(), readmeStep(t, "fine")); step.ExitCode != 0 {
		t.Errorf("the README's pipeline step exits with %d, want 0: %s", step.ExitCode, step.Stderr)
	}
}

func TestARunWithoutAnExitCodeFailsThePipeline(t *testing.T) {
	w := newRunningWorld(t)
	w.script(t, "t-timeout", emulator.Row{InstanceID: instance(1), InvocationStatus: "Timeout", ErrorCode: "ExecutionTimeout", StartTime: longAgo, FinishedTime: longAgo.Add(minute)})
	w.apply(t, "slow", fmt.Sprintf("{regionID: %s, invokeID: t-timeout}", region))
	result := w.untilReason(t, "slow", v1alpha1.ReasonCommandFailed)
	if result.Status.ExitCode != nil || result.Status.Instances[0].ExitCode != nil {
		t.Errorf("a run that timed out has the exit codes %v and %v, want none", result.Status.ExitCode, result.Status.Instances[0].ExitCode)
	}
	if step := w.kubectl.Shell(t.Context(), readmeStep(t, "slow")); step.ExitCode != 1 {
		t.Errorf("the README's pipeline step exits with %d, want 1", step.ExitCode)
	}
}

// A process cannot end with every exit code that the API knows: none of them may read as success.
func TestAnExitCodeThatNoShellHasFailsThePipeline(t *testing.T) {
	w := newRunningWorld(t)
	for n, code := range []int64{256, -1, 0xC0000005} {
		row := running(1)
		succeed(&row)
		row.InvocationStatus, row.ExitCode, row.ErrorCode = "Failed", &code, "ExitCodeNonzero"
		id := fmt.Sprintf("t-code%d", n)
		w.script(t, id, row)
		w.apply(t, id, fmt.Sprintf("{regionID: %s, invokeID: %s}", region, id))
		if step := w.kubectl.Shell(t.Context(), readmeStep(t, id)); step.ExitCode != 1 {
			t.Errorf("with the exit code %d the README's pipeline step exits with %d: %s", code, step.ExitCode, step.Stderr)
		}
	}
}

func TestOneInstanceOfARun(t *testing.T) {
	w := newRunningWorld(t)
	id := w.runCommand(t, 3, `case {{ACS::InstanceId}} in *2) exit 3;; esac`, nil)
	w.apply(t, "one", fmt.Sprintf("{regionID: %s, invokeID: %s, instanceID: %s}", region, id, instance(1)))
	result := w.untilReason(t, "one", v1alpha1.ReasonSucceeded)
	if len(result.Status.Instances) != 1 || result.Status.Instances[0].InstanceID != instance(1) {
		t.Errorf("the result has the instances %+v, want %s alone", result.Status.Instances, instance(1))
	}
}

func TestAMatchIsResolvedOnce(t *testing.T) {
	w := newRunningWorld(t)
	tagged := func(request *ecs.RunCommandRequest) {
		request.Tag = &[]ecs.RunCommandTag{{Key: "deploy", Value: "9f3c2e1"}}
	}
	w.apply(t, "deploy", fmt.Sprintf("{regionID: %s, match: {tags: [{key: deploy, value: 9f3c2e1}]}, polling: {maxIntervalSeconds: 2}}", region))
	w.untilReason(t, "deploy", v1alpha1.ReasonAwaitingRecords)
	w.runCommand(t, 1, "exit 9", nil)
	id := w.runCommand(t, 2, "true", tagged)
	result := w.untilReason(t, "deploy", v1alpha1.ReasonSucceeded)
	if result.Status.InvokeID != id || result.Status.Summary.Total != 2 {
		t.Errorf("the match resolved to %q with %+v, want %s on 2 instances", result.Status.InvokeID, result.Status.Summary, id)
	}

	another := w.runCommand(t, 1, "false", tagged)
	w.apply(t, "late", fmt.Sprintf("{regionID: %s, match: {tags: [{key: deploy, value: 9f3c2e1}]}}", region))
	ambiguous := w.untilReason(t, "late", v1alpha1.ReasonAmbiguousMatch)
	message := meta.FindStatusCondition(ambiguous.Status.Conditions, v1alpha1.ConditionStalled).Message
	if !strings.Contains(message, id) || !strings.Contains(message, another) {
		t.Errorf("the message about an ambiguous match is %q, want it to name %s and %s", message, id, another)
	}
}

func TestAScheduledCommandWithHistory(t *testing.T) {
	w := newRunningWorld(t)
	id := w.runCommand(t, 1, `date -u +%T`, func(request *ecs.RunCommandRequest) {
		request.RepeatMode, request.Frequency = "Period", "rate(1s)"
	})
	w.apply(t, "heartbeat", fmt.Sprintf("{regionID: %s, invokeID: %s, includeHistory: true, historyLimit: 2, polling: {maxIntervalSeconds: 1, minIntervalSeconds: 1}}", region, id))
	result := w.until(t, "heartbeat", "a scheduled run with more history than is kept", func(result *v1alpha1.InvocationResult) bool {
		return meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionReady) &&
			len(result.Status.History) == 2 && result.Status.Truncated != nil && result.Status.Truncated.History > 0
	})
	completed := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionCompleted)
	if completed.Reason != v1alpha1.ReasonScheduled || completed.Status != "False" {
		t.Errorf("Completed of a scheduled run is %s %s, want False Scheduled", completed.Status, completed.Reason)
	}
	if newest, older := result.Status.History[0], result.Status.History[1]; !older.StartTime.Before(newest.StartTime) {
		t.Errorf("the history is not newest first: %v, %v", newest.StartTime, older.StartTime)
	}

	stop := ecs.CreateStopInvocationRequest()
	stop.InvokeId, stop.InstanceId = id, &[]string{instance(1)}
	if _, err := w.ecs(t).StopInvocation(stop); err != nil {
		t.Fatal(err)
	}
	w.run(t, "wait", "ir/heartbeat", "--for=condition=Completed", "--timeout=90s")
	stopped := w.untilReason(t, "heartbeat", v1alpha1.ReasonStopped)
	if len(stopped.Status.History) != 2 {
		t.Errorf("after the stop the history has %d entries, want the 2 that are kept", len(stopped.Status.History))
	}
}
