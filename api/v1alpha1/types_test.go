package v1alpha1_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/randfill"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// filled returns a list with every field set, nested ones as well, the same for the same seed.
func filled(seed int64) *v1alpha1.InvocationResultList {
	list := &v1alpha1.InvocationResultList{}
	randfill.NewWithSeed(seed).NilChance(0).NumElements(1, 3).MaxDepth(20).Funcs(
		// Times travel in whole seconds, and the other server-side fields of metadata not at all.
		func(at *metav1.Time, c randfill.Continue) { *at = metav1.Unix(c.Int63n(1<<32), 0) },
		func(meta *metav1.ObjectMeta, c randfill.Continue) { meta.Name = c.String(10) },
		func(meta *metav1.ListMeta, c randfill.Continue) { meta.Continue = c.String(10) },
		func(meta *metav1.TypeMeta, _ randfill.Continue) { meta.Kind = "InvocationResult" },
	).Fill(list)
	return list
}

func TestACopySharesNothing(t *testing.T) {
	for seed := range int64(50) {
		original, pristine := filled(seed), filled(seed)
		replica, ok := original.DeepCopyObject().(*v1alpha1.InvocationResultList)
		if !ok {
			t.Fatal("the copy of a list is not a list")
		}
		if diff := cmp.Diff(pristine, replica); diff != "" {
			t.Fatalf("a copy differs (-want +got):\n%s", diff)
		}
		for i := range replica.Items {
			scribble(&replica.Items[i])
		}
		if diff := cmp.Diff(pristine, original); diff != "" {
			t.Fatalf("changing a copy changed the original (-want +got):\n%s", diff)
		}
	}
}

// TestEveryTypeCopiesItself calls the DeepCopy of every type of ours that is part of a list, and that of a nil.
func TestEveryTypeCopiesItself(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Value)
	visit = func(value reflect.Value) {
		switch value.Kind() {
		case reflect.Pointer:
			visit(value.Elem())
		case reflect.Slice:
			for i := range value.Len() {
				visit(value.Index(i))
			}
		case reflect.Struct:
			if value.Type().PkgPath() == reflect.TypeFor[v1alpha1.Tag]().PkgPath() {
				seen[value.Type()] = true
				pointer := value.Addr()
				if got := pointer.MethodByName("DeepCopy").Call(nil)[0]; !reflect.DeepEqual(got.Interface(), pointer.Interface()) {
					t.Errorf("a copy of a %v differs:\n%s", value.Type(), cmp.Diff(pointer.Interface(), got.Interface()))
				}
				for i := range value.NumField() {
					visit(value.Field(i))
				}
			}
		}
	}
	visit(reflect.ValueOf(filled(1)))
	if len(seen) < 15 {
		t.Errorf("only %d types were seen: the walk is broken", len(seen))
	}
	for kind := range seen {
		if got := reflect.Zero(reflect.PointerTo(kind)).MethodByName("DeepCopy").Call(nil)[0]; !got.IsNil() {
			t.Errorf("a copy of no %v is %v", kind, got)
		}
	}
}

// scribble changes everything that a shallow copy would share.
func scribble(result *v1alpha1.InvocationResult) {
	spec, status := &result.Spec, &result.Status
	spec.Match.Tags[0].Value += "x"
	spec.Polling.TimeoutSeconds++
	*spec.HistoryLimit++
	spec.Output.MaxBytes++
	spec.Credentials.SecretRef.Name += "x"
	*spec.TTLSecondsAfterFinished++
	status.ObservedSince.Time = status.ObservedSince.Add(1)
	*status.ExitCode++
	status.Summary.Total++
	status.StartTime.Time = status.StartTime.Add(1)
	status.CompletionTime.Time = status.CompletionTime.Add(1)
	status.Conditions[0].Reason += "x"
	status.Truncated.History++
	for _, entry := range []*v1alpha1.InstanceResult{&status.Instances[0], &status.History[0]} {
		*entry.ExitCode++
		entry.StartTime.Time = entry.StartTime.Add(1)
		entry.FinishedTime.Time = entry.FinishedTime.Add(1)
		entry.StopTime.Time = entry.StopTime.Add(1)
		entry.Tags[0].Key += "x"
		entry.Output.Text += "x"
		entry.OSSOutput.URI += "x"
	}
}

func TestEveryFieldTravelsAsJSON(t *testing.T) {
	for seed := range int64(50) {
		original := filled(seed)
		wire, err := json.Marshal(original)
		if err != nil {
			t.Fatal(err)
		}
		var arrived v1alpha1.InvocationResultList
		if err := json.Unmarshal(wire, &arrived); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(original, &arrived); diff != "" {
			t.Fatalf("what arrives differs (-want +got):\n%s", diff)
		}
	}
}

func TestTheSchemeKnowsTheKinds(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"InvocationResult", "InvocationResultList"} {
		if !scheme.Recognizes(v1alpha1.GroupVersion.WithKind(kind)) {
			t.Errorf("the scheme does not know %s", kind)
		}
	}
}
