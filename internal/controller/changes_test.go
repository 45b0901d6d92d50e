package controller

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
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
	result := &v1alpha1.InvocationResult{}
	result.Namespace, result.Name, result.UID = "ops", "ended", "uid-1"
	result.ResourceVersion = "100"
	r := &InvocationResultReconciler{Client: storing(t, result), Recorder: silence{}}
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
	priority := endPriority
	if got.Priority != nil {
		priority = *got.Priority
	}
	q.AddWithOpts(priorityqueue.AddOpts{After: time.Hour, Priority: &priority}, ended) // as a controller does
	q.Add(ended)                                                                       // by the cache
	if first, _ := q.Get(); first != ended {
		t.Errorf("first is %v", first)
	}
}

// A conflict is news that the cache has yet to see; and once an end is written, what time alone gives reason for is not urgent.
func TestHowAnEndComesBack(t *testing.T) {
	t.Parallel()
	result := &v1alpha1.InvocationResult{}
	result.Namespace, result.Name, result.UID = "ops", "new", "uid-1"
	result.Spec.RegionID, result.Spec.InvokeID = "cn-hangzhou", "t-1"
	ttl := int32(3600)
	result.Spec.TTLSecondsAfterFinished = &ttl
	var refusal error
	api := interceptor.NewClient(
		storing(t, result),
		interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, name string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			if refusal != nil {
				return refusal
			}
			return c.SubResource(name).Patch(ctx, object, patch, options...)
		}},
	)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	zero := int64(0)
	ended := poller.Snapshot{UnchangedSince: now.Add(-time.Minute), Live: &cloudassistant.Answer{
		StartedAt: now, EndedAt: now, Complete: true, Records: []cloudassistant.Record{{
			InvokeID: "t-1", InstanceID: "i-1", StartTime: now.Add(-time.Hour), FinishedTime: now.Add(-time.Minute), ExitCode: &zero,
			InvocationStatus: cloudassistant.StatusSuccess, InvokeRecordStatus: cloudassistant.RecordFinished,
		}},
	}}
	r := &InvocationResultReconciler{Client: api, Reader: api, Engine: &knowing{Snapshot: ended}, Recorder: silence{}, Clock: clocktesting.NewFakeClock(now)}
	request := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ops", Name: "new"}}

	refusal = apierrors.NewConflict(schema.GroupResource{}, "new", errors.New("it has changed"))
	if got, err := r.Reconcile(t.Context(), request); err != nil || got.RequeueAfter != cacheLag || got.Priority != nil {
		t.Errorf("after a conflict: %+v, %v", got, err)
	}
	refusal = nil
	got, err := r.Reconcile(t.Context(), request)
	if err != nil || got.RequeueAfter < time.Minute || got.Priority == nil || *got.Priority != 0 {
		t.Errorf("once it is written: %+v, %v", got, err)
	}
}

// The delivery of an output is no end, and waits ten seconds after one to be written. What is known of it is kept until then. The
// engine, which leaves alone what has ended, is told that its owner has judged that and stays, but not when it is about to leave.
func TestWhatWaitsToBeWrittenIsNotForgotten(t *testing.T) {
	t.Parallel()
	result := &v1alpha1.InvocationResult{}
	result.Namespace, result.Name, result.UID = "ops", "delivers", "uid-1"
	result.Spec.RegionID, result.Spec.InvokeID = "cn-hangzhou", "t-1"
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := clocktesting.NewFakeClock(now)
	zero := int64(0)
	delivering := func(status string) poller.Snapshot {
		return poller.Snapshot{UnchangedSince: clock.Now(), Live: &cloudassistant.Answer{
			StartedAt: clock.Now(), EndedAt: clock.Now(), Complete: true, Records: []cloudassistant.Record{{
				InvokeID: "t-1", InstanceID: "i-1", StartTime: now.Add(-time.Hour), FinishedTime: now.Add(-time.Minute), ExitCode: &zero,
				InvocationStatus: cloudassistant.StatusSuccess, InvokeRecordStatus: cloudassistant.RecordFinished,
				OSSOutput: cloudassistant.OSSOutput{Delivery: "oss://b/p", Status: status},
			}},
		}}
	}
	api, engine := storing(t, result), &knowing{Snapshot: delivering("InProgress")}
	r := &InvocationResultReconciler{Client: api, Reader: api, Engine: engine, Recorder: silence{}, Clock: clock}
	request := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ops", Name: "delivers"}}
	reconcile := func() (wait time.Duration, delivered string) {
		got, err := r.Reconcile(t.Context(), request)
		if err == nil {
			err = api.Get(t.Context(), request.NamespacedName, result)
		}
		if err != nil || len(result.Status.Instances) != 1 || result.Status.Instances[0].OSSOutput == nil {
			t.Fatalf("%v: %+v", err, result.Status)
		}
		return got.RequeueAfter, result.Status.Instances[0].OSSOutput.Status
	}

	reconcile()
	stays := engine.watches[len(engine.watches)-1]
	if engine.forgot > 0 || !engine.watches[0].Judged.IsZero() || !stays.Judged.Equal(now) {
		t.Errorf("while the output is delivered the engine is told %+v, and to forget %d times", stays, engine.forgot)
	}
	clock.Step(5 * time.Second)
	engine.Snapshot = delivering("Finished")
	wait, delivered := reconcile()
	if engine.forgot > 0 || delivered != "InProgress" || wait != 5*time.Second {
		t.Errorf("too soon after the end: %s is written, the rest in %v, and the engine was told to forget %d times", delivered, wait, engine.forgot)
	}
	if leaves := engine.watches[len(engine.watches)-1]; !leaves.Judged.IsZero() {
		t.Errorf("an owner who is about to leave is asked for: %+v", leaves)
	}
	clock.Step(5 * time.Second)
	if _, delivered := reconcile(); engine.forgot != 1 || delivered != "Finished" {
		t.Errorf("then %s is written, and the engine was told to forget %d times", delivered, engine.forgot)
	}
}

// storing is an API server that has one object.
func storing(t *testing.T, result *v1alpha1.InvocationResult) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(result).WithStatusSubresource(result).Build()
}

// Without priorities ends would wait behind the progress of others, and nobody would see why.
func TestChangesNeedAQueueWithPriorities(t *testing.T) {
	t.Parallel()
	plain := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer plain.ShutDown()
	if err := (&Changes{}).Start(t.Context(), plain); err == nil {
		t.Error("a queue without them will do")
	}
}

// knowing is an engine that knows the same of everything.
type knowing struct {
	poller.Snapshot
	watches []poller.Watch
	forgot  int
}

func (k *knowing) Watch(_ poller.Owner, watch poller.Watch) poller.Snapshot {
	k.watches = append(k.watches, watch)
	return k.Snapshot
}

func (k *knowing) Forget(poller.Owner) { k.forgot++ }
