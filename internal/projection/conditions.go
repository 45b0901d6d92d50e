package projection

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// standing is a row of the table of conditions.
type standing struct {
	ready, completed, succeeded metav1.ConditionStatus
	reconciling, stalled        bool
}

const (
	yes     = metav1.ConditionTrue
	no      = metav1.ConditionFalse
	unknown = metav1.ConditionUnknown
)

// standings is the table of conditions for the reasons that decide all of them. Succeeded of a scheduled run is
// that of its last run.
var standings = map[string]standing{
	v1alpha1.ReasonPending:         {no, no, unknown, true, false},
	v1alpha1.ReasonRunning:         {no, no, unknown, true, false},
	v1alpha1.ReasonSucceeded:       {yes, yes, yes, false, false},
	v1alpha1.ReasonCommandFailed:   {no, yes, no, false, true},
	v1alpha1.ReasonStopped:         {no, yes, no, false, true},
	v1alpha1.ReasonScheduled:       {yes, no, unknown, false, false},
	v1alpha1.ReasonAwaitingRecords: {no, no, unknown, true, false},
	v1alpha1.ReasonNoRecords:       {no, no, unknown, false, true},
	v1alpha1.ReasonRecordsExpired:  {no, yes, unknown, false, true},
	v1alpha1.ReasonAmbiguousMatch:  {no, no, unknown, false, true},
	v1alpha1.ReasonInvalidQuery:    {no, yes, unknown, false, true},
	v1alpha1.ReasonTimedOut:        {no, yes, unknown, false, true},
}

// isCommandEnd says whether a reason of Completed is the end of the command, not only of its observation.
func isCommandEnd(reason string) bool {
	switch reason {
	case v1alpha1.ReasonSucceeded, v1alpha1.ReasonCommandFailed, v1alpha1.ReasonStopped:
		return true
	}
	return false
}

// conditions are all conditions of the verdict, in the order of the table. Each takes its transition time from the
// previous status unless its own status changed.
func (p *projection) conditions(v verdict) []metav1.Condition {
	row := standings[v.base]
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: row.ready, Reason: v.base, Message: p.message(v.base)}
	completed := metav1.Condition{Type: v1alpha1.ConditionCompleted, Status: row.completed, Reason: v.base, Message: summaries[v.base]}
	succeeded := metav1.Condition{Type: v1alpha1.ConditionSucceeded, Status: row.succeeded, Reason: v.base, Message: summaries[v.base]}
	if v.base == v1alpha1.ReasonScheduled {
		succeeded = p.lastRun()
	}
	third := metav1.Condition{Status: yes}
	switch {
	case v.overlay == v1alpha1.ReasonSuspended:
		ready = metav1.Condition{Type: ready.Type, Status: no, Reason: v.overlay, Message: p.message(v.overlay)}
		completed, succeeded = p.asBefore(completed), p.asBefore(succeeded)
		third.Type, third.Reason, third.Message = v1alpha1.ConditionSuspended, v.overlay, ready.Message
	case v.overlay == v1alpha1.ReasonAccessDenied:
		ready = metav1.Condition{Type: ready.Type, Status: no, Reason: v.overlay, Message: p.message(v.overlay)}
		third.Type, third.Reason, third.Message = v1alpha1.ConditionStalled, v.overlay, ready.Message
	case isTransient(v.overlay):
		third.Type, third.Reason, third.Message = v1alpha1.ConditionReconciling, v.overlay, p.lateness(v.overlay)
	case row.reconciling:
		third.Type, third.Reason, third.Message = v1alpha1.ConditionReconciling, v.base, ready.Message
	case row.stalled:
		third.Type, third.Reason, third.Message = v1alpha1.ConditionStalled, v.base, ready.Message
	}
	conditions := []metav1.Condition{ready, completed, succeeded}
	if third.Type != "" {
		conditions = append(conditions, third)
	}
	for i := range conditions {
		p.stamp(&conditions[i])
	}
	return conditions
}

// asBefore is the condition of the previous status, or c if it had none.
func (p *projection) asBefore(c metav1.Condition) metav1.Condition {
	if before := findCondition(&p.previous, c.Type); before != nil {
		return *before
	}
	return c
}

// stamp dates a condition as meta.SetStatusCondition does, but by the injected time.
func (p *projection) stamp(c *metav1.Condition) {
	c.ObservedGeneration = p.Generation
	c.LastTransitionTime = metav1.Time{Time: p.Now.UTC().Truncate(time.Second)}
	if before := findCondition(&p.previous, c.Type); before != nil && before.Status == c.Status {
		c.LastTransitionTime = before.LastTransitionTime
	}
}

func findCondition(status *v1alpha1.InvocationResultStatus, conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(status.Conditions, conditionType)
}

// conditionReason is the reason of a condition, or "" if there is no such condition.
func conditionReason(status *v1alpha1.InvocationResultStatus, conditionType string) string {
	if c := findCondition(status, conditionType); c != nil {
		return c.Reason
	}
	return ""
}

// Urgent says whether next must be written at once: a condition, the generation, the run, its exit code or its
// end changed, or a request to reconcile was handled. Any other difference is progress and can wait for the next
// write.
func Urgent(previous, next *v1alpha1.InvocationResultStatus) bool {
	return previous == nil || conditionsDiffer(previous.Conditions, next.Conditions) || factsDiffer(previous, next)
}

// Wavers says whether next is Urgent for nothing but a trouble with the answers, which has come or gone: of the run itself
// there is no news.
func Wavers(previous, next *v1alpha1.InvocationResultStatus) bool {
	return previous != nil && troubleIn(previous) != troubleIn(next) &&
		!conditionsDiffer(ofTheRun(previous), ofTheRun(next)) && !factsDiffer(previous, next)
}

// troubleIn is what lies over the verdict on a run; empty if nothing does.
func troubleIn(status *v1alpha1.InvocationResultStatus) string {
	if c := telling(status); c != nil && (isTransient(c.Reason) || c.Reason == v1alpha1.ReasonAccessDenied) {
		return c.Reason
	}
	return ""
}

// ofTheRun are the conditions that no trouble touches.
func ofTheRun(status *v1alpha1.InvocationResultStatus) []metav1.Condition {
	var conditions []metav1.Condition
	for _, c := range status.Conditions {
		if c.Type == v1alpha1.ConditionCompleted || c.Type == v1alpha1.ConditionSucceeded {
			conditions = append(conditions, c)
		}
	}
	return conditions
}

func conditionsDiffer(previous, next []metav1.Condition) bool {
	if len(previous) != len(next) {
		return true
	}
	for _, c := range next {
		before := meta.FindStatusCondition(previous, c.Type)
		if before == nil || before.Status != c.Status || before.Reason != c.Reason || before.ObservedGeneration != c.ObservedGeneration {
			return true
		}
	}
	return false
}

func factsDiffer(previous, next *v1alpha1.InvocationResultStatus) bool {
	return previous.ObservedGeneration != next.ObservedGeneration ||
		previous.InvokeID != next.InvokeID ||
		previous.LastHandledReconcileAt != next.LastHandledReconcileAt ||
		!previous.CompletionTime.Equal(next.CompletionTime) ||
		(previous.ExitCode == nil) != (next.ExitCode == nil) ||
		previous.ExitCode != nil && *previous.ExitCode != *next.ExitCode
}
