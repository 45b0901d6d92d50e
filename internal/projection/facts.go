package projection

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// startTime is the earliest start on any instance, those that do not fit in the status included.
func (p *projection) startTime() *metav1.Time {
	earliest := p.previous.StartTime
	for _, e := range p.instances {
		if e.StartTime != nil && (earliest == nil || e.StartTime.Before(earliest)) {
			earliest = e.StartTime
		}
	}
	return earliest
}

// completionTime is the latest end on any instance, those that do not fit in the status included.
func (p *projection) completionTime() *metav1.Time {
	latest := p.previous.CompletionTime
	for _, e := range p.instances {
		if e.FinishedTime != nil && (latest == nil || latest.Before(e.FinishedTime)) {
			latest = e.FinishedTime
		}
	}
	return latest
}

// exitCode is 0 if all instances succeeded, else the first other one by order of the instances, which starts with
// the failed. What did not fit in the status can only have it if nothing that did has.
func (p *projection) exitCode(s *v1alpha1.InvocationSummary) *int64 {
	if s != nil && s.Succeeded == s.Total {
		return new(int64)
	}
	for _, e := range p.instances {
		if e.outcome() != cloudassistant.OutcomeSucceeded && e.ExitCode != nil && *e.ExitCode != 0 {
			return e.ExitCode
		}
	}
	if p.knownInFull() {
		return nil
	}
	return p.previous.ExitCode
}
