package projection

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// isScheduled says whether the run is one of a scheduled command. The API does not say so: it shows in a row that
// waits for its next run or has had several, and is remembered.
func (p *projection) isScheduled() bool {
	if conditionReason(&p.previous, v1alpha1.ConditionCompleted) == v1alpha1.ReasonScheduled {
		return true
	}
	for _, e := range p.instances {
		if e.scheduled() {
			return true
		}
	}
	return false
}

func (e *entry) scheduled() bool {
	return e.Repeats > 1 || e.Status == string(cloudassistant.StatusScheduled)
}

// lastRun is the condition Succeeded of a scheduled run: False if the last run failed on any instance, True if it
// succeeded on all of them. While a run goes on somewhere and nothing tells of the one before, it stays as it was.
func (p *projection) lastRun() metav1.Condition {
	result := func(status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: v1alpha1.ConditionSucceeded, Status: status, Reason: reason, Message: message}
	}
	known := true
	for _, e := range p.instances {
		switch last := p.lastEnded(e); {
		case last.failed():
			return result(no, v1alpha1.ReasonCommandFailed, "The last run failed.")
		case last == nil:
			known = false
		}
	}
	if known && p.knownInFull() {
		return result(yes, v1alpha1.ReasonSucceeded, "The last run succeeded.")
	}
	before := findCondition(&p.previous, v1alpha1.ConditionSucceeded)
	if before != nil && before.Status != unknown {
		return *before
	}
	return result(unknown, v1alpha1.ReasonScheduled, "No run has ended yet.")
}

// lastEnded is the entry that tells of the last run that ended at the place of e: e itself between two runs, else the
// newest of the history; nil if there is none.
func (p *projection) lastEnded(e *entry) *entry {
	if e.tells() {
		return e
	}
	for _, run := range p.history.runs {
		if run.place() == e.place() && run.terminal() {
			return run
		}
	}
	return nil
}

// tells says whether an entry itself tells how its last run ended. While a run goes on, whatever is left in the row
// of the run before cannot be told from its own.
func (e *entry) tells() bool {
	return e.terminal() || e.Status == string(cloudassistant.StatusScheduled) && (e.ExitCode != nil || e.ErrorCode != "")
}

// failed says whether the run that an entry tells of failed; false of none.
func (e *entry) failed() bool {
	switch {
	case e == nil:
		return false
	case e.terminal():
		return e.outcome() == cloudassistant.OutcomeFailed
	case e.ExitCode != nil:
		return *e.ExitCode != 0
	}
	return e.ErrorCode != ""
}

// newlyFailed are the entries whose last run failed and was not yet known to have. Where only the history tells,
// it is news when Succeeded turns.
func (p *projection) newlyFailed() []*entry {
	before := map[place]*entry{}
	for _, result := range p.previous.Instances {
		e := stored(result)
		before[e.place()] = e
	}
	knownInFull := unseenIn(&p.previous).Total == 0
	succeeded := findCondition(&p.previous, v1alpha1.ConditionSucceeded)
	wasFailed := succeeded != nil && succeeded.Status == no

	var failed []*entry
	for _, e := range p.instances {
		last, old := p.lastEnded(e), before[e.place()]
		switch {
		case !last.failed(), old == nil && !knownInFull:
		case last != e && wasFailed:
		case last == e && old != nil && old.tells() && old.failed() && old.run() == e.run():
		default:
			failed = append(failed, e)
		}
	}
	return failed
}
