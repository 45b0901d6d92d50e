package controller

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// expiresAt is when result is to be deleted: its time to live, or the operator's default, after Completed became
// True, not while suspended, and anew from the end of a suspension. Zero means never, or not yet known. A defaultTTL of 0
// keeps results that name no time to live.
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
	stalled := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionStalled)
	if stalled != nil && stalled.LastTransitionTime.After(from) {
		// It stalled again after its end: a suspension has ended since. How long that was is not known any more.
		from = stalled.LastTransitionTime.Time
	}
	switch ttl := result.Spec.TTLSecondsAfterFinished; {
	case ttl != nil:
		return from.Add(time.Duration(*ttl) * time.Second)
	case defaultTTL > 0:
		return from.Add(defaultTTL)
	}
	return time.Time{}
}

// requestedAt is the value of the annotation that asks for an answer now; ours before Flux's, empty for none.
func requestedAt(result *v1alpha1.InvocationResult) string {
	value := result.Annotations[v1alpha1.AnnotationReconcileRequestedAt]
	if value == "" {
		value = result.Annotations[v1alpha1.AnnotationFluxReconcileRequestedAt]
	}
	// The status echoes it, and holds no more.
	return truncate(value, maxRequestedAt)
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
