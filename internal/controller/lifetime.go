package controller

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// expiresAt is when result is to be deleted: its time to live, or the operator's default, after Completed became True or,
// where the end of the command came to be known after that, Succeeded turned; not while suspended, and anew from the end of
// a suspension. Zero means never, or not yet known. A defaultTTL of 0 keeps results that name no time to live.
func expiresAt(result *v1alpha1.InvocationResult, defaultTTL time.Duration) time.Time {
	if meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionSuspended) {
		// Time does not count while the observation is held.
		return time.Time{}
	}
	completed := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionCompleted)
	if completed == nil || completed.Status != metav1.ConditionTrue {
		return time.Time{}
	}
	from := completed.LastTransitionTime.Time
	// One that stalled again after its end was suspended for a while: how long that was is not known any more.
	for _, conditionType := range []string{v1alpha1.ConditionSucceeded, v1alpha1.ConditionStalled} {
		if c := meta.FindStatusCondition(result.Status.Conditions, conditionType); c != nil && c.LastTransitionTime.After(from) {
			from = c.LastTransitionTime.Time
		}
	}
	switch ttl := result.Spec.TTLSecondsAfterFinished; {
	case ttl != nil:
		return from.Add(time.Duration(*ttl) * time.Second)
	case defaultTTL > 0:
		return from.Add(defaultTTL)
	}
	return time.Time{}
}

// requestedAt is the value of the annotation that asks for an answer now, ours or Flux's; empty for none. Of both it is the
// later one, where both are times, else ours: one of them is left from before, and would hide the other for ever.
func requestedAt(result *v1alpha1.InvocationResult) string {
	ours := result.Annotations[v1alpha1.AnnotationReconcileRequestedAt]
	flux := result.Annotations[v1alpha1.AnnotationFluxReconcileRequestedAt]
	value := ours
	if ours == "" || isLater(flux, ours) {
		value = flux
	}
	// The status echoes it, and holds no more.
	return truncate(value, maxRequestedAt)
}

// isLater says whether two texts are times of which the first is the later one.
func isLater(a, b string) bool {
	at, errA := time.Parse(time.RFC3339, a)
	than, errB := time.Parse(time.RFC3339, b)
	return errA == nil && errB == nil && at.After(than)
}

// isAsked says that somebody asks for an answer now, and the status does not echo it yet.
func isAsked(result *v1alpha1.InvocationResult) bool {
	requested := requestedAt(result)
	return requested != "" && requested != result.Status.LastHandledReconcileAt
}

const maxRequestedAt = 256

func truncate(value string, limit int) string {
	runes := []rune(value)
	if len(runes) <= limit {
		return value
	}
	return string(runes[:limit])
}
