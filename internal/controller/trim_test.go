package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

var trimNow = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// trimming is a client that reads as from a cache that trims.
type trimming struct{ client.Client }

func (c trimming) Get(ctx context.Context, name client.ObjectKey, into client.Object, options ...client.GetOption) error {
	if err := c.Client.Get(ctx, name, into, options...); err != nil {
		return err
	}
	kept, err := Trim(Settings{}, clock.RealClock{})(into.DeepCopyObject())
	if err == nil {
		*into.(*v1alpha1.InvocationResult) = *kept.(*v1alpha1.InvocationResult)
	}
	return err
}

// shelf is a client of one object, read through a transform or without one, and what is done to it.
type shelf struct {
	client.Client
	stored    *v1alpha1.InvocationResult
	transform cache.TransformFunc
	reads     int
	patches   []string
	deletions []string
}

func (s *shelf) Get(_ context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	s.reads++
	if s.stored == nil || client.ObjectKeyFromObject(s.stored) != name {
		return apierrors.NewNotFound(schema.GroupResource{}, name.Name)
	}
	read := s.stored.DeepCopy()
	if s.transform != nil {
		transformed, err := s.transform(read)
		if err != nil {
			return err
		}
		read = transformed.(*v1alpha1.InvocationResult)
	}
	read.DeepCopyInto(into.(*v1alpha1.InvocationResult))
	return nil
}

func (s *shelf) Delete(_ context.Context, object client.Object, options ...client.DeleteOption) error {
	var all client.DeleteOptions
	all.ApplyOptions(options)
	text, err := json.Marshal(all.Preconditions)
	s.deletions = append(s.deletions, client.ObjectKeyFromObject(object).String()+string(text))
	return err
}

func (s *shelf) Status() client.SubResourceWriter { return statusOf{shelf: s} }

type statusOf struct {
	client.SubResourceWriter
	shelf *shelf
}

func (s statusOf) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	data, err := patch.Data(object)
	s.shelf.patches = append(s.shelf.patches, string(data))
	return err
}

// teller is an engine that knows one answer, and what it was asked last.
type teller struct {
	snapshot poller.Snapshot
	watched  *poller.Watch
}

func (e *teller) Watch(_ poller.Owner, watch poller.Watch) poller.Snapshot {
	e.watched = &watch
	return e.snapshot
}
func (e *teller) Forget(poller.Owner) { e.watched = nil }

// keeper keeps outputs in a Secret that is there already.
type keeper struct{}

func (keeper) Keep(context.Context, *v1alpha1.InvocationResult, projection.Keep) ([]string, error) {
	return []string{"kept-output-1"}, nil
}

// decision is what came of a reconcile.
type decision struct {
	Result    ctrl.Result
	Err       string
	Patches   []string
	Deletions []string
	Watched   *poller.Watch
	Events    []string
}

// situation is all that a reconcile depends on.
type situation struct {
	stored   *v1alpha1.InvocationResult
	settings Settings
	memory   memory
	snapshot poller.Snapshot
	// cachedAt is when the cache took it, at when it is reconciled.
	cachedAt, at time.Time
}

// notes are events.
type notes struct{ all []string }

func (n *notes) Eventf(_, _ runtime.Object, kind, reason, _, note string, args ...any) {
	n.all = append(n.all, kind+" "+reason+" "+fmt.Sprintf(note, args...))
}

// decide reconciles in a situation, with a trimmed cache or a whole one, and says how often the API server was read.
func decide(s situation, trims bool) (decision, int) {
	cached, live := &shelf{stored: s.stored}, &shelf{stored: s.stored}
	if trims {
		cached.transform = Trim(s.settings, clocktesting.NewFakePassiveClock(s.cachedAt))
	}
	engine, told := &teller{snapshot: s.snapshot, watched: &poller.Watch{Tenant: "as before"}}, &notes{}
	r := &InvocationResultReconciler{
		Client: cached, Reader: live, Engine: engine, Outputs: keeper{}, Recorder: told, Clock: clocktesting.NewFakeClock(s.at), Settings: s.settings,
	}
	name := client.ObjectKeyFromObject(s.stored)
	before := s.memory
	before.uid = s.stored.UID
	*r.memories.of(name, s.stored.UID) = before
	result, err := r.Reconcile(context.Background(), ctrl.Request{NamespacedName: name})
	d := decision{Result: result, Patches: cached.patches, Deletions: cached.deletions, Watched: engine.watched, Events: told.all}
	if err != nil {
		d.Err = err.Error()
	}
	return d, live.reads
}

// check fails unless a trimmed cache leads to the same as a whole one, and says what it did instead of nothing.
func (s situation) check(t interface{ Fatalf(string, ...any) }) (isTrimmed bool, reads int) {
	want, _ := decide(s, false)
	got, reads := decide(s, true)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("of a trimmed cache comes something else (-whole +trimmed):\n%s", diff)
	}
	once, err := Trim(s.settings, clocktesting.NewFakePassiveClock(s.cachedAt))(s.stored.DeepCopy())
	if err != nil {
		t.Fatalf("trimming: %v", err)
	}
	twice, err := Trim(s.settings, clocktesting.NewFakePassiveClock(s.at))(once.(*v1alpha1.InvocationResult).DeepCopy())
	_, isTrimmed = settledOf(once.(*v1alpha1.InvocationResult))
	if _, again := settledOf(twice.(*v1alpha1.InvocationResult)); err != nil || isTrimmed && !again {
		t.Fatalf("trimmed twice it is whole, or %v", err)
	}
	if diff := cmp.Diff(once, twice); isTrimmed && diff != "" {
		t.Fatalf("trimming twice is not trimming once:\n%s", diff)
	}
	return isTrimmed, reads
}

func drawSettings(t *rapid.T, label string) Settings {
	return Settings{
		Projection: projection.Settings{
			MaxStatusBytes:      rapid.SampledFrom([]int{0, 0, 0, 8 << 10}).Draw(t, label+": most bytes"),
			DefaultOutputPolicy: rapid.SampledFrom([]v1alpha1.OutputPolicy{"", "", v1alpha1.OutputNone}).Draw(t, label+": default policy"),
			MaxOutputPolicy:     rapid.SampledFrom([]v1alpha1.OutputPolicy{v1alpha1.OutputSecret, v1alpha1.OutputSecret, v1alpha1.OutputTail, v1alpha1.OutputNone}).Draw(t, label+": greatest policy"),
		},
		DefaultTTL: rapid.SampledFrom([]time.Duration{0, 0, time.Hour}).Draw(t, label+": time to live"),
	}
}

func drawSpec(t *rapid.T) v1alpha1.InvocationResultSpec {
	spec := v1alpha1.InvocationResultSpec{
		RegionID: "cn-hangzhou", InvokeID: "t-1",
		IncludeHistory: rapid.Bool().Draw(t, "history"),
	}
	if rapid.Bool().Draw(t, "has a time to live") {
		spec.TTLSecondsAfterFinished = ptr.To(rapid.SampledFrom([]int32{0, 60, 86400 * 365}).Draw(t, "time to live"))
	}
	if rapid.Bool().Draw(t, "has output") {
		spec.Output = &v1alpha1.OutputSpec{
			Policy:   rapid.SampledFrom([]v1alpha1.OutputPolicy{"", v1alpha1.OutputNone, v1alpha1.OutputTail, v1alpha1.OutputSecret, v1alpha1.OutputSecret}).Draw(t, "policy"),
			MaxBytes: rapid.SampledFrom([]int32{0, 1, 24576}).Draw(t, "most bytes of an output"),
		}
	}
	return spec
}

// drawAnswer is about t-1, begun at that time.
func drawAnswer(t *rapid.T, at time.Time, label string) *cloudassistant.Answer {
	answer := &cloudassistant.Answer{StartedAt: at, EndedAt: at, Complete: rapid.IntRange(0, 4).Draw(t, label+": complete") > 0}
	for n := range rapid.IntRange(0, 3).Draw(t, label+": rows") {
		row := cloudassistant.Record{
			InvokeID: "t-1", InstanceID: fmt.Sprint("i-", n), StartTime: at.Add(-time.Hour), FinishedTime: at.Add(-time.Minute),
			InvocationStatus: rapid.SampledFrom([]cloudassistant.InvocationStatus{
				cloudassistant.StatusSuccess, cloudassistant.StatusSuccess, cloudassistant.StatusFailed, cloudassistant.StatusCancelled,
				cloudassistant.StatusRunning, cloudassistant.StatusScheduled,
			}).Draw(t, label+": status"),
			Repeats: rapid.SampledFrom([]int64{0, 1, 5}).Draw(t, label+": repeats"),
			Output:  make([]byte, rapid.SampledFrom([]int{0, 10, 20000}).Draw(t, label+": output")),
		}
		if rapid.IntRange(0, 4).Draw(t, label+": delivered") == 0 {
			row.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b", Status: rapid.SampledFrom([]string{"", "InProgress", "Finished"}).Draw(t, label+": delivery")}
		}
		answer.Records = append(answer.Records, row)
	}
	return answer
}

func drawSnapshot(t *rapid.T, at time.Time, label string) poller.Snapshot {
	var snapshot poller.Snapshot
	switch rapid.IntRange(0, 3).Draw(t, label+": is") {
	case 0:
	case 1:
		snapshot.Failure = &poller.Failure{Began: at, At: at, Err: &cloudassistant.Error{
			Class: rapid.SampledFrom([]cloudassistant.Class{cloudassistant.ClassDenied, cloudassistant.ClassInvalid, cloudassistant.ClassThrottled}).Draw(t, label+": failure"),
		}}
	default:
		snapshot.Live = drawAnswer(t, at, label)
		snapshot.UnchangedSince = at.Add(-time.Hour)
		if rapid.Bool().Draw(t, label+": has history") {
			snapshot.History = drawAnswer(t, at, label+" of earlier runs")
		}
	}
	return snapshot
}

var someTimes = []time.Duration{0, time.Second, 30 * time.Second, 61 * time.Second, 10 * time.Minute, 2 * time.Hour, 25 * time.Hour, 40 * 24 * time.Hour}

// drawPauses is how much time passes after each look: whatever it is, or as much as it takes for a run to be given up, and
// then not to be asked for any more.
func drawPauses(t *rapid.T) []time.Duration {
	if rapid.IntRange(0, 2).Draw(t, "given up") == 0 {
		return []time.Duration{25 * time.Hour, rapid.SampledFrom(someTimes).Draw(t, "held for"), 40 * 24 * time.Hour, 0}
	}
	return rapid.SliceOfN(rapid.SampledFrom(someTimes), 1, 3).Draw(t, "passes")
}

// drawSituation is one that the operator may get into: a status that it wrote itself, perhaps with other settings, or
// whatever the JSON holds, something that somebody changed since, and what is remembered.
func drawSituation(t *rapid.T, handWritten []byte) situation {
	s := situation{settings: drawSettings(t, "settings"), stored: &v1alpha1.InvocationResult{Spec: drawSpec(t)}}
	s.stored.Namespace, s.stored.Name, s.stored.UID, s.stored.ResourceVersion, s.stored.Generation = "ops", "any", "uid-1", "100", 1
	began := trimNow
	settings := s.settings
	if rapid.IntRange(0, 4).Draw(t, "other settings before") == 0 {
		settings = drawSettings(t, "settings before")
	}
	for n, passes := range drawPauses(t) {
		s.stored.Spec.Suspend = rapid.IntRange(0, 5).Draw(t, "suspended") == 0
		s.stored.Status = projection.Project(projection.Input{
			Now: began, Generation: 1, Spec: &s.stored.Spec, Previous: s.stored.Status.DeepCopy(), Settings: settings.Projection,
			Observation: observationOf(drawSnapshot(t, began, fmt.Sprint("look ", n))),
		}).Status
		began = began.Add(passes)
	}
	if handWritten != nil {
		s.stored.Status = v1alpha1.InvocationResultStatus{}
		if err := json.Unmarshal(handWritten, &s.stored.Status); err != nil {
			t.Skip("no status")
		}
		began = endedAt
		if rapid.IntRange(0, 4).Draw(t, "the operator looked at it") > 0 {
			s.stored.Status = projection.Project(projection.Input{
				Now: began, Generation: 1, Spec: &s.stored.Spec, Previous: s.stored.Status.DeepCopy(), Settings: settings.Projection,
			}).Status
		}
		began = began.Add(rapid.SampledFrom(someTimes).Draw(t, "passes"))
	}
	switch rapid.IntRange(0, 12).Draw(t, "somebody") {
	case 0:
		s.stored.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
	case 1:
		s.stored.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
		s.stored.Status.LastHandledReconcileAt = "now"
	case 2:
		s.stored.Spec.Output, s.stored.Generation = &v1alpha1.OutputSpec{MaxBytes: 5}, 2
	case 3:
		s.stored.Spec.Suspend, s.stored.Generation = !s.stored.Spec.Suspend, 2
	case 4:
		s.stored.Labels = map[string]string{"team": "a"}
	case 5:
		s.stored.DeletionTimestamp = &metav1.Time{Time: began}
	case 6:
		s.stored.Status.OutputSecrets = []string{"kept-output-1"}
	}
	switch rapid.IntRange(0, 6).Draw(t, "remembered") {
	case 0:
		s.memory = memory{begun: true, owed: true}
	case 1:
		s.memory = memory{begun: true, secrets: []string{"kept-output-1"}}
	case 2:
		s.memory = memory{begun: true, forced: "now", forcedAt: began}
	case 3:
		s.memory = memory{begun: true, writtenVersion: rapid.SampledFrom([]string{"99", "100", "101"}).Draw(t, "written"), writtenAt: began}
	}
	s.cachedAt = began
	s.at = began.Add(rapid.SampledFrom(someTimes).Draw(t, "passes at last"))
	s.snapshot = drawSnapshot(t, s.at, "at last")
	return s
}

// What a reconcile decides from a trimmed copy is what it decides from the whole: the same patch, if any, the same
// deletion, the same events, the same watch and the same time to come back.
func TestATrimmedCacheDecidesAsAWholeOne(t *testing.T) {
	for name, isHandWritten := range map[string]bool{"what the operator wrote": false, "what somebody wrote": true} {
		t.Run(name, func(t *testing.T) {
			tree := parse(t, endedStatus)
			whole, rested, read := 0, 0, 0
			rapid.Check(t, func(rt *rapid.T) {
				var handWritten []byte
				if isHandWritten {
					var err error
					if handWritten, err = json.Marshal(mutate(rt, tree)); err != nil {
						rt.Fatal(err)
					}
				}
				isTrimmed, reads := drawSituation(rt, handWritten).check(rt)
				switch {
				case !isTrimmed:
					whole++
				case reads == 0:
					rested++
				default:
					read++
				}
			})
			if whole == 0 || rested == 0 || read == 0 && !isHandWritten {
				t.Errorf("%d copies were whole, %d trimmed and enough, %d trimmed and read again: the generator tests nothing", whole, rested, read)
			}
		})
	}
}

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
