package controller

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
)

// While the progress of many waits to be written, an end is written first, also of one that waits already.
func TestEndsOvertakeOtherNews(t *testing.T) {
	t.Parallel()
	q := priorityqueue.New[reconcile.Request]("news")
	defer q.ShutDown()
	changes := &Changes{}
	if err := changes.Start(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	for _, owner := range []poller.Owner{"ops/a", "ops/b", "ops/c"} {
		changes.Notify(owner, false)
	}
	changes.Notify("ops/d", true)
	changes.Notify("ops/c", true)
	var got []string
	for range 4 {
		request, _ := q.Get()
		got = append(got, request.Name)
		q.Done(request)
	}
	slices.Sort(got[:2])
	if want := []string{"c", "d", "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("written in the order %v, want %v", got, want)
	}
}

// Where the cache has yet to see the last write, an end waits for it without losing its turn to those that came before.
func TestAnEndKeepsItsTurnWhileTheCacheIsBehind(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	result := &v1alpha1.InvocationResult{}
	result.Namespace, result.Name, result.UID = "ops", "ended", "uid-1"
	result.ResourceVersion = "100"
	client := fake.NewClientBuilder().WithScheme(scheme).WithObjects(result).Build()
	r := &InvocationResultReconciler{Client: client, Recorder: silence{}}
	ended := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ops", Name: "ended"}}
	r.memories.of(ended.NamespacedName, result.UID).writtenVersion = "101"

	got, err := r.Reconcile(t.Context(), ended)
	if err != nil || got.RequeueAfter <= 0 {
		t.Fatalf("it comes back after %v, %v", got.RequeueAfter, err)
	}
	q := priorityqueue.New[reconcile.Request]("news")
	defer q.ShutDown()
	other := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "ops", Name: "other"}}
	q.Add(other)
	q.AddWithOpts(priorityqueue.AddOpts{After: time.Hour, Priority: new(endPriority)}, ended) // as a controller does
	q.Add(ended)                                                                              // by the cache
	if first, _ := q.Get(); first != ended {
		t.Errorf("first is %v", first)
	}
}
