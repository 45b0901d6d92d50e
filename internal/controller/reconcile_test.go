package controller

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
)

// overtaking is an engine in which an equal answer comes in between two looks, which it announces to nobody.
type overtaking struct {
	looks int
	begun time.Time
}

func (o *overtaking) Watch(poller.Owner, poller.Watch) poller.Snapshot {
	o.looks++
	return poller.Snapshot{
		Live: &cloudassistant.Answer{
			Records: []cloudassistant.Record{{
				InvokeID: "t-1", InstanceID: "i-1", InvocationStatus: cloudassistant.StatusSuccess, StartTime: o.begun, FinishedTime: o.begun,
			}},
			StartedAt: o.begun.Add(time.Duration(o.looks) * 10 * time.Second), Complete: true,
		},
		UnchangedSince: o.begun,
	}
}

func (o *overtaking) Forget(poller.Owner) {}

// newAdmin is a client of the API server, as somebody who may do anything.
func newAdmin(t *testing.T) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(controlPlane.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

func TestAnAnswerThatComesInBetweenIsLookedAtAtOnce(t *testing.T) {
	admin := newAdmin(t)
	result := &v1alpha1.InvocationResult{Spec: v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", InvokeID: "t-1", InstanceID: "i-2"}}
	result.Namespace, result.Name = controlPlane.NewNamespace(t), "overtaken"
	if err := admin.Create(t.Context(), result); err != nil {
		t.Fatal(err)
	}
	now := clocktesting.NewFakeClock(time.Now())
	reconciler := &InvocationResultReconciler{
		Client: admin, Engine: &overtaking{begun: now.Now()}, Recorder: events.NewFakeRecorder(100), Clock: now,
	}
	for range 2 {
		got, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: result.Namespace, Name: result.Name}})
		if err != nil {
			t.Fatal(err)
		}
		if got.RequeueAfter != time.Millisecond {
			t.Errorf("the reconcile comes back after %v, want at once", got.RequeueAfter)
		}
	}
}
