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

// transition tells that the observation stands elsewhere than before; nil if it does not. That a new one is Pending goes
// without saying.
func (p *projection) transition(status *v1alpha1.InvocationResultStatus) *Event {
	before, now := telling(&p.previous), telling(status)
	switch {
	case before != nil && before.Reason == now.Reason, before == nil && now.Reason == v1alpha1.ReasonPending:
		return nil
	case warnings[now.Reason]:
		return &Event{Type: EventWarning, Reason: now.Reason, Note: now.Message}
	}
	return &Event{Type: EventNormal, Reason: now.Reason, Note: now.Message}
}

// events tells of what changed between the previous status and the new one.
func (p *projection) events(v verdict, status *v1alpha1.InvocationResultStatus) []Event {
	var events []Event
	if event := p.transition(status); event != nil {
		events = append(events, *event)
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
