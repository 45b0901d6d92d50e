package projection

import (
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// Settled says, from a resource alone, whether nothing is left to do with it at that time and ever after, unless somebody
// changes it: the observation is over, nothing is owed, and the status is what a projection would write.
func Settled(result *v1alpha1.InvocationResult, settings Settings, at time.Time) bool {
	spec, status := &result.Spec, &result.Status
	if !Finished(spec, status, at) || OwesOutput(spec, status, settings, at) {
		return false
	}
	out := Project(Input{Now: at, Generation: result.Generation, Spec: spec, Previous: status, Settings: settings})
	return out.Finished && out.Requeue.IsZero() && Equal(status, &out.Status)
}
