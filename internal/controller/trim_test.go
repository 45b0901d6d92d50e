package controller

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

var trimNow = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// ended is a result that ended two hours ago, with output, as the operator leaves it.
func ended(t interface{ Helper() }, change func(*v1alpha1.InvocationResultSpec)) *v1alpha1.InvocationResult {
	t.Helper()
	at := trimNow.Add(-2 * time.Hour)
	result := &v1alpha1.InvocationResult{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ops", Name: "ended", UID: "uid-1", ResourceVersion: "100", Generation: 1, Labels: map[string]string{"team": "a"},
			Annotations:   map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "note": "kept"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationApply}},
		},
		Spec: v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", InvokeID: "t-1", InstanceID: "i-1"},
	}
	if change != nil {
		change(&result.Spec)
	}
	result.Status = projection.Project(projection.Input{
		Now: at, Generation: 1, Spec: &result.Spec,
		Observation: projection.Observation{Live: &cloudassistant.Answer{StartedAt: at, EndedAt: at, Complete: true, Records: []cloudassistant.Record{{
			InvokeID: "t-1", InstanceID: "i-1", InvocationStatus: cloudassistant.StatusSuccess, ExitCode: ptr.To[int64](0),
			StartTime: at.Add(-time.Hour), FinishedTime: at.Add(-time.Hour), Output: []byte("it is done\n"), Repeats: 1,
		}}}},
	}).Status
	return result
}

func trimAt(t *testing.T, object any, at time.Time) any {
	t.Helper()
	got, err := Trim(Settings{}, clocktesting.NewFakePassiveClock(at))(object)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Of a settled result there stays what tells when to delete it; of any other everything but what nobody reads.
func TestWhatTheCacheKeeps(t *testing.T) {
	stored := ended(t, func(spec *v1alpha1.InvocationResultSpec) { spec.TTLSecondsAfterFinished = ptr.To[int32](86400) })
	if stored.Status.Instances[0].Output.Text == "" {
		t.Fatal("there is no output to trim")
	}
	got := trimAt(t, stored.DeepCopy(), trimNow).(*v1alpha1.InvocationResult)
	want := &v1alpha1.InvocationResult{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ops", Name: "ended", UID: "uid-1", ResourceVersion: "100",
			ManagedFields: []metav1.ManagedFieldsEntry{{Operation: trimmed, Time: &metav1.Time{Time: trimNow}}},
		},
		Spec: v1alpha1.InvocationResultSpec{TTLSecondsAfterFinished: ptr.To[int32](86400)},
		Status: v1alpha1.InvocationResultStatus{Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionCompleted, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(trimNow.Add(-2 * time.Hour))},
			{Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(trimNow.Add(-2 * time.Hour))},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("of a settled result the cache keeps (-want +got):\n%s", diff)
	}

	stored.Status.Conditions[1].Status, stored.Status.Conditions[1].Reason = metav1.ConditionFalse, v1alpha1.ReasonRunning
	got = trimAt(t, stored.DeepCopy(), trimNow).(*v1alpha1.InvocationResult)
	stored.ManagedFields, stored.Annotations = nil, map[string]string{"note": "kept"}
	if diff := cmp.Diff(stored, got); diff != "" {
		t.Errorf("of a result that goes on the cache keeps (-want +got):\n%s", diff)
	}
	for _, other := range []any{nil, &corev1.Secret{Data: map[string][]byte{"a": []byte("b")}}, cache.DeletedFinalStateUnknown{Key: "ops/ended", Obj: got}} {
		if diff := cmp.Diff(other, trimAt(t, other, trimNow)); diff != "" {
			t.Errorf("what is no result is changed:\n%s", diff)
		}
	}
}

// A trimmed copy that turns out to be too little is read again, and what comes of it is judged by its version.
func TestAWholeResultThatIsNotWhatWasCached(t *testing.T) {
	for name, test := range map[string]struct {
		change func(live *shelf)
		// err is part of the error; empty for none.
		err     string
		watched bool
	}{
		"the same":      {change: func(*shelf) {}, watched: true},
		"newer":         {change: func(live *shelf) { live.stored.ResourceVersion = "101" }, watched: true},
		"older":         {change: func(live *shelf) { live.stored.ResourceVersion = "99" }, err: "version 99"},
		"gone":          {change: func(live *shelf) { live.stored = nil }},
		"made anew":     {change: func(live *shelf) { live.stored.UID = "uid-2" }},
		"being deleted": {change: func(live *shelf) { live.stored.DeletionTimestamp = &metav1.Time{Time: trimNow} }},
		"unversioned":   {change: func(live *shelf) { live.stored.ResourceVersion = "" }, err: "resource version"},
	} {
		t.Run(name, func(t *testing.T) {
			cached := &shelf{stored: ended(t, nil), transform: Trim(Settings{}, clocktesting.NewFakePassiveClock(trimNow))}
			live := &shelf{stored: ended(t, nil)}
			test.change(live)
			engine := &teller{}
			r := &InvocationResultReconciler{
				Client: cached, Reader: live, Engine: engine, Outputs: keeper{}, Recorder: &notes{}, Clock: clocktesting.NewFakeClock(trimNow),
			}
			request := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ops", Name: "ended"}}
			*r.memories.of(request.NamespacedName, "uid-1") = memory{uid: "uid-1", begun: true, owed: true}
			_, err := r.Reconcile(t.Context(), request)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want one with %q", err, test.err)
			}
			if (engine.watched != nil) != test.watched || len(cached.patches)+len(cached.deletions) > 0 {
				t.Errorf("watched %v, patches %v, deletions %v", engine.watched, cached.patches, cached.deletions)
			}
		})
	}
}

// What somebody has to look at again stays whole.
func TestOnlyWhatIsSettledIsTrimmed(t *testing.T) {
	keepsInSecret := func(spec *v1alpha1.InvocationResultSpec) {
		spec.Output = &v1alpha1.OutputSpec{Policy: v1alpha1.OutputSecret}
	}
	secrets := Settings{Projection: projection.Settings{MaxOutputPolicy: v1alpha1.OutputSecret}}
	for name, test := range map[string]struct {
		spec     func(*v1alpha1.InvocationResultSpec)
		change   func(*v1alpha1.InvocationResult)
		settings Settings
		// after the end, 0 being two hours.
		after time.Duration
		want  bool
	}{
		"it ended":                    {want: true},
		"it ended just now":           {after: time.Nanosecond, want: true},
		"it ended, and is suspended":  {change: func(r *v1alpha1.InvocationResult) { r.Spec.Suspend = true }, want: true},
		"somebody asks":               {change: ask("now")},
		"somebody asked":              {change: func(r *v1alpha1.InvocationResult) { ask("now")(r); r.Status.LastHandledReconcileAt = "now" }, want: true},
		"the spec is new":             {change: func(r *v1alpha1.InvocationResult) { r.Generation++ }},
		"less output is allowed now":  {settings: Settings{Projection: projection.Settings{MaxOutputPolicy: v1alpha1.OutputNone}}},
		"its output is owed":          {spec: keepsInSecret, settings: secrets, after: 50 * time.Minute},
		"it is owed no longer":        {spec: keepsInSecret, settings: secrets, want: true},
		"its output is in a Secret":   {spec: keepsInSecret, settings: secrets, after: time.Minute, change: func(r *v1alpha1.InvocationResult) { r.Status.OutputSecrets = []string{"kept-output-1"} }, want: true},
		"its delivery is awaited":     {change: delivering(trimNow.Add(-50 * time.Minute))},
		"its delivery is given up":    {change: delivering(trimNow.Add(-30 * 24 * time.Hour)), want: true},
		"nobody has looked at it yet": {change: func(r *v1alpha1.InvocationResult) { r.Status = v1alpha1.InvocationResultStatus{ObservedGeneration: -1} }},
	} {
		t.Run(name, func(t *testing.T) {
			result := ended(t, test.spec)
			if test.change != nil {
				test.change(result)
			}
			at := trimNow
			if test.after > 0 {
				at = at.Add(-2 * time.Hour).Add(test.after)
			}
			got, err := Trim(test.settings, clocktesting.NewFakePassiveClock(at))(result)
			if err != nil {
				t.Fatal(err)
			}
			if _, isTrimmed := settledOf(got.(*v1alpha1.InvocationResult)); isTrimmed != test.want {
				t.Errorf("trimmed: %t, want %t", isTrimmed, test.want)
			}
		})
	}
}

// What cannot be judged is kept whole, and ends nothing but its own reconcile.
func TestAPanicDoesNotEndTheInformer(t *testing.T) {
	if settles(nil, Settings{}, trimNow) {
		t.Error("no result at all is settled")
	}
}

func ask(value string) func(*v1alpha1.InvocationResult) {
	return func(r *v1alpha1.InvocationResult) {
		r.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: value}
	}
}

// delivering has the output of a command that ended at that time on its way to OSS.
func delivering(ended time.Time) func(*v1alpha1.InvocationResult) {
	return func(r *v1alpha1.InvocationResult) {
		end := metav1.NewTime(ended)
		r.Status.Instances[0].OSSOutput = &v1alpha1.OSSOutputStatus{Delivery: "oss://b", Status: "InProgress"}
		r.Status.Instances[0].FinishedTime, r.Status.CompletionTime = &end, &end
	}
}

// Whoever could mark a result as trimmed could hide it from the operator.
func TestNobodyCanMarkAResultAsTrimmed(t *testing.T) {
	admin := newAdmin(t)
	mark := []metav1.ManagedFieldsEntry{{
		Manager: "forger", Operation: trimmed, APIVersion: v1alpha1.GroupVersion.String(), Time: &metav1.Time{Time: trimNow},
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1("{}"),
	}}
	stored := &v1alpha1.InvocationResult{Spec: v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", InvokeID: "t-1"}}
	stored.Namespace, stored.Name = controlPlane.NewNamespace(t), "plain"
	if err := admin.Create(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	forged := stored.DeepCopy()
	forged.ManagedFields = mark
	if err := admin.Update(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	anew := &v1alpha1.InvocationResult{Spec: stored.Spec}
	anew.Namespace, anew.Name, anew.ManagedFields = stored.Namespace, "anew", mark
	if err := admin.Create(t.Context(), anew); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plain", "anew"} {
		var served v1alpha1.InvocationResult
		if err := admin.Get(t.Context(), types.NamespacedName{Namespace: stored.Namespace, Name: name}, &served); err != nil {
			t.Fatal(err)
		}
		if _, isMarked := settledOf(&served); isMarked {
			t.Errorf("%s is served with the mark: %+v", name, served.ManagedFields)
		}
	}
}

// BenchmarkTrim is of what an informer does for each result of 100 instances that has ended.
func BenchmarkTrim(b *testing.B) {
	result := ended(b, nil)
	result.Spec.InstanceID = ""
	at := trimNow.Add(-2 * time.Hour)
	live := &cloudassistant.Answer{StartedAt: at, EndedAt: at, Complete: true}
	for n := range 100 {
		live.Records = append(live.Records, cloudassistant.Record{
			InvokeID: "t-1", InstanceID: fmt.Sprint("i-", n), InvocationStatus: cloudassistant.StatusSuccess, ExitCode: ptr.To[int64](0),
			StartTime: at.Add(-time.Hour), FinishedTime: at.Add(-time.Hour), Output: []byte(strings.Repeat("all is well\n", 100)), Repeats: 1,
		})
	}
	result.Status = projection.Project(projection.Input{Now: at, Generation: 1, Spec: &result.Spec, Observation: projection.Observation{Live: live}}).Status
	trim := Trim(Settings{}, clocktesting.NewFakePassiveClock(trimNow))
	for b.Loop() {
		got, err := trim(result)
		if err != nil {
			b.Fatal(err)
		}
		if _, isTrimmed := settledOf(got.(*v1alpha1.InvocationResult)); !isTrimmed {
			b.Fatal("it is kept whole")
		}
	}
}

// When a result is to be deleted depends on when these turned.
func TestACopyKeepsWhatTheTimeToLiveCountsFrom(t *testing.T) {
	result := &v1alpha1.InvocationResult{Spec: v1alpha1.InvocationResultSpec{TTLSecondsAfterFinished: ptr.To[int32](60)}}
	for n, conditionType := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionCompleted, v1alpha1.ConditionSucceeded, v1alpha1.ConditionStalled} {
		result.Status.Conditions = append(result.Status.Conditions, metav1.Condition{
			Type: conditionType, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(trimNow.Add(time.Duration(n) * time.Hour)),
		})
		want := expiresAt(result, 0)
		if got := expiresAt(settledCopy(result, trimNow), 0); !got.Equal(want) {
			t.Errorf("%s is the latest: the copy expires at %v, the whole at %v", conditionType, got, want)
		}
	}
}

// Of what is remembered of a settled result there stays what tells an old version from a new one, and names the Secrets.
func TestWhatIsRememberedOfASettledResult(t *testing.T) {
	kept := memory{uid: "uid-1", begun: true, writtenVersion: "100", writtenAt: trimNow, secrets: []string{"kept-output"}}
	whole := kept
	whole.demand, whole.kept, whole.told, whole.waveredAt = demand{leastInterval: time.Hour}, map[string]string{"i-a": "digest"}, "why", trimNow
	whole.settle()
	if diff := cmp.Diff(kept, whole, cmp.AllowUnexported(memory{}, demand{})); diff != "" {
		t.Errorf("remembered are (-want +got):\n%s", diff)
	}
	settled, _ := settledOf(settledCopy(&v1alpha1.InvocationResult{}, trimNow))
	if !whole.holdsMoreThan(settled) {
		t.Error("a Secret that the status does not name any more is not noticed")
	}
}

// Something is left to do with a settled result whose output could not be kept: it is read whole for that.
func TestASettledResultThatOwesOutputIsReadWhole(t *testing.T) {
	s := situation{stored: ended(t, nil), cachedAt: trimNow, at: trimNow, memory: memory{begun: true, owed: true}}
	if isTrimmed, reads := s.check(t); !isTrimmed || reads != 1 {
		t.Errorf("the copy is trimmed: %v, and the whole is read %d times, want once", isTrimmed, reads)
	}
}
