package app_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func TestAFinishedRunCostsNoCallAcrossARestart(t *testing.T) {
	w := newRunningWorld(t)
	first := running(1)
	succeed(&first)
	w.script(t, "t-finished", first)
	w.apply(t, "finished", fmt.Sprintf("{regionID: %s, invokeID: t-finished}", region))
	before := w.untilReason(t, "finished", v1alpha1.ReasonSucceeded)

	w.stop()
	w.cloud.ResetCalls()
	w.start(t)
	// By the time a second run has been seen to its end, the first has been reconciled.
	w.script(t, "t-second", first)
	w.apply(t, "second", fmt.Sprintf("{regionID: %s, invokeID: t-second}", region))
	w.untilReason(t, "second", v1alpha1.ReasonSucceeded)
	if n := w.calls("t-finished"); n != 0 {
		t.Errorf("a finished run cost %d calls after a restart, want none", n)
	}
	if after := w.untilReason(t, "finished", v1alpha1.ReasonSucceeded); after.ResourceVersion != before.ResourceVersion {
		t.Errorf("the restart wrote the status of a finished run: version %s, before %s", after.ResourceVersion, before.ResourceVersion)
	}
}

func TestAForcedReconcileCostsOneCallAndMerges(t *testing.T) {
	w := newRunningWorld(t)
	row := running(1)
	succeed(&row)
	w.script(t, "t-forced", row)
	w.apply(t, "forced", fmt.Sprintf("{regionID: %s, invokeID: t-forced}", region))
	w.untilReason(t, "forced", v1alpha1.ReasonSucceeded)
	w.script(t, "t-going", running(1))
	w.apply(t, "going", fmt.Sprintf("{regionID: %s, invokeID: t-going, polling: {minIntervalSeconds: 1, maxIntervalSeconds: 1}}", region))
	w.untilReason(t, "going", v1alpha1.ReasonRunning)

	// The API has forgotten the run: what was recorded stays.
	if err := w.cloud.ForgetInvocation("t-forced"); err != nil {
		t.Fatal(err)
	}
	for i, annotation := range []string{v1alpha1.AnnotationReconcileRequestedAt, v1alpha1.AnnotationFluxReconcileRequestedAt} {
		w.cloud.ResetCalls()
		value := fmt.Sprintf("request-%d", i)
		w.run(t, "annotate", "ir/forced", annotation+"="+value)
		result := w.until(t, "forced", "answered", func(result *v1alpha1.InvocationResult) bool {
			return result.Status.LastHandledReconcileAt == value
		})
		// Long enough for a question that was not given up to be asked again.
		w.untilCalled(t, "t-going", w.calls("t-going")+4)
		if n := w.calls("t-forced"); n != 1 {
			t.Errorf("a reconcile forced by %s cost %d calls, want 1", annotation, n)
		}
		if len(result.Status.Instances) != 1 || result.Status.Instances[0].Status != "Success" || !meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionSucceeded) {
			t.Errorf("an empty answer erased what was recorded: %+v", result.Status)
		}
		w.run(t, "annotate", "ir/forced", annotation+"-")
	}
}

func TestTheAPIIsAwayForAWhile(t *testing.T) {
	w := newRunningWorld(t)
	w.script(t, "t-outage", running(1), running(2))
	w.apply(t, "outage", fmt.Sprintf("{regionID: %s, invokeID: t-outage, polling: {minIntervalSeconds: 1, maxIntervalSeconds: 2}}", region))
	before := w.untilReason(t, "outage", v1alpha1.ReasonRunning)

	if err := w.cloud.Stop(); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		w.update(t, "t-outage", n+1, succeed)
	}
	// A reconcile in the middle of the outage, answered with a failure, changes nothing but the echo.
	w.run(t, "annotate", "ir/outage", v1alpha1.AnnotationReconcileRequestedAt+"=now")
	during := w.until(t, "outage", "asked for in vain", func(result *v1alpha1.InvocationResult) bool {
		return result.Status.LastHandledReconcileAt == "now"
	})
	during.Status.LastHandledReconcileAt = ""
	if diff := cmp.Diff(before.Status, during.Status); diff != "" {
		t.Errorf("an outage changed the status (-before +during):\n%s", diff)
	}
	if _, err := w.cloud.Start(strings.TrimPrefix(w.cloudURL, "http://")); err != nil {
		t.Fatal(err)
	}
	result := w.untilReason(t, "outage", v1alpha1.ReasonSucceeded)
	if result.Status.Summary.Succeeded != 2 {
		t.Errorf("after the outage the summary is %+v, want 2 succeeded", result.Status.Summary)
	}
}

func TestADenialHeals(t *testing.T) {
	w := newRunningWorld(t)
	row := running(1)
	succeed(&row)
	w.script(t, "t-denied", row)
	clearFault := w.inject(t, emulator.Fault{Kind: emulator.FaultError, Code: "Forbidden.RAM"})
	w.apply(t, "denied", fmt.Sprintf("{regionID: %s, invokeID: t-denied}", region))
	denied := w.untilReason(t, "denied", v1alpha1.ReasonAccessDenied)
	stalled := meta.FindStatusCondition(denied.Status.Conditions, v1alpha1.ConditionStalled)
	if stalled == nil || !strings.Contains(stalled.Message, "ecs:DescribeInvocationResults") {
		t.Errorf("Stalled is %+v, want a message that names the permission to grant", stalled)
	}
	clearFault()
	w.run(t, "annotate", "ir/denied", v1alpha1.AnnotationReconcileRequestedAt+"=now")
	w.untilReason(t, "denied", v1alpha1.ReasonSucceeded)
}

// Whoever asks again about a result that has ended learns why there is no answer, once; what was recorded stays.
func TestAskingInVainIsTold(t *testing.T) {
	w := newRunningWorld(t)
	row := running(1)
	succeed(&row)
	w.script(t, "t-vain", row)
	w.apply(t, "vain", fmt.Sprintf("{regionID: %s, invokeID: t-vain}", region))
	before := w.untilReason(t, "vain", v1alpha1.ReasonSucceeded)
	w.inject(t, emulator.Fault{Kind: emulator.FaultError, Code: "Forbidden.RAM"})
	w.run(t, "annotate", "ir/vain", v1alpha1.AnnotationReconcileRequestedAt+"=now")
	after := w.until(t, "vain", "asked for in vain", func(result *v1alpha1.InvocationResult) bool {
		return result.Status.LastHandledReconcileAt == "now"
	})
	w.untilEvent(t, "AskedInVain", "Forbidden.RAM")
	after.Status.LastHandledReconcileAt = ""
	if diff := cmp.Diff(before.Status, after.Status); diff != "" {
		t.Errorf("asking in vain changed the status (-before +after):\n%s", diff)
	}
}

// TestKilledAtAnyMoment kills the operator's process with SIGKILL at each stage of a run, and starts it again.
func TestKilledAtAnyMoment(t *testing.T) {
	w := newWorld(t)
	binary := buildOperator(t)
	const id = "t-killed"
	w.script(t, id, running(1), running(2))
	w.apply(t, "killed", fmt.Sprintf("{regionID: %s, invokeID: %s, polling: {minIntervalSeconds: 1, maxIntervalSeconds: 1}}", region, id))

	kill := w.startProcess(t, binary)
	w.untilCalled(t, id, 1)
	kill() // with the first answer on its way
	kill = w.startProcess(t, binary)
	w.untilReason(t, "killed", v1alpha1.ReasonRunning)
	kill()
	w.update(t, id, 1, succeed)
	kill = w.startProcess(t, binary)
	w.until(t, "killed", "half done", func(result *v1alpha1.InvocationResult) bool { return result.Status.Summary.Succeeded == 1 })
	w.update(t, id, 2, func(row *emulator.Row) {
		succeed(row)
		three := int64(3)
		row.InvocationStatus, row.ExitCode, row.ErrorCode = "Failed", &three, "ExitCodeNonzero"
	})
	kill()
	kill = w.startProcess(t, binary)
	result := w.untilReason(t, "killed", v1alpha1.ReasonCommandFailed)
	kill()
	if want := (v1alpha1.InvocationSummary{Total: 2, Succeeded: 1, Failed: 1}); *result.Status.Summary != want || *result.Status.ExitCode != 3 {
		t.Errorf("the operator ends with %+v and exit code %v, want %+v and 3", *result.Status.Summary, *result.Status.ExitCode, want)
	}
}

// startProcess runs the operator as a process and returns what kills it with SIGKILL and waits for its end.
func (w *world) startProcess(t *testing.T, binary string) (kill func()) {
	t.Helper()
	kubeconfig, err := controlPlane.Kubeconfig(controlPlane.Operator, w.namespace)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), binary, "--leader-elect=false", "--metrics-bind-address=0", "--health-probe-bind-address=0",
		"--ecs-endpoint="+w.cloudURL, "--watch-namespaces="+w.namespace)
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	panicked := make(chan string, 1)
	go func() {
		defer close(panicked)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if strings.Contains(lines.Text(), "panic") {
				panicked <- lines.Text()
				return
			}
		}
	}()
	return func() {
		if err := command.Process.Kill(); err != nil {
			t.Error(err)
		}
		if line, found := <-panicked; found {
			t.Errorf("the operator panicked: %s", line)
		}
		_ = command.Wait() // It was killed; there is nothing else to learn.
	}
}
