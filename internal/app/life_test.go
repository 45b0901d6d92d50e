package app_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

func TestSuspendHoldsTheObservation(t *testing.T) {
	w := newRunningWorld(t)
	w.script(t, "t-suspended", running(1))
	w.apply(t, "suspended", fmt.Sprintf("{regionID: %s, invokeID: t-suspended, suspend: true}", region))
	result := w.untilReason(t, "suspended", v1alpha1.ReasonSuspended)
	if !meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionSuspended) {
		t.Errorf("there is no Suspended condition: %+v", result.Status.Conditions)
	}
	if n := w.calls("t-suspended"); n != 0 {
		t.Errorf("a suspended result cost %d calls, want none", n)
	}
	w.update(t, "t-suspended", 1, succeed)
	w.run(t, "patch", "ir", "suspended", "--type=merge", "--patch", `{"spec":{"suspend":false}}`)
	resumed := w.untilReason(t, "suspended", v1alpha1.ReasonSucceeded)
	if meta.FindStatusCondition(resumed.Status.Conditions, v1alpha1.ConditionSuspended) != nil {
		t.Error("the Suspended condition outlives the suspension")
	}
}

func TestATimeToLiveDeletesTheResult(t *testing.T) {
	w := newRunningWorld(t)
	row := running(1)
	succeed(&row)
	w.script(t, "t-mortal", row)
	w.apply(t, "mortal", fmt.Sprintf("{regionID: %s, invokeID: t-mortal, ttlSecondsAfterFinished: 1}", region))
	w.run(t, "wait", "ir/mortal", "--for=delete", "--timeout=90s")
}

func TestTheDefaultTimeToLiveIsForThoseWithoutTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.options.DefaultTTL = 1e9
	w.start(t)
	row := running(1)
	succeed(&row)
	w.script(t, "t-mortal", row)
	w.apply(t, "keeper", fmt.Sprintf("{regionID: %s, invokeID: t-mortal, ttlSecondsAfterFinished: 86400}", region))
	w.untilReason(t, "keeper", v1alpha1.ReasonSucceeded)
	w.apply(t, "mortal", fmt.Sprintf("{regionID: %s, invokeID: t-mortal}", region))
	w.run(t, "wait", "ir/mortal", "--for=delete", "--timeout=90s")
	w.untilReason(t, "keeper", v1alpha1.ReasonSucceeded)
}

func TestADeletedResultIsAskedForNoMore(t *testing.T) {
	w := newRunningWorld(t)
	w.script(t, "t-deleted", running(1))
	w.script(t, "t-kept", running(1))
	w.apply(t, "deleted", fmt.Sprintf("{regionID: %s, invokeID: t-deleted, polling: {maxIntervalSeconds: 1, minIntervalSeconds: 1}}", region))
	w.apply(t, "kept", fmt.Sprintf("{regionID: %s, invokeID: t-kept, polling: {maxIntervalSeconds: 1, minIntervalSeconds: 1}}", region))
	w.untilReason(t, "deleted", v1alpha1.ReasonRunning)
	w.untilReason(t, "kept", v1alpha1.ReasonRunning)
	w.run(t, "delete", "ir", "deleted")
	// A reconcile of the other, begun after the deletion, tells that the deletion has been seen.
	w.run(t, "annotate", "ir/kept", v1alpha1.AnnotationReconcileRequestedAt+"=now")
	w.until(t, "kept", "asked for", func(result *v1alpha1.InvocationResult) bool { return result.Status.LastHandledReconcileAt == "now" })
	w.cloud.ResetCalls()
	w.untilCalled(t, "t-kept", 3)
	if n := w.calls("t-deleted"); n != 0 {
		t.Errorf("a deleted result cost %d calls", n)
	}
}

// With the real garbage collector and namespace controller: a result goes with its Secrets, a namespace with its
// results, at once, and nothing is asked for any more.
func TestDeletionLeavesNothingBehind(t *testing.T) {
	other := controlPlane.NewNamespace(t)
	w := newSecretWorld(t, other)
	controlPlane.RunControllers(t)
	w.script(t, "t-collected", printed(1))
	w.apply(t, "collected", fmt.Sprintf("{regionID: %s, invokeID: t-collected, output: {policy: Secret}}", region))
	result := w.untilReason(t, "collected", v1alpha1.ReasonSucceeded)
	if len(result.Status.OutputSecrets) != 1 {
		t.Fatalf("the status names the Secrets %v, want one", result.Status.OutputSecrets)
	}
	w.run(t, "delete", "ir", "collected")
	w.run(t, "wait", "secret/"+result.Status.OutputSecrets[0], "--for=delete", "--timeout=90s")

	w.script(t, "t-going", running(1))
	w.apply(t, "going", fmt.Sprintf("{regionID: %s, invokeID: t-going, output: {policy: Secret}, polling: {maxIntervalSeconds: 1, minIntervalSeconds: 1}}", region))
	w.untilReason(t, "going", v1alpha1.ReasonRunning)
	w.script(t, "t-elsewhere", running(1))
	elsewhere := &v1alpha1.InvocationResult{
		ObjectMeta: metav1.ObjectMeta{Namespace: other, Name: "elsewhere"},
		Spec: v1alpha1.InvocationResultSpec{
			RegionID: region, InvokeID: "t-elsewhere", Polling: &v1alpha1.PollingSpec{MinIntervalSeconds: 1, MaxIntervalSeconds: 1},
		},
	}
	if err := w.client.Create(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	w.run(t, "delete", "namespace", w.namespace, "--timeout=90s")
	w.untilCalled(t, "t-elsewhere", w.calls("t-elsewhere")+2)
	asked := w.calls("t-going")
	w.untilCalled(t, "t-elsewhere", w.calls("t-elsewhere")+3)
	if late := w.calls("t-going") - asked; late > 0 {
		t.Errorf("a result of a namespace that is gone was asked for %d times", late)
	}
}

func TestTheOperatorMayDoNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	kubectl, err := controlPlane.Kubectl(controlPlane.Operator, "default")
	if err != nil {
		t.Fatal(err)
	}
	for question, want := range map[string]string{
		"get secrets -A":                                        "yes",
		"list secrets -A":                                       "no",
		"watch secrets -A":                                      "no",
		"create secrets -A":                                     "no",
		"list invocationresults -A":                             "yes",
		"create invocationresults -A":                           "no",
		"update invocationresults -A":                           "no",
		"patch invocationresults -A":                            "no",
		"patch invocationresults --subresource=status -A":       "yes",
		"get pods -A":                                           "no",
		"create leases -n kube-system":                          "no",
		"create leases -n cloud-assistant-system":               "yes",
		"delete leases -n cloud-assistant-system":               "no",
		"create events.events.k8s.io -A":                        "yes",
		"escalate clusterroles -A":                              "no",
		"impersonate users -A":                                  "no",
		"create tokenreviews.authentication.k8s.io":             "yes",
		"create subjectaccessreviews.authorization.k8s.io":      "yes",
		"update leases/another-lease -n cloud-assistant-system": "no",
	} {
		result := kubectl.Run(t.Context(), append([]string{"auth", "can-i"}, strings.Fields(question)...)...)
		if got := strings.TrimSpace(result.Stdout); got != want {
			t.Errorf("may the operator %s? %q, want %q", question, got, want)
		}
	}
}
