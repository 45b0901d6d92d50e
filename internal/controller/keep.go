package controller

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/outputs"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// keep puts outputs that are new into Secrets, before a status names these, and returns the names of all of them.
//
// Where outputs are refused for good the observation goes on without: an event tells, and whoever waits for the end of
// the command is not held up. The next change tries again.
func (r *InvocationResultReconciler) keep(ctx context.Context, result *v1alpha1.InvocationResult, keep projection.Keep, memory *memory) ([]string, error) {
	if !memory.lacks(keep.Outputs) {
		return memory.secrets, nil
	}
	secrets, err := r.Outputs.Keep(ctx, result, keep)
	var refusal *outputs.Refusal
	switch {
	case errors.As(err, &refusal):
		if memory.refusal != refusal.Sentence {
			r.Recorder.Eventf(result, nil, corev1.EventTypeWarning, projection.EventOutputNotKept, "Keep", "%s", refusal.Sentence)
		}
		memory.refusal = refusal.Sentence
		return memory.secrets, nil
	case err != nil:
		return nil, err
	}
	memory.refusal, memory.secrets = "", secrets
	memory.kept = map[string]string{}
	for _, output := range keep.Outputs {
		memory.kept[output.Key] = output.SHA256
	}
	return secrets, nil
}

// lacks says whether any of the outputs was not kept yet, as far as is remembered.
func (m *memory) lacks(outputs []projection.KeptOutput) bool {
	for _, output := range outputs {
		if m.kept[output.Key] != output.SHA256 {
			return true
		}
	}
	return false
}
