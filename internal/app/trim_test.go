package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

const trimmedName = "ended"

// get reads the result as it is now.
func (w *world) get(t *testing.T, name string) *v1alpha1.InvocationResult {
	t.Helper()
	result := &v1alpha1.InvocationResult{}
	if err := w.client.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, result); err != nil {
		t.Fatal(err)
	}
	return result
}

// untilSeen waits until the operator has seen all that was done before.
func (w *world) untilSeen(t *testing.T, what string) {
	t.Helper()
	w.askAgain(t, "witness", strings.ReplaceAll(what, " ", "-"))
}

// untilAnswered waits until the status answers the spec as it is.
func (w *world) untilAnswered(t *testing.T) *v1alpha1.InvocationResult {
	t.Helper()
	generation := w.get(t, trimmedName).Generation
	return w.until(t, trimmedName, "answered", func(result *v1alpha1.InvocationResult) bool {
		return result.Status.ObservedGeneration == generation
	})
}

// The operator keeps next to nothing in memory of a result that has ended. Nothing of that ever reaches the result: its
// output stays, whatever somebody does with it, or becomes what a new spec says.
func TestWhatWasRecordedOutlivesWhatTheOperatorKeepsOfIt(t *testing.T) {
	w := newRunningWorld(t)
	row := running(1)
	succeed(&row)
	printed := strings.Repeat("all is well\n", 200)
	row.Output = []byte(printed)
	w.script(t, "t-ended", row)
	w.script(t, "t-witness", running(1))
	w.apply(t, "witness", fmt.Sprintf("{regionID: %s, invokeID: t-witness}", region))
	w.apply(t, trimmedName, fmt.Sprintf("{regionID: %s, invokeID: t-ended}", region))
	ended := w.untilReason(t, trimmedName, v1alpha1.ReasonSucceeded)
	shows := func(result *v1alpha1.InvocationResult, bytes int, after string) {
		t.Helper()
		if len(result.Status.Instances) != 1 || result.Status.Instances[0].Output.Text != printed[len(printed)-bytes:] {
			t.Errorf("after %s the result shows %+v, want the last %d bytes of its output", after, result.Status.Instances, bytes)
		}
	}
	shows(ended, 1024, "its end")
	w.untilSeen(t, "its end")

	for what, do := range map[string]func(){
		"a restart":     func() { w.stop(); w.start(t) },
		"a label":       func() { w.run(t, "label", "ir/"+trimmedName, "team=a") },
		"an annotation": func() { w.run(t, "annotate", "ir/"+trimmedName, "note=kept") },
		"an owner": func() {
			w.merge(t, trimmedName, fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Namespace","name":"x","uid":%q}]}}`, ended.UID))
		},
		"an apply again": func() { w.apply(t, trimmedName, fmt.Sprintf("{regionID: %s, invokeID: t-ended}", region)) },
	} {
		do()
		touched := w.get(t, trimmedName)
		w.untilSeen(t, what)
		after := w.get(t, trimmedName)
		if diff := cmp.Diff(ended.Status, after.Status); diff != "" || after.ResourceVersion != touched.ResourceVersion {
			t.Errorf("after %s the result is written (version %s, before %s): -before +after\n%s", what, after.ResourceVersion, touched.ResourceVersion, diff)
		}
	}

	w.merge(t, trimmedName, `{"spec":{"ttlSecondsAfterFinished":86400}}`)
	shows(w.untilAnswered(t), 1024, "a new time to live")
	w.untilSeen(t, "a new time to live")
	// The API has forgotten the run: what is recorded is the only copy.
	if err := w.cloud.ForgetInvocation("t-ended"); err != nil {
		t.Fatal(err)
	}
	shows(w.askAgain(t, trimmedName, "now"), 1024, "a request to ask again")
	w.stop()
	w.run(t, "annotate", "--overwrite", "ir/"+trimmedName, v1alpha1.AnnotationReconcileRequestedAt+"=later")
	w.start(t)
	shows(w.until(t, trimmedName, "asked again", func(result *v1alpha1.InvocationResult) bool {
		return result.Status.LastHandledReconcileAt == "later"
	}), 1024, "a request while nobody ran")
	w.untilSeen(t, "a request while nobody ran")
	w.merge(t, trimmedName, `{"spec":{"output":{"maxBytes":5}}}`)
	shows(w.untilAnswered(t), 5, "a lower limit")
	w.untilSeen(t, "a lower limit")
	w.merge(t, trimmedName, `{"spec":{"output":{"maxBytes":2000}}}`)
	shows(w.untilAnswered(t), 5, "a higher limit, with nothing to show more of")
	w.script(t, "t-ended", row)
	shows(w.askAgain(t, trimmedName, "at last"), 2000, "a request to ask for more")
	w.untilSeen(t, "a request to ask for more")
	w.merge(t, trimmedName, `{"spec":{"ttlSecondsAfterFinished":0}}`)
	w.run(t, "wait", "ir/"+trimmedName, "--for=delete", "--timeout=90s")
}
