package controller

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/outputs"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// keep puts outputs that are new into Secrets, before a status names these, and returns the names of all of them.
//
// Whoever waits for the end of the command is not held up by a failure: the status is written all the same. What may
// pass is owed, and tried again; what is refused for good is told by an event, and tried again when somebody asks.
func (r *InvocationResultReconciler) keep(ctx context.Context, result *v1alpha1.InvocationResult, keep projection.Keep, memory *memory) (secrets []string, err error) {
	if !memory.lacks(keep.Outputs) {
		return memory.secrets, nil
	}
	secrets, err = r.Outputs.Keep(ctx, result, keep)
	var refusal *outputs.Refusal
	var delay *outputs.Delay
	memory.owed = errors.As(err, &delay)
	switch {
	case memory.owed:
		r.tellNotKept(result, memory, fmt.Sprintf("the output cannot be kept in a Secret yet (%s); it is tried again by itself", delay.Reason))
		// New Secrets are named when they hold all that belongs there: a name would say so after a restart.
		return memory.secrets, err
	case errors.As(err, &refusal):
		r.tellNotKept(result, memory, refusal.Sentence+"; then ask again by the annotation "+v1alpha1.AnnotationReconcileRequestedAt)
	}
	memory.secrets, memory.kept = secrets, map[string]string{}
	for _, output := range keep.Outputs {
		memory.kept[output.Key] = output.SHA256
	}
	return secrets, nil
}

// tellNotKept tells once why outputs are not kept.
func (r *InvocationResultReconciler) tellNotKept(result *v1alpha1.InvocationResult, memory *memory, why string) {
	if memory.told != why {
		r.Recorder.Eventf(result, nil, corev1.EventTypeWarning, projection.EventOutputNotKept, "Keep", "%s", why)
	}
	memory.told = why
}

// lacks says whether any of the outputs was not tried to be kept yet, as far as is remembered.
func (m *memory) lacks(outputs []projection.KeptOutput) bool {
	for _, output := range outputs {
		if m.kept[output.Key] != output.SHA256 {
			return true
		}
	}
	return false
}
