package projection

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// The types of events, as Kubernetes knows them.
const (
	EventNormal  = "Normal"
	EventWarning = "Warning"
)

// EventRunFailed is the reason of the event that tells of a failed run of a scheduled command. Those that tell of where
// the observation stands have the reason of the condition Ready, or of Reconciling while an answer is overdue.
const EventRunFailed = "RunFailed"

// EventRunSucceeded is the reason of the event that tells that the last run of a scheduled command succeeded, where the one
// before did not or was not known.
const EventRunSucceeded = "RunSucceeded"

// EventOutputNotKept is the reason of the event that tells of output which was to be kept in a Secret, and is not.
const EventOutputNotKept = "OutputNotKept"

// EventAskedInVain is the reason of the event that tells whoever asked about a result that has ended of a failure.
const EventAskedInVain = "AskedInVain"

// Event tells of a transition. Its note is at most 1,024 bytes, more than which the API server refuses.
type Event struct {
	Type   string
	Reason string
	Note   string
}

// warnings are the reasons that call for attention. A change to any other is a Normal event.
var warnings = map[string]bool{
	v1alpha1.ReasonCommandFailed:  true,
	v1alpha1.ReasonStopped:        true,
	v1alpha1.ReasonNoRecords:      true,
	v1alpha1.ReasonRecordsExpired: true,
	v1alpha1.ReasonAmbiguousMatch: true,
	v1alpha1.ReasonAccessDenied:   true,
	v1alpha1.ReasonInvalidQuery:   true,
	v1alpha1.ReasonTimedOut:       true,
	v1alpha1.ReasonThrottled:      true,
	v1alpha1.ReasonAPIUnavailable: true,
}

// telling is the condition that says where an observation stands: Reconciling while an answer is overdue, else Ready; nil
// before the first.
func telling(status *v1alpha1.InvocationResultStatus) *metav1.Condition {
	if c := findCondition(status, v1alpha1.ConditionReconciling); c != nil && isTransient(c.Reason) {
		return c
	}
	return findCondition(status, v1alpha1.ConditionReady)
}

// transitions tell that the observation stands elsewhere than before, and of what has changed below a trouble, which nobody
// would see there. That a new one is Pending goes without saying.
func (p *projection) transitions(status *v1alpha1.InvocationResultStatus) []Event {
	var events []Event
	before, now := telling(&p.previous), telling(status)
	if before == nil && now.Reason != v1alpha1.ReasonPending || before != nil && before.Reason != now.Reason {
		events = append(events, eventOf(now))
	}
	below := findCondition(status, v1alpha1.ConditionCompleted)
	known := findCondition(&p.previous, v1alpha1.ConditionCompleted)
	if known != nil && known.Reason != below.Reason && below.Reason != now.Reason {
		events = append(events, eventOf(below))
	}
	return events
}

// eventOf tells of a condition.
func eventOf(c *metav1.Condition) Event {
	if warnings[c.Reason] {
		return Event{Type: EventWarning, Reason: c.Reason, Note: c.Message}
	}
	return Event{Type: EventNormal, Reason: c.Reason, Note: c.Message}
}

// events tells of what changed between the previous status and the new one.
func (p *projection) events(v verdict, status *v1alpha1.InvocationResultStatus) []Event {
	events := p.transitions(status)
	if isCommandEnd(v.base) && (!p.ended || p.Generation != p.previous.ObservedGeneration) && p.wantsSecretInVain() {
		events = append(events, Event{Type: EventWarning, Reason: EventOutputNotKept, Note: "spec.output.policy is Secret, which this operator's --max-output-policy does not allow: the output is neither kept nor shown"})
	}
	if v.base == v1alpha1.ReasonScheduled && !p.suspended {
		events = append(events, p.lastRuns(status)...)
	}
	return events
}

// lastRuns tells of the last runs of a schedule: of each that failed, and of one that succeeded after one that had not.
func (p *projection) lastRuns(status *v1alpha1.InvocationResultStatus) []Event {
	before, now := findCondition(&p.previous, v1alpha1.ConditionSucceeded), findCondition(status, v1alpha1.ConditionSucceeded)
	turned := before == nil || before.Status != now.Status
	failed := p.newlyFailed()
	var described []string
	for _, e := range failed[:min(len(failed), maxNamed)] {
		described = append(described, p.lastEnded(e).describe())
	}
	switch {
	case len(failed) > 1:
		note := fmt.Sprintf("A scheduled run failed on %d instances: %s", len(failed), enumerate(described, len(failed), ", …"))
		return []Event{{Type: EventWarning, Reason: EventRunFailed, Note: capMessage(note, maxMessageBytes)}}
	case len(failed) == 1:
		return []Event{{Type: EventWarning, Reason: EventRunFailed, Note: capMessage("A scheduled run failed on "+described[0], maxMessageBytes)}}
	case turned && now.Status == no:
		// On an instance that does not fit in the status.
		return []Event{{Type: EventWarning, Reason: EventRunFailed, Note: now.Message}}
	case turned && now.Status == yes:
		return []Event{{Type: EventNormal, Reason: EventRunSucceeded, Note: now.Message}}
	}
	return nil
}

// AskedInVain tells whoever asked for an answer about a result that has ended why there is none.
func AskedInVain(failure *cloudassistant.Error) Event {
	note := "asked for by an annotation, there was no answer, and what was recorded stays: " + told(failure)
	return Event{Type: EventWarning, Reason: EventAskedInVain, Note: capMessage(note, maxMessageBytes)}
}
