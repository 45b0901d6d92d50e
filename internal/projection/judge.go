package projection

import (
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// verdict is where the observation stands: the reason that the records and the time give, and what lies over it.
type verdict struct {
	// base is a reason that decides Completed and Succeeded, and Ready where nothing lies over it.
	base string
	// overlay is AccessDenied or Suspended, which replace Ready; Throttled or APIUnavailable, which replace the
	// reason of Reconciling; or empty.
	overlay string
}

// judge decides where the observation stands.
func (p *projection) judge() verdict {
	if p.suspended {
		return verdict{base: p.remembered(), overlay: v1alpha1.ReasonSuspended}
	}
	base := p.situation()
	if isCommandEnd(base) || base == v1alpha1.ReasonRecordsExpired {
		return verdict{base: base}
	}
	if p.overdueByNow(base) {
		base = v1alpha1.ReasonTimedOut
	}
	overlay := p.trouble()
	if overlay == v1alpha1.ReasonInvalidQuery {
		return verdict{base: overlay}
	}
	if overlay == v1alpha1.ReasonAccessDenied && p.questionRefused() {
		// That the credentials are refused too says nothing about the question, and takes no end back.
		base = v1alpha1.ReasonInvalidQuery
	}
	if isTransient(overlay) && standings[base].stalled {
		// It needs attention and is asked about rarely: that the rare answer is late is no news.
		overlay = ""
	}
	return verdict{base: base, overlay: overlay}
}

// situation is what the records say, and how long there have been none.
func (p *projection) situation() string {
	switch {
	case p.ended:
		return p.end()
	case p.unresolved():
		return p.matching()
	case p.latched:
		return v1alpha1.ReasonPending
	case len(p.instances) == 0 && p.knownInFull():
		return p.withoutRecords()
	case p.isExpired():
		return v1alpha1.ReasonRecordsExpired
	case p.isEnd():
		return p.end()
	case p.scheduled:
		return v1alpha1.ReasonScheduled
	}
	return v1alpha1.ReasonRunning
}

// matching is where an unresolved spec.match stands. Several runs are a fact in an incomplete answer too; one or
// none is not.
func (p *projection) matching() string {
	if len(p.candidates) > 1 {
		return v1alpha1.ReasonAmbiguousMatch
	}
	if live := p.Observation.Live; live == nil || !live.Complete {
		return p.remembered()
	}
	return p.awaiting()
}

func (p *projection) withoutRecords() string {
	if !p.live.complete {
		return p.remembered()
	}
	return p.awaiting()
}

func (p *projection) awaiting() string {
	grace := p.since.Add(graceTime)
	if p.Now.Before(grace) {
		p.wake(grace)
		return v1alpha1.ReasonAwaitingRecords
	}
	return v1alpha1.ReasonNoRecords
}

// remembered is what the previous status says of an observation without records, or of one that is held.
func (p *projection) remembered() string {
	switch reason := conditionReason(&p.previous, v1alpha1.ConditionCompleted); reason {
	case v1alpha1.ReasonAwaitingRecords, v1alpha1.ReasonNoRecords, v1alpha1.ReasonAmbiguousMatch:
		return reason
	}
	return v1alpha1.ReasonPending
}

// isExpired says whether records once seen are gone from the API: they have been missing from complete answers
// for five minutes, and whatever is left has ended. Until then it is asked as usual, and one answer is demanded at
// the end of that time, because answers that bring no news are not announced.
func (p *projection) isExpired() bool {
	before := conditionReason(&p.previous, v1alpha1.ConditionCompleted) == v1alpha1.ReasonRecordsExpired
	if !p.live.complete {
		return before
	}
	if !p.live.lacking || !p.live.allTerminal {
		return false
	}
	goneAt := p.Observation.UnchangedSince.Add(goneTime)
	if before || !p.Observation.Live.StartedAt.Before(goneAt) {
		return true
	}
	if p.Now.Before(goneAt) {
		p.wake(goneAt)
	} else {
		p.answerFrom = goneAt
	}
	return false
}

// isEnd says whether the answer is the end of the run. If it only looks so, it demands the answer that will tell.
//
// Age counts up to the begin of the answer, not up to now: an answer does not become better by growing old.
func (p *projection) isEnd() bool {
	if !p.live.complete || p.live.lacking || !p.live.allTerminal {
		return false
	}
	answer, unchanged := p.Observation.Live.StartedAt, p.Observation.UnchangedSince
	if answer.Sub(p.bornAt()) < youngAge && answer.Sub(unchanged) < settleTime {
		p.answerFrom = unchanged.Add(settleTime)
		return false
	}
	settled := unchanged.Add(recordSettleTime)
	if p.live.recordOpen && p.Spec.InstanceID == "" && !p.scheduled && p.Now.Before(settled) {
		p.answerFrom = answer.Add(settleTime)
		p.wake(settled)
		return false
	}
	return true
}

// bornAt is the earliest time at which the run is known to have existed: its age counts from there. Whoever knows its ID
// has seen it begin; what fits spec.match may have been looked for long before.
func (p *projection) bornAt() time.Time {
	born := p.since
	if p.Spec.InvokeID == "" {
		born = p.Observation.Live.StartedAt
	}
	if start := p.startTime(); start != nil && start.Time.Before(born) {
		return start.Time
	}
	return born
}

// end is how a run ended all of whose rows are terminal.
func (p *projection) end() string {
	switch s := p.summary(); {
	case s == nil:
		// Nothing to judge by is no reason to call an end by another name.
		return conditionReason(&p.previous, v1alpha1.ConditionCompleted)
	case s.Failed > 0:
		return v1alpha1.ReasonCommandFailed
	case s.Stopped > 0:
		return v1alpha1.ReasonStopped
	}
	return v1alpha1.ReasonSucceeded
}

// overdueByNow says whether a one-time run has not ended within its timeout.
func (p *projection) overdueByNow(base string) bool {
	if base == v1alpha1.ReasonScheduled {
		return false
	}
	deadline := p.since.Add(p.timeout())
	p.wake(deadline)
	return !p.Now.Before(deadline)
}

func (p *projection) timeout() time.Duration {
	switch polling := p.Spec.Polling; {
	case polling != nil && polling.TimeoutSeconds > 0:
		return time.Duration(polling.TimeoutSeconds) * time.Second
	case p.Settings.DefaultTimeout > 0:
		return p.Settings.DefaultTimeout
	}
	return defaultTimeout
}

// trouble is what keeps answers from coming: AccessDenied, InvalidQuery, Throttled, APIUnavailable or nothing. Once
// told, it stays until an attempt succeeds, because the next failure to ask does not mend it.
func (p *projection) trouble() string {
	failure, before := p.Observation.Failure, p.troubleBefore()
	switch {
	case failure == nil:
		// Whoever waits behind a throttled bucket is not told of it: look again when the answer is overdue.
		p.wake(p.Observation.OverdueAt)
		if p.Observation.Live != nil {
			return ""
		}
		return before
	case failure.Class == cloudassistant.ClassDenied:
		return v1alpha1.ReasonAccessDenied
	case failure.Class == cloudassistant.ClassInvalid:
		return v1alpha1.ReasonInvalidQuery
	case before != "" && !isTransient(before):
		return before
	}
	overdue := p.Observation.OverdueAt
	if before == "" && (overdue.IsZero() || p.Now.Before(overdue)) {
		p.wake(overdue)
		return ""
	}
	if failure.Class == cloudassistant.ClassThrottled {
		return v1alpha1.ReasonThrottled
	}
	return v1alpha1.ReasonAPIUnavailable
}

// troubleBefore is the trouble that the previous status tells of.
func (p *projection) troubleBefore() string {
	if conditionReason(&p.previous, v1alpha1.ConditionReady) == v1alpha1.ReasonAccessDenied {
		return v1alpha1.ReasonAccessDenied
	}
	if p.questionRefused() {
		return v1alpha1.ReasonInvalidQuery
	}
	if reason := conditionReason(&p.previous, v1alpha1.ConditionReconciling); isTransient(reason) {
		return reason
	}
	return ""
}

// questionRefused says whether the API's last word on the question was that it is invalid.
func (p *projection) questionRefused() bool {
	return conditionReason(&p.previous, v1alpha1.ConditionCompleted) == v1alpha1.ReasonInvalidQuery
}

func isTransient(reason string) bool {
	return reason == v1alpha1.ReasonThrottled || reason == v1alpha1.ReasonAPIUnavailable
}
