package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/outputs"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
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

// wavering is an engine whose credentials are refused every other time.
type wavering struct {
	begun time.Time
	clock *clocktesting.FakeClock
}

func (w *wavering) Watch(poller.Owner, poller.Watch) poller.Snapshot {
	now := w.clock.Now()
	snapshot := poller.Snapshot{Live: &cloudassistant.Answer{
		Records:   []cloudassistant.Record{{InvokeID: "t-1", InstanceID: "i-1", InvocationStatus: cloudassistant.StatusRunning, StartTime: w.begun}},
		StartedAt: w.begun, Complete: true,
	}, UnchangedSince: w.begun}
	if int(now.Sub(w.begun).Seconds())%2 == 1 {
		refusal := &cloudassistant.Error{Class: cloudassistant.ClassDenied, Code: "Forbidden.RAM", Message: "Not you."}
		snapshot.Failure = &poller.Failure{Err: refusal, Since: now, Began: now, At: now}
	}
	return snapshot
}

func (w *wavering) Forget(poller.Owner) {}

// The first refusal is told at once, and its end soon; one that comes and goes is told every ten seconds at most.
func TestATroubleThatComesAndGoesIsNotWrittenEachTime(t *testing.T) {
	admin := newAdmin(t)
	result := &v1alpha1.InvocationResult{Spec: v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", InvokeID: "t-1"}}
	result.Namespace, result.Name = controlPlane.NewNamespace(t), "wavering"
	if err := admin.Create(t.Context(), result); err != nil {
		t.Fatal(err)
	}
	now := clocktesting.NewFakeClock(time.Now())
	recorder := events.NewFakeRecorder(1000)
	reconciler := &InvocationResultReconciler{
		Client: admin, Engine: &wavering{begun: now.Now(), clock: now}, Recorder: recorder, Clock: now,
	}
	var writes []time.Duration
	version := result.ResourceVersion
	begun := now.Now()
	for range 200 {
		if _, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(result)}); err != nil {
			t.Fatal(err)
		}
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(result), result); err != nil {
			t.Fatal(err)
		}
		if result.ResourceVersion != version {
			writes = append(writes, now.Since(begun))
		}
		version = result.ResourceVersion
		now.Step(time.Second)
	}
	if len(writes) < 2 || writes[0] != 0 || writes[1] != time.Second {
		t.Errorf("it is written at %v, want the run at once and the refusal a second later", writes)
	}
	for n := 2; n < len(writes); n++ {
		if pause := writes[n] - writes[n-1]; pause < progressInterval {
			t.Errorf("%v after a write there is another, with one that came and went", pause)
		}
	}
	if told := len(recorder.Events); told != len(writes) {
		t.Errorf("%d events tell of %d changes", told, len(writes))
	}
}

// endedEngine knows the end of a run on two instances, which printed something.
type endedEngine struct {
	at time.Time
	// interval is the least one that was asked for last.
	interval time.Duration
}

func (e *endedEngine) Watch(_ poller.Owner, watch poller.Watch) poller.Snapshot {
	e.interval = watch.MinInterval
	row := func(instance string) cloudassistant.Record {
		return cloudassistant.Record{
			InvokeID: "t-1", InstanceID: instance, InvocationStatus: cloudassistant.StatusSuccess, ExitCode: new(int64),
			StartTime: e.at.Add(-time.Hour), FinishedTime: e.at, Output: []byte("printed on " + instance),
		}
	}
	answer := &cloudassistant.Answer{Records: []cloudassistant.Record{row("i-a"), row("i-b")}, StartedAt: e.at, Complete: true}
	return poller.Snapshot{Live: answer, UnchangedSince: e.at}
}

func (*endedEngine) Forget(poller.Owner) {}

// halfFull is a place for outputs where the first Secret could be written, and the second cannot yet.
type halfFull struct{ tries int }

func (h *halfFull) Keep(context.Context, *v1alpha1.InvocationResult, projection.Keep) ([]string, error) {
	h.tries++
	return []string{"half-output"}, &outputs.Delay{Reason: metav1.StatusReasonTimeout}
}

func TestOutputsOfWhichAPartIsKeptAreOwedAfterARestart(t *testing.T) {
	admin := newAdmin(t)
	result := &v1alpha1.InvocationResult{Spec: v1alpha1.InvocationResultSpec{
		RegionID: "cn-hangzhou", InvokeID: "t-1", Output: &v1alpha1.OutputSpec{Policy: v1alpha1.OutputSecret},
	}}
	result.Namespace, result.Name = controlPlane.NewNamespace(t), "half"
	if err := admin.Create(t.Context(), result); err != nil {
		t.Fatal(err)
	}
	now := clocktesting.NewFakeClock(time.Now())
	keeper := &halfFull{}
	for start := range 2 {
		before, engine := keeper.tries, &endedEngine{at: now.Now()}
		reconciler := &InvocationResultReconciler{
			Client: admin, Engine: engine, Outputs: keeper, Recorder: events.NewFakeRecorder(10), Clock: now,
		}
		_, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(result)})
		var delay *outputs.Delay
		if !errors.As(err, &delay) || keeper.tries == before {
			t.Errorf("start %d: the outputs were tried to be kept %d times, and it ends with %v", start, keeper.tries-before, err)
		}
		// The run has ended: it is asked about for the sake of the outputs alone.
		if engine.interval != projection.SlowInterval {
			t.Errorf("start %d: asked every %v, want %v", start, engine.interval, projection.SlowInterval)
		}
		now.Step(time.Minute)
	}
}
