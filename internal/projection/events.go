package projection

import (
	"fmt"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// The types of events, as Kubernetes knows them.
const (
	EventNormal  = "Normal"
	EventWarning = "Warning"
)

// EventRunFailed is the reason of the event that tells of a failed run of a scheduled command. Other events have
// the reasons of the condition Ready, and of Reconciling while an answer is overdue.
const EventRunFailed = "RunFailed"

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

// eventTypes are the reasons worth an event when they become Ready's.
var eventTypes = map[string]string{
	v1alpha1.ReasonSucceeded:      EventNormal,
	v1alpha1.ReasonCommandFailed:  EventWarning,
	v1alpha1.ReasonStopped:        EventWarning,
	v1alpha1.ReasonNoRecords:      EventWarning,
	v1alpha1.ReasonRecordsExpired: EventWarning,
	v1alpha1.ReasonAmbiguousMatch: EventWarning,
	v1alpha1.ReasonAccessDenied:   EventWarning,
	v1alpha1.ReasonInvalidQuery:   EventWarning,
	v1alpha1.ReasonTimedOut:       EventWarning,
	v1alpha1.ReasonSuspended:      EventNormal,
}

// events tells of what changed between the previous status and the new one.
func (p *projection) events(v verdict, status *v1alpha1.InvocationResultStatus) []Event {
	var events []Event
	ready := findCondition(status, v1alpha1.ConditionReady)
	if kind, told := eventTypes[ready.Reason]; told && conditionReason(&p.previous, v1alpha1.ConditionReady) != ready.Reason {
		events = append(events, Event{Type: kind, Reason: ready.Reason, Note: ready.Message})
	}
	if isTransient(v.overlay) && conditionReason(&p.previous, v1alpha1.ConditionReconciling) != v.overlay {
		events = append(events, Event{Type: EventWarning, Reason: v.overlay, Note: findCondition(status, v1alpha1.ConditionReconciling).Message})
	}
	if isCommandEnd(v.base) && (!p.ended || p.Generation != p.previous.ObservedGeneration) && p.wantsSecretInVain() {
		events = append(events, Event{Type: EventWarning, Reason: EventOutputNotKept, Note: "spec.output.policy is Secret, which this operator's --max-output-policy does not allow: the output is neither kept nor shown"})
	}
	if v.base != v1alpha1.ReasonScheduled || p.suspended {
		return events
	}
	if failed := p.newlyFailed(); len(failed) > 0 {
		var described []string
		for _, e := range failed[:min(len(failed), maxNamed)] {
			described = append(described, p.lastEnded(e).describe())
		}
		note := fmt.Sprintf("A scheduled run failed on %d instances: %s", len(failed), enumerate(described, len(failed), ", …"))
		if len(failed) == 1 {
			note = "A scheduled run failed on " + described[0]
		}
		events = append(events, Event{Type: EventWarning, Reason: EventRunFailed, Note: capMessage(note, maxMessageBytes)})
	}
	return events
}

// AskedInVain tells whoever asked for an answer about a result that has ended why there is none.
func AskedInVain(failure *cloudassistant.Error) Event {
	note := "asked for by an annotation, there was no answer, and what was recorded stays: " + told(failure)
	return Event{Type: EventWarning, Reason: EventAskedInVain, Note: capMessage(note, maxMessageBytes)}
}
