package controller

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"pgregory.net/rapid"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

var controlPlane *testenv.ControlPlane

func TestMain(m *testing.M) {
	testenv.RunSuite(m, &controlPlane)
}

// nothingKnown is an engine before its first answer.
type nothingKnown struct{}

func (nothingKnown) Watch(poller.Owner, poller.Watch) poller.Snapshot { return poller.Snapshot{} }
func (nothingKnown) Forget(poller.Owner)                              {}

// anything is a JSON value that a schema of ours might admit by mistake.
func anything() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Just[any](nil),
		rapid.SampledFrom([]any{
			"", "0", "5m", "1h30m", "-1", "true", "None", "Tail", "GBK", "cn-hangzhou", "t-1", "i-1", "rg-1", "c-1", "acs:ram::1:role/x",
			"2026-01-02T03:04:05Z", "2026-01-02t03:04:05z", "2026-01-02T03:04:05+0000", "2026-01-02T03:04:05.1Z", "2026-02-30T00:00:00Z",
			"2016-12-31T23:59:60Z", "2026-01-02", "20260102T030405Z", "10000-01-01T00:00:00Z", "\u0000", "\ufffe", "é", "💥",
			true, false, int64(0), int64(1), int64(-1), int64(24576), int64(1) << 31, int64(1) << 62, 1.5, 3.0, 1e3, 1e30,
			map[string]any{},
			[]any{},
			[]any{nil},
			[]any{map[string]any{}},
		}),
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		rapid.Map(rapid.Float64(), func(f float64) any { return f }),
	)
}

// step is a way down a JSON tree: a key of an object, or an index of an array.
type step any

// pathsOf lists the ways to every value of a JSON tree but its root.
func pathsOf(value any) [][]step {
	var paths [][]step
	below := func(first step, inner any) {
		paths = append(paths, []step{first})
		for _, rest := range pathsOf(inner) {
			paths = append(paths, append([]step{first}, rest...))
		}
	}
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			below(key, value[key])
		}
	case []any:
		for i, inner := range value {
			below(i, inner)
		}
	}
	return paths
}

// replace puts with in place of what path leads to, or takes that away if remove is set. A path that another
// replacement has cut off leads nowhere.
func replace(value any, path []step, with any, remove bool) {
	for ; len(path) > 1; path = path[1:] {
		switch parent := value.(type) {
		case map[string]any:
			key, _ := path[0].(string)
			value = parent[key]
		case []any:
			if i, ok := path[0].(int); ok && i < len(parent) {
				value = parent[i]
			}
		default:
			return
		}
	}
	switch parent := value.(type) {
	case map[string]any:
		key, _ := path[0].(string)
		if delete(parent, key); !remove {
			parent[key] = with
		}
	case []any:
		if i, ok := path[0].(int); ok && i < len(parent) {
			parent[i] = with
		}
	}
}

// mutate replaces or removes a few of the values of a JSON tree, at any depth.
func mutate(t *rapid.T, tree map[string]any) map[string]any {
	mutated := runtime.DeepCopyJSON(tree)
	paths := pathsOf(mutated)
	for range rapid.SampledFrom([]int{0, 1, 1, 1, 2, 3}).Draw(t, "mutations") {
		path := rapid.SampledFrom(paths).Draw(t, "path")
		replace(mutated, path, anything().Draw(t, "value"), rapid.Bool().Draw(t, "remove"))
	}
	return mutated
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var tree map[string]any
	if err := utiljson.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

const fullSpec = `{"regionID": "cn-hangzhou", "invokeID": "t-1", "match": {"tags": [{"key": "a", "value": "b"}, {"key": "c"}], "commandID": "c-1",
"resourceGroupID": "rg-1"}, "instanceID": "i-1", "includeHistory": true, "polling": {"minIntervalSeconds": 2, "maxIntervalSeconds": 60,
"timeoutSeconds": 86400}, "historyLimit": 10, "output": {"policy": "Tail", "maxBytes": 1024, "charset": "GBK"}, "credentials":
{"secretRef": {"name": "reader"}, "roleARN": "acs:ram::1:role/x"}, "suspend": false, "ttlSecondsAfterFinished": 604800}`

const fullStatus = `{"observedGeneration": 1, "invokeID": "t-1", "lastHandledReconcileAt": "x", "observedSince": "2026-01-02T03:04:05Z", "exitCode": 3,
"summary": {"total": 1, "pending": 0, "running": 0, "succeeded": 0, "failed": 1, "stopped": 0, "other": 0},
"conditions": [{"type": "Ready", "status": "False", "reason": "X", "message": "x", "lastTransitionTime": "2026-01-02T03:04:05Z"}],
"startTime": "2026-01-02T03:04:05Z", "completionTime": "2026-01-02T03:04:05Z", "instances": [{"instanceID": "i-1", "status": "Failed", "exitCode": 3,
"startTime": "2026-01-02T03:04:05Z", "repeats": 1, "tags": [{"key": "a", "value": "b"}], "output": {"text": "x", "encoding": "PlainText",
"droppedBytes": 1, "truncatedBytes": 1, "sha256": "x"}, "ossOutput": {"delivery": "oss://b", "status": "Finished"}}],
"history": [{"instanceID": "i-1", "finishedTime": "2026-01-02T03:04:05Z"}], "outputSecrets": ["a", "a-1"],
"truncated": {"instances": 0, "history": 12, "outputBytes": 90211}}`

// endedStatus is fullStatus of a run that ended, at endedAt.
var endedStatus = strings.Replace(fullStatus, `"conditions": [`, `"conditions": [{"type": "Completed", "status": "True", "reason": "CommandFailed",
"message": "x", "lastTransitionTime": "2126-01-02T03:04:05Z"}, `, 1)

var endedAt = time.Date(2126, 1, 2, 3, 4, 5, 0, time.UTC)

// TestEveryAdmittedObjectIsReconciled: an object that the schema admits and the operator cannot decode would stop
// its informer, and with it the whole operator.
func TestEveryAdmittedObjectIsReconciled(t *testing.T) {
	admin := newAdmin(t)
	namespace := controlPlane.NewNamespace(t)
	spec, statuses := parse(t, fullSpec), []map[string]any{parse(t, fullStatus), parse(t, endedStatus)}
	reconciler := &InvocationResultReconciler{
		Client:   admin,
		Engine:   nothingKnown{},
		Recorder: events.NewFakeRecorder(10000),
		Clock:    clock.RealClock{},
		Settings: Settings{Projection: projection.Settings{MaxStatusBytes: 96 << 10, MaxOutputPolicy: v1alpha1.OutputTail}},
	}
	admitted, refused, trimmed := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		fields := mutate(rt, spec)
		delete(fields, rapid.SampledFrom([]string{"match", "invokeID"}).Draw(rt, "without"))
		object := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
		object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("InvocationResult"))
		object.SetNamespace(namespace)
		object.SetGenerateName("any-")
		if err := admin.Create(t.Context(), object); err != nil {
			if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
				rt.Fatalf("creating %v: %v", object.Object["spec"], err)
			}
			refused++
			return
		}
		admitted++
		key := client.ObjectKeyFromObject(object)
		object.Object["status"] = mutate(rt, rapid.SampledFrom(statuses).Draw(rt, "status"))
		if err := admin.Status().Update(t.Context(), object); err != nil && !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
			rt.Fatalf("writing the status %v: %v", object.Object["status"], err)
		}
		if _, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
			rt.Fatalf("reconciling %v: %v", object.Object, err)
		}
		var after v1alpha1.InvocationResult
		err := admin.Get(t.Context(), key, &after)
		if client.IgnoreNotFound(err) != nil {
			rt.Fatal(err)
		}
		if err != nil {
			return
		}
		if after.Status.ObservedGeneration != after.Generation {
			rt.Fatalf("the reconcile left observedGeneration at %d of %d", after.Status.ObservedGeneration, after.Generation)
		}
		later := endedAt.Add(rapid.SampledFrom(someTimes).Draw(rt, "later"))
		if isTrimmed, _ := (situation{stored: &after, settings: reconciler.Settings, cachedAt: later, at: later}).check(rt); isTrimmed {
			trimmed++
		}
	})
	if admitted < 20 || refused < 20 || trimmed == 0 {
		t.Errorf("%d objects were admitted, %d refused and %d trimmed: the generator tests nothing", admitted, refused, trimmed)
	}
}
