package projection

import (
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// Finished says, from the stored status alone, whether the observation is over, so that a restart costs no call.
//
// It is over when the command ended, the history of its last run had a minute to arrive (with
// spec.includeHistory) and the delivery of its output to OSS is done, or 30 days have passed; when its records
// expired; and 30 days after the first observation where asking on was unlikely to change anything.
func Finished(spec *v1alpha1.InvocationResultSpec, status *v1alpha1.InvocationResultStatus, now time.Time) bool {
	reason := conditionReason(status, v1alpha1.ConditionCompleted)
	switch {
	case isCommandEnd(reason):
		return !now.Before(historyDue(spec, status)) && !now.Before(deliveryDue(status))
	case reason == v1alpha1.ReasonRecordsExpired:
		return true
	}
	return slow(reason) && !status.ObservedSince.IsZero() && !now.Before(status.ObservedSince.Add(slowTime))
}

// slow says whether, for that reason of Completed, another answer is unlikely to bring anything.
func slow(reason string) bool {
	switch reason {
	case v1alpha1.ReasonTimedOut, v1alpha1.ReasonNoRecords, v1alpha1.ReasonInvalidQuery, v1alpha1.ReasonAmbiguousMatch:
		return true
	}
	return false
}

// finished is Finished with the observation at hand, which may show that the history has arrived.
func (p *projection) finished(status *v1alpha1.InvocationResultStatus) bool {
	if reason := conditionReason(status, v1alpha1.ConditionCompleted); !isCommandEnd(reason) {
		if slow(reason) {
			p.wake(p.since.Add(slowTime))
		}
		return Finished(p.Spec, status, p.Now)
	}
	delivery, history := deliveryDue(status), historyDue(p.Spec, status)
	p.wake(delivery)
	if p.historyArrived() {
		history = time.Time{}
	}
	p.wake(history)
	return !p.Now.Before(delivery) && !p.Now.Before(history)
}

// historyArrived says whether the answer about earlier runs is as new as the end of the live rows.
func (p *projection) historyArrived() bool {
	live, history := p.Observation.Live, p.Observation.History
	return live != nil && history != nil && history.Complete && !history.StartedAt.Before(p.Observation.UnchangedSince)
}

// historyDue is until when a run that ended waits for the history of its last run; zero for not at all.
func historyDue(spec *v1alpha1.InvocationResultSpec, status *v1alpha1.InvocationResultStatus) time.Time {
	if !spec.IncludeHistory {
		return time.Time{}
	}
	if !ranOnSchedule(status) {
		return time.Time{}
	}
	return findCondition(status, v1alpha1.ConditionCompleted).LastTransitionTime.Add(historyWait)
}

// ranOnSchedule says whether a run that ended was one of several.
func ranOnSchedule(status *v1alpha1.InvocationResultStatus) bool {
	return len(status.History) > 0 || slices.ContainsFunc(status.Instances, func(r v1alpha1.InstanceResult) bool { return r.Repeats > 1 })
}

// deliveryDue is until when a run that ended waits for the delivery of its output; zero for not at all.
func deliveryDue(status *v1alpha1.InvocationResultStatus) time.Time {
	if end := undelivered(status); !end.IsZero() {
		return end.Add(slowTime)
	}
	return time.Time{}
}

// undelivered is the end of a command of which an output is still to be delivered to OSS; zero if none is, and while the
// command goes on, whose end is worth more. Of an instance that does not fit in the status nobody could see a delivery, so
// that it counts for nothing.
func undelivered(status *v1alpha1.InvocationResultStatus) time.Time {
	completed := findCondition(status, v1alpha1.ConditionCompleted)
	if completed == nil || !isCommandEnd(completed.Reason) || !slices.ContainsFunc(status.Instances, awaitsDelivery) {
		return time.Time{}
	}
	// Its end cannot have been seen before it came, whatever the API says.
	end := completed.LastTransitionTime.Time
	if at := status.CompletionTime; at != nil && at.Time.Before(end) {
		end = at.Time
	}
	return end
}

func awaitsDelivery(result v1alpha1.InstanceResult) bool {
	o := result.OSSOutput
	return cloudassistant.InvocationStatus(result.Status).Terminal() && o != nil && o.Delivery != "" && !delivered(o)
}

// leastInterval is how long it takes at least until the next answer is worth its call.
func (p *projection) leastInterval(status *v1alpha1.InvocationResultStatus) time.Duration {
	if slow(conditionReason(status, v1alpha1.ConditionCompleted)) {
		return SlowInterval
	}
	if end := undelivered(status); !end.IsZero() {
		return p.deliveryInterval(end)
	}
	return 0
}

// deliveryInterval leaves the pace of an hour's wait for a delivery to the spec. From then on it grows with what has
// passed, so that a delivery which never ends costs some fifty calls in thirty days.
func (p *projection) deliveryInterval(end time.Time) time.Duration {
	step := deliveryWait
	if p.Now.Before(end.Add(step)) {
		p.wake(end.Add(step))
		return 0
	}
	for !p.Now.Before(end.Add(2 * step)) {
		step *= 2
	}
	p.wake(end.Add(2 * step))
	return min(step/4, maxDeliveryInterval)
}
